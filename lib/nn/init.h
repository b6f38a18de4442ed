// First values of parameters, as PyTorch's modules draw them.
#ifndef GSG_NN_INIT_H
#define GSG_NN_INIT_H

#include "graph/params.h"

// Weights and biases of convolutions uniform within 1/sqrt(fan-in) (He et al. 2015 with a = sqrt(5), the default of
// PyTorch's convolutions); batch norm: weight and running variance 1, the rest 0. Which is which follows from the
// names. The draw of a parameter depends on `seed` and its place in the list, on nothing else.
genseg_status gsg_init_default(gsg_params *params, uint64_t seed, gsg_error *err);

#endif
