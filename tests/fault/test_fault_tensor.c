// Every allocation of the arena's planning fails once, and the blocks stay.

#include "tensor/arena.h"

#include "faults.h"

static genseg_status arena_work(genseg_context *context, gsg_error *err)
{
    gsg_arena_block blocks[] = {{100, 0, 3, 7}, {200, 2, 5, 7}, {300, 4, 6, 7}};
    size_t total = 11;
    genseg_status status = gsg_arena_assign(context, blocks, 3, &total, err);
    if (status != GENSEG_OK) {
        ck_assert_uint_eq(total, 11);
        ck_assert_uint_eq(blocks[2].offset, 7);
    } else {
        ck_assert_uint_eq(total, 320 + 256);
    }
    return status;
}

START_TEST(arena)
{
    ck_assert_int_ge(faults_sweep(arena_work), 2);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("fault_tensor");
    tcase_add_test(tests, arena);
    RUN_TESTS(tests);
}
