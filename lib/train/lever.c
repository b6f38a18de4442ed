// Hyper-parameters of level III.
#include "train/lever.h"

#include <math.h>
#include <string.h>

#include "kernel/kernel.h"

static size_t padded(int64_t count)
{
    return (size_t)((count + GSG_VECTOR_PAD - 1) / GSG_VECTOR_PAD * GSG_VECTOR_PAD);
}

genseg_status gsg_levers_new(genseg_context *context, gsg_levers **levers, gsg_error *err)
{
    gsg_levers *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    made->context = gsg_context_retain(context);
    *levers = made;
    return GENSEG_OK;
}

void gsg_levers_free(gsg_levers *levers)
{
    if (!levers)
        return;
    genseg_context *context = levers->context;
    for (int32_t i = 0; i < levers->count; i++) {
        if (levers->items[i].owned)
            gsg_free(context, levers->items[i].value);
        gsg_free(context, levers->items[i].gradient);
    }
    gsg_free(context, levers->items);
    gsg_free(context, levers->scaled);
    gsg_optimizer_free(levers->optimizer);
    gsg_free(context, levers);
    gsg_context_release(context);
}

genseg_status gsg_levers_add(gsg_levers *levers, const char *name, int32_t group, int64_t count, float *value,
                             float first, float low, float high, gsg_error *err)
{
    genseg_context *context = levers->context;
    if (levers->count == levers->capacity) {
        const int32_t capacity = levers->capacity ? 2 * levers->capacity : 32;
        gsg_lever *items = gsg_realloc(context, levers->items, (size_t)capacity, sizeof *items);
        if (!items)
            return gsg_error_nomem(err, (size_t)capacity * sizeof *items);
        levers->items = items;
        levers->capacity = capacity;
    }
    gsg_lever item = {.name = name, .group = group, .owned = !value, .count = count, .value = value, .low = low,
                      .high = high};
    item.gradient = gsg_alloc_zero(context, padded(count), sizeof *item.gradient);
    if (!value)
        item.value = gsg_alloc_zero(context, padded(count), sizeof *item.value);
    if (!item.gradient || !item.value) {
        gsg_free(context, item.gradient);
        if (!value)
            gsg_free(context, item.value);
        return gsg_error_nomem(err, 2 * padded(count) * sizeof *item.value);
    }
    for (int64_t i = 0; !value && i < count; i++)
        item.value[i] = first;
    levers->items[levers->count++] = item;
    return GENSEG_OK;
}

gsg_lever *gsg_levers_find(gsg_levers *levers, const char *name)
{
    for (int32_t i = 0; i < levers->count; i++)
        if (strcmp(levers->items[i].name, name) == 0)
            return &levers->items[i];
    return NULL;
}

genseg_status gsg_levers_ready(gsg_levers *levers, gsg_error *err)
{
    gsg_optimizer_options options;
    int64_t most = 0;
    gsg_levers_optimizer(&options);
    for (int32_t i = 0; i < levers->count; i++)
        most = levers->items[i].count > most ? levers->items[i].count : most;
    levers->scaled = gsg_alloc_zero(levers->context, padded(most), sizeof *levers->scaled);
    if (!levers->scaled)
        return gsg_error_nomem(err, padded(most) * sizeof *levers->scaled);
    int64_t *counts = gsg_alloc(levers->context, (size_t)levers->count + 1, sizeof *counts);
    if (!counts)
        return gsg_error_nomem(err, ((size_t)levers->count + 1) * sizeof *counts);
    for (int32_t i = 0; i < levers->count; i++)
        counts[i] = levers->items[i].count;
    genseg_status status =
        gsg_optimizer_new(levers->context, &options, levers->count, counts, &levers->optimizer, err);
    gsg_free(levers->context, counts);
    return status;
}

void gsg_levers_optimizer(gsg_optimizer_options *options)
{
    gsg_optimizer_defaults(options, GSG_OPTIMIZER_ADAM);
    options->beta2 = 0.99;
}

void gsg_levers_update(gsg_levers *levers, int32_t groups, double scale, double lr)
{
    gsg_optimizer_begin(levers->optimizer, lr);
    for (int32_t i = 0; i < levers->count; i++) {
        gsg_lever *item = &levers->items[i];
        if (!(item->group & groups))
            continue;
        for (int64_t k = 0; k < item->count; k++)
            levers->scaled[k] = (float)(scale * item->gradient[k]);
        gsg_optimizer_update(levers->optimizer, i, item->value, levers->scaled);
        for (int64_t k = 0; k < item->count; k++)
            item->value[k] = fminf(fmaxf(item->value[k], item->low), item->high);
    }
}

double gsg_levers_norm(const gsg_levers *levers, int32_t groups)
{
    double sum = 0;
    for (int32_t i = 0; i < levers->count; i++)
        for (int64_t k = 0; (levers->items[i].group & groups) && k < levers->items[i].count; k++)
            sum += (double)levers->items[i].gradient[k] * levers->items[i].gradient[k];
    return sqrt(sum);
}
