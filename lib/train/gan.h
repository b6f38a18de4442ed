// Level I: generator and discriminator, trained on real pairs as in pix2pix (Isola et al. 2017): an adversarial loss plus
// L1. Architecture logits take part in the forward pass and are left alone by the updates.
#ifndef GSG_TRAIN_GAN_H
#define GSG_TRAIN_GAN_H

#include "graph/plan.h"
#include "model/discriminator.h"
#include "model/generator.h"
#include "nn/adversarial.h"
#include "train/direction.h"

typedef struct gsg_gan_options {
    gsg_generator generator;
    gsg_discriminator discriminator;
    int64_t batch;
    int64_t size[3]; // D, H, W; D is 1 in 2-D
    gsg_adversarial loss;
    double l1;      // weight of the mean absolute difference to the real image; 100
    double penalty; // of the gradient penalty, with the Wasserstein loss; 10
    gsg_optimizer_options optimizer;
    uint64_t seed;
    // The generator's plan waits while the discriminator's runs: two different ones.
    gsg_workspace *generating, *judging; // of the two plans, borrowed for gsg_gan_new(); NULL: their own
} gsg_gan_options;

// Parts of a step, each of which a cancel may cut and the next call goes on with.
typedef enum gsg_gan_stage {
    GSG_GAN_GENERATE,   // images for the discriminator
    GSG_GAN_JUDGE,      // its loss
    GSG_GAN_LEARN_JUDGE,
    GSG_GAN_FOOL,       // the generator's loss against the discriminator as it is now
    GSG_GAN_LEARN_FOOL,
    GSG_GAN_STAGES
} gsg_gan_stage;

typedef struct gsg_gan {
    genseg_context *context;
    gsg_gan_options options;
    gsg_params *params; // "generator...." and "discriminator...."
    gsg_optimizer *optimizer;
    gsg_plan *generate;
    gsg_value mask, image, noise, fake, l1_loss, loss; // noise: GSG_NONE without
    gsg_plan *judge;
    gsg_value judge_mask, judge_real, judge_fake, judge_mixed, judge_loss; // mixed: GSG_NONE but for Wasserstein
    gsg_direction *seen; // where to keep the gradients that the generator's step goes by, or NULL; borrowed
    double generator_loss, l1, discriminator_loss; // of the newest step
} gsg_gan;

// 2-D or 3-D; batch 2; vanilla, L1 100, Adam 2e-4 with beta1 1/2 (the learning rate is the caller's).
gsg_gan_options gsg_gan_defaults(int32_t spatial);
genseg_status gsg_gan_new(genseg_context *context, const gsg_gan_options *options, gsg_gan **gan, gsg_error *err);
void gsg_gan_free(gsg_gan *gan); // NULL allowed
void gsg_gan_set_poll(gsg_gan *gan, gsg_poll_fn poll, void *user);
// Shape (batch, channels, [D,] H, W).
gsg_shape gsg_gan_shape(const gsg_gan_options *options, int64_t channels);
// Fills noise (N(0, 1)) for `count` values; a function of seed, stream (core/rng.h) and step.
void gsg_gan_noise(uint64_t seed, uint32_t stream, int64_t step, float *noise, int64_t count);

// One part of the step `run->step`, whose mask and image the caller has written to the plan `generate` before the
// first. NUMERIC where a loss is no longer finite, before the weights that it would have moved are touched.
genseg_status gsg_gan_step(gsg_gan *gan, gsg_gan_stage stage, const gsg_run *run, int32_t resumed, double lr,
                           gsg_error *err);
// Weights as they were, and an optimizer that has forgotten what came since.
void gsg_gan_go_back(gsg_gan *gan, const gsg_params *weights);
// Takes a weight of the generator or discriminator for the optimizer's, and logits not.
int32_t gsg_gan_is_weight(const gsg_param *param);
int32_t gsg_gan_is_generator(const gsg_param *param); // its weights, without logits

#endif
