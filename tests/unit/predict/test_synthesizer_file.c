// Model files with a generator beside the segmenter: both come back bit for bit, readers of segmenters find theirs, and
// damaged ones are refused.
#include <math.h>

#include "core/file.h"
#include "data_files.h"
#include "faults.h"
#include "generator_model.h"
#include "model_damage.h"
#include "segmenter_model.h"

static genseg_context *context;

// A segmenter that suits the generator.
static model partner(const generator_model *m)
{
    model s = {.unet = {m->network.spatial, 1, m->network.channels, m->network.masks, 4},
               .normalise = GENSEG_NORMALISE_PERCENTILE,
               .scale = GENSEG_SCALE_RESIZE,
               .spacing = {1, 1, 1},
               .names = {"a", "b", "c", "d"},
               .provenance = {100, 3, 1, 0.5, 1}};
    memcpy(s.size, m->size, sizeof s.size);
    memcpy(s.values, m->values, sizeof m->values);
    return s;
}

static void check_params(const gsg_params *a, const gsg_params *b)
{
    ck_assert_int_eq(a->count, b->count);
    for (int32_t i = 0; i < a->count; i++) {
        ck_assert_str_eq(a->items[i].name, b->items[i].name);
        ck_assert_int_eq(a->items[i].layout.count, b->items[i].layout.count);
        ck_assert_mem_eq(a->items[i].data, b->items[i].data, (size_t)a->items[i].layout.count * sizeof(float));
    }
}

static void check_generators(const genseg_generator *a, const genseg_generator *b)
{
    genseg_generator_info one = {.struct_size = sizeof one}, two = {.struct_size = sizeof two};
    CK_OK(genseg_generator_describe(a, &one, err));
    CK_OK(genseg_generator_describe(b, &two, err));
    ck_assert_str_eq(one.version, two.version);
    one.version = two.version;
    ck_assert_mem_eq(&one, &two, sizeof one);
    ck_assert_mem_eq(a->values, b->values, (size_t)a->classes * sizeof *a->values);
    ck_assert_mem_eq(a->spacing, b->spacing, sizeof a->spacing);
    ck_assert_mem_eq(a->network.fixed, b->network.fixed, sizeof a->network.fixed);
    ck_assert_int_eq(a->symmetric, b->symmetric);
    check_params(a->params, b->params);
}

static int64_t bytes_of(const char *path)
{
    int64_t bytes = 0;
    ck_assert_int_eq(gsg_file_probe(path, &bytes), GSG_FILE_REGULAR);
    return bytes;
}

static void check_equal_files(const char *a, const char *b)
{
    uint8_t *first = NULL, *second = NULL;
    size_t first_size = 0, second_size = 0;
    CK_OK(gsg_file_read(context, a, SIZE_MAX, &first, &first_size, err));
    CK_OK(gsg_file_read(context, b, SIZE_MAX, &second, &second_size, err));
    ck_assert_uint_eq(first_size, second_size);
    ck_assert_mem_eq(first, second, first_size);
    gsg_free(context, first);
    gsg_free(context, second);
}

START_TEST(both_come_back)
{
    const generator_model *m = &generator_models[_i];
    const model pair = partner(m);
    context = context_with(1, 0);
    genseg_generator *generator = generator_made(context, m), *loaded = NULL, *merged = NULL;
    genseg_segmenter *segmenter = model_made(context, &pair), *alone = NULL;
    generator->symmetric = 4;
    CK_OK(genseg_generator_save(generator, segmenter, file_path("both"), err));
    CK_OK(genseg_generator_load(context, file_path("both"), &loaded, err));
    CK_OK(genseg_segmenter_load(context, file_path("both"), &alone, err));
    check_generators(generator, loaded);
    check_params(segmenter->params, alone->params);
    CK_OK(genseg_generator_save(loaded, alone, file_path("again"), err));
    check_equal_files(file_path("both"), file_path("again"));
    // The segmenter by itself is the same file as if there had been no generator.
    CK_OK(genseg_segmenter_save(segmenter, file_path("alone"), err));
    CK_OK(genseg_segmenter_save(alone, file_path("again"), err));
    check_equal_files(file_path("alone"), file_path("again"));
    genseg_generator_free(loaded);
    loaded = generator;
    CK_FAILS(genseg_generator_load(context, file_path("alone"), &loaded, err), GENSEG_ERROR_FORMAT,
             "alone: a model with no generator");
    ck_assert_ptr_eq(loaded, generator);
    // Without candidates the file is smaller.
    CK_OK(genseg_generator_discretise(generator, GENSEG_DISCRETISE_MERGED, &merged, err));
    CK_OK(genseg_generator_save(merged, segmenter, file_path("merged"), err));
    CK_OK(genseg_generator_load(context, file_path("merged"), &loaded, err));
    check_generators(merged, loaded);
    ck_assert(m->network.candidates == 1 || bytes_of(file_path("merged")) < bytes_of(file_path("both")));
    genseg_generator_free(generator);
    genseg_generator_free(merged);
    genseg_generator_free(loaded);
    genseg_segmenter_free(segmenter);
    genseg_segmenter_free(alone);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}
END_TEST

START_TEST(strangers_are_not_saved_together)
{
    const generator_model *m = &generator_models[1];
    const model pair = partner(m), other = partner(&generator_models[0]);
    context = context_with(1, 0);
    genseg_generator *generator = generator_made(context, m);
    genseg_segmenter *segmenter = model_made(context, &pair), *stranger = model_made(context, &other);
    CK_FAILS(genseg_generator_save(generator, stranger, file_path("m"), err), GENSEG_ERROR_INVALID,
             "the generator (2-D, 3 channels, 3 classes) is not the segmenter's (2-D, 1 channels, 2 classes)");
    segmenter->values[2] = 4;
    CK_FAILS(genseg_generator_save(generator, segmenter, file_path("m"), err), GENSEG_ERROR_INVALID,
             "class 2 has label value 3 in the generator, 4 in the segmenter");
    segmenter->values[2] = 3;
    CK_FAILS(genseg_generator_save(generator, segmenter, NULL, err), GENSEG_ERROR_INVALID, "path is NULL");
    CK_FAILS(genseg_generator_save(generator, NULL, file_path("m"), err), GENSEG_ERROR_INVALID, "segmenter is NULL");
    CK_FAILS(genseg_generator_save(generator, segmenter, "/nonexistent/m", err), GENSEG_ERROR_IO, "/nonexistent/m");
    ck_assert_int_eq(gsg_file_probe(file_path("m"), NULL), GSG_FILE_NONE);
    CK_FAILS(genseg_generator_load(NULL, "m", &generator, err), GENSEG_ERROR_INVALID, "context is NULL");
    CK_FAILS(genseg_generator_load(context, NULL, &generator, err), GENSEG_ERROR_INVALID, "path is NULL");
    CK_FAILS(genseg_generator_load(context, "m", NULL, err), GENSEG_ERROR_INVALID, "generator is NULL");
    genseg_generator_free(generator);
    genseg_segmenter_free(segmenter);
    genseg_segmenter_free(stranger);
    gsg_context_release(context);
}
END_TEST

// ---- damage

#define DAMAGED file_path("damaged.safetensors")

// The file of model 2 but with numbers that are nowhere else in the document.
static void write_original(void)
{
    generator_model m = generator_models[2];
    m.size[1] = 40;
    m.spacing[2] = 2.25;
    model pair = partner(&m);
    pair.unet.levels = 3;
    pair.unet.width = 8;
    pair.size[1] = 24;
    genseg_generator *generator = generator_made(context, &m);
    genseg_segmenter *segmenter = model_made(context, &pair);
    CK_OK(genseg_generator_save(generator, segmenter, file_path("original"), err));
    genseg_generator_free(generator);
    genseg_segmenter_free(segmenter);
}

// Refused as a generator, by little memory; as a segmenter it is what it is.
static void refuse(const damage *d, genseg_status expected, const char *part)
{
    genseg_generator *const before = (genseg_generator *)(void *)&context, *generator = before;
    gsg_error err = {0};
    damage_write(context, file_path("original"), DAMAGED, d);
    const int64_t bytes = bytes_of(DAMAGED);
    atomic_store(&context->memory_peak, 0);
    const genseg_status status = genseg_generator_load(context, DAMAGED, &generator, &err);
    ck_assert_msg(status == expected, "\"%s\": %d %s", part, status, err.message);
    ck_contains(err.message, part);
    ck_contains(err.message, "damaged.safetensors");
    ck_assert_ptr_eq(generator, before);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    ck_assert_uint_le(atomic_load(&context->memory_peak), 6 * (uint64_t)bytes + 65536);
}

START_TEST(documents_are_not_believed)
{
    static const struct {
        const char *find, *put;
        genseg_status status;
        const char *part;
    } cases[] = {
        {"\"generator\":", "\"creator\":", GENSEG_ERROR_FORMAT, "no generator"},
        {"\"generator\":{\"spatial\":2", "\"generator\":{\"spatial\":4", GENSEG_ERROR_FORMAT, "`generator.spatial` is 4"},
        {"\"spatial\":2", "\"spatial\":3", GENSEG_ERROR_FORMAT, "size 1 is no multiple of 4"},
        {"\"levels\":2", "\"levels\":0", GENSEG_ERROR_FORMAT, "`generator.levels` is 0, not in 1 to 9"},
        {"\"levels\":2", "\"levels\":10", GENSEG_ERROR_FORMAT, "`generator.levels` is 10"},
        {"\"levels\":2", "\"levels\":3", GENSEG_ERROR_FORMAT, "`generator.fixed` has 4 elements, expected are 6"},
        {"\"width\":4", "\"width\":0", GENSEG_ERROR_FORMAT, "`generator.width` is 0"},
        {"\"width\":4", "\"width\":4096", GENSEG_ERROR_SHAPE, "expected is F32 of 4096x4x8x8"},
        {"\"width\":4", "\"width\":5", GENSEG_ERROR_SHAPE, "generator.down1.k8.weight"},
        {"\"channels\":1,\"masks\"", "\"channels\":0,\"masks\"", GENSEG_ERROR_FORMAT, "`generator.channels` is 0"},
        {"\"channels\":1,\"masks\"", "\"channels\":2,\"masks\"", GENSEG_ERROR_SHAPE, "generator.up1.k8.weight"},
        {"\"masks\":4", "\"masks\":0", GENSEG_ERROR_FORMAT, "`generator.masks` is 0"},
        {"\"masks\":4", "\"masks\":3", GENSEG_ERROR_FORMAT, "4 label values for 3 outputs"},
        {"\"noise\":0", "\"noise\":-1", GENSEG_ERROR_FORMAT, "`generator.noise` is -1"},
        {"\"noise\":0", "\"noise\":1024", GENSEG_ERROR_SHAPE, "expected is F32 of 4x1028x8x8"},
        {"\"candidates\":3", "\"candidates\":0", GENSEG_ERROR_FORMAT, "`generator.candidates` is 0"},
        {"\"candidates\":3", "\"candidates\":4", GENSEG_ERROR_FORMAT, "`generator.candidates` is 4"},
        {"\"candidates\":3", "\"candidates\":2", GENSEG_ERROR_SHAPE, "generator.down1.alpha"},
        {"\"candidates\":3", "\"candidates\":1", GENSEG_ERROR_FORMAT, "tensors of a generator that has"},
        {"[0,6,4,0]", "[0,6,4,2]", GENSEG_ERROR_FORMAT, "`generator.fixed`[3] is 2, no kernel"},
        {"[0,6,4,0]", "[0,6,4,5]", GENSEG_ERROR_FORMAT, "`generator.fixed`[3] is 5"},
        {"[0,6,4,0]", "[10,6,4,0]", GENSEG_ERROR_FORMAT, "`generator.fixed`[0] is 10"},
        {"[0,6,4,0]", "[0,4,4,0]", GENSEG_ERROR_SHAPE, "generator.down2.weight"},
        {"[0,6,4,0]", "[0,0,4,0]", GENSEG_ERROR_FORMAT, "generator.down2.k8.weight` is missing"},
        {"[0,6,4,0]", "[4,6,4,0]", GENSEG_ERROR_FORMAT, "generator.down1.weight` is missing"},
        {"[1,40,16]", "[1,42,16]", GENSEG_ERROR_FORMAT, "size 42 is no multiple of 4"},
        {"[1,40,16]", "[1,0,16]", GENSEG_ERROR_FORMAT, "size along H is 0"},
        {"[1,40,16]", "[2,40,16]", GENSEG_ERROR_FORMAT, "size along D is 2 in 2-D"},
        {"[1,40,16]", "[40,16]", GENSEG_ERROR_FORMAT, "`generator.size` has 2 elements"},
        {"[1.0,1.0,2.25]", "[1.0,1.0,0.0]", GENSEG_ERROR_FORMAT, "spacing along W is 0"},
        {"\"symmetric\":0", "\"symmetric\":8", GENSEG_ERROR_FORMAT, "`generator.symmetric` is 8"},
        {"\"steps\":1234", "\"steps\":-1", GENSEG_ERROR_FORMAT, "`generator.steps` is -1"},
        {"\"steps\":1234,\"version\":\"0.9.8-test\"", "\"steps\":1234", GENSEG_ERROR_FORMAT,
         "`generator.version` is missing"},
        {"[0,1,2,9]", "[0,2,1,9]", GENSEG_ERROR_FORMAT, "label value 1 of class 2"},
        {"\"format_version\":1", "\"format_version\":2", GENSEG_ERROR_VERSION, "version 2 is newer than 1"},
    };
    context = context_with(1, 0);
    write_original();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(&(damage){.find = cases[i].find, .put = cases[i].put}, cases[i].status, cases[i].part);
    refuse(&(damage){.note = ""}, GENSEG_ERROR_FORMAT, "metadata `genseg` is missing");
    static const char *const keys[] = {"spatial", "masks", "noise", "candidates", "fixed", "symmetric"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char find[64], part[96];
        snprintf(find, sizeof find, "\"%s\":", keys[i]);
        snprintf(part, sizeof part, "metadata `generator.%s` is missing", keys[i]);
        refuse(&(damage){.find = find, .put = "\"other\":"}, GENSEG_ERROR_FORMAT, part);
    }
    gsg_context_release(context);
}
END_TEST

static void put_nan(gsg_tensor_entry *entry)
{
    damage_value(entry, 2, NAN);
}

static void rename_tensor(gsg_tensor_entry *entry)
{
    entry->name = "generator.down9.bias";
}

START_TEST(tensors_are_not_believed)
{
    static const struct {
        damage how;
        const char *part;
    } cases[] = {
        {{.tensor = "generator.down1.k4.weight", .edit = put_nan}, "generator.down1.k4.weight holds NaN or Inf at 2"},
        {{.tensor = "generator.up1.alpha", .edit = put_nan}, "generator.up1.alpha holds NaN or Inf at 2"},
        {{.tensor = "generator.up2.norm.running_var", .edit = put_nan}, "running_var holds NaN or Inf at 2"},
        {{.tensor = "generator.down1.k8.weight"}, "`generator.down1.k8.weight` is missing"},
        {{.tensor = "generator.up1.bias"}, "`generator.up1.bias` is missing"},
        {{.tensor = "outc.conv.bias", .edit = rename_tensor}, "tensors of a generator that has"},
    };
    context = context_with(1, 0);
    write_original();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(&cases[i].how, GENSEG_ERROR_FORMAT, cases[i].part);
    // A segmenter does not care, and a generator not about the segmenter.
    genseg_segmenter *segmenter = NULL;
    genseg_generator *generator = NULL;
    damage_write(context, file_path("original"), DAMAGED, &cases[0].how);
    CK_OK(genseg_segmenter_load(context, DAMAGED, &segmenter, err));
    damage_write(context, file_path("original"), DAMAGED, &(damage){.tensor = "outc.conv.bias", .edit = put_nan});
    CK_OK(genseg_generator_load(context, DAMAGED, &generator, err));
    genseg_segmenter_free(segmenter);
    genseg_generator_free(generator);
    gsg_context_release(context);
}
END_TEST

// ---- memory

static genseg_status load(genseg_context *with, gsg_error *err)
{
    genseg_generator *generator = NULL;
    const genseg_status status = genseg_generator_load(with, file_path("original"), &generator, err);
    ck_assert((status == GENSEG_OK) == (generator != NULL));
    genseg_generator_free(generator);
    return status;
}

static genseg_status make_and_save(genseg_context *with, gsg_error *err)
{
    genseg_status status;
    const generator_model *m = &generator_models[3];
    const model pair = partner(m);
    genseg_generator *generator = NULL;
    genseg_segmenter *segmenter = NULL;
    GSG_TRY(generator_new(with, m, &generator, err));
    GSG_TRY(model_new(with, &pair, &segmenter, err));
    GSG_TRY(genseg_generator_save(generator, segmenter, file_path("swept"), err));
done:
    genseg_generator_free(generator);
    genseg_segmenter_free(segmenter);
    return status;
}

START_TEST(every_allocation_may_fail)
{
    context = context_with(1, 0);
    write_original();
    gsg_context_release(context);
    ck_assert_int_ge(faults_sweep(load), 30);
    ck_assert_int_ge(faults_sweep(make_and_save), 30);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("synthesizer_file");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, files_begin, files_end);
    tcase_add_loop_test(tests, both_come_back, 0, GENERATOR_MODELS);
    tcase_add_test(tests, strangers_are_not_saved_together);
    tcase_add_test(tests, documents_are_not_believed);
    tcase_add_test(tests, tensors_are_not_believed);
    tcase_add_test(tests, every_allocation_may_fail);
    RUN_TESTS(tests);
}
