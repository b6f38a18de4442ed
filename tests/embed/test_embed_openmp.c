// A host that uses OpenMP itself: it calls the library from inside a parallel region, and finds
// its own OpenMP settings as they were.

#include <omp.h>
#include <stdio.h>
#include <sys/stat.h>

#include "job.h"
#include "watch.h"

#define TEAM 3

typedef struct settings {
    int threads, dynamic, levels, chunk;
    omp_sched_t schedule;
} settings;

static settings settings_now(void)
{
    settings now;
    now.threads = omp_get_max_threads();
    now.dynamic = omp_get_dynamic();
    now.levels = omp_get_max_active_levels();
    omp_get_schedule(&now.schedule, &now.chunk);
    return now;
}

static int settings_equal(settings a, settings b)
{
    return a.threads == b.threads && a.dynamic == b.dynamic && a.levels == b.levels && a.chunk == b.chunk &&
           a.schedule == b.schedule;
}

int main(void)
{
    watch host;
    watch_begin(&host);
    omp_set_num_threads(TEAM);
    omp_set_schedule(omp_sched_guided, 7);
    settings before = settings_now();
    static job_result alone;
    job_run_alone(2, host.folder, &alone);
    int failed = alone.failed ? watch_say(&host, "%s", alone.message) : 0;
    if (!settings_equal(settings_now(), before)) {
        failed += watch_say(&host, "OpenMP's settings have changed");
    }
    static job_result results[TEAM];
    int changed = 0;
    // Nested regions allowed, then not: in both the library is in a region already.
    for (int levels = 2; levels >= 1 && !failed; --levels) {
        omp_set_max_active_levels(levels);
#pragma omp parallel num_threads(TEAM) reduction(+ : changed)
        {
            int i = omp_get_thread_num();
            char folder[96];
            snprintf(folder, sizeof folder, "%s/%d", host.folder, i);
            mkdir(folder, 0700);
            settings inside = settings_now();
            job_run_alone(2, folder, &results[i]);
            changed += !settings_equal(settings_now(), inside);
        }
        for (int i = 0; i < TEAM; ++i) {
            if (results[i].failed) {
                failed += watch_say(&host, "thread %d of the region: %s", i, results[i].message);
            } else if (!job_equal(&results[i], &alone)) {
                failed += watch_say(&host, "thread %d of the region has other results than the host alone", i);
            }
        }
    }
    if (changed != 0) {
        failed += watch_say(&host, "OpenMP's settings have changed in %d threads of the region", changed);
    }
    return failed + watch_end(&host) == 0 ? 0 : 1;
}
