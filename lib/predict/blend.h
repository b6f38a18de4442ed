// The sums of weighted tiles: all planes of the few rows of the volume that are
// in use, and the classes that come of them. Every loop goes over the context's
// threads by voxel, so that the order of a voxel's sum never changes.
#ifndef GSG_PREDICT_BLEND_H
#define GSG_PREDICT_BLEND_H

#include "predict/tiles.h"

// Voxel (d, h, w) of plane k is data[((k * held[0] + d - origin[0]) * held[1] + h - origin[1]) * held[2] + w].
// `held` is the volume's size but along `axis`, where it is the number of rows that there is room for.
typedef struct gsg_blend {
    genseg_context *context;
    int32_t axis; // rows lie along D (0) or H (1)
    int32_t reserved;
    int64_t planes;
    int64_t held[3];
    int64_t origin[3]; // 0 but along `axis`
    float *data;
} gsg_blend;

int64_t gsg_blend_row(const gsg_blend *blend);   // floats of a row
int64_t gsg_blend_plane(const gsg_blend *blend); // floats from one plane to the next

// Makes all rows zero; the first is row 0 of the volume.
void gsg_blend_clear(gsg_blend *blend);
// Makes `row` of the volume the first one: rows before it are dropped, the room that this gives is zero.
void gsg_blend_advance(gsg_blend *blend, int64_t row);
// Adds the tile (planes, tile's D, H, W) number index[a] along each axis a.
void gsg_blend_add(gsg_blend *blend, const gsg_tile_axis axes[3], const int64_t index[3], const float *tile);

// `count` voxels, from one plane to the next `stride` floats. classes: 1 where the only plane exceeds 1/2, or
// the first of the largest planes (at most 256). probability: NULL, or two planes (1 - p, p) for one, else
// a copy; `probability_stride` floats from plane to plane.
void gsg_blend_classify(const genseg_context *context, const float *values, int64_t planes, int64_t stride,
                        int64_t count, uint8_t *classes, float *probability, int64_t probability_stride);

#endif
