// Adversarial losses against plain formulas, and the gradient penalty: its value against difference quotients of the
// score, its gradients for every parameter (a reverse pass through a reverse pass) against differences.
#include "nn/adversarial.h"

#include <math.h>

#include "core/rng.h"
#include "faults.h"
#include "graph/plan.h"
#include "nn/layers.h"

#define MOST 32
#define STEPS 5

static void fill(float *data, int64_t count, double scale, uint32_t stream)
{
    gsg_rng rng;
    gsg_rng_init(&rng, 11, GSG_STREAM_USER + stream, 0);
    for (int64_t i = 0; i < count; i++)
        data[i] = (float)(scale * gsg_rng_normal(&rng));
}

static genseg_context *context_new(void)
{
    gsg_error err = {0};
    genseg_context *context;
    genseg_context_options options = {.struct_size = sizeof options, .threads = 1, .seed = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    return context;
}

// ---- the three losses

static const float logits_of[] = {-1000.0f, -30.0f, -2.5f, -0.0f, 0.0f, 0.75f, 1.0f, 4.0f, 60.0f, 1000.0f, -1e-6f, 0.3f};
#define LOGITS (int)(sizeof logits_of / sizeof logits_of[0])

static double formula(gsg_adversarial kind, int32_t real, double z, double *slope)
{
    const double target = real ? 1.0 : 0.0;
    switch (kind) {
    case GSG_ADVERSARIAL_VANILLA:
        *slope = 1.0 / (1.0 + exp(-z)) - target;
        return fmax(z, 0.0) - z * target + log1p(exp(-fabs(z)));
    case GSG_ADVERSARIAL_LSGAN:
        *slope = 2.0 * (z - target);
        return (z - target) * (z - target);
    default:
        *slope = real ? -1.0 : 1.0;
        return real ? -z : z;
    }
}

START_TEST(losses_as_their_formulas)
{
    const gsg_adversarial kind = (gsg_adversarial)(1 + _i / 2);
    const int32_t real = _i % 2;
    gsg_error err = {0};
    gsg_graph *graph;
    gsg_plan *plan;
    gsg_value diff;
    genseg_context *context = context_new();
    ck_assert_int_eq(gsg_graph_new(context, NULL, &graph, &err), GENSEG_OK);
    gsg_value logits = gsg_op_input(graph, "logits", gsg_shape_make(4, (int64_t[]){2, 1, 2, LOGITS / 4}));
    gsg_value loss = gsg_nn_adversarial(graph, logits, kind, real);
    ck_assert_int_eq(gsg_graph_gradient(graph, &loss, NULL, 1, &logits, 1, &diff, &err), GENSEG_OK);
    gsg_value outputs[2] = {loss, diff};
    gsg_plan_options options = {.outputs = outputs, .output_count = 2};
    ck_assert_int_eq(gsg_plan_new(graph, &options, &plan, &err), GENSEG_OK);
    memcpy(gsg_plan_data(plan, logits), logits_of, sizeof logits_of);
    ck_assert_int_eq(gsg_plan_run(plan, &(gsg_run){0}, &err), GENSEG_OK);
    double expected = 0, slope;
    for (int i = 0; i < LOGITS; i++)
        expected += formula(kind, real, (double)logits_of[i], &slope) / LOGITS;
    ck_assert_double_eq_tol((double)*gsg_plan_data(plan, loss), expected, 1e-6 * fabs(expected));
    for (int i = 0; i < LOGITS; i++) {
        formula(kind, real, (double)logits_of[i], &slope);
        ck_assert_double_eq_tol((double)gsg_plan_data(plan, diff)[i], slope / LOGITS,
                                1e-6 * fabs(slope) / LOGITS + 1e-16);
    }
    gsg_plan_free(plan);
    gsg_graph_free(graph);
    gsg_context_release(context);
}
END_TEST

START_TEST(refuses_what_is_no_logit)
{
    gsg_error err = {0};
    gsg_graph *graph;
    genseg_context *context = context_new();
    ck_assert_int_eq(gsg_graph_new(context, NULL, &graph, &err), GENSEG_OK);
    gsg_value two = gsg_op_input(graph, "two", gsg_shape_make(4, (int64_t[]){1, 2, 3, 3}));
    ck_assert_int_eq(gsg_nn_adversarial(graph, two, GSG_ADVERSARIAL_VANILLA, 1), GSG_NONE);
    ck_assert_int_eq(gsg_graph_status(graph, &err), GENSEG_ERROR_SHAPE);
    gsg_graph_free(graph);
    ck_assert_int_eq(gsg_graph_new(context, NULL, &graph, &err), GENSEG_OK);
    gsg_value one = gsg_op_input(graph, "one", gsg_shape_make(4, (int64_t[]){1, 1, 3, 3}));
    ck_assert_int_eq(gsg_nn_adversarial(graph, one, (gsg_adversarial)9, 1), GSG_NONE);
    ck_assert_int_eq(gsg_graph_status(graph, &err), GENSEG_ERROR_INVALID);
    gsg_graph_free(graph);
    gsg_context_release(context);
}
END_TEST

// ---- the gradient penalty

static gsg_value relu(gsg_graph *g, gsg_value x)
{
    return gsg_op_activation(g, x, GSG_ACT_RELU, 0.2f);
}

static gsg_value critic(gsg_graph *g, gsg_value x, int32_t spatial, int64_t width)
{
    const gsg_conv halve = gsg_nn_square(spatial, 4, 2, 1, 0), flat = gsg_nn_square(spatial, 4, 1, 1, 0);
    gsg_value a = relu(g, gsg_nn_conv(g, "a", x, width, &halve, 1));
    gsg_value b = relu(g, gsg_nn_conv(g, "b", a, 2 * width, &flat, 1));
    return gsg_nn_conv(g, "c", b, 1, &flat, 1);
}

static gsg_value critic_2d(gsg_graph *g, gsg_value mask, gsg_value image)
{
    return critic(g, gsg_op_concat(g, mask, image), 2, 4);
}

static gsg_value critic_3d(gsg_graph *g, gsg_value mask, gsg_value image)
{
    return critic(g, gsg_op_concat(g, image, mask), 3, 8);
}

// What else is differentiated twice: skips joined at and off a block's border, a value used twice, a transposed
// convolution, a 1x1 one, sums, factors.
static gsg_value critic_joined(gsg_graph *g, gsg_value mask, gsg_value image)
{
    const gsg_conv halve = gsg_nn_square(2, 4, 2, 1, 0), twice = gsg_nn_square(2, 4, 2, 1, 1);
    const gsg_conv same = gsg_nn_square(2, 3, 1, 1, 0), point = gsg_nn_square(2, 1, 1, 0, 0);
    gsg_value x = gsg_op_concat(g, mask, image);
    gsg_value a = relu(g, gsg_nn_conv(g, "a", x, 16, &same, 1));
    gsg_value b = relu(g, gsg_nn_conv(g, "b", a, 20, &halve, 1));
    gsg_value c = relu(g, gsg_nn_conv(g, "c", b, 7, &twice, 1));
    gsg_value d = gsg_op_concat(g, gsg_op_concat(g, a, c), image);
    gsg_value e = relu(g, gsg_nn_conv(g, "d", d, 16, &same, 1));
    gsg_value f = gsg_op_add(g, e, a); // computed again in the reverse pass, as e and a are kept
    return gsg_op_scale(g, gsg_nn_conv(g, "e", f, 1, &point, 1), 0.5f, GSG_NONE);
}

typedef gsg_value (*critic_fn)(gsg_graph *graph, gsg_value mask, gsg_value image);

typedef struct bench {
    genseg_context *context;
    gsg_params *params;
    gsg_graph *graph;
    gsg_plan *plan;
    gsg_value mask, images[3], score, penalty, loss;
    gsg_value wrt[MOST], gradients[MOST];
    int32_t index[MOST], count;
    float *collected[MOST];
} bench;

static genseg_status collect(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    bench *b = user;
    for (int32_t i = 0; i < b->count; i++)
        if (b->index[i] == param)
            memcpy(b->collected[i], gradient, (size_t)b->params->items[param].layout.count * sizeof(float));
    return GENSEG_OK;
}

// The loss of a Wasserstein critic on real, generated and mixed images. `early`: the penalty, and with it a reverse
// pass, comes before the other images' forward passes.
static genseg_status build(bench *b, genseg_context *context, critic_fn network, gsg_shape shape, int64_t masks,
                           int32_t keep_all, int32_t early, gsg_error *err)
{
    genseg_status status;
    gsg_shape mask = shape;
    mask.dims[1] = masks;
    *b = (bench){.context = context};
    GSG_TRY(gsg_params_new(context, &b->params, err));
    GSG_TRY(gsg_graph_new(context, b->params, &b->graph, err));
    b->mask = gsg_op_input(b->graph, "mask", mask);
    gsg_value scores[3];
    for (int i = 0; i < 3; i++)
        b->images[i] = gsg_op_input(b->graph, "image", shape);
    b->score = scores[2] = network(b->graph, b->mask, b->images[2]);
    if (early)
        b->penalty = gsg_nn_gradient_penalty(b->graph, b->score, b->images[2]);
    for (int i = 0; i < 2; i++)
        scores[i] = network(b->graph, b->mask, b->images[i]);
    // Half of one: else the last bias cancels out.
    gsg_value generated = gsg_op_scale(b->graph, gsg_nn_adversarial(b->graph, scores[1], GSG_ADVERSARIAL_WGAN, 0), 0.5f,
                                       GSG_NONE);
    gsg_value judged =
        gsg_op_add(b->graph, gsg_nn_adversarial(b->graph, scores[0], GSG_ADVERSARIAL_WGAN, 1), generated);
    if (!early)
        b->penalty = gsg_nn_gradient_penalty(b->graph, b->score, b->images[2]);
    b->loss = gsg_op_add(b->graph, judged, gsg_op_scale(b->graph, b->penalty, 10.0f, GSG_NONE));
    GSG_TRY(gsg_graph_status(b->graph, err));
    b->count = gsg_graph_trainable(b->graph, b->wrt, b->index);
    GSG_TRY(gsg_graph_gradient(b->graph, &b->loss, NULL, 1, b->wrt, b->count, b->gradients, err));
    gsg_value outputs[3] = {b->score, b->penalty, b->loss};
    gsg_plan_options options = {.outputs = outputs, .output_count = 3, .gradient_count = b->count,
                                .gradients = b->gradients, .params = b->index, .keep_all = keep_all};
    GSG_TRY(gsg_plan_new(b->graph, &options, &b->plan, err));
done:
    return status;
}

// With large biases of both signs every channel stays on one side of its activation's kink, where differences are exact
// but for rounding: at the kink the slope of the score jumps, which no gradient tells (nor PyTorch's). How it varies
// within a channel is compared with PyTorch (test_discriminator.c).
static void fill_all(bench *b, gsg_shape shape)
{
    for (int32_t i = 0; i < b->count; i++) {
        gsg_param *p = &b->params->items[b->index[i]];
        int64_t n = gsg_shape_count(p->layout.shape), fan = n / p->layout.shape.dims[0];
        float *plain = malloc((size_t)n * sizeof *plain);
        fill(plain, n, p->kind == GSG_PARAM_VECTOR ? 0.2 : 0.3 / sqrt((double)fan), (uint32_t)i);
        for (int64_t j = 0; p->kind == GSG_PARAM_VECTOR && j < n; j++)
            plain[j] += j % 2 ? -6.0f : 6.0f;
        gsg_param_import(p, plain);
        free(plain);
        b->collected[i] = calloc((size_t)p->layout.count, sizeof(float));
    }
    fill(gsg_plan_data(b->plan, b->mask), gsg_shape_count(gsg_graph_shape(b->graph, b->mask)), 1.0, 50);
    for (uint32_t i = 0; i < 3; i++)
        fill(gsg_plan_data(b->plan, b->images[i]), gsg_shape_count(shape), 1.0, 51 + i);
    gsg_plan_set_sink(b->plan, collect, b);
}

static void destroy(bench *b)
{
    for (int32_t i = 0; i < b->count; i++)
        free(b->collected[i]);
    gsg_plan_free(b->plan);
    gsg_graph_free(b->graph);
    gsg_params_free(b->params);
}

static double run(bench *b)
{
    gsg_error err = {0};
    ck_assert_msg(gsg_plan_run(b->plan, &(gsg_run){0}, &err) == GENSEG_OK, "%s", err.message);
    return (double)*gsg_plan_data(b->plan, b->loss);
}

static double sum_of_sample(const bench *b, int64_t n)
{
    const int64_t count = gsg_shape_spatial(gsg_graph_shape(b->graph, b->score));
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)gsg_plan_data(b->plan, b->score)[n * count + i];
    return sum;
}

// The slope of each sample's score by differences, element by element of the image.
static void check_value(bench *b, gsg_shape shape)
{
    const int64_t N = shape.dims[0], each = gsg_shape_count(shape) / N;
    float *image = gsg_plan_data(b->plan, b->images[2]);
    double square[4] = {0}, plus[4], expected = 0;
    for (int64_t i = 0; i < each; i++) {
        double slope[4] = {0};
        float old[4];
        for (int side = 0; side < 2; side++) {
            for (int64_t n = 0; n < N; n++) {
                old[n] = side ? old[n] : image[n * each + i];
                image[n * each + i] = old[n] + (side ? -0.25f : 0.25f);
            }
            run(b);
            for (int64_t n = 0; n < N; n++)
                if (side)
                    slope[n] = 2.0 * (plus[n] - sum_of_sample(b, n));
                else
                    plus[n] = sum_of_sample(b, n);
        }
        for (int64_t n = 0; n < N; n++) {
            image[n * each + i] = old[n];
            square[n] += slope[n] * slope[n];
        }
    }
    for (int64_t n = 0; n < N; n++)
        expected += (sqrt(square[n]) - 1) * (sqrt(square[n]) - 1) / (double)N;
    run(b);
    ck_assert_double_eq_tol((double)*gsg_plan_data(b->plan, b->penalty), expected, 1e-4 * expected);
}

// Derivative along a direction near the gradient, of which rounding takes least.
static void check_direction(bench *b, int32_t i, double tolerance)
{
    const gsg_param *p = &b->params->items[b->index[i]];
    const int64_t count = p->layout.count;
    float *direction = malloc((size_t)count * sizeof *direction), *old = malloc((size_t)count * sizeof *old);
    double gg = 0, dd = 0, expected = 0, error = 1, measured = 0;
    run(b);
    const float *g = b->collected[i];
    memcpy(old, p->data, (size_t)count * sizeof *old);
    fill(direction, count, 1.0, 90);
    for (int64_t j = 0; j < count; j++)
        gg += (double)g[j] * (double)g[j];
    ck_assert_msg(gg > 0, "%s: gradient is zero", p->name);
    const double norm = sqrt(gg / (double)count);
    for (int64_t j = 0; j < count; j++) {
        direction[j] = g[j] == 0.0f ? 0.0f : (float)((double)g[j] / norm + 0.3 * (double)direction[j]);
        expected += (double)g[j] * (double)direction[j];
        dd += (double)direction[j] * (double)direction[j];
    }
    double step = fmin(2e-2 / expected, 0.05 / sqrt(dd));
    for (int k = 0; k < STEPS; k++, step *= 0.5) {
        double value[2];
        for (int side = 0; side < 2; side++) {
            for (int64_t j = 0; j < count; j++)
                p->data[j] = old[j] + (float)((side ? -step : step) * (double)direction[j]);
            value[side] = run(b);
        }
        memcpy(p->data, old, (size_t)count * sizeof *old);
        double quotient = (value[0] - value[1]) / (2 * step);
        measured = fabs(quotient - expected) < fabs(measured - expected) ? quotient : measured;
        error = fmin(error, fabs(quotient - expected) / expected);
    }
    ck_assert_msg(error < tolerance, "%s: %g by differences, %g by the reverse pass", p->name, measured, expected);
    free(direction);
    free(old);
}

static void check_critic(critic_fn network, gsg_shape shape, int64_t masks, int32_t early)
{
    bench b, kept;
    gsg_error err = {0};
    genseg_context *context = context_new();
    ck_assert_msg(build(&b, context, network, shape, masks, 0, early, &err) == GENSEG_OK, "%s", err.message);
    ck_assert_msg(build(&kept, context, network, shape, masks, 1, early, &err) == GENSEG_OK, "%s", err.message);
    fill_all(&b, shape);
    fill_all(&kept, shape);
    double value = run(&b);
    ck_assert(isfinite(value));
    ck_assert(run(&kept) == value);
    for (int32_t i = 0; i < b.count; i++) {
        const gsg_param *p = &b.params->items[b.index[i]];
        ck_assert_msg(memcmp(b.collected[i], kept.collected[i], (size_t)p->layout.count * sizeof(float)) == 0,
                      "%s differs where values are kept", p->name);
    }
    destroy(&kept);
    check_value(&b, shape);
    for (int32_t i = 0; i < b.count; i++)
        check_direction(&b, i, 3e-3);
    destroy(&b);
    ck_assert_uint_eq(context->memory, 0);
    gsg_context_release(context);
}

START_TEST(penalty_in_2d)
{
    check_critic(critic_2d, gsg_shape_make(4, (int64_t[]){2, 1, 10, 8}), 3, 0);
}
END_TEST

START_TEST(penalty_of_plain_channels)
{
    check_critic(critic_2d, gsg_shape_make(4, (int64_t[]){3, 2, 8, 8}), 1, 0);
}
END_TEST

START_TEST(penalty_in_3d)
{
    check_critic(critic_3d, gsg_shape_make(5, (int64_t[]){2, 1, 6, 8, 6}), 2, 1);
}
END_TEST

START_TEST(penalty_behind_joins)
{
    check_critic(critic_joined, gsg_shape_make(4, (int64_t[]){2, 4, 8, 8}), 2, _i);
}
END_TEST

// All weights zero: the slope is zero, and so is what can be learnt from it.
START_TEST(penalty_of_a_flat_critic)
{
    bench b;
    gsg_error err = {0};
    genseg_context *context = context_new();
    const gsg_shape shape = gsg_shape_make(4, (int64_t[]){2, 1, 8, 8});
    ck_assert_int_eq(build(&b, context, critic_2d, shape, 1, 0, 0, &err), GENSEG_OK);
    fill_all(&b, shape);
    for (int32_t i = 0; i < b.count; i++)
        memset(b.params->items[b.index[i]].data, 0,
               (size_t)b.params->items[b.index[i]].layout.count * sizeof(float));
    ck_assert_double_eq(run(&b), 10.0);
    for (int32_t i = 0; i < b.count; i++) {
        const gsg_param *p = &b.params->items[b.index[i]];
        for (int64_t j = 0; j < p->layout.count && strcmp(p->name, "c.bias") != 0; j++)
            ck_assert(b.collected[i][j] == 0.0f);
    }
    destroy(&b);
    gsg_context_release(context);
}
END_TEST

static gsg_value normalised(gsg_graph *g, gsg_value mask, gsg_value image)
{
    const gsg_conv same = gsg_nn_square(2, 3, 1, 1, 0);
    gsg_value a = gsg_nn_conv(g, "a", gsg_op_concat(g, mask, image), 4, &same, 0);
    return gsg_nn_conv(g, "c", gsg_nn_batch_norm(g, "b", a, 0.2f), 1, &same, 1);
}

static gsg_value bent(gsg_graph *g, gsg_value mask, gsg_value image)
{
    const gsg_conv same = gsg_nn_square(2, 3, 1, 1, 0);
    gsg_value a = gsg_nn_conv(g, "a", gsg_op_concat(g, mask, image), 4, &same, 0);
    return gsg_nn_conv(g, "c", gsg_op_activation(g, a, GSG_ACT_TANH, 0), 1, &same, 1);
}

static gsg_value pooled(gsg_graph *g, gsg_value mask, gsg_value image)
{
    const gsg_conv same = gsg_nn_square(2, 3, 1, 1, 0);
    const gsg_pool pool = {.spatial = 2, .kernel = {2, 2}, .stride = {2, 2}};
    gsg_value a = gsg_nn_conv(g, "a", gsg_op_concat(g, mask, image), 4, &same, 0);
    return gsg_nn_conv(g, "c", gsg_op_max_pool(g, a, &pool), 1, &same, 1);
}

static gsg_value blind(gsg_graph *g, gsg_value mask, gsg_value image)
{
    const gsg_conv same = gsg_nn_square(2, 3, 1, 1, 0);
    return gsg_nn_conv(g, "a", mask, 1, &same, 1);
}

START_TEST(refuses_what_it_cannot_differentiate_twice)
{
    static const struct {
        critic_fn network;
        genseg_status status;
        const char *message;
    } cases[] = {
        {normalised, GENSEG_ERROR_UNSUPPORTED, "norm backward has no gradient"},
        {bent, GENSEG_ERROR_UNSUPPORTED, "activation backward has no gradient, but that of ReLU"},
        {pooled, GENSEG_ERROR_UNSUPPORTED, "max pool backward has no gradient"},
        {blind, GENSEG_ERROR_INVALID, "gradient penalty: the score does not depend on x"},
    };
    bench b;
    gsg_error err = {0};
    genseg_context *context = context_new();
    const gsg_shape shape = gsg_shape_make(4, (int64_t[]){2, 1, 8, 8});
    ck_assert_int_eq(build(&b, context, cases[_i].network, shape, 1, 0, 0, &err), cases[_i].status);
    ck_assert_str_eq(err.message, cases[_i].message);
    destroy(&b);
    gsg_context_release(context);
}
END_TEST

static genseg_status work(genseg_context *context, gsg_error *err)
{
    bench b;
    genseg_status status =
        build(&b, context, critic_2d, gsg_shape_make(4, (int64_t[]){2, 1, 8, 8}), 3, 0, 0, err);
    if (status == GENSEG_OK)
        status = gsg_plan_run(b.plan, &(gsg_run){0}, err);
    destroy(&b);
    return status;
}

START_TEST(survives_failing_allocations)
{
    ck_assert_int_gt(faults_sweep(work), 50);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("adversarial");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, losses_as_their_formulas, 0, 6);
    tcase_add_test(tests, refuses_what_is_no_logit);
    tcase_add_test(tests, penalty_in_2d);
    tcase_add_test(tests, penalty_of_plain_channels);
    tcase_add_test(tests, penalty_in_3d);
    tcase_add_loop_test(tests, penalty_behind_joins, 0, 2);
    tcase_add_test(tests, penalty_of_a_flat_critic);
    tcase_add_loop_test(tests, refuses_what_it_cannot_differentiate_twice, 0, 4);
    tcase_add_test(tests, survives_failing_allocations);
    RUN_TESTS(tests);
}
