// Trains a small generator and makes images of label maps: each map as it is and three times warped, as PNG.
// usage: synthesize [FOLDER [DATA [STEPS]]]
// FOLDER gets CASE-real.png and CASE-label.png, and of each image CASE-NUMBER.png and CASE-NUMBER-label.png.

#include <genseg/genseg.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { IMAGES = 3, CASES = 2 };

static genseg_status open_data(genseg_context *context, const char *path, genseg_dataset **data, genseg_error *err)
{
    genseg_phantom_options options;
    if (path)
        return genseg_dataset_open(context, path, NULL, data, err);
    genseg_phantom_options_init(&options, sizeof options);
    options.size[1] = options.size[2] = 64;
    return genseg_dataset_phantom(context, &options, data, err);
}

static int train(genseg_context *context, genseg_dataset *data, long steps, genseg_generator **generator,
                 genseg_error *err)
{
    genseg_trainer *trainer = NULL;
    genseg_trainer_options options;
    genseg_trainer_options_init(&options, sizeof options);
    options.method = "separate"; // the generator beforehand; "genseg" lets the segmenter's validation shape it
    options.gan_steps = steps;
    options.steps = 1; // of the segmenter, which isn't wanted here
    options.width = options.generator_width = options.discriminator_width = 8;
    const int failed = genseg_trainer_new(context, data, &options, &trainer, err) ||
                       genseg_trainer_run(trainer, NULL, NULL, err) ||
                       genseg_trainer_generator(trainer, generator, err);
    genseg_trainer_free(trainer);
    return failed;
}

// The label map of a case, in label values rather than classes.
static genseg_status save_label(genseg_dataset *data, int64_t index, const char *path, genseg_error *err)
{
    int64_t shape[4];
    genseg_status status = genseg_dataset_case_info(data, index, shape, NULL, NULL, NULL, err);
    if (status != GENSEG_OK)
        return status;
    const int64_t count = shape[1] * shape[2] * shape[3];
    int32_t *label = malloc((size_t)count * sizeof *label);
    if (!label)
        return snprintf(err->message, sizeof err->message, "out of memory"), err->status = GENSEG_ERROR_NOMEM;
    const genseg_array map = {label, GENSEG_DTYPE_INT32, 2, {shape[2], shape[3]}, {4 * shape[3], 4}};
    status = genseg_dataset_case_read(data, index, NULL, label, err);
    for (int64_t i = 0; status == GENSEG_OK && i < count; ++i)
        label[i] = (int32_t)genseg_dataset_label_value(data, label[i]);
    if (status == GENSEG_OK)
        status = genseg_dataset_save_label(data, index, &map, path, err);
    free(label);
    return status;
}

static genseg_status make_images(const genseg_generator *generator, genseg_dataset *data, int64_t index,
                                 const char *folder, genseg_error *err)
{
    char label[512], image[512], warped[512];
    const char *name = genseg_dataset_case_name(data, index);
    genseg_synthesize_options options;
    genseg_synthesize_options_init(&options, sizeof options);
    snprintf(label, sizeof label, "%s/%s-label.png", folder, name);
    snprintf(image, sizeof image, "%s/%s-real.png", folder, name);
    genseg_status status = genseg_dataset_save_image(data, index, image, err);
    if (status == GENSEG_OK)
        status = save_label(data, index, label, err);
    for (int i = 0; i <= IMAGES && status == GENSEG_OK; ++i) { // the first one of the map as it is
        options.warp = i > 0;
        options.number = i;
        snprintf(image, sizeof image, "%s/%s-%d.png", folder, name, i);
        snprintf(warped, sizeof warped, "%s/%s-%d-label.png", folder, name, i);
        status = genseg_generator_run_file(generator, label, &options, image, warped, err);
    }
    return status;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "synthetic";
    const long steps = argc > 3 ? strtol(argv[3], NULL, 10) : 600;
    if (argc > 4 || steps <= 0 || folder[0] == '-') {
        fprintf(stderr, "usage: %s [FOLDER [DATA [STEPS]]]\n", argv[0]);
        return 2;
    }
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return fprintf(stderr, "synthesize: %s: %s\n", folder, strerror(errno)), 1;
    genseg_error err;
    genseg_context *context = NULL;
    genseg_dataset *data = NULL;
    genseg_generator *generator = NULL;
    int failed = genseg_context_new(NULL, &context, &err) ||
                 open_data(context, argc > 2 ? argv[2] : NULL, &data, &err) ||
                 genseg_dataset_split(data, -1, 0, 1, &err) || train(context, data, steps, &generator, &err);
    for (int64_t i = 0; i < CASES && i < genseg_dataset_size(data) && !failed; ++i)
        failed = make_images(generator, data, i, folder, &err) != GENSEG_OK;
    if (failed)
        fprintf(stderr, "synthesize: %s: %s\n", genseg_status_name(err.status), err.message);
    else
        printf("%s: %d synthetic images of each of %d label maps\n", folder, IMAGES + 1, CASES);
    genseg_generator_free(generator);
    genseg_dataset_free(data);
    genseg_context_free(context);
    return failed ? 1 : 0;
}
