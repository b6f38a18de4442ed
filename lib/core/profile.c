// Rows of a profile (core/profile.h), in a table of fixed size: nothing is allocated while work is measured.
#include "core/profile.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"

#define MOST_ROWS 2048

struct gsg_profile {
    pthread_mutex_t lock; // a context is shared by threads
    int64_t count;
    gsg_profile_row rows[MOST_ROWS];
};

genseg_status gsg_profile_set(genseg_context *context, int32_t on, gsg_error *err)
{
    if (on && !context->profile) {
        // Not counted, as the context itself: an idle one holds 0 bytes.
        gsg_profile *made = context->options.alloc(sizeof *made, 64, context->options.alloc_user);
        if (!made)
            return gsg_error_nomem(err, sizeof *made);
        if (pthread_mutex_init(&made->lock, NULL) != 0) {
            context->options.free(made, context->options.alloc_user);
            return gsg_error_nomem(err, sizeof made->lock);
        }
        context->profile = made;
    }
    if (on) {
        pthread_mutex_lock(&context->profile->lock);
        context->profile->count = 0;
        pthread_mutex_unlock(&context->profile->lock);
    }
    atomic_store(&context->profiling, on != 0);
    return GENSEG_OK;
}

void gsg_profile_free(genseg_context *context)
{
    if (!context->profile)
        return;
    pthread_mutex_destroy(&context->profile->lock);
    context->options.free(context->profile, context->options.alloc_user);
}

double gsg_profile_begin(const genseg_context *context)
{
    return atomic_load_explicit(&context->profiling, memory_order_relaxed) ? gsg_clock() : 0;
}

static gsg_profile_row *find(gsg_profile *profile, const gsg_profile_row *row)
{
    for (int64_t i = 0; i < profile->count; i++) {
        gsg_profile_row *at = &profile->rows[i];
        if (at->ndim == row->ndim && memcmp(at->dims, row->dims, sizeof row->dims) == 0 &&
            strcmp(at->name, row->name) == 0)
            return at;
    }
    if (profile->count < MOST_ROWS) {
        gsg_profile_row *at = &profile->rows[profile->count++];
        *at = *row;
        at->runs = 0;
        at->seconds = at->flops = at->bytes = 0;
    }
    return &profile->rows[profile->count - 1]; // the last one takes what has no place of its own
}

void gsg_profile_end(genseg_context *context, double begin, const gsg_profile_row *row)
{
    if (begin == 0)
        return;
    const double seconds = gsg_clock() - begin;
    gsg_profile *profile = context->profile;
    pthread_mutex_lock(&profile->lock);
    gsg_profile_row *at = find(profile, row);
    at->runs++;
    at->seconds += seconds;
    at->flops += row->flops;
    at->bytes += row->bytes;
    pthread_mutex_unlock(&profile->lock);
}

static int longer(const void *a, const void *b)
{
    const double x = ((const gsg_profile_row *)a)->seconds, y = ((const gsg_profile_row *)b)->seconds;
    return (x < y) - (x > y);
}

const gsg_profile_row *gsg_profile_at(genseg_context *context, int64_t index)
{
    gsg_profile *profile = context->profile;
    if (!profile)
        return NULL;
    pthread_mutex_lock(&profile->lock);
    if (index == 0)
        qsort(profile->rows, (size_t)profile->count, sizeof *profile->rows, longer);
    const gsg_profile_row *row = index >= 0 && index < profile->count ? &profile->rows[index] : NULL;
    pthread_mutex_unlock(&profile->lock);
    return row;
}
