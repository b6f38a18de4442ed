// The host's state around the library's work: see watch.h. Linux.

#include "watch.h"

#include <dirent.h>
#include <ftw.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

int watch_count(const char *what)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/%s", what);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return -1;
    }
    int count = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count;
}

int watch_say(const watch *to, const char *format, ...)
{
    va_list words;
    va_start(words, format);
    vdprintf(to->report, format, words);
    va_end(words);
    dprintf(to->report, "\n");
    return 1;
}

static void die(const char *what)
{
    perror(what);
    exit(99); // Meson: the test itself could not be set up
}

static unsigned long checksum(char *const *words)
{
    unsigned long sum = 5381;
    for (; *words != NULL; ++words) {
        for (const char *c = *words; *c != 0; ++c) {
            sum = sum * 33 + (unsigned char)*c;
        }
        sum = sum * 33 + '\n';
    }
    return sum;
}

// The low six bits are flags that any calculation sets.
static unsigned int sse_control(void)
{
#ifdef __SSE__
    return __builtin_ia32_stmxcsr() & ~0x3fU;
#else
    return 0;
#endif
}

static unsigned int mode_mask(void)
{
    mode_t mask = umask(0);
    umask(mask);
    return (unsigned int)mask;
}

static void note_state(watch *to)
{
    memset(to->handlers, 0, sizeof to->handlers);
    for (int i = 1; i < WATCH_SIGNALS; ++i) {
        sigaction(i, NULL, &to->handlers[i]);
    }
    to->rounding = fegetround();
    to->sse = sse_control();
    to->mask = mode_mask();
    to->environment = checksum(environ);
    snprintf(to->locale, sizeof to->locale, "%s", setlocale(LC_ALL, NULL));
    if (getcwd(to->working, sizeof to->working) == NULL) {
        die("getcwd");
    }
    to->files = watch_count("fd");
}

void watch_begin(watch *to)
{
    memset(to, 0, sizeof *to);
    snprintf(to->folder, sizeof to->folder, "/tmp/genseg-embed-XXXXXX");
    if (mkdtemp(to->folder) == NULL) {
        die(to->folder);
    }
    FILE *output = tmpfile(); // stays open: its descriptor is the file
    to->report = dup(STDERR_FILENO);
    to->stream[0] = dup(STDOUT_FILENO);
    to->stream[1] = dup(STDERR_FILENO);
    if (output == NULL || to->report < 0 || to->stream[0] < 0 || to->stream[1] < 0) {
        die("watch_begin");
    }
    to->output = fileno(output);
    fflush(NULL);
    if (dup2(to->output, STDOUT_FILENO) < 0 || dup2(to->output, STDERR_FILENO) < 0) {
        die("dup2");
    }
    note_state(to);
}

static int check_output(const watch *to)
{
    fflush(NULL);
    char text[512];
    ssize_t had = pread(to->output, text, sizeof text - 1, 0);
    if (had <= 0) {
        return 0;
    }
    text[had] = 0;
    return watch_say(to, "written to stdout or stderr: %s", text);
}

static int check_signals(const watch *before, const watch *after)
{
    int failed = 0;
    for (int i = 1; i < WATCH_SIGNALS; ++i) {
        if (before->handlers[i].sa_handler != after->handlers[i].sa_handler) {
            failed += watch_say(before, "the handler of signal %d is another one", i);
        }
    }
    return failed;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

int watch_end(watch *to)
{
    static watch now; // large
    note_state(&now);
    int failed = check_output(to) + check_signals(to, &now);
    if (now.files != to->files) {
        failed += watch_say(to, "%d files are open, %d were", now.files, to->files);
    }
    if (now.rounding != to->rounding || now.sse != to->sse) {
        failed += watch_say(to, "floating point modes: rounding %d, were %d; MXCSR %#x, was %#x", now.rounding,
                            to->rounding, now.sse, to->sse);
    }
    if (now.mask != to->mask) {
        failed += watch_say(to, "umask is %o, was %o", now.mask, to->mask);
    }
    if (strcmp(now.locale, to->locale) != 0) {
        failed += watch_say(to, "locale is %s, was %s", now.locale, to->locale);
    }
    if (strcmp(now.working, to->working) != 0) {
        failed += watch_say(to, "working folder is %s, was %s", now.working, to->working);
    }
    if (now.environment != to->environment) {
        failed += watch_say(to, "the environment has changed");
    }
    dup2(to->stream[0], STDOUT_FILENO);
    dup2(to->stream[1], STDERR_FILENO);
    nftw(to->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return failed;
}
