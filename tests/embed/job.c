// The job of the embedding tests: see job.h. Public interface only.

#include "job.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 48
#define HEIGHT 32

static int fail(job_result *to, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    vsnprintf(to->message, sizeof to->message, format, words);
    va_end(words);
    to->failed = 1;
    return 0;
}

static int good(job_result *to, const char *call, genseg_status status, const genseg_error *err)
{
    return status == GENSEG_OK || fail(to, "%s: %s: %s", call, genseg_status_name(status), err->message);
}

static void add(job_result *to, double value)
{
    if (to->count < JOB_VALUES) {
        to->values[to->count++] = value;
    }
}

// Adds what every case holds: geometry, sum of the voxels, share of the foreground.
static int add_cases(genseg_dataset *dataset, job_result *to)
{
    static const int64_t most = (int64_t)HEIGHT * WIDTH;
    float *image = (float *)malloc((size_t)most * sizeof *image);
    int32_t *label = (int32_t *)malloc((size_t)most * sizeof *label);
    int ok = (image != NULL && label != NULL) || fail(to, "no memory");
    genseg_error err;
    for (int64_t i = 0; ok && i < genseg_dataset_size(dataset); ++i) {
        int64_t shape[4];
        double spacing[3];
        double sum = 0;
        double foreground = 0;
        ok = good(to, "case_info", genseg_dataset_case_info(dataset, i, shape, spacing, NULL, NULL, &err), &err);
        if (ok && shape[0] * shape[1] * shape[2] * shape[3] != most) {
            ok = fail(to, "case %d has another size", (int)i);
        }
        ok = ok && good(to, "case_read", genseg_dataset_case_read(dataset, i, image, label, &err), &err);
        for (int64_t v = 0; ok && v < most; ++v) {
            sum += (double)image[v];
            foreground += label[v] != 0;
        }
        add(to, sum);
        add(to, foreground);
        add(to, spacing[1]);
    }
    free(image);
    free(label);
    return ok;
}

// A case with spacings that a comma instead of a point would spoil.
static int add_fraction_case(genseg_dataset *dataset, job_result *to)
{
    static const double affine[16] = {0.625, 0, 0, -7.5, 0, 0.875, 0, 3.25, 0, 0, 1.5, 0, 0, 0, 0, 1};
    float image[HEIGHT * WIDTH];
    uint8_t label[HEIGHT * WIDTH];
    for (int i = 0; i < HEIGHT * WIDTH; ++i) {
        image[i] = (float)(i % 17) / 16.0f;
        label[i] = (uint8_t)(i % WIDTH > 20 && i / WIDTH > 9);
    }
    genseg_array images = {image, GENSEG_DTYPE_FLOAT32, 2, {HEIGHT, WIDTH, 0, 0, 0}, {4 * WIDTH, 4, 0, 0, 0}};
    genseg_array labels = {label, GENSEG_DTYPE_UINT8, 2, {HEIGHT, WIDTH, 0, 0, 0}, {WIDTH, 1, 0, 0, 0}};
    genseg_case item;
    memset(&item, 0, sizeof item);
    item.struct_size = sizeof item;
    item.name = "fraction";
    item.image = &images;
    item.label = &labels;
    item.affine = affine;
    genseg_error err;
    return good(to, "add", genseg_dataset_add(dataset, &item, &err), &err);
}

// From memory to an HDF5 file and back.
static int round_trip(genseg_context *context, const char *folder, job_result *to)
{
    char path[512];
    snprintf(path, sizeof path, "%s/set.h5", folder);
    genseg_dataset *written = NULL;
    genseg_dataset *read = NULL;
    genseg_error err;
    int ok = good(to, "new", genseg_dataset_new(context, &written, &err), &err) && add_fraction_case(written, to) &&
             good(to, "save", genseg_dataset_save_hdf5(written, path, &err), &err) &&
             good(to, "open", genseg_dataset_open(context, path, NULL, &read, &err), &err) && add_cases(read, to);
    if (ok && to->values[to->count - 1] != 0.875) {
        ok = fail(to, "%s: a spacing of 0.875 came back as %g", path, to->values[to->count - 1]);
    }
    genseg_dataset_free(read);
    genseg_dataset_free(written);
    return ok;
}

static int score(genseg_context *context, job_result *to)
{
    uint8_t one[HEIGHT * WIDTH];
    uint8_t other[HEIGHT * WIDTH];
    for (int i = 0; i < HEIGHT * WIDTH; ++i) {
        one[i] = (uint8_t)(i % WIDTH > 10 && i % WIDTH < 30 && i / WIDTH > 9);
        other[i] = (uint8_t)(i % WIDTH > 12 && i % WIDTH < 33 && i / WIDTH > 7);
    }
    genseg_array reference = {one, GENSEG_DTYPE_UINT8, 2, {HEIGHT, WIDTH, 0, 0, 0}, {WIDTH, 1, 0, 0, 0}};
    genseg_array prediction = {other, GENSEG_DTYPE_UINT8, 2, {HEIGHT, WIDTH, 0, 0, 0}, {WIDTH, 1, 0, 0, 0}};
    genseg_metrics scores[2];
    genseg_error err;
    if (!good(to, "metrics",
              genseg_metrics_evaluate(context, &reference, &prediction, NULL, scores, sizeof scores[0], &err), &err)) {
        return 0;
    }
    add(to, scores[1].dice);
    add(to, scores[1].hd95);
    add(to, scores[1].assd);
    return 1;
}

// The libraries behind the formats like to say on stderr what they think of such files.
static int open_bad_files(genseg_context *context, const char *folder, job_result *to)
{
    static const char *const names[] = {"text.h5", "text.png", "text.nii.gz", "text.nii", "text.jpg", "absent.h5"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        FILE *file = strncmp(names[i], "absent", 6) == 0 ? NULL : fopen(path, "w");
        if (file != NULL) {
            fputs("This is a text.\n", file);
            fclose(file);
        }
        genseg_dataset *dataset = NULL;
        genseg_error err;
        if (genseg_dataset_open(context, path, NULL, &dataset, &err) == GENSEG_OK) {
            genseg_dataset_free(dataset);
            return fail(to, "%s opened without an error", path);
        }
        add(to, err.status);
    }
    return 1;
}

void job_run(genseg_context *context, const char *folder, job_result *to)
{
    memset(to, 0, sizeof *to);
    genseg_phantom_options options;
    genseg_phantom_options_init(&options, sizeof options);
    options.count = 4;
    options.size[1] = HEIGHT;
    options.size[2] = WIDTH;
    genseg_dataset *dataset = NULL;
    genseg_error err;
    if (good(to, "phantom", genseg_dataset_phantom(context, &options, &dataset, &err), &err) &&
        add_cases(dataset, to) && round_trip(context, folder, to) && score(context, to)) {
        open_bad_files(context, folder, to);
    }
    genseg_dataset_free(dataset);
}

void job_run_alone(int threads, const char *folder, job_result *to)
{
    memset(to, 0, sizeof *to);
    genseg_context_options options;
    genseg_context_options_init(&options, sizeof options);
    options.threads = threads;
    genseg_context *context = NULL;
    genseg_error err;
    if (!good(to, "context", genseg_context_new(&options, &context, &err), &err)) {
        return;
    }
    uint64_t before = 0;
    uint64_t after = 0;
    genseg_context_memory(context, &before, NULL);
    job_run(context, folder, to);
    genseg_context_memory(context, &after, NULL);
    genseg_context_free(context);
    if (!to->failed && after != before) {
        fail(to, "%lld bytes more are held after the job than before", (long long)(after - before));
    }
}
