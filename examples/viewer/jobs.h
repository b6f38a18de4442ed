// Work off the UI thread: a queue with one thread of its own, progress and cancel, results and errors brought back to
// the thread that owns the queue.
#pragma once

#include <QElapsedTimer>
#include <QMutex>
#include <QObject>
#include <QThreadPool>
#include <atomic>
#include <functional>
#include <genseg/genseg.hpp>
#include <optional>

// What a job sees of the outside.
class JobControl
{
public:
    std::function<void(const genseg_progress &)> report; // on the job's thread

    bool cancelled() const
    {
        return cancelled_;
    }
    // Any thread.
    void cancel();
    // Calls a function on cancel as well, from the thread that cancels; at once where that has happened. Null ends it:
    // afterwards no call is in progress, so that what the function uses may be freed.
    void onCancel(std::function<void()> interrupt);
    // For the library's calls: reports, and tells them when to stop. It refers to the control.
    genseg::progress_function progress();

private:
    std::atomic<bool> cancelled_{false};
    QMutex mutex_;
    std::function<void()> interrupt_;
};

class JobQueue : public QObject
{
    Q_OBJECT

public:
    explicit JobQueue(QObject *parent = nullptr);
    // Cancels and waits.
    ~JobQueue() override;

    // Runs `work` (JobControl & -> Result) after what was asked for before, then `done` (Result) in the queue's own
    // thread. What `work` throws becomes failed(), a cancel ends quietly. `done` should know by what it captured which
    // case it is for: the user may have gone on to another.
    template <typename Work, typename Done> void start(const QString &title, Work work, Done done)
    {
        using Result = decltype(work(std::declval<JobControl &>()));
        enqueue(title, [work = std::move(work), done = std::move(done)](JobControl &control) -> std::function<void()> {
            auto result = std::make_shared<Result>(work(control));
            return [done, result] { done(std::move(*result)); };
        });
    }
    // The running job and all that wait.
    void cancel();
    bool busy() const
    {
        return !controls_.isEmpty();
    }

signals:
    void started(const QString &title);
    void progressed(const genseg_progress &progress);
    void failed(const QString &title, const QString &message);
    // Nothing runs or waits any more.
    void idle();

private:
    using Job = std::function<std::function<void()>(JobControl &)>;
    void enqueue(const QString &title, Job job);
    void run(const QString &title, const Job &job, const std::shared_ptr<JobControl> &control);
    void finish(const std::shared_ptr<JobControl> &control, const std::function<void()> &deliver);

    QThreadPool pool_;
    QList<std::shared_ptr<JobControl>> controls_; // of jobs that run or wait, in order
};
