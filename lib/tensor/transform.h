// The maths of spatial augmentation, for data/ (image and label warped together) and
// kernel/ (the warp that can be differentiated): a linear map composed of scale,
// rotation and shear in millimetres, with its derivatives, and cubic B-splines.
#ifndef GSG_TENSOR_TRANSFORM_H
#define GSG_TENSOR_TRANSFORM_H

#include <stdint.h>

// Control points of a B-spline displacement along an axis: 4 intervals.
#define GSG_SPLINE_INTERVALS 4
#define GSG_SPLINE_POINTS (GSG_SPLINE_INTERVALS + 3)

// Axes are D, H, W. How the place in the source moves with the place in the result.
typedef struct gsg_transform {
    int32_t mixes[3];  // axes that take part; the others stay as they are (but for a flip)
    int32_t flip[3];   // non-zero: reversed
    double spacing[3]; // millimetres
    double step[3];    // of the source for a step of the result: 1 / scale
    double angle[3];   // radians, about D, H, W
    double shear[3];   // tangents: H over W, D over H, D over W
} gsg_transform;

// What a matrix can be differentiated by: add the axis, or the index in `shear`.
enum { GSG_TRANSFORM_STEP = 0, GSG_TRANSFORM_ANGLE = 3, GSG_TRANSFORM_SHEAR = 6, GSG_TRANSFORM_NONE = -1 };

// Nothing changes, no axis takes part; spacing 1.
void gsg_transform_identity(gsg_transform *transform);
// Axes that may mix: in 2-D, and with slices three times as thick as the pixels, only those of the plane.
void gsg_transform_mixes(const double spacing[3], const int64_t size[3], int32_t mixes[3]);
// The matrix in voxels, row major, or its derivative by one of the numbers.
void gsg_transform_matrix(const gsg_transform *transform, int32_t derivative, double matrix[9]);

// First control point and the weights of four at voxel `place` of an axis.
int32_t gsg_spline_basis(int64_t place, int64_t size, float weight[4]);

#endif
