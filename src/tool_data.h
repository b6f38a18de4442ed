// What commands share around the library: the context, opening DATA (a folder, an
// HDF5 file or `phantom:...`), its division, and failures of calls.
#ifndef GENSEG_TOOL_DATA_H
#define GENSEG_TOOL_DATA_H

#include <genseg/genseg.h>

#include "tool_arguments.h"
#include "tool_console.h"

typedef struct data_arguments {
    const char *image_name; // NULL: not given
    const char *label_name;
    const char *groups;
    bool grey;
} data_arguments;

#define ARGUMENTS_DATA(data)                                                                                           \
    {.name = "image-name", .kind = ARGUMENT_TEXT, .target = &(data).image_name},                                       \
        {.name = "label-name", .kind = ARGUMENT_TEXT, .target = &(data).label_name},                                   \
    {                                                                                                                  \
        .name = "grey", .kind = ARGUMENT_FLAG, .target = &(data).grey                                                  \
    }

#define ARGUMENTS_GROUPS(data)                                                                                         \
    {                                                                                                                  \
        .name = "groups", .kind = ARGUMENT_TEXT, .target = &(data).groups                                              \
    }

typedef struct split_arguments {
    int64_t examples;   // those for validation included; -1: not given
    int64_t validation; // -1: not given
    int64_t seed;       // -1: not given
} split_arguments;

#define SPLIT_NOT_GIVEN                                                                                                \
    {                                                                                                                  \
        .examples = -1, .validation = -1, .seed = -1                                                                   \
    }

#define ARGUMENTS_SPLIT(split)                                                                                         \
    {.name = "examples", .kind = ARGUMENT_COUNT, .target = &(split).examples, .low = 1, .high = 1e15},                 \
        {.name = "val-examples", .kind = ARGUMENT_COUNT, .target = &(split).validation, .high = 1e15},                 \
    {                                                                                                                  \
        .name = "seed", .kind = ARGUMENT_COUNT, .target = &(split).seed, .high = 1e18                                  \
    }

// Numbers of cases in each part of a dataset.
typedef struct data_counts {
    int64_t none, train, validation, test;
} data_counts;

// Shows the message of a failed call; gives the exit code that suits.
int tool_failed(console *to, genseg_status status, const genseg_error *err);

// NULL after a message. `seed` -1: the library's default. The console gets its warnings; NULL: nobody.
genseg_context *tool_context(console *to, const tool_common *common, int64_t seed, console *warnings);

// False after a message where the path is plainly no model; a path that can't be read is left to the library.
bool tool_may_load(console *to, const char *path);
// Loads a model file; NULL after a message. What is no model at all is told without the details.
genseg_segmenter *tool_load(console *to, genseg_context *context, const char *path);

// Is DATA the embedded data set rather than a path?
bool data_is_phantom(const char *path);
// Fills library options from the arguments.
void data_options(const data_arguments *arguments, genseg_dataset_options *options);
// Opens DATA. Anything but TOOL_OK: the exit code, after a message.
int data_open(console *to, genseg_context *context, const char *path, const data_arguments *arguments,
              genseg_dataset **dataset);

// Would writing the file `out` (a "model") destroy `path` or a case of the dataset (NULL: not open yet)? Says so.
bool data_is_input(console *to, const char *out, const char *what, const char *path, const genseg_dataset *dataset);

// How many of so many examples are for validation: a fifth, rounded up; none of one.
int64_t data_validation(int64_t examples);
// Divides the cases for training: `examples` of them (not given: all that are not for testing), some of which are for
// validation. Result as data_open().
int data_divide(console *to, genseg_dataset *dataset, const split_arguments *arguments);
// Divides as in the training of a model, and says so. Result as data_open().
int data_divide_again(console *to, genseg_dataset *dataset, const genseg_segmenter *segmenter);
data_counts data_count(const genseg_dataset *dataset);

#endif
