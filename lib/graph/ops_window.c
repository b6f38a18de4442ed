// Pooling, resampling, and joining or cutting channels, as graph operations.
#include "graph/node.h"
#include "kernel/channels.h"

gsg_value gsg_op_max_pool(gsg_graph *graph, gsg_value x, const gsg_pool *pool)
{
    gsg_shape dst;
    if (!gsg_graph_check_activation(graph, x, "max pooling"))
        return GSG_NONE;
    if (gsg_pool_shape(pool, graph->values[x].shape, &dst, &graph->error) != GENSEG_OK)
        return GSG_NONE;
    gsg_node node = {.op = GSG_OP_MAX_POOL, .src_count = 1, .src = {x}, .dst_count = 1};
    node.pool = *pool;
    node.dst[0] = gsg_graph_activation(graph, dst);
    return gsg_graph_append(graph, &node);
}

gsg_value gsg_op_resize(gsg_graph *graph, gsg_value x, const int64_t *spatial, int32_t align_corners)
{
    if (!gsg_graph_check_activation(graph, x, "resampling"))
        return GSG_NONE;
    gsg_shape shape = graph->values[x].shape;
    for (int32_t i = 2; i < shape.ndim; i++) {
        if (spatial[i - 2] < 1)
            return gsg_graph_error(graph, GENSEG_ERROR_SHAPE, "resampling to a size of %lld",
                                   (long long)spatial[i - 2]);
        shape.dims[i] = spatial[i - 2];
    }
    gsg_node node = {.op = GSG_OP_RESIZE, .src_count = 1, .src = {x}, .dst_count = 1};
    node.align_corners = align_corners;
    node.dst[0] = gsg_graph_activation(graph, shape);
    return gsg_graph_append(graph, &node);
}

gsg_value gsg_op_concat(gsg_graph *graph, gsg_value a, gsg_value b)
{
    char left[GSG_SHAPE_TEXT_SIZE], right[GSG_SHAPE_TEXT_SIZE];
    if (!gsg_graph_check_activation(graph, a, "concatenation") ||
        !gsg_graph_check_activation(graph, b, "concatenation"))
        return GSG_NONE;
    gsg_shape shape = graph->values[a].shape, other = graph->values[b].shape;
    shape.dims[1] = other.dims[1];
    if (!gsg_shape_equal(shape, other))
        return gsg_graph_error(graph, GENSEG_ERROR_SHAPE, "concatenation: shapes %s and %s differ beyond channels",
                               gsg_shape_text(graph->values[a].shape, left), gsg_shape_text(other, right));
    shape.dims[1] += graph->values[a].shape.dims[1];
    gsg_node node = {.op = GSG_OP_CONCAT, .src_count = 2, .src = {a, b}, .dst_count = 1};
    node.dst[0] = gsg_graph_activation(graph, shape);
    return gsg_graph_append(graph, &node);
}

static void differentiate_concat(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                                 gsg_value *diff_src)
{
    int64_t channel = 0;
    for (int i = 0; i < 2; i++) {
        if (need[i]) {
            gsg_node slice = {.op = GSG_OP_SLICE, .src_count = 1, .src = {diff_dst[0]}, .dst_count = 1};
            slice.channel = channel;
            slice.dst[0] = gsg_graph_like(graph, node->src[i]);
            diff_src[i] = gsg_graph_append(graph, &slice);
        }
        channel += gsg_graph_shape(graph, node->src[i]).dims[1];
    }
}

// Zeros around the range.
static void differentiate_slice(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                                gsg_value *diff_src)
{
    gsg_shape before = gsg_graph_shape(graph, node->src[0]), after = before;
    before.dims[1] = node->channel;
    after.dims[1] -= node->channel + gsg_graph_shape(graph, node->dst[0]).dims[1];
    diff_src[0] = diff_dst[0];
    if (before.dims[1] > 0)
        diff_src[0] = gsg_op_concat(graph, gsg_op_fill(graph, before, 0.0f), diff_src[0]);
    if (after.dims[1] > 0)
        diff_src[0] = gsg_op_concat(graph, diff_src[0], gsg_op_fill(graph, after, 0.0f));
}

static void differentiate_max_pool(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst,
                                   const bool *need, gsg_value *diff_src)
{
    gsg_node back = *node;
    back.op = GSG_OP_MAX_POOL_BACKWARD;
    back.src_count = 2;
    back.src[1] = diff_dst[0];
    back.dst[0] = gsg_graph_like(graph, node->src[0]);
    diff_src[0] = gsg_graph_append(graph, &back);
}

static void differentiate_resize(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                                 gsg_value *diff_src)
{
    gsg_node back = *node;
    back.op = GSG_OP_RESIZE_BACKWARD;
    back.src[0] = diff_dst[0];
    back.dst[0] = gsg_graph_like(graph, node->src[0]);
    diff_src[0] = gsg_graph_append(graph, &back);
}

#define SRC(i) (&c->descs[node->src[i]])
#define DST(i) (&c->descs[node->dst[i]])

static genseg_status compile_pool(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_max_pool_forward_new(c->engine, &node->pool, SRC(0), DST(0), kernel, err);
}

static genseg_status compile_pool_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                           gsg_error *err)
{
    return gsg_max_pool_backward_new(c->engine, &node->pool, SRC(0), SRC(1), DST(0), kernel, err);
}

static genseg_status compile_resize(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_resize_forward_new(c->engine, node->align_corners, SRC(0), DST(0), kernel, err);
}

static genseg_status compile_resize_backward(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel,
                                             gsg_error *err)
{
    return gsg_resize_backward_new(c->engine, node->align_corners, DST(0), SRC(0), kernel, err);
}

// Only where the plan could not place the parts inside the whole.
static genseg_status compile_concat(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_join_new(c->engine, SRC(0), SRC(1), DST(0), kernel, err);
}

static genseg_status compile_slice(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    return gsg_slice_new(c->engine, node->channel, SRC(0), DST(0), kernel, err);
}

const gsg_operation gsg_operation_max_pool = {.name = "max pool", .differentiate = differentiate_max_pool,
                                              .compile = compile_pool};
const gsg_operation gsg_operation_max_pool_backward = {.name = "max pool backward", .compile = compile_pool_backward};
const gsg_operation gsg_operation_resize = {.name = "resize", .differentiate = differentiate_resize,
                                            .compile = compile_resize};
const gsg_operation gsg_operation_resize_backward = {.name = "resize backward", .compile = compile_resize_backward};
const gsg_operation gsg_operation_concat = {.name = "concat", .differentiate = differentiate_concat,
                                            .compile = compile_concat};
const gsg_operation gsg_operation_slice = {
    .name = "slice", .differentiate = differentiate_slice, .compile = compile_slice};
