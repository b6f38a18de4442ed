// Noise, and weights for a U-Net under test that make its output vary.
#ifndef GSG_SUPPORT_MODEL_WEIGHTS_H
#define GSG_SUPPORT_MODEL_WEIGHTS_H

#include <stdbool.h>
#include <string.h>

#include "graph/params.h"

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

#endif
