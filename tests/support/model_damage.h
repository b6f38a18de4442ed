// Model files with one thing wrong, made of good ones. After data_files.h.
#ifndef GSG_SUPPORT_MODEL_DAMAGE_H
#define GSG_SUPPORT_MODEL_DAMAGE_H

#include <stdlib.h>
#include <string.h>

#include "checkpoint/meta.h"
#include "checkpoint/safetensors.h"
#include "tensor/array.h"

// A copy of a model file with changes.
typedef struct damage {
    const char *find; // in the document, to be replaced once
    const char *put;
    const char *tensor; // to be changed, or left out where `edit` is NULL
    void (*edit)(gsg_tensor_entry *entry);
    const char *note; // instead of the document; "": no note at all
    bool counter;     // one tensor more, as PyTorch's state_dict() has it
} damage;

GSG_UNUSED static char *damage_document(const char *text, const damage *d)
{
    char *out = malloc(strlen(text) + 256);
    if (!d->find)
        return strcpy(out, text);
    const char *at = strstr(text, d->find);
    ck_assert_msg(at && !strstr(at + 1, d->find), "\"%s\" is not once in %s", d->find, text);
    const size_t before = (size_t)(at - text);
    memcpy(out, text, before);
    strcpy(out + before, d->put);
    strcat(out, at + strlen(d->find));
    return out;
}

GSG_UNUSED static void damage_write(genseg_context *context, const char *from, const char *to, const damage *d)
{
    gsg_safetensors *file = NULL;
    gsg_tensor_entry entries[128];
    void *data[128] = {0};
    int64_t count = 0;
    CK_OK(gsg_safetensors_open(context, from, &file, err));
    for (int64_t i = 0; i < gsg_safetensors_count(file); i++) {
        entries[count] = gsg_safetensors_entry(file, i);
        const size_t bytes = (size_t)gsg_shape_count(entries[count].shape) * gsg_dtype_size(entries[count].dtype);
        data[i] = malloc(bytes + 1);
        CK_OK(gsg_safetensors_read_part(file, i, 0, data[i], bytes, err));
        entries[count].data = data[i];
        const bool meant = d->tensor && strcmp(entries[count].name, d->tensor) == 0;
        if (meant && d->edit)
            d->edit(&entries[count]);
        count += !meant || d->edit;
    }
    static const int64_t batches = 7;
    if (d->counter)
        entries[count++] = (gsg_tensor_entry){
            .name = "inc.double_conv.1.num_batches_tracked", .dtype = GENSEG_DTYPE_INT64, .data = &batches};
    char *text = damage_document(d->note ? d->note : gsg_safetensors_note(file, GSG_META_NOTE), d);
    const gsg_tensor_note note = {GSG_META_NOTE, text};
    CK_OK(gsg_safetensors_save(context, to, entries, count, &note, *text != '\0', err));
    for (int64_t i = 0; i < gsg_safetensors_count(file); i++)
        free(data[i]);
    gsg_safetensors_free(file);
    free(text);
}

// Written to one element of a copy that lives until the next edit.
GSG_UNUSED static void damage_value(gsg_tensor_entry *entry, int64_t at, float value)
{
    static float copy[1 << 16];
    const int64_t count = gsg_shape_count(entry->shape);
    memcpy(copy, entry->data, (size_t)count * sizeof *copy);
    copy[at < 0 ? count + at : at] = value;
    entry->data = copy;
}

#endif
