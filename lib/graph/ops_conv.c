// Convolution and transposed convolution as graph operations (kernel/conv.h).
#include "graph/node.h"

static gsg_value build(gsg_graph *graph, gsg_value x, gsg_value weight, gsg_value scale, gsg_value shift,
                       const gsg_epilogue *epilogue, const gsg_conv *conv)
{
    gsg_shape dst;
    if (!gsg_graph_check_activation(graph, x, "convolution"))
        return GSG_NONE;
    if (weight < 0 || graph->values[weight].role != GSG_ROLE_WEIGHTS)
        return gsg_graph_error(graph, GENSEG_ERROR_INTERNAL, "convolution: its weights are none");
    if (gsg_conv_shape(conv, graph->values[x].shape, graph->values[weight].shape, &dst, &graph->error) != GENSEG_OK)
        return GSG_NONE;
    gsg_node node = {.op = GSG_OP_CONV, .src_count = 4, .src = {x, weight, scale, shift}, .dst_count = 1};
    node.conv = *conv;
    node.epilogue = *epilogue;
    node.dst[0] = gsg_graph_activation(graph, dst);
    return gsg_graph_append(graph, &node);
}

gsg_value gsg_op_conv(gsg_graph *graph, gsg_value x, gsg_value weight, gsg_value bias, const gsg_conv *conv)
{
    gsg_epilogue epilogue = {.shift = bias >= 0};
    return build(graph, x, weight, GSG_NONE, bias, &epilogue, conv);
}

gsg_value gsg_op_conv_epilogue(gsg_graph *graph, gsg_value x, gsg_value weight, gsg_value scale, gsg_value shift,
                               int32_t activation, float slope, const gsg_conv *conv)
{
    gsg_epilogue epilogue = {.scale = scale >= 0, .shift = shift >= 0, .activation = activation, .slope = slope};
    return build(graph, x, weight, scale, shift, &epilogue, conv);
}

static gsg_value backward_weights(gsg_graph *graph, const gsg_conv *conv, gsg_value src, gsg_value diff_dst,
                                  gsg_value weight, gsg_value bias, gsg_value *diff_bias)
{
    gsg_node node = {.op = GSG_OP_CONV_BACKWARD_WEIGHTS, .src_count = 2, .dst_count = bias >= 0 ? 2 : 1};
    node.conv = *conv;
    node.src[0] = src;
    node.src[1] = diff_dst;
    node.dst[0] = gsg_graph_like(graph, weight);
    if (bias >= 0)
        *diff_bias = node.dst[1] = gsg_graph_like(graph, bias);
    return gsg_graph_append(graph, &node);
}

static void differentiate(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                          gsg_value *diff_src)
{
    if (node->epilogue.scale || node->epilogue.activation) {
        gsg_graph_error(graph, GENSEG_ERROR_UNSUPPORTED, "a convolution with scale or activation has no gradient");
        return;
    }
    // Weights first: what they alone need (a recomputed source) is free again before diff_src is made.
    if (need[1] || need[3])
        diff_src[1] = backward_weights(graph, &node->conv, node->src[0], diff_dst[0], node->src[1],
                                       need[3] ? node->src[3] : GSG_NONE, &diff_src[3]);
    if (need[0]) {
        gsg_node data = {.op = GSG_OP_CONV_BACKWARD_DATA, .src_count = 2, .dst_count = 1};
        data.conv = node->conv;
        data.src[0] = diff_dst[0];
        data.src[1] = node->src[1];
        data.dst[0] = gsg_graph_like(graph, node->src[0]);
        diff_src[0] = gsg_graph_append(graph, &data);
    }
}

// Linear in both sources, as convolution is: what was the gradient of its source takes that source's place.
static void differentiate_data(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                               gsg_value *diff_src)
{
    if (need[1])
        diff_src[1] = backward_weights(graph, &node->conv, diff_dst[0], node->src[0], node->src[1], GSG_NONE, NULL);
    if (need[0])
        diff_src[0] = gsg_op_conv(graph, diff_dst[0], node->src[1], GSG_NONE, &node->conv);
}

static const gsg_weights *layout(const gsg_compile *c, gsg_value weight)
{
    return &c->graph->params->items[c->graph->values[weight].layout].layout;
}

static genseg_status compile_forward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_conv_forward_new(c->engine, &node->conv, &c->descs[node->src[0]], layout(c, node->src[1]),
                                &c->descs[node->dst[0]], &node->epilogue, GSG_CONV_AUTO, kernel, err);
}

static genseg_status compile_data(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_conv_backward_data_new(c->engine, &node->conv, &c->descs[node->dst[0]], layout(c, node->src[1]),
                                      &c->descs[node->src[0]], GSG_CONV_AUTO, kernel, err);
}

static genseg_status compile_weights(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_conv_backward_weights_new(c->engine, &node->conv, &c->descs[node->src[0]], layout(c, node->dst[0]),
                                         &c->descs[node->src[1]], node->dst_count > 1, GSG_CONV_AUTO, kernel, err);
}

const gsg_operation gsg_operation_conv = {.name = "convolution", .differentiate = differentiate,
                                          .compile = compile_forward};
const gsg_operation gsg_operation_conv_backward_data = {
    .name = "convolution backward data", .differentiate = differentiate_data, .compile = compile_data};
const gsg_operation gsg_operation_conv_backward_weights = {.name = "convolution backward weights",
                                                           .compile = compile_weights};
