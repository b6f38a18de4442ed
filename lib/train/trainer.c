// Plans a training: which cases, which grid, which network, how much memory.
#include "train/trainer.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/log.h"
#include "predict/tiles.h"
#include "train/problem.h"

#define DEFAULT_STEPS 2000

void gsg_trainer_defaults(genseg_trainer_options *options)
{
    *options = (genseg_trainer_options){.struct_size = sizeof *options,
                                        .optimizer = "adam",
                                        .schedule = "cosine",
                                        .batch = 2,
                                        .momentum = 0.9,
                                        .weight_decay = 1e-5,
                                        .foreground = 1.0 / 3.0,
                                        .normalise = GSG_NORMALISE_PERCENTILE,
                                        .augment = -1,
                                        .class_weights = -1,
                                        .method = "genseg",
                                        .gan_loss = "vanilla",
                                        .solver = "one-step",
                                        .gan_every = 2,
                                        .levers_every = 4,
                                        .levers = GSG_LEVER_ALL,
                                        .solver_terms = 3,
                                        .gan_lr = 1e-3,
                                        .l1 = 100,
                                        .gamma = 1,
                                        .appearance = 1,
                                        .levers_lr = 0.05,
                                        .feedback_lr = 3e-4};
}

// ---- options

static genseg_status range(const char *name, double value, double least, double most, gsg_error *err)
{
    if (value >= least && value <= most)
        return GENSEG_OK;
    return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s is %g, not within %g and %g", name, value, least, most);
}

static genseg_status check_options(const genseg_trainer_options *o, gsg_error *err)
{
    genseg_status status;
    GSG_TRY(range("width", (double)o->width, 0, 1024, err));
    GSG_TRY(range("batch", (double)o->batch, 1, 4096, err));
    GSG_TRY(range("steps", (double)o->steps, 0, 1e12, err));
    GSG_TRY(range("seconds", o->seconds, 0, 1e9, err));
    GSG_TRY(range("lr", o->lr, 0, 1e3, err));
    GSG_TRY(range("momentum", o->momentum, 0, 0.99999, err));
    GSG_TRY(range("weight_decay", o->weight_decay, 0, 1e3, err));
    GSG_TRY(range("warmup", (double)o->warmup, 0, 1e12, err));
    GSG_TRY(range("recompute", o->recompute, -1, 1, err));
    GSG_TRY(range("foreground", o->foreground, 0, 1, err));
    GSG_TRY(range("normalise", o->normalise, GSG_NORMALISE_PERCENTILE, GSG_NORMALISE_NONE, err));
    GSG_TRY(range("symmetric", o->symmetric, 0, GSG_AXIS_D | GSG_AXIS_H | GSG_AXIS_W, err));
    GSG_TRY(range("validate_every", (double)o->validate_every, 0, 1e12, err));
    GSG_TRY(range("patience", (double)o->patience, 0, 1e12, err));
    for (int32_t a = 0; a < 3; a++)
        GSG_TRY(range("size", (double)o->size[a], 0, 65536, err));
done:
    return status;
}

static genseg_status choose_network(genseg_trainer *trainer, gsg_error *err)
{
    const genseg_dataset *dataset = trainer->dataset;
    const char *name = trainer->options.segmenter;
    const int32_t ndim = dataset->cases[0].ndim;
    if (name && strcmp(name, "unet2d") != 0 && strcmp(name, "unet3d") != 0)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "segmenter is \"%.40s\", known are unet2d and unet3d", name);
    if (name && ndim != (strcmp(name, "unet2d") == 0 ? 2 : 3))
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "segmenter is %s, the images have %d dimensions", name,
                             (int)ndim);
    trainer->unet = gsg_unet_default(ndim);
    trainer->unet.width = trainer->options.width ? trainer->options.width : ndim == 2 ? 64 : 16;
    trainer->unet.channels = dataset->cases[0].channels;
    trainer->unet.outputs = dataset->classes == 2 ? 1 : dataset->classes;
    return GENSEG_OK;
}

static genseg_status choose_optimizer(genseg_trainer *trainer, gsg_error *err)
{
    genseg_status status;
    genseg_trainer_options *o = &trainer->options;
    gsg_optimizer_options *chosen = &trainer->optimizer_options;
    gsg_schedule_options schedule;
    int32_t kind = 0;
    GSG_TRY(gsg_optimizer_named(chosen, o->optimizer, err));
    GSG_TRY(gsg_schedule_named(o->schedule, &kind, err));
    if (o->lr == 0)
        o->lr = chosen->kind == GSG_OPTIMIZER_ADAM ? 1e-3 : chosen->kind == GSG_OPTIMIZER_RMSPROP ? 1e-4 : 1e-2;
    chosen->momentum = chosen->kind == GSG_OPTIMIZER_ADAM ? 0 : o->momentum;
    chosen->nesterov = chosen->kind == GSG_OPTIMIZER_SGD && o->momentum > 0;
    chosen->weight_decay = o->weight_decay;
    gsg_schedule_defaults(&schedule, kind, o->lr);
    schedule.warmup = o->warmup;
    GSG_TRY(gsg_schedule_init(&trainer->schedule, &schedule, err));
done:
    return status;
}

// ---- cases and their grid

static genseg_status select_cases(genseg_trainer *trainer, gsg_trainer_cases *cases, int32_t split, gsg_error *err)
{
    const size_t most = (size_t)trainer->dataset->count + 1;
    cases->indices = gsg_alloc(trainer->context, most, sizeof *cases->indices);
    if (!cases->indices)
        return gsg_error_nomem(err, most * sizeof *cases->indices);
    cases->count = gsg_dataset_select(trainer->dataset, split, cases->indices);
    cases->volumes = gsg_alloc_zero(trainer->context, (size_t)cases->count + 1, sizeof *cases->volumes);
    return cases->volumes ? GENSEG_OK : gsg_error_nomem(err, most * sizeof *cases->volumes);
}

static genseg_status plan_grid(genseg_trainer *trainer, gsg_error *err)
{
    genseg_status status;
    const gsg_trainer_cases *train = &trainer->train;
    const int64_t *wanted = trainer->options.size;
    gsg_preprocess_options options = {.ndim = trainer->unet.spatial, .channels = (int32_t)trainer->unet.channels,
                                      .normalise = trainer->options.normalise,
                                      .multiple = (int32_t)gsg_unet_multiple(&trainer->unet)};
    gsg_case_extent *extents = gsg_alloc(trainer->context, (size_t)train->count, sizeof *extents);
    if (!extents)
        return gsg_error_nomem(err, (size_t)train->count * sizeof *extents);
    for (int64_t i = 0; i < train->count; i++) {
        const gsg_case *item = &trainer->dataset->cases[train->indices[i]];
        memcpy(extents[i].size, item->size, sizeof item->size);
        memcpy(extents[i].spacing, item->geometry.spacing, sizeof item->geometry.spacing);
    }
    memcpy(options.size, wanted, sizeof options.size);
    if (options.ndim == 2 && wanted[1] > 0)
        options.size[0] = 1;
    GSG_TRY(gsg_preprocess_plan(trainer->context, &options, extents, train->count, &trainer->preprocess, err));
    int64_t deepest = trainer->options.batch;
    for (int32_t a = 3 - options.ndim; a < 3; a++)
        deepest *= trainer->preprocess.size[a] / options.multiple;
    if (deepest < 2) // batch norm has nothing to average there
        status = gsg_error_set(err, GENSEG_ERROR_INVALID,
                               "size %lldx%lldx%lld with batch %lld leaves one voxel in the deepest level: raise either",
                               (long long)trainer->preprocess.size[0], (long long)trainer->preprocess.size[1],
                               (long long)trainer->preprocess.size[2], (long long)trainer->options.batch);
done:
    gsg_free(trainer->context, extents);
    return status;
}

// ---- network

static gsg_shape batch_shape(const genseg_trainer *trainer, int64_t channels)
{
    const int32_t spatial = trainer->unet.spatial;
    gsg_shape shape = {.ndim = spatial + 2, .dims = {trainer->options.batch, channels}};
    memcpy(shape.dims + 2, trainer->preprocess.size + 3 - spatial, (size_t)spatial * sizeof *shape.dims);
    return shape;
}

static genseg_status build_plan(genseg_trainer *trainer, gsg_error *err)
{
    genseg_status status;
    gsg_graph *graph = NULL;
    const int64_t outputs = trainer->unet.outputs;
    GSG_TRY(gsg_graph_new(trainer->context, trainer->params, &graph, err));
    trainer->image = gsg_op_input(graph, "image", batch_shape(trainer, trainer->unet.channels));
    trainer->target = gsg_op_input(graph, "target", batch_shape(trainer, outputs));
    trainer->weights =
        trainer->options.class_weights ? gsg_op_input(graph, "weights", gsg_shape_make(1, &outputs)) : GSG_NONE;
    gsg_value logits = gsg_unet_build(graph, &trainer->unet, trainer->image, GSG_MODE_TRAIN);
    trainer->loss_value = gsg_nn_segmentation_loss(graph, logits, trainer->target, trainer->weights);
    gsg_problem problem = {.graph = graph, .params = trainer->params, .loss = {trainer->loss_value},
                           .seed = {GSG_NONE}, .losses = 1, .outputs = {trainer->loss_value}, .output_count = 1,
                           .recompute = trainer->options.recompute > 0};
    GSG_TRY(gsg_problem_plan(&problem, &trainer->plan, err));
done:
    gsg_graph_free(graph);
    return status;
}

// ---- memory

#define BLOCK_BYTES 64              // of an allocation's header
#define SMALL_BYTES (16 << 10)      // the little that comes and goes
#define THREAD_BYTES (4 << 10)      // of that, by thread: rows in resampling, counts of scores
#define PERCENTILE_BYTES (64 << 10) // counters while a case is normalised

typedef struct needs {
    uint64_t working;   // all working volumes
    uint64_t raw;       // the largest case as it is read and prepared
    uint64_t cached;    // voxels that the data set is going to keep
    uint64_t predictor; // of the largest validation case, results included
    int64_t remembered; // voxels of foreground that the sampler knows
} needs;

// A case's own grid gives the numbers exactly; resampled, no more than the volume has.
static int64_t foreground_places(const gsg_case *item, int32_t background, int64_t voxels, int64_t working)
{
    int64_t places = 0;
    for (int32_t k = 0; k < item->value_count; k++)
        if (item->values[k] != background)
            places += gsg_sampler_remembered(voxels == working ? item->voxels[k] : working);
    return places < working ? places : working;
}

static void add_cases(const genseg_trainer *trainer, const gsg_trainer_cases *cases, needs *total)
{
    const genseg_dataset *dataset = trainer->dataset;
    for (int64_t i = 0; i < cases->count; i++) {
        const gsg_case *item = &dataset->cases[cases->indices[i]];
        gsg_volume volume = {.ndim = item->ndim, .channels = item->channels, .geometry = item->geometry};
        int64_t size[3];
        memcpy(volume.size, item->size, sizeof volume.size);
        gsg_preprocess_working_size(&trainer->preprocess, &volume, size);
        const int64_t voxels = gsg_volume_count(&volume), working = size[0] * size[1] * size[2];
        const uint64_t image = (uint64_t)item->channels * sizeof(float), label = sizeof(int32_t);
        // A slice as the file holds it, 8 bytes a voxel at most.
        const uint64_t slice = item->images ? (uint64_t)(item->size[1] * item->size[2]) * 8 : 0;
        const uint64_t colours = item->grey ? (uint64_t)voxels * GSG_COLOURS * sizeof(float) : 0;
        const uint64_t bytes = (uint64_t)voxels * (image + label) + colours + slice;
        total->working += (uint64_t)working * (image + label) + 2 * BLOCK_BYTES;
        total->raw = bytes > total->raw ? bytes : total->raw;
        total->remembered += foreground_places(item, dataset->values[0], voxels, working);
        if (dataset->cached)
            total->cached += (item->image ? 0 : (uint64_t)voxels * image + BLOCK_BYTES) +
                             (item->label ? 0 : (uint64_t)voxels * label + BLOCK_BYTES);
    }
}

// The validation case with the largest working grid.
static int64_t largest_case(const genseg_trainer *trainer, int64_t size[3])
{
    int64_t most = 0;
    for (int64_t i = 0; i < trainer->validation.count; i++) {
        const gsg_case *item = &trainer->dataset->cases[trainer->validation.indices[i]];
        gsg_volume volume = {.ndim = item->ndim, .geometry = item->geometry};
        int64_t working[3];
        memcpy(volume.size, item->size, sizeof volume.size);
        gsg_preprocess_working_size(&trainer->preprocess, &volume, working);
        if (working[0] * working[1] * working[2] > most) {
            most = working[0] * working[1] * working[2];
            memcpy(size, working, sizeof working);
        }
    }
    return most;
}

static genseg_status plan_memory(genseg_trainer *trainer, uint64_t before, gsg_error *err)
{
    genseg_context *context = trainer->context;
    const uint64_t limit = context->options.memory_limit;
    const gsg_sampler_options sampling = gsg_trainer_sampling(trainer);
    needs total = {0};
    int64_t size[3] = {0};
    add_cases(trainer, &trainer->train, &total);
    const int64_t remembered = total.remembered; // training cases only
    add_cases(trainer, &trainer->validation, &total);
    const int64_t voxels = largest_case(trainer, size);
    if (voxels > 0) {
        genseg_status status =
            gsg_predictor_memory(context, &trainer->unet, trainer->params, trainer->preprocess.size, size, size,
                                 GSG_TRAINER_OVERLAP, &total.predictor, err);
        if (status != GENSEG_OK)
            return status;
        total.predictor += (uint64_t)voxels * (sizeof(uint8_t) + sizeof(int32_t));
    }
    gsg_shape patch = batch_shape(trainer, 1);
    const uint64_t held = atomic_load(&context->memory);
    const uint64_t labels = (uint64_t)gsg_shape_count(patch) * sizeof(int32_t);
    // Either the last case is being read, or the network is at work: the first comes before the second's buffers.
    const uint64_t work = total.predictor + labels +
                          gsg_sampler_bytes(context, &sampling, trainer->train.count, remembered) +
                          gsg_trainer_levels_bytes(trainer, remembered, total.remembered - remembered);
    const uint64_t read = total.raw + PERCENTILE_BYTES;
    const uint64_t small = SMALL_BYTES + (uint64_t)context->options.threads *
                                             (THREAD_BYTES + BLOCK_BYTES * (uint64_t)trainer->dataset->classes);
    trainer->memory = held - before + total.working + total.cached + (read > work ? read : work) + small;
    if (limit > 0 && trainer->memory > limit - (before < limit ? before : limit))
        return gsg_error_set(err, GENSEG_ERROR_NOMEM,
                             "training needs %.1f MB, memory_limit leaves %.1f MB: reduce width, size or batch",
                             (double)trainer->memory / 1e6, (double)(limit - (before < limit ? before : limit)) / 1e6);
    return GENSEG_OK;
}

// Validation costs a third of a step a patch: a tenth of the work goes to it, but at least ten validations
// are made of a run whose length is known. Only sizes decide, so that runs repeat.
static int64_t choose_interval(const genseg_trainer *trainer)
{
    int64_t tiles = 0;
    const int64_t *tile = trainer->preprocess.size, least = 10;
    for (int64_t i = 0; i < trainer->validation.count; i++) {
        const gsg_case *item = &trainer->dataset->cases[trainer->validation.indices[i]];
        gsg_volume volume = {.ndim = item->ndim, .geometry = item->geometry};
        int64_t size[3], count = 1;
        memcpy(volume.size, item->size, sizeof volume.size);
        gsg_preprocess_working_size(&trainer->preprocess, &volume, size);
        for (int32_t a = 0; a < 3; a++)
            count *= gsg_tile_count(size[a], tile[a], GSG_TRAINER_OVERLAP);
        tiles += count;
    }
    if (trainer->options.validate_every > 0)
        return trainer->options.validate_every;
    int64_t every = 10 * tiles / (3 * trainer->options.batch) + 1;
    if (trainer->options.steps > 0 && every > trainer->options.steps / 10)
        every = trainer->options.steps / 10;
    return every > least ? every : least;
}

// ---- making and freeing

static genseg_status prepare(genseg_trainer *trainer, uint64_t before, gsg_error *err)
{
    genseg_status status;
    const genseg_dataset *dataset = trainer->dataset;
    GSG_TRY(check_options(&trainer->options, err));
    GSG_TRY(select_cases(trainer, &trainer->train, GENSEG_SPLIT_TRAIN, err));
    GSG_TRY(select_cases(trainer, &trainer->validation, GENSEG_SPLIT_VALIDATION, err));
    if (trainer->train.count == 0)
        GSG_TRY(gsg_error_set(err, GENSEG_ERROR_STATE, "no case of the %lld is marked for training: split the data first",
                              (long long)dataset->count));
    if (dataset->classes < 2)
        GSG_TRY(gsg_error_set(err, GENSEG_ERROR_STATE, "all masks hold one label value only (%d): nothing to learn",
                              dataset->classes ? (int)dataset->values[0] : 0));
    if (trainer->options.steps == 0 && trainer->options.seconds == 0)
        trainer->options.steps = DEFAULT_STEPS;
    if (trainer->options.class_weights < 0) // a rare class beside one of its kind comes late without, or never
        trainer->options.class_weights = dataset->classes > 2;
    if (trainer->options.seed == 0)
        trainer->options.seed = trainer->context->options.seed;
    GSG_TRY(gsg_trainer_method_named(trainer, err));
    GSG_TRY(choose_network(trainer, err));
    GSG_TRY(choose_optimizer(trainer, err));
    GSG_TRY(plan_grid(trainer, err));
    trainer->validate_every = choose_interval(trainer);
    GSG_TRY(gsg_unet_new(trainer->context, &trainer->unet, trainer->options.seed, &trainer->params, err));
    GSG_TRY(gsg_problem_optimizer(trainer->params, NULL, &trainer->optimizer_options, &trainer->optimizer, err));
    if (trainer->method <= GSG_METHOD_SEPARATE)
        GSG_TRY(gsg_trainer_plan_levels(trainer, err));
    else
        GSG_TRY(build_plan(trainer, err));
    GSG_TRY(gsg_params_clone(trainer->params, &trainer->best, err));
    GSG_TRY(plan_memory(trainer, before, err));
done:
    return status;
}

static genseg_status make(genseg_context *context, genseg_dataset *dataset, const genseg_trainer_options *options,
                          genseg_trainer **trainer, gsg_error *err)
{
    const uint64_t before = atomic_load(&context->memory);
    genseg_trainer *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    atomic_init(&made->cancel, 0);
    made->context = gsg_context_retain(context);
    made->dataset = gsg_dataset_retain(dataset);
    made->options = *options;
    made->best_step = made->validated = -1;
    made->loss = made->dice = made->best_dice = NAN;
    genseg_status status = prepare(made, before, err);
    if (status != GENSEG_OK) {
        const uint64_t limit = context->options.memory_limit;
        if (status == GENSEG_ERROR_NOMEM && limit > 0 && made->memory == 0) // before the need was known
            gsg_error_set(err, status, "memory_limit leaves %.1f MB, too little to plan training: reduce width or size",
                          (double)(limit > before ? limit - before : 0) / 1e6);
        gsg_trainer_free(made);
        return status;
    }
    made->options.segmenter = gsg_segmenter_architecture(&made->unet);
    made->options.optimizer = made->options.schedule = NULL;
    made->options.method = made->options.gan_loss = made->options.solver = NULL;
    *trainer = made;
    return GENSEG_OK;
}

genseg_status gsg_trainer_new(genseg_context *context, genseg_dataset *dataset, const genseg_trainer_options *options,
                              genseg_trainer **trainer, gsg_error *err)
{
    genseg_trainer_options sparing = *options;
    sparing.recompute = 1;
    if (context->options.memory_limit == 0 || options->recompute != 0)
        return make(context, dataset, options, trainer, err);
    gsg_error first = {0}; // the caller's is left alone where the second try succeeds
    genseg_status status = make(context, dataset, options, trainer, &first);
    if (status != GENSEG_OK && status != GENSEG_ERROR_NOMEM && err)
        *err = first;
    if (status != GENSEG_ERROR_NOMEM)
        return status;
    status = make(context, dataset, &sparing, trainer, err);
    if (status == GENSEG_OK)
        gsg_log(context, GENSEG_LOG_WARNING,
                "memory_limit: values are computed again instead of being kept, steps take up to a third longer");
    return status;
}

static void free_cases(genseg_context *context, gsg_trainer_cases *cases)
{
    for (int64_t i = 0; cases->volumes && i < cases->loaded; i++)
        gsg_volume_free(&cases->volumes[i]);
    gsg_free(context, cases->volumes);
    gsg_free(context, cases->indices);
}

void gsg_trainer_free(genseg_trainer *trainer)
{
    if (!trainer)
        return;
    genseg_context *context = trainer->context;
    gsg_predictor_free(trainer->predictor);
    gsg_multilevel_free(trainer->multilevel);
    gsg_params_free(trainer->gan_best);
    gsg_sampler_free(trainer->sampler);
    gsg_sampler_free(trainer->pair_sampler);
    gsg_sampler_free(trainer->mask_sampler);
    gsg_sampler_free(trainer->validation_sampler);
    gsg_free(context, trainer->pixels);
    gsg_plan_free(trainer->plan);
    gsg_optimizer_free(trainer->optimizer);
    gsg_params_free(trainer->params);
    gsg_params_free(trainer->best);
    free_cases(context, &trainer->train);
    free_cases(context, &trainer->validation);
    gsg_free(context, trainer->labels);
    gsg_free(context, trainer->prediction);
    gsg_free(context, trainer->prediction_wide);
    gsg_dataset_release(trainer->dataset);
    gsg_free(context, trainer);
    gsg_context_release(context);
}
