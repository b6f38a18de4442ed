// Which nodes run and in what order: those that the results depend on, as they were
// built. A cheap forward value (a normalised activation) that the reverse pass uses
// is computed again there, right before, where its own sources are kept anyway:
// training then keeps one tensor a layer instead of two, and no merged weights. Where
// memory is short the values inside blocks of the network are not kept either, but
// computed again from what enters the block (Chen et al., arXiv 1604.06174).
#include <string.h>

#include "graph/plan_steps.h"

typedef struct order {
    gsg_plan *plan;
    const gsg_graph *graph;
    bool *live;         // node is needed
    int32_t *last_use;  // last live node in the reverse pass that reads the value; -1: none
    gsg_value *replace; // value to read instead, in the reverse pass
    bool *inner;        // value that only its own block reads, and the reverse pass
    int32_t values;     // that existed before
} order;

genseg_status gsg_plan_append(gsg_plan *plan, const gsg_step *step, gsg_error *err)
{
    if (plan->step_count == plan->step_capacity) {
        int32_t capacity = plan->step_capacity ? 2 * plan->step_capacity : 256;
        gsg_step *steps = gsg_realloc(plan->context, plan->steps, (size_t)capacity, sizeof *steps);
        if (!steps)
            return gsg_error_nomem(err, (size_t)capacity * sizeof *steps);
        plan->steps = steps;
        plan->step_capacity = capacity;
    }
    plan->steps[plan->step_count++] = *step;
    return GENSEG_OK;
}

static void mark_live(order *o)
{
    const gsg_plan_options *options = o->plan->options;
    for (int32_t i = 0; i < options->output_count + options->gradient_count; i++) {
        gsg_value v = i < options->output_count ? options->outputs[i] : options->gradients[i - options->output_count];
        if (v >= 0)
            o->live[o->graph->values[v].node] = true;
    }
    for (int32_t n = o->graph->node_count - 1; n >= 0; n--) {
        const gsg_node *node = &o->graph->nodes[n];
        for (int32_t i = 0; o->live[n] && i < node->src_count; i++)
            if (node->src[i] >= 0)
                o->live[o->graph->values[node->src[i]].node] = true;
    }
    for (int32_t n = 0; n < o->graph->node_count; n++) {
        const gsg_node *node = &o->graph->nodes[n];
        for (int32_t i = 0; o->live[n] && n >= o->graph->reverse && i < node->src_count; i++)
            if (node->src[i] >= 0)
                o->last_use[node->src[i]] = n;
    }
}

// The last block's values are there when the reverse pass begins: nothing is won by making them again.
static void mark_inner(order *o)
{
    int32_t last = 0;
    for (int32_t n = 0; n < o->graph->reverse && n < o->graph->node_count; n++)
        if (o->live[n] && o->graph->nodes[n].block > last)
            last = o->graph->nodes[n].block;
    for (int32_t v = 0; v < o->values; v++) {
        const int32_t producer = o->graph->values[v].node;
        const int32_t block = o->graph->nodes[producer].block;
        o->inner[v] = o->graph->values[v].role == GSG_ROLE_ACTIVATION && producer < o->graph->reverse && block != 0 &&
                      block != last && o->graph->nodes[producer].dst_count == 1;
    }
    for (int32_t i = 0; i < o->plan->options->output_count; i++)
        if (o->plan->options->outputs[i] >= 0)
            o->inner[o->plan->options->outputs[i]] = false;
    for (int32_t n = 0; n < o->graph->reverse && n < o->graph->node_count; n++) {
        const gsg_node *node = &o->graph->nodes[n];
        for (int32_t i = 0; i < node->src_count; i++) {
            const gsg_value src = node->src[i];
            if (src >= 0 && o->graph->nodes[o->graph->values[src].node].block != node->block)
                o->inner[src] = false;
        }
    }
}

// Vectors are small, and parameters always there; merged weights are neither, but made of what is.
static bool can_repeat(const order *o, gsg_value value, int32_t at)
{
    const int32_t producer = o->graph->values[value].node;
    if (producer >= o->graph->reverse || o->graph->values[value].role == GSG_ROLE_VECTOR)
        return false;
    const gsg_node *node = &o->graph->nodes[producer];
    if (o->inner[value])
        return true;
    if (!gsg_operation_of(node->op)->cheap)
        return false;
    for (int32_t i = 0; i < node->src_count; i++) {
        gsg_value src = node->src[i];
        if (src < 0 || o->graph->values[src].role != GSG_ROLE_ACTIVATION)
            continue;
        if (o->inner[src])
            continue;
        if (o->last_use[src] < at && o->graph->nodes[o->graph->values[src].node].op != GSG_OP_INPUT)
            return false;
    }
    return true;
}

static genseg_status repeat(order *o, gsg_value value, gsg_error *err)
{
    gsg_step step = {.node = o->graph->nodes[o->graph->values[value].node], .stage = -1};
    for (int32_t i = 0; i < step.node.src_count; i++) { // no deeper than a block
        const gsg_value src = step.node.src[i];
        if (src < 0)
            continue;
        if (o->replace[src] == GSG_NONE && o->inner[src]) {
            const genseg_status status = repeat(o, src, err);
            if (status != GENSEG_OK)
                return status;
        }
        if (o->replace[src] != GSG_NONE)
            step.node.src[i] = o->replace[src];
    }
    gsg_value again = gsg_graph_like(o->plan->graph, value);
    if (again < 0)
        return gsg_graph_status(o->graph, err);
    step.node.dst[0] = again;
    o->replace[value] = again;
    return gsg_plan_append(o->plan, &step, err);
}

static genseg_status emit(order *o, int32_t index, gsg_error *err)
{
    genseg_status status;
    gsg_step step = {.node = o->graph->nodes[index], .stage = -1};
    for (int32_t i = 0; index >= o->graph->reverse && i < step.node.src_count; i++) {
        gsg_value src = step.node.src[i];
        if (src < 0 || src >= o->values)
            continue;
        if (o->replace[src] == GSG_NONE && !o->plan->options->keep_all && can_repeat(o, src, index))
            GSG_TRY(repeat(o, src, err));
        if (o->replace[src] != GSG_NONE)
            step.node.src[i] = o->replace[src];
    }
    status = gsg_plan_append(o->plan, &step, err);
done:
    return status;
}

genseg_status gsg_plan_order(gsg_plan *plan, gsg_error *err)
{
    genseg_status status;
    gsg_graph *graph = plan->graph;
    order o = {.plan = plan, .graph = graph, .values = graph->value_count};
    o.live = gsg_alloc_zero(plan->context, (size_t)graph->node_count + 1, sizeof *o.live);
    o.last_use = gsg_alloc(plan->context, (size_t)o.values + 1, sizeof *o.last_use);
    o.replace = gsg_alloc(plan->context, (size_t)o.values + 1, sizeof *o.replace);
    o.inner = gsg_alloc_zero(plan->context, (size_t)o.values + 1, sizeof *o.inner);
    if (!o.live || !o.last_use || !o.replace || !o.inner) {
        status = gsg_error_nomem(err, (size_t)o.values * sizeof *o.replace);
        goto done;
    }
    for (int32_t i = 0; i < o.values; i++)
        o.last_use[i] = o.replace[i] = GSG_NONE;
    mark_live(&o);
    if (plan->options->recompute && !plan->options->keep_all)
        mark_inner(&o);
    status = GENSEG_OK;
    for (int32_t n = 0; n < graph->node_count && status == GENSEG_OK; n++)
        if (o.live[n])
            status = emit(&o, n, err);
done:
    gsg_free(plan->context, o.live);
    gsg_free(plan->context, o.last_use);
    gsg_free(plan->context, o.replace);
    gsg_free(plan->context, o.inner);
    return status;
}
