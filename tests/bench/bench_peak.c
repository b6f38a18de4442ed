// The machine's peak in float32: independent chains of fused multiply-adds in registers, one
// thread a core, no memory touched. Prints GFLOP/s for 1 and for THREADS threads; what
// share of it a training step reaches is bench_unet's business.
//   bench_peak [THREADS]
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST_THREADS 256
#define CHAINS 12 // latency 4 at 2 a cycle wants 8; more than that spares the registers
#define ROUNDS 40000000

#if defined __AVX512F__
#define LANES 16
#elif defined __AVX__
#define LANES 8
#else
#define LANES 4
#endif
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void *work(void *user)
{
    lanes sums[CHAINS], factor = {0}, term = {0};
    factor = factor + 0.999999f;
    term = term + 1e-6f;
    // The compiler must not know any value: equal chains would be computed once.
    __asm__ volatile("" : "+v"(factor), "+v"(term));
    for (int k = 0; k < CHAINS; k++) {
        sums[k] = term;
        __asm__ volatile("" : "+v"(sums[k]));
    }
    for (int64_t i = 0; i < ROUNDS; i++) {
#pragma GCC unroll 12
        for (int k = 0; k < CHAINS; k++)
            sums[k] = sums[k] * factor + term;
    }
    for (int k = 1; k < CHAINS; k++)
        sums[0] += sums[k];
    *(float *)user = sums[0][0];
    return NULL;
}

static double measure(int threads)
{
    pthread_t ids[MOST_THREADS];
    float results[MOST_THREADS];
    const double begin = now();
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, &results[i]) != 0)
            exit(1);
    for (int i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    return 2.0 * LANES * CHAINS * ROUNDS * threads / (now() - begin) * 1e-9;
}

int main(int argc, char **argv)
{
    const int threads = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 2;
    if (threads < 1 || threads > MOST_THREADS)
        return 2;
    measure(1); // wakes the core
    printf("%d lanes: %.0f GFLOP/s on 1 thread, %.0f on %d\n", LANES, measure(1), measure(threads), threads);
    return 0;
}
