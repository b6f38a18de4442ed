// Memory of a context: every block is 64-byte aligned, counted, and refused
// (NULL) beyond the context's memory_limit. Sizes are multiplied with care.
#ifndef GSG_CORE_ALLOC_H
#define GSG_CORE_ALLOC_H

#include <stdbool.h>

#include "core/context.h"

// count * size bytes, or NULL (overflow, limit, exhaustion). A size of 0 gives
// a block that may be freed.
void *gsg_alloc(genseg_context *context, size_t count, size_t size);
void *gsg_alloc_zero(genseg_context *context, size_t count, size_t size);
// NULL leaves the old block as it was.
void *gsg_realloc(genseg_context *context, void *memory, size_t count, size_t size);
void gsg_free(genseg_context *context, void *memory); // NULL allowed
char *gsg_strdup(genseg_context *context, const char *text);
char *gsg_strndup(genseg_context *context, const char *text, size_t length);

bool gsg_multiply(size_t a, size_t b, size_t *product); // false on overflow

#endif
