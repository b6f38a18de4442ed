// Element-wise operations of a graph (kernel/pointwise.h).
#include "graph/node.h"

gsg_value gsg_op_activation(gsg_graph *graph, gsg_value x, gsg_activation kind, float slope)
{
    gsg_node node = {.op = GSG_OP_ACTIVATION};
    node.activation = kind;
    node.slope = slope;
    return gsg_graph_unary(graph, node, x, "activation");
}

gsg_value gsg_op_softmax(gsg_graph *graph, gsg_value x)
{
    return gsg_graph_unary(graph, (gsg_node){.op = GSG_OP_SOFTMAX}, x, "softmax");
}

static gsg_value binary(gsg_graph *graph, gsg_op op, gsg_value a, gsg_value b)
{
    // Gradients of parameters are summed too, where one is used twice: any role will do.
    bool plain = gsg_graph_ok(graph) && a >= 0 && b >= 0 && graph->values[a].role != GSG_ROLE_ACTIVATION &&
                 graph->values[b].role == graph->values[a].role &&
                 graph->values[a].floats == graph->values[b].floats;
    if (!plain && !gsg_graph_check_equal(graph, a, b, gsg_operation_of(op)->name))
        return GSG_NONE;
    gsg_node node = {.op = op, .src_count = 2, .src = {a, b}, .dst_count = 1};
    node.dst[0] = gsg_graph_like(graph, a);
    return gsg_graph_append(graph, &node);
}

gsg_value gsg_op_add(gsg_graph *graph, gsg_value a, gsg_value b)
{
    return binary(graph, GSG_OP_ADD, a, b);
}

gsg_value gsg_op_multiply(gsg_graph *graph, gsg_value a, gsg_value b)
{
    return binary(graph, GSG_OP_MULTIPLY, a, b);
}

gsg_value gsg_op_scale(gsg_graph *graph, gsg_value x, float constant, gsg_value factor)
{
    if (!gsg_graph_ok(graph))
        return GSG_NONE;
    if (x < 0 || (factor >= 0 && !gsg_graph_is_scalar(graph, factor)))
        return gsg_graph_error(graph, GENSEG_ERROR_INTERNAL, "scale: no source, or a factor that is no scalar");
    gsg_node node = {.op = GSG_OP_SCALE, .src_count = 2, .src = {x, factor}, .dst_count = 1};
    node.constant = constant;
    node.dst[0] = gsg_graph_like(graph, x);
    return gsg_graph_append(graph, &node);
}

gsg_value gsg_op_dropout(gsg_graph *graph, gsg_value x, float p)
{
    if (gsg_graph_ok(graph) && !(p >= 0 && p < 1))
        return gsg_graph_error(graph, GENSEG_ERROR_INVALID, "dropout: p is %g, not in [0, 1)", (double)p);
    gsg_node node = {.op = GSG_OP_DROPOUT};
    node.constant = p;
    node.id = ++graph->dropouts;
    return gsg_graph_unary(graph, node, x, "dropout");
}

// Activation and softmax: the gradient follows from the result.
static void differentiate_from_dst(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst,
                                   const bool *need, gsg_value *diff_src)
{
    gsg_node back = *node;
    back.op = node->op == GSG_OP_SOFTMAX ? GSG_OP_SOFTMAX_BACKWARD : GSG_OP_ACTIVATION_BACKWARD;
    back.src_count = 2;
    back.src[0] = node->dst[0];
    back.src[1] = diff_dst[0];
    back.dst[0] = gsg_graph_like(graph, node->src[0]);
    diff_src[0] = gsg_graph_append(graph, &back);
}

// Linear in diff_dst. Through the result flows nothing where it only tells which of two slopes holds.
static void differentiate_activation_backward(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst,
                                              const bool *need, gsg_value *diff_src)
{
    if (need[0] && node->activation != GSG_ACT_RELU) {
        gsg_graph_error(graph, GENSEG_ERROR_UNSUPPORTED, "%s has no gradient, but that of ReLU",
                        gsg_operation_of(node->op)->name);
        return;
    }
    if (!need[1])
        return;
    gsg_node back = *node;
    back.src[1] = diff_dst[0];
    back.dst[0] = gsg_graph_like(graph, node->src[1]);
    diff_src[1] = gsg_graph_append(graph, &back);
}

static void differentiate_add(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                              gsg_value *diff_src)
{
    diff_src[0] = need[0] ? diff_dst[0] : GSG_NONE;
    diff_src[1] = need[1] ? diff_dst[0] : GSG_NONE;
}

static void differentiate_multiply(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst,
                                   const bool *need, gsg_value *diff_src)
{
    for (int i = 0; i < 2; i++)
        if (need[i])
            diff_src[i] = gsg_op_multiply(graph, diff_dst[0], node->src[1 - i]);
}

static void differentiate_scale(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                                gsg_value *diff_src)
{
    if (need[0])
        diff_src[0] = gsg_op_scale(graph, diff_dst[0], node->constant, node->src[1]);
    if (need[1])
        diff_src[1] = gsg_op_dot(graph, diff_dst[0], node->src[0], node->constant);
}

static void differentiate_dropout(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst,
                                  const bool *need, gsg_value *diff_src)
{
    gsg_node back = *node; // the same mask on the gradient
    back.src[0] = diff_dst[0];
    back.dst[0] = gsg_graph_like(graph, node->src[0]);
    diff_src[0] = gsg_graph_append(graph, &back);
}

#define SRC(i) (&c->descs[node->src[i]])
#define DST(i) (&c->descs[node->dst[i]])

static genseg_status compile_activation(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                        gsg_error *err)
{
    return gsg_activation_forward_new(c->engine, node->activation, node->slope, SRC(0), DST(0), kernel, err);
}

static genseg_status compile_activation_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                                 gsg_error *err)
{
    return gsg_activation_backward_new(c->engine, node->activation, node->slope, SRC(0), SRC(1), DST(0), kernel, err);
}

static genseg_status compile_softmax(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_softmax_forward_new(c->engine, SRC(0), DST(0), kernel, err);
}

static genseg_status compile_softmax_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                              gsg_error *err)
{
    return gsg_softmax_backward_new(c->engine, SRC(0), SRC(1), DST(0), kernel, err);
}

static genseg_status compile_add(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_add_new(c->engine, SRC(0), SRC(1), DST(0), kernel, err);
}

static genseg_status compile_multiply(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_multiply_new(c->engine, SRC(0), SRC(1), DST(0), kernel, err);
}

static genseg_status compile_scale(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_scale_new(c->engine, node->constant, SRC(0), DST(0), kernel, err);
}

static genseg_status compile_dropout(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_dropout_new(c->engine, node->constant, node->id, SRC(0), DST(0), kernel, err);
}

const gsg_operation gsg_operation_activation = {.name = "activation", .differentiate = differentiate_from_dst,
                                                .compile = compile_activation, .cheap = 1, .in_place = 1 + 0};
const gsg_operation gsg_operation_activation_backward = {.name = "activation backward",
                                                         .differentiate = differentiate_activation_backward,
                                                         .compile = compile_activation_backward, .in_place = 1 + 1};
const gsg_operation gsg_operation_softmax = {.name = "softmax", .differentiate = differentiate_from_dst,
                                             .compile = compile_softmax};
const gsg_operation gsg_operation_softmax_backward = {.name = "softmax backward",
                                                      .compile = compile_softmax_backward};
const gsg_operation gsg_operation_add = {.name = "add", .differentiate = differentiate_add, .compile = compile_add,
                                         .cheap = 1, .in_place = 1 + 0};
const gsg_operation gsg_operation_multiply = {.name = "multiply", .differentiate = differentiate_multiply,
                                              .compile = compile_multiply, .cheap = 1, .in_place = 1 + 0};
const gsg_operation gsg_operation_scale = {.name = "scale", .differentiate = differentiate_scale,
                                           .compile = compile_scale, .cheap = 1, .in_place = 1 + 0};
const gsg_operation gsg_operation_dropout = {.name = "dropout", .differentiate = differentiate_dropout,
                                             .compile = compile_dropout, .cheap = 1, .in_place = 1 + 0};
