// Times GenSeg's levels on one segmenter; a worker of suite.py, and by hand:
//   bench_genseg gan|levels WIDTH GENERATOR_WIDTH SIZE BATCH THREADS STEPS|-
// gan: milliseconds of a step of level I alone (discriminator, then generator). levels: of steps in which all three levels
// move. 2-D, Adam everywhere.
#include "core/parallel.h"
#include "model/unet.h"
#include "train/multilevel.h"
#include "turns.h"

typedef struct bench {
    genseg_context *context;
    gsg_multilevel_options options;
    gsg_unet unet;
    gsg_params *segmenter;
    gsg_optimizer *optimizer;
    gsg_multilevel *multilevel;
    int64_t count; // voxels of a batch
} bench;

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

static void set_up(bench *b, const int *number, int gan_only)
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
    o->gan_every = o->levers_every = 1;
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
    if (gan_only)
        o->levers = o->gan_every = 0;
    must(gsg_multilevel_new(b->context, o, b->segmenter, b->optimizer, &b->multilevel, &err), &err);
}

static void step(bench *b, int number, int gan_only)
{
    gsg_error err = {0};
    double loss;
    const double begin = gsg_clock();
    if (gan_only)
        must(gsg_multilevel_pretrain(b->multilevel, number, &err), &err);
    else
        must(gsg_multilevel_step(b->multilevel, number, 1e-4, &loss, &err), &err);
    printf("%.3f nan ", (gsg_clock() - begin) * 1e3);
}

int main(int argc, char **argv)
{
    int number[5];
    if (argc != 8) {
        fprintf(stderr, "usage: bench_genseg gan|levels WIDTH GENERATOR_WIDTH SIZE BATCH THREADS STEPS|-\n");
        return 2;
    }
    for (int i = 0; i < 5; i++)
        number[i] = (int)strtol(argv[i + 2], NULL, 10);
    const int gan_only = strcmp(argv[1], "gan") == 0;
    gsg_error err = {0};
    bench b = {0};
    genseg_context_options options = {.struct_size = sizeof options, .threads = number[4], .seed = 1};
    must(gsg_context_new(&options, &b.context, &err), &err);
    const int32_t saved = gsg_parallel_enter(b.context);
    set_up(&b, number, gan_only);
    for (int done = 0, count; (count = next_turn(argv[7], done)) > 0; done += count) {
        for (int i = 0; i < count; i++)
            step(&b, done + i, gan_only);
        end_turn();
    }
    gsg_multilevel_free(b.multilevel);
    gsg_optimizer_free(b.optimizer);
    gsg_params_free(b.segmenter);
    gsg_parallel_leave(saved);
    gsg_context_release(b.context);
    return 0;
}
