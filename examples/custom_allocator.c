// Gives the library memory by a pool of the host's own, and a limit: what would exceed it is refused before the work.
// usage: custom_allocator [LIMIT_IN_MB]

#include <genseg/genseg.h>

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

// What the host wants to know of its memory. Calls come from any thread that works with the context.
typedef struct pool {
    atomic_size_t blocks, bytes, peak;
    size_t ceiling;
} pool;

enum { HEADER = 64 }; // keeps a block's size before it, and its alignment

static void *pool_alloc(size_t size, size_t alignment, void *user)
{
    pool *mine = user;
    const size_t held = atomic_fetch_add(&mine->bytes, size) + size;
    char *block = alignment <= HEADER && held <= mine->ceiling
                      ? aligned_alloc(HEADER, (size + 2 * HEADER - 1) / HEADER * HEADER)
                      : NULL;
    if (!block) {
        atomic_fetch_sub(&mine->bytes, size);
        return NULL; // the call that needed it gives GENSEG_ERROR_NOMEM, and nothing is lost
    }
    atomic_fetch_add(&mine->blocks, 1);
    size_t peak = atomic_load(&mine->peak);
    while (held > peak && !atomic_compare_exchange_weak(&mine->peak, &peak, held)) {
    }
    *(size_t *)(void *)block = size;
    return block + HEADER;
}

static void pool_free(void *memory, void *user)
{
    pool *mine = user;
    char *block = (char *)memory - HEADER;
    atomic_fetch_sub(&mine->bytes, *(size_t *)(void *)block);
    atomic_fetch_sub(&mine->blocks, 1);
    free(block);
}

static double megabytes(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

// A short training of this width in a context of its own, which holds no more than the limit.
static genseg_status train(pool *mine, double limit, int64_t width, genseg_error *err)
{
    genseg_context_options options;
    genseg_trainer_options training;
    genseg_context *context = NULL;
    genseg_dataset *data = NULL;
    genseg_trainer *trainer = NULL;
    uint64_t held = 0, peak = 0;
    genseg_context_options_init(&options, sizeof options);
    options.alloc = pool_alloc;
    options.free = pool_free;
    options.alloc_user = mine;
    options.memory_limit = (uint64_t)(limit * (1 << 20));
    genseg_trainer_options_init(&training, sizeof training);
    training.method = "augment";
    training.width = width;
    training.steps = 5;
    int failed = genseg_context_new(&options, &context, err) || genseg_dataset_phantom(context, NULL, &data, err) ||
                 genseg_dataset_split(data, 16, 4, 1, err);
    genseg_context_memory(context, &held, NULL); // the images
    failed = failed || genseg_trainer_new(context, data, &training, &trainer, err) ||
             genseg_trainer_run(trainer, NULL, NULL, err);
    genseg_context_memory(context, NULL, &peak);
    if (!failed)
        printf("width %lld: %.1f MB foretold, %.1f MB held at most, %.1f MB by the pool's own count\n",
               (long long)width, megabytes(held + genseg_trainer_memory(trainer)), megabytes(peak),
               megabytes(atomic_load(&mine->peak)));
    genseg_trainer_free(trainer);
    genseg_dataset_free(data);
    genseg_context_free(context);
    return failed ? err->status : GENSEG_OK;
}

int main(int argc, char **argv)
{
    const double limit = argc > 1 ? strtod(argv[1], NULL) : 64;
    if (argc > 2 || !(limit >= 1 && limit < 1e6)) {
        fprintf(stderr, "usage: %s [LIMIT_IN_MB]\n", argv[0]);
        return 2;
    }
    genseg_error err;
    genseg_status status = GENSEG_ERROR_NOMEM;
    size_t left = 0;
    // Halves the width until the training fits.
    for (int64_t width = 32; width >= 1 && status == GENSEG_ERROR_NOMEM; width /= 2) {
        pool mine = {.ceiling = (size_t)(limit * (1 << 20)) + 4096}; // the context itself isn't in its own count
        status = train(&mine, limit, width, &err);
        if (status == GENSEG_ERROR_NOMEM)
            printf("width %lld is refused: %s\n", (long long)width, err.message);
        left += atomic_load(&mine.blocks);
    }
    if (status != GENSEG_OK)
        fprintf(stderr, "custom_allocator: %s: %s\n", genseg_status_name(status), err.message);
    printf("%zu blocks are left\n", left);
    return status != GENSEG_OK || left ? 1 : 0;
}
