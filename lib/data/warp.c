// Applies a drawn warp. Rows of the patch are independent: the coordinates of a
// row are computed first (affine in x, plus a cubic B-spline line folded from
// the control points), then every channel and the label are looked up there.
#include "data/warp.h"

#include <math.h>
#include <string.h>

#include "core/parallel.h"
#include "core/rng.h"

#define POINTS GSG_WARP_POINTS
#define LARGEST_RADIUS (3 * GSG_WARP_LARGEST_BLUR)
#define ROW_GRAIN 8

typedef struct warp_job {
    const gsg_warp *warp;
    const gsg_volume *volume;
    const int64_t *size;
    float *image;
    int32_t *label;
    int64_t stride;      // floats in a padded row of scratch
    float *rows;         // 5 padded rows a thread: coordinates D, H, W, offsets (int64_t)
    float *basis;        // 4 padded rows: B-spline weights along W
    int32_t *basis_from; // first control point along W
} warp_job;

static int64_t padded(int64_t width)
{
    return (width + 31) / 16 * 16;
}

void gsg_warp_identity(gsg_warp *warp, const double centre[3])
{
    memset(warp, 0, sizeof *warp);
    for (int32_t a = 0; a < 3; a++) {
        warp->centre[a] = centre[a];
        warp->matrix[4 * a] = 1;
    }
    warp->gamma = 1;
    warp->contrast = 1;
}

int64_t gsg_warp_scratch(const genseg_context *context, const int64_t size[3])
{
    int64_t rows = 5 * gsg_parallel_threads(context) + 5;
    return rows * padded(size[2]) + size[0] * size[1] * size[2];
}

// Folds the control points along D and H and turns displacements of the patch
// into those of the volume: 3 lines of control points along W.
static void fold_lines(const gsg_warp *warp, const int64_t size[3], int64_t d, int64_t h, float lines[3][POINTS])
{
    float weight_d[4], weight_h[4], own[3][POINTS] = {{0}};
    int32_t from_d = gsg_spline_basis(d, size[0], weight_d), from_h = gsg_spline_basis(h, size[1], weight_h);
    for (int32_t i = 0; i < 4; i++)
        for (int32_t j = 0; j < 4; j++) {
            float weight = weight_d[i] * weight_h[j];
            if (weight == 0)
                continue;
            for (int32_t a = 0; a < 3; a++) {
                const float *points = warp->displacement[a] + ((from_d + i) * POINTS + from_h + j) * POINTS;
                for (int32_t k = 0; k < POINTS; k++)
                    own[a][k] += weight * points[k];
            }
        }
    for (int32_t a = 0; a < 3; a++)
        for (int32_t k = 0; k < POINTS; k++)
            lines[a][k] = (float)(warp->matrix[3 * a] * own[0][k] + warp->matrix[3 * a + 1] * own[1][k] +
                                  warp->matrix[3 * a + 2] * own[2][k]);
}

GSG_SIMD static void fill_line(float *GSG_RESTRICT row, int64_t width, float start, float step)
{
    for (int64_t x = 0; x < width; x++)
        row[x] = start + step * (float)x;
}

GSG_SIMD static void bend_line(float *GSG_RESTRICT row, int64_t width, const float *GSG_RESTRICT line,
                               const float *GSG_RESTRICT basis, int64_t stride, const int32_t *GSG_RESTRICT from)
{
    for (int64_t x = 0; x < width; x++) {
        const float *points = line + from[x];
        row[x] += basis[x] * points[0] + basis[stride + x] * points[1] + basis[2 * stride + x] * points[2] +
                  basis[3 * stride + x] * points[3];
    }
}

// Ternaries, since fminf() and fmaxf() are calls wherever NaN is allowed.
GSG_INLINE float clamp_value(float value, float most)
{
    value = value > 0 ? value : 0;
    return value < most ? value : most;
}

GSG_SIMD static void look_up_label(const float *const rows[3], const int64_t size[3], const int32_t *src, int64_t width,
                                   int32_t *GSG_RESTRICT dst)
{
    const float *z = rows[0], *y = rows[1], *x = rows[2];
    float last_z = (float)(size[0] - 1), last_y = (float)(size[1] - 1), last_x = (float)(size[2] - 1);
    for (int64_t i = 0; i < width; i++) {
        int64_t iz = (int64_t)(clamp_value(z[i], last_z) + 0.5f);
        int64_t iy = (int64_t)(clamp_value(y[i], last_y) + 0.5f);
        int64_t ix = (int64_t)(clamp_value(x[i], last_x) + 0.5f);
        dst[i] = src[(iz * size[1] + iy) * size[2] + ix];
    }
}

// Coordinates of one axis become the part behind the lower voxel; offset grows
// by the lower voxel's.
GSG_SIMD static void split_line(float *GSG_RESTRICT row, int64_t width, int64_t count, int64_t step,
                                int64_t *GSG_RESTRICT offset)
{
    float last = (float)(count - 1);
    int32_t most = (int32_t)(count > 1 ? count - 2 : 0);
    for (int64_t i = 0; i < width; i++) {
        float clamped = clamp_value(row[i], last);
        int32_t lower = (int32_t)clamped;
        lower = lower < most ? lower : most;
        offset[i] += lower * step;
        row[i] = clamped - (float)lower;
    }
}

GSG_SIMD static void look_up_plane(const float *const rows[3], const int64_t *GSG_RESTRICT offset,
                                   const float *GSG_RESTRICT src, int64_t step_y, int64_t step_x, int64_t width,
                                   float *GSG_RESTRICT dst)
{
    const float *y = rows[1], *x = rows[2];
    for (int64_t i = 0; i < width; i++) {
        const float *at = src + offset[i];
        float upper = at[0] + x[i] * (at[step_x] - at[0]);
        float lower = at[step_y] + x[i] * (at[step_y + step_x] - at[step_y]);
        dst[i] = upper + y[i] * (lower - upper);
    }
}

GSG_SIMD static void look_up_space(const float *const rows[3], const int64_t *GSG_RESTRICT offset,
                                   const float *GSG_RESTRICT src, int64_t step_z, int64_t step_y, int64_t step_x,
                                   int64_t width, float *GSG_RESTRICT dst)
{
    const float *z = rows[0], *y = rows[1], *x = rows[2];
    for (int64_t i = 0; i < width; i++) {
        const float *at = src + offset[i], *up = at + step_z;
        float a = at[0] + x[i] * (at[step_x] - at[0]);
        float b = at[step_y] + x[i] * (at[step_y + step_x] - at[step_y]);
        float c = up[0] + x[i] * (up[step_x] - up[0]);
        float e = up[step_y] + x[i] * (up[step_y + step_x] - up[step_y]);
        float front = a + y[i] * (b - a), back = c + y[i] * (e - c);
        dst[i] = front + z[i] * (back - front);
    }
}

static void warp_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const warp_job *job = arg;
    const gsg_warp *warp = job->warp;
    const gsg_volume *volume = job->volume;
    const int64_t *size = job->size, *held = volume->size;
    int64_t width = size[2], count = gsg_volume_count(volume), patch = size[0] * size[1] * size[2];
    float *base = job->rows + thread * 5 * job->stride;
    float *rows[3] = {base, base + job->stride, base + 2 * job->stride};
    const float *const lines[3] = {rows[0], rows[1], rows[2]};
    int64_t *offset = (int64_t *)(void *)(base + 3 * job->stride);
    int64_t step[3] = {held[0] > 1 ? held[1] * held[2] : 0, held[1] > 1 ? held[2] : 0, held[2] > 1 ? 1 : 0};
    for (int64_t r = begin; r < end; r++) {
        int64_t d = r / size[1], h = r % size[1];
        double from[3] = {(double)d - (double)(size[0] - 1) / 2, (double)h - (double)(size[1] - 1) / 2,
                          -(double)(size[2] - 1) / 2};
        for (int32_t a = 0; a < 3; a++) {
            const double *m = warp->matrix + 3 * a;
            double start = warp->centre[a] + m[0] * from[0] + m[1] * from[1] + m[2] * from[2];
            fill_line(rows[a], width, (float)start, (float)m[2]);
        }
        if (warp->elastic) {
            float bends[3][POINTS];
            fold_lines(warp, size, d, h, bends);
            for (int32_t a = 0; a < 3; a++)
                bend_line(rows[a], width, bends[a], job->basis, job->stride, job->basis_from);
        }
        if (job->label != NULL)
            look_up_label(lines, held, volume->label, width, job->label + r * width);
        memset(offset, 0, (size_t)width * sizeof *offset);
        for (int32_t a = 0; a < 3; a++)
            split_line(rows[a], width, held[a], a == 2 ? 1 : step[a], offset);
        for (int32_t c = 0; c < volume->channels; c++) {
            const float *src = volume->image + c * count;
            float *dst = job->image + c * patch + r * width;
            if (held[0] == 1)
                look_up_plane(lines, offset, src, step[1], step[2], width, dst);
            else
                look_up_space(lines, offset, src, step[0], step[1], step[2], width, dst);
        }
    }
}

typedef struct blur_job {
    const float *src;
    float *dst;
    const int64_t *size;
    int32_t axis;
    int32_t radius;
    float weight[2 * LARGEST_RADIUS + 1];
} blur_job;

static int64_t clamp_index(int64_t i, int64_t count)
{
    return i < 0 ? 0 : (i < count ? i : count - 1);
}

GSG_SIMD static void blur_row(const float *GSG_RESTRICT src, float *GSG_RESTRICT dst, int64_t width,
                              const float *weight, int32_t radius)
{
    int64_t inner = width - radius;
    for (int64_t x = 0; x < width; x++)
        dst[x] = 0;
    for (int32_t k = -radius; k <= radius; k++)
        for (int64_t x = radius; x < inner; x++)
            dst[x] += weight[k + radius] * src[x + k];
    for (int64_t x = 0; x < width; x++) {
        if (x == radius && inner > radius)
            x = inner;
        float sum = 0;
        for (int32_t k = -radius; k <= radius; k++)
            sum += weight[k + radius] * src[clamp_index(x + k, width)];
        dst[x] = sum;
    }
}

GSG_SIMD static void add_weighted(float *GSG_RESTRICT dst, const float *GSG_RESTRICT src, int64_t width, float weight)
{
    for (int64_t x = 0; x < width; x++)
        dst[x] += weight * src[x];
}

static void blur_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const blur_job *job = arg;
    const int64_t *size = job->size;
    int64_t width = size[2];
    for (int64_t r = begin; r < end; r++) {
        float *dst = job->dst + r * width;
        if (job->axis == 2) {
            blur_row(job->src + r * width, dst, width, job->weight, job->radius);
            continue;
        }
        int64_t d = r / size[1], h = r % size[1];
        memset(dst, 0, (size_t)width * sizeof *dst);
        for (int32_t k = -job->radius; k <= job->radius; k++) {
            int64_t from =
                job->axis == 0 ? clamp_index(d + k, size[0]) * size[1] + h : d * size[1] + clamp_index(h + k, size[1]);
            add_weighted(dst, job->src + from * width, width, job->weight[k + job->radius]);
        }
    }
}

// Gaussian blur of one channel, axis by axis, by way of `spare`.
static void blur_channel(const genseg_context *context, const double sigma[3], const int64_t size[3], float *channel,
                         float *spare)
{
    for (int32_t a = 0; a < 3; a++) {
        if (!(sigma[a] > 0) || size[a] == 1)
            continue;
        double width = fmin(sigma[a], GSG_WARP_LARGEST_BLUR), sum = 0;
        blur_job job = {.src = channel, .dst = spare, .size = size, .axis = a, .radius = (int32_t)ceil(3 * width)};
        for (int32_t k = -job.radius; k <= job.radius; k++)
            sum += exp(-k * k / (2 * width * width));
        for (int32_t k = -job.radius; k <= job.radius; k++)
            job.weight[k + job.radius] = (float)(exp(-k * k / (2 * width * width)) / sum);
        gsg_parallel(context, size[0] * size[1], ROW_GRAIN, blur_rows, &job);
        memcpy(channel, spare, (size_t)(size[0] * size[1] * size[2]) * sizeof *channel);
    }
}

typedef struct intensity_job {
    float *channel;
    int64_t width;
    float factor, offset; // value * factor + offset
    float low, range;     // of the values then; range 0: no gamma
    float gamma;
    float noise; // standard deviation
    uint64_t seed;
    uint64_t row; // number of the channel's first row
} intensity_job;

static void add_noise(float *row, int64_t width, uint64_t seed, uint64_t number, float deviation)
{
    const float two_pi = 6.2831853f;
    gsg_rng rng; // keyed by the row, so that threads don't matter
    gsg_rng_init(&rng, seed, GSG_STREAM_NOISE, number);
    for (int64_t x = 0; x < width; x += 2) {
        // Box-Muller in pairs; 24 bits, and never the logarithm of 0.
        float u = ((float)(gsg_rng_u32(&rng) >> 8) + 1) * 0x1p-24f;
        float angle = two_pi * (float)(gsg_rng_u32(&rng) >> 8) * 0x1p-24f;
        float radius = deviation * sqrtf(-2 * logf(u));
        row[x] += radius * cosf(angle);
        if (x + 1 < width)
            row[x + 1] += radius * sinf(angle);
    }
}

static void intensity_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const intensity_job *job = arg;
    for (int64_t r = begin; r < end; r++) {
        float *row = job->channel + r * job->width;
        for (int64_t x = 0; x < job->width; x++)
            row[x] = row[x] * job->factor + job->offset;
        if (job->range > 0)
            for (int64_t x = 0; x < job->width; x++) {
                // Rounding may leave the range by a hair, where powf has no value.
                float part = clamp_value((row[x] - job->low) / job->range, 1);
                row[x] = powf(part, job->gamma) * job->range + job->low;
            }
        if (job->noise > 0)
            add_noise(row, job->width, job->seed, job->row + (uint64_t)r, job->noise);
    }
}

static void change_intensity(const genseg_context *context, const gsg_warp *warp, const int64_t size[3], int32_t index,
                             float *channel)
{
    int64_t count = size[0] * size[1] * size[2];
    double sum = 0, squares = 0;
    float low = channel[0], high = channel[0];
    for (int64_t i = 0; i < count; i++) {
        double value = channel[i];
        sum += value;
        squares += value * value;
        low = channel[i] < low ? channel[i] : low;
        high = channel[i] > high ? channel[i] : high;
    }
    double mean = sum / (double)count, deviation = sqrt(fmax(0, squares / (double)count - mean * mean));
    double factor = warp->contrast, offset = mean * (1 - factor) + warp->brightness * deviation;
    intensity_job job = {.channel = channel,
                         .width = size[2],
                         .factor = (float)factor,
                         .offset = (float)offset,
                         .low = (float)(low * factor + offset),
                         .range = warp->gamma != 1 ? (float)((high - low) * factor) : 0,
                         .gamma = (float)warp->gamma,
                         .noise = (float)(warp->noise * deviation),
                         .seed = warp->noise_seed,
                         .row = (uint64_t)(index * size[0] * size[1])};
    gsg_parallel(context, size[0] * size[1], ROW_GRAIN, intensity_rows, &job);
}

void gsg_warp_apply(const genseg_context *context, const gsg_warp *warp, const gsg_volume *volume,
                    const int64_t size[3], float *image, int32_t *label, float *scratch)
{
    warp_job job = {.warp = warp,
                    .volume = volume,
                    .size = size,
                    .image = image,
                    .label = volume->label != NULL ? label : NULL,
                    .stride = padded(size[2])};
    job.basis = scratch;
    job.basis_from = (int32_t *)(void *)(scratch + 4 * job.stride);
    job.rows = scratch + 5 * job.stride;
    float *spare = job.rows + 5 * gsg_parallel_threads(context) * job.stride;
    for (int64_t x = 0; x < size[2] && warp->elastic; x++) {
        float weight[4];
        job.basis_from[x] = gsg_spline_basis(x, size[2], weight);
        for (int32_t k = 0; k < 4; k++)
            job.basis[k * job.stride + x] = weight[k];
    }
    gsg_parallel(context, size[0] * size[1], ROW_GRAIN, warp_rows, &job);

    int64_t count = size[0] * size[1] * size[2];
    int32_t changes = warp->gamma != 1 || warp->contrast != 1 || warp->brightness != 0 || warp->noise > 0;
    for (int32_t c = 0; c < volume->channels; c++) {
        blur_channel(context, warp->blur, size, image + c * count, spare);
        if (changes)
            change_intensity(context, warp, size, c, image + c * count);
    }
}
