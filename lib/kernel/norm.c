// Batch and instance normalisation forward: see norm.h. Means and variances are
// taken of chunks that fit the first cache, in two passes there and thus one over
// memory, and merged in double (Chan, Golub & LeVeque 1983): nothing cancels, wherever the
// mean lies.
#include <math.h>
#include <stdbool.h>

#include "kernel/norm_parts.h"
#include "kernel/walk.h"

#define LANES GSG_NORM_LANES
#define SPAN GSG_NORM_SPAN

typedef struct moments {
    double mean[LANES], square[LANES]; // square: sum of squared differences from the mean
} moments;

// Adds `count` values with the moments `b` to `total` values with the moments `a`.
GSG_INLINE void merge(moments *a, int64_t total, const moments *b, int64_t count)
{
    const double share = (double)count / (double)(total + count), weight = (double)total * share;
    for (int l = 0; l < LANES; l++) {
        const double delta = b->mean[l] - a->mean[l];
        a->mean[l] += delta * share;
        a->square[l] += b->square[l] + delta * delta * weight;
    }
}

// The moments of one chunk of `count` floats: see norm_parts.h for why the loops are over spans. A lane
// of a span has at most 128 of a chunk's floats, so single precision does.
GSG_INLINE void chunk_moments(const float *data, int64_t count, int64_t block, moments *out)
{
    const int64_t whole = count / SPAN * SPAN, positions = count / block;
    float s[SPAN] = {0}, q[SPAN] = {0}, m[SPAN];
    double sum[LANES] = {0}, square[LANES] = {0};
    for (int64_t i = 0; i < whole; i += SPAN)
        for (int l = 0; l < SPAN; l++)
            s[l] += data[i + l];
    for (int64_t i = whole; i < count; i++)
        s[i - whole] += data[i];
    for (int l = 0; l < SPAN; l++)
        sum[l & (block - 1)] += (double)s[l];
    for (int l = 0; l < SPAN; l++) {
        m[l] = (float)(sum[l & (block - 1)] / (double)positions);
        s[l] = 0.0f;
    }
    for (int64_t i = 0; i < whole; i += SPAN)
        for (int l = 0; l < SPAN; l++) {
            const float v = data[i + l] - m[l];
            s[l] += v;
            q[l] += v * v;
        }
    for (int64_t i = whole; i < count; i++) {
        const float v = data[i] - m[i - whole];
        s[i - whole] += v;
        q[i - whole] += v * v;
    }
    for (int l = 0; l < LANES; l++)
        sum[l] = 0.0;
    for (int l = 0; l < SPAN; l++) {
        sum[l & (block - 1)] += (double)s[l];
        square[l & (block - 1)] += (double)q[l];
    }
    // What the rounded mean is off by is taken out again.
    for (int l = 0; l < LANES; l++) {
        const double offset = sum[l] / (double)positions;
        out->mean[l] = (l < block ? (double)m[l] : 0.0) + offset;
        out->square[l] = square[l] - offset * sum[l];
    }
}

// The moments of `count` positions.
GSG_SIMD
static void part_moments(const float *data, int64_t count, int64_t block, moments *out)
{
    const int64_t step = GSG_NORM_CHUNK / block;
    *out = (moments){{0}, {0}};
    for (int64_t first = 0; first < count; first += step) {
        const int64_t some = count - first < step ? count - first : step;
        moments m;
        chunk_moments(data + first * block, some * block, block, &m);
        merge(out, first, &m, some);
    }
}

// Last part first: what was written last is in the cache still.
static void gather_moments(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const gsg_norm_job *job = arg;
    for (int64_t i = end - 1; i >= begin; i--) {
        const gsg_norm_part part = gsg_norm_part_at(job->k, i);
        part_moments(gsg_norm_part_data(job->k, &job->k->src, job->args[0], part), part.count, job->k->block,
                     (moments *)job->scratch + i);
    }
}

// The moments of a group: of all samples, or of those of one row.
static void merge_row(const gsg_norm_job *job, int64_t row, int64_t g, moments *all)
{
    const gsg_norm_kernel *k = job->k;
    const int64_t first = k->rows > 1 ? row : 0, last = k->rows > 1 ? row + 1 : k->batch;
    int64_t total = 0;
    *all = (moments){{0}, {0}};
    for (int64_t n = first; n < last; n++)
        for (int64_t p = 0; p < k->parts; p++) {
            const int64_t i = (n * k->groups + g) * k->parts + p, count = gsg_norm_part_at(k, i).count;
            merge(all, total, (moments *)job->scratch + i, count);
            total += count;
        }
}

// Running statistics of instance norm move to the mean over the samples, as PyTorch's do.
static void finish_groups(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const gsg_norm_job *job = arg;
    const gsg_norm_kernel *k = job->k;
    const double count = (double)(k->batch / k->rows * k->spatial), m = (double)k->norm.momentum;
    float *const *args = job->args;
    for (int64_t g = begin; g < end; g++) {
        const int64_t c = g * k->block, lanes = k->channels - c < k->block ? k->channels - c : k->block;
        double mean[LANES] = {0}, variance[LANES] = {0};
        for (int64_t row = 0; row < k->rows; row++) {
            moments all;
            merge_row(job, row, g, &all);
            for (int64_t l = 0; l < lanes; l++) {
                const double square = all.square[l] < 0.0 ? 0.0 : all.square[l]; // NaN stays
                args[3][row * k->row + c + l] = (float)all.mean[l];
                args[4][row * k->row + c + l] = (float)(1.0 / sqrt(square / count + (double)k->norm.epsilon));
                mean[l] += all.mean[l] / (double)k->rows;
                variance[l] += square / (count > 1.0 ? count - 1.0 : 1.0) / (double)k->rows;
            }
        }
        if (!job->run->update_statistics || !args[1] || !args[2])
            continue;
        for (int64_t l = 0; l < lanes; l++) {
            args[1][c + l] = (float)((1.0 - m) * (double)args[1][c + l] + m * mean[l]);
            args[2][c + l] = (float)((1.0 - m) * (double)args[2][c + l] + m * variance[l]);
        }
    }
}

static genseg_status run_statistics(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                    gsg_error *err)
{
    const gsg_norm_kernel *k = (const gsg_norm_kernel *)self;
    gsg_norm_job job = {k, run, args, scratch};
    gsg_parallel(self->context, gsg_norm_part_count(k), 1, gather_moments, &job);
    gsg_parallel(self->context, k->groups, gsg_norm_finish_grain(k), finish_groups, &job);
    gsg_norm_zero_pads(k, args[3], k->rows);
    gsg_norm_zero_pads(k, args[4], k->rows);
    return GENSEG_OK;
}

void gsg_norm_zero_pads(const gsg_norm_kernel *k, float *rows, int64_t count)
{
    for (int64_t r = 0; rows && r < count; r++)
        for (int64_t c = k->channels; c < k->row; c++)
            rows[r * k->row + c] = 0.0f;
}

static genseg_status run_running(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const gsg_norm_kernel *k = (const gsg_norm_kernel *)self;
    for (int64_t c = 0; c < k->channels; c++) {
        args[2][c] = args[0][c];
        args[3][c] = (float)(1.0 / sqrt((double)args[1][c] + (double)k->norm.epsilon));
    }
    gsg_norm_zero_pads(k, args[2], 1);
    gsg_norm_zero_pads(k, args[3], 1);
    return GENSEG_OK;
}

static genseg_status run_fold(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                              gsg_error *err)
{
    const gsg_norm_kernel *k = (const gsg_norm_kernel *)self;
    for (int64_t c = 0; c < k->channels; c++) {
        const double rstd = 1.0 / sqrt((double)args[3][c] + (double)k->norm.epsilon);
        const double scale = rstd * (args[0] ? (double)args[0][c] : 1.0);
        const double bias = args[4] ? (double)args[4][c] : 0.0;
        args[5][c] = (float)scale;
        args[6][c] = (float)((args[1] ? (double)args[1][c] : 0.0) + (bias - (double)args[2][c]) * scale);
    }
    gsg_norm_zero_pads(k, args[5], 1);
    gsg_norm_zero_pads(k, args[6], 1);
    return GENSEG_OK;
}

void gsg_norm_lanes_set(gsg_norm_lanes *lanes, const gsg_norm_kernel *k, float *const *args, int64_t n, int64_t g)
{
    const float *mean = args[1], *rstd = args[2], *gamma = args[3], *beta = args[4];
    const int64_t row = k->rows > 1 ? n * k->row : 0;
    for (int64_t l = 0; l < SPAN; l++) {
        const int64_t c = g * k->block + (l & (k->block - 1));
        bool real = c < k->channels;
        lanes->mean[l] = real ? mean[row + c] : 0.0f;
        lanes->a[l] = real ? rstd[row + c] * (gamma ? gamma[c] : 1.0f) : 0.0f;
        lanes->b[l] = real ? (beta ? beta[c] : 0.0f) - mean[row + c] * lanes->a[l] : 0.0f;
    }
}

// `count` floats; dst may be src.
GSG_SIMD
static void apply(const float *src, float *dst, int64_t count, const gsg_norm_lanes *lanes, float slope)
{
    const int64_t whole = count / SPAN * SPAN;
    for (int64_t i = 0; i < whole; i += SPAN) {
        GSG_IVDEP
        for (int l = 0; l < SPAN; l++) {
            const float y = src[i + l] * lanes->a[l] + lanes->b[l];
            dst[i + l] = y > 0.0f ? y : y * slope;
        }
    }
    for (int64_t i = whole; i < count; i++) {
        const float y = src[i] * lanes->a[i - whole] + lanes->b[i - whole];
        dst[i] = y > 0.0f ? y : y * slope;
    }
}

static void apply_parts(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const gsg_norm_job *job = arg;
    const gsg_norm_kernel *k = job->k;
    for (int64_t i = begin; i < end; i++) {
        const gsg_norm_part part = gsg_norm_part_at(k, i);
        gsg_norm_lanes lanes;
        gsg_norm_lanes_set(&lanes, k, job->args, part.n, part.g);
        apply(gsg_norm_part_data(k, &k->src, job->args[0], part), gsg_norm_part_data(k, &k->dst, job->args[5], part),
              part.count * k->block, &lanes, gsg_norm_slope(k));
    }
}

static genseg_status run_apply(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                               gsg_error *err)
{
    const gsg_norm_kernel *k = (const gsg_norm_kernel *)self;
    gsg_norm_job job = {k, run, args, scratch};
    gsg_parallel(self->context, gsg_norm_part_count(k), 1, apply_parts, &job);
    return GENSEG_OK;
}

static int64_t padded_row(int64_t channels)
{
    return (channels + GSG_VECTOR_PAD - 1) / GSG_VECTOR_PAD * GSG_VECTOR_PAD;
}

static genseg_status check(const char *name, const gsg_desc *src, const gsg_desc *other, gsg_error *err)
{
    char a[GSG_SHAPE_TEXT_SIZE], b[GSG_SHAPE_TEXT_SIZE];
    if (!other)
        return GENSEG_OK;
    if (!gsg_shape_equal(src->shape, other->shape))
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s: shapes %s and %s differ", name,
                             gsg_shape_text(src->shape, a), gsg_shape_text(other->shape, b));
    if (src->block != other->block)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: blocks %d and %d differ", name, src->block, other->block);
    return gsg_desc_check(other, name, err);
}

genseg_status gsg_norm_make(gsg_engine *engine, const gsg_norm *norm, const char *name, const gsg_desc *src,
                            const gsg_desc *diff_dst, const gsg_desc *dst,
                            genseg_status (*run)(const gsg_kernel *, const gsg_run *, float *const *, void *,
                                                 gsg_error *),
                            gsg_norm_kernel **kernel, gsg_error *err)
{
    genseg_status status;
    GSG_TRY(gsg_desc_check(src, name, err));
    GSG_TRY(check(name, src, diff_dst, err));
    GSG_TRY(check(name, src, dst, err));
    gsg_norm_kernel *k = gsg_kernel_make(engine, sizeof *k, name, run, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->norm = *norm;
    k->src = *src;
    k->diff_dst = diff_dst ? *diff_dst : *src;
    k->dst = dst ? *dst : *src;
    k->batch = gsg_desc_samples(src);
    k->channels = gsg_desc_channels(src);
    k->spatial = gsg_desc_spatial(src);
    k->block = src->block;
    k->groups = gsg_desc_padded(src) / src->block;
    k->rows = norm->per_sample ? k->batch : 1;
    k->row = padded_row(k->channels);
    k->position = GSG_NORM_PART / k->block;
    k->parts = (k->spatial + k->position - 1) / k->position;
    k->base.bytes = sizeof(float) * (double)(k->batch * gsg_desc_dense(src));
    *kernel = k;
done:
    return status;
}

genseg_status gsg_norm_statistics_new(gsg_engine *engine, const gsg_norm *norm, const gsg_desc *src,
                                      gsg_kernel **kernel, gsg_error *err)
{
    gsg_norm_kernel *k;
    genseg_status status = gsg_norm_make(engine, norm, "norm statistics", src, NULL, NULL, run_statistics, &k, err);
    if (status != GENSEG_OK)
        return status;
    k->base.scratch = (size_t)gsg_norm_part_count(k) * sizeof(moments);
    *kernel = &k->base;
    return GENSEG_OK;
}

genseg_status gsg_norm_apply_new(gsg_engine *engine, const gsg_norm *norm, const gsg_desc *src, const gsg_desc *dst,
                                 gsg_kernel **kernel, gsg_error *err)
{
    gsg_norm_kernel *k;
    genseg_status status = gsg_norm_make(engine, norm, "norm apply", src, NULL, dst, run_apply, &k, err);
    if (status != GENSEG_OK)
        return status;
    k->base.bytes *= 2.0;
    *kernel = &k->base;
    return GENSEG_OK;
}

// A kernel on vectors of channels.
static genseg_status make_vectors(gsg_engine *engine, const gsg_norm *norm, const char *name, int64_t channels,
                                  genseg_status (*run)(const gsg_kernel *, const gsg_run *, float *const *, void *,
                                                       gsg_error *),
                                  gsg_kernel **kernel, gsg_error *err)
{
    gsg_norm_kernel *k = gsg_kernel_make(engine, sizeof *k, name, run, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->norm = *norm;
    k->channels = channels;
    k->row = padded_row(channels);
    *kernel = &k->base;
    return GENSEG_OK;
}

genseg_status gsg_norm_running_new(gsg_engine *engine, const gsg_norm *norm, int64_t channels, gsg_kernel **kernel,
                                   gsg_error *err)
{
    return make_vectors(engine, norm, "norm running", channels, run_running, kernel, err);
}

genseg_status gsg_norm_fold_new(gsg_engine *engine, const gsg_norm *norm, int64_t channels, gsg_kernel **kernel,
                                gsg_error *err)
{
    return make_vectors(engine, norm, "norm fold", channels, run_fold, kernel, err);
}
