// A plug-in of a host: the only part of it that is linked to libgenseg.

#include "job.h"

__attribute__((visibility("default"))) void plugin_run(const char *folder, job_result *to);

void plugin_run(const char *folder, job_result *to)
{
    job_run_alone(2, folder, to);
}
