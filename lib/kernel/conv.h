// Convolution and transposed convolution in 2-D and 3-D: forward, gradient of the
// source (backward data), gradient of weights and bias (backward weights).
// Conventions as PyTorch's Conv2d/Conv3d/ConvTranspose2d/3d without groups.
#ifndef GSG_KERNEL_CONV_H
#define GSG_KERNEL_CONV_H

#include "kernel/kernel.h"

typedef struct gsg_conv {
    int32_t spatial;    // 2 or 3
    int32_t transposed; // non-zero: transposed convolution
    int64_t kernel[3];  // the first `spatial` count: ([D,] H, W)
    int64_t stride[3];
    int64_t padding[3]; // both sides alike
} gsg_conv;

// How weights are stored while a network lives: a fixed function of the shape and
// of the machine, never of the image, so that all plans share them. `shape` is the
// public one: (OC, IC, k...) for a convolution, (IC, OC, k...) for a transposed one.
typedef struct gsg_weights {
    gsg_shape shape;
    int32_t transposed;
    int32_t form;  // private to conv.c
    int32_t block; // private to conv.c
    int32_t reserved;
    int64_t count; // floats stored, padding included (zero, and its gradient is zero)
} gsg_weights;

gsg_weights gsg_weights_layout(const gsg_engine *engine, gsg_shape shape, int32_t transposed);
// Between the public row-major order and the stored one.
void gsg_weights_import(const gsg_weights *layout, const float *plain, float *stored);
// Some rows (indices of the first dimension), into what is zero where it pads. Threads may take others.
void gsg_weights_import_rows(const gsg_weights *layout, int64_t first, int64_t rows, const float *plain, float *stored);
void gsg_weights_export(const gsg_weights *layout, const float *stored, float *plain);

// What follows the sums: y = act(scale[c] * conv + shift[c]); act is leaky ReLU
// with `slope` (0: ReLU) where `activation` is non-zero. Fused where the
// algorithm can, else one pass in place.
typedef struct gsg_epilogue {
    int32_t scale; // non-zero: args hold scale
    int32_t shift; // non-zero: args hold shift (a bias)
    int32_t activation;
    float slope;
} gsg_epilogue;

// Which algorithm computes a convolution is decided here and nowhere else, by a fixed rule of the
// shapes (never by timing: two runs must agree bit for bit).
typedef enum gsg_conv_algorithm {
    GSG_CONV_AUTO = 0, // what wins: one of the others, or products of matrices (conv_spread.c)
    GSG_CONV_DIRECT,   // oneDNN's direct kernels
    GSG_CONV_WINOGRAD, // own, for kernels of 3, 4, 6 and 8 in H and W (winograd.h)
    GSG_CONV_POINTWISE // own 1x1 kernel for few outputs (the last layer)
} gsg_conv_algorithm;

// Shape of the result; SHAPE with the numbers where the kernel does not fit.
genseg_status gsg_conv_shape(const gsg_conv *conv, gsg_shape src, gsg_shape weights, gsg_shape *dst, gsg_error *err);

// args: src, weights, scale, shift, dst
genseg_status gsg_conv_forward_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                                   const gsg_weights *weights, const gsg_desc *dst, const gsg_epilogue *epilogue,
                                   gsg_conv_algorithm algorithm, gsg_kernel **kernel, gsg_error *err);
// args: diff_dst, weights, diff_src (gradient of the sums: activation and scale are not in it)
genseg_status gsg_conv_backward_data_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                                         const gsg_weights *weights, const gsg_desc *dst, gsg_conv_algorithm algorithm,
                                         gsg_kernel **kernel, gsg_error *err);
// args: src, diff_dst, diff_weights (stored layout), diff_bias or NULL
genseg_status gsg_conv_backward_weights_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                                            const gsg_weights *weights, const gsg_desc *dst, int32_t bias,
                                            gsg_conv_algorithm algorithm, gsg_kernel **kernel, gsg_error *err);

#endif
