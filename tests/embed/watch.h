// What belongs to the host and must be, after the library's work, as it was: open files, the two
// output streams, signal handlers, locale, rounding, working folder, file mode mask, environment.
#ifndef EMBED_WATCH_H
#define EMBED_WATCH_H

#include <fenv.h>
#include <signal.h>

#define WATCH_SIGNALS 32

typedef struct watch {
    char folder[64]; // a scratch folder for the test, removed by watch_end()
    int report;      // the stderr that the test started with
    int output;      // the file that fd 1 and 2 lead to meanwhile
    int stream[2];   // what they were
    int files;
    int rounding;
    unsigned int sse; // control bits of MXCSR, flush to zero among them; 0 elsewhere
    unsigned int mask;
    char locale[128];
    char working[512];
    unsigned long environment; // a checksum
    struct sigaction handlers[WATCH_SIGNALS];
} watch;

// Makes the scratch folder, sends fd 1 and 2 to a file, notes the rest. Ends the test if it can't.
void watch_begin(watch *to);
// Compares; says on the real stderr what has changed. The number of changes.
int watch_end(watch *to);
// A line on the real stderr. Returns 1: the count of failures it stands for.
int watch_say(const watch *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Entries of a folder of /proc/self: "fd", "task".
int watch_count(const char *what);

#endif
