// A first model from C++: opens data, trains, tests on cases that it has not seen, saves, segments an image.
// usage: first_model [DATA [MODEL.safetensors [SECONDS]]]

#include <genseg/genseg.hpp>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

static genseg::Dataset open_data(const genseg::Context &context, const std::string &path)
{
    if (path != "phantom")
        return genseg::Dataset::open(context, path);
    genseg::phantom_options options; // the defaults, ready to be changed
    options.size[1] = options.size[2] = 64;
    return genseg::Dataset::phantom(context, options);
}

static genseg::Segmenter train(const genseg::Context &context, const genseg::Dataset &data, double seconds)
{
    genseg::trainer_options options;
    options.method = "augment"; // quick; the default, "genseg", trains a generator beside
    options.width = 8;
    options.seconds = seconds;
    genseg::Trainer trainer(context, data, options);
    double shown = 0;
    trainer.run([&](const genseg_progress &progress) {
        if (progress.seconds - shown >= 1) {
            shown = progress.seconds;
            std::cerr << "step " << progress.done << ", best Dice " << progress.best_dice << '\n';
        }
        return false; // true would cancel, and what is thrown here comes out of run()
    });
    return trainer.segmenter(); // handles move; the trainer is freed here
}

static double mean_dice(const genseg::Segmenter &segmenter, const genseg::Dataset &data)
{
    double sum = 0;
    int count = 0;
    segmenter.evaluate(data, GENSEG_SPLIT_TEST, [&](const genseg_evaluation &evaluation) {
        for (int32_t k = 1; k < evaluation.classes; ++k) {
            sum += genseg::score(evaluation, k).dice;
            ++count;
        }
        return false;
    });
    return sum / count;
}

// The first case again, from memory: what a host does with an image of its own.
static void segment_first(const genseg::Segmenter &segmenter, const genseg::Dataset &data)
{
    const genseg::case_info info = data.case_info(0);
    const std::vector<float> image = data.case_image(0);
    std::vector<int64_t> shape(info.shape.begin(), info.shape.end()); // channels, D, H, W
    if (data.ndim() == 2)
        shape.erase(shape.begin() + 1);
    const std::vector<int64_t> grid(shape.begin() + 1, shape.end());
    std::vector<uint8_t> label(image.size() / static_cast<std::size_t>(shape[0]));
    segmenter.predict({image.data(), shape}, {label.data(), grid}, info.affine.data());
    std::size_t foreground = 0;
    for (uint8_t value : label)
        foreground += value != segmenter.label_value(0);
    std::cout << data.case_name(0) << ": " << foreground << " of " << label.size() << " voxels are foreground\n";
}

int main(int argc, char **argv)
{
    const std::string path = argc > 1 ? argv[1] : "phantom", model = argc > 2 ? argv[2] : "model.safetensors";
    const double seconds = argc > 3 ? std::strtod(argv[3], nullptr) : 5;
    if (argc > 4 || !(seconds > 0) || path[0] == '-') {
        std::cerr << "usage: " << argv[0] << " [DATA [MODEL.safetensors [SECONDS]]]\n";
        return 2;
    }
    try {
        const genseg::Context context;
        genseg::Dataset data = open_data(context, path);
        const int64_t some = data.size() / 4 > 0 ? data.size() / 4 : 1;
        data.split(data.size() - 2 * some, some, 1); // to learn from, to choose by; the rest is for the test
        const genseg::Segmenter segmenter = train(context, data, seconds);
        segmenter.save(model);
        const genseg::segmenter_info info = segmenter.describe();
        std::cout << model << ": " << info.architecture << " of step " << info.steps << ", test Dice "
                  << mean_dice(segmenter, data) << '\n';
        segment_first(segmenter, data);
    } catch (const genseg::io_error &error) { // one class for each status code
        std::cerr << "first_model: a file: " << error.what() << '\n';
        return 1;
    } catch (const genseg::error &error) {
        std::cerr << "first_model: " << genseg::status_name(error.status()) << ": " << error.what() << '\n';
        return 1;
    }
    return 0;
}
