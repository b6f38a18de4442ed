// The way of level III through the augmentation: mask -> deform -> network -> appearance -> weighted
// loss against the warped mask; gradients of both lists of magnitudes, the samples' weights, the mask
// and a seed's path, against differences. Also what the builders refuse.
#include <check.h>
#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "graph/plan.h"

typedef struct bench {
    genseg_context *context;
    gsg_params *params;
    gsg_graph *graph;
    gsg_plan *plan;
    gsg_value mask, deform_draws, appearance_draws, deform, appearance, weights, index, loss;
    gsg_value gradients[4];
    gsg_shape shape;
} bench;

static gsg_value conv(gsg_graph *graph, gsg_value x, const char *name, int64_t out)
{
    gsg_conv c = {.spatial = 2, .kernel = {3, 3, 3}, .stride = {1, 1, 1}, .padding = {1, 1, 1}};
    int64_t dims[4] = {out, gsg_graph_shape(graph, x).dims[1], 3, 3};
    return gsg_op_conv(graph, x, gsg_op_param(graph, name, GSG_PARAM_CONV, gsg_shape_make(4, dims)), GSG_NONE, &c);
}

static void build(bench *b, int64_t classes, int32_t threads)
{
    gsg_error err = {0};
    gsg_graph *g;
    gsg_deform deform;
    gsg_appearance appearance;
    gsg_dice dice = {.background = 1, .smooth = 1e-5f};
    memset(b, 0, sizeof *b);
    gsg_deform_defaults(&deform);
    gsg_appearance_defaults(&appearance);
    appearance.chance = 1.0f;
    deform.elastic_chance = 1.0f;
    genseg_context_options options = {.struct_size = sizeof options, .threads = threads, .seed = 1};
    ck_assert_int_eq(gsg_context_new(&options, &b->context, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_params_new(b->context, &b->params, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_graph_new(b->context, b->params, &b->graph, &err), GENSEG_OK);
    g = b->graph;
    b->shape = gsg_shape_make(4, (int64_t[]){3, classes, 16, 12});
    b->mask = gsg_op_input(g, "mask", b->shape);
    b->deform_draws = gsg_op_input(g, "deform", gsg_shape_make(2, (int64_t[]){3, gsg_deform_draws(b->shape)}));
    b->appearance_draws = gsg_op_input(g, "appearance", gsg_shape_make(2, (int64_t[]){3, GSG_APPEARANCE_DRAWS}));
    b->deform =
        gsg_op_param(g, "hyper.deform", GSG_PARAM_VECTOR, gsg_shape_make(1, (int64_t[]){GSG_DEFORM_MAGNITUDES}));
    b->appearance = gsg_op_param(g, "hyper.appearance", GSG_PARAM_VECTOR,
                                 gsg_shape_make(1, (int64_t[]){GSG_APPEARANCE_MAGNITUDES}));
    // Of five pairs, the batch holds number 4, and number 1 twice.
    b->weights = gsg_op_param(g, "hyper.pairs", GSG_PARAM_VECTOR, gsg_shape_make(1, (int64_t[]){5}));
    b->index = gsg_op_input(g, "index", gsg_shape_make(1, (int64_t[]){3}));
    gsg_value chosen = gsg_op_gather(g, b->weights, b->index);
    gsg_value warped = gsg_op_deform(g, b->mask, b->deform_draws, b->deform, &deform);
    gsg_value hidden = gsg_op_activation(g, conv(g, warped, "generator", 10), GSG_ACT_TANH, 0);
    gsg_value image = gsg_op_activation(g, conv(g, hidden, "image", 1), GSG_ACT_TANH, 0);
    gsg_value seen = gsg_op_appearance(g, image, b->appearance_draws, b->appearance, &appearance);
    gsg_value logits = conv(g, seen, "segmenter", classes);
    b->loss = gsg_op_add(g, gsg_op_cross_entropy(g, logits, warped, GSG_NONE, chosen),
                         gsg_op_soft_dice(g, logits, warped, chosen, &dice));
    ck_assert_msg(gsg_graph_status(g, &err) == GENSEG_OK, "%s", err.message);
    const gsg_value wrt[4] = {b->deform, b->appearance, b->weights, b->mask};
    genseg_status status = gsg_graph_gradient(g, &b->loss, NULL, 1, wrt, 4, b->gradients, &err);
    ck_assert_msg(status == GENSEG_OK, "%s", err.message);
    gsg_value outputs[5] = {b->loss, b->gradients[0], b->gradients[1], b->gradients[2], b->gradients[3]};
    gsg_plan_options plan = {.outputs = outputs, .output_count = 5};
    status = gsg_plan_new(g, &plan, &b->plan, &err);
    ck_assert_msg(status == GENSEG_OK, "%s", err.message);

    for (int32_t i = 0; i < b->params->count; i++) {
        gsg_param *p = &b->params->items[i];
        float plain[2048];
        gsg_rng rng;
        gsg_rng_init(&rng, 7, GSG_STREAM_USER, (uint64_t)i);
        ck_assert_int_le(gsg_shape_count(p->layout.shape), 2048);
        for (int64_t j = 0; j < gsg_shape_count(p->layout.shape); j++)
            plain[j] =
                (float)(p->kind == GSG_PARAM_VECTOR ? 0.8 + 0.4 * gsg_rng_uniform(&rng) : 0.3 * gsg_rng_normal(&rng));
        gsg_param_import(p, plain);
    }
    gsg_deform_draw(&deform, b->shape, 3, 5, gsg_plan_data(b->plan, b->deform_draws));
    gsg_appearance_draw(&appearance, 3, 3, 5, gsg_plan_data(b->plan, b->appearance_draws));
    memcpy(gsg_plan_data(b->plan, b->index), (float[3]){1.0f, 4.0f, 1.0f}, 3 * sizeof(float));
    // Smooth masks: the interpolation's kinks are small.
    float *mask = gsg_plan_data(b->plan, b->mask);
    for (int64_t n = 0; n < 3; n++)
        for (int64_t s = 0; s < 192; s++) {
            float y = (float)(s / 12) / 15.0f, x = (float)(s % 12) / 11.0f;
            float soft = 1.0f / (1.0f + expf(-12.0f * (0.35f - hypotf(x - 0.5f, y - 0.4f - 0.1f * (float)n))));
            for (int64_t c = 0; c < classes; c++)
                mask[(n * classes + c) * 192 + s] = classes == 1 ? soft
                                                    : c == 0     ? 1.0f - soft
                                                    : c == 1     ? soft * x
                                                                 : soft * (1.0f - x) / (float)(classes - 2);
        }
}

static void destroy(bench *b)
{
    gsg_plan_free(b->plan);
    gsg_graph_free(b->graph);
    gsg_params_free(b->params);
    ck_assert_uint_eq((uint64_t)b->context->memory, 0);
    gsg_context_release(b->context);
}

static double run(bench *b)
{
    gsg_error err = {0};
    gsg_run how = {.seed = 5};
    ck_assert_msg(gsg_plan_run(b->plan, &how, &err) == GENSEG_OK, "%s", err.message);
    return (double)*gsg_plan_data(b->plan, b->loss);
}

// Component by component: each must be right, not only their sum. float32's rounding of the loss (1e-7 of 2
// over twice the step) leaves 6e-5 beside the 1e-3.
static void check_vector(bench *b, float *data, gsg_value gradient, int count, const char *name)
{
    float kept[16];
    run(b);
    memcpy(kept, gsg_plan_data(b->plan, gradient), (size_t)count * sizeof *kept);
    for (int i = 0; i < count; i++) {
        const double step = 4e-3;
        float old = data[i];
        double ends[2];
        for (int k = 0; k < 2; k++) {
            data[i] = (float)((double)old + (k ? -step : step));
            ends[k] = run(b);
        }
        data[i] = old;
        double measured = (ends[0] - ends[1]) / (2 * step);
        ck_assert_msg(fabs(measured - (double)kept[i]) < 1e-3 * fabs(measured) + 6e-5,
                      "%s %d: %g by differences, %g by the reverse pass", name, i, measured, (double)kept[i]);
    }
}

START_TEST(what_level_3_controls)
{
    bench b;
    build(&b, _i, 2);
    check_vector(&b, b.params->items[gsg_params_find(b.params, "hyper.deform")].data, b.gradients[0],
                 GSG_DEFORM_MAGNITUDES, "deform");
    check_vector(&b, b.params->items[gsg_params_find(b.params, "hyper.appearance")].data, b.gradients[1],
                 GSG_APPEARANCE_MAGNITUDES, "appearance");
    check_vector(&b, b.params->items[gsg_params_find(b.params, "hyper.pairs")].data, b.gradients[2], 5, "weight");
    const float *pairs = gsg_plan_data(b.plan, b.gradients[2]);
    ck_assert(pairs[0] == 0.0f && pairs[1] != 0.0f && pairs[2] == 0.0f && pairs[3] == 0.0f && pairs[4] != 0.0f);
    // The mask, along its gradient: the way through image and target.
    double norm = 0, ends[2];
    const int64_t count = gsg_shape_count(b.shape);
    float direction[1728], *mask = gsg_plan_data(b.plan, b.mask), old[1728];
    ck_assert_int_le(count, 1728);
    run(&b);
    memcpy(direction, gsg_plan_data(b.plan, b.gradients[3]), (size_t)count * sizeof *direction);
    memcpy(old, mask, (size_t)count * sizeof *old);
    for (int64_t i = 0; i < count; i++)
        norm += (double)direction[i] * (double)direction[i];
    norm = sqrt(norm);
    ck_assert(norm > 1e-3);
    for (int k = 0; k < 2; k++) {
        for (int64_t i = 0; i < count; i++)
            mask[i] = (float)((double)old[i] + (k ? -0.02 : 0.02) * (double)direction[i] / norm);
        ends[k] = run(&b);
    }
    ck_assert_double_eq_tol((ends[0] - ends[1]) / 0.04 / norm, 1.0, 1e-3);
    // An index that leads nowhere.
    const float wrong[3] = {5.0f, -1.0f, 1.5f};
    for (int k = 0; k < 3; k++) {
        gsg_error err = {0};
        gsg_run how = {.seed = 5};
        gsg_plan_data(b.plan, b.index)[2] = wrong[k];
        ck_assert_int_eq(gsg_plan_run(b.plan, &how, &err), GENSEG_ERROR_INVALID);
        if (k == 0)
            ck_assert_str_eq(err.message, "gather: index[2] is 5, of 5 elements");
    }
    destroy(&b);
}
END_TEST

START_TEST(one_and_two_threads_agree_bit_for_bit)
{
    bench b[2];
    for (int k = 0; k < 2; k++) {
        build(&b[k], 3, k + 1);
        run(&b[k]);
    }
    ck_assert(*gsg_plan_data(b[0].plan, b[0].loss) == *gsg_plan_data(b[1].plan, b[1].loss));
    const size_t sizes[4] = {GSG_DEFORM_MAGNITUDES, GSG_APPEARANCE_MAGNITUDES, 5, 3 * 3 * 192};
    for (int i = 0; i < 4; i++)
        ck_assert_mem_eq(gsg_plan_data(b[0].plan, b[0].gradients[i]), gsg_plan_data(b[1].plan, b[1].gradients[i]),
                         sizes[i] * sizeof(float));
    destroy(&b[0]);
    destroy(&b[1]);
}
END_TEST

static void refuse(gsg_graph **graph, genseg_context *context, const char *message)
{
    gsg_error err = {0};
    ck_assert_int_ne(gsg_graph_status(*graph, &err), GENSEG_OK);
    ck_assert_str_eq(err.message, message);
    gsg_graph_free(*graph);
    ck_assert_int_eq(gsg_graph_new(context, NULL, graph, &err), GENSEG_OK);
}

static gsg_value vector(gsg_graph *graph, int64_t rows, int64_t count)
{
    return gsg_op_input(graph, "v", gsg_shape_make(2, (int64_t[]){rows, count}));
}

START_TEST(wrong_shapes)
{
    genseg_context *context;
    gsg_graph *g;
    gsg_error err = {0};
    gsg_deform deform;
    gsg_appearance appearance;
    gsg_shape shape = gsg_shape_make(4, (int64_t[]){2, 3, 8, 8});
    gsg_dice dice = {.smooth = 1e-5f};
    gsg_deform_defaults(&deform);
    gsg_appearance_defaults(&appearance);
    genseg_context_options options = {.struct_size = sizeof options, .threads = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_graph_new(context, NULL, &g, &err), GENSEG_OK);
    gsg_value x = gsg_op_input(g, "x", shape);
    gsg_op_deform(g, x, vector(g, 2, 100), vector(g, 1, 6), &deform);
    refuse(&g, context, "deform: draws of 2x100, not 2x114");
    x = gsg_op_input(g, "x", shape);
    gsg_op_deform(g, x, vector(g, 2, 114), vector(g, 1, 5), &deform);
    refuse(&g, context, "deform: magnitudes of 1x5, not 1x6");
    x = gsg_op_input(g, "x", shape);
    gsg_op_appearance(g, x, vector(g, 1, 7), vector(g, 1, 5), &appearance);
    refuse(&g, context, "appearance: draws of 1x7, not 2x7");
    x = gsg_op_input(g, "x", shape);
    gsg_op_appearance(g, x, vector(g, 2, 7), x, &appearance);
    refuse(&g, context, "appearance: its magnitudes are no vector");
    x = gsg_op_input(g, "x", shape);
    gsg_op_soft_dice(g, x, x, vector(g, 1, 3), &dice);
    refuse(&g, context, "soft Dice: 3 weights for 2 samples");
    x = gsg_op_input(g, "x", shape);
    gsg_value weights = vector(g, 1, 3), gradient;
    gsg_value loss = gsg_op_cross_entropy(g, x, x, weights, GSG_NONE);
    ck_assert_int_eq(gsg_graph_gradient(g, &loss, NULL, 1, &weights, 1, &gradient, &err), GENSEG_ERROR_UNSUPPORTED);
    refuse(&g, context, "cross entropy has no gradient for the weights of classes");
    x = gsg_op_input(g, "x", shape);
    gsg_op_gather(g, x, vector(g, 1, 2));
    refuse(&g, context, "gather: no vectors");
    gsg_op_gather(g, vector(g, 2, 7), vector(g, 1, 2));
    refuse(&g, context, "gather: 2 of 14 elements in more than one row");
    x = gsg_op_input(g, "x", shape);
    gsg_value draws = vector(g, 2, 7);
    loss = gsg_op_mean(g, gsg_op_appearance(g, x, draws, vector(g, 1, 5), &appearance));
    ck_assert_int_eq(gsg_graph_gradient(g, &loss, NULL, 1, &draws, 1, &gradient, &err), GENSEG_ERROR_UNSUPPORTED);
    gsg_graph_free(g);
    gsg_context_release(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("augment graph");
    TCase *tests = tcase_create("augment graph");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, what_level_3_controls, 1, 4);
    tcase_add_test(tests, one_and_two_threads_agree_bit_for_bit);
    tcase_add_test(tests, wrong_shapes);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
