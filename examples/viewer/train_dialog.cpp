// The form of a training.
#include "train_dialog.h"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QFormLayout>
#include <QLabel>
#include <QPushButton>
#include <QSpinBox>

TrainDialog::TrainDialog(int labelledCases, QWidget *parent)
    : QDialog(parent), method_(new QComboBox), limit_(new QComboBox), minutes_(new QDoubleSpinBox),
      steps_(new QSpinBox), width_(new QSpinBox), size_(new QSpinBox), validation_(new QSpinBox)
{
    setWindowTitle(tr("Train"));
    method_->setObjectName(QStringLiteral("method"));
    method_->addItem(tr("With a generator of synthetic images (GenSeg)"), QByteArray("genseg"));
    method_->addItem(tr("Augmented images"), QByteArray("augment"));
    method_->addItem(tr("Images as they are"), QByteArray("plain"));
    limit_->setObjectName(QStringLiteral("limit"));
    limit_->addItems({tr("Time"), tr("Steps")});
    minutes_->setObjectName(QStringLiteral("minutes"));
    minutes_->setRange(0.1, 24 * 60);
    minutes_->setDecimals(1);
    minutes_->setValue(TrainOptions().minutes);
    minutes_->setSuffix(tr(" minutes"));
    steps_->setObjectName(QStringLiteral("steps"));
    steps_->setRange(1, 1000000);
    steps_->setValue(2000);
    width_->setObjectName(QStringLiteral("width"));
    width_->setRange(0, 256);
    width_->setSpecialValueText(tr("chosen"));
    size_->setObjectName(QStringLiteral("size"));
    size_->setRange(0, 1024);
    size_->setSingleStep(16);
    size_->setSpecialValueText(tr("chosen"));
    size_->setSuffix(tr(" voxels"));
    validation_->setObjectName(QStringLiteral("validation"));
    validation_->setRange(0, 90);
    validation_->setValue(20);
    validation_->setSuffix(tr(" %"));

    auto *form = new QFormLayout(this);
    form->addRow(new QLabel(tr("Labelled cases: %1").arg(labelledCases)));
    form->addRow(tr("Method"), method_);
    form->addRow(tr("Limit"), limit_);
    form->addRow(QString(), minutes_);
    form->addRow(QString(), steps_);
    form->addRow(tr("Width of the network"), width_);
    form->addRow(tr("Its field of view"), size_);
    form->addRow(tr("Kept for validation"), validation_);
    auto *buttons = new QDialogButtonBox(QDialogButtonBox::Ok | QDialogButtonBox::Cancel);
    buttons->button(QDialogButtonBox::Ok)->setText(tr("Train"));
    form->addRow(buttons);
    const auto showLimit = [this](int choice) {
        minutes_->setEnabled(choice == 0);
        steps_->setEnabled(choice == 1);
    };
    showLimit(0);
    connect(limit_, &QComboBox::currentIndexChanged, this, showLimit);
    connect(buttons, &QDialogButtonBox::accepted, this, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
}

TrainOptions TrainDialog::options() const
{
    TrainOptions options;
    options.method = method_->currentData().toByteArray();
    options.minutes = minutes_->value();
    options.steps = limit_->currentIndex() == 1 ? steps_->value() : 0;
    options.width = width_->value();
    options.size = size_->value();
    options.validation = validation_->value() / 100.0;
    return options;
}
