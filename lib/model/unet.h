// U-Net (Ronneberger et al. 2015) as GenSeg uses it, with batch norm, transposed
// convolutions and the parameter names of the widespread PyTorch version; and its
// 3-D twin (Cicek et al. 2016 in outline: three levels, the same names).
#ifndef GSG_MODEL_UNET_H
#define GSG_MODEL_UNET_H

#include "nn/layers.h"

typedef struct gsg_unet {
    int32_t spatial;  // 2 or 3
    int32_t levels;   // poolings: 4 in 2-D, 3 in 3-D by default
    int64_t channels; // of the image
    int64_t outputs;  // logits: 1 (sigmoid), or the number of classes (softmax)
    int64_t width;    // channels of the first level, doubled at each one below
} gsg_unet;

gsg_unet gsg_unet_default(int32_t spatial);
// The image's sizes must be multiples of this.
int64_t gsg_unet_multiple(const gsg_unet *unet);
// Logits of the image's size. SHAPE, in the graph, where image and network don't fit.
gsg_value gsg_unet_build(gsg_graph *graph, const gsg_unet *unet, gsg_value image, gsg_mode mode);
// Parameters, all zero (to be read from a file), or with their first values.
genseg_status gsg_unet_params(genseg_context *context, const gsg_unet *unet, gsg_params **params, gsg_error *err);
genseg_status gsg_unet_new(genseg_context *context, const gsg_unet *unet, uint64_t seed, gsg_params **params,
                           gsg_error *err);

#endif
