// Files of tensors: round trip, the exact bytes, and damage of every kind.
#include "checkpoint/safetensors.h"
#include "core/rng.h"
#include "faults.h"

#define FILE_NAME "test_safetensors.safetensors"

static genseg_context *make_context(void)
{
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(NULL, &context, NULL), GENSEG_OK);
    return context;
}

static const float weights[6] = {0.5f, -1, 2, 3.25f, -4, 5};
static const int64_t steps[1] = {77};
static const uint8_t state[3] = {1, 2, 255};
static const gsg_tensor_entry entries[] = {
    {"rng", GENSEG_DTYPE_UINT8, {1, {3}}, state},
    {"inc.weight", GENSEG_DTYPE_FLOAT32, {2, {2, 3}}, weights},
    {"empty", GENSEG_DTYPE_FLOAT32, {2, {0, 3}}, NULL},
    {"step", GENSEG_DTYPE_INT64, {0, {0}}, steps},
};
static const gsg_tensor_note notes[] = {{"format", "pt"}, {"genseg", "{\"a\":1}"}};

static genseg_status round_trip(genseg_context *context, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_safetensors *file = NULL;
    float w[6] = {0};
    int64_t s = 0;

    GSG_TRY(gsg_safetensors_save(context, FILE_NAME, entries, 4, notes, 2, err));
    GSG_TRY(gsg_safetensors_open(context, FILE_NAME, &file, err));
    ck_assert_int_eq(gsg_safetensors_count(file), 4);
    ck_assert_str_eq(gsg_safetensors_path(file), FILE_NAME);
    ck_assert_str_eq(gsg_safetensors_note(file, "genseg"), "{\"a\":1}");
    ck_assert_ptr_null(gsg_safetensors_note(file, "other"));
    GSG_TRY(gsg_safetensors_read(file, "inc.weight", GENSEG_DTYPE_FLOAT32, entries[1].shape, w, err));
    ck_assert_mem_eq(w, weights, sizeof w);
    GSG_TRY(gsg_safetensors_read(file, "step", GENSEG_DTYPE_INT64, entries[3].shape, &s, err));
    ck_assert_int_eq(s, 77);
    // The largest elements come first, whatever the order given.
    ck_assert_str_eq(gsg_safetensors_entry(file, 0).name, "step");
    ck_assert_str_eq(gsg_safetensors_entry(file, 3).name, "rng");
    ck_assert_int_eq(gsg_safetensors_find(file, "rng"), 3);
    ck_assert_int_eq(gsg_safetensors_find(file, "rn"), -1);
    ck_assert_int_eq(gsg_safetensors_find(file, "zzz"), -1);
done:
    gsg_safetensors_free(file);
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
    ck_assert_int_ge(faults_sweep(round_trip), 5);
    unlink(FILE_NAME);
}
END_TEST

START_TEST(test_exact_bytes)
{
    static const char header[] = "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                                 "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[4,6]}}  ";
    const float one = 1;
    const gsg_tensor_entry few[] = {{"a", GENSEG_DTYPE_UINT8, {1, {2}}, "xy"},
                                    {"b", GENSEG_DTYPE_FLOAT32, {1, {1}}, &one}};
    genseg_context *context = make_context();
    uint8_t *bytes = NULL;
    size_t size = 0;
    ck_assert_int_eq(gsg_safetensors_save(context, FILE_NAME, few, 2, NULL, 0, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_file_read(context, FILE_NAME, 1 << 20, &bytes, &size, NULL), GENSEG_OK);
    const size_t length = (sizeof header - 1 + 7) / 8 * 8;
    ck_assert_uint_eq(size, 8 + length + 6);
    ck_assert_uint_eq(bytes[0], length);
    ck_assert_mem_eq(bytes + 1, "\0\0\0\0\0\0\0", 7);
    ck_assert_mem_eq(bytes + 8, header, strlen("{\"b\":{\"dtype\":\"F32\",\"shape\":[1]"));
    for (size_t i = 0; i < length; i++)
        ck_assert_int_eq(bytes[8 + i], i < strlen(header) ? header[i] : ' ');
    ck_assert_mem_eq(bytes + 8 + length, "\0\0\x80\x3fxy", 6);
    gsg_free(context, bytes);
    unlink(FILE_NAME);
    gsg_context_release(context);
}
END_TEST

START_TEST(test_reading_what_is_not_there)
{
    genseg_context *context = make_context();
    gsg_safetensors *file = NULL;
    gsg_error err = {0};
    float w[6] = {9};
    ck_assert_int_eq(gsg_safetensors_save(context, FILE_NAME, entries, 4, notes, 2, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_safetensors_open(context, FILE_NAME, &file, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_safetensors_read(file, "out.weight", GENSEG_DTYPE_FLOAT32, entries[1].shape, w, &err),
                     GENSEG_ERROR_FORMAT);
    ck_assert_str_eq(err.message, FILE_NAME ": tensor `out.weight` is missing");
    const gsg_shape other = {2, {3, 2}};
    ck_assert_int_eq(gsg_safetensors_read(file, "inc.weight", GENSEG_DTYPE_FLOAT32, other, w, &err),
                     GENSEG_ERROR_SHAPE);
    ck_assert_str_eq(err.message, FILE_NAME ": tensor `inc.weight` is F32 of 2x3, expected is F32 of 3x2");
    ck_assert_int_eq(gsg_safetensors_read(file, "rng", GENSEG_DTYPE_INT8, entries[0].shape, w, &err),
                     GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_safetensors_read_part(file, 0, 4, w, 5, &err), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(gsg_safetensors_read_part(file, 0, -1, w, 1, &err), GENSEG_ERROR_INVALID);
    // Cut by another process while it is open.
    ck_assert_int_eq(truncate(FILE_NAME, 8), 0);
    ck_assert_int_eq(gsg_safetensors_read(file, "inc.weight", GENSEG_DTYPE_FLOAT32, entries[1].shape, w, &err),
                     GENSEG_ERROR_IO);
    ck_assert_str_eq(err.message, FILE_NAME ": was cut short while it was read");
    ck_assert(w[0] == 9);
    gsg_safetensors_free(file);
    unlink(FILE_NAME);
    ck_assert_int_eq(gsg_safetensors_open(context, FILE_NAME, &file, &err), GENSEG_ERROR_IO);
    gsg_safetensors_free(NULL);
    gsg_context_release(context);
}
END_TEST

static void write_bytes(const char *path, const void *data, size_t size)
{
    FILE *stream = fopen(path, "wb");
    ck_assert_ptr_nonnull(stream);
    ck_assert_uint_eq(fwrite(data, 1, size, stream), size);
    fclose(stream);
}

// A file of this header and `bytes` bytes of zeros.
static void refuse_header(genseg_context *context, const char *header, size_t bytes, genseg_status expected,
                          const char *words)
{
    uint8_t buffer[1024] = {0};
    gsg_safetensors *file = NULL;
    gsg_error err = {0};
    buffer[0] = (uint8_t)strlen(header);
    buffer[1] = (uint8_t)(strlen(header) >> 8);
    memcpy(buffer + 8, header, strlen(header));
    write_bytes(FILE_NAME, buffer, 8 + strlen(header) + bytes);
    const genseg_status status = gsg_safetensors_open(context, FILE_NAME, &file, &err);
    ck_assert_msg(status == expected, "%s: %d %s", header, (int)status, err.message);
    if (status != GENSEG_OK)
        ck_assert_msg(strstr(err.message, words) && strncmp(err.message, FILE_NAME ": ", 18) == 0, "%s", err.message);
    gsg_safetensors_free(file);
}

START_TEST(test_bad_headers)
{
    genseg_context *context = make_context();
    const genseg_status bad = GENSEG_ERROR_FORMAT;
    refuse_header(context, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, GENSEG_OK, "");
    refuse_header(context, "{}", 0, GENSEG_OK, "");
    refuse_header(context, "[]", 0, bad, "not a JSON object");
    refuse_header(context, "{\"a\":", 0, bad, "header, byte");
    refuse_header(context, "{\"\xFF\":{}}", 0, bad, "header, byte");
    refuse_header(context, "{\"a\":3}", 0, bad, "tensor `a` has no `dtype`");
    refuse_header(context, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, bad, "`data_offsets`");
    refuse_header(context, "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, bad, "`shape`");
    refuse_header(context, "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, bad, "shape[0]");
    refuse_header(context, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, bad, "shape[0]");
    refuse_header(context, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, bad,
                  "F32 of 2 does not fill 4 bytes");
    refuse_header(context, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, bad,
                  "bytes 0 to 4, the file has 3");
    refuse_header(context, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, bad, "bytes -4");
    refuse_header(context, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 9, bad,
                  "5 bytes behind the last tensor");
    refuse_header(context,
                  "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
                  "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[2,5]}}",
                  5, bad, "tensor `b` starts at byte 2 of the data, not 3");
    refuse_header(context,
                  "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                  "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
                  2, bad, "duplicate");
    refuse_header(context, "{\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2,
                  GENSEG_ERROR_UNSUPPORTED, "dtype BF16");
    refuse_header(context, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
                  GENSEG_ERROR_UNSUPPORTED, "has 6 dimensions");
    refuse_header(context, "{\"a\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]}}", 8,
                  bad, "does not fill");
    refuse_header(context, "{\"__metadata__\":[]}", 0, bad, "__metadata__ is not an object");
    refuse_header(context, "{\"__metadata__\":{\"n\":1}}", 0, bad, "metadata `n` is not text");
    const uint8_t huge[16] = {255, 255, 255, 255, 255, 255, 255, 127, '{', '}'};
    gsg_safetensors *file = NULL;
    gsg_error err;
    write_bytes(FILE_NAME, huge, sizeof huge);
    ck_assert_int_eq(gsg_safetensors_open(context, FILE_NAME, &file, &err), bad);
    ck_assert_str_eq(err.message, FILE_NAME ": header of 9223372036854775807 bytes in a file of 16");
    unlink(FILE_NAME);
    gsg_context_release(context);
}
END_TEST

// Touches all that a reader hands out, for the address sanitizer to see.
static uint64_t walk(genseg_context *context)
{
    gsg_safetensors *file = NULL;
    uint64_t sum = 0;
    if (gsg_safetensors_open(context, FILE_NAME, &file, NULL) != GENSEG_OK)
        return 0;
    for (int64_t i = 0; i < gsg_safetensors_count(file); i++) {
        const gsg_tensor_entry e = gsg_safetensors_entry(file, i);
        ck_assert_int_eq(gsg_safetensors_find(file, e.name), i);
        for (int64_t k = 0; k < gsg_shape_count(e.shape); k++) {
            uint8_t byte = 0;
            ck_assert_int_eq(gsg_safetensors_read_part(file, i, k, &byte, 1, NULL), GENSEG_OK);
            sum += byte;
        }
    }
    gsg_safetensors_free(file);
    return sum + 1;
}

START_TEST(test_damage_never_crashes)
{
    genseg_context *context = make_context();
    uint8_t *bytes = NULL;
    size_t size = 0;
    gsg_rng rng;
    int refused = 0;
    ck_assert_int_eq(gsg_safetensors_save(context, FILE_NAME, entries, 4, notes, 2, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_file_read(context, FILE_NAME, 1 << 20, &bytes, &size, NULL), GENSEG_OK);
    for (size_t length = 0; length < size; length++) {
        write_bytes(FILE_NAME, bytes, length);
        ck_assert_uint_eq(walk(context), 0); // a shorter file is never whole
    }
    gsg_rng_init(&rng, 5, GSG_STREAM_USER, 0);
    for (int flip = 0; flip < 2000; flip++) {
        const int64_t at = gsg_rng_below(&rng, (int64_t)size);
        const uint8_t before = bytes[at];
        bytes[at] = (uint8_t)gsg_rng_u32(&rng);
        write_bytes(FILE_NAME, bytes, size);
        refused += walk(context) == 0;
        bytes[at] = before;
    }
    ck_assert_int_gt(refused, 500);
    write_bytes(FILE_NAME, bytes, size);
    ck_assert_uint_ne(walk(context), 0);
    gsg_free(context, bytes);
    unlink(FILE_NAME);
    gsg_context_release(context);
}
END_TEST

START_TEST(test_writer_is_strict)
{
    genseg_context *context = make_context();
    gsg_safetensors_writer writer;
    gsg_error err = {0};
    const gsg_tensor_entry rising[] = {entries[0], entries[1]}, twice[] = {entries[1], entries[1]};
    const gsg_tensor_entry reserved = {"__metadata__", GENSEG_DTYPE_UINT8, {1, {1}}, state};
    const gsg_tensor_entry unknown = {"u", 99, {1, {1}}, state}, latin = {"\xE4", GENSEG_DTYPE_UINT8, {1, {1}}, state};
    const gsg_tensor_note bad_note = {"n", "\xE4"};

    ck_assert_int_eq(gsg_safetensors_begin(&writer, context, FILE_NAME, rising, 2, NULL, 0, &err),
                     GENSEG_ERROR_INVALID);
    ck_assert_msg(strstr(err.message, "larger elements than `rng`"), "%s", err.message);
    ck_assert_int_eq(gsg_safetensors_save(context, FILE_NAME, twice, 2, NULL, 0, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, FILE_NAME ": tensor `inc.weight` appears twice");
    ck_assert_int_eq(gsg_safetensors_save(context, FILE_NAME, &reserved, 1, NULL, 0, &err), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(gsg_safetensors_save(context, FILE_NAME, &unknown, 1, NULL, 0, &err), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(gsg_safetensors_save(context, FILE_NAME, &latin, 1, NULL, 0, &err), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(gsg_safetensors_save(context, FILE_NAME, entries, 1, &bad_note, 1, &err), GENSEG_ERROR_INVALID);

    // Too much, and too little: no file comes of it.
    ck_assert_int_eq(gsg_safetensors_begin(&writer, context, FILE_NAME, entries, 1, NULL, 0, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_safetensors_write(&writer, state, 2, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_safetensors_write(&writer, state, 2, &err), GENSEG_ERROR_INTERNAL);
    ck_assert_int_eq(gsg_safetensors_commit(&writer, &err), GENSEG_ERROR_INTERNAL);
    ck_assert_msg(strstr(err.message, "1 bytes of tensors are missing"), "%s", err.message);
    gsg_safetensors_abort(&writer);
    ck_assert_int_eq(gsg_file_probe(FILE_NAME, NULL), GSG_FILE_NONE);
    ck_assert_int_eq(gsg_safetensors_save(context, "no/such/folder.safetensors", entries, 1, NULL, 0, &err),
                     GENSEG_ERROR_IO);
    gsg_context_release(context);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("safetensors");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_round_trip);
    tcase_add_test(tests, test_every_allocation_may_fail);
    tcase_add_test(tests, test_exact_bytes);
    tcase_add_test(tests, test_reading_what_is_not_there);
    tcase_add_test(tests, test_bad_headers);
    tcase_add_test(tests, test_damage_never_crashes);
    tcase_add_test(tests, test_writer_is_strict);
    RUN_TESTS(tests);
}
