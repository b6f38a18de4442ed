// Allocation: alignment, the count of bytes, the limit, overflow.

#include "core/alloc.h"

#include "faults.h"

static genseg_context *context_with_limit(uint64_t limit)
{
    genseg_context_options options = {.struct_size = sizeof options, .threads = 1, .memory_limit = limit};
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    return context;
}

START_TEST(blocks_are_aligned_and_counted)
{
    genseg_context *context = context_with_limit(0);
    void *a = gsg_alloc(context, 1, 1);
    void *b = gsg_alloc(context, 1000, 8);
    void *empty = gsg_alloc(context, 0, 8);
    ck_assert_ptr_nonnull(empty);
    ck_assert_uint_eq((uintptr_t)a % 64, 0);
    ck_assert_uint_eq((uintptr_t)b % 64, 0);
    ck_assert_uint_ge(atomic_load(&context->memory), 8001);
    ck_assert_uint_le(atomic_load(&context->memory), 8001 + 3 * 64);
    uint64_t peak = atomic_load(&context->memory_peak);
    gsg_free(context, a);
    gsg_free(context, b);
    gsg_free(context, empty);
    gsg_free(context, NULL);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    ck_assert_uint_eq(atomic_load(&context->memory_peak), peak);
    gsg_context_release(context);
}
END_TEST

START_TEST(limit_refuses_and_recovers)
{
    genseg_context *context = context_with_limit(10000);
    void *a = gsg_alloc(context, 6000, 1);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_null(gsg_alloc(context, 6000, 1));
    gsg_free(context, a);
    a = gsg_alloc(context, 9000, 1);
    ck_assert_ptr_nonnull(a);
    ck_assert_uint_le(atomic_load(&context->memory_peak), 10000);
    gsg_free(context, a);
    ck_assert_ptr_null(gsg_alloc(context, 10000, 1)); // the header counts too
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}
END_TEST

START_TEST(overflow_is_refused)
{
    genseg_context *context = context_with_limit(0);
    size_t product = 7;
    ck_assert(!gsg_multiply(SIZE_MAX / 2, 3, &product));
    ck_assert_uint_eq(product, 7);
    ck_assert(gsg_multiply(SIZE_MAX, 0, &product));
    ck_assert_uint_eq(product, 0);
    ck_assert(gsg_multiply(SIZE_MAX / 4, 4, &product));
    ck_assert_uint_eq(product, SIZE_MAX - 3);
    ck_assert_ptr_null(gsg_alloc(context, SIZE_MAX / 2, 4));
    ck_assert_ptr_null(gsg_alloc(context, SIZE_MAX, 1));
    ck_assert_ptr_null(gsg_alloc_zero(context, SIZE_MAX, 2));
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}
END_TEST

START_TEST(realloc_keeps_the_content)
{
    genseg_context *context = context_with_limit(20000);
    char *block = gsg_realloc(context, NULL, 10, 1);
    memcpy(block, "123456789", 10);
    block = gsg_realloc(context, block, 5000, 1);
    ck_assert_str_eq(block, "123456789");
    ck_assert_ptr_null(gsg_realloc(context, block, 50000, 1));
    ck_assert_str_eq(block, "123456789");
    block = gsg_realloc(context, block, 4, 1);
    ck_assert_mem_eq(block, "1234", 4);
    gsg_free(context, block);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}
END_TEST

START_TEST(zeroed_and_copied)
{
    faults f;
    genseg_context *context = faults_context(&f, 0); // hands out 0xA5
    unsigned char *block = gsg_alloc_zero(context, 100, 3);
    for (int i = 0; i < 300; ++i) {
        ck_assert_uint_eq(block[i], 0);
    }
    char *whole = gsg_strdup(context, "kidney");
    char *part = gsg_strndup(context, "kidney", 3);
    char *beyond = gsg_strndup(context, "kid", 30);
    ck_assert_str_eq(whole, "kidney");
    ck_assert_str_eq(part, "kid");
    ck_assert_str_eq(beyond, "kid");
    gsg_free(context, beyond);
    gsg_free(context, part);
    gsg_free(context, whole);
    gsg_free(context, block);
    gsg_context_release(context);
    ck_assert_int_eq(f.live, 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("alloc");
    tcase_add_test(tests, blocks_are_aligned_and_counted);
    tcase_add_test(tests, limit_refuses_and_recovers);
    tcase_add_test(tests, overflow_is_refused);
    tcase_add_test(tests, realloc_keeps_the_content);
    tcase_add_test(tests, zeroed_and_copied);
    RUN_TESTS(tests);
}
