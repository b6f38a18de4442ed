// Merged kernels as a graph operation (kernel/merge.h). The merged weights are as large as the largest candidate and
// are read twice, forward and by the gradient of the source. They are made again for the second reading rather than
// kept: a deep generator's would be hundreds of megabytes alive at the same time, and one pass over the candidates is a
// few percent of a step.
#include "graph/node.h"

static const gsg_weights *layout_of(const gsg_graph *graph, gsg_value weights)
{
    return &graph->params->items[graph->values[weights].layout].layout;
}

gsg_value gsg_op_merge(gsg_graph *graph, gsg_value logits, const gsg_value *kernels, int32_t count)
{
    const gsg_weights *layouts[GSG_MERGE_CANDIDATES];
    if (!gsg_graph_ok(graph))
        return GSG_NONE;
    if (logits < 0 || graph->values[logits].role != GSG_ROLE_VECTOR ||
        gsg_shape_count(graph->values[logits].shape) != count || count > GSG_MERGE_CANDIDATES)
        return gsg_graph_error(graph, GENSEG_ERROR_INTERNAL, "merge: no logits for %d kernels", count);
    gsg_node node = {.op = GSG_OP_MERGE, .src_count = count + 1, .src = {logits}, .dst_count = 1};
    for (int32_t j = 0; j < count; j++) {
        if (kernels[j] < 0 || graph->values[kernels[j]].role != GSG_ROLE_WEIGHTS)
            return gsg_graph_error(graph, GENSEG_ERROR_INTERNAL, "merge: kernel %d is none", j);
        layouts[j] = layout_of(graph, kernels[j]);
        node.src[j + 1] = kernels[j];
    }
    if (gsg_merge_check(count, layouts, &graph->error) != GENSEG_OK)
        return GSG_NONE;
    node.dst[0] = gsg_graph_like(graph, kernels[count - 1]);
    return gsg_graph_append(graph, &node);
}

static void differentiate(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                          gsg_value *diff_src)
{
    gsg_node back = *node;
    back.op = GSG_OP_MERGE_BACKWARD;
    back.src[back.src_count++] = diff_dst[0];
    back.dst_count = node->src_count;
    for (int32_t i = 0; i < node->src_count; i++)
        diff_src[i] = back.dst[i] = need[i] ? gsg_graph_like(graph, node->src[i]) : GSG_NONE;
    gsg_graph_append(graph, &back);
}

static genseg_status compile(const gsg_compile *c, const gsg_node *node, gsg_kernel **kernel, gsg_error *err)
{
    const gsg_weights *layouts[GSG_MERGE_CANDIDATES];
    const bool back = node->op == GSG_OP_MERGE_BACKWARD;
    const int32_t count = node->src_count - (back ? 2 : 1);
    for (int32_t j = 0; j < count; j++)
        layouts[j] = layout_of(c->graph, node->src[j + 1]);
    return back ? gsg_merge_backward_new(c->engine, count, layouts, kernel, err)
                : gsg_merge_forward_new(c->engine, count, layouts, kernel, err);
}

const gsg_operation gsg_operation_merge = {.name = "merge", .differentiate = differentiate, .compile = compile,
                                           .cheap = 1};
const gsg_operation gsg_operation_merge_backward = {.name = "merge backward", .compile = compile,
                                                    .in_place = GSG_LAST_IN_PLACE};
