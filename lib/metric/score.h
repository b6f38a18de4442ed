// All scores of all classes of two label maps: what genseg_metrics_evaluate()
// does once its arguments are checked, and what validation in training uses.
#ifndef GSG_METRIC_SCORE_H
#define GSG_METRIC_SCORE_H

#include "core/context.h"
#include "genseg/metrics.h"

void gsg_score_defaults(genseg_metrics_options *options);
// INVALID with the option's name and value.
genseg_status gsg_score_check(const genseg_metrics_options *options, gsg_error *err);

// Dense maps of size[0] x size[1] x size[2] labels in 0..classes-1 (INVALID
// otherwise); ndim 2 has size[0] = 1. `results` holds options->classes entries,
// untouched on error. Options must have passed gsg_score_check().
genseg_status gsg_score_classes(genseg_context *context, const int32_t *reference, const int32_t *prediction,
                                int32_t ndim, const int64_t size[3], const genseg_metrics_options *options,
                                genseg_metrics *results, gsg_error *err);

const char *gsg_score_state_name(int32_t state);
const char *gsg_score_convention_name(int32_t convention);
int32_t gsg_score_convention(const char *name); // 0 for an unknown name

#endif
