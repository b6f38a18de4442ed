// A graph made ready to run: kernels created, values placed in one arena by their
// lifetimes, concatenations in place, cheap values computed again in the reverse
// pass instead of being kept. Nothing is allocated while it runs.
#ifndef GSG_GRAPH_PLAN_H
#define GSG_GRAPH_PLAN_H

#include "graph/graph.h"
#include "graph/workspace.h"

typedef struct gsg_plan gsg_plan;

// Called as soon as the gradient of a trainable parameter is complete, in the parameter's stored layout;
// the buffer is reused right afterwards. Non-zero ends the run with that status.
typedef genseg_status (*gsg_gradient_fn)(int32_t param, const float *gradient, void *user, gsg_error *err);
// Called between nodes; non-zero ends the run with CANCELLED.
typedef int32_t (*gsg_poll_fn)(void *user);

// Keeps `outputs` (scalars and values that the host reads) alive to the end. `gradients[i]` (may be GSG_NONE)
// is the gradient of params item `params[i]`, to be given to the sink. The graph may be freed afterwards.
typedef struct gsg_plan_options {
    const gsg_value *outputs;
    int32_t output_count;
    int32_t gradient_count;
    const gsg_value *gradients;
    const int32_t *params;
    int32_t keep_all; // non-zero: no value is computed twice (for tests and profiles)
    // Non-zero: what lies inside the graph's blocks is computed again in the reverse pass instead of being kept
    // (Chen et al., arXiv 1604.06174): less memory for up to a third more time. The results are the same, bit for bit.
    int32_t recompute;
    int32_t dry;      // non-zero: only for gsg_plan_memory(): holds no arena
    // For what the host doesn't see; NULL: the plan's own. A run of one plan ends what others of it have under way.
    gsg_workspace *workspace;
} gsg_plan_options;

genseg_status gsg_plan_new(gsg_graph *graph, const gsg_plan_options *options, gsg_plan **plan, gsg_error *err);
void gsg_plan_free(gsg_plan *plan);

// Where the host writes an input or reads an output: dense and plain (N, C, S). NULL for other values.
float *gsg_plan_data(gsg_plan *plan, gsg_value value);
// Bytes of the arena and of scratch: what running needs beside the parameters (a shared workspace counted whole).
size_t gsg_plan_memory(const gsg_plan *plan);

void gsg_plan_set_sink(gsg_plan *plan, gsg_gradient_fn sink, void *user);
void gsg_plan_set_poll(gsg_plan *plan, gsg_poll_fn poll, void *user);
genseg_status gsg_plan_run(gsg_plan *plan, const gsg_run *run, gsg_error *err);
// Runs up to the value (all that precedes it in order), then the rest from there: the loss can be looked at
// before any parameter is touched.
genseg_status gsg_plan_run_until(gsg_plan *plan, const gsg_run *run, gsg_value value, gsg_error *err);
genseg_status gsg_plan_run_rest(gsg_plan *plan, const gsg_run *run, gsg_error *err);
// After CANCELLED from gsg_plan_run_until(): goes on with the node before which it stopped, as gsg_plan_run_rest()
// does after its own. Inputs and parameters must be as they were.
genseg_status gsg_plan_resume_until(gsg_plan *plan, const gsg_run *run, gsg_value value, gsg_error *err);

// What a plan consists of, for tests: kernels by name with the shape of their first result.
typedef struct gsg_plan_step {
    const char *name;
    gsg_shape shape;
} gsg_plan_step;
int32_t gsg_plan_steps(const gsg_plan *plan);
gsg_plan_step gsg_plan_step_at(const gsg_plan *plan, int32_t index);

#endif
