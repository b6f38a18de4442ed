// A network as data: values (tensors that don't exist yet) and nodes (operations
// between them), for one input shape. Building infers and checks every shape;
// gsg_graph_gradient() appends the nodes of the reverse pass; plan.h makes it run.
//
// Builders return the value they made, or GSG_NONE after an error. The first error
// stays in the graph and later builders do nothing, so that a network is written
// without a test behind every line: check gsg_graph_status() once at the end.
#ifndef GSG_GRAPH_GRAPH_H
#define GSG_GRAPH_GRAPH_H

#include "graph/params.h"
#include "kernel/appearance.h"
#include "kernel/deform.h"
#include "kernel/gather.h"
#include "kernel/loss.h"
#include "kernel/merge.h"
#include "kernel/norm.h"
#include "kernel/pointwise.h"
#include "kernel/window.h"

typedef int32_t gsg_value;
#define GSG_NONE (-1)

typedef struct gsg_graph gsg_graph;

// `params` may be NULL where no parameter is used; kept by reference and must outlive the graph.
genseg_status gsg_graph_new(genseg_context *context, gsg_params *params, gsg_graph **graph, gsg_error *err);
void gsg_graph_free(gsg_graph *graph);
genseg_status gsg_graph_status(const gsg_graph *graph, gsg_error *err);
// Records an error of a builder outside this room (nn, model).
void gsg_graph_fail(gsg_graph *graph, genseg_status status, const char *message);
gsg_shape gsg_graph_shape(const gsg_graph *graph, gsg_value value); // ndim 0 for GSG_NONE

// What is built from here on, up to the next call, belongs together (non-zero), or to no block (0): what only its own
// nodes read may be computed again in the reverse pass instead of being kept, see gsg_plan_options.
void gsg_graph_block(gsg_graph *graph, int32_t on);

// Values that the host fills before a run (plain layout, see plan.h). An input that is
// differentiated (a synthetic image) is one like any other.
gsg_value gsg_op_input(gsg_graph *graph, const char *name, gsg_shape shape);
// A parameter; created (zero) in the graph's params where it isn't there yet.
gsg_value gsg_op_param(gsg_graph *graph, const char *name, gsg_param_kind kind, gsg_shape shape);

// x (N, C, [D,] H, W). weight is a parameter or merged, bias a parameter (GSG_NONE for none).
gsg_value gsg_op_conv(gsg_graph *graph, gsg_value x, gsg_value weight, gsg_value bias, const gsg_conv *conv);
// The same with y = act(scale * conv + shift), for inference: no gradient. GSG_NONE leaves scale or shift out.
gsg_value gsg_op_conv_epilogue(gsg_graph *graph, gsg_value x, gsg_value weight, gsg_value scale, gsg_value shift,
                               int32_t activation, float slope, const gsg_conv *conv);
// Weights that are a mixture of 1 to GSG_MERGE_CANDIDATES kernels (parameters in ascending size) by the softmax of
// `logits`, a vector of as many: kernel/merge.h. Differentiable in all of them.
gsg_value gsg_op_merge(gsg_graph *graph, gsg_value logits, const gsg_value *kernels, int32_t count);
// scale and shift of a convolution followed by batch norm with its running statistics.
void gsg_op_norm_fold(gsg_graph *graph, gsg_value gamma, gsg_value beta, gsg_value running_mean,
                      gsg_value running_variance, gsg_value bias, float epsilon, gsg_value *scale, gsg_value *shift);
// Batch norm with the batch's statistics (which move the running ones, GSG_NONE for none), or instance
// norm (norm->per_sample). gamma and beta may be GSG_NONE.
gsg_value gsg_op_norm(gsg_graph *graph, gsg_value x, gsg_value gamma, gsg_value beta, gsg_value running_mean,
                      gsg_value running_variance, const gsg_norm *norm);
// Batch norm with the running statistics, differentiable in x, gamma and beta.
gsg_value gsg_op_norm_running(gsg_graph *graph, gsg_value x, gsg_value gamma, gsg_value beta, gsg_value running_mean,
                              gsg_value running_variance, const gsg_norm *norm);
gsg_value gsg_op_activation(gsg_graph *graph, gsg_value x, gsg_activation kind, float slope);
gsg_value gsg_op_softmax(gsg_graph *graph, gsg_value x);
gsg_value gsg_op_max_pool(gsg_graph *graph, gsg_value x, const gsg_pool *pool);
// spatial: new [D,] H, W.
gsg_value gsg_op_resize(gsg_graph *graph, gsg_value x, const int64_t *spatial, int32_t align_corners);
// Channels of a, then of b.
gsg_value gsg_op_concat(gsg_graph *graph, gsg_value a, gsg_value b);
gsg_value gsg_op_add(gsg_graph *graph, gsg_value a, gsg_value b);
gsg_value gsg_op_multiply(gsg_graph *graph, gsg_value a, gsg_value b);
// constant * factor * x; factor a scalar value or GSG_NONE.
gsg_value gsg_op_scale(gsg_graph *graph, gsg_value x, float constant, gsg_value factor);
gsg_value gsg_op_dropout(gsg_graph *graph, gsg_value x, float p);
// An activation whose every element is `constant` (the target of an adversarial loss).
gsg_value gsg_op_fill(gsg_graph *graph, gsg_shape shape, float constant);
gsg_value gsg_op_sum(gsg_graph *graph, gsg_value x, float constant);
gsg_value gsg_op_mean(gsg_graph *graph, gsg_value x);
gsg_value gsg_op_dot(gsg_graph *graph, gsg_value a, gsg_value b, float constant);
// Losses: scalars; see kernel/loss.h. l1 and mse have a gradient for both sources, the others for logits, target and
// sample_weights (a vector of one weight a sample, or GSG_NONE), not for the classes' `weights`.
gsg_value gsg_op_l1(gsg_graph *graph, gsg_value a, gsg_value b);
gsg_value gsg_op_mse(gsg_graph *graph, gsg_value a, gsg_value b);
// Mean over samples of (|| x_n || - 1)^2: of a gradient, the penalty that keeps a critic's slope at 1.
gsg_value gsg_op_unit_penalty(gsg_graph *graph, gsg_value x);
gsg_value gsg_op_cross_entropy(gsg_graph *graph, gsg_value logits, gsg_value target, gsg_value weights,
                               gsg_value sample_weights);
gsg_value gsg_op_soft_dice(gsg_graph *graph, gsg_value logits, gsg_value target, gsg_value sample_weights,
                           const gsg_dice *dice);

// Augmentation with chance in the draws, an input (N, gsg_deform_draws() or GSG_APPEARANCE_DRAWS) that the host fills by
// gsg_deform_draw() or gsg_appearance_draw(). `magnitudes`: a vector (parameter or input) of GSG_DEFORM_MAGNITUDES or
// GSG_APPEARANCE_MAGNITUDES factors. Differentiable in x and magnitudes.
gsg_value gsg_op_deform(gsg_graph *graph, gsg_value x, gsg_value draws, gsg_value magnitudes, const gsg_deform *deform);
gsg_value gsg_op_appearance(gsg_graph *graph, gsg_value x, gsg_value draws, gsg_value magnitudes,
                            const gsg_appearance *appearance);
// Elements of a vector (the weights of all pairs) by an input vector of indices from 0 (those of a batch): a vector.
// Differentiable in x.
gsg_value gsg_op_gather(gsg_graph *graph, gsg_value x, gsg_value index);

// Appends the reverse pass: gradients of sum_i <seed_i, output_i> with respect to `wrt`. A seed of
// GSG_NONE is 1 for a scalar output. gradients[i] is GSG_NONE where wrt[i] has no influence. A gradient may be built on
// and differentiated in turn where the operations behind it allow that: convolution, (leaky) ReLU, joining channels and
// what is linear; others say UNSUPPORTED.
genseg_status gsg_graph_gradient(gsg_graph *graph, const gsg_value *outputs, const gsg_value *seeds,
                                 int32_t output_count, const gsg_value *wrt, int32_t wrt_count, gsg_value *gradients,
                                 gsg_error *err);
// Trainable parameters of the graph in the order of their first use: their values and, in *param, their
// indices in the params list. Returns the number; arrays may be NULL to ask for it.
int32_t gsg_graph_trainable(const gsg_graph *graph, gsg_value *values, int32_t *param);

#endif
