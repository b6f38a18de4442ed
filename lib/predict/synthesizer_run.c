// Images of label maps: the mask on the network's grid, a warp, the generator, and back to the label map's own grid.
#include <math.h>
#include <string.h>

#include "core/log.h"
#include "core/rng.h"
#include "data/batch.h"
#include "data/format.h"
#include "data/resample.h"
#include "graph/plan.h"
#include "predict/synthesizer.h"
#include "tensor/array.h"

#define MOST_MAGNITUDE 4.0 // as far as training may move it

struct gsg_maker {
    genseg_context *context;
    gsg_plan *plan;
    gsg_shape mask_shape;
    int64_t noise_count;
    int32_t warp;
    gsg_value mask, noise;       // noise: GSG_NONE without
    gsg_value draws, magnitudes; // GSG_NONE without a warp
    gsg_value target, image;     // target: the mask that the image is made of
};

void gsg_synthesize_defaults(genseg_synthesize_options *options)
{
    *options = (genseg_synthesize_options){.struct_size = sizeof *options, .seed = 1, .magnitude = 1};
}

genseg_status gsg_synthesize_check(const genseg_synthesize_options *options, gsg_error *err)
{
    if (options->number < 0)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "number is %lld", (long long)options->number);
    if (!(options->magnitude >= 0 && options->magnitude <= MOST_MAGNITUDE))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "magnitude is %g, not within 0 and %g", options->magnitude,
                             MOST_MAGNITUDE);
    return GENSEG_OK;
}

// ---- the planned network

static gsg_shape shape_of(const genseg_generator *generator, int64_t channels)
{
    const int32_t spatial = generator->network.spatial;
    gsg_shape shape = {.ndim = spatial + 2, .dims = {1, channels}};
    memcpy(shape.dims + 2, generator->size + 3 - spatial, (size_t)spatial * sizeof *shape.dims);
    return shape;
}

static gsg_deform deform_of(const genseg_generator *generator)
{
    gsg_deform deform;
    gsg_deform_defaults(&deform);
    deform.symmetric = generator->symmetric;
    memcpy(deform.spacing, generator->spacing, sizeof deform.spacing);
    return deform;
}

static genseg_status plan(gsg_maker *m, const genseg_generator *generator, gsg_error *err)
{
    genseg_status status;
    gsg_graph *graph = NULL;
    const gsg_generator *network = &generator->network;
    const gsg_shape noise = shape_of(generator, network->noise);
    const gsg_deform deform = deform_of(generator);
    m->mask_shape = shape_of(generator, network->masks);
    m->noise_count = gsg_shape_count(noise);
    GSG_TRY(gsg_graph_new(m->context, generator->params, &graph, err));
    m->mask = m->target = gsg_op_input(graph, "mask", m->mask_shape);
    m->noise = network->noise > 0 ? gsg_op_input(graph, "noise", noise) : GSG_NONE;
    m->draws = m->magnitudes = GSG_NONE;
    if (m->warp) {
        const int64_t draws[2] = {1, gsg_deform_draws(m->mask_shape)}, magnitudes[2] = {1, GSG_DEFORM_MAGNITUDES};
        m->draws = gsg_op_input(graph, "draws", gsg_shape_make(2, draws));
        m->magnitudes = gsg_op_input(graph, "magnitudes", gsg_shape_make(2, magnitudes));
        m->target = gsg_op_deform(graph, m->mask, m->draws, m->magnitudes, &deform);
    }
    m->image = gsg_generator_build(graph, network, m->target, m->noise, GSG_MODE_INFER);
    const gsg_value outputs[] = {m->image, m->target};
    const gsg_plan_options options = {.outputs = outputs, .output_count = m->warp ? 2 : 1};
    GSG_TRY(gsg_graph_status(graph, err));
    GSG_TRY(gsg_plan_new(graph, &options, &m->plan, err));
done:
    gsg_graph_free(graph);
    return status;
}

static genseg_status maker_new(const genseg_generator *generator, int32_t warp, gsg_maker **maker, gsg_error *err)
{
    gsg_maker *made = gsg_alloc_zero(generator->context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    made->context = generator->context;
    made->warp = warp;
    genseg_status status = plan(made, generator, err);
    if (status != GENSEG_OK)
        gsg_maker_free(made);
    else
        *maker = made;
    return status;
}

void gsg_maker_free(gsg_maker *maker)
{
    if (!maker)
        return;
    gsg_plan_free(maker->plan);
    gsg_free(maker->context, maker);
}

static gsg_maker *exchange_idle(genseg_generator *generator, gsg_maker *maker)
{
    pthread_mutex_lock(&generator->lock);
    gsg_maker *former = generator->idle;
    generator->idle = maker;
    pthread_mutex_unlock(&generator->lock);
    return former;
}

static genseg_status get_maker(genseg_generator *generator, int32_t warp, gsg_maker **maker, gsg_error *err)
{
    gsg_maker *idle = exchange_idle(generator, NULL);
    if (idle && idle->warp == warp) {
        *maker = idle;
        return GENSEG_OK;
    }
    gsg_maker_free(idle);
    return maker_new(generator, warp, maker, err);
}

// As in prediction, nothing is kept under a memory limit.
static void put_maker(genseg_generator *generator, gsg_maker *maker)
{
    if (maker && generator->context->options.memory_limit == 0)
        maker = exchange_idle(generator, maker);
    gsg_maker_free(maker);
}

// ---- masks

static genseg_status to_classes(const genseg_generator *generator, const int32_t *label, const int64_t size[3],
                                int32_t *classes, gsg_error *err)
{
    const int64_t voxels = size[0] * size[1] * size[2];
    int32_t k = 0; // mostly that of the voxel before
    for (int64_t i = 0; i < voxels; i++) {
        if (label[i] != generator->values[k]) {
            for (k = 0; k < generator->classes && generator->values[k] != label[i]; k++) {
            }
            char where[GSG_VOXEL_TEXT_SIZE];
            if (k == generator->classes)
                return gsg_error_set(err, GENSEG_ERROR_FORMAT, "label value %d at %s is none of the model's",
                                     (int)label[i], gsg_voxel_text(i, size, where));
        }
        classes[i] = k;
    }
    return GENSEG_OK;
}

static int32_t same_grid(const genseg_generator *generator, const int64_t size[3])
{
    return memcmp(generator->size, size, sizeof generator->size) == 0;
}

static int64_t plane_of(const genseg_generator *generator)
{
    return generator->size[0] * generator->size[1] * generator->size[2];
}

// One plane at a time is resampled, so that large label maps of many classes need room for one only.
static genseg_status fill_mask(const genseg_generator *generator, const int32_t *classes, const int64_t size[3],
                               float *mask, gsg_error *err)
{
    genseg_context *context = generator->context;
    const int64_t voxels = size[0] * size[1] * size[2], masks = generator->network.masks;
    if (same_grid(generator, size)) {
        gsg_labels_to_onehot(context, classes, 1, masks, voxels, mask);
        return GENSEG_OK;
    }
    float *plane = gsg_alloc(context, (size_t)voxels, sizeof *plane);
    if (!plane)
        return gsg_error_nomem(err, (size_t)voxels * sizeof *plane);
    genseg_status status = GENSEG_OK;
    for (int64_t k = 0; k < masks && status == GENSEG_OK; k++) {
        for (int64_t i = 0; i < voxels; i++)
            plane[i] = masks == 1 ? classes[i] > 0 : classes[i] == k;
        status = gsg_resample_linear(context, plane, 1, size, mask + k * plane_of(generator), generator->size, err);
    }
    gsg_free(context, plane);
    return status;
}

// The larger of background and foreground, or the first of the largest planes, on the label map's grid.
static genseg_status choose(const genseg_generator *generator, const float *target, const int64_t size[3],
                            int32_t *warped, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    genseg_context *context = generator->context;
    const int64_t voxels = size[0] * size[1] * size[2], masks = generator->network.masks;
    const int32_t same = same_grid(generator, size);
    float *best = gsg_alloc(context, (size_t)voxels, sizeof *best);
    float *own = same ? NULL : gsg_alloc(context, (size_t)voxels, sizeof *own);
    if (!best || (!same && !own))
        GSG_TRY(gsg_error_nomem(err, (size_t)voxels * sizeof *best));
    for (int64_t i = 0; i < voxels; i++) {
        warped[i] = generator->values[0];
        best[i] = masks == 1 ? 0.5f : -1.0f;
    }
    for (int64_t k = 0; k < masks; k++) {
        const float *plane = target + k * plane_of(generator);
        if (!same)
            GSG_TRY(gsg_resample_linear(context, plane, 1, generator->size, own, size, err));
        plane = same ? plane : own;
        for (int64_t i = 0; i < voxels; i++)
            if (plane[i] > best[i]) {
                best[i] = plane[i];
                warped[i] = generator->values[masks == 1 ? 1 : k];
            }
    }
done:
    gsg_free(context, own);
    gsg_free(context, best);
    return status;
}

// ---- a run

static genseg_status run_network(const genseg_generator *generator, gsg_maker *m, const int32_t *classes,
                                 const int64_t size[3], const genseg_synthesize_options *options, gsg_error *err)
{
    const gsg_run run = {.seed = options->seed, .step = (uint64_t)options->number};
    if (m->noise != GSG_NONE) {
        float *noise = gsg_plan_data(m->plan, m->noise);
        gsg_rng rng;
        gsg_rng_init(&rng, options->seed, GSG_STREAM_NOISE, (uint64_t)options->number);
        for (int64_t i = 0; i < m->noise_count; i++)
            noise[i] = (float)gsg_rng_normal(&rng);
    }
    if (m->warp) {
        const gsg_deform deform = deform_of(generator);
        gsg_deform_draw(&deform, m->mask_shape, options->seed, (uint64_t)options->number,
                        gsg_plan_data(m->plan, m->draws));
        for (int32_t i = 0; i < GSG_DEFORM_MAGNITUDES; i++)
            gsg_plan_data(m->plan, m->magnitudes)[i] = (float)options->magnitude;
    }
    genseg_status status = fill_mask(generator, classes, size, gsg_plan_data(m->plan, m->mask), err);
    return status == GENSEG_OK ? gsg_plan_run(m->plan, &run, err) : status;
}

genseg_status gsg_synthesizer_run(genseg_generator *generator, const int32_t *label, const int64_t size[3],
                                  const genseg_synthesize_options *options, float **image, int32_t **warped,
                                  gsg_error *err)
{
    genseg_status status;
    genseg_context *context = generator->context;
    const size_t voxels = (size_t)(size[0] * size[1] * size[2]), channels = (size_t)generator->network.channels;
    gsg_maker *maker = NULL;
    float *made = NULL;
    // Classes first; with a warp the label values that come of it lie there in the end.
    int32_t *classes = gsg_alloc(context, voxels, sizeof *classes);
    if (!classes)
        return gsg_error_nomem(err, voxels * sizeof *classes);
    GSG_TRY(to_classes(generator, label, size, classes, err));
    GSG_TRY(get_maker(generator, options->warp != 0, &maker, err));
    GSG_TRY(run_network(generator, maker, classes, size, options, err));
    made = gsg_alloc(context, voxels * channels, sizeof *made);
    if (!made)
        GSG_TRY(gsg_error_nomem(err, voxels * channels * sizeof *made));
    const float *network = gsg_plan_data(maker->plan, maker->image);
    if (same_grid(generator, size))
        memcpy(made, network, voxels * channels * sizeof *made);
    else
        GSG_TRY(gsg_resample_linear(context, network, (int64_t)channels, generator->size, made, size, err));
    if (warped && options->warp)
        GSG_TRY(choose(generator, gsg_plan_data(maker->plan, maker->target), size, classes, err));
    else if (warped)
        memcpy(classes, label, voxels * sizeof *classes);
    *image = made;
    made = NULL;
    if (warped) {
        *warped = classes;
        classes = NULL;
    }
done:
    put_maker(generator, maker);
    gsg_free(context, made);
    gsg_free(context, classes);
    return status;
}

// ---- files

static genseg_status run_on(genseg_generator *generator, const int32_t *label, const gsg_source *source,
                            const genseg_synthesize_options *options, float **image, int32_t **warped, gsg_error *err)
{
    if (source->ndim != generator->network.spatial)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "the label map is %d-D, the generator %d-D", (int)source->ndim,
                             (int)generator->network.spatial);
    return gsg_synthesizer_run(generator, label, source->size, options, image, warped, err);
}

genseg_status gsg_synthesizer_run_file(genseg_generator *generator, const char *label_path,
                                       const genseg_synthesize_options *options, const char *image_path,
                                       const char *warped_path, gsg_error *err)
{
    genseg_context *context = generator->context;
    gsg_source source;
    int32_t *label = NULL, *warped = NULL;
    float *image = NULL;
    genseg_status status = gsg_label_read(context, label_path, &label, &source, err);
    if (status != GENSEG_OK)
        return status;
    if (source.note)
        gsg_log(context, GENSEG_LOG_WARNING, "%s: %s", label_path, source.note);
    status = run_on(generator, label, &source, options, &image, warped_path ? &warped : NULL, err);
    if (status != GENSEG_OK) {
        gsg_error_prefix(err, status, label_path);
        goto done;
    }
    if (warped_path) {
        const genseg_array map = gsg_array_dense(warped, GENSEG_DTYPE_INT32, gsg_shape_make(3, source.size));
        GSG_TRY(gsg_label_write(context, warped_path, &map, &source, err));
    }
    GSG_TRY(gsg_image_write(context, image_path, image, (int32_t)generator->network.channels, -1, 1, &source, err));
done:
    gsg_free(context, image);
    gsg_free(context, warped);
    gsg_free(context, label);
    gsg_source_free(&source);
    return status;
}
