// Opening a dataset: find the cases, read every header, scan every label map,
// and refuse or report what does not fit together. Headers and label maps are
// read on all threads; what was found is then told in the order of the cases.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/log.h"
#include "core/parallel.h"
#include "core/text.h"
#include "data/dataset_build.h"

// Decoded voxels up to this size stay in memory.
#define CACHE_BYTES ((uint64_t)1 << 30)
// sform and qform farther apart than this are worth a warning.
#define FORM_TOLERANCE 0.1
#define SIZE_TEXT 72
// Fewer foreground voxels than this in a case are worth a warning.
#define TINY_FOREGROUND 10

// What a worker finds out about one case.
typedef struct scan {
    genseg_status status;
    gsg_error error;
    const char *note;       // about the image's geometry
    double form_distance;   // the worse of image and label
    double affine_distance; // of image and label, voxels; 0 where one is unknown
    int64_t label_size[3];
    int32_t label_ndim;
} scan;

typedef struct work {
    genseg_dataset *dataset;
    scan *scans;
} work;

static genseg_status open_header(genseg_context *context, const gsg_location *at, const gsg_format **format,
                                 gsg_source *source, gsg_error *err)
{
    gsg_source_init(source, context);
    // The files of a dataset differ little: the format is looked up for each.
    genseg_status status = at->entry ? GENSEG_OK : gsg_format_find(at->path, format, err);
    if (at->entry)
        *format = &gsg_format_hdf5;
    return status == GENSEG_OK ? gsg_format_read_header(*format, at, source, err) : status;
}

static genseg_status scan_images(genseg_dataset *dataset, gsg_case *item, scan *found)
{
    for (int32_t f = 0; f < item->image_files; f++) {
        gsg_source source;
        const gsg_format *format = NULL;
        genseg_status status = open_header(dataset->context, &item->images[f], &format, &source, &found->error);
        if (status != GENSEG_OK) {
            gsg_source_free(&source);
            return status;
        }
        if (f == 0) {
            item->format = format;
            item->ndim = source.ndim;
            memcpy(item->size, source.size, sizeof item->size);
            item->geometry = source.geometry;
            found->note = source.note;
            found->form_distance = source.form_distance;
        } else if (format != item->format || memcmp(source.size, item->size, sizeof item->size) != 0) {
            status = gsg_error_set(&found->error, GENSEG_ERROR_SHAPE,
                                   "%s: is %lldx%lldx%lld, the first channel is %lldx%lldx%lld", item->images[f].path,
                                   (long long)source.size[0], (long long)source.size[1], (long long)source.size[2],
                                   (long long)item->size[0], (long long)item->size[1], (long long)item->size[2]);
        }
        item->grey = dataset->grey && item->image_files == 1 && source.channels == GSG_COLOURS;
        item->channels += item->grey ? 1 : source.channels;
        gsg_source_free(&source);
        if (status != GENSEG_OK)
            return status;
    }
    return GENSEG_OK;
}

static genseg_status scan_label_header(genseg_dataset *dataset, gsg_case *item, scan *found)
{
    gsg_source source;
    genseg_status status = open_header(dataset->context, &item->label_at, &item->label_format, &source, &found->error);
    if (status == GENSEG_OK) {
        found->label_ndim = source.ndim;
        memcpy(found->label_size, source.size, sizeof found->label_size);
        found->form_distance = fmax(found->form_distance, source.form_distance);
        if (item->geometry.affine_known && source.geometry.affine_known)
            found->affine_distance = gsg_geometry_distance(&item->geometry, &source.geometry, item->size);
    }
    gsg_source_free(&source);
    return status;
}

static void scan_headers(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    work *my = arg;
    for (int64_t i = begin; i < end; i++) {
        gsg_case *item = &my->dataset->cases[i];
        scan *found = &my->scans[i];
        found->status = scan_images(my->dataset, item, found);
        if (found->status == GENSEG_OK && item->labelled)
            found->status = scan_label_header(my->dataset, item, found);
    }
}

static void scan_labels(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    work *my = arg;
    genseg_context *context = my->dataset->context;
    for (int64_t i = begin; i < end; i++) {
        gsg_case *item = &my->dataset->cases[i];
        scan *found = &my->scans[i];
        if (!item->labelled)
            continue;
        size_t count = (size_t)gsg_case_voxels(item);
        int32_t *label = gsg_alloc(context, count, sizeof *label);
        if (!label) {
            found->status = gsg_error_nomem(&found->error, count * sizeof *label);
            continue;
        }
        found->status = gsg_case_load_label(my->dataset, item, label, &found->error);
        if (found->status == GENSEG_OK)
            found->status = gsg_case_scan(context, item, label, &found->error);
        if (found->status == GENSEG_OK && my->dataset->cached)
            item->label = label;
        else
            gsg_free(context, label);
    }
}

// Takes out the cases whose scan ended in an error; only then more than the
// first error is of interest.
static genseg_status drop_broken(genseg_dataset *dataset, scan *scans, gsg_error *err)
{
    int64_t kept = 0, count = dataset->count;
    for (int64_t i = 0; i < count; i++) {
        if (scans[i].status != GENSEG_OK) {
            genseg_status status = gsg_dataset_report_error(dataset, dataset->cases[kept].name, &scans[i].error, err);
            if (status != GENSEG_OK)
                return status;
            gsg_dataset_drop(dataset, kept);
            continue;
        }
        scans[kept++] = scans[i];
    }
    return GENSEG_OK;
}

static const char *size_text(int32_t ndim, const int64_t size[3], char buffer[SIZE_TEXT])
{
    if (ndim == 2)
        gsg_text_print(buffer, SIZE_TEXT, "%lldx%lld", (long long)size[1], (long long)size[2]);
    else
        gsg_text_print(buffer, SIZE_TEXT, "%lldx%lldx%lld", (long long)size[0], (long long)size[1], (long long)size[2]);
    return buffer;
}

// Does image fit label, and both the first case? An error is left in the scan.
static void check_fit(const genseg_dataset *dataset, const gsg_case *item, const gsg_case *first, scan *found)
{
    char a[SIZE_TEXT], b[SIZE_TEXT];
    gsg_error *err = &found->error;
    if (item->labelled && memcmp(found->label_size, item->size, sizeof item->size) != 0)
        found->status =
            gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s: the image is %s, the label map is %s", item->name,
                          size_text(item->ndim, item->size, a), size_text(found->label_ndim, found->label_size, b));
    else if (found->affine_distance > dataset->affine_tolerance)
        found->status = gsg_error_set(err, GENSEG_ERROR_SHAPE,
                                      "%s: the affines of image and label map differ by %.3g voxels (allowed: %g)",
                                      item->name, found->affine_distance, dataset->affine_tolerance);
    else if (item->ndim != first->ndim)
        found->status = gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s: is %d-D, %s is %d-D", item->name, item->ndim,
                                      first->name, first->ndim);
    else if (item->channels != first->channels)
        found->status = gsg_error_set(
            err, GENSEG_ERROR_SHAPE, "%s: has %d channels, %s has %d%s", item->name, item->channels, first->name,
            first->channels,
            item->channels + first->channels == 1 + GSG_COLOURS ? "; grey images can be made of colours (`grey`)" : "");
}

// Notes that many cases share are told once, with their number.
static genseg_status report_notes(genseg_dataset *dataset, const scan *scans, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    for (int64_t i = 0; i < dataset->count && status == GENSEG_OK; i++) {
        if (!scans[i].note)
            continue;
        int64_t same = 0;
        bool told = false;
        for (int64_t k = 0; k < dataset->count; k++) {
            bool equal = scans[k].note && strcmp(scans[k].note, scans[i].note) == 0;
            told = told || (equal && k < i);
            same += equal;
        }
        if (told)
            continue;
        status =
            gsg_dataset_report(dataset, GENSEG_SEVERITY_NOTE, GENSEG_OK, dataset->cases[i].name,
                               "write the geometry into the file if distances matter", err, "%s (%lld of %lld cases)",
                               scans[i].note, (long long)same, (long long)dataset->count);
    }
    return status;
}

static genseg_status report_geometry(genseg_dataset *dataset, const scan *scans, gsg_error *err)
{
    genseg_status status = report_notes(dataset, scans, err);
    double low[3] = {INFINITY, INFINITY, INFINITY}, high[3] = {0.0, 0.0, 0.0};
    for (int64_t i = 0; i < dataset->count && status == GENSEG_OK; i++) {
        const gsg_case *item = &dataset->cases[i];
        for (int axis = 0; axis < 3; axis++) {
            low[axis] = fmin(low[axis], item->geometry.spacing[axis]);
            high[axis] = fmax(high[axis], item->geometry.spacing[axis]);
        }
        if (scans[i].form_distance > FORM_TOLERANCE)
            status = gsg_dataset_report(
                dataset, GENSEG_SEVERITY_WARNING, GENSEG_OK, item->name, "set sform and qform to the same transform",
                err, "sform and qform differ by %.3g voxels: the sform is used", scans[i].form_distance);
    }
    for (int axis = 3 - (dataset->count ? dataset->cases[0].ndim : 3); axis < 3 && status == GENSEG_OK; axis++)
        if (high[axis] > 1.02 * low[axis])
            status =
                gsg_dataset_report(dataset, GENSEG_SEVERITY_NOTE, GENSEG_OK, "",
                                   "nothing to do: 3-D training resamples to the median spacing", err,
                                   "spacing along %c ranges from %.4g to %.4g mm", "DHW"[axis], low[axis], high[axis]);
    return status;
}

// --- Label maps ---

static genseg_status check_table(genseg_dataset *dataset, bool unlabelled_allowed, gsg_error *err)
{
    if (dataset->classes == 0 && unlabelled_allowed)
        return GENSEG_OK;
    if (dataset->classes == 0)
        return gsg_dataset_report(dataset, GENSEG_SEVERITY_ERROR, GENSEG_ERROR_FORMAT, "", "add label maps", err,
                                  "no case has a usable label map");
    if (dataset->classes == 1)
        return gsg_dataset_report(
            dataset, GENSEG_SEVERITY_ERROR, GENSEG_ERROR_FORMAT, "", "annotate the structure that is to be found", err,
            "all label maps hold the single value %d: there is nothing to learn", dataset->values[0]);
    if (dataset->values[0] > 0 || dataset->values[dataset->classes - 1] < 0) {
        genseg_status status = gsg_dataset_report(
            dataset, GENSEG_SEVERITY_NOTE, GENSEG_OK, "", "use 0 for the background if that is not meant", err,
            "no label map holds 0: the smallest value, %d, is the background", dataset->values[0]);
        if (status != GENSEG_OK)
            return status;
    }
    if (dataset->classes > 32)
        return gsg_dataset_report(dataset, GENSEG_SEVERITY_WARNING, GENSEG_OK, "",
                                  "check that the masks were not saved as JPEG or resized with interpolation", err,
                                  "%d different label values", dataset->classes);
    return GENSEG_OK;
}

static genseg_status report_masks(genseg_dataset *dataset, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    for (int64_t i = 0; i < dataset->count && status == GENSEG_OK; i++) {
        const gsg_case *item = &dataset->cases[i];
        int64_t background = 0, all = gsg_case_voxels(item);
        if (!item->labelled)
            continue;
        for (int32_t v = 0; v < item->value_count; v++)
            if (item->values[v] == dataset->values[0])
                background = item->voxels[v];
        if (background == all)
            status =
                gsg_dataset_report(dataset, GENSEG_SEVERITY_WARNING, GENSEG_OK, item->name,
                                   "right if nothing is to be found in this image; else annotate it", err,
                                   "the mask is empty: all %lld voxels are %d", (long long)all, dataset->values[0]);
        else if (all - background < TINY_FOREGROUND)
            status = gsg_dataset_report(
                dataset, GENSEG_SEVERITY_WARNING, GENSEG_OK, item->name, "check that these are no stray voxels", err,
                "only %lld of %lld voxels are foreground", (long long)(all - background), (long long)all);
    }
    return status;
}

static genseg_status report_classes(genseg_dataset *dataset, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    int64_t labelled = 0;
    for (int64_t i = 0; i < dataset->count; i++)
        labelled += dataset->cases[i].labelled;
    for (int32_t k = 1; k < dataset->classes && status == GENSEG_OK; k++) {
        int64_t cases = 0;
        for (int64_t i = 0; i < dataset->count; i++)
            for (int32_t v = 0; v < dataset->cases[i].value_count; v++)
                cases += dataset->cases[i].values[v] == dataset->values[k];
        if (cases < 3 && labelled >= 3)
            status = gsg_dataset_report(dataset, GENSEG_SEVERITY_WARNING, GENSEG_OK, "",
                                        "annotate more cases with it, or merge it with another label", err,
                                        "label %d (%s) is in only %lld of %lld cases", dataset->values[k],
                                        dataset->names[k], (long long)cases, (long long)labelled);
    }
    return status;
}

// --- The whole ---

static int compare_cases(const void *a, const void *b)
{
    return strcmp(((const gsg_case *)a)->name, ((const gsg_case *)b)->name);
}

// Sorted by name; groups by the separators; equal names are an error.
static genseg_status name_cases(genseg_dataset *dataset, const char *separators, gsg_error *err)
{
    if (dataset->count > 1)
        qsort(dataset->cases, (size_t)dataset->count, sizeof *dataset->cases, compare_cases);
    for (int64_t i = 0; i < dataset->count; i++) {
        gsg_case *item = &dataset->cases[i];
        if (i > 0 && strcmp(item->name, item[-1].name) == 0) {
            genseg_status status = gsg_dataset_report(dataset, GENSEG_SEVERITY_ERROR, GENSEG_ERROR_FORMAT, item->name,
                                                      "rename one of them", err, "two cases have this name");
            if (status != GENSEG_OK)
                return status;
            gsg_dataset_drop(dataset, i--);
            continue;
        }
        if (item->group)
            continue;
        size_t length = separators && *separators ? strcspn(item->name, separators) : strlen(item->name);
        item->group = gsg_strndup(dataset->context, item->name, length ? length : strlen(item->name));
        if (!item->group)
            return gsg_error_nomem(err, length + 1);
    }
    return GENSEG_OK;
}

// One image file: a case without a label map.
static genseg_status list_image(genseg_dataset *dataset, const char *path, const gsg_format *format, bool allowed,
                                gsg_error *err)
{
    if (!allowed)
        return gsg_error_set(err, GENSEG_ERROR_INVALID,
                             "%s: is a single %s image, not a folder or HDF5 file: allow_unlabelled opens it", path,
                             format->name);
    char *name = gsg_path_stem(dataset->context, path);
    gsg_case *item = name ? gsg_dataset_append(dataset, name) : NULL;
    gsg_free(dataset->context, name);
    genseg_status status = item ? gsg_case_files(dataset, item, 1, err) : gsg_error_nomem(err, strlen(path) + 1);
    if (status != GENSEG_OK)
        return status;
    item->images[0].path = gsg_strdup(dataset->context, path);
    return item->images[0].path ? GENSEG_OK : gsg_error_nomem(err, strlen(path) + 1);
}

static genseg_status list_cases(genseg_dataset *dataset, const char *path, const genseg_dataset_options *options,
                                gsg_label_names *names, gsg_error *err)
{
    genseg_status status;
    gsg_file_kind kind = gsg_file_probe(path, NULL);
    if (kind == GSG_FILE_NONE)
        return gsg_error_set(err, GENSEG_ERROR_IO, "%s: no such file or folder", path);
    if (kind == GSG_FILE_FOLDER) {
        status = gsg_folder_list(dataset, path, options, names, err);
        if (status == GENSEG_OK)
            status = gsg_split_file_apply(dataset, path, err);
    } else {
        const gsg_format *format = NULL;
        status = gsg_format_find(path, &format, err);
        if (status == GENSEG_OK && format != &gsg_format_hdf5)
            status = list_image(dataset, path, format, options->allow_unlabelled != 0, err);
        else if (status == GENSEG_OK)
            status = gsg_hdf5_cases(dataset, path, options, names, err);
    }
    if (status != GENSEG_OK || dataset->count > 0)
        return status;
    return gsg_error_set(err, GENSEG_ERROR_FORMAT,
                         "%s: no pair of image and mask: wanted are images/ beside masks/ or labels/ with equal base "
                         "names, a dataset.json with imagesTr/ and labelsTr/, or an HDF5 file",
                         path);
}

static genseg_status scan_cases(genseg_dataset *dataset, gsg_error *err)
{
    genseg_context *context = dataset->context;
    genseg_status status = GENSEG_OK;
    scan *scans = gsg_alloc_zero(context, (size_t)dataset->count, sizeof *scans);
    if (!scans)
        return gsg_error_nomem(err, (size_t)dataset->count * sizeof *scans);
    work all = {.dataset = dataset, .scans = scans};
    gsg_parallel(context, dataset->count, 1, scan_headers, &all);
    GSG_TRY(drop_broken(dataset, scans, err));
    for (int64_t i = 0; i < dataset->count; i++)
        check_fit(dataset, &dataset->cases[i], &dataset->cases[0], &scans[i]);
    GSG_TRY(drop_broken(dataset, scans, err));
    uint64_t bytes = 0, limit = context->options.memory_limit;
    for (int64_t i = 0; i < dataset->count; i++)
        bytes += (uint64_t)gsg_case_voxels(&dataset->cases[i]) * (uint64_t)(dataset->cases[i].channels + 1) * 4;
    // Others need memory too where it is limited.
    dataset->cached = bytes <= CACHE_BYTES && (limit == 0 || bytes <= limit / 4);
    gsg_parallel(context, dataset->count, 1, scan_labels, &all);
    GSG_TRY(drop_broken(dataset, scans, err));
    GSG_TRY(report_geometry(dataset, scans, err));
done:
    gsg_free(context, scans);
    return status;
}

genseg_status gsg_dataset_load(genseg_context *context, const char *path, const genseg_dataset_options *options,
                               bool collect, genseg_dataset **dataset, gsg_error *err)
{
    genseg_dataset *made = NULL;
    genseg_status status = gsg_dataset_new(context, &made, err);
    if (status != GENSEG_OK)
        return status;
    made->collect = collect;
    made->affine_tolerance = options->affine_tolerance;
    made->grey = options->grey != 0;
    made->path = gsg_strdup(context, path);
    if (!made->path) {
        status = gsg_error_nomem(err, strlen(path) + 1);
        goto done;
    }
    GSG_TRY(list_cases(made, path, options, &made->given, err));
    GSG_TRY(name_cases(made, options->group_separators, err));
    GSG_TRY(scan_cases(made, err));
    GSG_TRY(gsg_dataset_build_table(made, err));
    GSG_TRY(check_table(made, options->allow_unlabelled != 0, err));
    if (made->classes > 0) {
        GSG_TRY(report_masks(made, err));
        GSG_TRY(report_classes(made, err));
    }
done:
    // A failed collection still has its findings to tell.
    if (status != GENSEG_OK && !(collect && made->finding_count > 0 && status != GENSEG_ERROR_NOMEM)) {
        gsg_dataset_release(made);
        return status;
    }
    if (status != GENSEG_OK) { // an inspection always gives an err
        gsg_error cause = *err;
        status = gsg_dataset_report_error(made, "", &cause, err);
        if (status != GENSEG_OK) {
            gsg_dataset_release(made);
            return status;
        }
    }
    made->collect = false;
    *dataset = made;
    return GENSEG_OK;
}

genseg_status gsg_dataset_open(genseg_context *context, const char *path, const genseg_dataset_options *options,
                               genseg_dataset **dataset, gsg_error *err)
{
    genseg_status status = gsg_dataset_load(context, path, options, false, dataset, err);
    if (status == GENSEG_OK)
        gsg_log(context, GENSEG_LOG_INFO, "%s: %lld cases, %d-D, %d channels, %d classes", path,
                (long long)(*dataset)->count, (*dataset)->cases[0].ndim, (*dataset)->cases[0].channels,
                (*dataset)->classes);
    return status;
}
