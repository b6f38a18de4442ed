// Training batches: which case, which place, which augmentation. Everything is
// a function of (seed, step), never of threads or of earlier calls.
#ifndef GSG_DATA_BATCH_H
#define GSG_DATA_BATCH_H

#include "data/augment.h"

typedef struct gsg_sampler gsg_sampler;

typedef struct gsg_sampler_options {
    int64_t size[3]; // D, H, W of a patch; D is 1 in 2-D
    int64_t batch;   // patches a step
    int32_t classes; // labels are 0 .. classes - 1
    int32_t reserved;
    // Chance that a patch is centred on a voxel of a foreground class (drawn among
    // those present in the case); otherwise it lies anywhere in the volume.
    double foreground;
    uint64_t seed;
    gsg_augment_options augment;
} gsg_sampler_options;

// foreground 1/3, seed 1, batch 2, classes 2, default augmentation; size is the caller's to set.
void gsg_sampler_defaults(gsg_sampler_options *options);

// `cases` are working volumes (gsg_preprocess_image) with labels, equal in ndim
// and channels; borrowed: they stay where they are until gsg_sampler_free().
// INVALID (options, a case without image or label, a label beyond the classes), NOMEM.
genseg_status gsg_sampler_new(genseg_context *context, const gsg_volume *cases, int64_t count,
                              const gsg_sampler_options *options, gsg_sampler **sampler, gsg_error *err);
// Bytes that it holds for `count` cases with `remembered` places of foreground: of each class of a case,
// gsg_sampler_remembered() of its voxels.
uint64_t gsg_sampler_bytes(const genseg_context *context, const gsg_sampler_options *options, int64_t count,
                           int64_t remembered);
int64_t gsg_sampler_remembered(int64_t voxels);
void gsg_sampler_free(gsg_sampler *sampler); // NULL allowed

// Steps in one epoch: each visits every case once, in a shuffled order (the last
// step of an epoch may begin the next one).
int64_t gsg_sampler_epoch_steps(const gsg_sampler *sampler);

// Writes batch `step`: image (N, C, D, H, W), label (N, D, H, W), D being 1 in
// 2-D. Where a volume is smaller than the patch it lies in the middle and its
// edge is repeated, in image and label. Nothing is allocated.
genseg_status gsg_sampler_next(gsg_sampler *sampler, int64_t step, float *image, int32_t *label, gsg_error *err);

// Which case sample n of batch `step` is cut from.
int64_t gsg_sampler_case(gsg_sampler *sampler, int64_t step, int64_t n);

// Cuts a patch unchanged: voxel (0, 0, 0) of the patch is `origin` (may be
// negative) of the volume; beyond the volume the edge is repeated. image is
// (C, size), label (size); either may be NULL. For tiles in prediction.
void gsg_patch_cut(const genseg_context *context, const gsg_volume *volume, const int64_t origin[3],
                   const int64_t size[3], float *image, int32_t *label);

// label (batch, spatial) to dst (batch, channels, spatial): 1 where the class is
// the channel, else 0. With one channel (a sigmoid output) 1 where label > 0.
void gsg_labels_to_onehot(const genseg_context *context, const int32_t *label, int64_t batch, int64_t channels,
                          int64_t spatial, float *dst);

#endif
