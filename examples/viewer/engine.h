// All that the viewer asks of libgenseg. Every function blocks and is called on a job's thread; none touches a window
// or a case of the session: snapshots go in, results come out, errors are thrown.
#pragma once

#include "jobs.h"
#include "label_map.h"

#include <QPair>
#include <QString>

using VolumePtr = std::shared_ptr<const Volume>;
// The library's handles have one owner each; jobs and cases share them.
using ContextPtr = std::shared_ptr<const genseg::Context>;
using DatasetPtr = std::shared_ptr<const genseg::Dataset>;
using SegmenterPtr = std::shared_ptr<const genseg::Segmenter>;

// Where a case comes from: a data set of the library and its index in it.
struct Source {
    DatasetPtr dataset;
    int64_t index = 0;
    QString name;
    QString path; // of the image; empty in HDF5 files
    bool labelled = false;
};

struct Opened {
    QList<Source> cases;
    QList<QPair<quint16, QString>> labels; // values and names
};

struct CaseData {
    VolumePtr volume;
    LabelVoxels labels;
};

struct TrainOptions {
    QByteArray method = "genseg";
    double minutes = 5;
    int64_t steps = 0;       // when not 0, ends the run in place of `minutes`
    int64_t width = 0;       // 0: chosen by the library
    int64_t size = 0;        // of the network's field of view, in each direction; 0: chosen
    double validation = 0.2; // share of the cases
    QList<QPair<quint16, QString>> labels; // values and names, for the model
};

// A case to train on or to predict. What isn't in memory is read from the source by the job itself.
struct Item {
    Source source;
    VolumePtr volume;
    LabelVoxels labels;
};

struct Model {
    SegmenterPtr segmenter;
    QList<QPair<quint16, QString>> labels;
    QString description;
};

struct Trained {
    std::optional<Model> model; // none: stopped before anything was learnt
    bool cancelled = false;
    double dice = 0; // of the best validation; NaN without one
};

struct Prediction {
    LabelVoxels voxels;    // empty: none
    QList<quint16> values; // that the model could have given
};

// Of one label in one case. Sizes in Volume::voxelMeasure(); Dice is NaN where there is nothing to compare.
struct Score {
    quint16 value;
    double labelled, predicted, dice;
};

namespace engine
{

Opened openPath(const ContextPtr &context, const QString &path);
CaseData readCase(const Source &source);
// A label map from a file of its own, which has to lie on the grid of `volume`.
LabelVoxels readLabels(const ContextPtr &context, const QString &path, const Volume &volume);
void saveLabels(const Source &source, const Volume &volume, const LabelVoxels &labels, const QString &path);

Trained train(const ContextPtr &context, QList<Item> items, const TrainOptions &options, JobControl &control);
Prediction predict(const Model &model, const Item &item, JobControl &control);
Model loadModel(const ContextPtr &context, const QString &path);
void saveModel(const Model &model, const QString &path);

// The labels with a prediction taken over: labels that the model doesn't know stay where it found nothing.
LabelVoxels merge(const LabelVoxels &labels, const Prediction &prediction);
QList<Score> score(const ContextPtr &context, const Volume &volume, const LabelVoxels &labels,
                   const LabelVoxels &prediction);

} // namespace engine
