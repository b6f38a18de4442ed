// genseg synthesize: images for masks by the generator of a model, on the masks' own grid. All names are settled before
// the first image is made.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <unistd.h>

#include <genseg/genseg.h>

#include "commands.h"
#include "tool_arguments.h"
#include "tool_console.h"
#include "tool_data.h"
#include "tool_interrupt.h"
#include "tool_output.h"

static const char help[] =
    "usage: genseg synthesize MODEL MASK... --out DIR [options]\n"
    "\n"
    "Makes images of label maps by the generator of a model of genseg train, and writes them into DIR as\n"
    "NAME_0001, NAME_0002, ...: NIfTI (-1 to 1) for NIfTI, PNG for PNG, on the mask's grid.\n"
    "Prints one line for each image: mask, output, seconds (separated by tabs).\n"
    "\n"
    "  -o, --out DIR          folder to write to; made if it is not there\n"
    "  --number N             images of each mask (default 1); they differ with --warp, or by noise\n"
    "  --warp                 warp the mask at random, and write what it became as NAME_0001_mask\n"
    "  --magnitude X          how much, 0 to 4 (default 1: as training begins)\n"
    "  --seed S               of warps and noise (default 1)\n"
    "  --discretise NAME      merged (one kernel for each cell, the same images) or best (the likeliest)\n"
    "  --threads T            threads (default: all cores); --no-winograd: direct convolutions\n"
    "  --memory 4G            most memory to use; what can't be done within is refused\n"
    "  -q, --quiet            no progress\n"
    "\n"
    "A mask that can't be used is told and left out; the exit code is 1 then.\n"
    "\n"
    "example: genseg synthesize liver.safetensors scans/masks/*.png --warp --number 5 --out made/\n";

typedef struct synthesize_arguments {
    tool_common common;
    genseg_synthesize_options options;
    const char *out, *discretise;
    int64_t number, seed;
    bool warp;
} synthesize_arguments;

// One mask, and what the names of its results begin with, and end with.
typedef struct job {
    const char *mask, *extension;
    char *stem;
} job;

static bool out_of_memory(console *to)
{
    console_error(to, "out of memory");
    return false;
}

// --- Names ---

static const char *extension_of(const char *mask)
{
    const size_t length = strlen(mask);
    return length > 4 && strcasecmp(mask + length - 4, ".png") == 0 ? ".png" : ".nii.gz";
}

static char *name_of(const job *item, const char *folder, int64_t number, const char *more)
{
    char suffix[48];
    snprintf(suffix, sizeof suffix, "_%04lld%s", (long long)number, more);
    return output_join(folder, item->stem, suffix, item->extension);
}

static bool same_names(const job *a, const job *b)
{
    return strcmp(a->stem, b->stem) == 0 && strcmp(a->extension, b->extension) == 0;
}

// An input must not be overwritten by an output of `item`.
static bool check_overwrite(console *to, const job *item, const synthesize_arguments *my, const char *model,
                            const job *jobs, int count)
{
    bool good = true;
    for (int64_t n = 1; n <= my->number && good; n++)
        for (int part = 0; part <= my->warp && good; part++) {
            char *path = name_of(item, my->out, n, part ? "_mask" : "");
            if (!path)
                return out_of_memory(to);
            bool same = false;
            if (access(path, F_OK) == 0) {
                same = output_same_file(path, model);
                for (int i = 0; i < count && !same; i++)
                    same = output_same_file(path, jobs[i].mask);
            }
            if (same)
                console_error(to, "%s: an input would be overwritten; take another folder for --out", path);
            good = !same;
            free(path);
        }
    return good;
}

static bool name_jobs(console *to, job *jobs, int count, char **masks)
{
    for (int i = 0; i < count; i++) {
        jobs[i] = (job){.mask = masks[i], .extension = extension_of(masks[i]), .stem = output_stem(masks[i])};
        if (!jobs[i].stem)
            return out_of_memory(to);
        for (int k = 0; k < i; k++)
            if (same_names(&jobs[i], &jobs[k])) {
                console_error(to, "%s and %s would be written to the same files: take two calls", masks[k], masks[i]);
                return false;
            }
    }
    return true;
}

// --- The work ---

// What lies in the mask; the next one may be better.
static bool is_about_mask(genseg_status status)
{
    return status == GENSEG_ERROR_FORMAT || status == GENSEG_ERROR_SHAPE || status == GENSEG_ERROR_UNSUPPORTED;
}

static int make_image(console *to, const genseg_generator *generator, const job *item,
                      const synthesize_arguments *my, int64_t number, genseg_status *status)
{
    genseg_error err;
    genseg_synthesize_options options = my->options;
    const double begin = console_clock();
    options.number = number - 1;
    char *image = name_of(item, my->out, number, ""), *mask = my->warp ? name_of(item, my->out, number, "_mask") : NULL;
    int code = TOOL_OK;
    *status = GENSEG_ERROR_NOMEM;
    if (!image || (my->warp && !mask)) {
        out_of_memory(to);
        code = TOOL_FAILED;
    } else {
        *status = genseg_generator_run_file(generator, item->mask, &options, image, mask, &err);
        if (*status != GENSEG_OK)
            code = tool_failed(to, *status, &err);
        else
            printf("%s\t%s\t%.2f\n", item->mask, image, console_clock() - begin);
        fflush(stdout);
    }
    free(mask);
    free(image);
    return code;
}

static int run_jobs(console *to, const genseg_generator *generator, const job *jobs, int count,
                    const synthesize_arguments *my)
{
    int code = TOOL_OK;
    for (int i = 0; i < count; i++) {
        genseg_status status = GENSEG_OK;
        for (int64_t n = 1; n <= my->number && status == GENSEG_OK; n++) {
            if (interrupt_asked()) {
                console_error(to, "stopped at %s", jobs[i].mask);
                return TOOL_CANCELLED;
            }
            const int own = make_image(to, generator, &jobs[i], my, n, &status);
            code = own != TOOL_OK ? own : code;
        }
        if (status != GENSEG_OK && !is_about_mask(status))
            break;
    }
    return code;
}

static int synthesize(console *to, const genseg_generator *generator, const synthesize_arguments *my, const char *model,
                      int count, char **masks)
{
    job *jobs = calloc((size_t)count, sizeof *jobs);
    int code = TOOL_FAILED;
    bool made = false, good = jobs ? name_jobs(to, jobs, count, masks) : out_of_memory(to);
    for (int i = 0; i < count && good; i++)
        good = check_overwrite(to, &jobs[i], my, model, jobs, count);
    if (good && output_check_folder(to, my->out, &made)) {
        interrupt_arm(NULL);
        code = run_jobs(to, generator, jobs, count, my);
        interrupt_disarm();
    }
    if (made && code != TOOL_OK)
        rmdir(my->out); // stays where something was written
    for (int i = 0; jobs && i < count; i++)
        free(jobs[i].stem);
    free(jobs);
    return code;
}

// NULL after a message.
static genseg_generator *load(console *to, genseg_context *context, const char *path, const char *discretise)
{
    genseg_generator *generator = NULL, *plain = NULL;
    genseg_error err;
    if (!tool_may_load(to, path))
        return NULL;
    genseg_status status = genseg_generator_load(context, path, &generator, &err);
    if (status == GENSEG_OK && discretise) {
        const bool best = strcmp(discretise, "best") == 0;
        status = genseg_generator_discretise(generator, best ? GENSEG_DISCRETISE_BEST : GENSEG_DISCRETISE_MERGED,
                                             &plain, &err);
        genseg_generator_free(generator);
        generator = plain;
    }
    if (status == GENSEG_OK)
        return generator;
    tool_failed(to, status, &err);
    return NULL;
}

static bool parse(synthesize_arguments *my, int argc, char **argv, int *first, int *code)
{
    static const char *const operands[] = {"MODEL", "MASK", NULL};
    static const char *const ways[] = {"merged", "best", NULL};
    static const tool_command command = {.name = "synthesize", .help = help, .operands = operands, .repeated = true};
    const argument list[] = {
        {.name = "out", .kind = ARGUMENT_TEXT, .target = &my->out, .letter = 'o'},
        ARGUMENTS_COMMON(my->common),
        {.name = "number", .kind = ARGUMENT_COUNT, .target = &my->number, .low = 1, .high = 1e15},
        {.name = "warp", .kind = ARGUMENT_FLAG, .target = &my->warp},
        {.name = "magnitude", .kind = ARGUMENT_REAL, .target = &my->options.magnitude, .low = 0, .high = 4},
        {.name = "seed", .kind = ARGUMENT_COUNT, .target = &my->seed, .high = 1e18},
        {.name = "discretise", .kind = ARGUMENT_CHOICE, .target = &my->discretise, .choices = ways},
        {.name = NULL},
    };
    if (!arguments_parse(&command, list, argc, argv, first, code))
        return false;
    my->options.warp = my->warp;
    my->options.seed = (uint64_t)my->seed;
    if (my->out)
        return true;
    console_say("genseg synthesize: --out DIR is missing (see genseg synthesize --help)");
    *code = TOOL_USAGE;
    return false;
}

int cmd_synthesize(int argc, char **argv)
{
    synthesize_arguments my = {.number = 1, .seed = 1};
    console to;
    int first, code;
    genseg_synthesize_options_init(&my.options, sizeof my.options);
    if (!parse(&my, argc, argv, &first, &code))
        return code;
    console_init(&to, my.common.quiet);
    genseg_context *context = tool_context(&to, &my.common, -1, &to);
    if (!context)
        return TOOL_FAILED;
    genseg_generator *generator = load(&to, context, argv[first], my.discretise);
    code = generator ? synthesize(&to, generator, &my, argv[first], argc - first - 1, argv + first + 1) : TOOL_FAILED;
    genseg_generator_free(generator);
    genseg_context_free(context);
    return code;
}
