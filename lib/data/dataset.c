// The dataset handle: its life, its cases in memory, its label table, and reading.
#include "data/dataset.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "core/alloc.h"
#include "core/log.h"
#include "core/text.h"
#include "data/dataset_build.h"
#include "tensor/array.h"

void gsg_dataset_defaults(genseg_dataset_options *options)
{
    memset(options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->affine_tolerance = 0.1;
}

genseg_status gsg_dataset_new(genseg_context *context, genseg_dataset **dataset, gsg_error *err)
{
    genseg_dataset *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    if (pthread_mutex_init(&made->lock, NULL) != 0) {
        gsg_free(context, made);
        return gsg_error_nomem(err, sizeof made->lock);
    }
    atomic_init(&made->references, 1);
    made->context = gsg_context_retain(context);
    made->affine_tolerance = 0.1;
    made->given.context = context;
    *dataset = made;
    return GENSEG_OK;
}

genseg_dataset *gsg_dataset_retain(genseg_dataset *dataset)
{
    atomic_fetch_add_explicit(&dataset->references, 1, memory_order_relaxed);
    return dataset;
}

static void free_location(genseg_context *context, gsg_location *at)
{
    gsg_free(context, at->path);
    gsg_free(context, at->entry);
}

void gsg_case_clear(genseg_context *context, gsg_case *item)
{
    gsg_free(context, item->name);
    gsg_free(context, item->group);
    for (int32_t f = 0; item->images && f < item->image_files; f++)
        free_location(context, &item->images[f]);
    gsg_free(context, item->images);
    free_location(context, &item->label_at);
    gsg_free(context, item->image);
    gsg_free(context, item->label);
    gsg_free(context, item->values);
    gsg_free(context, item->voxels);
    memset(item, 0, sizeof *item);
}

static void free_table(genseg_dataset *dataset)
{
    for (int32_t k = 0; k < dataset->classes; k++)
        gsg_free(dataset->context, dataset->names[k]);
    gsg_free(dataset->context, dataset->names);
    gsg_free(dataset->context, dataset->values);
    dataset->names = NULL;
    dataset->values = NULL;
    dataset->classes = 0;
}

void gsg_dataset_release(genseg_dataset *dataset)
{
    if (!dataset || atomic_fetch_sub_explicit(&dataset->references, 1, memory_order_acq_rel) != 1)
        return;
    genseg_context *context = dataset->context;
    for (int64_t i = 0; i < dataset->count; i++)
        gsg_case_clear(context, &dataset->cases[i]);
    for (int64_t i = 0; i < dataset->finding_count; i++) {
        gsg_free(context, dataset->findings[i].subject);
        gsg_free(context, dataset->findings[i].message);
        gsg_free(context, dataset->findings[i].remedy);
    }
    free_table(dataset);
    gsg_label_names_free(&dataset->given);
    gsg_free(context, dataset->findings);
    gsg_free(context, dataset->cases);
    gsg_free(context, dataset->path);
    pthread_mutex_destroy(&dataset->lock);
    gsg_free(context, dataset);
    gsg_context_release(context);
}

const gsg_case *gsg_dataset_case(const genseg_dataset *dataset, int64_t index)
{
    return index >= 0 && index < dataset->count ? &dataset->cases[index] : NULL;
}

const int32_t *gsg_dataset_values(const genseg_dataset *dataset)
{
    return dataset->values;
}

int64_t gsg_dataset_select(const genseg_dataset *dataset, int32_t split, int64_t *indices)
{
    int64_t count = 0;
    for (int64_t i = 0; i < dataset->count; i++)
        if (dataset->cases[i].labelled && dataset->cases[i].split == split)
            indices[count++] = i;
    return count;
}

int64_t gsg_case_voxels(const gsg_case *item)
{
    return item->size[0] * item->size[1] * item->size[2];
}

// --- Building ---

gsg_case *gsg_dataset_append(genseg_dataset *dataset, const char *name)
{
    if (dataset->count == dataset->capacity) {
        int64_t capacity = dataset->capacity ? 2 * dataset->capacity : 16;
        gsg_case *cases = gsg_realloc(dataset->context, dataset->cases, (size_t)capacity, sizeof *cases);
        if (!cases)
            return NULL;
        dataset->cases = cases;
        dataset->capacity = capacity;
    }
    char *copy = gsg_strdup(dataset->context, name);
    if (!copy)
        return NULL;
    gsg_case *item = &dataset->cases[dataset->count++];
    memset(item, 0, sizeof *item);
    item->name = copy;
    item->label_at.plane = -1;
    gsg_geometry_identity(&item->geometry);
    return item;
}

void gsg_dataset_drop(genseg_dataset *dataset, int64_t index)
{
    gsg_case_clear(dataset->context, &dataset->cases[index]);
    dataset->count--;
    memmove(&dataset->cases[index], &dataset->cases[index + 1],
            (size_t)(dataset->count - index) * sizeof *dataset->cases);
}

genseg_status gsg_case_files(genseg_dataset *dataset, gsg_case *item, int32_t files, gsg_error *err)
{
    item->images = gsg_alloc_zero(dataset->context, (size_t)files, sizeof *item->images);
    if (!item->images)
        return gsg_error_nomem(err, (size_t)files * sizeof *item->images);
    item->image_files = files;
    for (int32_t f = 0; f < files; f++)
        item->images[f].plane = -1;
    return GENSEG_OK;
}

static genseg_status keep_finding(genseg_dataset *dataset, int32_t severity, genseg_status kind, const char *subject,
                                  const char *message, const char *remedy, gsg_error *err)
{
    genseg_context *context = dataset->context;
    if (dataset->finding_count == dataset->finding_capacity) {
        int64_t capacity = dataset->finding_capacity ? 2 * dataset->finding_capacity : 8;
        gsg_finding *findings = gsg_realloc(context, dataset->findings, (size_t)capacity, sizeof *findings);
        if (!findings)
            return gsg_error_nomem(err, (size_t)capacity * sizeof *findings);
        dataset->findings = findings;
        dataset->finding_capacity = capacity;
    }
    gsg_finding made = {.severity = severity,
                        .status = kind,
                        .subject = gsg_strdup(context, subject),
                        .message = gsg_strdup(context, message),
                        .remedy = gsg_strdup(context, remedy)};
    if (!made.subject || !made.message || !made.remedy) {
        gsg_free(context, made.subject);
        gsg_free(context, made.message);
        gsg_free(context, made.remedy);
        return gsg_error_nomem(err, strlen(message) + 1);
    }
    dataset->findings[dataset->finding_count++] = made;
    if (!dataset->collect)
        gsg_log(context, severity == GENSEG_SEVERITY_WARNING ? GENSEG_LOG_WARNING : GENSEG_LOG_INFO, "%s%s%s", subject,
                *subject ? ": " : "", message);
    return GENSEG_OK;
}

genseg_status gsg_dataset_report(genseg_dataset *dataset, int32_t severity, genseg_status kind, const char *subject,
                                 const char *remedy, gsg_error *err, const char *format, ...)
{
    char message[GENSEG_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    gsg_text_vprint(message, sizeof message, format, args);
    va_end(args);
    if (severity == GENSEG_SEVERITY_ERROR && !dataset->collect)
        return gsg_error_set(err, kind, "%s%s%s", subject, *subject ? ": " : "", message);
    return keep_finding(dataset, severity, kind, subject, message, remedy, err);
}

const char *gsg_remedy(genseg_status status)
{
    switch (status) {
    case GENSEG_ERROR_IO:
        return "check that the file exists and may be read";
    case GENSEG_ERROR_FORMAT:
        return "write the file anew from its source, or take the case out";
    case GENSEG_ERROR_UNSUPPORTED:
        return "convert the file to a format that is read here";
    case GENSEG_ERROR_SHAPE:
        return "bring both to the same grid";
    case GENSEG_ERROR_NUMERIC:
        return "replace the voxels that are not finite, or take the case out";
    default:
        return "";
    }
}

genseg_status gsg_dataset_report_error(genseg_dataset *dataset, const char *subject, const gsg_error *cause,
                                       gsg_error *err)
{
    if (!dataset->collect || cause->status == GENSEG_ERROR_NOMEM)
        return gsg_error_set(err, cause->status, "%s", cause->message);
    return keep_finding(dataset, GENSEG_SEVERITY_ERROR, cause->status, subject, cause->message,
                        gsg_remedy(cause->status), err);
}

// --- The label table ---

// Index of `value` among ascending `values`, or -1 - (where it would stand).
static int32_t find_value(const int32_t *values, int32_t count, int32_t value)
{
    int32_t low = 0, high = count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (values[middle] == value)
            return middle;
        if (values[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return -1 - low;
}

genseg_status gsg_case_scan(genseg_context *context, gsg_case *item, const int32_t *label, gsg_error *err)
{
    int32_t values[GSG_DATASET_MAX_CLASSES];
    int64_t voxels[GSG_DATASET_MAX_CLASSES];
    int32_t used = 0;
    const int64_t count = gsg_case_voxels(item);
    for (int64_t i = 0; i < count;) {
        int64_t run = i + 1;
        while (run < count && label[run] == label[i])
            run++;
        int32_t at = find_value(values, used, label[i]);
        if (at < 0) {
            at = -1 - at;
            if (used == GSG_DATASET_MAX_CLASSES)
                return gsg_error_set(err, GENSEG_ERROR_FORMAT,
                                     "%s: the label map holds more than %d different values: is it an image?",
                                     item->label_at.path ? item->label_at.path : item->name, GSG_DATASET_MAX_CLASSES);
            memmove(values + at + 1, values + at, (size_t)(used - at) * sizeof *values);
            memmove(voxels + at + 1, voxels + at, (size_t)(used - at) * sizeof *voxels);
            values[at] = label[i];
            voxels[at] = 0;
            used++;
        }
        voxels[at] += run - i;
        i = run;
    }
    int32_t *kept = gsg_alloc(context, (size_t)used, sizeof *kept);
    int64_t *counts = gsg_alloc(context, (size_t)used, sizeof *counts);
    if (!kept || !counts) {
        gsg_free(context, kept);
        gsg_free(context, counts);
        return gsg_error_nomem(err, (size_t)used * sizeof *counts);
    }
    memcpy(kept, values, (size_t)used * sizeof *kept);
    memcpy(counts, voxels, (size_t)used * sizeof *counts);
    gsg_free(context, item->values);
    gsg_free(context, item->voxels);
    item->values = kept;
    item->voxels = counts;
    item->value_count = used;
    return GENSEG_OK;
}

static char *class_name(genseg_context *context, const gsg_label_names *names, int32_t value)
{
    for (int64_t n = 0; n < names->count; n++)
        if (names->values[n] == value)
            return gsg_strdup(context, names->names[n]);
    char number[16];
    gsg_text_print(number, sizeof number, "%d", value);
    return gsg_strdup(context, number);
}

genseg_status gsg_dataset_build_table(genseg_dataset *dataset, gsg_error *err)
{
    int32_t values[GSG_DATASET_MAX_CLASSES];
    int32_t count = 0;
    for (int64_t i = 0; i < dataset->count; i++) {
        const gsg_case *item = &dataset->cases[i];
        for (int32_t v = 0; v < item->value_count; v++) {
            int32_t at = find_value(values, count, item->values[v]);
            if (at >= 0)
                continue;
            at = -1 - at;
            if (count == GSG_DATASET_MAX_CLASSES)
                return gsg_error_set(err, GENSEG_ERROR_FORMAT,
                                     "%s: with this label map there are more than %d label values", item->name,
                                     GSG_DATASET_MAX_CLASSES);
            memmove(values + at + 1, values + at, (size_t)(count - at) * sizeof *values);
            values[at] = item->values[v];
            count++;
        }
    }
    genseg_context *context = dataset->context;
    int32_t *kept = gsg_alloc(context, (size_t)count, sizeof *kept);
    char **texts = gsg_alloc_zero(context, (size_t)count, sizeof *texts);
    bool good = kept && texts;
    for (int32_t k = 0; good && k < count; k++) {
        kept[k] = values[k];
        texts[k] = class_name(context, &dataset->given, values[k]);
        good = texts[k] != NULL;
    }
    if (!good) {
        for (int32_t k = 0; texts && k < count; k++)
            gsg_free(context, texts[k]);
        gsg_free(context, texts);
        gsg_free(context, kept);
        return gsg_error_nomem(err, (size_t)count * sizeof *texts);
    }
    free_table(dataset);
    dataset->values = kept;
    dataset->names = texts;
    dataset->classes = count;
    return GENSEG_OK;
}

genseg_status gsg_dataset_set_label_name(genseg_dataset *dataset, int64_t value, const char *name, gsg_error *err)
{
    gsg_label_names *given = &dataset->given;
    const int32_t k =
        value < INT32_MIN || value > INT32_MAX ? -1 : find_value(dataset->values, dataset->classes, (int32_t)value);
    char *in_table = k >= 0 ? gsg_strdup(dataset->context, name) : NULL;
    genseg_status status = k >= 0 && !in_table ? gsg_error_nomem(err, strlen(name) + 1) : GENSEG_OK;
    if (status == GENSEG_OK)
        status = gsg_label_names_add(given, value, name, err);
    if (status != GENSEG_OK) {
        gsg_free(dataset->context, in_table);
        return status;
    }
    // The newest takes the place of the one that counted.
    for (int64_t n = 0; n < given->count - 1; n++)
        if (given->values[n] == (int32_t)value) {
            gsg_free(dataset->context, given->names[n]);
            given->names[n] = given->names[--given->count];
            break;
        }
    if (k >= 0) {
        gsg_free(dataset->context, dataset->names[k]);
        dataset->names[k] = in_table;
    }
    return GENSEG_OK;
}

// --- Cases from memory ---

static genseg_status check_case(const genseg_dataset *dataset, const genseg_case *item, gsg_error *err)
{
    genseg_status status = gsg_volume_check_image(item->image, item->channels, item->affine, item->name, err);
    if (status == GENSEG_OK && item->label)
        status = gsg_array_check(item->label, "label", err);
    if (status != GENSEG_OK)
        return status;
    const int32_t ndim = item->image->ndim - (item->channels > 0);
    char a[GSG_SHAPE_TEXT_SIZE], b[GSG_SHAPE_TEXT_SIZE];
    const int64_t *grid = item->image->shape + (item->channels > 0);
    if (item->label &&
        (item->label->ndim != ndim || memcmp(item->label->shape, grid, (size_t)ndim * sizeof *grid) != 0))
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s: image is %s, label is %s", item->name,
                             gsg_shape_text(gsg_shape_make(ndim, grid), a),
                             gsg_shape_text(gsg_array_shape(item->label), b));
    for (int64_t i = 0; i < dataset->count; i++)
        if (strcmp(dataset->cases[i].name, item->name) == 0)
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: a case of this name exists", item->name);
    int32_t channels = item->channels > 0 ? item->channels : 1;
    const gsg_case *first = dataset->count ? &dataset->cases[0] : NULL;
    if (first && (first->ndim != ndim || first->channels != channels))
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s: %d-D with %d channels, earlier cases are %d-D with %d",
                             item->name, ndim, channels, first->ndim, first->channels);
    return GENSEG_OK;
}

static genseg_status fill_case(genseg_dataset *dataset, gsg_case *made, const genseg_case *item, gsg_error *err)
{
    genseg_context *context = dataset->context;
    gsg_volume volume;
    gsg_volume_init(&volume, context);
    genseg_status status = gsg_volume_set_image(&volume, item->image, item->channels, item->affine, item->name, err);
    if (status != GENSEG_OK) {
        gsg_volume_free(&volume);
        return status;
    }
    made->ndim = volume.ndim;
    made->channels = volume.channels;
    memcpy(made->size, volume.size, sizeof made->size);
    made->geometry = volume.geometry;
    made->image = volume.image;
    made->group = gsg_strdup(context, item->group ? item->group : item->name);
    if (!made->group)
        return gsg_error_nomem(err, strlen(item->name));
    const int64_t voxels = gsg_case_voxels(made);
    if (!item->label)
        return GENSEG_OK;
    made->label = gsg_alloc(context, (size_t)voxels, sizeof *made->label);
    if (!made->label)
        return gsg_error_nomem(err, (size_t)voxels * sizeof *made->label);
    status = gsg_array_to_int32(item->label, made->label, err);
    if (status != GENSEG_OK)
        return gsg_error_prefix(err, status, item->name);
    made->labelled = 1;
    return gsg_case_scan(context, made, made->label, err);
}

genseg_status gsg_dataset_add(genseg_dataset *dataset, const genseg_case *item, gsg_error *err)
{
    genseg_status status = check_case(dataset, item, err);
    if (status != GENSEG_OK)
        return status;
    gsg_case *made = gsg_dataset_append(dataset, item->name);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    status = fill_case(dataset, made, item, err);
    if (status == GENSEG_OK && made->labelled)
        status = gsg_dataset_build_table(dataset, err);
    if (status != GENSEG_OK)
        gsg_dataset_drop(dataset, dataset->count - 1);
    return status;
}

// --- Reading ---

// The files of an image, one after the other.
static genseg_status load_files(const genseg_dataset *dataset, const gsg_case *item, int32_t most, float *dst,
                                gsg_error *err)
{
    gsg_source source;
    int32_t channels = 0;
    genseg_status status = GENSEG_OK;
    for (int32_t f = 0; f < item->image_files && status == GENSEG_OK; f++) {
        gsg_source_init(&source, dataset->context);
        status = gsg_format_read_header(item->format, &item->images[f], &source, err);
        if (status == GENSEG_OK &&
            (memcmp(source.size, item->size, sizeof item->size) != 0 || source.channels > most - channels))
            status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: the file has changed since it was opened",
                                   item->images[f].path);
        if (status == GENSEG_OK)
            status = gsg_format_read_image(&source, &item->images[f], dst + channels * gsg_case_voxels(item), err);
        channels += source.channels;
        gsg_source_free(&source);
    }
    return status;
}

genseg_status gsg_case_load_image(const genseg_dataset *dataset, const gsg_case *item, float *dst, gsg_error *err)
{
    const int64_t voxels = gsg_case_voxels(item);
    if (!item->grey)
        return load_files(dataset, item, item->channels, dst, err);
    float *colours = gsg_alloc_zero(dataset->context, GSG_COLOURS * (size_t)voxels, sizeof *colours);
    if (!colours)
        return gsg_error_nomem(err, GSG_COLOURS * (size_t)voxels * sizeof *colours);
    genseg_status status = load_files(dataset, item, GSG_COLOURS, colours, err);
    for (int64_t i = 0; status == GENSEG_OK && i < voxels; i++) // ITU-R BT.601
        dst[i] = 0.299f * colours[i] + 0.587f * colours[voxels + i] + 0.114f * colours[2 * voxels + i];
    gsg_free(dataset->context, colours);
    return status;
}

genseg_status gsg_case_load_label(const genseg_dataset *dataset, const gsg_case *item, int32_t *dst, gsg_error *err)
{
    gsg_source source;
    gsg_source_init(&source, dataset->context);
    genseg_status status = gsg_format_read_header(item->label_format, &item->label_at, &source, err);
    if (status == GENSEG_OK && memcmp(source.size, item->size, sizeof item->size) != 0)
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: the file has changed since it was opened",
                               item->label_at.path);
    if (status == GENSEG_OK)
        status = gsg_format_read_label(&source, &item->label_at, dst, err);
    gsg_source_free(&source);
    return status;
}

// The cached voxels stay where they are until the dataset goes, so only the
// pointer needs the lock. A copy that can't be had is no error.
static void keep_copy(genseg_dataset *dataset, void **cached, const void *voxels, size_t count, size_t size)
{
    void *copy = dataset->cached ? gsg_alloc(dataset->context, count, size) : NULL;
    if (!copy)
        return;
    memcpy(copy, voxels, count * size);
    pthread_mutex_lock(&dataset->lock);
    if (!*cached) {
        *cached = copy;
        copy = NULL;
    }
    pthread_mutex_unlock(&dataset->lock);
    gsg_free(dataset->context, copy);
}

static genseg_status to_classes(const genseg_dataset *dataset, const gsg_case *item, int32_t *label, gsg_error *err)
{
    const int64_t count = gsg_case_voxels(item);
    int32_t last = 0;
    for (int64_t i = 0; i < count; i++) {
        if (label[i] != dataset->values[last]) {
            last = find_value(dataset->values, dataset->classes, label[i]);
            if (last < 0)
                return gsg_error_set(err, GENSEG_ERROR_FORMAT,
                                     "%s: label value %d was not there when the dataset was opened", item->name,
                                     label[i]);
        }
        label[i] = last;
    }
    return GENSEG_OK;
}

static genseg_status read_image(genseg_dataset *dataset, gsg_case *item, float *dst, gsg_error *err)
{
    size_t count = (size_t)(gsg_case_voxels(item) * item->channels);
    pthread_mutex_lock(&dataset->lock);
    const float *cached = item->image;
    pthread_mutex_unlock(&dataset->lock);
    if (cached) {
        memcpy(dst, cached, count * sizeof *dst);
        return GENSEG_OK;
    }
    genseg_status status = gsg_case_load_image(dataset, item, dst, err);
    if (status == GENSEG_OK)
        keep_copy(dataset, (void **)&item->image, dst, count, sizeof *dst);
    return status;
}

static genseg_status read_label(genseg_dataset *dataset, gsg_case *item, int32_t *dst, gsg_error *err)
{
    size_t count = (size_t)gsg_case_voxels(item);
    pthread_mutex_lock(&dataset->lock);
    const int32_t *cached = item->label;
    pthread_mutex_unlock(&dataset->lock);
    genseg_status status = GENSEG_OK;
    if (cached) {
        memcpy(dst, cached, count * sizeof *dst);
    } else {
        status = gsg_case_load_label(dataset, item, dst, err);
        if (status == GENSEG_OK)
            keep_copy(dataset, (void **)&item->label, dst, count, sizeof *dst);
    }
    return status == GENSEG_OK ? to_classes(dataset, item, dst, err) : status;
}

genseg_status gsg_dataset_read_into(genseg_dataset *dataset, int64_t index, float *image, int32_t *label,
                                    gsg_error *err)
{
    if (index < 0 || index >= dataset->count)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "case %lld of %lld", (long long)index,
                             (long long)dataset->count);
    gsg_case *item = &dataset->cases[index];
    if (label && !item->labelled)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: has no label map", item->name);
    genseg_status status = image ? read_image(dataset, item, image, err) : GENSEG_OK;
    if (status == GENSEG_OK && label)
        status = read_label(dataset, item, label, err);
    return status;
}

genseg_status gsg_dataset_read(genseg_dataset *dataset, int64_t index, gsg_volume *volume, gsg_error *err)
{
    if (index < 0 || index >= dataset->count)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "case %lld of %lld", (long long)index,
                             (long long)dataset->count);
    const gsg_case *item = &dataset->cases[index];
    gsg_volume made;
    gsg_volume_init(&made, dataset->context);
    made.ndim = item->ndim;
    made.channels = item->channels;
    memcpy(made.size, item->size, sizeof made.size);
    made.geometry = item->geometry;
    size_t voxels = (size_t)gsg_case_voxels(item);
    made.image = gsg_alloc(dataset->context, voxels * (size_t)item->channels, sizeof *made.image);
    made.label = item->labelled ? gsg_alloc(dataset->context, voxels, sizeof *made.label) : NULL;
    genseg_status status;
    if (!made.image || (item->labelled && !made.label))
        status = gsg_error_nomem(err, voxels * (size_t)item->channels * sizeof *made.image);
    else
        status = gsg_dataset_read_into(dataset, index, made.image, made.label, err);
    if (status != GENSEG_OK) {
        gsg_volume_free(&made);
        return status;
    }
    *volume = made;
    return GENSEG_OK;
}

genseg_status gsg_dataset_source(genseg_dataset *dataset, int64_t index, gsg_source *source, gsg_error *err)
{
    if (index < 0 || index >= dataset->count)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "case %lld of %lld", (long long)index,
                             (long long)dataset->count);
    const gsg_case *item = &dataset->cases[index];
    gsg_source made;
    gsg_source_init(&made, dataset->context);
    if (item->images) {
        genseg_status status = gsg_format_read_header(item->format, &item->images[0], &made, err);
        if (status != GENSEG_OK) {
            gsg_source_free(&made);
            return status;
        }
    }
    made.ndim = item->ndim;
    made.channels = item->channels;
    memcpy(made.size, item->size, sizeof made.size);
    made.geometry = item->geometry;
    *source = made;
    return GENSEG_OK;
}
