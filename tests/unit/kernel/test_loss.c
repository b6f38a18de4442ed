// Reductions and losses against PyTorch (golden_loss.h, made by make_pointwise_loss.py),
// against sums in double, and their gradients against finite differences.

#include "kernel/loss.h"

#include "faults.h"
#include "golden_loss.h"
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

// Layouts of logits, target and gradient.
static const int32_t layouts[][3] = {{1, 1, 1}, {8, 8, 8}, {16, 16, 16}, {16, 1, 16}, {1, 16, 8}};
#define LAYOUTS (int)(sizeof layouts / sizeof layouts[0])

static float *make_target(gsg_shape shape, int32_t soft)
{
    int64_t classes = shape.dims[1], spatial = gsg_shape_spatial(shape), count = gsg_shape_count(shape);
    float *t = calloc((size_t)count, sizeof *t);
    ck_assert_ptr_nonnull(t);
    for (int64_t n = 0; n < shape.dims[0]; ++n)
        for (int64_t s = 0; s < spatial; ++s) {
            uint32_t label = word((uint32_t)(n * spatial + s), 4) % (uint32_t)(classes > 2 ? classes : 2);
            double sum = 0.0;
            for (int64_t c = 0; c < classes; ++c)
                sum += sample((n * classes + c) * spatial + s, 3) * 0.5 + 0.5;
            for (int64_t c = 0; c < classes; ++c) {
                int64_t i = (n * classes + c) * spatial + s;
                double u = sample(i, 3) * 0.5 + 0.5;
                if (soft)
                    t[i] = (float)(classes > 1 ? u / sum : u);
                else
                    t[i] = classes > 1 ? (float)(label == (uint32_t)c) : (float)label;
            }
        }
    return t;
}

// A loss: its kind and its options.
typedef struct loss {
    int32_t dice;
    gsg_dice options;
    const float *weights;
    const float *samples; // weights of the samples
} loss;

static float forward(const loss *l, const operand *logits, const operand *target, gsg_engine *on)
{
    float value = GAP;
    gsg_kernel *kernel = NULL;
    genseg_status status;
    if (l->dice) {
        status = gsg_dice_forward_new(on, &l->options, &logits->desc, &target->desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){logits->data, target->data, (float *)l->samples, &value}, &err);
    } else {
        status = gsg_cross_entropy_forward_new(on, &logits->desc, &target->desc, &kernel, &err);
        kernel_run(status, kernel, &no_run,
                   (float *[]){logits->data, target->data, (float *)l->weights, (float *)l->samples, &value}, &err);
    }
    return value;
}

// diff_target and diff_samples may be NULL.
static void backward_all(const loss *l, const operand *logits, const operand *target, float diff_loss, operand *diff,
                         operand *diff_target, float *diff_samples, gsg_engine *on)
{
    gsg_kernel *kernel = NULL;
    genseg_status status;
    const gsg_desc *own = diff ? &diff->desc : NULL, *of_target = diff_target ? &diff_target->desc : NULL;
    float *out = diff ? diff->data : NULL, *out_target = diff_target ? diff_target->data : NULL;
    float *weights = (float *)l->weights, *samples_of = (float *)l->samples;
    if (l->dice) {
        status = gsg_dice_backward_new(on, &l->options, &logits->desc, &target->desc, own, of_target, &kernel, &err);
        kernel_run(status, kernel, &no_run,
                   (float *[]){logits->data, target->data, samples_of, &diff_loss, out, out_target, diff_samples},
                   &err);
    } else {
        status = gsg_cross_entropy_backward_new(on, &logits->desc, &target->desc, own, of_target, &kernel, &err);
        kernel_run(status, kernel, &no_run,
                   (float *[]){logits->data, target->data, weights, samples_of, &diff_loss, out, out_target,
                               diff_samples},
                   &err);
    }
}

static void backward(const loss *l, const operand *logits, const operand *target, float diff_loss, operand *diff,
                     gsg_engine *on)
{
    backward_all(l, logits, target, diff_loss, diff, NULL, NULL, on);
}

START_TEST(losses_as_pytorch)
{
    const golden_loss *golden = &golden_losses[_i / LAYOUTS];
    const int32_t *blocks = layouts[_i % LAYOUTS];
    gsg_shape shape = golden->shape;
    int64_t count = gsg_shape_count(shape);
    float *z = samples(count, 1, golden->amplitude), *t = make_target(shape, golden->soft);
    float *h = samples(count, 6, 1.0), *out = malloc((size_t)count * sizeof *out), weights[32];
    for (int c = 0; c < 32; ++c)
        weights[c] = c < shape.dims[1] ? (float)(sample(c, 5) * 0.5 + 1.0) : 0.0f;
    loss l = {.dice = golden->dice, .options = {golden->a, golden->b, 1e-5f, 0}};
    l.weights = !golden->dice && golden->b ? weights : NULL;
    operand logits = operand_of(shape, blocks[0], 48, z), target = operand_of(shape, blocks[1], 16, t);
    operand diff = operand_new(shape, blocks[2], 32);

    check_near((double)forward(&l, &logits, &target, engine), golden->loss, 1e-6 * golden->loss, "loss", 0);
    backward(&l, &logits, &target, 0.7f, &diff, engine);
    operand_get(&diff, out);
    double projection = 0.0, size = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        projection += (double)out[i] * (double)h[i];
        size += (double)out[i] * (double)out[i];
    }
    check_near(projection, golden->projection, 1e-5 * sqrt(size), "projection", 0);
    if (golden->diff)
        check_values(out, golden->diff, count, 1e-4, "gradient");
    operand_free(&logits);
    operand_free(&target);
    operand_free(&diff);
    free(z);
    free(t);
    free(h);
    free(out);
}
END_TEST

static const struct {
    int64_t classes;
    int32_t soft;
    loss loss;
} checks[] = {
    {1, 0, {0}},
    {1, 1, {0}},
    {2, 1, {0}},
    {3, 0, {0}},
    {5, 1, {0}},
    {20, 0, {0}},
    {64, 1, {0}},
    {1, 0, {1, {0, 0, 1e-5f, 0}, NULL, NULL}},
    {1, 1, {1, {1, 0, 1e-5f, 0}, NULL, NULL}},
    {2, 0, {1, {0, 0, 1e-5f, 0}, NULL, NULL}},
    {3, 1, {1, {1, 1, 1e-5f, 0}, NULL, NULL}},
    {16, 0, {1, {1, 0, 1.0f, 0}, NULL, NULL}},
    {20, 1, {1, {0, 1, 1e-5f, 0}, NULL, NULL}},
};
#define CHECKS (int)(sizeof checks / sizeof checks[0])

// Along the gradient itself, where the loss changes most.
START_TEST(gradients_by_finite_differences)
{
    gsg_shape shape = shape4(2, checks[_i].classes, 5, 7);
    int64_t count = gsg_shape_count(shape);
    float *z = samples(count, 1, 2.0), *t = make_target(shape, checks[_i].soft), *g = malloc((size_t)count * sizeof *g);
    float weights[64];
    for (int c = 0; c < 64; ++c)
        weights[c] = (float)(sample(c, 5) * 0.5 + 1.0);
    loss l = checks[_i].loss;
    l.weights = l.dice ? NULL : weights;
    operand logits = operand_of(shape, 16, 0, z), target = operand_of(shape, 1, 0, t), diff = operand_new(shape, 16, 0);
    backward(&l, &logits, &target, 1.0f, &diff, engine);
    operand_get(&diff, g);
    double norm = 0.0;
    for (int64_t i = 0; i < count; ++i)
        norm += (double)g[i] * (double)g[i];
    norm = sqrt(norm);
    ck_assert(norm > 0.0);
    double step = 0.1, ends[2];
    for (int k = 0; k < 2; ++k) {
        float *moved = malloc((size_t)count * sizeof *moved);
        for (int64_t i = 0; i < count; ++i)
            moved[i] = (float)((double)z[i] + (k ? -step : step) * (double)g[i] / norm);
        operand_set(&logits, moved);
        ends[k] = (double)forward(&l, &logits, &target, engine);
        free(moved);
    }
    check_near((ends[0] - ends[1]) / (2.0 * step), norm, 1e-3 * norm, "derivative", _i);
    operand_free(&logits);
    operand_free(&target);
    operand_free(&diff);
    free(z);
    free(t);
    free(g);
}
END_TEST

START_TEST(gradients_of_target_and_samples_by_finite_differences)
{
    gsg_shape shape = shape4(3, checks[_i].classes, 5, 7);
    int64_t count = gsg_shape_count(shape);
    float *z = samples(count, 1, 2.0), *t = make_target(shape, 1), *g = malloc((size_t)count * sizeof *g);
    float *only = malloc((size_t)count * sizeof *only), *moved = malloc((size_t)count * sizeof *moved);
    float weights[64], v[16] = {0.3f, 1.7f, 0.6f}, dv[16], dv_only[16], ones[16];
    for (int c = 0; c < 64; ++c)
        weights[c] = (float)(sample(c, 5) * 0.5 + 1.0);
    loss l = checks[_i].loss;
    l.weights = l.dice ? NULL : weights;
    operand logits = operand_of(shape, 16, 0, z), target = operand_of(shape, 8, 16, t);
    operand diff = operand_new(shape, 16, 0), dt = operand_new(shape, 8, 32);

    // Weights of 1 are none; no weight, no loss.
    double plain = (double)forward(&l, &logits, &target, engine);
    for (int n = 0; n < 16; ++n)
        ones[n] = 1.0f;
    l.samples = ones;
    check_near((double)forward(&l, &logits, &target, engine), plain, 1e-6 * plain, "weights of 1", _i);
    l.samples = &v[3];
    ck_assert(forward(&l, &logits, &target, engine) == 0.0f);
    l.samples = v;

    backward_all(&l, &logits, &target, 1.0f, &diff, &dt, dv, engine);
    operand_get(&diff, g);
    backward_all(&l, &logits, &target, 1.0f, NULL, NULL, dv_only, engine);
    ck_assert_mem_eq(dv, dv_only, sizeof dv);
    for (int n = 3; n < 16; ++n)
        ck_assert(dv[n] == 0.0f);
    for (int which = 0; which < 3; ++which) {
        // Along the gradient of logits, of the target, of the weights.
        double norm = 0.0, ends[2];
        const float *from = which ? t : z, *along = g;
        if (which == 1) {
            operand_get(&dt, g);
            operand again = operand_new(shape, 8, 32);
            backward_all(&l, &logits, &target, 1.0f, NULL, &again, NULL, engine);
            operand_get(&again, only);
            ck_assert_mem_eq(g, only, (size_t)count * sizeof *g);
            operand_free(&again);
        } else if (which == 2) {
            from = v;
            along = dv;
        }
        int64_t length = which == 2 ? 3 : count;
        for (int64_t i = 0; i < length; ++i)
            norm += (double)along[i] * (double)along[i];
        norm = sqrt(norm);
        ck_assert(norm > 0.0);
        for (int k = 0; k < 2; ++k) {
            double step = which == 1 ? 0.05 : 0.1;
            for (int64_t i = 0; i < length; ++i)
                moved[i] = (float)((double)from[i] + (k ? -step : step) * (double)along[i] / norm);
            if (which < 2)
                operand_set(which ? &target : &logits, moved);
            loss at = l;
            at.samples = which == 2 ? moved : v;
            ends[k] = (double)forward(&at, &logits, &target, engine) / (2.0 * step);
        }
        check_near(ends[0] - ends[1], norm, 1e-3 * norm, "derivative", which);
        operand_set(&logits, z);
        operand_set(&target, t);
    }
    operand_free(&logits);
    operand_free(&target);
    operand_free(&diff);
    operand_free(&dt);
    free(z);
    free(t);
    free(g);
    free(only);
    free(moved);
}
END_TEST

// Several chunks of several samples, so that threads share the work.
START_TEST(one_and_two_threads_agree_bit_for_bit)
{
    gsg_shape shape = gsg_shape_make(5, (int64_t[]){2, checks[_i].classes > 5 ? 5 : checks[_i].classes, 9, 31, 37});
    int64_t count = gsg_shape_count(shape);
    float *z = samples(count, 1, 5.0), *t = make_target(shape, checks[_i].soft);
    float *out[4], value[2], v[2] = {0.5f, 2.0f}, dv[2][16];
    for (int k = 0; k < 4; ++k)
        out[k] = malloc((size_t)count * sizeof(float));
    loss l = checks[_i].loss;
    l.samples = v;
    operand logits = operand_of(shape, 16, 0, z), target = operand_of(shape, 16, 0, t);
    for (int k = 0; k < 2; ++k) {
        genseg_context *other = context_of(k + 1);
        gsg_engine *on = engine_of(other);
        operand diff = operand_new(shape, 16, 0), dt = operand_new(shape, 16, 0);
        value[k] = forward(&l, &logits, &target, on);
        backward_all(&l, &logits, &target, 1.0f, &diff, &dt, dv[k], on);
        operand_get(&diff, out[k]);
        operand_get(&dt, out[2 + k]);
        operand_free(&diff);
        operand_free(&dt);
        gsg_engine_free(on);
        gsg_context_release(other);
    }
    ck_assert_mem_eq(&value[0], &value[1], sizeof *value);
    ck_assert_mem_eq(out[0], out[1], (size_t)count * sizeof(float));
    ck_assert_mem_eq(out[2], out[3], (size_t)count * sizeof(float));
    ck_assert_mem_eq(dv[0], dv[1], sizeof dv[0]);
    operand_free(&logits);
    operand_free(&target);
    free(z);
    free(t);
    for (int k = 0; k < 4; ++k)
        free(out[k]);
}
END_TEST

// What isn't finite must show: the trainer stops on it.
START_TEST(non_finite_logits_are_not_hidden)
{
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int64_t classes = 1; classes <= 3; classes += 2)
        for (int k = 0; k < 3; ++k)
            for (int64_t at = 0; at < classes; ++at) {
                gsg_shape shape = shape4(1, classes, 4, 5);
                float *z = samples(20 * classes, 1, 2.0), *t = make_target(shape, 0);
                z[at * 20 + 7] = bad[k];
                operand logits = operand_of(shape, _i ? 8 : 1, 0, z), target = operand_of(shape, 1, 0, t);
                loss l = {0};
                ck_assert(!isfinite(forward(&l, &logits, &target, engine)));
                if (isnan(bad[k])) {
                    l = (loss){1, {0, 1, 1e-5f, 0}, NULL, NULL};
                    ck_assert(!isfinite(forward(&l, &logits, &target, engine)));
                }
                operand_free(&logits);
                operand_free(&target);
                free(z);
                free(t);
            }
}
END_TEST

// Nearly certain and right: the loss is tiny, not 0.
START_TEST(small_losses_keep_their_digits)
{
    const float z[] = {20.0f, -1.0f, -3.0f}, t[] = {1.0f, 0.0f, 0.0f};
    loss l = {0};
    operand logits = operand_of(shape4(1, 1, 1, 1), 1, 0, z), target = operand_of(shape4(1, 1, 1, 1), 1, 0, t);
    double expected = log1p(exp(-20.0));
    check_near((double)forward(&l, &logits, &target, engine), expected, 1e-6 * expected, "binary", 0);
    operand_free(&logits);
    operand_free(&target);
    logits = operand_of(shape4(1, 3, 1, 1), 1, 0, z);
    target = operand_of(shape4(1, 3, 1, 1), 1, 0, t);
    expected = log1p(exp(-21.0) + exp(-23.0));
    check_near((double)forward(&l, &logits, &target, engine), expected, 1e-6 * expected, "of classes", 0);
    operand_free(&logits);
    operand_free(&target);
}
END_TEST

START_TEST(nothing_to_learn_from)
{
    gsg_shape shape = shape4(2, 3, 4, 5);
    int64_t count = gsg_shape_count(shape);
    float *z = samples(count, 1, 2.0), *t = make_target(shape, 0), out[120];
    const float zero[3] = {0};
    operand logits = operand_of(shape, 8, 0, z), target = operand_of(shape, 8, 0, t), diff = operand_new(shape, 8, 0);
    loss l = {.weights = zero};
    ck_assert(forward(&l, &logits, &target, engine) == 0.0f);
    backward(&l, &logits, &target, 1.0f, &diff, engine);
    operand_get(&diff, out);
    for (int64_t i = 0; i < count; ++i)
        require(out[i] == 0.0f, "gradient", i);
    operand_free(&logits);
    operand_free(&target);
    operand_free(&diff);

    // Dice of two empty masks without smoothing: they agree.
    shape = shape4(2, 1, 4, 5);
    for (int64_t i = 0; i < 40; ++i) {
        z[i] = -200.0f;
        t[i] = 0.0f;
    }
    logits = operand_of(shape, 1, 0, z);
    target = operand_of(shape, 1, 0, t);
    diff = operand_new(shape, 1, 0);
    l = (loss){1, {1, 0, 0.0f, 0}, NULL, NULL};
    ck_assert(forward(&l, &logits, &target, engine) == 0.0f);
    backward(&l, &logits, &target, 1.0f, &diff, engine);
    operand_get(&diff, out);
    for (int64_t i = 0; i < 40; ++i)
        require(out[i] == 0.0f, "gradient", i);
    operand_free(&logits);
    operand_free(&target);
    operand_free(&diff);
    free(z);
    free(t);
}
END_TEST

// A binary mask in one channel, or as two: the same Dice of the foreground.
START_TEST(one_channel_and_two_agree)
{
    gsg_shape one = shape4(2, 1, 4, 5), two = shape4(2, 2, 4, 5);
    float *z = samples(40, 1, 2.0), *t = make_target(one, 0), z2[80] = {0}, t2[80];
    for (int64_t n = 0; n < 2; ++n)
        for (int64_t s = 0; s < 20; ++s) {
            z2[(2 * n + 1) * 20 + s] = z[n * 20 + s]; // the background's logit is 0
            t2[(2 * n + 1) * 20 + s] = t[n * 20 + s];
            t2[2 * n * 20 + s] = 1.0f - t[n * 20 + s];
        }
    operand a = operand_of(one, 1, 0, z), b = operand_of(one, 1, 0, t);
    operand a2 = operand_of(two, 8, 0, z2), b2 = operand_of(two, 1, 0, t2);
    const loss both[] = {{0}, {1, {1, 0, 1e-5f, 0}, NULL, NULL}};
    for (int k = 0; k < 2; ++k) {
        double value = (double)forward(&both[k], &a, &b, engine);
        check_near((double)forward(&both[k], &a2, &b2, engine), value, 1e-6 * value, "loss", k);
    }
    operand_free(&a);
    operand_free(&b);
    operand_free(&a2);
    operand_free(&b2);
    free(z);
    free(t);
}
END_TEST

typedef genseg_status (*pair_new)(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, gsg_kernel **kernel,
                                  gsg_error *err);
typedef genseg_status (*pair_diff_new)(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, const gsg_desc *diff,
                                       gsg_kernel **kernel, gsg_error *err);

START_TEST(differences_as_pytorch)
{
    const pair_new forwards[] = {gsg_l1_forward_new, gsg_mse_forward_new};
    const pair_diff_new backwards[] = {gsg_l1_backward_new, gsg_mse_backward_new};
    const double values[] = {golden_l1, golden_mse}, *diffs[] = {golden_l1_diff, golden_mse_diff};
    gsg_shape shape = shape4(2, 5, 3, 5);
    float *va = samples(150, 1, 1.0), *vb = samples(150, 2, 1.0), out[150], value, diff_loss = 0.7f;
    for (int k = 0; k < 2; ++k) {
        operand a = operand_of(shape, layouts[_i][0], 16, va), b = operand_of(shape, layouts[_i][1], 0, vb);
        operand diff = operand_new(shape, layouts[_i][2], 48);
        gsg_kernel *kernel = NULL;
        genseg_status status = forwards[k](engine, &a.desc, &b.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){a.data, b.data, &value}, &err);
        check_near((double)value, values[k], 1e-6 * values[k], "loss", k);
        status = backwards[k](engine, &a.desc, &b.desc, &diff.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){a.data, b.data, &diff_loss, diff.data}, &err);
        operand_get(&diff, out);
        check_values(out, diffs[k], 150, 1e-5, "gradient");
        operand_free(&a);
        operand_free(&b);
        operand_free(&diff);
    }
    free(va);
    free(vb);
}
END_TEST

START_TEST(l1_gradient_is_0_at_ties)
{
    const float va[] = {1.0f, 2.0f, -3.0f, NAN}, vb[] = {1.0f, -2.0f, 3.0f, 0.0f};
    gsg_shape shape = shape4(1, 1, 1, 4);
    operand a = operand_of(shape, 1, 0, va), b = operand_of(shape, 1, 0, vb), diff = operand_new(shape, 1, 0);
    float diff_loss = 4.0f, out[4];
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_l1_backward_new(engine, &a.desc, &b.desc, &diff.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){a.data, b.data, &diff_loss, diff.data}, &err);
    operand_get(&diff, out);
    ck_assert(out[0] == 0.0f && out[1] == 1.0f && out[2] == -1.0f && isnan(out[3]));
    operand_free(&a);
    operand_free(&b);
    operand_free(&diff);
}
END_TEST

// Long enough for many chunks; sums of terms of both signs.
START_TEST(sums_in_all_layouts)
{
    gsg_shape shape = shape4(2, 21, 71, 73);
    int64_t count = gsg_shape_count(shape);
    float *va = samples(count, 1, 1.0), *vb = samples(count, 2, 1.0);
    double sum = 0.0, dot = 0.0, l1 = 0.0, mse = 0.0;
    for (int64_t i = 0; i < count; ++i) {
        double a = (double)va[i], b = (double)vb[i];
        sum += a;
        dot += a * b;
        l1 += fabs(a - b) / (double)count;
        mse += (a - b) * (a - b) / (double)count;
    }
    operand a = operand_of(shape, layouts[_i][0], 16, va), b = operand_of(shape, layouts[_i][1], 0, vb);
    float first[4];
    for (int32_t threads = 2; threads >= 1; --threads) {
        genseg_context *other = context_of(threads);
        gsg_engine *on = engine_of(other);
        gsg_kernel *kernel = NULL;
        float value[4];
        genseg_status status = gsg_sum_new(on, -2.0f, &a.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){a.data, &value[0]}, &err);
        status = gsg_dot_new(on, 3.0f, &a.desc, &b.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){a.data, b.data, &value[1]}, &err);
        status = gsg_l1_forward_new(on, &a.desc, &b.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){a.data, b.data, &value[2]}, &err);
        status = gsg_mse_forward_new(on, &a.desc, &b.desc, &kernel, &err);
        kernel_run(status, kernel, &no_run, (float *[]){a.data, b.data, &value[3]}, &err);
        check_near((double)value[0], -2.0 * sum, 1e-6 * fabs(sum), "sum", 0);
        check_near((double)value[1], 3.0 * dot, 1e-6 * fabs(dot), "dot", 0);
        check_near((double)value[2], l1, 1e-6 * l1, "l1", 0);
        check_near((double)value[3], mse, 1e-6 * mse, "mse", 0);
        if (threads == 2)
            memcpy(first, value, sizeof first);
        ck_assert_mem_eq(first, value, sizeof first);
        gsg_engine_free(on);
        gsg_context_release(other);
    }
    operand_free(&a);
    operand_free(&b);
    free(va);
    free(vb);
}
END_TEST

START_TEST(fill_is_the_gradient_of_the_sum)
{
    gsg_shape shape = shape4(2, 21, 7, 9);
    operand dst = operand_new(shape, layouts[_i][0], 16);
    float *out = malloc((size_t)gsg_shape_count(shape) * sizeof *out), diff = -0.5f;
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_fill_new(engine, 3.0f, &dst.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){&diff, dst.data}, &err);
    operand_get(&dst, out);
    for (int64_t i = 0; i < gsg_shape_count(shape); ++i)
        require(out[i] == -1.5f, "element", i);
    operand_free(&dst);
    free(out);
}
END_TEST

// Against plain sums; of the samples one is all zeros.
START_TEST(unit_penalty_in_all_layouts)
{
    const int32_t *blocks = layouts[_i];
    gsg_shape shape = gsg_shape_make(4, (int64_t[]){3, 19, 37, 29});
    const int64_t count = gsg_shape_count(shape), each = count / 3;
    float *x = samples(count, 7, 0.02), *got = malloc((size_t)count * sizeof *got), value = GAP, diff_loss = 0.7f;
    double length[3] = {0}, expected = 0;
    memset(x + each, 0, (size_t)each * sizeof *x);
    for (int64_t i = 0; i < count; ++i)
        length[i / each] += (double)x[i] * (double)x[i];
    for (int n = 0; n < 3; ++n) {
        length[n] = sqrt(length[n]);
        expected += (length[n] - 1.0) * (length[n] - 1.0) / 3.0;
    }
    operand src = operand_of(shape, blocks[0], 48, x), diff = operand_new(shape, blocks[1], 32);
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_unit_penalty_forward_new(engine, &src.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){src.data, &value}, &err);
    check_near((double)value, expected, 1e-6 * expected, "penalty", 0);
    status = gsg_unit_penalty_backward_new(engine, &src.desc, &diff.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){src.data, &diff_loss, diff.data}, &err);
    operand_get(&diff, got);
    for (int64_t i = 0; i < count; ++i) {
        double l = length[i / each], slope = l > 0.0 ? 0.7 * 2.0 / 3.0 * (l - 1.0) / l * (double)x[i] : 0.0;
        check_near((double)got[i], slope, 1e-6 * fabs(slope), "gradient", i);
    }
    // In place.
    status = gsg_unit_penalty_backward_new(engine, &src.desc, &src.desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){src.data, &diff_loss, src.data}, &err);
    operand_get(&src, x);
    ck_assert_mem_eq(x, got, (size_t)count * sizeof *x);
    operand_free(&src);
    operand_free(&diff);
    free(x);
    free(got);
}
END_TEST

START_TEST(wrong_arguments)
{
    gsg_desc a = gsg_desc_plain(shape4(2, 3, 4, 5)), b = gsg_desc_plain(shape4(2, 2, 4, 5));
    gsg_desc vector = gsg_desc_plain(gsg_shape_make(1, (int64_t[]){7}));
    gsg_dice options = {0, 0, -1.0f, 0}, good = {0, 0, 1.0f, 0};
    gsg_kernel *kernel = NULL;
    ck_assert_int_eq(gsg_cross_entropy_forward_new(engine, &a, &b, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_str_eq(err.message, "cross entropy: shapes 2x3x4x5 and 2x2x4x5 differ");
    ck_assert_int_eq(gsg_cross_entropy_backward_new(engine, &a, &a, &b, NULL, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_cross_entropy_backward_new(engine, &a, &a, NULL, &b, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_cross_entropy_forward_new(engine, &vector, &vector, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_dice_forward_new(engine, &options, &a, &a, &kernel, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "dice: smooth -1 is below 0");
    ck_assert_int_eq(gsg_dice_backward_new(engine, &good, &a, &a, &b, NULL, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_dice_backward_new(engine, &good, &a, &a, NULL, &b, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_dot_new(engine, 1.0f, &a, &b, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_unit_penalty_backward_new(engine, &a, &b, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_str_eq(err.message, "unit penalty backward: shapes 2x3x4x5 and 2x2x4x5 differ");
    ck_assert_ptr_null(kernel);
}
END_TEST

static genseg_status make_all(genseg_context *on, gsg_error *error)
{
    gsg_desc a = gsg_desc_plain(shape4(2, 3, 4, 5));
    gsg_dice options = {0, 0, 1.0f, 0};
    gsg_engine *made = NULL;
    gsg_kernel *kernels[4] = {NULL};
    genseg_status status;
    GSG_TRY(gsg_engine_new(on, &made, error));
    GSG_TRY(gsg_sum_new(made, 1.0f, &a, &kernels[0], error));
    GSG_TRY(gsg_l1_backward_new(made, &a, &a, &a, &kernels[1], error));
    GSG_TRY(gsg_cross_entropy_forward_new(made, &a, &a, &kernels[2], error));
    GSG_TRY(gsg_dice_backward_new(made, &options, &a, &a, &a, &a, &kernels[3], error));
done:
    for (int k = 0; k < 4; ++k)
        gsg_kernel_free(kernels[k]);
    gsg_engine_free(made);
    return status;
}

START_TEST(exhausted_memory)
{
    ck_assert_int_eq(faults_sweep(make_all), 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loss");
    TCase *tests = tcase_create("loss");
    tcase_add_unchecked_fixture(tests, open_engine, close_engine);
    tcase_add_loop_test(tests, losses_as_pytorch, 0, (int)(sizeof golden_losses / sizeof *golden_losses) * LAYOUTS);
    tcase_add_loop_test(tests, gradients_by_finite_differences, 0, CHECKS);
    tcase_add_loop_test(tests, one_and_two_threads_agree_bit_for_bit, 0, CHECKS);
    tcase_add_loop_test(tests, gradients_of_target_and_samples_by_finite_differences, 0, CHECKS);
    tcase_add_loop_test(tests, non_finite_logits_are_not_hidden, 0, 2);
    tcase_add_test(tests, small_losses_keep_their_digits);
    tcase_add_test(tests, nothing_to_learn_from);
    tcase_add_test(tests, one_channel_and_two_agree);
    tcase_add_loop_test(tests, differences_as_pytorch, 0, LAYOUTS);
    tcase_add_test(tests, l1_gradient_is_0_at_ties);
    tcase_add_loop_test(tests, sums_in_all_layouts, 0, LAYOUTS);
    tcase_add_loop_test(tests, fill_is_the_gradient_of_the_sum, 0, LAYOUTS);
    tcase_add_loop_test(tests, unit_penalty_in_all_layouts, 0, LAYOUTS);
    tcase_add_test(tests, wrong_arguments);
    tcase_add_test(tests, exhausted_memory);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
