// The exported dataset functions: arguments, options of other versions, and what
// accessors say of empty and foreign input.
#include <math.h>

#include "core/parallel.h"
#include "data_files.h"

static genseg_context *context;

START_TEST(option_structs_of_any_age)
{
    context = context_with(1, 0);
    genseg_dataset_options options;
    memset(&options, 0xff, sizeof options);
    ck_assert_int_eq(genseg_dataset_options_init(&options, sizeof options), GENSEG_OK);
    ck_assert(options.struct_size == sizeof options && options.affine_tolerance == 0.1);
    ck_assert(!options.image_name && !options.group_separators && !options.allow_unlabelled);
    ck_assert_int_eq(genseg_dataset_options_init(NULL, sizeof options), GENSEG_ERROR_INVALID);
    ck_assert_int_eq(genseg_dataset_options_init(&options, 4), GENSEG_ERROR_INVALID);
    struct {
        genseg_dataset_options known;
        int64_t future;
    } newer;
    memset(&newer, 0xff, sizeof newer);
    ck_assert_int_eq(genseg_dataset_options_init(&newer.known, sizeof newer), GENSEG_OK);
    ck_assert(newer.future == 0 && newer.known.struct_size == sizeof newer);
    genseg_dataset *set = NULL;
    CK_FAILS(genseg_dataset_open(context, file_path("no"), &newer.known, &set, err), GENSEG_ERROR_IO, "no such file");
    newer.future = 1;
    CK_FAILS(genseg_dataset_open(context, file_path("no"), &newer.known, &set, err), GENSEG_ERROR_VERSION, "");
    // An older struct that ends after image_name: the tolerance is the default.
    ck_assert_int_eq(genseg_dataset_options_init(&options, sizeof options), GENSEG_OK);
    options.struct_size = offsetof(genseg_dataset_options, label_name);
    options.affine_tolerance = NAN;
    CK_FAILS(genseg_dataset_open(context, file_path("no"), &options, &set, err), GENSEG_ERROR_IO, "no such file");
    options.struct_size = sizeof options;
    CK_FAILS(genseg_dataset_open(context, file_path("no"), &options, &set, err), GENSEG_ERROR_INVALID,
             "affine_tolerance");
    genseg_phantom_options phantom;
    ck_assert_int_eq(genseg_phantom_options_init(&phantom, sizeof phantom), GENSEG_OK);
    ck_assert(phantom.ndim == 2 && phantom.count == 24 && phantom.classes == 2 && phantom.seed == 1);
    ck_assert_ptr_null(set);
    context_close(context);
}
END_TEST

static int32_t ignore(const genseg_finding *finding, void *user)
{
    return 0;
}

START_TEST(missing_arguments_are_named)
{
    context = context_with(1, 0);
    genseg_dataset *set = NULL;
    CK_FAILS(genseg_dataset_open(NULL, "x", NULL, &set, err), GENSEG_ERROR_INVALID, "context is NULL");
    CK_FAILS(genseg_dataset_open(context, NULL, NULL, &set, err), GENSEG_ERROR_INVALID, "path is NULL");
    CK_FAILS(genseg_dataset_open(context, "x", NULL, NULL, err), GENSEG_ERROR_INVALID, "dataset is NULL");
    CK_FAILS(genseg_dataset_new(context, NULL, err), GENSEG_ERROR_INVALID, "dataset is NULL");
    CK_FAILS(genseg_dataset_add(NULL, NULL, err), GENSEG_ERROR_INVALID, "dataset is NULL");
    CK_FAILS(genseg_dataset_split(NULL, 1, 1, 1, err), GENSEG_ERROR_INVALID, "dataset is NULL");
    CK_FAILS(genseg_dataset_inspect_path(context, "x", NULL, NULL, NULL, err), GENSEG_ERROR_INVALID, "report");
    CK_FAILS(genseg_dataset_inspect(NULL, ignore, NULL, err), GENSEG_ERROR_INVALID, "dataset is NULL");
    CK_FAILS(genseg_dataset_phantom(NULL, NULL, &set, err), GENSEG_ERROR_INVALID, "context is NULL");
    ck_assert_int_eq(genseg_dataset_open(context, "/nonexistent", NULL, &set, NULL), GENSEG_ERROR_IO);
    CK_OK(genseg_dataset_new(context, &set, err));
    CK_FAILS(genseg_dataset_save_hdf5(set, file_path("e.h5"), err), GENSEG_ERROR_STATE, "empty");
    CK_FAILS(genseg_dataset_split(set, 1, 0, 1, err), GENSEG_ERROR_INVALID, "0 labelled");
    genseg_case item = {.struct_size = sizeof item};
    CK_FAILS(genseg_dataset_add(set, &item, err), GENSEG_ERROR_INVALID, "name is NULL");
    item.name = "";
    CK_FAILS(genseg_dataset_add(set, &item, err), GENSEG_ERROR_INVALID, "name is empty");
    item.name = "a";
    CK_FAILS(genseg_dataset_add(set, &item, err), GENSEG_ERROR_INVALID, "image is NULL");
    genseg_dataset_free(set);
    genseg_dataset_free(NULL);
    context_close(context);
}
END_TEST

START_TEST(accessors)
{
    context = context_with(1, 0);
    ck_assert_int_eq(genseg_dataset_size(NULL), 0);
    ck_assert_ptr_null(genseg_dataset_case_name(NULL, 0));
    genseg_dataset *set = NULL;
    CK_OK(genseg_dataset_new(context, &set, err));
    ck_assert(genseg_dataset_ndim(set) == 0 && genseg_dataset_channels(set) == 0);
    int16_t voxels[2 * 3 * 4];
    uint8_t label[3 * 4] = {0, 9, 9};
    for (int i = 0; i < 24; i++)
        voxels[i] = (int16_t)i;
    // Columns run backwards.
    genseg_array image = {
        .data = voxels + 3, .dtype = GENSEG_DTYPE_INT16, .ndim = 3, .shape = {2, 3, 4}, .strides = {24, 8, -2}};
    genseg_array map = {.data = label, .dtype = GENSEG_DTYPE_UINT8, .ndim = 2, .shape = {3, 4}, .strides = {4, 1}};
    const double affine[16] = {0.5, 0, 0, 7, 0, 0.25, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    genseg_case item = {.struct_size = sizeof item,
                        .name = "a",
                        .group = "g",
                        .image = &image,
                        .label = &map,
                        .affine = affine,
                        .channels = 2};
    CK_OK(genseg_dataset_add(set, &item, err));
    ck_assert_int_eq(genseg_dataset_size(set), 1);
    ck_assert_int_eq(genseg_dataset_ndim(set), 2);
    ck_assert_int_eq(genseg_dataset_channels(set), 2);
    ck_assert_int_eq(genseg_dataset_classes(set), 2);
    ck_assert_int_eq(genseg_dataset_label_value(set, 1), 9);
    ck_assert_str_eq(genseg_dataset_label_name(set, 1), "9");
    ck_assert_ptr_null(genseg_dataset_label_name(set, 2));
    ck_assert_str_eq(genseg_dataset_case_name(set, 0), "a");
    ck_assert_str_eq(genseg_dataset_case_group(set, 0), "g");
    ck_assert_ptr_null(genseg_dataset_case_path(set, 0));
    ck_assert_ptr_null(genseg_dataset_case_name(set, 1));
    ck_assert_int_eq(genseg_dataset_case_split(set, 0), GENSEG_SPLIT_NONE);
    int64_t shape[4];
    double spacing[3], back[16];
    int32_t labelled = -1;
    CK_OK(genseg_dataset_case_info(set, 0, shape, spacing, back, &labelled, err));
    ck_assert(shape[0] == 2 && shape[1] == 1 && shape[2] == 3 && shape[3] == 4 && labelled == 1);
    ck_assert(spacing[1] == 0.25 && spacing[2] == 0.5);
    ck_assert_mem_eq(back, affine, sizeof affine);
    CK_OK(genseg_dataset_case_info(set, 0, NULL, NULL, NULL, NULL, err));
    CK_FAILS(genseg_dataset_case_info(set, 1, shape, NULL, NULL, NULL, err), GENSEG_ERROR_INVALID, "index is 1");
    float pixels[24];
    int32_t classes[12];
    CK_OK(genseg_dataset_case_read(set, 0, pixels, classes, err));
    ck_assert(pixels[0] == 3.0f && pixels[3] == 0.0f && pixels[23] == 20.0f);
    ck_assert(classes[0] == 0 && classes[2] == 1);
    CK_FAILS(genseg_dataset_case_read(set, 7, pixels, NULL, err), GENSEG_ERROR_INVALID, "case 7 of 1");
    genseg_dataset_free(set);
    context_close(context);
}
END_TEST

// A case without a file: its own affine is what both files state.
START_TEST(one_case_as_files)
{
    context = context_with(1, 0);
    genseg_phantom_options phantom;
    genseg_dataset *set = NULL, *back = NULL;
    genseg_dataset_options options;
    genseg_dataset_options_init(&options, sizeof options);
    options.allow_unlabelled = 1;
    genseg_phantom_options_init(&phantom, sizeof phantom);
    phantom.ndim = 3, phantom.count = 2, phantom.size[0] = 8, phantom.size[1] = 32, phantom.size[2] = 33;
    CK_OK(genseg_dataset_phantom(context, &phantom, &set, err));
    enum { H = 32, W = 33, PLANE = H * W, COUNT = 8 * PLANE };
    static float voxels[COUNT], again[COUNT];
    static int32_t classes[COUNT];
    static uint32_t label[COUNT];
    int64_t shape[4];
    double affine[16], other[16];
    CK_OK(genseg_dataset_case_read(set, 1, voxels, classes, err));
    CK_OK(genseg_dataset_case_info(set, 1, shape, NULL, affine, NULL, err));
    CK_OK(genseg_dataset_save_image(set, 1, file_path("v.nii.gz"), err));
    CK_OK(genseg_dataset_open(context, file_path("v.nii.gz"), &options, &back, err));
    CK_OK(genseg_dataset_case_read(back, 0, again, NULL, err));
    CK_OK(genseg_dataset_case_info(back, 0, shape, NULL, other, NULL, err));
    ck_assert_mem_eq(voxels, again, sizeof voxels);
    for (int i = 0; i < 16; i++)
        ck_assert(fabs(affine[i] - other[i]) < 1e-5);
    genseg_dataset_free(back);
    // Rows backwards, values beyond 8 bits.
    for (int i = 0; i < COUNT; i++)
        label[i] = classes[i] ? 70000 : 0;
    genseg_array array = {.data = label + (H - 1) * W,
                          .dtype = GENSEG_DTYPE_UINT32,
                          .ndim = 3,
                          .shape = {8, H, W},
                          .strides = {4 * PLANE, -4 * W, 4}};
    CK_OK(genseg_dataset_save_label(set, 1, &array, file_path("l.nii"), err));
    CK_OK(genseg_dataset_open(context, file_path("l.nii"), &options, &back, err));
    CK_OK(genseg_dataset_case_read(back, 0, again, NULL, err));
    for (int i = 0; i < COUNT; i++)
        ck_assert(again[i] == (float)label[i / PLANE * PLANE + (H - 1 - i % PLANE / W) * W + i % W]);
    genseg_dataset_free(back);
    CK_FAILS(genseg_dataset_save_image(set, 0, file_path("v.png"), err), GENSEG_ERROR_UNSUPPORTED, "3-D image");
    CK_FAILS(genseg_dataset_save_image(set, 2, file_path("x.nii"), err), GENSEG_ERROR_INVALID, "case 2 of 2");
    CK_FAILS(genseg_dataset_save_image(set, 0, NULL, err), GENSEG_ERROR_INVALID, "path is NULL");
    CK_FAILS(genseg_dataset_save_label(set, 0, NULL, "x", err), GENSEG_ERROR_INVALID, "label is NULL");
    CK_FAILS(genseg_dataset_save_label(set, 0, &array, file_path("l.txt"), err), GENSEG_ERROR_UNSUPPORTED, "l.txt");
    array.shape[0] = 5;
    CK_FAILS(genseg_dataset_save_label(set, 0, &array, file_path("l2.nii"), err), GENSEG_ERROR_SHAPE, "5x32x33");
    genseg_dataset_free(set);
    context_close(context);
}
END_TEST

START_TEST(names_of_labels)
{
    context = context_with(1, 0);
    genseg_dataset *set = NULL, *back = NULL;
    uint8_t voxels[4] = {1, 2, 3, 4}, label[4] = {0, 7, 9, 9};
    genseg_array image = {.data = voxels, .dtype = GENSEG_DTYPE_UINT8, .ndim = 2, .shape = {2, 2}, .strides = {2, 1}};
    genseg_array map = {.data = label, .dtype = GENSEG_DTYPE_UINT8, .ndim = 2, .shape = {2, 2}, .strides = {2, 1}};
    genseg_case item = {.struct_size = sizeof item, .name = "a", .image = &image, .label = &map};
    CK_OK(genseg_dataset_new(context, &set, err));
    CK_OK(genseg_dataset_set_label_name(set, 7, "lever", err)); // before any case has it
    CK_OK(genseg_dataset_set_label_name(set, 7, "liver", err));
    CK_OK(genseg_dataset_set_label_name(set, 300, "nothing", err));
    CK_OK(genseg_dataset_add(set, &item, err));
    ck_assert_str_eq(genseg_dataset_label_name(set, 1), "liver");
    ck_assert_str_eq(genseg_dataset_label_name(set, 2), "9");
    CK_OK(genseg_dataset_set_label_name(set, 9, "tumour", err)); // and after
    CK_OK(genseg_dataset_set_label_name(set, 0, "background", err));
    ck_assert_str_eq(genseg_dataset_label_name(set, 2), "tumour");
    item.name = "b";
    label[0] = 1; // a new class between others
    CK_OK(genseg_dataset_add(set, &item, err));
    static const char *const names[] = {"background", "1", "liver", "tumour"};
    for (int k = 0; k < 4; k++)
        ck_assert_str_eq(genseg_dataset_label_name(set, k), names[k]);
    CK_FAILS(genseg_dataset_set_label_name(set, (int64_t)1 << 40, "x", err), GENSEG_ERROR_FORMAT, "beyond 32 bits");
    CK_FAILS(genseg_dataset_set_label_name(set, 9, "", err), GENSEG_ERROR_INVALID, "name is empty");
    CK_FAILS(genseg_dataset_set_label_name(set, 9, NULL, err), GENSEG_ERROR_INVALID, "name is NULL");
    CK_FAILS(genseg_dataset_set_label_name(NULL, 9, "x", err), GENSEG_ERROR_INVALID, "dataset is NULL");
    // Files carry them; renaming those of a file is possible too.
    CK_OK(genseg_dataset_save_hdf5(set, file_path("n.h5"), err));
    CK_OK(genseg_dataset_open(context, file_path("n.h5"), NULL, &back, err));
    ck_assert_str_eq(genseg_dataset_label_name(back, 3), "tumour");
    CK_OK(genseg_dataset_set_label_name(back, 9, "lesion", err));
    ck_assert_str_eq(genseg_dataset_label_name(back, 3), "lesion");
    genseg_dataset_free(back);
    genseg_dataset_free(set);
    context_close(context);
}
END_TEST

START_TEST(phantoms)
{
    context = context_with(1, 0);
    genseg_phantom_options options;
    genseg_dataset *set = NULL;
    ck_assert_int_eq(genseg_phantom_options_init(&options, sizeof options), GENSEG_OK);
    options.count = 3;
    options.size[1] = options.size[2] = 48;
    CK_OK(genseg_dataset_phantom(context, &options, &set, err));
    ck_assert_int_eq(genseg_dataset_size(set), 3);
    ck_assert_int_eq(genseg_dataset_classes(set), 2);
    ck_assert_str_eq(genseg_dataset_case_name(set, 2), "phantom_002");
    CK_OK(genseg_dataset_split(set, 2, 1, 1, err));
    // Through HDF5 and back.
    CK_OK(genseg_dataset_save_hdf5(set, file_path("p.h5"), err));
    genseg_dataset *back = NULL;
    CK_OK(genseg_dataset_open(context, file_path("p.h5"), NULL, &back, err));
    for (int i = 0; i < 3; i++) {
        static float a[48 * 48], b[48 * 48];
        static int32_t p[48 * 48], q[48 * 48];
        CK_OK(genseg_dataset_case_read(set, i, a, p, err));
        CK_OK(genseg_dataset_case_read(back, i, b, q, err));
        ck_assert_mem_eq(a, b, sizeof a);
        ck_assert_mem_eq(p, q, sizeof p);
        ck_assert_int_eq(genseg_dataset_case_split(set, i), genseg_dataset_case_split(back, i));
    }
    uint8_t voxel[2] = {0, 1};
    genseg_array tiny = {.data = voxel, .dtype = GENSEG_DTYPE_UINT8, .ndim = 2, .shape = {1, 2}, .strides = {2, 1}};
    genseg_case item = {.struct_size = sizeof item, .name = "x", .image = &tiny};
    CK_FAILS(genseg_dataset_add(back, &item, err), GENSEG_ERROR_STATE, "opened from");
    options.ndim = 5;
    genseg_dataset *none = NULL;
    CK_FAILS(genseg_dataset_phantom(context, &options, &none, err), GENSEG_ERROR_INVALID, "ndim");
    ck_assert_ptr_null(none);
    genseg_dataset_free(set);
    genseg_dataset_free(back);
    context_close(context);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {option_structs_of_any_age,
                                  missing_arguments_are_named,
                                  accessors,
                                  one_case_as_files,
                                  names_of_labels,
                                  phantoms};
    return run_tests("api_dataset", tests, sizeof tests / sizeof tests[0]);
}
