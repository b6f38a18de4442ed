// What each host of these tests has the library do, small enough to be repeated fifty times:
// data sets generated, written and read, scores, and files that can't be read.
#ifndef EMBED_JOB_H
#define EMBED_JOB_H

#include <genseg/genseg.h>

#include <string.h>

#define JOB_VALUES 64

typedef struct job_result {
    int failed;
    char message[GENSEG_ERROR_MESSAGE_SIZE + 128]; // which call failed and why
    int count;
    double values[JOB_VALUES]; // what came out: the same whatever the host is
} job_result;

// Runs the job in `context`. `folder` exists and may be written to; what is written there is
// left. Fails too where a file that can't be read gives no error.
void job_run(genseg_context *context, const char *folder, job_result *to);

// The same with a context of `threads` threads that lives for this job alone; fails too if the
// context still holds memory at the end.
void job_run_alone(int threads, const char *folder, job_result *to);

// 1: the same values, bit for bit. Here, for a host that isn't linked to the job.
static inline int job_equal(const job_result *one, const job_result *other)
{
    return one->count == other->count &&
           memcmp(one->values, other->values, (size_t)one->count * sizeof one->values[0]) == 0;
}

#endif
