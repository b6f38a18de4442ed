// Inner loops of winograd.c and conv_spread.c, for one width of vectors.
#ifndef GSG_KERNEL_WINOGRAD_SIMD_H
#define GSG_KERNEL_WINOGRAD_SIMD_H

#include <stdint.h>

#include "kernel/kernel.h"

#define GSG_WINOGRAD_POSITIONS 36 // of a transformed window of 6 x 6
#define GSG_WINOGRAD_CHAINS 12    // latency 4 at 2 a cycle wants 8; more than that spares the registers
#define GSG_WINOGRAD_ROWS 12      // whole groups of tiles for every panel

// A window or tile in an activation: floats from one row and column to the next, and which of them are inside.
typedef struct gsg_winograd_patch {
    int64_t row, column;
    int32_t rows[2], columns[2]; // first, and behind the last
} gsg_winograd_patch;

// Where the taps of one phase are among those of a kernel.
typedef struct gsg_winograd_taps {
    int32_t first, row, column; // numbers of taps
    int32_t flip;
    int32_t transposed; // rows are the stored block's columns
} gsg_winograd_taps;

// y = leaky(scale * sum + shift) where active.
typedef struct gsg_winograd_finish {
    int32_t active;
    int32_t stream; // past the caches; tiles lie at whole vectors
    float slope;
    const float *scale, *shift; // of the tile's channels
} gsg_winograd_finish;

typedef struct gsg_winograd_lanes {
    int32_t lanes;
    int32_t most; // vectors side by side in a product
    // Each position of a transform is `stride` floats behind the one before.
    void (*read_window)(const gsg_winograd_patch *patch, const float *data, float *out, int64_t stride);
    void (*read_tile)(const gsg_winograd_patch *patch, const float *data, float *out, int64_t stride, int size);
    void (*write_tile)(const gsg_winograd_patch *patch, const float *products, int64_t stride, float *data,
                       const gsg_winograd_finish *finish, int size);
    // Vectors from places `column` floats apart to others `row` apart.
    void (*copy_row)(const float *data, int64_t column, float *out, int64_t row, int64_t count);
    // Vectors of sums, `row` floats apart, to places `column` floats apart.
    void (*write_row)(const float *sums, int64_t row, float *data, int64_t column, int64_t count,
                      const gsg_winograd_finish *finish);
    // A block of lanes x lanes weights, and its gradient.
    void (*read_weights)(const gsg_winograd_taps *taps, const float *block, float *out, int64_t stride,
                         int64_t row_stride, int size);
    void (*write_weights)(const gsg_winograd_taps *taps, const float *sums, int64_t stride, int64_t row_stride,
                          float *block, int size);
    // out (tiles x count vectors) = a (tiles x depth) b (depth x count vectors, dense). Rows up to the next
    // multiple of GSG_WINOGRAD_ROWS may be read and written.
    void (*multiply)(int32_t count, const float *a, int64_t a_stride, const float *b, float *out, int64_t out_stride,
                     int64_t tiles, int64_t depth);
    // out (rows x count vectors) = or += transposed a (tiles x rows) b (tiles x count vectors); rows are whole vectors
    void (*correlate)(int32_t rows, int32_t count, const float *a, int64_t a_stride, const float *b, int64_t b_stride,
                      float *out, int64_t out_stride, int64_t tiles, int32_t add);
    // What was streamed is in memory before what comes after.
    void (*drain)(void);
    // So many times GSG_WINOGRAD_CHAINS multiply-adds in registers: the peak (peak.c).
    float (*chains)(int64_t rounds);
} gsg_winograd_lanes;

// For a block of channels; NULL where the machine has no such vectors.
const gsg_winograd_lanes *gsg_winograd_lanes_of(int32_t block);

// Are results in such a layout at `data` written past the caches? They are where they are too large to be found there
// later, which spares reading what they replace.
int32_t gsg_winograd_streams(const gsg_desc *dst, const float *data);

#endif
