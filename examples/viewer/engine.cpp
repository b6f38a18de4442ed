// Calls of libgenseg: opening, reading, saving, training, predicting, scoring.
#include "engine.h"

#include <QFile>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

namespace engine
{

static const double GRID_TOLERANCE = 0.1; // voxels, as the library allows for a label map beside its image
static const uint64_t SPLIT_SEED = 1;

static quint16 labelValue(int64_t value)
{
    if (value < 0 || value > 65535)
        throw std::runtime_error(QStringLiteral("label %1: this viewer shows labels from 0 to 65535").arg(value).toStdString());
    return static_cast<quint16>(value);
}

// A dense array in the library's order: an image with its channels, or a label map.
static genseg_array arrayOf(const void *data, int32_t dtype, const Volume &volume, int channels)
{
    genseg_array array = {};
    array.data = const_cast<void *>(data); // inputs are only read
    array.dtype = dtype;
    if (channels > 1)
        array.shape[array.ndim++] = channels;
    for (int axis = volume.flat() ? 1 : 2; axis >= 0; --axis)
        array.shape[array.ndim++] = volume.size()[axis];
    int64_t stride = static_cast<int64_t>(genseg_dtype_size(dtype));
    for (int n = array.ndim - 1; n >= 0; --n) {
        array.strides[n] = stride;
        stride *= array.shape[n];
    }
    return array;
}

Opened openPath(const genseg::Context &context, const QString &path)
{
    auto options = genseg::defaults(genseg_dataset_options_init);
    options.allow_unlabelled = 1;
    const QByteArray file = path.toUtf8();
    const genseg::Dataset dataset =
        genseg::make(genseg_dataset_free, genseg_dataset_open, context.get(), file.constData(), &options);
    Opened opened;
    for (int64_t index = 0; index < genseg_dataset_size(dataset.get()); ++index) {
        int32_t labelled = 0;
        genseg::call(genseg_dataset_case_info, dataset.get(), index, nullptr, nullptr, nullptr, &labelled);
        opened.cases.append({dataset, index, QString::fromUtf8(genseg_dataset_case_name(dataset.get(), index)),
                             QString::fromUtf8(genseg_dataset_case_path(dataset.get(), index)), labelled != 0});
    }
    for (int32_t k = 0; k < genseg_dataset_classes(dataset.get()); ++k)
        opened.labels.append({labelValue(genseg_dataset_label_value(dataset.get(), k)),
                              QString::fromUtf8(genseg_dataset_label_name(dataset.get(), k))});
    return opened;
}

CaseData readCase(const Source &source)
{
    int64_t shape[4];
    double spacing[3], affine[16];
    int32_t labelled = 0;
    genseg_dataset *dataset = source.dataset.get();
    genseg::call(genseg_dataset_case_info, dataset, source.index, &shape[0], &spacing[0], &affine[0], &labelled);
    const size_t count = static_cast<size_t>(shape[1] * shape[2] * shape[3]);
    std::vector<float> voxels(count * static_cast<size_t>(shape[0]));
    std::vector<int32_t> classes(labelled ? count : 0);
    genseg::call(genseg_dataset_case_read, dataset, source.index, voxels.data(), labelled ? classes.data() : nullptr);

    const bool flat = genseg_dataset_ndim(dataset) == 2;
    const bool nifti = source.path.endsWith(QLatin1String(".nii")) || source.path.endsWith(QLatin1String(".nii.gz"));
    CaseData data;
    data.volume = std::make_shared<Volume>(shape, spacing, affine, flat, nifti || !flat, std::move(voxels));
    data.labels = emptyLabels(data.volume->size());
    if (labelled) {
        std::vector<quint16> values, dense(count);
        for (int32_t k = 0; k < genseg_dataset_classes(dataset); ++k)
            values.push_back(labelValue(genseg_dataset_label_value(dataset, k)));
        std::transform(classes.begin(), classes.end(), dense.begin(), [&](int32_t k) { return values[k]; });
        data.labels = labelsOf(dense);
    }
    return data;
}

LabelVoxels readLabels(const genseg::Context &context, const QString &path, const Volume &volume)
{
    const Opened opened = openPath(context, path);
    const CaseData file = readCase(opened.cases.value(0));
    if (opened.cases.size() != 1 || file.volume->channels() != 1)
        throw std::runtime_error(QStringLiteral("%1: not one label map").arg(path).toStdString());
    if (!file.volume->sameGrid(volume, GRID_TOLERANCE))
        throw std::runtime_error(QStringLiteral("%1: size or position differ from the image's").arg(path).toStdString());
    const std::vector<float> &voxels = file.volume->voxels();
    std::vector<quint16> dense(voxels.size());
    for (size_t n = 0; n < voxels.size(); ++n) {
        if (voxels[n] != std::floor(voxels[n]))
            throw std::runtime_error(QStringLiteral("%1: not a label map: it holds %2").arg(path).arg(voxels[n]).toStdString());
        dense[n] = labelValue(static_cast<int64_t>(voxels[n]));
    }
    return labelsOf(dense);
}

void saveLabels(const Source &source, const Volume &volume, const LabelVoxels &labels, const QString &path)
{
    const std::vector<quint16> dense = denseOf(labels);
    const genseg_array array = arrayOf(dense.data(), GENSEG_DTYPE_UINT16, volume, 1);
    const QByteArray file = path.toUtf8();
    genseg::call(genseg_dataset_save_label, source.dataset.get(), source.index, &array, file.constData());
}

// A data set of copies: what is painted from now on doesn't reach the training.
static genseg::Dataset copyCases(const genseg::Context &context, QList<Item> &items, const JobControl &control)
{
    const genseg::Dataset dataset = genseg::make(genseg_dataset_free, genseg_dataset_new, context.get());
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
        const genseg_array image = arrayOf(data.volume->voxels().data(), GENSEG_DTYPE_FLOAT32, *data.volume, channels);
        const genseg_array label = arrayOf(dense.data(), GENSEG_DTYPE_UINT16, *data.volume, 1);
        const QByteArray name = item.source.name.toUtf8();
        genseg_case copy = {};
        copy.struct_size = sizeof copy;
        copy.name = name.constData();
        copy.image = &image;
        copy.label = &label;
        copy.affine = data.volume->affine();
        copy.channels = channels > 1 ? channels : 0;
        genseg::call(genseg_dataset_add, dataset.get(), &copy);
        item = Item(); // its snapshot needn't be kept any longer
    }
    return dataset;
}

static QString describe(const genseg::Segmenter &segmenter)
{
    genseg_segmenter_info info = {};
    info.struct_size = sizeof info;
    genseg::call(genseg_segmenter_describe, segmenter.get(), &info);
    QString text = QStringLiteral("%1, width %2, %3 weights\n").arg(info.architecture).arg(info.width).arg(info.weights);
    text += QStringLiteral("sees %1 x %2 x %3 voxels of %4 x %5 x %6 mm\n")
                .arg(info.size[2]).arg(info.size[1]).arg(info.size[0])
                .arg(info.spacing[2], 0, 'g', 3).arg(info.spacing[1], 0, 'g', 3).arg(info.spacing[0], 0, 'g', 3);
    text += QStringLiteral("%1 steps on %2 cases").arg(info.steps).arg(info.train_cases);
    if (!std::isnan(info.validation_dice))
        text += QStringLiteral(", Dice %1 on %2 for validation").arg(info.validation_dice, 0, 'f', 3).arg(info.validation_cases);
    return text;
}

static Model modelOf(const genseg::Segmenter &segmenter)
{
    Model model{segmenter, {}, describe(segmenter)};
    for (int32_t k = 0; k < genseg_segmenter_classes(segmenter.get()); ++k)
        model.labels.append({labelValue(genseg_segmenter_label_value(segmenter.get(), k)),
                             QString::fromUtf8(genseg_segmenter_label_name(segmenter.get(), k))});
    return model;
}

Trained train(const genseg::Context &context, QList<Item> items, const TrainOptions &options, JobControl &control)
{
    Trained trained;
    const int64_t count = items.size();
    const genseg::Dataset dataset = copyCases(context, items, control);
    if ((trained.cancelled = control.cancelled()))
        return trained;
    const int64_t wanted = std::max<int64_t>(1, std::llround(static_cast<double>(count) * options.validation));
    const int64_t validation = options.validation > 0 ? std::min(wanted, count - 1) : 0;
    genseg::call(genseg_dataset_split, dataset.get(), int64_t(-1), validation, SPLIT_SEED);

    auto all = genseg::defaults(genseg_trainer_options_init);
    all.method = options.method.constData();
    all.steps = options.steps;
    all.seconds = options.steps ? 0 : options.minutes * 60;
    all.width = options.width;
    all.size[0] = all.size[1] = all.size[2] = options.size;
    const genseg::Trainer trainer =
        genseg::make(genseg_trainer_free, genseg_trainer_new, context.get(), dataset.get(), &all);
    control.onCancel([&trainer] { genseg_trainer_cancel(trainer.get()); });
    genseg_error error;
    const genseg_status status = genseg_trainer_run(trainer.get(), JobControl::progress, &control, &error);
    control.onCancel(nullptr);
    trained.cancelled = status == GENSEG_ERROR_CANCELLED;
    if (status != GENSEG_OK && !trained.cancelled)
        throw genseg::Error(error);
    trained.dice = genseg_trainer_best_dice(trainer.get());
    // Stopped at once there may be nothing; whatever there is, is the best so far.
    if (!trained.cancelled || genseg_trainer_steps(trainer.get()) > 0)
        trained.model = modelOf(genseg::make(genseg_segmenter_free, genseg_trainer_segmenter, trainer.get()));
    return trained;
}

Prediction predict(const Model &model, const Item &item, JobControl &control)
{
    const VolumePtr volume = item.volume ? item.volume : readCase(item.source).volume;
    std::vector<quint16> dense(volume->voxelCount());
    const genseg_array image = arrayOf(volume->voxels().data(), GENSEG_DTYPE_FLOAT32, *volume, volume->channels());
    const genseg_array label = arrayOf(dense.data(), GENSEG_DTYPE_UINT16, *volume, 1);
    auto options = genseg::defaults(genseg_predict_options_init);
    options.progress = JobControl::progress;
    options.progress_user = &control;
    genseg::call(genseg_segmenter_predict, model.segmenter.get(), &image, volume->affine(), &options, &label, nullptr);
    Prediction prediction{labelsOf(dense), {}};
    for (const auto &known : model.labels)
        prediction.values.append(known.first);
    return prediction;
}

Model loadModel(const genseg::Context &context, const QString &path)
{
    const QByteArray file = path.toUtf8();
    return modelOf(genseg::make(genseg_segmenter_free, genseg_segmenter_load, context.get(), file.constData()));
}

void saveModel(const Model &model, const QString &path)
{
    const QByteArray file = path.toUtf8();
    genseg::call(genseg_segmenter_save, model.segmenter.get(), file.constData());
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

QList<Score> score(const genseg::Context &context, const Volume &volume, const LabelVoxels &labels,
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
    std::vector<genseg_metrics> metrics(classes);
    if (!prediction.isEmpty() && classes > 1) {
        std::vector<quint16> dense[2] = {denseOf(labels), denseOf(prediction)};
        for (auto &map : dense)
            std::transform(map.begin(), map.end(), map.begin(), [&](quint16 value) { return classOf[value]; });
        const genseg_array reference = arrayOf(dense[0].data(), GENSEG_DTYPE_UINT16, volume, 1);
        const genseg_array predicted = arrayOf(dense[1].data(), GENSEG_DTYPE_UINT16, volume, 1);
        auto options = genseg::defaults(genseg_metrics_options_init);
        options.classes = classes;
        options.surfaces = 0;
        genseg::call(genseg_metrics_evaluate, context.get(), &reference, &predicted, &options, metrics.data(),
                     sizeof metrics[0]);
    }
    QList<Score> scores;
    for (const auto &count : counts) {
        const double unit = volume.voxelMeasure();
        const bool compared = !prediction.isEmpty() && count.second[0] > 0;
        if (count.first != 0)
            scores.append({count.first, static_cast<double>(count.second[0]) * unit, static_cast<double>(count.second[1]) * unit,
                           compared ? metrics[classOf[count.first]].dice : NAN});
    }
    return scores;
}

} // namespace engine
