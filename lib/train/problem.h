// One level's problem as a plan: a loss, its gradients for parameters (handed to the plan's sink) and for inputs (read
// by the host).
#ifndef GSG_TRAIN_PROBLEM_H
#define GSG_TRAIN_PROBLEM_H

#include "graph/plan.h"
#include "optim/optimizer.h"

#define GSG_PROBLEM_VALUES 16 // outputs and inputs, at most

typedef int32_t (*gsg_param_filter)(const gsg_param *param);

typedef struct gsg_problem {
    gsg_graph *graph;
    const gsg_params *params; // the graph's
    gsg_value loss[2];        // what is differentiated; scalars, or values with a seed
    gsg_value seed[2];        // GSG_NONE: 1
    int32_t losses;
    gsg_param_filter wanted; // among the trainable parameters; NULL: all
    int32_t no_params;       // non-zero: no gradients of parameters
    gsg_value outputs[GSG_PROBLEM_VALUES]; // that the host reads
    int32_t output_count;
    gsg_value inputs[GSG_PROBLEM_VALUES]; // whose gradients the host reads,
    gsg_value gradients[GSG_PROBLEM_VALUES]; // set by gsg_problem_plan()
    int32_t input_count;
    int32_t recompute;        // of the plan, see plan.h
    gsg_workspace *workspace; // of the plan, see plan.h; NULL: its own
} gsg_problem;

// Differentiates and plans. The graph may be freed afterwards.
genseg_status gsg_problem_plan(gsg_problem *problem, gsg_plan **plan, gsg_error *err);

// An optimizer for the parameters that are wanted (NULL: all trainable ones), numbered as in the list.
genseg_status gsg_problem_optimizer(const gsg_params *params, gsg_param_filter wanted,
                                    const gsg_optimizer_options *options, gsg_optimizer **optimizer, gsg_error *err);

// Runs up to `until` (GSG_NONE: the end) from the beginning, or from where a cancel cut the same call.
genseg_status gsg_problem_run(gsg_plan *plan, const gsg_run *run, gsg_value until, int32_t resumed, gsg_error *err);

#endif
