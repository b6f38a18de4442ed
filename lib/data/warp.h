// Cutting a patch through one map from patch to volume: flip, affine and elastic
// displacement are composed, so that everything is interpolated once; then the
// intensities change in place.
#ifndef GSG_DATA_WARP_H
#define GSG_DATA_WARP_H

#include "data/volume.h"
#include "tensor/transform.h"

// Control points of the cubic B-spline displacement along an axis.
#define GSG_WARP_POINTS GSG_SPLINE_POINTS
// Largest sigma of the blur, in voxels.
#define GSG_WARP_LARGEST_BLUR 5

// One drawn augmentation. Voxel p of the patch (D, H, W) shows the volume at
//   centre + matrix * (p + elastic(p) - (patch - 1) / 2),  in voxels.
typedef struct gsg_warp {
    double centre[3];
    double matrix[9];  // row major, axes D, H, W
    double gamma;      // exponent on the range of the patch, 1: none
    double contrast;   // factor about the mean of the patch, 1: none
    double brightness; // in standard deviations of the patch, 0: none
    double noise;      // likewise
    double blur[3];    // sigma in voxels by axis, 0: none
    uint64_t noise_seed;
    int32_t elastic; // 0: no displacement
    int32_t reserved;
    // Displacements in voxels, by axis, then control points (D, H, W).
    float displacement[3][GSG_WARP_POINTS * GSG_WARP_POINTS * GSG_WARP_POINTS];
} gsg_warp;

// The map that cuts the patch whose middle is at `centre`, unchanged.
void gsg_warp_identity(gsg_warp *warp, const double centre[3]);

// Floats of scratch that gsg_warp_apply() needs for a patch of `size`.
int64_t gsg_warp_scratch(const genseg_context *context, const int64_t size[3]);
// Fills image (C, size) and label (size; NULL: none): linear and nearest; beyond
// the volume both repeat the edge. Allocates nothing; same result for any threads.
void gsg_warp_apply(const genseg_context *context, const gsg_warp *warp, const gsg_volume *volume,
                    const int64_t size[3], float *image, int32_t *label, float *scratch);

#endif
