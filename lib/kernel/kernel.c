// What all kernels share: making and freeing them, and the layouts of activations.
#include "kernel/kernel.h"

#include "kernel/onednn.h"

void gsg_kernel_free(gsg_kernel *kernel)
{
    if (!kernel)
        return;
    if (kernel->destroy)
        kernel->destroy(kernel);
    genseg_context *context = kernel->context;
    gsg_free(context, kernel);
    gsg_context_release(context);
}

void *gsg_kernel_make(gsg_engine *engine, size_t size, const char *name,
                      genseg_status (*run)(const gsg_kernel *self, const gsg_run *run, float *const *args,
                                           void *scratch, gsg_error *err),
                      gsg_error *err)
{
    genseg_context *context = gsg_engine_context(engine);
    gsg_kernel *kernel = gsg_alloc_zero(context, 1, size);
    if (!kernel) {
        gsg_error_nomem(err, size);
        return NULL;
    }
    kernel->context = gsg_context_retain(context);
    kernel->name = name;
    kernel->run = run;
    return kernel;
}

gsg_desc gsg_desc_activation(const gsg_engine *engine, gsg_shape shape)
{
    gsg_desc desc = gsg_desc_plain(shape);
    if (shape.ndim > 1 && shape.dims[1] > GSG_PLAIN_CHANNELS) {
        desc.block = gsg_engine_block(engine);
        desc.batch_stride = gsg_desc_dense(&desc);
    }
    return desc;
}

gsg_desc gsg_desc_plain(gsg_shape shape)
{
    gsg_desc desc = {.shape = shape, .block = 1};
    desc.batch_stride = gsg_desc_dense(&desc);
    return desc;
}

int64_t gsg_desc_count(const gsg_desc *desc)
{
    int64_t batch = desc->shape.ndim > 0 ? desc->shape.dims[0] : 1;
    return (batch - 1) * desc->batch_stride + gsg_desc_dense(desc);
}

int64_t gsg_desc_dense(const gsg_desc *desc)
{
    return gsg_desc_padded(desc) * gsg_shape_spatial(desc->shape);
}

int64_t gsg_desc_padded(const gsg_desc *desc)
{
    int64_t channels = desc->shape.ndim > 1 ? desc->shape.dims[1] : 1;
    return (channels + desc->block - 1) / desc->block * desc->block;
}
