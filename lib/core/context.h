// The struct behind genseg_context: reference count, allocator, log, threads.
#ifndef GSG_CORE_CONTEXT_H
#define GSG_CORE_CONTEXT_H

#include <stdatomic.h>

#include "core/error.h"
#include "genseg/context.h"

typedef struct gsg_profile gsg_profile; // core/profile.h

struct genseg_context {
    atomic_int references;
    genseg_context_options options; // complete: threads > 0, alloc and free set
    atomic_uint_least64_t memory;   // bytes held now
    atomic_uint_least64_t memory_peak;
    gsg_profile *profile;  // NULL until it is first switched on
    atomic_int profiling;
    int64_t process; // pid of the creator, to detect a fork
};

genseg_status gsg_context_new(const genseg_context_options *options, genseg_context **context, gsg_error *err);
genseg_context *gsg_context_retain(genseg_context *context);
void gsg_context_release(genseg_context *context); // NULL allowed

// FORKED where this process is not the one that created the context.
genseg_status gsg_context_check(const genseg_context *context, gsg_error *err);

// Copies `given` (may be NULL) over `defaults`, both of which start with their
// struct_size; a shorter, older struct leaves the rest at the defaults; non-zero
// bytes beyond `size` are refused with VERSION. `name` is for the message.
genseg_status gsg_options_copy(void *defaults, size_t size, const void *given, const char *name, gsg_error *err);

// Fills an option struct of the caller: as much of `defaults` (which start with a size_t struct_size) as
// the caller's `size` has room for, and its struct_size.
genseg_status gsg_options_init(void *options, size_t size, const void *defaults, size_t known);
void gsg_context_defaults(genseg_context_options *options);

#endif
