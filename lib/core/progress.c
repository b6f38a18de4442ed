// What the host sees of long work.
#include "core/progress.h"

#include <math.h>
#include <string.h>

#include "core/parallel.h"

#define INTERVAL 0.05 // seconds between reports

void gsg_progress_init(gsg_progress *progress, genseg_progress_fn report, void *user)
{
    memset(progress, 0, sizeof *progress);
    progress->report = report;
    progress->user = user;
    progress->state.struct_size = sizeof progress->state;
    progress->state.loss = progress->state.validation_dice = progress->state.best_dice = NAN;
    progress->begin = gsg_clock();
}

void gsg_progress_phase(gsg_progress *progress, int32_t phase, int64_t done, int64_t total)
{
    progress->state.phase = phase;
    progress->state.done = done;
    progress->state.total = total;
    progress->phase_begin = gsg_clock();
    progress->phase_done = done;
    gsg_progress_now(progress);
}

static double left_by_rate(const genseg_progress *state)
{
    if (state->total <= 0 || !(state->units_per_second > 0))
        return NAN;
    return (double)(state->total - state->done) / state->units_per_second;
}

int32_t gsg_progress_now(gsg_progress *progress)
{
    genseg_progress *state = &progress->state;
    const double now = gsg_clock();
    progress->last = now;
    if (!progress->report || progress->cancelled)
        return progress->cancelled;
    state->seconds = now - progress->begin;
    state->units_per_second =
        now > progress->phase_begin ? (double)(state->done - progress->phase_done) / (now - progress->phase_begin) : 0;
    state->seconds_left = left_by_rate(state);
    if (progress->limit > 0) {
        const double left = fmax(progress->limit - state->seconds, 0.0);
        state->seconds_left = state->seconds_left < left ? state->seconds_left : left;
    }
    // A copy, so that the host can't change what is reported next.
    genseg_progress copy = *state;
    progress->cancelled = progress->report(&copy, progress->user) != 0;
    return progress->cancelled;
}

int32_t gsg_progress_tick(gsg_progress *progress)
{
    if (progress->cancelled || gsg_clock() - progress->last < INTERVAL)
        return progress->cancelled;
    return gsg_progress_now(progress);
}
