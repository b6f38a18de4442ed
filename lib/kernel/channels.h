// Joining channels and cutting ranges of them out, where they can't simply share
// memory (a range that begins inside a block).
#ifndef GSG_KERNEL_CHANNELS_H
#define GSG_KERNEL_CHANNELS_H

#include <stdbool.h>

#include "kernel/kernel.h"

// Channels of a, then of b. args: a, b, dst
genseg_status gsg_join_new(gsg_engine *engine, const gsg_desc *a, const gsg_desc *b, const gsg_desc *dst,
                           gsg_kernel **kernel, gsg_error *err);
// dst's channels from src's, beginning at `channel`. args: src, dst
genseg_status gsg_slice_new(gsg_engine *engine, int64_t channel, const gsg_desc *src, const gsg_desc *dst,
                            gsg_kernel **kernel, gsg_error *err);

#endif
