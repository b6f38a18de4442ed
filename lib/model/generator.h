// Mask-to-image generator: the U-Net of pix2pix (Isola et al. 2017) in 2-D and 3-D, all of whose convolutions are
// searchable cells, in the encoder and in the decoder (GenSeg, arXiv 2408.17421, Fig. 1). Images are in -1..1 (tanh).
#ifndef GSG_MODEL_GENERATOR_H
#define GSG_MODEL_GENERATOR_H

#include "nn/cell.h"
#include "nn/layers.h"

#define GSG_GENERATOR_LEVELS 9 // at most

typedef struct gsg_generator {
    int32_t spatial;    // 2 or 3
    int32_t levels;     // halvings: log2 of the size in pix2pix
    int64_t masks;      // channels of the mask: 1 (foreground), or one for each class
    int64_t noise;      // channels of noise beside it; 0: none
    int64_t channels;   // of the image
    int64_t width;      // channels after the first halving, doubled at each one up to 8 times
    int32_t candidates; // of a cell, 1 to 3
    float dropout;      // 1/2 in pix2pix: in the (up to) three levels of the decoder around its innermost one, never in
                        // the outermost; levels 7, 6 and 5 of 8
    int32_t fixed[2 * GSG_GENERATOR_LEVELS]; // kernel of each cell, 0: searchable. The encoder's from outside
                                             // inwards, then the decoder's from inside outwards
} gsg_generator;

// levels 8 and 3, width 16, one mask and one image channel, no noise, three candidates, dropout 1/2
gsg_generator gsg_generator_default(int32_t spatial);
// How often all sizes (D, H, W; D is 1 in 2-D) can be halved until the shortest is 8 (in 3-D 4) or less, up to 8 times.
// Deeper levels hold most of the weights and of the time, and images of masks get no better by them (docs/results.md).
int32_t gsg_generator_depth(int32_t spatial, const int64_t size[3]);
// Sizes must be multiples of this; they need be neither powers of two nor equal.
int64_t gsg_generator_multiple(const gsg_generator *generator);
// Channels after `level` halvings, from 1.
int64_t gsg_generator_channels(const gsg_generator *generator, int32_t level);
// Is one of the cells still to be chosen?
int32_t gsg_generator_searchable(const gsg_generator *generator);

// mask (N, masks, [D,] H, W), noise alike or GSG_NONE: the image. Dropout in TRAIN and PROBE. Parameters are named
// "generator.down1.k4.weight" (nn/cell.h), "generator.down2.norm.weight", ..., level 1 outermost, "generator.up1.bias".
// SHAPE, in the graph, where sizes don't fit.
gsg_value gsg_generator_build(gsg_graph *graph, const gsg_generator *generator, gsg_value mask, gsg_value noise,
                              gsg_mode mode);
// Parameters, all zero; gsg_init_gan() (nn/init.h) gives them first values.
genseg_status gsg_generator_params(genseg_context *context, const gsg_generator *generator, gsg_params **params,
                                   gsg_error *err);

// What to do with the cells after training.
typedef enum gsg_discretise {
    GSG_DISCRETISE_MERGED = 1, // the mixture becomes one kernel of the largest size: the same images
    GSG_DISCRETISE_BEST        // the candidate with the largest logit stays, unscaled
} gsg_discretise;
// A generator without searchable cells, and its parameters. `params` may hold other networks' as well.
genseg_status gsg_generator_discretise(const gsg_generator *generator, const gsg_params *params, gsg_discretise how,
                                       gsg_generator *plain, gsg_params **plain_params, gsg_error *err);

#endif
