// Files (core/file.h): whole reads, sorted folders and atomic writes after the
// usual recipe: temporary name in the same folder, fsync, rename, fsync of the
// folder, so that a crash leaves the old file or the new one.

#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"

// Longest end of a path in a message: the cause must still fit behind it.
#define SHOWN_PATH 360
#define TEMPORARY_TRIES 100

static const char *shown(const char *path)
{
    size_t length = strlen(path);
    return length > SHOWN_PATH ? path + (length - SHOWN_PATH) : path;
}

// IO: "path: verb: the system's words", in English whatever the host's locale.
static genseg_status system_error(gsg_error *err, const char *path, const char *verb, int number)
{
    return gsg_error_set(err, GENSEG_ERROR_IO, "%s: %s: %s", shown(path), verb, gsg_error_system(number));
}

static gsg_file_kind kind_of(mode_t mode)
{
    return S_ISREG(mode) ? GSG_FILE_REGULAR : S_ISDIR(mode) ? GSG_FILE_FOLDER : GSG_FILE_OTHER;
}

gsg_file_kind gsg_file_probe(const char *path, int64_t *bytes)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return GSG_FILE_NONE;
    }
    if (bytes != NULL) {
        *bytes = info.st_size;
    }
    return kind_of(info.st_mode);
}

// IO where `kind` is something else than a regular file.
static genseg_status require_regular(const char *path, gsg_file_kind kind, gsg_error *err)
{
    if (kind == GSG_FILE_FOLDER) {
        return gsg_error_set(err, GENSEG_ERROR_IO, "%s: is a folder, not a file", shown(path));
    }
    if (kind == GSG_FILE_OTHER) {
        return gsg_error_set(err, GENSEG_ERROR_IO, "%s: is not a regular file", shown(path));
    }
    return GENSEG_OK;
}

// Reads up to `size` bytes from `offset`, fewer at the file's end; -1 with errno.
static ssize_t read_fully(int descriptor, uint8_t *data, size_t size, int64_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(descriptor, data + done, size - done, (off_t)(offset + (int64_t)done));
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return -1;
        }
        done += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)done;
}

genseg_status gsg_file_open(gsg_file_reader *reader, const char *path, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    struct stat info;
    // Opening a pipe without O_NONBLOCK would wait for a writer.
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0 || fstat(descriptor, &info) != 0) {
        status = system_error(err, path, "cannot open", errno);
        goto done;
    }
    GSG_TRY(require_regular(path, kind_of(info.st_mode), err));
    *reader = (gsg_file_reader){.path = path, .descriptor = descriptor, .size = info.st_size};
    descriptor = -1;
done:
    if (descriptor >= 0) {
        close(descriptor);
    }
    return status;
}

genseg_status gsg_file_read_at(const gsg_file_reader *reader, int64_t offset, void *data, size_t bytes, gsg_error *err)
{
    ssize_t got = read_fully(reader->descriptor, data, bytes, offset);
    if (got < 0) {
        return system_error(err, reader->path, "cannot read", errno);
    }
    if ((size_t)got < bytes) {
        return gsg_error_set(err, GENSEG_ERROR_IO, "%s: was cut short while it was read", shown(reader->path));
    }
    return GENSEG_OK;
}

void gsg_file_close(gsg_file_reader *reader)
{
    if (reader->descriptor >= 0) {
        close(reader->descriptor);
    }
    reader->descriptor = -1;
}

genseg_status gsg_file_read(genseg_context *context, const char *path, size_t limit, uint8_t **data, size_t *size,
                            gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    uint8_t *bytes = NULL;
    gsg_file_reader reader = {.descriptor = -1};
    GSG_TRY(gsg_file_open(&reader, path, err));
    if ((uint64_t)reader.size > limit) {
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: has %lld bytes, allowed are %zu", shown(path),
                               (long long)reader.size, limit);
        goto done;
    }
    size_t wanted = (size_t)reader.size;
    bytes = gsg_alloc(context, wanted + 1, 1);
    if (bytes == NULL) {
        status = gsg_error_nomem(err, wanted + 1);
        goto done;
    }
    ssize_t got = read_fully(reader.descriptor, bytes, wanted, 0);
    if (got < 0) {
        status = system_error(err, path, "cannot read", errno);
        goto done;
    }
    // Shorter where another process cut the file meanwhile.
    bytes[got] = '\0';
    *data = bytes;
    *size = (size_t)got;
    bytes = NULL;
done:
    gsg_free(context, bytes);
    gsg_file_close(&reader);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Appends a copy of `name`, growing `list` from `*capacity`.
static bool list_append(gsg_file_list *list, int64_t *capacity, const char *name)
{
    if (list->count == *capacity) {
        int64_t larger = *capacity > 0 ? *capacity * 2 : 32;
        char **names = gsg_realloc(list->context, list->names, (size_t)larger, sizeof *names);
        if (names == NULL) {
            return false;
        }
        list->names = names;
        *capacity = larger;
    }
    char *copy = gsg_strdup(list->context, name);
    if (copy == NULL) {
        return false;
    }
    list->names[list->count++] = copy;
    return true;
}

genseg_status gsg_file_list_open(genseg_context *context, const char *folder, gsg_file_list *list, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_file_list found = {.context = context};
    int64_t capacity = 0;
    DIR *stream = opendir(folder);
    if (stream == NULL) {
        return system_error(err, folder, "cannot open folder", errno);
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            break;
        }
        if (entry->d_name[0] != '.' && !list_append(&found, &capacity, entry->d_name)) {
            status = gsg_error_nomem(err, strlen(entry->d_name) + 1);
            goto done;
        }
    }
    if (errno != 0) {
        status = system_error(err, folder, "cannot read folder", errno);
        goto done;
    }
    if (found.count > 1) {
        qsort(found.names, (size_t)found.count, sizeof *found.names, compare_names);
    }
    *list = found;
    found = (gsg_file_list){.context = context};
done:
    gsg_file_list_free(&found);
    closedir(stream);
    return status;
}

void gsg_file_list_free(gsg_file_list *list)
{
    for (int64_t i = 0; i < list->count; ++i) {
        gsg_free(list->context, list->names[i]);
    }
    if (list->names != NULL) {
        gsg_free(list->context, list->names);
    }
    *list = (gsg_file_list){.context = list->context};
}

// The folder that holds `path`; NULL: no memory.
static char *folder_of(genseg_context *context, const char *path)
{
    size_t length = (size_t)(gsg_path_name(path) - path);
    while (length > 1 && path[length - 1] == '/') {
        --length;
    }
    return length > 0 ? gsg_strndup(context, path, length) : gsg_strdup(context, ".");
}

// Creates an unused name in the folder of writer->path. Not by mkstemp(): its
// files are closed to the group, whatever the user's umask says.
static genseg_status open_temporary(gsg_file_writer *writer, const char *suffix, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_text name;
    gsg_text_init(&name, writer->context);
    for (int i = 0; i < TEMPORARY_TRIES; ++i) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        gsg_text_append_bytes(&name, writer->path, (size_t)(gsg_path_name(writer->path) - writer->path));
        gsg_text_appendf(&name, ".genseg-%ld-%lx%s", (long)getpid(), (unsigned long)now.tv_nsec + (unsigned long)i,
                         suffix != NULL ? suffix : "");
        writer->temporary = gsg_text_take(&name);
        if (writer->temporary == NULL) {
            status = gsg_error_nomem(err, strlen(writer->path));
            break;
        }
        writer->descriptor = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (writer->descriptor >= 0) {
            return GENSEG_OK;
        }
        int number = errno;
        gsg_free(writer->context, writer->temporary);
        writer->temporary = NULL;
        status = system_error(err, writer->path, "cannot create", number);
        if (number != EEXIST) {
            break;
        }
    }
    return status;
}

genseg_status gsg_file_begin(gsg_file_writer *writer, genseg_context *context, const char *path, const char *suffix,
                             gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    *writer = (gsg_file_writer){.context = context, .descriptor = -1};
    // A rename would replace a device, or a file that the user protected.
    gsg_file_kind kind = gsg_file_probe(path, NULL);
    GSG_TRY(require_regular(path, kind, err));
    if (kind == GSG_FILE_REGULAR && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0) {
        status = system_error(err, path, "cannot write", errno);
        goto done;
    }
    if (*gsg_path_name(path) == '\0') {
        status = gsg_error_set(err, GENSEG_ERROR_IO, "\"%s\": is not the name of a file", shown(path));
        goto done;
    }
    writer->path = gsg_strdup(context, path);
    if (writer->path == NULL) {
        status = gsg_error_nomem(err, strlen(path) + 1);
        goto done;
    }
    GSG_TRY(open_temporary(writer, suffix, err));
done:
    if (status != GENSEG_OK) {
        gsg_file_abort(writer);
    }
    return status;
}

genseg_status gsg_file_write(gsg_file_writer *writer, const void *data, size_t size, gsg_error *err)
{
    if (writer->descriptor < 0) {
        return gsg_error_set(err, GENSEG_ERROR_STATE, "write to a file that is closed");
    }
    const char *bytes = data;
    while (size > 0) {
        ssize_t put = write(writer->descriptor, bytes, size);
        if (put < 0 && errno != EINTR) {
            system_error(err, writer->path, "cannot write", errno);
            gsg_file_abort(writer);
            return GENSEG_ERROR_IO;
        }
        if (put > 0) {
            bytes += put;
            size -= (size_t)put;
        }
    }
    return GENSEG_OK;
}

// Opened anew by name: a library may have put another file there.
static int sync_path(const char *path, int flags)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (descriptor < 0) {
        return errno;
    }
    int number = fsync(descriptor) == 0 ? 0 : errno;
    close(descriptor);
    return number;
}

genseg_status gsg_file_commit(gsg_file_writer *writer, gsg_error *err)
{
    if (writer->temporary == NULL) {
        return gsg_error_set(err, GENSEG_ERROR_STATE, "commit of a file that was not begun");
    }
    genseg_status status = GENSEG_OK;
    char *folder = folder_of(writer->context, writer->path);
    if (folder == NULL) {
        status = gsg_error_nomem(err, strlen(writer->path));
        goto done;
    }
    int number = close(writer->descriptor) == 0 ? 0 : errno;
    writer->descriptor = -1;
    if (number == 0) {
        number = sync_path(writer->temporary, 0);
    }
    if (number != 0) {
        status = system_error(err, writer->path, "cannot write", number);
        goto done;
    }
    if (rename(writer->temporary, writer->path) != 0) {
        status = system_error(err, writer->path, "cannot rename into place", errno);
        goto done;
    }
    gsg_free(writer->context, writer->temporary);
    writer->temporary = NULL;
    // The file is whole and in place. Some file systems cannot sync a folder,
    // and a folder may be writable but not readable: neither is a failure.
    number = sync_path(folder, O_DIRECTORY);
    if (number == EIO) {
        status = system_error(err, folder, "cannot sync folder", number);
    }
done:
    gsg_free(writer->context, folder);
    gsg_file_abort(writer);
    return status;
}

void gsg_file_abort(gsg_file_writer *writer)
{
    if (writer->path == NULL) {
        return; // never begun, committed or aborted
    }
    if (writer->descriptor >= 0) {
        close(writer->descriptor);
    }
    if (writer->temporary != NULL) {
        unlink(writer->temporary);
    }
    gsg_free(writer->context, writer->temporary);
    gsg_free(writer->context, writer->path);
    *writer = (gsg_file_writer){.context = writer->context, .descriptor = -1};
}
