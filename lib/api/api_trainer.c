// genseg/trainer.h: checks arguments, completes options, calls one inner function.
#include "genseg/trainer.h"

#include <math.h>
#include <string.h>

#include "core/parallel.h"
#include "genseg/version.h"
#include "train/trainer.h"

_Static_assert(GENSEG_AXIS_D == (int)GSG_AXIS_D && GENSEG_AXIS_H == (int)GSG_AXIS_H && GENSEG_AXIS_W == (int)GSG_AXIS_W,
               "axes");
_Static_assert(GENSEG_NORMALISE_PERCENTILE == (int)GSG_NORMALISE_PERCENTILE &&
                   GENSEG_NORMALISE_NONE == (int)GSG_NORMALISE_NONE,
               "normalisations");
_Static_assert(GENSEG_LEVER_ARCHITECTURE == (int)GSG_LEVER_ARCHITECTURE &&
                   GENSEG_LEVER_GENERATOR == (int)GSG_LEVER_GENERATOR &&
                   2 * GENSEG_LEVER_GENERATOR - 1 == (int)GSG_LEVER_ALL,
               "levers");
_Static_assert(GENSEG_SCALE_NATIVE == (int)GSG_SCALE_NATIVE && GENSEG_SCALE_RESIZE == (int)GSG_SCALE_RESIZE, "scales");

genseg_status genseg_trainer_options_init(genseg_trainer_options *options, size_t size)
{
    genseg_trainer_options defaults;
    gsg_trainer_defaults(&defaults);
    return gsg_options_init(options, size, &defaults, sizeof defaults);
}

static genseg_status missing(const char *name, gsg_error *err)
{
    return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s is NULL", name);
}

static genseg_status check_trainer(const genseg_trainer *trainer, gsg_error *err)
{
    return trainer ? gsg_context_check(trainer->context, err) : missing("trainer", err);
}

genseg_status genseg_trainer_new(genseg_context *context, genseg_dataset *dataset,
                                 const genseg_trainer_options *options, genseg_trainer **trainer, genseg_error *err)
{
    genseg_trainer_options complete;
    genseg_status status;
    if (!context || !dataset || !trainer)
        GSG_TRY(missing(!context ? "context" : !dataset ? "dataset" : "trainer", err));
    GSG_TRY(gsg_context_check(context, err));
    gsg_trainer_defaults(&complete);
    GSG_TRY(gsg_options_copy(&complete, sizeof complete, options, "genseg_trainer_options", err));
    const char *const texts[] = {complete.optimizer, complete.schedule, complete.method, complete.gan_loss,
                                 complete.solver};
    static const char *const names[] = {"options->optimizer", "options->schedule", "options->method",
                                        "options->gan_loss", "options->solver"};
    for (int i = 0; i < 5; i++)
        if (!texts[i])
            GSG_TRY(missing(names[i], err));
    int32_t saved = gsg_parallel_enter(context);
    status = gsg_trainer_new(context, dataset, &complete, trainer, err);
    gsg_parallel_leave(saved);
done:
    return status;
}

genseg_status genseg_trainer_start_from(genseg_trainer *trainer, const genseg_segmenter *segmenter,
                                        const genseg_generator *generator, genseg_error *err)
{
    genseg_status status = check_trainer(trainer, err);
    if (status == GENSEG_OK && !segmenter)
        status = missing("segmenter", err);
    return status == GENSEG_OK ? gsg_trainer_start_from(trainer, segmenter, generator, err) : status;
}

void genseg_trainer_free(genseg_trainer *trainer)
{
    gsg_trainer_free(trainer);
}

uint64_t genseg_trainer_memory(const genseg_trainer *trainer)
{
    return trainer ? trainer->memory : 0;
}

genseg_status genseg_trainer_describe(const genseg_trainer *trainer, genseg_segmenter_info *info, genseg_error *err)
{
    genseg_status status = check_trainer(trainer, err);
    if (status == GENSEG_OK && !info)
        status = missing("info", err);
    if (status != GENSEG_OK)
        return status;
    const gsg_preprocess *p = &trainer->preprocess;
    genseg_segmenter_info full = {.struct_size = sizeof full,
                                  .architecture = gsg_segmenter_architecture(&trainer->unet),
                                  .version = GENSEG_VERSION_STRING,
                                  .ndim = trainer->unet.spatial,
                                  .channels = (int32_t)trainer->unet.channels,
                                  .classes = trainer->dataset->classes,
                                  .levels = trainer->unet.levels,
                                  .width = trainer->unet.width,
                                  .weights = gsg_params_values(trainer->params, 1),
                                  .normalise = p->normalise,
                                  .scale = p->scale,
                                  .steps = trainer->best_step < 0 ? 0 : trainer->best_step,
                                  .train_cases = trainer->train.count,
                                  .validation_cases = trainer->validation.count,
                                  .validation_dice = trainer->best_dice,
                                  .seed = trainer->options.seed};
    memcpy(full.size, p->size, sizeof full.size);
    memcpy(full.spacing, p->spacing, sizeof full.spacing);
    status = gsg_options_init(info, info->struct_size, &full, sizeof full);
    return status == GENSEG_OK ? status : gsg_error_set(err, status, "info->struct_size is %zu", info->struct_size);
}

genseg_status genseg_trainer_run(genseg_trainer *trainer, genseg_progress_fn progress, void *user, genseg_error *err)
{
    genseg_status status = check_trainer(trainer, err);
    if (status == GENSEG_OK && trainer->progress)
        status = gsg_error_set(err, GENSEG_ERROR_STATE, "the trainer is running already");
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(trainer->context);
    status = gsg_trainer_run(trainer, progress, user, err);
    gsg_parallel_leave(saved);
    return status;
}

void genseg_trainer_cancel(genseg_trainer *trainer)
{
    if (trainer)
        atomic_store_explicit(&trainer->cancel, 1, memory_order_relaxed);
}

genseg_status genseg_trainer_segmenter(const genseg_trainer *trainer, genseg_segmenter **segmenter, genseg_error *err)
{
    genseg_status status = check_trainer(trainer, err);
    if (status == GENSEG_OK && !segmenter)
        status = missing("segmenter", err);
    return status == GENSEG_OK ? gsg_trainer_segmenter(trainer, segmenter, err) : status;
}

genseg_status genseg_trainer_generator(const genseg_trainer *trainer, genseg_generator **generator, genseg_error *err)
{
    genseg_status status = check_trainer(trainer, err);
    if (status == GENSEG_OK && !generator)
        status = missing("generator", err);
    return status == GENSEG_OK ? gsg_trainer_generator(trainer, generator, err) : status;
}

genseg_status genseg_trainer_lever(const genseg_trainer *trainer, int64_t index, genseg_lever *lever, genseg_error *err)
{
    genseg_status status = check_trainer(trainer, err);
    if (status == GENSEG_OK && !lever)
        status = missing("lever", err);
    if (status != GENSEG_OK)
        return status;
    const gsg_levers *levers = trainer->multilevel ? trainer->multilevel->levers : NULL;
    const int64_t count = levers ? levers->count : 0;
    if (index < 0 || index >= count)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "lever %lld of %lld", (long long)index, (long long)count);
    const gsg_lever *item = &levers->items[index];
    const genseg_lever full = {.struct_size = sizeof full, .name = item->name, .group = item->group,
                               .count = (int32_t)item->count, .value = item->value, .gradient = item->gradient};
    status = gsg_options_init(lever, lever->struct_size, &full, sizeof full);
    return status == GENSEG_OK ? status : gsg_error_set(err, status, "lever->struct_size is %zu", lever->struct_size);
}

genseg_status genseg_trainer_audit(genseg_trainer *trainer, int32_t groups, int64_t most, double delta,
                                   genseg_audit_fn report, void *user, genseg_error *err)
{
    genseg_status status = check_trainer(trainer, err);
    if (status == GENSEG_OK && !report)
        status = missing("report", err);
    if (status == GENSEG_OK && trainer->progress)
        status = gsg_error_set(err, GENSEG_ERROR_STATE, "the trainer is running");
    if (status == GENSEG_OK && ((groups & ~(GENSEG_LEVER_GENERATOR - 1)) != 0 || most < 0 || !(delta >= 0 && delta <= 1)))
        status = gsg_error_set(err, GENSEG_ERROR_INVALID, "groups %d, most %lld, delta %g", (int)groups, (long long)most,
                               delta);
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(trainer->context);
    status = gsg_trainer_audit(trainer, groups, most, delta, report, user, err);
    gsg_parallel_leave(saved);
    return status;
}

int64_t genseg_trainer_steps(const genseg_trainer *trainer)
{
    return trainer ? trainer->step : 0;
}

double genseg_trainer_loss(const genseg_trainer *trainer)
{
    return trainer ? trainer->loss : NAN;
}

double genseg_trainer_best_dice(const genseg_trainer *trainer)
{
    return trainer ? trainer->best_dice : NAN;
}
