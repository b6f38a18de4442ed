// Searchable cells (GenSeg, arXiv 2408.17421, Fig. 1): a strided or transposed convolution whose kernel is a mixture of
// candidates 4, 6 and 8 at stride 2, computed as one merged convolution (kernel/merge.h).
#ifndef GSG_NN_CELL_H
#define GSG_NN_CELL_H

#include "nn/layers.h"

typedef struct gsg_cell {
    int32_t spatial;
    int32_t transposed; // halves the size, or doubles it
    int32_t candidates; // 1 to 3: the kernels 4; 4 and 6; 4, 6 and 8
    int32_t fixed;      // 0: searchable; else the cell is a plain convolution of this kernel
} gsg_cell;

// Parameters: "NAME.k4.weight", "NAME.k6.weight", "NAME.k8.weight" and the logits "NAME.alpha" (zero at first; none
// where there is one candidate), or "NAME.weight" where `fixed`; "NAME.bias" with `bias`.
gsg_value gsg_nn_cell(gsg_graph *graph, const char *name, gsg_value x, int64_t channels, const gsg_cell *cell,
                      int32_t bias);
// The same without bias, then batch norm ("NAME.norm.weight" and the rest) and leaky ReLU with `slope`.
gsg_value gsg_nn_cell_norm(gsg_graph *graph, const char *name, gsg_value x, int64_t channels, const gsg_cell *cell,
                           float slope, gsg_mode mode);
// Is the parameter a cell's logits, which belong to the architecture and not to the weights?
int32_t gsg_nn_is_architecture(const gsg_param *param);

#define GSG_CELL_FIRST 4 // the smallest kernel; each candidate is 2 larger than the one before

// Index in params of the candidate of searchable cell `name` whose logit is largest (the smallest kernel among equals);
// -1 where it has no parameters there. *kernel: its size.
int32_t gsg_nn_cell_best(const gsg_params *params, const char *name, int32_t candidates, int32_t *kernel);
// The merged kernel of the cell into a parameter like its largest candidate. INTERNAL where there is no such cell, or
// `merged` is another.
genseg_status gsg_nn_cell_merged(const gsg_params *params, const char *name, int32_t candidates, gsg_param *merged,
                                 gsg_error *err);

#endif
