// What the window is made of: menus with their shortcuts, tool bar, views and panels.
#include "main_window.h"

#include "job_panel.h"

#include <QAction>
#include <QActionGroup>
#include <QBoxLayout>
#include <QCheckBox>
#include <QColorDialog>
#include <QDockWidget>
#include <QDoubleSpinBox>
#include <QFormLayout>
#include <QGroupBox>
#include <QHeaderView>
#include <QLabel>
#include <QMenuBar>
#include <QMessageBox>
#include <QPushButton>
#include <QScrollArea>
#include <QSplitter>
#include <QStatusBar>
#include <QTableView>
#include <QTableWidget>
#include <QToolBar>
#include <QTreeWidget>

static const char MOUSE_HELP[] =
    "<tr><td>Wheel</td><td>through the slices</td></tr>"
    "<tr><td>Ctrl + wheel</td><td>zoom</td></tr>"
    "<tr><td>Left button</td><td>cursor, brush, eraser or fill</td></tr>"
    "<tr><td>Right button, drag</td><td>window (sideways) and level (up and down)</td></tr>"
    "<tr><td>Middle button, or Shift + left</td><td>move the slice</td></tr>"
    "<tr><td>Double click on a label's value</td><td>its colour</td></tr>";

MainWindow::MainWindow(uint64_t memoryLimit) : session_(memoryLimit)
{
    setWindowTitle(tr("genseg viewer"));
    resize(1280, 800);
    setAcceptDrops(true);
    buildViews();
    buildFileMenu();
    buildEditMenu();
    buildViewMenu();
    buildModelMenu();
    buildHelpMenu();
    buildToolBar();
    buildCasePanel();
    buildToolPanel();
    position_ = new QLabel;
    position_->setObjectName(QStringLiteral("position"));
    statusBar()->addPermanentWidget(position_);
    for (SliceView *view : views_) {
        connect(view, &SliceView::cursorMoved, this, &MainWindow::setCursorIndex);
        connect(view, &SliceView::hovered, this,
                [this](const Index &index, bool inside) { showPosition(inside ? index : cursor_); });
        connect(view, &SliceView::windowDragged, this, [this](double right, double up) {
            // As radiologists have it: sideways is the width, up is darker.
            const double low = low_->value(), high = high_->value(), width = high - low;
            const double wider = std::max(width * (1 + 2 * right), 1e-6), level = (low + high) / 2 + width * up;
            setGrey(level - wider / 2, level + wider / 2);
        });
    }
    connectSession();
    updateActions();
}

// --- Menus ---

QAction *MainWindow::addAction(QMenu *menu, const QString &name, const QString &text, const QKeySequence &shortcut,
                               const std::function<void()> &triggered)
{
    QAction *action = menu->addAction(text);
    action->setObjectName(name);
    action->setShortcut(shortcut);
    connect(action, &QAction::triggered, this, triggered);
    actions_.insert(name, action);
    return action;
}

QAction *MainWindow::addSwitch(QMenu *menu, const QString &name, const QString &text, const QKeySequence &shortcut,
                               bool &value)
{
    QAction *action = addAction(menu, name, text, shortcut, [] {});
    action->setCheckable(true);
    action->setChecked(value);
    connect(action, &QAction::toggled, this, [this, &value](bool on) {
        value = on;
        updateViews();
    });
    return action;
}

void MainWindow::buildFileMenu()
{
    QMenu *menu = menuBar()->addMenu(tr("&File"));
    addAction(menu, QStringLiteral("open"), tr("&Add images ..."), QKeySequence::Open, [this] { openFiles(); });
    addAction(menu, QStringLiteral("openFolder"), tr("Add a &folder ..."), tr("Ctrl+Shift+O"),
              [this] { openFolder(); });
    menu->addSeparator();
    addAction(menu, QStringLiteral("loadLabels"), tr("&Load labels ..."), tr("Ctrl+L"), [this] { loadLabels(); });
    addAction(menu, QStringLiteral("saveLabels"), tr("&Save labels"), QKeySequence::Save,
              [this] { saveLabels(false); });
    addAction(menu, QStringLiteral("saveLabelsAs"), tr("Save labels as ..."), tr("Ctrl+Shift+S"),
              [this] { saveLabels(true); });
    addAction(menu, QStringLiteral("savePrediction"), tr("Save the &prediction ..."), tr("Ctrl+Shift+P"),
              [this] { savePrediction(); });
    menu->addSeparator();
    addAction(menu, QStringLiteral("quit"), tr("&Quit"), QKeySequence::Quit, [this] { close(); });
}

void MainWindow::buildEditMenu()
{
    QMenu *menu = menuBar()->addMenu(tr("&Edit"));
    QAction *undo = undo_.createUndoAction(this), *redo = undo_.createRedoAction(this);
    undo->setShortcut(QKeySequence::Undo);
    redo->setShortcut(tr("Ctrl+Shift+Z"));
    undo->setObjectName(QStringLiteral("undo"));
    redo->setObjectName(QStringLiteral("redo"));
    undo->setIconText(tr("Undo")); // in the tool bar, where the step's name would push others aside
    redo->setIconText(tr("Redo"));
    menu->addActions({undo, redo});
    actions_.insert(QStringLiteral("undo"), undo);
    actions_.insert(QStringLiteral("redo"), redo);
    menu->addSeparator();
    auto *tools = new QActionGroup(this);
    const auto tool = [&](const char *name, const QString &text, const QString &key, Tool which) {
        QAction *action = addAction(menu, QString::fromLatin1(name), text, key, [this, which] { setTool(which); });
        action->setCheckable(true);
        action->setChecked(which == settings_.tool);
        tools->addAction(action);
    };
    tool("navigate", tr("&Navigate"), tr("N"), Tool::Navigate);
    tool("brush", tr("&Brush"), tr("B"), Tool::Brush);
    tool("erase", tr("&Erase"), tr("E"), Tool::Erase);
    tool("fill", tr("&Fill"), tr("F"), Tool::Fill);
    menu->addSeparator();
    addAction(menu, QStringLiteral("smaller"), tr("Smaller brush"), tr("["), [this] { stepRadius(-1); });
    addAction(menu, QStringLiteral("larger"), tr("Larger brush"), tr("]"), [this] { stepRadius(1); });
    addSwitch(menu, QStringLiteral("ball"), tr("Brush paints a ball (3-D)"), tr("3"), settings_.ball);
    addSwitch(menu, QStringLiteral("onlyBackground"), tr("Brush leaves other labels alone"), tr("O"),
              settings_.brush.onlyBackground);
}

void MainWindow::buildViewMenu()
{
    QMenu *menu = menuBar()->addMenu(tr("&View"));
    addSwitch(menu, QStringLiteral("showLabels"), tr("&Labels"), tr("Space"), settings_.showLabels);
    addSwitch(menu, QStringLiteral("showPrediction"), tr("&Prediction"), tr("P"), settings_.showPrediction);
    addSwitch(menu, QStringLiteral("fillPrediction"), tr("Prediction filled"), tr("Shift+P"), settings_.fillPrediction);
    addSwitch(menu, QStringLiteral("crosshair"), tr("&Crosshair"), tr("X"), settings_.showCrosshair);
    menu->addSeparator();
    addAction(menu, QStringLiteral("fit"), tr("&Fit to the window"), tr("Home"), [this] {
        for (SliceView *view : views_)
            view->fit();
    });
    addAction(menu, QStringLiteral("autoGrey"), tr("&Automatic grey values"), tr("A"), [this] {
        const std::array<float, 2> range = session_.current()->volume->range();
        setGrey(range[0], range[1]);
    });
    menu->addSeparator();
    addAction(menu, QStringLiteral("previous"), tr("Previous case"), tr("PgUp"), [this] { stepCase(-1); });
    addAction(menu, QStringLiteral("next"), tr("Next case"), tr("PgDown"), [this] { stepCase(1); });
}

void MainWindow::buildModelMenu()
{
    QMenu *menu = menuBar()->addMenu(tr("&Model"));
    addAction(menu, QStringLiteral("train"), tr("&Train ..."), tr("Ctrl+T"), [this] { train(); });
    addAction(menu, QStringLiteral("predict"), tr("&Predict"), tr("Ctrl+P"),
              [this] { session_.predict({session_.current()}); });
    addAction(menu, QStringLiteral("predictUnlabelled"), tr("Predict all &unlabelled"), tr("Ctrl+U"),
              [this] { predictUnlabelled(); });
    addAction(menu, QStringLiteral("cancel"), tr("&Cancel"), tr("Esc"), [this] { session_.compute().cancel(); });
    menu->addSeparator();
    addAction(menu, QStringLiteral("accept"), tr("&Accept the prediction"), tr("Ctrl+Return"),
              [this] { session_.accept(session_.current()); });
    addAction(menu, QStringLiteral("discard"), tr("&Discard the prediction"), tr("Ctrl+Backspace"),
              [this] { session_.discardPrediction(session_.current()); });
    menu->addSeparator();
    addAction(menu, QStringLiteral("loadModel"), tr("&Load a model ..."), {}, [this] { loadModel(); });
    addAction(menu, QStringLiteral("saveModel"), tr("&Save the model ..."), {}, [this] { saveModel(); });
}

void MainWindow::buildHelpMenu()
{
    QMenu *menu = menuBar()->addMenu(tr("&Help"));
    addAction(menu, QStringLiteral("help"), tr("&Keys and mouse"), QKeySequence::HelpContents,
              [this] { showShortcuts(); });
    addAction(menu, QStringLiteral("about"), tr("&About"), {}, [this] {
        QMessageBox::about(this, tr("genseg viewer"),
                           tr("An example of embedding libgenseg %1.\nNot for clinical use.")
                               .arg(QString::fromUtf8(genseg_version())));
    });
}

void MainWindow::showShortcuts()
{
    QString rows = tr(MOUSE_HELP);
    for (QAction *top : menuBar()->actions()) {
        for (QAction *action : top->menu()->actions()) {
            if (!action->shortcut().isEmpty())
                rows += QStringLiteral("<tr><td>%1</td><td>%2</td></tr>")
                            .arg(action->shortcut().toString(QKeySequence::NativeText).toHtmlEscaped(),
                                 action->text().remove(QLatin1Char('&')).toHtmlEscaped());
        }
    }
    auto *box =
        new QMessageBox(QMessageBox::NoIcon, tr("Keys and mouse"),
                        QStringLiteral("<table cellpadding='2'>%1</table>").arg(rows), QMessageBox::Close, this);
    box->setObjectName(QStringLiteral("shortcuts"));
    box->setAttribute(Qt::WA_DeleteOnClose);
    box->open();
}

void MainWindow::buildToolBar()
{
    QToolBar *bar = addToolBar(tr("Tools"));
    bar->setMovable(false);
    static const char *const names[] = {"open", "saveLabels", "",     "navigate", "brush", "erase",   "fill",
                                        "",     "undo",       "redo", "",         "train", "predict", "accept"};
    for (const char *name : names) {
        if (*name)
            bar->addAction(actions_.value(QString::fromLatin1(name)));
        else
            bar->addSeparator();
    }
}

// --- Panels ---

void MainWindow::buildViews()
{
    for (int n = 0; n < 3; ++n) {
        views_[n] = new SliceView(static_cast<View>(n), settings_, session_.labelTable());
        static const char *const names[] = {"axial", "coronal", "sagittal"};
        views_[n]->setObjectName(QString::fromLatin1(names[n]));
    }
    right_ = new QSplitter(Qt::Vertical);
    right_->addWidget(views_[1]);
    right_->addWidget(views_[2]);
    split_ = new QSplitter(Qt::Horizontal);
    split_->addWidget(views_[0]);
    split_->addWidget(right_);
    split_->setStretchFactor(0, 3);
    split_->setStretchFactor(1, 2);
    setCentralWidget(split_);
}

static QDockWidget *addPanel(QMainWindow *window, const QString &title, Qt::DockWidgetArea area, QWidget *content)
{
    auto *dock = new QDockWidget(title, window);
    dock->setFeatures(QDockWidget::NoDockWidgetFeatures);
    dock->setWidget(content);
    window->addDockWidget(area, dock);
    return dock;
}

void MainWindow::buildCasePanel()
{
    caseList_ = new QTreeWidget;
    caseList_->setObjectName(QStringLiteral("cases"));
    caseList_->setHeaderLabels({tr("Case"), tr("State")});
    caseList_->setRootIsDecorated(false);
    caseList_->setUniformRowHeights(true);
    caseList_->header()->setStretchLastSection(false);
    caseList_->header()->setSectionResizeMode(0, QHeaderView::Stretch);
    caseList_->header()->setSectionResizeMode(1, QHeaderView::ResizeToContents);
    connect(caseList_, &QTreeWidget::currentItemChanged, this, [this](QTreeWidgetItem *row) {
        if (row)
            session_.setCurrent(session_.cases().at(caseList_->indexOfTopLevelItem(row)));
    });
    addPanel(this, tr("Cases"), Qt::LeftDockWidgetArea, caseList_)->setMinimumWidth(230);

    scoreTable_ = new QTableWidget(0, 4);
    scoreTable_->setObjectName(QStringLiteral("scores"));
    scoreTable_->setHorizontalHeaderLabels({tr("Label"), tr("ml"), tr("predicted"), tr("Dice")});
    scoreTable_->verticalHeader()->hide();
    scoreTable_->setEditTriggers(QAbstractItemView::NoEditTriggers);
    scoreTable_->setSelectionMode(QAbstractItemView::NoSelection);
    scoreTable_->setFocusPolicy(Qt::NoFocus);
    scoreTable_->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    scoreTable_->horizontalHeader()->setSectionResizeMode(0, QHeaderView::Stretch);
    QDockWidget *scores = addPanel(this, tr("Sizes"), Qt::LeftDockWidgetArea, scoreTable_);
    resizeDocks({scores}, {200}, Qt::Vertical);
}

void MainWindow::buildToolPanel()
{
    auto *column = new QVBoxLayout;
    column->addWidget(buildLabelBox(), 1);
    column->addWidget(buildPaintBox());
    column->addWidget(buildGreyBox());
    column->addWidget(buildModelBox());
    column->setContentsMargins(6, 0, 6, 6);
    auto *panel = new QWidget;
    panel->setLayout(column);
    auto *scroll = new QScrollArea; // on low screens
    scroll->setWidget(panel);
    scroll->setWidgetResizable(true);
    scroll->setFrameShape(QFrame::NoFrame);
    scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    scroll->setMinimumWidth(300);
    scroll->setMaximumWidth(340);
    addPanel(this, tr("Tools"), Qt::RightDockWidgetArea, scroll);
}

QWidget *MainWindow::buildLabelBox()
{
    LabelTable &table = session_.labelTable();
    labelView_ = new QTableView;
    labelView_->setObjectName(QStringLiteral("labels"));
    labelView_->setModel(&table);
    labelView_->verticalHeader()->hide();
    labelView_->setSelectionBehavior(QAbstractItemView::SelectRows);
    labelView_->setSelectionMode(QAbstractItemView::SingleSelection);
    labelView_->horizontalHeader()->setSectionResizeMode(QHeaderView::ResizeToContents);
    labelView_->horizontalHeader()->setSectionResizeMode(LabelTable::Name, QHeaderView::Stretch);
    labelView_->setMinimumHeight(90);
    labelView_->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Ignored); // it gets what the rest leaves
    connect(labelView_->selectionModel(), &QItemSelectionModel::currentRowChanged, this,
            [this](const QModelIndex &row) {
                if (row.isValid())
                    settings_.brush.value = session_.labelTable().label(row.row()).value;
            });
    const auto askColour = [this, &table] {
        const int row = labelView_->currentIndex().row();
        const QColor colour = row < 0 ? QColor() : QColorDialog::getColor(table.label(row).colour, this);
        if (colour.isValid())
            table.setColour(row, colour);
    };
    connect(labelView_, &QTableView::doubleClicked, this, [askColour](const QModelIndex &index) {
        if (index.column() == LabelTable::Value)
            askColour();
    });
    connect(&table, &LabelTable::looksChanged, this, [this] {
        if (session_.current())
            showScores();
    });
    labelView_->selectRow(0);
    auto *add = new QPushButton(tr("Add label"));
    add->setObjectName(QStringLiteral("addLabel"));
    auto *colour = new QPushButton(tr("Colour ..."));
    connect(add, &QPushButton::clicked, this, [this, &table] { labelView_->selectRow(table.add()); });
    connect(colour, &QPushButton::clicked, this, askColour);
    auto *box = new QGroupBox(tr("Labels"));
    auto *column = new QVBoxLayout(box);
    auto *buttons = new QHBoxLayout;
    column->addWidget(labelView_);
    column->addLayout(buttons);
    buttons->addWidget(add);
    buttons->addWidget(colour);
    return box;
}

static QCheckBox *boxOf(QAction *action, const QString &text)
{
    auto *box = new QCheckBox(text);
    box->setChecked(action->isChecked());
    QObject::connect(box, &QCheckBox::toggled, action, &QAction::setChecked);
    QObject::connect(action, &QAction::toggled, box, &QCheckBox::setChecked);
    return box;
}

QWidget *MainWindow::buildPaintBox()
{
    radius_ = new QDoubleSpinBox;
    radius_->setObjectName(QStringLiteral("radius"));
    radius_->setRange(0.1, 200);
    radius_->setDecimals(1);
    radius_->setValue(settings_.brush.radius);
    connect(radius_, &QDoubleSpinBox::valueChanged, this, [this](double radius) {
        settings_.brush.radius = radius;
        updateViews();
    });
    auto *box = new QGroupBox(tr("Brush"));
    auto *form = new QFormLayout(box);
    form->addRow(tr("Radius"), radius_);
    auto *row = new QHBoxLayout;
    row->addWidget(boxOf(actions_.value(QStringLiteral("ball")), tr("Ball (3-D)")));
    row->addWidget(boxOf(actions_.value(QStringLiteral("onlyBackground")), tr("Keep other labels")));
    form->addRow(row);
    return box;
}

QWidget *MainWindow::buildGreyBox()
{
    low_ = new QDoubleSpinBox;
    high_ = new QDoubleSpinBox;
    low_->setObjectName(QStringLiteral("low"));
    high_->setObjectName(QStringLiteral("high"));
    for (QDoubleSpinBox *box : {low_, high_}) {
        box->setRange(-1e9, 1e9);
        box->setMinimumWidth(70); // not as wide as its longest number
        box->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Fixed);
        box->setKeyboardTracking(false);
        connect(box, &QDoubleSpinBox::valueChanged, this, [this] { setGrey(low_->value(), high_->value()); });
    }
    channel_ = new QSpinBox;
    channel_->setEnabled(false);
    connect(channel_, &QSpinBox::valueChanged, this, [this](int channel) {
        settings_.channel = channel;
        updateViews();
    });
    auto *automatic = new QPushButton(tr("Auto"));
    connect(automatic, &QPushButton::clicked, actions_.value(QStringLiteral("autoGrey")), &QAction::trigger);
    auto *box = new QGroupBox(tr("Display"));
    auto *form = new QFormLayout(box);
    auto *row = new QHBoxLayout;
    row->addWidget(low_, 1);
    row->addWidget(high_, 1);
    row->addWidget(automatic);
    form->addRow(tr("Grey"), row);
    form->addRow(tr("Channel"), channel_);
    form->addRow(boxOf(actions_.value(QStringLiteral("fillPrediction")), tr("Prediction filled")));
    return box;
}

QWidget *MainWindow::buildModelBox()
{
    modelText_ = new QLabel(tr("No model yet: train one, or load one."));
    modelText_->setObjectName(QStringLiteral("model"));
    modelText_->setWordWrap(true);
    auto *box = new QGroupBox(tr("Model"));
    auto *column = new QVBoxLayout(box);
    auto *buttons = new QHBoxLayout;
    for (const char *name : {"train", "predict", "predictUnlabelled"}) {
        QAction *action = actions_.value(QString::fromLatin1(name));
        auto *button = new QPushButton(
            name == std::string("predictUnlabelled") ? tr("Predict all") : action->text().remove(QLatin1Char('&')));
        button->setEnabled(false);
        connect(button, &QPushButton::clicked, action, &QAction::trigger);
        connect(action, &QAction::changed, button, [button, action] { button->setEnabled(action->isEnabled()); });
        buttons->addWidget(button);
    }
    column->addWidget(modelText_);
    column->addLayout(buttons);
    column->addWidget(new JobPanel(session_.compute()));
    return box;
}
