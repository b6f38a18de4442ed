// How far the samples of an activation, each taken as one vector, are from length 1 (kernel/loss.h).
#include <math.h>

#include "kernel/loss.h"
#include "kernel/tile.h"

typedef struct penalty {
    gsg_kernel base;
    gsg_walk sums;  // of one sample
    gsg_walk scale; // of one sample, to the gradient
    int64_t samples;
    int64_t src_stride, diff_stride;
} penalty;

GSG_SIMD static double square_run(int64_t count, float *const *p)
{
    gsg_lanes lanes = {{0}};
    gsg_lanes_add_product(&lanes, p[0], p[0], count);
    return gsg_lanes_total(&lanes);
}

GSG_SIMD static void scale_run(const float *parameters, int64_t count, float *const *p)
{
    const float *src = p[0];
    float *dst = p[1];
    float factor = parameters[0];
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        dst[i] = factor * src[i];
}

static double length_of(const penalty *kernel, float *sample, double *partial)
{
    return sqrt(gsg_walk_sum(kernel->base.context, &kernel->sums, square_run, &sample, partial));
}

static genseg_status forward_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const penalty *kernel = (const penalty *)self;
    double total = 0.0;
    for (int64_t n = 0; n < kernel->samples; ++n) {
        double excess = length_of(kernel, args[0] + n * kernel->src_stride, scratch) - 1.0;
        total += excess * excess;
    }
    *args[1] = (float)(total / (double)kernel->samples);
    return GENSEG_OK;
}

static genseg_status backward_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const penalty *kernel = (const penalty *)self;
    const double factor = 2.0 * (double)*args[1] / (double)kernel->samples;
    for (int64_t n = 0; n < kernel->samples; ++n) {
        float *operands[2] = {args[0] + n * kernel->src_stride, args[2] + n * kernel->diff_stride};
        double length = length_of(kernel, operands[0], scratch);
        // At 0 the length has no direction to grow in: 0, of all subgradients.
        float scale = length == 0.0 ? 0.0f : (float)(factor * (length - 1.0) / length);
        gsg_walk_apply(self->context, &kernel->scale, scale_run, &scale, operands);
    }
    return GENSEG_OK;
}

static gsg_desc sample_of(const gsg_desc *desc)
{
    gsg_desc one = *desc;
    one.shape.dims[0] = 1;
    return one;
}

static genseg_status make(gsg_engine *engine, const char *name, const gsg_desc *src, const gsg_desc *diff,
                          gsg_kernel **kernel, gsg_error *err)
{
    gsg_walk whole, sums, scale = {0}; // the first for its checks alone
    const gsg_desc from = sample_of(src), to = diff ? sample_of(diff) : from;
    genseg_status status = gsg_walk_init(&whole, name, diff ? 2 : 1, (const gsg_desc *const[]){src, diff}, err);
    if (status == GENSEG_OK)
        status = gsg_walk_init(&sums, name, 1, (const gsg_desc *const[]){&from}, err);
    if (status == GENSEG_OK && diff)
        status = gsg_walk_init(&scale, name, 2, (const gsg_desc *const[]){&from, &to}, err);
    if (status != GENSEG_OK)
        return status;
    penalty *made = gsg_kernel_make(engine, sizeof *made, name, diff ? backward_run : forward_run, err);
    if (!made)
        return GENSEG_ERROR_NOMEM;
    made->sums = sums;
    made->scale = scale;
    made->samples = gsg_desc_samples(src);
    made->src_stride = src->batch_stride;
    made->diff_stride = to.batch_stride;
    made->base.scratch = (size_t)sums.units * sizeof(double);
    made->base.bytes = (diff ? 12.0 : 4.0) * (double)gsg_shape_count(src->shape);
    *kernel = &made->base;
    return GENSEG_OK;
}

genseg_status gsg_unit_penalty_forward_new(gsg_engine *engine, const gsg_desc *src, gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, "unit penalty", src, NULL, kernel, err);
}

genseg_status gsg_unit_penalty_backward_new(gsg_engine *engine, const gsg_desc *src, const gsg_desc *diff_src,
                                            gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, "unit penalty backward", src, diff_src, kernel, err);
}
