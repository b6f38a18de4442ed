// Searchable cells: concentric candidate kernels of one convolution merged into one,
//   dst = sum_j softmax(logits)[j] * pad(K_j),
// K_j padded with zeros on all sides to the largest. Candidates k = 4, 6, 8 at stride 2 with padding
// (k - 2) / 2 see the same centre, so the merged convolution equals the mixture of the three (GenSeg,
// arXiv 2408.17421, Fig. 1), exactly but for rounding.
#ifndef GSG_KERNEL_MERGE_H
#define GSG_KERNEL_MERGE_H

#include "kernel/conv.h"

#define GSG_MERGE_CANDIDATES 3 // at most

// Layouts of 1 to GSG_MERGE_CANDIDATES candidates in ascending size, equal but for the taps; sizes differ by even
// numbers. SHAPE or INTERNAL where they are not.
genseg_status gsg_merge_check(int32_t count, const gsg_weights *const *candidates, gsg_error *err);
// args: logits (vector of `count`), K_0 .. K_{count-1}, dst (the layout of the last)
genseg_status gsg_merge_forward_new(gsg_engine *engine, int32_t count, const gsg_weights *const *candidates,
                                    gsg_kernel **kernel, gsg_error *err);
// args: logits, K_0 .. K_{count-1}, diff_dst, diff_logits, diff_K_0 .. diff_K_{count-1}; each gradient may be NULL, the
// last may be diff_dst
genseg_status gsg_merge_backward_new(gsg_engine *engine, int32_t count, const gsg_weights *const *candidates,
                                     gsg_kernel **kernel, gsg_error *err);

#endif
