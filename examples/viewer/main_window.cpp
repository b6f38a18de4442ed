// What the window does: follows the session, and asks it for what actions want.
#include "main_window.h"

#include "train_dialog.h"

#include <QCloseEvent>
#include <QDir>
#include <QDoubleSpinBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QLabel>
#include <QMessageBox>
#include <QMimeData>
#include <QSplitter>
#include <QStatusBar>
#include <QTableView>
#include <QTableWidget>
#include <QTreeWidget>
#include <QUrl>
#include <cmath>

static const char IMAGES[] = "Images (*.nii *.nii.gz *.png *.jpg *.jpeg *.h5 *.hdf5);;All files (*)";
static const char LABELS[] = "Label maps (*.nii *.nii.gz *.png);;All files (*)";
static const char MODELS[] = "Models (*.safetensors)";

// A file dialog; empty where it was left.
static QStringList ask(QWidget *parent, const QString &title, QFileDialog::FileMode mode, const char *filter,
                       const QString &suggestion = QString())
{
    QFileDialog dialog(parent, title, QFileInfo(suggestion).path(), QString::fromLatin1(filter));
    dialog.setFileMode(mode);
    if (mode == QFileDialog::AnyFile) {
        dialog.setAcceptMode(QFileDialog::AcceptSave);
        dialog.selectFile(QFileInfo(suggestion).fileName());
    }
    return dialog.exec() == QDialog::Accepted ? dialog.selectedFiles() : QStringList();
}

// --- Following the session ---

void MainWindow::connectSession()
{
    connect(&session_, &Session::opened, this, &MainWindow::listCases);
    connect(&session_, &Session::currentChanged, this, &MainWindow::showCurrent);
    connect(&session_, &Session::caseChanged, this, &MainWindow::showCase);
    connect(&session_, &Session::labelsEdited, this, &MainWindow::updateViews);
    connect(&session_, &Session::modelChanged, this, &MainWindow::showModel);
    connect(&session_, &Session::trained, this, &MainWindow::showTrained);
    connect(&session_, &Session::message, this, [this](const QString &text) { statusBar()->showMessage(text, 10000); });
    connect(&session_, &Session::failed, this, [this](const QString &title, const QString &text) {
        auto *box = new QMessageBox(QMessageBox::Warning, title, text, QMessageBox::Ok, this);
        box->setAttribute(Qt::WA_DeleteOnClose);
        box->open(); // the event loop goes on
    });
    for (JobQueue *queue : {&session_.files(), &session_.compute()}) {
        connect(queue, &JobQueue::started, this, &MainWindow::updateActions);
        connect(queue, &JobQueue::idle, this, &MainWindow::updateActions);
        connect(queue, &JobQueue::idle, this, &MainWindow::tryClose);
    }
}

void MainWindow::listCases(const QList<CasePtr> &added)
{
    for (const CasePtr &item : added) {
        auto *row = new QTreeWidgetItem(caseList_, {item->source.name, item->state()});
        row->setToolTip(0, item->source.path);
    }
    updateActions();
}

void MainWindow::showCurrent()
{
    const CasePtr item = session_.current();
    shown_.reset();
    const qsizetype row = session_.cases().indexOf(item);
    caseList_->setCurrentItem(caseList_->topLevelItem(static_cast<int>(row)));
    for (SliceView *view : views_)
        view->setCase(item);
    if (item)
        showCase(item);
}

void MainWindow::showCase(const CasePtr &item)
{
    const int row = static_cast<int>(session_.cases().indexOf(item));
    caseList_->topLevelItem(row)->setText(1, item->state());
    if (item != session_.current())
        return;
    setWindowTitle(QStringLiteral("%1[*] - genseg viewer").arg(item->source.name));
    if (item->volume && item->labels && shown_ != item) {
        // Its voxels have arrived.
        shown_ = item;
        const Volume &volume = *item->volume;
        undo_.addStack(&item->labels->undoStack());
        undo_.setActiveStack(&item->labels->undoStack());
        for (SliceView *view : views_)
            view->setCase(item);
        scoreTable_->horizontalHeaderItem(1)->setText(volume.flat() ? tr("pixels") : tr("ml"));
        radius_->setSuffix(volume.oriented() ? tr(" mm") : tr(" px"));
        views_[1]->setVisible(!volume.flat());
        views_[2]->setVisible(!volume.flat());
        right_->setVisible(!volume.flat());
        channel_->setSpecialValueText(volume.channels() >= 3 ? tr("colour") : QString());
        channel_->setRange(volume.channels() >= 3 ? -1 : 0, volume.channels() - 1);
        channel_->setEnabled(volume.channels() > 1);
        channel_->setValue(channel_->minimum());
        const double step = (volume.range()[1] - volume.range()[0]) / 100;
        for (QDoubleSpinBox *box : {low_, high_}) {
            box->setSingleStep(step);
            box->setDecimals(step >= 1 ? 0 : 3);
        }
        setGrey(item->low, item->high);
        setCursorIndex({volume.size()[0] / 2, volume.size()[1] / 2, volume.size()[2] / 2});
    }
    setWindowModified(item->labels && item->labels->modified());
    showScores();
    updateViews();
    updateActions();
}

void MainWindow::showScores()
{
    const QList<Score> &scores = session_.current()->scores;
    scoreTable_->setRowCount(static_cast<int>(scores.size()));
    for (int row = 0; row < scores.size(); ++row) {
        const Score &score = scores.at(row);
        const Label *label = session_.labelTable().find(score.value);
        const auto cell = [&](int column, const QString &text) {
            auto *item = new QTableWidgetItem(text);
            item->setTextAlignment(column ? Qt::AlignRight | Qt::AlignVCenter : Qt::AlignLeft | Qt::AlignVCenter);
            scoreTable_->setItem(row, column, item);
        };
        const bool predicted = !session_.current()->prediction.voxels.isEmpty();
        cell(0, label ? label->name : QString::number(score.value));
        cell(1, QString::number(score.labelled, 'g', 5));
        cell(2, predicted ? QString::number(score.predicted, 'g', 5) : QString());
        cell(3, std::isnan(score.dice) ? QString() : QString::number(score.dice, 'f', 3));
        if (label)
            scoreTable_->item(row, 0)->setData(Qt::DecorationRole, label->colour);
    }
}

void MainWindow::showModel()
{
    modelText_->setText(session_.model()->description);
    updateActions();
}

void MainWindow::showTrained(const Trained &result)
{
    QString text = result.cancelled ? tr("Training was stopped") : tr("Training has ended");
    if (!result.model)
        text += tr(" before anything was learnt; the model stays as it was");
    else if (std::isnan(result.dice))
        text += tr("; its newest model is in use");
    else
        text += tr("; its best model is in use, validation Dice %1").arg(result.dice, 0, 'f', 3);
    statusBar()->showMessage(text, 30000);
}

void MainWindow::setCursorIndex(const Index &index)
{
    cursor_ = index;
    for (SliceView *view : views_)
        view->setCursorIndex(index);
    showPosition(index);
}

void MainWindow::showPosition(const Index &index)
{
    if (!shown_)
        return position_->clear();
    const Volume &volume = *shown_->volume;
    const std::array<double, 3> mm = volume.position(index);
    const quint16 value = shown_->labels->at(index);
    const Label *label = session_.labelTable().find(value);
    QStringList values;
    for (int channel = 0; channel < volume.channels(); ++channel)
        values << QString::number(volume.at(channel, index), 'g', 6);
    QString text = volume.flat() ? tr("pixel %1, %2").arg(index[0]).arg(index[1])
                                 : tr("voxel %1, %2, %3").arg(index[0]).arg(index[1]).arg(index[2]);
    if (volume.oriented())
        text += tr("    R %1  A %2  S %3 mm").arg(mm[0], 0, 'f', 1).arg(mm[1], 0, 'f', 1).arg(mm[2], 0, 'f', 1);
    text += tr("    value %1").arg(values.join(QStringLiteral(" / ")));
    text += tr("    %1").arg(value ? (label ? label->name : QString::number(value)) : tr("background"));
    position_->setText(text);
}

void MainWindow::updateViews()
{
    for (SliceView *view : views_)
        view->update();
    const CasePtr item = session_.current();
    if (item && item->labels) {
        setWindowModified(item->labels->modified());
        caseList_->topLevelItem(static_cast<int>(session_.cases().indexOf(item)))->setText(1, item->state());
    }
    updateActions();
}

void MainWindow::updateActions()
{
    const CasePtr item = session_.current();
    const bool ready = item && item->volume && item->labels;
    const bool idle = !session_.compute().busy(), model = session_.model().has_value();
    const bool predicted = ready && !item->prediction.voxels.isEmpty();
    const QHash<QString, bool> enabled{
        {QStringLiteral("loadLabels"), ready},
        {QStringLiteral("saveLabels"), ready},
        {QStringLiteral("saveLabelsAs"), ready},
        {QStringLiteral("savePrediction"), predicted},
        {QStringLiteral("autoGrey"), ready},
        {QStringLiteral("train"), idle && !session_.labelledCases().isEmpty()},
        {QStringLiteral("predict"), ready && model},
        {QStringLiteral("predictUnlabelled"), model && session_.labelledCases().size() < session_.cases().size()},
        {QStringLiteral("accept"), predicted},
        {QStringLiteral("discard"), predicted},
        {QStringLiteral("cancel"), !idle},
        {QStringLiteral("saveModel"), model},
    };
    for (auto entry = enabled.begin(); entry != enabled.end(); ++entry)
        actions_.value(entry.key())->setEnabled(entry.value());
}

// --- Grey values ---

void MainWindow::setGrey(double low, double high)
{
    const CasePtr item = session_.current();
    if (!item || !item->volume)
        return;
    item->low = low;
    item->high = std::max(high, low + 1e-6);
    const QSignalBlocker first(low_), second(high_);
    low_->setValue(item->low);
    high_->setValue(item->high);
    updateViews();
}

// --- Actions ---

void MainWindow::openFiles()
{
    session_.open(ask(this, tr("Open images"), QFileDialog::ExistingFiles, IMAGES));
}

void MainWindow::openFolder()
{
    session_.open(ask(this, tr("Open a folder with images and labels"), QFileDialog::Directory, ""));
}

// Beside the data set's other label maps where it has a folder for them, else beside the image.
QString MainWindow::labelSuggestion(const Case &item, const QString &suffix) const
{
    const bool png = item.volume->flat() && !item.source.path.contains(QLatin1String(".nii"));
    QString name = QFileInfo(item.source.path).fileName();
    name = name.left(name.indexOf(QLatin1Char('.')));
    if (name.isEmpty())
        name = item.source.name;
    const QString extension = png ? QStringLiteral(".png") : QStringLiteral(".nii.gz");
    const QDir folder = QFileInfo(item.source.path).dir();
    for (const QString &sibling : {QStringLiteral("labels"), QStringLiteral("masks")}) {
        if (suffix == QLatin1String("_label") && folder.dirName() == QLatin1String("images") &&
            QFileInfo(folder.filePath(QStringLiteral("../") + sibling)).isDir())
            return QDir::cleanPath(folder.filePath(QStringLiteral("../%1/%2%3").arg(sibling, name, extension)));
    }
    return folder.filePath(name + suffix + extension);
}

void MainWindow::loadLabels()
{
    const QStringList files = ask(this, tr("Load labels"), QFileDialog::ExistingFile, LABELS,
                                  labelSuggestion(*session_.current(), QStringLiteral("_label")));
    if (!files.isEmpty())
        session_.loadLabels(session_.current(), files.first());
}

void MainWindow::saveLabels(bool as)
{
    const CasePtr item = session_.current();
    QString path = item->labelPath;
    if (as || path.isEmpty())
        path = ask(this, tr("Save labels"), QFileDialog::AnyFile, LABELS,
                   path.isEmpty() ? labelSuggestion(*item, QStringLiteral("_label")) : path)
                   .value(0);
    if (!path.isEmpty())
        session_.saveLabels(item, path);
}

void MainWindow::savePrediction()
{
    const CasePtr item = session_.current();
    const QString path = ask(this, tr("Save the prediction"), QFileDialog::AnyFile, LABELS,
                             labelSuggestion(*item, QStringLiteral("_prediction")))
                             .value(0);
    if (!path.isEmpty())
        session_.savePrediction(item, path);
}

void MainWindow::loadModel()
{
    const QString path = ask(this, tr("Load a model"), QFileDialog::ExistingFile, MODELS).value(0);
    if (!path.isEmpty())
        session_.loadModel(path);
}

void MainWindow::saveModel()
{
    const QString path =
        ask(this, tr("Save the model"), QFileDialog::AnyFile, MODELS, QStringLiteral("model.safetensors")).value(0);
    if (!path.isEmpty())
        session_.saveModel(path);
}

void MainWindow::train()
{
    TrainDialog dialog(static_cast<int>(session_.labelledCases().size()), this);
    if (dialog.exec() == QDialog::Accepted)
        session_.train(dialog.options());
}

void MainWindow::predictUnlabelled()
{
    QList<CasePtr> items;
    for (const CasePtr &item : session_.cases()) {
        if (!item->labelled)
            items.append(item);
    }
    session_.predict(items);
}

void MainWindow::stepCase(int step)
{
    const qsizetype next = session_.cases().indexOf(session_.current()) + step;
    if (next >= 0 && next < session_.cases().size())
        session_.setCurrent(session_.cases().at(next));
}

void MainWindow::stepRadius(int step)
{
    radius_->setValue(radius_->value() * std::pow(1.25, step));
}

void MainWindow::setTool(Tool tool)
{
    settings_.tool = tool;
    for (SliceView *view : views_) {
        view->setCursor(tool == Tool::Navigate ? Qt::ArrowCursor : Qt::CrossCursor);
        view->update();
    }
}

// --- Closing ---

// Files and folders that are dropped on the window.
static QStringList droppedPaths(const QDropEvent *event)
{
    QStringList paths;
    for (const QUrl &url : event->mimeData()->urls())
        if (url.isLocalFile())
            paths += url.toLocalFile();
    return paths;
}

void MainWindow::dragEnterEvent(QDragEnterEvent *event)
{
    if (!droppedPaths(event).isEmpty())
        event->acceptProposedAction();
}

void MainWindow::dropEvent(QDropEvent *event)
{
    session_.open(droppedPaths(event));
    event->acceptProposedAction();
}

void MainWindow::closeEvent(QCloseEvent *event)
{
    int unsaved = 0;
    for (const CasePtr &item : session_.cases())
        unsaved += item->labels && item->labels->modified();
    if (!closing_ && unsaved > 0 &&
        QMessageBox::question(this, tr("Unsaved labels"),
                              tr("Labels of %1 cases are not saved. Close all the same?").arg(unsaved)) !=
            QMessageBox::Yes)
        return event->ignore();
    if (session_.compute().busy() || session_.files().busy()) {
        // Not here: the jobs are asked to end, and the window closes when they have.
        closing_ = true;
        session_.compute().cancel();
        statusBar()->showMessage(tr("Stopping ..."));
        return event->ignore();
    }
    event->accept();
}

void MainWindow::tryClose()
{
    if (closing_ && !session_.compute().busy() && !session_.files().busy())
        close();
}
