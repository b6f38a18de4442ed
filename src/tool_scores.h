// Scores of many cases: kept, averaged for a table, and written as CSV.
#ifndef GENSEG_TOOL_SCORES_H
#define GENSEG_TOOL_SCORES_H

#include <stdbool.h>
#include <stdio.h>

#include <genseg/genseg.h>

typedef struct scored_case {
    char *name;
    int64_t index;           // in the dataset
    genseg_metrics *classes; // one for each class, background first
} scored_case;

typedef struct scores {
    scored_case *cases;
    int64_t count;
    int32_t classes;
} scores;

// Copies the scores of one case; false where memory is exhausted.
bool scores_add(scores *all, const genseg_evaluation *evaluation);
void scores_free(scores *all);

typedef enum score_kind { SCORE_DICE, SCORE_JACCARD } score_kind;

// Mean over the foreground classes of case `i` where the score is defined; NaN where none is.
double scores_of_case(const scores *all, int64_t i, score_kind kind);

// Table of means and standard deviations over the cases where a score is defined.
void scores_print(const scores *all, const genseg_segmenter *segmenter, bool surfaces, FILE *stream);
// A row for each case and foreground class; undefined values are empty cells.
void scores_write_csv(const scores *all, const genseg_segmenter *segmenter, FILE *stream);

#endif
