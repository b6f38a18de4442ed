// Plans the three levels.
#include "train/multilevel.h"

#include <math.h>

#define MOST_MAGNITUDE 4.0f
#define MOST_GAMMA 4.0f
#define MOST_WEIGHT 4.0f

gsg_multilevel_options gsg_multilevel_defaults(int32_t spatial)
{
    gsg_multilevel_options options = {.outputs = 1,
                                      .gan = gsg_gan_defaults(spatial),
                                      .levers = GSG_LEVER_ALL,
                                      .solver = GSG_SOLVER_ONE_STEP,
                                      .terms = 3,
                                      .gan_every = 1,
                                      .levers_every = 1,
                                      .damping = 1,
                                      .probe = 0.01,
                                      .gamma = 1,
                                      .appearance = 1,
                                      .levers_lr = 0.05,
                                      .feedback_lr = 3e-4,
                                      .gan_lr = 1e-3,
                                      .seed = 1};
    gsg_deform_defaults(&options.synthesis.deform);
    gsg_appearance_defaults(&options.synthesis.appearance);
    return options;
}

// ---- graphs

static gsg_value images(gsg_graph *graph, const gsg_multilevel *m, const char *name)
{
    return gsg_op_input(graph, name, gsg_gan_shape(&m->options.gan, m->options.gan.generator.channels));
}

static gsg_value targets(gsg_graph *graph, const gsg_multilevel *m, const char *name)
{
    return gsg_op_input(graph, name, gsg_gan_shape(&m->options.gan, m->options.outputs));
}

static gsg_value numbers(gsg_graph *graph, const char *name, int64_t count)
{
    return gsg_op_input(graph, name, gsg_shape_make(1, &count));
}

static gsg_value class_weights(gsg_graph *graph, const gsg_multilevel *m)
{
    return m->options.class_weights ? numbers(graph, "class weights", m->options.outputs) : GSG_NONE;
}

// The loss of synthetic pairs, each weighed as its training pair.
static gsg_value synthetic_loss(gsg_graph *graph, const gsg_multilevel *m, gsg_value image, gsg_value target,
                                gsg_value weights, gsg_value pairs, gsg_value index)
{
    gsg_value logits = m->options.segment(graph, image, GSG_MODE_PROBE, m->options.segment_user);
    return gsg_nn_weighted_loss(graph, logits, target, weights, gsg_op_gather(graph, pairs, index));
}

// Running statistics belong to the real training images alone: what the segmenter meets later is real.
static genseg_status build_joint(gsg_multilevel *m, gsg_error *err)
{
    genseg_status status;
    gsg_graph *graph = NULL;
    GSG_TRY(gsg_graph_new(m->context, m->segmenter, &graph, err));
    m->image = images(graph, m, "image");
    m->target = targets(graph, m, "target");
    m->synthetic_image = images(graph, m, "synthetic image");
    m->synthetic_target = targets(graph, m, "synthetic target");
    m->class_weights = class_weights(graph, m);
    m->joint_gamma = numbers(graph, "gamma", 1);
    m->joint_pairs = numbers(graph, "pairs", m->options.pairs);
    m->index = numbers(graph, "index", m->options.gan.batch);
    gsg_value logits = m->options.segment(graph, m->image, GSG_MODE_TRAIN, m->options.segment_user);
    gsg_value real = gsg_nn_segmentation_loss(graph, logits, m->target, m->class_weights);
    gsg_value synthetic = synthetic_loss(graph, m, m->synthetic_image, m->synthetic_target, m->class_weights,
                                         m->joint_pairs, m->index);
    m->loss = gsg_op_add(graph, real, gsg_op_scale(graph, synthetic, 1, m->joint_gamma));
    gsg_problem problem = {.graph = graph, .params = m->segmenter, .loss = {m->loss}, .seed = {GSG_NONE}, .losses = 1,
                           .outputs = {m->loss}, .output_count = 1};
    problem.workspace = m->options.gan.judging;
    problem.recompute = m->options.recompute;
    GSG_TRY(gsg_problem_plan(&problem, &m->joint, err));
done:
    gsg_graph_free(graph);
    return status;
}

static genseg_status build_outer(gsg_multilevel *m, gsg_error *err)
{
    genseg_status status;
    gsg_graph *graph = NULL;
    GSG_TRY(gsg_graph_new(m->context, m->segmenter, &graph, err));
    m->outer_image = images(graph, m, "image");
    m->outer_target = targets(graph, m, "target");
    m->outer_weights = class_weights(graph, m);
    gsg_value logits = m->options.segment(graph, m->outer_image, GSG_MODE_PROBE, m->options.segment_user);
    m->outer_loss = gsg_nn_segmentation_loss(graph, logits, m->outer_target, m->outer_weights);
    gsg_problem problem = {.graph = graph, .params = m->segmenter, .loss = {m->outer_loss}, .seed = {GSG_NONE},
                           .losses = 1, .outputs = {m->outer_loss}, .output_count = 1};
    problem.workspace = m->options.gan.judging;
    problem.recompute = m->options.recompute;
    GSG_TRY(gsg_problem_plan(&problem, &m->outer, err));
done:
    gsg_graph_free(graph);
    return status;
}

static genseg_status build_probe(gsg_multilevel *m, gsg_error *err)
{
    genseg_status status;
    gsg_graph *graph = NULL;
    GSG_TRY(gsg_graph_new(m->context, m->segmenter, &graph, err));
    m->probe_image = images(graph, m, "image");
    m->probe_target = targets(graph, m, "target");
    m->probe_weights = class_weights(graph, m);
    m->probe_pairs = numbers(graph, "pairs", m->options.pairs);
    m->probe_index = numbers(graph, "index", m->options.gan.batch);
    m->probe_loss = synthetic_loss(graph, m, m->probe_image, m->probe_target, m->probe_weights, m->probe_pairs,
                                   m->probe_index);
    gsg_problem problem = {.graph = graph, .params = m->segmenter, .loss = {m->probe_loss}, .seed = {GSG_NONE},
                           .losses = 1, .no_params = 1, .outputs = {m->probe_loss}, .output_count = 1,
                           .inputs = {m->probe_image, m->probe_target, m->probe_pairs}, .input_count = 3};
    problem.workspace = m->options.gan.judging;
    problem.recompute = m->options.recompute;
    GSG_TRY(gsg_problem_plan(&problem, &m->probe, err));
    m->probe_image_gradient = problem.gradients[0];
    m->probe_target_gradient = problem.gradients[1];
    m->probe_pairs_gradient = problem.gradients[2];
done:
    gsg_graph_free(graph);
    return status;
}

// ---- what level III holds

static genseg_status add_levers(gsg_multilevel *m, gsg_error *err)
{
    genseg_status status;
    gsg_params *gan = m->gan->params;
    gsg_levers *levers;
    GSG_TRY(gsg_levers_new(m->context, &m->levers, err));
    levers = m->levers;
    GSG_TRY(gsg_levers_add(levers, "warp", GSG_LEVER_WARP, GSG_DEFORM_MAGNITUDES, NULL, 1, 0, MOST_MAGNITUDE, err));
    GSG_TRY(gsg_levers_add(levers, "appearance", GSG_LEVER_APPEARANCE, GSG_APPEARANCE_MAGNITUDES, NULL,
                           (float)m->options.appearance, 0, MOST_MAGNITUDE, err));
    GSG_TRY(gsg_levers_add(levers, "gamma", GSG_LEVER_GAMMA, 1, NULL, (float)m->options.gamma, 0, MOST_GAMMA, err));
    GSG_TRY(gsg_levers_add(levers, "pairs", GSG_LEVER_PAIRS, m->options.pairs, NULL, 1, 0, MOST_WEIGHT, err));
    for (int32_t i = 0; i < gan->count; i++)
        if (gsg_nn_is_architecture(&gan->items[i]))
            GSG_TRY(gsg_levers_add(levers, gan->items[i].name, GSG_LEVER_ARCHITECTURE,
                                   gsg_shape_count(gan->items[i].layout.shape), gan->items[i].data, 0, -INFINITY,
                                   INFINITY, err));
    GSG_TRY(gsg_levers_ready(levers, err));
    m->warp = gsg_levers_find(levers, "warp");
    m->appearance = gsg_levers_find(levers, "appearance");
    m->gamma = gsg_levers_find(levers, "gamma");
    m->pairs = gsg_levers_find(levers, "pairs");
done:
    return status;
}

static genseg_status make_workspace(gsg_multilevel *m, gsg_error *err)
{
    genseg_status status;
    const gsg_gan_options *gan = &m->options.gan;
    const int32_t work = m->options.solver == GSG_SOLVER_ONE_STEP ? 0 : m->options.solver == GSG_SOLVER_NEUMANN ? 2 : 3;
    const size_t image = (size_t)gsg_shape_count(gsg_gan_shape(gan, m->options.gan.generator.channels));
    const size_t target = (size_t)gsg_shape_count(gsg_gan_shape(gan, m->options.outputs));
    GSG_TRY(gsg_params_clone(m->segmenter, &m->segmenter_before, err));
    GSG_TRY(gsg_params_clone(m->segmenter, &m->segmenter_after, err));
    GSG_TRY(gsg_params_clone(m->gan->params, &m->gan_before, err));
    GSG_TRY(gsg_params_clone(m->gan->params, &m->gan_after, err));
    GSG_TRY(gsg_direction_new(m->segmenter, NULL, &m->v, err));
    for (int32_t i = 0; i < work; i++)
        GSG_TRY(gsg_direction_new(m->segmenter, NULL, &m->work[i], err));
    GSG_TRY(gsg_direction_new(m->gan->params, gsg_gan_is_generator, &m->u, err));
    GSG_TRY(gsg_direction_new(m->gan->params, gsg_gan_is_generator, &m->q, err));
    GSG_TRY(gsg_direction_new(m->gan->params, gsg_gan_is_generator, &m->gan_seen, err));
    GSG_TRY(gsg_direction_new(m->segmenter, NULL, &m->seen, err));
    GSG_TRY(gsg_direction_new(m->gan->params, gsg_nn_is_architecture, &m->logits, err));
    if (m->options.levers & GSG_LEVER_GENERATOR) {
        gsg_optimizer_options options;
        gsg_levers_optimizer(&options);
        GSG_TRY(gsg_problem_optimizer(m->gan->params, gsg_gan_is_generator, &options, &m->feedback, err));
    }
    m->image_seed = gsg_alloc(m->context, image, sizeof *m->image_seed);
    m->target_seed = gsg_alloc(m->context, target, sizeof *m->target_seed);
    m->pairs_seed = gsg_alloc(m->context, (size_t)m->options.pairs, sizeof *m->pairs_seed);
    if (!m->image_seed || !m->target_seed || !m->pairs_seed)
        status = gsg_error_nomem(err, (image + target) * sizeof(float));
done:
    return status;
}

static genseg_status build(gsg_multilevel *m, gsg_error *err)
{
    genseg_status status;
    const int32_t levers = m->options.levers;
    // While one of the generator's plans waits for gradients, others of the discriminator and the segmenter run.
    GSG_TRY(gsg_workspace_new(m->context, &m->options.gan.generating, err));
    GSG_TRY(gsg_workspace_new(m->context, &m->options.gan.judging, err));
    GSG_TRY(gsg_gan_new(m->context, &m->options.gan, &m->gan, err));
    GSG_TRY(gsg_synthesis_new(m->context, &m->options.gan, m->gan->params, &m->options.synthesis, levers != 0,
                              &m->synthesis, err));
    GSG_TRY(build_joint(m, err));
    GSG_TRY(add_levers(m, err));
    if (levers) {
        GSG_TRY(build_outer(m, err));
        GSG_TRY(build_probe(m, err));
        GSG_TRY(make_workspace(m, err));
    }
done:
    return status;
}

genseg_status gsg_multilevel_new(genseg_context *context, const gsg_multilevel_options *options, gsg_params *segmenter,
                                 gsg_optimizer *optimizer, gsg_multilevel **multilevel, gsg_error *err)
{
    gsg_multilevel *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    made->context = gsg_context_retain(context);
    made->options = *options;
    made->options.gan.generating = made->options.gan.judging = NULL;
    made->segmenter = segmenter;
    made->optimizer = optimizer;
    made->gan_decay = made->gamma_decay = 1;
    made->validation_loss = made->v_norm = made->u_norm = NAN;
    genseg_status status = build(made, err);
    if (status != GENSEG_OK)
        gsg_multilevel_free(made);
    else
        *multilevel = made;
    return status;
}

void gsg_multilevel_free(gsg_multilevel *m)
{
    if (!m)
        return;
    genseg_context *context = m->context;
    gsg_plan_free(m->joint);
    gsg_plan_free(m->outer);
    gsg_plan_free(m->probe);
    gsg_synthesis_free(m->synthesis);
    gsg_levers_free(m->levers);
    gsg_params_free(m->segmenter_before);
    gsg_params_free(m->segmenter_after);
    gsg_params_free(m->gan_before);
    gsg_params_free(m->gan_after);
    gsg_direction_free(m->v);
    for (int32_t i = 0; i < 3; i++)
        gsg_direction_free(m->work[i]);
    gsg_direction_free(m->u);
    gsg_direction_free(m->q);
    gsg_direction_free(m->seen);
    gsg_direction_free(m->gan_seen);
    gsg_direction_free(m->logits);
    gsg_optimizer_free(m->feedback);
    gsg_free(context, m->image_seed);
    gsg_free(context, m->target_seed);
    gsg_free(context, m->pairs_seed);
    gsg_gan_free(m->gan);
    gsg_workspace_release(m->options.gan.generating);
    gsg_workspace_release(m->options.gan.judging);
    gsg_free(context, m);
    gsg_context_release(context);
}

void gsg_multilevel_set_poll(gsg_multilevel *m, gsg_poll_fn poll, void *user)
{
    gsg_gan_set_poll(m->gan, poll, user);
    gsg_plan_set_poll(m->synthesis->plan, poll, user);
    gsg_plan_set_poll(m->joint, poll, user);
    if (m->outer) {
        gsg_plan_set_poll(m->outer, poll, user);
        gsg_plan_set_poll(m->probe, poll, user);
    }
}
