// Loops over the context's threads (core/parallel.h), on the OpenMP runtime
// that oneDNN uses as well, so that one pool of threads serves both.

#include "core/parallel.h"

#include <omp.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

// Start of range `index` of `ranges`: the first count % ranges are one longer.
static int64_t range_begin(int64_t count, int64_t ranges, int64_t index)
{
    int64_t extra = count % ranges;
    return count / ranges * index + (index < extra ? index : extra);
}

void gsg_parallel(const genseg_context *context, int64_t count, int64_t grain, gsg_range_fn fn, void *arg)
{
    if (count <= 0) {
        return;
    }
    int64_t ranges = count / (grain > 1 ? grain : 1);
    if (ranges > context->options.threads) {
        ranges = context->options.threads;
    }
    if (ranges <= 1) {
        fn(0, count, 0, arg);
        return;
    }
    // The ranges depend on the context alone. A smaller team (nested, or the
    // runtime is short of threads) works through the same ones, so that sums
    // by range come out the same.
    int team = omp_get_max_threads();
    if (team > ranges) {
        team = (int)ranges;
    }
    if (omp_in_parallel()) {
        team = 1;
    }
#pragma omp parallel for schedule(static, 1) num_threads(team) if (team > 1)
    for (int64_t i = 0; i < ranges; ++i) {
        fn(range_begin(count, ranges, i), range_begin(count, ranges, i + 1), (int32_t)i, arg);
    }
}

int32_t gsg_parallel_threads(const genseg_context *context)
{
    return context->options.threads;
}

int32_t gsg_parallel_enter(const genseg_context *context)
{
    int32_t saved = omp_get_max_threads();
    // oneDNN's kernels wait for as many threads as these, also for ones that OMP_THREAD_LIMIT forbids.
    const int32_t limit = omp_get_thread_limit();
    omp_set_num_threads(context->options.threads < limit ? context->options.threads : limit);
    return saved;
}

void gsg_parallel_leave(int32_t saved)
{
    omp_set_num_threads(saved);
}

int32_t gsg_parallel_cores(void)
{
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) == 0) {
        return CPU_COUNT(&mask);
    }
    // More cores than cpu_set_t can name.
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int32_t)online : 1;
}

double gsg_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
