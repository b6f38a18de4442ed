// Text: numbers that read back, whatever the locale; growing strings; paths.

#include "core/text.h"

#include <float.h>
#include <locale.h>
#include <math.h>

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

static void check_double(double value, const char *expected)
{
    char buffer[GSG_TEXT_DOUBLE_SIZE];
    ck_assert_str_eq(gsg_text_from_double(value, buffer), expected);
}

START_TEST(shortest_doubles)
{
    check_double(0.0, "0");
    check_double(-0.0, "-0");
    check_double(0.1, "0.1");
    check_double(0.1 + 0.2, "0.30000000000000004");
    check_double(1.0 / 3.0, "0.3333333333333333");
    check_double(-2.5, "-2.5");
    check_double(100.0, "100");
    check_double(1e21, "1e+21");
    check_double(5e-324, "5e-324");
    check_double(DBL_MAX, "1.7976931348623157e+308");
    check_double(-DBL_MIN, "-2.2250738585072014e-308");
    check_double((double)INFINITY, "inf");
    check_double(-(double)INFINITY, "-inf");
    check_double((double)NAN, "nan");
}
END_TEST

START_TEST(any_double_reads_back)
{
    gsg_rng rng;
    gsg_rng_init(&rng, 1, GSG_STREAM_USER, 0);
    for (int i = 0; i < 20000; ++i) {
        uint64_t bits = (uint64_t)gsg_rng_u32(&rng) << 32 | gsg_rng_u32(&rng);
        double value, back = 0.0;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) {
            continue;
        }
        char buffer[GSG_TEXT_DOUBLE_SIZE];
        ck_assert(gsg_text_to_double(gsg_text_from_double(value, buffer), &back));
        ck_assert_msg(memcmp(&back, &value, sizeof back) == 0, "%s", buffer);
    }
}
END_TEST

START_TEST(doubles_are_read_whole)
{
    const char *const bad[] = {"",  " 1",  "1 ",   "1,5", "0x10", "nan",   "inf",    "1e",  "e5",
                               ".", "+-1", "1.2.", "--1", "1e+",  "1e999", "-1e999", "1_0", "1f"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        double value = 42.0;
        ck_assert_msg(!gsg_text_to_double(bad[i], &value), "\"%s\"", bad[i]);
        ck_assert_double_eq(value, 42.0);
    }
    double value;
    ck_assert(gsg_text_to_double("-1.25e-3", &value) && value == -1.25e-3);
    ck_assert(gsg_text_to_double("+.5", &value) && value == 0.5);
    ck_assert(gsg_text_to_double("5.", &value) && value == 5.0);
    ck_assert(gsg_text_to_double("1E2", &value) && value == 100.0);
    ck_assert(gsg_text_to_double("1e-999", &value) && value == 0.0);
}
END_TEST

START_TEST(integers_are_read_whole)
{
    const char *const bad[] = {"",
                               "-",
                               "+",
                               " 1",
                               "1 ",
                               "1.0",
                               "0x1",
                               "9223372036854775808",
                               "-9223372036854775809",
                               "99999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        int64_t value = 42;
        ck_assert_msg(!gsg_text_to_int(bad[i], &value), "\"%s\"", bad[i]);
        ck_assert_int_eq(value, 42);
    }
    int64_t value;
    ck_assert(gsg_text_to_int("9223372036854775807", &value) && value == INT64_MAX);
    ck_assert(gsg_text_to_int("-9223372036854775808", &value) && value == INT64_MIN);
    ck_assert(gsg_text_to_int("+007", &value) && value == 7);
    ck_assert(gsg_text_to_int("-0", &value) && value == 0);
}
END_TEST

// A locale with a decimal comma, or false where the machine has none.
static bool enter_comma_locale(void)
{
    const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "it_IT.UTF-8", "ru_RU.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i) {
        if (setlocale(LC_ALL, names[i]) != NULL && *localeconv()->decimal_point == ',') {
            return true;
        }
    }
    return false;
}

START_TEST(a_comma_locale_changes_nothing)
{
    bool comma = enter_comma_locale();
    check_double(0.5, "0.5");
    double value = 0.0;
    ck_assert(gsg_text_to_double("0.25", &value));
    ck_assert_double_eq(value, 0.25);
    ck_assert(!gsg_text_to_double("0,25", &value));
    gsg_text text;
    gsg_text_init(&text, context);
    gsg_text_appendf(&text, "%g %.2f", 1.5, 0.125);
    ck_assert_str_eq(text.data, "1.5 0.12");
    gsg_text_free(&text);
    gsg_error err;
    gsg_error_set(&err, GENSEG_ERROR_FORMAT, "spacing is %g", 0.75);
    ck_assert_str_eq(err.message, "spacing is 0.75");
    if (comma) {
        char host[16];
        snprintf(host, sizeof host, "%.1f", 0.5);
        ck_assert_str_eq(host, "0,5"); // the host's locale is as it was
    }
}
END_TEST

START_TEST(growing_text)
{
    gsg_text text;
    gsg_text_init(&text, context);
    for (int i = 0; i < 1000; ++i) {
        gsg_text_append(&text, "ab");
        gsg_text_append_bytes(&text, "cdef", 1);
        gsg_text_appendf(&text, "%03d", i);
    }
    gsg_text_append_bytes(&text, NULL, 0);
    ck_assert(!text.failed);
    ck_assert_uint_eq(text.length, 6000);
    ck_assert_uint_eq(strlen(text.data), 6000);
    char *taken = gsg_text_take(&text);
    ck_assert_ptr_null(text.data);
    ck_assert_uint_eq(text.length, 0);
    ck_assert_mem_eq(taken + 5994, "abc999", 6);
    gsg_free(context, taken);
    taken = gsg_text_take(&text);
    ck_assert_str_eq(taken, "");
    gsg_free(context, taken);
}
END_TEST

START_TEST(exhaustion_is_remembered)
{
    faults f;
    genseg_context *failing = faults_context(&f, 2);
    gsg_text text;
    gsg_text_init(&text, failing);
    gsg_text_append(&text, "first");
    gsg_text_appendf(&text, "%500d", 1);
    gsg_text_append(&text, "later");
    ck_assert(text.failed);
    ck_assert_str_eq(text.data, "first");
    ck_assert_ptr_null(gsg_text_take(&text));
    gsg_context_release(failing);
    ck_assert_int_eq(f.live, 0);
}
END_TEST

START_TEST(printing_cuts_between_characters)
{
    char buffer[6];
    gsg_text_print(buffer, sizeof buffer, "%s", "abcd\xC3\xA4");
    ck_assert_str_eq(buffer, "abcd");
    gsg_text_print(buffer, sizeof buffer, "%s", "abc\xC3\xA4z");
    ck_assert_str_eq(buffer, "abc\xC3\xA4");
    gsg_text_print(buffer, sizeof buffer, "%s", "ab\xF0\x9F\xA6\xB4");
    ck_assert_str_eq(buffer, "ab");
    gsg_text_print(buffer, sizeof buffer, "%s", "a\xF0\x9F\xA6\xB4z");
    ck_assert_str_eq(buffer, "a\xF0\x9F\xA6\xB4");
    gsg_text_print(buffer, sizeof buffer, "%s", "abcde");
    ck_assert_str_eq(buffer, "abcde");
    char line[] = "a\tb\r\nc\x7F";
    gsg_text_one_line(line);
    ck_assert_str_eq(line, "a b  c ");
}
END_TEST

static void check_join(const char *folder, const char *name, const char *expected)
{
    char *path = gsg_path_join(context, folder, name);
    ck_assert_str_eq(path, expected);
    gsg_free(context, path);
}

static void check_stem(const char *path, const char *expected)
{
    char *stem = gsg_path_stem(context, path);
    ck_assert_str_eq(stem, expected);
    gsg_free(context, stem);
}

START_TEST(paths)
{
    check_join("images", "a.png", "images/a.png");
    check_join("images/", "a.png", "images/a.png");
    check_join("", "a.png", "a.png");
    check_join("/", "a.png", "/a.png");
    check_join("images", "/data/a.png", "/data/a.png");
    ck_assert_str_eq(gsg_path_name("images/a.png"), "a.png");
    ck_assert_str_eq(gsg_path_name("a.png"), "a.png");
    ck_assert_str_eq(gsg_path_name("images/"), "");
    check_stem("images.v2/case_01.nii.gz", "case_01");
    check_stem("CASE.NII.GZ", "CASE");
    check_stem("case.1.png", "case.1");
    check_stem("archive.tar.gz", "archive.tar");
    check_stem("README", "README");
    check_stem(".hidden", ".hidden");
    check_stem(".nii.gz", ".nii");
    ck_assert(gsg_text_ends("x/A.Nii.GZ", ".nii.gz"));
    ck_assert(gsg_text_ends("x", ""));
    ck_assert(!gsg_text_ends("gz", ".gz"));
    ck_assert(!gsg_text_ends("a.png", ".jpg"));
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("text");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, shortest_doubles);
    tcase_add_test(tests, any_double_reads_back);
    tcase_add_test(tests, doubles_are_read_whole);
    tcase_add_test(tests, integers_are_read_whole);
    tcase_add_test(tests, a_comma_locale_changes_nothing);
    tcase_add_test(tests, growing_text);
    tcase_add_test(tests, exhaustion_is_remembered);
    tcase_add_test(tests, printing_cuts_between_characters);
    tcase_add_test(tests, paths);
    RUN_TESTS(tests);
}
