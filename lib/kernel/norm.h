// Batch and instance normalisation (Ioffe & Szegedy 2015; Ulyanov et al. 2016) with
// a fused leaky ReLU. Split in statistics and application, so that the result can
// be computed again in the backward pass instead of being kept.
// Statistics are vectors: (C) for batch norm, (N, C) for instance norm, each row
// padded to GSG_VECTOR_PAD. rstd = 1 / sqrt(variance + epsilon), variance biased.
#ifndef GSG_KERNEL_NORM_H
#define GSG_KERNEL_NORM_H

#include "kernel/kernel.h"

typedef struct gsg_norm {
    int32_t per_sample; // non-zero: instance norm
    int32_t activation; // non-zero: leaky ReLU with `slope` after it
    float slope;
    float epsilon;
    float momentum; // of the running statistics, as PyTorch's
    int32_t reserved;
} gsg_norm;

// args: src, running_mean, running_variance, mean, rstd. The running ones may be NULL;
// they are moved (unbiased variance; of instance norm the means over the samples) only where
// run->update_statistics is set. They are the one exception to "never writes to a source".
genseg_status gsg_norm_statistics_new(gsg_engine *engine, const gsg_norm *norm, const gsg_desc *src,
                                      gsg_kernel **kernel, gsg_error *err);
// From the running statistics instead: args: running_mean, running_variance, mean, rstd.
genseg_status gsg_norm_running_new(gsg_engine *engine, const gsg_norm *norm, int64_t channels, gsg_kernel **kernel,
                                   gsg_error *err);
// args: src, mean, rstd, gamma, beta, dst (dst may be src). gamma and beta may be NULL (1 and 0).
genseg_status gsg_norm_apply_new(gsg_engine *engine, const gsg_norm *norm, const gsg_desc *src, const gsg_desc *dst,
                                 gsg_kernel **kernel, gsg_error *err);
// args: src, mean, rstd, gamma, beta, diff_dst, diff_src, diff_gamma, diff_beta (diff_src may be
// diff_dst; the last two may be NULL). Whether the activation was on is recomputed from src.
// `fixed`: mean and rstd are constants (inference statistics).
genseg_status gsg_norm_backward_new(gsg_engine *engine, const gsg_norm *norm, const gsg_desc *src,
                                    const gsg_desc *diff_dst, const gsg_desc *diff_src, int32_t fixed,
                                    gsg_kernel **kernel, gsg_error *err);
// Batch norm at inference as one multiply-add for a convolution's epilogue:
// args: gamma, beta, running_mean, running_variance, bias (may be NULL), scale, shift.
genseg_status gsg_norm_fold_new(gsg_engine *engine, const gsg_norm *norm, int64_t channels, gsg_kernel **kernel,
                                gsg_error *err);

#endif
