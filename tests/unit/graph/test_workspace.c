// A workspace that plans share: what each computes, and keeps, is what it computes and keeps alone.
#include <check.h>
#include <math.h>
#include <string.h>

#include "core/alloc.h"
#include "graph/plan.h"

#define CHANNELS 20

typedef struct net {
    gsg_plan *plan;
    gsg_value image, output;
    int64_t image_count, output_count;
    float gradient[4096]; // of the first weights
    int64_t gradients;
} net;

static genseg_context *context;
static gsg_params *params;
static gsg_error err;

#define OK(call) ck_assert_msg((call) == GENSEG_OK, "%s", err.message)

static gsg_value conv(gsg_graph *graph, gsg_value x, const char *name, int64_t out)
{
    const gsg_conv c = {.spatial = 2, .kernel = {3, 3, 3}, .stride = {1, 1, 1}, .padding = {1, 1, 1}};
    const int64_t dims[4] = {out, gsg_graph_shape(graph, x).dims[1], 3, 3};
    return gsg_op_conv(graph, x, gsg_op_param(graph, name, GSG_PARAM_CONV, gsg_shape_make(4, dims)), GSG_NONE, &c);
}

static genseg_status keep(int32_t param, const float *gradient, void *user, gsg_error *error)
{
    net *n = user;
    if (n->gradients)
        return GENSEG_OK;
    n->gradients = params->items[param].layout.count < 4096 ? params->items[param].layout.count : 4096;
    memcpy(n->gradient, gradient, (size_t)n->gradients * sizeof *gradient);
    return GENSEG_OK;
}

// Three layers on a square of `size`, the mean size of the result as loss.
static void build(net *n, int64_t size, gsg_workspace *workspace)
{
    gsg_graph *graph;
    gsg_value wrt[8], gradients[8];
    int32_t index[8];
    memset(n, 0, sizeof *n);
    OK(gsg_graph_new(context, params, &graph, &err));
    const gsg_shape shape = gsg_shape_make(4, (int64_t[]){2, 1, size, size});
    n->image = gsg_op_input(graph, "image", shape);
    gsg_value hidden = gsg_op_activation(graph, conv(graph, n->image, "first", CHANNELS), GSG_ACT_TANH, 0);
    gsg_value result =
        conv(graph, gsg_op_activation(graph, conv(graph, hidden, "second", CHANNELS), GSG_ACT_TANH, 0), "last", 1);
    n->output = gsg_op_activation(graph, result, GSG_ACT_TANH, 0);
    gsg_value zero = gsg_op_scale(graph, n->image, 0, GSG_NONE);
    gsg_value loss = gsg_op_l1(graph, n->output, zero);
    const int32_t count = gsg_graph_trainable(graph, wrt, index);
    OK(gsg_graph_gradient(graph, &loss, NULL, 1, wrt, count, gradients, &err));
    const gsg_plan_options options = {.outputs = &n->output,
                                      .output_count = 1,
                                      .gradients = gradients,
                                      .gradient_count = count,
                                      .params = index,
                                      .workspace = workspace};
    OK(gsg_plan_new(graph, &options, &n->plan, &err));
    gsg_graph_free(graph);
    gsg_plan_set_sink(n->plan, keep, n);
    n->image_count = n->output_count = 2 * size * size;
    for (int64_t i = 0; i < n->image_count; i++)
        gsg_plan_data(n->plan, n->image)[i] = (float)((uint32_t)i * 2654435761u >> 8) / 16777216.0f - 0.5f;
}

static void run(net *n)
{
    const gsg_run how = {0};
    n->gradients = 0;
    OK(gsg_plan_run(n->plan, &how, &err));
    ck_assert_int_gt(n->gradients, 0);
}

static void check_equal(net *a, net *b)
{
    ck_assert_mem_eq(gsg_plan_data(a->plan, a->output), gsg_plan_data(b->plan, b->output),
                     (size_t)a->output_count * sizeof(float));
    ck_assert_int_eq(a->gradients, b->gradients);
    ck_assert_mem_eq(a->gradient, b->gradient, (size_t)a->gradients * sizeof(float));
}

static void poison(gsg_workspace *workspace)
{
    for (size_t i = 0; i < workspace->bytes / sizeof(float); i++)
        workspace->data[i] = NAN;
}

START_TEST(plans_by_turns)
{
    static net small, large, alone[2];
    gsg_workspace *workspace = NULL;
    const genseg_context_options options = {.struct_size = sizeof options, .threads = 2, .seed = 1};
    OK(gsg_context_new(&options, &context, &err));
    OK(gsg_params_new(context, &params, &err));
    build(&alone[0], 24, NULL);
    build(&alone[1], 48, NULL);
    for (int32_t i = 0; i < params->count; i++)
        for (int64_t k = 0; k < params->items[i].layout.count; k++)
            params->items[i].data[k] = 0.1f * sinf((float)(7 * i + k));
    run(&alone[0]);
    run(&alone[1]);
    OK(gsg_workspace_new(context, &workspace, &err));
    build(&small, 24, workspace);
    const size_t first = workspace->bytes;
    run(&small);
    check_equal(&small, &alone[0]);
    build(&large, 48, workspace); // which moves it
    ck_assert_uint_gt(workspace->bytes, first);
    const size_t both = workspace->bytes;
    ck_assert_uint_lt(both, gsg_plan_memory(alone[0].plan) + gsg_plan_memory(alone[1].plan));
    for (int turn = 0; turn < 3; turn++) { // inputs were written once, outputs outlast what others do
        poison(workspace);
        run(&small);
        poison(workspace);
        run(&large);
        check_equal(&small, &alone[0]);
        check_equal(&large, &alone[1]);
    }
    ck_assert_uint_eq(workspace->bytes, both);
    gsg_workspace_release(workspace);
    gsg_plan_free(small.plan);
    run(&large); // holds on to it
    check_equal(&large, &alone[1]);
    gsg_plan_free(large.plan);
    gsg_plan_free(alone[0].plan);
    gsg_plan_free(alone[1].plan);
    gsg_params_free(params);
    gsg_context_release(context);
}
END_TEST

START_TEST(no_memory)
{
    gsg_workspace *workspace = NULL;
    const genseg_context_options options = {.struct_size = sizeof options, .memory_limit = 1 << 20};
    OK(gsg_context_new(&options, &context, &err));
    OK(gsg_workspace_new(context, &workspace, &err));
    OK(gsg_workspace_grow(workspace, 1000, &err));
    ck_assert_int_eq(gsg_workspace_grow(workspace, 1 << 21, &err), GENSEG_ERROR_NOMEM);
    ck_assert(workspace->bytes == 0 && !workspace->data);
    OK(gsg_workspace_grow(workspace, 1000, &err));
    gsg_workspace_release(workspace);
    gsg_context_release(context);
}
END_TEST

int main(void)
{
    TCase *tests = tcase_create("workspace");
    tcase_add_test(tests, plans_by_turns);
    tcase_add_test(tests, no_memory);
    Suite *suite = suite_create("workspace");
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
