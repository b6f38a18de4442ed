// Validation: every case in full, on the network's grid; the mean foreground Dice
// decides which weights are kept.
#include <math.h>

#include "metric/score.h"
#include "train/trainer.h"

static int32_t poll(int64_t done, int64_t total, void *user)
{
    return gsg_trainer_cancelled(user);
}

// Mean over the foreground classes that reference or prediction have; NaN where there is none.
static double foreground_dice(const genseg_metrics *scores, int32_t classes)
{
    double sum = 0;
    int32_t count = 0;
    for (int32_t k = 1; k < classes; k++)
        if (scores[k].state != GENSEG_METRICS_BOTH_EMPTY) {
            sum += scores[k].dice;
            count++;
        }
    return count ? sum / count : NAN;
}

static genseg_status score_case(genseg_trainer *trainer, const gsg_volume *volume, double *dice, gsg_error *err)
{
    genseg_status status;
    genseg_metrics scores[GSG_DATASET_MAX_CLASSES];
    genseg_metrics_options options;
    const int64_t voxels = gsg_volume_count(volume);
    gsg_predict_job job = {.volume = volume, .overlap = GSG_TRAINER_OVERLAP, .classes = trainer->prediction,
                           .poll = poll, .user = trainer};
    for (int32_t a = 0; a < 3; a++)
        job.size[a] = volume->size[a];
    gsg_score_defaults(&options);
    options.classes = trainer->dataset->classes;
    options.surfaces = 0;
    GSG_TRY(gsg_predictor_run(trainer->predictor, &job, err));
    for (int64_t v = 0; v < voxels; v++)
        trainer->prediction_wide[v] = trainer->prediction[v];
    GSG_TRY(gsg_score_classes(trainer->context, volume->label, trainer->prediction_wide, volume->ndim, volume->size,
                              &options, scores, err));
    *dice = foreground_dice(scores, options.classes);
done:
    return status;
}

// Weights may have ceased to be numbers with the very last update, which no loss has seen yet; running statistics
// may, while the loss stays finite.
static genseg_status check_weights(genseg_trainer *trainer, gsg_error *err)
{
    const gsg_param *broken = gsg_params_broken(trainer->params);
    if (!broken && trainer->multilevel)
        broken = gsg_params_broken(trainer->multilevel->gan->params);
    if (!broken)
        return GENSEG_OK;
    gsg_trainer_go_back(trainer);
    trainer->validated = trainer->step; // what it would find next time are older weights
    return gsg_error_set(err, GENSEG_ERROR_NUMERIC,
                         "%s is no longer finite at step %lld: the learning rate may be too high", broken->name,
                         (long long)trainer->step);
}

genseg_status gsg_trainer_keep(genseg_trainer *trainer, gsg_error *err)
{
    genseg_status status = check_weights(trainer, err);
    if (status != GENSEG_OK)
        return status;
    gsg_params_copy(trainer->best, trainer->params);
    if (trainer->multilevel)
        gsg_trainer_keep_generator(trainer);
    trainer->best_step = trainer->step;
    return GENSEG_OK;
}

genseg_status gsg_trainer_validate(genseg_trainer *trainer, gsg_error *err)
{
    double sum = 0;
    int64_t scored = 0;
    gsg_progress *progress = trainer->progress;
    if (trainer->validation.count == 0) { // the newest are the best
        trainer->validated = trainer->step;
        return gsg_trainer_keep(trainer, err);
    }
    genseg_status status = check_weights(trainer, err);
    if (status != GENSEG_OK)
        return status;
    const gsg_progress training = *progress; // its rate counts validations as time spent
    gsg_progress_phase(progress, GENSEG_PHASE_VALIDATE, 0, trainer->validation.count);
    for (int64_t i = 0; i < trainer->validation.count; i++) {
        double dice = NAN;
        status = score_case(trainer, &trainer->validation.volumes[i], &dice, err);
        if (status != GENSEG_OK)
            return status;
        if (!isnan(dice)) {
            sum += dice;
            scored++;
        }
        progress->state.done++;
    }
    trainer->validated = trainer->step;
    trainer->dice = scored ? sum / (double)scored : NAN;
    trainer->stale++;
    if (trainer->best_step < 0 || isnan(trainer->best_dice) || trainer->dice > trainer->best_dice) {
        trainer->best_dice = trainer->dice;
        trainer->stale = 0;
        status = gsg_trainer_keep(trainer, err);
        if (status != GENSEG_OK)
            return status;
    }
    gsg_schedule_observe(&trainer->schedule, trainer->dice);
    progress->state.validation_dice = trainer->dice;
    progress->state.best_dice = trainer->best_dice;
    progress->state.phase = training.state.phase;
    progress->state.done = training.state.done;
    progress->state.total = training.state.total;
    progress->phase_begin = training.phase_begin;
    progress->phase_done = training.phase_done;
    // Back in the training, where short steps between validations would never be told.
    gsg_progress_now(progress);
    return GENSEG_OK;
}
