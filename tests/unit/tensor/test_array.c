// Host arrays: every dtype through any strides, against indices worked out one
// by one here; labels that are none; saturation.

#include "tensor/array.h"

#include <math.h>

#include "core/rng.h"
#include "faults.h"

// Writes a small integer as one element of any dtype, and reads it back.
static void set_element(char *at, int32_t dtype, int value)
{
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
        float f32;
        double f64;
    } v;
    switch (dtype) {
    case GENSEG_DTYPE_UINT8:
        v.u8 = (uint8_t)value;
        break;
    case GENSEG_DTYPE_INT8:
        v.i8 = (int8_t)value;
        break;
    case GENSEG_DTYPE_UINT16:
        v.u16 = (uint16_t)value;
        break;
    case GENSEG_DTYPE_INT16:
        v.i16 = (int16_t)value;
        break;
    case GENSEG_DTYPE_UINT32:
        v.u32 = (uint32_t)value;
        break;
    case GENSEG_DTYPE_INT32:
        v.i32 = value;
        break;
    case GENSEG_DTYPE_UINT64:
        v.u64 = (uint64_t)value;
        break;
    case GENSEG_DTYPE_INT64:
        v.i64 = value;
        break;
    case GENSEG_DTYPE_FLOAT32:
        v.f32 = (float)value;
        break;
    default:
        v.f64 = value;
        break;
    }
    memcpy(at, &v, gsg_dtype_size(dtype));
}

// A random strided view with room for every element in `buffer`.
static genseg_array random_view(gsg_rng *rng, int32_t dtype, char *buffer, size_t size)
{
    genseg_array array = {.dtype = dtype, .ndim = 1 + (int32_t)gsg_rng_below(rng, 5)};
    int64_t order[5] = {0, 1, 2, 3, 4};
    gsg_rng_shuffle(rng, order, array.ndim);
    int64_t stride = (int64_t)gsg_dtype_size(dtype) + (gsg_rng_below(rng, 2) == 0 ? 0 : gsg_rng_below(rng, 4));
    int64_t start = gsg_rng_below(rng, 4); // unaligned too
    for (int32_t i = 0; i < array.ndim; ++i) {
        int64_t d = order[i];
        array.shape[d] = 1 + gsg_rng_below(rng, 4);
        array.strides[d] = stride;
        stride = stride * array.shape[d] + (gsg_rng_below(rng, 3) == 0 ? 3 : 0);
        if (gsg_rng_below(rng, 3) == 0) { // backwards
            start += array.strides[d] * (array.shape[d] - 1);
            array.strides[d] = -array.strides[d];
        }
    }
    ck_assert_int_lt(stride + 4, (int64_t)size);
    array.data = buffer + start;
    return array;
}

// Address of the element at row-major `position`.
static char *element(const genseg_array *array, int64_t position)
{
    char *at = array->data;
    for (int32_t i = array->ndim - 1; i >= 0; --i) {
        at += position % array->shape[i] * array->strides[i];
        position /= array->shape[i];
    }
    return at;
}

START_TEST(any_dtype_any_strides)
{
    static char buffer[65536], expected[65536];
    static float floats[1024];
    static int32_t labels[1024];
    int32_t dtype = _i;
    gsg_rng rng;
    gsg_rng_init(&rng, 21, GSG_STREAM_USER, (uint64_t)dtype);
    for (int round = 0; round < 300; ++round) {
        memset(buffer, 0x3C, sizeof buffer);
        genseg_array array = random_view(&rng, dtype, buffer, sizeof buffer);
        ck_assert_int_eq(gsg_array_check(&array, "view", NULL), GENSEG_OK);
        int64_t count = gsg_shape_count(gsg_array_shape(&array));
        for (int64_t i = 0; i < count; ++i) {
            set_element(element(&array, i), dtype, (int)(i * 37 % 128));
        }
        memcpy(expected, buffer, sizeof buffer);
        gsg_array_to_float(&array, floats);
        ck_assert_int_eq(gsg_array_to_int32(&array, labels, NULL), GENSEG_OK);
        for (int64_t i = 0; i < count; ++i) {
            ck_assert_double_eq((double)floats[i], (double)(i * 37 % 128));
            ck_assert_int_eq(labels[i], i * 37 % 128);
        }
        // Written back, everything is as it was, the bytes between included.
        memset(buffer, 0x3C, sizeof buffer);
        gsg_array_from_float(floats, &array);
        ck_assert_mem_eq(buffer, expected, sizeof buffer);
        memset(buffer, 0x3C, sizeof buffer);
        gsg_array_from_int32(labels, &array);
        ck_assert_mem_eq(buffer, expected, sizeof buffer);
    }
}
END_TEST

START_TEST(broadcast_by_zero_stride)
{
    float row[3] = {1, 2, 3}, dst[6];
    genseg_array array = {row, GENSEG_DTYPE_FLOAT32, 2, {2, 3}, {0, 4}};
    gsg_array_to_float(&array, dst);
    ck_assert_mem_eq(dst, row, sizeof row);
    ck_assert_mem_eq(dst + 3, row, sizeof row);
}
END_TEST

START_TEST(negative_values_are_signed)
{
    int8_t i8[] = {-128, -1, 0};
    int16_t i16[] = {INT16_MIN, -1, 1000};
    float dst[3];
    int32_t labels[3];
    genseg_array a = gsg_array_dense(i8, GENSEG_DTYPE_INT8, gsg_shape_make(1, (int64_t[]){3}));
    gsg_array_to_float(&a, dst);
    ck_assert(dst[0] == -128.0f && dst[1] == -1.0f && dst[2] == 0.0f);
    a = gsg_array_dense(i16, GENSEG_DTYPE_INT16, gsg_shape_make(1, (int64_t[]){3}));
    ck_assert_int_eq(gsg_array_to_int32(&a, labels, NULL), GENSEG_OK);
    ck_assert(labels[0] == INT16_MIN && labels[1] == -1 && labels[2] == 1000);
}
END_TEST

static void from_float(int32_t dtype, const float *src, int64_t count, void *dst)
{
    genseg_array array = gsg_array_dense(dst, dtype, gsg_shape_make(1, &count));
    gsg_array_from_float(src, &array);
}

START_TEST(floats_saturate_and_round)
{
    const float src[] = {-1e30f, -1.5f, -0.4f, 0.5f, 1.5f, 254.6f, 300.0f, 1e30f, NAN, INFINITY, -INFINITY};
    const int64_t n = sizeof src / sizeof *src;
    uint8_t u8[11];
    from_float(GENSEG_DTYPE_UINT8, src, n, u8);
    ck_assert_mem_eq(u8, ((uint8_t[]){0, 0, 0, 0, 2, 255, 255, 255, 0, 255, 0}), sizeof u8);
    int8_t i8[11];
    from_float(GENSEG_DTYPE_INT8, src, n, i8);
    ck_assert_mem_eq(i8, ((int8_t[]){-128, -2, 0, 0, 2, 127, 127, 127, 0, 127, -128}), sizeof i8);
    int32_t i32[11];
    from_float(GENSEG_DTYPE_INT32, src, n, i32);
    ck_assert_mem_eq(i32, ((int32_t[]){INT32_MIN, -2, 0, 0, 2, 255, 300, INT32_MAX, 0, INT32_MAX, INT32_MIN}),
                     sizeof i32);
    int64_t i64[11];
    from_float(GENSEG_DTYPE_INT64, src, n, i64);
    ck_assert(i64[0] == INT64_MIN && i64[7] == INT64_MAX && i64[6] == 300 && i64[8] == 0);
    uint64_t u64[11];
    from_float(GENSEG_DTYPE_UINT64, src, n, u64);
    ck_assert(u64[0] == 0 && u64[7] == UINT64_MAX && u64[6] == 300);
    uint32_t u32[11];
    from_float(GENSEG_DTYPE_UINT32, src, n, u32);
    ck_assert(u32[0] == 0 && u32[7] == UINT32_MAX && u32[6] == 300);
    double f64[11];
    from_float(GENSEG_DTYPE_FLOAT64, src, n, f64);
    ck_assert(f64[3] == 0.5 && isnan(f64[8]) && isinf(f64[9]));
}
END_TEST

START_TEST(labels_saturate)
{
    const int32_t src[] = {INT32_MIN, -1, 70000, INT32_MAX};
    const int64_t n = 4;
    uint8_t u8[4];
    genseg_array array = gsg_array_dense(u8, GENSEG_DTYPE_UINT8, gsg_shape_make(1, &n));
    gsg_array_from_int32(src, &array);
    ck_assert_mem_eq(u8, ((uint8_t[]){0, 0, 255, 255}), 4);
    int16_t i16[4];
    array = gsg_array_dense(i16, GENSEG_DTYPE_INT16, gsg_shape_make(1, &n));
    gsg_array_from_int32(src, &array);
    ck_assert_mem_eq(i16, ((int16_t[]){INT16_MIN, -1, INT16_MAX, INT16_MAX}), 8);
    uint64_t u64[4];
    array = gsg_array_dense(u64, GENSEG_DTYPE_UINT64, gsg_shape_make(1, &n));
    gsg_array_from_int32(src, &array);
    ck_assert(u64[0] == 0 && u64[1] == 0 && u64[2] == 70000 && u64[3] == INT32_MAX);
    int64_t i64[4];
    array = gsg_array_dense(i64, GENSEG_DTYPE_INT64, gsg_shape_make(1, &n));
    gsg_array_from_int32(src, &array);
    ck_assert(i64[0] == INT32_MIN && i64[1] == -1 && i64[3] == INT32_MAX);
}
END_TEST

static void label_refused(void *data, int32_t dtype, const char *expected)
{
    genseg_array array = gsg_array_dense(data, dtype, gsg_shape_make(3, (int64_t[]){2, 2, 3}));
    int32_t dst[12];
    memset(dst, 0x5A, sizeof dst);
    gsg_error err;
    ck_assert_int_eq(gsg_array_to_int32(&array, dst, &err), GENSEG_ERROR_FORMAT);
    ck_assert_str_eq(err.message, expected);
    for (int i = 0; i < 12; ++i) {
        ck_assert_int_eq(dst[i], 0x5A5A5A5A);
    }
}

START_TEST(labels_that_are_none)
{
    float f[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    int32_t dst[12];
    genseg_array array = gsg_array_dense(f, GENSEG_DTYPE_FLOAT32, gsg_shape_make(1, (int64_t[]){12}));
    f[3] = 2.9995f;
    f[4] = 4.0004f;
    ck_assert_int_eq(gsg_array_to_int32(&array, dst, NULL), GENSEG_OK);
    ck_assert(dst[3] == 3 && dst[4] == 4);
    f[8] = 7.5f;
    label_refused(f, GENSEG_DTYPE_FLOAT32, "label at [1, 0, 2] is 7.5, not an integer");
    f[2] = NAN;
    label_refused(f, GENSEG_DTYPE_FLOAT32, "label at [0, 0, 2] is nan, not a finite number");
    f[2] = INFINITY;
    label_refused(f, GENSEG_DTYPE_FLOAT32, "label at [0, 0, 2] is inf, not a finite number");
    f[2] = 3e9f;
    label_refused(f, GENSEG_DTYPE_FLOAT32, "label at [0, 0, 2] is 3e+09, beyond the range of int32");
    double d[12] = {0, 2147483647.0, -2147483648.0};
    array = gsg_array_dense(d, GENSEG_DTYPE_FLOAT64, gsg_shape_make(1, (int64_t[]){12}));
    ck_assert_int_eq(gsg_array_to_int32(&array, dst, NULL), GENSEG_OK);
    ck_assert(dst[1] == INT32_MAX && dst[2] == INT32_MIN);
    d[11] = 2147483648.0;
    label_refused(d, GENSEG_DTYPE_FLOAT64, "label at [1, 1, 2] is 2.14748365e+09, beyond the range of int32");
    uint32_t u32[12] = {INT32_MAX, 0, 0, 0, 4294967295u};
    label_refused(u32, GENSEG_DTYPE_UINT32, "label at [0, 1, 1] is 4.2949673e+09, beyond the range of int32");
}
END_TEST

START_TEST(wide_integer_labels)
{
    uint64_t u64[12] = {INT32_MAX};
    int64_t i64[12] = {INT32_MIN, INT32_MAX};
    int32_t dst[12];
    genseg_array array = gsg_array_dense(u64, GENSEG_DTYPE_UINT64, gsg_shape_make(1, (int64_t[]){12}));
    ck_assert_int_eq(gsg_array_to_int32(&array, dst, NULL), GENSEG_OK);
    ck_assert_int_eq(dst[0], INT32_MAX);
    array = gsg_array_dense(i64, GENSEG_DTYPE_INT64, gsg_shape_make(1, (int64_t[]){12}));
    ck_assert_int_eq(gsg_array_to_int32(&array, dst, NULL), GENSEG_OK);
    ck_assert(dst[0] == INT32_MIN && dst[1] == INT32_MAX);
    u64[1] = UINT64_MAX;
    label_refused(u64, GENSEG_DTYPE_UINT64, "label at [0, 0, 1] is 1.84467441e+19, beyond the range of int32");
    i64[2] = (int64_t)INT32_MIN - 1;
    label_refused(i64, GENSEG_DTYPE_INT64, "label at [0, 0, 2] is -2.14748365e+09, beyond the range of int32");
    i64[2] = (int64_t)1 << 32; // its low half is 0
    label_refused(i64, GENSEG_DTYPE_INT64, "label at [0, 0, 2] is 4.2949673e+09, beyond the range of int32");
}
END_TEST

static void check_refused(const genseg_array *array, const char *expected)
{
    gsg_error err;
    ck_assert_int_eq(gsg_array_check(array, "mask", &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, expected);
}

START_TEST(nonsense_is_refused)
{
    char data[64];
    const genseg_array good = gsg_array_dense(data, GENSEG_DTYPE_UINT16, gsg_shape_make(2, (int64_t[]){4, 8}));
    ck_assert_int_eq(good.strides[0], 16);
    ck_assert_int_eq(good.strides[1], 2);
    ck_assert_int_eq(gsg_array_check(&good, "mask", NULL), GENSEG_OK);
    check_refused(NULL, "mask: array is NULL");
    genseg_array bad = good;
    bad.data = NULL;
    check_refused(&bad, "mask: data is NULL");
    bad = good;
    bad.dtype = 11;
    check_refused(&bad, "mask: dtype is 11, known are 1 to 10");
    bad = good;
    bad.ndim = 6;
    check_refused(&bad, "mask: ndim is 6, allowed are 1 to 5");
    bad.ndim = 0;
    check_refused(&bad, "mask: ndim is 0, allowed are 1 to 5");
    bad = good;
    bad.shape[1] = 0;
    check_refused(&bad, "mask: shape[1] is 0");
    bad.shape[1] = (int64_t)1 << 61;
    check_refused(&bad, "mask: shape 4x2305843009213693952 and its strides exceed the address space");
    bad = good;
    bad.strides[0] = INT64_MIN;
    check_refused(&bad, "mask: shape 4x8 and its strides exceed the address space");
    bad.strides[0] = -(INT64_MAX / 3);
    check_refused(&bad, "mask: shape 4x8 and its strides exceed the address space");
}
END_TEST

START_TEST(dtype_sizes)
{
    const size_t sizes[] = {0, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 0};
    for (int32_t dtype = 0; dtype < 12; ++dtype) {
        ck_assert_uint_eq(gsg_dtype_size(dtype), sizes[dtype]);
        ck_assert_int_eq(gsg_dtype_is_float(dtype), dtype == GENSEG_DTYPE_FLOAT32 || dtype == GENSEG_DTYPE_FLOAT64);
    }
    ck_assert_uint_eq(gsg_dtype_size(-1), 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("array");
    tcase_add_loop_test(tests, any_dtype_any_strides, GENSEG_DTYPE_UINT8, GENSEG_DTYPE_FLOAT64 + 1);
    tcase_add_test(tests, broadcast_by_zero_stride);
    tcase_add_test(tests, negative_values_are_signed);
    tcase_add_test(tests, floats_saturate_and_round);
    tcase_add_test(tests, labels_saturate);
    tcase_add_test(tests, labels_that_are_none);
    tcase_add_test(tests, wide_integer_labels);
    tcase_add_test(tests, nonsense_is_refused);
    tcase_add_test(tests, dtype_sizes);
    RUN_TESTS(tests);
}
