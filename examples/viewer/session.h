// What is open: cases with their labels and predictions, the label table, the model, and the jobs that work on them.
// Lives in the UI thread; windows look at it and are told by signals what changed.
#pragma once

#include "engine.h"
#include "label_table.h"

#include <QTimer>

// One case, shared by the list, the views and the jobs that are made for it.
struct Case {
    Source source;
    VolumePtr volume;                 // null until it is read, and when it has made room for others
    std::shared_ptr<LabelMap> labels; // as `volume`, but never let go of while it has edits
    Prediction prediction;
    QList<Score> scores;
    QString labelPath; // where its labels were saved
    bool labelled = false;
    double low = 0, high = 1; // grey values from black to white

    QString state() const;
};
using CasePtr = std::shared_ptr<Case>;

class Session : public QObject
{
    Q_OBJECT

public:
    // `memoryLimit`: bytes that libgenseg may hold, 0 for no limit.
    explicit Session(uint64_t memoryLimit, QObject *parent = nullptr);

    const QList<CasePtr> &cases() const
    {
        return cases_;
    }
    CasePtr current() const
    {
        return current_;
    }
    LabelTable &labelTable()
    {
        return labelTable_;
    }
    // Of opening, reading, saving and scoring, and of training and prediction.
    JobQueue &files()
    {
        return files_;
    }
    JobQueue &compute()
    {
        return compute_;
    }
    const std::optional<Model> &model() const
    {
        return model_;
    }

    void open(const QStringList &paths);
    void setCurrent(const CasePtr &item);
    void loadLabels(const CasePtr &item, const QString &path);
    void saveLabels(const CasePtr &item, const QString &path);
    void savePrediction(const CasePtr &item, const QString &path);
    void loadModel(const QString &path);
    void saveModel(const QString &path);
    void train(const TrainOptions &options);
    void predict(const QList<CasePtr> &items);
    // Takes the prediction over into the labels, as one step of undo.
    void accept(const CasePtr &item);
    void discardPrediction(const CasePtr &item);
    QList<CasePtr> labelledCases() const;

signals:
    void opened(const QList<CasePtr> &cases);
    void currentChanged();
    // Its voxels arrived, or its state, prediction or scores changed.
    void caseChanged(const CasePtr &item);
    void labelsEdited();
    void modelChanged();
    void trained(const Trained &result);
    void message(const QString &text);
    void failed(const QString &title, const QString &text);

private:
    void addCases(const Opened &opened);
    void read(const CasePtr &item);
    void takeData(const CasePtr &item, CaseData data);
    void makeRoom();
    void edited(const CasePtr &item);
    void score(const CasePtr &item);
    void setModel(const Model &model);

    ContextPtr context_;
    LabelTable labelTable_;
    QList<CasePtr> cases_;
    CasePtr current_;
    std::optional<Model> model_;
    QTimer scoreTimer_;
    std::shared_ptr<std::atomic<const Case *>> wanted_; // the current case, for jobs that wait to read one
    JobQueue files_, compute_;                          // last: their threads end before the rest goes
};
