// The safetensors format (https://github.com/huggingface/safetensors, "Format"):
// u64 length of the header, JSON header padded with spaces to 8 bytes, tensors
// back to back without holes. Offsets in the header count from the data's start.
#include "checkpoint/safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "tensor/array.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are copied to the file as they are in memory");

#define HEADER_LIMIT 100000000u // the format's own limit
#define PREFIX 8
#define METADATA "__metadata__"

typedef struct placed_tensor {
    gsg_tensor_entry entry;
    int64_t begin, bytes; // within the data
} placed_tensor;

struct gsg_safetensors {
    genseg_context *context;
    char *path;
    gsg_file_reader reader;
    int64_t data;   // where it begins in the file
    json_t *header; // owns names and notes
    int64_t count;
    placed_tensor *tensors; // by position in the file
    int64_t *by_name;       // indices into tensors, names ascending
};

static const struct {
    const char *name;
    int32_t dtype;
} dtype_names[] = {{"F32", GENSEG_DTYPE_FLOAT32}, {"F64", GENSEG_DTYPE_FLOAT64}, {"I8", GENSEG_DTYPE_INT8},
                   {"U8", GENSEG_DTYPE_UINT8},    {"I16", GENSEG_DTYPE_INT16},   {"U16", GENSEG_DTYPE_UINT16},
                   {"I32", GENSEG_DTYPE_INT32},   {"U32", GENSEG_DTYPE_UINT32},  {"I64", GENSEG_DTYPE_INT64},
                   {"U64", GENSEG_DTYPE_UINT64}};
#define DTYPES (sizeof dtype_names / sizeof dtype_names[0])

const char *gsg_safetensors_dtype_name(int32_t dtype)
{
    for (size_t i = 0; i < DTYPES; i++)
        if (dtype_names[i].dtype == dtype)
            return dtype_names[i].name;
    return NULL;
}

static int32_t dtype_from_name(const char *name)
{
    for (size_t i = 0; i < DTYPES; i++)
        if (strcmp(dtype_names[i].name, name) == 0)
            return dtype_names[i].dtype;
    return 0;
}

// Bytes of a tensor, or -1 on overflow or for an unknown dtype.
static int64_t tensor_bytes(int32_t dtype, gsg_shape shape)
{
    const int64_t size = gsg_safetensors_dtype_name(dtype) ? (int64_t)gsg_dtype_size(dtype) : 0;
    const int64_t count = gsg_shape_count(shape);
    return size == 0 || count < 0 || count > INT64_MAX / size ? -1 : count * size;
}

// Takes over `value`, also on failure.
static bool put(json_t *object, const char *key, json_t *value)
{
    return value && json_object_set_new(object, key, value) == 0;
}

static json_t *entry_to_json(const gsg_tensor_entry *entry, int64_t begin, int64_t end)
{
    json_t *item = json_object(), *dims = json_array();
    bool fine = item && dims;

    for (int32_t d = 0; fine && d < entry->shape.ndim; d++)
        fine = json_array_append_new(dims, json_integer(entry->shape.dims[d])) == 0;
    fine = fine && put(item, "dtype", json_string(gsg_safetensors_dtype_name(entry->dtype)));
    fine = fine && json_object_set(item, "shape", dims) == 0;
    json_decref(dims);
    fine = fine && put(item, "data_offsets", json_pack("[I,I]", (json_int_t)begin, (json_int_t)end));
    if (!fine) {
        json_decref(item);
        return NULL;
    }
    return item;
}

static genseg_status check_entry(const gsg_tensor_entry *entry, const gsg_tensor_entry *before, gsg_error *err)
{
    if (!entry->name || !*entry->name || strcmp(entry->name, METADATA) == 0)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "`%s` is no name for a tensor", entry->name ? entry->name : "");
    if (tensor_bytes(entry->dtype, entry->shape) < 0)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "tensor `%s`: dtype %d or its shape cannot be written",
                             entry->name, (int)entry->dtype);
    if (before && gsg_dtype_size(entry->dtype) > gsg_dtype_size(before->dtype))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "tensor `%s` has larger elements than `%s` before it",
                             entry->name, before->name);
    return GENSEG_OK;
}

static genseg_status notes_to_json(json_t *header, const gsg_tensor_note *notes, int64_t count, gsg_error *err)
{
    json_t *map = json_object();

    if (!map || json_object_set(header, METADATA, map) != 0) {
        json_decref(map);
        return gsg_error_nomem(err, sizeof *notes);
    }
    json_decref(map); // the header holds it now
    for (int64_t i = 0; i < count; i++) {
        if (json_object_get(map, notes[i].key))
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "metadata key `%s` appears twice", notes[i].key);
        json_t *value = json_string(notes[i].value);
        if (!value)
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "metadata `%s` is not UTF-8 text", notes[i].key);
        if (json_object_set_new(map, notes[i].key, value) != 0)
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "metadata key %lld is not UTF-8 text", (long long)i);
    }
    return GENSEG_OK;
}

static int append_text(const char *buffer, size_t size, void *data)
{
    gsg_text_append_bytes(data, buffer, size);
    return 0;
}

// The header as text, padded; `total` gets the bytes of data.
static genseg_status print_header(gsg_text *text, const gsg_tensor_entry *entries, int64_t count,
                                  const gsg_tensor_note *notes, int64_t note_count, int64_t *total, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    int64_t offset = 0;
    json_t *header = json_object();

    if (!header) {
        status = gsg_error_nomem(err, sizeof *entries);
        goto done;
    }
    if (note_count > 0)
        GSG_TRY(notes_to_json(header, notes, note_count, err));
    for (int64_t i = 0; i < count; i++) {
        GSG_TRY(check_entry(&entries[i], i ? &entries[i - 1] : NULL, err));
        if (json_object_get(header, entries[i].name)) {
            status = gsg_error_set(err, GENSEG_ERROR_INVALID, "tensor `%s` appears twice", entries[i].name);
            goto done;
        }
        const int64_t bytes = tensor_bytes(entries[i].dtype, entries[i].shape);
        if (bytes > INT64_MAX - offset) {
            status = gsg_error_nomem(err, SIZE_MAX);
            goto done;
        }
        if (!put(header, entries[i].name, entry_to_json(&entries[i], offset, offset + bytes))) {
            status = gsg_error_set(err, GENSEG_ERROR_INVALID, "tensor %lld: no memory, or its name is not UTF-8",
                                   (long long)i);
            goto done;
        }
        offset += bytes;
    }
    if (json_dump_callback(header, append_text, text, JSON_COMPACT) != 0)
        text->failed = true;
    while (!text->failed && text->length % PREFIX != 0)
        gsg_text_append(text, " ");
    if (text->failed)
        status = gsg_error_nomem(err, text->length);
    else if (text->length > HEADER_LIMIT)
        status = gsg_error_set(err, GENSEG_ERROR_INVALID, "header has %zu bytes, allowed are %u", text->length,
                               HEADER_LIMIT);
    *total = offset;
done:
    json_decref(header);
    return status;
}

genseg_status gsg_safetensors_begin(gsg_safetensors_writer *writer, genseg_context *context, const char *path,
                                    const gsg_tensor_entry *entries, int64_t count, const gsg_tensor_note *notes,
                                    int64_t note_count, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    int64_t total = 0;
    bool open = false;
    gsg_text text;
    uint8_t prefix[PREFIX];

    gsg_text_init(&text, context);
    status = print_header(&text, entries, count, notes, note_count, &total, err);
    if (status != GENSEG_OK) {
        status = gsg_error_prefix(err, status, gsg_path_name(path));
        goto done;
    }
    GSG_TRY(gsg_file_begin(&writer->file, context, path, NULL, err));
    open = true;
    writer->left = (uint64_t)total;
    for (int i = 0; i < PREFIX; i++)
        prefix[i] = (uint8_t)((uint64_t)text.length >> (8 * i));
    GSG_TRY(gsg_file_write(&writer->file, prefix, sizeof prefix, err));
    GSG_TRY(gsg_file_write(&writer->file, text.data, text.length, err));
    open = false;
done:
    if (open)
        gsg_file_abort(&writer->file);
    gsg_text_free(&text);
    return status;
}

genseg_status gsg_safetensors_write(gsg_safetensors_writer *writer, const void *data, size_t bytes, gsg_error *err)
{
    if (bytes > writer->left)
        return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "%s: %zu bytes written where %llu are left", writer->file.path,
                             bytes, (unsigned long long)writer->left);
    writer->left -= bytes;
    return gsg_file_write(&writer->file, data, bytes, err);
}

genseg_status gsg_safetensors_commit(gsg_safetensors_writer *writer, gsg_error *err)
{
    if (writer->left == 0)
        return gsg_file_commit(&writer->file, err);
    const genseg_status status = gsg_error_set(err, GENSEG_ERROR_INTERNAL, "%s: %llu bytes of tensors are missing",
                                               writer->file.path, (unsigned long long)writer->left);
    gsg_file_abort(&writer->file);
    return status;
}

void gsg_safetensors_abort(gsg_safetensors_writer *writer)
{
    gsg_file_abort(&writer->file);
}

genseg_status gsg_safetensors_save(genseg_context *context, const char *path, const gsg_tensor_entry *entries,
                                   int64_t count, const gsg_tensor_note *notes, int64_t note_count, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_safetensors_writer writer;
    bool open = false;
    gsg_tensor_entry *order = gsg_alloc(context, (size_t)count, sizeof *order);

    if (!order) {
        status = gsg_error_nomem(err, (size_t)count * sizeof *order);
        goto done;
    }
    int64_t placed = 0;
    for (int64_t size = 8; size >= 0; size = size > 1 ? size / 2 : size - 1) // 0: unknown dtypes, refused below
        for (int64_t i = 0; i < count; i++)
            if ((int64_t)gsg_dtype_size(entries[i].dtype) == size)
                order[placed++] = entries[i];
    GSG_TRY(gsg_safetensors_begin(&writer, context, path, order, count, notes, note_count, err));
    open = true;
    for (int64_t i = 0; i < count; i++)
        GSG_TRY(
            gsg_safetensors_write(&writer, order[i].data, (size_t)tensor_bytes(order[i].dtype, order[i].shape), err));
    open = false;
    status = gsg_safetensors_commit(&writer, err);
done:
    if (open)
        gsg_safetensors_abort(&writer);
    gsg_free(context, order);
    return status;
}

static genseg_status parse_shape(const char *name, json_t *item, gsg_shape *shape, gsg_error *err)
{
    json_t *dims = json_object_get(item, "shape");
    if (!json_is_array(dims))
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "tensor `%s`: `shape` is not a list", name);
    const size_t ndim = json_array_size(dims);
    if (ndim > GSG_MAX_NDIM)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "tensor `%s` has %zu dimensions, handled are %d", name,
                             ndim, GSG_MAX_NDIM);
    *shape = (gsg_shape){.ndim = (int32_t)ndim};
    for (size_t d = 0; d < ndim; d++) {
        json_t *dim = json_array_get(dims, d);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return gsg_error_set(err, GENSEG_ERROR_FORMAT, "tensor `%s`: shape[%zu] is not an integer from 0", name, d);
        shape->dims[d] = json_integer_value(dim);
    }
    return GENSEG_OK;
}

// One tensor of the header; it must lie within `size` bytes of data.
static genseg_status parse_entry(const char *name, json_t *item, int64_t size, placed_tensor *tensor, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    json_t *dtype = json_object_get(item, "dtype"), *range = json_object_get(item, "data_offsets");
    json_t *first = json_array_get(range, 0), *last = json_array_get(range, 1);
    gsg_tensor_entry *entry = &tensor->entry;

    if (!*name || !json_is_object(item) || !json_is_string(dtype))
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "tensor `%s` has no `dtype`", name);
    if (json_array_size(range) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "tensor `%s`: `data_offsets` are not two integers", name);
    *entry = (gsg_tensor_entry){.name = name, .dtype = dtype_from_name(json_string_value(dtype))};
    if (entry->dtype == 0)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "tensor `%s` has dtype %s, which is not handled", name,
                             json_string_value(dtype));
    GSG_TRY(parse_shape(name, item, &entry->shape, err));
    const int64_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || end > size)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "tensor `%s` lies at bytes %lld to %lld, the file has %lld",
                             name, (long long)begin, (long long)end, (long long)size);
    if (tensor_bytes(entry->dtype, entry->shape) != end - begin) {
        char text[GSG_SHAPE_TEXT_SIZE];
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "tensor `%s`: %s of %s does not fill %lld bytes", name,
                             json_string_value(dtype), gsg_shape_text(entry->shape, text), (long long)(end - begin));
    }
    tensor->begin = begin;
    tensor->bytes = end - begin;
done:
    return status;
}

static int compare_position(const void *a, const void *b)
{
    const placed_tensor *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->bytes != y->bytes) // an empty tensor comes before the one that starts where it does
        return x->bytes < y->bytes ? -1 : 1;
    return strcmp(x->entry.name, y->entry.name);
}

static genseg_status check_metadata(json_t *metadata, gsg_error *err)
{
    const char *key;
    json_t *value;

    if (metadata && !json_is_object(metadata))
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, METADATA " is not an object");
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return gsg_error_set(err, GENSEG_ERROR_FORMAT, "metadata `%s` is not text", key);
    }
    return GENSEG_OK;
}

// Fills tensors and by_name from the header; there are `size` bytes of data.
static genseg_status index_tensors(gsg_safetensors *file, int64_t size, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    const char *name;
    json_t *item;
    const size_t members = json_object_size(file->header);

    GSG_TRY(check_metadata(json_object_get(file->header, METADATA), err));
    file->tensors = gsg_alloc(file->context, members, sizeof *file->tensors);
    file->by_name = gsg_alloc(file->context, members, sizeof *file->by_name);
    if (!file->tensors || !file->by_name) {
        status = gsg_error_nomem(err, members * sizeof *file->tensors);
        goto done;
    }
    json_object_foreach(file->header, name, item)
    {
        if (strcmp(name, METADATA) != 0) {
            GSG_TRY(parse_entry(name, item, size, &file->tensors[file->count], err));
            file->count++;
        }
    }
    if (file->count > 1)
        qsort(file->tensors, (size_t)file->count, sizeof *file->tensors, compare_position);
    int64_t expected = 0;
    for (int64_t i = 0; i < file->count; i++) {
        const placed_tensor *t = &file->tensors[i];
        if (t->begin != expected) {
            status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "tensor `%s` starts at byte %lld of the data, not %lld",
                                   t->entry.name, (long long)t->begin, (long long)expected);
            goto done;
        }
        expected += t->bytes;
    }
    if (expected != size)
        status =
            gsg_error_set(err, GENSEG_ERROR_FORMAT, "%lld bytes behind the last tensor", (long long)(size - expected));
done:
    return status;
}

// Heap sort: qsort() has no argument through which the comparison could see the
// tensors that the indices stand for.
static void sift(const placed_tensor *tensors, int64_t *order, int64_t root, int64_t count)
{
    for (int64_t child = 2 * root + 1; child < count; root = child, child = 2 * root + 1) {
        if (child + 1 < count && strcmp(tensors[order[child]].entry.name, tensors[order[child + 1]].entry.name) < 0)
            child++;
        if (strcmp(tensors[order[root]].entry.name, tensors[order[child]].entry.name) >= 0)
            return;
        const int64_t swap = order[root];
        order[root] = order[child];
        order[child] = swap;
    }
}

static void sort_names(gsg_safetensors *file)
{
    for (int64_t i = 0; i < file->count; i++)
        file->by_name[i] = i;
    for (int64_t i = file->count / 2 - 1; i >= 0; i--)
        sift(file->tensors, file->by_name, i, file->count);
    for (int64_t i = file->count - 1; i > 0; i--) {
        const int64_t swap = file->by_name[0];
        file->by_name[0] = file->by_name[i];
        file->by_name[i] = swap;
        sift(file->tensors, file->by_name, 0, i);
    }
}

// Reads and checks what comes before the data.
static genseg_status parse_header(gsg_safetensors *file, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    uint8_t prefix[PREFIX];
    char *text = NULL;
    uint64_t length = 0;
    json_error_t problem;
    const int64_t size = file->reader.size;

    if (size < PREFIX)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "has %lld bytes, a safetensors file has at least %d",
                             (long long)size, PREFIX);
    GSG_TRY(gsg_file_read_at(&file->reader, 0, prefix, PREFIX, err));
    for (int i = 0; i < PREFIX; i++)
        length |= (uint64_t)prefix[i] << (8 * i);
    if (length > HEADER_LIMIT || length > (uint64_t)(size - PREFIX))
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "header of %llu bytes in a file of %lld",
                             (unsigned long long)length, (long long)size);
    text = gsg_alloc(file->context, (size_t)length + 1, 1);
    if (!text)
        return gsg_error_nomem(err, (size_t)length + 1);
    GSG_TRY(gsg_file_read_at(&file->reader, PREFIX, text, (size_t)length, err));
    file->header = json_loadb(text, (size_t)length, JSON_REJECT_DUPLICATES, &problem);
    if (!file->header)
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "header, byte %d: %s", problem.position, problem.text);
    else if (!json_is_object(file->header))
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "header is not a JSON object");
    if (status != GENSEG_OK)
        goto done;
    file->data = PREFIX + (int64_t)length;
    GSG_TRY(index_tensors(file, size - file->data, err));
    sort_names(file);
done:
    gsg_free(file->context, text);
    return status;
}

genseg_status gsg_safetensors_open(genseg_context *context, const char *path, gsg_safetensors **file, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_safetensors *f = gsg_alloc_zero(context, 1, sizeof *f);

    if (!f)
        return gsg_error_nomem(err, sizeof *f);
    f->reader.descriptor = -1;
    f->context = gsg_context_retain(context);
    f->path = gsg_strdup(context, path);
    if (!f->path) {
        status = gsg_error_nomem(err, strlen(path) + 1);
        goto done;
    }
    GSG_TRY(gsg_file_open(&f->reader, f->path, err));
    status = parse_header(f, err);
    if (status != GENSEG_OK) {
        if (status != GENSEG_ERROR_IO) // that has it
            gsg_error_prefix(err, status, gsg_path_name(path));
        goto done;
    }
    *file = f;
    f = NULL;
done:
    gsg_safetensors_free(f);
    return status;
}

void gsg_safetensors_free(gsg_safetensors *file)
{
    if (!file)
        return;
    genseg_context *context = file->context;
    json_decref(file->header);
    gsg_free(context, file->tensors);
    gsg_free(context, file->by_name);
    gsg_file_close(&file->reader);
    gsg_free(context, file->path);
    gsg_free(context, file);
    gsg_context_release(context);
}

const char *gsg_safetensors_path(const gsg_safetensors *file)
{
    return file->path;
}

int64_t gsg_safetensors_count(const gsg_safetensors *file)
{
    return file->count;
}

gsg_tensor_entry gsg_safetensors_entry(const gsg_safetensors *file, int64_t index)
{
    return file->tensors[index].entry;
}

int64_t gsg_safetensors_find(const gsg_safetensors *file, const char *name)
{
    int64_t low = 0, high = file->count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const int order = strcmp(file->tensors[file->by_name[middle]].entry.name, name);
        if (order == 0)
            return file->by_name[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

genseg_status gsg_safetensors_check(const gsg_safetensors *file, const char *name, int32_t dtype, gsg_shape shape,
                                    gsg_error *err)
{
    const char *file_name = gsg_path_name(file->path);
    const int64_t index = gsg_safetensors_find(file, name);

    if (index < 0)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: tensor `%s` is missing", file_name, name);
    const gsg_tensor_entry *e = &file->tensors[index].entry;
    if (e->dtype != dtype || !gsg_shape_equal(e->shape, shape)) {
        char have[GSG_SHAPE_TEXT_SIZE], want[GSG_SHAPE_TEXT_SIZE];
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s: tensor `%s` is %s of %s, expected is %s of %s", file_name,
                             name, gsg_safetensors_dtype_name(e->dtype), gsg_shape_text(e->shape, have),
                             gsg_safetensors_dtype_name(dtype), gsg_shape_text(shape, want));
    }
    return GENSEG_OK;
}

genseg_status gsg_safetensors_read(const gsg_safetensors *file, const char *name, int32_t dtype, gsg_shape shape,
                                   void *dst, gsg_error *err)
{
    const genseg_status status = gsg_safetensors_check(file, name, dtype, shape, err);
    if (status != GENSEG_OK)
        return status;
    return gsg_safetensors_read_part(file, gsg_safetensors_find(file, name), 0, dst, (size_t)tensor_bytes(dtype, shape),
                                     err);
}

genseg_status gsg_safetensors_read_part(const gsg_safetensors *file, int64_t index, int64_t offset, void *dst,
                                        size_t bytes, gsg_error *err)
{
    const placed_tensor *t = &file->tensors[index];
    if (offset < 0 || offset > t->bytes || bytes > (uint64_t)(t->bytes - offset))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: tensor `%s` has %lld bytes, not %zu from %lld", file->path,
                             t->entry.name, (long long)t->bytes, bytes, (long long)offset);
    return gsg_file_read_at(&file->reader, file->data + t->begin + offset, dst, bytes, err);
}

const char *gsg_safetensors_note(const gsg_safetensors *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, METADATA), key));
}
