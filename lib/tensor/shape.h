// Shapes of up to five dimensions: (N, C, H, W), (N, C, D, H, W), vectors.
#ifndef GSG_TENSOR_SHAPE_H
#define GSG_TENSOR_SHAPE_H

#include <stdbool.h>

#include "core/error.h"

#define GSG_MAX_NDIM 5

typedef struct gsg_shape {
    int32_t ndim;
    int64_t dims[GSG_MAX_NDIM];
} gsg_shape;

gsg_shape gsg_shape_make(int32_t ndim, const int64_t *dims);
int64_t gsg_shape_count(gsg_shape shape);   // product of dims; 1 for ndim 0; -1 on overflow
int64_t gsg_shape_spatial(gsg_shape shape); // product of dims[2..]
bool gsg_shape_equal(gsg_shape a, gsg_shape b);
#define GSG_SHAPE_TEXT_SIZE 112
const char *gsg_shape_text(gsg_shape shape, char buffer[GSG_SHAPE_TEXT_SIZE]); // "2x64x256x256"

#endif
