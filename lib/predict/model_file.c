// What the documents of segmenter and generator share, and their tensors.
#include "predict/model_file.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/parallel.h"

#define BLOCK 16         // rows that share a block of stored weights, which one thread fills
#define PIECE (64 << 10) // floats that are read at once

// ---- writing

static int64_t largest(const gsg_params *const *lists, int32_t count)
{
    int64_t most = 1;
    for (int32_t n = 0; n < count; n++)
        for (int32_t i = 0; i < lists[n]->count; i++) {
            const int64_t values = gsg_shape_count(lists[n]->items[i].layout.shape);
            most = values > most ? values : most;
        }
    return most;
}

// One tensor at a time is brought to the public order, so that saving needs room for the largest one only.
static genseg_status write_weights(gsg_safetensors_writer *writer, genseg_context *context,
                                   const gsg_params *const *lists, int32_t count, gsg_error *err)
{
    const size_t most = (size_t)largest(lists, count);
    float *plain = gsg_alloc(context, most, sizeof *plain);
    if (!plain)
        return gsg_error_nomem(err, most * sizeof *plain);
    genseg_status status = GENSEG_OK;
    for (int32_t n = 0; n < count; n++)
        for (int32_t i = 0; i < lists[n]->count && status == GENSEG_OK; i++) {
            const gsg_param *item = &lists[n]->items[i];
            const size_t values = (size_t)gsg_shape_count(item->layout.shape);
            gsg_param_export(item, plain);
            status = gsg_safetensors_write(writer, plain, values * sizeof *plain, err);
        }
    gsg_free(context, plain);
    return status;
}

static gsg_tensor_entry *list_tensors(genseg_context *context, const gsg_params *const *lists, int32_t count,
                                      int64_t *total)
{
    int64_t tensors = 0;
    for (int32_t n = 0; n < count; n++)
        tensors += lists[n]->count;
    gsg_tensor_entry *entries = gsg_alloc(context, (size_t)tensors, sizeof *entries);
    *total = tensors;
    tensors = 0;
    for (int32_t n = 0; entries && n < count; n++)
        for (int32_t i = 0; i < lists[n]->count; i++)
            entries[tensors++] = (gsg_tensor_entry){.name = lists[n]->items[i].name,
                                                    .dtype = GENSEG_DTYPE_FLOAT32,
                                                    .shape = lists[n]->items[i].layout.shape};
    return entries;
}

genseg_status gsg_model_write(genseg_context *context, const char *path, const gsg_meta *meta,
                              const gsg_params *const *lists, int32_t count, gsg_error *err)
{
    genseg_status status;
    gsg_safetensors_writer writer;
    char *text = NULL;
    int64_t tensors = 0;
    gsg_tensor_entry *entries = list_tensors(context, lists, count, &tensors);
    if (!entries)
        return gsg_error_nomem(err, (size_t)tensors * sizeof *entries);
    GSG_TRY(gsg_meta_print(meta, &text, err));
    const gsg_tensor_note notes[] = {{"format", "pt"}, {GSG_META_NOTE, text}};
    GSG_TRY(gsg_safetensors_begin(&writer, context, path, entries, tensors, notes, 2, err));
    status = write_weights(&writer, context, lists, count, err);
    if (status == GENSEG_OK)
        status = gsg_safetensors_commit(&writer, err);
    else
        gsg_safetensors_abort(&writer);
done:
    gsg_free(context, text);
    gsg_free(context, entries);
    return status;
}

// ---- reading

genseg_status gsg_model_get_word(const gsg_meta *meta, const char *key, const char *const *names, int32_t count,
                                 const char *path, int32_t *number, gsg_error *err)
{
    const char *word = NULL;
    genseg_status status = gsg_meta_get_text(meta, key, &word, err);
    if (status != GENSEG_OK)
        return status;
    for (int32_t i = 1; i < count; i++)
        if (strcmp(word, names[i]) == 0) {
            *number = i;
            return GENSEG_OK;
        }
    return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: metadata `%s` is \"%.40s\", which is unknown", path, key, word);
}

genseg_status gsg_model_check_input(const gsg_preprocess *preprocess, int64_t multiple, const char *path,
                                    gsg_error *err)
{
    if (gsg_preprocess_check(preprocess, err) != GENSEG_OK) {
        gsg_error_prefix(err, GENSEG_ERROR_FORMAT, path);
        if (err)
            err->status = GENSEG_ERROR_FORMAT;
        return GENSEG_ERROR_FORMAT;
    }
    for (int32_t a = 3 - preprocess->ndim; a < 3; a++)
        if (preprocess->size[a] % multiple != 0)
            return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: size %lld is no multiple of %lld", path,
                                 (long long)preprocess->size[a], (long long)multiple);
    return GENSEG_OK;
}

genseg_status gsg_model_get_labels(const gsg_meta *meta, const char *path, int64_t outputs, int64_t *classes,
                                   int32_t values[GSG_DATASET_MAX_CLASSES], const char *names[GSG_DATASET_MAX_CLASSES],
                                   gsg_error *err)
{
    genseg_status status;
    int64_t wide[GSG_DATASET_MAX_CLASSES];
    GSG_TRY(gsg_meta_get_count(meta, "labels.values", classes, err));
    if (*classes != (outputs == 1 ? 2 : outputs)) {
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: %lld label values for %lld outputs", path,
                               (long long)*classes, (long long)outputs);
        goto done;
    }
    GSG_TRY(gsg_meta_get_ints(meta, "labels.values", *classes, wide, err));
    GSG_TRY(gsg_meta_get_texts(meta, "labels.names", *classes, names, err));
    for (int64_t k = 0; k < *classes; k++) {
        if (wide[k] < INT32_MIN || wide[k] > INT32_MAX || (k > 0 && wide[k] <= wide[k - 1])) {
            status =
                gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: label value %lld of class %lld is out of order or range",
                              path, (long long)wide[k], (long long)k);
            goto done;
        }
        values[k] = (int32_t)wide[k];
    }
done:
    return status;
}

// Some rows of one tensor, straight from the file into their place.
typedef struct reading {
    const gsg_safetensors *file;
    gsg_param *item;
    int64_t tensor, rows, row; // how many rows, floats in one
    int64_t step;              // rows a piece
    float *buffers;            // a piece for each thread
    int32_t failed;
} reading;

// The first that is NaN or Inf, or -1. A loop without an exit is one over vectors.
static int64_t first_broken(const float *values, int64_t count)
{
    uint32_t broken = 0;
    for (int64_t i = 0; i < count; i++)
        broken |= !(fabsf(values[i]) <= FLT_MAX);
    for (int64_t i = 0; broken && i < count; i++)
        if (!isfinite(values[i]))
            return i;
    return -1;
}

static genseg_status read_piece(const reading *r, int64_t piece, int32_t thread, gsg_error *err)
{
    const int64_t first = piece * r->step, left = r->rows - first, rows = left < r->step ? left : r->step;
    float *plain = r->buffers + thread * r->step * r->row;
    const genseg_status status = gsg_safetensors_read_part(r->file, r->tensor, first * r->row * (int64_t)sizeof(float),
                                                           plain, (size_t)(rows * r->row) * sizeof(float), err);
    if (status != GENSEG_OK)
        return status;
    const int64_t broken = first_broken(plain, rows * r->row);
    if (broken >= 0)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: tensor %s holds NaN or Inf at %lld",
                             gsg_safetensors_path(r->file), r->item->name, (long long)(first * r->row + broken));
    gsg_param_import_rows(r->item, first, rows, plain);
    return GENSEG_OK;
}

static void read_pieces(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    reading *r = arg;
    for (int64_t i = begin; i < end; i++)
        if (read_piece(r, i, thread, NULL) != GENSEG_OK)
            __atomic_store_n(&r->failed, 1, __ATOMIC_RELAXED);
}

static genseg_status read_tensor(reading *r, genseg_context *context, gsg_error *err)
{
    const gsg_shape shape = r->item->layout.shape;
    genseg_status status = gsg_safetensors_check(r->file, r->item->name, GENSEG_DTYPE_FLOAT32, shape, err);
    if (status != GENSEG_OK)
        return status;
    r->tensor = gsg_safetensors_find(r->file, r->item->name);
    r->rows = shape.dims[0];
    r->row = gsg_shape_count(shape) / r->rows;
    r->step = PIECE / r->row / BLOCK * BLOCK;
    r->step = r->step < BLOCK ? BLOCK : r->step > r->rows ? r->rows : r->step;
    const int64_t pieces = (r->rows + r->step - 1) / r->step, threads = gsg_parallel_threads(context);
    const size_t floats = (size_t)(r->step * r->row * (threads < pieces ? threads : pieces));
    r->buffers = gsg_alloc(context, floats, sizeof(float));
    if (!r->buffers)
        return gsg_error_nomem(err, floats * sizeof(float));
    gsg_parallel(context, pieces, 1, read_pieces, r);
    for (int64_t i = 0; i < pieces && r->failed && status == GENSEG_OK; i++)
        status = read_piece(r, i, 0, err); // again, for the first failure's words
    gsg_free(context, r->buffers);
    return status;
}

genseg_status gsg_model_read_weights(const gsg_safetensors *file, gsg_params *params, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    for (int32_t i = 0; i < params->count && status == GENSEG_OK; i++) {
        reading r = {.file = file, .item = &params->items[i]};
        status = read_tensor(&r, params->context, err);
    }
    return status;
}
