// The model file: docs/formats/checkpoint.md. Weights under the names that the
// widespread PyTorch U-Net gives them, the rest as JSON.
#include <stdio.h>
#include <string.h>

#include "predict/model_file.h"

#define MOST_LEVELS 7

// Words for the numbers of preprocess.h and normalise.h; the index is the number.
static const char *const normalise_names[] = {"", "percentile", "zscore", "none"};
static const char *const scale_names[] = {"", "native", "spacing", "resize"};

void gsg_segmenter_set_meta(gsg_meta *meta, const genseg_segmenter *segmenter)
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
    // Two's complement beyond 2^63.
    gsg_meta_set_ints(meta, "provenance.train", (const int64_t *)from->cases, from->train_cases);
    gsg_meta_set_ints(meta, "provenance.validation", (const int64_t *)from->cases + from->train_cases,
                      from->validation_cases);
    gsg_meta_set_double(meta, "provenance.validation_dice", from->validation_dice);
    gsg_meta_set_int(meta, "provenance.seed", (int64_t)from->seed); // likewise
}

genseg_status gsg_segmenter_save(const genseg_segmenter *segmenter, const char *path, gsg_error *err)
{
    gsg_meta *meta = NULL;
    genseg_status status = gsg_meta_new(segmenter->context, "model", &meta, err);
    if (status == GENSEG_OK) {
        gsg_segmenter_set_meta(meta, segmenter);
        status = gsg_model_write(segmenter->context, path, meta, (const gsg_params *[]){segmenter->params}, 1, err);
    }
    gsg_meta_free(meta);
    return status;
}

static genseg_status get_network(const gsg_meta *meta, const char *path, gsg_unet *unet, gsg_error *err)
{
    static const char *const architectures[] = {"", "", "unet2d", "unet3d"};
    genseg_status status;
    int64_t levels = 0;
    GSG_TRY(gsg_model_get_word(meta, "segmenter.architecture", architectures, 4, path, &unet->spatial, err));
    GSG_TRY(gsg_meta_get_int(meta, "segmenter.levels", 1, MOST_LEVELS, &levels, err));
    GSG_TRY(gsg_meta_get_int(meta, "segmenter.width", 1, GSG_MODEL_MOST_WIDTH, &unet->width, err));
    GSG_TRY(gsg_meta_get_int(meta, "segmenter.channels", 1, GSG_MODEL_MOST_CHANNELS, &unet->channels, err));
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
    GSG_TRY(gsg_model_get_word(meta, "preprocess.normalise", normalise_names, 4, path, &p->normalise, err));
    GSG_TRY(gsg_model_get_word(meta, "preprocess.scale", scale_names, 4, path, &p->scale, err));
    GSG_TRY(gsg_meta_get_ints(meta, "preprocess.size", 3, p->size, err));
    GSG_TRY(gsg_meta_get_doubles(meta, "preprocess.spacing_mm", 3, p->spacing, err));
    GSG_TRY(gsg_model_check_input(p, gsg_unet_multiple(unet), path, err));
done:
    return status;
}

static genseg_status get_provenance(genseg_context *context, const gsg_meta *meta, gsg_segmenter_parts *parts,
                                    gsg_error *err)
{
    genseg_status status;
    int64_t seed = 0;
    gsg_provenance *from = &parts->provenance;
    GSG_TRY(gsg_meta_get_text(meta, "provenance.version", &parts->version, err));
    GSG_TRY(gsg_meta_get_int(meta, "provenance.steps", 0, INT64_MAX, &from->steps, err));
    GSG_TRY(gsg_meta_get_count(meta, "provenance.train", &from->train_cases, err));
    GSG_TRY(gsg_meta_get_count(meta, "provenance.validation", &from->validation_cases, err));
    const size_t cases = (size_t)(from->train_cases + from->validation_cases);
    from->cases = gsg_alloc(context, cases, sizeof *from->cases);
    if (!from->cases)
        GSG_TRY(gsg_error_nomem(err, cases * sizeof *from->cases));
    GSG_TRY(gsg_meta_get_ints(meta, "provenance.train", from->train_cases, (int64_t *)from->cases, err));
    GSG_TRY(gsg_meta_get_ints(meta, "provenance.validation", from->validation_cases,
                              (int64_t *)from->cases + from->train_cases, err));
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
    GSG_TRY(gsg_model_get_labels(meta, path, parts.unet.outputs, &classes, values, names, err));
    GSG_TRY(get_provenance(context, meta, &parts, err));
    parts.classes = (int32_t)classes;
    parts.values = values;
    parts.names = names;
    GSG_TRY(check_extremes(file, &parts.unet, err));
    GSG_TRY(gsg_unet_params(context, &parts.unet, &params, err));
    GSG_TRY(gsg_model_read_weights(file, params, err));
    GSG_TRY(gsg_segmenter_new(context, &parts, params, segmenter, err));
    params = NULL;
done:
    gsg_free(context, parts.provenance.cases);
    gsg_params_free(params);
    gsg_meta_free(meta);
    gsg_safetensors_free(file);
    return status;
}
