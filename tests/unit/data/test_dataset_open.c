// Opening datasets: layouts, label tables, splits from files, and bad input with
// one clear message each; the same faults as findings with remedies.
#include <signal.h>
#include <sys/resource.h>

#include "core/file.h"
#include "data_files.h"
#include "faults.h"
#include "tensor/array.h"

static genseg_context *context;
static genseg_dataset_options options;
static const uint8_t binary[4] = {0, 1, 1, 0};

static void begin(void)
{
    context = context_with(2, 0);
    gsg_dataset_defaults(&options);
}

static genseg_dataset *open_set(const char *path)
{
    genseg_dataset *set = NULL;
    CK_OK(gsg_dataset_open(context, path, &options, &set, err));
    return set;
}

static void end(genseg_dataset *set)
{
    gsg_dataset_release(set);
    context_close(context);
}

static void refuse(const char *path, genseg_status code, const char *part)
{
    genseg_dataset *set = NULL;
    CK_FAILS(gsg_dataset_open(context, path, &options, &set, err), code, part);
    ck_assert_ptr_null(set);
}

static const char *root(void)
{
    return file_path("set");
}

static void add_pair(const char *name)
{
    write_image(file_path("set/images/%s.nii.gz", name), 4, 3, 2, 0.0);
    write_mask(file_path("set/masks/%s.nii.gz", name), 4, 3, 2, binary, 4);
}

START_TEST(plain_folders_of_png)
{
    begin();
    const uint8_t mask[4] = {0, 255, 255, 0}, image[3] = {10, 20, 30};
    for (int i = 0; i < 3; i++) {
        write_png(context, file_path("set/Images/p%d_%d.png", i / 2, i), 4, 5, image, 3);
        write_png(context, file_path("set/Masks/p%d_%d.png", i / 2, i), 4, 5, mask, 4);
    }
    file_text(file_path("set/Images/readme.txt"), "no image");
    options.group_separators = "_";
    genseg_dataset *set = open_set(root());
    ck_assert_int_eq(set->count, 3);
    ck_assert_str_eq(set->cases[0].name, "p0_0");
    ck_assert_str_eq(set->cases[1].group, "p0");
    ck_assert_str_eq(set->cases[2].group, "p1");
    ck_assert_int_eq(set->classes, 2);
    ck_assert(set->values[0] == 0 && set->values[1] == 255);
    ck_assert_str_eq(set->names[1], "255");
    ck_assert(set->cases[0].ndim == 2 && set->cases[0].size[1] == 4 && set->cases[0].size[2] == 5);
    gsg_volume volume;
    for (int pass = 0; pass < 2; pass++) { // from the file, then from memory
        CK_OK(gsg_dataset_read(set, 0, &volume, err));
        for (int i = 0; i < 20; i++) {
            ck_assert(volume.image[i] == (float)image[i % 3]);
            ck_assert_int_eq(volume.label[i], mask[i % 4] != 0);
        }
        gsg_volume_free(&volume);
        ck_assert_ptr_nonnull(set->cases[0].image);
    }
    end(set);
}
END_TEST

START_TEST(colours_turned_to_grey)
{
    begin();
    uint8_t pixels[12 * 3];
    const uint8_t mask[4] = {0, 255, 255, 0}, grey[3] = {10, 20, 30};
    for (int i = 0; i < 36; i++)
        pixels[i] = (uint8_t)(7 * i);
    write_png(context, file_path("set/images/a.png"), 3, 4, grey, 3);
    CK_OK(gsg_picture_write(context, file_path("set/images/b.png"), pixels, 3, 4, err));
    for (int i = 0; i < 2; i++)
        write_png(context, file_path("set/masks/%c.png", 'a' + i), 3, 4, mask, 4);
    refuse(root(), GENSEG_ERROR_SHAPE, "b: has 3 channels, a has 1; grey images can be made of colours");
    options.grey = 1;
    genseg_dataset *set = open_set(root());
    gsg_volume volume;
    for (int pass = 0; pass < 2; pass++) { // from the file, then from memory
        CK_OK(gsg_dataset_read(set, 1, &volume, err));
        ck_assert_int_eq(volume.channels, 1);
        for (int i = 0; i < 12; i++) {
            const uint8_t *p = pixels + 3 * i;
            ck_assert_float_eq_tol(volume.image[i], 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2], 1e-4f);
        }
        gsg_volume_free(&volume);
    }
    CK_OK(gsg_dataset_read(set, 0, &volume, err));
    ck_assert(volume.channels == 1 && volume.image[1] == 20);
    gsg_volume_free(&volume);
    end(set);
}
END_TEST

START_TEST(nnunet_raw_with_two_channels)
{
    begin();
    const uint8_t mask[5] = {0, 1, 2, 4, 0};
    const char *folders[2] = {"Tr", "Ts"};
    for (int f = 0; f < 2; f++)
        for (int i = 0; i < 2; i++) {
            for (int c = 0; c < 2; c++)
                write_image(file_path("set/images%s/%s_%03d_%04d.nii.gz", folders[f], f ? "t" : "h", i, c), 4, 3, 2,
                            0.0);
            write_mask(file_path("set/labels%s/%s_%03d.nii.gz", folders[f], f ? "t" : "h", i), 4, 3, 2, mask, 5);
        }
    file_text(file_path("set/dataset.json"), "{\"channel_names\": {\"0\": \"T1\", \"1\": \"T2\"}, \"numTraining\": 2,"
                                             " \"labels\": {\"background\": 0, \"edema\": 1, \"whole\": [1, 2],"
                                             " \"tumour\": 4}, \"file_ending\": \".nii.gz\"}");
    genseg_dataset *set = open_set(root());
    ck_assert_int_eq(set->count, 4);
    ck_assert_int_eq(set->cases[0].channels, 2);
    ck_assert_str_eq(set->cases[0].name, "h_000");
    ck_assert_int_eq(set->cases[0].split, GENSEG_SPLIT_NONE);
    ck_assert_int_eq(set->cases[3].split, GENSEG_SPLIT_TEST);
    ck_assert_int_eq(set->classes, 4);
    ck_assert_int_eq(set->values[3], 4);
    ck_assert_str_eq(set->names[0], "background");
    ck_assert_str_eq(set->names[1], "edema");
    ck_assert_str_eq(set->names[2], "2");
    ck_assert_str_eq(set->names[3], "tumour");
    gsg_volume volume;
    CK_OK(gsg_dataset_read(set, 1, &volume, err));
    ck_assert(volume.image[24] == volume.image[0] && volume.label[3] == 3);
    gsg_volume_free(&volume);
    gsg_dataset_release(set);
    // A channel that lacks.
    ck_assert_int_eq(remove(file_path("set/imagesTr/h_001_0000.nii.gz")), 0);
    refuse(root(), GENSEG_ERROR_FORMAT, "h_001: channel 0000 is missing");
    end(NULL);
}
END_TEST

START_TEST(decathlon_lists)
{
    begin();
    for (int i = 0; i < 3; i++) {
        write_image(file_path("set/imagesTr/b%d.nii.gz", i), 4, 3, 2, 0.0);
        write_mask(file_path("set/labelsTr/b%d.nii.gz", i), 4, 3, 2, binary, 4);
    }
    file_text(file_path("set/dataset.json"),
              "{\"labels\": {\"0\": \"background\", \"1\": \"Anterior\"}, \"training\": ["
              "{\"image\": \"./imagesTr/b2.nii.gz\", \"label\": \"./labelsTr/b2.nii.gz\"},"
              "{\"image\": \"./imagesTr/b0.nii.gz\", \"label\": \"./labelsTr/b0.nii.gz\"}],"
              "\"test\": [\"./imagesTs/c.nii.gz\"]}");
    genseg_dataset *set = open_set(root());
    ck_assert_int_eq(set->count, 2);
    ck_assert_str_eq(set->cases[0].name, "b0");
    ck_assert_str_eq(set->names[1], "Anterior");
    gsg_dataset_release(set);
    file_text(file_path("set/dataset.json"), "{\"labels\": \n nonsense}");
    refuse(root(), GENSEG_ERROR_FORMAT, "dataset.json: line 2");
    end(NULL);
}
END_TEST

START_TEST(a_split_file_marks_cases)
{
    begin();
    for (int i = 0; i < 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%d", i);
        add_pair(name);
    }
    file_text(file_path("set/split.csv"),
              "file,split\r\nc0.nii.gz,train\r\nc1.nii.gz,val\r\n\"c3\" , val\r\nx,train\n");
    genseg_dataset *set = open_set(root());
    const int32_t without_test[4] = {GENSEG_SPLIT_TRAIN, GENSEG_SPLIT_TEST, GENSEG_SPLIT_NONE, GENSEG_SPLIT_TEST};
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(set->cases[i].split, without_test[i]);
    // Held-out cases stay so when the rest is divided.
    CK_OK(gsg_dataset_split(set, 1, 1, 5, err));
    ck_assert(set->cases[1].split == GENSEG_SPLIT_TEST && set->cases[3].split == GENSEG_SPLIT_TEST);
    ck_assert_int_eq(set->cases[0].split + set->cases[2].split, GENSEG_SPLIT_TRAIN + GENSEG_SPLIT_VALIDATION);
    CK_FAILS(gsg_dataset_split(set, 2, 1, 5, err), GENSEG_ERROR_INVALID, "2 labelled cases");
    gsg_dataset_release(set);
    file_text(file_path("set/split.csv"), "id,group,split\nc0,a,train\nc1,a,val\nc3,b,test\n");
    set = open_set(root());
    ck_assert_int_eq(set->cases[1].split, GENSEG_SPLIT_VALIDATION);
    ck_assert_int_eq(set->cases[3].split, GENSEG_SPLIT_TEST);
    gsg_dataset_release(set);
    file_text(file_path("set/split.csv"), "id,split\nc0,maybe\n");
    refuse(root(), GENSEG_ERROR_FORMAT, "split.csv: line 2");
    end(NULL);
}
END_TEST

START_TEST(no_pairs)
{
    begin();
    refuse(file_path("nowhere"), GENSEG_ERROR_IO, "no such file or folder");
    file_path("set/x");
    refuse(root(), GENSEG_ERROR_FORMAT, "no pair of image and mask");
    file_path("set/images/x");
    refuse(root(), GENSEG_ERROR_FORMAT, "none named masks or labels");
    file_path("set/masks/x");
    refuse(root(), GENSEG_ERROR_FORMAT, "no pair of image and mask");
    write_image(file_path("one.nii"), 4, 3, 2, 0.0);
    refuse(file_path("one.nii"), GENSEG_ERROR_INVALID, "single NIfTI image");
    end(NULL);
}
END_TEST

START_TEST(one_image_is_a_case)
{
    begin();
    options.allow_unlabelled = 1;
    write_image(file_path("one.nii.gz"), 4, 3, 2, 0.0);
    genseg_dataset *set = open_set(file_path("one.nii.gz"));
    ck_assert(set->count == 1 && set->classes == 0 && !set->cases[0].labelled);
    ck_assert_str_eq(set->cases[0].name, "one");
    ck_assert_str_eq(set->cases[0].group, "one");
    gsg_volume volume;
    CK_OK(gsg_dataset_read(set, 0, &volume, err));
    ck_assert(volume.size[0] == 2 && volume.size[1] == 3 && volume.size[2] == 4 && !volume.label);
    gsg_volume_free(&volume);
    CK_FAILS(gsg_dataset_split(set, 1, 0, 1, err), GENSEG_ERROR_INVALID, "0 labelled");
    gsg_dataset_release(set);
    // Folders of images: as they are, in images/, in nnU-Net's layout.
    write_image(file_path("bare/a.nii.gz"), 4, 3, 2, 0.0);
    write_image(file_path("bare/b.nii.gz"), 4, 3, 2, 0.0);
    file_text(file_path("bare/readme.txt"), "no image");
    write_image(file_path("half/images/a.nii.gz"), 4, 3, 2, 0.0);
    write_image(file_path("raw/imagesTr/a_0000.nii.gz"), 4, 3, 2, 0.0);
    static const char *const folders[] = {"bare", "half", "raw"};
    for (int i = 0; i < 3; i++) {
        set = open_set(file_path("%s", folders[i]));
        ck_assert(set->count == (i == 0 ? 2 : 1) && set->classes == 0);
        ck_assert_str_eq(set->cases[0].name, "a");
        gsg_dataset_release(set);
    }
    options.allow_unlabelled = 0;
    refuse(file_path("bare"), GENSEG_ERROR_FORMAT, "no pair of image and mask");
    refuse(file_path("half"), GENSEG_ERROR_FORMAT, "none named masks or labels");
    refuse(file_path("raw"), GENSEG_ERROR_FORMAT, "no folder labelsTr");
    options.allow_unlabelled = 1;
    file_text(file_path("two.png"), "text");
    refuse(file_path("two.png"), GENSEG_ERROR_FORMAT, "is no PNG file");
    end(NULL);
}
END_TEST

START_TEST(lonely_and_double_files)
{
    begin();
    add_pair("a");
    write_image(file_path("set/images/b.nii.gz"), 4, 3, 2, 0.0);
    refuse(root(), GENSEG_ERROR_FORMAT, "b: has an image but no mask");
    options.allow_unlabelled = 1;
    genseg_dataset *set = open_set(root());
    ck_assert(set->count == 2 && set->cases[0].labelled && !set->cases[1].labelled);
    gsg_volume volume;
    CK_OK(gsg_dataset_read(set, 1, &volume, err));
    ck_assert_ptr_null(volume.label);
    gsg_volume_free(&volume);
    int32_t label[24];
    CK_FAILS(gsg_dataset_read_into(set, 1, NULL, label, err), GENSEG_ERROR_INVALID, "b: has no label map");
    int64_t chosen[2];
    CK_OK(gsg_dataset_split(set, -1, 0, 1, err));
    ck_assert_int_eq(gsg_dataset_select(set, GENSEG_SPLIT_TRAIN, chosen), 1);
    gsg_dataset_release(set);
    write_mask(file_path("set/masks/c.nii.gz"), 4, 3, 2, binary, 4);
    refuse(root(), GENSEG_ERROR_FORMAT, "c: has a mask but no image");
    remove(file_path("set/masks/c.nii.gz"));
    write_image(file_path("set/images/a.nii"), 4, 3, 2, 0.0);
    refuse(root(), GENSEG_ERROR_FORMAT, "a: two files");
    end(NULL);
}
END_TEST

START_TEST(grids_that_differ)
{
    begin();
    add_pair("a");
    write_image(file_path("set/images/b.nii.gz"), 4, 3, 3, 0.0);
    write_mask(file_path("set/masks/b.nii.gz"), 4, 3, 2, binary, 4);
    refuse(root(), GENSEG_ERROR_SHAPE, "b: the image is 3x3x4, the label map is 2x3x4");
    write_image(file_path("set/images/b.nii.gz"), 4, 3, 2, 0.25);
    refuse(root(), GENSEG_ERROR_SHAPE, "b: the affines of image and label map differ by 0.25 voxels");
    options.affine_tolerance = 0.3;
    genseg_dataset *set = open_set(root());
    ck_assert_int_eq(set->count, 2);
    gsg_dataset_release(set);
    const uint8_t grey[2] = {1, 2};
    write_png(context, file_path("set/images/c.png"), 4, 5, grey, 2);
    write_png(context, file_path("set/masks/c.png"), 4, 5, binary, 4);
    refuse(root(), GENSEG_ERROR_SHAPE, "c: is 2-D, a is 3-D");
    end(NULL);
}
END_TEST

START_TEST(channels_that_differ)
{
    begin();
    const uint8_t rgb[4 * 5 * 3] = {1, 2, 3, 4}, grey[2] = {1, 2};
    write_png(context, file_path("set/images/a.png"), 4, 5, grey, 2);
    CK_OK(gsg_picture_write(context, file_path("set/images/b.png"), rgb, 4, 5, err));
    write_png(context, file_path("set/masks/a.png"), 4, 5, binary, 4);
    write_png(context, file_path("set/masks/b.png"), 4, 5, binary, 4);
    refuse(root(), GENSEG_ERROR_SHAPE, "b: has 3 channels, a has 1");
    // A colour mask.
    write_png(context, file_path("set/images/b.png"), 4, 5, grey, 2);
    CK_OK(gsg_picture_write(context, file_path("set/masks/b.png"), rgb, 4, 5, err));
    refuse(root(), GENSEG_ERROR_FORMAT, "b.png: a colour picture is no label map");
    end(NULL);
}
END_TEST

// Four float values, in turn, as a float32 label map.
static void write_float_mask(const char *path, const float *values)
{
    nifti_file file;
    nifti_begin(&file, 0, 16, 32, 3, 4, 3, 2);
    nifti_sform(&file, 1.0, 1.0, 2.0, 0.0);
    for (int i = 0; i < 24; i++)
        nifti_value(&file, &values[i % 4], 4);
    nifti_save(&file, path);
}

START_TEST(label_values)
{
    begin();
    add_pair("a");
    add_pair("b");
    // Floats near integers are labels, others are not.
    write_float_mask(file_path("set/masks/b.nii.gz"), (const float[4]){0.0f, 1.0005f, -2.0f, 0.0f});
    genseg_dataset *set = open_set(root());
    ck_assert_int_eq(set->classes, 3);
    ck_assert(set->values[0] == -2 && set->values[1] == 0 && set->values[2] == 1);
    gsg_dataset_release(set);
    write_float_mask(file_path("set/masks/b.nii.gz"), (const float[4]){0.0f, 1.0f, 0.0f, 0.5f});
    refuse(root(), GENSEG_ERROR_FORMAT, "b.nii.gz: label value 0.5 at i=3 j=0 k=0 is no integer");
    // No 0 anywhere: the smallest value is the background.
    const uint8_t gaps[4] = {7, 9, 7, 7};
    write_mask(file_path("set/masks/a.nii.gz"), 4, 3, 2, gaps, 4);
    write_mask(file_path("set/masks/b.nii.gz"), 4, 3, 2, gaps, 3);
    set = open_set(root());
    ck_assert(set->classes == 2 && set->values[0] == 7 && set->values[1] == 9);
    ck_contains(set->findings[0].message, "7, is the background");
    gsg_dataset_release(set);
    // A single value everywhere.
    write_mask(file_path("set/masks/a.nii.gz"), 4, 3, 2, gaps, 1);
    write_mask(file_path("set/masks/b.nii.gz"), 4, 3, 2, gaps, 1);
    refuse(root(), GENSEG_ERROR_FORMAT, "single value 7");
    // An image given as a mask.
    nifti_file file;
    nifti_begin(&file, 0, 4, 16, 3, 20, 20, 1);
    for (int16_t i = 0; i < 400; i++)
        nifti_value(&file, &i, 2);
    nifti_save(&file, file_path("set/masks/a.nii.gz"));
    nifti_save(&file, file_path("set/images/a.nii.gz"));
    remove(file_path("set/masks/b.nii.gz"));
    remove(file_path("set/images/b.nii.gz"));
    refuse(root(), GENSEG_ERROR_FORMAT, "more than 256 different values");
    end(NULL);
}
END_TEST

START_TEST(damaged_files_name_themselves)
{
    begin();
    add_pair("a");
    add_pair("b");
    file_text(file_path("set/images/b.nii.gz"), "not at all");
    refuse(root(), GENSEG_ERROR_FORMAT, "b.nii.gz: is no NIfTI file");
    nifti_file file;
    nifti_begin(&file, 0, 16, 32, 3, 4, 3, 2);
    file.size += 50;
    nifti_save(&file, file_path("set/images/b.nii.gz"));
    refuse(root(), GENSEG_ERROR_FORMAT, "b.nii.gz: truncated");
    // NaN in an image shows when it is read.
    nifti_begin(&file, 0, 16, 32, 3, 4, 3, 2);
    const float nan = (float)(0.0 * 1e308 * 10.0), inf = 1e38f * 10.0f;
    for (int i = 0; i < 24; i++)
        nifti_value(&file, i == 5 ? &inf : &nan, 4);
    nifti_save(&file, file_path("set/images/b.nii.gz"));
    genseg_dataset *set = open_set(root());
    gsg_volume volume;
    CK_OK(gsg_dataset_read(set, 0, &volume, err));
    gsg_volume_free(&volume);
    CK_FAILS(gsg_dataset_read(set, 1, &volume, err), GENSEG_ERROR_NUMERIC, "b.nii.gz");
    end(set);
}
END_TEST

START_TEST(little_memory)
{
    begin();
    for (int i = 0; i < 6; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%d", i);
        add_pair(name);
    }
    context_close(context);
    int opened = 0;
    for (uint64_t limit = 1000; limit < 2000000; limit = limit * 5 / 4) {
        context = context_with(2, limit);
        genseg_dataset *set = NULL;
        gsg_error err = {0};
        genseg_status status = gsg_dataset_open(context, root(), &options, &set, &err);
        ck_assert_msg(status == GENSEG_OK || status == GENSEG_ERROR_NOMEM, "%d %s", status, err.message);
        opened += status == GENSEG_OK;
        gsg_dataset_release(set);
        context_close(context);
    }
    ck_assert_int_gt(opened, 0);
}
END_TEST

typedef struct told {
    int count;
    int errors;
    int stop_after;
    char all[8192];
} told;

static int32_t listen(const genseg_finding *finding, void *user)
{
    told *to = user;
    to->count++;
    to->errors += finding->severity == GENSEG_SEVERITY_ERROR;
    ck_assert(*finding->remedy != '\0');
    size_t used = strlen(to->all);
    snprintf(to->all + used, sizeof to->all - used, "[%d] %s: %s\n", finding->severity, finding->subject,
             finding->message);
    return to->stop_after && to->count >= to->stop_after;
}

START_TEST(inspection_tells_everything)
{
    begin();
    add_pair("a");
    add_pair("b");
    add_pair("c");
    add_pair("d");
    add_pair("e");
    const uint8_t none[1] = {0}, one[24] = {0, 0, 1};
    write_mask(file_path("set/masks/b.nii.gz"), 4, 3, 2, none, 1);
    write_mask(file_path("set/masks/c.nii.gz"), 4, 3, 2, one, 24);
    write_image(file_path("set/images/d.nii.gz"), 4, 4, 2, 0.0);
    write_image(file_path("set/images/lonely.nii.gz"), 4, 3, 2, 0.0);
    file_text(file_path("set/images/f.nii.gz"), "no image");
    file_text(file_path("set/masks/f.nii.gz"), "no mask");
    nifti_file file;
    nifti_begin(&file, 0, 16, 32, 3, 4, 3, 2);
    for (int i = 0; i < 24; i++) {
        float value = i == 7 ? 1e38f * 10.0f : 1.0f;
        nifti_value(&file, &value, 4);
    }
    nifti_save(&file, file_path("set/images/e.nii.gz"));
    told found = {0};
    CK_OK(gsg_dataset_inspect_path(context, root(), &options, listen, &found, err));
    ck_contains(found.all, "[3] d: ");
    ck_contains(found.all, "image is 2x4x4, the label map is 2x3x4");
    ck_contains(found.all, "[3] lonely: has an image but no mask");
    ck_contains(found.all, "[2] b: the mask is empty: all 24 voxels are 0");
    ck_contains(found.all, "[2] c: only 1 of 24 voxels are foreground");
    ck_contains(found.all, "is no NIfTI file");
    ck_contains(found.all, "[3] e: ");
    ck_contains(found.all, "1 of 24 voxels are NaN or Inf, the first (Inf) at i=3 j=1 k=0");
    ck_contains(found.all, "pixdim");
    ck_assert_int_eq(found.errors, 4);
    told cancelled = {.stop_after = 2};
    CK_FAILS(gsg_dataset_inspect_path(context, root(), &options, listen, &cancelled, err), GENSEG_ERROR_CANCELLED,
             "cancelled");
    ck_assert_int_eq(cancelled.count, 2);
    told nothing = {0};
    CK_OK(gsg_dataset_inspect_path(context, file_path("nowhere"), &options, listen, &nothing, err));
    ck_assert_int_eq(nothing.errors, 1);
    ck_contains(nothing.all, "no such file");
    end(NULL);
}
END_TEST

START_TEST(writes_back_on_a_cases_grid)
{
    begin();
    add_pair("a");
    genseg_dataset *set = open_set(root());
    gsg_source source;
    CK_OK(gsg_dataset_source(set, 0, &source, err));
    uint8_t label[24] = {0, 1};
    genseg_array view = {
        .data = label, .dtype = GENSEG_DTYPE_UINT8, .ndim = 3, .shape = {2, 3, 4}, .strides = {12, 4, 1}};
    CK_OK(gsg_label_write(context, file_path("out%s", gsg_source_label_extension(&source)), &view, &source, err));
    gsg_volume volume;
    gsg_source back;
    CK_OK(gsg_image_read(context, file_path("out.nii.gz"), &volume, &back, err));
    ck_assert(volume.image[1] == 1.0f && volume.image[0] == 0.0f);
    ck_assert_mem_eq(back.geometry.affine, set->cases[0].geometry.affine, sizeof back.geometry.affine);
    gsg_volume_free(&volume);
    gsg_source_free(&back);
    gsg_source_free(&source);
    end(set);
}
END_TEST

static void expect_no_file(const char *folder)
{
    gsg_file_list list;
    CK_OK(gsg_file_list_open(context, folder, &list, err));
    ck_assert_int_eq(list.count, 0);
    gsg_file_list_free(&list);
}

// A limit of the file size stands for a full disk; Check runs every test in a
// process of its own, which ends with it.
START_TEST(a_full_disk_leaves_no_file)
{
    begin();
    enum { SIDE = 200 };
    static uint8_t label[SIDE * SIDE], rgb[SIDE * SIDE * 3];
    uint32_t noise = 1; // must not compress
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        noise = noise * 1664525u + 1013904223u;
        rgb[i] = label[i % (SIDE * SIDE)] = (uint8_t)(noise >> 24);
    }
    gsg_source source;
    gsg_source_init(&source, context);
    source.ndim = 2;
    source.size[0] = 1;
    source.size[1] = source.size[2] = SIDE;
    genseg_array view = {
        .data = label, .dtype = GENSEG_DTYPE_UINT8, .ndim = 2, .shape = {SIDE, SIDE}, .strides = {SIDE, 1}};
    genseg_array chance = {
        .data = label, .dtype = GENSEG_DTYPE_UINT8, .ndim = 3, .shape = {1, SIDE, SIDE}, .strides = {0, SIDE, 1}};
    genseg_dataset *set = NULL;
    CK_OK(gsg_dataset_new(context, &set, err));
    genseg_case item = {.struct_size = sizeof item, .name = "a", .image = &view, .label = &view};
    CK_OK(gsg_dataset_add(set, &item, err));
    char folder[512];
    snprintf(folder, sizeof folder, "%s", file_path("out"));
    file_path("out/x");
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit little = {.rlim_cur = 8000, .rlim_max = 8000};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &little), 0);
    CK_FAILS(gsg_label_write(context, file_path("out/a.nii"), &view, &source, err), GENSEG_ERROR_IO, "a.nii");
    CK_FAILS(gsg_label_write(context, file_path("out/a.nii.gz"), &view, &source, err), GENSEG_ERROR_IO, "a.nii.gz");
    CK_FAILS(gsg_label_write(context, file_path("out/a.png"), &view, &source, err), GENSEG_ERROR_IO, "a.png");
    CK_FAILS(gsg_label_write(context, file_path("out/a.h5"), &view, &source, err), GENSEG_ERROR_IO, "a.h5");
    CK_FAILS(gsg_picture_write(context, file_path("out/c.png"), rgb, SIDE, SIDE, err), GENSEG_ERROR_IO, "c.png");
    CK_FAILS(gsg_probability_write(context, file_path("out/p.nii.gz"), &chance, &source, err), GENSEG_ERROR_IO,
             "p.nii.gz");
    CK_FAILS(gsg_dataset_save_hdf5(set, file_path("out/s.h5"), err), GENSEG_ERROR_IO, "s.h5");
    expect_no_file(folder);
    gsg_source_free(&source);
    end(set);
}
END_TEST

// Opens, reads, writes; the datasets of all formats.
static genseg_status use_all(const char *path, gsg_error *err)
{
    genseg_dataset *set = NULL;
    gsg_volume volume;
    gsg_source source;
    gsg_volume_init(&volume, context);
    gsg_source_init(&source, context);
    genseg_status status = GENSEG_OK;
    GSG_TRY(gsg_dataset_open(context, path, &options, &set, err));
    GSG_TRY(gsg_dataset_split(set, 1, 1, 1, err));
    GSG_TRY(gsg_dataset_read(set, 1, &volume, err));
    GSG_TRY(gsg_dataset_source(set, 1, &source, err));
    genseg_array label = gsg_array_dense(volume.label, GENSEG_DTYPE_INT32, gsg_shape_make(3, volume.size));
    GSG_TRY(gsg_label_write(context, file_path("out%s", gsg_source_label_extension(&source)), &label, &source, err));
    GSG_TRY(gsg_dataset_save_hdf5(set, file_path("out/all.h5"), err));
done:
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    gsg_dataset_release(set);
    return status;
}

// As faults_sweep(), but a failed copy for the cache is no error.
static void sweep(const char *borrowed)
{
    char path[512]; // file_path() hands its buffers out again
    snprintf(path, sizeof path, "%s", borrowed);
    int64_t failed = 0;
    for (int64_t n = 1;; n++) {
        faults f = {.fail_at = 0};
        genseg_context_options plain = {.struct_size = sizeof plain,
                                        .alloc = faults_alloc,
                                        .free = faults_free,
                                        .alloc_user = &f,
                                        .threads = 1,
                                        .seed = 1};
        CK_OK(gsg_context_new(&plain, &context, err));
        f.calls = 0;
        f.fail_at = n;
        gsg_error err = {0};
        genseg_status status = use_all(path, &err);
        ck_assert_msg(status == GENSEG_OK || status == GENSEG_ERROR_NOMEM, "%s, allocation %lld: %d %s", path,
                      (long long)n, status, err.message);
        ck_assert_msg(f.live == 1, "%s: failing allocation %lld leaves %lld blocks", path, (long long)n,
                      (long long)f.live - 1);
        gsg_context_release(context);
        failed += status != GENSEG_OK;
        if (f.calls < n)
            break;
    }
    ck_assert_int_gt(failed, 20);
}

START_TEST(every_allocation_may_fail)
{
    begin();
    const uint8_t grey[3] = {1, 2, 3};
    for (int i = 0; i < 2; i++) {
        write_png(context, file_path("png/images/c%d.png", i), 4, 5, grey, 3);
        write_png(context, file_path("png/masks/c%d.png", i), 4, 5, binary, 4);
        write_image(file_path("set/imagesTr/h%d_0000.nii.gz", i), 4, 3, 2, 0.0);
        write_image(file_path("set/imagesTr/h%d_0001.nii.gz", i), 4, 3, 2, 0.0);
        write_mask(file_path("set/labelsTr/h%d.nii.gz", i), 4, 3, 2, binary, 4);
    }
    file_text(file_path("set/dataset.json"), "{\"labels\": {\"background\": 0, \"edema\": 1}}");
    file_text(file_path("set/split.csv"), "id,split\nh0,train\n");
    file_path("out/x");
    CK_OK(use_all(root(), err));
    CK_OK(gsg_dataset_inspect_path(context, root(), &options, listen, &(told){0}, err));
    ck_assert_int_eq(rename(file_path("out/all.h5"), file_path("in.h5")), 0);
    context_close(context);
    sweep(root());
    sweep(file_path("png"));
    sweep(file_path("in.h5"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {plain_folders_of_png,
                                  colours_turned_to_grey,
                                  nnunet_raw_with_two_channels,
                                  decathlon_lists,
                                  a_split_file_marks_cases,
                                  no_pairs,
                                  one_image_is_a_case,
                                  lonely_and_double_files,
                                  grids_that_differ,
                                  channels_that_differ,
                                  label_values,
                                  damaged_files_name_themselves,
                                  little_memory,
                                  inspection_tells_everything,
                                  writes_back_on_a_cases_grid,
                                  a_full_disk_leaves_no_file,
                                  every_allocation_may_fail};
    return run_tests("dataset_open", tests, sizeof tests / sizeof tests[0]);
}
