// Resampling with separable weights, in the half-pixel convention: sample i of
// the destination lies at (i + 1/2) * src_count / dst_count - 1/2 of the source.
// An output row is the weighted sum of a few source rows, taken along W at the
// end, so that no volume is ever held between the axes.
#include "data/resample.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"

// Shrinking by more than this is filtered; linear interpolation alone would
// skip source voxels only beyond a factor of 2, but aliases before.
#define ANTIALIAS_FROM 1.5

// Which source voxels make up each destination voxel of one axis.
typedef struct axis_table {
    int64_t taps;   // weights for each destination voxel, unused ones are 0
    int64_t *first; // first source voxel; first + taps stays within the source
    float *weight;  // (dst, taps)
} axis_table;

typedef struct resample_job {
    const float *src;
    float *dst;
    const axis_table *axes;
    int64_t src_held[3]; // sizes of what src and dst hold
    int64_t dst_held[3];
    int64_t src_begin[3]; // index in the whole of their first voxel
    int64_t dst_begin[3];
    float *rows; // one source row for each thread
    int64_t row_stride;
} resample_job;

static bool is_filtered(int64_t src_count, int64_t dst_count)
{
    return (double)src_count > ANTIALIAS_FROM * (double)dst_count;
}

// First source voxel of destination voxel i and how many there are.
static int64_t find_taps(int64_t src_count, int64_t dst_count, int64_t i, int64_t *first)
{
    if (src_count == dst_count) {
        *first = i;
        return 1;
    }
    double scale = (double)src_count / (double)dst_count;
    double centre = ((double)i + 0.5) * scale;
    if (is_filtered(src_count, dst_count)) {
        int64_t begin = (int64_t)floor(centre - scale + 0.5), end = (int64_t)floor(centre + scale + 0.5);
        *first = begin > 0 ? begin : 0;
        return (end < src_count ? end : src_count) - *first;
    }
    int64_t below = (int64_t)floor(centre - 0.5);
    below = below < src_count - 2 ? below : src_count - 2;
    *first = below > 0 ? below : 0;
    return src_count > 1 ? 2 : 1;
}

static void weigh_taps(int64_t src_count, int64_t dst_count, int64_t i, int64_t first, int64_t count, float *weight)
{
    double scale = (double)src_count / (double)dst_count;
    double centre = ((double)i + 0.5) * scale;
    if (count == 1) {
        weight[0] = 1;
    } else if (is_filtered(src_count, dst_count)) {
        double sum = 0;
        for (int64_t t = 0; t < count; t++)
            sum += fmax(0, 1 - fabs((double)(first + t) + 0.5 - centre) / scale);
        for (int64_t t = 0; t < count; t++)
            weight[t] = (float)(fmax(0, 1 - fabs((double)(first + t) + 0.5 - centre) / scale) / sum);
    } else {
        double part = fmin(fmax(centre - 0.5 - (double)first, 0), 1); // clamped: the edge repeats
        weight[0] = (float)(1 - part);
        weight[1] = (float)part;
    }
}

static genseg_status make_table(genseg_context *context, int64_t src_count, int64_t dst_count, axis_table *table,
                                gsg_error *err)
{
    table->taps = 1;
    for (int64_t i = 0; i < dst_count; i++) {
        int64_t first, count = find_taps(src_count, dst_count, i, &first);
        table->taps = count > table->taps ? count : table->taps;
    }
    size_t weights = 0;
    if (gsg_multiply((size_t)dst_count, (size_t)table->taps, &weights)) {
        table->first = gsg_alloc(context, (size_t)dst_count, sizeof *table->first);
        table->weight = gsg_alloc_zero(context, weights, sizeof *table->weight);
    }
    if (table->first == NULL || table->weight == NULL)
        return gsg_error_nomem(err, weights * sizeof *table->weight);
    for (int64_t i = 0; i < dst_count; i++) {
        int64_t first, count = find_taps(src_count, dst_count, i, &first);
        // Near the end the window of all taps is moved back, with zeros in front.
        int64_t moved = first + table->taps > src_count ? first + table->taps - src_count : 0;
        table->first[i] = first - moved;
        weigh_taps(src_count, dst_count, i, first, count, table->weight + i * table->taps + moved);
    }
    return GENSEG_OK;
}

GSG_SIMD static void add_row(float *GSG_RESTRICT row, const float *GSG_RESTRICT src, int64_t count, float weight,
                             int32_t first)
{
    if (first)
        for (int64_t x = 0; x < count; x++)
            row[x] = weight * src[x];
    else
        for (int64_t x = 0; x < count; x++)
            row[x] += weight * src[x];
}

GSG_SIMD static void resample_row(const float *GSG_RESTRICT row, const axis_table *table, int64_t count,
                                  float *GSG_RESTRICT dst)
{
    const int64_t *first = table->first;
    const float *weight = table->weight;
    if (table->taps == 1) {
        for (int64_t x = 0; x < count; x++)
            dst[x] = row[first[x]];
    } else if (table->taps == 2) {
        for (int64_t x = 0; x < count; x++)
            dst[x] = weight[2 * x] * row[first[x]] + weight[2 * x + 1] * row[first[x] + 1];
    } else {
        for (int64_t x = 0; x < count; x++) {
            float sum = 0;
            for (int64_t t = 0; t < table->taps; t++)
                sum += weight[x * table->taps + t] * row[first[x] + t];
            dst[x] = sum;
        }
    }
}

static void resample_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const resample_job *job = arg;
    const axis_table *depth = &job->axes[0], *height = &job->axes[1];
    float *row = job->rows + thread * job->row_stride;
    int64_t src_width = job->src_held[2], dst_width = job->dst_held[2];
    for (int64_t r = begin; r < end; r++) {
        int64_t plane = r / (job->dst_held[0] * job->dst_held[1]);
        int64_t d = job->dst_begin[0] + r / job->dst_held[1] % job->dst_held[0];
        int64_t h = job->dst_begin[1] + r % job->dst_held[1];
        int32_t fresh = 1;
        for (int64_t td = 0; td < depth->taps; td++)
            for (int64_t th = 0; th < height->taps; th++) {
                float weight = depth->weight[d * depth->taps + td] * height->weight[h * height->taps + th];
                if (weight == 0)
                    continue; // a slab need not hold such rows
                int64_t sd = depth->first[d] + td - job->src_begin[0], sh = height->first[h] + th - job->src_begin[1];
                int64_t at = (plane * job->src_held[0] + sd) * job->src_held[1] + sh;
                add_row(row, job->src + at * src_width, src_width, weight, fresh);
                fresh = 0;
            }
        resample_row(row, &job->axes[2], dst_width, job->dst + r * dst_width);
    }
}

static genseg_status check_sizes(const int64_t src_size[3], const int64_t dst_size[3], gsg_error *err)
{
    for (int32_t a = 0; a < 3; a++)
        if (src_size[a] < 1 || dst_size[a] < 1)
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "axis %d is resampled from %lld to %lld voxels", (int)a,
                                 (long long)src_size[a], (long long)dst_size[a]);
    return GENSEG_OK;
}

void gsg_resample_needs(const int64_t src_size[3], const int64_t dst_size[3], gsg_resample_slab *slab)
{
    int64_t src_count = src_size[slab->axis], dst_count = dst_size[slab->axis], first;
    find_taps(src_count, dst_count, slab->dst_begin, &slab->src_begin);
    int64_t count = find_taps(src_count, dst_count, slab->dst_end - 1, &first);
    slab->src_end = first + count;
}

static genseg_status check_slab(const int64_t src_size[3], const int64_t dst_size[3], const gsg_resample_slab *slab,
                                gsg_error *err)
{
    if (slab->axis != 0 && slab->axis != 1)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "slabs lie along axis 0 or 1, not %d", (int)slab->axis);
    if (slab->dst_begin < 0 || slab->dst_begin >= slab->dst_end || slab->dst_end > dst_size[slab->axis] ||
        slab->src_begin < 0 || slab->src_end > src_size[slab->axis])
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "slab %lld..%lld exceeds the %lld slices of its grid",
                             (long long)slab->dst_begin, (long long)slab->dst_end, (long long)dst_size[slab->axis]);
    gsg_resample_slab needed = *slab;
    gsg_resample_needs(src_size, dst_size, &needed);
    if (needed.src_begin < slab->src_begin || needed.src_end > slab->src_end)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "slab needs source slices %lld..%lld but has %lld..%lld",
                             (long long)needed.src_begin, (long long)needed.src_end, (long long)slab->src_begin,
                             (long long)slab->src_end);
    return GENSEG_OK;
}

struct gsg_resampler {
    genseg_context *context;
    int64_t src_size[3];
    int64_t dst_size[3];
    axis_table axes[3];
    float *rows; // one source row for each thread
    int64_t row_stride;
};

static void clear_resampler(gsg_resampler *resampler)
{
    gsg_free(resampler->context, resampler->rows);
    for (int32_t a = 0; a < 3; a++) {
        gsg_free(resampler->context, resampler->axes[a].first);
        gsg_free(resampler->context, resampler->axes[a].weight);
    }
}

// Fills the zeroed `resampler`, which is to be cleared whatever comes of it.
static genseg_status fill_resampler(gsg_resampler *resampler, genseg_context *context, const int64_t src_size[3],
                                    const int64_t dst_size[3], gsg_error *err)
{
    resampler->context = context;
    genseg_status status = check_sizes(src_size, dst_size, err);
    if (status != GENSEG_OK)
        return status;
    for (int32_t a = 0; a < 3; a++) {
        resampler->src_size[a] = src_size[a];
        resampler->dst_size[a] = dst_size[a];
        GSG_TRY(make_table(context, src_size[a], dst_size[a], &resampler->axes[a], err));
    }
    size_t threads = (size_t)gsg_parallel_threads(context);
    resampler->row_stride = (src_size[2] + 31) / 16 * 16; // own cache lines
    resampler->rows = gsg_alloc(context, threads * (size_t)resampler->row_stride, sizeof *resampler->rows);
    if (resampler->rows == NULL)
        status = gsg_error_nomem(err, threads * (size_t)resampler->row_stride * sizeof *resampler->rows);
done:
    return status;
}

genseg_status gsg_resampler_new(genseg_context *context, const int64_t src_size[3], const int64_t dst_size[3],
                                gsg_resampler **resampler, gsg_error *err)
{
    gsg_resampler *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (made == NULL)
        return gsg_error_nomem(err, sizeof *made);
    genseg_status status = fill_resampler(made, context, src_size, dst_size, err);
    if (status == GENSEG_OK)
        *resampler = made;
    else
        gsg_resampler_free(made);
    return status;
}

void gsg_resampler_free(gsg_resampler *resampler)
{
    if (resampler == NULL)
        return;
    clear_resampler(resampler);
    gsg_free(resampler->context, resampler);
}

genseg_status gsg_resampler_run(gsg_resampler *resampler, const float *src, int64_t planes, float *dst,
                                const gsg_resample_slab *slab, gsg_error *err)
{
    genseg_status status = check_slab(resampler->src_size, resampler->dst_size, slab, err);
    if (status != GENSEG_OK)
        return status;
    resample_job job = {
        .src = src, .dst = dst, .axes = resampler->axes, .rows = resampler->rows, .row_stride = resampler->row_stride};
    for (int32_t a = 0; a < 3; a++) {
        job.src_held[a] = resampler->src_size[a];
        job.dst_held[a] = resampler->dst_size[a];
    }
    job.src_begin[slab->axis] = slab->src_begin;
    job.dst_begin[slab->axis] = slab->dst_begin;
    job.src_held[slab->axis] = slab->src_end - slab->src_begin;
    job.dst_held[slab->axis] = slab->dst_end - slab->dst_begin;
    gsg_parallel(resampler->context, planes * job.dst_held[0] * job.dst_held[1], 8, resample_rows, &job);
    return GENSEG_OK;
}

genseg_status gsg_resample_linear_slab(genseg_context *context, const float *src, int64_t planes,
                                       const int64_t src_size[3], float *dst, const int64_t dst_size[3],
                                       const gsg_resample_slab *slab, gsg_error *err)
{
    gsg_resampler resampler = {.context = context};
    genseg_status status = check_sizes(src_size, dst_size, err);
    if (status == GENSEG_OK)
        status = check_slab(src_size, dst_size, slab, err);
    if (status == GENSEG_OK)
        status = fill_resampler(&resampler, context, src_size, dst_size, err);
    if (status == GENSEG_OK)
        status = gsg_resampler_run(&resampler, src, planes, dst, slab, err);
    clear_resampler(&resampler);
    return status;
}

genseg_status gsg_resample_linear(genseg_context *context, const float *src, int64_t planes, const int64_t src_size[3],
                                  float *dst, const int64_t dst_size[3], gsg_error *err)
{
    gsg_resample_slab whole = {.axis = 0, .src_end = src_size[0], .dst_end = dst_size[0]};
    return gsg_resample_linear_slab(context, src, planes, src_size, dst, dst_size, &whole, err);
}

typedef struct nearest_job {
    const int32_t *src;
    int32_t *dst;
    const int64_t *src_size;
    const int64_t *dst_size;
    const int64_t *columns; // source index along W of each destination voxel
} nearest_job;

// Source voxel in whose extent the middle of destination voxel i lies; integers
// only, so that ties fall the same way everywhere.
static int64_t nearest_index(int64_t i, int64_t src_count, int64_t dst_count)
{
    return (2 * i + 1) * src_count / (2 * dst_count);
}

static void nearest_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const nearest_job *job = arg;
    (void)thread;
    for (int64_t r = begin; r < end; r++) {
        int64_t d = nearest_index(r / job->dst_size[1], job->src_size[0], job->dst_size[0]);
        int64_t h = nearest_index(r % job->dst_size[1], job->src_size[1], job->dst_size[1]);
        const int32_t *src = job->src + (d * job->src_size[1] + h) * job->src_size[2];
        int32_t *dst = job->dst + r * job->dst_size[2];
        for (int64_t x = 0; x < job->dst_size[2]; x++)
            dst[x] = src[job->columns[x]];
    }
}

genseg_status gsg_resample_nearest(genseg_context *context, const int32_t *src, const int64_t src_size[3], int32_t *dst,
                                   const int64_t dst_size[3], gsg_error *err)
{
    genseg_status status = check_sizes(src_size, dst_size, err);
    if (status != GENSEG_OK)
        return status;
    int64_t *columns = gsg_alloc(context, (size_t)dst_size[2], sizeof *columns);
    if (columns == NULL)
        return gsg_error_nomem(err, (size_t)dst_size[2] * sizeof *columns);
    for (int64_t x = 0; x < dst_size[2]; x++)
        columns[x] = nearest_index(x, src_size[2], dst_size[2]);
    nearest_job job = {src, dst, src_size, dst_size, columns};
    gsg_parallel(context, dst_size[0] * dst_size[1], 64, nearest_rows, &job);
    gsg_free(context, columns);
    return GENSEG_OK;
}
