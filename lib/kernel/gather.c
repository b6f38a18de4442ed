// Elements of a vector by index (kernel/gather.h), one after the other: batches are small.
#include "kernel/gather.h"

#include <string.h>

#define MOST 16777216 // whole numbers up to here are exact in a float

typedef struct gather {
    gsg_kernel base;
    int64_t length;
    int64_t count;
} gather;

static size_t padded(int64_t count)
{
    return (size_t)((count + GSG_VECTOR_PAD - 1) / GSG_VECTOR_PAD * GSG_VECTOR_PAD);
}

static genseg_status check_index(const gather *k, const float *index, gsg_error *err)
{
    for (int64_t i = 0; i < k->count; i++)
        if (!(index[i] >= 0.0f && index[i] < (float)k->length && index[i] == (float)(int64_t)index[i]))
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "gather: index[%lld] is %g, of %lld elements", (long long)i,
                                 (double)index[i], (long long)k->length);
    return GENSEG_OK;
}

static genseg_status run_forward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const gather *k = (const gather *)self;
    genseg_status status = check_index(k, args[1], err);
    if (status != GENSEG_OK)
        return status;
    memset(args[2], 0, padded(k->count) * sizeof(float));
    for (int64_t i = 0; i < k->count; i++)
        args[2][i] = args[0][(int64_t)args[1][i]];
    return GENSEG_OK;
}

static genseg_status run_backward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const gather *k = (const gather *)self;
    genseg_status status = check_index(k, args[0], err);
    if (status != GENSEG_OK)
        return status;
    memset(args[2], 0, padded(k->length) * sizeof(float));
    for (int64_t i = 0; i < k->count; i++)
        args[2][(int64_t)args[0][i]] += args[1][i];
    return GENSEG_OK;
}

static genseg_status make(gsg_engine *engine, int64_t length, int64_t count, int32_t backward, gsg_kernel **kernel,
                          gsg_error *err)
{
    if (length < 1 || count < 1 || length > MOST || count > MOST)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "gather: %lld of %lld elements", (long long)count,
                             (long long)length);
    gather *k = gsg_kernel_make(engine, sizeof *k, backward ? "gather backward" : "gather",
                                backward ? run_backward : run_forward, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->length = length;
    k->count = count;
    k->base.bytes = 8.0 * (double)count;
    *kernel = &k->base;
    return GENSEG_OK;
}

genseg_status gsg_gather_new(gsg_engine *engine, int64_t length, int64_t count, gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, length, count, 0, kernel, err);
}

genseg_status gsg_gather_backward_new(gsg_engine *engine, int64_t length, int64_t count, gsg_kernel **kernel,
                                      gsg_error *err)
{
    return make(engine, length, count, 1, kernel, err);
}
