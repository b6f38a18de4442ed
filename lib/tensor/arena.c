// Offsets in an arena (tensor/arena.h), greedy by size: Y. Pisarchyk, J. Lee,
// "Efficient memory management for deep neural net inference", 2020, section 5.
// Largest block first, each into the tightest gap between the blocks placed so
// far that live at the same time. Quadratic in the number of blocks.

#include "tensor/arena.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

#define ALIGNMENT 64

typedef struct item {
    size_t size; // rounded up to ALIGNMENT
    size_t offset;
    int32_t first;
    int32_t last;
    int64_t index; // in the caller's list
} item;

// Larger first; equal sizes in the caller's order, so that plans repeat.
static int compare_items(const void *a, const void *b)
{
    const item *x = a;
    const item *y = b;
    if (x->size != y->size) {
        return x->size > y->size ? -1 : 1;
    }
    return x->index < y->index ? -1 : x->index > y->index;
}

// Places `next` among `placed`, which is kept sorted by offset. False where the
// end of the block is beyond SIZE_MAX.
static bool place(item **placed, int64_t count, item *next)
{
    size_t end = 0; // of the blocks passed so far that live at the same time
    size_t best_gap = SIZE_MAX;
    size_t best = 0;
    bool found = false;
    for (int64_t i = 0; i < count; ++i) {
        const item *other = placed[i];
        if (other->last < next->first || next->last < other->first) {
            continue;
        }
        if (other->offset > end) {
            size_t gap = other->offset - end;
            if (gap >= next->size && gap < best_gap) {
                best_gap = gap;
                best = end;
                found = true;
            }
        }
        if (other->offset + other->size > end) {
            end = other->offset + other->size;
        }
    }
    next->offset = found ? best : end;
    if (next->offset > SIZE_MAX - next->size) {
        return false;
    }
    int64_t position = count;
    while (position > 0 && placed[position - 1]->offset > next->offset) {
        placed[position] = placed[position - 1];
        --position;
    }
    placed[position] = next;
    return true;
}

// Fills `items` with the blocks that need room, checked; returns their number.
static genseg_status collect(const gsg_arena_block *blocks, int64_t count, item *items, int64_t *kept, gsg_error *err)
{
    int64_t n = 0;
    for (int64_t i = 0; i < count; ++i) {
        const gsg_arena_block *block = &blocks[i];
        if (block->first > block->last) {
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "arena block %lld lives from step %d to %d", (long long)i,
                                 (int)block->first, (int)block->last);
        }
        if (block->size > SIZE_MAX - ALIGNMENT) {
            return gsg_error_nomem(err, block->size);
        }
        if (block->size > 0) {
            size_t size = (block->size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
            items[n++] = (item){.size = size, .first = block->first, .last = block->last, .index = i};
        }
    }
    *kept = n;
    return GENSEG_OK;
}

genseg_status gsg_arena_assign(genseg_context *context, gsg_arena_block *blocks, int64_t count, size_t *total,
                               gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    size_t needed = 0;
    int64_t kept = 0;
    item *items = gsg_alloc(context, (size_t)count, sizeof *items);
    item **placed = gsg_alloc(context, (size_t)count, sizeof *placed);
    if (items == NULL || placed == NULL) {
        status = gsg_error_nomem(err, (size_t)count * (sizeof *items + sizeof *placed));
        goto done;
    }
    GSG_TRY(collect(blocks, count, items, &kept, err));
    qsort(items, (size_t)kept, sizeof *items, compare_items);
    for (int64_t i = 0; i < kept; ++i) {
        if (!place(placed, i, &items[i])) {
            status = gsg_error_nomem(err, SIZE_MAX);
            goto done;
        }
        size_t end = items[i].offset + items[i].size;
        needed = end > needed ? end : needed;
    }
    for (int64_t i = 0; i < count; ++i) {
        blocks[i].offset = 0;
    }
    for (int64_t i = 0; i < kept; ++i) {
        blocks[items[i].index].offset = items[i].offset;
    }
    *total = needed;
done:
    gsg_free(context, placed);
    gsg_free(context, items);
    return status;
}
