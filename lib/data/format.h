// File formats behind one table each: PNG, JPEG, NIfTI-1, HDF5. A format knows
// how to read voxels as float32 or as integer label values, and, where it can,
// how to write a label map. Messages carry no path: the callers here prefix it.
#ifndef GSG_DATA_FORMAT_H
#define GSG_DATA_FORMAT_H

#include <stdbool.h>

#include "data/source.h"

// A place in a file. `entry` is the HDF5 dataset, `plane` its index along the
// stack axis n (-1: no stack), `axes` what its dimensions are ("nczyx" or a part
// of it; "": to be found out); the other formats use none of these.
typedef struct gsg_location {
    char *path;
    char *entry;
    int64_t plane;
    char axes[8];
} gsg_location;

// Bytes that recognise() may look at, decompressed where the file is gzip.
#define GSG_FORMAT_HEAD 16

typedef struct gsg_format {
    const char *name;
    const char *const *extensions; // NULL-terminated
    bool (*recognise)(const uint8_t *head, size_t size);
    // Checks the header against the file's size. `source` is initialised by the caller,
    // who frees it also where this fails.
    genseg_status (*read_header)(const gsg_location *at, gsg_source *source, gsg_error *err);
    // dst: channels * D * H * W values, as the file scales them; not checked for NaN.
    genseg_status (*read_image)(const gsg_location *at, const gsg_source *source, float *dst, gsg_error *err);
    // dst: D * H * W values. FORMAT where one is no integer. NULL: the format can't hold labels.
    genseg_status (*read_label)(const gsg_location *at, const gsg_source *source, int32_t *dst, gsg_error *err);
    // `label` is dense (D, H, W), its values lie in low..high. NULL: not written.
    genseg_status (*write_label)(genseg_context *context, const char *path, const genseg_array *label, int64_t low,
                                 int64_t high, const gsg_source *reference, gsg_error *err);
} gsg_format;

extern const gsg_format gsg_format_hdf5;
extern const gsg_format gsg_format_jpeg;
extern const gsg_format gsg_format_nifti;
extern const gsg_format gsg_format_png;

// The format that a name's extension stands for, or NULL.
const gsg_format *gsg_format_named(const char *path);
// Looks at extension and first bytes. FORMAT where they contradict each other
// ("is no PNG file"), UNSUPPORTED where the extension is unknown, IO.
genseg_status gsg_format_find(const char *path, const gsg_format **format, gsg_error *err);

// As the functions of the table, with path and entry before the message.
// Reading an image refuses NaN and Inf with place and number.
genseg_status gsg_format_read_header(const gsg_format *format, const gsg_location *at, gsg_source *source,
                                     gsg_error *err);
genseg_status gsg_format_read_image(const gsg_source *source, const gsg_location *at, float *dst, gsg_error *err);
genseg_status gsg_format_read_label(const gsg_source *source, const gsg_location *at, int32_t *dst, gsg_error *err);

// Puts the path before a message that does not begin with it (core/file.h names
// its files itself). Returns `status`.
genseg_status gsg_format_name_path(gsg_error *err, genseg_status status, const char *path);

// Stored elements of a dtype to float32 or to label values: value * slope + inter.
// Labels: FORMAT where a value is farther than 1e-3 from an integer or beyond
// int32; `first` is the index of src[0] in the volume of `size`, for the message.
void gsg_decode_image(const void *src, int32_t dtype, int64_t count, double slope, double inter, float *dst);
genseg_status gsg_decode_label(const void *src, int32_t dtype, int64_t count, double slope, double inter, int64_t first,
                               const int64_t size[3], int32_t *dst, gsg_error *err);

// Smallest integer dtype that holds low..high: unsigned where low >= 0.
int32_t gsg_label_dtype(int64_t low, int64_t high);
// `label` (dense) in `dtype`, which must hold its values: the same data where it
// has that dtype already, else a copy that the caller frees.
genseg_status gsg_label_narrow(genseg_context *context, const genseg_array *label, int32_t dtype, genseg_array *narrow,
                               gsg_error *err);

#define GSG_VOXEL_TEXT_SIZE 80
// "i=3 j=2 k=1" of an index into (D, H, W) voxels; "i=3 j=2" in 2-D.
const char *gsg_voxel_text(int64_t index, const int64_t size[3], char buffer[GSG_VOXEL_TEXT_SIZE]);

// NIfTI: `stored` is dense; 4-D with `classes` > 0. Exported for probabilities.
genseg_status gsg_nifti_write(genseg_context *context, const char *path, const genseg_array *stored, int64_t classes,
                              const gsg_source *reference, gsg_error *err);

// PNG: 8-bit pixels (H, W, channels), dense, 1 or 3 channels.
genseg_status gsg_png_write(genseg_context *context, const char *path, const uint8_t *pixels, int64_t height,
                            int64_t width, int32_t channels, gsg_error *err);

#endif
