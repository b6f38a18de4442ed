// The metadata document: round trip, locale, versions, and what getters say.
#include <locale.h>
#include <math.h>

#include "checkpoint/meta.h"
#include "faults.h"

static genseg_context *make_context(void)
{
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(NULL, &context, NULL), GENSEG_OK);
    return context;
}

static genseg_status round_trip(genseg_context *context, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_meta *written = NULL, *read = NULL;
    char *text = NULL;
    const int64_t sizes[3] = {256, -1, INT64_C(9007199254740993)};
    const double spacing[2] = {0.1, 1.0 / 3};
    const char *const names[2] = {"background", "L\xC3\xA4sion"};

    GSG_TRY(gsg_meta_new(context, "model", &written, err));
    gsg_meta_set_int(written, "segmenter.width", 64);
    gsg_meta_set_text(written, "segmenter.kind", "unet2d");
    gsg_meta_set_bool(written, "segmenter.batch_norm", true);
    gsg_meta_set_double(written, "best_dice", 0.1 + 0.2);
    gsg_meta_set_double(written, "loss", NAN);
    gsg_meta_set_text(written, "nothing", NULL);
    gsg_meta_set_ints(written, "sizes", sizes, 3);
    gsg_meta_set_doubles(written, "spacing", spacing, 2);
    gsg_meta_set_texts(written, "labels.names", names, 2);
    GSG_TRY(gsg_meta_print(written, &text, err));
    GSG_TRY(gsg_meta_parse(context, text, "model", "m.safetensors", &read, err));

    int64_t integer = 0, list[3] = {0}, count = 0;
    double number = 0, numbers[2] = {0};
    bool flag = false;
    const char *word = NULL, *words[2] = {NULL};
    GSG_TRY(gsg_meta_get_int(read, "segmenter.width", 1, 4096, &integer, err));
    ck_assert_int_eq(integer, 64);
    GSG_TRY(gsg_meta_get_text(read, "segmenter.kind", &word, err));
    ck_assert_str_eq(word, "unet2d");
    GSG_TRY(gsg_meta_get_bool(read, "segmenter.batch_norm", &flag, err));
    ck_assert(flag);
    GSG_TRY(gsg_meta_get_double(read, "best_dice", &number, err));
    ck_assert(number == 0.1 + 0.2);
    GSG_TRY(gsg_meta_get_double(read, "loss", &number, err));
    ck_assert(isnan(number));
    ck_assert(gsg_meta_has(read, "sizes") && !gsg_meta_has(read, "loss") && !gsg_meta_has(read, "nothing"));
    ck_assert(!gsg_meta_has(read, "segmenter.depth") && !gsg_meta_has(read, "sizes.x"));
    GSG_TRY(gsg_meta_get_count(read, "sizes", &count, err));
    ck_assert_int_eq(count, 3);
    GSG_TRY(gsg_meta_get_ints(read, "sizes", 3, list, err));
    ck_assert_mem_eq(list, sizes, sizeof sizes);
    GSG_TRY(gsg_meta_get_doubles(read, "spacing", 2, numbers, err));
    ck_assert_mem_eq(numbers, spacing, sizeof spacing);
    GSG_TRY(gsg_meta_get_texts(read, "labels.names", 2, words, err));
    ck_assert_str_eq(words[1], names[1]);
done:
    gsg_free(context, text);
    gsg_meta_free(written);
    gsg_meta_free(read);
    return status;
}

START_TEST(test_round_trip)
{
    genseg_context *context = make_context();
    gsg_error err = {0};
    ck_assert_msg(round_trip(context, &err) == GENSEG_OK, "%s", err.message);
    gsg_context_release(context);
}
END_TEST

START_TEST(test_every_allocation_may_fail)
{
    ck_assert_int_ge(faults_sweep(round_trip), 4);
}
END_TEST

// Where such a locale is installed, a decimal comma must not reach the file.
START_TEST(test_decimal_comma)
{
    const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    genseg_context *context = make_context();
    gsg_meta *meta = NULL;
    char *text = NULL;
    for (size_t i = 0; i < 4 && !setlocale(LC_ALL, names[i]); i++)
        ;
    ck_assert_int_eq(gsg_meta_new(context, "model", &meta, NULL), GENSEG_OK);
    gsg_meta_set_double(meta, "half", 0.5);
    ck_assert_int_eq(gsg_meta_print(meta, &text, NULL), GENSEG_OK);
    ck_assert_str_eq(text, "{\"format_version\":1,\"kind\":\"model\",\"half\":0.5}");
    setlocale(LC_ALL, "C");
    gsg_free(context, text);
    gsg_meta_free(meta);
    gsg_context_release(context);
}
END_TEST

static void refuse(genseg_context *context, const char *text, genseg_status expected, const char *words)
{
    gsg_meta *meta = NULL;
    gsg_error err = {0};
    ck_assert_int_eq(gsg_meta_parse(context, text, "model", "m.safetensors", &meta, &err), expected);
    ck_assert_msg(strstr(err.message, words) != NULL, "%s", err.message);
    ck_assert_ptr_null(meta);
}

START_TEST(test_bad_documents)
{
    genseg_context *context = make_context();
    refuse(context, NULL, GENSEG_ERROR_FORMAT, "m.safetensors: metadata `genseg` is missing");
    refuse(context, "{\"a\":", GENSEG_ERROR_FORMAT, "m.safetensors: metadata, byte");
    refuse(context, "[1]", GENSEG_ERROR_FORMAT, "not a JSON object");
    refuse(context, "{\"a\":1,\"a\":2}", GENSEG_ERROR_FORMAT, "duplicate");
    refuse(context, "{}", GENSEG_ERROR_FORMAT, "m.safetensors: metadata `format_version` is missing");
    refuse(context, "{\"format_version\":7,\"kind\":\"model\"}", GENSEG_ERROR_VERSION,
           "format version 7 is newer than 1");
    refuse(context, "{\"format_version\":0,\"kind\":\"model\"}", GENSEG_ERROR_FORMAT, "`format_version` is 0");
    refuse(context, "{\"format_version\":1,\"kind\":\"training\"}", GENSEG_ERROR_FORMAT, "is a training file");
    gsg_context_release(context);
}
END_TEST

START_TEST(test_getters_name_the_key)
{
    genseg_context *context = make_context();
    gsg_meta *meta = NULL;
    gsg_error err = {0};
    int64_t integer = 5, list[2];
    const char *word = NULL;
    const char *text = "{\"format_version\":1,\"kind\":\"model\",\"classes\":99,\"n\":\"x\",\"l\":[1,\"y\"]}";
    ck_assert_int_eq(gsg_meta_parse(context, text, "model", "m.safetensors", &meta, &err), GENSEG_OK);
    ck_assert_int_eq(gsg_meta_get_int(meta, "depth", 0, 9, &integer, &err), GENSEG_ERROR_FORMAT);
    ck_assert_str_eq(err.message, "m.safetensors: metadata `depth` is missing");
    ck_assert_int_eq(gsg_meta_get_int(meta, "classes", 1, 16, &integer, &err), GENSEG_ERROR_FORMAT);
    ck_assert_str_eq(err.message, "m.safetensors: metadata `classes` is 99, not in 1 to 16");
    ck_assert_int_eq(gsg_meta_get_int(meta, "n", 1, 16, &integer, &err), GENSEG_ERROR_FORMAT);
    ck_assert_str_eq(err.message, "m.safetensors: metadata `n` is text, expected is an integer");
    ck_assert_int_eq(gsg_meta_get_text(meta, "classes", &word, &err), GENSEG_ERROR_FORMAT);
    ck_assert_str_eq(err.message, "m.safetensors: metadata `classes` is a number, expected is text");
    ck_assert_int_eq(gsg_meta_get_ints(meta, "l", 3, list, &err), GENSEG_ERROR_FORMAT);
    ck_assert_str_eq(err.message, "m.safetensors: metadata `l` has 2 elements, expected are 3");
    ck_assert_int_eq(gsg_meta_get_ints(meta, "l", 2, list, &err), GENSEG_ERROR_FORMAT);
    ck_assert_str_eq(err.message, "m.safetensors: metadata `l`[1] is text, expected is an integer");
    ck_assert_int_eq(integer, 5);
    gsg_meta_free(meta);
    gsg_context_release(context);
}
END_TEST

// A setter's failure is kept until the document is printed.
START_TEST(test_bad_setters)
{
    const char *const keys[] = {"", "a..b", "kind.inner"};
    genseg_context *context = make_context();
    for (size_t i = 0; i < 4; i++) {
        gsg_meta *meta = NULL;
        char *text = NULL;
        ck_assert_int_eq(gsg_meta_new(context, "model", &meta, NULL), GENSEG_OK);
        if (i < 3)
            gsg_meta_set_int(meta, keys[i], 1);
        else
            gsg_meta_set_text(meta, "name", "\xFF\xFE");
        ck_assert_int_eq(gsg_meta_print(meta, &text, NULL), GENSEG_ERROR_INVALID);
        ck_assert_ptr_null(text);
        gsg_meta_free(meta);
    }
    gsg_context_release(context);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("meta");
    tcase_add_test(tests, test_round_trip);
    tcase_add_test(tests, test_every_allocation_may_fail);
    tcase_add_test(tests, test_decimal_comma);
    tcase_add_test(tests, test_bad_documents);
    tcase_add_test(tests, test_getters_name_the_key);
    tcase_add_test(tests, test_bad_setters);
    RUN_TESTS(tests);
}
