// Where an image comes from, and what is needed to write a label map back on
// the same grid: format, sizes, geometry, and for NIfTI the header itself.
#ifndef GSG_DATA_SOURCE_H
#define GSG_DATA_SOURCE_H

#include "data/volume.h"

struct gsg_format; // data/format.h

typedef struct gsg_source {
    genseg_context *context;
    const struct gsg_format *format;
    int32_t ndim; // spatial dimensions, 2 or 3
    int32_t channels;
    int64_t size[3]; // D, H, W; D is 1 in 2-D
    gsg_geometry geometry;
    double form_distance; // NIfTI with sform and qform: voxels between the two at the worst corner, else 0
    const char *note;     // what is doubtful about the geometry (static text), or NULL
    uint8_t *header;      // NIfTI-1 header in host byte order and its extensions, or NULL
    size_t header_size;
} gsg_source;

void gsg_source_init(gsg_source *source, genseg_context *context);
void gsg_source_free(gsg_source *source); // frees the header, zeroes the rest

// Reads one loose image file (not one of a dataset) and what writing on its grid
// takes; `label` of the volume stays NULL. NUMERIC where a voxel is NaN or Inf.
// Free both results.
genseg_status gsg_image_read(genseg_context *context, const char *path, gsg_volume *volume, gsg_source *source,
                             gsg_error *err);

// The same for a label map: values as stored, dense D x H x W, owned by the caller (gsg_free()). UNSUPPORTED where the
// format holds no label maps.
genseg_status gsg_label_read(genseg_context *context, const char *path, int32_t **label, gsg_source *source,
                             gsg_error *err);

// Only the header: sizes and geometry, to plan memory before reading.
genseg_status gsg_source_read(genseg_context *context, const char *path, gsg_source *source, gsg_error *err);

// Ends of the names of files written for this source: ".nii.gz", ".png" or ".h5".
const char *gsg_source_label_extension(const gsg_source *source);
const char *gsg_source_probability_extension(const gsg_source *source);

// Writes label values (not classes) on the grid of `reference`, atomically, with
// the smallest integer type that holds them. `label` is (H, W) or (D, H, W), any
// integer dtype and strides. The format follows the name's extension.
genseg_status gsg_label_write(genseg_context *context, const char *path, const genseg_array *label,
                              const gsg_source *reference, gsg_error *err);

// Writes probabilities (K, H, W) or (K, D, H, W) as float32 NIfTI with the
// classes in the 4th dimension, atomically.
genseg_status gsg_probability_write(genseg_context *context, const char *path, const genseg_array *probability,
                                    const gsg_source *reference, gsg_error *err);

// Writes an image, channels first, on the grid of `reference`, atomically: .nii and .nii.gz as float32, channels in the
// 4th dimension where there are several; .png with 8 bits (2-D; 1 or 3 channels), low..high becoming 0..255.
genseg_status gsg_image_write(genseg_context *context, const char *path, float *image, int32_t channels, double low,
                              double high, const gsg_source *reference, gsg_error *err);

// Writes 8-bit RGB pixels (H, W, 3), dense, as PNG, atomically.
genseg_status gsg_picture_write(genseg_context *context, const char *path, const uint8_t *pixels, int64_t height,
                                int64_t width, gsg_error *err);

#endif
