// Makes a plan of a graph: order, places, kernels, arena (see the files beside).
#include "graph/plan.h"

#include "graph/plan_steps.h"

static bool staged(const gsg_plan *plan, gsg_value value)
{
    return plan->graph->values[value].role == GSG_ROLE_ACTIVATION && plan->descs[value].block != 1;
}

static genseg_status compile_steps(gsg_plan *plan, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_compile compile = {.engine = plan->engine, .graph = plan->graph, .descs = plan->descs};
    for (int32_t s = 0; s < plan->step_count && status == GENSEG_OK; s++) {
        gsg_step *step = &plan->steps[s];
        const gsg_operation *operation = gsg_operation_of(step->node.op);
        if (step->stage >= 0) {
            gsg_desc blocked = plan->descs[plan->stages[step->stage].value];
            gsg_desc plain = gsg_desc_plain(blocked.shape);
            bool input = plan->stages[step->stage].input;
            status = gsg_copy_new(plan->engine, input ? &plain : &blocked, input ? &blocked : &plain, &step->kernel,
                                  err);
        } else if (operation->compile && !gsg_plan_in_place(plan, &step->node)) {
            status = operation->compile(&compile, &step->node, &step->kernel, err);
        }
    }
    return status;
}

// Turns an input's own step into the copy from the host's layout, and appends the copies of outputs. The
// places exist already; an output's lasts to the end, where its copy stands.
static genseg_status stage_values(gsg_plan *plan, gsg_error *err)
{
    const int32_t steps = plan->step_count;
    size_t count = (size_t)(steps + plan->options->output_count) + 1;
    plan->stages = gsg_alloc_zero(plan->context, count, sizeof *plan->stages);
    plan->stage_data = gsg_alloc_zero(plan->context, count, sizeof *plan->stage_data);
    if (!plan->stages || !plan->stage_data)
        return gsg_error_nomem(err, count * sizeof *plan->stages);
    for (int32_t s = 0; s < steps; s++) {
        gsg_value value = plan->steps[s].node.dst[0];
        if (plan->steps[s].node.op != GSG_OP_INPUT || !staged(plan, value))
            continue;
        plan->steps[s].stage = plan->stage_count;
        plan->stages[plan->stage_count++] = (gsg_stage){.value = value, .input = true};
    }
    for (int32_t i = 0; i < plan->options->output_count; i++) {
        gsg_value value = plan->options->outputs[i];
        if (value < 0 || !staged(plan, value))
            continue;
        gsg_step step = {.node = {.op = GSG_OP_SLICE, .src_count = 1, .src = {value}}, .stage = plan->stage_count};
        plan->stages[plan->stage_count++] = (gsg_stage){.value = value};
        genseg_status status = gsg_plan_append(plan, &step, err);
        if (status != GENSEG_OK)
            return status;
    }
    for (gsg_value v = 0; v < plan->value_count; v++)
        if (plan->places[v].pinned && plan->places[v].last >= 0)
            plan->places[v].last = plan->step_count;
    return GENSEG_OK;
}

genseg_status gsg_plan_new(gsg_graph *graph, const gsg_plan_options *options, gsg_plan **plan, gsg_error *err)
{
    genseg_status status = gsg_graph_status(graph, err);
    if (status != GENSEG_OK)
        return status;
    gsg_plan *made = gsg_alloc_zero(graph->context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    made->context = gsg_context_retain(graph->context);
    made->graph = graph;
    made->options = options;
    GSG_TRY(gsg_engine_new(made->context, &made->engine, err));
    GSG_TRY(gsg_plan_order(made, err));
    GSG_TRY(gsg_plan_place(made, err));
    GSG_TRY(stage_values(made, err));
    GSG_TRY(compile_steps(made, err));
    GSG_TRY(gsg_plan_assign(made, err));
    made->graph = NULL;
    made->options = NULL;
    *plan = made;
    made = NULL;
done:
    gsg_plan_free(made);
    return status;
}

void gsg_plan_free(gsg_plan *plan)
{
    if (!plan)
        return;
    genseg_context *context = plan->context;
    for (int32_t s = 0; s < plan->step_count; s++)
        gsg_kernel_free(plan->steps[s].kernel);
    gsg_free(context, plan->steps);
    gsg_free(context, plan->places);
    gsg_free(context, plan->descs);
    gsg_free(context, plan->stages);
    gsg_free(context, plan->stage_data);
    gsg_free(context, plan->deliveries);
    gsg_free(context, plan->held);
    gsg_workspace_release(plan->workspace);
    gsg_engine_free(plan->engine);
    gsg_free(context, plan);
    gsg_context_release(context);
}

float *gsg_plan_data(gsg_plan *plan, gsg_value value)
{
    if (value < 0 || value >= plan->value_count || !plan->places[value].pinned)
        return NULL;
    for (int32_t i = 0; i < plan->stage_count; i++)
        if (plan->stages[i].value == value)
            return plan->stage_data[i];
    return plan->places[value].data;
}

size_t gsg_plan_memory(const gsg_plan *plan)
{
    return plan->arena_bytes;
}
