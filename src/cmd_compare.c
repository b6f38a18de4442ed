// genseg compare: trains several methods on the same cases with several seeds, and tests
// them on the same others. What is complete is kept, whatever happens after it.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <genseg/genseg.h>

#include "commands.h"
#include "tool_arguments.h"
#include "tool_comparison.h"
#include "tool_console.h"
#include "tool_data.h"
#include "tool_interrupt.h"
#include "tool_methods.h"
#include "tool_output.h"
#include "tool_training.h"

static const char help[] =
    "usage: genseg compare DATA --examples N [options]\n"
    "\n"
    "Trains each method on the same cases of DATA (see genseg --help), with as many steps and as many\n"
    "validations, once for each seed (which divides the cases anew), and tests all on those left.\n"
    "\n"
    "  --examples N           cases to learn from, those for validation included\n"
    "  --val-examples M       how many of them are for validation (default: a fifth)\n"
    "  --methods LIST         of those below, with commas (default plain,genseg)\n"
    "  --seeds S              number of seeds: 1 to S (default 3)\n"
    "  --test-data DATA       tests there too, on all labelled cases; can be repeated\n"
    "  --csv FILE             write every case and class there, after each run\n"
    "  --keep DIR             write each model there: METHOD-SEED.safetensors\n"
    "  --groups CHARS         names up to one of CHARS are patients, never parted: _ for p1_a, p1_b\n"
    "  --image-name, --label-name NAME   names of the data sets in HDF5 files\n"
    "  --grey                            image files of three channels are read as one\n"
    "  --threads T, --memory 4G          limits; --no-winograd: direct convolutions, as a check\n"
    "  -q, --quiet            no progress\n"
    "  --steps, --width, --size, --batch, --lr, --gan-steps, --gamma, ...\n"
    "                         as in `genseg train`, for all methods (not --time, --patience)\n"
    "\n"
    "  plain                  real pairs as they are\n"
    "  plain+val              those for validation train too; the last weights are tested\n"
    "  augment                real pairs, changed at random\n"
    "  separate               and pairs of a generator that is trained beforehand\n"
    "  continued              of one that goes on training\n"
    "  genseg                 of one that learns from the validation loss\n"
    "  separate+augment, continued+augment, genseg+augment   the same, real pairs changed at random\n"
    "\n"
    "Prints means over the cases, +- the deviation of the seeds, and differences case by case: against\n"
    "the first method, and GenSeg against the others, with 95 % intervals (t) that take the seeds, and\n"
    "the cases, for independent: believe the wider one. Ctrl-C ends it and keeps complete runs.\n"
    "\n"
    "example: genseg compare scans/ --methods plain,augment,genseg --examples 9 --csv scores.csv\n";

#define SETS (TOOL_LIST_MOST + 1)
#define FIRST_SET "rest"

typedef struct compare_arguments {
    tool_common common;
    data_arguments data;
    training_arguments training;
    tool_list test_data;
    const char *list, *csv, *keep;
    int64_t examples, validation, seeds;
    const method *method[METHODS_MOST];
    int32_t method_count;
} compare_arguments;

// What a run works on.
typedef struct work {
    console *to;
    const compare_arguments *my;
    genseg_context *context;
    genseg_dataset *data;
    comparison results;
    comparison_set sets[SETS];
    const char *names[METHODS_MOST];
    int64_t failed; // runs
    scores *scored; // where cases of the current evaluation go
    bool exhausted; // no memory for them
    char what[80];
} work;

// --- The command line ---

static bool count_examples(compare_arguments *my)
{
    if (my->examples < 0) {
        console_say("genseg compare: --examples N is missing (see genseg compare --help)");
        return false;
    }
    if (my->validation < 0)
        my->validation = data_validation(my->examples);
    if (my->validation < my->examples)
        return true;
    console_say("genseg compare: --examples %lld leaves none to train: %lld of them %s for validation",
                (long long)my->examples, (long long)my->validation, my->validation == 1 ? "is" : "are");
    return false;
}

static bool parse(compare_arguments *my, int argc, char **argv, int *first, int *code)
{
    static const char *const operands[] = {"DATA", NULL};
    static const tool_command command = {.name = "compare", .help = help, .operands = operands};
    const argument own[] = {
        ARGUMENTS_COMMON(my->common),
        ARGUMENTS_DATA(my->data),
        ARGUMENTS_GROUPS(my->data),
        {.name = "examples", .kind = ARGUMENT_COUNT, .target = &my->examples, .low = 1, .high = 1e12},
        {.name = "val-examples", .kind = ARGUMENT_COUNT, .target = &my->validation, .high = 1e12},
        {.name = "methods", .kind = ARGUMENT_WORDS, .target = &my->list, .choices = methods_names()},
        {.name = "seeds", .kind = ARGUMENT_COUNT, .target = &my->seeds, .low = 1, .high = 1000},
        {.name = "test-data", .kind = ARGUMENT_LIST, .target = &my->test_data},
        {.name = "csv", .kind = ARGUMENT_TEXT, .target = &my->csv},
        {.name = "keep", .kind = ARGUMENT_TEXT, .target = &my->keep},
        {.name = NULL},
    };
    argument list[ARGUMENTS_MOST];
    training_list(&my->training, own, list);
    if (!arguments_parse(&command, list, argc, argv, first, code))
        return false;
    *code = TOOL_USAGE;
    return methods_read(my->list, my->method, &my->method_count) && count_examples(my) &&
           training_settle(&my->training, command.name, code);
}

// --- Before the first step ---

static bool has_label(const genseg_dataset *dataset, int64_t value)
{
    for (int32_t k = 0; k < genseg_dataset_classes(dataset); k++)
        if (genseg_dataset_label_value(dataset, k) == value)
            return true;
    return false;
}

// Can models of DATA be tested on a set?
static bool check_set(const work *my, const comparison_set *set)
{
    const int32_t channels = genseg_dataset_channels(set->dataset), wanted = genseg_dataset_channels(my->data);
    const int32_t ndim = genseg_dataset_ndim(set->dataset);
    if (ndim != genseg_dataset_ndim(my->data)) {
        console_error(my->to, "--test-data %s: images are %d-D, those of DATA %d-D", set->name, (int)ndim,
                      (int)genseg_dataset_ndim(my->data));
        return false;
    }
    if (channels != wanted) {
        console_error(my->to, "--test-data %s: images have %d channel%s, those of DATA %d%s", set->name, (int)channels,
                      channels == 1 ? "" : "s", (int)wanted,
                      channels == 3 && wanted == 1 ? "; --grey turns three into one" : "");
        return false;
    }
    for (int32_t k = 0; k < genseg_dataset_classes(set->dataset); k++) {
        const int64_t value = genseg_dataset_label_value(set->dataset, k);
        if (!has_label(my->data, value)) {
            console_error(my->to, "--test-data %s: its masks have the label %lld, those of DATA never", set->name,
                          (long long)value);
            return false;
        }
    }
    return true;
}

static int open_sets(work *my, const char *data)
{
    comparison *results = &my->results;
    int code = TOOL_OK;
    my->sets[results->set_count++] = (comparison_set){.name = FIRST_SET, .dataset = my->data};
    for (int i = 0; code == TOOL_OK && i < my->my->test_data.count; i++) {
        comparison_set *set = &my->sets[results->set_count];
        *set = (comparison_set){.name = my->my->test_data.item[i]};
        if (strcmp(set->name, data) == 0 || output_same_file(set->name, data)) {
            console_error(my->to, "--test-data %s: is DATA itself; the cases that are left are tested anyway",
                          set->name);
            return TOOL_FAILED;
        }
        for (int32_t t = 0; t < results->set_count; t++) {
            if (strcmp(my->sets[t].name, set->name) == 0) {
                console_error(my->to, "--test-data %s: the name is there already", set->name);
                return TOOL_FAILED;
            }
        }
        code = data_open(my->to, my->context, set->name, &my->my->data, &set->dataset);
        results->set_count += code == TOOL_OK;
        if (code == TOOL_OK && !check_set(my, set))
            code = TOOL_FAILED;
    }
    return code;
}

static genseg_status divide(const work *my, const method *how, int64_t seed, genseg_error *err)
{
    const int64_t validation = how->all ? 0 : my->my->validation;
    return genseg_dataset_split(my->data, my->my->examples - validation, validation, (uint64_t)seed, err);
}

static genseg_status new_trainer(const work *my, const method *how, int64_t seed, genseg_trainer **trainer,
                                 genseg_error *err)
{
    genseg_trainer_options options = my->my->training.trainer;
    options.method = how->trainer;
    options.augment = how->augment;
    options.seed = (uint64_t)seed;
    return genseg_trainer_new(my->context, my->data, &options, trainer, err);
}

// Whole groups may come out differently without validation: then the methods would not be tested alike.
static bool same_test(work *my, const method *how, int64_t seed, bool *tested, bool begin)
{
    int64_t cases = genseg_dataset_size(my->data), differing = 0;
    for (int64_t i = 0; i < cases; i++) {
        const bool test = genseg_dataset_case_split(my->data, i) == GENSEG_SPLIT_TEST;
        differing += !begin && tested[i] != test;
        tested[i] = test;
    }
    if (differing)
        console_error(my->to,
                      "seed %lld divides the groups differently for %s: %lld cases are not tested alike; leave it out",
                      (long long)seed, how->name, (long long)differing);
    return differing == 0;
}

// Divides with every seed, and plans every method with the first.
static int plan(work *my, bool *tested)
{
    genseg_error err;
    for (int64_t seed = 1; seed <= my->my->seeds; seed++) {
        for (int32_t m = 0; m < my->my->method_count; m++) {
            const method *how = my->my->method[m];
            genseg_trainer *trainer = NULL;
            genseg_status status = divide(my, how, seed, &err);
            if (status == GENSEG_OK && seed == 1)
                status = new_trainer(my, how, seed, &trainer, &err);
            genseg_trainer_free(trainer);
            if (status != GENSEG_OK)
                return tool_failed(my->to, status, &err);
            if (!same_test(my, how, seed, tested, m == 0))
                return TOOL_FAILED;
        }
        if (data_count(my->data).test == 0 && my->results.set_count == 1) {
            console_error(my->to, "no case is left for testing: %lld labelled cases are there, all are examples",
                          (long long)my->my->examples);
            return TOOL_FAILED;
        }
    }
    const int64_t test = data_count(my->data).test;
    console_note(my->to,
                 "%d methods, %lld seeds: %lld training and %lld validation cases, %lld left for testing; %lld steps",
                 (int)my->my->method_count, (long long)my->my->seeds,
                 (long long)(my->my->examples - my->my->validation), (long long)my->my->validation, (long long)test,
                 (long long)my->my->training.trainer.steps);
    return TOOL_OK;
}

// --- The runs ---

static int32_t on_progress(const genseg_progress *progress, void *user)
{
    work *my = user;
    console_progress(my->to, progress);
    return interrupt_asked();
}

static int32_t on_case(const genseg_evaluation *evaluation, void *user)
{
    work *my = user;
    my->exhausted = !scores_add(my->scored, evaluation);
    return my->exhausted || interrupt_asked();
}

static genseg_status test(work *my, const genseg_segmenter *segmenter, int32_t set, genseg_error *err)
{
    genseg_metrics_options metrics;
    genseg_predict_options options;
    const int32_t split = set == 0 ? GENSEG_SPLIT_TEST : GENSEG_SPLIT_NONE;
    if (set == 0 && data_count(my->data).test == 0)
        return GENSEG_OK;
    genseg_metrics_options_init(&metrics, sizeof metrics);
    genseg_predict_options_init(&options, sizeof options);
    metrics.surfaces = 0;
    options.progress = on_progress;
    options.progress_user = my;
    genseg_status status = genseg_segmenter_evaluate(segmenter, my->sets[set].dataset, split, &metrics, &options,
                                                     on_case, my, err);
    if (!my->exhausted)
        return status;
    my->exhausted = false;
    snprintf(err->message, sizeof err->message, "out of memory");
    return GENSEG_ERROR_NOMEM;
}

static genseg_status keep(const work *my, const genseg_segmenter *segmenter, const genseg_generator *generator,
                          const method *how, int64_t seed, genseg_error *err)
{
    char number[32];
    snprintf(number, sizeof number, "-%lld", (long long)seed);
    char *path = output_join(my->my->keep, how->name, number, ".safetensors");
    if (!path) {
        snprintf(err->message, sizeof err->message, "out of memory");
        return GENSEG_ERROR_NOMEM;
    }
    genseg_status status = generator ? genseg_generator_save(generator, segmenter, path, err)
                                     : genseg_segmenter_save(segmenter, path, err);
    free(path);
    return status;
}

// Trains one method with one seed. The generator is there where the method has one and models are kept.
static genseg_status train(work *my, const method *how, int64_t seed, genseg_segmenter **segmenter,
                           genseg_generator **generator, genseg_error *err)
{
    genseg_trainer *trainer = NULL;
    genseg_status status = divide(my, how, seed, err);
    if (status == GENSEG_OK)
        status = new_trainer(my, how, seed, &trainer, err);
    if (status == GENSEG_OK) {
        interrupt_arm(trainer);
        status = genseg_trainer_run(trainer, on_progress, my, err);
    }
    if (status == GENSEG_OK)
        status = genseg_trainer_segmenter(trainer, segmenter, err);
    if (status == GENSEG_OK && my->my->keep && how->generator)
        status = genseg_trainer_generator(trainer, generator, err);
    interrupt_arm(NULL);
    genseg_trainer_free(trainer);
    return status;
}

static void say_run(const work *my, const scores *run)
{
    char text[200] = "";
    size_t used = 0;
    for (int32_t t = 0; t < my->results.set_count && used < sizeof text; t++) {
        double sum = 0.0;
        int64_t defined = 0;
        for (int64_t i = 0; i < run[t].count; i++) {
            const double dice = scores_of_case(&run[t], i, SCORE_DICE);
            sum += isfinite(dice) ? dice : 0.0;
            defined += isfinite(dice);
        }
        const int more = defined ? snprintf(text + used, sizeof text - used, ", Dice %.3f (%s)", sum / (double)defined,
                                            my->sets[t].name)
                                 : 0;
        used += more > 0 ? (size_t)more : 0;
    }
    console_note(my->to, "%s: done%s", my->what, text);
}

// Trains and tests. A run that fails is counted, and leaves nothing.
static genseg_status run(work *my, int32_t m, int64_t seed)
{
    const method *how = my->my->method[m];
    scores *into = comparison_run(&my->results, seed, m);
    genseg_segmenter *segmenter = NULL;
    genseg_generator *generator = NULL;
    genseg_error err;
    genseg_status status = train(my, how, seed, &segmenter, &generator, &err);
    for (int32_t t = 0; status == GENSEG_OK && t < my->results.set_count; t++) {
        my->scored = &into[t];
        status = test(my, segmenter, t, &err);
    }
    if (status == GENSEG_OK && my->my->keep)
        status = keep(my, segmenter, generator, how, seed, &err);
    genseg_segmenter_free(segmenter);
    genseg_generator_free(generator);
    console_clear(my->to);
    if (status == GENSEG_OK) {
        comparison_set_complete(&my->results, seed, m);
        say_run(my, into);
        return status;
    }
    for (int32_t t = 0; t < my->results.set_count; t++)
        scores_free(&into[t]);
    if (status != GENSEG_ERROR_CANCELLED) {
        console_error(my->to, "%s: %s", my->what, err.message);
        my->failed++;
    }
    return status;
}

// All methods of a seed before the next seed: what a cancel leaves can be compared.
static int run_all(work *my)
{
    const int64_t total = my->my->seeds * my->my->method_count;
    int64_t number = 0;
    for (int64_t seed = 1; seed <= my->my->seeds; seed++) {
        for (int32_t m = 0; m < my->my->method_count; m++) {
            snprintf(my->what, sizeof my->what, "%lld/%lld %s, seed %lld", (long long)++number, (long long)total,
                     my->my->method[m]->name, (long long)seed);
            my->to->what = my->what;
            const genseg_status status = interrupt_asked() ? GENSEG_ERROR_CANCELLED : run(my, m, seed);
            if (status == GENSEG_ERROR_CANCELLED)
                return TOOL_CANCELLED;
            if (status == GENSEG_OK && my->my->csv && !comparison_write_csv(my->to, &my->results, my->my->csv))
                return TOOL_FAILED;
        }
    }
    return TOOL_OK;
}

static int compare(work *my)
{
    const int64_t total = my->my->seeds * my->my->method_count;
    interrupt_arm(NULL);
    int code = run_all(my);
    interrupt_disarm();
    my->to->what = NULL;
    const int64_t complete = comparison_count(&my->results);
    if (code == TOOL_CANCELLED)
        console_error(my->to, "stopped: %lld of %lld runs are complete", (long long)complete, (long long)total);
    if (my->failed)
        console_error(my->to, "%lld of %lld runs failed", (long long)my->failed, (long long)total);
    if (complete && !comparison_print(&my->results, stdout)) {
        console_error(my->to, "out of memory");
        code = TOOL_FAILED;
    }
    return code == TOOL_OK && my->failed ? TOOL_FAILED : code;
}

// --- All of it ---

static bool check_outputs(const work *my, const char *data)
{
    bool made;
    const char *csv = my->my->csv;
    if (csv && data_is_input(my->to, csv, "table", data, my->data))
        return false;
    for (int32_t t = 1; csv && t < my->results.set_count; t++)
        if (data_is_input(my->to, csv, "table", my->sets[t].name, my->sets[t].dataset))
            return false;
    if (csv && !output_check_file(my->to, csv, OUTPUT_TEXT))
        return false;
    return !my->my->keep || output_check_folder(my->to, my->my->keep, &made);
}

static int prepare(work *my, const char *data)
{
    bool *tested = calloc((size_t)genseg_dataset_size(my->data) + 1, sizeof *tested);
    int code = tested ? plan(my, tested) : TOOL_FAILED;
    if (code == TOOL_OK && !check_outputs(my, data))
        code = TOOL_FAILED;
    for (int32_t m = 0; m < my->my->method_count; m++)
        my->names[m] = my->my->method[m]->name;
    comparison *results = &my->results;
    results->methods = my->names;
    results->method_count = my->my->method_count;
    results->sets = my->sets;
    results->seeds = my->my->seeds;
    results->examples = my->my->examples;
    results->labels = my->data;
    const bool room = tested && comparison_begin(results);
    free(tested);
    if (room)
        return code;
    console_error(my->to, "out of memory");
    return TOOL_FAILED;
}

int cmd_compare(int argc, char **argv)
{
    compare_arguments my = {.list = "plain,genseg", .examples = -1, .validation = -1, .seeds = 3};
    console to;
    work all = {.to = &to, .my = &my};
    int first, code;
    training_init(&my.training);
    if (!parse(&my, argc, argv, &first, &code))
        return code;
    if (my.training.trainer.steps == 0)
        my.training.trainer.steps = 2000;
    console_init(&to, my.common.quiet);
    all.context = tool_context(&to, &my.common, -1, &to);
    if (!all.context)
        return TOOL_FAILED;
    code = data_open(&to, all.context, argv[first], &my.data, &all.data);
    if (code == TOOL_OK && !training_size(&to, &my.training, all.data))
        code = TOOL_USAGE;
    if (code == TOOL_OK)
        code = open_sets(&all, argv[first]);
    if (code == TOOL_OK)
        code = prepare(&all, argv[first]);
    if (code == TOOL_OK)
        code = compare(&all);
    comparison_free(&all.results);
    for (int32_t t = 1; t < SETS; t++)
        genseg_dataset_free(all.sets[t].dataset);
    genseg_dataset_free(all.data);
    genseg_context_free(all.context);
    return code;
}
