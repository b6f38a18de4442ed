// Times U-Net training steps and inference, for tests/bench/compare_unet.py:
//   bench_unet train|infer SPATIAL WIDTH SIZE BATCH THREADS REPEATS [profile]
// Prints one line of milliseconds a repeat, then the peak memory of the process.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/parallel.h"
#include "graph/plan.h"
#include "model/unet.h"
#include "optim/optimizer.h"

typedef struct bench {
    gsg_params *params;
    gsg_optimizer *optimizer;
    gsg_plan *plan;
    gsg_value image, target;
} bench;

static void must(genseg_status status, const gsg_error *err)
{
    if (status == GENSEG_OK)
        return;
    fprintf(stderr, "bench_unet: %s\n", err->message);
    exit(1);
}

static genseg_status update(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    bench *b = user;
    gsg_optimizer_update(b->optimizer, param, b->params->items[param].data, gradient);
    return GENSEG_OK;
}

static void make_plan(bench *b, genseg_context *context, const gsg_unet *unet, gsg_shape shape, int train)
{
    gsg_error err = {0};
    gsg_graph *graph;
    gsg_value wrt[256], gradients[256], output;
    int32_t index[256], count = 0;
    must(gsg_unet_new(context, unet, 1, &b->params, &err), &err);
    must(gsg_graph_new(context, b->params, &graph, &err), &err);
    b->image = gsg_op_input(graph, "image", shape);
    output = gsg_unet_build(graph, unet, b->image, train ? GSG_MODE_TRAIN : GSG_MODE_INFER);
    if (train) {
        int64_t counts[256];
        shape.dims[1] = unet->outputs;
        b->target = gsg_op_input(graph, "target", shape);
        output = gsg_nn_segmentation_loss(graph, output, b->target, GSG_NONE);
        count = gsg_graph_trainable(graph, wrt, index);
        must(gsg_graph_gradient(graph, &output, NULL, 1, wrt, count, gradients, &err), &err);
        gsg_optimizer_options options;
        gsg_optimizer_defaults(&options, GSG_OPTIMIZER_RMSPROP);
        options.momentum = 0.9;
        for (int32_t i = 0; i < b->params->count; i++)
            counts[i] = b->params->items[i].kind == GSG_PARAM_STATISTIC ? 1 : b->params->items[i].layout.count;
        must(gsg_optimizer_new(context, &options, b->params->count, counts, &b->optimizer, &err), &err);
    }
    gsg_plan_options options = {
        .outputs = &output, .output_count = 1, .gradients = gradients, .gradient_count = count, .params = index};
    must(gsg_plan_new(graph, &options, &b->plan, &err), &err);
    gsg_plan_set_sink(b->plan, update, b);
    gsg_graph_free(graph);
}

int main(int argc, char **argv)
{
    if (argc < 8) {
        fprintf(stderr, "usage: bench_unet train|infer SPATIAL WIDTH SIZE BATCH THREADS REPEATS [profile]\n");
        return 2;
    }
    int number[6];
    for (int i = 0; i < 6; i++)
        number[i] = (int)strtol(argv[i + 2], NULL, 10);
    int train = strcmp(argv[1], "train") == 0;
    gsg_error err = {0};
    genseg_context *context;
    genseg_context_options options = {.struct_size = sizeof options, .threads = number[4], .seed = 1};
    must(gsg_context_new(&options, &context, &err), &err);
    int32_t saved = gsg_parallel_enter(context);
    gsg_unet unet = gsg_unet_default(number[0]);
    unet.width = number[1];
    gsg_shape shape = {number[0] + 2, {number[3], 1, number[2], number[2], number[2]}};
    bench b = {0};
    make_plan(&b, context, &unet, shape, train);
    float *image = gsg_plan_data(b.plan, b.image);
    for (int64_t i = 0; i < gsg_shape_count(shape); i++)
        image[i] = (float)((i * 2654435761u) % 1000) / 500.0f - 1.0f;
    for (int64_t i = 0; train && i < gsg_shape_count(shape); i++)
        gsg_plan_data(b.plan, b.target)[i] = image[i] > 0 ? 1.0f : 0.0f;
    gsg_run run = {.update_statistics = 1};
    for (int i = 0; i < number[5] + 1; i++) {
        double begin = gsg_clock();
        if (i == 1)
            gsg_plan_profile(b.plan, argc > 8);
        if (train)
            gsg_optimizer_begin(b.optimizer, 1e-4);
        must(gsg_plan_run(b.plan, &run, &err), &err);
        if (i > 0) // the first touches fresh memory
            printf("%.2f ", (gsg_clock() - begin) * 1e3);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("\npeak %.1f MB arena %.1f MB\n", (double)usage.ru_maxrss / 1024, (double)gsg_plan_memory(b.plan) / 1048576);
    double flops = 0, seconds = 0;
    for (int32_t i = 0; argc > 8 && i < gsg_plan_steps(b.plan); i++) {
        gsg_plan_step step = gsg_plan_step_at(b.plan, i);
        char text[GSG_SHAPE_TEXT_SIZE];
        if (step.runs) {
            flops += step.flops;
            seconds += step.seconds / (double)step.runs;
            printf("%8.2f ms %8.1f GFLOP/s %7.1f GB/s  %-18s %s\n", step.seconds / (double)step.runs * 1e3,
                   step.flops * (double)step.runs / step.seconds * 1e-9,
                   step.bytes * (double)step.runs / step.seconds * 1e-9, gsg_shape_text(step.shape, text), step.name);
        }
    }
    if (argc > 8)
        printf("%.1f GFLOP in %.1f ms: %.0f GFLOP/s\n", flops * 1e-9, seconds * 1e3, flops / seconds * 1e-9);
    gsg_plan_free(b.plan);
    gsg_optimizer_free(b.optimizer);
    gsg_params_free(b.params);
    gsg_parallel_leave(saved);
    gsg_context_release(context);
    return 0;
}
