// Means over the cases where a score is defined, and how many these are: a mean
// that hides undefined cases hides failures.
#include "tool_scores.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "tool_output.h"

#define STATES 4
#define NAME_WIDTH 16

bool scores_add(scores *all, const genseg_evaluation *evaluation)
{
    scored_case *more = realloc(all->cases, (size_t)(all->count + 1) * sizeof *more);
    if (!more)
        return false;
    all->cases = more;
    all->classes = evaluation->classes;
    scored_case *item = &more[all->count];
    item->name = strdup(evaluation->name);
    item->index = evaluation->index;
    item->classes = calloc((size_t)evaluation->classes, sizeof *item->classes);
    if (!item->name || !item->classes) {
        free(item->name);
        free(item->classes);
        return false;
    }
    // The library's struct may be longer than ours, or shorter.
    size_t size = evaluation->score_size < sizeof *item->classes ? evaluation->score_size : sizeof *item->classes;
    for (int32_t k = 0; k < evaluation->classes; k++)
        memcpy(&item->classes[k], (const char *)evaluation->scores + (size_t)k * evaluation->score_size, size);
    all->count++;
    return true;
}

void scores_free(scores *all)
{
    for (int64_t i = 0; i < all->count; i++) {
        free(all->cases[i].name);
        free(all->cases[i].classes);
    }
    free(all->cases);
    *all = (scores){.count = 0};
}

// --- The table ---

typedef struct column {
    const char *title;
    size_t offset; // of the value in genseg_metrics
    int digits;
    bool surface;
} column;

// Dice and Jaccard stand where score_kind says.
static const column columns[] = {
    {"Dice", offsetof(genseg_metrics, dice), 3, false},
    {"Jaccard", offsetof(genseg_metrics, jaccard), 3, false},
    {"HD95 mm", offsetof(genseg_metrics, hd95), 2, true},
    {"ASSD mm", offsetof(genseg_metrics, assd), 2, true},
    {"surface Dice", offsetof(genseg_metrics, surface_dice), 3, true},
};
#define COLUMNS (sizeof columns / sizeof columns[0])

static double value_of(const genseg_metrics *metrics, const column *of)
{
    double value;
    memcpy(&value, (const char *)metrics + of->offset, sizeof value);
    return value;
}

// Score of class `k` in a case; k = 0: mean over the foreground classes where it is defined.
static double case_value(const scores *all, int64_t i, int32_t k, const column *of)
{
    if (k > 0)
        return value_of(&all->cases[i].classes[k], of);
    double sum = 0.0;
    int32_t defined = 0;
    for (int32_t c = 1; c < all->classes; c++) {
        double value = value_of(&all->cases[i].classes[c], of);
        if (isfinite(value)) {
            sum += value;
            defined++;
        }
    }
    return defined ? sum / defined : NAN;
}

double scores_of_case(const scores *all, int64_t i, score_kind kind)
{
    return case_value(all, i, 0, &columns[kind]);
}

// Mean, deviation of the sample and number of defined values. Two passes: exact enough for any values.
static int64_t average(const scores *all, int32_t k, const column *of, double *mean, double *deviation)
{
    int64_t defined = 0;
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < all->count; i++) {
        double value = case_value(all, i, k, of);
        if (isfinite(value)) {
            sum += value;
            defined++;
        }
    }
    *mean = defined ? sum / (double)defined : NAN;
    for (int64_t i = 0; i < all->count; i++) {
        double value = case_value(all, i, k, of);
        if (isfinite(value))
            squares += (value - *mean) * (value - *mean);
    }
    *deviation = defined > 1 ? sqrt(squares / (double)(defined - 1)) : NAN;
    return defined;
}

static void print_cell(const scores *all, int32_t k, const column *of, FILE *stream)
{
    char text[48];
    double mean, deviation;
    int64_t defined = average(all, k, of, &mean, &deviation);
    if (defined == 0)
        snprintf(text, sizeof text, "-");
    else if (defined == 1)
        snprintf(text, sizeof text, "%.*f", of->digits, mean);
    else
        snprintf(text, sizeof text, "%.*f +- %.*f", of->digits, mean, of->digits, deviation);
    fprintf(stream, "  %-14s", text);
}

static void print_row(const scores *all, int32_t k, const char *name, bool surfaces, FILE *stream)
{
    double mean, deviation;
    fprintf(stream, "%-*.*s", NAME_WIDTH, NAME_WIDTH, name);
    for (size_t c = 0; c < COLUMNS; c++)
        if (surfaces || !columns[c].surface)
            print_cell(all, k, &columns[c], stream);
    fprintf(stream, "  %" PRId64 "\n", average(all, k, &columns[0], &mean, &deviation));
}

// Which cases are not in a mean, and why.
static void print_states(const scores *all, const genseg_segmenter *segmenter, FILE *stream)
{
    for (int32_t k = 1; k < all->classes; k++) {
        int64_t count[STATES] = {0};
        for (int64_t i = 0; i < all->count; i++) {
            int32_t state = all->cases[i].classes[k].state;
            if (state >= 0 && state < STATES)
                count[state]++;
        }
        if (count[GENSEG_METRICS_OK] == all->count)
            continue;
        fprintf(stream, "%s: of %" PRId64 " cases,", genseg_segmenter_label_name(segmenter, k), all->count);
        const char *comma = "";
        if (count[GENSEG_METRICS_PREDICTION_EMPTY]) {
            fprintf(stream, " %" PRId64 " not found at all (Dice 0, distances undefined)",
                    count[GENSEG_METRICS_PREDICTION_EMPTY]);
            comma = ",";
        }
        if (count[GENSEG_METRICS_REFERENCE_EMPTY]) {
            fprintf(stream, "%s %" PRId64 " found where the reference has none (Dice 0, distances undefined)", comma,
                    count[GENSEG_METRICS_REFERENCE_EMPTY]);
            comma = ",";
        }
        if (count[GENSEG_METRICS_BOTH_EMPTY])
            fprintf(stream, "%s %" PRId64 " rightly without it (all undefined)", comma,
                    count[GENSEG_METRICS_BOTH_EMPTY]);
        fprintf(stream, "\n");
    }
}

void scores_print(const scores *all, const genseg_segmenter *segmenter, bool surfaces, FILE *stream)
{
    fprintf(stream, "%-*s", NAME_WIDTH, "class");
    for (size_t c = 0; c < COLUMNS; c++)
        if (surfaces || !columns[c].surface)
            fprintf(stream, "  %-14s", columns[c].title);
    fprintf(stream, "  cases\n");
    for (int32_t k = 1; k < all->classes; k++)
        print_row(all, k, genseg_segmenter_label_name(segmenter, k), surfaces, stream);
    if (all->classes > 2)
        print_row(all, 0, "mean", surfaces, stream);
    print_states(all, segmenter, stream);
}

// --- CSV ---

void scores_write_csv(const scores *all, const genseg_segmenter *segmenter, FILE *stream)
{
    fputs("case,class,label,dice,jaccard,hd95_mm,assd_mm,surface_dice,state\n", stream);
    for (int64_t i = 0; i < all->count; i++) {
        for (int32_t k = 1; k < all->classes; k++) {
            const genseg_metrics *metrics = &all->cases[i].classes[k];
            output_csv_text(all->cases[i].name, stream);
            fputc(',', stream);
            output_csv_text(genseg_segmenter_label_name(segmenter, k), stream);
            fprintf(stream, ",%" PRId64, genseg_segmenter_label_value(segmenter, k));
            for (size_t c = 0; c < COLUMNS; c++) {
                fputc(',', stream);
                output_csv_number(value_of(metrics, &columns[c]), stream);
            }
            fprintf(stream, ",%s\n", genseg_metrics_state_name(metrics->state));
        }
    }
}
