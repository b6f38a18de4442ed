// Level III: how the validation loss after a step depends on what shaped that step's synthetic pairs. With
//   S' = S - P dL(S, pairs(G'))    P: learning rate, or the optimizer's diagonal (gsg_optimizer_precondition())
//   G' = G - Q dL_I(G, A)
// and v = dL_val/dS', products with second derivatives are central differences of first ones (Pearlmutter 1994; Liu et
// al. 2019): two probes S +- eps P v give minus the derivatives by images, targets, weights and gamma; one pass back
// through generator and warp makes these the gradients of all that came before, u = dL_val/dG' among them; two probes
// G +- eps Q u give what A does through level I.
#include <math.h>
#include <string.h>

#include "train/multilevel.h"

static gsg_run probe_run(const gsg_multilevel *m, int64_t step)
{
    return (gsg_run){.seed = m->options.seed, .step = (uint64_t)step}; // statistics rest
}

static genseg_status zero(const char *what, int64_t step, gsg_error *err)
{
    return gsg_error_set(err, GENSEG_ERROR_NUMERIC, "the gradient of %s is zero or not finite at step %lld", what,
                         (long long)step + 1);
}

// ---- v, and what the solver makes of it

static genseg_status validation_gradient(gsg_multilevel *m, int64_t step, gsg_error *err)
{
    genseg_status status;
    const gsg_run run = probe_run(m, step);
    GSG_TRY(m->options.feed(GSG_FEED_VALIDATION, step, gsg_plan_data(m->outer, m->outer_image),
                            gsg_plan_data(m->outer, m->outer_target), NULL, m->options.feed_user, err));
    gsg_multilevel_weigh(m, m->outer, m->outer_weights);
    gsg_gather_to to = {.direction = m->v, .factor = 1};
    gsg_plan_set_sink(m->outer, gsg_direction_gather, &to);
    GSG_TRY(gsg_plan_run(m->outer, &run, err));
    m->validation_loss = *gsg_plan_data(m->outer, m->outer_loss);
    m->v_norm = sqrt(gsg_direction_dot(m->v, m->v));
    if (!(m->v_norm > 0) || !isfinite(m->v_norm))
        status = zero("the validation loss", step, err);
done:
    return status;
}

// out = H p for level II's loss at the weights before the step.
static genseg_status curvature(gsg_multilevel *m, const gsg_run *run, const gsg_direction *p, gsg_direction *out,
                               gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    const double norm = sqrt(gsg_direction_dot(p, p));
    const double eps = norm > 0 ? m->options.probe / norm : 1; // of nothing: nothing
    gsg_gather_to to = {.direction = out, .factor = 1 / (2 * eps)};
    gsg_plan_set_sink(m->joint, gsg_direction_gather, &to);
    gsg_direction_move(m->segmenter, m->segmenter_before, eps, p);
    GSG_TRY(gsg_plan_run(m->joint, run, err));
    to = (gsg_gather_to){.direction = out, .factor = -1 / (2 * eps), .add = 1};
    gsg_direction_move(m->segmenter, m->segmenter_before, -eps, p);
    GSG_TRY(gsg_plan_run(m->joint, run, err));
done:
    return status;
}

// v becomes sum_k (I - P H)^k P v, k up to the number of terms: many steps from here on, all with this batch.
static genseg_status neumann(gsg_multilevel *m, const gsg_run *run, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_direction *sum = m->work[0], *curved = m->work[1];
    gsg_direction_precondition(m->v, m->optimizer, m->seen);
    gsg_direction_copy(sum, m->v);
    for (int32_t k = 0; k < m->options.terms; k++) {
        GSG_TRY(curvature(m, run, m->v, curved, err));
        gsg_direction_precondition(curved, m->optimizer, m->seen);
        gsg_direction_add(m->v, -1, curved);
        gsg_direction_add(sum, 1, m->v);
    }
    gsg_direction_copy(m->v, sum);
done:
    return status;
}

// v becomes an approximation of (H + damping)^-1 v. Ends early where the curvature along the search isn't positive; along
// v itself, the one step is all there is.
static genseg_status conjugate_gradients(gsg_multilevel *m, const gsg_run *run, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_direction *x = m->work[0], *p = m->work[1], *curved = m->work[2], *r = m->v;
    double rr = gsg_direction_dot(r, r), damping = 0;
    gsg_direction_scale(x, 0);
    gsg_direction_copy(p, r);
    for (int32_t k = 0; k < m->options.terms; k++) {
        GSG_TRY(curvature(m, run, p, curved, err));
        const double bare = gsg_direction_dot(p, curved);
        if (k == 0 && !(bare > 0)) // as much damping as curvature would leave nothing but rounding
            break;
        if (k == 0)
            damping = m->options.damping * bare / rr;
        gsg_direction_add(curved, damping, p);
        const double bend = gsg_direction_dot(p, curved);
        if (!(bend > 0))
            break;
        const double along = rr / bend;
        gsg_direction_add(x, along, p);
        gsg_direction_add(r, -along, curved);
        const double next = gsg_direction_dot(r, r);
        gsg_direction_scale(p, next / rr);
        gsg_direction_add(p, 1, r);
        rr = next;
    }
    if (gsg_direction_dot(x, x) > 0)
        gsg_direction_copy(m->v, x);
    else
        gsg_direction_precondition(m->v, m->optimizer, m->seen);
done:
    return status;
}

static genseg_status solve(gsg_multilevel *m, const gsg_run *run, gsg_error *err)
{
    if (m->options.solver == GSG_SOLVER_NEUMANN)
        return neumann(m, run, err);
    if (m->options.solver == GSG_SOLVER_CG)
        return conjugate_gradients(m, run, err);
    gsg_direction_precondition(m->v, m->optimizer, m->seen);
    return GENSEG_OK;
}

// ---- probes of the segmenter

static genseg_status run_probe(gsg_multilevel *m, const gsg_run *run, double step, gsg_error *err)
{
    gsg_direction_move(m->segmenter, m->segmenter_before, step, m->v);
    return gsg_plan_run(m->probe, run, err);
}

static int64_t count_of(const gsg_multilevel *m, int64_t channels)
{
    return gsg_shape_count(gsg_gan_shape(&m->options.gan, channels));
}

// kept = factor * (kept - newest): from the first probe's values to minus the derivative.
static void difference(float *kept, const float *newest, int64_t count, double factor)
{
    for (int64_t i = 0; i < count; i++)
        kept[i] = (float)(factor * ((double)kept[i] - newest[i]));
}

static const float *gradient_of(gsg_multilevel *m, gsg_value value)
{
    return gsg_plan_data(m->probe, value);
}

// The derivatives of the validation loss by synthetic images and targets (left in the seeds), gamma and weights.
static genseg_status probe_segmenter(gsg_multilevel *m, const gsg_run *run, gsg_error *err)
{
    genseg_status status;
    const int64_t image = count_of(m, m->options.gan.generator.channels), target = count_of(m, m->options.outputs);
    const double gamma = m->gamma_decay * *m->gamma->value, norm = sqrt(gsg_direction_dot(m->v, m->v)), eps = m->options.probe / norm;
    memcpy(gsg_plan_data(m->probe, m->probe_image), gsg_plan_data(m->synthesis->plan, m->synthesis->image),
           (size_t)image * sizeof(float));
    memcpy(gsg_plan_data(m->probe, m->probe_target), gsg_plan_data(m->synthesis->plan, m->synthesis->target),
           (size_t)target * sizeof(float));
    memcpy(gsg_plan_data(m->probe, m->probe_pairs), m->pairs->value, (size_t)m->pairs->count * sizeof(float));
    memcpy(gsg_plan_data(m->probe, m->probe_index), gsg_plan_data(m->joint, m->index),
           (size_t)m->options.gan.batch * sizeof(float));
    gsg_multilevel_weigh(m, m->probe, m->probe_weights);
    GSG_TRY(run_probe(m, run, eps, err));
    const double plus = *gsg_plan_data(m->probe, m->probe_loss);
    memcpy(m->image_seed, gradient_of(m, m->probe_image_gradient), (size_t)image * sizeof(float));
    memcpy(m->target_seed, gradient_of(m, m->probe_target_gradient), (size_t)target * sizeof(float));
    memcpy(m->pairs->gradient, gradient_of(m, m->probe_pairs_gradient), (size_t)m->pairs->count * sizeof(float));
    GSG_TRY(run_probe(m, run, -eps, err));
    const double minus = *gsg_plan_data(m->probe, m->probe_loss), factor = -gamma / (2 * eps);
    *m->gamma->gradient = (float)(-m->gamma_decay * (plus - minus) / (2 * eps));
    difference(m->image_seed, gradient_of(m, m->probe_image_gradient), image, factor);
    difference(m->target_seed, gradient_of(m, m->probe_target_gradient), target, factor);
    difference(m->pairs->gradient, gradient_of(m, m->probe_pairs_gradient), m->pairs->count, factor);
done:
    return status;
}

// ---- back through the pairs, and through level I

static genseg_status gather_generator(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    gsg_multilevel *m = user;
    gsg_direction_gather(param, gradient, &(gsg_gather_to){.direction = m->u, .factor = 1}, err);
    return gsg_direction_gather(param, gradient, &(gsg_gather_to){.direction = m->logits, .factor = 1}, err);
}

static genseg_status pull_back(gsg_multilevel *m, const gsg_run *run, gsg_error *err)
{
    genseg_status status;
    gsg_synthesis *s = m->synthesis;
    memcpy(gsg_plan_data(s->plan, s->image_seed), m->image_seed,
           (size_t)count_of(m, m->options.gan.generator.channels) * sizeof(float));
    memcpy(gsg_plan_data(s->plan, s->target_seed), m->target_seed,
           (size_t)count_of(m, m->options.outputs) * sizeof(float));
    gsg_plan_set_sink(s->plan, gather_generator, m);
    GSG_TRY(gsg_plan_run_rest(s->plan, run, err));
    memcpy(m->warp->gradient, gsg_plan_data(s->plan, s->warp_gradient), (size_t)m->warp->count * sizeof(float));
    memcpy(m->appearance->gradient, gsg_plan_data(s->plan, s->appearance_gradient),
           (size_t)m->appearance->count * sizeof(float));
    m->u_norm = sqrt(gsg_direction_dot(m->u, m->u));
done:
    return status;
}

// What the architecture does through the generator's newest step.
static genseg_status probe_generator(gsg_multilevel *m, int64_t step, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    const gsg_run run = gsg_multilevel_gan_run(m, step);
    gsg_direction *q = m->q;
    gsg_direction_copy(q, m->u);
    gsg_direction_precondition(q, m->gan->optimizer, m->gan_seen);
    const double norm = sqrt(gsg_direction_dot(q, q)), eps = norm > 0 ? m->options.probe / norm : 1;
    gsg_gather_to to = {.direction = m->logits, .factor = -1 / (2 * eps), .add = 1};
    gsg_plan_set_sink(m->gan->generate, gsg_direction_gather, &to);
    gsg_direction_move(m->gan->params, m->gan_before, eps, q);
    GSG_TRY(gsg_plan_run(m->gan->generate, &run, err));
    to.factor = 1 / (2 * eps);
    gsg_direction_move(m->gan->params, m->gan_before, -eps, q);
    GSG_TRY(gsg_plan_run(m->gan->generate, &run, err));
done:
    return status;
}

static void hand_logits(gsg_multilevel *m)
{
    for (int32_t i = 0; i < m->logits->count; i++)
        if (m->logits->offsets[i] >= 0) {
            gsg_lever *lever = gsg_levers_find(m->levers, m->gan->params->items[i].name);
            memcpy(lever->gradient, m->logits->data + m->logits->offsets[i], (size_t)lever->count * sizeof(float));
        }
}

static genseg_status differentiate(gsg_multilevel *m, int64_t step, gsg_error *err)
{
    genseg_status status;
    const gsg_run run = probe_run(m, step);
    GSG_TRY(validation_gradient(m, step, err));
    GSG_TRY(solve(m, &run, err));
    GSG_TRY(probe_segmenter(m, &run, err));
    GSG_TRY(pull_back(m, &run, err));
    if (gsg_multilevel_moves_generator(m, step))
        GSG_TRY(probe_generator(m, step, err));
    hand_logits(m);
done:
    return status;
}

genseg_status gsg_hypergradient(gsg_multilevel *m, int64_t step, gsg_error *err)
{
    gsg_params_copy(m->segmenter_after, m->segmenter);
    gsg_params_copy(m->gan_after, m->gan->params);
    genseg_status status = differentiate(m, step, err);
    gsg_params_copy(m->segmenter, m->segmenter_after);
    gsg_params_copy(m->gan->params, m->gan_after);
    return status;
}
