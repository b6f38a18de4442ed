/**
 * @file context.h
 * The context owns what everything else shares: allocator, memory limit, log
 * callback, number of threads, seed. Other handles keep a reference to theirs.
 *
 * Threads: a context may be shared by all threads. Two contexts share nothing.
 */
#ifndef GENSEG_CONTEXT_H
#define GENSEG_CONTEXT_H

#include "genseg/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct genseg_context genseg_context;

#define GENSEG_LOG_ERROR 1
#define GENSEG_LOG_WARNING 2
#define GENSEG_LOG_INFO 3
#define GENSEG_LOG_DEBUG 4

/** `message` is one line without a final newline, valid during the call. */
typedef void (*genseg_log_fn)(int32_t level, const char *message, void *user);

/** Returns `size` bytes aligned to `alignment` (a power of two), or NULL. */
typedef void *(*genseg_alloc_fn)(size_t size, size_t alignment, void *user);
/** Releases what the genseg_alloc_fn beside it returned; never called with NULL. */
typedef void (*genseg_free_fn)(void *memory, void *user);

typedef struct genseg_context_options {
    size_t struct_size;
    genseg_alloc_fn alloc; /**< NULL: the C library's; set both or neither */
    genseg_free_fn free;
    void *alloc_user;
    genseg_log_fn log; /**< NULL: silent */
    void *log_user;
    int32_t log_level; /**< most detailed level passed on; default GENSEG_LOG_INFO */
    int32_t threads;   /**< 0: one for each core the process may use */
    uint64_t seed;     /**< default 1 */
    /** Bytes that this context's handles may hold at once; 0: no limit. What
        would exceed it is refused with GENSEG_ERROR_NOMEM, before the work
        begins where the need is known in advance. */
    uint64_t memory_limit;
    /** 0 (default): convolutions by Winograd's method where their shapes say that it is faster; 1: none, as
        a check. Results differ by rounding alone (relative errors below 1e-5 a convolution). */
    int32_t no_winograd;
    int32_t reserved; /**< 0 */
} genseg_context_options;

/** What one kind of operation of one shape cost, see genseg_context_profile(). */
typedef struct genseg_profile {
    size_t struct_size;
    const char *operation; /**< "winograd", "batches", ...; borrowed until the rows are ordered again */
    int32_t ndim;          /**< of `shape`; 0: none */
    int32_t reserved;
    int64_t shape[5]; /**< of its first result: N, C, [D,] H, W */
    int64_t runs;
    double seconds; /**< of all runs, as all figures that follow */
    double flops;   /**< 2 for a multiplication with its addition; convolutions count as direct ones */
    double bytes;   /**< read and written, were nothing in a cache */
} genseg_profile;

/**
 * Fills `options` with the defaults.
 * @param size sizeof *options as the caller compiled it
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_context_options_init(genseg_context_options *options, size_t size);

/**
 * Creates a context.
 * @param options NULL for the defaults; copied
 * @param[out] context owned by the caller, see genseg_context_free()
 * @return NOMEM, INVALID (only one of alloc/free; threads < 0), VERSION
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_context_new(const genseg_context_options *options, genseg_context **context,
                                            genseg_error *err);

/**
 * Drops the caller's reference. Memory goes with the last handle that uses it.
 * @threads any
 * @since 0.1
 */
GENSEG_API void genseg_context_free(genseg_context *context);

/** Number of threads in use. @threads any @since 0.1 */
GENSEG_API int32_t genseg_context_threads(const genseg_context *context);

/**
 * Bytes held now and at most so far by this context's handles. Memory inside
 * oneDNN, HDF5 and the C library is not counted.
 * @param[out] current may be NULL
 * @param[out] peak may be NULL
 * @threads any
 * @since 0.1
 */
GENSEG_API void genseg_context_memory(const genseg_context *context, uint64_t *current, uint64_t *peak);

/**
 * Begins (1) or ends (0) a profile of all that the context's handles do. It begins with nothing; what was
 * measured stays to be read when it has ended.
 * @return INVALID, NOMEM
 * @threads exclusive: no work of the context is in progress
 * @since 0.1
 */
GENSEG_API genseg_status genseg_context_set_profile(genseg_context *context, int32_t on, genseg_error *err);

/**
 * One row of the profile, those that took longest first.
 * @param index from 0, which orders the rows; INVALID ends the list
 * @param[out] profile its struct_size says how much the caller knows
 * @return INVALID
 * @threads exclusive: no work of the context is in progress
 * @since 0.1
 */
GENSEG_API genseg_status genseg_context_profile(genseg_context *context, int64_t index, genseg_profile *profile,
                                                genseg_error *err);

/**
 * Measures what the context's threads can compute at most, in single precision operations a second: fused
 * multiply-adds on registers, for about 50 ms.
 * @return 0 where it isn't known how (other processors than x86)
 * @threads any
 * @since 0.1
 */
GENSEG_API double genseg_context_peak(const genseg_context *context);

#ifdef __cplusplus
}
#endif
#endif
