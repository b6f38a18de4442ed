// genseg train: DATA in, the best model out. Everything that can be refused is refused
// before the first step.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <genseg/genseg.h>

#include "commands.h"
#include "tool_arguments.h"
#include "tool_console.h"
#include "tool_data.h"
#include "tool_interrupt.h"
#include "tool_output.h"
#include "tool_profile.h"
#include "tool_training.h"

static const char help[] =
    "usage: genseg train DATA --out MODEL [options]\n"
    "\n"
    "Trains a U-Net on DATA (see genseg --help), with a generator that makes more pairs of masks\n"
    "(GenSeg), and writes the model that was best on validation. Ctrl-C ends it and keeps that model.\n"
    "\n"
    "  -o, --out MODEL        file to write (.safetensors)\n"
    "  --examples N           cases to learn from, those for validation included (default: all)\n"
    "  --val-examples M       how many of them are for validation (default: a fifth)\n"
    "  --seed S               of the division of the cases and of all chance (default 1)\n"
    "  --groups CHARS         names up to one of CHARS are patients, never parted: _ for p1_a, p1_b\n"
    "  --time 10m, --steps K  end of the training, whichever comes first (default 2000 steps)\n"
    "  --patience N           end after N validations without a better one\n"
    "  --validate-every N     steps between validations (default: a tenth of the time goes there)\n"
    "  --method NAME          genseg (default); continued or separate: a generator without feedback;\n"
    "                         augment or plain: real pairs alone, with and without augmentation\n"
    "  --gan-steps N          of the generator beforehand (default: as --steps, or a third of the time)\n"
    "  --gan-every N, --levers-every N   steps between the generator's, and between feedback (2, 4)\n"
    "  --generator-width W, --generator-levels N, --discriminator-width W, --candidates N, --noise N\n"
    "  --gan-loss NAME        vanilla (default), lsgan or wgan; --gan-lr R, --l1 R\n"
    "  --levers LIST          what feedback moves: all (default), or of architecture, gamma, warp,\n"
    "                         appearance, pairs, generator, with commas\n"
    "  --levers-lr R, --feedback-lr R, --gamma R, --appearance R\n"
    "  --solver NAME          one-step (default), neumann or cg; --solver-terms N\n"
    "  --segmenter-only       write the segmenter without its generator\n"
    "  --segmenter NAME       unet2d or unet3d (default: as DATA is)\n"
    "  --width W              channels of the first level (default 64 in 2-D, 16 in 3-D)\n"
    "  --size 256x256         what the network sees at once (in 3-D 64x64x48)\n"
    "  --batch B, --lr R      images or patches a step (2); learning rate, reached in --warmup N steps\n"
    "  --optimizer NAME       adam (default), adamw, rmsprop or sgd; --momentum P, --weight-decay P\n"
    "  --schedule NAME        of the learning rate: cosine (default), plateau or constant\n"
    "  --normalise NAME       percentile (default), zscore or none\n"
    "  --symmetric AXES       axes along which a flipped image is as plausible, such as w; --no-augment\n"
    "  --class-weights, --no-class-weights   rare classes count for more (default: of three or more)\n"
    "  --foreground P         share of patches centred on foreground (default 0.33)\n"
    "  --image-name, --label-name NAME   names of the data sets in HDF5 files; --grey: colours as grey\n"
    "  --threads T, --memory 4G          limits; a run that needs more memory is refused at once\n"
    "  --recompute            less memory for up to a third more time (default: where --memory asks)\n"
    "  --profile              show what the time was spent on; --no-winograd; -q, --quiet: no progress\n"
    "\n"
    "example: genseg train scans/ --examples 40 --time 10m --out liver.safetensors\n";

typedef struct train_arguments {
    tool_common common;
    data_arguments data;
    split_arguments split;
    training_arguments training;
    const char *out;
    bool no_augment, segmenter_only;
} train_arguments;

static bool parse(train_arguments *my, int argc, char **argv, int *first, int *code)
{
    static const char *const operands[] = {"DATA", NULL};
    static const char *const methods[] = {"genseg", "continued", "separate", "augment", "plain", NULL};
    static const tool_command command = {.name = "train", .help = help, .operands = operands};
    genseg_trainer_options *trainer = &my->training.trainer;
    const argument own[] = {
        {.name = "out", .kind = ARGUMENT_TEXT, .target = &my->out, .letter = 'o'},
        ARGUMENTS_COMMON(my->common),
        ARGUMENTS_DATA(my->data),
        ARGUMENTS_GROUPS(my->data),
        ARGUMENTS_SPLIT(my->split),
        {.name = "method", .kind = ARGUMENT_CHOICE, .target = &trainer->method, .choices = methods},
        {.name = "time", .kind = ARGUMENT_DURATION, .target = &trainer->seconds},
        {.name = "patience", .kind = ARGUMENT_COUNT, .target = &trainer->patience, .low = 1, .high = 1e15},
        {.name = "no-augment", .kind = ARGUMENT_FLAG, .target = &my->no_augment},
        {.name = "profile", .kind = ARGUMENT_FLAG, .target = &my->common.profile},
        {.name = "segmenter-only", .kind = ARGUMENT_FLAG, .target = &my->segmenter_only},
        {.name = NULL},
    };
    argument list[ARGUMENTS_MOST];
    training_list(&my->training, own, list);
    if (!arguments_parse(&command, list, argc, argv, first, code))
        return false;
    if (!my->out) {
        console_say("genseg train: --out MODEL is missing (see genseg train --help)");
        *code = TOOL_USAGE;
        return false;
    }
    if (my->no_augment)
        trainer->augment = 0;
    return training_settle(&my->training, command.name, code);
}

static void say_plan(console *to, const train_arguments *my, genseg_context *context, const genseg_dataset *dataset,
                     const genseg_trainer *trainer)
{
    char size[80], need[CONSOLE_BYTES_SIZE], limit[CONSOLE_BYTES_SIZE];
    genseg_segmenter_info info = {.struct_size = sizeof info};
    data_counts counts = data_count(dataset);
    if (genseg_trainer_describe(trainer, &info, NULL) != GENSEG_OK)
        return;
    if (info.ndim == 3)
        snprintf(size, sizeof size, "%lldx%lldx%lld", (long long)info.size[0], (long long)info.size[1],
                 (long long)info.size[2]);
    else
        snprintf(size, sizeof size, "%lldx%lld", (long long)info.size[1], (long long)info.size[2]);
    console_note(to, "%s, width %lld, %s, batch %lld: %lld weights; %d channel%s, %d classes", info.architecture,
                 (long long)info.width, size, (long long)my->training.trainer.batch, (long long)info.weights,
                 info.channels, info.channels == 1 ? "" : "s", info.classes);
    console_note(to, "%lld training and %lld validation cases, %lld left for testing; %d threads; memory %s (%s%s)",
                 (long long)counts.train, (long long)counts.validation, (long long)counts.test,
                 genseg_context_threads(context), console_bytes(genseg_trainer_memory(trainer), need),
                 my->common.memory ? "limit " : "no limit",
                 my->common.memory ? console_bytes(my->common.memory, limit) : "");
}

static int32_t on_progress(const genseg_progress *progress, void *user)
{
    console_progress(user, progress);
    return interrupt_asked();
}

// Is one written? The methods of real pairs alone have none.
static bool has_generator(const train_arguments *my)
{
    const char *method = my->training.trainer.method;
    return !my->segmenter_only && strcmp(method, "augment") != 0 && strcmp(method, "plain") != 0;
}

static int save(console *to, const train_arguments *my, const genseg_trainer *trainer)
{
    const char *path = my->out;
    genseg_segmenter *segmenter = NULL;
    genseg_generator *generator = NULL;
    genseg_segmenter_info info = {.struct_size = sizeof info};
    genseg_error err;
    genseg_status status = genseg_trainer_segmenter(trainer, &segmenter, &err);
    if (status == GENSEG_OK)
        status = has_generator(my) ? genseg_trainer_generator(trainer, &generator, &err) : GENSEG_OK;
    if (status == GENSEG_OK)
        status = generator ? genseg_generator_save(generator, segmenter, path, &err)
                           : genseg_segmenter_save(segmenter, path, &err);
    if (status == GENSEG_OK)
        status = genseg_segmenter_describe(segmenter, &info, &err);
    genseg_generator_free(generator);
    genseg_segmenter_free(segmenter);
    if (status != GENSEG_OK)
        return tool_failed(to, status, &err);
    printf("%s: %s of step %lld", path, info.architecture, (long long)info.steps);
    if (isfinite(info.validation_dice))
        printf(", validation Dice %.4f", info.validation_dice);
    printf("\n");
    return TOOL_OK;
}

// Is there something to keep? Not where the very first steps failed.
static bool has_model(const genseg_trainer *trainer)
{
    genseg_segmenter *segmenter = NULL;
    genseg_status status = genseg_trainer_segmenter(trainer, &segmenter, NULL);
    genseg_segmenter_free(segmenter);
    return status == GENSEG_OK;
}

// After the run: whatever it ended with, a model that was trained is kept.
static int finish(console *to, const train_arguments *my, const genseg_trainer *trainer, genseg_status status,
                  const genseg_error *err)
{
    bool keep = status == GENSEG_OK || has_model(trainer);
    console_clear(to);
    if (status != GENSEG_OK && status != GENSEG_ERROR_CANCELLED)
        tool_failed(to, status, err);
    if (status == GENSEG_ERROR_CANCELLED)
        console_error(to,
                      keep ? "stopped after %lld steps; the best model so far is kept"
                           : "stopped after %lld steps: no model is written",
                      (long long)genseg_trainer_steps(trainer));
    else if (status != GENSEG_OK && genseg_trainer_steps(trainer) > 0)
        console_error(to, keep ? "the best model before that is kept" : "no model is written");
    int code = keep ? save(to, my, trainer) : TOOL_OK;
    if (status == GENSEG_OK || code != TOOL_OK)
        return code;
    return status == GENSEG_ERROR_CANCELLED ? TOOL_CANCELLED : TOOL_FAILED;
}

static int train(console *to, train_arguments *my, genseg_context *context, genseg_dataset *dataset)
{
    genseg_trainer *trainer = NULL;
    genseg_error err;
    genseg_status status = genseg_trainer_new(context, dataset, &my->training.trainer, &trainer, &err);
    if (status != GENSEG_OK)
        return tool_failed(to, status, &err);
    say_plan(to, my, context, dataset, trainer);
    const double begin = console_clock();
    interrupt_arm(trainer);
    status = genseg_trainer_run(trainer, on_progress, to, &err);
    const double seconds = console_clock() - begin;
    int code = finish(to, my, trainer, status, &err);
    if (my->common.profile)
        profile_print(context, seconds);
    interrupt_disarm();
    genseg_trainer_free(trainer);
    return code;
}

int cmd_train(int argc, char **argv)
{
    train_arguments my = {.split = SPLIT_NOT_GIVEN};
    genseg_dataset *dataset = NULL;
    console to;
    int first, code;
    training_init(&my.training);
    if (!parse(&my, argc, argv, &first, &code))
        return code;
    console_init(&to, my.common.quiet);
    const char *data = argv[first];
    if (data_is_input(&to, my.out, "model", data, NULL) || !output_check_file(&to, my.out, OUTPUT_MODEL))
        return TOOL_FAILED;
    genseg_context *context = tool_context(&to, &my.common, my.split.seed, &to);
    if (!context)
        return TOOL_FAILED;
    code = data_open(&to, context, data, &my.data, &dataset);
    if (code == TOOL_OK && !training_size(&to, &my.training, dataset))
        code = TOOL_USAGE;
    if (code == TOOL_OK && data_is_input(&to, my.out, "model", data, dataset))
        code = TOOL_FAILED;
    if (code == TOOL_OK)
        code = data_divide(&to, dataset, &my.split);
    if (code == TOOL_OK)
        code = train(&to, &my, context, dataset);
    genseg_dataset_free(dataset);
    genseg_context_free(context);
    return code;
}
