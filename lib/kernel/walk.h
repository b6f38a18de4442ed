// How an elementwise kernel or a reduction goes through operands of one shape: in runs
// of contiguous floats, whatever the layouts. Runs follow from shapes alone, never from
// the number of threads. Operands of equal layout are handed over in place; else each
// channel is gathered into a small buffer, and scattered back if it is the destination.
#ifndef GSG_KERNEL_WALK_H
#define GSG_KERNEL_WALK_H

#include "core/parallel.h"
#include "kernel/kernel.h"

#define GSG_WALK_OPERANDS 3
#define GSG_WALK_RUN 8192 // most floats of a run
#define GSG_WALK_TILE 512 // most floats of a run that is gathered

typedef struct gsg_walk {
    int32_t operands;
    int32_t strided; // layouts differ: a plane is one channel, gathered
    int32_t lanes;   // valid channels of the last group of the destination, 0: all
    int32_t block;   // of the destination
    int64_t planes;  // of a sample
    int64_t length;  // floats of a plane
    int64_t spatial; // elements of a channel
    int64_t run;     // floats of a run
    int64_t runs;    // of a plane
    int64_t units;   // runs of all samples
    int32_t blocks[GSG_WALK_OPERANDS];
    int64_t strides[GSG_WALK_OPERANDS];
} gsg_walk;

// OK, or SHAPE (shapes differ), INVALID (not a layout). The last operand is the
// destination of an elementwise kernel. `name` is for the message.
genseg_status gsg_walk_init(gsg_walk *walk, const char *name, int32_t operands, const gsg_desc *const *descs,
                            gsg_error *err);

// Handles `count` contiguous elements.
typedef void (*gsg_run_fn)(const float *parameters, int64_t count, float *const *operands);
// The same, returns their sum.
typedef double (*gsg_sum_fn)(int64_t count, float *const *operands);

// All runs in parallel. The destination's padding channels are written with zeros.
void gsg_walk_apply(const genseg_context *context, const gsg_walk *walk, gsg_run_fn fn, const float *parameters,
                    float *const *operands);
// Sum over all runs; `partial` holds walk->units doubles.
double gsg_walk_sum(const genseg_context *context, const gsg_walk *walk, gsg_sum_fn fn, float *const *operands,
                    double *partial);

// An elementwise kernel as a whole. Operand i is argument `map[i]`; parameters are
// {factor, parameter}: factor is `constant`, times the float in argument `scalar` where
// that is not negative and not NULL.
typedef struct gsg_elementwise {
    const char *name;
    gsg_run_fn fn;
    int32_t operands;
    int32_t map[GSG_WALK_OPERANDS];
    int32_t scalar;
    float constant;
    float parameter;
} gsg_elementwise;
genseg_status gsg_elementwise_new(gsg_engine *engine, const gsg_elementwise *operation, const gsg_desc *const *descs,
                                  gsg_kernel **kernel, gsg_error *err);

// Checks that a layout is one: positive sizes, block 1, 8 or 16, samples that don't overlap.
genseg_status gsg_desc_check(const gsg_desc *desc, const char *name, gsg_error *err);
// Samples, channels and elements of a channel, for values without them, too.
int64_t gsg_desc_samples(const gsg_desc *desc);
int64_t gsg_desc_channels(const gsg_desc *desc);
int64_t gsg_desc_spatial(const gsg_desc *desc);

#endif
