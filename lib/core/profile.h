// What a context's work was spent on, operation by operation: seconds, arithmetic and memory traffic, summed over all
// runs of what has the same name and shape. Off by default, when it costs one load of an atomic per operation.
#ifndef GSG_CORE_PROFILE_H
#define GSG_CORE_PROFILE_H

#include "core/context.h"

#define GSG_PROFILE_NAME 64

typedef struct gsg_profile_row {
    char name[GSG_PROFILE_NAME];
    int32_t ndim;
    int64_t dims[5];
    int64_t runs;
    double seconds, flops, bytes;
} gsg_profile_row;

// Switched on it begins with nothing; switched off it keeps what it has.
genseg_status gsg_profile_set(genseg_context *context, int32_t on, gsg_error *err);
void gsg_profile_free(genseg_context *context); // with the context
// When work begins: the clock, or 0 where nothing is measured.
double gsg_profile_begin(const genseg_context *context);
// When it ends. `row` says what it was; its runs and seconds are set here. Nothing where `begin` is 0.
void gsg_profile_end(genseg_context *context, double begin, const gsg_profile_row *row);
// NULL beyond the last. The longest come first, in the order of the last call with index 0. Borrowed.
const gsg_profile_row *gsg_profile_at(genseg_context *context, int64_t index);

#endif
