// split.csv in a dataset's folder: which cases the source itself sets apart. A
// header line names the columns; one is `split`, one names the case (`id`,
// `file`, `name`, `case` or `image`; an extension is ignored). Values: train,
// val, validation, test. Without any test row the val rows are the test set:
// such files stem from sources that publish train and val alone.
#include <string.h>

#include "core/alloc.h"
#include "core/file.h"
#include "core/text.h"
#include "data/dataset_build.h"

#define MAX_BYTES ((size_t)64 << 20)
#define MAX_FIELDS 32

// ASCII, so that no locale matters.
static bool equal(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && gsg_text_ends(a, b);
}

// Cuts a line at commas in place; spaces and quotes around fields go.
static int cut_fields(char *line, char *fields[MAX_FIELDS])
{
    int count = 0;
    for (char *at = line; at && count < MAX_FIELDS;) {
        char *comma = strchr(at, ',');
        char *end = comma ? comma : at + strlen(at);
        while (at < end && (*at == ' ' || *at == '"' || *at == '\t'))
            at++;
        while (end > at && (end[-1] == ' ' || end[-1] == '"' || end[-1] == '\t' || end[-1] == '\r'))
            end--;
        char *next = comma ? comma + 1 : NULL;
        *end = '\0';
        fields[count++] = at;
        at = next;
    }
    return count;
}

static int32_t split_of(const char *text)
{
    if (equal(text, "train") || equal(text, "training"))
        return GENSEG_SPLIT_TRAIN;
    if (equal(text, "val") || equal(text, "valid") || equal(text, "validation"))
        return GENSEG_SPLIT_VALIDATION;
    return equal(text, "test") || equal(text, "testing") ? GENSEG_SPLIT_TEST : GENSEG_SPLIT_NONE;
}

static void find_columns(char **fields, int count, int *id, int *split)
{
    static const char *const names[] = {"id", "file", "name", "case", "image", "case_id", "filename"};
    *id = *split = -1;
    for (int f = 0; f < count; f++) {
        if (equal(fields[f], "split") && *split < 0)
            *split = f;
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
            if (equal(fields[f], names[n]) && *id < 0)
                *id = f;
    }
}

// Sets the split of the case that a row names. False: no memory.
static bool apply_row(genseg_dataset *dataset, const char *id, int32_t split, bool *found)
{
    char *stem = gsg_path_stem(dataset->context, id);
    if (!stem)
        return false;
    *found = false;
    for (int64_t i = 0; i < dataset->count; i++) {
        gsg_case *item = &dataset->cases[i];
        if (strcmp(item->name, stem) != 0 && strcmp(item->name, id) != 0)
            continue;
        *found = true;
        item->split = split;
        item->held_out = split == GENSEG_SPLIT_TEST;
    }
    gsg_free(dataset->context, stem);
    return true;
}

static genseg_status apply_text(genseg_dataset *dataset, char *text, gsg_error *err)
{
    char *fields[MAX_FIELDS];
    int id = -1, split = -1;
    int64_t unknown = 0, line_number = 0, tests = 0, validations = 0;
    for (char *line = text; line;) {
        char *newline = strchr(line, '\n');
        if (newline)
            *newline = '\0';
        int count = cut_fields(line, fields);
        bool blank = count == 1 && !fields[0][0];
        line = newline ? newline + 1 : NULL;
        line_number++;
        if (line_number == 1) {
            find_columns(fields, count, &id, &split);
            if (id < 0 || split < 0)
                return gsg_dataset_report(dataset, GENSEG_SEVERITY_WARNING, GENSEG_OK, "split.csv",
                                          "name the columns in the first line: id,split", err,
                                          "the first line names no columns id and split: the file is left out");
            continue;
        }
        if (blank)
            continue;
        int32_t value = id < count && split < count ? split_of(fields[split]) : GENSEG_SPLIT_NONE;
        if (value == GENSEG_SPLIT_NONE)
            return gsg_error_set(err, GENSEG_ERROR_FORMAT, "split.csv: line %lld: split is none of train, val, test",
                                 (long long)line_number);
        bool found;
        if (!apply_row(dataset, fields[id], value, &found))
            return gsg_error_nomem(err, strlen(fields[id]) + 1);
        unknown += !found;
        tests += found && value == GENSEG_SPLIT_TEST;
        validations += found && value == GENSEG_SPLIT_VALIDATION;
    }
    genseg_status status = GENSEG_OK;
    if (unknown)
        status = gsg_dataset_report(dataset, GENSEG_SEVERITY_NOTE, GENSEG_OK, "split.csv",
                                    "remove the rows, or add the cases", err, "%lld rows name cases that are not there",
                                    (long long)unknown);
    if (status != GENSEG_OK || tests || !validations)
        return status;
    for (int64_t i = 0; i < dataset->count; i++) {
        gsg_case *item = &dataset->cases[i];
        if (item->split == GENSEG_SPLIT_VALIDATION) {
            item->split = GENSEG_SPLIT_TEST;
            item->held_out = 1;
        }
    }
    return gsg_dataset_report(dataset, GENSEG_SEVERITY_NOTE, GENSEG_OK, "split.csv",
                              "mark rows as test to keep val for validation", err,
                              "has no test rows: its %lld val cases are the test set", (long long)validations);
}

genseg_status gsg_split_file_apply(genseg_dataset *dataset, const char *path, gsg_error *err)
{
    genseg_context *context = dataset->context;
    uint8_t *text = NULL;
    size_t size = 0;
    genseg_status status = GENSEG_OK;
    char *file = gsg_path_join(context, path, "split.csv");
    if (!file)
        return gsg_error_nomem(err, strlen(path));
    if (gsg_file_probe(file, NULL) != GSG_FILE_REGULAR)
        goto done;
    GSG_TRY(gsg_file_read(context, file, MAX_BYTES, &text, &size, err));
    // A byte order mark is no part of the first name.
    char *start = (char *)text + (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
    status = apply_text(dataset, start, err);
done:
    gsg_free(context, text);
    gsg_free(context, file);
    return status;
}
