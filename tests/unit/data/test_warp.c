// Maps against what a ramp, a permutation or a shift must give; intensities
// against their moments.
#include "data/warp.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "sampling_input.h"

static gsg_volume ramp_of(genseg_context *context, int64_t d, int64_t h, int64_t w)
{
    gsg_volume volume = volume_of(context, d > 1 ? 3 : 2, 2, d, h, w);
    int64_t count = gsg_volume_count(&volume);
    for (int64_t i = 0; i < count; i++) {
        volume.image[i] = (float)(2 * (i / w / h) + 3 * (i / w % h) + 5 * (i % w));
        volume.image[count + i] = input_value(i);
        volume.label[i] = (int32_t)i;
    }
    return volume;
}

typedef struct patch {
    int64_t size[3];
    int64_t count;
    float *image;
    int32_t *label;
    float *scratch;
} patch;

static patch patch_of(genseg_context *context, int64_t channels, int64_t d, int64_t h, int64_t w)
{
    patch p = {.size = {d, h, w}, .count = d * h * w};
    p.image = gsg_alloc(context, (size_t)(channels * p.count), sizeof(float));
    p.label = gsg_alloc(context, (size_t)p.count, sizeof(int32_t));
    p.scratch = gsg_alloc(context, (size_t)gsg_warp_scratch(context, p.size), sizeof(float));
    ck_assert(p.image != NULL && p.label != NULL && p.scratch != NULL);
    return p;
}

static void patch_free(genseg_context *context, patch *p)
{
    gsg_free(context, p->image);
    gsg_free(context, p->label);
    gsg_free(context, p->scratch);
}

static int64_t clamp(int64_t i, int64_t count)
{
    return i < 0 ? 0 : (i < count ? i : count - 1);
}

START_TEST(identity_cuts_exactly_and_repeats_the_edge)
{
    genseg_context *context = context_with(2, 0);
    gsg_volume volume = ramp_of(context, 5, 7, 9);
    patch p = patch_of(context, 2, 4, 6, 12);
    int64_t origin[3] = {2, -1, -2}; // beyond the volume on three sides
    double centre[3];
    for (int a = 0; a < 3; a++)
        centre[a] = (double)origin[a] + (double)(p.size[a] - 1) / 2;
    gsg_warp warp;
    gsg_warp_identity(&warp, centre);
    gsg_warp_apply(context, &warp, &volume, p.size, p.image, p.label, p.scratch);
    for (int64_t i = 0; i < p.count; i++) {
        int64_t d = clamp(origin[0] + i / 72, 5), h = clamp(origin[1] + i / 12 % 6, 7),
                w = clamp(origin[2] + i % 12, 9);
        int64_t at = (d * 7 + h) * 9 + w;
        ck_assert(p.image[i] == volume.image[at]);
        ck_assert(p.image[p.count + i] == volume.image[gsg_volume_count(&volume) + at]);
        ck_assert_int_eq(p.label[i], at);
    }
    patch_free(context, &p);
    gsg_volume_free(&volume);
    context_close(context);
}
END_TEST

START_TEST(quarter_turn_and_flip_permute)
{
    genseg_context *context = context_with(1, 0);
    gsg_volume volume = ramp_of(context, 1, 6, 6);
    patch p = patch_of(context, 2, 1, 6, 6);
    gsg_warp warp;
    gsg_warp_identity(&warp, (double[]){0, 2.5, 2.5});
    double turn[9] = {1, 0, 0, 0, 0, -1, 0, 1, 0}; // h = -w', w = h'
    memcpy(warp.matrix, turn, sizeof turn);
    gsg_warp_apply(context, &warp, &volume, p.size, p.image, p.label, p.scratch);
    for (int64_t i = 0; i < 36; i++) {
        int64_t at = (5 - i % 6) * 6 + i / 6;
        ck_assert_int_eq(p.label[i], at);
        ck_assert(p.image[36 + i] == volume.image[36 + at]);
    }
    double flip[9] = {1, 0, 0, 0, 1, 0, 0, 0, -1};
    memcpy(warp.matrix, flip, sizeof flip);
    gsg_warp_apply(context, &warp, &volume, p.size, p.image, p.label, p.scratch);
    for (int64_t i = 0; i < 36; i++)
        ck_assert_int_eq(p.label[i], i / 6 * 6 + 5 - i % 6);
    patch_free(context, &p);
    gsg_volume_free(&volume);
    context_close(context);
}
END_TEST

// A linear image stays linear under any affine map; a displacement that is the
// same at all control points is a shift, since B-splines sum to 1.
static void check_ramp(const gsg_volume *volume, const gsg_warp *warp, const patch *p, const double shift[3])
{
    const double gradient[3] = {volume->size[0] > 1 ? 2 : 0, 3, 5};
    for (int64_t i = 0; i < p->count; i++) {
        double at[3] = {(double)(i / p->size[2] / p->size[1]), (double)(i / p->size[2] % p->size[1]),
                        (double)(i % p->size[2])};
        double value = 0, where[3];
        bool tie = false;
        for (int a = 0; a < 3; a++) {
            where[a] = warp->centre[a];
            for (int b = 0; b < 3; b++)
                where[a] += warp->matrix[3 * a + b] * (at[b] + shift[b] - (double)(p->size[b] - 1) / 2);
            if (volume->size[a] == 1)
                where[a] = 0;
            value += gradient[a] * where[a];
            tie |= fabs(where[a] - floor(where[a]) - 0.5) < 1e-4;
        }
        ck_assert_double_eq_tol(p->image[i], value, 2e-3);
        int64_t d = (int64_t)floor(where[0] + 0.5), h = (int64_t)floor(where[1] + 0.5),
                w = (int64_t)floor(where[2] + 0.5);
        if (!tie)
            ck_assert_int_eq(p->label[i], (d * volume->size[1] + h) * volume->size[2] + w);
    }
}

START_TEST(affine_maps_keep_ramps)
{
    genseg_context *context = context_with(2, 0);
    const double matrix[9] = {0.9, 0.1, -0.05, 0.07, 1.1, 0.2, -0.1, 0.15, 0.85}, none[3] = {0, 0, 0};
    const double shift[3] = {0.7, -1.2, 0.4};
    for (int64_t depth = 1; depth <= 24; depth += 23) {
        gsg_volume volume = ramp_of(context, depth, 40, 44);
        patch p = patch_of(context, 2, depth > 1 ? 8 : 1, 12, 17);
        gsg_warp warp;
        gsg_warp_identity(&warp, (double[]){depth > 1 ? 11.3 : 0, 20.2, 21.6});
        memcpy(warp.matrix, matrix, sizeof matrix);
        gsg_warp_apply(context, &warp, &volume, p.size, p.image, p.label, p.scratch);
        check_ramp(&volume, &warp, &p, none);
        warp.elastic = 1;
        for (int a = 0; a < 3; a++)
            for (int i = 0; i < GSG_WARP_POINTS * GSG_WARP_POINTS * GSG_WARP_POINTS; i++)
                warp.displacement[a][i] = (float)shift[a];
        gsg_warp_apply(context, &warp, &volume, p.size, p.image, p.label, p.scratch);
        check_ramp(&volume, &warp, &p, shift);
        patch_free(context, &p);
        gsg_volume_free(&volume);
    }
    context_close(context);
}
END_TEST

// Linear control points give a linear displacement (B-splines reproduce lines):
// point k of 7 stands at (k - 1) intervals, and W = 16 has intervals of 4 voxels.
START_TEST(elastic_displacement_follows_its_points)
{
    genseg_context *context = context_with(1, 0);
    gsg_volume volume = ramp_of(context, 1, 40, 44);
    patch p = patch_of(context, 2, 1, 16, 16);
    gsg_warp warp;
    gsg_warp_identity(&warp, (double[]){0, 20, 20});
    warp.elastic = 1;
    for (int i = 0; i < GSG_WARP_POINTS * GSG_WARP_POINTS * GSG_WARP_POINTS; i++)
        warp.displacement[2][i] = (float)(i % GSG_WARP_POINTS - 1);
    gsg_warp_apply(context, &warp, &volume, p.size, p.image, p.label, p.scratch);
    for (int64_t x = 0; x < 16; x++) {
        double moved = 20 + (double)x - 7.5 + ((double)x + 0.5) / 4;
        ck_assert_double_eq_tol(p.image[5 * 16 + x], 3 * (20 + 5 - 7.5) + 5 * moved, 1e-3);
    }
    patch_free(context, &p);
    gsg_volume_free(&volume);
    context_close(context);
}
END_TEST

static void moments(const float *values, int64_t count, double *mean, double *deviation)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++)
        sum += values[i];
    *mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    *deviation = sqrt(squares / (double)count);
}

START_TEST(intensities_change_as_asked)
{
    genseg_context *context = context_with(2, 0);
    gsg_volume volume = ramp_of(context, 1, 64, 64);
    patch p = patch_of(context, 2, 1, 64, 64), q = patch_of(context, 2, 1, 64, 64);
    const double centre[3] = {0, 31.5, 31.5};
    double mean, deviation, new_mean, new_deviation;
    moments(volume.image, p.count, &mean, &deviation);
    gsg_warp warp;
    gsg_warp_identity(&warp, centre);
    warp.contrast = 0.7;
    warp.brightness = -0.5;
    gsg_warp_apply(context, &warp, &volume, p.size, p.image, p.label, p.scratch);
    moments(p.image, p.count, &new_mean, &new_deviation);
    ck_assert_double_eq_tol(new_deviation / deviation, 0.7, 1e-4);
    ck_assert_double_eq_tol((new_mean - mean) / deviation, -0.5, 1e-4);

    gsg_warp_identity(&warp, centre);
    warp.gamma = 2;
    gsg_warp_apply(context, &warp, &volume, p.size, p.image, p.label, p.scratch);
    for (int64_t i = 0; i < p.count; i++) { // the ramp runs from 0 to 504
        double part = volume.image[i] / 504.0;
        ck_assert_double_eq_tol(p.image[i], 504 * part * part, 1e-3);
    }

    gsg_warp_identity(&warp, centre);
    warp.noise = 0.25;
    warp.noise_seed = 77;
    gsg_warp_apply(context, &warp, &volume, p.size, p.image, p.label, p.scratch);
    double fourth = 0;
    for (int64_t i = 0; i < p.count; i++)
        q.image[i] = (p.image[i] - volume.image[i]) / (float)(0.25 * deviation);
    moments(q.image, p.count, &new_mean, &new_deviation);
    for (int64_t i = 0; i < p.count; i++)
        fourth += pow(q.image[i], 4) / (double)p.count;
    ck_assert_double_eq_tol(new_mean, 0, 0.06); // 4096 draws
    ck_assert_double_eq_tol(new_deviation, 1, 0.05);
    ck_assert_double_eq_tol(fourth, 3, 0.6); // of a Gaussian
    patch_free(context, &p);
    patch_free(context, &q);
    gsg_volume_free(&volume);
    context_close(context);
}
END_TEST

START_TEST(blur_spreads_a_point_by_sigma)
{
    genseg_context *context = context_with(2, 0);
    gsg_volume volume = volume_of(context, 3, 1, 15, 17, 19);
    patch p = patch_of(context, 1, 15, 17, 19);
    volume.image[(7 * 17 + 8) * 19 + 9] = 1;
    gsg_warp warp;
    gsg_warp_identity(&warp, (double[]){7, 8, 9});
    warp.blur[0] = 0.8;
    warp.blur[1] = 1.2;
    warp.blur[2] = 1.5;
    gsg_warp_apply(context, &warp, &volume, p.size, p.image, p.label, p.scratch);
    double sum = 0, variance[3] = {0};
    for (int64_t i = 0; i < p.count; i++) {
        double at[3] = {(double)(i / 19 / 17 - 7), (double)(i / 19 % 17 - 8), (double)(i % 19 - 9)};
        sum += p.image[i];
        for (int a = 0; a < 3; a++)
            variance[a] += p.image[i] * at[a] * at[a];
    }
    ck_assert_double_eq_tol(sum, 1, 1e-5);
    for (int a = 0; a < 3; a++) // the kernel ends at 3 sigma
        ck_assert_double_eq_tol(sqrt(variance[a]), warp.blur[a], 0.03 * warp.blur[a]);
    for (int64_t i = 0; i < p.count; i++)
        volume.image[i] = 3;
    warp.blur[0] = 5; // wider than the volume
    gsg_warp_apply(context, &warp, &volume, p.size, p.image, NULL, p.scratch);
    for (int64_t i = 0; i < p.count; i++)
        ck_assert_double_eq_tol(p.image[i], 3, 1e-5);
    patch_free(context, &p);
    gsg_volume_free(&volume);
    context_close(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("warp");
    TCase *tests = tcase_create("warp");
    tcase_add_test(tests, identity_cuts_exactly_and_repeats_the_edge);
    tcase_add_test(tests, quarter_turn_and_flip_permute);
    tcase_add_test(tests, affine_maps_keep_ramps);
    tcase_add_test(tests, elastic_displacement_follows_its_points);
    tcase_add_test(tests, intensities_change_as_asked);
    tcase_add_test(tests, blur_spreads_a_point_by_sigma);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
