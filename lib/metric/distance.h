// Exact Euclidean distance transform in 2-D and 3-D with voxel spacing.
#ifndef GSG_METRIC_DISTANCE_H
#define GSG_METRIC_DISTANCE_H

#include "core/context.h"

// squared[i] is the squared distance, in the spacing's unit, from element i of
// the size[0] x size[1] x size[2] grid to the nearest element whose mask is not
// zero; INFINITY everywhere where there is none. A 2-D grid has size[0] = 1.
genseg_status gsg_distance_squared(genseg_context *context, const uint8_t *mask, const int64_t size[3],
                                   const double spacing[3], double *squared, gsg_error *err);

#endif
