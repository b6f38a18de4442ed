// Soft Dice loss from logits (kernel/loss.h; Milletari, Navab & Ahmadi 2016, without the
// squares). Each class needs three sums, of p t, p and t; the gradient computes them again
// rather than keep anything from the forward pass. Prediction and target play the same part
// in it, so the target's gradient has the prediction's coefficients.
#include "kernel/loss.h"
#include "kernel/tile.h"

typedef struct dice {
    gsg_kernel base;
    gsg_dice options;
    gsg_chunks chunks;
    gsg_desc logits;
    gsg_desc target;
    gsg_desc diff;
    gsg_desc diff_target;
} dice;

typedef struct sums {
    double both; // p t
    double prediction;
    double target;
} sums;

typedef struct loss_job {
    const dice *kernel;
    const float *logits;
    const float *target;
    const float *sample_weights; // NULL: all 1
    float *diff;                 // NULL: not wanted
    float *diff_target;          // likewise
    int64_t sets;                // of sums: one, or one a sample
    sums *partial;               // (chunk, class)
    sums *totals;                // (set, class)
    sums *whole;                 // (class), over weighted samples
    float *tiles;                // two a thread
    float *derivative;           // (set, class, 2): d loss / d p = [0] t + [1], d loss / d t = [0] p + [1]
} loss_job;

static loss_job lay_out(const dice *kernel, float *const *args, void *scratch)
{
    int64_t channels = kernel->chunks.channels;
    loss_job job = {.kernel = kernel,
                    .logits = args[0],
                    .target = args[1],
                    .sample_weights = args[2],
                    .sets = kernel->options.per_sample || args[2] ? kernel->chunks.samples : 1,
                    .partial = scratch};
    job.totals = job.partial + gsg_chunks_count(&kernel->chunks) * channels;
    job.whole = job.totals + job.sets * channels;
    job.derivative = (float *)(job.whole + channels);
    job.tiles = job.derivative + job.sets * channels * 2;
    return job;
}

static size_t scratch_size(const dice *kernel)
{
    size_t channels = (size_t)kernel->chunks.channels, sets = (size_t)kernel->chunks.samples;
    size_t threads = (size_t)gsg_parallel_threads(kernel->base.context);
    return ((size_t)gsg_chunks_count(&kernel->chunks) + sets + 1) * channels * sizeof(sums) +
           (sets * channels * 2 + threads * 2 * gsg_tile_size((int64_t)channels)) * sizeof(float);
}

// Logits to probabilities.
GSG_INLINE void activate(float *tile, int64_t channels, int64_t count)
{
    if (channels > 1) {
        gsg_tile_softmax(tile, channels, count);
        return;
    }
    for (int64_t t = 0; t < count; ++t)
        tile[t] = gsg_sigmoid(tile[t]);
}

GSG_SIMD static void sum_tile(float *p, const float *y, int64_t channels, int64_t count, sums *sum)
{
    activate(p, channels, count);
    for (int64_t c = 0; c < channels; ++c) {
        const float *pc = p + c * GSG_TILE, *yc = y + c * GSG_TILE;
        gsg_lanes both = {{0}}, prediction = {{0}}, target = {{0}};
        gsg_lanes_add_product(&both, pc, yc, count);
        gsg_lanes_add(&prediction, pc, count);
        gsg_lanes_add(&target, yc, count);
        sum[c].both += gsg_lanes_total(&both);
        sum[c].prediction += gsg_lanes_total(&prediction);
        sum[c].target += gsg_lanes_total(&target);
    }
}

static void load(const loss_job *job, int64_t sample, int64_t first, int64_t count, float *p, float *y)
{
    const dice *kernel = job->kernel;
    gsg_tile_load(p, job->logits + sample * kernel->logits.batch_stride, &kernel->chunks, kernel->logits.block, first,
                  count);
    gsg_tile_load(y, job->target + sample * kernel->target.batch_stride, &kernel->chunks, kernel->target.block, first,
                  count);
}

static void sum_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const loss_job *job = arg;
    const gsg_chunks *chunks = &job->kernel->chunks;
    size_t size = gsg_tile_size(chunks->channels);
    float *p = job->tiles + 2 * size * (size_t)thread, *y = p + size;
    for (int64_t chunk = begin; chunk < end; ++chunk) {
        int64_t sample, first, count = gsg_chunks_locate(chunks, chunk, &sample, &first);
        sums *sum = job->partial + chunk * chunks->channels;
        memset(sum, 0, (size_t)chunks->channels * sizeof *sum);
        for (int64_t s = 0; s < count; s += GSG_TILE) {
            int64_t n = count - s < GSG_TILE ? count - s : GSG_TILE;
            load(job, sample, first + s, n, p, y);
            sum_tile(p, y, chunks->channels, n, sum);
        }
    }
}

static void sum_all(const genseg_context *context, loss_job *job)
{
    const dice *kernel = job->kernel;
    int64_t channels = kernel->chunks.channels, chunks = gsg_chunks_count(&kernel->chunks);
    gsg_parallel(context, chunks, 1, sum_range, job);
    memset(job->totals, 0, (size_t)(job->sets * channels) * sizeof *job->totals);
    for (int64_t i = 0; i < chunks; ++i) {
        int64_t set = job->sets > 1 ? i / kernel->chunks.per_sample : 0;
        for (int64_t c = 0; c < channels; ++c) {
            job->totals[set * channels + c].both += job->partial[i * channels + c].both;
            job->totals[set * channels + c].prediction += job->partial[i * channels + c].prediction;
            job->totals[set * channels + c].target += job->partial[i * channels + c].target;
        }
    }
}

static int64_t first_class(const dice *kernel)
{
    return kernel->chunks.channels > 1 && !kernel->options.background ? 1 : 0;
}

// Both empty and nothing to smooth with: full agreement.
static double coefficient(const dice *kernel, const sums *sum, double *denominator)
{
    double smooth = (double)kernel->options.smooth;
    *denominator = sum->prediction + sum->target + smooth;
    return *denominator == 0.0 ? 1.0 : (2.0 * sum->both + smooth) / *denominator;
}

// The weighted samples' sums together, in job->whole; returns the mean of the weights.
static double weigh_samples(loss_job *job)
{
    int64_t channels = job->kernel->chunks.channels;
    double mean = 0.0;
    memset(job->whole, 0, (size_t)channels * sizeof *job->whole);
    for (int64_t n = 0; n < job->sets; ++n) {
        double weight = (double)job->sample_weights[n];
        mean += weight / (double)job->sets;
        for (int64_t c = 0; c < channels; ++c) {
            job->whole[c].both += weight * job->totals[n * channels + c].both;
            job->whole[c].prediction += weight * job->totals[n * channels + c].prediction;
            job->whole[c].target += weight * job->totals[n * channels + c].target;
        }
    }
    return mean;
}

static genseg_status forward_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const dice *kernel = (const dice *)self;
    int64_t channels = kernel->chunks.channels, first = first_class(kernel);
    loss_job job = lay_out(kernel, args, scratch);
    sum_all(self->context, &job);
    double sum = 0.0, denominator;
    if (job.sample_weights && !kernel->options.per_sample) {
        double mean = weigh_samples(&job);
        for (int64_t c = first; c < channels; ++c)
            sum += 1.0 - coefficient(kernel, &job.whole[c], &denominator);
        *args[3] = (float)(mean * sum / (double)(channels - first));
        return GENSEG_OK;
    }
    for (int64_t set = 0; set < job.sets; ++set) {
        double weight = job.sample_weights ? (double)job.sample_weights[set] : 1.0;
        for (int64_t c = first; c < channels; ++c)
            sum += weight * (1.0 - coefficient(kernel, &job.totals[set * channels + c], &denominator));
    }
    *args[3] = (float)(sum / (double)(job.sets * (channels - first)));
    return GENSEG_OK;
}

// y becomes the gradient.
GSG_SIMD static void diff_tile(float *p, float *y, int64_t channels, int64_t count, const float *derivative)
{
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t t = 0; t < count; ++t)
            y[c * GSG_TILE + t] = derivative[2 * c] * y[c * GSG_TILE + t] + derivative[2 * c + 1];
    if (channels > 1) {
        gsg_tile_softmax(p, channels, count);
        gsg_tile_softmax_backward(p, y, channels, count);
        return;
    }
    for (int64_t t = 0; t < count; ++t) {
        float e = gsg_exp(-fabsf(p[t])), large = 1.0f / (1.0f + e);
        y[t] *= e * large * large; // sigmoid times its complement, exact where one is nearly 1
    }
}

// Logits become the gradient of the target.
GSG_SIMD static void target_tile(float *p, int64_t channels, int64_t count, const float *derivative)
{
    activate(p, channels, count);
    for (int64_t c = 0; c < channels; ++c)
        for (int64_t t = 0; t < count; ++t)
            p[c * GSG_TILE + t] = derivative[2 * c] * p[c * GSG_TILE + t] + derivative[2 * c + 1];
}

static void diff_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const loss_job *job = arg;
    const dice *kernel = job->kernel;
    const gsg_chunks *chunks = &kernel->chunks;
    size_t size = gsg_tile_size(chunks->channels);
    float *p = job->tiles + 2 * size * (size_t)thread, *y = p + size;
    for (int64_t chunk = begin; chunk < end; ++chunk) {
        int64_t sample, first, count = gsg_chunks_locate(chunks, chunk, &sample, &first);
        const float *derivative = job->derivative + (job->sets > 1 ? sample * chunks->channels * 2 : 0);
        for (int64_t s = first; s < first + count; s += GSG_TILE) {
            int64_t n = first + count - s < GSG_TILE ? first + count - s : GSG_TILE;
            if (job->diff_target) {
                load(job, sample, s, n, p, y);
                target_tile(p, chunks->channels, n, derivative);
                gsg_tile_store(job->diff_target + sample * kernel->diff_target.batch_stride, p, chunks,
                               kernel->diff_target.block, s, n);
            }
            if (!job->diff)
                continue;
            load(job, sample, s, n, p, y);
            diff_tile(p, y, chunks->channels, n, derivative);
            gsg_tile_store(job->diff + sample * kernel->diff.batch_stride, y, chunks, kernel->diff.block, s, n);
        }
    }
}

// Gradient of the samples' weights; per sample it is the sample's loss, else the weight moves the mean
// (`mean`, before the loss) and the sums.
static void diff_samples(const loss_job *job, int64_t first, double scale, double mean, float *diff)
{
    const dice *kernel = job->kernel;
    int64_t channels = kernel->chunks.channels, samples = job->sets;
    int64_t padded = (samples + GSG_VECTOR_PAD - 1) / GSG_VECTOR_PAD * GSG_VECTOR_PAD;
    for (int64_t n = 0; n < padded; ++n) {
        double sum = 0.0, denominator;
        for (int64_t c = first; n < samples && c < channels; ++c) {
            const sums *own = &job->totals[n * channels + c];
            if (kernel->options.per_sample) {
                sum += 1.0 - coefficient(kernel, own, &denominator);
                continue;
            }
            double value = coefficient(kernel, &job->whole[c], &denominator);
            sum += (1.0 - value) / (double)samples;
            if (denominator != 0.0)
                sum -= mean * (2.0 * own->both - value * (own->prediction + own->target)) / denominator;
        }
        diff[n] = (float)(scale * sum);
    }
}

static genseg_status backward_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const dice *kernel = (const dice *)self;
    int64_t channels = kernel->chunks.channels, first = first_class(kernel);
    loss_job job = lay_out(kernel, args, scratch);
    job.diff = args[4];
    job.diff_target = args[5];
    sum_all(self->context, &job);
    int32_t joint = job.sample_weights && !kernel->options.per_sample;
    double scale = (double)*args[3] / (double)((joint ? 1 : job.sets) * (channels - first));
    double mean = joint ? weigh_samples(&job) : 1.0;
    for (int64_t i = 0; i < job.sets * channels; ++i) {
        const sums *sum = joint ? &job.whole[i % channels] : &job.totals[i];
        double denominator, value = coefficient(kernel, sum, &denominator), own = scale * mean;
        int32_t counts = i % channels >= first && denominator != 0.0;
        if (job.sample_weights)
            own *= (double)job.sample_weights[i / channels];
        job.derivative[2 * i] = counts ? (float)(-2.0 * own / denominator) : 0.0f;
        job.derivative[2 * i + 1] = counts ? (float)(own * value / denominator) : 0.0f;
    }
    if (job.diff || job.diff_target)
        gsg_parallel(self->context, gsg_chunks_count(&kernel->chunks), 1, diff_range, &job);
    if (args[6])
        diff_samples(&job, first, scale, mean, args[6]);
    return GENSEG_OK;
}

static genseg_status
make(gsg_engine *engine, const char *name, const gsg_dice *options, int32_t count, const gsg_desc *const *descs,
     genseg_status (*run)(const gsg_kernel *, const gsg_run *, float *const *, void *, gsg_error *),
     gsg_kernel **kernel, gsg_error *err)
{
    gsg_walk walk; // for its checks alone
    genseg_status status = gsg_walk_init(&walk, name, count, descs, err);
    if (status != GENSEG_OK)
        return status;
    if (descs[0]->shape.ndim < 2)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s: logits have no class axis", name);
    if (!(options->smooth >= 0.0f))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: smooth %g is below 0", name, (double)options->smooth);
    dice *made = gsg_kernel_make(engine, sizeof *made, name, run, err);
    if (!made)
        return GENSEG_ERROR_NOMEM;
    made->options = *options;
    made->chunks = gsg_chunks_of(descs[0]);
    made->logits = *descs[0];
    made->target = *descs[1];
    made->base.scratch = scratch_size(made);
    made->base.bytes = 4.0 * count * (double)gsg_shape_count(descs[0]->shape);
    *kernel = &made->base;
    return GENSEG_OK;
}

genseg_status gsg_dice_forward_new(gsg_engine *engine, const gsg_dice *options, const gsg_desc *logits,
                                   const gsg_desc *target, gsg_kernel **kernel, gsg_error *err)
{
    return make(engine, "dice", options, 2, (const gsg_desc *const[]){logits, target}, forward_run, kernel, err);
}

genseg_status gsg_dice_backward_new(gsg_engine *engine, const gsg_dice *options, const gsg_desc *logits,
                                    const gsg_desc *target, const gsg_desc *diff_logits, const gsg_desc *diff_target,
                                    gsg_kernel **kernel, gsg_error *err)
{
    gsg_walk walk; // for its checks alone
    if (diff_target) {
        genseg_status status =
            gsg_walk_init(&walk, "dice backward", 2, (const gsg_desc *const[]){logits, diff_target}, err);
        if (status != GENSEG_OK)
            return status;
    }
    gsg_kernel *made = NULL;
    genseg_status status = make(engine, "dice backward", options, diff_logits ? 3 : 2,
                                (const gsg_desc *const[]){logits, target, diff_logits}, backward_run, &made, err);
    if (status != GENSEG_OK)
        return status;
    if (diff_logits)
        ((dice *)made)->diff = *diff_logits;
    if (diff_target)
        ((dice *)made)->diff_target = *diff_target;
    *kernel = made;
    return GENSEG_OK;
}
