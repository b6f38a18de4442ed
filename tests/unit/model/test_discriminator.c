// The discriminator against PyTorch (tests/golden/make_discriminator.py): parameter names, shapes and order, logits,
// losses with and without gradient penalty, every gradient. Then sizes, errors and failing allocations.
#include "model/discriminator.h"

#include <math.h>

#include "faults.h"
#include "golden_json.h"
#include "graph/plan.h"
#include "nn/adversarial.h"

#define MOST 32
#define CASES 6

// As in make_discriminator.py.
static float hashed(uint64_t stream, uint64_t i)
{
    uint32_t x = (uint32_t)(i + stream * 1000003 + 12345);
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    x ^= x >> 16;
    return (float)((double)x / 2147483648.0 - 1.0);
}

static int64_t integer(json_t *object, const char *key)
{
    return json_integer_value(golden_get(object, key));
}

static double item(json_t *object, const char *key, int64_t i)
{
    return json_number_value(json_array_get(golden_get(object, key), (size_t)i));
}

typedef struct fixture {
    json_t *golden;
    genseg_context *context;
    gsg_params *params;
    gsg_graph *graph;
    gsg_plan *plan;
    gsg_discriminator discriminator;
    gsg_shape shape; // of an image
    gsg_value images[3], logits[3], loss, penalty;
    float *gradients[MOST];
} fixture;

static void setup(fixture *f, json_t *golden)
{
    gsg_error err = {0};
    genseg_context_options options = {.struct_size = sizeof options, .threads = 2};
    *f = (fixture){.golden = golden};
    ck_assert_int_eq(gsg_context_new(&options, &f->context, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_params_new(f->context, &f->params, &err), GENSEG_OK);
    f->discriminator = (gsg_discriminator){.spatial = (int32_t)integer(golden, "spatial"),
                                           .layers = (int32_t)integer(golden, "layers"),
                                           .channels = integer(golden, "channels"),
                                           .width = integer(golden, "width"),
                                           .norm = (int32_t)integer(golden, "norm")};
    f->shape = (gsg_shape){f->discriminator.spatial + 2, {integer(golden, "batch"), f->discriminator.channels}};
    for (int32_t i = 2; i < f->shape.ndim; i++)
        f->shape.dims[i] = (int64_t)item(golden, "size", i - 2);
}

static void teardown(fixture *f)
{
    for (int32_t i = 0; i < MOST; i++)
        free(f->gradients[i]);
    gsg_plan_free(f->plan);
    gsg_graph_free(f->graph);
    gsg_params_free(f->params);
    ck_assert_uint_eq(f->context->memory, 0);
    gsg_context_release(f->context);
}

static void fill_params(fixture *f)
{
    json_t *rows = golden_get(f->golden, "params");
    ck_assert_uint_eq(json_array_size(rows), (size_t)f->params->count);
    for (int32_t i = 0; i < f->params->count; i++) {
        gsg_param *p = &f->params->items[i];
        json_t *row = json_array_get(rows, (size_t)i), *shape = golden_get(row, "shape");
        ck_assert_str_eq(p->name, json_string_value(golden_get(row, "name")));
        ck_assert_uint_eq(json_array_size(shape), (size_t)p->layout.shape.ndim);
        for (int32_t d = 0; d < p->layout.shape.ndim; d++)
            ck_assert_int_eq(json_integer_value(json_array_get(shape, (size_t)d)), p->layout.shape.dims[d]);
        int64_t n = gsg_shape_count(p->layout.shape);
        float *plain = malloc((size_t)n * sizeof *plain);
        bool vector = p->layout.shape.ndim == 1, gamma = vector && strstr(p->name, ".weight");
        float scale = vector ? (gamma ? 0.2f : 0.1f) : (float)sqrt(3.0 * (double)p->layout.shape.dims[0] / (double)n);
        for (int64_t j = 0; j < n; j++)
            plain[j] = (gamma ? 1.0f : 0.0f) + scale * hashed((uint64_t)i + 1, (uint64_t)j);
        gsg_param_import(p, plain);
        free(plain);
    }
}

static genseg_status keep(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    fixture *f = user;
    gsg_param stored = f->params->items[param];
    stored.data = (float *)(uintptr_t)gradient;
    ck_assert_ptr_null(f->gradients[param]);
    f->gradients[param] = malloc((size_t)gsg_shape_count(stored.layout.shape) * sizeof(float));
    gsg_param_export(&stored, f->gradients[param]);
    return GENSEG_OK;
}

static gsg_value total_loss(fixture *f, const char *kind)
{
    gsg_adversarial adversarial = strcmp(kind, "vanilla") == 0 ? GSG_ADVERSARIAL_VANILLA
                                  : strcmp(kind, "lsgan") == 0 ? GSG_ADVERSARIAL_LSGAN
                                                               : GSG_ADVERSARIAL_WGAN;
    gsg_value loss = gsg_op_add(f->graph, gsg_nn_adversarial(f->graph, f->logits[0], adversarial, 1),
                                gsg_nn_adversarial(f->graph, f->logits[1], adversarial, 0));
    f->penalty = GSG_NONE;
    if (strcmp(kind, "wgan-gp") != 0)
        return loss;
    f->penalty = gsg_nn_gradient_penalty(f->graph, f->logits[2], f->images[2]);
    return gsg_op_add(f->graph, loss, gsg_op_scale(f->graph, f->penalty, 10.0f, GSG_NONE));
}

static void run(fixture *f, const char *kind)
{
    gsg_error err = {0};
    gsg_value wrt[MOST], gradients[MOST];
    int32_t index[MOST];
    ck_assert_int_eq(gsg_graph_new(f->context, f->params, &f->graph, &err), GENSEG_OK);
    for (int i = 0; i < 3; i++) {
        f->images[i] = gsg_op_input(f->graph, "image", f->shape);
        f->logits[i] = gsg_discriminator_build(f->graph, &f->discriminator, f->images[i], GSG_MODE_TRAIN);
    }
    f->loss = total_loss(f, kind);
    ck_assert_msg(gsg_graph_status(f->graph, &err) == GENSEG_OK, "%s", err.message);
    int32_t count = gsg_graph_trainable(f->graph, wrt, index);
    ck_assert_int_eq(count, f->params->count);
    ck_assert_msg(gsg_graph_gradient(f->graph, &f->loss, NULL, 1, wrt, count, gradients, &err) == GENSEG_OK, "%s",
                  err.message);
    gsg_value outputs[4] = {f->loss, f->logits[0], f->logits[1], f->penalty};
    gsg_plan_options options = {.outputs = outputs, .output_count = 4, .gradients = gradients,
                                .gradient_count = count, .params = index};
    ck_assert_msg(gsg_plan_new(f->graph, &options, &f->plan, &err) == GENSEG_OK, "%s", err.message);
    gsg_plan_set_sink(f->plan, keep, f);
    fill_params(f);
    for (uint64_t i = 0; i < 3; i++) {
        float *image = gsg_plan_data(f->plan, f->images[i]);
        for (int64_t j = 0; image && j < gsg_shape_count(f->shape); j++)
            image[j] = hashed(1001 + i, (uint64_t)j);
    }
    ck_assert_int_eq(gsg_plan_run(f->plan, &(gsg_run){.update_statistics = 1}, &err), GENSEG_OK);
}

static void check_logits(const fixture *f, const char *key, gsg_value logits)
{
    json_t *shape = golden_get(f->golden, "shape");
    const gsg_shape got = gsg_graph_shape(f->graph, logits);
    ck_assert_uint_eq(json_array_size(shape), (size_t)got.ndim);
    for (int32_t i = 0; i < got.ndim; i++)
        ck_assert_int_eq(json_integer_value(json_array_get(shape, (size_t)i)), got.dims[i]);
    for (int64_t i = 0; i < gsg_shape_count(got); i++) {
        double expected = item(f->golden, key, i), value = (double)gsg_plan_data(f->plan, logits)[i];
        ck_assert_msg(fabs(value - expected) < 1e-4 * fmax(1.0, fabs(expected)), "%s logit %d: %g, PyTorch %g", key,
                      (int)i, value, expected);
    }
}

static void check_gradients(const fixture *f, json_t *row)
{
    for (int32_t i = 0; i < f->params->count; i++) {
        const gsg_param *p = &f->params->items[i];
        const int64_t n = gsg_shape_count(p->layout.shape);
        const double norm = item(row, "norm", i), expected = item(row, "dot", i);
        double square = 0, dot = 0;
        ck_assert_ptr_nonnull(f->gradients[i]);
        for (int64_t j = 0; j < n; j++) {
            square += (double)f->gradients[i][j] * (double)f->gradients[i][j];
            dot += (double)f->gradients[i][j] * (double)hashed((uint64_t)i + 501, (uint64_t)j);
        }
        const double tolerance = 1e-3 * norm + 1e-7; // the last bias of a Wasserstein loss cancels out
        ck_assert_msg(fabs(sqrt(square) - norm) < tolerance, "%s: norm %g, PyTorch %g", p->name, sqrt(square), norm);
        ck_assert_msg(fabs(dot - expected) < tolerance, "%s: product %g, PyTorch %g (norm %g)", p->name, dot, expected,
                      norm);
    }
}

START_TEST(agrees_with_pytorch)
{
    json_t *cases = golden_load("discriminator.json"), *golden = json_array_get(cases, (size_t)_i), *row;
    ck_assert_uint_eq(json_array_size(cases), CASES);
    size_t i;
    json_array_foreach(golden_get(golden, "losses"), i, row) {
        fixture f;
        setup(&f, golden);
        run(&f, json_string_value(golden_get(row, "kind")));
        check_logits(&f, "real", f.logits[0]);
        check_logits(&f, "generated", f.logits[1]);
        const double loss = json_number_value(golden_get(row, "loss"));
        ck_assert_double_eq_tol((double)*gsg_plan_data(f.plan, f.loss), loss, 1e-4 * fmax(1.0, loss));
        if (f.penalty >= 0)
            ck_assert_double_eq_tol((double)*gsg_plan_data(f.plan, f.penalty), golden_number(row, "penalty", -1), 1e-4);
        check_gradients(&f, row);
        teardown(&f);
    }
    json_decref(cases);
}
END_TEST

static genseg_status build(genseg_context *context, const gsg_discriminator *d, gsg_shape shape, gsg_shape *logits,
                           int32_t *count, gsg_error *err)
{
    genseg_status status;
    gsg_params *params = NULL;
    gsg_graph *graph = NULL;
    GSG_TRY(gsg_params_new(context, &params, err));
    GSG_TRY(gsg_graph_new(context, params, &graph, err));
    *logits = gsg_graph_shape(
        graph, gsg_discriminator_build(graph, d, gsg_op_input(graph, "image", shape), GSG_MODE_PROBE));
    *count = params->count;
    GSG_TRY(gsg_graph_status(graph, err));
done:
    gsg_graph_free(graph);
    gsg_params_free(params);
    return status;
}

// Of the depth that a size allows, logits remain; of one more, none.
START_TEST(depth_leaves_logits)
{
    static const int64_t sizes[] = {1, 2, 5, 6, 7, 11, 12, 13, 23, 24, 25, 47, 48, 256};
    genseg_context *context;
    gsg_error err = {0};
    genseg_context_options options = {.struct_size = sizeof options, .threads = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int32_t spatial = 2; spatial <= 3; spatial++) {
            gsg_discriminator d = gsg_discriminator_default(spatial);
            const int64_t size[3] = {spatial == 2 ? 1 : sizes[i], spatial == 2 ? sizes[i] : 32, 30};
            gsg_shape shape = {spatial + 2, {1, 2}}, logits;
            memcpy(shape.dims + 2, size + 3 - spatial, (size_t)spatial * sizeof size[0]);
            int32_t count, depth = gsg_discriminator_depth(spatial, size);
            ck_assert_int_le(depth, 3);
            d.width = 4;
            d.layers = depth;
            if (depth > 0)
                ck_assert_int_eq(build(context, &d, shape, &logits, &count, &err), GENSEG_OK);
            d.layers = depth + 1;
            if (depth < 3)
                ck_assert_int_eq(build(context, &d, shape, &logits, &count, &err), GENSEG_ERROR_SHAPE);
        }
    ck_assert_int_eq(gsg_discriminator_depth(2, (int64_t[]){1, 24, 24}), 3);
    ck_assert_int_eq(gsg_discriminator_depth(3, (int64_t[]){6, 64, 64}), 1);
    ck_assert_int_eq(gsg_discriminator_depth(3, (int64_t[]){5, 64, 64}), 0);
    gsg_context_release(context);
}
END_TEST

START_TEST(refuses_what_does_not_fit)
{
    static const struct {
        gsg_discriminator d;
        gsg_shape shape;
        genseg_status status;
        const char *message;
    } cases[] = {
        {{2, 3, 2, 8, 1, 0}, {4, {1, 2, 24, 23}}, GENSEG_ERROR_SHAPE,
         "image 1x2x24x23: a discriminator of 3 layers needs sizes of at least 24"},
        {{2, 3, 2, 8, 1, 0}, {4, {1, 3, 32, 32}}, GENSEG_ERROR_SHAPE,
         "image 1x3x32x32 for a 2-D discriminator of 2 channels"},
        {{3, 1, 2, 8, 1, 0}, {4, {1, 2, 32, 32}}, GENSEG_ERROR_SHAPE,
         "image 1x2x32x32 for a 3-D discriminator of 2 channels"},
        {{2, 0, 2, 8, 1, 0}, {4, {1, 2, 32, 32}}, GENSEG_ERROR_INVALID, "discriminator in 2-D of 0 layers, width 8"},
        {{2, 6, 2, 8, 1, 0}, {4, {1, 2, 32, 32}}, GENSEG_ERROR_INVALID, "discriminator in 2-D of 6 layers, width 8"},
        {{4, 1, 2, 8, 1, 0}, {4, {1, 2, 32, 32}}, GENSEG_ERROR_INVALID, "discriminator in 4-D of 1 layers, width 8"},
        {{2, 1, 2, 0, 1, 0}, {4, {1, 2, 32, 32}}, GENSEG_ERROR_INVALID, "discriminator in 2-D of 1 layers, width 0"},
    };
    genseg_context *context;
    gsg_error err = {0};
    gsg_shape logits;
    int32_t count;
    genseg_context_options options = {.struct_size = sizeof options, .threads = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(build(context, &cases[i].d, cases[i].shape, &logits, &count, &err), cases[i].status);
        ck_assert_str_eq(err.message, cases[i].message);
    }
    gsg_context_release(context);
}
END_TEST

START_TEST(judges_patches_as_pix2pix)
{
    genseg_context *context;
    gsg_error err = {0};
    gsg_shape logits;
    int32_t count;
    genseg_context_options options = {.struct_size = sizeof options, .threads = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    gsg_discriminator d = gsg_discriminator_default(2);
    const gsg_shape image = gsg_shape_make(4, (int64_t[]){1, 2, 256, 256});
    ck_assert_int_eq(build(context, &d, image, &logits, &count, &err), GENSEG_OK);
    ck_assert(gsg_shape_equal(logits, gsg_shape_make(4, (int64_t[]){1, 1, 30, 30})));
    ck_assert_int_eq(count, 2 + 3 * 3 + 2); // no running statistics
    d.norm = 0;
    ck_assert_int_eq(build(context, &d, image, &logits, &count, &err), GENSEG_OK);
    ck_assert_int_eq(count, 2 * 5);
    gsg_context_release(context);
}
END_TEST

static genseg_status work(genseg_context *context, gsg_error *err)
{
    gsg_shape logits;
    int32_t count;
    const gsg_discriminator d = {.spatial = 2, .layers = 2, .channels = 2, .width = 4, .norm = 1};
    return build(context, &d, gsg_shape_make(4, (int64_t[]){1, 2, 16, 16}), &logits, &count, err);
}

START_TEST(survives_failing_allocations)
{
    ck_assert_int_gt(faults_sweep(work), 10);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("discriminator");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, agrees_with_pytorch, 0, CASES);
    tcase_add_test(tests, depth_leaves_logits);
    tcase_add_test(tests, refuses_what_does_not_fit);
    tcase_add_test(tests, judges_patches_as_pix2pix);
    tcase_add_test(tests, survives_failing_allocations);
    RUN_TESTS(tests);
}
