// The stored layout of convolution weights: outputs and inputs in blocks, so that a
// gradient has the layout of its parameter and no step reorders what it learns.
#include "core/parallel.h"
#include "kernel/conv.h"
#include "kernel/onednn.h"

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
    gsg_weights w = {.shape = shape, .transposed = transposed != 0, .block = gsg_engine_block(engine)};
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

// Moves every weight one way; pads are not touched (zero from their allocation on).
static void move(const gsg_weights *w, const float *plain, float *stored, float *plain_out)
{
    extent e = measure(w);
    const int64_t rows = w->shape.dims[0], columns = w->shape.dims[1];
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            for (int64_t k = 0; k < e.taps; k++) {
                int64_t at = stored_index(w->form, &e, w->transposed ? c : r, w->transposed ? r : c, k);
                int64_t flat = (r * columns + c) * e.taps + k;
                if (plain)
                    stored[at] = plain[flat];
                else
                    plain_out[flat] = stored[at];
            }
}

void gsg_weights_import(const gsg_weights *layout, const float *plain, float *stored)
{
    move(layout, plain, stored, NULL);
}

void gsg_weights_export(const gsg_weights *layout, const float *stored, float *plain)
{
    move(layout, NULL, (float *)(uintptr_t)stored, plain);
}
