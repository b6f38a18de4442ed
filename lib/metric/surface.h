// Distances between the surfaces of one class in two label maps, under the
// conventions that genseg/metrics.h describes.
#ifndef GSG_METRIC_SURFACE_H
#define GSG_METRIC_SURFACE_H

#include "core/context.h"
#include "genseg/metrics.h"

// Two label maps, the class, and the box that holds all of it in both.
typedef struct gsg_surface_pair {
    const int32_t *reference;
    const int32_t *prediction;
    int32_t label;
    int32_t ndim;    // 2: size[0] is 1
    int64_t size[3]; // of the maps
    int64_t low[3];  // the box
    int64_t high[3];
} gsg_surface_pair;

typedef struct gsg_surface_scores {
    double hausdorff; // percentile of the options
    double assd;
    double dice;
} gsg_surface_scores;

// The class must be present in both maps. Uses options->convention, spacing,
// surface_tolerance and percentile. NOMEM.
genseg_status gsg_surface_score(genseg_context *context, const gsg_surface_pair *pair,
                                const genseg_metrics_options *options, gsg_surface_scores *scores, gsg_error *err);

#endif
