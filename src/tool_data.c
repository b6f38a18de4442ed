// The context, DATA and its division, for all commands.
#include "tool_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool_output.h"

#define PHANTOM "phantom"

int tool_failed(console *to, genseg_status status, const genseg_error *err)
{
    if (status == GENSEG_ERROR_CANCELLED) {
        console_clear(to);
        return TOOL_CANCELLED;
    }
    char limit[CONSOLE_BYTES_SIZE];
    if (status == GENSEG_ERROR_NOMEM && to->memory)
        console_error(to, "%s; --memory allows %s in all", err->message, console_bytes(to->memory, limit));
    else
        console_error(to, "%s", err->message);
    return TOOL_FAILED;
}

genseg_context *tool_context(console *to, const tool_common *common, int64_t seed, console *warnings)
{
    genseg_context_options options;
    genseg_context *context = NULL;
    genseg_error err;
    genseg_context_options_init(&options, sizeof options);
    to->memory = common->memory;
    options.threads = (int32_t)common->threads;
    options.memory_limit = common->memory;
    options.no_winograd = common->no_winograd;
    options.log_level = GENSEG_LOG_WARNING;
    if (warnings) {
        options.log = console_log;
        options.log_user = warnings;
    }
    if (seed >= 0)
        options.seed = (uint64_t)seed;
    genseg_status status = genseg_context_new(&options, &context, &err);
    if (status == GENSEG_OK && common->profile) {
        status = genseg_context_set_profile(context, 1, &err);
        if (status != GENSEG_OK) {
            genseg_context_free(context);
            context = NULL;
        }
    }
    if (status != GENSEG_OK)
        tool_failed(to, status, &err);
    return context;
}

bool tool_may_load(console *to, const char *path)
{
    const bool folder = output_is_folder(path);
    if (!folder && (access(path, R_OK) != 0 || output_is_model(path)))
        return true;
    console_error(to, "%s: is %s, not a model of genseg train", path, folder ? "a folder" : "some other file");
    return false;
}

genseg_segmenter *tool_load(console *to, genseg_context *context, const char *path)
{
    genseg_segmenter *segmenter = NULL;
    genseg_error err;
    if (!tool_may_load(to, path))
        return NULL;
    genseg_status status = genseg_segmenter_load(context, path, &segmenter, &err);
    if (status == GENSEG_OK)
        return segmenter;
    tool_failed(to, status, &err);
    return NULL;
}

// --- The embedded data set ---

bool data_is_phantom(const char *path)
{
    size_t length = strlen(PHANTOM);
    return strncmp(path, PHANTOM, length) == 0 && (path[length] == '\0' || path[length] == ':');
}

static bool read_phantom_size(const char *value, genseg_phantom_options *options)
{
    tool_size size;
    if (!arguments_size(value, &size))
        return false;
    for (int i = 0; i < size.count; i++)
        options->size[3 - size.count + i] = size.value[i];
    for (int i = 0; size.count == 1 && i < 2; i++)
        options->size[i] = size.value[0];
    return true;
}

static bool read_phantom_option(const char *key, const char *value, genseg_phantom_options *options)
{
    int64_t number;
    if (strcmp(key, "size") == 0)
        return read_phantom_size(value, options);
    if (!arguments_count(value, &number) || number < 0 || number > INT32_MAX)
        return false;
    if (strcmp(key, "ndim") == 0)
        options->ndim = (int32_t)number;
    else if (strcmp(key, "count") == 0)
        options->count = (int32_t)number;
    else if (strcmp(key, "classes") == 0)
        options->classes = (int32_t)number;
    else if (strcmp(key, "channels") == 0)
        options->channels = (int32_t)number;
    else if (strcmp(key, "seed") == 0)
        options->seed = (uint64_t)number;
    else
        return false;
    return true;
}

// "phantom:ndim=3,count=24".
static bool read_phantom(console *to, const char *path, genseg_phantom_options *options)
{
    char part[80];
    const char *rest = path + strlen(PHANTOM);
    for (rest += *rest == ':'; *rest; rest += *rest == ',') {
        size_t length = strcspn(rest, ",");
        snprintf(part, sizeof part, "%.*s", (int)length, rest);
        rest += length;
        char *value = strchr(part, '=');
        if (value)
            *value++ = '\0';
        if (!value || !read_phantom_option(part, value, options)) {
            console_error(to,
                          "%s: %s%s%s is not understood: wanted is phantom:ndim=3,count=24,classes=3,channels=1,"
                          "size=32x128x128,seed=1 or a part of that",
                          path, part, value ? "=" : "", value ? value : "");
            return false;
        }
    }
    return true;
}

// --- Opening ---

void data_options(const data_arguments *arguments, genseg_dataset_options *options)
{
    genseg_dataset_options_init(options, sizeof *options);
    options->image_name = arguments->image_name;
    options->label_name = arguments->label_name;
    options->group_separators = arguments->groups;
    options->grey = arguments->grey;
}

int data_open(console *to, genseg_context *context, const char *path, const data_arguments *arguments,
              genseg_dataset **dataset)
{
    genseg_error err;
    genseg_status status;
    if (data_is_phantom(path)) {
        genseg_phantom_options options;
        genseg_phantom_options_init(&options, sizeof options);
        if (!read_phantom(to, path, &options))
            return TOOL_USAGE;
        status = genseg_dataset_phantom(context, &options, dataset, &err);
    } else {
        genseg_dataset_options options;
        data_options(arguments, &options);
        status = genseg_dataset_open(context, path, &options, dataset, &err);
    }
    return status == GENSEG_OK ? TOOL_OK : tool_failed(to, status, &err);
}

bool data_is_input(console *to, const char *out, const char *what, const char *path, const genseg_dataset *dataset)
{
    int64_t cases = dataset ? genseg_dataset_size(dataset) : 0;
    bool same = output_same_file(out, path);
    for (int64_t i = 0; i < cases && !same; i++) {
        const char *image = genseg_dataset_case_path(dataset, i);
        same = image && output_same_file(out, image);
    }
    if (same)
        console_error(to, "%s: is an input; give the %s a name of its own", out, what);
    return same;
}

// --- Division ---

// Is the case's group held out by the data set itself? Only then is it for testing before a division.
static bool is_held_out(const genseg_dataset *dataset, int64_t index)
{
    const char *group = genseg_dataset_case_group(dataset, index);
    int64_t cases = genseg_dataset_size(dataset);
    for (int64_t i = 0; i < cases; i++)
        if (genseg_dataset_case_split(dataset, i) == GENSEG_SPLIT_TEST &&
            strcmp(genseg_dataset_case_group(dataset, i), group) == 0)
            return true;
    return false;
}

// Labelled cases that may be drawn. To be asked before a division.
static int64_t count_available(genseg_dataset *dataset)
{
    int64_t available = 0, cases = genseg_dataset_size(dataset);
    for (int64_t i = 0; i < cases; i++) {
        int32_t labelled = 0;
        genseg_dataset_case_info(dataset, i, NULL, NULL, NULL, &labelled, NULL);
        available += labelled && !is_held_out(dataset, i);
    }
    return available;
}

int64_t data_validation(int64_t examples)
{
    return examples <= 1 ? 0 : (examples + 4) / 5;
}

int data_divide(console *to, genseg_dataset *dataset, const split_arguments *arguments)
{
    const int64_t available = count_available(dataset);
    const int64_t examples = arguments->examples < 0 ? available : arguments->examples;
    const int64_t validation = arguments->validation < 0 ? data_validation(examples) : arguments->validation;
    genseg_error err;
    if (examples > available || validation >= examples) {
        console_error(to, "%lld examples are wanted, %lld of them for validation; %lld labelled cases are there",
                      (long long)examples, (long long)validation, (long long)available);
        return TOOL_FAILED;
    }
    if (validation == 0)
        console_warn(to, "no case is left for validation: the newest model is kept, not the best");
    genseg_status status = genseg_dataset_split(dataset, examples - validation, validation,
                                                arguments->seed < 0 ? 1 : (uint64_t)arguments->seed, &err);
    return status == GENSEG_OK ? TOOL_OK : tool_failed(to, status, &err);
}

int data_divide_again(console *to, genseg_dataset *dataset, const genseg_segmenter *segmenter)
{
    genseg_segmenter_info info = {.struct_size = sizeof info};
    genseg_error err;
    genseg_status status = genseg_segmenter_describe(segmenter, &info, &err);
    if (status == GENSEG_OK)
        status = genseg_segmenter_divide(segmenter, dataset, &err);
    if (status != GENSEG_OK)
        return tool_failed(to, status, &err);
    const data_counts counts = data_count(dataset);
    console_note(to,
                 "of the model's cases %lld of %lld for training and %lld of %lld for validation are here; %lld others "
                 "for testing",
                 (long long)counts.train, (long long)info.train_cases, (long long)counts.validation,
                 (long long)info.validation_cases, (long long)counts.test);
    return TOOL_OK;
}

data_counts data_count(const genseg_dataset *dataset)
{
    data_counts counts = {.none = 0};
    int64_t cases = genseg_dataset_size(dataset);
    for (int64_t i = 0; i < cases; i++) {
        switch (genseg_dataset_case_split(dataset, i)) {
        case GENSEG_SPLIT_TRAIN:
            counts.train++;
            break;
        case GENSEG_SPLIT_VALIDATION:
            counts.validation++;
            break;
        case GENSEG_SPLIT_TEST:
            counts.test++;
            break;
        default:
            counts.none++;
        }
    }
    return counts;
}
