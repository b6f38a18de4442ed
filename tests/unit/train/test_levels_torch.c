// One step of the three levels against PyTorch (tests/golden/make_levels.py, levels_torch.py), which differentiates the
// validation loss through both updates in double: losses, gradients of discriminator, generator and segmenter, the
// vector of each solver, u, and the derivative of every lever.
//
// Where the networks are smooth the difference quotients of the hypergradient must meet the derivative. With ReLU and
// max pooling they need not: where a probe crosses a kink the image's gradient jumps, in such small networks by more
// than the derivative between kinks changes it. Those cases have a probe so short that none lies on its way, and more
// rounding in return.
#include "levels.h"
#include "hashed.h"
#include "golden_json.h"
#include "model/unet.h"

#define CASES 9
#define BLOCKS 4 // of a mask along an axis

typedef struct fixture {
    json_t *golden;
    levels l;
    levels_data data;
    gsg_unet unet;
    gsg_params *params; // whose gradients are being looked at
    const char *key;
    double worst;
    int32_t seen;
} fixture;

// ---- the scene of make_levels.py

static genseg_status feed(gsg_feed_kind kind, int64_t step, float *image, float *mask, float *index, void *user,
                          gsg_error *err)
{
    const levels_data *d = user;
    const uint64_t stream = 2000 + 10 * ((uint64_t)kind - GSG_FEED_PAIR);
    const int64_t voxels = d->size[0] * d->size[1] * d->size[2], K = d->outputs;
    const int64_t coarse = d->spatial == 3 ? BLOCKS * BLOCKS * BLOCKS : BLOCKS * BLOCKS;
    for (int64_t i = 0; i < d->batch * voxels; i++) {
        const int64_t n = i / voxels, v = i % voxels, rows = d->size[2], block = rows / BLOCKS;
        const int64_t x = v % rows / block, y = v / rows % rows / block, z = v / rows / rows / block;
        const double h = hashed(stream + 1, (uint64_t)(n * coarse + (z * BLOCKS + y) * BLOCKS + x));
        const double class = floor((h + 1) / 2 * (double)(K > 2 ? K : 2));
        for (int64_t k = 0; k < K; k++)
            mask[(n * K + k) * voxels + v] = K == 1 ? (float)class : (float)((double)k == class);
        if (image)
            image[i] = (float)(0.6 * class - 0.4 + 0.4 * (double)hashed(stream, (uint64_t)i) +
                               (kind == GSG_FEED_PAIR ? d->beyond : 0));
    }
    for (int64_t n = 0; index && n < d->batch; n++)
        index[n] = n == 0 ? 2 : 0;
    return GENSEG_OK;
}

static gsg_value unet_segment(gsg_graph *graph, gsg_value image, gsg_mode mode, const void *user)
{
    const fixture *f = user;
    return gsg_unet_build(graph, &f->unet, image, mode);
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

// As in make_levels.py.
static void smooth(gsg_params *gan)
{
    for (int32_t i = 0; i < gan->count; i++) {
        gsg_param *p = &gan->items[i];
        const bool bare = starts(p->name, "generator.down1.k") || starts(p->name, "generator.down3.k");
        const bool lifts = strstr(p->name, ".norm.bias") || strcmp(p->name, "discriminator.model.0.bias") == 0 ||
                           strcmp(p->name, "discriminator.model.3.bias") == 0;
        const int64_t count = gsg_shape_count(p->layout.shape);
        float *plain = malloc((size_t)count * sizeof *plain);
        gsg_param_export(p, plain);
        for (int64_t k = 0; k < count; k++) {
            if (p->layout.shape.ndim > 1)
                plain[k] *= starts(p->name, "generator.up1.k") ? 0.06f : 0.25f;
            if (bare)
                plain[k] = fabsf(plain[k]) + 0.05f;
            if (lifts)
                plain[k] = 6;
        }
        gsg_param_import(p, plain);
        free(plain);
    }
}

static void fill(json_t *golden, gsg_params *params)
{
    size_t order[256];
    ck_assert_int_le(params->count, 256);
    fill_golden(golden, params, order);
}

static int32_t choice(json_t *golden, const char *key, const char *const names[3])
{
    const char *name = json_string_value(golden_get(golden, key));
    for (int32_t i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0)
            return i + 1;
    ck_abort_msg("%s is unknown", name);
    return 0;
}

static void setup(fixture *f, json_t *golden)
{
    memset(f, 0, sizeof *f);
    f->golden = golden;
    const int32_t spatial = (int32_t)integer(golden, "spatial");
    gsg_multilevel_options o = levels_options(spatial, integer(golden, "outputs"), &f->data);
    f->data.beyond = number(golden, "beyond");
    f->unet = (gsg_unet){.spatial = f->data.spatial, .levels = 2, .channels = 1, .outputs = o.outputs, .width = 4};
    if (integer(golden, "unet")) {
        o.segment = unet_segment;
        o.segment_user = f;
    }
    o.gan.generator.dropout = 0;
    o.gan.loss = (gsg_adversarial)choice(golden, "loss", (const char *const[]){"vanilla", "lsgan", "wgan"});
    o.gan.discriminator.norm = o.gan.loss != GSG_ADVERSARIAL_WGAN;
    o.gan.l1 = number(golden, "l1");
    o.gan_lr = number(golden, "gan_lr");
    o.solver = choice(golden, "solver", (const char *const[]){"one step", "neumann", "cg"});
    o.terms = (int32_t)integer(golden, "terms");
    o.probe = number(golden, "probe");
    o.damping = number(golden, "damping");
    o.seed = (uint64_t)integer(golden, "seed");
    o.levers_lr = o.feedback_lr = 0;
    o.feed = feed;
    o.feed_user = &f->data;
    genseg_context_options options = {.struct_size = sizeof options, .threads = 2, .seed = 1};
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    OK(levels_build(context, &o, GSG_OPTIMIZER_SGD, &f->l, err));
    fill(golden_get(golden, "gan"), f->l.m->gan->params);
    fill(golden_get(golden, "segmenter"), f->l.segmenter);
    if (integer(golden, "smooth"))
        smooth(f->l.m->gan->params);
    const char *name;
    json_t *values;
    json_object_foreach(golden_get(golden, "levers"), name, values) {
        gsg_lever *lever = gsg_levers_find(f->l.m->levers, name);
        ck_assert_int_eq((int64_t)json_array_size(values), lever->count);
        for (int64_t k = 0; k < lever->count; k++)
            lever->value[k] = (float)json_number_value(json_array_get(values, (size_t)k));
    }
}

static void teardown(fixture *f)
{
    genseg_context *context = f->l.context;
    levels_free(&f->l);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}

// ---- comparing

// A vector in a parameter's layout with its row: the difference of norms or products, relative to the norm.
static void compare(fixture *f, int32_t param, const float *stored)
{
    gsg_param view = f->params->items[param];
    const char *network = f->params == f->l.segmenter ? "segmenter" : "gan";
    const size_t index = golden_index(golden_get(f->golden, network), view.name);
    const int64_t count = gsg_shape_count(view.layout.shape);
    float *plain = malloc((size_t)count * sizeof *plain);
    double square = 0, dot = 0;
    view.data = (float *)(uintptr_t)stored;
    gsg_param_export(&view, plain);
    for (int64_t j = 0; j < count; j++) {
        square += (double)plain[j] * plain[j];
        dot += (double)plain[j] * hashed(index + 501, (uint64_t)j);
    }
    free(plain);
    size_t i;
    json_t *row;
    json_array_foreach(golden_get(f->golden, f->key), i, row) {
        if (strcmp(json_string_value(golden_get(row, "name")), view.name) != 0)
            continue;
        const double norm = number(row, "norm");
        f->worst = fmax(f->worst, fmax(fabs(sqrt(square) - norm), fabs(dot - number(row, "dot"))) / norm);
        f->seen++;
    }
}

static void start(fixture *f, gsg_params *params, const char *key)
{
    f->params = params;
    f->key = key;
    f->worst = f->seen = 0;
}

static void finish(const fixture *f, int32_t count, double tolerance)
{
    printf("# %s: %d vectors, worst relative error %.2e\n", f->key, f->seen, f->worst);
    ck_assert_int_eq(f->seen, count);
    ck_assert_msg(f->worst < tolerance, "%s: relative error %g", f->key, f->worst);
}

static int32_t rows_of(const fixture *f)
{
    return (int32_t)json_array_size(golden_get(f->golden, f->key));
}

static void compare_direction(fixture *f, gsg_params *params, const char *key, const gsg_direction *direction,
                              double tolerance)
{
    start(f, params, key);
    for (int32_t i = 0; i < direction->count; i++)
        if (direction->offsets[i] >= 0)
            compare(f, i, direction->data + direction->offsets[i]);
    finish(f, rows_of(f), tolerance);
}

// ---- the step

static genseg_status compare_gradient(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    compare(user, param, gradient);
    return GENSEG_OK;
}

// Each problem once more from the weights that its step began with; its inputs are still there.
static void check_gradients(fixture *f)
{
    gsg_multilevel *m = f->l.m;
    gsg_params *gan = m->gan->params, *gan_after = NULL, *segmenter_after = NULL;
    const gsg_run run = {.seed = m->options.seed};
    OK(gsg_params_clone(gan, &gan_after, err));
    OK(gsg_params_clone(f->l.segmenter, &segmenter_after, err));
    start(f, gan, "gan_gradients");
    gsg_plan_set_sink(m->gan->generate, compare_gradient, f);
    gsg_plan_set_sink(m->gan->judge, compare_gradient, f);
    for (int32_t i = 0; i < gan->count; i++)
        if (starts(gan->items[i].name, "generator."))
            memcpy(gan->items[i].data, m->gan_before->items[i].data,
                   (size_t)gan->items[i].layout.count * sizeof(float));
    OK(gsg_plan_run(m->gan->generate, &run, err)); // against the discriminator after its step
    gsg_params_copy(gan, m->gan_before);
    OK(gsg_plan_run(m->gan->judge, &run, err));
    finish(f, rows_of(f), 1e-3);
    start(f, f->l.segmenter, "segmenter_gradients");
    gsg_plan_set_sink(m->joint, compare_gradient, f);
    gsg_params_copy(f->l.segmenter, m->segmenter_before);
    OK(gsg_plan_run(m->joint, &run, err));
    finish(f, rows_of(f), 1e-3);
    gsg_params_copy(gan, gan_after);
    gsg_params_copy(f->l.segmenter, segmenter_after);
    gsg_params_free(gan_after);
    gsg_params_free(segmenter_after);
}

static void check_number(const fixture *f, const char *key, double found)
{
    const double expected = number(f->golden, key);
    const double tolerance = 1e-4 * fmax(1, fabs(expected));
    ck_assert_msg(fabs(found - expected) < tolerance, "%s: %.7g, PyTorch %.7g", key, found, expected);
}

static void check_losses(const fixture *f, double loss)
{
    const gsg_multilevel *m = f->l.m;
    check_number(f, "result_judge_loss", m->gan->discriminator_loss);
    check_number(f, "result_generator_loss", m->gan->generator_loss);
    check_number(f, "result_l1", m->gan->l1);
    check_number(f, "result_loss", loss);
    check_number(f, "result_validation", m->validation_loss);
}

// Relative error of all derivatives of a group as one vector.
static void check_group(const fixture *f, int32_t group, const char *name, double tolerance)
{
    const gsg_levers *levers = f->l.m->levers;
    double difference = 0, square = 0;
    int64_t signs = 0, count = 0;
    for (int32_t i = 0; i < levers->count; i++)
        for (int64_t k = 0; levers->items[i].group == group && k < levers->items[i].count; k++) {
            const double expected = item(golden_get(f->golden, "by"), levers->items[i].name, (size_t)k);
            const double found = levers->items[i].gradient[k];
            difference += (found - expected) * (found - expected);
            square += expected * expected;
            signs += found * expected > 0 || (found == 0 && expected == 0);
            count++;
        }
    const double error = sqrt(difference / square);
    printf("# by %s: relative error %.2e, %d of %d signs, norm %.3g\n", name, error, (int)signs, (int)count,
           sqrt(square));
    ck_assert_msg(error < tolerance, "%s: relative error %g", name, error);
}

START_TEST(agrees_with_pytorch)
{
    json_t *cases = golden_load("levels.json");
    ck_assert_uint_eq(json_array_size(cases), CASES);
    fixture f;
    double loss;
    setup(&f, json_array_get(cases, (size_t)_i));
    gsg_multilevel *m = f.l.m;
    printf("# ---- %s\n", json_string_value(golden_get(f.golden, "name")));
    OK(gsg_multilevel_step(m, 0, number(f.golden, "lr"), &loss, err));
    check_losses(&f, loss);
    check_gradients(&f);
    const double tolerance = integer(f.golden, "smooth") ? 0.01 : 0.05;
    compare_direction(&f, f.l.segmenter, "v", m->v, tolerance);
    compare_direction(&f, m->gan->params, "u", m->u, tolerance);
    check_group(&f, GSG_LEVER_ARCHITECTURE, "logits", tolerance);
    check_group(&f, GSG_LEVER_GAMMA, "gamma", tolerance);
    check_group(&f, GSG_LEVER_PAIRS, "pairs", tolerance);
    check_group(&f, GSG_LEVER_WARP, "warp", tolerance);
    check_group(&f, GSG_LEVER_APPEARANCE, "appearance", tolerance);
    teardown(&f);
    json_decref(cases);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("levels against PyTorch");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, agrees_with_pytorch, 0, CASES);
    RUN_TESTS(tests);
}
