// Normalisation in all layouts against PyTorch (golden_norm.h, made by
// make_norm_window.py), against finite differences, and at its edges.

#include "kernel/norm.h"

#include "faults.h"
#include "golden_norm.h"
#include "kernel/operands.h"

static genseg_context *context;
static gsg_engine *engine;
static gsg_error err;
static const gsg_run no_run = {0};
static const gsg_run updating = {.update_statistics = 1};

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

static int64_t row_of(int64_t channels)
{
    return (channels + GSG_VECTOR_PAD - 1) / GSG_VECTOR_PAD * GSG_VECTOR_PAD;
}

// Rows of statistics or parameters, filled with `fill`.
static float *rows_of(int64_t rows, int64_t channels, float fill)
{
    int64_t count = rows * row_of(channels);
    float *vector = malloc((size_t)count * sizeof *vector);
    ck_assert_ptr_nonnull(vector);
    for (int64_t i = 0; i < count; ++i)
        vector[i] = fill;
    return vector;
}

// As the golden file's script makes them: sample * scale + offset, zero beyond the channels.
static float *vector_of(int64_t channels, uint32_t salt, double scale, double offset)
{
    float *vector = rows_of(1, channels, 0.0f);
    for (int64_t c = 0; c < channels; ++c)
        vector[c] = (float)(sample(c, salt) * scale + offset);
    return vector;
}

static void require_zero_pads(const float *rows, int64_t count, int64_t channels)
{
    for (int64_t r = 0; r < count; ++r)
        for (int64_t c = channels; c < row_of(channels); ++c)
            require(rows[r * row_of(channels) + c] == 0.0f, "padding of a vector", c);
}

typedef struct vectors {
    int64_t rows; // of statistics
    float *mean, *rstd, *gamma, *beta, *running_mean, *running_variance, *dgamma, *dbeta;
} vectors;

static vectors vectors_new(gsg_shape shape, int32_t per_sample)
{
    int64_t c = shape.dims[1];
    vectors v = {.rows = per_sample ? shape.dims[0] : 1};
    v.mean = rows_of(v.rows, c, GAP);
    v.rstd = rows_of(v.rows, c, GAP);
    v.gamma = vector_of(c, 2, 0.5, 1.0);
    v.beta = vector_of(c, 3, 0.5, 0.0);
    v.running_mean = vector_of(c, 4, 0.5, 0.0);
    v.running_variance = vector_of(c, 5, 0.5, 1.0);
    v.dgamma = rows_of(1, c, GAP);
    v.dbeta = rows_of(1, c, GAP);
    return v;
}

static void vectors_free(vectors *v)
{
    float *all[] = {v->mean, v->rstd, v->gamma, v->beta, v->dgamma, v->running_mean, v->running_variance, v->dbeta};
    for (int i = 0; i < 8; ++i)
        free(all[i]);
}

static void statistics(const gsg_norm *norm, const operand *src, vectors *v, const gsg_run *run)
{
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_norm_statistics_new(engine, norm, &src->desc, &kernel, &err);
    kernel_run(status, kernel, run, (float *[]){src->data, v->running_mean, v->running_variance, v->mean, v->rstd},
               &err);
}

static void apply(const gsg_norm *norm, const operand *src, const vectors *v, operand *dst)
{
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_norm_apply_new(engine, norm, &src->desc, &dst->desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){src->data, v->mean, v->rstd, v->gamma, v->beta, dst->data}, &err);
}

static void backward(const gsg_norm *norm, int32_t fixed, const operand *src, const vectors *v, const operand *diff_dst,
                     operand *diff_src)
{
    gsg_kernel *kernel = NULL;
    genseg_status status =
        gsg_norm_backward_new(engine, norm, &src->desc, &diff_dst->desc, &diff_src->desc, fixed, &kernel, &err);
    kernel_run(status, kernel, &no_run,
               (float *[]){src->data, v->mean, v->rstd, v->gamma, v->beta, diff_dst->data, diff_src->data, v->dgamma,
                           v->dbeta},
               &err);
}

static const int32_t blocks[] = {1, 8, 16};
#define BLOCKS 3
#define NORMS (int)(sizeof golden_norms / sizeof golden_norms[0])

START_TEST(as_pytorch)
{
    const golden_norm *g = &golden_norms[_i / BLOCKS];
    const int32_t block = blocks[_i % BLOCKS];
    const int64_t count = gsg_shape_count(g->shape), channels = g->shape.dims[1];
    const gsg_norm norm = {.per_sample = g->per_sample,
                           .activation = g->slope != 1.0f,
                           .slope = g->slope,
                           .epsilon = GOLDEN_EPSILON,
                           .momentum = GOLDEN_MOMENTUM};
    float *x = samples(count, 1, 2.0), *dy = samples(count, 6, 1.0), *out = calloc((size_t)count, sizeof *out);
    operand src = operand_of(g->shape, block, 0, x), dst = operand_new(g->shape, block, 32);
    operand diff = operand_of(g->shape, block, 48, dy), diff_src = operand_new(g->shape, block, 64);
    vectors v = vectors_new(g->shape, g->per_sample);

    if (g->fixed) {
        gsg_kernel *kernel = NULL;
        genseg_status status = gsg_norm_running_new(engine, &norm, channels, &kernel, &err);
        kernel_run(status, kernel, &updating, (float *[]){v.running_mean, v.running_variance, v.mean, v.rstd}, &err);
    } else {
        statistics(&norm, &src, &v, &updating);
    }
    require_zero_pads(v.mean, v.rows, channels);
    require_zero_pads(v.rstd, v.rows, channels);
    check_values(v.running_mean, g->mean, channels, 1e-5, "running mean");
    check_values(v.running_variance, g->variance, channels, 1e-5, "running variance");

    apply(&norm, &src, &v, &dst);
    operand_get(&dst, out);
    check_values(out, g->y, count, 1e-4, "y");
    backward(&norm, g->fixed, &src, &v, &diff, &diff_src);
    operand_get(&diff_src, out);
    check_values(out, g->dx, count, 1e-4, "dx");
    check_values(v.dgamma, g->dgamma, channels, 1e-4, "dgamma");
    check_values(v.dbeta, g->dbeta, channels, 1e-4, "dbeta");
    require_zero_pads(v.dgamma, 1, channels);
    require_zero_pads(v.dbeta, 1, channels);
    operand_get(&src, out);
    ck_assert_mem_eq(out, x, (size_t)count * sizeof *x);

    // In place, and without the gradients of the vectors.
    free(v.dgamma);
    free(v.dbeta);
    v.dgamma = v.dbeta = NULL;
    backward(&norm, g->fixed, &src, &v, &diff, &diff);
    operand_get(&diff, out);
    check_values(out, g->dx, count, 1e-4, "dx in place");
    apply(&norm, &src, &v, &src);
    operand_get(&src, out);
    check_values(out, g->y, count, 1e-4, "y in place");

    vectors_free(&v);
    operand_free(&src);
    operand_free(&dst);
    operand_free(&diff);
    operand_free(&diff_src);
    free(x);
    free(dy);
    free(out);
}
END_TEST

// sum of w * act(norm(x)) over everything, by the forward kernels alone.
static double weighted_sum(const gsg_norm *norm, const operand *src, vectors *v, operand *dst, const float *w)
{
    const int64_t count = gsg_shape_count(src->desc.shape);
    float *out = calloc((size_t)count, sizeof *out);
    double sum = 0.0;
    statistics(norm, src, v, &no_run);
    apply(norm, src, v, dst);
    operand_get(dst, out);
    for (int64_t i = 0; i < count; ++i)
        sum += (double)w[i] * (double)out[i];
    free(out);
    return sum;
}

// Moves x along the signs of its gradient (so that its parts add up and rounding stays small beside
// them), then gamma and beta along (1, 2, 3, ...): differences of the sum are the gradients' projections.
// beta is +-6 by turns, so that a channel is wholly on or off and no kink is crossed.
START_TEST(finite_differences)
{
    const int32_t block = blocks[_i % BLOCKS];
    const gsg_norm norm = {.per_sample = _i / BLOCKS, .activation = 1, .slope = 0.2f, .epsilon = 1e-5f};
    const gsg_shape shape = _i % 2 ? shape4(2, 5, 9, 7) : gsg_shape_make(5, (int64_t[]){2, 18, 3, 4, 5});
    const int64_t count = gsg_shape_count(shape), channels = shape.dims[1];
    const double step = 4e-3;
    float *x = samples(count, 1, 2.0), *w = samples(count, 2, 1.0);
    float *gradient = calloc((size_t)count, sizeof *x), *moved = calloc((size_t)count, sizeof *x);
    operand src = operand_of(shape, block, 0, x), dst = operand_new(shape, block, 0);
    operand diff = operand_of(shape, block, 0, w), diff_src = operand_new(shape, block, 0);
    vectors v = vectors_new(shape, norm.per_sample);
    for (int64_t c = 0; c < channels; ++c)
        v.beta[c] = c % 2 ? 6.0f : -6.0f;
    statistics(&norm, &src, &v, &no_run);
    backward(&norm, 0, &src, &v, &diff, &diff_src);
    operand_get(&diff_src, gradient);

    double gradients[3] = {0}, differences[3] = {0};
    for (int64_t i = 0; i < count; ++i)
        gradients[0] += fabs((double)gradient[i]);
    for (int64_t c = 0; c < channels; ++c) {
        gradients[1] += (double)v.dgamma[c] * (double)(c + 1);
        gradients[2] += (double)v.dbeta[c] * (double)(c + 1);
    }
    for (int side = -1; side <= 1; side += 2) {
        for (int64_t i = 0; i < count; ++i)
            moved[i] = x[i] + (float)(gradient[i] > 0.0f ? side * step : -side * step);
        operand_set(&src, moved);
        differences[0] += side * weighted_sum(&norm, &src, &v, &dst, w) / (2 * step);
        operand_set(&src, x);
        float *vector[2] = {v.gamma, v.beta};
        for (int part = 0; part < 2; ++part) {
            for (int64_t c = 0; c < channels; ++c)
                vector[part][c] += (float)(side * step * (double)(c + 1));
            differences[part + 1] += side * weighted_sum(&norm, &src, &v, &dst, w) / (2 * step);
            for (int64_t c = 0; c < channels; ++c)
                vector[part][c] -= (float)(side * step * (double)(c + 1));
        }
    }
    for (int part = 0; part < 3; ++part)
        check_near(differences[part], gradients[part], 1e-3 * fabs(gradients[part]), "finite difference", part);
    vectors_free(&v);
    operand_free(&src);
    operand_free(&dst);
    operand_free(&diff);
    operand_free(&diff_src);
    free(x);
    free(w);
    free(gradient);
    free(moved);
}
END_TEST

// Statistics of long channels against sums in double: a mean far from zero, and first
// values far from the mean. _i: layout.
START_TEST(statistics_do_not_cancel)
{
    const gsg_shape shape = shape4(2, 5, 173, 131);
    const int64_t count = gsg_shape_count(shape), spatial = 173 * 131;
    const gsg_norm norm = {.epsilon = 1e-5f};
    float *x = samples(count, 1, 1.0);
    for (int64_t i = 0; i < count; ++i)
        x[i] += i / spatial % 5 == 1 ? 1000.0f : 0.0f;
    for (int64_t c = 2; c < 5; ++c)
        x[c * spatial] = c == 2 ? 1e6f : 300.0f; // in channel 2 nearly all of the variance
    operand src = operand_of(shape, blocks[_i], 0, x);
    vectors v = vectors_new(shape, 0);
    statistics(&norm, &src, &v, &no_run);
    for (int64_t c = 0; c < 5; ++c) {
        double sum = 0.0, square = 0.0;
        for (int64_t i = 0; i < count; ++i)
            sum += i / spatial % 5 == c ? (double)x[i] : 0.0;
        const double mean = sum / (double)(2 * spatial);
        for (int64_t i = 0; i < count; ++i)
            square += i / spatial % 5 == c ? ((double)x[i] - mean) * ((double)x[i] - mean) : 0.0;
        const double rstd = 1.0 / sqrt(square / (double)(2 * spatial) + 1e-5);
        check_near((double)v.mean[c], mean, 1e-7 * fabs(mean) + 2e-6 / rstd, "mean", c);
        check_near((double)v.rstd[c], rstd, 1e-5 * rstd, "rstd", c);
    }
    vectors_free(&v);
    operand_free(&src);
    free(x);
}
END_TEST

// Everything that one forward and backward pass makes with `threads` threads.
static void run_with(int32_t threads, int32_t block, int32_t per_sample, gsg_shape shape, float *all)
{
    genseg_context *saved_context = context;
    gsg_engine *saved_engine = engine;
    context = context_of(threads);
    engine = engine_of(context);
    const gsg_norm norm = {
        .per_sample = per_sample, .activation = 1, .slope = 0.1f, .epsilon = 1e-5f, .momentum = 0.1f};
    const int64_t count = gsg_shape_count(shape), channels = shape.dims[1];
    float *x = samples(count, 1, 2.0), *dy = samples(count, 2, 1.0);
    operand src = operand_of(shape, block, 0, x), dst = operand_new(shape, block, 0);
    operand diff = operand_of(shape, block, 0, dy), diff_src = operand_new(shape, block, 0);
    vectors v = vectors_new(shape, per_sample);
    statistics(&norm, &src, &v, &updating);
    apply(&norm, &src, &v, &dst);
    backward(&norm, 0, &src, &v, &diff, &diff_src);
    operand_get(&dst, all);
    operand_get(&diff_src, all + count);
    float *tail = all + 2 * count;
    for (int64_t c = 0; c < channels; ++c) {
        *tail++ = v.running_mean[c];
        *tail++ = v.running_variance[c];
        *tail++ = v.dgamma[c];
        *tail++ = v.dbeta[c];
    }
    vectors_free(&v);
    operand_free(&src);
    operand_free(&dst);
    operand_free(&diff);
    operand_free(&diff_src);
    free(x);
    free(dy);
    gsg_engine_free(engine);
    gsg_context_release(context);
    context = saved_context;
    engine = saved_engine;
}

START_TEST(same_bits_with_any_threads)
{
    const gsg_shape shape = shape4(2, 20, 103, 97);
    const int64_t total = 2 * gsg_shape_count(shape) + 4 * 20;
    float *one = calloc((size_t)total, sizeof *one), *other = calloc((size_t)total, sizeof *other);
    for (int32_t per_sample = 0; per_sample < 2; ++per_sample) {
        run_with(1, blocks[_i], per_sample, shape, one);
        for (int32_t threads = 1; threads <= 5; threads += 2) {
            run_with(threads, blocks[_i], per_sample, shape, other);
            ck_assert_mem_eq(one, other, (size_t)total * sizeof *one);
        }
    }
    free(one);
    free(other);
}
END_TEST

// One value a channel has no variance: its biased one is 0, its unbiased one undefined. Nothing may be NaN.
START_TEST(one_value_per_channel)
{
    const gsg_shape shape = shape4(1, 5, 1, 1);
    const gsg_norm norm = {.epsilon = 1e-4f, .momentum = 0.5f};
    const float x[] = {3.0f, -1.0f, 0.0f, 100.0f, 0.25f}, dy[] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f};
    float out[5];
    operand src = operand_of(shape, blocks[_i], 0, x), dst = operand_new(shape, blocks[_i], 0);
    operand diff = operand_of(shape, blocks[_i], 0, dy), diff_src = operand_new(shape, blocks[_i], 0);
    vectors v = vectors_new(shape, 0);
    float before[5];
    memcpy(before, v.running_variance, sizeof before);
    statistics(&norm, &src, &v, &updating);
    apply(&norm, &src, &v, &dst);
    operand_get(&dst, out);
    for (int c = 0; c < 5; ++c) {
        check_near((double)v.mean[c], (double)x[c], 0.0, "mean", c);
        check_near((double)v.rstd[c], 100.0, 1e-4, "rstd", c);
        check_near((double)v.running_variance[c], 0.5 * (double)before[c], 1e-6, "running variance", c);
        check_near((double)out[c], (double)v.beta[c], 1e-5 * (1.0 + 100.0 * fabs((double)x[c])), "y", c);
    }
    backward(&norm, 0, &src, &v, &diff, &diff_src);
    operand_get(&diff_src, out);
    for (int c = 0; c < 5; ++c) {
        check_near((double)out[c], 0.0, 1e-4, "dx", c);
        check_near((double)v.dbeta[c], (double)dy[c], 0.0, "dbeta", c);
        check_near((double)v.dgamma[c], 0.0, 0.0, "dgamma", c);
    }
    vectors_free(&v);
    operand_free(&src);
    operand_free(&dst);
    operand_free(&diff);
    operand_free(&diff_src);
}
END_TEST

START_TEST(running_statistics_move_only_when_asked)
{
    const gsg_shape shape = shape4(2, 3, 4, 5);
    const gsg_norm norm = {.epsilon = 1e-5f, .momentum = 0.1f};
    float *x = samples(gsg_shape_count(shape), 1, 2.0);
    operand src = operand_of(shape, 1, 0, x);
    vectors v = vectors_new(shape, 0), same = vectors_new(shape, 0), none = vectors_new(shape, 0);
    statistics(&norm, &src, &v, &no_run);
    ck_assert_mem_eq(v.running_mean, same.running_mean, 3 * sizeof(float));
    ck_assert_mem_eq(v.running_variance, same.running_variance, 3 * sizeof(float));
    free(none.running_mean);
    free(none.running_variance);
    none.running_mean = none.running_variance = NULL;
    statistics(&norm, &src, &none, &updating);
    ck_assert_mem_eq(v.mean, none.mean, 3 * sizeof(float));
    ck_assert_mem_eq(v.rstd, none.rstd, 3 * sizeof(float));
    vectors_free(&v);
    vectors_free(&same);
    vectors_free(&none);
    operand_free(&src);
    free(x);
}
END_TEST

// Without gamma and beta: as with 1 and 0.
START_TEST(without_affine)
{
    const gsg_shape shape = shape4(2, 5, 4, 5);
    const int64_t count = gsg_shape_count(shape);
    const gsg_norm norm = {.per_sample = 1, .epsilon = 1e-5f};
    float *x = samples(count, 1, 2.0), *dy = samples(count, 2, 1.0), *out[2];
    operand src = operand_of(shape, blocks[_i], 0, x), diff = operand_of(shape, blocks[_i], 0, dy);
    for (int k = 0; k < 2; ++k) {
        operand dst = operand_new(shape, blocks[_i], 0), diff_src = operand_new(shape, blocks[_i], 0);
        vectors v = vectors_new(shape, 1);
        free(v.gamma);
        free(v.beta);
        v.gamma = k ? vector_of(5, 2, 0.0, 1.0) : NULL;
        v.beta = k ? vector_of(5, 2, 0.0, 0.0) : NULL;
        out[k] = calloc((size_t)count * 2, sizeof(float));
        statistics(&norm, &src, &v, &no_run);
        apply(&norm, &src, &v, &dst);
        backward(&norm, 0, &src, &v, &diff, &diff_src);
        operand_get(&dst, out[k]);
        operand_get(&diff_src, out[k] + count);
        vectors_free(&v);
        operand_free(&dst);
        operand_free(&diff_src);
    }
    ck_assert_mem_eq(out[0], out[1], (size_t)count * 2 * sizeof(float));
    free(out[0]);
    free(out[1]);
    operand_free(&src);
    operand_free(&diff);
    free(x);
    free(dy);
}
END_TEST

// scale * x + shift is what running statistics make of x + bias.
START_TEST(folds_into_a_multiply_add)
{
    const int64_t channels = 20;
    const gsg_norm norm = {.epsilon = 1e-3f};
    vectors v = vectors_new(shape4(1, channels, 1, 1), 0);
    float *bias = vector_of(channels, 7, 3.0, 0.0);
    float *scale = rows_of(1, channels, GAP), *shift = rows_of(1, channels, GAP);
    for (int variant = 0; variant < 2; ++variant) {
        gsg_kernel *kernel = NULL;
        genseg_status status = gsg_norm_fold_new(engine, &norm, channels, &kernel, &err);
        kernel_run(status, kernel, &no_run,
                   (float *[]){variant ? v.gamma : NULL, variant ? v.beta : NULL, v.running_mean, v.running_variance,
                               variant ? bias : NULL, scale, shift},
                   &err);
        require_zero_pads(scale, 1, channels);
        require_zero_pads(shift, 1, channels);
        for (int64_t c = 0; c < channels; ++c)
            for (int k = -1; k <= 1; ++k) {
                double rstd = 1.0 / sqrt((double)v.running_variance[c] + 1e-3);
                double y = (k + (variant ? (double)bias[c] : 0.0) - (double)v.running_mean[c]) * rstd;
                y = variant ? y * (double)v.gamma[c] + (double)v.beta[c] : y;
                check_near((double)scale[c] * k + (double)shift[c], y, 2e-6, "folded", c);
            }
    }
    vectors_free(&v);
    free(bias);
    free(scale);
    free(shift);
}
END_TEST

// A NaN must come out: the trainer stops on it.
START_TEST(nan_is_not_hidden)
{
    const gsg_shape shape = shape4(1, 3, 4, 4);
    const gsg_norm norm = {.activation = 1, .epsilon = 1e-5f};
    float *x = samples(48, 1, 1.0), out[48];
    x[20] = NAN;
    operand src = operand_of(shape, blocks[_i], 0, x), dst = operand_new(shape, blocks[_i], 0);
    vectors v = vectors_new(shape, 0);
    statistics(&norm, &src, &v, &no_run);
    ck_assert(isnan(v.mean[1]) && isnan(v.rstd[1]) && !isnan(v.mean[0]) && !isnan(v.rstd[2]));
    apply(&norm, &src, &v, &dst);
    operand_get(&dst, out);
    ck_assert(isnan(out[20]) && isnan(out[16]) && !isnan(out[0]) && !isnan(out[47]));
    vectors_free(&v);
    operand_free(&src);
    operand_free(&dst);
    free(x);
}
END_TEST

START_TEST(wrong_arguments)
{
    const gsg_norm norm = {.epsilon = 1e-5f};
    gsg_desc a = gsg_desc_plain(shape4(2, 16, 3, 4)), b = gsg_desc_plain(shape4(2, 16, 3, 5)), blocked = a, odd = a;
    blocked.block = 16;
    odd.block = 7;
    gsg_kernel *kernel = NULL;
    ck_assert_int_eq(gsg_norm_apply_new(engine, &norm, &a, &b, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_str_eq(err.message, "norm apply: shapes 2x16x3x4 and 2x16x3x5 differ");
    ck_assert_int_eq(gsg_norm_apply_new(engine, &norm, &a, &blocked, &kernel, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "norm apply: blocks 1 and 16 differ");
    ck_assert_int_eq(gsg_norm_statistics_new(engine, &norm, &odd, &kernel, &err), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(gsg_norm_backward_new(engine, &norm, &a, &b, &a, 0, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_norm_backward_new(engine, &norm, &a, &a, &blocked, 0, &kernel, &err), GENSEG_ERROR_INVALID);
    ck_assert_ptr_null(kernel);
}
END_TEST

static genseg_status make_all(genseg_context *memory, gsg_error *error)
{
    const gsg_norm norm = {.epsilon = 1e-5f};
    const gsg_desc desc = gsg_desc_plain(shape4(2, 3, 4, 5));
    gsg_engine *own = NULL;
    gsg_kernel *kernels[5] = {NULL};
    genseg_status status = gsg_engine_new(memory, &own, error);
    if (status == GENSEG_OK)
        status = gsg_norm_statistics_new(own, &norm, &desc, &kernels[0], error);
    if (status == GENSEG_OK)
        status = gsg_norm_running_new(own, &norm, 3, &kernels[1], error);
    if (status == GENSEG_OK)
        status = gsg_norm_apply_new(own, &norm, &desc, &desc, &kernels[2], error);
    if (status == GENSEG_OK)
        status = gsg_norm_backward_new(own, &norm, &desc, &desc, &desc, 0, &kernels[3], error);
    if (status == GENSEG_OK)
        status = gsg_norm_fold_new(own, &norm, 3, &kernels[4], error);
    for (int i = 0; i < 5; ++i)
        gsg_kernel_free(kernels[i]);
    gsg_engine_free(own);
    return status;
}

START_TEST(out_of_memory)
{
    ck_assert_int_eq(faults_sweep(make_all), 6);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("norm");
    TCase *tests = tcase_create("norm");
    tcase_add_unchecked_fixture(tests, open_engine, close_engine);
    tcase_add_loop_test(tests, as_pytorch, 0, NORMS * BLOCKS);
    tcase_add_loop_test(tests, finite_differences, 0, 2 * BLOCKS);
    tcase_add_loop_test(tests, statistics_do_not_cancel, 0, BLOCKS);
    tcase_add_loop_test(tests, same_bits_with_any_threads, 0, BLOCKS);
    tcase_add_loop_test(tests, one_value_per_channel, 0, BLOCKS);
    tcase_add_test(tests, running_statistics_move_only_when_asked);
    tcase_add_loop_test(tests, without_affine, 0, BLOCKS);
    tcase_add_test(tests, folds_into_a_multiply_add);
    tcase_add_loop_test(tests, nan_is_not_hidden, 0, BLOCKS);
    tcase_add_test(tests, wrong_arguments);
    tcase_add_test(tests, out_of_memory);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
