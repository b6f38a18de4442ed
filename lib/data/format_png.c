// PNG (https://www.w3.org/TR/png) through libpng: grey, colour and palette
// images of 1 to 16 bits; label maps in grey, or as the indices of a palette.
// libpng leaves by longjmp: every function that it may leave keeps its state in
// a struct behind a pointer, so that no local variable is lost.
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "data/format.h"
#include "tensor/array.h"

#define MAX_FILE_BYTES ((size_t)1 << 31)
// Deflate can't shrink by more than this, so a smaller file is damaged.
#define MAX_DEFLATE_RATIO 1032

typedef struct codec {
    genseg_context *context;
    png_structp png;
    png_infop info;
    genseg_status status; // of what made libpng leave
    gsg_error *err;
    // reading
    uint8_t *file;
    size_t size;
    size_t at;
    // writing
    gsg_file_writer out;
    // pixels, row by row as libpng has them
    uint8_t *pixels;
    png_bytep *rows;
    uint32_t width;
    uint32_t height;
    int bits;     // 8 or 16
    int channels; // 1 or 3
} codec;

static bool recognise(const uint8_t *head, size_t size)
{
    return size >= 8 && png_sig_cmp(head, 0, 8) == 0;
}

static void on_error(png_structp png, png_const_charp message)
{
    codec *my = png_get_error_ptr(png);
    if (my->status == GENSEG_OK)
        my->status = gsg_error_set(my->err, GENSEG_ERROR_FORMAT, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
}

static png_voidp on_alloc(png_structp png, png_alloc_size_t size)
{
    codec *my = png_get_mem_ptr(png);
    void *memory = gsg_alloc(my->context, size, 1);
    if (!memory && my->status == GENSEG_OK)
        my->status = gsg_error_nomem(my->err, size);
    return memory;
}

static void on_free(png_structp png, png_voidp memory)
{
    codec *my = png_get_mem_ptr(png);
    gsg_free(my->context, memory);
}

static void on_read(png_structp png, png_bytep data, size_t size)
{
    codec *my = png_get_io_ptr(png);
    if (size > my->size - my->at)
        png_error(png, "truncated: the picture's data end early");
    memcpy(data, my->file + my->at, size);
    my->at += size;
}

static void on_write(png_structp png, png_bytep data, size_t size)
{
    codec *my = png_get_io_ptr(png);
    my->status = gsg_file_write(&my->out, data, size, my->err);
    if (my->status != GENSEG_OK)
        png_error(png, "write failed");
}

static void on_flush(png_structp png)
{
}

static void codec_free(codec *my)
{
    if (my->file)
        png_destroy_read_struct(&my->png, &my->info, NULL);
    else
        png_destroy_write_struct(&my->png, &my->info);
    gsg_free(my->context, my->file);
    gsg_free(my->context, my->pixels);
    gsg_free(my->context, my->rows);
}

static genseg_status alloc_pixels(codec *my, size_t row_bytes)
{
    my->pixels = gsg_alloc_zero(my->context, my->height, row_bytes);
    my->rows = gsg_alloc(my->context, my->height, sizeof *my->rows);
    if (!my->pixels || !my->rows)
        return gsg_error_nomem(my->err, my->height * row_bytes);
    for (uint32_t y = 0; y < my->height; y++)
        my->rows[y] = my->pixels + y * row_bytes;
    return GENSEG_OK;
}

// What the pixels are to become: channels of an image, or label values.
static void set_transforms(codec *my, bool label)
{
    int type = png_get_color_type(my->png, my->info);
    int bits = png_get_bit_depth(my->png, my->info);
    if (bits == 16)
        png_set_swap(my->png); // PNG is big-endian
    if (type == PNG_COLOR_TYPE_PALETTE && !label)
        png_set_palette_to_rgb(my->png);
    else if (bits < 8 && (label || type == PNG_COLOR_TYPE_PALETTE))
        png_set_packing(my->png);
    else if (bits < 8)
        png_set_expand_gray_1_2_4_to_8(my->png);
    if (type & PNG_COLOR_MASK_ALPHA || (type == PNG_COLOR_TYPE_PALETTE && !label))
        png_set_strip_alpha(my->png);
}

// Everything of libpng that may leave by longjmp; `pixels` false: the header only.
static void decode(codec *my, bool label, bool pixels)
{
    if (setjmp(png_jmpbuf(my->png)))
        return;
    png_set_read_fn(my->png, my, on_read);
    png_read_info(my->png, my->info);
    my->width = png_get_image_width(my->png, my->info);
    my->height = png_get_image_height(my->png, my->info);
    if (png_get_rowbytes(my->png, my->info) / MAX_DEFLATE_RATIO * my->height > my->size)
        png_error(my->png, "the header claims more pixels than the file can hold");
    set_transforms(my, label);
    png_set_interlace_handling(my->png);
    png_read_update_info(my->png, my->info);
    my->bits = png_get_bit_depth(my->png, my->info);
    my->channels = png_get_channels(my->png, my->info);
    if (!pixels)
        return;
    my->status = alloc_pixels(my, png_get_rowbytes(my->png, my->info));
    if (my->status != GENSEG_OK)
        return;
    png_read_image(my->png, my->rows);
    png_read_end(my->png, NULL);
}

static genseg_status open_png(codec *my, genseg_context *context, const char *path, bool label, bool pixels,
                              gsg_error *err)
{
    memset(my, 0, sizeof *my);
    my->context = context;
    my->err = err;
    genseg_status status = gsg_file_read(context, path, MAX_FILE_BYTES, &my->file, &my->size, err);
    if (status != GENSEG_OK)
        return status;
    my->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, my, on_error, on_warning, my, on_alloc, on_free);
    my->info = my->png ? png_create_info_struct(my->png) : NULL;
    if (!my->info)
        return my->status != GENSEG_OK ? my->status : gsg_error_nomem(err, 1 << 10);
    decode(my, label, pixels);
    return my->status;
}

static genseg_status read_header(const gsg_location *at, gsg_source *source, gsg_error *err)
{
    codec my;
    genseg_status status = open_png(&my, source->context, at->path, false, false, err);
    if (status == GENSEG_OK) {
        source->ndim = 2;
        source->channels = my.channels;
        source->size[0] = 1;
        source->size[1] = my.height;
        source->size[2] = my.width;
    }
    codec_free(&my);
    return status;
}

static int sample(const codec *my, int64_t pixel, int channel)
{
    int64_t index = pixel * my->channels + channel;
    return my->bits == 16 ? ((const uint16_t *)my->pixels)[index] : my->pixels[index];
}

static genseg_status check_size(const codec *my, const gsg_source *source, int channels, gsg_error *err)
{
    if (my->height == source->size[1] && my->width == source->size[2] && my->channels == channels)
        return GENSEG_OK;
    return gsg_error_set(err, GENSEG_ERROR_FORMAT, "the file has changed since it was opened");
}

static genseg_status read_image(const gsg_location *at, const gsg_source *source, float *dst, gsg_error *err)
{
    codec my;
    genseg_status status = open_png(&my, source->context, at->path, false, true, err);
    if (status == GENSEG_OK)
        status = check_size(&my, source, source->channels, err);
    if (status == GENSEG_OK) {
        int64_t count = (int64_t)my.width * my.height;
        for (int channel = 0; channel < my.channels; channel++)
            for (int64_t i = 0; i < count; i++)
                dst[channel * count + i] = (float)sample(&my, i, channel);
    }
    codec_free(&my);
    return status;
}

static genseg_status read_label(const gsg_location *at, const gsg_source *source, int32_t *dst, gsg_error *err)
{
    codec my;
    genseg_status status = open_png(&my, source->context, at->path, true, true, err);
    if (status == GENSEG_OK)
        status = check_size(&my, source, my.channels, err);
    int64_t count = (int64_t)my.width * my.height;
    for (int64_t i = 0; status == GENSEG_OK && i < count; i++) {
        dst[i] = sample(&my, i, 0);
        if (my.channels != 3 || (sample(&my, i, 1) == dst[i] && sample(&my, i, 2) == dst[i]))
            continue;
        char where[GSG_VOXEL_TEXT_SIZE];
        status = gsg_error_set(
            err, GENSEG_ERROR_FORMAT, "a colour picture is no label map: the pixel at %s is (%d, %d, %d)",
            gsg_voxel_text(i, source->size, where), sample(&my, i, 0), sample(&my, i, 1), sample(&my, i, 2));
    }
    codec_free(&my);
    return status;
}

// Everything of libpng that may leave by longjmp.
static void encode(codec *my)
{
    if (setjmp(png_jmpbuf(my->png)))
        return;
    png_set_write_fn(my->png, my, on_write, on_flush);
    png_set_IHDR(my->png, my->info, my->width, my->height, my->bits,
                 my->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(my->png, my->info);
    if (my->bits == 16)
        png_set_swap(my->png);
    png_write_image(my->png, my->rows);
    png_write_end(my->png, NULL);
}

static genseg_status write_png(genseg_context *context, const char *path, const void *pixels, int64_t height,
                               int64_t width, int bits, int channels, gsg_error *err)
{
    if (height > PNG_UINT_31_MAX || width > PNG_UINT_31_MAX)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "PNG can't hold %lld x %lld pixels", (long long)width,
                             (long long)height);
    codec my = {.context = context,
                .err = err,
                .width = (uint32_t)width,
                .height = (uint32_t)height,
                .bits = bits,
                .channels = channels};
    size_t row_bytes = (size_t)width * (size_t)channels * (size_t)bits / 8;
    genseg_status status = gsg_file_begin(&my.out, context, path, NULL, err);
    if (status != GENSEG_OK)
        return status;
    GSG_TRY(alloc_pixels(&my, row_bytes));
    memcpy(my.pixels, pixels, (size_t)height * row_bytes);
    my.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &my, on_error, on_warning, &my, on_alloc, on_free);
    my.info = my.png ? png_create_info_struct(my.png) : NULL;
    if (!my.info) {
        status = my.status != GENSEG_OK ? my.status : gsg_error_nomem(err, 1 << 10);
        goto done;
    }
    encode(&my);
    GSG_TRY(my.status);
    GSG_TRY(gsg_file_commit(&my.out, err));
done:
    gsg_file_abort(&my.out);
    codec_free(&my);
    return status;
}

static genseg_status write_label(genseg_context *context, const char *path, const genseg_array *label, int64_t low,
                                 int64_t high, const gsg_source *reference, gsg_error *err)
{
    if (low < 0 || high > UINT16_MAX)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED,
                             "PNG holds label values of 0 to 65535, not %lld to %lld: write .nii.gz", (long long)low,
                             (long long)high);
    if (label->shape[0] != 1)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "PNG holds no 3-D label map: write .nii.gz");
    genseg_array stored;
    genseg_status status = gsg_label_narrow(context, label, gsg_label_dtype(low, high), &stored, err);
    if (status != GENSEG_OK)
        return status;
    int bits = (int)(8 * gsg_dtype_size(stored.dtype));
    status = write_png(context, path, stored.data, label->shape[1], label->shape[2], bits, 1, err);
    if (stored.data != label->data)
        gsg_free(context, stored.data);
    return status;
}

genseg_status gsg_png_write(genseg_context *context, const char *path, const uint8_t *pixels, int64_t height,
                            int64_t width, int32_t channels, gsg_error *err)
{
    return write_png(context, path, pixels, height, width, 8, channels, err);
}

genseg_status gsg_picture_write(genseg_context *context, const char *path, const uint8_t *pixels, int64_t height,
                                int64_t width, gsg_error *err)
{
    if (height < 1 || width < 1)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "a picture of %lld x %lld pixels", (long long)width,
                             (long long)height);
    return write_png(context, path, pixels, height, width, 8, 3, err);
}

static const char *const extensions[] = {".png", NULL};

const gsg_format gsg_format_png = {
    .name = "PNG",
    .extensions = extensions,
    .recognise = recognise,
    .read_header = read_header,
    .read_image = read_image,
    .read_label = read_label,
    .write_label = write_label,
};
