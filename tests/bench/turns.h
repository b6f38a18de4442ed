// What the workers of the benchmark suite (suite.py) have in common. A worker does so many steps at a time as a line of
// its input says, and answers with a line of figures, so that the sides of a comparison take turns; at its end it stops.
// Given by hand: a number of steps instead of "-" in its arguments.
#ifndef GSG_BENCH_TURNS_H
#define GSG_BENCH_TURNS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

static inline void must(genseg_status status, const gsg_error *err)
{
    if (status == GENSEG_OK)
        return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

// Steps of the coming turn; 0: no more. `given` is the argument.
static inline int next_turn(const char *given, int done)
{
    char line[32];
    if (strcmp(given, "-") != 0)
        return done ? 0 : (int)strtol(given, NULL, 10);
    return fgets(line, sizeof line, stdin) ? (int)strtol(line, NULL, 10) : 0;
}

static inline void end_turn(void)
{
    printf("\n");
    fflush(stdout);
}

// Fills `data` from a file of raw floats, DIR/name; false where DIR is NULL.
static inline int read_floats(const char *dir, const char *name, float *data, int64_t count)
{
    char path[4096];
    if (!dir)
        return 0;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "rb");
    if (!file || fread(data, sizeof *data, (size_t)count, file) != (size_t)count) {
        fprintf(stderr, "%s: not %lld floats\n", path, (long long)count);
        exit(1);
    }
    fclose(file);
    return 1;
}

static inline void write_floats(const char *dir, const char *name, const float *data, int64_t count)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, sizeof *data, (size_t)count, file) != (size_t)count || fclose(file) != 0) {
        fprintf(stderr, "%s: can't be written\n", path);
        exit(1);
    }
}

#endif
