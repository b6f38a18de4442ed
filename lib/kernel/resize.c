// Bilinear and trilinear resampling as PyTorch's interpolate, one axis after the other
// would need a buffer: here the up to eight neighbours are gathered at once. The
// gradient gathers too: for each source position the results that it took part in.
#include <math.h>

#include "core/parallel.h"
#include "kernel/window.h"

typedef struct axis {
    int64_t in, out;
    double scale; // source positions for one step of the result
    int32_t corners;
} axis;

typedef struct resize_kernel {
    gsg_kernel base;
    gsg_desc src, dst;
    int64_t block, groups;
    axis axes[3]; // D, H, W
    int64_t in_count, out_count;
} resize_kernel;

typedef struct job {
    const resize_kernel *k;
    float *const *args;
} job;

// Result position i lies between source positions at[0] and at[1], with these weights.
static void locate(const axis *a, int64_t i, int64_t at[2], float weight[2])
{
    double x = a->corners ? (double)i * a->scale : ((double)i + 0.5) * a->scale - 0.5;
    x = x < 0 ? 0 : x;
    at[0] = (int64_t)x < a->in - 1 ? (int64_t)x : a->in - 1;
    at[1] = at[0] < a->in - 1 ? at[0] + 1 : at[0];
    weight[1] = (float)(x - (double)at[0]);
    weight[0] = 1.0f - weight[1];
}

// Results that may draw from source position i: first <= j < last.
static void reach(const axis *a, int64_t i, int64_t *first, int64_t *last)
{
    *first = 0;
    *last = a->out;
    if (a->scale <= 0)
        return;
    const double shift = a->corners ? 0.0 : 0.5;
    const double low = ((double)i - 1 + shift) / a->scale - shift, high = ((double)i + 1 + shift) / a->scale - shift;
    // The clamp at the border maps what lies before position 0 to it.
    if (i > 0 && low > 0)
        *first = (int64_t)floor(low);
    if (i < a->in - 1 && high + 2 < (double)a->out)
        *last = (int64_t)ceil(high) + 1;
}

GSG_INLINE void add_scaled(float *out, const float *in, float weight, int64_t block)
{
    for (int64_t l = 0; l < block; l++)
        out[l] += weight * in[l];
}

static void forward_row(const resize_kernel *k, const float *src, float *dst, int64_t d, int64_t h)
{
    const int64_t H = k->axes[1].in, W = k->axes[2].in;
    int64_t z[2], y[2], x[2];
    float wz[2], wy[2], wx[2];
    locate(&k->axes[0], d, z, wz);
    locate(&k->axes[1], h, y, wy);
    for (int64_t w = 0; w < k->axes[2].out; w++) {
        float *out = dst + w * k->block;
        locate(&k->axes[2], w, x, wx);
        for (int64_t l = 0; l < k->block; l++)
            out[l] = 0.0f;
        for (int corner = 0; corner < 8; corner++) {
            const int a = corner >> 2, b = corner >> 1 & 1, c = corner & 1;
            const float weight = wz[a] * wy[b] * wx[c];
            if (weight != 0.0f)
                add_scaled(out, src + ((z[a] * H + y[b]) * W + x[c]) * k->block, weight, k->block);
        }
    }
}

static void forward_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const job *j = arg;
    const resize_kernel *k = j->k;
    const int64_t D = k->axes[0].out, H = k->axes[1].out, W = k->axes[2].out;
    for (int64_t i = begin; i < end; i++) {
        const int64_t h = i % H, d = i / H % D, n = i / (H * D) / k->groups, g = i / (H * D) % k->groups;
        forward_row(k, j->args[0] + n * k->src.batch_stride + g * k->in_count * k->block,
                    j->args[1] + n * k->dst.batch_stride + (g * k->out_count + (d * H + h) * W) * k->block, d, h);
    }
}

static genseg_status run_forward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const resize_kernel *k = (const resize_kernel *)self;
    job j = {k, args};
    gsg_parallel(self->context, k->src.shape.dims[0] * k->groups * k->axes[0].out * k->axes[1].out, 4, forward_rows,
                 &j);
    return GENSEG_OK;
}

// Weight with which result j draws from source position i.
static float share(const axis *a, int64_t j, int64_t i)
{
    int64_t at[2];
    float weight[2];
    locate(a, j, at, weight);
    return (at[0] == i ? weight[0] : 0.0f) + (at[1] == i ? weight[1] : 0.0f);
}

static void backward_position(const resize_kernel *k, const float *diff, float *out, const int64_t at[3],
                              const int64_t first[3], const int64_t last[3])
{
    const int64_t H = k->axes[1].out, W = k->axes[2].out;
    for (int64_t l = 0; l < k->block; l++)
        out[l] = 0.0f;
    for (int64_t d = first[0]; d < last[0]; d++) {
        const float wd = share(&k->axes[0], d, at[0]);
        for (int64_t h = first[1]; wd != 0.0f && h < last[1]; h++) {
            const float wh = wd * share(&k->axes[1], h, at[1]);
            for (int64_t w = first[2]; wh != 0.0f && w < last[2]; w++) {
                const float weight = wh * share(&k->axes[2], w, at[2]);
                if (weight != 0.0f)
                    add_scaled(out, diff + ((d * H + h) * W + w) * k->block, weight, k->block);
            }
        }
    }
}

static void backward_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const job *j = arg;
    const resize_kernel *k = j->k;
    const int64_t D = k->axes[0].in, H = k->axes[1].in, W = k->axes[2].in;
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = i / (H * D) / k->groups, g = i / (H * D) % k->groups;
        int64_t at[3] = {i / H % D, i % H, 0}, first[3], last[3];
        const float *diff = j->args[0] + n * k->dst.batch_stride + g * k->out_count * k->block;
        float *row = j->args[1] + n * k->src.batch_stride + (g * k->in_count + (at[0] * H + at[1]) * W) * k->block;
        reach(&k->axes[0], at[0], &first[0], &last[0]);
        reach(&k->axes[1], at[1], &first[1], &last[1]);
        for (at[2] = 0; at[2] < W; at[2]++) {
            reach(&k->axes[2], at[2], &first[2], &last[2]);
            backward_position(k, diff, row + at[2] * k->block, at, first, last);
        }
    }
}

static genseg_status run_backward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const resize_kernel *k = (const resize_kernel *)self;
    job j = {k, args};
    gsg_parallel(self->context, k->src.shape.dims[0] * k->groups * k->axes[0].in * k->axes[1].in, 4, backward_rows, &j);
    return GENSEG_OK;
}

static genseg_status make(gsg_engine *engine, int32_t align_corners, const gsg_desc *src, const gsg_desc *dst,
                          int32_t backward, gsg_kernel **kernel, gsg_error *err)
{
    if (src->block != dst->block)
        return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "resampling between layouts %d and %d", src->block,
                             dst->block);
    if (src->shape.ndim != dst->shape.ndim || src->shape.dims[0] != dst->shape.dims[0] ||
        src->shape.dims[1] != dst->shape.dims[1]) {
        char a[GSG_SHAPE_TEXT_SIZE], b[GSG_SHAPE_TEXT_SIZE];
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "resampling of %s to %s", gsg_shape_text(src->shape, a),
                             gsg_shape_text(dst->shape, b));
    }
    resize_kernel *k = gsg_kernel_make(engine, sizeof *k, backward ? "resize backward" : "resize",
                                       backward ? run_backward : run_forward, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->src = *src;
    k->dst = *dst;
    k->block = src->block;
    k->groups = gsg_desc_padded(src) / src->block;
    k->in_count = gsg_shape_spatial(src->shape);
    k->out_count = gsg_shape_spatial(dst->shape);
    const int32_t spatial = src->shape.ndim - 2;
    for (int32_t i = 0; i < 3; i++) {
        const int32_t from = i - (3 - spatial); // 2-D has a depth of one
        axis *a = &k->axes[i];
        a->in = from < 0 ? 1 : src->shape.dims[from + 2];
        a->out = from < 0 ? 1 : dst->shape.dims[from + 2];
        a->corners = align_corners;
        if (align_corners)
            a->scale = a->out > 1 ? (double)(a->in - 1) / (double)(a->out - 1) : 0.0;
        else
            a->scale = (double)a->in / (double)a->out;
    }
    k->base.bytes = 4.0 * (double)(src->shape.dims[0] * (gsg_desc_dense(src) + gsg_desc_dense(dst)));
    *kernel = &k->base;
    return GENSEG_OK;
}

genseg_status gsg_resize_forward_new(gsg_engine *engine, int32_t align_corners, const gsg_desc *src,
                                     const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, align_corners, src, dst, 0, kernel, err);
}

genseg_status gsg_resize_backward_new(gsg_engine *engine, int32_t align_corners, const gsg_desc *src,
                                      const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, align_corners, src, dst, 1, kernel, err);
}
