// Times a generator's forward and backward pass (L1 to a target) and inference:
//   bench_generator train|infer SPATIAL WIDTH SIZE BATCH THREADS REPEATS [profile|keep]
// Prints one line of milliseconds a repeat, then memory; with `profile` each step. `keep` recomputes nothing.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/parallel.h"
#include "graph/plan.h"
#include "model/generator.h"
#include "nn/init.h"

static void must(genseg_status status, const gsg_error *err)
{
    if (status == GENSEG_OK)
        return;
    fprintf(stderr, "bench_generator: %s\n", err->message);
    exit(1);
}

static genseg_status drop(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    return GENSEG_OK;
}

static gsg_plan *make_plan(genseg_context *context, const gsg_generator *generator, gsg_params *params, gsg_shape shape,
                           int train, int keep, gsg_value *mask)
{
    gsg_error err = {0};
    gsg_graph *graph;
    gsg_plan *plan;
    gsg_value wrt[256], gradients[256], output;
    int32_t index[256], count = 0;
    must(gsg_graph_new(context, params, &graph, &err), &err);
    *mask = gsg_op_input(graph, "mask", shape);
    output = gsg_generator_build(graph, generator, *mask, GSG_NONE, train ? GSG_MODE_TRAIN : GSG_MODE_INFER);
    if (train) {
        output = gsg_op_l1(graph, output, gsg_op_input(graph, "target", shape));
        count = gsg_graph_trainable(graph, wrt, index);
        must(gsg_graph_gradient(graph, &output, NULL, 1, wrt, count, gradients, &err), &err);
    }
    gsg_plan_options options = {.outputs = &output, .output_count = 1, .gradients = gradients, .gradient_count = count,
                                .params = index, .keep_all = keep};
    must(gsg_plan_new(graph, &options, &plan, &err), &err);
    gsg_plan_set_sink(plan, drop, NULL);
    gsg_graph_free(graph);
    return plan;
}

static void print_profile(const gsg_plan *plan)
{
    double flops = 0, seconds = 0;
    for (int32_t i = 0; i < gsg_plan_steps(plan); i++) {
        gsg_plan_step step = gsg_plan_step_at(plan, i);
        char text[GSG_SHAPE_TEXT_SIZE];
        if (!step.runs)
            continue;
        const double each = step.seconds / (double)step.runs;
        flops += step.flops;
        seconds += each;
        printf("%8.2f ms %8.1f GFLOP/s %7.1f GB/s  %-18s %s\n", each * 1e3, step.flops / each * 1e-9,
               step.bytes / each * 1e-9, gsg_shape_text(step.shape, text), step.name);
    }
    printf("%.1f GFLOP in %.1f ms: %.0f GFLOP/s\n", flops * 1e-9, seconds * 1e3, flops / seconds * 1e-9);
}

int main(int argc, char **argv)
{
    if (argc < 8) {
        fprintf(stderr, "usage: bench_generator train|infer SPATIAL WIDTH SIZE BATCH THREADS REPEATS [profile|keep]\n");
        return 2;
    }
    int number[6];
    for (int i = 0; i < 6; i++)
        number[i] = (int)strtol(argv[i + 2], NULL, 10);
    const int train = strcmp(argv[1], "train") == 0, profile = argc > 8 && strcmp(argv[8], "profile") == 0;
    gsg_error err = {0};
    genseg_context *context;
    gsg_params *params;
    gsg_value mask;
    genseg_context_options options = {.struct_size = sizeof options, .threads = number[4], .seed = 1};
    must(gsg_context_new(&options, &context, &err), &err);
    int32_t saved = gsg_parallel_enter(context);
    gsg_generator generator = gsg_generator_default(number[0]);
    generator.width = number[1];
    generator.levels = gsg_generator_depth(number[0], (int64_t[]){number[2], number[2], number[2]});
    gsg_shape shape = {number[0] + 2, {number[3], 1, number[2], number[2], number[2]}};
    must(gsg_generator_params(context, &generator, &params, &err), &err);
    must(gsg_init_gan(params, 1, &err), &err);
    gsg_plan *plan = make_plan(context, &generator, params, shape, train, argc > 8 && !profile, &mask);
    for (int64_t i = 0; i < gsg_shape_count(shape); i++)
        gsg_plan_data(plan, mask)[i] = (float)(i / 16 % 2);
    gsg_run run = {.update_statistics = 1};
    for (int i = 0; i < number[5] + 1; i++) {
        double begin = gsg_clock();
        if (i == 1)
            gsg_plan_profile(plan, profile);
        must(gsg_plan_run(plan, &run, &err), &err);
        if (i > 0) // the first touches fresh memory
            printf("%.2f ", (gsg_clock() - begin) * 1e3);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("\npeak %.1f MB arena %.1f MB, %.1f M weights\n", (double)usage.ru_maxrss / 1024,
           (double)gsg_plan_memory(plan) / 1048576, (double)gsg_params_values(params, 1) * 1e-6);
    if (profile)
        print_profile(plan);
    gsg_plan_free(plan);
    gsg_params_free(params);
    gsg_parallel_leave(saved);
    gsg_context_release(context);
    return 0;
}
