// Operations over a neighbourhood: max pooling and linear resampling.
#ifndef GSG_KERNEL_WINDOW_H
#define GSG_KERNEL_WINDOW_H

#include "kernel/kernel.h"

typedef struct gsg_pool {
    int32_t spatial; // 2 or 3
    int32_t reserved;
    int64_t kernel[3]; // ([D,] H, W)
    int64_t stride[3];
    int64_t padding[3];
} gsg_pool;

genseg_status gsg_pool_shape(const gsg_pool *pool, gsg_shape src, gsg_shape *dst, gsg_error *err);
// args: src, dst
genseg_status gsg_max_pool_forward_new(gsg_engine *engine, const gsg_pool *pool, const gsg_desc *src,
                                       const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err);
// The maximum is found again (the first of equals), so nothing is kept.
// args: src, diff_dst, diff_src
genseg_status gsg_max_pool_backward_new(gsg_engine *engine, const gsg_pool *pool, const gsg_desc *src,
                                        const gsg_desc *dst, const gsg_desc *diff_src, gsg_kernel **kernel,
                                        gsg_error *err);

// Bilinear and trilinear resampling from src's to dst's size, as PyTorch's interpolate:
// half-pixel centres, or aligned corners. args: src, dst
genseg_status gsg_resize_forward_new(gsg_engine *engine, int32_t align_corners, const gsg_desc *src,
                                     const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err);
// args: diff_dst, diff_src. Gathers (no races, one fixed order).
genseg_status gsg_resize_backward_new(gsg_engine *engine, int32_t align_corners, const gsg_desc *src,
                                      const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err);

#endif
