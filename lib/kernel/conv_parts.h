// What surrounds oneDNN's convolutions, and our own ones: for conv*.c, winograd.c, weights.c
// and merge.c alone.
#ifndef GSG_KERNEL_CONV_PARTS_H
#define GSG_KERNEL_CONV_PARTS_H

#include "kernel/conv.h"
#include "kernel/onednn.h"

// A convolution over oneDNN. conv.c makes it, conv_run.c runs it. `inner` layouts are those
// that the primitive sees; where they differ from the caller's, an operand is moved through
// scratch. `turns` is the batch where each sample is run for itself, which spares moving
// an operand that differs by its batch stride alone; else 1.
typedef struct gsg_conv_kernel {
    gsg_kernel base;
    char label[64]; // its name: direction and oneDNN's implementation
    gsg_onednn_conv *conv;
    gsg_weights weights;
    gsg_desc src, dst, inner_src, inner_dst;
    int32_t move_src, move_dst;
    int64_t turns;
    int32_t fold_scale; // scale goes into a copy of the weights
    int32_t fused_bias; // shift goes to the primitive
    int32_t diff_bias;
    gsg_epilogue after;                                            // what remains for a pass of its own
    size_t at_src, at_dst, at_weights, at_scaled, at_part, at_pad; // offsets in scratch, bytes
} gsg_conv_kernel;

void gsg_conv_plan_scratch(gsg_conv_kernel *kernel, gsg_direction direction);
genseg_status gsg_conv_run_forward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                   gsg_error *err);
genseg_status gsg_conv_run_data(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                gsg_error *err);
genseg_status gsg_conv_run_weights(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                   gsg_error *err);

// The layout for blocks of 16 or 8 whatever the machine has.
gsg_weights gsg_weights_blocked(int32_t block, gsg_shape shape, int32_t transposed);

// Stored weights are `outer` times `taps` runs of contiguous floats, taps in the kernel's order. Layouts of the same
// channels and more than one tap agree in `outer` and `run`.
typedef struct gsg_weights_runs {
    int64_t outer, taps, run;
} gsg_weights_runs;
gsg_weights_runs gsg_weights_runs_of(const gsg_weights *layout);

// out = stored, each output channel times its scale.
void gsg_weights_scale(const genseg_context *context, const gsg_weights *layout, const float *stored,
                       const float *scale, float *out);

// Copies between layouts and strides; pad lanes of `to` become zero.
void gsg_conv_move(const genseg_context *context, const gsg_desc *from, const float *src, const gsg_desc *to,
                   float *dst);
// In place; pad lanes stay zero because scale and shift are zero there.
void gsg_conv_epilogue(const genseg_context *context, const gsg_desc *desc, float *data, const gsg_epilogue *epilogue,
                       const float *scale, const float *shift);
// diff_bias[c] = sum of diff_dst over samples and positions; a vector of channels.
void gsg_conv_bias_gradient(const genseg_context *context, const gsg_desc *desc, const float *diff_dst,
                            float *diff_bias);

// sum[i] += part[i]
void gsg_conv_add(const genseg_context *context, const float *part, int64_t count, float *sum);

// The 1x1 convolution of blocked channels to at most 3 plain ones; same arguments as in conv.h.
int32_t gsg_head_takes(const gsg_conv *conv, const gsg_desc *src, const gsg_weights *weights, const gsg_desc *dst);
genseg_status gsg_head_forward_new(gsg_engine *engine, const gsg_desc *src, const gsg_desc *dst,
                                   const gsg_epilogue *epilogue, gsg_kernel **kernel, gsg_error *err);
genseg_status gsg_head_backward_data_new(gsg_engine *engine, const gsg_desc *src, const gsg_desc *dst,
                                         gsg_kernel **kernel, gsg_error *err);
genseg_status gsg_head_backward_weights_new(gsg_engine *engine, const gsg_desc *src, const gsg_desc *dst,
                                            gsg_kernel **kernel, gsg_error *err);

static inline int64_t gsg_round_up(int64_t value, int64_t step)
{
    return (value + step - 1) / step * step;
}

// Transposed convolutions whose kernel is their stride, forward.
int32_t gsg_spread_takes(const gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                         const gsg_weights *weights, const gsg_desc *dst);
genseg_status gsg_spread_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src, const gsg_weights *weights,
                             const gsg_desc *dst, const gsg_epilogue *epilogue, gsg_kernel **kernel, gsg_error *err);

#endif
