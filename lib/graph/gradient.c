// Reverse-mode differentiation: walks the nodes backwards and lets each operation
// append the nodes of its own gradient. Gradients of a value used more than once
// are summed.
#include "graph/node.h"

typedef struct reverse {
    gsg_graph *graph;
    gsg_value *gradient; // of each value that existed before
    bool *needed;        // value depends on something in wrt
} reverse;

static void accumulate(reverse *r, gsg_value value, gsg_value gradient)
{
    if (gradient == GSG_NONE)
        return;
    // The newer one first: it is dense, where the older may be a range of a concatenation's
    // gradient, so the sum can take over its buffer.
    if (r->gradient[value] == GSG_NONE)
        r->gradient[value] = gradient;
    else
        r->gradient[value] = gsg_op_add(r->graph, gradient, r->gradient[value]);
}

static void mark_needed(reverse *r, int32_t nodes, const gsg_value *wrt, int32_t wrt_count)
{
    for (int32_t i = 0; i < wrt_count; i++)
        r->needed[wrt[i]] = true;
    for (int32_t n = 0; n < nodes; n++) {
        const gsg_node *node = &r->graph->nodes[n];
        bool any = false;
        for (int32_t i = 0; i < node->src_count; i++)
            any = any || (node->src[i] >= 0 && r->needed[node->src[i]]);
        for (int32_t i = 0; any && i < node->dst_count; i++)
            if (node->dst[i] >= 0)
                r->needed[node->dst[i]] = true;
    }
}

static void differentiate_node(reverse *r, int32_t index)
{
    gsg_graph *graph = r->graph;
    const gsg_node node = graph->nodes[index]; // a copy: appending moves the array
    gsg_value diff_dst[GSG_NODE_RESULTS], diff_src[GSG_NODE_SOURCES];
    bool need[GSG_NODE_SOURCES], reached = false, wanted = false;
    for (int32_t i = 0; i < node.dst_count; i++) {
        diff_dst[i] = node.dst[i] >= 0 ? r->gradient[node.dst[i]] : GSG_NONE;
        reached = reached || diff_dst[i] >= 0;
    }
    for (int32_t i = 0; i < node.src_count; i++) {
        diff_src[i] = GSG_NONE;
        need[i] = node.src[i] >= 0 && r->needed[node.src[i]];
        wanted = wanted || need[i];
    }
    if (!reached || !wanted)
        return;
    const gsg_operation *operation = gsg_operation_of(node.op);
    if (!operation->differentiate) {
        gsg_graph_error(graph, GENSEG_ERROR_UNSUPPORTED, "%s has no gradient", operation->name);
        return;
    }
    operation->differentiate(graph, &node, diff_dst, need, diff_src);
    for (int32_t i = 0; i < node.src_count; i++)
        if (need[i])
            accumulate(r, node.src[i], diff_src[i]);
}

static gsg_value one(gsg_graph *graph)
{
    gsg_node node = {.op = GSG_OP_FILL, .src_count = 1, .src = {GSG_NONE}, .dst_count = 1, .constant = 1.0f};
    node.dst[0] = gsg_graph_scalar(graph);
    return gsg_graph_append(graph, &node);
}

genseg_status gsg_graph_gradient(gsg_graph *graph, const gsg_value *outputs, const gsg_value *seeds,
                                 int32_t output_count, const gsg_value *wrt, int32_t wrt_count, gsg_value *gradients,
                                 gsg_error *err)
{
    genseg_status status;
    reverse r = {.graph = graph};
    GSG_TRY(gsg_graph_status(graph, err));
    const int32_t values = graph->value_count, nodes = graph->node_count;
    r.gradient = gsg_alloc(graph->context, (size_t)values + 1, sizeof *r.gradient);
    r.needed = gsg_alloc_zero(graph->context, (size_t)values + 1, sizeof *r.needed);
    if (!r.gradient || !r.needed) {
        status = gsg_error_nomem(err, (size_t)values * sizeof *r.gradient);
        goto done;
    }
    for (int32_t i = 0; i < values; i++)
        r.gradient[i] = GSG_NONE;
    for (int32_t i = 0; i < output_count + wrt_count; i++) {
        gsg_value v = i < output_count ? outputs[i] : wrt[i - output_count];
        GSG_CHECK(v >= 0 && v < values);
    }
    if (nodes < graph->reverse)
        graph->reverse = nodes;
    mark_needed(&r, nodes, wrt, wrt_count);
    for (int32_t i = 0; i < output_count; i++) {
        bool seeded = seeds && seeds[i] >= 0;
        GSG_CHECK(seeded || gsg_graph_is_scalar(graph, outputs[i]));
        accumulate(&r, outputs[i], seeded ? seeds[i] : one(graph));
    }
    for (int32_t n = nodes - 1; n >= 0 && gsg_graph_ok(graph); n--)
        differentiate_node(&r, n);
    GSG_TRY(gsg_graph_status(graph, err));
    for (int32_t i = 0; i < wrt_count; i++)
        gradients[i] = r.gradient[wrt[i]];
done:
    gsg_free(graph->context, r.gradient);
    gsg_free(graph->context, r.needed);
    return status;
}
