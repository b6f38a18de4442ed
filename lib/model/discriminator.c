// PatchGAN discriminator in 2-D and 3-D, with the parameter names of pix2pix's NLayerDiscriminator.
#include "model/discriminator.h"

#include <stdio.h>

#define MOST_LAYERS 5
#define DEFAULT_LAYERS 3
#define WIDEST 8 // times the width
#define SLOPE 0.2f
#define NAME_SIZE 64

gsg_discriminator gsg_discriminator_default(int32_t spatial)
{
    return (gsg_discriminator){
        .spatial = spatial, .layers = DEFAULT_LAYERS, .channels = 2, .width = spatial == 2 ? 32 : 16, .norm = 1};
}

// Logits along an axis: halvings, then two convolutions that lose one voxel each.
static int64_t logits_of(int64_t size, int32_t layers)
{
    return (size >> layers) - 2;
}

int32_t gsg_discriminator_depth(int32_t spatial, const int64_t size[3])
{
    int32_t layers = DEFAULT_LAYERS;
    for (int32_t i = 3 - spatial; i < 3; i++)
        while (layers > 0 && logits_of(size[i], layers) < 1)
            layers--;
    return layers;
}

static genseg_status check(const gsg_discriminator *d, gsg_shape x, gsg_error *err)
{
    char text[GSG_SHAPE_TEXT_SIZE];
    if ((d->spatial != 2 && d->spatial != 3) || d->layers < 1 || d->layers > MOST_LAYERS || d->width < 1 ||
        d->channels < 1)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "discriminator in %d-D of %d layers, width %lld", d->spatial,
                             d->layers, (long long)d->width);
    if (x.ndim != d->spatial + 2 || x.dims[1] != d->channels)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "image %s for a %d-D discriminator of %lld channels",
                             gsg_shape_text(x, text), d->spatial, (long long)d->channels);
    for (int32_t i = 2; i < x.ndim; i++)
        if (logits_of(x.dims[i], d->layers) < 1)
            return gsg_error_set(err, GENSEG_ERROR_SHAPE,
                                 "image %s: a discriminator of %d layers needs sizes of at least %d",
                                 gsg_shape_text(x, text), d->layers, 3 << d->layers);
    return GENSEG_OK;
}

// Module `index` of the sequence and what follows it.
static gsg_value layer(gsg_graph *graph, int32_t index, gsg_value x, int64_t channels, const gsg_conv *conv,
                       int32_t norm)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "discriminator.model.%d", index);
    gsg_value y = gsg_nn_conv(graph, name, x, channels, conv, !norm);
    snprintf(name, sizeof name, "discriminator.model.%d", index + 1);
    return norm ? gsg_nn_batch_norm(graph, name, y, SLOPE) : gsg_op_activation(graph, y, GSG_ACT_RELU, SLOPE);
}

gsg_value gsg_discriminator_build(gsg_graph *graph, const gsg_discriminator *discriminator, gsg_value x, gsg_mode mode)
{
    char name[NAME_SIZE];
    gsg_error error = {0};
    const gsg_discriminator *d = discriminator;
    if (gsg_graph_status(graph, NULL) == GENSEG_OK && check(d, gsg_graph_shape(graph, x), &error) != GENSEG_OK)
        gsg_graph_fail(graph, error.status, error.message);
    if (gsg_graph_status(graph, NULL) != GENSEG_OK)
        return GSG_NONE;
    const gsg_conv halve = gsg_nn_square(d->spatial, 4, 2, 1, 0), flat = gsg_nn_square(d->spatial, 4, 1, 1, 0);
    gsg_value y = layer(graph, 0, x, d->width, &halve, 0);
    // Convolution, norm (a place that stays empty without one), activation: three modules each.
    for (int32_t i = 1; i <= d->layers; i++) {
        const int64_t times = (int64_t)1 << i;
        y = layer(graph, 3 * i - 1, y, d->width * (times < WIDEST ? times : WIDEST), i < d->layers ? &halve : &flat,
                  d->norm);
    }
    snprintf(name, sizeof name, "discriminator.model.%d", 3 * d->layers + 2);
    return gsg_nn_conv(graph, name, y, 1, &flat, 1);
}
