// Counts of Dice (1945) and Jaccard (1901). Each thread counts its own rows
// into its own table; integers add up to the same in any order.
#include "metric/overlap.h"

#include <math.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "genseg/metrics.h"

#define GRAIN_VOXELS 65536

typedef struct counting {
    const int32_t *reference;
    const int32_t *prediction;
    const int64_t *size;
    int32_t classes;
    gsg_overlap *tables; // one for each thread
    int64_t *bad;        // per thread: first index with a label out of range, or -1
} counting;

static const gsg_overlap nothing = {.low = {INT64_MAX, INT64_MAX, INT64_MAX}};

static void grow(gsg_overlap *overlap, int64_t z, int64_t y, int64_t first, int64_t last)
{
    const int64_t low[3] = {z, y, first}, high[3] = {z + 1, y + 1, last};

    for (int a = 0; a < 3; a++) {
        overlap->low[a] = low[a] < overlap->low[a] ? low[a] : overlap->low[a];
        overlap->high[a] = high[a] > overlap->high[a] ? high[a] : overlap->high[a];
    }
}

// Runs of equal labels are handled at once: label maps are mostly runs.
static void count_row(const counting *c, gsg_overlap *table, int64_t row, int64_t *bad)
{
    const int64_t width = c->size[2], z = row / c->size[1], y = row % c->size[1];
    const int32_t *reference = c->reference + row * width, *prediction = c->prediction + row * width;

    for (int64_t x = 0; x < width;) {
        const int32_t r = reference[x], p = prediction[x];
        const int64_t first = x;
        if (r < 0 || r >= c->classes || p < 0 || p >= c->classes) {
            *bad = row * width + x;
            return;
        }
        while (x < width && reference[x] == r && prediction[x] == p)
            x++;
        table[r].reference += x - first;
        table[p].prediction += x - first;
        grow(&table[r], z, y, first, x);
        if (r == p)
            table[r].both += x - first;
        else
            grow(&table[p], z, y, first, x);
    }
}

static void count_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    counting *c = arg;
    gsg_overlap *table = c->tables + (int64_t)thread * c->classes;

    for (int64_t row = begin; row < end && c->bad[thread] < 0; row++)
        count_row(c, table, row, &c->bad[thread]);
}

static void merge(gsg_overlap *into, const gsg_overlap *from)
{
    into->reference += from->reference;
    into->prediction += from->prediction;
    into->both += from->both;
    for (int a = 0; a < 3; a++) {
        into->low[a] = from->low[a] < into->low[a] ? from->low[a] : into->low[a];
        into->high[a] = from->high[a] > into->high[a] ? from->high[a] : into->high[a];
    }
}

static genseg_status report_bad(const counting *c, int64_t index, gsg_error *err)
{
    const int32_t r = c->reference[index];
    const bool in_reference = r < 0 || r >= c->classes;

    return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: label %d at voxel %lld is not in 0 to %d",
                         in_reference ? "reference" : "prediction", (int)(in_reference ? r : c->prediction[index]),
                         (long long)index, (int)c->classes - 1);
}

genseg_status gsg_overlap_count(genseg_context *context, const int32_t *reference, const int32_t *prediction,
                                const int64_t size[3], int32_t classes, gsg_overlap *overlaps, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    const int32_t threads = gsg_parallel_threads(context);
    const size_t entries = (size_t)threads * (size_t)classes;
    counting c = {.reference = reference, .prediction = prediction, .size = size, .classes = classes};

    c.tables = gsg_alloc(context, entries, sizeof *c.tables);
    c.bad = gsg_alloc(context, (size_t)threads, sizeof *c.bad);
    if (!c.tables || !c.bad) {
        status = gsg_error_nomem(err, entries * sizeof *c.tables);
        goto done;
    }
    for (size_t i = 0; i < entries; i++)
        c.tables[i] = nothing;
    for (int32_t t = 0; t < threads; t++)
        c.bad[t] = -1;
    gsg_parallel(context, size[0] * size[1], GRAIN_VOXELS / (size[2] + 1) + 1, count_rows, &c);
    for (int32_t t = 0; t < threads; t++) {
        if (c.bad[t] >= 0) { // ranges ascend, so the first is the smallest index
            status = report_bad(&c, c.bad[t], err);
            goto done;
        }
    }
    for (int32_t k = 0; k < classes; k++) {
        overlaps[k] = c.tables[k];
        for (int32_t t = 1; t < threads; t++)
            merge(&overlaps[k], &c.tables[t * classes + k]);
    }
done:
    gsg_free(context, c.tables);
    gsg_free(context, c.bad);
    return status;
}

int32_t gsg_overlap_state(const gsg_overlap *overlap)
{
    if (overlap->reference > 0)
        return overlap->prediction > 0 ? GENSEG_METRICS_OK : GENSEG_METRICS_PREDICTION_EMPTY;
    return overlap->prediction > 0 ? GENSEG_METRICS_REFERENCE_EMPTY : GENSEG_METRICS_BOTH_EMPTY;
}

double gsg_overlap_dice(const gsg_overlap *overlap)
{
    const int64_t sum = overlap->reference + overlap->prediction;
    return sum > 0 ? 2.0 * (double)overlap->both / (double)sum : (double)NAN;
}

double gsg_overlap_jaccard(const gsg_overlap *overlap)
{
    const int64_t either = overlap->reference + overlap->prediction - overlap->both;
    return either > 0 ? (double)overlap->both / (double)either : (double)NAN;
}
