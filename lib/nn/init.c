// First values of parameters.
#include "nn/init.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "core/text.h"

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

static void draw(const gsg_params *params, int32_t index, uint64_t seed, float *values)
{
    const gsg_param *param = &params->items[index];
    const int64_t count = gsg_shape_count(param->layout.shape);
    const gsg_param *weight = param->kind == GSG_PARAM_VECTOR ? convolution_of(params, param) : param;
    bool one = gsg_text_ends(param->name, param->kind == GSG_PARAM_STATISTIC ? ".running_var" : ".weight");
    bool constant = param->kind == GSG_PARAM_STATISTIC || !weight;
    gsg_rng rng;
    gsg_rng_init(&rng, seed, GSG_STREAM_INIT, (uint64_t)index);
    for (int64_t i = 0; i < count; i++) {
        const double limit = constant ? 0.0 : bound(weight);
        values[i] = constant ? (one ? 1.0f : 0.0f) : (float)gsg_rng_range(&rng, -limit, limit);
    }
}

genseg_status gsg_init_default(gsg_params *params, uint64_t seed, gsg_error *err)
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
        draw(params, i, seed, values);
        gsg_param_import(&params->items[i], values);
    }
    gsg_free(params->context, values);
    return GENSEG_OK;
}
