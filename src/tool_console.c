// Messages and the progress line. A message is written with one call, so that lines
// of several processes on one terminal don't mix.
#include "tool_console.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <genseg/genseg.h>

#define LINE_SIZE 1200
#define REDRAW_SECONDS 0.1
#define PLAIN_SECONDS 10.0
// Small networks are validated many times a second.
#define VALIDATED_SECONDS 1.0
#define BAR_WIDTH 24
// Carriage return, then erase to the end of the line.
#define ERASE_LINE "\r\033[K"

double console_clock(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void console_init(console *to, bool quiet)
{
    *to = (console){.terminal = isatty(STDERR_FILENO) == 1, .quiet = quiet, .drawn_at = console_clock()};
}

// Nothing can be done about an stderr that can't be written.
static void emit(const char *text, size_t length)
{
    while (length > 0) {
        ssize_t put = write(STDERR_FILENO, text, length);
        if (put <= 0)
            return;
        text += put;
        length -= (size_t)put;
    }
}

static void emit_line(const char *before, const char *format, va_list args)
{
    char line[LINE_SIZE];
    int used = snprintf(line, sizeof line - 1, "%s", before);
    int more = vsnprintf(line + used, sizeof line - 1 - (size_t)used, format, args);
    size_t length = (size_t)used + (more > 0 ? (size_t)more : 0);
    if (length > sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    emit(line, length);
}

void console_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    emit_line("", format, args);
    va_end(args);
}

void console_clear(console *to)
{
    if (to->line_drawn)
        emit(ERASE_LINE, strlen(ERASE_LINE));
    to->line_drawn = false;
}

void console_error(console *to, const char *format, ...)
{
    va_list args;
    console_clear(to);
    va_start(args, format);
    emit_line("genseg: ", format, args);
    va_end(args);
}

void console_warn(console *to, const char *format, ...)
{
    va_list args;
    console_clear(to);
    va_start(args, format);
    emit_line("genseg: warning: ", format, args);
    va_end(args);
}

void console_note(console *to, const char *format, ...)
{
    va_list args;
    if (to->quiet)
        return;
    console_clear(to);
    va_start(args, format);
    emit_line("", format, args);
    va_end(args);
}

void console_log(int32_t level, const char *message, void *user)
{
    if (level == GENSEG_LOG_ERROR)
        console_error(user, "%s", message);
    else if (level == GENSEG_LOG_WARNING)
        console_warn(user, "%s", message);
}

const char *console_time(double seconds, char text[CONSOLE_TIME_SIZE])
{
    if (!(seconds >= 0.0 && seconds < 1e9)) {
        snprintf(text, CONSOLE_TIME_SIZE, "?");
        return text;
    }
    long whole = lround(seconds);
    if (whole >= 3600)
        snprintf(text, CONSOLE_TIME_SIZE, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(text, CONSOLE_TIME_SIZE, "%ld:%02ld", whole / 60, whole % 60);
    return text;
}

const char *console_bytes(uint64_t bytes, char text[CONSOLE_BYTES_SIZE])
{
    static const char *const units[] = {"bytes", "KB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1000.0 && unit < 4; unit++)
        value /= 1024.0;
    snprintf(text, CONSOLE_BYTES_SIZE, unit && value < 10.0 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

// --- Progress ---

// Part of the work that is done, or NaN. A training may end by time before its steps are made, or
// have no number of steps at all: what is left counts there.
static double fraction_of(const genseg_progress *progress)
{
    double fraction = NAN;
    if (progress->phase == GENSEG_PHASE_TRAIN && progress->seconds_left >= 0.0 && progress->seconds > 0.0)
        fraction = progress->seconds / (progress->seconds + progress->seconds_left);
    else if (progress->total > 0)
        fraction = (double)progress->done / (double)progress->total;
    return fraction < 0.0 ? 0.0 : fraction > 1.0 ? 1.0 : fraction;
}

typedef struct line {
    char text[LINE_SIZE];
    size_t used;
} line;

static void add(line *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(line *to, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int more = vsnprintf(to->text + to->used, sizeof to->text - to->used, format, args);
    va_end(args);
    if (more > 0)
        to->used += (size_t)more < sizeof to->text - to->used ? (size_t)more : sizeof to->text - to->used - 1;
}

static const char *phase_name(int32_t phase)
{
    switch (phase) {
    case GENSEG_PHASE_LOAD:
        return "load";
    case GENSEG_PHASE_PRETRAIN:
        return "generator";
    case GENSEG_PHASE_TRAIN:
        return "train";
    case GENSEG_PHASE_VALIDATE:
        return "validate";
    case GENSEG_PHASE_PREDICT:
        return "predict";
    case GENSEG_PHASE_EVALUATE:
        return "evaluate";
    case GENSEG_PHASE_WRITE:
        return "write";
    default:
        return "work";
    }
}

static const char *unit_name(int32_t phase)
{
    return phase == GENSEG_PHASE_TRAIN || phase == GENSEG_PHASE_PRETRAIN ? "step"
           : phase == GENSEG_PHASE_PREDICT                                  ? "tile"
                                                                            : "case";
}

static void add_head(line *to, const console *about, const genseg_progress *progress)
{
    add(to, "%s", phase_name(progress->phase));
    if (about->what)
        add(to, " %s", about->what);
}

static void add_counts(line *to, const genseg_progress *progress)
{
    add(to, "  %s %lld", unit_name(progress->phase), (long long)progress->done);
    if (progress->total > 0)
        add(to, "/%lld", (long long)progress->total);
}

// Validation is a part of the training: its line goes on, with the cases added.
static void add_validation(line *to, const genseg_progress *progress)
{
    add(to, "  validating %lld/%lld", (long long)progress->done, (long long)progress->total);
}

static void add_scores(line *to, const genseg_progress *progress)
{
    char left[CONSOLE_TIME_SIZE];
    if (isfinite(progress->loss))
        add(to, "  loss %.4f", progress->loss);
    if (isfinite(progress->validation_dice))
        add(to, "  val Dice %.3f", progress->validation_dice);
    if (isfinite(progress->best_dice))
        add(to, " (best %.3f)", progress->best_dice);
    if (progress->units_per_second > 0.0)
        add(to, progress->units_per_second < 10.0 ? "  %.2f %ss/s" : "  %.0f %ss/s", progress->units_per_second,
            unit_name(progress->phase));
    if (progress->seconds_left >= 0.0)
        add(to, "  %s left", console_time(progress->seconds_left, left));
}

static size_t terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

// On a narrow terminal the bar goes first, then the end of the line.
static void draw(console *to, const genseg_progress *progress)
{
    line head = {.used = 0}, tail = {.used = 0}, all = {.used = 0};
    bool validating = progress->phase == GENSEG_PHASE_VALIDATE && to->training.struct_size;
    const genseg_progress *main = validating ? &to->training : progress;
    double fraction = fraction_of(main);
    size_t width = terminal_width();
    add_head(&head, to, main);
    add_counts(&tail, main);
    if (validating)
        add_validation(&tail, progress);
    add_scores(&tail, main);
    add(&all, "%s", head.text);
    if (isfinite(fraction) && head.used + tail.used + BAR_WIDTH + 4 < width) {
        int filled = (int)lround(fraction * BAR_WIDTH);
        add(&all, " [%.*s%.*s]", filled, "########################", BAR_WIDTH - filled, "........................");
    }
    add(&all, "%s", tail.text);
    if (all.used >= width)
        all.text[width - 1] = '\0';
    line out = {.used = 0};
    add(&out, "%s%s", ERASE_LINE, all.text);
    emit(out.text, out.used);
    to->line_drawn = true;
}

void console_progress(console *to, const genseg_progress *progress)
{
    bool validated = to->phase == GENSEG_PHASE_VALIDATE && progress->phase == GENSEG_PHASE_TRAIN;
    double time = console_clock(), pause = to->terminal ? REDRAW_SECONDS : validated ? VALIDATED_SECONDS : PLAIN_SECONDS;
    to->phase = progress->phase;
    if (progress->phase == GENSEG_PHASE_TRAIN)
        to->training = *progress;
    if (to->quiet || time - to->drawn_at < pause)
        return;
    to->drawn_at = time;
    if (to->terminal) {
        draw(to, progress);
        return;
    }
    line plain = {.used = 0};
    add_head(&plain, to, progress);
    add_counts(&plain, progress);
    add_scores(&plain, progress);
    console_note(to, "%s", plain.text);
}
