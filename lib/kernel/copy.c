// Copies between layouts (gsg_copy_new): memory blocks where the layouts are equal,
// transposition of small tiles between plain and blocked, strided loops else.
#include "kernel/pointwise.h"
#include "kernel/walk.h"

#include <string.h>

static void move(const float *parameters, int64_t count, float *const *p)
{
    if (p[1] != p[0])
        memcpy(p[1], p[0], (size_t)count * sizeof(float));
}

typedef struct copy {
    gsg_kernel base;
    gsg_desc src;
    gsg_desc dst;
    int64_t samples;
    int64_t groups;
    int64_t channels;
    int64_t spatial;
    int64_t places; // pieces of the spatial extent
} copy;

// Voxels of a piece: with 16 channels 64 kB on either side.
#define PIECE 1024

// `lanes` rows of `count` voxels, `spatial` apart, to groups of `block`; lanes missing become zero.
GSG_INLINE void interleave(float *restrict dst, const float *restrict src, int64_t spatial, int64_t count,
                           int32_t lanes, int32_t block)
{
    for (int64_t t = 0; t < count; ++t)
        for (int32_t lane = 0; lane < block; ++lane)
            dst[t * block + lane] = lane < lanes ? src[lane * spatial + t] : 0.0f;
}

GSG_INLINE void deinterleave(float *restrict dst, const float *restrict src, int64_t spatial, int64_t count,
                             int32_t lanes, int32_t block)
{
    // 16 voxels at a time, so that each source line is read from memory once.
    for (int64_t first = 0; first < count; first += 16) {
        int64_t end = count - first < 16 ? count : first + 16;
        for (int32_t lane = 0; lane < lanes; ++lane)
            for (int64_t t = first; t < end; ++t)
                dst[lane * spatial + t] = src[t * block + lane];
    }
}

GSG_SIMD static void to_blocked(float *dst, const float *src, int64_t spatial, int64_t count, int32_t lanes,
                                int32_t block)
{
    if (lanes == 16)
        interleave(dst, src, spatial, count, 16, 16);
    else if (lanes == 8 && block == 8)
        interleave(dst, src, spatial, count, 8, 8);
    else
        interleave(dst, src, spatial, count, lanes, block);
}

GSG_SIMD static void to_plain(float *dst, const float *src, int64_t spatial, int64_t count, int32_t lanes,
                              int32_t block)
{
    if (lanes == 16)
        deinterleave(dst, src, spatial, count, 16, 16);
    else if (lanes == 8 && block == 8)
        deinterleave(dst, src, spatial, count, 8, 8);
    else
        deinterleave(dst, src, spatial, count, lanes, block);
}

typedef struct copy_job {
    const copy *kernel;
    const float *src;
    float *dst;
} copy_job;

static void copy_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const copy_job *job = arg;
    const copy *kernel = job->kernel;
    int32_t block = kernel->src.block > 1 ? kernel->src.block : kernel->dst.block;
    for (int64_t unit = begin; unit < end; ++unit) {
        int64_t first = unit % kernel->places * PIECE;
        int64_t group = unit / kernel->places % kernel->groups;
        int64_t sample = unit / kernel->places / kernel->groups;
        int64_t count = kernel->spatial - first < PIECE ? kernel->spatial - first : PIECE;
        int64_t left = kernel->channels - group * block;
        int32_t lanes = left < block ? (int32_t)left : block;
        const float *src = job->src + sample * kernel->src.batch_stride + group * block * kernel->spatial;
        float *dst = job->dst + sample * kernel->dst.batch_stride + group * block * kernel->spatial;
        if (kernel->src.block == 1)
            to_blocked(dst + first * block, src + first, kernel->spatial, count, lanes, block);
        else
            to_plain(dst + first, src + first * block, kernel->spatial, count, lanes, block);
    }
}

static genseg_status copy_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                              gsg_error *err)
{
    const copy *kernel = (const copy *)self;
    copy_job job = {kernel, args[0], args[1]};
    int64_t piece = kernel->spatial < PIECE ? kernel->spatial : PIECE;
    gsg_parallel(self->context, kernel->samples * kernel->groups * kernel->places, 512 / piece + 1, copy_range, &job);
    return GENSEG_OK;
}

genseg_status gsg_copy_new(gsg_engine *engine, const gsg_desc *src, const gsg_desc *dst, gsg_kernel **kernel,
                           gsg_error *err)
{
    const gsg_desc *descs[] = {src, dst};
    if ((src->block == 1) == (dst->block == 1)) {
        gsg_elementwise op = {"copy", move, 2, {0, 1}, -1, 1.0f, 0.0f};
        return gsg_elementwise_new(engine, &op, descs, kernel, err);
    }
    gsg_walk walk;
    genseg_status status = gsg_walk_init(&walk, "copy", 2, descs, err);
    if (status != GENSEG_OK)
        return status;
    copy *made = gsg_kernel_make(engine, sizeof *made, "copy", copy_run, err);
    if (!made)
        return GENSEG_ERROR_NOMEM;
    int32_t block = src->block > 1 ? src->block : dst->block;
    made->src = *src;
    made->dst = *dst;
    made->samples = gsg_desc_samples(src);
    made->channels = gsg_desc_channels(src);
    made->spatial = gsg_desc_spatial(src);
    made->groups = (made->channels + block - 1) / block;
    made->places = (made->spatial + PIECE - 1) / PIECE;
    made->base.bytes = 8.0 * (double)gsg_shape_count(src->shape);
    *kernel = &made->base;
    return GENSEG_OK;
}
