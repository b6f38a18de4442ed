// The differentiable warp against PyTorch's affine_grid and grid_sample (golden_augment.h, made by
// make_augment.py), against finite differences, and its draws.
#include "kernel/deform.h"

#include "faults.h"
#include "golden_augment.h"
#include "kernel/operands.h"

#define CASES (int)(sizeof golden_deforms / sizeof *golden_deforms)

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

static gsg_deform options_of(const golden_deform *golden)
{
    gsg_deform options;
    gsg_deform_defaults(&options);
    options.border = golden->edge ? GSG_BORDER_EDGE : GSG_BORDER_CLASS;
    memcpy(options.spacing, golden->spacing, sizeof options.spacing);
    return options;
}

// As the script's.
static float *draws_of(const golden_deform *golden)
{
    int64_t count = gsg_deform_draws(golden->shape), row = (count + 15) / 16 * 16;
    float *draws = calloc((size_t)(golden->shape.dims[0] * row), sizeof *draws);
    ck_assert_ptr_nonnull(draws);
    for (int64_t n = 0; n < golden->shape.dims[0]; ++n)
        for (int64_t i = 0; i < (golden->elastic ? count : 16); ++i) {
            float value = (float)sample(n * count + i, 21);
            if (i < 3)
                value = value < 0.0f && (golden->symmetric >> i & 1) ? -1.0f : 1.0f;
            draws[n * row + i] = i == 15 ? fabsf(value) : value;
        }
    return draws;
}

static void forward(const gsg_deform *options, const operand *src, const float *draws, const float *magnitudes,
                    operand *dst, gsg_engine *on)
{
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_deform_forward_new(on, options, &src->desc, &dst->desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){src->data, (float *)draws, (float *)magnitudes, dst->data}, &err);
}

static void backward(const gsg_deform *options, const operand *src, const float *draws, const float *magnitudes,
                     const operand *diff, operand *diff_src, float *diff_magnitudes, gsg_engine *on)
{
    gsg_kernel *kernel = NULL;
    genseg_status status =
        gsg_deform_backward_new(on, options, &src->desc, &diff->desc, diff_src ? &diff_src->desc : NULL, &kernel, &err);
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
    const golden_deform *golden = &golden_deforms[_i / 3];
    int32_t block = blocks[_i % 3];
    int64_t count = gsg_shape_count(golden->shape);
    gsg_deform options = options_of(golden);
    float *x = samples(count, 20, 1.0), *h = samples(count, 22, 1.0), *h2 = samples(count, 23, 1.0);
    float *draws = draws_of(golden), *out = malloc((size_t)count * sizeof *out), magnitudes[16] = {0}, found[16];
    memcpy(magnitudes, golden->magnitudes, sizeof golden->magnitudes);
    operand src = operand_of(golden->shape, block, 16, x), dst = operand_new(golden->shape, block, 48);
    operand diff = operand_of(golden->shape, block, 48, h), diff_src = operand_new(golden->shape, block, 32);
    forward(&options, &src, draws, magnitudes, &dst, engine);
    operand_get(&dst, out);
    check_near(project(out, h, count), golden->result, 1e-5 * sqrt((double)count), "result", _i);
    backward(&options, &src, draws, magnitudes, &diff, &diff_src, found, engine);
    operand_get(&diff_src, out);
    check_near(project(out, h2, count), golden->diff_src, 1e-5 * sqrt((double)count), "gradient of the source", _i);
    check_values(found, golden->diff_magnitudes, 6, 1e-4, "gradient of magnitude");
    for (int i = 6; i < 16; ++i)
        ck_assert(found[i] == 0.0f);
    operand_free(&src);
    operand_free(&dst);
    operand_free(&diff);
    operand_free(&diff_src);
    free(x);
    free(h);
    free(h2);
    free(draws);
    free(out);
}
END_TEST

// Where no kink is near: a linear source, seen in the middle of the result alone.
// What is added to the tolerance is float32's rounding.
START_TEST(magnitudes_by_finite_differences)
{
    const golden_deform *golden = &golden_deforms[_i];
    gsg_shape shape = golden->shape;
    int64_t count = gsg_shape_count(shape), spatial = gsg_shape_spatial(shape), width = shape.dims[shape.ndim - 1];
    gsg_deform options = options_of(golden);
    options.border = GSG_BORDER_EDGE;
    float *x = malloc((size_t)count * sizeof *x), *draws = draws_of(golden), *out = malloc((size_t)count * sizeof *out);
    for (int64_t i = 0; i < count; ++i) {
        int64_t s = i % spatial, w = s % width, h = s / width;
        x[i] = (float)(0.05 * (double)((i / spatial % 3 + 1) * w - h) + 0.3);
    }
    float *g = samples(count, 22, 1.0), magnitudes[16] = {0.4f, 0.5f, 0.3f, 0.4f, 0.6f, 0.5f}, found[16];
    for (int64_t i = 0; i < count; ++i) {
        int64_t rest = i % spatial;
        for (int a = shape.ndim - 1; a >= 2; --a) {
            int64_t size = shape.dims[a], place = rest % size;
            g[i] = 4 * place < size - 1 || 4 * place > 3 * (size - 1) ? 0.0f : g[i];
            rest /= size;
        }
    }
    operand src = operand_of(shape, 8, 0, x), dst = operand_new(shape, 8, 0), diff = operand_of(shape, 8, 0, g);
    backward(&options, &src, draws, magnitudes, &diff, NULL, found, engine);
    for (int m = 0; m < GSG_DEFORM_MAGNITUDES; ++m) {
        const double step = 0.02;
        double ends[2];
        float kept = magnitudes[m];
        for (int k = 0; k < 2; ++k) {
            magnitudes[m] = (float)((double)kept + (k ? -step : step));
            forward(&options, &src, draws, magnitudes, &dst, engine);
            operand_get(&dst, out);
            ends[k] = project(out, g, count);
        }
        magnitudes[m] = kept;
        check_near((ends[0] - ends[1]) / (2.0 * step), (double)found[m], 1e-3 * fabs((double)found[m]) + 3e-5,
                   "derivative", m);
    }
    operand_free(&src);
    operand_free(&dst);
    operand_free(&diff);
    free(x);
    free(g);
    free(draws);
    free(out);
}
END_TEST

START_TEST(nothing_drawn_changes_nothing)
{
    gsg_shape shape = shape4(2, 3, 7, 9);
    int64_t count = gsg_shape_count(shape);
    float *x = samples(count, 20, 1.0), draws[2 * 128] = {0}, magnitudes[16] = {1, 1, 1, 1, 1, 1}, out[378];
    operand src = operand_of(shape, 8, 0, x), dst = operand_new(shape, 8, 0);
    gsg_deform options;
    gsg_deform_defaults(&options);
    forward(&options, &src, draws, magnitudes, &dst, engine);
    operand_get(&dst, out);
    ck_assert_mem_eq(out, x, (size_t)count * sizeof *x);
    // A flip along W alone.
    draws[2] = draws[128 + 2] = -1.0f;
    forward(&options, &src, draws, magnitudes, &dst, engine);
    operand_get(&dst, out);
    for (int64_t i = 0; i < count; ++i)
        require(out[i] == x[i / 9 * 9 + 8 - i % 9], "flipped voxel", i);
    operand_free(&src);
    operand_free(&dst);
    free(x);
}
END_TEST

// A shift by whole voxels: one-hot stays one-hot, background comes in.
START_TEST(class_0_comes_in_from_outside)
{
    gsg_shape shape = shape4(1, 2, 2, 10);
    float x[40], draws[128] = {0}, magnitudes[16] = {0, 0, 1, 0, 0, 0}, out[40];
    for (int i = 0; i < 40; ++i)
        x[i] = i < 20 ? 0.0f : 1.0f; // foreground everywhere
    draws[14] = -1.0f;               // a tenth of 10: voxel w shows w - 1
    gsg_deform options;
    gsg_deform_defaults(&options);
    operand src = operand_of(shape, 1, 0, x), dst = operand_new(shape, 1, 0);
    forward(&options, &src, draws, magnitudes, &dst, engine);
    operand_get(&dst, out);
    for (int i = 0; i < 40; ++i)
        require(fabsf(out[i] - ((i % 10 == 0) == (i < 20) ? 1.0f : 0.0f)) < 1e-6f, "voxel", i);
    options.border = GSG_BORDER_EDGE;
    forward(&options, &src, draws, magnitudes, &dst, engine);
    operand_get(&dst, out);
    for (int i = 0; i < 40; ++i)
        require(fabsf(out[i] - x[i]) < 1e-6f, "voxel with its edge repeated", i);
    // A magnitude that is no number shows.
    magnitudes[2] = NAN;
    forward(&options, &src, draws, magnitudes, &dst, engine);
    operand_get(&dst, out);
    ck_assert(isnan(out[25]));
    operand_free(&src);
    operand_free(&dst);
}
END_TEST

START_TEST(one_and_two_threads_agree_bit_for_bit)
{
    const golden_deform *golden = &golden_deforms[_i];
    int64_t count = gsg_shape_count(golden->shape);
    gsg_deform options = options_of(golden);
    float *x = samples(count, 20, 1.0), *h = samples(count, 22, 1.0), *draws = draws_of(golden), *out[4];
    float magnitudes[16] = {1, 1, 1, 1, 1, 1}, found[2][16];
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
    free(draws);
}
END_TEST

START_TEST(draws_repeat_and_keep_their_bounds)
{
    const gsg_shape shapes[] = {shape4(64, 2, 8, 8), gsg_shape_make(5, (int64_t[]){64, 2, 8, 8, 8})};
    gsg_shape shape = shapes[_i], half = shape;
    int64_t count = gsg_deform_draws(shape), row = (count + 15) / 16 * 16;
    ck_assert_int_eq(count, _i ? 16 + 3 * 343 : 16 + 2 * 49);
    float *a = malloc((size_t)(64 * row) * sizeof *a), *b = malloc((size_t)(64 * row) * sizeof *b);
    gsg_deform options;
    gsg_deform_defaults(&options);
    options.symmetric = 4;
    options.chance = 0.75f;
    gsg_deform_draw(&options, shape, 3, 100, a);
    // In two batches: the same samples.
    half.dims[0] = 32;
    gsg_deform_draw(&options, half, 3, 100, b);
    gsg_deform_draw(&options, half, 3, 132, b + 32 * row);
    ck_assert_mem_eq(a, b, (size_t)(64 * row) * sizeof *a);
    gsg_deform_draw(&options, shape, 4, 100, b);
    ck_assert(memcmp(a, b, (size_t)(64 * row) * sizeof *a) != 0);
    int flips = 0, affine = 0, elastic = 0;
    double squares = 0;
    for (int64_t n = 0; n < 64; ++n) {
        const float *own = a + n * row;
        ck_assert(own[0] == 1.0f && own[1] == 1.0f && fabsf(own[2]) == 1.0f);
        flips += own[2] < 0.0f;
        affine += own[3] != 0.0f;
        elastic += own[16] != 0.0f;
        for (int64_t i = 3; i < 16; ++i)
            require(own[i] >= (i == 15 ? 0.0f : -1.0f) && own[i] < 1.0f, "draw", i);
        for (int64_t i = 16; i < count; ++i) {
            require(fabsf(own[i]) <= 2.5f, "control point", i);
            squares += (double)own[i] * (double)own[i] / (double)(count - 16);
        }
        for (int64_t i = count; i < row; ++i)
            require(own[i] == 0.0f, "padding", i);
    }
    ck_assert(flips > 16 && flips < 48 && affine > 36 && affine < 60 && elastic > 16 && elastic < 48);
    ck_assert_double_eq_tol(squares / elastic, 0.95, 0.06);
    free(a);
    free(b);
}
END_TEST

START_TEST(wrong_arguments)
{
    gsg_desc a = gsg_desc_plain(shape4(1, 2, 4, 4)), b = gsg_desc_plain(shape4(1, 3, 4, 4));
    gsg_desc flat = gsg_desc_plain(gsg_shape_make(2, (int64_t[]){4, 4})), blocked = a;
    blocked.block = 8;
    blocked.batch_stride = gsg_desc_dense(&blocked);
    gsg_kernel *kernel = NULL;
    gsg_deform good, bad;
    gsg_deform_defaults(&good);
    ck_assert_int_eq(gsg_deform_forward_new(engine, &good, &a, &b, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_deform_forward_new(engine, &good, &flat, &flat, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_deform_forward_new(engine, &good, &a, &blocked, &kernel, &err), GENSEG_ERROR_INTERNAL);
    ck_assert_int_eq(gsg_deform_backward_new(engine, &good, &a, &a, &b, &kernel, &err), GENSEG_ERROR_SHAPE);
    bad = good;
    bad.border = 7;
    ck_assert_int_eq(gsg_deform_forward_new(engine, &bad, &a, &a, &kernel, &err), GENSEG_ERROR_INVALID);
    bad = good;
    bad.range[GSG_DEFORM_SHEAR] = -1.0f;
    ck_assert_int_eq(gsg_deform_forward_new(engine, &bad, &a, &a, &kernel, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "deform: range of shear is -1");
    bad = good;
    bad.spacing[1] = 0;
    ck_assert_int_eq(gsg_deform_backward_new(engine, &bad, &a, &a, NULL, &kernel, &err), GENSEG_ERROR_INVALID);
    ck_assert_ptr_null(kernel);
}
END_TEST

static genseg_status make_all(genseg_context *on, gsg_error *error)
{
    gsg_desc a = gsg_desc_plain(shape4(2, 3, 4, 5));
    gsg_deform options;
    gsg_engine *made = NULL;
    gsg_kernel *kernels[2] = {NULL};
    genseg_status status;
    gsg_deform_defaults(&options);
    GSG_TRY(gsg_engine_new(on, &made, error));
    GSG_TRY(gsg_deform_forward_new(made, &options, &a, &a, &kernels[0], error));
    GSG_TRY(gsg_deform_backward_new(made, &options, &a, &a, &a, &kernels[1], error));
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
    Suite *suite = suite_create("deform");
    TCase *tests = tcase_create("deform");
    tcase_add_unchecked_fixture(tests, open_engine, close_engine);
    tcase_add_loop_test(tests, as_pytorch, 0, 3 * CASES);
    tcase_add_loop_test(tests, magnitudes_by_finite_differences, 0, CASES);
    tcase_add_test(tests, nothing_drawn_changes_nothing);
    tcase_add_test(tests, class_0_comes_in_from_outside);
    tcase_add_loop_test(tests, one_and_two_threads_agree_bit_for_bit, 0, CASES);
    tcase_add_loop_test(tests, draws_repeat_and_keep_their_bounds, 0, 2);
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
