// Prediction with a segmenter: memory, preprocessing, the tiled network, files.
#include <string.h>

#include "core/log.h"
#include "core/progress.h"
#include "data/source.h"
#include "predict/segmenter.h"
#include "tensor/array.h"

void gsg_predict_defaults(genseg_predict_options *options)
{
    *options = (genseg_predict_options){.struct_size = sizeof *options, .overlap = 0.5};
}

genseg_status gsg_predict_check(const genseg_predict_options *options, gsg_error *err)
{
    if (options->overlap >= 0.0 && options->overlap <= 0.9)
        return GENSEG_OK;
    return gsg_error_set(err, GENSEG_ERROR_INVALID, "overlap is %g, not within 0 and 0.9", options->overlap);
}

// ---- memory

static bool halve_tile(const gsg_unet *unet, int64_t tile[3])
{
    const int64_t multiple = gsg_unet_multiple(unet);
    int32_t longest = 2;
    for (int32_t a = 1; a >= 3 - unet->spatial; a--)
        if (tile[a] > tile[longest])
            longest = a;
    if (tile[longest] <= multiple)
        return false;
    tile[longest] = (tile[longest] / 2 + multiple - 1) / multiple * multiple;
    return true;
}

// The segmenter's tile, or a smaller one where the context's memory limit asks for it; NOMEM where none fits.
// `fixed` bytes are needed beside the predictor's.
static genseg_status choose_tile(const genseg_segmenter *segmenter, const gsg_volume *volume, const int64_t working[3],
                                 double overlap, uint64_t fixed, int64_t tile[3], gsg_error *err)
{
    genseg_context *context = segmenter->context;
    const uint64_t limit = context->options.memory_limit, held = atomic_load(&context->memory);
    const uint64_t room = limit > held ? limit - held : 0;
    uint64_t bytes = 0;
    memcpy(tile, segmenter->preprocess.size, sizeof segmenter->preprocess.size);
    if (limit == 0)
        return GENSEG_OK;
    for (;;) {
        genseg_status status = gsg_predictor_memory(context, &segmenter->unet, segmenter->params, tile, working,
                                                    volume->size, overlap, &bytes, err);
        if (status == GENSEG_ERROR_NOMEM)
            return gsg_error_set(err, status, "memory_limit leaves %.1f MB, too little to plan prediction",
                                 (double)room / 1e6);
        if (status != GENSEG_OK)
            return status;
        if (bytes <= room && fixed <= room - bytes)
            break;
        if (!halve_tile(&segmenter->unet, tile))
            return gsg_error_set(err, GENSEG_ERROR_NOMEM,
                                 "prediction needs %.1f MB with the smallest tile, memory_limit leaves %.1f MB",
                                 (double)(bytes + fixed) / 1e6, (double)room / 1e6);
    }
    if (memcmp(tile, segmenter->preprocess.size, sizeof segmenter->preprocess.size) != 0)
        gsg_log(context, GENSEG_LOG_WARNING,
                "memory_limit: predicting in tiles of %lldx%lldx%lld, smaller than in training", (long long)tile[0],
                (long long)tile[1], (long long)tile[2]);
    return GENSEG_OK;
}

// ---- the planned network that waits for the next prediction

static gsg_predictor *take_idle(genseg_segmenter *segmenter)
{
    pthread_mutex_lock(&segmenter->lock);
    gsg_predictor *idle = segmenter->idle;
    segmenter->idle = NULL;
    pthread_mutex_unlock(&segmenter->lock);
    return idle;
}

static void put_idle(genseg_segmenter *segmenter, gsg_predictor *predictor)
{
    pthread_mutex_lock(&segmenter->lock);
    gsg_predictor *former = segmenter->idle;
    segmenter->idle = predictor;
    pthread_mutex_unlock(&segmenter->lock);
    gsg_predictor_free(former);
}

// The waiting one where its tile is right. With a memory limit none is kept.
static genseg_status get_predictor(genseg_segmenter *segmenter, const int64_t tile[3], gsg_predictor **predictor,
                                   gsg_error *err)
{
    gsg_predictor *idle = take_idle(segmenter);
    if (idle && memcmp(gsg_predictor_tile(idle), tile, 3 * sizeof *tile) == 0) {
        *predictor = idle;
        return GENSEG_OK;
    }
    gsg_predictor_free(idle);
    return gsg_predictor_new(segmenter->context, &segmenter->unet, segmenter->params, tile, predictor, err);
}

// ---- prediction

static int32_t poll_progress(int64_t done, int64_t total, void *user)
{
    gsg_progress *progress = user;
    progress->state.done = done;
    progress->state.total = total;
    return gsg_progress_tick(progress);
}

typedef struct results {
    uint8_t *classes;
    float *probability;
} results;

static genseg_status run(genseg_segmenter *segmenter, const gsg_volume *working, const int64_t size[3],
                         const int64_t tile[3], const genseg_predict_options *options, results *out, gsg_error *err)
{
    gsg_progress progress;
    gsg_predictor *predictor = NULL;
    genseg_status status = get_predictor(segmenter, tile, &predictor, err);
    if (status != GENSEG_OK)
        return status;
    gsg_progress_init(&progress, options->progress, options->progress_user);
    gsg_progress_phase(&progress, GENSEG_PHASE_PREDICT, 0, 0);
    gsg_predict_job job = {.volume = working, .overlap = options->overlap, .classes = out->classes,
                           .probability = out->probability, .poll = poll_progress, .user = &progress};
    memcpy(job.size, size, sizeof job.size);
    status = progress.cancelled ? gsg_error_set(err, GENSEG_ERROR_CANCELLED, "cancelled")
                                : gsg_predictor_run(predictor, &job, err);
    if (status == GENSEG_OK) {
        progress.state.done = progress.state.total;
        if (gsg_progress_now(&progress) != 0)
            status = gsg_error_set(err, GENSEG_ERROR_CANCELLED, "cancelled");
    }
    if (segmenter->context->options.memory_limit == 0)
        put_idle(segmenter, predictor);
    else
        gsg_predictor_free(predictor);
    return status;
}

genseg_status gsg_segmenter_predict(genseg_segmenter *segmenter, gsg_volume *volume,
                                    const genseg_predict_options *options, uint8_t **classes, float **probability,
                                    gsg_error *err)
{
    genseg_status status;
    genseg_context *context = segmenter->context;
    gsg_volume working;
    results out = {0};
    int64_t tile[3], size[3];
    gsg_volume_init(&working, context);
    gsg_preprocess_working_size(&segmenter->preprocess, volume, size);
    const size_t voxels = (size_t)gsg_volume_count(volume);
    const uint64_t probabilities = probability ? (uint64_t)segmenter->classes * voxels * sizeof(float) : 0;
    const uint64_t inner = (uint64_t)(size[0] * size[1] * size[2]) * (uint64_t)volume->channels * sizeof(float);
    GSG_TRY(choose_tile(segmenter, volume, size, options->overlap, inner + voxels + probabilities, tile, err));
    GSG_TRY(gsg_preprocess_image(context, &segmenter->preprocess, volume, &working, err));
    memcpy(size, volume->size, sizeof size);
    gsg_free(context, volume->image);
    volume->image = NULL;
    out.classes = gsg_alloc(context, voxels, sizeof *out.classes);
    if (probability)
        out.probability = gsg_alloc(context, (size_t)segmenter->classes * voxels, sizeof *out.probability);
    if (!out.classes || (probability && !out.probability))
        GSG_TRY(gsg_error_nomem(err, voxels + (size_t)probabilities));
    GSG_TRY(run(segmenter, &working, size, tile, options, &out, err));
    *classes = out.classes;
    if (probability)
        *probability = out.probability;
    out = (results){0};
done:
    gsg_free(context, out.classes);
    gsg_free(context, out.probability);
    gsg_volume_free(&working);
    return status;
}

// ---- files

// Label values as bytes, in place, where all are; else as int32. The caller frees *wide.
static genseg_status label_array(const genseg_segmenter *segmenter, uint8_t *classes, const gsg_source *source,
                                 int32_t **wide, genseg_array *label, gsg_error *err)
{
    const gsg_shape shape = gsg_shape_make(source->ndim, source->size + 3 - source->ndim);
    const int64_t voxels = gsg_shape_count(shape);
    if (segmenter->values[0] >= 0 && segmenter->values[segmenter->classes - 1] <= UINT8_MAX) {
        for (int64_t i = 0; i < voxels; i++)
            classes[i] = (uint8_t)segmenter->values[classes[i]];
        *label = gsg_array_dense(classes, GENSEG_DTYPE_UINT8, shape);
        return GENSEG_OK;
    }
    *wide = gsg_segmenter_values(segmenter, classes, voxels);
    if (!*wide)
        return gsg_error_nomem(err, (size_t)voxels * sizeof **wide);
    *label = gsg_array_dense(*wide, GENSEG_DTYPE_INT32, shape);
    return GENSEG_OK;
}

int32_t *gsg_segmenter_values(const genseg_segmenter *segmenter, const uint8_t *classes, int64_t voxels)
{
    int32_t *values = gsg_alloc(segmenter->context, (size_t)voxels, sizeof *values);
    for (int64_t i = 0; values && i < voxels; i++)
        values[i] = segmenter->values[classes[i]];
    return values;
}

static genseg_status write_probability(const genseg_segmenter *segmenter, const char *path, float *probability,
                                       const gsg_source *source, gsg_error *err)
{
    gsg_shape shape = {.ndim = source->ndim + 1, .dims = {segmenter->classes}};
    memcpy(shape.dims + 1, source->size + 3 - source->ndim, (size_t)source->ndim * sizeof *shape.dims);
    const genseg_array array = gsg_array_dense(probability, GENSEG_DTYPE_FLOAT32, shape);
    return gsg_probability_write(segmenter->context, path, &array, source, err);
}

genseg_status gsg_segmenter_predict_file(genseg_segmenter *segmenter, const char *image_path,
                                         const genseg_predict_options *options, const char *label_path,
                                         const char *probability_path, gsg_error *err)
{
    genseg_context *context = segmenter->context;
    gsg_volume volume;
    gsg_source source;
    uint8_t *classes = NULL;
    float *probability = NULL;
    int32_t *wide = NULL;
    genseg_array label;
    genseg_status status = gsg_image_read(context, image_path, &volume, &source, err);
    if (status != GENSEG_OK)
        return status;
    if (source.note)
        gsg_log(context, GENSEG_LOG_WARNING, "%s: %s", image_path, source.note);
    status = gsg_segmenter_predict(segmenter, &volume, options, &classes, probability_path ? &probability : NULL, err);
    if (status != GENSEG_OK) {
        gsg_error_prefix(err, status, image_path);
        goto done;
    }
    if (probability_path)
        GSG_TRY(write_probability(segmenter, probability_path, probability, &source, err));
    if (label_path) {
        GSG_TRY(label_array(segmenter, classes, &source, &wide, &label, err));
        GSG_TRY(gsg_label_write(context, label_path, &label, &source, err));
    }
done:
    gsg_free(context, wide);
    gsg_free(context, probability);
    gsg_free(context, classes);
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    return status;
}
