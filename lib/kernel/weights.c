// The stored layout of convolution weights: outputs and inputs in blocks, so that a
// gradient has the layout of its parameter and no step reorders what it learns.
#include <string.h>

#include "core/parallel.h"
#include "kernel/conv_parts.h"

typedef struct extent {
    int64_t outputs, inputs, taps;
    int64_t block;
} extent;

static int64_t groups(int64_t channels, int64_t block)
{
    return (channels + block - 1) / block;
}

static extent measure(const gsg_weights *w)
{
    extent e = {.taps = gsg_shape_spatial(w->shape), .block = w->block};
    e.outputs = w->shape.dims[w->transposed ? 1 : 0];
    e.inputs = w->shape.dims[w->transposed ? 0 : 1];
    return e;
}

gsg_weights gsg_weights_layout(const gsg_engine *engine, gsg_shape shape, int32_t transposed)
{
    return gsg_weights_blocked(gsg_engine_block(engine), shape, transposed);
}

gsg_weights gsg_weights_blocked(int32_t block, gsg_shape shape, int32_t transposed)
{
    gsg_weights w = {.shape = shape, .transposed = transposed != 0, .block = block};
    extent e = measure(&w);
    const int64_t b = w.block, out = groups(e.outputs, b), in = groups(e.inputs, b);
    if (transposed) {
        w.form = b == 16 ? GSG_FORM_IO : GSG_FORM_OI; // oneDNN can't name the other with blocks of 8
        w.count = in * out * e.taps * b * b;
    } else if (e.inputs <= GSG_PLAIN_CHANNELS) {
        w.form = GSG_FORM_FIRST;
        w.count = out * e.taps * e.inputs * b;
    } else if (e.taps == 1 && e.outputs <= GSG_PLAIN_CHANNELS) {
        w.form = GSG_FORM_HEAD;
        w.count = e.outputs * in * b;
    } else {
        w.form = GSG_FORM_OI;
        w.count = out * in * e.taps * b * b;
    }
    return w;
}

static int64_t stored_index(int32_t form, const extent *e, int64_t o, int64_t i, int64_t k)
{
    const int64_t b = e->block, inner = (i % b) * b + o % b;
    switch (form) {
    case GSG_FORM_IO:
        return ((i / b * groups(e->outputs, b) + o / b) * e->taps + k) * b * b + inner;
    case GSG_FORM_FIRST:
        return ((o / b * e->taps + k) * e->inputs + i) * b + o % b;
    case GSG_FORM_HEAD:
        return o * groups(e->inputs, b) * b + i;
    default:
        return ((o / b * groups(e->inputs, b) + i / b) * e->taps + k) * b * b + inner;
    }
}

// From one tap of a pair of channels to the next.
static int64_t tap_stride(int32_t form, const extent *e)
{
    return form == GSG_FORM_FIRST ? e->inputs * e->block : e->block * e->block;
}

gsg_weights_runs gsg_weights_runs_of(const gsg_weights *layout)
{
    const extent e = measure(layout);
    gsg_weights_runs runs = {.taps = e.taps, .run = tap_stride(layout->form, &e)};
    if (layout->form == GSG_FORM_HEAD)
        runs.run = layout->count; // of one tap
    runs.outer = layout->count / (runs.taps * runs.run);
    return runs;
}

// Moves some rows of the public order one way; `plain` begins with them.
static void move(const gsg_weights *w, int64_t first, int64_t rows, const float *plain, float *stored, float *plain_out)
{
    const extent e = measure(w);
    const int64_t columns = w->shape.dims[1], step = tap_stride(w->form, &e);
    for (int64_t r = first; r < first + rows; r++)
        for (int64_t c = 0; c < columns; c++) {
            const int64_t at = stored_index(w->form, &e, w->transposed ? c : r, w->transposed ? r : c, 0);
            const int64_t flat = ((r - first) * columns + c) * e.taps;
            for (int64_t k = 0; k < e.taps; k++)
                if (plain)
                    stored[at + k * step] = plain[flat + k];
                else
                    plain_out[flat + k] = stored[at + k * step];
        }
}

void gsg_weights_import(const gsg_weights *layout, const float *plain, float *stored)
{
    memset(stored, 0, (size_t)layout->count * sizeof *stored); // what pads the blocks
    gsg_weights_import_rows(layout, 0, layout->shape.dims[0], plain, stored);
}

void gsg_weights_import_rows(const gsg_weights *layout, int64_t first, int64_t rows, const float *plain, float *stored)
{
    move(layout, first, rows, plain, stored, NULL);
}

void gsg_weights_export(const gsg_weights *layout, const float *stored, float *plain)
{
    move(layout, 0, layout->shape.dims[0], NULL, (float *)(uintptr_t)stored, plain);
}

typedef struct scaling {
    const gsg_weights *layout;
    const float *stored, *scale;
    float *out;
    int64_t groups; // of outputs
} scaling;

GSG_INLINE void scale_rows(const float *in, float *out, int64_t rows, const float *scale, int64_t block)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t l = 0; l < block; l++)
            out[r * block + l] = in[r * block + l] * scale[l];
}

GSG_SIMD
static void scale_block(const float *in, float *out, int64_t rows, const float *scale, int64_t block)
{
    if (block == 16)
        scale_rows(in, out, rows, scale, 16);
    else
        scale_rows(in, out, rows, scale, 8);
}

// Outputs are innermost in all forms but the head's, where an output has a row of its own. A turn is
// what one group of outputs shares: contiguous but for FORM_IO, where inputs come first.
static void scale_turns(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const scaling *s = arg;
    const gsg_weights *w = s->layout;
    const extent e = measure(w);
    const int64_t turn = w->form == GSG_FORM_IO ? e.taps * e.block * e.block : w->count / s->groups;
    for (int64_t i = begin; i < end; i++) {
        const float *in = s->stored + i * turn;
        float *out = s->out + i * turn;
        if (w->form == GSG_FORM_HEAD)
            for (int64_t l = 0; l < turn; l++)
                out[l] = in[l] * s->scale[i];
        else
            scale_block(in, out, turn / e.block, s->scale + i % s->groups * e.block, e.block);
    }
}

void gsg_weights_scale(const genseg_context *context, const gsg_weights *layout, const float *stored,
                       const float *scale, float *out)
{
    const extent e = measure(layout);
    scaling s = {layout, stored, scale, out, groups(e.outputs, e.block)};
    if (layout->form == GSG_FORM_HEAD)
        s.groups = e.outputs;
    const int64_t turns = layout->form == GSG_FORM_IO ? s.groups * groups(e.inputs, e.block) : s.groups;
    gsg_parallel(context, turns, 1, scale_turns, &s);
}
