/**
 * @defgroup segmenter Segmenters
 * A trained segmenter: image in, label map out, on the image's own grid.
 *
 * The model file is a safetensors file whose tensors carry the names of the
 * widespread PyTorch U-Net (`inc.double_conv.0.weight`, ...), with a JSON document in
 * its metadata that says what prediction needs: network, preprocessing, label
 * table, provenance. See docs/formats/checkpoint.md.
 *
 * Threads: a segmenter never changes; any number of threads may predict with one, each
 * with memory of its own. Without a memory limit the last call's plan is kept for the next.
 */
/** @file segmenter.h
 *  @ingroup segmenter */
#ifndef GENSEG_SEGMENTER_H
#define GENSEG_SEGMENTER_H

#include "genseg/dataset.h"
#include "genseg/metrics.h"

#ifdef __cplusplus
extern "C" {
#endif
/** @addtogroup segmenter
 *  @{ */

/** Opaque; reference counted. */
typedef struct genseg_segmenter genseg_segmenter;

#define GENSEG_NORMALISE_PERCENTILE 1 /**< 0.5th to 99.5th percentile of an image to -1..1 */
#define GENSEG_NORMALISE_ZSCORE 2     /**< mean 0, standard deviation 1 */
#define GENSEG_NORMALISE_NONE 3       /**< voxels as they are */

#define GENSEG_SCALE_NATIVE 1  /**< the network sees the image's own grid */
#define GENSEG_SCALE_SPACING 2 /**< images are resampled to one spacing */
#define GENSEG_SCALE_RESIZE 3  /**< images are resized to one size */

/** What a model is and where it comes from. Texts are borrowed from the segmenter. */
typedef struct genseg_segmenter_info {
    size_t struct_size;       /**< set by the caller to sizeof(genseg_segmenter_info) */
    const char *architecture; /**< "unet2d" (arXiv 1505.04597) or "unet3d" (arXiv 1606.06650) */
    const char *version;      /**< of the library that trained it */
    int32_t ndim;             /**< 2 or 3 */
    int32_t channels;         /**< of an image */
    int32_t classes;          /**< background included */
    int32_t levels;           /**< poolings of the network */
    int64_t width;            /**< channels of its first level */
    int64_t weights;          /**< trained numbers */
    int32_t normalise;        /**< a GENSEG_NORMALISE_* value */
    int32_t scale;            /**< a GENSEG_SCALE_* value */
    int64_t size[3];          /**< (D, H, W) that the network sees at once: the tile */
    double spacing[3];        /**< (D, H, W), millimetres, that the network works at; 1 where unknown */
    int64_t steps;            /**< training steps behind these weights */
    int64_t train_cases;      /**< that it has learned from */
    int64_t validation_cases; /**< that it was chosen by */
    double validation_dice;   /**< mean foreground Dice on validation, NaN without one */
    uint64_t seed;            /**< of the training */
} genseg_segmenter_info;

/** How an image is segmented. Set by genseg_predict_options_init() first. */
typedef struct genseg_predict_options {
    size_t struct_size; /**< set by genseg_predict_options_init() */
    /** Part of a tile that overlaps its neighbour, 0 to 0.9, where an image is larger than
        the tile; default 0.5. */
    double overlap;
    genseg_progress_fn progress; /**< may be NULL; phase PREDICT, counted in tiles */
    void *progress_user;         /**< for `progress` */
} genseg_predict_options;

/** One scored case, see genseg_segmenter_evaluate(). All is borrowed for the call. */
typedef struct genseg_evaluation {
    size_t struct_size;          /**< bytes that the library filled */
    int64_t index;               /**< of the case in the dataset */
    const char *name;            /**< of the case */
    const genseg_metrics *scores; /**< one for each class of the segmenter */
    size_t score_size;           /**< bytes from one score to the next */
    const int32_t *prediction;   /**< label values, dense, D x H x W */
    int64_t done;                /**< cases finished, this one included */
    int64_t total;               /**< cases in all */
    int32_t classes;             /**< of the segmenter, background included */
    int32_t reserved;            /**< 0 */
    double seconds;              /**< that the prediction took */
} genseg_evaluation;

/**
 * Receives a scored case, on the thread that evaluates.
 * @param evaluation valid during the call
 * @param user as it was given with the function
 * @return non-zero ends the evaluation with GENSEG_ERROR_CANCELLED
 */
typedef int32_t (*genseg_evaluation_fn)(const genseg_evaluation *evaluation, void *user);

/**
 * Fills `options` with the defaults.
 * @param[out] options owned by the caller
 * @param size sizeof *options as the caller compiled it
 * @return INVALID
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_predict_options_init(genseg_predict_options *options, size_t size);

/**
 * Loads a model file. Nothing in it is believed before it is checked.
 * @param context kept by reference
 * @param path of the model file
 * @param[out] segmenter owned by the caller, see genseg_segmenter_free()
 * @param[out] err error text, or NULL
 * @return IO, NOMEM; FORMAT (damaged, or no model of this library), VERSION (written by a
 *         newer one), UNSUPPORTED, SHAPE (a tensor doesn't fit the network)
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_segmenter_load(genseg_context *context, const char *path,
                                               genseg_segmenter **segmenter, genseg_error *err);

/**
 * Writes the model file, atomically: an older file of that name stays until the
 * new one is complete. Equal models give equal bytes.
 * @param segmenter written
 * @param path of the model file
 * @param[out] err error text, or NULL
 * @return IO, NOMEM
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_segmenter_save(const genseg_segmenter *segmenter, const char *path, genseg_error *err);

/**
 * Drops the caller's reference.
 * @param segmenter or NULL
 * @threads any
 * @since 0.1
 */
GENSEG_API void genseg_segmenter_free(genseg_segmenter *segmenter);

/**
 * Segments one image in memory.
 *
 * Where the image, on the network's grid, is larger than the network's tile, overlapping
 * tiles are blended with Gaussian weights (as in nnU-Net, arXiv 1904.08128); probabilities are brought to the
 * image's own grid slab by slab, so that memory does not grow with the number of classes. Where the context
 * has a memory limit that the tile would exceed, a smaller tile is taken (and logged as a warning),
 * or the call refused before the work.
 * @param segmenter any number of threads may use one
 * @param image (H,W), (D,H,W) or, with more than one channel, (C,H,W), (C,D,H,W); any
 *        dtype and strides, finite
 * @param affine 16 values, or NULL: unknown spacing, nothing is resampled by spacing
 * @param options NULL for the defaults
 * @param label (H,W) or (D,H,W) of any integer dtype and strides: receives the label
 *        values of the label table; NULL if not wanted
 * @param probability (K,H,W) or (K,D,H,W) float32, any strides, or NULL
 * @param[out] err error text, or NULL
 * @return INVALID (a label value that `label`'s dtype can't hold too), SHAPE, NUMERIC (NaN or
 *         Inf in the image), NOMEM, CANCELLED, BACKEND. Results are complete or untouched.
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_segmenter_predict(const genseg_segmenter *segmenter, const genseg_array *image,
                                                  const double *affine, const genseg_predict_options *options,
                                                  const genseg_array *label, const genseg_array *probability,
                                                  genseg_error *err);

/**
 * Segments one image file and writes the results beside its grid: NIfTI keeps its
 * header's geometry, PNG and JPEG give PNG. Each file is written atomically, probabilities first.
 * @param segmenter any number of threads may use one
 * @param image_path NIfTI, PNG, JPEG or HDF5
 * @param options NULL for the defaults
 * @param label_path written with the label values of the label table; format by the
 *        extension; NULL if not wanted
 * @param probability_path written as float32 NIfTI, classes in the 4th dimension; NULL if
 *        not wanted
 * @param[out] err error text, or NULL
 * @return as genseg_segmenter_predict(), IO, FORMAT, UNSUPPORTED
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_segmenter_predict_file(const genseg_segmenter *segmenter, const char *image_path,
                                                       const genseg_predict_options *options, const char *label_path,
                                                       const char *probability_path, genseg_error *err);

/**
 * Divides a dataset as in the model's training: its training and validation cases, found again by hashes of their
 * names, get these splits. Of the other labelled cases those are for testing that the source itself marks as test, and
 * all where it marks none: data that the model has never seen is tested whole.
 * @param segmenter whose training counts
 * @param dataset its splits are set anew
 * @param[out] err error text, or NULL
 * @return INVALID
 * @threads exclusive for the dataset
 * @since 0.1
 */
GENSEG_API genseg_status genseg_segmenter_divide(const genseg_segmenter *segmenter, genseg_dataset *dataset,
                                                 genseg_error *err);

/**
 * Predicts the labelled cases of one split and scores them, each on its own grid and
 * spacing. Classes are matched by label value and scored in the segmenter's table.
 * @param segmenter any number of threads may use one
 * @param dataset read case by case
 * @param split a GENSEG_SPLIT_* value; NONE: every labelled case
 * @param metrics NULL for the defaults; `classes` and `spacing` are set from the data
 * @param options NULL for the defaults; its progress counts tiles of the current case
 * @param report called after each case
 * @param user for `report`
 * @param[out] err error text, or NULL
 * @return STATE (no such case), SHAPE (the data doesn't fit the model), FORMAT (label
 *         values that the model has not), and those of genseg_segmenter_predict()
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_segmenter_evaluate(const genseg_segmenter *segmenter, genseg_dataset *dataset,
                                                   int32_t split, const genseg_metrics_options *metrics,
                                                   const genseg_predict_options *options, genseg_evaluation_fn report,
                                                   void *user, genseg_error *err);

/**
 * Extension that suits a label map (or, non-zero `probability`, probabilities) for an
 * image file. Of the header only.
 * @param segmenter any
 * @param image_path NIfTI, PNG, JPEG or HDF5
 * @param probability non-zero: of probabilities
 * @param[out] extension ".nii.gz", ".png" or ".h5"; static text
 * @param[out] err error text, or NULL
 * @return IO, FORMAT, UNSUPPORTED
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_segmenter_extension(const genseg_segmenter *segmenter, const char *image_path,
                                                    int32_t probability, const char **extension, genseg_error *err);

/**
 * What the model is.
 * @param segmenter any
 * @param[in,out] info its struct_size says how much the caller knows
 * @param[out] err error text, or NULL
 * @return INVALID
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_segmenter_describe(const genseg_segmenter *segmenter, genseg_segmenter_info *info,
                                                   genseg_error *err);

/** Number of classes. @param segmenter or NULL
 *  @return background included; 0 without a segmenter @threads any @since 0.1 */
GENSEG_API int32_t genseg_segmenter_classes(const genseg_segmenter *segmenter);
/** Label value that stands for class `k` in written label maps. @param segmenter or NULL @param k class, from 0
 *  @return 0 out of range @threads any @since 0.1 */
GENSEG_API int64_t genseg_segmenter_label_value(const genseg_segmenter *segmenter, int32_t k);
/** Name of class `k`. @param segmenter or NULL @param k class, from 0
 *  @return borrowed; NULL out of range @threads any @since 0.1 */
GENSEG_API const char *genseg_segmenter_label_name(const genseg_segmenter *segmenter, int32_t k);

/** @} */
#ifdef __cplusplus
}
#endif
#endif
