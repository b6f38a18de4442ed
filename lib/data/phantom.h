// Generated cases: see genseg_dataset_phantom(). An organ of random smooth shape
// in textured tissue, inner structures as further classes, unlabelled neighbours
// of the same brightness, bias field, partial volume and noise. No threshold
// on intensity separates the organ; its shape and surroundings do.
#ifndef GSG_DATA_PHANTOM_H
#define GSG_DATA_PHANTOM_H

#include "data/volume.h"
#include "genseg/dataset.h"

// INVALID names the field. `options` must be complete (struct_size is not looked at).
genseg_status gsg_phantom_check(const genseg_phantom_options *options, gsg_error *err);

// Case `index` >= 0 (it may exceed options->count): image, label 0..classes-1
// and spacing. `out` is initialised by the call, the caller's to free, and left
// alone on error. The same seed and index give the same voxels whatever count
// or threads are.
genseg_status gsg_phantom_case(genseg_context *context, const genseg_phantom_options *options, int64_t index,
                               gsg_volume *out, gsg_error *err);

#endif
