// Convolutions: shapes, and the choice of algorithm, layouts and what of the epilogue
// goes to the primitive. All choices follow from shapes alone.
#include "kernel/conv.h"

#include <stdbool.h>
#include <stdio.h>

#include "kernel/conv_parts.h"
#include "kernel/winograd.h"

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

// ---- layouts

// What the primitive is to see. oneDNN's kernels take images of up to 3 channels plain where they read
// them, and want blocks else.
typedef struct choice {
    int32_t src_plain, dst_plain;
} choice;

#define CHOICES 3

// The best comes first, the plain ones last: without AVX-512 some directions exist for these only.
static void list_choices(const gsg_conv *conv, gsg_direction direction, const gsg_weights *weights, const gsg_desc *dst,
                         choice list[CHOICES])
{
    list[0] = (choice){weights->form == GSG_FORM_FIRST, 0};
    if (conv->transposed && direction != GSG_FORWARD && dst->shape.dims[1] <= GSG_PLAIN_CHANNELS)
        list[0].dst_plain = 1;
    list[1] = (choice){0, 0};
    list[2] = (choice){1, 1};
}

static bool is_view(const gsg_desc *desc, const gsg_desc *inner)
{
    return desc->block == inner->block && desc->batch_stride != inner->batch_stride && desc->shape.dims[0] > 1;
}

// Views either are moved, which costs a pass over them and the memory, or make each sample a turn, which
// reads the weights once a sample (and with backward weights writes and adds them).
static void arrange(const gsg_engine *engine, gsg_conv_kernel *k, gsg_direction direction, choice c)
{
    const int32_t block = gsg_engine_block(engine);
    k->inner_src = dense(&k->src, c.src_plain ? 1 : block);
    k->inner_dst = dense(&k->dst, c.dst_plain ? 1 : block);
    const int64_t batch = k->src.shape.dims[0];
    const bool src = is_view(&k->src, &k->inner_src), dst = is_view(&k->dst, &k->inner_dst);
    const int64_t moved = 2 * batch * ((src ? k->inner_src.batch_stride : 0) + (dst ? k->inner_dst.batch_stride : 0));
    const int64_t again = (direction == GSG_BACKWARD_WEIGHTS ? 4 : 1) * (batch - 1) * k->weights.count;
    const bool turns = (src || dst) && again <= moved;
    k->turns = turns ? batch : 1;
    k->move_src = k->src.block != k->inner_src.block || (src && !turns);
    k->move_dst = k->dst.block != k->inner_dst.block || (dst && !turns);
}

static void fill_problem(gsg_onednn_problem *q, const gsg_conv *conv, const gsg_conv_kernel *k)
{
    q->form = (gsg_form)k->weights.form;
    q->spatial = conv->spatial;
    q->transposed = conv->transposed;
    q->src_plain = k->inner_src.block == 1;
    q->dst_plain = k->inner_dst.block == 1;
    q->batch = k->turns > 1 ? 1 : k->src.shape.dims[0];
    // Whole blocks, so that oneDNN need not care for padding, unless the weights have no room for them.
    q->src_channels = q->form == GSG_FORM_FIRST ? k->src.shape.dims[1] : gsg_desc_padded(&k->inner_src);
    q->dst_channels = q->form == GSG_FORM_HEAD ? k->dst.shape.dims[1] : gsg_desc_padded(&k->inner_dst);
    for (int32_t i = 0; i < conv->spatial; i++) {
        q->src[i] = k->src.shape.dims[i + 2];
        q->dst[i] = k->dst.shape.dims[i + 2];
        q->kernel[i] = conv->kernel[i];
        q->stride[i] = conv->stride[i];
        q->padding[i] = conv->padding[i];
    }
}

// oneDNN's kernels in blocks (AVX-512; 2.6, 3.7, and 3.12 within PyTorch) get backward weights in 3-D wrong, and write
// beyond them, where a kernel of depth 8 is never whole inside the source: at depths of 6 and 8 with stride 2 and
// padding 3. Kernels of 4 and 6 were tried at depths of 2 to 20 and are right.
static bool depth_breaks_blocks(const gsg_engine *engine, const gsg_conv *conv, const gsg_onednn_problem *q)
{
    if (gsg_engine_block(engine) != 16 || q->direction != GSG_BACKWARD_WEIGHTS || q->spatial != 3 ||
        conv->kernel[0] <= 6)
        return false;
    const int64_t wide = conv->transposed ? q->dst[0] : q->src[0], stride = conv->stride[0];
    const int64_t first = (conv->padding[0] + stride - 1) / stride * stride - conv->padding[0]; // not before 0
    return first + conv->kernel[0] > wide;
}

// Tries the layouts in turn until oneDNN has a kernel made for one of them; else takes the least bad.
static genseg_status choose(gsg_engine *engine, const gsg_conv *conv, gsg_onednn_problem *q, gsg_conv_kernel *k,
                            gsg_error *err)
{
    choice list[CHOICES];
    genseg_status status = GENSEG_ERROR_INTERNAL;
    int32_t best = -1, rank = 0;
    list_choices(conv, q->direction, &k->weights, &k->dst, list);
    arrange(engine, k, q->direction, list[0]);
    fill_problem(q, conv, k);
    q->no_blocks = depth_breaks_blocks(engine, conv, q);
    for (int32_t i = q->no_blocks ? CHOICES - 1 : 0; i < CHOICES && (best < 0 || rank > 0); i++) {
        gsg_onednn_conv *made = NULL;
        arrange(engine, k, q->direction, list[i]);
        fill_problem(q, conv, k);
        genseg_status result = gsg_onednn_conv_new(engine, q, &made, err);
        if (result == GENSEG_ERROR_NOMEM)
            return result;
        if (result == GENSEG_OK && (best < 0 || gsg_onednn_conv_rank(made) < rank)) {
            gsg_onednn_conv_free(k->conv);
            k->conv = made;
            rank = gsg_onednn_conv_rank(made);
            best = i;
            made = NULL;
        }
        gsg_onednn_conv_free(made);
        status = best < 0 ? result : GENSEG_OK;
    }
    if (status == GENSEG_OK)
        arrange(engine, k, q->direction, list[best]);
    return status;
}

// ---- kernels

// oneDNN's bias is slow for 1x1 kernels and for transposed convolutions: these get a pass of their own.
// The scale goes into a copy of the weights, unless they are more than what a pass would touch.
static void share_epilogue(gsg_onednn_problem *q, gsg_conv_kernel *k, const gsg_epilogue *epilogue)
{
    k->after = *epilogue;
    const bool fuses = !q->transposed && gsg_shape_spatial(k->weights.shape) > 1;
    const bool pass = !fuses && (epilogue->shift || epilogue->activation);
    if (epilogue->scale && !pass && k->weights.count <= gsg_shape_count(k->dst.shape)) {
        k->fold_scale = 1;
        k->after.scale = 0;
    }
    if (!fuses || k->after.scale)
        return;
    k->fused_bias = epilogue->shift;
    q->bias = epilogue->shift;
    q->activation = epilogue->activation;
    q->slope = epilogue->slope;
    k->after = (gsg_epilogue){0};
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

static void describe(gsg_kernel *kernel, const gsg_conv *conv, const gsg_desc *src, const gsg_weights *weights,
                     const gsg_desc *dst)
{
    kernel->flops = count_flops(conv, src, dst);
    kernel->bytes = 4.0 * (double)(gsg_shape_count(src->shape) + gsg_shape_count(dst->shape) + weights->count);
}

static genseg_status check_destination(const gsg_conv *conv, const gsg_desc *src, const gsg_weights *weights,
                                       const gsg_desc *dst, gsg_error *err)
{
    char a[GSG_SHAPE_TEXT_SIZE], b[GSG_SHAPE_TEXT_SIZE];
    gsg_shape shape;
    genseg_status status = gsg_conv_shape(conv, src->shape, weights->shape, &shape, err);
    if (status == GENSEG_OK && !gsg_shape_equal(shape, dst->shape))
        status = gsg_error_set(err, GENSEG_ERROR_SHAPE, "convolution: destination is %s, not %s",
                               gsg_shape_text(dst->shape, a), gsg_shape_text(shape, b));
    return status;
}

static void destroy(gsg_kernel *self)
{
    gsg_onednn_conv_free(((gsg_conv_kernel *)self)->conv);
}

static genseg_status make_head(gsg_engine *engine, gsg_direction direction, const gsg_desc *src, const gsg_desc *dst,
                               const gsg_epilogue *epilogue, gsg_kernel **kernel, gsg_error *err)
{
    if (direction == GSG_FORWARD)
        return gsg_head_forward_new(engine, src, dst, epilogue, kernel, err);
    if (direction == GSG_BACKWARD_DATA)
        return gsg_head_backward_data_new(engine, src, dst, kernel, err);
    return gsg_head_backward_weights_new(engine, src, dst, kernel, err);
}

static genseg_status make(gsg_engine *engine, gsg_direction direction, const gsg_conv *conv, const gsg_desc *src,
                          const gsg_weights *weights, const gsg_desc *dst, const gsg_epilogue *epilogue, int32_t bias,
                          gsg_conv_algorithm algorithm, gsg_kernel **kernel, gsg_error *err)
{
    static const char *const names[] = {"convolution", "convolution backward data", "convolution backward weights"};
    genseg_status (*const runs[])(const gsg_kernel *, const gsg_run *, float *const *, void *,
                                  gsg_error *) = {gsg_conv_run_forward, gsg_conv_run_data, gsg_conv_run_weights};
    const int32_t wanted = !gsg_engine_context(engine)->options.no_winograd;
    char what[288], a[GSG_SHAPE_TEXT_SIZE], b[GSG_SHAPE_TEXT_SIZE];
    genseg_status status = check_destination(conv, src, weights, dst, err);
    if (status != GENSEG_OK)
        return status;
    if ((algorithm == GSG_CONV_AUTO || algorithm == GSG_CONV_POINTWISE) && gsg_head_takes(conv, src, weights, dst))
        return make_head(engine, direction, src, dst, epilogue, kernel, err);
    if ((algorithm == GSG_CONV_WINOGRAD ||
         (algorithm == GSG_CONV_AUTO && wanted && gsg_winograd_wins(conv, src, dst))) &&
        gsg_winograd_takes(engine, direction, conv, src, weights, dst)) {
        status = gsg_winograd_new(engine, direction, conv, src, weights, dst, epilogue, bias, kernel, err);
        if (status == GENSEG_OK)
            describe(*kernel, conv, src, weights, dst);
        return status;
    }
    if (algorithm == GSG_CONV_AUTO && direction == GSG_FORWARD && gsg_spread_takes(engine, conv, src, weights, dst)) {
        status = gsg_spread_new(engine, conv, src, weights, dst, epilogue, kernel, err);
        if (status == GENSEG_OK)
            describe(*kernel, conv, src, weights, dst);
        return status;
    }
    snprintf(what, sizeof what, "%s %s with %s", names[direction], gsg_shape_text(src->shape, a),
             gsg_shape_text(weights->shape, b));
    gsg_conv_kernel *k = gsg_kernel_make(engine, sizeof *k, names[direction], runs[direction], err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->base.destroy = destroy;
    k->weights = *weights;
    k->src = *src;
    k->dst = *dst;
    k->diff_bias = bias;
    gsg_onednn_problem q = {.what = what, .direction = direction, .transposed = conv->transposed};
    if (epilogue)
        share_epilogue(&q, k, epilogue);
    status = choose(engine, conv, &q, k, err);
    if (status != GENSEG_OK) {
        gsg_kernel_free(&k->base);
        return status;
    }
    snprintf(k->label, sizeof k->label, "%s, %s", names[direction], gsg_onednn_conv_name(k->conv));
    k->base.name = k->label;
    describe(&k->base, conv, src, weights, dst);
    gsg_conv_plan_scratch(k, direction);
    *kernel = &k->base;
    return GENSEG_OK;
}

genseg_status gsg_conv_forward_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                                   const gsg_weights *weights, const gsg_desc *dst, const gsg_epilogue *epilogue,
                                   gsg_conv_algorithm algorithm, gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, GSG_FORWARD, conv, src, weights, dst, epilogue, 0, algorithm, kernel, err);
}

genseg_status gsg_conv_backward_data_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                                         const gsg_weights *weights, const gsg_desc *dst, gsg_conv_algorithm algorithm,
                                         gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, GSG_BACKWARD_DATA, conv, src, weights, dst, NULL, 0, algorithm, kernel, err);
}

genseg_status gsg_conv_backward_weights_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                                            const gsg_weights *weights, const gsg_desc *dst, int32_t bias,
                                            gsg_conv_algorithm algorithm, gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, GSG_BACKWARD_WEIGHTS, conv, src, weights, dst, NULL, bias, algorithm, kernel, err);
}
