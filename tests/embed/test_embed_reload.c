// A host that loads and unloads a plug-in fifty times, which takes libgenseg with it: the same
// results each time, and neither files, threads nor memory left behind.

#include <dlfcn.h>
#include <malloc.h>
#include <string.h>

#include "job.h"
#include "watch.h"

#define ROUNDS 50
#define WARM_UP 10 // rounds until pools and caches are filled
// Bytes a round that the heap may grow still: HDF5's free lists and malloc's caches fill slowly
// (some 25 KB in all). A data set that leaks is far above it.
#define GROWTH 1600

typedef void (*plugin_fn)(const char *folder, job_result *to);

// One life of the plug-in. The number of failures.
static int live(const watch *host, const char *path, job_result *result)
{
    void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (plugin == NULL) {
        return watch_say(host, "%s", dlerror());
    }
    plugin_fn run;
    void *symbol = dlsym(plugin, "plugin_run");
    memcpy(&run, &symbol, sizeof run); // ISO C knows no cast from object to function
    run(host->folder, result);
    int failed = result->failed ? watch_say(host, "%s", result->message) : 0;
    if (dlclose(plugin) != 0) {
        failed += watch_say(host, "%s", dlerror());
    }
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        return 99;
    }
    watch host;
    watch_begin(&host);
    job_result first;
    job_result result;
    int failed = 0;
    int threads = 0;
    size_t memory = 0;
    for (int i = 0; i < ROUNDS && !failed; ++i) {
        failed += live(&host, argv[1], i == 0 ? &first : &result);
        if (i > 0 && !failed && !job_equal(&first, &result)) {
            failed += watch_say(&host, "round %d has other results than the first", i + 1);
        }
        if (i + 1 == WARM_UP) {
            threads = watch_count("task");
            memory = mallinfo2().uordblks;
        }
    }
    if (!failed && watch_count("task") > threads) {
        failed += watch_say(&host, "%d threads, %d after round %d", watch_count("task"), threads, WARM_UP);
    }
    size_t grown = mallinfo2().uordblks;
    grown = grown > memory ? grown - memory : 0;
    if (!failed && grown > (size_t)GROWTH * (ROUNDS - WARM_UP)) {
        failed += watch_say(&host, "the heap has grown by %zu bytes in %d rounds", grown, ROUNDS - WARM_UP);
    }
    return failed + watch_end(&host) == 0 ? 0 : 1;
}
