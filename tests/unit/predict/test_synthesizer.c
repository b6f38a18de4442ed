// Images of label maps against graphs that are run by hand, on the network's grid and on others; warps, noise, what remains
// of a generator after the search, files, and what is refused.
#include "predict/synthesizer.h"

#include <math.h>
#include <pthread.h>

#include "core/file.h"
#include "core/rng.h"
#include "data_files.h"
#include "data/resample.h"
#include "data/source.h"
#include "faults.h"
#include "generator_model.h"
#include "graph/plan.h"
#include "tensor/array.h"

#define MOST 4096 // voxels, times channels

static genseg_context *context;

typedef struct result {
    float image[MOST];
    int32_t warped[MOST];
} result;

static genseg_synthesize_options options_of(int32_t warp, int64_t number)
{
    genseg_synthesize_options options;
    genseg_synthesize_options_init(&options, sizeof options);
    options.warp = warp;
    options.number = number;
    options.seed = 5;
    return options;
}

static int64_t count_of(const int64_t size[3])
{
    return size[0] * size[1] * size[2];
}

static gsg_shape grid_of(const generator_model *m, const int64_t size[3])
{
    return gsg_shape_make(m->network.spatial, size + 3 - m->network.spatial);
}

static genseg_array image_array(const generator_model *m, const int64_t size[3], float *image)
{
    gsg_shape shape = grid_of(m, size);
    if (m->network.channels > 1) {
        memmove(shape.dims + 1, shape.dims, (size_t)shape.ndim++ * sizeof *shape.dims);
        shape.dims[0] = m->network.channels;
    }
    return gsg_array_dense(image, GENSEG_DTYPE_FLOAT32, shape);
}

static void make(const genseg_generator *generator, const generator_model *m, const int64_t size[3],
                 const genseg_synthesize_options *options, result *to)
{
    static int32_t values[MOST];
    const gsg_shape grid = grid_of(m, size);
    generator_label(m, size, values);
    const genseg_array label = gsg_array_dense(values, GENSEG_DTYPE_INT32, grid);
    const genseg_array image = image_array(m, size, to->image);
    const genseg_array warped = gsg_array_dense(to->warped, GENSEG_DTYPE_INT32, grid);
    CK_OK(genseg_generator_run(generator, &label, options, &image, &warped, err));
}

// ---- the same by hand

typedef struct by_hand {
    gsg_plan *plan;
    gsg_value mask, noise, draws, magnitudes, target, image;
    gsg_shape shape, noise_shape;
} by_hand;

static by_hand plan_by_hand(const genseg_generator *generator, const generator_model *m, bool warp)
{
    by_hand h;
    gsg_graph *graph = NULL;
    gsg_deform deform;
    const gsg_shape grid = grid_of(m, m->size);
    h.shape = (gsg_shape){grid.ndim + 2, {1, m->network.masks}};
    memcpy(h.shape.dims + 2, grid.dims, (size_t)grid.ndim * sizeof *grid.dims);
    h.noise_shape = h.shape;
    h.noise_shape.dims[1] = m->network.noise;
    gsg_deform_defaults(&deform);
    memcpy(deform.spacing, m->spacing, sizeof deform.spacing);
    CK_OK(gsg_graph_new(context, generator->params, &graph, err));
    h.mask = h.target = gsg_op_input(graph, "mask", h.shape);
    h.noise = m->network.noise > 0 ? gsg_op_input(graph, "noise", h.noise_shape) : GSG_NONE;
    if (warp) {
        h.draws = gsg_op_input(graph, "draws", gsg_shape_make(2, (int64_t[]){1, gsg_deform_draws(h.shape)}));
        h.magnitudes = gsg_op_input(graph, "magnitudes", gsg_shape_make(2, (int64_t[]){1, GSG_DEFORM_MAGNITUDES}));
        h.target = gsg_op_deform(graph, h.mask, h.draws, h.magnitudes, &deform);
    }
    h.image = gsg_generator_build(graph, &m->network, h.target, h.noise, GSG_MODE_INFER);
    const gsg_value outputs[] = {h.image, h.target};
    CK_OK(gsg_plan_new(graph, &(gsg_plan_options){.outputs = outputs, .output_count = warp ? 2 : 1}, &h.plan, err));
    gsg_graph_free(graph);
    return h;
}

static void run_by_hand(const by_hand *h, const genseg_synthesize_options *options, bool warp)
{
    gsg_deform deform;
    gsg_rng rng;
    gsg_rng_init(&rng, options->seed, GSG_STREAM_NOISE, (uint64_t)options->number);
    for (int64_t i = 0; h->noise != GSG_NONE && i < gsg_shape_count(h->noise_shape); i++)
        gsg_plan_data(h->plan, h->noise)[i] = (float)gsg_rng_normal(&rng);
    gsg_deform_defaults(&deform);
    if (warp) {
        gsg_deform_draw(&deform, h->shape, options->seed, (uint64_t)options->number, gsg_plan_data(h->plan, h->draws));
        for (int32_t i = 0; i < GSG_DEFORM_MAGNITUDES; i++)
            gsg_plan_data(h->plan, h->magnitudes)[i] = (float)options->magnitude;
    }
    CK_OK(gsg_plan_run(h->plan, &(gsg_run){0}, err));
}

// One-hot planes on any grid.
static void one_hot(const generator_model *m, const int64_t size[3], float *planes)
{
    static int32_t values[MOST];
    generator_label(m, size, values);
    const int64_t voxels = count_of(size);
    for (int64_t k = 0; k < m->network.masks; k++)
        for (int64_t i = 0; i < voxels; i++)
            planes[k * voxels + i] = values[i] == m->values[m->network.masks == 1 ? 1 : k];
}

// Image and, with a warp, label map on the grid.
static void make_by_hand(const genseg_generator *generator, const generator_model *m, const int64_t size[3],
                         const genseg_synthesize_options *options, result *to)
{
    static float planes[4 * MOST];
    const by_hand h = plan_by_hand(generator, m, options->warp != 0);
    const int64_t masks = m->network.masks, voxels = count_of(size);
    one_hot(m, size, planes);
    CK_OK(gsg_resample_linear(context, planes, masks, size, gsg_plan_data(h.plan, h.mask), m->size, err));
    run_by_hand(&h, options, options->warp != 0);
    CK_OK(gsg_resample_linear(context, gsg_plan_data(h.plan, h.image), m->network.channels, m->size, to->image, size,
                              err));
    generator_label(m, size, to->warped);
    if (options->warp)
        CK_OK(gsg_resample_linear(context, gsg_plan_data(h.plan, h.target), masks, m->size, planes, size, err));
    for (int64_t i = 0; options->warp && i < voxels; i++) {
        int64_t best = 0;
        for (int64_t k = 1; k < masks; k++)
            best = planes[k * voxels + i] > planes[best * voxels + i] ? k : best;
        to->warped[i] = m->values[masks == 1 ? planes[i] > 0.5f : best];
    }
    gsg_plan_free(h.plan);
}

static result a, b;

static void check_same(const generator_model *m, const int64_t size[3])
{
    ck_assert_mem_eq(a.image, b.image, (size_t)(m->network.channels * count_of(size)) * sizeof *a.image);
    ck_assert_mem_eq(a.warped, b.warped, (size_t)count_of(size) * sizeof *a.warped);
}

static double difference(const generator_model *m, const int64_t size[3])
{
    double most = 0;
    for (int64_t i = 0; i < m->network.channels * count_of(size); i++)
        most = fmax(most, fabs((double)a.image[i] - (double)b.image[i]));
    return most;
}

static int64_t moved(const int64_t size[3])
{
    int64_t count = 0;
    for (int64_t i = 0; i < count_of(size); i++)
        count += a.warped[i] != b.warped[i];
    return count;
}

START_TEST(equals_a_graph_by_hand)
{
    const generator_model *m = &generator_models[_i];
    context = context_with(1, 0);
    genseg_generator *generator = generator_made(context, m);
    for (int32_t warp = 0; warp < 2; warp++)
        for (int64_t number = 0; number < 3; number++)
            for (int32_t other = 0; other < 2; other++) {
                const genseg_synthesize_options options = options_of(warp, number);
                const int64_t *size = other ? m->grid : m->size;
                make(generator, m, size, &options, &a);
                make_by_hand(generator, m, size, &options, &b);
                check_same(m, size);
                float low = 1, high = -1;
                for (int64_t i = 0; i < count_of(size) * m->network.channels; i++) {
                    low = fminf(low, a.image[i]);
                    high = fmaxf(high, a.image[i]);
                }
                ck_assert(low >= -1 && high <= 1 && high - low > 0.05f);
            }
    genseg_generator_free(generator);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}
END_TEST

START_TEST(depends_on_what_it_should)
{
    const generator_model *m = &generator_models[_i];
    const bool noisy = m->network.noise > 0;
    context = context_with(1, 0);
    genseg_generator *generator = generator_made(context, m);
    genseg_synthesize_options options = options_of(0, 0);
    make(generator, m, m->size, &options, &a);
    // Another number is another image only where there is chance.
    options.number = 1;
    make(generator, m, m->size, &options, &b);
    ck_assert(noisy == (difference(m, m->size) > 0));
    options.number = 0;
    options.seed = 6;
    make(generator, m, m->size, &options, &b);
    ck_assert(noisy == (difference(m, m->size) > 0));
    // No magnitude, no warp.
    options = options_of(1, 0);
    options.magnitude = 0;
    make(generator, m, m->size, &options, &b);
    ck_assert_double_le(difference(m, m->size), 1e-6);
    ck_assert_int_eq(moved(m->size), 0);
    // A warp moves labels, and the image with them.
    options.magnitude = 1;
    make(generator, m, m->size, &options, &b);
    ck_assert_int_gt(moved(m->size), 0);
    ck_assert_double_gt(difference(m, m->size), 1e-3);
    make(generator, m, m->size, &options, &a);
    check_same(m, m->size);
    options.number = 1;
    make(generator, m, m->size, &options, &a);
    ck_assert_int_gt(moved(m->size), 0);
    genseg_generator_free(generator);
    gsg_context_release(context);
}
END_TEST

// ---- threads

static const generator_model *shared_model;
static const genseg_generator *shared;

static void *use(void *user)
{
    result *to = user;
    static int32_t values[MOST];
    const gsg_shape grid = grid_of(shared_model, shared_model->grid);
    const genseg_array label = gsg_array_dense(values, GENSEG_DTYPE_INT32, grid);
    const genseg_array image = image_array(shared_model, shared_model->grid, to->image);
    const genseg_array warped = gsg_array_dense(to->warped, GENSEG_DTYPE_INT32, grid);
    for (int i = 0; i < 20; i++) {
        const genseg_synthesize_options options = options_of(i % 3 == 0, i % 5);
        if (genseg_generator_run(shared, &label, &options, &image, &warped, NULL) != GENSEG_OK)
            return NULL;
    }
    return to;
}

START_TEST(threads_share_one)
{
    pthread_t threads[2];
    result *results[2] = {&a, &b};
    shared_model = &generator_models[4];
    context = context_with(1, 0);
    genseg_generator *generator = generator_made(context, shared_model);
    shared = generator;
    // The label map of zeros is not one of this model: its values are 2 and 70000.
    ck_assert_ptr_null(use(&a));
    generator->values[0] = 0;
    for (int t = 0; t < 2; t++)
        ck_assert_int_eq(pthread_create(&threads[t], NULL, use, results[t]), 0);
    for (int t = 0; t < 2; t++) {
        void *done = NULL;
        pthread_join(threads[t], &done);
        ck_assert_ptr_eq(done, results[t]);
    }
    check_same(shared_model, shared_model->grid);
    genseg_generator_free(generator);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}
END_TEST

// ---- after the search

START_TEST(what_remains_makes_the_same_images)
{
    const generator_model *m = &generator_models[_i];
    context = context_with(2, 0);
    genseg_generator *generator = generator_made(context, m), *merged = NULL, *best = NULL, *again = NULL;
    genseg_generator_info whole = {.struct_size = sizeof whole}, less = {.struct_size = sizeof less};
    const genseg_synthesize_options options = options_of(1, 0);
    CK_OK(genseg_generator_discretise(generator, GENSEG_DISCRETISE_MERGED, &merged, err));
    CK_OK(genseg_generator_discretise(generator, GENSEG_DISCRETISE_BEST, &best, err));
    CK_OK(genseg_generator_describe(generator, &whole, err));
    ck_assert_int_eq(whole.candidates, m->network.candidates);
    make(generator, m, m->size, &options, &a);
    make(merged, m, m->size, &options, &b);
    ck_assert_double_le(difference(m, m->size), 1e-5);
    make(best, m, m->size, &options, &b);
    ck_assert(m->network.candidates > 1 ? difference(m, m->size) > 1e-3 : difference(m, m->size) < 1e-5);
    CK_OK(genseg_generator_describe(merged, &less, err));
    ck_assert_int_eq(less.candidates, 1);
    ck_assert_int_eq(less.steps, 1234);
    ck_assert(m->network.candidates > 1 ? less.weights < whole.weights : less.weights == whole.weights);
    // The former goes, what was made of it stays.
    genseg_generator_free(generator);
    CK_OK(genseg_generator_discretise(merged, GENSEG_DISCRETISE_BEST, &again, err));
    genseg_generator_free(merged);
    make(again, m, m->size, &options, &b);
    ck_assert_double_le(difference(m, m->size), 1e-5);
    genseg_generator_free(again);
    genseg_generator_free(best);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}
END_TEST

// ---- arrays

START_TEST(arrays_of_any_kind)
{
    enum { H = 40, W = 24 };
    const generator_model *m = &generator_models[0];
    static int32_t values[H * W];
    static uint8_t wide[H][2 * W];
    static float columns[W][H];
    static uint16_t warped[H * W];
    context = context_with(1, 0);
    genseg_generator *generator = generator_made(context, m);
    make(generator, m, m->grid, &(genseg_synthesize_options){.struct_size = sizeof(genseg_synthesize_options)}, &a);
    generator_label(m, m->grid, values);
    for (int i = 0; i < H * W; i++)
        wide[i / W][2 * (i % W)] = (uint8_t)values[i];
    const genseg_array label = {wide, GENSEG_DTYPE_UINT8, 2, {H, W}, {2 * W, 2}};
    const genseg_array image = {columns, GENSEG_DTYPE_FLOAT32, 2, {H, W}, {4, 4 * H}};
    const genseg_array leading = {columns, GENSEG_DTYPE_FLOAT32, 3, {1, H, W}, {77, 4, 4 * H}};
    const genseg_array other = gsg_array_dense(warped, GENSEG_DTYPE_UINT16, gsg_shape_make(2, (int64_t[]){H, W}));
    for (int kind = 0; kind < 2; kind++) {
        memset(columns, 0, sizeof columns);
        CK_OK(genseg_generator_run(generator, &label, NULL, kind ? &leading : &image, &other, err));
        for (int i = 0; i < H * W; i++) {
            ck_assert_float_eq(columns[i % W][i / W], a.image[i]);
            ck_assert_int_eq(warped[i], values[i]);
        }
    }
    genseg_generator_free(generator);
    gsg_context_release(context);
}
END_TEST

// Refused with that status and message, and nothing is written.
static void refuse(const genseg_generator *generator, const genseg_array *label,
                   const genseg_synthesize_options *options, const genseg_array *image, const genseg_array *warped,
                   genseg_status expected, const char *part)
{
    memset(&a, 0x5A, sizeof a);
    CK_FAILS(genseg_generator_run(generator, label, options, image, warped, err), expected, part);
    ck_assert_int_eq(genseg_generator_run(generator, label, options, image, warped, NULL), expected);
    const unsigned char *bytes = (const unsigned char *)&a;
    for (size_t i = 0; i < sizeof a; i++)
        ck_assert_uint_eq(bytes[i], 0x5A);
}

START_TEST(what_does_not_fit_is_refused)
{
    const generator_model *m = &generator_models[1];
    static int32_t values[16 * 16];
    context = context_with(1, 0);
    genseg_generator *generator = generator_made(context, m), *plain = NULL;
    generator_label(m, m->size, values);
    const gsg_shape grid = grid_of(m, m->size), flat = {1, {256}}, other = {2, {16, 15}}, deep = {3, {3, 16, 15}};
    const genseg_array label = gsg_array_dense(values, GENSEG_DTYPE_INT32, grid), image = image_array(m, m->size, a.image),
                       warped = gsg_array_dense(a.warped, GENSEG_DTYPE_INT32, grid);
    genseg_array wrong = label;
    genseg_synthesize_options options = options_of(0, 0);
    refuse(NULL, &label, NULL, &image, NULL, GENSEG_ERROR_INVALID, "generator is NULL");
    refuse(generator, NULL, NULL, &image, NULL, GENSEG_ERROR_INVALID, "label is NULL");
    refuse(generator, &label, NULL, NULL, NULL, GENSEG_ERROR_INVALID, "image is NULL");
    wrong.dtype = GENSEG_DTYPE_FLOAT32;
    refuse(generator, &wrong, NULL, &image, NULL, GENSEG_ERROR_INVALID, "label has a floating-point dtype");
    wrong = gsg_array_dense(values, GENSEG_DTYPE_INT32, flat);
    refuse(generator, &wrong, NULL, &image, NULL, GENSEG_ERROR_SHAPE, "label is 256, the generator is 2-D");
    wrong = gsg_array_dense(a.image, GENSEG_DTYPE_FLOAT32, grid);
    refuse(generator, &label, NULL, &wrong, NULL, GENSEG_ERROR_SHAPE, "image is 16x16, the label 16x16");
    wrong = gsg_array_dense(a.image, GENSEG_DTYPE_FLOAT32, deep);
    refuse(generator, &label, NULL, &wrong, NULL, GENSEG_ERROR_SHAPE, "image is 3x16x15, the label 16x16");
    wrong = image;
    wrong.dtype = GENSEG_DTYPE_INT32;
    refuse(generator, &label, NULL, &wrong, NULL, GENSEG_ERROR_INVALID, "image is not float32");
    wrong = gsg_array_dense(a.warped, GENSEG_DTYPE_INT32, other);
    refuse(generator, &label, NULL, &image, &wrong, GENSEG_ERROR_SHAPE, "warped is 16x15, the label 16x16");
    wrong = gsg_array_dense(a.warped, GENSEG_DTYPE_FLOAT32, grid);
    refuse(generator, &label, NULL, &image, &wrong, GENSEG_ERROR_INVALID, "warped has a floating-point dtype");
    wrong = gsg_array_dense(a.warped, GENSEG_DTYPE_UINT8, grid);
    refuse(generator, &label, NULL, &image, &wrong, GENSEG_ERROR_INVALID, "label value -7 doesn't fit the dtype of warped");
    values[17] = 4;
    refuse(generator, &label, NULL, &image, &warped, GENSEG_ERROR_FORMAT,
           "label value 4 at i=1 j=1 is none of the model's");
    values[17] = 3;
    options.number = -1;
    refuse(generator, &label, &options, &image, NULL, GENSEG_ERROR_INVALID, "number is -1");
    options.number = 0;
    for (int i = 0; i < 3; i++) {
        options.magnitude = (double[]){-0.1, 4.1, NAN}[i];
        refuse(generator, &label, &options, &image, NULL, GENSEG_ERROR_INVALID, "magnitude is ");
    }
    options.struct_size = 1;
    refuse(generator, &label, &options, &image, NULL, GENSEG_ERROR_INVALID, "genseg_synthesize_options_init");
    CK_FAILS(genseg_generator_discretise(generator, GENSEG_DISCRETISE_NONE, &plain, err), GENSEG_ERROR_INVALID,
             "how is 0");
    CK_FAILS(genseg_generator_discretise(generator, 3, &plain, err), GENSEG_ERROR_INVALID, "how is 3");
    CK_FAILS(genseg_generator_discretise(generator, 1, NULL, err), GENSEG_ERROR_INVALID, "plain is NULL");
    CK_FAILS(genseg_generator_describe(generator, NULL, err), GENSEG_ERROR_INVALID, "info is NULL");
    genseg_generator_free(generator);
    genseg_generator_free(NULL);
    gsg_context_release(context);
}
END_TEST

// ---- files

static void write_label(const generator_model *m, const char *path)
{
    static int32_t values[MOST];
    gsg_source source;
    gsg_source_init(&source, context);
    source.ndim = m->network.spatial;
    memcpy(source.size, m->grid, sizeof source.size);
    generator_label(m, m->grid, values);
    const genseg_array array = gsg_array_dense(values, GENSEG_DTYPE_INT32, gsg_shape_make(3, m->grid));
    CK_OK(gsg_label_write(context, path, &array, &source, err));
    gsg_source_free(&source);
}

// What was written is what comes from memory: exactly, or to half a grey level.
static void check_file(const generator_model *m, const char *path, const float *expected)
{
    gsg_volume volume;
    gsg_source source;
    const bool png = strstr(path, ".png") != NULL;
    CK_OK(gsg_image_read(context, path, &volume, &source, err));
    ck_assert_int_eq(volume.channels, m->network.channels);
    ck_assert_mem_eq(volume.size, m->grid, sizeof volume.size);
    for (int64_t i = 0; i < m->network.channels * count_of(m->grid); i++)
        if (png)
            ck_assert_float_le(fabsf(volume.image[i] / 127.5f - 1 - expected[i]), 0.5f / 127.5f + 1e-5f);
        else
            ck_assert_float_eq(volume.image[i], expected[i]);
    gsg_volume_free(&volume);
    gsg_source_free(&source);
}

START_TEST(files_hold_the_same)
{
    const generator_model *m = &generator_models[_i];
    const bool flat = m->network.spatial == 2;
    context = context_with(1, 0);
    genseg_generator *generator = generator_made(context, m);
    const genseg_synthesize_options options = options_of(1, 2);
    make(generator, m, m->grid, &options, &a);
    for (int kind = 0; kind < 1 + flat; kind++) {
        const char *extension = kind ? "png" : "nii.gz";
        gsg_source source;
        int32_t *warped = NULL;
        if (kind && m->values[0] < 0)
            continue; // none of PNG's label values
        write_label(m, file_path("label.%s", extension));
        CK_OK(genseg_generator_run_file(generator, file_path("label.%s", extension), &options,
                                        file_path("image.%s", extension), file_path("warped.%s", extension), err));
        check_file(m, file_path("image.%s", extension), a.image);
        CK_OK(gsg_label_read(context, file_path("warped.%s", extension), &warped, &source, err));
        ck_assert_mem_eq(source.size, m->grid, sizeof source.size);
        ck_assert_mem_eq(warped, a.warped, (size_t)count_of(m->grid) * sizeof *warped);
        gsg_free(context, warped);
        gsg_source_free(&source);
    }
    genseg_generator_free(generator);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}
END_TEST

START_TEST(files_that_can_not_be)
{
    const generator_model *flat = &generator_models[0], *solid = &generator_models[4];
    context = context_with(1, 0);
    genseg_generator *generator = generator_made(context, flat), *other = generator_made(context, solid);
    const char *label = file_path("label.png"), *image = file_path("image.png");
    CK_FAILS(genseg_generator_run_file(generator, label, NULL, image, NULL, err), GENSEG_ERROR_IO, "label.png: no such");
    write_label(flat, label);
    CK_FAILS(genseg_generator_run_file(generator, label, NULL, NULL, NULL, err), GENSEG_ERROR_INVALID,
             "image_path is NULL");
    CK_FAILS(genseg_generator_run_file(generator, NULL, NULL, image, NULL, err), GENSEG_ERROR_INVALID,
             "label_path is NULL");
    CK_FAILS(genseg_generator_run_file(other, label, NULL, image, NULL, err), GENSEG_ERROR_SHAPE,
             "label.png: the label map is 2-D, the generator 3-D");
    CK_FAILS(genseg_generator_run_file(generator, label, NULL, "/nonexistent/a.png", NULL, err), GENSEG_ERROR_IO,
             "/nonexistent/");
    CK_FAILS(genseg_generator_run_file(generator, label, NULL, file_path("a.jpg"), NULL, err),
             GENSEG_ERROR_UNSUPPORTED, "a.jpg: images are written as");
    write_label(solid, file_path("solid.nii"));
    CK_FAILS(genseg_generator_run_file(other, file_path("solid.nii"), NULL, image, NULL, err),
             GENSEG_ERROR_UNSUPPORTED, "image.png: PNG holds no 3-D image");
    generator_model odd = *flat;
    odd.values[1] = 254;
    write_label(&odd, file_path("odd.png"));
    CK_FAILS(genseg_generator_run_file(generator, file_path("odd.png"), NULL, image, NULL, err), GENSEG_ERROR_FORMAT,
             "odd.png: label value 254 at ");
    ck_assert_int_eq(gsg_file_probe(image, NULL), GSG_FILE_NONE);
    genseg_generator_free(generator);
    genseg_generator_free(other);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}
END_TEST

// ---- memory

static genseg_status work(genseg_context *with, gsg_error *err)
{
    static int32_t values[MOST];
    genseg_status status;
    const generator_model *m = &generator_models[1];
    genseg_generator *generator = NULL, *plain = NULL;
    const gsg_shape grid = grid_of(m, m->grid);
    const genseg_synthesize_options options = options_of(1, 0);
    generator_label(m, m->grid, values);
    const genseg_array label = gsg_array_dense(values, GENSEG_DTYPE_INT32, grid), image = image_array(m, m->grid, a.image),
                       warped = gsg_array_dense(a.warped, GENSEG_DTYPE_INT32, grid);
    GSG_TRY(generator_new(with, m, &generator, err));
    GSG_TRY(genseg_generator_discretise(generator, GENSEG_DISCRETISE_MERGED, &plain, err));
    GSG_TRY(genseg_generator_run(plain, &label, NULL, &image, &warped, err));
    GSG_TRY(genseg_generator_run_file(plain, file_path("label.nii"), &options, file_path("image.nii.gz"),
                                      file_path("warped.nii"), err));
done:
    genseg_generator_free(generator);
    genseg_generator_free(plain);
    return status;
}

START_TEST(every_allocation_may_fail)
{
    context = context_with(1, 0);
    write_label(&generator_models[1], file_path("label.nii"));
    gsg_context_release(context);
    ck_assert_int_ge(faults_sweep(work), 60);
}
END_TEST

// Under a limit no plan is kept, and what does not fit is NOMEM.
START_TEST(limits_are_kept)
{
    const generator_model *m = &generator_models[0];
    static int32_t values[MOST];
    generator_label(m, m->size, values);
    const genseg_array label = gsg_array_dense(values, GENSEG_DTYPE_INT32, grid_of(m, m->size)),
                       image = image_array(m, m->size, a.image);
    int32_t refused = 0, done = 0;
    for (uint64_t limit = 400000; limit < 1200000; limit += 40000) {
        context = context_with(1, limit);
        genseg_generator *generator = NULL;
        if (generator_new(context, m, &generator, NULL) == GENSEG_OK) {
            const uint64_t held = atomic_load(&context->memory);
            const genseg_status status = genseg_generator_run(generator, &label, NULL, &image, NULL, NULL);
            ck_assert(status == GENSEG_OK || status == GENSEG_ERROR_NOMEM);
            ck_assert_uint_eq(atomic_load(&context->memory), held);
            refused += status != GENSEG_OK;
            done += status == GENSEG_OK;
        }
        genseg_generator_free(generator);
        ck_assert_uint_le(atomic_load(&context->memory_peak), limit);
        gsg_context_release(context);
    }
    ck_assert(refused > 0 && done > 0);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("synthesizer");
    tcase_set_timeout(tests, 100);
    tcase_add_checked_fixture(tests, files_begin, files_end);
    tcase_add_loop_test(tests, equals_a_graph_by_hand, 0, GENERATOR_MODELS);
    tcase_add_loop_test(tests, depends_on_what_it_should, 0, GENERATOR_MODELS);
    tcase_add_test(tests, threads_share_one);
    tcase_add_loop_test(tests, what_remains_makes_the_same_images, 0, GENERATOR_MODELS);
    tcase_add_test(tests, arrays_of_any_kind);
    tcase_add_test(tests, what_does_not_fit_is_refused);
    tcase_add_loop_test(tests, files_hold_the_same, 0, GENERATOR_MODELS);
    tcase_add_test(tests, files_that_can_not_be);
    tcase_add_test(tests, every_allocation_may_fail);
    tcase_add_test(tests, limits_are_kept);
    RUN_TESTS(tests);
}
