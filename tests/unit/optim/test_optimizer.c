// Every update rule against torch.optim's values, then what checkpoints need.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "faults.h"
#include "../golden_json.h"
#include "optim/optimizer.h"

#define PARAMETERS 2
#define LARGEST 37
static const int64_t counts[PARAMETERS] = {5, LARGEST};

static genseg_context *make_context(void)
{
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(NULL, &context, NULL), GENSEG_OK);
    return context;
}

static void read_floats(json_t *list, float *out)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        out[i] = (float)json_number_value(json_array_get(list, i));
}

static void compare(const float *ours, json_t *expected, const char *what)
{
    for (size_t i = 0; i < json_array_size(expected); i++) {
        const double e = json_number_value(json_array_get(expected, i));
        ck_assert_msg(fabs(ours[i] - e) <= 1e-6 * fmax(1, fabs(e)), "%s[%d]: %.9g, torch has %.9g", what, (int)i,
                      (double)ours[i], e);
    }
}

static void read_options(json_t *item, gsg_optimizer_options *options)
{
    ck_assert_int_eq(gsg_optimizer_named(options, json_string_value(golden_get(item, "name")), NULL), GENSEG_OK);
    json_t *given = golden_get(item, "options");
    options->momentum = golden_number(given, "momentum", options->momentum);
    options->alpha = golden_number(given, "alpha", options->alpha);
    options->beta1 = golden_number(given, "beta1", options->beta1);
    options->beta2 = golden_number(given, "beta2", options->beta2);
    options->eps = golden_number(given, "eps", options->eps);
    options->weight_decay = golden_number(given, "weight_decay", options->weight_decay);
    options->nesterov = json_is_true(json_object_get(given, "nesterov"));
}

static void run_case(genseg_context *context, json_t *root, json_t *item)
{
    gsg_optimizer_options options;
    gsg_optimizer *optimizer = NULL;
    gsg_error err;
    float weights[PARAMETERS][LARGEST], gradient[LARGEST];
    json_t *gradients = golden_get(root, "gradients");
    const size_t steps = json_array_size(gradients);

    read_options(item, &options);
    ck_assert_msg(gsg_optimizer_new(context, &options, PARAMETERS, counts, &optimizer, &err) == GENSEG_OK, "%s",
                  err.message);
    for (int p = 0; p < PARAMETERS; p++)
        read_floats(json_array_get(golden_get(root, "start"), p), weights[p]);
    for (size_t s = 0; s < steps; s++) {
        gsg_optimizer_begin(optimizer, json_number_value(json_array_get(golden_get(root, "rates"), s)));
        for (int k = 0; k < PARAMETERS; k++) {
            const int p = s % 2 ? k : PARAMETERS - 1 - k; // the order must not matter
            read_floats(json_array_get(json_array_get(gradients, s), p), gradient);
            gsg_optimizer_update(optimizer, p, weights[p], gradient);
        }
        if (s == 0 || s == steps - 1)
            for (int p = 0; p < PARAMETERS; p++)
                compare(weights[p], json_array_get(golden_get(item, s ? "last" : "first"), p),
                        json_string_value(golden_get(item, "name")));
    }
    ck_assert_int_eq(gsg_optimizer_step(optimizer), (int64_t)steps);
    json_t *state = golden_get(item, "state");
    ck_assert_int_eq(gsg_optimizer_slots(optimizer), (int32_t)json_object_size(state));
    for (int32_t slot = 0; slot < gsg_optimizer_slots(optimizer); slot++) {
        const char *name = gsg_optimizer_slot_name(optimizer, slot);
        compare(gsg_optimizer_slot(optimizer, 0, slot), golden_get(state, name), name);
    }
    gsg_optimizer_free(optimizer);
}

START_TEST(test_matches_torch)
{
    genseg_context *context = make_context();
    json_t *root = golden_load("optim.json");
    json_t *cases = golden_get(root, "cases");
    ck_assert_uint_eq(json_array_size(cases), 8);
    for (size_t i = 0; i < json_array_size(cases); i++)
        run_case(context, root, json_array_get(cases, i));
    json_decref(root);
    gsg_context_release(context);
}
END_TEST

// A buffer long enough for several threads gives what a short one gives.
START_TEST(test_long_buffers_match_short_ones)
{
    enum { LONG = 100003, SHORT = 101 };
    static float weights[LONG], gradient[LONG], few[SHORT];
    static const char *const names[] = {"sgd", "adam", "adamw", "rmsprop"};
    const int64_t sizes[2] = {LONG, SHORT};
    genseg_context *context = make_context();

    for (size_t n = 0; n < 4; n++) {
        gsg_optimizer_options options;
        gsg_optimizer *optimizer = NULL;
        ck_assert_int_eq(gsg_optimizer_named(&options, names[n], NULL), GENSEG_OK);
        options.momentum = 0.9;
        options.weight_decay = 0.01;
        ck_assert_int_eq(gsg_optimizer_new(context, &options, 2, sizes, &optimizer, NULL), GENSEG_OK);
        for (int i = 0; i < LONG; i++) {
            weights[i] = (float)(i % SHORT) / SHORT - 0.5f;
            gradient[i] = (float)((i * 7) % SHORT) / SHORT - 0.5f;
        }
        memcpy(few, weights, sizeof few);
        for (int step = 0; step < 3; step++) {
            gsg_optimizer_begin(optimizer, 0.01);
            gsg_optimizer_update(optimizer, 0, weights, gradient);
            gsg_optimizer_update(optimizer, 1, few, gradient);
        }
        for (int i = 0; i < LONG; i++)
            ck_assert_float_eq_tol(weights[i], few[i % SHORT], 1e-6f);
        gsg_optimizer_free(optimizer);
    }
    gsg_context_release(context);
}
END_TEST

// State copied to a second optimizer continues the run bit for bit.
START_TEST(test_state_continues)
{
    enum { N = 40 };
    const int64_t size = N;
    genseg_context *context = make_context();
    gsg_optimizer_options options;
    gsg_optimizer *a = NULL, *b = NULL;
    float w[N], v[N], g[N];

    gsg_optimizer_defaults(&options, GSG_OPTIMIZER_ADAM);
    ck_assert_int_eq(gsg_optimizer_new(context, &options, 1, &size, &a, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_optimizer_new(context, gsg_optimizer_settings(a), 1, &size, &b, NULL), GENSEG_OK);
    for (int i = 0; i < N; i++) {
        w[i] = (float)i;
        g[i] = (float)(i % 5) - 2;
    }
    for (int s = 0; s < 3; s++) {
        gsg_optimizer_begin(a, 0.1);
        gsg_optimizer_update(a, 0, w, g);
    }
    memcpy(v, w, sizeof v);
    for (int32_t slot = 0; slot < gsg_optimizer_slots(a); slot++) {
        ck_assert_uint_eq((uintptr_t)gsg_optimizer_slot(a, 0, slot) % 64, 0);
        memcpy(gsg_optimizer_slot(b, 0, slot), gsg_optimizer_slot(a, 0, slot), sizeof w);
    }
    gsg_optimizer_set_step(b, gsg_optimizer_step(a));
    gsg_optimizer_begin(a, 0.1);
    gsg_optimizer_update(a, 0, w, g);
    gsg_optimizer_begin(b, 0.1);
    gsg_optimizer_update(b, 0, v, g);
    ck_assert_mem_eq(w, v, sizeof w);
    ck_assert_double_eq(gsg_optimizer_lr(b), 0.1);
    ck_assert_int_eq(gsg_optimizer_parameters(b), 1);
    ck_assert_int_eq(gsg_optimizer_count(b, 0), N);
    gsg_optimizer_free(a);
    gsg_optimizer_free(b);
    gsg_context_release(context);
}
END_TEST

static void refuse(genseg_context *context, const gsg_optimizer_options *options, const char *word)
{
    gsg_optimizer *optimizer = NULL;
    gsg_error err;
    const int64_t size = 4;
    ck_assert_int_eq(gsg_optimizer_new(context, options, 1, &size, &optimizer, &err), GENSEG_ERROR_INVALID);
    ck_assert_msg(strstr(err.message, word) != NULL, "%s", err.message);
    ck_assert_ptr_null(optimizer);
}

START_TEST(test_bad_options)
{
    genseg_context *context = make_context();
    gsg_optimizer_options options;
    gsg_optimizer *optimizer = NULL;
    gsg_error err;

    gsg_optimizer_defaults(&options, 9);
    refuse(context, &options, "kind is 9");
    gsg_optimizer_defaults(&options, GSG_OPTIMIZER_SGD);
    options.momentum = 1.5;
    refuse(context, &options, "momentum is 1.5");
    options.momentum = NAN;
    refuse(context, &options, "momentum");
    options.momentum = 0;
    options.nesterov = true;
    refuse(context, &options, "nesterov");
    gsg_optimizer_defaults(&options, GSG_OPTIMIZER_ADAM);
    options.beta2 = -0.1;
    refuse(context, &options, "beta2 is -0.1");
    gsg_optimizer_defaults(&options, GSG_OPTIMIZER_RMSPROP);
    options.eps = 0;
    refuse(context, &options, "eps is 0");
    gsg_optimizer_defaults(&options, GSG_OPTIMIZER_RMSPROP);
    options.weight_decay = -1;
    refuse(context, &options, "weight decay is -1");
    ck_assert_int_eq(gsg_optimizer_named(&options, "lion", &err), GENSEG_ERROR_INVALID);
    ck_assert_msg(strstr(err.message, "lion") != NULL, "%s", err.message);

    gsg_optimizer_defaults(&options, GSG_OPTIMIZER_ADAM);
    const int64_t huge[2] = {INT64_MAX / 2, INT64_MAX / 2}, negative = -3;
    ck_assert_int_eq(gsg_optimizer_new(context, &options, 2, huge, &optimizer, NULL), GENSEG_ERROR_NOMEM);
    ck_assert_int_eq(gsg_optimizer_new(context, &options, 1, &negative, &optimizer, NULL), GENSEG_ERROR_INVALID);
    ck_assert_ptr_null(optimizer);
    gsg_optimizer_free(NULL);
    gsg_context_release(context);
}
END_TEST

START_TEST(test_bytes_are_known_in_advance)
{
    gsg_optimizer_options options;
    gsg_optimizer_defaults(&options, GSG_OPTIMIZER_ADAM);
    ck_assert_uint_eq(gsg_optimizer_bytes(&options, PARAMETERS, counts), 2 * 4 * (16 + 48));
    gsg_optimizer_defaults(&options, GSG_OPTIMIZER_SGD);
    ck_assert_uint_eq(gsg_optimizer_bytes(&options, PARAMETERS, counts), 0);
    gsg_optimizer_defaults(&options, GSG_OPTIMIZER_RMSPROP);
    ck_assert_uint_eq(gsg_optimizer_bytes(&options, PARAMETERS, counts), 4 * (16 + 48));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("optimizer");
    tcase_add_test(tests, test_matches_torch);
    tcase_add_test(tests, test_long_buffers_match_short_ones);
    tcase_add_test(tests, test_state_continues);
    tcase_add_test(tests, test_bad_options);
    tcase_add_test(tests, test_bytes_are_known_in_advance);
    RUN_TESTS(tests);
}
