// The sampler. Sample n of step s is number s * batch + n of an endless row of
// shuffled epochs; its place and augmentation are drawn from its number alone.
#include "data/batch.h"

#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"
#include "core/parallel.h"

// Voxels remembered for each class of a case: enough to draw from, and a volume
// of 10^8 voxels costs no more than a small one.
#define REMEMBERED 8192

struct gsg_sampler {
    genseg_context *context;
    gsg_sampler_options options;
    const gsg_volume *cases;
    int64_t count;
    int64_t *order;  // of the cases in `epoch`
    int64_t epoch;   // -1: none yet
    int64_t *voxels; // places of foreground, by case and class
    int64_t *starts; // count * classes + 1 positions in `voxels`
    gsg_warp warp;
    float *scratch;
};

void gsg_sampler_defaults(gsg_sampler_options *options)
{
    memset(options, 0, sizeof *options);
    options->batch = 2;
    options->classes = 2;
    options->foreground = 1.0 / 3;
    options->seed = 1;
    gsg_augment_defaults(&options->augment);
}

static genseg_status check_options(const gsg_sampler_options *options, gsg_error *err)
{
    if (options->batch < 1)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "batch is %lld", (long long)options->batch);
    if (options->classes < 1)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "classes is %d", (int)options->classes);
    if (!(options->foreground >= 0 && options->foreground <= 1))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "chance of foreground is %g", options->foreground);
    for (int32_t a = 0; a < 3; a++)
        if (options->size[a] < 1)
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "patch size is %lld along axis %d",
                                 (long long)options->size[a], (int)a);
    return gsg_augment_check(&options->augment, err);
}

static genseg_status check_case(const gsg_sampler_options *options, const gsg_volume *cases, int64_t index,
                                gsg_error *err)
{
    const gsg_volume *volume = &cases[index];
    if (volume->image == NULL || volume->label == NULL)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "training case %lld has no %s", (long long)index,
                             volume->image == NULL ? "image" : "label");
    if (volume->ndim != cases[0].ndim || volume->channels != cases[0].channels)
        return gsg_error_set(
            err, GENSEG_ERROR_SHAPE, "training case %lld has %d dimensions and %d channels, the first has %d and %d",
            (long long)index, (int)volume->ndim, (int)volume->channels, (int)cases[0].ndim, (int)cases[0].channels);
    int64_t voxels = gsg_volume_count(volume);
    for (int64_t i = 0; i < voxels; i++)
        if (volume->label[i] < 0 || volume->label[i] >= options->classes)
            return gsg_error_set(err, GENSEG_ERROR_INVALID,
                                 "training case %lld: label %d at voxel %lld, classes are %d", (long long)index,
                                 (int)volume->label[i], (long long)i, (int)options->classes);
    return GENSEG_OK;
}

int64_t gsg_sampler_remembered(int64_t voxels)
{
    return voxels < REMEMBERED ? voxels : REMEMBERED;
}

// How many voxels each class of each case remembers, as running sums.
static void count_foreground(gsg_sampler *sampler)
{
    int32_t classes = sampler->options.classes;
    int64_t *starts = sampler->starts;
    for (int64_t c = 0; c < sampler->count; c++) {
        const gsg_volume *volume = &sampler->cases[c];
        int64_t *counts = starts + c * classes + 1, voxels = gsg_volume_count(volume);
        for (int64_t i = 0; i < voxels; i++)
            counts[volume->label[i]]++;
        counts[0] = 0; // background is what uniform patches are for
    }
    for (int64_t i = 1; i <= sampler->count * classes; i++)
        starts[i] = starts[i - 1] + gsg_sampler_remembered(starts[i]);
}

// Keeps voxels evenly over each class. `seen` and `totals` hold a number a class.
static void collect_foreground(gsg_sampler *sampler, int64_t *seen, int64_t *totals)
{
    int32_t classes = sampler->options.classes;
    for (int64_t c = 0; c < sampler->count; c++) {
        const gsg_volume *volume = &sampler->cases[c];
        const int64_t *starts = sampler->starts + c * classes;
        int64_t voxels = gsg_volume_count(volume);
        memset(seen, 0, (size_t)classes * sizeof *seen);
        memset(totals, 0, (size_t)classes * sizeof *totals);
        for (int64_t i = 0; i < voxels; i++)
            totals[volume->label[i]]++;
        for (int64_t i = 0; i < voxels; i++) {
            int32_t k = volume->label[i];
            int64_t kept = starts[k + 1] - starts[k];
            if (kept == 0)
                continue;
            // Voxel number n goes where floor(n * kept / total) first grows.
            int64_t n = seen[k]++;
            int64_t place = (int64_t)((double)n * (double)kept / (double)totals[k]);
            int64_t before = n == 0 ? -1 : (int64_t)((double)(n - 1) * (double)kept / (double)totals[k]);
            if (place > before && place < kept)
                sampler->voxels[starts[k] + place] = i;
        }
    }
}

static genseg_status index_foreground(gsg_sampler *sampler, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    genseg_context *context = sampler->context;
    size_t classes = (size_t)sampler->options.classes, cells = 0;
    int64_t *work = gsg_alloc(context, classes, 2 * sizeof *work);
    if (gsg_multiply((size_t)sampler->count, classes, &cells))
        sampler->starts = gsg_alloc_zero(context, cells + 1, sizeof *sampler->starts);
    if (work == NULL || sampler->starts == NULL)
        GSG_TRY(gsg_error_nomem(err, (cells + 1 + 2 * classes) * sizeof *sampler->starts));
    count_foreground(sampler);
    size_t remembered = (size_t)sampler->starts[cells];
    sampler->voxels = gsg_alloc(context, remembered, sizeof *sampler->voxels);
    if (sampler->voxels == NULL)
        GSG_TRY(gsg_error_nomem(err, remembered * sizeof *sampler->voxels));
    collect_foreground(sampler, work, work + classes);
done:
    gsg_free(context, work);
    return status;
}

uint64_t gsg_sampler_bytes(const genseg_context *context, const gsg_sampler_options *options, int64_t count,
                           int64_t remembered)
{
    const uint64_t blocks = 6, header = 64, places = (uint64_t)count * (uint64_t)options->classes + 1;
    return sizeof(gsg_sampler) + blocks * header + (uint64_t)gsg_warp_scratch(context, options->size) * sizeof(float) +
           ((uint64_t)count + places + 2 * (uint64_t)options->classes + (uint64_t)remembered) * sizeof(int64_t);
}

genseg_status gsg_sampler_new(genseg_context *context, const gsg_volume *cases, int64_t count,
                              const gsg_sampler_options *options, gsg_sampler **sampler, gsg_error *err)
{
    genseg_status status = check_options(options, err);
    if (status != GENSEG_OK)
        return status;
    if (count < 1)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "there is no training case");
    for (int64_t c = 0; c < count && status == GENSEG_OK; c++)
        status = check_case(options, cases, c, err);
    if (status != GENSEG_OK)
        return status;

    gsg_sampler *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (made == NULL)
        return gsg_error_nomem(err, sizeof *made);
    made->context = context;
    made->options = *options;
    made->cases = cases;
    made->count = count;
    made->epoch = -1;
    size_t floats = (size_t)gsg_warp_scratch(context, options->size);
    made->order = gsg_alloc(context, (size_t)count, sizeof *made->order);
    made->scratch = gsg_alloc(context, floats, sizeof *made->scratch);
    if (made->order == NULL || made->scratch == NULL)
        GSG_TRY(gsg_error_nomem(err, floats * sizeof *made->scratch + (size_t)count * sizeof *made->order));
    GSG_TRY(index_foreground(made, err));
    *sampler = made;
    return GENSEG_OK;
done:
    gsg_sampler_free(made);
    return status;
}

void gsg_sampler_free(gsg_sampler *sampler)
{
    if (sampler == NULL)
        return;
    genseg_context *context = sampler->context;
    gsg_free(context, sampler->order);
    gsg_free(context, sampler->voxels);
    gsg_free(context, sampler->starts);
    gsg_free(context, sampler->scratch);
    gsg_free(context, sampler);
}

int64_t gsg_sampler_epoch_steps(const gsg_sampler *sampler)
{
    return (sampler->count + sampler->options.batch - 1) / sampler->options.batch;
}

// The case that sample `number` shows.
static int64_t choose_case(gsg_sampler *sampler, int64_t number)
{
    int64_t epoch = number / sampler->count;
    if (epoch != sampler->epoch) {
        for (int64_t c = 0; c < sampler->count; c++)
            sampler->order[c] = c;
        gsg_rng rng;
        gsg_rng_init(&rng, sampler->options.seed, GSG_STREAM_BATCH, (uint64_t)epoch);
        gsg_rng_shuffle(&rng, sampler->order, sampler->count);
        sampler->epoch = epoch;
    }
    return sampler->order[number % sampler->count];
}

// A remembered voxel of a foreground class that the case has, or -1.
static int64_t choose_voxel(const gsg_sampler *sampler, int64_t index, gsg_rng *rng)
{
    int32_t classes = sampler->options.classes, present = 0;
    const int64_t *starts = sampler->starts + index * classes;
    for (int32_t k = 1; k < classes; k++)
        present += starts[k + 1] > starts[k];
    double chance = gsg_rng_uniform(rng);
    int64_t wanted = gsg_rng_below(rng, present);
    if (present == 0 || chance >= sampler->options.foreground)
        return -1;
    for (int32_t k = 1; k < classes; k++)
        if (starts[k + 1] > starts[k] && wanted-- == 0)
            return sampler->voxels[starts[k] + gsg_rng_below(rng, starts[k + 1] - starts[k])];
    return -1;
}

// Middle of the patch: whole voxels are cut, and where the volume is large enough
// the patch stays inside.
static void choose_centre(const gsg_sampler *sampler, int64_t index, gsg_rng *rng, double centre[3])
{
    const gsg_volume *volume = &sampler->cases[index];
    const int64_t *size = sampler->options.size;
    int64_t voxel = choose_voxel(sampler, index, rng), place[3];
    place[2] = voxel % volume->size[2];
    place[1] = voxel / volume->size[2] % volume->size[1];
    place[0] = voxel / volume->size[2] / volume->size[1];
    for (int32_t a = 0; a < 3; a++) {
        int64_t room = volume->size[a] - size[a], begin;
        int64_t anywhere = gsg_rng_below(rng, room > 0 ? room + 1 : 1);
        if (room <= 0) // in the middle
            begin = -((1 - room) / 2);
        else if (voxel >= 0)
            begin = place[a] - size[a] / 2 < 0 ? 0 : place[a] - size[a] / 2;
        else
            begin = anywhere;
        begin = room > 0 && begin > room ? room : begin;
        centre[a] = (double)begin + (double)(size[a] - 1) / 2;
    }
}

genseg_status gsg_sampler_next(gsg_sampler *sampler, int64_t step, float *image, int32_t *label, gsg_error *err)
{
    const gsg_sampler_options *options = &sampler->options;
    if (step < 0)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "step is %lld", (long long)step);
    int64_t spatial = options->size[0] * options->size[1] * options->size[2];
    for (int64_t n = 0; n < options->batch; n++) {
        int64_t number = step * options->batch + n;
        int64_t index = choose_case(sampler, number);
        const gsg_volume *volume = &sampler->cases[index];
        gsg_rng rng;
        gsg_rng_init(&rng, options->seed, GSG_STREAM_AUGMENT, (uint64_t)number);
        double centre[3];
        choose_centre(sampler, index, &rng, centre);
        gsg_augment_draw(&options->augment, volume->geometry.spacing, options->size, centre, &rng, &sampler->warp);
        gsg_warp_apply(sampler->context, &sampler->warp, volume, options->size, image + n * volume->channels * spatial,
                       label + n * spatial, sampler->scratch);
    }
    return GENSEG_OK;
}

int64_t gsg_sampler_case(gsg_sampler *sampler, int64_t step, int64_t n)
{
    return choose_case(sampler, step * sampler->options.batch + n);
}

typedef struct cut_job {
    const gsg_volume *volume;
    const int64_t *origin;
    const int64_t *size;
    float *image;
    int32_t *label;
} cut_job;

static int64_t clamp_index(int64_t i, int64_t count)
{
    return i < 0 ? 0 : (i < count ? i : count - 1);
}

// Rows of all channels of the image, then those of the label; floats and labels
// are both 4 bytes and only moved.
static void cut_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const cut_job *job = arg;
    const gsg_volume *volume = job->volume;
    const int64_t *held = volume->size, *size = job->size;
    int64_t planes = job->image != NULL ? volume->channels : 0, width = size[2], from = job->origin[2];
    int64_t inner_begin = clamp_index(-from, width + 1), inner_end = clamp_index(held[2] - from, width + 1);
    for (int64_t r = begin; r < end; r++) {
        int64_t plane = r / (size[0] * size[1]);
        int64_t d = clamp_index(job->origin[0] + r / size[1] % size[0], held[0]);
        int64_t h = clamp_index(job->origin[1] + r % size[1], held[1]);
        bool labels = plane >= planes;
        const uint32_t *src = labels ? (const void *)volume->label : (const void *)volume->image;
        uint32_t *dst = labels ? (void *)job->label : (void *)job->image;
        src += (((labels ? 0 : plane) * held[0] + d) * held[1] + h) * held[2];
        dst += (r - (labels ? planes * size[0] * size[1] : 0)) * width;
        for (int64_t x = 0; x < inner_begin; x++)
            memcpy(dst + x, src + clamp_index(from + x, held[2]), sizeof *dst);
        if (inner_end > inner_begin)
            memcpy(dst + inner_begin, src + from + inner_begin, (size_t)(inner_end - inner_begin) * sizeof *dst);
        for (int64_t x = inner_end > inner_begin ? inner_end : inner_begin; x < width; x++)
            memcpy(dst + x, src + held[2] - 1, sizeof *dst);
    }
}

void gsg_patch_cut(const genseg_context *context, const gsg_volume *volume, const int64_t origin[3],
                   const int64_t size[3], float *image, int32_t *label)
{
    cut_job job = {volume, origin, size, image, volume->label != NULL ? label : NULL};
    int64_t planes = (image != NULL ? volume->channels : 0) + (job.label != NULL ? 1 : 0);
    gsg_parallel(context, planes * size[0] * size[1], 64, cut_rows, &job);
}

typedef struct onehot_job {
    const int32_t *label;
    float *dst;
    int64_t channels;
    int64_t spatial;
} onehot_job;

GSG_SIMD static void mark_class(const int32_t *GSG_RESTRICT label, float *GSG_RESTRICT dst, int64_t count,
                                int32_t wanted)
{
    for (int64_t i = 0; i < count; i++)
        dst[i] = label[i] == wanted ? 1.0f : 0.0f;
}

GSG_SIMD static void mark_foreground(const int32_t *GSG_RESTRICT label, float *GSG_RESTRICT dst, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        dst[i] = label[i] > 0 ? 1.0f : 0.0f;
}

static void onehot_planes(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const onehot_job *job = arg;
    for (int64_t p = begin; p < end; p++) {
        const int32_t *label = job->label + p / job->channels * job->spatial;
        float *dst = job->dst + p * job->spatial;
        if (job->channels == 1)
            mark_foreground(label, dst, job->spatial);
        else
            mark_class(label, dst, job->spatial, (int32_t)(p % job->channels));
    }
}

void gsg_labels_to_onehot(const genseg_context *context, const int32_t *label, int64_t batch, int64_t channels,
                          int64_t spatial, float *dst)
{
    onehot_job job = {label, dst, channels, spatial};
    gsg_parallel(context, batch * channels, 1, onehot_planes, &job);
}
