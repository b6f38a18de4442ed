// The last layer of a segmenter: a 1x1 convolution of many channels to at most three,
// from blocked to plain, with a bias. oneDNN would pad the outputs to a block; here
// each source value is read once, which is all the time that it takes.
#include <string.h>

#include "core/parallel.h"
#include "kernel/conv_parts.h"

#define OUTPUTS GSG_PLAIN_CHANNELS
#define CHUNK 1024 // positions a turn, and summed in float before they are added in double

typedef struct head {
    gsg_kernel base;
    gsg_desc src, dst;
    gsg_epilogue epilogue;
    int64_t outputs, groups, block, spatial, chunks;
} head;

typedef struct turn {
    const head *h;
    float *const *args;
    float *partial;
} turn;

// data: positions of one group of channels, `block` lanes each; sums: outputs x CHUNK.
GSG_INLINE void multiply_block(const float *data, int64_t count, const float *weights, float *sums, int64_t block)
{
    for (int64_t s = 0; s < count; s++) {
        float total = 0.0f;
        for (int64_t l = 0; l < block; l++)
            total += data[s * block + l] * weights[l];
        sums[s] += total;
    }
}

GSG_SIMD
static void multiply(const float *data, int64_t count, const float *weights, float *sums, int64_t block)
{
    if (block == 16)
        multiply_block(data, count, weights, sums, 16);
    else
        multiply_block(data, count, weights, sums, 8);
}

static int64_t extent(const head *h, int64_t chunk)
{
    const int64_t left = h->spatial - chunk * CHUNK;
    return left < CHUNK ? left : CHUNK;
}

static const float *source(const head *h, const float *src, int64_t n, int64_t g, int64_t s)
{
    return src + n * h->src.batch_stride + (g * h->spatial + s) * h->block;
}

static void forward_turns(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const head *h = t->h;
    const float *src = t->args[0], *weights = t->args[1], *scale = t->args[2], *shift = t->args[3];
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = i / h->chunks, chunk = i % h->chunks, count = extent(h, chunk), first = chunk * CHUNK;
        for (int64_t o = 0; o < h->outputs; o++) {
            float *dst = t->args[4] + n * h->dst.batch_stride + o * h->spatial + first;
            memset(dst, 0, (size_t)count * sizeof *dst);
            for (int64_t g = 0; g < h->groups; g++)
                multiply(source(h, src, n, g, first), count, weights + (o * h->groups + g) * h->block, dst, h->block);
            const float a = h->epilogue.scale ? scale[o] : 1.0f, b = h->epilogue.shift ? shift[o] : 0.0f;
            const float slope = h->epilogue.activation ? h->epilogue.slope : 1.0f;
            for (int64_t s = 0; s < count; s++) {
                const float v = dst[s] * a + b;
                dst[s] = v > 0.0f ? v : v * slope;
            }
        }
    }
}

static genseg_status run_forward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const head *h = (const head *)self;
    turn t = {h, args, NULL};
    gsg_parallel(self->context, h->src.shape.dims[0] * h->chunks, 1, forward_turns, &t);
    return GENSEG_OK;
}

GSG_INLINE void spread_block(float *out, int64_t count, const float *const *diff, const float *const *weights,
                             int64_t outputs, int64_t block)
{
    for (int64_t s = 0; s < count; s++)
        for (int64_t l = 0; l < block; l++) {
            float total = 0.0f;
            for (int64_t o = 0; o < outputs; o++)
                total += diff[o][s] * weights[o][l];
            out[s * block + l] = total;
        }
}

GSG_SIMD
static void spread(float *out, int64_t count, const float *const *diff, const float *const *weights, int64_t outputs,
                   int64_t block)
{
    if (block == 16 && outputs == 1)
        spread_block(out, count, diff, weights, 1, 16);
    else if (block == 16)
        spread_block(out, count, diff, weights, outputs, 16);
    else
        spread_block(out, count, diff, weights, outputs, 8);
}

static void data_turns(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const head *h = t->h;
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = i / h->groups, g = i % h->groups;
        const float *diff[OUTPUTS], *weights[OUTPUTS];
        for (int64_t o = 0; o < h->outputs; o++) {
            diff[o] = t->args[0] + n * h->dst.batch_stride + o * h->spatial;
            weights[o] = t->args[1] + (o * h->groups + g) * h->block;
        }
        spread(t->args[2] + n * h->src.batch_stride + g * h->spatial * h->block, h->spatial, diff, weights, h->outputs,
               h->block);
    }
}

static genseg_status run_data(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                              gsg_error *err)
{
    const head *h = (const head *)self;
    turn t = {h, args, NULL};
    gsg_parallel(self->context, h->src.shape.dims[0] * h->groups, 1, data_turns, &t);
    return GENSEG_OK;
}

GSG_INLINE void gather_block(const float *data, const float *diff, int64_t count, float *sum, int64_t block)
{
    for (int64_t s = 0; s < count; s++)
        for (int64_t l = 0; l < block; l++)
            sum[l] += diff[s] * data[s * block + l];
}

GSG_SIMD
static void gather(const float *data, const float *diff, int64_t count, float *sum, int64_t block)
{
    float local[16] = {0};
    if (block == 16)
        gather_block(data, diff, count, local, 16);
    else
        gather_block(data, diff, count, local, 8);
    for (int64_t l = 0; l < block; l++)
        sum[l] = local[l];
}

// A row of partial sums for each chunk: outputs x (groups x block), then the outputs' biases.
static int64_t row_size(const head *h)
{
    return h->outputs * h->groups * h->block + OUTPUTS;
}

static void weights_turns(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const head *h = t->h;
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = i / h->chunks, chunk = i % h->chunks, count = extent(h, chunk), first = chunk * CHUNK;
        float *row = t->partial + i * row_size(h);
        for (int64_t o = 0; o < h->outputs; o++) {
            const float *diff = t->args[1] + n * h->dst.batch_stride + o * h->spatial + first;
            float bias = 0.0f;
            for (int64_t s = 0; s < count; s++)
                bias += diff[s];
            row[h->outputs * h->groups * h->block + o] = bias;
            for (int64_t g = 0; g < h->groups; g++)
                gather(source(h, t->args[0], n, g, first), diff, count, row + (o * h->groups + g) * h->block, h->block);
        }
    }
}

static genseg_status run_weights(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const head *h = (const head *)self;
    turn t = {h, args, scratch};
    const int64_t rows = h->src.shape.dims[0] * h->chunks, size = row_size(h), weights = size - OUTPUTS;
    gsg_parallel(self->context, rows, 1, weights_turns, &t);
    for (int64_t i = 0; i < weights + (args[3] ? h->outputs : 0); i++) {
        double total = 0.0;
        for (int64_t r = 0; r < rows; r++)
            total += (double)t.partial[r * size + i];
        *(i < weights ? &args[2][i] : &args[3][i - weights]) = (float)total;
    }
    if (args[3])
        memset(args[3] + h->outputs, 0, (size_t)(GSG_VECTOR_PAD - h->outputs) * sizeof(float));
    return GENSEG_OK;
}

int32_t gsg_head_takes(const gsg_conv *conv, const gsg_desc *src, const gsg_weights *weights, const gsg_desc *dst)
{
    int32_t takes = weights->form == GSG_FORM_HEAD && src->block == weights->block && dst->block == 1;
    for (int32_t i = 0; i < conv->spatial; i++)
        takes = takes && conv->stride[i] == 1 && conv->padding[i] == 0;
    return takes;
}

static genseg_status make(gsg_engine *engine, const gsg_desc *src, const gsg_desc *dst, const char *name,
                          genseg_status (*run)(const gsg_kernel *, const gsg_run *, float *const *, void *,
                                               gsg_error *),
                          head **made, gsg_error *err)
{
    head *h = gsg_kernel_make(engine, sizeof *h, name, run, err);
    if (!h)
        return GENSEG_ERROR_NOMEM;
    h->src = *src;
    h->dst = *dst;
    h->outputs = dst->shape.dims[1];
    h->block = src->block;
    h->groups = gsg_desc_padded(src) / src->block;
    h->spatial = gsg_shape_spatial(src->shape);
    h->chunks = (h->spatial + CHUNK - 1) / CHUNK;
    h->base.flops = 2.0 * (double)(src->shape.dims[0] * h->spatial * src->shape.dims[1] * h->outputs);
    h->base.bytes = 4.0 * (double)(src->shape.dims[0] * h->spatial * (src->shape.dims[1] + h->outputs));
    *made = h;
    return GENSEG_OK;
}

genseg_status gsg_head_forward_new(gsg_engine *engine, const gsg_desc *src, const gsg_desc *dst,
                                   const gsg_epilogue *epilogue, gsg_kernel **kernel, gsg_error *err)
{
    head *h = NULL;
    genseg_status status = make(engine, src, dst, "convolution to few channels", run_forward, &h, err);
    if (status != GENSEG_OK)
        return status;
    if (epilogue)
        h->epilogue = *epilogue;
    *kernel = &h->base;
    return GENSEG_OK;
}

genseg_status gsg_head_backward_data_new(gsg_engine *engine, const gsg_desc *src, const gsg_desc *dst,
                                         gsg_kernel **kernel, gsg_error *err)
{
    head *h = NULL;
    genseg_status status = make(engine, src, dst, "convolution to few channels, backward data", run_data, &h, err);
    if (status == GENSEG_OK)
        *kernel = &h->base;
    return status;
}

genseg_status gsg_head_backward_weights_new(gsg_engine *engine, const gsg_desc *src, const gsg_desc *dst,
                                            gsg_kernel **kernel, gsg_error *err)
{
    head *h = NULL;
    genseg_status status =
        make(engine, src, dst, "convolution to few channels, backward weights", run_weights, &h, err);
    if (status != GENSEG_OK)
        return status;
    h->base.scratch = (size_t)(src->shape.dims[0] * h->chunks * row_size(h)) * sizeof(float);
    *kernel = &h->base;
    return GENSEG_OK;
}
