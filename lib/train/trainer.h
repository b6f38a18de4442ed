// The struct behind genseg_trainer: one network, its optimizer, the cases in
// memory, and the schedule of steps and validations.
#ifndef GSG_TRAIN_TRAINER_H
#define GSG_TRAIN_TRAINER_H

#include "core/progress.h"
#include "data/batch.h"
#include "genseg/trainer.h"
#include "graph/plan.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "predict/synthesizer.h"
#include "train/multilevel.h"

// Overlap of tiles in validation: less than in prediction, since it is done often.
#define GSG_TRAINER_OVERLAP 0.25

typedef enum gsg_trainer_method {
    GSG_METHOD_GENSEG = 1, // the order of the names in trainer_levels.c
    GSG_METHOD_CONTINUED,
    GSG_METHOD_SEPARATE,
    GSG_METHOD_AUGMENT,
    GSG_METHOD_PLAIN
} gsg_trainer_method;

// How far the step in progress is, should a cancel cut it.
typedef enum gsg_trainer_phase {
    GSG_TRAINER_BETWEEN = 0, // no step is in progress
    GSG_TRAINER_FORWARD,     // the batch is drawn, the loss isn't there
    GSG_TRAINER_BACKWARD     // some weights are updated, others not yet
} gsg_trainer_phase;

// Working volumes of one split.
typedef struct gsg_trainer_cases {
    int64_t *indices; // in the data set
    gsg_volume *volumes;
    int64_t count;
    int64_t loaded; // volumes that are there
} gsg_trainer_cases;

struct genseg_trainer {
    genseg_context *context;
    genseg_dataset *dataset;
    genseg_trainer_options options; // complete; its texts are not kept
    gsg_unet unet;
    gsg_preprocess preprocess;
    gsg_trainer_cases train, validation;
    uint64_t memory; // at the peak, see genseg_trainer_memory()

    gsg_params *params;
    gsg_params *best;
    gsg_optimizer_options optimizer_options;
    gsg_optimizer *optimizer;
    gsg_schedule schedule;
    gsg_plan *plan; // NULL where multilevel has its own
    gsg_value image, target, weights, loss_value; // of the plan; weights may be GSG_NONE

    gsg_trainer_method method;
    gsg_multilevel *multilevel; // NULL for real pairs alone
    gsg_params *gan_best;       // generator and discriminator that go with `best`
    gsg_sampler *pair_sampler, *mask_sampler, *validation_sampler;
    float *pixels;       // of a batch whose masks alone are wanted
    int64_t gan_step;    // of pre-training, made so far
    double train_begin;  // clock at which this run's first step of the segmenter began
    double step_loss;    // of the step in progress
    double judge_mean;   // running mean of the discriminator's loss
    int32_t judge_won;   // non-zero: level I has ended
    int64_t gan_made, gan_best_made; // steps of level I behind the newest generator, and behind gan_best

    gsg_sampler *sampler;
    int32_t *labels; // of a batch
    float class_weights[GSG_DATASET_MAX_CLASSES];
    gsg_predictor *predictor;  // for validation; shares params
    uint8_t *prediction;       // classes of the largest validation case,
    int32_t *prediction_wide;  // twice: scores want int32
    int64_t validate_every;

    int64_t step;      // made so far
    gsg_trainer_phase cut; // where a cancel cut the next one
    int64_t best_step; // at which `best` was kept; -1: nothing yet
    int64_t validated; // step of the newest validation; -1: none (without validation cases: of `best`)
    int64_t stale;     // validations without a better one
    double loss;       // running mean
    double dice, best_dice;
    gsg_progress *progress; // of the run in progress
    atomic_int cancel;
};

// `options` is complete but for what 0 and NULL leave to the library. `dataset` is retained.
void gsg_trainer_defaults(genseg_trainer_options *options);
genseg_status gsg_trainer_new(genseg_context *context, genseg_dataset *dataset, const genseg_trainer_options *options,
                              genseg_trainer **trainer, gsg_error *err);
void gsg_trainer_free(genseg_trainer *trainer); // NULL allowed

// ---- the three levels (trainer_levels.c)
genseg_status gsg_trainer_method_named(genseg_trainer *trainer, gsg_error *err);
// Plans levels I to III; after the segmenter's parameters and optimizer are there.
genseg_status gsg_trainer_plan_levels(genseg_trainer *trainer, gsg_error *err);
// Samplers and buffers, once the cases are there; bytes that they take, for the forecast.
genseg_status gsg_trainer_load_levels(genseg_trainer *trainer, gsg_error *err);
uint64_t gsg_trainer_levels_bytes(const genseg_trainer *trainer, int64_t train_places, int64_t validation_places);
// Trains the generator by itself; goes on where it was cancelled.
genseg_status gsg_trainer_pretrain(genseg_trainer *trainer, gsg_error *err);
// Makes the newest generator and discriminator those that are gone back to.
void gsg_trainer_keep_generator(genseg_trainer *trainer);
// A step, as gsg_multilevel_step(); ends level I where the discriminator has won.
genseg_status gsg_trainer_step_levels(genseg_trainer *trainer, double lr, double *loss, gsg_error *err);

// ---- a model as the beginning, and proofs (trainer_audit.c)
genseg_status gsg_trainer_start_from(genseg_trainer *trainer, const genseg_segmenter *segmenter,
                                     const genseg_generator *generator, gsg_error *err);
// Arguments checked by the caller but for the trainer's state.
genseg_status gsg_trainer_audit(genseg_trainer *trainer, int32_t groups, int64_t most, double delta,
                                genseg_audit_fn report, void *user, gsg_error *err);

// How batches are drawn.
gsg_sampler_options gsg_trainer_sampling(const genseg_trainer *trainer);
// Reads and preprocesses what isn't in memory yet, makes sampler and buffers. Goes on where it was cancelled.
genseg_status gsg_trainer_load(genseg_trainer *trainer, gsg_error *err);
// Weights and optimizer from before the loss or the weights ceased to be numbers: the best, or else the first ones.
void gsg_trainer_go_back(genseg_trainer *trainer);
// Makes the newest weights the best. NUMERIC, and back to the best before, where one of them isn't finite.
genseg_status gsg_trainer_keep(genseg_trainer *trainer, gsg_error *err);
// Validates: predicts all validation cases, sets dice, keeps the best weights.
genseg_status gsg_trainer_validate(genseg_trainer *trainer, gsg_error *err);
genseg_status gsg_trainer_run(genseg_trainer *trainer, genseg_progress_fn report, void *user, gsg_error *err);
genseg_status gsg_trainer_segmenter(const genseg_trainer *trainer, genseg_segmenter **segmenter, gsg_error *err);

// The generator that goes with it. STATE where the method has none.
genseg_status gsg_trainer_generator(const genseg_trainer *trainer, genseg_generator **generator, gsg_error *err);

// Has the host asked to end, by its callback or by genseg_trainer_cancel()?
int32_t gsg_trainer_cancelled(genseg_trainer *trainer);

#endif
