// Searchable cells as graph builders, and what they become after the search.
#include "nn/cell.h"

#include <stdio.h>

#include "core/text.h"

#define NAME_SIZE 160
#define ALPHA ".alpha"

static int64_t size_of(int32_t candidate)
{
    return GSG_CELL_FIRST + 2 * candidate;
}

static gsg_conv conv_of(const gsg_cell *cell, int64_t kernel)
{
    return gsg_nn_square(cell->spatial, kernel, 2, (kernel - 2) / 2, cell->transposed);
}

static bool check(gsg_graph *graph, const gsg_cell *cell)
{
    char text[96];
    const bool fits = cell->fixed ? cell->fixed >= 2 && cell->fixed % 2 == 0
                                  : cell->candidates >= 1 && cell->candidates <= GSG_MERGE_CANDIDATES;
    if (fits)
        return true;
    snprintf(text, sizeof text, "a cell of %d candidates, or of the fixed kernel %d", cell->candidates, cell->fixed);
    gsg_graph_fail(graph, GENSEG_ERROR_INVALID, text);
    return false;
}

// Weights of the cell's one convolution, which is *conv.
static gsg_value weights_of(gsg_graph *graph, const char *name, gsg_value x, int64_t channels, const gsg_cell *cell,
                            gsg_conv *conv)
{
    char part[32];
    gsg_value kernels[GSG_MERGE_CANDIDATES];
    const int64_t count = cell->candidates;
    if (!check(graph, cell))
        return GSG_NONE;
    if (cell->fixed) {
        *conv = conv_of(cell, cell->fixed);
        return gsg_nn_weight(graph, name, "weight", x, channels, conv);
    }
    for (int32_t j = 0; j < cell->candidates; j++) {
        *conv = conv_of(cell, size_of(j));
        snprintf(part, sizeof part, "k%lld.weight", (long long)size_of(j));
        kernels[j] = gsg_nn_weight(graph, name, part, x, channels, conv);
    }
    if (count == 1)
        return kernels[0]; // nothing to choose from
    gsg_value logits = gsg_nn_param(graph, name, "alpha", GSG_PARAM_VECTOR, gsg_shape_make(1, &count));
    return gsg_op_merge(graph, logits, kernels, cell->candidates);
}

gsg_value gsg_nn_cell(gsg_graph *graph, const char *name, gsg_value x, int64_t channels, const gsg_cell *cell,
                      int32_t bias)
{
    gsg_conv conv = {0};
    gsg_value weights = weights_of(graph, name, x, channels, cell, &conv);
    gsg_value shift = bias ? gsg_nn_bias(graph, name, channels) : GSG_NONE;
    return gsg_op_conv(graph, x, weights, shift, &conv);
}

gsg_value gsg_nn_cell_norm(gsg_graph *graph, const char *name, gsg_value x, int64_t channels, const gsg_cell *cell,
                           float slope, gsg_mode mode)
{
    char norm_name[NAME_SIZE];
    gsg_conv conv = {0};
    gsg_value weights = weights_of(graph, name, x, channels, cell, &conv);
    snprintf(norm_name, sizeof norm_name, "%s.norm", name);
    return gsg_nn_weighted_norm(graph, norm_name, x, weights, channels, &conv, slope, mode);
}

int32_t gsg_nn_is_architecture(const gsg_param *param)
{
    return param->kind == GSG_PARAM_VECTOR && gsg_text_ends(param->name, ALPHA);
}

static int32_t find_candidate(const gsg_params *params, const char *name, int32_t candidate)
{
    char full[NAME_SIZE];
    snprintf(full, sizeof full, "%s.k%lld.weight", name, (long long)size_of(candidate));
    return gsg_params_find(params, full);
}

static const float *find_logits(const gsg_params *params, const char *name)
{
    char full[NAME_SIZE];
    snprintf(full, sizeof full, "%s" ALPHA, name);
    const int32_t index = gsg_params_find(params, full);
    return index < 0 ? NULL : params->items[index].data;
}

int32_t gsg_nn_cell_best(const gsg_params *params, const char *name, int32_t candidates, int32_t *kernel)
{
    const float *logits = find_logits(params, name);
    int32_t best = 0;
    if (!logits && candidates > 1)
        return -1;
    for (int32_t j = 1; j < candidates; j++)
        if (logits[j] > logits[best])
            best = j;
    *kernel = (int32_t)size_of(best);
    return find_candidate(params, name, best);
}

genseg_status gsg_nn_cell_merged(const gsg_params *params, const char *name, int32_t candidates, gsg_param *merged,
                                 gsg_error *err)
{
    genseg_status status;
    gsg_kernel *kernel = NULL;
    const gsg_weights *layouts[GSG_MERGE_CANDIDATES];
    // One candidate needs no logits.
    float zero[GSG_VECTOR_PAD] = {0}, *args[GSG_MERGE_CANDIDATES + 2];
    const float *logits = candidates > 1 ? find_logits(params, name) : zero;
    GSG_CHECK(logits && candidates >= 1 && candidates <= GSG_MERGE_CANDIDATES);
    args[0] = (float *)(uintptr_t)logits;
    for (int32_t j = 0; j < candidates; j++) {
        const int32_t index = find_candidate(params, name, j);
        GSG_CHECK(index >= 0);
        layouts[j] = &params->items[index].layout;
        args[j + 1] = params->items[index].data;
    }
    GSG_CHECK(gsg_shape_equal(layouts[candidates - 1]->shape, merged->layout.shape));
    args[candidates + 1] = merged->data;
    GSG_TRY(gsg_merge_forward_new(params->engine, candidates, layouts, &kernel, err));
    GSG_TRY(kernel->run(kernel, &(gsg_run){0}, args, NULL, err));
done:
    gsg_kernel_free(kernel);
    return status;
}
