// Panels, sizes, colours and the slice that is shown.
#include "data/picture.h"

#include <string.h>

#include "sampling_input.h"

static const uint8_t *pixel(const gsg_picture *picture, int64_t h, int64_t w)
{
    return picture->rgb + (h * picture->width + w) * 3;
}

START_TEST(panels_lie_side_by_side)
{
    genseg_context *context = context_with(2, 0);
    gsg_volume volume = volume_of(context, 3, 1, 3, 32, 64);
    int32_t *prediction = gsg_alloc_zero(context, 3 * 32 * 64, sizeof *prediction);
    for (int64_t i = 0; i < gsg_volume_count(&volume); i++)
        volume.image[i] = (float)(i % 64) + 1000.0f * (float)(i / 2048); // a ramp from black to white
    for (int64_t h = 8; h < 24; h++)
        for (int64_t w = 16; w < 48; w++)
            volume.label[2048 + h * 64 + w] = 2; // slice 1
    prediction[4] = 1;                           // slice 0, and not shown
    gsg_picture picture;
    ck_assert_int_eq(gsg_picture_compose(context, &volume, prediction, &picture, NULL), GENSEG_OK);
    ck_assert_int_eq(picture.height, 256);
    ck_assert_int_eq(picture.width, 3 * 512 + 2 * 6);
    const uint8_t *left = pixel(&picture, 128, 2), *right = pixel(&picture, 128, 510);
    ck_assert(left[0] < 8 && left[0] == left[1] && left[1] == left[2]);
    ck_assert(right[0] > 247 && right[0] == right[2]);
    const uint8_t *gap = pixel(&picture, 100, 514);
    ck_assert(gap[0] == 32 && gap[1] == 32);
    // The border of the square is solid in the colour of class 2, the inside is mixed.
    uint8_t colour[3];
    gsg_picture_colour(2, colour);
    ck_assert_int_eq(memcmp(pixel(&picture, 8 * 8, 518 + 200), colour, 3), 0);
    const uint8_t *inside = pixel(&picture, 128, 518 + 256);
    ck_assert(inside[1] > inside[0] && memcmp(inside, colour, 3) != 0);
    // The prediction is empty on that slice.
    const uint8_t *third = pixel(&picture, 128, 2 * 518 + 256), *first = pixel(&picture, 128, 256);
    ck_assert_int_eq(memcmp(third, first, 3), 0);
    gsg_picture_free(&picture);
    ck_assert_ptr_null(picture.rgb);
    gsg_free(context, prediction);
    gsg_volume_free(&volume);
    context_close(context);
}
END_TEST

START_TEST(panels_without_maps_are_left_out)
{
    genseg_context *context = context_with(1, 0);
    gsg_volume volume = volume_of(context, 2, 1, 1, 300, 100);
    gsg_free(context, volume.label);
    volume.label = NULL;
    gsg_geometry_set_spacing(&volume.geometry, (double[]){1, 0.5, 1.5});
    gsg_picture picture;
    ck_assert_int_eq(gsg_picture_compose(context, &volume, NULL, &picture, NULL), GENSEG_OK);
    ck_assert_int_eq(picture.height, 300); // 150 mm by 150 mm
    ck_assert_int_eq(picture.width, 300);
    ck_assert_int_eq(pixel(&picture, 5, 5)[1], 128); // a constant image is grey
    gsg_picture_free(&picture);
    gsg_error err;
    context->options.memory_limit = atomic_load(&context->memory) + 100000;
    ck_assert_int_eq(gsg_picture_compose(context, &volume, NULL, &picture, &err), GENSEG_ERROR_NOMEM);
    gsg_free(context, volume.image);
    volume.image = NULL;
    ck_assert_int_eq(gsg_picture_compose(context, &volume, NULL, &picture, &err), GENSEG_ERROR_INVALID);
    gsg_volume_free(&volume);
    context_close(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("picture");
    TCase *tests = tcase_create("picture");
    tcase_add_test(tests, panels_lie_side_by_side);
    tcase_add_test(tests, panels_without_maps_are_left_out);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
