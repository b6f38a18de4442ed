// The formula that make_sampling.py uses, and a context for tests of this room.
#ifndef TEST_SAMPLING_INPUT_H
#define TEST_SAMPLING_INPUT_H

#include <check.h>

#include "core/alloc.h"
#include "core/context.h"
#include "data/volume.h"

static inline float input_value(int64_t i)
{
    return (float)((i * i * 7 + i * 13) % 97) / 8.0f - 3.0f;
}

static inline genseg_context *context_with(int32_t threads, uint64_t memory_limit)
{
    genseg_context_options options = {.struct_size = sizeof options,
                                      .log_level = GENSEG_LOG_INFO,
                                      .threads = threads,
                                      .seed = 1,
                                      .memory_limit = memory_limit};
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    return context;
}

// An idle context holds nothing.
static inline void context_close(genseg_context *context)
{
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}

// A volume with room for image and label.
static inline gsg_volume volume_of(genseg_context *context, int32_t ndim, int32_t channels, int64_t d, int64_t h,
                                   int64_t w)
{
    gsg_volume volume;
    gsg_volume_init(&volume, context);
    volume.ndim = ndim;
    volume.channels = channels;
    volume.size[0] = d;
    volume.size[1] = h;
    volume.size[2] = w;
    volume.image = gsg_alloc_zero(context, (size_t)(channels * d * h * w), sizeof(float));
    volume.label = gsg_alloc_zero(context, (size_t)(d * h * w), sizeof(int32_t));
    ck_assert_ptr_nonnull(volume.image);
    ck_assert_ptr_nonnull(volume.label);
    return volume;
}

#endif
