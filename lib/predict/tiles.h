// Where the tiles of a volume lie, how they are blended and in which order
// finished results leave. Tiles form a grid, so every axis is planned by itself.
#ifndef GSG_PREDICT_TILES_H
#define GSG_PREDICT_TILES_H

#include "core/context.h"

// The tiles along one axis. The weight of a tile at a voxel is the product of its
// three axes' weights.
typedef struct gsg_tile_axis {
    int64_t size;     // voxels of the volume
    int64_t tile;     // voxels of a tile
    int64_t count;    // tiles
    int64_t *origins; // voxel of the volume at a tile's voxel 0, ascending; negative where the tile is larger
    // (count, tile): what each voxel of a tile counts. At every voxel of the volume the weights of all tiles
    // sum to 1; beyond the volume they are 0.
    float *weights;
} gsg_tile_axis;

// Number of tiles along an axis, as gsg_tile_axis_new() takes them.
int64_t gsg_tile_count(int64_t size, int64_t tile, double overlap);
// overlap: 0 to 0.9, part of a tile that the next one covers as well (at least). NOMEM.
genseg_status gsg_tile_axis_new(genseg_context *context, int64_t size, int64_t tile, double overlap,
                                gsg_tile_axis *axis, gsg_error *err);
void gsg_tile_axis_free(genseg_context *context, gsg_tile_axis *axis); // frees its arrays, zeroes it
// Voxels begin <= i < end of the volume that tile `index` covers.
void gsg_tile_axis_range(const gsg_tile_axis *axis, int64_t index, int64_t *begin, int64_t *end);

// One position of the tiles along the axis of streaming: which rows of the volume
// are in memory while its tiles run, and which result slices are final afterwards.
typedef struct gsg_stream_step {
    int64_t begin; // rows begin <= i < end are held
    int64_t end;
    int64_t result_begin; // result slices result_begin <= i < result_end leave
    int64_t result_end;
} gsg_stream_step;

// Fills steps[0 .. tiles->count - 1]; volume and result are D, H, W, `axis` (0 or 1) is where rows are streamed.
// Returns the most rows that a step holds.
int64_t gsg_stream_plan(const gsg_tile_axis *tiles, const int64_t volume[3], const int64_t result[3], int32_t axis,
                        gsg_stream_step *steps);

#endif
