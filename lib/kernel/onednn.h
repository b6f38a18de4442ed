// oneDNN as the rest of this room sees it, the same for 2.6 and 3.x. onednn.c and
// engine.c are the only files that include its headers.
#ifndef GSG_KERNEL_ONEDNN_H
#define GSG_KERNEL_ONEDNN_H

#include "kernel/kernel.h"

#define GSG_ONEDNN_DIMS 12

// Activations of so few channels stay plain.
#define GSG_PLAIN_CHANNELS 3

struct dnnl_engine;
struct dnnl_stream;
struct dnnl_engine *gsg_engine_dnnl(const gsg_engine *engine);
struct dnnl_stream *gsg_engine_stream(const gsg_engine *engine);

// BACKEND, or NOMEM where oneDNN ran out of memory, with `what` (operation and
// shapes) and the text of `result`, a dnnl_status_t.
genseg_status gsg_onednn_error(gsg_error *err, int32_t result, const char *what);

// How weights (O outputs, I inputs, K taps) lie in memory, b the engine's block.
typedef enum gsg_form {
    GSG_FORM_OI,    // O/b, I/b, K, b inputs, b outputs: a convolution
    GSG_FORM_IO,    // I/b, O/b, K, b inputs, b outputs: a transposed one
    GSG_FORM_FIRST, // O/b, K, I, b outputs: a convolution of plain images
    GSG_FORM_HEAD   // O, I rounded up to b: the 1x1 to few outputs
} gsg_form;

typedef enum gsg_direction { GSG_FORWARD, GSG_BACKWARD_DATA, GSG_BACKWARD_WEIGHTS } gsg_direction;

// A (transposed) convolution of dense activations, each either plain or in the
// engine's blocks. Channels are those that oneDNN is to see: where they are a
// multiple of the block it need not care for padding.
typedef struct gsg_onednn_problem {
    const char *what; // for messages
    gsg_direction direction;
    gsg_form form;
    int32_t spatial; // 2 or 3
    int32_t transposed;
    int32_t bias; // forward only
    int32_t activation;
    float slope;
    int32_t src_plain;
    int32_t dst_plain;
    int32_t no_blocks; // non-zero: no kernel in blocks, not behind plain layouts either
    int64_t batch;
    int64_t src_channels;
    int64_t dst_channels;
    int64_t src[3];
    int64_t dst[3];
    int64_t kernel[3];
    int64_t stride[GSG_ONEDNN_DIMS]; // as long as oneDNN declares its arrays
    int64_t padding[GSG_ONEDNN_DIMS];
} gsg_onednn_problem;

typedef struct gsg_onednn_conv gsg_onednn_conv;

// UNSUPPORTED (and *err) where oneDNN has no implementation of it.
genseg_status gsg_onednn_conv_new(gsg_engine *engine, const gsg_onednn_problem *problem, gsg_onednn_conv **conv,
                                  gsg_error *err);
void gsg_onednn_conv_free(gsg_onednn_conv *conv);              // NULL allowed
const char *gsg_onednn_conv_name(const gsg_onednn_conv *conv); // oneDNN's name of the implementation
// 0: made for the shape (jit), 1: by products of matrices, 2: plain loops, a hundred times slower.
int32_t gsg_onednn_conv_rank(const gsg_onednn_conv *conv);
size_t gsg_onednn_conv_scratch(const gsg_onednn_conv *conv); // bytes, for reorder and for run
// Bytes of the weights in the order that the primitive wants, and whether this
// differs from the stored form.
size_t gsg_onednn_conv_weights(const gsg_onednn_conv *conv);
int32_t gsg_onednn_conv_reorders(const gsg_onednn_conv *conv);
// Stored form to the primitive's order; with backward weights the other way.
genseg_status gsg_onednn_conv_reorder(const gsg_onednn_conv *conv, const float *from, float *to, void *scratch,
                                      gsg_error *err);
// Weights in the primitive's order. Writes dst forward, src with backward data,
// weights with backward weights; `bias` is NULL without one.
genseg_status gsg_onednn_conv_run(const gsg_onednn_conv *conv, float *src, float *weights, float *bias, float *dst,
                                  void *scratch, gsg_error *err);

#endif
