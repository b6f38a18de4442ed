// The inside of a plan, for plan.c, plan_order.c, plan_memory.c and plan_run.c.
#ifndef GSG_GRAPH_PLAN_STEPS_H
#define GSG_GRAPH_PLAN_STEPS_H

#include "graph/node.h"
#include "graph/plan.h"

#define GSG_STEP_ARGS (GSG_NODE_SOURCES + GSG_NODE_RESULTS)

typedef struct gsg_step {
    gsg_node node;
    gsg_kernel *kernel; // NULL: nothing to do (a join whose parts are in place)
    float *args[GSG_STEP_ARGS];
    float *scratch;
    size_t scratch_from; // bytes into the workspace
    int32_t stage; // index in stages of a copy between host and arena, else -1
} gsg_step;

// A value that the host sees in another layout than the kernels do.
typedef struct gsg_stage {
    gsg_value value;
    bool input;
} gsg_stage;

// Where a value lives: inside the block of `store`, from `offset` floats on.
typedef struct gsg_place {
    gsg_value parent; // of a range of channels; else itself
    gsg_value store;  // whose block is used; itself unless a range or in place
    int64_t offset;
    int32_t first, last; // steps
    int32_t children;    // ranges inside it
    bool pinned;         // the host sees it: whole plan, no sharing
    bool lent;           // lies in the workspace
    size_t from;         // where the store's block begins, bytes into held or the workspace
    float *data;
} gsg_place;

typedef struct gsg_delivery { // a parameter's gradient
    gsg_value value;
    int32_t param;
    int32_t step; // after which it is given to the sink
} gsg_delivery;

struct gsg_plan {
    genseg_context *context;
    gsg_engine *engine;
    gsg_graph *graph; // while the plan is made
    const gsg_plan_options *options;
    gsg_step *steps;
    int32_t step_count, step_capacity;
    gsg_place *places;
    gsg_desc *descs;
    int32_t value_count;
    gsg_stage *stages;
    int32_t stage_count;
    float **stage_data;
    gsg_delivery *deliveries;
    int32_t delivery_count;
    float *held;              // what the host sees: pinned values and stages
    gsg_workspace *workspace; // all else
    float *bound;             // the workspace's data that places and steps point into; NULL: none yet
    size_t held_bytes, arena_bytes; // of held; of all that gsg_plan_new() takes for values
    gsg_gradient_fn sink;
    void *sink_user;
    gsg_poll_fn poll;
    void *poll_user;
    int32_t next; // step that gsg_plan_run_rest() begins with
};

// Steps in order, with cheap values computed again before their use in the reverse pass.
genseg_status gsg_plan_order(gsg_plan *plan, gsg_error *err);
// Layouts, places and lifetimes; then, with the kernels made, the arena.
genseg_status gsg_plan_place(gsg_plan *plan, gsg_error *err);
genseg_status gsg_plan_assign(gsg_plan *plan, gsg_error *err);
// Points places and steps into the workspace as it lies now.
void gsg_plan_bind(gsg_plan *plan);
genseg_status gsg_plan_append(gsg_plan *plan, const gsg_step *step, gsg_error *err);
// A join or a slice that needs no copy.
bool gsg_plan_in_place(const gsg_plan *plan, const gsg_node *node);

#endif
