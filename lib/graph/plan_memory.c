// Where values live: ranges of channels inside their concatenation, results in the
// place of a source that nobody reads any more, and one arena for all by lifetime.
#include "graph/plan_steps.h"
#include "tensor/arena.h"

static void choose_layouts(gsg_plan *plan)
{
    for (gsg_value v = 0; v < plan->value_count; v++) {
        const gsg_value_info *info = &plan->graph->values[v];
        if (info->role == GSG_ROLE_ACTIVATION) {
            plan->descs[v] = gsg_desc_activation(plan->engine, info->shape);
        } else {
            int64_t floats = gsg_shape_count(info->shape) == 1 ? 1 : info->floats;
            plan->descs[v] = gsg_desc_plain(gsg_shape_make(2, (int64_t[]){1, floats}));
        }
        plan->places[v] = (gsg_place){.parent = v, .store = v, .first = INT32_MAX, .last = -1};
    }
}

static void pin(gsg_plan *plan)
{
    const gsg_plan_options *options = plan->options;
    for (int32_t i = 0; i < options->output_count; i++)
        if (options->outputs[i] >= 0)
            plan->places[options->outputs[i]].pinned = true;
    for (int32_t s = 0; s < plan->step_count; s++)
        if (plan->steps[s].node.op == GSG_OP_INPUT || plan->steps[s].node.op == GSG_OP_PARAM)
            plan->places[plan->steps[s].node.dst[0]].pinned = true;
}

// Makes `child` the channels of `parent` from `channel` on, if that is possible.
static bool put_inside(gsg_plan *plan, gsg_value child, gsg_value parent, int64_t channel)
{
    gsg_place *inner = &plan->places[child], *outer = &plan->places[parent];
    gsg_desc *desc = &plan->descs[child];
    const gsg_desc *whole = &plan->descs[parent];
    if (inner->parent != child || inner->children || inner->pinned || outer->parent != parent || outer->pinned)
        return false;
    if (desc->block != whole->block || channel % whole->block != 0)
        return false;
    // Else the next part's channels would lie in what pads this one, where every kernel counts on zeros.
    const int64_t end = channel + desc->shape.dims[1];
    if (end % whole->block != 0 && end != whole->shape.dims[1])
        return false;
    inner->parent = inner->store = parent;
    inner->offset = channel * gsg_shape_spatial(whole->shape);
    desc->batch_stride = whole->batch_stride;
    outer->children++;
    return true;
}

static void place_ranges(gsg_plan *plan)
{
    for (int32_t s = 0; s < plan->step_count; s++) {
        const gsg_node *node = &plan->steps[s].node;
        if (node->op == GSG_OP_CONCAT) {
            put_inside(plan, node->src[0], node->dst[0], 0);
            put_inside(plan, node->src[1], node->dst[0], plan->descs[node->src[0]].shape.dims[1]);
        } else if (node->op == GSG_OP_SLICE) {
            put_inside(plan, node->dst[0], node->src[0], node->channel);
        }
    }
}

// Nothing to copy: every part of the join, or the slice, is a range of the whole.
bool gsg_plan_in_place(const gsg_plan *plan, const gsg_node *node)
{
    const gsg_place *places = plan->places;
    if (node->op == GSG_OP_CONCAT)
        return node->src[0] != node->src[1] && places[node->src[0]].parent == node->dst[0] &&
               places[node->src[1]].parent == node->dst[0];
    return node->op == GSG_OP_SLICE && places[node->dst[0]].parent == node->src[0];
}

static void touch(gsg_place *place, int32_t step)
{
    if (step < place->first)
        place->first = step;
    if (step > place->last)
        place->last = step;
}

static void measure_lifetimes(gsg_plan *plan)
{
    for (int32_t s = 0; s < plan->step_count; s++) {
        const gsg_node *node = &plan->steps[s].node;
        for (int32_t i = 0; i < node->src_count; i++)
            if (node->src[i] >= 0)
                touch(&plan->places[node->src[i]], s);
        for (int32_t i = 0; i < node->dst_count; i++)
            if (node->dst[i] >= 0)
                touch(&plan->places[node->dst[i]], s);
    }
    for (gsg_value v = 0; v < plan->value_count; v++)
        if (plan->places[v].pinned && plan->places[v].last >= 0) {
            plan->places[v].first = 0;
            plan->places[v].last = plan->step_count;
        }
}

// A gradient is given away once it is there and nobody needs the old parameter any more.
static void schedule_deliveries(gsg_plan *plan)
{
    const gsg_plan_options *options = plan->options;
    for (int32_t i = 0; i < options->gradient_count; i++) {
        gsg_value gradient = options->gradients[i];
        if (gradient < 0)
            continue;
        gsg_delivery delivery = {.value = gradient, .param = options->params[i]};
        for (int32_t s = 0; s < plan->step_count; s++) {
            const gsg_node *node = &plan->steps[s].node;
            bool uses = false;
            for (int32_t j = 0; j < node->dst_count; j++)
                uses = uses || node->dst[j] == gradient;
            for (int32_t j = 0; j < node->src_count; j++)
                uses = uses || (node->src[j] >= 0 && plan->graph->values[node->src[j]].param == delivery.param);
            if (uses)
                delivery.step = s;
        }
        touch(&plan->places[gradient], delivery.step);
        plan->deliveries[plan->delivery_count++] = delivery;
    }
}

static bool same_layout(const gsg_desc *a, const gsg_desc *b)
{
    return gsg_shape_equal(a->shape, b->shape) && a->block == b->block && a->batch_stride == b->batch_stride;
}

static void reuse_sources(gsg_plan *plan)
{
    for (int32_t s = 0; s < plan->step_count; s++) {
        const gsg_node *node = &plan->steps[s].node;
        const int32_t rule = gsg_operation_of(node->op)->in_place;
        const int32_t index = rule == GSG_LAST_IN_PLACE ? node->src_count - 1 : rule - 1;
        const int32_t result = rule == GSG_LAST_IN_PLACE ? node->dst_count - 1 : 0;
        if (index < 0 || node->src[index] < 0 || node->dst[result] < 0)
            continue;
        gsg_value src = node->src[index], dst = node->dst[result];
        const gsg_place *from = &plan->places[src];
        gsg_place *to = &plan->places[dst];
        int32_t readings = 0;
        for (int32_t i = 0; i < node->src_count; i++)
            readings += node->src[i] == src;
        if (readings != 1 || from->last != s || from->parent != src || from->children || from->pinned ||
            to->parent != dst || to->children || to->pinned || !same_layout(&plan->descs[src], &plan->descs[dst]))
            continue;
        to->store = from->store;
    }
}

genseg_status gsg_plan_place(gsg_plan *plan, gsg_error *err)
{
    plan->value_count = plan->graph->value_count;
    size_t count = (size_t)plan->value_count + 1;
    plan->places = gsg_alloc_zero(plan->context, count, sizeof *plan->places);
    plan->descs = gsg_alloc_zero(plan->context, count, sizeof *plan->descs);
    plan->deliveries = gsg_alloc_zero(plan->context, (size_t)plan->options->gradient_count + 1,
                                      sizeof *plan->deliveries);
    if (!plan->places || !plan->descs || !plan->deliveries)
        return gsg_error_nomem(err, count * sizeof *plan->places);
    choose_layouts(plan);
    pin(plan);
    place_ranges(plan);
    measure_lifetimes(plan);
    schedule_deliveries(plan);
    reuse_sources(plan);
    return GENSEG_OK;
}

// Blocks: one for each store, one for each scratch, one for each staging buffer.
static void collect(const gsg_plan *plan, gsg_arena_block *blocks)
{
    const int32_t values = plan->value_count, steps = plan->step_count;
    for (gsg_value v = 0; v < values; v++) {
        blocks[v].first = INT32_MAX;
        blocks[v].last = -1;
    }
    for (gsg_value v = 0; v < values; v++) {
        const gsg_place *place = &plan->places[v];
        if (place->last < 0 || plan->graph->values[v].param >= 0)
            continue;
        gsg_arena_block *block = &blocks[place->store];
        block->first = place->first < block->first ? place->first : block->first;
        block->last = place->last > block->last ? place->last : block->last;
        if (place->store == v)
            block->size = (size_t)gsg_desc_count(&plan->descs[v]) * sizeof(float);
    }
    for (gsg_value v = 0; v < values; v++)
        if (blocks[v].last < 0)
            blocks[v] = (gsg_arena_block){0};
    for (int32_t s = 0; s < steps; s++)
        blocks[values + s] = (gsg_arena_block){
            .size = plan->steps[s].kernel ? plan->steps[s].kernel->scratch : 0, .first = s, .last = s};
    for (int32_t i = 0; i < plan->stage_count; i++) {
        gsg_shape shape = plan->descs[plan->stages[i].value].shape;
        blocks[values + steps + i] = (gsg_arena_block){
            .size = (size_t)gsg_shape_count(shape) * sizeof(float), .first = 0, .last = steps};
    }
}

// The host reads or writes it where it lies, not a copy.
static bool seen_there(const gsg_plan *plan, gsg_value value)
{
    bool staged = false;
    for (int32_t i = 0; i < plan->stage_count; i++)
        staged = staged || plan->stages[i].value == value;
    return plan->places[value].pinned && !staged;
}

// What the host sees goes to `held`, and leaves the other blocks.
static void split(const gsg_plan *plan, gsg_arena_block *blocks, gsg_arena_block *held)
{
    const int32_t values = plan->value_count, steps = plan->step_count;
    for (int32_t i = 0; i < values + steps + plan->stage_count; i++) {
        const bool seen = i < values ? seen_there(plan, i) : i >= values + steps;
        held[i] = seen ? blocks[i] : (gsg_arena_block){0};
        if (seen)
            blocks[i] = (gsg_arena_block){0};
    }
}

static genseg_status hold(gsg_plan *plan, size_t bytes, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    plan->held = gsg_alloc_zero(plan->context, plan->held_bytes + 64, 1);
    if (!plan->held)
        return gsg_error_nomem(err, plan->held_bytes);
    if (plan->options->workspace)
        plan->workspace = gsg_workspace_retain(plan->options->workspace);
    else
        GSG_TRY(gsg_workspace_new(plan->context, &plan->workspace, err));
    GSG_TRY(gsg_workspace_grow(plan->workspace, bytes + 64, err));
done:
    return status;
}

genseg_status gsg_plan_assign(gsg_plan *plan, gsg_error *err)
{
    genseg_status status;
    const int32_t values = plan->value_count, steps = plan->step_count;
    const int64_t count = (int64_t)values + steps + plan->stage_count;
    size_t shared = 0;
    gsg_arena_block *blocks = gsg_alloc_zero(plan->context, 2 * (size_t)count + 1, sizeof *blocks);
    gsg_arena_block *held = blocks + count;
    if (!blocks)
        return gsg_error_nomem(err, 2 * (size_t)count * sizeof *blocks);
    collect(plan, blocks);
    split(plan, blocks, held);
    GSG_TRY(gsg_arena_assign(plan->context, held, count, &plan->held_bytes, err));
    GSG_TRY(gsg_arena_assign(plan->context, blocks, count, &shared, err));
    plan->arena_bytes = plan->held_bytes + shared + 2 * 64 + sizeof *plan->workspace; // see hold()
    if (plan->options->dry)
        goto done;
    GSG_TRY(hold(plan, shared, err));
    for (gsg_value v = 0; v < values; v++) {
        gsg_place *place = &plan->places[v];
        const int32_t param = plan->graph->values[v].param;
        const bool seen = seen_there(plan, v);
        place->from = (seen ? held : blocks)[place->store].offset;
        if (param >= 0)
            place->data = plan->graph->params->items[param].data;
        else if (seen && place->last >= 0)
            place->data = plan->held + place->from / sizeof(float);
        place->lent = param < 0 && !seen && place->last >= 0;
    }
    for (int32_t s = 0; s < steps; s++)
        plan->steps[s].scratch_from = blocks[values + s].offset;
    for (int32_t i = 0; i < plan->stage_count; i++)
        plan->stage_data[i] = plan->held + held[values + steps + i].offset / sizeof(float);
done:
    gsg_free(plan->context, blocks);
    return status;
}

static void bind_step(gsg_plan *plan, gsg_step *step)
{
    int32_t arg = 0;
    step->scratch = plan->bound + step->scratch_from / sizeof(float);
    if (step->stage >= 0) {
        const gsg_stage *stage = &plan->stages[step->stage];
        float *host = plan->stage_data[step->stage], *inner = plan->places[stage->value].data;
        step->args[0] = stage->input ? host : inner;
        step->args[1] = stage->input ? inner : host;
        return;
    }
    for (int32_t i = 0; i < step->node.src_count; i++)
        step->args[arg++] = step->node.src[i] >= 0 ? plan->places[step->node.src[i]].data : NULL;
    for (int32_t i = 0; i < step->node.dst_count; i++)
        step->args[arg++] = step->node.dst[i] >= 0 ? plan->places[step->node.dst[i]].data : NULL;
}

void gsg_plan_bind(gsg_plan *plan)
{
    plan->bound = plan->workspace->data;
    for (gsg_value v = 0; v < plan->value_count; v++) {
        gsg_place *place = &plan->places[v];
        if (place->lent)
            place->data = plan->bound + place->from / sizeof(float) + place->offset;
    }
    for (int32_t s = 0; s < plan->step_count; s++)
        bind_step(plan, &plan->steps[s]);
}
