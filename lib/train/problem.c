// From a loss to a plan with its gradients.
#include "train/problem.h"

#include <string.h>

#define MOST_WRT 1024

// Trainable parameters of the graph that are wanted, then the inputs.
static int32_t select_wrt(const gsg_problem *problem, gsg_value *wrt, int32_t *index)
{
    int32_t kept = 0;
    const int32_t count = problem->no_params ? 0 : gsg_graph_trainable(problem->graph, wrt, index);
    for (int32_t i = 0; i < count; i++)
        if (!problem->wanted || problem->wanted(&problem->params->items[index[i]])) {
            wrt[kept] = wrt[i];
            index[kept++] = index[i];
        }
    return kept;
}

genseg_status gsg_problem_plan(gsg_problem *problem, gsg_plan **plan, gsg_error *err)
{
    genseg_status status;
    gsg_value wrt[MOST_WRT], gradients[MOST_WRT], outputs[2 * GSG_PROBLEM_VALUES];
    int32_t index[MOST_WRT];
    GSG_TRY(gsg_graph_status(problem->graph, err));
    GSG_CHECK(gsg_graph_trainable(problem->graph, NULL, NULL) + problem->input_count <= MOST_WRT);
    const int32_t params = select_wrt(problem, wrt, index);
    memcpy(wrt + params, problem->inputs, (size_t)problem->input_count * sizeof *wrt);
    GSG_TRY(gsg_graph_gradient(problem->graph, problem->loss, problem->seed, problem->losses, wrt,
                               params + problem->input_count, gradients, err));
    memcpy(problem->gradients, gradients + params, (size_t)problem->input_count * sizeof *gradients);
    memcpy(outputs, problem->outputs, (size_t)problem->output_count * sizeof *outputs);
    memcpy(outputs + problem->output_count, problem->gradients, (size_t)problem->input_count * sizeof *outputs);
    const gsg_plan_options options = {.outputs = outputs,
                                      .output_count = problem->output_count + problem->input_count,
                                      .gradients = gradients,
                                      .gradient_count = params,
                                      .params = index,
                                      .recompute = problem->recompute,
                                      .workspace = problem->workspace};
    GSG_TRY(gsg_plan_new(problem->graph, &options, plan, err));
done:
    return status;
}

genseg_status gsg_problem_optimizer(const gsg_params *params, gsg_param_filter wanted,
                                    const gsg_optimizer_options *options, gsg_optimizer **optimizer, gsg_error *err)
{
    int64_t *counts = gsg_alloc(params->context, (size_t)params->count, sizeof *counts);
    if (!counts)
        return gsg_error_nomem(err, (size_t)params->count * sizeof *counts);
    for (int32_t i = 0; i < params->count; i++) { // the others are never updated by it, but keep their numbers
        const gsg_param *param = &params->items[i];
        counts[i] = param->kind != GSG_PARAM_STATISTIC && (!wanted || wanted(param)) ? param->layout.count : 1;
    }
    genseg_status status = gsg_optimizer_new(params->context, options, params->count, counts, optimizer, err);
    gsg_free(params->context, counts);
    return status;
}

genseg_status gsg_problem_run(gsg_plan *plan, const gsg_run *run, gsg_value until, int32_t resumed, gsg_error *err)
{
    if (until == GSG_NONE)
        return resumed ? gsg_plan_run_rest(plan, run, err) : gsg_plan_run(plan, run, err);
    return resumed ? gsg_plan_resume_until(plan, run, until, err) : gsg_plan_run_until(plan, run, until, err);
}
