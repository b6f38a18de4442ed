// Softmax over the channels (kernel/pointwise.h), tile by tile: the largest logit is
// taken off first, so that no exponential overflows.
#include "kernel/pointwise.h"
#include "kernel/tile.h"

typedef struct softmax {
    gsg_kernel base;
    gsg_chunks chunks;
    gsg_desc desc[3];
} softmax;

typedef struct softmax_job {
    const softmax *kernel;
    float *const *args;
    float *scratch; // two tiles a thread
} softmax_job;

GSG_SIMD static void forward_tile(float *dst, const float *src, const softmax *kernel, int64_t first, int64_t count,
                                  float *tile)
{
    gsg_tile_load(tile, src, &kernel->chunks, kernel->desc[0].block, first, count);
    gsg_tile_softmax(tile, kernel->chunks.channels, count);
    gsg_tile_store(dst, tile, &kernel->chunks, kernel->desc[1].block, first, count);
}

GSG_SIMD static void backward_tile(float *diff_src, const float *dst, const float *diff_dst, const softmax *kernel,
                                   int64_t first, int64_t count, float *p, float *g)
{
    gsg_tile_load(p, dst, &kernel->chunks, kernel->desc[0].block, first, count);
    gsg_tile_load(g, diff_dst, &kernel->chunks, kernel->desc[1].block, first, count);
    gsg_tile_softmax_backward(p, g, kernel->chunks.channels, count);
    gsg_tile_store(diff_src, g, &kernel->chunks, kernel->desc[2].block, first, count);
}

// Tiles of all samples are numbered through.
static int64_t tiles(const softmax *kernel)
{
    return (kernel->chunks.spatial + GSG_TILE - 1) / GSG_TILE;
}

static int64_t locate(const softmax *kernel, int64_t unit, int64_t *sample, int64_t *first)
{
    *sample = unit / tiles(kernel);
    *first = unit % tiles(kernel) * GSG_TILE;
    int64_t left = kernel->chunks.spatial - *first;
    return left < GSG_TILE ? left : GSG_TILE;
}

static void forward_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const softmax_job *job = arg;
    const softmax *kernel = job->kernel;
    float *tile = job->scratch + 2 * gsg_tile_size(kernel->chunks.channels) * (size_t)thread;
    for (int64_t unit = begin; unit < end; ++unit) {
        int64_t sample, first, count = locate(kernel, unit, &sample, &first);
        forward_tile(job->args[1] + sample * kernel->desc[1].batch_stride,
                     job->args[0] + sample * kernel->desc[0].batch_stride, kernel, first, count, tile);
    }
}

static void backward_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const softmax_job *job = arg;
    const softmax *kernel = job->kernel;
    size_t size = gsg_tile_size(kernel->chunks.channels);
    float *tile = job->scratch + 2 * size * (size_t)thread;
    for (int64_t unit = begin; unit < end; ++unit) {
        int64_t sample, first, count = locate(kernel, unit, &sample, &first);
        backward_tile(job->args[2] + sample * kernel->desc[2].batch_stride,
                      job->args[0] + sample * kernel->desc[0].batch_stride,
                      job->args[1] + sample * kernel->desc[1].batch_stride, kernel, first, count, tile, tile + size);
    }
}

static genseg_status forward_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const softmax *kernel = (const softmax *)self;
    softmax_job job = {kernel, args, scratch};
    gsg_parallel(self->context, kernel->chunks.samples * tiles(kernel), 16, forward_range, &job);
    return GENSEG_OK;
}

static genseg_status backward_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const softmax *kernel = (const softmax *)self;
    softmax_job job = {kernel, args, scratch};
    gsg_parallel(self->context, kernel->chunks.samples * tiles(kernel), 16, backward_range, &job);
    return GENSEG_OK;
}

static genseg_status make(gsg_engine *engine, const char *name, int32_t count, const gsg_desc *const *descs,
                          genseg_status (*run)(const gsg_kernel *, const gsg_run *, float *const *, void *,
                                               gsg_error *),
                          gsg_kernel **kernel, gsg_error *err)
{
    gsg_walk walk; // for its checks alone
    genseg_status status = gsg_walk_init(&walk, name, count, descs, err);
    if (status != GENSEG_OK)
        return status;
    softmax *made = gsg_kernel_make(engine, sizeof *made, name, run, err);
    if (!made)
        return GENSEG_ERROR_NOMEM;
    made->chunks = gsg_chunks_of(descs[0]);
    for (int32_t i = 0; i < count; ++i)
        made->desc[i] = *descs[i];
    size_t threads = (size_t)gsg_parallel_threads(made->base.context);
    made->base.scratch = threads * 2 * gsg_tile_size(made->chunks.channels) * sizeof(float);
    made->base.bytes = 4.0 * count * (double)gsg_shape_count(descs[0]->shape);
    *kernel = &made->base;
    return GENSEG_OK;
}

genseg_status gsg_softmax_forward_new(gsg_engine *engine, const gsg_desc *src, const gsg_desc *dst, gsg_kernel **kernel,
                                      gsg_error *err)
{
    return make(engine, "softmax", 2, (const gsg_desc *const[]){src, dst}, forward_run, kernel, err);
}

genseg_status gsg_softmax_backward_new(gsg_engine *engine, const gsg_desc *dst, const gsg_desc *diff_dst,
                                       const gsg_desc *diff_src, gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, "softmax backward", 3, (const gsg_desc *const[]){dst, diff_dst, diff_src}, backward_run, kernel,
                err);
}
