// The metadata document over jansson, which writes and reads numbers with a '.'
// whatever the host's locale says, keeps the order of keys, and refuses text
// that is not UTF-8.
#include "checkpoint/meta.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "core/text.h"

#define KEY_SIZE 64

struct gsg_meta {
    genseg_context *context;
    char *name; // of the file, for messages
    json_t *root;
    bool failed; // a setter could not do its work
};

static genseg_status meta_make(genseg_context *context, const char *name, json_t *root, gsg_meta **meta, gsg_error *err)
{
    gsg_meta *m = gsg_alloc_zero(context, 1, sizeof *m);

    if (m) {
        m->context = gsg_context_retain(context);
        m->name = gsg_strdup(context, name);
        m->root = json_incref(root);
    }
    if (!m || !m->name || !root) {
        gsg_meta_free(m);
        return gsg_error_nomem(err, sizeof *m + strlen(name) + 1);
    }
    *meta = m;
    return GENSEG_OK;
}

genseg_status gsg_meta_new(genseg_context *context, const char *kind, gsg_meta **meta, gsg_error *err)
{
    gsg_meta *m = NULL;
    json_t *root = json_object();
    const genseg_status status = meta_make(context, "metadata", root, &m, err);

    json_decref(root);
    if (status != GENSEG_OK)
        return status;
    gsg_meta_set_int(m, "format_version", GSG_META_VERSION);
    gsg_meta_set_text(m, "kind", kind);
    *meta = m;
    return GENSEG_OK;
}

genseg_status gsg_meta_parse(genseg_context *context, const char *text, const char *kind, const char *name,
                             gsg_meta **meta, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    json_error_t problem;
    json_t *root = NULL;
    gsg_meta *m = NULL;
    int64_t version = 0;
    const char *found = NULL;

    if (!text) {
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: metadata `%s` is missing: not a file of libgenseg", name,
                               GSG_META_NOTE);
        goto done;
    }
    root = json_loads(text, JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(root)) {
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: metadata, byte %d: %s", name, root ? 0 : problem.position,
                               root ? "not a JSON object" : problem.text);
        goto done;
    }
    GSG_TRY(meta_make(context, name, root, &m, err));
    GSG_TRY(gsg_meta_get_int(m, "format_version", 1, INT64_MAX, &version, err));
    if (version > GSG_META_VERSION) {
        status = gsg_error_set(err, GENSEG_ERROR_VERSION,
                               "%s: format version %lld is newer than %d, the newest that this library reads", name,
                               (long long)version, GSG_META_VERSION);
        goto done;
    }
    GSG_TRY(gsg_meta_get_text(m, "kind", &found, err));
    if (strcmp(found, kind) != 0) {
        status = gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: is a %s file, expected is a %s file", name, found, kind);
        goto done;
    }
    *meta = m;
    m = NULL;
done:
    gsg_meta_free(m);
    json_decref(root);
    return status;
}

void gsg_meta_free(gsg_meta *meta)
{
    if (!meta)
        return;
    genseg_context *context = meta->context;
    json_decref(meta->root);
    gsg_free(context, meta->name);
    gsg_free(context, meta);
    gsg_context_release(context);
}

// Cuts the first part of a dotted path into `part`; the rest, or NULL at its
// end. False for an empty or overlong part.
static bool next_part(const char **path, char part[KEY_SIZE])
{
    const char *dot = strchr(*path, '.');
    const size_t length = dot ? (size_t)(dot - *path) : strlen(*path);

    if (length == 0 || length >= KEY_SIZE)
        return false;
    memcpy(part, *path, length);
    part[length] = '\0';
    *path = dot ? dot + 1 : NULL;
    return true;
}

static json_t *look_up(const gsg_meta *meta, const char *key)
{
    json_t *at = meta->root;
    char part[KEY_SIZE];

    for (const char *rest = key; rest && at;) {
        if (!next_part(&rest, part))
            return NULL;
        at = json_object_get(at, part);
    }
    return at;
}

// Takes over `value`, which may be NULL (a failure of the caller's).
static void set(gsg_meta *meta, const char *key, json_t *value)
{
    json_t *at = meta->root;
    const char *rest = key;
    char part[KEY_SIZE];
    bool fine = value && next_part(&rest, part);

    while (fine && rest) {
        json_t *inner = json_object_get(at, part);
        if (!inner) {
            inner = json_object();
            fine = inner && json_object_set_new(at, part, inner) == 0;
        }
        at = inner;
        fine = fine && json_is_object(at) && next_part(&rest, part);
    }
    if (!fine || json_object_set(at, part, value) != 0)
        meta->failed = true;
    json_decref(value);
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

void gsg_meta_set_int(gsg_meta *meta, const char *key, int64_t value)
{
    set(meta, key, json_integer(value));
}

void gsg_meta_set_double(gsg_meta *meta, const char *key, double value)
{
    set(meta, key, number(value));
}

void gsg_meta_set_bool(gsg_meta *meta, const char *key, bool value)
{
    set(meta, key, json_boolean(value));
}

void gsg_meta_set_text(gsg_meta *meta, const char *key, const char *value)
{
    set(meta, key, value ? json_string(value) : json_null());
}

// Appends to a list that is NULL once something failed.
static json_t *append(json_t *list, json_t *value)
{
    if (!list) {
        json_decref(value);
        return NULL;
    }
    if (!value || json_array_append_new(list, value) != 0) {
        json_decref(list);
        return NULL;
    }
    return list;
}

void gsg_meta_set_ints(gsg_meta *meta, const char *key, const int64_t *values, int64_t count)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < count; i++)
        list = append(list, json_integer(values[i]));
    set(meta, key, list);
}

void gsg_meta_set_doubles(gsg_meta *meta, const char *key, const double *values, int64_t count)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < count; i++)
        list = append(list, number(values[i]));
    set(meta, key, list);
}

void gsg_meta_set_texts(gsg_meta *meta, const char *key, const char *const *values, int64_t count)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < count; i++)
        list = append(list, values[i] ? json_string(values[i]) : json_null());
    set(meta, key, list);
}

static int append_text(const char *buffer, size_t size, void *data)
{
    gsg_text_append_bytes(data, buffer, size);
    return 0;
}

genseg_status gsg_meta_print(const gsg_meta *meta, char **text, gsg_error *err)
{
    gsg_text out;

    if (meta->failed)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: a key or a text is not UTF-8, or memory ran out",
                             meta->name);
    gsg_text_init(&out, meta->context);
    if (json_dump_callback(meta->root, append_text, &out, JSON_COMPACT | JSON_REAL_PRECISION(17)) != 0)
        out.failed = true;
    char *taken = gsg_text_take(&out);
    gsg_text_free(&out);
    if (!taken)
        return gsg_error_nomem(err, 1);
    *text = taken;
    return GENSEG_OK;
}

bool gsg_meta_has(const gsg_meta *meta, const char *key)
{
    const json_t *value = look_up(meta, key);
    return value && !json_is_null(value);
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "text";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_NULL:
        return "null";
    default:
        return "true or false";
    }
}

static genseg_status wrong(const gsg_meta *meta, const char *key, const json_t *value, const char *expected,
                           gsg_error *err)
{
    if (!value)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: metadata `%s` is missing", meta->name, key);
    return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: metadata `%s` is %s, expected is %s", meta->name, key,
                         type_name(value), expected);
}

genseg_status gsg_meta_get_int(const gsg_meta *meta, const char *key, int64_t least, int64_t most, int64_t *value,
                               gsg_error *err)
{
    const json_t *found = look_up(meta, key);

    if (!json_is_integer(found))
        return wrong(meta, key, found, "an integer", err);
    const int64_t given = json_integer_value(found);
    if (given < least || given > most)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: metadata `%s` is %lld, not in %lld to %lld", meta->name,
                             key, (long long)given, (long long)least, (long long)most);
    *value = given;
    return GENSEG_OK;
}

genseg_status gsg_meta_get_double(const gsg_meta *meta, const char *key, double *value, gsg_error *err)
{
    const json_t *found = look_up(meta, key);

    if (!json_is_number(found) && !json_is_null(found))
        return wrong(meta, key, found, "a number", err);
    *value = json_is_null(found) ? (double)NAN : json_number_value(found);
    return GENSEG_OK;
}

genseg_status gsg_meta_get_bool(const gsg_meta *meta, const char *key, bool *value, gsg_error *err)
{
    const json_t *found = look_up(meta, key);

    if (!json_is_boolean(found))
        return wrong(meta, key, found, "true or false", err);
    *value = json_is_true(found);
    return GENSEG_OK;
}

genseg_status gsg_meta_get_text(const gsg_meta *meta, const char *key, const char **value, gsg_error *err)
{
    const json_t *found = look_up(meta, key);

    if (!json_is_string(found))
        return wrong(meta, key, found, "text", err);
    *value = json_string_value(found);
    return GENSEG_OK;
}

genseg_status gsg_meta_get_count(const gsg_meta *meta, const char *key, int64_t *count, gsg_error *err)
{
    const json_t *found = look_up(meta, key);

    if (!json_is_array(found))
        return wrong(meta, key, found, "a list", err);
    *count = (int64_t)json_array_size(found);
    return GENSEG_OK;
}

// The list `key`, which must have `count` elements that `fits` accepts.
static genseg_status typed_list(const gsg_meta *meta, const char *key, int64_t count, bool (*fits)(const json_t *),
                                const char *what, const json_t **list, gsg_error *err)
{
    int64_t found = 0;
    const genseg_status status = gsg_meta_get_count(meta, key, &found, err);

    if (status != GENSEG_OK)
        return status;
    if (found != count)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: metadata `%s` has %lld elements, expected are %lld",
                             meta->name, key, (long long)found, (long long)count);
    *list = look_up(meta, key);
    for (int64_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(*list, (size_t)i);
        if (!fits(value))
            return gsg_error_set(err, GENSEG_ERROR_FORMAT, "%s: metadata `%s`[%lld] is %s, expected is %s", meta->name,
                                 key, (long long)i, type_name(value), what);
    }
    return GENSEG_OK;
}

static bool fits_int(const json_t *value)
{
    return json_is_integer(value);
}

static bool fits_double(const json_t *value)
{
    return json_is_number(value) || json_is_null(value);
}

static bool fits_text(const json_t *value)
{
    return json_is_string(value);
}

genseg_status gsg_meta_get_ints(const gsg_meta *meta, const char *key, int64_t count, int64_t *values, gsg_error *err)
{
    const json_t *list = NULL;
    const genseg_status status = typed_list(meta, key, count, fits_int, "an integer", &list, err);

    for (int64_t i = 0; status == GENSEG_OK && i < count; i++)
        values[i] = json_integer_value(json_array_get(list, (size_t)i));
    return status;
}

genseg_status gsg_meta_get_doubles(const gsg_meta *meta, const char *key, int64_t count, double *values, gsg_error *err)
{
    const json_t *list = NULL;
    const genseg_status status = typed_list(meta, key, count, fits_double, "a number", &list, err);

    for (int64_t i = 0; status == GENSEG_OK && i < count; i++) {
        const json_t *value = json_array_get(list, (size_t)i);
        values[i] = json_is_null(value) ? (double)NAN : json_number_value(value);
    }
    return status;
}

genseg_status gsg_meta_get_texts(const gsg_meta *meta, const char *key, int64_t count, const char **values,
                                 gsg_error *err)
{
    const json_t *list = NULL;
    const genseg_status status = typed_list(meta, key, count, fits_text, "text", &list, err);

    for (int64_t i = 0; status == GENSEG_OK && i < count; i++)
        values[i] = json_string_value(json_array_get(list, (size_t)i));
    return status;
}
