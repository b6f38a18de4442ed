// Convolutions: every case of golden_conv.h (made by make_conv.py) against PyTorch, by each algorithm and in all
// directions; every element against plain loops in double, in other layouts, as views and with each epilogue.

#include "kernel/conv.h"

#include "faults.h"
#include "golden_conv.h"
#include "kernel/operands.h"

#define OUTPUTS 128 // at most

#define GOLDENS (int)(sizeof goldens / sizeof goldens[0])

static genseg_context *context;
static gsg_engine *engine;
static gsg_error err;
static const gsg_run no_run = {0};

static void open_engine(void)
{
    context = context_of(2);
    engine = engine_of(context);
}

static void close_engine(void)
{
    gsg_engine_free(engine);
    gsg_context_release(context);
}

// One convolution with its inputs, in plain order.
typedef struct setting {
    gsg_conv conv;
    gsg_shape src, dst, shape; // `shape` of the weights
    int64_t src_count, dst_count, weights_count, taps;
    gsg_weights weights;
    float *x, *w, *bias, *dy;
    float *stored;
} setting;

static gsg_shape with_channels(int64_t batch, int64_t channels, int32_t spatial, const int64_t *size)
{
    int64_t dims[5] = {batch, channels, size[0], size[1], size[2]};
    return gsg_shape_make(spatial + 2, dims);
}

static setting setting_of(const golden_conv *g)
{
    setting s = {.conv = g->conv, .src = with_channels(g->batch, g->inputs, g->conv.spatial, g->size)};
    const int64_t rows = g->conv.transposed ? g->inputs : g->outputs;
    const int64_t columns = g->conv.transposed ? g->outputs : g->inputs;
    s.shape = with_channels(rows, columns, g->conv.spatial, g->conv.kernel);
    ck_assert_msg(gsg_conv_shape(&s.conv, s.src, s.shape, &s.dst, &err) == GENSEG_OK, "%s", err.message);
    s.src_count = gsg_shape_count(s.src);
    s.dst_count = gsg_shape_count(s.dst);
    s.weights_count = gsg_shape_count(s.shape);
    s.taps = gsg_shape_spatial(s.shape);
    s.weights = gsg_weights_layout(engine, s.shape, s.conv.transposed);
    s.x = samples(s.src_count, 1, 1.0);
    s.w = samples(s.weights_count, 2, 1.0 / sqrt((double)(s.taps * g->inputs)));
    s.bias = aligned_floats(OUTPUTS);
    memset(s.bias, 0, OUTPUTS * sizeof(float));
    for (int64_t c = 0; c < g->outputs; ++c)
        s.bias[c] = (float)sample(c, 3);
    s.dy = samples(s.dst_count, 4, 1.0);
    s.stored = aligned_floats(s.weights.count);
    gsg_weights_import(&s.weights, s.w, s.stored);
    return s;
}

static void setting_free(setting *s)
{
    free(s->x);
    free(s->w);
    free(s->bias);
    free(s->dy);
    free(s->stored);
}

// ---- plain loops in double

typedef struct visit {
    const setting *s;
    const float *src, *dst;
    double *out; // src, dst or weights: the one that is computed
    int which;   // 0: dst, 1: src, 2: weights
} visit;

// Adds one sample's and channel pair's products over all positions and taps.
static void visit_pair(const visit *v, int64_t n, int64_t i, int64_t o)
{
    const setting *s = v->s;
    const gsg_conv *c = &s->conv;
    const int flat = c->spatial == 2;
    // `wide` is the side that the kernel slides over: a convolution's source, a transposed one's result
    const gsg_shape *wide = c->transposed ? &s->dst : &s->src, *narrow = c->transposed ? &s->src : &s->dst;
    int64_t W[3], M[3], K[3], S[3], P[3];
    for (int a = 0; a < 3; ++a) {
        int at = flat ? a - 1 : a;
        W[a] = at < 0 ? 1 : wide->dims[at + 2];
        M[a] = at < 0 ? 1 : narrow->dims[at + 2];
        K[a] = at < 0 ? 1 : c->kernel[at];
        S[a] = at < 0 ? 1 : c->stride[at];
        P[a] = at < 0 ? 0 : c->padding[at];
    }
    const int64_t src_at = (n * s->src.dims[1] + i) * gsg_shape_spatial(s->src);
    const int64_t dst_at = (n * s->dst.dims[1] + o) * gsg_shape_spatial(s->dst);
    const int64_t w_at = (c->transposed ? i * s->dst.dims[1] + o : o * s->src.dims[1] + i) * s->taps;
    for (int64_t m = 0; m < M[0] * M[1] * M[2]; ++m)
        for (int64_t k = 0; k < s->taps; ++k) {
            const int64_t z = m / (M[1] * M[2]) * S[0] - P[0] + k / (K[1] * K[2]);
            const int64_t y = m / M[2] % M[1] * S[1] - P[1] + k / K[2] % K[1];
            const int64_t x = m % M[2] * S[2] - P[2] + k % K[2];
            if (z < 0 || z >= W[0] || y < 0 || y >= W[1] || x < 0 || x >= W[2])
                continue;
            const int64_t at = (z * W[1] + y) * W[2] + x;
            const int64_t from = src_at + (c->transposed ? m : at), to = dst_at + (c->transposed ? at : m);
            if (v->which == 0)
                v->out[to] += (double)v->src[from] * (double)s->w[w_at + k];
            else if (v->which == 1)
                v->out[from] += (double)v->dst[to] * (double)s->w[w_at + k];
            else
                v->out[w_at + k] += (double)v->src[from] * (double)v->dst[to];
        }
}

static double *by_loops(const setting *s, int which)
{
    const int64_t counts[] = {s->dst_count, s->src_count, s->weights_count};
    visit v = {s, s->x, s->dy, calloc((size_t)counts[which], sizeof(double)), which};
    for (int64_t n = 0; n < s->src.dims[0]; ++n)
        for (int64_t i = 0; i < s->src.dims[1]; ++i)
            for (int64_t o = 0; o < s->dst.dims[1]; ++o)
                visit_pair(&v, n, i, o);
    return v.out;
}

// ---- the kernels

// Layouts: 0 as the engine's activations, else plain, blocked, with a gap between samples or not.
typedef struct layouts {
    int32_t src_block, dst_block;
    int64_t gap; // in blocks of channels: a view
} layouts;

static operand operand_for(gsg_shape shape, int32_t block, int64_t gap, const float *values)
{
    block = block ? block : gsg_desc_activation(engine, shape).block;
    const int64_t extra = gap * gsg_shape_spatial(shape) * block;
    return values ? operand_of(shape, block, extra, values) : operand_new(shape, block, extra);
}

static float *forward(const setting *s, layouts l, const gsg_epilogue *epilogue, const float *scale,
                      gsg_conv_algorithm algorithm)
{
    operand src = operand_for(s->src, l.src_block, l.gap, s->x), dst = operand_for(s->dst, l.dst_block, l.gap, NULL);
    gsg_kernel *kernel = NULL;
    genseg_status status =
        gsg_conv_forward_new(engine, &s->conv, &src.desc, &s->weights, &dst.desc, epilogue, algorithm, &kernel, &err);
    float *args[] = {src.data, s->stored, (float *)(uintptr_t)scale, epilogue && epilogue->shift ? s->bias : NULL,
                     dst.data};
    kernel_run(status, kernel, &no_run, args, &err);
    float *out = malloc((size_t)s->dst_count * sizeof *out);
    operand_get(&dst, out);
    operand_free(&src);
    operand_free(&dst);
    return out;
}

static float *backward_data(const setting *s, layouts l, gsg_conv_algorithm algorithm)
{
    operand src = operand_for(s->src, l.src_block, l.gap, NULL), dst = operand_for(s->dst, l.dst_block, l.gap, s->dy);
    gsg_kernel *kernel = NULL;
    genseg_status status =
        gsg_conv_backward_data_new(engine, &s->conv, &src.desc, &s->weights, &dst.desc, algorithm, &kernel, &err);
    float *args[] = {dst.data, s->stored, src.data};
    kernel_run(status, kernel, &no_run, args, &err);
    float *out = malloc((size_t)s->src_count * sizeof *out);
    operand_get(&src, out);
    operand_free(&src);
    operand_free(&dst);
    return out;
}

// Also checks that the padding of the stored gradient is zero: as many values as the plain order has.
static float *backward_weights(const setting *s, layouts l, gsg_conv_algorithm algorithm, float *diff_bias)
{
    operand src = operand_for(s->src, l.src_block, l.gap, s->x), dst = operand_for(s->dst, l.dst_block, l.gap, s->dy);
    float *stored = aligned_floats(s->weights.count);
    for (int64_t i = 0; i < s->weights.count; ++i)
        stored[i] = GAP;
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_conv_backward_weights_new(engine, &s->conv, &src.desc, &s->weights, &dst.desc,
                                                         diff_bias != NULL, algorithm, &kernel, &err);
    float *args[] = {src.data, dst.data, stored, diff_bias};
    kernel_run(status, kernel, &no_run, args, &err);
    float *out = malloc((size_t)s->weights_count * sizeof *out);
    gsg_weights_export(&s->weights, stored, out);
    double sum = 0.0, exported = 0.0;
    for (int64_t i = 0; i < s->weights.count; ++i)
        sum += fabs((double)stored[i]);
    for (int64_t i = 0; i < s->weights_count; ++i)
        exported += fabs((double)out[i]);
    check_near(sum, exported, 1e-9 * exported, "sum of stored gradient", 0);
    free(stored);
    operand_free(&src);
    operand_free(&dst);
    return out;
}

// ---- checks

// Winograd adds and takes off: its error goes with the largest values.
static void check_all(const float *values, const double *expected, int64_t count, double relative, const char *what)
{
    double square = 0.0;
    for (int64_t i = 0; i < count; ++i)
        square += expected[i] * expected[i];
    const double size = sqrt(square / (double)count);
    for (int64_t i = 0; i < count; ++i)
        check_near((double)values[i], expected[i], relative * fmax(fabs(expected[i]), size), what, i);
}

static void check_golden(const float *values, int64_t count, const double *golden, const char *what)
{
    double dot = 0.0, square = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        dot += (double)values[i] * sample(i, 77);
        square += (double)values[i] * (double)values[i];
    }
    for (uint32_t i = 0; i < GOLDEN_VALUES; ++i)
        check_near((double)values[word(i, 99) % (uint32_t)count], golden[i],
                   1e-4 * fmax(fabs(golden[i]), 1e-1 * sqrt(square / (double)count)), what, i);
    check_near(dot, golden[GOLDEN_VALUES], 1e-4 * fmax(fabs(golden[GOLDEN_VALUES]), sqrt(square)), what, -1);
}

static const gsg_conv_algorithm algorithms[] = {GSG_CONV_AUTO, GSG_CONV_DIRECT, GSG_CONV_WINOGRAD, GSG_CONV_POINTWISE};
static const layouts usual = {0};

// AUTO always, the others where they make a difference.
static int differs(const golden_conv *g, gsg_conv_algorithm algorithm)
{
    const int64_t taps = g->conv.kernel[0] * g->conv.kernel[1];
    if (algorithm == GSG_CONV_POINTWISE)
        return taps == 1;
    return algorithm == GSG_CONV_AUTO || (g->conv.spatial == 2 && taps == 9) || taps == 1;
}

START_TEST(test_golden)
{
    const golden_conv *g = &goldens[_i / 4];
    const gsg_conv_algorithm algorithm = algorithms[_i % 4];
    if (!differs(g, algorithm))
        return;
    setting s = setting_of(g);
    const gsg_epilogue epilogue = {.shift = 1};
    float *dst = forward(&s, usual, &epilogue, NULL, algorithm);
    check_golden(dst, s.dst_count, g->dst, g->name);
    float *diff_src = backward_data(&s, usual, algorithm);
    check_golden(diff_src, s.src_count, g->diff_src, g->name);
    float diff_bias[OUTPUTS];
    for (int i = 0; i < OUTPUTS; ++i)
        diff_bias[i] = GAP;
    float *diff_weights = backward_weights(&s, usual, algorithm, diff_bias);
    check_golden(diff_weights, s.weights_count, g->diff_weights, g->name);
    check_golden(diff_bias, g->outputs, g->diff_bias, g->name);
    for (int64_t c = g->outputs; c < (g->outputs + 15) / 16 * 16; ++c)
        require(diff_bias[c] == 0.0f, "pad of the bias gradient", c);
    free(dst);
    free(diff_src);
    free(diff_weights);
    setting_free(&s);
}
END_TEST

typedef void (*check_fn)(const float *values, const double *expected, int64_t count, const char *what);

static void check_direct(const float *values, const double *expected, int64_t count, const char *what)
{
    check_all(values, expected, count, 1e-5, what);
}

// All directions against plain loops, in several layouts.
static void check_layouts(const golden_conv *g, const layouts *all, int count, gsg_conv_algorithm algorithm, check_fn check)
{
    setting s = setting_of(g);
    double *dst = by_loops(&s, 0), *diff_src = by_loops(&s, 1), *diff_weights = by_loops(&s, 2);
    for (int i = 0; i < count; ++i) {
        float *y = forward(&s, all[i], NULL, NULL, algorithm);
        check(y, dst, s.dst_count, "forward");
        float *dx = backward_data(&s, all[i], algorithm);
        check(dx, diff_src, s.src_count, "backward data");
        float *dw = backward_weights(&s, all[i], algorithm, NULL);
        check(dw, diff_weights, s.weights_count, "backward weights");
        free(y);
        free(dx);
        free(dw);
    }
    free(dst);
    free(diff_src);
    free(diff_weights);
    setting_free(&s);
}

// Each case, plain and blocked at either end, and as views with gaps between samples.
START_TEST(test_layouts)
{
    const int32_t b = gsg_engine_block(engine);
    const layouts all[] = {{1, 1, 0}, {b, b, 0}, {1, b, 0}, {b, 1, 0}, {0, 0, 2}, {1, 1, 3}, {b, b, 1}, {1, b, 1}};
    check_layouts(&goldens[_i], all, (int)(sizeof all / sizeof *all), GSG_CONV_AUTO, check_direct);
}
END_TEST

// What Winograd's tiles are cut from: every kernel that it takes, sizes that no tile divides, several blocks of channels,
// few and many tiles and weights, all against plain loops.
static const golden_conv cut[] = {
    {.conv = {2, 0, {3, 3}, {1, 1}, {1, 1}}, .batch = 2, .inputs = 40, .outputs = 24, .size = {13, 17}},
    {.conv = {2, 0, {3, 3}, {1, 1}, {0, 0}}, .batch = 1, .inputs = 5, .outputs = 50, .size = {9, 6}},
    {.conv = {2, 0, {3, 3}, {1, 1}, {2, 2}}, .batch = 1, .inputs = 16, .outputs = 16, .size = {3, 50}},
    {.conv = {2, 0, {4, 4}, {1, 1}, {1, 1}}, .batch = 3, .inputs = 20, .outputs = 16, .size = {8, 15}},
    {.conv = {2, 0, {4, 4}, {2, 2}, {1, 1}}, .batch = 2, .inputs = 17, .outputs = 33, .size = {14, 20}},
    {.conv = {2, 0, {6, 6}, {2, 2}, {2, 2}}, .batch = 2, .inputs = 16, .outputs = 10, .size = {12, 30}},
    {.conv = {2, 0, {8, 8}, {2, 2}, {3, 3}}, .batch = 2, .inputs = 24, .outputs = 40, .size = {16, 26}},
    {.conv = {2, 0, {8, 8}, {2, 2}, {3, 3}}, .batch = 1, .inputs = 16, .outputs = 16, .size = {2, 2}},
    {.conv = {2, 0, {8, 8}, {2, 2}, {3, 3}}, .batch = 1, .inputs = 16, .outputs = 16, .size = {13, 11}},
    {.conv = {2, 1, {4, 4}, {2, 2}, {1, 1}}, .batch = 2, .inputs = 33, .outputs = 17, .size = {7, 10}},
    {.conv = {2, 1, {6, 6}, {2, 2}, {2, 2}}, .batch = 2, .inputs = 16, .outputs = 48, .size = {6, 9}},
    {.conv = {2, 1, {8, 8}, {2, 2}, {3, 3}}, .batch = 2, .inputs = 40, .outputs = 24, .size = {8, 13}},
    {.conv = {2, 1, {8, 8}, {2, 2}, {3, 3}}, .batch = 1, .inputs = 16, .outputs = 16, .size = {1, 1}},
    {.conv = {2, 1, {8, 8}, {2, 2}, {0, 0}}, .batch = 1, .inputs = 16, .outputs = 20, .size = {3, 5}},
    {.conv = {2, 0, {3, 3}, {1, 1}, {1, 1}}, .batch = 1, .inputs = 128, .outputs = 64, .size = {8, 8}},
    {.conv = {2, 0, {3, 3}, {1, 1}, {1, 1}}, .batch = 1, .inputs = 16, .outputs = 48, .size = {130, 190}}, // streamed
    {.conv = {2, 0, {3, 3}, {1, 1}, {1, 1}}, .batch = 1, .inputs = 48, .outputs = 16, .size = {130, 190}},
    {.conv = {2, 0, {3, 3}, {1, 1}, {1, 1}}, .batch = 1, .inputs = 112, .outputs = 90, .size = {8, 8}},
    {.conv = {2, 0, {3, 3}, {1, 1}, {1, 1}}, .batch = 1, .inputs = 90, .outputs = 112, .size = {70, 120}},
    {.conv = {2, 0, {8, 8}, {2, 2}, {3, 3}}, .batch = 1, .inputs = 48, .outputs = 64, .size = {16, 16}},
    {.conv = {3, 0, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}}, .batch = 2, .inputs = 40, .outputs = 24, .size = {5, 9, 13}},
    {.conv = {3, 0, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}}, .batch = 1, .inputs = 16, .outputs = 64, .size = {1, 6, 6}},
    {.conv = {3, 0, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}}, .batch = 1, .inputs = 20, .outputs = 16, .size = {4, 9, 7}},
    {.conv = {3, 0, {5, 3, 3}, {2, 1, 1}, {2, 1, 1}}, .batch = 1, .inputs = 16, .outputs = 16, .size = {7, 9, 7}},
    {.conv = {3, 0, {4, 4, 4}, {2, 2, 2}, {1, 1, 1}}, .batch = 2, .inputs = 17, .outputs = 33, .size = {6, 14, 10}},
    {.conv = {3, 0, {6, 6, 6}, {2, 2, 2}, {2, 2, 2}}, .batch = 1, .inputs = 16, .outputs = 16, .size = {8, 12, 9}},
    {.conv = {3, 0, {3, 8, 8}, {1, 2, 2}, {1, 3, 3}}, .batch = 1, .inputs = 16, .outputs = 16, .size = {3, 12, 16}},
    {.conv = {3, 1, {4, 4, 4}, {2, 2, 2}, {1, 1, 1}}, .batch = 2, .inputs = 33, .outputs = 17, .size = {3, 7, 5}},
    {.conv = {3, 1, {6, 6, 6}, {2, 2, 2}, {2, 2, 2}}, .batch = 1, .inputs = 16, .outputs = 24, .size = {4, 6, 5}},
    {.conv = {3, 1, {2, 4, 4}, {2, 2, 2}, {0, 1, 1}}, .batch = 1, .inputs = 16, .outputs = 16, .size = {4, 6, 5}},
};

// The error of all values together stays below 5e-6 of theirs; single ones may be off by more of it where they cancel.
static void check_winograd(const float *values, const double *expected, int64_t count, const char *what)
{
    double error = 0.0, size = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        error += ((double)values[i] - expected[i]) * ((double)values[i] - expected[i]);
        size += expected[i] * expected[i];
    }
    check_near(sqrt(error / size), 0.0, 5e-6, what, -1);
    check_all(values, expected, count, 3e-5, what);
}

START_TEST(test_winograd)
{
    const layouts all[] = {{0, 0, 0}, {0, 0, 2}};
    check_layouts(&cut[_i], all, 2, GSG_CONV_WINOGRAD, check_winograd);
}
END_TEST

// Kernels that are their stride, with enough inputs for products of matrices: rows that chunks cut, outputs that fill no
// run, samples, volumes, views, and results that are streamed.
static const golden_conv apart[] = {
    {"apart", {2, 1, {2, 2}, {2, 2}, {0, 0}}, .batch = 2, .inputs = 120, .outputs = 40, .size = {13, 17}},
    {.conv = {2, 1, {2, 2}, {2, 2}, {0, 0}}, .batch = 3, .inputs = 300, .outputs = 16, .size = {4, 5}},
    {.conv = {2, 1, {2, 2}, {2, 2}, {0, 0}}, .batch = 1, .inputs = 128, .outputs = 64, .size = {60, 72}},
    {.conv = {2, 1, {3, 3}, {3, 3}, {0, 0}}, .batch = 1, .inputs = 128, .outputs = 24, .size = {1, 150}},
    {.conv = {3, 1, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}}, .batch = 2, .inputs = 128, .outputs = 40, .size = {3, 4, 5}},
    {.conv = {3, 1, {1, 2, 2}, {1, 2, 2}, {0, 0, 0}}, .batch = 1, .inputs = 128, .outputs = 16, .size = {3, 6, 7}},
};

START_TEST(test_apart)
{
    const layouts all[] = {{0, 0, 0}, {0, 0, 2}};
    check_layouts(&apart[_i], all, 2, GSG_CONV_AUTO, check_direct);
}
END_TEST

// One thread and five give the same bits, whatever each of them does then.
START_TEST(test_winograd_threads)
{
    const golden_conv *g = &cut[_i];
    setting s = setting_of(g);
    genseg_context *mine = context;
    gsg_engine *my_engine = engine;
    float *first[3] = {0};
    for (int turn = 0; turn < 2; turn++) {
        context = context_of(turn ? 5 : 1);
        engine = engine_of(context);
        float *all[] = {forward(&s, usual, NULL, NULL, GSG_CONV_WINOGRAD), backward_data(&s, usual, GSG_CONV_WINOGRAD),
                        backward_weights(&s, usual, GSG_CONV_WINOGRAD, NULL)};
        const int64_t counts[] = {s.dst_count, s.src_count, s.weights_count};
        for (int i = 0; i < 3; i++) {
            if (turn)
                ck_assert_mem_eq(first[i], all[i], (size_t)counts[i] * sizeof(float));
            free(first[i]);
            first[i] = turn ? NULL : all[i];
            if (turn)
                free(all[i]);
        }
        gsg_engine_free(engine);
        gsg_context_release(context);
    }
    context = mine;
    engine = my_engine;
    setting_free(&s);
}
END_TEST

// Scale, shift and activation in all combinations, dense and as a view.
START_TEST(test_epilogue)
{
    const golden_conv *g = _i < GOLDENS ? &goldens[_i] : &apart[0];
    setting s = setting_of(g);
    double *sums = by_loops(&s, 0), *expected = malloc((size_t)s.dst_count * sizeof(double));
    const int64_t spatial = gsg_shape_spatial(s.dst);
    float scale[OUTPUTS] = {0};
    for (int64_t c = 0; c < g->outputs; ++c)
        scale[c] = (float)sample(c, 6) + 0.2f;
    for (int bits = 0; bits < 16; ++bits) {
        const gsg_epilogue e = {bits & 1, bits >> 1 & 1, bits >> 2 & 1, 0.1f};
        for (int64_t i = 0; i < s.dst_count; ++i) {
            const int64_t c = i / spatial % g->outputs;
            double y = sums[i] * (e.scale ? (double)scale[c] : 1.0) + (e.shift ? (double)s.bias[c] : 0.0);
            expected[i] = e.activation && y < 0.0 ? y * (double)e.slope : y;
        }
        const layouts l = {.gap = bits >> 3};
        for (int a = 0; a < 3; ++a) {
            if (!differs(g, algorithms[a]))
                continue;
            float *y = forward(&s, l, &e, e.scale ? scale : NULL, algorithms[a]);
            check_all(y, expected, s.dst_count, 1e-5, g->name);
            free(y);
        }
    }
    free(sums);
    free(expected);
    setting_free(&s);
}
END_TEST

// <dy, conv(x + h d) - conv(x - h d)> / 2h against <diff_src, d>, and the same for the weights.
static void check_difference(setting *s, float *values, int64_t count, const float *gradient, int weights)
{
    float *saved = malloc((size_t)count * sizeof *saved);
    memcpy(saved, values, (size_t)count * sizeof *saved);
    double loss[2] = {0.0, 0.0}, expected = 0.0, size = 0.0;
    const float h = 0.25f;
    for (int side = 0; side < 2; ++side) {
        for (int64_t i = 0; i < count; ++i)
            values[i] = saved[i] + (side ? -h : h) * (float)sample(i, 8);
        if (weights)
            gsg_weights_import(&s->weights, values, s->stored);
        float *y = forward(s, usual, NULL, NULL, GSG_CONV_AUTO);
        for (int64_t i = 0; i < s->dst_count; ++i)
            loss[side] += (double)y[i] * (double)s->dy[i];
        free(y);
    }
    for (int64_t i = 0; i < count; ++i) {
        expected += (double)gradient[i] * sample(i, 8);
        size += (double)gradient[i] * (double)gradient[i];
    }
    check_near((loss[0] - loss[1]) / (2.0 * (double)h), expected, 1e-3 * fmax(fabs(expected), 0.1 * sqrt(size)),
               weights ? "difference by weights" : "difference by source", 0);
    memcpy(values, saved, (size_t)count * sizeof *saved);
    free(saved);
}

START_TEST(test_differences)
{
    setting s = setting_of(&goldens[_i]);
    float *dx = backward_data(&s, usual, GSG_CONV_AUTO), *dw = backward_weights(&s, usual, GSG_CONV_AUTO, NULL);
    check_difference(&s, s.x, s.src_count, dx, 0);
    check_difference(&s, s.w, s.weights_count, dw, 1);
    free(dx);
    free(dw);
    setting_free(&s);
}
END_TEST

START_TEST(test_weights)
{
    setting s = setting_of(&goldens[_i]);
    float *back = malloc((size_t)s.weights_count * sizeof *back);
    // A stored buffer that held something else: what pads it becomes zero.
    float *stored = malloc((size_t)s.weights.count * sizeof *stored);
    for (int64_t i = 0; i < s.weights.count; ++i)
        stored[i] = GAP;
    gsg_weights_import(&s.weights, s.w, stored);
    gsg_weights_export(&s.weights, stored, back);
    ck_assert_mem_eq(back, s.w, (size_t)s.weights_count * sizeof *back);
    int64_t zeros = 0;
    for (int64_t i = 0; i < s.weights.count; ++i)
        zeros += stored[i] == 0.0f;
    for (int64_t i = 0; i < s.weights_count; ++i)
        zeros -= s.w[i] == 0.0f;
    ck_assert_int_eq(zeros, s.weights.count - s.weights_count);
    free(stored);
    free(back);
    setting_free(&s);
}
END_TEST

START_TEST(test_repeat)
{
    const golden_conv *g = &goldens[_i];
    setting s = setting_of(g);
    float bias[2][OUTPUTS] = {{0}};
    float *y[2], *dx[2], *dw[2];
    for (int turn = 0; turn < 2; ++turn) {
        y[turn] = forward(&s, usual, NULL, NULL, GSG_CONV_AUTO);
        dx[turn] = backward_data(&s, usual, GSG_CONV_AUTO);
        dw[turn] = backward_weights(&s, usual, GSG_CONV_AUTO, bias[turn]);
    }
    ck_assert_mem_eq(y[0], y[1], (size_t)s.dst_count * sizeof(float));
    ck_assert_mem_eq(dx[0], dx[1], (size_t)s.src_count * sizeof(float));
    ck_assert_mem_eq(dw[0], dw[1], (size_t)s.weights_count * sizeof(float));
    ck_assert_mem_eq(bias[0], bias[1], sizeof bias[0]);
    for (int turn = 0; turn < 2; ++turn) {
        free(y[turn]);
        free(dx[turn]);
        free(dw[turn]);
    }
    setting_free(&s);
}
END_TEST

static gsg_kernel *kernel_of(const setting *s, int direction)
{
    const gsg_desc src = gsg_desc_activation(engine, s->src), dst = gsg_desc_activation(engine, s->dst);
    gsg_kernel *made = NULL;
    genseg_status status;
    if (direction == 0)
        status = gsg_conv_forward_new(engine, &s->conv, &src, &s->weights, &dst, NULL, GSG_CONV_AUTO, &made, &err);
    else if (direction == 1)
        status = gsg_conv_backward_data_new(engine, &s->conv, &src, &s->weights, &dst, GSG_CONV_AUTO, &made, &err);
    else
        status =
            gsg_conv_backward_weights_new(engine, &s->conv, &src, &s->weights, &dst, 0, GSG_CONV_AUTO, &made, &err);
    ck_assert_msg(status == GENSEG_OK, "%s", err.message);
    return made;
}

// The same implementation in the same layouts each time: the first is new to oneDNN, the second lies in its cache.
START_TEST(test_choice)
{
    setting s = setting_of(&goldens[_i]);
    for (int direction = 0; direction < 3; ++direction) {
        gsg_kernel *first = kernel_of(&s, direction), *second = kernel_of(&s, direction);
        ck_assert_str_eq(first->name, second->name);
        ck_assert_uint_eq(first->scratch, second->scratch);
        ck_assert_uint_ge(strlen(first->name), 3);
        for (const char *c = first->name; *c; ++c)
            require(*c >= ' ' && *c <= '~', "character of a name", c - first->name);
        gsg_kernel_free(first);
        gsg_kernel_free(second);
    }
    setting_free(&s);
}
END_TEST

START_TEST(test_shapes)
{
    gsg_conv conv = {.spatial = 2, .kernel = {3, 3}, .stride = {1, 1}, .padding = {0, 0}};
    const gsg_shape src = shape4(1, 4, 5, 2), weights = shape4(8, 4, 3, 3);
    gsg_shape dst = {0};
    ck_assert_int_eq(gsg_conv_shape(&conv, src, weights, &dst, &err), GENSEG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "kernel of 3"));
    ck_assert_ptr_nonnull(strstr(err.message, "1x4x5x2"));
    ck_assert_int_eq(dst.ndim, 0);
    ck_assert_int_eq(gsg_conv_shape(&conv, shape4(1, 5, 9, 9), weights, &dst, &err), GENSEG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "5 channels"));
    conv.spatial = 3;
    ck_assert_int_eq(gsg_conv_shape(&conv, src, weights, &dst, &err), GENSEG_ERROR_SHAPE);
    conv = (gsg_conv){.spatial = 2, .kernel = {3, 3}, .stride = {0, 1}};
    ck_assert_int_eq(gsg_conv_shape(&conv, shape4(1, 4, 9, 9), weights, &dst, &err), GENSEG_ERROR_SHAPE);
    conv.stride[0] = 2;
    ck_assert_int_eq(gsg_conv_shape(&conv, shape4(1, 4, 9, 9), weights, &dst, &err), GENSEG_OK);
    ck_assert(gsg_shape_equal(dst, shape4(1, 8, 4, 7)));

    // A destination of another shape is refused, and nothing is made.
    gsg_kernel *kernel = NULL;
    gsg_weights layout = gsg_weights_layout(engine, weights, 0);
    gsg_desc from = gsg_desc_activation(engine, shape4(1, 4, 9, 9)),
             to = gsg_desc_activation(engine, shape4(1, 8, 4, 8));
    ck_assert_int_eq(gsg_conv_forward_new(engine, &conv, &from, &layout, &to, NULL, GSG_CONV_AUTO, &kernel, &err),
                     GENSEG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "1x8x4x8"));
    ck_assert_ptr_nonnull(strstr(err.message, "1x8x4x7"));
    ck_assert_ptr_null(kernel);
}
END_TEST

// Small ones for the sweep over failing allocations: dense, a view, the head.
static genseg_status make_three(genseg_context *faulty, gsg_error *error)
{
    gsg_engine *made = NULL;
    gsg_kernel *kernels[3] = {NULL, NULL, NULL};
    genseg_status status = gsg_engine_new(faulty, &made, error);
    if (status != GENSEG_OK)
        return status;
    for (int i = 0; i < 3 && status == GENSEG_OK; ++i) {
        const gsg_conv conv = {.spatial = 2, .kernel = {3, 3}, .stride = {1, 1}, .padding = {1, 1}};
        const gsg_conv head = {.spatial = 2, .kernel = {1, 1}, .stride = {1, 1}};
        const int64_t k = i == 2 ? 1 : 3;
        gsg_desc src = gsg_desc_activation(made, shape4(2, 16, 8, 8));
        gsg_desc dst = gsg_desc_activation(made, shape4(2, i == 2 ? 1 : 16, 8, 8));
        src.batch_stride *= i == 1 ? 2 : 1;
        gsg_weights weights = gsg_weights_layout(made, shape4(dst.shape.dims[1], 16, k, k), 0);
        status = gsg_conv_forward_new(made, i == 2 ? &head : &conv, &src, &weights, &dst, NULL, GSG_CONV_AUTO,
                                      &kernels[i], error);
        ck_assert_ptr_eq(status == GENSEG_OK ? NULL : kernels[i], NULL);
    }
    for (int i = 0; i < 3; ++i)
        gsg_kernel_free(kernels[i]);
    gsg_engine_free(made);
    return status;
}

START_TEST(test_failing_allocations)
{
    ck_assert_int_ge(faults_sweep(make_three), 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conv");
    TCase *tcase = tcase_create("conv");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, open_engine, close_engine);
    tcase_add_loop_test(tcase, test_golden, 0, GOLDENS * 4);
    tcase_add_loop_test(tcase, test_winograd, 0, (int)(sizeof cut / sizeof *cut));
    tcase_add_loop_test(tcase, test_apart, 0, (int)(sizeof apart / sizeof *apart));
    tcase_add_loop_test(tcase, test_winograd_threads, 0, (int)(sizeof cut / sizeof *cut));
    tcase_add_loop_test(tcase, test_layouts, 0, GOLDENS);
    tcase_add_loop_test(tcase, test_epilogue, 0, GOLDENS + 1);
    tcase_add_loop_test(tcase, test_differences, 0, GOLDENS);
    tcase_add_loop_test(tcase, test_weights, 0, GOLDENS);
    tcase_add_loop_test(tcase, test_repeat, 0, GOLDENS);
    tcase_add_loop_test(tcase, test_choice, 0, GOLDENS);
    tcase_add_test(tcase, test_shapes);
    tcase_add_test(tcase, test_failing_allocations);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
