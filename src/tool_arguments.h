// Command lines by table: a command lists its options, the parser fills their
// targets and tells the user what is wrong with them. Values have units people
// write: "10m", "4G", "256x256".
#ifndef GENSEG_TOOL_ARGUMENTS_H
#define GENSEG_TOOL_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

// A size as given: 256 (one value), 256x256, 64x64x48. count 0: not given.
typedef struct tool_size {
    int64_t value[3];
    int count;
} tool_size;

// Texts of an option that may come more than once.
#define TOOL_LIST_MOST 16
typedef struct tool_list {
    const char *item[TOOL_LIST_MOST];
    int count;
} tool_list;

typedef enum argument_kind {
    ARGUMENT_FLAG,     // bool
    ARGUMENT_TEXT,     // const char *
    ARGUMENT_CHOICE,   // const char *, one of `choices`
    ARGUMENT_COUNT,    // int64_t from `low` to `high`
    ARGUMENT_REAL,     // double from `low` to `high`
    ARGUMENT_DURATION, // double, seconds
    ARGUMENT_BYTES,    // uint64_t
    ARGUMENT_SIZE,     // tool_size
    ARGUMENT_LIST,     // tool_list, one more text
    ARGUMENT_WORDS,    // const char *, some of `choices` with commas; its command checks them
    ARGUMENT_AXES      // int32_t, GENSEG_AXIS_* bits
} argument_kind;

typedef struct argument {
    const char *name; // without the dashes; NULL ends a table
    argument_kind kind;
    void *target; // keeps its value where the option isn't given
    double low, high;
    const char *const *choices; // NULL-terminated
    char letter;                // short form, 0 for none
} argument;

// Most options of a table, its end included.
#define ARGUMENTS_MOST 84

// What commands share. Those that train or predict list ARGUMENTS_COMMON in their table, the others a part of it.
typedef struct tool_common {
    int64_t threads; // 0: not given
    uint64_t memory; // 0: no limit
    bool quiet;
    bool no_winograd;
    bool profile; // of commands that list it themselves
} tool_common;

#define ARGUMENTS_LIMITS(common)                                                                                       \
    {.name = "threads", .kind = ARGUMENT_COUNT, .target = &(common).threads, .low = 1, .high = 4096},                  \
    {                                                                                                                  \
        .name = "memory", .kind = ARGUMENT_BYTES, .target = &(common).memory                                           \
    }

#define ARGUMENTS_QUIET(common)                                                                                        \
    {                                                                                                                  \
        .name = "quiet", .kind = ARGUMENT_FLAG, .target = &(common).quiet, .letter = 'q'                               \
    }

#define ARGUMENTS_COMMON(common)                                                                                       \
    ARGUMENTS_LIMITS(common), ARGUMENTS_QUIET(common),                                                                 \
    {                                                                                                                  \
        .name = "no-winograd", .kind = ARGUMENT_FLAG, .target = &(common).no_winograd                                  \
    }

// What a command takes besides options.
typedef struct tool_command {
    const char *name;            // "train"
    const char *help;            // printed for --help
    const char *const *operands; // names of the operands, NULL-terminated, for messages
    bool repeated;               // the last operand may come more than once
} tool_command;

// Exit codes.
#define TOOL_OK 0
#define TOOL_FAILED 1
#define TOOL_USAGE 2
#define TOOL_CANCELLED 130

// Prints the command's operands and options for programs that read them (completion, tests): a line each of four fields
// with tabs between: name, short form or "-", kind ("operand", "operands", or an argument_kind's name), choices.
#define ARGUMENTS_LIST_OPTIONS "--list-options"

// Parses argv[1..]. True: go on, operands are argv[*first] to argv[argc - 1] and their
// number is right. False: return *code (--help was printed, or a message).
bool arguments_parse(const tool_command *command, const argument *list, int argc, char **argv, int *first, int *code);

// The name nearest to `word` among `names` where that is near enough to be meant, else NULL.
const char *arguments_nearest(const char *word, const char *const *names);

// Values by themselves; false where the text is not one. `text` need not end at a value's end
// for none of them: "12x" is no count.
bool arguments_count(const char *text, int64_t *value);
bool arguments_real(const char *text, double *value);
bool arguments_duration(const char *text, double *seconds);
bool arguments_bytes(const char *text, uint64_t *bytes);
bool arguments_size(const char *text, tool_size *size);

#endif
