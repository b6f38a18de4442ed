// What level III controls beside the networks, as graph operations: augmentation (kernel/deform.h,
// kernel/appearance.h) and the choice of a batch's weights from those of all pairs (kernel/gather.h).
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

gsg_value gsg_op_gather(gsg_graph *graph, gsg_value x, gsg_value index)
{
    if (!gsg_graph_ok(graph))
        return GSG_NONE;
    if (x < 0 || index < 0 || graph->values[x].role != GSG_ROLE_VECTOR || graph->values[index].role != GSG_ROLE_VECTOR)
        return gsg_graph_error(graph, GENSEG_ERROR_INTERNAL, "gather: no vectors");
    // Rows are padded each: a matrix has no single order of elements.
    const int64_t length = gsg_shape_count(graph->values[x].shape), count = gsg_shape_count(graph->values[index].shape);
    if ((graph->values[x].shape.ndim == 2 && graph->values[x].shape.dims[0] != 1) ||
        (graph->values[index].shape.ndim == 2 && graph->values[index].shape.dims[0] != 1))
        return gsg_graph_error(graph, GENSEG_ERROR_SHAPE, "gather: %lld of %lld elements in more than one row",
                               (long long)count, (long long)length);
    gsg_node node = {.op = GSG_OP_GATHER, .src_count = 2, .src = {x, index}, .dst_count = 1};
    node.dst[0] = gsg_graph_vector(graph, 1, count);
    return gsg_graph_append(graph, &node);
}

static void differentiate_gather(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                                 gsg_value *diff_src)
{
    if (need[1]) {
        gsg_graph_error(graph, GENSEG_ERROR_UNSUPPORTED, "gather has no gradient for its indices");
        return;
    }
    gsg_node back = {.op = GSG_OP_GATHER_BACKWARD, .src_count = 2, .src = {node->src[1], diff_dst[0]}, .dst_count = 1};
    diff_src[0] = back.dst[0] = gsg_graph_like(graph, node->src[0]);
    gsg_graph_append(graph, &back);
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

static int64_t elements(const gsg_compile *c, gsg_value value)
{
    return gsg_shape_count(c->graph->values[value].shape);
}

static genseg_status compile_gather(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_gather_new(c->engine, elements(c, node->src[0]), elements(c, node->src[1]), kernel, err);
}

static genseg_status compile_gather_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                             gsg_error *err)
{
    return gsg_gather_backward_new(c->engine, elements(c, node->dst[0]), elements(c, node->src[0]), kernel, err);
}

const gsg_operation gsg_operation_deform = {
    .name = "deform", .differentiate = differentiate, .compile = compile_deform};
const gsg_operation gsg_operation_deform_backward = {.name = "deform backward", .compile = compile_deform_backward};
const gsg_operation gsg_operation_appearance = {
    .name = "appearance", .differentiate = differentiate, .compile = compile_appearance};
const gsg_operation gsg_operation_appearance_backward = {.name = "appearance backward",
                                                         .compile = compile_appearance_backward};
const gsg_operation gsg_operation_gather = {
    .name = "gather", .differentiate = differentiate_gather, .compile = compile_gather};
const gsg_operation gsg_operation_gather_backward = {.name = "gather backward", .compile = compile_gather_backward};
