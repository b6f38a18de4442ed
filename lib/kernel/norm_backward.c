// Batch and instance normalisation backward: one pass for the sums of dy and
// dy * (x - mean), which are the gradients of beta and gamma, and one for
//   dx = a * (dy - mean of dy - (x - mean) * rstd^2 * mean of dy * (x - mean)),
// where a = gamma * rstd and dy is what the activation, recomputed from x, lets through.
#include "kernel/norm_parts.h"

#define LANES GSG_NORM_LANES

typedef struct sums {
    double dy[LANES], product[LANES];
} sums;

// Of a group in a row of statistics: dx = a * dy + p * (x - mean) + q.
typedef struct spread_lanes {
    float p[LANES], q[LANES];
} spread_lanes;

// Scratch: the sums of all parts, then spread_lanes of (row, group).
static spread_lanes *spread_of(const gsg_norm_job *job, int64_t row, int64_t g)
{
    return (spread_lanes *)((sums *)job->scratch + gsg_norm_part_count(job->k)) + row * job->k->groups + g;
}

GSG_INLINE void sum_vectors(const float *src, const float *diff, int64_t count, const gsg_norm_lanes *lanes,
                            float slope, float *dy, float *product, int width)
{
    float a[LANES], b[LANES], mean[LANES], s[LANES], q[LANES];
    for (int l = 0; l < width; l++) {
        a[l] = lanes->a[l];
        b[l] = lanes->b[l];
        mean[l] = lanes->mean[l];
        s[l] = q[l] = 0.0f;
    }
    for (int64_t i = 0; i < count; i++)
        for (int l = 0; l < width; l++) {
            const float x = src[i * width + l], d = diff[i * width + l];
            const float passed = x * a[l] + b[l] > 0.0f ? d : d * slope;
            s[l] += passed;
            q[l] += passed * (x - mean[l]);
        }
    for (int l = 0; l < width; l++) {
        dy[l] += s[l];
        product[l] += q[l];
    }
}

GSG_SIMD
static void part_sums(const float *src, const float *diff, int64_t count, const gsg_norm_lanes *lanes, float slope,
                      int64_t block, sums *out)
{
    const int64_t step = GSG_NORM_CHUNK / block;
    *out = (sums){{0}, {0}};
    for (int64_t first = 0; first < count; first += step) {
        const int64_t some = count - first < step ? count - first : step;
        const float *x = src + first * block, *d = diff + first * block;
        float dy[LANES] = {0}, product[LANES] = {0};
        if (block == 16) {
            sum_vectors(x, d, some, lanes, slope, dy, product, 16);
        } else if (block == 8) {
            sum_vectors(x, d, some, lanes, slope, dy, product, 8);
        } else {
            const int64_t whole = some / LANES * LANES;
            sum_vectors(x, d, some / LANES, lanes, slope, dy, product, LANES);
            sum_vectors(x + whole, d + whole, some - whole, lanes, slope, dy, product, 1);
        }
        for (int l = 0; l < LANES; l++) {
            out->dy[block == 1 ? 0 : l] += (double)dy[l];
            out->product[block == 1 ? 0 : l] += (double)product[l];
        }
    }
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
                  gsg_norm_part_data(k, &k->diff_dst, job->args[5], part), part.count, &lanes, gsg_norm_slope(k),
                  k->block, (sums *)job->scratch + i);
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
                spread->p[l] = (float)(-a * r * r * all.product[l] / count);
                spread->q[l] = (float)(-a * all.dy[l] / count);
            }
        }
        for (int64_t l = 0; dgamma && l < real; l++)
            dgamma[c + l] = (float)gamma[l];
        for (int64_t l = 0; dbeta && l < real; l++)
            dbeta[c + l] = (float)beta[l];
    }
}

// Values go through `v` because dst may be diff, which would else hold up vectors.
GSG_INLINE void spread_vectors(const float *src, const float *diff, float *dst, int64_t count,
                               const gsg_norm_lanes *lanes, const spread_lanes *spread, float slope, int width)
{
    float a[LANES], b[LANES], mean[LANES], p[LANES], q[LANES], v[LANES];
    for (int l = 0; l < width; l++) {
        a[l] = lanes->a[l];
        b[l] = lanes->b[l];
        mean[l] = lanes->mean[l];
        p[l] = spread->p[l];
        q[l] = spread->q[l];
    }
    for (int64_t i = 0; i < count; i++) {
        for (int l = 0; l < width; l++) {
            const float x = src[i * width + l], d = diff[i * width + l];
            const float dy = x * a[l] + b[l] > 0.0f ? d : d * slope;
            v[l] = a[l] * dy + (p[l] * (x - mean[l]) + q[l]);
        }
        for (int l = 0; l < width; l++)
            dst[i * width + l] = v[l];
    }
}

GSG_SIMD
static void spread_part(const float *src, const float *diff, float *dst, int64_t count, const gsg_norm_lanes *lanes,
                        const spread_lanes *spread, float slope, int64_t block)
{
    if (block == 16) {
        spread_vectors(src, diff, dst, count, lanes, spread, slope, 16);
    } else if (block == 8) {
        spread_vectors(src, diff, dst, count, lanes, spread, slope, 8);
    } else {
        const int64_t whole = count / LANES * LANES;
        spread_lanes all;
        for (int l = 0; l < LANES; l++) {
            all.p[l] = spread->p[0];
            all.q[l] = spread->q[0];
        }
        spread_vectors(src, diff, dst, count / LANES, lanes, &all, slope, LANES);
        spread_vectors(src + whole, diff + whole, dst + whole, count - whole, lanes, &all, slope, 1);
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
                    gsg_norm_part_data(k, &k->dst, job->args[6], part), part.count, &lanes,
                    spread_of(job, k->rows > 1 ? part.n : 0, part.g), gsg_norm_slope(k), k->block);
    }
}

static genseg_status run_backward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const gsg_norm_kernel *k = (const gsg_norm_kernel *)self;
    gsg_norm_job job = {k, run, args, scratch};
    gsg_parallel(self->context, gsg_norm_part_count(k), 1, gather_sums, &job);
    gsg_parallel(self->context, k->groups, 8, finish_groups, &job);
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
