// Measures how long the UI thread was busy at most: a timer asks to be called every few milliseconds.
#pragma once

#include <QApplication>
#include <QElapsedTimer>
#include <QEvent>
#include <QTimer>
#include <QWidget>
#include <algorithm>

class Watchdog : public QObject
{
public:
    Watchdog()
    {
        timer_.setTimerType(Qt::PreciseTimer);
        connect(&timer_, &QTimer::timeout, this, [this] { tick(); });
        timer_.start(5);
        since_.start();
        qApp->installEventFilter(this);
    }

    // Milliseconds from one call of the timer to the next, windows' first appearances left out.
    double longest() const
    {
        return longest_;
    }
    // What goes on now isn't the application's own doing: it doesn't count.
    void excuse()
    {
        excused_ = true;
    }

protected:
    bool eventFilter(QObject *object, QEvent *event) override
    {
        if (event->type() == QEvent::Show && object->isWidgetType() && static_cast<QWidget *>(object)->isWindow())
            excused_ = true;
        return false;
    }

private:
    void tick()
    {
        const double gap = static_cast<double>(since_.nsecsElapsed()) / 1e6;
        if (!excused_)
            longest_ = std::max(longest_, gap);
        excused_ = false;
        since_.start();
    }

    QTimer timer_;
    QElapsedTimer since_;
    double longest_ = 0;
    bool excused_ = true; // until the first call
};
