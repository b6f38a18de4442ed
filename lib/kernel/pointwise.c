// Activations, sums, products and scalings (kernel/pointwise.h): one loop each over
// contiguous floats; kernel/walk.c finds them in whatever layouts.
#include "kernel/pointwise.h"

#include "kernel/elementary.h"
#include "kernel/walk.h"

// Operands may be the same buffer: no restrict, but iterations are independent.

GSG_SIMD static void relu(const float *parameters, int64_t count, float *const *p)
{
    const float *src = p[0];
    float *dst = p[1];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        dst[i] = src[i] < 0.0f ? 0.0f : src[i]; // NaN stays
}

GSG_SIMD static void leaky_relu(const float *parameters, int64_t count, float *const *p)
{
    const float *src = p[0];
    float *dst = p[1];
    float slope = parameters[1];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        dst[i] = src[i] < 0.0f ? slope * src[i] : src[i];
}

GSG_SIMD static void hyperbolic_tangent(const float *parameters, int64_t count, float *const *p)
{
    const float *src = p[0];
    float *dst = p[1];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        dst[i] = gsg_tanh(src[i]);
}

GSG_SIMD static void sigmoid(const float *parameters, int64_t count, float *const *p)
{
    const float *src = p[0];
    float *dst = p[1];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        dst[i] = gsg_sigmoid(src[i]);
}

GSG_SIMD static void relu_backward(const float *parameters, int64_t count, float *const *p)
{
    const float *dst = p[0], *diff_dst = p[1];
    float *diff_src = p[2];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        diff_src[i] = dst[i] > 0.0f ? diff_dst[i] : 0.0f;
}

GSG_SIMD static void leaky_relu_backward(const float *parameters, int64_t count, float *const *p)
{
    const float *dst = p[0], *diff_dst = p[1];
    float *diff_src = p[2];
    float slope = parameters[1];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        diff_src[i] = dst[i] > 0.0f ? diff_dst[i] : slope * diff_dst[i];
}

GSG_SIMD static void tangent_backward(const float *parameters, int64_t count, float *const *p)
{
    const float *dst = p[0], *diff_dst = p[1];
    float *diff_src = p[2];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        diff_src[i] = diff_dst[i] * ((1.0f - dst[i]) * (1.0f + dst[i]));
}

GSG_SIMD static void sigmoid_backward(const float *parameters, int64_t count, float *const *p)
{
    const float *dst = p[0], *diff_dst = p[1];
    float *diff_src = p[2];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        diff_src[i] = diff_dst[i] * (dst[i] * (1.0f - dst[i]));
}

GSG_SIMD static void add(const float *parameters, int64_t count, float *const *p)
{
    const float *a = p[0], *b = p[1];
    float *dst = p[2];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        dst[i] = a[i] + b[i];
}

GSG_SIMD static void multiply(const float *parameters, int64_t count, float *const *p)
{
    const float *a = p[0], *b = p[1];
    float *dst = p[2];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        dst[i] = a[i] * b[i];
}

GSG_SIMD static void scale(const float *parameters, int64_t count, float *const *p)
{
    const float *src = p[0];
    float *dst = p[1];
    float factor = parameters[0];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        dst[i] = factor * src[i];
}

static genseg_status activation_check(gsg_activation kind, float slope, gsg_error *err)
{
    if (kind != GSG_ACT_RELU && kind != GSG_ACT_TANH && kind != GSG_ACT_SIGMOID)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "activation %d is not known", (int)kind);
    // With a negative slope the sign of the result wouldn't tell the sign of the source.
    if (kind == GSG_ACT_RELU && !(slope >= 0.0f))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "relu: slope %g is below 0", (double)slope);
    return GENSEG_OK;
}

genseg_status gsg_activation_forward_new(gsg_engine *engine, gsg_activation kind, float slope, const gsg_desc *src,
                                         const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err)
{
    genseg_status status = activation_check(kind, slope, err);
    if (status != GENSEG_OK)
        return status;
    gsg_elementwise op = {.operands = 2, .map = {0, 1}, .scalar = -1, .constant = 1.0f, .parameter = slope};
    switch (kind) {
    case GSG_ACT_TANH:
        op.name = "tanh";
        op.fn = hyperbolic_tangent;
        break;
    case GSG_ACT_SIGMOID:
        op.name = "sigmoid";
        op.fn = sigmoid;
        break;
    default:
        op.name = "relu";
        op.fn = slope == 0.0f ? relu : leaky_relu;
        break;
    }
    return gsg_elementwise_new(engine, &op, (const gsg_desc *const[]){src, dst}, kernel, err);
}

genseg_status gsg_activation_backward_new(gsg_engine *engine, gsg_activation kind, float slope, const gsg_desc *dst,
                                          const gsg_desc *diff_dst, const gsg_desc *diff_src, gsg_kernel **kernel,
                                          gsg_error *err)
{
    genseg_status status = activation_check(kind, slope, err);
    if (status != GENSEG_OK)
        return status;
    gsg_elementwise op = {.operands = 3, .map = {0, 1, 2}, .scalar = -1, .constant = 1.0f, .parameter = slope};
    switch (kind) {
    case GSG_ACT_TANH:
        op.name = "tanh backward";
        op.fn = tangent_backward;
        break;
    case GSG_ACT_SIGMOID:
        op.name = "sigmoid backward";
        op.fn = sigmoid_backward;
        break;
    default:
        op.name = "relu backward";
        op.fn = slope == 0.0f ? relu_backward : leaky_relu_backward;
        break;
    }
    return gsg_elementwise_new(engine, &op, (const gsg_desc *const[]){dst, diff_dst, diff_src}, kernel, err);
}

genseg_status gsg_add_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, const gsg_desc *dst,
                          gsg_kernel **kernel, gsg_error *err)
{
    gsg_elementwise op = {"add", add, 3, {0, 1, 2}, -1, 1.0f, 0.0f};
    return gsg_elementwise_new(engine, &op, (const gsg_desc *const[]){a, b, dst}, kernel, err);
}

genseg_status gsg_multiply_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, const gsg_desc *dst,
                               gsg_kernel **kernel, gsg_error *err)
{
    gsg_elementwise op = {"multiply", multiply, 3, {0, 1, 2}, -1, 1.0f, 0.0f};
    return gsg_elementwise_new(engine, &op, (const gsg_desc *const[]){a, b, dst}, kernel, err);
}

genseg_status gsg_scale_new(gsg_engine *engine, float constant, const gsg_desc *src, const gsg_desc *dst,
                            gsg_kernel **kernel, gsg_error *err)
{
    gsg_elementwise op = {"scale", scale, 2, {0, 2}, 1, constant, 0.0f};
    return gsg_elementwise_new(engine, &op, (const gsg_desc *const[]){src, dst}, kernel, err);
}
