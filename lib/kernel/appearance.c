// Differentiable changes of intensity (kernel/appearance.h), one channel of a sample at a time.
// Gamma is t -> ((t + o)^g - o^g) / ((1 + o)^g - o^g) with a small offset o: 0 and 1 stay, and the
// slope at 0 is finite for g < 1, where that of t^g is not (backgrounds are exactly 0).
#include "kernel/appearance.h"

#include <math.h>
#include <string.h>

#include "core/parallel.h"
#include "core/rng.h"
#include "kernel/walk.h"
#include "tensor/transform.h"

#define PLANES 6 // floats of a plane, in scratch, a thread
#define LARGEST_SIGMA 5.0
#define SMALLEST_SIGMA 0.15 // a neighbour weighs 2e-10 then
#define LARGEST_RADIUS 20   // four sigma
#define SMALLEST_CONTRAST 0.1
#define GAMMA_OFFSET 0x1p-6

typedef struct appearance {
    gsg_kernel base;
    gsg_appearance options;
    gsg_desc src;
    gsg_desc dst;
    gsg_desc diff_src;
    int64_t size[3];
    int64_t voxels;
    int64_t padded; // channels that are written: the last group in full
    int32_t mixes[3];
} appearance;

// One sample's changes.
typedef struct change {
    double contrast;
    double brightness;
    double gamma; // exponent
    double noise;
    double sigma;
    uint32_t key[2];
    int32_t blurs;
    int32_t curves; // gamma is not left out
    int32_t noisy;  // nor is noise
    int32_t radius;
    float weight[2 * LARGEST_RADIUS + 1];
    float slope[2 * LARGEST_RADIUS + 1]; // of the weight by sigma
} change;

typedef struct job {
    const appearance *kernel;
    const float *src;
    const float *draws;
    const float *magnitudes;
    const float *diff;
    float *dst;   // or diff_src; NULL: not wanted
    double *sums; // (sample, channel, magnitude)
    float *planes;
} job;

void gsg_appearance_defaults(gsg_appearance *options)
{
    *options = (gsg_appearance){.spacing = {1, 1, 1}, .range = {0.25f, 0.15f, 0.35f, 0.1f, 1.0f}, .chance = 0.5f};
}

void gsg_appearance_draw(const gsg_appearance *options, int64_t samples, uint64_t seed, uint64_t first, float *draws)
{
    for (int64_t n = 0; n < samples; n++) {
        float *own = draws + n * GSG_VECTOR_PAD;
        gsg_rng rng;
        gsg_rng_init(&rng, seed, GSG_STREAM_APPEARANCE, first + (uint64_t)n);
        memset(own, 0, GSG_VECTOR_PAD * sizeof *own);
        for (int32_t i = 0; i < GSG_APPEARANCE_MAGNITUDES; i++) {
            int32_t happens = gsg_rng_uniform(&rng) < (double)options->chance;
            double value = i >= GSG_APPEARANCE_NOISE ? gsg_rng_uniform(&rng) : gsg_rng_range(&rng, -1, 1);
            own[i] = happens ? (float)value : 0.0f;
        }
        for (int32_t i = GSG_APPEARANCE_MAGNITUDES; i < GSG_APPEARANCE_DRAWS; i++)
            own[i] = (float)(gsg_rng_u32(&rng) >> 8); // exact in a float
    }
}

static void make_blur(change *c)
{
    double sum = 0, squares = 0;
    c->blurs = c->sigma >= SMALLEST_SIGMA;
    if (!c->blurs)
        return;
    double sigma = fmin(c->sigma, LARGEST_SIGMA);
    c->radius = (int32_t)ceil(4 * sigma);
    for (int32_t k = -c->radius; k <= c->radius; k++) {
        double weight = exp(-k * k / (2 * sigma * sigma));
        sum += weight;
        squares += weight * k * k;
    }
    for (int32_t k = -c->radius; k <= c->radius; k++) {
        double weight = exp(-k * k / (2 * sigma * sigma)) / sum;
        c->weight[k + c->radius] = (float)weight;
        c->slope[k + c->radius] = (float)(weight * (k * k - squares / sum) / (sigma * sigma * sigma));
    }
}

static double amount(const job *j, const float *draws, int32_t which)
{
    return (double)j->kernel->options.range[which] * (double)j->magnitudes[which] * (double)draws[which];
}

static change change_of(const job *j, int64_t n)
{
    const float *draws = j->draws + n * GSG_VECTOR_PAD;
    double contrast = 1 + amount(j, draws, GSG_APPEARANCE_CONTRAST);
    change c = {.contrast = contrast < SMALLEST_CONTRAST ? SMALLEST_CONTRAST : contrast,
                .brightness = amount(j, draws, GSG_APPEARANCE_BRIGHTNESS),
                .gamma = exp(amount(j, draws, GSG_APPEARANCE_GAMMA)),
                .noise = amount(j, draws, GSG_APPEARANCE_NOISE),
                .sigma = amount(j, draws, GSG_APPEARANCE_BLUR),
                .curves = draws[GSG_APPEARANCE_GAMMA] != 0.0f,
                .noisy = draws[GSG_APPEARANCE_NOISE] != 0.0f};
    for (int32_t i = 0; i < 2; i++)
        c.key[i] = (uint32_t)draws[GSG_APPEARANCE_MAGNITUDES + i];
    make_blur(&c);
    return c;
}

static int64_t clamp_index(int64_t i, int64_t count)
{
    return i < 0 ? 0 : i < count ? i : count - 1;
}

GSG_SIMD static void add_row(float *GSG_RESTRICT dst, const float *GSG_RESTRICT src, float weight, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        dst[i] += weight * src[i];
}

// Along an axis, the edge repeated; or the adjoint of that.
static void blur_axis(const appearance *k, int32_t axis, const float *weight, int32_t radius, int32_t adjoint,
                      const float *src, float *dst)
{
    int64_t length = k->size[axis], inner = axis == 0 ? k->size[1] * k->size[2] : axis == 1 ? k->size[2] : 1;
    memset(dst, 0, (size_t)k->voxels * sizeof *dst);
    for (int64_t outer = 0; outer < k->voxels; outer += length * inner)
        for (int64_t i = 0; i < length; i++)
            for (int32_t r = -radius; r <= radius; r++) {
                int64_t here = outer + i * inner, there = outer + clamp_index(i + r, length) * inner;
                if (inner == 1)
                    dst[adjoint ? there : here] += weight[r + radius] * src[adjoint ? here : there];
                else if (adjoint)
                    add_row(dst + there, src + here, weight[r + radius], inner);
                else
                    add_row(dst + here, src + there, weight[r + radius], inner);
            }
}

// Four normal deviates of a block of Philox, by Box & Muller; 24 bits, never the logarithm of 0.
static void draw_noise(const change *c, int64_t block, float noise[4])
{
    const float two_pi = 6.2831853f;
    const uint32_t counter[4] = {(uint32_t)block, GSG_STREAM_APPEARANCE, (uint32_t)(block >> 32), 1};
    uint32_t words[4];
    gsg_philox(counter, c->key, words);
    for (int32_t i = 0; i < 4; i += 2) {
        float radius = sqrtf(-2 * logf(((float)(words[i] >> 8) + 1) * 0x1p-24f));
        float angle = two_pi * (float)(words[i + 1] >> 8) * 0x1p-24f;
        noise[i] = radius * cosf(angle);
        noise[i + 1] = radius * sinf(angle);
    }
}

// NaN goes through.
static double clamp(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

// What gamma needs of its exponent.
typedef struct curve {
    double gamma, low, range;      // o^g, (1 + o)^g - o^g
    double low_slope, range_slope; // of them, by g
} curve;

static curve curve_of(double gamma)
{
    curve c = {.gamma = gamma, .low = pow(GAMMA_OFFSET, gamma)};
    double high = pow(1 + GAMMA_OFFSET, gamma);
    c.range = high - c.low;
    c.low_slope = c.low * log(GAMMA_OFFSET);
    c.range_slope = high * log(1 + GAMMA_OFFSET) - c.low_slope;
    return c;
}

static double bend(const curve *c, double t, double *by_t, double *by_gamma)
{
    double logarithm = log(t + GAMMA_OFFSET), power = exp(c->gamma * logarithm), value = (power - c->low) / c->range;
    *by_t = c->gamma * power / (t + GAMMA_OFFSET) / c->range;
    *by_gamma = (power * logarithm - c->low_slope - value * c->range_slope) / c->range;
    return value;
}

static double mean_of(const float *plane, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)plane[i];
    return sum / (double)count;
}

// From the blurred plane to the result, in place; `first` is the plane's first element in its sample.
static void tone_plane(const change *c, int64_t first, float *plane, int64_t voxels)
{
    curve gamma = curve_of(c->gamma);
    double mean = mean_of(plane, voxels), by_t, by_gamma;
    float noise[4] = {0};
    for (int64_t i = 0; i < voxels; i++) {
        double value = mean + c->contrast * ((double)plane[i] - mean) + c->brightness;
        double t = clamp(0.5 * value + 0.5, 0, 1);
        if (c->curves)
            t = bend(&gamma, t, &by_t, &by_gamma);
        if (c->noisy && (i == 0 || (first + i) % 4 == 0))
            draw_noise(c, (first + i) / 4, noise);
        plane[i] = (float)clamp(2 * t - 1 + c->noise * (double)noise[(first + i) % 4], -1, 1);
    }
}

// `diff` becomes the gradient of the blurred plane; sums: of contrast, brightness, exponent, deviation.
static void tone_back(const change *c, int64_t first, const float *plane, int64_t voxels, float *diff, double *sums)
{
    curve gamma = curve_of(c->gamma);
    double mean = mean_of(plane, voxels);
    float noise[4] = {0};
    for (int64_t i = 0; i < voxels; i++) {
        double off = (double)plane[i] - mean, value = mean + c->contrast * off + c->brightness;
        double raw = 0.5 * value + 0.5, t = clamp(raw, 0, 1), by_t = 1, by_gamma = 0;
        if (c->curves)
            t = bend(&gamma, t, &by_t, &by_gamma);
        if (c->noisy && (i == 0 || (first + i) % 4 == 0))
            draw_noise(c, (first + i) / 4, noise);
        double deviate = (double)noise[(first + i) % 4], y = 2 * t - 1 + c->noise * deviate;
        double d = y < -1 || y > 1 ? 0 : (double)diff[i];
        sums[GSG_APPEARANCE_NOISE] += d * deviate;
        sums[GSG_APPEARANCE_GAMMA] += 2 * d * by_gamma;
        d = raw < 0 || raw > 1 ? 0 : d * by_t;
        sums[GSG_APPEARANCE_BRIGHTNESS] += d;
        sums[GSG_APPEARANCE_CONTRAST] += d * off;
        diff[i] = (float)d;
    }
    double shared = (1 - c->contrast) * mean_of(diff, voxels);
    for (int64_t i = 0; i < voxels; i++)
        diff[i] = (float)(c->contrast * (double)diff[i] + shared);
}

static void load_plane(const gsg_desc *desc, const float *data, int64_t n, int64_t c, int64_t voxels, float *plane)
{
    const float *from = data + n * desc->batch_stride + c / desc->block * voxels * desc->block + c % desc->block;
    for (int64_t i = 0; i < voxels; i++)
        plane[i] = from[i * desc->block];
}

// NULL: zeros, for a channel that pads.
static void store_plane(const gsg_desc *desc, float *data, int64_t n, int64_t c, int64_t voxels, const float *plane)
{
    float *to = data + n * desc->batch_stride + c / desc->block * voxels * desc->block + c % desc->block;
    for (int64_t i = 0; i < voxels; i++)
        to[i * desc->block] = plane ? plane[i] : 0.0f;
}

static void forward_planes(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const job *j = arg;
    const appearance *k = j->kernel;
    int64_t channels = k->dst.shape.dims[1], padded = k->padded;
    float *plane = j->planes + thread * PLANES * k->voxels, *other = plane + k->voxels;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t n = unit / padded, c = unit % padded;
        if (c >= channels) {
            store_plane(&k->dst, j->dst, n, c, k->voxels, NULL);
            continue;
        }
        change own = change_of(j, n);
        load_plane(&k->src, j->src, n, c, k->voxels, plane);
        for (int32_t a = 0; own.blurs && a < 3; a++) {
            if (!k->mixes[a])
                continue;
            blur_axis(k, a, own.weight, own.radius, 0, plane, other);
            float *swap = plane;
            plane = other;
            other = swap;
        }
        tone_plane(&own, c * k->voxels, plane, k->voxels);
        store_plane(&k->dst, j->dst, n, c, k->voxels, plane);
    }
}

static void backward_plane(const job *j, int64_t n, int64_t c, float *planes, double *sums)
{
    const appearance *k = j->kernel;
    change own = change_of(j, n);
    // The plane before each axis is blurred, and after the last.
    float *stage[4], *diff = planes + 4 * k->voxels, *spare = planes + 5 * k->voxels;
    for (int32_t a = 0; a < 4; a++)
        stage[a] = planes + a * k->voxels;
    load_plane(&k->src, j->src, n, c, k->voxels, stage[0]);
    load_plane(&k->dst, j->diff, n, c, k->voxels, diff);
    for (int32_t a = 0; a < 3; a++)
        if (own.blurs && k->mixes[a])
            blur_axis(k, a, own.weight, own.radius, 0, stage[a], stage[a + 1]);
        else
            stage[a + 1] = stage[a];
    tone_back(&own, c * k->voxels, stage[3], k->voxels, diff, sums);
    for (int32_t a = 2; own.blurs && a >= 0; a--) {
        if (!k->mixes[a])
            continue;
        blur_axis(k, a, own.slope, own.radius, 0, stage[a], spare);
        for (int64_t i = 0; own.sigma <= LARGEST_SIGMA && i < k->voxels; i++)
            sums[GSG_APPEARANCE_BLUR] += (double)diff[i] * (double)spare[i];
        blur_axis(k, a, own.weight, own.radius, 1, diff, spare);
        float *swap = diff;
        diff = spare;
        spare = swap;
    }
    if (own.contrast <= SMALLEST_CONTRAST)
        sums[GSG_APPEARANCE_CONTRAST] = 0;
    sums[GSG_APPEARANCE_GAMMA] *= own.gamma;
    const float *draws = j->draws + n * GSG_VECTOR_PAD;
    for (int32_t i = 0; i < GSG_APPEARANCE_MAGNITUDES; i++)
        sums[i] *= (double)k->options.range[i] * (double)draws[i];
    if (j->dst)
        store_plane(&k->diff_src, j->dst, n, c, k->voxels, diff);
}

static void backward_planes(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const job *j = arg;
    const appearance *k = j->kernel;
    int64_t channels = k->dst.shape.dims[1], padded = k->padded;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t n = unit / padded, c = unit % padded;
        double *sums = j->sums + unit * GSG_APPEARANCE_MAGNITUDES;
        memset(sums, 0, GSG_APPEARANCE_MAGNITUDES * sizeof *sums);
        if (c < channels)
            backward_plane(j, n, c, j->planes + thread * PLANES * k->voxels, sums);
        else if (j->dst)
            store_plane(&k->diff_src, j->dst, n, c, k->voxels, NULL);
    }
}

static int64_t units_of(const appearance *k)
{
    return k->dst.shape.dims[0] * k->padded;
}

static job lay_out(const appearance *k, float *const *args, void *scratch)
{
    job j = {.kernel = k, .src = args[0], .draws = args[1], .magnitudes = args[2], .sums = scratch};
    j.planes = (float *)(j.sums + units_of(k) * GSG_APPEARANCE_MAGNITUDES);
    return j;
}

static genseg_status run_forward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const appearance *k = (const appearance *)self;
    job j = lay_out(k, args, scratch);
    j.dst = args[3];
    gsg_parallel(self->context, units_of(k), 1, forward_planes, &j);
    return GENSEG_OK;
}

static genseg_status run_backward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const appearance *k = (const appearance *)self;
    job j = lay_out(k, args, scratch);
    j.diff = args[3];
    j.dst = args[4];
    gsg_parallel(self->context, units_of(k), 1, backward_planes, &j);
    for (int32_t i = 0; args[5] && i < GSG_VECTOR_PAD; i++) {
        double sum = 0;
        for (int64_t unit = 0; i < GSG_APPEARANCE_MAGNITUDES && unit < units_of(k); unit++)
            sum += j.sums[unit * GSG_APPEARANCE_MAGNITUDES + i];
        args[5][i] = (float)sum;
    }
    return GENSEG_OK;
}

static genseg_status check(const gsg_appearance *options, const gsg_desc *src, gsg_error *err)
{
    static const char *const names[] = {"contrast", "brightness", "gamma", "noise", "blur"};
    if (src->shape.ndim != 4 && src->shape.ndim != 5)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "appearance: %d dimensions", (int)src->shape.ndim);
    for (int32_t i = 0; i < GSG_APPEARANCE_MAGNITUDES; i++)
        if (!(options->range[i] >= 0.0f && isfinite(options->range[i])))
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "appearance: range of %s is %g", names[i],
                                 (double)options->range[i]);
    for (int32_t a = 0; a < 3; a++)
        if (!(options->spacing[a] > 0 && isfinite(options->spacing[a])))
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "appearance: spacing %g", options->spacing[a]);
    return GENSEG_OK;
}

static genseg_status make(gsg_engine *engine, const gsg_appearance *options, int32_t backward, const gsg_desc *src,
                          const gsg_desc *dst, const gsg_desc *diff_src, gsg_kernel **kernel, gsg_error *err)
{
    const char *name = backward ? "appearance backward" : "appearance";
    gsg_walk walk; // for its checks alone
    genseg_status status =
        gsg_walk_init(&walk, name, diff_src ? 3 : 2, (const gsg_desc *const[]){src, dst, diff_src}, err);
    if (status == GENSEG_OK)
        status = check(options, src, err);
    if (status != GENSEG_OK)
        return status;
    appearance *k = gsg_kernel_make(engine, sizeof *k, name, backward ? run_backward : run_forward, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->options = *options;
    k->src = *src;
    k->dst = *dst;
    k->diff_src = diff_src ? *diff_src : *dst;
    k->padded = gsg_desc_padded(&k->diff_src);
    for (int32_t a = 0; a < 3; a++) // 2-D has a depth of one
        k->size[a] = a < 5 - src->shape.ndim ? 1 : src->shape.dims[a - 3 + src->shape.ndim];
    k->voxels = k->size[0] * k->size[1] * k->size[2];
    gsg_transform_mixes(options->spacing, k->size, k->mixes);
    int64_t planes = (int64_t)gsg_parallel_threads(k->base.context) * PLANES;
    k->base.scratch = (size_t)(units_of(k) * GSG_APPEARANCE_MAGNITUDES) * sizeof(double) +
                      (size_t)(planes * k->voxels) * sizeof(float);
    k->base.bytes = 8.0 * (double)gsg_shape_count(src->shape);
    *kernel = &k->base;
    return GENSEG_OK;
}

genseg_status gsg_appearance_forward_new(gsg_engine *engine, const gsg_appearance *options, const gsg_desc *src,
                                         const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, options, 0, src, dst, NULL, kernel, err);
}

genseg_status gsg_appearance_backward_new(gsg_engine *engine, const gsg_appearance *options, const gsg_desc *src,
                                          const gsg_desc *diff_dst, const gsg_desc *diff_src, gsg_kernel **kernel,
                                          gsg_error *err)
{
    return make(engine, options, 1, src, diff_dst, diff_src, kernel, err);
}
