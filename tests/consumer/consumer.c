// A host program as small as it gets, valid C99 and C++11: opens a phantom data set and prints
// what is in it. Compiled against the installed headers and library only.

#include <genseg/genseg.h>

#include <stdio.h>

static int fail(const char *call, const genseg_error *err)
{
    fprintf(stderr, "%s: %s: %s\n", call, genseg_status_name(err->status), err->message);
    return 1;
}

static int print_sizes(genseg_context *context)
{
    genseg_error err;
    genseg_phantom_options options;
    genseg_phantom_options_init(&options, sizeof options);
    options.count = 3;
    options.size[1] = 48;
    options.size[2] = 64;
    genseg_dataset *dataset = NULL;
    if (genseg_dataset_phantom(context, &options, &dataset, &err) != GENSEG_OK) {
        return fail("genseg_dataset_phantom", &err);
    }
    int failed = 0;
    printf("%d cases of %d classes\n", (int)genseg_dataset_size(dataset), (int)genseg_dataset_classes(dataset));
    for (int64_t i = 0; i < genseg_dataset_size(dataset) && !failed; ++i) {
        int64_t shape[4];
        if (genseg_dataset_case_info(dataset, i, shape, NULL, NULL, NULL, &err) != GENSEG_OK) {
            failed = fail("genseg_dataset_case_info", &err);
        } else {
            printf("%d x %d x %d x %d\n", (int)shape[0], (int)shape[1], (int)shape[2], (int)shape[3]);
        }
    }
    genseg_dataset_free(dataset);
    return failed;
}

int main(void)
{
    genseg_error err;
    genseg_context *context = NULL;
    if (genseg_context_new(NULL, &context, &err) != GENSEG_OK) {
        return fail("genseg_context_new", &err);
    }
    printf("genseg %s, headers %s\n", genseg_version(), GENSEG_VERSION_STRING);
    int failed = print_sizes(context);
    genseg_context_free(context);
    return failed;
}
