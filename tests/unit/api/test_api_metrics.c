// genseg/metrics.h as a caller sees it: strided arrays of any dtype, options of
// other sizes, and every argument that can be wrong.
#include <math.h>
#include <stddef.h>

#include "faults.h"
#include "genseg/metrics.h"
#include "tensor/array.h"

#define H 6
#define W 7

static const uint8_t reference[H][W] = {
    {0, 0, 0, 0, 0, 0, 0}, {0, 1, 1, 1, 0, 0, 0}, {0, 1, 1, 1, 0, 0, 0},
    {0, 1, 1, 1, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0},
};
static const uint8_t prediction[H][W] = {
    {0, 0, 0, 0, 0, 0, 0}, {0, 0, 1, 1, 1, 0, 0}, {0, 0, 1, 1, 1, 0, 0},
    {0, 0, 1, 1, 1, 0, 0}, {0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0},
};
static const gsg_shape shape = {2, {H, W}};

static genseg_context *make_context(void)
{
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(NULL, &context, NULL), GENSEG_OK);
    return context;
}

static genseg_array dense(const void *data, int32_t dtype)
{
    return gsg_array_dense((void *)(uintptr_t)data, dtype, shape);
}

START_TEST(test_values)
{
    genseg_context *context = make_context();
    const genseg_array r = dense(reference, GENSEG_DTYPE_UINT8), p = dense(prediction, GENSEG_DTYPE_UINT8);
    genseg_metrics found[2];
    genseg_error err;
    genseg_status status = genseg_metrics_evaluate(context, &r, &p, NULL, found, sizeof found[0], &err);
    ck_assert_msg(status == GENSEG_OK, "%s", err.message);
    ck_assert_double_eq_tol(found[1].dice, 12.0 / 18, 1e-12);
    ck_assert_double_eq_tol(found[1].jaccard, 6.0 / 12, 1e-12);
    // A 3x3 square moved by one: of each ring's 8 pixels three stick out by 1, and one
    // lies on the other's centre, which is no surface: 4 distances of 1, 4 of 0.
    ck_assert_double_eq_tol(found[1].hd95, 1, 1e-12);
    ck_assert_double_eq_tol(found[1].assd, 0.5, 1e-12);
    ck_assert_double_eq_tol(found[1].surface_dice, 1, 1e-12);
    ck_assert(isnan(found[0].hd95));
    ck_assert_int_eq(found[1].state, GENSEG_METRICS_OK);
    gsg_context_release(context);
}
END_TEST

// The same maps as doubles, upside down through a negative stride.
START_TEST(test_dtypes_and_strides)
{
    genseg_context *context = make_context();
    double flipped[H][W];
    genseg_array r = dense(reference, GENSEG_DTYPE_UINT8), p = dense(prediction, GENSEG_DTYPE_UINT8);
    genseg_metrics_options options;
    genseg_metrics expected[2], found[2];
    ck_assert_int_eq(genseg_metrics_options_init(&options, sizeof options), GENSEG_OK);
    options.spacing[0] = 50; // ignored in 2-D
    options.spacing[1] = 2;
    options.spacing[2] = 0.5;
    options.convention = genseg_metrics_convention("deepmind");
    ck_assert_int_eq(genseg_metrics_evaluate(context, &r, &p, &options, expected, sizeof found[0], NULL), GENSEG_OK);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            flipped[H - 1 - y][x] = prediction[y][x];
    genseg_array q = dense(flipped, GENSEG_DTYPE_FLOAT64);
    q.data = flipped[H - 1];
    q.strides[0] = -q.strides[0];
    ck_assert_int_eq(genseg_metrics_evaluate(context, &r, &q, &options, found, sizeof found[0], NULL), GENSEG_OK);
    ck_assert_mem_eq(&found[1], &expected[1], sizeof found[1]);
    gsg_context_release(context);
}
END_TEST

// A caller compiled against a shorter and a longer result.
START_TEST(test_result_sizes)
{
    struct longer {
        genseg_metrics known;
        double later;
    } found[2];
    double pairs[2][2];
    genseg_context *context = make_context();
    const genseg_array r = dense(reference, GENSEG_DTYPE_UINT8), p = dense(prediction, GENSEG_DTYPE_UINT8);
    memset(found, 0x55, sizeof found);
    ck_assert_int_eq(genseg_metrics_evaluate(context, &r, &p, NULL, &found[0].known, sizeof found[0], NULL), GENSEG_OK);
    ck_assert(found[1].later == 0);
    ck_assert_double_eq_tol(found[1].known.dice, 12.0 / 18, 1e-12);
    ck_assert_int_eq(genseg_metrics_evaluate(context, &r, &p, NULL, (genseg_metrics *)(void *)pairs,
                                             offsetof(genseg_metrics, hd95), NULL),
                     GENSEG_OK);
    ck_assert_double_eq_tol(pairs[1][0], 12.0 / 18, 1e-12);
    ck_assert_double_eq_tol(pairs[1][1], 6.0 / 12, 1e-12);
    gsg_context_release(context);
}
END_TEST

static genseg_context *shared;

static void refuse(const genseg_array *r, const genseg_array *p, const genseg_metrics_options *options,
                   genseg_status expected, const char *message)
{
    genseg_metrics found[2] = {{.state = 7}, {.state = 7}};
    genseg_error err = {0};
    const genseg_status status = genseg_metrics_evaluate(shared, r, p, options, found, sizeof found[0], &err);
    ck_assert_msg(status == expected, "%s: status %d", message, (int)status);
    ck_assert_str_eq(err.message, message);
    ck_assert(found[0].state == 7 && found[1].state == 7);
}

START_TEST(test_bad_arguments)
{
    const genseg_array r = dense(reference, GENSEG_DTYPE_UINT8);
    genseg_array p = dense(prediction, GENSEG_DTYPE_UINT8);
    genseg_metrics_options options;
    genseg_metrics found[2];
    genseg_error err;
    float fractions[H][W] = {{0}};

    shared = make_context();
    refuse(NULL, &p, NULL, GENSEG_ERROR_INVALID, "reference is NULL");
    refuse(&r, NULL, NULL, GENSEG_ERROR_INVALID, "prediction is NULL");
    p.shape[1] = W - 1;
    refuse(&r, &p, NULL, GENSEG_ERROR_SHAPE, "reference is 6x7, prediction is 6x6");
    p = r;
    p.ndim = 1;
    refuse(&r, &p, NULL, GENSEG_ERROR_SHAPE, "prediction has 1 dimensions, expected are 2 or 3");
    genseg_metrics_options_init(&options, sizeof options);
    options.classes = 1;
    refuse(&r, &r, &options, GENSEG_ERROR_INVALID, "reference: label 1 at voxel 8 is not in 0 to 0");
    options.classes = 2;
    options.spacing[2] = -1;
    refuse(&r, &r, &options, GENSEG_ERROR_INVALID, "spacing[2] is -1, not above 0");
    fractions[1][2] = 0.5f;
    p = dense(fractions, GENSEG_DTYPE_FLOAT32);
    ck_assert_int_eq(genseg_metrics_evaluate(shared, &r, &p, NULL, found, sizeof found[0], &err), GENSEG_ERROR_FORMAT);
    ck_assert_msg(strncmp(err.message, "prediction: ", 12) == 0 && strstr(err.message, "0.5"), "%s", err.message);
    ck_assert_int_eq(genseg_metrics_evaluate(NULL, &r, &r, NULL, found, sizeof found[0], &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "context is NULL");
    ck_assert_int_eq(genseg_metrics_evaluate(shared, &r, &r, NULL, NULL, sizeof found[0], &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "results is NULL");
    ck_assert_int_eq(genseg_metrics_evaluate(shared, &r, &r, NULL, found, 3, NULL), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(genseg_metrics_options_init(NULL, sizeof options), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(genseg_metrics_state_name(GENSEG_METRICS_BOTH_EMPTY), "both empty");
    ck_assert_str_eq(genseg_metrics_convention_name(GENSEG_CONVENTION_MONAI), "monai");
    gsg_context_release(shared);
}
END_TEST

static genseg_status work(genseg_context *context, gsg_error *err)
{
    const genseg_array r = dense(reference, GENSEG_DTYPE_UINT8), p = dense(prediction, GENSEG_DTYPE_UINT8);
    genseg_metrics found[2];
    return genseg_metrics_evaluate(context, &r, &p, NULL, found, sizeof found[0], err);
}

START_TEST(test_every_allocation_may_fail)
{
    ck_assert_int_ge(faults_sweep(work), 10);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("api_metrics");
    tcase_add_test(tests, test_values);
    tcase_add_test(tests, test_dtypes_and_strides);
    tcase_add_test(tests, test_result_sizes);
    tcase_add_test(tests, test_bad_arguments);
    tcase_add_test(tests, test_every_allocation_may_fail);
    RUN_TESTS(tests);
}
