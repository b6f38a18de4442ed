// Learning rate over a run: constant, reduced where the validation Dice no
// longer improves, or a cosine; each may start with a linear warm-up.
#ifndef GSG_OPTIM_SCHEDULE_H
#define GSG_OPTIM_SCHEDULE_H

#include "core/error.h"

typedef enum gsg_schedule_kind {
    GSG_SCHEDULE_CONSTANT = 1,
    GSG_SCHEDULE_PLATEAU = 2,
    GSG_SCHEDULE_COSINE = 3
} gsg_schedule_kind;

typedef struct gsg_schedule_options {
    int32_t kind;     // a gsg_schedule_kind
    double lr;        // > 0, the peak
    double min_lr;    // plateau, cosine: never below; default 0
    double factor;    // plateau: lr is multiplied by it; (0, 1), default 0.1
    double threshold; // plateau: the score must exceed best x (1 + threshold); default 1e-4
    int64_t patience; // plateau: scores without improvement that are borne; default 10
    int64_t cooldown; // plateau: scores ignored after a reduction; default 0
    int64_t warmup;   // steps of linear rise to lr; default 0
} gsg_schedule_options;

// All that changes, plain data: a checkpoint stores and restores it as it is.
typedef struct gsg_schedule_state {
    double scale; // plateau: current lr before warm-up
    double best;  // valid where seen is 1
    int64_t bad;  // scores without improvement in a row
    int64_t cool; // scores of cooldown left
    int64_t seen; // 1 once a score was observed
} gsg_schedule_state;

typedef struct gsg_schedule {
    gsg_schedule_options options;
    gsg_schedule_state state;
} gsg_schedule;

void gsg_schedule_defaults(gsg_schedule_options *options, int32_t kind, double lr);
// "constant", "plateau", "cosine" to kind; INVALID for another name.
genseg_status gsg_schedule_named(const char *name, int32_t *kind, gsg_error *err);
// INVALID for an option out of its range.
genseg_status gsg_schedule_init(gsg_schedule *schedule, const gsg_schedule_options *options, gsg_error *err);

// Learning rate of step `step` (from 0). `total` is the number of steps of the
// run: known, or the caller's newest estimate where the run ends by the clock;
// only the cosine needs it, and stays at its peak while total is 0.
double gsg_schedule_lr(const gsg_schedule *schedule, int64_t step, int64_t total);
// Tells the plateau a new score (higher is better; NaN is no improvement).
void gsg_schedule_observe(gsg_schedule *schedule, double score);

#endif
