// A small plot of the validation Dice while a training runs.
#pragma once

#include <QVector>
#include <QWidget>

class CurveView : public QWidget
{
    Q_OBJECT

public:
    explicit CurveView(QWidget *parent = nullptr);

    void clear();
    void add(double seconds, double dice);
    const QVector<QPointF> &points() const
    {
        return points_;
    }

protected:
    void paintEvent(QPaintEvent *event) override;

private:
    QVector<QPointF> points_; // seconds, Dice
};
