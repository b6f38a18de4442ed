// Values and nodes of a graph: growth, shapes, the first error.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "graph/node.h"

genseg_status gsg_graph_new(genseg_context *context, gsg_params *params, gsg_graph **graph, gsg_error *err)
{
    gsg_graph *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    made->context = gsg_context_retain(context);
    made->params = params;
    made->reverse = INT32_MAX;
    *graph = made;
    return GENSEG_OK;
}

void gsg_graph_free(gsg_graph *graph)
{
    if (!graph)
        return;
    genseg_context *context = graph->context;
    gsg_free(context, graph->nodes);
    gsg_free(context, graph->values);
    gsg_free(context, graph);
    gsg_context_release(context);
}

genseg_status gsg_graph_status(const gsg_graph *graph, gsg_error *err)
{
    if (graph->error.status != GENSEG_OK && err)
        *err = graph->error;
    return graph->error.status;
}

bool gsg_graph_ok(const gsg_graph *graph)
{
    return graph->error.status == GENSEG_OK;
}

void gsg_graph_fail(gsg_graph *graph, genseg_status status, const char *message)
{
    if (gsg_graph_ok(graph))
        gsg_error_set(&graph->error, status, "%s", message);
}

gsg_value gsg_graph_error(gsg_graph *graph, genseg_status status, const char *format, ...)
{
    char message[GENSEG_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    gsg_graph_fail(graph, status, message);
    return GSG_NONE;
}

gsg_shape gsg_graph_shape(const gsg_graph *graph, gsg_value value)
{
    if (value < 0 || value >= graph->value_count)
        return (gsg_shape){0};
    return graph->values[value].shape;
}

static gsg_value add_value(gsg_graph *graph, gsg_value_info info)
{
    if (!gsg_graph_ok(graph))
        return GSG_NONE;
    if (graph->value_count == graph->value_capacity) {
        int32_t capacity = graph->value_capacity ? 2 * graph->value_capacity : 128;
        gsg_value_info *values = gsg_realloc(graph->context, graph->values, (size_t)capacity, sizeof *values);
        if (!values)
            return gsg_graph_error(graph, GENSEG_ERROR_NOMEM, "no memory for a graph of %d values", capacity);
        graph->values = values;
        graph->value_capacity = capacity;
    }
    info.node = -1;
    graph->values[graph->value_count] = info;
    return graph->value_count++;
}

gsg_value gsg_graph_activation(gsg_graph *graph, gsg_shape shape)
{
    return add_value(graph, (gsg_value_info){.shape = shape, .role = GSG_ROLE_ACTIVATION, .param = -1, .layout = -1});
}

gsg_value gsg_graph_vector(gsg_graph *graph, int64_t rows, int64_t channels)
{
    const int64_t pad = GSG_VECTOR_PAD;
    return add_value(graph, (gsg_value_info){.shape = gsg_shape_make(2, (int64_t[]){rows, channels}),
                                             .role = GSG_ROLE_VECTOR,
                                             .param = -1,
                                             .layout = -1,
                                             .floats = rows * ((channels + pad - 1) / pad * pad)});
}

gsg_value gsg_graph_scalar(gsg_graph *graph)
{
    return gsg_graph_vector(graph, 1, 1);
}

gsg_value gsg_graph_like(gsg_graph *graph, gsg_value value)
{
    if (!gsg_graph_ok(graph))
        return GSG_NONE;
    gsg_value_info info = graph->values[value];
    info.param = -1;
    return add_value(graph, info);
}

gsg_value gsg_graph_append(gsg_graph *graph, const gsg_node *node)
{
    if (!gsg_graph_ok(graph))
        return GSG_NONE;
    if (graph->node_count == graph->node_capacity) {
        int32_t capacity = graph->node_capacity ? 2 * graph->node_capacity : 128;
        gsg_node *nodes = gsg_realloc(graph->context, graph->nodes, (size_t)capacity, sizeof *nodes);
        if (!nodes)
            return gsg_graph_error(graph, GENSEG_ERROR_NOMEM, "no memory for a graph of %d nodes", capacity);
        graph->nodes = nodes;
        graph->node_capacity = capacity;
    }
    for (int32_t i = 0; i < node->dst_count; i++)
        if (node->dst[i] >= 0)
            graph->values[node->dst[i]].node = graph->node_count;
    graph->nodes[graph->node_count] = *node;
    graph->nodes[graph->node_count++].block = graph->block;
    return node->dst[0];
}

bool gsg_graph_check_activation(gsg_graph *graph, gsg_value value, const char *op)
{
    if (!gsg_graph_ok(graph))
        return false;
    if (value >= 0 && value < graph->value_count && graph->values[value].role == GSG_ROLE_ACTIVATION)
        return true;
    gsg_graph_error(graph, GENSEG_ERROR_INTERNAL, "%s: its source %d is no activation", op, value);
    return false;
}

bool gsg_graph_check_equal(gsg_graph *graph, gsg_value a, gsg_value b, const char *op)
{
    char left[GSG_SHAPE_TEXT_SIZE], right[GSG_SHAPE_TEXT_SIZE];
    if (!gsg_graph_check_activation(graph, a, op) || !gsg_graph_check_activation(graph, b, op))
        return false;
    if (gsg_shape_equal(graph->values[a].shape, graph->values[b].shape))
        return true;
    gsg_graph_error(graph, GENSEG_ERROR_SHAPE, "%s: shapes %s and %s differ", op,
                    gsg_shape_text(graph->values[a].shape, left), gsg_shape_text(graph->values[b].shape, right));
    return false;
}

bool gsg_graph_is_scalar(const gsg_graph *graph, gsg_value value)
{
    return value >= 0 && value < graph->value_count && gsg_shape_count(graph->values[value].shape) == 1 &&
           graph->values[value].role == GSG_ROLE_VECTOR;
}

gsg_value gsg_graph_unary(gsg_graph *graph, gsg_node node, gsg_value x, const char *op)
{
    if (!gsg_graph_check_activation(graph, x, op))
        return GSG_NONE;
    node.src_count = 1;
    node.src[0] = x;
    node.dst_count = 1;
    node.dst[0] = gsg_graph_like(graph, x);
    return gsg_graph_append(graph, &node);
}

void gsg_graph_block(gsg_graph *graph, int32_t on)
{
    graph->block = on ? ++graph->blocks : 0;
}

gsg_value gsg_op_input(gsg_graph *graph, const char *name, gsg_shape shape)
{
    char text[GSG_SHAPE_TEXT_SIZE];
    if (!gsg_graph_ok(graph))
        return GSG_NONE;
    int64_t count = gsg_shape_count(shape);
    if (count <= 0)
        return gsg_graph_error(graph, GENSEG_ERROR_SHAPE, "input %s: shape %s", name, gsg_shape_text(shape, text));
    gsg_node node = {.op = GSG_OP_INPUT, .dst_count = 1};
    // Images and label maps are activations; scalars and vectors (loss weights) are not.
    node.dst[0] = shape.ndim >= 4 ? gsg_graph_activation(graph, shape)
                                  : gsg_graph_vector(graph, shape.ndim == 2 ? shape.dims[0] : 1,
                                                     shape.ndim == 2 ? shape.dims[1] : count);
    return gsg_graph_append(graph, &node);
}

gsg_value gsg_op_param(gsg_graph *graph, const char *name, gsg_param_kind kind, gsg_shape shape)
{
    int32_t index;
    if (!gsg_graph_ok(graph))
        return GSG_NONE;
    if (!graph->params)
        return gsg_graph_error(graph, GENSEG_ERROR_INTERNAL, "parameter %s in a graph without parameters", name);
    if (gsg_params_get(graph->params, name, kind, shape, &index, &graph->error) != GENSEG_OK)
        return GSG_NONE;
    for (int32_t i = 0; i < graph->value_count; i++)
        if (graph->values[i].param == index)
            return i; // one value for each parameter, so that its gradients meet
    const gsg_param *param = &graph->params->items[index];
    bool weights = kind == GSG_PARAM_CONV || kind == GSG_PARAM_CONV_TRANSPOSED;
    gsg_node node = {.op = GSG_OP_PARAM, .dst_count = 1};
    node.dst[0] = add_value(graph, (gsg_value_info){.shape = shape,
                                                    .role = weights ? GSG_ROLE_WEIGHTS : GSG_ROLE_VECTOR,
                                                    .param = index,
                                                    .layout = weights ? index : -1,
                                                    .floats = param->layout.count});
    return gsg_graph_append(graph, &node);
}

int32_t gsg_graph_trainable(const gsg_graph *graph, gsg_value *values, int32_t *param)
{
    int32_t count = 0;
    for (int32_t i = 0; i < graph->value_count; i++) {
        int32_t index = graph->values[i].param;
        if (index < 0 || graph->params->items[index].kind == GSG_PARAM_STATISTIC)
            continue;
        if (values)
            values[count] = i;
        if (param)
            param[count] = index;
        count++;
    }
    return count;
}
