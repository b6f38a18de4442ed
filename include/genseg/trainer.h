/**
 * @defgroup trainer Trainers
 * Trains a segmenter on the training cases of a dataset, watched by its
 * validation cases (genseg_dataset_split()).
 *
 *     genseg_trainer_new(context, dataset, NULL, &trainer, &err);
 *     genseg_trainer_run(trainer, progress, user, &err);   // OK or CANCELLED
 *     genseg_trainer_segmenter(trainer, &segmenter, &err); // the best so far
 *     genseg_segmenter_save(segmenter, "model.safetensors", &err);
 *
 * A step draws a batch of patches and makes one update of the optimizer on cross
 * entropy plus soft Dice. From time to time the validation cases are predicted in
 * full; the weights with the best mean foreground Dice are kept. A cancelled or failed
 * run loses nothing of that.
 *
 * By default a generator is trained along (GenSeg, arXiv 2408.17421): it learns to make
 * images of masks from the training cases, first by itself, then beside the segmenter,
 * which learns from real pairs and from synthetic ones (warped masks and the images made
 * of them). The loss on patches of the validation cases is followed back through a step
 * of both and moves what shapes the synthetic pairs: GENSEG_LEVER_*.
 *
 * The same dataset, options, seed, threads and machine give the same model, bit for
 * bit, if the run is limited by steps; one limited by time depends on the clock.
 *
 * Threads: one thread at a time, genseg_trainer_cancel() apart.
 */
/** @file trainer.h
 *  @ingroup trainer */
#ifndef GENSEG_TRAINER_H
#define GENSEG_TRAINER_H

#include "genseg/generator.h"

#ifdef __cplusplus
extern "C" {
#endif
/** @addtogroup trainer
 *  @{ */

/** Opaque; reference counted. */
typedef struct genseg_trainer genseg_trainer;

#define GENSEG_AXIS_D 1 /**< depth */
#define GENSEG_AXIS_H 2 /**< height */
#define GENSEG_AXIS_W 4 /**< width */

#define GENSEG_LEVER_ARCHITECTURE 1 /**< mixture of the generator's candidate kernels */
#define GENSEG_LEVER_GAMMA 2        /**< weight of the synthetic loss */
#define GENSEG_LEVER_WARP 4         /**< magnitudes of the warps of masks */
#define GENSEG_LEVER_APPEARANCE 8   /**< magnitudes of changes of the synthetic images */
#define GENSEG_LEVER_PAIRS 16       /**< a weight for each training case's synthetic twins */
#define GENSEG_LEVER_GENERATOR 32   /**< the generator's weights */

/** What is trained, and how. Set by genseg_trainer_options_init() first. */
typedef struct genseg_trainer_options {
    size_t struct_size;    /**< set by genseg_trainer_options_init() */
    const char *segmenter; /**< "unet2d" (arXiv 1505.04597) or "unet3d" (arXiv 1606.06650); NULL: by the dataset */
    const char *optimizer; /**< "rmsprop", "adam", "adamw" or "sgd"; default "adam" */
    const char *schedule;  /**< "cosine", "plateau" or "constant"; default "cosine" */
    int64_t width;         /**< channels of the first level; 0: 64 in 2-D, 16 in 3-D */
    int64_t size[3];       /**< (D, H, W) that the network sees, multiples of 16 (2-D, D ignored) or 8; all 0: chosen */
    int64_t batch;         /**< patches a step; default 2 */
    int64_t steps;         /**< ends the run; 0: no such limit. Without any limit: 2000 */
    double seconds;        /**< ends the run, loading included; 0: no such limit */
    double lr;             /**< peak learning rate; 0: 1e-3 for adam(w), 1e-4 for rmsprop, 1e-2 for sgd */
    double momentum;       /**< of rmsprop and sgd; default 0.9 */
    double weight_decay;   /**< default 1e-5 */
    int64_t warmup;        /**< steps of linear rise to `lr`; default 0 */
    double foreground;     /**< chance that a patch is centred on foreground; default 1/3 */
    int32_t normalise;     /**< a GENSEG_NORMALISE_* value; default PERCENTILE */
    int32_t augment;       /**< of real patches: 1 or 0; default -1: as the method says */
    int32_t symmetric;     /**< GENSEG_AXIS_* bits along which a flipped image is as plausible; default 0 */
    int32_t class_weights; /**< 1: cross entropy weighs classes by the root of their rarity, 0: it doesn't; default -1:
                                where there are three classes or more */
    /** Steps; 0: so that it costs about a tenth of the work, or ten times in a run of known length where that
        is oftener, but no oftener than every ten steps. Chosen from sizes alone, never by the clock, so that
        runs repeat. */
    int64_t validate_every;
    int64_t patience;       /**< ends the run after so many validations without a better one; 0: never */
    uint64_t seed;          /**< 0: the context's */

    /**
     * "genseg" (default): the three levels;
     * "continued": the generator goes on training beside the segmenter, without level III;
     * "separate": the generator is trained beforehand, then left alone;
     * "augment": real pairs alone, with augmentation; "plain": without.
     * What follows is for the first three.
     */
    const char *method;
    const char *gan_loss;       /**< "vanilla" (default), "lsgan" (arXiv 1611.04076) or "wgan" (with gradient penalty,
                                     arXiv 1704.00028) */
    const char *solver;         /**< of level III: "one-step" (default), "neumann" or "cg" */
    int64_t gan_steps;          /**< of the generator beforehand; 0: as `steps`, at most 4000, or a third of the time */
    int64_t gan_every;          /**< segmenter steps between the generator's; default 2 */
    int64_t levers_every;       /**< segmenter steps between updates of level III; default 4 */
    int64_t generator_width;    /**< channels after the first halving; 0: 16 */
    int64_t generator_levels;   /**< halvings; 0: until the shortest side is 8 (in 3-D 4) or less, at most 8 */
    int64_t discriminator_width; /**< 0: 32 in 2-D, 16 in 3-D */
    int32_t candidates;         /**< kernels that a cell of the generator chooses from, 1 to 3; 0: 3 in 2-D, 1 in 3-D */
    int32_t noise;              /**< channels of noise beside the mask; default 0 */
    int32_t levers;             /**< GENSEG_LEVER_* bits; default all */
    int32_t solver_terms;       /**< of "neumann", iterations of "cg"; default 3 */
    double gan_lr;              /**< beforehand; beside the segmenter it decays as `lr` does; default 1e-3 */
    double l1;                  /**< weight of the generator's mean absolute error; default 100 */
    double gamma;               /**< first weight of the synthetic loss; where real pairs are augmented it decays as
                                     `lr` does; default 1 */
    double appearance;          /**< first magnitude of changes of synthetic images, 1 being the usual; default 1 */
    double levers_lr;           /**< default 0.05 */
    double feedback_lr;         /**< of GENSEG_LEVER_GENERATOR; default 3e-4 */

    /** Of the segmenter: 1: values inside its blocks are computed again in the reverse pass instead of being kept,
        which takes up to a third more time a step and gives the same weights, bit for bit; 0 (default): where the
        context's memory limit is too low otherwise; -1: never. */
    int32_t recompute;
    int32_t reserved;           /**< 0 */
} genseg_trainer_options;

/**
 * Fills `options` with the defaults.
 * @param[out] options owned by the caller
 * @param size sizeof *options as the caller compiled it
 * @return INVALID
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_trainer_options_init(genseg_trainer_options *options, size_t size);

/**
 * Plans a training: chooses grid and sizes from the training cases and builds the
 * network. Voxels are read by genseg_trainer_run().
 * @param context kept by reference
 * @param dataset its splits count as they are now; kept by reference (the caller may
 *        free its own), not to be changed while the trainer lives
 * @param options NULL for the defaults; copied
 * @param[out] trainer owned by the caller, see genseg_trainer_free()
 * @param[out] err error text, or NULL
 * @return INVALID (an option, with its name and value), STATE (no training case), NOMEM
 *         (where the memory limit forbids the run: with the bytes that it needs, or with those that are
 *         left where these are too few to find out), SHAPE
 * @threads any
 * @since 0.1
 */
GENSEG_API genseg_status genseg_trainer_new(genseg_context *context, genseg_dataset *dataset,
                                            const genseg_trainer_options *options, genseg_trainer **trainer,
                                            genseg_error *err);

/**
 * Begins with the weights of a model instead of random ones, before the first run. The options must make networks like
 * its own (genseg_segmenter_describe(), genseg_generator_describe()).
 * @param trainer not begun yet
 * @param segmenter its weights are copied
 * @param generator NULL: the trainer's own
 * @param[out] err error text, or NULL
 * @return SHAPE (a weight that doesn't fit, with its name; nothing is changed then), STATE (begun already, or a method
 *         without a generator)
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API genseg_status genseg_trainer_start_from(genseg_trainer *trainer, const genseg_segmenter *segmenter,
                                                   const genseg_generator *generator, genseg_error *err);

/**
 * Drops the caller's reference. Not from a callback of its own run.
 * @param trainer or NULL
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API void genseg_trainer_free(genseg_trainer *trainer);

/**
 * What the context will hold at the peak of genseg_trainer_run(), what it holds
 * already outside this trainer not counted.
 * @param trainer or NULL
 * @return bytes: at least the peak, in tests at most 5 % more; 0 without a trainer
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API uint64_t genseg_trainer_memory(const genseg_trainer *trainer);

/**
 * What is being trained, with all that was left to the library: network, width, tile, grid.
 * Steps and validation Dice are those of the best model so far.
 * @param trainer any
 * @param[in,out] info its struct_size says how much the caller knows; texts are static
 * @param[out] err error text, or NULL
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
 * @param trainer goes on where it stopped
 * @param progress may be NULL; phases LOAD (cases), PRETRAIN (steps of the generator), TRAIN (steps), VALIDATE (cases)
 * @param user for `progress`
 * @param[out] err error text, or NULL
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
 * @param trainer or NULL
 * @threads any
 * @since 0.1
 */
GENSEG_API void genseg_trainer_cancel(genseg_trainer *trainer);

/**
 * A copy of the best model so far; of the newest where there is no validation, or none was
 * finished before a cancel. Its weights are always finite.
 * @param trainer any
 * @param[out] segmenter owned by the caller, see genseg_segmenter_free()
 * @param[out] err error text, or NULL
 * @return STATE (nothing trained yet), NOMEM
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API genseg_status genseg_trainer_segmenter(const genseg_trainer *trainer, genseg_segmenter **segmenter,
                                                  genseg_error *err);

/**
 * A copy of the generator that goes with genseg_trainer_segmenter().
 * @param trainer any
 * @param[out] generator owned by the caller, see genseg_generator_free()
 * @param[out] err error text, or NULL
 * @return STATE (nothing trained yet, or a method without a generator), NOMEM
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API genseg_status genseg_trainer_generator(const genseg_trainer *trainer, genseg_generator **generator,
                                                  genseg_error *err);

/** What level III controls, see genseg_trainer_lever(). Names are borrowed from the trainer. */
typedef struct genseg_lever {
    size_t struct_size; /**< set by the caller to sizeof(genseg_lever) */
    const char *name; /**< "gamma", "warp", "appearance", "pairs", or a cell's "generator.down1.alpha" */
    int32_t group;    /**< a GENSEG_LEVER_* value */
    int32_t count;    /**< values: warp has rotation, scale, shift, shear, pad, elastic; appearance contrast,
                           brightness, gamma, noise, blur; pairs one for each training case; alpha the logits of the
                           candidates */
    const float *value;    /**< `count` of them */
    const float *gradient; /**< of the validation loss, from level III's newest update */
} genseg_lever;

/**
 * Looks at one lever.
 * @param trainer any
 * @param index from 0; INVALID ends the list (at once for methods without a generator)
 * @param[in,out] lever its struct_size says how much the caller knows; borrowed until the next run
 * @param[out] err error text, or NULL
 * @return INVALID
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API genseg_status genseg_trainer_lever(const genseg_trainer *trainer, int64_t index, genseg_lever *lever,
                                              genseg_error *err);

/** One value of a lever, checked by brute force, see genseg_trainer_audit(). */
typedef struct genseg_audit {
    size_t struct_size; /**< bytes that the library filled */
    const char *lever; /**< its name, as in genseg_lever */
    int32_t group;     /**< a GENSEG_LEVER_* value */
    int32_t index;     /**< of the value in the lever */
    double gradient;   /**< of the validation loss after a step, as level III has it */
    double brute;      /**< the same by moving the value, making the step again and looking */
    double noise;      /**< how far a move half as large gives something else */
    int64_t done;      /**< values checked, this one included */
    int64_t total;     /**< values in all */
} genseg_audit;

/**
 * Receives a value that was checked, on the thread that audits.
 * @param audit valid during the call
 * @param user as it was given with the function
 * @return non-zero ends the audit with GENSEG_ERROR_CANCELLED
 */
typedef int32_t (*genseg_audit_fn)(const genseg_audit *audit, void *user);

/**
 * Proves the gradients that feedback goes by on the trainer's own data: each value of a
 * lever is moved by +-delta and +-delta / 2, the coming step is made again from the same weights, and the loss on the
 * same validation patches is looked at. Afterwards the trainer is as before, bit for bit.
 *
 * Losses are single precision and ReLU has kinks: where `noise` is as large as `brute`, brute force has no answer.
 * @param trainer has made a step with method "genseg"
 * @param groups GENSEG_LEVER_* bits, GENSEG_LEVER_GENERATOR apart
 * @param most values of a lever that are checked, evenly spaced; 0: all
 * @param delta length of the moves, at most 1; 0: 0.05
 * @param report called after each value
 * @param user for `report`
 * @param[out] err error text, or NULL
 * @return STATE (method not "genseg", no validation case, or no step made yet), INVALID, CANCELLED, NUMERIC (a gradient
 *         that is zero throughout), NOMEM, BACKEND
 * @threads exclusive
 * @since 0.1
 */
GENSEG_API genseg_status genseg_trainer_audit(genseg_trainer *trainer, int32_t groups, int64_t most, double delta,
                                              genseg_audit_fn report, void *user, genseg_error *err);

/** Steps made. @param trainer or NULL @return 0 or more @threads exclusive @since 0.1 */
GENSEG_API int64_t genseg_trainer_steps(const genseg_trainer *trainer);
/** Running mean of the training loss. @param trainer or NULL
 *  @return NaN before the first step @threads exclusive @since 0.1 */
GENSEG_API double genseg_trainer_loss(const genseg_trainer *trainer);
/** Best mean foreground Dice on validation. @param trainer or NULL
 *  @return NaN before the first validation @threads exclusive @since 0.1 */
GENSEG_API double genseg_trainer_best_dice(const genseg_trainer *trainer);

/** @} */
#ifdef __cplusplus
}
#endif
#endif
