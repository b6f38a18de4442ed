// Brute force against the hypergradient.
#include "train/audit.h"

#include <math.h>
#include <string.h>

// All that a step changes.
typedef struct state {
    gsg_params *segmenter, *gan;
    gsg_optimizer *optimizer, *gan_optimizer;
    float *gradients; // of all levers, one after the other
    int64_t count;
} state;

static genseg_status keep(const gsg_multilevel *m, state *s, gsg_error *err)
{
    genseg_status status;
    const gsg_levers *levers = m->levers;
    GSG_TRY(gsg_params_clone(m->segmenter, &s->segmenter, err));
    GSG_TRY(gsg_params_clone(m->gan->params, &s->gan, err));
    GSG_TRY(gsg_optimizer_clone(m->optimizer, &s->optimizer, err));
    GSG_TRY(gsg_optimizer_clone(m->gan->optimizer, &s->gan_optimizer, err));
    for (int32_t i = 0; i < levers->count; i++)
        s->count += levers->items[i].count;
    s->gradients = gsg_alloc_zero(m->context, (size_t)s->count, sizeof *s->gradients);
    if (!s->gradients)
        status = gsg_error_nomem(err, (size_t)s->count * sizeof *s->gradients);
done:
    return status;
}

static void drop(genseg_context *context, state *s)
{
    gsg_params_free(s->segmenter);
    gsg_params_free(s->gan);
    gsg_optimizer_free(s->optimizer);
    gsg_optimizer_free(s->gan_optimizer);
    gsg_free(context, s->gradients);
}

static void bring_back(gsg_multilevel *m, const state *s)
{
    gsg_params_copy(m->segmenter, s->segmenter);
    gsg_params_copy(m->gan->params, s->gan);
    gsg_optimizer_copy(m->optimizer, s->optimizer);
    gsg_optimizer_copy(m->gan->optimizer, s->gan_optimizer);
    m->stage = m->cut = 0;
}

static void copy_gradients(const gsg_levers *levers, float *gradients)
{
    for (int32_t i = 0; i < levers->count; i++) {
        memcpy(gradients, levers->items[i].gradient, (size_t)levers->items[i].count * sizeof *gradients);
        gradients += levers->items[i].count;
    }
}

// The validation loss after the step, from the state that was kept, with one value moved. Logits are among the
// parameters that come back, so it is moved afterwards.
static genseg_status look(gsg_multilevel *m, const state *s, int64_t step, double lr, float *value, float moved,
                          double *loss, gsg_error *err)
{
    double loss_now;
    bring_back(m, s);
    const float was = *value;
    *value = moved;
    genseg_status status = gsg_multilevel_step(m, step, lr, &loss_now, err);
    *value = was;
    *loss = m->validation_loss;
    return status;
}

static genseg_status difference(gsg_multilevel *m, const state *s, int64_t step, double lr, float *value, double delta,
                                double *quotient, gsg_error *err)
{
    genseg_status status;
    double plus = 0, minus = 0;
    const float up = (float)(*value + delta), down = (float)(*value - delta);
    GSG_TRY(look(m, s, step, lr, value, up, &plus, err));
    GSG_TRY(look(m, s, step, lr, value, down, &minus, err));
    *quotient = (plus - minus) / ((double)up - down);
done:
    return status;
}

static genseg_status audit_lever(gsg_multilevel *m, const state *s, int64_t step, double lr,
                                 const gsg_audit_options *options, gsg_lever *lever, const float *gradients,
                                 gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    const int64_t count = options->most > 0 && options->most < lever->count ? options->most : lever->count;
    for (int64_t i = 0; i < count; i++) {
        gsg_audit_entry entry = {.lever = lever, .index = i * lever->count / count};
        double half = 0;
        float *value = &lever->value[entry.index];
        entry.gradient = gradients[entry.index];
        GSG_TRY(difference(m, s, step, lr, value, options->delta, &entry.brute, err));
        GSG_TRY(difference(m, s, step, lr, value, options->delta / 2, &half, err));
        entry.noise = fabs(entry.brute - half);
        if (options->report(&entry, options->user))
            return gsg_error_set(err, GENSEG_ERROR_CANCELLED, "cancelled");
    }
done:
    return status;
}

static genseg_status audit_all(gsg_multilevel *m, state *s, int64_t step, double lr, const gsg_audit_options *options,
                               gsg_error *err)
{
    genseg_status status;
    double loss = 0, again = 0;
    const float unmoved = *m->gamma->value;
    const float *gradients = s->gradients;
    GSG_TRY(look(m, s, step, lr, m->gamma->value, unmoved, &loss, err));
    copy_gradients(m->levers, s->gradients);
    for (int32_t i = 0; i < m->levers->count; i++) {
        gsg_lever *lever = &m->levers->items[i];
        if (lever->group & options->groups)
            GSG_TRY(audit_lever(m, s, step, lr, options, lever, gradients, err));
        gradients += lever->count;
    }
    // Had anything not come back, the same step would end elsewhere.
    GSG_TRY(look(m, s, step, lr, m->gamma->value, unmoved, &again, err));
    GSG_CHECK(again == loss);
done:
    return status;
}

genseg_status gsg_audit(gsg_multilevel *m, int64_t step, double lr, const gsg_audit_options *options, gsg_error *err)
{
    state s = {0};
    if (!gsg_multilevel_due(m, step))
        return gsg_error_set(err, GENSEG_ERROR_STATE, "level III has nothing to do at step %lld", (long long)step);
    genseg_status status = keep(m, &s, err);
    if (status == GENSEG_OK) {
        m->watching = 1; // levers are looked at, not moved
        status = audit_all(m, &s, step, lr, options, err);
        m->watching = 0;
        bring_back(m, &s);
    }
    drop(m->context, &s);
    return status;
}
