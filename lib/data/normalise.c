// Intensity normalisation. Percentiles are order statistics found by a radix
// selection on the bits of the floats: three counting passes over the image,
// exact, and no sorted copy of a volume that may be large.
#include "data/normalise.h"

#include <math.h>
#include <string.h>

#include "core/alloc.h"

#define RANKS 4
#define LEVELS 3
#define BINS 2048

// 32 bits are looked at in pieces of 11, 11 and 10.
static const int32_t level_shift[LEVELS] = {21, 10, 0};
static const int32_t level_bits[LEVELS] = {11, 11, 10};

// Unsigned integers in the order of the floats they stand for.
GSG_INLINE uint32_t key_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits ^ ((uint32_t)(-(int32_t)(bits >> 31)) | 0x80000000u);
}

static float value_of(uint32_t key)
{
    uint32_t bits = key & 0x80000000u ? key ^ 0x80000000u : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Counts the next piece of those keys whose pieces so far equal one of the prefixes.
static void count_pieces(const float *values, int64_t count, int32_t level, const uint32_t *prefixes,
                         int32_t prefix_count, uint64_t *counters)
{
    int32_t shift = level_shift[level];
    uint32_t mask = (1u << level_bits[level]) - 1;
    memset(counters, 0, (size_t)prefix_count * BINS * sizeof *counters);
    for (int64_t i = 0; i < count; i++) {
        uint32_t key = key_of(values[i]);
        uint32_t prefix = level == 0 ? 0 : key >> (shift + level_bits[level]);
        for (int32_t p = 0; p < prefix_count; p++)
            if (prefix == prefixes[p]) {
                counters[p * BINS + (int32_t)((key >> shift) & mask)]++;
                break;
            }
    }
}

genseg_status gsg_select(genseg_context *context, const float *values, int64_t count, const int64_t *ranks,
                         int32_t rank_count, float *selected, gsg_error *err)
{
    if (rank_count < 1 || rank_count > RANKS)
        return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "%d ranks to select", (int)rank_count);
    size_t bytes = RANKS * BINS * sizeof(uint64_t);
    uint64_t *counters = gsg_alloc(context, RANKS * BINS, sizeof(uint64_t));
    if (counters == NULL)
        return gsg_error_nomem(err, bytes);

    uint32_t keys[RANKS] = {0}; // pieces known so far
    int64_t left[RANKS];        // rank among the values that share them
    for (int32_t r = 0; r < rank_count; r++)
        left[r] = ranks[r];
    for (int32_t level = 0; level < LEVELS; level++) {
        // Ranks ascend, so equal prefixes are neighbours.
        uint32_t prefixes[RANKS];
        int32_t prefix_of[RANKS];
        int32_t prefix_count = 0;
        for (int32_t r = 0; r < rank_count; r++) {
            if (prefix_count == 0 || prefixes[prefix_count - 1] != keys[r])
                prefixes[prefix_count++] = keys[r];
            prefix_of[r] = prefix_count - 1;
        }
        count_pieces(values, count, level, prefixes, prefix_count, counters);
        for (int32_t r = 0; r < rank_count; r++) {
            const uint64_t *bins = counters + prefix_of[r] * BINS;
            uint32_t bin = 0;
            while (bin + 1 < BINS && left[r] >= (int64_t)bins[bin])
                left[r] -= (int64_t)bins[bin++];
            keys[r] = keys[r] << level_bits[level] | bin;
        }
    }
    for (int32_t r = 0; r < rank_count; r++)
        selected[r] = value_of(keys[r]);
    gsg_free(context, counters);
    return GENSEG_OK;
}

// The two quantiles, interpolated between neighbours as NumPy's percentile does.
static genseg_status find_window(genseg_context *context, const float *image, int64_t count, double *low, double *high,
                                 gsg_error *err)
{
    static const double quantile[2] = {0.005, 0.995};
    int64_t ranks[4];
    double part[2];
    for (int32_t q = 0; q < 2; q++) {
        double place = quantile[q] * (double)(count - 1);
        ranks[2 * q] = (int64_t)floor(place);
        ranks[2 * q + 1] = ranks[2 * q] + 1 < count ? ranks[2 * q] + 1 : count - 1;
        part[q] = place - floor(place);
    }
    // In tiny images the ranks of both quantiles may cross by one.
    bool crossed = ranks[1] > ranks[2];
    int64_t sorted[4] = {ranks[0], crossed ? ranks[2] : ranks[1], crossed ? ranks[1] : ranks[2], ranks[3]};
    float found[4] = {0};
    genseg_status status = gsg_select(context, image, count, sorted, 4, found, err);
    if (status != GENSEG_OK)
        return status;
    double second = found[crossed ? 2 : 1], third = found[crossed ? 1 : 2];
    *low = found[0] + part[0] * (second - found[0]);
    *high = third + part[1] * (found[3] - third);
    return GENSEG_OK;
}

GSG_SIMD static void scale_and_clip(float *image, int64_t count, float centre, float factor)
{
    for (int64_t i = 0; i < count; i++) {
        float value = (image[i] - centre) * factor;
        value = value < -1.0f ? -1.0f : value;
        image[i] = value > 1.0f ? 1.0f : value;
    }
}

GSG_SIMD static void find_extremes(const float *image, int64_t count, float *low, float *high)
{
    float smallest = image[0], largest = image[0];
    for (int64_t i = 1; i < count; i++) {
        smallest = image[i] < smallest ? image[i] : smallest;
        largest = image[i] > largest ? image[i] : largest;
    }
    *low = smallest;
    *high = largest;
}

static genseg_status normalise_percentile(genseg_context *context, float *image, int64_t count, gsg_error *err)
{
    float smallest, largest;
    find_extremes(image, count, &smallest, &largest);
    if (smallest == largest) {
        memset(image, 0, (size_t)count * sizeof *image);
        return GENSEG_OK;
    }
    double low, high;
    genseg_status status = find_window(context, image, count, &low, &high, err);
    if (status != GENSEG_OK)
        return status;
    // More than 99 % of the voxels alike: a window of width 0 would lose the rest.
    if (!((float)high > (float)low)) {
        low = smallest;
        high = largest;
    }
    scale_and_clip(image, count, (float)((low + high) / 2), (float)(2 / (high - low)));
    return GENSEG_OK;
}

static void normalise_zscore(float *image, int64_t count)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++)
        sum += image[i];
    double mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++)
        squares += (image[i] - mean) * (image[i] - mean);
    double deviation = sqrt(squares / (double)count);
    // Rounding alone makes a constant image deviate by some 1e-8 of its value.
    double factor = deviation > 1e-7 * fabs(mean) ? 1 / deviation : 0;
    for (int64_t i = 0; i < count; i++)
        image[i] = (float)((image[i] - mean) * factor);
}

genseg_status gsg_normalise(genseg_context *context, int32_t kind, float *image, int64_t channels, int64_t spatial,
                            gsg_error *err)
{
    if (kind != GSG_NORMALISE_PERCENTILE && kind != GSG_NORMALISE_ZSCORE && kind != GSG_NORMALISE_NONE)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "normalisation %d is unknown", (int)kind);
    genseg_status status = GENSEG_OK;
    for (int64_t c = 0; c < channels && spatial > 0 && status == GENSEG_OK; c++) {
        float *channel = image + c * spatial;
        if (kind == GSG_NORMALISE_PERCENTILE)
            status = normalise_percentile(context, channel, spatial, err);
        else if (kind == GSG_NORMALISE_ZSCORE)
            normalise_zscore(channel, spatial);
    }
    return status;
}
