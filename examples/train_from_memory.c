// Trains on images that are in memory already, saves the model and segments a new image with it.
// usage: train_from_memory [MODEL.safetensors [STEPS]]

#include <genseg/genseg.h>

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 64, CASES = 12 };

// Stands for the host's own data: a bright ellipse in noise, 12 bits a pixel, and its mask of 0 and 255.
static void draw(unsigned seed, uint16_t *image, uint8_t *mask)
{
    const double x = 20 + seed * 7 % 25, y = 20 + seed * 11 % 25, a = 7 + seed % 6, b = 7 + seed * 5 % 6;
    for (int i = 0; i < SIDE * SIDE; ++i) {
        const double u = (i % SIDE - x) / a, v = (i / SIDE - y) / b;
        seed = seed * 1664525u + 1013904223u;
        mask[i] = u * u + v * v < 1 ? 255 : 0;
        image[i] = (uint16_t)((mask[i] ? 1200 : 800) + (seed >> 23));
    }
}

// A view of `data`, dense: nothing is copied until the library is called.
static genseg_array view(void *data, int32_t dtype)
{
    const int64_t bytes = (int64_t)genseg_dtype_size(dtype);
    genseg_array array = {data, dtype, 2, {SIDE, SIDE}, {SIDE * bytes, bytes}};
    return array;
}

static genseg_status fill(genseg_dataset *data, genseg_error *err)
{
    static uint16_t image[SIDE * SIDE];
    static uint8_t mask[SIDE * SIDE];
    const genseg_array pixels = view(image, GENSEG_DTYPE_UINT16), labels = view(mask, GENSEG_DTYPE_UINT8);
    // 0.4 mm a pixel, as rows of the matrix from (column, row, slice) to millimetres. NULL: unknown.
    const double affine[16] = {0.4, 0, 0, 0, 0, 0.4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    genseg_status status = GENSEG_OK;
    for (unsigned i = 0; i < CASES && status == GENSEG_OK; ++i) {
        char name[16];
        snprintf(name, sizeof name, "case-%02u", i);
        draw(i + 1, image, mask);
        genseg_case item = {sizeof item, name, NULL, &pixels, &labels, affine, 0, 0};
        status = genseg_dataset_add(data, &item, err); // copies
    }
    return status;
}

static genseg_status predict_new(const genseg_segmenter *segmenter, genseg_error *err)
{
    static uint16_t image[SIDE * SIDE];
    static uint8_t truth[SIDE * SIDE], found[SIDE * SIDE];
    const genseg_array pixels = view(image, GENSEG_DTYPE_UINT16), labels = view(found, GENSEG_DTYPE_UINT8);
    draw(1000, image, truth);
    genseg_status status = genseg_segmenter_predict(segmenter, &pixels, NULL, NULL, &labels, NULL, err);
    if (status != GENSEG_OK)
        return status;
    int both = 0, sum = 0;
    for (int i = 0; i < SIDE * SIDE; ++i) {
        both += found[i] && truth[i];
        sum += (found[i] != 0) + (truth[i] != 0);
    }
    printf("a new image: Dice %.3f\n", sum ? 2.0 * both / sum : 1.0);
    return GENSEG_OK;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "model.safetensors";
    const long steps = argc > 2 ? strtol(argv[2], NULL, 10) : 100;
    if (argc > 3 || steps <= 0 || path[0] == '-') {
        fprintf(stderr, "usage: %s [MODEL.safetensors [STEPS]]\n", argv[0]);
        return 2;
    }
    genseg_trainer_options options;
    genseg_trainer_options_init(&options, sizeof options);
    options.method = "augment"; // quick; the default, "genseg", trains a generator beside
    options.width = 8;          // narrow: the images are simple
    options.steps = steps;

    genseg_error err;
    genseg_context *context = NULL;
    genseg_dataset *data = NULL;
    genseg_trainer *trainer = NULL;
    genseg_segmenter *segmenter = NULL;
    // Each call gives 0 or an error, and the first error ends the chain.
    const int failed = genseg_context_new(NULL, &context, &err) || genseg_dataset_new(context, &data, &err) ||
                       fill(data, &err) || genseg_dataset_split(data, 9, 3, 1, &err) ||
                       genseg_trainer_new(context, data, &options, &trainer, &err) ||
                       genseg_trainer_run(trainer, NULL, NULL, &err) ||
                       genseg_trainer_segmenter(trainer, &segmenter, &err) ||
                       genseg_segmenter_save(segmenter, path, &err) || predict_new(segmenter, &err);
    if (failed)
        fprintf(stderr, "train_from_memory: %s: %s\n", genseg_status_name(err.status), err.message);
    else
        printf("%s: validation Dice %.3f after %ld steps\n", path, genseg_trainer_best_dice(trainer), steps);
    genseg_segmenter_free(segmenter); // NULL is fine, and the order is free
    genseg_trainer_free(trainer);
    genseg_dataset_free(data);
    genseg_context_free(context);
    return failed ? 1 : 0;
}
