// Scores against MONAI, MedPy and surface-distance, and what each must do alone.
#include "metric/score.h"

#include <math.h>

#include "../golden_json.h"
#include "core/alloc.h"
#include "faults.h"

#define MOST_VOXELS 4096

static genseg_context *make_context(void)
{
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(NULL, &context, NULL), GENSEG_OK);
    return context;
}

typedef struct scene {
    int32_t ndim;
    int64_t size[3];
    int32_t reference[MOST_VOXELS];
    int32_t prediction[MOST_VOXELS];
} scene;

static void read_runs(json_t *runs, int32_t *labels)
{
    int32_t value = (int32_t)json_integer_value(json_array_get(runs, 0));
    for (size_t i = 1; i < json_array_size(runs); i++, value = 1 - value)
        for (json_int_t n = json_integer_value(json_array_get(runs, i)); n > 0; n--)
            *labels++ = value;
}

static void read_scene(json_t *item, scene *s, genseg_metrics_options *options)
{
    json_t *shape = golden_get(item, "shape"), *spacing = golden_get(item, "spacing");

    gsg_score_defaults(options);
    s->ndim = (int32_t)json_array_size(shape);
    for (int32_t a = 0; a < 3; a++)
        s->size[a] = 1;
    for (int32_t a = 0; a < s->ndim; a++) {
        s->size[3 - s->ndim + a] = json_integer_value(json_array_get(shape, (size_t)a));
        options->spacing[3 - s->ndim + a] = json_number_value(json_array_get(spacing, (size_t)a));
    }
    ck_assert_int_le(s->size[0] * s->size[1] * s->size[2], MOST_VOXELS);
    options->surface_tolerance = golden_number(item, "tolerance", -1);
    read_runs(golden_get(item, "reference"), s->reference);
    read_runs(golden_get(item, "prediction"), s->prediction);
}

static void compare(const char *name, const char *what, double ours, json_t *expected)
{
    if (json_is_null(expected))
        return;
    const double e = json_number_value(expected);
    ck_assert_msg(fabs(ours - e) <= 1e-5 * fmax(1e-3, fabs(e)), "%s, %s: %.9g, expected %.9g", name, what, ours, e);
}

START_TEST(test_packages)
{
    static scene s;
    genseg_context *context = make_context();
    json_t *root = golden_load("metrics.json"), *cases = golden_get(root, "cases");
    ck_assert_uint_ge(json_array_size(cases), 15);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        json_t *item = json_array_get(cases, i);
        const char *name = json_string_value(golden_get(item, "name"));
        genseg_metrics_options options;
        genseg_metrics found[2];
        gsg_error err;
        read_scene(item, &s, &options);
        for (int32_t k = 1; k <= 3; k++) {
            const char *convention = gsg_score_convention_name(k);
            json_t *expected = golden_get(item, convention);
            options.convention = k;
            ck_assert_msg(gsg_score_classes(context, s.reference, s.prediction, s.ndim, s.size, &options, found,
                                            &err) == GENSEG_OK,
                          "%s", err.message);
            ck_assert_int_eq(found[1].state, GENSEG_METRICS_OK);
            ck_assert(isnan(found[0].hd95) && isnan(found[0].surface_dice));
            compare(name, "dice", found[1].dice, golden_get(item, "dice"));
            compare(name, "jaccard", found[1].jaccard, golden_get(item, "jaccard"));
            compare(name, convention, found[1].hd95, json_array_get(expected, 0));
            compare(name, convention, found[1].assd, json_array_get(expected, 1));
            compare(name, convention, found[1].surface_dice, json_array_get(expected, 2));
        }
    }
    json_decref(root);
    gsg_context_release(context);
}
END_TEST

// On irregular shapes the three definitions give three answers.
START_TEST(test_conventions_differ)
{
    static scene s;
    genseg_context *context = make_context();
    json_t *root = golden_load("metrics.json"), *cases = golden_get(root, "cases");
    int differing = 0;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        json_t *item = json_array_get(cases, i);
        genseg_metrics_options options;
        genseg_metrics found[3][2];
        read_scene(item, &s, &options);
        for (int32_t k = 1; k <= 3; k++) {
            options.convention = k;
            ck_assert_int_eq(
                gsg_score_classes(context, s.reference, s.prediction, s.ndim, s.size, &options, found[k - 1], NULL),
                GENSEG_OK);
        }
        const genseg_metrics *monai = &found[0][1], *medpy = &found[1][1], *deepmind = &found[2][1];
        ck_assert_double_eq(monai->assd, medpy->assd);
        // A pooled percentile never exceeds the larger directed one.
        ck_assert_double_le(medpy->hd95, monai->hd95 + 1e-12);
        if (strncmp(json_string_value(golden_get(item, "name")), "blobs", 5) == 0) {
            ck_assert_double_lt(medpy->hd95, monai->hd95);
            ck_assert_double_ne(deepmind->assd, monai->assd);
            ck_assert_double_ne(deepmind->surface_dice, monai->surface_dice);
            differing += deepmind->hd95 != monai->hd95;
        }
    }
    ck_assert_int_ge(differing, 4);
    json_decref(root);
    gsg_context_release(context);
}
END_TEST

// Label maps with several classes: states, and each class as if it were alone.
START_TEST(test_states_and_classes)
{
    enum { H = 6, W = 8 };
    const int64_t size[3] = {1, H, W};
    int32_t reference[H * W] = {0}, prediction[H * W] = {0}, r1[H * W], p1[H * W];
    genseg_context *context = make_context();
    genseg_metrics_options options;
    genseg_metrics found[5], alone[2];
    for (int i = 0; i < 10; i++) {
        reference[W + i % 5 + W * (i / 5)] = 1;
        prediction[W + 1 + i % 5 + W * (i / 5)] = 1;
    }
    reference[5 * W] = 2;
    prediction[5 * W + 7] = 3;
    gsg_score_defaults(&options);
    options.classes = 5;
    options.background_surface = 1;
    for (int i = 0; i < H * W; i++) {
        r1[i] = reference[i] == 1;
        p1[i] = prediction[i] == 1;
    }
    for (int32_t k = 1; k <= 3; k++) {
        options.convention = k;
        options.classes = 5;
        ck_assert_int_eq(gsg_score_classes(context, reference, prediction, 2, size, &options, found, NULL), GENSEG_OK);
        options.classes = 2;
        ck_assert_int_eq(gsg_score_classes(context, r1, p1, 2, size, &options, alone, NULL), GENSEG_OK);
        ck_assert_mem_eq(&found[1], &alone[1], sizeof alone[1]);
        ck_assert_double_eq_tol(found[1].dice, 0.8, 1e-12);
        ck_assert_int_eq(found[0].state, GENSEG_METRICS_OK);
        ck_assert(found[0].hd95 >= 0 && found[0].surface_dice > 0);
        ck_assert_int_eq(found[2].state, GENSEG_METRICS_PREDICTION_EMPTY);
        ck_assert_int_eq(found[3].state, GENSEG_METRICS_REFERENCE_EMPTY);
        for (int c = 2; c <= 3; c++) {
            ck_assert(found[c].dice == 0 && found[c].jaccard == 0 && found[c].surface_dice == 0);
            ck_assert(isnan(found[c].hd95) && isnan(found[c].assd));
        }
        ck_assert_int_eq(found[4].state, GENSEG_METRICS_BOTH_EMPTY);
        ck_assert(isnan(found[4].dice) && isnan(found[4].jaccard) && isnan(found[4].hd95) && isnan(found[4].assd) &&
                  isnan(found[4].surface_dice));
    }
    options.surfaces = 0;
    ck_assert_int_eq(gsg_score_classes(context, r1, p1, 2, size, &options, alone, NULL), GENSEG_OK);
    ck_assert(isnan(alone[1].hd95) && isnan(alone[1].surface_dice));
    ck_assert_double_eq_tol(alone[1].dice, 0.8, 1e-12);
    gsg_context_release(context);
}
END_TEST

// Where an object lies must not matter, nor how large the image around it is.
START_TEST(test_translation)
{
    enum { D = 9, H = 12, W = 14, N = D * H * W };
    static int32_t reference[N], prediction[N];
    const int64_t size[3] = {D, H, W};
    genseg_context *context = make_context();
    genseg_metrics_options options;
    genseg_metrics first[2], found[2];
    gsg_score_defaults(&options);
    options.spacing[0] = 2;
    for (int32_t k = 1; k <= 3; k++) {
        options.convention = k;
        for (int shift = 0; shift < 4; shift++) { // at 0 the object touches the border
            for (int64_t i = 0; i < N; i++) {
                const int64_t z = i / (H * W) - shift, y = i / W % H - shift, x = i % W - shift;
                reference[i] = z >= 0 && z < 4 && y >= 0 && y < 5 && x >= 0 && x < 6;
                prediction[i] = z >= 1 && z < 5 && y >= 0 && y < 6 && x >= 2 && x < 7 && !(z == 2 && y == 2);
            }
            ck_assert_int_eq(
                gsg_score_classes(context, reference, prediction, 3, size, &options, shift ? found : first, NULL),
                GENSEG_OK);
            if (shift)
                ck_assert_mem_eq(&found[1], &first[1], sizeof found[1]);
        }
    }
    gsg_context_release(context);
}
END_TEST

static genseg_status work(genseg_context *context, gsg_error *err)
{
    static const int32_t reference[6] = {0, 1, 1, 0, 0, 1}, prediction[6] = {0, 1, 0, 0, 1, 1};
    const int64_t size[3] = {1, 2, 3};
    genseg_metrics_options options;
    genseg_metrics found[2] = {{.state = 7}, {.state = 7}};
    gsg_score_defaults(&options);
    const genseg_status status = gsg_score_classes(context, reference, prediction, 2, size, &options, found, err);
    if (status != GENSEG_OK)
        ck_assert(found[0].state == 7 && found[1].state == 7);
    return status;
}

START_TEST(test_every_allocation_may_fail)
{
    ck_assert_int_ge(faults_sweep(work), 7);
}
END_TEST

static void refuse(const genseg_metrics_options *options, const char *words)
{
    gsg_error err;
    ck_assert_int_eq(gsg_score_check(options, &err), GENSEG_ERROR_INVALID);
    ck_assert_msg(strstr(err.message, words) != NULL, "%s", err.message);
}

START_TEST(test_options_and_names)
{
    genseg_metrics_options good, bad;
    gsg_score_defaults(&good);
    ck_assert_int_eq(gsg_score_check(&good, NULL), GENSEG_OK);
    bad = good;
    bad.classes = 0;
    refuse(&bad, "classes is 0");
    bad = good;
    bad.convention = 4;
    refuse(&bad, "convention is 4");
    bad = good;
    bad.spacing[1] = 0;
    refuse(&bad, "spacing[1] is 0");
    bad.spacing[1] = NAN;
    refuse(&bad, "spacing[1]");
    bad = good;
    bad.surface_tolerance = -1;
    refuse(&bad, "surface_tolerance is -1");
    bad = good;
    bad.percentile = 101;
    refuse(&bad, "percentile is 101");
    ck_assert_int_eq(gsg_score_convention("medpy"), GENSEG_CONVENTION_MEDPY);
    ck_assert_int_eq(gsg_score_convention("unknown"), 0);
    ck_assert_int_eq(gsg_score_convention(NULL), 0);
    ck_assert_str_eq(gsg_score_convention_name(GENSEG_CONVENTION_DEEPMIND), "deepmind");
    ck_assert_str_eq(gsg_score_convention_name(-3), "unknown");
    ck_assert_str_eq(gsg_score_state_name(GENSEG_METRICS_REFERENCE_EMPTY), "reference empty");
    ck_assert_str_eq(gsg_score_state_name(9), "unknown");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("score");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_packages);
    tcase_add_test(tests, test_conventions_differ);
    tcase_add_test(tests, test_states_and_classes);
    tcase_add_test(tests, test_translation);
    tcase_add_test(tests, test_every_allocation_may_fail);
    tcase_add_test(tests, test_options_and_names);
    RUN_TESTS(tests);
}
