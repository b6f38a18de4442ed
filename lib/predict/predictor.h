// Prediction of a volume of any size by a network of a fixed, small one: tiles
// that overlap, blended with weights that fall towards a tile's border (as in
// nnU-Net, Isensee et al. 2021). Results come slice by slice, so that memory
// follows the size of a tile's slab, not classes x volume.
#ifndef GSG_PREDICT_PREDICTOR_H
#define GSG_PREDICT_PREDICTOR_H

#include "data/volume.h"
#include "model/unet.h"

// A network planned for one tile size, batch 1; used by one thread at a time.
typedef struct gsg_predictor gsg_predictor;

// tile: D, H, W (D is 1 in 2-D), multiples of gsg_unet_multiple(). `params` is borrowed and must outlive the
// predictor; its values may change between runs (validation in training). INVALID, SHAPE, NOMEM.
genseg_status gsg_predictor_new(genseg_context *context, const gsg_unet *unet, gsg_params *params,
                                const int64_t tile[3], gsg_predictor **predictor, gsg_error *err);
void gsg_predictor_free(gsg_predictor *predictor);                 // NULL allowed
const int64_t *gsg_predictor_tile(const gsg_predictor *predictor); // D, H, W; borrowed

// Called between the nodes of the network and between slabs of results; done and total are tiles. Non-zero
// ends the run with CANCELLED.
typedef int32_t (*gsg_predict_poll_fn)(int64_t done, int64_t total, void *user);

typedef struct gsg_predict_job {
    const gsg_volume *volume; // working volume: image normalised, on the network's grid (label ignored)
    int64_t size[3];          // D, H, W of the results; volume->size where nothing is resampled
    double overlap;           // part of a tile that its neighbour covers too, 0 to 0.9
    uint8_t *classes;         // out: dense (D, H, W); equal probabilities give the lower class
    float *probability;       // out: dense (K, D, H, W), K = 2 for one sigmoid output (1 - p, p); or NULL
    gsg_predict_poll_fn poll; // or NULL
    void *user;
} gsg_predict_job;

// The results don't depend on the number of threads. All memory is taken before the first tile; after an
// error classes and probability may be partly written. INVALID, SHAPE, NOMEM, CANCELLED.
genseg_status gsg_predictor_run(gsg_predictor *predictor, const gsg_predict_job *job, gsg_error *err);

// Bytes that gsg_predictor_new() and one gsg_predictor_run() need at their peak, beside volume, classes,
// probability and params. Plans without an arena, so it costs time but hardly any memory.
genseg_status gsg_predictor_memory(genseg_context *context, const gsg_unet *unet, gsg_params *params,
                                   const int64_t tile[3], const int64_t volume_size[3], const int64_t size[3],
                                   double overlap, uint64_t *bytes, gsg_error *err);

#endif
