// Times convolutions of one shape by each algorithm, all directions:
//   bench_conv THREADS REPEATS BATCH INPUTS OUTPUTS SIZE KERNEL STRIDE PADDING TRANSPOSED [DEPTH]
// SIZE is of the source; with a DEPTH it is a volume. Prints a line for each direction: the best milliseconds of
// oneDNN's direct kernel, of Winograd where it is made for the shape, and of what the library takes; how many times
// faster the latter is than the direct kernel, its billions of the direct algorithm's operations a second, its name.
#include <stdio.h>
#include <stdlib.h>

#include "core/parallel.h"
#include "kernel/conv.h"

static void must(genseg_status status, const gsg_error *err)
{
    if (status == GENSEG_OK)
        return;
    fprintf(stderr, "bench_conv: %s\n", err->message);
    exit(1);
}

static float *numbers(int64_t count)
{
    float *data = aligned_alloc(64, ((size_t)count * sizeof *data + 63) / 64 * 64);
    for (int64_t i = 0; data && i < count; i++)
        data[i] = (float)((uint32_t)i * 2654435761u >> 16) / 65536.0f - 0.5f;
    return data;
}

static double time_of(const gsg_kernel *kernel, float *const *args, int repeats)
{
    const gsg_run run = {0};
    gsg_error err = {0};
    double best = 1e9;
    void *scratch = numbers((int64_t)(kernel->scratch / sizeof(float)) + 16);
    for (int i = 0; i <= repeats; i++) {
        const double begin = gsg_clock();
        must(kernel->run(kernel, &run, args, scratch, &err), &err);
        const double seconds = gsg_clock() - begin;
        best = i > 0 && seconds < best ? seconds : best; // the first touches fresh memory
    }
    free(scratch);
    return best;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"forward", "data", "weights"};
    static const gsg_conv_algorithm algorithms[] = {GSG_CONV_DIRECT, GSG_CONV_WINOGRAD, GSG_CONV_AUTO};
    int64_t n[11] = {0};
    if (argc != 11 && argc != 12) {
        fprintf(
            stderr,
            "usage: bench_conv THREADS REPEATS BATCH INPUTS OUTPUTS SIZE KERNEL STRIDE PADDING TRANSPOSED [DEPTH]\n");
        return 2;
    }
    for (int i = 0; i < argc - 1; i++)
        n[i] = strtol(argv[i + 1], NULL, 10);
    gsg_error err = {0};
    genseg_context *context = NULL;
    gsg_engine *engine = NULL;
    genseg_context_options options = {.struct_size = sizeof options, .threads = (int32_t)n[0]};
    must(gsg_context_new(&options, &context, &err), &err);
    const int32_t saved = gsg_parallel_enter(context);
    must(gsg_engine_new(context, &engine, &err), &err);
    const int32_t spatial = n[10] ? 3 : 2;
    const gsg_conv conv = {.spatial = spatial,
                           .transposed = (int32_t)n[9],
                           .kernel = {n[6], n[6], n[6]},
                           .stride = {n[7], n[7], n[7]},
                           .padding = {n[8], n[8], n[8]}};
    const int64_t rows = n[9] ? n[3] : n[4], columns = n[9] ? n[4] : n[3];
    const gsg_shape source = gsg_shape_make(spatial + 2, (int64_t[]){n[2], n[3], n[10] ? n[10] : n[5], n[5], n[5]});
    const gsg_shape shape = gsg_shape_make(spatial + 2, (int64_t[]){rows, columns, n[6], n[6], n[6]});
    gsg_shape result;
    must(gsg_conv_shape(&conv, source, shape, &result, &err), &err);
    const gsg_weights weights = gsg_weights_layout(engine, shape, conv.transposed);
    const gsg_desc src = gsg_desc_activation(engine, source), dst = gsg_desc_activation(engine, result);
    float *x = numbers(gsg_desc_count(&src)), *w = numbers(weights.count), *y = numbers(gsg_desc_count(&dst));
    float *const args[3][5] = {{x, w, NULL, NULL, y}, {y, w, x}, {x, y, w, NULL}};
    for (int d = 0; d < 3; d++) {
        double ms[3], flops = 0;
        char taken[64] = "";
        for (int a = 0; a < 3; a++) {
            gsg_kernel *kernel = NULL;
            must(d == 0 ? gsg_conv_forward_new(engine, &conv, &src, &weights, &dst, NULL, algorithms[a], &kernel, &err)
                 : d == 1
                     ? gsg_conv_backward_data_new(engine, &conv, &src, &weights, &dst, algorithms[a], &kernel, &err)
                     : gsg_conv_backward_weights_new(engine, &conv, &src, &weights, &dst, 0, algorithms[a], &kernel,
                                                     &err),
                 &err);
            ms[a] = 1e3 * time_of(kernel, args[d], (int)n[1]);
            snprintf(taken, sizeof taken, "%s", kernel->name);
            flops = kernel->flops;
            gsg_kernel_free(kernel);
        }
        printf("%-8s direct %8.3f ms  Winograd %8.3f ms  taken %8.3f ms  x%.2f  %5.0f GFLOP/s  %s\n", names[d], ms[0],
               ms[1], ms[2], ms[0] / ms[2], flops / ms[2] / 1e6, taken);
    }
    free(x);
    free(w);
    free(y);
    gsg_engine_free(engine);
    gsg_parallel_leave(saved);
    gsg_context_release(context);
    return 0;
}
