// The struct behind genseg_generator: a trained generator with all that making images of label maps needs. It never
// changes once made, but for a planned network that is kept for the next image.
#ifndef GSG_PREDICT_SYNTHESIZER_H
#define GSG_PREDICT_SYNTHESIZER_H

#include <pthread.h>

#include "genseg/generator.h"
#include "model/generator.h"
#include "predict/segmenter.h"

// The network planned for one image, with a warp of the mask before it or without; used by one thread at a time.
typedef struct gsg_maker gsg_maker;

struct genseg_generator {
    atomic_int references;
    genseg_context *context;
    gsg_generator network;
    gsg_params *params; // "generator...."
    int64_t size[3];    // D, H, W that it makes; D is 1 in 2-D
    double spacing[3];  // D, H, W, millimetres, for warps
    int32_t symmetric;  // bit a: a warp may flip axis D (1), H (2), W (4)
    int32_t classes;
    int32_t *values; // label value of each class, ascending
    char *version;   // of the library that trained it
    int64_t steps;
    pthread_mutex_t lock;
    gsg_maker *idle; // NULL while in use
};

// What a new generator is made of; values and version are copied.
typedef struct gsg_synthesizer_parts {
    gsg_generator network; // masks: 1 for two classes, else one for each
    int64_t size[3];
    double spacing[3];
    int32_t symmetric;
    int32_t classes;
    const int32_t *values;
    const char *version;
    int64_t steps;
} gsg_synthesizer_parts;

// Takes over `params` (made by gsg_generator_params() for parts->network) on success.
genseg_status gsg_synthesizer_new(genseg_context *context, const gsg_synthesizer_parts *parts, gsg_params *params,
                                  genseg_generator **generator, gsg_error *err);
genseg_generator *gsg_synthesizer_retain(genseg_generator *generator);
void gsg_synthesizer_release(genseg_generator *generator); // NULL allowed
// Another reference where no cell is searchable any more.
genseg_status gsg_synthesizer_discretise(genseg_generator *generator, gsg_discretise how, genseg_generator **plain,
                                         gsg_error *err);

genseg_status gsg_synthesizer_load(genseg_context *context, const char *path, genseg_generator **generator,
                                   gsg_error *err);
// Both into one file.
genseg_status gsg_synthesizer_save(const genseg_generator *generator, const genseg_segmenter *segmenter,
                                   const char *path, gsg_error *err);

void gsg_synthesize_defaults(genseg_synthesize_options *options);
genseg_status gsg_synthesize_check(const genseg_synthesize_options *options, gsg_error *err);
// Makes an image of a label map (values, dense D x H x W). *image: dense C x D x H x W, owned by the caller; *warped
// likewise, label values, where warped is not NULL. `options` is complete. Any number of threads may do so at once.
genseg_status gsg_synthesizer_run(genseg_generator *generator, const int32_t *label, const int64_t size[3],
                                  const genseg_synthesize_options *options, float **image, int32_t **warped,
                                  gsg_error *err);
// Reads, makes and writes; warped_path may be NULL.
genseg_status gsg_synthesizer_run_file(genseg_generator *generator, const char *label_path,
                                       const genseg_synthesize_options *options, const char *image_path,
                                       const char *warped_path, gsg_error *err);
void gsg_maker_free(gsg_maker *maker); // NULL allowed

#endif
