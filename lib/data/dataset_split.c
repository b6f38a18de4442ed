// Seeded division of the cases into training, validation and test, by groups:
// all cases of a patient go together. The order comes from the sorted groups
// and the seed, never from folders or threads. Or a division that was made before, by
// hashes of the cases' names (Fowler, Noll, Vo: FNV-1a).
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/rng.h"
#include "data/dataset.h"

typedef struct group {
    const char *name;
    int64_t cases;
    int32_t split;
} group;

static int compare_groups(const void *a, const void *b)
{
    return strcmp(((const group *)a)->name, ((const group *)b)->name);
}

static group *find_group(group *groups, int64_t count, const char *name)
{
    group key = {.name = name};
    return count == 0 ? NULL : bsearch(&key, groups, (size_t)count, sizeof *groups, compare_groups);
}

// Groups of the cases that may be drawn: labelled, and no member is marked as
// test by the source. Returns their number; `cases` is that of their cases.
static int64_t collect_groups(const genseg_dataset *dataset, group *groups, int64_t *cases)
{
    int64_t all = 0, count = 0;
    for (int64_t i = 0; i < dataset->count; i++)
        if (dataset->cases[i].labelled)
            groups[all++].name = dataset->cases[i].group;
    if (all > 1)
        qsort(groups, (size_t)all, sizeof *groups, compare_groups);
    for (int64_t i = 0; i < all; i++)
        if (count == 0 || strcmp(groups[count - 1].name, groups[i].name) != 0)
            groups[count++] = (group){.name = groups[i].name};
    for (int64_t i = 0; i < dataset->count; i++) {
        const gsg_case *item = &dataset->cases[i];
        group *of = item->labelled ? find_group(groups, count, item->group) : NULL;
        if (!of)
            continue;
        of->cases++;
        if (item->held_out)
            of->split = GENSEG_SPLIT_TEST;
    }
    *cases = 0;
    for (int64_t g = 0; g < count; g++)
        *cases += groups[g].split == GENSEG_SPLIT_TEST ? 0 : groups[g].cases;
    return count;
}

// Gives groups in the drawn order to `split` while that brings its number of
// cases nearer to `wanted`. At least one group where any is wanted.
static int64_t draw(group *groups, const int64_t *order, int64_t count, int64_t wanted, int32_t split)
{
    int64_t have = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < count && have < wanted; i++) {
            group *of = &groups[order[i]];
            bool nearer = have + of->cases - wanted <= wanted - have;
            if (of->split != GENSEG_SPLIT_NONE || !(nearer || pass == 1))
                continue;
            of->split = split;
            have += of->cases;
        }
        if (have > 0)
            break;
    }
    return have;
}

static genseg_status check_counts(int64_t train, int64_t validation, int64_t cases, gsg_error *err)
{
    if (train < -1 || train == 0 || validation < 0)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%lld training and %lld validation cases asked for",
                             (long long)train, (long long)validation);
    int64_t least = train < 0 ? 1 : train;
    if (least > cases - validation || validation > cases)
        return gsg_error_set(
            err, GENSEG_ERROR_INVALID,
            "%lld training and %lld validation cases asked for, %lld labelled cases are not for testing",
            (long long)least, (long long)validation, (long long)cases);
    return GENSEG_OK;
}

genseg_status gsg_dataset_split(genseg_dataset *dataset, int64_t train, int64_t validation, uint64_t seed,
                                gsg_error *err)
{
    genseg_context *context = dataset->context;
    int64_t cases = 0;
    group *groups = gsg_alloc_zero(context, (size_t)dataset->count, sizeof *groups);
    int64_t *order = gsg_alloc(context, (size_t)dataset->count, sizeof *order);
    genseg_status status = GENSEG_OK;
    if (!groups || !order) {
        status = gsg_error_nomem(err, (size_t)dataset->count * sizeof *groups);
        goto done;
    }
    int64_t count = collect_groups(dataset, groups, &cases);
    GSG_TRY(check_counts(train, validation, cases, err));
    for (int64_t g = 0; g < count; g++)
        order[g] = g;
    gsg_rng rng;
    gsg_rng_init(&rng, seed, GSG_STREAM_SPLIT, 0);
    gsg_rng_shuffle(&rng, order, count);
    if (train < 0) {
        // Validation first; all others train.
        int64_t have = draw(groups, order, count, validation, GENSEG_SPLIT_VALIDATION);
        train = have < cases ? draw(groups, order, count, cases - have, GENSEG_SPLIT_TRAIN) : 0;
    } else {
        train = draw(groups, order, count, train, GENSEG_SPLIT_TRAIN);
        draw(groups, order, count, validation, GENSEG_SPLIT_VALIDATION);
    }
    if (train == 0) {
        status = gsg_error_set(err, GENSEG_ERROR_INVALID, "whole groups leave no training case: %lld groups of cases",
                               (long long)count);
        goto done;
    }
    for (int64_t i = 0; i < dataset->count; i++) {
        gsg_case *item = &dataset->cases[i];
        const group *of = item->labelled ? find_group(groups, count, item->group) : NULL;
        item->split = !of ? GENSEG_SPLIT_NONE : of->split == GENSEG_SPLIT_NONE ? GENSEG_SPLIT_TEST : of->split;
    }
done:
    gsg_free(context, groups);
    gsg_free(context, order);
    return status;
}

uint64_t gsg_case_hash(const gsg_case *item)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *at = item->name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    return hash;
}

static int compare_hashes(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void gsg_case_hashes_sort(uint64_t *hashes, int64_t count)
{
    if (count > 1)
        qsort(hashes, (size_t)count, sizeof *hashes, compare_hashes);
}

static bool has_hash(const uint64_t *hashes, int64_t count, uint64_t hash)
{
    return count > 0 && bsearch(&hash, hashes, (size_t)count, sizeof *hashes, compare_hashes);
}

void gsg_dataset_split_again(genseg_dataset *dataset, const uint64_t *train, int64_t train_count,
                             const uint64_t *validation, int64_t validation_count)
{
    bool named = false;
    for (int64_t i = 0; i < dataset->count; i++)
        named |= dataset->cases[i].labelled && dataset->cases[i].held_out;
    for (int64_t i = 0; i < dataset->count; i++) {
        gsg_case *item = &dataset->cases[i];
        const uint64_t hash = gsg_case_hash(item);
        item->split = !item->labelled                                ? GENSEG_SPLIT_NONE
                      : has_hash(train, train_count, hash)           ? GENSEG_SPLIT_TRAIN
                      : has_hash(validation, validation_count, hash) ? GENSEG_SPLIT_VALIDATION
                      : item->held_out || !named                     ? GENSEG_SPLIT_TEST
                                                                     : GENSEG_SPLIT_NONE;
    }
}
