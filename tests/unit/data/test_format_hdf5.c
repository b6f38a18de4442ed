// HDF5: which cases a file holds, geometry, damaged files. Files are made with
// the HDF5 library directly, as h5py would write them.
#include <hdf5.h>

#include "data/format_hdf5.h"
#include "data_files.h"

static genseg_context *context;

// A dataset filled with 0, 1, 2, ... modulo `modulo`.
static void put(hid_t where, const char *name, hid_t type, int modulo, const char *axes, int rank, ...)
{
    hsize_t dims[6];
    hsize_t count = 1;
    va_list args;
    va_start(args, rank);
    for (int d = 0; d < rank; d++) {
        dims[d] = (hsize_t)va_arg(args, int);
        count *= dims[d];
    }
    va_end(args);
    double *values = malloc(count * sizeof *values);
    for (hsize_t i = 0; i < count; i++)
        values[i] = (double)(i % (hsize_t)modulo);
    hid_t space = H5Screate_simple(rank, dims, NULL);
    hid_t data = H5Dcreate2(where, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(data, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    if (axes) { // variable-length text, as h5py writes it
        hid_t text = H5Tcopy(H5T_C_S1), scalar = H5Screate(H5S_SCALAR);
        H5Tset_size(text, H5T_VARIABLE);
        hid_t attribute = H5Acreate2(data, "axes", text, scalar, H5P_DEFAULT, H5P_DEFAULT);
        H5Awrite(attribute, text, &axes);
        H5Aclose(attribute);
        H5Sclose(scalar);
        H5Tclose(text);
    }
    H5Dclose(data);
    H5Sclose(space);
    free(values);
}

static void put_numbers(hid_t where, const char *name, const char *attribute_name, int count, const double *values)
{
    hsize_t dim = (hsize_t)count;
    hid_t data = H5Dopen2(where, name, H5P_DEFAULT), space = H5Screate_simple(1, &dim, NULL);
    hid_t attribute = H5Acreate2(data, attribute_name, H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, H5T_NATIVE_DOUBLE, values);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Dclose(data);
}

static hid_t make(const char *path)
{
    return H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
}

static genseg_dataset *open_set(const char *path)
{
    genseg_dataset_options options;
    gsg_dataset_defaults(&options);
    genseg_dataset *dataset = NULL;
    CK_OK(gsg_dataset_open(context, path, &options, &dataset, err));
    return dataset;
}

static genseg_status try_open(const char *path, gsg_error *err)
{
    genseg_dataset_options options;
    gsg_dataset_defaults(&options);
    genseg_dataset *dataset = NULL;
    genseg_status status = gsg_dataset_open(context, path, &options, &dataset, err);
    ck_assert(status != GENSEG_OK || dataset);
    gsg_dataset_release(dataset);
    return status;
}

START_TEST(root_datasets_by_the_rule)
{
    context = context_with(1, 0);
    hid_t file = make(file_path("vol.h5")); // raw and label, one volume
    put(file, "raw", H5T_STD_I16BE, 1000, NULL, 3, 3, 4, 5);
    put(file, "label", H5T_STD_U8LE, 2, NULL, 3, 3, 4, 5);
    H5Fclose(file);
    genseg_dataset *set = open_set(file_path("vol.h5"));
    ck_assert_int_eq(set->count, 1);
    ck_assert_str_eq(set->cases[0].name, "vol");
    ck_assert(set->cases[0].ndim == 3 && set->cases[0].size[0] == 3 && set->cases[0].size[2] == 5);
    gsg_volume volume;
    CK_OK(gsg_dataset_read(set, 0, &volume, err));
    for (int i = 0; i < 60; i++)
        ck_assert(volume.image[i] == (float)i && volume.label[i] == i % 2);
    gsg_volume_free(&volume);
    gsg_dataset_release(set);

    file = make(file_path("stack.h5")); // image stack (N, C, H, W) with labels (N, H, W)
    put(file, "image", H5T_NATIVE_FLOAT, 1000, "ncyx", 4, 3, 2, 4, 5);
    put(file, "label", H5T_STD_I64LE, 3, "nyx", 3, 3, 4, 5);
    H5Fclose(file);
    set = open_set(file_path("stack.h5"));
    ck_assert_int_eq(set->count, 3);
    ck_assert_str_eq(set->cases[2].name, "stack_0002");
    ck_assert(set->cases[0].ndim == 2 && set->cases[0].channels == 2);
    CK_OK(gsg_dataset_read(set, 2, &volume, err));
    ck_assert(volume.image[0] == 80.0f && volume.image[39] == 119.0f && volume.label[0] == 40 % 3);
    gsg_volume_free(&volume);
    gsg_dataset_release(set);

    file = make(file_path("pic.h5")); // (C, H, W) with (H, W)
    put(file, "image", H5T_NATIVE_DOUBLE, 1000, NULL, 3, 3, 4, 5);
    put(file, "label", H5T_NATIVE_FLOAT, 2, NULL, 2, 4, 5);
    H5Fclose(file);
    set = open_set(file_path("pic.h5"));
    ck_assert(set->cases[0].ndim == 2 && set->cases[0].channels == 3);
    gsg_dataset_release(set);
    context_close(context);
}
END_TEST

START_TEST(groups_and_chosen_names)
{
    context = context_with(1, 0);
    hid_t file = make(file_path("g.h5"));
    for (int g = 0; g < 2; g++) {
        hid_t group = H5Gcreate2(file, g ? "a" : "b", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        put(group, "t1", H5T_NATIVE_FLOAT, 100, "zyx", 3, 2, 3, 4);
        put(group, "seg", H5T_STD_U8LE, 2, NULL, 3, 2, 3, 4);
        H5Gclose(group);
    }
    const double spacing[3] = {5.0, 0.5, 0.25};
    put_numbers(file, "a/t1", "spacing_mm", 3, spacing);
    H5Fclose(file);
    genseg_dataset_options options;
    gsg_dataset_defaults(&options);
    options.image_name = "t1";
    options.label_name = "seg";
    genseg_dataset *set = NULL;
    CK_OK(gsg_dataset_open(context, file_path("g.h5"), &options, &set, err));
    ck_assert_int_eq(set->count, 2);
    ck_assert_str_eq(set->cases[0].name, "a");
    ck_assert(set->cases[0].geometry.spacing[0] == 5.0 && set->cases[0].geometry.spacing[2] == 0.25);
    ck_assert_int_eq(set->cases[1].geometry.affine_known, 0);
    // The missing spacing is told.
    int told = 0;
    for (int64_t i = 0; i < set->finding_count; i++)
        told += strstr(set->findings[i].message, "unit spacing") != NULL;
    ck_assert_int_eq(told, 1);
    gsg_dataset_release(set);
    gsg_source source;
    const gsg_location loose = {.path = (char *)(uintptr_t)file_path("g.h5"), .plane = -1};
    CK_FAILS(gsg_format_read_header(&gsg_format_hdf5, &loose, &source, err), GENSEG_ERROR_FORMAT,
             "open a file of several cases");
    CK_FAILS(try_open(file_path("g.h5"), err), GENSEG_ERROR_FORMAT, "no dataset image or raw");
    options.label_name = "nothing";
    CK_FAILS(gsg_dataset_open(context, file_path("g.h5"), &options, &set, err), GENSEG_ERROR_FORMAT, "nothing");
    context_close(context);
}
END_TEST

START_TEST(refuses_damaged_files)
{
    context = context_with(1, 0);
    file_text(file_path("text.h5"), "no HDF5 at all");
    CK_FAILS(try_open(file_path("text.h5"), err), GENSEG_ERROR_FORMAT, "is no HDF5 file");
    hid_t file = make(file_path("ok.h5"));
    put(file, "image", H5T_NATIVE_FLOAT, 100, NULL, 2, 40, 50);
    put(file, "label", H5T_STD_U8LE, 2, NULL, 2, 40, 50);
    H5Fclose(file);
    static uint8_t bytes[1 << 16];
    FILE *stream = fopen(file_path("ok.h5"), "rb");
    size_t size = fread(bytes, 1, sizeof bytes, stream);
    fclose(stream);
    file_put(file_path("cut.h5"), bytes, size / 2);
    CK_FAILS(try_open(file_path("cut.h5"), err), GENSEG_ERROR_FORMAT, "cut.h5");
    file = make(file_path("axes.h5"));
    put(file, "image", H5T_NATIVE_FLOAT, 100, "yxc", 3, 4, 5, 3);
    put(file, "label", H5T_STD_U8LE, 2, NULL, 2, 4, 5);
    H5Fclose(file);
    CK_FAILS(try_open(file_path("axes.h5"), err), GENSEG_ERROR_UNSUPPORTED, "\"yxc\"");
    file = make(file_path("shape.h5"));
    put(file, "image", H5T_NATIVE_FLOAT, 100, NULL, 2, 4, 5);
    put(file, "label", H5T_STD_U8LE, 2, NULL, 2, 5, 4);
    H5Fclose(file);
    CK_FAILS(try_open(file_path("shape.h5"), err), GENSEG_ERROR_SHAPE, "image is 4x5, the label map is 5x4");
    file = make(file_path("one.h5"));
    put(file, "image", H5T_NATIVE_FLOAT, 100, NULL, 1, 20);
    H5Fclose(file);
    CK_FAILS(try_open(file_path("one.h5"), err), GENSEG_ERROR_FORMAT, "dimensions");
    // A claim of 10^12 voxels without any.
    hsize_t dims[3] = {10000, 10000, 10000};
    file = make(file_path("huge.h5"));
    hid_t space = H5Screate_simple(3, dims, NULL);
    for (int i = 0; i < 2; i++) {
        hid_t data =
            H5Dcreate2(file, i ? "image" : "label", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
        H5Dclose(data);
    }
    H5Sclose(space);
    H5Fclose(file);
    CK_FAILS(try_open(file_path("huge.h5"), err), GENSEG_ERROR_FORMAT, "claim more voxels");
    context_close(context);
}
END_TEST

START_TEST(keeps_the_error_printing_of_the_host)
{
    context = context_with(1, 0);
    H5E_auto2_t before, after;
    void *user;
    H5Eget_auto2(H5E_DEFAULT, &before, &user);
    file_put(file_path("cut.h5"), "\x89HDF\r\n\x1a\n........", 16);
    CK_FAILS(try_open(file_path("cut.h5"), err), GENSEG_ERROR_FORMAT, "cut.h5");
    H5Eget_auto2(H5E_DEFAULT, &after, &user);
    ck_assert(before == after && before != NULL);
    context_close(context);
}
END_TEST

START_TEST(a_saved_dataset_reads_back)
{
    context = context_with(2, 0);
    genseg_dataset *set = NULL;
    CK_OK(gsg_dataset_new(context, &set, err));
    float image[2 * 3 * 4 * 5];
    int16_t label[3 * 4 * 5];
    const double affine[16] = {0, -0.5, 0, 1, 0.5, 0, 0, 2, 0, 0, 3, -7, 0, 0, 0, 1};
    for (int c = 0; c < 3; c++) {
        char name[8];
        snprintf(name, sizeof name, "p%d_a", c);
        for (int i = 0; i < 120; i++)
            image[i] = input_value(i + c);
        for (int i = 0; i < 60; i++)
            label[i] = (int16_t)(i % 3 == 0 ? 300 : i % 3 == 1 ? 0 : 7);
        genseg_array pixels = {.data = image,
                               .dtype = GENSEG_DTYPE_FLOAT32,
                               .ndim = 4,
                               .shape = {2, 3, 4, 5},
                               .strides = {240, 80, 20, 4}};
        genseg_array map = {
            .data = label, .dtype = GENSEG_DTYPE_INT16, .ndim = 3, .shape = {3, 4, 5}, .strides = {40, 10, 2}};
        genseg_case item = {.struct_size = sizeof item,
                            .name = name,
                            .group = "patient",
                            .image = &pixels,
                            .label = &map,
                            .affine = affine,
                            .channels = 2};
        CK_OK(gsg_dataset_add(set, &item, err));
    }
    set->cases[1].split = GENSEG_SPLIT_TEST;
    CK_OK(gsg_dataset_save_hdf5(set, file_path("out.h5"), err));
    genseg_dataset *back = open_set(file_path("out.h5"));
    ck_assert_int_eq(back->count, 3);
    ck_assert_int_eq(back->classes, 3);
    ck_assert(back->values[0] == 0 && back->values[1] == 7 && back->values[2] == 300);
    ck_assert_int_eq(back->cases[1].split, GENSEG_SPLIT_TEST);
    ck_assert_str_eq(back->cases[2].group, "patient");
    ck_assert_mem_eq(back->cases[0].geometry.affine, affine, sizeof affine);
    for (int c = 0; c < 3; c++) {
        gsg_volume a, b;
        CK_OK(gsg_dataset_read(set, c, &a, err));
        CK_OK(gsg_dataset_read(back, c, &b, err));
        ck_assert(a.channels == b.channels && a.ndim == b.ndim);
        ck_assert_mem_eq(a.image, b.image, 120 * sizeof(float));
        ck_assert_mem_eq(a.label, b.label, 60 * sizeof(int32_t));
        gsg_volume_free(&a);
        gsg_volume_free(&b);
    }
    CK_FAILS(gsg_dataset_save_hdf5(set, "/nonexistent/out.h5", err), GENSEG_ERROR_IO, "/nonexistent/");
    gsg_dataset_release(set);
    gsg_dataset_release(back);
    context_close(context);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {root_datasets_by_the_rule, groups_and_chosen_names, refuses_damaged_files,
                                  keeps_the_error_printing_of_the_host, a_saved_dataset_reads_back};
    return run_tests("format_hdf5", tests, sizeof tests / sizeof tests[0]);
}
