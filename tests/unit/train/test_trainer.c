// Planning and loading: options, data of every kind, the memory foretold, and
// allocations that fail at each point.
#include "training.h"

// ---- what is refused

typedef void (*spoil_fn)(genseg_trainer_options *options);
typedef struct mistake {
    spoil_fn spoil;
    genseg_status status;
    const char *message;
} mistake;

#define SPOIL(name, field, value)                                                                                      \
    static void name(genseg_trainer_options *options)                                                                  \
    {                                                                                                                  \
        options->field = value;                                                                                        \
    }
SPOIL(width_low, width, -1)
SPOIL(width_high, width, 1025)
SPOIL(batch_low, batch, 0)
SPOIL(batch_high, batch, 4097)
SPOIL(steps_low, steps, -3)
SPOIL(seconds_low, seconds, -0.5)
SPOIL(seconds_nan, seconds, (double)NAN)
SPOIL(lr_low, lr, -0.25)
SPOIL(lr_infinite, lr, (double)INFINITY)
SPOIL(momentum_high, momentum, 1)
SPOIL(decay_low, weight_decay, -1)
SPOIL(warmup_low, warmup, -2)
SPOIL(foreground_high, foreground, 1.5)
SPOIL(normalise_unknown, normalise, 4)
SPOIL(symmetric_unknown, symmetric, 8)
SPOIL(every_low, validate_every, -1)
SPOIL(patience_low, patience, -1)
SPOIL(size_low, size[1], -16)
SPOIL(segmenter_unknown, segmenter, "vnet")
SPOIL(segmenter_other, segmenter, "unet3d")
SPOIL(optimizer_unknown, optimizer, "lion")
SPOIL(schedule_unknown, schedule, "step")

static void size_uneven(genseg_trainer_options *options)
{
    options->size[1] = 32;
    options->size[2] = 40;
}

static void size_tiny(genseg_trainer_options *options)
{
    options->size[1] = options->size[2] = 16;
    options->batch = 1;
}

static const mistake mistakes[] = {
    {width_low, GENSEG_ERROR_INVALID, "width is -1, not within 0 and 1024"},
    {width_high, GENSEG_ERROR_INVALID, "width is 1025, not within 0 and 1024"},
    {batch_low, GENSEG_ERROR_INVALID, "batch is 0, not within 1 and 4096"},
    {batch_high, GENSEG_ERROR_INVALID, "batch is 4097, not within 1 and 4096"},
    {steps_low, GENSEG_ERROR_INVALID, "steps is -3, not within 0 and 1e+12"},
    {seconds_low, GENSEG_ERROR_INVALID, "seconds is -0.5, not within 0 and 1e+09"},
    {seconds_nan, GENSEG_ERROR_INVALID, "seconds is nan"},
    {lr_low, GENSEG_ERROR_INVALID, "lr is -0.25, not within 0 and 1000"},
    {lr_infinite, GENSEG_ERROR_INVALID, "lr is inf"},
    {momentum_high, GENSEG_ERROR_INVALID, "momentum is 1, not within 0 and 0.99999"},
    {decay_low, GENSEG_ERROR_INVALID, "weight_decay is -1, not within 0 and 1000"},
    {warmup_low, GENSEG_ERROR_INVALID, "warmup is -2, not within 0 and 1e+12"},
    {foreground_high, GENSEG_ERROR_INVALID, "foreground is 1.5, not within 0 and 1"},
    {normalise_unknown, GENSEG_ERROR_INVALID, "normalise is 4, not within 1 and 3"},
    {symmetric_unknown, GENSEG_ERROR_INVALID, "symmetric is 8, not within 0 and 7"},
    {every_low, GENSEG_ERROR_INVALID, "validate_every is -1, not within 0 and 1e+12"},
    {patience_low, GENSEG_ERROR_INVALID, "patience is -1, not within 0 and 1e+12"},
    {size_low, GENSEG_ERROR_INVALID, "size is -16, not within 0 and 65536"},
    {segmenter_unknown, GENSEG_ERROR_INVALID, "segmenter is \"vnet\", known are unet2d and unet3d"},
    {segmenter_other, GENSEG_ERROR_SHAPE, "segmenter is unet3d, the images have 2 dimensions"},
    {optimizer_unknown, GENSEG_ERROR_INVALID, "lion"},
    {schedule_unknown, GENSEG_ERROR_INVALID, "step"},
    {size_uneven, GENSEG_ERROR_INVALID, "40"},
    {size_tiny, GENSEG_ERROR_INVALID, "size 1x16x16 with batch 1 leaves one voxel in the deepest level"},
};

START_TEST(bad_options_are_named)
{
    genseg_context *context = context_with(0);
    genseg_dataset *dataset = NULL;
    OK(phantom_new(context, &plain, &dataset, err));
    const uint64_t held = atomic_load(&context->memory);
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        genseg_trainer_options options = options_of(2, 1);
        genseg_trainer *trainer = NULL;
        mistakes[i].spoil(&options);
        FAILS(gsg_trainer_new(context, dataset, &options, &trainer, err), mistakes[i].status, mistakes[i].message);
        ck_assert_ptr_null(trainer);
        ck_assert_uint_eq(atomic_load(&context->memory), held);
    }
    gsg_dataset_release(dataset);
    context_close(context);
}
END_TEST

// ---- data

// Copies case `index` of a phantom, its classes mapped, at a spacing of `slices` along D.
static void add_copy(genseg_dataset *to, genseg_dataset *from, int64_t index, const int32_t *classes, double slices,
                     int32_t split)
{
    gsg_volume volume;
    gsg_volume_init(&volume, from->context);
    OK(gsg_dataset_read(from, index, &volume, err));
    const int32_t first = 3 - volume.ndim;
    genseg_array image = {.data = volume.image, .dtype = GENSEG_DTYPE_FLOAT32, .ndim = volume.ndim},
                 label = {.data = volume.label, .dtype = GENSEG_DTYPE_INT32, .ndim = volume.ndim};
    int64_t stride = 4;
    for (int32_t a = volume.ndim - 1; a >= 0; a--) {
        image.shape[a] = label.shape[a] = volume.size[first + a];
        image.strides[a] = label.strides[a] = stride;
        stride *= image.shape[a];
    }
    for (int64_t v = 0; v < gsg_volume_count(&volume); v++)
        volume.label[v] = classes[volume.label[v]];
    const double affine[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, slices, 0, 0, 0, 0, 1};
    const genseg_case item = {.struct_size = sizeof item,
                              .name = from->cases[index].name,
                              .image = &image,
                              .label = &label,
                              .affine = affine};
    OK(gsg_dataset_add(to, &item, err));
    to->cases[to->count - 1].split = split;
    gsg_volume_free(&volume);
}

START_TEST(data_without_a_lesson)
{
    static const int32_t empty[2] = {0, 0}, same[2] = {0, 1};
    genseg_context *context = context_with(0);
    const genseg_trainer_options options = options_of(2, 1);
    genseg_dataset *phantoms = NULL, *dataset = NULL;
    genseg_trainer *trainer = NULL;
    OK(phantom_new(context, &plain, &phantoms, err));
    OK(gsg_dataset_new(context, &dataset, err));
    FAILS(gsg_trainer_new(context, dataset, &options, &trainer, err), GENSEG_ERROR_STATE, "no case of the 0");
    add_copy(dataset, phantoms, 0, empty, 1, GENSEG_SPLIT_VALIDATION);
    FAILS(gsg_trainer_new(context, dataset, &options, &trainer, err), GENSEG_ERROR_STATE,
          "no case of the 1 is marked for training");
    dataset->cases[0].split = GENSEG_SPLIT_TRAIN;
    FAILS(gsg_trainer_new(context, dataset, &options, &trainer, err), GENSEG_ERROR_STATE,
          "all masks hold one label value only (0)");
    add_copy(dataset, phantoms, 1, same, 1, GENSEG_SPLIT_NONE);
    OK(gsg_trainer_new(context, dataset, &options, &trainer, err)); // the table knows a second one now
    gsg_trainer_free(trainer);
    gsg_dataset_release(dataset);
    gsg_dataset_release(phantoms);
    context_close(context);
}
END_TEST

// Two steps and a validation on data of each kind; the data set is let go before (trainer_new()).
static const phantom kinds[] = {
    {2, 2, 1, 1, 0}, // one example, nothing to validate with
    {2, 2, 3, 2, 1}, // colours
    {2, 4, 1, 2, 1},
    {3, 3, 2, 1, 1},
};

START_TEST(data_of_every_kind)
{
    const phantom *kind = &kinds[_i];
    genseg_context *context = context_with(0);
    const genseg_trainer_options options = options_of(kind->ndim, 2);
    genseg_trainer *trainer = trainer_new(context, kind, &options);
    ck_assert_int_eq(atomic_load(&trainer->dataset->references), 1);
    ck_assert_int_eq(trainer->unet.outputs, kind->classes == 2 ? 1 : kind->classes);
    ck_assert_int_eq(trainer->unet.channels, kind->channels);
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    ck_assert_int_eq(trainer->best_step, 2);
    ck_assert(isfinite(trainer->loss) && isnan(trainer->best_dice) == (kind->validation == 0));
    free(model_of(trainer));
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

// Mean Dice of foreground over the validation cases, by the model that is handed out.
static double dice_of_model(genseg_trainer *trainer)
{
    genseg_segmenter *segmenter = NULL;
    genseg_predict_options options;
    double sum = 0;
    gsg_predict_defaults(&options);
    options.overlap = GSG_TRAINER_OVERLAP;
    OK(gsg_trainer_segmenter(trainer, &segmenter, err));
    for (int64_t i = 0; i < trainer->validation.count; i++) {
        gsg_volume volume;
        uint8_t *classes = NULL;
        int64_t both = 0, either = 0;
        gsg_volume_init(&volume, trainer->context);
        OK(gsg_dataset_read(trainer->dataset, trainer->validation.indices[i], &volume, err));
        const int64_t voxels = gsg_volume_count(&volume);
        OK(gsg_segmenter_predict(segmenter, &volume, &options, &classes, NULL, err));
        for (int64_t v = 0; v < voxels; v++) {
            both += classes[v] && volume.label[v];
            either += (classes[v] != 0) + (volume.label[v] != 0);
        }
        sum += 2.0 * (double)both / (double)either;
        gsg_free(trainer->context, classes);
        gsg_volume_free(&volume);
    }
    gsg_segmenter_release(segmenter);
    return sum / (double)trainer->validation.count;
}

// 16 x 32 x 32 voxels, tiles of 16 x 16 x 16.
START_TEST(validation_is_of_whole_cases)
{
    const phantom large = {3, 2, 1, 1, 2};
    genseg_context *context = context_with(0);
    genseg_trainer_options options = options_of(3, 12);
    options.lr = 2e-2;
    genseg_trainer *trainer = trainer_new(context, &large, &options);
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    ck_assert_double_gt(trainer->best_dice, 0.02);
    ck_assert_double_eq_tol(dice_of_model(trainer), trainer->best_dice, 1e-9);
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

// Slices of 2 and of 4 mm: the cases are brought to one spacing.
START_TEST(spacings_that_differ)
{
    static const int32_t same[2] = {0, 1};
    const phantom thick = {3, 2, 1, 2, 2};
    genseg_context *context = context_with(0);
    const genseg_trainer_options options = options_of(3, 2);
    genseg_dataset *phantoms = NULL, *dataset = NULL;
    genseg_trainer *trainer = NULL;
    OK(phantom_new(context, &thick, &phantoms, err));
    OK(gsg_dataset_new(context, &dataset, err));
    for (int64_t i = 0; i < 4; i++)
        add_copy(dataset, phantoms, i, same, i % 2 ? 4 : 2, i < 2 ? GENSEG_SPLIT_TRAIN : GENSEG_SPLIT_VALIDATION);
    gsg_dataset_release(phantoms);
    OK(gsg_trainer_new(context, dataset, &options, &trainer, err));
    gsg_dataset_release(dataset);
    ck_assert_int_eq(trainer->preprocess.scale, GSG_SCALE_SPACING);
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    const int64_t thin = trainer->train.volumes[0].size[0], wide = trainer->train.volumes[1].size[0];
    ck_assert_msg(wide == 2 * thin, "%lld and %lld slices", (long long)thin, (long long)wide);
    ck_assert(!isnan(trainer->best_dice));
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

static void note_warning(int32_t level, const char *message, void *user)
{
    if (level == GENSEG_LOG_WARNING)
        snprintf(user, 200, "%s", message);
}

// Class 2 is in the validation masks only.
START_TEST(a_class_without_examples)
{
    static const int32_t fewer[3] = {0, 1, 1}, same[3] = {0, 1, 2};
    const phantom three = {2, 3, 1, 2, 1};
    char warning[200] = "";
    const genseg_context_options settings = {.struct_size = sizeof settings,
                                             .threads = 1,
                                             .seed = 1,
                                             .log = note_warning,
                                             .log_user = warning,
                                             .log_level = GENSEG_LOG_INFO};
    genseg_context *context = NULL;
    OK(gsg_context_new(&settings, &context, err));
    genseg_trainer_options options = options_of(2, 3);
    ck_assert_int_eq(options.class_weights, -1); // of three classes: yes
    genseg_dataset *phantoms = NULL, *dataset = NULL;
    genseg_trainer *trainer = NULL;
    OK(phantom_new(context, &three, &phantoms, err));
    OK(gsg_dataset_new(context, &dataset, err));
    for (int64_t i = 0; i < 3; i++)
        add_copy(dataset, phantoms, i, i < 2 ? fewer : same, 1, i < 2 ? GENSEG_SPLIT_TRAIN : GENSEG_SPLIT_VALIDATION);
    OK(gsg_trainer_new(context, dataset, &options, &trainer, err));
    ck_assert_int_eq(trainer->options.class_weights, 1);
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    ck_assert_str_eq(warning, "no training case has label 2 (2): it can't be learnt");
    ck_assert(isfinite(trainer->loss) && !isnan(trainer->best_dice));
    // Weights fall with the root of the frequency; what isn't there gets the most.
    ck_assert(trainer->class_weights[0] < trainer->class_weights[1]);
    ck_assert(trainer->class_weights[2] == 10);
    gsg_trainer_free(trainer);
    gsg_dataset_release(dataset);
    gsg_dataset_release(phantoms);
    context_close(context);
}
END_TEST

// ---- memory

typedef struct budget {
    phantom data;
    int64_t width, batch;
    bool file; // of HDF5, not in memory
} budget;

static const budget budgets[] = {
    {{2, 2, 1, 4, 2}, 8, 4, false}, {{2, 3, 3, 3, 0}, 8, 2, false}, {{3, 2, 1, 2, 2}, 8, 2, false},
    {{3, 3, 1, 2, 2}, 8, 2, true},  {{2, 2, 1, 4, 2}, 8, 4, true},
};

static genseg_dataset *budget_data(genseg_context *context, const budget *of, const char *path)
{
    genseg_dataset *dataset = NULL;
    OK(phantom_new(context, &of->data, &dataset, err));
    if (!of->file)
        return dataset;
    genseg_dataset_options options;
    gsg_dataset_defaults(&options);
    OK(gsg_dataset_save_hdf5(dataset, path, err));
    gsg_dataset_release(dataset);
    dataset = NULL;
    OK(gsg_dataset_open(context, path, &options, &dataset, err));
    OK(gsg_dataset_split(dataset, of->data.train, of->data.validation, 1, err));
    return dataset;
}

START_TEST(memory_is_foretold)
{
    const budget *of = &budgets[_i];
    char folder[64], path[96];
    scratch_folder(folder);
    snprintf(path, sizeof path, "%s/data.h5", folder);
    genseg_context *context = context_with(0);
    uint64_t bytes = 0;
    for (int pass = 0; pass < 3; pass++) { // without a limit, with exactly enough, with a byte less
        genseg_dataset *dataset = budget_data(context, of, path); // anew: it may keep what was read
        genseg_trainer_options options = options_of(of->data.ndim, 2);
        genseg_trainer *trainer = NULL;
        options.width = of->width;
        options.batch = of->batch;
        options.recompute = -1;
        const uint64_t before = atomic_load(&context->memory);
        context->options.memory_limit = pass == 0 ? 0 : before + bytes - (pass == 2);
        atomic_store(&context->memory_peak, before);
        if (pass == 2) {
            FAILS(gsg_trainer_new(context, dataset, &options, &trainer, err), GENSEG_ERROR_NOMEM, "training needs");
        } else {
            OK(gsg_trainer_new(context, dataset, &options, &trainer, err));
            OK(gsg_trainer_run(trainer, NULL, NULL, err));
            const uint64_t peak = atomic_load(&context->memory_peak) - before;
            bytes = trainer->memory;
            ck_assert_msg(peak <= bytes && (double)bytes <= 1.05 * (double)peak, "%llu bytes foretold, %llu measured",
                          (unsigned long long)bytes, (unsigned long long)peak);
        }
        context->options.memory_limit = 0;
        gsg_trainer_free(trainer);
        gsg_dataset_release(dataset);
    }
    context_close(context);
    remove(path);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

// Where not even the weights find room, the limit is named as well.
START_TEST(a_limit_below_the_weights)
{
    const phantom data = {2, 2, 1, 4, 2};
    genseg_context *context = context_with(0);
    genseg_dataset *dataset = NULL;
    genseg_trainer *trainer = NULL;
    genseg_trainer_options options = options_of(2, 4);
    options.width = 16;
    OK(phantom_new(context, &data, &dataset, err));
    const uint64_t before = atomic_load(&context->memory);
    context->options.memory_limit = before + 2000000;
    FAILS(gsg_trainer_new(context, dataset, &options, &trainer, err), GENSEG_ERROR_NOMEM,
          "memory_limit leaves 2.0 MB, too little to plan training");
    ck_assert_ptr_null(trainer);
    ck_assert_uint_eq(atomic_load(&context->memory), before);
    context->options.memory_limit = 0;
    gsg_dataset_release(dataset);
    context_close(context);
}
END_TEST

// With a byte less than it wants it computes values again; the weights are the same.
START_TEST(a_low_limit_is_met)
{
    const phantom data = {2, 2, 1, 4, 2};
    genseg_context *context = context_with(0);
    genseg_trainer *trainers[2] = {NULL};
    genseg_dataset *dataset = NULL;
    genseg_trainer_options options = options_of(2, 4);
    options.width = 16;
    options.size[1] = options.size[2] = 64;
    OK(phantom_new(context, &data, &dataset, err));
    for (int i = 0; i < 2; i++) {
        const uint64_t before = atomic_load(&context->memory);
        context->options.memory_limit = i ? before + trainers[0]->memory - 1 : 0;
        atomic_store(&context->memory_peak, before);
        genseg_error untouched = {.status = 7};
        ck_assert_int_eq(gsg_trainer_new(context, dataset, &options, &trainers[i], &untouched), GENSEG_OK);
        ck_assert(untouched.status == 7 && untouched.message[0] == 0);
        OK(gsg_trainer_run(trainers[i], NULL, NULL, err));
        const uint64_t peak = atomic_load(&context->memory_peak) - before, bytes = trainers[i]->memory;
        ck_assert_int_eq(trainers[i]->options.recompute, i);
        ck_assert_msg(peak <= bytes && (double)bytes <= 1.05 * (double)peak, "%llu bytes foretold, %llu measured",
                      (unsigned long long)bytes, (unsigned long long)peak);
    }
    context->options.memory_limit = 0;
    ck_assert_uint_lt(trainers[1]->memory, trainers[0]->memory);
    for (int32_t i = 0; i < trainers[0]->params->count; i++) {
        const gsg_param *p = &trainers[0]->params->items[i];
        ck_assert(memcmp(p->data, trainers[1]->params->items[i].data, (size_t)p->layout.count * sizeof(float)) == 0);
    }
    gsg_trainer_free(trainers[0]);
    gsg_trainer_free(trainers[1]);
    gsg_dataset_release(dataset);
    context_close(context);
}
END_TEST

// ---- failing allocations

static genseg_dataset *lent; // of another context, whose allocations don't fail

static genseg_dataset *lend(genseg_context **context)
{
    const phantom two = {2, 2, 1, 1, 1};
    genseg_dataset *dataset = NULL;
    *context = context_with(0);
    OK(phantom_new(*context, &two, &dataset, err));
    return dataset;
}

static genseg_status plan_only(genseg_context *context, gsg_error *err)
{
    genseg_trainer_options options = options_of(2, 2);
    genseg_trainer *trainer = NULL;
    options.width = 1;
    const genseg_status status = gsg_trainer_new(context, lent, &options, &trainer, err);
    gsg_trainer_free(trainer);
    return status;
}

START_TEST(planning_survives_failing_allocations)
{
    genseg_context *context = NULL;
    lent = lend(&context);
    ck_assert_int_gt(faults_sweep(plan_only), 100);
    gsg_dataset_release(lent);
    context_close(context);
}
END_TEST

static genseg_trainer *lent_trainer(genseg_context *context)
{
    genseg_trainer_options options = options_of(2, 2);
    genseg_trainer *trainer = NULL;
    options.width = 1;
    OK(gsg_trainer_new(context, lent, &options, &trainer, err));
    return trainer;
}

// A run and a model whose n-th allocation fails, then both again: they must give what they always give. Returns
// whether there was an n-th.
static bool fail_once(int64_t n, const gsg_params *expected)
{
    faults f;
    genseg_context *context = faults_context(&f, 0);
    genseg_trainer *trainer = lent_trainer(context);
    genseg_segmenter *segmenter = NULL;
    gsg_error why = {0};
    f.calls = 0;
    f.fail_at = n;
    genseg_status status = gsg_trainer_run(trainer, NULL, NULL, &why);
    if (status == GENSEG_OK)
        status = gsg_trainer_segmenter(trainer, &segmenter, &why);
    const bool failed = f.calls >= n;
    ck_assert_msg(status == (failed ? GENSEG_ERROR_NOMEM : GENSEG_OK), "allocation %lld: %d %s", (long long)n,
                  (int)status, why.message);
    f.fail_at = 0;
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    if (!segmenter)
        OK(gsg_trainer_segmenter(trainer, &segmenter, err));
    ck_assert(equal_params(segmenter->params, expected));
    gsg_trainer_free(trainer);
    gsg_segmenter_release(segmenter);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
    ck_assert_int_eq(f.live, 0);
    return failed;
}

START_TEST(runs_survive_failing_allocations)
{
    genseg_context *clean = NULL;
    faults never;
    genseg_context *context = faults_context(&never, 0);
    lent = lend(&clean);
    genseg_trainer *trainer = lent_trainer(context);
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    int64_t n = 1;
    while (fail_once(n, trainer->best))
        n++;
    ck_assert_int_gt(n, 50);
    gsg_trainer_free(trainer);
    gsg_context_release(context);
    gsg_dataset_release(lent);
    context_close(clean);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("trainer");
    tcase_set_timeout(tests, 100);
    tcase_add_test(tests, bad_options_are_named);
    tcase_add_test(tests, data_without_a_lesson);
    tcase_add_loop_test(tests, data_of_every_kind, 0, (int)(sizeof kinds / sizeof kinds[0]));
    tcase_add_test(tests, validation_is_of_whole_cases);
    tcase_add_test(tests, spacings_that_differ);
    tcase_add_test(tests, a_class_without_examples);
    tcase_add_test(tests, a_low_limit_is_met);
    tcase_add_test(tests, a_limit_below_the_weights);
    tcase_add_loop_test(tests, memory_is_foretold, 0, (int)(sizeof budgets / sizeof budgets[0]));
    tcase_add_test(tests, planning_survives_failing_allocations);
    tcase_add_test(tests, runs_survive_failing_allocations);
    RUN_TESTS(tests);
}
