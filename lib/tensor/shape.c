// Shapes (tensor/shape.h): products that notice overflow, and their text.

#include "tensor/shape.h"

#include <stdio.h>
#include <string.h>

gsg_shape gsg_shape_make(int32_t ndim, const int64_t *dims)
{
    gsg_shape shape = {.ndim = ndim < 0 ? 0 : ndim > GSG_MAX_NDIM ? GSG_MAX_NDIM : ndim};
    for (int32_t i = 0; i < shape.ndim; ++i) {
        shape.dims[i] = dims[i];
    }
    return shape;
}

static int64_t product(gsg_shape shape, int32_t first)
{
    int64_t count = 1;
    bool empty = false;
    for (int32_t i = first; i < shape.ndim; ++i) {
        int64_t dim = shape.dims[i];
        if (dim < 0) {
            return -1;
        }
        if (dim == 0) {
            empty = true;
        } else if (count > INT64_MAX / dim) {
            return -1;
        } else {
            count *= dim;
        }
    }
    return empty ? 0 : count;
}

int64_t gsg_shape_count(gsg_shape shape)
{
    return product(shape, 0);
}

int64_t gsg_shape_spatial(gsg_shape shape)
{
    return product(shape, 2);
}

bool gsg_shape_equal(gsg_shape a, gsg_shape b)
{
    return a.ndim == b.ndim && memcmp(a.dims, b.dims, (size_t)a.ndim * sizeof *a.dims) == 0;
}

const char *gsg_shape_text(gsg_shape shape, char buffer[GSG_SHAPE_TEXT_SIZE])
{
    if (shape.ndim == 0) {
        snprintf(buffer, GSG_SHAPE_TEXT_SIZE, "scalar");
        return buffer;
    }
    size_t used = 0;
    for (int32_t i = 0; i < shape.ndim; ++i) {
        // Five numbers of 20 characters, four 'x' and a NUL: 105.
        int length =
            snprintf(buffer + used, GSG_SHAPE_TEXT_SIZE - used, i == 0 ? "%lld" : "x%lld", (long long)shape.dims[i]);
        used += (size_t)length;
    }
    return buffer;
}
