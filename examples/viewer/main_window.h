// The window: case list and volumes at the left, views in the middle, tools, labels and model at the right.
#pragma once

#include "session.h"
#include "slice_view.h"

#include <QMainWindow>
#include <QUndoGroup>
#include <array>

class QCheckBox;
class QDoubleSpinBox;
class QLabel;
class QSpinBox;
class QSplitter;
class QTableView;
class QTableWidget;
class QTreeWidget;

class MainWindow : public QMainWindow
{
    Q_OBJECT

public:
    explicit MainWindow(uint64_t memoryLimit = 0);

    Session &session()
    {
        return session_;
    }
    SliceView *view(View view) const
    {
        return views_[static_cast<size_t>(view)];
    }

protected:
    void closeEvent(QCloseEvent *event) override;
    void dragEnterEvent(QDragEnterEvent *event) override;
    void dropEvent(QDropEvent *event) override;

private:
    // Building (main_window_build.cpp)
    QAction *addAction(QMenu *menu, const QString &name, const QString &text, const QKeySequence &shortcut,
                       const std::function<void()> &triggered);
    QAction *addSwitch(QMenu *menu, const QString &name, const QString &text, const QKeySequence &shortcut,
                       bool &value);
    void buildFileMenu();
    void buildEditMenu();
    void buildViewMenu();
    void buildModelMenu();
    void buildHelpMenu();
    void buildToolBar();
    void buildViews();
    void buildCasePanel();
    void buildToolPanel();
    QWidget *buildPaintBox();
    QWidget *buildLabelBox();
    QWidget *buildGreyBox();
    QWidget *buildModelBox();
    void showShortcuts();

    // Following the session
    void connectSession();
    void listCases(const QList<CasePtr> &added);
    void showCurrent();
    void showCase(const CasePtr &item);
    void showScores();
    void showModel();
    void showTrained(const Trained &result);
    void showPosition(const Index &index);
    void setCursorIndex(const Index &index);
    void updateViews();
    void updateActions();
    void setGrey(double low, double high);

    // What actions do
    void openFiles();
    void openFolder();
    void loadLabels();
    void saveLabels(bool as);
    void savePrediction();
    void loadModel();
    void saveModel();
    void train();
    void predictUnlabelled();
    void stepCase(int step);
    void stepRadius(int step);
    void setTool(Tool tool);
    void tryClose();
    QString labelSuggestion(const Case &item, const QString &suffix) const;

    Session session_;
    ViewSettings settings_;
    QUndoGroup undo_;
    Index cursor_{0, 0, 0};
    CasePtr shown_; // the case whose voxels the views have been given
    bool closing_ = false;
    QHash<QString, QAction *> actions_;
    std::array<SliceView *, 3> views_;
    QSplitter *split_, *right_;
    QTreeWidget *caseList_;
    QTableWidget *scoreTable_;
    QTableView *labelView_;
    QDoubleSpinBox *radius_, *low_, *high_;
    QSpinBox *channel_;
    QLabel *position_, *modelText_;
};
