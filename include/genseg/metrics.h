/**
 * @defgroup metrics Metrics
 * Scores of a predicted label map against its reference: Dice, Jaccard, HD95,
 * ASSD and surface Dice, per class, with voxel spacing.
 *
 * Packages in use disagree about the surface scores, so the definition is
 * chosen by name:
 * - `monai` (default): surface voxels are those that an erosion by face
 *   neighbours removes, the image's border counting as background; HD95 is the
 *   larger of the two directed percentiles, linearly interpolated;
 * - `medpy`: the same surface voxels; HD95 is one percentile of the distances of
 *   both directions pooled;
 * - `deepmind` (surface-distance): surface elements between voxel centres as
 *   marching cubes cut them, weighted by area (by length in 2-D); HD95 is the
 *   larger of the two directed percentiles of area, without interpolation.
 * ASSD is the mean over the elements of both surfaces, surface Dice the share
 * of them within the tolerance; `deepmind` weights both by area.
 *
 * Empty masks: packages return 0, 1, NaN or Inf here. This library returns a
 * state beside the values and leaves the policy to the caller:
 * - both empty: all values are NaN;
 * - one empty: Dice, Jaccard and surface Dice are 0; HD95 and ASSD are NaN.
 *
 * Threads: functions without shared state, callable from any thread.
 */
/** @file metrics.h
 *  @ingroup metrics */
#ifndef GENSEG_METRICS_H
#define GENSEG_METRICS_H

#include "genseg/context.h"

#ifdef __cplusplus
extern "C" {
#endif
/** @addtogroup metrics
 *  @{ */

#define GENSEG_CONVENTION_MONAI 1 /**< as MONAI */
#define GENSEG_CONVENTION_MEDPY 2 /**< as MedPy */
#define GENSEG_CONVENTION_DEEPMIND 3 /**< as DeepMind's surface-distance */

#define GENSEG_METRICS_OK 0 /**< both masks have voxels */
#define GENSEG_METRICS_BOTH_EMPTY 1 /**< all values are NaN */
#define GENSEG_METRICS_REFERENCE_EMPTY 2 /**< Dice 0, distances NaN */
#define GENSEG_METRICS_PREDICTION_EMPTY 3 /**< Dice 0, distances NaN */

/** What is scored, and how. Set by genseg_metrics_options_init() first. */
typedef struct genseg_metrics_options {
    size_t struct_size;         /**< set by genseg_metrics_options_init() */
    int32_t classes;            /**< background included; default 2 */
    int32_t convention;         /**< a GENSEG_CONVENTION_* value; default MONAI */
    double spacing[3];          /**< millimetres, (D, H, W), D ignored in 2-D; default 1 */
    double surface_tolerance;   /**< millimetres, for surface Dice; default 1 */
    double percentile;          /**< of "HD95", 0 to 100 (the maximum); default 95 */
    int32_t surfaces;           /**< 0: only Dice and Jaccard, the rest is NaN; default 1 */
    int32_t background_surface; /**< non-zero: surface scores of class 0 too; default 0 */
} genseg_metrics_options;

/** Scores of one class. Undefined values are NaN. */
typedef struct genseg_metrics {
    double dice;         /**< 0 to 1 */
    double jaccard;      /**< 0 to 1 */
    double hd95;         /**< millimetres */
    double assd;         /**< millimetres */
    double surface_dice; /**< 0 to 1 */
    int32_t state;       /**< a GENSEG_METRICS_* value */
    int32_t reserved;    /**< 0 */
} genseg_metrics;

/**
 * Fills `options` with the defaults.
 * @param[out] options owned by the caller
 * @param size sizeof *options as the caller compiled it
 * @return INVALID
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_metrics_options_init(genseg_metrics_options *options, size_t size);

/**
 * Scores every class.
 * @param context allocator and threads
 * @param reference (H, W) or (D, H, W), whole numbers 0..classes-1 of any dtype
 * @param prediction as `reference`, of the same shape
 * @param options NULL for the defaults
 * @param[out] results one for each class, owned by the caller
 * @param result_size sizeof *results as the caller compiled it
 * @param[out] err error text, or NULL
 * @return INVALID (options out of range, a label not below `classes`), SHAPE (shapes
 *         differ or are not 2-D or 3-D), FORMAT (a label is no whole number), NOMEM
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_metrics_evaluate(genseg_context *context, const genseg_array *reference,
                                                 const genseg_array *prediction,
                                                 const genseg_metrics_options *options, genseg_metrics *results,
                                                 size_t result_size, genseg_error *err);

/**
 * Name of a state.
 * @param state a GENSEG_METRICS_* value
 * @return "ok", "both empty", "reference empty", "prediction empty", else "unknown"; static
 * @threads any
 * @since 0.1
 */
GENSEG_API const char *genseg_metrics_state_name(int32_t state);
/** Name of a convention. @param convention a GENSEG_CONVENTION_* value
 *  @return "monai", "medpy", "deepmind", else "unknown"; static @threads any @since 0.1 */
GENSEG_API const char *genseg_metrics_convention_name(int32_t convention);
/** Convention of a name. @param name such as "monai"; NULL is unknown
 *  @return a GENSEG_CONVENTION_* value, 0 for an unknown name @threads any @since 0.1 */
GENSEG_API int32_t genseg_metrics_convention(const char *name);

/** @} */
#ifdef __cplusplus
}
#endif
#endif
