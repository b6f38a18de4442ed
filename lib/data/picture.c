// Pictures for people (data/picture.h): one slice, a panel each for the image,
// the truth and the prediction. Labels are tinted, their borders drawn solid.
#include "data/picture.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "data/normalise.h"
#include "data/resample.h"

#define ROWS 256     // to which small slices are enlarged
#define LARGEST 2048 // pixels of a panel's side
#define GAP 6
#define GAP_GREY 32
#define TINT 0.35

typedef struct slice {
    int64_t size[3];   // 1, H, W of the volume
    int64_t pixels[3]; // 1, H, W of a panel
    float *grey;       // pixels, -1 to 1
    int32_t *label;    // pixels
} slice;

void gsg_picture_colour(int32_t label, uint8_t rgb[3])
{
    // Distinct to the colour-blind as far as twelve can be (after Okabe and Ito).
    static const uint8_t colours[12][3] = {{230, 60, 50},   {0, 158, 115},   {86, 160, 240}, {240, 228, 66},
                                           {204, 121, 167}, {230, 159, 0},   {0, 200, 210},  {150, 90, 220},
                                           {150, 200, 60},  {250, 170, 150}, {0, 100, 170},  {170, 110, 60}};
    static const uint8_t black[3] = {0, 0, 0};
    memcpy(rgb, label > 0 ? colours[(label - 1) % 12] : black, 3);
}

void gsg_picture_free(gsg_picture *picture)
{
    if (picture->context != NULL)
        gsg_free(picture->context, picture->rgb);
    memset(picture, 0, sizeof *picture);
}

static int64_t choose_slice(const gsg_volume *volume, const int32_t *prediction)
{
    const int32_t *maps[2] = {volume->label, prediction};
    int64_t plane = volume->size[1] * volume->size[2];
    for (int32_t m = 0; m < 2; m++) {
        int64_t best = 0, best_count = 0;
        for (int64_t d = 0; d < volume->size[0] && maps[m] != NULL; d++) {
            int64_t count = 0;
            for (int64_t i = 0; i < plane; i++)
                count += maps[m][d * plane + i] > 0;
            if (count > best_count) {
                best = d;
                best_count = count;
            }
        }
        if (best_count > 0)
            return best;
    }
    return volume->size[0] / 2;
}

// Pixels are squares of the finer spacing, or smaller where few.
static void choose_pixels(const gsg_volume *volume, int64_t pixels[3])
{
    double height = (double)volume->size[1] * volume->geometry.spacing[1];
    double width = (double)volume->size[2] * volume->geometry.spacing[2];
    double finest = fmin(volume->geometry.spacing[1], volume->geometry.spacing[2]);
    double pixel = fmin(finest, height / ROWS);
    pixel = fmax(pixel, fmax(height, width) / LARGEST);
    pixels[0] = 1;
    pixels[1] = (int64_t)fmax(1, round(height / pixel));
    pixels[2] = (int64_t)fmax(1, round(width / pixel));
}

static void draw_grey(const slice *cut, gsg_picture *picture, int64_t left)
{
    for (int64_t h = 0; h < cut->pixels[1]; h++)
        for (int64_t w = 0; w < cut->pixels[2]; w++) {
            float value = (cut->grey[h * cut->pixels[2] + w] + 1) * 127.5f;
            uint8_t grey = (uint8_t)(value < 0 ? 0 : (value > 255 ? 255 : value + 0.5f));
            memset(picture->rgb + (h * picture->width + left + w) * 3, grey, 3);
        }
}

// A pixel of a class that borders on another class, above, below or beside.
static int32_t is_border(const slice *cut, int64_t h, int64_t w)
{
    int64_t height = cut->pixels[1], width = cut->pixels[2], at = h * width + w;
    int32_t own = cut->label[at];
    return (h > 0 && cut->label[at - width] != own) || (h + 1 < height && cut->label[at + width] != own) ||
           (w > 0 && cut->label[at - 1] != own) || (w + 1 < width && cut->label[at + 1] != own);
}

static void draw_label(const slice *cut, gsg_picture *picture, int64_t left)
{
    for (int64_t h = 0; h < cut->pixels[1]; h++)
        for (int64_t w = 0; w < cut->pixels[2]; w++) {
            int32_t label = cut->label[h * cut->pixels[2] + w];
            if (label <= 0)
                continue;
            uint8_t colour[3], *pixel = picture->rgb + (h * picture->width + left + w) * 3;
            gsg_picture_colour(label, colour);
            double part = is_border(cut, h, w) ? 1 : TINT;
            for (int32_t c = 0; c < 3; c++)
                pixel[c] = (uint8_t)(pixel[c] + part * ((double)colour[c] - pixel[c]) + 0.5);
        }
}

static genseg_status compose_panels(genseg_context *context, const gsg_volume *volume, const int32_t *prediction,
                                    int64_t depth, slice *cut, gsg_picture *picture, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    int64_t plane = volume->size[1] * volume->size[2];
    const int32_t *maps[2] = {volume->label, prediction};
    float *values = gsg_alloc(context, (size_t)plane, sizeof *values);
    if (values == NULL)
        GSG_TRY(gsg_error_nomem(err, (size_t)plane * sizeof *values));
    memcpy(values, volume->image + depth * plane, (size_t)plane * sizeof *values);
    GSG_TRY(gsg_normalise(context, GSG_NORMALISE_PERCENTILE, values, 1, plane, err));
    GSG_TRY(gsg_resample_linear(context, values, 1, cut->size, cut->grey, cut->pixels, err));
    memset(picture->rgb, GAP_GREY, (size_t)(picture->width * picture->height * 3));
    draw_grey(cut, picture, 0);
    int64_t left = 0;
    for (int32_t m = 0; m < 2; m++) {
        if (maps[m] == NULL)
            continue;
        left += cut->pixels[2] + GAP;
        draw_grey(cut, picture, left);
        GSG_TRY(gsg_resample_nearest(context, maps[m] + depth * plane, cut->size, cut->label, cut->pixels, err));
        draw_label(cut, picture, left);
    }
done:
    gsg_free(context, values);
    return status;
}

genseg_status gsg_picture_compose(genseg_context *context, const gsg_volume *volume, const int32_t *prediction,
                                  gsg_picture *picture, gsg_error *err)
{
    if (volume->image == NULL)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "there is no image to draw");
    genseg_status status = GENSEG_OK;
    int64_t panels = 1 + (volume->label != NULL) + (prediction != NULL);
    slice cut = {.size = {1, volume->size[1], volume->size[2]}};
    choose_pixels(volume, cut.pixels);
    gsg_picture made = {
        .context = context, .width = panels * cut.pixels[2] + (panels - 1) * GAP, .height = cut.pixels[1]};
    size_t count = (size_t)(cut.pixels[1] * cut.pixels[2]), bytes = (size_t)(made.width * made.height) * 3;
    made.rgb = gsg_alloc(context, bytes, 1);
    cut.grey = gsg_alloc(context, count, sizeof *cut.grey);
    cut.label = gsg_alloc(context, count, sizeof *cut.label);
    if (made.rgb == NULL || cut.grey == NULL || cut.label == NULL)
        GSG_TRY(gsg_error_nomem(err, bytes + count * (sizeof *cut.grey + sizeof *cut.label)));
    GSG_TRY(compose_panels(context, volume, prediction, choose_slice(volume, prediction), &cut, &made, err));
    *picture = made;
    made.rgb = NULL;
done:
    gsg_free(context, cut.grey);
    gsg_free(context, cut.label);
    gsg_free(context, made.rgb);
    return status;
}

static int32_t *to_classes(const genseg_dataset *dataset, const int32_t *values, int64_t voxels)
{
    int32_t *classes = gsg_alloc(dataset->context, (size_t)voxels, sizeof *classes);
    for (int64_t i = 0; classes && i < voxels; i++) {
        int32_t k = 0;
        while (k < dataset->classes && dataset->values[k] != values[i])
            k++;
        classes[i] = k;
    }
    return classes;
}

genseg_status gsg_picture_save_case(genseg_dataset *dataset, int64_t index, const int32_t *prediction, const char *path,
                                    gsg_error *err)
{
    genseg_context *context = dataset->context;
    gsg_volume volume;
    gsg_picture picture = {.context = context};
    int32_t *classes = NULL;
    gsg_volume_init(&volume, context);
    genseg_status status;
    GSG_TRY(gsg_dataset_read(dataset, index, &volume, err));
    if (prediction) {
        classes = to_classes(dataset, prediction, gsg_volume_count(&volume));
        if (!classes)
            GSG_TRY(gsg_error_nomem(err, (size_t)gsg_volume_count(&volume) * sizeof *classes));
    }
    GSG_TRY(gsg_picture_compose(context, &volume, classes, &picture, err));
    GSG_TRY(gsg_picture_write(context, path, picture.rgb, picture.height, picture.width, err));
done:
    gsg_free(context, classes);
    gsg_picture_free(&picture);
    gsg_volume_free(&volume);
    return status;
}
