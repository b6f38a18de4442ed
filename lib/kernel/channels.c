// Joins and slices of channels whose border falls inside a block: each destination
// lane is gathered from its source lane; pad lanes are written as zero.
#include "kernel/channels.h"

#include "core/parallel.h"

// dst channels [to, to + count) = src channels [from, from + count).
typedef struct range {
    gsg_desc src, dst;
    int64_t from, to, count;
    int64_t spatial;
    bool pad; // zero the lanes of dst behind the range, up to the block's end
} range;

typedef struct channels_kernel {
    gsg_kernel base;
    range ranges[2];
    int32_t count;
} channels_kernel;

typedef struct task {
    const range *range;
    const float *src;
    float *dst;
} task;

static float *lane(const gsg_desc *desc, const float *data, int64_t n, int64_t channel, int64_t spatial)
{
    return (float *)data + n * desc->batch_stride + channel / desc->block * spatial * desc->block +
           channel % desc->block;
}

GSG_SIMD
static void copy_lanes(const float *src, int64_t src_step, float *dst, int64_t dst_step, int64_t count)
{
    for (int64_t s = 0; s < count; s++)
        dst[s * dst_step] = src[s * src_step];
}

static void copy_channels(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const task *t = arg;
    const range *r = t->range;
    const int64_t padded = r->pad ? gsg_desc_padded(&r->dst) - r->to : r->count;
    for (int64_t i = begin; i < end; i++) {
        int64_t n = i / padded, c = i % padded;
        float *dst = lane(&r->dst, t->dst, n, r->to + c, r->spatial);
        if (c < r->count) {
            copy_lanes(lane(&r->src, t->src, n, r->from + c, r->spatial), r->src.block, dst, r->dst.block, r->spatial);
            continue;
        }
        for (int64_t s = 0; s < r->spatial; s++)
            dst[s * r->dst.block] = 0.0f;
    }
}

static void run_range(const channels_kernel *kernel, const range *r, const float *src, float *dst)
{
    task t = {r, src, dst};
    int64_t padded = r->pad ? gsg_desc_padded(&r->dst) - r->to : r->count;
    gsg_parallel(kernel->base.context, r->dst.shape.dims[0] * padded, 1, copy_channels, &t);
}

static genseg_status run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch, gsg_error *err)
{
    const channels_kernel *kernel = (const channels_kernel *)self;
    for (int32_t i = 0; i < kernel->count; i++)
        run_range(kernel, &kernel->ranges[i], args[i], args[kernel->count]);
    return GENSEG_OK;
}

static genseg_status make(gsg_engine *engine, const range *ranges, int32_t count, const char *name,
                          gsg_kernel **kernel, gsg_error *err)
{
    channels_kernel *made = gsg_kernel_make(engine, sizeof *made, name, run, err);
    if (!made)
        return GENSEG_ERROR_NOMEM;
    made->count = count;
    for (int32_t i = 0; i < count; i++) {
        const range *r = &ranges[i];
        made->ranges[i] = *r;
        made->ranges[i].spatial = gsg_shape_spatial(r->dst.shape);
        made->base.bytes += 8.0 * (double)(r->dst.shape.dims[0] * r->count * made->ranges[i].spatial);
    }
    *kernel = &made->base;
    return GENSEG_OK;
}

genseg_status gsg_join_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, const gsg_desc *dst,
                           gsg_kernel **kernel, gsg_error *err)
{
    const int64_t left = a->shape.dims[1], right = b->shape.dims[1];
    if (left + right != dst->shape.dims[1])
        return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "join: %lld and %lld channels do not make %lld",
                             (long long)left, (long long)right, (long long)dst->shape.dims[1]);
    range ranges[2] = {{.src = *a, .dst = *dst, .count = left},
                       {.src = *b, .dst = *dst, .to = left, .count = right, .pad = true}};
    return make(engine, ranges, 2, "join channels", kernel, err);
}

genseg_status gsg_slice_new(gsg_engine *engine, int64_t channel, const gsg_desc *src, const gsg_desc *dst,
                            gsg_kernel **kernel, gsg_error *err)
{
    if (channel < 0 || channel + dst->shape.dims[1] > src->shape.dims[1])
        return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "slice: channels %lld to %lld of %lld", (long long)channel,
                             (long long)(channel + dst->shape.dims[1]), (long long)src->shape.dims[1]);
    range whole = {.src = *src, .dst = *dst, .from = channel, .count = dst->shape.dims[1], .pad = true};
    return make(engine, &whole, 1, "slice channels", kernel, err);
}
