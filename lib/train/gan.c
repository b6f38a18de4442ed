// Generator against discriminator.
#include "train/gan.h"

#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "nn/init.h"

gsg_gan_options gsg_gan_defaults(int32_t spatial)
{
    gsg_gan_options options = {.generator = gsg_generator_default(spatial),
                               .discriminator = gsg_discriminator_default(spatial),
                               .batch = 2,
                               .loss = GSG_ADVERSARIAL_VANILLA,
                               .l1 = 100,
                               .penalty = 10};
    gsg_optimizer_defaults(&options.optimizer, GSG_OPTIMIZER_ADAM);
    options.optimizer.beta1 = 0.5;
    return options;
}

int32_t gsg_gan_is_weight(const gsg_param *param)
{
    return param->kind != GSG_PARAM_STATISTIC && !gsg_nn_is_architecture(param);
}

int32_t gsg_gan_is_generator(const gsg_param *param)
{
    return gsg_gan_is_weight(param) && strncmp(param->name, "generator.", strlen("generator.")) == 0;
}

static int32_t is_generator_or_logits(const gsg_param *param)
{
    return gsg_gan_is_generator(param) || gsg_nn_is_architecture(param);
}

gsg_shape gsg_gan_shape(const gsg_gan_options *options, int64_t channels)
{
    const int32_t spatial = options->generator.spatial;
    gsg_shape shape = {.ndim = spatial + 2, .dims = {options->batch, channels}};
    memcpy(shape.dims + 2, options->size + 3 - spatial, (size_t)spatial * sizeof *shape.dims);
    return shape;
}

void gsg_gan_noise(uint64_t seed, uint32_t stream, int64_t step, float *noise, int64_t count)
{
    gsg_rng rng;
    gsg_rng_init(&rng, seed, stream, (uint64_t)step);
    for (int64_t i = 0; i < count; i++)
        noise[i] = (float)gsg_rng_normal(&rng);
}

// ---- graphs

static gsg_value noise_input(gsg_graph *graph, const gsg_gan_options *options)
{
    const int64_t channels = options->generator.noise;
    return channels > 0 ? gsg_op_input(graph, "noise", gsg_gan_shape(options, channels)) : GSG_NONE;
}

// The generator's loss. The discriminator is only looked through.
static genseg_status build_generate(gsg_gan *gan, gsg_error *err)
{
    genseg_status status;
    gsg_graph *graph = NULL;
    const gsg_gan_options *o = &gan->options;
    GSG_TRY(gsg_graph_new(gan->context, gan->params, &graph, err));
    gan->mask = gsg_op_input(graph, "mask", gsg_gan_shape(o, o->generator.masks));
    gan->image = gsg_op_input(graph, "image", gsg_gan_shape(o, o->generator.channels));
    gan->noise = noise_input(graph, o);
    gan->fake = gsg_generator_build(graph, &o->generator, gan->mask, gan->noise, GSG_MODE_TRAIN);
    gsg_value logits = gsg_discriminator_build(graph, &o->discriminator, gsg_op_concat(graph, gan->mask, gan->fake),
                                               GSG_MODE_PROBE);
    gan->l1_loss = gsg_op_l1(graph, gan->fake, gan->image);
    gan->loss = gsg_op_add(graph, gsg_nn_adversarial(graph, logits, o->loss, 1),
                           gsg_op_scale(graph, gan->l1_loss, (float)o->l1, GSG_NONE));
    // The logits' gradient comes along with that of the weights: level III probes with this very plan.
    gsg_problem problem = {.graph = graph, .params = gan->params, .loss = {gan->loss}, .seed = {GSG_NONE}, .losses = 1,
                           .wanted = is_generator_or_logits,
                           .outputs = {gan->fake, gan->l1_loss, gan->loss}, .output_count = 3};
    problem.workspace = o->generating;
    GSG_TRY(gsg_problem_plan(&problem, &gan->generate, err));
done:
    gsg_graph_free(graph);
    return status;
}

static gsg_value judge(gsg_gan *gan, gsg_graph *graph, gsg_value image)
{
    return gsg_discriminator_build(graph, &gan->options.discriminator, gsg_op_concat(graph, gan->judge_mask, image),
                                   GSG_MODE_TRAIN);
}

static genseg_status build_judge(gsg_gan *gan, gsg_error *err)
{
    genseg_status status;
    gsg_graph *graph = NULL;
    const gsg_gan_options *o = &gan->options;
    const gsg_shape image = gsg_gan_shape(o, o->generator.channels);
    const int32_t wasserstein = o->loss == GSG_ADVERSARIAL_WGAN;
    GSG_TRY(gsg_graph_new(gan->context, gan->params, &graph, err));
    gan->judge_mask = gsg_op_input(graph, "mask", gsg_gan_shape(o, o->generator.masks));
    gan->judge_real = gsg_op_input(graph, "real", image);
    gan->judge_fake = gsg_op_input(graph, "fake", image);
    gan->judge_mixed = wasserstein ? gsg_op_input(graph, "mixed", image) : GSG_NONE;
    gsg_value loss = gsg_op_add(graph, gsg_nn_adversarial(graph, judge(gan, graph, gan->judge_fake), o->loss, 0),
                                gsg_nn_adversarial(graph, judge(gan, graph, gan->judge_real), o->loss, 1));
    if (wasserstein) {
        gsg_value penalty = gsg_nn_gradient_penalty(graph, judge(gan, graph, gan->judge_mixed), gan->judge_mixed);
        loss = gsg_op_add(graph, loss, gsg_op_scale(graph, penalty, (float)o->penalty, GSG_NONE));
    } else {
        loss = gsg_op_scale(graph, loss, 0.5f, GSG_NONE);
    }
    gan->judge_loss = loss;
    gsg_problem problem = {.graph = graph, .params = gan->params, .loss = {loss}, .seed = {GSG_NONE}, .losses = 1,
                           .outputs = {loss}, .output_count = 1};
    problem.workspace = o->judging;
    GSG_TRY(gsg_problem_plan(&problem, &gan->judge, err));
done:
    gsg_graph_free(graph);
    return status;
}

// ---- making and freeing

static genseg_status update(int32_t param, const float *gradient, void *user, gsg_error *err)
{
    gsg_gan *gan = user;
    gsg_param *item = &gan->params->items[param];
    if (gan->seen && gan->seen->offsets[param] >= 0)
        gsg_direction_see(gan->seen, gan->optimizer, gan->params, param, gradient);
    if (gsg_gan_is_weight(item))
        gsg_optimizer_update(gan->optimizer, param, item->data, gradient);
    return GENSEG_OK;
}

static genseg_status build(gsg_gan *gan, gsg_error *err)
{
    genseg_status status;
    GSG_TRY(gsg_params_new(gan->context, &gan->params, err));
    GSG_TRY(build_generate(gan, err));
    GSG_TRY(build_judge(gan, err));
    GSG_TRY(gsg_init_gan(gan->params, gan->options.seed, err));
    GSG_TRY(gsg_problem_optimizer(gan->params, gsg_gan_is_weight, &gan->options.optimizer, &gan->optimizer, err));
    gsg_plan_set_sink(gan->judge, update, gan);
done:
    return status;
}

genseg_status gsg_gan_new(genseg_context *context, const gsg_gan_options *options, gsg_gan **gan, gsg_error *err)
{
    gsg_gan *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    made->context = gsg_context_retain(context);
    made->options = *options;
    made->generator_loss = made->l1 = made->discriminator_loss = NAN;
    genseg_status status = build(made, err);
    if (status != GENSEG_OK)
        gsg_gan_free(made);
    else
        *gan = made;
    return status;
}

void gsg_gan_free(gsg_gan *gan)
{
    if (!gan)
        return;
    genseg_context *context = gan->context;
    gsg_plan_free(gan->generate);
    gsg_plan_free(gan->judge);
    gsg_optimizer_free(gan->optimizer);
    gsg_params_free(gan->params);
    gsg_free(context, gan);
    gsg_context_release(context);
}

void gsg_gan_set_poll(gsg_gan *gan, gsg_poll_fn poll, void *user)
{
    gsg_plan_set_poll(gan->generate, poll, user);
    gsg_plan_set_poll(gan->judge, poll, user);
}

void gsg_gan_go_back(gsg_gan *gan, const gsg_params *weights)
{
    gsg_params_copy(gan->params, weights);
    gsg_optimizer_clear(gan->optimizer);
}

// ---- a step

static void copy_batch(gsg_gan *gan, gsg_value from, gsg_value to, int64_t channels)
{
    const int64_t count = gsg_shape_count(gsg_gan_shape(&gan->options, channels));
    memcpy(gsg_plan_data(gan->judge, to), gsg_plan_data(gan->generate, from), (size_t)count * sizeof(float));
}

// Points between real and generated images, one place for each sample (Gulrajani et al. 2017).
static void mix(gsg_gan *gan, const gsg_run *run)
{
    const int64_t batch = gan->options.batch;
    const int64_t count = gsg_shape_count(gsg_gan_shape(&gan->options, gan->options.generator.channels)) / batch;
    const float *real = gsg_plan_data(gan->judge, gan->judge_real), *fake = gsg_plan_data(gan->judge, gan->judge_fake);
    float *mixed = gsg_plan_data(gan->judge, gan->judge_mixed);
    gsg_rng rng;
    gsg_rng_init(&rng, run->seed, GSG_STREAM_MIX, run->step);
    for (int64_t n = 0; n < batch; n++) {
        const float part = (float)gsg_rng_uniform(&rng);
        for (int64_t i = n * count; i < (n + 1) * count; i++)
            mixed[i] = part * real[i] + (1 - part) * fake[i];
    }
}

static genseg_status check(const gsg_run *run, double loss, const char *whose, gsg_error *err)
{
    if (isfinite(loss))
        return GENSEG_OK;
    return gsg_error_set(err, GENSEG_ERROR_NUMERIC, "the %s's loss is %s at step %lld: its learning rate may be too high",
                         whose, isnan(loss) ? "NaN" : "infinite", (long long)run->step + 1);
}

static genseg_status run_judge(gsg_gan *gan, const gsg_run *run, int32_t resumed, gsg_error *err)
{
    const gsg_generator *generator = &gan->options.generator;
    if (!resumed) {
        copy_batch(gan, gan->mask, gan->judge_mask, generator->masks);
        copy_batch(gan, gan->image, gan->judge_real, generator->channels);
        copy_batch(gan, gan->fake, gan->judge_fake, generator->channels);
        if (gan->judge_mixed != GSG_NONE)
            mix(gan, run);
    }
    genseg_status status = gsg_problem_run(gan->judge, run, gan->judge_loss, resumed, err);
    if (status != GENSEG_OK)
        return status;
    gan->discriminator_loss = *gsg_plan_data(gan->judge, gan->judge_loss);
    return check(run, gan->discriminator_loss, "discriminator", err);
}

static genseg_status run_fool(gsg_gan *gan, const gsg_run *run, gsg_error *err)
{
    genseg_status status = gsg_plan_resume_until(gan->generate, run, gan->loss, err);
    if (status != GENSEG_OK)
        return status;
    gan->generator_loss = *gsg_plan_data(gan->generate, gan->loss);
    gan->l1 = *gsg_plan_data(gan->generate, gan->l1_loss);
    return check(run, gan->generator_loss, "generator", err);
}

genseg_status gsg_gan_step(gsg_gan *gan, gsg_gan_stage stage, const gsg_run *run, int32_t resumed, double lr,
                           gsg_error *err)
{
    switch (stage) {
    case GSG_GAN_GENERATE:
        gsg_plan_set_sink(gan->generate, update, gan); // level III has its own
        if (!resumed && gan->noise != GSG_NONE)
            gsg_gan_noise(run->seed, GSG_STREAM_NOISE, (int64_t)run->step, gsg_plan_data(gan->generate, gan->noise),
                          gsg_shape_count(gsg_gan_shape(&gan->options, gan->options.generator.noise)));
        return gsg_problem_run(gan->generate, run, gan->fake, resumed, err);
    case GSG_GAN_JUDGE:
        return run_judge(gan, run, resumed, err);
    case GSG_GAN_LEARN_JUDGE:
        if (!resumed)
            gsg_optimizer_begin(gan->optimizer, lr);
        return gsg_plan_run_rest(gan->judge, run, err);
    case GSG_GAN_FOOL:
        return run_fool(gan, run, err);
    default:
        return gsg_plan_run_rest(gan->generate, run, err);
    }
}
