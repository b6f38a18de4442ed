// Checks of output paths and atomic text files. A check tries what the writing will
// do later, since permissions alone don't tell (read-only file systems, root).
#include "tool_output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const image_extensions[] = {".nii.gz", ".nii",  ".hdr.gz", ".hdr", ".img.gz", ".img",
                                               ".png",    ".jpeg", ".jpg",    ".h5",  ".hdf5"};
#define IMAGE_EXTENSIONS (sizeof image_extensions / sizeof image_extensions[0])

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// Length of the image extension at the end of `path`, 0 for none.
static size_t extension_length(const char *path)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < IMAGE_EXTENSIONS; i++) {
        size_t size = strlen(image_extensions[i]);
        if (length > size && strcasecmp(path + length - size, image_extensions[i]) == 0)
            return size;
    }
    return 0;
}

bool output_is_image(const char *path)
{
    size_t size = extension_length(path);
    // The voxels of a .hdr are no image of their own.
    return size > 0 && strncasecmp(path + strlen(path) - size, ".img", 4) != 0;
}

char *output_stem(const char *path)
{
    const char *name = file_name(path);
    size_t size = extension_length(name);
    return strndup(name, strlen(name) - size);
}

char *output_join(const char *folder, const char *name, const char *suffix, const char *extension)
{
    size_t size = strlen(folder) + strlen(name) + strlen(suffix) + strlen(extension) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s%s%s", folder, *folder && folder[strlen(folder) - 1] == '/' ? "" : "/", name,
                 suffix, extension);
    return path;
}

bool output_same_file(const char *a, const char *b)
{
    struct stat at, other;
    return stat(a, &at) == 0 && stat(b, &other) == 0 && at.st_dev == other.st_dev && at.st_ino == other.st_ino;
}

bool output_is_folder(const char *path)
{
    struct stat at;
    return stat(path, &at) == 0 && S_ISDIR(at.st_mode);
}

bool output_check_empty(console *to, const char *path)
{
    DIR *folder = opendir(path);
    if (!folder && errno == ENOENT)
        return true;
    if (!folder) {
        console_error(to, "%s: %s", path, strerror(errno));
        return false;
    }
    const struct dirent *entry;
    while ((entry = readdir(folder)) && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0))
        continue;
    closedir(folder);
    if (entry)
        console_error(to, "%s: is not empty: take another name", path);
    return !entry;
}

static size_t read_head(const char *path, unsigned char *head, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t got = file ? fread(head, 1, size, file) : 0;
    if (file)
        fclose(file);
    return got;
}

// A length of the header that is not absurd, and its opening brace.
bool output_is_model(const char *path)
{
    unsigned char head[9];
    return read_head(path, head, sizeof head) == sizeof head && head[8] == '{' && head[7] == 0 && head[6] == 0;
}

static bool is_hdf5(const char *path)
{
    unsigned char head[8];
    return read_head(path, head, sizeof head) == sizeof head && memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0;
}

// The folder of a path, owned by the caller.
static char *folder_of(const char *path)
{
    const char *name = file_name(path);
    if (name == path)
        return strdup(".");
    return name == path + 1 ? strdup("/") : strndup(path, (size_t)(name - path - 1));
}

static char *temporary_name(const char *folder)
{
    return output_join(folder, ".genseg-", "XXXXXX", "");
}

static bool try_folder(console *to, const char *folder, const char *path)
{
    struct stat at;
    char *name = temporary_name(folder);
    bool good = false;
    if (!name)
        console_error(to, "out of memory");
    else if (stat(folder, &at) != 0)
        console_error(to, "%s: cannot write: folder %s: %s", path, folder, strerror(errno));
    else if (!S_ISDIR(at.st_mode))
        console_error(to, "%s: cannot write: %s is no folder", path, folder);
    else {
        int made = mkstemp(name);
        good = made >= 0;
        if (!good)
            console_error(to, "%s: cannot write: folder %s: %s", path, folder, strerror(errno));
        else {
            close(made);
            unlink(name);
        }
    }
    free(name);
    return good;
}

bool output_check_file(console *to, const char *path, output_kind kind)
{
    static const char *const wanted[] = {"a model", "an HDF5 file"};
    struct stat at;
    if (!*file_name(path)) {
        console_error(to, "%s: is a folder, not the name of a file", path);
        return false;
    }
    if (stat(path, &at) == 0) {
        if (!S_ISREG(at.st_mode)) {
            console_error(to, "%s: is a %s, not the name of a file", path, S_ISDIR(at.st_mode) ? "folder" : "device");
            return false;
        }
        bool fits =
            kind == OUTPUT_TEXT || at.st_size == 0 || (kind == OUTPUT_MODEL ? output_is_model(path) : is_hdf5(path));
        if (!fits) {
            console_error(to, "%s: exists and is not %s: take another name, or remove it", path, wanted[kind]);
            return false;
        }
        if (access(path, W_OK) != 0) {
            console_error(to, "%s: cannot be replaced: %s", path, strerror(errno));
            return false;
        }
    }
    char *folder = folder_of(path);
    bool good = folder && try_folder(to, folder, path);
    if (!folder)
        console_error(to, "out of memory");
    free(folder);
    return good;
}

bool output_check_folder(console *to, const char *path, bool *made)
{
    *made = false;
    if (mkdir(path, 0777) == 0)
        *made = true;
    else if (errno != EEXIST) {
        console_error(to, "%s: cannot make the folder: %s", path, strerror(errno));
        return false;
    }
    if (try_folder(to, path, path))
        return true;
    if (*made)
        rmdir(path);
    *made = false;
    return false;
}

// --- Text files ---

bool output_text_begin(console *to, output_text *text, const char *path)
{
    *text = (output_text){.path = strdup(path)};
    char *folder = folder_of(path);
    text->temporary = folder ? temporary_name(folder) : NULL;
    free(folder);
    int made = text->path && text->temporary ? mkstemp(text->temporary) : -1;
    if (made < 0) {
        console_error(to, "%s: %s", path, strerror(errno));
        free(text->temporary); // it doesn't exist
        text->temporary = NULL;
        output_text_abort(text);
        return false;
    }
    // mkstemp keeps others out; a result is an ordinary file.
    mode_t mask = umask(0);
    umask(mask);
    fchmod(made, 0666 & ~mask);
    text->stream = fdopen(made, "w");
    if (!text->stream) {
        console_error(to, "%s: %s", path, strerror(errno));
        close(made);
        output_text_abort(text);
        return false;
    }
    return true;
}

bool output_text_commit(console *to, output_text *text)
{
    bool good = fflush(text->stream) == 0 && !ferror(text->stream) && fsync(fileno(text->stream)) == 0;
    int number = errno;
    if (fclose(text->stream) != 0 && good) {
        good = false;
        number = errno;
    }
    text->stream = NULL;
    if (good && rename(text->temporary, text->path) != 0) {
        good = false;
        number = errno;
    }
    if (good) {
        free(text->temporary);
        text->temporary = NULL;
    } else {
        console_error(to, "%s: %s", text->path, strerror(number));
    }
    output_text_abort(text);
    return good;
}

void output_text_abort(output_text *text)
{
    if (text->stream)
        fclose(text->stream);
    if (text->temporary)
        unlink(text->temporary);
    free(text->temporary);
    free(text->path);
    *text = (output_text){.stream = NULL};
}

void output_csv_text(const char *text, FILE *stream)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stream);
        return;
    }
    fputc('"', stream);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', stream);
        fputc(*text, stream);
    }
    fputc('"', stream);
}

void output_csv_number(double value, FILE *stream)
{
    if (isfinite(value))
        fprintf(stream, "%.6g", value);
}
