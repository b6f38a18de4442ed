// Differentiable augmentation as graph operations (kernel/deform.h, kernel/appearance.h).
#include "graph/node.h"

// A vector of `rows` rows of `count` values.
static bool check_vector(gsg_graph *graph, gsg_value vector, int64_t rows, int64_t count, const char *op,
                         const char *name)
{
    if (!gsg_graph_ok(graph))
        return false;
    if (vector < 0 || vector >= graph->value_count || graph->values[vector].role != GSG_ROLE_VECTOR) {
        gsg_graph_error(graph, GENSEG_ERROR_INTERNAL, "%s: its %s are no vector", op, name);
        return false;
    }
    // A single row may come without its dimension.
    const gsg_shape shape = graph->values[vector].shape;
    const bool fits = shape.ndim == 2 ? shape.dims[0] == rows && shape.dims[1] == count
                                      : rows == 1 && shape.ndim == 1 && shape.dims[0] == count;
    char text[GSG_SHAPE_TEXT_SIZE];
    if (!fits)
        gsg_graph_error(graph, GENSEG_ERROR_SHAPE, "%s: %s of %s, not %lldx%lld", op, name, gsg_shape_text(shape, text),
                        (long long)rows, (long long)count);
    return fits;
}

static gsg_value build(gsg_graph *graph, gsg_node node, gsg_value x, gsg_value draws, gsg_value magnitudes)
{
    node.src_count = 3;
    node.src[0] = x;
    node.src[1] = draws;
    node.src[2] = magnitudes;
    node.dst_count = 1;
    node.dst[0] = gsg_graph_like(graph, x);
    return gsg_graph_append(graph, &node);
}

gsg_value gsg_op_deform(gsg_graph *graph, gsg_value x, gsg_value draws, gsg_value magnitudes, const gsg_deform *deform)
{
    if (!gsg_graph_check_activation(graph, x, "deform"))
        return GSG_NONE;
    const gsg_shape shape = graph->values[x].shape;
    if (!check_vector(graph, draws, shape.dims[0], gsg_deform_draws(shape), "deform", "draws") ||
        !check_vector(graph, magnitudes, 1, GSG_DEFORM_MAGNITUDES, "deform", "magnitudes"))
        return GSG_NONE;
    gsg_node node = {.op = GSG_OP_DEFORM};
    node.deform = *deform;
    return build(graph, node, x, draws, magnitudes);
}

gsg_value gsg_op_appearance(gsg_graph *graph, gsg_value x, gsg_value draws, gsg_value magnitudes,
                            const gsg_appearance *appearance)
{
    if (!gsg_graph_check_activation(graph, x, "appearance"))
        return GSG_NONE;
    const int64_t samples = graph->values[x].shape.dims[0];
    if (!check_vector(graph, draws, samples, GSG_APPEARANCE_DRAWS, "appearance", "draws") ||
        !check_vector(graph, magnitudes, 1, GSG_APPEARANCE_MAGNITUDES, "appearance", "magnitudes"))
        return GSG_NONE;
    gsg_node node = {.op = GSG_OP_APPEARANCE};
    node.appearance = *appearance;
    return build(graph, node, x, draws, magnitudes);
}

// Draws are data, as the random numbers of dropout are.
static void differentiate(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                          gsg_value *diff_src)
{
    if (need[1]) {
        gsg_graph_error(graph, GENSEG_ERROR_UNSUPPORTED, "%s has no gradient for its draws",
                        gsg_operation_of(node->op)->name);
        return;
    }
    gsg_node back = *node;
    back.op = node->op == GSG_OP_DEFORM ? GSG_OP_DEFORM_BACKWARD : GSG_OP_APPEARANCE_BACKWARD;
    back.src[back.src_count++] = diff_dst[0];
    back.dst_count = 2;
    for (int i = 0; i < 2; i++)
        diff_src[2 * i] = back.dst[i] = need[2 * i] ? gsg_graph_like(graph, node->src[2 * i]) : GSG_NONE;
    gsg_graph_append(graph, &back);
}

#define SRC(i) (&c->descs[node->src[i]])
#define DST(i) (&c->descs[node->dst[i]])

static genseg_status compile_deform(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_deform_forward_new(c->engine, &node->deform, SRC(0), DST(0), kernel, err);
}

static genseg_status compile_deform_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                             gsg_error *err)
{
    return gsg_deform_backward_new(c->engine, &node->deform, SRC(0), SRC(3), node->dst[0] >= 0 ? DST(0) : NULL, kernel,
                                   err);
}

static genseg_status compile_appearance(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_appearance_forward_new(c->engine, &node->appearance, SRC(0), DST(0), kernel, err);
}

static genseg_status compile_appearance_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                                 gsg_error *err)
{
    return gsg_appearance_backward_new(c->engine, &node->appearance, SRC(0), SRC(3), node->dst[0] >= 0 ? DST(0) : NULL,
                                       kernel, err);
}

const gsg_operation gsg_operation_deform = {
    .name = "deform", .differentiate = differentiate, .compile = compile_deform};
const gsg_operation gsg_operation_deform_backward = {.name = "deform backward", .compile = compile_deform_backward};
const gsg_operation gsg_operation_appearance = {
    .name = "appearance", .differentiate = differentiate, .compile = compile_appearance};
const gsg_operation gsg_operation_appearance_backward = {.name = "appearance backward",
                                                         .compile = compile_appearance_backward};
