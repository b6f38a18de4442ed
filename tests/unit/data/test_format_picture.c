// PNG and JPEG. Pictures other than what the library writes itself are made with
// libpng and libjpeg-turbo directly.
#include <png.h>
#include <turbojpeg.h>

#include "data_files.h"

static genseg_context *context;

// type: PNG_COLOR_TYPE_*; rows are packed as PNG has them.
static void make_png(const char *path, int type, int bits, int w, int h, const uint8_t *rows, size_t row_bytes,
                     const png_color *palette, int colours, int interlace)
{
    FILE *file = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, file);
    png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, bits, type, interlace, 0, 0);
    if (palette)
        png_set_PLTE(png, info, palette, colours);
    png_write_info(png, info);
    int passes = interlace ? png_set_interlace_handling(png) : 1;
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < h; y++)
            png_write_row(png, rows + (size_t)y * row_bytes);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    fclose(file);
}

static void check_image(const char *path, int channels, int h, int w, const float *expected)
{
    gsg_volume volume;
    gsg_source source;
    CK_OK(gsg_image_read(context, path, &volume, &source, err));
    ck_assert_int_eq(volume.ndim, 2);
    ck_assert_int_eq(volume.channels, channels);
    ck_assert_int_eq(volume.size[1], h);
    ck_assert_int_eq(volume.size[2], w);
    ck_assert_int_eq(volume.geometry.affine_known, 0);
    for (int i = 0; i < channels * h * w; i++)
        ck_assert_msg(volume.image[i] == expected[i], "%d: %g, not %g", i, (double)volume.image[i],
                      (double)expected[i]);
    ck_assert_str_eq(gsg_source_label_extension(&source), ".png");
    gsg_volume_free(&volume);
    gsg_source_free(&source);
}

static genseg_status read_label(const char *path, int32_t *label, gsg_error *err)
{
    gsg_source source;
    genseg_status status = gsg_source_read(context, path, &source, err);
    if (status != GENSEG_OK)
        return status;
    gsg_location at = {.path = (char *)path, .plane = -1};
    status = gsg_format_read_label(&source, &at, label, err);
    gsg_source_free(&source);
    return status;
}

START_TEST(reads_grey_colour_alpha_and_palette)
{
    context = context_with(1, 0);
    const uint8_t grey[6] = {0, 1, 2, 253, 254, 255};
    const float grey_values[6] = {0, 1, 2, 253, 254, 255};
    make_png(file_path("g8.png"), PNG_COLOR_TYPE_GRAY, 8, 3, 2, grey, 3, NULL, 0, 0);
    check_image(file_path("g8.png"), 1, 2, 3, grey_values);
    make_png(file_path("interlaced.png"), PNG_COLOR_TYPE_GRAY, 8, 3, 2, grey, 3, NULL, 0, PNG_INTERLACE_ADAM7);
    check_image(file_path("interlaced.png"), 1, 2, 3, grey_values);
    const uint8_t deep[8] = {0x01, 0x02, 0xff, 0xff, 0x00, 0x07, 0x80, 0x00}; // big-endian
    make_png(file_path("g16.png"), PNG_COLOR_TYPE_GRAY, 16, 2, 2, deep, 4, NULL, 0, 0);
    check_image(file_path("g16.png"), 1, 2, 2, (const float[]){258, 65535, 7, 32768});
    const uint8_t rgb[6] = {10, 20, 30, 40, 50, 60};
    make_png(file_path("rgb.png"), PNG_COLOR_TYPE_RGB, 8, 2, 1, rgb, 6, NULL, 0, 0);
    check_image(file_path("rgb.png"), 3, 1, 2, (const float[]){10, 40, 20, 50, 30, 60});
    const uint8_t rgba[8] = {10, 20, 30, 99, 40, 50, 60, 0};
    make_png(file_path("rgba.png"), PNG_COLOR_TYPE_RGB_ALPHA, 8, 2, 1, rgba, 8, NULL, 0, 0);
    check_image(file_path("rgba.png"), 3, 1, 2, (const float[]){10, 40, 20, 50, 30, 60});
    const uint8_t bits[1] = {0xa0}; // 1 0 1
    make_png(file_path("g1.png"), PNG_COLOR_TYPE_GRAY, 1, 3, 1, bits, 1, NULL, 0, 0);
    check_image(file_path("g1.png"), 1, 1, 3, (const float[]){255, 0, 255});
    const png_color palette[3] = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
    const uint8_t indices[1] = {0x64}; // 1 2 1 in two bits each
    make_png(file_path("p2.png"), PNG_COLOR_TYPE_PALETTE, 2, 3, 1, indices, 1, palette, 3, 0);
    check_image(file_path("p2.png"), 3, 1, 3, (const float[]){4, 7, 4, 5, 8, 5, 6, 9, 6});
    // As a label map the indices count.
    int32_t label[3];
    CK_OK(read_label(file_path("p2.png"), label, err));
    ck_assert(label[0] == 1 && label[1] == 2 && label[2] == 1);
    CK_OK(read_label(file_path("g1.png"), label, err));
    ck_assert(label[0] == 1 && label[1] == 0 && label[2] == 1);
    context_close(context);
}
END_TEST

START_TEST(labels_need_equal_channels)
{
    context = context_with(1, 0);
    int32_t label[4];
    const uint8_t equal[12] = {0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0};
    make_png(file_path("e.png"), PNG_COLOR_TYPE_RGB, 8, 2, 2, equal, 6, NULL, 0, 0);
    CK_OK(read_label(file_path("e.png"), label, err));
    ck_assert(label[0] == 0 && label[1] == 255 && label[2] == 255 && label[3] == 0);
    const uint8_t red[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 10};
    make_png(file_path("r.png"), PNG_COLOR_TYPE_RGB, 8, 2, 2, red, 6, NULL, 0, 0);
    CK_FAILS(read_label(file_path("r.png"), label, err), GENSEG_ERROR_FORMAT, "i=1 j=1 is (255, 0, 10)");
    CK_FAILS(read_label(file_path("r.png"), label, err), GENSEG_ERROR_FORMAT, "r.png");
    context_close(context);
}
END_TEST

START_TEST(writes_grey_labels_and_colour_pictures)
{
    context = context_with(1, 0);
    gsg_source source;
    gsg_source_init(&source, context);
    source.ndim = 2;
    source.size[0] = 1;
    source.size[1] = 2;
    source.size[2] = 2;
    int32_t values[4] = {0, 255, 300, 65535}, back[4];
    genseg_array label = {.data = values, .dtype = GENSEG_DTYPE_INT32, .ndim = 2, .shape = {2, 2}, .strides = {8, 4}};
    CK_OK(gsg_label_write(context, file_path("l.png"), &label, &source, err));
    CK_OK(read_label(file_path("l.png"), back, err));
    ck_assert_mem_eq(back, values, sizeof values);
    values[3] = 65536;
    CK_FAILS(gsg_label_write(context, file_path("n.png"), &label, &source, err), GENSEG_ERROR_UNSUPPORTED, "65536");
    values[3] = -1;
    CK_FAILS(gsg_label_write(context, file_path("n.png"), &label, &source, err), GENSEG_ERROR_UNSUPPORTED, "-1");
    CK_FAILS(gsg_label_write(context, file_path("n.jpg"), &label, &source, err), GENSEG_ERROR_UNSUPPORTED, "n.jpg");
    ck_assert_int_ne(access(file_path("n.png"), F_OK), 0);
    const uint8_t rgb[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    CK_OK(gsg_picture_write(context, file_path("c.png"), rgb, 2, 2, err));
    check_image(file_path("c.png"), 3, 2, 2, (const float[]){1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12});
    gsg_source_free(&source);
    context_close(context);
}
END_TEST

START_TEST(refuses_foreign_and_damaged_pictures)
{
    context = context_with(1, 0);
    gsg_volume volume;
    gsg_source source;
    file_text(file_path("text.png"), "Dear reader, this is a text.");
    CK_FAILS(gsg_image_read(context, file_path("text.png"), &volume, &source, err), GENSEG_ERROR_FORMAT,
             "is no PNG file (it begins with 44 65 61 72");
    uint8_t noise[64 * 64];
    for (int i = 0; i < 64 * 64; i++)
        noise[i] = (uint8_t)(i * i * 31 + i / 7);
    make_png(file_path("n.png"), PNG_COLOR_TYPE_GRAY, 8, 64, 64, noise, 64, NULL, 0, 0);
    uint8_t bytes[8192];
    FILE *file = fopen(file_path("n.png"), "rb");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t cut = 20; cut < size - 12; cut += 97) {
        file_put(file_path("cut.png"), bytes, cut);
        CK_FAILS(gsg_image_read(context, file_path("cut.png"), &volume, &source, err), GENSEG_ERROR_FORMAT, "cut.png");
    }
    bytes[size / 2] ^= 0xff; // the checksum no longer fits
    file_put(file_path("flip.png"), bytes, size);
    CK_FAILS(gsg_image_read(context, file_path("flip.png"), &volume, &source, err), GENSEG_ERROR_FORMAT, "flip.png");
    // 2^30 x 2^30 pixels, with a right checksum of the header.
    bytes[size / 2] ^= 0xff;
    memcpy(bytes + 16, "\x40\0\0\0\x40\0\0\0", 8);
    uint32_t crc = (uint32_t)crc32(0, bytes + 12, 17);
    for (int i = 0; i < 4; i++)
        bytes[29 + i] = (uint8_t)(crc >> (24 - 8 * i));
    file_put(file_path("huge.png"), bytes, size);
    CK_FAILS(gsg_image_read(context, file_path("huge.png"), &volume, &source, err), GENSEG_ERROR_FORMAT, "huge.png");
    context_close(context);
}
END_TEST

START_TEST(reads_jpeg_images_and_refuses_jpeg_masks)
{
    context = context_with(1, 0);
    uint8_t grey[32 * 24];
    for (int i = 0; i < 32 * 24; i++)
        grey[i] = (uint8_t)(100 + 3 * (i % 32) + i * i * 7 % 41);
    unsigned char *packed = NULL;
    unsigned long size = 0;
    tjhandle handle = tjInitCompress();
    ck_assert_int_eq(tjCompress2(handle, grey, 32, 0, 24, TJPF_GRAY, &packed, &size, TJSAMP_GRAY, 95, 0), 0);
    file_put(file_path("a.jpg"), packed, size);
    gsg_volume volume;
    gsg_source source;
    CK_OK(gsg_image_read(context, file_path("a.jpg"), &volume, &source, err));
    ck_assert(volume.channels == 1 && volume.size[1] == 24 && volume.size[2] == 32);
    for (int i = 0; i < 32 * 24; i++)
        ck_assert_float_eq_tol(volume.image[i], (float)grey[i], 12.0f);
    ck_assert_str_eq(gsg_source_label_extension(&source), ".png");
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    file_put(file_path("cut.jpg"), packed, size - size / 3);
    CK_FAILS(gsg_image_read(context, file_path("cut.jpg"), &volume, &source, err), GENSEG_ERROR_FORMAT, "truncated");
    // The content counts where the name says another kind of picture.
    file_put(file_path("a.png"), packed, size);
    CK_OK(gsg_image_read(context, file_path("a.png"), &volume, &source, err));
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    int32_t label[32 * 24];
    CK_FAILS(read_label(file_path("a.jpg"), label, err), GENSEG_ERROR_UNSUPPORTED, "compression");
    tjFree(packed);
    tjDestroy(handle);
    context_close(context);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {reads_grey_colour_alpha_and_palette, labels_need_equal_channels,
                                  writes_grey_labels_and_colour_pictures, refuses_foreign_and_damaged_pictures,
                                  reads_jpeg_images_and_refuses_jpeg_masks};
    return run_tests("format_picture", tests, sizeof tests / sizeof tests[0]);
}
