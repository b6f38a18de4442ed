// genseg/dataset.h: checks arguments, completes options, calls one inner function.
#include "genseg/dataset.h"

#include <string.h>

#include "core/parallel.h"
#include "data/picture.h"

genseg_status genseg_dataset_options_init(genseg_dataset_options *options, size_t size)
{
    genseg_dataset_options defaults;
    gsg_dataset_defaults(&defaults);
    return gsg_options_init(options, size, &defaults, sizeof defaults);
}

genseg_status genseg_phantom_options_init(genseg_phantom_options *options, size_t size)
{
    genseg_phantom_options defaults;
    gsg_phantom_defaults(&defaults);
    return gsg_options_init(options, size, &defaults, sizeof defaults);
}

static genseg_status missing(const char *name, gsg_error *err)
{
    return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s is NULL", name);
}

static genseg_status check_dataset(const genseg_dataset *dataset, gsg_error *err)
{
    return dataset ? gsg_context_check(dataset->context, err) : missing("dataset", err);
}

static genseg_status complete_options(const genseg_dataset_options *given, genseg_dataset_options *options,
                                      gsg_error *err)
{
    gsg_dataset_defaults(options);
    genseg_status status = gsg_options_copy(options, sizeof *options, given, "genseg_dataset_options", err);
    if (status == GENSEG_OK && !(options->affine_tolerance >= 0.0))
        status = gsg_error_set(err, GENSEG_ERROR_INVALID, "affine_tolerance is %g", options->affine_tolerance);
    return status;
}

genseg_status genseg_dataset_open(genseg_context *context, const char *path, const genseg_dataset_options *options,
                                  genseg_dataset **dataset, genseg_error *err)
{
    genseg_dataset_options complete;
    genseg_status status = context ? gsg_context_check(context, err) : missing("context", err);
    if (status == GENSEG_OK && (!path || !dataset))
        status = missing(path ? "dataset" : "path", err);
    if (status == GENSEG_OK)
        status = complete_options(options, &complete, err);
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(context);
    status = gsg_dataset_open(context, path, &complete, dataset, err);
    gsg_parallel_leave(saved);
    return status;
}

genseg_status genseg_dataset_new(genseg_context *context, genseg_dataset **dataset, genseg_error *err)
{
    genseg_status status = context ? gsg_context_check(context, err) : missing("context", err);
    if (status == GENSEG_OK && !dataset)
        status = missing("dataset", err);
    return status == GENSEG_OK ? gsg_dataset_new(context, dataset, err) : status;
}

genseg_status genseg_dataset_phantom(genseg_context *context, const genseg_phantom_options *options,
                                     genseg_dataset **dataset, genseg_error *err)
{
    genseg_phantom_options complete;
    gsg_phantom_defaults(&complete);
    genseg_status status = context ? gsg_context_check(context, err) : missing("context", err);
    if (status == GENSEG_OK && !dataset)
        status = missing("dataset", err);
    if (status == GENSEG_OK)
        status = gsg_options_copy(&complete, sizeof complete, options, "genseg_phantom_options", err);
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(context);
    status = gsg_dataset_phantom(context, &complete, dataset, err);
    gsg_parallel_leave(saved);
    return status;
}

genseg_status genseg_dataset_add(genseg_dataset *dataset, const genseg_case *item, genseg_error *err)
{
    genseg_case complete = {.struct_size = sizeof complete};
    genseg_status status = check_dataset(dataset, err);
    if (status == GENSEG_OK && !item)
        status = missing("item", err);
    if (status == GENSEG_OK)
        status = gsg_options_copy(&complete, sizeof complete, item, "genseg_case", err);
    if (status != GENSEG_OK)
        return status;
    if (!complete.name || !*complete.name)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "item->name is %s", complete.name ? "empty" : "NULL");
    if (!complete.image)
        return missing("item->image", err);
    if (complete.channels < 0)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: channels is %d", complete.name, complete.channels);
    if (dataset->path)
        return gsg_error_set(err, GENSEG_ERROR_STATE, "%s: the dataset was opened from %s", complete.name,
                             dataset->path);
    return gsg_dataset_add(dataset, &complete, err);
}

genseg_status genseg_dataset_set_label_name(genseg_dataset *dataset, int64_t value, const char *name, genseg_error *err)
{
    genseg_status status = check_dataset(dataset, err);
    if (status == GENSEG_OK && (!name || !*name))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "name is %s", name ? "empty" : "NULL");
    return status == GENSEG_OK ? gsg_dataset_set_label_name(dataset, value, name, err) : status;
}

void genseg_dataset_free(genseg_dataset *dataset)
{
    gsg_dataset_release(dataset);
}

genseg_status genseg_dataset_split(genseg_dataset *dataset, int64_t train, int64_t validation, uint64_t seed,
                                   genseg_error *err)
{
    genseg_status status = check_dataset(dataset, err);
    return status == GENSEG_OK ? gsg_dataset_split(dataset, train, validation, seed, err) : status;
}

genseg_status genseg_dataset_inspect(genseg_dataset *dataset, genseg_finding_fn report, void *user, genseg_error *err)
{
    genseg_status status = check_dataset(dataset, err);
    if (status == GENSEG_OK && !report)
        status = missing("report", err);
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(dataset->context);
    status = gsg_dataset_inspect(dataset, report, user, err);
    gsg_parallel_leave(saved);
    return status;
}

genseg_status genseg_dataset_inspect_path(genseg_context *context, const char *path,
                                          const genseg_dataset_options *options, genseg_finding_fn report, void *user,
                                          genseg_error *err)
{
    genseg_dataset_options complete;
    genseg_status status = context ? gsg_context_check(context, err) : missing("context", err);
    if (status == GENSEG_OK && (!path || !report))
        status = missing(path ? "report" : "path", err);
    if (status == GENSEG_OK)
        status = complete_options(options, &complete, err);
    if (status != GENSEG_OK)
        return status;
    int32_t saved = gsg_parallel_enter(context);
    status = gsg_dataset_inspect_path(context, path, &complete, report, user, err);
    gsg_parallel_leave(saved);
    return status;
}

genseg_status genseg_dataset_save_hdf5(genseg_dataset *dataset, const char *path, genseg_error *err)
{
    genseg_status status = check_dataset(dataset, err);
    if (status == GENSEG_OK && !path)
        status = missing("path", err);
    if (status == GENSEG_OK && dataset->count == 0)
        status = gsg_error_set(err, GENSEG_ERROR_STATE, "%s: the dataset is empty", path);
    return status == GENSEG_OK ? gsg_dataset_save_hdf5(dataset, path, err) : status;
}

genseg_status genseg_dataset_save_image(genseg_dataset *dataset, int64_t index, const char *path, genseg_error *err)
{
    genseg_status status = check_dataset(dataset, err);
    if (status == GENSEG_OK && !path)
        status = missing("path", err);
    return status == GENSEG_OK ? gsg_dataset_save_image(dataset, index, path, err) : status;
}

genseg_status genseg_dataset_save_label(genseg_dataset *dataset, int64_t index, const genseg_array *label,
                                        const char *path, genseg_error *err)
{
    genseg_status status = check_dataset(dataset, err);
    if (status == GENSEG_OK && (!label || !path))
        status = missing(label ? "path" : "label", err);
    return status == GENSEG_OK ? gsg_dataset_save_label(dataset, index, label, path, err) : status;
}

genseg_status genseg_dataset_save_picture(genseg_dataset *dataset, int64_t index, const int32_t *prediction,
                                          const char *path, genseg_error *err)
{
    genseg_status status = check_dataset(dataset, err);
    if (status == GENSEG_OK && !path)
        status = missing("path", err);
    return status == GENSEG_OK ? gsg_picture_save_case(dataset, index, prediction, path, err) : status;
}

int64_t genseg_dataset_size(const genseg_dataset *dataset)
{
    return dataset ? dataset->count : 0;
}

int32_t genseg_dataset_ndim(const genseg_dataset *dataset)
{
    return dataset && dataset->count ? dataset->cases[0].ndim : 0;
}

int32_t genseg_dataset_channels(const genseg_dataset *dataset)
{
    return dataset && dataset->count ? dataset->cases[0].channels : 0;
}

int32_t genseg_dataset_classes(const genseg_dataset *dataset)
{
    return dataset ? dataset->classes : 0;
}

int64_t genseg_dataset_label_value(const genseg_dataset *dataset, int32_t k)
{
    return dataset && k >= 0 && k < dataset->classes ? dataset->values[k] : 0;
}

const char *genseg_dataset_label_name(const genseg_dataset *dataset, int32_t k)
{
    return dataset && k >= 0 && k < dataset->classes ? dataset->names[k] : NULL;
}

static const gsg_case *case_at(const genseg_dataset *dataset, int64_t index)
{
    return dataset ? gsg_dataset_case(dataset, index) : NULL;
}

const char *genseg_dataset_case_name(const genseg_dataset *dataset, int64_t index)
{
    const gsg_case *item = case_at(dataset, index);
    return item ? item->name : NULL;
}

const char *genseg_dataset_case_group(const genseg_dataset *dataset, int64_t index)
{
    const gsg_case *item = case_at(dataset, index);
    return item ? item->group : NULL;
}

const char *genseg_dataset_case_path(const genseg_dataset *dataset, int64_t index)
{
    const gsg_case *item = case_at(dataset, index);
    return item && item->images ? item->images[0].path : NULL;
}

int32_t genseg_dataset_case_split(const genseg_dataset *dataset, int64_t index)
{
    const gsg_case *item = case_at(dataset, index);
    return item ? item->split : GENSEG_SPLIT_NONE;
}

genseg_status genseg_dataset_case_info(genseg_dataset *dataset, int64_t index, int64_t *shape, double *spacing,
                                       double *affine, int32_t *labelled, genseg_error *err)
{
    genseg_status status = check_dataset(dataset, err);
    if (status != GENSEG_OK)
        return status;
    const gsg_case *item = gsg_dataset_case(dataset, index);
    if (!item)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "index is %lld, the dataset has %lld cases", (long long)index,
                             (long long)dataset->count);
    if (shape) {
        shape[0] = item->channels;
        memcpy(shape + 1, item->size, sizeof item->size);
    }
    if (spacing)
        memcpy(spacing, item->geometry.spacing, sizeof item->geometry.spacing);
    if (affine)
        memcpy(affine, item->geometry.affine, sizeof item->geometry.affine);
    if (labelled)
        *labelled = item->labelled;
    return GENSEG_OK;
}

genseg_status genseg_dataset_case_read(genseg_dataset *dataset, int64_t index, float *image, int32_t *label,
                                       genseg_error *err)
{
    genseg_status status = check_dataset(dataset, err);
    return status == GENSEG_OK ? gsg_dataset_read_into(dataset, index, image, label, err) : status;
}
