// The context (core/context.h): reference count, allocator and the copy of the
// option structs that every room uses.

#include "core/context.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/parallel.h"
#include "core/profile.h"

// Beyond this libgomp may fail to start its threads, which ends the process.
#define MAX_THREADS 1024
// No struct of ours comes near; a larger struct_size was never initialised.
#define MAX_STRUCT_SIZE 65536
#define ALIGNMENT 64
#define HUGE_PAGE ((size_t)2 << 20) // of x86-64
#define LARGE (2 * HUGE_PAGE)       // from here on a block has a whole one

static void *default_alloc(size_t size, size_t alignment, void *user)
{
    void *memory = NULL;
    bool had = posix_memalign(&memory, alignment, size) == 0; // lint-allow: the default allocator
    if (had && size >= LARGE) {
        // Whole huge pages alone: what is faulted in then is what was asked for.
        const uintptr_t begin = ((uintptr_t)memory + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
        const uintptr_t end = ((uintptr_t)memory + size) / HUGE_PAGE * HUGE_PAGE;
        madvise((void *)begin, end - begin, MADV_HUGEPAGE); // where it is refused, small pages serve as well
    }
    return had ? memory : NULL;
}

static void default_free(void *memory, void *user)
{
    free(memory); // lint-allow: the default allocator
}

genseg_status gsg_options_copy(void *defaults, size_t size, const void *given, const char *name, gsg_error *err)
{
    if (given == NULL) {
        return GENSEG_OK;
    }
    size_t given_size;
    memcpy(&given_size, given, sizeof given_size);
    if (given_size < sizeof given_size) {
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: struct_size is %zu, call %s_init() first", name,
                             given_size, name);
    }
    if (given_size > MAX_STRUCT_SIZE) {
        return gsg_error_set(err, GENSEG_ERROR_VERSION, "%s: struct_size is %zu, known are %zu bytes", name, given_size,
                             size);
    }
    const unsigned char *bytes = given;
    for (size_t i = size; i < given_size; ++i) {
        if (bytes[i] != 0) {
            return gsg_error_set(err, GENSEG_ERROR_VERSION,
                                 "%s: byte %zu is set, but this version of the library knows %zu bytes", name, i, size);
        }
    }
    memcpy(defaults, given, given_size < size ? given_size : size);
    memcpy(defaults, &size, sizeof size);
    return GENSEG_OK;
}

void gsg_context_defaults(genseg_context_options *options)
{
    *options = (genseg_context_options){.struct_size = sizeof *options, .log_level = GENSEG_LOG_INFO, .seed = 1};
}

genseg_status gsg_options_init(void *options, size_t size, const void *defaults, size_t known)
{
    if (!options || size < sizeof(size_t))
        return GENSEG_ERROR_INVALID;
    memset(options, 0, size);
    memcpy(options, defaults, size < known ? size : known);
    memcpy(options, &size, sizeof size); // struct_size comes first
    return GENSEG_OK;
}

genseg_status gsg_context_new(const genseg_context_options *options, genseg_context **context, gsg_error *err)
{
    genseg_context_options o;
    gsg_context_defaults(&o);
    genseg_status status = gsg_options_copy(&o, sizeof o, options, "genseg_context_options", err);
    if (status != GENSEG_OK) {
        return status;
    }
    if ((o.alloc == NULL) != (o.free == NULL)) {
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "alloc and free must be set both or neither");
    }
    if (o.no_winograd != 0 && o.no_winograd != 1) {
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "no_winograd is %d, allowed are 0 and 1", (int)o.no_winograd);
    }
    if (o.threads < 0 || o.threads > MAX_THREADS) {
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "threads is %d, allowed are 0 to %d", (int)o.threads,
                             MAX_THREADS);
    }
    if (o.alloc == NULL) {
        o.alloc = default_alloc;
        o.free = default_free;
    }
    if (o.threads == 0) {
        int32_t cores = gsg_parallel_cores();
        o.threads = cores < MAX_THREADS ? cores : MAX_THREADS;
    }
    // Not counted: an idle context holds 0 bytes, which makes leaks plain.
    genseg_context *made = o.alloc(sizeof *made, ALIGNMENT, o.alloc_user);
    if (made == NULL) {
        return gsg_error_nomem(err, sizeof *made);
    }
    memset(made, 0, sizeof *made);
    atomic_init(&made->references, 1);
    atomic_init(&made->memory, 0);
    atomic_init(&made->memory_peak, 0);
    atomic_init(&made->profiling, 0);
    made->options = o;
    made->process = getpid();
    *context = made;
    return GENSEG_OK;
}

genseg_context *gsg_context_retain(genseg_context *context)
{
    atomic_fetch_add(&context->references, 1);
    return context;
}

void gsg_context_release(genseg_context *context)
{
    if (context == NULL || atomic_fetch_sub(&context->references, 1) != 1) {
        return;
    }
    gsg_profile_free(context);
    context->options.free(context, context->options.alloc_user);
}

genseg_status gsg_context_check(const genseg_context *context, gsg_error *err)
{
    int64_t process = getpid();
    if (process != context->process) {
        return gsg_error_set(err, GENSEG_ERROR_FORKED, "context of process %lld is used in its forked child %lld",
                             (long long)context->process, (long long)process);
    }
    return GENSEG_OK;
}
