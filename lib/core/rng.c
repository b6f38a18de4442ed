// Philox4x32-10: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel
// random numbers: as easy as 1, 2, 3", SC 2011. The key is the seed, the counter
// is (block, stream, step): 2^34 words a stream and step, then they repeat.

#include "core/rng.h"

#include <math.h>

#define ROUNDS 10

void gsg_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t x0 = counter[0], x1 = counter[1], x2 = counter[2], x3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int i = 0; i < ROUNDS; ++i) {
        uint64_t p0 = (uint64_t)0xD2511F53u * x0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * x2;
        x0 = (uint32_t)(p1 >> 32) ^ x1 ^ k0;
        x1 = (uint32_t)p1;
        x2 = (uint32_t)(p0 >> 32) ^ x3 ^ k1;
        x3 = (uint32_t)p0;
        k0 += 0x9E3779B9u; // golden ratio
        k1 += 0xBB67AE85u; // sqrt(3) - 1
    }
    out[0] = x0;
    out[1] = x1;
    out[2] = x2;
    out[3] = x3;
}

void gsg_rng_init(gsg_rng *rng, uint64_t seed, uint32_t stream, uint64_t step)
{
    *rng = (gsg_rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, stream, (uint32_t)step, (uint32_t)(step >> 32)},
        .used = 4,
    };
}

uint32_t gsg_rng_u32(gsg_rng *rng)
{
    if (rng->used >= 4) {
        gsg_philox(rng->counter, rng->key, rng->block);
        rng->counter[0] += 1;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

static uint64_t next_u64(gsg_rng *rng)
{
    uint64_t high = gsg_rng_u32(rng);
    return high << 32 | gsg_rng_u32(rng);
}

double gsg_rng_uniform(gsg_rng *rng)
{
    return (double)(next_u64(rng) >> 11) * 0x1p-53;
}

double gsg_rng_range(gsg_rng *rng, double low, double high)
{
    double value = low + (high - low) * gsg_rng_uniform(rng);
    // The sum may round up to the excluded end.
    return value < high || low >= high ? value : nextafter(high, low);
}

double gsg_rng_normal(gsg_rng *rng)
{
    // Box-Muller; the second value is dropped so that a draw leaves no state
    // behind but the counter. 1 - u keeps the logarithm finite.
    const double two_pi = 6.283185307179586477;
    double radius = sqrt(-2.0 * log(1.0 - gsg_rng_uniform(rng)));
    return radius * cos(two_pi * gsg_rng_uniform(rng));
}

int64_t gsg_rng_below(gsg_rng *rng, int64_t count)
{
    if (count <= 1) {
        return 0;
    }
    // The lowest 2^64 mod count draws are refused: what is left is a multiple
    // of count.
    uint64_t n = (uint64_t)count;
    uint64_t refused = (0 - n) % n;
    uint64_t draw;
    do {
        draw = next_u64(rng);
    } while (draw < refused);
    return (int64_t)(draw % n);
}

void gsg_rng_shuffle(gsg_rng *rng, int64_t *items, int64_t count)
{
    for (int64_t i = count - 1; i > 0; --i) {
        int64_t j = gsg_rng_below(rng, i + 1);
        int64_t item = items[i];
        items[i] = items[j];
        items[j] = item;
    }
}
