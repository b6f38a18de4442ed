// Arena offsets: no two blocks meet in time and memory, and the total stays
// near the lower bound, the most bytes alive at one step.

#include "tensor/arena.h"

#include "core/alloc.h"
#include "core/rng.h"
#include "faults.h"

static genseg_context *context;

static void set_up(void)
{
    ck_assert_int_eq(gsg_context_new(NULL, &context, NULL), GENSEG_OK);
}

static void tear_down(void)
{
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}

static size_t rounded(size_t size)
{
    return (size + 63) / 64 * 64;
}

// Most bytes alive at one step below `steps`.
static size_t lower_bound(const gsg_arena_block *blocks, int64_t count, int32_t steps)
{
    size_t most = 0;
    for (int32_t step = 0; step < steps; ++step) {
        size_t alive = 0;
        for (int64_t i = 0; i < count; ++i) {
            alive += blocks[i].first <= step && step <= blocks[i].last ? rounded(blocks[i].size) : 0;
        }
        most = alive > most ? alive : most;
    }
    return most;
}

static size_t assign(gsg_arena_block *blocks, int64_t count)
{
    size_t total = 12345;
    ck_assert_int_eq(gsg_arena_assign(context, blocks, count, &total, NULL), GENSEG_OK);
    for (int64_t i = 0; i < count; ++i) {
        const gsg_arena_block *a = &blocks[i];
        ck_assert_uint_eq(a->offset % 64, 0);
        ck_assert_uint_le(a->offset + a->size, total);
        for (int64_t j = 0; j < i; ++j) {
            const gsg_arena_block *b = &blocks[j];
            bool together = a->first <= b->last && b->first <= a->last && a->size > 0 && b->size > 0;
            bool apart = a->offset + a->size <= b->offset || b->offset + b->size <= a->offset;
            if (together && !apart) { // ck_assert() is slow in a loop this long
                ck_abort_msg("blocks %lld and %lld overlap", (long long)i, (long long)j);
            }
        }
    }
    return total;
}

START_TEST(small_cases_by_hand)
{
    size_t total = 9;
    ck_assert_int_eq(gsg_arena_assign(context, NULL, 0, &total, NULL), GENSEG_OK);
    ck_assert_uint_eq(total, 0);
    // A chain: each value lives until the next is made, so two slots suffice.
    gsg_arena_block chain[] = {{64, 0, 1, 9}, {64, 1, 2, 9}, {64, 2, 3, 9}, {64, 3, 4, 9}};
    ck_assert_uint_eq(assign(chain, 4), 128);
    // A value of no bytes takes none; 1 byte takes 64.
    gsg_arena_block odd[] = {{0, 0, 5, 9}, {1, 0, 5, 9}, {65, 0, 5, 9}};
    ck_assert_uint_eq(assign(odd, 3), 192);
    ck_assert_uint_eq(odd[0].offset, 0);
    // Best fit: of the gaps of 256 and 128 that earlier blocks leave, the
    // smaller is taken.
    gsg_arena_block fit[] = {{1024, 0, 9, 0}, {256, 0, 1, 0}, {512, 0, 9, 0}, {128, 0, 1, 0},
                             {320, 0, 9, 0},  {128, 2, 9, 0}, {256, 2, 9, 0}};
    ck_assert_uint_eq(assign(fit, 7), 1024 + 256 + 512 + 128 + 320);
}
END_TEST

START_TEST(random_lifetimes)
{
    static gsg_arena_block blocks[600];
    for (uint64_t round = 0; round < 30; ++round) {
        gsg_rng rng;
        gsg_rng_init(&rng, 11, GSG_STREAM_USER, round);
        int64_t count = 1 + gsg_rng_below(&rng, 600);
        for (int64_t i = 0; i < count; ++i) {
            int32_t first = (int32_t)gsg_rng_below(&rng, 100);
            int32_t length = (int32_t)gsg_rng_below(&rng, round % 2 == 0 ? 4 : 60);
            blocks[i] = (gsg_arena_block){(size_t)gsg_rng_below(&rng, 100000), first, first + length, 1};
        }
        size_t total = assign(blocks, count);
        ck_assert_uint_ge(total, lower_bound(blocks, count, 160));
    }
}
END_TEST

// Forward and backward of a U-Net: activations wait for their gradient.
START_TEST(nested_lifetimes_are_packed_tightly)
{
    gsg_arena_block blocks[40];
    for (int32_t i = 0; i < 20; ++i) {
        size_t size = (size_t)1 << (20 - abs(i - 10));
        blocks[i] = (gsg_arena_block){size, i, 39 - i, 0};
        blocks[20 + i] = (gsg_arena_block){size, 39 - i, 40 - i, 0};
    }
    size_t total = assign(blocks, 40);
    ck_assert_double_le((double)total, 1.1 * (double)lower_bound(blocks, 40, 42));
}
END_TEST

START_TEST(thousands_of_blocks)
{
    const int64_t count = 5000;
    gsg_arena_block *blocks = gsg_alloc(context, (size_t)count, sizeof *blocks);
    for (int64_t i = 0; i < count; ++i) {
        blocks[i] = (gsg_arena_block){(size_t)(64 * (1 + i * 7919 % 97)), (int32_t)i, (int32_t)(i + i % 13), 0};
    }
    size_t total = assign(blocks, count);
    size_t bound = lower_bound(blocks, count, (int32_t)count + 13);
    ck_assert_uint_ge(total, bound);
    ck_assert_double_le((double)total, 1.6 * (double)bound);
    gsg_free(context, blocks);
}
END_TEST

START_TEST(the_same_plan_again)
{
    gsg_arena_block a[50], b[50];
    for (int32_t i = 0; i < 50; ++i) {
        a[i] = b[i] = (gsg_arena_block){(size_t)(1 + i % 5) * 100, i % 7, i % 7 + i % 3, 0};
    }
    ck_assert_uint_eq(assign(a, 50), assign(b, 50));
    ck_assert_mem_eq(a, b, sizeof a);
}
END_TEST

START_TEST(refusals_leave_the_blocks)
{
    gsg_arena_block blocks[] = {{100, 0, 3, 7}, {100, 3, 2, 7}};
    size_t total = 5;
    gsg_error err;
    ck_assert_int_eq(gsg_arena_assign(context, blocks, 2, &total, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "arena block 1 lives from step 3 to 2");
    blocks[1] = (gsg_arena_block){SIZE_MAX - 10, 0, 1, 7};
    ck_assert_int_eq(gsg_arena_assign(context, blocks, 2, &total, &err), GENSEG_ERROR_NOMEM);
    blocks[1].size = SIZE_MAX / 2;
    blocks[0].size = SIZE_MAX / 2 + 1000;
    ck_assert_int_eq(gsg_arena_assign(context, blocks, 2, &total, &err), GENSEG_ERROR_NOMEM);
    ck_assert_uint_eq(total, 5);
    ck_assert_uint_eq(blocks[0].offset, 7);
    ck_assert_uint_eq(blocks[1].offset, 7);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("arena");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, small_cases_by_hand);
    tcase_add_test(tests, random_lifetimes);
    tcase_add_test(tests, nested_lifetimes_are_packed_tightly);
    tcase_add_test(tests, thousands_of_blocks);
    tcase_add_test(tests, the_same_plan_again);
    tcase_add_test(tests, refusals_leave_the_blocks);
    RUN_TESTS(tests);
}
