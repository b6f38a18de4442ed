// Intensity normalisation of one image, each channel by itself, in place.
#ifndef GSG_DATA_NORMALISE_H
#define GSG_DATA_NORMALISE_H

#include "core/context.h"

// Values are stored in model files: never renumber.
enum {
    // The 0.5th percentile becomes -1, the 99.5th +1, what lies beyond is clipped.
    // Robust to metal, dead pixels and large empty borders: the default.
    GSG_NORMALISE_PERCENTILE = 1,
    GSG_NORMALISE_ZSCORE = 2, // mean 0, standard deviation 1
    GSG_NORMALISE_NONE = 3
};

// `image` is (channels, spatial), finite. A constant channel becomes 0 (except
// with NONE). INVALID for an unknown kind; NOMEM, with some channels done.
genseg_status gsg_normalise(genseg_context *context, int32_t kind, float *image, int64_t channels, int64_t spatial,
                            gsg_error *err);

// The values of the given ascending ranks (0 is the smallest) among `count` > 0
// finite values: exact, in three passes, without a copy. At most 4 ranks.
genseg_status gsg_select(genseg_context *context, const float *values, int64_t count, const int64_t *ranks,
                         int32_t rank_count, float *selected, gsg_error *err);

#endif
