// The tiled predictor. Tiles run in the order of their position along the
// stream axis (D in 3-D, H in 2-D). Rows of the volume that no later tile
// touches are final: the result slices that they decide leave at once, and the
// rows are dropped as soon as no later slice is resampled from them.
#include "predict/predictor.h"

#include "core/alloc.h"
#include "data/batch.h"
#include "data/resample.h"
#include "graph/plan.h"
#include "predict/blend.h"

#define MOST_CLASSES 256
#define MOST_OVERLAP 0.9
#define SLAB_BYTES ((int64_t)16 << 20) // of resampled probabilities at a time: a few milliseconds between polls

struct gsg_predictor {
    genseg_context *context;
    gsg_unet unet;
    int64_t tile[3];
    gsg_plan *plan;
    gsg_value image;
    gsg_value probability;
};

// What one run works with.
typedef struct stream {
    genseg_context *context;
    int32_t axis;
    int32_t reserved;
    int64_t volume[3]; // sizes
    int64_t result[3];
    gsg_tile_axis tiles[3];
    gsg_stream_step *steps;
    gsg_blend sums;
    gsg_resampler *resampler; // NULL where the two sizes are equal
    int64_t slab_slices;      // most result slices at a time
    float *slab;              // (planes, slab_slices, slice) resampled probabilities; NULL without resampler
    const gsg_predict_job *job;
    int64_t done; // tiles
    int64_t total;
} stream;

static genseg_status check_unet(const gsg_unet *unet, const int64_t tile[3], gsg_error *err)
{
    if (unet->spatial != 2 && unet->spatial != 3)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "prediction is in 2-D or 3-D, not %d-D", (int)unet->spatial);
    if (unet->outputs < 1 || unet->outputs > MOST_CLASSES)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "prediction is of 1 to %d classes, not %lld", MOST_CLASSES,
                             (long long)unet->outputs);
    for (int32_t a = 0; a < 3; a++)
        if (tile[a] < 1 || (a == 0 && unet->spatial == 2 && tile[a] != 1))
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "tile %lld x %lld x %lld for prediction in %d-D",
                                 (long long)tile[0], (long long)tile[1], (long long)tile[2], (int)unet->spatial);
    return GENSEG_OK;
}

static genseg_status plan_network(gsg_predictor *predictor, gsg_params *params, int32_t dry, gsg_error *err)
{
    const gsg_unet *unet = &predictor->unet;
    gsg_graph *graph = NULL;
    genseg_status status = gsg_graph_new(predictor->context, params, &graph, err);
    if (status != GENSEG_OK)
        return status;
    gsg_shape shape = {.ndim = unet->spatial + 2, .dims = {1, unet->channels}};
    for (int32_t a = 3 - unet->spatial; a < 3; a++)
        shape.dims[shape.ndim - 3 + a] = predictor->tile[a];
    predictor->image = gsg_op_input(graph, "image", shape);
    gsg_value logits = gsg_unet_build(graph, unet, predictor->image, GSG_MODE_INFER);
    predictor->probability =
        unet->outputs == 1 ? gsg_op_activation(graph, logits, GSG_ACT_SIGMOID, 0) : gsg_op_softmax(graph, logits);
    gsg_plan_options options = {.outputs = &predictor->probability, .output_count = 1, .dry = dry};
    GSG_TRY(gsg_graph_status(graph, err));
    GSG_TRY(gsg_plan_new(graph, &options, &predictor->plan, err));
done:
    gsg_graph_free(graph);
    return status;
}

static genseg_status make_predictor(genseg_context *context, const gsg_unet *unet, gsg_params *params,
                                    const int64_t tile[3], int32_t dry, gsg_predictor **predictor, gsg_error *err)
{
    genseg_status status = check_unet(unet, tile, err);
    if (status != GENSEG_OK)
        return status;
    gsg_predictor *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (made == NULL)
        return gsg_error_nomem(err, sizeof *made);
    made->context = gsg_context_retain(context);
    made->unet = *unet;
    for (int32_t a = 0; a < 3; a++)
        made->tile[a] = tile[a];
    status = plan_network(made, params, dry, err);
    if (status == GENSEG_OK)
        *predictor = made;
    else
        gsg_predictor_free(made);
    return status;
}

genseg_status gsg_predictor_new(genseg_context *context, const gsg_unet *unet, gsg_params *params,
                                const int64_t tile[3], gsg_predictor **predictor, gsg_error *err)
{
    return make_predictor(context, unet, params, tile, 0, predictor, err);
}

void gsg_predictor_free(gsg_predictor *predictor)
{
    if (predictor == NULL)
        return;
    genseg_context *context = predictor->context;
    gsg_plan_free(predictor->plan);
    gsg_free(context, predictor);
    gsg_context_release(context);
}

const int64_t *gsg_predictor_tile(const gsg_predictor *predictor)
{
    return predictor->tile;
}

static genseg_status check_sizes(const gsg_unet *unet, const int64_t volume[3], const int64_t size[3], double overlap,
                                 gsg_error *err)
{
    for (int32_t a = 0; a < 3; a++)
        if (volume[a] < 1 || size[a] < 1)
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "prediction of %lld voxels for %lld along axis %d",
                                 (long long)volume[a], (long long)size[a], (int)a);
    if (unet->spatial == 2 && (volume[0] != 1 || size[0] != 1))
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "a 2-D network for %lld slices and results of %lld",
                             (long long)volume[0], (long long)size[0]);
    if (!(overlap >= 0 && overlap <= MOST_OVERLAP))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "overlap is %g, allowed are 0 to %g", overlap, MOST_OVERLAP);
    return GENSEG_OK;
}

static genseg_status check_job(const gsg_predictor *predictor, const gsg_predict_job *job, gsg_error *err)
{
    const gsg_volume *volume = job->volume;
    const gsg_unet *unet = &predictor->unet;
    if (volume == NULL || volume->image == NULL || job->classes == NULL)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "prediction without %s",
                             job->classes == NULL ? "room for classes" : "an image");
    if (volume->ndim != unet->spatial || volume->channels != unet->channels)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE,
                             "image in %d-D of %d channels for a network in %d-D of %lld channels", (int)volume->ndim,
                             (int)volume->channels, (int)unet->spatial, (long long)unet->channels);
    return check_sizes(unet, volume->size, job->size, job->overlap, err);
}

static int64_t slice_voxels(const stream *s)
{
    return s->axis == 0 ? s->result[1] * s->result[2] : s->result[2];
}

static void free_stream(stream *s)
{
    for (int32_t a = 0; a < 3; a++)
        gsg_tile_axis_free(s->context, &s->tiles[a]);
    gsg_free(s->context, s->steps);
    gsg_free(s->context, s->sums.data);
    gsg_resampler_free(s->resampler);
    gsg_free(s->context, s->slab);
}

// All but the two large buffers, of which it sets the sizes. To be freed whatever comes of it.
static genseg_status plan_stream(const gsg_predictor *predictor, const int64_t volume[3], const int64_t result[3],
                                 double overlap, stream *s, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    int32_t resamples = 0;
    s->context = s->sums.context = predictor->context;
    s->axis = s->sums.axis = predictor->unet.spatial == 2 ? 1 : 0;
    s->sums.planes = predictor->unet.outputs;
    s->total = 1;
    for (int32_t a = 0; a < 3; a++) {
        s->volume[a] = s->sums.held[a] = volume[a];
        s->result[a] = result[a];
        resamples |= volume[a] != result[a];
        GSG_TRY(gsg_tile_axis_new(s->context, volume[a], predictor->tile[a], overlap, &s->tiles[a], err));
        s->total *= s->tiles[a].count;
    }
    const gsg_tile_axis *along = &s->tiles[s->axis];
    s->steps = gsg_alloc(s->context, (size_t)along->count, sizeof *s->steps);
    if (s->steps == NULL)
        GSG_TRY(gsg_error_nomem(err, (size_t)along->count * sizeof *s->steps));
    s->sums.held[s->axis] = gsg_stream_plan(along, s->volume, s->result, s->axis, s->steps);
    int64_t slice_bytes = s->sums.planes * slice_voxels(s) * (int64_t)sizeof *s->slab;
    s->slab_slices = SLAB_BYTES / slice_bytes > 1 ? SLAB_BYTES / slice_bytes : 1;
    s->slab_slices = s->slab_slices < result[s->axis] ? s->slab_slices : result[s->axis];
    if (resamples)
        status = gsg_resampler_new(s->context, s->volume, s->result, &s->resampler, err);
done:
    return status;
}

static size_t sums_floats(const stream *s)
{
    return (size_t)s->sums.planes * (size_t)gsg_blend_plane(&s->sums);
}

static size_t slab_floats(const stream *s)
{
    return s->resampler == NULL ? 0 : (size_t)s->sums.planes * (size_t)s->slab_slices * (size_t)slice_voxels(s);
}

static genseg_status take_buffers(stream *s, gsg_error *err)
{
    s->sums.data = gsg_alloc(s->context, sums_floats(s), sizeof *s->sums.data);
    if (s->sums.data == NULL)
        return gsg_error_nomem(err, sums_floats(s) * sizeof *s->sums.data);
    if (s->resampler == NULL)
        return GENSEG_OK;
    s->slab = gsg_alloc(s->context, slab_floats(s), sizeof *s->slab);
    return s->slab != NULL ? GENSEG_OK : gsg_error_nomem(err, slab_floats(s) * sizeof *s->slab);
}

static int32_t poll(void *user)
{
    const stream *s = user;
    return s->job->poll != NULL ? s->job->poll(s->done, s->total, s->job->user) : 0;
}

static genseg_status poll_here(stream *s, gsg_error *err)
{
    return poll(s) != 0 ? gsg_error_set(err, GENSEG_ERROR_CANCELLED, "cancelled") : GENSEG_OK;
}

// Result slices begin .. end - 1, whose rows are final.
static genseg_status emit_slab(stream *s, const gsg_stream_step *step, int64_t begin, int64_t end, gsg_error *err)
{
    const int64_t slice = slice_voxels(s), plane = gsg_blend_plane(&s->sums), count = (end - begin) * slice;
    const float *values = s->sums.data + (begin - step->begin) * gsg_blend_row(&s->sums);
    int64_t stride = plane;
    genseg_status status = poll_here(s, err);
    if (s->resampler != NULL) {
        gsg_resample_slab slab = {s->axis, 0, step->begin, step->end, begin, end};
        for (int64_t k = 0; k < s->sums.planes && status == GENSEG_OK; k++) {
            status = gsg_resampler_run(s->resampler, s->sums.data + k * plane, 1, s->slab + k * count, &slab, err);
            if (status == GENSEG_OK)
                status = poll_here(s, err);
        }
        values = s->slab;
        stride = count;
    }
    if (status != GENSEG_OK)
        return status;
    float *probability = s->job->probability != NULL ? s->job->probability + begin * slice : NULL;
    gsg_blend_classify(s->context, values, s->sums.planes, stride, count, s->job->classes + begin * slice, probability,
                       s->result[0] * s->result[1] * s->result[2]);
    return GENSEG_OK;
}

static genseg_status run_tile(gsg_predictor *predictor, stream *s, const int64_t index[3], gsg_error *err)
{
    const gsg_run run = {0};
    int64_t origin[3];
    for (int32_t a = 0; a < 3; a++)
        origin[a] = s->tiles[a].origins[index[a]];
    gsg_patch_cut(s->context, s->job->volume, origin, predictor->tile, gsg_plan_data(predictor->plan, predictor->image),
                  NULL);
    genseg_status status = gsg_plan_run(predictor->plan, &run, err);
    if (status != GENSEG_OK)
        return status;
    gsg_blend_add(&s->sums, s->tiles, index, gsg_plan_data(predictor->plan, predictor->probability));
    s->done++;
    return GENSEG_OK;
}

// The tiles of one position along the stream axis, then the results that are final with them.
static genseg_status run_step(gsg_predictor *predictor, stream *s, int64_t position, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    const gsg_stream_step *step = &s->steps[position];
    // Tiles over the two other axes; the one of D has a single tile in 2-D.
    const int32_t outer = s->axis == 0 ? 1 : 0;
    int64_t index[3] = {0, 0, 0};
    gsg_blend_advance(&s->sums, step->begin);
    index[s->axis] = position;
    for (index[outer] = 0; index[outer] < s->tiles[outer].count; index[outer]++)
        for (index[2] = 0; index[2] < s->tiles[2].count; index[2]++)
            GSG_TRY(run_tile(predictor, s, index, err));
    for (int64_t begin = step->result_begin; begin < step->result_end; begin += s->slab_slices) {
        int64_t left = step->result_end - begin;
        GSG_TRY(emit_slab(s, step, begin, begin + (left < s->slab_slices ? left : s->slab_slices), err));
    }
done:
    return status;
}

genseg_status gsg_predictor_run(gsg_predictor *predictor, const gsg_predict_job *job, gsg_error *err)
{
    genseg_status status = check_job(predictor, job, err);
    if (status != GENSEG_OK)
        return status;
    stream s = {.job = job};
    GSG_TRY(plan_stream(predictor, job->volume->size, job->size, job->overlap, &s, err));
    GSG_TRY(take_buffers(&s, err));
    gsg_blend_clear(&s.sums);
    gsg_plan_set_poll(predictor->plan, poll, &s);
    for (int64_t p = 0; p < s.tiles[s.axis].count; p++)
        GSG_TRY(run_step(predictor, &s, p, err));
done:
    gsg_plan_set_poll(predictor->plan, NULL, NULL);
    free_stream(&s);
    return status;
}

static void *probe_alloc(size_t size, size_t alignment, void *user)
{
    return gsg_alloc(user, size, 1); // aligned to 64 bytes, as contexts ask for
}

static void probe_free(void *memory, void *user)
{
    gsg_free(user, memory);
}

// A context whose memory is the given one's: it counts what a piece of work takes while others use the latter.
static genseg_status open_probe(genseg_context *context, genseg_context **probe, gsg_error *err)
{
    genseg_context_options options = context->options;
    options.alloc = probe_alloc;
    options.free = probe_free;
    options.alloc_user = context;
    options.memory_limit = 0; // the given one's holds
    return gsg_context_new(&options, probe, err);
}

genseg_status gsg_predictor_memory(genseg_context *context, const gsg_unet *unet, gsg_params *params,
                                   const int64_t tile[3], const int64_t volume_size[3], const int64_t size[3],
                                   double overlap, uint64_t *bytes, gsg_error *err)
{
    genseg_status status = check_sizes(unet, volume_size, size, overlap, err);
    if (status != GENSEG_OK)
        return status;
    genseg_context *probe = NULL;
    gsg_predictor *predictor = NULL;
    stream s = {0};
    GSG_TRY(open_probe(context, &probe, err));
    s.context = probe;
    GSG_TRY(make_predictor(probe, unet, params, tile, 1, &predictor, err));
    GSG_TRY(plan_stream(predictor, volume_size, size, overlap, &s, err));
    // Small blocks are counted, large ones that a dry plan and a planned stream lack are added, each with what
    // the allocator and the alignment add to it. Planning peaks before the buffers of the run are there.
    const uint64_t extra = 128;
    uint64_t arena = gsg_plan_memory(predictor->plan) + extra;
    uint64_t buffers = (sums_floats(&s) + slab_floats(&s)) * sizeof(float) + 2 * extra;
    uint64_t planning = atomic_load(&probe->memory_peak), running = atomic_load(&probe->memory) + buffers;
    *bytes = arena + (planning > running ? planning : running);
done:
    if (probe != NULL)
        free_stream(&s);
    gsg_predictor_free(predictor);
    gsg_context_release(probe);
    return status;
}
