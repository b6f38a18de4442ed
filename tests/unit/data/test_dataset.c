// Cases from memory, label tables, and the seeded division by groups.
#include <math.h>

#include "data_files.h"

static genseg_context *context;
static genseg_dataset *set;

static void begin(void)
{
    context = context_with(1, 0);
    CK_OK(gsg_dataset_new(context, &set, err));
}

static void end(void)
{
    gsg_dataset_release(set);
    context_close(context);
}

static genseg_status add(const char *name, const char *group, const int32_t *label, gsg_error *err)
{
    static const float image[6] = {0.5f, 1.0f, 1.5f, 2.0f, 2.5f, 3.0f};
    genseg_array pixels = {
        .data = (void *)image, .dtype = GENSEG_DTYPE_FLOAT32, .ndim = 2, .shape = {2, 3}, .strides = {12, 4}};
    genseg_array map = {
        .data = (void *)label, .dtype = GENSEG_DTYPE_INT32, .ndim = 2, .shape = {2, 3}, .strides = {12, 4}};
    genseg_case item = {
        .struct_size = sizeof item, .name = name, .group = group, .image = &pixels, .label = label ? &map : NULL};
    return gsg_dataset_add(set, &item, err);
}

START_TEST(the_table_grows_with_the_cases)
{
    begin();
    const int32_t a[6] = {0, 255, 0, 255, 255, 0}, b[6] = {0, -4, 128, 0, 0, 255};
    CK_OK(add("a", NULL, a, err));
    ck_assert_int_eq(set->classes, 2);
    CK_OK(add("b", "g", b, err));
    ck_assert_int_eq(set->classes, 4);
    ck_assert(set->values[0] == -4 && set->values[1] == 0 && set->values[2] == 128 && set->values[3] == 255);
    ck_assert_str_eq(set->cases[0].group, "a");
    ck_assert_str_eq(set->cases[1].group, "g");
    gsg_volume volume; // the first case follows the larger table
    CK_OK(gsg_dataset_read(set, 0, &volume, err));
    const int32_t classes[6] = {1, 3, 1, 3, 3, 1};
    ck_assert_mem_eq(volume.label, classes, sizeof classes);
    ck_assert(volume.image[5] == 3.0f && volume.size[0] == 1);
    gsg_volume_free(&volume);
    CK_FAILS(add("a", NULL, a, err), GENSEG_ERROR_INVALID, "a: a case of this name exists");
    CK_FAILS(gsg_dataset_read(set, 2, &volume, err), GENSEG_ERROR_INVALID, "case 2 of 2");
    CK_FAILS(gsg_dataset_read(set, -1, &volume, err), GENSEG_ERROR_INVALID, "case -1 of 2");
    end();
}
END_TEST

START_TEST(bad_cases_leave_the_dataset_alone)
{
    begin();
    float image[2 * 6] = {0};
    int16_t label[8] = {0, 1};
    float soft[6] = {0, 0.5f};
    const int32_t good[6] = {0, 1};
    CK_OK(add("good", NULL, good, err));
    genseg_array pixels = {
        .data = image, .dtype = GENSEG_DTYPE_FLOAT32, .ndim = 2, .shape = {2, 3}, .strides = {12, 4}};
    genseg_array map = {.data = label, .dtype = GENSEG_DTYPE_INT16, .ndim = 2, .shape = {2, 4}, .strides = {8, 2}};
    genseg_case item = {.struct_size = sizeof item, .name = "x", .image = &pixels, .label = &map};
    CK_FAILS(gsg_dataset_add(set, &item, err), GENSEG_ERROR_SHAPE, "x: image is 2x3, label is 2x4");
    map.shape[1] = 3;
    map.data = soft;
    map.dtype = GENSEG_DTYPE_FLOAT32;
    map.strides[0] = 12;
    map.strides[1] = 4;
    CK_FAILS(gsg_dataset_add(set, &item, err), GENSEG_ERROR_FORMAT, "x: ");
    image[4] = NAN;
    CK_FAILS(gsg_dataset_add(set, &item, err), GENSEG_ERROR_NUMERIC, "x: NaN at voxel i=1 j=1");
    image[4] = 0.0f;
    item.label = NULL;
    pixels.ndim = 3;
    pixels.shape[0] = 2;
    pixels.shape[1] = 2;
    pixels.shape[2] = 3;
    pixels.strides[0] = 24;
    pixels.strides[1] = 12;
    pixels.strides[2] = 4;
    CK_FAILS(gsg_dataset_add(set, &item, err), GENSEG_ERROR_SHAPE, "x: 3-D with 1 channels, earlier cases are 2-D");
    item.channels = 2;
    CK_FAILS(gsg_dataset_add(set, &item, err), GENSEG_ERROR_SHAPE, "x: 2-D with 2 channels, earlier cases are 2-D");
    item.channels = 5;
    CK_FAILS(gsg_dataset_add(set, &item, err), GENSEG_ERROR_SHAPE, "shape[0] is 2, channels is 5");
    ck_assert_int_eq(set->count, 1);
    ck_assert_int_eq(set->classes, 2);
    end();
}
END_TEST

// 12 cases: groups g0 (4 cases), g1 (3), g2 (2), and three single ones.
static void add_groups(void)
{
    static const char *const groups[12] = {"g0", "g1", "s0", "g0", "g2", "g1", "s1", "g0", "g1", "g2", "s2", "g0"};
    const int32_t label[6] = {0, 1};
    for (int i = 0; i < 12; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%02d", i);
        CK_OK(add(name, groups[i], label, err));
    }
}

static int64_t count_split(int32_t split)
{
    int64_t indices[16];
    return gsg_dataset_select(set, split, indices);
}

START_TEST(splits_keep_groups_and_repeat)
{
    begin();
    add_groups();
    int32_t first[12];
    int differs = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        CK_OK(gsg_dataset_split(set, 5, 3, seed, err));
        for (int i = 0; i < 12; i++)
            for (int k = 0; k < 12; k++)
                if (strcmp(set->cases[i].group, set->cases[k].group) == 0)
                    ck_assert_int_eq(set->cases[i].split, set->cases[k].split);
        int64_t train = count_split(GENSEG_SPLIT_TRAIN);
        ck_assert(train >= 3 && train <= 7);
        ck_assert_int_ge(count_split(GENSEG_SPLIT_VALIDATION), 1);
        for (int i = 0; i < 12; i++) {
            if (seed == 1)
                first[i] = set->cases[i].split;
            differs += first[i] != set->cases[i].split;
        }
    }
    ck_assert_int_gt(differs, 0);
    CK_OK(gsg_dataset_split(set, 5, 3, 1, err)); // the same seed, the same split
    for (int i = 0; i < 12; i++)
        ck_assert_int_eq(first[i], set->cases[i].split);
    end();
}
END_TEST

START_TEST(single_cases_meet_the_counts_exactly)
{
    begin();
    const int32_t label[6] = {0, 1};
    for (int i = 0; i < 30; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%02d", i);
        CK_OK(add(name, NULL, label, err));
    }
    CK_OK(gsg_dataset_split(set, 7, 2, 3, err));
    int64_t indices[30];
    ck_assert_int_eq(gsg_dataset_select(set, GENSEG_SPLIT_TRAIN, indices), 7);
    ck_assert_int_eq(gsg_dataset_select(set, GENSEG_SPLIT_VALIDATION, indices), 2);
    ck_assert_int_eq(gsg_dataset_select(set, GENSEG_SPLIT_TEST, indices), 21);
    CK_OK(gsg_dataset_split(set, -1, 6, 3, err));
    ck_assert_int_eq(gsg_dataset_select(set, GENSEG_SPLIT_TRAIN, indices), 24);
    ck_assert_int_eq(gsg_dataset_select(set, GENSEG_SPLIT_TEST, indices), 0);
    CK_FAILS(gsg_dataset_split(set, 0, 2, 3, err), GENSEG_ERROR_INVALID, "0 training");
    CK_FAILS(gsg_dataset_split(set, 25, 6, 3, err), GENSEG_ERROR_INVALID, "30 labelled");
    CK_FAILS(gsg_dataset_split(set, -1, 30, 3, err), GENSEG_ERROR_INVALID, "30 validation");
    CK_FAILS(gsg_dataset_split(set, INT64_MAX, INT64_MAX, 3, err), GENSEG_ERROR_INVALID, "30 labelled");
    // A failed call changes nothing.
    ck_assert_int_eq(gsg_dataset_select(set, GENSEG_SPLIT_TRAIN, indices), 24);
    end();
}
END_TEST

START_TEST(one_large_group_cannot_be_divided)
{
    begin();
    const int32_t label[6] = {0, 1};
    CK_OK(add("a", "g", label, err));
    CK_OK(add("b", "g", label, err));
    CK_OK(gsg_dataset_split(set, 1, 0, 1, err)); // the whole group trains
    ck_assert_int_eq(count_split(GENSEG_SPLIT_TRAIN), 2);
    CK_FAILS(gsg_dataset_split(set, -1, 1, 1, err), GENSEG_ERROR_INVALID, "no training case");
    end();
}
END_TEST

START_TEST(a_division_is_found_again)
{
    begin();
    const int32_t label[6] = {0, 1};
    const gsg_case known = {.name = (char[]){"foobar"}};
    ck_assert_uint_eq(gsg_case_hash(&known), UINT64_C(0x85944171f73967e8)); // of the authors' test suite
    for (int i = 0; i < 9; i++) {
        char name[8];
        snprintf(name, sizeof name, "c%d", i);
        CK_OK(add(name, NULL, i == 8 ? NULL : label, err));
    }
    // Cases that went away since, two that train, one that watches.
    uint64_t train[] = {12, gsg_case_hash(&set->cases[6]), gsg_case_hash(&set->cases[2])};
    uint64_t validation[] = {UINT64_MAX, gsg_case_hash(&set->cases[4]), 3, gsg_case_hash(&set->cases[8])};
    gsg_case_hashes_sort(train, 3);
    gsg_case_hashes_sort(validation, 4);
    const int32_t none = GENSEG_SPLIT_NONE, test = GENSEG_SPLIT_TEST;
    const int32_t train_ = GENSEG_SPLIT_TRAIN, validation_ = GENSEG_SPLIT_VALIDATION;
    const int32_t expected[2][9] = {{test, test, train_, test, validation_, test, train_, test, none},
                                    {none, none, train_, test, validation_, none, train_, none, none}};
    for (int named = 0; named < 2; named++) {
        set->cases[3].held_out = set->cases[2].held_out = named; // what was learned from is never tested
        gsg_dataset_split_again(set, train, 3, validation, 4);
        for (int i = 0; i < 9; i++)
            ck_assert_int_eq(set->cases[i].split, expected[named][i]);
    }
    gsg_dataset_split_again(set, NULL, 0, NULL, 0);
    ck_assert_int_eq(count_split(test), 2);
    end();
}
END_TEST

START_TEST(handles_go_in_any_order)
{
    begin();
    const int32_t label[6] = {0, 1};
    CK_OK(add("a", NULL, label, err));
    gsg_dataset_retain(set);
    gsg_dataset_release(set);
    ck_assert_int_eq(set->count, 1);
    gsg_context_retain(context);
    gsg_context_release(context);
    gsg_dataset_release(NULL);
    end();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_table_grows_with_the_cases,    bad_cases_leave_the_dataset_alone,
                                  splits_keep_groups_and_repeat,     single_cases_meet_the_counts_exactly,
                                  one_large_group_cannot_be_divided, a_division_is_found_again,
                                  handles_go_in_any_order};
    return run_tests("dataset", tests, sizeof tests / sizeof tests[0]);
}
