// The exported segmenter functions: missing arguments, options and results of
// other versions of the header, accessors out of range.
#include <math.h>
#include <sys/wait.h>

#include "data_files.h"
#include "segmenter_model.h"

static const model flat = {
    {2, 2, 1, 3, 4}, GENSEG_NORMALISE_PERCENTILE, GENSEG_SCALE_NATIVE, {1, 16, 16}, {1, 0.5, 0.25}, {-5, 0, 300},
    {"a", "b", "c"}, {40, 7, 2, 0.75, 11, NULL}};

static genseg_context *context;

static int32_t ignore(const genseg_evaluation *told, void *user)
{
    return 0;
}

START_TEST(missing_arguments_are_named)
{
    context = context_with(1, 0);
    genseg_segmenter *made = model_made(context, &flat), *none = NULL;
    genseg_dataset *data = NULL;
    model_case c = model_case_new(&flat, 1, 4, 4);
    const char *extension = NULL;
    CK_OK(genseg_dataset_new(context, &data, err));
    CK_FAILS(genseg_segmenter_load(NULL, "x", &none, err), GENSEG_ERROR_INVALID, "context is NULL");
    CK_FAILS(genseg_segmenter_load(context, NULL, &none, err), GENSEG_ERROR_INVALID, "path is NULL");
    CK_FAILS(genseg_segmenter_load(context, "x", NULL, err), GENSEG_ERROR_INVALID, "segmenter is NULL");
    CK_FAILS(genseg_segmenter_save(NULL, "x", err), GENSEG_ERROR_INVALID, "segmenter is NULL");
    CK_FAILS(genseg_segmenter_save(made, NULL, err), GENSEG_ERROR_INVALID, "path is NULL");
    CK_FAILS(genseg_segmenter_predict(NULL, &c.image, NULL, NULL, &c.label, NULL, err), GENSEG_ERROR_INVALID,
             "segmenter is NULL");
    CK_FAILS(genseg_segmenter_predict(made, NULL, NULL, NULL, &c.label, NULL, err), GENSEG_ERROR_INVALID,
             "image is NULL");
    CK_FAILS(genseg_segmenter_predict_file(NULL, "x", NULL, "y", NULL, err), GENSEG_ERROR_INVALID, "segmenter is NULL");
    CK_FAILS(genseg_segmenter_predict_file(made, NULL, NULL, "y", NULL, err), GENSEG_ERROR_INVALID,
             "image_path is NULL");
    CK_FAILS(genseg_segmenter_evaluate(NULL, data, 0, NULL, NULL, ignore, NULL, err), GENSEG_ERROR_INVALID,
             "segmenter is NULL");
    CK_FAILS(genseg_segmenter_evaluate(made, NULL, 0, NULL, NULL, ignore, NULL, err), GENSEG_ERROR_INVALID,
             "dataset is NULL");
    CK_FAILS(genseg_segmenter_evaluate(made, data, 0, NULL, NULL, NULL, NULL, err), GENSEG_ERROR_INVALID,
             "report is NULL");
    CK_FAILS(genseg_segmenter_evaluate(made, data, 4, NULL, NULL, ignore, NULL, err), GENSEG_ERROR_INVALID,
             "split is 4");
    CK_FAILS(genseg_segmenter_evaluate(made, data, -1, NULL, NULL, ignore, NULL, err), GENSEG_ERROR_INVALID,
             "split is -1");
    CK_FAILS(genseg_segmenter_divide(NULL, data, err), GENSEG_ERROR_INVALID, "segmenter is NULL");
    CK_FAILS(genseg_segmenter_divide(made, NULL, err), GENSEG_ERROR_INVALID, "dataset is NULL");
    CK_FAILS(genseg_segmenter_extension(NULL, "x", 0, &extension, err), GENSEG_ERROR_INVALID, "segmenter is NULL");
    CK_FAILS(genseg_segmenter_extension(made, NULL, 0, &extension, err), GENSEG_ERROR_INVALID, "image_path is NULL");
    CK_FAILS(genseg_segmenter_extension(made, "x", 0, NULL, err), GENSEG_ERROR_INVALID, "extension is NULL");
    CK_FAILS(genseg_segmenter_describe(made, NULL, err), GENSEG_ERROR_INVALID, "info is NULL");
    ck_assert(none == NULL && extension == NULL && model_case_untouched(&c));
    // Without an error struct.
    ck_assert_int_eq(genseg_segmenter_load(context, "/nonexistent", &none, NULL), GENSEG_ERROR_IO);
    ck_assert_int_eq(genseg_segmenter_predict(made, NULL, NULL, NULL, NULL, NULL, NULL), GENSEG_ERROR_INVALID);
    model_case_free(&c);
    genseg_dataset_free(data);
    genseg_segmenter_free(made);
    genseg_segmenter_free(NULL);
    context_close(context);
}
END_TEST

static int32_t no_progress(const genseg_progress *progress, void *user)
{
    ck_abort_msg("an older struct has no callback");
    return 0;
}

START_TEST(options_of_any_age)
{
    struct {
        genseg_predict_options known;
        int64_t future;
    } newer;
    genseg_predict_options options;
    context = context_with(1, 0);
    genseg_segmenter *made = model_made(context, &flat);
    model_case c = model_case_new(&flat, 1, 8, 8);
    memset(&options, 0xFF, sizeof options);
    ck_assert_int_eq(genseg_predict_options_init(&options, sizeof options), GENSEG_OK);
    ck_assert(options.struct_size == sizeof options && options.overlap == 0.5);
    ck_assert(!options.progress && !options.progress_user);
    ck_assert_int_eq(genseg_predict_options_init(NULL, sizeof options), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(genseg_predict_options_init(&options, 4), GENSEG_ERROR_INVALID);
    // A caller of a later version, with and without what is unknown here.
    memset(&newer, 0xFF, sizeof newer);
    ck_assert_int_eq(genseg_predict_options_init(&newer.known, sizeof newer), GENSEG_OK);
    ck_assert(newer.known.struct_size == sizeof newer && newer.future == 0);
    CK_OK(genseg_segmenter_predict(made, &c.image, NULL, &newer.known, &c.label, NULL, err));
    model_case_reset(&c);
    newer.future = 1;
    CK_FAILS(genseg_segmenter_predict(made, &c.image, NULL, &newer.known, &c.label, NULL, err), GENSEG_ERROR_VERSION,
             "genseg_predict_options: byte ");
    // One of an earlier version, which ended after the overlap.
    options.struct_size = offsetof(genseg_predict_options, progress);
    options.progress = no_progress;
    CK_OK(genseg_segmenter_predict(made, &c.image, NULL, &options, &c.label, NULL, err));
    model_case_reset(&c);
    options.struct_size = 0;
    CK_FAILS(genseg_segmenter_predict(made, &c.image, NULL, &options, &c.label, NULL, err), GENSEG_ERROR_INVALID,
             "call genseg_predict_options_init() first");
    static const double wrong[] = {-0.01, 0.91, 1.0, NAN, INFINITY};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        genseg_predict_options_init(&options, sizeof options);
        options.overlap = wrong[i];
        CK_FAILS(genseg_segmenter_predict(made, &c.image, NULL, &options, &c.label, NULL, err), GENSEG_ERROR_INVALID,
                 "overlap is ");
        CK_FAILS(genseg_segmenter_predict_file(made, "x", &options, "y", NULL, err), GENSEG_ERROR_INVALID,
                 "overlap is ");
    }
    ck_assert(model_case_untouched(&c));
    model_case_free(&c);
    genseg_segmenter_free(made);
    context_close(context);
}
END_TEST

START_TEST(info_of_any_age)
{
    struct {
        genseg_segmenter_info known;
        int64_t future;
    } newer;
    genseg_segmenter_info info;
    context = context_with(1, 0);
    genseg_segmenter *made = model_made(context, &flat);
    memset(&newer, 0xFF, sizeof newer);
    newer.known.struct_size = sizeof newer;
    CK_OK(genseg_segmenter_describe(made, &newer.known, err));
    ck_assert(newer.known.struct_size == sizeof newer && newer.known.seed == 11 && newer.future == 0);
    ck_assert_int_eq(newer.known.ndim, 2);
    // An earlier version that ended after `classes`.
    memset(&info, 0x77, sizeof info);
    info.struct_size = offsetof(genseg_segmenter_info, levels);
    CK_OK(genseg_segmenter_describe(made, &info, err));
    ck_assert_int_eq(info.classes, 3);
    ck_assert_uint_eq(info.struct_size, offsetof(genseg_segmenter_info, levels));
    ck_assert_int_eq(info.levels, 0x77777777);
    ck_assert_uint_eq(info.seed, 0x7777777777777777u);
    info.struct_size = 3;
    CK_FAILS(genseg_segmenter_describe(made, &info, err), GENSEG_ERROR_INVALID, "info->struct_size is 3");
    ck_assert_int_eq(info.classes, 3);
    genseg_segmenter_free(made);
    context_close(context);
}
END_TEST

START_TEST(accessors)
{
    context = context_with(1, 0);
    genseg_segmenter *made = model_made(context, &flat);
    ck_assert_int_eq(genseg_segmenter_classes(made), 3);
    ck_assert_int_eq(genseg_segmenter_label_value(made, 0), -5);
    ck_assert_int_eq(genseg_segmenter_label_value(made, 2), 300);
    ck_assert_str_eq(genseg_segmenter_label_name(made, 1), "b");
    static const int32_t outside[] = {-1, 3, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(genseg_segmenter_label_value(made, outside[i]), 0);
        ck_assert_ptr_null(genseg_segmenter_label_name(made, outside[i]));
    }
    ck_assert_int_eq(genseg_segmenter_classes(NULL), 0);
    ck_assert_int_eq(genseg_segmenter_label_value(NULL, 0), 0);
    ck_assert_ptr_null(genseg_segmenter_label_name(NULL, 0));
    genseg_segmenter_free(made);
    context_close(context);
}
END_TEST

// The segmenter keeps its context.
START_TEST(handles_go_in_any_order)
{
    context = context_with(1, 0);
    genseg_segmenter *made = model_made(context, &flat);
    model_case c = model_case_new(&flat, 1, 8, 8);
    genseg_context_free(context);
    CK_OK(genseg_segmenter_predict(made, &c.image, NULL, NULL, &c.label, NULL, err));
    genseg_segmenter_free(made);
    model_case_free(&c);
}
END_TEST

START_TEST(a_forked_child_is_told)
{
    context = context_with(1, 0);
    genseg_segmenter *made = model_made(context, &flat);
    model_case c = model_case_new(&flat, 1, 8, 8);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const genseg_status predicted = genseg_segmenter_predict(made, &c.image, NULL, NULL, &c.label, NULL, NULL);
        const genseg_status saved = genseg_segmenter_save(made, "never", NULL);
        _exit(predicted == GENSEG_ERROR_FORKED && saved == GENSEG_ERROR_FORKED ? 0 : 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    model_case_free(&c);
    genseg_segmenter_free(made);
    context_close(context);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {missing_arguments_are_named, options_of_any_age,    info_of_any_age, accessors,
                                  handles_go_in_any_order,     a_forked_child_is_told};
    return run_tests("api_segmenter", tests, sizeof tests / sizeof *tests);
}
