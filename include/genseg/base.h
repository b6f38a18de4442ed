/**
 * @defgroup base Base
 * What every other header builds on: export macro, status codes, the error
 * struct, element types and the array through which host memory crosses.
 *
 * Rules that hold for the whole library:
 * - a fallible call returns genseg_status (0 is success, errors are negative
 *   and never renumbered) and takes a `genseg_error *` last, which may be NULL;
 * - "Returns" below lists the errors of a function without their prefix: NOMEM is
 *   #GENSEG_ERROR_NOMEM. A NULL where a value is needed is INVALID, a handle used in
 *   a forked child FORKED, a struct that is newer than the library VERSION;
 * - on error all outputs are as they were before the call;
 * - a handle that a function gives out is the caller's, to be freed by its `_free`;
 * - the library never prints, exits, opens a socket, forks or reads an
 *   environment variable of its own;
 * - strings are UTF-8; a returned `const char *` is borrowed from its handle;
 * - every `_free` takes NULL, cannot fail, and handles may go in any order;
 * - "Threads" is `any` (at any time), or `exclusive` (no other call with this
 *   handle meanwhile).
 */
/** @file base.h
 *  @ingroup base */
#ifndef GENSEG_BASE_H
#define GENSEG_BASE_H

#include <stddef.h>
#include <stdint.h>

/** @addtogroup base
 *  @{ */

/** Marks what libgenseg.so exports. */
#if defined(GENSEG_BUILD) && defined(__GNUC__)
#define GENSEG_API __attribute__((visibility("default")))
#else
#define GENSEG_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Result of a call: GENSEG_OK or one of the negative codes below. */
typedef int32_t genseg_status;

#define GENSEG_OK 0                    /**< done */
#define GENSEG_ERROR_NOMEM (-1)        /**< memory, or the memory limit, is exhausted */
#define GENSEG_ERROR_INVALID (-2)      /**< an argument is out of its range */
#define GENSEG_ERROR_STATE (-3)        /**< the handle is not in a state for this */
#define GENSEG_ERROR_IO (-4)           /**< the system refused to read or write */
#define GENSEG_ERROR_FORMAT (-5)       /**< a file's content is damaged or foreign */
#define GENSEG_ERROR_UNSUPPORTED (-6)  /**< well formed, but not handled here */
#define GENSEG_ERROR_SHAPE (-7)        /**< shapes, spacings or affines disagree */
#define GENSEG_ERROR_NUMERIC (-8)      /**< NaN or Inf, in data or in training */
#define GENSEG_ERROR_CANCELLED (-9)    /**< a callback or genseg_trainer_cancel() asked */
#define GENSEG_ERROR_CALLBACK (-10)    /**< a host callback broke its contract */
#define GENSEG_ERROR_BACKEND (-11)     /**< oneDNN, HDF5 or another library failed */
#define GENSEG_ERROR_COMM (-12)        /**< a communicator failed */
#define GENSEG_ERROR_VERSION (-13)     /**< written by, or compiled against, a newer version */
#define GENSEG_ERROR_FORKED (-14)      /**< handle used in a forked child */
#define GENSEG_ERROR_INTERNAL (-15)    /**< a defect of the library: please report */

/** Bytes in genseg_error::message, its final NUL included. */
#define GENSEG_ERROR_MESSAGE_SIZE 504

/**
 * Error text, owned by the caller. No initialisation is needed; a successful
 * call leaves it alone. The message is one line without a final newline and
 * names the cause with its data (`case_07.nii.gz: dim[1] is 0`).
 */
typedef struct genseg_error {
    int32_t status;                          /**< what the call returned */
    int32_t reserved;                        /**< 0 */
    char message[GENSEG_ERROR_MESSAGE_SIZE]; /**< UTF-8 */
} genseg_error;

#define GENSEG_DTYPE_UINT8 1    /**< uint8_t */
#define GENSEG_DTYPE_INT8 2     /**< int8_t */
#define GENSEG_DTYPE_UINT16 3   /**< uint16_t */
#define GENSEG_DTYPE_INT16 4    /**< int16_t */
#define GENSEG_DTYPE_UINT32 5   /**< uint32_t */
#define GENSEG_DTYPE_INT32 6    /**< int32_t */
#define GENSEG_DTYPE_UINT64 7   /**< uint64_t */
#define GENSEG_DTYPE_INT64 8    /**< int64_t */
#define GENSEG_DTYPE_FLOAT32 9  /**< float */
#define GENSEG_DTYPE_FLOAT64 10 /**< double */

/** Most dimensions of a genseg_array. */
#define GENSEG_ARRAY_MAX_NDIM 5

/**
 * A strided view of host memory: borrowed for the call, never kept.
 * Dimensions run from the slowest to the fastest as NumPy has them: an image
 * is (H, W), (D, H, W), or with its channels first (C, H, W), (C, D, H, W).
 */
typedef struct genseg_array {
    void *data;    /**< of the first element */
    int32_t dtype; /**< a GENSEG_DTYPE_* value */
    int32_t ndim;  /**< 1 to GENSEG_ARRAY_MAX_NDIM */
    int64_t shape[GENSEG_ARRAY_MAX_NDIM];   /**< elements along each dimension */
    int64_t strides[GENSEG_ARRAY_MAX_NDIM]; /**< bytes from one element to the next; may be negative */
} genseg_array;

#define GENSEG_PHASE_LOAD 1     /**< cases are read and prepared */
#define GENSEG_PHASE_TRAIN 2    /**< steps of the training */
#define GENSEG_PHASE_VALIDATE 3 /**< validation cases are predicted */
#define GENSEG_PHASE_PREDICT 4  /**< tiles of an image */
#define GENSEG_PHASE_EVALUATE 5 /**< cases are scored */
#define GENSEG_PHASE_WRITE 6    /**< results are written */
#define GENSEG_PHASE_PRETRAIN 7 /**< the generator alone, before the segmenter */

/** Where long work stands. Values not known in a phase are NaN or 0. */
typedef struct genseg_progress {
    size_t struct_size;      /**< bytes that the library filled */
    int32_t phase;           /**< a GENSEG_PHASE_* value */
    int32_t reserved;        /**< 0 */
    int64_t done;            /**< finished units (steps, tiles, cases) of the phase */
    int64_t total;           /**< units in all, 0 where unknown */
    double seconds;          /**< since the call began */
    double seconds_left;     /**< estimate, NaN where unknown */
    double loss;             /**< running training loss, or NaN */
    double validation_dice;  /**< newest mean foreground Dice on validation, or NaN */
    double best_dice;        /**< best of those, or NaN */
    double units_per_second; /**< of the phase; 0 or NaN where unknown */
} genseg_progress;

/**
 * Called on the thread that made the call, with no lock held, at least ten
 * times a second in long work. May call accessors and genseg_trainer_cancel().
 * @param progress valid during the call
 * @param user as it was given with the function
 * @return non-zero cancels: the call returns GENSEG_ERROR_CANCELLED
 */
typedef int32_t (*genseg_progress_fn)(const genseg_progress *progress, void *user);

/**
 * Name of a status code.
 * @param status any number
 * @return such as "FORMAT", static; "UNKNOWN" for other numbers, never NULL
 * @threads any
 * @since 0.1
 */
GENSEG_API const char *genseg_status_name(genseg_status status);

/**
 * Size of an element.
 * @param dtype a GENSEG_DTYPE_* value
 * @return bytes, 0 for an unknown dtype
 * @threads any
 * @since 0.1
 */
GENSEG_API size_t genseg_dtype_size(int32_t dtype);

#ifdef __cplusplus
}
#endif
/** @} */
#endif
