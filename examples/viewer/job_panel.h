// What the running training or prediction is doing: phase, bar, figures, curve, and Cancel.
#pragma once

#include "curve_view.h"
#include "jobs.h"

class QLabel;
class QProgressBar;
class QPushButton;

class JobPanel : public QWidget
{
    Q_OBJECT

public:
    explicit JobPanel(JobQueue &queue, QWidget *parent = nullptr);

private:
    void start(const QString &title);
    void show(const genseg_progress &progress);
    void stop();

    QString title_;
    QLabel *text_;
    QProgressBar *bar_;
    QPushButton *cancel_;
    CurveView *curve_;
    double newestDice_ = -1;
};
