// Calls of libgenseg: opening, reading, saving, training, predicting, scoring.
#include "engine.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace engine
{

static const double GRID_TOLERANCE = 0.1; // voxels, as the library allows for a label map beside its image
static const uint64_t SPLIT_SEED = 1;

static quint16 labelValue(int64_t value)
{
    if (value < 0 || value > 65535)
        throw std::runtime_error(
            QStringLiteral("label %1: this viewer shows labels from 0 to 65535").arg(value).toStdString());
    return static_cast<quint16>(value);
}

// Of an array in the library's order: an image with its channels, or a label map.
static std::vector<int64_t> shapeOf(const Volume &volume, int channels = 1)
{
    std::vector<int64_t> shape;
    if (channels > 1)
        shape.push_back(channels);
    for (int axis = volume.flat() ? 1 : 2; axis >= 0; --axis)
        shape.push_back(volume.size()[axis]);
    return shape;
}

static genseg::const_array imageOf(const Volume &volume)
{
    return {volume.voxels().data(), shapeOf(volume, volume.channels())};
}

Opened openPath(const ContextPtr &context, const QString &path)
{
    genseg::dataset_options options;
    options.allow_unlabelled = 1;
    const auto dataset =
        std::make_shared<genseg::Dataset>(genseg::Dataset::open(*context, path.toStdString(), options));
    Opened opened;
    for (int64_t index = 0; index < dataset->size(); ++index)
        opened.cases.append({dataset, index, QString::fromStdString(dataset->case_name(index)),
                             QString::fromStdString(dataset->case_path(index)), dataset->case_info(index).labelled});
    for (int32_t k = 0; k < dataset->classes(); ++k)
        opened.labels.append({labelValue(dataset->label_value(k)), QString::fromStdString(dataset->label_name(k))});
    return opened;
}

CaseData readCase(const Source &source)
{
    const genseg::Dataset &dataset = *source.dataset;
    const genseg::case_info info = dataset.case_info(source.index);
    const bool flat = dataset.ndim() == 2;
    const bool nifti = source.path.endsWith(QLatin1String(".nii")) || source.path.endsWith(QLatin1String(".nii.gz"));
    CaseData data;
    data.volume = std::make_shared<Volume>(info.shape.data(), info.spacing.data(), info.affine.data(), flat,
                                           nifti || !flat, dataset.case_image(source.index));
    data.labels = emptyLabels(data.volume->size());
    if (info.labelled) {
        const std::vector<int32_t> classes = dataset.case_label(source.index);
        std::vector<quint16> values, dense(classes.size());
        for (int32_t k = 0; k < dataset.classes(); ++k)
            values.push_back(labelValue(dataset.label_value(k)));
        std::transform(classes.begin(), classes.end(), dense.begin(), [&](int32_t k) { return values[k]; });
        data.labels = labelsOf(dense);
    }
    return data;
}

LabelVoxels readLabels(const ContextPtr &context, const QString &path, const Volume &volume)
{
    const Opened opened = openPath(context, path);
    const CaseData file = readCase(opened.cases.value(0));
    if (opened.cases.size() != 1 || file.volume->channels() != 1)
        throw std::runtime_error(QStringLiteral("%1: not one label map").arg(path).toStdString());
    if (!file.volume->sameGrid(volume, GRID_TOLERANCE))
        throw std::runtime_error(
            QStringLiteral("%1: size or position differ from the image's").arg(path).toStdString());
    const std::vector<float> &voxels = file.volume->voxels();
    std::vector<quint16> dense(voxels.size());
    for (size_t n = 0; n < voxels.size(); ++n) {
        if (voxels[n] != std::floor(voxels[n]))
            throw std::runtime_error(
                QStringLiteral("%1: not a label map: it holds %2").arg(path).arg(voxels[n]).toStdString());
        dense[n] = labelValue(static_cast<int64_t>(voxels[n]));
    }
    return labelsOf(dense);
}

void saveLabels(const Source &source, const Volume &volume, const LabelVoxels &labels, const QString &path)
{
    const std::vector<quint16> dense = denseOf(labels);
    source.dataset->save_label(source.index, {dense.data(), shapeOf(volume)}, path.toStdString());
}

// A data set of copies: what is painted from now on doesn't reach the training.
static genseg::Dataset copyCases(const genseg::Context &context, QList<Item> &items, const JobControl &control)
{
    genseg::Dataset dataset(context);
    for (Item &item : items) {
        if (control.cancelled())
            break;
        CaseData data{item.volume, item.labels};
        if (!data.volume || data.labels.isEmpty()) {
            const CaseData read = readCase(item.source);
            data.volume = read.volume;
            if (data.labels.isEmpty())
                data.labels = read.labels;
        }
        const std::vector<quint16> dense = denseOf(data.labels);
        const int channels = data.volume->channels();
        dataset.add(item.source.name.toStdString(), imageOf(*data.volume), {dense.data(), shapeOf(*data.volume)},
                    data.volume->affine(), channels > 1 ? channels : 0);
        item = Item(); // its snapshot needn't be kept any longer
    }
    return dataset;
}

static QString describe(const genseg::Segmenter &segmenter)
{
    const genseg::segmenter_info info = segmenter.describe();
    QString text = QStringLiteral("%1, width %2, %3 weights\n")
                       .arg(QString::fromStdString(info.architecture))
                       .arg(info.width)
                       .arg(info.weights);
    text += QStringLiteral("sees %1 x %2 x %3 voxels of %4 x %5 x %6 mm\n")
                .arg(info.size[2])
                .arg(info.size[1])
                .arg(info.size[0])
                .arg(info.spacing[2], 0, 'g', 3)
                .arg(info.spacing[1], 0, 'g', 3)
                .arg(info.spacing[0], 0, 'g', 3);
    text += QStringLiteral("%1 steps on %2 cases").arg(info.steps).arg(info.train_cases);
    if (!std::isnan(info.validation_dice))
        text += QStringLiteral(", Dice %1 on %2 for validation")
                    .arg(info.validation_dice, 0, 'f', 3)
                    .arg(info.validation_cases);
    return text;
}

static Model modelOf(genseg::Segmenter segmenter)
{
    Model model{std::make_shared<genseg::Segmenter>(std::move(segmenter)), {}, {}};
    model.description = describe(*model.segmenter);
    for (int32_t k = 0; k < model.segmenter->classes(); ++k)
        model.labels.append(
            {labelValue(model.segmenter->label_value(k)), QString::fromStdString(model.segmenter->label_name(k))});
    return model;
}

Trained train(const ContextPtr &context, QList<Item> items, const TrainOptions &options, JobControl &control)
{
    Trained trained;
    const int64_t count = items.size();
    genseg::Dataset dataset = copyCases(*context, items, control);
    if ((trained.cancelled = control.cancelled()))
        return trained;
    for (const auto &label : options.labels)
        dataset.set_label_name(label.first, label.second.toStdString());
    const int64_t wanted = std::max<int64_t>(1, std::llround(static_cast<double>(count) * options.validation));
    dataset.split(-1, options.validation > 0 ? std::min(wanted, count - 1) : 0, SPLIT_SEED);

    genseg::trainer_options all;
    all.method = options.method.constData();
    all.steps = options.steps;
    all.seconds = options.steps ? 0 : options.minutes * 60;
    all.width = options.width;
    all.size[0] = all.size[1] = all.size[2] = options.size;
    genseg::Trainer trainer(*context, dataset, all);
    control.onCancel([&trainer] { trainer.cancel(); });
    try {
        trainer.run(control.progress());
    } catch (const genseg::cancelled &) {
        trained.cancelled = true;
    } catch (...) {
        control.onCancel(nullptr);
        throw;
    }
    control.onCancel(nullptr);
    trained.dice = trainer.best_dice();
    // Stopped at once there may be nothing; whatever there is, is the best so far.
    if (!trained.cancelled || trainer.steps() > 0)
        trained.model = modelOf(trainer.segmenter());
    return trained;
}

Prediction predict(const Model &model, const Item &item, JobControl &control)
{
    const VolumePtr volume = item.volume ? item.volume : readCase(item.source).volume;
    std::vector<quint16> dense(volume->voxelCount());
    model.segmenter->predict(imageOf(*volume), {dense.data(), shapeOf(*volume)}, volume->affine(), {}, {},
                             control.progress());
    Prediction prediction{labelsOf(dense), {}};
    for (const auto &known : model.labels)
        prediction.values.append(known.first);
    return prediction;
}

Model loadModel(const ContextPtr &context, const QString &path)
{
    return modelOf(genseg::Segmenter::load(*context, path.toStdString()));
}

void saveModel(const Model &model, const QString &path)
{
    model.segmenter->save(path.toStdString());
}

LabelVoxels merge(const LabelVoxels &labels, const Prediction &prediction)
{
    std::vector<bool> known(65536);
    for (quint16 value : prediction.values)
        known[value] = true;
    LabelVoxels merged = labels;
    for (qsizetype b = 0; b < labels.size(); ++b) {
        const QList<quint16> &old = labels.at(b), &found = prediction.voxels.at(b);
        for (qsizetype n = 0; n < old.size(); ++n) {
            const quint16 value = found.at(n) != 0 || known[old.at(n)] ? found.at(n) : old.at(n);
            if (value != old.at(n))
                merged[b][n] = value;
        }
    }
    return merged;
}

QList<Score> score(const ContextPtr &context, const Volume &volume, const LabelVoxels &labels,
                   const LabelVoxels &prediction)
{
    // The library scores classes 0, 1, ...: number the values that occur.
    std::map<quint16, std::array<qint64, 2>> counts{{0, {0, 0}}};
    for (int map = 0; map < 2; ++map) {
        for (const QList<quint16> &block : map ? prediction : labels) {
            for (qsizetype n = 0; n < block.size();) {
                const qsizetype start = n;
                while (n < block.size() && block.at(n) == block.at(start))
                    ++n;
                counts[block.at(start)][map] += n - start;
            }
        }
    }
    std::vector<quint16> classOf(65536);
    quint16 classes = 0;
    for (const auto &count : counts)
        classOf[count.first] = classes++;
    std::vector<genseg_metrics> metrics;
    if (!prediction.isEmpty() && classes > 1) {
        std::vector<quint16> dense[2] = {denseOf(labels), denseOf(prediction)};
        for (auto &map : dense)
            std::transform(map.begin(), map.end(), map.begin(), [&](quint16 value) { return classOf[value]; });
        const std::vector<int64_t> shape = shapeOf(volume);
        genseg::metrics_options options;
        options.classes = classes;
        options.surfaces = 0;
        metrics = genseg::evaluate_metrics(*context, {dense[0].data(), shape}, {dense[1].data(), shape}, options);
    }
    QList<Score> scores;
    for (const auto &count : counts) {
        const double unit = volume.voxelMeasure();
        const bool compared = !prediction.isEmpty() && count.second[0] > 0;
        if (count.first != 0)
            scores.append({count.first, static_cast<double>(count.second[0]) * unit,
                           static_cast<double>(count.second[1]) * unit,
                           compared ? metrics[classOf[count.first]].dice : NAN});
    }
    return scores;
}

} // namespace engine
