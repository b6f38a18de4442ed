// A step of the three levels, in parts that a cancel may cut: the next call goes on with the part that was cut.
#include <math.h>
#include <string.h>

#include "train/multilevel.h"

// Parts of a step behind those of level I (gsg_gan_stage).
enum {
    STAGE_SYNTHESISE = GSG_GAN_STAGES,
    STAGE_LOSS,
    STAGE_LEARN,
    STAGE_LEVERS,
    STAGES
};

static gsg_run run_of(const gsg_multilevel *m, int64_t step, int32_t update_statistics)
{
    return (gsg_run){.seed = m->options.seed, .step = (uint64_t)step, .update_statistics = update_statistics};
}

static int32_t every(int64_t step, int32_t interval)
{
    return interval > 0 && step % interval == 0;
}

int32_t gsg_multilevel_due(const gsg_multilevel *m, int64_t step)
{
    return m->options.levers != 0 && every(step, m->options.levers_every);
}

int32_t gsg_multilevel_moves_generator(const gsg_multilevel *m, int64_t step)
{
    return every(step, m->options.gan_every);
}

gsg_run gsg_multilevel_gan_run(const gsg_multilevel *m, int64_t step)
{
    return run_of(m, m->pretrained + step, 0);
}

static genseg_status step_gan(gsg_multilevel *m, int32_t stage, int64_t number, int32_t resumed, double lr,
                              gsg_error *err)
{
    const gsg_run run = run_of(m, number, 1);
    if (stage == GSG_GAN_GENERATE && !resumed) {
        genseg_status status = m->options.feed(GSG_FEED_PAIR, number, gsg_plan_data(m->gan->generate, m->gan->image),
                                               gsg_plan_data(m->gan->generate, m->gan->mask), NULL,
                                               m->options.feed_user, err);
        if (status != GENSEG_OK)
            return status;
    }
    return gsg_gan_step(m->gan, (gsg_gan_stage)stage, &run, resumed, lr, err);
}

static void write_magnitudes(gsg_multilevel *m)
{
    gsg_synthesis *s = m->synthesis;
    memcpy(gsg_plan_data(s->plan, s->warp), m->warp->value, (size_t)m->warp->count * sizeof(float));
    memcpy(gsg_plan_data(s->plan, s->appearance), m->appearance->value, (size_t)m->appearance->count * sizeof(float));
}

static genseg_status synthesise(gsg_multilevel *m, int64_t step, int32_t resumed, gsg_error *err)
{
    gsg_synthesis *s = m->synthesis;
    const gsg_run run = run_of(m, step, 0);
    if (!resumed) {
        genseg_status status = m->options.feed(GSG_FEED_MASK, step, NULL, gsg_plan_data(s->plan, s->mask),
                                               gsg_plan_data(m->joint, m->index), m->options.feed_user, err);
        if (status != GENSEG_OK)
            return status;
        gsg_synthesis_draw(s, m->options.seed, step);
        write_magnitudes(m);
    }
    return gsg_problem_run(s->plan, &run, s->image, resumed, err);
}

void gsg_multilevel_weigh(const gsg_multilevel *m, gsg_plan *plan, gsg_value weights)
{
    if (weights != GSG_NONE)
        memcpy(gsg_plan_data(plan, weights), m->options.class_weights,
               (size_t)m->options.outputs * sizeof(float));
}

static void copy_pairs(gsg_multilevel *m, gsg_plan *plan, gsg_value image, gsg_value target)
{
    const gsg_gan_options *gan = &m->options.gan;
    gsg_synthesis *s = m->synthesis;
    memcpy(gsg_plan_data(plan, image), gsg_plan_data(s->plan, s->image),
           (size_t)gsg_shape_count(gsg_gan_shape(gan, m->options.gan.generator.channels)) * sizeof(float));
    memcpy(gsg_plan_data(plan, target), gsg_plan_data(s->plan, s->target),
           (size_t)gsg_shape_count(gsg_gan_shape(gan, m->options.outputs)) * sizeof(float));
}

static genseg_status joint_loss(gsg_multilevel *m, int64_t step, int32_t resumed, double *loss, gsg_error *err)
{
    genseg_status status;
    const gsg_run run = run_of(m, step, 1);
    if (!resumed) {
        GSG_TRY(m->options.feed(GSG_FEED_REAL, step, gsg_plan_data(m->joint, m->image),
                                gsg_plan_data(m->joint, m->target), NULL, m->options.feed_user, err));
        copy_pairs(m, m->joint, m->synthetic_image, m->synthetic_target);
        gsg_multilevel_weigh(m, m->joint, m->class_weights);
        *gsg_plan_data(m->joint, m->joint_gamma) = (float)(m->gamma_decay * *m->gamma->value);
        memcpy(gsg_plan_data(m->joint, m->joint_pairs), m->pairs->value, (size_t)m->pairs->count * sizeof(float));
    }
    GSG_TRY(gsg_problem_run(m->joint, &run, m->loss, resumed, err));
    *loss = *gsg_plan_data(m->joint, m->loss);
    if (!isfinite(*loss))
        status = gsg_error_set(err, GENSEG_ERROR_NUMERIC, "the loss is %s at step %lld: the learning rate may be too high",
                               isnan(*loss) ? "NaN" : "infinite", (long long)step + 1);
done:
    return status;
}

static genseg_status update(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    gsg_multilevel *m = user;
    if (m->due)
        gsg_direction_see(m->seen, m->optimizer, m->segmenter, param, gradient);
    gsg_optimizer_update(m->optimizer, param, m->segmenter->items[param].data, gradient);
    return GENSEG_OK;
}

static genseg_status learn(gsg_multilevel *m, int64_t step, int32_t resumed, double lr, gsg_error *err)
{
    const gsg_run run = run_of(m, step, 1);
    if (!resumed) {
        if (m->due)
            gsg_params_copy(m->segmenter_before, m->segmenter);
        gsg_optimizer_begin(m->optimizer, lr);
        gsg_plan_set_sink(m->joint, update, m);
    }
    return gsg_plan_run_rest(m->joint, &run, err);
}

static void move_generator(gsg_multilevel *m, double scale)
{
    gsg_direction *along = m->q; // free by now
    gsg_direction_copy(along, m->u);
    gsg_direction_scale(along, scale);
    gsg_optimizer_begin(m->feedback, m->options.feedback_lr);
    for (int32_t i = 0; i < along->count; i++)
        if (along->offsets[i] >= 0)
            gsg_optimizer_update(m->feedback, i, m->gan->params->items[i].data, along->data + along->offsets[i]);
}

static genseg_status move_levers(gsg_multilevel *m, int64_t step, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    if (m->cut) // what level III had begun to pull back is lost
        status = synthesise(m, step, 0, err);
    if (status == GENSEG_OK)
        status = gsg_hypergradient(m, step, err);
    if (status != GENSEG_OK || m->watching)
        return status;
    // A gradient through a step shrinks with the step. Levers shall not stand still while the segmenter's rate decays.
    const double lr = gsg_optimizer_lr(m->optimizer), scale = lr > 0 ? 1 / lr : 1;
    gsg_levers_update(m->levers, m->options.levers, scale, m->options.levers_lr);
    if (m->options.levers & GSG_LEVER_GENERATOR)
        move_generator(m, scale);
    m->updates++;
    return GENSEG_OK;
}

genseg_status gsg_multilevel_pretrain(gsg_multilevel *m, int64_t step, gsg_error *err)
{
    for (; m->stage < GSG_GAN_STAGES; m->stage++) {
        genseg_status status = step_gan(m, m->stage, step, m->cut, m->options.gan_lr, err);
        m->cut = status == GENSEG_ERROR_CANCELLED;
        if (status != GENSEG_OK) {
            m->stage = m->cut ? m->stage : 0;
            return status;
        }
    }
    m->stage = 0;
    m->pretrained = step + 1;
    return GENSEG_OK;
}

static genseg_status run_stage(gsg_multilevel *m, int64_t step, double lr, double *loss, gsg_error *err)
{
    switch (m->stage) {
    case STAGE_SYNTHESISE:
        return synthesise(m, step, m->cut, err);
    case STAGE_LOSS:
        return joint_loss(m, step, m->cut, loss, err);
    case STAGE_LEARN:
        return learn(m, step, m->cut, lr, err);
    case STAGE_LEVERS:
        return m->due ? move_levers(m, step, err) : GENSEG_OK;
    default:
        if (m->stage == GSG_GAN_GENERATE && !m->cut) {
            m->due = gsg_multilevel_due(m, step);
            m->gan->seen = m->due ? m->gan_seen : NULL;
            if (m->due)
                gsg_params_copy(m->gan_before, m->gan->params);
        }
        if (!gsg_multilevel_moves_generator(m, step))
            return GENSEG_OK;
        return step_gan(m, m->stage, m->pretrained + step, m->cut, m->gan_decay * m->options.gan_lr, err);
    }
}

genseg_status gsg_multilevel_step(gsg_multilevel *m, int64_t step, double lr, double *loss, gsg_error *err)
{
    for (; m->stage < STAGES; m->stage++) {
        genseg_status status = run_stage(m, step, lr, loss, err);
        m->cut = status == GENSEG_ERROR_CANCELLED;
        if (status != GENSEG_OK) {
            m->stage = m->cut ? m->stage : 0;
            return status;
        }
    }
    m->stage = 0;
    return GENSEG_OK;
}
