// Merged kernels in every form and block against plain loops in double; the gradients as plain loops and as
// differences; the same bits with any number of threads; what does not merge.
#include "kernel/merge.h"

#include "faults.h"
#include "kernel/conv_parts.h"
#include "kernel/operands.h"

static gsg_error err;
static const gsg_run no_run = {0};

typedef struct merge_case {
    int32_t transposed, spatial, count;
    int64_t rows, columns; // dims[0] and dims[1]
    int64_t kernel[GSG_MERGE_CANDIDATES][3];
} merge_case;

static const merge_case cases[] = {
    {0, 2, 3, 20, 17, {{4, 4}, {6, 6}, {8, 8}}},           // OI, padded blocks
    {0, 2, 3, 19, 2, {{4, 4}, {6, 6}, {8, 8}}},            // FIRST
    {1, 2, 3, 33, 5, {{4, 4}, {6, 6}, {8, 8}}},            // IO (OI in blocks of 8)
    {1, 2, 2, 16, 1, {{4, 4}, {6, 6}}},                    // one output
    {0, 3, 3, 9, 1, {{4, 4, 4}, {6, 6, 6}, {8, 8, 8}}},    // FIRST
    {0, 3, 3, 17, 16, {{2, 4, 4}, {4, 4, 6}, {4, 8, 10}}}, // axes of their own
    {1, 3, 2, 16, 24, {{4, 4, 4}, {6, 6, 6}}},
    {0, 2, 1, 16, 16, {{4, 4}}},
    {0, 2, 1, 2, 21, {{1, 1}}}, // HEAD
    {0, 2, 3, 18, 18, {{1, 1}, {3, 3}, {5, 5}}},
};

#define CASES (int)(sizeof cases / sizeof cases[0])

typedef struct setting {
    const merge_case *c;
    gsg_weights layouts[GSG_MERGE_CANDIDATES];
    float *plain[GSG_MERGE_CANDIDATES], *stored[GSG_MERGE_CANDIDATES];
    float *logits;
    double p[GSG_MERGE_CANDIDATES];
    float *diff_plain, *diff_stored; // gradient of the result
    int64_t count;                   // plain values of the largest
} setting;

static setting setting_of(const merge_case *c, int32_t block)
{
    setting s = {.c = c};
    double sum = 0;
    s.logits = aligned_floats(GSG_VECTOR_PAD);
    memset(s.logits, 0, GSG_VECTOR_PAD * sizeof(float));
    for (int32_t j = 0; j < c->count; j++) {
        int64_t dims[5] = {c->rows, c->columns, c->kernel[j][0], c->kernel[j][1], c->kernel[j][2]};
        s.layouts[j] = gsg_weights_blocked(block, gsg_shape_make(c->spatial + 2, dims), c->transposed);
        s.count = gsg_shape_count(s.layouts[j].shape);
        s.plain[j] = samples(s.count, (uint32_t)j + 1, 1.0);
        s.stored[j] = aligned_floats(s.layouts[j].count);
        gsg_weights_import(&s.layouts[j], s.plain[j], s.stored[j]);
        s.logits[j] = (float)sample(j, 9) * 2;
        sum += s.p[j] = exp((double)s.logits[j]);
    }
    for (int32_t j = 0; j < c->count; j++)
        s.p[j] /= sum;
    s.diff_plain = samples(s.count, 7, 1.0);
    s.diff_stored = aligned_floats(s.layouts[c->count - 1].count);
    gsg_weights_import(&s.layouts[c->count - 1], s.diff_plain, s.diff_stored);
    return s;
}

static void setting_free(setting *s)
{
    for (int32_t j = 0; j < s->c->count; j++) {
        free(s->plain[j]);
        free(s->stored[j]);
    }
    free(s->logits);
    free(s->diff_plain);
    free(s->diff_stored);
}

// Index in candidate j of plain index `at` of the largest, -1: padding.
static int64_t inner_index(const merge_case *c, int32_t j, int64_t at)
{
    const int64_t *whole = c->kernel[c->count - 1], *size = c->kernel[j];
    int64_t place[3], index, pairs = at;
    for (int32_t i = c->spatial - 1; i >= 0; i--) {
        place[i] = pairs % whole[i] - (whole[i] - size[i]) / 2;
        pairs /= whole[i];
    }
    index = pairs;
    for (int32_t i = 0; i < c->spatial; i++) {
        if (place[i] < 0 || place[i] >= size[i])
            return -1;
        index = index * size[i] + place[i];
    }
    return index;
}

static float *forward(gsg_engine *engine, const setting *s)
{
    gsg_kernel *kernel = NULL;
    const int32_t n = s->c->count;
    const gsg_weights *list[GSG_MERGE_CANDIDATES] = {&s->layouts[0], &s->layouts[1], &s->layouts[2]};
    float *dst = aligned_floats(s->layouts[n - 1].count), *args[GSG_MERGE_CANDIDATES + 2] = {s->logits};
    memset(dst, 0xA5, (size_t)s->layouts[n - 1].count * sizeof *dst);
    for (int32_t j = 0; j < n; j++)
        args[j + 1] = s->stored[j];
    args[n + 1] = dst;
    genseg_status status = gsg_merge_forward_new(engine, n, list, &kernel, &err);
    kernel_run(status, kernel, &no_run, args, &err);
    return dst;
}

typedef struct gradients {
    float *logits;
    float *candidates[GSG_MERGE_CANDIDATES];
} gradients;

// `wanted`: bit 0 the logits, bit 1 + j candidate j. `over`: the largest candidate's over a copy of diff_dst.
static gradients backward(gsg_engine *engine, const setting *s, unsigned wanted, bool over)
{
    gradients g = {0};
    gsg_kernel *kernel = NULL;
    const int32_t n = s->c->count;
    const gsg_weights *list[GSG_MERGE_CANDIDATES] = {&s->layouts[0], &s->layouts[1], &s->layouts[2]};
    const size_t largest = (size_t)s->layouts[n - 1].count * sizeof(float);
    float *args[2 * GSG_MERGE_CANDIDATES + 3] = {s->logits};
    for (int32_t j = 0; j < n; j++) {
        args[j + 1] = s->stored[j];
        if (wanted & 2u << j)
            g.candidates[j] = aligned_floats(s->layouts[j].count);
        args[n + 3 + j] = g.candidates[j];
    }
    args[n + 1] = s->diff_stored;
    if (over)
        args[n + 1] = memcpy(g.candidates[n - 1], s->diff_stored, largest);
    if (wanted & 1)
        g.logits = aligned_floats(GSG_VECTOR_PAD);
    args[n + 2] = g.logits;
    genseg_status status = gsg_merge_backward_new(engine, n, list, &kernel, &err);
    kernel_run(status, kernel, &no_run, args, &err);
    return g;
}

static void gradients_free(gradients *g)
{
    free(g->logits);
    for (int32_t j = 0; j < GSG_MERGE_CANDIDATES; j++)
        free(g->candidates[j]);
}

static void check_forward(gsg_engine *engine, const setting *s)
{
    const merge_case *c = s->c;
    const gsg_weights *whole = &s->layouts[c->count - 1];
    float *dst = forward(engine, s), *plain = malloc((size_t)s->count * sizeof *plain);
    float *again = aligned_floats(whole->count);
    gsg_weights_export(whole, dst, plain);
    for (int64_t i = 0; i < s->count; i++) {
        double expected = 0;
        for (int32_t j = 0; j < c->count; j++) {
            const int64_t at = inner_index(c, j, i);
            expected += at < 0 ? 0 : s->p[j] * (double)s->plain[j][at];
        }
        check_near((double)plain[i], expected, 3e-7, "merged", i);
    }
    gsg_weights_import(whole, plain, again); // with zeros where it pads
    ck_assert_int_eq(memcmp(dst, again, (size_t)whole->count * sizeof *dst), 0);
    free(dst);
    free(plain);
    free(again);
}

static void check_backward(gsg_engine *engine, const setting *s)
{
    const merge_case *c = s->c;
    gradients g = backward(engine, s, 15, false);
    double product[GSG_MERGE_CANDIDATES] = {0}, mean = 0, size = 0;
    for (int32_t j = 0; j < c->count; j++) {
        float *plain = malloc((size_t)s->count * sizeof *plain), *again = aligned_floats(s->layouts[j].count);
        gsg_weights_export(&s->layouts[j], g.candidates[j], plain);
        for (int64_t i = 0; i < s->count; i++) {
            const int64_t at = inner_index(c, j, i);
            if (at < 0)
                continue;
            check_near((double)plain[at], s->p[j] * (double)s->diff_plain[i], 2e-7, "gradient", at);
            product[j] += (double)s->diff_plain[i] * (double)s->plain[j][at];
            size += fabs((double)s->diff_plain[i] * (double)s->plain[j][at]);
        }
        gsg_weights_import(&s->layouts[j], plain, again);
        ck_assert_int_eq(memcmp(g.candidates[j], again, (size_t)s->layouts[j].count * sizeof *again), 0);
        mean += s->p[j] * product[j];
        free(plain);
        free(again);
    }
    for (int32_t j = 0; j < GSG_VECTOR_PAD; j++) {
        const double expected = j < c->count ? s->p[j] * (product[j] - mean) : 0;
        check_near((double)g.logits[j], expected, 1e-9 * size + 1e-7 * fabs(expected), "gradient of logit", j);
    }
    gradients_free(&g);
}

START_TEST(agrees_with_plain_loops)
{
    genseg_context *context = context_of(2);
    gsg_engine *engine = engine_of(context);
    setting s = setting_of(&cases[_i / 2], _i % 2 ? 8 : 16);
    check_forward(engine, &s);
    check_backward(engine, &s);
    setting_free(&s);
    gsg_engine_free(engine);
    gsg_context_release(context);
}
END_TEST

static double inner(const setting *s, const float *dst)
{
    double sum = 0;
    for (int64_t i = 0; i < s->layouts[s->c->count - 1].count; i++)
        sum += (double)dst[i] * (double)s->diff_stored[i];
    return sum;
}

START_TEST(logits_agree_with_differences)
{
    genseg_context *context = context_of(2);
    gsg_engine *engine = engine_of(context);
    setting s = setting_of(&cases[_i], 16);
    gradients g = backward(engine, &s, 15, false);
    for (int32_t j = 0; j < s.c->count; j++) {
        const float old = s.logits[j], step = 1.0f / 64;
        double value[2];
        for (int side = 0; side < 2; side++) {
            s.logits[j] = side ? old - step : old + step;
            float *dst = forward(engine, &s);
            value[side] = inner(&s, dst);
            free(dst);
        }
        s.logits[j] = old;
        const double expected = (value[0] - value[1]) / (2.0 * (double)step);
        // The third derivative leaves its square times the step's; the sums here are below 100.
        check_near((double)g.logits[j], expected, 4e-3 + 1e-3 * fabs(expected), "gradient of logit", j);
    }
    gradients_free(&g);
    setting_free(&s);
    gsg_engine_free(engine);
    gsg_context_release(context);
}
END_TEST

START_TEST(threads_do_not_change_bits)
{
    float *merged[3];
    gradients g[3];
    setting s = setting_of(&cases[_i], 16);
    for (int32_t t = 0; t < 3; t++) {
        genseg_context *context = context_of(t + 1);
        gsg_engine *engine = engine_of(context);
        merged[t] = forward(engine, &s);
        g[t] = backward(engine, &s, 15, t == 2); // the third in place as well
        ck_assert_int_eq(memcmp(merged[0], merged[t], (size_t)s.layouts[s.c->count - 1].count * sizeof(float)), 0);
        ck_assert_int_eq(memcmp(g[0].logits, g[t].logits, GSG_VECTOR_PAD * sizeof(float)), 0);
        for (int32_t j = 0; j < s.c->count; j++)
            ck_assert_int_eq(
                memcmp(g[0].candidates[j], g[t].candidates[j], (size_t)s.layouts[j].count * sizeof(float)), 0);
        gsg_engine_free(engine);
        gsg_context_release(context);
    }
    for (int32_t t = 0; t < 3; t++) {
        free(merged[t]);
        gradients_free(&g[t]);
    }
    setting_free(&s);
}
END_TEST

// Every subset of gradients is the same as in the whole set.
START_TEST(gradients_may_be_left_out)
{
    genseg_context *context = context_of(2);
    gsg_engine *engine = engine_of(context);
    setting s = setting_of(&cases[0], 16);
    gradients all = backward(engine, &s, 15, false);
    for (unsigned wanted = 0; wanted < 15; wanted++) {
        gradients some = backward(engine, &s, wanted, false);
        if (some.logits)
            ck_assert_int_eq(memcmp(all.logits, some.logits, GSG_VECTOR_PAD * sizeof(float)), 0);
        for (int32_t j = 0; j < s.c->count; j++)
            if (some.candidates[j])
                ck_assert_int_eq(memcmp(all.candidates[j], some.candidates[j],
                                        (size_t)s.layouts[j].count * sizeof(float)), 0);
        gradients_free(&some);
    }
    gradients_free(&all);
    setting_free(&s);
    gsg_engine_free(engine);
    gsg_context_release(context);
}
END_TEST

START_TEST(extreme_logits)
{
    genseg_context *context = context_of(1);
    gsg_engine *engine = engine_of(context);
    setting s = setting_of(&cases[0], 16);
    s.logits[0] = 200.0f;
    s.logits[1] = -200.0f;
    s.logits[2] = 0.0f;
    s.p[0] = 1;
    s.p[1] = s.p[2] = 0;
    check_forward(engine, &s);
    check_backward(engine, &s);
    s.logits[1] = NAN;
    float *dst = forward(engine, &s);
    ck_assert(isnan(dst[0]));
    free(dst);
    setting_free(&s);
    gsg_engine_free(engine);
    gsg_context_release(context);
}
END_TEST

START_TEST(refuses_what_does_not_merge)
{
    genseg_context *context = context_of(1);
    gsg_engine *engine = engine_of(context);
    gsg_kernel *kernel = NULL;
    const int64_t shapes[][4] = {{16, 16, 4, 4}, {16, 16, 5, 5}, {16, 32, 6, 6}, {16, 16, 2, 6}};
    gsg_weights first = gsg_weights_blocked(16, gsg_shape_make(4, shapes[0]), 0);
    for (int i = 1; i < 4; i++) {
        gsg_weights second = gsg_weights_blocked(16, gsg_shape_make(4, shapes[i]), 0);
        const gsg_weights *list[2] = {&first, &second};
        ck_assert_int_eq(gsg_merge_forward_new(engine, 2, list, &kernel, &err), GENSEG_ERROR_SHAPE);
        ck_assert_int_eq(gsg_merge_backward_new(engine, 2, list, &kernel, &err), GENSEG_ERROR_SHAPE);
    }
    ck_assert_str_eq(err.message, "kernels 16x16x4x4 and 16x16x2x6 do not merge: one lies not in the other");
    gsg_weights turned = gsg_weights_blocked(16, gsg_shape_make(4, (int64_t[]){16, 16, 6, 6}), 1);
    const gsg_weights *list[2] = {&first, &turned};
    ck_assert_int_eq(gsg_merge_forward_new(engine, 2, list, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_merge_forward_new(engine, 4, list, &kernel, &err), GENSEG_ERROR_INTERNAL);
    ck_assert_int_eq(gsg_merge_forward_new(engine, 0, list, &kernel, &err), GENSEG_ERROR_INTERNAL);
    ck_assert_ptr_null(kernel);
    gsg_engine_free(engine);
    gsg_context_release(context);
}
END_TEST

static genseg_status make_both(genseg_context *ctx, gsg_error *error)
{
    genseg_status status;
    gsg_engine *engine = NULL;
    gsg_kernel *forward_kernel = NULL, *backward_kernel = NULL;
    gsg_weights w = gsg_weights_blocked(16, gsg_shape_make(4, (int64_t[]){16, 16, 4, 4}), 0);
    const gsg_weights *list[1] = {&w};
    GSG_TRY(gsg_engine_new(ctx, &engine, error));
    GSG_TRY(gsg_merge_forward_new(engine, 1, list, &forward_kernel, error));
    GSG_TRY(gsg_merge_backward_new(engine, 1, list, &backward_kernel, error));
done:
    gsg_kernel_free(forward_kernel);
    gsg_kernel_free(backward_kernel);
    gsg_engine_free(engine);
    return status;
}

START_TEST(survives_failing_allocations)
{
    ck_assert_int_ge(faults_sweep(make_both), 3);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("merge");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, agrees_with_plain_loops, 0, 2 * CASES);
    tcase_add_loop_test(tests, logits_agree_with_differences, 0, CASES);
    tcase_add_loop_test(tests, threads_do_not_change_bits, 0, CASES);
    tcase_add_test(tests, gradients_may_be_left_out);
    tcase_add_test(tests, extreme_logits);
    tcase_add_test(tests, refuses_what_does_not_merge);
    tcase_add_test(tests, survives_failing_allocations);
    RUN_TESTS(tests);
}
