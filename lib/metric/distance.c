// Distance transform by axes: two sweeps along the first, then lower envelopes
// of parabolas along the others (Felzenszwalb and Huttenlocher, Distance
// Transforms of Sampled Functions, Theory of Computing 8, 2012). Exact, linear in
// the number of voxels. Axes are summed in ascending order in double precision,
// so that comparisons with a tolerance come out as in SciPy.
#include "metric/distance.h"

#include <math.h>

#include "core/alloc.h"
#include "core/parallel.h"

#define GRAIN_VOXELS 16384

typedef struct transform {
    const uint8_t *mask;
    const int64_t *size;
    const double *spacing;
    double *squared;
    int axis;
    int64_t longest; // of the axes that envelopes run along
    double *scratch; // 3 x longest + 1 for each thread
} transform;

GSG_SIMD static void sweep_columns(const transform *t, int64_t begin, int64_t end)
{
    const int64_t depth = t->size[0], plane = t->size[1] * t->size[2];
    const double spacing = t->spacing[0];

    for (int64_t c = begin; c < end; c++)
        t->squared[c] = t->mask[c] ? 0 : (double)INFINITY;
    for (int64_t z = 1; z < depth; z++) {
        const uint8_t *mask = t->mask + z * plane;
        double *here = t->squared + z * plane;
        for (int64_t c = begin; c < end; c++)
            here[c] = mask[c] ? 0 : here[c - plane] + 1;
    }
    for (int64_t z = depth - 2; z >= 0; z--) {
        double *here = t->squared + z * plane;
        for (int64_t c = begin; c < end; c++)
            here[c] = here[c] < here[c + plane] + 1 ? here[c] : here[c + plane] + 1;
    }
    for (int64_t z = 0; z < depth; z++) {
        double *here = t->squared + z * plane;
        for (int64_t c = begin; c < end; c++)
            here[c] = (here[c] * spacing) * (here[c] * spacing);
    }
}

static void sweep_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    (void)thread;
    sweep_columns(arg, begin, end);
}

// One line in place. `height` and `start` are scratch, `apex` too: the parabola
// from apex[j] is the lowest from start[j] to start[j + 1].
static void envelope(double *line, int64_t count, int64_t stride, double spacing, double *height, double *apex,
                     double *start)
{
    int64_t top = -1;

    for (int64_t q = 0; q < count; q++) {
        height[q] = line[q * stride];
        if (isinf(height[q]))
            continue;
        const double at = (double)q * spacing;
        double cut = -(double)INFINITY;
        for (; top >= 0; top--) {
            const double before = apex[top] * spacing;
            cut = ((height[q] + at * at) - (height[(int64_t)apex[top]] + before * before)) / (2 * (at - before));
            if (cut > start[top])
                break;
        }
        top++;
        apex[top] = (double)q;
        start[top] = top > 0 ? cut : -(double)INFINITY;
    }
    if (top < 0)
        return;
    int64_t j = 0;
    for (int64_t q = 0; q < count; q++) {
        while (j < top && start[j + 1] < (double)q * spacing)
            j++;
        const double away = ((double)q - apex[j]) * spacing;
        line[q * stride] = height[(int64_t)apex[j]] + away * away;
    }
}

// Lines are counted over the other two axes, the last one fastest.
static void envelope_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const transform *t = arg;
    const int64_t height = t->size[1], width = t->size[2];
    double *scratch = t->scratch + thread * (3 * t->longest + 1);

    for (int64_t i = begin; i < end; i++) {
        double *line = t->axis == 2 ? t->squared + i * width : t->squared + i / width * height * width + i % width;
        envelope(line, t->size[t->axis], t->axis == 2 ? 1 : width, t->spacing[t->axis], scratch, scratch + t->longest,
                 scratch + 2 * t->longest);
    }
}

genseg_status gsg_distance_squared(genseg_context *context, const uint8_t *mask, const int64_t size[3],
                                   const double spacing[3], double *squared, gsg_error *err)
{
    transform t = {.mask = mask, .size = size, .spacing = spacing, .squared = squared};
    const size_t threads = (size_t)gsg_parallel_threads(context);

    t.longest = size[1] > size[2] ? size[1] : size[2];
    const size_t scratch = threads * (size_t)(3 * t.longest + 1);
    t.scratch = gsg_alloc(context, scratch, sizeof *t.scratch);
    if (!t.scratch)
        return gsg_error_nomem(err, scratch * sizeof *t.scratch);
    gsg_parallel(context, size[1] * size[2], GRAIN_VOXELS / size[0] + 1, sweep_range, &t);
    for (t.axis = 1; t.axis <= 2; t.axis++) {
        const int64_t lines = t.axis == 2 ? size[0] * size[1] : size[0] * size[2];
        gsg_parallel(context, lines, GRAIN_VOXELS / size[t.axis] + 1, envelope_range, &t);
    }
    gsg_free(context, t.scratch);
    return GENSEG_OK;
}
