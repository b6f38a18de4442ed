// The U-Net against PyTorch (tests/golden/make_unet.py): parameter names, shapes and
// order, logits in training and at inference, loss, every gradient, running statistics.
#include "graph/plan.h"
#include "hashed.h"
#include "model/unet.h"

typedef struct fixture {
    const json_t *golden;
    genseg_context *context;
    gsg_params *params;
    gsg_unet unet;
    gsg_shape image, target;
    size_t *order; // index in the golden file of each parameter
    float **gradients;
    size_t memory; // of the training plan
} fixture;

static void setup(fixture *f, const json_t *golden)
{
    gsg_error err = {0};
    f->golden = golden;
    genseg_context_options options = {.struct_size = sizeof options, .threads = 2};
    ck_assert_int_eq(gsg_context_new(&options, &f->context, &err), GENSEG_OK);
    f->unet = (gsg_unet){(int32_t)integer(golden, "spatial"), (int32_t)integer(golden, "levels"),
                         integer(golden, "channels"), integer(golden, "outputs"), integer(golden, "width")};
    ck_assert_int_eq(gsg_unet_new(f->context, &f->unet, 1, &f->params, &err), GENSEG_OK);
    f->image = (gsg_shape){f->unet.spatial + 2, {integer(golden, "batch"), f->unet.channels}};
    for (int32_t i = 2; i < f->image.ndim; i++)
        f->image.dims[i] = integer(golden, "size");
    f->target = f->image;
    f->target.dims[1] = f->unet.outputs;
    f->order = calloc((size_t)f->params->count, sizeof *f->order);
    f->gradients = calloc((size_t)f->params->count, sizeof *f->gradients);
    fill_golden(golden, f->params, f->order);
}

static void teardown(fixture *f)
{
    for (int32_t i = 0; i < f->params->count; i++)
        free(f->gradients[i]);
    free(f->gradients);
    free(f->order);
    gsg_params_free(f->params);
    gsg_context_release(f->context);
}

static void fill_image(const fixture *f, float *image)
{
    for (int64_t i = 0; i < gsg_shape_count(f->image); i++)
        image[i] = hashed(1001, (uint64_t)i);
}

static void fill_target(const fixture *f, float *target)
{
    const int64_t S = gsg_shape_spatial(f->image), K = f->unet.outputs, classes = K > 2 ? K : 2;
    memset(target, 0, (size_t)gsg_shape_count(f->target) * sizeof *target);
    for (int64_t i = 0; i < f->image.dims[0] * S; i++) {
        int64_t k = (int64_t)((hashed(1002, (uint64_t)i) + 1.0f) * (float)classes / 2.0f);
        if (K > 1)
            target[(i / S * K + k) * S + i % S] = 1.0f;
        else
            target[i] = k > 0 ? 1.0f : 0.0f;
    }
}

static genseg_status keep(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    fixture *f = user;
    const gsg_weights *layout = &f->params->items[param].layout;
    gsg_param stored = f->params->items[param];
    stored.data = (float *)(uintptr_t)gradient;
    f->gradients[param] = malloc((size_t)gsg_shape_count(layout->shape) * sizeof(float));
    gsg_param_export(&stored, f->gradients[param]);
    return GENSEG_OK;
}

static void check_gradients(const fixture *f)
{
    for (int32_t i = 0; i < f->params->count; i++) {
        const gsg_param *p = &f->params->items[i];
        const json_t *row = json_array_get(json_object_get(f->golden, "params"), f->order[i]);
        int64_t n = gsg_shape_count(p->layout.shape);
        if (p->kind == GSG_PARAM_STATISTIC) {
            float *plain = malloc((size_t)n * sizeof *plain);
            gsg_param_export(p, plain);
            for (size_t j = 0; j < 4; j++)
                ck_assert_double_eq_tol((double)plain[j], item(row, "after", j), 1e-4);
            free(plain);
            continue;
        }
        check_golden_gradient(row, f->order[i], f->gradients[i], n);
    }
}

static void infer(fixture *f)
{
    gsg_error err = {0};
    gsg_graph *graph;
    gsg_plan *plan;
    ck_assert_int_eq(gsg_graph_new(f->context, f->params, &graph, &err), GENSEG_OK);
    gsg_value image = gsg_op_input(graph, "image", f->image);
    gsg_value logits = gsg_unet_build(graph, &f->unet, image, GSG_MODE_INFER);
    gsg_plan_options options = {.outputs = &logits, .output_count = 1};
    ck_assert_msg(gsg_plan_new(graph, &options, &plan, &err) == GENSEG_OK, "%s", err.message);
    fill_image(f, gsg_plan_data(plan, image));
    gsg_run run = {0};
    ck_assert_int_eq(gsg_plan_run(plan, &run, &err), GENSEG_OK);
    check_golden_values(f->golden, "infer", gsg_plan_data(plan, logits), 1e-4);
    gsg_plan_free(plan);
    gsg_graph_free(graph);
}

static void train(fixture *f, int32_t recompute)
{
    gsg_error err = {0};
    gsg_graph *graph;
    gsg_plan *plan;
    gsg_value wrt[128], gradients[128];
    int32_t index[128];
    ck_assert_int_eq(gsg_graph_new(f->context, f->params, &graph, &err), GENSEG_OK);
    gsg_value image = gsg_op_input(graph, "image", f->image), target = gsg_op_input(graph, "target", f->target);
    gsg_value logits = gsg_unet_build(graph, &f->unet, image, GSG_MODE_TRAIN);
    gsg_value loss = gsg_nn_segmentation_loss(graph, logits, target, GSG_NONE);
    int32_t count = gsg_graph_trainable(graph, wrt, index);
    ck_assert_msg(gsg_graph_gradient(graph, &loss, NULL, 1, wrt, count, gradients, &err) == GENSEG_OK, "%s",
                  err.message);
    gsg_value outputs[2] = {loss, logits};
    gsg_plan_options options = {.outputs = outputs, .output_count = 2, .gradients = gradients,
                                .gradient_count = count, .params = index, .recompute = recompute};
    ck_assert_msg(gsg_plan_new(graph, &options, &plan, &err) == GENSEG_OK, "%s", err.message);
    f->memory = gsg_plan_memory(plan);
    gsg_plan_set_sink(plan, keep, f);
    fill_image(f, gsg_plan_data(plan, image));
    fill_target(f, gsg_plan_data(plan, target));
    gsg_run run = {.update_statistics = 1};
    ck_assert_int_eq(gsg_plan_run(plan, &run, &err), GENSEG_OK);
    ck_assert_double_eq_tol((double)*gsg_plan_data(plan, loss), number(f->golden, "loss"), 1e-4);
    check_golden_values(f->golden, "train", gsg_plan_data(plan, logits), 1e-4);
    check_gradients(f);
    gsg_plan_free(plan);
    gsg_graph_free(graph);
}

START_TEST(agrees_with_pytorch)
{
    json_t *cases = load_golden(GOLDEN_DIR "/unet.json");
    fixture f = {0};
    setup(&f, json_array_get(cases, (size_t)_i));
    infer(&f);
    train(&f, 0);
    teardown(&f);
    json_decref(cases);
}
END_TEST

START_TEST(gives_the_same_where_values_are_not_kept)
{
    json_t *cases = load_golden(GOLDEN_DIR "/unet.json");
    fixture kept = {0}, again = {0};
    setup(&kept, json_array_get(cases, (size_t)_i));
    setup(&again, json_array_get(cases, (size_t)_i));
    train(&kept, 0);
    train(&again, 1);
    for (int32_t i = 0; i < kept.params->count; i++) {
        const gsg_param *p = &kept.params->items[i];
        ck_assert(memcmp(p->data, again.params->items[i].data, (size_t)p->layout.count * sizeof(float)) == 0);
        if (kept.gradients[i])
            ck_assert_msg(memcmp(kept.gradients[i], again.gradients[i],
                                 (size_t)gsg_shape_count(p->layout.shape) * sizeof(float)) == 0,
                          "gradient of %s", p->name);
    }
    ck_assert_uint_lt(again.memory, kept.memory);
    teardown(&kept);
    teardown(&again);
    json_decref(cases);
}
END_TEST

START_TEST(refuses_sizes_that_do_not_fit)
{
    gsg_error err = {0};
    genseg_context *context;
    gsg_params *params;
    gsg_graph *graph;
    gsg_unet unet = gsg_unet_default(2);
    unet.width = 8;
    genseg_context_options options = {.struct_size = sizeof options, .threads = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_params_new(context, &params, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_graph_new(context, params, &graph, &err), GENSEG_OK);
    gsg_value image = gsg_op_input(graph, "image", gsg_shape_make(4, (int64_t[]){1, 1, 40, 32}));
    ck_assert_int_eq(gsg_unet_build(graph, &unet, image, GSG_MODE_INFER), GSG_NONE);
    ck_assert_int_eq(gsg_graph_status(graph, &err), GENSEG_ERROR_SHAPE);
    ck_assert_str_eq(err.message, "image 1x1x40x32: its sizes must be multiples of 16");
    gsg_graph_free(graph);
    gsg_params_free(params);
    gsg_context_release(context);
}
END_TEST

START_TEST(has_the_published_number_of_weights)
{
    gsg_error err = {0};
    genseg_context *context;
    gsg_params *params;
    gsg_unet unet = gsg_unet_default(2);
    genseg_context_options options = {.struct_size = sizeof options, .threads = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_unet_new(context, &unet, 1, &params, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_params_values(params, 1), 31036481);
    gsg_params_free(params);
    gsg_context_release(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unet");
    TCase *tcase = tcase_create("unet");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, agrees_with_pytorch, 0, 4);
    tcase_add_loop_test(tcase, gives_the_same_where_values_are_not_kept, 0, 4);
    tcase_add_test(tcase, refuses_sizes_that_do_not_fit);
    tcase_add_test(tcase, has_the_published_number_of_weights);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
