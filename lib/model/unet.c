// U-Net in 2-D and 3-D: one builder.
#include "model/unet.h"

#include <stdio.h>

#include "nn/init.h"

#define MOST_LEVELS 7
#define NAME_SIZE 96

gsg_unet gsg_unet_default(int32_t spatial)
{
    return (gsg_unet){.spatial = spatial, .levels = spatial == 2 ? 4 : 3, .channels = 1, .outputs = 1, .width = 64};
}

int64_t gsg_unet_multiple(const gsg_unet *unet)
{
    return (int64_t)1 << unet->levels;
}

static gsg_value double_conv(gsg_graph *graph, const gsg_unet *unet, const char *name, gsg_value x, int64_t channels,
                             gsg_mode mode)
{
    gsg_conv conv = gsg_nn_square(unet->spatial, 3, 1, 1, 0);
    gsg_graph_block(graph, 1);
    gsg_value y = gsg_nn_conv_norm(graph, name, 0, x, channels, &conv, 0.0f, mode);
    y = gsg_nn_conv_norm(graph, name, 3, y, channels, &conv, 0.0f, mode);
    gsg_graph_block(graph, 0);
    return y;
}

static genseg_status check(const gsg_unet *unet, gsg_shape image, gsg_error *err)
{
    char text[GSG_SHAPE_TEXT_SIZE];
    if ((unet->spatial != 2 && unet->spatial != 3) || unet->levels < 1 || unet->levels > MOST_LEVELS ||
        unet->width < 1 || unet->outputs < 1 || unet->channels < 1)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "U-Net in %d-D of %d levels, width %lld, %lld outputs",
                             unet->spatial, unet->levels, (long long)unet->width, (long long)unet->outputs);
    if (image.ndim != unet->spatial + 2 || image.dims[1] != unet->channels)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "image %s for a %d-D network of %lld channels",
                             gsg_shape_text(image, text), unet->spatial, (long long)unet->channels);
    for (int32_t i = 2; i < image.ndim; i++)
        if (image.dims[i] % gsg_unet_multiple(unet) != 0)
            return gsg_error_set(err, GENSEG_ERROR_SHAPE, "image %s: its sizes must be multiples of %lld",
                                 gsg_shape_text(image, text), (long long)gsg_unet_multiple(unet));
    return GENSEG_OK;
}

gsg_value gsg_unet_build(gsg_graph *graph, const gsg_unet *unet, gsg_value image, gsg_mode mode)
{
    char name[NAME_SIZE];
    gsg_error error = {0};
    gsg_value skips[MOST_LEVELS + 1];
    if (check(unet, gsg_graph_shape(graph, image), &error) != GENSEG_OK) {
        gsg_graph_fail(graph, error.status, error.message);
        return GSG_NONE;
    }
    gsg_pool pool = {.spatial = unet->spatial, .kernel = {2, 2, 2}, .stride = {2, 2, 2}};
    gsg_conv up = gsg_nn_square(unet->spatial, 2, 2, 0, 1), head = gsg_nn_square(unet->spatial, 1, 1, 0, 0);
    skips[0] = double_conv(graph, unet, "inc.double_conv", image, unet->width, mode);
    for (int32_t level = 1; level <= unet->levels; level++) {
        snprintf(name, sizeof name, "down%d.maxpool_conv.1.double_conv", level);
        skips[level] = double_conv(graph, unet, name, gsg_op_max_pool(graph, skips[level - 1], &pool),
                                   unet->width << level, mode);
    }
    gsg_value x = skips[unet->levels];
    for (int32_t i = 1; i <= unet->levels; i++) {
        const int32_t level = unet->levels - i;
        snprintf(name, sizeof name, "up%d.up", i);
        x = gsg_nn_conv(graph, name, x, unet->width << level, &up, 1);
        snprintf(name, sizeof name, "up%d.conv.double_conv", i);
        x = double_conv(graph, unet, name, gsg_op_concat(graph, skips[level], x), unet->width << level, mode);
    }
    return gsg_nn_conv(graph, "outc.conv", x, unet->outputs, &head, 1);
}

genseg_status gsg_unet_params(genseg_context *context, const gsg_unet *unet, gsg_params **params, gsg_error *err)
{
    genseg_status status;
    gsg_params *made = NULL;
    gsg_graph *graph = NULL;
    gsg_shape shape = {.ndim = unet->spatial + 2, .dims = {1, unet->channels}};
    for (int32_t i = 2; i < shape.ndim; i++)
        shape.dims[i] = gsg_unet_multiple(unet);
    GSG_TRY(check(unet, shape, err));
    GSG_TRY(gsg_params_new(context, &made, err));
    GSG_TRY(gsg_graph_new(context, made, &graph, err));
    gsg_unet_build(graph, unet, gsg_op_input(graph, "image", shape), GSG_MODE_TRAIN);
    GSG_TRY(gsg_graph_status(graph, err));
    *params = made;
    made = NULL;
done:
    gsg_graph_free(graph);
    gsg_params_free(made);
    return status;
}

genseg_status gsg_unet_new(genseg_context *context, const gsg_unet *unet, uint64_t seed, gsg_params **params,
                           gsg_error *err)
{
    gsg_params *made = NULL;
    genseg_status status = gsg_unet_params(context, unet, &made, err);
    if (status == GENSEG_OK)
        status = gsg_init_default(made, seed, err);
    if (status == GENSEG_OK)
        *params = made;
    else
        gsg_params_free(made);
    return status;
}
