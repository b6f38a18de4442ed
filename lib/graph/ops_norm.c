// Batch and instance normalisation as graph operations (kernel/norm.h): statistics
// and application are two nodes, so that the application can be repeated in the
// reverse pass instead of keeping its result.
#include "graph/node.h"

static bool check_vector(gsg_graph *graph, gsg_value vector, int64_t channels, const char *name)
{
    if (vector < 0 || gsg_shape_count(graph->values[vector].shape) == channels)
        return true;
    gsg_graph_error(graph, GENSEG_ERROR_SHAPE, "normalisation: %s has %lld values for %lld channels", name,
                    (long long)gsg_shape_count(graph->values[vector].shape), (long long)channels);
    return false;
}

static gsg_value apply(gsg_graph *graph, gsg_value x, gsg_value mean, gsg_value rstd, gsg_value gamma, gsg_value beta,
                       const gsg_norm *norm, int32_t fixed)
{
    gsg_node node = {.op = GSG_OP_NORM_APPLY, .src_count = 5, .src = {x, mean, rstd, gamma, beta}, .dst_count = 1};
    node.norm = *norm;
    node.fixed = fixed;
    node.dst[0] = gsg_graph_like(graph, x);
    return gsg_graph_append(graph, &node);
}

static gsg_value build(gsg_graph *graph, gsg_value x, gsg_value gamma, gsg_value beta, gsg_value running_mean,
                       gsg_value running_variance, const gsg_norm *norm, int32_t fixed)
{
    if (!gsg_graph_check_activation(graph, x, "normalisation"))
        return GSG_NONE;
    const int64_t channels = graph->values[x].shape.dims[1];
    if (!check_vector(graph, gamma, channels, "gamma") || !check_vector(graph, beta, channels, "beta") ||
        !check_vector(graph, running_mean, channels, "running_mean") ||
        !check_vector(graph, running_variance, channels, "running_var"))
        return GSG_NONE;
    const int64_t rows = norm->per_sample ? graph->values[x].shape.dims[0] : 1;
    gsg_node statistics = {.op = fixed ? GSG_OP_NORM_RUNNING : GSG_OP_NORM_STATISTICS, .dst_count = 2};
    statistics.norm = *norm;
    if (!fixed)
        statistics.src[statistics.src_count++] = x;
    statistics.src[statistics.src_count++] = running_mean;
    statistics.src[statistics.src_count++] = running_variance;
    statistics.dst[0] = gsg_graph_vector(graph, rows, channels);
    statistics.dst[1] = gsg_graph_vector(graph, rows, channels);
    gsg_graph_append(graph, &statistics);
    return apply(graph, x, statistics.dst[0], statistics.dst[1], gamma, beta, norm, fixed);
}

gsg_value gsg_op_norm(gsg_graph *graph, gsg_value x, gsg_value gamma, gsg_value beta, gsg_value running_mean,
                      gsg_value running_variance, const gsg_norm *norm)
{
    return build(graph, x, gamma, beta, running_mean, running_variance, norm, 0);
}

gsg_value gsg_op_norm_running(gsg_graph *graph, gsg_value x, gsg_value gamma, gsg_value beta, gsg_value running_mean,
                              gsg_value running_variance, const gsg_norm *norm)
{
    if (gsg_graph_ok(graph) && (running_mean < 0 || running_variance < 0 || norm->per_sample))
        return gsg_graph_error(graph, GENSEG_ERROR_INTERNAL, "normalisation: running statistics are missing");
    return build(graph, x, gamma, beta, running_mean, running_variance, norm, 1);
}

void gsg_op_norm_fold(gsg_graph *graph, gsg_value gamma, gsg_value beta, gsg_value running_mean,
                      gsg_value running_variance, gsg_value bias, float epsilon, gsg_value *scale, gsg_value *shift)
{
    *scale = *shift = GSG_NONE;
    if (!gsg_graph_ok(graph))
        return;
    if (running_mean < 0 || running_variance < 0) {
        gsg_graph_error(graph, GENSEG_ERROR_INTERNAL, "normalisation: running statistics are missing");
        return;
    }
    const int64_t channels = gsg_shape_count(graph->values[running_mean].shape);
    gsg_node node = {.op = GSG_OP_NORM_FOLD,
                     .src_count = 5,
                     .src = {gamma, beta, running_mean, running_variance, bias},
                     .dst_count = 2};
    node.norm = (gsg_norm){.epsilon = epsilon};
    *scale = node.dst[0] = gsg_graph_vector(graph, 1, channels);
    *shift = node.dst[1] = gsg_graph_vector(graph, 1, channels);
    gsg_graph_append(graph, &node);
}

// The statistics' own share of the gradient is in NORM_BACKWARD, unless they are `fixed`.
static void differentiate(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                          gsg_value *diff_src)
{
    const gsg_value *s = node->src;
    gsg_node back = {.op = GSG_OP_NORM_BACKWARD,
                     .src_count = 6,
                     .src = {s[0], s[1], s[2], s[3], s[4], diff_dst[0]},
                     .dst_count = 3};
    back.norm = node->norm;
    back.fixed = node->fixed;
    diff_src[0] = back.dst[0] = gsg_graph_like(graph, s[0]);
    diff_src[3] = back.dst[1] = need[3] ? gsg_graph_like(graph, s[3]) : GSG_NONE;
    diff_src[4] = back.dst[2] = need[4] ? gsg_graph_like(graph, s[4]) : GSG_NONE;
    gsg_graph_append(graph, &back);
}

static genseg_status compile_statistics(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                        gsg_error *err)
{
    return gsg_norm_statistics_new(c->engine, &node->norm, &c->descs[node->src[0]], kernel, err);
}

static int64_t vector_channels(const gsg_compile *c, gsg_value vector)
{
    return gsg_shape_count(c->graph->values[vector].shape);
}

static genseg_status compile_running(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_norm_running_new(c->engine, &node->norm, vector_channels(c, node->src[0]), kernel, err);
}

static genseg_status compile_apply(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_norm_apply_new(c->engine, &node->norm, &c->descs[node->src[0]], &c->descs[node->dst[0]], kernel, err);
}

static genseg_status compile_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_norm_backward_new(c->engine, &node->norm, &c->descs[node->src[0]], &c->descs[node->src[5]],
                                 &c->descs[node->dst[0]], node->fixed, kernel, err);
}

static genseg_status compile_fold(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_norm_fold_new(c->engine, &node->norm, vector_channels(c, node->src[2]), kernel, err);
}

const gsg_operation gsg_operation_norm_statistics = {.name = "norm statistics", .compile = compile_statistics};
const gsg_operation gsg_operation_norm_running = {.name = "norm running", .compile = compile_running};
const gsg_operation gsg_operation_norm_apply = {.name = "norm apply", .differentiate = differentiate,
                                                .compile = compile_apply, .cheap = 1, .in_place = 1 + 0};
const gsg_operation gsg_operation_norm_backward = {.name = "norm backward", .compile = compile_backward,
                                                   .in_place = 1 + 5};
const gsg_operation gsg_operation_norm_fold = {.name = "norm fold", .compile = compile_fold};
