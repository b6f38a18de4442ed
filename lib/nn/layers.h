// Layers as graph builders, with PyTorch's parameter names and defaults.
#ifndef GSG_NN_LAYERS_H
#define GSG_NN_LAYERS_H

#include "graph/graph.h"

// How a network is going to be used.
typedef enum gsg_mode {
    GSG_MODE_TRAIN = 1, // the batch's statistics, which move the running ones
    GSG_MODE_PROBE,     // the batch's statistics; the running ones are left alone
    GSG_MODE_INFER,     // running statistics, folded into the convolutions; no gradient
    GSG_MODE_FROZEN     // running statistics, differentiable; no dropout
} gsg_mode;

// `name` is the module's path ("down1.maxpool_conv.1.double_conv.0"); ".weight" and the rest are added.
gsg_value gsg_nn_conv(gsg_graph *graph, const char *name, gsg_value x, int64_t channels, const gsg_conv *conv,
                      int32_t bias);
// Convolution without bias ("NAME.I"), batch norm ("NAME.I+1"), leaky ReLU with `slope`.
gsg_value gsg_nn_conv_norm(gsg_graph *graph, const char *name, int32_t index, gsg_value x, int64_t channels,
                           const gsg_conv *conv, float slope, gsg_mode mode);
// What these are made of: a parameter "NAME.PART"; the weights of a convolution of x, and a bias; the convolution by
// given weights with batch norm ("NORM_NAME.weight" and the rest) and leaky ReLU.
gsg_value gsg_nn_param(gsg_graph *graph, const char *name, const char *part, gsg_param_kind kind, gsg_shape shape);
gsg_value gsg_nn_weight(gsg_graph *graph, const char *name, const char *part, gsg_value x, int64_t channels,
                        const gsg_conv *conv);
gsg_value gsg_nn_bias(gsg_graph *graph, const char *name, int64_t channels);
gsg_value gsg_nn_weighted_norm(gsg_graph *graph, const char *norm_name, gsg_value x, gsg_value weight,
                               int64_t channels, const gsg_conv *conv, float slope, gsg_mode mode);
// Batch norm ("NAME.weight", "NAME.bias") with the batch's statistics, no running ones beside, and leaky ReLU.
gsg_value gsg_nn_batch_norm(gsg_graph *graph, const char *name, gsg_value x, float slope);
// A kernel, stride and padding that are the same along all axes.
gsg_conv gsg_nn_square(int32_t spatial, int64_t kernel, int64_t stride, int64_t padding, int32_t transposed);

// Cross entropy + soft Dice over all classes and the batch, from logits; weights: of the classes, or GSG_NONE.
gsg_value gsg_nn_segmentation_loss(gsg_graph *graph, gsg_value logits, gsg_value target, gsg_value weights);
// The same with a weight for each sample (vector (N), not negative: kernel/loss.h), differentiable in logits, target
// and sample_weights. All weights 1: the same loss; all 0: 0.
gsg_value gsg_nn_weighted_loss(gsg_graph *graph, gsg_value logits, gsg_value target, gsg_value weights,
                               gsg_value sample_weights);

#endif
