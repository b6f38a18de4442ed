// The loop on tiny networks: does it learn, does it repeat bit for bit, what do
// cancelling and a diverging loss leave behind.
#include <pthread.h>

#include "training.h"

// ---- learning

typedef struct lesson {
    phantom data;
    int64_t steps;
    int32_t class_weights;
    double dice; // that a run reaches, and one that can't learn doesn't
} lesson;

static const lesson lessons[] = {
    {{2, 2, 1, 8, 4}, 300, 0, 0.6},
    {{2, 3, 1, 8, 4}, 300, 0, 0.25},
    {{2, 3, 1, 8, 4}, 300, 1, 0.22},
    {{3, 2, 1, 4, 2}, 150, 0, 0.32},
};
#define LESSONS (int)(sizeof lessons / sizeof lessons[0])

static double best_dice(const lesson *of, double lr)
{
    genseg_context *context = context_with(0);
    genseg_trainer_options options = options_of(of->data.ndim, of->steps);
    options.lr = lr;
    options.class_weights = of->class_weights;
    options.validate_every = of->steps / 4;
    options.augment = 0;
    genseg_trainer *trainer = trainer_new(context, &of->data, &options);
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    ck_assert_int_eq(trainer->step, of->steps);
    const double dice = trainer->best_dice;
    gsg_trainer_free(trainer);
    context_close(context);
    return dice;
}

START_TEST(learns)
{
    const lesson *of = &lessons[_i];
    const double learnt = best_dice(of, 1e-2), idle = best_dice(of, 1e-9);
    ck_assert_msg(learnt > of->dice, "Dice %g", learnt);
    ck_assert_msg(!(idle > of->dice / 2), "Dice %g without learning", idle);
}
END_TEST

static const char *const optimizers[] = {"adam", "adamw", "rmsprop", "sgd"};
static const char *const schedules[] = {"cosine", "plateau", "constant"};

static double loss_after(const char *optimizer, const char *schedule, int64_t steps)
{
    genseg_context *context = context_with(0);
    genseg_trainer_options options = options_of(2, steps);
    options.optimizer = optimizer;
    options.schedule = schedule;
    options.lr = 0; // the optimizer's own
    options.warmup = 2;
    options.validate_every = 20;
    genseg_trainer *trainer = trainer_new(context, &plain, &options);
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    const double loss = trainer->loss;
    gsg_trainer_free(trainer);
    context_close(context);
    return loss;
}

START_TEST(loss_falls)
{
    const char *optimizer = optimizers[_i / 3], *schedule = schedules[_i % 3];
    const double early = loss_after(optimizer, schedule, 3), late = loss_after(optimizer, schedule, 40);
    ck_assert_msg(late < 0.97 * early, "%s, %s: loss %g after 3 steps, %g after 40", optimizer, schedule, early, late);
}
END_TEST

START_TEST(validates_when_told)
{
    genseg_context *context = context_with(0);
    genseg_trainer_options options = options_of(2, 10);
    options.validate_every = 3;
    genseg_trainer *trainer = trainer_new(context, &plain, &options);
    host seen = {0};
    OK(run_watched(trainer, &seen, err));
    ck_assert_int_eq(seen.validations, 4); // 3, 6, 9 and the end
    ck_assert_int_eq(seen.phase, GENSEG_PHASE_TRAIN);
    ck_assert(trainer->best_step == 10 || trainer->best_step % 3 == 0);
    const int64_t polls = seen.polls;
    OK(run_watched(trainer, &seen, err)); // nothing is left to do
    ck_assert_int_eq(seen.validations, 4);
    ck_assert_int_le(seen.polls, polls + 4);
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

START_TEST(patience_ends_early)
{
    genseg_context *context = context_with(0);
    genseg_trainer_options options = options_of(2, 400);
    options.validate_every = 2;
    options.patience = 3;
    options.lr = 1e-9;
    genseg_trainer *trainer = trainer_new(context, &plain, &options);
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    ck_assert_int_lt(trainer->step, 400);
    ck_assert_int_eq(trainer->step - trainer->best_step, 3 * 2);
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

// ---- repeating

static model_file *model_with_seed(uint64_t seed)
{
    genseg_context *context = context_with(0);
    genseg_trainer_options options = options_of(2, 12);
    options.seed = seed;
    options.validate_every = 5;
    genseg_trainer *trainer = trainer_new(context, &plain, &options);
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    model_file *model = model_of(trainer);
    gsg_trainer_free(trainer);
    context_close(context);
    return model;
}

START_TEST(runs_repeat)
{
    model_file *first = model_with_seed(0), *again = model_with_seed(0), *same = model_with_seed(5),
               *other = model_with_seed(6);
    ck_assert(same_model(first, again));
    ck_assert(same_model(first, same)); // 0 is the context's
    ck_assert(!same_model(first, other));
    free(first);
    free(again);
    free(same);
    free(other);
}
END_TEST

// Wherever a run is cut, going on gives the weights of one that was left alone.
static genseg_trainer *cut_trainer(genseg_context *context)
{
    genseg_trainer_options options = options_of(2, 4);
    options.validate_every = 2;
    options.schedule = "plateau";
    return trainer_new(context, &plain, &options);
}

START_TEST(cut_runs_end_as_whole_ones)
{
    genseg_context *context = context_with(0);
    genseg_trainer *whole = cut_trainer(context);
    host alone = {0};
    OK(run_watched(whole, &alone, err));
    model_file *expected = model_of(whole);
    ck_assert_int_eq(alone.validations, 2);
    for (int64_t at = 1; at < alone.polls - 1; at += at < 12 ? 1 : 67) {
        genseg_trainer *trainer = cut_trainer(context);
        host cut = {.cancel_at = at};
        FAILS(run_watched(trainer, &cut, err), GENSEG_ERROR_CANCELLED, "cancelled");
        ck_assert_int_eq(cut.polls, at); // at once, and the host is left in peace
        OK(gsg_trainer_run(trainer, NULL, NULL, err));
        ck_assert_int_eq(trainer->step, 4);
        ck_assert_msg(equal_params(whole->params, trainer->params), "cut at poll %lld of %lld", (long long)at,
                      (long long)alone.polls);
        ck_assert(whole->best_dice == trainer->best_dice && whole->loss == trainer->loss);
        model_file *found = model_of(trainer);
        ck_assert(same_model(expected, found));
        free(found);
        gsg_trainer_free(trainer);
    }
    free(expected);
    gsg_trainer_free(whole);
    context_close(context);
}
END_TEST

// ---- cancelling

START_TEST(cancelled_by_the_callback_in_each_phase)
{
    static const int32_t phases[] = {GENSEG_PHASE_LOAD, GENSEG_PHASE_TRAIN, GENSEG_PHASE_VALIDATE};
    genseg_context *context = context_with(0);
    genseg_trainer_options options = options_of(2, 6);
    options.validate_every = 3;
    genseg_trainer *trainer = trainer_new(context, &plain, &options);
    genseg_segmenter *segmenter = NULL;
    FAILS(gsg_trainer_segmenter(trainer, &segmenter, err), GENSEG_ERROR_STATE, "nothing is trained yet");
    for (int i = 0; i < 3; i++) {
        host seen = {.cancel_phase = phases[i]};
        FAILS(run_watched(trainer, &seen, err), GENSEG_ERROR_CANCELLED, "cancelled");
        ck_assert_int_eq(trainer->step, i == 2 ? 3 : 0);
        if (i < 2)
            FAILS(gsg_trainer_segmenter(trainer, &segmenter, err), GENSEG_ERROR_STATE, "nothing is trained yet");
    }
    // Cut in its first validation: the newest weights are all there is.
    ck_assert_int_eq(trainer->best_step, 3);
    ck_assert(isnan(trainer->best_dice));
    free(model_of(trainer));
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    ck_assert_int_eq(trainer->step, 6);
    ck_assert(!isnan(trainer->best_dice));
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

START_TEST(cancelled_before_the_run)
{
    genseg_context *context = context_with(0);
    const genseg_trainer_options options = options_of(2, 4);
    genseg_trainer *trainer = trainer_new(context, &plain, &options);
    atomic_store(&trainer->cancel, 1);
    FAILS(gsg_trainer_run(trainer, NULL, NULL, err), GENSEG_ERROR_CANCELLED, "while reading");
    ck_assert_int_eq(trainer->step, 0);
    OK(gsg_trainer_run(trainer, NULL, NULL, err));
    ck_assert_int_eq(trainer->step, 4);
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

static void *cancel_it(void *user)
{
    atomic_store_explicit(&((genseg_trainer *)user)->cancel, 1, memory_order_relaxed);
    return NULL;
}

typedef struct threaded {
    host host;
    pthread_t thread;
    bool started;
} threaded;

static int32_t start_thread(const genseg_progress *progress, void *user)
{
    threaded *job = user;
    if (!job->started && progress->phase == GENSEG_PHASE_TRAIN && progress->done >= 2) {
        job->started = true;
        ck_assert_int_eq(pthread_create(&job->thread, NULL, cancel_it, job->host.trainer), 0);
    }
    watch(progress, &job->host);
    return 0;
}

START_TEST(cancelled_by_another_thread)
{
    genseg_context *context = context_with(0);
    genseg_trainer_options options = options_of(2, 1000000);
    options.validate_every = 1000000;
    genseg_trainer *trainer = trainer_new(context, &plain, &options);
    threaded job = {.host.trainer = trainer};
    FAILS(gsg_trainer_run(trainer, start_thread, &job, err), GENSEG_ERROR_CANCELLED, "cancelled");
    ck_assert(job.started);
    pthread_join(job.thread, NULL);
    ck_assert_int_ge(trainer->step, 2);
    ck_assert_int_lt(trainer->step, 1000000);
    ck_assert_int_eq(trainer->best_step, trainer->step);
    free(model_of(trainer));
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

// Without validation the newest weights are the model, after every cancel.
START_TEST(cancelled_without_validation)
{
    const phantom unwatched = {2, 2, 1, 4, 0};
    genseg_context *context = context_with(0);
    genseg_trainer_options options = options_of(2, 40);
    options.validate_every = 5;
    genseg_trainer *trainer = trainer_new(context, &unwatched, &options);
    host seen = {0};
    OK(run_watched(trainer, &seen, err));
    ck_assert_int_eq(seen.validations, 0);
    const int64_t polls = seen.polls;
    gsg_trainer_free(trainer);
    trainer = trainer_new(context, &unwatched, &options);
    seen = (host){.cancel_at = polls - polls / 20};
    FAILS(run_watched(trainer, &seen, err), GENSEG_ERROR_CANCELLED, "cancelled");
    ck_assert(trainer->step > 30 && trainer->step < 40 && trainer->step % 5 != 0);
    ck_assert_int_eq(trainer->best_step, trainer->step);
    ck_assert(equal_params(trainer->best, trainer->params));
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

// ---- divergence

// A learning rate that makes weights overflow within a step or two.
#define ABSURD 1e3

static genseg_trainer *absurd_trainer(genseg_context *context, const phantom *data, int64_t steps, int64_t every)
{
    genseg_trainer_options options = options_of(2, steps);
    options.optimizer = "sgd";
    options.weight_decay = 1e3; // weights grow by a factor of -1e6 a step
    options.lr = ABSURD;
    options.schedule = "constant";
    options.validate_every = every;
    return trainer_new(context, data, &options);
}

static void check_nothing_kept(genseg_trainer *trainer, const gsg_params *initial)
{
    genseg_segmenter *segmenter = NULL;
    FAILS(gsg_trainer_segmenter(trainer, &segmenter, err), GENSEG_ERROR_STATE, "nothing is trained yet");
    ck_assert_ptr_null(segmenter);
    ck_assert(equal_params(trainer->params, initial));
}

START_TEST(divergence_before_anything_is_kept)
{
    genseg_context *context = context_with(0);
    genseg_trainer *trainer = absurd_trainer(context, &plain, 60, 50);
    gsg_params *initial = NULL;
    OK(gsg_params_clone(trainer->params, &initial, err));
    for (int i = 0; i < 3; i++) { // as often as the host likes
        const int64_t before = trainer->step;
        char step[32];
        gsg_error err = {0};
        ck_assert_int_eq(gsg_trainer_run(trainer, NULL, NULL, &err), GENSEG_ERROR_NUMERIC);
        snprintf(step, sizeof step, "at step %lld", (long long)trainer->step + 1);
        ck_assert_msg(strstr(err.message, step), "%s", err.message);
        ck_assert_int_gt(trainer->step, before);
        check_nothing_kept(trainer, initial);
    }
    gsg_params_free(initial);
    gsg_trainer_free(trainer);
    context_close(context);
}
END_TEST

// Weights that the very last update broke are seen before they are kept, and before they are predicted with.
START_TEST(divergence_in_the_last_step)
{
    const phantom unwatched = {2, 2, 1, 4, 0};
    genseg_context *context = context_with(0);
    for (int i = 0; i < 2; i++) {
        const phantom *data = i == 0 ? &unwatched : &plain;
        int64_t broken = 0;
        for (int64_t steps = 1; steps < 12 && broken == 0; steps++) { // the step after which weights overflow
            genseg_trainer *trainer = absurd_trainer(context, data, steps, 100);
            gsg_params *initial = NULL;
            gsg_error why = {0};
            OK(gsg_params_clone(trainer->params, &initial, err));
            const genseg_status status = gsg_trainer_run(trainer, NULL, NULL, &why);
            if (status == GENSEG_OK) {
                ck_assert(finite_params(trainer->best));
                free(model_of(trainer));
            } else {
                ck_assert_msg(status == GENSEG_ERROR_NUMERIC, "%s", why.message);
                ck_assert_msg(strstr(why.message, "step"), "%s", why.message);
                check_nothing_kept(trainer, initial);
                broken = steps;
            }
            gsg_params_free(initial);
            gsg_trainer_free(trainer);
        }
        ck_assert_int_gt(broken, 0);
    }
    context_close(context);
}
END_TEST

// One weight, or one running statistic, that is no number while all the rest is fine.
START_TEST(divergence_of_a_single_value)
{
    static const char *const names[] = {"inc.double_conv.1.running_var", "inc.double_conv.1.running_mean",
                                        "outc.conv.bias"};
    for (int i = 0; i < 6; i++) {
        const phantom data = {2, 2, 1, 4, i % 2 ? 2 : 0};
        genseg_context *context = context_with(0);
        genseg_trainer_options options = options_of(2, 3);
        genseg_trainer *trainer = trainer_new(context, &data, &options);
        OK(gsg_trainer_run(trainer, NULL, NULL, err));
        model_file *good = model_of(trainer);
        const int32_t index = gsg_params_find(trainer->params, names[i / 2]);
        ck_assert_int_ge(index, 0);
        trainer->params->items[index].data[0] = i % 2 ? NAN : INFINITY;
        trainer->validated = -1; // as if that came of the last update
        FAILS(gsg_trainer_run(trainer, NULL, NULL, err), GENSEG_ERROR_NUMERIC, names[i / 2]);
        model_file *kept = model_of(trainer);
        ck_assert(same_model(good, kept));
        ck_assert(equal_params(trainer->params, trainer->best));
        free(kept);
        free(good);
        // From there it goes on.
        trainer->options.steps += 3;
        OK(gsg_trainer_run(trainer, NULL, NULL, err));
        ck_assert_int_eq(trainer->step, 6);
        ck_assert(finite_params(trainer->params) && finite_params(trainer->best));
        gsg_trainer_free(trainer);
        context_close(context);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("trainer_run");
    tcase_set_timeout(tests, 100);
    tcase_add_loop_test(tests, learns, 0, LESSONS);
    tcase_add_loop_test(tests, loss_falls, 0, 12);
    tcase_add_test(tests, validates_when_told);
    tcase_add_test(tests, patience_ends_early);
    tcase_add_test(tests, runs_repeat);
    tcase_add_test(tests, cut_runs_end_as_whole_ones);
    tcase_add_test(tests, cancelled_by_the_callback_in_each_phase);
    tcase_add_test(tests, cancelled_before_the_run);
    tcase_add_test(tests, cancelled_by_another_thread);
    tcase_add_test(tests, cancelled_without_validation);
    tcase_add_test(tests, divergence_before_anything_is_kept);
    tcase_add_test(tests, divergence_in_the_last_step);
    tcase_add_test(tests, divergence_of_a_single_value);
    RUN_TESTS(tests);
}
