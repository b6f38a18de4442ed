// genseg audit: goes on training a model for some steps on DATA, then proves the gradients that its feedback goes by, by
// moving each value and making the step again.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <genseg/genseg.h>

#include "commands.h"
#include "tool_arguments.h"
#include "tool_console.h"
#include "tool_data.h"
#include "tool_interrupt.h"
#include "tool_training.h"

#define DEFAULT_STEPS 8

static const char help[] =
    "usage: genseg audit MODEL DATA [options]\n"
    "\n"
    "Proves on DATA that feedback from validation reaches what it is to move. Goes on training MODEL (of\n"
    "genseg train, with its generator) for some steps; then moves one value at a time, makes the next\n"
    "step again from the same weights, looks at the validation loss, and compares with the gradient by\n"
    "which GenSeg moves that value. MODEL stays as it is.\n"
    "\n"
    "  --steps N              steps before the audit (default 8), and of the generator before them\n"
    "  --most N               values of a lever that are moved (default 3; 0: all)\n"
    "  --delta X              by how much (default 0.05)\n"
    "  --seed S               of all chance (default 1)\n"
    "  --image-name, --label-name NAME   names of the data sets in HDF5 files\n"
    "  --grey                            image files of three channels are read as one\n"
    "  --batch, --gan-lr, --solver, ...  as in genseg train; networks and size are MODEL's\n"
    "  --threads T, --memory 4G          limits; --no-winograd: direct convolutions, as a check\n"
    "  -q, --quiet            no progress\n"
    "\n"
    "Prints for each group of levers: values moved, lengths of the gradient, of the brute force's and of\n"
    "their difference, their cosine, equal signs. Brute force is blurred where networks have kinks and\n"
    "losses single precision: `unsure` counts values where half a move gives something else altogether;\n"
    "they are left out of the other columns. Exit code 1 where no gradient reaches the levers.\n"
    "\n"
    "example: genseg audit liver.safetensors scans/\n";

typedef struct audit_arguments {
    tool_common common;
    data_arguments data;
    training_arguments training;
    int64_t most, seed;
    double delta;
} audit_arguments;

static bool parse(audit_arguments *my, int argc, char **argv, int *first, int *code)
{
    static const char *const operands[] = {"MODEL", "DATA", NULL};
    static const tool_command command = {.name = "audit", .help = help, .operands = operands};
    const argument own[] = {
        ARGUMENTS_COMMON(my->common),
        ARGUMENTS_DATA(my->data),
        {.name = "seed", .kind = ARGUMENT_COUNT, .target = &my->seed, .high = 1e18},
        {.name = "most", .kind = ARGUMENT_COUNT, .target = &my->most, .high = 1e9},
        {.name = "delta", .kind = ARGUMENT_REAL, .target = &my->delta, .low = 1e-4, .high = 1},
        {.name = NULL},
    };
    argument list[ARGUMENTS_MOST];
    training_list(&my->training, own, list);
    return arguments_parse(&command, list, argc, argv, first, code) &&
           training_settle(&my->training, command.name, code);
}

// ---- the model

typedef struct model {
    genseg_segmenter *segmenter;
    genseg_generator *generator;
} model;

// Networks and sizes like the model's.
static genseg_status follow(const model *from, genseg_trainer_options *options, genseg_error *err)
{
    genseg_segmenter_info segmenter = {.struct_size = sizeof segmenter};
    genseg_generator_info generator = {.struct_size = sizeof generator};
    genseg_status status = genseg_segmenter_describe(from->segmenter, &segmenter, err);
    if (status == GENSEG_OK)
        status = genseg_generator_describe(from->generator, &generator, err);
    if (status != GENSEG_OK)
        return status;
    options->method = "genseg";
    options->segmenter = NULL; // by the data, whose dimensions have to be the model's
    options->width = segmenter.width;
    options->normalise = segmenter.normalise;
    for (int i = 0; i < 3; i++)
        options->size[i] = i < 3 - segmenter.ndim ? 0 : segmenter.size[i];
    options->generator_width = generator.width;
    options->generator_levels = generator.levels;
    options->candidates = generator.candidates;
    options->noise = generator.noise;
    options->steps = options->steps ? options->steps : DEFAULT_STEPS;
    options->gan_steps = options->gan_steps ? options->gan_steps : options->steps;
    return GENSEG_OK;
}

static bool fits(console *to, const model *from, const char *path, const genseg_dataset *dataset)
{
    genseg_segmenter_info info = {.struct_size = sizeof info};
    genseg_segmenter_describe(from->segmenter, &info, NULL);
    if (info.ndim == genseg_dataset_ndim(dataset) && info.channels == genseg_dataset_channels(dataset) &&
        info.classes == genseg_dataset_classes(dataset))
        return true;
    console_error(to, "%s: %d dimensions, %d channels, %d classes; the model has %d, %d, %d", path,
                  (int)genseg_dataset_ndim(dataset), (int)genseg_dataset_channels(dataset),
                  (int)genseg_dataset_classes(dataset), (int)info.ndim, (int)info.channels, (int)info.classes);
    return false;
}

// ---- the audit

#define GROUPS 5

typedef struct group {
    int64_t values, unsure, signs;
    double ours, brute, both; // inner products
} group;

typedef struct audit {
    console *to;
    group groups[GROUPS];
} audit;

static int32_t count_entry(const genseg_audit *entry, void *user)
{
    audit *my = user;
    int at = 0;
    while (at < GROUPS - 1 && !(entry->group & 1 << at))
        at++;
    group *g = &my->groups[at];
    g->values++;
    if (entry->noise >= 0.5 * fabs(entry->brute) && entry->noise > 0) {
        g->unsure++;
    } else {
        g->ours += entry->gradient * entry->gradient;
        g->brute += entry->brute * entry->brute;
        g->both += entry->gradient * entry->brute;
        g->signs += entry->gradient * entry->brute > 0 || (entry->gradient == 0 && entry->brute == 0);
    }
    genseg_progress progress = {.struct_size = sizeof progress, .phase = GENSEG_PHASE_EVALUATE, .done = entry->done,
                                .total = entry->total, .seconds_left = (double)NAN, .loss = (double)NAN,
                                .validation_dice = (double)NAN, .best_dice = (double)NAN};
    console_progress(my->to, &progress);
    return interrupt_asked();
}

static void print(const audit *my)
{
    static const char *const names[GROUPS] = {"architecture", "gamma", "warp", "appearance", "pairs"};
    printf("lever         values  unsure  |gradient|  |brute force|  |difference|  cosine  signs\n");
    for (int i = 0; i < GROUPS; i++) {
        const group *g = &my->groups[i];
        const int64_t sure = g->values - g->unsure;
        if (g->values == 0)
            continue;
        printf("%-12s  %6lld  %6lld", names[i], (long long)g->values, (long long)g->unsure);
        if (sure > 0)
            printf("  %10.3e  %13.3e  %12.3e  %6.3f  %lld/%lld", sqrt(g->ours), sqrt(g->brute),
                   sqrt(fmax(g->ours - 2 * g->both + g->brute, 0)), g->both / sqrt(g->ours * g->brute),
                   (long long)g->signs, (long long)sure);
        printf("\n");
    }
    printf("weights, levers and optimizers are as they were before the audit, bit for bit\n");
}

static int32_t on_progress(const genseg_progress *progress, void *user)
{
    console_progress(user, progress);
    return interrupt_asked();
}

static int run(console *to, const audit_arguments *my, const model *from, genseg_context *context,
               genseg_dataset *dataset)
{
    genseg_trainer *trainer = NULL;
    genseg_error err;
    audit found = {.to = to};
    const int32_t groups = my->training.trainer.levers & (GENSEG_LEVER_GENERATOR - 1);
    genseg_status status = genseg_trainer_new(context, dataset, &my->training.trainer, &trainer, &err);
    if (status == GENSEG_OK)
        status = genseg_trainer_start_from(trainer, from->segmenter, from->generator, &err);
    if (status == GENSEG_OK) {
        interrupt_arm(trainer);
        status = genseg_trainer_run(trainer, on_progress, to, &err);
        if (status == GENSEG_OK)
            status = genseg_trainer_audit(trainer, groups, my->most, my->delta, count_entry, &found, &err);
        interrupt_disarm();
    }
    console_clear(to);
    genseg_trainer_free(trainer);
    if (status != GENSEG_OK)
        return tool_failed(to, status, &err);
    print(&found);
    return TOOL_OK;
}

int cmd_audit(int argc, char **argv)
{
    audit_arguments my = {.most = 3, .seed = 1};
    genseg_dataset *dataset = NULL;
    model from = {0};
    genseg_error err;
    console to;
    int first, code;
    training_init(&my.training);
    if (!parse(&my, argc, argv, &first, &code))
        return code;
    console_init(&to, my.common.quiet);
    genseg_context *context = tool_context(&to, &my.common, my.seed, &to);
    if (!context)
        return TOOL_FAILED;
    code = TOOL_FAILED;
    from.segmenter = tool_load(&to, context, argv[first]);
    if (from.segmenter) {
        genseg_status status = genseg_generator_load(context, argv[first], &from.generator, &err);
        if (status == GENSEG_OK)
            status = follow(&from, &my.training.trainer, &err);
        code = status == GENSEG_OK ? data_open(&to, context, argv[first + 1], &my.data, &dataset)
                                   : tool_failed(&to, status, &err);
    }
    if (code == TOOL_OK && !fits(&to, &from, argv[first + 1], dataset))
        code = TOOL_FAILED;
    if (code == TOOL_OK)
        code = data_divide_again(&to, dataset, from.segmenter);
    if (code == TOOL_OK)
        code = run(&to, &my, &from, context, dataset);
    genseg_generator_free(from.generator);
    genseg_segmenter_free(from.segmenter);
    genseg_dataset_free(dataset);
    genseg_context_free(context);
    return code;
}
