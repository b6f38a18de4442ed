// Names of label values, as dataset.json (nnU-Net v2, Medical Segmentation
// Decathlon) and our HDF5 attribute label_table give them.
#include <jansson.h>
#include <string.h>

#include "core/alloc.h"
#include "core/text.h"
#include "data/dataset_build.h"

genseg_status gsg_label_names_add(gsg_label_names *names, int64_t value, const char *name, gsg_error *err)
{
    if (value < INT32_MIN || value > INT32_MAX)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "label %s: value %lld is beyond 32 bits", name,
                             (long long)value);
    if (names->count == names->capacity) {
        int64_t capacity = names->capacity ? 2 * names->capacity : 8;
        int32_t *values = gsg_realloc(names->context, names->values, (size_t)capacity, sizeof *values);
        if (values)
            names->values = values;
        char **texts = values ? gsg_realloc(names->context, names->names, (size_t)capacity, sizeof *texts) : NULL;
        if (!texts)
            return gsg_error_nomem(err, (size_t)capacity * sizeof *texts);
        names->names = texts;
        names->capacity = capacity;
    }
    char *copy = gsg_strdup(names->context, name);
    if (!copy)
        return gsg_error_nomem(err, strlen(name) + 1);
    names->values[names->count] = (int32_t)value;
    names->names[names->count++] = copy;
    return GENSEG_OK;
}

genseg_status gsg_label_names_read(gsg_label_names *names, const json_t *object, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        int64_t number;
        if (json_is_string(value) && gsg_text_to_int(key, &number))
            status = gsg_label_names_add(names, number, json_string_value(value), err);
        else if (json_is_integer(value))
            status = gsg_label_names_add(names, json_integer_value(value), key, err);
        else if (json_is_string(value) && gsg_text_to_int(json_string_value(value), &number))
            status = gsg_label_names_add(names, number, key, err);
        if (status != GENSEG_OK)
            break;
    }
    return status;
}

genseg_status gsg_label_names_parse(gsg_label_names *names, const char *json, gsg_error *err)
{
    json_error_t cause;
    json_t *root = json_loads(json, 0, &cause);
    if (!root)
        return gsg_error_set(err, GENSEG_ERROR_FORMAT, "line %d: %s", cause.line, cause.text);
    genseg_status status = gsg_label_names_read(names, root, err);
    json_decref(root);
    return status;
}

static int append_text(const char *buffer, size_t size, void *user)
{
    gsg_text_append_bytes(user, buffer, size);
    return 0;
}

char *gsg_label_table_text(const genseg_dataset *dataset)
{
    gsg_text text;
    gsg_text_init(&text, dataset->context);
    json_t *root = json_object();
    int failed = root == NULL;
    for (int32_t k = 0; k < dataset->classes && !failed; k++) {
        char value[16];
        gsg_text_print(value, sizeof value, "%d", dataset->values[k]);
        failed = json_object_set_new(root, value, json_string(dataset->names[k])) != 0;
    }
    failed = failed || json_dump_callback(root, append_text, &text, JSON_COMPACT) != 0;
    json_decref(root);
    if (failed) {
        gsg_text_free(&text);
        return NULL;
    }
    return gsg_text_take(&text);
}

void gsg_label_names_free(gsg_label_names *names)
{
    if (!names->context)
        return;
    for (int64_t n = 0; n < names->count; n++)
        gsg_free(names->context, names->names[n]);
    gsg_free(names->context, names->names);
    gsg_free(names->context, names->values);
    memset(names, 0, sizeof *names);
}
