// Model files: what is saved comes back bit for bit, a failed save leaves the old
// file, and neither takes much memory. Damaged files: test_segmenter_damaged.c.
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

#include "core/file.h"
#include "data_files.h"
#include "faults.h"
#include "segmenter_model.h"

static const model models[] = {
    {{2, 2, 1, 1, 4},
     GENSEG_NORMALISE_PERCENTILE,
     GENSEG_SCALE_NATIVE,
     {1, 16, 24},
     {1, 1, 1},
     {0, 255},
     {"background", "L\xc3\xa4sion \"1\"\n\xe8\x82\xbf\xe7\x98\xa4"},
     {5000, 9, 2, 0.8125, UINT64_MAX - 41, NULL}},
    {{2, 2, 3, 4, 4},
     GENSEG_NORMALISE_ZSCORE,
     GENSEG_SCALE_RESIZE,
     {1, 64, 32},
     {1, 0.7, 0.1},
     {-7, 0, 3, 100000},
     {"", "a", "a", "\xf0\x9f\xab\x80"},
     {0, 0, 0, NAN, (uint64_t)1 << 63, NULL}},
    {{3, 1, 1, 1, 4},
     GENSEG_NORMALISE_NONE,
     GENSEG_SCALE_SPACING,
     {4, 6, 8},
     {2.5, 1.0 / 3, 1e-3},
     {INT32_MIN, INT32_MAX},
     {"0", "1"},
     {INT64_MAX, 1, 1, 1, 0, NULL}},
    {{3, 2, 2, 3, 5},
     GENSEG_NORMALISE_PERCENTILE,
     GENSEG_SCALE_NATIVE,
     {8, 4, 12},
     {1, 1, 1},
     {0, 1, 2},
     {"background", "anterior", "posterior"},
     {1, 1, 0, 0, 1, NULL}},
};
#define MODELS ((int)(sizeof models / sizeof *models))

static genseg_context *context;

static void check_description(const genseg_segmenter *segmenter, const model *m)
{
    genseg_segmenter_info info = {.struct_size = sizeof info};
    CK_OK(genseg_segmenter_describe(segmenter, &info, err));
    ck_assert_str_eq(info.architecture, m->unet.spatial == 2 ? "unet2d" : "unet3d");
    ck_assert_str_eq(info.version, "0.9.8-test");
    ck_assert(info.ndim == m->unet.spatial && info.channels == m->unet.channels && info.levels == m->unet.levels);
    ck_assert(info.width == m->unet.width && info.normalise == m->normalise && info.scale == m->scale);
    ck_assert_mem_eq(info.size, m->size, sizeof info.size);
    ck_assert_mem_eq(info.spacing, m->spacing, sizeof info.spacing);
    const gsg_provenance *p = &m->provenance;
    ck_assert(info.steps == p->steps && info.train_cases == p->train_cases && info.seed == p->seed);
    ck_assert(info.validation_cases == p->validation_cases);
    ck_assert(isnan(p->validation_dice) ? isnan(info.validation_dice) : info.validation_dice == p->validation_dice);
    ck_assert_int_eq(info.classes, model_classes(m));
    for (int32_t k = 0; k < info.classes; k++) {
        ck_assert_int_eq(genseg_segmenter_label_value(segmenter, k), m->values[k]);
        ck_assert_str_eq(genseg_segmenter_label_name(segmenter, k), m->names[k]);
    }
}

static void check_equal_files(const char *a, const char *b)
{
    uint8_t *first = NULL, *second = NULL;
    size_t first_size = 0, second_size = 0;
    CK_OK(gsg_file_read(context, a, SIZE_MAX, &first, &first_size, err));
    CK_OK(gsg_file_read(context, b, SIZE_MAX, &second, &second_size, err));
    ck_assert_uint_eq(first_size, second_size);
    ck_assert_mem_eq(first, second, first_size);
    gsg_free(context, first);
    gsg_free(context, second);
}

START_TEST(what_is_saved_comes_back)
{
    const model *m = &models[_i];
    context = context_with(1, 0);
    genseg_segmenter *made = model_made(context, m), *loaded = NULL;
    CK_OK(genseg_segmenter_save(made, file_path("a.safetensors"), err));
    CK_OK(genseg_segmenter_load(context, file_path("a.safetensors"), &loaded, err));
    check_description(made, m);
    check_description(loaded, m);
    ck_assert_int_eq(loaded->params->count, made->params->count);
    int64_t weights = 0;
    for (int32_t i = 0; i < made->params->count; i++) {
        const gsg_param *a = &made->params->items[i], *b = &loaded->params->items[i];
        ck_assert_str_eq(a->name, b->name);
        ck_assert(a->layout.count == b->layout.count && a->kind == b->kind);
        ck_assert_mem_eq(a->data, b->data, (size_t)a->layout.count * sizeof(float));
        weights += a->kind == GSG_PARAM_STATISTIC ? 0 : gsg_shape_count(a->layout.shape);
    }
    genseg_segmenter_info info = {.struct_size = sizeof info};
    CK_OK(genseg_segmenter_describe(loaded, &info, err));
    ck_assert_int_eq(info.weights, weights);
    // The older file is replaced.
    file_text(file_path("b.safetensors"), "old");
    CK_OK(genseg_segmenter_save(loaded, file_path("b.safetensors"), err));
    check_equal_files(file_path("a.safetensors"), file_path("b.safetensors"));
    genseg_segmenter_free(made);
    genseg_segmenter_free(loaded);
    context_close(context);
}
END_TEST

// ---- saving where it can't be

static int entries_of_root(void)
{
    gsg_file_list list;
    CK_OK(gsg_file_list_open(context, files_root, &list, err));
    const int count = (int)list.count;
    gsg_file_list_free(&list);
    return count;
}

START_TEST(failed_saves_leave_the_old_file)
{
    context = context_with(1, 0);
    genseg_segmenter *a = model_made(context, &models[0]), *b = model_made(context, &models[1]);
    CK_FAILS(genseg_segmenter_save(a, "/nonexistent/model.safetensors", err), GENSEG_ERROR_IO, "/nonexistent/");
    CK_OK(genseg_segmenter_save(a, file_path("old.safetensors"), err));
    CK_OK(genseg_segmenter_save(a, file_path("kept.safetensors"), err));
    const uint64_t held = atomic_load(&context->memory);
    signal(SIGXFSZ, SIG_IGN);
    CK_OK(genseg_segmenter_save(b, file_path("whole"), err));
    int64_t whole = 0;
    gsg_file_probe(file_path("whole"), &whole);
    remove(file_path("whole"));
    for (int part = 0; part < 6; part++) { // in the header, in the tensors
        const rlim_t most = (rlim_t)(part * (whole - 1) / 5);
        const struct rlimit limit = {most, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        CK_FAILS(genseg_segmenter_save(b, file_path("old.safetensors"), err), GENSEG_ERROR_IO, "old.safetensors");
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
        ck_assert_uint_eq(atomic_load(&context->memory), held);
        ck_assert_int_eq(entries_of_root(), 2);
        check_equal_files(file_path("old.safetensors"), file_path("kept.safetensors"));
    }
    CK_OK(genseg_segmenter_save(b, file_path("old.safetensors"), err));
    genseg_segmenter_free(a);
    genseg_segmenter_free(b);
    context_close(context);
}
END_TEST

// ---- memory

static char swept[512];

static genseg_status load_and_free(genseg_context *with, gsg_error *err)
{
    genseg_segmenter *segmenter = NULL;
    const genseg_status status = genseg_segmenter_load(with, swept, &segmenter, err);
    ck_assert((status == GENSEG_OK) == (segmenter != NULL));
    genseg_segmenter_free(segmenter);
    return status;
}

static genseg_status make_and_save(genseg_context *with, gsg_error *err)
{
    genseg_segmenter *segmenter = NULL;
    genseg_status status = model_new(with, &models[3], &segmenter, err);
    if (status != GENSEG_OK)
        return status;
    status = genseg_segmenter_save(segmenter, swept, err);
    genseg_segmenter_free(segmenter);
    return status;
}

START_TEST(every_allocation_may_fail)
{
    snprintf(swept, sizeof swept, "%s", file_path("swept.safetensors"));
    ck_assert_int_ge(faults_sweep(make_and_save), 30);
    ck_assert_int_ge(faults_sweep(load_and_free), 30);
}
END_TEST

// Loading needs the file and the weights, with room for one tensor more; saving needs one tensor.
START_TEST(memory_stays_small)
{
    context = context_with(1, 0);
    const model wide = {
        {2, 3, 1, 1, 32}, GENSEG_NORMALISE_NONE, GENSEG_SCALE_NATIVE, {1, 16, 16}, {1, 1, 1}, {0, 1}, {"a", "b"}, {0}};
    genseg_segmenter *made = model_made(context, &wide), *loaded = NULL;
    const uint64_t weights = (uint64_t)gsg_params_values(made->params, 0) * sizeof(float);
    const uint64_t largest = 256 * 256 * 9 * sizeof(float), small = 128 * 1024;
    uint64_t held = atomic_load(&context->memory);
    ck_assert_uint_le(held, weights + small);
    atomic_store(&context->memory_peak, held);
    CK_OK(genseg_segmenter_save(made, file_path("wide.safetensors"), err));
    ck_assert_uint_le(atomic_load(&context->memory_peak) - held, largest + small);
    genseg_segmenter_free(made);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    atomic_store(&context->memory_peak, 0);
    CK_OK(genseg_segmenter_load(context, file_path("wide.safetensors"), &loaded, err));
    ck_assert_uint_le(atomic_load(&context->memory_peak), 2 * weights + largest + small);
    ck_assert_uint_le(atomic_load(&context->memory), weights + small);
    genseg_segmenter_free(loaded);
    context_close(context);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("segmenter_file");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, files_begin, files_end);
    tcase_add_loop_test(tests, what_is_saved_comes_back, 0, MODELS);
    tcase_add_test(tests, failed_saves_leave_the_old_file);
    tcase_add_test(tests, every_allocation_may_fail);
    tcase_add_test(tests, memory_stays_small);
    RUN_TESTS(tests);
}
