// Winograd's minimal filtering, F(m x m, r x r) with m + r = 7, in blocks of channels: for conv.c alone.
#ifndef GSG_KERNEL_WINOGRAD_H
#define GSG_KERNEL_WINOGRAD_H

#include "kernel/conv_parts.h"

// Is it made for such a convolution, and does memory bear it?
int32_t gsg_winograd_takes(const gsg_engine *engine, gsg_direction direction, const gsg_conv *conv, const gsg_desc *src,
                           const gsg_weights *weights, const gsg_desc *dst);
// Is it also faster than direct kernels there? Fixed by the shapes.
int32_t gsg_winograd_wins(const gsg_conv *conv, const gsg_desc *src, const gsg_desc *dst);
// Arguments as in conv.h.
genseg_status gsg_winograd_new(gsg_engine *engine, gsg_direction direction, const gsg_conv *conv, const gsg_desc *src,
                               const gsg_weights *weights, const gsg_desc *dst, const gsg_epilogue *epilogue,
                               int32_t bias, gsg_kernel **kernel, gsg_error *err);

#endif
