// Batch and instance normalisation backward: one pass for the sums of dy and
// dy * (x - mean), which are the gradients of beta and gamma, and one for
//   dx = a * (dy - mean of dy - (x - mean) * rstd^2 * mean of dy * (x - mean)),
// where a = gamma * rstd and dy is what the activation, recomputed from x, lets through.
#include "kernel/norm_parts.h"

#define LANES GSG_NORM_LANES
#define SPAN GSG_NORM_SPAN

typedef struct sums {
    double dy[LANES], product[LANES];
} sums;

// Of a group in a row of statistics, by lanes of a span: dx = a * dy + p * (x - mean) + q.
typedef struct spread_lanes {
    float p[SPAN], q[SPAN];
} spread_lanes;

// Scratch: the sums of all parts, then spread_lanes of (row, group).
static spread_lanes *spread_of(const gsg_norm_job *job, int64_t row, int64_t g)
{
    return (spread_lanes *)((sums *)job->scratch + gsg_norm_part_count(job->k)) + row * job->k->groups + g;
}

// Adds the sums of one chunk of `count` floats.
GSG_INLINE void chunk_sums(const float *src, const float *diff, int64_t count, const gsg_norm_lanes *lanes, float slope,
                           int64_t block, sums *out)
{
    const int64_t whole = count / SPAN * SPAN;
    float s[SPAN] = {0}, q[SPAN] = {0};
    for (int64_t i = 0; i < whole; i += SPAN)
        for (int l = 0; l < SPAN; l++) {
            const float x = src[i + l], d = diff[i + l];
            const float dy = x * lanes->a[l] + lanes->b[l] > 0.0f ? d : d * slope;
            s[l] += dy;
            q[l] += dy * (x - lanes->mean[l]);
        }
    for (int64_t i = whole; i < count; i++) {
        const int64_t l = i - whole;
        const float dy = src[i] * lanes->a[l] + lanes->b[l] > 0.0f ? diff[i] : diff[i] * slope;
        s[l] += dy;
        q[l] += dy * (src[i] - lanes->mean[l]);
    }
    for (int l = 0; l < SPAN; l++) {
        out->dy[l & (block - 1)] += (double)s[l];
        out->product[l & (block - 1)] += (double)q[l];
    }
}

// The sums of `count` floats.
GSG_SIMD
static void part_sums(const float *src, const float *diff, int64_t count, const gsg_norm_lanes *lanes, float slope,
                      int64_t block, sums *out)
{
    *out = (sums){{0}, {0}};
    for (int64_t i = 0; i < count; i += GSG_NORM_CHUNK)
        chunk_sums(src + i, diff + i, count - i < GSG_NORM_CHUNK ? count - i : GSG_NORM_CHUNK, lanes, slope, block,
                   out);
}

// Last part first: what was written last is in the cache still.
static void gather_sums(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const gsg_norm_job *job = arg;
    const gsg_norm_kernel *k = job->k;
    for (int64_t i = end - 1; i >= begin; i--) {
        const gsg_norm_part part = gsg_norm_part_at(k, i);
        gsg_norm_lanes lanes;
        gsg_norm_lanes_set(&lanes, k, job->args, part.n, part.g);
        part_sums(gsg_norm_part_data(k, &k->src, job->args[0], part),
                  gsg_norm_part_data(k, &k->diff_dst, job->args[5], part), part.count * k->block, &lanes,
                  gsg_norm_slope(k), k->block, (sums *)job->scratch + i);
    }
}

// Sums of a group in one row of statistics, in the order of the parts.
static void add_row(const gsg_norm_job *job, int64_t row, int64_t g, sums *all)
{
    const gsg_norm_kernel *k = job->k;
    const int64_t first = k->rows > 1 ? row : 0, last = k->rows > 1 ? row + 1 : k->batch;
    *all = (sums){{0}, {0}};
    for (int64_t n = first; n < last; n++)
        for (int64_t p = 0; p < k->parts; p++) {
            const sums *part = (const sums *)job->scratch + (n * k->groups + g) * k->parts + p;
            for (int l = 0; l < LANES; l++) {
                all->dy[l] += part->dy[l];
                all->product[l] += part->product[l];
            }
        }
}

static void finish_groups(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const gsg_norm_job *job = arg;
    const gsg_norm_kernel *k = job->k;
    const double count = (double)(k->batch / k->rows * k->spatial);
    const float *rstd = job->args[2], *scale = job->args[3];
    float *dgamma = job->args[7], *dbeta = job->args[8];
    for (int64_t g = begin; g < end; g++) {
        const int64_t c = g * k->block, real = k->channels - c < k->block ? k->channels - c : k->block;
        double gamma[LANES] = {0}, beta[LANES] = {0};
        for (int64_t row = 0; row < k->rows; row++) {
            sums all;
            spread_lanes *spread = spread_of(job, row, g);
            *spread = (spread_lanes){{0}, {0}};
            add_row(job, row, g, &all);
            for (int64_t l = 0; l < real; l++) {
                const double r = (double)rstd[row * k->row + c + l];
                gamma[l] += all.product[l] * r;
                beta[l] += all.dy[l];
                if (k->fixed)
                    continue;
                const double a = r * (scale ? (double)scale[c + l] : 1.0);
                for (int64_t at = l; at < SPAN; at += k->block) {
                    spread->p[at] = (float)(-a * r * r * all.product[l] / count);
                    spread->q[at] = (float)(-a * all.dy[l] / count);
                }
            }
        }
        for (int64_t l = 0; dgamma && l < real; l++)
            dgamma[c + l] = (float)gamma[l];
        for (int64_t l = 0; dbeta && l < real; l++)
            dbeta[c + l] = (float)beta[l];
    }
}

// `count` floats; dst may be diff.
GSG_SIMD
static void spread_part(const float *src, const float *diff, float *dst, int64_t count, const gsg_norm_lanes *lanes,
                        const spread_lanes *spread, float slope)
{
    const int64_t whole = count / SPAN * SPAN;
    for (int64_t i = 0; i < whole; i += SPAN) {
        GSG_IVDEP
        for (int l = 0; l < SPAN; l++) {
            const float x = src[i + l], d = diff[i + l];
            const float dy = x * lanes->a[l] + lanes->b[l] > 0.0f ? d : d * slope;
            dst[i + l] = lanes->a[l] * dy + (spread->p[l] * (x - lanes->mean[l]) + spread->q[l]);
        }
    }
    for (int64_t i = whole; i < count; i++) {
        const int64_t l = i - whole;
        const float dy = src[i] * lanes->a[l] + lanes->b[l] > 0.0f ? diff[i] : diff[i] * slope;
        dst[i] = lanes->a[l] * dy + (spread->p[l] * (src[i] - lanes->mean[l]) + spread->q[l]);
    }
}

static void spread_parts(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const gsg_norm_job *job = arg;
    const gsg_norm_kernel *k = job->k;
    for (int64_t i = begin; i < end; i++) {
        const gsg_norm_part part = gsg_norm_part_at(k, i);
        gsg_norm_lanes lanes;
        gsg_norm_lanes_set(&lanes, k, job->args, part.n, part.g);
        spread_part(gsg_norm_part_data(k, &k->src, job->args[0], part),
                    gsg_norm_part_data(k, &k->diff_dst, job->args[5], part),
                    gsg_norm_part_data(k, &k->dst, job->args[6], part), part.count * k->block, &lanes,
                    spread_of(job, k->rows > 1 ? part.n : 0, part.g), gsg_norm_slope(k));
    }
}

static genseg_status run_backward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const gsg_norm_kernel *k = (const gsg_norm_kernel *)self;
    gsg_norm_job job = {k, run, args, scratch};
    gsg_parallel(self->context, gsg_norm_part_count(k), 1, gather_sums, &job);
    gsg_parallel(self->context, k->groups, gsg_norm_finish_grain(k), finish_groups, &job);
    gsg_parallel(self->context, gsg_norm_part_count(k), 1, spread_parts, &job);
    gsg_norm_zero_pads(k, args[7], 1);
    gsg_norm_zero_pads(k, args[8], 1);
    return GENSEG_OK;
}

genseg_status gsg_norm_backward_new(gsg_engine *engine, const gsg_norm *norm, const gsg_desc *src,
                                    const gsg_desc *diff_dst, const gsg_desc *diff_src, int32_t fixed,
                                    gsg_kernel **kernel, gsg_error *err)
{
    gsg_norm_kernel *k;
    genseg_status status = gsg_norm_make(engine, norm, "norm backward", src, diff_dst, diff_src, run_backward, &k, err);
    if (status != GENSEG_OK)
        return status;
    k->fixed = fixed;
    k->base.bytes *= 5.0;
    k->base.scratch =
        (size_t)gsg_norm_part_count(k) * sizeof(sums) + (size_t)(k->rows * k->groups) * sizeof(spread_lanes);
    *kernel = &k->base;
    return GENSEG_OK;
}
