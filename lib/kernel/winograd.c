// Winograd's minimal filtering in the plane (Lavin and Gray, arXiv 1509.09308): tiles of m x m results from
// windows of 6 x 6, filters of r x r, m + r = 7. A kernel of step * r with that step (3 with 1; 4, 6, 8 with 2) is
// step^2 filters of r x r on as many phases of the wide side (a convolution's source, a transposed one's result), so
// that strided and transposed convolutions are the same sums: gathered from the phases, or spread to them with filters
// turned around. A phase of a channel counts as a channel of its own here. In 3-D so do the slices that a result is
// summed of, and phases in depth: H and W are transformed, D is not.
//
// All directions transform, multiply 36 pairs of matrices, and transform back. Where tiles are many, they are done in
// blocks that stay in a core's cache; where weights are many, all tiles are transformed first and each thread takes
// some output channels. Sums are in an order that the shapes fix.
#include "kernel/winograd.h"

#include <stdbool.h>

#include "core/parallel.h"
#include "kernel/winograd_simd.h"

#define WINDOW 6
#define POSITIONS GSG_WINOGRAD_POSITIONS
#define ROWS GSG_WINOGRAD_ROWS

#define CORE_BYTES ((int64_t)900 << 10) // of a block and weights: about what a second-level cache keeps
#define SHARED_BYTES ((int64_t)2 << 20) // of tiles that all threads work on
#define WHOLE_BYTES ((int64_t)16 << 20) // of all transformed tiles, where they are kept
#define SUMS_BYTES ((int64_t)32 << 20)  // of sums for all weights
#define MOST_BYTES ((int64_t)96 << 20)  // of one thread's scratch: beyond, memory costs more than time is won

// One of the two tensors. Blocks of its channels are numbered by slices, in these by phases, in these by groups;
// `channels` counts them all, padding included.
typedef struct side {
    gsg_desc desc;
    int64_t groups, phases, slices, channels;
    int64_t run, row;                 // transformed: blocks side by side, floats from a tile's run to the next tile's
    int64_t cell;                     // floats of one tile at one position
    int64_t step, offset;             // row of y in a phase: y * step + the phase's row + offset
    int64_t depth_step, depth_offset; // and likewise
    int32_t arg;
} side;

typedef struct winograd {
    gsg_kernel base;
    const gsg_winograd_lanes *simd;
    gsg_weights weights;
    gsg_epilogue epilogue;
    int32_t bias, flip;
    int32_t by_weights;              // each thread takes output channels, else tiles (or, of weights, positions)
    int64_t lanes, step, taps, size; // r, m
    int64_t depth_step, depth_taps;
    int64_t across, down, deep, tiles;
    int64_t block;   // tiles a turn
    int64_t vectors; // of output channels side by side, by_weights
    int64_t height;  // blocks of rows that one thread takes, of weights
    side in, out;    // of weights: rows (inputs) and columns (outputs)
    size_t at_weights, at_in, at_out, thread_weights, thread_in, thread_out; // in scratch, and what a thread has there
} winograd;

typedef struct turn {
    const winograd *w;
    float *const *args;
    char *scratch;
    int64_t first, count; // tiles
} turn;

// Floats from one position, or row of many channels, to the next: an odd number of cache lines, lest all of them meet
// in one set of the cache.
static int64_t apart(int64_t floats)
{
    return ((floats + 15) / 16 | 1) * 16;
}

static float *scratch_of(const turn *t, size_t at, size_t each, int32_t thread)
{
    return (float *)(void *)(t->scratch + at + each * (size_t)thread);
}

// ---- tiles

static void bound(int32_t range[2], int64_t first, int64_t step, int64_t offset, int64_t extent, int64_t count)
{
    range[0] = (int32_t)count;
    range[1] = 0;
    for (int32_t i = 0; i < count; i++) {
        const int64_t at = (first + i) * step + offset;
        if (at < 0 || at >= extent)
            continue;
        range[0] = i < range[0] ? i : range[0];
        range[1] = i + 1;
    }
}

// The window or tile of `count` squared at a tile's place, in one block of channels. Returns its first element.
static float *place(const winograd *w, const side *s, float *data, int64_t tile, int64_t block, int64_t count,
                    gsg_winograd_patch *patch)
{
    const gsg_shape *shape = &s->desc.shape;
    const int64_t width = shape->dims[shape->ndim - 1], height = shape->dims[shape->ndim - 2], L = w->lanes;
    const int64_t depth = shape->ndim == 5 ? shape->dims[2] : 1;
    const int64_t x = tile % w->across * w->size, y = tile / w->across % w->down * w->size;
    const int64_t z = tile / (w->across * w->down) % w->deep, n = tile / (w->across * w->down * w->deep);
    const int64_t phase = block / s->groups % s->phases, plane = phase % (s->step * s->step);
    const int64_t row = plane / s->step + s->offset, column = plane % s->step + s->offset;
    const int64_t slice =
        (z + block / (s->groups * s->phases)) * s->depth_step + phase / (s->step * s->step) + s->depth_offset;
    patch->row = s->step * width * L;
    patch->column = s->step * L;
    bound(patch->rows, y, s->step, row, slice < 0 || slice >= depth ? 0 : height, count);
    bound(patch->columns, x, s->step, column, width, count);
    return data + n * s->desc.batch_stride +
           (((block % s->groups * depth + slice) * height + y * s->step + row) * width + x * s->step + column) * L;
}

// From one position to the next.
static int64_t position_of(const winograd *w, const side *s)
{
    return apart(w->block * s->cell);
}

// Where a run of blocks is at one position, and how many floats apart its tiles are.
static int64_t run_of(const winograd *w, const side *s, int64_t first, int64_t *row)
{
    const int64_t left = s->channels / w->lanes - first;
    *row = left < s->run ? left * w->lanes : s->row;
    return first * w->lanes * w->block;
}

// Transforms windows or tiles first <= i < first + count of the channels' blocks begin <= b < end, to be the tiles
// from `at` of those at `out`. Tiles of a block follow each other, as they do in memory.
static void read_tiles(const turn *t, const side *s, int64_t window, int64_t begin, int64_t end, int64_t first,
                       int64_t count, int64_t at, float *out)
{
    const winograd *w = t->w;
    const int64_t stride = position_of(w, s);
    gsg_winograd_patch patch;
    for (int64_t b = begin; b < end; b++) {
        int64_t row = 0;
        float *to = out + run_of(w, s, b / s->run * s->run, &row) + b % s->run * w->lanes + at * row;
        for (int64_t i = 0; i < count; i++, to += row) {
            const float *from = place(w, s, t->args[s->arg], first + i, b, window, &patch);
            if (window == WINDOW)
                w->simd->read_window(&patch, from, to, stride);
            else
                w->simd->read_tile(&patch, from, to, stride, (int)window);
        }
    }
}

// ---- weights

static int64_t block_at(const winograd *w, int64_t input, int64_t output)
{
    const int64_t L = w->lanes, taps = gsg_shape_spatial(w->weights.shape);
    const int64_t inputs = (w->weights.shape.dims[w->weights.transposed ? 0 : 1] + L - 1) / L;
    const int64_t outputs = (w->weights.shape.dims[w->weights.transposed ? 1 : 0] + L - 1) / L;
    return (w->weights.form == GSG_FORM_IO ? input * outputs + output : output * inputs + input) * taps * L * L;
}

// The taps between two blocks of channels. Only one of the sides has phases, and one slices.
static gsg_winograd_taps taps_of(const winograd *w, int64_t in, int64_t out)
{
    const int64_t kernel = w->step * w->taps, phases = w->step * w->step;
    const int64_t phase = in / w->in.groups % w->in.phases + out / w->out.groups % w->out.phases;
    const int64_t slice = in / (w->in.groups * w->in.phases) + out / (w->out.groups * w->out.phases);
    const int64_t depth = w->depth_step * (w->flip ? w->depth_taps - 1 - slice : slice) + phase / phases;
    const int64_t row = phase % phases / w->step, column = phase % w->step;
    return (gsg_winograd_taps){.first = (int32_t)((depth * kernel + row) * kernel + column),
                               .row = (int32_t)(w->step * kernel),
                               .column = (int32_t)w->step,
                               .flip = w->flip};
}

// Weights from a block of inputs of the sums to one of their outputs; `reversed`: these are the convolution's outputs
// and inputs.
static void read_block(const turn *t, int64_t in, int64_t out, float *to, int64_t stride, int64_t row_stride)
{
    const winograd *w = t->w;
    const int64_t i = in % w->in.groups, o = out % w->out.groups;
    const bool reversed = w->in.arg == 0 && w->out.arg == 2; // backward data
    gsg_winograd_taps taps = taps_of(w, in, out);
    taps.transposed = reversed;
    w->simd->read_weights(&taps, t->args[1] + (reversed ? block_at(w, o, i) : block_at(w, i, o)), to, stride,
                          row_stride, (int)w->taps);
}

// ---- results

static void write_tiles(const turn *t, int64_t begin, int64_t end, int64_t first, int64_t count, const float *products,
                        int64_t stride, int64_t row)
{
    static const float ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, zeros[16] = {0};
    const winograd *w = t->w;
    const gsg_epilogue *e = &w->epilogue;
    gsg_winograd_finish finish = {.active = e->scale || e->shift || e->activation,
                                  .stream = gsg_winograd_streams(&w->out.desc, t->args[w->out.arg]),
                                  .slope = e->activation ? e->slope : 1.0f};
    gsg_winograd_patch patch;
    for (int64_t i = 0; i < count; i++)
        for (int64_t b = begin; b < end; b++) {
            const int64_t group = b % w->out.groups;
            float *to = place(w, &w->out, t->args[w->out.arg], first + i, b, w->size, &patch);
            finish.scale = e->scale ? t->args[2] + group * w->lanes : ones;
            finish.shift = e->shift ? t->args[3] + group * w->lanes : zeros;
            w->simd->write_tile(&patch, products + i * row + (b - begin) * w->lanes, stride, to, &finish, (int)w->size);
        }
    if (finish.stream)
        w->simd->drain();
}

// ---- forward and backward data, tiles in blocks

// How many of `all` blocks from `first` are in a group of at most `most`.
static int64_t group_of(int64_t all, int64_t first, int64_t most)
{
    return all - first < most ? all - first : most;
}

// Output blocks in runs of what a product takes side by side: the run that begins at `first`.
static int64_t run_at(const winograd *w, int64_t first)
{
    return group_of(w->out.channels / w->lanes, first, w->simd->most);
}

static float *run_weights_at(const turn *t, int64_t first)
{
    const winograd *w = t->w;
    return scratch_of(t, w->at_weights, w->thread_weights, (int32_t)(first / w->simd->most));
}

static void read_weights(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const winograd *w = t->w;
    const int64_t blocks = w->in.channels / w->lanes, most = w->simd->most, L = w->lanes;
    for (int64_t i = begin; i < end; i++) {
        const int64_t out = i / blocks, in = i % blocks, first = out / most * most, width = run_at(w, first) * L;
        float *run = run_weights_at(t, first);
        read_block(t, in, out, run + in * L * width + (out - first) * L, apart(w->in.channels * width), width);
    }
}

static void do_blocks(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const winograd *w = t->w;
    const int64_t I = w->in.channels, O = w->out.channels, L = w->lanes, T = w->block;
    const int64_t in_position = position_of(w, &w->in), out_position = position_of(w, &w->out);
    float *in = scratch_of(t, w->at_in, w->thread_in, thread), *out = scratch_of(t, w->at_out, w->thread_out, thread);
    for (int64_t b = begin; b < end; b++) {
        const int64_t first = b * T, left = w->tiles - first, count = left < T ? left : T;
        read_tiles(t, &w->in, WINDOW, 0, I / L, first, count, 0, in);
        for (int64_t p = 0; p < POSITIONS; p++)
            for (int64_t o = 0; o < O / L; o += run_at(w, o))
                w->simd->multiply((int32_t)run_at(w, o), in + p * in_position, w->in.row,
                                  run_weights_at(t, o) + p * apart(I * run_at(w, o) * L),
                                  out + p * out_position + o * L, w->out.row, count, I);
        write_tiles(t, 0, O / L, first, count, out, out_position, w->out.row);
    }
}

// ---- forward and backward data, output channels in runs

static void read_all_tiles(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const winograd *w = t->w;
    read_tiles(t, &w->in, WINDOW, 0, w->in.channels / w->lanes, begin, end - begin, begin,
               scratch_of(t, w->at_in, 0, 0));
}

static void do_runs(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const winograd *w = t->w;
    const int64_t I = w->in.channels, L = w->lanes, T = w->block, all = w->out.channels / L;
    const float *in = scratch_of(t, w->at_in, 0, 0);
    float *weights = scratch_of(t, w->at_weights, w->thread_weights, thread);
    float *out = scratch_of(t, w->at_out, w->thread_out, thread);
    for (int64_t r = begin; r < end; r++) {
        const int64_t first = r * w->vectors, count = group_of(all, first, w->vectors);
        for (int64_t i = 0; i < I / L; i++)
            for (int64_t o = 0; o < count; o++)
                read_block(t, i, first + o, weights + i * L * count * L + o * L, apart(I * count * L), count * L);
        for (int64_t p = 0; p < POSITIONS; p++)
            w->simd->multiply((int32_t)count, in + p * position_of(w, &w->in), w->in.row,
                              weights + p * apart(I * count * L), out + p * apart(T * count * L), count * L, w->tiles,
                              I);
        write_tiles(t, first, first + count, 0, w->tiles, out, apart(T * count * L), count * L);
    }
}

static genseg_status run_sums(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                              gsg_error *err)
{
    const winograd *w = (const winograd *)self;
    turn t = {.w = w, .args = args, .scratch = scratch};
    const int64_t in = w->in.channels / w->lanes, out = w->out.channels / w->lanes;
    if (w->by_weights) {
        gsg_parallel(self->context, w->tiles, 1, read_all_tiles, &t);
        gsg_parallel(self->context, (out + w->vectors - 1) / w->vectors, 1, do_runs, &t);
    } else {
        gsg_parallel(self->context, in * out, 1, read_weights, &t);
        gsg_parallel(self->context, (w->tiles + w->block - 1) / w->block, 1, do_blocks, &t);
    }
    return GENSEG_OK;
}

// ---- backward weights: `in` are rows, `out` columns

// The wide side is seen through windows, the narrow one in tiles.
static int64_t window_of(const winograd *w, const side *s)
{
    return s == (w->weights.transposed ? &w->out : &w->in) ? WINDOW : w->size;
}

static void read_both(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const winograd *w = t->w;
    const int64_t I = w->in.channels, O = w->out.channels;
    read_tiles(t, &w->in, window_of(w, &w->in), 0, I / w->lanes, t->first + begin, end - begin, begin,
               scratch_of(t, w->at_in, 0, 0));
    read_tiles(t, &w->out, window_of(w, &w->out), 0, O / w->lanes, t->first + begin, end - begin, begin,
               scratch_of(t, w->at_out, 0, 0));
}

// Sums of tiles for blocks of rows and a run of columns at one position. The rows are of one run.
static void correlate(const turn *t, int64_t position, int64_t row, int64_t rows, int64_t column, int64_t count,
                      float *sums, int64_t stride)
{
    const winograd *w = t->w;
    const int64_t L = w->lanes;
    int64_t in_row = 0, out_row = 0;
    const float *in = scratch_of(t, w->at_in, 0, 0) + position * position_of(w, &w->in) +
                      run_of(w, &w->in, row / w->in.run * w->in.run, &in_row) + row % w->in.run * L;
    const float *out =
        scratch_of(t, w->at_out, 0, 0) + position * position_of(w, &w->out) + run_of(w, &w->out, column, &out_row);
    w->simd->correlate((int32_t)(rows * L), (int32_t)count, in, in_row, out, out_row, sums, stride, t->count,
                       t->first > 0);
}

static void write_block(const turn *t, int64_t row, int64_t column, const float *sums, int64_t stride,
                        int64_t row_stride)
{
    const winograd *w = t->w;
    const gsg_winograd_taps taps = taps_of(w, row, column);
    w->simd->write_weights(&taps, sums, stride, row_stride,
                           t->args[2] + block_at(w, row % w->in.groups, column % w->out.groups), (int)w->taps);
}

static void add_positions(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const winograd *w = t->w;
    const int64_t O = w->out.channels, L = w->lanes, blocks = w->in.channels / L, H = w->height;
    const int64_t groups = (blocks + H - 1) / H;
    for (int64_t i = begin; i < end; i++) {
        const int64_t position = i / groups, row = i % groups * H;
        float *sums = scratch_of(t, w->at_weights, 0, 0) + position * apart(blocks * L * O) + row * L * O;
        for (int64_t o = 0; o < O / L; o += run_at(w, o))
            correlate(t, position, row, group_of(blocks, row, H), o, run_at(w, o), sums + o * L, O);
    }
}

static void write_all(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const winograd *w = t->w;
    const int64_t I = w->in.channels, O = w->out.channels, L = w->lanes, columns = O / L;
    for (int64_t i = begin; i < end; i++)
        write_block(t, i / columns, i % columns,
                    scratch_of(t, w->at_weights, 0, 0) + i / columns * L * O + i % columns * L, apart(I * O), O);
}

static void do_weights(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const turn *t = arg;
    const winograd *w = t->w;
    const int64_t L = w->lanes, blocks = w->in.channels / L, H = w->height, groups = (blocks + H - 1) / H;
    float *sums = scratch_of(t, w->at_weights, w->thread_weights, thread);
    for (int64_t i = begin; i < end; i++) {
        const int64_t row = i % groups * H, rows = group_of(blocks, row, H);
        const int64_t first = i / groups * w->vectors, count = run_at(w, first), width = count * L;
        for (int64_t p = 0; p < POSITIONS; p++)
            correlate(t, p, row, rows, first, count, sums + p * apart(rows * L * width), width);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t o = 0; o < count; o++)
                write_block(t, row + r, first + o, sums + r * L * width + o * L, apart(rows * L * width), width);
    }
}

static genseg_status run_weights(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const winograd *w = (const winograd *)self;
    turn t = {.w = w, .args = args, .scratch = scratch};
    const int64_t rows = w->in.channels / w->lanes, columns = w->out.channels / w->lanes;
    const int64_t groups = (rows + w->height - 1) / w->height;
    for (; t.first < w->tiles; t.first += w->block) {
        const int64_t left = w->tiles - t.first;
        t.count = left < w->block ? left : w->block;
        gsg_parallel(self->context, t.count, 1, read_both, &t);
        if (w->by_weights)
            gsg_parallel(self->context, groups * ((columns + w->vectors - 1) / w->vectors), 1, do_weights, &t);
        else
            gsg_parallel(self->context, POSITIONS * groups, 1, add_positions, &t);
    }
    if (!w->by_weights)
        gsg_parallel(self->context, rows * columns, 1, write_all, &t);
    if (w->bias && args[3])
        gsg_conv_bias_gradient(self->context, &w->out.desc, args[1], args[3]);
    return GENSEG_OK;
}

// ---- plans

static side side_of(const winograd *w, const gsg_desc *desc, int64_t slices, int64_t depth_step, int64_t step)
{
    side s = {
        .desc = *desc, .slices = slices, .phases = depth_step * step * step, .depth_step = depth_step, .step = step};
    s.groups = gsg_desc_padded(desc) / w->lanes;
    s.channels = s.slices * s.phases * s.groups * w->lanes;
    s.run = s.channels / w->lanes;
    s.row = s.cell = s.channels < 256 ? s.channels : apart(s.channels);
    return s;
}

// Places along one axis: of the narrow side where sums are gathered; where they are spread, from what the last phase
// reaches (`begin`) to what the first one does.
static int64_t places(bool gathers, int64_t narrow, int64_t wide, int64_t step, int64_t padding, int64_t *begin)
{
    *begin = gathers ? 0 : padding / step;
    return gathers ? narrow : (wide - 1 + padding) / step + 1 - *begin;
}

static void lay_out(winograd *w, gsg_direction direction, const gsg_conv *conv, const gsg_desc *src,
                    const gsg_desc *dst)
{
    const gsg_desc *wide = conv->transposed ? dst : src, *narrow = conv->transposed ? src : dst;
    const bool weights = direction == GSG_BACKWARD_WEIGHTS;
    const bool gathers = weights || (direction == GSG_FORWARD) == !conv->transposed;
    const int32_t flat = conv->spatial - 2; // the number of H
    const bool volumes = flat > 0;
    const int64_t padding = conv->padding[flat], depth_padding = volumes ? conv->padding[0] : 0;
    int64_t begin = 0, depth_begin = 0;
    w->step = conv->stride[flat];
    w->taps = conv->kernel[flat] / w->step;
    w->size = WINDOW + 1 - w->taps;
    w->depth_step = volumes ? conv->stride[0] : 1;
    w->depth_taps = volumes ? conv->kernel[0] / w->depth_step : 1;
    w->flip = !gathers;
    const int64_t *a = wide->shape.dims + 2 + flat, *b = narrow->shape.dims + 2 + flat;
    w->down = (places(gathers, b[0], a[0], w->step, padding, &begin) + w->size - 1) / w->size;
    w->across = (places(gathers, b[1], a[1], w->step, padding, &begin) + w->size - 1) / w->size;
    w->deep = volumes ? places(gathers, b[-1], a[-1], w->depth_step, depth_padding, &depth_begin) : 1;
    w->tiles = w->across * w->down * w->deep * src->shape.dims[0];
    side from = side_of(w, wide, gathers ? w->depth_taps : 1, w->depth_step, w->step);
    side to = side_of(w, narrow, gathers ? 1 : w->depth_taps, 1, 1);
    from.offset = w->step * begin - padding;
    from.depth_offset = w->depth_step * depth_begin - depth_padding;
    to.offset = gathers ? 0 : begin + 1 - w->taps;
    to.depth_offset = gathers ? 0 : depth_begin + 1 - w->depth_taps;
    const bool wide_first = weights ? !conv->transposed : gathers;
    w->in = wide_first ? from : to;
    w->out = wide_first ? to : from;
    w->in.arg = 0;
    w->out.arg = direction == GSG_FORWARD ? 4 : direction == GSG_BACKWARD_DATA ? 2 : 1;
}

static size_t reserve(size_t *total, int64_t floats, int64_t times, size_t *each)
{
    const size_t at = *total;
    *each = (size_t)gsg_round_up(floats * (int64_t)sizeof(float), 64);
    *total += *each * (size_t)times;
    return at;
}

static size_t plan_sums(winograd *w, int64_t threads)
{
    const int64_t I = w->in.channels, O = w->out.channels, L = w->lanes, bytes = POSITIONS * (int64_t)sizeof(float);
    const int64_t padded = gsg_round_up(w->tiles, ROWS);
    size_t total = 0;
    const int64_t most = bytes * I * O > WHOLE_BYTES ? 2 * WHOLE_BYTES : WHOLE_BYTES; // weights don't stay near either
    w->by_weights = bytes * I * O > CORE_BYTES && bytes * padded * I <= most && O / L >= threads;
    if (w->by_weights) {
        w->vectors = O / L / threads < w->simd->most ? O / L / threads : w->simd->most;
        w->block = padded;
        w->at_in = reserve(&total, POSITIONS * position_of(w, &w->in), 1, &w->thread_in);
        w->at_weights = reserve(&total, POSITIONS * apart(I * w->vectors * L), threads, &w->thread_weights);
        w->at_out = reserve(&total, POSITIONS * apart(padded * w->vectors * L), threads, &w->thread_out);
        return total;
    }
    // Weights that the cache can hold are left room there. As many turns for one thread as for the next.
    const int64_t beside = CORE_BYTES - bytes * I * O, half = CORE_BYTES / 2;
    const int64_t room = beside < 0 ? CORE_BYTES : beside < half ? beside : half;
    const int64_t fit = room / (bytes * (I + O)) / ROWS * ROWS, least = fit < ROWS ? ROWS : fit;
    const int64_t turns = gsg_round_up((w->tiles + least - 1) / least, threads);
    w->block = gsg_round_up((w->tiles + turns - 1) / turns, ROWS);
    w->at_weights = reserve(&total, POSITIONS * apart(I * w->simd->most * L),
                            (O / L + w->simd->most - 1) / w->simd->most, &w->thread_weights);
    w->at_in = reserve(&total, POSITIONS * position_of(w, &w->in), threads, &w->thread_in);
    w->at_out = reserve(&total, POSITIONS * position_of(w, &w->out), threads, &w->thread_out);
    return total;
}

static size_t plan_weights(winograd *w, int64_t threads)
{
    const int64_t I = w->in.channels, O = w->out.channels, L = w->lanes, bytes = POSITIONS * (int64_t)sizeof(float);
    size_t total = 0;
    const int64_t rows = I / L, most = w->simd->most, runs = (O / L + most - 1) / most;
    w->by_weights = bytes * w->tiles * (I + O) <= WHOLE_BYTES || bytes * I * O > SUMS_BYTES;
    const int64_t fit = SHARED_BYTES / (bytes * (I + O)) / ROWS * ROWS, least = fit < 2 * ROWS ? 2 * ROWS : fit;
    w->block = w->by_weights || w->tiles < least ? w->tiles : least;
    w->vectors = most;
    // Tall groups of rows read the columns once for all: as tall as leaves work for all threads.
    const int64_t others = w->by_weights ? runs : POSITIONS;
    for (w->height = most; w->height > 1 && (rows + w->height - 1) / w->height * others < 2 * threads;)
        w->height /= 2;
    side *const sides[] = {&w->in, &w->out};
    for (int i = 0; i < 2; i++) {
        sides[i]->run = most;
        sides[i]->row = most * L;
        sides[i]->cell = sides[i]->channels;
    }
    w->at_in = reserve(&total, POSITIONS * position_of(w, &w->in), 1, &w->thread_in);
    w->at_out = reserve(&total, POSITIONS * position_of(w, &w->out), 1, &w->thread_out);
    if (w->by_weights)
        w->at_weights = reserve(&total, POSITIONS * apart(w->height * L * most * L), threads, &w->thread_weights);
    else
        w->at_weights = reserve(&total, POSITIONS * apart(I * O), 1, &w->thread_weights);
    return total;
}

static size_t plan(winograd *w, const gsg_engine *engine, gsg_direction direction, const gsg_conv *conv,
                   const gsg_desc *src, const gsg_weights *weights, const gsg_desc *dst, int64_t threads)
{
    w->simd = gsg_winograd_lanes_of(gsg_engine_block(engine));
    w->lanes = gsg_engine_block(engine);
    w->weights = *weights;
    lay_out(w, direction, conv, src, dst);
    return direction == GSG_BACKWARD_WEIGHTS ? plan_weights(w, threads) : plan_sums(w, threads);
}

int32_t gsg_winograd_takes(const gsg_engine *engine, gsg_direction direction, const gsg_conv *conv, const gsg_desc *src,
                           const gsg_weights *weights, const gsg_desc *dst)
{
    const int32_t block = gsg_engine_block(engine), flat = conv->spatial - 2;
    const int64_t k = conv->kernel[flat], step = conv->stride[flat];
    winograd w = {0};
    if (k != conv->kernel[flat + 1] || step != conv->stride[flat + 1] || conv->padding[flat] != conv->padding[flat + 1])
        return 0;
    for (int32_t i = 0; i < conv->spatial; i++)
        if (conv->stride[i] > 2 || conv->kernel[i] % conv->stride[i] || conv->padding[i] >= conv->kernel[i])
            return 0;
    if (k / step < 2 || k / step > 4)
        return 0;
    if (src->block != block || dst->block != block || weights->block != block ||
        (weights->form != GSG_FORM_OI && weights->form != GSG_FORM_IO) || !gsg_winograd_lanes_of(block))
        return 0;
    // As one thread would need it: the choice of algorithm, and with it the result's bits, goes by shapes alone.
    return (int64_t)plan(&w, engine, direction, conv, src, weights, dst, 1) <= MOST_BYTES;
}

// In multiplications a pair of channels of one phase, all directions alike. Transforms of tiles are shared by what they
// are multiplied with; those of weights cost about as much as 500. Fitted to measured times (docs/internals/kernel.md).
int32_t gsg_winograd_wins(const gsg_conv *conv, const gsg_desc *src, const gsg_desc *dst)
{
    const gsg_desc *wide = conv->transposed ? dst : src, *narrow = conv->transposed ? src : dst;
    const int32_t flat = conv->spatial - 2;
    const int64_t step = conv->stride[flat], taps = conv->kernel[flat] / step, size = WINDOW + 1 - taps;
    if (taps < 2 || taps > 4)
        return 0;
    const int64_t height = narrow->shape.dims[2 + flat], width = narrow->shape.dims[3 + flat];
    const int64_t planes = narrow->shape.dims[0] * (flat ? narrow->shape.dims[2] : 1);
    const int64_t tiles = planes * ((height + size - 1) / size) * ((width + size - 1) / size);
    const int64_t slices = flat ? conv->kernel[0] : 1;
    const double a = (double)(slices * step * step * gsg_desc_padded(wide)), b = (double)gsg_desc_padded(narrow);
    const double direct = (double)(planes * height * width * taps * taps);
    return direct > 36.0 * (double)gsg_round_up(tiles, 6) + 240.0 * (double)tiles * (1 / a + 1 / b) + 500.0;
}

genseg_status gsg_winograd_new(gsg_engine *engine, gsg_direction direction, const gsg_conv *conv, const gsg_desc *src,
                               const gsg_weights *weights, const gsg_desc *dst, const gsg_epilogue *epilogue,
                               int32_t bias, gsg_kernel **kernel, gsg_error *err)
{
    static const char *const names[] = {"winograd", "winograd backward data", "winograd backward weights"};
    winograd *w = gsg_kernel_make(engine, sizeof *w, names[direction],
                                  direction == GSG_BACKWARD_WEIGHTS ? run_weights : run_sums, err);
    if (!w)
        return GENSEG_ERROR_NOMEM;
    const int64_t threads = gsg_parallel_threads(gsg_engine_context(engine));
    w->base.scratch = plan(w, engine, direction, conv, src, weights, dst, threads);
    w->bias = bias;
    if (epilogue)
        w->epilogue = *epilogue;
    *kernel = &w->base;
    return GENSEG_OK;
}
