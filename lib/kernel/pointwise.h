// Operations on each element: activations, sums, products, copies between layouts,
// dropout. A destination may be the same buffer as the first source of equal layout.
#ifndef GSG_KERNEL_POINTWISE_H
#define GSG_KERNEL_POINTWISE_H

#include "kernel/kernel.h"

typedef enum gsg_activation {
    GSG_ACT_RELU = 1, // leaky with slope > 0
    GSG_ACT_TANH,
    GSG_ACT_SIGMOID
} gsg_activation;

// args: src, dst
genseg_status gsg_activation_forward_new(gsg_engine *engine, gsg_activation kind, float slope, const gsg_desc *src,
                                         const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err);
// args: dst, diff_dst, diff_src (all three derivatives follow from dst; diff_src may be diff_dst)
genseg_status gsg_activation_backward_new(gsg_engine *engine, gsg_activation kind, float slope, const gsg_desc *dst,
                                          const gsg_desc *diff_dst, const gsg_desc *diff_src, gsg_kernel **kernel,
                                          gsg_error *err);
// Softmax over the channels. args: src, dst / dst, diff_dst, diff_src
genseg_status gsg_softmax_forward_new(gsg_engine *engine, const gsg_desc *src, const gsg_desc *dst,
                                      gsg_kernel **kernel, gsg_error *err);
genseg_status gsg_softmax_backward_new(gsg_engine *engine, const gsg_desc *dst, const gsg_desc *diff_dst,
                                       const gsg_desc *diff_src, gsg_kernel **kernel, gsg_error *err);
// args: a, b, dst; dst = a + b or a * b, elementwise, equal shapes
genseg_status gsg_add_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, const gsg_desc *dst,
                          gsg_kernel **kernel, gsg_error *err);
genseg_status gsg_multiply_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, const gsg_desc *dst,
                               gsg_kernel **kernel, gsg_error *err);
// args: src, factor (one float, or NULL for 1), dst; dst = constant * factor * src
genseg_status gsg_scale_new(gsg_engine *engine, float constant, const gsg_desc *src, const gsg_desc *dst,
                            gsg_kernel **kernel, gsg_error *err);
// Copies between any two layouts of one shape. args: src, dst
genseg_status gsg_copy_new(gsg_engine *engine, const gsg_desc *src, const gsg_desc *dst, gsg_kernel **kernel,
                           gsg_error *err);
// Zeroes with probability p, scales the rest by 1 / (1 - p); the mask follows from run->seed,
// run->step and `id` (Philox by element, whatever the threads), so that the same kernel on
// diff_dst gives diff_src. args: src, dst
genseg_status gsg_dropout_new(gsg_engine *engine, float p, uint32_t id, const gsg_desc *src, const gsg_desc *dst,
                              gsg_kernel **kernel, gsg_error *err);

#endif
