// The differentiable warp (kernel/deform.h). Per sample a map is made of draws and magnitudes; per
// voxel a stencil: up to eight corners of the source with weights and their derivatives by place.
// The gradient of magnitudes sums, row by row in double, how the loss changes with place (3), matrix
// (9) and elastic amplitude (1), then goes through the derivatives of the map.
#include "kernel/deform.h"

#include <math.h>
#include <string.h>

#include "core/parallel.h"
#include "core/rng.h"
#include "kernel/walk.h"
#include "tensor/transform.h"

#define PI 3.14159265358979323846
#define POINTS GSG_SPLINE_POINTS
#define LARGEST_BLOCK 16
#define SMALLEST_SCALE 0.1 // below, a sample would turn inside out
#define DEVIATIONS 2.5     // control displacements are cut off here
#define SUMS 13            // by shift, by matrix, by elastic amplitude

// Draws of a sample.
enum { FLIP = 0, ANGLE = 3, SCALE = 6, SHEAR = 9, SHIFT = 12, PAD = 15, ELASTIC = 16 };

typedef struct deform {
    gsg_kernel base;
    gsg_deform options;
    gsg_desc src;
    gsg_desc dst;
    gsg_desc diff_src;
    int64_t size[3];
    int64_t samples;
    int64_t groups;
    int64_t row; // floats of a sample's draws
    int32_t block;
    int32_t spatial;
    int32_t mixes[3];
} deform;

typedef struct map {
    const float *draws;
    double matrix[9];
    double offset[3];    // of the place in the source, for p = 0 without displacement
    double amplitude[3]; // voxels of displacement for a control point of 1
    double unit[3];      // the same for magnitude 1
} map;

typedef struct job {
    const deform *kernel;
    const float *src;
    const float *diff;
    float *out;
    const map *maps;
    const float *basis;        // (W, 4)
    const int32_t *basis_from; // (W)
    double *sums;              // (sample, row, SUMS)
} job;

typedef struct stencil {
    int32_t count;
    int64_t offset[8]; // voxels; -1: outside
    float weight[8];
    float slope[8][3]; // of the weight by place
} stencil;

void gsg_deform_defaults(gsg_deform *options)
{
    *options = (gsg_deform){.border = GSG_BORDER_CLASS,
                            .spacing = {1, 1, 1},
                            .range = {15.0f, 0.2f, 0.1f, 8.0f, 0.1f, 0.02f},
                            .chance = 1.0f,
                            .elastic_chance = 0.5f};
}

static int64_t points_of(int32_t spatial)
{
    return spatial == 3 ? POINTS * POINTS * POINTS : POINTS * POINTS;
}

int64_t gsg_deform_draws(gsg_shape shape)
{
    int32_t spatial = shape.ndim - 2;
    return ELASTIC + spatial * points_of(spatial);
}

static int64_t row_of(gsg_shape shape)
{
    return (gsg_deform_draws(shape) + GSG_VECTOR_PAD - 1) / GSG_VECTOR_PAD * GSG_VECTOR_PAD;
}

void gsg_deform_draw(const gsg_deform *options, gsg_shape shape, uint64_t seed, uint64_t first, float *draws)
{
    int64_t count = gsg_deform_draws(shape), row = row_of(shape);
    for (int64_t n = 0; n < shape.dims[0]; n++) {
        float *own = draws + n * row;
        gsg_rng rng;
        gsg_rng_init(&rng, seed, GSG_STREAM_DEFORM, first + (uint64_t)n);
        memset(own, 0, (size_t)row * sizeof *own);
        // What is drawn does not depend on the options.
        int32_t affine = gsg_rng_uniform(&rng) < (double)options->chance;
        int32_t elastic = gsg_rng_uniform(&rng) < (double)options->elastic_chance;
        for (int32_t a = 0; a < 3; a++) {
            int32_t flips = gsg_rng_uniform(&rng) < 0.5 && (options->symmetric >> a & 1);
            own[FLIP + a] = flips ? -1.0f : 1.0f;
        }
        for (int32_t i = ANGLE; i < ELASTIC; i++) {
            double value = i == PAD ? gsg_rng_uniform(&rng) : gsg_rng_range(&rng, -1, 1);
            own[i] = affine ? (float)value : 0.0f;
        }
        for (int64_t i = ELASTIC; elastic && i < count; i++)
            own[i] = (float)fmin(fmax(gsg_rng_normal(&rng), -DEVIATIONS), DEVIATIONS);
    }
}

static double range_of(const deform *k, const float *magnitudes, int32_t which)
{
    return (double)k->options.range[which] * (double)magnitudes[which];
}

// Scale along an axis: what an enlarged picture is divided by.
static double scale_of(const deform *k, const float *magnitudes, const float *draws, int32_t a)
{
    double scale = 1 + range_of(k, magnitudes, GSG_DEFORM_SCALE) * (double)draws[SCALE + a];
    return scale < SMALLEST_SCALE ? SMALLEST_SCALE : scale;
}

static gsg_transform transform_of(const deform *k, const float *magnitudes, const float *draws)
{
    gsg_transform t;
    gsg_transform_identity(&t);
    double away = 1 + range_of(k, magnitudes, GSG_DEFORM_PAD) * (double)draws[PAD];
    for (int32_t a = 0; a < 3; a++) {
        t.mixes[a] = k->mixes[a];
        t.flip[a] = k->size[a] > 1 && draws[FLIP + a] < 0;
        t.spacing[a] = k->options.spacing[a];
        t.step[a] = away / scale_of(k, magnitudes, draws, a);
        t.angle[a] = range_of(k, magnitudes, GSG_DEFORM_ROTATION) * PI / 180 * (double)draws[ANGLE + a];
        t.shear[a] = tan(range_of(k, magnitudes, GSG_DEFORM_SHEAR) * PI / 180 * (double)draws[SHEAR + a]);
    }
    return t;
}

static void make_maps(const deform *k, const float *draws, const float *magnitudes, map *maps)
{
    for (int64_t n = 0; n < k->samples; n++) {
        map *m = &maps[n];
        m->draws = draws + n * k->row;
        gsg_transform t = transform_of(k, magnitudes, m->draws);
        gsg_transform_matrix(&t, GSG_TRANSFORM_NONE, m->matrix);
        for (int32_t a = 0; a < 3; a++) {
            double middle = (double)(k->size[a] - 1) / 2, length = k->size[a] > 1 ? (double)k->size[a] : 0;
            m->offset[a] = middle + range_of(k, magnitudes, GSG_DEFORM_SHIFT) * (double)m->draws[SHIFT + a] * length;
            m->unit[a] = k->mixes[a] ? (double)k->options.range[GSG_DEFORM_ELASTIC] * length : 0;
            m->amplitude[a] = m->unit[a] * (double)magnitudes[GSG_DEFORM_ELASTIC];
        }
    }
}

// Control points of a row of voxels: three lines along W, in draws.
static void fold_lines(const deform *k, const map *m, int64_t d, int64_t h, float lines[3][POINTS])
{
    float wd[4], wh[4];
    int32_t first = 3 - k->spatial, from_d = gsg_spline_basis(d, k->size[0], wd);
    int32_t from_h = gsg_spline_basis(h, k->size[1], wh), planes = k->spatial == 3 ? 4 : 1;
    memset(lines, 0, 3 * sizeof *lines);
    for (int32_t a = first; a < 3; a++)
        for (int32_t i = 0; i < planes; i++)
            for (int32_t j = 0; j < 4; j++) {
                const float *points = m->draws + ELASTIC + (a - first) * points_of(k->spatial) +
                                      ((from_d + i) * POINTS + from_h + j) * POINTS;
                float weight = wd[i] * wh[j];
                for (int32_t p = 0; p < POINTS && weight != 0.0f; p++)
                    lines[a][p] += weight * points[p];
            }
}

// Displacement at voxel w of the row, in draws.
static void bend_at(const job *j, float lines[3][POINTS], int64_t w, double bend[3])
{
    const float *weight = j->basis + 4 * w;
    int32_t from = j->basis_from[w], points = j->kernel->size[2] > 1 ? 4 : 1;
    for (int32_t a = 0; a < 3; a++) {
        bend[a] = 0;
        for (int32_t i = 0; i < points; i++)
            bend[a] += (double)(weight[i] * lines[a][from + i]);
    }
}

// From the middle of the result, displacement included; and the place in the source.
static void place_at(const deform *k, const map *m, const int64_t at[3], const double bend[3], double from[3],
                     double place[3])
{
    for (int32_t a = 0; a < 3; a++)
        from[a] = (double)at[a] - (double)(k->size[a] - 1) / 2 + m->amplitude[a] * bend[a];
    for (int32_t a = 0; a < 3; a++)
        place[a] =
            m->offset[a] + m->matrix[3 * a] * from[0] + m->matrix[3 * a + 1] * from[1] + m->matrix[3 * a + 2] * from[2];
}

static void make_stencil(const deform *k, const double place[3], stencil *s)
{
    int64_t lower[3];
    double part[3], slope[3];
    for (int32_t a = 0; a < 3; a++) {
        double last = (double)(k->size[a] - 1), margin = k->options.border == GSG_BORDER_EDGE ? 0 : 1.5;
        // Beyond the margin nothing changes any more; a number that is none gets through in `part`.
        double inside = place[a] >= -margin ? place[a] : -margin;
        inside = inside <= last + margin ? inside : last + margin;
        slope[a] = inside == place[a] ? 1 : 0;
        lower[a] = (int64_t)floor(inside);
        if (margin == 0 && lower[a] > 0 && lower[a] == k->size[a] - 1)
            lower[a]--; // both corners inside
        part[a] = place[a] != place[a] ? place[a] : inside - (double)lower[a];
    }
    s->count = 0;
    for (int32_t corner = 0; corner < 8; corner++) {
        int32_t up[3] = {corner >> 2, corner >> 1 & 1, corner & 1}, outside = 0;
        if ((up[0] && k->size[0] == 1) || (up[1] && k->size[1] == 1) || (up[2] && k->size[2] == 1))
            continue;
        double weight[3];
        int64_t offset = 0;
        for (int32_t a = 0; a < 3; a++) {
            int64_t index = lower[a] + up[a];
            outside = outside || index < 0 || index >= k->size[a];
            offset = offset * k->size[a] + index;
            weight[a] = k->size[a] == 1 ? 1 : up[a] ? part[a] : 1 - part[a];
        }
        s->offset[s->count] = outside ? -1 : offset;
        s->weight[s->count] = (float)(weight[0] * weight[1] * weight[2]);
        for (int32_t a = 0; a < 3; a++) {
            double others = weight[(a + 1) % 3] * weight[(a + 2) % 3];
            s->slope[s->count][a] = k->size[a] == 1 ? 0.0f : (float)(slope[a] * (up[a] ? others : -others));
        }
        s->count++;
    }
}

// What lies outside, for the channels of a group.
static void fill_of(const deform *k, int64_t group, float fill[LARGEST_BLOCK])
{
    memset(fill, 0, LARGEST_BLOCK * sizeof *fill);
    if (k->options.border == GSG_BORDER_CLASS && group == 0 && k->src.shape.dims[1] > 1)
        fill[0] = 1.0f;
}

static void forward_voxel(const job *j, int64_t n, int64_t voxel, const stencil *s)
{
    const deform *k = j->kernel;
    int64_t plane = k->size[0] * k->size[1] * k->size[2] * k->block;
    for (int64_t g = 0; g < k->groups; g++) {
        const float *src = j->src + n * k->src.batch_stride + g * plane;
        float *dst = j->out + n * k->dst.batch_stride + g * plane + voxel * k->block, fill[LARGEST_BLOCK];
        fill_of(k, g, fill);
        for (int32_t l = 0; l < k->block; l++)
            dst[l] = 0.0f;
        for (int32_t i = 0; i < s->count; i++) {
            const float *corner = s->offset[i] < 0 ? fill : src + s->offset[i] * k->block;
            for (int32_t l = 0; l < k->block; l++)
                dst[l] += s->weight[i] * corner[l];
        }
    }
}

// How the loss changes with the place of a voxel.
static void slope_voxel(const job *j, int64_t n, int64_t voxel, const stencil *s, double slope[3])
{
    const deform *k = j->kernel;
    int64_t plane = k->size[0] * k->size[1] * k->size[2] * k->block;
    slope[0] = slope[1] = slope[2] = 0;
    for (int64_t g = 0; g < k->groups; g++) {
        const float *src = j->src + n * k->src.batch_stride + g * plane;
        const float *diff = j->diff + n * k->dst.batch_stride + g * plane + voxel * k->block;
        float fill[LARGEST_BLOCK];
        fill_of(k, g, fill);
        for (int32_t i = 0; i < s->count; i++) {
            const float *corner = s->offset[i] < 0 ? fill : src + s->offset[i] * k->block;
            double dot = 0;
            for (int32_t l = 0; l < k->block; l++)
                dot += (double)(diff[l] * corner[l]);
            for (int32_t a = 0; a < 3; a++)
                slope[a] += (double)s->slope[i][a] * dot;
        }
    }
}

static void forward_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const job *j = arg;
    const deform *k = j->kernel;
    int64_t rows = k->size[0] * k->size[1];
    for (int64_t r = begin; r < end; r++) {
        const map *m = &j->maps[r / rows];
        int64_t at[3] = {r % rows / k->size[1], r % k->size[1], 0};
        float lines[3][POINTS];
        fold_lines(k, m, at[0], at[1], lines);
        for (; at[2] < k->size[2]; at[2]++) {
            double bend[3], from[3], place[3];
            stencil s;
            bend_at(j, lines, at[2], bend);
            place_at(k, m, at, bend, from, place);
            make_stencil(k, place, &s);
            forward_voxel(j, r / rows, r % rows * k->size[2] + at[2], &s);
        }
    }
}

static void sum_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const job *j = arg;
    const deform *k = j->kernel;
    int64_t rows = k->size[0] * k->size[1];
    for (int64_t r = begin; r < end; r++) {
        const map *m = &j->maps[r / rows];
        int64_t at[3] = {r % rows / k->size[1], r % k->size[1], 0};
        double *sums = j->sums + r * SUMS;
        float lines[3][POINTS];
        memset(sums, 0, SUMS * sizeof *sums);
        fold_lines(k, m, at[0], at[1], lines);
        for (; at[2] < k->size[2]; at[2]++) {
            double bend[3], from[3], place[3], slope[3];
            stencil s;
            bend_at(j, lines, at[2], bend);
            place_at(k, m, at, bend, from, place);
            make_stencil(k, place, &s);
            slope_voxel(j, r / rows, r % rows * k->size[2] + at[2], &s, slope);
            for (int32_t a = 0; a < 3; a++) {
                sums[a] += slope[a];
                for (int32_t b = 0; b < 3; b++) {
                    sums[3 + 3 * a + b] += slope[a] * from[b];
                    sums[12] += slope[a] * m->matrix[3 * a + b] * m->unit[b] * bend[b];
                }
            }
        }
    }
}

static void scatter_groups(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const job *j = arg;
    const deform *k = j->kernel;
    int64_t rows = k->size[0] * k->size[1], voxels = rows * k->size[2];
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t n = unit / k->groups, plane = unit % k->groups * voxels * k->block;
        const float *diff = j->diff + n * k->dst.batch_stride + plane;
        float *out = j->out + n * k->diff_src.batch_stride + plane;
        const map *m = &j->maps[n];
        memset(out, 0, (size_t)(voxels * k->block) * sizeof *out);
        for (int64_t r = 0; r < rows; r++) {
            int64_t at[3] = {r / k->size[1], r % k->size[1], 0};
            float lines[3][POINTS];
            fold_lines(k, m, at[0], at[1], lines);
            for (; at[2] < k->size[2]; at[2]++, diff += k->block) {
                double bend[3], from[3], place[3];
                stencil s;
                bend_at(j, lines, at[2], bend);
                place_at(k, m, at, bend, from, place);
                make_stencil(k, place, &s);
                for (int32_t i = 0; i < s.count; i++)
                    for (int32_t l = 0; l < k->block && s.offset[i] >= 0; l++)
                        out[s.offset[i] * k->block + l] += s.weight[i] * diff[l];
            }
        }
    }
}

static job lay_out(const deform *k, const float *draws, const float *magnitudes, void *scratch)
{
    job j = {.kernel = k, .sums = scratch};
    map *maps = (map *)(j.sums + k->samples * k->size[0] * k->size[1] * SUMS);
    float *basis = (float *)(maps + k->samples);
    int32_t *basis_from = (int32_t *)(void *)(basis + 4 * k->size[2]);
    make_maps(k, draws, magnitudes, maps);
    for (int64_t w = 0; w < k->size[2]; w++)
        basis_from[w] = gsg_spline_basis(w, k->size[2], basis + 4 * w);
    j.maps = maps;
    j.basis = basis;
    j.basis_from = basis_from;
    return j;
}

static genseg_status run_forward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const deform *k = (const deform *)self;
    job j = lay_out(k, args[1], args[2], scratch);
    j.src = args[0];
    j.out = args[3];
    gsg_parallel(self->context, k->samples * k->size[0] * k->size[1], 4, forward_rows, &j);
    return GENSEG_OK;
}

// From the sums of a sample to magnitudes.
static void add_sample(const deform *k, const map *m, const float *magnitudes, const double sums[SUMS],
                       double diff[GSG_DEFORM_MAGNITUDES])
{
    const float *range = k->options.range;
    gsg_transform t = transform_of(k, magnitudes, m->draws);
    double away = 1 + range_of(k, magnitudes, GSG_DEFORM_PAD) * (double)m->draws[PAD];
    for (int32_t i = 0; i < 9; i++) {
        double matrix[9], change = 0;
        int32_t a = i % 3;
        gsg_transform_matrix(&t, i, matrix);
        for (int32_t e = 0; e < 9; e++)
            change += matrix[e] * sums[3 + e];
        if (i < GSG_TRANSFORM_ANGLE) {
            double scale = scale_of(k, magnitudes, m->draws, a);
            diff[GSG_DEFORM_PAD] += change * (double)range[GSG_DEFORM_PAD] * (double)m->draws[PAD] / scale;
            if (scale > SMALLEST_SCALE)
                diff[GSG_DEFORM_SCALE] -=
                    change * away / (scale * scale) * (double)range[GSG_DEFORM_SCALE] * (double)m->draws[SCALE + a];
        } else if (i < GSG_TRANSFORM_SHEAR) {
            diff[GSG_DEFORM_ROTATION] +=
                change * (double)range[GSG_DEFORM_ROTATION] * PI / 180 * (double)m->draws[ANGLE + a];
        } else {
            diff[GSG_DEFORM_SHEAR] += change * (1 + t.shear[a] * t.shear[a]) * (double)range[GSG_DEFORM_SHEAR] * PI /
                                      180 * (double)m->draws[SHEAR + a];
        }
    }
    for (int32_t a = 0; a < 3; a++)
        if (k->size[a] > 1)
            diff[GSG_DEFORM_SHIFT] +=
                sums[a] * (double)range[GSG_DEFORM_SHIFT] * (double)m->draws[SHIFT + a] * (double)k->size[a];
    diff[GSG_DEFORM_ELASTIC] += sums[12];
}

static genseg_status run_backward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const deform *k = (const deform *)self;
    int64_t rows = k->size[0] * k->size[1];
    job j = lay_out(k, args[1], args[2], scratch);
    j.src = args[0];
    j.diff = args[3];
    if (args[4]) {
        j.out = args[4];
        gsg_parallel(self->context, k->samples * k->groups, 1, scatter_groups, &j);
    }
    if (!args[5])
        return GENSEG_OK;
    gsg_parallel(self->context, k->samples * rows, 4, sum_rows, &j);
    double diff[GSG_VECTOR_PAD] = {0};
    for (int64_t n = 0; n < k->samples; n++) {
        double sums[SUMS] = {0};
        for (int64_t r = 0; r < rows; r++)
            for (int32_t i = 0; i < SUMS; i++)
                sums[i] += j.sums[(n * rows + r) * SUMS + i];
        add_sample(k, &j.maps[n], args[2], sums, diff);
    }
    for (int32_t i = 0; i < GSG_VECTOR_PAD; i++)
        args[5][i] = (float)diff[i];
    return GENSEG_OK;
}

static genseg_status check(const gsg_deform *options, const gsg_desc *src, gsg_error *err)
{
    static const char *const names[] = {"rotation", "scale", "shift", "shear", "pad", "elastic"};
    if (src->shape.ndim != 4 && src->shape.ndim != 5)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "deform: %d dimensions", (int)src->shape.ndim);
    if (options->border != GSG_BORDER_CLASS && options->border != GSG_BORDER_EDGE)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "deform: border %d", (int)options->border);
    for (int32_t i = 0; i < GSG_DEFORM_MAGNITUDES; i++)
        if (!(options->range[i] >= 0.0f && isfinite(options->range[i])))
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "deform: range of %s is %g", names[i],
                                 (double)options->range[i]);
    for (int32_t a = 0; a < 3; a++)
        if (!(options->spacing[a] > 0 && isfinite(options->spacing[a])))
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "deform: spacing %g", options->spacing[a]);
    return GENSEG_OK;
}

static genseg_status make(gsg_engine *engine, const gsg_deform *options, int32_t backward, const gsg_desc *src,
                          const gsg_desc *dst, const gsg_desc *diff_src, gsg_kernel **kernel, gsg_error *err)
{
    const char *name = backward ? "deform backward" : "deform";
    gsg_walk walk; // for its checks alone
    genseg_status status =
        gsg_walk_init(&walk, name, diff_src ? 3 : 2, (const gsg_desc *const[]){src, dst, diff_src}, err);
    if (status == GENSEG_OK)
        status = check(options, src, err);
    if (status != GENSEG_OK)
        return status;
    if (src->block != dst->block || (diff_src && diff_src->block != src->block))
        return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "%s: layouts differ", name);
    deform *k = gsg_kernel_make(engine, sizeof *k, name, backward ? run_backward : run_forward, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->options = *options;
    k->src = *src;
    k->dst = *dst;
    if (diff_src)
        k->diff_src = *diff_src;
    k->samples = src->shape.dims[0];
    k->block = src->block;
    k->groups = gsg_desc_padded(src) / src->block;
    k->row = row_of(src->shape);
    k->spatial = src->shape.ndim - 2;
    for (int32_t a = 0; a < 3; a++) // 2-D has a depth of one
        k->size[a] = a < 3 - k->spatial ? 1 : src->shape.dims[a - 3 + src->shape.ndim];
    gsg_transform_mixes(options->spacing, k->size, k->mixes);
    k->base.scratch = (size_t)(k->samples * k->size[0] * k->size[1]) * SUMS * sizeof(double) +
                      (size_t)k->samples * sizeof(map) + (size_t)k->size[2] * (4 * sizeof(float) + sizeof(int32_t));
    k->base.bytes = 8.0 * (double)gsg_shape_count(src->shape);
    *kernel = &k->base;
    return GENSEG_OK;
}

genseg_status gsg_deform_forward_new(gsg_engine *engine, const gsg_deform *options, const gsg_desc *src,
                                     const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, options, 0, src, dst, NULL, kernel, err);
}

genseg_status gsg_deform_backward_new(gsg_engine *engine, const gsg_deform *options, const gsg_desc *src,
                                      const gsg_desc *diff_dst, const gsg_desc *diff_src, gsg_kernel **kernel,
                                      gsg_error *err)
{
    return make(engine, options, 1, src, diff_dst, diff_src, kernel, err);
}
