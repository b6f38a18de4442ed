// Volumes in memory and the geometry of their grids.
#include "data/volume.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"
#include "data/format.h"
#include "tensor/array.h"

void gsg_volume_init(gsg_volume *volume, genseg_context *context)
{
    memset(volume, 0, sizeof *volume);
    volume->context = context;
    gsg_geometry_identity(&volume->geometry);
}

void gsg_volume_free(gsg_volume *volume)
{
    if (volume->context) {
        gsg_free(volume->context, volume->image);
        gsg_free(volume->context, volume->label);
    }
    memset(volume, 0, sizeof *volume);
}

genseg_status gsg_volume_check_image(const genseg_array *image, int32_t channels, const double *affine,
                                     const char *name, gsg_error *err)
{
    genseg_status status = gsg_array_check(image, "image", err);
    if (status != GENSEG_OK)
        return gsg_error_prefix(err, status, name);
    const int32_t ndim = image->ndim - (channels > 0);
    if (ndim != 2 && ndim != 3)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: image has %d dimensions with channels = %d", name,
                             image->ndim, channels);
    if (channels > 0 && image->shape[0] != channels)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s: shape[0] is %lld, channels is %d", name,
                             (long long)image->shape[0], channels);
    for (int i = 0; affine && i < 16; i++)
        if (!isfinite(affine[i]))
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: affine[%d] is not finite", name, i);
    return GENSEG_OK;
}

genseg_status gsg_volume_set_image(gsg_volume *volume, const genseg_array *image, int32_t channels,
                                   const double *affine, const char *name, gsg_error *err)
{
    genseg_status status = gsg_volume_check_image(image, channels, affine, name, err);
    if (status != GENSEG_OK)
        return status;
    const int32_t lead = channels > 0;
    volume->ndim = image->ndim - lead;
    volume->channels = lead ? channels : 1;
    volume->size[0] = 1;
    for (int32_t axis = 0; axis < volume->ndim; axis++)
        volume->size[3 - volume->ndim + axis] = image->shape[lead + axis];
    if (affine)
        gsg_geometry_set_affine(&volume->geometry, affine);
    const int64_t voxels = gsg_volume_count(volume), count = voxels * volume->channels;
    volume->image = gsg_alloc(volume->context, (size_t)count, sizeof *volume->image);
    if (!volume->image)
        return gsg_error_nomem(err, (size_t)count * sizeof *volume->image);
    gsg_array_to_float(image, volume->image);
    for (int64_t i = 0; i < count; i++) {
        char where[GSG_VOXEL_TEXT_SIZE];
        if (!isfinite(volume->image[i]))
            return gsg_error_set(err, GENSEG_ERROR_NUMERIC, "%s: %s at voxel %s", name,
                                 isnan(volume->image[i]) ? "NaN" : "Inf",
                                 gsg_voxel_text(i % voxels, volume->size, where));
    }
    return GENSEG_OK;
}

int64_t gsg_volume_count(const gsg_volume *volume)
{
    return volume->size[0] * volume->size[1] * volume->size[2];
}

void gsg_geometry_identity(gsg_geometry *geometry)
{
    memset(geometry, 0, sizeof *geometry);
    for (int i = 0; i < 4; i++)
        geometry->affine[5 * i] = 1.0;
    for (int i = 0; i < 3; i++)
        geometry->spacing[i] = 1.0;
}

void gsg_geometry_set_affine(gsg_geometry *geometry, const double affine[16])
{
    memmove(geometry->affine, affine, sizeof geometry->affine);
    for (int column = 0; column < 3; column++) {
        double x = affine[column], y = affine[4 + column], z = affine[8 + column];
        double length = sqrt(x * x + y * y + z * z);
        // Column 0 belongs to i, the last axis of the array.
        geometry->spacing[2 - column] = isfinite(length) && length > 0.0 ? length : 1.0;
    }
    geometry->affine_known = 1;
}

void gsg_geometry_set_spacing(gsg_geometry *geometry, const double spacing[3])
{
    double kept[3] = {spacing[0], spacing[1], spacing[2]};
    memset(geometry->affine, 0, sizeof geometry->affine);
    for (int i = 0; i < 3; i++) {
        geometry->affine[5 * i] = kept[2 - i];
        geometry->spacing[i] = kept[i];
    }
    geometry->affine[15] = 1.0;
    geometry->affine_known = 1;
}

// Solves the 3x3 part of `affine` for `offset` by Cramer's rule: millimetres to
// voxels. False where the affine is singular.
static bool to_voxels(const double affine[16], const double offset[3], double voxels[3])
{
    const double *m = affine;
    double c0 = m[5] * m[10] - m[6] * m[9];
    double c1 = m[6] * m[8] - m[4] * m[10];
    double c2 = m[4] * m[9] - m[5] * m[8];
    double determinant = m[0] * c0 + m[1] * c1 + m[2] * c2;
    if (!isfinite(determinant) || determinant == 0.0)
        return false;
    double x = offset[0], y = offset[1], z = offset[2];
    voxels[0] = (c0 * x + (m[2] * m[9] - m[1] * m[10]) * y + (m[1] * m[6] - m[2] * m[5]) * z) / determinant;
    voxels[1] = (c1 * x + (m[0] * m[10] - m[2] * m[8]) * y + (m[2] * m[4] - m[0] * m[6]) * z) / determinant;
    voxels[2] = (c2 * x + (m[1] * m[8] - m[0] * m[9]) * y + (m[0] * m[5] - m[1] * m[4]) * z) / determinant;
    return true;
}

double gsg_geometry_distance(const gsg_geometry *a, const gsg_geometry *b, const int64_t size[3])
{
    double worst = 0.0;
    for (int corner = 0; corner < 8; corner++) {
        double index[3], offset[3], voxels[3];
        for (int axis = 0; axis < 3; axis++)
            index[axis] = (corner >> axis) & 1 ? (double)(size[2 - axis] - 1) : 0.0;
        for (int row = 0; row < 3; row++) {
            const double *p = a->affine + 4 * row, *q = b->affine + 4 * row;
            offset[row] = (p[0] - q[0]) * index[0] + (p[1] - q[1]) * index[1] + (p[2] - q[2]) * index[2] + p[3] - q[3];
        }
        if (!to_voxels(a->affine, offset, voxels))
            return INFINITY;
        double distance = sqrt(voxels[0] * voxels[0] + voxels[1] * voxels[1] + voxels[2] * voxels[2]);
        if (!isfinite(distance))
            return INFINITY;
        worst = fmax(worst, distance);
    }
    return worst;
}
