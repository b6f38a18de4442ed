/**
 * @file trainer.h
 * Trains a segmenter on the training cases of a dataset, watched by its
 * validation cases (genseg_dataset_split()).
 *
 *     genseg_trainer_new(context, dataset, NULL, &trainer, &err);
 *     genseg_trainer_run(trainer, progress, user, &err);   // OK or CANCELLED
 *     genseg_trainer_segmenter(trainer, &segmenter, &err); // the best so far
 *     genseg_segmenter_save(segmenter, "model.safetensors", &err);
 *
 * A step draws a batch of patches with augmentation and makes one update of the
 * optimizer on cross entropy plus soft Dice. From time to time the validation
 * cases are predicted in full; the weights with the best mean foreground Dice are
 * kept. A cancelled or failed run loses nothing of that.
 *
 * The same dataset, options, seed, threads and machine give the same model, bit for
 * bit, if the run is limited by steps; one limited by time depends on the clock.
 *
 * Threads: one thread at a time, genseg_trainer_cancel() apart.
 */
#ifndef GENSEG_TRAINER_H
#define GENSEG_TRAINER_H

#include "genseg/segmenter.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct genseg_trainer genseg_trainer;

#define GENSEG_AXIS_D 1
#define GENSEG_AXIS_H 2
#define GENSEG_AXIS_W 4

typedef struct genseg_trainer_options {
    size_t struct_size;
    const char *segmenter; /**< "unet2d" or "unet3d"; NULL: by the dataset */
    const char *optimizer; /**< "rmsprop", "adam", "adamw" or "sgd"; default "adam" */
    const char *schedule;  /**< "cosine", "plateau" or "constant"; default "cosine" */
    int64_t width;         /**< channels of the first level; 0: 64 in 2-D, 16 in 3-D */
    int64_t size[3];       /**< (D, H, W) that the network sees, multiples of 16 (2-D, D ignored) or 8; 0: chosen */
    int64_t batch;         /**< patches a step; default 2 */
    int64_t steps;         /**< ends the run; 0: no such limit. Without any limit: 2000 */
    double seconds;        /**< ends the run, loading included; 0: no such limit */
    double lr;             /**< peak learning rate; 0: 1e-3 for adam(w), 1e-4 for rmsprop, 1e-2 for sgd */
    double momentum;       /**< of rmsprop and sgd; default 0.9 */
    double weight_decay;   /**< default 1e-5 */
    int64_t warmup;        /**< steps of linear rise to `lr`; default 0 */
    double foreground;     /**< chance that a patch is centred on foreground; default 1/3 */
    int32_t normalise;     /**< a GENSEG_NORMALISE_* value; default PERCENTILE */
    int32_t augment;       /**< 0: patches are cut unchanged; default 1 */
    int32_t symmetric;     /**< GENSEG_AXIS_* bits along which a flipped image is as plausible; default 0 */
    int32_t class_weights; /**< non-zero: cross entropy weighs classes by the root of their rarity; default 0 */
    /** Steps; 0: so that it costs about a tenth of the work, or ten times in a run of known length where that
        is oftener, but no oftener than every ten steps. Chosen from sizes alone, never by the clock, so that
        runs repeat. */
    int64_t validate_every;
    int64_t patience;       /**< ends the run after so many validations without a better one; 0: never */
    uint64_t seed;          /**< 0: the context's */
} genseg_trainer_options;

/** Fills `options` with the defaults. @threads any @since 0.1 */
GENSEG_API genseg_status genseg_trainer_options_init(genseg_trainer_options *options, size_t size);

/**
 * Plans a training: chooses grid and sizes from the training cases and builds the
 * network. Voxels are read by genseg_trainer_run().
 * @param dataset its splits count as they are now; kept by reference (the caller may
 *        free its own), not to be changed while the trainer lives
 * @param options NULL for the defaults; copied
 * @param[out] trainer owned by the caller, see genseg_trainer_free()
 * @return INVALID (an option, with its name and value), STATE (no training case), NOMEM
 *         (with the bytes needed, where the memory limit forbids the run), SHAPE
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_trainer_new(genseg_context *context, genseg_dataset *dataset,
                                            const genseg_trainer_options *options, genseg_trainer **trainer,
                                            genseg_error *err);

/** Drops the caller's reference. Not from a callback of its own run. @threads exclusive @since 0.1 */
GENSEG_API void genseg_trainer_free(genseg_trainer *trainer);

/**
 * Bytes that the context will hold at the peak of genseg_trainer_run(), what it holds
 * already outside this trainer not counted.
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API uint64_t genseg_trainer_memory(const genseg_trainer *trainer);

/**
 * What is being trained, with all that was left to the library: network, width, tile, grid.
 * Steps and validation Dice are those of the best model so far.
 * @param[out] info its struct_size says how much the caller knows; texts are static
 * @return INVALID
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API genseg_status genseg_trainer_describe(const genseg_trainer *trainer, genseg_segmenter_info *info,
                                                 genseg_error *err);

/**
 * Trains until a limit is reached. After CANCELLED, or NUMERIC, the best model so far
 * is there, and another call goes on: after CANCELLED exactly where it stopped, so that a
 * run limited by steps ends with the same weights as one that was not cut; after NUMERIC
 * from the best model, or from the first weights where there is none yet.
 * @param progress may be NULL; phases LOAD (cases), TRAIN (steps), VALIDATE (cases)
 * @return CANCELLED; NUMERIC (loss or a weight no longer finite, with the step), or what
 *         reading the cases gives; NOMEM, BACKEND; STATE (called from its own callback)
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API genseg_status genseg_trainer_run(genseg_trainer *trainer, genseg_progress_fn progress, void *user,
                                            genseg_error *err);

/**
 * Asks a run to end soon: one atomic store, legal from any thread and from a signal
 * handler. Without a run in progress it ends the next one at its start.
 * @threads any
 * @since 0.1
 */
GENSEG_API void genseg_trainer_cancel(genseg_trainer *trainer);

/**
 * A copy of the best model so far; of the newest where there is no validation, or none was
 * finished before a cancel. Its weights are always finite.
 * @param[out] segmenter owned by the caller, see genseg_segmenter_free()
 * @return STATE (nothing trained yet), NOMEM
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API genseg_status genseg_trainer_segmenter(const genseg_trainer *trainer, genseg_segmenter **segmenter,
                                                  genseg_error *err);

/** Steps made. @threads exclusive @since 0.1 */
GENSEG_API int64_t genseg_trainer_steps(const genseg_trainer *trainer);
/** Running mean of the training loss; NaN before the first step. @threads exclusive @since 0.1 */
GENSEG_API double genseg_trainer_loss(const genseg_trainer *trainer);
/** Best mean foreground Dice on validation; NaN before the first. @threads exclusive @since 0.1 */
GENSEG_API double genseg_trainer_best_dice(const genseg_trainer *trainer);

#ifdef __cplusplus
}
#endif
#endif
