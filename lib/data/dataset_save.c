// HDF5 as a source of cases, a whole dataset as one HDF5 file, and a case as files of its own.
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "data/dataset_build.h"
#include "data/format_hdf5.h"

static genseg_status place(genseg_context *context, gsg_location *to, const char *path, gsg_location *from,
                           gsg_error *err)
{
    *to = *from; // takes the entry over
    from->entry = NULL;
    to->path = gsg_strdup(context, path);
    return to->path ? GENSEG_OK : gsg_error_nomem(err, strlen(path) + 1);
}

genseg_status gsg_hdf5_cases(genseg_dataset *dataset, const char *path, const genseg_dataset_options *options,
                             gsg_label_names *names, gsg_error *err)
{
    gsg_hdf5_list list = {.context = dataset->context};
    genseg_status status = GENSEG_OK;
    GSG_TRY(gsg_hdf5_list_open(dataset->context, path, options->image_name, options->label_name, &list, err));
    if (list.table && names->count == 0) {
        status = gsg_label_names_parse(names, list.table, err);
        if (status != GENSEG_OK) {
            gsg_error_prefix(err, status, "label_table");
            gsg_error_prefix(err, status, path);
            goto done;
        }
    }
    for (int64_t i = 0; i < list.count; i++) {
        gsg_hdf5_case *from = &list.cases[i];
        if (!from->label.entry && !options->allow_unlabelled) {
            GSG_TRY(gsg_dataset_report(dataset, GENSEG_SEVERITY_ERROR, GENSEG_ERROR_FORMAT, from->name,
                                       "add the label map, or allow unlabelled cases", err,
                                       "has %s but no dataset %s in %s", from->image.entry,
                                       options->label_name ? options->label_name : "label", path));
            continue;
        }
        gsg_case *item = gsg_dataset_append(dataset, from->name);
        if (!item) {
            status = gsg_error_nomem(err, sizeof *item);
            goto done;
        }
        GSG_TRY(gsg_case_files(dataset, item, 1, err));
        item->group = from->group;
        from->group = NULL;
        item->split = from->split;
        item->held_out = from->split == GENSEG_SPLIT_TEST;
        GSG_TRY(place(dataset->context, &item->images[0], path, &from->image, err));
        if (from->label.entry) {
            GSG_TRY(place(dataset->context, &item->label_at, path, &from->label, err));
            item->labelled = 1;
        }
    }
done:
    gsg_hdf5_list_free(&list);
    return status;
}

genseg_status gsg_dataset_save_hdf5(genseg_dataset *dataset, const char *path, gsg_error *err)
{
    genseg_context *context = dataset->context;
    gsg_hdf5_writer writer;
    char *table = gsg_label_table_text(dataset);
    if (!table)
        return gsg_error_nomem(err, 1 << 10);
    genseg_status status = gsg_hdf5_write_begin(&writer, context, path, err);
    if (status != GENSEG_OK) {
        gsg_free(context, table);
        return status;
    }
    for (int64_t i = 0; i < dataset->count; i++) {
        const gsg_case *item = &dataset->cases[i];
        gsg_volume volume;
        GSG_TRY(gsg_dataset_read(dataset, i, &volume, err));
        for (int64_t v = 0; volume.label && v < gsg_volume_count(&volume); v++)
            volume.label[v] = dataset->values[volume.label[v]];
        status = gsg_hdf5_write_case(&writer, item->name, item->group, item->split, &volume, table, err);
        gsg_volume_free(&volume);
        if (status != GENSEG_OK)
            goto done;
    }
    GSG_TRY(gsg_hdf5_write_commit(&writer, err));
done:
    gsg_hdf5_write_abort(&writer);
    gsg_free(context, table);
    return status;
}

genseg_status gsg_dataset_save_label(genseg_dataset *dataset, int64_t index, const genseg_array *label,
                                     const char *path, gsg_error *err)
{
    gsg_source source;
    genseg_status status = gsg_dataset_source(dataset, index, &source, err);
    if (status != GENSEG_OK)
        return status;
    status = gsg_label_write(dataset->context, path, label, &source, err);
    gsg_source_free(&source);
    return status;
}

// The least and the greatest value; 0 and 255 where all are grey levels of 8 bits already.
static void grey_range(const float *image, int64_t count, double *low, double *high)
{
    bool levels = true;
    *low = *high = image[0];
    for (int64_t i = 0; i < count; i++) {
        *low = fmin(*low, image[i]);
        *high = fmax(*high, image[i]);
        levels = levels && image[i] >= 0 && image[i] <= 255 && image[i] == floorf(image[i]);
    }
    if (levels)
        *low = 0, *high = 255;
    else if (*high == *low)
        *high = *low + 1;
}

genseg_status gsg_dataset_save_image(genseg_dataset *dataset, int64_t index, const char *path, gsg_error *err)
{
    gsg_source source;
    gsg_volume volume;
    double low, high;
    gsg_volume_init(&volume, dataset->context);
    genseg_status status = gsg_dataset_source(dataset, index, &source, err);
    if (status != GENSEG_OK)
        return status;
    GSG_TRY(gsg_dataset_read(dataset, index, &volume, err));
    grey_range(volume.image, volume.channels * gsg_volume_count(&volume), &low, &high);
    status = gsg_image_write(dataset->context, path, volume.image, volume.channels, low, high, &source, err);
done:
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    return status;
}
