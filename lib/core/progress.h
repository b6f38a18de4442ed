// Reports to a host's progress callback, at most 20 times a second, and keeps its
// answer: once it asked to cancel, that stays.
#ifndef GSG_CORE_PROGRESS_H
#define GSG_CORE_PROGRESS_H

#include "core/context.h"

typedef struct gsg_progress {
    genseg_progress_fn report; // may be NULL
    void *user;
    genseg_progress state; // phase, done, total, losses are the caller's to set
    double begin;          // clock of the call
    double phase_begin;    // clock of the phase, for the rate
    int64_t phase_done;    // `done` at that time
    double last;           // clock of the last report
    double limit;          // seconds that the whole may take, 0: none; for seconds_left
    int32_t cancelled;
} gsg_progress;

void gsg_progress_init(gsg_progress *progress, genseg_progress_fn report, void *user);
// A phase begins with `done` units finished of `total`; it is reported at once.
void gsg_progress_phase(gsg_progress *progress, int32_t phase, int64_t done, int64_t total);
// To be called often. Non-zero: the host asked to cancel.
int32_t gsg_progress_tick(gsg_progress *progress);
// Reports in any case: ends of phases, new scores.
int32_t gsg_progress_now(gsg_progress *progress);

#endif
