// Shapes: products, overflow, equality, text.

#include "tensor/shape.h"

#include "faults.h"

static gsg_shape shape_of(int32_t ndim, int64_t a, int64_t b, int64_t c, int64_t d, int64_t e)
{
    return gsg_shape_make(ndim, (int64_t[]){a, b, c, d, e});
}

START_TEST(products)
{
    ck_assert_int_eq(gsg_shape_count(shape_of(0, 0, 0, 0, 0, 0)), 1);
    ck_assert_int_eq(gsg_shape_count(shape_of(1, 7, 9, 9, 9, 9)), 7);
    ck_assert_int_eq(gsg_shape_count(shape_of(5, 2, 3, 4, 5, 6)), 720);
    ck_assert_int_eq(gsg_shape_spatial(shape_of(5, 2, 3, 4, 5, 6)), 120);
    ck_assert_int_eq(gsg_shape_spatial(shape_of(4, 2, 3, 4, 5, 6)), 20);
    ck_assert_int_eq(gsg_shape_spatial(shape_of(2, 2, 3, 4, 5, 6)), 1);
}
END_TEST

START_TEST(overflow_and_nonsense)
{
    int64_t big = (int64_t)1 << 32;
    ck_assert_int_eq(gsg_shape_count(shape_of(2, big, big, 0, 0, 0)), -1);
    ck_assert_int_eq(gsg_shape_count(shape_of(2, big, big / 4, 0, 0, 0)), (int64_t)1 << 62);
    ck_assert_int_eq(gsg_shape_count(shape_of(2, 4, -1, 0, 0, 0)), -1);
    ck_assert_int_eq(gsg_shape_count(shape_of(3, 4, 0, 5, 0, 0)), 0);
    ck_assert_int_eq(gsg_shape_make(9, (int64_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9}).ndim, 5);
    ck_assert_int_eq(gsg_shape_make(-1, NULL).ndim, 0);
}
END_TEST

START_TEST(equality_and_text)
{
    gsg_shape a = shape_of(4, 2, 64, 256, 256, 1);
    gsg_shape b = shape_of(4, 2, 64, 256, 256, 9);
    char text[GSG_SHAPE_TEXT_SIZE];
    ck_assert(gsg_shape_equal(a, b));
    b.dims[3] = 255;
    ck_assert(!gsg_shape_equal(a, b));
    ck_assert(!gsg_shape_equal(a, shape_of(5, 2, 64, 256, 256, 1)));
    ck_assert_str_eq(gsg_shape_text(a, text), "2x64x256x256");
    ck_assert_str_eq(gsg_shape_text(shape_of(1, 3, 0, 0, 0, 0), text), "3");
    ck_assert_str_eq(gsg_shape_text(shape_of(0, 0, 0, 0, 0, 0), text), "scalar");
    gsg_shape_text(shape_of(5, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN), text);
    ck_assert_uint_eq(strlen(text), 104);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("shape");
    tcase_add_test(tests, products);
    tcase_add_test(tests, overflow_and_nonsense);
    tcase_add_test(tests, equality_and_text);
    RUN_TESTS(tests);
}
