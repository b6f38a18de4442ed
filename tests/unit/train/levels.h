// A small three-level problem for tests: discs of another brightness than their ground, fixed batches.
#ifndef TEST_TRAIN_LEVELS_H
#define TEST_TRAIN_LEVELS_H

#include <check.h>
#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "faults.h"
#include "nn/init.h"
#include "train/multilevel.h"

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        gsg_error problem = {0}, *err = &problem;                                                                      \
        const genseg_status found = (call);                                                                            \
        ck_assert_msg(found == GENSEG_OK, "%s: %d %s", #call, (int)found, problem.message);                            \
    } while (0)

// Batch `step` of a kind: discs (balls) whose places and sizes are drawn, in the classes that the network tells apart.
typedef struct levels_data {
    int64_t size[3];
    int32_t spatial;
    int64_t batch, channels, outputs;
    double beyond; // added to level I's images
} levels_data;

GSG_UNUSED static int32_t levels_class(const levels_data *d, const double centre[3], double radius, const int64_t p[3])
{
    double distance = 0;
    for (int32_t a = 3 - d->spatial; a < 3; a++)
        distance += ((double)p[a] - centre[a]) * ((double)p[a] - centre[a]);
    const double ring = sqrt(distance) / radius;
    return ring > 1 ? 0 : d->outputs > 2 && ring < 0.5 ? 2 : 1;
}

GSG_UNUSED static genseg_status levels_feed(gsg_feed_kind kind, int64_t step, float *image, float *mask, float *index,
                                            void *user, gsg_error *err)
{
    const levels_data *d = user;
    const int64_t voxels = d->size[0] * d->size[1] * d->size[2];
    for (int64_t n = 0; n < d->batch; n++) {
        gsg_rng rng;
        gsg_rng_init(&rng, 11 + (uint64_t)kind, GSG_STREAM_USER, (uint64_t)(step * d->batch + n));
        double centre[3];
        for (int32_t a = 0; a < 3; a++)
            centre[a] = (double)d->size[a] * gsg_rng_range(&rng, 0.35, 0.65);
        const double radius = (double)d->size[2] * gsg_rng_range(&rng, 0.2, 0.3);
        for (int64_t v = 0; v < voxels; v++) {
            const int64_t p[3] = {v / d->size[2] / d->size[1], v / d->size[2] % d->size[1], v % d->size[2]};
            const int32_t k = levels_class(d, centre, radius, p);
            for (int64_t c = 0; c < d->outputs; c++)
                mask[(n * d->outputs + c) * voxels + v] = d->outputs == 1 ? (float)(k > 0) : (float)(k == c);
            for (int64_t c = 0; image && c < d->channels; c++)
                image[(n * d->channels + c) * voxels + v] = (float)(-0.5 + 0.5 * k + 0.1 * (double)c +
                                                                    0.2 * gsg_rng_normal(&rng) + d->beyond * (kind == GSG_FEED_PAIR));
        }
        if (index)
            index[n] = (float)(n % 3);
    }
    return GENSEG_OK;
}

// A smooth segmenter: where ReLU and max pooling switch, gradients jump, and a difference quotient of what a step does
// shows the jumps.
GSG_UNUSED static gsg_value levels_segment(gsg_graph *graph, gsg_value image, gsg_mode mode, const void *user)
{
    const levels_data *d = user;
    const gsg_conv conv = gsg_nn_square(d->spatial, 3, 1, 1, 0);
    gsg_value x = gsg_op_activation(graph, gsg_nn_conv(graph, "first", image, 8, &conv, 1), GSG_ACT_TANH, 0);
    x = gsg_nn_conv_norm(graph, "second", 0, x, 8, &conv, 1.0f, mode);
    x = gsg_op_activation(graph, x, GSG_ACT_TANH, 0);
    return gsg_nn_conv(graph, "last", x, d->outputs, &conv, 1);
}

typedef struct levels {
    genseg_context *context;
    gsg_params *segmenter, *segmenter_first, *gan_first;
    gsg_optimizer *optimizer;
    gsg_multilevel *m;
    levels_data data;
} levels;

// 16 x 16 (x 16), tiny networks, plain SGD everywhere.
GSG_UNUSED static gsg_multilevel_options levels_options(int32_t spatial, int64_t outputs, levels_data *data)
{
    gsg_multilevel_options o = gsg_multilevel_defaults(spatial);
    *data = (levels_data){.size = {spatial == 3 ? 16 : 1, 16, 16}, .spatial = spatial, .batch = 2, .channels = 1,
                          .outputs = outputs};
    o.segment = levels_segment;
    o.segment_user = data;
    o.outputs = outputs;
    o.gan.batch = 2;
    memcpy(o.gan.size, data->size, sizeof o.gan.size);
    o.gan.generator.levels = 3;
    o.gan.generator.width = 4;
    o.gan.generator.masks = outputs;
    o.gan.discriminator.layers = 1;
    o.gan.discriminator.width = 4;
    o.gan.discriminator.channels = outputs + 1;
    gsg_optimizer_defaults(&o.gan.optimizer, GSG_OPTIMIZER_SGD);
    o.pairs = 3;
    o.feed = levels_feed;
    o.feed_user = data;
    return o;
}

GSG_UNUSED static genseg_status levels_build(genseg_context *context, const gsg_multilevel_options *options,
                                             int32_t optimizer, levels *l, gsg_error *err)
{
    genseg_status status;
    gsg_optimizer_options sgd;
    memset(l, 0, sizeof *l);
    l->context = context;
    gsg_optimizer_defaults(&sgd, optimizer);
    gsg_graph *graph = NULL;
    GSG_TRY(gsg_params_new(context, &l->segmenter, err));
    GSG_TRY(gsg_graph_new(context, l->segmenter, &graph, err));
    options->segment(graph, gsg_op_input(graph, "image", gsg_gan_shape(&options->gan, options->gan.generator.channels)),
                     GSG_MODE_TRAIN, options->segment_user);
    GSG_TRY(gsg_graph_status(graph, err));
    GSG_TRY(gsg_init_default(l->segmenter, 5, err));
    GSG_TRY(gsg_problem_optimizer(l->segmenter, NULL, &sgd, &l->optimizer, err));
    GSG_TRY(gsg_multilevel_new(context, options, l->segmenter, l->optimizer, &l->m, err));
    GSG_TRY(gsg_params_clone(l->segmenter, &l->segmenter_first, err));
    GSG_TRY(gsg_params_clone(l->m->gan->params, &l->gan_first, err));
done:
    gsg_graph_free(graph);
    return status;
}

// Keeps generator and discriminator away from the kinks of ReLU: batch norm and biases lift what they feed, convolutions
// without either get weights that are not negative.
GSG_UNUSED static void levels_smooth(levels *l, int32_t innermost)
{
    char name[32];
    snprintf(name, sizeof name, "generator.down%d.k", (int)innermost);
    for (int32_t i = 0; i < l->gan_first->count; i++) {
        gsg_param *p = &l->gan_first->items[i];
        const bool bias = strstr(p->name, ".norm.bias") ||
                          (strstr(p->name, "discriminator.") && strstr(p->name, ".bias"));
        const bool bare = strstr(p->name, "generator.down1.k") || strstr(p->name, name);
        for (int64_t k = 0; k < p->layout.count; k++)
            if (bare)
                p->data[k] = fabsf(p->data[k]);
            else if (bias && k < gsg_shape_count(p->layout.shape))
                p->data[k] = 6;
    }
}

GSG_UNUSED static void levels_free(levels *l)
{
    gsg_multilevel_free(l->m);
    gsg_optimizer_free(l->optimizer);
    gsg_params_free(l->segmenter);
    gsg_params_free(l->segmenter_first);
    gsg_params_free(l->gan_first);
}

GSG_UNUSED static bool levels_same(const gsg_params *a, const gsg_params *b)
{
    for (int32_t i = 0; i < a->count; i++)
        if (memcmp(a->items[i].data, b->items[i].data, (size_t)a->items[i].layout.count * sizeof(float)) != 0)
            return false;
    return true;
}

#endif
