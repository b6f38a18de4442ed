// Options and draws of the augmentation (data/augment.h); tensor/transform.h composes
// the draws into a matrix.
#include "data/augment.h"

#include <math.h>
#include <string.h>

#include "tensor/transform.h"

#define PI 3.14159265358979323846
// Control displacements are cut off here, which keeps the map from folding.
#define DEVIATIONS 2.5

void gsg_augment_none(gsg_augment_options *options)
{
    memset(options, 0, sizeof *options);
}

void gsg_augment_defaults(gsg_augment_options *options)
{
    *options = (gsg_augment_options){
        .affine_chance = 0.8,
        .scale = 0.2,
        .shift = 0.1,
        .rotation = 15,
        .shear = 8,
        .elastic_chance = 0.3,
        .elastic = 0.02,
        .gamma_chance = 0.3,
        .gamma = 0.35,
        .contrast_chance = 0.3,
        .contrast = 0.25,
        .brightness_chance = 0.3,
        .brightness = 0.3,
        .noise_chance = 0.2,
        .noise = 0.2,
        .blur_chance = 0.15,
        .blur = 1,
    };
}

genseg_status gsg_augment_check(const gsg_augment_options *o, gsg_error *err)
{
    const struct {
        const char *name;
        double value;
        double most;
    } fields[] = {
        {"affine_chance", o->affine_chance, 1},
        {"scale", o->scale, 0.9},
        {"shift", o->shift, 1},
        {"rotation", o->rotation, 180},
        {"shear", o->shear, 60},
        {"elastic_chance", o->elastic_chance, 1},
        {"elastic", o->elastic, 0.1},
        {"gamma_chance", o->gamma_chance, 1},
        {"gamma", o->gamma, 3},
        {"contrast_chance", o->contrast_chance, 1},
        {"contrast", o->contrast, 0.95},
        {"brightness_chance", o->brightness_chance, 1},
        {"brightness", o->brightness, 10},
        {"noise_chance", o->noise_chance, 1},
        {"noise", o->noise, 10},
        {"blur_chance", o->blur_chance, 1},
        {"blur", o->blur, GSG_WARP_LARGEST_BLUR},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (!(fields[i].value >= 0 && fields[i].value <= fields[i].most))
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "augmentation: %s is %g, allowed are 0 to %g",
                                 fields[i].name, fields[i].value, fields[i].most);
    if (o->symmetric < 0 || o->symmetric > (GSG_AXIS_D | GSG_AXIS_H | GSG_AXIS_W))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "augmentation: symmetric axes are %d", (int)o->symmetric);
    return GENSEG_OK;
}

// Everything that chance decides about the shape, in [0, 1) or [-1, 1).
typedef struct shape_draw {
    double flip[3];
    double affine, elastic;
    double angle[3]; // about D, H, W
    double zoom;
    double shear[3]; // H over W, D over H, D over W
    double shift[3];
} shape_draw;

static void compose_matrix(const gsg_augment_options *o, const shape_draw *draw, const double spacing[3],
                           const int32_t mixes[3], double matrix[9])
{
    gsg_transform transform;
    gsg_transform_identity(&transform);
    for (int32_t a = 0; a < 3; a++) {
        transform.flip[a] = (o->symmetric >> a & 1) && draw->flip[a] < 0.5;
        if (draw->affine >= o->affine_chance)
            continue;
        transform.mixes[a] = mixes[a];
        transform.spacing[a] = spacing[a];
        // A picture enlarged by `zoom` samples the volume more densely.
        transform.step[a] = 1 / (1 + o->scale * draw->zoom);
        transform.angle[a] = o->rotation * draw->angle[a] * PI / 180;
        transform.shear[a] = tan(o->shear * draw->shear[a] * PI / 180);
    }
    gsg_transform_matrix(&transform, GSG_TRANSFORM_NONE, matrix);
}

static void draw_displacement(const gsg_augment_options *o, const int64_t size[3], const int32_t mixes[3], gsg_rng *rng,
                              gsg_warp *warp)
{
    const int32_t points = GSG_WARP_POINTS * GSG_WARP_POINTS * GSG_WARP_POINTS;
    for (int32_t a = 0; a < 3; a++) {
        double deviation = mixes[a] ? o->elastic * (double)size[a] : 0;
        for (int32_t i = 0; i < points; i++) {
            double normal = fmin(fmax(gsg_rng_normal(rng), -DEVIATIONS), DEVIATIONS);
            warp->displacement[a][i] = (float)(deviation * normal);
        }
    }
}

static void draw_intensity(const gsg_augment_options *o, const int32_t mixes[3], gsg_rng *rng, gsg_warp *warp)
{
    double chance[5], amount[5];
    for (int32_t i = 0; i < 5; i++) {
        chance[i] = gsg_rng_uniform(rng);
        amount[i] = gsg_rng_uniform(rng);
    }
    if (chance[0] < o->gamma_chance)
        warp->gamma = exp(o->gamma * (2 * amount[0] - 1));
    if (chance[1] < o->contrast_chance)
        warp->contrast = 1 + o->contrast * (2 * amount[1] - 1);
    if (chance[2] < o->brightness_chance)
        warp->brightness = o->brightness * (2 * amount[2] - 1);
    if (chance[3] < o->noise_chance)
        warp->noise = o->noise * amount[3];
    if (chance[4] < o->blur_chance)
        for (int32_t a = 0; a < 3; a++)
            warp->blur[a] = mixes[a] ? o->blur * amount[4] : 0;
    uint64_t high = gsg_rng_u32(rng);
    warp->noise_seed = high << 32 | gsg_rng_u32(rng);
}

void gsg_augment_draw(const gsg_augment_options *options, const double spacing[3], const int64_t size[3],
                      const double centre[3], gsg_rng *rng, gsg_warp *warp)
{
    shape_draw draw;
    for (int32_t a = 0; a < 3; a++) {
        draw.flip[a] = gsg_rng_uniform(rng);
        draw.angle[a] = gsg_rng_range(rng, -1, 1);
        draw.shear[a] = gsg_rng_range(rng, -1, 1);
        draw.shift[a] = gsg_rng_range(rng, -1, 1);
    }
    draw.affine = gsg_rng_uniform(rng);
    draw.elastic = gsg_rng_uniform(rng);
    draw.zoom = gsg_rng_range(rng, -1, 1);

    int32_t mixes[3];
    gsg_transform_mixes(spacing, size, mixes);
    gsg_warp_identity(warp, centre);
    compose_matrix(options, &draw, spacing, mixes, warp->matrix);
    for (int32_t a = 0; a < 3; a++)
        if (draw.affine < options->affine_chance && size[a] > 1)
            warp->centre[a] += options->shift * draw.shift[a] * (double)size[a];
    draw_intensity(options, mixes, rng, warp);
    // Last and only when wanted: a thousand normals, which nothing is drawn after.
    warp->elastic = draw.elastic < options->elastic_chance && options->elastic > 0;
    if (warp->elastic)
        draw_displacement(options, size, mixes, rng, warp);
}
