// Making and freeing generators, and what remains of one after the search.
#include "predict/synthesizer.h"

#include <string.h>

static genseg_status fill(genseg_generator *made, const gsg_synthesizer_parts *parts, gsg_error *err)
{
    const size_t classes = (size_t)parts->classes;
    made->network = parts->network;
    memcpy(made->size, parts->size, sizeof made->size);
    memcpy(made->spacing, parts->spacing, sizeof made->spacing);
    made->symmetric = parts->symmetric;
    made->classes = parts->classes;
    made->steps = parts->steps;
    made->values = gsg_alloc(made->context, classes, sizeof *made->values);
    made->version = gsg_strdup(made->context, parts->version);
    if (!made->values || !made->version)
        return gsg_error_nomem(err, classes * sizeof *made->values);
    memcpy(made->values, parts->values, classes * sizeof *made->values);
    return GENSEG_OK;
}

genseg_status gsg_synthesizer_new(genseg_context *context, const gsg_synthesizer_parts *parts, gsg_params *params,
                                  genseg_generator **generator, gsg_error *err)
{
    genseg_generator *made = gsg_alloc_zero(context, 1, sizeof *made);
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
        gsg_synthesizer_release(made);
        return status;
    }
    made->params = params;
    *generator = made;
    return GENSEG_OK;
}

genseg_generator *gsg_synthesizer_retain(genseg_generator *generator)
{
    atomic_fetch_add_explicit(&generator->references, 1, memory_order_relaxed);
    return generator;
}

void gsg_synthesizer_release(genseg_generator *generator)
{
    if (!generator || atomic_fetch_sub_explicit(&generator->references, 1, memory_order_acq_rel) > 1)
        return;
    genseg_context *context = generator->context;
    gsg_maker_free(generator->idle);
    gsg_params_free(generator->params);
    gsg_free(context, generator->values);
    gsg_free(context, generator->version);
    pthread_mutex_destroy(&generator->lock);
    gsg_free(context, generator);
    gsg_context_release(context);
}

genseg_status gsg_synthesizer_discretise(genseg_generator *generator, gsg_discretise how, genseg_generator **plain,
                                         gsg_error *err)
{
    gsg_params *params = NULL;
    if (!gsg_generator_searchable(&generator->network)) {
        *plain = gsg_synthesizer_retain(generator);
        return GENSEG_OK;
    }
    gsg_synthesizer_parts parts = {.symmetric = generator->symmetric,
                                   .classes = generator->classes,
                                   .values = generator->values,
                                   .version = generator->version,
                                   .steps = generator->steps};
    memcpy(parts.size, generator->size, sizeof parts.size);
    memcpy(parts.spacing, generator->spacing, sizeof parts.spacing);
    genseg_status status =
        gsg_generator_discretise(&generator->network, generator->params, how, &parts.network, &params, err);
    if (status != GENSEG_OK)
        return status;
    status = gsg_synthesizer_new(generator->context, &parts, params, plain, err);
    if (status != GENSEG_OK)
        gsg_params_free(params);
    return status;
}
