// Working grids, their geometry, and the plan from the training cases.
#include "data/preprocess.h"

#include "sampling_input.h"

static const gsg_preprocess base = {.ndim = 3,
                                    .channels = 1,
                                    .normalise = GSG_NORMALISE_NONE,
                                    .scale = GSG_SCALE_NATIVE,
                                    .size = {8, 8, 8},
                                    .spacing = {1, 1, 1}};

START_TEST(spacing_changes_the_grid_and_keeps_the_extent)
{
    genseg_context *context = context_with(2, 0);
    gsg_volume src = volume_of(context, 3, 1, 4, 6, 10), dst;
    double affine[16] = {-0.5, 0, 0, 7, 0, 1, 0, -3, 0, 0, 3, 11, 0, 0, 0, 1};
    gsg_geometry_set_affine(&src.geometry, affine);
    for (int64_t i = 0; i < gsg_volume_count(&src); i++) {
        src.image[i] = (float)(i % 10); // a ramp along W
        src.label[i] = i % 10 >= 5;
    }
    gsg_preprocess p = base;
    p.scale = GSG_SCALE_SPACING;
    int64_t size[3];
    gsg_preprocess_working_size(&p, &src, size);
    ck_assert(size[0] == 12 && size[1] == 6 && size[2] == 5);
    ck_assert_int_eq(gsg_preprocess_image(context, &p, &src, &dst, NULL), GENSEG_OK);
    ck_assert(dst.size[0] == 12 && dst.size[2] == 5 && dst.ndim == 3 && dst.channels == 1);
    for (int a = 0; a < 3; a++)
        ck_assert_double_eq_tol(dst.geometry.spacing[a], 1, 1e-12);
    // Voxel 0 of W now spans the old 0 and 1: its middle is at 0.5 of the old, -0.25 mm on.
    ck_assert_double_eq_tol(dst.geometry.affine[3], 6.75, 1e-12);
    ck_assert_double_eq_tol(dst.geometry.affine[7], -3, 1e-12);
    ck_assert_double_eq_tol(dst.geometry.affine[11], 10, 1e-12); // the first slice's middle, 1 mm lower
    ck_assert_double_eq_tol(dst.geometry.affine[0], -1, 1e-12);
    // Inside, antialiasing leaves a ramp a ramp.
    ck_assert_double_eq_tol(dst.image[2], 4.5, 1e-5);
    ck_assert_int_eq(dst.label[1], 0);
    ck_assert_int_eq(dst.label[3], 1);
    gsg_volume_free(&dst);
    // Without a known spacing there is nothing to resample by.
    src.geometry.affine_known = 0;
    gsg_preprocess_working_size(&p, &src, size);
    ck_assert(size[0] == 4 && size[1] == 6 && size[2] == 10);
    gsg_volume_free(&src);
    context_close(context);
}
END_TEST

START_TEST(resize_and_native)
{
    genseg_context *context = context_with(1, 0);
    gsg_volume src = volume_of(context, 2, 2, 1, 10, 20), dst;
    for (int64_t i = 0; i < 2 * gsg_volume_count(&src); i++)
        src.image[i] = input_value(i);
    gsg_preprocess p = base;
    p.ndim = 2;
    p.channels = 2;
    p.size[0] = 1;
    ck_assert_int_eq(gsg_preprocess_image(context, &p, &src, &dst, NULL), GENSEG_OK);
    for (int64_t i = 0; i < 2 * gsg_volume_count(&src); i++)
        ck_assert(dst.image[i] == src.image[i]);
    gsg_volume_free(&dst);
    gsg_free(context, src.label);
    src.label = NULL;
    p.scale = GSG_SCALE_RESIZE;
    p.normalise = GSG_NORMALISE_PERCENTILE;
    ck_assert_int_eq(gsg_preprocess_image(context, &p, &src, &dst, NULL), GENSEG_OK);
    ck_assert(dst.size[0] == 1 && dst.size[1] == 8 && dst.size[2] == 8 && dst.label == NULL);
    ck_assert_int_eq(dst.geometry.affine_known, 0);
    ck_assert_double_eq_tol(dst.geometry.spacing[2], 2.5, 1e-12);
    gsg_volume_free(&dst);
    gsg_volume_free(&src);
    context_close(context);
}
END_TEST

START_TEST(wrong_images_are_refused)
{
    genseg_context *context = context_with(1, 4096);
    gsg_error err;
    gsg_volume src = volume_of(context, 3, 2, 4, 4, 4), dst;
    gsg_preprocess p = base;
    ck_assert_int_eq(gsg_preprocess_image(context, &p, &src, &dst, &err), GENSEG_ERROR_SHAPE);
    ck_assert_str_eq(err.message, "the image has 2 channels, the network takes 1");
    p.channels = 2;
    p.ndim = 2;
    ck_assert_int_eq(gsg_preprocess_image(context, &p, &src, &dst, &err), GENSEG_ERROR_SHAPE);
    p.ndim = 3;
    p.scale = GSG_SCALE_RESIZE;
    p.size[0] = 256;
    ck_assert_int_eq(gsg_preprocess_image(context, &p, &src, &dst, &err), GENSEG_ERROR_NOMEM);
    gsg_volume_free(&src);
    ck_assert_int_eq(gsg_preprocess_check(&base, NULL), GENSEG_OK);
    p = base;
    p.spacing[1] = 0;
    ck_assert_int_eq(gsg_preprocess_check(&p, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "preprocessing: spacing along H is 0");
    context_close(context);
}
END_TEST

START_TEST(plans_choose_the_grid)
{
    genseg_context *context = context_with(1, 0);
    gsg_preprocess_options options = {.ndim = 3, .channels = 1, .multiple = 8};
    gsg_case_extent cases[3] = {{{35, 51, 35}, {1, 1, 1}}, {{33, 48, 37}, {1, 1.01, 1}}, {{40, 47, 30}, {1, 1, 1}}};
    gsg_preprocess p;
    ck_assert_int_eq(gsg_preprocess_plan(context, &options, cases, 3, &p, NULL), GENSEG_OK);
    ck_assert_int_eq(p.scale, GSG_SCALE_NATIVE);
    ck_assert_int_eq(p.normalise, GSG_NORMALISE_PERCENTILE);
    ck_assert(p.size[0] == 40 && p.size[1] == 48 && p.size[2] == 40);
    cases[2].spacing[0] = 2.5; // 100 slices at the median spacing
    ck_assert_int_eq(gsg_preprocess_plan(context, &options, cases, 3, &p, NULL), GENSEG_OK);
    ck_assert_int_eq(p.scale, GSG_SCALE_SPACING);
    ck_assert_double_eq(p.spacing[0], 1);
    ck_assert(p.size[0] == 40 && p.size[1] == 48 && p.size[2] == 40);
    for (int i = 0; i < 3; i++) // large scans: a patch of some 96 x 96 x 96 voxels
        cases[i] = (gsg_case_extent){{300, 512, 512}, {1, 1, 1}};
    ck_assert_int_eq(gsg_preprocess_plan(context, &options, cases, 3, &p, NULL), GENSEG_OK);
    ck_assert(p.size[0] * p.size[1] * p.size[2] <= 96 * 96 * 96 && p.size[0] >= 88 && p.size[2] % 8 == 0);

    options.ndim = 2;
    gsg_case_extent flat[2] = {{{1, 128, 128}, {1, 1, 1}}, {{1, 128, 128}, {1, 0.5, 0.5}}};
    ck_assert_int_eq(gsg_preprocess_plan(context, &options, flat, 2, &p, NULL), GENSEG_OK);
    ck_assert_int_eq(p.scale, GSG_SCALE_NATIVE);
    ck_assert(p.size[0] == 1 && p.size[1] == 128 && p.size[2] == 128);
    options.size[1] = options.size[2] = 64;
    ck_assert_int_eq(gsg_preprocess_plan(context, &options, flat, 2, &p, NULL), GENSEG_OK);
    ck_assert_int_eq(p.scale, GSG_SCALE_RESIZE);
    ck_assert(p.size[0] == 1 && p.size[1] == 64);

    gsg_error err;
    options.size[2] = 60;
    ck_assert_int_eq(gsg_preprocess_plan(context, &options, flat, 2, &p, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "size along W is 60, not a multiple of 8");
    ck_assert_int_eq(gsg_preprocess_plan(context, &options, flat, 0, &p, &err), GENSEG_ERROR_INVALID);
    context_close(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("preprocess");
    TCase *tests = tcase_create("preprocess");
    tcase_add_test(tests, spacing_changes_the_grid_and_keeps_the_extent);
    tcase_add_test(tests, resize_and_native);
    tcase_add_test(tests, wrong_images_are_refused);
    tcase_add_test(tests, plans_choose_the_grid);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
