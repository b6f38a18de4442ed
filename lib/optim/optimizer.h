// Optimizers, elementwise over flat float buffers: the layout of a weight does
// not matter, so weights and state stay in the training plan's layout. The
// update rules are those of torch.optim (SGD, Adam, AdamW, RMSprop).
//
//     gsg_optimizer_begin(opt, lr);                    // once a step
//     gsg_optimizer_update(opt, i, weight_i, grad_i);  // once a parameter, in any order
#ifndef GSG_OPTIM_OPTIMIZER_H
#define GSG_OPTIM_OPTIMIZER_H

#include <stdbool.h>

#include "core/alloc.h"

typedef enum gsg_optimizer_kind {
    GSG_OPTIMIZER_SGD = 1,
    GSG_OPTIMIZER_ADAM = 2,
    GSG_OPTIMIZER_RMSPROP = 3
} gsg_optimizer_kind;

typedef struct gsg_optimizer_options {
    int32_t kind;        // a gsg_optimizer_kind
    bool nesterov;       // SGD; needs momentum > 0
    bool decoupled;      // Adam: weight decay apart from the gradient (AdamW)
    double momentum;     // SGD, RMSprop; [0, 1)
    double alpha;        // RMSprop: decay of the squared gradient's average; [0, 1)
    double beta1;        // Adam: decay of the gradient's average; [0, 1)
    double beta2;        // Adam: decay of the squared gradient's average; [0, 1)
    double eps;          // Adam, RMSprop: added to the root; > 0
    double weight_decay; // >= 0; L2: decay x weight is added to the gradient
} gsg_optimizer_options;

typedef struct gsg_optimizer gsg_optimizer;

// torch's defaults: momentum 0, alpha 0.99, betas 0.9 and 0.999, eps 1e-8.
void gsg_optimizer_defaults(gsg_optimizer_options *options, int32_t kind);
// "sgd", "adam", "adamw" and "rmsprop": sets kind and decoupled, and the
// defaults of the rest. INVALID for another name.
genseg_status gsg_optimizer_named(gsg_optimizer_options *options, const char *name, gsg_error *err);

// An optimizer for `parameters` buffers of counts[i] floats; all state is zero.
// INVALID for an option out of its range, NOMEM.
genseg_status gsg_optimizer_new(genseg_context *context, const gsg_optimizer_options *options, int64_t parameters,
                                const int64_t *counts, gsg_optimizer **optimizer, gsg_error *err);
void gsg_optimizer_free(gsg_optimizer *optimizer); // NULL allowed

// Starts the next step with learning rate `lr`.
void gsg_optimizer_begin(gsg_optimizer *optimizer, double lr);
// One fused pass over parameter `index`; parallel inside, so call it from one
// thread at a time. `param` and `grad` hold counts[index] floats.
void gsg_optimizer_update(gsg_optimizer *optimizer, int64_t index, float *param, const float *grad);
// How the newest update of parameter `index` depends on its gradient, for differentiating through it: multiplies
// `direction` by -d(param)/d(gradient), elementwise. `gradient` is what that update saw, weight decay included (L2); NULL
// holds the second moments as they are now. With plain SGD the factor is the learning rate.
void gsg_optimizer_precondition(gsg_optimizer *optimizer, int64_t index, float *direction, const float *gradient);
// Another one with the same options and state; and state from one like it.
genseg_status gsg_optimizer_clone(const gsg_optimizer *optimizer, gsg_optimizer **clone, gsg_error *err);
void gsg_optimizer_copy(gsg_optimizer *dst, const gsg_optimizer *src);
// Forgets all state and steps.
void gsg_optimizer_clear(gsg_optimizer *optimizer);

// State, for checkpoints: everything is in the slots, the step and the options.
const gsg_optimizer_options *gsg_optimizer_settings(const gsg_optimizer *optimizer);
int64_t gsg_optimizer_parameters(const gsg_optimizer *optimizer);
int64_t gsg_optimizer_count(const gsg_optimizer *optimizer, int64_t index);
int32_t gsg_optimizer_slots(const gsg_optimizer *optimizer); // buffers beside each parameter, 0 to 2
// torch's name of a slot: "momentum_buffer", "square_avg", "exp_avg", "exp_avg_sq".
const char *gsg_optimizer_slot_name(const gsg_optimizer *optimizer, int32_t slot);
float *gsg_optimizer_slot(gsg_optimizer *optimizer, int64_t index, int32_t slot); // 64-byte aligned
int64_t gsg_optimizer_step(const gsg_optimizer *optimizer);                       // steps begun so far
void gsg_optimizer_set_step(gsg_optimizer *optimizer, int64_t step);
double gsg_optimizer_lr(const gsg_optimizer *optimizer); // of the step begun last, 0 before
// Bytes of state that gsg_optimizer_new() would take, or SIZE_MAX on overflow.
size_t gsg_optimizer_bytes(const gsg_optimizer_options *options, int64_t parameters, const int64_t *counts);

#endif
