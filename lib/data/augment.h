// Augmentation of image and label together, in the pass that cuts the patch:
// flip, affine and elastic displacement are one map from patch to volume, so that
// everything is interpolated once; then intensities change in place. What is
// random is drawn first (gsg_augment_draw), and applied without chance
// (gsg_warp_apply), so that a draw can be repeated, stored or learnt.
#ifndef GSG_DATA_AUGMENT_H
#define GSG_DATA_AUGMENT_H

#include "core/rng.h"
#include "data/volume.h"

// Bits of `symmetric`: axes along which a flip gives another plausible image.
enum { GSG_AXIS_D = 1, GSG_AXIS_H = 2, GSG_AXIS_W = 4 };

// Chances are probabilities for each sample; a flip has 1/2 for each axis.
typedef struct gsg_augment_options {
    int32_t symmetric; // GSG_AXIS_* bits; default none
    int32_t reserved;
    double affine_chance;
    double scale;    // factor from 1 - scale to 1 + scale
    double shift;    // up to this part of the patch, each axis
    double rotation; // up to +- degrees; in 3-D about all axes, about the coarse one alone where anisotropic
    double shear;    // up to +- degrees
    double elastic_chance;
    double elastic; // standard deviation of the displacements, as part of the patch
    double gamma_chance;
    double gamma; // exponent exp(u), |u| <= gamma, on the range of the patch
    double contrast_chance;
    double contrast; // factor from 1 - contrast to 1 + contrast about the mean
    double brightness_chance;
    double brightness; // +- this many standard deviations of the patch
    double noise_chance;
    double noise; // standard deviation up to this many standard deviations of the patch
    double blur_chance;
    double blur; // Gaussian sigma up to this many voxels
} gsg_augment_options;

void gsg_augment_defaults(gsg_augment_options *options);
void gsg_augment_none(gsg_augment_options *options); // only cuts
genseg_status gsg_augment_check(const gsg_augment_options *options, gsg_error *err);

// Control points of the cubic B-spline displacement along an axis: 4 intervals.
#define GSG_WARP_INTERVALS 4
#define GSG_WARP_POINTS (GSG_WARP_INTERVALS + 3)

// One drawn augmentation. Voxel p of the patch (D, H, W) shows the volume at
//   centre + matrix * (p + elastic(p) - (patch - 1) / 2),  in voxels.
typedef struct gsg_warp {
    double centre[3];
    double matrix[9];  // row major, axes D, H, W
    double gamma;      // 1: none
    double contrast;   // 1: none
    double brightness; // 0: none
    double noise;      // 0: none
    double blur[3];    // sigma by axis, 0: none
    uint64_t noise_seed;
    int32_t elastic; // 0: no displacement
    int32_t reserved;
    // Displacements in voxels, by axis, then control points (D, H, W).
    float displacement[3][GSG_WARP_POINTS * GSG_WARP_POINTS * GSG_WARP_POINTS];
} gsg_warp;

// The map that cuts the patch whose middle is at `centre`, unchanged.
void gsg_warp_identity(gsg_warp *warp, const double centre[3]);
// Draws for a patch of `size` (D, H, W) with its middle at `centre` of a volume
// with that spacing. Always takes the same draws from `rng` in the same order.
void gsg_augment_draw(const gsg_augment_options *options, const double spacing[3], const int64_t size[3],
                      const double centre[3], gsg_rng *rng, gsg_warp *warp);

// Floats of scratch that gsg_warp_apply() needs for a patch of `size`.
int64_t gsg_warp_scratch(const genseg_context *context, const int64_t size[3]);
// Fills image (C, size) and label (size; NULL: none): linear and nearest; beyond
// the volume both repeat the edge. Allocates nothing; same result for any threads.
void gsg_warp_apply(const genseg_context *context, const gsg_warp *warp, const gsg_volume *volume,
                    const int64_t size[3], float *image, int32_t *label, float *scratch);

#endif
