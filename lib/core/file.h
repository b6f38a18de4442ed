// Files: whole reads, sorted folders, and writes that lose nothing: a temporary
// name in the same folder, fsync, rename. A failed write leaves no file behind.
#ifndef GSG_CORE_FILE_H
#define GSG_CORE_FILE_H

#include "core/alloc.h"

typedef enum gsg_file_kind { GSG_FILE_NONE, GSG_FILE_REGULAR, GSG_FILE_FOLDER, GSG_FILE_OTHER } gsg_file_kind;

gsg_file_kind gsg_file_probe(const char *path, int64_t *bytes); // bytes may be NULL

// Reads the whole file (a NUL is put behind it). Larger than `limit` is FORMAT.
genseg_status gsg_file_read(genseg_context *context, const char *path, size_t limit, uint8_t **data, size_t *size,
                            gsg_error *err);

// A file that stays open to be read in pieces from any place, by any thread; a name that is given to another file
// meanwhile makes no difference.
typedef struct gsg_file_reader {
    const char *path; // borrowed
    int descriptor;
    int64_t size; // when it was opened
} gsg_file_reader;
genseg_status gsg_file_open(gsg_file_reader *reader, const char *path, gsg_error *err);
// IO also where fewer bytes are left.
genseg_status gsg_file_read_at(const gsg_file_reader *reader, int64_t offset, void *data, size_t bytes, gsg_error *err);
void gsg_file_close(gsg_file_reader *reader); // also twice

// Names in a folder without "." files, sorted by bytes.
typedef struct gsg_file_list {
    genseg_context *context;
    char **names;
    int64_t count;
} gsg_file_list;
genseg_status gsg_file_list_open(genseg_context *context, const char *folder, gsg_file_list *list, gsg_error *err);
void gsg_file_list_free(gsg_file_list *list);

// An atomic write. `temporary` is the name to write to, by gsg_file_write() or
// by a library that wants a path; commit syncs and renames; abort removes.
typedef struct gsg_file_writer {
    genseg_context *context;
    char *path;
    char *temporary;
    int descriptor; // -1 once closed
} gsg_file_writer;
// `suffix` ends the temporary name (NULL: none), for libraries that look at it.
genseg_status gsg_file_begin(gsg_file_writer *writer, genseg_context *context, const char *path, const char *suffix,
                             gsg_error *err);
// The path must be free or a regular file that may be written. A failed write
// aborts, so that a later commit cannot put half a file in place.
genseg_status gsg_file_write(gsg_file_writer *writer, const void *data, size_t size, gsg_error *err);
genseg_status gsg_file_commit(gsg_file_writer *writer, gsg_error *err); // aborts on failure
void gsg_file_abort(gsg_file_writer *writer);                           // also after commit: no-op

#endif
