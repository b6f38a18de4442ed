// The streamed predictor against one written the plain way: every tile through
// its own plan, sums of the whole volume in double, then resampling at once.
#include "predict/predictor.h"

#include <math.h>

#include "core/alloc.h"
#include "data/batch.h"
#include "data/resample.h"
#include "faults.h"
#include "graph/plan.h"
#include "model_weights.h"

static genseg_context *context_with(int32_t threads, uint64_t memory_limit)
{
    genseg_context_options options = {
        .struct_size = sizeof options, .threads = threads, .seed = 1, .memory_limit = memory_limit};
    genseg_context *context = NULL;
    ck_assert_int_eq(gsg_context_new(&options, &context, NULL), GENSEG_OK);
    return context;
}

typedef struct scenario {
    gsg_unet unet;
    int64_t tile[3];
    int64_t volume[3];
    int64_t size[3];
    double overlap;
} scenario;

typedef struct setting {
    genseg_context *context;
    gsg_params *params;
    gsg_volume volume;
    int64_t results; // voxels
    int64_t classes;
    uint8_t *labels;
    float *probability;
} setting;

static genseg_status open_setting(genseg_context *context, const scenario *scene, setting *s, gsg_error *err)
{
    genseg_status status = gsg_unet_new(context, &scene->unet, 7, &s->params, err);
    s->context = context;
    gsg_volume_init(&s->volume, context);
    if (status != GENSEG_OK)
        return status;
    model_randomise(s->params);
    s->volume.ndim = scene->unet.spatial;
    s->volume.channels = (int32_t)scene->unet.channels;
    s->results = 1;
    for (int a = 0; a < 3; a++) {
        s->volume.size[a] = scene->volume[a];
        s->results *= scene->size[a];
    }
    int64_t values = gsg_volume_count(&s->volume) * s->volume.channels;
    s->classes = scene->unet.outputs == 1 ? 2 : scene->unet.outputs;
    s->volume.image = gsg_alloc(context, (size_t)values, sizeof(float));
    s->labels = gsg_alloc(context, (size_t)s->results, 1);
    s->probability = gsg_alloc(context, (size_t)(s->results * s->classes), sizeof(float));
    if (s->volume.image == NULL || s->labels == NULL || s->probability == NULL)
        return gsg_error_nomem(err, (size_t)values);
    // Noise over a dark and a bright half, so that classes come in regions.
    for (int64_t i = 0; i < values; i++)
        s->volume.image[i] = model_noise((uint64_t)i) + (2 * (i % scene->volume[2]) < scene->volume[2] ? -2.0f : 2.0f);
    memset(s->labels, 0xEE, (size_t)s->results);
    memset(s->probability, 0xFF, (size_t)(s->results * s->classes) * sizeof(float));
    return GENSEG_OK;
}

static void close_setting(setting *s)
{
    gsg_volume_free(&s->volume);
    gsg_params_free(s->params);
    gsg_free(s->context, s->labels);
    gsg_free(s->context, s->probability);
}

static gsg_predict_job job_of(const scenario *scene, setting *s)
{
    gsg_predict_job job = {
        .volume = &s->volume, .overlap = scene->overlap, .classes = s->labels, .probability = s->probability};
    memcpy(job.size, scene->size, sizeof job.size);
    return job;
}

static genseg_status predict(const scenario *scene, setting *s, gsg_error *err)
{
    gsg_predictor *predictor = NULL;
    genseg_status status = gsg_predictor_new(s->context, &scene->unet, s->params, scene->tile, &predictor, err);
    gsg_predict_job job = job_of(scene, s);
    if (status == GENSEG_OK)
        status = gsg_predictor_run(predictor, &job, err);
    gsg_predictor_free(predictor);
    return status;
}

// The network by itself.
typedef struct direct {
    gsg_plan *plan;
    gsg_value image;
    gsg_value logits;
} direct;

static direct direct_new(const setting *s, const scenario *scene)
{
    direct made;
    gsg_graph *graph = NULL;
    gsg_error err = {0};
    ck_assert_int_eq(gsg_graph_new(s->context, s->params, &graph, &err), GENSEG_OK);
    gsg_shape shape =
        scene->unet.spatial == 2
            ? gsg_shape_make(4, (int64_t[]){1, scene->unet.channels, scene->tile[1], scene->tile[2]})
            : gsg_shape_make(5, (int64_t[]){1, scene->unet.channels, scene->tile[0], scene->tile[1], scene->tile[2]});
    made.image = gsg_op_input(graph, "image", shape);
    made.logits = gsg_unet_build(graph, &scene->unet, made.image, GSG_MODE_INFER);
    gsg_plan_options options = {.outputs = &made.logits, .output_count = 1};
    ck_assert_msg(gsg_plan_new(graph, &options, &made.plan, &err) == GENSEG_OK, "%s", err.message);
    gsg_graph_free(graph);
    return made;
}

// Sets the last bias so that no class wins everywhere.
static void balance(const scenario *scene, setting *s)
{
    const int64_t K = scene->unet.outputs, S = scene->tile[0] * scene->tile[1] * scene->tile[2];
    const gsg_run run = {0};
    int64_t origin[3];
    for (int a = 0; a < 3; a++)
        origin[a] = (scene->volume[a] - scene->tile[a]) / 2;
    direct network = direct_new(s, scene);
    gsg_patch_cut(s->context, &s->volume, origin, scene->tile, gsg_plan_data(network.plan, network.image), NULL);
    ck_assert_int_eq(gsg_plan_run(network.plan, &run, NULL), GENSEG_OK);
    const float *logits = gsg_plan_data(network.plan, network.logits);
    float *bias = s->params->items[gsg_params_find(s->params, "outc.conv.bias")].data;
    for (int64_t k = 0; k < K; k++)
        for (int64_t i = 0; i < S; i++)
            bias[k] -= logits[k * S + i] / (float)S;
    gsg_plan_free(network.plan);
}

// Probability of plane k at voxel i of the tile.
static double direct_probability(const float *logits, int64_t planes, int64_t count, int64_t k, int64_t i)
{
    if (planes == 1)
        return 1 / (1 + exp(-(double)logits[i]));
    double sum = 0;
    for (int64_t j = 0; j < planes; j++)
        sum += exp((double)logits[j * count + i] - (double)logits[k * count + i]);
    return 1 / sum;
}

// Tiles along one axis by the rule in words.
static int64_t place(int64_t size, int64_t tile, double overlap, int64_t index, int64_t *count)
{
    if (size <= tile) {
        *count = 1;
        return (int64_t)floor(-(double)(tile - size) / 2);
    }
    *count = (int64_t)ceil((double)(size - tile) / ((double)tile * (1 - overlap)) - 1e-9) + 1;
    return (int64_t)floor((double)index * (double)(size - tile) / (double)(*count - 1) + 0.5);
}

static double weight_of(const int64_t tile[3], const int64_t at[3], const int64_t count[3])
{
    double weight = 1;
    for (int a = 0; a < 3; a++) {
        double x = ((double)at[a] - ((double)tile[a] - 1) / 2) / ((double)tile[a] / 8);
        weight *= count[a] > 1 ? exp(-x * x / 2) : 1;
    }
    return weight;
}

static void add_tile(const scenario *scene, const int64_t origin[3], const int64_t count[3], const float *logits,
                     double *sums)
{
    const int64_t *tile = scene->tile, *size = scene->volume, K = scene->unet.outputs;
    const int64_t S = tile[0] * tile[1] * tile[2], V = size[0] * size[1] * size[2];
    for (int64_t i = 0; i < S; i++) {
        int64_t at[3] = {i / tile[2] / tile[1], i / tile[2] % tile[1], i % tile[2]}, voxel = 0;
        bool inside = true;
        for (int a = 0; a < 3; a++) {
            int64_t x = origin[a] + at[a];
            inside = inside && x >= 0 && x < size[a];
            voxel = voxel * size[a] + x;
        }
        if (!inside)
            continue;
        double weight = weight_of(tile, at, count);
        sums[K * V + voxel] += weight;
        for (int64_t k = 0; k < K; k++)
            sums[k * V + voxel] += weight * direct_probability(logits, K, S, k, i);
    }
}

// Probability planes at the results' size; the caller frees them.
static float *reference(const scenario *scene, const setting *s)
{
    const int64_t K = scene->unet.outputs, V = gsg_volume_count(&s->volume);
    double *sums = calloc((size_t)((K + 1) * V), sizeof *sums);
    float *whole = malloc((size_t)(K * V) * sizeof *whole), *result = malloc((size_t)(K * s->results) * sizeof *result);
    direct network = direct_new(s, scene);
    const gsg_run run = {0};
    int64_t count[3], origin[3];
    for (int a = 0; a < 3; a++)
        place(scene->volume[a], scene->tile[a], scene->overlap, 0, &count[a]);
    for (int64_t t = 0; t < count[0] * count[1] * count[2]; t++) {
        int64_t index[3] = {t / count[2] / count[1], t / count[2] % count[1], t % count[2]};
        for (int a = 0; a < 3; a++)
            origin[a] = place(scene->volume[a], scene->tile[a], scene->overlap, index[a], &count[a]);
        gsg_patch_cut(s->context, &s->volume, origin, scene->tile, gsg_plan_data(network.plan, network.image), NULL);
        ck_assert_int_eq(gsg_plan_run(network.plan, &run, NULL), GENSEG_OK);
        add_tile(scene, origin, count, gsg_plan_data(network.plan, network.logits), sums);
    }
    for (int64_t i = 0; i < K * V; i++)
        whole[i] = (float)(sums[i] / sums[K * V + i % V]);
    ck_assert_int_eq(gsg_resample_linear(s->context, whole, K, scene->volume, result, scene->size, NULL), GENSEG_OK);
    gsg_plan_free(network.plan);
    free(sums);
    free(whole);
    return result;
}

// Planes as the predictor gives them: two for one output.
static double expected_at(const float *planes, const setting *s, int64_t outputs, int64_t k, int64_t i)
{
    if (outputs > 1)
        return (double)planes[k * s->results + i];
    return k == 1 ? (double)planes[i] : 1 - (double)planes[i];
}

static void check_against(const scenario *scene, const setting *s, const float *planes)
{
    int64_t seen[256] = {0}, close = 0, outputs = scene->unet.outputs;
    for (int64_t i = 0; i < s->results; i++) {
        double best = -1, second = -1, sum = 0;
        int64_t chosen = 0;
        for (int64_t k = 0; k < s->classes; k++) {
            double p = expected_at(planes, s, outputs, k, i), got = (double)s->probability[k * s->results + i];
            ck_assert_msg(fabs(p - got) < 2e-5, "class %lld of voxel %lld: %g, expected %g", (long long)k, (long long)i,
                          got, p);
            sum += got;
            if (p > best) {
                second = best;
                best = p;
                chosen = k;
            } else if (p > second) {
                second = p;
            }
        }
        ck_assert_double_eq_tol(sum, 1, 1e-5);
        if (best - second > 1e-4)
            ck_assert_int_eq(s->labels[i], chosen);
        else
            close++;
        seen[chosen]++;
    }
    ck_assert_int_lt(close, s->results / 50 + 2);
    int64_t present = 0;
    for (int64_t k = 0; k < s->classes; k++)
        present += seen[k] > 0;
    ck_assert_int_ge(present, 2);
}

#define UNET_2D(outputs)                                                                                               \
    {                                                                                                                  \
        2, 2, 2, (outputs), 4                                                                                          \
    }
#define UNET_3D(outputs)                                                                                               \
    {                                                                                                                  \
        3, 1, 1, (outputs), 4                                                                                          \
    }

static const scenario scenes[] = {
    {UNET_2D(1), {1, 16, 16}, {1, 16, 16}, {1, 16, 16}, 0.5},
    {UNET_2D(3), {1, 16, 16}, {1, 41, 37}, {1, 41, 37}, 0.5},
    {UNET_2D(1), {1, 16, 24}, {1, 50, 29}, {1, 50, 29}, 0.25},
    {UNET_2D(3), {1, 16, 16}, {1, 41, 37}, {1, 100, 61}, 0.5}, // up
    {UNET_2D(1), {1, 16, 16}, {1, 60, 37}, {1, 46, 30}, 0.5},  // down, linear
    {UNET_2D(3), {1, 16, 16}, {1, 61, 45}, {1, 17, 12}, 0.5},  // down, antialiased
    {UNET_2D(3), {1, 16, 16}, {1, 61, 45}, {1, 3, 90}, 0.9},   // slices that reach further than a tile
    {UNET_2D(1), {1, 32, 32}, {1, 11, 70}, {1, 11, 70}, 0},    // smaller than the tile along H
    {UNET_3D(1), {8, 8, 8}, {19, 13, 9}, {19, 13, 9}, 0.5},
    {UNET_3D(3), {8, 8, 8}, {21, 10, 17}, {21, 10, 17}, 0.5},
    {UNET_3D(3), {8, 8, 8}, {21, 10, 17}, {9, 31, 17}, 0.5},
    {UNET_3D(1), {8, 8, 8}, {17, 5, 12}, {50, 9, 5}, 0.25},
    {UNET_3D(3), {4, 8, 8}, {3, 17, 12}, {7, 17, 12}, 0.5}, // smaller than the tile along D
};
#define SCENES ((int)(sizeof scenes / sizeof *scenes))

START_TEST(equals_the_plain_way)
{
    const scenario *scene = &scenes[_i];
    genseg_context *context = context_with(2, 0);
    gsg_error err = {0};
    setting s = {0};
    ck_assert_int_eq(open_setting(context, scene, &s, &err), GENSEG_OK);
    balance(scene, &s);
    ck_assert_msg(predict(scene, &s, &err) == GENSEG_OK, "%s", err.message);
    float *planes = reference(scene, &s);
    check_against(scene, &s, planes);
    free(planes);
    close_setting(&s);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}
END_TEST

// One tile is not weighted at all: what the network says, bit for bit where it says it by softmax.
START_TEST(one_tile_is_the_network)
{
    const scenario one = {UNET_2D(3), {1, 32, 16}, {1, 32, 16}, {1, 32, 16}, 0.5};
    genseg_context *context = context_with(2, 0);
    gsg_error err = {0};
    setting s = {0};
    ck_assert_int_eq(open_setting(context, &one, &s, &err), GENSEG_OK);
    ck_assert_int_eq(predict(&one, &s, &err), GENSEG_OK);
    gsg_graph *graph = NULL;
    gsg_plan *plan = NULL;
    ck_assert_int_eq(gsg_graph_new(context, s.params, &graph, &err), GENSEG_OK);
    gsg_value image = gsg_op_input(graph, "image", gsg_shape_make(4, (int64_t[]){1, 2, 32, 16}));
    gsg_value output = gsg_op_softmax(graph, gsg_unet_build(graph, &one.unet, image, GSG_MODE_INFER));
    gsg_plan_options options = {.outputs = &output, .output_count = 1};
    ck_assert_int_eq(gsg_plan_new(graph, &options, &plan, &err), GENSEG_OK);
    const gsg_run run = {0};
    memcpy(gsg_plan_data(plan, image), s.volume.image, 2 * 32 * 16 * sizeof(float));
    ck_assert_int_eq(gsg_plan_run(plan, &run, &err), GENSEG_OK);
    ck_assert_int_eq(memcmp(gsg_plan_data(plan, output), s.probability, 3 * 32 * 16 * sizeof(float)), 0);
    gsg_plan_free(plan);
    gsg_graph_free(graph);
    close_setting(&s);
    gsg_context_release(context);
}
END_TEST

START_TEST(threads_change_nothing)
{
    const scenario *scene = &scenes[_i];
    setting s[2] = {{0}, {0}};
    genseg_context *context[2];
    for (int t = 0; t < 2; t++) {
        gsg_error err = {0};
        context[t] = context_with(t + 1, 0);
        ck_assert_int_eq(open_setting(context[t], scene, &s[t], &err), GENSEG_OK);
        ck_assert_int_eq(predict(scene, &s[t], &err), GENSEG_OK);
    }
    ck_assert_int_eq(memcmp(s[0].labels, s[1].labels, (size_t)s[0].results), 0);
    ck_assert_int_eq(memcmp(s[0].probability, s[1].probability, (size_t)(s[0].results * s[0].classes) * sizeof(float)),
                     0);
    for (int t = 0; t < 2; t++) {
        close_setting(&s[t]);
        gsg_context_release(context[t]);
    }
}
END_TEST

// Equal logits everywhere: class 0. Values of the parameters may change between runs, and probabilities are
// optional.
START_TEST(follows_its_parameters)
{
    const scenario *scene = &scenes[1];
    genseg_context *context = context_with(2, 0);
    gsg_error err = {0};
    setting s = {0};
    gsg_predictor *predictor = NULL;
    ck_assert_int_eq(open_setting(context, scene, &s, &err), GENSEG_OK);
    balance(scene, &s);
    ck_assert_int_eq(gsg_predictor_new(context, &scene->unet, s.params, scene->tile, &predictor, &err), GENSEG_OK);
    ck_assert_int_eq(memcmp(gsg_predictor_tile(predictor), scene->tile, sizeof scene->tile), 0);
    gsg_predict_job job = job_of(scene, &s);
    ck_assert_int_eq(gsg_predictor_run(predictor, &job, &err), GENSEG_OK);
    uint8_t *before = malloc((size_t)s.results);
    memcpy(before, s.labels, (size_t)s.results);
    job.probability = NULL;
    memset(s.labels, 0xEE, (size_t)s.results);
    ck_assert_int_eq(gsg_predictor_run(predictor, &job, &err), GENSEG_OK);
    ck_assert_int_eq(memcmp(before, s.labels, (size_t)s.results), 0);
    ck_assert_ptr_nonnull(memchr(before, 1, (size_t)s.results)); // so far there are others
    for (int32_t i = 0; i < s.params->count; i++)
        if (strncmp(s.params->items[i].name, "outc.conv.", 10) == 0)
            memset(s.params->items[i].data, 0, (size_t)s.params->items[i].layout.count * sizeof(float));
    ck_assert_int_eq(gsg_predictor_run(predictor, &job, &err), GENSEG_OK);
    for (int64_t i = 0; i < s.results; i++)
        ck_assert_int_eq(s.labels[i], 0);
    free(before);
    gsg_predictor_free(predictor);
    close_setting(&s);
    gsg_context_release(context);
}
END_TEST

typedef struct patience {
    int64_t polls;
    int64_t until; // this one cancels; 0: none
    int64_t done, total;
} patience;

static int32_t count_polls(int64_t done, int64_t total, void *user)
{
    patience *p = user;
    ck_assert_int_ge(done, p->done);
    ck_assert_int_le(done, total);
    p->done = done;
    p->total = total;
    return ++p->polls == p->until;
}

START_TEST(can_be_cancelled_anywhere)
{
    const scenario *scene = &scenes[3];
    genseg_context *context = context_with(2, 0);
    gsg_error err = {0};
    setting s = {0};
    gsg_predictor *predictor = NULL;
    ck_assert_int_eq(open_setting(context, scene, &s, &err), GENSEG_OK);
    balance(scene, &s);
    ck_assert_int_eq(gsg_predictor_new(context, &scene->unet, s.params, scene->tile, &predictor, &err), GENSEG_OK);
    gsg_predict_job job = job_of(scene, &s);
    patience whole = {0};
    job.poll = count_polls;
    job.user = &whole;
    ck_assert_int_eq(gsg_predictor_run(predictor, &job, &err), GENSEG_OK);
    ck_assert_int_eq(whole.total, 5 * 4); // (41 - 16) / 8 and (37 - 16) / 8, rounded up, and one
    ck_assert_int_eq(whole.done, whole.total);
    ck_assert_int_gt(whole.polls, 20 * whole.total);
    uint64_t held = atomic_load(&context->memory);
    for (int64_t at = 1; at <= whole.polls; at += at < 3 || at + 50 > whole.polls ? 1 : 37) {
        patience some = {.until = at};
        job.user = &some;
        err = (gsg_error){0};
        ck_assert_int_eq(gsg_predictor_run(predictor, &job, &err), GENSEG_ERROR_CANCELLED);
        ck_assert_str_eq(err.message, "cancelled");
        ck_assert_int_eq(some.polls, at);
        ck_assert_uint_eq(atomic_load(&context->memory), held);
    }
    // As good as new.
    job.poll = NULL;
    ck_assert_int_eq(gsg_predictor_run(predictor, &job, &err), GENSEG_OK);
    float *planes = reference(scene, &s);
    check_against(scene, &s, planes);
    free(planes);
    gsg_predictor_free(predictor);
    close_setting(&s);
    gsg_context_release(context);
}
END_TEST

static void check_memory(const scenario *scene, double slack)
{
    genseg_context *context = context_with(2, 0);
    gsg_error err = {0};
    setting s = {0};
    uint64_t bytes = 0;
    ck_assert_int_eq(open_setting(context, scene, &s, &err), GENSEG_OK);
    uint64_t before = atomic_load(&context->memory);
    ck_assert_msg(gsg_predictor_memory(context, &scene->unet, s.params, scene->tile, scene->volume, scene->size,
                                       scene->overlap, &bytes, &err) == GENSEG_OK,
                  "%s", err.message);
    ck_assert_uint_eq(atomic_load(&context->memory), before);
    atomic_store(&context->memory_peak, before);
    ck_assert_int_eq(predict(scene, &s, &err), GENSEG_OK);
    uint64_t peak = atomic_load(&context->memory_peak) - before;
    ck_assert_msg(bytes >= peak && (double)bytes <= slack * (double)peak, "%llu bytes foretold, %llu measured",
                  (unsigned long long)bytes, (unsigned long long)peak);
    // Exactly as much is enough, half of it is refused in time.
    context->options.memory_limit = before + bytes;
    ck_assert_int_eq(predict(scene, &s, &err), GENSEG_OK);
    context->options.memory_limit = before + bytes / 2;
    ck_assert_int_eq(predict(scene, &s, &err), GENSEG_ERROR_NOMEM);
    close_setting(&s);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}

START_TEST(memory_is_foretold)
{
    for (int i = 0; i < SCENES; i++)
        check_memory(&scenes[i], 1.5);
    check_memory(&(scenario){{3, 2, 1, 3, 8}, {32, 32, 32}, {70, 64, 48}, {70, 64, 48}, 0.5}, 1.1);
    check_memory(&(scenario){{3, 2, 1, 3, 8}, {32, 32, 32}, {60, 64, 48}, {100, 100, 100}, 0.5}, 1.1);
    check_memory(&(scenario){{2, 3, 1, 1, 8}, {1, 128, 128}, {1, 200, 300}, {1, 512, 640}, 0.5}, 1.1);
}
END_TEST

static genseg_status predict_something(genseg_context *context, gsg_error *err)
{
    const scenario small = {{2, 1, 1, 3, 2}, {1, 8, 8}, {1, 20, 9}, {1, 25, 9}, 0.5};
    setting s = {0};
    uint64_t bytes;
    genseg_status status = open_setting(context, &small, &s, err);
    if (status == GENSEG_OK)
        status = predict(&small, &s, err);
    if (status == GENSEG_OK)
        status = gsg_predictor_memory(context, &small.unet, s.params, small.tile, small.volume, small.size, 0.5, &bytes,
                                      err);
    close_setting(&s);
    return status;
}

START_TEST(survives_failing_allocations)
{
    ck_assert_int_gt(faults_sweep(predict_something), 50);
}
END_TEST

static void refused(gsg_predictor *predictor, const gsg_predict_job *job, genseg_status status, const char *message)
{
    gsg_error err = {0};
    ck_assert_int_eq(gsg_predictor_run(predictor, job, &err), status);
    ck_assert_str_eq(err.message, message);
}

START_TEST(mistakes_are_refused)
{
    const scenario *scene = &scenes[1];
    genseg_context *context = context_with(1, 0);
    gsg_error err = {0};
    setting s = {0};
    gsg_predictor *predictor = NULL;
    ck_assert_int_eq(open_setting(context, scene, &s, &err), GENSEG_OK);
    gsg_unet many = scene->unet;
    many.outputs = 257;
    ck_assert_int_eq(gsg_predictor_new(context, &many, s.params, scene->tile, &predictor, &err), GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "prediction is of 1 to 256 classes, not 257");
    ck_assert_int_eq(gsg_predictor_new(context, &scene->unet, s.params, (int64_t[]){2, 16, 16}, &predictor, &err),
                     GENSEG_ERROR_INVALID);
    ck_assert_str_eq(err.message, "tile 2 x 16 x 16 for prediction in 2-D");
    ck_assert_int_eq(gsg_predictor_new(context, &scene->unet, s.params, (int64_t[]){1, 16, 18}, &predictor, &err),
                     GENSEG_ERROR_SHAPE);
    ck_assert_ptr_null(predictor);
    ck_assert_int_eq(gsg_predictor_new(context, &scene->unet, s.params, scene->tile, &predictor, &err), GENSEG_OK);
    gsg_predict_job good = job_of(scene, &s), job = good;
    job.overlap = 0.95;
    refused(predictor, &job, GENSEG_ERROR_INVALID, "overlap is 0.95, allowed are 0 to 0.9");
    job.overlap = (double)NAN;
    ck_assert_int_eq(gsg_predictor_run(predictor, &job, &err), GENSEG_ERROR_INVALID);
    job = good;
    job.size[1] = 0;
    refused(predictor, &job, GENSEG_ERROR_INVALID, "prediction of 41 voxels for 0 along axis 1");
    job = good;
    job.size[0] = 3;
    refused(predictor, &job, GENSEG_ERROR_SHAPE, "a 2-D network for 1 slices and results of 3");
    job = good;
    job.classes = NULL;
    refused(predictor, &job, GENSEG_ERROR_INVALID, "prediction without room for classes");
    job = good;
    job.volume = NULL;
    refused(predictor, &job, GENSEG_ERROR_INVALID, "prediction without an image");
    s.volume.channels = 1;
    refused(predictor, &good, GENSEG_ERROR_SHAPE, "image in 2-D of 1 channels for a network in 2-D of 2 channels");
    gsg_predictor_free(NULL);
    gsg_predictor_free(predictor);
    close_setting(&s);
    ck_assert_uint_eq(atomic_load(&context->memory), 0);
    gsg_context_release(context);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("predictor");
    tcase_set_timeout(tests, 100);
    tcase_add_loop_test(tests, equals_the_plain_way, 0, SCENES);
    tcase_add_test(tests, one_tile_is_the_network);
    tcase_add_loop_test(tests, threads_change_nothing, 0, SCENES);
    tcase_add_test(tests, follows_its_parameters);
    tcase_add_test(tests, can_be_cancelled_anywhere);
    tcase_add_test(tests, memory_is_foretold);
    tcase_add_test(tests, survives_failing_allocations);
    tcase_add_test(tests, mistakes_are_refused);
    RUN_TESTS(tests);
}
