// Copies, epilogue and bias gradient around oneDNN's convolutions.
#include "kernel/conv_parts.h"

#include <string.h>

#include "core/parallel.h"

typedef struct pass {
    gsg_desc from, to;
    const float *src;
    float *dst;
    const gsg_epilogue *epilogue;
    const float *scale, *shift;
    int64_t groups, spatial;
} pass;

static pass describe(const gsg_desc *from, const float *src, const gsg_desc *to, float *dst)
{
    return (pass){.from = *from,
                  .to = *to,
                  .src = src,
                  .dst = dst,
                  .groups = gsg_desc_padded(to) / to->block,
                  .spatial = gsg_shape_spatial(to->shape)};
}

// One (sample, group of destination channels) a turn.
static void move_groups(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const pass *p = arg;
    const int64_t S = p->spatial, b = p->to.block, channels = p->to.shape.dims[1];
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = i / p->groups, g = i % p->groups;
        const float *src = p->src + n * p->from.batch_stride;
        float *dst = p->dst + n * p->to.batch_stride + g * S * b;
        if (p->from.block == p->to.block) {
            memcpy(dst, src + g * S * b, (size_t)(S * b) * sizeof(float));
            continue;
        }
        for (int64_t lane = 0; lane < b; lane++) {
            const int64_t c = g * b + lane, fb = p->from.block;
            const float *from = c < channels ? src + c / fb * S * fb + c % fb : NULL;
            for (int64_t s = 0; s < S; s++)
                dst[s * b + lane] = from ? from[s * fb] : 0.0f;
        }
    }
}

void gsg_conv_move(const genseg_context *context, const gsg_desc *from, const float *src, const gsg_desc *to,
                   float *dst)
{
    pass p = describe(from, src, to, dst);
    gsg_parallel(context, to->shape.dims[0] * p.groups, 1, move_groups, &p);
}

GSG_INLINE void finish_block(float *data, int64_t spatial, const float *scale, const float *shift, float slope,
                             int64_t block)
{
    for (int64_t s = 0; s < spatial; s++)
        for (int64_t l = 0; l < block; l++) {
            float v = data[s * block + l] * scale[l] + shift[l];
            data[s * block + l] = v > 0.0f ? v : v * slope;
        }
}

GSG_SIMD
static void finish(float *data, int64_t spatial, const float *scale, const float *shift, float slope, int64_t block)
{
    if (block == 16)
        finish_block(data, spatial, scale, shift, slope, 16);
    else if (block == 8)
        finish_block(data, spatial, scale, shift, slope, 8);
    else
        finish_block(data, spatial, scale, shift, slope, 1);
}

static void finish_groups(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const pass *p = arg;
    const int64_t b = p->to.block;
    for (int64_t i = begin; i < end; i++) {
        const int64_t n = i / p->groups, g = i % p->groups;
        float scale[16], shift[16];
        for (int64_t l = 0; l < b; l++) {
            scale[l] = p->epilogue->scale ? p->scale[g * b + l] : 1.0f;
            shift[l] = p->epilogue->shift ? p->shift[g * b + l] : 0.0f;
        }
        finish(p->dst + n * p->to.batch_stride + g * p->spatial * b, p->spatial, scale, shift,
               p->epilogue->activation ? p->epilogue->slope : 1.0f, b);
    }
}

void gsg_conv_epilogue(const genseg_context *context, const gsg_desc *desc, float *data, const gsg_epilogue *epilogue,
                       const float *scale, const float *shift)
{
    pass p = describe(desc, data, desc, data);
    p.epilogue = epilogue;
    p.scale = scale;
    p.shift = shift;
    gsg_parallel(context, desc->shape.dims[0] * p.groups, 1, finish_groups, &p);
}

#define CHUNK 1024 // positions summed in float before they are added in double

GSG_INLINE void sum_chunk_block(const float *data, int64_t count, float *sum, int64_t block)
{
    for (int64_t s = 0; s < count; s++)
        for (int64_t l = 0; l < block; l++)
            sum[l] += data[s * block + l];
}

GSG_SIMD
static void sum_chunk(const float *data, int64_t count, float *sum, int64_t block)
{
    if (block == 16)
        sum_chunk_block(data, count, sum, 16);
    else if (block == 8)
        sum_chunk_block(data, count, sum, 8);
    else
        sum_chunk_block(data, count, sum, 1);
}

// A group of channels is summed whole by one thread: the order is fixed.
static void sum_groups(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const pass *p = arg;
    const int64_t b = p->from.block;
    for (int64_t g = begin; g < end; g++) {
        double total[16] = {0};
        for (int64_t n = 0; n < p->from.shape.dims[0]; n++) {
            const float *data = p->src + n * p->from.batch_stride + g * p->spatial * b;
            for (int64_t s = 0; s < p->spatial; s += CHUNK) {
                float sum[16] = {0};
                sum_chunk(data + s * b, p->spatial - s < CHUNK ? p->spatial - s : CHUNK, sum, b);
                for (int64_t l = 0; l < b; l++)
                    total[l] += (double)sum[l];
            }
        }
        for (int64_t l = 0; l < b; l++)
            p->dst[g * b + l] = (float)total[l];
    }
}

void gsg_conv_bias_gradient(const genseg_context *context, const gsg_desc *desc, const float *diff_dst,
                            float *diff_bias)
{
    pass p = describe(desc, diff_dst, desc, diff_bias);
    gsg_parallel(context, p.groups, 1, sum_groups, &p);
    const int64_t channels = gsg_desc_padded(desc), pad = GSG_VECTOR_PAD;
    for (int64_t c = channels; c < (channels + pad - 1) / pad * pad; c++)
        diff_bias[c] = 0.0f;
}

typedef struct addition {
    const float *part;
    float *sum;
} addition;

GSG_SIMD
static void add_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const addition *a = arg;
    const float *part = a->part;
    float *sum = a->sum;
    for (int64_t i = begin; i < end; i++)
        sum[i] += part[i];
}

void gsg_conv_add(const genseg_context *context, const float *part, int64_t count, float *sum)
{
    addition a = {part, sum};
    gsg_parallel(context, count, 4096, add_range, &a);
}
