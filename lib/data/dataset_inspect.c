// Inspection: what opening found, then every image read to its last voxel.
#include <string.h>

#include "core/text.h"
#include "data/dataset_build.h"

typedef struct reporter {
    genseg_finding_fn fn;
    void *user;
} reporter;

static genseg_status tell(const reporter *to, int32_t severity, const char *subject, const char *message,
                          const char *remedy, gsg_error *err)
{
    genseg_finding finding = {
        .struct_size = sizeof finding, .severity = severity, .subject = subject, .message = message, .remedy = remedy};
    return to->fn(&finding, to->user) ? gsg_error_set(err, GENSEG_ERROR_CANCELLED, "the inspection was cancelled")
                                      : GENSEG_OK;
}

static bool is_constant(const float *values, int64_t count)
{
    for (int64_t i = 1; i < count; i++)
        if (values[i] != values[0])
            return false;
    return true;
}

static genseg_status inspect_case(genseg_dataset *dataset, int64_t index, const reporter *to, gsg_error *err)
{
    gsg_volume volume;
    gsg_error cause = {0};
    const gsg_case *item = &dataset->cases[index];
    genseg_status status = gsg_dataset_read(dataset, index, &volume, &cause);
    if (status == GENSEG_ERROR_NOMEM)
        return gsg_error_set(err, status, "%s: %s", item->name, cause.message);
    if (status != GENSEG_OK)
        return tell(to, GENSEG_SEVERITY_ERROR, item->name, cause.message, gsg_remedy(status), err);
    int64_t voxels = gsg_volume_count(&volume);
    for (int32_t c = 0; c < volume.channels && status == GENSEG_OK; c++) {
        char message[96];
        const float *channel = volume.image + c * voxels;
        if (!is_constant(channel, voxels))
            continue;
        gsg_text_print(message, sizeof message, "all voxels of channel %d are %g", c, (double)channel[0]);
        status = tell(to, GENSEG_SEVERITY_WARNING, item->name, message, "take the case out: it teaches nothing", err);
    }
    gsg_volume_free(&volume);
    return status;
}

genseg_status gsg_dataset_inspect(genseg_dataset *dataset, genseg_finding_fn report, void *user, gsg_error *err)
{
    reporter to = {.fn = report, .user = user};
    genseg_status status = GENSEG_OK;
    for (int64_t i = 0; i < dataset->finding_count && status == GENSEG_OK; i++) {
        const gsg_finding *finding = &dataset->findings[i];
        status = tell(&to, finding->severity, finding->subject, finding->message, finding->remedy, err);
    }
    for (int64_t i = 0; i < dataset->count && status == GENSEG_OK; i++)
        status = inspect_case(dataset, i, &to, err);
    return status;
}

genseg_status gsg_dataset_inspect_path(genseg_context *context, const char *path, const genseg_dataset_options *options,
                                       genseg_finding_fn report, void *user, gsg_error *err)
{
    genseg_dataset *dataset = NULL;
    gsg_error cause = {0};
    reporter to = {.fn = report, .user = user};
    genseg_status status = gsg_dataset_load(context, path, options, true, &dataset, &cause);
    if (status == GENSEG_ERROR_NOMEM)
        return gsg_error_set(err, status, "%s", cause.message);
    if (status != GENSEG_OK)
        return tell(&to, GENSEG_SEVERITY_ERROR, path, cause.message, gsg_remedy(status), err);
    status = gsg_dataset_inspect(dataset, report, user, err);
    gsg_dataset_release(dataset);
    return status;
}
