// Spatial transforms: known matrices, derivatives against differences, B-splines.
#include <check.h>
#include <math.h>

#include "tensor/transform.h"

#define PI 3.14159265358979323846

static gsg_transform busy(void)
{
    gsg_transform t = {.mixes = {1, 1, 1},
                       .flip = {0, 1, 0},
                       .spacing = {2, 1, 0.5},
                       .step = {1.1, 0.9, 1.2},
                       .angle = {0.2, -0.1, 0.3},
                       .shear = {0.05, -0.1, 0.15}};
    return t;
}

static void check_matrix(const double *matrix, const double *expected, double tolerance)
{
    for (int i = 0; i < 9; i++)
        ck_assert_msg(fabs(matrix[i] - expected[i]) <= tolerance, "element %d is %.12g, not %.12g", i, matrix[i],
                      expected[i]);
}

START_TEST(identity_and_flip)
{
    gsg_transform t;
    double matrix[9], expected[9] = {1, 0, 0, 0, -1, 0, 0, 0, 1};
    gsg_transform_identity(&t);
    t.flip[1] = 1;
    t.angle[0] = 1; // no axis takes part
    t.step[2] = 3;
    gsg_transform_matrix(&t, GSG_TRANSFORM_NONE, matrix);
    check_matrix(matrix, expected, 0);
}
END_TEST

// A quarter turn in the plane, by hand: pixels twice as high as wide.
START_TEST(rotation_in_millimetres)
{
    gsg_transform t;
    double matrix[9], expected[9] = {1, 0, 0, 0, 0, -0.5, 0, 2, 0};
    gsg_transform_identity(&t);
    t.mixes[1] = t.mixes[2] = 1;
    t.spacing[1] = 2;
    t.angle[0] = PI / 2;
    gsg_transform_matrix(&t, GSG_TRANSFORM_NONE, matrix);
    check_matrix(matrix, expected, 1e-15);
}
END_TEST

// Scale comes first (rows), shear last (columns): by hand.
START_TEST(scale_and_shear)
{
    gsg_transform t;
    double matrix[9], expected[9] = {2, 0.2, 0.4, 0, 3, 0.9, 0, 0, 4};
    gsg_transform_identity(&t);
    for (int a = 0; a < 3; a++) {
        t.mixes[a] = 1;
        t.step[a] = 2 + a;
    }
    t.shear[0] = 0.3;
    t.shear[1] = 0.1;
    t.shear[2] = 0.2;
    gsg_transform_matrix(&t, GSG_TRANSFORM_NONE, matrix);
    check_matrix(matrix, expected, 1e-15);
}
END_TEST

START_TEST(derivatives_by_differences)
{
    const double h = 1e-5;
    for (int flat = 0; flat < 2; flat++)
        for (int i = 0; i < 9; i++) {
            gsg_transform ends[2] = {busy(), busy()};
            double matrix[2][9], derivative[9], norm = 0;
            for (int k = 0; k < 2; k++) {
                double *number = i < 3 ? &ends[k].step[i] : i < 6 ? &ends[k].angle[i - 3] : &ends[k].shear[i - 6];
                *number += k ? -h : h;
                ends[k].mixes[0] = !flat;
                gsg_transform_matrix(&ends[k], GSG_TRANSFORM_NONE, matrix[k]);
            }
            for (int j = 0; j < 9; j++)
                matrix[0][j] = (matrix[0][j] - matrix[1][j]) / (2 * h);
            gsg_transform at = busy();
            at.mixes[0] = !flat;
            gsg_transform_matrix(&at, i, derivative);
            check_matrix(derivative, matrix[0], 1e-8);
            for (int j = 0; j < 9; j++)
                norm += fabs(derivative[j]);
            // Without D: steps H and W, the angle about D, the shear in the plane.
            ck_assert_int_eq(norm > 0, !flat || i == 1 || i == 2 || i == 3 || i == 6);
        }
}
END_TEST

START_TEST(thick_slices_do_not_mix)
{
    int32_t mixes[3];
    gsg_transform_mixes((double[3]){3, 1, 1}, (int64_t[3]){8, 8, 8}, mixes);
    ck_assert(mixes[0] && mixes[1] && mixes[2]);
    gsg_transform_mixes((double[3]){3.1, 1, 1}, (int64_t[3]){8, 8, 8}, mixes);
    ck_assert(!mixes[0] && mixes[1] && mixes[2]);
    gsg_transform_mixes((double[3]){1, 1, 1}, (int64_t[3]){1, 8, 8}, mixes);
    ck_assert(!mixes[0] && mixes[1] && mixes[2]);
}
END_TEST

START_TEST(splines)
{
    for (int64_t size = 1; size < 40; size++)
        for (int64_t i = 0; i < size; i++) {
            float w[4];
            int32_t from = gsg_spline_basis(i, size, w);
            ck_assert(from >= 0 && from + 4 <= GSG_SPLINE_POINTS);
            ck_assert_float_eq_tol(w[0] + w[1] + w[2] + w[3], 1, 1e-6f);
            // Cubic B-splines give linear functions back (control points at -1, 0, 1, ... intervals).
            float place = 0;
            for (int k = 0; k < 4; k++)
                place += w[k] * (float)(from + k - 1);
            if (size > 1)
                ck_assert_float_eq_tol(place, ((float)i + 0.5f) * GSG_SPLINE_INTERVALS / (float)size, 1e-5f);
        }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transform");
    TCase *tcase = tcase_create("transform");
    tcase_add_test(tcase, identity_and_flip);
    tcase_add_test(tcase, rotation_in_millimetres);
    tcase_add_test(tcase, scale_and_shear);
    tcase_add_test(tcase, derivatives_by_differences);
    tcase_add_test(tcase, thick_slices_do_not_mix);
    tcase_add_test(tcase, splines);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
