// Dropout (Srivastava et al. 2014) with a mask that is never stored: element e, counted
// in (n, c, s) order, draws word e % 4 of Philox block e / 4, keyed by the run's seed with
// step and id in the counter. So the mask depends on neither layout nor threads.
#include "core/rng.h"
#include "kernel/pointwise.h"
#include "kernel/walk.h"

#define PIECE 256              // elements handled together
#define BLOCKS (PIECE / 4 + 1) // Philox blocks that PIECE elements touch, wherever they start

typedef struct dropout {
    gsg_kernel base;
    gsg_desc src;
    gsg_desc dst;
    int64_t samples;
    int64_t channels;
    int64_t padded; // channels that are written: the destination's last group in full
    int64_t spatial;
    uint32_t id;
    uint32_t threshold; // words below it drop
    float scale;
} dropout;

typedef struct dropout_job {
    const dropout *kernel;
    const float *src;
    float *dst;
    uint32_t key[2];
    uint32_t counter[4];
} dropout_job;

// gsg_philox() of blocks first .. first + blocks - 1, side by side so that it becomes vectors.
GSG_SIMD static void draw(const dropout_job *job, uint32_t first, uint32_t blocks, uint32_t *restrict words)
{
    uint32_t x0[BLOCKS], x1[BLOCKS], x2[BLOCKS], x3[BLOCKS];
    for (uint32_t i = 0; i < blocks; ++i) {
        x0[i] = first + i;
        x1[i] = job->counter[1];
        x2[i] = job->counter[2];
        x3[i] = job->counter[3];
    }
    uint32_t k0 = job->key[0], k1 = job->key[1];
    for (int32_t round = 0; round < 10; ++round) {
        for (uint32_t i = 0; i < blocks; ++i) {
            uint64_t p0 = (uint64_t)0xD2511F53u * x0[i];
            uint64_t p1 = (uint64_t)0xCD9E8D57u * x2[i];
            x0[i] = (uint32_t)(p1 >> 32) ^ x1[i] ^ k0;
            x1[i] = (uint32_t)p1;
            x2[i] = (uint32_t)(p0 >> 32) ^ x3[i] ^ k1;
            x3[i] = (uint32_t)p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (uint32_t i = 0; i < blocks; ++i) {
        words[4 * i] = x0[i];
        words[4 * i + 1] = x1[i];
        words[4 * i + 2] = x2[i];
        words[4 * i + 3] = x3[i];
    }
}

// The factor 0 instead of a stored 0 lets NaN through, as everywhere.
GSG_SIMD static void mask(float *dst, int64_t dst_stride, const float *src, int64_t src_stride, int64_t count,
                          const uint32_t *words, uint32_t threshold, float scale)
{
    GSG_IVDEP
    for (int64_t i = 0; i < count; ++i)
        dst[i * dst_stride] = src[i * src_stride] * (words[i] < threshold ? 0.0f : scale);
}

static void dropout_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const dropout_job *job = arg;
    const dropout *kernel = job->kernel;
    int32_t sb = kernel->src.block, db = kernel->dst.block;
    uint32_t words[4 * BLOCKS];
    for (int64_t unit = begin; unit < end; ++unit) {
        int64_t sample = unit / kernel->padded, c = unit % kernel->padded;
        float *dst = job->dst + sample * kernel->dst.batch_stride + c / db * kernel->spatial * db + c % db;
        if (c >= kernel->channels) {
            for (int64_t s = 0; s < kernel->spatial; ++s)
                dst[s * db] = 0.0f;
            continue;
        }
        const float *src = job->src + sample * kernel->src.batch_stride + c / sb * kernel->spatial * sb + c % sb;
        for (int64_t s = 0; s < kernel->spatial; s += PIECE) {
            int64_t element = (sample * kernel->channels + c) * kernel->spatial + s;
            int64_t count = kernel->spatial - s < PIECE ? kernel->spatial - s : PIECE;
            draw(job, (uint32_t)(element / 4), (uint32_t)(element % 4 + count + 3) / 4, words);
            mask(dst + s * db, db, src + s * sb, sb, count, words + element % 4, kernel->threshold, kernel->scale);
        }
    }
}

static genseg_status dropout_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const dropout *kernel = (const dropout *)self;
    dropout_job job = {
        .kernel = kernel,
        .src = args[0],
        .dst = args[1],
        .key = {(uint32_t)run->seed, (uint32_t)(run->seed >> 32)},
        .counter = {0, GSG_STREAM_DROPOUT | kernel->id << 8, (uint32_t)run->step, (uint32_t)(run->step >> 32)},
    };
    gsg_parallel(self->context, kernel->samples * kernel->padded, 2048 / kernel->spatial + 1, dropout_range, &job);
    return GENSEG_OK;
}

genseg_status gsg_dropout_new(gsg_engine *engine, float p, uint32_t id, const gsg_desc *src, const gsg_desc *dst,
                              gsg_kernel **kernel, gsg_error *err)
{
    gsg_walk walk; // for its checks alone
    genseg_status status = gsg_walk_init(&walk, "dropout", 2, (const gsg_desc *const[]){src, dst}, err);
    if (status != GENSEG_OK)
        return status;
    if (!(p >= 0.0f && p < 1.0f))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "dropout: probability %g is not in [0, 1)", (double)p);
    if (id >= 1u << 24)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "dropout: id %lu is beyond 2^24", (unsigned long)id);
    if (gsg_shape_count(src->shape) > (int64_t)1 << 34)
        return gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "dropout: %lld elements are more than 2^34",
                             (long long)gsg_shape_count(src->shape));
    dropout *made = gsg_kernel_make(engine, sizeof *made, "dropout", dropout_run, err);
    if (!made)
        return GENSEG_ERROR_NOMEM;
    made->src = *src;
    made->dst = *dst;
    made->samples = gsg_desc_samples(src);
    made->channels = gsg_desc_channels(src);
    made->padded = (made->channels + dst->block - 1) / dst->block * dst->block;
    made->spatial = gsg_desc_spatial(src);
    made->id = id;
    made->threshold = (uint32_t)((double)p * 4294967296.0);
    made->scale = 1.0f / (1.0f - p);
    made->base.bytes = 8.0 * (double)gsg_shape_count(src->shape);
    *kernel = &made->base;
    return GENSEG_OK;
}
