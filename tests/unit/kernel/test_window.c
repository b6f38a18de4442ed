// Max pooling and linear resampling in all layouts against PyTorch (golden_window.h, made
// by make_norm_window.py), against plain loops and adjoints, and at their edges.
#include "kernel/window.h"

#include "faults.h"
#include "golden_window.h"
#include "kernel/operands.h"

static genseg_context *context;
static gsg_engine *engine;
static gsg_error err;
static const gsg_run no_run = {0};

static const int32_t blocks[] = {1, 8, 16};
#define BLOCKS 3
#define POOLS (int)(sizeof golden_pools / sizeof golden_pools[0])
#define RESIZES (int)(sizeof golden_resizes / sizeof golden_resizes[0])

static void open_engine(void)
{
    context = context_of(2);
    engine = engine_of(context);
}

static void close_engine(void)
{
    gsg_engine_free(engine);
    gsg_context_release(context);
}

static void pool_forward(gsg_engine *e, const gsg_pool *pool, const operand *src, operand *dst)
{
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_max_pool_forward_new(e, pool, &src->desc, &dst->desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){src->data, dst->data}, &err);
}

static void pool_backward(gsg_engine *e, const gsg_pool *pool, const operand *src, const operand *diff, operand *out)
{
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_max_pool_backward_new(e, pool, &src->desc, &diff->desc, &out->desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){src->data, diff->data, out->data}, &err);
}

static void resize_forward(gsg_engine *e, int32_t corners, const operand *src, operand *dst)
{
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_resize_forward_new(e, corners, &src->desc, &dst->desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){src->data, dst->data}, &err);
}

static void resize_backward(gsg_engine *e, int32_t corners, const operand *diff, operand *out)
{
    gsg_kernel *kernel = NULL;
    genseg_status status = gsg_resize_backward_new(e, corners, &out->desc, &diff->desc, &kernel, &err);
    kernel_run(status, kernel, &no_run, (float *[]){diff->data, out->data}, &err);
}

// Operands of one forward and backward pass, with gaps between samples.
typedef struct pass {
    float *x, *dy, *out; // out: the longer of the two
    operand src, dst, diff, diff_src;
} pass;

static pass pass_new(gsg_shape src, gsg_shape dst, int32_t block)
{
    const int64_t in = gsg_shape_count(src), out = gsg_shape_count(dst);
    pass p = {.x = samples(in, 1, 1.0), .dy = samples(out, 2, 1.0), .out = samples(in > out ? in : out, 3, 1.0)};
    p.src = operand_of(src, block, 0, p.x);
    p.dst = operand_new(dst, block, 32);
    p.diff = operand_of(dst, block, 48, p.dy);
    p.diff_src = operand_new(src, block, 64);
    return p;
}

static void pass_free(pass *p)
{
    operand_free(&p->src);
    operand_free(&p->dst);
    operand_free(&p->diff);
    operand_free(&p->diff_src);
    free(p->x);
    free(p->dy);
    free(p->out);
}

START_TEST(pool_as_pytorch)
{
    const golden_pool *g = &golden_pools[_i / BLOCKS];
    const int64_t in = gsg_shape_count(g->src), out = gsg_shape_count(g->dst);
    gsg_shape shape;
    ck_assert_int_eq(gsg_pool_shape(&g->pool, g->src, &shape, &err), GENSEG_OK);
    ck_assert(gsg_shape_equal(shape, g->dst));
    pass p = pass_new(g->src, g->dst, blocks[_i % BLOCKS]);
    pool_forward(engine, &g->pool, &p.src, &p.dst);
    operand_get(&p.dst, p.out);
    check_values(p.out, g->y, out, 1e-6, "y");
    pool_backward(engine, &g->pool, &p.src, &p.diff, &p.diff_src);
    operand_get(&p.diff_src, p.out);
    check_values(p.out, g->dx, in, 1e-6, "dx");
    operand_get(&p.src, p.out);
    ck_assert_mem_eq(p.out, p.x, (size_t)in * sizeof *p.x);
    pass_free(&p);
}
END_TEST

START_TEST(resize_as_pytorch)
{
    const golden_resize *g = &golden_resizes[_i / BLOCKS];
    pass p = pass_new(g->src, g->dst, blocks[_i % BLOCKS]);
    resize_forward(engine, g->align_corners, &p.src, &p.dst);
    operand_get(&p.dst, p.out);
    check_values(p.out, g->y, gsg_shape_count(g->dst), 1e-5, "y");
    resize_backward(engine, g->align_corners, &p.diff, &p.diff_src);
    operand_get(&p.diff_src, p.out);
    check_values(p.out, g->dx, gsg_shape_count(g->src), 1e-5, "dx");
    pass_free(&p);
}
END_TEST

// Windows of the tests below: those of networks, with gaps, of D alone or of H alone apart, and over all.
static const gsg_pool windows[] = {
    {3, 0, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}}, {3, 0, {1, 2, 2}, {1, 2, 2}, {0, 0, 0}},
    {3, 0, {2, 3, 3}, {4, 3, 5}, {1, 1, 0}}, {3, 0, {2, 3, 3}, {3, 2, 3}, {1, 1, 1}},
    {3, 0, {3, 2, 3}, {2, 3, 2}, {1, 0, 1}}, {3, 0, {3, 3, 3}, {2, 2, 1}, {1, 1, 1}},
    {2, 0, {2, 2}, {2, 2}, {0, 0}},          {2, 0, {3, 2}, {3, 1}, {1, 1}},
    {2, 0, {3, 3}, {1, 1}, {1, 1}},
};
#define WINDOWS (int)(sizeof windows / sizeof windows[0])

static gsg_shape window_shape(const gsg_pool *pool)
{
    return pool->spatial == 3 ? gsg_shape_make(5, (int64_t[]){2, 5, 11, 13, 9}) : shape4(2, 20, 23, 19);
}

// Any number of threads: the bits of one, which pool_as_pytorch and this sum speak for: every
// gradient arrives once, where the source equals the maximum.
START_TEST(pool_same_with_any_threads)
{
    const gsg_pool *pool = &windows[_i / BLOCKS];
    const gsg_shape shape = window_shape(pool);
    gsg_shape pooled;
    ck_assert_int_eq(gsg_pool_shape(pool, shape, &pooled, &err), GENSEG_OK);
    const int64_t in = gsg_shape_count(shape), out = gsg_shape_count(pooled);
    float *y = samples(out, 1, 1.0), *dx = samples(in, 1, 1.0);
    for (int32_t threads = 1; threads <= 5; ++threads) {
        genseg_context *own_context = context_of(threads);
        gsg_engine *own = engine_of(own_context);
        pass p = pass_new(shape, pooled, blocks[_i % BLOCKS]);
        pool_forward(own, pool, &p.src, &p.dst);
        pool_backward(own, pool, &p.src, &p.diff, &p.diff_src);
        operand_get(&p.dst, p.out);
        if (threads == 1)
            memcpy(y, p.out, (size_t)out * sizeof *y);
        ck_assert_mem_eq(p.out, y, (size_t)out * sizeof *y);
        operand_get(&p.diff_src, p.out);
        if (threads == 1)
            memcpy(dx, p.out, (size_t)in * sizeof *dx);
        ck_assert_mem_eq(p.out, dx, (size_t)in * sizeof *dx);
        double given = 0.0, arrived = 0.0, at_maxima = 0.0, expected = 0.0;
        for (int64_t i = 0; i < out; ++i) {
            given += (double)p.dy[i];
            expected += (double)p.dy[i] * (double)y[i];
        }
        for (int64_t i = 0; i < in; ++i) {
            arrived += (double)dx[i];
            at_maxima += (double)dx[i] * (double)p.x[i];
        }
        check_near(arrived, given, 1e-5 * (double)out, "sum of the gradient", threads);
        check_near(at_maxima, expected, 1e-5 * (double)out, "sum of gradient times source", threads);
        pass_free(&p);
        gsg_engine_free(own);
        gsg_context_release(own_context);
    }
    free(y);
    free(dx);
}
END_TEST

// Of equals the first in order has the whole gradient, as in PyTorch; a NaN is not hidden.
START_TEST(pool_ties_and_nan)
{
    const gsg_pool pool = {2, 0, {2, 2}, {2, 2}, {0, 0}};
    const float x[] = {1, 1, 0, 2, 1, 1, 2, 2, -1, -3, NAN, 5, -2, -1, 6, 7};
    const float dy[] = {3, 5, 7, 11}, expected[] = {3, 0, 0, 5, 0, 0, 0, 0, 7, 0, 0, 0};
    operand src = operand_of(shape4(1, 1, 4, 4), blocks[_i], 0, x),
            dst = operand_new(shape4(1, 1, 2, 2), blocks[_i], 0);
    operand diff = operand_of(shape4(1, 1, 2, 2), blocks[_i], 0, dy);
    operand out = operand_new(shape4(1, 1, 4, 4), blocks[_i], 0);
    float y[4], dx[16];
    pool_forward(engine, &pool, &src, &dst);
    pool_backward(engine, &pool, &src, &diff, &out);
    operand_get(&dst, y);
    operand_get(&out, dx);
    ck_assert(y[0] == 1.0f && y[1] == 2.0f && y[2] == -1.0f && isnan(y[3]));
    for (int i = 0; i < 10; ++i)
        check_near((double)dx[i], (double)expected[i], 0.0, "dx", i);
    operand_free(&src);
    operand_free(&dst);
    operand_free(&diff);
    operand_free(&out);
}
END_TEST

typedef struct sizes {
    int64_t src[5], dst[5];
    int32_t ndim;
} sizes;

static const sizes resizes[] = {
    {{2, 5, 17, 23}, {2, 5, 34, 46}, 4},      {{1, 20, 31, 9}, {1, 20, 7, 40}, 4},
    {{1, 3, 50, 3}, {1, 3, 3, 50}, 4},        {{2, 5, 5, 7, 6}, {2, 5, 10, 14, 12}, 5},
    {{1, 2, 13, 11, 2}, {1, 2, 4, 12, 9}, 5}, {{1, 17, 1, 1, 1}, {1, 17, 3, 4, 5}, 5},
    {{1, 2, 1000, 2}, {1, 2, 999, 2}, 4},     {{1, 1, 6, 5, 4}, {1, 1, 1, 1, 1}, 5},
};
#define SIZES (int)(sizeof resizes / sizeof resizes[0])

// The gradient is the transposed matrix: <resize x, w> = <x, gradient w>, for sizes beyond the golden
// ones; and any number of threads gives the same bits. _i: layout, alignment, sizes.
START_TEST(resize_adjoint_with_any_threads)
{
    const sizes *s = &resizes[_i / BLOCKS / 2];
    const int32_t corners = _i / BLOCKS % 2;
    const gsg_shape from = gsg_shape_make(s->ndim, s->src), to = gsg_shape_make(s->ndim, s->dst);
    const int64_t in = gsg_shape_count(from), out = gsg_shape_count(to);
    float *y = samples(out, 1, 1.0), *dx = samples(in, 1, 1.0);
    for (int32_t threads = 1; threads <= 5; threads += 2) {
        genseg_context *own_context = context_of(threads);
        gsg_engine *own = engine_of(own_context);
        pass p = pass_new(from, to, blocks[_i % BLOCKS]);
        resize_forward(own, corners, &p.src, &p.dst);
        resize_backward(own, corners, &p.diff, &p.diff_src);
        operand_get(&p.dst, p.out);
        if (threads == 1)
            memcpy(y, p.out, (size_t)out * sizeof *y);
        ck_assert_mem_eq(p.out, y, (size_t)out * sizeof *y);
        operand_get(&p.diff_src, p.out);
        if (threads == 1)
            memcpy(dx, p.out, (size_t)in * sizeof *dx);
        ck_assert_mem_eq(p.out, dx, (size_t)in * sizeof *dx);
        double left = 0.0, right = 0.0, given = 0.0, arrived = 0.0;
        for (int64_t i = 0; i < out; ++i) {
            left += (double)y[i] * (double)p.dy[i];
            given += (double)p.dy[i];
        }
        for (int64_t i = 0; i < in; ++i) {
            right += (double)dx[i] * (double)p.x[i];
            arrived += (double)dx[i];
        }
        check_near(right, left, 1e-6 * (double)(in + out), "adjoint", threads);
        check_near(arrived, given, 1e-6 * (double)(in + out), "sum of weights", threads);
        pass_free(&p);
        gsg_engine_free(own);
        gsg_context_release(own_context);
    }
    free(y);
    free(dx);
}
END_TEST

START_TEST(wrong_arguments)
{
    const gsg_pool pool = {2, 0, {2, 2}, {2, 2}, {0, 0}}, wide = {2, 0, {2, 9}, {2, 2}, {0, 0}};
    const gsg_pool still = {2, 0, {2, 2}, {0, 2}, {0, 0}}, padded = {2, 0, {3, 3}, {2, 2}, {2, 0}};
    const gsg_pool deep = {3, 0, {2, 2, 2}, {2, 2, 2}, {0, 0, 0}};
    const gsg_desc src = gsg_desc_plain(shape4(1, 3, 6, 8)), dst = gsg_desc_plain(shape4(1, 3, 3, 4));
    gsg_desc blocked = dst;
    gsg_shape shape = {0};
    gsg_kernel *kernel = NULL;
    blocked.block = 16;
    ck_assert_int_eq(gsg_pool_shape(&wide, src.shape, &shape, &err), GENSEG_ERROR_SHAPE);
    ck_assert_ptr_nonnull(strstr(err.message, "a window of 9 (stride 2, padding 0)"));
    ck_assert_int_eq(gsg_pool_shape(&still, src.shape, &shape, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_pool_shape(&padded, src.shape, &shape, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_pool_shape(&deep, src.shape, &shape, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(shape.ndim, 0);
    ck_assert_int_eq(gsg_max_pool_forward_new(engine, &pool, &src, &blocked, &kernel, &err), GENSEG_ERROR_INTERNAL);
    ck_assert_int_eq(gsg_max_pool_forward_new(engine, &pool, &src, &src, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_max_pool_forward_new(engine, &wide, &src, &dst, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_max_pool_backward_new(engine, &pool, &src, &dst, &dst, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_int_eq(gsg_resize_forward_new(engine, 0, &src, &blocked, &kernel, &err), GENSEG_ERROR_INTERNAL);
    const gsg_desc other = gsg_desc_plain(shape4(1, 4, 3, 4));
    ck_assert_int_eq(gsg_resize_forward_new(engine, 0, &src, &other, &kernel, &err), GENSEG_ERROR_SHAPE);
    const gsg_desc volume = gsg_desc_plain(gsg_shape_make(5, (int64_t[]){1, 3, 2, 3, 4}));
    ck_assert_int_eq(gsg_resize_backward_new(engine, 0, &src, &volume, &kernel, &err), GENSEG_ERROR_SHAPE);
    ck_assert_ptr_null(kernel);
}
END_TEST

static genseg_status make_all(genseg_context *memory, gsg_error *error)
{
    const gsg_pool pool = {2, 0, {2, 2}, {2, 2}, {0, 0}};
    const gsg_desc src = gsg_desc_plain(shape4(1, 3, 6, 8)), dst = gsg_desc_plain(shape4(1, 3, 3, 4));
    gsg_engine *own = NULL;
    gsg_kernel *kernels[4] = {NULL};
    genseg_status status = gsg_engine_new(memory, &own, error);
    if (status == GENSEG_OK)
        status = gsg_max_pool_forward_new(own, &pool, &src, &dst, &kernels[0], error);
    if (status == GENSEG_OK)
        status = gsg_max_pool_backward_new(own, &pool, &src, &dst, &src, &kernels[1], error);
    if (status == GENSEG_OK)
        status = gsg_resize_forward_new(own, 0, &src, &dst, &kernels[2], error);
    if (status == GENSEG_OK)
        status = gsg_resize_backward_new(own, 1, &src, &dst, &kernels[3], error);
    for (int i = 0; i < 4; ++i)
        gsg_kernel_free(kernels[i]);
    gsg_engine_free(own);
    return status;
}

START_TEST(out_of_memory)
{
    ck_assert_int_eq(faults_sweep(make_all), 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("window");
    TCase *tests = tcase_create("window");
    tcase_add_unchecked_fixture(tests, open_engine, close_engine);
    tcase_add_loop_test(tests, pool_as_pytorch, 0, POOLS * BLOCKS);
    tcase_add_loop_test(tests, resize_as_pytorch, 0, RESIZES * BLOCKS);
    tcase_add_loop_test(tests, pool_same_with_any_threads, 0, WINDOWS * BLOCKS);
    tcase_add_loop_test(tests, pool_ties_and_nan, 0, BLOCKS);
    tcase_add_loop_test(tests, resize_adjoint_with_any_threads, 0, SIZES * 2 * BLOCKS);
    tcase_add_test(tests, wrong_arguments);
    tcase_add_test(tests, out_of_memory);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
