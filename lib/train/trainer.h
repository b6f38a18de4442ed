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
#include "predict/segmenter.h"

// Overlap of tiles in validation: less than in prediction, since it is done often.
#define GSG_TRAINER_OVERLAP 0.25

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
    gsg_plan *plan;
    gsg_value image, target, weights, loss_value; // of the plan; weights may be GSG_NONE
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

// Has the host asked to end, by its callback or by genseg_trainer_cancel()?
int32_t gsg_trainer_cancelled(genseg_trainer *trainer);

#endif
