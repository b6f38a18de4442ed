// What level III controls: hyper-parameters with their gradients and bounds, updated by one Adam.
#ifndef GSG_TRAIN_LEVER_H
#define GSG_TRAIN_LEVER_H

#include "optim/optimizer.h"

// Groups, as bits, so that each can be left out.
typedef enum gsg_lever_group {
    GSG_LEVER_ARCHITECTURE = 1, // logits of the generator's cells
    GSG_LEVER_GAMMA = 2,        // weight of the synthetic loss
    GSG_LEVER_WARP = 4,         // magnitudes of the mask augmentation
    GSG_LEVER_APPEARANCE = 8,   // magnitudes of the changes of synthetic images
    GSG_LEVER_PAIRS = 16,       // weight of each training pair's synthetic twins
    GSG_LEVER_GENERATOR = 32,   // the generator's weights: not a lever of this list, see multilevel.h
    GSG_LEVER_ALL = 63
} gsg_lever_group;

typedef struct gsg_lever {
    const char *name; // borrowed
    int32_t group;
    int32_t owned; // non-zero: value belongs to the list
    int64_t count;
    float *value;    // may be a parameter of the generator
    float *gradient; // of the validation loss
    float low, high; // value is kept within
} gsg_lever;

typedef struct gsg_levers {
    genseg_context *context;
    gsg_lever *items;
    int32_t count, capacity;
    gsg_optimizer *optimizer;
    float *scaled; // gradients of a lever, times what gsg_levers_update() is given
} gsg_levers;

genseg_status gsg_levers_new(genseg_context *context, gsg_levers **levers, gsg_error *err);
void gsg_levers_free(gsg_levers *levers); // NULL allowed
// `value` NULL: `count` floats of the list's own, all `first`. Buffers are padded to GSG_VECTOR_PAD floats with zeros.
genseg_status gsg_levers_add(gsg_levers *levers, const char *name, int32_t group, int64_t count, float *value,
                             float first, float low, float high, gsg_error *err);
gsg_lever *gsg_levers_find(gsg_levers *levers, const char *name); // NULL: none
// Makes room for the optimizer's state; after the last gsg_levers_add().
genseg_status gsg_levers_ready(gsg_levers *levers, gsg_error *err);
// Adam for levers. Its second moments forget the first, wild steps of a training within 400 steps of the segmenter,
// not within as many as PyTorch's 0.999 would take.
void gsg_levers_optimizer(gsg_optimizer_options *options);
// One step of it by `scale` times the gradients for the levers of `groups`, which then are within their bounds.
void gsg_levers_update(gsg_levers *levers, int32_t groups, double scale, double lr);
// Of all gradients of `groups`.
double gsg_levers_norm(const gsg_levers *levers, int32_t groups);

#endif
