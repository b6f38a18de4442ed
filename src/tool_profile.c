// A profile as a table.
#include "tool_profile.h"

#include <stdio.h>

#define MOST_ROWS 30

static void print_row(const char *name, const genseg_profile *row, double whole, double peak)
{
    printf("%9.3f %5.1f%% %9lld", row->seconds, 100 * row->seconds / whole, (long long)row->runs);
    if (row->flops > 0)
        printf(" %8.1f", row->flops / row->seconds * 1e-9);
    else
        printf(" %8s", "-");
    if (row->flops > 0 && peak > 0)
        printf(" %6.1f%%", 100 * row->flops / row->seconds / peak);
    else
        printf(" %7s", "-");
    if (row->bytes > 0)
        printf(" %7.1f", row->bytes / row->seconds * 1e-9);
    else
        printf(" %7s", "-");
    printf("  %s", name);
    for (int i = 0; i < row->ndim; i++)
        printf("%s%lld", i ? "x" : " ", (long long)row->shape[i]);
    printf("\n");
}

static void add(genseg_profile *sum, const genseg_profile *row)
{
    sum->runs += row->runs;
    sum->seconds += row->seconds;
    sum->flops += row->flops;
    sum->bytes += row->bytes;
}

void profile_print(genseg_context *context, double seconds)
{
    const double peak = genseg_context_peak(context);
    genseg_profile row = {.struct_size = sizeof row}, rest = {.runs = 0}, all = {.runs = 0};
    printf("\n  seconds  share      runs  GFLOP/s of peak    GB/s  operation and its result (N x C x [D x] H x W)\n");
    for (int64_t i = 0; genseg_context_profile(context, i, &row, NULL) == GENSEG_OK; i++) {
        add(&all, &row);
        if (i < MOST_ROWS)
            print_row(row.operation, &row, seconds, peak);
        else
            add(&rest, &row);
    }
    if (rest.runs > 0)
        print_row("all others", &rest, seconds, peak);
    if (all.runs > 0)
        print_row("all operations", &all, seconds, peak);
    printf("%9.3f seconds by the clock; the peak of %d threads is %.0f GFLOP/s (Winograd's convolutions count as direct\n"
           "          ones and may exceed it)\n",
           seconds, genseg_context_threads(context), peak * 1e-9);
}
