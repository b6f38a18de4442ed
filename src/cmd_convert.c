// genseg convert: a data set as one HDF5 file.
#include <inttypes.h>
#include <stdio.h>
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
    "\n"
    "Writes all cases of DATA to one HDF5 file: a group for each, with `image`, `label` and attributes\n"
    "for geometry and label names. The file opens as DATA in every command, and faster than a folder\n"
    "of compressed images.\n"
    "\n"
    "  --image-name, --label-name NAME   names of the data sets where DATA is HDF5 itself\n"
    "  --grey                            image files of three channels are read as one\n"
    "  --threads T, --memory 4G          limits\n"
    "  -q, --quiet                       print no result\n"
    "\n"
    "example: genseg convert scans/ scans.h5\n";

static bool check_names(console *to, const char *data, const char *out)
{
    const char *ending = strrchr(out, '.');
    if (!ending || (strcasecmp(ending, ".h5") != 0 && strcasecmp(ending, ".hdf5") != 0)) {
        console_error(to, "%s: the name must end in .h5 or .hdf5", out);
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

int cmd_convert(int argc, char **argv)
{
    static const char *const operands[] = {"DATA", "OUT.h5", NULL};
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
    genseg_error err;
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
    if (code == TOOL_OK && is_case(&to, dataset, out))
        code = TOOL_FAILED;
    if (code == TOOL_OK) {
        genseg_status status = genseg_dataset_save_hdf5(dataset, out, &err);
        code = status == GENSEG_OK ? TOOL_OK : tool_failed(&to, status, &err);
    }
    if (code == TOOL_OK && !common.quiet)
        printf("%s: %" PRId64 " cases\n", out, genseg_dataset_size(dataset));
    genseg_dataset_free(dataset);
    genseg_context_free(context);
    return code;
}
