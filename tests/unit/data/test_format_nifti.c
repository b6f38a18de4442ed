// NIfTI-1: every type and byte order, geometry, damaged headers, written maps.
#include <math.h>

#include "data_files.h"

static genseg_context *context;

typedef struct type_row {
    int datatype;
    int bits;
    double low;  // stored in voxel 0
    double high; // stored in voxel 5
} type_row;

static const type_row types[] = {
    {2, 8, 0, 255},
    {256, 8, -128, 127},
    {512, 16, 0, 65535},
    {4, 16, -32768, 32767},
    {768, 32, 0, 4294967295.0},
    {8, 32, -2147483648.0, 2147483647},
    {1280, 64, 0, 4294967296.0},
    {1024, 64, -4294967296.0, 4294967296.0},
    {16, 32, -0.5, 1e30},
    {64, 64, -0.25, 1e-30},
};

static void store(nifti_file *to, int datatype, double value)
{
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
        float f32;
        double f64;
    } as;
    switch (datatype) {
    case 2:
        as.u8 = (uint8_t)value;
        nifti_value(to, &as, 1);
        break;
    case 256:
        as.i8 = (int8_t)value;
        nifti_value(to, &as, 1);
        break;
    case 512:
        as.u16 = (uint16_t)value;
        nifti_value(to, &as, 2);
        break;
    case 4:
        as.i16 = (int16_t)value;
        nifti_value(to, &as, 2);
        break;
    case 768:
        as.u32 = (uint32_t)value;
        nifti_value(to, &as, 4);
        break;
    case 8:
        as.i32 = (int32_t)value;
        nifti_value(to, &as, 4);
        break;
    case 1280:
        as.u64 = (uint64_t)value;
        nifti_value(to, &as, 8);
        break;
    case 1024:
        as.i64 = (int64_t)value;
        nifti_value(to, &as, 8);
        break;
    case 16:
        as.f32 = (float)value;
        nifti_value(to, &as, 4);
        break;
    default:
        as.f64 = value;
        nifti_value(to, &as, 8);
        break;
    }
}

START_TEST(reads_every_type_in_both_byte_orders)
{
    context = context_with(1, 0);
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        for (int big = 0; big < 2; big++) {
            nifti_file file;
            nifti_begin(&file, big, types[t].datatype, types[t].bits, 3, 3, 2, 1);
            const double values[6] = {types[t].low, 1, 2, 3, 4, types[t].high};
            for (int i = 0; i < 6; i++)
                store(&file, types[t].datatype, values[i]);
            const char *path = file_path("t%zu_%d.nii%s", t, big, big ? ".gz" : "");
            nifti_save(&file, path);
            gsg_volume volume;
            gsg_source source;
            CK_OK(gsg_image_read(context, path, &volume, &source, err));
            ck_assert_int_eq(volume.ndim, 2); // one slice
            ck_assert_int_eq(volume.channels, 1);
            ck_assert_int_eq(volume.size[1], 2);
            ck_assert_int_eq(volume.size[2], 3);
            for (int i = 0; i < 6; i++)
                ck_assert_msg(volume.image[i] == (float)values[i], "type %d voxel %d: %g", types[t].datatype, i,
                              (double)volume.image[i]);
            gsg_volume_free(&volume);
            gsg_source_free(&source);
        }
    }
    context_close(context);
}
END_TEST

START_TEST(scales_by_slope_and_inter)
{
    context = context_with(1, 0);
    nifti_file file;
    nifti_begin(&file, 1, 4, 16, 3, 2, 2, 2);
    put_f32(&file, 112, 0.5);
    put_f32(&file, 116, -10.0);
    for (int i = 0; i < 8; i++)
        store(&file, 4, i * 100 - 300);
    nifti_save(&file, file_path("a.nii"));
    gsg_volume volume;
    gsg_source source;
    CK_OK(gsg_image_read(context, file_path("a.nii"), &volume, &source, err));
    for (int i = 0; i < 8; i++)
        ck_assert(volume.image[i] == (float)(0.5 * (i * 100 - 300) - 10.0));
    ck_assert_int_eq(volume.ndim, 3);
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    // A slope of 0 means none.
    put_f32(&file, 112, 0.0);
    nifti_save(&file, file_path("a.nii"));
    CK_OK(gsg_image_read(context, file_path("a.nii"), &volume, &source, err));
    ck_assert(volume.image[0] == -300.0f);
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    context_close(context);
}
END_TEST

START_TEST(reads_channels_pairs_and_two_dimensions)
{
    context = context_with(1, 0);
    nifti_file file;
    gsg_volume volume;
    gsg_source source;
    nifti_begin(&file, 0, 2, 8, 4, 2, 3, 4, 5);
    for (int i = 0; i < 120; i++)
        store(&file, 2, i);
    nifti_save(&file, file_path("c.nii.gz"));
    CK_OK(gsg_image_read(context, file_path("c.nii.gz"), &volume, &source, err));
    ck_assert_int_eq(volume.channels, 5);
    ck_assert(volume.size[0] == 4 && volume.size[1] == 3 && volume.size[2] == 2);
    ck_assert(volume.image[119] == 119.0f);
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    // Vectors lie in the fifth dimension.
    nifti_begin(&file, 0, 2, 8, 5, 2, 3, 1, 1, 2);
    for (int i = 0; i < 12; i++)
        store(&file, 2, i);
    nifti_save(&file, file_path("v.nii"));
    CK_OK(gsg_image_read(context, file_path("v.nii"), &volume, &source, err));
    ck_assert_int_eq(volume.channels, 2);
    ck_assert_int_eq(volume.ndim, 2);
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    // .hdr and .img
    nifti_begin(&file, 0, 2, 8, 2, 3, 2);
    memcpy(file.bytes + 344, "ni1", 4);
    put_f32(&file, 108, 0.0);
    file_put(file_path("p.hdr"), file.bytes, 348);
    const uint8_t voxels[6] = {9, 8, 7, 6, 5, 4};
    CK_FAILS(gsg_image_read(context, file_path("p.hdr"), &volume, &source, err), GENSEG_ERROR_IO, ".img");
    file_put(file_path("p.img"), voxels, 6);
    CK_OK(gsg_image_read(context, file_path("p.hdr"), &volume, &source, err));
    ck_assert(volume.image[0] == 9.0f && volume.image[5] == 4.0f);
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    context_close(context);
}
END_TEST

static gsg_source header_of(const nifti_file *file)
{
    gsg_source source;
    nifti_save(file, file_path("g.nii"));
    CK_OK(gsg_source_read(context, file_path("g.nii"), &source, err));
    return source;
}

START_TEST(takes_sform_then_qform_then_pixdim)
{
    context = context_with(1, 0);
    nifti_file file;
    nifti_begin(&file, 0, 2, 8, 3, 4, 4, 4);
    file.size += 64;
    put_f32(&file, 80, 0.5);
    put_f32(&file, 84, 0.75);
    put_f32(&file, 88, 3.0);
    gsg_source source = header_of(&file);
    ck_assert_int_eq(source.geometry.affine_known, 0);
    ck_assert_ptr_nonnull(source.note);
    ck_contains(source.note, "pixdim");
    ck_assert(source.geometry.spacing[0] == 3.0 && source.geometry.spacing[2] == 0.5);
    gsg_source_free(&source);
    // qform: 90 degrees about z (b = c = 0, d = sin 45), shifted. Hand-computed:
    // x' = -0.75 j + 10, y' = 0.5 i + 20, z' = 3 k + 30.
    put_i16(&file, 252, 1);
    put_f32(&file, 264, sqrt(0.5));
    put_f32(&file, 268, 10);
    put_f32(&file, 272, 20);
    put_f32(&file, 276, 30);
    source = header_of(&file);
    const double expected[16] = {0, -0.75, 0, 10, 0.5, 0, 0, 20, 0, 0, 3, 30, 0, 0, 0, 1};
    for (int i = 0; i < 16; i++)
        ck_assert_double_eq_tol(source.geometry.affine[i], expected[i], 1e-6);
    ck_assert_int_eq(source.geometry.affine_known, 1);
    ck_assert_ptr_null(source.note);
    gsg_source_free(&source);
    // The sform wins; both differ by one voxel along i at every corner.
    put_i16(&file, 254, 2);
    for (int i = 0; i < 12; i++)
        put_f32(&file, 280 + 4 * (size_t)i, expected[i] + (i == 7 ? 0.5 : 0.0));
    source = header_of(&file);
    ck_assert_double_eq_tol(source.geometry.affine[7], 20.5, 1e-6);
    ck_assert_double_eq_tol(source.form_distance, 1.0, 1e-5);
    gsg_source_free(&source);
    // Metres become millimetres.
    file.bytes[123] = 1;
    source = header_of(&file);
    ck_assert_double_eq_tol(source.geometry.spacing[0], 3000.0, 1e-2);
    gsg_source_free(&source);
    // A singular sform is left out.
    file.bytes[123] = 0;
    memset(file.bytes + 280, 0, 48);
    source = header_of(&file);
    ck_assert_double_eq_tol(source.geometry.affine[7], 20.0, 1e-6);
    ck_contains(source.note, "singular");
    gsg_source_free(&source);
    context_close(context);
}
END_TEST

static void check_bad(const nifti_file *file, const char *name, genseg_status code, const char *part)
{
    gsg_volume volume;
    gsg_source source;
    const char *path = file_path("%s", name);
    nifti_save(file, path);
    CK_FAILS(gsg_image_read(context, path, &volume, &source, err), code, part);
    CK_FAILS(gsg_image_read(context, path, &volume, &source, err), code, name); // names the file
}

static void start_bad(nifti_file *file)
{
    nifti_begin(file, 0, 16, 32, 3, 4, 4, 4);
    file->size += 256;
}

START_TEST(refuses_damaged_headers)
{
    context = context_with(1, 0);
    nifti_file file;
    start_bad(&file);
    put_i16(&file, 40, 0);
    check_bad(&file, "bad.nii", GENSEG_ERROR_FORMAT, "dim[0] is 0");
    put_i16(&file, 40, 9);
    check_bad(&file, "bad.nii.gz", GENSEG_ERROR_FORMAT, "dim[0] is 9");
    start_bad(&file);
    put_i16(&file, 42, 0);
    check_bad(&file, "bad.nii", GENSEG_ERROR_FORMAT, "dim[1] is 0");
    put_i16(&file, 42, -7);
    check_bad(&file, "bad.nii", GENSEG_ERROR_FORMAT, "dim[1] is -7");
    // 10^12 voxels, plain and compressed; then a product beyond 64 bits.
    start_bad(&file);
    for (size_t d = 1; d <= 3; d++)
        put_i16(&file, 40 + 2 * d, 10000);
    check_bad(&file, "bad.nii", GENSEG_ERROR_FORMAT, "4000000000352");
    check_bad(&file, "bad.nii.gz", GENSEG_ERROR_FORMAT, "4000000000352");
    put_i16(&file, 40, 7);
    for (size_t d = 1; d <= 5; d++)
        put_i16(&file, 40 + 2 * d, 32767);
    put_i16(&file, 40 + 12, 1);
    put_i16(&file, 40 + 14, 1);
    put_i16(&file, 40 + 10, 1);
    check_bad(&file, "bad.nii", GENSEG_ERROR_FORMAT, "bytes");
    start_bad(&file);
    put_i16(&file, 72, 8);
    check_bad(&file, "bad.nii", GENSEG_ERROR_FORMAT, "bitpix is 8");
    start_bad(&file);
    put_i16(&file, 70, 128);
    check_bad(&file, "bad.nii", GENSEG_ERROR_UNSUPPORTED, "RGB");
    start_bad(&file);
    memset(file.bytes + 344, 0, 4);
    check_bad(&file, "bad.nii", GENSEG_ERROR_FORMAT, "magic");
    memcpy(file.bytes + 344, "ni1", 4);
    check_bad(&file, "bad.nii", GENSEG_ERROR_FORMAT, "magic");
    start_bad(&file);
    put_f32(&file, 108, NAN);
    check_bad(&file, "bad.nii", GENSEG_ERROR_FORMAT, "vox_offset");
    put_f32(&file, 108, 1e12);
    check_bad(&file, "bad.nii", GENSEG_ERROR_FORMAT, "vox_offset");
    int32_t two = 540;
    start_bad(&file);
    put_bytes(&file, 0, &two, 4);
    check_bad(&file, "bad.nii", GENSEG_ERROR_UNSUPPORTED, "NIfTI-2");
    file_text(file_path("text.nii.gz"), "this is no image");
    gsg_source source;
    CK_FAILS(gsg_source_read(context, file_path("text.nii.gz"), &source, err), GENSEG_ERROR_FORMAT, "is no NIfTI file");
    file_text(file_path("empty.nii"), "");
    CK_FAILS(gsg_source_read(context, file_path("empty.nii"), &source, err), GENSEG_ERROR_FORMAT, "empty");
    CK_FAILS(gsg_source_read(context, file_path("absent.nii"), &source, err), GENSEG_ERROR_IO, "no such file");
    CK_FAILS(gsg_source_read(context, file_path("a.tif"), &source, err), GENSEG_ERROR_IO, "no such file");
    context_close(context);
}
END_TEST

START_TEST(refuses_truncated_files)
{
    context = context_with(1, 0);
    nifti_file file;
    start_bad(&file);
    for (size_t i = 0; i < 256; i++) // so that it compresses badly
        file.bytes[352 + i] = (uint8_t)((i * i * 31 + i * 7) % 61);
    file.size -= 10;
    check_bad(&file, "cut.nii", GENSEG_ERROR_FORMAT, "truncated");
    check_bad(&file, "cut.nii.gz", GENSEG_ERROR_FORMAT, "truncated");
    file.size = 300;
    check_bad(&file, "cut.nii", GENSEG_ERROR_FORMAT, "truncated");
    // A gzip stream that was cut, at every tenth byte.
    file.size = 608;
    file_gzip(file_path("whole.nii.gz"), file.bytes, file.size);
    uint8_t packed[1024];
    FILE *whole = fopen(file_path("whole.nii.gz"), "rb");
    size_t size = fread(packed, 1, sizeof packed, whole);
    fclose(whole);
    for (size_t cut = 10; cut < size; cut += 10) {
        gsg_volume volume;
        gsg_source source;
        file_put(file_path("cut.nii.gz"), packed, size - cut);
        CK_FAILS(gsg_image_read(context, file_path("cut.nii.gz"), &volume, &source, err), GENSEG_ERROR_FORMAT,
                 "cut.nii.gz");
    }
    // A damaged byte in the middle: never a crash, mostly an error.
    packed[size / 2] ^= 0x55;
    file_put(file_path("flip.nii.gz"), packed, size);
    gsg_volume volume;
    gsg_source source;
    genseg_status status = gsg_image_read(context, file_path("flip.nii.gz"), &volume, &source, NULL);
    if (status == GENSEG_OK) {
        gsg_volume_free(&volume);
        gsg_source_free(&source);
    }
    context_close(context);
}
END_TEST

START_TEST(refuses_voxels_that_are_not_finite)
{
    context = context_with(1, 0);
    nifti_file file;
    start_bad(&file);
    put_f32(&file, 352 + 4 * 37, NAN); // 37 = (k 2, j 1, i 1)
    put_f32(&file, 352 + 4 * 60, INFINITY);
    check_bad(&file, "nan.nii.gz", GENSEG_ERROR_NUMERIC,
              "2 of 64 voxels are NaN or Inf, the first (NaN) at i=1 j=1 k=2");
    context_close(context);
}
END_TEST

// Reads the header at `path` anew, unpacked.
static int16_t header_i16(const uint8_t *bytes, size_t at)
{
    int16_t value;
    memcpy(&value, bytes + at, 2);
    return value;
}

START_TEST(writes_labels_on_the_grid_of_the_reference)
{
    context = context_with(1, 0);
    nifti_file file;
    nifti_begin(&file, 0, 16, 32, 4, 3, 2, 2, 2);
    put_i16(&file, 252, 1);
    put_f32(&file, 264, 0.3);
    put_f32(&file, 268, 12.5);
    nifti_sform(&file, -0.7, 0.8, 2.5, 4.0);
    put_f32(&file, 112, 2.0);
    put_f32(&file, 116, 1.0);
    file.bytes[123] = 10;
    // One extension of 16 bytes: size, code 6 (comment), text.
    file.bytes[348] = 1;
    int32_t extension[2] = {16, 6};
    memcpy(file.bytes + 352, extension, 8);
    memcpy(file.bytes + 360, "comment", 8);
    put_f32(&file, 108, 368);
    file.size = 368 + 4 * 24;
    nifti_save(&file, file_path("ref.nii.gz"));
    gsg_volume volume;
    gsg_source source;
    CK_OK(gsg_image_read(context, file_path("ref.nii.gz"), &volume, &source, err));
    const struct {
        int32_t last;
        int32_t first;
        int datatype;
    } rows[] = {{1, 0, 2}, {255, 0, 2}, {300, 0, 512}, {70000, 0, 768}, {3, -1, 256}, {3, -300, 4}, {3, -70000, 8}};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        int32_t label[12] = {rows[r].first, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, rows[r].last};
        genseg_array view = {
            .data = label, .dtype = GENSEG_DTYPE_INT32, .ndim = 3, .shape = {2, 2, 3}, .strides = {24, 12, 4}};
        const char *path = file_path("out%zu.nii%s", r, r % 2 ? "" : ".gz");
        CK_OK(gsg_label_write(context, path, &view, &source, err));
        uint8_t bytes[1024];
        size_t size = file_get(path, bytes, sizeof bytes);
        ck_assert_int_eq(header_i16(bytes, 70), rows[r].datatype);
        ck_assert_uint_eq(size, 368 + 12 * (size_t)header_i16(bytes, 72) / 8);
        ck_assert_int_eq(header_i16(bytes, 40), 3);
        float slope;
        memcpy(&slope, bytes + 112, 4);
        ck_assert(slope == 1.0f);
        // qform, sform, offsets, units, spacing and extension: bit for bit.
        ck_assert_mem_eq(bytes + 252, file.bytes + 252, 328 - 252);
        ck_assert_mem_eq(bytes + 76, file.bytes + 76, 16);
        ck_assert_int_eq(bytes[123], 10);
        ck_assert_mem_eq(bytes + 348, file.bytes + 348, 20);
        int32_t back[12];
        gsg_source again;
        CK_OK(gsg_source_read(context, path, &again, err));
        gsg_location at = {.path = (char *)path, .plane = -1};
        CK_OK(gsg_format_read_label(&again, &at, back, err));
        ck_assert_mem_eq(back, label, sizeof label);
        gsg_source_free(&again);
    }
    // Another grid is refused, and nothing is left behind.
    int32_t label[12] = {0};
    genseg_array wrong = {
        .data = label, .dtype = GENSEG_DTYPE_INT32, .ndim = 3, .shape = {2, 3, 2}, .strides = {24, 8, 4}};
    CK_FAILS(gsg_label_write(context, file_path("no.nii"), &wrong, &source, err), GENSEG_ERROR_SHAPE, "2x3x2");
    ck_assert_int_ne(access(file_path("no.nii"), F_OK), 0);
    wrong.shape[1] = 2;
    wrong.shape[2] = 3;
    wrong.strides[1] = 12;
    CK_FAILS(gsg_label_write(context, file_path("no.bmp"), &wrong, &source, err), GENSEG_ERROR_UNSUPPORTED, "no.bmp");
    CK_FAILS(gsg_label_write(context, "/nonexistent/x.nii.gz", &wrong, &source, err), GENSEG_ERROR_IO, "/nonexistent/");
    gsg_volume_free(&volume);
    gsg_source_free(&source);
    context_close(context);
}
END_TEST

START_TEST(writes_probabilities_and_big_endian_references)
{
    context = context_with(1, 0);
    nifti_file file;
    nifti_begin(&file, 1, 4, 16, 3, 3, 2, 2);
    nifti_sform(&file, 1.5, 1.5, 2.5, -4.0);
    file.size += 24;
    nifti_save(&file, file_path("ref.nii"));
    gsg_source source, back;
    CK_OK(gsg_source_read(context, file_path("ref.nii"), &source, err));
    // A view that runs backwards along the classes.
    float values[24];
    for (int i = 0; i < 24; i++)
        values[i] = (float)i / 24.0f;
    genseg_array view = {.data = values + 12,
                         .dtype = GENSEG_DTYPE_FLOAT32,
                         .ndim = 4,
                         .shape = {2, 2, 2, 3},
                         .strides = {-48, 24, 12, 4}};
    CK_OK(gsg_probability_write(context, file_path("p.nii.gz"), &view, &source, err));
    gsg_volume volume;
    CK_OK(gsg_image_read(context, file_path("p.nii.gz"), &volume, &back, err));
    ck_assert_int_eq(volume.channels, 2);
    ck_assert_mem_eq(volume.image, values + 12, 48);
    ck_assert_mem_eq(volume.image + 12, values, 48);
    ck_assert_mem_eq(back.geometry.affine, source.geometry.affine, sizeof back.geometry.affine);
    ck_assert_double_eq_tol(back.geometry.spacing[0], 2.5, 1e-6);
    gsg_volume_free(&volume);
    gsg_source_free(&back);
    gsg_source_free(&source);
    context_close(context);
}
END_TEST

START_TEST(prints_nothing)
{
    context = context_with(1, 0);
    int saved = dup(2), file = open(file_path("stderr"), O_CREAT | O_RDWR, 0600);
    ck_assert_int_ge(file, 0);
    dup2(file, 2);
    file_text(file_path("text.nii"), "no image");
    file_text(file_path("text.png"), "no image");
    file_text(file_path("text.jpg"), "no image");
    file_text(file_path("text.h5"), "no image");
    file_put(file_path("cut.h5"), "\x89HDF\r\n\x1a\n........", 16);
    file_put(file_path("cut.png"), "\x89PNG\r\n\x1a\n........", 16);
    file_put(file_path("cut.jpg"), "\xff\xd8\xff\xe0....", 8);
    const char *names[] = {"text.nii", "text.png", "text.jpg", "text.h5", "cut.h5", "cut.png", "cut.jpg"};
    for (size_t n = 0; n < 7; n++) {
        gsg_volume volume;
        gsg_source source;
        CK_FAILS(gsg_image_read(context, file_path("%s", names[n]), &volume, &source, err), GENSEG_ERROR_FORMAT,
                 names[n]);
    }
    dup2(saved, 2);
    ck_assert_int_eq(lseek(file, 0, SEEK_END), 0);
    close(file);
    close(saved);
    context_close(context);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {reads_every_type_in_both_byte_orders,
                                  scales_by_slope_and_inter,
                                  reads_channels_pairs_and_two_dimensions,
                                  takes_sform_then_qform_then_pixdim,
                                  refuses_damaged_headers,
                                  refuses_truncated_files,
                                  refuses_voxels_that_are_not_finite,
                                  writes_labels_on_the_grid_of_the_reference,
                                  writes_probabilities_and_big_endian_references,
                                  prints_nothing};
    return run_tests("format_nifti", tests, sizeof tests / sizeof tests[0]);
}
