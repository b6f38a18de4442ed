// A trainer that goes on from a model, and the proof of its gradients.
#include <string.h>

#include "predict/synthesizer.h"
#include "train/audit.h"
#include "train/trainer.h"

// ---- going on from a model

static genseg_status copy_weights(gsg_params *to, const gsg_params *from, const char *what, gsg_error *err)
{
    for (int32_t i = 0; i < from->count; i++) { // all of it, before anything is touched
        const gsg_param *item = &from->items[i];
        const int32_t at = gsg_params_find(to, item->name);
        if (at < 0 || !gsg_shape_equal(to->items[at].layout.shape, item->layout.shape))
            return gsg_error_set(err, GENSEG_ERROR_SHAPE, "the %s's %s doesn't fit the one that is trained", what,
                                 item->name);
    }
    for (int32_t i = 0; i < from->count; i++) {
        const gsg_param *item = &from->items[i];
        memcpy(to->items[gsg_params_find(to, item->name)].data, item->data,
               (size_t)item->layout.count * sizeof *item->data);
    }
    return GENSEG_OK;
}

genseg_status gsg_trainer_start_from(genseg_trainer *trainer, const genseg_segmenter *segmenter,
                                     const genseg_generator *generator, gsg_error *err)
{
    genseg_status status;
    const gsg_unet *unet = &trainer->unet;
    gsg_params *gan = trainer->multilevel ? trainer->multilevel->gan->params : NULL;
    if (trainer->step > 0 || trainer->gan_step > 0)
        return gsg_error_set(err, GENSEG_ERROR_STATE, "the trainer has begun already");
    if (generator && !gan)
        return gsg_error_set(err, GENSEG_ERROR_STATE, "the method trains no generator");
    if (segmenter->params->count != trainer->params->count || segmenter->unet.levels != unet->levels)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "a segmenter of %d levels for one of %d", segmenter->unet.levels,
                             unet->levels);
    if (generator)
        GSG_TRY(copy_weights(gan, generator->params, "generator", err));
    GSG_TRY(copy_weights(trainer->params, segmenter->params, "segmenter", err));
    gsg_params_copy(trainer->best, trainer->params);
    if (gan)
        gsg_params_copy(trainer->gan_best, gan);
done:
    return status;
}

// ---- audit

typedef struct auditing {
    genseg_audit_fn report;
    void *user;
    int64_t done, total;
    double norm; // squared, of the gradients seen
} auditing;

static int32_t report_entry(const gsg_audit_entry *entry, void *user)
{
    auditing *a = user;
    const genseg_audit told = {.struct_size = sizeof told,
                               .lever = entry->lever->name,
                               .group = entry->lever->group,
                               .index = (int32_t)entry->index,
                               .gradient = entry->gradient,
                               .brute = entry->brute,
                               .noise = entry->noise,
                               .done = ++a->done,
                               .total = a->total};
    a->norm += entry->gradient * entry->gradient;
    return a->report(&told, a->user);
}

genseg_status gsg_trainer_audit(genseg_trainer *trainer, int32_t groups, int64_t most, double delta,
                                genseg_audit_fn report, void *user, gsg_error *err)
{
    gsg_multilevel *m = trainer->multilevel;
    auditing a = {.report = report, .user = user};
    if (!m || !m->options.levers)
        return gsg_error_set(err, GENSEG_ERROR_STATE, "there is no feedback to audit: method genseg with validation has");
    if (trainer->step == 0)
        return gsg_error_set(err, GENSEG_ERROR_STATE, "nothing is trained yet: audit after some steps");
    for (int32_t i = 0; i < m->levers->count; i++)
        if (m->levers->items[i].group & groups)
            a.total += most > 0 && most < m->levers->items[i].count ? most : m->levers->items[i].count;
    const gsg_audit_options options = {.groups = groups, .most = most, .delta = delta > 0 ? delta : 0.05,
                                       .report = report_entry, .user = &a};
    // The next step in which the generator moves and level III looks.
    const int64_t both = trainer->options.gan_every * trainer->options.levers_every;
    const int64_t step = (trainer->step + both - 1) / both * both;
    // At the end of a cosine nothing moves: the audited step has the rates of the first.
    const double gan_decay = m->gan_decay, gamma_decay = m->gamma_decay;
    m->gan_decay = m->gamma_decay = 1;
    gsg_multilevel_set_poll(m, NULL, NULL);
    genseg_status status = gsg_audit(m, step, gsg_schedule_lr(&trainer->schedule, 0, 0), &options, err);
    m->gan_decay = gan_decay;
    m->gamma_decay = gamma_decay;
    if (status == GENSEG_OK && a.total > 0 && !(a.norm > 0))
        status = gsg_error_set(err, GENSEG_ERROR_NUMERIC, "all %lld gradients are zero: feedback doesn't reach the levers",
                               (long long)a.total);
    return status;
}
