// Draws augmentations of image and label. What is random is drawn here, and
// applied without chance by gsg_warp_apply(), so that a draw can be repeated,
// stored or learnt.
#ifndef GSG_DATA_AUGMENT_H
#define GSG_DATA_AUGMENT_H

#include "core/rng.h"
#include "data/warp.h"

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

// Draws for a patch of `size` (D, H, W) with its middle at `centre` of a volume
// with that spacing. What is drawn does not depend on the options; only the
// elastic displacement, drawn last, is left out where chance decides against it.
void gsg_augment_draw(const gsg_augment_options *options, const double spacing[3], const int64_t size[3],
                      const double centre[3], gsg_rng *rng, gsg_warp *warp);

#endif
