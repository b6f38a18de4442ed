// The model file: docs/formats/checkpoint.md. Weights under the names that the
// widespread PyTorch U-Net gives them, the rest as JSON.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint/meta.h"
#include "checkpoint/safetensors.h"
#include "predict/segmenter.h"

#define MOST_WIDTH 4096
#define MOST_CHANNELS 1024
#define MOST_LEVELS 7

// Words for the numbers of preprocess.h and normalise.h; the index is the number.
static const char *const normalise_names[] = {"", "percentile", "zscore", "none"};
static const char *const scale_names[] = {"", "native", "spacing", "resize"};

static void set_description(gsg_meta *meta, const genseg_segmenter *segmenter)
{
    const gsg_preprocess *p = &segmenter->preprocess;
    const gsg_provenance *from = &segmenter->provenance;
    int64_t values[GSG_DATASET_MAX_CLASSES];
    for (int32_t k = 0; k < segmenter->classes; k++)
        values[k] = segmenter->values[k];
    gsg_meta_set_text(meta, "segmenter.architecture", gsg_segmenter_architecture(&segmenter->unet));
    gsg_meta_set_int(meta, "segmenter.levels", segmenter->unet.levels);
    gsg_meta_set_int(meta, "segmenter.width", segmenter->unet.width);
    gsg_meta_set_int(meta, "segmenter.channels", segmenter->unet.channels);
    gsg_meta_set_int(meta, "segmenter.outputs", segmenter->unet.outputs);
    gsg_meta_set_text(meta, "preprocess.normalise", normalise_names[p->normalise]);
    gsg_meta_set_text(meta, "preprocess.scale", scale_names[p->scale]);
    gsg_meta_set_ints(meta, "preprocess.size", p->size, 3);
    gsg_meta_set_doubles(meta, "preprocess.spacing_mm", p->spacing, 3);
    gsg_meta_set_ints(meta, "labels.values", values, segmenter->classes);
    gsg_meta_set_texts(meta, "labels.names", (const char *const *)segmenter->names, segmenter->classes);
    gsg_meta_set_text(meta, "provenance.library", "libgenseg");
    gsg_meta_set_text(meta, "provenance.version", segmenter->version);
    gsg_meta_set_int(meta, "provenance.steps", from->steps);
    gsg_meta_set_int(meta, "provenance.train_cases", from->train_cases);
    gsg_meta_set_int(meta, "provenance.validation_cases", from->validation_cases);
    gsg_meta_set_double(meta, "provenance.validation_dice", from->validation_dice);
    gsg_meta_set_int(meta, "provenance.seed", (int64_t)from->seed); // two's complement beyond 2^63
}

static genseg_status describe(const genseg_segmenter *segmenter, char **text, gsg_error *err)
{
    gsg_meta *meta = NULL;
    genseg_status status = gsg_meta_new(segmenter->context, "model", &meta, err);
    if (status == GENSEG_OK) {
        set_description(meta, segmenter);
        status = gsg_meta_print(meta, text, err);
    }
    gsg_meta_free(meta);
    return status;
}

// One tensor at a time is brought to the public order, so that saving needs room for the largest one only.
static genseg_status write_weights(gsg_safetensors_writer *writer, const gsg_params *params, gsg_error *err)
{
    int64_t most = 1;
    for (int32_t i = 0; i < params->count; i++) {
        const int64_t count = gsg_shape_count(params->items[i].layout.shape);
        most = count > most ? count : most;
    }
    float *plain = gsg_alloc(params->context, (size_t)most, sizeof *plain);
    if (!plain)
        return gsg_error_nomem(err, (size_t)most * sizeof *plain);
    genseg_status status = GENSEG_OK;
    for (int32_t i = 0; i < params->count && status == GENSEG_OK; i++) {
        const gsg_param *item = &params->items[i];
        gsg_param_export(item, plain);
        status = gsg_safetensors_write(writer, plain, (size_t)gsg_shape_count(item->layout.shape) * sizeof *plain, err);
    }
    gsg_free(params->context, plain);
    return status;
}

genseg_status gsg_segmenter_save(const genseg_segmenter *segmenter, const char *path, gsg_error *err)
{
    genseg_status status;
    genseg_context *context = segmenter->context;
    const gsg_params *params = segmenter->params;
    gsg_safetensors_writer writer;
    char *text = NULL;
    gsg_tensor_entry *entries = gsg_alloc(context, (size_t)params->count, sizeof *entries);
    if (!entries)
        GSG_TRY(gsg_error_nomem(err, (size_t)params->count * sizeof *entries));
    for (int32_t i = 0; i < params->count; i++)
        entries[i] = (gsg_tensor_entry){
            .name = params->items[i].name, .dtype = GENSEG_DTYPE_FLOAT32, .shape = params->items[i].layout.shape};
    GSG_TRY(describe(segmenter, &text, err));
    const gsg_tensor_note notes[] = {{"format", "pt"}, {GSG_META_NOTE, text}};
    GSG_TRY(gsg_safetensors_begin(&writer, context, path, entries, params->count, notes, 2, err));
    status = write_weights(&writer, params, err);
    if (status == GENSEG_OK)
        status = gsg_safetensors_commit(&writer, err);
    else
        gsg_safetensors_abort(&writer);
done:
    gsg_free(context, text);
    gsg_free(context, entries);
    return status;
}

static genseg_status find_word(const gsg_meta *meta, const char *key, const char *const *names, int32_t count,
                               const char *path, int32_t *number, gsg_error *err)
{
    const char *word = NULL;
    genseg_status status = gsg_meta_get_text(meta, key, &word, err);
    if (status != GENSEG_OK)
        return status;
    for (int32_t i = 1; i < count; i++)
        if (strcmp(word, names[i]) == 0) {
            *number = i;
            return GENSEG_OK;
        }
    return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: metadata `%s` is \"%.40s\", which is unknown", path, key, word);
}

static genseg_status get_network(const gsg_meta *meta, const char *path, gsg_unet *unet, gsg_error *err)
{
    static const char *const architectures[] = {"", "", "unet2d", "unet3d"};
    genseg_status status;
    int64_t levels = 0;
    GSG_TRY(find_word(meta, "segmenter.architecture", architectures, 4, path, &unet->spatial, err));
    GSG_TRY(gsg_meta_get_int(meta, "segmenter.levels", 1, MOST_LEVELS, &levels, err));
    GSG_TRY(gsg_meta_get_int(meta, "segmenter.width", 1, MOST_WIDTH, &unet->width, err));
    GSG_TRY(gsg_meta_get_int(meta, "segmenter.channels", 1, MOST_CHANNELS, &unet->channels, err));
    GSG_TRY(gsg_meta_get_int(meta, "segmenter.outputs", 1, GSG_DATASET_MAX_CLASSES, &unet->outputs, err));
    unet->levels = (int32_t)levels;
done:
    return status;
}

static genseg_status get_preprocess(const gsg_meta *meta, const char *path, const gsg_unet *unet, gsg_preprocess *p,
                                    gsg_error *err)
{
    genseg_status status;
    p->ndim = unet->spatial;
    p->channels = (int32_t)unet->channels;
    GSG_TRY(find_word(meta, "preprocess.normalise", normalise_names, 4, path, &p->normalise, err));
    GSG_TRY(find_word(meta, "preprocess.scale", scale_names, 4, path, &p->scale, err));
    GSG_TRY(gsg_meta_get_ints(meta, "preprocess.size", 3, p->size, err));
    GSG_TRY(gsg_meta_get_doubles(meta, "preprocess.spacing_mm", 3, p->spacing, err));
    if (gsg_preprocess_check(p, err) != GENSEG_OK) {
        gsg_error_prefix(err, GENSEG_ERROR_FORMAT, path);
        if (err)
            err->status = GENSEG_ERROR_FORMAT;
        return GENSEG_ERROR_FORMAT;
    }
    for (int32_t a = 3 - unet->spatial; a < 3; a++)
        if (p->size[a] % gsg_unet_multiple(unet) != 0)
            status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: size %lld is no multiple of %lld", path,
                                   (long long)p->size[a], (long long)gsg_unet_multiple(unet));
done:
    return status;
}

static genseg_status get_labels(const gsg_meta *meta, const char *path, int64_t outputs, int64_t *classes,
                                int32_t values[GSG_DATASET_MAX_CLASSES], const char *names[GSG_DATASET_MAX_CLASSES],
                                gsg_error *err)
{
    genseg_status status;
    int64_t wide[GSG_DATASET_MAX_CLASSES];
    GSG_TRY(gsg_meta_get_count(meta, "labels.values", classes, err));
    if (*classes != (outputs == 1 ? 2 : outputs)) {
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: %lld label values for %lld outputs", path,
                               (long long)*classes, (long long)outputs);
        goto done;
    }
    GSG_TRY(gsg_meta_get_ints(meta, "labels.values", *classes, wide, err));
    GSG_TRY(gsg_meta_get_texts(meta, "labels.names", *classes, names, err));
    for (int64_t k = 0; k < *classes; k++) {
        if (wide[k] < INT32_MIN || wide[k] > INT32_MAX || (k > 0 && wide[k] <= wide[k - 1])) {
            status =
                gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: label value %lld of class %lld is out of order or range",
                              path, (long long)wide[k], (long long)k);
            goto done;
        }
        values[k] = (int32_t)wide[k];
    }
done:
    return status;
}

static genseg_status get_provenance(const gsg_meta *meta, gsg_segmenter_parts *parts, gsg_error *err)
{
    genseg_status status;
    int64_t seed = 0;
    gsg_provenance *from = &parts->provenance;
    GSG_TRY(gsg_meta_get_text(meta, "provenance.version", &parts->version, err));
    GSG_TRY(gsg_meta_get_int(meta, "provenance.steps", 0, INT64_MAX, &from->steps, err));
    GSG_TRY(gsg_meta_get_int(meta, "provenance.train_cases", 0, INT64_MAX, &from->train_cases, err));
    GSG_TRY(gsg_meta_get_int(meta, "provenance.validation_cases", 0, INT64_MAX, &from->validation_cases, err));
    GSG_TRY(gsg_meta_get_double(meta, "provenance.validation_dice", &from->validation_dice, err));
    GSG_TRY(gsg_meta_get_int(meta, "provenance.seed", INT64_MIN, INT64_MAX, &seed, err));
    from->seed = (uint64_t)seed;
done:
    return status;
}

// The first, the largest and the last weights. All others are between them, so once these are in the file, the
// network's memory follows the file's size: a document that claims width 4096 is refused before room is made for it.
static genseg_status check_extremes(const gsg_safetensors *file, const gsg_unet *unet, gsg_error *err)
{
    genseg_status status;
    char name[64];
    const int64_t deepest = unet->width << unet->levels;
    const gsg_shape first = {unet->spatial + 2, {unet->width, unet->channels, 3, 3, 3}};
    const gsg_shape largest = {unet->spatial + 2, {deepest, deepest, 3, 3, 3}};
    const gsg_shape last = {unet->spatial + 2, {unet->outputs, unet->width, 1, 1, 1}};
    snprintf(name, sizeof name, "down%d.maxpool_conv.1.double_conv.3.weight", (int)unet->levels);
    GSG_TRY(gsg_safetensors_check(file, "inc.double_conv.0.weight", GENSEG_DTYPE_FLOAT32, first, err));
    GSG_TRY(gsg_safetensors_check(file, name, GENSEG_DTYPE_FLOAT32, largest, err));
    GSG_TRY(gsg_safetensors_check(file, "outc.conv.weight", GENSEG_DTYPE_FLOAT32, last, err));
done:
    return status;
}

static genseg_status read_weights(const gsg_safetensors *file, gsg_params *params, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    for (int32_t i = 0; i < params->count && status == GENSEG_OK; i++) {
        gsg_param *item = &params->items[i];
        const int64_t count = gsg_shape_count(item->layout.shape);
        float *plain = gsg_alloc(params->context, (size_t)count, sizeof *plain);
        if (!plain)
            return gsg_error_nomem(err, (size_t)count * sizeof *plain);
        status = gsg_safetensors_read(file, item->name, GENSEG_DTYPE_FLOAT32, item->layout.shape, plain, err);
        for (int64_t v = 0; v < count && status == GENSEG_OK; v++)
            if (!isfinite(plain[v]))
                status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: tensor %s holds NaN or Inf at %lld",
                                       gsg_safetensors_path(file), item->name, (long long)v);
        if (status == GENSEG_OK)
            gsg_param_import(item, plain);
        gsg_free(params->context, plain);
    }
    return status;
}

genseg_status gsg_segmenter_load(genseg_context *context, const char *path, genseg_segmenter **segmenter,
                                 gsg_error *err)
{
    genseg_status status;
    gsg_safetensors *file = NULL;
    gsg_meta *meta = NULL;
    gsg_params *params = NULL;
    gsg_segmenter_parts parts = {0};
    int64_t classes = 0;
    int32_t values[GSG_DATASET_MAX_CLASSES];
    const char *names[GSG_DATASET_MAX_CLASSES];
    GSG_TRY(gsg_safetensors_open(context, path, &file, err));
    GSG_TRY(gsg_meta_parse(context, gsg_safetensors_note(file, GSG_META_NOTE), "model", path, &meta, err));
    GSG_TRY(get_network(meta, path, &parts.unet, err));
    GSG_TRY(get_preprocess(meta, path, &parts.unet, &parts.preprocess, err));
    GSG_TRY(get_labels(meta, path, parts.unet.outputs, &classes, values, names, err));
    GSG_TRY(get_provenance(meta, &parts, err));
    parts.classes = (int32_t)classes;
    parts.values = values;
    parts.names = names;
    GSG_TRY(check_extremes(file, &parts.unet, err));
    GSG_TRY(gsg_unet_params(context, &parts.unet, &params, err));
    GSG_TRY(read_weights(file, params, err));
    GSG_TRY(gsg_segmenter_new(context, &parts, params, segmenter, err));
    params = NULL;
done:
    gsg_params_free(params);
    gsg_meta_free(meta);
    gsg_safetensors_free(file);
    return status;
}
