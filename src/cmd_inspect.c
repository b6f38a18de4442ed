// genseg inspect: what is in a data set or a model, and everything wrong with it. This
// is the report a user reads first, so it goes to stdout as a whole.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <genseg/genseg.h>

#include "commands.h"
#include "tool_arguments.h"
#include "tool_console.h"
#include "tool_data.h"
#include "tool_output.h"

static const char help[] =
    "usage: genseg inspect DATA|MODEL [options]\n"
    "\n"
    "Says what is in a data set (see genseg --help): cases, sizes, spacings, labels with their voxels,\n"
    "splits. Reads every voxel and tells each problem with its case, its number and what to do. Of a\n"
    "model: network, input, labels, training. The exit code is 1 if there are errors; warnings and\n"
    "notes don't count.\n"
    "\n"
    "  --cases                a line for each case\n"
    "  --groups CHARS         names up to one of CHARS are patients: _ for p1_a, p1_b\n"
    "  --image-name, --label-name NAME   names of the data sets in HDF5 files\n"
    "  --grey                            image files of three channels are read as one\n"
    "  --threads T, --memory 4G          limits\n"
    "\n"
    "example: genseg inspect scans/\n";

#define LABEL_WIDTH 18

typedef struct inspect_arguments {
    tool_common common;
    data_arguments data;
    bool cases;
} inspect_arguments;

// --- A model ---

static const char *normalise_name(int32_t value)
{
    return value == GENSEG_NORMALISE_PERCENTILE ? "percentile"
           : value == GENSEG_NORMALISE_ZSCORE   ? "zscore"
           : value == GENSEG_NORMALISE_NONE     ? "none"
                                                : "unknown";
}

static const char *scale_name(int32_t value)
{
    return value == GENSEG_SCALE_NATIVE    ? "the image's own grid"
           : value == GENSEG_SCALE_SPACING ? "images are resampled to one spacing"
           : value == GENSEG_SCALE_RESIZE  ? "images are resized to one size"
                                           : "unknown";
}

// The generator beside the segmenter, or that there is none.
static int print_generator(console *to, genseg_context *context, const char *path)
{
    genseg_generator *generator = NULL;
    genseg_generator_info info = {.struct_size = sizeof info};
    genseg_error err;
    genseg_status status = genseg_generator_load(context, path, &generator, &err);
    if (status == GENSEG_ERROR_FORMAT && strstr(err.message, "no generator")) {
        printf("generator     none\n");
        return TOOL_OK;
    }
    if (status == GENSEG_OK)
        status = genseg_generator_describe(generator, &info, &err);
    if (status == GENSEG_OK) {
        printf("generator     width %" PRId64 ", %d levels, ", info.width, info.levels);
        if (info.candidates > 1)
            printf("%d candidates, ", info.candidates);
        printf("%" PRId64 " weights, ", info.weights);
        for (int i = 3 - info.ndim; i < 3; i++)
            printf("%s%" PRId64, i > 3 - info.ndim ? "x" : "", info.size[i]);
        printf("; %" PRId64 " steps\n", info.steps);
    }
    genseg_generator_free(generator);
    return status == GENSEG_OK ? TOOL_OK : tool_failed(to, status, &err);
}

static int print_model(console *to, genseg_context *context, const genseg_segmenter *segmenter, const char *path)
{
    genseg_segmenter_info info = {.struct_size = sizeof info};
    genseg_error err;
    genseg_status status = genseg_segmenter_describe(segmenter, &info, &err);
    if (status != GENSEG_OK)
        return tool_failed(to, status, &err);
    int first = 3 - info.ndim;
    printf("%s: a model of genseg %s\n", path, info.version);
    printf("network       %s, width %" PRId64 ", %d levels, %" PRId64 " weights\n", info.architecture, info.width,
           info.levels, info.weights);
    printf("input         %d channel%s, normalised by %s\n", info.channels, info.channels == 1 ? "" : "s",
           normalise_name(info.normalise));
    printf("tile          ");
    for (int i = first; i < 3; i++)
        printf("%s%" PRId64, i > first ? "x" : "", info.size[i]);
    printf("; %s", scale_name(info.scale));
    if (info.scale == GENSEG_SCALE_SPACING) {
        printf(":");
        for (int i = first; i < 3; i++)
            printf("%s%.4g", i > first ? " x " : " ", info.spacing[i]);
        printf(" mm");
    }
    printf("\ntraining      %" PRId64 " steps, %" PRId64 " training and %" PRId64 " validation cases, seed %" PRIu64
           "\n",
           info.steps, info.train_cases, info.validation_cases, info.seed);
    if (isfinite(info.validation_dice))
        printf("validation    mean Dice of the foreground %.4f\n", info.validation_dice);
    if (print_generator(to, context, path) != TOOL_OK)
        return TOOL_FAILED;
    printf("\nclass  label  name\n");
    for (int32_t k = 0; k < info.classes; k++)
        printf("%5d  %5" PRId64 "  %s\n", k, genseg_segmenter_label_value(segmenter, k),
               genseg_segmenter_label_name(segmenter, k));
    return TOOL_OK;
}

static int inspect_model(console *to, genseg_context *context, const char *path)
{
    genseg_segmenter *segmenter = tool_load(to, context, path);
    int code = segmenter ? print_model(to, context, segmenter, path) : TOOL_FAILED;
    genseg_segmenter_free(segmenter);
    return code;
}

// --- A data set ---

typedef struct findings {
    int64_t count[4]; // by severity
} findings;

static int32_t on_finding(const genseg_finding *finding, void *user)
{
    static const char *const names[] = {"", "note", "warning", "error"};
    findings *all = user;
    int32_t severity = finding->severity >= 1 && finding->severity <= 3 ? finding->severity : 0;
    // Messages of failed calls begin with their file already.
    const char *found = *finding->subject ? strstr(finding->message, finding->subject) : finding->message;
    const char *colon = strstr(finding->message, ": ");
    bool named = !*finding->subject || (found && colon && found < colon);
    printf("%s: %s%s%s\n", names[severity], named ? "" : finding->subject, named ? "" : ": ", finding->message);
    if (*finding->remedy)
        printf("    remedy: %s\n", finding->remedy);
    all->count[severity]++;
    return 0;
}

static int conclude(console *to, const char *path, const findings *all)
{
    const int64_t *count = all->count;
    if (count[GENSEG_SEVERITY_ERROR] + count[GENSEG_SEVERITY_WARNING] + count[GENSEG_SEVERITY_NOTE] == 0)
        printf("no problem found\n");
    if (count[GENSEG_SEVERITY_ERROR] == 0)
        return TOOL_OK;
    fflush(stdout);
    console_error(to, "%s: %" PRId64 " error%s", path, count[GENSEG_SEVERITY_ERROR],
                  count[GENSEG_SEVERITY_ERROR] == 1 ? "" : "s");
    return TOOL_FAILED;
}

static void print_shape(const int64_t shape[4], int32_t ndim)
{
    if (ndim == 3)
        printf("%" PRId64 "x", shape[1]);
    printf("%" PRId64 "x%" PRId64, shape[2], shape[3]);
}

static void print_spacing(const double spacing[3], int32_t ndim)
{
    if (ndim == 3)
        printf("%.4g x ", spacing[0]);
    printf("%.4g x %.4g mm", spacing[1], spacing[2]);
}

// Smallest and largest along each axis.
static void print_ranges(genseg_dataset *dataset)
{
    int64_t shape[4], low[4] = {0}, high[4] = {0}, cases = genseg_dataset_size(dataset);
    double spacing[3], least[3] = {0}, most[3] = {0};
    int32_t ndim = genseg_dataset_ndim(dataset);
    for (int64_t i = 0; i < cases; i++) {
        if (genseg_dataset_case_info(dataset, i, shape, spacing, NULL, NULL, NULL) != GENSEG_OK)
            continue;
        for (int axis = 0; axis < 4; axis++) {
            low[axis] = i == 0 || shape[axis] < low[axis] ? shape[axis] : low[axis];
            high[axis] = i == 0 || shape[axis] > high[axis] ? shape[axis] : high[axis];
        }
        for (int axis = 0; axis < 3; axis++) {
            least[axis] = i == 0 || spacing[axis] < least[axis] ? spacing[axis] : least[axis];
            most[axis] = i == 0 || spacing[axis] > most[axis] ? spacing[axis] : most[axis];
        }
    }
    printf("size          ");
    print_shape(low, ndim);
    if (memcmp(low, high, sizeof low) != 0) {
        printf(" to ");
        print_shape(high, ndim);
    }
    printf("\nspacing       ");
    print_spacing(least, ndim);
    if (memcmp(least, most, sizeof least) != 0) {
        printf(" to ");
        print_spacing(most, ndim);
    }
    printf("\n");
}

static const char *split_name(int32_t split)
{
    return split == GENSEG_SPLIT_TRAIN        ? "train"
           : split == GENSEG_SPLIT_VALIDATION ? "val"
           : split == GENSEG_SPLIT_TEST       ? "test"
                                              : "-";
}

static void print_cases(genseg_dataset *dataset)
{
    int64_t shape[4], cases = genseg_dataset_size(dataset);
    double spacing[3];
    int32_t labelled, ndim = genseg_dataset_ndim(dataset);
    printf("\ncase, size, spacing, group, split\n");
    for (int64_t i = 0; i < cases; i++) {
        if (genseg_dataset_case_info(dataset, i, shape, spacing, NULL, &labelled, NULL) != GENSEG_OK)
            continue;
        printf("%s\t", genseg_dataset_case_name(dataset, i));
        print_shape(shape, ndim);
        printf("\t");
        print_spacing(spacing, ndim);
        printf("\t%s\t%s%s\n", genseg_dataset_case_group(dataset, i), split_name(genseg_dataset_case_split(dataset, i)),
               labelled ? "" : "\tunlabelled");
    }
}

typedef struct label_counts {
    int64_t *voxels, *cases; // for each class
    int64_t all;             // voxels in all
    int64_t labelled;        // cases with a readable label map
} label_counts;

static bool count_labels(genseg_dataset *dataset, label_counts *counts)
{
    int64_t shape[4], cases = genseg_dataset_size(dataset);
    int32_t labelled = 0, classes = genseg_dataset_classes(dataset);
    for (int64_t i = 0; i < cases; i++) {
        if (genseg_dataset_case_info(dataset, i, shape, NULL, NULL, &labelled, NULL) != GENSEG_OK || !labelled)
            continue;
        int64_t voxels = shape[1] * shape[2] * shape[3];
        int32_t *label = malloc((size_t)voxels * sizeof *label);
        int64_t *found = calloc((size_t)classes, sizeof *found);
        bool good = label && found;
        if (good && genseg_dataset_case_read(dataset, i, NULL, label, NULL) == GENSEG_OK) {
            for (int64_t v = 0; v < voxels; v++)
                found[label[v]]++;
            for (int32_t k = 0; k < classes; k++) {
                counts->voxels[k] += found[k];
                counts->cases[k] += found[k] > 0;
            }
            counts->all += voxels;
            counts->labelled++;
        }
        free(label);
        free(found);
        if (!good)
            return false;
    }
    return true;
}

static bool print_labels(console *to, genseg_dataset *dataset)
{
    int32_t classes = genseg_dataset_classes(dataset);
    label_counts counts = {.all = 0};
    counts.voxels = calloc((size_t)classes + 1, sizeof *counts.voxels);
    counts.cases = calloc((size_t)classes + 1, sizeof *counts.cases);
    bool good = counts.voxels && counts.cases && count_labels(dataset, &counts);
    if (good) {
        printf("\nclass  label  %-*s  %14s  %9s  cases\n", LABEL_WIDTH, "name", "voxels", "share");
        for (int32_t k = 0; k < classes; k++)
            printf("%5d  %5" PRId64 "  %-*s  %14" PRId64 "  %8.4f%%  %" PRId64 " of %" PRId64 "\n", k,
                   genseg_dataset_label_value(dataset, k), LABEL_WIDTH, genseg_dataset_label_name(dataset, k),
                   counts.voxels[k], counts.all ? 100.0 * (double)counts.voxels[k] / (double)counts.all : 0.0,
                   counts.cases[k], counts.labelled);
    } else {
        console_error(to, "out of memory");
    }
    free(counts.voxels);
    free(counts.cases);
    return good;
}

static int64_t count_groups(const genseg_dataset *dataset)
{
    int64_t groups = 0, cases = genseg_dataset_size(dataset);
    for (int64_t i = 0; i < cases; i++) {
        bool seen = false;
        for (int64_t k = 0; k < i && !seen; k++)
            seen = strcmp(genseg_dataset_case_group(dataset, k), genseg_dataset_case_group(dataset, i)) == 0;
        groups += !seen;
    }
    return groups;
}

static bool print_dataset(console *to, genseg_dataset *dataset, const char *path, const inspect_arguments *my)
{
    int64_t cases = genseg_dataset_size(dataset);
    data_counts counts = data_count(dataset);
    int32_t channels = genseg_dataset_channels(dataset);
    printf("%s: %d-D data set, %" PRId64 " case%s, %d channel%s\n", path, genseg_dataset_ndim(dataset), cases,
           cases == 1 ? "" : "s", channels, channels == 1 ? "" : "s");
    print_ranges(dataset);
    if (my->data.groups)
        printf("groups        %" PRId64 "\n", count_groups(dataset));
    if (counts.test > 0)
        printf("split         %" PRId64 " for training and validation, %" PRId64 " for testing\n", cases - counts.test,
               counts.test);
    if (my->cases)
        print_cases(dataset);
    if (!print_labels(to, dataset))
        return false;
    printf("\n");
    return true;
}

static int inspect_data(console *to, genseg_context *context, const char *path, const inspect_arguments *my)
{
    genseg_dataset *dataset = NULL;
    genseg_dataset_options options;
    genseg_error err;
    genseg_status status;
    findings all = {.count = {0}};
    int code = TOOL_OK;
    data_options(&my->data, &options);
    if (data_is_phantom(path)) {
        code = data_open(to, context, path, &my->data, &dataset);
        if (code != TOOL_OK)
            return code;
    } else if (genseg_dataset_open(context, path, &options, &dataset, &err) != GENSEG_OK) {
        // Opening ends at the first problem; this way all of them are told.
        status = genseg_dataset_inspect_path(context, path, &options, on_finding, &all, &err);
        return status == GENSEG_OK ? conclude(to, path, &all) : tool_failed(to, status, &err);
    }
    if (!print_dataset(to, dataset, path, my))
        code = TOOL_FAILED;
    if (code == TOOL_OK) {
        status = genseg_dataset_inspect(dataset, on_finding, &all, &err);
        code = status == GENSEG_OK ? conclude(to, path, &all) : tool_failed(to, status, &err);
    }
    genseg_dataset_free(dataset);
    return code;
}

int cmd_inspect(int argc, char **argv)
{
    static const char *const operands[] = {"DATA or MODEL", NULL};
    static const tool_command command = {.name = "inspect", .help = help, .operands = operands};
    inspect_arguments my = {.cases = false};
    const argument list[] = {
        ARGUMENTS_LIMITS(my.common),
        ARGUMENTS_DATA(my.data),
        ARGUMENTS_GROUPS(my.data),
        {.name = "cases", .kind = ARGUMENT_FLAG, .target = &my.cases},
        {.name = NULL},
    };
    console to;
    int first, code;
    if (!arguments_parse(&command, list, argc, argv, &first, &code))
        return code;
    console_init(&to, false);
    // Warnings come as findings here: without the log they are not told twice.
    genseg_context *context = tool_context(&to, &my.common, -1, NULL);
    if (!context)
        return TOOL_FAILED;
    const char *path = argv[first], *ending = strrchr(path, '.');
    bool model = !data_is_phantom(path) && !output_is_folder(path) &&
                 (output_is_model(path) || (ending && strcmp(ending, ".safetensors") == 0));
    code = model ? inspect_model(&to, context, path) : inspect_data(&to, context, path, &my);
    genseg_context_free(context);
    return code;
}
