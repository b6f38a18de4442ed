// Files of named tensors in the safetensors format (docs/formats/checkpoint.md):
// 8 bytes of header length, a JSON header, the data. Written atomically and
// streaming; read tensor by tensor from the open file, with nothing believed before it is checked.
#ifndef GSG_CHECKPOINT_SAFETENSORS_H
#define GSG_CHECKPOINT_SAFETENSORS_H

#include "core/file.h"
#include "tensor/shape.h"

// One tensor to write. Row-major, little-endian as in memory.
typedef struct gsg_tensor_entry {
    const char *name; // UTF-8, unique, not empty, not "__metadata__"
    int32_t dtype;    // a GENSEG_DTYPE_* value
    gsg_shape shape;  // ndim 0 is a scalar
    const void *data; // only gsg_safetensors_save() looks at it
} gsg_tensor_entry;

// One entry of the header's `__metadata__`, which maps text to text.
typedef struct gsg_tensor_note {
    const char *key;
    const char *value;
} gsg_tensor_note;

// Writing piece by piece: begin with all names and shapes, write every tensor's
// bytes in the same order in pieces of any size, commit. Element sizes must not
// rise along the list, so that each tensor stays aligned (INVALID otherwise).
typedef struct gsg_safetensors_writer {
    gsg_file_writer file;
    uint64_t left; // bytes still to come
} gsg_safetensors_writer;
genseg_status gsg_safetensors_begin(gsg_safetensors_writer *writer, genseg_context *context, const char *path,
                                    const gsg_tensor_entry *entries, int64_t count, const gsg_tensor_note *notes,
                                    int64_t note_count, gsg_error *err);
genseg_status gsg_safetensors_write(gsg_safetensors_writer *writer, const void *data, size_t bytes, gsg_error *err);
genseg_status gsg_safetensors_commit(gsg_safetensors_writer *writer, gsg_error *err); // aborts on failure
void gsg_safetensors_abort(gsg_safetensors_writer *writer);                           // also after commit: no-op

// All of it at once, from entries[i].data, larger element sizes first and
// otherwise in the given order. Equal input gives equal bytes.
genseg_status gsg_safetensors_save(genseg_context *context, const char *path, const gsg_tensor_entry *entries,
                                   int64_t count, const gsg_tensor_note *notes, int64_t note_count, gsg_error *err);

typedef struct gsg_safetensors gsg_safetensors;

// IO, NOMEM; FORMAT for a damaged file, UNSUPPORTED for a dtype or a number of
// dimensions that this library has not. Messages start with the file's name.
// The file stays open.
genseg_status gsg_safetensors_open(genseg_context *context, const char *path, gsg_safetensors **file, gsg_error *err);
void gsg_safetensors_free(gsg_safetensors *file); // NULL allowed

const char *gsg_safetensors_path(const gsg_safetensors *file);
int64_t gsg_safetensors_count(const gsg_safetensors *file);
// Tensor `index` in the order of the data; `data` is NULL.
gsg_tensor_entry gsg_safetensors_entry(const gsg_safetensors *file, int64_t index);
int64_t gsg_safetensors_find(const gsg_safetensors *file, const char *name); // -1 where absent
// Is there a tensor `name` of that dtype and shape? As gsg_safetensors_read(), before room for it is had.
genseg_status gsg_safetensors_check(const gsg_safetensors *file, const char *name, int32_t dtype, gsg_shape shape,
                                    gsg_error *err);
// Copies tensor `name` to dst. FORMAT where it is absent, SHAPE where its dtype
// or shape is another; the message has both.
genseg_status gsg_safetensors_read(const gsg_safetensors *file, const char *name, int32_t dtype, gsg_shape shape,
                                   void *dst, gsg_error *err);
// Copies `bytes` bytes of tensor `index` from its byte `offset` on: any part of it, by any thread. INVALID beyond it.
genseg_status gsg_safetensors_read_part(const gsg_safetensors *file, int64_t index, int64_t offset, void *dst,
                                        size_t bytes, gsg_error *err);
// Value of a metadata key, borrowed; NULL where absent.
const char *gsg_safetensors_note(const gsg_safetensors *file, const char *key);

// "F32" and so on; NULL for a dtype that has no name.
const char *gsg_safetensors_dtype_name(int32_t dtype);

#endif
