// First values of parameters. The draw of one depends on `seed` and its place in the list, on nothing else; which is
// which follows from kinds and names.
#ifndef GSG_NN_INIT_H
#define GSG_NN_INIT_H

#include "graph/params.h"

// Weights and biases of convolutions uniform within 1/sqrt(fan-in) (He et al. 2015 with a = sqrt(5), the default of
// PyTorch's convolutions); batch norm: weight and running variance 1, the rest 0.
genseg_status gsg_init_default(gsg_params *params, uint64_t seed, gsg_error *err);
// Networks of a GAN (Radford et al. 2016, pix2pix): weights of convolutions normal with deviation 0.02, batch norm's
// weight 1 with the same deviation, running variance 1; the rest, biases and a cell's logits among it, 0.
genseg_status gsg_init_gan(gsg_params *params, uint64_t seed, gsg_error *err);

#endif
