// Which format a file has, and what all formats share: decoding stored elements,
// the refusal of NaN, and reading or writing loose files.
#include "data/format.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/text.h"
#include "tensor/array.h"

static const gsg_format *const formats[] = {&gsg_format_nifti, &gsg_format_png, &gsg_format_jpeg, &gsg_format_hdf5};
#define FORMAT_COUNT (sizeof formats / sizeof formats[0])

const gsg_format *gsg_format_named(const char *path)
{
    for (size_t f = 0; f < FORMAT_COUNT; f++)
        for (const char *const *extension = formats[f]->extensions; *extension; extension++)
            if (gsg_text_ends(path, *extension))
                return formats[f];
    return NULL;
}

// First bytes of a file, behind gzip where it is compressed.
static genseg_status read_head(const char *path, uint8_t head[GSG_FORMAT_HEAD], size_t *size, gsg_error *err)
{
    gsg_file_kind kind = gsg_file_probe(path, NULL);
    if (kind == GSG_FILE_NONE)
        return gsg_error_set(err, GENSEG_ERROR_IO, "%s: no such file", path);
    if (kind != GSG_FILE_REGULAR)
        return gsg_error_set(err, GENSEG_ERROR_IO, "%s: is no regular file", path);
    gzFile file = gzopen(path, "rb");
    if (!file)
        return gsg_error_set(err, GENSEG_ERROR_IO, "%s: %s", path, gsg_error_system(errno));
    int got = gzread(file, head, GSG_FORMAT_HEAD);
    gzclose(file);
    *size = got > 0 ? (size_t)got : 0;
    return GENSEG_OK;
}

genseg_status gsg_format_find(const char *path, const gsg_format **format, gsg_error *err)
{
    uint8_t head[GSG_FORMAT_HEAD] = {0};
    size_t size = 0;
    genseg_status status = read_head(path, head, &size, err);
    if (status != GENSEG_OK)
        return status;
    const gsg_format *named = gsg_format_named(path);
    if (!named)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED,
                             "%s: not a format that is read here (.nii, .nii.gz, .hdr, .png, .jpg, .h5)", path);
    if (size == 0)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: the file is empty or damaged", path);
    if (named->recognise(head, size)) {
        *format = named;
        return GENSEG_OK;
    }
    // A picture under the name of another picture format is harmless.
    for (size_t f = 0; f < FORMAT_COUNT; f++)
        if (formats[f] != &gsg_format_nifti && formats[f]->recognise(head, size)) {
            *format = formats[f];
            return GENSEG_OK;
        }
    char hex[3 * 8 + 1] = "";
    for (size_t i = 0; i < 8 && i < size; i++)
        snprintf(hex + 3 * i, 4, " %02x", head[i]);
    return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: is no %s file (it begins with%s)", path, named->name, hex);
}

genseg_status gsg_format_name_path(gsg_error *err, genseg_status status, const char *path)
{
    if (status == GENSEG_OK || !err || strncmp(err->message, path, strlen(path)) == 0)
        return status;
    return gsg_error_prefix(err, status, path);
}

static genseg_status name_place(gsg_error *err, genseg_status status, const gsg_location *at)
{
    if (status != GENSEG_OK && at->entry)
        gsg_error_prefix(err, status, at->entry);
    return gsg_format_name_path(err, status, at->path);
}

genseg_status gsg_format_read_header(const gsg_format *format, const gsg_location *at, gsg_source *source,
                                     gsg_error *err)
{
    source->format = format;
    return name_place(err, format->read_header(at, source, err), at);
}

static genseg_status check_finite(const float *values, const gsg_source *source, gsg_error *err)
{
    int64_t voxels = source->size[0] * source->size[1] * source->size[2];
    int64_t count = voxels * source->channels, bad = 0, first = 0;
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i]) && bad++ == 0)
            first = i;
    if (bad == 0)
        return GENSEG_OK;
    char where[GSG_VOXEL_TEXT_SIZE];
    return gsg_error_set(err, GENSEG_ERROR_NUMERIC, "%lld of %lld voxels are NaN or Inf, the first (%s) at %s",
                         (long long)bad, (long long)count, isnan(values[first]) ? "NaN" : "Inf",
                         gsg_voxel_text(first % voxels, source->size, where));
}

genseg_status gsg_format_read_image(const gsg_source *source, const gsg_location *at, float *dst, gsg_error *err)
{
    genseg_status status = source->format->read_image(at, source, dst, err);
    if (status == GENSEG_OK)
        status = check_finite(dst, source, err);
    return name_place(err, status, at);
}

genseg_status gsg_format_read_label(const gsg_source *source, const gsg_location *at, int32_t *dst, gsg_error *err)
{
    if (!source->format->read_label) {
        genseg_status status =
            gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED,
                          "%s loses label values by compression: save the mask as PNG or NIfTI", source->format->name);
        return name_place(err, status, at);
    }
    return name_place(err, source->format->read_label(at, source, dst, err), at);
}

const char *gsg_voxel_text(int64_t index, const int64_t size[3], char buffer[GSG_VOXEL_TEXT_SIZE])
{
    long long i = index % size[2], j = index / size[2] % size[1], k = index / (size[2] * size[1]);
    if (size[0] == 1)
        snprintf(buffer, GSG_VOXEL_TEXT_SIZE, "i=%lld j=%lld", i, j);
    else
        snprintf(buffer, GSG_VOXEL_TEXT_SIZE, "i=%lld j=%lld k=%lld", i, j, k);
    return buffer;
}

#define DECODE_IMAGE(type)                                                                                             \
    do {                                                                                                               \
        const type *from = src;                                                                                        \
        for (int64_t i = 0; i < count; i++)                                                                            \
            dst[i] = (float)((double)from[i] * slope + inter);                                                         \
    } while (0)

void gsg_decode_image(const void *src, int32_t dtype, int64_t count, double slope, double inter, float *dst)
{
    switch (dtype) {
    case GENSEG_DTYPE_UINT8:
        DECODE_IMAGE(uint8_t);
        break;
    case GENSEG_DTYPE_INT8:
        DECODE_IMAGE(int8_t);
        break;
    case GENSEG_DTYPE_UINT16:
        DECODE_IMAGE(uint16_t);
        break;
    case GENSEG_DTYPE_INT16:
        DECODE_IMAGE(int16_t);
        break;
    case GENSEG_DTYPE_UINT32:
        DECODE_IMAGE(uint32_t);
        break;
    case GENSEG_DTYPE_INT32:
        DECODE_IMAGE(int32_t);
        break;
    case GENSEG_DTYPE_UINT64:
        DECODE_IMAGE(uint64_t);
        break;
    case GENSEG_DTYPE_INT64:
        DECODE_IMAGE(int64_t);
        break;
    case GENSEG_DTYPE_FLOAT32:
        DECODE_IMAGE(float);
        break;
    case GENSEG_DTYPE_FLOAT64:
        DECODE_IMAGE(double);
        break;
    default:
        break;
    }
}

// Most that a label may be off from an integer: rounding of a float file, not a probability.
#define LABEL_TOLERANCE 1e-3

// Stops at the first value that is no label and returns its index, else `count`.
#define DECODE_LABEL(type)                                                                                             \
    do {                                                                                                               \
        const type *from = src;                                                                                        \
        for (int64_t i = 0; i < count; i++) {                                                                          \
            double value = (double)from[i] * slope + inter;                                                            \
            double nearest = rint(value);                                                                              \
            if (!(fabs(value - nearest) <= LABEL_TOLERANCE) || nearest < INT32_MIN || nearest > INT32_MAX) {           \
                *offender = value;                                                                                     \
                return i;                                                                                              \
            }                                                                                                          \
            dst[i] = (int32_t)nearest;                                                                                 \
        }                                                                                                              \
        return count;                                                                                                  \
    } while (0)

static int64_t decode_label(const void *src, int32_t dtype, int64_t count, double slope, double inter, int32_t *dst,
                            double *offender)
{
    switch (dtype) {
    case GENSEG_DTYPE_UINT8:
        DECODE_LABEL(uint8_t);
    case GENSEG_DTYPE_INT8:
        DECODE_LABEL(int8_t);
    case GENSEG_DTYPE_UINT16:
        DECODE_LABEL(uint16_t);
    case GENSEG_DTYPE_INT16:
        DECODE_LABEL(int16_t);
    case GENSEG_DTYPE_UINT32:
        DECODE_LABEL(uint32_t);
    case GENSEG_DTYPE_INT32:
        DECODE_LABEL(int32_t);
    case GENSEG_DTYPE_UINT64:
        DECODE_LABEL(uint64_t);
    case GENSEG_DTYPE_INT64:
        DECODE_LABEL(int64_t);
    case GENSEG_DTYPE_FLOAT32:
        DECODE_LABEL(float);
    default:
        DECODE_LABEL(double);
    }
}

genseg_status gsg_decode_label(const void *src, int32_t dtype, int64_t count, double slope, double inter, int64_t first,
                               const int64_t size[3], int32_t *dst, gsg_error *err)
{
    double value = 0.0;
    int64_t done = decode_label(src, dtype, count, slope, inter, dst, &value);
    if (done == count)
        return GENSEG_OK;
    char where[GSG_VOXEL_TEXT_SIZE], number[GSG_TEXT_DOUBLE_SIZE];
    gsg_voxel_text(first + done, size, where);
    gsg_text_from_double(value, number);
    if (isfinite(value) && fabs(value) > INT32_MAX)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "label value %s at %s is beyond 32 bits", number, where);
    return gsg_error_set(err, GENSEG_ERROR_FORMAT, "label value %s at %s is no integer", number, where);
}

int32_t gsg_label_dtype(int64_t low, int64_t high)
{
    if (low >= 0)
        return high <= UINT8_MAX ? GENSEG_DTYPE_UINT8 : high <= UINT16_MAX ? GENSEG_DTYPE_UINT16 : GENSEG_DTYPE_UINT32;
    if (low >= INT8_MIN && high <= INT8_MAX)
        return GENSEG_DTYPE_INT8;
    return low >= INT16_MIN && high <= INT16_MAX ? GENSEG_DTYPE_INT16 : GENSEG_DTYPE_INT32;
}

genseg_status gsg_label_narrow(genseg_context *context, const genseg_array *label, int32_t dtype, genseg_array *narrow,
                               gsg_error *err)
{
    gsg_shape shape = gsg_array_shape(label);
    *narrow = gsg_array_dense(label->data, dtype, shape);
    if (label->dtype == dtype)
        return GENSEG_OK;
    size_t count = (size_t)gsg_shape_count(shape);
    int32_t *wide = label->dtype == GENSEG_DTYPE_INT32 ? label->data : gsg_alloc(context, count, sizeof *wide);
    void *data = gsg_alloc(context, count, gsg_dtype_size(dtype));
    genseg_status status = GENSEG_OK;
    if (!wide || !data)
        status = gsg_error_nomem(err, count * sizeof *wide);
    else if (wide != label->data)
        status = gsg_array_to_int32(label, wide, err);
    if (status == GENSEG_OK) {
        narrow->data = data;
        gsg_array_from_int32(wide, narrow);
    } else {
        gsg_free(context, data);
    }
    if (wide != label->data)
        gsg_free(context, wide);
    return status;
}

void gsg_source_init(gsg_source *source, genseg_context *context)
{
    memset(source, 0, sizeof *source);
    source->context = context;
    gsg_geometry_identity(&source->geometry);
}

void gsg_source_free(gsg_source *source)
{
    if (source->context)
        gsg_free(source->context, source->header);
    memset(source, 0, sizeof *source);
}

genseg_status gsg_source_read(genseg_context *context, const char *path, gsg_source *source, gsg_error *err)
{
    const gsg_format *format = NULL;
    genseg_status status = gsg_format_find(path, &format, err);
    if (status != GENSEG_OK)
        return status;
    gsg_location at = {.path = (char *)path, .plane = -1};
    gsg_source found;
    gsg_source_init(&found, context);
    status = gsg_format_read_header(format, &at, &found, err);
    if (status != GENSEG_OK) {
        gsg_source_free(&found);
        return status;
    }
    *source = found;
    return GENSEG_OK;
}

genseg_status gsg_image_read(genseg_context *context, const char *path, gsg_volume *volume, gsg_source *source,
                             gsg_error *err)
{
    gsg_volume image;
    gsg_source found;
    gsg_volume_init(&image, context);
    genseg_status status = gsg_source_read(context, path, &found, err);
    if (status != GENSEG_OK)
        return status;
    image.ndim = found.ndim;
    image.channels = found.channels;
    memcpy(image.size, found.size, sizeof image.size);
    image.geometry = found.geometry;
    size_t count = (size_t)(gsg_volume_count(&image) * image.channels);
    image.image = gsg_alloc(context, count, sizeof *image.image);
    if (!image.image) {
        status = gsg_error_nomem(err, count * sizeof *image.image);
        goto done;
    }
    gsg_location at = {.path = (char *)path, .plane = -1};
    GSG_TRY(gsg_format_read_image(&found, &at, image.image, err));
done:
    if (status != GENSEG_OK) {
        gsg_volume_free(&image);
        gsg_source_free(&found);
        return status;
    }
    *volume = image;
    *source = found;
    return GENSEG_OK;
}

const char *gsg_source_label_extension(const gsg_source *source)
{
    if (source->format == &gsg_format_png || source->format == &gsg_format_jpeg)
        return ".png";
    return source->format == &gsg_format_hdf5 ? ".h5" : ".nii.gz";
}

const char *gsg_source_probability_extension(const gsg_source *source)
{
    return ".nii.gz";
}

// Least and greatest element of a dense integer array.
#define RANGE(type)                                                                                                    \
    do {                                                                                                               \
        const type *from = label->data;                                                                                \
        type least = from[0], most = from[0];                                                                          \
        for (int64_t i = 1; i < count; i++) {                                                                          \
            least = from[i] < least ? from[i] : least;                                                                 \
            most = from[i] > most ? from[i] : most;                                                                    \
        }                                                                                                              \
        *low = (int64_t)least;                                                                                         \
        *high = (int64_t)most;                                                                                         \
    } while (0)

static void label_range(const genseg_array *label, int64_t count, int64_t *low, int64_t *high)
{
    switch (label->dtype) {
    case GENSEG_DTYPE_UINT8:
        RANGE(uint8_t);
        break;
    case GENSEG_DTYPE_INT8:
        RANGE(int8_t);
        break;
    case GENSEG_DTYPE_UINT16:
        RANGE(uint16_t);
        break;
    case GENSEG_DTYPE_INT16:
        RANGE(int16_t);
        break;
    default:
        RANGE(int32_t);
        break;
    }
}

// Is the array a (D, H, W) or (H, W) map on the grid of `reference`, after
// `leading` axes? The message names both shapes.
static genseg_status check_grid(const genseg_array *array, int32_t leading, const char *name,
                                const gsg_source *reference, gsg_error *err)
{
    genseg_status status = gsg_array_check(array, name, err);
    if (status != GENSEG_OK)
        return status;
    int32_t spatial = array->ndim - leading;
    bool equal = spatial == 3 || (spatial == 2 && reference->size[0] == 1);
    for (int32_t axis = 0; equal && axis < spatial; axis++)
        equal = array->shape[leading + axis] == reference->size[3 - spatial + axis];
    if (equal)
        return GENSEG_OK;
    char shape[GSG_SHAPE_TEXT_SIZE];
    return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s has shape %s, the image's grid is %lldx%lldx%lld", name,
                         gsg_shape_text(gsg_array_shape(array), shape), (long long)reference->size[0],
                         (long long)reference->size[1], (long long)reference->size[2]);
}

static bool is_dense(const genseg_array *array)
{
    int64_t stride = (int64_t)gsg_dtype_size(array->dtype);
    for (int32_t axis = array->ndim - 1; axis >= 0; axis--) {
        if (array->shape[axis] > 1 && array->strides[axis] != stride)
            return false;
        stride *= array->shape[axis];
    }
    return true;
}

genseg_status gsg_label_write(genseg_context *context, const char *path, const genseg_array *label,
                              const gsg_source *reference, gsg_error *err)
{
    int32_t *copy = NULL;
    genseg_array dense = *label;
    genseg_status status = check_grid(label, 0, "label", reference, err);
    if (status != GENSEG_OK)
        return status;
    const gsg_format *format = gsg_format_named(path);
    if (!format || !format->write_label)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "%s: label maps are written as .nii, .nii.gz, .png or .h5",
                             path);
    int64_t count = reference->size[0] * reference->size[1] * reference->size[2];
    bool narrow = label->dtype == GENSEG_DTYPE_UINT8 || label->dtype == GENSEG_DTYPE_INT8 ||
                  label->dtype == GENSEG_DTYPE_UINT16 || label->dtype == GENSEG_DTYPE_INT16 ||
                  label->dtype == GENSEG_DTYPE_INT32;
    if (!narrow || !is_dense(label)) {
        copy = gsg_alloc(context, (size_t)count, sizeof *copy);
        if (!copy)
            return gsg_error_nomem(err, (size_t)count * sizeof *copy);
        GSG_TRY(gsg_array_to_int32(label, copy, err));
        dense.data = copy;
        dense.dtype = GENSEG_DTYPE_INT32;
    }
    dense = gsg_array_dense(dense.data, dense.dtype, gsg_shape_make(3, reference->size));
    int64_t low = 0, high = 0;
    label_range(&dense, count, &low, &high);
    status = format->write_label(context, path, &dense, low, high, reference, err);
done:
    gsg_free(context, copy);
    return gsg_format_name_path(err, status, path);
}

genseg_status gsg_probability_write(genseg_context *context, const char *path, const genseg_array *probability,
                                    const gsg_source *reference, gsg_error *err)
{
    float *copy = NULL;
    genseg_status status = check_grid(probability, 1, "probability", reference, err);
    if (status != GENSEG_OK)
        return status;
    if (gsg_format_named(path) != &gsg_format_nifti || gsg_text_ends(path, ".hdr"))
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "%s: probabilities are written as .nii or .nii.gz", path);
    int64_t dims[4] = {probability->shape[0], reference->size[0], reference->size[1], reference->size[2]};
    gsg_shape shape = gsg_shape_make(4, dims);
    float *values = probability->data;
    if (probability->dtype != GENSEG_DTYPE_FLOAT32 || !is_dense(probability)) {
        size_t count = (size_t)gsg_shape_count(shape);
        copy = gsg_alloc(context, count, sizeof *copy);
        if (!copy)
            return gsg_error_nomem(err, count * sizeof *copy);
        gsg_array_to_float(probability, copy);
        values = copy;
    }
    genseg_array dense = gsg_array_dense(values, GENSEG_DTYPE_FLOAT32, shape);
    status = gsg_nifti_write(context, path, &dense, dims[0], reference, err);
    gsg_free(context, copy);
    return gsg_format_name_path(err, status, path);
}

// Channels apart and low..high to pixels and 0..255.
static genseg_status write_pixels(genseg_context *context, const char *path, const float *image, int32_t channels,
                                  double low, double high, const gsg_source *reference, gsg_error *err)
{
    const int64_t height = reference->size[1], width = reference->size[2], count = height * width;
    if (reference->size[0] != 1 || (channels != 1 && channels != 3))
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "PNG holds no %s: write .nii.gz",
                             reference->size[0] != 1 ? "3-D image" : "image but of 1 or 3 channels");
    uint8_t *pixels = gsg_alloc(context, (size_t)count, (size_t)channels);
    if (!pixels)
        return gsg_error_nomem(err, (size_t)count * (size_t)channels);
    for (int64_t i = 0; i < count * channels; i++) {
        const double level = ((double)image[i % channels * count + i / channels] - low) / (high - low);
        pixels[i] = (uint8_t)lrint(255 * fmin(fmax(level, 0), 1));
    }
    genseg_status status = gsg_png_write(context, path, pixels, height, width, channels, err);
    gsg_free(context, pixels);
    return status;
}

genseg_status gsg_image_write(genseg_context *context, const char *path, float *image, int32_t channels, double low,
                              double high, const gsg_source *reference, gsg_error *err)
{
    genseg_status status;
    const gsg_format *format = gsg_format_named(path);
    if (format == &gsg_format_png) {
        status = write_pixels(context, path, image, channels, low, high, reference, err);
    } else if (format == &gsg_format_nifti && !gsg_text_ends(path, ".hdr") && !gsg_text_ends(path, ".hdr.gz")) {
        const int64_t dims[4] = {channels, reference->size[0], reference->size[1], reference->size[2]};
        const genseg_array array = gsg_array_dense(image, GENSEG_DTYPE_FLOAT32, gsg_shape_make(4, dims));
        status = gsg_nifti_write(context, path, &array, channels > 1 ? channels : 0, reference, err);
    } else {
        status = gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "%s: images are written as .nii, .nii.gz or .png", path);
    }
    return gsg_format_name_path(err, status, path);
}

genseg_status gsg_label_read(genseg_context *context, const char *path, int32_t **label, gsg_source *source,
                             gsg_error *err)
{
    gsg_source found;
    const gsg_location at = {.path = (char *)path, .plane = -1};
    genseg_status status = gsg_source_read(context, path, &found, err);
    if (status != GENSEG_OK)
        return status;
    const size_t count = (size_t)(found.size[0] * found.size[1] * found.size[2]);
    int32_t *values = gsg_alloc(context, count, sizeof *values);
    status = values ? gsg_format_read_label(&found, &at, values, err) : gsg_error_nomem(err, count * sizeof *values);
    if (status != GENSEG_OK) {
        gsg_free(context, values);
        gsg_source_free(&found);
        return status;
    }
    *label = values;
    *source = found;
    return GENSEG_OK;
}
