// Folder layouts: nnU-Net v2 raw and Medical Segmentation Decathlon (both with
// dataset.json), `images/` beside `masks/` or `labels/` with equal base names,
// folders of HDF5 files, and of images alone. Only names are looked at here, never voxels.
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/text.h"
#include "data/dataset_build.h"

#define MAX_JSON_BYTES ((size_t)64 << 20)

typedef struct layout {
    genseg_dataset *dataset;
    genseg_context *context;
    const char *path;
    const genseg_dataset_options *options;
    gsg_label_names *names;
} layout;

// One image file of a folder, by what its name says.
typedef struct entry {
    char *key; // stem, without the channel in nnU-Net's layout
    char *path;
    int32_t channel; // -1: none in the name
} entry;

typedef struct entries {
    genseg_context *context;
    entry *items;
    int64_t count;
} entries;

static void entries_free(entries *list)
{
    for (int64_t i = 0; i < list->count; i++) {
        gsg_free(list->context, list->items[i].key);
        gsg_free(list->context, list->items[i].path);
    }
    if (list->context)
        gsg_free(list->context, list->items);
    memset(list, 0, sizeof *list);
}

static int compare_entries(const void *a, const void *b)
{
    const entry *p = a, *q = b;
    int order = strcmp(p->key, q->key);
    return order ? order : (p->channel > q->channel) - (p->channel < q->channel);
}

// The folder in `parent` that has one of `names` in any case; NULL where there is none.
static genseg_status find_folder(const layout *my, const gsg_file_list *list, const char *const *names, char **folder,
                                 gsg_error *err)
{
    *folder = NULL;
    for (; *names; names++) {
        for (int64_t i = 0; i < list->count; i++) {
            if (strlen(list->names[i]) != strlen(*names) || !gsg_text_ends(list->names[i], *names))
                continue;
            char *found = gsg_path_join(my->context, my->path, list->names[i]);
            if (!found)
                return gsg_error_nomem(err, strlen(my->path));
            if (gsg_file_probe(found, NULL) == GSG_FILE_FOLDER) {
                *folder = found;
                return GENSEG_OK;
            }
            gsg_free(my->context, found);
        }
    }
    return GENSEG_OK;
}

// "case_0001" with channels: cuts the key before "_0001" and returns 1; -1 where
// the name does not end so.
static int32_t cut_channel(char *key)
{
    size_t length = strlen(key);
    if (length < 6 || key[length - 5] != '_')
        return -1;
    int32_t channel = 0;
    for (size_t i = length - 4; i < length; i++) {
        if (key[i] < '0' || key[i] > '9')
            return -1;
        channel = 10 * channel + (key[i] - '0');
    }
    key[length - 5] = '\0';
    return channel;
}

// Image files of a folder, sorted by key. Other files are left out with a note.
static genseg_status list_images(layout *my, const char *folder, bool channels, entries *out, gsg_error *err)
{
    gsg_file_list list = {.context = my->context};
    entries found = {.context = my->context};
    int64_t skipped = 0, first = 0;
    genseg_status status = GENSEG_OK;
    GSG_TRY(gsg_file_list_open(my->context, folder, &list, err));
    found.items = gsg_alloc_zero(my->context, (size_t)list.count, sizeof *found.items);
    if (!found.items) {
        status = gsg_error_nomem(err, (size_t)list.count * sizeof *found.items);
        goto done;
    }
    for (int64_t i = 0; i < list.count; i++) {
        const char *name = list.names[i];
        const gsg_format *format = gsg_format_named(name);
        if (!format || format == &gsg_format_hdf5) {
            // The voxels of a .hdr are part of it.
            if (!gsg_text_ends(name, ".img") && !gsg_text_ends(name, ".img.gz") && skipped++ == 0)
                first = i;
            continue;
        }
        entry *item = &found.items[found.count++];
        item->key = gsg_path_stem(my->context, name);
        item->path = gsg_path_join(my->context, folder, name);
        if (!item->key || !item->path) {
            status = gsg_error_nomem(err, strlen(name) + 1);
            goto done;
        }
        item->channel = channels ? cut_channel(item->key) : -1;
    }
    if (skipped)
        GSG_TRY(gsg_dataset_report(
            my->dataset, GENSEG_SEVERITY_NOTE, GENSEG_OK, folder, "take them out if they are not meant to be there",
            err, "%lld files are no images and left out (%s)", (long long)skipped, list.names[first]));
    if (found.count > 1)
        qsort(found.items, (size_t)found.count, sizeof *found.items, compare_entries);
    *out = found;
    memset(&found, 0, sizeof found);
done:
    gsg_file_list_free(&list);
    entries_free(&found);
    return status;
}

// A case of `files` entries in a row; the entries lose their paths to it.
static genseg_status add_case(layout *my, entry *images, int32_t files, entry *label, bool held_out, gsg_error *err)
{
    gsg_case *item = gsg_dataset_append(my->dataset, images[0].key);
    if (!item)
        return gsg_error_nomem(err, sizeof *item);
    genseg_status status = gsg_case_files(my->dataset, item, files, err);
    if (status != GENSEG_OK)
        return status;
    for (int32_t f = 0; f < files; f++) {
        item->images[f].path = images[f].path;
        images[f].path = NULL;
    }
    if (label) {
        item->label_at.path = label->path;
        label->path = NULL;
        item->labelled = 1;
    }
    if (held_out) {
        item->held_out = 1;
        item->split = GENSEG_SPLIT_TEST;
    }
    return GENSEG_OK;
}

static genseg_status report_lonely(layout *my, bool mask, const char *key, const char *where, gsg_error *err)
{
    if (mask)
        return gsg_dataset_report(my->dataset, GENSEG_SEVERITY_ERROR, GENSEG_ERROR_FORMAT, key,
                                  "add the image, or take the mask out", err, "has a mask but no image in %s", where);
    return gsg_dataset_report(my->dataset, GENSEG_SEVERITY_ERROR, GENSEG_ERROR_FORMAT, key,
                              "add the mask under the image's base name, take the image out, or allow unlabelled cases",
                              err, "has an image but no mask in %s", where);
}

static genseg_status report_double(layout *my, const char *key, const char *where, gsg_error *err)
{
    return gsg_dataset_report(my->dataset, GENSEG_SEVERITY_ERROR, GENSEG_ERROR_FORMAT, key,
                              "keep one file for each name", err, "two files in %s have this base name", where);
}

// Files of one case from `begin`: channels 0, 1, ... in nnU-Net's layout, else one.
static genseg_status count_files(layout *my, const entries *images, int64_t begin, int64_t *end, bool *good,
                                 const char *folder, gsg_error *err)
{
    int64_t stop = begin + 1;
    while (stop < images->count && strcmp(images->items[stop].key, images->items[begin].key) == 0)
        stop++;
    *end = stop;
    *good = true;
    const char *key = images->items[begin].key;
    for (int64_t i = begin; i < stop && *good; i++) {
        const entry *item = &images->items[i];
        if (i > begin && item->channel == images->items[i - 1].channel) {
            *good = false;
            return report_double(my, key, folder, err);
        }
        if (item->channel >= 0 && item->channel != i - begin) {
            *good = false;
            return gsg_dataset_report(my->dataset, GENSEG_SEVERITY_ERROR, GENSEG_ERROR_FORMAT, key,
                                      "add the missing channel, or take the case out", err,
                                      "channel %04lld is missing: the next file is %s", (long long)(i - begin),
                                      gsg_path_name(item->path));
        }
    }
    return GENSEG_OK;
}

// Joins images and masks of equal keys; both lists are sorted. Without a folder of masks no image has one.
static genseg_status pair(layout *my, const char *image_folder, const char *label_folder, bool channels, bool held_out,
                          gsg_error *err)
{
    entries images = {.context = my->context}, labels = {.context = my->context};
    genseg_status status = GENSEG_OK;
    GSG_TRY(list_images(my, image_folder, channels, &images, err));
    if (label_folder)
        GSG_TRY(list_images(my, label_folder, false, &labels, err));
    int64_t i = 0, m = 0;
    while (i < images.count || m < labels.count) {
        int order = i == images.count ? 1 : m == labels.count ? -1 : strcmp(images.items[i].key, labels.items[m].key);
        if (order > 0) {
            GSG_TRY(report_lonely(my, true, labels.items[m++].key, image_folder, err));
            continue;
        }
        int64_t end, mask_end = m;
        bool good;
        GSG_TRY(count_files(my, &images, i, &end, &good, image_folder, err));
        while (order == 0 && mask_end < labels.count && strcmp(labels.items[mask_end].key, images.items[i].key) == 0)
            mask_end++;
        if (mask_end > m + 1) {
            good = false;
            GSG_TRY(report_double(my, images.items[i].key, label_folder, err));
        }
        if (order < 0 && !my->options->allow_unlabelled && !held_out)
            GSG_TRY(report_lonely(my, false, images.items[i].key, label_folder, err));
        else if (good && (order == 0 || my->options->allow_unlabelled))
            GSG_TRY(add_case(my, &images.items[i], (int32_t)(end - i), order == 0 ? &labels.items[m] : NULL, held_out,
                             err));
        i = end;
        m = mask_end;
    }
done:
    entries_free(&images);
    entries_free(&labels);
    return status;
}

// imagesTs without labelsTs can't be used.
static genseg_status pair_test(layout *my, const gsg_file_list *list, gsg_error *err)
{
    static const char *const image_names[] = {"imagesTs", NULL}, *const label_names[] = {"labelsTs", NULL};
    char *images = NULL, *labels = NULL;
    genseg_status status = GENSEG_OK;
    GSG_TRY(find_folder(my, list, image_names, &images, err));
    GSG_TRY(find_folder(my, list, label_names, &labels, err));
    if (images && labels)
        status = pair(my, images, labels, true, true, err);
    else if (images)
        status = gsg_dataset_report(my->dataset, GENSEG_SEVERITY_NOTE, GENSEG_OK, "imagesTs",
                                    "put the masks of the test images into labelsTs to evaluate on them", err,
                                    "there is no labelsTs: the test images are left out");
done:
    gsg_free(my->context, images);
    gsg_free(my->context, labels);
    return status;
}

// --- dataset.json ---

// One {"image": ..., "label": ...} of the Decathlon's lists.
static genseg_status add_listed(layout *my, const json_t *item, bool held_out, gsg_error *err)
{
    const char *image = json_string_value(json_object_get(item, "image"));
    const char *label = json_string_value(json_object_get(item, "label"));
    if (!image)
        return gsg_dataset_report(my->dataset, GENSEG_SEVERITY_ERROR, GENSEG_ERROR_FORMAT, "dataset.json",
                                  "give every entry of the list an image and a label", err,
                                  "an entry of the list has no image");
    entry parts[2];
    memset(parts, 0, sizeof parts);
    const char *relative = strncmp(image, "./", 2) == 0 ? image + 2 : image;
    parts[0].key = gsg_path_stem(my->context, image);
    parts[0].path = gsg_path_join(my->context, my->path, relative);
    if (label)
        parts[1].path = gsg_path_join(my->context, my->path, strncmp(label, "./", 2) == 0 ? label + 2 : label);
    genseg_status status = GENSEG_OK;
    if (!parts[0].key || !parts[0].path || (label && !parts[1].path))
        status = gsg_error_nomem(err, strlen(image));
    else if (!label && !my->options->allow_unlabelled)
        status = report_lonely(my, false, parts[0].key, "dataset.json", err);
    else
        status = add_case(my, &parts[0], 1, label ? &parts[1] : NULL, held_out, err);
    gsg_free(my->context, parts[0].key);
    gsg_free(my->context, parts[0].path);
    gsg_free(my->context, parts[1].path);
    return status;
}

static genseg_status list_decathlon(layout *my, const json_t *root, gsg_error *err)
{
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(root, "training"), index, item)
    {
        genseg_status status = add_listed(my, item, false, err);
        if (status != GENSEG_OK)
            return status;
    }
    int64_t unlabelled = 0;
    json_array_foreach(json_object_get(root, "test"), index, item)
    {
        genseg_status status = GENSEG_OK;
        if (json_is_object(item) && json_object_get(item, "label"))
            status = add_listed(my, item, true, err);
        else
            unlabelled++;
        if (status != GENSEG_OK)
            return status;
    }
    if (!unlabelled)
        return GENSEG_OK;
    return gsg_dataset_report(my->dataset, GENSEG_SEVERITY_NOTE, GENSEG_OK, "dataset.json", "nothing to do", err,
                              "%lld test images have no label and are left out", (long long)unlabelled);
}

static genseg_status list_nnunet(layout *my, const gsg_file_list *list, gsg_error *err)
{
    static const char *const image_names[] = {"imagesTr", NULL}, *const label_names[] = {"labelsTr", NULL};
    char *images = NULL, *labels = NULL;
    genseg_status status = GENSEG_OK;
    GSG_TRY(find_folder(my, list, image_names, &images, err));
    GSG_TRY(find_folder(my, list, label_names, &labels, err));
    if (!images || (!labels && !my->options->allow_unlabelled))
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: there is no folder %s", my->path,
                               images ? "labelsTr" : "imagesTr");
    else
        status = pair(my, images, labels, true, false, err);
    if (status == GENSEG_OK)
        status = pair_test(my, list, err);
done:
    gsg_free(my->context, images);
    gsg_free(my->context, labels);
    return status;
}

static genseg_status read_names(layout *my, const json_t *root, gsg_error *err)
{
    json_t *labels = json_object_get(root, "labels");
    if (!json_is_object(labels))
        return GENSEG_OK;
    genseg_status status = gsg_label_names_read(my->names, labels, err);
    for (int64_t n = 0; n < my->names->count && status == GENSEG_OK; n++)
        if (strcmp(my->names->names[n], "ignore") == 0)
            status = gsg_dataset_report(my->dataset, GENSEG_SEVERITY_WARNING, GENSEG_OK, "dataset.json",
                                        "relabel these voxels as background, or live with a class for them", err,
                                        "label %d (ignore) is trained like any other class", my->names->values[n]);
    return status;
}

static genseg_status list_json(layout *my, const char *file, const gsg_file_list *list, gsg_error *err)
{
    uint8_t *text = NULL;
    size_t size = 0;
    json_error_t cause;
    json_t *root = NULL;
    genseg_status status = GENSEG_OK;
    GSG_TRY(gsg_file_read(my->context, file, MAX_JSON_BYTES, &text, &size, err));
    root = json_loadb((const char *)text, size, 0, &cause);
    if (!json_is_object(root)) {
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: line %d: %s", file, root ? 1 : cause.line,
                               root ? "is no object" : cause.text);
        goto done;
    }
    GSG_TRY(read_names(my, root, err));
    const json_t *training = json_object_get(root, "training");
    if (json_is_object(json_array_get(training, 0)))
        status = list_decathlon(my, root, err);
    else
        status = list_nnunet(my, list, err);
done:
    json_decref(root);
    gsg_free(my->context, text);
    return status;
}

static genseg_status list_hdf5_files(layout *my, const gsg_file_list *list, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    for (int64_t i = 0; i < list->count && status == GENSEG_OK; i++) {
        if (gsg_format_named(list->names[i]) != &gsg_format_hdf5)
            continue;
        char *file = gsg_path_join(my->context, my->path, list->names[i]);
        if (!file)
            return gsg_error_nomem(err, strlen(list->names[i]));
        gsg_error cause;
        status = gsg_hdf5_cases(my->dataset, file, my->options, my->names, &cause);
        if (status != GENSEG_OK)
            status = gsg_dataset_report_error(my->dataset, list->names[i], &cause, err);
        gsg_free(my->context, file);
    }
    return status;
}

genseg_status gsg_folder_list(genseg_dataset *dataset, const char *path, const genseg_dataset_options *options,
                              gsg_label_names *names, gsg_error *err)
{
    static const char *const image_names[] = {"images", "image", NULL};
    static const char *const label_names[] = {"masks", "labels", "mask", "label", NULL};
    static const char *const train_names[] = {"imagesTr", NULL};
    layout my = {.dataset = dataset, .context = dataset->context, .path = path, .options = options, .names = names};
    gsg_file_list list = {.context = my.context};
    char *json = NULL, *images = NULL, *labels = NULL, *train = NULL;
    genseg_status status = GENSEG_OK;
    GSG_TRY(gsg_file_list_open(my.context, path, &list, err));
    json = gsg_path_join(my.context, path, "dataset.json");
    if (!json) {
        status = gsg_error_nomem(err, strlen(path));
        goto done;
    }
    GSG_TRY(find_folder(&my, &list, image_names, &images, err));
    GSG_TRY(find_folder(&my, &list, label_names, &labels, err));
    GSG_TRY(find_folder(&my, &list, train_names, &train, err));
    if (gsg_file_probe(json, NULL) == GSG_FILE_REGULAR)
        status = list_json(&my, json, &list, err);
    else if (train)
        status = list_nnunet(&my, &list, err);
    else if (images && (labels || options->allow_unlabelled))
        status = pair(&my, images, labels, false, false, err);
    else if (images || labels)
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: there is a folder %s, but none named %s", path,
                               gsg_path_name(images ? images : labels), images ? "masks or labels" : "images");
    else
        status = list_hdf5_files(&my, &list, err);
    if (status == GENSEG_OK && dataset->count == 0 && !images && !train && options->allow_unlabelled)
        status = pair(&my, path, NULL, false, false, err); // nothing but images
done:
    gsg_free(my.context, json);
    gsg_free(my.context, images);
    gsg_free(my.context, labels);
    gsg_free(my.context, train);
    gsg_file_list_free(&list);
    return status;
}
