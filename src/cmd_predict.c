// genseg predict: label maps for images, on their own grids. All names are settled and
// all headers read before the first image is segmented.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <unistd.h>

#include <genseg/genseg.h>

#include "commands.h"
#include "tool_arguments.h"
#include "tool_console.h"
#include "tool_data.h"
#include "tool_interrupt.h"
#include "tool_output.h"

static const char help[] =
    "usage: genseg predict MODEL IMAGE... --out DIR [options]\n"
    "\n"
    "Segments images and writes a label map for each into DIR, under the image's name and on its grid:\n"
    "NIfTI for NIfTI, PNG for PNG and JPEG. An IMAGE may be a folder: all images in it are meant.\n"
    "Prints one line for each image: input, output, seconds (separated by tabs).\n"
    "\n"
    "  -o, --out DIR          folder to write to; made if it is not there\n"
    "  --probabilities        also write NAME_probabilities, one volume for each class\n"
    "  --overlap P            part that neighbouring tiles share, 0 to 0.9 (default 0.5); less is faster\n"
    "  --threads T            threads (default: all cores); --no-winograd: direct convolutions\n"
    "  --memory 4G            most memory to use; what can't be done within is refused\n"
    "  -q, --quiet            no progress\n"
    "\n"
    "Label values are those of the training data: a map of 0 and 1 looks black in a viewer until its\n"
    "contrast is stretched. An image that can't be used is told and left out; the exit code is 1 then.\n"
    "\n"
    "example: genseg predict liver.safetensors new-scans/ --out masks/\n";

typedef struct predict_arguments {
    tool_common common;
    genseg_predict_options options;
    const char *out;
    bool probabilities;
} predict_arguments;

// One image and where its results go.
typedef struct job {
    char *image, *label, *probability;
} job;

typedef struct job_list {
    job *items;
    size_t count;
    size_t refused; // images left out after a message
} job_list;

static void free_jobs(job_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].image);
        free(list->items[i].label);
        free(list->items[i].probability);
    }
    free(list->items);
}

static bool out_of_memory(console *to)
{
    console_error(to, "out of memory");
    return false;
}

// --- Which images ---

// Takes over `path`.
static bool add_image(console *to, job_list *list, char *path)
{
    job *more = path ? realloc(list->items, (list->count + 1) * sizeof *more) : NULL;
    if (!more) {
        free(path);
        return out_of_memory(to);
    }
    list->items = more;
    more[list->count++] = (job){.image = path};
    return true;
}

static bool add_folder(console *to, job_list *list, const char *folder)
{
    struct dirent **names = NULL;
    size_t before = list->count;
    bool good = true;
    int count = scandir(folder, &names, NULL, alphasort);
    if (count < 0) {
        console_error(to, "%s: the folder cannot be read", folder);
        return false;
    }
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        if (good && name[0] != '.' && output_is_image(name))
            good = add_image(to, list, output_join(folder, name, "", ""));
        free(names[i]);
    }
    free(names);
    if (good && list->count == before) {
        console_error(to, "%s: no image is in this folder (.nii, .nii.gz, .hdr, .png, .jpg, .h5)", folder);
        return false;
    }
    return good;
}

static bool collect(console *to, job_list *list, int count, char **operands)
{
    for (int i = 0; i < count; i++) {
        bool good = output_is_folder(operands[i]) ? add_folder(to, list, operands[i])
                                                  : add_image(to, list, strdup(operands[i]));
        if (!good)
            return false;
    }
    return true;
}

// --- Which outputs ---

static bool name_output(console *to, const genseg_segmenter *segmenter, const job *item, const char *folder,
                        int32_t probability, char **path, bool *usable)
{
    const char *extension;
    genseg_error err;
    genseg_status status = genseg_segmenter_extension(segmenter, item->image, probability, &extension, &err);
    *usable = status == GENSEG_OK;
    if (!*usable) {
        console_error(to, "%s", err.message);
        return true;
    }
    char *stem = output_stem(item->image);
    *path = stem ? output_join(folder, stem, probability ? "_probabilities" : "", extension) : NULL;
    free(stem);
    return *path ? true : out_of_memory(to);
}

// Images whose header can't be read leave the list after a message.
static bool name_outputs(console *to, const genseg_segmenter *segmenter, job_list *list, const predict_arguments *my)
{
    size_t kept = 0;
    bool good = true;
    for (size_t i = 0; i < list->count; i++) {
        job *item = &list->items[i];
        bool usable = true;
        good = good && name_output(to, segmenter, item, my->out, 0, &item->label, &usable);
        if (good && usable && my->probabilities)
            good = name_output(to, segmenter, item, my->out, 1, &item->probability, &usable);
        if (usable) {
            list->items[kept++] = *item;
            continue;
        }
        list->refused++;
        free(item->image);
        free(item->label);
        free(item->probability);
    }
    list->count = kept;
    return good;
}

typedef struct named {
    const char *path, *image;
} named;

static int compare_named(const void *a, const void *b)
{
    return strcmp(((const named *)a)->path, ((const named *)b)->path);
}

// Two images must not be written to one file.
static bool check_unique(console *to, const job_list *list)
{
    named *all = calloc(2 * list->count + 1, sizeof *all);
    size_t count = 0;
    bool good = true;
    if (!all)
        return out_of_memory(to);
    for (size_t i = 0; i < list->count; i++) {
        const job *item = &list->items[i];
        all[count++] = (named){item->label, item->image};
        if (item->probability)
            all[count++] = (named){item->probability, item->image};
    }
    qsort(all, count, sizeof *all, compare_named);
    for (size_t i = 1; i < count && good; i++) {
        if (strcmp(all[i - 1].path, all[i].path) != 0)
            continue;
        console_error(to, "%s and %s would both be written to %s: segment them in two calls", all[i - 1].image,
                      all[i].image, all[i].path);
        good = false;
    }
    free(all);
    return good;
}

static bool check_overwrite(console *to, const job_list *list, const char *output, const char *model)
{
    if (!output || access(output, F_OK) != 0)
        return true;
    bool same = output_same_file(output, model);
    for (size_t i = 0; i < list->count && !same; i++)
        same = output_same_file(output, list->items[i].image);
    if (same)
        console_error(to, "%s: an input would be overwritten; take another folder for --out", output);
    return !same;
}

static bool check_outputs(console *to, const job_list *list, const char *model)
{
    if (!check_unique(to, list))
        return false;
    for (size_t i = 0; i < list->count; i++)
        if (!check_overwrite(to, list, list->items[i].label, model) ||
            !check_overwrite(to, list, list->items[i].probability, model))
            return false;
    return true;
}

// --- The work ---

static int32_t on_progress(const genseg_progress *progress, void *user)
{
    console_progress(user, progress);
    return interrupt_asked();
}

// What lies in the image; the next one may be better.
static bool is_about_image(genseg_status status)
{
    return status == GENSEG_ERROR_FORMAT || status == GENSEG_ERROR_SHAPE || status == GENSEG_ERROR_NUMERIC ||
           status == GENSEG_ERROR_UNSUPPORTED || status == GENSEG_ERROR_INVALID;
}

static int run_jobs(console *to, const genseg_segmenter *segmenter, const job_list *list, const predict_arguments *my)
{
    int code = list->refused ? TOOL_FAILED : TOOL_OK;
    genseg_predict_options options = my->options;
    options.progress = on_progress;
    options.progress_user = to;
    for (size_t i = 0; i < list->count; i++) {
        const job *item = &list->items[i];
        char what[48];
        genseg_error err;
        double begin = console_clock();
        snprintf(what, sizeof what, "%zu/%zu", i + 1, list->count);
        to->what = what;
        genseg_status status = interrupt_asked() ? GENSEG_ERROR_CANCELLED
                                                 : genseg_segmenter_predict_file(segmenter, item->image, &options,
                                                                                 item->label, item->probability, &err);
        to->what = NULL;
        console_clear(to);
        if (status == GENSEG_ERROR_CANCELLED) {
            console_error(to, "stopped after %zu of %zu images", i, list->count);
            return TOOL_CANCELLED;
        }
        if (status == GENSEG_OK) {
            printf("%s\t%s\t%.2f\n", item->image, item->label, console_clock() - begin);
            fflush(stdout);
            continue;
        }
        code = tool_failed(to, status, &err);
        if (!is_about_image(status))
            break;
    }
    return code;
}

static int predict(console *to, const genseg_segmenter *segmenter, const predict_arguments *my, const char *model,
                   int count, char **operands)
{
    job_list list = {.count = 0};
    int code = TOOL_FAILED;
    bool made = false;
    if (collect(to, &list, count, operands) && name_outputs(to, segmenter, &list, my) &&
        check_outputs(to, &list, model) && list.count > 0 && output_check_folder(to, my->out, &made)) {
        interrupt_arm(NULL);
        code = run_jobs(to, segmenter, &list, my);
        interrupt_disarm();
    }
    if (made && code != TOOL_OK)
        rmdir(my->out); // stays where something was written
    free_jobs(&list);
    return code;
}

static bool parse(predict_arguments *my, int argc, char **argv, int *first, int *code)
{
    static const char *const operands[] = {"MODEL", "IMAGE", NULL};
    static const tool_command command = {.name = "predict", .help = help, .operands = operands, .repeated = true};
    const argument list[] = {
        {.name = "out", .kind = ARGUMENT_TEXT, .target = &my->out, .letter = 'o'},
        ARGUMENTS_COMMON(my->common),
        {.name = "probabilities", .kind = ARGUMENT_FLAG, .target = &my->probabilities},
        {.name = "overlap", .kind = ARGUMENT_REAL, .target = &my->options.overlap, .low = 0, .high = 0.9},
        {.name = NULL},
    };
    if (!arguments_parse(&command, list, argc, argv, first, code))
        return false;
    if (my->out)
        return true;
    console_say("genseg predict: --out DIR is missing (see genseg predict --help)");
    *code = TOOL_USAGE;
    return false;
}

int cmd_predict(int argc, char **argv)
{
    predict_arguments my = {.out = NULL};
    console to;
    int first, code;
    genseg_predict_options_init(&my.options, sizeof my.options);
    if (!parse(&my, argc, argv, &first, &code))
        return code;
    console_init(&to, my.common.quiet);
    genseg_context *context = tool_context(&to, &my.common, -1, &to);
    if (!context)
        return TOOL_FAILED;
    genseg_segmenter *segmenter = tool_load(&to, context, argv[first]);
    code = segmenter ? predict(&to, segmenter, &my, argv[first], argc - first - 1, argv + first + 1) : TOOL_FAILED;
    genseg_segmenter_free(segmenter);
    genseg_context_free(context);
    return code;
}
