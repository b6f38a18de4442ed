// The sampler: epochs, determinism, foreground, padding; cuts and one-hot labels.
#include "data/batch.h"

#include <string.h>

#include "sampling_input.h"

enum { CASES = 5 };

// Case c is filled with c * 1000 + position; class 1 and 2 in a corner each.
static void make_cases(genseg_context *context, gsg_volume cases[CASES], int64_t d, int64_t h, int64_t w)
{
    for (int c = 0; c < CASES; c++) {
        cases[c] = volume_of(context, d > 1 ? 3 : 2, 1, d, h, w);
        for (int64_t i = 0; i < gsg_volume_count(&cases[c]); i++) {
            cases[c].image[i] = (float)(1000 * c + i);
            int64_t y = i / w % h, x = i % w;
            cases[c].label[i] = y < 3 && x < 3 ? 1 : (y >= h - 2 && x >= w - 2 && c != 2 ? 2 : 0);
        }
    }
}

static void free_cases(gsg_volume cases[CASES])
{
    for (int c = 0; c < CASES; c++)
        gsg_volume_free(&cases[c]);
}

static gsg_sampler_options options_for(int64_t d, int64_t h, int64_t w)
{
    gsg_sampler_options options;
    gsg_sampler_defaults(&options);
    options.classes = 3;
    options.size[0] = d;
    options.size[1] = h;
    options.size[2] = w;
    return options;
}

START_TEST(epochs_visit_every_case_once)
{
    genseg_context *context = context_with(1, 0);
    gsg_volume cases[CASES];
    make_cases(context, cases, 1, 10, 10);
    gsg_sampler_options options = options_for(1, 10, 10);
    options.batch = 1;
    gsg_augment_none(&options.augment);
    gsg_sampler *sampler = NULL;
    ck_assert_int_eq(gsg_sampler_new(context, cases, CASES, &options, &sampler, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_sampler_epoch_steps(sampler), CASES);
    context->options.memory_limit = 1; // from here on, every allocation fails
    float image[100];
    int32_t label[100];
    int orders[2] = {0, 0};
    for (int epoch = 0; epoch < 2; epoch++) {
        int seen = 0;
        for (int i = 0; i < CASES; i++) {
            ck_assert_int_eq(gsg_sampler_next(sampler, epoch * CASES + i, image, label, NULL), GENSEG_OK);
            int c = (int)(image[0] / 1000);
            seen |= 1 << c;
            orders[epoch] = 10 * orders[epoch] + c;
            ck_assert_int_eq(memcmp(image, cases[c].image, sizeof image), 0);
            ck_assert_int_eq(memcmp(label, cases[c].label, sizeof label), 0);
        }
        ck_assert_int_eq(seen, (1 << CASES) - 1);
    }
    ck_assert_int_ne(orders[0], orders[1]);
    gsg_error err;
    ck_assert_int_eq(gsg_sampler_next(sampler, -1, image, label, &err), GENSEG_ERROR_INVALID);
    gsg_sampler_free(sampler);
    free_cases(cases);
    context_close(context);
}
END_TEST

// The same batches whatever the order of the calls and the number of threads.
START_TEST(batches_depend_on_seed_and_step_alone)
{
    enum { COUNT = 2 * 12 * 20 * 24 };
    static float image[3][COUNT];
    static int32_t label[3][COUNT];
    for (int run = 0; run < 3; run++) {
        genseg_context *context = context_with(run == 1 ? 3 : 1, 0);
        gsg_volume cases[CASES];
        make_cases(context, cases, 14, 22, 30);
        gsg_sampler_options options = options_for(12, 20, 24);
        options.seed = run == 2 ? 8 : 7;
        gsg_augment_options *a = &options.augment;
        a->elastic_chance = a->gamma_chance = a->noise_chance = a->blur_chance = 1;
        gsg_sampler *sampler = NULL;
        ck_assert_int_eq(gsg_sampler_new(context, cases, CASES, &options, &sampler, NULL), GENSEG_OK);
        for (int64_t step = run == 1 ? 9 : 6; step >= 6; step--)
            ck_assert_int_eq(gsg_sampler_next(sampler, step, image[run], label[run], NULL), GENSEG_OK);
        gsg_sampler_free(sampler);
        free_cases(cases);
        context_close(context);
    }
    ck_assert_int_eq(memcmp(image[0], image[1], sizeof image[0]), 0);
    ck_assert_int_eq(memcmp(label[0], label[1], sizeof label[0]), 0);
    ck_assert_int_ne(memcmp(image[0], image[2], sizeof image[0]), 0);
}
END_TEST

START_TEST(foreground_patches_show_both_classes)
{
    genseg_context *context = context_with(1, 0);
    gsg_volume cases[CASES];
    make_cases(context, cases, 4, 40, 50);
    gsg_sampler_options options = options_for(2, 8, 8);
    gsg_augment_none(&options.augment);
    float image[2 * 128];
    int32_t label[2 * 128];
    for (int forced = 0; forced < 2; forced++) {
        options.foreground = forced;
        gsg_sampler *sampler = NULL;
        ck_assert_int_eq(gsg_sampler_new(context, cases, CASES, &options, &sampler, NULL), GENSEG_OK);
        int counts[3] = {0};
        for (int64_t step = 0; step < 100; step++) {
            ck_assert_int_eq(gsg_sampler_next(sampler, step, image, label, NULL), GENSEG_OK);
            for (int n = 0; n < 2; n++) {
                int has[3] = {0};
                for (int i = 0; i < 128; i++)
                    has[label[128 * n + i]] = 1;
                for (int k = 0; k < 3; k++)
                    counts[k] += has[k];
                ck_assert(!forced || has[1] || has[2]);
            }
        }
        if (forced) // classes are drawn evenly, and case 2 has the first alone
            ck_assert(counts[1] > 85 && counts[2] > 50);
        else
            ck_assert(counts[1] < 40 && counts[2] < 40);
        gsg_sampler_free(sampler);
    }
    free_cases(cases);
    context_close(context);
}
END_TEST

START_TEST(small_volumes_lie_in_the_middle)
{
    genseg_context *context = context_with(2, 0);
    gsg_volume cases[CASES];
    make_cases(context, cases, 3, 5, 6);
    gsg_sampler_options options = options_for(4, 9, 4); // W is cut
    options.foreground = 0;
    options.batch = 1;
    gsg_augment_none(&options.augment);
    gsg_sampler *sampler = NULL;
    ck_assert_int_eq(gsg_sampler_new(context, cases, CASES, &options, &sampler, NULL), GENSEG_OK);
    float image[144], cut[144];
    int32_t label[144], cut_label[144];
    for (int64_t step = 0; step < 10; step++) {
        ck_assert_int_eq(gsg_sampler_next(sampler, step, image, label, NULL), GENSEG_OK);
        const gsg_volume *volume = &cases[(int)(image[0] / 1000)];
        // One voxel before D, two before H; W from the first value.
        int64_t origin[3] = {-1, -2, (int64_t)image[0] % 1000 % 6};
        ck_assert(origin[2] <= 2);
        gsg_patch_cut(context, volume, origin, options.size, cut, cut_label);
        ck_assert_int_eq(memcmp(image, cut, sizeof image), 0);
        ck_assert_int_eq(memcmp(label, cut_label, sizeof label), 0);
        ck_assert(cut[0] == volume->image[origin[2]]);
        ck_assert(cut[(1 * 9 + 2) * 4] == volume->image[origin[2]]);
        ck_assert(cut[143] == volume->image[(2 * 5 + 4) * 6 + origin[2] + 3]);
    }
    gsg_sampler_free(sampler);
    // Far outside only the edge is left.
    gsg_patch_cut(context, &cases[0], (int64_t[]){0, 0, 20}, (int64_t[]){1, 1, 3}, cut, NULL);
    ck_assert(cut[0] == 5 && cut[2] == 5);
    gsg_patch_cut(context, &cases[0], (int64_t[]){0, 0, -20}, (int64_t[]){1, 1, 3}, cut, NULL);
    ck_assert(cut[0] == 0 && cut[2] == 0);
    free_cases(cases);
    context_close(context);
}
END_TEST

START_TEST(onehot_labels)
{
    genseg_context *context = context_with(2, 0);
    int32_t label[2][4] = {{0, 1, 2, 1}, {2, 2, 0, 0}};
    float dst[2][3][4], single[2][4];
    gsg_labels_to_onehot(context, label[0], 2, 3, 4, dst[0][0]);
    gsg_labels_to_onehot(context, label[0], 2, 1, 4, single[0]);
    for (int n = 0; n < 2; n++)
        for (int i = 0; i < 4; i++) {
            for (int k = 0; k < 3; k++)
                ck_assert(dst[n][k][i] == (label[n][i] == k ? 1.0f : 0.0f));
            ck_assert(single[n][i] == (label[n][i] > 0 ? 1.0f : 0.0f));
        }
    context_close(context);
}
END_TEST

START_TEST(bad_cases_are_refused)
{
    genseg_context *context = context_with(1, 0);
    gsg_volume cases[CASES];
    make_cases(context, cases, 1, 10, 10);
    gsg_sampler_options options = options_for(1, 8, 8);
    gsg_sampler *sampler = NULL;
    gsg_error err;
    ck_assert_int_eq(gsg_sampler_new(context, cases, 0, &options, &sampler, &err), GENSEG_ERROR_INVALID);
    cases[3].label[17] = 3;
    ck_assert_int_eq(gsg_sampler_new(context, cases, CASES, &options, &sampler, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "training case 3: label 3 at voxel 17, classes are 3");
    cases[3].label[17] = 0;
    cases[4].channels = 2;
    ck_assert_int_eq(gsg_sampler_new(context, cases, CASES, &options, &sampler, &err), GENSEG_ERROR_SHAPE);
    cases[4].channels = 1;
    options.size[2] = 0;
    ck_assert_int_eq(gsg_sampler_new(context, cases, CASES, &options, &sampler, &err), GENSEG_ERROR_INVALID);
    options.size[2] = 8;
    // Every allocation may fail, and none leaks.
    uint64_t held = atomic_load(&context->memory);
    int failures = 0;
    for (uint64_t room = 64;; room += 512) {
        context->options.memory_limit = held + room;
        genseg_status status = gsg_sampler_new(context, cases, CASES, &options, &sampler, &err);
        if (status == GENSEG_OK)
            break;
        ck_assert_int_eq(status, GENSEG_ERROR_NOMEM);
        ck_assert_uint_eq(atomic_load(&context->memory), held);
        failures++;
    }
    ck_assert_int_gt(failures, 3);
    gsg_sampler_free(sampler);
    free_cases(cases);
    context_close(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch");
    TCase *tests = tcase_create("batch");
    tcase_add_test(tests, epochs_visit_every_case_once);
    tcase_add_test(tests, batches_depend_on_seed_and_step_alone);
    tcase_add_test(tests, foreground_patches_show_both_classes);
    tcase_add_test(tests, small_volumes_lie_in_the_middle);
    tcase_add_test(tests, onehot_labels);
    tcase_add_test(tests, bad_cases_are_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
