// Times the three levels of GenSeg on one segmenter, for tests/bench/compare_genseg.py:
//   bench_genseg levels|segmenter WIDTH GENERATOR_WIDTH SIZE BATCH THREADS REPEATS
// levels: a line of milliseconds a repeat for a step of level I, of level II (with its synthetic pairs), of level III.
// segmenter: one such line for a plain training step. Then the peak memory of the process. 2-D, Adam everywhere.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/parallel.h"
#include "model/unet.h"
#include "train/multilevel.h"

typedef struct bench {
    genseg_context *context;
    gsg_multilevel_options options;
    gsg_unet unet;
    gsg_params *segmenter;
    gsg_optimizer *optimizer;
    gsg_multilevel *multilevel;
    gsg_plan *plain; // the segmenter alone
    gsg_value image, target, loss;
    int64_t count; // voxels of a batch
} bench;

static void must(genseg_status status, const gsg_error *err)
{
    if (status == GENSEG_OK)
        return;
    fprintf(stderr, "bench_genseg: %s\n", err->message);
    exit(1);
}

static void fill(float *image, float *mask, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        mask[i] = (float)(i / 16 % 2);
        if (image)
            image[i] = (float)((i * 2654435761u) % 1000) / 1000.0f - 0.5f + 0.5f * mask[i];
    }
}

static genseg_status feed(gsg_feed_kind kind, int64_t step, float *image, float *mask, float *index, void *user,
                          gsg_error *err)
{
    const bench *b = user;
    fill(image, mask, b->count);
    for (int64_t n = 0; index && n < b->options.gan.batch; n++)
        index[n] = (float)n;
    return GENSEG_OK;
}

static gsg_value segment(gsg_graph *graph, gsg_value image, gsg_mode mode, const void *user)
{
    const bench *b = user;
    return gsg_unet_build(graph, &b->unet, image, mode);
}

static void set_up(bench *b, const int *number)
{
    gsg_error err = {0};
    gsg_optimizer_options adam;
    b->unet = gsg_unet_default(2);
    b->unet.width = number[0];
    b->count = (int64_t)number[3] * number[2] * number[2];
    gsg_multilevel_options *o = &b->options;
    *o = gsg_multilevel_defaults(2);
    o->segment = segment;
    o->segment_user = b;
    o->levers &= ~GSG_LEVER_GENERATOR;
    o->pairs = number[3];
    o->feed = feed;
    o->feed_user = b;
    o->gan.batch = number[3];
    memcpy(o->gan.size, (int64_t[]){1, number[2], number[2]}, sizeof o->gan.size);
    o->gan.generator.width = number[1];
    o->gan.generator.levels = gsg_generator_depth(2, o->gan.size);
    o->gan.generator.dropout = 0;
    gsg_optimizer_defaults(&adam, GSG_OPTIMIZER_ADAM);
    must(gsg_unet_new(b->context, &b->unet, 1, &b->segmenter, &err), &err);
    must(gsg_problem_optimizer(b->segmenter, NULL, &adam, &b->optimizer, &err), &err);
}

static void print_times(const char *name, const double *seconds, int count)
{
    printf("%s", name);
    for (int i = 1; i < count; i++) // the first touches fresh memory
        printf(" %.2f", seconds[i] * 1e3);
    printf("\n");
}

// Level I alone, level II without the others, then all three: what these take longer is level III, what it keeps of the
// other levels' steps included.
static void run_levels(bench *b, int repeats)
{
    gsg_error err = {0};
    double seconds[3][100], loss;
    must(gsg_multilevel_new(b->context, &b->options, b->segmenter, b->optimizer, &b->multilevel, &err), &err);
    gsg_multilevel *m = b->multilevel;
    for (int i = 0; i <= repeats; i++) {
        const double begin = gsg_clock();
        must(gsg_multilevel_pretrain(m, i, &err), &err);
        const double first = gsg_clock();
        m->options.levers = m->options.gan_every = 0;
        must(gsg_multilevel_step(m, i, 1e-4, &loss, &err), &err);
        const double second = gsg_clock();
        m->options.levers = b->options.levers;
        m->options.gan_every = 1;
        must(gsg_multilevel_step(m, i, 1e-4, &loss, &err), &err);
        seconds[0][i] = first - begin;
        seconds[1][i] = second - first;
        seconds[2][i] = gsg_clock() - second - (second - begin);
    }
    print_times("I", seconds[0], repeats + 1);
    print_times("II", seconds[1], repeats + 1);
    print_times("III", seconds[2], repeats + 1);
}

static genseg_status update(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    bench *b = user;
    gsg_optimizer_update(b->optimizer, param, b->segmenter->items[param].data, gradient);
    return GENSEG_OK;
}

static void run_segmenter(bench *b, int repeats)
{
    gsg_error err = {0};
    gsg_graph *graph;
    double seconds[100];
    must(gsg_graph_new(b->context, b->segmenter, &graph, &err), &err);
    b->image = gsg_op_input(graph, "image", gsg_gan_shape(&b->options.gan, 1));
    b->target = gsg_op_input(graph, "target", gsg_gan_shape(&b->options.gan, 1));
    b->loss = gsg_nn_segmentation_loss(graph, segment(graph, b->image, GSG_MODE_TRAIN, b), b->target, GSG_NONE);
    gsg_problem problem = {.graph = graph, .params = b->segmenter, .loss = {b->loss}, .seed = {GSG_NONE}, .losses = 1,
                           .outputs = {b->loss}, .output_count = 1};
    must(gsg_problem_plan(&problem, &b->plain, &err), &err);
    gsg_graph_free(graph);
    gsg_plan_set_sink(b->plain, update, b);
    fill(gsg_plan_data(b->plain, b->image), gsg_plan_data(b->plain, b->target), b->count);
    const gsg_run run = {.update_statistics = 1};
    for (int i = 0; i <= repeats; i++) {
        const double begin = gsg_clock();
        gsg_optimizer_begin(b->optimizer, 1e-4);
        must(gsg_plan_run(b->plain, &run, &err), &err);
        seconds[i] = gsg_clock() - begin;
    }
    print_times("segmenter", seconds, repeats + 1);
}

int main(int argc, char **argv)
{
    int number[6];
    if (argc != 8) {
        fprintf(stderr, "usage: bench_genseg levels|segmenter WIDTH GENERATOR_WIDTH SIZE BATCH THREADS REPEATS\n");
        return 2;
    }
    for (int i = 0; i < 6; i++)
        number[i] = (int)strtol(argv[i + 2], NULL, 10);
    const int repeats = number[5] < 1 ? 1 : number[5] > 99 ? 99 : number[5];
    gsg_error err = {0};
    bench b = {0};
    genseg_context_options options = {.struct_size = sizeof options, .threads = number[4], .seed = 1};
    must(gsg_context_new(&options, &b.context, &err), &err);
    int32_t saved = gsg_parallel_enter(b.context);
    set_up(&b, number);
    if (strcmp(argv[1], "levels") == 0)
        run_levels(&b, repeats);
    else
        run_segmenter(&b, repeats);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("peak %.1f\n", (double)usage.ru_maxrss / 1024);
    gsg_plan_free(b.plain);
    gsg_multilevel_free(b.multilevel);
    gsg_optimizer_free(b.optimizer);
    gsg_params_free(b.segmenter);
    gsg_parallel_leave(saved);
    gsg_context_release(b.context);
    return 0;
}
