// Scores a model: Dice and HD95 for each case and class, as CSV.
// usage: evaluate [MODEL.safetensors DATA [SCORES.csv]]
// Without arguments a small model is trained on generated images and scored on some that it has not seen.

#include <genseg/genseg.h>

#include <math.h>
#include <stdio.h>

typedef struct report {
    const genseg_segmenter *segmenter;
    FILE *csv;
    double dice;
    int64_t scored;
} report;

// A class that is neither in the reference nor predicted has no score: NaN, and an empty cell.
static void write_number(FILE *csv, double value)
{
    if (isnan(value))
        fprintf(csv, ",");
    else
        fprintf(csv, ",%.4f", value);
}

// Once for each case; class 0 is the background. Non-zero would end the evaluation.
static int32_t on_case(const genseg_evaluation *evaluation, void *user)
{
    report *mine = user;
    for (int32_t k = 1; k < evaluation->classes; ++k) {
        // score_size: a newer library may know more scores than this program.
        const char *row = (const char *)evaluation->scores + (size_t)k * evaluation->score_size;
        const genseg_metrics *score = (const genseg_metrics *)(const void *)row;
        fprintf(mine->csv, "%s,%s", evaluation->name, genseg_segmenter_label_name(mine->segmenter, k));
        write_number(mine->csv, score->dice);
        write_number(mine->csv, score->hd95);
        fprintf(mine->csv, ",%s\n", genseg_metrics_state_name(score->state));
        if (!isnan(score->dice)) {
            mine->dice += score->dice;
            mine->scored++;
        }
    }
    return 0;
}

// Each call gives 0 or an error, and the first error ends a chain.
static int train_small(genseg_context *context, genseg_dataset **data, genseg_segmenter **segmenter, genseg_error *err)
{
    genseg_trainer *trainer = NULL;
    genseg_phantom_options phantom;
    genseg_phantom_options_init(&phantom, sizeof phantom);
    phantom.size[1] = phantom.size[2] = 64;
    phantom.classes = 3;
    genseg_trainer_options options;
    genseg_trainer_options_init(&options, sizeof options);
    options.method = "augment";
    options.width = 8;
    options.steps = 300;
    const int failed = genseg_dataset_phantom(context, &phantom, data, err) ||
                       genseg_dataset_split(*data, 12, 4, 1, err) ||
                       genseg_trainer_new(context, *data, &options, &trainer, err) ||
                       genseg_trainer_run(trainer, NULL, NULL, err) ||
                       genseg_trainer_segmenter(trainer, segmenter, err);
    genseg_trainer_free(trainer);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc == 2 || argc > 4) {
        fprintf(stderr, "usage: %s [MODEL.safetensors DATA [SCORES.csv]]\n", argv[0]);
        return 2;
    }
    genseg_error err;
    genseg_context *context = NULL;
    genseg_dataset *data = NULL;
    genseg_segmenter *segmenter = NULL;
    genseg_metrics_options metrics;
    genseg_metrics_options_init(&metrics, sizeof metrics);
    metrics.convention = GENSEG_CONVENTION_MONAI; // packages disagree about HD95: say whose it is

    int failed = genseg_context_new(NULL, &context, &err);
    if (!failed && argc > 2)
        failed = genseg_segmenter_load(context, argv[1], &segmenter, &err) ||
                 genseg_dataset_open(context, argv[2], NULL, &data, &err) ||
                 genseg_segmenter_divide(segmenter, data, &err); // finds the cases that it was trained on
    else if (!failed)
        failed = train_small(context, &data, &segmenter, &err);

    FILE *csv = !failed && argc > 3 ? fopen(argv[3], "w") : stdout;
    if (!csv) {
        perror(argv[3]);
        failed = 1;
    } else if (!failed) {
        report mine = {segmenter, csv, 0, 0};
        fprintf(csv, "case,class,dice,hd95_mm,state\n");
        failed = genseg_segmenter_evaluate(segmenter, data, GENSEG_SPLIT_TEST, &metrics, NULL, on_case, &mine, &err);
        if (!failed)
            fprintf(stderr, "mean Dice %.3f\n", mine.dice / (double)mine.scored);
    }
    if (failed && csv)
        fprintf(stderr, "evaluate: %s: %s\n", genseg_status_name(err.status), err.message);
    if (csv && csv != stdout && fclose(csv) != 0)
        failed = 1;
    genseg_segmenter_free(segmenter);
    genseg_dataset_free(data);
    genseg_context_free(context);
    return failed ? 1 : 0;
}
