// Helper of test_safetensors_python.py: `write FILE` writes a fixed file, `read
// FILE` prints the tensors and notes of any file.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/safetensors.h"

static genseg_status write_fixed(genseg_context *context, const char *path, gsg_error *err)
{
    const float weights[6] = {0.5f, -1.0f, 2.0f, 3.25f, -4.0f, 1e-30f};
    const int64_t step = 1234567890123;
    const uint8_t state[3] = {1, 2, 255};
    const gsg_tensor_entry entries[] = {
        {"rng", GENSEG_DTYPE_UINT8, {1, {3}}, state},
        {"inc.double_conv.0.weight", GENSEG_DTYPE_FLOAT32, {2, {2, 3}}, weights},
        {"empty", GENSEG_DTYPE_FLOAT32, {2, {0, 3}}, NULL},
        {"step", GENSEG_DTYPE_INT64, {0, {0}}, &step},
    };
    const gsg_tensor_note notes[] = {{"format", "pt"}, {"genseg", "{\"name\":\"L\xC3\xA4sion \\\"1\\\"\"}"}};
    return gsg_safetensors_save(context, path, entries, 4, notes, 2, err);
}

static genseg_status read_any(genseg_context *context, const char *path, gsg_error *err)
{
    gsg_safetensors *file = NULL;
    const genseg_status status = gsg_safetensors_open(context, path, &file, err);
    if (status != GENSEG_OK)
        return status;
    for (int64_t i = 0; i < gsg_safetensors_count(file); i++) {
        const gsg_tensor_entry e = gsg_safetensors_entry(file, i);
        char text[GSG_SHAPE_TEXT_SIZE];
        uint64_t sum = 0;
        const int64_t bytes = gsg_shape_count(e.shape) * (e.dtype == GENSEG_DTYPE_UINT8     ? 1
                                                          : e.dtype == GENSEG_DTYPE_FLOAT32 ? 4
                                                                                            : 8);
        uint8_t *data = malloc((size_t)bytes + 1);
        const genseg_status got =
            data ? gsg_safetensors_read_part(file, i, 0, data, (size_t)bytes, err) : GENSEG_ERROR_NOMEM;
        for (int64_t k = 0; k < bytes && got == GENSEG_OK; k++)
            sum += (uint64_t)(k + 1) * data[k];
        free(data);
        if (got != GENSEG_OK) {
            gsg_safetensors_free(file);
            return got;
        }
        printf("%s %s %s %llu\n", e.name, gsg_safetensors_dtype_name(e.dtype), gsg_shape_text(e.shape, text),
               (unsigned long long)sum);
    }
    const char *note = gsg_safetensors_note(file, "purpose");
    printf("purpose=%s\n", note ? note : "(none)");
    gsg_safetensors_free(file);
    return GENSEG_OK;
}

int main(int argc, char **argv)
{
    genseg_context *context = NULL;
    gsg_error err = {0};

    if (argc != 3 || gsg_context_new(NULL, &context, &err) != GENSEG_OK)
        return 2;
    const genseg_status status =
        strcmp(argv[1], "write") == 0 ? write_fixed(context, argv[2], &err) : read_any(context, argv[2], &err);
    if (status != GENSEG_OK)
        fprintf(stderr, "%s\n", err.message);
    gsg_context_release(context);
    return status != GENSEG_OK;
}
