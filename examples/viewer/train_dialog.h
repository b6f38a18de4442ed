// Asks for what a training is to be: few fields, the rest is the library's choice.
#pragma once

#include "engine.h"

#include <QDialog>

class QComboBox;
class QDoubleSpinBox;
class QSpinBox;

class TrainDialog : public QDialog
{
    Q_OBJECT

public:
    explicit TrainDialog(int labelledCases, QWidget *parent = nullptr);
    TrainOptions options() const;

private:
    QComboBox *method_, *limit_;
    QDoubleSpinBox *minutes_;
    QSpinBox *steps_, *width_, *size_, *validation_;
};
