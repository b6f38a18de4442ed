// genseg/segmenter.h: checks arguments, completes options, brings host arrays to
// volumes and results back.
#include "genseg/segmenter.h"

#include <string.h>

#include "core/parallel.h"
#include "data/source.h"
#include "metric/score.h"
#include "predict/segmenter.h"
#include "tensor/array.h"

genseg_status genseg_predict_options_init(genseg_predict_options *options, size_t size)
{
    genseg_predict_options defaults;
    gsg_predict_defaults(&defaults);
    return gsg_options_init(options, size, &defaults, sizeof defaults);
}

static genseg_status missing(const char *name, gsg_error *err)
{
    return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s is NULL", name);
}

static genseg_status check_segmenter(const genseg_segmenter *segmenter, gsg_error *err)
{
    return segmenter ? gsg_context_check(segmenter->context, err) : missing("segmenter", err);
}

static genseg_status complete(const genseg_predict_options *given, genseg_predict_options *options, gsg_error *err)
{
    gsg_predict_defaults(options);
    genseg_status status = gsg_options_copy(options, sizeof *options, given, "genseg_predict_options", err);
    return status == GENSEG_OK ? gsg_predict_check(options, err) : status;
}

// The handle is constant to its users: all that changes behind it is a cache under a lock.
static genseg_segmenter *inner(const genseg_segmenter *segmenter)
{
    return (genseg_segmenter *)segmenter;
}

genseg_status genseg_segmenter_load(genseg_context *context, const char *path, genseg_segmenter **segmenter,
                                    genseg_error *err)
{
    genseg_status status = context ? gsg_context_check(context, err) : missing("context", err);
    if (status == GENSEG_OK && (!path || !segmenter))
        status = missing(path ? "segmenter" : "path", err);
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(context);
    status = gsg_segmenter_load(context, path, segmenter, err);
    gsg_parallel_leave(saved);
    return status;
}

genseg_status genseg_segmenter_save(const genseg_segmenter *segmenter, const char *path, genseg_error *err)
{
    genseg_status status = check_segmenter(segmenter, err);
    if (status == GENSEG_OK && !path)
        status = missing("path", err);
    return status == GENSEG_OK ? gsg_segmenter_save(segmenter, path, err) : status;
}

void genseg_segmenter_free(genseg_segmenter *segmenter)
{
    gsg_segmenter_release(segmenter);
}

// ---- prediction from memory

static genseg_status check_arrays(const genseg_segmenter *segmenter, const genseg_array *image,
                                  const genseg_array *label, const genseg_array *probability, gsg_error *err)
{
    genseg_status status;
    const int32_t ndim = segmenter->unet.spatial, channels = (int32_t)segmenter->unet.channels;
    GSG_TRY(gsg_array_check(image, "image", err));
    if (image->ndim != ndim + 1 && (image->ndim != ndim || channels > 1)) {
        char text[GSG_SHAPE_TEXT_SIZE];
        GSG_TRY(gsg_error_set(err, GENSEG_ERROR_SHAPE, "image is %s, the network is %d-D with %d channels",
                              gsg_shape_text(gsg_array_shape(image), text), (int)ndim, (int)channels));
    }
    if (label) {
        GSG_TRY(gsg_array_check_grid(label, 0, image, ndim, "label", "image", err));
        if (gsg_dtype_is_float(label->dtype))
            GSG_TRY(gsg_error_set(err, GENSEG_ERROR_INVALID, "label has a floating-point dtype"));
        for (int32_t k = 0; k < segmenter->classes; k++)
            if (!gsg_dtype_holds(label->dtype, segmenter->values[k]))
                GSG_TRY(gsg_error_set(err, GENSEG_ERROR_INVALID, "label value %d doesn't fit the dtype of label",
                                      (int)segmenter->values[k]));
    }
    if (probability) {
        GSG_TRY(gsg_array_check_grid(probability, segmenter->classes, image, ndim, "probability", "image", err));
        if (probability->dtype != GENSEG_DTYPE_FLOAT32)
            GSG_TRY(gsg_error_set(err, GENSEG_ERROR_INVALID, "probability is not float32"));
    }
done:
    return status;
}

static genseg_status predict(genseg_segmenter *segmenter, const genseg_array *image, const double *affine,
                             const genseg_predict_options *options, const genseg_array *label,
                             const genseg_array *probability, gsg_error *err)
{
    genseg_status status;
    genseg_context *context = segmenter->context;
    gsg_volume volume;
    uint8_t *classes = NULL;
    float *dense = NULL;
    int32_t *values = NULL;
    const int32_t channels = image->ndim > segmenter->unet.spatial ? (int32_t)segmenter->unet.channels : 0;
    gsg_volume_init(&volume, context);
    GSG_TRY(gsg_volume_set_image(&volume, image, channels, affine, "image", err));
    GSG_TRY(gsg_segmenter_predict(segmenter, &volume, options, &classes, probability ? &dense : NULL, err));
    if (label) {
        values = gsg_segmenter_values(segmenter, classes, gsg_volume_count(&volume));
        if (!values)
            GSG_TRY(gsg_error_nomem(err, (size_t)gsg_volume_count(&volume) * sizeof *values));
        gsg_array_from_int32(values, label);
    }
    if (probability)
        gsg_array_from_float(dense, probability);
done:
    gsg_free(context, values);
    gsg_free(context, dense);
    gsg_free(context, classes);
    gsg_volume_free(&volume);
    return status;
}

genseg_status genseg_segmenter_predict(const genseg_segmenter *segmenter, const genseg_array *image,
                                       const double *affine, const genseg_predict_options *options,
                                       const genseg_array *label, const genseg_array *probability, genseg_error *err)
{
    genseg_predict_options full;
    genseg_status status = check_segmenter(segmenter, err);
    if (status == GENSEG_OK && !image)
        status = missing("image", err);
    if (status == GENSEG_OK)
        status = complete(options, &full, err);
    if (status == GENSEG_OK)
        status = check_arrays(segmenter, image, label, probability, err);
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(segmenter->context);
    status = predict(inner(segmenter), image, affine, &full, label, probability, err);
    gsg_parallel_leave(saved);
    return status;
}

// ---- files and data sets

genseg_status genseg_segmenter_predict_file(const genseg_segmenter *segmenter, const char *image_path,
                                            const genseg_predict_options *options, const char *label_path,
                                            const char *probability_path, genseg_error *err)
{
    genseg_predict_options full;
    genseg_status status = check_segmenter(segmenter, err);
    if (status == GENSEG_OK && !image_path)
        status = missing("image_path", err);
    if (status == GENSEG_OK)
        status = complete(options, &full, err);
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(segmenter->context);
    status = gsg_segmenter_predict_file(inner(segmenter), image_path, &full, label_path, probability_path, err);
    gsg_parallel_leave(saved);
    return status;
}

genseg_status genseg_segmenter_divide(const genseg_segmenter *segmenter, genseg_dataset *dataset, genseg_error *err)
{
    genseg_status status = check_segmenter(segmenter, err);
    if (status == GENSEG_OK && !dataset)
        status = missing("dataset", err);
    if (status == GENSEG_OK)
        gsg_segmenter_divide(segmenter, dataset);
    return status;
}

genseg_status genseg_segmenter_evaluate(const genseg_segmenter *segmenter, genseg_dataset *dataset, int32_t split,
                                        const genseg_metrics_options *metrics, const genseg_predict_options *options,
                                        genseg_evaluation_fn report, void *user, genseg_error *err)
{
    genseg_predict_options full;
    genseg_metrics_options scores;
    genseg_status status;
    GSG_TRY(check_segmenter(segmenter, err));
    if (!dataset || !report)
        GSG_TRY(missing(dataset ? "report" : "dataset", err));
    if (split < GENSEG_SPLIT_NONE || split > GENSEG_SPLIT_TEST)
        GSG_TRY(gsg_error_set(err, GENSEG_ERROR_INVALID, "split is %d", (int)split));
    GSG_TRY(complete(options, &full, err));
    gsg_score_defaults(&scores);
    GSG_TRY(gsg_options_copy(&scores, sizeof scores, metrics, "genseg_metrics_options", err));
    scores.classes = segmenter->classes;
    scores.spacing[0] = scores.spacing[1] = scores.spacing[2] = 1; // each case brings its own
    GSG_TRY(gsg_score_check(&scores, err));
    int32_t saved = gsg_parallel_enter(segmenter->context);
    status = gsg_segmenter_evaluate(inner(segmenter), dataset, split, &scores, &full, report, user, err);
    gsg_parallel_leave(saved);
done:
    return status;
}

genseg_status genseg_segmenter_extension(const genseg_segmenter *segmenter, const char *image_path,
                                         int32_t probability, const char **extension, genseg_error *err)
{
    gsg_source source;
    genseg_status status = check_segmenter(segmenter, err);
    if (status == GENSEG_OK && (!image_path || !extension))
        status = missing(image_path ? "extension" : "image_path", err);
    if (status == GENSEG_OK)
        status = gsg_source_read(segmenter->context, image_path, &source, err);
    if (status != GENSEG_OK)
        return status;
    *extension = probability ? gsg_source_probability_extension(&source) : gsg_source_label_extension(&source);
    gsg_source_free(&source);
    return GENSEG_OK;
}

// ---- accessors

genseg_status genseg_segmenter_describe(const genseg_segmenter *segmenter, genseg_segmenter_info *info,
                                        genseg_error *err)
{
    genseg_status status = check_segmenter(segmenter, err);
    if (status == GENSEG_OK && !info)
        status = missing("info", err);
    if (status != GENSEG_OK)
        return status;
    const gsg_provenance *from = &segmenter->provenance;
    const gsg_preprocess *p = &segmenter->preprocess;
    genseg_segmenter_info full = {.struct_size = sizeof full,
                                  .architecture = gsg_segmenter_architecture(&segmenter->unet),
                                  .version = segmenter->version,
                                  .ndim = segmenter->unet.spatial,
                                  .channels = (int32_t)segmenter->unet.channels,
                                  .classes = segmenter->classes,
                                  .levels = segmenter->unet.levels,
                                  .width = segmenter->unet.width,
                                  .weights = gsg_params_values(segmenter->params, 1),
                                  .normalise = p->normalise,
                                  .scale = p->scale,
                                  .steps = from->steps,
                                  .train_cases = from->train_cases,
                                  .validation_cases = from->validation_cases,
                                  .validation_dice = from->validation_dice,
                                  .seed = from->seed};
    memcpy(full.size, p->size, sizeof full.size);
    memcpy(full.spacing, p->spacing, sizeof full.spacing);
    status = gsg_options_init(info, info->struct_size, &full, sizeof full);
    return status == GENSEG_OK ? status : gsg_error_set(err, status, "info->struct_size is %zu", info->struct_size);
}

int32_t genseg_segmenter_classes(const genseg_segmenter *segmenter)
{
    return segmenter ? segmenter->classes : 0;
}

int64_t genseg_segmenter_label_value(const genseg_segmenter *segmenter, int32_t k)
{
    return segmenter && k >= 0 && k < segmenter->classes ? segmenter->values[k] : 0;
}

const char *genseg_segmenter_label_name(const genseg_segmenter *segmenter, int32_t k)
{
    return segmenter && k >= 0 && k < segmenter->classes ? segmenter->names[k] : NULL;
}
