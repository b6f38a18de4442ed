// The three levels in a trainer: which method, which sizes, which batches.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "core/parallel.h"
#include "core/profile.h"
#include "genseg/version.h"
#include "train/trainer.h"

#define MOST_GAN_STEPS 4000 // that are chosen, not asked for
#define MEMORY_OF_JUDGE 0.98
// A discriminator that has won: its loss stays below these. One whose loss is some times that is still beaten at times.
#define WON_VANILLA 0.01
#define WON_LSGAN 0.002
#define HEALTHY 5
#define GOOD_EVERY 20 // steps of pre-training between copies of a good state

static genseg_status number_of(const char *option, const char *name, const char *const *names, int32_t *number,
                               gsg_error *err)
{
    for (int32_t i = 1; name && names[i]; i++)
        if (strcmp(name, names[i]) == 0) {
            *number = i;
            return GENSEG_OK;
        }
    char known[96];
    size_t used = 0;
    for (int32_t i = 1; names[i] && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 1 ? ", " : "", names[i]);
    return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s is \"%.40s\", known are %s", option, name ? name : "", known);
}

genseg_status gsg_trainer_method_named(genseg_trainer *trainer, gsg_error *err)
{
    static const char *const methods[] = {"", "genseg", "continued", "separate", "augment", "plain", NULL};
    int32_t method = 0;
    genseg_trainer_options *o = &trainer->options;
    genseg_status status = number_of("method", o->method, methods, &method, err);
    if (status != GENSEG_OK)
        return status;
    trainer->method = (gsg_trainer_method)method;
    if (trainer->method == GSG_METHOD_AUGMENT || trainer->method == GSG_METHOD_PLAIN)
        o->augment = trainer->method == GSG_METHOD_AUGMENT && o->augment != 0;
    else if (o->augment < 0)
        o->augment = 1;
    return GENSEG_OK;
}

// ---- batches

// Level I: joint warps of image and mask, so that the generator doesn't learn the few pictures by heart; intensities
// stay, since it is they that it learns.
static gsg_sampler_options pair_sampling(const genseg_trainer *trainer)
{
    gsg_sampler_options options = gsg_trainer_sampling(trainer);
    gsg_augment_defaults(&options.augment);
    options.augment.symmetric = trainer->options.symmetric;
    options.augment.gamma_chance = options.augment.contrast_chance = options.augment.brightness_chance = 0;
    options.augment.noise_chance = options.augment.blur_chance = 0;
    options.seed += 1;
    return options;
}

// Masks for level II are cut as they are, and warped by the graph; patches for level III are.
static gsg_sampler_options plain_sampling(const genseg_trainer *trainer, uint64_t stream)
{
    gsg_sampler_options options = gsg_trainer_sampling(trainer);
    gsg_augment_none(&options.augment);
    options.seed += stream;
    return options;
}

static genseg_status feed(gsg_feed_kind kind, int64_t step, float *image, float *mask, float *index, void *user,
                          gsg_error *err)
{
    genseg_trainer *trainer = user;
    gsg_sampler *const samplers[] = {[GSG_FEED_PAIR] = trainer->pair_sampler,
                                     [GSG_FEED_REAL] = trainer->sampler,
                                     [GSG_FEED_MASK] = trainer->mask_sampler,
                                     [GSG_FEED_VALIDATION] = trainer->validation_sampler};
    const int64_t *size = trainer->preprocess.size, batch = trainer->options.batch;
    const double begin = gsg_profile_begin(trainer->context);
    genseg_status status =
        gsg_sampler_next(samplers[kind], step, image ? image : trainer->pixels, trainer->labels, err);
    if (status != GENSEG_OK)
        return status;
    gsg_labels_to_onehot(trainer->context, trainer->labels, batch, trainer->unet.outputs, size[0] * size[1] * size[2],
                         mask);
    for (int64_t n = 0; index && n < batch; n++)
        index[n] = (float)gsg_sampler_case(samplers[kind], step, n);
    gsg_profile_end(trainer->context, begin, &(gsg_profile_row){.name = "batches"});
    return GENSEG_OK;
}

static int64_t pixel_count(const genseg_trainer *trainer)
{
    const int64_t *size = trainer->preprocess.size;
    return trainer->options.batch * trainer->unet.channels * size[0] * size[1] * size[2];
}

genseg_status gsg_trainer_load_levels(genseg_trainer *trainer, gsg_error *err)
{
    genseg_status status;
    genseg_context *context = trainer->context;
    const gsg_trainer_cases *train = &trainer->train, *validation = &trainer->validation;
    const gsg_sampler_options pairs = pair_sampling(trainer), masks = plain_sampling(trainer, 2),
                              outer = plain_sampling(trainer, 3);
    if (!trainer->pixels)
        trainer->pixels = gsg_alloc(context, (size_t)pixel_count(trainer), sizeof *trainer->pixels);
    if (!trainer->pixels)
        return gsg_error_nomem(err, (size_t)pixel_count(trainer) * sizeof *trainer->pixels);
    status = GENSEG_OK;
    if (!trainer->pair_sampler)
        GSG_TRY(gsg_sampler_new(context, train->volumes, train->count, &pairs, &trainer->pair_sampler, err));
    if (!trainer->mask_sampler)
        GSG_TRY(gsg_sampler_new(context, train->volumes, train->count, &masks, &trainer->mask_sampler, err));
    if (!trainer->validation_sampler && validation->count > 0)
        GSG_TRY(gsg_sampler_new(context, validation->volumes, validation->count, &outer, &trainer->validation_sampler,
                                err));
done:
    return status;
}

uint64_t gsg_trainer_levels_bytes(const genseg_trainer *trainer, int64_t train_places, int64_t validation_places)
{
    const gsg_sampler_options options = pair_sampling(trainer);
    if (!trainer->multilevel)
        return 0;
    return 2 * gsg_sampler_bytes(trainer->context, &options, trainer->train.count, train_places) +
           gsg_sampler_bytes(trainer->context, &options, trainer->validation.count, validation_places) +
           (uint64_t)pixel_count(trainer) * sizeof(float);
}

// ---- planning

static genseg_status check_levels(const genseg_trainer *trainer, gsg_error *err)
{
    const genseg_trainer_options *o = &trainer->options;
    const struct {
        const char *name;
        double value, low, high;
    } ranges[] = {{"gan_steps", (double)o->gan_steps, 0, 1e12},
                  {"gan_every", (double)o->gan_every, 1, 1e6},
                  {"levers_every", (double)o->levers_every, 1, 1e6},
                  {"generator_width", (double)o->generator_width, 0, 1024},
                  {"generator_levels", (double)o->generator_levels, 0, GSG_GENERATOR_LEVELS},
                  {"discriminator_width", (double)o->discriminator_width, 0, 1024},
                  {"candidates", o->candidates, 0, GSG_MERGE_CANDIDATES},
                  {"noise", o->noise, 0, 64},
                  {"levers", o->levers, 0, GSG_LEVER_ALL},
                  {"solver_terms", o->solver_terms, 0, 1000},
                  {"gan_lr", o->gan_lr, 0, 1},
                  {"l1", o->l1, 0, 1e6},
                  {"gamma", o->gamma, 0, 4},
                  {"appearance", o->appearance, 0, 4},
                  {"levers_lr", o->levers_lr, 0, 1},
                  {"feedback_lr", o->feedback_lr, 0, 1}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            return gsg_error_set(err, GENSEG_ERROR_INVALID, "%s is %g, not within %g and %g", ranges[i].name,
                                 ranges[i].value, ranges[i].low, ranges[i].high);
    if (o->normalise != GSG_NORMALISE_PERCENTILE)
        return gsg_error_set(err, GENSEG_ERROR_INVALID,
                             "a generator makes images in -1..1: normalise by percentiles, or take method augment");
    return GENSEG_OK;
}

static genseg_status choose_generator(const genseg_trainer *trainer, gsg_gan_options *gan, gsg_error *err)
{
    const genseg_trainer_options *o = &trainer->options;
    const int32_t spatial = trainer->unet.spatial;
    const int64_t *size = trainer->preprocess.size;
    gsg_generator *g = &gan->generator;
    g->masks = trainer->unet.outputs;
    g->channels = trainer->unet.channels;
    g->noise = o->noise;
    g->levels = o->generator_levels ? (int32_t)o->generator_levels : gsg_generator_depth(spatial, size);
    g->width = o->generator_width ? o->generator_width : g->width;
    g->candidates = o->candidates ? o->candidates : spatial == 2 ? 3 : 1;
    gsg_discriminator *d = &gan->discriminator;
    d->channels = g->masks + g->channels;
    d->width = o->discriminator_width ? o->discriminator_width : d->width;
    d->layers = gsg_discriminator_depth(spatial, size);
    d->norm = gan->loss != GSG_ADVERSARIAL_WGAN;
    if (g->levels < 1 || d->layers < 1)
        return gsg_error_set(err, GENSEG_ERROR_INVALID,
                             "size %lldx%lldx%lld is too small for a generator: raise it, or take method augment",
                             (long long)size[0], (long long)size[1], (long long)size[2]);
    return GENSEG_OK;
}

static void choose_synthesis(const genseg_trainer *trainer, gsg_synthesis_options *s)
{
    s->deform.symmetric = trainer->options.symmetric;
    memcpy(s->deform.spacing, trainer->preprocess.spacing, sizeof s->deform.spacing);
    memcpy(s->appearance.spacing, trainer->preprocess.spacing, sizeof s->appearance.spacing);
}

static gsg_value segment(gsg_graph *graph, gsg_value image, gsg_mode mode, const void *user)
{
    return gsg_unet_build(graph, user, image, mode);
}

genseg_status gsg_trainer_plan_levels(genseg_trainer *trainer, gsg_error *err)
{
    static const char *const losses[] = {"", "vanilla", "lsgan", "wgan", NULL};
    static const char *const solvers[] = {"", "one-step", "neumann", "cg", NULL};
    genseg_status status;
    int32_t loss = 0;
    genseg_trainer_options *o = &trainer->options;
    gsg_multilevel_options m = gsg_multilevel_defaults(trainer->unet.spatial);
    GSG_TRY(check_levels(trainer, err));
    GSG_TRY(number_of("gan_loss", o->gan_loss, losses, &loss, err));
    GSG_TRY(number_of("solver", o->solver, solvers, &m.solver, err));
    m.gan.loss = (gsg_adversarial)loss;
    m.gan.batch = o->batch;
    memcpy(m.gan.size, trainer->preprocess.size, sizeof m.gan.size);
    m.gan.l1 = o->l1;
    m.gan.seed = m.seed = o->seed;
    GSG_TRY(choose_generator(trainer, &m.gan, err));
    choose_synthesis(trainer, &m.synthesis);
    m.segment = segment;
    m.segment_user = &trainer->unet;
    m.outputs = trainer->unet.outputs;
    m.pairs = trainer->train.count;
    m.class_weights = o->class_weights ? trainer->class_weights : NULL;
    m.gan_every = trainer->method == GSG_METHOD_SEPARATE ? 0 : (int32_t)o->gan_every;
    m.levers = trainer->method == GSG_METHOD_GENSEG && trainer->validation.count > 0 ? o->levers : 0;
    m.levers_every = (int32_t)o->levers_every;
    m.terms = o->solver_terms;
    m.recompute = o->recompute > 0;
    m.gan_lr = o->gan_lr;
    m.gamma = o->gamma;
    m.appearance = o->appearance;
    m.levers_lr = o->levers_lr;
    m.feedback_lr = o->feedback_lr;
    m.feed = feed;
    m.feed_user = trainer;
    if (trainer->method == GSG_METHOD_GENSEG && trainer->validation.count == 0)
        gsg_log(trainer->context, GENSEG_LOG_WARNING,
                "without validation cases nothing guides the generator: this is method continued");
    if (o->gan_steps == 0 && o->steps > 0)
        o->gan_steps = o->steps < MOST_GAN_STEPS ? o->steps : MOST_GAN_STEPS;
    GSG_TRY(gsg_multilevel_new(trainer->context, &m, trainer->params, trainer->optimizer, &trainer->multilevel, err));
    GSG_TRY(gsg_params_clone(trainer->multilevel->gan->params, &trainer->gan_best, err));
done:
    return status;
}

// ---- running

void gsg_trainer_keep_generator(genseg_trainer *trainer)
{
    gsg_params_copy(trainer->gan_best, trainer->multilevel->gan->params);
    trainer->gan_best_made = trainer->gan_made;
}

// The discriminator's loss near zero for long: what it teaches has become noise, and level I ends with the last state
// before that. Beside the segmenter, that of the best validation is such a one.
static void watch_judge(genseg_trainer *trainer)
{
    gsg_multilevel *m = trainer->multilevel;
    const gsg_gan *gan = m->gan;
    const double won = gan->options.loss == GSG_ADVERSARIAL_VANILLA ? WON_VANILLA
                       : gan->options.loss == GSG_ADVERSARIAL_LSGAN ? WON_LSGAN
                                                                    : -INFINITY;
    if (!isfinite(gan->discriminator_loss))
        return;
    trainer->judge_mean = trainer->gan_made == 0 ? 1
                                                 : MEMORY_OF_JUDGE * trainer->judge_mean +
                                                       (1 - MEMORY_OF_JUDGE) * gan->discriminator_loss;
    trainer->gan_made++;
    if (trainer->judge_mean >= won) {
        if (trainer->step == 0 && trainer->judge_mean >= HEALTHY * won && trainer->gan_made % GOOD_EVERY == 0)
            gsg_trainer_keep_generator(trainer);
        return;
    }
    trainer->judge_won = 1;
    m->options.gan_every = 0;
    gsg_log(trainer->context, GENSEG_LOG_WARNING,
            "the discriminator has won at step %lld of the generator (mean loss %.4f): the generator goes back to step "
            "%lld and learns no more; lower gan_lr or discriminator_width, or raise l1",
            (long long)trainer->gan_made, trainer->judge_mean, (long long)trainer->gan_best_made);
    gsg_gan_go_back(m->gan, trainer->gan_best);
    trainer->gan_made = trainer->gan_best_made;
}

static int32_t pretrained(const genseg_trainer *trainer)
{
    const genseg_trainer_options *o = &trainer->options;
    if (trainer->judge_won || (o->gan_steps > 0 && trainer->gan_step >= o->gan_steps))
        return 1;
    // With a limit in seconds a third of them at most, loading included.
    return trainer->step > 0 || (o->seconds > 0 && gsg_clock() - trainer->progress->begin >= o->seconds / 3);
}

genseg_status gsg_trainer_pretrain(genseg_trainer *trainer, gsg_error *err)
{
    genseg_status status = GENSEG_OK;
    gsg_multilevel *m = trainer->multilevel;
    gsg_progress *progress = trainer->progress;
    if (!m || pretrained(trainer))
        return GENSEG_OK;
    gsg_progress_phase(progress, GENSEG_PHASE_PRETRAIN, trainer->gan_step, trainer->options.gan_steps);
    while (!pretrained(trainer)) {
        GSG_TRY(gsg_multilevel_pretrain(m, trainer->gan_step, err));
        watch_judge(trainer);
        progress->state.loss = m->gan->l1;
        progress->state.done = ++trainer->gan_step;
    }
    const gsg_param *broken = gsg_params_broken(m->gan->params);
    if (broken)
        GSG_TRY(gsg_error_set(err, GENSEG_ERROR_NUMERIC,
                              "%s is no longer finite after %lld steps of the generator: gan_lr may be too high",
                              broken->name, (long long)trainer->gan_step));
    gsg_trainer_keep_generator(trainer);
    progress->state.loss = trainer->loss;
done:
    if (status == GENSEG_ERROR_NUMERIC)
        gsg_trainer_go_back(trainer);
    return status;
}

genseg_status gsg_trainer_step_levels(genseg_trainer *trainer, double lr, double *loss, gsg_error *err)
{
    gsg_multilevel *m = trainer->multilevel;
    // As in pix2pix: the rate rests at first, beforehand, and then decays. Synthetic pairs come first, real ones last,
    // unless these would be learned by heart.
    m->gan_decay = lr / trainer->schedule.options.lr;
    m->gamma_decay = trainer->options.augment ? m->gan_decay : 1;
    genseg_status status = gsg_multilevel_step(m, trainer->step, lr, loss, err);
    if (status == GENSEG_OK && gsg_multilevel_moves_generator(m, trainer->step))
        watch_judge(trainer);
    if (status == GENSEG_ERROR_NUMERIC)
        gsg_trainer_go_back(trainer);
    return status;
}

// ---- what is handed out

// The best generator without its discriminator.
static genseg_status copy_generator(const genseg_trainer *trainer, const gsg_generator *network, gsg_params **params,
                                    gsg_error *err)
{
    gsg_params *made = NULL;
    genseg_status status = gsg_generator_params(trainer->context, network, &made, err);
    if (status != GENSEG_OK)
        return status;
    for (int32_t i = 0; i < made->count; i++) {
        gsg_param *to = &made->items[i];
        const int32_t from = gsg_params_find(trainer->gan_best, to->name);
        GSG_CHECK(from >= 0 && trainer->gan_best->items[from].layout.count == to->layout.count);
        memcpy(to->data, trainer->gan_best->items[from].data, (size_t)to->layout.count * sizeof *to->data);
    }
    *params = made;
    made = NULL;
done:
    gsg_params_free(made);
    return status;
}

genseg_status gsg_trainer_generator(const genseg_trainer *trainer, genseg_generator **generator, gsg_error *err)
{
    const genseg_dataset *dataset = trainer->dataset;
    gsg_params *params = NULL;
    if (!trainer->multilevel)
        return gsg_error_set(err, GENSEG_ERROR_STATE, "the method trains no generator");
    if (trainer->best_step < 0)
        return gsg_error_set(err, GENSEG_ERROR_STATE, "nothing is trained yet");
    const gsg_generator *network = &trainer->multilevel->options.gan.generator;
    genseg_status status = copy_generator(trainer, network, &params, err);
    if (status != GENSEG_OK)
        return status;
    gsg_synthesizer_parts parts = {.network = *network, .symmetric = trainer->options.symmetric,
                                   .classes = dataset->classes, .values = dataset->values,
                                   .version = GENSEG_VERSION_STRING, .steps = trainer->gan_best_made};
    memcpy(parts.size, trainer->preprocess.size, sizeof parts.size);
    memcpy(parts.spacing, trainer->preprocess.spacing, sizeof parts.spacing);
    status = gsg_synthesizer_new(trainer->context, &parts, params, generator, err);
    if (status != GENSEG_OK)
        gsg_params_free(params);
    return status;
}
