// Surface scores. Both surfaces are marked on a grid over the class's box, one
// distance transform of each gives the distances at the elements of the other, and
// the conventions differ only in what an element is, what it weighs, and how a
// percentile is taken: MONAI 1.x (compute_hausdorff_distance), MedPy 0.5
// (metric.binary), DeepMind's surface-distance 0.1 (Nikolov et al. 2018).
//
// The box needs no margin: what lies around it is background of the class, as is
// what lies around the image, and the nearest element is never outside.
#include "metric/surface.h"

#include <math.h>
#include <stdlib.h>

#include "core/alloc.h"
#include "core/parallel.h"
#include "metric/distance.h"
#include "metric/surface_element.h"

#define GRAIN_VOXELS 16384

typedef struct element {
    double distance; // to the other surface
    double weight;
} element;

// The grid on which surfaces are marked: voxels of the box, or (DeepMind) the
// cells between voxel centres, one more along each axis.
typedef struct marking {
    const gsg_surface_pair *pair;
    const int32_t *labels;
    bool cells;
    int64_t size[3];
    uint8_t *marks; // 0: no surface; else the cell's code, or 1
} marking;

// Whether voxel (z, y, x), counted from the box's corner, is of the class.
GSG_INLINE bool inside(const marking *m, int64_t z, int64_t y, int64_t x)
{
    const gsg_surface_pair *p = m->pair;
    z += p->low[0];
    y += p->low[1];
    x += p->low[2];
    if (z < p->low[0] || y < p->low[1] || x < p->low[2] || z >= p->high[0] || y >= p->high[1] || x >= p->high[2])
        return false;
    return m->labels[(z * p->size[1] + y) * p->size[2] + x] == p->label;
}

// 1 where erosion by face neighbours would take the voxel away.
static uint8_t mark_voxel(const marking *m, int64_t z, int64_t y, int64_t x)
{
    if (!inside(m, z, y, x))
        return 0;
    if (!inside(m, z, y - 1, x) || !inside(m, z, y + 1, x) || !inside(m, z, y, x - 1) || !inside(m, z, y, x + 1))
        return 1;
    return m->pair->ndim == 3 && (!inside(m, z - 1, y, x) || !inside(m, z + 1, y, x));
}

// The code of the cell whose last corner is voxel (z, y, x); 0 where it is full.
static uint8_t mark_cell(const marking *m, int64_t z, int64_t y, int64_t x)
{
    const int32_t corners = m->pair->ndim == 3 ? 8 : 4;
    const int64_t back = m->pair->ndim == 3; // in 2-D both layers are the same one
    uint32_t code = 0;

    for (int32_t c = 0; c < corners; c++)
        code = code << 1 | inside(m, z - (c < 4 ? back : 0), y - (c & 2 ? 0 : 1), x - (c & 1 ? 0 : 1));
    return code == (1u << corners) - 1 ? 0 : (uint8_t)code;
}

static void mark_rows(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    (void)thread;
    const marking *m = arg;

    for (int64_t row = begin; row < end; row++) {
        const int64_t z = row / m->size[1], y = row % m->size[1];
        uint8_t *marks = m->marks + row * m->size[2];
        for (int64_t x = 0; x < m->size[2]; x++)
            marks[x] = m->cells ? mark_cell(m, z, y, x) : mark_voxel(m, z, y, x);
    }
}

static int64_t count_marks(const uint8_t *marks, int64_t count)
{
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++)
        found += marks[i] != 0;
    return found;
}

// The elements of the surface `marks`, with their distances from a map.
static void gather(const uint8_t *marks, int64_t count, const double *squared, const double *weights, element *elements)
{
    for (int64_t i = 0; i < count; i++) {
        if (marks[i]) {
            elements->distance = sqrt(squared[i]);
            elements->weight = weights ? weights[marks[i]] : 1;
            elements++;
        }
    }
}

static int compare_elements(const void *a, const void *b)
{
    const element *p = a, *q = b;
    if (p->distance != q->distance)
        return p->distance < q->distance ? -1 : 1;
    return (p->weight > q->weight) - (p->weight < q->weight);
}

// Between neighbours in rank, as numpy.percentile has it. Elements are sorted.
static double linear_percentile(const element *elements, int64_t count, double percentile)
{
    const double rank = percentile / 100 * (double)(count - 1);
    const int64_t below = (int64_t)rank;
    const double low = elements[below].distance;

    return below + 1 < count ? low + (rank - (double)below) * (elements[below + 1].distance - low) : low;
}

// The first element up to which at least that share of all weight lies.
static double weighted_percentile(const element *elements, int64_t count, double percentile)
{
    double total = 0, sum = 0;

    for (int64_t i = 0; i < count; i++)
        total += elements[i].weight;
    for (int64_t i = 0; i < count; i++) {
        sum += elements[i].weight;
        if (sum / total >= percentile / 100)
            return elements[i].distance;
    }
    return elements[count - 1].distance;
}

// `elements` holds the reference's first, then the prediction's; sorts them.
static void score(element *elements, int64_t reference, int64_t prediction, const genseg_metrics_options *options,
                  gsg_surface_scores *scores)
{
    const int64_t count = reference + prediction;
    double weight = 0, distance = 0, near = 0;

    for (int64_t i = 0; i < count; i++) {
        weight += elements[i].weight;
        distance += elements[i].weight * elements[i].distance;
        near += elements[i].distance <= options->surface_tolerance ? elements[i].weight : 0;
    }
    scores->assd = distance / weight;
    scores->dice = near / weight;
    if (options->convention == GENSEG_CONVENTION_MEDPY) {
        qsort(elements, (size_t)count, sizeof *elements, compare_elements);
        scores->hausdorff = linear_percentile(elements, count, options->percentile);
        return;
    }
    double (*percentile)(const element *, int64_t, double) =
        options->convention == GENSEG_CONVENTION_DEEPMIND ? weighted_percentile : linear_percentile;
    qsort(elements, (size_t)reference, sizeof *elements, compare_elements);
    qsort(elements + reference, (size_t)prediction, sizeof *elements, compare_elements);
    scores->hausdorff = fmax(percentile(elements, reference, options->percentile),
                             percentile(elements + reference, prediction, options->percentile));
}

genseg_status gsg_surface_score(genseg_context *context, const gsg_surface_pair *pair,
                                const genseg_metrics_options *options, gsg_surface_scores *scores, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    marking m = {.pair = pair, .cells = options->convention == GENSEG_CONVENTION_DEEPMIND};
    double areas[GSG_SURFACE_CODES];
    const double *weights = m.cells ? areas : NULL;
    double *squared = NULL;
    element *elements = NULL;

    for (int a = 0; a < 3; a++)
        m.size[a] = pair->high[a] - pair->low[a] + (m.cells && (a > 0 || pair->ndim == 3));
    const int64_t grid = m.size[0] * m.size[1] * m.size[2];
    uint8_t *marks = gsg_alloc(context, (size_t)grid, 2);
    squared = gsg_alloc(context, (size_t)grid, sizeof *squared);
    if (!marks || !squared) {
        status = gsg_error_nomem(err, (size_t)grid * sizeof *squared);
        goto done;
    }
    int64_t counts[2];
    for (int s = 0; s < 2; s++) {
        m.labels = s == 0 ? pair->reference : pair->prediction;
        m.marks = marks + s * grid;
        gsg_parallel(context, m.size[0] * m.size[1], GRAIN_VOXELS / m.size[2] + 1, mark_rows, &m);
        counts[s] = count_marks(m.marks, grid);
    }
    GSG_CHECK(counts[0] > 0 && counts[1] > 0);
    elements = gsg_alloc(context, (size_t)(counts[0] + counts[1]), sizeof *elements);
    if (!elements) {
        status = gsg_error_nomem(err, (size_t)(counts[0] + counts[1]) * sizeof *elements);
        goto done;
    }
    if (m.cells)
        gsg_surface_areas(pair->ndim, options->spacing, areas);
    GSG_TRY(gsg_distance_squared(context, marks + grid, m.size, options->spacing, squared, err));
    gather(marks, grid, squared, weights, elements);
    GSG_TRY(gsg_distance_squared(context, marks, m.size, options->spacing, squared, err));
    gather(marks + grid, grid, squared, weights, elements + counts[0]);
    score(elements, counts[0], counts[1], options, scores);
done:
    gsg_free(context, elements);
    gsg_free(context, squared);
    gsg_free(context, marks);
    return status;
}
