// Differentiable changes of intensity against PyTorch (golden_augment.h, made by make_augment.py),
// against finite differences, and their draws. Also the weighted losses' golden values.
#include "kernel/appearance.h"

#include "faults.h"
#include "golden_augment.h"
#include "kernel/loss.h"
#include "kernel/operands.h"

#define CASES (int)(sizeof golden_appearances / sizeof *golden_appearances)

static genseg_context *context;
static gsg_engine *engine;
static gsg_error err;
static const gsg_run no_run = {0};
static const int32_t blocks[] = {1, 8, 16};

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

static gsg_appearance options_of(const golden_appearance *golden)
{
    gsg_appearance options;
    gsg_appearance_defaults(&options);
    memcpy(options.spacing, golden->spacing, sizeof options.spacing);
    return options;
}

// As the script's.
static void fill_draws(int64_t n, float *draws)
{
    memset(draws, 0, (size_t)n * 16 * sizeof *draws);
    for (int64_t i = 0; i < 7 * n; ++i) {
        float value = i < 5 * n ? (float)sample(i, 31) : (float)(word((uint32_t)(i - 5 * n), 32) >> 8);
        int64_t row = i < 5 * n ? i / 5 : (i - 5 * n) / 2, place = i < 5 * n ? i % 5 : 5 + (i - 5 * n) % 2;
        draws[row * 16 + place] = place >= 3 ? fabsf(value) : value;
    }
}

static void forward(const gsg_appearance *options, const operand *src, const float *draws, const float *magnitudes,
                    operand *dst, gsg_engine *on)
{
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_appearance_forward_new(on, options, &src->desc, &dst->desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){src->data, (float *)draws, (float *)magnitudes, dst->data}, &err);
}

static void backward(const gsg_appearance *options, const operand *src, const float *draws, const float *magnitudes,
                     const operand *diff, operand *diff_src, float *diff_magnitudes, gsg_engine *on)
{
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_appearance_backward_new(on, options, &src->desc, &diff->desc,
                                                       diff_src ? &diff_src->desc : NULL, &kernel, &err);
    kernel_run(status, kernel, &no_run,
               (float *[]){src->data, (float *)draws, (float *)magnitudes, diff->data, diff_src ? diff_src->data : NULL,
                           diff_magnitudes},
               &err);
}

static double project(const float *a, const float *b, int64_t count)
{
    double sum = 0.0;
    for (int64_t i = 0; i < count; ++i)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

START_TEST(as_pytorch)
{
    const golden_appearance *golden = &golden_appearances[_i / 3];
    int32_t block = blocks[_i % 3];
    int64_t count = gsg_shape_count(golden->shape);
    gsg_appearance options = options_of(golden);
    float *x = samples(count, 30, 1.0), *h = samples(count, 33, 1.0), *h2 = samples(count, 34, 1.0);
    float *out = malloc((size_t)count * sizeof *out), draws[4 * 16], magnitudes[16] = {0}, found[16], only[16];
    fill_draws(golden->shape.dims[0], draws);
    memcpy(magnitudes, golden->magnitudes, sizeof golden->magnitudes);
    operand src = operand_of(golden->shape, block, 16, x), dst = operand_new(golden->shape, block, 48);
    operand diff = operand_of(golden->shape, block, 48, h), diff_src = operand_new(golden->shape, block, 32);
    forward(&options, &src, draws, magnitudes, &dst, engine);
    operand_get(&dst, out);
    check_near(project(out, h, count), golden->result, 1e-5 * sqrt((double)count), "result", _i);
    for (int64_t i = 0; i < count; ++i)
        require(out[i] >= -1.0f && out[i] <= 1.0f, "value", i);
    backward(&options, &src, draws, magnitudes, &diff, &diff_src, found, engine);
    operand_get(&diff_src, out);
    check_near(project(out, h2, count), golden->diff_src, 1e-5 * sqrt((double)count), "gradient of the source", _i);
    check_values(found, golden->diff_magnitudes, 5, 1e-4, "gradient of magnitude");
    backward(&options, &src, draws, magnitudes, &diff, NULL, only, engine);
    ck_assert_mem_eq(found, only, sizeof found);
    operand_free(&src);
    operand_free(&dst);
    operand_free(&diff);
    operand_free(&diff_src);
    free(x);
    free(h);
    free(h2);
    free(out);
}
END_TEST

// Away from the ends of the range, where clamping has its kinks: magnitude by magnitude, then the image.
START_TEST(gradients_by_finite_differences)
{
    const golden_appearance *golden = &golden_appearances[_i];
    int64_t count = gsg_shape_count(golden->shape);
    gsg_appearance options = options_of(golden);
    float *x = samples(count, 30, 0.4), *h = samples(count, 33, 1.0), *out = malloc((size_t)count * sizeof *out);
    float *g = malloc((size_t)count * sizeof *g), draws[4 * 16], found[16], magnitudes[16] = {1, 1, 1, 0.5f, 1.3f};
    fill_draws(golden->shape.dims[0], draws);
    operand src = operand_of(golden->shape, 8, 0, x), dst = operand_new(golden->shape, 8, 0);
    operand diff = operand_of(golden->shape, 8, 0, h), diff_src = operand_new(golden->shape, 8, 0);
    backward(&options, &src, draws, magnitudes, &diff, &diff_src, found, engine);
    operand_get(&diff_src, g);
    double norm = sqrt(project(g, g, count));
    for (int m = 0; m <= GSG_APPEARANCE_MAGNITUDES; ++m) {
        const double step = m == GSG_APPEARANCE_MAGNITUDES ? 0.05 : 5e-3;
        double ends[2], expected = m == GSG_APPEARANCE_MAGNITUDES ? norm : (double)found[m];
        float kept = magnitudes[m];
        for (int k = 0; k < 2; ++k) {
            double by = k ? -step : step;
            if (m < GSG_APPEARANCE_MAGNITUDES)
                magnitudes[m] = (float)((double)kept + by);
            for (int64_t i = 0; i < count; ++i)
                out[i] = (float)((double)x[i] + (m < GSG_APPEARANCE_MAGNITUDES ? 0.0 : by * (double)g[i] / norm));
            operand_set(&src, out);
            forward(&options, &src, draws, magnitudes, &dst, engine);
            operand_get(&dst, out);
            ends[k] = project(out, h, count);
        }
        magnitudes[m] = kept;
        check_near((ends[0] - ends[1]) / (2.0 * step), expected, 1e-3 * fmax(fabs(expected), 0.2), "derivative", m);
    }
    operand_free(&src);
    operand_free(&dst);
    operand_free(&diff);
    operand_free(&diff_src);
    free(x);
    free(h);
    free(g);
    free(out);
}
END_TEST

START_TEST(nothing_drawn_keeps_the_image)
{
    gsg_shape shape = shape4(1, 1, 6, 7);
    float *x = samples(42, 30, 1.0), draws[16] = {0}, magnitudes[16] = {1, 1, 1, 1, 1}, out[42], found[16], back[42];
    x[3] = 1.0f;
    x[4] = -1.0f;
    operand src = operand_of(shape, 1, 0, x), dst = operand_new(shape, 1, 0), diff = operand_of(shape, 1, 0, x);
    operand diff_src = operand_new(shape, 1, 0);
    gsg_appearance options;
    gsg_appearance_defaults(&options);
    forward(&options, &src, draws, magnitudes, &dst, engine);
    operand_get(&dst, out);
    backward(&options, &src, draws, magnitudes, &diff, &diff_src, found, engine);
    operand_get(&diff_src, back);
    for (int i = 0; i < 42; ++i) {
        check_near((double)out[i], (double)x[i], 2e-7, "voxel", i);
        if (i != 3 && i != 4) // rounding may put them just outside
            require(back[i] == x[i], "gradient", i);
    }
    for (int i = 0; i < 16; ++i)
        ck_assert(found[i] == 0.0f);
    // What is no number shows.
    x[0] = NAN;
    operand_set(&src, x);
    draws[2] = 0.5f;
    forward(&options, &src, draws, magnitudes, &dst, engine);
    ck_assert(isnan(*operand_at(&dst, 0, 0, 0)));
    operand_free(&src);
    operand_free(&dst);
    operand_free(&diff);
    operand_free(&diff_src);
    free(x);
}
END_TEST

// A darker background (exactly -1) under an exponent below 1: the slope stays finite.
START_TEST(gamma_at_the_background)
{
    gsg_shape shape = shape4(1, 1, 2, 2);
    float x[4] = {-1.0f, -0.999f, 0.2f, 1.0f}, ones[4] = {1, 1, 1, 1}, draws[16] = {0}, back[4], found[16];
    const float magnitudes[16] = {0, 0, 2, 0, 0};
    draws[2] = -1.0f;
    operand src = operand_of(shape, 1, 0, x), dst = operand_new(shape, 1, 0), diff = operand_of(shape, 1, 0, ones);
    operand diff_src = operand_new(shape, 1, 0);
    gsg_appearance options;
    gsg_appearance_defaults(&options);
    forward(&options, &src, draws, magnitudes, &dst, engine);
    check_near((double)dst.data[0], -1.0, 1e-6, "black", 0);
    check_near((double)dst.data[3], 1.0, 1e-6, "white", 0);
    ck_assert(dst.data[2] > 0.3f);
    backward(&options, &src, draws, magnitudes, &diff, &diff_src, found, engine);
    operand_get(&diff_src, back);
    for (int i = 0; i < 4; ++i)
        require(back[i] > 0.0f && back[i] < 6.0f, "slope", i);
    operand_free(&src);
    operand_free(&dst);
    operand_free(&diff);
    operand_free(&diff_src);
}
END_TEST

START_TEST(noise_is_normal_and_keyed_by_the_draws)
{
    gsg_shape shape = shape4(2, 1, 64, 64);
    float *x = calloc(8192, sizeof *x), *out = malloc(8192 * sizeof *out), draws[32] = {0}, magnitudes[16] = {0};
    draws[3] = draws[16 + 3] = 0.5f;
    draws[5] = 17.0f;
    draws[16 + 6] = 17.0f;
    magnitudes[3] = 2.0f; // deviation 0.1 * 2 * 0.5
    operand src = operand_of(shape, 1, 0, x), dst = operand_new(shape, 1, 0);
    gsg_appearance options;
    gsg_appearance_defaults(&options);
    forward(&options, &src, draws, magnitudes, &dst, engine);
    operand_get(&dst, out);
    for (int n = 0; n < 2; ++n) {
        double sum = 0, squares = 0, neighbours = 0;
        for (int i = 0; i < 4096; ++i) {
            double v = (double)out[n * 4096 + i];
            sum += v;
            squares += v * v;
            neighbours += i ? v * (double)out[n * 4096 + i - 1] : 0;
        }
        ck_assert_double_eq_tol(sum / 4096, 0.0, 0.006);
        ck_assert_double_eq_tol(squares / 4096, 0.01, 0.001);
        ck_assert_double_eq_tol(neighbours / 4096, 0.0, 0.0006);
    }
    ck_assert(memcmp(out, out + 4096, 4096 * sizeof *out) != 0);
    operand_free(&src);
    operand_free(&dst);
    free(x);
    free(out);
}
END_TEST

START_TEST(one_and_two_threads_agree_bit_for_bit)
{
    const golden_appearance *golden = &golden_appearances[_i];
    int64_t count = gsg_shape_count(golden->shape);
    gsg_appearance options = options_of(golden);
    float *x = samples(count, 30, 1.0), *h = samples(count, 33, 1.0), *out[4], draws[4 * 16], found[2][16];
    float magnitudes[16] = {1, 1, 1, 1, 1};
    fill_draws(golden->shape.dims[0], draws);
    for (int k = 0; k < 4; ++k)
        out[k] = malloc((size_t)count * sizeof(float));
    for (int k = 0; k < 2; ++k) {
        genseg_context *other = context_of(k + 1);
        gsg_engine *on = engine_of(other);
        operand src = operand_of(golden->shape, 8, 0, x), dst = operand_new(golden->shape, 8, 0);
        operand diff = operand_of(golden->shape, 8, 0, h), diff_src = operand_new(golden->shape, 8, 0);
        forward(&options, &src, draws, magnitudes, &dst, on);
        backward(&options, &src, draws, magnitudes, &diff, &diff_src, found[k], on);
        operand_get(&dst, out[k]);
        operand_get(&diff_src, out[2 + k]);
        operand_free(&src);
        operand_free(&dst);
        operand_free(&diff);
        operand_free(&diff_src);
        gsg_engine_free(on);
        gsg_context_release(other);
    }
    ck_assert_mem_eq(out[0], out[1], (size_t)count * sizeof(float));
    ck_assert_mem_eq(out[2], out[3], (size_t)count * sizeof(float));
    ck_assert_mem_eq(found[0], found[1], sizeof found[0]);
    for (int k = 0; k < 4; ++k)
        free(out[k]);
    free(x);
    free(h);
}
END_TEST

START_TEST(draws_repeat_and_keep_their_bounds)
{
    float a[64 * 16], b[64 * 16];
    int happened[5] = {0};
    gsg_appearance options;
    gsg_appearance_defaults(&options);
    gsg_appearance_draw(&options, 64, 5, 10, a);
    gsg_appearance_draw(&options, 24, 5, 10, b);
    gsg_appearance_draw(&options, 40, 5, 34, b + 24 * 16);
    ck_assert_mem_eq(a, b, sizeof a);
    gsg_appearance_draw(&options, 64, 6, 10, b);
    ck_assert(memcmp(a, b, sizeof a) != 0);
    for (int n = 0; n < 64; ++n) {
        for (int i = 0; i < 5; ++i) {
            float value = a[16 * n + i];
            require(value < 1.0f && value >= (i < 3 ? -1.0f : 0.0f), "draw", i);
            happened[i] += value != 0.0f;
        }
        for (int i = 5; i < 7; ++i)
            require(a[16 * n + i] == floorf(a[16 * n + i]) && a[16 * n + i] < 0x1p24f, "key", i);
        for (int i = 7; i < 16; ++i)
            require(a[16 * n + i] == 0.0f, "padding", i);
    }
    for (int i = 0; i < 5; ++i)
        require(happened[i] > 16 && happened[i] < 48, "chance", i);
}
END_TEST

START_TEST(weighted_losses_as_pytorch)
{
    const golden_weighted *golden = &golden_weights[_i];
    gsg_shape shape = golden->shape;
    int64_t count = gsg_shape_count(shape), classes = shape.dims[1], spatial = gsg_shape_spatial(shape);
    float *z = samples(count, 1, 2.0), *t = malloc((size_t)count * sizeof *t), *h = samples(count, 41, 1.0);
    float *out = malloc((size_t)count * sizeof *out), weights[16] = {0}, v[16] = {0}, dv[16], loss, one = 1.0f;
    for (int64_t i = 0; i < count; ++i) {
        double sum = 0.0, u = sample(i, 3) * 0.5 + 0.5;
        for (int64_t c = 0; c < classes; ++c)
            sum += sample((i / spatial / classes * classes + c) * spatial + i % spatial, 3) * 0.5 + 0.5;
        t[i] = (float)(classes > 1 ? u / sum : u);
    }
    for (int64_t c = 0; c < classes; ++c)
        weights[c] = golden->classes ? (float)(sample(c, 5) * 0.5 + 1.0) : 1.0f;
    for (int64_t n = 0; n < shape.dims[0]; ++n)
        v[n] = (float)(sample(n, 40) * 0.5 + 1.0);
    operand logits = operand_of(shape, 8, 0, z), target = operand_of(shape, 1, 0, t);
    operand dz = operand_new(shape, 8, 0), dt = operand_new(shape, 1, 0);
    gsg_dice dice = {.per_sample = golden->per_sample, .background = 1, .smooth = 1e-5f};
    gsg_kernel *kernel = NULL;
    genseg_status status;
    if (golden->dice) {
        status = gsg_dice_forward_new(engine, &dice, &logits.desc, &target.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){logits.data, target.data, v, &loss}, &err);
        status = gsg_dice_backward_new(engine, &dice, &logits.desc, &target.desc, &dz.desc, &dt.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){logits.data, target.data, v, &one, dz.data, dt.data, dv}, &err);
    } else {
        status = gsg_cross_entropy_forward_new(engine, &logits.desc, &target.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){logits.data, target.data, weights, v, &loss}, &err);
        status = gsg_cross_entropy_backward_new(engine, &logits.desc, &target.desc, &dz.desc, &dt.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run,
                   (float *[]){logits.data, target.data, weights, v, &one, dz.data, dt.data, dv}, &err);
    }
    check_near((double)loss, golden->loss, 2e-6 * golden->loss, "loss", _i);
    operand_get(&dz, out);
    check_near(project(out, h, count), golden->diff_logits, 1e-5 * sqrt(project(out, out, count)), "logits", _i);
    operand_get(&dt, out);
    check_near(project(out, h, count), golden->diff_target, 1e-5 * sqrt(project(out, out, count)), "target", _i);
    check_values(dv, golden->diff_samples, 3, 1e-5, "gradient of weight");
    operand_free(&logits);
    operand_free(&target);
    operand_free(&dz);
    operand_free(&dt);
    free(z);
    free(t);
    free(h);
    free(out);
}
END_TEST

START_TEST(wrong_arguments)
{
    gsg_desc a = gsg_desc_plain(shape4(1, 2, 4, 4)), b = gsg_desc_plain(shape4(1, 3, 4, 4));
    gsg_desc flat = gsg_desc_plain(gsg_shape_make(2, (int64_t[]){4, 4}));
    gsg_kernel *kernel = NULL;
    gsg_appearance good, bad;
    gsg_appearance_defaults(&good);
    ck_assert_int_eq(gsg_appearance_forward_new(engine, &good, &a, &b, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_appearance_forward_new(engine, &good, &flat, &flat, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_appearance_backward_new(engine, &good, &a, &a, &b, &kernel, &err), GENSEG_ERROR_SHAPE);
    bad = good;
    bad.range[GSG_APPEARANCE_BLUR] = INFINITY;
    ck_assert_int_eq(gsg_appearance_forward_new(engine, &bad, &a, &a, &kernel, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "appearance: range of blur is inf");
    bad = good;
    bad.spacing[2] = -1;
    ck_assert_int_eq(gsg_appearance_forward_new(engine, &bad, &a, &a, &kernel, &err), GENSEG_ERROR_INVALID);
    ck_assert_ptr_null(kernel);
}
END_TEST

static genseg_status make_all(genseg_context *on, gsg_error *error)
{
    gsg_desc a = gsg_desc_plain(shape4(2, 3, 4, 5));
    gsg_appearance options;
    gsg_engine *made = NULL;
    gsg_kernel *kernels[2] = {NULL};
    genseg_status status;
    gsg_appearance_defaults(&options);
    GSG_TRY(gsg_engine_new(on, &made, error));
    GSG_TRY(gsg_appearance_forward_new(made, &options, &a, &a, &kernels[0], error));
    GSG_TRY(gsg_appearance_backward_new(made, &options, &a, &a, &a, &kernels[1], error));
done:
    for (int k = 0; k < 2; ++k)
        gsg_kernel_free(kernels[k]);
    gsg_engine_free(made);
    return status;
}

START_TEST(exhausted_memory)
{
    ck_assert_int_eq(faults_sweep(make_all), 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("appearance");
    TCase *tests = tcase_create("appearance");
    tcase_add_unchecked_fixture(tests, open_engine, close_engine);
    tcase_add_loop_test(tests, as_pytorch, 0, 3 * CASES);
    tcase_add_loop_test(tests, gradients_by_finite_differences, 0, CASES);
    tcase_add_test(tests, nothing_drawn_keeps_the_image);
    tcase_add_test(tests, gamma_at_the_background);
    tcase_add_test(tests, noise_is_normal_and_keyed_by_the_draws);
    tcase_add_loop_test(tests, one_and_two_threads_agree_bit_for_bit, 0, CASES);
    tcase_add_test(tests, draws_repeat_and_keep_their_bounds);
    tcase_add_loop_test(tests, weighted_losses_as_pytorch, 0, (int)(sizeof golden_weights / sizeof *golden_weights));
    tcase_add_test(tests, wrong_arguments);
    tcase_add_test(tests, exhausted_memory);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
