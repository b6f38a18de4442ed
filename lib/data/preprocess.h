// From an image as it was read to the grid and intensities that a network works
// on. The struct is plain data and goes into the model file, so that prediction
// repeats exactly what training did.
#ifndef GSG_DATA_PREPROCESS_H
#define GSG_DATA_PREPROCESS_H

#include "data/normalise.h"
#include "data/volume.h"

// Which grid the network works on. Stored in model files: never renumber.
enum {
    GSG_SCALE_NATIVE = 1,  // the image's own
    GSG_SCALE_SPACING = 2, // resampled to `spacing`; images without a known spacing stay native
    GSG_SCALE_RESIZE = 3   // every image resized to exactly `size`
};

typedef struct gsg_preprocess {
    int32_t ndim;      // 2 or 3
    int32_t channels;  // of the image
    int32_t normalise; // a GSG_NORMALISE_* value
    int32_t scale;     // a GSG_SCALE_* value
    int64_t size[3];   // D, H, W of the network's input: the patch, or the whole with RESIZE; D is 1 in 2-D
    double spacing[3]; // D, H, W in millimetres, of the working grid with SPACING; else for the record
} gsg_preprocess;

// Ranges of all fields; INVALID names the field. For structs read from a file.
genseg_status gsg_preprocess_check(const gsg_preprocess *preprocess, gsg_error *err);

// Grid on which the network sees `volume` (only its size, ndim, geometry are used).
void gsg_preprocess_working_size(const gsg_preprocess *preprocess, const gsg_volume *volume, int64_t size[3]);

// Makes the working volume: resampled, normalised image; nearest label where src
// has one; geometry of the working grid. dst is initialised by the call and the
// caller's to free; it is left alone on error. SHAPE where ndim or channels
// are not the network's.
genseg_status gsg_preprocess_image(genseg_context *context, const gsg_preprocess *preprocess, const gsg_volume *src,
                                   gsg_volume *dst, gsg_error *err);

// Geometry of the grid of `dst_size` that covers the extent of `src` with `src_size`.
void gsg_geometry_resize(const gsg_geometry *src, const int64_t src_size[3], const int64_t dst_size[3],
                         gsg_geometry *dst);

// What planning knows of a training case.
typedef struct gsg_case_extent {
    int64_t size[3];   // D, H, W
    double spacing[3]; // D, H, W
} gsg_case_extent;

typedef struct gsg_preprocess_options {
    int32_t ndim;
    int32_t channels;
    int32_t normalise; // 0: PERCENTILE
    int32_t multiple;  // the network's sizes must be divisible by it on axes longer than 1
    int64_t size[3];   // wanted input size, D, H, W; 0 0 0: chosen from the cases
} gsg_preprocess_options;

// Chooses the defaults from the training cases. 3-D: SPACING at the median
// spacing where spacings differ by more than 2 % between cases, else NATIVE. 2-D: RESIZE
// where `size` differs from any image's, else NATIVE. A size left open becomes
// the median image (on the working grid) rounded up to the multiple, at most
// 256 x 256 in 2-D and about 96 x 96 x 96 voxels in 3-D. INVALID where a wanted size is no multiple.
genseg_status gsg_preprocess_plan(genseg_context *context, const gsg_preprocess_options *options,
                                  const gsg_case_extent *cases, int64_t count, gsg_preprocess *preprocess,
                                  gsg_error *err);

#endif
