// Searchable cells: the one merged convolution against three of its candidates mixed, both on our own operations and in
// PyTorch (tests/golden/make_generator.py): output and every gradient. First values of GANs.
#include "nn/cell.h"

#include <stdio.h>

#include "faults.h"
#include "graph/plan.h"
#include "hashed.h"
#include "nn/init.h"

#define CASES 18 // of cell.json
#define MOST 8

typedef struct fixture {
    const json_t *golden;
    genseg_context *context;
    gsg_params *params;
    gsg_cell cell;
    gsg_shape image;
    int64_t outputs;
    int32_t bias;
    size_t order[MOST];
} fixture;

// A network that has run: plain values, gradients by the name of their parameter.
typedef struct result {
    gsg_shape shape;
    float *out, *image;
    float *gradients[MOST];
    const fixture *f;
} result;

static genseg_status keep(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    result *r = user;
    gsg_param stored = r->f->params->items[param];
    stored.data = (float *)(uintptr_t)gradient;
    ck_assert_ptr_null(r->gradients[param]);
    r->gradients[param] = calloc((size_t)stored.layout.count, sizeof(float));
    gsg_param_export(&stored, r->gradients[param]);
    return GENSEG_OK;
}

static float *copy(const float *values, int64_t count)
{
    float *made = malloc((size_t)count * sizeof *made);
    return memcpy(made, values, (size_t)count * sizeof *made);
}

// Weighs the candidates' outputs; `shares` are scalar inputs that the host fills with the softmax.
static gsg_value separate(gsg_graph *graph, const fixture *f, gsg_value image, gsg_value *shares)
{
    gsg_value sum = GSG_NONE;
    for (int32_t j = 0; j < f->cell.candidates; j++) {
        char name[32];
        const int64_t k = 4 + 2 * j, one = 1;
        gsg_conv conv = gsg_nn_square(f->cell.spatial, k, 2, (k - 2) / 2, f->cell.transposed);
        snprintf(name, sizeof name, "cell.k%lld", (long long)k);
        shares[j] = gsg_op_input(graph, name, gsg_shape_make(1, &one));
        gsg_value y = gsg_nn_conv(graph, name, image, f->outputs, &conv, 0);
        y = gsg_op_scale(graph, y, 1.0f, shares[j]);
        sum = j ? gsg_op_add(graph, sum, y) : y;
    }
    return sum;
}

static void softmax(const fixture *f, double *p)
{
    const float *logits = f->params->items[gsg_params_find(f->params, "cell.alpha")].data;
    double sum = 0;
    for (int32_t j = 0; j < f->cell.candidates; j++)
        sum += p[j] = exp((double)logits[j]);
    for (int32_t j = 0; j < f->cell.candidates; j++)
        p[j] /= sum;
}

// With `apart`, the gradient of the logits is left in `diff_logits`.
static result run_cell(fixture *f, bool apart, bool keep_all, double *diff_logits)
{
    gsg_error err = {0};
    gsg_graph *graph;
    gsg_plan *plan;
    gsg_value wrt[2 * MOST], gradients[2 * MOST], shares[GSG_MERGE_CANDIDATES];
    int32_t index[2 * MOST];
    const int32_t candidates = apart ? f->cell.candidates : 0;
    double p[GSG_MERGE_CANDIDATES];
    result r = {.f = f};
    ck_assert_int_eq(gsg_graph_new(f->context, f->params, &graph, &err), GENSEG_OK);
    gsg_value image = gsg_op_input(graph, "image", f->image);
    gsg_value out = apart ? separate(graph, f, image, shares)
                          : gsg_nn_cell(graph, "cell", image, f->outputs, &f->cell, f->bias);
    ck_assert_msg(gsg_graph_status(graph, &err) == GENSEG_OK, "%s", err.message);
    r.shape = gsg_graph_shape(graph, out);
    gsg_value seed = gsg_op_input(graph, "seed", r.shape);
    int32_t count = gsg_graph_trainable(graph, wrt, index);
    wrt[count] = image;
    for (int32_t j = 0; j < candidates; j++)
        wrt[count + 1 + j] = shares[j];
    ck_assert_msg(gsg_graph_gradient(graph, &out, &seed, 1, wrt, count + 1 + candidates, gradients, &err) == GENSEG_OK,
                  "%s", err.message);
    gsg_value outputs[2 + GSG_MERGE_CANDIDATES] = {out, gradients[count]};
    for (int32_t j = 0; j < candidates; j++)
        outputs[2 + j] = gradients[count + 1 + j];
    gsg_plan_options options = {.outputs = outputs, .output_count = 2 + candidates, .gradients = gradients,
                                .gradient_count = count, .params = index, .keep_all = keep_all};
    ck_assert_msg(gsg_plan_new(graph, &options, &plan, &err) == GENSEG_OK, "%s", err.message);
    gsg_plan_set_sink(plan, keep, &r);
    for (int64_t i = 0; i < gsg_shape_count(f->image); i++)
        gsg_plan_data(plan, image)[i] = hashed(1001, (uint64_t)i);
    for (int64_t i = 0; i < gsg_shape_count(r.shape); i++)
        gsg_plan_data(plan, seed)[i] = hashed(1002, (uint64_t)i);
    if (apart)
        softmax(f, p);
    for (int32_t j = 0; j < candidates; j++)
        *gsg_plan_data(plan, shares[j]) = (float)p[j];
    gsg_run run = {0};
    ck_assert_msg(gsg_plan_run(plan, &run, &err) == GENSEG_OK, "%s", err.message);
    r.out = copy(gsg_plan_data(plan, out), gsg_shape_count(r.shape));
    r.image = copy(gsg_plan_data(plan, gradients[count]), gsg_shape_count(f->image));
    double mean = 0;
    for (int32_t j = 0; j < candidates; j++)
        mean += p[j] * (double)*gsg_plan_data(plan, gradients[count + 1 + j]);
    for (int32_t j = 0; j < candidates; j++)
        diff_logits[j] = p[j] * ((double)*gsg_plan_data(plan, gradients[count + 1 + j]) - mean);
    gsg_plan_free(plan);
    gsg_graph_free(graph);
    return r;
}

static void result_free(result *r)
{
    free(r->out);
    free(r->image);
    for (int32_t i = 0; i < MOST; i++)
        free(r->gradients[i]);
}

static void setup(fixture *f, const json_t *golden, bool filled)
{
    gsg_error err = {0};
    gsg_graph *graph;
    *f = (fixture){.golden = golden, .outputs = integer(golden, "outputs"), .bias = (int32_t)integer(golden, "bias")};
    f->cell = (gsg_cell){(int32_t)integer(golden, "spatial"), (int32_t)integer(golden, "transposed"),
                         (int32_t)integer(golden, "candidates"), (int32_t)integer(golden, "fixed")};
    f->image = (gsg_shape){f->cell.spatial + 2, {integer(golden, "batch"), integer(golden, "inputs")}};
    for (int32_t i = 0; i < f->cell.spatial; i++)
        f->image.dims[i + 2] = (int64_t)item(golden, "size", (size_t)i);
    genseg_context_options options = {.struct_size = sizeof options, .threads = 2};
    ck_assert_int_eq(gsg_context_new(&options, &f->context, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_params_new(f->context, &f->params, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_graph_new(f->context, f->params, &graph, &err), GENSEG_OK);
    gsg_nn_cell(graph, "cell", gsg_op_input(graph, "image", f->image), f->outputs, &f->cell, f->bias);
    ck_assert_msg(gsg_graph_status(graph, &err) == GENSEG_OK, "%s", err.message);
    gsg_graph_free(graph);
    if (filled)
        fill_golden(golden, f->params, f->order);
}

static void teardown(fixture *f)
{
    gsg_params_free(f->params);
    ck_assert_uint_eq(atomic_load(&f->context->memory), 0);
    gsg_context_release(f->context);
}

START_TEST(agrees_with_pytorch)
{
    json_t *cases = load_golden(GOLDEN_DIR "/cell.json");
    ck_assert_uint_eq(json_array_size(cases), CASES);
    fixture f;
    setup(&f, json_array_get(cases, (size_t)_i), true);
    result r = run_cell(&f, false, false, NULL);
    check_golden_values(f.golden, "out", r.out, 1e-5);
    for (int32_t i = 0; i < f.params->count; i++)
        check_golden_gradient(json_array_get(json_object_get(f.golden, "params"), f.order[i]), f.order[i],
                              r.gradients[i], gsg_shape_count(f.params->items[i].layout.shape));
    check_golden_gradient(json_object_get(f.golden, "image"), (size_t)f.params->count, r.image,
                          gsg_shape_count(f.image));
    result_free(&r);
    teardown(&f);
    json_decref(cases);
}
END_TEST

// Every value, within `relative` of the largest.
static void same(const char *what, const float *values, const float *expected, int64_t count, double relative)
{
    double most = 0;
    ck_assert_msg(values && expected, "%s is missing", what);
    for (int64_t i = 0; i < count; i++)
        most = fmax(most, fabs((double)expected[i]));
    ck_assert_msg(most > 0, "%s is zero", what);
    for (int64_t i = 0; i < count; i++)
        if (!(fabs((double)values[i] - (double)expected[i]) <= relative * most))
            ck_abort_msg("%s %lld: %g, apart %g (of %g)", what, (long long)i, (double)values[i], (double)expected[i],
                         most);
}

START_TEST(equals_its_candidates_apart)
{
    json_t *cases = load_golden(GOLDEN_DIR "/cell.json");
    fixture f;
    setup(&f, json_array_get(cases, (size_t)_i), true);
    double expected[GSG_MERGE_CANDIDATES];
    f.bias = 0;
    if (f.cell.candidates > 1 && !f.cell.fixed) {
        result r = run_cell(&f, false, false, NULL), apart = run_cell(&f, true, false, expected);
        same("output", r.out, apart.out, gsg_shape_count(r.shape), 3e-6);
        same("gradient of the image", r.image, apart.image, gsg_shape_count(f.image), 3e-6);
        for (int32_t i = 0; i < f.params->count; i++) {
            const gsg_param *p = &f.params->items[i];
            const int64_t count = gsg_shape_count(p->layout.shape);
            if (gsg_nn_is_architecture(p))
                for (int32_t j = 0; j < count; j++)
                    apart.gradients[i] = apart.gradients[i] ? apart.gradients[i] : calloc(MOST, sizeof(float)),
                    apart.gradients[i][j] = (float)expected[j];
            else if (p->layout.shape.ndim == 1)
                continue; // the bias
            same(p->name, r.gradients[i], apart.gradients[i], count, 1e-5);
        }
        result_free(&apart);
        result_free(&r);
    }
    teardown(&f);
    json_decref(cases);
}
END_TEST

START_TEST(keeping_the_merged_weights_changes_no_bit)
{
    json_t *cases = load_golden(GOLDEN_DIR "/cell.json");
    fixture f;
    setup(&f, json_array_get(cases, (size_t)_i), true);
    result r = run_cell(&f, false, false, NULL), kept = run_cell(&f, false, true, NULL);
    ck_assert_int_eq(memcmp(r.out, kept.out, (size_t)gsg_shape_count(r.shape) * sizeof(float)), 0);
    ck_assert_int_eq(memcmp(r.image, kept.image, (size_t)gsg_shape_count(f.image) * sizeof(float)), 0);
    for (int32_t i = 0; i < f.params->count; i++)
        ck_assert_int_eq(memcmp(r.gradients[i], kept.gradients[i],
                                (size_t)gsg_shape_count(f.params->items[i].layout.shape) * sizeof(float)), 0);
    result_free(&kept);
    result_free(&r);
    teardown(&f);
    json_decref(cases);
}
END_TEST

// A layer that another network uses twice: the gradient of its merged weights is a sum.
START_TEST(merged_weights_may_be_used_twice)
{
    json_t *cases = load_golden(GOLDEN_DIR "/cell.json");
    gsg_error err = {0};
    gsg_graph *graph;
    gsg_plan *plan;
    fixture f;
    setup(&f, json_array_get(cases, 0), true);
    gsg_value wrt[MOST], gradients[MOST], kernels[3];
    int32_t index[MOST];
    float *found[2][MOST] = {{0}};
    // Once <seed, conv(x, M) + conv(x, M)>, once <2 seed, conv(x, M)>.
    for (int twice = 0; twice < 2; twice++) {
        result r = {.f = &f};
        ck_assert_int_eq(gsg_graph_new(f.context, f.params, &graph, &err), GENSEG_OK);
        gsg_value x = gsg_op_input(graph, "image", f.image);
        gsg_conv conv = gsg_nn_square(2, 4, 2, 1, 0);
        kernels[0] = gsg_nn_weight(graph, "cell", "k4.weight", x, f.outputs, &conv);
        conv = gsg_nn_square(2, 6, 2, 2, 0);
        kernels[1] = gsg_nn_weight(graph, "cell", "k6.weight", x, f.outputs, &conv);
        conv = gsg_nn_square(2, 8, 2, 3, 0);
        kernels[2] = gsg_nn_weight(graph, "cell", "k8.weight", x, f.outputs, &conv);
        gsg_value logits = gsg_nn_param(graph, "cell", "alpha", GSG_PARAM_VECTOR, gsg_shape_make(1, (int64_t[]){3}));
        gsg_value merged = gsg_op_merge(graph, logits, kernels, 3);
        gsg_value y = gsg_op_conv(graph, x, merged, GSG_NONE, &conv);
        y = twice ? gsg_op_add(graph, y, gsg_op_conv(graph, x, merged, GSG_NONE, &conv))
                  : gsg_op_scale(graph, y, 2.0f, GSG_NONE);
        gsg_value loss = gsg_op_dot(graph, y, y, 1e-2f);
        int32_t count = gsg_graph_trainable(graph, wrt, index);
        ck_assert_msg(gsg_graph_gradient(graph, &loss, NULL, 1, wrt, count, gradients, &err) == GENSEG_OK, "%s",
                      err.message);
        gsg_plan_options options = {.outputs = &loss, .output_count = 1, .gradients = gradients,
                                    .gradient_count = count, .params = index};
        ck_assert_msg(gsg_plan_new(graph, &options, &plan, &err) == GENSEG_OK, "%s", err.message);
        gsg_plan_set_sink(plan, keep, &r);
        for (int64_t i = 0; i < gsg_shape_count(f.image); i++)
            gsg_plan_data(plan, x)[i] = hashed(1001, (uint64_t)i);
        ck_assert_int_eq(gsg_plan_run(plan, &(gsg_run){0}, &err), GENSEG_OK);
        memcpy(found[twice], r.gradients, sizeof r.gradients);
        gsg_plan_free(plan);
        gsg_graph_free(graph);
    }
    for (int32_t i = 0; i < f.params->count; i++) {
        if (found[0][i])
            same(f.params->items[i].name, found[1][i], found[0][i], gsg_shape_count(f.params->items[i].layout.shape),
                 1e-5);
        free(found[0][i]);
        free(found[1][i]);
    }
    teardown(&f);
    json_decref(cases);
}
END_TEST

START_TEST(names_and_architecture)
{
    json_t *cases = load_golden(GOLDEN_DIR "/cell.json");
    fixture f;
    int32_t kernel = 0;
    setup(&f, json_array_get(cases, 0), false);
    static const char *const names[] = {"cell.k4.weight", "cell.k6.weight", "cell.k8.weight", "cell.alpha",
                                        "cell.bias"};
    ck_assert_int_eq(f.params->count, 5);
    for (int32_t i = 0; i < 5; i++) {
        ck_assert_str_eq(f.params->items[i].name, names[i]);
        ck_assert_int_eq(gsg_nn_is_architecture(&f.params->items[i]), i == 3);
    }
    float *logits = f.params->items[3].data;
    ck_assert_int_eq(gsg_nn_cell_best(f.params, "cell", 3, &kernel), 0);
    ck_assert_int_eq(kernel, 4);
    logits[2] = 0.5f;
    ck_assert_int_eq(gsg_nn_cell_best(f.params, "cell", 3, &kernel), 2);
    ck_assert_int_eq(kernel, 8);
    ck_assert_int_eq(gsg_nn_cell_best(f.params, "elsewhere", 3, &kernel), -1);
    gsg_error err;
    ck_assert_int_eq(gsg_nn_cell_merged(f.params, "elsewhere", 3, &f.params->items[2], &err), GENSEG_ERROR_INTERNAL);
    ck_assert_int_eq(gsg_nn_cell_merged(f.params, "cell", 3, &f.params->items[1], &err), GENSEG_ERROR_INTERNAL);
    teardown(&f);
    json_decref(cases);
}
END_TEST

static void fails(const gsg_cell *cell, genseg_status expected, const char *message)
{
    genseg_context *context;
    gsg_params *params;
    gsg_graph *graph;
    gsg_error err = {0};
    genseg_context_options options = {.struct_size = sizeof options, .threads = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_params_new(context, &params, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_graph_new(context, params, &graph, &err), GENSEG_OK);
    gsg_value x = gsg_op_input(graph, "x", gsg_shape_make(4, (int64_t[]){1, 2, 8, 8}));
    ck_assert_int_eq(gsg_nn_cell_norm(graph, "cell", x, 4, cell, 0.2f, GSG_MODE_TRAIN), GSG_NONE);
    ck_assert_int_eq(gsg_graph_status(graph, &err), expected);
    ck_assert_str_eq(err.message, message);
    gsg_graph_free(graph);
    gsg_params_free(params);
    gsg_context_release(context);
}

START_TEST(refuses_other_cells)
{
    fails(&(gsg_cell){2, 0, 4, 0}, GENSEG_ERROR_INVALID, "a cell of 4 candidates, or of the fixed kernel 0");
    fails(&(gsg_cell){2, 0, 0, 0}, GENSEG_ERROR_INVALID, "a cell of 0 candidates, or of the fixed kernel 0");
    fails(&(gsg_cell){2, 0, 3, 5}, GENSEG_ERROR_INVALID, "a cell of 3 candidates, or of the fixed kernel 5");
}
END_TEST

START_TEST(merge_checks_its_sources)
{
    genseg_context *context;
    gsg_params *params;
    gsg_graph *graph;
    gsg_error err = {0};
    genseg_context_options options = {.struct_size = sizeof options, .threads = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_params_new(context, &params, &err), GENSEG_OK);
    for (int which = 0; which < 4; which++) {
        ck_assert_int_eq(gsg_graph_new(context, params, &graph, &err), GENSEG_OK);
        gsg_value x = gsg_op_input(graph, "x", gsg_shape_make(4, (int64_t[]){1, 5, 8, 8}));
        gsg_conv small = gsg_nn_square(2, 4, 2, 1, 0), large = gsg_nn_square(2, 6, 2, 2, 0);
        gsg_value logits = gsg_nn_param(graph, "c", "alpha", GSG_PARAM_VECTOR, gsg_shape_make(1, (int64_t[]){2}));
        gsg_value kernels[2] = {gsg_nn_weight(graph, "c", "a", x, 5, &small),
                                gsg_nn_weight(graph, "c", "b", x, 5, &large)};
        gsg_value swapped[2] = {kernels[1], kernels[0]}, wrong[2] = {kernels[0], x};
        ck_assert_int_eq(gsg_op_merge(graph, which == 0 ? x : logits,
                                      which == 1 ? swapped : which == 2 ? wrong : kernels, which == 3 ? 1 : 2),
                         GSG_NONE);
        ck_assert_int_eq(gsg_graph_status(graph, &err), which == 1 ? GENSEG_ERROR_SHAPE : GENSEG_ERROR_INTERNAL);
        gsg_graph_free(graph);
    }
    gsg_params_free(params);
    gsg_context_release(context);
}
END_TEST

START_TEST(first_values_of_gans)
{
    genseg_context *context;
    gsg_params *params, *again;
    gsg_graph *graph;
    gsg_error err = {0};
    genseg_context_options options = {.struct_size = sizeof options, .threads = 1};
    ck_assert_int_eq(gsg_context_new(&options, &context, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_params_new(context, &params, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_graph_new(context, params, &graph, &err), GENSEG_OK);
    gsg_value x = gsg_op_input(graph, "x", gsg_shape_make(4, (int64_t[]){2, 16, 16, 16}));
    gsg_cell cell = {.spatial = 2, .candidates = 3}, up = {.spatial = 2, .transposed = 1, .fixed = 4};
    x = gsg_nn_cell_norm(graph, "a", x, 400, &cell, 0.2f, GSG_MODE_TRAIN);
    gsg_nn_cell(graph, "b", x, 3, &up, 1);
    ck_assert_int_eq(gsg_init_gan(params, 5, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_params_clone(params, &again, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_init_gan(again, 5, &err), GENSEG_OK);
    for (int32_t i = 0; i < params->count; i++) {
        const gsg_param *p = &params->items[i];
        const int64_t n = gsg_shape_count(p->layout.shape);
        const bool gamma = strcmp(p->name, "a.norm.weight") == 0, random = gamma || p->layout.shape.ndim > 1;
        double sum = 0, square = 0;
        float *plain = malloc((size_t)n * sizeof *plain);
        gsg_param_export(p, plain);
        for (int64_t j = 0; j < n; j++)
            sum += (double)plain[j];
        for (int64_t j = 0; j < n; j++)
            square += ((double)plain[j] - sum / (double)n) * ((double)plain[j] - sum / (double)n);
        const double expected = gamma || strstr(p->name, "running_var") ? 1 : 0;
        ck_assert_msg(fabs(sum / (double)n - expected) <= (random ? 0.1 / sqrt((double)n) : 0), "%s: mean %g", p->name,
                      sum / (double)n);
        ck_assert_msg(fabs(sqrt(square / (double)n) - (random ? 0.02 : 0)) <= (random ? 0.003 : 0), "%s: deviation %g",
                      p->name, sqrt(square / (double)n));
        ck_assert_int_eq(memcmp(p->data, again->items[i].data, (size_t)p->layout.count * sizeof(float)), 0);
        free(plain);
    }
    gsg_graph_free(graph);
    gsg_params_free(again);
    gsg_params_free(params);
    gsg_context_release(context);
}
END_TEST

static genseg_status build_and_run(genseg_context *context, gsg_error *err)
{
    genseg_status status;
    gsg_params *params = NULL;
    gsg_graph *graph = NULL;
    gsg_plan *plan = NULL;
    gsg_value wrt[MOST], gradients[MOST];
    int32_t index[MOST];
    gsg_cell cell = {.spatial = 2, .candidates = 3};
    GSG_TRY(gsg_params_new(context, &params, err));
    GSG_TRY(gsg_graph_new(context, params, &graph, err));
    gsg_value x = gsg_op_input(graph, "x", gsg_shape_make(4, (int64_t[]){1, 4, 8, 8}));
    gsg_value y = gsg_nn_cell(graph, "cell", x, 4, &cell, 1), loss = gsg_op_dot(graph, y, y, 1.0f);
    GSG_TRY(gsg_graph_status(graph, err));
    GSG_TRY(gsg_init_gan(params, 1, err));
    int32_t count = gsg_graph_trainable(graph, wrt, index);
    GSG_TRY(gsg_graph_gradient(graph, &loss, NULL, 1, wrt, count, gradients, err));
    gsg_plan_options options = {.outputs = &loss, .output_count = 1, .gradients = gradients, .gradient_count = count,
                                .params = index};
    GSG_TRY(gsg_plan_new(graph, &options, &plan, err));
    GSG_TRY(gsg_plan_run(plan, &(gsg_run){0}, err));
    GSG_TRY(gsg_nn_cell_merged(params, "cell", 3, &params->items[2], err));
done:
    gsg_plan_free(plan);
    gsg_graph_free(graph);
    gsg_params_free(params);
    return status;
}

START_TEST(survives_failing_allocations)
{
    ck_assert_int_ge(faults_sweep(build_and_run), 20);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("cell");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, agrees_with_pytorch, 0, CASES);
    tcase_add_loop_test(tests, equals_its_candidates_apart, 0, CASES);
    tcase_add_loop_test(tests, keeping_the_merged_weights_changes_no_bit, 0, CASES);
    tcase_add_test(tests, merged_weights_may_be_used_twice);
    tcase_add_test(tests, names_and_architecture);
    tcase_add_test(tests, refuses_other_cells);
    tcase_add_test(tests, merge_checks_its_sources);
    tcase_add_test(tests, first_values_of_gans);
    tcase_add_test(tests, survives_failing_allocations);
    RUN_TESTS(tests);
}
