// Runs the steps of a plan, hands gradients to the sink, and measures.
#include <stdio.h>
#include <string.h>

#include "core/profile.h"
#include "graph/plan_steps.h"

void gsg_plan_set_sink(gsg_plan *plan, gsg_gradient_fn sink, void *user)
{
    plan->sink = sink;
    plan->sink_user = user;
}

void gsg_plan_set_poll(gsg_plan *plan, gsg_poll_fn poll, void *user)
{
    plan->poll = poll;
    plan->poll_user = user;
}

static genseg_status deliver(gsg_plan *plan, int32_t step, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    for (int32_t i = 0; plan->sink && i < plan->delivery_count && status == GENSEG_OK; i++) {
        const gsg_delivery *delivery = &plan->deliveries[i];
        if (delivery->step != step)
            continue;
        const double begin = gsg_profile_begin(plan->context);
        status = plan->sink(delivery->param, plan->places[delivery->value].data, plan->sink_user, err);
        gsg_profile_end(plan->context, begin, &(gsg_profile_row){.name = "updates of parameters"});
    }
    return status;
}

static gsg_profile_row row_of(const gsg_plan *plan, int32_t index)
{
    const gsg_plan_step step = gsg_plan_step_at(plan, index);
    gsg_profile_row row = {.ndim = step.shape.ndim, .flops = plan->steps[index].kernel->flops,
                           .bytes = plan->steps[index].kernel->bytes};
    snprintf(row.name, sizeof row.name, "%s", step.name);
    memcpy(row.dims, step.shape.dims, (size_t)step.shape.ndim * sizeof *row.dims);
    return row;
}

static genseg_status run_step(gsg_plan *plan, const gsg_run *run, int32_t index, gsg_error *err)
{
    gsg_step *step = &plan->steps[index];
    genseg_status status = GENSEG_OK;
    if (step->kernel) {
        const double begin = gsg_profile_begin(plan->context);
        status = step->kernel->run(step->kernel, run, step->args, step->scratch, err);
        if (begin > 0) {
            const gsg_profile_row row = row_of(plan, index);
            gsg_profile_end(plan->context, begin, &row);
        }
    }
    return status == GENSEG_OK ? deliver(plan, index, err) : status;
}

static genseg_status run_range(gsg_plan *plan, const gsg_run *run, int32_t begin, int32_t end, gsg_error *err)
{
    if (!plan->workspace || !plan->workspace->data)
        return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "a dry plan can't run");
    if (plan->bound != plan->workspace->data)
        gsg_plan_bind(plan);
    plan->next = begin;
    for (int32_t s = begin; s < end; s++) {
        if (plan->poll && plan->poll(plan->poll_user) != 0)
            return gsg_error_set(err, GENSEG_ERROR_CANCELLED, "cancelled");
        genseg_status status = run_step(plan, run, s, err);
        if (status != GENSEG_OK)
            return status;
        plan->next = s + 1;
    }
    return GENSEG_OK;
}

genseg_status gsg_plan_run(gsg_plan *plan, const gsg_run *run, gsg_error *err)
{
    return run_range(plan, run, 0, plan->step_count, err);
}

static genseg_status run_until(gsg_plan *plan, const gsg_run *run, int32_t begin, gsg_value value, gsg_error *err)
{
    for (int32_t s = 0; s < plan->step_count; s++)
        for (int32_t i = 0; i < plan->steps[s].node.dst_count; i++)
            if (plan->steps[s].node.dst[i] == value)
                return run_range(plan, run, begin, s + 1, err);
    return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "value %d is not in the plan", value);
}

genseg_status gsg_plan_run_until(gsg_plan *plan, const gsg_run *run, gsg_value value, gsg_error *err)
{
    return run_until(plan, run, 0, value, err);
}

genseg_status gsg_plan_resume_until(gsg_plan *plan, const gsg_run *run, gsg_value value, gsg_error *err)
{
    return run_until(plan, run, plan->next, value, err);
}

genseg_status gsg_plan_run_rest(gsg_plan *plan, const gsg_run *run, gsg_error *err)
{
    return run_range(plan, run, plan->next, plan->step_count, err);
}

int32_t gsg_plan_steps(const gsg_plan *plan)
{
    return plan->step_count;
}

gsg_plan_step gsg_plan_step_at(const gsg_plan *plan, int32_t index)
{
    const gsg_step *step = &plan->steps[index];
    const gsg_node *node = &step->node;
    gsg_plan_step out = {.name = step->kernel ? step->kernel->name : gsg_operation_of(node->op)->name};
    gsg_value value = node->dst_count > 0 ? node->dst[0] : node->src[0];
    if (value >= 0)
        out.shape = plan->descs[value].shape;
    return out;
}
