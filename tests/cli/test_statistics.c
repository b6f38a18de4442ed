// Quantiles of printed tables, and intervals computed by hand.
#include "tool_statistics.h"

#include <math.h>
#include <stdlib.h>

#include <check.h>

START_TEST(test_quantiles)
{
    static const struct {
        int64_t degrees;
        double t;
    } table[] = {{1, 12.706205}, {2, 4.302653},  {3, 3.182446},   {4, 2.776445},   {5, 2.570582},  {9, 2.262157},
                 {10, 2.228139}, {30, 2.042272}, {100, 1.983972}, {1000, 1.962339}, {99999, 1.960201}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        ck_assert_double_eq_tol(statistics_t(table[i].degrees), table[i].t, 1e-6);
    ck_assert(isnan(statistics_t(0)));
}
END_TEST

START_TEST(test_mean)
{
    const double values[] = {1, NAN, 2, 6, INFINITY};
    double mean, deviation;
    ck_assert_int_eq(statistics_mean(values, 5, &mean, &deviation), 3);
    ck_assert_double_eq_tol(mean, 3, 1e-15);
    ck_assert_double_eq_tol(deviation, sqrt(7.0), 1e-15);
    ck_assert_int_eq(statistics_mean(values, 2, &mean, &deviation), 1);
    ck_assert(mean == 1 && isnan(deviation));
    ck_assert_int_eq(statistics_mean(values + 1, 1, &mean, &deviation), 0);
    ck_assert(isnan(mean) && isnan(deviation));
}
END_TEST

static void check(const interval *of, double mean, double half, int64_t clusters, int64_t count)
{
    ck_assert_double_eq_tol(of->mean, mean, 1e-12);
    ck_assert_double_eq_tol(of->low, mean - half, 1e-6);
    ck_assert_double_eq_tol(of->high, mean + half, 1e-6);
    ck_assert_int_eq(of->clusters, clusters);
    ck_assert_int_eq(of->count, count);
}

// Means of the seeds 0.2 and 0.35, deviation 0.106066; sums of the cases -0.0229167, 0.01875, 0.0041667.
START_TEST(test_two_seeds)
{
    const double values[] = {0.1, 0.2, 0.3, 0.3, 0.4, NAN};
    const int64_t alone[] = {0, 1, 2}, together[] = {0, 1, 0};
    double sums[3];
    interval of = statistics_interval(values, 2, 3, NULL, sums);
    check(&of, 0.275, 12.706205 * 0.075, 2, 5);
    of = statistics_interval(values, 2, 3, alone, sums);
    check(&of, 0.275, 4.302653 * sqrt(1.5 * 0.000894097222), 3, 5);
    // The first and the third case are one patient's: sums -0.01875 and 0.01875.
    of = statistics_interval(values, 2, 3, together, sums);
    check(&of, 0.275, 12.706205 * 0.0375, 2, 5);
}
END_TEST

// One seed says nothing about seeds; over cases it is the usual interval.
START_TEST(test_one_seed)
{
    const double values[] = {NAN, NAN, NAN, NAN, 1, 2, NAN, 6};
    const int64_t alone[] = {0, 1, 2, 3};
    double sums[4];
    interval of = statistics_interval(values, 2, 4, NULL, sums);
    ck_assert_double_eq_tol(of.mean, 3, 1e-15);
    ck_assert(isnan(of.low) && isnan(of.high) && of.clusters == 1 && of.count == 3);
    of = statistics_interval(values, 2, 4, alone, sums);
    check(&of, 3, 4.302653 * sqrt(7.0 / 3.0), 3, 3);
    of = statistics_interval(values, 1, 4, alone, sums);
    ck_assert(isnan(of.mean) && isnan(of.low) && of.count == 0 && of.clusters == 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("statistics");
    TCase *tests = tcase_create("statistics");
    tcase_add_test(tests, test_quantiles);
    tcase_add_test(tests, test_mean);
    tcase_add_test(tests, test_two_seeds);
    tcase_add_test(tests, test_one_seed);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
