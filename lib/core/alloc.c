// Memory of a context (core/alloc.h). A header of 64 bytes before each block
// keeps its size, so that freeing needs no size and the count stays exact.

#include "core/alloc.h"

#include <stdint.h>
#include <string.h>

#define ALIGNMENT 64

typedef struct header {
    size_t bytes; // of the block and this header
} header;

bool gsg_multiply(size_t a, size_t b, size_t *product)
{
    if (b != 0 && a > SIZE_MAX / b) {
        return false;
    }
    *product = a * b;
    return true;
}

static header *header_of(void *memory)
{
    return (header *)((char *)memory - ALIGNMENT);
}

// Counts `bytes` before they are had, so that two threads cannot both take
// the last of the limit.
static bool reserve(genseg_context *context, size_t bytes)
{
    uint64_t limit = context->options.memory_limit;
    uint_least64_t held = atomic_load(&context->memory);
    do {
        if (bytes > UINT64_MAX - held || (limit != 0 && held + bytes > limit)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&context->memory, &held, held + bytes));
    return true;
}

static void note_peak(genseg_context *context)
{
    uint_least64_t held = atomic_load(&context->memory);
    uint_least64_t peak = atomic_load(&context->memory_peak);
    while (held > peak && !atomic_compare_exchange_weak(&context->memory_peak, &peak, held)) {
    }
}

void *gsg_alloc(genseg_context *context, size_t count, size_t size)
{
    size_t bytes;
    if (!gsg_multiply(count, size, &bytes) || bytes > PTRDIFF_MAX - ALIGNMENT) {
        return NULL;
    }
    bytes += ALIGNMENT;
    if (!reserve(context, bytes)) {
        return NULL;
    }
    header *block = context->options.alloc(bytes, ALIGNMENT, context->options.alloc_user);
    if (block == NULL) {
        atomic_fetch_sub(&context->memory, bytes);
        return NULL;
    }
    note_peak(context);
    block->bytes = bytes;
    return (char *)block + ALIGNMENT;
}

void *gsg_alloc_zero(genseg_context *context, size_t count, size_t size)
{
    void *memory = gsg_alloc(context, count, size);
    if (memory != NULL) {
        memset(memory, 0, count * size);
    }
    return memory;
}

void *gsg_realloc(genseg_context *context, void *memory, size_t count, size_t size)
{
    void *fresh = gsg_alloc(context, count, size);
    if (fresh == NULL || memory == NULL) {
        return fresh;
    }
    size_t kept = header_of(memory)->bytes - ALIGNMENT;
    memcpy(fresh, memory, kept < count * size ? kept : count * size);
    gsg_free(context, memory);
    return fresh;
}

void gsg_free(genseg_context *context, void *memory)
{
    if (memory == NULL) {
        return;
    }
    header *block = header_of(memory);
    size_t bytes = block->bytes;
    context->options.free(block, context->options.alloc_user);
    atomic_fetch_sub(&context->memory, bytes);
}

char *gsg_strndup(genseg_context *context, const char *text, size_t length)
{
    length = strnlen(text, length);
    if (length == SIZE_MAX) {
        return NULL;
    }
    char *copy = gsg_alloc(context, length + 1, 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *gsg_strdup(genseg_context *context, const char *text)
{
    return gsg_strndup(context, text, strlen(text));
}
