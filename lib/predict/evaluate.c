// Prediction and scores of the cases of a data set.
#include <string.h>

#include "core/parallel.h"
#include "metric/score.h"
#include "predict/segmenter.h"

// The model's class of each of the data set's, by label value.
static genseg_status match_labels(const genseg_segmenter *segmenter, const genseg_dataset *dataset, int32_t *map,
                                  gsg_error *err)
{
    for (int32_t d = 0; d < dataset->classes; d++) {
        int32_t k = 0;
        while (k < segmenter->classes && segmenter->values[k] != dataset->values[d])
            k++;
        if (k == segmenter->classes)
            return gsg_error_set(err, GENSEG_ERROR_FORMAT, "the data has label value %d (%s), which the model has not",
                                 (int)dataset->values[d], dataset->names[d]);
        map[d] = k;
    }
    return GENSEG_OK;
}

typedef struct evaluation {
    genseg_segmenter *segmenter;
    genseg_dataset *dataset;
    const genseg_metrics_options *metrics;
    const genseg_predict_options *options;
    int32_t map[GSG_DATASET_MAX_CLASSES];
    genseg_metrics scores[GSG_DATASET_MAX_CLASSES];
} evaluation;

static genseg_status score(evaluation *e, const gsg_volume *volume, const int32_t *reference, const uint8_t *classes,
                           gsg_error *err)
{
    genseg_context *context = e->segmenter->context;
    const int64_t voxels = gsg_volume_count(volume);
    genseg_metrics_options metrics = *e->metrics;
    metrics.classes = e->segmenter->classes;
    memcpy(metrics.spacing, volume->geometry.spacing, sizeof metrics.spacing);
    int32_t *prediction = gsg_alloc(context, (size_t)voxels, sizeof *prediction);
    if (!prediction)
        return gsg_error_nomem(err, (size_t)voxels * sizeof *prediction);
    for (int64_t i = 0; i < voxels; i++)
        prediction[i] = classes[i];
    genseg_status status =
        gsg_score_classes(context, reference, prediction, volume->ndim, volume->size, &metrics, e->scores, err);
    gsg_free(context, prediction);
    return status;
}

static genseg_status evaluate_case(evaluation *e, genseg_evaluation *told, genseg_evaluation_fn report, void *user,
                                   gsg_error *err)
{
    genseg_status status;
    genseg_context *context = e->segmenter->context;
    gsg_volume volume;
    uint8_t *classes = NULL;
    int32_t *values = NULL;
    gsg_volume_init(&volume, context);
    GSG_TRY(gsg_dataset_read(e->dataset, told->index, &volume, err));
    const double begin = gsg_clock();
    GSG_TRY(gsg_segmenter_predict(e->segmenter, &volume, e->options, &classes, NULL, err));
    told->seconds = gsg_clock() - begin;
    const int64_t voxels = gsg_volume_count(&volume);
    for (int64_t i = 0; i < voxels; i++)
        volume.label[i] = e->map[volume.label[i]];
    GSG_TRY(score(e, &volume, volume.label, classes, err));
    values = gsg_segmenter_values(e->segmenter, classes, voxels);
    if (!values)
        GSG_TRY(gsg_error_nomem(err, (size_t)voxels * sizeof *values));
    told->prediction = values;
    if (report(told, user) != 0)
        status = gsg_error_set(err, GENSEG_ERROR_CANCELLED, "cancelled after %lld of %lld cases",
                               (long long)told->done, (long long)told->total);
done:
    gsg_free(context, values);
    gsg_free(context, classes);
    gsg_volume_free(&volume);
    return status;
}

static int64_t list_cases(const genseg_dataset *dataset, int32_t split, int64_t *indices)
{
    int64_t count = 0;
    if (split != GENSEG_SPLIT_NONE)
        return gsg_dataset_select(dataset, split, indices);
    for (int64_t i = 0; i < dataset->count; i++)
        if (dataset->cases[i].labelled)
            indices[count++] = i;
    return count;
}

genseg_status gsg_segmenter_evaluate(genseg_segmenter *segmenter, genseg_dataset *dataset, int32_t split,
                                     const genseg_metrics_options *metrics, const genseg_predict_options *options,
                                     genseg_evaluation_fn report, void *user, gsg_error *err)
{
    static const char *const names[] = {"labelled", "training", "validation", "test"};
    genseg_status status;
    genseg_context *context = segmenter->context;
    evaluation *e = gsg_alloc_zero(context, 1, sizeof *e);
    int64_t *indices = gsg_alloc(context, (size_t)dataset->count + 1, sizeof *indices);
    if (!e || !indices)
        GSG_TRY(gsg_error_nomem(err, sizeof *e));
    e->segmenter = segmenter;
    e->dataset = dataset;
    e->metrics = metrics;
    e->options = options;
    const int64_t total = list_cases(dataset, split, indices);
    if (total == 0)
        GSG_TRY(gsg_error_set(err, GENSEG_ERROR_STATE, "the data has no %s case", names[split]));
    GSG_TRY(match_labels(segmenter, dataset, e->map, err));
    for (int64_t i = 0; i < total; i++) {
        const char *name = dataset->cases[indices[i]].name;
        genseg_evaluation told = {.struct_size = sizeof told, .index = indices[i], .name = name, .scores = e->scores,
                                  .score_size = sizeof *e->scores, .done = i + 1, .total = total,
                                  .classes = segmenter->classes};
        status = evaluate_case(e, &told, report, user, err);
        if (status != GENSEG_OK) {
            if (status != GENSEG_ERROR_CANCELLED)
                gsg_error_prefix(err, status, name);
            goto done;
        }
    }
done:
    gsg_free(context, indices);
    gsg_free(context, e);
    return status;
}
