// Reductions and the segmentation losses. Scalars are one float. Sums run over fixed
// chunks in a fixed order, in double, so that a result doesn't depend on timing.
#ifndef GSG_KERNEL_LOSS_H
#define GSG_KERNEL_LOSS_H

#include "kernel/kernel.h"

// args: src, dst (scalar): constant * sum of all elements
genseg_status gsg_sum_new(gsg_engine *engine, float constant, const gsg_desc *src, gsg_kernel **kernel,
                          gsg_error *err);
// Its gradient: args: diff_dst (scalar), diff_src: every element = constant * diff_dst
genseg_status gsg_fill_new(gsg_engine *engine, float constant, const gsg_desc *dst, gsg_kernel **kernel,
                           gsg_error *err);
// args: a, b, dst (scalar): constant * <a, b>
genseg_status gsg_dot_new(gsg_engine *engine, float constant, const gsg_desc *a, const gsg_desc *b,
                          gsg_kernel **kernel, gsg_error *err);
// Mean absolute and mean squared difference. args: a, b, dst (scalar)
genseg_status gsg_l1_forward_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, gsg_kernel **kernel,
                                 gsg_error *err);
genseg_status gsg_mse_forward_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, gsg_kernel **kernel,
                                  gsg_error *err);
// args: a, b, diff_loss (scalar), diff_a
genseg_status gsg_l1_backward_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, const gsg_desc *diff_a,
                                  gsg_kernel **kernel, gsg_error *err);
genseg_status gsg_mse_backward_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, const gsg_desc *diff_a,
                                   gsg_kernel **kernel, gsg_error *err);

// How far gradients are from length 1 (Gulrajani et al. 2017): the mean over samples of (|| src_n || - 1)^2, each sample
// taken as one vector. A sample of zeros has the gradient 0.
// args: src, dst (scalar) / src, diff_loss (scalar), diff_src (may be src)
genseg_status gsg_unit_penalty_forward_new(gsg_engine *engine, const gsg_desc *src, gsg_kernel **kernel,
                                           gsg_error *err);
genseg_status gsg_unit_penalty_backward_new(gsg_engine *engine, const gsg_desc *src, const gsg_desc *diff_src,
                                            gsg_kernel **kernel, gsg_error *err);

// Cross entropy from logits (N, K, S) against target probabilities of equal shape (any
// layout; one-hot in general): K = 1 is binary with a sigmoid, K > 1 a softmax over K.
// Mean over all voxels of -w[k] t[k] log p[k], divided by the sum of w[k] t[k] (as PyTorch's
// weighted mean; binary: w[0] weighs the positive term as pos_weight, mean over voxels).
// weights may be NULL. sample_weights (N, not negative; NULL: all 1) weigh the samples: voxels of
// sample n count v[n] times above, not below, so the loss grows with them and is the same where all are 1.
// args: logits, target, weights, sample_weights, loss
genseg_status gsg_cross_entropy_forward_new(gsg_engine *engine, const gsg_desc *logits, const gsg_desc *target,
                                            gsg_kernel **kernel, gsg_error *err);
// args: logits, target, weights, sample_weights, diff_loss, diff_logits, diff_target, diff_sample_weights (N
// floats; needs sample_weights); each of the last three may be NULL. Descriptions of gradients that are not
// wanted may be NULL, too.
genseg_status gsg_cross_entropy_backward_new(gsg_engine *engine, const gsg_desc *logits, const gsg_desc *target,
                                             const gsg_desc *diff_logits, const gsg_desc *diff_target,
                                             gsg_kernel **kernel, gsg_error *err);

// Soft Dice loss (Milletari et al. 2016, without squares) from logits: with p the sigmoid
// (K = 1) or softmax, 1 - mean over classes of (2 sum(p t) + smooth) / (sum(p) + sum(t) + smooth).
// With sample_weights v (N, not negative; NULL: all 1) the sums over the batch count sample n v[n] times and the
// loss is multiplied by the mean of v; per sample: the mean of v[n] times the loss of sample n.
typedef struct gsg_dice {
    int32_t per_sample; // non-zero: Dice of each sample, then the mean; else sums over the batch
    int32_t background; // non-zero: class 0 counts too (K > 1)
    float smooth;       // 1e-5 suits
    int32_t reserved;
} gsg_dice;
// args: logits, target, sample_weights, loss
genseg_status gsg_dice_forward_new(gsg_engine *engine, const gsg_dice *dice, const gsg_desc *logits,
                                   const gsg_desc *target, gsg_kernel **kernel, gsg_error *err);
// args: logits, target, sample_weights, diff_loss, diff_logits, diff_target, diff_sample_weights: as for cross entropy
genseg_status gsg_dice_backward_new(gsg_engine *engine, const gsg_dice *dice, const gsg_desc *logits,
                                    const gsg_desc *target, const gsg_desc *diff_logits, const gsg_desc *diff_target,
                                    gsg_kernel **kernel, gsg_error *err);

#endif
