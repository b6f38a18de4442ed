// The generator's part of the model file: docs/formats/checkpoint.md.
#include <stdio.h>
#include <string.h>

#include "predict/model_file.h"
#include "predict/synthesizer.h"

#define MOST_NOISE 1024
#define PREFIX "generator."

static void set_description(gsg_meta *meta, const genseg_generator *generator)
{
    const gsg_generator *g = &generator->network;
    int64_t fixed[2 * GSG_GENERATOR_LEVELS];
    for (int32_t i = 0; i < 2 * g->levels; i++)
        fixed[i] = g->fixed[i];
    gsg_meta_set_int(meta, "generator.spatial", g->spatial);
    gsg_meta_set_int(meta, "generator.levels", g->levels);
    gsg_meta_set_int(meta, "generator.width", g->width);
    gsg_meta_set_int(meta, "generator.channels", g->channels);
    gsg_meta_set_int(meta, "generator.masks", g->masks);
    gsg_meta_set_int(meta, "generator.noise", g->noise);
    gsg_meta_set_int(meta, "generator.candidates", g->candidates);
    gsg_meta_set_ints(meta, "generator.fixed", fixed, 2 * g->levels);
    gsg_meta_set_ints(meta, "generator.size", generator->size, 3);
    gsg_meta_set_doubles(meta, "generator.spacing_mm", generator->spacing, 3);
    gsg_meta_set_int(meta, "generator.symmetric", generator->symmetric);
    gsg_meta_set_int(meta, "generator.steps", generator->steps);
    gsg_meta_set_text(meta, "generator.version", generator->version);
}

static genseg_status check_pair(const genseg_generator *generator, const genseg_segmenter *segmenter, gsg_error *err)
{
    const gsg_generator *g = &generator->network;
    const gsg_unet *u = &segmenter->unet;
    if (g->spatial != u->spatial || g->channels != u->channels || generator->classes != segmenter->classes)
        return gsg_error_set(err, GENSEG_ERROR_INVALID,
                             "the generator (%d-D, %lld channels, %d classes) is not the segmenter's (%d-D, %lld "
                             "channels, %d classes)",
                             (int)g->spatial, (long long)g->channels, (int)generator->classes, (int)u->spatial,
                             (long long)u->channels, (int)segmenter->classes);
    for (int32_t k = 0; k < generator->classes; k++)
        if (generator->values[k] != segmenter->values[k])
            return gsg_error_set(err, GENSEG_ERROR_INVALID,
                                 "class %d has label value %d in the generator, %d in the segmenter", (int)k,
                                 (int)generator->values[k], (int)segmenter->values[k]);
    return GENSEG_OK;
}

genseg_status gsg_synthesizer_save(const genseg_generator *generator, const genseg_segmenter *segmenter,
                                   const char *path, gsg_error *err)
{
    gsg_meta *meta = NULL;
    const gsg_params *const lists[] = {segmenter->params, generator->params};
    genseg_status status = check_pair(generator, segmenter, err);
    if (status == GENSEG_OK)
        status = gsg_meta_new(generator->context, "model", &meta, err);
    if (status == GENSEG_OK) {
        gsg_segmenter_set_meta(meta, segmenter);
        set_description(meta, generator);
        status = gsg_model_write(generator->context, path, meta, lists, 2, err);
    }
    gsg_meta_free(meta);
    return status;
}

// ---- loading

static genseg_status get_int(const gsg_meta *meta, const char *key, int64_t least, int64_t most, int32_t *value,
                             gsg_error *err)
{
    int64_t wide = 0;
    genseg_status status = gsg_meta_get_int(meta, key, least, most, &wide, err);
    *value = (int32_t)wide;
    return status;
}

static genseg_status get_fixed(const gsg_meta *meta, const char *path, gsg_generator *g, gsg_error *err)
{
    int64_t fixed[2 * GSG_GENERATOR_LEVELS];
    const int64_t largest = GSG_CELL_FIRST + 2 * (GSG_MERGE_CANDIDATES - 1);
    genseg_status status = gsg_meta_get_ints(meta, "generator.fixed", 2 * g->levels, fixed, err);
    for (int32_t i = 0; i < 2 * g->levels && status == GENSEG_OK; i++) {
        if (fixed[i] != 0 && (fixed[i] < GSG_CELL_FIRST || fixed[i] > largest || fixed[i] % 2 != 0))
            return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: metadata `generator.fixed`[%d] is %lld, no kernel",
                                 path, (int)i, (long long)fixed[i]);
        g->fixed[i] = (int32_t)fixed[i];
    }
    return status;
}

static genseg_status get_network(const gsg_meta *meta, const char *path, gsg_generator *g, gsg_error *err)
{
    genseg_status status;
    if (!gsg_meta_has(meta, "generator"))
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: a model with no generator beside its segmenter", path);
    GSG_TRY(get_int(meta, "generator.spatial", 2, 3, &g->spatial, err));
    GSG_TRY(get_int(meta, "generator.levels", 1, GSG_GENERATOR_LEVELS, &g->levels, err));
    GSG_TRY(gsg_meta_get_int(meta, "generator.width", 1, GSG_MODEL_MOST_WIDTH, &g->width, err));
    GSG_TRY(gsg_meta_get_int(meta, "generator.channels", 1, GSG_MODEL_MOST_CHANNELS, &g->channels, err));
    GSG_TRY(gsg_meta_get_int(meta, "generator.masks", 1, GSG_DATASET_MAX_CLASSES, &g->masks, err));
    GSG_TRY(gsg_meta_get_int(meta, "generator.noise", 0, MOST_NOISE, &g->noise, err));
    GSG_TRY(get_int(meta, "generator.candidates", 1, GSG_MERGE_CANDIDATES, &g->candidates, err));
    GSG_TRY(get_fixed(meta, path, g, err));
done:
    return status;
}

static genseg_status get_rest(const gsg_meta *meta, const char *path, gsg_synthesizer_parts *parts, gsg_error *err)
{
    genseg_status status;
    const gsg_generator *g = &parts->network;
    gsg_preprocess input = {.ndim = g->spatial,
                            .channels = (int32_t)g->channels,
                            .normalise = GSG_NORMALISE_PERCENTILE,
                            .scale = GSG_SCALE_RESIZE};
    GSG_TRY(gsg_meta_get_ints(meta, "generator.size", 3, input.size, err));
    GSG_TRY(gsg_meta_get_doubles(meta, "generator.spacing_mm", 3, input.spacing, err));
    GSG_TRY(gsg_model_check_input(&input, gsg_generator_multiple(g), path, err));
    memcpy(parts->size, input.size, sizeof parts->size);
    memcpy(parts->spacing, input.spacing, sizeof parts->spacing);
    GSG_TRY(get_int(meta, "generator.symmetric", 0, 7, &parts->symmetric, err));
    GSG_TRY(gsg_meta_get_int(meta, "generator.steps", 0, INT64_MAX, &parts->steps, err));
    GSG_TRY(gsg_meta_get_text(meta, "generator.version", &parts->version, err));
done:
    return status;
}

// The largest kernel of a cell, by its place: first down, then up.
static genseg_status check_cell(const gsg_safetensors *file, const gsg_generator *g, const char *cell, int32_t number,
                                int64_t rows, int64_t columns, gsg_error *err)
{
    char name[64];
    const int32_t fixed = g->fixed[number], k = fixed ? fixed : GSG_CELL_FIRST + 2 * (g->candidates - 1);
    const gsg_shape shape = {g->spatial + 2, {rows, columns, k, k, g->spatial == 3 ? k : 0}};
    if (fixed)
        snprintf(name, sizeof name, PREFIX "%s.weight", cell);
    else
        snprintf(name, sizeof name, PREFIX "%s.k%d.weight", cell, (int)k);
    return gsg_safetensors_check(file, name, GENSEG_DTYPE_FLOAT32, shape, err);
}

// The outermost cells and the innermost of the encoder bound all others, as in segmenter_file.c: no document makes the
// reader take much more memory than its file has.
static genseg_status check_extremes(const gsg_safetensors *file, const gsg_generator *g, gsg_error *err)
{
    genseg_status status;
    char innermost[16];
    const int32_t levels = g->levels;
    const int64_t inner = gsg_generator_channels(g, levels);
    snprintf(innermost, sizeof innermost, "down%d", (int)levels);
    GSG_TRY(check_cell(file, g, "down1", 0, g->width, g->masks + g->noise, err));
    if (levels > 1)
        GSG_TRY(check_cell(file, g, innermost, levels - 1, inner, gsg_generator_channels(g, levels - 1), err));
    GSG_TRY(check_cell(file, g, "up1", 2 * levels - 1, levels > 1 ? 2 * g->width : g->width, g->channels, err));
done:
    return status;
}

// More tensors than the network has mean that the document describes another one, such as one of fewer candidates.
static genseg_status check_count(const gsg_safetensors *file, const gsg_params *params, gsg_error *err)
{
    int64_t count = 0;
    for (int64_t i = 0; i < gsg_safetensors_count(file); i++)
        count += strncmp(gsg_safetensors_entry(file, i).name, PREFIX, sizeof PREFIX - 1) == 0;
    if (count == params->count)
        return GENSEG_OK;
    return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: %lld tensors of a generator that has %d",
                         gsg_safetensors_path(file), (long long)count, (int)params->count);
}

genseg_status gsg_synthesizer_load(genseg_context *context, const char *path, genseg_generator **generator,
                                   gsg_error *err)
{
    genseg_status status;
    gsg_safetensors *file = NULL;
    gsg_meta *meta = NULL;
    gsg_params *params = NULL;
    gsg_synthesizer_parts parts = {.network = {.spatial = 0}};
    int64_t classes = 0;
    int32_t values[GSG_DATASET_MAX_CLASSES];
    const char *names[GSG_DATASET_MAX_CLASSES];
    GSG_TRY(gsg_safetensors_open(context, path, &file, err));
    GSG_TRY(gsg_meta_parse(context, gsg_safetensors_note(file, GSG_META_NOTE), "model", path, &meta, err));
    GSG_TRY(get_network(meta, path, &parts.network, err));
    GSG_TRY(get_rest(meta, path, &parts, err));
    GSG_TRY(gsg_model_get_labels(meta, path, parts.network.masks, &classes, values, names, err));
    parts.classes = (int32_t)classes;
    parts.values = values;
    GSG_TRY(check_extremes(file, &parts.network, err));
    GSG_TRY(gsg_generator_params(context, &parts.network, &params, err));
    GSG_TRY(gsg_model_read_weights(file, params, err));
    GSG_TRY(check_count(file, params, err));
    GSG_TRY(gsg_synthesizer_new(context, &parts, params, generator, err));
    params = NULL;
done:
    gsg_params_free(params);
    gsg_meta_free(meta);
    gsg_safetensors_free(file);
    return status;
}
