// Schedules against torch.optim.lr_scheduler's values.
#include <math.h>
#include <string.h>

#include "faults.h"
#include "../golden_json.h"
#include "optim/schedule.h"

START_TEST(test_plateau_matches_torch)
{
    json_t *root = golden_load("optim.json");
    json_t *scores = golden_get(root, "scores"), *plateaus = golden_get(root, "plateaus");

    for (size_t k = 0; k < json_array_size(plateaus); k++) {
        json_t *given = golden_get(json_array_get(plateaus, k), "options");
        json_t *lr = golden_get(json_array_get(plateaus, k), "lr");
        gsg_schedule_options options;
        gsg_schedule schedule;
        gsg_schedule_defaults(&options, GSG_SCHEDULE_PLATEAU, 0.01);
        options.factor = golden_number(given, "factor", 0);
        options.patience = (int64_t)golden_number(given, "patience", 0);
        options.cooldown = (int64_t)golden_number(given, "cooldown", 0);
        options.min_lr = golden_number(given, "min_lr", 0);
        ck_assert_int_eq(gsg_schedule_init(&schedule, &options, NULL), GENSEG_OK);
        for (size_t i = 0; i < json_array_size(scores); i++) {
            if (i == 12) { // the state is plain data: a copy of it goes on
                const gsg_schedule_state saved = schedule.state;
                ck_assert_int_eq(gsg_schedule_init(&schedule, &options, NULL), GENSEG_OK);
                schedule.state = saved;
            }
            gsg_schedule_observe(&schedule, json_number_value(json_array_get(scores, i)));
            ck_assert_double_eq_tol(gsg_schedule_lr(&schedule, (int64_t)i, 0), json_number_value(json_array_get(lr, i)),
                                    1e-12);
        }
    }
    json_decref(root);
}
END_TEST

START_TEST(test_cosine_matches_torch)
{
    json_t *root = golden_load("optim.json");
    json_t *lr = golden_get(root, "cosine");
    gsg_schedule_options options;
    gsg_schedule schedule;

    gsg_schedule_defaults(&options, GSG_SCHEDULE_COSINE, 0.1);
    options.min_lr = 0.001;
    options.warmup = 4;
    ck_assert_int_eq(gsg_schedule_init(&schedule, &options, NULL), GENSEG_OK);
    ck_assert_uint_eq(json_array_size(lr), 20);
    for (int64_t i = 0; i < 20; i++)
        ck_assert_double_eq_tol(gsg_schedule_lr(&schedule, i, 20), json_number_value(json_array_get(lr, (size_t)i)),
                                1e-9);
    ck_assert_double_eq_tol(gsg_schedule_lr(&schedule, 20, 20), 0.001, 1e-12);
    ck_assert_double_eq_tol(gsg_schedule_lr(&schedule, 500, 20), 0.001, 1e-12);
    ck_assert_double_eq_tol(gsg_schedule_lr(&schedule, 500, 0), 0.1, 1e-12);
    json_decref(root);
}
END_TEST

START_TEST(test_constant_and_nan_scores)
{
    gsg_schedule_options options;
    gsg_schedule schedule;

    gsg_schedule_defaults(&options, GSG_SCHEDULE_CONSTANT, 0.5);
    ck_assert_int_eq(gsg_schedule_init(&schedule, &options, NULL), GENSEG_OK);
    for (int i = 0; i < 50; i++)
        gsg_schedule_observe(&schedule, 0);
    ck_assert_double_eq(gsg_schedule_lr(&schedule, 1000, 0), 0.5);

    gsg_schedule_defaults(&options, GSG_SCHEDULE_PLATEAU, 0.5);
    options.patience = 1;
    ck_assert_int_eq(gsg_schedule_init(&schedule, &options, NULL), GENSEG_OK);
    gsg_schedule_observe(&schedule, NAN);
    gsg_schedule_observe(&schedule, 0.4);
    ck_assert_double_eq(schedule.state.best, 0.4);
    gsg_schedule_observe(&schedule, NAN);
    ck_assert_double_eq(gsg_schedule_lr(&schedule, 3, 0), 0.5);
    gsg_schedule_observe(&schedule, NAN);
    ck_assert_double_eq_tol(gsg_schedule_lr(&schedule, 4, 0), 0.05, 1e-15);
}
END_TEST

static void refuse(const gsg_schedule_options *options, const char *word)
{
    gsg_schedule schedule;
    gsg_error err;
    ck_assert_int_eq(gsg_schedule_init(&schedule, options, &err), GENSEG_ERROR_INVALID);
    ck_assert_msg(strstr(err.message, word) != NULL, "%s", err.message);
}

START_TEST(test_bad_options)
{
    gsg_schedule_options options;
    gsg_error err;
    int32_t kind = 0;

    gsg_schedule_defaults(&options, 7, 0.1);
    refuse(&options, "kind is 7");
    gsg_schedule_defaults(&options, GSG_SCHEDULE_COSINE, -1);
    refuse(&options, "rate is -1");
    gsg_schedule_defaults(&options, GSG_SCHEDULE_COSINE, 0.1);
    options.min_lr = 0.2;
    refuse(&options, "0.2");
    gsg_schedule_defaults(&options, GSG_SCHEDULE_PLATEAU, 0.1);
    options.factor = 1;
    refuse(&options, "factor is 1");
    gsg_schedule_defaults(&options, GSG_SCHEDULE_PLATEAU, 0.1);
    options.patience = -2;
    refuse(&options, "patience -2");
    ck_assert_int_eq(gsg_schedule_named("cosine", &kind, NULL), GENSEG_OK);
    ck_assert_int_eq(kind, GSG_SCHEDULE_COSINE);
    ck_assert_int_eq(gsg_schedule_named("step", &kind, &err), GENSEG_ERROR_INVALID);
    ck_assert_msg(strstr(err.message, "step") != NULL, "%s", err.message);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("schedule");
    tcase_add_test(tests, test_plateau_matches_torch);
    tcase_add_test(tests, test_cosine_matches_torch);
    tcase_add_test(tests, test_constant_and_nan_scores);
    tcase_add_test(tests, test_bad_options);
    RUN_TESTS(tests);
}
