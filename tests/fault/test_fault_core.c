// Every allocation of the text and file functions fails once: NOMEM, nothing
// held, no file left behind, and the old file as it was.

#include "core/file.h"
#include "core/text.h"

#include "faults.h"

static char folder[64];

static genseg_status text_work(genseg_context *context, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    char *path = NULL, *stem = NULL, *whole = NULL;
    gsg_text text;
    gsg_text_init(&text, context);
    for (int i = 0; i < 100; ++i) {
        gsg_text_appendf(&text, "case_%03d.nii.gz %g\n", i, 0.5 * i);
    }
    whole = gsg_text_take(&text);
    path = gsg_path_join(context, "images", "case_07.nii.gz");
    stem = path != NULL ? gsg_path_stem(context, path) : NULL;
    if (whole == NULL || path == NULL || stem == NULL) {
        status = gsg_error_nomem(err, 1);
        goto done;
    }
    ck_assert_str_eq(stem, "case_07");
done:
    gsg_free(context, stem);
    gsg_free(context, path);
    gsg_free(context, whole);
    return status;
}

START_TEST(text)
{
    ck_assert_int_ge(faults_sweep(text_work), 5);
}
END_TEST

static genseg_status write_work(genseg_context *context, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_file_writer writer = {0};
    char path[80];
    snprintf(path, sizeof path, "%s/model", folder);
    GSG_TRY(gsg_file_begin(&writer, context, path, ".tmp", err));
    GSG_TRY(gsg_file_write(&writer, "new", 3, err));
    GSG_TRY(gsg_file_commit(&writer, err));
done:
    gsg_file_abort(&writer);
    return status;
}

static genseg_status read_work(genseg_context *context, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    uint8_t *data = NULL;
    size_t size = 0;
    gsg_file_list list = {.context = context};
    char path[80];
    snprintf(path, sizeof path, "%s/model", folder);
    GSG_TRY(gsg_file_read(context, path, 100, &data, &size, err));
    GSG_TRY(gsg_file_list_open(context, folder, &list, err));
    ck_assert_str_eq((char *)data, "new");
    ck_assert_int_eq(list.count, 41);
done:
    gsg_file_list_free(&list);
    gsg_free(context, data);
    return status;
}

START_TEST(file)
{
    char path[80];
    scratch_folder(folder);
    ck_assert_int_ge(faults_sweep(write_work), 3);
    for (int i = 0; i < 40; ++i) { // more than the list's first capacity
        snprintf(path, sizeof path, "%s/%d", folder, i);
        FILE *empty = fopen(path, "w");
        ck_assert_ptr_nonnull(empty);
        fclose(empty);
    }
    ck_assert_int_ge(faults_sweep(read_work), 44);
    for (int i = 0; i < 40; ++i) {
        snprintf(path, sizeof path, "%s/%d", folder, i);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/model", folder);
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0); // no temporary file is left
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("fault_core");
    tcase_add_test(tests, text);
    tcase_add_test(tests, file);
    RUN_TESTS(tests);
}
