// The JSON document inside a model or training file: settings, label table,
// provenance. Keys are paths with dots ("segmenter.width"). Setters never fail
// on the spot; gsg_meta_print() reports what went wrong. Getters are typed and
// name file and key: "model.safetensors: metadata `classes` is missing".
#ifndef GSG_CHECKPOINT_META_H
#define GSG_CHECKPOINT_META_H

#include <stdbool.h>

#include "core/alloc.h"

// Newest `format_version` that this library writes and reads. Raised when an
// older library would misread the file, not when a key is added.
#define GSG_META_VERSION 1

// Key of the safetensors metadata under which the document travels.
#define GSG_META_NOTE "genseg"

typedef struct gsg_meta gsg_meta;

// A document {"format_version": 1, "kind": kind}; kind is "model" or "training".
genseg_status gsg_meta_new(genseg_context *context, const char *kind, gsg_meta **meta, gsg_error *err);
// Reads a document; `name` (the file's) goes into messages. `text` NULL is
// FORMAT: not a file of ours. VERSION where it is newer than this library,
// FORMAT where it is no JSON object or of another kind.
genseg_status gsg_meta_parse(genseg_context *context, const char *text, const char *kind, const char *name,
                             gsg_meta **meta, gsg_error *err);
void gsg_meta_free(gsg_meta *meta); // NULL allowed

void gsg_meta_set_int(gsg_meta *meta, const char *key, int64_t value);
void gsg_meta_set_double(gsg_meta *meta, const char *key, double value); // NaN and Inf are kept as null
void gsg_meta_set_bool(gsg_meta *meta, const char *key, bool value);
void gsg_meta_set_text(gsg_meta *meta, const char *key, const char *value); // NULL: null
void gsg_meta_set_ints(gsg_meta *meta, const char *key, const int64_t *values, int64_t count);
void gsg_meta_set_doubles(gsg_meta *meta, const char *key, const double *values, int64_t count);
void gsg_meta_set_texts(gsg_meta *meta, const char *key, const char *const *values, int64_t count);
// Compact JSON in the order of the first setting, free with gsg_free(). NOMEM,
// or INVALID where a setter was given text that is not UTF-8 or a bad key.
genseg_status gsg_meta_print(const gsg_meta *meta, char **text, gsg_error *err);

bool gsg_meta_has(const gsg_meta *meta, const char *key); // and it is not null
// All are FORMAT where the key is missing, of another type or out of range.
genseg_status gsg_meta_get_int(const gsg_meta *meta, const char *key, int64_t least, int64_t most, int64_t *value,
                               gsg_error *err);
genseg_status gsg_meta_get_double(const gsg_meta *meta, const char *key, double *value, gsg_error *err); // null: NaN
genseg_status gsg_meta_get_bool(const gsg_meta *meta, const char *key, bool *value, gsg_error *err);
// Borrowed until the document is freed or the key is set.
genseg_status gsg_meta_get_text(const gsg_meta *meta, const char *key, const char **value, gsg_error *err);
// Elements of a list; then exactly that many by the getters below.
genseg_status gsg_meta_get_count(const gsg_meta *meta, const char *key, int64_t *count, gsg_error *err);
genseg_status gsg_meta_get_ints(const gsg_meta *meta, const char *key, int64_t count, int64_t *values, gsg_error *err);
genseg_status gsg_meta_get_doubles(const gsg_meta *meta, const char *key, int64_t count, double *values,
                                   gsg_error *err);
genseg_status gsg_meta_get_texts(const gsg_meta *meta, const char *key, int64_t count, const char **values,
                                 gsg_error *err);

#endif
