// Damaged, foreign and newer model files: each is refused with its name and what is
// wrong, without a trace in memory, and before much of it is taken.
#include <math.h>

#include "data_files.h"
#include "faults.h"
#include "model_damage.h"
#include "segmenter_model.h"

static genseg_context *context;

static const char *const original = "model.safetensors";
#define DAMAGED file_path("damaged.safetensors")

static void write_original(const model *m)
{
    genseg_segmenter *made = model_made(context, m);
    CK_OK(genseg_segmenter_save(made, file_path("%s", original), err));
    genseg_segmenter_free(made);
}

static void write_damaged(const damage *d)
{
    damage_write(context, file_path("%s", original), DAMAGED, d);
}

// Refused with that status and message, which names the file; nothing stays, and never was there much.
static void refuse(const char *path, genseg_status expected, const char *part)
{
    genseg_segmenter *const before = (genseg_segmenter *)(void *)&context, *segmenter = before;
    gsg_error err = {0};
    int64_t bytes = 0;
    gsg_file_probe(path, &bytes);
    const uint64_t held = atomic_load(&context->memory);
    atomic_store(&context->memory_peak, held);
    const genseg_status status = genseg_segmenter_load(context, path, &segmenter, &err);
    ck_assert_msg(status == expected && err.status == expected, "\"%s\": %d %s", part, status, err.message);
    ck_contains(err.message, part);
    ck_contains(err.message, strrchr(path, '/') + 1);
    ck_assert_ptr_eq(segmenter, before);
    ck_assert_uint_eq(atomic_load(&context->memory), held);
    ck_assert_uint_le(atomic_load(&context->memory_peak) - held, 6 * (uint64_t)bytes + 65536);
    ck_assert_int_eq(genseg_segmenter_load(context, path, &segmenter, NULL), expected);
    ck_assert_ptr_eq(segmenter, before);
}

typedef struct wrong_document {
    const char *find;
    const char *put;
    genseg_status status;
    const char *part;
} wrong_document;

static const model damaged_model = {{2, 2, 1, 3, 4}, GENSEG_NORMALISE_ZSCORE, GENSEG_SCALE_NATIVE,
                                    {1, 16, 32},     {1, 0.5, 0.5},           {-7, 0, 3},
                                    {"a", "b", "c"}, {12, 9, 2, 0.5, 77, NULL}};

static const wrong_document wrong_documents[] = {
    {"\"format_version\":1", "\"format_version\":2", GENSEG_ERROR_VERSION, "version 2 is newer than 1"},
    {"\"format_version\":1", "\"format_version\":0", GENSEG_ERROR_FORMAT, "format_version"},
    {"\"kind\":\"model\"", "\"kind\":\"training\"", GENSEG_ERROR_FORMAT, "is a training file"},
    {"unet2d", "unet4d", GENSEG_ERROR_FORMAT, "`segmenter.architecture` is \"unet4d\""},
    {"unet2d", "unet3d", GENSEG_ERROR_FORMAT, "size 1 is no multiple of 4"},
    {"zscore", "minmax", GENSEG_ERROR_FORMAT, "`preprocess.normalise` is \"minmax\""},
    {"zscore", "", GENSEG_ERROR_FORMAT, "`preprocess.normalise` is \"\""},
    {"native", "log", GENSEG_ERROR_FORMAT, "`preprocess.scale` is \"log\""},
    {"\"levels\":2", "\"levels\":0", GENSEG_ERROR_FORMAT, "`segmenter.levels` is 0, not in 1 to 7"},
    {"\"levels\":2", "\"levels\":1", GENSEG_ERROR_SHAPE, ""},
    {"\"levels\":2", "\"levels\":4", GENSEG_ERROR_FORMAT, "down4.maxpool_conv.1.double_conv.3.weight` is missing"},
    {"\"levels\":2", "\"levels\":8", GENSEG_ERROR_FORMAT, "`segmenter.levels` is 8"},
    {"\"levels\":2", "\"levels\":99999999999", GENSEG_ERROR_FORMAT, "`segmenter.levels` is 99999999999"},
    {"\"width\":4", "\"width\":0", GENSEG_ERROR_FORMAT, "`segmenter.width` is 0, not in 1 to 4096"},
    {"\"width\":4", "\"width\":-4", GENSEG_ERROR_FORMAT, "`segmenter.width` is -4"},
    {"\"width\":4", "\"width\":5", GENSEG_ERROR_SHAPE, "inc.double_conv.0.weight"},
    {"\"width\":4", "\"width\":4096", GENSEG_ERROR_SHAPE, "F32 of 4x1x3x3, expected is F32 of 4096x1x3x3"},
    {"\"width\":4", "\"width\":4097", GENSEG_ERROR_FORMAT, "`segmenter.width` is 4097"},
    {"\"width\":4", "\"width\":1e300", GENSEG_ERROR_FORMAT, "`segmenter.width` is a number, expected is an integer"},
    {"\"channels\":1", "\"channels\":0", GENSEG_ERROR_FORMAT, "`segmenter.channels` is 0"},
    {"\"channels\":1", "\"channels\":1024", GENSEG_ERROR_SHAPE, "expected is F32 of 4x1024x3x3"},
    {"\"channels\":1", "\"channels\":1025", GENSEG_ERROR_FORMAT, "`segmenter.channels` is 1025"},
    {"\"outputs\":3", "\"outputs\":0", GENSEG_ERROR_FORMAT, "`segmenter.outputs` is 0"},
    {"\"outputs\":3", "\"outputs\":1", GENSEG_ERROR_FORMAT, "3 label values for 1 outputs"},
    {"\"outputs\":3", "\"outputs\":257", GENSEG_ERROR_FORMAT, "`segmenter.outputs` is 257"},
    {"[-7,0,3]", "[-7,3,0]", GENSEG_ERROR_FORMAT, "label value 0 of class 2 is out of order"},
    {"[-7,0,3]", "[-7,0,0]", GENSEG_ERROR_FORMAT, "label value 0 of class 2"},
    {"[-7,0,3]", "[-7,0,2147483648]", GENSEG_ERROR_FORMAT, "label value 2147483648 of class 2"},
    {"[-7,0,3]", "[-2147483649,0,3]", GENSEG_ERROR_FORMAT, "label value -2147483649 of class 0"},
    {"[-7,0,3]", "[-7,0]", GENSEG_ERROR_FORMAT, "2 label values for 3 outputs"},
    {"[-7,0,3]", "[]", GENSEG_ERROR_FORMAT, "0 label values"},
    {"[-7,0,3]", "[-7,0,3.5]", GENSEG_ERROR_FORMAT, "`labels.values`[2] is a number, expected is an integer"},
    {"[-7,0,3]", "7", GENSEG_ERROR_FORMAT, "`labels.values` is a number, expected is a list"},
    {"[\"a\",\"b\",\"c\"]", "[\"a\",\"b\"]", GENSEG_ERROR_FORMAT, "`labels.names` has 2 elements"},
    {"[\"a\",\"b\",\"c\"]", "[\"a\",null,\"c\"]", GENSEG_ERROR_FORMAT, "`labels.names`[1] is null"},
    {"[1,16,32]", "[2,16,32]", GENSEG_ERROR_FORMAT, "size along D is 2 in 2-D"},
    {"[1,16,32]", "[1,16,30]", GENSEG_ERROR_FORMAT, "size 30 is no multiple of 4"},
    {"[1,16,32]", "[1,0,32]", GENSEG_ERROR_FORMAT, "size along H is 0"},
    {"[1,16,32]", "[1,-16,32]", GENSEG_ERROR_FORMAT, "size along H is -16"},
    {"[1,16,32]", "[1,16,4294967312]", GENSEG_ERROR_FORMAT, "size along W is 4294967312"},
    {"[1,16,32]", "[16,32]", GENSEG_ERROR_FORMAT, "`preprocess.size` has 2 elements, expected are 3"},
    {"[1.0,0.5,0.5]", "[1.0,0.0,0.5]", GENSEG_ERROR_FORMAT, "spacing along H is 0"},
    {"[1.0,0.5,0.5]", "[1.0,-0.5,0.5]", GENSEG_ERROR_FORMAT, "spacing along H is -0.5"},
    {"[1.0,0.5,0.5]", "[1.0,0.5,null]", GENSEG_ERROR_FORMAT, "spacing along W is "},
    {"\"steps\":12", "\"steps\":-1", GENSEG_ERROR_FORMAT, "`provenance.steps` is -1"},
    {"\"train\":[", "\"train\":[0.5,", GENSEG_ERROR_FORMAT, "`provenance.train`[0] is a number"},
    {"\"validation\":[", "\"validation\":[null,", GENSEG_ERROR_FORMAT, "`provenance.validation`[0] is null"},
    {"\"seed\":77", "\"seed\":7.5", GENSEG_ERROR_FORMAT, "`provenance.seed` is a number"},
    {"\"validation_dice\":0.5", "\"validation_dice\":\"good\"", GENSEG_ERROR_FORMAT, "`provenance.validation_dice`"},
    {"\"version\":\"0.9.8-test\"", "\"version\":null", GENSEG_ERROR_FORMAT, "`provenance.version` is null"},
};

START_TEST(documents_are_not_believed)
{
    context = context_with(1, 0);
    write_original(&damaged_model);
    for (size_t i = 0; i < sizeof wrong_documents / sizeof *wrong_documents; i++) {
        const wrong_document *w = &wrong_documents[i];
        write_damaged(&(damage){.find = w->find, .put = w->put});
        refuse(DAMAGED, w->status, w->part);
    }
    write_damaged(&(damage){.note = ""});
    refuse(DAMAGED, GENSEG_ERROR_FORMAT, "metadata `genseg` is missing: not a file of libgenseg");
    write_damaged(&(damage){.note = "{\"format_version\":1"});
    refuse(DAMAGED, GENSEG_ERROR_FORMAT, "metadata, byte ");
    write_damaged(&(damage){.note = "[1]"});
    refuse(DAMAGED, GENSEG_ERROR_FORMAT, "not a JSON object");
    context_close(context);
}
END_TEST

START_TEST(every_key_is_needed)
{
    static const char *const keys[] = {"segmenter.architecture",
                                       "segmenter.levels",
                                       "segmenter.width",
                                       "segmenter.channels",
                                       "segmenter.outputs",
                                       "preprocess.normalise",
                                       "preprocess.scale",
                                       "preprocess.size",
                                       "preprocess.spacing_mm",
                                       "labels.values",
                                       "labels.names",
                                       "provenance.version",
                                       "provenance.steps",
                                       "provenance.train",
                                       "provenance.validation",
                                       "provenance.validation_dice",
                                       "provenance.seed"};
    context = context_with(1, 0);
    write_original(&damaged_model);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char find[64], put[64], part[96];
        snprintf(find, sizeof find, "\"%s\":", strchr(keys[i], '.') + 1);
        snprintf(put, sizeof put, "\"other\":");
        snprintf(part, sizeof part, "metadata `%s` is missing", keys[i]);
        write_damaged(&(damage){.find = find, .put = put});
        refuse(DAMAGED, GENSEG_ERROR_FORMAT, part);
    }
    // Keys of later versions are none of our business, and PyTorch counts batches.
    genseg_segmenter *segmenter = NULL;
    write_damaged(&(damage){
        .counter = true, .find = "{\"format_version\":1", .put = "{\"later\":{\"x\":[1]},\"format_version\":1"});
    CK_OK(genseg_segmenter_load(context, DAMAGED, &segmenter, err));
    genseg_segmenter_free(segmenter);
    context_close(context);
}
END_TEST

static void put_nan(gsg_tensor_entry *entry)
{
    damage_value(entry, -1, NAN);
}

static void put_infinity(gsg_tensor_entry *entry)
{
    damage_value(entry, 0, -INFINITY);
}

static void transpose(gsg_tensor_entry *entry)
{
    const int64_t first = entry->shape.dims[0];
    entry->shape.dims[0] = entry->shape.dims[1];
    entry->shape.dims[1] = first;
}

static void flatten(gsg_tensor_entry *entry)
{
    entry->shape = (gsg_shape){1, {gsg_shape_count(entry->shape)}};
}

static void as_int32(gsg_tensor_entry *entry)
{
    entry->dtype = GENSEG_DTYPE_INT32;
}

static void misname(gsg_tensor_entry *entry)
{
    entry->name = "inc.double_conv.9.weight";
}

START_TEST(tensors_are_not_believed)
{
    static const struct {
        damage how;
        genseg_status status;
        const char *part;
    } cases[] = {
        {{.tensor = "up2.conv.double_conv.3.weight", .edit = put_nan},
         GENSEG_ERROR_FORMAT,
         "up2.conv.double_conv.3.weight holds NaN or Inf at 143"},
        {{.tensor = "inc.double_conv.1.running_var", .edit = put_infinity},
         GENSEG_ERROR_FORMAT,
         "inc.double_conv.1.running_var holds NaN or Inf at 0"},
        {{.tensor = "outc.conv.bias"}, GENSEG_ERROR_FORMAT, "tensor `outc.conv.bias` is missing"},
        {{.tensor = "inc.double_conv.0.weight"}, GENSEG_ERROR_FORMAT, "`inc.double_conv.0.weight` is missing"},
        {{.tensor = "inc.double_conv.0.weight", .edit = misname}, GENSEG_ERROR_FORMAT, "is missing"},
        {{.tensor = "up1.up.weight", .edit = transpose},
         GENSEG_ERROR_SHAPE,
         "F32 of 8x16x2x2, expected is F32 of 16x8x2x2"},
        {{.tensor = "down1.maxpool_conv.1.double_conv.0.weight", .edit = flatten},
         GENSEG_ERROR_SHAPE,
         "F32 of 288, expected is F32 of 8x4x3x3"},
        {{.tensor = "outc.conv.bias", .edit = as_int32}, GENSEG_ERROR_SHAPE, "I32 of 3, expected is F32 of 3"},
    };
    context = context_with(1, 0);
    write_original(&damaged_model);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_damaged(&cases[i].how);
        refuse(DAMAGED, cases[i].status, cases[i].part);
    }
    context_close(context);
}
END_TEST

START_TEST(cut_files_are_refused)
{
    context = context_with(1, 0);
    write_original(&damaged_model);
    uint8_t *data = NULL;
    size_t size = 0;
    uint64_t header = 0;
    CK_OK(gsg_file_read(context, file_path("%s", original), SIZE_MAX, &data, &size, err));
    memcpy(&header, data, sizeof header);
    const size_t lengths[] = {
        0, 1, 7, 8, 9, 8 + (size_t)header / 2, 7 + (size_t)header, 8 + (size_t)header, size / 2, size - 4, size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        file_put(DAMAGED, data, lengths[i]);
        refuse(DAMAGED, GENSEG_ERROR_FORMAT, "");
    }
    uint8_t *longer = calloc(size + 1, 1);
    memcpy(longer, data, size);
    file_put(DAMAGED, longer, size + 1);
    refuse(DAMAGED, GENSEG_ERROR_FORMAT, "");
    free(longer);
    gsg_free(context, data);
    refuse(file_path("absent.safetensors"), GENSEG_ERROR_IO, "");
    refuse(file_path("folder/."), GENSEG_ERROR_IO, "");
    context_close(context);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {documents_are_not_believed, every_key_is_needed, tensors_are_not_believed,
                                  cut_files_are_refused};
    return run_tests("segmenter_damaged", tests, sizeof tests / sizeof *tests);
}
