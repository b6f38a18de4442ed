// Elements of a vector by index: of all pairs' weights, those of a batch.
#ifndef GSG_KERNEL_GATHER_H
#define GSG_KERNEL_GATHER_H

#include "kernel/kernel.h"

// args: src (vector of `length`), index (`count` whole numbers, as floats), dst (vector of `count`). An index that is
// not in 0 .. length - 1 ends the run with INVALID. Up to 2^24 elements.
genseg_status gsg_gather_new(gsg_engine *engine, int64_t length, int64_t count, gsg_kernel **kernel, gsg_error *err);
// args: index, diff_dst, diff_src: sums where an index occurs more than once, 0 where it doesn't
genseg_status gsg_gather_backward_new(gsg_engine *engine, int64_t length, int64_t count, gsg_kernel **kernel,
                                      gsg_error *err);

#endif
