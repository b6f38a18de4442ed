// Overlap of two label maps, for all classes in one pass: voxel counts, and
// the box around each class, to which the surface scores crop.
#ifndef GSG_METRIC_OVERLAP_H
#define GSG_METRIC_OVERLAP_H

#include <stdbool.h>

#include "core/context.h"

typedef struct gsg_overlap {
    int64_t reference;  // voxels of the class
    int64_t prediction; // the same in the prediction
    int64_t both;
    int64_t low[3];  // first corner of the box around the class in either map
    int64_t high[3]; // one past its last; below `low` while the class is absent
} gsg_overlap;

// Maps of size[0] x size[1] x size[2] labels; INVALID with label and index where
// one is not in 0..classes-1. `overlaps` holds `classes` entries.
genseg_status gsg_overlap_count(genseg_context *context, const int32_t *reference, const int32_t *prediction,
                                const int64_t size[3], int32_t classes, gsg_overlap *overlaps, gsg_error *err);

int32_t gsg_overlap_state(const gsg_overlap *overlap); // a GENSEG_METRICS_* value
// NaN where both are empty, 0 where one is.
double gsg_overlap_dice(const gsg_overlap *overlap);
double gsg_overlap_jaccard(const gsg_overlap *overlap);

#endif
