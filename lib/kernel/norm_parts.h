// What normalisation forward and backward share. An activation is cut into parts of a
// fixed size, whatever the threads: each gives its own sums, and the sums are
// put together in order, so that results have the same bits with any number of threads.
#ifndef GSG_KERNEL_NORM_PARTS_H
#define GSG_KERNEL_NORM_PARTS_H

#include "core/parallel.h"
#include "kernel/norm.h"

#define GSG_NORM_LANES 16 // channels of a group at most
// Inner loops go over spans of this many floats: whole positions of any block, whose lane l is channel
// l % block of the group. More than 16, because compilers unroll shorter loops first
// and then turn to vectors across spans, by permutations; not more, because sums stay in registers.
#define GSG_NORM_SPAN 32
#define GSG_NORM_PART 32768 // floats of a part
#define GSG_NORM_CHUNK 4096 // floats summed in single precision before they are added in double

typedef struct gsg_norm_kernel {
    gsg_kernel base;
    gsg_norm norm;
    gsg_desc src, diff_dst, dst; // dst: also diff_src
    int64_t batch, groups, block, spatial, channels;
    int64_t rows;     // of statistics: 1, or the batch
    int64_t row;      // floats of one
    int64_t parts;    // of a group of channels of a sample
    int64_t position; // positions of a part
    int32_t fixed;
} gsg_norm_kernel;

typedef struct gsg_norm_job {
    const gsg_norm_kernel *k;
    const gsg_run *run;
    float *const *args;
    void *scratch;
} gsg_norm_job;

// Part i, counted by samples, groups, positions.
typedef struct gsg_norm_part {
    int64_t n, g, first, count;
} gsg_norm_part;

GSG_INLINE int64_t gsg_norm_part_count(const gsg_norm_kernel *k)
{
    return k->batch * k->groups * k->parts;
}

GSG_INLINE gsg_norm_part gsg_norm_part_at(const gsg_norm_kernel *k, int64_t i)
{
    gsg_norm_part part = {i / k->parts / k->groups, i / k->parts % k->groups, i % k->parts * k->position, k->position};
    if (part.first + part.count > k->spatial)
        part.count = k->spatial - part.first;
    return part;
}

GSG_INLINE float *gsg_norm_part_data(const gsg_norm_kernel *k, const gsg_desc *desc, float *data, gsg_norm_part part)
{
    return data + part.n * desc->batch_stride + (part.g * k->spatial + part.first) * k->block;
}

// y = a * x + b and the mean for the lanes of a span; zero in the channels that pad a group.
typedef struct gsg_norm_lanes {
    float a[GSG_NORM_SPAN], b[GSG_NORM_SPAN], mean[GSG_NORM_SPAN];
} gsg_norm_lanes;

void gsg_norm_lanes_set(gsg_norm_lanes *lanes, const gsg_norm_kernel *k, float *const *args, int64_t n, int64_t g);

// Groups for one thread where parts are put together: that's less work than to wake a thread up.
GSG_INLINE int64_t gsg_norm_finish_grain(const gsg_norm_kernel *k)
{
    return 1 + 1024 / (k->batch * k->parts);
}

// Slope of the activation, 1 without one.
GSG_INLINE float gsg_norm_slope(const gsg_norm_kernel *k)
{
    return k->norm.activation ? k->norm.slope : 1.0f;
}

// Zeroes what pads `count` rows; rows may be NULL.
void gsg_norm_zero_pads(const gsg_norm_kernel *k, float *rows, int64_t count);

// A kernel on activations: src (and others of its shape and block, or NULL) are checked.
genseg_status gsg_norm_make(gsg_engine *engine, const gsg_norm *norm, const char *name, const gsg_desc *src,
                            const gsg_desc *diff_dst, const gsg_desc *dst,
                            genseg_status (*run)(const gsg_kernel *, const gsg_run *, float *const *, void *,
                                                 gsg_error *),
                            gsg_norm_kernel **kernel, gsg_error *err);

#endif
