// genseg evaluate: predicts the cases of one split and scores them against their
// label maps. A table goes to stdout, single cases to a CSV file and to pictures.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <genseg/genseg.h>

#include "commands.h"
#include "tool_arguments.h"
#include "tool_console.h"
#include "tool_data.h"
#include "tool_interrupt.h"
#include "tool_output.h"
#include "tool_scores.h"

static const char help[] =
    "usage: genseg evaluate MODEL DATA [options]\n"
    "\n"
    "Segments labelled cases of DATA (see genseg --help) and compares with their label maps.\n"
    "\n"
    "  --split NAME           test (default): cases that MODEL has not learned from, or those of them\n"
    "                         that DATA itself marks for testing; val, train: its own cases; or all\n"
    "  --csv FILE             write every case and class there\n"
    "  --pictures DIR         write image | truth | prediction there, a PNG for each case\n"
    "  --convention NAME      of surface scores: monai (default), medpy or deepmind\n"
    "  --tolerance MM         of surface Dice (default 1)\n"
    "  --no-surfaces          Dice and Jaccard only: faster on large volumes\n"
    "  --overlap P            part that neighbouring tiles share, 0 to 0.9 (default 0.5)\n"
    "  --image-name, --label-name NAME   names of the data sets in HDF5 files\n"
    "  --grey                            image files of three channels are read as one\n"
    "  --threads T, --memory 4G          limits; --no-winograd: direct convolutions, as a check\n"
    "  -q, --quiet            no progress\n"
    "\n"
    "The table has means +- standard deviations over the cases where a score is defined. Empty masks:\n"
    "both empty leaves all undefined; one empty gives Dice 0 and no distances; both are counted.\n"
    "\n"
    "example: genseg evaluate liver.safetensors scans/ --csv scores.csv --pictures pictures/\n";

typedef struct evaluate_arguments {
    tool_common common;
    data_arguments data;
    genseg_predict_options predict;
    genseg_metrics_options metrics;
    const char *part, *convention, *csv, *pictures;
    bool no_surfaces;
} evaluate_arguments;

// What the callback of each case works on.
typedef struct work {
    console *to;
    const evaluate_arguments *my;
    genseg_dataset *dataset;
    scores scores;
    int64_t total;
    bool failed; // after a message
    char what[48];
} work;

static bool parse(evaluate_arguments *my, int argc, char **argv, int *first, int *code)
{
    static const char *const operands[] = {"MODEL", "DATA", NULL};
    static const char *const parts[] = {"test", "val", "train", "all", NULL};
    static const char *const conventions[] = {"monai", "medpy", "deepmind", NULL};
    static const tool_command command = {.name = "evaluate", .help = help, .operands = operands};
    const argument list[] = {
        {.name = "split", .kind = ARGUMENT_CHOICE, .target = &my->part, .choices = parts},
        ARGUMENTS_COMMON(my->common),
        ARGUMENTS_DATA(my->data),
        {.name = "csv", .kind = ARGUMENT_TEXT, .target = &my->csv},
        {.name = "pictures", .kind = ARGUMENT_TEXT, .target = &my->pictures},
        {.name = "convention", .kind = ARGUMENT_CHOICE, .target = &my->convention, .choices = conventions},
        {.name = "tolerance", .kind = ARGUMENT_REAL, .target = &my->metrics.surface_tolerance, .high = 1e6},
        {.name = "no-surfaces", .kind = ARGUMENT_FLAG, .target = &my->no_surfaces},
        {.name = "overlap", .kind = ARGUMENT_REAL, .target = &my->predict.overlap, .low = 0, .high = 0.9},
        {.name = NULL},
    };
    if (!arguments_parse(&command, list, argc, argv, first, code))
        return false;
    if (my->convention)
        my->metrics.convention = genseg_metrics_convention(my->convention);
    my->metrics.surfaces = !my->no_surfaces;
    return true;
}

// --- Which cases ---

static int32_t split_value(const char *part)
{
    return strcmp(part, "test") == 0    ? GENSEG_SPLIT_TEST
           : strcmp(part, "val") == 0   ? GENSEG_SPLIT_VALIDATION
           : strcmp(part, "train") == 0 ? GENSEG_SPLIT_TRAIN
                                        : GENSEG_SPLIT_NONE;
}

static int64_t count_part(const genseg_dataset *dataset, int32_t split)
{
    data_counts counts = data_count(dataset);
    return split == GENSEG_SPLIT_TEST         ? counts.test
           : split == GENSEG_SPLIT_VALIDATION ? counts.validation
           : split == GENSEG_SPLIT_TRAIN      ? counts.train
                                              : counts.none + counts.train + counts.validation + counts.test;
}

static int choose_cases(work *my, const genseg_segmenter *segmenter, int32_t split)
{
    const int code = split == GENSEG_SPLIT_NONE ? TOOL_OK : data_divide_again(my->to, my->dataset, segmenter);
    if (code != TOOL_OK)
        return code;
    my->total = count_part(my->dataset, split);
    if (my->total > 0)
        return TOOL_OK;
    data_counts counts = data_count(my->dataset);
    console_error(my->to,
                  "no %s case: %lld cases are for training, %lld for validation, %lld for testing; --split all scores "
                  "every labelled case",
                  my->my->part, (long long)counts.train, (long long)counts.validation, (long long)counts.test);
    return TOOL_FAILED;
}

// --- The work ---

static int32_t on_progress(const genseg_progress *progress, void *user)
{
    work *my = user;
    snprintf(my->what, sizeof my->what, "%lld/%lld", (long long)my->scores.count + 1, (long long)my->total);
    my->to->what = my->what;
    console_progress(my->to, progress);
    return interrupt_asked();
}

// Names of HDF5 cases may have slashes.
static char *picture_path(const char *folder, const char *name)
{
    char *path = output_join(folder, name, "", ".png");
    for (char *at = path ? path + strlen(path) - strlen(name) - strlen(".png") : NULL; at && *at; at++)
        if (*at == '/')
            *at = '_';
    return path;
}

static int32_t on_case(const genseg_evaluation *evaluation, void *user)
{
    work *my = user;
    genseg_error err;
    my->total = evaluation->total;
    if (!scores_add(&my->scores, evaluation)) {
        console_error(my->to, "out of memory");
        my->failed = true;
        return 1;
    }
    if (my->my->pictures) {
        char *path = picture_path(my->my->pictures, evaluation->name);
        genseg_status status =
            path ? genseg_dataset_save_picture(my->dataset, evaluation->index, evaluation->prediction, path, &err)
                 : GENSEG_ERROR_NOMEM;
        if (status != GENSEG_OK) {
            console_error(my->to, "%s", path ? err.message : "out of memory");
            my->failed = true;
        }
        free(path);
    }
    return my->failed || interrupt_asked();
}

static int write_csv(console *to, const work *my, const genseg_segmenter *segmenter)
{
    output_text text;
    if (!output_text_begin(to, &text, my->my->csv))
        return TOOL_FAILED;
    scores_write_csv(&my->scores, segmenter, text.stream);
    return output_text_commit(to, &text) ? TOOL_OK : TOOL_FAILED;
}

static int evaluate(work *my, const genseg_segmenter *segmenter)
{
    int32_t split = split_value(my->my->part);
    console *to = my->to;
    genseg_error err;
    int code = choose_cases(my, segmenter, split);
    if (code != TOOL_OK)
        return code;
    genseg_predict_options options = my->my->predict;
    options.progress = on_progress;
    options.progress_user = my;
    interrupt_arm(NULL);
    genseg_status status =
        genseg_segmenter_evaluate(segmenter, my->dataset, split, &my->my->metrics, &options, on_case, my, &err);
    interrupt_disarm();
    to->what = NULL;
    console_clear(to);
    if (my->failed)
        return TOOL_FAILED;
    if (status == GENSEG_ERROR_CANCELLED) {
        console_error(to, "stopped after %lld of %lld cases", (long long)my->scores.count, (long long)my->total);
        return TOOL_CANCELLED;
    }
    if (status != GENSEG_OK)
        return tool_failed(to, status, &err);
    scores_print(&my->scores, segmenter, my->my->metrics.surfaces != 0, stdout);
    return my->my->csv ? write_csv(to, my, segmenter) : TOOL_OK;
}

// Output names are refused before the model is even loaded.
static bool check_outputs(console *to, const evaluate_arguments *my, const char *model, const char *data)
{
    bool made;
    if (my->csv && (output_same_file(my->csv, model) || output_same_file(my->csv, data))) {
        console_error(to, "%s: is an input; give the table a name of its own", my->csv);
        return false;
    }
    if (my->csv && !output_check_file(to, my->csv, OUTPUT_TEXT))
        return false;
    return !my->pictures || output_check_folder(to, my->pictures, &made);
}

int cmd_evaluate(int argc, char **argv)
{
    evaluate_arguments my = {.part = "test"};
    console to;
    work all = {.to = &to, .my = &my};
    int first, code;
    genseg_predict_options_init(&my.predict, sizeof my.predict);
    genseg_metrics_options_init(&my.metrics, sizeof my.metrics);
    if (!parse(&my, argc, argv, &first, &code))
        return code;
    console_init(&to, my.common.quiet);
    const char *model = argv[first], *data = argv[first + 1];
    genseg_context *context = tool_context(&to, &my.common, -1, &to);
    if (!context)
        return TOOL_FAILED;
    genseg_segmenter *segmenter = tool_load(&to, context, model);
    code = TOOL_FAILED;
    if (segmenter)
        code = data_open(&to, context, data, &my.data, &all.dataset);
    if (code == TOOL_OK && !check_outputs(&to, &my, model, data))
        code = TOOL_FAILED;
    if (code == TOOL_OK)
        code = evaluate(&all, segmenter);
    scores_free(&all.scores);
    genseg_segmenter_free(segmenter);
    genseg_dataset_free(all.dataset);
    genseg_context_free(context);
    return code;
}
