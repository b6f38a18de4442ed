// Synthetic pairs (reverse generation, GenSeg, arXiv 2408.17421): mask -> warp -> generator -> appearance, as one plan
// that also pulls gradients of image and target back to everything on the way.
#ifndef GSG_TRAIN_SYNTHESIS_H
#define GSG_TRAIN_SYNTHESIS_H

#include "train/gan.h"

typedef struct gsg_synthesis_options {
    gsg_deform deform;         // of the masks
    gsg_appearance appearance; // of the images
    int32_t running;           // non-zero: the generator's running statistics, no dropout; else the batch's, as in level I
    int32_t reserved;
} gsg_synthesis_options;

typedef struct gsg_synthesis {
    genseg_context *context;
    gsg_synthesis_options options;
    gsg_gan_options gan;
    gsg_plan *plan;
    gsg_value mask, noise;                   // written by the host; noise: GSG_NONE without
    gsg_value warp_draws, appearance_draws;  // filled by gsg_synthesis_draw()
    gsg_value warp, appearance;              // magnitudes
    gsg_value target, image;                 // the pair: soft masks, images in -1..1
    gsg_value target_seed, image_seed;       // gradients to pull back, written by the host before the second half
    gsg_value warp_gradient, appearance_gradient; // GSG_NONE without a second half
} gsg_synthesis;

// `params` are the generator's. differentiate: with the second half, whose sink gets the gradients of the generator's
// weights and logits.
genseg_status gsg_synthesis_new(genseg_context *context, const gsg_gan_options *gan, gsg_params *params,
                                const gsg_synthesis_options *options, int32_t differentiate, gsg_synthesis **synthesis,
                                gsg_error *err);
void gsg_synthesis_free(gsg_synthesis *synthesis); // NULL allowed
// Draws of the step, a function of seed and step.
void gsg_synthesis_draw(gsg_synthesis *synthesis, uint64_t seed, int64_t step);

#endif
