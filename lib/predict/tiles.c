// Tiles as in nnU-Net (Isensee et al. 2021): evenly spaced with at least the
// wanted overlap, weighted by a Gaussian with a deviation of an eighth of the tile.
#include "predict/tiles.h"

#include <math.h>

#include "core/alloc.h"
#include "data/resample.h"

int64_t gsg_tile_count(int64_t size, int64_t tile, double overlap)
{
    if (size <= tile)
        return 1;
    // The small number keeps an overlap like 0.9, which has no exact double, from costing a tile.
    double steps = ceil((double)(size - tile) / ((double)tile * (1 - overlap)) - 1e-9);
    int64_t most = size - tile + 1; // at every voxel
    return steps + 1 < (double)most ? (int64_t)steps + 1 : most;
}

static int64_t place_tile(int64_t size, int64_t tile, int64_t count, int64_t index)
{
    if (count == 1) // where the sampler puts a small case in training (data/batch.c)
        return -((tile - size + 1) / 2);
    return (2 * index * (size - tile) + count - 1) / (2 * (count - 1));
}

// exp(-8) at the border: small, but far from vanishing, so every voxel has a sum to divide by.
static double bell(int64_t i, int64_t tile)
{
    double distance = ((double)i - (double)(tile - 1) / 2) / ((double)tile / 8);
    return exp(-distance * distance / 2);
}

static double sum_of_bells(const gsg_tile_axis *axis, int64_t voxel, int64_t *nearest)
{
    // Only the tiles from *nearest on reach this voxel; origins and voxels ascend.
    while (axis->origins[*nearest] + axis->tile <= voxel)
        ++*nearest;
    double sum = 0;
    for (int64_t t = *nearest; t < axis->count && axis->origins[t] <= voxel; t++)
        sum += bell(voxel - axis->origins[t], axis->tile);
    return sum;
}

static void weigh(gsg_tile_axis *axis)
{
    int64_t first = 0;
    for (int64_t voxel = 0; voxel < axis->size; voxel++) {
        double sum = sum_of_bells(axis, voxel, &first);
        for (int64_t t = first; t < axis->count && axis->origins[t] <= voxel; t++) {
            int64_t i = voxel - axis->origins[t];
            axis->weights[t * axis->tile + i] = (float)(bell(i, axis->tile) / sum);
        }
    }
}

genseg_status gsg_tile_axis_new(genseg_context *context, int64_t size, int64_t tile, double overlap,
                                gsg_tile_axis *axis, gsg_error *err)
{
    gsg_tile_axis made = {.size = size, .tile = tile, .count = gsg_tile_count(size, tile, overlap)};
    size_t weights = 0;
    if (gsg_multiply((size_t)made.count, (size_t)tile, &weights)) {
        made.origins = gsg_alloc(context, (size_t)made.count, sizeof *made.origins);
        made.weights = gsg_alloc_zero(context, weights, sizeof *made.weights);
    }
    if (made.origins == NULL || made.weights == NULL) {
        gsg_tile_axis_free(context, &made);
        return gsg_error_nomem(err, weights * sizeof *made.weights);
    }
    for (int64_t t = 0; t < made.count; t++)
        made.origins[t] = place_tile(size, tile, made.count, t);
    weigh(&made);
    *axis = made;
    return GENSEG_OK;
}

void gsg_tile_axis_free(genseg_context *context, gsg_tile_axis *axis)
{
    gsg_free(context, axis->origins);
    gsg_free(context, axis->weights);
    *axis = (gsg_tile_axis){0};
}

void gsg_tile_axis_range(const gsg_tile_axis *axis, int64_t index, int64_t *begin, int64_t *end)
{
    int64_t origin = axis->origins[index];
    *begin = origin > 0 ? origin : 0;
    *end = origin + axis->tile < axis->size ? origin + axis->tile : axis->size;
}

int64_t gsg_stream_plan(const gsg_tile_axis *tiles, const int64_t volume[3], const int64_t result[3], int32_t axis,
                        gsg_stream_step *steps)
{
    int64_t most = 0, next = 0; // result slices before `next` have left
    for (int64_t t = 0; t < tiles->count; t++) {
        gsg_stream_step *step = &steps[t];
        gsg_resample_slab slab = {.axis = axis, .dst_begin = next, .dst_end = next + 1};
        gsg_tile_axis_range(tiles, t, &step->begin, &step->end);
        // The next tile adds to rows from its origin on; those before are final.
        int64_t final = t + 1 < tiles->count ? tiles->origins[t + 1] : tiles->size;
        step->result_begin = next;
        while (next < result[axis]) {
            slab.dst_begin = next;
            slab.dst_end = next + 1;
            gsg_resample_needs(volume, result, &slab);
            if (next == step->result_begin && slab.src_begin < step->begin)
                step->begin = slab.src_begin; // held over from the step before
            if (slab.src_end > final)
                break;
            next++;
        }
        step->result_end = next;
        most = step->end - step->begin > most ? step->end - step->begin : most;
    }
    return most;
}
