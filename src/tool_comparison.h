// Results of a comparison: scores of every run of a method with a seed, on every test set.
#ifndef GENSEG_TOOL_COMPARISON_H
#define GENSEG_TOOL_COMPARISON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <genseg/genseg.h>

#include "tool_console.h"
#include "tool_scores.h"

// One set of test cases. The first set of a comparison is what is left of DATA.
typedef struct comparison_set {
    const char *name;
    genseg_dataset *dataset;
} comparison_set;

typedef struct comparison {
    const char *const *methods; // names
    int32_t method_count;
    int32_t set_count;
    const comparison_set *sets;
    int64_t seeds; // they are 1 to that
    int64_t examples;
    const genseg_dataset *labels; // whose class names are written
    // By seed, method and set; filled by the caller through comparison_run().
    scores *results;
    bool *complete; // by seed and method: only then the run counts
} comparison;

// Makes room; the fields above `results` are set. False where memory is exhausted.
bool comparison_begin(comparison *all);
void comparison_free(comparison *all);

// Scores of one run, one a set.
scores *comparison_run(const comparison *all, int64_t seed, int32_t method);
void comparison_set_complete(comparison *all, int64_t seed, int32_t method);
int64_t comparison_count(const comparison *all);

// A row for each case and foreground class of the complete runs, whole or not at all. False after a message.
bool comparison_write_csv(console *to, const comparison *all, const char *path);

// Means of the methods, then differences of pairs of them. False where memory is exhausted.
bool comparison_print(const comparison *all, FILE *stream);

#endif
