// The pseudo-random values of tests/golden/hashed.py, and what golden files of whole networks hold.
#ifndef GSG_SUPPORT_HASHED_H
#define GSG_SUPPORT_HASHED_H

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "graph/params.h"

GSG_UNUSED static float hashed(uint64_t stream, uint64_t i)
{
    uint32_t x = (uint32_t)(i + stream * 1000003 + 12345);
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    x ^= x >> 16;
    return (float)((double)x / 2147483648.0 - 1.0);
}

GSG_UNUSED static int64_t integer(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

GSG_UNUSED static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

GSG_UNUSED static double item(const json_t *object, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(object, key), i));
}

GSG_UNUSED static json_t *load_golden(const char *path)
{
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    ck_assert_msg(root != NULL, "%s", error.text);
    return root;
}

GSG_UNUSED static size_t golden_index(const json_t *golden, const char *name)
{
    const json_t *rows = json_object_get(golden, "params");
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (strcmp(json_string_value(json_object_get(json_array_get(rows, i), "name")), name) == 0)
            return i;
    ck_abort_msg("PyTorch has no parameter %s", name);
    return 0;
}

// First values of all parameters, and their indices in the golden file, which has the same ones and no more.
GSG_UNUSED static void fill_golden(const json_t *golden, gsg_params *params, size_t *order)
{
    const json_t *rows = json_object_get(golden, "params");
    ck_assert_uint_eq(json_array_size(rows), (size_t)params->count);
    for (int32_t i = 0; i < params->count; i++) {
        gsg_param *p = &params->items[i];
        size_t row = order[i] = golden_index(golden, p->name);
        const json_t *shape = json_object_get(json_array_get(rows, row), "shape");
        ck_assert_uint_eq(json_array_size(shape), (size_t)p->layout.shape.ndim);
        for (int32_t d = 0; d < p->layout.shape.ndim; d++)
            ck_assert_int_eq(json_integer_value(json_array_get(shape, (size_t)d)), p->layout.shape.dims[d]);
        int64_t n = gsg_shape_count(p->layout.shape);
        float *plain = malloc((size_t)n * sizeof *plain);
        bool vector = p->layout.shape.ndim == 1;
        bool one = strstr(p->name, "running_var") || strstr(p->name, ".weight");
        float scale = vector ? (one ? 0.2f : 0.1f) : (float)sqrt(3.0 * (double)p->layout.shape.dims[0] / (double)n);
        if (strstr(p->name, ".alpha"))
            scale = 1.0f;
        for (int64_t j = 0; j < n; j++)
            plain[j] = (vector && one ? 1.0f : 0.0f) + scale * hashed(row + 1, (uint64_t)j);
        gsg_param_import(p, plain);
        free(plain);
    }
}

// Sampled values, within `relative` of the largest of them.
GSG_UNUSED static void check_golden_values(const json_t *golden, const char *key, const float *values, double relative)
{
    const json_t *pick = json_object_get(golden, "pick");
    double most = 0;
    ck_assert_uint_gt(json_array_size(pick), 0);
    for (size_t i = 0; i < json_array_size(pick); i++)
        most = fmax(most, fabs(item(golden, key, i)));
    for (size_t i = 0; i < json_array_size(pick); i++) {
        double expected = item(golden, key, i);
        double got = (double)values[json_integer_value(json_array_get(pick, i))];
        ck_assert_msg(fabs(got - expected) < relative * most, "%s value %zu: %g, PyTorch %g", key, i, got, expected);
    }
}

// A gradient of `count` plain values, of the golden file's row number `row`: norm, and product with hashed values.
GSG_UNUSED static void check_golden_gradient(const json_t *row, size_t index, const float *values, int64_t count)
{
    const char *name = json_string_value(json_object_get(row, "name"));
    double square = 0, dot = 0, norm = number(row, "norm");
    ck_assert_ptr_nonnull(values);
    for (int64_t j = 0; j < count; j++) {
        square += (double)values[j] * (double)values[j];
        dot += (double)values[j] * (double)hashed(index + 501, (uint64_t)j);
    }
    ck_assert_msg(fabs(sqrt(square) - norm) < 1e-3 * norm, "%s: norm %g, PyTorch %g", name, sqrt(square), norm);
    ck_assert_msg(fabs(dot - number(row, "dot")) < 1e-3 * norm, "%s: product %g, PyTorch %g (norm %g)", name, dot,
                  number(row, "dot"), norm);
}

#endif
