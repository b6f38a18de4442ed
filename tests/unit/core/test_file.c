// Files: reads, sorted folders, atomic writes, and what the system can refuse:
// a full disk, a read-only folder, a protected file, devices, pipes.

#include "core/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/text.h"
#include "faults.h"

static genseg_context *context;
static char folder[64];

static void set_up(void)
{
    ck_assert_int_eq(gsg_context_new(NULL, &context, NULL), GENSEG_OK);
    scratch_folder(folder);
}

static void tear_down(void)
{
    // rmdir() fails where a temporary file was left behind.
    ck_assert_msg(rmdir(folder) == 0, "%s is not empty", folder);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}

static const char *in_folder(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *content)
{
    FILE *file = fopen(in_folder(name), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(content, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void check_content(const char *name, const char *expected)
{
    uint8_t *data = NULL;
    size_t size = 0;
    ck_assert_int_eq(gsg_file_read(context, in_folder(name), 1 << 20, &data, &size, NULL), GENSEG_OK);
    ck_assert_uint_eq(size, strlen(expected));
    ck_assert_str_eq((char *)data, expected);
    gsg_free(context, data);
}

static int names_in_folder(void)
{
    // With the hidden ones, which gsg_file_list_open() leaves out.
    char command[128];
    snprintf(command, sizeof command, "ls -A %s | wc -l", folder);
    FILE *pipe = popen(command, "r");
    int count = -1;
    ck_assert_int_eq(fscanf(pipe, "%d", &count), 1);
    pclose(pipe);
    return count;
}

static void read_refused(const char *path, size_t limit, genseg_status expected, const char *part)
{
    uint8_t *data = (uint8_t *)folder;
    size_t size = 77;
    gsg_error err;
    ck_assert_int_eq(gsg_file_read(context, path, limit, &data, &size, &err), expected);
    ck_assert_msg(strstr(err.message, part) != NULL, "%s", err.message);
    ck_assert_ptr_nonnull(strstr(err.message, path));
    ck_assert_ptr_eq(data, folder);
    ck_assert_uint_eq(size, 77);
}

START_TEST(reading)
{
    put("a.txt", "twelve bytes");
    put("empty", "");
    int64_t bytes = -1;
    ck_assert_int_eq(gsg_file_probe(in_folder("a.txt"), &bytes), GSG_FILE_REGULAR);
    ck_assert_int_eq(bytes, 12);
    ck_assert_int_eq(gsg_file_probe(folder, NULL), GSG_FILE_FOLDER);
    ck_assert_int_eq(gsg_file_probe("/dev/null", NULL), GSG_FILE_OTHER);
    bytes = 5;
    ck_assert_int_eq(gsg_file_probe(in_folder("none"), &bytes), GSG_FILE_NONE);
    ck_assert_int_eq(bytes, 5);
    check_content("a.txt", "twelve bytes");
    check_content("empty", "");
    read_refused(in_folder("a.txt"), 11, GENSEG_ERROR_FORMAT, "has 12 bytes, allowed are 11");
    read_refused(in_folder("none"), 100, GENSEG_ERROR_IO, "No such file");
    read_refused(folder, 100, GENSEG_ERROR_IO, "is a folder");
    read_refused("/dev/zero", 100, GENSEG_ERROR_IO, "not a regular file");
    ck_assert_int_eq(mkfifo(in_folder("pipe"), 0600), 0);
    read_refused(in_folder("pipe"), 100, GENSEG_ERROR_IO, "not a regular file"); // without waiting
    unlink(in_folder("pipe"));
    unlink(in_folder("a.txt"));
    unlink(in_folder("empty"));
}
END_TEST

START_TEST(the_cause_fits_behind_a_long_path)
{
    char path[3000];
    memset(path, 'p', sizeof path);
    path[2999] = '\0';
    uint8_t *data;
    size_t size;
    gsg_error err;
    ck_assert_int_eq(gsg_file_read(context, path, 10, &data, &size, &err), GENSEG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "File name too long"));
}
END_TEST

START_TEST(listing_is_sorted)
{
    const char *const names[] = {"b", "B", "a10", "a9", ".hidden", "\xC3\xA4", "a"};
    const char *const sorted[] = {"B", "a", "a10", "a9", "b", "\xC3\xA4"};
    for (int i = 0; i < 7; ++i) {
        put(names[i], "x");
    }
    gsg_file_list list;
    ck_assert_int_eq(gsg_file_list_open(context, folder, &list, NULL), GENSEG_OK);
    ck_assert_int_eq(list.count, 6);
    for (int i = 0; i < 6; ++i) {
        ck_assert_str_eq(list.names[i], sorted[i]);
    }
    gsg_file_list_free(&list);
    gsg_file_list_free(&list);
    for (int i = 0; i < 7; ++i) {
        unlink(in_folder(names[i]));
    }
    ck_assert_int_eq(gsg_file_list_open(context, folder, &list, NULL), GENSEG_OK);
    ck_assert_int_eq(list.count, 0);
    gsg_file_list_free(&list);
    gsg_error err;
    ck_assert_int_eq(gsg_file_list_open(context, in_folder("none"), &list, &err), GENSEG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "none: cannot open folder: No such file"));
}
END_TEST

START_TEST(a_large_folder)
{
    for (int i = 0; i < 200; ++i) {
        char name[16];
        snprintf(name, sizeof name, "%d", (i * 77) % 200);
        put(name, "");
    }
    gsg_file_list list;
    ck_assert_int_eq(gsg_file_list_open(context, folder, &list, NULL), GENSEG_OK);
    ck_assert_int_eq(list.count, 200);
    for (int64_t i = 0; i < list.count; ++i) {
        ck_assert(i == 0 || strcmp(list.names[i - 1], list.names[i]) < 0);
        unlink(in_folder(list.names[i]));
    }
    gsg_file_list_free(&list);
}
END_TEST

START_TEST(commit_replaces)
{
    put("model", "old");
    umask(027);
    gsg_file_writer writer;
    ck_assert_int_eq(gsg_file_begin(&writer, context, in_folder("model"), NULL, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_file_write(&writer, "new ", 4, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_file_write(&writer, "", 0, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_file_write(&writer, "content", 7, NULL), GENSEG_OK);
    check_content("model", "old");
    ck_assert_int_eq(gsg_file_commit(&writer, NULL), GENSEG_OK);
    check_content("model", "new content");
    struct stat info;
    ck_assert_int_eq(stat(in_folder("model"), &info), 0);
    ck_assert_int_eq(info.st_mode & 0777, 0640);
    gsg_file_abort(&writer);
    check_content("model", "new content");
    ck_assert_int_eq(gsg_file_commit(&writer, NULL), GENSEG_ERROR_STATE);
    ck_assert_int_eq(gsg_file_write(&writer, "x", 1, NULL), GENSEG_ERROR_STATE);
    ck_assert_int_eq(names_in_folder(), 1);
    unlink(in_folder("model"));
}
END_TEST

START_TEST(abort_keeps_the_old)
{
    put("model", "old");
    gsg_file_writer writer;
    ck_assert_int_eq(gsg_file_begin(&writer, context, in_folder("model"), NULL, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_file_write(&writer, "half", 4, NULL), GENSEG_OK);
    ck_assert_int_eq(names_in_folder(), 2);
    gsg_file_abort(&writer);
    gsg_file_abort(&writer);
    ck_assert_int_eq(names_in_folder(), 1);
    check_content("model", "old");
    unlink(in_folder("model"));
    gsg_file_writer zeroed = {0};
    gsg_file_abort(&zeroed); // never begun: nothing is closed
    ck_assert_int_ge(fcntl(0, F_GETFD), 0);
}
END_TEST

START_TEST(a_library_writes_by_name)
{
    gsg_file_writer writer;
    ck_assert_int_eq(gsg_file_begin(&writer, context, in_folder("volume.nii.gz"), ".nii.gz", NULL), GENSEG_OK);
    ck_assert(gsg_text_ends(writer.temporary, ".nii.gz"));
    ck_assert_int_eq(unlink(writer.temporary), 0); // replaced, not only rewritten
    FILE *file = fopen(writer.temporary, "w");
    fputs("by name", file);
    fclose(file);
    ck_assert_int_eq(gsg_file_commit(&writer, NULL), GENSEG_OK);
    check_content("volume.nii.gz", "by name");

    ck_assert_int_eq(gsg_file_begin(&writer, context, in_folder("volume.nii.gz"), NULL, NULL), GENSEG_OK);
    unlink(writer.temporary); // the library failed and cleaned up
    ck_assert_int_eq(gsg_file_commit(&writer, NULL), GENSEG_ERROR_IO);
    check_content("volume.nii.gz", "by name");
    ck_assert_int_eq(names_in_folder(), 1);
    unlink(in_folder("volume.nii.gz"));
}
END_TEST

START_TEST(two_writers_do_not_meet)
{
    gsg_file_writer a, b;
    ck_assert_int_eq(gsg_file_begin(&a, context, in_folder("model"), NULL, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_file_begin(&b, context, in_folder("model"), NULL, NULL), GENSEG_OK);
    ck_assert_str_ne(a.temporary, b.temporary);
    ck_assert_int_eq(gsg_file_write(&a, "aaaa", 4, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_file_write(&b, "bb", 2, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_file_commit(&a, NULL), GENSEG_OK);
    check_content("model", "aaaa");
    ck_assert_int_eq(gsg_file_commit(&b, NULL), GENSEG_OK);
    check_content("model", "bb");
    unlink(in_folder("model"));
}
END_TEST

static void begin_refused(const char *path, const char *part)
{
    gsg_file_writer writer;
    gsg_error err;
    ck_assert_int_eq(gsg_file_begin(&writer, context, path, NULL, &err), GENSEG_ERROR_IO);
    ck_assert_msg(strstr(err.message, part) != NULL, "%s", err.message);
    ck_assert_ptr_nonnull(strstr(err.message, path));
    gsg_file_abort(&writer);
}

START_TEST(targets_that_are_refused)
{
    begin_refused(folder, "is a folder");
    begin_refused("/dev/full", "is not a regular file");
    begin_refused(in_folder("none/model"), "No such file or directory");
    begin_refused("", "is not the name of a file");
}
END_TEST

// Root may do anything: where the test runs as root, it asks as nobody.
static void become(uid_t user)
{
    if (getuid() == 0) {
        ck_assert_int_eq(seteuid(user), 0);
    }
}

START_TEST(protected_targets_are_refused)
{
    put("model", "old");
    ck_assert_int_eq(chmod(in_folder("model"), 0444), 0);
    ck_assert_int_eq(chmod(folder, 0777), 0);
    become(65534);
    bool reachable = gsg_file_probe(in_folder("model"), NULL) == GSG_FILE_REGULAR;
    if (reachable) { // not where a folder above is closed to nobody
        begin_refused(in_folder("model"), "Permission denied");
    }
    become(0);
    ck_assert_int_eq(chmod(folder, 0555), 0);
    become(65534);
    if (reachable) {
        begin_refused(in_folder("fresh"), "Permission denied");
    }
    become(0);
    ck_assert_int_eq(chmod(folder, 0777), 0);
    check_content("model", "old");
    ck_assert_int_eq(names_in_folder(), 1);
    unlink(in_folder("model"));
}
END_TEST

START_TEST(a_size_limit_leaves_nothing)
{
    put("model", "old");
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {10000, 10000};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    static char block[8192];
    gsg_file_writer writer;
    gsg_error err;
    ck_assert_int_eq(gsg_file_begin(&writer, context, in_folder("model"), NULL, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_file_write(&writer, block, sizeof block, NULL), GENSEG_OK);
    ck_assert_int_eq(gsg_file_write(&writer, block, sizeof block, &err), GENSEG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "model: cannot write: File too large"));
    ck_assert_int_eq(gsg_file_commit(&writer, &err), GENSEG_ERROR_STATE);
    ck_assert_int_eq(names_in_folder(), 1);
    check_content("model", "old");
    unlink(in_folder("model"));
}
END_TEST

START_TEST(a_full_disk_leaves_nothing)
{
    if (geteuid() != 0 || mount("none", folder, "tmpfs", 0, "size=64k") != 0) {
        return; // needs the right to mount; the size limit above covers the code
    }
    static char block[48 << 10];
    gsg_file_writer writer;
    gsg_error err = {0};
    genseg_status first = gsg_file_begin(&writer, context, in_folder("model"), NULL, &err);
    genseg_status second = gsg_file_write(&writer, block, sizeof block, &err);
    genseg_status third = gsg_file_write(&writer, block, sizeof block, &err);
    int left = names_in_folder();
    ck_assert_int_eq(umount(folder), 0);
    ck_assert_int_eq(first, GENSEG_OK);
    ck_assert_int_eq(second, GENSEG_OK);
    ck_assert_int_eq(third, GENSEG_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "No space left on device"));
    ck_assert_int_eq(left, 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("file");
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, reading);
    tcase_add_test(tests, the_cause_fits_behind_a_long_path);
    tcase_add_test(tests, listing_is_sorted);
    tcase_add_test(tests, a_large_folder);
    tcase_add_test(tests, commit_replaces);
    tcase_add_test(tests, abort_keeps_the_old);
    tcase_add_test(tests, a_library_writes_by_name);
    tcase_add_test(tests, two_writers_do_not_meet);
    tcase_add_test(tests, targets_that_are_refused);
    tcase_add_test(tests, protected_targets_are_refused);
    tcase_add_test(tests, a_size_limit_leaves_nothing);
    tcase_add_test(tests, a_full_disk_leaves_nothing);
    RUN_TESTS(tests);
}
