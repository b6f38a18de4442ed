// Convolutions over oneDNN: shapes, the choice of the algorithm, and what surrounds
// the primitive: weights in another order, operands in a layout that it doesn't
// take (plain results of few channels, ranges of a concatenation), bias, epilogue.
#include "kernel/conv.h"

#include <stdbool.h>
#include <stdio.h>

#include "core/parallel.h"
#include "kernel/conv_parts.h"

#define WINOGRAD_SCRATCH ((size_t)96 << 20) // bytes; beyond, memory costs more than time is won

genseg_status gsg_conv_shape(const gsg_conv *conv, gsg_shape src, gsg_shape weights, gsg_shape *dst, gsg_error *err)
{
    char a[GSG_SHAPE_TEXT_SIZE], b[GSG_SHAPE_TEXT_SIZE];
    const int32_t n = conv->spatial;
    if ((n != 2 && n != 3) || src.ndim != n + 2 || weights.ndim != n + 2)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%d-D convolution of %s with weights %s", n,
                             gsg_shape_text(src, a), gsg_shape_text(weights, b));
    if (src.dims[1] != weights.dims[conv->transposed ? 0 : 1])
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "convolution: source %s has %lld channels, weights %s want %lld",
                             gsg_shape_text(src, a), (long long)src.dims[1], gsg_shape_text(weights, b),
                             (long long)weights.dims[conv->transposed ? 0 : 1]);
    gsg_shape out = src;
    out.dims[1] = weights.dims[conv->transposed ? 1 : 0];
    for (int32_t i = 0; i < n; i++) {
        const int64_t k = conv->kernel[i], s = conv->stride[i], p = conv->padding[i], x = src.dims[i + 2];
        if (k < 1 || s < 1 || p < 0 || k != weights.dims[i + 2])
            return gsg_error_set(err, GENSEG_ERROR_SHAPE,
                                 "convolution: kernel %lld, stride %lld, padding %lld, weights %s", (long long)k,
                                 (long long)s, (long long)p, gsg_shape_text(weights, b));
        int64_t y = conv->transposed ? (x - 1) * s - 2 * p + k : (x + 2 * p - k) / s + 1;
        if (y < 1 || (!conv->transposed && x + 2 * p < k))
            return gsg_error_set(err, GENSEG_ERROR_SHAPE, "convolution: a kernel of %lld does not fit a source of %s",
                                 (long long)k, gsg_shape_text(src, a));
        out.dims[i + 2] = y;
    }
    *dst = out;
    return GENSEG_OK;
}

static gsg_desc dense(const gsg_desc *desc, int32_t block)
{
    gsg_desc out = *desc;
    out.block = block;
    out.batch_stride = gsg_desc_dense(&out);
    return out;
}

static bool same(const gsg_desc *a, const gsg_desc *b)
{
    return a->block == b->block && (a->batch_stride == b->batch_stride || a->shape.dims[0] == 1);
}

// The layout in which oneDNN sees an operand: as it is where that is dense, but blocked unless it is
// the plain source of a first layer.
static gsg_desc inner_layout(const gsg_engine *engine, const gsg_desc *desc, bool first)
{
    bool plain = first && desc->block == 1 && desc->shape.dims[1] <= GSG_PLAIN_CHANNELS;
    return dense(desc, plain ? 1 : gsg_engine_block(engine));
}

static void fill_problem(gsg_onednn_problem *q, const gsg_conv *conv, const gsg_desc *src, const gsg_weights *w,
                         const gsg_desc *dst)
{
    q->form = (gsg_form)w->form;
    q->spatial = conv->spatial;
    q->transposed = conv->transposed;
    q->src_plain = src->block == 1;
    q->dst_plain = dst->block == 1;
    q->batch = src->shape.dims[0];
    q->src_channels = gsg_desc_padded(src);
    q->dst_channels = gsg_desc_padded(dst);
    for (int32_t i = 0; i < conv->spatial; i++) {
        q->src[i] = src->shape.dims[i + 2];
        q->dst[i] = dst->shape.dims[i + 2];
        q->kernel[i] = conv->kernel[i];
        q->stride[i] = conv->stride[i];
        q->padding[i] = conv->padding[i];
    }
}

static bool is_winograd_shape(const gsg_onednn_problem *q, int32_t block)
{
    bool three = q->spatial == 2 && !q->transposed && block == 16 && !q->src_plain && !q->dst_plain;
    for (int32_t i = 0; i < q->spatial; i++)
        three = three && q->kernel[i] == 3 && q->stride[i] == 1;
    return three;
}

// Fixed by the shape: many channels, and enough tiles to spread the transforms over.
static bool prefers_winograd(const gsg_onednn_problem *q)
{
    const int64_t channels = q->src_channels < q->dst_channels ? q->src_channels : q->dst_channels;
    return channels >= 32 && q->dst[0] * q->dst[1] >= 24 * 24;
}

static genseg_status make_primitive(gsg_engine *engine, gsg_onednn_problem *q, gsg_conv_algorithm algorithm,
                                    gsg_onednn_conv **made, gsg_error *err)
{
    bool wanted = algorithm == GSG_CONV_WINOGRAD || (algorithm == GSG_CONV_AUTO && prefers_winograd(q));
    if (wanted && is_winograd_shape(q, gsg_engine_block(engine))) {
        q->winograd = 1;
        genseg_status status = gsg_onednn_conv_new(engine, q, made, NULL);
        if (status == GENSEG_OK && (algorithm == GSG_CONV_WINOGRAD || gsg_onednn_conv_scratch(*made) <= WINOGRAD_SCRATCH))
            return status;
        if (status == GENSEG_OK)
            gsg_onednn_conv_free(*made);
        *made = NULL;
        q->winograd = 0;
    }
    return gsg_onednn_conv_new(engine, q, made, err);
}

typedef struct conv_kernel {
    gsg_kernel base;
    gsg_direction direction;
    gsg_onednn_conv *conv;
    gsg_desc src, dst;             // as the caller has them
    gsg_desc inner_src, inner_dst; // as oneDNN wants them
    bool move_src, move_dst;
    size_t at_src, at_dst, at_weights, at_pad; // offsets in scratch, bytes
    gsg_epilogue after; // what remains for a pass of its own
    bool fused_bias;
    bool diff_bias;
} conv_kernel;

static void destroy(gsg_kernel *self)
{
    gsg_onednn_conv_free(((conv_kernel *)self)->conv);
}

static size_t reserve(size_t *total, size_t bytes)
{
    size_t at = *total;
    *total += (bytes + 63) / 64 * 64;
    return at;
}

static void plan_scratch(conv_kernel *k)
{
    size_t total = 0;
    if (k->move_src)
        k->at_src = reserve(&total, (size_t)gsg_desc_count(&k->inner_src) * sizeof(float));
    if (k->move_dst)
        k->at_dst = reserve(&total, (size_t)gsg_desc_count(&k->inner_dst) * sizeof(float));
    if (gsg_onednn_conv_reorders(k->conv))
        k->at_weights = reserve(&total, gsg_onednn_conv_weights(k->conv));
    k->at_pad = reserve(&total, gsg_onednn_conv_scratch(k->conv));
    k->base.scratch = total;
}

static float *at(void *scratch, size_t offset)
{
    return (float *)((char *)scratch + offset);
}

static genseg_status run_forward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const conv_kernel *k = (const conv_kernel *)self;
    genseg_status status = GENSEG_OK;
    float *src = k->move_src ? at(scratch, k->at_src) : args[0];
    float *dst = k->move_dst ? at(scratch, k->at_dst) : args[4];
    float *weights = args[1];
    if (k->move_src)
        gsg_conv_move(self->context, &k->src, args[0], &k->inner_src, src);
    if (gsg_onednn_conv_reorders(k->conv)) {
        weights = at(scratch, k->at_weights);
        GSG_TRY(gsg_onednn_conv_reorder(k->conv, args[1], weights, at(scratch, k->at_pad), err));
    }
    GSG_TRY(gsg_onednn_conv_run(k->conv, src, weights, k->fused_bias ? args[3] : NULL, dst, at(scratch, k->at_pad),
                                err));
    if (k->after.scale || k->after.shift || k->after.activation)
        gsg_conv_epilogue(self->context, &k->inner_dst, dst, &k->after, args[2], args[3]);
    if (k->move_dst)
        gsg_conv_move(self->context, &k->inner_dst, dst, &k->dst, args[4]);
done:
    return status;
}

static genseg_status run_data(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                              gsg_error *err)
{
    const conv_kernel *k = (const conv_kernel *)self;
    genseg_status status = GENSEG_OK;
    float *diff_dst = k->move_dst ? at(scratch, k->at_dst) : args[0];
    float *diff_src = k->move_src ? at(scratch, k->at_src) : args[2];
    float *weights = args[1];
    if (k->move_dst)
        gsg_conv_move(self->context, &k->dst, args[0], &k->inner_dst, diff_dst);
    if (gsg_onednn_conv_reorders(k->conv)) {
        weights = at(scratch, k->at_weights);
        GSG_TRY(gsg_onednn_conv_reorder(k->conv, args[1], weights, at(scratch, k->at_pad), err));
    }
    GSG_TRY(gsg_onednn_conv_run(k->conv, diff_src, weights, NULL, diff_dst, at(scratch, k->at_pad), err));
    if (k->move_src)
        gsg_conv_move(self->context, &k->inner_src, diff_src, &k->src, args[2]);
done:
    return status;
}

static genseg_status run_weights(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const conv_kernel *k = (const conv_kernel *)self;
    genseg_status status = GENSEG_OK;
    float *src = k->move_src ? at(scratch, k->at_src) : args[0];
    float *diff_dst = k->move_dst ? at(scratch, k->at_dst) : args[1];
    float *weights = gsg_onednn_conv_reorders(k->conv) ? at(scratch, k->at_weights) : args[2];
    if (k->move_src)
        gsg_conv_move(self->context, &k->src, args[0], &k->inner_src, src);
    if (k->move_dst)
        gsg_conv_move(self->context, &k->dst, args[1], &k->inner_dst, diff_dst);
    GSG_TRY(gsg_onednn_conv_run(k->conv, src, weights, NULL, diff_dst, at(scratch, k->at_pad), err));
    if (gsg_onednn_conv_reorders(k->conv))
        GSG_TRY(gsg_onednn_conv_reorder(k->conv, weights, args[2], at(scratch, k->at_pad), err));
    if (k->diff_bias && args[3])
        gsg_conv_bias_gradient(self->context, &k->inner_dst, diff_dst, args[3]);
done:
    return status;
}

static double count_flops(const gsg_conv *conv, const gsg_desc *src, const gsg_desc *dst)
{
    double taps = 1;
    for (int32_t i = 0; i < conv->spatial; i++)
        taps *= (double)conv->kernel[i];
    gsg_shape moved = conv->transposed ? src->shape : dst->shape;
    return 2.0 * taps * (double)moved.dims[0] * (double)gsg_shape_spatial(moved) * (double)src->shape.dims[1] *
           (double)dst->shape.dims[1];
}

static genseg_status make(gsg_engine *engine, gsg_direction direction, const gsg_conv *conv, const gsg_desc *src,
                          const gsg_weights *weights, const gsg_desc *dst, const gsg_epilogue *epilogue,
                          gsg_conv_algorithm algorithm, conv_kernel **kernel, gsg_error *err)
{
    static const char *const names[] = {"convolution", "convolution backward data", "convolution backward weights"};
    genseg_status (*const runs[])(const gsg_kernel *, const gsg_run *, float *const *, void *,
                                  gsg_error *) = {run_forward, run_data, run_weights};
    char what[192], a[GSG_SHAPE_TEXT_SIZE], b[GSG_SHAPE_TEXT_SIZE];
    snprintf(what, sizeof what, "%s %s with %s", names[direction], gsg_shape_text(src->shape, a),
                     gsg_shape_text(weights->shape, b));
    conv_kernel *k = gsg_kernel_make(engine, sizeof *k, names[direction], runs[direction], err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->base.destroy = destroy;
    k->direction = direction;
    k->src = *src;
    k->dst = *dst;
    k->inner_src = inner_layout(engine, src, !conv->transposed);
    k->inner_dst = inner_layout(engine, dst, false);
    k->move_src = !same(src, &k->inner_src);
    k->move_dst = !same(dst, &k->inner_dst);
    gsg_onednn_problem q = {.what = what, .direction = direction};
    fill_problem(&q, conv, &k->inner_src, weights, &k->inner_dst);
    if (epilogue) {
        k->after = *epilogue;
        // oneDNN's bias is slow for 1x1 kernels and for transposed convolutions.
        k->fused_bias = epilogue->shift && !epilogue->scale && !conv->transposed && gsg_shape_spatial(weights->shape) > 1;
        if (k->fused_bias) {
            q.bias = 1;
            q.activation = epilogue->activation;
            q.slope = epilogue->slope;
            k->after = (gsg_epilogue){0};
        }
    }
    genseg_status status = make_primitive(engine, &q, algorithm, &k->conv, err);
    if (status != GENSEG_OK) {
        gsg_kernel_free(&k->base);
        return status;
    }
    k->base.name = gsg_onednn_conv_name(k->conv);
    k->base.flops = count_flops(conv, src, dst);
    plan_scratch(k);
    *kernel = k;
    return GENSEG_OK;
}

genseg_status gsg_conv_forward_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                                   const gsg_weights *weights, const gsg_desc *dst, const gsg_epilogue *epilogue,
                                   gsg_conv_algorithm algorithm, gsg_kernel **kernel, gsg_error *err)
{
    if (weights->form == GSG_FORM_HEAD)
        return gsg_head_forward_new(engine, conv, src, weights, dst, epilogue, kernel, err);
    conv_kernel *k = NULL;
    genseg_status status = make(engine, GSG_FORWARD, conv, src, weights, dst, epilogue, algorithm, &k, err);
    if (status == GENSEG_OK)
        *kernel = &k->base;
    return status;
}

genseg_status gsg_conv_backward_data_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                                         const gsg_weights *weights, const gsg_desc *dst,
                                         gsg_conv_algorithm algorithm, gsg_kernel **kernel, gsg_error *err)
{
    if (weights->form == GSG_FORM_HEAD)
        return gsg_head_backward_data_new(engine, conv, src, weights, dst, kernel, err);
    conv_kernel *k = NULL;
    genseg_status status = make(engine, GSG_BACKWARD_DATA, conv, src, weights, dst, NULL, algorithm, &k, err);
    if (status == GENSEG_OK)
        *kernel = &k->base;
    return status;
}

genseg_status gsg_conv_backward_weights_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                                            const gsg_weights *weights, const gsg_desc *dst, int32_t bias,
                                            gsg_conv_algorithm algorithm, gsg_kernel **kernel, gsg_error *err)
{
    if (weights->form == GSG_FORM_HEAD)
        return gsg_head_backward_weights_new(engine, conv, src, weights, dst, bias, kernel, err);
    conv_kernel *k = NULL;
    genseg_status status = make(engine, GSG_BACKWARD_WEIGHTS, conv, src, weights, dst, NULL, algorithm, &k, err);
    if (status != GENSEG_OK)
        return status;
    k->diff_bias = bias != 0;
    *kernel = &k->base;
    return GENSEG_OK;
}
