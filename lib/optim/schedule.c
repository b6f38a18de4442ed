// Plateau as torch.optim.lr_scheduler.ReduceLROnPlateau (mode "max", relative
// threshold) has it; cosine annealing of Loshchilov and Hutter (SGDR, 2017)
// without restarts.
#include <math.h>
#include <string.h>

#include "optim/schedule.h"

// torch leaves the rate alone where the change would be smaller than this.
#define SMALLEST_CHANGE 1e-8

void gsg_schedule_defaults(gsg_schedule_options *options, int32_t kind, double lr)
{
    memset(options, 0, sizeof *options);
    options->kind = kind;
    options->lr = lr;
    options->factor = 0.1;
    options->threshold = 1e-4;
    options->patience = 10;
}

genseg_status gsg_schedule_named(const char *name, int32_t *kind, gsg_error *err)
{
    static const char *const names[] = {"constant", "plateau", "cosine"};

    for (int32_t i = 0; name && i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *kind = GSG_SCHEDULE_CONSTANT + i;
            return GENSEG_OK;
        }
    }
    return gsg_error_set(err, GENSEG_ERROR_INVALID, "schedule `%s` is none of constant, plateau, cosine",
                         name ? name : "");
}

genseg_status gsg_schedule_init(gsg_schedule *schedule, const gsg_schedule_options *options, gsg_error *err)
{
    if (options->kind < GSG_SCHEDULE_CONSTANT || options->kind > GSG_SCHEDULE_COSINE)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "schedule kind is %d, not 1 to 3", (int)options->kind);
    if (!(options->lr > 0) || !isfinite(options->lr))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "learning rate is %g, not above 0", options->lr);
    if (!(options->min_lr >= 0) || options->min_lr > options->lr)
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "smallest learning rate is %g, not in [0, %g]", options->min_lr,
                             options->lr);
    if (options->kind == GSG_SCHEDULE_PLATEAU && !(options->factor > 0 && options->factor < 1))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "plateau factor is %g, not in (0, 1)", options->factor);
    if (!(options->threshold >= 0) || !isfinite(options->threshold))
        return gsg_error_set(err, GENSEG_ERROR_INVALID, "plateau threshold is %g, not 0 or above", options->threshold);
    if (options->patience < 0 || options->cooldown < 0 || options->warmup < 0)
        return gsg_error_set(err, GENSEG_ERROR_INVALID,
                             "schedule patience %lld, cooldown %lld, warm-up %lld: none may be negative",
                             (long long)options->patience, (long long)options->cooldown, (long long)options->warmup);
    memset(schedule, 0, sizeof *schedule);
    schedule->options = *options;
    schedule->state.scale = options->lr;
    return GENSEG_OK;
}

double gsg_schedule_lr(const gsg_schedule *schedule, int64_t step, int64_t total)
{
    const gsg_schedule_options *o = &schedule->options;
    double lr = o->kind == GSG_SCHEDULE_PLATEAU ? schedule->state.scale : o->lr;

    if (step < o->warmup)
        return lr * (double)(step + 1) / (double)o->warmup;
    if (o->kind == GSG_SCHEDULE_COSINE && total > o->warmup) {
        const double pi = 3.14159265358979323846;
        const double done = fmin(1, (double)(step - o->warmup) / (double)(total - o->warmup));
        lr = o->min_lr + 0.5 * (o->lr - o->min_lr) * (1 + cos(pi * done));
    }
    return lr;
}

void gsg_schedule_observe(gsg_schedule *schedule, double score)
{
    const gsg_schedule_options *o = &schedule->options;
    gsg_schedule_state *s = &schedule->state;

    if (o->kind != GSG_SCHEDULE_PLATEAU)
        return;
    // A first score that is NaN must not become the best: no other would ever beat it.
    if (!isnan(score) && (!s->seen || score > s->best * (1 + o->threshold))) {
        s->best = score;
        s->bad = 0;
        s->seen = 1;
    } else {
        s->bad++;
    }
    if (s->cool > 0) {
        s->cool--;
        s->bad = 0;
    }
    if (s->bad > o->patience) {
        const double reduced = fmax(s->scale * o->factor, o->min_lr);
        if (s->scale - reduced > SMALLEST_CHANGE)
            s->scale = reduced;
        s->cool = o->cooldown;
        s->bad = 0;
    }
}
