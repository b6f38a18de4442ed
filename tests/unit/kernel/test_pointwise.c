// Pointwise operations in all layouts against libm in double, and against PyTorch
// (golden_pointwise.h, made by make_pointwise_loss.py).

#include "kernel/pointwise.h"

#include "core/rng.h"
#include "golden_pointwise.h"
#include "kernel/operands.h"

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

// Layouts of the operands of one test: all equal, and mixed.
static const int32_t layouts[][3] = {{1, 1, 1},   {8, 8, 8},   {16, 16, 16}, {1, 16, 16},
                                     {16, 1, 16}, {16, 16, 1}, {8, 16, 1},   {1, 1, 8}};
#define LAYOUTS (int)(sizeof layouts / sizeof layouts[0])
static const int64_t channel_counts[] = {1, 2, 3, 5, 16, 20};
#define CHANNEL_COUNTS (int)(sizeof channel_counts / sizeof channel_counts[0])

// Each test runs over all layouts (_i / CHANNEL_COUNTS) and channel counts.
typedef struct setting {
    gsg_shape shape;
    int64_t count;
    const int32_t *blocks;
    operand a, b, dst;
    float *va, *vb, *out;
} setting;

static setting setting_new(int index, double scale_a, double scale_b)
{
    setting s = {.blocks = layouts[index / CHANNEL_COUNTS]};
    int64_t channels = channel_counts[index % CHANNEL_COUNTS];
    s.shape = index % 2 ? shape4(2, channels, 37, 41) : gsg_shape_make(5, (int64_t[]){3, channels, 2, 3, 5});
    s.count = gsg_shape_count(s.shape);
    s.va = samples(s.count, 1, scale_a);
    s.vb = samples(s.count, 2, scale_b);
    s.out = calloc((size_t)s.count, sizeof *s.out);
    s.a = operand_of(s.shape, s.blocks[0], 0, s.va);
    s.b = operand_of(s.shape, s.blocks[1], 48, s.vb);
    s.dst = operand_new(s.shape, s.blocks[2], 32);
    return s;
}

static void setting_free(setting *s)
{
    operand_free(&s->a);
    operand_free(&s->b);
    operand_free(&s->dst);
    free(s->va);
    free(s->vb);
    free(s->out);
}

#define TIMES (LAYOUTS * CHANNEL_COUNTS)

START_TEST(sums_and_products)
{
    setting s = setting_new(_i, 3.0, 3.0);
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_add_new(engine, &s.a.desc, &s.b.desc, &s.dst.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){s.a.data, s.b.data, s.dst.data}, &err);
    operand_get(&s.dst, s.out);
    for (int64_t i = 0; i < s.count; ++i)
        require(s.out[i] == s.va[i] + s.vb[i], "element", i);
    status = gsg_multiply_new(engine, &s.a.desc, &s.b.desc, &s.dst.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){s.a.data, s.b.data, s.dst.data}, &err);
    operand_get(&s.dst, s.out);
    for (int64_t i = 0; i < s.count; ++i)
        require(s.out[i] == s.va[i] * s.vb[i], "element", i);
    setting_free(&s);
}
END_TEST

START_TEST(scaling)
{
    setting s = setting_new(_i, 3.0, 3.0);
    float factor = -0.75f;
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_scale_new(engine, 2.5f, &s.b.desc, &s.dst.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){s.b.data, &factor, s.dst.data}, &err);
    operand_get(&s.dst, s.out);
    for (int64_t i = 0; i < s.count; ++i)
        require(s.out[i] == 2.5f * -0.75f * s.vb[i], "element", i);
    status = gsg_scale_new(engine, 2.5f, &s.b.desc, &s.dst.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){s.b.data, NULL, s.dst.data}, &err);
    operand_get(&s.dst, s.out);
    for (int64_t i = 0; i < s.count; ++i)
        require(s.out[i] == 2.5f * s.vb[i], "element", i);
    // Not even an infinite factor gets into the padding.
    factor = INFINITY;
    status = gsg_scale_new(engine, 1.0f, &s.b.desc, &s.dst.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){s.b.data, &factor, s.dst.data}, &err);
    operand_get(&s.dst, s.out);
    setting_free(&s);
}
END_TEST

START_TEST(copies)
{
    setting s = setting_new(_i, 3.0, 3.0);
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_copy_new(engine, &s.b.desc, &s.dst.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){s.b.data, s.dst.data}, &err);
    operand_get(&s.dst, s.out);
    ck_assert_mem_eq(s.out, s.vb, (size_t)s.count * sizeof(float));
    setting_free(&s);
}
END_TEST

static double logistic(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double activation(gsg_activation kind, double slope, double x)
{
    if (kind == GSG_ACT_TANH)
        return tanh(x);
    if (kind == GSG_ACT_SIGMOID)
        return logistic(x);
    return x > 0.0 ? x : slope * x;
}

static double derivative(gsg_activation kind, double slope, double y)
{
    if (kind == GSG_ACT_TANH)
        return (1.0 - y) * (1.0 + y);
    if (kind == GSG_ACT_SIGMOID)
        return y * (1.0 - y);
    return y > 0.0 ? 1.0 : slope;
}

static const struct {
    gsg_activation kind;
    float slope;
} activations[] = {{GSG_ACT_RELU, 0.0f}, {GSG_ACT_RELU, 0.2f}, {GSG_ACT_TANH, 0.0f}, {GSG_ACT_SIGMOID, 0.0f}};

START_TEST(activations_in_all_layouts)
{
    for (int k = 0; k < 4; ++k) {
        gsg_activation kind = activations[k].kind;
        float slope = activations[k].slope;
        setting s = setting_new(_i, 12.0, 12.0);
        gsg_kernel *kernel = NULL;
        genseg_status status = gsg_activation_forward_new(engine, kind, slope, &s.b.desc, &s.dst.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){s.b.data, s.dst.data}, &err);
        operand_get(&s.dst, s.out);
        for (int64_t i = 0; i < s.count; ++i) {
            double y = activation(kind, (double)slope, (double)s.vb[i]);
            check_near((double)s.out[i], y, 1e-6 * fabs(y), "activation", i);
        }
        // Backward from that result: a holds dst, b the incoming gradient.
        operand_set(&s.a, s.out);
        float *y = s.va;
        memcpy(y, s.out, (size_t)s.count * sizeof(float));
        status = gsg_activation_backward_new(engine, kind, slope, &s.a.desc, &s.b.desc, &s.dst.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){s.a.data, s.b.data, s.dst.data}, &err);
        operand_get(&s.dst, s.out);
        for (int64_t i = 0; i < s.count; ++i) {
            double d = (double)s.vb[i] * derivative(kind, (double)slope, (double)y[i]);
            check_near((double)s.out[i], d, 1e-6 * fabs(d), "derivative", i);
        }
        setting_free(&s);
    }
}
END_TEST

START_TEST(in_place)
{
    for (int k = 0; k < 4; ++k) {
        setting s = setting_new(_i, 4.0, 4.0);
        gsg_kernel *kernel = NULL;
        genseg_status status = gsg_activation_forward_new(engine, activations[k].kind, activations[k].slope, &s.a.desc,
                                                          &s.a.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){s.a.data, s.a.data}, &err);
        operand_get(&s.a, s.out);
        for (int64_t i = 0; i < s.count; ++i) {
            double y = activation(activations[k].kind, (double)activations[k].slope, (double)s.va[i]);
            check_near((double)s.out[i], y, 1e-6 * fabs(y), "activation", i);
        }
        setting_free(&s);
    }
}
END_TEST

// Values whose results are known, or near the ends of the float range.
START_TEST(extreme_values)
{
    const float x[] = {0.0f, -0.0f, 1e-30f, -1e-6f, 80.0f, -80.0f, 1e30f, -1e30f, INFINITY, -INFINITY, NAN, 1e-4f};
    int64_t count = (int64_t)(sizeof x / sizeof *x);
    gsg_shape shape = shape4(1, 1, 1, count);
    operand src = operand_of(shape, 1, 0, x), dst = operand_new(shape, 1, 0);
    float y[sizeof x / sizeof *x];
    for (int k = 0; k < 4; ++k) {
        gsg_kernel *kernel = NULL;
        genseg_status status = gsg_activation_forward_new(engine, activations[k].kind, activations[k].slope, &src.desc,
                                                          &dst.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){src.data, dst.data}, &err);
        operand_get(&dst, y);
        for (int64_t i = 0; i < count; ++i) {
            double expected = activation(activations[k].kind, (double)activations[k].slope, (double)x[i]);
            if (isnan(x[i]))
                ck_assert(isnan(y[i]));
            else if (isinf(x[i]) && activations[k].kind == GSG_ACT_RELU && activations[k].slope == 0.0f)
                ck_assert(y[i] == (x[i] > 0.0f ? INFINITY : 0.0f));
            else if (isinf(expected))
                ck_assert(y[i] == (float)expected);
            else
                check_near((double)y[i], expected, 1e-6 * fabs(expected) + 1e-37, "extreme", i);
        }
    }
    operand_free(&src);
    operand_free(&dst);
}
END_TEST

START_TEST(activations_as_pytorch)
{
    const double *forward[] = {golden_relu, golden_leaky, golden_tanh, golden_sigmoid};
    const double *backward[] = {golden_relu_diff, golden_leaky_diff, golden_tanh_diff, golden_sigmoid_diff};
    gsg_shape shape = shape4(2, 5, 3, 5);
    int64_t count = gsg_shape_count(shape);
    float *x = samples(count, 1, 6.0), *d = samples(count, 2, 1.0), out[150];
    int32_t block = _i ? 16 : 1;
    for (int k = 0; k < 4; ++k) {
        operand src = operand_of(shape, block, 16, x), dst = operand_new(shape, block, 0);
        operand diff = operand_of(shape, block, 0, d);
        gsg_kernel *kernel = NULL;
        genseg_status status = gsg_activation_forward_new(engine, activations[k].kind, activations[k].slope, &src.desc,
                                                          &dst.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){src.data, dst.data}, &err);
        operand_get(&dst, out);
        check_values(out, forward[k], count, 1e-6, "activation");
        // In place on the gradient.
        status = gsg_activation_backward_new(engine, activations[k].kind, activations[k].slope, &dst.desc, &diff.desc,
                                             &diff.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){dst.data, diff.data, diff.data}, &err);
        operand_get(&diff, out);
        check_values(out, backward[k], count, 1e-4, "gradient");
        operand_free(&src);
        operand_free(&dst);
        operand_free(&diff);
    }
    free(x);
    free(d);
}
END_TEST

START_TEST(softmax_as_pytorch)
{
    const double *forward[] = {golden_softmax_1, golden_softmax_2,  golden_softmax_3,
                               golden_softmax_5, golden_softmax_16, golden_softmax_20};
    const double *backward[] = {golden_softmax_diff_1, golden_softmax_diff_2,  golden_softmax_diff_3,
                                golden_softmax_diff_5, golden_softmax_diff_16, golden_softmax_diff_20};
    const int32_t *blocks = layouts[_i / CHANNEL_COUNTS];
    int k = _i % CHANNEL_COUNTS;
    int64_t channels = channel_counts[k];
    gsg_shape shape = channels < 16 ? shape4(2, channels, 3, 5) : shape4(2, channels, 2, 2);
    int64_t count = gsg_shape_count(shape);
    float *x = samples(count, 1, 6.0), *d = samples(count, 2, 1.0), out[160];
    operand src = operand_of(shape, blocks[0], 32, x), diff = operand_of(shape, blocks[1], 0, d);
    operand dst = operand_new(shape, blocks[2], 64), diff_src = operand_new(shape, blocks[2], 16);
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_softmax_forward_new(engine, &src.desc, &dst.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){src.data, dst.data}, &err);
    operand_get(&dst, out);
    check_values(out, forward[k], count, 1e-6, "softmax");
    status = gsg_softmax_backward_new(engine, &dst.desc, &diff.desc, &diff_src.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){dst.data, diff.data, diff_src.data}, &err);
    operand_get(&diff_src, out);
    check_values(out, backward[k], count, 1e-4, "gradient");
    operand_free(&src);
    operand_free(&diff);
    operand_free(&dst);
    operand_free(&diff_src);
    free(x);
    free(d);
}
END_TEST

// More voxels than a tile, more channels than a block, logits that overflow without care.
START_TEST(softmax_of_large_logits)
{
    gsg_shape shape = shape4(2, 37, 13, 17);
    int64_t count = gsg_shape_count(shape), spatial = 13 * 17;
    float *x = samples(count, 1, 500.0), *out = malloc((size_t)count * sizeof *out);
    operand src = operand_of(shape, 16, 0, x);
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_softmax_forward_new(engine, &src.desc, &src.desc, &kernel, &err); // in place
    kernel_run(status, kernel, &no_run, (float *[]){src.data, src.data}, &err);
    operand_get(&src, out);
    for (int64_t n = 0; n < 2; ++n)
        for (int64_t s = 0; s < spatial; ++s) {
            const float *z = x + n * 37 * spatial + s;
            double max = -1e30, sum = 0.0;
            for (int c = 0; c < 37; ++c)
                max = fmax(max, (double)z[c * spatial]);
            for (int c = 0; c < 37; ++c)
                sum += exp((double)z[c * spatial] - max);
            for (int c = 0; c < 37; ++c) {
                double p = exp((double)z[c * spatial] - max) / sum;
                check_near((double)out[(n * 37 + c) * spatial + s], p, 1e-6 * p + 1e-37, "softmax", c);
            }
        }
    operand_free(&src);
    free(x);
    free(out);
}
END_TEST

static void dropout(gsg_engine *on, float p, uint32_t id, gsg_run run, operand *src, operand *dst, float *out)
{
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_dropout_new(on, p, id, &src->desc, &dst->desc, &kernel, &err);
    kernel_run(status, kernel, &run, (float *[]){src->data, dst->data}, &err);
    operand_get(dst, out);
}

START_TEST(dropout_draws_philox_by_element)
{
    setting s = setting_new(_i, 1.0, 1.0);
    gsg_run run = {.seed = 0x123456789abcdefu, .step = 0x500000007u};
    dropout(engine, 0.3f, 9, run, &s.b, &s.dst, s.out);
    uint32_t threshold = (uint32_t)((double)0.3f * 4294967296.0);
    for (int64_t i = 0; i < s.count; ++i) {
        uint32_t words[4];
        gsg_philox((uint32_t[]){(uint32_t)(i / 4), GSG_STREAM_DROPOUT | 9u << 8, 7, 5},
                   (uint32_t[]){0x89abcdefu, 0x01234567u}, words);
        float expected = words[i % 4] < threshold ? 0.0f : s.vb[i] * (1.0f / (1.0f - 0.3f));
        require(s.out[i] == expected, "element", i);
    }
    setting_free(&s);
}
END_TEST

START_TEST(dropout_rate_and_streams)
{
    gsg_shape shape = shape4(2, 20, 50, 50);
    int64_t count = gsg_shape_count(shape);
    float *ones = malloc((size_t)count * sizeof *ones);
    for (int64_t i = 0; i < count; ++i)
        ones[i] = 1.0f;
    float *first = malloc((size_t)count * sizeof *first), *other = malloc((size_t)count * sizeof *other);
    operand src = operand_of(shape, 16, 0, ones), dst = operand_new(shape, 16, 0), plain = operand_new(shape, 1, 0);
    gsg_run run = {.seed = 5, .step = 1};
    dropout(engine, 0.5f, 1, run, &src, &dst, first);
    double kept = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        require(first[i] == 0.0f || first[i] == 2.0f, "element", i);
        kept += first[i] != 0.0f;
    }
    // Five deviations of a binomial count.
    check_near(kept, 0.5 * (double)count, 5.0 * sqrt(0.25 * (double)count), "kept", 0);
    dropout(engine, 0.5f, 1, run, &src, &plain, other); // another layout, the gradient's kernel: the same mask
    ck_assert_mem_eq(first, other, (size_t)count * sizeof *first);
    genseg_context *single = context_of(1);
    gsg_engine *single_engine = engine_of(single);
    dropout(single_engine, 0.5f, 1, run, &src, &dst, other);
    ck_assert_mem_eq(first, other, (size_t)count * sizeof *first);
    gsg_engine_free(single_engine);
    gsg_context_release(single);
    const struct {
        uint32_t id;
        gsg_run run;
    } others[] = {{1, {.seed = 5, .step = 2}}, {2, {.seed = 5, .step = 1}}, {1, {.seed = 6, .step = 1}}};
    for (int k = 0; k < 3; ++k) {
        dropout(engine, 0.5f, others[k].id, others[k].run, &src, &dst, other);
        double equal = 0.0;
        for (int64_t i = 0; i < count; ++i)
            equal += first[i] == other[i];
        check_near(equal, 0.5 * (double)count, 5.0 * sqrt(0.25 * (double)count), "agreement", k);
    }
    dropout(engine, 0.0f, 1, run, &src, &dst, other);
    ck_assert_mem_eq(ones, other, (size_t)count * sizeof *other);
    operand_free(&src);
    operand_free(&dst);
    operand_free(&plain);
    free(ones);
    free(first);
    free(other);
}
END_TEST

START_TEST(vectors_without_channels)
{
    gsg_desc desc = gsg_desc_plain(gsg_shape_make(1, (int64_t[]){37}));
    float *a = samples(37, 1, 1.0), *b = samples(37, 2, 1.0), out[38] = {0};
    out[37] = GAP;
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_add_new(engine, &desc, &desc, &desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){a, b, out}, &err);
    for (int i = 0; i < 37; ++i)
        require(out[i] == a[i] + b[i], "element", i);
    ck_assert(out[37] == GAP);
    free(a);
    free(b);
}
END_TEST

START_TEST(wrong_arguments)
{
    gsg_desc a = gsg_desc_plain(shape4(2, 5, 3, 4)), b = gsg_desc_plain(shape4(2, 5, 3, 5)), odd = a, close = a;
    odd.block = 7;
    close.batch_stride = 12;
    gsg_kernel *kernel = NULL;
    ck_assert_int_eq(gsg_add_new(engine, &a, &a, &b, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_str_eq(err.message, "add: shapes 2x5x3x4 and 2x5x3x5 differ");
    ck_assert_int_eq(gsg_copy_new(engine, &a, &odd, &kernel, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "copy: block 7 is not 1, 8 or 16");
    ck_assert_int_eq(gsg_copy_new(engine, &a, &close, &kernel, &err), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(gsg_softmax_forward_new(engine, &a, &b, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_dropout_new(engine, 1.0f, 0, &a, &a, &kernel, &err), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(gsg_dropout_new(engine, 0.5f, 1u << 24, &a, &a, &kernel, &err), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(gsg_activation_forward_new(engine, GSG_ACT_RELU, -1.0f, &a, &a, &kernel, &err),
                     GENSEG_ERROR_INVALID);
    ck_assert_int_eq(gsg_activation_backward_new(engine, (gsg_activation)9, 0.0f, &a, &a, &a, &kernel, &err),
                     GENSEG_ERROR_INVALID);
    ck_assert_ptr_null(kernel);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pointwise");
    TCase *tests = tcase_create("pointwise");
    tcase_add_unchecked_fixture(tests, open_engine, close_engine);
    tcase_add_loop_test(tests, sums_and_products, 0, TIMES);
    tcase_add_loop_test(tests, scaling, 0, TIMES);
    tcase_add_loop_test(tests, copies, 0, TIMES);
    tcase_add_loop_test(tests, activations_in_all_layouts, 0, TIMES);
    tcase_add_loop_test(tests, in_place, 0, TIMES);
    tcase_add_test(tests, extreme_values);
    tcase_add_loop_test(tests, activations_as_pytorch, 0, 2);
    tcase_add_loop_test(tests, softmax_as_pytorch, 0, TIMES);
    tcase_add_test(tests, softmax_of_large_logits);
    tcase_add_loop_test(tests, dropout_draws_philox_by_element, 0, TIMES);
    tcase_add_test(tests, dropout_rate_and_streams);
    tcase_add_test(tests, vectors_without_channels);
    tcase_add_test(tests, wrong_arguments);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
