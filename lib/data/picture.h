// Pictures for people: image | truth | prediction, labels in colour over grey.
#ifndef GSG_DATA_PICTURE_H
#define GSG_DATA_PICTURE_H

#include "data/dataset.h"

typedef struct gsg_picture {
    genseg_context *context;
    int64_t width;
    int64_t height;
    uint8_t *rgb; // height * width * 3
} gsg_picture;

// Panels side by side on one slice: the first channel of volume->image (from the
// slice's 0.5th to its 99.5th percentile), volume->label over it, and `prediction`
// (D, H, W) over it; a panel is left out where its map is NULL. In 3-D the slice
// along D with most foreground of truth, else of prediction, else the middle.
// The spacing makes pixels square; small images are enlarged to about 256 rows.
// The caller frees with gsg_picture_free(); left alone on error.
genseg_status gsg_picture_compose(genseg_context *context, const gsg_volume *volume, const int32_t *prediction,
                                  gsg_picture *picture, gsg_error *err);
// The same for a case of a data set, written as PNG. `prediction` holds label values; such that the data set
// has not get the colour after its last class.
genseg_status gsg_picture_save_case(genseg_dataset *dataset, int64_t index, const int32_t *prediction, const char *path,
                                    gsg_error *err);
void gsg_picture_free(gsg_picture *picture);

// Colour of a class, repeating after 12; class 0 is black.
void gsg_picture_colour(int32_t label, uint8_t rgb[3]);

#endif
