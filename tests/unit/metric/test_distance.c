// The distance transform against the search of all pairs.
#include "metric/distance.h"

#include <math.h>

#include "core/alloc.h"
#include "core/rng.h"
#include "faults.h"

static genseg_context *make_context(int32_t threads)
{
    genseg_context *context = NULL;
    genseg_context_options options = {.struct_size = sizeof options, .threads = threads, .seed = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    return context;
}

static double search(const uint8_t *mask, const int64_t size[3], const double spacing[3], int64_t i)
{
    const int64_t plane = size[1] * size[2];
    double best = (double)INFINITY;
    for (int64_t k = 0; k < size[0] * plane; k++) {
        const double dz = (double)(k / plane - i / plane) * spacing[0];
        const double dy = (double)(k % plane / size[2] - i % plane / size[2]) * spacing[1];
        const double dx = (double)(k % size[2] - i % size[2]) * spacing[2];
        const double d = (dz * dz + dy * dy) + dx * dx;
        if (mask[k] && d < best)
            best = d;
    }
    return best;
}

START_TEST(test_matches_search)
{
    static const int64_t sizes[][3] = {{1, 1, 1}, {1, 13, 17}, {9, 1, 8}, {7, 11, 5}, {12, 6, 1}, {6, 7, 90}};
    static const double spacings[][3] = {{1, 1, 1}, {3, 0.7, 1.1}, {0.2, 5, 0.9}};
    static const double densities[] = {0.002, 0.03, 0.4, 1};
    uint8_t mask[4096];
    double squared[4096];
    for (int32_t threads = 1; threads <= 3; threads++) {
        genseg_context *context = make_context(threads);
        for (size_t c = 0; c < 6 * 3 * 4; c++) {
            const int64_t *size = sizes[c % 6];
            const double *spacing = spacings[c / 6 % 3];
            const int64_t count = size[0] * size[1] * size[2];
            gsg_rng rng;
            gsg_rng_init(&rng, 3, GSG_STREAM_USER, c);
            for (int64_t i = 0; i < count; i++)
                mask[i] = gsg_rng_uniform(&rng) < densities[c / 18] ? 7 : 0;
            ck_assert_int_eq(gsg_distance_squared(context, mask, size, spacing, squared, NULL), GENSEG_OK);
            for (int64_t i = 0; i < count; i++) {
                const double expected = search(mask, size, spacing, i);
                if (isinf(expected))
                    ck_assert(isinf(squared[i]));
                else
                    ck_assert_msg(fabs(squared[i] - expected) <= 1e-12 * expected, "%d/%d: %.17g, not %.17g", (int)c,
                                  (int)i, squared[i], expected);
            }
        }
        gsg_context_release(context);
    }
}
END_TEST

// Large enough for several ranges: the threads must not matter at all.
START_TEST(test_threads_agree)
{
    enum { D = 20, H = 60, W = 70, N = D * H * W };
    static uint8_t mask[N];
    static double one[N], three[N];
    const int64_t size[3] = {D, H, W};
    const double spacing[3] = {2.5, 0.8, 0.6};
    gsg_rng rng;
    gsg_rng_init(&rng, 4, GSG_STREAM_USER, 0);
    for (int64_t i = 0; i < N; i++)
        mask[i] = gsg_rng_below(&rng, 5000) == 0;
    genseg_context *a = make_context(1), *b = make_context(3);
    ck_assert_int_eq(gsg_distance_squared(a, mask, size, spacing, one, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_distance_squared(b, mask, size, spacing, three, NULL), GENSEG_OK);
    ck_assert_mem_eq(one, three, sizeof one);
    for (int64_t i = 0; i < N; i += 977)
        ck_assert_double_eq_tol(one[i], search(mask, size, spacing, i), 1e-9);
    gsg_context_release(a);
    gsg_context_release(b);
}
END_TEST

static genseg_status work(genseg_context *context, gsg_error *err)
{
    const uint8_t mask[6] = {0, 1, 0, 0, 0, 1};
    const int64_t size[3] = {1, 2, 3};
    const double spacing[3] = {1, 1, 1};
    double squared[6];
    return gsg_distance_squared(context, mask, size, spacing, squared, err);
}

START_TEST(test_every_allocation_may_fail)
{
    ck_assert_int_eq(faults_sweep(work), 1);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("distance");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_matches_search);
    tcase_add_test(tests, test_threads_agree);
    tcase_add_test(tests, test_every_allocation_may_fail);
    RUN_TESTS(tests);
}
