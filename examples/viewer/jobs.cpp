// The job queue: one low-priority thread, errors as text.
#include "jobs.h"

#include <cmath>
#ifdef __linux__
#include <sys/resource.h>
#endif

// Reports reach the window at most so often, other than new phases and scores.
static const int REPORT_MS = 50;

// The window goes first where all cores compute. Threads that OpenMP starts from this one inherit it.
static void lowerPriority()
{
#ifdef __linux__
    setpriority(PRIO_PROCESS, 0, 10); // of this thread, on Linux
#endif
}

void JobControl::cancel()
{
    QMutexLocker lock(&mutex_);
    cancelled_ = true;
    if (interrupt_)
        interrupt_();
}

void JobControl::onCancel(std::function<void()> interrupt)
{
    QMutexLocker lock(&mutex_);
    interrupt_ = std::move(interrupt);
    if (interrupt_ && cancelled_)
        interrupt_();
}

genseg::progress_function JobControl::progress()
{
    return [this](const genseg_progress &progress) {
        if (report)
            report(progress);
        return cancelled();
    };
}

JobQueue::JobQueue(QObject *parent) : QObject(parent)
{
    // One thread, kept: OpenMP has a team for each thread that calls it.
    pool_.setMaxThreadCount(1);
    pool_.setExpiryTimeout(-1);
}

JobQueue::~JobQueue()
{
    cancel();
    pool_.waitForDone();
}

void JobQueue::cancel()
{
    for (const auto &control : controls_)
        control->cancel();
}

void JobQueue::enqueue(const QString &title, Job job)
{
    auto control = std::make_shared<JobControl>();
    controls_.append(control);
    pool_.start([this, title, job = std::move(job), control] { run(title, job, control); });
}

// On the pool's thread. Signals from it reach objects of the UI thread through its event loop.
void JobQueue::run(const QString &title, const Job &job, const std::shared_ptr<JobControl> &control)
{
    lowerPriority();
    std::function<void()> deliver;
    if (!control->cancelled()) {
        emit started(title);
        QElapsedTimer since;
        int32_t phase = 0;
        double dice = NAN;
        control->report = [&](const genseg_progress &progress) {
            const bool news =
                progress.phase != phase || (progress.validation_dice != dice && !std::isnan(progress.validation_dice));
            if (!news && since.isValid() && since.elapsed() < REPORT_MS && progress.done != progress.total)
                return;
            phase = progress.phase;
            dice = progress.validation_dice;
            since.start();
            emit progressed(progress);
        };
        try {
            deliver = job(*control);
        } catch (const genseg::cancelled &) {
            // As was asked for.
        } catch (const std::bad_alloc &) {
            emit failed(title, tr("There is not enough memory."));
        } catch (const std::exception &error) {
            emit failed(title, QString::fromUtf8(error.what()));
        }
    }
    QMetaObject::invokeMethod(
        this, [this, control, deliver] { finish(control, deliver); }, Qt::QueuedConnection);
}

void JobQueue::finish(const std::shared_ptr<JobControl> &control, const std::function<void()> &deliver)
{
    controls_.removeOne(control);
    if (deliver)
        deliver();
    if (controls_.isEmpty())
        emit idle();
}
