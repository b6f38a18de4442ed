// Tables of a comparison. Two methods are compared case by case within each seed, since cases and divisions
// differ more than methods do.
#include "tool_comparison.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tool_output.h"
#include "tool_statistics.h"

#define KINDS 2
static const char *const kind_names[KINDS] = {"Dice", "Jaccard"};

// Work space of the tables.
typedef struct tables {
    const comparison *all;
    FILE *stream;
    int64_t most; // numbers in `sums`
    double *values, *sums;
    int64_t *unit;
    int method_width, set_width;
    bool headed; // the heading of the differences is there
} tables;

bool comparison_begin(comparison *all)
{
    const size_t runs = (size_t)all->seeds * (size_t)all->method_count;
    all->results = calloc(runs * (size_t)all->set_count, sizeof *all->results);
    all->complete = calloc(runs, sizeof *all->complete);
    return all->results && all->complete;
}

void comparison_free(comparison *all)
{
    const int64_t count = all->results ? all->seeds * all->method_count * all->set_count : 0;
    for (int64_t i = 0; i < count; i++)
        scores_free(&all->results[i]);
    free(all->results);
    free(all->complete);
    all->results = NULL;
    all->complete = NULL;
}

scores *comparison_run(const comparison *all, int64_t seed, int32_t method)
{
    return &all->results[((seed - 1) * all->method_count + method) * all->set_count];
}

static bool is_complete(const comparison *all, int64_t seed, int32_t method)
{
    return all->complete[(seed - 1) * all->method_count + method];
}

void comparison_set_complete(comparison *all, int64_t seed, int32_t method)
{
    all->complete[(seed - 1) * all->method_count + method] = true;
}

int64_t comparison_count(const comparison *all)
{
    int64_t count = 0;
    for (int64_t i = 0; i < all->seeds * all->method_count; i++)
        count += all->complete[i];
    return count;
}

// --- CSV ---

static void write_run(const comparison *all, int64_t seed, int32_t method, FILE *stream)
{
    for (int32_t t = 0; t < all->set_count; t++) {
        const scores *of = &comparison_run(all, seed, method)[t];
        for (int64_t i = 0; i < of->count; i++) {
            for (int32_t k = 1; k < of->classes; k++) {
                fprintf(stream, "%s,%" PRId64 ",%" PRId64 ",", all->methods[method], seed, all->examples);
                output_csv_text(all->sets[t].name, stream);
                fputc(',', stream);
                output_csv_text(of->cases[i].name, stream);
                fputc(',', stream);
                output_csv_text(genseg_dataset_label_name(all->labels, k), stream);
                fputc(',', stream);
                output_csv_number(of->cases[i].classes[k].dice, stream);
                fputc(',', stream);
                output_csv_number(of->cases[i].classes[k].jaccard, stream);
                fputc('\n', stream);
            }
        }
    }
}

bool comparison_write_csv(console *to, const comparison *all, const char *path)
{
    output_text text;
    if (!output_text_begin(to, &text, path))
        return false;
    fputs("method,seed,examples,test_set,case,class,dice,jaccard\n", text.stream);
    for (int64_t s = 1; s <= all->seeds; s++)
        for (int32_t m = 0; m < all->method_count; m++)
            if (is_complete(all, s, m))
                write_run(all, s, m, text.stream);
    return output_text_commit(to, &text);
}

// --- Means ---

// Scores of a method into values[seed][case of the set]; NaN where there is none.
static void fill(const tables *my, int32_t method, int32_t set, score_kind kind)
{
    const int64_t cases = genseg_dataset_size(my->all->sets[set].dataset);
    for (int64_t i = 0; i < my->all->seeds * cases; i++)
        my->values[i] = NAN;
    for (int64_t s = 1; s <= my->all->seeds; s++) {
        const scores *of = &comparison_run(my->all, s, method)[set];
        for (int64_t i = 0; is_complete(my->all, s, method) && i < of->count; i++)
            my->values[(s - 1) * cases + of->cases[i].index] = scores_of_case(of, i, kind);
    }
}

// The same less the scores of another method.
static void fill_differences(const tables *my, int32_t method, int32_t other, int32_t set, score_kind kind)
{
    const int64_t cases = genseg_dataset_size(my->all->sets[set].dataset);
    fill(my, method, set, kind);
    for (int64_t s = 1; s <= my->all->seeds; s++) {
        const scores *of = &comparison_run(my->all, s, other)[set];
        double *row = &my->values[(s - 1) * cases];
        if (!is_complete(my->all, s, other))
            for (int64_t c = 0; c < cases; c++)
                row[c] = NAN;
        else // both have tested the same cases
            for (int64_t i = 0; i < of->count; i++)
                row[of->cases[i].index] -= scores_of_case(of, i, kind);
    }
}

static void print_mean(const tables *my, int32_t method, int32_t set, score_kind kind, int64_t *seeds, int64_t *cases)
{
    const int64_t size = genseg_dataset_size(my->all->sets[set].dataset);
    double mean, deviation;
    char text[48] = "-";
    *cases = 0;
    fill(my, method, set, kind);
    for (int64_t s = 0; s < my->all->seeds; s++)
        *cases += statistics_mean(my->values + s * size, size, &my->sums[s], &deviation);
    *seeds = statistics_mean(my->sums, my->all->seeds, &mean, &deviation);
    if (*seeds > 1)
        snprintf(text, sizeof text, "%.3f +- %.3f", mean, deviation);
    else if (*seeds == 1)
        snprintf(text, sizeof text, "%.3f", mean);
    fprintf(my->stream, "  %-14s", text);
}

static void print_means(const tables *my)
{
    fprintf(my->stream, "%-*s  %-*s  %-14s  %-14s  seeds  cases\n", my->method_width, "method", my->set_width,
            "test set", kind_names[SCORE_DICE], kind_names[SCORE_JACCARD]);
    for (int32_t t = 0; t < my->all->set_count; t++) {
        for (int32_t m = 0; m < my->all->method_count; m++) {
            int64_t seeds, cases;
            fprintf(my->stream, "%-*s  %-*s", my->method_width, my->all->methods[m], my->set_width,
                    my->all->sets[t].name);
            print_mean(my, m, t, SCORE_DICE, &seeds, &cases);
            print_mean(my, m, t, SCORE_JACCARD, &seeds, &cases);
            fprintf(my->stream, "  %5" PRId64 "  %5" PRId64 "\n", seeds, cases);
        }
    }
}

// --- Differences ---

// Cases of one group (patient) are one unit.
static void find_units(const tables *my, const genseg_dataset *dataset)
{
    const int64_t cases = genseg_dataset_size(dataset);
    for (int64_t c = 0; c < cases; c++) {
        int64_t first = 0;
        while (strcmp(genseg_dataset_case_group(dataset, first), genseg_dataset_case_group(dataset, c)) != 0)
            first++;
        my->unit[c] = first;
    }
}

static void print_interval(const tables *my, const interval *of)
{
    char text[48] = "-";
    if (isfinite(of->low))
        snprintf(text, sizeof text, "%+.4f to %+.4f", of->low, of->high);
    fprintf(my->stream, "  %-18s", text);
}

static void print_heading(tables *my)
{
    if (!my->headed)
        fprintf(my->stream, "\n%-*s  %-*s  %-7s  %-7s  %-18s  %-18s  pairs\n", 2 * my->method_width + 3, "difference",
                my->set_width, "test set", "score", "mean", "95 % over seeds", "95 % over cases");
    my->headed = true;
}

static void print_difference(tables *my, int32_t method, int32_t other)
{
    char name[80];
    snprintf(name, sizeof name, "%s - %s", my->all->methods[method], my->all->methods[other]);
    for (int32_t t = 0; t < my->all->set_count; t++) {
        const int64_t cases = genseg_dataset_size(my->all->sets[t].dataset);
        find_units(my, my->all->sets[t].dataset);
        for (int32_t kind = 0; kind < KINDS; kind++) {
            fill_differences(my, method, other, t, (score_kind)kind);
            const interval seeds = statistics_interval(my->values, my->all->seeds, cases, NULL, my->sums);
            const interval units = statistics_interval(my->values, my->all->seeds, cases, my->unit, my->sums);
            if (seeds.count == 0)
                continue;
            print_heading(my);
            fprintf(my->stream, "%-*s  %-*s  %-7s  %+.4f", 2 * my->method_width + 3, name, my->set_width,
                    my->all->sets[t].name, kind_names[kind], seeds.mean);
            print_interval(my, &seeds);
            print_interval(my, &units);
            fprintf(my->stream, "  %5" PRId64 "\n", seeds.count);
        }
    }
}

static bool is_genseg(const char *method)
{
    return strncmp(method, "genseg", strlen("genseg")) == 0;
}

static void print_differences(tables *my)
{
    const int32_t count = my->all->method_count;
    for (int32_t m = 1; m < count; m++)
        print_difference(my, m, 0);
    // GenSeg against the others; the first has had its turn, and so has a GenSeg before this one.
    for (int32_t m = 0; m < count; m++)
        for (int32_t other = 1; m > 0 && is_genseg(my->all->methods[m]) && other < count; other++)
            if (other != m && !(is_genseg(my->all->methods[other]) && other > m))
                print_difference(my, m, other);
}

static int width_of(const char *text, int least)
{
    const int length = (int)strlen(text);
    return length > least ? length : least;
}

bool comparison_print(const comparison *all, FILE *stream)
{
    tables my = {.all = all, .stream = stream, .most = all->seeds, .method_width = 6, .set_width = 8};
    for (int32_t t = 0; t < all->set_count; t++) {
        const int64_t cases = genseg_dataset_size(all->sets[t].dataset);
        my.most = cases > my.most ? cases : my.most;
        my.set_width = width_of(all->sets[t].name, my.set_width);
    }
    for (int32_t m = 0; m < all->method_count; m++)
        my.method_width = width_of(all->methods[m], my.method_width);
    my.values = calloc((size_t)my.most * (size_t)all->seeds, sizeof *my.values);
    my.sums = calloc((size_t)my.most, sizeof *my.sums);
    my.unit = calloc((size_t)my.most, sizeof *my.unit);
    const bool good = my.values && my.sums && my.unit;
    if (good) {
        print_means(&my);
        print_differences(&my);
    }
    free(my.values);
    free(my.sums);
    free(my.unit);
    return good;
}
