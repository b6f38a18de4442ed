// Times one network, training steps or inference; a worker of suite.py, and by hand:
//   bench_network unet|generator train|infer SPATIAL WIDTH SIZE BATCH THREADS STEPS|- [DIR|profile]
// Prints "milliseconds loss" for each step (the loss NaN in inference). The U-Net trains by cross entropy and Dice with
// RMSprop, the generator by L1 without an optimizer. DIR gives weights.safetensors, image.raw and target.raw, and gets
// the first inference's output, ours.raw. With `profile` each operation is listed at the end.
#include <math.h>

#include "core/parallel.h"
#include "core/profile.h"
#include "graph/plan.h"
#include "model/generator.h"
#include "kernel/peak.h"
#include "model/unet.h"
#include "nn/init.h"
#include "optim/optimizer.h"
#include "predict/model_file.h"
#include "turns.h"

enum { SPATIAL, WIDTH, SIZE, BATCH, THREADS, NUMBERS };

typedef struct bench {
    genseg_context *context;
    int number[NUMBERS];
    int train, generator;
    gsg_params *params;
    gsg_optimizer *optimizer;
    gsg_plan *plan;
    gsg_value image, target, output;
} bench;

static genseg_status update(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    bench *b = user;
    if (b->optimizer)
        gsg_optimizer_update(b->optimizer, param, b->params->items[param].data, gradient);
    return GENSEG_OK;
}

static void make_optimizer(bench *b)
{
    gsg_error err = {0};
    int64_t counts[512];
    gsg_optimizer_options options;
    gsg_optimizer_defaults(&options, GSG_OPTIMIZER_RMSPROP);
    options.momentum = 0.9;
    options.weight_decay = 0;
    for (int32_t i = 0; i < b->params->count; i++)
        counts[i] = b->params->items[i].kind == GSG_PARAM_STATISTIC ? 1 : b->params->items[i].layout.count;
    must(gsg_optimizer_new(b->context, &options, b->params->count, counts, &b->optimizer, &err), &err);
}

static gsg_value build(bench *b, gsg_graph *graph, gsg_shape shape)
{
    gsg_error err = {0};
    const gsg_mode mode = b->train ? GSG_MODE_TRAIN : GSG_MODE_INFER;
    b->image = gsg_op_input(graph, "image", shape);
    if (b->train)
        b->target = gsg_op_input(graph, "target", shape);
    if (b->generator) {
        gsg_generator generator = gsg_generator_default(b->number[SPATIAL]);
        const int64_t size[3] = {b->number[SIZE], b->number[SIZE], b->number[SIZE]};
        generator.width = b->number[WIDTH];
        generator.levels = gsg_generator_depth(generator.spatial, size);
        generator.dropout = 0;
        gsg_value image = gsg_generator_build(graph, &generator, b->image, GSG_NONE, mode);
        must(gsg_init_gan(b->params, 1, &err), &err);
        return b->train ? gsg_op_l1(graph, image, b->target) : image;
    }
    gsg_unet unet = gsg_unet_default(b->number[SPATIAL]);
    unet.width = b->number[WIDTH];
    gsg_value logits = gsg_unet_build(graph, &unet, b->image, mode);
    must(gsg_init_default(b->params, 1, &err), &err);
    return b->train ? gsg_nn_segmentation_loss(graph, logits, b->target, GSG_NONE) : logits;
}

static void load_weights(bench *b, const char *dir)
{
    gsg_error err = {0};
    char path[4096];
    gsg_safetensors *file;
    snprintf(path, sizeof path, "%s/weights.safetensors", dir);
    must(gsg_safetensors_open(b->context, path, &file, &err), &err);
    must(gsg_model_read_weights(file, b->params, &err), &err);
    gsg_safetensors_free(file);
}

static void make_plan(bench *b, const char *dir, gsg_shape shape)
{
    gsg_error err = {0};
    gsg_graph *graph;
    gsg_value wrt[512], gradients[512];
    int32_t index[512], count = 0;
    must(gsg_params_new(b->context, &b->params, &err), &err);
    must(gsg_graph_new(b->context, b->params, &graph, &err), &err);
    b->output = build(b, graph, shape);
    must(gsg_graph_status(graph, &err), &err);
    if (dir) // before the rest is there: a file is held whole while it is read
        load_weights(b, dir);
    if (b->train) {
        count = gsg_graph_trainable(graph, wrt, index);
        must(gsg_graph_gradient(graph, &b->output, NULL, 1, wrt, count, gradients, &err), &err);
        if (!b->generator)
            make_optimizer(b);
    }
    gsg_plan_options options = {.outputs = &b->output, .output_count = 1, .gradients = gradients,
                                .gradient_count = count, .params = index};
    must(gsg_plan_new(graph, &options, &b->plan, &err), &err);
    gsg_plan_set_sink(b->plan, update, b);
    gsg_graph_free(graph);
}

static void fill(bench *b, const char *dir, int64_t count)
{
    float *image = gsg_plan_data(b->plan, b->image), *target = b->train ? gsg_plan_data(b->plan, b->target) : NULL;
    for (int64_t i = 0; !dir && i < count; i++) {
        image[i] = (float)((i * 2654435761u) % 1000) / 500.0f - 1.0f;
        if (target)
            target[i] = image[i] > 0 ? 1.0f : 0.0f;
    }
    if (read_floats(dir, "image.raw", image, count) && target)
        read_floats(dir, "target.raw", target, count);
}

static void step(bench *b)
{
    gsg_error err = {0};
    const gsg_run run = {.update_statistics = 1};
    const double begin = gsg_clock();
    if (b->optimizer)
        gsg_optimizer_begin(b->optimizer, 1e-4);
    must(gsg_plan_run(b->plan, &run, &err), &err);
    printf("%.3f %.7g ", (gsg_clock() - begin) * 1e3, b->train ? *gsg_plan_data(b->plan, b->output) : NAN);
}

static void print_profile(const bench *b)
{
    const double peak = gsg_peak_flops(b->context);
    double flops = 0, seconds = 0;
    const gsg_profile_row *row;
    for (int64_t i = 0; (row = gsg_profile_at(b->context, i)); i++) {
        char text[GSG_SHAPE_TEXT_SIZE];
        const gsg_shape shape = gsg_shape_make(row->ndim, row->dims);
        flops += row->flops;
        seconds += row->seconds;
        printf("%8.2f ms %5d runs %8.1f GFLOP/s %7.1f GB/s  %-18s %s\n", row->seconds * 1e3, (int)row->runs,
               row->flops / row->seconds * 1e-9, row->bytes / row->seconds * 1e-9, gsg_shape_text(shape, text), row->name);
    }
    printf("%.1f GFLOP in %.1f ms: %.0f GFLOP/s, %.2f of the machine's peak of %.0f; arena %.1f MB\n", flops * 1e-9,
           seconds * 1e3, flops / seconds * 1e-9, flops / seconds / peak, peak * 1e-9,
           (double)gsg_plan_memory(b->plan) / 1e6);
}

int main(int argc, char **argv)
{
    if (argc < 9) {
        fprintf(stderr, "usage: bench_network unet|generator train|infer SPATIAL WIDTH SIZE BATCH THREADS STEPS|- "
                        "[DIR|profile]\n");
        return 2;
    }
    bench b = {.train = strcmp(argv[2], "train") == 0, .generator = strcmp(argv[1], "generator") == 0};
    for (int i = 0; i < NUMBERS; i++)
        b.number[i] = (int)strtol(argv[i + 3], NULL, 10);
    const int profile = argc > 9 && strcmp(argv[9], "profile") == 0;
    const char *dir = argc > 9 && !profile ? argv[9] : NULL;
    gsg_error err = {0};
    genseg_context_options options = {.struct_size = sizeof options, .threads = b.number[THREADS], .seed = 1};
    must(gsg_context_new(&options, &b.context, &err), &err);
    const int32_t saved = gsg_parallel_enter(b.context);
    const int64_t size = b.number[SIZE];
    const gsg_shape shape = {b.number[SPATIAL] + 2, {b.number[BATCH], 1, size, size, size}};
    make_plan(&b, dir, shape);
    fill(&b, dir, gsg_shape_count(shape));
    for (int done = 0, count; (count = next_turn(argv[8], done)) > 0; done += count) {
        for (int i = 0; i < count; i++) {
            if (done + i == 1)
                must(gsg_profile_set(b.context, profile, &err), &err); // the first touches fresh memory
            step(&b);
            if (dir && !b.train && done + i == 0)
                write_floats(dir, "ours.raw", gsg_plan_data(b.plan, b.output), gsg_shape_count(shape));
        }
        end_turn();
    }
    must(gsg_profile_set(b.context, 0, &err), &err);
    if (profile)
        print_profile(&b);
    gsg_plan_free(b.plan);
    gsg_optimizer_free(b.optimizer);
    gsg_params_free(b.params);
    gsg_parallel_leave(saved);
    gsg_context_release(b.context);
    return 0;
}
