// genseg/trainer.h as a caller sees it: missing arguments, options and results of
// other sizes, and what is told of a trainer before and after its run.
#include <math.h>
#include <stddef.h>

#include "data_files.h"
#include "genseg/trainer.h"
#include "predict/segmenter.h"
#include "tensor/array.h"

static genseg_context *context;
static genseg_dataset *dataset;

static void begin(void)
{
    genseg_phantom_options options;
    context = context_with(1, 0);
    ck_assert_int_eq(genseg_phantom_options_init(&options, sizeof options), GENSEG_OK);
    options.count = 3;
    options.size[1] = options.size[2] = 32;
    CK_OK(genseg_dataset_phantom(context, &options, &dataset, err));
    CK_OK(genseg_dataset_split(dataset, 2, 1, 1, err));
}

static void end(void)
{
    genseg_dataset_free(dataset);
    context_close(context);
}

static genseg_trainer_options tiny(void)
{
    genseg_trainer_options options;
    ck_assert_int_eq(genseg_trainer_options_init(&options, sizeof options), GENSEG_OK);
    options.width = 2;
    options.generator_width = options.discriminator_width = 2;
    options.steps = 3;
    options.validate_every = 2;
    options.seed = 9;
    return options;
}

START_TEST(defaults)
{
    genseg_trainer_options options;
    memset(&options, 0xff, sizeof options);
    ck_assert_int_eq(genseg_trainer_options_init(&options, sizeof options), GENSEG_OK);
    ck_assert_uint_eq(options.struct_size, sizeof options);
    ck_assert_ptr_null(options.segmenter);
    ck_assert_str_eq(options.optimizer, "adam");
    ck_assert_str_eq(options.schedule, "cosine");
    ck_assert(options.width == 0 && options.size[0] == 0 && options.size[2] == 0 && options.batch == 2);
    ck_assert(options.steps == 0 && options.seconds == 0 && options.lr == 0 && options.momentum == 0.9);
    ck_assert(options.weight_decay == 1e-5 && options.warmup == 0 && options.foreground == 1.0 / 3.0);
    ck_assert(options.normalise == GENSEG_NORMALISE_PERCENTILE && options.augment == -1 && options.symmetric == 0);
    ck_assert(options.class_weights == -1 && options.validate_every == 0 && options.patience == 0 && options.seed == 0);
    ck_assert_str_eq(options.method, "genseg");
    ck_assert_str_eq(options.gan_loss, "vanilla");
    ck_assert_str_eq(options.solver, "one-step");
    ck_assert(options.gan_steps == 0 && options.generator_width == 0 && options.levers == 63 && options.l1 == 100);
    ck_assert_int_eq(genseg_trainer_options_init(NULL, sizeof options), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(genseg_trainer_options_init(&options, 4), GENSEG_ERROR_INVALID);
}
END_TEST

START_TEST(options_of_any_age)
{
    struct {
        genseg_trainer_options known;
        int64_t future;
    } newer;
    genseg_trainer *trainer = NULL;
    begin();
    memset(&newer, 0xff, sizeof newer);
    ck_assert_int_eq(genseg_trainer_options_init(&newer.known, sizeof newer), GENSEG_OK);
    ck_assert(newer.future == 0 && newer.known.struct_size == sizeof newer);
    newer.known.width = 2;
    CK_OK(genseg_trainer_new(context, dataset, &newer.known, &trainer, err));
    genseg_trainer_free(trainer);
    trainer = NULL;
    newer.future = 1;
    CK_FAILS(genseg_trainer_new(context, dataset, &newer.known, &trainer, err), GENSEG_ERROR_VERSION,
             "genseg_trainer_options");
    ck_assert_ptr_null(trainer);
    // An older struct that ends before `batch`: what follows counts as left at its default.
    genseg_trainer_options older = tiny();
    older.struct_size = offsetof(genseg_trainer_options, batch);
    older.batch = -1;
    older.lr = (double)NAN;
    CK_OK(genseg_trainer_new(context, dataset, &older, &trainer, err));
    genseg_trainer_free(trainer);
    trainer = NULL;
    older.struct_size = sizeof older;
    CK_FAILS(genseg_trainer_new(context, dataset, &older, &trainer, err), GENSEG_ERROR_INVALID, "batch is -1");
    ck_assert_ptr_null(trainer);
    end();
}
END_TEST

START_TEST(missing_arguments_are_named)
{
    genseg_trainer *trainer = NULL;
    genseg_segmenter *segmenter = NULL;
    genseg_segmenter_info info = {.struct_size = sizeof info};
    begin();
    genseg_trainer_options options = tiny();
    CK_FAILS(genseg_trainer_new(NULL, dataset, &options, &trainer, err), GENSEG_ERROR_INVALID, "context is NULL");
    CK_FAILS(genseg_trainer_new(context, NULL, &options, &trainer, err), GENSEG_ERROR_INVALID, "dataset is NULL");
    CK_FAILS(genseg_trainer_new(context, dataset, &options, NULL, err), GENSEG_ERROR_INVALID, "trainer is NULL");
    ck_assert_int_eq(genseg_trainer_new(context, dataset, &options, NULL, NULL), GENSEG_ERROR_INVALID);
    options.optimizer = NULL;
    CK_FAILS(genseg_trainer_new(context, dataset, &options, &trainer, err), GENSEG_ERROR_INVALID, "options->optimizer");
    options.optimizer = "adam";
    options.schedule = NULL;
    CK_FAILS(genseg_trainer_new(context, dataset, &options, &trainer, err), GENSEG_ERROR_INVALID, "options->schedule");
    ck_assert_ptr_null(trainer);
    CK_FAILS(genseg_trainer_run(NULL, NULL, NULL, err), GENSEG_ERROR_INVALID, "trainer is NULL");
    CK_FAILS(genseg_trainer_segmenter(NULL, &segmenter, err), GENSEG_ERROR_INVALID, "trainer is NULL");
    CK_FAILS(genseg_trainer_describe(NULL, &info, err), GENSEG_ERROR_INVALID, "trainer is NULL");
    options = tiny();
    CK_OK(genseg_trainer_new(context, dataset, &options, &trainer, err));
    CK_FAILS(genseg_trainer_segmenter(trainer, NULL, err), GENSEG_ERROR_INVALID, "segmenter is NULL");
    CK_FAILS(genseg_trainer_describe(trainer, NULL, err), GENSEG_ERROR_INVALID, "info is NULL");
    info.struct_size = 3;
    CK_FAILS(genseg_trainer_describe(trainer, &info, err), GENSEG_ERROR_INVALID, "info->struct_size is 3");
    genseg_trainer_free(trainer);
    genseg_trainer_free(NULL);
    genseg_trainer_cancel(NULL);
    ck_assert_uint_eq(genseg_trainer_memory(NULL), 0);
    ck_assert_int_eq(genseg_trainer_steps(NULL), 0);
    ck_assert(isnan(genseg_trainer_loss(NULL)) && isnan(genseg_trainer_best_dice(NULL)));
    end();
}
END_TEST

static void check_description(const genseg_segmenter_info *info, int64_t steps)
{
    ck_assert_uint_eq(info->struct_size, sizeof *info);
    ck_assert_str_eq(info->architecture, "unet2d");
    ck_assert(info->ndim == 2 && info->channels == 1 && info->classes == 2 && info->levels == 4 && info->width == 2);
    ck_assert(info->size[0] == 1 && info->size[1] == 32 && info->size[2] == 32);
    ck_assert(info->normalise == GENSEG_NORMALISE_PERCENTILE && info->scale == GENSEG_SCALE_NATIVE);
    ck_assert(info->train_cases == 2 && info->validation_cases == 1 && info->seed == 9 && info->weights > 1000);
    ck_assert(steps == 0 ? info->steps == 0 : info->steps > 0 && info->steps <= steps);
}

// What the trainer hands out with its segmenter makes images, and both go into one file.
static void check_generator(const genseg_trainer *trainer, const genseg_segmenter *segmenter)
{
    static float pixels[32 * 32];
    static uint8_t values[32 * 32];
    genseg_generator *generator = NULL, *loaded = NULL;
    genseg_generator_info info = {.struct_size = sizeof info};
    const gsg_shape grid = gsg_shape_make(2, (int64_t[]){32, 32});
    const genseg_array label = gsg_array_dense(values, GENSEG_DTYPE_UINT8, grid);
    const genseg_array image = gsg_array_dense(pixels, GENSEG_DTYPE_FLOAT32, grid);
    CK_OK(genseg_trainer_generator(trainer, &generator, err));
    CK_OK(genseg_generator_describe(generator, &info, err));
    ck_assert(info.ndim == 2 && info.channels == 1 && info.classes == 2 && info.levels == 2 && info.candidates == 3);
    ck_assert(info.size[0] == 1 && info.size[1] == 32 && info.size[2] == 32 && info.width == 2 && info.noise == 0);
    ck_assert(info.steps > 3 && info.weights > 1000);
    CK_OK(genseg_generator_run(generator, &label, NULL, &image, NULL, err));
    for (int i = 0; i < 32 * 32; i++)
        ck_assert(pixels[i] >= -1 && pixels[i] <= 1);
    CK_OK(genseg_generator_save(generator, segmenter, file_path("model"), err));
    genseg_generator_free(generator);
    CK_OK(genseg_generator_load(context, file_path("model"), &loaded, err));
    genseg_generator_free(loaded);
}

START_TEST(generators_only_where_there_are)
{
    genseg_trainer *trainer = NULL;
    genseg_generator *generator = NULL;
    begin();
    genseg_trainer_options options = tiny();
    CK_FAILS(genseg_trainer_generator(NULL, &generator, err), GENSEG_ERROR_INVALID, "trainer is NULL");
    CK_OK(genseg_trainer_new(context, dataset, &options, &trainer, err));
    CK_FAILS(genseg_trainer_generator(trainer, NULL, err), GENSEG_ERROR_INVALID, "generator is NULL");
    CK_FAILS(genseg_trainer_generator(trainer, &generator, err), GENSEG_ERROR_STATE, "nothing is trained yet");
    genseg_trainer_free(trainer);
    options.method = "augment";
    CK_OK(genseg_trainer_new(context, dataset, &options, &trainer, err));
    CK_OK(genseg_trainer_run(trainer, NULL, NULL, err));
    CK_FAILS(genseg_trainer_generator(trainer, &generator, err), GENSEG_ERROR_STATE, "the method trains no generator");
    ck_assert_ptr_null(generator);
    genseg_trainer_free(trainer);
    end();
}
END_TEST

START_TEST(described_before_and_after)
{
    genseg_trainer *trainer = NULL;
    genseg_segmenter *segmenter = NULL;
    struct {
        genseg_segmenter_info known;
        int64_t future;
    } longer;
    begin();
    const genseg_trainer_options options = tiny();
    CK_OK(genseg_trainer_new(context, dataset, &options, &trainer, err));
    genseg_dataset_free(dataset); // the trainer has its own reference
    dataset = NULL;
    genseg_segmenter_info info = {.struct_size = sizeof info}, same = info;
    CK_OK(genseg_trainer_describe(trainer, &info, err));
    check_description(&info, 0);
    ck_assert(isnan(info.validation_dice) && isnan(genseg_trainer_loss(trainer)));
    ck_assert(genseg_trainer_steps(trainer) == 0 && genseg_trainer_memory(trainer) > 10000);
    CK_FAILS(genseg_trainer_segmenter(trainer, &segmenter, err), GENSEG_ERROR_STATE, "nothing is trained yet");
    ck_assert_ptr_null(segmenter);
    // A cancel before the run ends it at its start, once.
    genseg_trainer_cancel(trainer);
    CK_FAILS(genseg_trainer_run(trainer, NULL, NULL, err), GENSEG_ERROR_CANCELLED, "cancelled");
    CK_OK(genseg_trainer_run(trainer, NULL, NULL, err));
    ck_assert_int_eq(genseg_trainer_steps(trainer), 3);
    CK_OK(genseg_trainer_describe(trainer, &info, err));
    check_description(&info, 3);
    ck_assert(isfinite(genseg_trainer_loss(trainer)) && info.validation_dice == genseg_trainer_best_dice(trainer));
    CK_OK(genseg_trainer_segmenter(trainer, &segmenter, err));
    check_generator(trainer, segmenter);
    // Shorter and longer results of other callers.
    memset(&longer, 0x55, sizeof longer);
    longer.known.struct_size = sizeof longer;
    CK_OK(genseg_trainer_describe(trainer, &longer.known, err));
    ck_assert(longer.future == 0 && longer.known.width == 2);
    memset(&same, 0x55, sizeof same);
    same.struct_size = offsetof(genseg_segmenter_info, channels);
    CK_OK(genseg_trainer_describe(trainer, &same, err));
    ck_assert(same.ndim == 2 && same.channels == 0x55555555);
    // The model outlives its trainer and says the same.
    genseg_trainer_free(trainer);
    same.struct_size = sizeof same;
    CK_OK(genseg_segmenter_describe(segmenter, &same, err));
    check_description(&same, 3);
    ck_assert(same.steps == info.steps && same.weights == info.weights);
    genseg_segmenter_free(segmenter);
    end();
}
END_TEST

static genseg_trainer *trained(const genseg_trainer_options *options)
{
    genseg_trainer *trainer = NULL;
    CK_OK(genseg_trainer_new(context, dataset, options, &trainer, err));
    CK_OK(genseg_trainer_run(trainer, NULL, NULL, err));
    return trainer;
}

START_TEST(begins_with_a_model)
{
    genseg_trainer *trainer = NULL;
    genseg_segmenter *segmenter = NULL, *same = NULL;
    genseg_generator *generator = NULL;
    begin();
    genseg_trainer_options options = tiny();
    genseg_trainer *first = trained(&options);
    CK_OK(genseg_trainer_segmenter(first, &segmenter, err));
    CK_OK(genseg_trainer_generator(first, &generator, err));
    CK_FAILS(genseg_trainer_start_from(first, segmenter, generator, err), GENSEG_ERROR_STATE, "has begun already");
    genseg_trainer_free(first);
    CK_FAILS(genseg_trainer_start_from(NULL, segmenter, generator, err), GENSEG_ERROR_INVALID, "trainer is NULL");
    options.width = 3;
    CK_OK(genseg_trainer_new(context, dataset, &options, &trainer, err));
    CK_FAILS(genseg_trainer_start_from(trainer, NULL, generator, err), GENSEG_ERROR_INVALID, "segmenter is NULL");
    CK_FAILS(genseg_trainer_start_from(trainer, segmenter, NULL, err), GENSEG_ERROR_SHAPE, "doesn't fit");
    genseg_trainer_free(trainer);
    options = tiny();
    options.method = "augment";
    CK_OK(genseg_trainer_new(context, dataset, &options, &trainer, err));
    CK_FAILS(genseg_trainer_start_from(trainer, segmenter, generator, err), GENSEG_ERROR_STATE, "no generator");
    // With a learning rate that moves nothing, what begins as a model remains it.
    genseg_trainer_free(trainer);
    options.lr = 1e-30;
    options.weight_decay = 0;
    CK_OK(genseg_trainer_new(context, dataset, &options, &trainer, err));
    CK_OK(genseg_trainer_start_from(trainer, segmenter, NULL, err));
    CK_OK(genseg_trainer_run(trainer, NULL, NULL, err));
    CK_OK(genseg_trainer_segmenter(trainer, &same, err));
    const gsg_params *from = segmenter->params, *to = same->params;
    for (int32_t i = 0; i < from->count; i++)
        if (from->items[i].kind != GSG_PARAM_STATISTIC)
            ck_assert_mem_eq(from->items[i].data, to->items[i].data,
                             (size_t)from->items[i].layout.count * sizeof(float));
    genseg_segmenter_free(same);
    genseg_segmenter_free(segmenter);
    genseg_generator_free(generator);
    genseg_trainer_free(trainer);
    end();
}
END_TEST

typedef struct audited {
    int64_t count, end_at;
    int32_t groups;
} audited;

static int32_t on_audit(const genseg_audit *audit, void *user)
{
    audited *my = user;
    ck_assert_uint_eq(audit->struct_size, sizeof *audit);
    ck_assert(audit->done == ++my->count && audit->done <= audit->total);
    ck_assert(isfinite(audit->gradient) && isfinite(audit->brute) && audit->noise >= 0 && audit->index >= 0);
    ck_assert((audit->group & my->groups) != 0 && audit->lever[0]);
    return my->count == my->end_at;
}

START_TEST(audits)
{
    const int32_t groups = GENSEG_LEVER_GAMMA | GENSEG_LEVER_WARP | GENSEG_LEVER_PAIRS;
    genseg_trainer *trainer = NULL;
    audited seen = {.groups = groups}, ended = {.groups = groups, .end_at = 2};
    begin();
    genseg_trainer_options options = tiny();
    options.levers_every = 1;
    CK_OK(genseg_trainer_new(context, dataset, &options, &trainer, err));
    CK_FAILS(genseg_trainer_audit(trainer, groups, 0, 0, on_audit, &seen, err), GENSEG_ERROR_STATE, "nothing is trained");
    CK_OK(genseg_trainer_run(trainer, NULL, NULL, err));
    CK_FAILS(genseg_trainer_audit(NULL, groups, 0, 0, on_audit, &seen, err), GENSEG_ERROR_INVALID, "trainer is NULL");
    CK_FAILS(genseg_trainer_audit(trainer, groups, 0, 0, NULL, &seen, err), GENSEG_ERROR_INVALID, "report is NULL");
    CK_FAILS(genseg_trainer_audit(trainer, GENSEG_LEVER_GENERATOR, 0, 0, on_audit, &seen, err), GENSEG_ERROR_INVALID,
             "groups");
    CK_FAILS(genseg_trainer_audit(trainer, groups, 0, -1, on_audit, &seen, err), GENSEG_ERROR_INVALID, "delta");
    CK_OK(genseg_trainer_audit(trainer, groups, 0, 0, on_audit, &seen, err));
    ck_assert_int_eq(seen.count, 1 + 6 + 2); // gamma, magnitudes of the warp, training cases
    CK_FAILS(genseg_trainer_audit(trainer, groups, 1, 0.1, on_audit, &ended, err), GENSEG_ERROR_CANCELLED, "cancelled");
    ck_assert_int_eq(ended.count, 2);
    genseg_trainer_free(trainer);
    options.method = "continued";
    trainer = trained(&options);
    CK_FAILS(genseg_trainer_audit(trainer, groups, 0, 0, on_audit, &seen, err), GENSEG_ERROR_STATE, "no feedback");
    genseg_trainer_free(trainer);
    end();
}
END_TEST

// Rows in descending order, what was trained among them; the same struct read by an older caller; switched off it stays.
START_TEST(profiled)
{
    begin();
    const genseg_trainer_options options = tiny();
    genseg_profile row = {.struct_size = sizeof row};
    double before = INFINITY, seconds = 0;
    int64_t rows = 0, convolutions = 0, batches = 0, updates = 0;
    CK_FAILS(genseg_context_profile(context, 0, &row, err), GENSEG_ERROR_INVALID, "no row 0");
    CK_FAILS(genseg_context_set_profile(NULL, 1, err), GENSEG_ERROR_INVALID, "context is NULL");
    CK_OK(genseg_context_set_profile(context, 1, err));
    genseg_trainer_free(trained(&options));
    CK_OK(genseg_context_set_profile(context, 0, err));
    for (; genseg_context_profile(context, rows, &row, NULL) == GENSEG_OK; rows++) {
        ck_assert(row.seconds <= before && row.runs > 0 && row.flops >= 0);
        before = row.seconds;
        seconds += row.seconds;
        convolutions += strstr(row.operation, "convolution") || strstr(row.operation, "winograd");
        batches += strcmp(row.operation, "batches") == 0;
        updates += strcmp(row.operation, "updates of parameters") == 0;
    }
    ck_assert(rows > 10 && seconds > 0 && convolutions > 3 && batches == 1 && updates == 1);
    genseg_trainer_free(trained(&options));
    int64_t again = 0;
    while (genseg_context_profile(context, again, &row, NULL) == GENSEG_OK)
        again++;
    ck_assert_int_eq(again, rows);
    row.struct_size = 4;
    CK_FAILS(genseg_context_profile(context, 0, &row, err), GENSEG_ERROR_INVALID, "struct_size");
    ck_assert(genseg_context_peak(context) >= 0 && genseg_context_peak(NULL) == 0);
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {defaults, options_of_any_age, missing_arguments_are_named,
                                  generators_only_where_there_are,
                                  begins_with_a_model,
                                  audits,
                                  profiled,
                                  described_before_and_after};
    return run_tests("api_trainer", tests, sizeof tests / sizeof tests[0]);
}
