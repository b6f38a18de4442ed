// A host with threads of its own: each with a context of its own, then all with one, at the same
// time; the results are those of one thread alone.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "job.h"
#include "watch.h"

#define THREADS 2
#define ROUNDS 5

typedef struct worker {
    genseg_context *shared; // NULL: a context of its own
    char folder[96];
    job_result result;
} worker;

static void *work(void *arg)
{
    worker *my = arg;
    for (int i = 0; i < ROUNDS && !my->result.failed; ++i) {
        if (my->shared != NULL) {
            job_run(my->shared, my->folder, &my->result);
        } else {
            job_run_alone(2, my->folder, &my->result);
        }
    }
    return NULL;
}

static int run_together(const watch *host, genseg_context *shared, const job_result *expected)
{
    static worker workers[THREADS];
    pthread_t threads[THREADS];
    int failed = 0;
    for (int i = 0; i < THREADS; ++i) {
        workers[i] = (worker){.shared = shared};
        snprintf(workers[i].folder, sizeof workers[i].folder, "%s/%d", host->folder, i);
        mkdir(workers[i].folder, 0700);
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) {
            exit(99);
        }
    }
    for (int i = 0; i < THREADS; ++i) {
        pthread_join(threads[i], NULL);
        if (workers[i].result.failed) {
            failed += watch_say(host, "thread %d: %s", i, workers[i].result.message);
        } else if (!job_equal(&workers[i].result, expected)) {
            failed += watch_say(host, "thread %d has other results than one thread alone", i);
        }
    }
    return failed;
}

int main(void)
{
    watch host;
    watch_begin(&host);
    static job_result alone;
    job_run_alone(2, host.folder, &alone);
    int failed = alone.failed ? watch_say(&host, "%s", alone.message) : run_together(&host, NULL, &alone);
    genseg_context_options options;
    genseg_context_options_init(&options, sizeof options);
    options.threads = 2;
    genseg_context *shared = NULL;
    if (genseg_context_new(&options, &shared, NULL) != GENSEG_OK) {
        failed += watch_say(&host, "no context");
    } else if (!failed) {
        failed += run_together(&host, shared, &alone);
    }
    genseg_context_free(shared);
    return failed + watch_end(&host) == 0 ? 0 : 1;
}
