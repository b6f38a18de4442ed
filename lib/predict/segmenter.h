// The struct behind genseg_segmenter: a trained network with all that prediction
// needs, and where it comes from. It never changes once made, but for a planned
// network that is kept for the next prediction.
#ifndef GSG_PREDICT_SEGMENTER_H
#define GSG_PREDICT_SEGMENTER_H

#include <pthread.h>

#include "data/dataset.h"
#include "data/preprocess.h"
#include "genseg/segmenter.h"
#include "model/unet.h"
#include "predict/predictor.h"

// What is not needed for prediction, but for those who ask later.
typedef struct gsg_provenance {
    int64_t steps;
    int64_t train_cases;
    int64_t validation_cases;
    double validation_dice; // NaN without validation
    uint64_t seed;
    // gsg_case_hash() of the cases: first those for training, then those for validation, either ascending in a segmenter.
    uint64_t *cases;
} gsg_provenance;

struct genseg_segmenter {
    atomic_int references;
    genseg_context *context;
    gsg_unet unet;
    gsg_params *params;
    gsg_preprocess preprocess;
    int32_t classes;
    int32_t *values; // label value of each class, ascending
    char **names;    // name of each class
    char *version;   // of the library that trained it
    gsg_provenance provenance;
    pthread_mutex_t lock;
    gsg_predictor *idle; // NULL while in use
};

// What a new segmenter is made of; values, names and hashes are copied.
typedef struct gsg_segmenter_parts {
    gsg_unet unet;
    gsg_preprocess preprocess;
    int32_t classes;
    const int32_t *values;
    const char *const *names;
    const char *version;
    gsg_provenance provenance;
} gsg_segmenter_parts;

// Takes over `params` (made by gsg_unet_params or gsg_unet_new for parts->unet) on success.
genseg_status gsg_segmenter_new(genseg_context *context, const gsg_segmenter_parts *parts, gsg_params *params,
                                genseg_segmenter **segmenter, gsg_error *err);
genseg_segmenter *gsg_segmenter_retain(genseg_segmenter *segmenter);
void gsg_segmenter_release(genseg_segmenter *segmenter); // NULL allowed

genseg_status gsg_segmenter_load(genseg_context *context, const char *path, genseg_segmenter **segmenter,
                                 gsg_error *err);
genseg_status gsg_segmenter_save(const genseg_segmenter *segmenter, const char *path, gsg_error *err);
// Splits the data set as in the training, see gsg_dataset_split_again().
void gsg_segmenter_divide(const genseg_segmenter *segmenter, genseg_dataset *dataset);
const char *gsg_segmenter_architecture(const gsg_unet *unet); // "unet2d", "unet3d"

// Predicts `volume` (image as read), whose image is freed on the way. classes: dense D x H x W, owned by
// the caller from then on (gsg_free); *probability likewise, K x D x H x W, where probability is not NULL.
// `options` is complete. Any number of threads may do so at once.
void gsg_predict_defaults(genseg_predict_options *options);
genseg_status gsg_predict_check(const genseg_predict_options *options, gsg_error *err);
genseg_status gsg_segmenter_predict(genseg_segmenter *segmenter, gsg_volume *volume,
                                    const genseg_predict_options *options, uint8_t **classes, float **probability,
                                    gsg_error *err);
// Label values of classes, dense, to be freed by the caller; NULL: no memory.
int32_t *gsg_segmenter_values(const genseg_segmenter *segmenter, const uint8_t *classes, int64_t voxels);
// Reads, predicts and writes; paths may be NULL as in genseg/segmenter.h.
genseg_status gsg_segmenter_predict_file(genseg_segmenter *segmenter, const char *image_path,
                                         const genseg_predict_options *options, const char *label_path,
                                         const char *probability_path, gsg_error *err);
// Arguments checked and completed by the caller.
genseg_status gsg_segmenter_evaluate(genseg_segmenter *segmenter, genseg_dataset *dataset, int32_t split,
                                     const genseg_metrics_options *metrics, const genseg_predict_options *options,
                                     genseg_evaluation_fn report, void *user, gsg_error *err);

#endif
