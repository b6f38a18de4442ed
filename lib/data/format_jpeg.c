// JPEG (ITU-T T.81) through libjpeg-turbo: grey and colour images. Masks are
// refused: lossy compression invents label values.
#include <limits.h>
#include <string.h>
#include <turbojpeg.h>

#include "core/alloc.h"
#include "core/file.h"
#include "data/format.h"

#define MAX_FILE_BYTES ((size_t)1 << 30)

typedef struct decoder {
    genseg_context *context;
    tjhandle handle;
    uint8_t *file;
    size_t size;
    int width;
    int height;
    int channels; // 1 or 3
} decoder;

static bool recognise(const uint8_t *head, size_t size)
{
    return size >= 3 && head[0] == 0xff && head[1] == 0xd8 && head[2] == 0xff;
}

static void decoder_free(decoder *my)
{
    if (my->handle)
        tjDestroy(my->handle);
    gsg_free(my->context, my->file);
}

static genseg_status open_jpeg(decoder *my, genseg_context *context, const char *path, gsg_error *err)
{
    memset(my, 0, sizeof *my);
    my->context = context;
    genseg_status status = gsg_file_read(context, path, MAX_FILE_BYTES, &my->file, &my->size, err);
    if (status != GENSEG_OK)
        return status;
    my->handle = tjInitDecompress();
    if (!my->handle)
        return gsg_error_nomem(err, 1 << 10);
    int sampling = 0, colours = 0;
    if (tjDecompressHeader3(my->handle, my->file, my->size, &my->width, &my->height, &sampling, &colours) != 0)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s", tjGetErrorStr2(my->handle));
    if (my->width < 1 || my->height < 1)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "damaged or truncated: there is no image in it");
    if (colours == TJCS_CMYK || colours == TJCS_YCCK)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "has CMYK colours: save it as RGB");
    my->channels = colours == TJCS_GRAY ? 1 : 3;
    return GENSEG_OK;
}

static genseg_status read_header(const gsg_location *at, gsg_source *source, gsg_error *err)
{
    decoder my;
    genseg_status status = open_jpeg(&my, source->context, at->path, err);
    if (status == GENSEG_OK) {
        source->ndim = 2;
        source->channels = my.channels;
        source->size[0] = 1;
        source->size[1] = my.height;
        source->size[2] = my.width;
    }
    decoder_free(&my);
    return status;
}

static genseg_status read_image(const gsg_location *at, const gsg_source *source, float *dst, gsg_error *err)
{
    decoder my;
    uint8_t *pixels = NULL;
    genseg_status status = GENSEG_OK;
    GSG_TRY(open_jpeg(&my, source->context, at->path, err));
    if (my.height != source->size[1] || my.width != source->size[2] || my.channels != source->channels) {
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "the file has changed since it was opened");
        goto done;
    }
    size_t count = (size_t)my.width * (size_t)my.height, bytes = count * (size_t)my.channels;
    pixels = gsg_alloc(my.context, bytes, 1);
    if (!pixels) {
        status = gsg_error_nomem(err, bytes);
        goto done;
    }
    // A cut file is only worth a warning to the library, which fills the rest with grey.
    if (tjDecompress2(my.handle, my.file, my.size, pixels, my.width, 0, my.height,
                      my.channels == 3 ? TJPF_RGB : TJPF_GRAY, TJFLAG_ACCURATEDCT) != 0) {
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "damaged or truncated: %s", tjGetErrorStr2(my.handle));
        goto done;
    }
    for (size_t i = 0; i < count; i++)
        for (int channel = 0; channel < my.channels; channel++)
            dst[(size_t)channel * count + i] = pixels[i * (size_t)my.channels + (size_t)channel];
done:
    gsg_free(source->context, pixels);
    decoder_free(&my);
    return status;
}

static const char *const extensions[] = {".jpg", ".jpeg", NULL};

const gsg_format gsg_format_jpeg = {
    .name = "JPEG",
    .extensions = extensions,
    .recognise = recognise,
    .read_header = read_header,
    .read_image = read_image,
};
