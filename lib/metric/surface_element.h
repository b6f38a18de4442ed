// Area of the surface that marching cubes puts into one cell between voxel
// centres (length of the contour in 2-D).
#ifndef GSG_METRIC_SURFACE_ELEMENT_H
#define GSG_METRIC_SURFACE_ELEMENT_H

#include <stdint.h>

#define GSG_SURFACE_CODES 256 // 16 of them in 2-D

// areas[code] for every pattern of a cell's corners: corner (i, j, k) of the
// 2x2x2 cell, number c = 4i + 2j + k, is inside where bit 7 - c of the code is
// set; in 2-D corner (j, k), number 2j + k, has bit 3 - c. `spacing` is that of
// the three axes, its first value is ignored in 2-D. 0 for patterns without a
// surface.
void gsg_surface_areas(int32_t ndim, const double spacing[3], double areas[GSG_SURFACE_CODES]);

#endif
