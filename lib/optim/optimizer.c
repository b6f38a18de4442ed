// SGD (Nesterov 1983 as in Sutskever et al. 2013), Adam (Kingma and Ba 2015),
// AdamW (Loshchilov and Hutter 2019) and RMSprop (Hinton 2012, not centred) by
// the formulas of torch.optim, scalars rounded to float where torch rounds them.
// Each update is memory-bound: one pass reads and writes every buffer once.
#include <math.h>
#include <string.h>

#include "core/parallel.h"
#include "optim/optimizer.h"

#define MAX_SLOTS 2
#define ALIGN_FLOATS 16 // 64 bytes
#define GRAIN 16384     // elements a thread should have at least

struct gsg_optimizer {
    genseg_context *context;
    gsg_optimizer_options options;
    int64_t parameters;
    int64_t *counts;
    int64_t *offsets; // of slot 0 in `state`; slot s of the same parameter follows padded
    float *state;
    int32_t slots;
    int64_t step;
    double lr;
};

// What the loops need, in single precision.
typedef struct pass {
    float *GSG_RESTRICT param;
    const float *GSG_RESTRICT grad;
    float *GSG_RESTRICT slot[MAX_SLOTS];
    const gsg_optimizer_options *options;
    float lr;     // Adam: lr / bias correction of the first moment
    float root;   // Adam: square root of the second moment's bias correction
    float decay;  // L2 coefficient
    float shrink; // AdamW: factor on the weight
} pass;

GSG_SIMD static void sgd_plain(float *GSG_RESTRICT param, const float *GSG_RESTRICT grad, int64_t count, float lr,
                               float decay)
{
    for (int64_t i = 0; i < count; i++)
        param[i] -= lr * (grad[i] + decay * param[i]);
}

GSG_SIMD static void sgd_momentum(float *GSG_RESTRICT param, const float *GSG_RESTRICT grad,
                                  float *GSG_RESTRICT velocity, int64_t count, float lr, float decay, float momentum)
{
    for (int64_t i = 0; i < count; i++) {
        const float v = momentum * velocity[i] + (grad[i] + decay * param[i]);
        velocity[i] = v;
        param[i] -= lr * v;
    }
}

GSG_SIMD static void sgd_nesterov(float *GSG_RESTRICT param, const float *GSG_RESTRICT grad,
                                  float *GSG_RESTRICT velocity, int64_t count, float lr, float decay, float momentum)
{
    for (int64_t i = 0; i < count; i++) {
        const float g = grad[i] + decay * param[i];
        const float v = momentum * velocity[i] + g;
        velocity[i] = v;
        param[i] -= lr * (g + momentum * v);
    }
}

GSG_SIMD static void adam(float *GSG_RESTRICT param, const float *GSG_RESTRICT grad, float *GSG_RESTRICT first,
                          float *GSG_RESTRICT second, int64_t count, const pass *p)
{
    const float rest1 = (float)(1.0 - p->options->beta1), rest2 = (float)(1.0 - p->options->beta2);
    const float beta2 = (float)p->options->beta2, eps = (float)p->options->eps;
    const float lr = p->lr, root = p->root, decay = p->decay, shrink = p->shrink;

    for (int64_t i = 0; i < count; i++) {
        const float w = param[i] * shrink;
        const float g = grad[i] + decay * param[i];
        const float m = first[i] + rest1 * (g - first[i]);
        const float v = beta2 * second[i] + rest2 * g * g;
        first[i] = m;
        second[i] = v;
        param[i] = w - lr * (m / (sqrtf(v) / root + eps));
    }
}

GSG_SIMD static void rmsprop_plain(float *GSG_RESTRICT param, const float *GSG_RESTRICT grad,
                                   float *GSG_RESTRICT square, int64_t count, const pass *p)
{
    const float alpha = (float)p->options->alpha, rest = (float)(1.0 - p->options->alpha);
    const float eps = (float)p->options->eps, lr = p->lr, decay = p->decay;

    for (int64_t i = 0; i < count; i++) {
        const float g = grad[i] + decay * param[i];
        const float s = alpha * square[i] + rest * g * g;
        square[i] = s;
        param[i] -= lr * (g / (sqrtf(s) + eps));
    }
}

GSG_SIMD static void rmsprop_momentum(float *GSG_RESTRICT param, const float *GSG_RESTRICT grad,
                                      float *GSG_RESTRICT square, float *GSG_RESTRICT velocity, int64_t count,
                                      const pass *p)
{
    const float alpha = (float)p->options->alpha, rest = (float)(1.0 - p->options->alpha);
    const float eps = (float)p->options->eps, momentum = (float)p->options->momentum;
    const float lr = p->lr, decay = p->decay;

    for (int64_t i = 0; i < count; i++) {
        const float g = grad[i] + decay * param[i];
        const float s = alpha * square[i] + rest * g * g;
        const float v = momentum * velocity[i] + g / (sqrtf(s) + eps);
        square[i] = s;
        velocity[i] = v;
        param[i] -= lr * v;
    }
}

static void update_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    (void)thread;
    const pass *p = arg;
    const int64_t count = end - begin;
    float *param = p->param + begin;
    const float *grad = p->grad + begin;
    float *slot0 = p->slot[0] ? p->slot[0] + begin : NULL;
    float *slot1 = p->slot[1] ? p->slot[1] + begin : NULL;
    const float momentum = (float)p->options->momentum;

    if (p->options->kind == GSG_OPTIMIZER_ADAM)
        adam(param, grad, slot0, slot1, count, p);
    else if (p->options->kind == GSG_OPTIMIZER_RMSPROP && slot1)
        rmsprop_momentum(param, grad, slot0, slot1, count, p);
    else if (p->options->kind == GSG_OPTIMIZER_RMSPROP)
        rmsprop_plain(param, grad, slot0, count, p);
    else if (!slot0)
        sgd_plain(param, grad, count, p->lr, p->decay);
    else if (p->options->nesterov)
        sgd_nesterov(param, grad, slot0, count, p->lr, p->decay, momentum);
    else
        sgd_momentum(param, grad, slot0, count, p->lr, p->decay, momentum);
}

void gsg_optimizer_defaults(gsg_optimizer_options *options, int32_t kind)
{
    memset(options, 0, sizeof *options);
    options->kind = kind;
    options->alpha = 0.99;
    options->beta1 = 0.9;
    options->beta2 = 0.999;
    options->eps = 1e-8;
}

genseg_status gsg_optimizer_named(gsg_optimizer_options *options, const char *name, gsg_error *err)
{
    static const struct {
        const char *name;
        int32_t kind;
        bool decoupled;
    } known[] = {{"sgd", GSG_OPTIMIZER_SGD, false},
                 {"adam", GSG_OPTIMIZER_ADAM, false},
                 {"adamw", GSG_OPTIMIZER_ADAM, true},
                 {"rmsprop", GSG_OPTIMIZER_RMSPROP, false}};

    for (size_t i = 0; name && i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(name, known[i].name) == 0) {
            gsg_optimizer_defaults(options, known[i].kind);
            options->decoupled = known[i].decoupled;
            return GENSEG_OK;
        }
    }
    return gsg_error_set(err, GENSEG_ERROR_INVALID, "optimizer `%s` is none of sgd, adam, adamw, rmsprop",
                         name ? name : "");
}

static int32_t slots_of(const gsg_optimizer_options *options)
{
    if (options->kind == GSG_OPTIMIZER_ADAM)
        return 2;
    return (options->kind == GSG_OPTIMIZER_RMSPROP) + (options->momentum > 0);
}

static genseg_status check_fraction(double value, const char *name, gsg_error *err)
{
    if (value >= 0 && value < 1)
        return GENSEG_OK;
    return gsg_error_set(err, GENSEG_ERROR_INVALID, "optimizer %s is %g, not in [0, 1)", name, value);
}

static genseg_status check_options(const gsg_optimizer_options *options, gsg_error *err)
{
    genseg_status status = GENSEG_OK;

    if (options->kind < GSG_OPTIMIZER_SGD || options->kind > GSG_OPTIMIZER_RMSPROP)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "optimizer kind is %d, not 1 to 3", (int)options->kind);
    GSG_TRY(check_fraction(options->momentum, "momentum", err));
    GSG_TRY(check_fraction(options->alpha, "alpha", err));
    GSG_TRY(check_fraction(options->beta1, "beta1", err));
    GSG_TRY(check_fraction(options->beta2, "beta2", err));
    if (!(options->eps > 0) || !isfinite(options->eps))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "optimizer eps is %g, not above 0", options->eps);
    if (!(options->weight_decay >= 0) || !isfinite(options->weight_decay))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "optimizer weight decay is %g, not 0 or above",
                             options->weight_decay);
    if (options->nesterov && !(options->momentum > 0))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "optimizer option nesterov needs a momentum above 0");
done:
    return status;
}

static int64_t padded(int64_t count)
{
    return (count + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

size_t gsg_optimizer_bytes(const gsg_optimizer_options *options, int64_t parameters, const int64_t *counts)
{
    const int32_t slots = slots_of(options);
    const int64_t limit = INT64_MAX / ((int64_t)sizeof(float) * MAX_SLOTS) - ALIGN_FLOATS;
    int64_t total = 0;

    for (int64_t i = 0; i < parameters; i++) {
        if (counts[i] > limit || padded(counts[i]) > limit - total)
            return SIZE_MAX;
        total += padded(counts[i]);
    }
    return (size_t)total * (size_t)slots * sizeof(float);
}

genseg_status gsg_optimizer_new(genseg_context *context, const gsg_optimizer_options *options, int64_t parameters,
                                const int64_t *counts, gsg_optimizer **optimizer, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_optimizer *o = NULL;

    GSG_TRY(check_options(options, err));
    if (parameters < 0) {
        status = gsg_error_set(err, GENSEG_ERROR_INVALID, "optimizer has %lld parameters", (long long)parameters);
        goto done;
    }
    for (int64_t i = 0; i < parameters; i++) {
        if (counts[i] < 0) {
            status = gsg_error_set(err, GENSEG_ERROR_INVALID, "optimizer parameter %lld has %lld elements",
                                   (long long)i, (long long)counts[i]);
            goto done;
        }
    }
    const size_t bytes = gsg_optimizer_bytes(options, parameters, counts);

    o = gsg_alloc_zero(context, 1, sizeof *o);
    if (!o) {
        status = gsg_error_nomem(err, sizeof *o);
        goto done;
    }
    o->context = gsg_context_retain(context);
    o->options = *options;
    o->parameters = parameters;
    o->slots = slots_of(options);
    o->counts = gsg_alloc(context, (size_t)parameters, sizeof *o->counts);
    o->offsets = gsg_alloc(context, (size_t)parameters, sizeof *o->offsets);
    o->state = bytes == SIZE_MAX ? NULL : gsg_alloc_zero(context, bytes, 1);
    if (!o->counts || !o->offsets || !o->state) {
        status = gsg_error_nomem(err, bytes);
        goto done;
    }
    int64_t offset = 0;
    for (int64_t i = 0; i < parameters; i++) {
        o->counts[i] = counts[i];
        o->offsets[i] = offset;
        offset += padded(counts[i]) * o->slots;
    }
    *optimizer = o;
    o = NULL;
done:
    gsg_optimizer_free(o);
    return status;
}

void gsg_optimizer_free(gsg_optimizer *optimizer)
{
    if (!optimizer)
        return;
    genseg_context *context = optimizer->context;
    gsg_free(context, optimizer->counts);
    gsg_free(context, optimizer->offsets);
    gsg_free(context, optimizer->state);
    gsg_free(context, optimizer);
    gsg_context_release(context);
}

void gsg_optimizer_begin(gsg_optimizer *optimizer, double lr)
{
    optimizer->step++;
    optimizer->lr = lr;
}

void gsg_optimizer_update(gsg_optimizer *optimizer, int64_t index, float *param, const float *grad)
{
    const gsg_optimizer_options *options = &optimizer->options;
    pass p = {.param = param, .grad = grad, .options = options, .lr = (float)optimizer->lr, .root = 1, .shrink = 1};

    for (int32_t s = 0; s < optimizer->slots; s++)
        p.slot[s] = gsg_optimizer_slot(optimizer, index, s);
    p.decay = (float)options->weight_decay;
    if (options->kind == GSG_OPTIMIZER_ADAM) {
        const double step = (double)optimizer->step;
        p.lr = (float)(optimizer->lr / (1 - pow(options->beta1, step)));
        p.root = (float)sqrt(1 - pow(options->beta2, step));
        if (options->decoupled) {
            p.decay = 0;
            p.shrink = (float)(1 - optimizer->lr * options->weight_decay);
        }
    }
    gsg_parallel(optimizer->context, optimizer->counts[index], GRAIN, update_range, &p);
}

genseg_status gsg_optimizer_clone(const gsg_optimizer *optimizer, gsg_optimizer **clone, gsg_error *err)
{
    genseg_status status = gsg_optimizer_new(optimizer->context, &optimizer->options, optimizer->parameters,
                                             optimizer->counts, clone, err);
    if (status == GENSEG_OK)
        gsg_optimizer_copy(*clone, optimizer);
    return status;
}

void gsg_optimizer_copy(gsg_optimizer *dst, const gsg_optimizer *src)
{
    memcpy(dst->state, src->state, gsg_optimizer_bytes(&src->options, src->parameters, src->counts));
    dst->step = src->step;
    dst->lr = src->lr;
}

void gsg_optimizer_clear(gsg_optimizer *optimizer)
{
    for (int64_t i = 0; i < optimizer->parameters; i++)
        for (int32_t slot = 0; slot < optimizer->slots; slot++)
            memset(gsg_optimizer_slot(optimizer, i, slot), 0, (size_t)optimizer->counts[i] * sizeof(float));
    optimizer->step = 0;
}

// An update is rate * first / D with D = sqrt(second) / root + eps. First moments contain share1 of the gradient (all of
// it with RMSprop), second ones share2 of its square.
typedef struct preconditioner {
    float *direction;
    const float *gradient, *first, *second; // first NULL: the gradient itself
    float rate, share1, share2, root, eps;
} preconditioner;

GSG_SIMD static void precondition(float *GSG_RESTRICT direction, const float *GSG_RESTRICT gradient,
                                  const float *GSG_RESTRICT first, const float *GSG_RESTRICT second, int64_t count,
                                  const preconditioner *p)
{
    const float rate = p->rate, share1 = p->share1, unroot = 1 / p->root, share2 = p->share2 * unroot, eps = p->eps;
    for (int64_t i = 0; i < count; i++) {
        const float deviation = sqrtf(second[i]), inverse = 1 / (deviation * unroot + eps);
        const float change = share2 * gradient[i] / (deviation > 1e-30f ? deviation : 1e-30f); // of D
        direction[i] *= rate * inverse * (share1 - first[i] * inverse * change);
    }
}

GSG_SIMD static void precondition_held(float *GSG_RESTRICT direction, const float *GSG_RESTRICT second, int64_t count,
                                       const preconditioner *p)
{
    const float rate = p->rate * p->share1, root = p->root, eps = p->eps;
    for (int64_t i = 0; i < count; i++)
        direction[i] *= rate / (sqrtf(second[i]) / root + eps);
}

static void precondition_range(int64_t begin, int64_t end, int32_t thread, void *arg)
{
    (void)thread;
    const preconditioner *p = arg;
    if (p->second && p->gradient)
        precondition(p->direction + begin, p->gradient + begin, (p->first ? p->first : p->gradient) + begin,
                     p->second + begin, end - begin, p);
    else if (p->second)
        precondition_held(p->direction + begin, p->second + begin, end - begin, p);
    for (int64_t i = begin; !p->second && i < end; i++)
        p->direction[i] *= p->rate;
}

void gsg_optimizer_precondition(gsg_optimizer *optimizer, int64_t index, float *direction, const float *gradient)
{
    const gsg_optimizer_options *options = &optimizer->options;
    preconditioner p = {.direction = direction, .gradient = gradient, .rate = (float)optimizer->lr, .share1 = 1,
                        .root = 1, .eps = (float)options->eps};
    if (options->kind == GSG_OPTIMIZER_ADAM) {
        const double step = (double)optimizer->step;
        p.rate = (float)(optimizer->lr / (1 - pow(options->beta1, step)));
        p.share1 = (float)(1 - options->beta1);
        p.share2 = (float)(1 - options->beta2);
        p.root = (float)sqrt(1 - pow(options->beta2, step));
        p.first = gsg_optimizer_slot(optimizer, index, 0);
        p.second = gsg_optimizer_slot(optimizer, index, 1);
    } else if (options->kind == GSG_OPTIMIZER_RMSPROP) {
        p.share2 = (float)(1 - options->alpha);
        p.second = gsg_optimizer_slot(optimizer, index, 0);
    } else if (options->nesterov) {
        p.rate = (float)(optimizer->lr * (1 + options->momentum));
    }
    gsg_parallel(optimizer->context, optimizer->counts[index], GRAIN, precondition_range, &p);
}

const gsg_optimizer_options *gsg_optimizer_settings(const gsg_optimizer *optimizer)
{
    return &optimizer->options;
}

int64_t gsg_optimizer_parameters(const gsg_optimizer *optimizer)
{
    return optimizer->parameters;
}

int64_t gsg_optimizer_count(const gsg_optimizer *optimizer, int64_t index)
{
    return optimizer->counts[index];
}

int32_t gsg_optimizer_slots(const gsg_optimizer *optimizer)
{
    return optimizer->slots;
}

const char *gsg_optimizer_slot_name(const gsg_optimizer *optimizer, int32_t slot)
{
    if (optimizer->options.kind == GSG_OPTIMIZER_ADAM)
        return slot == 0 ? "exp_avg" : "exp_avg_sq";
    if (optimizer->options.kind == GSG_OPTIMIZER_RMSPROP && slot == 0)
        return "square_avg";
    return "momentum_buffer";
}

float *gsg_optimizer_slot(gsg_optimizer *optimizer, int64_t index, int32_t slot)
{
    return optimizer->state + optimizer->offsets[index] + slot * padded(optimizer->counts[index]);
}

int64_t gsg_optimizer_step(const gsg_optimizer *optimizer)
{
    return optimizer->step;
}

void gsg_optimizer_set_step(gsg_optimizer *optimizer, int64_t step)
{
    optimizer->step = step;
}

double gsg_optimizer_lr(const gsg_optimizer *optimizer)
{
    return optimizer->lr;
}
