// Drives the whole application as a user would, from open to saved prediction, by mouse, keys and dialogs: once on
// volumes, once on pictures. Screenshots go to the folder that VIEWER_SCREENSHOTS names, by default ./screenshots.
// All the while a watchdog measures how long the UI thread didn't answer.
#include "main_window.h"
#include "style.h"
#include "watchdog.h"

#include <QCheckBox>
#include <QComboBox>
#include <QDialogButtonBox>
#include <QDir>
#include <QDoubleSpinBox>
#include <QFileDialog>
#include <QLabel>
#include <QLineEdit>
#include <QMessageBox>
#include <QMimeData>
#include <QPushButton>
#include <QSpinBox>
#include <QStatusBar>
#include <QTemporaryDir>
#include <QTest>
#include <QTreeWidget>
#include <QWheelEvent>
#include <cmath>

static const double LONGEST_MS = 50;
static const int JOB_MS = 100000; // for any job of these tests, on a slow and busy machine

class TestSession : public QObject
{
    Q_OBJECT

private slots:
    void initTestCase();
    void init();
    void cleanup();
    void volumes();
    void pictures();
    void drops();
    void errors();
    void closingWhileTraining();
    void largeVolume();

private:
    QString makeFolder(int ndim, int labelled, int count);
    LabelVoxels truth(int64_t index);
    void start();
    void trigger(const char *action);
    void press(Qt::Key key, Qt::KeyboardModifiers modifiers = Qt::NoModifier);
    void choose(const QString &folder, const QStringList &names, const char *action);
    void trainBy(const char *method, int steps, const char *screenshot);
    void selectCase(int row);
    void waitUntilIdle();
    void waitUntilScored();
    void closeWindow();
    void drag(SliceView *view, QPoint from, QPoint to, Qt::MouseButton button = Qt::LeftButton);
    void wheel(SliceView *view, QPoint at, int steps, Qt::KeyboardModifiers modifiers = Qt::NoModifier);
    void screenshot(const char *name, QWidget *widget = nullptr);
    QAction *action(const char *name)
    {
        return window_->findChild<QAction *>(QString::fromLatin1(name));
    }
    CasePtr current()
    {
        return window_->session().current();
    }

    QString screenshots_;
    ContextPtr context_;
    DatasetPtr phantom_;
    std::unique_ptr<QTemporaryDir> folder_;
    std::unique_ptr<MainWindow> window_;
    std::unique_ptr<Watchdog> watchdog_;
};

// --- What the tests stand on ---

void TestSession::initTestCase()
{
    setDarkStyle();
    screenshots_ = qEnvironmentVariable("VIEWER_SCREENSHOTS", QStringLiteral("screenshots"));
    QVERIFY(QDir().mkpath(screenshots_));
    context_ = std::make_shared<genseg::Context>();
}

void TestSession::init()
{
    folder_ = std::make_unique<QTemporaryDir>();
    QVERIFY(folder_->isValid());
}

void TestSession::cleanup()
{
    if (watchdog_) {
        qInfo("longest time without an answer: %.1f ms, %.1f of its own", watchdog_->longest(),
              watchdog_->longestOwn());
        QVERIFY(watchdog_->longestOwn() < LONGEST_MS);
    }
    watchdog_.reset();
    window_.reset();
}

// A data set of generated cases as files, of which only the first ones have labels.
QString TestSession::makeFolder(int ndim, int labelled, int count)
{
    genseg::phantom_options options;
    options.ndim = ndim;
    options.count = count;
    options.size[0] = 16;
    options.size[1] = options.size[2] = ndim == 3 ? 32 : 64;
    phantom_ = std::make_shared<genseg::Dataset>(genseg::Dataset::phantom(*context_, options));
    const QDir root(folder_->filePath(QStringLiteral("data")));
    const QString extension = ndim == 3 ? QStringLiteral(".nii.gz") : QStringLiteral(".png");
    root.mkpath(QStringLiteral("images"));
    root.mkpath(QStringLiteral("labels"));
    for (int64_t index = 0; index < count; ++index) {
        const QString name = QStringLiteral("/case_%1%2").arg(index).arg(extension);
        phantom_->save_image(index, (root.filePath(QStringLiteral("images")) + name).toStdString());
        if (index < labelled) {
            const Source source{phantom_, index, {}, {}, true};
            const CaseData data = engine::readCase(source);
            engine::saveLabels(source, *data.volume, data.labels, root.filePath(QStringLiteral("labels")) + name);
        }
    }
    return root.path();
}

LabelVoxels TestSession::truth(int64_t index)
{
    return engine::readCase({phantom_, index, {}, {}, true}).labels;
}

static double dice(const LabelVoxels &one, const LabelVoxels &other)
{
    double both = 0, sum = 0;
    for (qsizetype k = 0; k < one.size(); ++k) {
        for (qsizetype n = 0; n < one.at(k).size(); ++n) {
            both += one.at(k).at(n) == 1 && other.at(k).at(n) == 1;
            sum += (one.at(k).at(n) == 1) + (other.at(k).at(n) == 1);
        }
    }
    return 2 * both / sum;
}

void TestSession::start()
{
    window_ = std::make_unique<MainWindow>();
    window_->show();
    QVERIFY(QTest::qWaitForWindowExposed(window_.get()));
    QTest::qWait(200);
    watchdog_ = std::make_unique<Watchdog>();
}

void TestSession::screenshot(const char *name, QWidget *widget)
{
    QTest::qWait(50); // what is still to be painted
    const QPixmap picture = (widget ? widget : window_.get())->grab();
    QVERIFY(picture.save(QStringLiteral("%1/%2.png").arg(screenshots_, QString::fromLatin1(name))));
    watchdog_->excuse();
}

void TestSession::trigger(const char *name)
{
    QVERIFY2(action(name)->isEnabled(), name);
    action(name)->trigger();
}

void TestSession::press(Qt::Key key, Qt::KeyboardModifiers modifiers)
{
    window_->activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(window_.get()));
    QTest::keyClick(window_.get(), key, modifiers);
}

// Does something with the modal dialog that the next call opens.
template <typename Dialog> static void whenAsked(std::function<void(Dialog *)> answer)
{
    auto *timer = new QTimer;
    QObject::connect(timer, &QTimer::timeout, timer, [timer, answer] {
        if (auto *dialog = qobject_cast<Dialog *>(QApplication::activeModalWidget())) {
            timer->deleteLater();
            timer->stop();
            answer(dialog);
        }
    });
    timer->start(20);
}

// Picks files, or types the name of a new one, in the dialog that an action opens.
void TestSession::choose(const QString &folder, const QStringList &names, const char *name)
{
    bool asked = false;
    whenAsked<QFileDialog>([&](QFileDialog *dialog) {
        asked = true;
        dialog->setDirectory(folder);
        QStringList quoted;
        for (const QString &file : names)
            quoted << (names.size() > 1 ? QStringLiteral("\"%1\"").arg(file) : file);
        auto *edit = dialog->findChild<QLineEdit *>(QStringLiteral("fileNameEdit"));
        edit->setText(quoted.join(QLatin1Char(' ')));
        QTest::keyClick(edit, Qt::Key_Return);
    });
    trigger(name);
    QVERIFY2(asked, name);
}

void TestSession::trainBy(const char *method, int steps, const char *picture)
{
    whenAsked<QDialog>([=](QDialog *dialog) {
        auto *methods = dialog->findChild<QComboBox *>(QStringLiteral("method"));
        methods->setCurrentIndex(methods->findData(QByteArray(method)));
        dialog->findChild<QComboBox *>(QStringLiteral("limit"))->setCurrentIndex(1);
        dialog->findChild<QSpinBox *>(QStringLiteral("steps"))->setValue(steps);
        dialog->findChild<QSpinBox *>(QStringLiteral("width"))->setValue(8);
        dialog->findChild<QSpinBox *>(QStringLiteral("validation"))->setValue(34);
        if (picture)
            screenshot(picture, dialog);
        QTest::mouseClick(dialog->findChild<QDialogButtonBox *>()->button(QDialogButtonBox::Ok), Qt::LeftButton);
    });
    trigger("train");
}

void TestSession::selectCase(int row)
{
    auto *list = window_->findChild<QTreeWidget *>(QStringLiteral("cases"));
    const QRect place = list->visualItemRect(list->topLevelItem(row));
    QTest::mouseClick(list->viewport(), Qt::LeftButton, {}, place.center());
    QVERIFY(current() == window_->session().cases().at(row));
    QTRY_VERIFY_WITH_TIMEOUT(current()->volume && current()->labels, JOB_MS);
    QTRY_VERIFY_WITH_TIMEOUT(!window_->session().files().busy(), JOB_MS);
}

void TestSession::waitUntilIdle()
{
    QTRY_VERIFY_WITH_TIMEOUT(!window_->session().compute().busy(), JOB_MS);
    QTRY_VERIFY_WITH_TIMEOUT(!window_->session().files().busy(), JOB_MS);
}

void TestSession::waitUntilScored()
{
    QTest::qWait(400); // it waits itself for the last edit
    waitUntilIdle();
}

// At once, or when the last job has ended.
void TestSession::closeWindow()
{
    window_->close();
    QTRY_VERIFY_WITH_TIMEOUT(!window_->isVisible(), JOB_MS);
}

void TestSession::drag(SliceView *view, QPoint from, QPoint to, Qt::MouseButton button)
{
    const auto send = [&](QEvent::Type type, QPoint at, Qt::MouseButton which, Qt::MouseButtons buttons) {
        QMouseEvent event(type, at, view->mapToGlobal(at), which, buttons, Qt::NoModifier);
        QApplication::sendEvent(view, &event);
        QTest::qWait(5);
    };
    send(QEvent::MouseMove, from, Qt::NoButton, Qt::NoButton);
    send(QEvent::MouseButtonPress, from, button, button);
    for (int step = 1; step <= 10; ++step)
        send(QEvent::MouseMove, from + (to - from) * step / 10, Qt::NoButton, button);
    send(QEvent::MouseButtonRelease, to, button, Qt::NoButton);
    QEvent leave(QEvent::Leave);
    QApplication::sendEvent(view, &leave);
}

void TestSession::wheel(SliceView *view, QPoint at, int steps, Qt::KeyboardModifiers modifiers)
{
    QWheelEvent event(at, view->mapToGlobal(at), {}, {0, 120 * steps}, Qt::NoButton, modifiers, Qt::NoScrollPhase,
                      false);
    QApplication::sendEvent(view, &event);
    QTest::qWait(5);
}

// --- Scenarios ---

void TestSession::volumes()
{
    const QString data = makeFolder(3, 6, 8);
    start();
    screenshot("volume-1-empty");
    choose(data, {data}, "openFolder");
    QTRY_COMPARE_WITH_TIMEOUT(window_->session().cases().size(), 8, JOB_MS);
    QTRY_VERIFY_WITH_TIMEOUT(current() && current()->volume, JOB_MS);
    waitUntilIdle();
    QCOMPARE(current()->state(), QStringLiteral("labelled"));
    QVERIFY(current()->labels->voxels() == truth(0));
    watchdog_->excuse();

    // Cursor, slices, grey values, zoom.
    SliceView *axial = window_->view(View::Axial), *coronal = window_->view(View::Coronal);
    const Index place{12, 20, 10};
    for (int steps = 0; steps < 4; ++steps)
        wheel(axial, axial->rect().center(), -1);
    QTest::mouseClick(axial, Qt::LeftButton, {}, axial->positionOf(place).toPoint());
    auto *position = window_->findChild<QLabel *>(QStringLiteral("position"));
    QVERIFY2(position->text().startsWith(QStringLiteral("voxel 12, 20, 4 ")), qPrintable(position->text()));
    const double low = current()->low, high = current()->high;
    drag(axial, {100, 100}, {150, 120}, Qt::RightButton);
    QVERIFY(current()->high - current()->low > (high - low) * 1.05);
    trigger("autoGrey");
    QCOMPARE(current()->low, low);
    wheel(coronal, coronal->rect().center(), 3, Qt::ControlModifier);
    QVERIFY(coronal->positionOf({0, 0, 0}) != QPointF());
    waitUntilScored();
    screenshot("volume-2-open");
    trigger("fit");

    // Paint, undo, redo.
    selectCase(6);
    waitUntilIdle();
    QCOMPARE(current()->state(), QStringLiteral("unlabelled"));
    const LabelVoxels empty = current()->labels->voxels();
    press(Qt::Key_B);
    const QPoint left = axial->positionOf({21, 16, 8}).toPoint(), right = axial->positionOf({10, 16, 8}).toPoint();
    drag(axial, left, right);
    QVERIFY(current()->labels->at({16, 16, 8}) == 1 && current()->labels->at({16, 16, 7}) == 0);
    QCOMPARE(current()->state(), QStringLiteral("modified"));
    const LabelVoxels painted = current()->labels->voxels();
    trigger("ball");
    drag(coronal, coronal->rect().center(), coronal->rect().center() + QPoint(20, 0));
    QVERIFY(current()->labels->at({16, 16, 7}) == 1);
    screenshot("volume-3-painted");
    trigger("ball");
    press(Qt::Key_Z, Qt::ControlModifier);
    QVERIFY(current()->labels->voxels() == painted);
    press(Qt::Key_E);
    drag(axial, left, right);
    QVERIFY(current()->labels->at({16, 16, 8}) == 0);
    for (int n = 0; n < 2; ++n)
        trigger("undo");
    QVERIFY(current()->labels->voxels() == empty && !current()->labels->modified());
    QTRY_COMPARE_WITH_TIMEOUT(current()->state(), QStringLiteral("unlabelled"), JOB_MS);
    press(Qt::Key_N);

    // One training is stopped. What it learnt so far is there, and the window is free.
    trainBy("genseg", 5000, "volume-4-train");
    auto *text = window_->findChild<QLabel *>(QStringLiteral("progressText"));
    QTRY_VERIFY_WITH_TIMEOUT(text->text().startsWith(QStringLiteral("Training the generator")), JOB_MS);
    press(Qt::Key_Escape);
    QElapsedTimer stopping;
    stopping.start();
    waitUntilIdle();
    qInfo("the training stopped in %lld ms", stopping.elapsed());
    QVERIFY(window_->statusBar()->currentMessage().startsWith(QStringLiteral("Training was stopped")));

    // Another runs to its end while the user paints and looks at other cases.
    trainBy("augment", 300, nullptr);
    QTRY_VERIFY_WITH_TIMEOUT(text->text().contains(QStringLiteral("best Dice")), JOB_MS);
    press(Qt::Key_B);
    drag(axial, left, right);
    selectCase(2);
    for (int n = 0; n < 20; ++n)
        wheel(axial, axial->rect().center(), n < 10 ? 1 : -1);
    screenshot("volume-5-training");
    selectCase(6);
    trigger("undo");
    waitUntilIdle();
    QVERIFY(window_->session().model().has_value());
    QCOMPARE(window_->session().model()->labels.value(1).second, QStringLiteral("Label 1")); // the table's name
    QVERIFY2(window_->statusBar()->currentMessage().startsWith(QStringLiteral("Training has ended")),
             qPrintable(window_->statusBar()->currentMessage()));

    // The prediction belongs to the case that it was made for, wherever the user has gone.
    trigger("predict");
    selectCase(1);
    waitUntilIdle();
    const CasePtr predicted = window_->session().cases().at(6);
    QVERIFY(current()->prediction.voxels.isEmpty());
    QCOMPARE(predicted->state(), QStringLiteral("predicted"));
    const double good = dice(predicted->prediction.voxels, truth(6));
    qInfo("Dice of the prediction: %.3f", good);
    QVERIFY(good > 0.6);
    watchdog_->excuse();
    selectCase(6);
    waitUntilIdle();
    waitUntilScored();
    screenshot("volume-6-predicted");

    // Accepted in one step, saved, and read again.
    trigger("accept");
    waitUntilIdle();
    QVERIFY(current()->labels->voxels() == predicted->prediction.voxels);
    trigger("undo");
    QVERIFY(current()->labels->voxels() == empty);
    trigger("redo");
    waitUntilScored();
    QCOMPARE(current()->scores.size(), 1);
    QCOMPARE(current()->scores.first().dice, 1.0);
    screenshot("volume-7-accepted");
    choose(data + QStringLiteral("/labels"), {QStringLiteral("case_6.nii.gz")}, "saveLabels");
    waitUntilIdle();
    QCOMPARE(current()->state(), QStringLiteral("labelled, predicted"));
    choose(folder_->path(), {QStringLiteral("prediction.nii.gz")}, "savePrediction");
    choose(folder_->path(), {QStringLiteral("model.safetensors")}, "saveModel");
    waitUntilIdle();
    const Opened again = engine::openPath(context_, data);
    for (const Source &source : again.cases) {
        if (source.name == QLatin1String("case_6"))
            QCOMPARE(dice(engine::readCase(source).labels, truth(6)), good);
    }
    watchdog_->excuse();

    // Another case takes the saved map as its labels: the grids agree.
    selectCase(7);
    choose(folder_->path(), {QStringLiteral("prediction.nii.gz")}, "loadLabels");
    waitUntilIdle();
    QCOMPARE(dice(current()->labels->voxels(), predicted->prediction.voxels), 1.0);
    trigger("undo");
    choose(folder_->path(), {QStringLiteral("model.safetensors")}, "loadModel");
    waitUntilIdle();
    QVERIFY(
        window_->findChild<QLabel *>(QStringLiteral("model"))->text().startsWith(QStringLiteral("unet3d, width 8")));
    closeWindow();
}

void TestSession::pictures()
{
    const QString data = makeFolder(2, 0, 8);
    const QString images = data + QStringLiteral("/images");
    start();
    QStringList names;
    for (int n = 0; n < 8; ++n)
        names << QStringLiteral("case_%1.png").arg(n);
    choose(images, names, "open");
    QTRY_COMPARE_WITH_TIMEOUT(window_->session().cases().size(), 8, JOB_MS);
    waitUntilIdle();
    QVERIFY(!window_->view(View::Coronal)->isVisible());

    // Label one by hand: an outline, filled; then load labels for five more.
    SliceView *view = window_->view(View::Axial);
    press(Qt::Key_B);
    for (int n = 0; n < 4; ++n)
        press(Qt::Key_BracketLeft);
    const QPoint corners[] = {view->positionOf({20, 20, 0}).toPoint(), view->positionOf({40, 20, 0}).toPoint(),
                              view->positionOf({40, 40, 0}).toPoint(), view->positionOf({20, 40, 0}).toPoint()};
    for (int side = 0; side < 4; ++side)
        drag(view, corners[side], corners[(side + 1) % 4]);
    press(Qt::Key_F);
    QTest::mouseClick(view, Qt::LeftButton, {}, view->positionOf({30, 30, 0}).toPoint());
    QCOMPARE(current()->labels->at({30, 30, 0}), 1);
    QCOMPARE(current()->labels->at({50, 30, 0}), 0);
    QCOMPARE(current()->labels->undoStack().count(), 5);
    screenshot("picture-1-painted");
    while (current()->labels->modified())
        trigger("undo");
    for (int n = 0; n < 6; ++n) {
        const QString file = folder_->filePath(QStringLiteral("label.png"));
        selectCase(n);
        const Source source{phantom_, n, {}, {}, true};
        engine::saveLabels(source, *current()->volume, truth(n), file);
        watchdog_->excuse();
        choose(folder_->path(), {QStringLiteral("label.png")}, "loadLabels");
        waitUntilIdle();
        QVERIFY(current()->labels->voxels() == truth(n));
        watchdog_->excuse();
    }
    trainBy("augment", 200, nullptr);
    QTRY_VERIFY_WITH_TIMEOUT(window_->session().model().has_value(), JOB_MS);
    trigger("predictUnlabelled");
    waitUntilIdle();
    for (int n = 6; n < 8; ++n) {
        const CasePtr item = window_->session().cases().at(n);
        QCOMPARE(item->state(), QStringLiteral("predicted"));
        const double good = dice(item->prediction.voxels, truth(n));
        qInfo("Dice of case %d: %.3f", n, good);
        QVERIFY(good > 0.5);
    }
    watchdog_->excuse();
    selectCase(7);
    waitUntilScored();
    screenshot("picture-2-predicted");
    trigger("fillPrediction");
    trigger("accept");
    waitUntilIdle();
    screenshot("picture-3-accepted");
    choose(folder_->path(), {QStringLiteral("saved.png")}, "saveLabels");
    waitUntilIdle();
    QCOMPARE(current()->state(), QStringLiteral("labelled, predicted"));
    const LabelVoxels saved =
        engine::readLabels(context_, folder_->filePath(QStringLiteral("saved.png")), *current()->volume);
    QCOMPARE(dice(saved, current()->prediction.voxels), 1.0);
    // The loaded labels of six cases were never saved: the window asks.
    whenAsked<QMessageBox>([](QMessageBox *box) { QTest::mouseClick(box->button(QMessageBox::No), Qt::LeftButton); });
    QVERIFY(!window_->close());
    whenAsked<QMessageBox>([](QMessageBox *box) { QTest::mouseClick(box->button(QMessageBox::Yes), Qt::LeftButton); });
    closeWindow();
}

// What the library says reaches the user, and the window goes on.
void TestSession::drops()
{
    const QString data = makeFolder(2, 1, 2);
    start();
    const auto drop = [this](const QList<QUrl> &urls) {
        QMimeData dragged;
        dragged.setUrls(urls);
        QDragEnterEvent enter(QPoint(50, 50), Qt::CopyAction, &dragged, Qt::LeftButton, Qt::NoModifier);
        QApplication::sendEvent(window_.get(), &enter);
        if (!enter.isAccepted())
            return false;
        QDropEvent event(QPointF(50, 50), Qt::CopyAction, &dragged, Qt::LeftButton, Qt::NoModifier);
        return QApplication::sendEvent(window_.get(), &event) && event.isAccepted();
    };
    QVERIFY(!drop({QUrl(QStringLiteral("https://example.org/case_0.nii.gz"))}));
    QVERIFY(drop({QUrl::fromLocalFile(data)}));
    QTRY_COMPARE_WITH_TIMEOUT(window_->session().cases().size(), 2, JOB_MS);
    closeWindow();
}

void TestSession::errors()
{
    const QString data = makeFolder(3, 1, 1);
    QFile damaged(folder_->filePath(QStringLiteral("damaged.nii")));
    QVERIFY(damaged.open(QIODevice::WriteOnly) && damaged.write("no image") > 0);
    damaged.close();
    start();
    const auto expect = [&](const QString &words) {
        QMessageBox *box = nullptr;
        QTRY_VERIFY_WITH_TIMEOUT((box = qobject_cast<QMessageBox *>(QApplication::activeModalWidget())), JOB_MS);
        QVERIFY2(box->text().contains(words), qPrintable(box->text()));
        QTest::mouseClick(box->button(QMessageBox::Ok), Qt::LeftButton);
        QTRY_VERIFY(!QApplication::activeModalWidget());
    };
    window_->session().open({damaged.fileName()});
    expect(QStringLiteral("damaged.nii"));
    window_->session().open({data});
    QTRY_VERIFY_WITH_TIMEOUT(current() && current()->labels, JOB_MS);
    window_->session().loadModel(damaged.fileName());
    expect(QStringLiteral("damaged.nii"));
    window_->session().saveLabels(current(), folder_->filePath(QStringLiteral("labels.xyz")));
    expect(QStringLiteral("labels.xyz"));
    window_->session().loadLabels(current(), data + QStringLiteral("/images/case_0.nii.gz"));
    expect(QStringLiteral("not a label map"));
    TrainOptions options;
    options.size = 17;
    window_->session().train(options);
    expect(QStringLiteral("17"));
    trigger("help");
    QTRY_VERIFY(QApplication::activeModalWidget());
    screenshot("help", QApplication::activeModalWidget());
    QApplication::activeModalWidget()->close();
    closeWindow();
}

void TestSession::closingWhileTraining()
{
    const QString data = makeFolder(3, 4, 4);
    start();
    window_->session().open({data});
    QTRY_COMPARE_WITH_TIMEOUT(window_->session().cases().size(), 4, JOB_MS);
    trainBy("augment", 100000, nullptr);
    auto *text = window_->findChild<QLabel *>(QStringLiteral("progressText"));
    QTRY_VERIFY_WITH_TIMEOUT(
        text->text().startsWith(QStringLiteral("Training")) && text->text().contains(QStringLiteral("loss")), JOB_MS);
    QElapsedTimer closing;
    closing.start();
    QVERIFY(!window_->close()); // asked to stop, it waits without a frozen window
    QTRY_VERIFY_WITH_TIMEOUT(!window_->isVisible(), JOB_MS);
    qInfo("the window closed in %lld ms", closing.elapsed());
    QVERIFY(closing.elapsed() < 10000);
}

// Opens the file that VIEWER_LARGE names, and scrolls and paints through it.
void TestSession::largeVolume()
{
    const QString file = qEnvironmentVariable("VIEWER_LARGE");
    if (file.isEmpty())
        QSKIP("VIEWER_LARGE names no file");
    start();
    QElapsedTimer opening;
    opening.start();
    window_->session().open({file});
    QTRY_VERIFY_WITH_TIMEOUT(current() && current()->labels, JOB_MS);
    qInfo("opened in %lld ms", opening.elapsed());
    waitUntilScored();
    const auto report = [&](const char *what) {
        qInfo("%s: longest time without an answer %.1f ms, %.1f of its own", what, watchdog_->longest(),
              watchdog_->longestOwn());
    };
    report("opening");
    QElapsedTimer scrolling;
    scrolling.start();
    for (View which : {View::Axial, View::Coronal, View::Sagittal}) {
        SliceView *view = window_->view(which);
        for (int n = 0; n < 100; ++n)
            wheel(view, view->rect().center(), n < 50 ? 1 : -1);
    }
    qInfo("%.1f slices a second", 300000.0 / static_cast<double>(scrolling.elapsed()));
    report("scrolling");
    press(Qt::Key_B);
    trigger("ball");
    window_->findChild<QDoubleSpinBox *>(QStringLiteral("radius"))->setValue(25);
    for (View which : {View::Axial, View::Coronal, View::Sagittal}) {
        const QPoint middle = window_->view(which)->rect().center();
        drag(window_->view(which), middle - QPoint(60, 40), middle + QPoint(60, 40));
    }
    report("painting a ball of 25 mm");
    waitUntilScored();
    report("scoring");
    screenshot("large");
    for (int n = 0; n < 6; ++n) {
        trigger(n < 3 ? "undo" : "redo");
        QTest::qWait(20);
    }
    report("undo and redo");
    window_->session().saveLabels(current(), folder_->filePath(QStringLiteral("labels.nii.gz")));
    waitUntilIdle();
    report("saving");
    const LabelVoxels painted = current()->labels->voxels();
    while (action("undo")->isEnabled()) {
        trigger("undo");
        QTest::qWait(20);
    }
    report("undo beside a snapshot");
    window_->session().loadLabels(current(), folder_->filePath(QStringLiteral("labels.nii.gz")));
    waitUntilIdle();
    report("loading");
    QVERIFY(current()->labels->voxels() == painted);
    watchdog_->excuse();
    window_->session().saveLabels(current(), folder_->filePath(QStringLiteral("labels.nii.gz")));
    waitUntilIdle();
    closeWindow();
}

QTEST_MAIN(TestSession)
#include "test_session.moc"
