// genseg/context.h, base.h and version.h.
#include <stdio.h>
#include <string.h>

#include "core/parallel.h"
#include "core/profile.h"
#include "genseg/version.h"
#include "kernel/kernel.h"
#include "kernel/peak.h"
#include "tensor/array.h"

const char *genseg_status_name(genseg_status status)
{
    return gsg_status_name(status);
}

size_t genseg_dtype_size(int32_t dtype)
{
    return gsg_dtype_size(dtype);
}

const char *genseg_version(void)
{
    return GENSEG_VERSION_STRING;
}

const char *genseg_abi_version(void)
{
    return GSG_ABI_VERSION;
}

const char *genseg_build_info(void)
{
    return gsg_engine_info();
}

genseg_status genseg_context_options_init(genseg_context_options *options, size_t size)
{
    genseg_context_options defaults;
    gsg_context_defaults(&defaults);
    return gsg_options_init(options, size, &defaults, sizeof defaults);
}

genseg_status genseg_context_new(const genseg_context_options *options, genseg_context **context, genseg_error *err)
{
    if (!context)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "context is NULL");
    return gsg_context_new(options, context, err);
}

void genseg_context_free(genseg_context *context)
{
    gsg_context_release(context);
}

int32_t genseg_context_threads(const genseg_context *context)
{
    return context ? gsg_parallel_threads(context) : 0;
}

void genseg_context_memory(const genseg_context *context, uint64_t *current, uint64_t *peak)
{
    if (current)
        *current = context ? context->memory : 0;
    if (peak)
        *peak = context ? context->memory_peak : 0;
}

genseg_status genseg_context_set_profile(genseg_context *context, int32_t on, genseg_error *err)
{
    if (!context)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "context is NULL");
    return gsg_profile_set(context, on, err);
}

genseg_status genseg_context_profile(genseg_context *context, int64_t index, genseg_profile *profile, genseg_error *err)
{
    if (!context || !profile)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s is NULL", context ? "profile" : "context");
    const gsg_profile_row *row = gsg_profile_at(context, index);
    if (!row)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "the profile has no row %lld", (long long)index);
    genseg_profile out = {.struct_size = sizeof out, .operation = row->name, .ndim = row->ndim, .runs = row->runs,
                          .seconds = row->seconds, .flops = row->flops, .bytes = row->bytes};
    memcpy(out.shape, row->dims, sizeof out.shape);
    if (gsg_options_init(profile, profile->struct_size, &out, sizeof out) != GENSEG_OK)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "genseg_profile: struct_size is %zu", profile->struct_size);
    return GENSEG_OK;
}

double genseg_context_peak(const genseg_context *context)
{
    if (!context)
        return 0;
    const int32_t saved = gsg_parallel_enter(context);
    const double peak = gsg_peak_flops(context);
    gsg_parallel_leave(saved);
    return peak;
}
