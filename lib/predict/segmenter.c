// Making and freeing segmenters.
#include "predict/segmenter.h"

#include <stdio.h>
#include <string.h>

const char *gsg_segmenter_architecture(const gsg_unet *unet)
{
    return unet->spatial == 2 ? "unet2d" : "unet3d";
}

static genseg_status copy_cases(genseg_segmenter *made, const gsg_provenance *from, gsg_error *err)
{
    const size_t train = (size_t)from->train_cases, all = train + (size_t)from->validation_cases;
    uint64_t *cases = gsg_alloc(made->context, all, sizeof *cases);
    made->provenance.cases = cases;
    if (!cases)
        return gsg_error_nomem(err, all * sizeof *cases);
    if (all > 0)
        memcpy(cases, from->cases, all * sizeof *cases);
    gsg_case_hashes_sort(cases, from->train_cases);
    gsg_case_hashes_sort(cases + train, from->validation_cases);
    return GENSEG_OK;
}

static genseg_status fill(genseg_segmenter *made, const gsg_segmenter_parts *parts, gsg_error *err)
{
    const size_t classes = (size_t)parts->classes;
    made->unet = parts->unet;
    made->preprocess = parts->preprocess;
    made->classes = parts->classes;
    made->provenance = parts->provenance;
    made->provenance.cases = NULL; // copied last
    made->values = gsg_alloc(made->context, classes, sizeof *made->values);
    made->names = gsg_alloc_zero(made->context, classes, sizeof *made->names);
    made->version = gsg_strdup(made->context, parts->version);
    if (!made->values || !made->names || !made->version)
        return gsg_error_nomem(err, classes * sizeof *made->names);
    memcpy(made->values, parts->values, classes * sizeof *made->values);
    for (size_t k = 0; k < classes; k++) {
        made->names[k] = gsg_strdup(made->context, parts->names[k]);
        if (!made->names[k])
            return gsg_error_nomem(err, strlen(parts->names[k]) + 1);
    }
    return copy_cases(made, &parts->provenance, err);
}

genseg_status gsg_segmenter_new(genseg_context *context, const gsg_segmenter_parts *parts, gsg_params *params,
                                genseg_segmenter **segmenter, gsg_error *err)
{
    genseg_segmenter *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    if (pthread_mutex_init(&made->lock, NULL) != 0) {
        gsg_free(context, made);
        return gsg_error_nomem(err, sizeof made->lock);
    }
    atomic_init(&made->references, 1);
    made->context = gsg_context_retain(context);
    genseg_status status = fill(made, parts, err);
    if (status != GENSEG_OK) {
        gsg_segmenter_release(made);
        return status;
    }
    made->params = params;
    *segmenter = made;
    return GENSEG_OK;
}

genseg_segmenter *gsg_segmenter_retain(genseg_segmenter *segmenter)
{
    atomic_fetch_add_explicit(&segmenter->references, 1, memory_order_relaxed);
    return segmenter;
}

void gsg_segmenter_release(genseg_segmenter *segmenter)
{
    if (!segmenter || atomic_fetch_sub_explicit(&segmenter->references, 1, memory_order_acq_rel) > 1)
        return;
    genseg_context *context = segmenter->context;
    gsg_predictor_free(segmenter->idle);
    gsg_params_free(segmenter->params);
    for (int32_t k = 0; segmenter->names && k < segmenter->classes; k++)
        gsg_free(context, segmenter->names[k]);
    gsg_free(context, segmenter->names);
    gsg_free(context, segmenter->values);
    gsg_free(context, segmenter->version);
    gsg_free(context, segmenter->provenance.cases);
    pthread_mutex_destroy(&segmenter->lock);
    gsg_free(context, segmenter);
    gsg_context_release(context);
}

void gsg_segmenter_divide(const genseg_segmenter *segmenter, genseg_dataset *dataset)
{
    const gsg_provenance *from = &segmenter->provenance;
    gsg_dataset_split_again(dataset, from->cases, from->train_cases, from->cases + from->train_cases,
                            from->validation_cases);
}
