// From masks to pairs, and back.
#include "train/synthesis.h"

#include "core/rng.h"
#include "train/problem.h"

static gsg_value vector(gsg_graph *graph, const char *name, int64_t rows, int64_t columns)
{
    return gsg_op_input(graph, name, gsg_shape_make(2, (int64_t[]){rows, columns}));
}

static genseg_status build(gsg_synthesis *s, gsg_params *params, int32_t differentiate, gsg_error *err)
{
    genseg_status status;
    gsg_graph *graph = NULL;
    const gsg_generator *generator = &s->gan.generator;
    const gsg_shape mask = gsg_gan_shape(&s->gan, generator->masks), image = gsg_gan_shape(&s->gan, generator->channels);
    GSG_TRY(gsg_graph_new(s->context, params, &graph, err));
    s->mask = gsg_op_input(graph, "mask", mask);
    s->noise =
        generator->noise > 0 ? gsg_op_input(graph, "noise", gsg_gan_shape(&s->gan, generator->noise)) : GSG_NONE;
    s->warp_draws = vector(graph, "warp draws", s->gan.batch, gsg_deform_draws(mask));
    s->appearance_draws = vector(graph, "appearance draws", s->gan.batch, GSG_APPEARANCE_DRAWS);
    s->warp = vector(graph, "warp", 1, GSG_DEFORM_MAGNITUDES);
    s->appearance = vector(graph, "appearance", 1, GSG_APPEARANCE_MAGNITUDES);
    s->target = gsg_op_deform(graph, s->mask, s->warp_draws, s->warp, &s->options.deform);
    gsg_value made = gsg_generator_build(graph, generator, s->target, s->noise,
                                         s->options.running ? GSG_MODE_FROZEN : GSG_MODE_PROBE);
    s->image = gsg_op_appearance(graph, made, s->appearance_draws, s->appearance, &s->options.appearance);
    gsg_problem problem = {.graph = graph, .params = params, .outputs = {s->target, s->image}, .output_count = 2,
                           .no_params = !differentiate};
    if (differentiate) {
        s->target_seed = gsg_op_input(graph, "target seed", mask);
        s->image_seed = gsg_op_input(graph, "image seed", image);
        problem.loss[0] = s->target;
        problem.loss[1] = s->image;
        problem.seed[0] = s->target_seed;
        problem.seed[1] = s->image_seed;
        problem.losses = 2;
        problem.inputs[0] = s->warp;
        problem.inputs[1] = s->appearance;
        problem.input_count = 2;
    }
    problem.workspace = s->gan.generating;
    GSG_TRY(gsg_problem_plan(&problem, &s->plan, err));
    s->warp_gradient = differentiate ? problem.gradients[0] : GSG_NONE;
    s->appearance_gradient = differentiate ? problem.gradients[1] : GSG_NONE;
done:
    gsg_graph_free(graph);
    return status;
}

genseg_status gsg_synthesis_new(genseg_context *context, const gsg_gan_options *gan, gsg_params *params,
                                const gsg_synthesis_options *options, int32_t differentiate, gsg_synthesis **synthesis,
                                gsg_error *err)
{
    gsg_synthesis *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    made->context = gsg_context_retain(context);
    made->options = *options;
    made->gan = *gan;
    genseg_status status = build(made, params, differentiate, err);
    if (status != GENSEG_OK)
        gsg_synthesis_free(made);
    else
        *synthesis = made;
    return status;
}

void gsg_synthesis_free(gsg_synthesis *synthesis)
{
    if (!synthesis)
        return;
    genseg_context *context = synthesis->context;
    gsg_plan_free(synthesis->plan);
    gsg_free(context, synthesis);
    gsg_context_release(context);
}

void gsg_synthesis_draw(gsg_synthesis *s, uint64_t seed, int64_t step)
{
    const int64_t batch = s->gan.batch;
    const uint64_t first = (uint64_t)(step * batch);
    gsg_deform_draw(&s->options.deform, gsg_gan_shape(&s->gan, s->gan.generator.masks), seed, first,
                    gsg_plan_data(s->plan, s->warp_draws));
    gsg_appearance_draw(&s->options.appearance, batch, seed, first, gsg_plan_data(s->plan, s->appearance_draws));
    if (s->noise != GSG_NONE)
        gsg_gan_noise(seed, GSG_STREAM_SYNTHETIC, step, gsg_plan_data(s->plan, s->noise),
                      gsg_shape_count(gsg_gan_shape(&s->gan, s->gan.generator.noise)));
}
