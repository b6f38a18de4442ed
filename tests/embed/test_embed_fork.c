// A host that forks after it has used the library: the child may not use the parent's handles and
// is told so; it may free them, and work with a context of one thread of its own. (OpenMP's pool
// of threads does not survive a fork, whence no more than one.)

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job.h"
#include "watch.h"

static int child(const watch *host, genseg_context *context, genseg_dataset *dataset, const job_result *expected)
{
    alarm(60); // a dead lock is the failure to be feared
    genseg_error err;
    genseg_dataset *other = NULL;
    int failed = 0;
    if (genseg_dataset_phantom(context, NULL, &other, &err) != GENSEG_ERROR_FORKED || other != NULL) {
        failed += watch_say(host, "the child could use its parent's context");
    }
    if (genseg_dataset_split(dataset, 2, 1, 1, &err) != GENSEG_ERROR_FORKED) {
        failed += watch_say(host, "the child could use its parent's data set");
    }
    genseg_dataset_free(dataset);
    genseg_context_free(context);
    static job_result result;
    job_run_alone(1, host->folder, &result);
    if (result.failed) {
        failed += watch_say(host, "in the child: %s", result.message);
    } else if (!job_equal(&result, expected)) {
        failed += watch_say(host, "the child has other results");
    }
    return failed;
}

int main(void)
{
    watch host;
    watch_begin(&host);
    static job_result alone;
    static job_result again;
    job_run_alone(1, host.folder, &alone);
    job_run_alone(2, host.folder, &again); // so that there is a pool of threads
    int failed = alone.failed ? watch_say(&host, "%s", alone.message) : 0;
    genseg_context *context = NULL;
    genseg_dataset *dataset = NULL;
    if (genseg_context_new(NULL, &context, NULL) != GENSEG_OK ||
        genseg_dataset_phantom(context, NULL, &dataset, NULL) != GENSEG_OK) {
        failed += watch_say(&host, "no data set");
    }
    if (!failed) {
        pid_t process = fork();
        if (process == 0) {
            _exit(child(&host, context, dataset, &alone) == 0 ? 0 : 1);
        }
        int status = -1;
        if (process < 0 || waitpid(process, &status, 0) != process || status != 0) {
            failed += watch_say(&host, "the child ended with status %#x", (unsigned int)status);
        }
    }
    if (!failed && genseg_dataset_split(dataset, 2, 1, 1, NULL) != GENSEG_OK) {
        failed += watch_say(&host, "the parent can't go on");
    }
    genseg_dataset_free(dataset);
    genseg_context_free(context);
    return failed + watch_end(&host) == 0 ? 0 : 1;
}
