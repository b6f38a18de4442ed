// Public data sets, where the folder GENSEG_DATA (or the default of the build)
// has them: sizes, channels, label values and voxels that were counted with
// nibabel, Pillow and NumPy.
#include "data_files.h"

typedef struct real_set {
    const char *name;
    int64_t count;
    int32_t ndim;
    int32_t channels;
    int32_t classes;
    int64_t test;          // cases that the source marks
    int64_t foreground[2]; // voxels of classes 1, 2 in all cases
} real_set;

static const real_set sets[] = {
    {"dsb2018-fluo", 120, 2, 1, 2, 0, {1053149, 0}},         {"dsb2018-histo", 107, 2, 3, 2, 0, {1492426, 0}},
    {"hippocampus-msd", 260, 3, 1, 3, 52, {445938, 410816}}, {"isic2017", 9, 2, 3, 2, 0, {120754, 0}},
    {"kermany-cxr", 120, 2, 1, 2, 0, {1767648, 0}},          {"vnc-em", 80, 2, 1, 2, 0, {1068149, 0}},
};

static const char *data_folder(void)
{
    const char *folder = getenv("GENSEG_DATA");
    return folder && *folder ? folder : DATA_DEFAULT;
}

START_TEST(real_datasets_open)
{
    const real_set *expected = &sets[_i];
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", data_folder(), expected->name);
    if (access(path, F_OK) != 0) {
        printf("# %s is not there: skipped\n", expected->name);
        return;
    }
    genseg_context *context = context_with(2, 0);
    genseg_dataset_options options;
    gsg_dataset_defaults(&options);
    genseg_dataset *set = NULL;
    CK_OK(gsg_dataset_open(context, path, &options, &set, err));
    ck_assert_int_eq(set->count, expected->count);
    ck_assert_int_eq(set->cases[0].ndim, expected->ndim);
    ck_assert_int_eq(set->cases[0].channels, expected->channels);
    ck_assert_int_eq(set->classes, expected->classes);
    int64_t test = 0, voxels[2] = {0, 0};
    for (int64_t i = 0; i < set->count; i++) {
        const gsg_case *item = &set->cases[i];
        test += item->split == GENSEG_SPLIT_TEST;
        for (int32_t v = 0; v < item->value_count; v++)
            if (item->values[v] > 0)
                voxels[item->values[v] == set->values[1] ? 0 : 1] += item->voxels[v];
    }
    ck_assert_int_eq(test, expected->test);
    ck_assert_int_eq(voxels[0], expected->foreground[0]);
    ck_assert_int_eq(voxels[1], expected->foreground[1]);
    for (int64_t i = 0; i < set->count; i += 7) {
        gsg_volume volume;
        CK_OK(gsg_dataset_read(set, i, &volume, err));
        gsg_volume_free(&volume);
    }
    gsg_dataset_release(set);
    context_close(context);
}
END_TEST

// Sums of voxels, one case of each stored type.
START_TEST(hippocampus_voxels)
{
    static const struct {
        const char *name;
        int64_t size[3];
        double sum;
        double last_row;
    } cases[] = {
        {"hippocampus_001", {35, 51, 35}, 3968524.0, 2235.0},
        {"hippocampus_003", {35, 52, 34}, 29866089.86869049, 14706.738136291504},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/hippocampus-msd/images/%s.nii.gz", data_folder(), cases[c].name);
        if (access(path, F_OK) != 0) {
            printf("# %s is not there: skipped\n", cases[c].name);
            continue;
        }
        genseg_context *context = context_with(1, 0);
        gsg_volume volume;
        gsg_source source;
        CK_OK(gsg_image_read(context, path, &volume, &source, err));
        ck_assert_mem_eq(volume.size, cases[c].size, sizeof volume.size);
        double sum = 0.0, row = 0.0;
        int64_t count = gsg_volume_count(&volume);
        for (int64_t i = 0; i < count; i++)
            sum += volume.image[i];
        for (int64_t i = count - volume.size[2]; i < count; i++)
            row += volume.image[i];
        ck_assert_double_eq_tol(sum / cases[c].sum, 1.0, 1e-9);
        ck_assert_double_eq_tol(row, cases[c].last_row, 1e-6 * (1.0 + row));
        gsg_volume_free(&volume);
        gsg_source_free(&source);
        context_close(context);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dataset_real");
    TCase *group = tcase_create("dataset_real");
    tcase_set_timeout(group, 120);
    tcase_add_loop_test(group, real_datasets_open, 0, (int)(sizeof sets / sizeof sets[0]));
    tcase_add_test(group, hippocampus_voxels);
    suite_add_tcase(suite, group);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
