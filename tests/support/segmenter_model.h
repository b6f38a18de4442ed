// Segmenters with random weights for tests, described by a table row, and arrays
// to predict from and into.
#ifndef GSG_SUPPORT_SEGMENTER_MODEL_H
#define GSG_SUPPORT_SEGMENTER_MODEL_H

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "model_weights.h"
#include "predict/segmenter.h"
#include "tensor/array.h"

#define MODEL_MOST_CLASSES 8
#define MODEL_MOST_CASES 12

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

GSG_UNUSED static int32_t model_classes(const model *m)
{
    return m->unet.outputs == 1 ? 2 : (int32_t)m->unet.outputs;
}

GSG_UNUSED static genseg_status model_new(genseg_context *context, const model *m, genseg_segmenter **segmenter,
                                          gsg_error *err)
{
    gsg_params *params = NULL;
    uint64_t cases[MODEL_MOST_CASES]; // those of the training, then those for validation, of both signs in the file
    for (uint64_t i = 0; i < MODEL_MOST_CASES; i++)
        cases[i] = (MODEL_MOST_CASES - i) * UINT64_C(0x1234567890abcdef);
    gsg_segmenter_parts parts = {.unet = m->unet,
                                 .classes = model_classes(m),
                                 .values = m->values,
                                 .names = m->names,
                                 .version = "0.9.8-test",
                                 .provenance = m->provenance};
    parts.provenance.cases = cases;
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

// Noise over a dark and a bright half, so that classes come in regions; whole numbers of 0 to 200.
GSG_UNUSED static void model_image(float *image, int64_t count, int64_t width)
{
    for (int64_t i = 0; i < count; i++) {
        const float level = 2 * (i % width) < width ? 60.0f : 140.0f;
        image[i] = (float)(int32_t)(level + 60.0f * model_noise((uint64_t)i));
    }
}

// An image for the model's network and dense results of it: int32 labels, probabilities.
typedef struct model_case {
    int64_t voxels;
    int64_t probabilities;
    float *pixels;
    int32_t *classes;
    float *planes;
    genseg_array image;
    genseg_array label;
    genseg_array probability;
} model_case;

// What results hold before they are written: no label value, no probability.
#define MODEL_UNTOUCHED 0x5A

GSG_UNUSED static void model_case_reset(model_case *c)
{
    memset(c->classes, MODEL_UNTOUCHED, (size_t)c->voxels * sizeof *c->classes);
    memset(c->planes, MODEL_UNTOUCHED, (size_t)c->probabilities * sizeof *c->planes);
}

GSG_UNUSED static bool model_case_untouched(const model_case *c)
{
    const unsigned char *label = (const unsigned char *)c->classes, *planes = (const unsigned char *)c->planes;
    bool same = true;
    for (size_t i = 0; i < (size_t)c->voxels * sizeof *c->classes; i++)
        same = same && label[i] == MODEL_UNTOUCHED;
    for (size_t i = 0; i < (size_t)c->probabilities * sizeof *c->planes; i++)
        same = same && planes[i] == MODEL_UNTOUCHED;
    return same;
}

// d is ignored in 2-D; images of one channel have no channel axis.
GSG_UNUSED static model_case model_case_new(const model *m, int64_t d, int64_t h, int64_t w)
{
    const int32_t ndim = m->unet.spatial, channels = (int32_t)m->unet.channels, classes = model_classes(m);
    const int64_t size[3] = {ndim == 3 ? d : 1, h, w};
    gsg_shape with = {ndim + 1, {0}}, without = {ndim, {0}};
    for (int32_t a = 3 - ndim; a < 3; a++)
        with.dims[ndim - 2 + a] = without.dims[ndim - 3 + a] = size[a];
    model_case c = {.voxels = size[0] * h * w};
    c.probabilities = c.voxels * classes;
    c.pixels = malloc((size_t)(c.voxels * channels) * sizeof *c.pixels);
    c.classes = malloc((size_t)c.voxels * sizeof *c.classes);
    c.planes = malloc((size_t)c.probabilities * sizeof *c.planes);
    with.dims[0] = channels;
    c.image = gsg_array_dense(c.pixels, GENSEG_DTYPE_FLOAT32, channels > 1 ? with : without);
    c.label = gsg_array_dense(c.classes, GENSEG_DTYPE_INT32, without);
    with.dims[0] = classes;
    c.probability = gsg_array_dense(c.planes, GENSEG_DTYPE_FLOAT32, with);
    model_image(c.pixels, c.voxels * channels, w);
    model_case_reset(&c);
    return c;
}

GSG_UNUSED static void model_case_free(model_case *c)
{
    free(c->pixels);
    free(c->classes);
    free(c->planes);
}

// Sets the last bias so that on an image of the tile's size no class wins everywhere.
GSG_UNUSED static void model_balance(genseg_segmenter *segmenter, const model *m)
{
    model_case c = model_case_new(m, m->size[0], m->size[1], m->size[2]);
    float *bias = segmenter->params->items[gsg_params_find(segmenter->params, "outc.conv.bias")].data;
    gsg_error err = {0};
    ck_assert_msg(genseg_segmenter_predict(segmenter, &c.image, NULL, NULL, NULL, &c.probability, &err) == GENSEG_OK,
                  "%s", err.message);
    for (int64_t i = 0; i < c.probabilities; i++) {
        const int64_t k = i / c.voxels;
        const float logarithm = logf(c.planes[i] + 1e-9f) / (float)c.voxels;
        if (m->unet.outputs > 1)
            bias[k] -= logarithm;
        else
            bias[0] += k == 0 ? logarithm : -logarithm;
    }
    gsg_predictor_free(segmenter->idle); // it holds memory, which tests count
    segmenter->idle = NULL;
    model_case_free(&c);
}

GSG_UNUSED static genseg_segmenter *model_made(genseg_context *context, const model *m)
{
    genseg_segmenter *segmenter = NULL;
    gsg_error err = {0};
    ck_assert_msg(model_new(context, m, &segmenter, &err) == GENSEG_OK, "%s", err.message);
    model_balance(segmenter, m);
    return segmenter;
}

#endif
