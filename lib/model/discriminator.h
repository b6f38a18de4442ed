// PatchGAN discriminator of pix2pix (Isola et al. 2017) in 2-D and 3-D: each logit judges a patch, 70x70 with 3 layers.
#ifndef GSG_MODEL_DISCRIMINATOR_H
#define GSG_MODEL_DISCRIMINATOR_H

#include "nn/layers.h"

typedef struct gsg_discriminator {
    int32_t spatial;  // 2 or 3
    int32_t layers;   // halvings, 1 to 5; 3 in pix2pix
    int64_t channels; // of mask and image together
    int64_t width;    // channels of the first layer, doubled at each one up to 8 times; 64 in pix2pix
    int32_t norm;     // batch norm between first and last layer; 0 for the Wasserstein loss
    int32_t reserved;
} gsg_discriminator;

// layers 3, width 32 and 16 in 2-D and 3-D, two channels, batch norm
gsg_discriminator gsg_discriminator_default(int32_t spatial);
// As many layers (up to 3) as a size (D, H, W; D is 1 in 2-D) allows so that logits remain.
int32_t gsg_discriminator_depth(int32_t spatial, const int64_t size[3]);
// x: channels of the mask, then of the image. Logits (N, 1, ...). Parameters are named "discriminator....". Batch norm always
// uses the batch's statistics and keeps none: TRAIN is taken as PROBE.
gsg_value gsg_discriminator_build(gsg_graph *graph, const gsg_discriminator *discriminator, gsg_value x, gsg_mode mode);

#endif
