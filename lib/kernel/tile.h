// What softmax and the losses share: a tile of up to GSG_TILE voxels with all their
// channels, as rows of one channel each, so that loops over voxels become vectors
// whatever the layout in memory. Also the fixed chunks that sums run over.
#ifndef GSG_KERNEL_TILE_H
#define GSG_KERNEL_TILE_H

#include "kernel/elementary.h"
#include "kernel/walk.h"

#define GSG_TILE 64
#define GSG_CHUNK 4096 // voxels of a chunk: one sum each, in this order

// The chunks of an activation: chunk i is voxels [first, first + count) of a sample.
typedef struct gsg_chunks {
    int64_t samples;
    int64_t channels;
    int64_t spatial;
    int64_t per_sample;
} gsg_chunks;

GSG_INLINE gsg_chunks gsg_chunks_of(const gsg_desc *desc)
{
    gsg_chunks chunks = {gsg_desc_samples(desc), gsg_desc_channels(desc), gsg_desc_spatial(desc), 0};
    chunks.per_sample = (chunks.spatial + GSG_CHUNK - 1) / GSG_CHUNK;
    return chunks;
}

GSG_INLINE int64_t gsg_chunks_count(const gsg_chunks *chunks)
{
    return chunks->samples * chunks->per_sample;
}

GSG_INLINE int64_t gsg_chunks_locate(const gsg_chunks *chunks, int64_t chunk, int64_t *sample, int64_t *first)
{
    *sample = chunk / chunks->per_sample;
    *first = chunk % chunks->per_sample * GSG_CHUNK;
    int64_t left = chunks->spatial - *first;
    return left < GSG_CHUNK ? left : GSG_CHUNK;
}

// Floats of a tile of `channels` rows.
GSG_INLINE size_t gsg_tile_size(int64_t channels)
{
    return (size_t)channels * GSG_TILE;
}

// `sample` is the first float of the sample; voxels first .. first + count - 1.
GSG_INLINE void gsg_tile_load(float *restrict tile, const float *restrict sample, const gsg_chunks *chunks,
                              int32_t block, int64_t first, int64_t count)
{
    for (int64_t c = 0; c < chunks->channels; ++c) {
        const float *src = sample + (c / block * chunks->spatial + first) * block + c % block;
        for (int64_t t = 0; t < count; ++t)
            tile[c * GSG_TILE + t] = src[t * block];
    }
}

// Writes all lanes of the last group, its padding with zeros.
GSG_INLINE void gsg_tile_store(float *restrict sample, const float *restrict tile, const gsg_chunks *chunks,
                               int32_t block, int64_t first, int64_t count)
{
    int64_t padded = (chunks->channels + block - 1) / block * block;
    for (int64_t c = 0; c < padded; ++c) {
        float *dst = sample + (c / block * chunks->spatial + first) * block + c % block;
        if (c < chunks->channels)
            for (int64_t t = 0; t < count; ++t)
                dst[t * block] = tile[c * GSG_TILE + t];
        else
            for (int64_t t = 0; t < count; ++t)
                dst[t * block] = 0.0f;
    }
}

// The largest of each column; NaN in the first row stays, elsewhere gsg_tile_exp() brings it out.
GSG_INLINE void gsg_tile_max(const float *restrict tile, int64_t channels, int64_t count, float *restrict max)
{
    for (int64_t t = 0; t < count; ++t)
        max[t] = tile[t];
    for (int64_t c = 1; c < channels; ++c)
        for (int64_t t = 0; t < count; ++t)
            max[t] = tile[c * GSG_TILE + t] > max[t] ? tile[c * GSG_TILE + t] : max[t];
}

// Rows of logits become rows of exp(z - max); `sum` is their sum less 1, gathered without
// the maximum's own 1, so that log1p(sum) is exact where one class takes nearly all.
GSG_INLINE void gsg_tile_exp(float *restrict tile, int64_t channels, int64_t count, const float *restrict max,
                             float *restrict sum)
{
    float ones[GSG_TILE] = {0};
    float rest[GSG_TILE] = {0};
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t t = 0; t < count; ++t) {
            float e = gsg_exp(tile[c * GSG_TILE + t] - max[t]);
            tile[c * GSG_TILE + t] = e;
            ones[t] += e == 1.0f ? 1.0f : 0.0f;
            rest[t] += e == 1.0f ? 0.0f : e;
        }
    for (int64_t t = 0; t < count; ++t)
        sum[t] = (ones[t] - 1.0f) + rest[t];
}

GSG_INLINE void gsg_tile_softmax(float *restrict tile, int64_t channels, int64_t count)
{
    float max[GSG_TILE], sum[GSG_TILE];
    gsg_tile_max(tile, channels, count, max);
    gsg_tile_exp(tile, channels, count, max, sum);
    for (int64_t t = 0; t < count; ++t)
        sum[t] = 1.0f / (1.0f + sum[t]);
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t t = 0; t < count; ++t)
            tile[c * GSG_TILE + t] *= sum[t];
}

// Rows p (probabilities) and g (their gradients): g becomes the gradient of the logits, p (g - <p, g>).
// A constant in g has no effect, so the likeliest class's is taken off first: where p is nearly 1
// the difference would otherwise cancel to noise.
GSG_INLINE void gsg_tile_softmax_backward(const float *restrict p, float *restrict g, int64_t channels, int64_t count)
{
    float best[GSG_TILE], shift[GSG_TILE], dot[GSG_TILE];
    for (int64_t t = 0; t < count; ++t) {
        best[t] = p[t];
        shift[t] = g[t];
        dot[t] = 0.0f;
    }
    for (int64_t c = 1; c < channels; ++c)
        for (int64_t t = 0; t < count; ++t) {
            float pc = p[c * GSG_TILE + t], gc = g[c * GSG_TILE + t];
            shift[t] = pc > best[t] ? gc : shift[t];
            best[t] = pc > best[t] ? pc : best[t];
        }
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t t = 0; t < count; ++t) {
            g[c * GSG_TILE + t] -= shift[t];
            dot[t] += p[c * GSG_TILE + t] * g[c * GSG_TILE + t];
        }
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t t = 0; t < count; ++t)
            g[c * GSG_TILE + t] = p[c * GSG_TILE + t] * (g[c * GSG_TILE + t] - dot[t]);
}

// Eight running sums in double, added up at the end of a chunk: a vector's worth,
// written out because compilers keep the order of additions.
typedef struct gsg_lanes {
    double lane[8];
} gsg_lanes;

GSG_INLINE double gsg_lanes_total(const gsg_lanes *lanes)
{
    const double *s = lanes->lane;
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

GSG_INLINE void gsg_lanes_add(gsg_lanes *lanes, const float *row, int64_t count)
{
    int64_t t = 0;
    for (; t + 8 <= count; t += 8)
        for (int32_t j = 0; j < 8; ++j)
            lanes->lane[j] += (double)row[t + j];
    for (int32_t j = 0; t + j < count; ++j)
        lanes->lane[j] += (double)row[t + j];
}

GSG_INLINE void gsg_lanes_add_product(gsg_lanes *lanes, const float *a, const float *b, int64_t count)
{
    int64_t t = 0;
    for (; t + 8 <= count; t += 8)
        for (int32_t j = 0; j < 8; ++j)
            lanes->lane[j] += (double)a[t + j] * (double)b[t + j];
    for (int32_t j = 0; t + j < count; ++j)
        lanes->lane[j] += (double)a[t + j] * (double)b[t + j];
}

#endif
