/**
 * @defgroup context Context
 * The context owns what everything else shares: allocator, memory limit, log
 * callback, number of threads, seed. Other handles keep a reference to theirs.
 *
 * Threads: a context may be shared by all threads. Two contexts share nothing.
 */
/** @file context.h
 *  @ingroup context */
#ifndef GENSEG_CONTEXT_H
#define GENSEG_CONTEXT_H

#include "genseg/base.h"

#ifdef __cplusplus
extern "C" {
#endif
/** @addtogroup context
 *  @{ */

/** Opaque; reference counted. */
typedef struct genseg_context genseg_context;

#define GENSEG_LOG_ERROR 1   /**< what a call returns an error for as well */
#define GENSEG_LOG_WARNING 2 /**< went on, but not as asked: a smaller tile, a generator that stopped learning */
#define GENSEG_LOG_INFO 3    /**< for a log file */
#define GENSEG_LOG_DEBUG 4   /**< for who looks for a fault */

/**
 * Receives what the library has to say, on the thread whose call it concerns.
 * @param level a GENSEG_LOG_* value
 * @param message one line without a final newline, valid during the call
 * @param user genseg_context_options::log_user
 */
typedef void (*genseg_log_fn)(int32_t level, const char *message, void *user);

/**
 * Allocates; may be called from any thread.
 * @param size bytes, not 0
 * @param alignment a power of two
 * @param user genseg_context_options::alloc_user
 * @return memory aligned to `alignment`, or NULL
 */
typedef void *(*genseg_alloc_fn)(size_t size, size_t alignment, void *user);

/**
 * Releases what the genseg_alloc_fn beside it returned; may be called from any thread.
 * @param memory never NULL
 * @param user genseg_context_options::alloc_user
 */
typedef void (*genseg_free_fn)(void *memory, void *user);

/** What a context is made with. Set by genseg_context_options_init() first. */
typedef struct genseg_context_options {
    size_t struct_size;    /**< set by genseg_context_options_init() */
    genseg_alloc_fn alloc; /**< NULL: the C library's; set both or neither */
    genseg_free_fn free;   /**< NULL: the C library's */
    void *alloc_user;      /**< for `alloc` and `free` */
    genseg_log_fn log;     /**< NULL: silent */
    void *log_user;        /**< for `log` */
    int32_t log_level;     /**< most detailed level passed on; default GENSEG_LOG_INFO */
    int32_t threads;       /**< 0: one for each core the process may use; at most 1024 */
    uint64_t seed;         /**< default 1 */
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
    size_t struct_size;    /**< set by the caller to sizeof(genseg_profile) */
    const char *operation; /**< "winograd", "batches", ...; borrowed until the rows are ordered again */
    int32_t ndim;          /**< of `shape`; 0: none */
    int32_t reserved;      /**< 0 */
    int64_t shape[5];      /**< of its first result: N, C, [D,] H, W */
    int64_t runs;          /**< how often it ran */
    double seconds;        /**< of all runs, as all figures that follow */
    double flops;          /**< 2 for a multiplication with its addition; convolutions count as direct ones */
    double bytes;          /**< read and written, were nothing in a cache */
} genseg_profile;

/**
 * Fills `options` with the defaults.
 * @param[out] options owned by the caller
 * @param size sizeof *options as the caller compiled it
 * @return INVALID
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_context_options_init(genseg_context_options *options, size_t size);

/**
 * Creates a context.
 * @param options NULL for the defaults; copied
 * @param[out] context owned by the caller, see genseg_context_free()
 * @param[out] err error text, or NULL
 * @return NOMEM, INVALID (only one of alloc/free; threads out of range), VERSION
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_context_new(const genseg_context_options *options, genseg_context **context,
                                            genseg_error *err);

/**
 * Drops the caller's reference. Memory goes with the last handle that uses it.
 * @param context or NULL
 * @threads any
 * @since 0.1
 */
GENSEG_API void genseg_context_free(genseg_context *context);

/**
 * Number of threads in use.
 * @param context or NULL
 * @return 1 or more; 0 without a context
 * @threads any
 * @since 0.1
 */
GENSEG_API int32_t genseg_context_threads(const genseg_context *context);

/**
 * Bytes held now and at most so far by this context's handles. Memory inside
 * oneDNN, HDF5 and the C library is not counted.
 * @param context or NULL: both are 0
 * @param[out] current may be NULL
 * @param[out] peak may be NULL
 * @threads any
 * @since 0.1
 */
GENSEG_API void genseg_context_memory(const genseg_context *context, uint64_t *current, uint64_t *peak);

/**
 * Begins (1) or ends (0) a profile of all that the context's handles do. It begins with nothing; what was
 * measured stays to be read when it has ended.
 * @param context whose work is measured
 * @param on 1 or 0
 * @param[out] err error text, or NULL
 * @return INVALID, NOMEM
 * @threads exclusive: no work of the context is in progress
 * @since 0.1
 */
GENSEG_API genseg_status genseg_context_set_profile(genseg_context *context, int32_t on, genseg_error *err);

/**
 * One row of the profile, those that took longest first.
 * @param context whose work was measured
 * @param index from 0, which orders the rows; INVALID ends the list
 * @param[in,out] profile its struct_size says how much the caller knows
 * @param[out] err error text, or NULL
 * @return INVALID
 * @threads exclusive: no work of the context is in progress
 * @since 0.1
 */
GENSEG_API genseg_status genseg_context_profile(genseg_context *context, int64_t index, genseg_profile *profile,
                                                genseg_error *err);

/**
 * Measures what the context's threads can compute at most, in single precision: fused multiply-adds on
 * registers, for about 50 ms.
 * @param context whose threads are measured
 * @return operations a second; 0 where it isn't known how (other processors than x86)
 * @threads any
 * @since 0.1
 */
GENSEG_API double genseg_context_peak(const genseg_context *context);

/** @} */
#ifdef __cplusplus
}
#endif
#endif
