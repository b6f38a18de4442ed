// genseg convert: a data set as one HDF5 file, or as a folder of images and label maps.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <genseg/genseg.h>

#include "commands.h"
#include "tool_arguments.h"
#include "tool_console.h"
#include "tool_data.h"
#include "tool_output.h"

static const char help[] =
    "usage: genseg convert DATA OUT.h5 [options]\n"
    "       genseg convert DATA FOLDER/ [options]\n"
    "\n"
    "Writes all cases of DATA to one HDF5 file: a group for each, with `image`, `label` and attributes\n"
    "for geometry and label names. The file opens as DATA in every command, and faster than a folder\n"
    "of compressed images. Or to a new or empty folder, images/ beside labels/: PNG of 2-D images with\n"
    "1 or 3 channels (8 bits), else NIfTI (.nii.gz).\n"
    "\n"
    "  --image-name, --label-name NAME   names of the data sets where DATA is HDF5 itself\n"
    "  --grey                            image files of three channels are read as one\n"
    "  --threads T, --memory 4G          limits\n"
    "  -q, --quiet                       print no result\n"
    "\n"
    "example: genseg convert scans/ scans.h5\n";

static bool is_folder(const char *out)
{
    return output_is_folder(out) || out[strlen(out) - 1] == '/';
}

static bool check_names(console *to, const char *data, const char *out)
{
    if (*out && is_folder(out))
        return output_check_empty(to, out);
    const char *ending = strrchr(out, '.');
    if (!ending || (strcasecmp(ending, ".h5") != 0 && strcasecmp(ending, ".hdf5") != 0)) {
        console_error(to, "%s: the name must end in .h5 or .hdf5, or in / for a folder", out);
        return false;
    }
    if (output_same_file(data, out)) {
        console_error(to, "%s: is the input; give the output a name of its own", out);
        return false;
    }
    return output_check_file(to, out, OUTPUT_HDF5);
}

static bool is_case(console *to, const genseg_dataset *dataset, const char *out)
{
    int64_t cases = genseg_dataset_size(dataset);
    for (int64_t i = 0; i < cases; i++) {
        const char *path = genseg_dataset_case_path(dataset, i);
        if (!path || !output_same_file(path, out))
            continue;
        console_error(to, "%s: is an input; give the output a name of its own", out);
        return true;
    }
    return false;
}

// FOLDER/images/NAME.png and FOLDER/labels/NAME.png, or .nii.gz.
static genseg_status write_case(genseg_dataset *dataset, int64_t index, const char *images, const char *labels,
                                const char *extension, genseg_error *err)
{
    int64_t shape[4];
    int32_t labelled;
    char *path = output_join(images, genseg_dataset_case_name(dataset, index), "", extension);
    genseg_status status = path ? genseg_dataset_save_image(dataset, index, path, err) : GENSEG_ERROR_NOMEM;
    free(path);
    if (status == GENSEG_OK)
        status = genseg_dataset_case_info(dataset, index, shape, NULL, NULL, &labelled, err);
    if (status != GENSEG_OK || !labelled)
        return status;
    const int64_t count = shape[1] * shape[2] * shape[3];
    int32_t *label = malloc((size_t)count * sizeof *label);
    path = output_join(labels, genseg_dataset_case_name(dataset, index), "", extension);
    status = label && path ? genseg_dataset_case_read(dataset, index, NULL, label, err) : GENSEG_ERROR_NOMEM;
    for (int64_t i = 0; status == GENSEG_OK && i < count; i++)
        label[i] = (int32_t)genseg_dataset_label_value(dataset, label[i]);
    const genseg_array array = {.data = label,
                                .dtype = GENSEG_DTYPE_INT32,
                                .ndim = 3,
                                .shape = {shape[1], shape[2], shape[3]},
                                .strides = {4 * shape[2] * shape[3], 4 * shape[3], 4}};
    if (status == GENSEG_OK)
        status = genseg_dataset_save_label(dataset, index, &array, path, err);
    free(path);
    free(label);
    return status;
}

static int write_folder(console *to, genseg_dataset *dataset, const char *out)
{
    const int32_t channels = genseg_dataset_channels(dataset);
    const bool flat = genseg_dataset_ndim(dataset) == 2 && (channels == 1 || channels == 3);
    char *images = output_join(out, "images", "", ""), *labels = output_join(out, "labels", "", "");
    bool made = false, good = images && labels;
    int code = TOOL_OK;
    for (int64_t i = 0; i < genseg_dataset_size(dataset) && good; i++)
        if (strchr(genseg_dataset_case_name(dataset, i), '/')) {
            console_error(to, "%s: a case's name that can't be a file's", genseg_dataset_case_name(dataset, i));
            good = false;
        }
    good = good && output_check_folder(to, out, &made) && output_check_folder(to, images, &made) &&
           output_check_folder(to, labels, &made);
    genseg_error err = {.message = "out of memory"};
    for (int64_t i = 0; i < genseg_dataset_size(dataset) && good && code == TOOL_OK; i++) {
        genseg_status status = write_case(dataset, i, images, labels, flat ? ".png" : ".nii.gz", &err);
        if (status != GENSEG_OK)
            code = tool_failed(to, status, &err);
    }
    free(images);
    free(labels);
    return good ? code : TOOL_FAILED;
}

static int write_file(console *to, genseg_dataset *dataset, const char *out)
{
    genseg_error err;
    if (is_case(to, dataset, out))
        return TOOL_FAILED;
    genseg_status status = genseg_dataset_save_hdf5(dataset, out, &err);
    return status == GENSEG_OK ? TOOL_OK : tool_failed(to, status, &err);
}

int cmd_convert(int argc, char **argv)
{
    static const char *const operands[] = {"DATA", "OUT", NULL};
    static const tool_command command = {.name = "convert", .help = help, .operands = operands};
    tool_common common = {.threads = 0};
    data_arguments names = {.image_name = NULL};
    const argument list[] = {
        ARGUMENTS_LIMITS(common),
        ARGUMENTS_QUIET(common),
        {.name = "image-name", .kind = ARGUMENT_TEXT, .target = &names.image_name},
        {.name = "label-name", .kind = ARGUMENT_TEXT, .target = &names.label_name},
        {.name = "grey", .kind = ARGUMENT_FLAG, .target = &names.grey},
        {.name = NULL},
    };
    genseg_dataset *dataset = NULL;
    console to;
    int first, code;
    if (!arguments_parse(&command, list, argc, argv, &first, &code))
        return code;
    console_init(&to, common.quiet);
    const char *data = argv[first], *out = argv[first + 1];
    if (!check_names(&to, data, out))
        return TOOL_FAILED;
    genseg_context *context = tool_context(&to, &common, -1, &to);
    if (!context)
        return TOOL_FAILED;
    code = data_open(&to, context, data, &names, &dataset);
    if (code == TOOL_OK)
        code = (is_folder(out) ? write_folder : write_file)(&to, dataset, out);
    if (code == TOOL_OK && !common.quiet)
        printf("%s: %" PRId64 " cases\n", out, genseg_dataset_size(dataset));
    genseg_dataset_free(dataset);
    genseg_context_free(context);
    return code;
}
