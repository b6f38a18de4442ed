// oneDNN as the rest of this room sees it, the same for 2.6 and 3.x. onednn.c and
// engine.c are the only files that include its headers.
#ifndef GSG_KERNEL_ONEDNN_H
#define GSG_KERNEL_ONEDNN_H

#include "kernel/kernel.h"

// Activations of so few channels stay plain.
#define GSG_PLAIN_CHANNELS 3

struct dnnl_engine;
struct dnnl_stream;
struct dnnl_engine *gsg_engine_dnnl(const gsg_engine *engine);
struct dnnl_stream *gsg_engine_stream(const gsg_engine *engine);

// BACKEND, or NOMEM where oneDNN ran out of memory, with `what` (operation and
// shapes) and the text of `result`, a dnnl_status_t.
genseg_status gsg_onednn_error(gsg_error *err, int32_t result, const char *what);

#endif
