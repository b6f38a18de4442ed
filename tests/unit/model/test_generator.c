// The generator against PyTorch (tests/golden/make_generator.py: candidates as convolutions of their own, activations
// where pix2pix has them): names and shapes of parameters, images in training and at inference, loss, every gradient,
// running statistics. Gradients against differences, statistics, dropout, what remains after the search, errors.
#include "model/generator.h"

#include <stdio.h>

#include "faults.h"
#include "graph/plan.h"
#include "hashed.h"
#include "nn/init.h"

#define CASES 7 // of generator.json
#define MOST 128

typedef struct fixture {
    const json_t *golden; // NULL: none
    genseg_context *context;
    gsg_generator generator;
    gsg_params *params;
    gsg_shape mask, noise, image;
    size_t order[MOST];
    float *gradients[MOST];
} fixture;

// One network with its loss and gradients, which stays for several runs.
typedef struct network {
    gsg_graph *graph;
    gsg_plan *plan;
    gsg_value mask, noise, target, image, loss, diff_mask;
} network;

static genseg_status keep(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    fixture *f = user;
    gsg_param stored = f->params->items[param];
    const int64_t count = gsg_shape_count(stored.layout.shape);
    stored.data = (float *)(uintptr_t)gradient;
    if (!f->gradients[param])
        f->gradients[param] = calloc((size_t)count + GSG_VECTOR_PAD, sizeof(float));
    gsg_param_export(&stored, f->gradients[param]);
    return GENSEG_OK;
}

static void shapes_of(fixture *f, int64_t batch, const int64_t *size)
{
    const gsg_generator *g = &f->generator;
    f->mask = (gsg_shape){g->spatial + 2, {batch, g->masks}};
    for (int32_t i = 0; i < g->spatial; i++)
        f->mask.dims[i + 2] = size[i];
    f->noise = f->image = f->mask;
    f->noise.dims[1] = g->noise;
    f->image.dims[1] = g->channels;
}

static void open_context(fixture *f, int32_t threads)
{
    gsg_error err = {0};
    genseg_context_options options = {.struct_size = sizeof options, .threads = threads};
    ck_assert_int_eq(gsg_context_new(&options, &f->context, &err), GENSEG_OK);
}

static void setup(fixture *f, const json_t *golden)
{
    gsg_error err = {0};
    int64_t size[3];
    *f = (fixture){.golden = golden};
    f->generator = (gsg_generator){.spatial = (int32_t)integer(golden, "spatial"),
                                   .levels = (int32_t)integer(golden, "levels"),
                                   .masks = integer(golden, "masks"),
                                   .noise = integer(golden, "noise"),
                                   .channels = integer(golden, "channels"),
                                   .width = integer(golden, "width"),
                                   .candidates = (int32_t)integer(golden, "candidates")};
    for (int32_t i = 0; i < 2 * f->generator.levels; i++)
        f->generator.fixed[i] = (int32_t)item(golden, "fixed", (size_t)i);
    for (int32_t i = 0; i < f->generator.spatial; i++)
        size[i] = (int64_t)item(golden, "size", (size_t)i);
    shapes_of(f, integer(golden, "batch"), size);
    open_context(f, 2);
    ck_assert_msg(gsg_generator_params(f->context, &f->generator, &f->params, &err) == GENSEG_OK, "%s", err.message);
    ck_assert_int_lt(f->params->count, MOST);
    fill_golden(golden, f->params, f->order);
}

// A generator of random weights, with statistics and logits that are not the first ones.
static void setup_random(fixture *f, gsg_generator generator, int64_t batch, const int64_t *size)
{
    gsg_error err = {0};
    *f = (fixture){.generator = generator};
    shapes_of(f, batch, size);
    open_context(f, 2);
    ck_assert_msg(gsg_generator_params(f->context, &generator, &f->params, &err) == GENSEG_OK, "%s", err.message);
    ck_assert_int_lt(f->params->count, MOST);
    ck_assert_int_eq(gsg_init_gan(f->params, 3, &err), GENSEG_OK);
    for (int32_t i = 0; i < f->params->count; i++) {
        const gsg_param *p = &f->params->items[i];
        const int64_t n = gsg_shape_count(p->layout.shape);
        const float fan = sqrtf((float)(n / p->layout.shape.dims[0]));
        for (int64_t j = 0; j < p->layout.count; j++)
            if (p->layout.shape.ndim > 1)
                p->data[j] *= 50.0f / fan;
            else if (j < n)
                p->data[j] += 0.3f * hashed((uint64_t)i + 1, (uint64_t)j);
    }
}

static void teardown(fixture *f)
{
    for (int32_t i = 0; i < MOST; i++)
        free(f->gradients[i]);
    gsg_params_free(f->params);
    ck_assert_uint_eq(atomic_load(&f->context->memory), 0);
    gsg_context_release(f->context);
}

static void fill_mask(const fixture *f, float *mask)
{
    const int32_t spatial = f->generator.spatial;
    int64_t coarse[3] = {1, 1, 1}, size[3] = {1, 1, 1};
    for (int32_t i = 0; i < spatial; i++) {
        size[3 - spatial + i] = f->mask.dims[i + 2];
        coarse[3 - spatial + i] = (f->mask.dims[i + 2] + 3) / 4;
    }
    const int64_t S = size[0] * size[1] * size[2], C = coarse[0] * coarse[1] * coarse[2];
    for (int64_t i = 0; i < gsg_shape_count(f->mask); i++) {
        const int64_t s = i % S, z = s / (size[1] * size[2]), y = s / size[2] % size[1], x = s % size[2];
        const int64_t at = (z * coarse[0] / size[0] * coarse[1] + y * coarse[1] / size[1]) * coarse[2] +
                           x * coarse[2] / size[2];
        mask[i] = hashed(1001, (uint64_t)(i / S * C + at)) > 0 ? 1.0f : 0.0f;
    }
}

static void fill_hashed(gsg_plan *plan, gsg_value value, uint64_t stream, gsg_shape shape)
{
    for (int64_t i = 0; value >= 0 && i < gsg_shape_count(shape); i++)
        gsg_plan_data(plan, value)[i] = hashed(stream, (uint64_t)i);
}

// With gradients of L1 to a target, or of the product with it in a probe (no kinks for differences), or the image alone
// at inference.
static network network_of(fixture *f, gsg_mode mode, int32_t keep_all)
{
    gsg_error err = {0};
    network n = {.noise = GSG_NONE, .target = GSG_NONE};
    gsg_value wrt[MOST], gradients[MOST];
    int32_t index[MOST], count = 0;
    ck_assert_int_eq(gsg_graph_new(f->context, f->params, &n.graph, &err), GENSEG_OK);
    n.mask = gsg_op_input(n.graph, "mask", f->mask);
    if (f->generator.noise)
        n.noise = gsg_op_input(n.graph, "noise", f->noise);
    n.image = gsg_generator_build(n.graph, &f->generator, n.mask, n.noise, mode);
    ck_assert_msg(gsg_graph_status(n.graph, &err) == GENSEG_OK, "%s", err.message);
    gsg_value outputs[3] = {n.image};
    gsg_plan_options options = {.outputs = outputs, .output_count = 1, .gradients = gradients, .params = index,
                                .keep_all = keep_all};
    if (mode != GSG_MODE_INFER) {
        n.target = gsg_op_input(n.graph, "target", f->image);
        n.loss = mode == GSG_MODE_TRAIN ? gsg_op_l1(n.graph, n.image, n.target)
                                        : gsg_op_dot(n.graph, n.image, n.target, 1e-2f);
        count = gsg_graph_trainable(n.graph, wrt, index);
        wrt[count] = n.mask;
        ck_assert_msg(gsg_graph_gradient(n.graph, &n.loss, NULL, 1, wrt, count + 1, gradients, &err) == GENSEG_OK, "%s",
                      err.message);
        n.diff_mask = outputs[2] = gradients[count];
        outputs[1] = n.loss;
        options.output_count = 3;
        options.gradient_count = count;
    }
    ck_assert_msg(gsg_plan_new(n.graph, &options, &n.plan, &err) == GENSEG_OK, "%s", err.message);
    gsg_plan_set_sink(n.plan, keep, f);
    fill_mask(f, gsg_plan_data(n.plan, n.mask));
    fill_hashed(n.plan, n.noise, 1003, f->noise);
    fill_hashed(n.plan, n.target, 1002, f->image);
    return n;
}

static void network_free(network *n)
{
    gsg_plan_free(n->plan);
    gsg_graph_free(n->graph);
}

static const float *run_network(network *n, uint64_t step)
{
    gsg_error err = {0};
    gsg_run run = {.seed = 11, .step = step, .update_statistics = 1};
    ck_assert_msg(gsg_plan_run(n->plan, &run, &err) == GENSEG_OK, "%s", err.message);
    return gsg_plan_data(n->plan, n->image);
}

static double loss_of(network *n)
{
    run_network(n, 1);
    return (double)*gsg_plan_data(n->plan, n->loss);
}

START_TEST(agrees_with_pytorch)
{
    json_t *cases = load_golden(GOLDEN_DIR "/generator.json");
    ck_assert_uint_eq(json_array_size(cases), CASES);
    fixture f;
    setup(&f, json_array_get(cases, (size_t)_i));
    network infer = network_of(&f, GSG_MODE_INFER, 0), train = network_of(&f, GSG_MODE_TRAIN, 0);
    check_golden_values(f.golden, "infer", run_network(&infer, 0), 1e-4);
    ck_assert_double_eq_tol(loss_of(&train), number(f.golden, "loss"), 1e-5);
    check_golden_values(f.golden, "train", gsg_plan_data(train.plan, train.image), 1e-4);
    for (int32_t i = 0; i < f.params->count; i++) {
        const gsg_param *p = &f.params->items[i];
        const json_t *row = json_array_get(json_object_get(f.golden, "params"), f.order[i]);
        if (p->kind != GSG_PARAM_STATISTIC)
            check_golden_gradient(row, f.order[i], f.gradients[i], gsg_shape_count(p->layout.shape));
        for (size_t j = 0; p->kind == GSG_PARAM_STATISTIC && j < 4; j++)
            ck_assert_double_eq_tol((double)p->data[j], item(row, "after", j), 1e-4);
    }
    check_golden_gradient(json_object_get(f.golden, "image"), (size_t)f.params->count,
                          gsg_plan_data(train.plan, train.diff_mask), gsg_shape_count(f.mask));
    network_free(&infer);
    network_free(&train);
    teardown(&f);
    json_decref(cases);
}
END_TEST

// With dropout, and whether or not values are kept.
static void check_differences(gsg_generator generator, int64_t batch, const int64_t *size)
{
    fixture f;
    setup_random(&f, generator, batch, size);
    network kept = network_of(&f, GSG_MODE_PROBE, 1), n = network_of(&f, GSG_MODE_PROBE, 0);
    float *gradients[2][MOST];
    for (int i = 0; i < 2; i++) {
        ck_assert(isfinite(loss_of(i ? &n : &kept)));
        memcpy(gradients[i], f.gradients, sizeof f.gradients);
        memset(f.gradients, 0, sizeof f.gradients);
    }
    for (int32_t i = 0; i < f.params->count; i++) {
        gsg_param *p = &f.params->items[i];
        const int64_t count = gsg_shape_count(p->layout.shape);
        if (p->kind == GSG_PARAM_STATISTIC)
            continue;
        float *gradient = gradients[1][i];
        ck_assert_msg(memcmp(gradients[0][i], gradient, (size_t)count * sizeof(float)) == 0, "%s", p->name);
        free(gradients[0][i]);
        // Along the gradient; kinks and rounding limit what steps tell, so the best of some counts.
        float *old = malloc((size_t)p->layout.count * sizeof *old);
        float *plain = malloc((size_t)count * sizeof *plain), *moved = malloc((size_t)count * sizeof *moved);
        double square = 0, error = INFINITY, measured = 0;
        memcpy(old, p->data, (size_t)p->layout.count * sizeof *old);
        gsg_param_export(p, plain);
        for (int64_t j = 0; j < count; j++)
            square += (double)gradient[j] * (double)gradient[j];
        ck_assert_msg(square > 0, "%s: gradient is zero", p->name);
        for (double change = 2e-4; change > 5e-6; change *= 0.3) {
            double value[2];
            for (int side = 0; side < 2; side++) {
                for (int64_t j = 0; j < count; j++)
                    moved[j] = plain[j] + (float)((side ? -change : change) / square * (double)gradient[j]);
                gsg_param_import(p, moved);
                value[side] = loss_of(&n);
            }
            const double ratio = (value[0] - value[1]) / (2 * change); // should be 1
            if (fabs(ratio - 1) < error) {
                error = fabs(ratio - 1);
                measured = ratio;
            }
        }
        ck_assert_msg(error < 0.01, "%s: differences are %g times the gradient", p->name, measured);
        memcpy(p->data, old, (size_t)p->layout.count * sizeof *old);
        free(old);
        free(plain);
        free(moved);
        free(gradient);
    }
    network_free(&kept);
    network_free(&n);
    teardown(&f);
}

START_TEST(gradients_agree_with_differences)
{
    gsg_generator flat = gsg_generator_default(2), deep = gsg_generator_default(3);
    flat.width = 8;
    flat.levels = 3;
    flat.noise = 1;
    check_differences(flat, 2, (int64_t[]){16, 24});
    deep.width = 4;
    deep.levels = 2;
    deep.noise = 2;
    check_differences(deep, 2, (int64_t[]){8, 12, 4});
}
END_TEST

static gsg_generator small_generator(void)
{
    gsg_generator g = gsg_generator_default(2);
    g.levels = 4;
    g.width = 8;
    return g;
}

static bool differ(const float *a, const float *b, int64_t count)
{
    return memcmp(a, b, (size_t)count * sizeof *a) != 0;
}

START_TEST(modes)
{
    fixture f;
    gsg_error err = {0};
    setup_random(&f, small_generator(), 2, (int64_t[]){16, 16});
    const int64_t count = gsg_shape_count(f.image);
    float *first = malloc((size_t)count * sizeof *first);
    gsg_params *before = NULL;
    ck_assert_int_eq(gsg_params_clone(f.params, &before, &err), GENSEG_OK);
    network probe = network_of(&f, GSG_MODE_PROBE, 0), train = network_of(&f, GSG_MODE_TRAIN, 0);
    network infer = network_of(&f, GSG_MODE_INFER, 0);
    // Dropout: another step, another image; the same step, the same bits.
    memcpy(first, run_network(&probe, 1), (size_t)count * sizeof *first);
    ck_assert(differ(first, run_network(&probe, 2), count));
    ck_assert(!differ(first, run_network(&probe, 1), count));
    for (int32_t i = 0; i < f.params->count; i++)
        ck_assert(!differ(before->items[i].data, f.params->items[i].data, before->items[i].layout.count));
    // Training moves statistics, and nothing else does.
    ck_assert(!differ(first, run_network(&train, 1), count));
    for (int32_t i = 0; i < f.params->count; i++)
        ck_assert_int_eq(differ(before->items[i].data, f.params->items[i].data, before->items[i].layout.count),
                         f.params->items[i].kind == GSG_PARAM_STATISTIC);
    // Inference has none of both: it depends on the running statistics and on no step.
    memcpy(first, run_network(&infer, 1), (size_t)count * sizeof *first);
    ck_assert(!differ(first, run_network(&infer, 2), count));
    gsg_params_copy(f.params, before);
    ck_assert(differ(first, run_network(&infer, 1), count));
    for (int64_t i = 0; i < count; i++)
        ck_assert(fabsf(first[i]) <= 1.0f);
    gsg_params_free(before);
    free(first);
    network_free(&probe);
    network_free(&train);
    network_free(&infer);
    teardown(&f);
}
END_TEST

// Values of a channel that a norm sees: the batch times the size at its level.
static double values_at(const fixture *f, const char *name)
{
    const bool up = strncmp(name, "generator.up", 12) == 0;
    const int shift = name[up ? 12 : 14] - '0' - up;
    return (double)(f->mask.dims[0] * (f->mask.dims[2] >> shift) * (f->mask.dims[3] >> shift));
}

// With the batch's statistics as the running ones, inference makes the image of training without dropout.
START_TEST(inference_uses_the_running_statistics)
{
    fixture f;
    gsg_generator g = small_generator();
    g.dropout = 0;
    setup_random(&f, g, 2, (int64_t[]){16, 32});
    const int64_t count = gsg_shape_count(f.image);
    network train = network_of(&f, GSG_MODE_TRAIN, 0), infer = network_of(&f, GSG_MODE_INFER, 0);
    for (int32_t i = 0; i < f.params->count; i++)
        if (f.params->items[i].kind == GSG_PARAM_STATISTIC)
            memset(f.params->items[i].data, 0, (size_t)f.params->items[i].layout.count * sizeof(float));
    run_network(&train, 0);
    for (int32_t i = 0; i < f.params->count; i++) {
        gsg_param *p = &f.params->items[i];
        if (p->kind != GSG_PARAM_STATISTIC)
            continue;
        // A tenth of the batch's; the variance over one value less.
        const double n = values_at(&f, p->name), factor = strstr(p->name, "running_var") ? (n - 1) / n : 1;
        for (int64_t j = 0; j < p->layout.shape.dims[0]; j++)
            p->data[j] = (float)(10 * factor * (double)p->data[j]);
    }
    const float *a = run_network(&infer, 0), *b = gsg_plan_data(train.plan, train.image);
    for (int64_t i = 0; i < count; i++)
        ck_assert_msg(fabsf(a[i] - b[i]) < 1e-4f, "%g, in training %g", (double)a[i], (double)b[i]);
    network_free(&train);
    network_free(&infer);
    teardown(&f);
}
END_TEST

// Another network in the same list, as a trainer has it.
static void add_stranger(fixture *f)
{
    int32_t index;
    gsg_error err = {0};
    ck_assert_int_eq(gsg_params_get(f->params, "discriminator.conv.weight", GSG_PARAM_CONV,
                                    gsg_shape_make(4, (int64_t[]){16, 16, 4, 4}), &index, &err), GENSEG_OK);
}

START_TEST(what_remains_after_the_search)
{
    static const int64_t size[3] = {16, 8, 16};
    gsg_generator g = small_generator();
    if (_i) {
        g = gsg_generator_default(3);
        g.width = 4;
    }
    g.fixed[1] = 6; // settled before
    fixture f, plain = {0};
    gsg_error err = {0};
    setup_random(&f, g, 2, _i ? size : (int64_t[]){16, 16});
    add_stranger(&f);
    const int64_t count = gsg_shape_count(f.image);
    plain = f;
    genseg_status status =
        gsg_generator_discretise(&g, f.params, GSG_DISCRETISE_MERGED, &plain.generator, &plain.params, &err);
    ck_assert_msg(status == GENSEG_OK, "%s", err.message);
    for (int32_t i = 0; i < 2 * g.levels; i++)
        ck_assert_int_eq(plain.generator.fixed[i], i == 1 ? 6 : 8);
    for (int32_t i = 0; i < plain.params->count; i++) {
        ck_assert(!gsg_nn_is_architecture(&plain.params->items[i]));
        ck_assert_int_eq(strncmp(plain.params->items[i].name, "generator.", 10), 0);
    }
    network searched = network_of(&f, GSG_MODE_INFER, 0), merged = network_of(&plain, GSG_MODE_INFER, 0);
    ck_assert(!differ(run_network(&searched, 0), run_network(&merged, 0), count));
    network_free(&searched);
    network_free(&merged);
    gsg_params_free(plain.params);
    // The best: its kernel is kept as it is.
    ck_assert_msg(gsg_generator_discretise(&g, f.params, GSG_DISCRETISE_BEST, &plain.generator, &plain.params, &err) ==
                      GENSEG_OK, "%s", err.message);
    for (int32_t i = 0; i < 2 * g.levels; i++) {
        char name[96];
        const int32_t level = i < g.levels ? i + 1 : 2 * g.levels - i;
        const char *side = i < g.levels ? "down" : "up";
        snprintf(name, sizeof name, "generator.%s%d.alpha", side, level);
        int32_t at = gsg_params_find(f.params, name), best = 6;
        if (i != 1) {
            const float *logits = f.params->items[at].data;
            best = logits[2] > logits[1] && logits[2] > logits[0] ? 8 : logits[1] > logits[0] ? 6 : 4;
        }
        ck_assert_int_eq(plain.generator.fixed[i], best);
        snprintf(name, sizeof name, "generator.%s%d.weight", side, level);
        const gsg_param *kept = &plain.params->items[gsg_params_find(plain.params, name)];
        if (i != 1)
            snprintf(name, sizeof name, "generator.%s%d.k%d.weight", side, level, best);
        const gsg_param *from = &f.params->items[gsg_params_find(f.params, name)];
        ck_assert(!differ(kept->data, from->data, kept->layout.count));
    }
    network best = network_of(&plain, GSG_MODE_TRAIN, 0);
    ck_assert(isfinite(loss_of(&best)));
    network_free(&best);
    for (int32_t i = 0; i < MOST; i++)
        free(plain.gradients[i]);
    gsg_params_free(plain.params);
    // Parameters of another generator.
    g.width *= 2;
    plain.params = NULL;
    ck_assert_int_eq(gsg_generator_discretise(&g, f.params, GSG_DISCRETISE_BEST, &plain.generator, &plain.params, &err),
                     GENSEG_ERROR_INTERNAL);
    ck_assert_ptr_null(plain.params);
    teardown(&f);
}
END_TEST

START_TEST(depth)
{
    ck_assert_int_eq(gsg_generator_depth(2, (int64_t[]){1, 256, 256}), 5);
    ck_assert_int_eq(gsg_generator_depth(2, (int64_t[]){1, 512, 1024}), 6);
    ck_assert_int_eq(gsg_generator_depth(2, (int64_t[]){1, 128, 256}), 4);
    ck_assert_int_eq(gsg_generator_depth(2, (int64_t[]){1, 96, 256}), 4);
    ck_assert_int_eq(gsg_generator_depth(2, (int64_t[]){1, 7, 8}), 0);
    ck_assert_int_eq(gsg_generator_depth(3, (int64_t[]){40, 56, 40}), 3);
    ck_assert_int_eq(gsg_generator_depth(3, (int64_t[]){1, 64, 64}), 0);
    gsg_generator g = gsg_generator_default(3);
    ck_assert_int_eq(gsg_generator_multiple(&g), 8);
}
END_TEST

static int count_dropouts(int32_t levels, char text[64])
{
    fixture f;
    int count = 0;
    gsg_generator g = gsg_generator_default(2);
    g.levels = levels;
    g.width = 1;
    const int64_t size = (int64_t)1 << levels;
    setup_random(&f, g, 1, (int64_t[]){size, size});
    network n = network_of(&f, GSG_MODE_TRAIN, 1);
    text[0] = 0;
    for (int32_t s = 0; s < gsg_plan_steps(n.plan); s++) {
        gsg_plan_step step = gsg_plan_step_at(n.plan, s);
        if (strcmp(step.name, "l1") == 0)
            break; // what follows is the reverse pass
        if (strcmp(step.name, "dropout") != 0)
            continue;
        snprintf(text + strlen(text), 64 - strlen(text), " %d", (int)step.shape.dims[2]);
        count++;
    }
    network_free(&n);
    teardown(&f);
    return count;
}

START_TEST(dropout_is_where_pix2pix_has_it)
{
    char text[64];
    ck_assert_int_eq(count_dropouts(8, text), 3); // the decoder's levels 7, 6, 5
    ck_assert_str_eq(text, " 4 8 16");
    ck_assert_int_eq(count_dropouts(4, text), 2);
    ck_assert_str_eq(text, " 4 8");
    ck_assert_int_eq(count_dropouts(2, text), 0);
}
END_TEST

START_TEST(counts_its_weights)
{
    // pix2pix's unet_256 with one channel in and out, each of whose kernels of 16 taps is 116 here, and its logits.
    fixture f = {0};
    gsg_error err = {0};
    gsg_generator g = gsg_generator_default(2);
    open_context(&f, 1);
    g.width = 8;
    ck_assert_int_eq(gsg_generator_params(f.context, &g, &f.params, &err), GENSEG_OK);
    int64_t taps = 1 * 8, norms = 0, in = 8;
    for (int32_t level = 2; level <= 8; level++) {
        const int64_t out = level > 3 ? 64 : 2 * in;
        taps += in * out + (level == 8 ? 1 : 2) * out * in; // down, and up from twice as many
        norms += 2 * (level < 8 ? out : 0) + 2 * in;
        in = out;
    }
    taps += 2 * 8 * 1;
    ck_assert_int_eq(gsg_params_values(f.params, 1), 116 * taps + norms + 16 * 3 + 1);
    teardown(&f);
}
END_TEST

static void refuses(gsg_generator g, gsg_shape mask, gsg_shape noise, genseg_status status, const char *message)
{
    fixture f = {.generator = g};
    gsg_error err = {0};
    gsg_graph *graph;
    open_context(&f, 1);
    ck_assert_int_eq(gsg_params_new(f.context, &f.params, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_graph_new(f.context, f.params, &graph, &err), GENSEG_OK);
    gsg_value m = gsg_op_input(graph, "mask", mask), n = noise.ndim ? gsg_op_input(graph, "noise", noise) : GSG_NONE;
    ck_assert_int_eq(gsg_generator_build(graph, &g, m, n, GSG_MODE_TRAIN), GSG_NONE);
    ck_assert_int_eq(gsg_graph_status(graph, &err), status);
    ck_assert_str_eq(err.message, message);
    gsg_graph_free(graph);
    teardown(&f);
}

START_TEST(refuses_what_does_not_fit)
{
    const gsg_generator g = small_generator();
    const gsg_shape none = {0}, mask = gsg_shape_make(4, (int64_t[]){1, 1, 16, 32});
    refuses(g, gsg_shape_make(4, (int64_t[]){1, 1, 40, 32}), none, GENSEG_ERROR_SHAPE,
            "mask 1x1x40x32: its sizes must be multiples of 16");
    refuses(g, gsg_shape_make(4, (int64_t[]){1, 2, 16, 32}), none, GENSEG_ERROR_SHAPE,
            "mask 1x2x16x32 for a 2-D generator from 1 channels");
    refuses(g, gsg_shape_make(5, (int64_t[]){1, 1, 16, 16, 16}), none, GENSEG_ERROR_SHAPE,
            "mask 1x1x16x16x16 for a 2-D generator from 1 channels");
    refuses(g, mask, mask, GENSEG_ERROR_SHAPE,
            "noise 1x1x16x32 for a generator that takes 0 channels beside mask 1x1x16x32");
    gsg_generator other = g;
    other.noise = 2;
    refuses(other, mask, none, GENSEG_ERROR_SHAPE,
            "noise (none) for a generator that takes 2 channels beside mask 1x1x16x32");
    other = g;
    other.candidates = 4;
    refuses(other, mask, none, GENSEG_ERROR_INVALID,
            "generator in 2-D of 4 levels, width 8, 1 mask, 0 noise and 1 image channels, 4 candidates, dropout 0.5");
    other = g;
    other.dropout = 1;
    refuses(other, mask, none, GENSEG_ERROR_INVALID,
            "generator in 2-D of 4 levels, width 8, 1 mask, 0 noise and 1 image channels, 3 candidates, dropout 1");
    other = g;
    other.fixed[2] = 3;
    refuses(other, mask, none, GENSEG_ERROR_INVALID, "a cell of 3 candidates, or of the fixed kernel 3");
}
END_TEST

static genseg_status make_and_discretise(genseg_context *context, gsg_error *err)
{
    genseg_status status;
    gsg_params *params = NULL, *plain_params = NULL;
    gsg_graph *graph = NULL;
    gsg_plan *plan = NULL;
    gsg_generator g = gsg_generator_default(2), plain;
    g.levels = 2;
    g.width = 4;
    GSG_TRY(gsg_generator_params(context, &g, &params, err));
    GSG_TRY(gsg_init_gan(params, 1, err));
    GSG_TRY(gsg_generator_discretise(&g, params, GSG_DISCRETISE_MERGED, &plain, &plain_params, err));
    gsg_params_free(plain_params);
    plain_params = NULL;
    GSG_TRY(gsg_generator_discretise(&g, params, GSG_DISCRETISE_BEST, &plain, &plain_params, err));
    GSG_TRY(gsg_graph_new(context, params, &graph, err));
    gsg_value mask = gsg_op_input(graph, "mask", gsg_shape_make(4, (int64_t[]){1, 1, 8, 8}));
    gsg_value image = gsg_generator_build(graph, &g, mask, GSG_NONE, GSG_MODE_INFER);
    GSG_TRY(gsg_graph_status(graph, err));
    gsg_plan_options options = {.outputs = &image, .output_count = 1};
    GSG_TRY(gsg_plan_new(graph, &options, &plan, err));
done:
    gsg_plan_free(plan);
    gsg_graph_free(graph);
    gsg_params_free(params);
    gsg_params_free(plain_params);
    return status;
}

START_TEST(survives_failing_allocations)
{
    ck_assert_int_ge(faults_sweep(make_and_discretise), 100);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("generator");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, agrees_with_pytorch, 0, CASES);
    tcase_add_test(tests, gradients_agree_with_differences);
    tcase_add_test(tests, modes);
    tcase_add_test(tests, inference_uses_the_running_statistics);
    tcase_add_loop_test(tests, what_remains_after_the_search, 0, 2);
    tcase_add_test(tests, depth);
    tcase_add_test(tests, dropout_is_where_pix2pix_has_it);
    tcase_add_test(tests, counts_its_weights);
    tcase_add_test(tests, refuses_what_does_not_fit);
    tcase_add_test(tests, survives_failing_allocations);
    RUN_TESTS(tests);
}
