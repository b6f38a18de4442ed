// First values of parameters.
#include "nn/init.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "core/text.h"

#define GAN_DEVIATION 0.02

// The convolution that a bias belongs to has the same name but for its end; batch norm has a vector there.
static const gsg_param *convolution_of(const gsg_params *params, const gsg_param *bias)
{
    char name[192];
    const size_t length = strlen(bias->name);
    if (!gsg_text_ends(bias->name, ".bias") || length + 3 > sizeof name)
        return NULL;
    snprintf(name, sizeof name, "%.*s.weight", (int)(length - strlen(".bias")), bias->name);
    int32_t index = gsg_params_find(params, name);
    if (index < 0 || params->items[index].kind == GSG_PARAM_VECTOR)
        return NULL;
    return &params->items[index];
}

// PyTorch counts dims[1] x taps, for transposed convolutions too.
static double bound(const gsg_param *weight)
{
    gsg_shape shape = weight->layout.shape;
    return 1.0 / sqrt((double)(gsg_shape_count(shape) / shape.dims[0]));
}

// The first value of each: batch norm's gamma and running variance are 1, all other vectors 0.
static float constant_of(const gsg_param *param)
{
    bool one = gsg_text_ends(param->name, param->kind == GSG_PARAM_STATISTIC ? ".running_var" : ".weight");
    return one ? 1.0f : 0.0f;
}

typedef void (*draw_fn)(const gsg_params *params, const gsg_param *param, gsg_rng *rng, float *values);

static void draw_default(const gsg_params *params, const gsg_param *param, gsg_rng *rng, float *values)
{
    const int64_t count = gsg_shape_count(param->layout.shape);
    const gsg_param *weight = param->kind == GSG_PARAM_VECTOR ? convolution_of(params, param) : param;
    bool constant = param->kind == GSG_PARAM_STATISTIC || !weight;
    for (int64_t i = 0; i < count; i++) {
        const double limit = constant ? 0.0 : bound(weight);
        values[i] = constant ? constant_of(param) : (float)gsg_rng_range(rng, -limit, limit);
    }
}

static void draw_gan(const gsg_params *params, const gsg_param *param, gsg_rng *rng, float *values)
{
    const int64_t count = gsg_shape_count(param->layout.shape);
    const bool vector = param->kind == GSG_PARAM_VECTOR, gamma = vector && gsg_text_ends(param->name, ".weight");
    const bool random = gamma || param->kind == GSG_PARAM_CONV || param->kind == GSG_PARAM_CONV_TRANSPOSED;
    const double mean = gamma ? 1.0 : 0.0;
    for (int64_t i = 0; i < count; i++)
        values[i] = random ? (float)(mean + GAN_DEVIATION * gsg_rng_normal(rng)) : constant_of(param);
}

static genseg_status draw_all(gsg_params *params, uint64_t seed, draw_fn draw, gsg_error *err)
{
    int64_t most = 1;
    for (int32_t i = 0; i < params->count; i++) {
        int64_t count = gsg_shape_count(params->items[i].layout.shape);
        most = count > most ? count : most;
    }
    float *values = gsg_alloc(params->context, (size_t)most, sizeof *values);
    if (!values)
        return gsg_error_nomem(err, (size_t)most * sizeof *values);
    for (int32_t i = 0; i < params->count; i++) {
        gsg_rng rng;
        gsg_rng_init(&rng, seed, GSG_STREAM_INIT, (uint64_t)i);
        draw(params, &params->items[i], &rng, values);
        gsg_param_import(&params->items[i], values);
    }
    gsg_free(params->context, values);
    return GENSEG_OK;
}

genseg_status gsg_init_default(gsg_params *params, uint64_t seed, gsg_error *err)
{
    return draw_all(params, seed, draw_default, err);
}

genseg_status gsg_init_gan(gsg_params *params, uint64_t seed, gsg_error *err)
{
    return draw_all(params, seed, draw_gan, err);
}
