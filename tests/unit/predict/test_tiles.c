// Places and weights of tiles, and the schedule of streaming, against rules
// written out once more.
#include "predict/tiles.h"

#include <math.h>

#include "core/alloc.h"
#include "data/batch.h"
#include "data/resample.h"
#include "faults.h"

static genseg_context *context_with(int32_t threads)
{
    genseg_context_options options = {.struct_size = sizeof options, .threads = threads, .seed = 1};
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    return context;
}

static void context_close(genseg_context *context)
{
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}

static const double overlaps[] = {0, 0.25, 0.5, 0.75, 0.9};
static const int64_t tiles[] = {1, 2, 4, 7, 16, 33};

START_TEST(places_by_hand)
{
    static const struct {
        int64_t size, tile;
        double overlap;
        int64_t count, origins[12];
    } cases[] = {
        {10, 4, 0.5, 4, {0, 2, 4, 6}},
        {11, 4, 0.5, 5, {0, 2, 4, 5, 7}}, // 1.75 apart
        {300, 256, 0.5, 2, {0, 44}},
        {64, 64, 0.5, 1, {0}},
        {65, 64, 0.5, 2, {0, 1}},
        {61, 64, 0.5, 1, {-2}},
        {60, 64, 0, 1, {-2}},
        {128, 64, 0, 2, {0, 64}},
        {100, 10, 0.9, 12, {0}}, // checked to be 91 below
        {6, 2, 0.9, 5, {0, 1, 2, 3, 4}},
    };
    genseg_context *context = context_with(1);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        gsg_tile_axis axis;
        ck_assert_int_eq(gsg_tile_axis_new(context, cases[c].size, cases[c].tile, cases[c].overlap, &axis, NULL),
                         GENSEG_OK);
        if (cases[c].size == 100) {
            ck_assert_int_eq(axis.count, 91); // every voxel, not 92 by rounding
        } else {
            ck_assert_int_eq(axis.count, cases[c].count);
            for (int64_t t = 0; t < axis.count; t++)
                ck_assert_int_eq(axis.origins[t], cases[c].origins[t]);
        }
        gsg_tile_axis_free(context, &axis);
    }
    context_close(context);
}
END_TEST

static double bell(int64_t i, int64_t tile)
{
    double sigma = (double)tile / 8, x = (double)i - ((double)tile - 1) / 2;
    return exp(-x * x / (2 * sigma * sigma));
}

static void check_axis(genseg_context *context, int64_t size, int64_t tile, double overlap)
{
    gsg_tile_axis axis;
    ck_assert_int_eq(gsg_tile_axis_new(context, size, tile, overlap, &axis, NULL), GENSEG_OK);
    ck_assert_int_eq(axis.size, size);
    ck_assert_int_eq(axis.tile, tile);
    if (size <= tile) {
        ck_assert_int_eq(axis.count, 1);
    } else {
        ck_assert_int_eq(axis.origins[0], 0);
        ck_assert_int_eq(axis.origins[axis.count - 1], size - tile);
    }
    double *sums = gsg_alloc_zero(context, (size_t)size, 2 * sizeof *sums);
    for (int64_t t = 0; t < axis.count; t++) {
        if (t > 0) {
            int64_t apart = axis.origins[t] - axis.origins[t - 1];
            // Rounding may take one voxel of the overlap.
            ck_assert(apart >= 1 && (double)apart <= fmax(1, ceil((double)tile * (1 - overlap) - 1e-9)));
        }
        for (int64_t i = 0; i < tile; i++) {
            int64_t voxel = axis.origins[t] + i;
            if (voxel >= 0 && voxel < size) {
                sums[voxel] += bell(i, tile);
                sums[size + voxel] += (double)axis.weights[t * tile + i];
            }
        }
    }
    for (int64_t t = 0; t < axis.count; t++) {
        int64_t begin, end;
        gsg_tile_axis_range(&axis, t, &begin, &end);
        ck_assert_int_eq(begin, axis.origins[t] < 0 ? 0 : axis.origins[t]);
        ck_assert_int_eq(end, axis.origins[t] + tile < size ? axis.origins[t] + tile : size);
        for (int64_t i = 0; i < tile; i++) {
            int64_t voxel = axis.origins[t] + i;
            double weight = (double)axis.weights[t * tile + i];
            if (voxel < begin || voxel >= end) {
                ck_assert_double_eq(weight, 0);
                continue;
            }
            ck_assert_double_gt(weight, 0);
            ck_assert_double_eq_tol(weight, bell(i, tile) / sums[voxel], 1e-6);
            if (axis.count == 1)
                ck_assert_double_eq(weight, 1);
        }
    }
    for (int64_t voxel = 0; voxel < size; voxel++)
        ck_assert_double_eq_tol(sums[size + voxel], 1, 1e-6);
    gsg_free(context, sums);
    gsg_tile_axis_free(context, &axis);
}

START_TEST(weights_sum_to_one)
{
    genseg_context *context = context_with(1);
    for (size_t t = 0; t < sizeof tiles / sizeof *tiles; t++)
        for (size_t o = 0; o < sizeof overlaps / sizeof *overlaps; o++)
            for (int64_t size = 1; size < 4 * tiles[t] + 3; size++)
                check_axis(context, size, tiles[t], overlaps[o]);
    check_axis(context, 1000, 64, 0.5);
    context_close(context);
}
END_TEST

// The sampler shows the network small cases in the same place.
START_TEST(small_volumes_lie_as_in_training)
{
    genseg_context *context = context_with(1);
    for (int64_t size = 1; size <= 12; size++) {
        gsg_volume volume;
        gsg_volume_init(&volume, context);
        volume.ndim = 2;
        volume.channels = 1;
        volume.size[0] = volume.size[1] = 1;
        volume.size[2] = size;
        volume.image = gsg_alloc(context, (size_t)size, sizeof(float));
        volume.label = gsg_alloc_zero(context, (size_t)size, sizeof(int32_t));
        for (int64_t i = 0; i < size; i++)
            volume.image[i] = (float)i + 1;
        gsg_sampler_options options;
        gsg_sampler_defaults(&options);
        options.batch = options.size[0] = options.size[1] = 1;
        options.size[2] = 12;
        gsg_augment_none(&options.augment);
        gsg_sampler *sampler = NULL;
        ck_assert_int_eq(gsg_sampler_new(context, &volume, 1, &options, &sampler, NULL), GENSEG_OK);
        float patch[12], tile[12];
        int32_t label[12];
        ck_assert_int_eq(gsg_sampler_next(sampler, 0, patch, label, NULL), GENSEG_OK);
        gsg_tile_axis axis;
        ck_assert_int_eq(gsg_tile_axis_new(context, size, 12, 0.5, &axis, NULL), GENSEG_OK);
        gsg_patch_cut(context, &volume, (int64_t[]){0, 0, axis.origins[0]}, options.size, tile, NULL);
        ck_assert_int_eq(memcmp(patch, tile, sizeof patch), 0);
        gsg_tile_axis_free(context, &axis);
        gsg_sampler_free(sampler);
        gsg_volume_free(&volume);
    }
    context_close(context);
}
END_TEST

static void check_stream(genseg_context *context, int64_t size, int64_t tile, double overlap, int64_t results)
{
    gsg_tile_axis along;
    gsg_stream_step steps[256];
    ck_assert_int_eq(gsg_tile_axis_new(context, size, tile, overlap, &along, NULL), GENSEG_OK);
    ck_assert_int_le(along.count, 256);
    const int64_t volume[3] = {1, size, 5}, result[3] = {1, results, 5};
    int64_t most = gsg_stream_plan(&along, volume, result, 1, steps), next = 0, held = 0;
    for (int64_t t = 0; t < along.count; t++) {
        int64_t begin, end, final = t + 1 < along.count ? along.origins[t + 1] : size;
        gsg_tile_axis_range(&along, t, &begin, &end);
        ck_assert_int_le(steps[t].begin, begin);
        ck_assert_int_eq(steps[t].end, end);
        // Rows kept from before were there before.
        ck_assert_int_ge(steps[t].begin, t > 0 ? steps[t - 1].begin : 0);
        ck_assert_int_eq(steps[t].result_begin, next);
        ck_assert_int_ge(steps[t].result_end, next);
        for (; next < steps[t].result_end; next++) {
            gsg_resample_slab slab = {.axis = 1, .dst_begin = next, .dst_end = next + 1};
            gsg_resample_needs(volume, result, &slab);
            ck_assert_int_ge(slab.src_begin, steps[t].begin);
            ck_assert_int_le(slab.src_end, final);
        }
        if (next < results) { // no slice waits that could leave
            gsg_resample_slab slab = {.axis = 1, .dst_begin = next, .dst_end = next + 1};
            gsg_resample_needs(volume, result, &slab);
            ck_assert_int_gt(slab.src_end, final);
        }
        held = steps[t].end - steps[t].begin > held ? steps[t].end - steps[t].begin : held;
    }
    ck_assert_int_eq(next, results);
    ck_assert_int_eq(most, held);
    // A tile, the reach of one result slice (two tiles wide where it shrinks), not the volume.
    int64_t reach = 2 * ((size + results - 1) / results) + 2;
    ck_assert_int_le(most, tile + reach);
    gsg_tile_axis_free(context, &along);
}

START_TEST(streams_every_slice_once)
{
    genseg_context *context = context_with(1);
    static const int64_t sizes[] = {1, 3, 8, 9, 24, 50, 100};
    static const int64_t results[] = {1, 2, 7, 20, 33, 50, 99, 100, 250};
    for (size_t o = 0; o < sizeof overlaps / sizeof *overlaps; o++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (size_t r = 0; r < sizeof results / sizeof *results; r++) {
                check_stream(context, sizes[s], 8, overlaps[o], results[r]);
                check_stream(context, sizes[s], 8, overlaps[o], sizes[s]);
            }
    context_close(context);
}
END_TEST

static genseg_status make_axis(genseg_context *context, gsg_error *err)
{
    gsg_tile_axis axis;
    genseg_status status = gsg_tile_axis_new(context, 40, 8, 0.5, &axis, err);
    if (status == GENSEG_OK)
        gsg_tile_axis_free(context, &axis);
    return status;
}

START_TEST(survives_failing_allocations)
{
    ck_assert_int_eq(faults_sweep(make_axis), 2);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("tiles");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, places_by_hand);
    tcase_add_test(tests, weights_sum_to_one);
    tcase_add_test(tests, small_volumes_lie_as_in_training);
    tcase_add_test(tests, streams_every_slice_once);
    tcase_add_test(tests, survives_failing_allocations);
    RUN_TESTS(tests);
}
