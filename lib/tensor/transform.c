// Composition of a spatial transform (tensor/transform.h): matrix = scale * rotations *
// shear in millimetres, turned into voxels by the spacing. A derivative is the same
// product with one factor replaced by its own derivative.
#include "tensor/transform.h"

#include <math.h>
#include <string.h>

// Slices this much thicker than the pixels are not mixed with each other.
#define ANISOTROPIC_FROM 3.0

void gsg_transform_identity(gsg_transform *transform)
{
    memset(transform, 0, sizeof *transform);
    for (int32_t a = 0; a < 3; a++)
        transform->spacing[a] = transform->step[a] = 1;
}

void gsg_transform_mixes(const double spacing[3], const int64_t size[3], int32_t mixes[3])
{
    int32_t coarse = 0;
    double largest = 0, smallest = INFINITY;
    for (int32_t a = 0; a < 3; a++) {
        mixes[a] = size[a] > 1;
        if (size[a] > 1 && spacing[a] > largest) {
            largest = spacing[a];
            coarse = a;
        }
        smallest = size[a] > 1 ? fmin(smallest, spacing[a]) : smallest;
    }
    if (mixes[0] && mixes[1] && mixes[2] && largest > ANISOTROPIC_FROM * smallest)
        mixes[coarse] = 0;
}

static void multiply(double a[9], const double b[9])
{
    double product[9];
    for (int32_t r = 0; r < 3; r++)
        for (int32_t c = 0; c < 3; c++)
            product[3 * r + c] = a[3 * r] * b[c] + a[3 * r + 1] * b[3 + c] + a[3 * r + 2] * b[6 + c];
    memcpy(a, product, sizeof product);
}

// Rotation about the axis whose plane is p, q, or its derivative by the angle.
static void rotation_of(double angle, int32_t p, int32_t q, int32_t derive, double rotation[9])
{
    double c = derive ? -sin(angle) : cos(angle), s = derive ? cos(angle) : sin(angle);
    memset(rotation, 0, 9 * sizeof *rotation);
    for (int32_t a = 0; a < 3; a++)
        rotation[4 * a] = derive ? 0 : 1;
    rotation[4 * p] = rotation[4 * q] = c;
    rotation[3 * p + q] = -s;
    rotation[3 * q + p] = s;
}

void gsg_transform_matrix(const gsg_transform *t, int32_t derivative, double matrix[9])
{
    static const int32_t rows[3] = {1, 0, 0}, columns[3] = {2, 1, 2};
    int32_t depends = derivative == GSG_TRANSFORM_NONE; // on what it is differentiated by
    memset(matrix, 0, 9 * sizeof *matrix);
    for (int32_t a = 0; a < 3; a++)
        if (derivative < GSG_TRANSFORM_STEP || derivative >= GSG_TRANSFORM_ANGLE) {
            matrix[4 * a] = t->mixes[a] ? t->step[a] : 1;
        } else if (derivative == GSG_TRANSFORM_STEP + a) {
            matrix[4 * a] = 1;
            depends = t->mixes[a];
        }
    for (int32_t a = 0; a < 3; a++) {
        int32_t p = (a + 1) % 3, q = (a + 2) % 3, derive = derivative == GSG_TRANSFORM_ANGLE + a;
        if (!t->mixes[p] || !t->mixes[q])
            continue;
        double rotation[9];
        rotation_of(t->angle[a], p, q, derive, rotation);
        multiply(matrix, rotation);
        depends = depends || derive;
    }
    double shear[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    for (int32_t s = 0; s < 3; s++) {
        if (!t->mixes[rows[s]] || !t->mixes[columns[s]])
            continue;
        shear[3 * rows[s] + columns[s]] = t->shear[s];
        depends = depends || derivative == GSG_TRANSFORM_SHEAR + s;
    }
    if (derivative >= GSG_TRANSFORM_SHEAR) {
        memset(shear, 0, sizeof shear);
        shear[3 * rows[derivative - GSG_TRANSFORM_SHEAR] + columns[derivative - GSG_TRANSFORM_SHEAR]] = 1;
    }
    multiply(matrix, shear);
    for (int32_t r = 0; r < 3; r++)
        for (int32_t c = 0; c < 3; c++) {
            matrix[3 * r + c] *= r == c ? 1 : t->spacing[c] / t->spacing[r];
            if (t->flip[c])
                matrix[3 * r + c] = -matrix[3 * r + c];
            if (!depends)
                matrix[3 * r + c] = 0;
        }
}

// An axis of one voxel takes one control point whole, so that the deviation stays what it was.
int32_t gsg_spline_basis(int64_t place, int64_t size, float weight[4])
{
    if (size == 1) {
        weight[0] = 1;
        weight[1] = weight[2] = weight[3] = 0;
        return 0;
    }
    double at = ((double)place + 0.5) * GSG_SPLINE_INTERVALS / (double)size;
    int32_t from = (int32_t)at;
    double t = at - from, s = 1 - t;
    weight[0] = (float)(s * s * s / 6);
    weight[1] = (float)((3 * t * t * t - 6 * t * t + 4) / 6);
    weight[2] = (float)((3 * s * s * s - 6 * s * s + 4) / 6);
    weight[3] = (float)(t * t * t / 6);
    return from;
}
