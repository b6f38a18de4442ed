// Vectors over the trainable parameters of a network: gradients, steps, directions of search.
#ifndef GSG_TRAIN_DIRECTION_H
#define GSG_TRAIN_DIRECTION_H

#include "optim/optimizer.h"
#include "train/problem.h"

// One buffer for all parameters that take part, in the layout of the kernels. What pads a parameter is zero.
typedef struct gsg_direction {
    genseg_context *context;
    int32_t count;    // of the list, those that take no part included
    int64_t *offsets; // in `data`, of each parameter; -1: takes no part
    int64_t *sizes;
    float *data;
    int64_t total;
} gsg_direction;

// All zero. `wanted` chooses among the trainable parameters of the list; NULL: all.
genseg_status gsg_direction_new(const gsg_params *params, gsg_param_filter wanted, gsg_direction **direction,
                                gsg_error *err);
void gsg_direction_free(gsg_direction *direction); // NULL allowed

// What a plan's sink does with gradients: direction = factor * gradient, or with `add` += that.
typedef struct gsg_gather_to {
    gsg_direction *direction;
    double factor;
    int32_t add;
} gsg_gather_to;

// The sink; `user` is a gsg_gather_to. Parameters that take no part are passed over.
genseg_status gsg_direction_gather(int32_t param, const float *gradient, void *user, gsg_error *err);

void gsg_direction_copy(gsg_direction *dst, const gsg_direction *src);
void gsg_direction_scale(gsg_direction *direction, double factor);
// dst += factor * src
void gsg_direction_add(gsg_direction *dst, double factor, const gsg_direction *src);
// Summed in double, in an order that depends on the size alone.
double gsg_direction_dot(const gsg_direction *a, const gsg_direction *b);
// params = base + factor * direction where the direction has a part; the rest of params is left alone.
void gsg_direction_move(gsg_params *params, const gsg_params *base, double factor, const gsg_direction *direction);
// Multiplies by minus the derivative of the optimizer's newest update by its gradient, which `gradient` holds
// (gsg_optimizer_precondition()).
void gsg_direction_precondition(gsg_direction *direction, gsg_optimizer *optimizer, const gsg_direction *gradient);
// What the optimizer is going to see of a gradient: stored in `seen` with L2 weight decay. Before the update.
void gsg_direction_see(gsg_direction *seen, const gsg_optimizer *optimizer, const gsg_params *params, int32_t param,
                       const float *gradient);

#endif
