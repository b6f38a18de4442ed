// Trainers with a generator: every method and kind of data runs, repeats bit for bit, may be cut anywhere, keeps what is
// good where the generator diverges, and says in advance what memory it needs.
#include "predict/synthesizer.h"
#include "training.h"

static genseg_trainer_options levels_options(int32_t ndim, int64_t steps, const char *method)
{
    genseg_trainer_options options = options_of(ndim, steps);
    options.method = method;
    options.generator_width = options.discriminator_width = 2;
    options.gan_steps = 3;
    options.levers_every = 2;
    return options;
}

static const char *const methods[] = {"genseg", "continued", "separate"};

static void check_run(const phantom *data, const genseg_trainer_options *options)
{
    genseg_context *context = context_with(0);
    genseg_trainer *trainer = trainer_new(context, data, options);
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    ck_assert_int_eq(trainer->step, options->steps);
    ck_assert(finite_params(trainer->best) && finite_params(trainer->gan_best));
    free(model_of(trainer));
    gsg_trainer_free(trainer);
    context_close(context);
}

START_TEST(every_method)
{
    const genseg_trainer_options options = levels_options(2, 4, methods[_i]);
    genseg_context *context = context_with(0);
    genseg_trainer *trainer = trainer_new(context, &plain, &options);
    gsg_params *first = NULL;
    OK(gsg_params_clone(trainer->multilevel->gan->params, &first, err));
    host seen = {0};
    OK(run_watched(trainer, &seen, err));
    ck_assert_int_eq(trainer->gan_step, 3);
    ck_assert_int_eq(trainer->multilevel->updates, _i == 0 ? 2 : 0);
    // Three steps beforehand, and two of four steps beside the segmenter, or none.
    ck_assert_int_eq(gsg_optimizer_step(trainer->multilevel->gan->optimizer), _i == 2 ? 3 : 5);
    ck_assert(!equal_params(first, trainer->multilevel->gan->params));
    const gsg_lever *gamma = trainer->multilevel->gamma;
    ck_assert(_i == 0 ? *gamma->value != 1 && *gamma->gradient != 0 : *gamma->value == 1 && *gamma->gradient == 0);
    gsg_params_free(first);
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

// Validation cases take part in level III and the choice of the model, never in levels I and II: with other ones,
// everything but that is the same.
START_TEST(validation_stays_apart)
{
    const phantom one = {2, 2, 1, 4, 1}, two = {2, 2, 1, 4, 2};
    const phantom *const data[] = {&one, &two};
    genseg_trainer_options options = levels_options(2, 3, "continued");
    genseg_context *context = context_with(0);
    genseg_trainer *trainers[2];
    for (int i = 0; i < 2; i++) {
        // The same four training cases: the order of the split depends on the number of all.
        genseg_dataset *dataset = NULL;
        OK(phantom_new(context, &two, &dataset, err));
        for (int64_t c = 0; i == 0 && c < dataset->count; c++)
            if (dataset->cases[c].split == GENSEG_SPLIT_VALIDATION) {
                dataset->cases[c].split = GENSEG_SPLIT_TEST;
                break;
            }
        OK(gsg_trainer_new(context, dataset, &options, &trainers[i], err));
        gsg_dataset_release(dataset);
        OK(gsg_trainer_run(trainers[i], NULL, NULL, err));
        ck_assert_int_eq(trainers[i]->validation.count, data[i]->validation);
    }
    ck_assert(equal_params(trainers[0]->params, trainers[1]->params));
    ck_assert(equal_params(trainers[0]->multilevel->gan->params, trainers[1]->multilevel->gan->params));
    gsg_trainer_free(trainers[0]);
    gsg_trainer_free(trainers[1]);
    context_close(context);
}
END_TEST

static const struct {
    phantom data;
    int64_t batch;
    int32_t noise;
    const char *loss;
} kinds[] = {
    {{2, 2, 1, 1, 1}, 2, 0, "vanilla"}, // one example; validation smaller than the batch
    {{2, 2, 1, 4, 0}, 2, 0, "vanilla"}, // nothing to validate with
    {{2, 2, 3, 3, 1}, 1, 0, "lsgan"},   // RGB
    {{2, 4, 1, 4, 2}, 3, 2, "wgan"},    // four classes, noise
    {{3, 2, 1, 2, 1}, 2, 0, "vanilla"}, // volumes
    {{3, 3, 2, 2, 1}, 1, 1, "wgan"},
};
#define KINDS (int)(sizeof kinds / sizeof kinds[0])

START_TEST(data_of_every_kind)
{
    genseg_trainer_options options = levels_options(kinds[_i].data.ndim, 2, "genseg");
    options.batch = kinds[_i].batch;
    options.noise = kinds[_i].noise;
    options.gan_loss = kinds[_i].loss;
    options.candidates = 2;
    check_run(&kinds[_i].data, &options);
}
END_TEST

START_TEST(bad_options_are_named)
{
    genseg_context *context = context_with(0);
    genseg_dataset *dataset = NULL;
    genseg_trainer *trainer = NULL;
    const genseg_trainer_options good = levels_options(2, 2, "genseg");
    genseg_trainer_options bad = good;
    OK(phantom_new(context, &plain, &dataset, err));
#define REFUSED(member, value, part)                                                                                   \
    do {                                                                                                               \
        bad = good;                                                                                                    \
        bad.member = (value);                                                                                          \
        FAILS(gsg_trainer_new(context, dataset, &bad, &trainer, err), GENSEG_ERROR_INVALID, part);                     \
        ck_assert_ptr_null(trainer);                                                                                   \
    } while (0)
    REFUSED(method, "gan", "method is \"gan\", known are genseg, continued, separate, augment, plain");
    REFUSED(gan_loss, "hinge", "gan_loss is \"hinge\"");
    REFUSED(solver, "newton", "solver is \"newton\"");
    REFUSED(gan_every, 0, "gan_every is 0");
    REFUSED(levers_every, -1, "levers_every is -1");
    REFUSED(levers, 64, "levers is 64");
    REFUSED(candidates, 4, "candidates is 4");
    REFUSED(noise, -1, "noise is -1");
    REFUSED(gan_lr, (double)NAN, "gan_lr is nan");
    REFUSED(gamma, 5, "gamma is 5");
    REFUSED(normalise, GENSEG_NORMALISE_ZSCORE, "normalise by percentiles");
    bad = good;
    bad.generator_levels = 6;
    FAILS(gsg_trainer_new(context, dataset, &bad, &trainer, err), GENSEG_ERROR_SHAPE, "32x32: its sizes must be");
    gsg_dataset_release(dataset);
    context_close(context);
}
END_TEST

START_TEST(runs_repeat)
{
    model_file *models[2];
    for (int i = 0; i < 2; i++) {
        const genseg_trainer_options options = levels_options(2, 6, methods[_i]);
        genseg_context *context = context_with(0);
        genseg_trainer *trainer = trainer_new(context, &plain, &options);
        OK(gsg_trainer_run(trainer, NULL, NULL, err));
        models[i] = model_of(trainer);
        gsg_trainer_free(trainer);
        context_close(context);
    }
    ck_assert(same_model(models[0], models[1]));
    free(models[0]);
    free(models[1]);
}
END_TEST

START_TEST(cut_runs_end_as_whole_ones)
{
    genseg_context *context = context_with(0);
    genseg_trainer_options options = levels_options(2, 3, "genseg");
    options.validate_every = 2;
    genseg_trainer *whole = trainer_new(context, &plain, &options);
    host alone = {0};
    OK(run_watched(whole, &alone, err));
    for (int64_t at = 1; at < alone.polls - 1; at += at < 9 ? 1 : 211) {
        genseg_trainer *trainer = trainer_new(context, &plain, &options);
        host cut = {.cancel_at = at};
        FAILS(run_watched(trainer, &cut, err), GENSEG_ERROR_CANCELLED, "cancelled");
        ck_assert_int_eq(cut.polls, at);
        OK(gsg_trainer_run(trainer, NULL, NULL, err));
        ck_assert_msg(equal_params(whole->params, trainer->params), "cut at poll %lld of %lld", (long long)at,
                      (long long)alone.polls);
        ck_assert(equal_params(whole->multilevel->gan->params, trainer->multilevel->gan->params));
        ck_assert(*whole->multilevel->gamma->value == *trainer->multilevel->gamma->value);
        gsg_trainer_free(trainer);
    }
    gsg_trainer_free(whole);
    context_close(context);
}
END_TEST

// A generator that diverges ends the run with the step; what was good before is handed out.
START_TEST(a_generator_that_diverges)
{
    genseg_context *context = context_with(0);
    genseg_trainer_options options = levels_options(2, 40, "genseg");
    genseg_segmenter *segmenter = NULL;
    options.gan_every = 1;
    options.validate_every = 2;
    genseg_trainer *trainer = trainer_new(context, &plain, &options);
    host seen = {.cancel_phase = GENSEG_PHASE_VALIDATE};
    FAILS(run_watched(trainer, &seen, err), GENSEG_ERROR_CANCELLED, "cancelled");
    trainer->multilevel->options.gan_lr = 1e30;
    FAILS(gsg_trainer_run(trainer, NULL, NULL, err), GENSEG_ERROR_NUMERIC, "step");
    ck_assert(finite_params(trainer->params) && finite_params(trainer->multilevel->gan->params));
    OK(gsg_trainer_segmenter(trainer, &segmenter, err));
    gsg_segmenter_release(segmenter);
    trainer->multilevel->options.gan_lr = 2e-4;
    OK(gsg_trainer_run(trainer, NULL, NULL, err)); // goes on from there
    gsg_trainer_free(trainer);
    // Before there is a segmenter at all.
    options.gan_lr = 1;
    trainer = trainer_new(context, &plain, &options);
    trainer->multilevel->options.gan_lr = 1e30;
    FAILS(gsg_trainer_run(trainer, NULL, NULL, err), GENSEG_ERROR_NUMERIC, "learning rate");
    FAILS(gsg_trainer_segmenter(trainer, &segmenter, err), GENSEG_ERROR_STATE, "nothing is trained yet");
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

static char warning[400];

static void hear(int32_t level, const char *message, void *user)
{
    if (level == GENSEG_LOG_WARNING)
        snprintf(warning, sizeof warning, "%s", message);
}

// A bias that saturates all its images leaves the generator no gradient to learn by.
static void silence(gsg_params *params)
{
    const int32_t bias = gsg_params_find(params, "generator.up1.bias");
    ck_assert_int_ge(bias, 0);
    params->items[bias].data[0] = 100.0f;
}

// Level I ends with a state from before, beforehand (0) or beside the segmenter (1); the segmenter goes on.
START_TEST(a_discriminator_that_wins)
{
    genseg_trainer_options options = levels_options(2, 6, "genseg");
    genseg_context_options listening = {.struct_size = sizeof listening};
    genseg_context *context = NULL;
    genseg_generator *generator = NULL;
    gsg_context_defaults(&listening);
    listening.log = hear;
    OK(gsg_context_new(&listening, &context, err));
    options.discriminator_width = 16;
    options.gan_every = 1;
    options.gan_steps = _i == 0 ? 2000 : 3;
    options.steps = _i == 0 ? 6 : 2000;
    options.levers_every = 1000;
    options.validate_every = _i == 0 ? 3 : 40;
    genseg_trainer *trainer = trainer_new(context, &plain, &options);
    silence(trainer->multilevel->gan->params);
    warning[0] = '\0';
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    ck_assert_msg(strstr(warning, "the discriminator has won at step") != NULL, "%s", warning);
    ck_assert(trainer->judge_won && trainer->step == options.steps);
    ck_assert_int_eq(trainer->multilevel->options.gan_every, 0);
    ck_assert(_i == 1 || (trainer->gan_step < 2000 && trainer->gan_best_made > 0));
    ck_assert_int_lt(trainer->gan_best_made, 2000);
    ck_assert_int_eq(trainer->gan_made, trainer->gan_best_made);
    OK(gsg_trainer_generator(trainer, &generator, err));
    gsg_synthesizer_release(generator);
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

typedef struct audited {
    int64_t count, agree;
    double apart, brute;
} audited;

static int32_t look_at(const genseg_audit *audit, void *user)
{
    audited *a = user;
    ck_assert(audit->done == ++a->count && audit->done <= audit->total);
    if (audit->group == GENSEG_LEVER_GAMMA || audit->group == GENSEG_LEVER_PAIRS) { // those that kinks don't blur
        a->apart += (audit->gradient - audit->brute) * (audit->gradient - audit->brute);
        a->brute += audit->brute * audit->brute;
    }
    return 0;
}

START_TEST(audits)
{
    genseg_context *context = context_with(0);
    genseg_trainer_options options = levels_options(2, 4, "genseg");
    audited a = {0};
    const int32_t groups = GSG_LEVER_ALL & ~GSG_LEVER_GENERATOR;
    genseg_trainer *trainer = trainer_new(context, &plain, &options);
    FAILS(gsg_trainer_audit(trainer, groups, 1, 0, look_at, &a, err), GENSEG_ERROR_STATE, "nothing is trained yet");
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    gsg_params *segmenter = NULL, *gan = NULL;
    OK(gsg_params_clone(trainer->params, &segmenter, err));
    OK(gsg_params_clone(trainer->multilevel->gan->params, &gan, err));
    OK(gsg_trainer_audit(trainer, groups, 4, 0, look_at, &a, err));
    ck_assert_int_gt(a.count, 10);
    ck_assert_msg(sqrt(a.apart / a.brute) < 0.2, "relative error %g", sqrt(a.apart / a.brute));
    ck_assert(equal_params(segmenter, trainer->params) && equal_params(gan, trainer->multilevel->gan->params));
    gsg_params_free(segmenter);
    gsg_params_free(gan);
    gsg_trainer_free(trainer);
    options.method = "separate";
    trainer = trainer_new(context, &plain, &options);
    FAILS(gsg_trainer_audit(trainer, groups, 1, 0, look_at, &a, err), GENSEG_ERROR_STATE, "no feedback");
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

START_TEST(begins_with_a_model)
{
    genseg_context *context = context_with(0);
    genseg_trainer_options options = levels_options(2, 3, "genseg");
    genseg_trainer *first = trainer_new(context, &plain, &options), *second;
    genseg_segmenter *segmenter = NULL;
    genseg_generator *generator = NULL;
    OK(gsg_trainer_run(first, NULL, NULL, err));
    OK(gsg_trainer_segmenter(first, &segmenter, err));
    OK(gsg_trainer_generator(first, &generator, err));
    FAILS(gsg_trainer_start_from(first, segmenter, generator, err), GENSEG_ERROR_STATE, "begun");
    options.seed = 9;
    second = trainer_new(context, &plain, &options);
    ck_assert(!equal_params(first->best, second->params));
    OK(gsg_trainer_start_from(second, segmenter, generator, err));
    ck_assert(equal_params(first->best, second->params) && equal_params(first->best, second->best));
    gsg_trainer_free(second);
    options.generator_width = 3;
    second = trainer_new(context, &plain, &options);
    gsg_params *before = NULL;
    OK(gsg_params_clone(second->params, &before, err));
    FAILS(gsg_trainer_start_from(second, segmenter, generator, err), GENSEG_ERROR_SHAPE, "generator.down1");
    ck_assert(equal_params(before, second->params));
    gsg_params_free(before);
    gsg_trainer_free(second);
    gsg_trainer_free(first);
    gsg_segmenter_release(segmenter);
    gsg_synthesizer_release(generator);
    context_close(context);
}
END_TEST

START_TEST(memory_is_foretold)
{
    genseg_context *context = context_with(0);
    genseg_trainer_options options = levels_options(2, 4, methods[_i]);
    genseg_dataset *dataset = NULL;
    genseg_trainer *trainer = NULL;
    options.width = options.generator_width = 8;
    options.recompute = -1;
    OK(phantom_new(context, &plain, &dataset, err));
    const uint64_t before = atomic_load(&context->memory);
    atomic_store(&context->memory_peak, before);
    OK(gsg_trainer_new(context, dataset, &options, &trainer, err));
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    const uint64_t peak = atomic_load(&context->memory_peak) - before, bytes = trainer->memory;
    ck_assert_msg(peak <= bytes && (double)bytes <= 1.05 * (double)peak, "%llu bytes foretold, %llu measured",
                  (unsigned long long)bytes, (unsigned long long)peak);
    gsg_trainer_free(trainer);
    trainer = NULL;
    context->options.memory_limit = before + bytes - 1;
    FAILS(gsg_trainer_new(context, dataset, &options, &trainer, err), GENSEG_ERROR_NOMEM, "training needs");
    gsg_dataset_release(dataset);
    context->options.memory_limit = 0;
    context_close(context);
}
END_TEST

START_TEST(learns)
{
    genseg_context *context = context_with(0);
    const phantom data = {2, 2, 1, 6, 3};
    genseg_trainer_options options = levels_options(2, 200, "genseg");
    options.lr = 1e-2;
    options.generator_width = 8;
    options.gan_steps = 100;
    options.validate_every = 50;
    genseg_trainer *trainer = trainer_new(context, &data, &options);
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    ck_assert_msg(trainer->best_dice > 0.55, "Dice %g", trainer->best_dice);
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("trainer_levels");
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, every_method, 0, 3);
    tcase_add_test(tests, validation_stays_apart);
    tcase_add_loop_test(tests, data_of_every_kind, 0, KINDS);
    tcase_add_test(tests, bad_options_are_named);
    tcase_add_loop_test(tests, runs_repeat, 0, 3);
    tcase_add_test(tests, cut_runs_end_as_whole_ones);
    tcase_add_test(tests, a_generator_that_diverges);
    tcase_add_loop_test(tests, a_discriminator_that_wins, 0, 2);
    tcase_add_test(tests, audits);
    tcase_add_test(tests, begins_with_a_model);
    tcase_add_loop_test(tests, memory_is_foretold, 0, 3);
    tcase_add_test(tests, learns);
    RUN_TESTS(tests);
}
