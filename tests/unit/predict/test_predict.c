// Prediction through arrays: shapes, dtypes and strides of what goes in and out,
// preprocessing, and what is refused.
#include <math.h>

#include "data_files.h"
#include "faults.h"
#include "segmenter_model.h"

static const model flat = {{2, 2, 1, 3, 4},     GENSEG_NORMALISE_PERCENTILE,
                           GENSEG_SCALE_NATIVE, {1, 16, 16},
                           {1, 1, 1},           {-5, 0, 300},
                           {"a", "b", "c"},     {0}};
static const model binary = {
    {2, 2, 1, 1, 4}, GENSEG_NORMALISE_ZSCORE, GENSEG_SCALE_NATIVE, {1, 16, 32}, {1, 1, 1}, {0, 200}, {"a", "b"}, {0}};
static const model coloured = {
    {2, 1, 3, 2, 4}, GENSEG_NORMALISE_PERCENTILE, GENSEG_SCALE_NATIVE, {1, 16, 16}, {1, 1, 1}, {1, 2}, {"a", "b"}, {0}};
static const model resized = {{2, 2, 1, 3, 4},     GENSEG_NORMALISE_PERCENTILE,
                              GENSEG_SCALE_RESIZE, {1, 32, 24},
                              {1, 1, 1},           {0, 1, 2},
                              {"a", "b", "c"},     {0}};
static const model solid = {
    {3, 1, 1, 1, 4}, GENSEG_NORMALISE_PERCENTILE, GENSEG_SCALE_NATIVE, {8, 8, 8}, {1, 1, 1}, {0, 255}, {"a", "b"}, {0}};
static const model layered = {{3, 1, 2, 3, 4},      GENSEG_NORMALISE_ZSCORE,
                              GENSEG_SCALE_SPACING, {4, 8, 8},
                              {3, 1, 0.5},          {0, 7, 9},
                              {"a", "b", "c"},      {0}};

static genseg_context *context;

static void predict(const genseg_segmenter *segmenter, const model_case *c, const double *affine)
{
    CK_OK(genseg_segmenter_predict(segmenter, &c->image, affine, NULL, &c->label, &c->probability, err));
}

// Sums of 1; labels of the greatest, the lower one where two are equal; the sigmoid's class 1 above 1/2.
static void check_results(const model *m, const model_case *c)
{
    const int32_t classes = model_classes(m);
    bool seen[MODEL_MOST_CLASSES] = {false};
    for (int64_t i = 0; i < c->voxels; i++) {
        int32_t best = 0;
        double sum = 0;
        for (int32_t k = 0; k < classes; k++) {
            const float p = c->planes[k * c->voxels + i];
            ck_assert(p >= 0 && p <= 1);
            sum += (double)p;
            if (p > c->planes[best * c->voxels + i])
                best = k;
        }
        ck_assert_double_eq_tol(sum, 1, 1e-5);
        if (m->unet.outputs == 1)
            best = c->planes[c->voxels + i] > 0.5f;
        ck_assert_msg(c->classes[i] == m->values[best], "voxel %lld is %d, not %d", (long long)i, c->classes[i],
                      m->values[best]);
        seen[best] = true;
    }
    if (c->voxels > 100) // else the test shows little
        ck_assert_int_ge(seen[0] + seen[1] + seen[2], 2);
}

// Smaller than the tile, equal, no multiple, larger; a single voxel.
START_TEST(images_of_any_size)
{
    static const struct {
        const model *model;
        int64_t d, h, w;
    } cases[] = {{&flat, 1, 16, 16},    {&flat, 1, 5, 7},     {&flat, 1, 1, 1},      {&flat, 1, 41, 37},
                 {&flat, 1, 3, 90},     {&binary, 1, 16, 32}, {&binary, 1, 50, 61},  {&coloured, 1, 16, 16},
                 {&coloured, 1, 9, 40}, {&resized, 1, 80, 9}, {&resized, 1, 32, 24}, {&solid, 8, 8, 8},
                 {&solid, 3, 5, 7},     {&solid, 13, 9, 21},  {&layered, 9, 8, 13},  {&layered, 1, 1, 1}};
    context = context_with(2, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const model *m = cases[i].model;
        genseg_segmenter *segmenter = model_made(context, m);
        model_case c = model_case_new(m, cases[i].d, cases[i].h, cases[i].w);
        predict(segmenter, &c, NULL);
        check_results(m, &c);
        // Either result alone, or none, and an axis for the single channel: the same.
        model_case same = model_case_new(m, cases[i].d, cases[i].h, cases[i].w);
        if (m->unet.channels == 1) {
            gsg_shape shape = {same.image.ndim + 1, {1}};
            memcpy(shape.dims + 1, same.image.shape, (size_t)same.image.ndim * sizeof *shape.dims);
            same.image = gsg_array_dense(same.pixels, GENSEG_DTYPE_FLOAT32, shape);
        }
        CK_OK(genseg_segmenter_predict(segmenter, &same.image, NULL, NULL, NULL, NULL, err));
        ck_assert(model_case_untouched(&same));
        CK_OK(genseg_segmenter_predict(segmenter, &same.image, NULL, NULL, &same.label, NULL, err));
        CK_OK(genseg_segmenter_predict(segmenter, &same.image, NULL, NULL, NULL, &same.probability, err));
        ck_assert_mem_eq(same.classes, c.classes, (size_t)c.voxels * sizeof *c.classes);
        ck_assert_mem_eq(same.planes, c.planes, (size_t)c.probabilities * sizeof *c.planes);
        model_case_free(&same);
        model_case_free(&c);
        genseg_segmenter_free(segmenter);
        ck_assert_uint_eq(atomic_load(&context->memory), 0);
    }
    context_close(context);
}
END_TEST

// What preprocessing and the tiled network give by themselves (they have tests of their own).
static void check_by_hand(const genseg_segmenter *segmenter, const model_case *c, const double *affine,
                          const int64_t working[3])
{
    gsg_volume volume, work;
    gsg_predictor *predictor = NULL;
    const int32_t channels = (int32_t)segmenter->unet.channels;
    gsg_volume_init(&volume, context);
    CK_OK(gsg_volume_set_image(&volume, &c->image, channels > 1 ? channels : 0, affine, "image", err));
    CK_OK(gsg_preprocess_image(context, &segmenter->preprocess, &volume, &work, err));
    ck_assert_mem_eq(work.size, working, sizeof work.size);
    CK_OK(gsg_predictor_new(context, &segmenter->unet, segmenter->params, segmenter->preprocess.size, &predictor, err));
    gsg_predict_job job = {.volume = &work, .overlap = 0.5};
    memcpy(job.size, volume.size, sizeof job.size);
    job.classes = gsg_alloc(context, (size_t)c->voxels, 1);
    job.probability = gsg_alloc(context, (size_t)c->probabilities, sizeof *job.probability);
    CK_OK(gsg_predictor_run(predictor, &job, err));
    ck_assert_mem_eq(job.probability, c->planes, (size_t)c->probabilities * sizeof *c->planes);
    for (int64_t i = 0; i < c->voxels; i++)
        ck_assert_int_eq(c->classes[i], segmenter->values[job.classes[i]]);
    gsg_free(context, job.classes);
    gsg_free(context, job.probability);
    gsg_predictor_free(predictor);
    gsg_volume_free(&work);
    gsg_volume_free(&volume);
}

// Spacing 3, 1, 0.5 of the network; the image's is 1.5, 2, 0.25 in a left-handed, turned frame.
START_TEST(images_are_resampled)
{
    const double affine[16] = {0, -2, 0, 5, 0.25, 0, 0, -7, 0, 0, -1.5, 1, 0, 0, 0, 1};
    context = context_with(2, 0);
    genseg_segmenter *segmenter = model_made(context, &layered);
    model_case c = model_case_new(&layered, 10, 7, 30);
    predict(segmenter, &c, affine);
    check_results(&layered, &c);
    check_by_hand(segmenter, &c, affine, (int64_t[]){5, 14, 15});
    predict(segmenter, &c, NULL); // nothing known of the spacing
    check_by_hand(segmenter, &c, NULL, (int64_t[]){10, 7, 30});
    model_case_free(&c);
    genseg_segmenter_free(segmenter);

    segmenter = model_made(context, &resized);
    c = model_case_new(&resized, 1, 70, 41);
    predict(segmenter, &c, affine);
    check_by_hand(segmenter, &c, affine, (int64_t[]){1, 32, 24});
    model_case_free(&c);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

// The image, whole numbers of 0 to 119, in each dtype; rows upside down, every third column of a wider array.
START_TEST(images_of_any_dtype_and_strides)
{
    enum { H = 21, W = 18, WIDE = 3 * W };
    context = context_with(2, 0);
    genseg_segmenter *segmenter = model_made(context, &flat);
    model_case c = model_case_new(&flat, 1, H, W), dense = model_case_new(&flat, 1, H, W);
    for (int i = 0; i < H * W; i++)
        c.pixels[i] = dense.pixels[i] = floorf(c.pixels[i] * 0.6f);
    predict(segmenter, &dense, NULL);
    for (int32_t dtype = GENSEG_DTYPE_UINT8; dtype <= GENSEG_DTYPE_FLOAT64; dtype++) {
        const int64_t bytes = (int64_t)genseg_dtype_size(dtype);
        char *buffer = malloc((size_t)(H * WIDE * bytes));
        memset(buffer, 0x7F, (size_t)(H * WIDE * bytes));
        c.image = (genseg_array){.data = buffer + (H - 1) * WIDE * bytes + 2 * bytes,
                                 .dtype = dtype,
                                 .ndim = 2,
                                 .shape = {H, W},
                                 .strides = {-WIDE * bytes, 3 * bytes}};
        gsg_array_from_float(c.pixels, &c.image);
        model_case_reset(&c);
        predict(segmenter, &c, NULL);
        ck_assert_mem_eq(c.classes, dense.classes, H * W * sizeof *c.classes);
        ck_assert_mem_eq(c.planes, dense.planes, 3 * H * W * sizeof *c.planes);
        free(buffer);
    }
    model_case_free(&c);
    model_case_free(&dense);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

static int64_t element(const void *at, int32_t dtype)
{
    switch (dtype) {
    case GENSEG_DTYPE_UINT8:
        return *(const uint8_t *)at;
    case GENSEG_DTYPE_UINT16:
        return *(const uint16_t *)at;
    case GENSEG_DTYPE_INT16:
        return *(const int16_t *)at;
    case GENSEG_DTYPE_UINT32:
        return *(const uint32_t *)at;
    case GENSEG_DTYPE_INT32:
        return *(const int32_t *)at;
    default:
        return *(const int64_t *)at; // 64 bits, small values
    }
}

// Labels transposed with a gap after each; a dtype that can't hold one of the table is refused, whatever the image.
static void check_label_dtypes(const model *m, const char *fits)
{
    enum { H = 20, W = 17 };
    genseg_segmenter *segmenter = model_made(context, m);
    model_case c = model_case_new(m, 1, H, W);
    predict(segmenter, &c, NULL);
    for (int32_t dtype = GENSEG_DTYPE_UINT8; dtype <= GENSEG_DTYPE_INT64; dtype++) {
        const int64_t bytes = (int64_t)genseg_dtype_size(dtype);
        unsigned char *buffer = malloc((size_t)(2 * H * W * bytes));
        memset(buffer, MODEL_UNTOUCHED, (size_t)(2 * H * W * bytes));
        const genseg_array label = {
            .data = buffer, .dtype = dtype, .ndim = 2, .shape = {H, W}, .strides = {2 * bytes, 2 * H * bytes}};
        if (fits[dtype - 1] == '-') {
            CK_FAILS(genseg_segmenter_predict(segmenter, &c.image, NULL, NULL, &label, NULL, err), GENSEG_ERROR_INVALID,
                     "doesn't fit the dtype of label");
            for (int64_t i = 0; i < 2 * H * W * bytes; i++)
                ck_assert_int_eq(buffer[i], MODEL_UNTOUCHED);
        } else {
            CK_OK(genseg_segmenter_predict(segmenter, &c.image, NULL, NULL, &label, NULL, err));
            for (int64_t i = 0; i < H * W; i++) {
                const unsigned char *at = buffer + i / W * label.strides[0] + i % W * label.strides[1];
                ck_assert_int_eq(element(at, dtype), c.classes[i]);
                for (int64_t b = 0; b < bytes; b++) // the gap
                    ck_assert_int_eq(at[bytes + b], MODEL_UNTOUCHED);
            }
        }
        free(buffer);
    }
    model_case_free(&c);
    genseg_segmenter_free(segmenter);
}

START_TEST(labels_of_any_dtype_and_strides)
{
    context = context_with(2, 0);
    check_label_dtypes(&flat, "---+-+-+");   // -5, 0, 300
    check_label_dtypes(&binary, "+-++++++"); // 0, 200
    context_close(context);
}
END_TEST

// Classes last and columns backwards.
START_TEST(probabilities_of_any_strides)
{
    enum { H = 20, W = 17, K = 3 };
    context = context_with(2, 0);
    genseg_segmenter *segmenter = model_made(context, &flat);
    model_case c = model_case_new(&flat, 1, H, W);
    predict(segmenter, &c, NULL);
    static float last[H][W][K];
    const genseg_array probability = {.data = last[0][W - 1],
                                      .dtype = GENSEG_DTYPE_FLOAT32,
                                      .ndim = 3,
                                      .shape = {K, H, W},
                                      .strides = {4, 4 * W * K, -4 * K}};
    CK_OK(genseg_segmenter_predict(segmenter, &c.image, NULL, NULL, NULL, &probability, err));
    for (int k = 0; k < K; k++)
        for (int i = 0; i < H * W; i++)
            ck_assert(last[i / W][W - 1 - i % W][k] == c.planes[k * H * W + i]);
    model_case_free(&c);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

// ---- refusals

static const genseg_segmenter *refusing;

static void refuse(const model_case *c, const genseg_array *image, const genseg_array *label,
                   const genseg_array *probability, genseg_status expected, const char *part)
{
    const uint64_t held = atomic_load(&context->memory);
    CK_FAILS(genseg_segmenter_predict(refusing, image ? image : &c->image, NULL, NULL, label ? label : &c->label,
                                      probability ? probability : &c->probability, err),
             expected, part);
    ck_assert(model_case_untouched(c));
    ck_assert_uint_eq(atomic_load(&context->memory), held);
}

START_TEST(wrong_shapes_are_refused)
{
    context = context_with(1, 0);
    refusing = model_made(context, &flat);
    model_case c = model_case_new(&flat, 1, 12, 10), deep = model_case_new(&solid, 2, 12, 10);
    genseg_array wrong = c.label;
    wrong.shape[1] = 9;
    refuse(&c, NULL, &wrong, NULL, GENSEG_ERROR_SHAPE, "label is 12x9, the image 12x10");
    refuse(&c, NULL, &deep.label, NULL, GENSEG_ERROR_SHAPE, "label is 2x12x10, the image 12x10");
    wrong = c.probability;
    wrong.shape[0] = 2;
    refuse(&c, NULL, NULL, &wrong, GENSEG_ERROR_SHAPE, "probability is 2x12x10");
    refuse(&c, NULL, NULL, &c.label, GENSEG_ERROR_SHAPE, "probability is 12x10");
    wrong = c.probability;
    wrong.dtype = GENSEG_DTYPE_INT32;
    refuse(&c, NULL, NULL, &wrong, GENSEG_ERROR_INVALID, "probability is not float32");
    wrong = c.label;
    wrong.dtype = GENSEG_DTYPE_FLOAT32;
    refuse(&c, NULL, &wrong, NULL, GENSEG_ERROR_INVALID, "label has a floating-point dtype");
    wrong.dtype = 11;
    refuse(&c, NULL, &wrong, NULL, GENSEG_ERROR_INVALID, "label");
    wrong = c.label;
    wrong.data = NULL;
    refuse(&c, NULL, &wrong, NULL, GENSEG_ERROR_INVALID, "label");
    refuse(&c, &deep.image, NULL, NULL, GENSEG_ERROR_SHAPE, "shape[0] is 2, channels is 1");
    wrong = c.image;
    wrong.ndim = 1;
    refuse(&c, &wrong, NULL, NULL, GENSEG_ERROR_SHAPE, "image is 12, the network is 2-D with 1 channels");
    wrong = c.image;
    wrong.shape[0] = 0;
    refuse(&c, &wrong, NULL, NULL, GENSEG_ERROR_INVALID, "image: shape[0] is 0");
    genseg_segmenter_free((genseg_segmenter *)(uintptr_t)refusing);
    refusing = model_made(context, &coloured);
    model_case three = model_case_new(&coloured, 1, 12, 10);
    refuse(&three, &c.image, NULL, NULL, GENSEG_ERROR_SHAPE, "image is 12x10, the network is 2-D with 3 channels");
    refuse(&three, &deep.image, NULL, NULL, GENSEG_ERROR_SHAPE, "shape[0] is 2, channels is 3");
    genseg_segmenter_free((genseg_segmenter *)(uintptr_t)refusing);
    model_case_free(&three);
    model_case_free(&deep);
    model_case_free(&c);
    context_close(context);
}
END_TEST

START_TEST(voxels_must_be_finite)
{
    context = context_with(1, 0);
    refusing = model_made(context, &flat);
    model_case c = model_case_new(&flat, 1, 12, 10);
    const double affine[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, NAN, 0, 0, 0, 0, 1};
    CK_FAILS(genseg_segmenter_predict(refusing, &c.image, affine, NULL, &c.label, NULL, err), GENSEG_ERROR_INVALID,
             "affine[10] is not finite");
    c.pixels[73] = NAN;
    refuse(&c, NULL, NULL, NULL, GENSEG_ERROR_NUMERIC, "NaN at voxel i=3 j=7");
    c.pixels[73] = 0;
    c.pixels[119] = -INFINITY;
    refuse(&c, NULL, NULL, NULL, GENSEG_ERROR_NUMERIC, "Inf at voxel i=9 j=11");
    // Larger than any float32.
    double *large = calloc((size_t)c.voxels, sizeof *large);
    large[0] = 1e300;
    const genseg_array image = gsg_array_dense(large, GENSEG_DTYPE_FLOAT64, gsg_array_shape(&c.image));
    refuse(&c, &image, NULL, NULL, GENSEG_ERROR_NUMERIC, "Inf at voxel i=0 j=0");
    free(large);
    // Constant images are not refused.
    for (int64_t i = 0; i < c.voxels; i++)
        c.pixels[i] = 3e38f;
    predict(refusing, &c, NULL);
    model_case_free(&c);
    genseg_segmenter_free((genseg_segmenter *)(uintptr_t)refusing);
    context_close(context);
}
END_TEST

// ---- memory

static genseg_status make_and_predict(genseg_context *with, gsg_error *err)
{
    const double affine[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    genseg_segmenter *segmenter = NULL;
    genseg_status status = model_new(with, &layered, &segmenter, err);
    if (status != GENSEG_OK)
        return status;
    model_case c = model_case_new(&layered, 5, 9, 9);
    status = genseg_segmenter_predict(segmenter, &c.image, affine, NULL, &c.label, &c.probability, err);
    ck_assert(status == GENSEG_OK || model_case_untouched(&c));
    genseg_segmenter_free(segmenter);
    model_case_free(&c);
    return status;
}

START_TEST(every_allocation_may_fail)
{
    ck_assert_int_ge(faults_sweep(make_and_predict), 100);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {images_of_any_size,
                                  images_are_resampled,
                                  images_of_any_dtype_and_strides,
                                  labels_of_any_dtype_and_strides,
                                  probabilities_of_any_strides,
                                  wrong_shapes_are_refused,
                                  voxels_must_be_finite,
                                  every_allocation_may_fail};
    return run_tests("predict", tests, sizeof tests / sizeof *tests);
}
