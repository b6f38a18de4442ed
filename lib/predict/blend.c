// Sums of weighted tiles, and classes from probabilities.
#include "predict/blend.h"

#include <string.h>

#include "core/parallel.h"

int64_t gsg_blend_row(const gsg_blend *blend)
{
    return blend->axis == 0 ? blend->held[1] * blend->held[2] : blend->held[2];
}

int64_t gsg_blend_plane(const gsg_blend *blend)
{
    return blend->held[0] * blend->held[1] * blend->held[2];
}

typedef struct advance_job {
    const gsg_blend *blend;
    int64_t rows; // that leave
} advance_job;

// Columns begin .. end - 1 of every row. Rows move towards the front, first row first, so none is
// overwritten before it has moved; ranges of columns never meet.
static void advance_columns(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const advance_job *job = arg;
    const gsg_blend *blend = job->blend;
    const int64_t row = gsg_blend_row(blend), rows = blend->held[blend->axis], kept = rows - job->rows;
    const size_t bytes = (size_t)(end - begin) * sizeof(float);
    for (int64_t k = 0; k < blend->planes; k++) {
        float *plane = blend->data + k * gsg_blend_plane(blend) + begin;
        for (int64_t r = 0; r < kept; r++)
            memcpy(plane + r * row, plane + (r + job->rows) * row, bytes);
        for (int64_t r = kept; r < rows; r++)
            memset(plane + r * row, 0, bytes);
    }
}

void gsg_blend_clear(gsg_blend *blend)
{
    advance_job job = {blend, blend->held[blend->axis]};
    memset(blend->origin, 0, sizeof blend->origin);
    gsg_parallel(blend->context, gsg_blend_row(blend), 256, advance_columns, &job);
}

void gsg_blend_advance(gsg_blend *blend, int64_t row)
{
    int64_t rows = row - blend->origin[blend->axis], room = blend->held[blend->axis];
    if (rows <= 0)
        return;
    advance_job job = {blend, rows < room ? rows : room};
    gsg_parallel(blend->context, gsg_blend_row(blend), 256, advance_columns, &job);
    blend->origin[blend->axis] = row;
}

typedef struct add_job {
    const gsg_blend *blend;
    const gsg_tile_axis *axes;
    const float *tile;
    const float *weights[3]; // of the tile's first voxel inside the volume
    int64_t skipped[3];      // voxels of the tile before that
    int64_t begin[3];        // where that lies in the volume
    int64_t count[3];        // voxels inside the volume
} add_job;

GSG_SIMD static void add_row(const float *GSG_RESTRICT src, const float *GSG_RESTRICT weights, float factor,
                             int64_t count, float *GSG_RESTRICT dst)
{
    for (int64_t x = 0; x < count; x++)
        dst[x] += factor * weights[x] * src[x];
}

static void add_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const add_job *job = arg;
    const gsg_blend *blend = job->blend;
    const gsg_tile_axis *axes = job->axes;
    for (int64_t r = begin; r < end; r++) {
        int64_t k = r / (job->count[0] * job->count[1]);
        int64_t d = r / job->count[1] % job->count[0], h = r % job->count[1];
        int64_t from = (k * axes[0].tile + d + job->skipped[0]) * axes[1].tile + h + job->skipped[1];
        int64_t to = (k * blend->held[0] + job->begin[0] + d - blend->origin[0]) * blend->held[1] + job->begin[1] + h -
                     blend->origin[1];
        add_row(job->tile + from * axes[2].tile + job->skipped[2], job->weights[2],
                job->weights[0][d] * job->weights[1][h], job->count[2],
                blend->data + to * blend->held[2] + job->begin[2]);
    }
}

void gsg_blend_add(gsg_blend *blend, const gsg_tile_axis axes[3], const int64_t index[3], const float *tile)
{
    add_job job = {.blend = blend, .axes = axes, .tile = tile};
    for (int32_t a = 0; a < 3; a++) {
        int64_t end;
        gsg_tile_axis_range(&axes[a], index[a], &job.begin[a], &end);
        job.count[a] = end - job.begin[a];
        job.skipped[a] = job.begin[a] - axes[a].origins[index[a]];
        job.weights[a] = axes[a].weights + index[a] * axes[a].tile + job.skipped[a];
    }
    gsg_parallel(blend->context, blend->planes * job.count[0] * job.count[1], 16, add_rows, &job);
}

typedef struct classify_job {
    const float *values;
    int64_t planes;
    int64_t stride;
    uint8_t *classes;
    float *probability;
    int64_t probability_stride;
} classify_job;

#define CHUNK 2048 // voxels whose best plane so far stays in the first-level cache

GSG_SIMD static void take_better(const float *GSG_RESTRICT values, int64_t count, int32_t plane,
                                 float *GSG_RESTRICT best, int32_t *GSG_RESTRICT chosen)
{
    for (int64_t i = 0; i < count; i++) {
        int32_t better = values[i] > best[i];
        chosen[i] = better ? plane : chosen[i];
        best[i] = better ? values[i] : best[i];
    }
}

static void choose_largest(const classify_job *job, int64_t begin, int64_t count)
{
    float best[CHUNK];
    int32_t chosen[CHUNK] = {0};
    memcpy(best, job->values + begin, (size_t)count * sizeof *best);
    for (int64_t k = 1; k < job->planes; k++)
        take_better(job->values + k * job->stride + begin, count, (int32_t)k, best, chosen);
    for (int64_t i = 0; i < count; i++)
        job->classes[begin + i] = (uint8_t)chosen[i];
    for (int64_t k = 0; job->probability != NULL && k < job->planes; k++)
        memcpy(job->probability + k * job->probability_stride + begin, job->values + k * job->stride + begin,
               (size_t)count * sizeof(float));
}

GSG_SIMD static void split_in_two(const float *GSG_RESTRICT values, int64_t count, uint8_t *GSG_RESTRICT classes,
                                  float *GSG_RESTRICT background, float *GSG_RESTRICT foreground)
{
    for (int64_t i = 0; i < count; i++)
        classes[i] = values[i] > 0.5f;
    for (int64_t i = 0; background != NULL && i < count; i++) {
        background[i] = 1 - values[i];
        foreground[i] = values[i];
    }
}

static void classify_voxels(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const classify_job *job = arg;
    float *background = job->probability != NULL ? job->probability + begin : NULL;
    if (job->planes == 1) {
        float *foreground = background != NULL ? background + job->probability_stride : NULL;
        split_in_two(job->values + begin, end - begin, job->classes + begin, background, foreground);
        return;
    }
    for (int64_t i = begin; i < end; i += CHUNK)
        choose_largest(job, i, end - i < CHUNK ? end - i : CHUNK);
}

void gsg_blend_classify(const genseg_context *context, const float *values, int64_t planes, int64_t stride,
                        int64_t count, uint8_t *classes, float *probability, int64_t probability_stride)
{
    classify_job job = {values, planes, stride, classes, probability, probability_stride};
    gsg_parallel(context, count, 4096, classify_voxels, &job);
}
