// The hypergradient against brute force: move a lever, make the step again from the same weights, look at the
// validation loss.
#include "levels.h"
#include "train/audit.h"

static genseg_context *context_new(void)
{
    genseg_context_options options = {.struct_size = sizeof options, .threads = 2, .seed = 1};
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    return context;
}

#define SEGMENTER_LR 0.5
#define INNERMOST 3 // level of the generator
#define MOST 64 // values of a group

typedef struct agreement {
    double dot, ours, brute, apart; // inner products; squared distance
    int64_t signs, count;
    double *gradients; // instead of the entries' own, in their order; NULL: those
} agreement;

static int32_t compare_entry(const gsg_audit_entry *entry, void *user)
{
    agreement *a = user;
    const double ours = a->gradients ? *a->gradients++ : entry->gradient;
    a->apart += (entry->brute - ours) * (entry->brute - ours);
    a->ours += ours * ours;
    a->brute += entry->brute * entry->brute;
    if (entry->brute == 0 && ours == 0) // what no draw of this batch uses
        return 0;
    a->count++;
    a->signs += entry->brute * ours > 0;
    return 0;
}

// Of all gradients of a group as one vector.
static double error_of(const agreement *a)
{
    return sqrt(a->apart / a->brute);
}

static agreement compare_at(levels *l, int64_t step, double lr, int32_t group, double delta, double *gradients)
{
    agreement a = {.gradients = gradients};
    const gsg_audit_options options = {.groups = group, .delta = delta, .report = compare_entry, .user = &a};
    OK(gsg_audit(l->m, step, lr, &options, err));
    return a;
}

static agreement compare(levels *l, int32_t group, double delta, double *gradients)
{
    return compare_at(l, 0, SEGMENTER_LR, group, delta, gradients);
}

static const struct {
    const char *name;
    int32_t group;
    double delta;
} groups[] = {{"architecture", GSG_LEVER_ARCHITECTURE, 0.03},
              {"gamma", GSG_LEVER_GAMMA, 0.03},
              {"pairs", GSG_LEVER_PAIRS, 0.03},
              {"appearance", GSG_LEVER_APPEARANCE, 0.02},
              {"warp", GSG_LEVER_WARP, 0.002}};

static levels_data data;

static gsg_multilevel_options watch_only(int32_t spatial, int64_t outputs, double l1)
{
    gsg_multilevel_options o = levels_options(spatial, outputs, &data);
    o.gan.l1 = l1;
    o.gan_lr = l1 > 0 ? 2e-4 : spatial == 3 ? 0.02 : 0.1;
    data.beyond = 3; // so that no difference to an image changes its sign
    o.levers_lr = 0;
    o.feedback_lr = 0;
    o.pairs = 2;
    return o;
}

static void open_levels(levels *l, const gsg_multilevel_options *o)
{
    OK(levels_build(context_new(), o, GSG_OPTIMIZER_SGD, l, err));
    levels_smooth(l, INNERMOST);
    gsg_params_copy(l->m->gan->params, l->gan_first);
}

static void close_levels(levels *l)
{
    genseg_context *context = l->context;
    levels_free(l);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}

static void check_groups(const gsg_multilevel_options *o, int32_t wanted)
{
    levels l;
    open_levels(&l, o);
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        if (!(groups[g].group & wanted))
            continue;
        const agreement a = compare(&l, groups[g].group, groups[g].delta, NULL);
        const double error = error_of(&a);
        printf("# %s: relative error %.4f, %d of %d signs, norm %g\n", groups[g].name, error, (int)a.signs,
               (int)a.count, sqrt(a.ours));
        ck_assert_msg(error < 0.05, "%s: relative error %g", groups[g].name, error);
        ck_assert_int_eq(a.signs, a.count);
    }
    close_levels(&l);
}

START_TEST(test_all_levers)
{
    const gsg_multilevel_options o = watch_only(2, 1, 0);
    check_groups(&o, GSG_LEVER_ALL);
}
END_TEST

START_TEST(test_decayed)
{
    const gsg_multilevel_options o = watch_only(2, 1, 0);
    levels l;
    open_levels(&l, &o);
    for (int i = 0; i < 2; i++) {
        l.m->gan_decay = i == 0 ? 0.3 : 1;
        l.m->gamma_decay = i == 0 ? 0.5 : 1;
        for (int g = 0; g < 3; g++) { // architecture, gamma, pairs
            const agreement a = compare(&l, groups[g].group, groups[g].delta, NULL);
            ck_assert_msg(error_of(&a) < 0.05, "decay %g, %s: %g", l.m->gan_decay, groups[g].name, error_of(&a));
        }
    }
    close_levels(&l);
}
END_TEST

START_TEST(test_with_l1)
{
    const gsg_multilevel_options o = watch_only(2, 1, 100);
    check_groups(&o, GSG_LEVER_ARCHITECTURE);
}
END_TEST

START_TEST(test_three_classes)
{
    const gsg_multilevel_options o = watch_only(2, 3, 0);
    check_groups(&o, GSG_LEVER_ARCHITECTURE | GSG_LEVER_PAIRS | GSG_LEVER_GAMMA);
}
END_TEST

START_TEST(test_volumes)
{
    gsg_multilevel_options o = watch_only(3, 1, 0);
    o.gan.generator.candidates = 2;
    check_groups(&o, GSG_LEVER_ARCHITECTURE | GSG_LEVER_APPEARANCE | GSG_LEVER_GAMMA);
}
END_TEST

// With adaptive optimizers on all levels, whose first and second moments a step's gradient moves as well.
START_TEST(test_adaptive)
{
    static const int32_t kinds[] = {GSG_OPTIMIZER_ADAM, GSG_OPTIMIZER_RMSPROP};
    levels l;
    double loss;
    gsg_multilevel_options o = watch_only(2, 1, 100);
    gsg_optimizer_defaults(&o.gan.optimizer, kinds[_i]);
    o.gan_lr = 1e-3;
    OK(levels_build(context_new(), &o, kinds[_i], &l, err));
    levels_smooth(&l, INNERMOST);
    gsg_params_copy(l.m->gan->params, l.gan_first);
    for (int64_t step = 0; step < 3; step++)
        OK(gsg_multilevel_step(l.m, step, 1e-2, &loss, err));
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        const agreement a = compare_at(&l, 3, 1e-2, groups[g].group, groups[g].delta, NULL);
        printf("# %s: relative error %.4f, %d of %d signs, norm %g\n", groups[g].name, error_of(&a), (int)a.signs,
               (int)a.count, sqrt(a.ours));
        ck_assert_msg(error_of(&a) < 0.05, "%s: relative error %g", groups[g].name, error_of(&a));
    }
    close_levels(&l);
}
END_TEST

static void keep_gradients(const levels *l, int32_t group, double *kept)
{
    const gsg_levers *levers = l->m->levers;
    int64_t count = 0;
    for (int32_t i = 0; i < levers->count; i++)
        for (int64_t k = 0; levers->items[i].group == group && k < levers->items[i].count; k++) {
            ck_assert_int_lt(count, MOST);
            kept[count++] = levers->items[i].gradient[k];
        }
}

// What is compared above notices each link of the chain: with one cut, the comparison fails.
START_TEST(test_cut_links)
{
    levels l;
    double ours[MOST], loss;
    const gsg_multilevel_options o = watch_only(2, 1, 0);
    open_levels(&l, &o);
    // The generator's step left out, as if G' were G.
    l.m->options.gan_every = 0;
    OK(gsg_multilevel_step(l.m, 0, SEGMENTER_LR, &loss, err));
    keep_gradients(&l, GSG_LEVER_ARCHITECTURE, ours);
    l.m->options.gan_every = 1;
    gsg_params_copy(l.segmenter, l.segmenter_first);
    gsg_params_copy(l.m->gan->params, l.gan_first);
    agreement a = compare(&l, GSG_LEVER_ARCHITECTURE, 0.03, ours);
    ck_assert_msg(error_of(&a) > 0.05, "frozen generator: %g", error_of(&a));
    // The image detached: targets alone carry the gradient.
    gsg_synthesis *s = l.m->synthesis;
    OK(gsg_multilevel_step(l.m, 0, SEGMENTER_LR, &loss, err));
    memset(gsg_plan_data(s->plan, s->image_seed), 0,
           (size_t)gsg_shape_count(gsg_gan_shape(&o.gan, 1)) * sizeof(float));
    const gsg_run run = {.seed = o.seed};
    gsg_plan_set_sink(s->plan, NULL, NULL);
    OK(gsg_plan_run(s->plan, &run, err));
    for (int k = 0; k < GSG_DEFORM_MAGNITUDES; k++)
        ours[k] = gsg_plan_data(s->plan, s->warp_gradient)[k];
    gsg_params_copy(l.segmenter, l.segmenter_first);
    gsg_params_copy(l.m->gan->params, l.gan_first);
    a = compare(&l, GSG_LEVER_WARP, 0.002, ours);
    ck_assert_msg(error_of(&a) > 0.05, "detached image: %g", error_of(&a));
    close_levels(&l);
}
END_TEST

// An audit leaves no trace, is cut by its host, and has nothing to say where level III isn't due.
static int32_t refuse(const gsg_audit_entry *entry, void *user)
{
    return 1;
}

START_TEST(test_audit_leaves_no_trace)
{
    levels l, alone;
    double loss, other;
    gsg_multilevel_options o = levels_options(2, 1, &data);
    data.beyond = 0;
    o.levers_every = 2;
    OK(levels_build(context_new(), &o, GSG_OPTIMIZER_ADAM, &l, err));
    OK(levels_build(context_new(), &o, GSG_OPTIMIZER_ADAM, &alone, err));
    agreement a = {0};
    gsg_audit_options options = {.groups = GSG_LEVER_GAMMA, .delta = 0.1, .report = compare_entry, .user = &a};
    for (int64_t step = 0; step < 3; step++) {
        gsg_error reason;
        if (step == 2) {
            OK(gsg_audit(l.m, step, 1e-3, &options, err));
            options.report = refuse;
            ck_assert_int_eq(gsg_audit(l.m, step, 1e-3, &options, &reason), GENSEG_ERROR_CANCELLED);
        } else if (step == 1) {
            ck_assert_int_eq(gsg_audit(l.m, step, 1e-3, &options, &reason), GENSEG_ERROR_STATE);
        }
        OK(gsg_multilevel_step(l.m, step, 1e-3, &loss, err));
        OK(gsg_multilevel_step(alone.m, step, 1e-3, &other, err));
        ck_assert(loss == other);
    }
    ck_assert_int_eq(a.count, 1);
    ck_assert(levels_same(l.segmenter, alone.segmenter) && levels_same(l.m->gan->params, alone.m->gan->params));
    ck_assert(*l.m->gamma->value == *alone.m->gamma->value && l.m->updates == alone.m->updates);
    close_levels(&l);
    close_levels(&alone);
}
END_TEST

static gsg_params *clone(const gsg_params *params)
{
    gsg_params *copy = NULL;
    OK(gsg_params_clone(params, &copy, err));
    return copy;
}

// Weights, statistics and logits come back bit for bit, whatever the solver, and also where it fails.
START_TEST(test_restored)
{
    static const int32_t solvers[] = {GSG_SOLVER_ONE_STEP, GSG_SOLVER_NEUMANN, GSG_SOLVER_CG};
    for (int i = 0; i < 3; i++) {
        levels l;
        double loss;
        gsg_multilevel_options o = watch_only(2, 1, 100);
        o.solver = solvers[i];
        open_levels(&l, &o);
        OK(gsg_multilevel_step(l.m, 0, SEGMENTER_LR, &loss, err));
        gsg_params *segmenter = clone(l.segmenter), *gan = clone(l.m->gan->params);
        ck_assert(!levels_same(segmenter, l.segmenter_first));
        OK(gsg_plan_run_until(l.m->synthesis->plan, &(gsg_run){.seed = o.seed}, l.m->synthesis->image, err));
        OK(gsg_hypergradient(l.m, 0, err));
        ck_assert(levels_same(segmenter, l.segmenter) && levels_same(gan, l.m->gan->params));
        ck_assert(isfinite(gsg_levers_norm(l.m->levers, GSG_LEVER_ALL)) &&
                  gsg_levers_norm(l.m->levers, GSG_LEVER_ALL) > 0);
        gsg_params_free(segmenter);
        gsg_params_free(gan);
        close_levels(&l);
    }
}
END_TEST

// A series of no further terms is the one step.
START_TEST(test_solvers)
{
    double each[3][MOST] = {{0}}, loss;
    static const int32_t solvers[] = {GSG_SOLVER_ONE_STEP, GSG_SOLVER_NEUMANN, GSG_SOLVER_NEUMANN};
    for (int i = 0; i < 3; i++) {
        levels l;
        gsg_multilevel_options o = watch_only(2, 1, 0);
        o.solver = solvers[i];
        o.terms = i == 1 ? 0 : 2;
        open_levels(&l, &o);
        OK(gsg_multilevel_step(l.m, 0, SEGMENTER_LR, &loss, err));
        keep_gradients(&l, GSG_LEVER_ARCHITECTURE, each[i]);
        close_levels(&l);
    }
    ck_assert_mem_eq(each[0], each[1], sizeof each[0]);
    ck_assert_mem_ne(each[0], each[2], sizeof each[0]);
}
END_TEST

// Where the loss bends down along the gradient, conjugate gradients have nothing to solve: the one step remains.
START_TEST(test_negative_curvature)
{
    double each[2][MOST] = {{0}}, loss;
    for (int i = 0; i < 2; i++) {
        levels l;
        gsg_multilevel_options o = watch_only(2, 1, 0);
        o.solver = i ? GSG_SOLVER_CG : GSG_SOLVER_ONE_STEP;
        open_levels(&l, &o);
        l.m->watching = 1;
        *l.m->gamma->value = -20; // what is convex becomes concave
        OK(gsg_multilevel_step(l.m, 0, SEGMENTER_LR, &loss, err));
        keep_gradients(&l, GSG_LEVER_ARCHITECTURE, each[i]);
        close_levels(&l);
    }
    ck_assert_double_ne(each[0][0], 0);
    ck_assert_mem_eq(each[0], each[1], sizeof each[0]);
}
END_TEST

static genseg_status make_one(genseg_context *context, gsg_error *err)
{
    levels l;
    double loss;
    gsg_multilevel_options o = watch_only(2, 1, 100);
    o.solver = GSG_SOLVER_CG;
    genseg_status status = levels_build(context, &o, GSG_OPTIMIZER_SGD, &l, err);
    if (status == GENSEG_OK)
        status = gsg_multilevel_step(l.m, 0, SEGMENTER_LR, &loss, err);
    levels_free(&l);
    return status;
}

START_TEST(test_memory_fails)
{
    ck_assert_int_gt(faults_sweep(make_one), 100);
}
END_TEST

// A poll that stops the run once, at its n-th question.
typedef struct stop {
    int64_t asked, at;
} stop;

static int32_t ask(void *user)
{
    stop *s = user;
    return ++s->asked == s->at;
}

// Wherever a step is cut, going on gives the same weights, levers and statistics; while it is cut in level III the
// weights are those after level II, not a probe's.
START_TEST(test_cuts)
{
    levels whole, cut;
    double loss;
    gsg_multilevel_options o = levels_options(2, 1, &data);
    data.beyond = 0;
    OK(levels_build(context_new(), &o, GSG_OPTIMIZER_ADAM, &whole, err));
    stop s = {0};
    gsg_multilevel_set_poll(whole.m, ask, &s);
    for (int64_t step = 0; step < 2; step++)
        OK(gsg_multilevel_step(whole.m, step, 1e-3, &loss, err));
    const int64_t polls = s.asked;
    ck_assert_int_gt(polls, 500);
    for (int64_t at = 1; at <= polls; at += 97) {
        OK(levels_build(context_new(), &o, GSG_OPTIMIZER_ADAM, &cut, err));
        s = (stop){.at = at};
        gsg_multilevel_set_poll(cut.m, ask, &s);
        for (int64_t step = 0; step < 2; step++) {
            gsg_error reason = {0};
            const genseg_status status = gsg_multilevel_step(cut.m, step, 1e-3, &loss, &reason);
            if (status == GENSEG_ERROR_CANCELLED)
                OK(gsg_multilevel_step(cut.m, step, 1e-3, &loss, err));
            else
                ck_assert_msg(status == GENSEG_OK, "%s", reason.message);
        }
        ck_assert_int_ge(s.asked, at);
        ck_assert_msg(levels_same(cut.segmenter, whole.segmenter), "cut at %d of %d", (int)at, (int)polls);
        ck_assert(levels_same(cut.m->gan->params, whole.m->gan->params));
        for (int32_t i = 0; i < cut.m->levers->count; i++)
            ck_assert_int_eq(memcmp(cut.m->levers->items[i].value, whole.m->levers->items[i].value,
                                    (size_t)cut.m->levers->items[i].count * sizeof(float)), 0);
        close_levels(&cut);
    }
    close_levels(&whole);
}
END_TEST

// Gradients that shrink with the segmenter's rate move a lever as far, and none moves it out of its bounds.
START_TEST(test_levers_keep_moving)
{
    genseg_context *context = context_new();
    gsg_levers *levers = NULL;
    OK(gsg_levers_new(context, &levers, err));
    OK(gsg_levers_add(levers, "gamma", GSG_LEVER_GAMMA, 1, NULL, 1, 0, 1.25f, err));
    OK(gsg_levers_add(levers, "warp", GSG_LEVER_WARP, 3, NULL, 1, 0, 4, err));
    OK(gsg_levers_ready(levers, err));
    gsg_lever *gamma = gsg_levers_find(levers, "gamma"), *warp = gsg_levers_find(levers, "warp");
    for (int i = 0; i < 4; i++) {
        const double lr = pow(0.1, i);
        *gamma->gradient = (float)(-0.3 * lr);
        warp->gradient[2] = (float)(0.3 * lr);
        gsg_levers_update(levers, GSG_LEVER_GAMMA, 1 / lr, 0.1);
        ck_assert_float_eq_tol(*gamma->value, fminf(1 + 0.1f * (float)(i + 1), 1.25f), 1e-5f);
        ck_assert_float_eq_tol(*gamma->gradient, (float)(-0.3 * lr), 1e-9f);
    }
    ck_assert(warp->value[2] == 1); // not of the group
    gsg_levers_free(levers);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("hypergradient");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_all_levers);
    tcase_add_test(tests, test_decayed);
    tcase_add_test(tests, test_with_l1);
    tcase_add_test(tests, test_three_classes);
    tcase_add_test(tests, test_volumes);
    tcase_add_loop_test(tests, test_adaptive, 0, 2);
    tcase_add_test(tests, test_cut_links);
    tcase_add_test(tests, test_audit_leaves_no_trace);
    tcase_add_test(tests, test_restored);
    tcase_add_test(tests, test_solvers);
    tcase_add_test(tests, test_negative_curvature);
    tcase_add_test(tests, test_memory_fails);
    tcase_add_test(tests, test_cuts);
    tcase_add_test(tests, test_levers_keep_moving);
    RUN_TESTS(tests);
}
