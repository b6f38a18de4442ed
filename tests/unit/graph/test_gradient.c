// Gradients of whole networks: the derivative along a random direction of each
// parameter and input, from the reverse pass, against central differences of the
// loss; and the same values bit for bit whether cheap values are kept or repeated.
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "graph/plan.h"

#define MOST 64
#define STEPS 5

typedef gsg_value (*network_fn)(gsg_graph *graph, gsg_value image, gsg_value target);

static gsg_conv conv(int32_t spatial, int64_t k, int64_t stride, int64_t padding, int32_t transposed)
{
    gsg_conv c = {.spatial = spatial, .transposed = transposed};
    for (int i = 0; i < 3; i++) {
        c.kernel[i] = k;
        c.stride[i] = stride;
        c.padding[i] = padding;
    }
    return c;
}

static gsg_value layer(gsg_graph *g, gsg_value x, const char *name, int64_t out, gsg_conv c, int32_t bias)
{
    char text[64];
    int64_t in = gsg_graph_shape(g, x).dims[1], dims[5] = {c.transposed ? in : out, c.transposed ? out : in};
    for (int i = 0; i < c.spatial; i++)
        dims[2 + i] = c.kernel[i];
    snprintf(text, sizeof text, "%s.weight", name);
    gsg_value w = gsg_op_param(g, text, c.transposed ? GSG_PARAM_CONV_TRANSPOSED : GSG_PARAM_CONV,
                               gsg_shape_make(c.spatial + 2, dims));
    snprintf(text, sizeof text, "%s.bias", name);
    gsg_value b = bias ? gsg_op_param(g, text, GSG_PARAM_VECTOR, gsg_shape_make(1, &out)) : GSG_NONE;
    return gsg_op_conv(g, x, w, b, &c);
}

static gsg_value vector(gsg_graph *g, const char *name, const char *part, int64_t n, gsg_param_kind kind)
{
    char text[64];
    snprintf(text, sizeof text, "%s.%s", name, part);
    return gsg_op_param(g, text, kind, gsg_shape_make(1, &n));
}

// A slope of 1 has no kink: tanh bends instead, and differences are exact enough for a narrow tolerance.
static gsg_value normalise(gsg_graph *g, gsg_value x, const char *name, int32_t per_sample, int32_t running, float slope)
{
    int64_t n = gsg_graph_shape(g, x).dims[1];
    gsg_norm norm = {.per_sample = per_sample, .activation = 1, .slope = slope, .epsilon = 1e-5f, .momentum = 0.1f};
    gsg_value gamma = vector(g, name, "gamma", n, GSG_PARAM_VECTOR), beta = vector(g, name, "beta", n, GSG_PARAM_VECTOR);
    gsg_value y = running ? gsg_op_norm_running(g, x, gamma, beta, vector(g, name, "mean", n, GSG_PARAM_STATISTIC),
                                                vector(g, name, "var", n, GSG_PARAM_STATISTIC), &norm)
                          : gsg_op_norm(g, x, gamma, beta, GSG_NONE, GSG_NONE, &norm);
    return slope == 1.0f ? gsg_op_activation(g, y, GSG_ACT_TANH, 0) : y;
}

static gsg_value loss(gsg_graph *g, gsg_value logits, gsg_value target)
{
    gsg_dice dice = {.smooth = 1e-5f, .background = 1};
    return gsg_op_add(g, gsg_op_cross_entropy(g, logits, target, GSG_NONE, GSG_NONE),
                      gsg_op_soft_dice(g, logits, target, GSG_NONE, &dice));
}

// A U-Net of one level; `wide` channels at the top.
static gsg_value unet(gsg_graph *g, gsg_value x, gsg_value target, int32_t spatial, int64_t wide, float slope)
{
    gsg_pool pool = {.spatial = spatial, .kernel = {2, 2, 2}, .stride = {2, 2, 2}};
    gsg_value a = normalise(g, layer(g, x, "a", wide, conv(spatial, 3, 1, 1, 0), 0), "na", 0, 0, slope);
    gsg_value b = normalise(g, layer(g, gsg_op_max_pool(g, a, &pool), "b", 24, conv(spatial, 3, 1, 1, 0), 0), "nb", 0, 0, slope);
    gsg_value up = layer(g, b, "up", wide, conv(spatial, 2, 2, 0, 1), 1);
    gsg_value c = normalise(g, layer(g, gsg_op_concat(g, a, up), "c", wide, conv(spatial, 3, 1, 1, 0), 0), "nc", 0, 0, slope);
    int64_t classes = gsg_graph_shape(g, target).dims[1];
    return loss(g, layer(g, c, "out", classes, conv(spatial, 1, 1, 0, 0), 1), target);
}

static gsg_value unet_2d(gsg_graph *g, gsg_value x, gsg_value target)
{
    return unet(g, x, target, 2, 16, 1.0f);
}

static gsg_value unet_2d_leaky(gsg_graph *g, gsg_value x, gsg_value target)
{
    return unet(g, x, target, 2, 16, 0.3f);
}

static gsg_value unet_2d_odd(gsg_graph *g, gsg_value x, gsg_value target)
{
    return unet(g, x, target, 2, 20, 1.0f); // the second half of the concatenation begins inside a block
}

static gsg_value unet_3d(gsg_graph *g, gsg_value x, gsg_value target)
{
    return unet(g, x, target, 3, 16, 1.0f);
}

// Even kernels down and up, instance norm, inference statistics, every activation, dropout.
static gsg_value various(gsg_graph *g, gsg_value x, gsg_value target)
{
    gsg_value a = normalise(g, layer(g, x, "a", 12, conv(2, 4, 2, 1, 0), 0), "na", 1, 0, 1.0f);
    gsg_value b = normalise(g, layer(g, a, "b", 17, conv(2, 6, 2, 2, 0), 0), "nb", 0, 1, 1.0f);
    gsg_value c = gsg_op_activation(g, layer(g, b, "c", 12, conv(2, 8, 2, 3, 1), 1), GSG_ACT_TANH, 0);
    gsg_value d = gsg_op_add(g, gsg_op_multiply(g, c, a), gsg_op_scale(g, c, 0.5f, GSG_NONE));
    int64_t full[2] = {gsg_graph_shape(g, x).dims[2], gsg_graph_shape(g, x).dims[3]};
    gsg_value e = gsg_op_dropout(g, gsg_op_resize(g, d, full, 0), 0.25f);
    gsg_value f = layer(g, e, "f", gsg_graph_shape(g, target).dims[1], conv(2, 3, 1, 1, 0), 1);
    gsg_value h = gsg_op_softmax(g, layer(g, e, "h", 5, conv(2, 1, 1, 0, 0), 1));
    gsg_value s = gsg_op_activation(g, f, GSG_ACT_SIGMOID, 0);
    gsg_value sum = gsg_op_add(g, gsg_op_mse(g, s, target), gsg_op_l1(g, s, target));
    return gsg_op_add(g, gsg_op_add(g, sum, gsg_op_dot(g, h, h, 0.01f)), loss(g, f, target));
}

typedef struct bench {
    genseg_context *context;
    gsg_params *params;
    gsg_graph *graph;
    gsg_plan *plan;
    gsg_value image, target, loss;
    gsg_value wrt[MOST], gradients[MOST];
    int32_t index[MOST];
    int32_t count; // trainable parameters; wrt[count] is the image
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

static void fill(float *data, int64_t count, double scale, uint32_t stream)
{
    gsg_rng rng;
    gsg_rng_init(&rng, 7, GSG_STREAM_USER + stream, 0);
    for (int64_t i = 0; i < count; i++)
        data[i] = (float)(scale * gsg_rng_normal(&rng));
}

static void fill_params(bench *b)
{
    for (int32_t i = 0; i < b->params->count; i++) {
        gsg_param *p = &b->params->items[i];
        int64_t n = gsg_shape_count(p->layout.shape), fan = n / p->layout.shape.dims[0];
        float *plain = malloc((size_t)n * sizeof *plain);
        fill(plain, n, p->kind == GSG_PARAM_VECTOR ? 0.2 : 1.0 / sqrt((double)fan), (uint32_t)i);
        bool gamma = strstr(p->name, "gamma") != NULL, var = strstr(p->name, ".var") != NULL;
        for (int64_t j = 0; j < n && (gamma || var); j++)
            plain[j] = 1.0f + 0.1f * fabsf(plain[j]);
        gsg_param_import(p, plain);
        free(plain);
    }
}

static void build(bench *b, network_fn network, gsg_shape image, gsg_shape target, int32_t keep_all)
{
    gsg_error err = {0};
    memset(b, 0, sizeof *b);
    genseg_context_options options = {.struct_size = sizeof options, .threads = 2, .seed = 1};
    ck_assert_int_eq(gsg_context_new(&options, &b->context, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_params_new(b->context, &b->params, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_graph_new(b->context, b->params, &b->graph, &err), GENSEG_OK);
    b->image = gsg_op_input(b->graph, "image", image);
    b->target = gsg_op_input(b->graph, "target", target);
    b->loss = network(b->graph, b->image, b->target);
    ck_assert_msg(gsg_graph_status(b->graph, &err) == GENSEG_OK, "%s", err.message);
    b->count = gsg_graph_trainable(b->graph, b->wrt, b->index);
    ck_assert_int_lt(b->count, MOST);
    b->wrt[b->count] = b->image;
    genseg_status status =
        gsg_graph_gradient(b->graph, &b->loss, NULL, 1, b->wrt, b->count + 1, b->gradients, &err);
    ck_assert_msg(status == GENSEG_OK, "%s", err.message);
    gsg_value outputs[2] = {b->loss, b->gradients[b->count]};
    gsg_plan_options plan = {.outputs = outputs, .output_count = 2, .gradient_count = b->count,
                             .gradients = b->gradients, .params = b->index, .keep_all = keep_all};
    status = gsg_plan_new(b->graph, &plan, &b->plan, &err);
    ck_assert_msg(status == GENSEG_OK, "%s", err.message);
    for (int32_t i = 0; i < b->count; i++)
        b->collected[i] = calloc((size_t)b->params->items[b->index[i]].layout.count, sizeof(float));
    gsg_plan_set_sink(b->plan, collect, b);
    fill_params(b);
    fill(gsg_plan_data(b->plan, b->image), gsg_shape_count(image), 1.0, 60);
    float *t = gsg_plan_data(b->plan, b->target);
    int64_t S = gsg_shape_spatial(target), K = target.dims[1];
    gsg_rng rng;
    gsg_rng_init(&rng, 3, GSG_STREAM_USER, 0);
    memset(t, 0, (size_t)gsg_shape_count(target) * sizeof *t);
    for (int64_t i = 0; i < target.dims[0] * S; i++) {
        int64_t k = gsg_rng_below(&rng, K == 1 ? 2 : K);
        if (K > 1 || k)
            t[i / S * K * S + (K == 1 ? 0 : k) * S + i % S] = 1.0f;
    }
}

static void destroy(bench *b)
{
    for (int32_t i = 0; i < b->count; i++)
        free(b->collected[i]);
    gsg_plan_free(b->plan);
    gsg_graph_free(b->graph);
    gsg_params_free(b->params);
    uint64_t held;
    held = b->context->memory;
    ck_assert_uint_eq(held, 0);
    gsg_context_release(b->context);
}

static double run(bench *b)
{
    gsg_error err = {0};
    gsg_run how = {.seed = 5, .step = 1};
    genseg_status status = gsg_plan_run(b->plan, &how, &err);
    ck_assert_msg(status == GENSEG_OK, "%s", err.message);
    return (double)*gsg_plan_data(b->plan, b->loss);
}

// Derivative along `direction` of `data`, by differences and by `gradient`.
static void check_direction(bench *b, const char *name, float *data, const float *gradient, int64_t count,
                            double tolerance)
{
    float *direction = malloc((size_t)count * sizeof *direction), *old = malloc((size_t)count * sizeof *old);
    double expected = 0, gg = 0, dd = 0, scale;
    float *kept = malloc((size_t)count * sizeof *kept);
    memcpy(kept, gradient, (size_t)count * sizeof *kept);
    memcpy(old, data, (size_t)count * sizeof *old);
    // Along the gradient with some noise: the derivative is far above the rounding of the loss.
    fill(direction, count, 1.0, 99);
    for (int64_t i = 0; i < count; i++)
        gg += (double)kept[i] * (double)kept[i];
    const double norm = sqrt(gg / (double)count) + 1e-12;
    for (int64_t i = 0; i < count; i++) {
        direction[i] = kept[i] == 0.0f ? 0.0f : (float)((double)kept[i] / norm + 0.3 * (double)direction[i]);
        dd += (double)direction[i] * (double)direction[i];
        expected += (double)kept[i] * (double)direction[i];
    }
    ck_assert_msg(gg > 0, "%s: gradient is zero", name);
    scale = 2e-3 / expected; // moves the loss by about 2e-3 each way
    scale = scale * sqrt(dd) > 0.05 ? 0.05 / sqrt(dd) : scale;
    // Long steps cross the kinks of activations, short ones drown in rounding: the best of some counts.
    double measured[STEPS], step[STEPS], error = 1;
    for (int j = 0; j < STEPS; j++) {
        step[j] = j ? 0.5 * step[j - 1] : scale;
        double value[2];
        for (int side = 0; side < 2; side++) {
            for (int64_t i = 0; i < count; i++)
                data[i] = old[i] + (float)((side ? -step[j] : step[j]) * (double)direction[i]);
            value[side] = run(b);
        }
        measured[j] = (value[0] - value[1]) / (2 * step[j]);
        error = fmin(error, fabs(measured[j] - expected) / fabs(expected));
    }
    memcpy(data, old, (size_t)count * sizeof *old);
    ck_assert_msg(error < tolerance, "%s: %g by differences, %g by the reverse pass", name, measured[0], expected);
    free(direction);
    free(old);
    free(kept);
}

static void check_network(network_fn network, gsg_shape image, gsg_shape target, double tolerance)
{
    bench b, kept;
    build(&b, network, image, target, 0);
    double value = run(&b);
    ck_assert(isfinite(value));
    build(&kept, network, image, target, 1);
    ck_assert(run(&kept) == value);
    for (int32_t i = 0; i < b.count; i++)
        ck_assert_msg(memcmp(b.collected[i], kept.collected[i],
                             (size_t)b.params->items[b.index[i]].layout.count * sizeof(float)) == 0,
                      "%s differs where values are kept", b.params->items[b.index[i]].name);
    destroy(&kept);
    for (int32_t i = 0; i < b.count; i++) {
        gsg_param *p = &b.params->items[b.index[i]];
        check_direction(&b, p->name, p->data, b.collected[i], p->layout.count, tolerance);
        run(&b);
    }
    check_direction(&b, "image", gsg_plan_data(b.plan, b.image), gsg_plan_data(b.plan, b.gradients[b.count]),
                    gsg_shape_count(image), tolerance);
    destroy(&b);
}

static gsg_shape flat(int64_t n, int64_t c, int64_t size)
{
    return gsg_shape_make(4, (int64_t[]){n, c, size, size});
}

START_TEST(gradients_of_a_unet)
{
    check_network(unet_2d, flat(2, 1, 16), flat(2, 1, 16), 1e-3);
}
END_TEST

START_TEST(gradients_with_kinks)
{
    check_network(unet_2d_leaky, flat(2, 1, 16), flat(2, 1, 16), 2e-2);
}
END_TEST

START_TEST(gradients_with_odd_channels_and_classes)
{
    check_network(unet_2d_odd, flat(2, 3, 12), flat(2, 3, 12), 1e-3);
}
END_TEST

START_TEST(gradients_with_blocked_classes)
{
    check_network(unet_2d, flat(1, 5, 12), flat(1, 5, 12), 1e-3);
}
END_TEST

START_TEST(gradients_of_a_unet_in_3d)
{
    gsg_shape image = gsg_shape_make(5, (int64_t[]){2, 1, 8, 12, 8}), target = image;
    target.dims[1] = 3;
    check_network(unet_3d, image, target, 1e-3);
}
END_TEST

START_TEST(gradients_of_various_operations)
{
    check_network(various, flat(2, 2, 16), flat(2, 3, 16), 1e-3);
}
END_TEST

// Parts that end inside a block and are read again beside their join: what pads them, and with it the gradient of what
// pads their weights, stays zero. An optimizer sees that padding too.
static gsg_value joined(gsg_graph *g, gsg_value x, gsg_value target)
{
    gsg_value a = gsg_op_activation(g, layer(g, x, "a", 8, conv(2, 3, 1, 1, 0), 1), GSG_ACT_TANH, 0);
    gsg_value b = gsg_op_activation(g, layer(g, x, "b", 20, conv(2, 3, 1, 1, 0), 1), GSG_ACT_TANH, 0);
    gsg_value c = layer(g, gsg_op_concat(g, a, b), "c", gsg_graph_shape(g, target).dims[1], conv(2, 3, 1, 1, 0), 1);
    gsg_value d = layer(g, a, "d", gsg_graph_shape(g, target).dims[1], conv(2, 3, 1, 1, 0), 1);
    return loss(g, gsg_op_add(g, c, d), target);
}

START_TEST(padding_of_gradients_stays_zero)
{
    bench b;
    build(&b, joined, flat(2, 3, 8), flat(2, 4, 8), 0);
    run(&b);
    for (int32_t i = 0; i < b.count; i++) {
        gsg_param *p = &b.params->items[b.index[i]], gradient = *p;
        const size_t stored = (size_t)p->layout.count;
        float *plain = calloc(stored, sizeof *plain), *again = calloc(stored, sizeof *again);
        gradient.data = b.collected[i];
        gsg_param_export(&gradient, plain);
        gradient.data = again;
        gsg_param_import(&gradient, plain);
        for (size_t j = 0; j < stored; j++)
            ck_assert_msg(again[j] == b.collected[i][j], "%s: %g in its padding", p->name, (double)b.collected[i][j]);
        free(plain);
        free(again);
    }
    destroy(&b);
}
END_TEST

START_TEST(gradients_behind_joins_off_the_blocks)
{
    check_network(joined, flat(2, 3, 8), flat(2, 4, 8), 1e-3);
}
END_TEST

START_TEST(errors_stay_in_the_graph)
{
    genseg_context *context;
    gsg_error err = {0};
    gsg_graph *graph;
    genseg_context_options options = {.struct_size = sizeof options, .threads = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_graph_new(context, NULL, &graph, &err), GENSEG_OK);
    gsg_value a = gsg_op_input(graph, "a", flat(1, 2, 8)), b = gsg_op_input(graph, "b", flat(1, 2, 6));
    ck_assert_int_eq(gsg_op_add(graph, a, b), GSG_NONE);
    ck_assert_int_eq(gsg_op_mean(graph, a), GSG_NONE);
    ck_assert_int_eq(gsg_graph_status(graph, &err), GENSEG_ERROR_SHAPE);
    ck_assert_str_eq(err.message, "add: shapes 1x2x8x8 and 1x2x6x6 differ");
    gsg_graph_free(graph);
    gsg_context_release(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradient");
    TCase *tcase = tcase_create("gradient");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, gradients_of_a_unet);
    tcase_add_test(tcase, gradients_with_kinks);
    tcase_add_test(tcase, gradients_with_odd_channels_and_classes);
    tcase_add_test(tcase, gradients_with_blocked_classes);
    tcase_add_test(tcase, gradients_of_a_unet_in_3d);
    tcase_add_test(tcase, gradients_of_various_operations);
    tcase_add_test(tcase, padding_of_gradients_stays_zero);
    tcase_add_test(tcase, gradients_behind_joins_off_the_blocks);
    tcase_add_test(tcase, errors_stay_in_the_graph);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
