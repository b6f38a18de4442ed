// The session: each operation is a job whose result is given to the case that it was made for.
#include "session.h"

#include <QFileInfo>
#include <algorithm>
#include <set>

// Voxels of cases that aren't looked at are kept up to so many bytes.
static const size_t VOXEL_BYTES = size_t(1) << 30;
static const int SCORE_MS = 300; // after the last edit

static ContextPtr makeContext(uint64_t memoryLimit)
{
    genseg::context_options options;
    options.memory_limit = memoryLimit;
    return std::make_shared<genseg::Context>(options);
}

QString Case::state() const
{
    QStringList states(labelled ? Session::tr("labelled") : QString());
    if (labels && labels->modified())
        states = QStringList(Session::tr("modified"));
    if (!prediction.voxels.isEmpty())
        states.append(Session::tr("predicted"));
    states.removeAll(QString());
    return states.isEmpty() ? Session::tr("unlabelled") : states.join(QStringLiteral(", "));
}

Session::Session(uint64_t memoryLimit, QObject *parent)
    : QObject(parent), context_(makeContext(memoryLimit)), wanted_(std::make_shared<std::atomic<const Case *>>(nullptr))
{
    scoreTimer_.setSingleShot(true);
    scoreTimer_.setInterval(SCORE_MS);
    connect(&scoreTimer_, &QTimer::timeout, this, [this] { score(current_); });
    connect(&files_, &JobQueue::failed, this, &Session::failed);
    connect(&compute_, &JobQueue::failed, this, &Session::failed);
    labelTable_.add();
}

void Session::open(const QStringList &paths)
{
    for (const QString &path : paths)
        files_.start(
            tr("Opening %1").arg(QFileInfo(path).fileName()),
            [context = context_, path](JobControl &) { return engine::openPath(context, path); },
            [this](Opened result) { addCases(result); });
}

void Session::addCases(const Opened &result)
{
    for (const auto &label : result.labels)
        labelTable_.ensure(label.first, label.second);
    QList<CasePtr> added;
    for (const Source &source : result.cases) {
        const auto item = std::make_shared<Case>();
        item->source = source;
        item->labelled = source.labelled;
        // The library asks for names that are unique in a data set to train on.
        const auto taken = [&](const QString &name) {
            return std::any_of(cases_.begin(), cases_.end(), [&](const CasePtr &c) { return c->source.name == name; });
        };
        for (int number = 2; taken(item->source.name); ++number)
            item->source.name = QStringLiteral("%1 (%2)").arg(source.name).arg(number);
        cases_.append(item);
        added.append(item);
    }
    emit opened(added);
    if (!current_ && !added.isEmpty())
        setCurrent(added.first());
}

void Session::setCurrent(const CasePtr &item)
{
    if (item == current_)
        return;
    current_ = item;
    *wanted_ = item.get();
    emit currentChanged();
    if (item && (!item->volume || !item->labels))
        read(item);
}

void Session::read(const CasePtr &item)
{
    // Who leafs through the list waits for the last case, not for all.
    files_.start(
        tr("Reading %1").arg(item->source.name),
        [wanted = wanted_, source = item->source, id = item.get()](JobControl &) {
            return *wanted == id ? engine::readCase(source) : CaseData();
        },
        [this, item](CaseData data) {
            if (data.volume)
                takeData(item, std::move(data));
        });
}

void Session::takeData(const CasePtr &item, CaseData data)
{
    const bool first = !item->labels;
    item->volume = data.volume;
    if (first) {
        item->low = data.volume->range()[0];
        item->high = data.volume->range()[1];
    }
    if (!item->labels) {
        const std::array<double, 3> spacing{data.volume->spacing(0), data.volume->spacing(1), data.volume->spacing(2)};
        item->labels = std::make_shared<LabelMap>(data.volume->size(), spacing, data.labels);
        connect(item->labels.get(), &LabelMap::changed, this, [this, weak = std::weak_ptr<Case>(item)] {
            if (const CasePtr edited = weak.lock())
                this->edited(edited);
        });
        connect(&item->labels->undoStack(), &QUndoStack::cleanChanged, this, [this, weak = std::weak_ptr<Case>(item)] {
            if (const CasePtr changed = weak.lock())
                emit caseChanged(changed);
        });
    }
    makeRoom();
    emit caseChanged(item);
    if (item == current_)
        scoreTimer_.start();
}

void Session::makeRoom()
{
    size_t bytes = 0;
    for (const CasePtr &item : cases_)
        bytes += item->volume ? item->volume->voxels().size() * sizeof(float) : 0;
    for (const CasePtr &item : cases_) {
        if (bytes <= VOXEL_BYTES)
            return;
        if (item == current_ || !item->volume)
            continue;
        bytes -= item->volume->voxels().size() * sizeof(float);
        item->volume.reset();
        if (item->labels.use_count() == 1 && item->labels->undoStack().count() == 0) // no edit, and no job waits
            item->labels.reset();
    }
}

void Session::edited(const CasePtr &item)
{
    item->labelled = true; // until the scores say otherwise
    emit labelsEdited();
    if (item == current_)
        scoreTimer_.start();
}

// Labels that are to take the place of others.
struct Replacement {
    LabelVoxels voxels;
    Runs runs; // what changes
    std::set<quint16> values;
};

static Replacement replacementOf(const LabelVoxels &old, const LabelVoxels &voxels)
{
    Replacement made{voxels, difference(old, voxels), {}};
    for (const Run &run : made.runs)
        made.values.insert(run.after);
    return made;
}

void Session::loadLabels(const CasePtr &item, const QString &path)
{
    files_.start(
        tr("Loading labels"),
        [context = context_, path, old = item->labels->voxels(), volume = item->volume](JobControl &) {
            return replacementOf(old, engine::readLabels(context, path, *volume));
        },
        [this, item, path, labels = item->labels, revision = item->labels->revision()](Replacement loaded) {
            if (labels->revision() != revision)
                return loadLabels(item, path); // painted on meanwhile: once more
            for (quint16 value : loaded.values)
                labelTable_.ensure(value, QString());
            labels->replace(loaded.voxels, std::move(loaded.runs), tr("load labels"));
        });
}

void Session::saveLabels(const CasePtr &item, const QString &path)
{
    files_.start(
        tr("Saving labels"),
        [source = item->source, volume = item->volume, labels = item->labels->voxels(), path](JobControl &) {
            engine::saveLabels(source, *volume, labels, path);
            return true;
        },
        [this, item, path, labels = item->labels, revision = item->labels->revision()](bool) {
            item->labelPath = path;
            if (labels->revision() == revision) // else what was painted since is still to be saved
                labels->undoStack().setClean();
            emit caseChanged(item);
            emit message(tr("Saved %1").arg(path));
        });
}

void Session::savePrediction(const CasePtr &item, const QString &path)
{
    files_.start(
        tr("Saving the prediction"),
        [source = item->source, volume = item->volume, labels = item->prediction.voxels, path](JobControl &) {
            engine::saveLabels(source, *volume, labels, path);
            return true;
        },
        [this, path](bool) { emit message(tr("Saved %1").arg(path)); });
}

void Session::setModel(const Model &model)
{
    model_ = model;
    for (const auto &label : model.labels)
        labelTable_.ensure(label.first, label.second);
    emit modelChanged();
}

void Session::loadModel(const QString &path)
{
    files_.start(
        tr("Loading the model"), [context = context_, path](JobControl &) { return engine::loadModel(context, path); },
        [this, path](const Model &model) {
            setModel(model);
            emit message(tr("Loaded %1").arg(path));
        });
}

void Session::saveModel(const QString &path)
{
    files_.start(
        tr("Saving the model"),
        [model = *model_, path](JobControl &) {
            engine::saveModel(model, path);
            return true;
        },
        [this, path](bool) { emit message(tr("Saved %1").arg(path)); });
}

static Item itemOf(const CasePtr &item)
{
    return {item->source, item->volume, item->labels ? item->labels->voxels() : LabelVoxels()};
}

QList<CasePtr> Session::labelledCases() const
{
    QList<CasePtr> labelled;
    std::copy_if(cases_.begin(), cases_.end(), std::back_inserter(labelled),
                 [](const CasePtr &c) { return c->labelled; });
    return labelled;
}

void Session::train(const TrainOptions &options)
{
    QList<Item> items;
    for (const CasePtr &item : labelledCases())
        items.append(itemOf(item));
    TrainOptions named = options;
    for (int row = 0; row < labelTable_.rowCount(); ++row)
        named.labels.append({labelTable_.label(row).value, labelTable_.label(row).name});
    compute_.start(
        tr("Training"),
        [context = context_, items, options = std::move(named)](JobControl &control) {
            return engine::train(context, items, options, control);
        },
        [this](const Trained &result) {
            if (result.model)
                setModel(*result.model);
            emit trained(result);
        });
}

void Session::predict(const QList<CasePtr> &items)
{
    for (const CasePtr &item : items)
        compute_.start(
            tr("Predicting %1").arg(item->source.name),
            [model = *model_, input = itemOf(item)](JobControl &control) {
                return engine::predict(model, input, control);
            },
            [this, item](const Prediction &prediction) {
                item->prediction = prediction; // of this case, whichever is looked at now
                emit caseChanged(item);
                if (item == current_)
                    scoreTimer_.start();
            });
}

void Session::accept(const CasePtr &item)
{
    files_.start(
        tr("Accepting the prediction"),
        [labels = item->labels->voxels(), prediction = item->prediction](JobControl &) {
            return replacementOf(labels, engine::merge(labels, prediction));
        },
        [this, item, target = item->labels, revision = item->labels->revision()](Replacement merged) {
            if (target->revision() != revision)
                return accept(item); // painted on meanwhile: once more
            target->replace(merged.voxels, std::move(merged.runs), tr("accept prediction"));
        });
}

void Session::discardPrediction(const CasePtr &item)
{
    item->prediction = Prediction();
    emit caseChanged(item);
    scoreTimer_.start();
}

void Session::score(const CasePtr &item)
{
    if (!item || !item->volume || !item->labels)
        return;
    files_.start(
        QString(),
        [context = context_, input = itemOf(item), prediction = item->prediction.voxels](JobControl &) {
            return engine::score(context, *input.volume, input.labels, prediction);
        },
        [this, item, revision = item->labels->revision()](const QList<Score> &scores) {
            item->scores = scores;
            if (item->labels && item->labels->revision() == revision && !item->source.labelled)
                item->labelled =
                    std::any_of(scores.begin(), scores.end(), [](const Score &s) { return s.labelled > 0; });
            emit caseChanged(item);
        });
}
