// Error messages: formatting, cutting, prefixes, names.

#include "core/error.h"

#include "faults.h"

START_TEST(message_is_formatted)
{
    gsg_error err;
    ck_assert_int_eq(gsg_error_set(&err, GENSEG_ERROR_SHAPE, "%s: dim[%d] is %d", "case_07.nii.gz", 1, 0),
                     GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(err.status, GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(err.reserved, 0);
    ck_assert_str_eq(err.message, "case_07.nii.gz: dim[1] is 0");
    ck_assert_uint_eq(sizeof err, 512);
    ck_assert_int_eq(gsg_error_set(NULL, GENSEG_ERROR_IO, "%s", "nobody listens"), GENSEG_ERROR_IO);
    gsg_error_set(&err, GENSEG_ERROR_IO, "two\nlines");
    ck_assert_str_eq(err.message, "two lines");
    gsg_error_nomem(&err, 123456);
    ck_assert_int_eq(err.status, GENSEG_ERROR_NOMEM);
    ck_assert_ptr_nonnull(strstr(err.message, "123456 bytes"));
}
END_TEST

START_TEST(long_message_is_cut_between_characters)
{
    // Two bytes a character and one in front: the cut would fall inside one.
    char text[1201] = "x";
    for (int i = 1; i + 1 < 1200; i += 2) {
        memcpy(text + i, "\xC3\xA4", 3);
    }
    for (int shift = 0; shift < 2; ++shift) {
        gsg_error err;
        gsg_error_set(&err, GENSEG_ERROR_IO, "%s", text + 1 - shift);
        size_t length = strlen(err.message);
        ck_assert_uint_le(length, GENSEG_ERROR_MESSAGE_SIZE - 1);
        ck_assert_uint_ge(length, GENSEG_ERROR_MESSAGE_SIZE - 2);
        ck_assert_uint_eq((length - (size_t)shift) % 2, 0);
        ck_assert_mem_eq(err.message + length - 2, "\xC3\xA4", 2);
    }
}
END_TEST

START_TEST(prefix_keeps_status_and_text)
{
    gsg_error err;
    gsg_error_set(&err, GENSEG_ERROR_FORMAT, "dim[0] is 9");
    ck_assert_int_eq(gsg_error_prefix(&err, GENSEG_ERROR_FORMAT, "case_07.nii"), GENSEG_ERROR_FORMAT);
    ck_assert_str_eq(err.message, "case_07.nii: dim[0] is 9");
    ck_assert_int_eq(gsg_error_prefix(NULL, GENSEG_ERROR_IO, "case_07.nii"), GENSEG_ERROR_IO);
    for (int i = 0; i < 100; ++i) {
        gsg_error_prefix(&err, GENSEG_ERROR_FORMAT, "prefix");
    }
    ck_assert_uint_eq(strlen(err.message), GENSEG_ERROR_MESSAGE_SIZE - 1);
}
END_TEST

START_TEST(every_status_has_its_name)
{
    ck_assert_str_eq(gsg_status_name(GENSEG_OK), "OK");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_NOMEM), "NOMEM");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_INVALID), "INVALID");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_STATE), "STATE");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_IO), "IO");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_FORMAT), "FORMAT");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_UNSUPPORTED), "UNSUPPORTED");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_SHAPE), "SHAPE");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_NUMERIC), "NUMERIC");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_CANCELLED), "CANCELLED");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_CALLBACK), "CALLBACK");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_BACKEND), "BACKEND");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_COMM), "COMM");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_VERSION), "VERSION");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_FORKED), "FORKED");
    ck_assert_str_eq(gsg_status_name(GENSEG_ERROR_INTERNAL), "INTERNAL");
    ck_assert_str_eq(gsg_status_name(1), "UNKNOWN");
    ck_assert_str_eq(gsg_status_name(-16), "UNKNOWN");
    ck_assert_str_eq(gsg_status_name(INT32_MIN), "UNKNOWN");
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("error");
    tcase_add_test(tests, message_is_formatted);
    tcase_add_test(tests, long_message_is_cut_between_characters);
    tcase_add_test(tests, prefix_keeps_status_and_text);
    tcase_add_test(tests, every_status_has_its_name);
    RUN_TESTS(tests);
}
