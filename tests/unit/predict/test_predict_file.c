// Prediction from file to file: geometry, label values, formats, and outputs that
// can't be written.
#include "core/file.h"
#include "data/source.h"
#include "data_files.h"
#include "faults.h"
#include "segmenter_model.h"

static const model solid = {{3, 1, 1, 3, 4},
                            GENSEG_NORMALISE_PERCENTILE,
                            GENSEG_SCALE_SPACING,
                            {4, 8, 8},
                            {2, 1, 1},
                            {-5, 0, 300},
                            {"a", "b", "c"},
                            {0}};
static const model flat = {{2, 2, 1, 1, 4},     GENSEG_NORMALISE_PERCENTILE,
                           GENSEG_SCALE_NATIVE, {1, 16, 16},
                           {1, 1, 1},           {0, 255},
                           {"a", "b"},          {0}};

static genseg_context *context;

// Segments what the file holds through the function for arrays.
static model_case in_memory(const genseg_segmenter *segmenter, const model *m, const char *path)
{
    gsg_volume volume;
    gsg_source source;
    CK_OK(gsg_image_read(context, path, &volume, &source, err));
    model_case c = model_case_new(m, volume.size[0], volume.size[1], volume.size[2]);
    memcpy(c.pixels, volume.image, (size_t)c.voxels * sizeof *c.pixels);
    CK_OK(genseg_segmenter_predict(segmenter, &c.image, volume.geometry.affine_known ? volume.geometry.affine : NULL,
                                   NULL, &c.label, &c.probability, err));
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    return c;
}

// Offsets of nifti1.h: see data_files.h.
START_TEST(nifti_keeps_its_grid)
{
    enum { W = 13, H = 11, D = 6, VOXELS = W * H * D };
    static uint8_t before[1 << 16], label[1 << 16], probability[1 << 16];
    context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &solid);
    write_image(file_path("image.nii.gz"), W, H, D, -12.5);
    CK_OK(genseg_segmenter_predict_file(segmenter, file_path("image.nii.gz"), NULL, file_path("label.nii.gz"),
                                        file_path("probability.nii"), err));
    model_case c = in_memory(segmenter, &solid, file_path("image.nii.gz"));
    file_get(file_path("image.nii.gz"), before, sizeof before);
    ck_assert_uint_eq(file_get(file_path("label.nii.gz"), label, sizeof label), 352 + VOXELS * sizeof(int16_t));
    ck_assert_uint_eq(file_get(file_path("probability.nii"), probability, sizeof probability),
                      352 + 3 * VOXELS * sizeof(float));
    ck_assert_mem_eq(label + 40, before + 40, 8);    // dim
    ck_assert_mem_eq(label + 76, before + 76, 16);   // pixdim
    ck_assert_mem_eq(label + 252, before + 252, 76); // forms
    ck_assert_mem_eq(probability + 252, before + 252, 76);
    const int16_t four[5] = {4, W, H, D, 3};
    ck_assert_mem_eq(probability + 40, four, sizeof four);
    bool seen[3] = {false};
    for (int i = 0; i < VOXELS; i++) {
        int16_t value;
        memcpy(&value, label + 352 + 2 * i, sizeof value);
        ck_assert_int_eq(value, c.classes[i]);
        for (int k = 0; k < 3; k++)
            seen[k] = seen[k] || value == solid.values[k];
    }
    ck_assert_int_ge(seen[0] + seen[1] + seen[2], 2);
    ck_assert_mem_eq(probability + 352, c.planes, (size_t)c.probabilities * sizeof *c.planes);
    model_case_free(&c);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

static void write_grey(const char *path, int h, int w)
{
    static uint8_t grey[64 * 64];
    for (int i = 0; i < h * w; i++)
        grey[i] = (uint8_t)((2 * (i % w) < w ? 60 : 150) + (int)(50 * model_noise((uint64_t)i)));
    write_png(context, path, h, w, grey, h * w);
}

START_TEST(png_gives_png)
{
    enum { H = 37, W = 29 };
    context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &flat);
    write_grey(file_path("image.png"), H, W);
    CK_OK(genseg_segmenter_predict_file(segmenter, file_path("image.png"), NULL, file_path("label.png"), NULL, err));
    model_case c = in_memory(segmenter, &flat, file_path("image.png"));
    gsg_volume volume;
    gsg_source source;
    CK_OK(gsg_image_read(context, file_path("label.png"), &volume, &source, err));
    ck_assert(volume.size[1] == H && volume.size[2] == W && volume.channels == 1);
    int64_t foreground = 0;
    for (int i = 0; i < H * W; i++) {
        ck_assert(volume.image[i] == (float)c.classes[i]); // 0 or 255
        foreground += c.classes[i] == 255;
    }
    ck_assert(foreground > 0 && foreground < H * W);
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    model_case_free(&c);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

START_TEST(extensions_follow_the_image)
{
    const char *extension = "untouched";
    context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &flat);
    write_grey(file_path("image.png"), 9, 9);
    write_image(file_path("image.nii"), 5, 5, 5, 0);
    CK_OK(genseg_segmenter_extension(segmenter, file_path("image.png"), 0, &extension, err));
    ck_assert_str_eq(extension, ".png");
    CK_OK(genseg_segmenter_extension(segmenter, file_path("image.png"), 1, &extension, err));
    ck_assert_str_eq(extension, ".nii.gz");
    CK_OK(genseg_segmenter_extension(segmenter, file_path("image.nii"), 0, &extension, err));
    ck_assert_str_eq(extension, ".nii.gz");
    extension = "untouched";
    CK_FAILS(genseg_segmenter_extension(segmenter, file_path("none.png"), 0, &extension, err), GENSEG_ERROR_IO,
             "none.png");
    ck_assert_str_eq(extension, "untouched");
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

START_TEST(failures_leave_no_file)
{
    context = context_with(1, 0);
    genseg_segmenter *segmenter = model_made(context, &flat);
    const uint64_t held = atomic_load(&context->memory);
    write_grey(file_path("image.png"), 16, 16);
    write_image(file_path("solid.nii.gz"), 5, 5, 5, 0);
    file_text(file_path("text.png"), "no picture");
    file_text(file_path("old.png"), "old");
    const char *const out = file_path("out.png");
    CK_FAILS(genseg_segmenter_predict_file(segmenter, file_path("none.png"), NULL, out, NULL, err), GENSEG_ERROR_IO,
             "none.png: no such file");
    CK_FAILS(genseg_segmenter_predict_file(segmenter, file_path("text.png"), NULL, out, NULL, err), GENSEG_ERROR_FORMAT,
             "text.png");
    CK_FAILS(genseg_segmenter_predict_file(segmenter, file_path("solid.nii.gz"), NULL, out, NULL, err),
             GENSEG_ERROR_SHAPE, "solid.nii.gz: the image has 3 dimensions, the network works in 2");
    ck_assert_uint_eq(atomic_load(&context->memory), held);
    CK_FAILS(genseg_segmenter_predict_file(segmenter, file_path("image.png"), NULL, "/nonexistent/out.png", NULL, err),
             GENSEG_ERROR_IO, "/nonexistent/out.png");
    CK_FAILS(genseg_segmenter_predict_file(segmenter, file_path("image.png"), NULL, NULL, "/nonexistent/p.nii", err),
             GENSEG_ERROR_IO, "/nonexistent/p.nii");
    CK_FAILS(genseg_segmenter_predict_file(segmenter, file_path("image.png"), NULL, file_path("out.xyz"), NULL, err),
             GENSEG_ERROR_UNSUPPORTED, "out.xyz");
    ck_assert_int_eq(gsg_file_probe(out, NULL), GSG_FILE_NONE);
    // A file that is there stays until the new one is whole.
    gsg_file_list list;
    CK_FAILS(genseg_segmenter_predict_file(segmenter, file_path("text.png"), NULL, file_path("old.png"), NULL, err),
             GENSEG_ERROR_FORMAT, "");
    uint8_t old[8];
    ck_assert_uint_eq(file_get(file_path("old.png"), old, sizeof old), 3);
    CK_OK(gsg_file_list_open(context, files_root, &list, err));
    ck_assert_int_eq(list.count, 4);
    gsg_file_list_free(&list);
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

// ---- memory

static char image_path[512], label_path[512], probability_path[512];

static genseg_status make_and_predict(genseg_context *with, gsg_error *err)
{
    genseg_segmenter *segmenter = NULL;
    genseg_status status = model_new(with, &solid, &segmenter, err);
    if (status != GENSEG_OK)
        return status;
    status = genseg_segmenter_predict_file(segmenter, image_path, NULL, label_path, probability_path, err);
    genseg_segmenter_free(segmenter);
    return status;
}

START_TEST(every_allocation_may_fail)
{
    snprintf(image_path, sizeof image_path, "%s", file_path("i.nii"));
    snprintf(label_path, sizeof label_path, "%s", file_path("l.nii"));
    snprintf(probability_path, sizeof probability_path, "%s", file_path("p.nii"));
    write_image(image_path, 7, 6, 4, 0);
    ck_assert_int_ge(faults_sweep(make_and_predict), 100);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {nifti_keeps_its_grid, png_gives_png, extensions_follow_the_image,
                                  failures_leave_no_file, every_allocation_may_fail};
    return run_tests("predict_file", tests, sizeof tests / sizeof *tests);
}
