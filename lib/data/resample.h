// Resampling between grids that cover the same extent: half-pixel convention
// (align_corners = false), sizes are (D, H, W), D is 1 in 2-D. An axis that
// shrinks by more than 1.5 is filtered by a triangle as wide as the shrinkage
// (antialiasing); all others are interpolated linearly. Borders repeat the edge.
#ifndef GSG_DATA_RESAMPLE_H
#define GSG_DATA_RESAMPLE_H

#include "core/context.h"

// src (planes, src_size), dst (planes, dst_size); dst is not src.
genseg_status gsg_resample_linear(genseg_context *context, const float *src, int64_t planes, const int64_t src_size[3],
                                  float *dst, const int64_t dst_size[3], gsg_error *err);
// Labels: the class at the nearest voxel centre.
genseg_status gsg_resample_nearest(genseg_context *context, const int32_t *src, const int64_t src_size[3], int32_t *dst,
                                   const int64_t dst_size[3], gsg_error *err);

// Slab by slab, for results that are never whole in memory. Along `axis` (0: D,
// 1: H) src holds the source slices src_begin..src_end-1 only and dst takes the
// slices dst_begin..dst_end-1 only; the sizes passed stay those of the whole.
// The values are exactly those that the whole gives.
typedef struct gsg_resample_slab {
    int32_t axis;
    int32_t reserved;
    int64_t src_begin;
    int64_t src_end;
    int64_t dst_begin;
    int64_t dst_end;
} gsg_resample_slab;

// Sets src_begin and src_end to the slices that dst_begin..dst_end-1 need.
void gsg_resample_needs(const int64_t src_size[3], const int64_t dst_size[3], gsg_resample_slab *slab);
// INVALID where the slab lacks source slices or exceeds the grids.
genseg_status gsg_resample_linear_slab(genseg_context *context, const float *src, int64_t planes,
                                       const int64_t src_size[3], float *dst, const int64_t dst_size[3],
                                       const gsg_resample_slab *slab, gsg_error *err);

// The same for many slabs: the weights are made once, running allocates nothing. Used by one thread at a time.
typedef struct gsg_resampler gsg_resampler;
genseg_status gsg_resampler_new(genseg_context *context, const int64_t src_size[3], const int64_t dst_size[3],
                                gsg_resampler **resampler, gsg_error *err);
void gsg_resampler_free(gsg_resampler *resampler); // NULL allowed
genseg_status gsg_resampler_run(gsg_resampler *resampler, const float *src, int64_t planes, float *dst,
                                const gsg_resample_slab *slab, gsg_error *err);

#endif
