// genseg/metrics.h: checks arguments, brings both maps to dense int32, calls
// metric/score.h.
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "genseg/metrics.h"
#include "metric/score.h"
#include "tensor/array.h"

genseg_status genseg_metrics_options_init(genseg_metrics_options *options, size_t size)
{
    genseg_metrics_options defaults;

    gsg_score_defaults(&defaults);
    return gsg_options_init(options, size, &defaults, sizeof defaults);
}

static genseg_status check_map(const genseg_array *map, const char *name, gsg_error *err)
{
    if (!map)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s is NULL", name);
    const genseg_status status = gsg_array_check(map, name, err);
    if (status == GENSEG_OK && map->ndim != 2 && map->ndim != 3)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s has %d dimensions, expected are 2 or 3", name,
                             (int)map->ndim);
    return status;
}

static genseg_status check_arguments(const genseg_context *context, const genseg_array *reference,
                                     const genseg_array *prediction, const genseg_metrics *results, size_t result_size,
                                     gsg_error *err)
{
    genseg_status status = GENSEG_OK;

    if (!context || !results) {
        status = gsg_error_set(err, GENSEG_ERROR_INVALID, "%s is NULL", context ? "results" : "context");
        goto done;
    }
    GSG_TRY(gsg_context_check(context, err));
    if (result_size < sizeof results->dice) {
        status =
            gsg_error_set(err, GENSEG_ERROR_INVALID, "result_size is %zu, not the size of genseg_metrics", result_size);
        goto done;
    }
    GSG_TRY(check_map(reference, "reference", err));
    GSG_TRY(check_map(prediction, "prediction", err));
    const gsg_shape a = gsg_array_shape(reference), b = gsg_array_shape(prediction);
    if (!gsg_shape_equal(a, b)) {
        char first[GSG_SHAPE_TEXT_SIZE], second[GSG_SHAPE_TEXT_SIZE];
        status = gsg_error_set(err, GENSEG_ERROR_SHAPE, "reference is %s, prediction is %s", gsg_shape_text(a, first),
                               gsg_shape_text(b, second));
    }
done:
    return status;
}

static genseg_status dense_labels(genseg_context *context, const genseg_array *map, const char *name, int32_t **labels,
                                  gsg_error *err)
{
    const size_t count = (size_t)gsg_shape_count(gsg_array_shape(map));
    int32_t *dense = gsg_alloc(context, count, sizeof *dense);

    if (!dense)
        return gsg_error_nomem(err, count * sizeof *dense);
    const genseg_status status = gsg_array_to_int32(map, dense, err);
    if (status != GENSEG_OK) {
        gsg_free(context, dense);
        return gsg_error_prefix(err, status, name);
    }
    *labels = dense;
    return GENSEG_OK;
}

genseg_status genseg_metrics_evaluate(genseg_context *context, const genseg_array *reference,
                                      const genseg_array *prediction, const genseg_metrics_options *options,
                                      genseg_metrics *results, size_t result_size, genseg_error *err)
{
    genseg_metrics_options complete;
    int32_t *reference_labels = NULL, *prediction_labels = NULL;
    genseg_metrics *found = NULL;
    int64_t size[3] = {1, 1, 1};
    genseg_status status = check_arguments(context, reference, prediction, results, result_size, err);

    if (status != GENSEG_OK)
        return status;
    const int32_t saved = gsg_parallel_enter(context);
    gsg_score_defaults(&complete);
    GSG_TRY(gsg_options_copy(&complete, sizeof complete, options, "genseg_metrics_options", err));
    GSG_TRY(gsg_score_check(&complete, err));
    GSG_TRY(dense_labels(context, reference, "reference", &reference_labels, err));
    GSG_TRY(dense_labels(context, prediction, "prediction", &prediction_labels, err));
    found = gsg_alloc(context, (size_t)complete.classes, sizeof *found);
    if (!found) {
        status = gsg_error_nomem(err, (size_t)complete.classes * sizeof *found);
        goto done;
    }
    for (int32_t a = 0; a < reference->ndim; a++)
        size[3 - reference->ndim + a] = reference->shape[a];
    GSG_TRY(
        gsg_score_classes(context, reference_labels, prediction_labels, reference->ndim, size, &complete, found, err));
    for (int32_t k = 0; k < complete.classes; k++) {
        char *result = (char *)results + (size_t)k * result_size;
        memset(result, 0, result_size);
        memcpy(result, &found[k], result_size < sizeof *found ? result_size : sizeof *found);
    }
done:
    gsg_free(context, found);
    gsg_free(context, reference_labels);
    gsg_free(context, prediction_labels);
    gsg_parallel_leave(saved);
    return status;
}

const char *genseg_metrics_state_name(int32_t state)
{
    return gsg_score_state_name(state);
}

const char *genseg_metrics_convention_name(int32_t convention)
{
    return gsg_score_convention_name(convention);
}

int32_t genseg_metrics_convention(const char *name)
{
    return gsg_score_convention(name);
}
