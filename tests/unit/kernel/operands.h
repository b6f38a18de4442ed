// Operands of kernels for tests: a logical array in (n, c, s) order, laid out as a
// gsg_desc says, and the same pseudo-random inputs as the golden files' scripts use.
// Gaps between samples hold GAP and must keep it; a destination's padding starts as
// GAP and must become 0.
#ifndef GSG_TESTS_OPERANDS_H
#define GSG_TESTS_OPERANDS_H

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"

#define GAP 777.0f

// ck_assert writes a message even where it holds: too slow for each element.
static inline void require(int holds, const char *what, int64_t index)
{
    if (!holds)
        ck_abort_msg("%s %lld is wrong", what, (long long)index);
}

typedef struct operand {
    gsg_desc desc;
    float *data;
    int64_t size;
} operand;

static inline uint32_t word(uint32_t index, uint32_t salt)
{
    uint32_t x = index * 0x9E3779B9u + salt * 0x85EBCA6Bu;
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    x ^= x >> 16;
    return x;
}

static inline double sample(int64_t index, uint32_t salt)
{
    return (double)(word((uint32_t)index, salt) >> 8) / 8388608.0 - 1.0;
}

// A list of floats, in (n, c, s) order.
static inline float *samples(int64_t count, uint32_t salt, double scale)
{
    float *values = malloc((size_t)count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    for (int64_t i = 0; i < count; ++i)
        values[i] = (float)(sample(i, salt) * scale);
    return values;
}

static inline gsg_shape shape4(int64_t n, int64_t c, int64_t h, int64_t w)
{
    return gsg_shape_make(4, (int64_t[]){n, c, h, w});
}

// Aligned as the executor's buffers are.
static inline float *aligned_floats(int64_t count)
{
    void *memory = NULL;
    ck_assert_int_eq(posix_memalign(&memory, 64, (size_t)count * sizeof(float)), 0);
    return memory;
}

// `extra` floats lie between samples.
static inline operand operand_new(gsg_shape shape, int32_t block, int64_t extra)
{
    operand made = {.desc = gsg_desc_plain(shape)};
    made.desc.block = block;
    made.desc.batch_stride = gsg_desc_dense(&made.desc) + extra;
    made.size = gsg_desc_count(&made.desc) + 64;
    made.data = aligned_floats(made.size);
    for (int64_t i = 0; i < made.size; ++i)
        made.data[i] = GAP;
    return made;
}

static inline float *operand_at(const operand *o, int64_t n, int64_t c, int64_t s)
{
    int64_t spatial = gsg_shape_spatial(o->desc.shape), block = o->desc.block;
    return o->data + n * o->desc.batch_stride + c / block * spatial * block + s * block + c % block;
}

static inline void operand_set(operand *o, const float *values)
{
    const int64_t *dims = o->desc.shape.dims;
    int64_t spatial = gsg_shape_spatial(o->desc.shape), padded = gsg_desc_padded(&o->desc);
    for (int64_t n = 0; n < dims[0]; ++n)
        for (int64_t c = 0; c < padded; ++c)
            for (int64_t s = 0; s < spatial; ++s)
                *operand_at(o, n, c, s) = c < dims[1] ? values[(n * dims[1] + c) * spatial + s] : 0.0f;
}

// Reads back; checks padding and gaps.
static inline void operand_get(const operand *o, float *values)
{
    const int64_t *dims = o->desc.shape.dims;
    int64_t spatial = gsg_shape_spatial(o->desc.shape), padded = gsg_desc_padded(&o->desc);
    for (int64_t n = 0; n < dims[0]; ++n) {
        for (int64_t c = 0; c < padded; ++c)
            for (int64_t s = 0; s < spatial; ++s) {
                float value = *operand_at(o, n, c, s);
                if (c < dims[1])
                    values[(n * dims[1] + c) * spatial + s] = value;
                else
                    require(value == 0.0f, "padding channel", c);
            }
        int64_t end = n + 1 < dims[0] ? (n + 1) * o->desc.batch_stride : o->size;
        for (int64_t i = n * o->desc.batch_stride + gsg_desc_dense(&o->desc); i < end; ++i)
            require(o->data[i] == GAP, "gap between samples at", i);
    }
}

static inline operand operand_of(gsg_shape shape, int32_t block, int64_t extra, const float *values)
{
    operand made = operand_new(shape, block, extra);
    operand_set(&made, values);
    return made;
}

static inline void operand_free(operand *o)
{
    free(o->data);
}

// Runs a kernel with its scratch, then frees it. `status` and `err` are its constructor's.
static inline void kernel_run(genseg_status status, gsg_kernel *kernel, const gsg_run *run, float *const *args,
                              gsg_error *err)
{
    ck_assert_msg(status == GENSEG_OK, "%s", err->message);
    void *scratch = NULL;
    ck_assert_int_eq(posix_memalign(&scratch, 64, kernel->scratch + 64), 0);
    memset(scratch, 0xA5, kernel->scratch + 64);
    status = kernel->run(kernel, run, args, scratch, err);
    ck_assert_msg(status == GENSEG_OK, "%s", err->message);
    for (int i = 0; i < 64; ++i)
        require(((unsigned char *)scratch)[kernel->scratch + (size_t)i] == 0xA5, "byte behind scratch", i);
    free(scratch);
    gsg_kernel_free(kernel);
}

static inline void check_near(double value, double expected, double tolerance, const char *what, int64_t index)
{
    if (!(fabs(value - expected) <= tolerance))
        ck_abort_msg("%s[%lld]: %.9g, expected %.9g", what, (long long)index, value, expected);
}

// Within `relative` of each value, or of 1e-2 times the largest where a value is smaller than that.
static inline void check_values(const float *values, const double *expected, int64_t count, double relative,
                                const char *what)
{
    double largest = 0.0;
    for (int64_t i = 0; i < count; ++i)
        largest = fmax(largest, fabs(expected[i]));
    for (int64_t i = 0; i < count; ++i)
        check_near((double)values[i], expected[i], relative * fmax(fabs(expected[i]), 1e-2 * largest), what, i);
}

static inline genseg_context *context_of(int32_t threads)
{
    genseg_context_options options = {.struct_size = sizeof options, .threads = threads, .seed = 1};
    gsg_error err;
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    return context;
}

static inline gsg_engine *engine_of(genseg_context *context)
{
    gsg_error err;
    gsg_engine *engine = NULL;
    ck_assert_msg(gsg_engine_new(context, &engine, &err) == GENSEG_OK, "%s", err.message);
    return engine;
}

#endif
