// Moving rows, and classes from probabilities; sums are tested with the predictor.
#include "predict/blend.h"

#include "core/alloc.h"
#include "faults.h"

static genseg_context *context_with(int32_t threads)
{
    genseg_context_options options = {.struct_size = sizeof options, .threads = threads, .seed = 1};
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    return context;
}

START_TEST(rows_move_and_fresh_ones_are_zero)
{
    genseg_context *context = context_with(2);
    for (int32_t axis = 0; axis < 2; axis++) {
        // 600 columns: both threads have some.
        gsg_blend blend = {.context = context, .axis = axis, .planes = 2, .held = {1, 1, 600}};
        float data[2 * 5 * 600];
        blend.held[axis] = 5;
        blend.data = data;
        memset(data, 0xFF, sizeof data);
        ck_assert_int_eq(gsg_blend_row(&blend), 600);
        ck_assert_int_eq(gsg_blend_plane(&blend), 3000);
        gsg_blend_clear(&blend);
        for (int i = 0; i < 6000; i++) {
            ck_assert_float_eq(data[i], 0);
            data[i] = (float)i;
        }
        gsg_blend_advance(&blend, 0);
        ck_assert_float_eq(data[1], 1);
        gsg_blend_advance(&blend, 2);
        ck_assert_int_eq(blend.origin[axis], 2);
        for (int i = 0; i < 6000; i++)
            ck_assert_float_eq(data[i], i % 3000 < 1800 ? (float)(i + 1200) : 0);
        gsg_blend_advance(&blend, 100);
        for (int i = 0; i < 6000; i++)
            ck_assert_float_eq(data[i], 0);
    }
    gsg_context_release(context);
}
END_TEST

START_TEST(ties_go_to_the_lower_class)
{
    genseg_context *context = context_with(2);
    const float values[3][5] = {
        {0.5f, 0.2f, 0.3f, 0.1f, 0.0f}, {0.5f, 0.4f, 0.3f, 0.2f, 0.1f}, {0.0f, 0.4f, 0.4f, 0.7f, 0.9f}};
    uint8_t classes[4];
    float copy[3][6] = {{0}};
    gsg_blend_classify(context, values[0], 3, 5, 4, classes, copy[0], 6);
    ck_assert_int_eq(memcmp(classes, (uint8_t[]){0, 1, 2, 2}, 4), 0);
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(memcmp(copy[k], values[k], 4 * sizeof(float)), 0);
        ck_assert_float_eq(copy[k][4], 0);
    }
    gsg_blend_classify(context, values[0], 3, 5, 4, classes, NULL, 0);
    ck_assert_int_eq(memcmp(classes, (uint8_t[]){0, 1, 2, 2}, 4), 0);

    const float one[4] = {0.25f, 0.5f, 0.50001f, 1.0f};
    float two[2][5];
    gsg_blend_classify(context, one, 1, 4, 4, classes, two[0], 5);
    ck_assert_int_eq(memcmp(classes, (uint8_t[]){0, 0, 1, 1}, 4), 0);
    for (int i = 0; i < 4; i++) {
        ck_assert_float_eq(two[0][i], 1 - one[i]);
        ck_assert_float_eq(two[1][i], one[i]);
    }
    gsg_context_release(context);
}
END_TEST

// More voxels than a chunk, more classes than a signed byte holds.
START_TEST(classifies_many_voxels_of_many_classes)
{
    enum { CLASSES = 256, COUNT = 10007 };
    genseg_context *context = context_with(2);
    float *values = gsg_alloc(context, CLASSES * COUNT, sizeof *values);
    uint8_t *classes = gsg_alloc(context, COUNT, 1);
    for (int k = 0; k < CLASSES; k++)
        for (int i = 0; i < COUNT; i++)
            values[k * COUNT + i] = k == i % CLASSES ? 2.0f : (float)((k * 31 + i) % 64) / 64;
    gsg_blend_classify(context, values, CLASSES, COUNT, COUNT, classes, NULL, 0);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(classes[i], i % CLASSES);
    gsg_free(context, values);
    gsg_free(context, classes);
    gsg_context_release(context);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("blend");
    tcase_add_test(tests, rows_move_and_fresh_ones_are_zero);
    tcase_add_test(tests, ties_go_to_the_lower_class);
    tcase_add_test(tests, classifies_many_voxels_of_many_classes);
    RUN_TESTS(tests);
}
