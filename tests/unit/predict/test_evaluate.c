// Scores of a data set's cases against scores computed on the reported
// predictions, and what ends an evaluation.
#include <math.h>

#include "data_files.h"
#include "faults.h"
#include "segmenter_model.h"

static const model three = {{2, 2, 1, 3, 4},     GENSEG_NORMALISE_PERCENTILE,
                            GENSEG_SCALE_NATIVE, {1, 32, 32},
                            {1, 1, 1},           {0, 1, 2},
                            {"a", "b", "c"},     {0}};
// Has the phantom's values 0 and 1 among others, at other places.
static const model wider = {{2, 2, 1, 4, 4},
                            GENSEG_NORMALISE_ZSCORE,
                            GENSEG_SCALE_NATIVE,
                            {1, 32, 32},
                            {1, 1, 1},
                            {-4, 0, 1, 9},
                            {"x", "background", "organ", "y"},
                            {0}};
static const model solid = {
    {3, 1, 1, 2, 4}, GENSEG_NORMALISE_PERCENTILE, GENSEG_SCALE_NATIVE, {8, 16, 16}, {1, 1, 1}, {0, 1}, {"a", "b"}, {0}};

static genseg_context *context;

static genseg_dataset *phantoms(int32_t ndim, int32_t classes, int32_t channels, int32_t count)
{
    genseg_phantom_options options;
    genseg_dataset *dataset = NULL;
    genseg_phantom_options_init(&options, sizeof options);
    options.ndim = ndim;
    options.classes = classes;
    options.channels = channels;
    options.count = count;
    options.size[0] = 12;
    options.size[1] = 40;
    options.size[2] = 48;
    CK_OK(genseg_dataset_phantom(context, &options, &dataset, err));
    return dataset;
}

typedef struct ledger {
    const genseg_segmenter *segmenter;
    genseg_dataset *dataset;
    const genseg_metrics_options *metrics;
    int64_t cases;
    int64_t cancel_at;
    bool seen[16]; // by index in the data set
} ledger;

// Class of the model for each class of the data, by label value.
static int32_t class_of(const ledger *l, int32_t data_class)
{
    const int64_t value = genseg_dataset_label_value(l->dataset, data_class);
    for (int32_t k = 0; k < genseg_segmenter_classes(l->segmenter); k++)
        if (genseg_segmenter_label_value(l->segmenter, k) == value)
            return k;
    ck_abort_msg("no class for label value %lld", (long long)value);
    return 0;
}

static void check_scores(const ledger *l, const genseg_evaluation *told)
{
    static float pixels[12 * 40 * 48];
    static int32_t reference[12 * 40 * 48], prediction[12 * 40 * 48], predicted[12 * 40 * 48];
    int64_t shape[4];
    genseg_metrics expected[MODEL_MOST_CLASSES];
    genseg_metrics_options options = *l->metrics;
    const int32_t classes = genseg_segmenter_classes(l->segmenter), ndim = genseg_dataset_ndim(l->dataset);
    CK_OK(genseg_dataset_case_info(l->dataset, told->index, shape, options.spacing, NULL, NULL, err));
    CK_OK(genseg_dataset_case_read(l->dataset, told->index, pixels, reference, err));
    const int64_t voxels = shape[1] * shape[2] * shape[3];
    const gsg_shape grid = gsg_shape_make(ndim, shape + 4 - ndim);
    genseg_array image = gsg_array_dense(pixels, GENSEG_DTYPE_FLOAT32, grid);
    genseg_array label = gsg_array_dense(predicted, GENSEG_DTYPE_INT32, grid);
    double affine[16];
    CK_OK(genseg_dataset_case_info(l->dataset, told->index, NULL, NULL, affine, NULL, err));
    CK_OK(genseg_segmenter_predict(l->segmenter, &image, affine, NULL, &label, NULL, err));
    ck_assert_mem_eq(told->prediction, predicted, (size_t)voxels * sizeof *predicted);
    for (int64_t i = 0; i < voxels; i++) {
        reference[i] = class_of(l, reference[i]);
        prediction[i] = -1;
        for (int32_t k = 0; k < classes; k++)
            if (genseg_segmenter_label_value(l->segmenter, k) == told->prediction[i])
                prediction[i] = k;
    }
    const genseg_array r = gsg_array_dense(reference, GENSEG_DTYPE_INT32, grid);
    const genseg_array p = gsg_array_dense(prediction, GENSEG_DTYPE_INT32, grid);
    options.classes = classes;
    CK_OK(genseg_metrics_evaluate(context, &r, &p, &options, expected, sizeof *expected, err));
    ck_assert_int_eq(told->classes, classes);
    ck_assert_uint_eq(told->score_size, sizeof *expected);
    ck_assert_mem_eq(told->scores, expected, (size_t)classes * sizeof *expected);
}

static int32_t note(const genseg_evaluation *told, void *user)
{
    ledger *l = user;
    ck_assert_uint_eq(told->struct_size, sizeof *told);
    ck_assert_int_eq(told->done, ++l->cases);
    ck_assert(told->total >= told->done && told->seconds > 0);
    ck_assert_str_eq(told->name, genseg_dataset_case_name(l->dataset, told->index));
    ck_assert(!l->seen[told->index]);
    l->seen[told->index] = true;
    check_scores(l, told);
    return l->cases == l->cancel_at ? 5 : 0;
}

static void check_split(genseg_segmenter *segmenter, genseg_dataset *dataset, int32_t split,
                        const genseg_metrics_options *metrics, int64_t expected)
{
    genseg_metrics_options full;
    genseg_metrics_options_init(&full, sizeof full);
    ledger l = {.segmenter = segmenter, .dataset = dataset, .metrics = metrics ? metrics : &full};
    CK_OK(genseg_segmenter_evaluate(segmenter, dataset, split, metrics, NULL, note, &l, err));
    ck_assert_int_eq(l.cases, expected);
    for (int64_t i = 0; i < genseg_dataset_size(dataset); i++)
        ck_assert(l.seen[i] == (split == GENSEG_SPLIT_NONE || genseg_dataset_case_split(dataset, i) == split));
}

START_TEST(every_split_is_scored)
{
    genseg_metrics_options metrics;
    genseg_metrics_options_init(&metrics, sizeof metrics);
    metrics.convention = GENSEG_CONVENTION_MEDPY;
    metrics.percentile = 90;
    metrics.classes = 200; // set from the model
    metrics.spacing[0] = -1;
    metrics.spacing[1] = 77;
    context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &three);
    genseg_dataset *dataset = phantoms(2, 3, 1, 6);
    check_split(segmenter, dataset, GENSEG_SPLIT_NONE, NULL, 6);
    CK_OK(genseg_dataset_split(dataset, 1, 2, 3, err));
    check_split(segmenter, dataset, GENSEG_SPLIT_TRAIN, NULL, 1);
    check_split(segmenter, dataset, GENSEG_SPLIT_VALIDATION, &metrics, 2);
    check_split(segmenter, dataset, GENSEG_SPLIT_TEST, NULL, 3);
    check_split(segmenter, dataset, GENSEG_SPLIT_NONE, &metrics, 6);
    genseg_dataset_free(dataset);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

START_TEST(volumes_are_scored)
{
    context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &solid);
    genseg_dataset *dataset = phantoms(3, 2, 1, 1);
    check_split(segmenter, dataset, GENSEG_SPLIT_NONE, NULL, 1);
    genseg_dataset_free(dataset);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

// The data has fewer classes than the model: by label value, not by number.
START_TEST(classes_are_matched_by_value)
{
    context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &wider);
    genseg_dataset *dataset = phantoms(2, 2, 1, 2);
    check_split(segmenter, dataset, GENSEG_SPLIT_NONE, NULL, 2);
    genseg_dataset_free(dataset);
    // And values that the model has not.
    dataset = phantoms(2, 3, 1, 2);
    ledger l = {0};
    CK_FAILS(genseg_segmenter_evaluate(segmenter, dataset, GENSEG_SPLIT_NONE, NULL, NULL, note, &l, err),
             GENSEG_ERROR_FORMAT, "the data has label value 2 (");
    ck_assert_int_eq(l.cases, 0);
    genseg_dataset_free(dataset);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

START_TEST(a_report_can_cancel)
{
    genseg_metrics_options metrics;
    genseg_metrics_options_init(&metrics, sizeof metrics);
    context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &three);
    genseg_dataset *dataset = phantoms(2, 3, 1, 4);
    for (int64_t at = 1; at <= 4; at++) { // also the last
        ledger l = {.segmenter = segmenter, .dataset = dataset, .metrics = &metrics, .cancel_at = at};
        char text[64];
        snprintf(text, sizeof text, "cancelled after %d of 4 cases", (int)at);
        CK_FAILS(genseg_segmenter_evaluate(segmenter, dataset, GENSEG_SPLIT_NONE, NULL, NULL, note, &l, err),
                 GENSEG_ERROR_CANCELLED, text);
        ck_assert_int_eq(l.cases, at);
    }
    genseg_dataset_free(dataset);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

static int32_t cancel(const genseg_progress *progress, void *user)
{
    return 1;
}

static int32_t never(const genseg_evaluation *told, void *user)
{
    ck_abort_msg("case %s is reported", told->name);
    return 0;
}

START_TEST(what_does_not_fit_is_refused)
{
    context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &three);
    const uint64_t held = atomic_load(&context->memory);
    genseg_dataset *dataset = phantoms(2, 3, 1, 3), *empty = NULL;
    CK_FAILS(genseg_segmenter_evaluate(segmenter, dataset, GENSEG_SPLIT_TEST, NULL, NULL, never, NULL, err),
             GENSEG_ERROR_STATE, "the data has no test case");
    CK_FAILS(genseg_segmenter_evaluate(segmenter, dataset, GENSEG_SPLIT_VALIDATION, NULL, NULL, never, NULL, err),
             GENSEG_ERROR_STATE, "the data has no validation case");
    CK_OK(genseg_dataset_new(context, &empty, err));
    CK_FAILS(genseg_segmenter_evaluate(segmenter, empty, GENSEG_SPLIT_NONE, NULL, NULL, never, NULL, err),
             GENSEG_ERROR_STATE, "the data has no labelled case");
    genseg_dataset_free(empty);
    const genseg_predict_options options = {.struct_size = sizeof options, .overlap = 0.5, .progress = cancel};
    CK_FAILS(genseg_segmenter_evaluate(segmenter, dataset, GENSEG_SPLIT_NONE, NULL, &options, never, NULL, err),
             GENSEG_ERROR_CANCELLED, "cancelled");
    genseg_dataset_free(dataset);
    dataset = phantoms(2, 3, 2, 1);
    CK_FAILS(genseg_segmenter_evaluate(segmenter, dataset, GENSEG_SPLIT_NONE, NULL, NULL, never, NULL, err),
             GENSEG_ERROR_SHAPE, "phantom_000: the image has 2 channels, the network takes 1");
    genseg_dataset_free(dataset);
    dataset = phantoms(3, 2, 1, 1);
    CK_FAILS(genseg_segmenter_evaluate(segmenter, dataset, GENSEG_SPLIT_NONE, NULL, NULL, never, NULL, err),
             GENSEG_ERROR_SHAPE, "phantom_000: the image has 3 dimensions, the network works in 2");
    genseg_dataset_free(dataset);
    // What planned the network stays for the next call.
    gsg_predictor_free(segmenter->idle);
    segmenter->idle = NULL;
    ck_assert_uint_eq(atomic_load(&context->memory), held);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

static int32_t accept(const genseg_evaluation *told, void *user)
{
    return 0;
}

static genseg_status make_and_evaluate(genseg_context *with, gsg_error *err)
{
    genseg_phantom_options options;
    genseg_dataset *dataset = NULL;
    genseg_segmenter *segmenter = NULL;
    genseg_phantom_options_init(&options, sizeof options);
    options.count = 1;
    options.classes = 3;
    options.size[1] = options.size[2] = 32;
    genseg_status status = model_new(with, &three, &segmenter, err);
    if (status == GENSEG_OK)
        status = genseg_dataset_phantom(with, &options, &dataset, err);
    if (status == GENSEG_OK)
        status = genseg_segmenter_evaluate(segmenter, dataset, GENSEG_SPLIT_NONE, NULL, NULL, accept, NULL, err);
    genseg_dataset_free(dataset);
    genseg_segmenter_free(segmenter);
    return status;
}

START_TEST(every_allocation_may_fail)
{
    ck_assert_int_ge(faults_sweep(make_and_evaluate), 100);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_split_is_scored, volumes_are_scored,           classes_are_matched_by_value,
                                  a_report_can_cancel,   what_does_not_fit_is_refused, every_allocation_may_fail};
    return run_tests("evaluate", tests, sizeof tests / sizeof *tests);
}
