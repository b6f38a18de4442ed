// Cross entropy from logits (kernel/loss.h) in its stable forms: with more than one class
// log-sum-exp less the logit, with one max(-z, 0) + log(1 + exp(-|z|)). Sums run over
// chunks of voxels; the gradient needs the sum of weights first, so it reads the target twice.
// Gradients of the target and of the samples' weights need the loss, too.
#include "kernel/loss.h"
#include "kernel/tile.h"

typedef struct cross_entropy {
    gsg_kernel base;
    gsg_chunks chunks;
    gsg_desc logits;
    gsg_desc target;
    gsg_desc diff;
    gsg_desc diff_target;
} cross_entropy;

// Of one chunk, or of all.
typedef struct totals {
    double loss;
    double weight;
} totals;

typedef struct loss_job {
    const cross_entropy *kernel;
    const float *logits; // NULL: weights alone are summed
    const float *target;
    const float *weights;        // NULL: all 1
    const float *sample_weights; // likewise
    float *diff;                 // NULL: not wanted
    float *diff_target;          // likewise
    float scale;                 // of the gradient
    float loss;                  // of all; 0 where the target doesn't normalise
    totals *partial;
    float *tiles; // two a thread
} loss_job;

GSG_SIMD static totals binary_forward(const float *z, const float *y, int64_t count, float positive)
{
    float loss[GSG_TILE];
    for (int64_t t = 0; t < count; ++t) {
        float softplus = gsg_log1p(gsg_exp(-fabsf(z[t]))) + (z[t] < 0.0f ? -z[t] : 0.0f);
        loss[t] = (1.0f - y[t]) * z[t] + (1.0f + (positive - 1.0f) * y[t]) * softplus;
    }
    gsg_lanes lanes = {{0}};
    gsg_lanes_add(&lanes, loss, count);
    return (totals){gsg_lanes_total(&lanes), (double)count};
}

// y becomes the gradient.
GSG_SIMD static void binary_backward(const float *z, float *y, int64_t count, float positive, float scale)
{
    for (int64_t t = 0; t < count; ++t) {
        float e = gsg_exp(-fabsf(z[t]));
        float large = 1.0f / (1.0f + e), small = e * large;
        float p = z[t] < 0.0f ? small : large, q = z[t] < 0.0f ? large : small;
        y[t] = scale * ((1.0f - y[t]) * p - positive * y[t] * q);
    }
}

// Weighted target of each voxel, its sum over the classes.
GSG_INLINE void weigh(const float *restrict y, const float *weights, int64_t channels, int64_t count,
                      float *restrict sum)
{
    for (int64_t t = 0; t < count; ++t)
        sum[t] = 0.0f;
    for (int64_t c = 0; c < channels; ++c) {
        float weight = weights ? weights[c] : 1.0f;
        for (int64_t t = 0; t < count; ++t)
            sum[t] += weight * y[c * GSG_TILE + t];
    }
}

GSG_SIMD static double weight_tile(const float *y, const float *weights, int64_t channels, int64_t count)
{
    float sum[GSG_TILE];
    weigh(y, weights, channels, count, sum);
    gsg_lanes lanes = {{0}};
    gsg_lanes_add(&lanes, sum, count);
    return gsg_lanes_total(&lanes);
}

GSG_SIMD static totals multi_forward(float *z, const float *y, const float *weights, int64_t channels, int64_t count)
{
    float max[GSG_TILE], sum[GSG_TILE], weight[GSG_TILE], loss[GSG_TILE];
    gsg_tile_max(z, channels, count, max);
    weigh(y, weights, channels, count, weight);
    for (int64_t t = 0; t < count; ++t)
        loss[t] = 0.0f;
    for (int64_t c = 0; c < channels; ++c) {
        float w = weights ? weights[c] : 1.0f;
        for (int64_t t = 0; t < count; ++t)
            loss[t] += w * y[c * GSG_TILE + t] * (max[t] - z[c * GSG_TILE + t]);
    }
    gsg_tile_exp(z, channels, count, max, sum);
    for (int64_t t = 0; t < count; ++t)
        loss[t] += weight[t] * gsg_log1p(sum[t]);
    gsg_lanes losses = {{0}}, sums = {{0}};
    gsg_lanes_add(&losses, loss, count);
    gsg_lanes_add(&sums, weight, count);
    return (totals){gsg_lanes_total(&losses), gsg_lanes_total(&sums)};
}

// y becomes the gradient.
GSG_SIMD static void multi_backward(float *z, float *y, const float *weights, int64_t channels, int64_t count,
                                    float scale)
{
    float sum[GSG_TILE];
    weigh(y, weights, channels, count, sum);
    gsg_tile_softmax(z, channels, count);
    for (int64_t c = 0; c < channels; ++c) {
        float w = weights ? weights[c] : 1.0f;
        for (int64_t t = 0; t < count; ++t)
            y[c * GSG_TILE + t] = scale * (z[c * GSG_TILE + t] * sum[t] - w * y[c * GSG_TILE + t]);
    }
}

// y becomes the gradient of the target itself: scale * (-z + (positive - 1) softplus(-z)).
GSG_SIMD static void binary_target(const float *z, float *y, int64_t count, float positive, float scale)
{
    for (int64_t t = 0; t < count; ++t) {
        float softplus = gsg_log1p(gsg_exp(-fabsf(z[t]))) + (z[t] < 0.0f ? -z[t] : 0.0f);
        y[t] = scale * ((positive - 1.0f) * softplus - z[t]);
    }
}

// y becomes the gradient of the target: w[k] (scale * -log p[k] - offset); z is used up.
GSG_SIMD static void multi_target(float *z, float *y, const float *weights, int64_t channels, int64_t count,
                                  float scale, float offset)
{
    float max[GSG_TILE], sum[GSG_TILE];
    gsg_tile_max(z, channels, count, max);
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t t = 0; t < count; ++t)
            y[c * GSG_TILE + t] = max[t] - z[c * GSG_TILE + t];
    gsg_tile_exp(z, channels, count, max, sum);
    for (int64_t t = 0; t < count; ++t)
        sum[t] = gsg_log1p(sum[t]);
    for (int64_t c = 0; c < channels; ++c) {
        float w = weights ? weights[c] : 1.0f;
        for (int64_t t = 0; t < count; ++t)
            y[c * GSG_TILE + t] = w * (scale * (y[c * GSG_TILE + t] + sum[t]) - offset);
    }
}

// Not cloned: gathering is bound by memory.
static void load(float *tile, const float *sample, const gsg_chunks *chunks, int32_t block, int64_t first,
                 int64_t count)
{
    gsg_tile_load(tile, sample, chunks, block, first, count);
}

static totals sum_tile(const loss_job *job, const float *y, float *z, int64_t count)
{
    int64_t channels = job->kernel->chunks.channels;
    if (!job->logits)
        return (totals){0.0, weight_tile(y, job->weights, channels, count)};
    if (channels == 1)
        return binary_forward(z, y, count, job->weights ? job->weights[0] : 1.0f);
    return multi_forward(z, y, job->weights, channels, count);
}

static void sum_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const loss_job *job = arg;
    const cross_entropy *kernel = job->kernel;
    size_t size = gsg_tile_size(kernel->chunks.channels);
    float *z = job->tiles + 2 * size * (size_t)thread, *y = z + size;
    for (int64_t chunk = begin; chunk < end; ++chunk) {
        int64_t sample, first, count = gsg_chunks_locate(&kernel->chunks, chunk, &sample, &first);
        totals sum = {0.0, 0.0};
        for (int64_t s = 0; s < count; s += GSG_TILE) {
            int64_t n = count - s < GSG_TILE ? count - s : GSG_TILE;
            if (job->logits)
                load(z, job->logits + sample * kernel->logits.batch_stride, &kernel->chunks, kernel->logits.block,
                     first + s, n);
            load(y, job->target + sample * kernel->target.batch_stride, &kernel->chunks, kernel->target.block,
                 first + s, n);
            totals part = sum_tile(job, y, z, n);
            sum.loss += part.loss;
            sum.weight += part.weight;
        }
        job->partial[chunk] = sum;
    }
}

static totals sum_all(const genseg_context *context, loss_job *job)
{
    int64_t chunks = gsg_chunks_count(&job->kernel->chunks);
    gsg_parallel(context, chunks, 1, sum_range, job);
    totals sum = {0.0, 0.0};
    for (int64_t i = 0; i < chunks; ++i) {
        int64_t sample = i / job->kernel->chunks.per_sample;
        double weight = job->sample_weights ? (double)job->sample_weights[sample] : 1.0;
        sum.loss += weight * job->partial[i].loss;
        sum.weight += job->partial[i].weight;
    }
    return sum;
}

static genseg_status forward_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const cross_entropy *kernel = (const cross_entropy *)self;
    loss_job job = {.kernel = kernel,
                    .logits = args[0],
                    .target = args[1],
                    .weights = args[2],
                    .sample_weights = args[3],
                    .partial = scratch};
    job.tiles = (float *)(job.partial + gsg_chunks_count(&kernel->chunks));
    totals sum = sum_all(self->context, &job);
    // No weight at all: nothing to learn from (and 0 / 0 would read as divergence).
    *args[4] = (float)(sum.weight == 0.0 ? sum.loss : sum.loss / sum.weight);
    return GENSEG_OK;
}

static void diff_target_tile(const loss_job *job, int64_t sample, int64_t first, int64_t count, float scale, float *z,
                             float *y)
{
    const cross_entropy *kernel = job->kernel;
    const gsg_chunks *chunks = &kernel->chunks;
    load(z, job->logits + sample * kernel->logits.batch_stride, chunks, kernel->logits.block, first, count);
    if (chunks->channels == 1)
        binary_target(z, y, count, job->weights ? job->weights[0] : 1.0f, scale);
    else
        multi_target(z, y, job->weights, chunks->channels, count, scale, job->scale * job->loss);
    gsg_tile_store(job->diff_target + sample * kernel->diff_target.batch_stride, y, chunks, kernel->diff_target.block,
                   first, count);
}

static void diff_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const loss_job *job = arg;
    const cross_entropy *kernel = job->kernel;
    const gsg_chunks *chunks = &kernel->chunks;
    size_t size = gsg_tile_size(chunks->channels);
    float *z = job->tiles + 2 * size * (size_t)thread, *y = z + size;
    for (int64_t chunk = begin; chunk < end; ++chunk) {
        int64_t sample, first, count = gsg_chunks_locate(chunks, chunk, &sample, &first);
        float scale = job->sample_weights ? job->scale * job->sample_weights[sample] : job->scale;
        for (int64_t s = first; s < first + count; s += GSG_TILE) {
            int64_t n = first + count - s < GSG_TILE ? first + count - s : GSG_TILE;
            if (job->diff_target)
                diff_target_tile(job, sample, s, n, scale, z, y);
            if (!job->diff)
                continue;
            load(z, job->logits + sample * kernel->logits.batch_stride, chunks, kernel->logits.block, s, n);
            load(y, job->target + sample * kernel->target.batch_stride, chunks, kernel->target.block, s, n);
            if (chunks->channels == 1)
                binary_backward(z, y, n, job->weights ? job->weights[0] : 1.0f, scale);
            else
                multi_backward(z, y, job->weights, chunks->channels, n, scale);
            gsg_tile_store(job->diff + sample * kernel->diff.batch_stride, y, chunks, kernel->diff.block, s, n);
        }
    }
}

// The loss of each sample, as its weight sees it.
static void diff_samples(const loss_job *job, double scale, float *diff)
{
    const gsg_chunks *chunks = &job->kernel->chunks;
    int64_t padded = (chunks->samples + GSG_VECTOR_PAD - 1) / GSG_VECTOR_PAD * GSG_VECTOR_PAD;
    for (int64_t n = 0; n < padded; ++n) {
        double sum = 0.0;
        for (int64_t i = 0; n < chunks->samples && i < chunks->per_sample; ++i)
            sum += job->partial[n * chunks->per_sample + i].loss;
        diff[n] = (float)(scale * sum);
    }
}

static genseg_status backward_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const cross_entropy *kernel = (const cross_entropy *)self;
    int64_t chunks = gsg_chunks_count(&kernel->chunks);
    int32_t multi = kernel->chunks.channels > 1, whole = (multi && args[6]) || args[7];
    loss_job job = {.kernel = kernel,
                    .logits = whole ? args[0] : NULL,
                    .target = args[1],
                    .weights = args[2],
                    .sample_weights = args[3],
                    .diff = args[5],
                    .diff_target = args[6],
                    .partial = scratch};
    job.tiles = (float *)(job.partial + chunks);
    totals sum = {0.0, (double)(kernel->chunks.samples * kernel->chunks.spatial)};
    if (multi || whole)
        sum = sum_all(self->context, &job);
    double weight = sum.weight == 0.0 ? 1.0 : sum.weight;
    job.logits = args[0];
    job.scale = (float)((double)*args[4] / weight);
    job.loss = multi ? (float)(sum.loss / weight) : 0.0f;
    if (job.diff || job.diff_target)
        gsg_parallel(self->context, chunks, 1, diff_range, &job);
    if (args[7])
        diff_samples(&job, (double)*args[4] / weight, args[7]);
    return GENSEG_OK;
}

static genseg_status make(gsg_engine *engine, const char *name, int32_t count, const gsg_desc *const *descs,
                          genseg_status (*run)(const gsg_kernel *, const gsg_run *, float *const *, void *,
                                               gsg_error *),
                          gsg_kernel **kernel, gsg_error *err)
{
    gsg_walk walk; // for its checks alone
    genseg_status status = gsg_walk_init(&walk, name, count, descs, err);
    if (status != GENSEG_OK)
        return status;
    if (descs[0]->shape.ndim < 2)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s: logits have no class axis", name);
    cross_entropy *made = gsg_kernel_make(engine, sizeof *made, name, run, err);
    if (!made)
        return GENSEG_ERROR_NOMEM;
    made->chunks = gsg_chunks_of(descs[0]);
    made->logits = *descs[0];
    made->target = *descs[1];
    size_t threads = (size_t)gsg_parallel_threads(made->base.context);
    made->base.scratch = (size_t)gsg_chunks_count(&made->chunks) * sizeof(totals) +
                         threads * 2 * gsg_tile_size(made->chunks.channels) * sizeof(float);
    made->base.bytes = 4.0 * count * (double)gsg_shape_count(descs[0]->shape);
    *kernel = &made->base;
    return GENSEG_OK;
}

genseg_status gsg_cross_entropy_forward_new(gsg_engine *engine, const gsg_desc *logits, const gsg_desc *target,
                                            gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, "cross entropy", 2, (const gsg_desc *const[]){logits, target}, forward_run, kernel, err);
}

genseg_status gsg_cross_entropy_backward_new(gsg_engine *engine, const gsg_desc *logits, const gsg_desc *target,
                                             const gsg_desc *diff_logits, const gsg_desc *diff_target,
                                             gsg_kernel **kernel, gsg_error *err)
{
    gsg_walk walk; // for its checks alone
    if (diff_target) {
        genseg_status status =
            gsg_walk_init(&walk, "cross entropy backward", 2, (const gsg_desc *const[]){logits, diff_target}, err);
        if (status != GENSEG_OK)
            return status;
    }
    gsg_kernel *made = NULL;
    genseg_status status = make(engine, "cross entropy backward", diff_logits ? 3 : 2,
                                (const gsg_desc *const[]){logits, target, diff_logits}, backward_run, &made, err);
    if (status != GENSEG_OK)
        return status;
    if (diff_logits)
        ((cross_entropy *)made)->diff = *diff_logits;
    if (diff_target)
        ((cross_entropy *)made)->diff_target = *diff_target;
    *kernel = made;
    return GENSEG_OK;
}
