// The context: defaults, refused options, older and newer structs, forks.

#include "core/context.h"

#include <sys/wait.h>

#include "core/parallel.h"
#include "faults.h"

START_TEST(defaults_are_complete)
{
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(NULL, &context, NULL), GENSEG_OK);
    ck_assert_int_eq(context->options.threads, gsg_parallel_cores());
    ck_assert_uint_eq(context->options.seed, 1);
    ck_assert_int_eq(context->options.log_level, GENSEG_LOG_INFO);
    ck_assert(context->options.alloc != NULL && context->options.free != NULL);
    ck_assert_int_eq(gsg_context_check(context, NULL), GENSEG_OK);
    gsg_context_release(context);
    gsg_context_release(NULL);
}
END_TEST

static void refused(const genseg_context_options *options, genseg_status expected, const char *part)
{
    genseg_context *context = (genseg_context *)options; // anything but NULL: must stay
    gsg_error err;
    ck_assert_int_eq(gsg_context_new(options, &context, &err), expected);
    ck_assert_int_eq(err.status, expected);
    ck_assert_msg(strstr(err.message, part) != NULL, "%s", err.message);
    ck_assert_ptr_eq(context, options);
}

START_TEST(bad_options_are_refused)
{
    faults f = {0};
    genseg_context_options options = {.struct_size = sizeof options, .threads = -1};
    refused(&options, GENSEG_ERROR_INVALID, "threads is -1");
    options.threads = 100000;
    refused(&options, GENSEG_ERROR_INVALID, "threads is 100000");
    options.threads = 1;
    options.no_winograd = 2;
    refused(&options, GENSEG_ERROR_INVALID, "no_winograd is 2");
    options.no_winograd = 1;
    options.alloc = faults_alloc;
    options.alloc_user = &f;
    refused(&options, GENSEG_ERROR_INVALID, "both or neither");
    options.free = faults_free;
    f.fail_at = 1;
    refused(&options, GENSEG_ERROR_NOMEM, "bytes");
    options.struct_size = 0;
    refused(&options, GENSEG_ERROR_INVALID, "genseg_context_options_init()");
    options.struct_size = (size_t)1 << 40;
    refused(&options, GENSEG_ERROR_VERSION, "struct_size");
}
END_TEST

typedef struct sample {
    size_t struct_size;
    int64_t old_field;
    int64_t new_field;
} sample;

START_TEST(older_and_newer_structs)
{
    sample known = {sizeof known, 1, 2};
    sample older = {offsetof(sample, new_field), 10, 99};
    ck_assert_int_eq(gsg_options_copy(&known, sizeof known, &older, "sample", NULL), GENSEG_OK);
    ck_assert_uint_eq(known.struct_size, sizeof known);
    ck_assert_int_eq(known.old_field, 10);
    ck_assert_int_eq(known.new_field, 2);

    struct {
        sample known;
        int64_t later;
    } newer = {{sizeof newer, 20, 30}, 0};
    ck_assert_int_eq(gsg_options_copy(&known, sizeof known, &newer, "sample", NULL), GENSEG_OK);
    ck_assert_uint_eq(known.struct_size, sizeof known);
    ck_assert_int_eq(known.new_field, 30);

    newer.later = 1;
    newer.known.old_field = 77;
    gsg_error err;
    ck_assert_int_eq(gsg_options_copy(&known, sizeof known, &newer, "sample", &err), GENSEG_ERROR_VERSION);
    ck_assert_int_eq(known.old_field, 20);
    ck_assert_ptr_nonnull(strstr(err.message, "byte 24"));
}
END_TEST

START_TEST(references_keep_it_alive)
{
    faults f;
    genseg_context *context = faults_context(&f, 0);
    ck_assert_ptr_eq(gsg_context_retain(context), context);
    gsg_context_release(context);
    ck_assert_int_eq(f.live, 1);
    gsg_context_release(context);
    ck_assert_int_eq(f.live, 0);
}
END_TEST

START_TEST(forked_child_is_noticed)
{
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(NULL, &context, NULL), GENSEG_OK);
    pid_t child = fork();
    if (child == 0) {
        gsg_error err;
        _exit(gsg_context_check(context, &err) == GENSEG_ERROR_FORKED && strstr(err.message, "forked") ? 42 : 1);
    }
    int result = 0;
    ck_assert_int_eq(waitpid(child, &result, 0), child);
    ck_assert_int_eq(WEXITSTATUS(result), 42);
    ck_assert_int_eq(gsg_context_check(context, NULL), GENSEG_OK);
    gsg_context_release(context);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("context");
    tcase_add_test(tests, defaults_are_complete);
    tcase_add_test(tests, bad_options_are_refused);
    tcase_add_test(tests, older_and_newer_structs);
    tcase_add_test(tests, references_keep_it_alive);
    tcase_add_test(tests, forked_child_is_noticed);
    RUN_TESTS(tests);
}
