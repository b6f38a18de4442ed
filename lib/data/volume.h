// One image with, mostly, its label map, in memory: dense, channels first,
// (C, D, H, W); D is 1 in 2-D. The affine maps voxel (i, j, k) = (w, h, d) to
// RAS+ millimetres (row major, as nibabel prints it).
#ifndef GSG_DATA_VOLUME_H
#define GSG_DATA_VOLUME_H

#include "core/context.h"

typedef struct gsg_geometry {
    double affine[16];
    double spacing[3];    // D, H, W in millimetres, from the affine; 1 where unknown
    int32_t affine_known; // 0: the source had neither affine nor spacing
    int32_t reserved;
} gsg_geometry;

typedef struct gsg_volume {
    genseg_context *context;
    int32_t ndim;     // spatial dimensions, 2 or 3
    int32_t channels; // of the image
    int64_t size[3];  // D, H, W
    gsg_geometry geometry;
    float *image;   // channels * D * H * W values, or NULL
    int32_t *label; // D * H * W classes 0..K-1 (or raw values before the label table), or NULL
} gsg_volume;

// Zeroes `volume` and takes a reference-free note of the context.
void gsg_volume_init(gsg_volume *volume, genseg_context *context);
void gsg_volume_free(gsg_volume *volume);           // frees image and label, zeroes the rest
// What gsg_volume_set_image() refuses before it looks at voxels.
genseg_status gsg_volume_check_image(const genseg_array *image, int32_t channels, const double *affine,
                                     const char *name, gsg_error *err);
// Fills an initialised volume with a dense float copy of a host array: (H, W) or (D, H, W), with
// the channels before them where `channels` > 0. affine: 16 values or NULL. Messages begin with `name`.
// INVALID, SHAPE, NUMERIC (NaN or Inf, with its place), NOMEM; the volume is then to be freed.
genseg_status gsg_volume_set_image(gsg_volume *volume, const genseg_array *image, int32_t channels,
                                   const double *affine, const char *name, gsg_error *err);
int64_t gsg_volume_count(const gsg_volume *volume); // D * H * W
void gsg_geometry_identity(gsg_geometry *geometry);
// Sets affine and derives the spacing from the lengths of its columns.
void gsg_geometry_set_affine(gsg_geometry *geometry, const double affine[16]);
void gsg_geometry_set_spacing(gsg_geometry *geometry, const double spacing[3]);
// Largest distance, in voxels of `a`, between corresponding corners of the two grids.
double gsg_geometry_distance(const gsg_geometry *a, const gsg_geometry *b, const int64_t size[3]);

#endif
