// Measures how long the UI thread didn't answer at most: a timer asks to be called every few milliseconds.
#pragma once

#include <QApplication>
#include <QElapsedTimer>
#include <QEvent>
#include <QFile>
#include <QTimer>
#include <QWidget>
#include <algorithm>

class Watchdog : public QObject
{
public:
    Watchdog() : waits_(QStringLiteral("/proc/thread-self/schedstat"))
    {
        if (waits_.exists())
            waits_.open(QIODevice::ReadOnly | QIODevice::Unbuffered);
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
    // The same less the time that the thread would have run, had a core been free (Linux; elsewhere as longest()): what
    // the program itself is to blame for.
    double longestOwn() const
    {
        return longestOwn_;
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
    // Of the thread that is looked at, in all.
    double waitedForCore()
    {
        if (!waits_.isOpen() || !waits_.seek(0))
            return 0;
        return waits_.readAll().split(' ').value(1).toDouble() / 1e6;
    }

    void tick()
    {
        const double gap = static_cast<double>(since_.nsecsElapsed()) / 1e6, waited = waitedForCore();
        if (!excused_) {
            longest_ = std::max(longest_, gap);
            longestOwn_ = std::max(longestOwn_, gap - (waited - waited_));
        }
        excused_ = false;
        waited_ = waited;
        since_.start();
    }

    QTimer timer_;
    QElapsedTimer since_;
    QFile waits_;
    double longest_ = 0, longestOwn_ = 0, waited_ = 0;
    bool excused_ = true; // until the first call
};
