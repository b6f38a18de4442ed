// Convolution primitives of oneDNN 2.6 and 3.x behind one interface. What differs:
// memory descriptions are structs in 2.x and handles in 3.x; 2.x describes an
// operation first and then asks for an implementation, 3.x does both in one call.
#include "kernel/onednn.h"

#include <string.h>

#include "oneapi/dnnl/dnnl.h"

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t md_ref;
#else
typedef const dnnl_memory_desc_t *md_ref;
#endif

enum {
    SRC,
    WEIGHTS, // in the primitive's order
    BIAS,
    DST,
    SCRATCHPAD,
    STORED, // weights in the stored form
    MEMORIES
};

struct gsg_onednn_conv {
    genseg_context *context;
    dnnl_stream_t stream;
    const char *name;
    dnnl_primitive_t primitive;
    dnnl_primitive_t reorder; // NULL where the primitive takes the stored form
    dnnl_memory_t memory[MEMORIES];
    dnnl_memory_t reorder_pad;
    dnnl_exec_arg_t args[5];
    int32_t arg_count;
    gsg_direction direction;
    int32_t turned; // source and destination have changed places
    size_t scratch;
    size_t weights;
};

// All memory descriptions and primitive descriptions while one is made.
typedef struct plan {
    const gsg_onednn_problem *problem;
    dnnl_engine_t engine;
    int32_t block;
    dnnl_memory_desc_t src;
    dnnl_memory_desc_t weights; // in any order
    dnnl_memory_desc_t stored;
    dnnl_memory_desc_t bias;
    dnnl_memory_desc_t dst;
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t forward; // the hint of the backward ones
    dnnl_primitive_desc_t desc;
    dnnl_primitive_desc_t reorder;
} plan;

// ---- memory descriptions: the two versions

#if DNNL_VERSION_MAJOR >= 3
static md_ref md(const dnnl_memory_desc_t *desc)
{
    return *desc;
}

static void md_free(dnnl_memory_desc_t *desc)
{
    if (*desc)
        dnnl_memory_desc_destroy(*desc);
}

static dnnl_status_t md_tag(dnnl_memory_desc_t *desc, int ndim, const int64_t *dims, dnnl_format_tag_t tag)
{
    dnnl_dims_t all = {0}; // the declared length of the parameter
    memcpy(all, dims, (size_t)ndim * sizeof *dims);
    return dnnl_memory_desc_create_with_tag(desc, ndim, all, dnnl_f32, tag);
}

static dnnl_status_t md_strides(dnnl_memory_desc_t *desc, int ndim, const int64_t *dims, const int64_t *strides)
{
    dnnl_dims_t all = {0}, steps = {0};
    memcpy(all, dims, (size_t)ndim * sizeof *dims);
    memcpy(steps, strides, (size_t)ndim * sizeof *strides);
    return dnnl_memory_desc_create_with_strides(desc, ndim, all, dnnl_f32, steps);
}

static dnnl_status_t append_relu(dnnl_post_ops_t ops, float slope)
{
    return dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, slope, 0.0f);
}
#else
static md_ref md(const dnnl_memory_desc_t *desc)
{
    return desc;
}

static void md_free(dnnl_memory_desc_t *desc)
{
}

static dnnl_status_t md_tag(dnnl_memory_desc_t *desc, int ndim, const int64_t *dims, dnnl_format_tag_t tag)
{
    dnnl_dims_t all = {0}; // the declared length of the parameter
    memcpy(all, dims, (size_t)ndim * sizeof *dims);
    return dnnl_memory_desc_init_by_tag(desc, ndim, all, dnnl_f32, tag);
}

static dnnl_status_t md_strides(dnnl_memory_desc_t *desc, int ndim, const int64_t *dims, const int64_t *strides)
{
    dnnl_dims_t all = {0}, steps = {0};
    memcpy(all, dims, (size_t)ndim * sizeof *dims);
    memcpy(steps, strides, (size_t)ndim * sizeof *strides);
    return dnnl_memory_desc_init_by_strides(desc, ndim, all, dnnl_f32, steps);
}

static dnnl_status_t append_relu(dnnl_post_ops_t ops, float slope)
{
    return dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu, slope, 0.0f);
}
#endif

// ---- primitive descriptions: the two versions

static dnnl_alg_kind_t algorithm(const gsg_onednn_problem *problem)
{
    return problem->transposed ? dnnl_deconvolution_direct : dnnl_convolution_direct;
}

#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t describe_forward(plan *p, dnnl_primitive_desc_t *desc)
{
    const gsg_onednn_problem *q = p->problem;
    md_ref bias = q->bias ? md(&p->bias) : NULL;
    if (q->transposed)
        return dnnl_deconvolution_forward_primitive_desc_create(desc, p->engine, dnnl_forward_training, algorithm(q),
                                                                md(&p->src), md(&p->weights), bias, md(&p->dst),
                                                                q->stride, NULL, q->padding, q->padding, p->attr);
    return dnnl_convolution_forward_primitive_desc_create(desc, p->engine, dnnl_forward_training, algorithm(q),
                                                          md(&p->src), md(&p->weights), bias, md(&p->dst), q->stride,
                                                          NULL, q->padding, q->padding, p->attr);
}

static dnnl_status_t describe_backward(plan *p, dnnl_primitive_desc_t *desc)
{
    const gsg_onednn_problem *q = p->problem;
    if (q->direction == GSG_BACKWARD_DATA && q->transposed)
        return dnnl_deconvolution_backward_data_primitive_desc_create(desc, p->engine, algorithm(q), md(&p->src),
                                                                      md(&p->weights), md(&p->dst), q->stride, NULL,
                                                                      q->padding, q->padding, p->forward, p->attr);
    if (q->direction == GSG_BACKWARD_DATA)
        return dnnl_convolution_backward_data_primitive_desc_create(desc, p->engine, algorithm(q), md(&p->src),
                                                                    md(&p->weights), md(&p->dst), q->stride, NULL,
                                                                    q->padding, q->padding, p->forward, p->attr);
    if (q->transposed)
        return dnnl_deconvolution_backward_weights_primitive_desc_create(
            desc, p->engine, algorithm(q), md(&p->src), md(&p->weights), NULL, md(&p->dst), q->stride, NULL, q->padding,
            q->padding, p->forward, p->attr);
    return dnnl_convolution_backward_weights_primitive_desc_create(desc, p->engine, algorithm(q), md(&p->src),
                                                                   md(&p->weights), NULL, md(&p->dst), q->stride, NULL,
                                                                   q->padding, q->padding, p->forward, p->attr);
}
#else
static dnnl_status_t describe_forward(plan *p, dnnl_primitive_desc_t *desc)
{
    const gsg_onednn_problem *q = p->problem;
    md_ref bias = q->bias ? md(&p->bias) : NULL;
    // dnnl_deconvolution_desc_t is the same type
    dnnl_convolution_desc_t op;
    dnnl_status_t result =
        q->transposed
            ? dnnl_deconvolution_forward_desc_init(&op, dnnl_forward_training, algorithm(q), md(&p->src),
                                                   md(&p->weights), bias, md(&p->dst), q->stride, q->padding,
                                                   q->padding)
            : dnnl_convolution_forward_desc_init(&op, dnnl_forward_training, algorithm(q), md(&p->src), md(&p->weights),
                                                 bias, md(&p->dst), q->stride, q->padding, q->padding);
    return result == dnnl_success ? dnnl_primitive_desc_create(desc, &op, p->attr, p->engine, NULL) : result;
}

static dnnl_status_t describe_backward(plan *p, dnnl_primitive_desc_t *desc)
{
    const gsg_onednn_problem *q = p->problem;
    dnnl_convolution_desc_t op;
    dnnl_status_t result;
    if (q->direction == GSG_BACKWARD_DATA && q->transposed)
        result = dnnl_deconvolution_backward_data_desc_init(&op, algorithm(q), md(&p->src), md(&p->weights),
                                                            md(&p->dst), q->stride, q->padding, q->padding);
    else if (q->direction == GSG_BACKWARD_DATA)
        result = dnnl_convolution_backward_data_desc_init(&op, algorithm(q), md(&p->src), md(&p->weights), md(&p->dst),
                                                          q->stride, q->padding, q->padding);
    else if (q->transposed)
        result = dnnl_deconvolution_backward_weights_desc_init(&op, algorithm(q), md(&p->src), md(&p->weights), NULL,
                                                               md(&p->dst), q->stride, q->padding, q->padding);
    else
        result = dnnl_convolution_backward_weights_desc_init(&op, algorithm(q), md(&p->src), md(&p->weights), NULL,
                                                             md(&p->dst), q->stride, q->padding, q->padding);
    return result == dnnl_success ? dnnl_primitive_desc_create(desc, &op, p->attr, p->engine, p->forward) : result;
}
#endif

// ---- what both versions share

static dnnl_status_t describe_activation(const plan *p, int plain, int64_t channels, const int64_t *size,
                                         dnnl_memory_desc_t *desc)
{
    const gsg_onednn_problem *q = p->problem;
    int64_t dims[5] = {q->batch, channels};
    memcpy(dims + 2, size, (size_t)q->spatial * sizeof *size);
    dnnl_format_tag_t tag;
    if (q->spatial == 2)
        tag = plain ? dnnl_abcd : p->block == 16 ? dnnl_aBcd16b : dnnl_aBcd8b;
    else
        tag = plain ? dnnl_abcde : p->block == 16 ? dnnl_aBcde16b : dnnl_aBcde8b;
    return md_tag(desc, q->spatial + 2, dims, tag);
}

static dnnl_format_tag_t form_tag(const plan *p)
{
    int wide = p->block == 16;
    int flat = p->problem->spatial == 2;
    switch (p->problem->form) {
    case GSG_FORM_IO: // blocks of 16 only
        if (!p->problem->transposed) // turned round: outputs are what it calls inputs
            return flat ? dnnl_ABcd16a16b : dnnl_ABcde16a16b;
        return flat ? dnnl_BAcd16b16a : dnnl_BAcde16b16a;
    case GSG_FORM_FIRST:
        if (flat)
            return wide ? dnnl_Acdb16a : dnnl_Acdb8a;
        return wide ? dnnl_Acdeb16a : dnnl_Acdeb8a;
    default:
        if (flat)
            return wide ? dnnl_ABcd16b16a : dnnl_ABcd8b8a;
        return wide ? dnnl_ABcde16b16a : dnnl_ABcde8b8a;
    }
}

static dnnl_status_t describe_weights(plan *p)
{
    const gsg_onednn_problem *q = p->problem;
    int ndim = q->spatial + 2;
    int64_t dims[5] = {q->dst_channels, q->src_channels};
    memcpy(dims + 2, q->kernel, (size_t)q->spatial * sizeof *q->kernel);
    dnnl_status_t result;
    if (q->form == GSG_FORM_HEAD) {
        int64_t row = (q->src_channels + p->block - 1) / p->block * p->block;
        int64_t strides[5] = {row, 1, 1, 1, 1};
        result = md_strides(&p->stored, ndim, dims, strides);
    } else {
        result = md_tag(&p->stored, ndim, dims, form_tag(p));
    }
    if (result != dnnl_success)
        return result;
    return md_tag(&p->weights, ndim, dims, dnnl_format_tag_any);
}

static dnnl_status_t describe_attributes(plan *p)
{
    const gsg_onednn_problem *q = p->problem;
    dnnl_status_t result = dnnl_primitive_attr_create(&p->attr);
    if (result == dnnl_success)
        result = dnnl_primitive_attr_set_scratchpad_mode(p->attr, dnnl_scratchpad_mode_user);
    if (result != dnnl_success || !q->activation)
        return result;
    dnnl_post_ops_t ops = NULL;
    result = dnnl_post_ops_create(&ops);
    if (result == dnnl_success)
        result = append_relu(ops, q->slope);
    if (result == dnnl_success)
        result = dnnl_primitive_attr_set_post_ops(p->attr, ops); // copies
    if (ops)
        dnnl_post_ops_destroy(ops);
    return result;
}

// 3.x has its kernels in blocks behind plain layouts, too: asks on until one is of another kind.
static dnnl_status_t pass_over_blocks(dnnl_primitive_desc_t desc)
{
    dnnl_status_t result = dnnl_success;
#if DNNL_VERSION_MAJOR >= 3
    const char *name = "";
    result = dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name);
    while (result == dnnl_success && strstr(name, "jit:")) {
        result = dnnl_primitive_desc_next_impl(desc);
        if (result == dnnl_success)
            result = dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &name);
    }
    if (result == dnnl_last_impl_reached)
        result = dnnl_unimplemented;
#endif
    return result;
}

static dnnl_status_t describe(plan *p)
{
    const gsg_onednn_problem *q = p->problem;
    dnnl_status_t result = describe_activation(p, q->src_plain, q->src_channels, q->src, &p->src);
    if (result == dnnl_success)
        result = describe_activation(p, q->dst_plain, q->dst_channels, q->dst, &p->dst);
    if (result == dnnl_success)
        result = describe_weights(p);
    if (result == dnnl_success && q->bias)
        result = md_tag(&p->bias, 1, &q->dst_channels, dnnl_a);
    if (result == dnnl_success)
        result = describe_attributes(p);
    if (result != dnnl_success)
        return result;
    if (q->direction == GSG_FORWARD)
        return describe_forward(p, &p->desc);
    result = describe_forward(p, &p->forward);
    if (result == dnnl_success)
        result = describe_backward(p, &p->desc);
    return result == dnnl_success && q->no_blocks ? pass_over_blocks(p->desc) : result;
}

static void plan_free(plan *p)
{
    md_free(&p->src);
    md_free(&p->weights);
    md_free(&p->stored);
    md_free(&p->bias);
    md_free(&p->dst);
    if (p->attr)
        dnnl_primitive_attr_destroy(p->attr);
    if (p->forward)
        dnnl_primitive_desc_destroy(p->forward);
    if (p->desc)
        dnnl_primitive_desc_destroy(p->desc);
    if (p->reorder)
        dnnl_primitive_desc_destroy(p->reorder);
}

static md_ref wanted_weights(const plan *p)
{
    int backward = p->problem->direction == GSG_BACKWARD_WEIGHTS;
    return dnnl_primitive_desc_query_md(p->desc, backward ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
}

// The primitive's scratchpad comes first; a reorder, which runs at another time, shares it.
static dnnl_status_t make_scratchpad(gsg_onednn_conv *conv, const plan *p, dnnl_primitive_desc_t desc,
                                     dnnl_memory_t *memory)
{
    md_ref pad = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    size_t size = pad ? dnnl_memory_desc_get_size(pad) : 0;
    if (size > conv->scratch)
        conv->scratch = size;
    return size ? dnnl_memory_create(memory, pad, p->engine, DNNL_MEMORY_NONE) : dnnl_success;
}

static dnnl_status_t make_reorder(gsg_onednn_conv *conv, plan *p)
{
    md_ref own = wanted_weights(p);
    conv->weights = dnnl_memory_desc_get_size(own);
    dnnl_status_t result = dnnl_memory_create(&conv->memory[WEIGHTS], own, p->engine, DNNL_MEMORY_NONE);
    if (result != dnnl_success || dnnl_memory_desc_equal(own, md(&p->stored)))
        return result;
    int after = conv->direction == GSG_BACKWARD_WEIGHTS;
    dnnl_primitive_attr_t attr = NULL;
    result = dnnl_primitive_attr_create(&attr);
    if (result == dnnl_success)
        result = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (result == dnnl_success)
        result = dnnl_reorder_primitive_desc_create(&p->reorder, after ? own : md(&p->stored), p->engine,
                                                    after ? md(&p->stored) : own, p->engine, attr);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    if (result == dnnl_success)
        result = dnnl_primitive_create(&conv->reorder, p->reorder);
    if (result == dnnl_success)
        result = make_scratchpad(conv, p, p->reorder, &conv->reorder_pad);
    if (result == dnnl_success)
        result = dnnl_memory_create(&conv->memory[STORED], md(&p->stored), p->engine, DNNL_MEMORY_NONE);
    return result;
}

static void add_arg(gsg_onednn_conv *conv, int which, int arg)
{
    if (conv->memory[which])
        conv->args[conv->arg_count++] = (dnnl_exec_arg_t){.arg = arg, .memory = conv->memory[which]};
}

static dnnl_status_t make(gsg_onednn_conv *conv, plan *p)
{
    const_dnnl_primitive_desc_t own = NULL; // lives as long as the primitive, and 3.x has the name in it: not p->desc's
    dnnl_status_t result = dnnl_primitive_create(&conv->primitive, p->desc);
    if (result == dnnl_success)
        result = dnnl_primitive_get_primitive_desc(conv->primitive, &own);
    if (result == dnnl_success)
        result = dnnl_primitive_desc_query(own, dnnl_query_impl_info_str, 0, &conv->name);
    if (result == dnnl_success)
        result = make_scratchpad(conv, p, p->desc, &conv->memory[SCRATCHPAD]);
    if (result == dnnl_success)
        result = make_reorder(conv, p);
    if (result == dnnl_success)
        result = dnnl_memory_create(&conv->memory[SRC], md(&p->src), p->engine, DNNL_MEMORY_NONE);
    if (result == dnnl_success)
        result = dnnl_memory_create(&conv->memory[DST], md(&p->dst), p->engine, DNNL_MEMORY_NONE);
    if (result == dnnl_success && p->problem->bias)
        result = dnnl_memory_create(&conv->memory[BIAS], md(&p->bias), p->engine, DNNL_MEMORY_NONE);
    if (result != dnnl_success)
        return result;
    add_arg(conv, SRC, conv->direction == GSG_BACKWARD_DATA ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC);
    add_arg(conv, WEIGHTS, conv->direction == GSG_BACKWARD_WEIGHTS ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS);
    add_arg(conv, DST, conv->direction == GSG_FORWARD ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST);
    add_arg(conv, BIAS, DNNL_ARG_BIAS);
    add_arg(conv, SCRATCHPAD, DNNL_ARG_SCRATCHPAD);
    return dnnl_success;
}

// The weights' gradient of a transposed convolution is that of the convolution which leads back, whose source is the
// destination here. It has more implementations to choose from.
static gsg_onednn_problem turn_round(const gsg_onednn_problem *q)
{
    gsg_onednn_problem turned = *q;
    turned.transposed = 0;
    turned.src_plain = q->dst_plain;
    turned.dst_plain = q->src_plain;
    turned.src_channels = q->dst_channels;
    turned.dst_channels = q->src_channels;
    memcpy(turned.src, q->dst, sizeof turned.src);
    memcpy(turned.dst, q->src, sizeof turned.dst);
    return turned;
}

genseg_status gsg_onednn_conv_new(gsg_engine *engine, const gsg_onednn_problem *wanted, gsg_onednn_conv **conv,
                                  gsg_error *err)
{
    genseg_context *context = gsg_engine_context(engine);
    genseg_status status = GENSEG_OK;
    const int32_t turned = wanted->no_blocks && wanted->transposed && wanted->direction == GSG_BACKWARD_WEIGHTS;
    const gsg_onednn_problem other = turn_round(wanted), *problem = turned ? &other : wanted;
    plan p = {.problem = problem, .engine = gsg_engine_dnnl(engine), .block = gsg_engine_block(engine)};
    gsg_onednn_conv *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    made->context = gsg_context_retain(context);
    made->stream = gsg_engine_stream(engine);
    made->direction = problem->direction;
    made->turned = turned;
    dnnl_status_t result = describe(&p);
    if (result == dnnl_unimplemented) {
        status = gsg_error_set(err, GENSEG_ERROR_UNSUPPORTED, "%s: not implemented by oneDNN", problem->what);
        goto done;
    }
    if (result == dnnl_success)
        result = make(made, &p);
    if (result != dnnl_success) {
        status = gsg_onednn_error(err, (int32_t)result, problem->what);
        goto done;
    }
    *conv = made;
done:
    plan_free(&p);
    if (status != GENSEG_OK)
        gsg_onednn_conv_free(made);
    return status;
}

void gsg_onednn_conv_free(gsg_onednn_conv *conv)
{
    if (!conv)
        return;
    for (int i = 0; i < MEMORIES; i++)
        if (conv->memory[i])
            dnnl_memory_destroy(conv->memory[i]);
    if (conv->reorder_pad)
        dnnl_memory_destroy(conv->reorder_pad);
    if (conv->primitive)
        dnnl_primitive_destroy(conv->primitive);
    if (conv->reorder)
        dnnl_primitive_destroy(conv->reorder);
    genseg_context *context = conv->context;
    gsg_free(context, conv);
    gsg_context_release(context);
}

const char *gsg_onednn_conv_name(const gsg_onednn_conv *conv)
{
    return conv->name;
}

int32_t gsg_onednn_conv_rank(const gsg_onednn_conv *conv)
{
    if (strstr(conv->name, "ref"))
        return 2;
    return strstr(conv->name, "gemm") ? 1 : 0;
}

size_t gsg_onednn_conv_scratch(const gsg_onednn_conv *conv)
{
    return conv->scratch;
}

size_t gsg_onednn_conv_weights(const gsg_onednn_conv *conv)
{
    return conv->weights;
}

int32_t gsg_onednn_conv_reorders(const gsg_onednn_conv *conv)
{
    return conv->reorder != NULL;
}

genseg_status gsg_onednn_conv_reorder(const gsg_onednn_conv *conv, const float *from, float *to, void *scratch,
                                      gsg_error *err)
{
    int after = conv->direction == GSG_BACKWARD_WEIGHTS;
    dnnl_memory_t source = conv->memory[after ? WEIGHTS : STORED];
    dnnl_memory_t target = conv->memory[after ? STORED : WEIGHTS];
    dnnl_exec_arg_t args[3] = {{.arg = DNNL_ARG_FROM, .memory = source},
                               {.arg = DNNL_ARG_TO, .memory = target},
                               {.arg = DNNL_ARG_SCRATCHPAD, .memory = conv->reorder_pad}};
    dnnl_status_t result = dnnl_memory_set_data_handle(source, (void *)(uintptr_t)from);
    if (result == dnnl_success)
        result = dnnl_memory_set_data_handle(target, to);
    if (result == dnnl_success && conv->reorder_pad)
        result = dnnl_memory_set_data_handle(conv->reorder_pad, scratch);
    if (result == dnnl_success)
        result = dnnl_primitive_execute(conv->reorder, conv->stream, conv->reorder_pad ? 3 : 2, args);
    if (result == dnnl_success)
        result = dnnl_stream_wait(conv->stream);
    return result == dnnl_success ? GENSEG_OK : gsg_onednn_error(err, (int32_t)result, "reorder of weights");
}

genseg_status gsg_onednn_conv_run(const gsg_onednn_conv *conv, float *src, float *weights, float *bias, float *dst,
                                  void *scratch, gsg_error *err)
{
    void *handles[] = {[SRC] = conv->turned ? dst : src, [WEIGHTS] = weights, [BIAS] = bias,
                       [DST] = conv->turned ? src : dst, [SCRATCHPAD] = scratch};
    dnnl_status_t result = dnnl_success;
    for (int i = SRC; i <= SCRATCHPAD && result == dnnl_success; i++)
        if (conv->memory[i])
            result = dnnl_memory_set_data_handle(conv->memory[i], handles[i]);
    if (result == dnnl_success)
        result = dnnl_primitive_execute(conv->primitive, conv->stream, conv->arg_count, conv->args);
    if (result == dnnl_success)
        result = dnnl_stream_wait(conv->stream);
    return result == dnnl_success ? GENSEG_OK : gsg_onednn_error(err, (int32_t)result, conv->name);
}
