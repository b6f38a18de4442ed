// The hypergradient against brute force: move a lever, make the step again from the same weights, look at the
// validation loss.
#include "levels.h"

static genseg_context *context_new(void)
{
    genseg_context_options options = {.struct_size = sizeof options, .threads = 2, .seed = 1};
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    return context;
}

#define SEGMENTER_LR 0.5

// The validation loss after step 0 from the first weights. Levers don't move.
static double look_ahead(levels *l)
{
    double loss;
    gsg_params_copy(l->segmenter, l->segmenter_first);
    // Logits are levers: they stay as they are.
    for (int32_t i = 0; i < l->gan_first->count; i++)
        if (!gsg_nn_is_architecture(&l->gan_first->items[i]))
            memcpy(l->m->gan->params->items[i].data, l->gan_first->items[i].data,
                   (size_t)l->gan_first->items[i].layout.count * sizeof(float));
    OK(gsg_multilevel_step(l->m, 0, SEGMENTER_LR, &loss, err));
    return l->m->validation_loss;
}

typedef struct agreement {
    double dot, ours, brute, worst; // worst: |difference| over the largest gradient of its lever
    int64_t signs, count;
} agreement;

static void compare_lever(levels *l, gsg_lever *lever, float *ours, double delta, agreement *a)
{
    double brute[64], largest = 0;
    ck_assert_int_le(lever->count, 64);
    for (int64_t k = 0; k < lever->count; k++) {
        const float value = lever->value[k];
        lever->value[k] = value + (float)delta;
        const double plus = look_ahead(l);
        lever->value[k] = value - (float)delta;
        const double minus = look_ahead(l);
        lever->value[k] = value;
        brute[k] = (plus - minus) / (2 * delta);
        largest = fmax(largest, fabs(brute[k]));
        a->dot += brute[k] * ours[k];
        a->ours += (double)ours[k] * ours[k];
        a->brute += brute[k] * brute[k];
        a->count++;
        a->signs += brute[k] * ours[k] > 0;
    }
    for (int64_t k = 0; k < lever->count; k++) {
        a->worst = fmax(a->worst, fabs(brute[k] - ours[k]) / largest);
        if (getenv("SHOW"))
            printf("# %s[%d]: ours %.6g brute %.6g\n", lever->name, (int)k, ours[k], brute[k]);
    }
}

// Relative error of all gradients of a group as one vector.
static double error_of(const agreement *a)
{
    return sqrt(fmax(a->brute - 2 * a->dot + a->ours, 0) / a->brute);
}

static agreement compare(levels *l, int32_t group, double delta)
{
    agreement a = {0};
    static float ours[64][64];
    look_ahead(l);
    gsg_levers *levers = l->m->levers;
    ck_assert_int_le(levers->count, 64);
    for (int32_t i = 0; i < levers->count; i++)
        memcpy(ours[i], levers->items[i].gradient, (size_t)levers->items[i].count * sizeof(float));
    for (int32_t i = 0; i < levers->count; i++)
        if (levers->items[i].group == group)
            compare_lever(l, &levers->items[i], ours[i], delta, &a);
    return a;
}

static const struct {
    const char *name;
    int32_t group;
    double delta;
} groups[] = {{"architecture", GSG_LEVER_ARCHITECTURE, 0.1},
              {"gamma", GSG_LEVER_GAMMA, 0.1},
              {"pairs", GSG_LEVER_PAIRS, 0.1},
              {"appearance", GSG_LEVER_APPEARANCE, 0.02},
              {"warp", GSG_LEVER_WARP, 0.01}};

static void open_levels(levels *l, int32_t spatial, int64_t outputs)
{
    static levels_data data;
    gsg_multilevel_options o = levels_options(spatial, outputs, &data);
    o.gan_lr = 0.05;
    o.levers_lr = 0; // looks, doesn't touch
    o.feedback_lr = 0;
    o.synthesis.appearance.chance = 1;
    OK(levels_build(context_new(), &o, GSG_OPTIMIZER_SGD, l, err));
}

static void close_levels(levels *l)
{
    genseg_context *context = l->context;
    levels_free(l);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}

static void check_groups(int32_t spatial, int64_t outputs)
{
    levels l;
    open_levels(&l, spatial, outputs);
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        const agreement a = compare(&l, groups[g].group, groups[g].delta);
        printf("# %d-D, %d outputs, %s: relative error %.4f, %d of %d signs\n", (int)spatial, (int)outputs,
               groups[g].name, error_of(&a), (int)a.signs, (int)a.count);
        ck_assert_msg(error_of(&a) < 0.05, "%s: relative error %g", groups[g].name, error_of(&a));
        ck_assert_int_eq(a.signs, a.count);
    }
    close_levels(&l);
}

START_TEST(test_brute_force_2d)
{
    check_groups(2, 1);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("hypergradient");
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, test_brute_force_2d);
    RUN_TESTS(tests);
}
