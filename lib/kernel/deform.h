// The mask augmentation of level III: a random warp whose magnitudes can be differentiated. Chance is
// in the draws, filled beforehand; a kernel has none, so a pass can be repeated with other magnitudes.
//
// Voxel p of sample n shows the source at  c + shift + M (p + e(p) - c)  in voxels, c the middle of the
// grid, by (bi-, tri-)linear interpolation: PyTorch's grid_sample with align_corners, written in voxels.
// M is composed by tensor/transform.h, e is a cubic B-spline through control displacements.
#ifndef GSG_KERNEL_DEFORM_H
#define GSG_KERNEL_DEFORM_H

#include "kernel/kernel.h"

// Magnitudes: factors of the ranges below, 1 by default, 0: none, of order 1 all of them, so that one
// learning rate suits. Not negative; who learns them keeps them in bounds (4 is far).
typedef enum gsg_deform_magnitude {
    GSG_DEFORM_ROTATION, // range in degrees (15); in 3-D about three axes
    GSG_DEFORM_SCALE,    // each axis shown 1 + range * u times as large (0.2), u in [-1, 1); never below 0.1
    GSG_DEFORM_SHIFT,    // by range * u times the size, each axis (0.1)
    GSG_DEFORM_SHEAR,    // degrees (8)
    GSG_DEFORM_PAD,      // zoom out 1 + range * u times (0.1), u in [0, 1), all axes alike
    GSG_DEFORM_ELASTIC,  // standard deviation of control displacements, as a part of the size (0.02)
    GSG_DEFORM_MAGNITUDES
} gsg_deform_magnitude;

// What lies outside the source.
typedef enum gsg_border {
    GSG_BORDER_CLASS, // class 0: 1 in the first of several channels, 0 elsewhere (and everywhere for one channel)
    GSG_BORDER_EDGE   // the nearest voxel
} gsg_border;

typedef struct gsg_deform {
    int32_t border;    // gsg_border
    int32_t symmetric; // bit a: axis D (1), H (2), W (4) may be flipped
    double spacing[3]; // millimetres, D, H, W (2-D: D is not used)
    float range[GSG_DEFORM_MAGNITUDES];
    float chance; // of a sample to be rotated, scaled, shifted, sheared and padded; else only flipped and bent
    float elastic_chance;
} gsg_deform;

// Background outside, no flips, spacing 1, the ranges above, chance 1, elastic 1/2.
void gsg_deform_defaults(gsg_deform *deform);
// Draws of a sample of shape (N, C, [D,] H, W).
int64_t gsg_deform_draws(gsg_shape shape);
// Fills `draws` for all samples: rows of gsg_deform_draws() floats, each padded to GSG_VECTOR_PAD with zeros. Sample n
// is number first + n of the stream of this seed, whatever the batch size.
void gsg_deform_draw(const gsg_deform *deform, gsg_shape shape, uint64_t seed, uint64_t first, float *draws);

// args: src, draws, magnitudes (vector of GSG_DEFORM_MAGNITUDES), dst; src and dst of one shape and block
genseg_status gsg_deform_forward_new(gsg_engine *engine, const gsg_deform *deform, const gsg_desc *src,
                                     const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err);
// args: src, draws, magnitudes, diff_dst, diff_src, diff_magnitudes; each of the last two may be NULL
// (src too, without the last). diff_src is scattered by one thread a sample and group of channels, in order.
genseg_status gsg_deform_backward_new(gsg_engine *engine, const gsg_deform *deform, const gsg_desc *src,
                                      const gsg_desc *diff_dst, const gsg_desc *diff_src, gsg_kernel **kernel,
                                      gsg_error *err);

#endif
