// A host in a locale that writes numbers with a comma: files and messages stay as they are.
// argv[1] is the locale; the run without one gives the results to compare with.

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "job.h"
#include "watch.h"

int main(int argc, char **argv)
{
    watch host;
    watch_begin(&host);
    static job_result plain;
    static job_result result;
    job_run_alone(2, host.folder, &plain);
    int failed = plain.failed ? watch_say(&host, "%s", plain.message) : 0;
    failed += watch_end(&host);
    if (argc != 2 || setlocale(LC_ALL, argv[1]) == NULL || strcmp(localeconv()->decimal_point, ",") != 0) {
        fprintf(stderr, "no such locale, or one without a decimal comma\n");
        return 77;
    }
    watch_begin(&host);
    job_run_alone(2, host.folder, &result);
    if (result.failed) {
        failed += watch_say(&host, "%s", result.message);
    } else if (!job_equal(&result, &plain)) {
        failed += watch_say(&host, "other results in %s", argv[1]);
    }
    return failed + watch_end(&host) == 0 ? 0 : 1;
}
