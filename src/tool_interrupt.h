// Ctrl-C and its relatives: the first asks the work to end and keep what it has,
// the second ends the process.
#ifndef GENSEG_TOOL_INTERRUPT_H
#define GENSEG_TOOL_INTERRUPT_H

#include <stdbool.h>

#include <genseg/genseg.h>

// From here on SIGINT, SIGTERM and SIGHUP ask for the end; what the process ignores already
// stays ignored. `trainer` is cancelled then; NULL: callers look at interrupt_asked().
void interrupt_arm(genseg_trainer *trainer);
// The signals act as usual again; the trainer may go.
void interrupt_disarm(void);
bool interrupt_asked(void);

#endif
