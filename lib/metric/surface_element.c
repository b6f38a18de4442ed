// Marching cubes (Lorensen and Cline 1987) without its tables. What decides the
// area is which corners of a cell are inside. If more than half are, outside and
// inside change places. The rest falls into pieces connected by edges of the cell,
// and each piece is cut off by its own surface through the middles of the edges
// that leave it, bulging outwards where it cannot be flat. Up to rotation there are
// only six pieces, so their area vectors (normal times area, for unit spacing) can
// be written down; the test compares all 256 sums with those of surface-distance.
#include "metric/surface_element.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

typedef struct piece {
    int32_t corners;
    int32_t edges;    // inside the piece
    int32_t along[3]; // of these, along each axis
    int32_t most;     // edges at its best connected corner
    bool inner[3];    // axes of edges between two corners that have two edges each
} piece;

static int32_t count_bits(uint32_t bits)
{
    int32_t count = 0;
    for (; bits; bits &= bits - 1)
        count++;
    return count;
}

// Corner c and corner c ^ (4 >> axis) are the ends of an edge along `axis`.
static uint32_t neighbours(uint32_t set, int32_t corner)
{
    uint32_t found = 0;
    for (int32_t axis = 0; axis < 3; axis++)
        found |= set & (1u << (corner ^ (4 >> axis)));
    return found;
}

// Removes the piece that holds the lowest corner from `set`.
static uint32_t take_piece(uint32_t *set)
{
    uint32_t found = *set & (0u - *set), before = 0;

    while (found != before) {
        before = found;
        for (int32_t c = 0; c < 8; c++)
            if (before >> c & 1)
                found |= neighbours(*set, c);
    }
    *set &= ~found;
    return found;
}

static piece describe(uint32_t set)
{
    piece p = {.corners = count_bits(set)};

    for (int32_t c = 0; c < 8; c++) {
        if (!(set >> c & 1))
            continue;
        const int32_t degree = count_bits(neighbours(set, c));
        p.most = degree > p.most ? degree : p.most;
        for (int32_t axis = 0; axis < 3; axis++) {
            const int32_t other = c ^ (4 >> axis);
            if (other < c || !(set >> other & 1))
                continue;
            p.edges++;
            p.along[axis]++;
            p.inner[axis] = degree == 2 && count_bits(neighbours(set, other)) == 2;
        }
    }
    return p;
}

// Area of the vector (x, y, z) of unit spacing in a cell of this spacing.
static double area(const double spacing[3], double x, double y, double z)
{
    const double a = x * spacing[1] * spacing[2], b = y * spacing[0] * spacing[2], c = z * spacing[0] * spacing[1];
    return sqrt(a * a + b * b + c * c);
}

// The vector with `other` along all axes but those that `skip` has.
static double area_without(const double spacing[3], double other, const int32_t skip[3])
{
    return area(spacing, skip[0] ? 0 : other, skip[1] ? 0 : other, skip[2] ? 0 : other);
}

static double piece_area(const double spacing[3], const piece *p)
{
    if (p->corners == 1) // a triangle
        return area(spacing, 0.125, 0.125, 0.125);
    if (p->corners == 2) // a rectangle along the edge
        return area_without(spacing, 0.5, p->along);
    if (p->corners == 3) // an L: half a face over it, and a trapezium across its two open sides
        return area_without(spacing, 0.5, p->along) + area(spacing, 0.375, 0.375, 0.375);
    if (p->edges == 4) // a face, seen from the one axis without an edge
        return area_without(spacing, 1, p->along);
    if (p->most == 3) // a corner and its neighbours: a regular hexagon
        return area(spacing, 0.75, 0.75, 0.75);
    // A path along three axes: two triangles over its ends, two in the middle.
    double sum = area(spacing, 0.5, 0.5, 0.5);
    for (int32_t axis = 0; axis < 3; axis++) {
        const int32_t end[3] = {axis == 0, axis == 1, axis == 2};
        if (!p->inner[axis])
            sum += area_without(spacing, 0.25, end);
    }
    return sum;
}

static double cell_area(const double spacing[3], uint32_t code)
{
    uint32_t set = 0;
    double sum = 0;

    for (int32_t c = 0; c < 8; c++)
        set |= (code >> (7 - c) & 1u) << c;
    if (count_bits(set) > 4)
        set = ~set & 0xFFu;
    while (set) {
        const piece p = describe(take_piece(&set));
        sum += piece_area(spacing, &p);
    }
    return sum;
}

// In 2-D a lone corner is cut off diagonally, and a pair along its edge.
static double cell_length(const double spacing[3], uint32_t code)
{
    const double half_diagonal = 0.5 * sqrt(spacing[1] * spacing[1] + spacing[2] * spacing[2]);
    const int32_t inside = count_bits(code);

    if (inside == 0 || inside == 4)
        return 0;
    if (inside != 2)
        return half_diagonal;
    if (code == 3 || code == 12)
        return spacing[2];
    return code == 5 || code == 10 ? spacing[1] : 2 * half_diagonal;
}

void gsg_surface_areas(int32_t ndim, const double spacing[3], double areas[GSG_SURFACE_CODES])
{
    memset(areas, 0, GSG_SURFACE_CODES * sizeof *areas);
    for (uint32_t code = 0; code < (ndim == 3 ? 256u : 16u); code++)
        areas[code] = ndim == 3 ? cell_area(spacing, code) : cell_length(spacing, code);
}
