// Merged kernels (kernel/merge.h), on stored weights: whatever the form, a tap is a run of contiguous floats, and
// candidates differ in the number of runs alone. One pass over the candidates each way.
#include "kernel/merge.h"

#include <math.h>

#include "kernel/conv_parts.h"
#include "kernel/tile.h"

#define GRAIN 16384 // floats worth a thread

typedef struct merge {
    gsg_kernel base;
    int32_t count;
    int64_t outer, run;
    int64_t taps[GSG_MERGE_CANDIDATES];
    int64_t size[GSG_MERGE_CANDIDATES][3]; // D, H, W of each candidate
} merge;

typedef struct merge_job {
    const merge *kernel;
    double p[GSG_MERGE_CANDIDATES]; // softmax of the logits
    const float *candidate[GSG_MERGE_CANDIDATES];
    float *dst;            // forward
    const float *diff_dst; // backward
    float *diff[GSG_MERGE_CANDIDATES];
    double *products; // for each of `outer`, the inner products with diff_dst; NULL: not wanted
} merge_job;

static void softmax(const float *logits, int32_t count, double *p)
{
    double most = (double)logits[0], sum = 0;
    for (int32_t j = 1; j < count; j++)
        most = (double)logits[j] > most ? (double)logits[j] : most;
    for (int32_t j = 0; j < count; j++)
        sum += p[j] = exp((double)logits[j] - most);
    for (int32_t j = 0; j < count; j++)
        p[j] /= sum;
}

// Tap of candidate j at tap `at` of the largest; -1 where it is padding.
GSG_INLINE int64_t tap_of(const merge *k, int32_t j, int64_t at)
{
    const int64_t *whole = k->size[k->count - 1], *size = k->size[j];
    const int64_t place[3] = {at / (whole[1] * whole[2]), at / whole[2] % whole[1], at % whole[2]};
    int64_t tap = 0;
    for (int32_t i = 0; i < 3; i++) {
        const int64_t inner = place[i] - (whole[i] - size[i]) / 2;
        if (inner < 0 || inner >= size[i])
            return -1;
        tap = tap * size[i] + inner;
    }
    return tap;
}

GSG_INLINE void weigh(const float *src, float p, int64_t count, float *dst)
{
    GSG_IVDEP
    for (int64_t i = 0; i < count; i++)
        dst[i] = p * src[i];
}

// Larger candidates first: the largest is everywhere, the others are added.
GSG_INLINE void mix(const float *const *src, const float *p, int32_t count, int64_t run, float *restrict dst)
{
    const float *a = src[0], *b = src[1], *c = src[2];
    if (count == 3)
        for (int64_t i = 0; i < run; i++)
            dst[i] = p[0] * a[i] + p[1] * b[i] + p[2] * c[i];
    else if (count == 2)
        for (int64_t i = 0; i < run; i++)
            dst[i] = p[0] * a[i] + p[1] * b[i];
    else
        weigh(a, p[0], run, dst);
}

GSG_SIMD
static void forward_runs(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const merge_job *job = arg;
    const merge *k = job->kernel;
    const int64_t whole = k->taps[k->count - 1];
    for (int64_t r = begin; r < end; r++) {
        const float *src[GSG_MERGE_CANDIDATES] = {0};
        float p[GSG_MERGE_CANDIDATES] = {0};
        int32_t there = 0;
        for (int32_t j = k->count - 1; j >= 0; j--) {
            const int64_t tap = tap_of(k, j, r % whole);
            if (tap < 0)
                continue;
            src[there] = job->candidate[j] + (r / whole * k->taps[j] + tap) * k->run;
            p[there++] = (float)job->p[j];
        }
        mix(src, p, there, k->run, job->dst + r * k->run);
    }
}

// The largest candidate comes last: its gradient may take the place of diff_dst.
GSG_SIMD
static void backward_outer(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const merge_job *job = arg;
    const merge *k = job->kernel;
    const int64_t whole = k->taps[k->count - 1];
    for (int64_t o = begin; o < end; o++) {
        gsg_lanes lanes[GSG_MERGE_CANDIDATES] = {{{0}}};
        for (int64_t at = 0; at < whole; at++) {
            const float *diff_dst = job->diff_dst + (o * whole + at) * k->run;
            for (int32_t j = 0; j < k->count; j++) {
                const int64_t tap = tap_of(k, j, at);
                if (tap < 0)
                    continue;
                const int64_t from = (o * k->taps[j] + tap) * k->run;
                if (job->products)
                    gsg_lanes_add_product(&lanes[j], diff_dst, job->candidate[j] + from, k->run);
                if (job->diff[j])
                    weigh(diff_dst, (float)job->p[j], k->run, job->diff[j] + from);
            }
        }
        for (int32_t j = 0; job->products && j < k->count; j++)
            job->products[o * k->count + j] = gsg_lanes_total(&lanes[j]);
    }
}

static void finish_logits(const merge_job *job, float *diff_logits)
{
    const merge *k = job->kernel;
    double product[GSG_MERGE_CANDIDATES] = {0}, mean = 0;
    for (int64_t o = 0; o < k->outer; o++)
        for (int32_t j = 0; j < k->count; j++)
            product[j] += job->products[o * k->count + j];
    for (int32_t j = 0; j < k->count; j++)
        mean += job->p[j] * product[j];
    for (int32_t j = 0; j < GSG_VECTOR_PAD; j++)
        diff_logits[j] = j < k->count ? (float)(job->p[j] * (product[j] - mean)) : 0.0f;
}

static merge_job job_of(const merge *k, float *const *args)
{
    merge_job job = {.kernel = k};
    softmax(args[0], k->count, job.p);
    for (int32_t j = 0; j < k->count; j++)
        job.candidate[j] = args[1 + j];
    return job;
}

static genseg_status forward_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                 gsg_error *err)
{
    const merge *k = (const merge *)self;
    merge_job job = job_of(k, args);
    job.dst = args[1 + k->count];
    gsg_parallel(self->context, k->outer * k->taps[k->count - 1], GRAIN / k->run + 1, forward_runs, &job);
    return GENSEG_OK;
}

static genseg_status backward_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                  gsg_error *err)
{
    const merge *k = (const merge *)self;
    merge_job job = job_of(k, args);
    float *const *diff = args + 2 + k->count;
    job.diff_dst = args[1 + k->count];
    job.products = diff[0] ? scratch : NULL;
    for (int32_t j = 0; j < k->count; j++)
        job.diff[j] = diff[1 + j];
    gsg_parallel(self->context, k->outer, GRAIN / (k->run * k->taps[k->count - 1]) + 1, backward_outer, &job);
    if (diff[0])
        finish_logits(&job, diff[0]);
    return GENSEG_OK;
}

genseg_status gsg_merge_check(int32_t count, const gsg_weights *const *candidates, gsg_error *err)
{
    char a[GSG_SHAPE_TEXT_SIZE], b[GSG_SHAPE_TEXT_SIZE];
    if (count < 1 || count > GSG_MERGE_CANDIDATES)
        return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "%d candidates to merge", count);
    for (int32_t j = 1; j < count; j++) {
        const gsg_weights *w = candidates[j], *before = candidates[j - 1];
        bool fits = w->shape.ndim == before->shape.ndim && w->transposed == before->transposed &&
                    w->block == before->block && w->form == before->form;
        for (int32_t i = 0; fits && i < w->shape.ndim; i++) {
            const int64_t more = w->shape.dims[i] - before->shape.dims[i];
            fits = i < 2 ? more == 0 : more >= 0 && more % 2 == 0;
        }
        if (!fits)
            return gsg_error_set(err, GENSEG_ERROR_SHAPE, "kernels %s and %s do not merge: one lies not in the other",
                                 gsg_shape_text(before->shape, a), gsg_shape_text(w->shape, b));
    }
    return GENSEG_OK;
}

static genseg_status make(gsg_engine *engine, int32_t count, const gsg_weights *const *candidates, const char *name,
                          genseg_status (*run)(const gsg_kernel *, const gsg_run *, float *const *, void *,
                                               gsg_error *),
                          merge **kernel, gsg_error *err)
{
    genseg_status status = gsg_merge_check(count, candidates, err);
    if (status != GENSEG_OK)
        return status;
    merge *k = gsg_kernel_make(engine, sizeof *k, name, run, err);
    if (!k)
        return GENSEG_ERROR_NOMEM;
    k->count = count;
    for (int32_t j = 0; j < count; j++) {
        const gsg_shape shape = candidates[j]->shape;
        const gsg_weights_runs runs = gsg_weights_runs_of(candidates[j]);
        k->outer = runs.outer;
        k->run = runs.run;
        k->taps[j] = runs.taps;
        for (int32_t i = 0; i < 3; i++)
            k->size[j][i] = i + shape.ndim - 3 >= 2 ? shape.dims[i + shape.ndim - 3] : 1;
        k->base.bytes += 4.0 * (double)candidates[j]->count;
    }
    k->base.bytes += 4.0 * (double)candidates[count - 1]->count;
    *kernel = k;
    return GENSEG_OK;
}

genseg_status gsg_merge_forward_new(gsg_engine *engine, int32_t count, const gsg_weights *const *candidates,
                                    gsg_kernel **kernel, gsg_error *err)
{
    merge *made;
    genseg_status status = make(engine, count, candidates, "merge", forward_run, &made, err);
    if (status == GENSEG_OK)
        *kernel = &made->base;
    return status;
}

genseg_status gsg_merge_backward_new(gsg_engine *engine, int32_t count, const gsg_weights *const *candidates,
                                     gsg_kernel **kernel, gsg_error *err)
{
    merge *made;
    genseg_status status = make(engine, count, candidates, "merge backward", backward_run, &made, err);
    if (status != GENSEG_OK)
        return status;
    made->base.scratch = (size_t)(made->outer * count) * sizeof(double);
    made->base.bytes *= 2;
    *kernel = &made->base;
    return GENSEG_OK;
}
