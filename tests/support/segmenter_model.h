// Segmenters with random weights for tests, described by a table row, and arrays
// to predict from and into.
#ifndef GSG_SUPPORT_SEGMENTER_MODEL_H
#define GSG_SUPPORT_SEGMENTER_MODEL_H

#include <check.h>
#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"
#include "predict/segmenter.h"
#include "tensor/array.h"

#define MODEL_MOST_CLASSES 8

typedef struct model {
    gsg_unet unet; // spatial, levels, channels, outputs, width
    int32_t normalise;
    int32_t scale;
    int64_t size[3];
    double spacing[3];
    int32_t values[MODEL_MOST_CLASSES];
    const char *names[MODEL_MOST_CLASSES];
    gsg_provenance provenance;
} model;

// Evenly spread over -1..1, the same on every machine.
GSG_UNUSED static float model_noise(uint64_t i)
{
    uint64_t x = (i + 1) * 0x9E3779B97F4A7C15u;
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 32;
    return (float)((double)(x >> 11) / 4503599627370496.0 - 1.0);
}

// Default values give nearly constant logits; statistics away from 0 and 1 test the fold of the norm as well.
GSG_UNUSED static void model_randomise(gsg_params *params)
{
    for (int32_t i = 0; i < params->count; i++) {
        gsg_param *p = &params->items[i];
        const bool variance = strstr(p->name, "running_var") != NULL;
        for (int64_t j = 0; p->layout.shape.ndim == 1 && j < p->layout.shape.dims[0]; j++)
            p->data[j] = variance ? 0.2f + 0.1f * model_noise((uint64_t)j)
                                  : p->data[j] + 0.2f * model_noise((uint64_t)(1000 * i + j));
        const bool head = strncmp(p->name, "outc.conv.", 10) == 0, bias = p->layout.shape.ndim == 1;
        for (int64_t j = 0; head && j < p->layout.count; j++)
            p->data[j] *= bias ? 0 : 8;
    }
}

GSG_UNUSED static int32_t model_classes(const model *m)
{
    return m->unet.outputs == 1 ? 2 : (int32_t)m->unet.outputs;
}

GSG_UNUSED static genseg_status model_new(genseg_context *context, const model *m, genseg_segmenter **segmenter,
                                          gsg_error *err)
{
    gsg_params *params = NULL;
    gsg_segmenter_parts parts = {.unet = m->unet,
                                 .classes = model_classes(m),
                                 .values = m->values,
                                 .names = m->names,
                                 .version = "0.9.8-test",
                                 .provenance = m->provenance};
    parts.preprocess = (gsg_preprocess){
        .ndim = m->unet.spatial, .channels = (int32_t)m->unet.channels, .normalise = m->normalise, .scale = m->scale};
    memcpy(parts.preprocess.size, m->size, sizeof m->size);
    memcpy(parts.preprocess.spacing, m->spacing, sizeof m->spacing);
    genseg_status status = gsg_unet_new(context, &m->unet, 7, &params, err);
    if (status != GENSEG_OK)
        return status;
    model_randomise(params);
    status = gsg_segmenter_new(context, &parts, params, segmenter, err);
    if (status != GENSEG_OK)
        gsg_params_free(params);
    return status;
}

GSG_UNUSED static genseg_segmenter *model_made(genseg_context *context, const model *m)
{
    genseg_segmenter *segmenter = NULL;
    gsg_error err = {0};
    ck_assert_msg(model_new(context, m, &segmenter, &err) == GENSEG_OK, "%s", err.message);
    return segmenter;
}

// Noise over a dark and a bright half, so that classes come in regions; whole numbers of 0 to 200.
GSG_UNUSED static void model_image(float *image, int64_t count, int64_t width)
{
    for (int64_t i = 0; i < count; i++) {
        const float level = 2 * (i % width) < width ? 60.0f : 140.0f;
        image[i] = (float)(int32_t)(level + 60.0f * model_noise((uint64_t)i));
    }
}

#endif
