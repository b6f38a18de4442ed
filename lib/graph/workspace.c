// Memory that plans share.
#include "graph/workspace.h"

#include "core/alloc.h"

genseg_status gsg_workspace_new(genseg_context *context, gsg_workspace **workspace, gsg_error *err)
{
    gsg_workspace *made = gsg_alloc_zero(context, 1, sizeof *made);
    if (!made)
        return gsg_error_nomem(err, sizeof *made);
    made->context = gsg_context_retain(context);
    made->references = 1;
    *workspace = made;
    return GENSEG_OK;
}

gsg_workspace *gsg_workspace_retain(gsg_workspace *workspace)
{
    workspace->references++;
    return workspace;
}

void gsg_workspace_release(gsg_workspace *workspace)
{
    if (!workspace || --workspace->references > 0)
        return;
    genseg_context *context = workspace->context;
    gsg_free(context, workspace->data);
    gsg_free(context, workspace);
    gsg_context_release(context);
}

genseg_status gsg_workspace_grow(gsg_workspace *workspace, size_t bytes, gsg_error *err)
{
    if (bytes <= workspace->bytes)
        return GENSEG_OK;
    gsg_free(workspace->context, workspace->data); // first, so that both are never there at once
    workspace->data = gsg_alloc_zero(workspace->context, bytes, 1);
    workspace->bytes = workspace->data ? bytes : 0;
    return workspace->data ? GENSEG_OK : gsg_error_nomem(err, bytes);
}
