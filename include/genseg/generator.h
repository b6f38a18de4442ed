/**
 * @defgroup generator Generators
 * A trained generator: label map in, realistic image out (GenSeg, arXiv 2408.17421).
 *
 * It comes from genseg_trainer_generator(), or from a model file that holds one beside
 * the segmenter. Images are made in the range of the network, -1..1, which stands for the
 * percentiles that training images were normalised by.
 *
 * Threads: a generator never changes; any number of threads may use one.
 */
/** @file generator.h
 *  @ingroup generator */
#ifndef GENSEG_GENERATOR_H
#define GENSEG_GENERATOR_H

#include "genseg/segmenter.h"

#ifdef __cplusplus
extern "C" {
#endif
/** @addtogroup generator
 *  @{ */

/** Opaque; reference counted. */
typedef struct genseg_generator genseg_generator;

#define GENSEG_DISCRETISE_NONE 0   /**< cells keep their candidates */
#define GENSEG_DISCRETISE_MERGED 1 /**< each cell becomes one kernel: the same images, a smaller file */
#define GENSEG_DISCRETISE_BEST 2   /**< each cell keeps its likeliest candidate */

/** What a generator is. Texts are borrowed from it. */
typedef struct genseg_generator_info {
    size_t struct_size;  /**< set by the caller to sizeof(genseg_generator_info) */
    const char *version; /**< of the library that trained it */
    int32_t ndim;        /**< 2 or 3 */
    int32_t channels;    /**< of an image */
    int32_t classes;     /**< of a label map, background included */
    int32_t levels;      /**< halvings of the network */
    int32_t candidates;  /**< kernels that a cell mixes; 1 after discretising */
    int32_t noise;       /**< channels of noise beside the mask */
    int64_t width;       /**< channels after the first halving */
    int64_t weights; /**< trained numbers */
    int64_t size[3]; /**< (D, H, W) that it makes at once; larger and smaller label maps are resampled to it */
    int64_t steps;   /**< of training */
} genseg_generator_info;

/** How an image is made of a label map. Set by genseg_synthesize_options_init() first. */
typedef struct genseg_synthesize_options {
    size_t struct_size; /**< set by genseg_synthesize_options_init() */
    uint64_t seed;    /**< of warps and noise; default 1 */
    int64_t number;   /**< which of the synthetic images of this label map, from 0: another one, other draws */
    int32_t warp;     /**< non-zero: the label map is warped as in training; default 0 */
    int32_t reserved; /**< 0 */
    double magnitude; /**< of the warp, 1 being the usual; default 1 */
} genseg_synthesize_options;

/**
 * Fills `options` with the defaults.
 * @param[out] options owned by the caller
 * @param size sizeof *options as the caller compiled it
 * @return INVALID
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_synthesize_options_init(genseg_synthesize_options *options, size_t size);

/**
 * Loads the generator of a model file.
 * @param context kept by reference
 * @param path of the model file
 * @param[out] generator owned by the caller, see genseg_generator_free()
 * @param[out] err error text, or NULL
 * @return IO, NOMEM; FORMAT (damaged, no model, or one without a generator: the message says "no generator"), VERSION,
 *         SHAPE
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_generator_load(genseg_context *context, const char *path, genseg_generator **generator,
                                               genseg_error *err);

/**
 * Drops the caller's reference.
 * @param generator or NULL
 * @threads any
 * @since 0.1
 */
GENSEG_API void genseg_generator_free(genseg_generator *generator);

/**
 * A generator without searchable cells (differentiable search: arXiv 1806.09055).
 * @param generator stays as it is
 * @param how GENSEG_DISCRETISE_MERGED or GENSEG_DISCRETISE_BEST
 * @param[out] plain owned by the caller
 * @param[out] err error text, or NULL
 * @return INVALID, NOMEM
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_generator_discretise(const genseg_generator *generator, int32_t how,
                                                     genseg_generator **plain, genseg_error *err);

/**
 * Makes an image of a label map in memory.
 * @param generator any number of threads may use one
 * @param label (H,W) or (D,H,W), any integer dtype and strides, label values of the label table
 * @param options NULL for the defaults
 * @param image float32, (H,W), (D,H,W) or with channels first; receives values in -1..1
 * @param warped receives the label map that the image belongs to, as the shape of `label`; NULL if not wanted. The image is
 *        made of the warped map before it is rounded to labels: another call on `warped` gives a slightly different one
 * @param[out] err error text, or NULL
 * @return INVALID, SHAPE, FORMAT (a label value that the model has not), NOMEM, BACKEND. Results are complete or
 *         untouched.
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_generator_run(const genseg_generator *generator, const genseg_array *label,
                                              const genseg_synthesize_options *options, const genseg_array *image,
                                              const genseg_array *warped, genseg_error *err);

/**
 * Makes an image of a label map file, on its grid: NIfTI gives float32 NIfTI, PNG gives 8-bit PNG (-1..1 to 0..255).
 * @param generator any number of threads may use one
 * @param label_path NIfTI or PNG
 * @param options NULL for the defaults
 * @param image_path written; format by the extension
 * @param warped_path written: the label map that the image belongs to; NULL if not wanted
 * @param[out] err error text, or NULL
 * @return as genseg_generator_run(), IO, FORMAT, UNSUPPORTED
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_generator_run_file(const genseg_generator *generator, const char *label_path,
                                                   const genseg_synthesize_options *options, const char *image_path,
                                                   const char *warped_path, genseg_error *err);

/**
 * Writes one model file with both: a segmenter, and the generator that was trained with it. Readers of segmenters
 * find theirs in it. Atomic.
 * @param generator written beside the segmenter
 * @param segmenter trained with it
 * @param path of the model file
 * @param[out] err error text, or NULL
 * @return INVALID (classes, channels or dimensions disagree), IO, NOMEM
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_generator_save(const genseg_generator *generator, const genseg_segmenter *segmenter,
                                               const char *path, genseg_error *err);

/**
 * What the generator is.
 * @param generator any
 * @param[in,out] info its struct_size says how much the caller knows
 * @param[out] err error text, or NULL
 * @return INVALID
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_generator_describe(const genseg_generator *generator, genseg_generator_info *info,
                                                   genseg_error *err);

/** @} */
#ifdef __cplusplus
}
#endif
#endif
