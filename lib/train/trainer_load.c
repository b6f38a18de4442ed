// Brings the cases of a training into memory, on the network's grid.
#include <math.h>

#include "core/log.h"
#include "train/trainer.h"

static genseg_status load_case(genseg_trainer *trainer, gsg_trainer_cases *cases, int64_t i, gsg_error *err)
{
    genseg_status status;
    const int64_t index = cases->indices[i];
    gsg_volume raw;
    gsg_volume_init(&raw, trainer->context);
    GSG_TRY(gsg_dataset_read(trainer->dataset, index, &raw, err));
    status = gsg_preprocess_image(trainer->context, &trainer->preprocess, &raw, &cases->volumes[i], err);
    if (status != GENSEG_OK)
        gsg_error_prefix(err, status, trainer->dataset->cases[index].name);
done:
    gsg_volume_free(&raw);
    return status;
}

static genseg_status load_cases(genseg_trainer *trainer, gsg_trainer_cases *cases, gsg_error *err)
{
    gsg_progress *progress = trainer->progress;
    for (; cases->loaded < cases->count; cases->loaded++) {
        if (gsg_trainer_cancelled(trainer))
            return gsg_error_set(err, GENSEG_ERROR_CANCELLED, "cancelled while reading the cases");
        genseg_status status = load_case(trainer, cases, cases->loaded, err);
        if (status != GENSEG_OK)
            return status;
        progress->state.done++;
        gsg_progress_tick(progress);
    }
    return GENSEG_OK;
}

static void count_voxels(const genseg_trainer *trainer, int64_t counts[GSG_DATASET_MAX_CLASSES])
{
    for (int32_t k = 0; k < trainer->dataset->classes; k++)
        counts[k] = 0;
    for (int64_t i = 0; i < trainer->train.count; i++) {
        const gsg_volume *volume = &trainer->train.volumes[i];
        const int64_t voxels = gsg_volume_count(volume);
        for (int64_t v = 0; v < voxels; v++)
            counts[volume->label[v]]++;
    }
}

// Weights fall with the root of a class's frequency and stay within 1/10 and 10. For one output it is
// the weight of the foreground.
static void weigh_classes(genseg_trainer *trainer)
{
    int64_t counts[GSG_DATASET_MAX_CLASSES];
    const int32_t classes = trainer->dataset->classes;
    double total = 0;
    count_voxels(trainer, counts);
    for (int32_t k = 0; k < classes; k++) {
        total += (double)counts[k];
        if (counts[k] == 0)
            gsg_log(trainer->context, GENSEG_LOG_WARNING,
                    "no training case has label %d (%s): it can't be learnt", (int)trainer->dataset->values[k],
                    trainer->dataset->names[k]);
    }
    for (int32_t k = 0; k < classes; k++) {
        const double rarity = sqrt(total / (classes * fmax((double)counts[k], 1)));
        trainer->class_weights[k] = (float)fmin(fmax(rarity, 0.1), 10);
    }
    if (trainer->unet.outputs == 1)
        trainer->class_weights[0] = trainer->class_weights[1] / trainer->class_weights[0];
}

gsg_sampler_options gsg_trainer_sampling(const genseg_trainer *trainer)
{
    gsg_sampler_options options;
    gsg_sampler_defaults(&options);
    for (int32_t a = 0; a < 3; a++)
        options.size[a] = trainer->preprocess.size[a];
    options.batch = trainer->options.batch;
    options.classes = trainer->dataset->classes;
    options.foreground = trainer->options.foreground;
    options.seed = trainer->options.seed;
    if (!trainer->options.augment)
        gsg_augment_none(&options.augment);
    options.augment.symmetric = trainer->options.symmetric;
    return options;
}

static genseg_status make_sampler(genseg_trainer *trainer, gsg_error *err)
{
    const gsg_sampler_options options = gsg_trainer_sampling(trainer);
    return gsg_sampler_new(trainer->context, trainer->train.volumes, trainer->train.count, &options,
                           &trainer->sampler, err);
}

static genseg_status make_buffers(genseg_trainer *trainer, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    const int64_t *size = trainer->preprocess.size;
    const size_t patch = (size_t)(trainer->options.batch * size[0] * size[1] * size[2]);
    int64_t most = 0;
    for (int64_t i = 0; i < trainer->validation.count; i++) {
        const int64_t voxels = gsg_volume_count(&trainer->validation.volumes[i]);
        most = voxels > most ? voxels : most;
    }
    if (!trainer->labels)
        trainer->labels = gsg_alloc(trainer->context, patch, sizeof *trainer->labels);
    if (!trainer->prediction)
        trainer->prediction = gsg_alloc(trainer->context, (size_t)most, sizeof *trainer->prediction);
    if (!trainer->prediction_wide)
        trainer->prediction_wide = gsg_alloc(trainer->context, (size_t)most, sizeof *trainer->prediction_wide);
    if (!trainer->labels || !trainer->prediction || !trainer->prediction_wide)
        return gsg_error_nomem(err, patch * sizeof *trainer->labels + 5 * (size_t)most);
    if (!trainer->predictor && trainer->validation.count > 0)
        status = gsg_predictor_new(trainer->context, &trainer->unet, trainer->params, size, &trainer->predictor, err);
    return status;
}

genseg_status gsg_trainer_load(genseg_trainer *trainer, gsg_error *err)
{
    genseg_status status;
    if (trainer->sampler)
        return GENSEG_OK;
    const int64_t done = trainer->train.loaded + trainer->validation.loaded;
    gsg_progress_phase(trainer->progress, GENSEG_PHASE_LOAD, done, trainer->train.count + trainer->validation.count);
    GSG_TRY(load_cases(trainer, &trainer->train, err));
    GSG_TRY(load_cases(trainer, &trainer->validation, err));
    weigh_classes(trainer);
    GSG_TRY(make_buffers(trainer, err));
    if (trainer->multilevel)
        GSG_TRY(gsg_trainer_load_levels(trainer, err));
    GSG_TRY(make_sampler(trainer, err)); // last: with it, all is there
done:
    return status;
}
