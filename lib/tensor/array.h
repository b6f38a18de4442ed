// Host arrays (genseg_array): checks, and copies to and from dense float32 or
// int32 whatever their dtype and strides.
#ifndef GSG_TENSOR_ARRAY_H
#define GSG_TENSOR_ARRAY_H

#include "core/context.h"
#include "tensor/shape.h"

genseg_array gsg_array_dense(void *data, int32_t dtype, gsg_shape shape);
// data, dtype, ndim, positive shape; `name` is for the message.
genseg_status gsg_array_check(const genseg_array *array, const char *name, gsg_error *err);
// Is `array` of the grid of `other`, that is, of its last `ndim` axes, behind `leading` entries along one axis before
// them (0: none)? SHAPE with both shapes where not.
genseg_status gsg_array_check_grid(const genseg_array *array, int64_t leading, const genseg_array *other, int32_t ndim,
                                   const char *name, const char *other_name, gsg_error *err);
gsg_shape gsg_array_shape(const genseg_array *array);
// Row-major copy of all elements, converted.
void gsg_array_to_float(const genseg_array *array, float *dst);
// Labels: rounds; FORMAT where a value is farther than 1e-3 from an integer,
// not finite or beyond int32, with the value and its index.
genseg_status gsg_array_to_int32(const genseg_array *array, int32_t *dst, gsg_error *err);
// Writes dense float32 into the array, converted; saturates and rounds for integers.
void gsg_array_from_float(const float *src, const genseg_array *array);
void gsg_array_from_int32(const int32_t *src, const genseg_array *array);
size_t gsg_dtype_size(int32_t dtype); // bytes, 0 for an unknown dtype
int32_t gsg_dtype_is_float(int32_t dtype);
bool gsg_dtype_holds(int32_t dtype, int64_t value); // a label value; floating-point dtypes: true

#endif
