// The loop: batch, loss, update; validation from time to time.
#include <math.h>
#include <string.h>

#include "core/parallel.h"
#include "core/profile.h"
#include "genseg/version.h"
#include "train/trainer.h"

#define MEMORY_OF_LOSS 0.95 // of the running mean, a step

int32_t gsg_trainer_cancelled(genseg_trainer *trainer)
{
    const int32_t host = trainer->progress ? gsg_progress_tick(trainer->progress) : 0;
    return host || atomic_load_explicit(&trainer->cancel, memory_order_relaxed);
}

static int32_t poll(void *user)
{
    return gsg_trainer_cancelled(user);
}

static genseg_status update(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    genseg_trainer *trainer = user;
    gsg_optimizer_update(trainer->optimizer, param, trainer->params->items[param].data, gradient);
    return GENSEG_OK;
}

void gsg_trainer_go_back(genseg_trainer *trainer)
{
    gsg_params_copy(trainer->params, trainer->best); // the first weights until one is kept
    gsg_optimizer_clear(trainer->optimizer); // means start from nothing again
    trainer->cut = GSG_TRAINER_BETWEEN;
    if (trainer->multilevel) {
        gsg_gan_go_back(trainer->multilevel->gan, trainer->gan_best);
        trainer->gan_made = trainer->gan_best_made;
    }
}

static void note_loss(genseg_trainer *trainer, double loss)
{
    // The mean of the first steps is a plain one, so that it doesn't start from nothing.
    const double memory = fmin(MEMORY_OF_LOSS, (double)trainer->step / ((double)trainer->step + 1));
    trainer->loss = trainer->step == 0 ? loss : memory * trainer->loss + (1 - memory) * loss;
    trainer->progress->state.loss = trainer->loss;
}

static genseg_status draw_batch(genseg_trainer *trainer, gsg_error *err)
{
    const int64_t *size = trainer->preprocess.size;
    const double begin = gsg_profile_begin(trainer->context);
    genseg_status status = gsg_sampler_next(trainer->sampler, trainer->step,
                                            gsg_plan_data(trainer->plan, trainer->image), trainer->labels, err);
    if (status != GENSEG_OK)
        return status;
    gsg_labels_to_onehot(trainer->context, trainer->labels, trainer->options.batch, trainer->unet.outputs,
                         size[0] * size[1] * size[2], gsg_plan_data(trainer->plan, trainer->target));
    if (trainer->weights != GSG_NONE)
        memcpy(gsg_plan_data(trainer->plan, trainer->weights), trainer->class_weights,
               (size_t)trainer->unet.outputs * sizeof(float));
    gsg_profile_end(trainer->context, begin, &(gsg_profile_row){.name = "batches"});
    return GENSEG_OK;
}

static genseg_status check_loss(genseg_trainer *trainer, double loss, double lr, gsg_error *err)
{
    if (isfinite(loss))
        return GENSEG_OK;
    gsg_trainer_go_back(trainer);
    return gsg_error_set(err, GENSEG_ERROR_NUMERIC,
                         "the loss is %s at step %lld: the learning rate (%g) may be too high",
                         isnan(loss) ? "NaN" : "infinite", (long long)trainer->step + 1, lr);
}

static genseg_status make_step_levels(genseg_trainer *trainer, double lr, gsg_error *err)
{
    genseg_status status = gsg_trainer_step_levels(trainer, lr, &trainer->step_loss, err);
    if (status == GENSEG_OK) {
        note_loss(trainer, trainer->step_loss);
        trainer->step++;
    }
    return status;
}

// A step that a cancel has cut goes on at the node where it stopped: neither running statistics nor weights
// move twice, and the run gives what it would have given uncut.
static genseg_status make_step(genseg_trainer *trainer, double lr, gsg_error *err)
{
    genseg_status status;
    gsg_plan *plan = trainer->plan;
    const gsg_run run = {.seed = trainer->options.seed, .step = (uint64_t)trainer->step, .update_statistics = 1};
    if (trainer->cut == GSG_TRAINER_BETWEEN) {
        GSG_TRY(draw_batch(trainer, err));
        trainer->cut = GSG_TRAINER_FORWARD;
        GSG_TRY(gsg_plan_run_until(plan, &run, trainer->loss_value, err));
    } else if (trainer->cut == GSG_TRAINER_FORWARD) {
        GSG_TRY(gsg_plan_resume_until(plan, &run, trainer->loss_value, err));
    }
    const double loss = *gsg_plan_data(plan, trainer->loss_value);
    if (trainer->cut == GSG_TRAINER_FORWARD) {
        GSG_TRY(check_loss(trainer, loss, lr, err));
        gsg_optimizer_begin(trainer->optimizer, lr);
        trainer->cut = GSG_TRAINER_BACKWARD;
    }
    GSG_TRY(gsg_plan_run_rest(plan, &run, err));
    trainer->cut = GSG_TRAINER_BETWEEN;
    note_loss(trainer, loss);
    trainer->step++;
done:
    if (status != GENSEG_OK && status != GENSEG_ERROR_CANCELLED)
        trainer->cut = GSG_TRAINER_BETWEEN;
    return status;
}

// Steps of the whole run, or as many as the time seems to allow.
static int64_t expected_steps(const genseg_trainer *trainer, int64_t first)
{
    const genseg_trainer_options *options = &trainer->options;
    int64_t total = options->steps;
    if (options->seconds > 0) { // what loading and the generator took beforehand doesn't come again
        const double begin = trainer->train_begin, end = trainer->progress->begin + options->seconds;
        const double part = (gsg_clock() - begin) / fmax(end - begin, 1e-3);
        const double estimate =
            part > 0 && trainer->step > first ? (double)first + (double)(trainer->step - first) / part : 0;
        if (total == 0 || (estimate > 0 && estimate < (double)total))
            total = (int64_t)estimate;
    }
    return total;
}

static int32_t finished(const genseg_trainer *trainer)
{
    const genseg_trainer_options *options = &trainer->options;
    if (options->steps > 0 && trainer->step >= options->steps)
        return 1;
    if (options->seconds > 0 && gsg_clock() - trainer->progress->begin >= options->seconds)
        return 1;
    return options->patience > 0 && trainer->stale >= options->patience;
}

static genseg_status loop(genseg_trainer *trainer, gsg_error *err)
{
    genseg_status status;
    gsg_progress *progress = trainer->progress;
    const int64_t first = trainer->step;
    GSG_TRY(gsg_trainer_load(trainer, err));
    GSG_TRY(gsg_trainer_pretrain(trainer, err));
    trainer->train_begin = gsg_clock();
    gsg_progress_phase(progress, GENSEG_PHASE_TRAIN, trainer->step, trainer->options.steps);
    for (;;) {
        // Asked before the step, not after it, so that a validation that was cut is made up for.
        if (trainer->step > 0 && trainer->step % trainer->validate_every == 0 && trainer->validated != trainer->step)
            GSG_TRY(gsg_trainer_validate(trainer, err));
        if (finished(trainer))
            break;
        if (gsg_trainer_cancelled(trainer))
            GSG_TRY(gsg_error_set(err, GENSEG_ERROR_CANCELLED, "cancelled at step %lld", (long long)trainer->step));
        const int64_t total = expected_steps(trainer, first);
        const double lr = gsg_schedule_lr(&trainer->schedule, trainer->step, total);
        GSG_TRY(trainer->multilevel ? make_step_levels(trainer, lr, err) : make_step(trainer, lr, err));
        progress->state.done = trainer->step;
    }
    if (trainer->validated != trainer->step)
        GSG_TRY(gsg_trainer_validate(trainer, err));
    gsg_progress_now(progress);
done:
    return status;
}

genseg_status gsg_trainer_run(genseg_trainer *trainer, genseg_progress_fn report, void *user, gsg_error *err)
{
    gsg_progress progress;
    gsg_progress_init(&progress, report, user);
    progress.limit = trainer->options.seconds;
    progress.state.loss = trainer->loss;
    progress.state.validation_dice = trainer->dice;
    progress.state.best_dice = trainer->best_dice;
    trainer->progress = &progress;
    if (trainer->multilevel) {
        gsg_multilevel_set_poll(trainer->multilevel, poll, trainer);
    } else {
        gsg_plan_set_sink(trainer->plan, update, trainer);
        gsg_plan_set_poll(trainer->plan, poll, trainer);
    }
    genseg_status status = loop(trainer, err);
    trainer->progress = NULL;
    if (status == GENSEG_ERROR_CANCELLED) {
        atomic_store(&trainer->cancel, 0);
        // Without validation, or before the first one, the newest weights are all there is.
        if (trainer->step > 0 && (trainer->best_step < 0 || trainer->validation.count == 0)) {
            genseg_status kept = gsg_trainer_keep(trainer, err);
            status = kept == GENSEG_OK ? status : kept;
        }
    }
    return status;
}

static void hash_cases(const genseg_dataset *dataset, const gsg_trainer_cases *cases, uint64_t *hashes)
{
    for (int64_t i = 0; i < cases->count; i++)
        hashes[i] = gsg_case_hash(&dataset->cases[cases->indices[i]]);
}

genseg_status gsg_trainer_segmenter(const genseg_trainer *trainer, genseg_segmenter **segmenter, gsg_error *err)
{
    const genseg_dataset *dataset = trainer->dataset;
    gsg_params *params = NULL;
    if (trainer->best_step < 0)
        return gsg_error_set(err, GENSEG_ERROR_STATE, "nothing is trained yet");
    genseg_status status;
    const int64_t count = trainer->train.count + trainer->validation.count;
    uint64_t *hashes = gsg_alloc(trainer->context, (size_t)count, sizeof *hashes);
    if (!hashes)
        GSG_TRY(gsg_error_nomem(err, (size_t)count * sizeof *hashes));
    hash_cases(dataset, &trainer->train, hashes);
    hash_cases(dataset, &trainer->validation, hashes + trainer->train.count);
    GSG_TRY(gsg_params_clone(trainer->best, &params, err));
    const gsg_segmenter_parts parts = {
        .unet = trainer->unet, .preprocess = trainer->preprocess, .classes = dataset->classes,
        .values = dataset->values, .names = (const char *const *)dataset->names, .version = GENSEG_VERSION_STRING,
        .provenance = {.steps = trainer->best_step, .train_cases = trainer->train.count,
                       .validation_cases = trainer->validation.count, .validation_dice = trainer->best_dice,
                       .seed = trainer->options.seed, .cases = hashes}};
    GSG_TRY(gsg_segmenter_new(trainer->context, &parts, params, segmenter, err));
    params = NULL;
done:
    gsg_params_free(params);
    gsg_free(trainer->context, hashes);
    return status;
}
