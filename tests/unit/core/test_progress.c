// What a host's progress callback sees: how often, which numbers, and that its
// answer stays. Clocks in the struct are moved back instead of waiting.
#include "core/progress.h"

#include <math.h>

#include "core/parallel.h"
#include "faults.h"

#define RATE 20 // reports a second that are promised at most

typedef struct host {
    genseg_progress last;
    int64_t calls;
    int32_t answer;
} host;

static int32_t report(const genseg_progress *progress, void *user)
{
    host *seen = user;
    seen->last = *progress;
    seen->calls++;
    // The host's copy is its own: what it scribbles must not come back.
    ((genseg_progress *)(uintptr_t)progress)->done = -1;
    return seen->answer;
}

START_TEST(starts_with_nothing_known)
{
    gsg_progress progress;
    host seen = {.answer = 0};
    memset(&progress, 0xA5, sizeof progress);
    gsg_progress_init(&progress, report, &seen);
    ck_assert_int_eq(seen.calls, 0);
    ck_assert_int_eq(gsg_progress_now(&progress), 0);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert(seen.last.struct_size == sizeof seen.last);
    ck_assert(seen.last.phase == 0 && seen.last.done == 0 && seen.last.total == 0 && seen.last.reserved == 0);
    ck_assert(isnan(seen.last.loss) && isnan(seen.last.validation_dice) && isnan(seen.last.best_dice));
    ck_assert(isnan(seen.last.seconds_left));
    ck_assert(seen.last.seconds >= 0 && seen.last.seconds < 60);
    ck_assert_int_eq(progress.state.done, 0);
}
END_TEST

START_TEST(ticks_are_limited_in_rate)
{
    gsg_progress progress;
    host seen = {.answer = 0};
    gsg_progress_init(&progress, report, &seen);
    gsg_progress_phase(&progress, GENSEG_PHASE_TRAIN, 0, 100);
    ck_assert_int_eq(seen.calls, 1);
    const double begin = gsg_clock();
    int64_t ticks = 0;
    while (gsg_clock() - begin < 0.3) {
        ck_assert_int_eq(gsg_progress_tick(&progress), 0);
        ticks++;
    }
    const double elapsed = gsg_clock() - begin;
    ck_assert_int_gt(ticks, seen.calls);
    ck_assert_msg(seen.calls >= 2 && (double)seen.calls <= 2 + RATE * elapsed, "%lld reports of %lld ticks in %g s",
                  (long long)seen.calls, (long long)ticks, elapsed);
    // One is due as soon as the interval is over, however long ago that was, and only one.
    const int64_t before = seen.calls;
    progress.last -= 10;
    gsg_progress_tick(&progress);
    ck_assert_int_eq(seen.calls, before + 1);
    progress.last = gsg_clock() + 3600; // none before it
    gsg_progress_tick(&progress);
    ck_assert_int_eq(seen.calls, before + 1);
    // But a forced one comes in any case, and delays the next.
    gsg_progress_now(&progress);
    ck_assert_int_eq(seen.calls, before + 2);
    ck_assert(progress.last <= gsg_clock());
}
END_TEST

START_TEST(phases_are_told_at_once)
{
    gsg_progress progress;
    host seen = {.answer = 0};
    gsg_progress_init(&progress, report, &seen);
    gsg_progress_phase(&progress, GENSEG_PHASE_LOAD, 3, 12);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert(seen.last.phase == GENSEG_PHASE_LOAD && seen.last.done == 3 && seen.last.total == 12);
    ck_assert(seen.last.units_per_second >= 0 && seen.last.units_per_second < 1e-6); // nothing done in this phase yet
    progress.state.loss = 0.5;
    gsg_progress_phase(&progress, GENSEG_PHASE_VALIDATE, 0, 0);
    ck_assert_int_eq(seen.calls, 2);
    ck_assert(seen.last.phase == GENSEG_PHASE_VALIDATE && seen.last.total == 0);
    ck_assert(seen.last.loss == 0.5); // what the caller set stays
}
END_TEST

// `value` within 5 % of `expected`.
static void about(double value, double expected)
{
    ck_assert_msg(fabs(value - expected) <= 0.05 * expected, "%g, expected was about %g", value, expected);
}

START_TEST(rate_and_time_left)
{
    gsg_progress progress;
    host seen = {.answer = 0};
    gsg_progress_init(&progress, report, &seen);
    gsg_progress_phase(&progress, GENSEG_PHASE_TRAIN, 20, 80); // going on: 20 were done in an earlier call
    progress.begin -= 150;
    progress.phase_begin -= 100;
    progress.state.done = 30;
    gsg_progress_now(&progress);
    about(seen.last.seconds, 150);
    about(seen.last.units_per_second, 0.1); // the 10 of this phase in its 100 s
    about(seen.last.seconds_left, 500);
    // A limit in time counts from the begin of the call, and the sooner end wins.
    progress.limit = 350;
    gsg_progress_now(&progress);
    about(seen.last.seconds_left, 200);
    progress.limit = 10000;
    gsg_progress_now(&progress);
    about(seen.last.seconds_left, 500);
    progress.limit = 100; // over
    gsg_progress_now(&progress);
    ck_assert(seen.last.seconds_left == 0);
    progress.limit = 350;
    progress.state.total = 0; // no end in steps: the clock alone
    gsg_progress_now(&progress);
    about(seen.last.seconds_left, 200);
    progress.limit = 0;
    gsg_progress_now(&progress);
    ck_assert(isnan(seen.last.seconds_left));
    progress.state.total = 80; // nothing done in this phase: no rate, so no end in sight
    progress.state.done = 20;
    gsg_progress_now(&progress);
    ck_assert(seen.last.units_per_second == 0 && isnan(seen.last.seconds_left));
    progress.limit = 350;
    gsg_progress_now(&progress);
    about(seen.last.seconds_left, 200);
}
END_TEST

START_TEST(a_cancel_stays)
{
    gsg_progress progress;
    host seen = {.answer = 0};
    gsg_progress_init(&progress, report, &seen);
    seen.answer = -7; // any value but 0
    progress.last = gsg_clock();
    ck_assert_int_eq(gsg_progress_tick(&progress), 0); // not asked yet
    ck_assert_int_ne(gsg_progress_now(&progress), 0);
    ck_assert_int_eq(seen.calls, 1);
    seen.answer = 0;
    progress.last -= 10;
    ck_assert_int_ne(gsg_progress_tick(&progress), 0);
    ck_assert_int_ne(gsg_progress_now(&progress), 0);
    gsg_progress_phase(&progress, GENSEG_PHASE_WRITE, 0, 1);
    ck_assert_int_ne(gsg_progress_tick(&progress), 0);
    ck_assert_int_eq(seen.calls, 1); // a host that asked to end is left in peace
}
END_TEST

START_TEST(without_a_callback)
{
    gsg_progress progress;
    gsg_progress_init(&progress, NULL, NULL);
    gsg_progress_phase(&progress, GENSEG_PHASE_PREDICT, 0, 10);
    progress.last -= 10;
    ck_assert_int_eq(gsg_progress_tick(&progress), 0);
    ck_assert_int_eq(gsg_progress_now(&progress), 0);
    ck_assert_int_eq(progress.state.phase, GENSEG_PHASE_PREDICT);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("progress");
    tcase_add_test(tests, starts_with_nothing_known);
    tcase_add_test(tests, ticks_are_limited_in_rate);
    tcase_add_test(tests, phases_are_told_at_once);
    tcase_add_test(tests, rate_and_time_left);
    tcase_add_test(tests, a_cancel_stays);
    tcase_add_test(tests, without_a_callback);
    RUN_TESTS(tests);
}
