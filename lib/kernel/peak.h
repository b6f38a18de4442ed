// The most that the machine can compute.
#ifndef GSG_KERNEL_PEAK_H
#define GSG_KERNEL_PEAK_H

#include "core/context.h"

// Operations a second in float32 with the context's threads, measured for some 50 ms; 0: not known.
double gsg_peak_flops(const genseg_context *context);

#endif
