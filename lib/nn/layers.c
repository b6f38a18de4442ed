// Layers as graph builders. Batch norm: epsilon 1e-5, momentum 0.1, as PyTorch's.
#include "nn/layers.h"

#include <stdbool.h>
#include <stdio.h>

#define NAME_SIZE 160

gsg_conv gsg_nn_square(int32_t spatial, int64_t kernel, int64_t stride, int64_t padding, int32_t transposed)
{
    gsg_conv conv = {.spatial = spatial, .transposed = transposed};
    for (int32_t i = 0; i < spatial; i++) {
        conv.kernel[i] = kernel;
        conv.stride[i] = stride;
        conv.padding[i] = padding;
    }
    return conv;
}

gsg_value gsg_nn_param(gsg_graph *graph, const char *name, const char *part, gsg_param_kind kind, gsg_shape shape)
{
    char full[NAME_SIZE];
    if (snprintf(full, sizeof full, "%s.%s", name, part) >= (int)sizeof full) {
        gsg_graph_fail(graph, GENSEG_ERROR_INTERNAL, "the name of a parameter is too long");
        return GSG_NONE;
    }
    return gsg_op_param(graph, full, kind, shape);
}

gsg_value gsg_nn_weight(gsg_graph *graph, const char *name, const char *part, gsg_value x, int64_t channels,
                        const gsg_conv *conv)
{
    const int64_t in = gsg_graph_shape(graph, x).dims[1];
    gsg_shape shape = {.ndim = conv->spatial + 2, .dims = {channels, in}};
    if (conv->transposed) {
        shape.dims[0] = in;
        shape.dims[1] = channels;
    }
    for (int32_t i = 0; i < conv->spatial; i++)
        shape.dims[i + 2] = conv->kernel[i];
    return gsg_nn_param(graph, name, part, conv->transposed ? GSG_PARAM_CONV_TRANSPOSED : GSG_PARAM_CONV, shape);
}

gsg_value gsg_nn_bias(gsg_graph *graph, const char *name, int64_t channels)
{
    return gsg_nn_param(graph, name, "bias", GSG_PARAM_VECTOR, gsg_shape_make(1, &channels));
}

gsg_value gsg_nn_conv(gsg_graph *graph, const char *name, gsg_value x, int64_t channels, const gsg_conv *conv,
                      int32_t bias)
{
    gsg_value w = gsg_nn_weight(graph, name, "weight", x, channels, conv);
    gsg_value b = bias ? gsg_nn_bias(graph, name, channels) : GSG_NONE;
    return gsg_op_conv(graph, x, w, b, conv);
}

static gsg_norm norm_of(float slope)
{
    return (gsg_norm){.activation = 1, .slope = slope, .epsilon = 1e-5f, .momentum = 0.1f};
}

gsg_value gsg_nn_batch_norm(gsg_graph *graph, const char *name, gsg_value x, float slope)
{
    const int64_t channels = gsg_graph_shape(graph, x).dims[1];
    const gsg_norm norm = norm_of(slope);
    gsg_value gamma = gsg_nn_param(graph, name, "weight", GSG_PARAM_VECTOR, gsg_shape_make(1, &channels));
    gsg_value beta = gsg_nn_param(graph, name, "bias", GSG_PARAM_VECTOR, gsg_shape_make(1, &channels));
    return gsg_op_norm(graph, x, gamma, beta, GSG_NONE, GSG_NONE, &norm);
}

gsg_value gsg_nn_conv_norm(gsg_graph *graph, const char *name, int32_t index, gsg_value x, int64_t channels,
                           const gsg_conv *conv, float slope, gsg_mode mode)
{
    char conv_name[NAME_SIZE], norm_name[NAME_SIZE];
    snprintf(conv_name, sizeof conv_name, "%s.%d", name, index);
    snprintf(norm_name, sizeof norm_name, "%s.%d", name, index + 1);
    gsg_value w = gsg_nn_weight(graph, conv_name, "weight", x, channels, conv);
    return gsg_nn_weighted_norm(graph, norm_name, x, w, channels, conv, slope, mode);
}

gsg_value gsg_nn_weighted_norm(gsg_graph *graph, const char *norm_name, gsg_value x, gsg_value weight,
                               int64_t channels, const gsg_conv *conv, float slope, gsg_mode mode)
{
    const gsg_shape vector = gsg_shape_make(1, &channels);
    const gsg_norm norm = norm_of(slope);
    gsg_value gamma = gsg_nn_param(graph, norm_name, "weight", GSG_PARAM_VECTOR, vector);
    gsg_value beta = gsg_nn_bias(graph, norm_name, channels);
    gsg_value mean = gsg_nn_param(graph, norm_name, "running_mean", GSG_PARAM_STATISTIC, vector);
    gsg_value variance = gsg_nn_param(graph, norm_name, "running_var", GSG_PARAM_STATISTIC, vector);
    if (mode == GSG_MODE_INFER) {
        gsg_value scale, shift;
        gsg_op_norm_fold(graph, gamma, beta, mean, variance, GSG_NONE, norm.epsilon, &scale, &shift);
        return gsg_op_conv_epilogue(graph, x, weight, scale, shift, 1, slope, conv);
    }
    gsg_value y = gsg_op_conv(graph, x, weight, GSG_NONE, conv);
    if (mode == GSG_MODE_FROZEN)
        return gsg_op_norm_running(graph, y, gamma, beta, mean, variance, &norm);
    bool moves = mode == GSG_MODE_TRAIN;
    return gsg_op_norm(graph, y, gamma, beta, moves ? mean : GSG_NONE, moves ? variance : GSG_NONE, &norm);
}

gsg_value gsg_nn_segmentation_loss(gsg_graph *graph, gsg_value logits, gsg_value target, gsg_value weights)
{
    return gsg_nn_weighted_loss(graph, logits, target, weights, GSG_NONE);
}

gsg_value gsg_nn_weighted_loss(gsg_graph *graph, gsg_value logits, gsg_value target, gsg_value weights,
                               gsg_value sample_weights)
{
    gsg_dice dice = {.background = 1, .smooth = 1e-5f};
    return gsg_op_add(graph, gsg_op_cross_entropy(graph, logits, target, weights, sample_weights),
                      gsg_op_soft_dice(graph, logits, target, sample_weights, &dice));
}
