// genseg.hpp from data to a segmentation: training to a Dice, models on disk, predictions, synthetic images.
#include "cases.hpp"

#include <cmath>

using genseg::Context;
using genseg::Dataset;
using genseg::Generator;
using genseg::Segmenter;
using genseg::Trainer;

CASE(trained_to_a_dice_and_predicted)
{
    Context context(cases::one_thread()); // two would wait for each other on a busy machine
    Dataset data = cases::phantom(context, 16, 64);
    data.split(9, 3, 1);
    genseg::trainer_options options;
    options.method = "augment";
    options.width = 8;
    options.steps = 150;
    options.batch = 4;
    Trainer trainer(context, data, options);
    CHECK(trainer.describe().architecture == "unet2d" && trainer.describe().train_cases == 9);
    trainer.run();
    CHECK(trainer.best_dice() > 0.8 && std::isfinite(trainer.loss()));

    const cases::scratch_file file(".safetensors");
    trainer.segmenter().save(file.path);
    const Segmenter segmenter = Segmenter::load(context, file.path);
    const genseg::segmenter_info info = segmenter.describe();
    CHECK(info.version == genseg::version() && info.width == 8 && info.classes == 2);
    CHECK(info.validation_dice == trainer.best_dice());
    CHECK(segmenter.classes() == 2 && segmenter.label_value(1) == data.label_value(1));
    CHECK(segmenter.label_name(1) == data.label_name(1) && segmenter.label_name(2).empty());

    // Tested as the model was trained: on the cases that it has not seen.
    Dataset again = cases::phantom(context, 16, 64);
    segmenter.divide(again);
    double sum = 0;
    int64_t cases_scored = 0;
    segmenter.evaluate(again, GENSEG_SPLIT_TEST, [&](const genseg_evaluation &evaluation) {
        sum += genseg::score(evaluation, 1).dice;
        ++cases_scored;
        return false;
    });
    CHECK(cases_scored == 4 && sum / 4 > 0.75);

    // From memory, label values and probabilities into every second column of wider arrays.
    const int64_t side = 64;
    std::vector<float> image;
    int64_t unseen = 0;
    while (again.case_split(unseen) != GENSEG_SPLIT_TEST)
        ++unseen;
    image = again.case_image(unseen);
    std::vector<uint16_t> label(side * side * 2, 77);
    std::vector<float> probability(2 * side * side);
    segmenter.predict({image.data(), {side, side}}, {label.data(), {side, side}, {side * 4, 4}}, nullptr,
                      {probability.data(), {2, side, side}});
    std::vector<int32_t> predicted(side * side);
    for (std::size_t i = 0; i < predicted.size(); ++i) {
        CHECK(label[2 * i + 1] == 77);
        predicted[i] = label[2 * i] == data.label_value(1);
        CHECK(std::fabs(probability[i] + probability[i + predicted.size()] - 1) < 1e-4);
        CHECK(predicted[i] == (probability[i + predicted.size()] > probability[i]));
    }
    const std::vector<int32_t> truth = again.case_label(unseen);
    CHECK(genseg::evaluate_metrics(context, {truth.data(), {side, side}}, {predicted.data(), {side, side}})[1].dice >
          0.7);
    CHECK_THROWS(genseg::shape_error,
                 segmenter.predict({image.data(), {side, side}}, {label.data(), {side, side - 1}}));
}

CASE(generator_makes_images)
{
    Context context(cases::one_thread());
    Dataset data = cases::phantom(context, 4, 32);
    data.split(3, 1, 1);
    Trainer trainer(context, data, cases::tiny("genseg"));
    CHECK_THROWS(genseg::state_error, trainer.segmenter());
    trainer.run();
    const Generator generator = trainer.generator();
    const genseg::generator_info info = generator.describe();
    CHECK(info.version == genseg::version() && info.candidates == 3 && info.classes == 2);
    CHECK(generator.discretise(GENSEG_DISCRETISE_MERGED).describe().candidates == 1);

    const cases::scratch_file model(".safetensors"), mask(".png"), image(".png"), warped(".png");
    generator.save(trainer.segmenter(), model.path);
    const Generator loaded = Generator::load(context, model.path);
    std::vector<int32_t> label = data.case_label(0), moved(label.size(), -1);
    for (int32_t &value : label)
        value = static_cast<int32_t>(data.label_value(value));
    std::vector<float> made(label.size(), 9.0f), same(label.size());
    genseg::synthesize_options options;
    options.warp = 1;
    loaded.run({label.data(), {32, 32}}, {made.data(), {32, 32}}, {moved.data(), {32, 32}}, options);
    generator.run({label.data(), {32, 32}}, {same.data(), {32, 32}}, genseg::array(), options);
    CHECK(made == same && moved != label);
    for (float value : made)
        CHECK(value >= -1 && value <= 1);

    // Files: an image of a label map by the generator, a label map of it by the segmenter.
    data.save_label(0, {label.data(), {32, 32}}, mask.path);
    loaded.run_file(mask.path, image.path, warped.path, options);
    const Segmenter segmenter = Segmenter::load(context, model.path);
    CHECK(segmenter.extension(image.path) == ".png" && segmenter.extension(image.path, true) == ".nii.gz");
    const cases::scratch_file predicted(".png"), probability(".nii.gz");
    segmenter.predict_file(image.path, predicted.path, probability.path);
    CHECK(access(predicted.path.c_str(), R_OK) == 0 && access(probability.path.c_str(), R_OK) == 0);
    CHECK_THROWS(genseg::io_error, segmenter.predict_file("/nonexistent.png", predicted.path));
    CHECK_THROWS(genseg::io_error, loaded.run_file("/nonexistent.png", image.path));

    Trainer second(context, data, cases::tiny("genseg"));
    second.start_from(segmenter, loaded);
    second.run();
    CHECK(second.steps() == 4);
}

int main()
{
    return cases::run_all();
}
