// Log messages reach the host's callback, by level, as one line.

#include "core/log.h"

#include "faults.h"

typedef struct heard {
    int32_t level;
    int32_t count;
    char message[2048];
} heard;

static void listen(int32_t level, const char *message, void *user)
{
    heard *h = user;
    h->level = level;
    h->count += 1;
    snprintf(h->message, sizeof h->message, "%s", message);
}

START_TEST(levels_are_filtered)
{
    heard h = {0};
    genseg_context_options options = {.struct_size = sizeof options,
                                      .threads = 1,
                                      .log = listen,
                                      .log_user = &h,
                                      .log_level = GENSEG_LOG_WARNING};
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    gsg_log(context, GENSEG_LOG_INFO, "not heard");
    ck_assert_int_eq(h.count, 0);
    gsg_log(context, GENSEG_LOG_WARNING, "%s: forms differ by %.1f\nvoxels", "case_01", 0.25);
    ck_assert_int_eq(h.count, 1);
    ck_assert_int_eq(h.level, GENSEG_LOG_WARNING);
    ck_assert_str_eq(h.message, "case_01: forms differ by 0.2 voxels");
    char text[3000];
    memset(text, 'a', sizeof text);
    text[2999] = '\0';
    gsg_log(context, GENSEG_LOG_ERROR, "%s", text);
    ck_assert_int_eq(h.level, GENSEG_LOG_ERROR);
    ck_assert_uint_eq(strlen(h.message), 1023);
    gsg_context_release(context);
}
END_TEST

START_TEST(silent_by_default)
{
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(NULL, &context, NULL), GENSEG_OK);
    gsg_log(context, GENSEG_LOG_ERROR, "nobody listens");
    gsg_context_release(context);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("log");
    tcase_add_test(tests, levels_are_filtered);
    tcase_add_test(tests, silent_by_default);
    RUN_TESTS(tests);
}
