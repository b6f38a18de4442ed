// --profile: what a command's time was spent on.
#ifndef GENSEG_TOOL_PROFILE_H
#define GENSEG_TOOL_PROFILE_H

#include <genseg/genseg.h>

// Prints the context's profile, its longest rows and their sum. `seconds`: what the profiled work took by the clock.
void profile_print(genseg_context *context, double seconds);

#endif
