// Sums over all elements: plain sums, inner products, mean absolute and mean squared
// differences with their gradients, and the gradient of a sum (kernel/loss.h).
#include "kernel/loss.h"
#include "kernel/tile.h"

typedef struct reduce {
    gsg_kernel base;
    gsg_walk walk;
    gsg_sum_fn fn;
    double constant;
} reduce;

GSG_SIMD static double sum_run(int64_t count, float *const *p)
{
    gsg_lanes lanes = {{0}};
    gsg_lanes_add(&lanes, p[0], count);
    return gsg_lanes_total(&lanes);
}

GSG_SIMD static double dot_run(int64_t count, float *const *p)
{
    gsg_lanes lanes = {{0}};
    gsg_lanes_add_product(&lanes, p[0], p[1], count);
    return gsg_lanes_total(&lanes);
}

GSG_SIMD static double l1_run(int64_t count, float *const *p)
{
    const float *a = p[0], *b = p[1];
    gsg_lanes lanes = {{0}};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int32_t j = 0; j < 8; ++j)
            lanes.lane[j] += (double)fabsf(a[i + j] - b[i + j]);
    for (int32_t j = 0; i + j < count; ++j)
        lanes.lane[j] += (double)fabsf(a[i + j] - b[i + j]);
    return gsg_lanes_total(&lanes);
}

GSG_SIMD static double mse_run(int64_t count, float *const *p)
{
    const float *a = p[0], *b = p[1];
    gsg_lanes lanes = {{0}};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int32_t j = 0; j < 8; ++j) {
            double d = (double)(a[i + j] - b[i + j]);
            lanes.lane[j] += d * d;
        }
    for (int32_t j = 0; i + j < count; ++j) {
        double d = (double)(a[i + j] - b[i + j]);
        lanes.lane[j] += d * d;
    }
    return gsg_lanes_total(&lanes);
}

// The sources come first, then the result.
static genseg_status reduce_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                gsg_error *err)
{
    const reduce *kernel = (const reduce *)self;
    double sum = gsg_walk_sum(self->context, &kernel->walk, kernel->fn, args, scratch);
    *args[kernel->walk.operands] = (float)(kernel->constant * sum);
    return GENSEG_OK;
}

static genseg_status reduce_new(gsg_engine *engine, const char *name, gsg_sum_fn fn, double constant, int32_t operands,
                                const gsg_desc *const *descs, gsg_kernel **kernel, gsg_error *err)
{
    gsg_walk walk;
    genseg_status status = gsg_walk_init(&walk, name, operands, descs, err);
    if (status != GENSEG_OK)
        return status;
    reduce *made = gsg_kernel_make(engine, sizeof *made, name, reduce_run, err);
    if (!made)
        return GENSEG_ERROR_NOMEM;
    made->walk = walk;
    made->fn = fn;
    made->constant = constant;
    made->base.scratch = (size_t)walk.units * sizeof(double);
    made->base.bytes = 4.0 * operands * (double)gsg_shape_count(descs[0]->shape);
    *kernel = &made->base;
    return GENSEG_OK;
}

genseg_status gsg_sum_new(gsg_engine *engine, float constant, const gsg_desc *src, gsg_kernel **kernel, gsg_error *err)
{
    return reduce_new(engine, "sum", sum_run, (double)constant, 1, (const gsg_desc *const[]){src}, kernel, err);
}

genseg_status gsg_dot_new(gsg_engine *engine, float constant, const gsg_desc *a, const gsg_desc *b, gsg_kernel **kernel,
                          gsg_error *err)
{
    return reduce_new(engine, "dot", dot_run, (double)constant, 2, (const gsg_desc *const[]){a, b}, kernel, err);
}

genseg_status gsg_l1_forward_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, gsg_kernel **kernel,
                                 gsg_error *err)
{
    return reduce_new(engine, "l1", l1_run, 1.0 / (double)gsg_shape_count(a->shape), 2, (const gsg_desc *const[]){a, b},
                      kernel, err);
}

genseg_status gsg_mse_forward_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, gsg_kernel **kernel,
                                  gsg_error *err)
{
    return reduce_new(engine, "mse", mse_run, 1.0 / (double)gsg_shape_count(a->shape), 2,
                      (const gsg_desc *const[]){a, b}, kernel, err);
}

GSG_SIMD static void fill(const float *parameters, int64_t count, float *const *p)
{
    float *dst = p[0];
    for (int64_t i = 0; i < count; ++i)
        dst[i] = parameters[0];
}

GSG_SIMD static void l1_backward(const float *parameters, int64_t count, float *const *p)
{
    const float *a = p[0], *b = p[1];
    float *diff = p[2];
    float factor = parameters[0];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i) {
        float d = a[i] - b[i];
        float sign = d > 0.0f ? 1.0f : d < 0.0f ? -1.0f : d; // 0 or NaN
        diff[i] = factor * sign;
    }
}

GSG_SIMD static void mse_backward(const float *parameters, int64_t count, float *const *p)
{
    const float *a = p[0], *b = p[1];
    float *diff = p[2];
    float factor = parameters[0];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        diff[i] = factor * (a[i] - b[i]);
}

genseg_status gsg_fill_new(gsg_engine *engine, float constant, const gsg_desc *dst, gsg_kernel **kernel, gsg_error *err)
{
    gsg_elementwise op = {"fill", fill, 1, {1}, 0, constant, 0.0f};
    return gsg_elementwise_new(engine, &op, (const gsg_desc *const[]){dst}, kernel, err);
}

genseg_status gsg_l1_backward_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, const gsg_desc *diff_a,
                                  gsg_kernel **kernel, gsg_error *err)
{
    float constant = (float)(1.0 / (double)gsg_shape_count(a->shape));
    gsg_elementwise op = {"l1 backward", l1_backward, 3, {0, 1, 3}, 2, constant, 0.0f};
    return gsg_elementwise_new(engine, &op, (const gsg_desc *const[]){a, b, diff_a}, kernel, err);
}

genseg_status gsg_mse_backward_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, const gsg_desc *diff_a,
                                   gsg_kernel **kernel, gsg_error *err)
{
    float constant = (float)(2.0 / (double)gsg_shape_count(a->shape));
    gsg_elementwise op = {"mse backward", mse_backward, 3, {0, 1, 3}, 2, constant, 0.0f};
    return gsg_elementwise_new(engine, &op, (const gsg_desc *const[]){a, b, diff_a}, kernel, err);
}
