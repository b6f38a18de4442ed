// Proves the hypergradient where a user's data are: moves one lever at a time, makes the step again from the same
// state, and looks at the validation loss.
#ifndef GSG_TRAIN_AUDIT_H
#define GSG_TRAIN_AUDIT_H

#include "train/multilevel.h"

typedef struct gsg_audit_entry {
    const gsg_lever *lever;
    int64_t index;   // of the value in the lever
    double gradient; // as level III has it
    double brute;    // central difference of the validation loss
    double noise;    // how far the differences of the whole step and of half of it are apart
} gsg_audit_entry;

// Non-zero ends the audit with CANCELLED.
typedef int32_t (*gsg_audit_fn)(const gsg_audit_entry *entry, void *user);

typedef struct gsg_audit_options {
    int32_t groups; // gsg_lever_group bits
    int64_t most;   // values of a lever that are looked at, evenly spaced; 0: all
    double delta;   // by which a value is moved
    gsg_audit_fn report;
    void *user;
} gsg_audit_options;

// Step `step` of the multilevel problem, which has to be due for level III, is made again and again with learning
// rate `lr`. Afterwards everything, weights, statistics, levers, optimizers, is as before, bit for bit.
genseg_status gsg_audit(gsg_multilevel *multilevel, int64_t step, double lr, const gsg_audit_options *options,
                        gsg_error *err);

#endif
