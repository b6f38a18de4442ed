// Loops over the context's threads. OpenMP (the runtime that oneDNN uses) is
// known to parallel.c alone. Ranges are static, so results don't depend on timing.
#ifndef GSG_CORE_PARALLEL_H
#define GSG_CORE_PARALLEL_H

#include "core/context.h"

// Handles indices begin <= i < end as worker `thread` (0 <= thread < threads).
typedef void (*gsg_range_fn)(int64_t begin, int64_t end, int32_t thread, void *arg);

// Splits [0, count) into at most `threads` contiguous ranges of at least `grain`.
void gsg_parallel(const genseg_context *context, int64_t count, int64_t grain, gsg_range_fn fn, void *arg);

int32_t gsg_parallel_threads(const genseg_context *context);

// The API layer brackets every call that computes: sets the calling thread's
// OpenMP team to the context's, and gives back the host's number afterwards.
int32_t gsg_parallel_enter(const genseg_context *context);
void gsg_parallel_leave(int32_t saved);

// Cores that this process may use (its affinity mask).
int32_t gsg_parallel_cores(void);

// Monotonic clock in seconds.
double gsg_clock(void);

#endif
