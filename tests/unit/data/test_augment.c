// Draws stay within their options, in millimetres, and repeat.
#include "data/augment.h"

#include <math.h>
#include <string.h>

#include "sampling_input.h"

static const double middle[3] = {20, 30, 40};
static const int64_t cube[3] = {16, 32, 64}, flat[3] = {1, 32, 64};

static gsg_warp draw(const gsg_augment_options *options, const double spacing[3], const int64_t size[3], uint64_t step)
{
    gsg_warp warp;
    gsg_rng rng;
    gsg_rng_init(&rng, 5, GSG_STREAM_AUGMENT, step);
    gsg_augment_draw(options, spacing, size, middle, &rng, &warp);
    return warp;
}

static double determinant(const double m[9])
{
    return m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6]);
}

START_TEST(none_only_cuts)
{
    gsg_augment_options options;
    gsg_augment_none(&options);
    ck_assert_int_eq(gsg_augment_check(&options, NULL), GENSEG_OK);
    for (uint64_t step = 0; step < 50; step++) {
        gsg_warp warp = draw(&options, (double[]){1, 1, 1}, cube, step), plain;
        gsg_warp_identity(&plain, middle);
        plain.noise_seed = warp.noise_seed;
        ck_assert_int_eq(memcmp(&warp, &plain, sizeof warp), 0);
    }
}
END_TEST

START_TEST(draws_repeat)
{
    gsg_augment_options options;
    gsg_augment_defaults(&options);
    ck_assert_int_eq(gsg_augment_check(&options, NULL), GENSEG_OK);
    gsg_warp a = draw(&options, middle, cube, 3), b = draw(&options, middle, cube, 3),
             c = draw(&options, middle, cube, 4);
    ck_assert_int_eq(memcmp(&a, &b, sizeof a), 0);
    ck_assert_int_ne(memcmp(a.matrix, c.matrix, sizeof a.matrix), 0);
}
END_TEST

START_TEST(rotation_is_orthogonal_in_millimetres)
{
    gsg_augment_options options;
    gsg_augment_none(&options);
    options.affine_chance = 1;
    options.rotation = 15;
    const double spacing[3] = {2.5, 1, 1};
    double largest = 0;
    for (uint64_t step = 0; step < 400; step++) {
        gsg_warp warp = draw(&options, spacing, cube, step);
        double m[9], trace = 0;
        for (int i = 0; i < 9; i++)
            m[i] = warp.matrix[i] * spacing[i / 3] / spacing[i % 3];
        for (int r = 0; r < 3; r++)
            for (int c = 0; c < 3; c++) {
                double dot = m[3 * r] * m[3 * c] + m[3 * r + 1] * m[3 * c + 1] + m[3 * r + 2] * m[3 * c + 2];
                ck_assert_double_eq_tol(dot, r == c, 1e-12);
            }
        for (int a = 0; a < 3; a++)
            trace += m[4 * a];
        largest = fmax(largest, acos((trace - 1) / 2) * 180 / 3.14159265);
    }
    // Three turns of at most 15 degrees, composed.
    ck_assert(largest > 15 && largest < 27);
}
END_TEST

START_TEST(planes_of_thick_slices_do_not_mix)
{
    gsg_augment_options options;
    gsg_augment_defaults(&options);
    options.affine_chance = options.elastic_chance = options.blur_chance = 1;
    options.shear = 0;
    for (uint64_t step = 0; step < 100; step++) {
        gsg_warp thick = draw(&options, (double[]){5, 1, 1}, cube, step);
        gsg_warp two = draw(&options, (double[]){1, 1, 1}, flat, step);
        const gsg_warp *both[2] = {&thick, &two};
        for (int i = 0; i < 2; i++) {
            const double *m = both[i]->matrix;
            ck_assert(m[0] == 1 && m[1] == 0 && m[2] == 0 && m[3] == 0 && m[6] == 0);
            double zoom = 1 / sqrt(determinant(m));
            ck_assert(zoom >= 0.8 && zoom <= 1.2);
            ck_assert(both[i]->blur[0] == 0 && both[i]->blur[1] > 0);
            ck_assert(both[i]->displacement[0][9] == 0 && both[i]->displacement[1][9] != 0);
        }
        ck_assert(two.centre[0] == middle[0]);
        ck_assert(fabs(two.centre[1] - middle[1]) <= 3.2 && fabs(two.centre[2] - middle[2]) <= 6.4);
    }
}
END_TEST

START_TEST(flips_keep_to_symmetric_axes)
{
    gsg_augment_options options;
    gsg_augment_none(&options);
    options.symmetric = GSG_AXIS_W;
    int flipped = 0;
    for (uint64_t step = 0; step < 1000; step++) {
        gsg_warp warp = draw(&options, (double[]){1, 1, 1}, cube, step);
        ck_assert(warp.matrix[0] == 1 && warp.matrix[4] == 1 && fabs(warp.matrix[8]) == 1);
        flipped += warp.matrix[8] < 0;
    }
    ck_assert(flipped > 440 && flipped < 560);
}
END_TEST

START_TEST(chances_and_magnitudes_hold)
{
    gsg_augment_options options;
    gsg_augment_defaults(&options);
    int gamma = 0, noise = 0, elastic = 0;
    for (uint64_t step = 0; step < 1000; step++) {
        gsg_warp warp = draw(&options, (double[]){1, 1, 1}, flat, step);
        gamma += warp.gamma != 1;
        noise += warp.noise > 0;
        elastic += warp.elastic;
        ck_assert(fabs(log(warp.gamma)) <= options.gamma && warp.noise <= options.noise);
        ck_assert(fabs(warp.contrast - 1) <= options.contrast && fabs(warp.brightness) <= options.brightness);
        ck_assert(warp.blur[1] <= options.blur);
        for (int i = 0; i < 343 && warp.elastic; i++)
            ck_assert(fabs(warp.displacement[2][i]) <= 2.5001 * options.elastic * 64);
    }
    ck_assert(gamma > 240 && gamma < 360);
    ck_assert(noise > 145 && noise < 255);
    ck_assert(elastic > 240 && elastic < 360);
}
END_TEST

START_TEST(wrong_options_are_refused)
{
    gsg_augment_options options;
    gsg_error err;
    gsg_augment_defaults(&options);
    options.scale = 1.5;
    ck_assert_int_eq(gsg_augment_check(&options, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "augmentation: scale is 1.5, allowed are 0 to 0.9");
    gsg_augment_defaults(&options);
    options.noise_chance = NAN;
    ck_assert_int_eq(gsg_augment_check(&options, &err), GENSEG_ERROR_INVALID);
    gsg_augment_defaults(&options);
    options.symmetric = 8;
    ck_assert_int_eq(gsg_augment_check(&options, &err), GENSEG_ERROR_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("augment");
    TCase *tests = tcase_create("augment");
    tcase_add_test(tests, none_only_cuts);
    tcase_add_test(tests, draws_repeat);
    tcase_add_test(tests, rotation_is_orthogonal_in_millimetres);
    tcase_add_test(tests, planes_of_thick_slices_do_not_mix);
    tcase_add_test(tests, flips_keep_to_symmetric_axes);
    tcase_add_test(tests, chances_and_magnitudes_hold);
    tcase_add_test(tests, wrong_options_are_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
