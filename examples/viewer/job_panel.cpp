// The panel of the running job, fed by the queue's signals.
#include "job_panel.h"

#include <QBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <cmath>

static const int BAR = 1000;

static QString phaseName(int32_t phase)
{
    switch (phase) {
    case GENSEG_PHASE_LOAD:
        return JobPanel::tr("Loading");
    case GENSEG_PHASE_PRETRAIN:
        return JobPanel::tr("Training the generator");
    case GENSEG_PHASE_TRAIN:
        return JobPanel::tr("Training");
    case GENSEG_PHASE_VALIDATE:
        return JobPanel::tr("Validating");
    case GENSEG_PHASE_PREDICT:
        return JobPanel::tr("Predicting");
    default:
        return JobPanel::tr("Working");
    }
}

static QString duration(double seconds)
{
    if (seconds < 60)
        return JobPanel::tr("%1 s").arg(std::ceil(seconds));
    return JobPanel::tr("%1 min").arg(std::ceil(seconds / 60));
}

JobPanel::JobPanel(JobQueue &queue, QWidget *parent)
    : QWidget(parent), text_(new QLabel), bar_(new QProgressBar), cancel_(new QPushButton(tr("Cancel"))),
      curve_(new CurveView)
{
    bar_->setObjectName(QStringLiteral("progress"));
    bar_->setRange(0, BAR);
    bar_->setTextVisible(false);
    text_->setObjectName(QStringLiteral("progressText"));
    text_->setWordWrap(true);
    text_->setAlignment(Qt::AlignLeft | Qt::AlignTop);
    text_->setMinimumHeight(2 * text_->fontMetrics().lineSpacing());
    auto *row = new QHBoxLayout;
    row->addWidget(bar_, 1);
    row->addWidget(cancel_);
    auto *column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->addLayout(row);
    column->addWidget(text_);
    column->addWidget(curve_);
    connect(cancel_, &QPushButton::clicked, &queue, &JobQueue::cancel);
    connect(cancel_, &QPushButton::clicked, this, [this] { text_->setText(tr("Stopping ...")); });
    connect(&queue, &JobQueue::started, this, &JobPanel::start);
    connect(&queue, &JobQueue::progressed, this, &JobPanel::show);
    connect(&queue, &JobQueue::idle, this, &JobPanel::stop);
    stop();
}

void JobPanel::start(const QString &title)
{
    title_ = title;
    text_->setText(title);
    bar_->setValue(0);
    cancel_->setEnabled(true);
    newestDice_ = -1;
}

void JobPanel::show(const genseg_progress &progress)
{
    bar_->setRange(0, progress.total > 0 ? BAR : 0); // 0: it only moves
    if (progress.total > 0)
        bar_->setValue(
            static_cast<int>(static_cast<double>(progress.done) / static_cast<double>(progress.total) * BAR));
    QStringList figures;
    if (progress.total > 0)
        figures << tr("%1 of %2").arg(progress.done).arg(progress.total);
    if (!std::isnan(progress.loss))
        figures << tr("loss %1").arg(progress.loss, 0, 'f', 3);
    if (!std::isnan(progress.best_dice))
        figures << tr("best Dice %1").arg(progress.best_dice, 0, 'f', 3);
    if (!std::isnan(progress.seconds_left))
        figures << tr("%1 left").arg(duration(progress.seconds_left));
    const bool predicting = progress.phase == GENSEG_PHASE_PREDICT; // the title says of what
    text_->setText((predicting ? title_ : phaseName(progress.phase)) + QStringLiteral("\n") +
                   figures.join(QStringLiteral(", ")));
    if (progress.phase == GENSEG_PHASE_LOAD && progress.done == 0)
        curve_->clear();
    if (!std::isnan(progress.validation_dice) && progress.validation_dice != newestDice_) {
        newestDice_ = progress.validation_dice;
        curve_->add(progress.seconds, newestDice_);
    }
}

void JobPanel::stop()
{
    text_->setText(tr("No job is running."));
    bar_->setRange(0, BAR);
    bar_->setValue(0);
    cancel_->setEnabled(false);
}
