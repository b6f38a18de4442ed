// Generated cases: repeatable, every class there, and not to be had by a threshold.
#include "data/phantom.h"

#include <math.h>
#include <string.h>

#include "data/normalise.h"
#include "sampling_input.h"

static genseg_phantom_options options_for(int32_t ndim, int32_t classes)
{
    return (genseg_phantom_options){.struct_size = sizeof(genseg_phantom_options),
                                    .ndim = ndim,
                                    .count = 24,
                                    .classes = classes,
                                    .channels = 1,
                                    .size = {24, 96, 112},
                                    .seed = 1};
}

static gsg_volume make_case(genseg_context *context, const genseg_phantom_options *options, int64_t index)
{
    gsg_volume volume;
    ck_assert_int_eq(gsg_phantom_case(context, options, index, &volume, NULL), GENSEG_OK);
    return volume;
}

// Dice of label > 0 with image > t, for the best of 64 thresholds t.
static double best_threshold_dice(const gsg_volume *volume)
{
    double best = 0;
    int64_t count = gsg_volume_count(volume);
    for (int t = 0; t < 64; t++) {
        int64_t both = 0, either = 0;
        for (int64_t i = 0; i < count; i++) {
            int above = volume->image[i] > -1.0f + (float)t / 32, inside = volume->label[i] > 0;
            both += above && inside;
            either += above + inside;
        }
        best = fmax(best, 2.0 * (double)both / (double)either);
    }
    return best;
}

START_TEST(thresholds_fail)
{
    genseg_context *context = context_with(2, 0);
    for (int32_t ndim = 2; ndim <= 3; ndim++) {
        genseg_phantom_options options = options_for(ndim, 2);
        int cases = ndim == 2 ? 24 : 4;
        double sum = 0, highest = 0;
        for (int i = 0; i < cases; i++) {
            gsg_volume volume = make_case(context, &options, i);
            int64_t count = gsg_volume_count(&volume);
            ck_assert_int_eq(gsg_normalise(context, GSG_NORMALISE_PERCENTILE, volume.image, 1, count, NULL), GENSEG_OK);
            double dice = best_threshold_dice(&volume);
            sum += dice / cases;
            highest = fmax(highest, dice);
            gsg_volume_free(&volume);
        }
        ck_assert_msg(sum < 0.6 && highest < 0.75, "%d-D: mean %g, highest %g", ndim, sum, highest);
    }
    context_close(context);
}
END_TEST

START_TEST(every_class_is_there)
{
    genseg_context *context = context_with(2, 0);
    for (int32_t ndim = 2; ndim <= 3; ndim++)
        for (int32_t classes = 2; classes <= 4; classes++) {
            genseg_phantom_options options = options_for(ndim, classes);
            options.size[0] = 12;
            options.size[1] = 40;
            options.size[2] = 56;
            for (int index = 0; index < 12; index++) {
                gsg_volume volume = make_case(context, &options, index);
                int64_t counts[4] = {0}, count = gsg_volume_count(&volume);
                ck_assert_int_eq(count, (ndim == 3 ? 12 : 1) * 40 * 56);
                for (int64_t i = 0; i < count; i++) {
                    ck_assert(volume.label[i] >= 0 && volume.label[i] < classes);
                    ck_assert(isfinite(volume.image[i]) && volume.image[i] >= 0);
                    counts[volume.label[i]]++;
                }
                for (int k = 0; k < classes; k++)
                    ck_assert_int_gt(counts[k], 4);
                double organ = 1 - (double)counts[0] / (double)count;
                ck_assert(organ > 0.01 && organ < 0.3);
                ck_assert_double_eq(volume.geometry.spacing[0], ndim == 3 ? 2 : 1);
                ck_assert_double_eq(volume.geometry.spacing[2], 1);
                gsg_volume_free(&volume);
            }
        }
    context_close(context);
}
END_TEST

START_TEST(cases_repeat_and_differ)
{
    genseg_context *one = context_with(1, 0), *three = context_with(3, 0);
    genseg_phantom_options options = options_for(3, 3), other = options;
    options.channels = other.channels = 2;
    other.count = 7;
    gsg_volume a = make_case(one, &options, 5), b = make_case(three, &other, 5), c = make_case(one, &options, 6);
    other.seed = 2;
    gsg_volume d = make_case(one, &other, 5);
    size_t count = (size_t)gsg_volume_count(&a);
    ck_assert_int_eq(memcmp(a.image, b.image, 2 * count * sizeof(float)), 0);
    ck_assert_int_eq(memcmp(a.label, b.label, count * sizeof(int32_t)), 0);
    ck_assert_int_ne(memcmp(a.label, c.label, count * sizeof(int32_t)), 0);
    ck_assert_int_ne(memcmp(a.label, d.label, count * sizeof(int32_t)), 0);
    ck_assert_int_ne(memcmp(a.image, a.image + count, count * sizeof(float)), 0);
    gsg_volume_free(&a);
    gsg_volume_free(&b);
    gsg_volume_free(&c);
    gsg_volume_free(&d);
    context_close(one);
    context_close(three);
}
END_TEST

START_TEST(wrong_options_are_refused)
{
    genseg_context *context = context_with(1, 0);
    genseg_phantom_options options = options_for(2, 5);
    gsg_volume volume;
    gsg_error err;
    ck_assert_int_eq(gsg_phantom_case(context, &options, 0, &volume, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "phantom: classes is 5, allowed are 2 to 4");
    options = options_for(2, 2);
    options.size[1] = 16;
    ck_assert_int_eq(gsg_phantom_check(&options, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "phantom: size[1] is 16, allowed are 32 to 4096");
    options = options_for(2, 2);
    ck_assert_int_eq(gsg_phantom_case(context, &options, -1, &volume, &err), GENSEG_ERROR_INVALID);
    int failures = 0;
    for (uint64_t room = 1024;; room += 8192) {
        context->options.memory_limit = room;
        genseg_status status = gsg_phantom_case(context, &options, 0, &volume, &err);
        if (status == GENSEG_OK)
            break;
        ck_assert_int_eq(status, GENSEG_ERROR_NOMEM);
        ck_assert_uint_eq(atomic_load(&context->memory), 0);
        failures++;
    }
    ck_assert_int_gt(failures, 5);
    gsg_volume_free(&volume);
    context_close(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("phantom");
    TCase *tests = tcase_create("phantom");
    tcase_add_test(tests, thresholds_fail);
    tcase_add_test(tests, every_class_is_there);
    tcase_add_test(tests, cases_repeat_and_differ);
    tcase_add_test(tests, wrong_options_are_refused);
    tcase_set_timeout(tests, 60);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
