// Vectors over the trainable parameters of a network.
#include "train/direction.h"

#include <string.h>

#include "core/parallel.h"

#define CHUNK 16384 // floats whose products are summed together

genseg_status gsg_direction_new(const gsg_params *params, gsg_param_filter wanted, gsg_direction **direction,
                                gsg_error *err)
{
    genseg_context *context = params->context;
    gsg_direction *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    made->context = gsg_context_retain(context);
    made->count = params->count;
    made->offsets = gsg_alloc(context, (size_t)params->count + 1, sizeof *made->offsets);
    made->sizes = gsg_alloc(context, (size_t)params->count + 1, sizeof *made->sizes);
    for (int32_t i = 0; made->offsets && made->sizes && i < params->count; i++) {
        const gsg_param *param = &params->items[i];
        const bool takes_part = param->kind != GSG_PARAM_STATISTIC && (!wanted || wanted(param));
        made->sizes[i] = param->layout.count;
        made->offsets[i] = takes_part ? made->total : -1;
        made->total += takes_part ? param->layout.count : 0;
    }
    made->data = gsg_alloc_zero(context, (size_t)made->total, sizeof *made->data);
    if (!made->offsets || !made->sizes || !made->data) {
        genseg_status status = gsg_error_nomem(err, (size_t)made->total * sizeof *made->data);
        gsg_direction_free(made);
        return status;
    }
    *direction = made;
    return GENSEG_OK;
}

void gsg_direction_free(gsg_direction *direction)
{
    if (!direction)
        return;
    genseg_context *context = direction->context;
    gsg_free(context, direction->offsets);
    gsg_free(context, direction->sizes);
    gsg_free(context, direction->data);
    gsg_free(context, direction);
    gsg_context_release(context);
}

// dst = base + factor * src; base may be dst itself, or NULL for zero.
typedef struct combination {
    float *dst;
    const float *base, *src;
    float factor;
} combination;

GSG_SIMD static void combine(float *dst, const float *base, const float *src, float factor, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        dst[i] = base[i] + factor * src[i];
}

GSG_SIMD static void multiply(float *dst, const float *src, float factor, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        dst[i] = factor * src[i];
}

static void combine_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const combination *c = arg;
    if (c->base)
        combine(c->dst + begin, c->base + begin, c->src + begin, c->factor, end - begin);
    else
        multiply(c->dst + begin, c->src + begin, c->factor, end - begin);
}

genseg_status gsg_direction_gather(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    const gsg_gather_to *to = user;
    gsg_direction *direction = to->direction;
    if (direction->offsets[param] < 0)
        return GENSEG_OK;
    float *data = direction->data + direction->offsets[param];
    combination c = {.dst = data, .base = to->add ? data : NULL, .src = gradient, .factor = (float)to->factor};
    gsg_parallel(direction->context, direction->sizes[param], CHUNK, combine_range, &c);
    return GENSEG_OK;
}

void gsg_direction_copy(gsg_direction *dst, const gsg_direction *src)
{
    memcpy(dst->data, src->data, (size_t)src->total * sizeof *src->data);
}

void gsg_direction_scale(gsg_direction *direction, double factor)
{
    combination c = {.dst = direction->data, .src = direction->data, .factor = (float)factor};
    gsg_parallel(direction->context, direction->total, CHUNK, combine_range, &c);
}

void gsg_direction_add(gsg_direction *dst, double factor, const gsg_direction *src)
{
    combination c = {.dst = dst->data, .base = dst->data, .src = src->data, .factor = (float)factor};
    gsg_parallel(dst->context, dst->total, CHUNK, combine_range, &c);
}

void gsg_direction_move(gsg_params *params, const gsg_params *base, double factor, const gsg_direction *direction)
{
    for (int32_t i = 0; i < direction->count; i++) {
        if (direction->offsets[i] < 0)
            continue;
        combination c = {.dst = params->items[i].data, .base = base->items[i].data,
                         .src = direction->data + direction->offsets[i], .factor = (float)factor};
        gsg_parallel(direction->context, direction->sizes[i], CHUNK, combine_range, &c);
    }
}

typedef struct product {
    const float *a, *b;
    int64_t total, chunk;
    double *sums;
} product;

// Eight lanes, so that the loop vectorises without changing its order.
GSG_SIMD static double sum_products(const float *a, const float *b, int64_t count)
{
    double lanes[8] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int l = 0; l < 8; l++)
            lanes[l] += (double)a[i + l] * b[i + l];
    for (; i < count; i++)
        sum += (double)a[i] * b[i];
    for (int l = 0; l < 8; l++)
        sum += lanes[l];
    return sum;
}

static void product_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    const product *p = arg;
    for (int64_t c = begin; c < end; c++) {
        const int64_t first = c * p->chunk, rest = p->total - first;
        p->sums[c] = sum_products(p->a + first, p->b + first, rest < p->chunk ? rest : p->chunk);
    }
}

double gsg_direction_dot(const gsg_direction *a, const gsg_direction *b)
{
    double sums[256], sum = 0;
    const int64_t most = (int64_t)(sizeof sums / sizeof *sums);
    const int64_t chunk = (a->total + most - 1) / most > CHUNK ? (a->total + most - 1) / most : CHUNK;
    const int64_t chunks = (a->total + chunk - 1) / chunk;
    product p = {.a = a->data, .b = b->data, .total = a->total, .chunk = chunk, .sums = sums};
    gsg_parallel(a->context, chunks, 1, product_range, &p);
    for (int64_t c = 0; c < chunks; c++)
        sum += sums[c];
    return sum;
}

void gsg_direction_precondition(gsg_direction *direction, gsg_optimizer *optimizer, const gsg_direction *gradient)
{
    for (int32_t i = 0; i < direction->count; i++)
        if (direction->offsets[i] >= 0)
            gsg_optimizer_precondition(optimizer, i, direction->data + direction->offsets[i],
                                       gradient->data + gradient->offsets[i]);
}

void gsg_direction_see(gsg_direction *seen, const gsg_optimizer *optimizer, const gsg_params *params, int32_t param,
                       const float *gradient)
{
    const gsg_optimizer_options *options = gsg_optimizer_settings(optimizer);
    combination c = {.dst = seen->data + seen->offsets[param], .base = gradient, .src = params->items[param].data,
                     .factor = options->decoupled ? 0 : (float)options->weight_decay};
    gsg_parallel(seen->context, seen->sizes[param], CHUNK, combine_range, &c);
}
