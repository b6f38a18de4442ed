// Walking operands in runs (kernel/walk.h). Operands of one layout collapse to as few
// planes as possible: a whole sample is contiguous, groups count apart only where the
// last one has padding that must stay zero.
#include "kernel/walk.h"

#include <string.h>

int64_t gsg_desc_samples(const gsg_desc *desc)
{
    return desc->shape.ndim > 1 ? desc->shape.dims[0] : 1;
}

int64_t gsg_desc_channels(const gsg_desc *desc)
{
    return desc->shape.ndim > 1 ? desc->shape.dims[1] : 1;
}

int64_t gsg_desc_spatial(const gsg_desc *desc)
{
    return desc->shape.ndim > 1 ? gsg_shape_spatial(desc->shape) : gsg_shape_count(desc->shape);
}

genseg_status gsg_desc_check(const gsg_desc *desc, const char *name, gsg_error *err)
{
    char text[GSG_SHAPE_TEXT_SIZE];
    if (desc->shape.ndim < 0 || desc->shape.ndim > GSG_MAX_NDIM || gsg_shape_count(desc->shape) <= 0)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: shape %s has no elements", name,
                             gsg_shape_text(desc->shape, text));
    if (desc->block != 1 && desc->block != 8 && desc->block != 16)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: block %d is not 1, 8 or 16", name, (int)desc->block);
    if (desc->block != 1 && desc->shape.ndim < 2)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: block %d of a value without channels", name,
                             (int)desc->block);
    int64_t sample = gsg_desc_padded(desc) * gsg_desc_spatial(desc);
    if (gsg_desc_samples(desc) > 1 && desc->batch_stride < sample)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s: batch stride %lld is below the sample's %lld floats", name,
                             (long long)desc->batch_stride, (long long)sample);
    return GENSEG_OK;
}

genseg_status gsg_walk_init(gsg_walk *walk, const char *name, int32_t operands, const gsg_desc *const *descs,
                            gsg_error *err)
{
    const gsg_desc *last = descs[operands - 1];
    gsg_walk made = {.operands = operands, .block = last->block, .spatial = gsg_desc_spatial(last)};
    for (int32_t i = 0; i < operands; ++i) {
        genseg_status status = gsg_desc_check(descs[i], name, err);
        if (status != GENSEG_OK)
            return status;
        if (!gsg_shape_equal(descs[i]->shape, last->shape)) {
            char a[GSG_SHAPE_TEXT_SIZE], b[GSG_SHAPE_TEXT_SIZE];
            return gsg_error_set(err, GENSEG_ERROR_SHAPE, "%s: shapes %s and %s differ", name,
                                 gsg_shape_text(descs[i]->shape, a), gsg_shape_text(last->shape, b));
        }
        made.blocks[i] = descs[i]->block;
        made.strides[i] = descs[i]->batch_stride;
        made.strided |= descs[i]->block != last->block;
    }
    int64_t channels = gsg_desc_channels(last);
    made.lanes = (int32_t)(channels % last->block);
    if (made.strided) {
        made.planes = channels;
        made.length = made.spatial;
        made.run = GSG_WALK_TILE;
    } else if (made.lanes) {
        made.planes = gsg_desc_padded(last) / last->block;
        made.length = made.spatial * last->block;
        made.run = GSG_WALK_RUN;
    } else {
        made.planes = 1;
        made.length = made.spatial * channels;
        made.run = GSG_WALK_RUN;
    }
    made.runs = (made.length + made.run - 1) / made.run;
    made.units = gsg_desc_samples(last) * made.planes * made.runs;
    *walk = made;
    return GENSEG_OK;
}

// One run: pointers of all operands at its start.
typedef struct piece {
    int64_t plane;
    int64_t offset; // in the plane
    int64_t count;
    float *at[GSG_WALK_OPERANDS];
} piece;

// Runs follow each other by sample, plane, place. In strided walks, by sample, group, place, channel of
// the group: the destination's lines are then still in the cache when their next channel is written.
static void locate(const gsg_walk *walk, int64_t unit, float *const *operands, piece *out)
{
    int64_t per_sample = walk->planes * walk->runs;
    int64_t sample = unit / per_sample, rest = unit % per_sample;
    int64_t place;
    if (walk->strided) {
        int64_t first = rest / (16 * walk->runs) * 16;
        int64_t lanes = walk->planes - first < 16 ? walk->planes - first : 16;
        rest -= first * walk->runs;
        place = rest / lanes;
        out->plane = first + rest % lanes;
    } else {
        place = rest % walk->runs;
        out->plane = rest / walk->runs;
    }
    out->offset = place * walk->run;
    out->count = walk->length - out->offset < walk->run ? walk->length - out->offset : walk->run;
    for (int32_t i = 0; i < walk->operands; ++i) {
        float *base = operands[i] + sample * walk->strides[i];
        int32_t block = walk->blocks[i];
        if (walk->strided)
            base += out->plane / block * walk->spatial * block + out->plane % block + out->offset * block;
        else
            base += out->plane * walk->length + out->offset;
        out->at[i] = base;
    }
}

static void gather(float *restrict dst, const float *restrict src, int64_t count, int32_t stride)
{
    for (int64_t i = 0; i < count; ++i)
        dst[i] = src[i * stride];
}

static void scatter(float *restrict dst, const float *restrict src, int64_t count, int32_t stride)
{
    for (int64_t i = 0; i < count; ++i)
        dst[i * stride] = src[i];
}

// Zero in lanes `first` and up of `count` voxels.
static void clean(float *group, int64_t count, int32_t block, int32_t first)
{
    for (int64_t i = 0; i < count; ++i)
        for (int32_t lane = first; lane < block; ++lane)
            group[i * block + lane] = 0.0f;
}

typedef struct apply_job {
    const gsg_walk *walk;
    gsg_run_fn fn;
    const float *parameters;
    float *const *operands;
} apply_job;

static void apply_strided(const apply_job *job, piece *r)
{
    const gsg_walk *walk = job->walk;
    int32_t last = walk->operands - 1;
    float tile[GSG_WALK_OPERANDS][GSG_WALK_TILE];
    float *at[GSG_WALK_OPERANDS];
    for (int32_t i = 0; i <= last; ++i) {
        at[i] = r->at[i];
        if (walk->blocks[i] == 1)
            continue;
        at[i] = tile[i];
        if (i < last)
            gather(tile[i], r->at[i], r->count, walk->blocks[i]);
    }
    job->fn(job->parameters, r->count, at);
    if (walk->block == 1)
        return;
    scatter(r->at[last], tile[last], r->count, walk->block);
    if (walk->lanes && r->plane == walk->planes - 1)
        clean(r->at[last] - (walk->lanes - 1), r->count, walk->block, walk->lanes);
}

static void apply_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const apply_job *job = arg;
    const gsg_walk *walk = job->walk;
    for (int64_t unit = begin; unit < end; ++unit) {
        piece r;
        locate(walk, unit, job->operands, &r);
        if (walk->strided) {
            apply_strided(job, &r);
            continue;
        }
        job->fn(job->parameters, r.count, r.at);
        if (walk->lanes && r.plane == walk->planes - 1)
            clean(r.at[walk->operands - 1], r.count / walk->block, walk->block, walk->lanes);
    }
}

// Fewer floats than this are not worth waking a thread.
static int64_t grain(const gsg_walk *walk)
{
    int64_t length = walk->length < walk->run ? walk->length : walk->run;
    return 8192 / length + 1;
}

void gsg_walk_apply(const genseg_context *context, const gsg_walk *walk, gsg_run_fn fn, const float *parameters,
                    float *const *operands)
{
    apply_job job = {walk, fn, parameters, operands};
    gsg_parallel(context, walk->units, grain(walk), apply_range, &job);
}

typedef struct sum_job {
    const gsg_walk *walk;
    gsg_sum_fn fn;
    float *const *operands;
    double *partial;
} sum_job;

static void sum_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const sum_job *job = arg;
    const gsg_walk *walk = job->walk;
    float tile[GSG_WALK_OPERANDS][GSG_WALK_TILE];
    for (int64_t unit = begin; unit < end; ++unit) {
        piece r;
        locate(walk, unit, job->operands, &r);
        for (int32_t i = 0; walk->strided && i < walk->operands; ++i) {
            if (walk->blocks[i] == 1)
                continue;
            gather(tile[i], r.at[i], r.count, walk->blocks[i]);
            r.at[i] = tile[i];
        }
        job->partial[unit] = job->fn(r.count, r.at);
    }
}

double gsg_walk_sum(const genseg_context *context, const gsg_walk *walk, gsg_sum_fn fn, float *const *operands,
                    double *partial)
{
    sum_job job = {walk, fn, operands, partial};
    gsg_parallel(context, walk->units, grain(walk), sum_range, &job);
    double sum = 0.0;
    for (int64_t unit = 0; unit < walk->units; ++unit)
        sum += partial[unit];
    return sum;
}

typedef struct elementwise {
    gsg_kernel base;
    gsg_walk walk;
    gsg_elementwise operation;
} elementwise;

static genseg_status elementwise_run(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                                     gsg_error *err)
{
    const elementwise *kernel = (const elementwise *)self;
    const gsg_elementwise *operation = &kernel->operation;
    float parameters[2] = {operation->constant, operation->parameter};
    if (operation->scalar >= 0 && args[operation->scalar])
        parameters[0] *= *args[operation->scalar];
    float *operands[GSG_WALK_OPERANDS] = {NULL};
    for (int32_t i = 0; i < operation->operands; ++i)
        operands[i] = args[operation->map[i]];
    gsg_walk_apply(self->context, &kernel->walk, operation->fn, parameters, operands);
    return GENSEG_OK;
}

genseg_status gsg_elementwise_new(gsg_engine *engine, const gsg_elementwise *operation, const gsg_desc *const *descs,
                                  gsg_kernel **kernel, gsg_error *err)
{
    gsg_walk walk;
    genseg_status status = gsg_walk_init(&walk, operation->name, operation->operands, descs, err);
    if (status != GENSEG_OK)
        return status;
    elementwise *made = gsg_kernel_make(engine, sizeof *made, operation->name, elementwise_run, err);
    if (!made)
        return GENSEG_ERROR_NOMEM;
    made->walk = walk;
    made->operation = *operation;
    made->base.bytes = 4.0 * (double)gsg_shape_count(descs[0]->shape) * operation->operands;
    *kernel = &made->base;
    return GENSEG_OK;
}
