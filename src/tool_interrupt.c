// Signal handlers. They touch one flag, the trainer's atomic store and write(2), which
// is all that a handler may do here.
#include "tool_interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#define SIGNALS 3
static const int signals[SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

// A handler gets no argument, hence these two.
static volatile sig_atomic_t asked;
static _Atomic(genseg_trainer *) running;

static void restore_default(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigemptyset(&usual.sa_mask);
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction now;
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaction(signals[i], &usual, NULL);
    }
}

static void on_signal(int number)
{
    static const char text[] = "\ngenseg: stopping; once more to quit at once\n";
    int saved = errno;
    genseg_trainer *trainer = atomic_load(&running);
    asked = 1;
    if (trainer)
        genseg_trainer_cancel(trainer);
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
        // Nothing to be done here.
    }
    restore_default();
    errno = saved;
}

void interrupt_arm(genseg_trainer *trainer)
{
    struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&ours.sa_mask);
    for (int i = 0; i < SIGNALS; i++)
        sigaddset(&ours.sa_mask, signals[i]);
    atomic_store(&running, trainer);
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction now;
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaction(signals[i], &ours, NULL);
    }
}

void interrupt_disarm(void)
{
    restore_default();
    atomic_store(&running, NULL);
}

bool interrupt_asked(void)
{
    return asked != 0;
}
