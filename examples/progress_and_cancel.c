// Trains with a progress line. Ctrl-C ends the training; the best model so far is saved all the same.
// usage: progress_and_cancel [DATA [MODEL.safetensors [SECONDS]]]

#include <genseg/genseg.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A handler gets no argument. It is set before the signal can come and not changed before the training has ended.
static genseg_trainer *running;

// genseg_trainer_cancel() is one atomic store: a signal handler and any thread may call it.
static void on_interrupt(int number)
{
    (void)number;
    genseg_trainer_cancel(running);
}

static const char *phase_name(int32_t phase)
{
    switch (phase) {
    case GENSEG_PHASE_LOAD:
        return "loading";
    case GENSEG_PHASE_PRETRAIN:
        return "generator";
    case GENSEG_PHASE_VALIDATE:
        return "validating";
    default:
        return "training";
    }
}

// Called on the thread that runs the training, about twenty times a second. Non-zero would cancel as well.
static int32_t on_progress(const genseg_progress *progress, void *user)
{
    double *shown = user;
    if (progress->seconds - *shown < 0.2)
        return 0;
    *shown = progress->seconds;
    fprintf(stderr, "\r%-10s %5lld/%lld  %3.0f s left", phase_name(progress->phase), (long long)progress->done,
            (long long)progress->total, isnan(progress->seconds_left) ? 0.0 : progress->seconds_left);
    if (!isnan(progress->loss))
        fprintf(stderr, "  loss %.3f", progress->loss);
    if (!isnan(progress->best_dice))
        fprintf(stderr, "  best Dice %.3f", progress->best_dice);
    fprintf(stderr, "   ");
    return 0;
}

// Cancelled is no failure here: the trainer has the best model so far.
static genseg_status train(genseg_trainer *trainer, genseg_error *err)
{
    double shown = -1;
    running = trainer;
    signal(SIGINT, on_interrupt);
    genseg_status status = genseg_trainer_run(trainer, on_progress, &shown, err);
    signal(SIGINT, SIG_DFL);
    fprintf(stderr, "\n");
    if (status != GENSEG_ERROR_CANCELLED)
        return status;
    printf("stopped after %lld steps\n", (long long)genseg_trainer_steps(trainer));
    return GENSEG_OK;
}

static genseg_status open_data(genseg_context *context, const char *path, genseg_dataset **data, genseg_error *err)
{
    if (strcmp(path, "phantom") == 0)
        return genseg_dataset_phantom(context, NULL, data, err);
    return genseg_dataset_open(context, path, NULL, data, err);
}

int main(int argc, char **argv)
{
    const char *data_path = argc > 1 ? argv[1] : "phantom";
    const char *model_path = argc > 2 ? argv[2] : "model.safetensors";
    genseg_trainer_options options;
    genseg_trainer_options_init(&options, sizeof options);
    options.seconds = argc > 3 ? strtod(argv[3], NULL) : 10;
    if (argc > 4 || !(options.seconds > 0) || data_path[0] == '-') {
        fprintf(stderr, "usage: %s [DATA [MODEL.safetensors [SECONDS]]]\n", argv[0]);
        return 2;
    }
    options.width = 16;

    genseg_error err;
    genseg_context *context = NULL;
    genseg_dataset *data = NULL;
    genseg_trainer *trainer = NULL;
    genseg_segmenter *segmenter = NULL;
    int failed = genseg_context_new(NULL, &context, &err) || open_data(context, data_path, &data, &err);
    if (!failed) {
        const int64_t validation = genseg_dataset_size(data) / 5; // -1: the others are for training
        failed = genseg_dataset_split(data, -1, validation > 0 ? validation : 1, 1, &err) ||
                 genseg_trainer_new(context, data, &options, &trainer, &err) || train(trainer, &err) ||
                 genseg_trainer_segmenter(trainer, &segmenter, &err) ||
                 genseg_segmenter_save(segmenter, model_path, &err);
    }
    if (failed)
        fprintf(stderr, "progress_and_cancel: %s: %s\n", genseg_status_name(err.status), err.message);
    else if (isnan(genseg_trainer_best_dice(trainer)))
        printf("%s: from before the first validation\n", model_path);
    else
        printf("%s: best validation Dice %.3f\n", model_path, genseg_trainer_best_dice(trainer));
    genseg_segmenter_free(segmenter);
    genseg_trainer_free(trainer);
    genseg_dataset_free(data);
    genseg_context_free(context);
    return failed ? 1 : 0;
}
