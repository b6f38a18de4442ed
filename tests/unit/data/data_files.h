// Files for tests: a temporary folder, NIfTI headers written byte by byte (not by
// the code under test), and what the context logged.
#ifndef TEST_DATA_FILES_H
#define TEST_DATA_FILES_H

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "data/dataset.h"
#include "sampling_input.h"

// A folder of its own for each test process; removed by files_end().
static char files_root[64];

static inline void files_begin(void)
{
    snprintf(files_root, sizeof files_root, "/tmp/genseg-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(files_root));
}

static inline int files_remove(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    return remove(path);
}

static inline void files_end(void)
{
    nftw(files_root, files_remove, 8, FTW_DEPTH | FTW_PHYS);
}

// A path in the folder, in one of eight buffers that are used in turn. Folders
// on the way are made.
static inline const char *file_path(const char *format, ...)
{
    static char buffers[8][512];
    static int next;
    char *path = buffers[next++ % 8];
    int used = snprintf(path, 512, "%s/", files_root);
    va_list args;
    va_start(args, format);
    vsnprintf(path + used, 512 - (size_t)used, format, args);
    va_end(args);
    for (char *slash = path + used; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    return path;
}

static inline void file_put(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static inline void file_text(const char *path, const char *text)
{
    file_put(path, text, strlen(text));
}

static inline size_t file_get(const char *path, uint8_t *data, size_t size)
{
    gzFile file = gzopen(path, "rb"); // unpacks where need be
    ck_assert_ptr_nonnull(file);
    int got = gzread(file, data, (unsigned)size);
    gzclose(file);
    ck_assert_int_ge(got, 0);
    return (size_t)got;
}

static inline void file_gzip(const char *path, const void *data, size_t size)
{
    gzFile file = gzopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, data, (unsigned)size), (int)size);
    ck_assert_int_eq(gzclose(file), Z_OK);
}

// A NIfTI-1 file in memory, little-endian unless swapped.
typedef struct nifti_file {
    uint8_t bytes[1 << 16];
    size_t size;
    int big_endian;
} nifti_file;

static inline void put_bytes(nifti_file *to, size_t at, const void *value, size_t width)
{
    const uint8_t *from = value; // the host is little-endian
    for (size_t i = 0; i < width; i++)
        to->bytes[at + i] = from[to->big_endian ? width - 1 - i : i];
}

static inline void put_i16(nifti_file *to, size_t at, int value)
{
    int16_t stored = (int16_t)value;
    put_bytes(to, at, &stored, 2);
}

static inline void put_f32(nifti_file *to, size_t at, double value)
{
    float stored = (float)value;
    put_bytes(to, at, &stored, 4);
}

// Offsets from nifti1.h: dim 40, datatype 70, bitpix 72, pixdim 76, vox_offset
// 108, scl_slope 112, scl_inter 116, xyzt_units 123, qform_code 252, sform_code
// 254, quatern 256, qoffset 268, srow 280, magic 344. No forms.
static inline void nifti_begin(nifti_file *to, int big_endian, int datatype, int bits, int dims, ...)
{
    memset(to, 0, sizeof *to);
    to->big_endian = big_endian;
    int32_t header = 348;
    put_bytes(to, 0, &header, 4);
    put_i16(to, 40, dims);
    va_list args;
    va_start(args, dims);
    for (int d = 1; d <= dims && d < 8; d++)
        put_i16(to, 40 + 2 * (size_t)d, va_arg(args, int));
    va_end(args);
    put_i16(to, 70, datatype);
    put_i16(to, 72, bits);
    for (size_t d = 0; d < 8; d++)
        put_f32(to, 76 + 4 * d, 1.0);
    put_f32(to, 108, 352);
    memcpy(to->bytes + 344, "n+1", 4);
    to->size = 352;
}

// A diagonal sform with the scanner's code.
static inline void nifti_sform(nifti_file *to, double x, double y, double z, double shift)
{
    put_i16(to, 254, 1);
    double rows[3][4] = {{x, 0, 0, shift}, {0, y, 0, 0}, {0, 0, z, 0}};
    for (size_t row = 0; row < 3; row++)
        for (size_t column = 0; column < 4; column++)
            put_f32(to, 280 + 16 * row + 4 * column, rows[row][column]);
    put_f32(to, 80, x < 0 ? -x : x);
    put_f32(to, 84, y);
    put_f32(to, 88, z);
}

static inline void nifti_value(nifti_file *to, const void *value, size_t width)
{
    put_bytes(to, to->size, value, width);
    to->size += width;
}

static inline void nifti_save(const nifti_file *from, const char *path)
{
    if (strcmp(path + strlen(path) - 3, ".gz") == 0)
        file_gzip(path, from->bytes, from->size);
    else
        file_put(path, from->bytes, from->size);
}

// An image of float32 and a mask of uint8, 3-D, with a diagonal sform.
static inline void write_image(const char *path, int w, int h, int d, double shift)
{
    nifti_file *file = malloc(sizeof *file);
    nifti_begin(file, 0, 16, 32, 3, w, h, d);
    nifti_sform(file, 1.0, 1.0, 2.0, shift);
    for (int i = 0; i < w * h * d; i++) {
        float value = input_value(i);
        nifti_value(file, &value, 4);
    }
    nifti_save(file, path);
    free(file);
}

// Voxel i holds values[i % count].
static inline void write_mask(const char *path, int w, int h, int d, const uint8_t *values, int count)
{
    nifti_file *file = malloc(sizeof *file);
    nifti_begin(file, 0, 2, 8, 3, w, h, d);
    nifti_sform(file, 1.0, 1.0, 2.0, 0.0);
    for (int i = 0; i < w * h * d; i++)
        nifti_value(file, &values[i % count], 1);
    nifti_save(file, path);
    free(file);
}

// A PNG of grey values, through the writer (test_format_png.c checks that one).
static inline void write_png(genseg_context *context, const char *path, int h, int w, const uint8_t *values, int count)
{
    uint8_t *pixels = malloc((size_t)(h * w));
    for (int i = 0; i < h * w; i++)
        pixels[i] = values[i % count];
    gsg_source source;
    gsg_source_init(&source, context);
    source.ndim = 2;
    source.size[0] = 1;
    source.size[1] = h;
    source.size[2] = w;
    genseg_array label = {.data = pixels, .dtype = GENSEG_DTYPE_UINT8, .ndim = 2, .shape = {h, w}, .strides = {w, 1}};
    gsg_error err = {0};
    ck_assert_msg(gsg_label_write(context, path, &label, &source, &err) == GENSEG_OK, "%s", err.message);
    gsg_source_free(&source);
    free(pixels);
}

static inline void ck_contains(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" lacks \"%s\"", text, part);
}

#define CK_OK(call)                                                                                                    \
    do {                                                                                                               \
        gsg_error e = {0};                                                                                             \
        gsg_error *err = &e;                                                                                           \
        genseg_status s = (call);                                                                                      \
        ck_assert_msg(s == GENSEG_OK, "%s: %d %s", #call, s, e.message);                                               \
    } while (0)

// The call takes `err`; its status and a part of its message.
#define CK_FAILS(call, code, part)                                                                                     \
    do {                                                                                                               \
        gsg_error e = {0};                                                                                             \
        gsg_error *err = &e;                                                                                           \
        genseg_status s = (call);                                                                                      \
        ck_assert_msg(s == (code), "%s: %d %s", #call, s, e.message);                                                  \
        ck_assert_int_eq(e.status, (code));                                                                            \
        ck_contains(e.message, part);                                                                                  \
    } while (0)

// Runs the tests of one file with the temporary folder around each.
static inline int run_tests(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *group = tcase_create(name);
    tcase_set_timeout(group, 60);
    tcase_add_checked_fixture(group, files_begin, files_end);
    for (size_t t = 0; t < count; t++)
        tcase_add_test(group, tests[t]);
    suite_add_tcase(suite, group);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
