/**
 * @defgroup dataset Data sets
 * Annotated images: opened from a folder or an HDF5 file, filled from memory,
 * or generated (phantom). A case is one image with, mostly, its label map.
 *
 * Geometry: an affine is a row-major 4x4 matrix from voxel index (i, j, k) to
 * millimetres in RAS+, where i runs along the array's last (fastest) axis.
 * Spacings and flips are in array order, (D, H, W) or (H, W).
 *
 * Labels: files hold any integers; `label_value` lists them ascending and class
 * k stands for label_value(k). Class 0, the smallest value, is the background.
 *
 * Threads: a dataset may be shared; reading calls take an internal lock.
 */
/** @file dataset.h
 *  @ingroup dataset */
#ifndef GENSEG_DATASET_H
#define GENSEG_DATASET_H

#include "genseg/context.h"

#ifdef __cplusplus
extern "C" {
#endif
/** @addtogroup dataset
 *  @{ */

/** Opaque; reference counted. */
typedef struct genseg_dataset genseg_dataset;

#define GENSEG_SPLIT_NONE 0 /**< not divided, or unlabelled */
#define GENSEG_SPLIT_TRAIN 1 /**< learned from */
#define GENSEG_SPLIT_VALIDATION 2 /**< watches the training */
#define GENSEG_SPLIT_TEST 3 /**< left for testing */

#define GENSEG_SEVERITY_NOTE 1 /**< worth knowing */
#define GENSEG_SEVERITY_WARNING 2 /**< may be a mistake */
#define GENSEG_SEVERITY_ERROR 3 /**< the case, or the data set, can't be used */

/** How a data set is read. Set by genseg_dataset_options_init() first. */
typedef struct genseg_dataset_options {
    size_t struct_size;      /**< set by genseg_dataset_options_init() */
    const char *image_name;  /**< HDF5 dataset of the image; NULL: `image`, then `raw` */
    const char *label_name;  /**< HDF5 dataset of the label map; NULL: `label` */
    /** Group (patient) of a case: the part of its name before the first of these
        characters; NULL: every case is its own group. Cases of one group never
        part in a split. */
    const char *group_separators;
    double affine_tolerance; /**< voxels; larger differences of image and label are errors; default 0.1 */
    int32_t allow_unlabelled; /**< non-zero: images without a label map are cases too */
    int32_t grey; /**< non-zero: an image file of three channels is read as one, 0.299 R + 0.587 G + 0.114 B */
} genseg_dataset_options;

/** What genseg_dataset_inspect() tells: one finding a call. Texts are valid during the call. */
typedef struct genseg_finding {
    size_t struct_size;  /**< bytes that the library filled */
    int32_t severity;    /**< a GENSEG_SEVERITY_* value */
    int32_t reserved;    /**< 0 */
    const char *subject; /**< case or file; "" for the whole */
    const char *message; /**< what is wrong, with its number */
    const char *remedy;  /**< what to do about it */
} genseg_finding;

/**
 * Receives a finding, on the thread that inspects.
 * @param finding valid during the call
 * @param user as it was given with the function
 * @return non-zero ends the inspection with GENSEG_ERROR_CANCELLED
 */
typedef int32_t (*genseg_finding_fn)(const genseg_finding *finding, void *user);

/** A case handed over from memory; arrays are copied. */
typedef struct genseg_case {
    size_t struct_size;        /**< sizeof(genseg_case) */
    const char *name;          /**< unique in the dataset */
    const char *group;         /**< NULL: the name */
    const genseg_array *image; /**< (H,W), (D,H,W), (C,H,W) or (C,D,H,W): see `channels`; any dtype, finite */
    const genseg_array *label; /**< (H,W) or (D,H,W), integers; NULL: unlabelled */
    const double *affine;      /**< 16 values; NULL: unit spacing */
    int32_t channels;          /**< 0: the image has no channel axis */
    int32_t reserved;          /**< 0 */
} genseg_case;

/** What genseg_dataset_phantom() generates. Set by genseg_phantom_options_init() first. */
typedef struct genseg_phantom_options {
    size_t struct_size; /**< set by genseg_phantom_options_init() */
    int32_t ndim;    /**< 2 or 3; default 2 */
    int32_t count;   /**< cases; default 24 */
    int32_t classes; /**< background included, 2 to 4; default 2 */
    int32_t channels; /**< default 1 */
    int64_t size[3]; /**< (D, H, W) from 8, 32, 32 to 4096; D ignored in 2-D; default 32, 128, 128 */
    uint64_t seed;   /**< default 1 */
} genseg_phantom_options;

/**
 * Fills `options` with the defaults.
 * @param[out] options owned by the caller
 * @param size sizeof *options as the caller compiled it
 * @return INVALID
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_options_init(genseg_dataset_options *options, size_t size);
/**
 * Fills `options` with the defaults.
 * @param[out] options owned by the caller
 * @param size sizeof *options as the caller compiled it
 * @return INVALID
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_phantom_options_init(genseg_phantom_options *options, size_t size);

/**
 * Opens a dataset: nnU-Net v2 raw or MSD (`dataset.json`), `images/` beside
 * `masks/` or `labels/` with equal base names (NIfTI, PNG, JPEG), one HDF5
 * file, or (where `allow_unlabelled` is set) one image file or a folder of them, which
 * gives cases without label maps. Every header is read and every label map is scanned; voxels of images
 * are read when needed (NaN and Inf are found then, with NUMERIC).
 *
 * Cases are sorted by name. Test cases: nnU-Net's `imagesTs/` where there is
 * `labelsTs/`; the rows of `split.csv` (columns `id` and `split`) with `test`, or
 * with `val` where no row has `test`. HDF5 files hold one case in the root or in
 * each group; the attribute `axes` of a dataset ("zyx", "czyx", "nyx", ...; n is
 * a stack of cases) says what its dimensions are, `affine` or `spacing_mm` where
 * they lie.
 * @param context allocator, limits and log; kept by reference
 * @param path folder or file
 * @param options NULL for the defaults
 * @param[out] dataset owned by the caller, see genseg_dataset_free()
 * @param[out] err error text, or NULL
 * @return IO, FORMAT, SHAPE, NUMERIC, UNSUPPORTED, NOMEM; the message names the file
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_open(genseg_context *context, const char *path,
                                             const genseg_dataset_options *options, genseg_dataset **dataset,
                                             genseg_error *err);

/**
 * Creates an empty dataset for genseg_dataset_add().
 * @param context kept by reference
 * @param[out] dataset owned by the caller, see genseg_dataset_free()
 * @param[out] err error text, or NULL
 * @return NOMEM
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_new(genseg_context *context, genseg_dataset **dataset, genseg_error *err);

/**
 * Generates a dataset that needs no download: organs of varying shape with
 * texture, bias field and noise. The same options give the same voxels.
 * @param context kept by reference
 * @param options NULL for the defaults
 * @param[out] dataset owned by the caller, see genseg_dataset_free()
 * @param[out] err error text, or NULL
 * @return INVALID (an option out of its range), NOMEM
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_phantom(genseg_context *context, const genseg_phantom_options *options,
                                                genseg_dataset **dataset, genseg_error *err);

/**
 * Copies one case into the dataset.
 * @param dataset from genseg_dataset_new()
 * @param item borrowed for the call
 * @param[out] err error text, or NULL
 * @return INVALID, SHAPE (image and label disagree, or channels or dimensions
 *         differ from earlier cases), NUMERIC (NaN or Inf), FORMAT (label not integer),
 *         STATE (the dataset was opened from a path)
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_add(genseg_dataset *dataset, const genseg_case *item, genseg_error *err);

/**
 * Names a label value, in place of the name that it had. Models that are trained on the dataset have the name too.
 * @param dataset not to be changed while a trainer lives that was made on it
 * @param value as in label maps; one that no case has yet is named when a case brings it
 * @param name UTF-8, copied
 * @param[out] err error text, or NULL
 * @return INVALID (no name), FORMAT (a value beyond int32), NOMEM
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_set_label_name(genseg_dataset *dataset, int64_t value, const char *name,
                                                       genseg_error *err);

/**
 * Drops the caller's reference.
 * @param dataset or NULL
 * @threads any
 * @since 0.1
 */
GENSEG_API void genseg_dataset_free(genseg_dataset *dataset);

/**
 * Divides the labelled cases by group: `train` and `validation` cases drawn in a
 * seeded order of the sorted groups, the rest is for testing. Cases that the
 * source itself marks as test stay test, with their whole group. Counts are met
 * as nearly as whole groups allow.
 * @param dataset its splits are set anew
 * @param train number of cases, or -1 for all that remain
 * @param validation number of cases, 0 or more
 * @param seed of the order
 * @param[out] err error text, or NULL
 * @return INVALID (counts exceed the labelled cases, or leave no training case)
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_split(genseg_dataset *dataset, int64_t train, int64_t validation,
                                              uint64_t seed, genseg_error *err);

/**
 * Reads everything and reports each problem with case, number and remedy.
 * @param dataset any
 * @param report called for each finding
 * @param user for `report`
 * @param[out] err error text, or NULL
 * @return OK also where problems were found; CANCELLED; IO or NOMEM where the
 *         inspection itself could not go on
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_inspect(genseg_dataset *dataset, genseg_finding_fn report, void *user,
                                                genseg_error *err);

/**
 * As genseg_dataset_inspect(), for a path that may not even open: what hinders
 * opening is reported as findings too.
 * @param context allocator, limits and log
 * @param path as in genseg_dataset_open()
 * @param options NULL for the defaults
 * @param report called for each finding
 * @param user for `report`
 * @param[out] err error text, or NULL
 * @return as genseg_dataset_inspect()
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_inspect_path(genseg_context *context, const char *path,
                                                     const genseg_dataset_options *options, genseg_finding_fn report,
                                                     void *user, genseg_error *err);

/**
 * Writes all cases to one HDF5 file, a group each, with `image`, `label` and the
 * attributes `affine`, `spacing_mm`, `axes`, `label_table`. Atomic.
 * @param dataset read case by case
 * @param path of the file
 * @param[out] err error text, or NULL
 * @return STATE (empty), IO, BACKEND, NOMEM, and what reading the cases gives
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_save_hdf5(genseg_dataset *dataset, const char *path, genseg_error *err);

/**
 * Writes the image of one case on its grid, atomically: .nii and .nii.gz as float32 with the case's geometry,
 * channels in the 4th dimension; .png (2-D, 1 or 3 channels) with 8 bits: whole numbers from 0 to 255 as they are,
 * else the least value becomes 0 and the greatest 255.
 * @param dataset where the case is
 * @param index of the case, from 0
 * @param path of the file; its extension says the format
 * @param[out] err error text, or NULL
 * @return INVALID, NOMEM, IO, UNSUPPORTED (extension; an image that PNG can't hold), and what reading the case gives
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_save_image(genseg_dataset *dataset, int64_t index, const char *path,
                                                   genseg_error *err);

/**
 * Writes a label map on the grid of one case, atomically: .nii and .nii.gz with the header of the case's own NIfTI
 * file, else with its geometry; .png; .h5. The integer type is the smallest that holds the values.
 * @param dataset where the case is
 * @param index of the case, from 0
 * @param label (H,W) or (D,H,W) like the case, any integer dtype and strides: label values, as they are to stand in
 *        the file
 * @param path of the file; its extension says the format
 * @param[out] err error text, or NULL
 * @return INVALID, SHAPE (not the case's grid), FORMAT (a value beyond int32), NOMEM, IO, UNSUPPORTED (extension)
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_save_label(genseg_dataset *dataset, int64_t index, const genseg_array *label,
                                                   const char *path, genseg_error *err);

/**
 * Draws a picture of one case for people to look at, as PNG: image, label map over it
 * and prediction over it, side by side; in 3-D the slice along D with most foreground.
 * @param dataset where the case is
 * @param index of the case
 * @param prediction label values, dense, D x H x W; NULL: without that panel
 * @param path of the PNG file
 * @param[out] err error text, or NULL
 * @return INVALID, NOMEM, IO, and what reading the case gives
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_save_picture(genseg_dataset *dataset, int64_t index, const int32_t *prediction,
                                                     const char *path, genseg_error *err);

/** Number of cases. @param dataset or NULL @return 0 or more @threads any @since 0.1 */
GENSEG_API int64_t genseg_dataset_size(const genseg_dataset *dataset);
/** Dimensions of its images. @param dataset or NULL @return 2 or 3; 0 while empty @threads any @since 0.1 */
GENSEG_API int32_t genseg_dataset_ndim(const genseg_dataset *dataset);
/** Channels of every image. @param dataset or NULL @return 1 or more; 0 while empty @threads any @since 0.1 */
GENSEG_API int32_t genseg_dataset_channels(const genseg_dataset *dataset);
/** Number of classes. @param dataset or NULL
 *  @return as many as there are label values, background included @threads any @since 0.1 */
GENSEG_API int32_t genseg_dataset_classes(const genseg_dataset *dataset);
/** Label value that stands for class `k` in files. @param dataset or NULL @param k class, from 0
 *  @return 0 out of range @threads any @since 0.1 */
GENSEG_API int64_t genseg_dataset_label_value(const genseg_dataset *dataset, int32_t k);
/** Name of class `k`. @param dataset or NULL @param k class, from 0
 *  @return borrowed; its number where the source has no names; NULL out of range @threads any @since 0.1 */
GENSEG_API const char *genseg_dataset_label_name(const genseg_dataset *dataset, int32_t k);
/** Name of a case. @param dataset or NULL @param index of a case, from 0
 *  @return borrowed; NULL out of range @threads any @since 0.1 */
GENSEG_API const char *genseg_dataset_case_name(const genseg_dataset *dataset, int64_t index);
/** Group (patient) of a case. @param dataset or NULL @param index of a case, from 0
 *  @return borrowed; NULL out of range @threads any @since 0.1 */
GENSEG_API const char *genseg_dataset_case_group(const genseg_dataset *dataset, int64_t index);
/** Image file of a case. @param dataset or NULL @param index of a case, from 0
 *  @return borrowed; NULL where it has none, or out of range @threads any @since 0.1 */
GENSEG_API const char *genseg_dataset_case_path(const genseg_dataset *dataset, int64_t index);
/** Which split a case is in. @param dataset or NULL @param index of a case, from 0
 *  @return a GENSEG_SPLIT_* value @threads any @since 0.1 */
GENSEG_API int32_t genseg_dataset_case_split(const genseg_dataset *dataset, int64_t index);

/**
 * Shape and geometry of one case.
 * @param dataset where the case is
 * @param index of the case, from 0
 * @param[out] shape 4 values: channels, D, H, W (D is 1 in 2-D); may be NULL
 * @param[out] spacing 3 values, millimetres, (D, H, W); may be NULL
 * @param[out] affine 16 values; may be NULL
 * @param[out] labelled 1 or 0; may be NULL
 * @param[out] err error text, or NULL
 * @return INVALID
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_case_info(genseg_dataset *dataset, int64_t index, int64_t *shape,
                                                  double *spacing, double *affine, int32_t *labelled,
                                                  genseg_error *err);

/**
 * Copies one case into caller-owned arrays.
 * @param dataset where the case is
 * @param index of the case, from 0
 * @param[out] image float32, C x D x H x W values, as in the file (scaled by scl_slope); may be NULL
 * @param[out] label classes 0..K-1 as int32, D x H x W values; may be NULL
 * @param[out] err error text, or NULL
 * @return INVALID (no such case; a label is wanted and the case has none), NUMERIC, IO, FORMAT, NOMEM
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_dataset_case_read(genseg_dataset *dataset, int64_t index, float *image,
                                                  int32_t *label, genseg_error *err);

/** @} */
#ifdef __cplusplus
}
#endif
#endif
