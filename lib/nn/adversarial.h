// Losses of generative adversarial networks as graph builders: vanilla (Goodfellow et al. 2014, non-saturating), least
// squares (Mao et al. 2017) and Wasserstein with gradient penalty (Gulrajani et al. 2017).
#ifndef GSG_NN_ADVERSARIAL_H
#define GSG_NN_ADVERSARIAL_H

#include "graph/graph.h"

typedef enum gsg_adversarial {
    GSG_ADVERSARIAL_VANILLA = 1, // cross entropy of the logits with 1 (real) or 0
    GSG_ADVERSARIAL_LSGAN,       // mean squared difference to 1 or 0
    GSG_ADVERSARIAL_WGAN         // -mean(logits) for real, mean(logits) else
} gsg_adversarial;

// The loss of calling `logits` real (non-zero) or generated: a scalar. Of the discriminator: on real images with 1, on
// generated ones with 0; of the generator: on generated images with 1.
gsg_value gsg_nn_adversarial(gsg_graph *graph, gsg_value logits, gsg_adversarial kind, int32_t real);
// Mean over samples of (|| d sum(score) / d x_n || - 1)^2, score having been built from x. Appends the reverse pass of
// score and is differentiable in the parameters behind it: convolutions, leaky ReLU, concatenation, no normalisation.
gsg_value gsg_nn_gradient_penalty(gsg_graph *graph, gsg_value score, gsg_value x);

#endif
