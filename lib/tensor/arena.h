// One block of memory for all intermediate values: offsets are assigned from
// lifetimes, greedily by size, so that the peak is known before anything runs.
#ifndef GSG_TENSOR_ARENA_H
#define GSG_TENSOR_ARENA_H

#include "core/context.h"

// Alive at steps first..last, both included. `offset` is the result.
typedef struct gsg_arena_block {
    size_t size; // bytes; 0 gets offset 0
    int32_t first;
    int32_t last;
    size_t offset; // multiple of 64
} gsg_arena_block;

// Overlap in time means no overlap in memory. `total` is the arena's size.
genseg_status gsg_arena_assign(genseg_context *context, gsg_arena_block *blocks, int64_t count, size_t *total,
                               gsg_error *err);

#endif
