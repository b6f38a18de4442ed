// Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011), keyed by
// seed, stream and step, never by thread, so that any draw can be repeated.
#ifndef GSG_CORE_RNG_H
#define GSG_CORE_RNG_H

#include <stdint.h>

typedef struct gsg_rng {
    uint32_t key[2];
    uint32_t counter[4];
    uint32_t block[4];
    uint32_t used; // words of block already handed out, 4: none left
} gsg_rng;

// Streams in use, so that no two purposes draw the same numbers.
enum {
    GSG_STREAM_INIT = 1,
    GSG_STREAM_SPLIT,
    GSG_STREAM_BATCH,
    GSG_STREAM_AUGMENT,
    GSG_STREAM_DROPOUT,
    GSG_STREAM_PHANTOM,
    GSG_STREAM_NOISE,
    GSG_STREAM_DEFORM,
    GSG_STREAM_APPEARANCE,
    GSG_STREAM_MIX,
    GSG_STREAM_SYNTHETIC, // noise of synthetic pairs
    GSG_STREAM_USER = 64
};

void gsg_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

void gsg_rng_init(gsg_rng *rng, uint64_t seed, uint32_t stream, uint64_t step);
uint32_t gsg_rng_u32(gsg_rng *rng);
double gsg_rng_uniform(gsg_rng *rng);                       // [0, 1)
double gsg_rng_range(gsg_rng *rng, double low, double high); // [low, high)
double gsg_rng_normal(gsg_rng *rng);                        // mean 0, deviation 1
int64_t gsg_rng_below(gsg_rng *rng, int64_t count);          // 0 .. count-1, unbiased
void gsg_rng_shuffle(gsg_rng *rng, int64_t *items, int64_t count);

#endif
