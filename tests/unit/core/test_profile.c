// Sums by name and shape, their order, and what has no room of its own.
#include "core/profile.h"

#include "faults.h"

static genseg_context *context;

static void begin(void)
{
    ck_assert_int_eq(gsg_context_new(NULL, &context, NULL), GENSEG_OK);
}

static void end(void)
{
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}

static void note(const char *name, int64_t size, double flops)
{
    gsg_profile_row row = {.ndim = 2, .dims = {1, size}, .flops = flops, .bytes = 2 * flops};
    snprintf(row.name, sizeof row.name, "%s", name);
    gsg_profile_end(context, gsg_profile_begin(context), &row);
}

static int64_t count_rows(void)
{
    int64_t rows = 0;
    while (gsg_profile_at(context, rows))
        rows++;
    return rows;
}

START_TEST(off_it_sees_nothing)
{
    begin();
    ck_assert(gsg_profile_begin(context) == 0);
    note("a", 1, 1);
    ck_assert_ptr_null(gsg_profile_at(context, 0));
    ck_assert_int_eq(gsg_profile_set(context, 0, NULL), GENSEG_OK);
    end();
}
END_TEST

START_TEST(sums_by_name_and_shape)
{
    begin();
    ck_assert_int_eq(gsg_profile_set(context, 1, NULL), GENSEG_OK);
    for (int i = 0; i < 3; i++) {
        note("a", 1, 10);
        note("a", 2, 1);
        note("b", 1, 0);
    }
    ck_assert_int_eq(gsg_profile_set(context, 0, NULL), GENSEG_OK);
    note("a", 1, 10); // too late
    ck_assert_int_eq(count_rows(), 3);
    double flops = 0;
    for (int64_t i = 0; i < 3; i++) {
        const gsg_profile_row *row = gsg_profile_at(context, i);
        ck_assert(row->runs == 3 && row->seconds >= 0 && row->bytes == 2 * row->flops);
        ck_assert(i == 0 || row->seconds <= gsg_profile_at(context, i - 1)->seconds);
        flops += row->flops;
    }
    ck_assert(flops == 33);
    ck_assert_ptr_null(gsg_profile_at(context, -1));
    ck_assert_int_eq(gsg_profile_set(context, 1, NULL), GENSEG_OK); // anew
    ck_assert_int_eq(count_rows(), 0);
    end();
}
END_TEST

START_TEST(the_last_row_takes_the_rest)
{
    begin();
    ck_assert_int_eq(gsg_profile_set(context, 1, NULL), GENSEG_OK);
    for (int64_t i = 0; i < 3000; i++)
        note("a", i, 1);
    int64_t runs = 0;
    for (int64_t i = 0; i < count_rows(); i++)
        runs += gsg_profile_at(context, i)->runs;
    ck_assert(count_rows() < 3000 && runs == 3000);
    end();
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("profile");
    tcase_add_test(tests, off_it_sees_nothing);
    tcase_add_test(tests, sums_by_name_and_shape);
    tcase_add_test(tests, the_last_row_takes_the_rest);
    RUN_TESTS(tests);
}
