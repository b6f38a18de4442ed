// Resampling against PyTorch's interpolate, slabs against the whole.
#include "data/resample.h"

#include <string.h>

#include "../golden_json.h"
#include "sampling_input.h"

static void read_size(json_t *item, const char *key, int64_t size[3])
{
    for (size_t a = 0; a < 3; a++)
        size[a] = json_integer_value(json_array_get(golden_get(item, key), a));
}

static float *make_input(genseg_context *context, int64_t count)
{
    float *src = gsg_alloc(context, (size_t)count, sizeof *src);
    for (int64_t i = 0; i < count; i++)
        src[i] = input_value(i);
    return src;
}

START_TEST(linear_equals_pytorch)
{
    genseg_context *context = context_with(2, 0);
    json_t *root = golden_load("sampling.json"), *item;
    size_t index;
    json_array_foreach(golden_get(root, "resample"), index, item)
    {
        int64_t planes = json_integer_value(golden_get(item, "planes")), src_size[3], dst_size[3];
        read_size(item, "src", src_size);
        read_size(item, "dst", dst_size);
        float *src = make_input(context, planes * src_size[0] * src_size[1] * src_size[2]);
        int64_t count = planes * dst_size[0] * dst_size[1] * dst_size[2];
        float *dst = gsg_alloc(context, (size_t)count, sizeof *dst);
        ck_assert_int_eq(gsg_resample_linear(context, src, planes, src_size, dst, dst_size, NULL), GENSEG_OK);
        json_t *wanted = golden_get(item, "values");
        ck_assert_int_eq(json_array_size(wanted), count);
        for (int64_t i = 0; i < count; i++)
            ck_assert_double_eq_tol(dst[i], json_number_value(json_array_get(wanted, (size_t)i)), 2e-5);
        gsg_free(context, src);
        gsg_free(context, dst);
    }
    json_decref(root);
    context_close(context);
}
END_TEST

static void compare_slabs(genseg_context *context, const int64_t src_size[3], const int64_t dst_size[3], int32_t axis,
                          int64_t thickness)
{
    int64_t src_slice = src_size[1] * src_size[2], dst_slice = dst_size[1] * dst_size[2];
    if (axis == 1) {
        src_slice = src_size[2];
        dst_slice = dst_size[2];
    }
    float *src = make_input(context, src_size[0] * src_size[1] * src_size[2]);
    float *whole = gsg_alloc(context, (size_t)(dst_size[0] * dst_size[1] * dst_size[2]), sizeof *whole);
    float *part = gsg_alloc(context, (size_t)(thickness * dst_slice), sizeof *part);
    ck_assert_int_eq(gsg_resample_linear(context, src, 1, src_size, whole, dst_size, NULL), GENSEG_OK);
    gsg_resampler *resampler = NULL;
    ck_assert_int_eq(gsg_resampler_new(context, src_size, dst_size, &resampler, NULL), GENSEG_OK);
    for (int64_t begin = 0; begin < dst_size[axis]; begin += thickness) {
        int64_t end = begin + thickness < dst_size[axis] ? begin + thickness : dst_size[axis];
        gsg_resample_slab slab = {.axis = axis, .dst_begin = begin, .dst_end = end};
        gsg_resample_needs(src_size, dst_size, &slab);
        // A copy of just those slices: reading beyond would show under valgrind or ASan.
        int64_t held = (slab.src_end - slab.src_begin) * src_slice;
        float *src_part = gsg_alloc(context, (size_t)held, sizeof *src_part);
        memcpy(src_part, src + slab.src_begin * src_slice, (size_t)held * sizeof *src);
        ck_assert_int_eq(gsg_resample_linear_slab(context, src_part, 1, src_size, part, dst_size, &slab, NULL),
                         GENSEG_OK);
        ck_assert_int_eq(memcmp(part, whole + begin * dst_slice, (size_t)((end - begin) * dst_slice) * sizeof *part),
                         0);
        memset(part, 0, (size_t)((end - begin) * dst_slice) * sizeof *part);
        ck_assert_int_eq(gsg_resampler_run(resampler, src_part, 1, part, &slab, NULL), GENSEG_OK);
        ck_assert_int_eq(memcmp(part, whole + begin * dst_slice, (size_t)((end - begin) * dst_slice) * sizeof *part),
                         0);
        gsg_free(context, src_part);
    }
    gsg_resampler_free(resampler);
    gsg_free(context, src);
    gsg_free(context, whole);
    gsg_free(context, part);
}

START_TEST(slabs_equal_the_whole)
{
    genseg_context *context = context_with(2, 0);
    compare_slabs(context, (int64_t[]){9, 8, 7}, (int64_t[]){20, 5, 11}, 0, 3);
    compare_slabs(context, (int64_t[]){23, 8, 7}, (int64_t[]){5, 9, 3}, 0, 2);
    compare_slabs(context, (int64_t[]){6, 5, 5}, (int64_t[]){6, 5, 5}, 0, 1);
    compare_slabs(context, (int64_t[]){1, 31, 17}, (int64_t[]){1, 12, 40}, 1, 5);
    context_close(context);
}
END_TEST

START_TEST(nearest_takes_the_closest_class)
{
    genseg_context *context = context_with(2, 0);
    int32_t src[2][3] = {{1, 2, 3}, {4, 5, 6}}, dst[4][6], small[2];
    int64_t src_size[3] = {1, 2, 3}, up[3] = {1, 4, 6}, down[3] = {1, 1, 2};
    ck_assert_int_eq(gsg_resample_nearest(context, src[0], src_size, dst[0], up, NULL), GENSEG_OK);
    for (int h = 0; h < 4; h++)
        for (int w = 0; w < 6; w++)
            ck_assert_int_eq(dst[h][w], src[h / 2][w / 2]);
    // Centres at 0.75 and 2.25 of three columns, 1 of two rows.
    ck_assert_int_eq(gsg_resample_nearest(context, src[0], src_size, small, down, NULL), GENSEG_OK);
    ck_assert_int_eq(small[0], 4);
    ck_assert_int_eq(small[1], 6);
    context_close(context);
}
END_TEST

START_TEST(failures_are_reported)
{
    genseg_context *context = context_with(1, 256);
    gsg_error err;
    float src[64] = {0}, dst[64];
    int64_t size[3] = {4, 4, 4}, none[3] = {4, 0, 4}, wide[3] = {1, 1, 64};
    ck_assert_int_eq(gsg_resample_linear(context, src, 1, size, dst, none, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "axis 1 is resampled from 4 to 0 voxels");
    gsg_resample_slab slab = {.axis = 0, .src_begin = 1, .src_end = 4, .dst_begin = 0, .dst_end = 2};
    ck_assert_int_eq(gsg_resample_linear_slab(context, src, 1, size, dst, size, &slab, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "slab needs source slices 0..2 but has 1..4");
    gsg_resampler *resampler = NULL;
    ck_assert_int_eq(gsg_resampler_new(context, size, none, &resampler, &err), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(gsg_resampler_new(context, size, wide, &resampler, &err), GENSEG_ERROR_NOMEM);
    ck_assert_ptr_null(resampler);
    slab.axis = 2;
    ck_assert_int_eq(gsg_resample_linear_slab(context, src, 1, size, dst, size, &slab, &err), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(gsg_resample_linear(context, src, 1, size, dst, wide, &err), GENSEG_ERROR_NOMEM);
    int32_t label[64] = {0}, moved[64];
    ck_assert_int_eq(gsg_resample_nearest(context, label, size, moved, wide, &err), GENSEG_ERROR_NOMEM);
    context_close(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resample");
    TCase *tests = tcase_create("resample");
    tcase_add_test(tests, linear_equals_pytorch);
    tcase_add_test(tests, slabs_equal_the_whole);
    tcase_add_test(tests, nearest_takes_the_closest_class);
    tcase_add_test(tests, failures_are_reported);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
