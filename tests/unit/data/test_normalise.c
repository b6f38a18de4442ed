// Order statistics against a sort, percentiles against NumPy, edge cases.
#include "data/normalise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../golden_json.h"
#include "sampling_input.h"

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

START_TEST(selection_equals_sorting)
{
    genseg_context *context = context_with(1, 0);
    enum { COUNT = 5000 };
    float *values = gsg_alloc(context, COUNT, sizeof *values), *sorted = gsg_alloc(context, COUNT, sizeof *sorted);
    for (int64_t i = 0; i < COUNT; i++) // both signs, many exponents, ties
        values[i] = input_value(i) * powf(10.0f, (float)(i % 9) - 4.0f);
    values[17] = -0.0f;
    memcpy(sorted, values, COUNT * sizeof *values);
    qsort(sorted, COUNT, sizeof *sorted, compare_floats);
    int64_t ranks[4] = {0, 24, 24, COUNT - 1}, more[2] = {2500, 2501};
    float found[4];
    ck_assert_int_eq(gsg_select(context, values, COUNT, ranks, 4, found, NULL), GENSEG_OK);
    for (int r = 0; r < 4; r++)
        ck_assert(found[r] == sorted[ranks[r]]);
    ck_assert_int_eq(gsg_select(context, values, COUNT, more, 2, found, NULL), GENSEG_OK);
    ck_assert(found[0] == sorted[2500] && found[1] == sorted[2501]);
    gsg_free(context, values);
    gsg_free(context, sorted);
    context_close(context);
}
END_TEST

START_TEST(percentiles_equal_numpy)
{
    genseg_context *context = context_with(1, 0);
    json_t *root = golden_load("sampling.json"), *item;
    size_t index;
    json_array_foreach(golden_get(root, "percentile"), index, item)
    {
        int64_t count = json_integer_value(golden_get(item, "count"));
        float values[1000];
        for (int64_t i = 0; i < count; i++)
            values[i] = input_value(i);
        ck_assert_int_eq(gsg_normalise(context, GSG_NORMALISE_PERCENTILE, values, 1, count, NULL), GENSEG_OK);
        json_t *wanted = golden_get(item, "scaled");
        for (size_t i = 0; i < json_array_size(wanted); i++)
            ck_assert_double_eq_tol(values[i], json_number_value(json_array_get(wanted, i)), 1e-5);
    }
    json_decref(root);
    context_close(context);
}
END_TEST

START_TEST(zscore_has_mean_0_and_deviation_1)
{
    genseg_context *context = context_with(1, 0);
    float values[2][500];
    for (int64_t i = 0; i < 500; i++) {
        values[0][i] = 1000.0f + input_value(i);
        values[1][i] = -3.0f * input_value(i);
    }
    ck_assert_int_eq(gsg_normalise(context, GSG_NORMALISE_ZSCORE, values[0], 2, 500, NULL), GENSEG_OK);
    for (int c = 0; c < 2; c++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < 500; i++) {
            sum += values[c][i];
            squares += values[c][i] * values[c][i];
        }
        ck_assert_double_eq_tol(sum / 500, 0, 1e-5);
        ck_assert_double_eq_tol(squares / 500, 1, 1e-4);
    }
    // The second channel is the first one mirrored and stretched.
    ck_assert_double_eq_tol(values[0][7], -values[1][7], 1e-3);
    context_close(context);
}
END_TEST

START_TEST(constant_channels_become_zero)
{
    genseg_context *context = context_with(1, 0);
    for (int32_t kind = GSG_NORMALISE_PERCENTILE; kind <= GSG_NORMALISE_ZSCORE; kind++) {
        float values[64];
        for (int i = 0; i < 64; i++)
            values[i] = 0.1f;
        ck_assert_int_eq(gsg_normalise(context, kind, values, 1, 64, NULL), GENSEG_OK);
        for (int i = 0; i < 64; i++)
            ck_assert(values[i] == 0.0f);
    }
    // Almost constant: the window falls back to minimum and maximum.
    float values[1000] = {0};
    values[500] = 4.0f;
    ck_assert_int_eq(gsg_normalise(context, GSG_NORMALISE_PERCENTILE, values, 1, 1000, NULL), GENSEG_OK);
    ck_assert(values[0] == -1.0f && values[500] == 1.0f);
    float one = 5.0f;
    ck_assert_int_eq(gsg_normalise(context, GSG_NORMALISE_PERCENTILE, &one, 1, 1, NULL), GENSEG_OK);
    ck_assert(one == 0.0f);
    context_close(context);
}
END_TEST

START_TEST(failures_are_reported)
{
    genseg_context *context = context_with(1, 100);
    gsg_error err;
    float values[3] = {1.0f, 2.0f, 4.0f};
    ck_assert_int_eq(gsg_normalise(context, 9, values, 1, 3, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "normalisation 9 is unknown");
    ck_assert_int_eq(gsg_normalise(context, GSG_NORMALISE_PERCENTILE, values, 1, 3, &err), GENSEG_ERROR_NOMEM);
    ck_assert_int_eq(gsg_normalise(context, GSG_NORMALISE_NONE, values, 1, 3, &err), GENSEG_OK);
    ck_assert(values[0] == 1.0f && values[2] == 4.0f);
    context_close(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("normalise");
    TCase *tests = tcase_create("normalise");
    tcase_add_test(tests, selection_equals_sorting);
    tcase_add_test(tests, percentiles_equal_numpy);
    tcase_add_test(tests, zscore_has_mean_0_and_deviation_1);
    tcase_add_test(tests, constant_channels_become_zero);
    tcase_add_test(tests, failures_are_reported);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
