// Scores by class: counts for all classes in one pass, then the surfaces of
// those that are present in both maps.
#include "metric/score.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "metric/overlap.h"
#include "metric/surface.h"

#define MOST_CLASSES 65536

static const char *const conventions[] = {"unknown", "monai", "medpy", "deepmind"};
#define CONVENTIONS ((int32_t)(sizeof conventions / sizeof conventions[0]))

void gsg_score_defaults(genseg_metrics_options *options)
{
    *options = (genseg_metrics_options){
        .struct_size = sizeof *options,
        .classes = 2,
        .convention = GENSEG_CONVENTION_MONAI,
        .spacing = {1, 1, 1},
        .surface_tolerance = 1,
        .percentile = 95,
        .surfaces = 1,
    };
}

genseg_status gsg_score_check(const genseg_metrics_options *options, gsg_error *err)
{
    if (options->classes < 1 || options->classes > MOST_CLASSES)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "classes is %d, not in 1 to %d", (int)options->classes,
                             MOST_CLASSES);
    if (options->convention < 1 || options->convention >= CONVENTIONS)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "convention is %d, not in 1 to %d", (int)options->convention,
                             (int)CONVENTIONS - 1);
    for (int a = 0; a < 3; a++)
        if (!(options->spacing[a] > 0) || !isfinite(options->spacing[a]))
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "spacing[%d] is %g, not above 0", a, options->spacing[a]);
    if (!(options->surface_tolerance >= 0))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "surface_tolerance is %g, not 0 or above",
                             options->surface_tolerance);
    if (!(options->percentile >= 0 && options->percentile <= 100))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "percentile is %g, not in 0 to 100", options->percentile);
    return GENSEG_OK;
}

static genseg_status score_class(genseg_context *context, gsg_surface_pair *pair, const gsg_overlap *overlap,
                                 const genseg_metrics_options *options, genseg_metrics *result, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_surface_scores scores = {.hausdorff = (double)NAN, .assd = (double)NAN, .dice = (double)NAN};
    const int32_t state = gsg_overlap_state(overlap);

    if (options->surfaces && (pair->label > 0 || options->background_surface)) {
        if (state == GENSEG_METRICS_OK) {
            memcpy(pair->low, overlap->low, sizeof pair->low);
            memcpy(pair->high, overlap->high, sizeof pair->high);
            GSG_TRY(gsg_surface_score(context, pair, options, &scores, err));
        } else if (state != GENSEG_METRICS_BOTH_EMPTY) {
            scores.dice = 0;
        }
    }
    *result = (genseg_metrics){
        .dice = gsg_overlap_dice(overlap),
        .jaccard = gsg_overlap_jaccard(overlap),
        .hd95 = scores.hausdorff,
        .assd = scores.assd,
        .surface_dice = scores.dice,
        .state = state,
    };
done:
    return status;
}

genseg_status gsg_score_classes(genseg_context *context, const int32_t *reference, const int32_t *prediction,
                                int32_t ndim, const int64_t size[3], const genseg_metrics_options *options,
                                genseg_metrics *results, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    const size_t classes = (size_t)options->classes;
    gsg_surface_pair pair = {.reference = reference, .prediction = prediction, .ndim = ndim};
    gsg_overlap *overlaps = gsg_alloc(context, classes, sizeof *overlaps);
    genseg_metrics *found = gsg_alloc(context, classes, sizeof *found);

    if (!overlaps || !found) {
        status = gsg_error_nomem(err, classes * sizeof *overlaps);
        goto done;
    }
    memcpy(pair.size, size, sizeof pair.size);
    GSG_TRY(gsg_overlap_count(context, reference, prediction, size, options->classes, overlaps, err));
    for (pair.label = 0; pair.label < options->classes; pair.label++)
        GSG_TRY(score_class(context, &pair, &overlaps[pair.label], options, &found[pair.label], err));
    memcpy(results, found, classes * sizeof *found);
done:
    gsg_free(context, overlaps);
    gsg_free(context, found);
    return status;
}

const char *gsg_score_state_name(int32_t state)
{
    static const char *const names[] = {"ok", "both empty", "reference empty", "prediction empty"};
    return state >= 0 && state < 4 ? names[state] : "unknown";
}

const char *gsg_score_convention_name(int32_t convention)
{
    return conventions[convention > 0 && convention < CONVENTIONS ? convention : 0];
}

int32_t gsg_score_convention(const char *name)
{
    for (int32_t i = 1; name && i < CONVENTIONS; i++)
        if (strcmp(name, conventions[i]) == 0)
            return i;
    return 0;
}
