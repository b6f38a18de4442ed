// The generator: one builder in 2-D and 3-D, and what is left of it after the search.
//
// pix2pix activates a value where it is read: leaky ReLU before a level of the encoder, ReLU over the whole
// concatenation before one of the decoder. Here it is activated where it is made, fused with batch norm. The numbers are
// the same: ReLU of leaky ReLU is ReLU, and dropout's factors are not negative, so that ReLU may come before it.
//
// Batch norm never sees a single value: levels that halve down to 1 are normalised at 2 and more along each axis only,
// the innermost one not at all.
#include "model/generator.h"

#include <stdio.h>
#include <string.h>

#define SLOPE 0.2f
#define DROPPING 3 // levels of the decoder with dropout
#define NAME_SIZE 96

gsg_generator gsg_generator_default(int32_t spatial)
{
    return (gsg_generator){.spatial = spatial,
                           .levels = spatial == 2 ? 8 : 3,
                           .masks = 1,
                           .channels = 1,
                           .width = 16,
                           .candidates = GSG_MERGE_CANDIDATES,
                           .dropout = 0.5f};
}

int32_t gsg_generator_depth(int32_t spatial, const int64_t size[3])
{
    const int64_t least = spatial == 2 ? 8 : 4;
    int32_t depth = 8;
    for (int32_t i = 3 - spatial; i < 3; i++) {
        int32_t halvings = 0;
        while (halvings < depth && size[i] >> halvings > 1 && (size[i] >> halvings) % 2 == 0)
            halvings++;
        depth = halvings;
    }
    for (int32_t i = 3 - spatial; i < 3; i++)
        while (depth > 1 && size[i] >> (depth - 1) <= least)
            depth--;
    return depth;
}

int64_t gsg_generator_multiple(const gsg_generator *generator)
{
    return (int64_t)1 << generator->levels;
}

static genseg_status check_generator(const gsg_generator *g, gsg_error *err)
{
    if ((g->spatial != 2 && g->spatial != 3) || g->levels < 1 || g->levels > GSG_GENERATOR_LEVELS || g->masks < 1 ||
        g->noise < 0 || g->channels < 1 || g->width < 1 || g->candidates < 1 || g->candidates > GSG_MERGE_CANDIDATES ||
        !(g->dropout >= 0 && g->dropout < 1))
        return gsg_error_set(err, GENSEG_ERROR_INVALID,
                             "generator in %d-D of %d levels, width %lld, %lld mask, %lld noise and %lld image "
                             "channels, %d candidates, dropout %g",
                             g->spatial, g->levels, (long long)g->width, (long long)g->masks, (long long)g->noise,
                             (long long)g->channels, g->candidates, (double)g->dropout);
    return GENSEG_OK;
}

static genseg_status check(const gsg_generator *g, gsg_shape mask, gsg_shape noise, gsg_error *err)
{
    char a[GSG_SHAPE_TEXT_SIZE], b[GSG_SHAPE_TEXT_SIZE];
    genseg_status status = check_generator(g, err);
    if (status != GENSEG_OK)
        return status;
    if (mask.ndim != g->spatial + 2 || mask.dims[1] != g->masks)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE, "mask %s for a %d-D generator from %lld channels",
                             gsg_shape_text(mask, a), g->spatial, (long long)g->masks);
    gsg_shape expected = mask;
    expected.dims[1] = g->noise;
    if (g->noise > 0 ? !gsg_shape_equal(noise, expected) : noise.ndim > 0)
        return gsg_error_set(err, GENSEG_ERROR_SHAPE,
                             "noise %s for a generator that takes %lld channels beside mask %s",
                             noise.ndim > 0 ? gsg_shape_text(noise, b) : "(none)", (long long)g->noise,
                             gsg_shape_text(mask, a));
    for (int32_t i = 2; i < mask.ndim; i++)
        if (mask.dims[i] % gsg_generator_multiple(g) != 0)
            return gsg_error_set(err, GENSEG_ERROR_SHAPE, "mask %s: its sizes must be multiples of %lld",
                                 gsg_shape_text(mask, a), (long long)gsg_generator_multiple(g));
    return GENSEG_OK;
}

int64_t gsg_generator_channels(const gsg_generator *generator, int32_t level)
{
    return generator->width << (level - 1 < 3 ? level - 1 : 3);
}

// Cells by number: the encoder's from outside inwards, then the decoder's from inside outwards.
static int32_t cell_count(const gsg_generator *g)
{
    return 2 * g->levels;
}

int32_t gsg_generator_searchable(const gsg_generator *generator)
{
    int32_t searchable = 0;
    for (int32_t i = 0; i < cell_count(generator); i++)
        searchable |= !generator->fixed[i];
    return searchable;
}

static void cell_name(const gsg_generator *g, int32_t number, char name[NAME_SIZE])
{
    const bool up = number >= g->levels;
    snprintf(name, NAME_SIZE, "generator.%s%d", up ? "up" : "down", up ? 2 * g->levels - number : number + 1);
}

static gsg_cell cell_of(const gsg_generator *g, int32_t number)
{
    return (gsg_cell){.spatial = g->spatial,
                      .transposed = number >= g->levels,
                      .candidates = g->candidates,
                      .fixed = g->fixed[number]};
}

// The encoder's `level`, activated for both its readers where it isn't the innermost, which the decoder alone reads.
static gsg_value encode(gsg_graph *graph, const gsg_generator *g, int32_t level, gsg_value x, gsg_mode mode)
{
    char name[NAME_SIZE];
    const gsg_cell cell = cell_of(g, level - 1);
    const bool innermost = level == g->levels;
    cell_name(g, level - 1, name);
    if (level > 1 && !innermost)
        return gsg_nn_cell_norm(graph, name, x, gsg_generator_channels(g, level), &cell, SLOPE, mode);
    gsg_value y = gsg_nn_cell(graph, name, x, gsg_generator_channels(g, level), &cell, 0);
    return gsg_op_activation(graph, y, GSG_ACT_RELU, innermost ? 0.0f : SLOPE);
}

// The decoder's `level`, joined with the encoder's value of its size; the image at level 1.
static gsg_value decode(gsg_graph *graph, const gsg_generator *g, int32_t level, gsg_value x, gsg_value skip,
                        gsg_mode mode)
{
    char name[NAME_SIZE];
    const int32_t number = 2 * g->levels - level;
    const gsg_cell cell = cell_of(g, number);
    cell_name(g, number, name);
    if (level == 1)
        return gsg_op_activation(graph, gsg_nn_cell(graph, name, x, g->channels, &cell, 1), GSG_ACT_TANH, 0.0f);
    gsg_value y = gsg_nn_cell_norm(graph, name, x, gsg_generator_channels(g, level - 1), &cell, 0.0f, mode);
    const bool drops = (mode == GSG_MODE_TRAIN || mode == GSG_MODE_PROBE) && g->dropout > 0;
    if (drops && level < g->levels && level >= g->levels - DROPPING)
        y = gsg_op_dropout(graph, y, g->dropout);
    return gsg_op_concat(graph, gsg_op_activation(graph, skip, GSG_ACT_RELU, 0.0f), y);
}

gsg_value gsg_generator_build(gsg_graph *graph, const gsg_generator *generator, gsg_value mask, gsg_value noise,
                              gsg_mode mode)
{
    gsg_error error = {0};
    gsg_value skips[GSG_GENERATOR_LEVELS + 1];
    if (gsg_graph_status(graph, NULL) != GENSEG_OK)
        return GSG_NONE;
    if (check(generator, gsg_graph_shape(graph, mask), gsg_graph_shape(graph, noise), &error) != GENSEG_OK) {
        gsg_graph_fail(graph, error.status, error.message);
        return GSG_NONE;
    }
    skips[0] = generator->noise > 0 ? gsg_op_concat(graph, mask, noise) : mask;
    for (int32_t level = 1; level <= generator->levels; level++)
        skips[level] = encode(graph, generator, level, skips[level - 1], mode);
    gsg_value x = skips[generator->levels];
    for (int32_t level = generator->levels; level >= 1; level--)
        x = decode(graph, generator, level, x, skips[level - 1], mode);
    return x;
}

genseg_status gsg_generator_params(genseg_context *context, const gsg_generator *generator, gsg_params **params,
                                   gsg_error *err)
{
    genseg_status status;
    gsg_params *made = NULL;
    gsg_graph *graph = NULL;
    GSG_TRY(check_generator(generator, err));
    gsg_shape mask = {.ndim = generator->spatial + 2, .dims = {1, generator->masks}}, noise;
    for (int32_t i = 2; i < mask.ndim; i++)
        mask.dims[i] = gsg_generator_multiple(generator);
    noise = mask;
    noise.dims[1] = generator->noise;
    GSG_TRY(gsg_params_new(context, &made, err));
    GSG_TRY(gsg_graph_new(context, made, &graph, err));
    gsg_generator_build(graph, generator, gsg_op_input(graph, "mask", mask),
                        generator->noise > 0 ? gsg_op_input(graph, "noise", noise) : GSG_NONE, GSG_MODE_TRAIN);
    GSG_TRY(gsg_graph_status(graph, err));
    *params = made;
    made = NULL;
done:
    gsg_graph_free(graph);
    gsg_params_free(made);
    return status;
}

// ---- after the search

static int32_t kept_kernel(const gsg_generator *g, const gsg_params *params, int32_t number, gsg_discretise how)
{
    char name[NAME_SIZE];
    int32_t kernel = GSG_CELL_FIRST + 2 * (g->candidates - 1);
    cell_name(g, number, name);
    if (how == GSG_DISCRETISE_BEST && gsg_nn_cell_best(params, name, g->candidates, &kernel) < 0)
        return 0;
    return kernel;
}

// Weights of cell `number`, which was searchable, into "NAME.weight" of `plain`.
static genseg_status settle(const gsg_generator *g, const gsg_params *params, int32_t number, gsg_discretise how,
                            gsg_params *plain, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    char name[NAME_SIZE], weight[NAME_SIZE + 8];
    int32_t kernel;
    cell_name(g, number, name);
    snprintf(weight, sizeof weight, "%s.weight", name);
    const int32_t to = gsg_params_find(plain, weight);
    GSG_CHECK(to >= 0);
    gsg_param *target = &plain->items[to];
    if (how == GSG_DISCRETISE_MERGED)
        return gsg_nn_cell_merged(params, name, g->candidates, target, err);
    const int32_t from = gsg_nn_cell_best(params, name, g->candidates, &kernel);
    GSG_CHECK(from >= 0 && gsg_shape_equal(params->items[from].layout.shape, target->layout.shape));
    memcpy(target->data, params->items[from].data, (size_t)target->layout.count * sizeof(float));
done:
    return status;
}

// Everything but the weights of cells that were searchable; *count: how many.
static genseg_status copy_same(const gsg_params *params, gsg_params *plain, int32_t *count, gsg_error *err)
{
    for (int32_t i = 0; i < plain->count; i++) {
        gsg_param *to = &plain->items[i];
        const int32_t from = gsg_params_find(params, to->name);
        if (from < 0)
            continue;
        if (!gsg_shape_equal(params->items[from].layout.shape, to->layout.shape))
            return gsg_error_set(err, GENSEG_ERROR_INTERNAL, "parameter %s is not this generator's", to->name);
        memcpy(to->data, params->items[from].data, (size_t)to->layout.count * sizeof(float));
        ++*count;
    }
    return GENSEG_OK;
}

genseg_status gsg_generator_discretise(const gsg_generator *generator, const gsg_params *params, gsg_discretise how,
                                       gsg_generator *plain, gsg_params **plain_params, gsg_error *err)
{
    genseg_status status;
    gsg_params *made = NULL;
    gsg_generator fixed = *generator;
    int32_t given = 0;
    GSG_TRY(check_generator(generator, err));
    GSG_CHECK(how == GSG_DISCRETISE_MERGED || how == GSG_DISCRETISE_BEST);
    for (int32_t i = 0; i < cell_count(generator); i++) {
        if (!fixed.fixed[i])
            fixed.fixed[i] = kept_kernel(generator, params, i, how);
        GSG_CHECK(fixed.fixed[i] > 0);
    }
    GSG_TRY(gsg_generator_params(params->context, &fixed, &made, err));
    GSG_TRY(copy_same(params, made, &given, err));
    for (int32_t i = 0; i < cell_count(generator); i++)
        if (!generator->fixed[i]) {
            GSG_TRY(settle(generator, params, i, how, made, err));
            given++;
        }
    GSG_CHECK(given == made->count);
    *plain = fixed;
    *plain_params = made;
    made = NULL;
done:
    gsg_params_free(made);
    return status;
}
