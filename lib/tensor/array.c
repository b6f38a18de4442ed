// Host arrays (tensor/array.h). Every access goes through one walk over rows:
// dimensions that follow each other in memory are merged first, so that a dense
// array is a single row, and a table by dtype holds the loop over a row.

#include "tensor/array.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// A label farther than this from an integer is a mistake, not a rounding error.
#define LABEL_TOLERANCE 1e-3

size_t gsg_dtype_size(int32_t dtype)
{
    switch (dtype) {
    case GENSEG_DTYPE_UINT8:
    case GENSEG_DTYPE_INT8:
        return 1;
    case GENSEG_DTYPE_UINT16:
    case GENSEG_DTYPE_INT16:
        return 2;
    case GENSEG_DTYPE_UINT32:
    case GENSEG_DTYPE_INT32:
    case GENSEG_DTYPE_FLOAT32:
        return 4;
    case GENSEG_DTYPE_UINT64:
    case GENSEG_DTYPE_INT64:
    case GENSEG_DTYPE_FLOAT64:
        return 8;
    default:
        return 0;
    }
}

int32_t gsg_dtype_is_float(int32_t dtype)
{
    return dtype == GENSEG_DTYPE_FLOAT32 || dtype == GENSEG_DTYPE_FLOAT64;
}

bool gsg_dtype_holds(int32_t dtype, int64_t value)
{
    switch (dtype) {
    case GENSEG_DTYPE_UINT8:
        return value >= 0 && value <= UINT8_MAX;
    case GENSEG_DTYPE_INT8:
        return value >= INT8_MIN && value <= INT8_MAX;
    case GENSEG_DTYPE_UINT16:
        return value >= 0 && value <= UINT16_MAX;
    case GENSEG_DTYPE_INT16:
        return value >= INT16_MIN && value <= INT16_MAX;
    case GENSEG_DTYPE_UINT32:
    case GENSEG_DTYPE_UINT64:
        return value >= 0;
    default:
        return true;
    }
}

genseg_array gsg_array_dense(void *data, int32_t dtype, gsg_shape shape)
{
    genseg_array array = {.data = data, .dtype = dtype, .ndim = shape.ndim};
    int64_t stride = (int64_t)gsg_dtype_size(dtype);
    for (int32_t i = shape.ndim - 1; i >= 0; --i) {
        array.shape[i] = shape.dims[i];
        array.strides[i] = stride;
        stride *= shape.dims[i];
    }
    return array;
}

gsg_shape gsg_array_shape(const genseg_array *array)
{
    return gsg_shape_make(array->ndim, array->shape);
}

// Whether the offsets of all elements from `data` fit.
static bool span_fits(const genseg_array *array)
{
    int64_t span = (int64_t)gsg_dtype_size(array->dtype);
    for (int32_t i = 0; i < array->ndim; ++i) {
        int64_t steps = array->shape[i] - 1;
        int64_t stride = array->strides[i];
        if (stride == INT64_MIN) {
            return false;
        }
        stride = stride < 0 ? -stride : stride;
        if (steps > 0 && stride > (INT64_MAX - span) / steps) {
            return false;
        }
        span += steps * stride;
    }
    return true;
}

genseg_status gsg_array_check(const genseg_array *array, const char *name, gsg_error *err)
{
    if (array == NULL || array->data == NULL) {
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: %s is NULL", name, array == NULL ? "array" : "data");
    }
    if (gsg_dtype_size(array->dtype) == 0) {
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: dtype is %d, known are 1 to 10", name, (int)array->dtype);
    }
    if (array->ndim < 1 || array->ndim > GENSEG_ARRAY_MAX_NDIM) {
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: ndim is %d, allowed are 1 to %d", name, (int)array->ndim,
                             GENSEG_ARRAY_MAX_NDIM);
    }
    for (int32_t i = 0; i < array->ndim; ++i) {
        if (array->shape[i] < 1) {
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: shape[%d] is %lld", name, (int)i,
                                 (long long)array->shape[i]);
        }
    }
    gsg_shape shape = gsg_array_shape(array);
    int64_t count = gsg_shape_count(shape);
    if (count < 0 || count > INT64_MAX / 8 || !span_fits(array)) {
        char text[GSG_SHAPE_TEXT_SIZE];
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: shape %s and its strides exceed the address space", name,
                             gsg_shape_text(shape, text));
    }
    return GENSEG_OK;
}

genseg_status gsg_array_check_grid(const genseg_array *array, int64_t leading, const genseg_array *other, int32_t ndim,
                                   const char *name, const char *other_name, gsg_error *err)
{
    const int32_t lead = leading > 0;
    genseg_status status = gsg_array_check(array, name, err);
    if (status != GENSEG_OK)
        return status;
    if (array->ndim == ndim + lead && (!lead || array->shape[0] == leading) &&
        memcmp(array->shape + lead, other->shape + other->ndim - ndim, (size_t)ndim * sizeof *array->shape) == 0)
        return GENSEG_OK;
    char had[GSG_SHAPE_TEXT_SIZE], of[GSG_SHAPE_TEXT_SIZE];
    return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s is %s, the %s %s", name,
                         gsg_shape_text(gsg_array_shape(array), had), other_name,
                         gsg_shape_text(gsg_array_shape(other), of));
}

// The array seen as rows: the merged dimensions, slowest first.
typedef struct walk {
    char *data;
    int32_t ndim;
    int64_t shape[GENSEG_ARRAY_MAX_NDIM];
    int64_t strides[GENSEG_ARRAY_MAX_NDIM];
    int64_t index[GENSEG_ARRAY_MAX_NDIM]; // of the current row
} walk;

static walk walk_begin(const genseg_array *array)
{
    walk w = {.data = array->data};
    for (int32_t i = 0; i < array->ndim; ++i) {
        int32_t last = w.ndim - 1;
        if (array->shape[i] == 1 && w.ndim > 0) {
            continue;
        }
        if (last >= 0 && (w.strides[last] == array->shape[i] * array->strides[i] || w.shape[last] == 1)) {
            w.shape[last] *= array->shape[i];
            w.strides[last] = array->strides[i];
        } else {
            w.shape[w.ndim] = array->shape[i];
            w.strides[w.ndim] = array->strides[i];
            ++w.ndim;
        }
    }
    return w;
}

static int64_t walk_length(const walk *w)
{
    return w->shape[w->ndim - 1];
}

static int64_t walk_stride(const walk *w)
{
    return w->strides[w->ndim - 1];
}

// Steps to the next row; false after the last.
static bool walk_next(walk *w)
{
    for (int32_t i = w->ndim - 2; i >= 0; --i) {
        w->data += w->strides[i];
        if (++w->index[i] < w->shape[i]) {
            return true;
        }
        w->data -= w->strides[i] * w->shape[i];
        w->index[i] = 0;
    }
    return false;
}

// Loops over one row for one dtype. Elements go through memcpy() because a
// host's array may be unaligned; compilers make a plain load or store of it.
#define DEFINE_READ(name, type)                                                                                        \
    static void read_float_##name(const char *src, int64_t stride, int64_t n, float *dst)                              \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; ++i) {                                                                              \
            type value;                                                                                                \
            memcpy(&value, src + i * stride, sizeof value);                                                            \
            dst[i] = (float)value;                                                                                     \
        }                                                                                                              \
    }                                                                                                                  \
    static void read_double_##name(const char *src, double *dst)                                                       \
    {                                                                                                                  \
        type value;                                                                                                    \
        memcpy(&value, src, sizeof value);                                                                             \
        *dst = (double)value;                                                                                          \
    }

#define DEFINE_READ_INTEGER(name, type)                                                                                \
    DEFINE_READ(name, type)                                                                                            \
    static int64_t read_int32_##name(const char *src, int64_t stride, int64_t n, int32_t *dst)                         \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; ++i) {                                                                              \
            type value;                                                                                                \
            memcpy(&value, src + i * stride, sizeof value);                                                            \
            if ((type)(int32_t)value != value || (value > 0) != ((int32_t)value > 0)) {                                \
                return i;                                                                                              \
            }                                                                                                          \
            if (dst != NULL) {                                                                                         \
                dst[i] = (int32_t)value;                                                                               \
            }                                                                                                          \
        }                                                                                                              \
        return n;                                                                                                      \
    }

#define DEFINE_READ_FLOAT(name, type)                                                                                  \
    DEFINE_READ(name, type)                                                                                            \
    static int64_t read_int32_##name(const char *src, int64_t stride, int64_t n, int32_t *dst)                         \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; ++i) {                                                                              \
            type value;                                                                                                \
            memcpy(&value, src + i * stride, sizeof value);                                                            \
            double nearest = rint((double)value);                                                                      \
            if (!(fabs((double)value - nearest) <= LABEL_TOLERANCE && nearest >= INT32_MIN && nearest <= INT32_MAX)) { \
                return i;                                                                                              \
            }                                                                                                          \
            if (dst != NULL) {                                                                                         \
                dst[i] = (int32_t)nearest;                                                                             \
            }                                                                                                          \
        }                                                                                                              \
        return n;                                                                                                      \
    }

// (double)high is high or the power of two above it: below it the cast is safe.
#define DEFINE_WRITE_INTEGER(name, type, low, high)                                                                    \
    static void write_float_##name(char *dst, int64_t stride, int64_t n, const float *src)                             \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; ++i) {                                                                              \
            double nearest = rint((double)src[i]);                                                                     \
            type value = 0; /* also for NaN */                                                                         \
            if (nearest >= (double)(high)) {                                                                           \
                value = high;                                                                                          \
            } else if (nearest >= (double)(low)) {                                                                     \
                value = (type)nearest;                                                                                 \
            } else if (nearest < (double)(low)) {                                                                      \
                value = low;                                                                                           \
            }                                                                                                          \
            memcpy(dst + i * stride, &value, sizeof value);                                                            \
        }                                                                                                              \
    }                                                                                                                  \
    static void write_int32_##name(char *dst, int64_t stride, int64_t n, const int32_t *src)                           \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; ++i) {                                                                              \
            double exact = (double)src[i];                                                                             \
            type value = exact >= (double)(high) ? high : exact <= (double)(low) ? low : (type)src[i];                 \
            memcpy(dst + i * stride, &value, sizeof value);                                                            \
        }                                                                                                              \
    }

#define DEFINE_WRITE_FLOAT(name, type)                                                                                 \
    static void write_float_##name(char *dst, int64_t stride, int64_t n, const float *src)                             \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; ++i) {                                                                              \
            type value = (type)src[i];                                                                                 \
            memcpy(dst + i * stride, &value, sizeof value);                                                            \
        }                                                                                                              \
    }                                                                                                                  \
    static void write_int32_##name(char *dst, int64_t stride, int64_t n, const int32_t *src)                           \
    {                                                                                                                  \
        for (int64_t i = 0; i < n; ++i) {                                                                              \
            type value = (type)src[i];                                                                                 \
            memcpy(dst + i * stride, &value, sizeof value);                                                            \
        }                                                                                                              \
    }

DEFINE_READ_INTEGER(uint8, uint8_t)
DEFINE_READ_INTEGER(int8, int8_t)
DEFINE_READ_INTEGER(uint16, uint16_t)
DEFINE_READ_INTEGER(int16, int16_t)
DEFINE_READ_INTEGER(uint32, uint32_t)
DEFINE_READ_INTEGER(int32, int32_t)
DEFINE_READ_INTEGER(uint64, uint64_t)
DEFINE_READ_INTEGER(int64, int64_t)
DEFINE_READ_FLOAT(float32, float)
DEFINE_READ_FLOAT(float64, double)

DEFINE_WRITE_INTEGER(uint8, uint8_t, 0, UINT8_MAX)
DEFINE_WRITE_INTEGER(int8, int8_t, INT8_MIN, INT8_MAX)
DEFINE_WRITE_INTEGER(uint16, uint16_t, 0, UINT16_MAX)
DEFINE_WRITE_INTEGER(int16, int16_t, INT16_MIN, INT16_MAX)
DEFINE_WRITE_INTEGER(uint32, uint32_t, 0, UINT32_MAX)
DEFINE_WRITE_INTEGER(int32, int32_t, INT32_MIN, INT32_MAX)
DEFINE_WRITE_INTEGER(uint64, uint64_t, 0, UINT64_MAX)
DEFINE_WRITE_INTEGER(int64, int64_t, INT64_MIN, INT64_MAX)
DEFINE_WRITE_FLOAT(float32, float)
DEFINE_WRITE_FLOAT(float64, double)

typedef struct row_functions {
    void (*read_float)(const char *src, int64_t stride, int64_t n, float *dst);
    // Number of leading elements that are labels; dst may be NULL.
    int64_t (*read_int32)(const char *src, int64_t stride, int64_t n, int32_t *dst);
    void (*read_double)(const char *src, double *dst); // one element
    void (*write_float)(char *dst, int64_t stride, int64_t n, const float *src);
    void (*write_int32)(char *dst, int64_t stride, int64_t n, const int32_t *src);
} row_functions;

#define ROW(name)                                                                                                      \
    {                                                                                                                  \
        read_float_##name, read_int32_##name, read_double_##name, write_float_##name, write_int32_##name               \
    }

static const row_functions rows[] = {
    [GENSEG_DTYPE_UINT8] = ROW(uint8),     [GENSEG_DTYPE_INT8] = ROW(int8),     [GENSEG_DTYPE_UINT16] = ROW(uint16),
    [GENSEG_DTYPE_INT16] = ROW(int16),     [GENSEG_DTYPE_UINT32] = ROW(uint32), [GENSEG_DTYPE_INT32] = ROW(int32),
    [GENSEG_DTYPE_UINT64] = ROW(uint64),   [GENSEG_DTYPE_INT64] = ROW(int64),   [GENSEG_DTYPE_FLOAT32] = ROW(float32),
    [GENSEG_DTYPE_FLOAT64] = ROW(float64),
};

void gsg_array_to_float(const genseg_array *array, float *dst)
{
    walk w = walk_begin(array);
    int64_t n = walk_length(&w);
    do {
        rows[array->dtype].read_float(w.data, walk_stride(&w), n, dst);
        dst += n;
    } while (walk_next(&w));
}

static genseg_status label_error(const genseg_array *array, int64_t position, const char *element, gsg_error *err)
{
    double value;
    rows[array->dtype].read_double(element, &value);
    char index[160];
    size_t used = sizeof index - 1;
    index[used] = '\0';
    // Row-major position to an index, filled in from the fastest dimension.
    for (int32_t i = array->ndim - 1; i >= 0; --i) {
        char part[24];
        int length = snprintf(part, sizeof part, i == 0 ? "%lld" : ", %lld", (long long)(position % array->shape[i]));
        used -= (size_t)length;
        memcpy(index + used, part, (size_t)length);
        position /= array->shape[i];
    }
    const char *cause = !isfinite(value)                               ? "not a finite number"
                        : fabs(value - rint(value)) <= LABEL_TOLERANCE ? "beyond the range of int32"
                                                                       : "not an integer";
    return gsg_error_set(err, GENSEG_ERROR_FORMAT, "label at [%s] is %.9g, %s", index + used, value, cause);
}

static bool always_int32(int32_t dtype)
{
    return dtype == GENSEG_DTYPE_INT32 || (gsg_dtype_size(dtype) < 4);
}

genseg_status gsg_array_to_int32(const genseg_array *array, int32_t *dst, gsg_error *err)
{
    // Checked as a whole first: dst stays as it was where a label is wrong.
    for (int pass = always_int32(array->dtype) ? 1 : 0; pass < 2; ++pass) {
        walk w = walk_begin(array);
        int64_t n = walk_length(&w);
        int64_t done = 0;
        do {
            int64_t good = rows[array->dtype].read_int32(w.data, walk_stride(&w), n, pass == 0 ? NULL : dst + done);
            if (good < n) {
                return label_error(array, done + good, w.data + good * walk_stride(&w), err);
            }
            done += n;
        } while (walk_next(&w));
    }
    return GENSEG_OK;
}

void gsg_array_from_float(const float *src, const genseg_array *array)
{
    walk w = walk_begin(array);
    int64_t n = walk_length(&w);
    do {
        rows[array->dtype].write_float(w.data, walk_stride(&w), n, src);
        src += n;
    } while (walk_next(&w));
}

void gsg_array_from_int32(const int32_t *src, const genseg_array *array)
{
    walk w = walk_begin(array);
    int64_t n = walk_length(&w);
    do {
        rows[array->dtype].write_int32(w.data, walk_stride(&w), n, src);
        src += n;
    } while (walk_next(&w));
}
