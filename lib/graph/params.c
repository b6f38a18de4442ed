// Named parameters in the layout of the kernels.
#include "graph/params.h"

#include <math.h>
#include <string.h>

genseg_status gsg_params_new(genseg_context *context, gsg_params **params, gsg_error *err)
{
    gsg_params *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    made->context = gsg_context_retain(context);
    genseg_status status = gsg_engine_new(context, &made->engine, err);
    if (status != GENSEG_OK) {
        gsg_params_free(made);
        return status;
    }
    *params = made;
    return GENSEG_OK;
}

void gsg_params_free(gsg_params *params)
{
    if (!params)
        return;
    genseg_context *context = params->context;
    for (int32_t i = 0; i < params->count; i++) {
        gsg_free(context, params->items[i].name);
        gsg_free(context, params->items[i].data);
    }
    gsg_free(context, params->items);
    gsg_engine_free(params->engine);
    gsg_free(context, params);
    gsg_context_release(context);
}

int32_t gsg_params_find(const gsg_params *params, const char *name)
{
    for (int32_t i = 0; i < params->count; i++)
        if (strcmp(params->items[i].name, name) == 0)
            return i;
    return -1;
}

static gsg_weights vector_layout(gsg_shape shape)
{
    const int64_t pad = GSG_VECTOR_PAD;
    gsg_weights layout = {.shape = shape};
    layout.count = (gsg_shape_count(shape) + pad - 1) / pad * pad;
    return layout;
}

static genseg_status check_existing(const gsg_param *item, gsg_param_kind kind, gsg_shape shape, gsg_error *err)
{
    char had[GSG_SHAPE_TEXT_SIZE], wanted[GSG_SHAPE_TEXT_SIZE];
    if (item->kind == kind && gsg_shape_equal(item->layout.shape, shape))
        return GENSEG_OK;
    return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "parameter %s is %s (kind %d), asked for %s (kind %d)", item->name,
                         gsg_shape_text(item->layout.shape, had), (int)item->kind, gsg_shape_text(shape, wanted),
                         (int)kind);
}

genseg_status gsg_params_get(gsg_params *params, const char *name, gsg_param_kind kind, gsg_shape shape, int32_t *index,
                             gsg_error *err)
{
    int32_t found = gsg_params_find(params, name);
    if (found >= 0) {
        genseg_status status = check_existing(&params->items[found], kind, shape, err);
        if (status == GENSEG_OK)
            *index = found;
        return status;
    }
    if (params->count == params->capacity) {
        int32_t capacity = params->capacity ? 2 * params->capacity : 64;
        gsg_param *items = gsg_realloc(params->context, params->items, (size_t)capacity, sizeof *items);
        if (!items)
            return gsg_error_nomem(err, (size_t)capacity * sizeof *items);
        params->items = items;
        params->capacity = capacity;
    }
    gsg_param item = {.kind = kind};
    item.layout = kind == GSG_PARAM_CONV || kind == GSG_PARAM_CONV_TRANSPOSED
                      ? gsg_weights_layout(params->engine, shape, kind == GSG_PARAM_CONV_TRANSPOSED)
                      : vector_layout(shape);
    item.name = gsg_strdup(params->context, name);
    item.data = gsg_alloc_zero(params->context, (size_t)item.layout.count, sizeof(float));
    if (!item.name || !item.data) {
        gsg_free(params->context, item.name);
        gsg_free(params->context, item.data);
        return gsg_error_nomem(err, (size_t)item.layout.count * sizeof(float));
    }
    params->items[params->count] = item;
    *index = params->count++;
    return GENSEG_OK;
}

int64_t gsg_params_values(const gsg_params *params, int32_t trainable_only)
{
    int64_t values = 0;
    for (int32_t i = 0; i < params->count; i++)
        if (!trainable_only || params->items[i].kind != GSG_PARAM_STATISTIC)
            values += gsg_shape_count(params->items[i].layout.shape);
    return values;
}

static bool is_weights(const gsg_param *param)
{
    return param->kind == GSG_PARAM_CONV || param->kind == GSG_PARAM_CONV_TRANSPOSED;
}

void gsg_param_import(gsg_param *param, const float *plain)
{
    if (is_weights(param))
        gsg_weights_import(&param->layout, plain, param->data);
    else
        memcpy(param->data, plain, (size_t)gsg_shape_count(param->layout.shape) * sizeof(float));
}

void gsg_param_import_rows(gsg_param *param, int64_t first, int64_t rows, const float *plain)
{
    if (is_weights(param)) {
        gsg_weights_import_rows(&param->layout, first, rows, plain, param->data);
        return;
    }
    const int64_t row = gsg_shape_count(param->layout.shape) / param->layout.shape.dims[0];
    memcpy(param->data + first * row, plain, (size_t)(rows * row) * sizeof(float));
}

void gsg_param_export(const gsg_param *param, float *plain)
{
    if (is_weights(param))
        gsg_weights_export(&param->layout, param->data, plain);
    else
        memcpy(plain, param->data, (size_t)gsg_shape_count(param->layout.shape) * sizeof(float));
}

const gsg_param *gsg_params_broken(const gsg_params *params)
{
    for (int32_t i = 0; i < params->count; i++) {
        const gsg_param *item = &params->items[i];
        // The product with zero is NaN for both NaN and infinity, and needs no branch a value.
        float sum = 0;
        for (int64_t j = 0; j < item->layout.count; j++)
            sum += 0 * item->data[j];
        if (isnan(sum))
            return item;
    }
    return NULL;
}

void gsg_params_copy(gsg_params *dst, const gsg_params *src)
{
    for (int32_t i = 0; i < src->count && i < dst->count; i++)
        memcpy(dst->items[i].data, src->items[i].data, (size_t)src->items[i].layout.count * sizeof(float));
}

genseg_status gsg_params_clone(const gsg_params *src, gsg_params **clone, gsg_error *err)
{
    gsg_params *made = NULL;
    genseg_status status;
    GSG_TRY(gsg_params_new(src->context, &made, err));
    for (int32_t i = 0; i < src->count; i++) {
        int32_t index;
        GSG_TRY(gsg_params_get(made, src->items[i].name, src->items[i].kind, src->items[i].layout.shape, &index, err));
    }
    gsg_params_copy(made, src);
    *clone = made;
    made = NULL;
done:
    gsg_params_free(made);
    return status;
}
