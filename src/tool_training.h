// The options of a training that `genseg train` and `genseg compare` share.
#ifndef GENSEG_TOOL_TRAINING_H
#define GENSEG_TOOL_TRAINING_H

#include <stdbool.h>

#include <genseg/genseg.h>

#include "tool_arguments.h"
#include "tool_console.h"

typedef struct training_arguments {
    genseg_trainer_options trainer;
    // What the options above take in another form.
    tool_size size;
    const char *normalise, *levers;
    int64_t candidates, noise, solver_terms;
    bool recompute;
    bool class_weights, no_class_weights;
} training_arguments;

// The library's defaults.
void training_init(training_arguments *my);
// The table of a command: `own` (ended by a NULL name), then the options of the training. They are parsed
// into `my`, which must stay where it is.
void training_list(training_arguments *my, const argument *own, argument list[ARGUMENTS_MOST]);
// After arguments_parse(): what it has read goes into `trainer`. False after a message, with *code set.
bool training_settle(training_arguments *my, const char *command, int *code);
// --size must suit the network, whose dimensions are known once DATA is open. False after a message.
bool training_size(console *to, training_arguments *my, const genseg_dataset *dataset);

#endif
