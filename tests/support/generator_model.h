// Small generators of random weights for tests, and label maps for them.
#ifndef GSG_SUPPORT_GENERATOR_MODEL_H
#define GSG_SUPPORT_GENERATOR_MODEL_H

#include <check.h>

#include "hashed.h"
#include "nn/init.h"
#include "predict/synthesizer.h"

typedef struct generator_model {
    gsg_generator network;
    int64_t size[3];
    double spacing[3];
    int32_t values[4];
    int64_t grid[3]; // of a label map that is not the network's
} generator_model;

static const generator_model generator_models[] = {
    // spatial, levels, masks, noise, channels, width, candidates
    {{2, 3, 1, 0, 1, 4, 3, 0.5f, {0}}, {1, 16, 32}, {1, 1, 1}, {0, 255}, {1, 40, 24}},
    {{2, 2, 3, 2, 3, 3, 2, 0.5f, {0}}, {1, 16, 16}, {1, 0.5, 0.5}, {-7, 0, 3}, {1, 9, 33}},
    {{2, 2, 4, 0, 1, 4, 3, 0.5f, {0, 6, 4, 0}}, {1, 24, 16}, {1, 1, 2}, {0, 1, 2, 9}, {1, 24, 20}},
    {{3, 2, 3, 1, 1, 3, 1, 0.5f, {0}}, {8, 8, 16}, {2, 1, 1}, {0, 1, 2}, {5, 12, 14}},
    {{3, 1, 1, 0, 2, 2, 3, 0.5f, {0}}, {4, 6, 8}, {1, 1, 1}, {2, 70000}, {8, 6, 4}},
};
#define GENERATOR_MODELS ((int)(sizeof generator_models / sizeof *generator_models))

GSG_UNUSED static int32_t generator_classes(const generator_model *m)
{
    return m->network.masks == 1 ? 2 : (int32_t)m->network.masks;
}

// Statistics and logits that are not the first ones, and weights large enough for images that vary.
GSG_UNUSED static void generator_randomise(gsg_params *params)
{
    for (int32_t i = 0; i < params->count; i++) {
        const gsg_param *p = &params->items[i];
        const int64_t n = gsg_shape_count(p->layout.shape);
        const float fan = sqrtf((float)(n / p->layout.shape.dims[0]));
        for (int64_t j = 0; j < p->layout.count; j++)
            if (p->layout.shape.ndim > 1)
                p->data[j] *= 50.0f / fan;
            else if (j < n)
                p->data[j] += 0.3f * hashed((uint64_t)i + 1, (uint64_t)j);
    }
}

GSG_UNUSED static genseg_status generator_new(genseg_context *context, const generator_model *m,
                                              genseg_generator **generator, gsg_error *err)
{
    gsg_params *params = NULL;
    gsg_synthesizer_parts parts = {.network = m->network,
                                   .classes = generator_classes(m),
                                   .values = m->values,
                                   .version = "0.9.8-test",
                                   .steps = 1234};
    memcpy(parts.size, m->size, sizeof m->size);
    memcpy(parts.spacing, m->spacing, sizeof m->spacing);
    genseg_status status = gsg_generator_params(context, &m->network, &params, err);
    if (status != GENSEG_OK)
        return status;
    status = gsg_init_gan(params, 3, err);
    if (status == GENSEG_OK) {
        generator_randomise(params);
        status = gsg_synthesizer_new(context, &parts, params, generator, err);
    }
    if (status != GENSEG_OK)
        gsg_params_free(params);
    return status;
}

GSG_UNUSED static genseg_generator *generator_made(genseg_context *context, const generator_model *m)
{
    genseg_generator *generator = NULL;
    gsg_error err = {0};
    ck_assert_msg(generator_new(context, m, &generator, &err) == GENSEG_OK, "%s", err.message);
    return generator;
}

// Blocks of classes; label values.
GSG_UNUSED static void generator_label(const generator_model *m, const int64_t size[3], int32_t *label)
{
    const int32_t classes = generator_classes(m);
    for (int64_t i = 0; i < size[0] * size[1] * size[2]; i++) {
        const int64_t d = i / (size[1] * size[2]) / 3, h = i / size[2] % size[1] / 5, w = i % size[2] / 4;
        label[i] = m->values[(uint64_t)(1000 * hashed(7, (uint64_t)(d * 10000 + h * 100 + w)) + 1000) %
                             (uint64_t)classes];
    }
}

#endif
