// A dataset of generated cases (phantom.h), held in memory.
#include <string.h>

#include "core/alloc.h"
#include "core/text.h"
#include "data/dataset_build.h"
#include "data/phantom.h"

void gsg_phantom_defaults(genseg_phantom_options *options)
{
    *options = (genseg_phantom_options){.struct_size = sizeof *options,
                                        .ndim = 2,
                                        .count = 24,
                                        .classes = 2,
                                        .channels = 1,
                                        .size = {32, 128, 128},
                                        .seed = 1};
}

static genseg_status add_phantom(genseg_dataset *dataset, const genseg_phantom_options *options, int64_t index,
                                 gsg_error *err)
{
    char name[32];
    gsg_volume volume;
    genseg_status status = gsg_phantom_case(dataset->context, options, index, &volume, err);
    if (status != GENSEG_OK)
        return status;
    gsg_text_print(name, sizeof name, "phantom_%03lld", (long long)index);
    gsg_case *item = gsg_dataset_append(dataset, name);
    if (!item) {
        gsg_volume_free(&volume);
        return gsg_error_nomem(err, sizeof *item);
    }
    item->ndim = volume.ndim;
    item->channels = volume.channels;
    memcpy(item->size, volume.size, sizeof item->size);
    item->geometry = volume.geometry;
    item->image = volume.image; // the case takes both over
    item->label = volume.label;
    item->labelled = 1;
    item->group = gsg_strdup(dataset->context, name);
    if (!item->group)
        return gsg_error_nomem(err, sizeof name);
    return gsg_case_scan(dataset->context, item, item->label, err);
}

genseg_status gsg_dataset_phantom(genseg_context *context, const genseg_phantom_options *options,
                                  genseg_dataset **dataset, gsg_error *err)
{
    genseg_dataset *made = NULL;
    genseg_status status = gsg_phantom_check(options, err);
    if (status == GENSEG_OK)
        status = gsg_dataset_new(context, &made, err);
    for (int64_t i = 0; i < options->count && status == GENSEG_OK; i++)
        status = add_phantom(made, options, i, err);
    if (status == GENSEG_OK)
        status = gsg_dataset_build_table(made, err);
    if (status != GENSEG_OK) {
        gsg_dataset_release(made);
        return status;
    }
    *dataset = made;
    return GENSEG_OK;
}
