// Generated cases (data/phantom.h). Everything is laid out in millimetres about
// the middle of the grid: a body with a bright rim, neighbours as bright as the
// organ but smaller and without its texture, the organ with two inner
// structures. A shape is an ellipsoid whose radius is perturbed by a few waves
// over the direction, a cheap stand-in for low-order spherical harmonics in 2-D
// and 3-D alike. Memberships are soft over a voxel's width: partial volume.
#include "data/phantom.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "data/resample.h"

#define PI 3.14159265358979323846
#define SLICE_SPACING 2.0 // of 3-D cases, along D; 1 elsewhere
#define WAVES 6
#define NEIGHBOURS 5
#define LARGEST_CHANNELS 16
#define LARGEST_AXIS 4096

// Inside where |axes * (p - centre)| < 1 + waves(direction).
typedef struct shape {
    double centre[3];
    double axes[9];
    double radius; // mean, to turn the above into a distance in millimetres
    double amplitude;
    double wave[WAVES][3];
    double phase[WAVES];
} shape;

typedef struct scene {
    shape body;
    shape organ;
    shape inner[2];
    shape neighbours[NEIGHBOURS];
} scene;

// Brightness in one channel, tissue being about 0.5.
typedef struct contrast {
    double tissue, rim, organ, inner[2];
    double neighbours[NEIGHBOURS];
    double bias_wave[3][3], bias_phase[3], bias;
    double noise, unit; // `unit`: scanners have none in common
    uint64_t noise_seed;
} contrast;

typedef struct paint_job {
    const scene *scene;
    const contrast *contrast;
    const genseg_phantom_options *options;
    int64_t size[3];
    double spacing[3];
    const float *tissue_texture;
    const float *organ_texture;
    float *image;
    int32_t *label; // NULL: painted with an earlier channel
} paint_job;

genseg_status gsg_phantom_check(const genseg_phantom_options *o, gsg_error *err)
{
    if (o->ndim != 2 && o->ndim != 3)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "phantom: ndim is %d, not 2 or 3", (int)o->ndim);
    if (o->count < 1)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "phantom: count is %d", (int)o->count);
    if (o->classes < 2 || o->classes > 4)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "phantom: classes is %d, allowed are 2 to 4", (int)o->classes);
    if (o->channels < 1 || o->channels > LARGEST_CHANNELS)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "phantom: channels is %d, allowed are 1 to %d",
                             (int)o->channels, LARGEST_CHANNELS);
    for (int32_t a = o->ndim == 2 ? 1 : 0; a < 3; a++) {
        int64_t least = a == 0 ? 8 : 32;
        if (o->size[a] < least || o->size[a] > LARGEST_AXIS)
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "phantom: size[%d] is %lld, allowed are %lld to %d", (int)a,
                                 (long long)o->size[a], (long long)least, LARGEST_AXIS);
    }
    return GENSEG_OK;
}

// An ellipsoid with half axes `radii` (D, H, W) turned by `angle` in the plane
// and tilted out of it. In 2-D the third axis is of no account.
static shape draw_shape(gsg_rng *rng, const double centre[3], const double radii[3], double angle, double tilt,
                        double amplitude)
{
    shape made;
    double c = cos(angle), s = sin(angle), ct = cos(tilt), st = sin(tilt);
    const double turn[9] = {ct, -st * s, -st * c, 0, c, -s, st, ct * s, ct * c};
    memcpy(made.centre, centre, sizeof made.centre);
    for (int32_t i = 0; i < 9; i++)
        made.axes[i] = turn[i] / radii[i / 3];
    made.radius = fmin(radii[1], radii[2]);
    made.amplitude = amplitude / WAVES;
    for (int32_t k = 0; k < WAVES; k++) {
        double frequency = gsg_rng_range(rng, 2, 4.5), length = 0;
        for (int32_t a = 0; a < 3; a++) {
            made.wave[k][a] = gsg_rng_normal(rng);
            length += made.wave[k][a] * made.wave[k][a];
        }
        for (int32_t a = 0; a < 3; a++)
            made.wave[k][a] *= frequency / sqrt(length + 1e-12);
        made.phase[k] = gsg_rng_range(rng, 0, 2 * PI);
    }
    return made;
}

// Distance to the border in millimetres, about; positive inside.
static double depth_inside(const shape *s, const double p[3])
{
    double q[3] = {p[0] - s->centre[0], p[1] - s->centre[1], p[2] - s->centre[2]}, u[3];
    for (int32_t r = 0; r < 3; r++)
        u[r] = s->axes[3 * r] * q[0] + s->axes[3 * r + 1] * q[1] + s->axes[3 * r + 2] * q[2];
    double length = sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2]);
    double most = (1 + s->amplitude * WAVES - length) * s->radius;
    if (most < -1 || length < 1e-9) // far outside, or no direction: the waves don't matter
        return most;
    double border = 1;
    for (int32_t k = 0; k < WAVES; k++)
        border += s->amplitude *
                  cos((s->wave[k][0] * u[0] + s->wave[k][1] * u[1] + s->wave[k][2] * u[2]) / length + s->phase[k]);
    return (border - length) * s->radius;
}

// Part of a voxel inside a border at that depth.
static double membership(double depth)
{
    double part = 0.5 + depth / 1.6;
    return part < 0 ? 0 : (part > 1 ? 1 : part);
}

static void draw_inner(gsg_rng *rng, const double centre[3], const double radii[3], double angle, double tilt,
                       scene *made)
{
    const double along_axis[3] = {sin(tilt), cos(tilt) * sin(angle), cos(tilt) * cos(angle)};
    for (int32_t k = 0; k < 2; k++) {
        // On opposite sides of the organ's middle, so that they never meet.
        double away = gsg_rng_range(rng, 0.38, 0.46) * (k == 0 ? radii[2] : -radii[2]);
        double inner_centre[3], inner_radii[3];
        for (int32_t a = 0; a < 3; a++) {
            inner_centre[a] = centre[a] + away * along_axis[a];
            inner_radii[a] = radii[a] * gsg_rng_range(rng, 0.30, 0.38);
        }
        made->inner[k] = draw_shape(rng, inner_centre, inner_radii, angle, tilt, 0.2);
    }
}

static void draw_scene(gsg_rng *rng, const paint_job *job, scene *made)
{
    int32_t deep = job->options->ndim == 3;
    double half[3];
    for (int32_t a = 0; a < 3; a++)
        half[a] = (double)job->size[a] * job->spacing[a] / 2;
    double plane = fmin(half[1], half[2]);

    // The body leaves the field of view along D, as a scan's does.
    const double middle[3] = {0, gsg_rng_range(rng, -0.04, 0.04) * half[1], gsg_rng_range(rng, -0.04, 0.04) * half[2]};
    const double body[3] = {4 * half[0], half[1] * gsg_rng_range(rng, 0.8, 0.9),
                            half[2] * gsg_rng_range(rng, 0.8, 0.9)};
    made->body = draw_shape(rng, middle, body, 0, 0, 0.12);

    double angle = gsg_rng_range(rng, 0, 2 * PI), tilt = deep * gsg_rng_range(rng, -0.3, 0.3);
    double centre[3] = {deep * gsg_rng_range(rng, -0.2, 0.2) * half[0], gsg_rng_range(rng, -0.25, 0.25) * plane,
                        gsg_rng_range(rng, -0.25, 0.25) * plane};
    const double radii[3] = {deep ? half[0] * gsg_rng_range(rng, 0.5, 0.65) : plane,
                             plane * gsg_rng_range(rng, 0.24, 0.34), plane * gsg_rng_range(rng, 0.32, 0.44)};
    made->organ = draw_shape(rng, centre, radii, angle, tilt, 0.45);
    draw_inner(rng, centre, radii, angle, tilt, made);

    for (int32_t k = 0; k < NEIGHBOURS; k++) {
        // Round about the organ; what it covers is painted over.
        double direction = 2 * PI * (k + gsg_rng_range(rng, 0, 0.8)) / NEIGHBOURS;
        double distance = gsg_rng_range(rng, 0.5, 0.72) * plane;
        double where[3] = {deep * gsg_rng_range(rng, -0.7, 0.7) * half[0], middle[1] + distance * sin(direction),
                           middle[2] + distance * cos(direction)};
        double small[3] = {deep ? half[0] * gsg_rng_range(rng, 0.3, 0.9) : plane,
                           plane * gsg_rng_range(rng, 0.08, 0.15), plane * gsg_rng_range(rng, 0.12, 0.24)};
        made->neighbours[k] = draw_shape(rng, where, small, gsg_rng_range(rng, 0, PI), 0, 0.2);
    }
}

static void draw_contrast(gsg_rng *rng, const paint_job *job, contrast *made)
{
    made->tissue = gsg_rng_range(rng, 0.40, 0.50);
    made->organ = made->tissue + gsg_rng_range(rng, 0.17, 0.26);
    made->rim = made->organ + gsg_rng_range(rng, -0.02, 0.15);
    made->inner[0] = made->organ - gsg_rng_range(rng, 0.20, 0.28);
    made->inner[1] = made->organ + gsg_rng_range(rng, 0.16, 0.24);
    for (int32_t k = 0; k < NEIGHBOURS; k++)
        made->neighbours[k] = made->organ + gsg_rng_range(rng, -0.06, 0.08);
    made->bias = gsg_rng_range(rng, 0.06, 0.15);
    for (int32_t k = 0; k < 3; k++) {
        // At most one wave or so over the field of view.
        for (int32_t a = 0; a < 3; a++)
            made->bias_wave[k][a] =
                gsg_rng_range(rng, -2, 2) * PI / ((double)job->size[a] * job->spacing[a] + 1) * (a > 0 ? 1 : 0.5);
        made->bias_phase[k] = gsg_rng_range(rng, 0, 2 * PI);
    }
    made->noise = gsg_rng_range(rng, 0.025, 0.05);
    made->unit = exp(gsg_rng_range(rng, log(200), log(1500)));
    uint64_t high = gsg_rng_u32(rng);
    made->noise_seed = high << 32 | gsg_rng_u32(rng);
}

// Adds octaves of smooth noise, each twice as fine and less high than the last.
static genseg_status add_texture(genseg_context *context, gsg_rng *rng, const paint_job *job, double cell,
                                 int32_t octaves, double amplitude, float *texture, float *spare, gsg_error *err)
{
    int64_t count = job->size[0] * job->size[1] * job->size[2];
    for (int32_t o = 0; o < octaves; o++, cell /= 2, amplitude *= 0.65) {
        int64_t coarse[3], points = 1;
        for (int32_t a = 0; a < 3; a++) {
            coarse[a] = (int64_t)ceil((double)job->size[a] * job->spacing[a] / cell);
            coarse[a] = coarse[a] < job->size[a] ? coarse[a] : job->size[a];
            points *= coarse[a];
        }
        float *lattice = gsg_alloc(context, (size_t)points, sizeof *lattice);
        if (lattice == NULL)
            return gsg_error_nomem(err, (size_t)points * sizeof *lattice);
        for (int64_t i = 0; i < points; i++)
            lattice[i] = (float)(amplitude * gsg_rng_normal(rng));
        genseg_status status = gsg_resample_linear(context, lattice, 1, coarse, spare, job->size, err);
        gsg_free(context, lattice);
        if (status != GENSEG_OK)
            return status;
        for (int64_t i = 0; i < count; i++)
            texture[i] += spare[i];
    }
    return GENSEG_OK;
}

static double bias_at(const contrast *c, const double p[3])
{
    double sum = 0;
    for (int32_t k = 0; k < 3; k++)
        sum +=
            cos(c->bias_wave[k][0] * p[0] + c->bias_wave[k][1] * p[1] + c->bias_wave[k][2] * p[2] + c->bias_phase[k]);
    return exp(c->bias * sum);
}

static void blend(double *value, double part, double other)
{
    *value += part * (other - *value);
}

// Brightness and class of the place `p`, without bias and noise.
static double paint(const paint_job *job, const double p[3], double tissue_texture, double organ_texture,
                    int32_t *label)
{
    const scene *s = job->scene;
    const contrast *c = job->contrast;
    double value = 0.02, depth = depth_inside(&s->body, p), rim = s->body.radius * 0.07;
    blend(&value, membership(depth), c->rim + 0.4 * tissue_texture);
    blend(&value, membership(depth - rim), c->tissue + tissue_texture);
    for (int32_t k = 0; k < NEIGHBOURS; k++) {
        // Neighbours end at the rim.
        double part = fmin(membership(depth_inside(&s->neighbours[k], p)), membership(depth - rim));
        blend(&value, part, c->neighbours[k] + 0.6 * tissue_texture);
    }
    double part = membership(depth_inside(&s->organ, p));
    *label = part > 0.5;
    blend(&value, part, c->organ + organ_texture);
    for (int32_t k = 0; k < 2 && part > 0; k++) {
        double inner = fmin(part, membership(depth_inside(&s->inner[k], p)));
        blend(&value, inner, c->inner[k] + 0.5 * organ_texture);
        if (inner > 0.5 && job->options->classes > k + 2)
            *label = k + 2;
    }
    return value;
}

static void paint_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const paint_job *job = arg;
    const contrast *c = job->contrast;
    for (int64_t r = begin; r < end; r++) {
        gsg_rng rng;
        gsg_rng_init(&rng, c->noise_seed, GSG_STREAM_PHANTOM, (uint64_t)r);
        double p[3] = {((double)(r / job->size[1]) - (double)(job->size[0] - 1) / 2) * job->spacing[0],
                       ((double)(r % job->size[1]) - (double)(job->size[1] - 1) / 2) * job->spacing[1], 0};
        for (int64_t w = 0; w < job->size[2]; w++) {
            int64_t at = r * job->size[2] + w;
            int32_t label;
            p[2] = ((double)w - (double)(job->size[2] - 1) / 2) * job->spacing[2];
            double value = paint(job, p, job->tissue_texture[at], job->organ_texture[at], &label) * bias_at(c, p);
            // Magnitude of a noisy complex signal: Rician, as in MR.
            double real = value + c->noise * gsg_rng_normal(&rng), imaginary = c->noise * gsg_rng_normal(&rng);
            job->image[at] = (float)(c->unit * sqrt(real * real + imaginary * imaginary));
            if (job->label != NULL)
                job->label[at] = label;
        }
    }
}

// Textures are of the tissue, not of the channel: drawn once.
static genseg_status paint_case(genseg_context *context, paint_job *job, gsg_rng *rng, gsg_volume *out, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    int64_t count = gsg_volume_count(out);
    size_t bytes = (size_t)count * sizeof(float);
    scene drawn;
    draw_scene(rng, job, &drawn);
    job->scene = &drawn;
    float *tissue = gsg_alloc_zero(context, (size_t)count, sizeof *tissue);
    float *organ = gsg_alloc_zero(context, (size_t)count, sizeof *organ);
    float *spare = gsg_alloc(context, (size_t)count, sizeof *spare);
    if (tissue == NULL || organ == NULL || spare == NULL)
        GSG_TRY(gsg_error_nomem(err, bytes));
    GSG_TRY(add_texture(context, rng, job, 20, 4, 0.065, tissue, spare, err));
    GSG_TRY(add_texture(context, rng, job, 5, 2, 0.06, organ, spare, err));
    job->tissue_texture = tissue;
    job->organ_texture = organ;
    for (int32_t k = 0; k < out->channels; k++) {
        contrast seen;
        draw_contrast(rng, job, &seen);
        job->contrast = &seen;
        job->image = out->image + k * count;
        job->label = k == 0 ? out->label : NULL;
        gsg_parallel(context, job->size[0] * job->size[1], 8, paint_rows, job);
    }
done:
    gsg_free(context, tissue);
    gsg_free(context, organ);
    gsg_free(context, spare);
    return status;
}

genseg_status gsg_phantom_case(genseg_context *context, const genseg_phantom_options *options, int64_t index,
                               gsg_volume *out, gsg_error *err)
{
    genseg_status status = gsg_phantom_check(options, err);
    if (status != GENSEG_OK)
        return status;
    if (index < 0)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "phantom: case %lld", (long long)index);
    paint_job job = {.options = options, .spacing = {options->ndim == 3 ? SLICE_SPACING : 1, 1, 1}};
    memcpy(job.size, options->size, sizeof job.size);
    job.size[0] = options->ndim == 3 ? job.size[0] : 1;

    gsg_volume made;
    gsg_volume_init(&made, context);
    made.ndim = options->ndim;
    made.channels = options->channels;
    memcpy(made.size, job.size, sizeof made.size);
    gsg_geometry_set_spacing(&made.geometry, job.spacing);
    size_t count = (size_t)gsg_volume_count(&made); // at most 2^36, and 16 channels
    made.image = gsg_alloc(context, count * (size_t)made.channels, sizeof *made.image);
    made.label = gsg_alloc(context, count, sizeof *made.label);
    if (made.image == NULL || made.label == NULL)
        GSG_TRY(gsg_error_nomem(err, count * (size_t)(made.channels + 1) * sizeof(float)));

    gsg_rng rng;
    gsg_rng_init(&rng, options->seed, GSG_STREAM_PHANTOM, (uint64_t)index);
    GSG_TRY(paint_case(context, &job, &rng, &made, err));
    *out = made;
    return GENSEG_OK;
done:
    gsg_volume_free(&made);
    return status;
}
