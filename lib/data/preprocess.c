// From the image as read to the network's grid and intensities, and the plan
// that chooses that grid from the training cases.
#include "data/preprocess.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "data/resample.h"

// Spacings closer than this count as equal: scanners write rounded values.
#define SPACING_TOLERANCE 0.02
#define LARGEST_2D 256
#define LARGEST_3D_VOXELS (96 * 96 * 96)
// A header that claims a spacing of 1e-6 mm must not ask for a grid of petabytes.
#define LARGEST_AXIS 65536

static const char *const axis_names[3] = {"D", "H", "W"};

genseg_status gsg_preprocess_check(const gsg_preprocess *p, gsg_error *err)
{
    if (p->ndim != 2 && p->ndim != 3)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "preprocessing: ndim is %d, not 2 or 3", (int)p->ndim);
    if (p->channels < 1)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "preprocessing: channels is %d", (int)p->channels);
    if (p->normalise < GSG_NORMALISE_PERCENTILE || p->normalise > GSG_NORMALISE_NONE)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "preprocessing: normalisation %d is unknown",
                             (int)p->normalise);
    if (p->scale < GSG_SCALE_NATIVE || p->scale > GSG_SCALE_RESIZE)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "preprocessing: scale mode %d is unknown", (int)p->scale);
    if (p->ndim == 2 && p->size[0] != 1)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "preprocessing: size along D is %lld in 2-D",
                             (long long)p->size[0]);
    for (int32_t a = 0; a < 3; a++) {
        if (p->size[a] < 1 || p->size[a] > LARGEST_AXIS)
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "preprocessing: size along %s is %lld", axis_names[a],
                                 (long long)p->size[a]);
        if (!(p->spacing[a] > 0) || !isfinite(p->spacing[a]))
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "preprocessing: spacing along %s is %g", axis_names[a],
                                 p->spacing[a]);
    }
    return GENSEG_OK;
}

void gsg_preprocess_working_size(const gsg_preprocess *p, const gsg_volume *volume, int64_t size[3])
{
    for (int32_t a = 0; a < 3; a++) {
        size[a] = volume->size[a];
        if (p->scale == GSG_SCALE_RESIZE)
            size[a] = p->size[a];
        else if (p->scale == GSG_SCALE_SPACING && volume->geometry.affine_known && (a > 0 || p->ndim == 3)) {
            double wanted = round((double)volume->size[a] * volume->geometry.spacing[a] / p->spacing[a]);
            size[a] = wanted >= 1 ? (wanted < LARGEST_AXIS ? (int64_t)wanted : LARGEST_AXIS) : 1;
        }
    }
}

void gsg_geometry_resize(const gsg_geometry *src, const int64_t src_size[3], const int64_t dst_size[3],
                         gsg_geometry *dst)
{
    // Column c of the affine belongs to axis W, H, D in this order.
    double affine[16], origin[3] = {src->affine[3], src->affine[7], src->affine[11]};
    memcpy(affine, src->affine, sizeof affine);
    for (int32_t c = 0; c < 3; c++) {
        double scale = (double)src_size[2 - c] / (double)dst_size[2 - c];
        for (int32_t r = 0; r < 3; r++) {
            // The middle of the first voxel moves, the outer faces stay.
            origin[r] += src->affine[4 * r + c] * (scale - 1) / 2;
            affine[4 * r + c] *= scale;
        }
    }
    for (int32_t r = 0; r < 3; r++)
        affine[4 * r + 3] = origin[r];
    int32_t known = src->affine_known;
    gsg_geometry_set_affine(dst, affine);
    dst->affine_known = known;
}

static genseg_status check_volume(const gsg_preprocess *p, const gsg_volume *src, gsg_error *err)
{
    if (src->ndim != p->ndim)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "the image has %d dimensions, the network works in %d",
                             (int)src->ndim, (int)p->ndim);
    if (src->channels != p->channels)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "the image has %d channels, the network takes %d",
                             (int)src->channels, (int)p->channels);
    if (src->image == NULL)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "the volume has no image");
    return GENSEG_OK;
}

genseg_status gsg_preprocess_image(genseg_context *context, const gsg_preprocess *p, const gsg_volume *src,
                                   gsg_volume *dst, gsg_error *err)
{
    genseg_status status = check_volume(p, src, err);
    if (status != GENSEG_OK)
        return status;
    gsg_volume work;
    gsg_volume_init(&work, context);
    work.ndim = src->ndim;
    work.channels = src->channels;
    gsg_preprocess_working_size(p, src, work.size);
    gsg_geometry_resize(&src->geometry, src->size, work.size, &work.geometry);

    size_t count = 0, row = 0, plane = 0;
    if (gsg_multiply((size_t)work.size[1], (size_t)work.size[2], &row) &&
        gsg_multiply(row, (size_t)work.size[0], &plane) && gsg_multiply(plane, (size_t)work.channels, &count))
        work.image = gsg_alloc(context, count, sizeof *work.image);
    if (work.image == NULL)
        GSG_TRY(gsg_error_nomem(err, count * sizeof *work.image));
    if (src->label != NULL) {
        work.label = gsg_alloc(context, plane, sizeof *work.label);
        if (work.label == NULL)
            GSG_TRY(gsg_error_nomem(err, plane * sizeof *work.label));
        GSG_TRY(gsg_resample_nearest(context, src->label, src->size, work.label, work.size, err));
    }
    // An axis of equal size is copied exactly.
    GSG_TRY(gsg_resample_linear(context, src->image, src->channels, src->size, work.image, work.size, err));
    GSG_TRY(gsg_normalise(context, p->normalise, work.image, work.channels, (int64_t)plane, err));
    *dst = work;
    return GENSEG_OK;
done:
    gsg_volume_free(&work);
    return status;
}

static void sort_ascending(double *values, int64_t count)
{
    for (int64_t i = 1; i < count; i++) { // some hundred cases at most
        double value = values[i];
        int64_t k = i;
        for (; k > 0 && values[k - 1] > value; k--)
            values[k] = values[k - 1];
        values[k] = value;
    }
}

// The lower middle where there are two, so that the value is one that occurs.
static double median_of(double *values, int64_t count)
{
    sort_ascending(values, count);
    return values[(count - 1) / 2];
}

// Median spacing, and whether any case differs from another by more than 2 %.
static int32_t plan_spacing(const gsg_case_extent *cases, int64_t count, double *values, double spacing[3])
{
    int32_t differ = 0;
    for (int32_t a = 0; a < 3; a++) {
        for (int64_t i = 0; i < count; i++)
            values[i] = cases[i].spacing[a];
        spacing[a] = median_of(values, count);
        differ |= values[count - 1] > values[0] * (1 + SPACING_TOLERANCE);
    }
    return differ;
}

// Median size of the cases on the working grid, rounded up to the multiple and
// brought under the limits by shortening the longest axis again and again.
static void plan_size(const gsg_preprocess_options *options, const gsg_case_extent *cases, int64_t count, int32_t scale,
                      double *values, gsg_preprocess *p)
{
    int64_t multiple = options->multiple;
    for (int32_t a = 0; a < 3; a++) {
        if (options->ndim == 2 && a == 0) {
            p->size[a] = 1;
            continue;
        }
        for (int64_t i = 0; i < count; i++)
            values[i] = scale == GSG_SCALE_SPACING
                            ? round((double)cases[i].size[a] * cases[i].spacing[a] / p->spacing[a])
                            : (double)cases[i].size[a];
        int64_t median = (int64_t)fmin(fmax(median_of(values, count), 1), LARGEST_AXIS);
        p->size[a] = (median + multiple - 1) / multiple * multiple;
    }
    int64_t largest = LARGEST_2D / multiple * multiple;
    for (int32_t a = 1; a < 3 && options->ndim == 2; a++)
        p->size[a] = p->size[a] > largest && largest > 0 ? largest : p->size[a];
    while (options->ndim == 3 && p->size[0] * p->size[1] * p->size[2] > LARGEST_3D_VOXELS) {
        int32_t longest = p->size[1] > p->size[2] ? 1 : 2;
        longest = p->size[0] > p->size[longest] ? 0 : longest;
        if (p->size[longest] <= multiple)
            break;
        p->size[longest] -= multiple;
    }
}

static genseg_status check_plan(const gsg_preprocess_options *options, const gsg_case_extent *cases, int64_t count,
                                gsg_error *err)
{
    if (options->ndim != 2 && options->ndim != 3)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "ndim is %d, not 2 or 3", (int)options->ndim);
    if (count < 1)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "there is no training case to plan from");
    if (options->multiple < 1 || options->multiple > LARGEST_2D)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "size multiple is %d", (int)options->multiple);
    for (int64_t i = 0; i < count; i++)
        for (int32_t a = 0; a < 3; a++)
            if (cases[i].size[a] < 1 || !(cases[i].spacing[a] > 0) || !isfinite(cases[i].spacing[a]))
                return gsg_error_set(err, GENSEG_ERROR_INVALID, "training case %lld: size %lld, spacing %g along %s",
                                     (long long)i, (long long)cases[i].size[a], cases[i].spacing[a], axis_names[a]);
    int32_t first = options->ndim == 2 ? 1 : 0;
    if (options->size[first] == 0 && options->size[1] == 0 && options->size[2] == 0)
        return GENSEG_OK;
    for (int32_t a = first; a < 3; a++)
        if (options->size[a] < 1 || options->size[a] % options->multiple != 0)
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "size along %s is %lld, not a multiple of %d",
                                 axis_names[a], (long long)options->size[a], (int)options->multiple);
    return GENSEG_OK;
}

genseg_status gsg_preprocess_plan(genseg_context *context, const gsg_preprocess_options *options,
                                  const gsg_case_extent *cases, int64_t count, gsg_preprocess *preprocess,
                                  gsg_error *err)
{
    genseg_status status = check_plan(options, cases, count, err);
    if (status != GENSEG_OK)
        return status;
    double *values = gsg_alloc(context, (size_t)count, sizeof *values);
    if (values == NULL)
        return gsg_error_nomem(err, (size_t)count * sizeof *values);

    gsg_preprocess plan = {.ndim = options->ndim,
                           .channels = options->channels,
                           .normalise = options->normalise != 0 ? options->normalise : GSG_NORMALISE_PERCENTILE,
                           .scale = GSG_SCALE_NATIVE};
    int32_t differ = plan_spacing(cases, count, values, plan.spacing);
    if (plan.ndim == 3 && differ)
        plan.scale = GSG_SCALE_SPACING;
    if (options->size[1] == 0)
        plan_size(options, cases, count, plan.scale, values, &plan);
    else
        memcpy(plan.size, options->size, sizeof plan.size);
    if (plan.ndim == 2) {
        plan.size[0] = 1;
        for (int64_t i = 0; i < count; i++)
            if (cases[i].size[1] != plan.size[1] || cases[i].size[2] != plan.size[2])
                plan.scale = GSG_SCALE_RESIZE;
    }
    gsg_free(context, values);
    status = gsg_preprocess_check(&plan, err);
    if (status == GENSEG_OK)
        *preprocess = plan;
    return status;
}
