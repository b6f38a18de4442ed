// Max pooling, any window: the forward pass and, finding the maximum again (the first
// of equals, in the order D, H, W), the gradient. Padding never wins. Windows of two along
// each axis, side by side, have loops of their own.
#include <math.h>
#include <stdbool.h>

#include "core/parallel.h"
#include "kernel/window.h"

typedef struct pool_kernel {
    gsg_kernel base;
    gsg_desc src, dst, diff_src;
    int64_t block, groups;
    int64_t in[3], out[3]; // D, H, W
    int64_t kernel[3], stride[3], padding[3];
    int64_t parts[2]; // independent ranges of outputs in D and H, for the gradient
    int32_t halves;   // values of a window of two along each axis, 4 or 8; 0: of other kinds
    int32_t whole;    // they leave nothing out
    int64_t in_count, out_count;
} pool_kernel;

typedef struct job {
    const pool_kernel *k;
    float *const *args;
} job;

genseg_status gsg_pool_shape(const gsg_pool *pool, gsg_shape src, gsg_shape *dst, gsg_error *err)
{
    char text[GSG_SHAPE_TEXT_SIZE];
    if (src.ndim != pool->spatial + 2)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%d-D pooling of %s", pool->spatial, gsg_shape_text(src, text));
    gsg_shape out = src;
    for (int32_t i = 0; i < pool->spatial; i++) {
        const int64_t k = pool->kernel[i], x = src.dims[i + 2] + 2 * pool->padding[i];
        if (k < 1 || pool->stride[i] < 1 || pool->padding[i] < 0 || 2 * pool->padding[i] > k || x < k)
            return gsg_error_set(err, GENSEG_ERROR_SHAPE,
                                 "pooling: a window of %lld (stride %lld, padding %lld) does not fit %s", (long long)k,
                                 (long long)pool->stride[i], (long long)pool->padding[i], gsg_shape_text(src, text));
        out.dims[i + 2] = (x - k) / pool->stride[i] + 1;
    }
    *dst = out;
    return GENSEG_OK;
}

// Positions of the window of output (d, h, w) that lie inside the source.
typedef struct window {
    int64_t first[3], last[3];
} window;

static window find_window(const pool_kernel *k, int64_t d, int64_t h, int64_t w)
{
    const int64_t at[3] = {d, h, w};
    window v;
    for (int i = 0; i < 3; i++) {
        int64_t first = at[i] * k->stride[i] - k->padding[i], last = first + k->kernel[i];
        v.first[i] = first < 0 ? 0 : first;
        v.last[i] = last > k->in[i] ? k->in[i] : last;
    }
    return v;
}

GSG_INLINE float larger(float best, float x) // a NaN wins and stays
{
    return (x > best) | (x != x) ? x : best; // without a branch, or the loops don't become vectors
}

GSG_INLINE void maximum_block(const float *src, const int64_t *in, const window *v, float *best, int64_t block)
{
    for (int64_t l = 0; l < block; l++)
        best[l] = -INFINITY;
    for (int64_t d = v->first[0]; d < v->last[0]; d++)
        for (int64_t h = v->first[1]; h < v->last[1]; h++)
            for (int64_t w = v->first[2]; w < v->last[2]; w++) {
                const float *x = src + ((d * in[1] + h) * in[2] + w) * block;
                for (int64_t l = 0; l < block; l++)
                    best[l] = larger(best[l], x[l]);
            }
}

// Where the rows of a window of halves begin: two values side by side in each.
#define MOST_HALVES 8
GSG_INLINE void find_rows(const pool_kernel *k, const float *src, int64_t d, int64_t h, int64_t block, int64_t count,
                          const float *rows[MOST_HALVES / 2])
{
    for (int64_t r = 0; r < count / 2; r++)
        rows[r] = src + (((2 * d + r / 2) * k->in[1] + 2 * h + r % 2) * k->in[2]) * block;
}

GSG_INLINE void halve_row_block(const pool_kernel *k, const float *src, float *dst, int64_t d, int64_t h, int64_t block,
                                int64_t count)
{
    const float *rows[MOST_HALVES / 2];
    find_rows(k, src, d, h, block, count, rows);
    for (int64_t w = 0; w < k->out[2]; w++)
        for (int64_t l = 0; l < block; l++) {
            const int64_t at = 2 * w * block + l;
            float best = rows[0][at];
            for (int64_t i = 1; i < count; i++)
                best = larger(best, rows[i / 2][at + i % 2 * block]);
            dst[w * block + l] = best;
        }
}

GSG_INLINE void forward_row_block(const pool_kernel *k, const float *src, float *dst, int64_t d, int64_t h,
                                  int64_t block)
{
    for (int64_t w = 0; w < k->out[2]; w++) {
        window v = find_window(k, d, h, w);
        maximum_block(src, k->in, &v, dst + w * block, block);
    }
}

GSG_SIMD
static void forward_row(const pool_kernel *k, const float *src, float *dst, int64_t d, int64_t h)
{
    if (k->block == 16 && k->halves == 4)
        halve_row_block(k, src, dst, d, h, 16, 4);
    else if (k->block == 16 && k->halves == 8)
        halve_row_block(k, src, dst, d, h, 16, 8);
    else if (k->block == 8 && k->halves)
        halve_row_block(k, src, dst, d, h, 8, k->halves);
    else if (k->block == 16)
        forward_row_block(k, src, dst, d, h, 16);
    else if (k->block == 8)
        forward_row_block(k, src, dst, d, h, 8);
    else
        forward_row_block(k, src, dst, d, h, 1);
}

static void forward_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const job *j = arg;
    const pool_kernel *k = j->k;
    for (int64_t i = begin; i < end; i++) {
        const int64_t h = i % k->out[1], d = i / k->out[1] % k->out[0], plane = i / (k->out[1] * k->out[0]);
        const int64_t n = plane / k->groups, g = plane % k->groups;
        forward_row(k, j->args[0] + n * k->src.batch_stride + g * k->in_count * k->block,
                    j->args[1] + n * k->dst.batch_stride +
                        (g * k->out_count + (d * k->out[1] + h) * k->out[2]) * k->block,
                    d, h);
    }
}

static genseg_status run_forward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const pool_kernel *k = (const pool_kernel *)self;
    job j = {k, args};
    gsg_parallel(self->context, k->src.shape.dims[0] * k->groups * k->out[0] * k->out[1], 4, forward_rows, &j);
    return GENSEG_OK;
}

GSG_INLINE void backward_window_block(const pool_kernel *k, const float *src, const float *diff, float *out,
                                      const window *v, int64_t block)
{
    float best[16], left[16];
    maximum_block(src, k->in, v, best, block);
    for (int64_t l = 0; l < block; l++)
        left[l] = diff[l]; // given to the first that equals the maximum, then zero
    for (int64_t d = v->first[0]; d < v->last[0]; d++)
        for (int64_t h = v->first[1]; h < v->last[1]; h++)
            for (int64_t w = v->first[2]; w < v->last[2]; w++) {
                const int64_t at = ((d * k->in[1] + h) * k->in[2] + w) * block;
                for (int64_t l = 0; l < block; l++) {
                    const float gives = src[at + l] == best[l] ? left[l] : 0.0f;
                    out[at + l] += gives;
                    left[l] = src[at + l] == best[l] ? 0.0f : left[l];
                }
            }
}

// A window's values are the first that equals the maximum, or get nothing.
GSG_INLINE void give_row_block(const pool_kernel *k, const float *src, const float *diff, float *out, int64_t d,
                               int64_t h, int64_t block, int64_t count)
{
    const float *rows[MOST_HALVES / 2];
    find_rows(k, src, d, h, block, count, rows);
    for (int64_t w = 0; w < k->out[2]; w++) {
        GSG_IVDEP
        for (int64_t l = 0; l < block; l++) {
            const int64_t at = 2 * w * block + l;
            float best = rows[0][at], left = diff[w * block + l];
            for (int64_t i = 1; i < count; i++)
                best = larger(best, rows[i / 2][at + i % 2 * block]);
            for (int64_t i = 0; i < count; i++) {
                const bool gives = rows[i / 2][at + i % 2 * block] == best;
                out[rows[i / 2] - src + at + i % 2 * block] = gives ? left : 0.0f;
                left = gives ? 0.0f : left;
            }
        }
    }
}

// Source positions first <= i < last of an axis that the windows of outputs begin <= o < end have for
// themselves, gaps between windows included: those of all parts make up the whole axis.
static void own_range(const pool_kernel *k, int axis, int64_t begin, int64_t end, int64_t *first, int64_t *last)
{
    *first = begin == 0 ? 0 : begin * k->stride[axis] - k->padding[axis];
    *last = end == k->out[axis] ? k->in[axis] : end * k->stride[axis] - k->padding[axis];
}

// Outputs begin <= (d, h) < end of one plane.
GSG_INLINE void backward_part_block(const pool_kernel *k, const float *src, const float *diff, float *out,
                                    const int64_t begin[2], const int64_t end[2], int64_t block, int64_t halves)
{
    int64_t first[2], last[2];
    for (int i = 0; i < 2; i++)
        own_range(k, i, begin[i], end[i], &first[i], &last[i]);
    for (int64_t d = first[0]; d < last[0] && !k->whole; d++) {
        float *rows = out + (d * k->in[1] + first[1]) * k->in[2] * block;
        for (int64_t i = 0; i < (last[1] - first[1]) * k->in[2] * block; i++)
            rows[i] = 0.0f;
    }
    for (int64_t d = begin[0]; d < end[0]; d++)
        for (int64_t h = begin[1]; h < end[1]; h++) {
            const float *from = diff + (d * k->out[1] + h) * k->out[2] * block;
            if (halves) {
                give_row_block(k, src, from, out, d, h, block, halves);
                continue;
            }
            for (int64_t w = 0; w < k->out[2]; w++) {
                window v = find_window(k, d, h, w);
                backward_window_block(k, src, from + w * block, out, &v, block);
            }
        }
}

GSG_SIMD
static void backward_part(const pool_kernel *k, const float *src, const float *diff, float *out, const int64_t begin[2],
                          const int64_t end[2])
{
    if (k->block == 16 && k->halves == 4)
        backward_part_block(k, src, diff, out, begin, end, 16, 4);
    else if (k->block == 16 && k->halves == 8)
        backward_part_block(k, src, diff, out, begin, end, 16, 8);
    else if (k->block == 16)
        backward_part_block(k, src, diff, out, begin, end, 16, 0);
    else if (k->block == 8)
        backward_part_block(k, src, diff, out, begin, end, 8, k->halves);
    else
        backward_part_block(k, src, diff, out, begin, end, 1, k->halves);
}

static void backward_parts(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const job *j = arg;
    const pool_kernel *k = j->k;
    const int64_t step[2] = {k->out[0] / k->parts[0], k->out[1] / k->parts[1]};
    for (int64_t i = begin; i < end; i++) {
        const int64_t plane = i / (k->parts[0] * k->parts[1]), n = plane / k->groups, g = plane % k->groups;
        const int64_t from[2] = {i / k->parts[1] % k->parts[0] * step[0], i % k->parts[1] * step[1]};
        const int64_t to[2] = {from[0] + step[0], from[1] + step[1]};
        backward_part(k, j->args[0] + n * k->src.batch_stride + g * k->in_count * k->block,
                      j->args[1] + n * k->dst.batch_stride + g * k->out_count * k->block,
                      j->args[2] + n * k->diff_src.batch_stride + g * k->in_count * k->block, from, to);
    }
}

static genseg_status run_backward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const pool_kernel *k = (const pool_kernel *)self;
    job j = {k, args};
    gsg_parallel(self->context, k->src.shape.dims[0] * k->groups * k->parts[0] * k->parts[1], k->parts[1] > 1 ? 4 : 1,
                 backward_parts, &j);
    return GENSEG_OK;
}

static genseg_status make(gsg_engine *engine, const gsg_pool *pool, const gsg_desc *src, const gsg_desc *dst,
                          const gsg_desc *diff_src, gsg_kernel **kernel, gsg_error *err)
{
    if (src->block != dst->block || (diff_src && diff_src->block != src->block))
        return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "pooling between layouts %d and %d", src->block, dst->block);
    gsg_shape shape;
    genseg_status status = gsg_pool_shape(pool, src->shape, &shape, err);
    if (status != GENSEG_OK)
        return status;
    if (!gsg_shape_equal(shape, dst->shape) || (diff_src && !gsg_shape_equal(src->shape, diff_src->shape))) {
        char a[GSG_SHAPE_TEXT_SIZE], b[GSG_SHAPE_TEXT_SIZE];
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "pooling of %s does not give %s", gsg_shape_text(src->shape, a),
                             gsg_shape_text(dst->shape, b));
    }
    pool_kernel *k = gsg_kernel_make(engine, sizeof *k, diff_src ? "max pool backward" : "max pool",
                                     diff_src ? run_backward : run_forward, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->src = *src;
    k->dst = *dst;
    k->diff_src = diff_src ? *diff_src : *src;
    k->block = src->block;
    k->groups = gsg_desc_padded(src) / src->block;
    for (int32_t i = 0; i < 3; i++) {
        const int32_t from = i - (3 - pool->spatial); // 2-D has a depth of one
        k->in[i] = from < 0 ? 1 : src->shape.dims[from + 2];
        k->out[i] = from < 0 ? 1 : dst->shape.dims[from + 2];
        k->kernel[i] = from < 0 ? 1 : pool->kernel[from];
        k->stride[i] = from < 0 ? 1 : pool->stride[from];
        k->padding[i] = from < 0 ? 0 : pool->padding[from];
    }
    // Where windows don't overlap in D or H, each output there has its own source positions. In W they
    // may overlap: a row of outputs is one thread's.
    for (int32_t i = 0; i < 2; i++)
        k->parts[i] = k->stride[i] >= k->kernel[i] ? k->out[i] : 1;
    k->halves = pool->spatial == 2 ? 4 : 8;
    for (int32_t i = 0; i < pool->spatial; i++)
        if (pool->kernel[i] != 2 || pool->stride[i] != 2 || pool->padding[i] != 0)
            k->halves = 0;
    k->whole = k->halves != 0;
    for (int32_t i = 3 - pool->spatial; i < 3; i++)
        k->whole = k->whole && k->in[i] == 2 * k->out[i];
    k->in_count = gsg_shape_spatial(src->shape);
    k->out_count = gsg_shape_spatial(dst->shape);
    k->base.bytes =
        4.0 * (double)(src->shape.dims[0] * ((diff_src ? 2 : 1) * gsg_desc_dense(src) + gsg_desc_dense(dst)));
    *kernel = &k->base;
    return GENSEG_OK;
}

genseg_status gsg_max_pool_forward_new(gsg_engine *engine, const gsg_pool *pool, const gsg_desc *src,
                                       const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, pool, src, dst, NULL, kernel, err);
}

genseg_status gsg_max_pool_backward_new(gsg_engine *engine, const gsg_pool *pool, const gsg_desc *src,
                                        const gsg_desc *dst, const gsg_desc *diff_src, gsg_kernel **kernel,
                                        gsg_error *err)
{
    return make(engine, pool, src, dst, diff_src, kernel, err);
}
