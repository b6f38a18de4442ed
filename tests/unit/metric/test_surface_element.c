// All patterns of a cell against the tables of the surface-distance package.
#include "metric/surface_element.h"

#include <math.h>

#include "../golden_json.h"
#include "faults.h"

static void compare(int32_t ndim, const char *spacing_key, const char *areas_key, size_t codes)
{
    json_t *root = golden_load("metrics.json");
    json_t *given = golden_get(root, spacing_key), *expected = golden_get(root, areas_key);
    double spacing[3] = {1, 1, 1}, areas[GSG_SURFACE_CODES];

    ck_assert_uint_eq(json_array_size(expected), codes);
    for (int32_t a = 0; a < ndim; a++)
        spacing[3 - ndim + a] = json_number_value(json_array_get(given, (size_t)a));
    gsg_surface_areas(ndim, spacing, areas);
    for (size_t code = 0; code < codes; code++) {
        const double e = json_number_value(json_array_get(expected, code));
        ck_assert_msg(fabs(areas[code] - e) < 1e-9, "code %zu: %.12g, expected %.12g", code, areas[code], e);
    }
    json_decref(root);
}

START_TEST(test_areas)
{
    compare(3, "area_spacing", "areas", 256);
}
END_TEST

START_TEST(test_lengths)
{
    compare(2, "length_spacing", "lengths", 16);
}
END_TEST

// Scaling every axis by f scales areas by f squared and lengths by f.
START_TEST(test_scale)
{
    const double small[3] = {1, 0.5, 2}, large[3] = {3, 1.5, 6};
    double a[GSG_SURFACE_CODES], b[GSG_SURFACE_CODES];
    for (int32_t ndim = 2; ndim <= 3; ndim++) {
        gsg_surface_areas(ndim, small, a);
        gsg_surface_areas(ndim, large, b);
        for (int code = 0; code < GSG_SURFACE_CODES; code++)
            ck_assert_double_eq_tol(b[code], a[code] * (ndim == 3 ? 9 : 3), 1e-12);
    }
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("surface_element");
    tcase_add_test(tests, test_areas);
    tcase_add_test(tests, test_lengths);
    tcase_add_test(tests, test_scale);
    RUN_TESTS(tests);
}
