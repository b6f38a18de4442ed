// Reductions and losses of a graph (kernel/loss.h): scalars.
#include "graph/node.h"

static gsg_value reduction(gsg_graph *graph, gsg_node node)
{
    node.dst_count = 1;
    node.dst[0] = gsg_graph_scalar(graph);
    return gsg_graph_append(graph, &node);
}

gsg_value gsg_op_sum(gsg_graph *graph, gsg_value x, float constant)
{
    if (!gsg_graph_check_activation(graph, x, "sum"))
        return GSG_NONE;
    gsg_node node = {.op = GSG_OP_SUM, .src_count = 1, .src = {x}};
    node.constant = constant;
    return reduction(graph, node);
}

gsg_value gsg_op_mean(gsg_graph *graph, gsg_value x)
{
    return gsg_op_sum(graph, x, (float)(1.0 / (double)gsg_shape_count(gsg_graph_shape(graph, x))));
}

// Activations of one shape, or vectors of one length (sums over their padding add zeros).
static bool check_pair(gsg_graph *graph, gsg_value a, gsg_value b, const char *op)
{
    bool vectors = gsg_graph_ok(graph) && a >= 0 && b >= 0 && graph->values[a].role != GSG_ROLE_ACTIVATION &&
                   graph->values[a].role == graph->values[b].role && graph->values[a].floats == graph->values[b].floats;
    return vectors || gsg_graph_check_equal(graph, a, b, op);
}

gsg_value gsg_op_dot(gsg_graph *graph, gsg_value a, gsg_value b, float constant)
{
    if (!check_pair(graph, a, b, "dot"))
        return GSG_NONE;
    gsg_node node = {.op = GSG_OP_DOT, .src_count = 2, .src = {a, b}};
    node.constant = constant;
    return reduction(graph, node);
}

gsg_value gsg_op_l1(gsg_graph *graph, gsg_value a, gsg_value b)
{
    if (!gsg_graph_check_equal(graph, a, b, "l1"))
        return GSG_NONE;
    return reduction(graph, (gsg_node){.op = GSG_OP_L1, .src_count = 2, .src = {a, b}});
}

gsg_value gsg_op_mse(gsg_graph *graph, gsg_value a, gsg_value b)
{
    if (!gsg_graph_check_equal(graph, a, b, "mse"))
        return GSG_NONE;
    return reduction(graph, (gsg_node){.op = GSG_OP_MSE, .src_count = 2, .src = {a, b}});
}

gsg_value gsg_op_unit_penalty(gsg_graph *graph, gsg_value x)
{
    if (!gsg_graph_check_activation(graph, x, "unit penalty"))
        return GSG_NONE;
    return reduction(graph, (gsg_node){.op = GSG_OP_UNIT_PENALTY, .src_count = 1, .src = {x}});
}

gsg_value gsg_op_fill(gsg_graph *graph, gsg_shape shape, float constant)
{
    char text[GSG_SHAPE_TEXT_SIZE];
    if (gsg_graph_ok(graph) && (shape.ndim < 4 || gsg_shape_count(shape) <= 0))
        return gsg_graph_error(graph, GENSEG_ERROR_SHAPE, "fill: shape %s", gsg_shape_text(shape, text));
    gsg_node node = {.op = GSG_OP_FILL, .src_count = 1, .src = {GSG_NONE}, .dst_count = 1};
    node.constant = constant;
    node.dst[0] = gsg_graph_activation(graph, shape);
    return gsg_graph_append(graph, &node);
}

static bool check_samples(gsg_graph *graph, gsg_value logits, gsg_value sample_weights, const char *op)
{
    const int64_t samples = graph->values[logits].shape.dims[0];
    if (sample_weights < 0 || (graph->values[sample_weights].role == GSG_ROLE_VECTOR &&
                               gsg_shape_count(graph->values[sample_weights].shape) == samples))
        return true;
    gsg_graph_error(graph, GENSEG_ERROR_SHAPE, "%s: %lld weights for %lld samples", op,
                    (long long)gsg_shape_count(graph->values[sample_weights].shape), (long long)samples);
    return false;
}

gsg_value gsg_op_cross_entropy(gsg_graph *graph, gsg_value logits, gsg_value target, gsg_value weights,
                               gsg_value sample_weights)
{
    if (!gsg_graph_check_equal(graph, logits, target, "cross entropy") ||
        !check_samples(graph, logits, sample_weights, "cross entropy"))
        return GSG_NONE;
    const int64_t classes = graph->values[logits].shape.dims[1];
    if (weights >= 0 && gsg_shape_count(graph->values[weights].shape) != classes)
        return gsg_graph_error(graph, GENSEG_ERROR_SHAPE, "cross entropy: %lld weights for %lld classes",
                               (long long)gsg_shape_count(graph->values[weights].shape), (long long)classes);
    return reduction(
        graph,
        (gsg_node){.op = GSG_OP_CROSS_ENTROPY, .src_count = 4, .src = {logits, target, weights, sample_weights}});
}

gsg_value gsg_op_soft_dice(gsg_graph *graph, gsg_value logits, gsg_value target, gsg_value sample_weights,
                           const gsg_dice *dice)
{
    if (!gsg_graph_check_equal(graph, logits, target, "soft Dice") ||
        !check_samples(graph, logits, sample_weights, "soft Dice"))
        return GSG_NONE;
    gsg_node node = {.op = GSG_OP_SOFT_DICE, .src_count = 3, .src = {logits, target, sample_weights}};
    node.dice = *dice;
    return reduction(graph, node);
}

static void differentiate_sum(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                              gsg_value *diff_src)
{
    gsg_node fill = {.op = GSG_OP_FILL, .src_count = 1, .src = {diff_dst[0]}, .dst_count = 1};
    fill.constant = node->constant;
    fill.dst[0] = gsg_graph_like(graph, node->src[0]);
    diff_src[0] = gsg_graph_append(graph, &fill);
}

static void differentiate_fill(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                               gsg_value *diff_src)
{
    diff_src[0] = gsg_op_sum(graph, diff_dst[0], node->constant);
}

static void differentiate_dot(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                              gsg_value *diff_src)
{
    for (int i = 0; i < 2; i++)
        if (need[i])
            diff_src[i] = gsg_op_scale(graph, node->src[1 - i], node->constant, diff_dst[0]);
}

// Losses: sources, then diff_loss, to the gradient of the first source.
static gsg_value backward(gsg_graph *graph, const gsg_node *node, gsg_op op, gsg_value diff_loss)
{
    gsg_node back = *node;
    back.op = op;
    back.src[back.src_count++] = diff_loss;
    back.dst[0] = gsg_graph_like(graph, node->src[0]);
    return gsg_graph_append(graph, &back);
}

static void differentiate_penalty(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                                  gsg_value *diff_src)
{
    diff_src[0] = backward(graph, node, GSG_OP_UNIT_PENALTY_BACKWARD, diff_dst[0]);
}

// |a - b| and (a - b)^2 look the same from b with the sources exchanged.
static void differentiate_difference(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst,
                                     const bool *need, gsg_value *diff_src)
{
    gsg_op op = node->op == GSG_OP_L1 ? GSG_OP_L1_BACKWARD : GSG_OP_MSE_BACKWARD;
    gsg_node swapped = *node;
    swapped.src[0] = node->src[1];
    swapped.src[1] = node->src[0];
    if (need[0])
        diff_src[0] = backward(graph, node, op, diff_dst[0]);
    if (need[1])
        diff_src[1] = backward(graph, &swapped, op, diff_dst[0]);
}

// The weights of classes are data: a gradient for them is refused rather than left out silently.
static void differentiate_loss(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                               gsg_value *diff_src)
{
    const int32_t entropy = node->op == GSG_OP_CROSS_ENTROPY, last = node->src_count - 1;
    if (entropy && need[2]) {
        gsg_graph_error(graph, GENSEG_ERROR_UNSUPPORTED, "%s has no gradient for the weights of classes",
                        gsg_operation_of(node->op)->name);
        return;
    }
    gsg_node back = *node;
    back.op = entropy ? GSG_OP_CROSS_ENTROPY_BACKWARD : GSG_OP_SOFT_DICE_BACKWARD;
    back.src[back.src_count++] = diff_dst[0];
    back.dst_count = 3;
    const int32_t sources[3] = {0, 1, last};
    for (int i = 0; i < 3; i++)
        diff_src[sources[i]] = back.dst[i] = need[sources[i]] ? gsg_graph_like(graph, node->src[sources[i]]) : GSG_NONE;
    gsg_graph_append(graph, &back);
}

#define SRC(i) (&c->descs[node->src[i]])
#define DST(i) (&c->descs[node->dst[i]])
#define WANTED(i) (node->dst[i] >= 0 ? DST(i) : NULL)

static genseg_status compile_sum(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_sum_new(c->engine, node->constant, SRC(0), kernel, err);
}

static genseg_status compile_fill(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_fill_new(c->engine, node->constant, DST(0), kernel, err);
}

static genseg_status compile_dot(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_dot_new(c->engine, node->constant, SRC(0), SRC(1), kernel, err);
}

static genseg_status compile_l1(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_l1_forward_new(c->engine, SRC(0), SRC(1), kernel, err);
}

static genseg_status compile_l1_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                         gsg_error *err)
{
    return gsg_l1_backward_new(c->engine, SRC(0), SRC(1), DST(0), kernel, err);
}

static genseg_status compile_mse(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_mse_forward_new(c->engine, SRC(0), SRC(1), kernel, err);
}

static genseg_status compile_mse_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                          gsg_error *err)
{
    return gsg_mse_backward_new(c->engine, SRC(0), SRC(1), DST(0), kernel, err);
}

static genseg_status compile_penalty(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_unit_penalty_forward_new(c->engine, SRC(0), kernel, err);
}

static genseg_status compile_penalty_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                              gsg_error *err)
{
    return gsg_unit_penalty_backward_new(c->engine, SRC(0), DST(0), kernel, err);
}

static genseg_status compile_ce(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_cross_entropy_forward_new(c->engine, SRC(0), SRC(1), kernel, err);
}

static genseg_status compile_ce_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                         gsg_error *err)
{
    return gsg_cross_entropy_backward_new(c->engine, SRC(0), SRC(1), WANTED(0), WANTED(1), kernel, err);
}

static genseg_status compile_dice(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_dice_forward_new(c->engine, &node->dice, SRC(0), SRC(1), kernel, err);
}

static genseg_status compile_dice_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                           gsg_error *err)
{
    return gsg_dice_backward_new(c->engine, &node->dice, SRC(0), SRC(1), WANTED(0), WANTED(1), kernel, err);
}

const gsg_operation gsg_operation_sum = {.name = "sum", .differentiate = differentiate_sum, .compile = compile_sum};
const gsg_operation gsg_operation_fill = {
    .name = "fill", .differentiate = differentiate_fill, .compile = compile_fill};
const gsg_operation gsg_operation_dot = {.name = "dot", .differentiate = differentiate_dot, .compile = compile_dot};
const gsg_operation gsg_operation_l1 = {.name = "l1", .differentiate = differentiate_difference, .compile = compile_l1};
const gsg_operation gsg_operation_l1_backward = {.name = "l1 backward", .compile = compile_l1_backward};
const gsg_operation gsg_operation_mse = {
    .name = "mse", .differentiate = differentiate_difference, .compile = compile_mse};
const gsg_operation gsg_operation_mse_backward = {.name = "mse backward", .compile = compile_mse_backward};
const gsg_operation gsg_operation_unit_penalty = {
    .name = "unit penalty", .differentiate = differentiate_penalty, .compile = compile_penalty};
const gsg_operation gsg_operation_unit_penalty_backward = {.name = "unit penalty backward",
                                                           .compile = compile_penalty_backward, .in_place = 1 + 0};
const gsg_operation gsg_operation_cross_entropy = {
    .name = "cross entropy", .differentiate = differentiate_loss, .compile = compile_ce};
const gsg_operation gsg_operation_cross_entropy_backward = {.name = "cross entropy backward",
                                                            .compile = compile_ce_backward};
const gsg_operation gsg_operation_soft_dice = {
    .name = "soft Dice", .differentiate = differentiate_loss, .compile = compile_dice};
const gsg_operation gsg_operation_soft_dice_backward = {.name = "soft Dice backward", .compile = compile_dice_backward};
