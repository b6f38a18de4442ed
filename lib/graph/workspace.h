// Memory for the intermediate values of several plans that run by turns: as much as the largest of them needs. What the
// host sees of a plan (inputs, outputs, parameters) is the plan's own and stays.
#ifndef GSG_GRAPH_WORKSPACE_H
#define GSG_GRAPH_WORKSPACE_H

#include "core/context.h"
#include "core/error.h"

typedef struct gsg_workspace {
    genseg_context *context;
    int32_t references; // of plans and whoever made it, all in one thread
    float *data;        // moves when it grows
    size_t bytes;
} gsg_workspace;

genseg_status gsg_workspace_new(genseg_context *context, gsg_workspace **workspace, gsg_error *err);
gsg_workspace *gsg_workspace_retain(gsg_workspace *workspace);
void gsg_workspace_release(gsg_workspace *workspace); // NULL allowed
// Makes it `bytes` large at least. What was in it is lost.
genseg_status gsg_workspace_grow(gsg_workspace *workspace, size_t bytes, gsg_error *err);

#endif
