// A table of options, and what becomes of their values.
#include "tool_training.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const struct {
    const char *name;
    int32_t bits;
} levers[] = {{"architecture", GENSEG_LEVER_ARCHITECTURE},
              {"gamma", GENSEG_LEVER_GAMMA},
              {"warp", GENSEG_LEVER_WARP},
              {"appearance", GENSEG_LEVER_APPEARANCE},
              {"pairs", GENSEG_LEVER_PAIRS},
              {"generator", GENSEG_LEVER_GENERATOR},
              {"all", 2 * GENSEG_LEVER_GENERATOR - 1}};
#define LEVERS (sizeof levers / sizeof *levers)

static const char *const *lever_names(void)
{
    static const char *names[LEVERS + 1];
    for (size_t i = 0; i < LEVERS; i++)
        names[i] = levers[i].name;
    return names;
}

// "gamma,warp" to bits.
static bool parse_levers(const char *list, int32_t *bits)
{
    *bits = 0;
    for (const char *word = list;;) {
        const size_t length = strcspn(word, ",");
        size_t g = 0;
        while (g < LEVERS && (strlen(levers[g].name) != length || strncmp(levers[g].name, word, length) != 0))
            g++;
        if (g == LEVERS)
            return false;
        *bits |= levers[g].bits;
        if (word[length] == '\0')
            return true;
        word += length + 1;
    }
}

void training_init(training_arguments *my)
{
    *my = (training_arguments){.class_weights = false};
    genseg_trainer_options_init(&my->trainer, sizeof my->trainer);
}

// The end of the table: the caller has room for ARGUMENTS_MOST in all.
static argument *append(argument *end, const argument *more)
{
    while (more->name)
        *end++ = *more++;
    *end = (argument){.name = NULL};
    return end;
}

// Network, optimizer and what it sees.
static argument *append_segmenter(training_arguments *my, argument *end)
{
    static const char *const segmenters[] = {"unet2d", "unet3d", NULL};
    static const char *const optimizers[] = {"adam", "adamw", "rmsprop", "sgd", NULL};
    static const char *const schedules[] = {"cosine", "plateau", "constant", NULL};
    static const char *const normalisations[] = {"percentile", "zscore", "none", NULL};
    genseg_trainer_options *trainer = &my->trainer;
    const argument list[] = {
        {.name = "segmenter", .kind = ARGUMENT_CHOICE, .target = &trainer->segmenter, .choices = segmenters},
        {.name = "optimizer", .kind = ARGUMENT_CHOICE, .target = &trainer->optimizer, .choices = optimizers},
        {.name = "schedule", .kind = ARGUMENT_CHOICE, .target = &trainer->schedule, .choices = schedules},
        {.name = "normalise", .kind = ARGUMENT_CHOICE, .target = &my->normalise, .choices = normalisations},
        {.name = "steps", .kind = ARGUMENT_COUNT, .target = &trainer->steps, .low = 1, .high = 1e15},
        {.name = "width", .kind = ARGUMENT_COUNT, .target = &trainer->width, .low = 1, .high = 4096},
        {.name = "size", .kind = ARGUMENT_SIZE, .target = &my->size},
        {.name = "batch", .kind = ARGUMENT_COUNT, .target = &trainer->batch, .low = 1, .high = 65536},
        {.name = "lr", .kind = ARGUMENT_REAL, .target = &trainer->lr, .low = 1e-12, .high = 1e3},
        {.name = "momentum", .kind = ARGUMENT_REAL, .target = &trainer->momentum, .low = 0, .high = 0.9999},
        {.name = "weight-decay", .kind = ARGUMENT_REAL, .target = &trainer->weight_decay, .low = 0, .high = 1},
        {.name = "warmup", .kind = ARGUMENT_COUNT, .target = &trainer->warmup, .high = 1e15},
        {.name = "validate-every", .kind = ARGUMENT_COUNT, .target = &trainer->validate_every, .low = 1, .high = 1e15},
        {.name = "foreground", .kind = ARGUMENT_REAL, .target = &trainer->foreground, .low = 0, .high = 1},
        {.name = "symmetric", .kind = ARGUMENT_AXES, .target = &trainer->symmetric},
        {.name = "class-weights", .kind = ARGUMENT_FLAG, .target = &my->class_weights},
        {.name = "recompute", .kind = ARGUMENT_FLAG, .target = &my->recompute},
        {.name = "no-class-weights", .kind = ARGUMENT_FLAG, .target = &my->no_class_weights},
        {.name = NULL},
    };
    return append(end, list);
}

// The generator and the feedback to it.
static void append_generator(training_arguments *my, argument *end)
{
    static const char *const losses[] = {"vanilla", "lsgan", "wgan", NULL};
    static const char *const solvers[] = {"one-step", "neumann", "cg", NULL};
    genseg_trainer_options *trainer = &my->trainer;
    const argument list[] = {
        {.name = "gan-loss", .kind = ARGUMENT_CHOICE, .target = &trainer->gan_loss, .choices = losses},
        {.name = "solver", .kind = ARGUMENT_CHOICE, .target = &trainer->solver, .choices = solvers},
        {.name = "gan-steps", .kind = ARGUMENT_COUNT, .target = &trainer->gan_steps, .low = 1, .high = 1e12},
        {.name = "gan-every", .kind = ARGUMENT_COUNT, .target = &trainer->gan_every, .low = 1, .high = 1e6},
        {.name = "levers-every", .kind = ARGUMENT_COUNT, .target = &trainer->levers_every, .low = 1, .high = 1e6},
        {.name = "generator-width",
         .kind = ARGUMENT_COUNT,
         .target = &trainer->generator_width,
         .low = 1,
         .high = 1024},
        {.name = "generator-levels", .kind = ARGUMENT_COUNT, .target = &trainer->generator_levels, .low = 1, .high = 9},
        {.name = "discriminator-width",
         .kind = ARGUMENT_COUNT,
         .target = &trainer->discriminator_width,
         .low = 1,
         .high = 1024},
        {.name = "candidates", .kind = ARGUMENT_COUNT, .target = &my->candidates, .low = 1, .high = 3},
        {.name = "noise", .kind = ARGUMENT_COUNT, .target = &my->noise, .high = 64},
        {.name = "solver-terms", .kind = ARGUMENT_COUNT, .target = &my->solver_terms, .low = 1, .high = 1000},
        {.name = "levers", .kind = ARGUMENT_WORDS, .target = &my->levers, .choices = lever_names()},
        {.name = "gan-lr", .kind = ARGUMENT_REAL, .target = &trainer->gan_lr, .low = 0, .high = 1},
        {.name = "l1", .kind = ARGUMENT_REAL, .target = &trainer->l1, .low = 0, .high = 1e6},
        {.name = "gamma", .kind = ARGUMENT_REAL, .target = &trainer->gamma, .low = 0, .high = 4},
        {.name = "appearance", .kind = ARGUMENT_REAL, .target = &trainer->appearance, .low = 0, .high = 4},
        {.name = "levers-lr", .kind = ARGUMENT_REAL, .target = &trainer->levers_lr, .low = 0, .high = 1},
        {.name = "feedback-lr", .kind = ARGUMENT_REAL, .target = &trainer->feedback_lr, .low = 0, .high = 1},
        {.name = NULL},
    };
    append(end, list);
}

void training_list(training_arguments *my, const argument *own, argument list[ARGUMENTS_MOST])
{
    argument *end = append(list, own);
    end = append_segmenter(my, end);
    append_generator(my, end);
}

bool training_settle(training_arguments *my, const char *command, int *code)
{
    genseg_trainer_options *trainer = &my->trainer;
    if (my->candidates)
        trainer->candidates = (int32_t)my->candidates;
    if (my->noise)
        trainer->noise = (int32_t)my->noise;
    if (my->solver_terms)
        trainer->solver_terms = (int32_t)my->solver_terms;
    if (my->levers && !parse_levers(my->levers, &trainer->levers)) {
        console_say("genseg %s: --levers %s: takes all, or architecture, gamma, warp, appearance, pairs, generator",
                    command, my->levers);
        *code = TOOL_USAGE;
        return false;
    }
    if (my->class_weights || my->no_class_weights)
        trainer->class_weights = my->class_weights;
    if (my->recompute)
        trainer->recompute = 1;
    if (my->normalise)
        trainer->normalise = strcmp(my->normalise, "zscore") == 0 ? GENSEG_NORMALISE_ZSCORE
                             : strcmp(my->normalise, "none") == 0 ? GENSEG_NORMALISE_NONE
                                                                  : GENSEG_NORMALISE_PERCENTILE;
    return true;
}

bool training_size(console *to, training_arguments *my, const genseg_dataset *dataset)
{
    const char *name = my->trainer.segmenter;
    int ndim = name ? (strcmp(name, "unet3d") == 0 ? 3 : 2) : genseg_dataset_ndim(dataset);
    if (my->size.count == 0)
        return true;
    if (my->size.count != 1 && my->size.count != ndim) {
        console_error(to, "--size has %d numbers, a %d-D network needs %s", my->size.count, ndim,
                      ndim == 3 ? "depth x height x width, such as 64x64x48" : "height x width, such as 256x256");
        return false;
    }
    for (int i = 0; i < 3; i++)
        my->trainer.size[i] = i < 3 - ndim          ? 0
                              : my->size.count == 1 ? my->size.value[0]
                                                    : my->size.value[i - (3 - ndim)];
    return true;
}
