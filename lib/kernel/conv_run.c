// Runs convolutions over oneDNN: what surrounds the primitive, that is scaled or
// reordered weights, operands in a layout that it doesn't take, views sample by
// sample, bias and epilogue. All memory is scratch.
#include <stdbool.h>
#include <string.h>

#include "kernel/conv_parts.h"

static size_t reserve(size_t *total, size_t bytes)
{
    const size_t at = *total;
    *total += (bytes + 63) / 64 * 64;
    return at;
}

void gsg_conv_plan_scratch(gsg_conv_kernel *k, gsg_direction direction)
{
    const bool reorders = gsg_onednn_conv_reorders(k->conv) != 0;
    size_t total = 0;
    if (k->move_src)
        k->at_src = reserve(&total, (size_t)gsg_desc_count(&k->inner_src) * sizeof(float));
    if (k->move_dst)
        k->at_dst = reserve(&total, (size_t)gsg_desc_count(&k->inner_dst) * sizeof(float));
    if (reorders)
        k->at_weights = reserve(&total, gsg_onednn_conv_weights(k->conv));
    if (k->fold_scale)
        k->at_scaled = reserve(&total, (size_t)k->weights.count * sizeof(float));
    if (direction == GSG_BACKWARD_WEIGHTS && k->turns > 1)
        k->at_part = reserve(&total, gsg_onednn_conv_weights(k->conv));
    k->at_pad = reserve(&total, gsg_onednn_conv_scratch(k->conv));
    k->base.scratch = total;
}

static float *at(void *scratch, size_t offset)
{
    return (float *)((char *)scratch + offset);
}

// An operand as the primitive takes it: the caller's, or the place in scratch for its copy.
typedef struct side {
    const gsg_desc *desc;
    float *data;
} side;

static side src_side(const gsg_conv_kernel *k, float *arg, void *scratch)
{
    if (k->move_src)
        return (side){&k->inner_src, at(scratch, k->at_src)};
    return (side){&k->src, arg};
}

static side dst_side(const gsg_conv_kernel *k, float *arg, void *scratch)
{
    if (k->move_dst)
        return (side){&k->inner_dst, at(scratch, k->at_dst)};
    return (side){&k->dst, arg};
}

// Weights of forward and backward data in the primitive's order.
static genseg_status prepare_weights(const gsg_conv_kernel *k, float **weights, const float *scale, void *scratch,
                                     gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    if (k->fold_scale) {
        gsg_weights_scale(k->base.context, &k->weights, *weights, scale, at(scratch, k->at_scaled));
        *weights = at(scratch, k->at_scaled);
    }
    if (gsg_onednn_conv_reorders(k->conv)) {
        float *own = at(scratch, k->at_weights);
        status = gsg_onednn_conv_reorder(k->conv, *weights, own, at(scratch, k->at_pad), err);
        *weights = own;
    }
    return status;
}

static genseg_status run_turns(const gsg_conv_kernel *k, side src, float *weights, float *bias, side dst, void *scratch,
                               gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    for (int64_t n = 0; n < k->turns && status == GENSEG_OK; n++)
        status = gsg_onednn_conv_run(k->conv, src.data + n * src.desc->batch_stride, weights, bias,
                                     dst.data + n * dst.desc->batch_stride, at(scratch, k->at_pad), err);
    return status;
}

genseg_status gsg_conv_run_forward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                   gsg_error *err)
{
    const gsg_conv_kernel *k = (const gsg_conv_kernel *)self;
    genseg_status status = GENSEG_OK;
    const side src = src_side(k, args[0], scratch), dst = dst_side(k, args[4], scratch);
    float *weights = args[1];
    if (k->move_src)
        gsg_conv_move(self->context, &k->src, args[0], src.desc, src.data);
    GSG_TRY(prepare_weights(k, &weights, args[2], scratch, err));
    GSG_TRY(run_turns(k, src, weights, k->fused_bias ? args[3] : NULL, dst, scratch, err));
    if (k->after.scale || k->after.shift || k->after.activation)
        gsg_conv_epilogue(self->context, dst.desc, dst.data, &k->after, args[2], args[3]);
    if (k->move_dst)
        gsg_conv_move(self->context, dst.desc, dst.data, &k->dst, args[4]);
done:
    return status;
}

genseg_status gsg_conv_run_data(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                gsg_error *err)
{
    const gsg_conv_kernel *k = (const gsg_conv_kernel *)self;
    genseg_status status = GENSEG_OK;
    const side src = src_side(k, args[2], scratch), dst = dst_side(k, args[0], scratch);
    float *weights = args[1];
    if (k->move_dst)
        gsg_conv_move(self->context, &k->dst, args[0], dst.desc, dst.data);
    GSG_TRY(prepare_weights(k, &weights, NULL, scratch, err));
    GSG_TRY(run_turns(k, src, weights, NULL, dst, scratch, err));
    if (k->move_src)
        gsg_conv_move(self->context, src.desc, src.data, &k->src, args[2]);
done:
    return status;
}

genseg_status gsg_conv_run_weights(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                   gsg_error *err)
{
    const gsg_conv_kernel *k = (const gsg_conv_kernel *)self;
    genseg_status status = GENSEG_OK;
    const side src = src_side(k, args[0], scratch), dst = dst_side(k, args[1], scratch);
    const bool reorders = gsg_onednn_conv_reorders(k->conv) != 0;
    float *total = reorders ? at(scratch, k->at_weights) : args[2], *part = at(scratch, k->at_part);
    const int64_t count = (int64_t)(gsg_onednn_conv_weights(k->conv) / sizeof(float));
    if (k->move_src)
        gsg_conv_move(self->context, &k->src, args[0], src.desc, src.data);
    if (k->move_dst)
        gsg_conv_move(self->context, &k->dst, args[1], dst.desc, dst.data);
    for (int64_t n = 0; n < k->turns; n++) {
        GSG_TRY(gsg_onednn_conv_run(k->conv, src.data + n * src.desc->batch_stride, n ? part : total, NULL,
                                    dst.data + n * dst.desc->batch_stride, at(scratch, k->at_pad), err));
        if (n)
            gsg_conv_add(self->context, part, count, total);
    }
    if (k->weights.form == GSG_FORM_HEAD && reorders) // strided rows: oneDNN leaves alone what pads them
        memset(args[2], 0, (size_t)k->weights.count * sizeof(float));
    if (reorders)
        GSG_TRY(gsg_onednn_conv_reorder(k->conv, total, args[2], at(scratch, k->at_pad), err));
    if (k->diff_bias && args[3])
        gsg_conv_bias_gradient(self->context, dst.desc, dst.data, args[3]);
done:
    return status;
}
