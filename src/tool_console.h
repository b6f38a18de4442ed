// What people see while the tool works: messages, warnings of the library and one
// line of progress, all on stderr. Results go to stdout and not through here.
#ifndef GENSEG_TOOL_CONSOLE_H
#define GENSEG_TOOL_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <genseg/base.h>

typedef struct console {
    bool terminal;            // stderr is one: progress is a line that is redrawn
    bool quiet;               // nothing but warnings and errors
    bool line_drawn;          // the redrawn line is on the screen
    double drawn_at;          // seconds, when it was drawn or a plain line printed
    int32_t phase;            // of the last progress seen
    genseg_progress training; // the newest of that phase: validation is shown within it
    uint64_t memory;          // limit that the user has set, 0 for none: named where memory is exhausted
    const char *what;         // the file or case that is worked on, or NULL
} console;

void console_init(console *to, bool quiet);

// One line on stderr, whole in one write. Also where no console exists yet.
void console_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

// "genseg: ..." on stderr, over the progress line if there is one.
void console_error(console *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
void console_warn(console *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The same without the prefix, and not if quiet.
void console_note(console *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

// For genseg_context_options: shows warnings and errors. `user` is the console.
void console_log(int32_t level, const char *message, void *user);

// Shows where work stands: on a terminal at most ten times a second, else a line every ten
// seconds and after validations.
void console_progress(console *to, const genseg_progress *progress);
// Takes the progress line away.
void console_clear(console *to);

// A clock that only goes forward, in seconds.
double console_clock(void);

// "1:02:03", "2:03" into `text`; "?" where unknown.
#define CONSOLE_TIME_SIZE 24
const char *console_time(double seconds, char text[CONSOLE_TIME_SIZE]);
// "803 MB", "1.2 GB".
#define CONSOLE_BYTES_SIZE 24
const char *console_bytes(uint64_t bytes, char text[CONSOLE_BYTES_SIZE]);

#endif
