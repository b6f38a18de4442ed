// Measures the machine's peak: independent chains of fused multiply-adds in registers, one thread a core.
#include "kernel/peak.h"

#include <stddef.h>

#include "core/parallel.h"
#include "kernel/winograd_simd.h"

#define TIMES 5
#define ROUNDS 1000000 // some 10 ms

static void work(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const gsg_winograd_lanes *simd = arg;
    for (int64_t i = begin; i < end; i++)
        simd->chains(ROUNDS);
}

double gsg_peak_flops(const genseg_context *context)
{
    const gsg_winograd_lanes *simd = gsg_winograd_lanes_of(16);
    double best = 0;
    simd = simd ? simd : gsg_winograd_lanes_of(8);
    if (!simd)
        return 0;
    const int64_t threads = gsg_parallel_threads(context);
    for (int i = 0; i < TIMES; i++) {
        const double begin = gsg_clock();
        gsg_parallel(context, threads, 1, work, (void *)simd);
        const double flops = 2.0 * GSG_WINOGRAD_CHAINS * ROUNDS * (double)simd->lanes * (double)threads;
        const double rate = flops / (gsg_clock() - begin);
        best = rate > best ? rate : best;
    }
    return best;
}
