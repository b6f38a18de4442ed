// Parallel loops: every index once, ranges that depend on the context alone.

#include "core/parallel.h"

#include "faults.h"

#define MOST 1000

typedef struct record {
    const genseg_context *context;
    int32_t visits[MOST];
    int64_t begins[16];
    int64_t ends[16];
    atomic_int calls;
    int64_t nested; // count of the inner loop
    atomic_llong inner;
} record;

static void note(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    record *r = arg;
    atomic_fetch_add(&r->calls, 1);
    r->begins[thread] = begin;
    r->ends[thread] = end;
    for (int64_t i = begin; i < end; ++i) {
        r->visits[i] += 1;
    }
}

static genseg_context *context_of(int32_t threads)
{
    genseg_context_options options = {.struct_size = sizeof options, .threads = threads};
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_parallel_threads(context), threads);
    return context;
}

static void check_loop(int32_t threads, int64_t count, int64_t grain, int expected)
{
    genseg_context *context = context_of(threads);
    record r = {0};
    int32_t saved = gsg_parallel_enter(context);
    gsg_parallel(context, count, grain, note, &r);
    gsg_parallel_leave(saved);
    ck_assert_int_eq(atomic_load(&r.calls), expected);
    for (int64_t i = 0; i < MOST; ++i) {
        ck_assert_int_eq(r.visits[i], i < count ? 1 : 0);
    }
    for (int i = 0; i < expected; ++i) {
        ck_assert_int_eq(r.begins[i], i == 0 ? 0 : r.ends[i - 1]);
        ck_assert_int_ge(r.ends[i] - r.begins[i], expected == 1 ? 1 : grain);
    }
    gsg_context_release(context);
}

START_TEST(every_index_once)
{
    check_loop(4, 1000, 1, 4);
    check_loop(4, 1000, 300, 3);
    check_loop(4, 1000, 1001, 1);
    check_loop(4, 3, 1, 3);
    check_loop(4, 7, 2, 3);
    check_loop(1, 1000, 1, 1);
    check_loop(4, 1, 1, 1);
    check_loop(4, 0, 1, 0);
    check_loop(3, 100, 0, 3);
}
END_TEST

START_TEST(a_smaller_team_sees_the_same_ranges)
{
    genseg_context *four = context_of(4);
    genseg_context *one = context_of(1);
    record full = {0}, small = {0};
    int32_t saved = gsg_parallel_enter(four);
    gsg_parallel(four, 998, 1, note, &full);
    gsg_parallel_leave(saved);
    saved = gsg_parallel_enter(one); // the host allows one thread
    gsg_parallel(four, 998, 1, note, &small);
    gsg_parallel_leave(saved);
    ck_assert_mem_eq(full.begins, small.begins, sizeof full.begins);
    ck_assert_mem_eq(full.ends, small.ends, sizeof full.ends);
    gsg_context_release(one);
    gsg_context_release(four);
}
END_TEST

static void add(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    record *r = arg;
    for (int64_t i = begin; i < end; ++i) {
        atomic_fetch_add(&r->inner, i);
    }
}

static void nest(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    record *r = arg;
    for (int64_t i = begin; i < end; ++i) {
        gsg_parallel(r->context, r->nested, 1, add, r);
    }
}

START_TEST(nested_loops_finish)
{
    genseg_context *context = context_of(3);
    record r = {.context = context, .nested = 101};
    int32_t saved = gsg_parallel_enter(context);
    gsg_parallel(context, 9, 1, nest, &r);
    gsg_parallel_leave(saved);
    ck_assert_int_eq(atomic_load(&r.inner), 9 * 5050);
    gsg_context_release(context);
}
END_TEST

START_TEST(the_hosts_team_comes_back)
{
    genseg_context *three = context_of(3);
    genseg_context *five = context_of(5);
    int32_t host = gsg_parallel_enter(three);
    ck_assert_int_eq(gsg_parallel_enter(five), 3);
    gsg_parallel_leave(3);
    ck_assert_int_eq(gsg_parallel_enter(five), 3);
    gsg_parallel_leave(host);
    ck_assert_int_eq(gsg_parallel_enter(five), host);
    gsg_context_release(five);
    gsg_context_release(three);
}
END_TEST

START_TEST(clock_and_cores)
{
    double start = gsg_clock();
    usleep(20000);
    double passed = gsg_clock() - start;
    ck_assert_double_ge(passed, 0.015);
    ck_assert_double_lt(passed, 20.0);
    ck_assert_int_ge(gsg_parallel_cores(), 1);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("parallel");
    tcase_add_test(tests, every_index_once);
    tcase_add_test(tests, a_smaller_team_sees_the_same_ranges);
    tcase_add_test(tests, nested_loops_finish);
    tcase_add_test(tests, the_hosts_team_comes_back);
    tcase_add_test(tests, clock_and_cores);
    RUN_TESTS(tests);
}
