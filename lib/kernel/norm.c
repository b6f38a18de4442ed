// Batch and instance normalisation: see norm.h. One turn of a parallel loop is a
// group of channels (of a sample, for instance norm), so sums have a fixed order
// and no two threads write the same vector.
#include "kernel/norm.h"

#include <math.h>
#include <stdbool.h>

#include "core/parallel.h"

#define CHUNK 512 // positions summed in float before they are added in double
#define LANES 16

typedef struct norm_kernel {
    gsg_kernel base;
    gsg_norm norm;
    gsg_desc src, diff_dst, dst; // dst: also diff_src
    int64_t batch, groups, block, spatial, channels;
    int64_t row; // floats of a row of statistics
    int32_t fixed;
} norm_kernel;

typedef struct turn {
    const norm_kernel *k;
    float *const *args;
    const gsg_run *run;
} turn;

static int64_t padded_row(int64_t channels)
{
    return (channels + GSG_VECTOR_PAD - 1) / GSG_VECTOR_PAD * GSG_VECTOR_PAD;
}

static const float *position(const gsg_desc *desc, const float *data, const norm_kernel *k, int64_t n, int64_t g)
{
    return data + n * desc->batch_stride + g * k->spatial * k->block;
}

// Samples whose statistics belong together: all, or the one of this turn.
static void samples(const norm_kernel *k, int64_t index, int64_t *first, int64_t *last, int64_t *group)
{
    *group = index % k->groups;
    *first = k->norm.per_sample ? index / k->groups : 0;
    *last = k->norm.per_sample ? *first + 1 : k->batch;
}

static int64_t turns(const norm_kernel *k)
{
    return k->groups * (k->norm.per_sample ? k->batch : 1);
}

GSG_INLINE void moments_block(const float *data, int64_t count, const float *shift, float *sum, float *square,
                              int64_t block)
{
    for (int64_t s = 0; s < count; s++)
        for (int64_t l = 0; l < block; l++) {
            const float v = data[s * block + l] - shift[l];
            sum[l] += v;
            square[l] += v * v;
        }
}

// Sums and sums of squares, relative to `shift`.
GSG_SIMD
static void moments(const float *data, int64_t count, const float *shift, float *sum, float *square, int64_t block)
{
    if (block == 16)
        moments_block(data, count, shift, sum, square, 16);
    else if (block == 8)
        moments_block(data, count, shift, sum, square, 8);
    else
        moments_block(data, count, shift, sum, square, 1);
}

static void move_running(const norm_kernel *k, float *const *args, int64_t c, double mean, double variance)
{
    const double count = (double)(k->batch * k->spatial), m = (double)k->norm.momentum;
    const double unbiased = count > 1 ? variance * count / (count - 1) : variance;
    args[1][c] = (float)((1 - m) * (double)args[1][c] + m * mean);
    args[2][c] = (float)((1 - m) * (double)args[2][c] + m * unbiased);
}

static void statistics_turns(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const norm_kernel *k = t->k;
    const int64_t b = k->block;
    for (int64_t i = begin; i < end; i++) {
        int64_t first, last, g;
        samples(k, i, &first, &last, &g);
        // The first value of each channel is near its mean: squares of differences from it don't cancel.
        float shift[LANES];
        double sum[LANES] = {0}, square[LANES] = {0};
        for (int64_t l = 0; l < b; l++)
            shift[l] = position(&k->src, t->args[0], k, first, g)[l];
        for (int64_t n = first; n < last; n++)
            for (int64_t s = 0; s < k->spatial; s += CHUNK) {
                float a[LANES] = {0}, q[LANES] = {0};
                moments(position(&k->src, t->args[0], k, n, g) + s * b,
                        k->spatial - s < CHUNK ? k->spatial - s : CHUNK, shift, a, q, b);
                for (int64_t l = 0; l < b; l++) {
                    sum[l] += (double)a[l];
                    square[l] += (double)q[l];
                }
            }
        const double count = (double)((last - first) * k->spatial);
        for (int64_t l = 0; l < b && g * b + l < k->channels; l++) {
            const int64_t c = g * b + l, at = (k->norm.per_sample ? first : 0) * k->row + c;
            const double offset = sum[l] / count, mean = (double)shift[l] + offset;
            const double raw = square[l] / count - offset * offset, variance = raw > 0 || isnan(raw) ? raw : 0;
            t->args[3][at] = (float)mean;
            t->args[4][at] = (float)(1.0 / sqrt(variance + (double)k->norm.epsilon));
            if (t->run->update_statistics && t->args[1] && t->args[2] && !k->norm.per_sample)
                move_running(k, t->args, c, mean, variance);
        }
    }
}

static void zero_pads(float *rows, int64_t count, int64_t channels)
{
    const int64_t row = padded_row(channels);
    for (int64_t r = 0; rows && r < count; r++)
        for (int64_t c = channels; c < row; c++)
            rows[r * row + c] = 0.0f;
}

static genseg_status run_statistics(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                    gsg_error *err)
{
    const norm_kernel *k = (const norm_kernel *)self;
    turn t = {k, args, run};
    const int64_t rows = k->norm.per_sample ? k->batch : 1;
    gsg_parallel(self->context, turns(k), 1, statistics_turns, &t);
    zero_pads(args[3], rows, k->channels);
    zero_pads(args[4], rows, k->channels);
    return GENSEG_OK;
}

static genseg_status run_running(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const norm_kernel *k = (const norm_kernel *)self;
    for (int64_t c = 0; c < k->row; c++) {
        bool real = c < k->channels;
        args[2][c] = real ? args[0][c] : 0.0f;
        args[3][c] = real ? (float)(1.0 / sqrt((double)args[1][c] + (double)k->norm.epsilon)) : 0.0f;
    }
    return GENSEG_OK;
}

static genseg_status run_fold(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                              gsg_error *err)
{
    const norm_kernel *k = (const norm_kernel *)self;
    for (int64_t c = 0; c < k->row; c++) {
        if (c >= k->channels) {
            args[5][c] = args[6][c] = 0.0f;
            continue;
        }
        const double rstd = 1.0 / sqrt((double)args[3][c] + (double)k->norm.epsilon);
        const double scale = rstd * (args[0] ? (double)args[0][c] : 1.0);
        const double bias = args[4] ? (double)args[4][c] : 0.0;
        args[5][c] = (float)scale;
        args[6][c] = (float)((args[1] ? (double)args[1][c] : 0.0) + (bias - (double)args[2][c]) * scale);
    }
    return GENSEG_OK;
}

// y = a * x + b of the channels of one group; zero in the pads.
static void coefficients(const norm_kernel *k, const float *mean, const float *rstd, const float *gamma,
                         const float *beta, int64_t n, int64_t g, float *a, float *b)
{
    const int64_t at = (k->norm.per_sample ? n : 0) * k->row;
    for (int64_t l = 0; l < k->block; l++) {
        const int64_t c = g * k->block + l;
        bool real = c < k->channels;
        a[l] = real ? rstd[at + c] * (gamma ? gamma[c] : 1.0f) : 0.0f;
        b[l] = real ? (beta ? beta[c] : 0.0f) - mean[at + c] * a[l] : 0.0f;
    }
}

GSG_INLINE void apply_block(const float *src, float *dst, int64_t count, const float *a, const float *b, float slope,
                            int64_t block)
{
    for (int64_t s = 0; s < count; s++)
        for (int64_t l = 0; l < block; l++) {
            const float v = src[s * block + l] * a[l] + b[l];
            dst[s * block + l] = v > 0.0f ? v : v * slope;
        }
}

GSG_SIMD
static void apply(const float *src, float *dst, int64_t count, const float *a, const float *b, float slope,
                  int64_t block)
{
    if (block == 16)
        apply_block(src, dst, count, a, b, slope, 16);
    else if (block == 8)
        apply_block(src, dst, count, a, b, slope, 8);
    else
        apply_block(src, dst, count, a, b, slope, 1);
}

static void apply_turns(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const norm_kernel *k = t->k;
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = i / k->groups, g = i % k->groups;
        float a[LANES], b[LANES];
        coefficients(k, t->args[1], t->args[2], t->args[3], t->args[4], n, g, a, b);
        apply(position(&k->src, t->args[0], k, n, g), (float *)position(&k->dst, t->args[5], k, n, g), k->spatial, a, b,
              k->norm.activation ? k->norm.slope : 1.0f, k->block);
    }
}

static genseg_status run_apply(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                               gsg_error *err)
{
    const norm_kernel *k = (const norm_kernel *)self;
    turn t = {k, args, run};
    gsg_parallel(self->context, k->batch * k->groups, 1, apply_turns, &t);
    return GENSEG_OK;
}

// Sums of dy and dy * (x - mean), dy being zero (or times slope) where the activation was off.
GSG_INLINE void reduce_block(const float *src, const float *diff, int64_t count, const float *a, const float *b,
                             const float *mean, float slope, float *sum, float *product, int64_t block)
{
    for (int64_t s = 0; s < count; s++)
        for (int64_t l = 0; l < block; l++) {
            const float x = src[s * block + l], d = diff[s * block + l];
            const float dy = x * a[l] + b[l] > 0.0f ? d : d * slope;
            sum[l] += dy;
            product[l] += dy * (x - mean[l]);
        }
}

GSG_SIMD
static void reduce(const float *src, const float *diff, int64_t count, const float *a, const float *b,
                   const float *mean, float slope, float *sum, float *product, int64_t block)
{
    if (block == 16)
        reduce_block(src, diff, count, a, b, mean, slope, sum, product, 16);
    else if (block == 8)
        reduce_block(src, diff, count, a, b, mean, slope, sum, product, 8);
    else
        reduce_block(src, diff, count, a, b, mean, slope, sum, product, 1);
}

// dx = a * dy + p * x + q
GSG_INLINE void spread_block(const float *src, const float *diff, float *dst, int64_t count, const float *a,
                             const float *b, const float *p, const float *q, float slope, int64_t block)
{
    for (int64_t s = 0; s < count; s++)
        for (int64_t l = 0; l < block; l++) {
            const float x = src[s * block + l], d = diff[s * block + l];
            const float dy = x * a[l] + b[l] > 0.0f ? d : d * slope;
            dst[s * block + l] = a[l] * dy + p[l] * x + q[l];
        }
}

GSG_SIMD
static void spread(const float *src, const float *diff, float *dst, int64_t count, const float *a, const float *b,
                   const float *p, const float *q, float slope, int64_t block)
{
    if (block == 16)
        spread_block(src, diff, dst, count, a, b, p, q, slope, 16);
    else if (block == 8)
        spread_block(src, diff, dst, count, a, b, p, q, slope, 8);
    else
        spread_block(src, diff, dst, count, a, b, p, q, slope, 1);
}

static void reduce_samples(const turn *t, int64_t first, int64_t last, int64_t g, const float *a, const float *b,
                           const float *mean, double *sum, double *product)
{
    const norm_kernel *k = t->k;
    const float slope = k->norm.activation ? k->norm.slope : 1.0f;
    for (int64_t n = first; n < last; n++)
        for (int64_t s = 0; s < k->spatial; s += CHUNK) {
            float one[LANES] = {0}, two[LANES] = {0};
            reduce(position(&k->src, t->args[0], k, n, g) + s * k->block,
                   position(&k->diff_dst, t->args[5], k, n, g) + s * k->block,
                   k->spatial - s < CHUNK ? k->spatial - s : CHUNK, a, b, mean, slope, one, two, k->block);
            for (int64_t l = 0; l < k->block; l++) {
                sum[l] += (double)one[l];
                product[l] += (double)two[l];
            }
        }
}

// All samples of a group in one turn, so that the vectors' gradients are summed in order.
static void backward_turns(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const norm_kernel *k = t->k;
    const float slope = k->norm.activation ? k->norm.slope : 1.0f;
    const int64_t step = k->norm.per_sample ? 1 : k->batch;
    for (int64_t g = begin; g < end; g++) {
        double gamma[LANES] = {0}, beta[LANES] = {0};
        for (int64_t first = 0; first < k->batch; first += step) {
            float a[LANES], b[LANES], p[LANES] = {0}, q[LANES] = {0}, mean[LANES] = {0};
            double sum[LANES] = {0}, product[LANES] = {0};
            const int64_t at = (k->norm.per_sample ? first : 0) * k->row + g * k->block;
            coefficients(k, t->args[1], t->args[2], t->args[3], t->args[4], first, g, a, b);
            for (int64_t l = 0; l < k->block && g * k->block + l < k->channels; l++)
                mean[l] = t->args[1][at + l];
            reduce_samples(t, first, first + step, g, a, b, mean, sum, product);
            for (int64_t l = 0; l < k->block && g * k->block + l < k->channels; l++) {
                const double rstd = (double)t->args[2][at + l], count = (double)(step * k->spatial);
                gamma[l] += product[l] * rstd;
                beta[l] += sum[l];
                if (k->fixed)
                    continue;
                const double slant = -(double)a[l] * rstd * rstd * product[l] / count;
                p[l] = (float)slant;
                q[l] = (float)(-(double)a[l] * sum[l] / count - slant * (double)mean[l]);
            }
            for (int64_t n = first; n < first + step; n++)
                spread(position(&k->src, t->args[0], k, n, g), position(&k->diff_dst, t->args[5], k, n, g),
                       (float *)position(&k->dst, t->args[6], k, n, g), k->spatial, a, b, p, q, slope, k->block);
        }
        for (int64_t l = 0; l < k->block && g * k->block + l < k->channels; l++) {
            if (t->args[7])
                t->args[7][g * k->block + l] = (float)gamma[l];
            if (t->args[8])
                t->args[8][g * k->block + l] = (float)beta[l];
        }
    }
}

static genseg_status run_backward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const norm_kernel *k = (const norm_kernel *)self;
    turn t = {k, args, run};
    gsg_parallel(self->context, k->groups, 1, backward_turns, &t);
    zero_pads(args[7], 1, k->channels);
    zero_pads(args[8], 1, k->channels);
    return GENSEG_OK;
}

typedef genseg_status (*run_fn)(const gsg_kernel *, const gsg_run *, float *const *, void *, gsg_error *);

static norm_kernel *make(gsg_engine *engine, const gsg_norm *norm, const gsg_desc *src, const char *name, run_fn run,
                         double passes, gsg_error *err)
{
    norm_kernel *k = gsg_kernel_make(engine, sizeof *k, name, run, err);
    if (!k)
        return NULL;
    k->norm = *norm;
    if (!src)
        return k;
    k->src = *src;
    k->batch = src->shape.dims[0];
    k->channels = src->shape.dims[1];
    k->block = src->block;
    k->groups = gsg_desc_padded(src) / src->block;
    k->spatial = gsg_shape_spatial(src->shape);
    k->row = padded_row(k->channels);
    k->base.bytes = passes * sizeof(float) * (double)(k->batch * gsg_desc_dense(src));
    return k;
}

static genseg_status check_blocks(const gsg_desc *a, const gsg_desc *b, gsg_error *err)
{
    if (a->block == b->block && gsg_shape_equal(a->shape, b->shape))
        return GENSEG_OK;
    return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "normalisation between layouts %d and %d", a->block, b->block);
}

genseg_status gsg_norm_statistics_new(gsg_engine *engine, const gsg_norm *norm, const gsg_desc *src,
                                      gsg_kernel **kernel, gsg_error *err)
{
    norm_kernel *k = make(engine, norm, src, "norm statistics", run_statistics, 1, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    *kernel = &k->base;
    return GENSEG_OK;
}

genseg_status gsg_norm_running_new(gsg_engine *engine, const gsg_norm *norm, int64_t channels, gsg_kernel **kernel,
                                   gsg_error *err)
{
    norm_kernel *k = make(engine, norm, NULL, "norm running", run_running, 0, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->channels = channels;
    k->row = padded_row(channels);
    *kernel = &k->base;
    return GENSEG_OK;
}

genseg_status gsg_norm_fold_new(gsg_engine *engine, const gsg_norm *norm, int64_t channels, gsg_kernel **kernel,
                                gsg_error *err)
{
    norm_kernel *k = make(engine, norm, NULL, "norm fold", run_fold, 0, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->channels = channels;
    k->row = padded_row(channels);
    *kernel = &k->base;
    return GENSEG_OK;
}

genseg_status gsg_norm_apply_new(gsg_engine *engine, const gsg_norm *norm, const gsg_desc *src, const gsg_desc *dst,
                                 gsg_kernel **kernel, gsg_error *err)
{
    genseg_status status = check_blocks(src, dst, err);
    if (status != GENSEG_OK)
        return status;
    norm_kernel *k = make(engine, norm, src, "norm apply", run_apply, 2, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->dst = *dst;
    *kernel = &k->base;
    return GENSEG_OK;
}

genseg_status gsg_norm_backward_new(gsg_engine *engine, const gsg_norm *norm, const gsg_desc *src,
                                    const gsg_desc *diff_dst, const gsg_desc *diff_src, int32_t fixed,
                                    gsg_kernel **kernel, gsg_error *err)
{
    genseg_status status = check_blocks(src, diff_dst, err);
    if (status == GENSEG_OK)
        status = check_blocks(src, diff_src, err);
    if (status != GENSEG_OK)
        return status;
    norm_kernel *k = make(engine, norm, src, "norm backward", run_backward, 5, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->diff_dst = *diff_dst;
    k->dst = *diff_src;
    k->fixed = fixed;
    *kernel = &k->base;
    return GENSEG_OK;
}
