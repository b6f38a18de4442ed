// The model file (docs/formats/checkpoint.md): what segmenter_file.c and synthesizer_file.c share.
#ifndef GSG_PREDICT_MODEL_FILE_H
#define GSG_PREDICT_MODEL_FILE_H

#include "checkpoint/meta.h"
#include "checkpoint/safetensors.h"
#include "predict/segmenter.h"

#define GSG_MODEL_MOST_WIDTH 4096
#define GSG_MODEL_MOST_CHANNELS 1024

// Writes one file with the document and the parameters of all lists, in their order.
genseg_status gsg_model_write(genseg_context *context, const char *path, const gsg_meta *meta,
                              const gsg_params *const *lists, int32_t count, gsg_error *err);
// The segmenter's part of the document.
void gsg_segmenter_set_meta(gsg_meta *meta, const genseg_segmenter *segmenter);

// All that follows is FORMAT with the file's name where the file is not as it should be.
// Which of names[1..count-1] the text is.
genseg_status gsg_model_get_word(const gsg_meta *meta, const char *key, const char *const *names, int32_t count,
                                 const char *path, int32_t *number, gsg_error *err);
// Ranges, and sizes that are multiples.
genseg_status gsg_model_check_input(const gsg_preprocess *preprocess, int64_t multiple, const char *path,
                                    gsg_error *err);
// The label table of a network with that many outputs. Names are borrowed from the document.
genseg_status gsg_model_get_labels(const gsg_meta *meta, const char *path, int64_t outputs, int64_t *classes,
                                   int32_t values[GSG_DATASET_MAX_CLASSES],
                                   const char *names[GSG_DATASET_MAX_CLASSES], gsg_error *err);
// The tensors of those names and shapes, all finite. SHAPE where one has another.
genseg_status gsg_model_read_weights(const gsg_safetensors *file, gsg_params *params, gsg_error *err);

#endif
