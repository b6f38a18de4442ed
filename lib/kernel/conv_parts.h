// What surrounds oneDNN's convolutions, and the 1x1 convolution to few outputs: for
// conv.c alone.
#ifndef GSG_KERNEL_CONV_PARTS_H
#define GSG_KERNEL_CONV_PARTS_H

#include "kernel/conv.h"
#include "kernel/onednn.h"

// Copies between layouts and strides; pad lanes of `to` become zero.
void gsg_conv_move(const genseg_context *context, const gsg_desc *from, const float *src, const gsg_desc *to,
                   float *dst);
// In place; pad lanes stay zero because scale and shift are zero there.
void gsg_conv_epilogue(const genseg_context *context, const gsg_desc *desc, float *data, const gsg_epilogue *epilogue,
                       const float *scale, const float *shift);
// diff_bias[c] = sum of diff_dst over samples and positions; a vector of channels.
void gsg_conv_bias_gradient(const genseg_context *context, const gsg_desc *desc, const float *diff_dst,
                            float *diff_bias);

// The 1x1 convolution of blocked channels to at most 3 plain ones; same arguments as in conv.h.
genseg_status gsg_head_forward_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                                   const gsg_weights *weights, const gsg_desc *dst, const gsg_epilogue *epilogue,
                                   gsg_kernel **kernel, gsg_error *err);
genseg_status gsg_head_backward_data_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                                         const gsg_weights *weights, const gsg_desc *dst, gsg_kernel **kernel,
                                         gsg_error *err);
genseg_status gsg_head_backward_weights_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                                            const gsg_weights *weights, const gsg_desc *dst, int32_t bias,
                                            gsg_kernel **kernel, gsg_error *err);

#endif
