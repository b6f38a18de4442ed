// Philox against the known answers of the Random123 distribution (kat_vectors),
// and the distributions drawn from it.

#include "core/rng.h"

#include <math.h>

#include "faults.h"

static void check_philox(const uint32_t counter[4], const uint32_t key[2], const uint32_t expected[4])
{
    uint32_t out[4];
    gsg_philox(counter, key, out);
    ck_assert_mem_eq(out, expected, sizeof out);
}

START_TEST(known_answers)
{
    const uint32_t zero[4] = {0};
    check_philox(zero, zero, (uint32_t[]){0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
    const uint32_t ones[4] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    check_philox(ones, ones, (uint32_t[]){0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
    const uint32_t pi[4] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
    const uint32_t pi_key[2] = {0xa4093822, 0x299f31d0};
    check_philox(pi, pi_key, (uint32_t[]){0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}
END_TEST

START_TEST(words_are_the_blocks_in_order)
{
    gsg_rng rng;
    uint64_t seed = 0x0123456789abcdef, step = 0xfedcba9876543210;
    gsg_rng_init(&rng, seed, GSG_STREAM_SPLIT, step);
    for (uint32_t block = 0; block < 3; ++block) {
        uint32_t expected[4];
        gsg_philox((uint32_t[]){block, GSG_STREAM_SPLIT, 0x76543210, 0xfedcba98}, (uint32_t[]){0x89abcdef, 0x01234567},
                   expected);
        for (int i = 0; i < 4; ++i) {
            ck_assert_uint_eq(gsg_rng_u32(&rng), expected[i]);
        }
    }
}
END_TEST

START_TEST(streams_and_steps_differ)
{
    uint32_t first[4];
    for (int i = 0; i < 4; ++i) {
        gsg_rng rng;
        gsg_rng_init(&rng, i == 1 ? 8 : 7, i == 2 ? GSG_STREAM_NOISE : GSG_STREAM_INIT, i == 3 ? 1 : 0);
        first[i] = gsg_rng_u32(&rng);
        for (int j = 0; j < i; ++j) {
            ck_assert_uint_ne(first[i], first[j]);
        }
    }
}
END_TEST

START_TEST(uniform_and_range)
{
    gsg_rng rng;
    gsg_rng_init(&rng, 1, GSG_STREAM_USER, 0);
    double sum = 0, squares = 0;
    const int n = 200000;
    for (int i = 0; i < n; ++i) {
        double u = gsg_rng_uniform(&rng);
        ck_assert(u >= 0.0 && u < 1.0);
        sum += u;
        squares += u * u;
    }
    ck_assert_double_eq_tol(sum / n, 0.5, 0.003);
    ck_assert_double_eq_tol(squares / n, 1.0 / 3.0, 0.003);
    for (int i = 0; i < 1000; ++i) {
        double x = gsg_rng_range(&rng, -2.5, 4.0);
        ck_assert(x >= -2.5 && x < 4.0);
        double high = nextafter(1.0, 2.0); // rounding alone would reach it
        x = gsg_rng_range(&rng, 1.0, high);
        ck_assert(x >= 1.0 && x < high);
    }
    ck_assert(gsg_rng_range(&rng, 3.0, 3.0) == 3.0);
}
END_TEST

START_TEST(normal_moments)
{
    gsg_rng rng;
    gsg_rng_init(&rng, 3, GSG_STREAM_USER, 0);
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
    const int n = 200000;
    for (int i = 0; i < n; ++i) {
        double x = gsg_rng_normal(&rng);
        ck_assert(isfinite(x));
        m1 += x / n;
        m2 += x * x / n;
        m3 += x * x * x / n;
        m4 += x * x * x * x / n;
    }
    ck_assert_double_eq_tol(m1, 0.0, 0.01);
    ck_assert_double_eq_tol(m2, 1.0, 0.015);
    ck_assert_double_eq_tol(m3, 0.0, 0.04);
    ck_assert_double_eq_tol(m4, 3.0, 0.12);
}
END_TEST

START_TEST(below_is_unbiased)
{
    gsg_rng rng;
    gsg_rng_init(&rng, 5, GSG_STREAM_USER, 0);
    int counts[7] = {0};
    for (int i = 0; i < 70000; ++i) {
        int64_t x = gsg_rng_below(&rng, 7);
        ck_assert(x >= 0 && x < 7);
        counts[x] += 1;
    }
    for (int i = 0; i < 7; ++i) {
        ck_assert_int_ge(counts[i], 9600); // four deviations are 370
        ck_assert_int_le(counts[i], 10400);
    }
    // A plain remainder of 64 bits would favour the lower thirds 3 to 2 here.
    int64_t count = INT64_MAX / 4 * 3;
    int low = 0;
    for (int i = 0; i < 30000; ++i) {
        int64_t x = gsg_rng_below(&rng, count);
        ck_assert(x >= 0 && x < count);
        low += x < count / 3;
    }
    ck_assert_int_ge(low, 9600);
    ck_assert_int_le(low, 10400);
    ck_assert_int_eq(gsg_rng_below(&rng, 1), 0);
    ck_assert_int_eq(gsg_rng_below(&rng, 0), 0);
}
END_TEST

START_TEST(shuffles_are_permutations)
{
    int orders[6] = {0};
    for (uint64_t step = 0; step < 6000; ++step) {
        gsg_rng rng;
        gsg_rng_init(&rng, 9, GSG_STREAM_BATCH, step);
        int64_t items[3] = {0, 1, 2};
        gsg_rng_shuffle(&rng, items, 3);
        ck_assert_int_eq(1 << items[0] | 1 << items[1] | 1 << items[2], 7);
        orders[items[0] * 2 + (items[1] > items[2])] += 1;
    }
    for (int i = 0; i < 6; ++i) {
        ck_assert_int_ge(orders[i], 850); // four deviations are 115
        ck_assert_int_le(orders[i], 1150);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("rng");
    tcase_add_test(tests, known_answers);
    tcase_add_test(tests, words_are_the_blocks_in_order);
    tcase_add_test(tests, streams_and_steps_differ);
    tcase_add_test(tests, uniform_and_range);
    tcase_add_test(tests, normal_moments);
    tcase_add_test(tests, below_is_unbiased);
    tcase_add_test(tests, shuffles_are_permutations);
    RUN_TESTS(tests);
}
