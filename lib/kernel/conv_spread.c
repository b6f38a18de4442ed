// Transposed convolutions whose kernel is their stride, forward (the U-Net's way up): each voxel of the source becomes
// a block of results of its own, so that all of it is one product of matrices, voxels x inputs by inputs x (outputs and
// taps). oneDNN's kernels add taps one by one there and reach half of the speed. With the inner loops of Winograd's.
#include <string.h>

#include "core/parallel.h"
#include "kernel/conv_parts.h"
#include "kernel/winograd_simd.h"

#define CHUNK_BYTES ((int64_t)300 << 10) // of voxels that one thread multiplies at a time: in its second-level cache
#define MOST_VOXELS 96
#define LEAST_INPUTS 128 // with fewer, moving voxels takes as long as what products save

typedef struct spread {
    gsg_kernel base;
    const gsg_winograd_lanes *simd;
    gsg_desc src, dst;
    gsg_weights weights;
    gsg_epilogue epilogue;
    int64_t stride[3], extent[3]; // D, H, W of the source
    int64_t lanes, taps, inputs, vectors;
    int64_t voxels, chunk, row;                  // floats from one voxel to the next
    size_t at_in, at_out, thread_in, thread_out; // in scratch, behind the weights
} spread;

typedef struct turn {
    const spread *s;
    float *const *args;
    char *scratch;
} turn;

static int64_t run_at(const spread *s, int64_t first)
{
    const int64_t left = s->vectors - first;
    return left < s->simd->most ? left : s->simd->most;
}

// Vector v of the product is tap v % taps of a block of outputs. Runs of `most` vectors, each dense.
static void pack_runs(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const spread *s = t->s;
    const int64_t L = s->lanes, in = s->inputs / L, out = s->vectors / s->taps, block = s->taps * L * L;
    for (int64_t r = begin; r < end; r++) {
        const int64_t first = r * s->simd->most, count = run_at(s, first);
        float *to = (float *)(void *)t->scratch + first * L * s->inputs;
        for (int64_t i = 0; i < s->inputs; i++)
            for (int64_t v = first; v < first + count; v++, to += L) {
                const int64_t o = v / s->taps, b = i / L;
                const float *from = t->args[1] + (s->weights.form == GSG_FORM_IO ? b * out + o : o * in + b) * block;
                memcpy(to, from + (v % s->taps * L + i % L) * L, (size_t)L * sizeof *to);
            }
    }
}

static void gather(const turn *t, int64_t first, int64_t count, float *in)
{
    const spread *s = t->s;
    const int64_t L = s->lanes, S = gsg_shape_spatial(s->src.shape);
    for (int64_t i = 0, left; i < count; i += left) { // samples
        const int64_t n = (first + i) / S, at = (first + i) % S;
        left = S - at < count - i ? S - at : count - i;
        for (int64_t b = 0; b < s->inputs / L; b++)
            s->simd->copy_row(t->args[0] + n * s->src.batch_stride + (b * S + at) * L, L, in + i * s->row + b * L,
                              s->row, left);
    }
}

// Writes one run of sums, row by row of the source.
static void scatter(const turn *t, int64_t voxel, int64_t voxels, int64_t first, int64_t count, const float *sums)
{
    static const float ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, zeros[16] = {0};
    const spread *s = t->s;
    const gsg_epilogue *e = &s->epilogue;
    const int64_t L = s->lanes, *x = s->extent, *k = s->stride, plane = x[1] * x[2];
    gsg_winograd_finish finish = {.active = e->scale || e->shift || e->activation,
                                  .stream = gsg_winograd_streams(&s->dst, t->args[4]),
                                  .slope = e->activation ? e->slope : 1.0f};
    for (int64_t i = 0, left; i < voxels; i += left) {
        const int64_t n = (voxel + i) / (x[0] * plane), at = (voxel + i) % (x[0] * plane), column = at % x[2];
        left = x[2] - column < voxels - i ? x[2] - column : voxels - i;
        for (int64_t v = first; v < first + count; v++) {
            const int64_t o = v / s->taps, tap = v % s->taps;
            const int64_t z = at / plane * k[0] + tap / (k[1] * k[2]), y = at / x[2] % x[1] * k[1] + tap / k[2] % k[1];
            float *to = t->args[4] + n * s->dst.batch_stride +
                        (((o * x[0] * k[0] + z) * x[1] * k[1] + y) * x[2] * k[2] + column * k[2] + tap % k[2]) * L;
            finish.scale = e->scale ? t->args[2] + o * L : ones;
            finish.shift = e->shift ? t->args[3] + o * L : zeros;
            s->simd->write_row(sums + (i * count + v - first) * L, count * L, to, k[2] * L, left, &finish);
        }
    }
}

static void do_chunks(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const spread *s = t->s;
    const int64_t L = s->lanes;
    float *in = (float *)(void *)(t->scratch + s->at_in + (size_t)thread * s->thread_in);
    float *out = (float *)(void *)(t->scratch + s->at_out + (size_t)thread * s->thread_out);
    for (int64_t c = begin; c < end; c++) {
        const int64_t first = c * s->chunk, left = s->voxels - first, count = left < s->chunk ? left : s->chunk;
        gather(t, first, count, in);
        for (int64_t v = 0; v < s->vectors; v += run_at(s, v)) {
            const int64_t width = run_at(s, v);
            s->simd->multiply((int32_t)width, in, s->row, (const float *)(void *)t->scratch + v * L * s->inputs, out,
                              width * L, count, s->inputs);
            scatter(t, first, count, v, width, out);
        }
    }
    s->simd->drain();
}

static genseg_status run_forward(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const spread *s = (const spread *)self;
    turn t = {.s = s, .args = args, .scratch = scratch};
    gsg_parallel(self->context, (s->vectors + s->simd->most - 1) / s->simd->most, 1, pack_runs, &t);
    gsg_parallel(self->context, (s->voxels + s->chunk - 1) / s->chunk, 1, do_chunks, &t);
    return GENSEG_OK;
}

int32_t gsg_spread_takes(const gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src,
                         const gsg_weights *weights, const gsg_desc *dst)
{
    const int32_t block = gsg_engine_block(engine);
    for (int32_t i = 0; i < conv->spatial; i++)
        if (conv->kernel[i] != conv->stride[i] || conv->padding[i] != 0)
            return 0;
    return conv->transposed && gsg_desc_padded(src) >= LEAST_INPUTS && gsg_shape_spatial(weights->shape) > 1 &&
           src->block == block && dst->block == block && weights->block == block &&
           (weights->form == GSG_FORM_OI || weights->form == GSG_FORM_IO) && gsg_winograd_lanes_of(block) != NULL;
}

static size_t plan(spread *s, int64_t threads)
{
    const int64_t I = s->inputs, L = s->lanes, rows = GSG_WINOGRAD_ROWS;
    s->row = I < 256 ? I : I + L; // not a power of two apart
    const int64_t fit = CHUNK_BYTES / (s->row * (int64_t)sizeof(float)) / rows * rows;
    const int64_t most = fit < rows ? rows : fit < MOST_VOXELS ? fit : MOST_VOXELS;
    const int64_t chunks =
        gsg_round_up((s->voxels + most - 1) / most, threads); // as many for one thread as for the next
    s->chunk = gsg_round_up((s->voxels + chunks - 1) / chunks, rows);
    s->at_in = (size_t)gsg_round_up(s->vectors * L * I * (int64_t)sizeof(float), 64);
    s->thread_in = (size_t)gsg_round_up(s->chunk * s->row * (int64_t)sizeof(float), 64);
    s->at_out = s->at_in + s->thread_in * (size_t)threads;
    s->thread_out = (size_t)gsg_round_up(s->chunk * s->simd->most * L * (int64_t)sizeof(float), 64);
    return s->at_out + s->thread_out * (size_t)threads;
}

genseg_status gsg_spread_new(gsg_engine *engine, const gsg_conv *conv, const gsg_desc *src, const gsg_weights *weights,
                             const gsg_desc *dst, const gsg_epilogue *epilogue, gsg_kernel **kernel, gsg_error *err)
{
    spread *s = gsg_kernel_make(engine, sizeof *s, "convolution, spread", run_forward, err);
    if (!s)
        return GENSEG_ERROR_NOMEM;
    s->simd = gsg_winograd_lanes_of(gsg_engine_block(engine));
    s->lanes = gsg_engine_block(engine);
    s->src = *src;
    s->dst = *dst;
    s->weights = *weights;
    if (epilogue)
        s->epilogue = *epilogue;
    s->taps = gsg_shape_spatial(weights->shape);
    for (int32_t i = 0; i < 3; i++) {
        const int32_t axis = i - 3 + conv->spatial; // without D in 2-D
        s->stride[i] = axis < 0 ? 1 : conv->stride[axis];
        s->extent[i] = axis < 0 ? 1 : src->shape.dims[2 + axis];
    }
    s->inputs = gsg_desc_padded(src);
    s->vectors = gsg_desc_padded(dst) / s->lanes * s->taps;
    s->voxels = src->shape.dims[0] * gsg_shape_spatial(src->shape);
    s->base.scratch = plan(s, gsg_parallel_threads(gsg_engine_context(engine)));
    *kernel = &s->base;
    return GENSEG_OK;
}
