// Counts, boxes and states of label maps counted by hand.
#include "metric/overlap.h"

#include <math.h>

#include "core/alloc.h"
#include "core/rng.h"
#include "faults.h"
#include "genseg/metrics.h"

static genseg_context *make_context(int32_t threads)
{
    genseg_context *context = NULL;
    genseg_context_options options = {.struct_size = sizeof options, .threads = threads, .seed = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    return context;
}

static const int64_t size[3] = {1, 3, 4};
static const int32_t reference[12] = {0, 1, 1, 0, 0, 1, 2, 0, 0, 0, 2, 2};
static const int32_t prediction[12] = {0, 1, 1, 1, 0, 0, 2, 0, 0, 4, 0, 0};

START_TEST(test_counts)
{
    genseg_context *context = make_context(2);
    gsg_overlap o[5];
    ck_assert_int_eq(gsg_overlap_count(context, reference, prediction, size, 5, o, NULL), GENSEG_OK);
    ck_assert_int_eq(o[1].reference, 3);
    ck_assert_int_eq(o[1].prediction, 3);
    ck_assert_int_eq(o[1].both, 2);
    ck_assert_double_eq_tol(gsg_overlap_dice(&o[1]), 4.0 / 6, 1e-15);
    ck_assert_double_eq_tol(gsg_overlap_jaccard(&o[1]), 2.0 / 4, 1e-15);
    ck_assert_int_eq(gsg_overlap_state(&o[1]), GENSEG_METRICS_OK);
    const int64_t low[3] = {0, 0, 1}, high[3] = {1, 2, 4};
    ck_assert_mem_eq(o[1].low, low, sizeof low);
    ck_assert_mem_eq(o[1].high, high, sizeof high);
    ck_assert_double_eq_tol(gsg_overlap_dice(&o[2]), 2.0 / 4, 1e-15);

    ck_assert_int_eq(gsg_overlap_state(&o[3]), GENSEG_METRICS_BOTH_EMPTY);
    ck_assert(isnan(gsg_overlap_dice(&o[3])) && isnan(gsg_overlap_jaccard(&o[3])));
    ck_assert_int_eq(gsg_overlap_state(&o[4]), GENSEG_METRICS_REFERENCE_EMPTY);
    ck_assert(gsg_overlap_dice(&o[4]) == 0 && gsg_overlap_jaccard(&o[4]) == 0);
    ck_assert_int_eq(gsg_overlap_count(context, prediction, reference, size, 5, o, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_overlap_state(&o[4]), GENSEG_METRICS_PREDICTION_EMPTY);
    gsg_context_release(context);
}
END_TEST

START_TEST(test_labels_out_of_range)
{
    genseg_context *context = make_context(1);
    gsg_overlap o[5] = {{.reference = 42}};
    gsg_error err;
    int32_t negative[12] = {0};
    ck_assert_int_eq(gsg_overlap_count(context, reference, prediction, size, 4, o, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "prediction: label 4 at voxel 9 is not in 0 to 3");
    negative[7] = -1;
    ck_assert_int_eq(gsg_overlap_count(context, negative, prediction, size, 5, o, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "reference: label -1 at voxel 7 is not in 0 to 4");
    ck_assert_int_eq(o[0].reference, 42);
    gsg_context_release(context);
}
END_TEST

START_TEST(test_threads_agree)
{
    enum { D = 8, H = 150, W = 200, N = D * H * W };
    static int32_t r[N], p[N];
    const int64_t large[3] = {D, H, W};
    gsg_overlap one[4], three[4];
    gsg_rng rng;
    gsg_rng_init(&rng, 9, GSG_STREAM_USER, 0);
    int64_t both[4] = {0};
    for (int64_t i = 0; i < N; i++) {
        r[i] = (int32_t)gsg_rng_below(&rng, 4);
        p[i] = (int32_t)gsg_rng_below(&rng, 4);
        both[r[i]] += r[i] == p[i];
    }
    genseg_context *a = make_context(1), *b = make_context(3);
    ck_assert_int_eq(gsg_overlap_count(a, r, p, large, 4, one, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_overlap_count(b, r, p, large, 4, three, NULL), GENSEG_OK);
    ck_assert_mem_eq(one, three, sizeof one);
    for (int k = 0; k < 4; k++)
        ck_assert_int_eq(one[k].both, both[k]);
    // Of two bad labels in different ranges the first is reported.
    gsg_error err;
    r[N - 1] = 9;
    p[100] = 8;
    ck_assert_int_eq(gsg_overlap_count(b, r, p, large, 4, three, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "prediction: label 8 at voxel 100 is not in 0 to 3");
    gsg_context_release(a);
    gsg_context_release(b);
}
END_TEST

static genseg_status work(genseg_context *context, gsg_error *err)
{
    gsg_overlap o[5];
    return gsg_overlap_count(context, reference, prediction, size, 5, o, err);
}

START_TEST(test_every_allocation_may_fail)
{
    ck_assert_int_eq(faults_sweep(work), 2);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("overlap");
    tcase_add_test(tests, test_counts);
    tcase_add_test(tests, test_labels_out_of_range);
    tcase_add_test(tests, test_threads_agree);
    tcase_add_test(tests, test_every_allocation_may_fail);
    RUN_TESTS(tests);
}
