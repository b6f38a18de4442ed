// Small trainings for tests: phantoms, options, hosts that look on and cancel,
// and a trained model as the bytes of its file.
#ifndef TEST_TRAIN_TRAINING_H
#define TEST_TRAIN_TRAINING_H

#include <math.h>

#include "core/parallel.h"
#include "data/phantom.h"
#include "faults.h"
#include "train/trainer.h"

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        gsg_error problem = {0}, *err = &problem;                                                                      \
        const genseg_status found = (call);                                                                            \
        ck_assert_msg(found == GENSEG_OK, "%s: %d %s", #call, (int)found, problem.message);                            \
    } while (0)

// The call takes `err`; its status and a part of its message.
#define FAILS(call, code, part)                                                                                        \
    do {                                                                                                               \
        gsg_error problem = {0}, *err = &problem;                                                                      \
        const genseg_status found = (call);                                                                            \
        ck_assert_msg(found == (code), "%s: %d %s", #call, (int)found, problem.message);                               \
        ck_assert_int_eq(problem.status, (code));                                                                      \
        ck_assert_msg(strstr(problem.message, part), "\"%s\" lacks \"%s\"", problem.message, part);                    \
    } while (0)

GSG_UNUSED static genseg_context *context_with(uint64_t memory_limit)
{
    const genseg_context_options options = {
        .struct_size = sizeof options, .threads = 1, .seed = 5, .memory_limit = memory_limit};
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    return context;
}

// An idle context holds nothing.
GSG_UNUSED static void context_close(genseg_context *context)
{
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}

// Images of 32 x 32, or 16 x 32 x 32 voxels.
typedef struct phantom {
    int32_t ndim, classes, channels;
    int32_t train, validation;
} phantom;

GSG_UNUSED static const phantom plain = {2, 2, 1, 4, 2};

GSG_UNUSED static genseg_status phantom_new(genseg_context *context, const phantom *of, genseg_dataset **dataset,
                                            gsg_error *err)
{
    genseg_phantom_options options;
    genseg_dataset *made = NULL;
    gsg_phantom_defaults(&options);
    options.ndim = of->ndim;
    options.classes = of->classes;
    options.channels = of->channels;
    options.count = of->train + of->validation;
    options.size[0] = 16;
    options.size[1] = options.size[2] = 32;
    genseg_status status = gsg_dataset_phantom(context, &options, &made, err);
    if (status == GENSEG_OK)
        status = gsg_dataset_split(made, of->train, of->validation, 1, err);
    if (status == GENSEG_OK)
        *dataset = made;
    else
        gsg_dataset_release(made);
    return status;
}

// Width 4, the whole image in 2-D, patches of 16 x 16 x 16 in 3-D.
GSG_UNUSED static genseg_trainer_options options_of(int32_t ndim, int64_t steps)
{
    genseg_trainer_options options;
    gsg_trainer_defaults(&options);
    options.method = "augment";
    options.width = 4;
    options.steps = steps;
    options.lr = 5e-3;
    for (int32_t a = 0; ndim == 3 && a < 3; a++)
        options.size[a] = 16;
    return options;
}

// The trainer alone holds the data.
GSG_UNUSED static genseg_trainer *trainer_new(genseg_context *context, const phantom *of,
                                              const genseg_trainer_options *options)
{
    genseg_dataset *dataset = NULL;
    genseg_trainer *trainer = NULL;
    OK(phantom_new(context, of, &dataset, err));
    OK(gsg_trainer_new(context, dataset, options, &trainer, err));
    gsg_dataset_release(dataset);
    return trainer;
}

// A host that is asked at every poll, not 20 times a second, and cancels at one of them.
typedef struct host {
    genseg_trainer *trainer;
    int64_t polls;
    int64_t cancel_at;    // poll, 0: never
    int32_t cancel_phase; // 0: never
    int32_t phase;        // of the newest report
    int64_t validations;  // begun
} host;

GSG_UNUSED static int32_t watch(const genseg_progress *progress, void *user)
{
    host *seen = user;
    ck_assert_uint_eq(progress->struct_size, sizeof *progress);
    ck_assert(progress->total == 0 || (progress->done >= 0 && progress->done <= progress->total));
    seen->trainer->progress->last = 0; // the next tick is due at once
    seen->polls++;
    if (progress->phase == GENSEG_PHASE_VALIDATE && seen->phase != GENSEG_PHASE_VALIDATE)
        seen->validations++;
    seen->phase = progress->phase;
    return seen->polls == seen->cancel_at || progress->phase == seen->cancel_phase;
}

GSG_UNUSED static genseg_status run_watched(genseg_trainer *trainer, host *seen, gsg_error *err)
{
    seen->trainer = trainer;
    return gsg_trainer_run(trainer, watch, seen, err);
}

GSG_UNUSED static bool finite_params(const gsg_params *params)
{
    for (int32_t i = 0; i < params->count; i++)
        for (int64_t j = 0; j < params->items[i].layout.count; j++)
            if (!isfinite(params->items[i].data[j]))
                return false;
    return true;
}

GSG_UNUSED static bool equal_params(const gsg_params *a, const gsg_params *b)
{
    for (int32_t i = 0; i < a->count; i++)
        if (memcmp(a->items[i].data, b->items[i].data, (size_t)a->items[i].layout.count * sizeof(float)) != 0)
            return false;
    return a->count == b->count;
}

typedef struct model_file {
    size_t size;
    char bytes[1 << 20];
} model_file;

// The best model as it would be shipped.
GSG_UNUSED static model_file *model_of(const genseg_trainer *trainer)
{
    char folder[64], path[96];
    genseg_segmenter *segmenter = NULL;
    model_file *model = malloc(sizeof *model);
    ck_assert_ptr_nonnull(model);
    scratch_folder(folder);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    OK(gsg_trainer_segmenter(trainer, &segmenter, err));
    ck_assert(finite_params(segmenter->params));
    OK(gsg_segmenter_save(segmenter, path, err));
    gsg_segmenter_release(segmenter);
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    model->size = fread(model->bytes, 1, sizeof model->bytes, file);
    ck_assert(model->size > 1000 && model->size < sizeof model->bytes);
    fclose(file);
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(rmdir(folder), 0);
    return model;
}

GSG_UNUSED static bool same_model(const model_file *a, const model_file *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

#endif
