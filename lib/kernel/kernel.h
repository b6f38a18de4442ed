// What every numeric operation looks like to the executor: a kernel is made once
// for fixed shapes, then run on buffers any number of times. It allocates nothing
// while it runs; the memory it needs beside its arguments is its `scratch`.
//
// Layout of an activation (N, C, [D,] H, W): channels in groups of `block`, the
// group's channels innermost: element (n, c, s), s the flat spatial index, is at
//   n * batch_stride + (c / block) * S * block + s * block + c % block.
// block 1 is plain (N, C, S). The channels that pad the last group are zero, in
// and out: every kernel keeps that true. Anything that isn't an activation
// (scalars, vectors of channels, labels) is plain.
//
// A batch_stride larger than dense makes the value a range of channels of a
// larger one (concatenation without a copy). Every kernel takes it, for sources
// and destinations alike.
//
// Vectors of channels (bias, gamma, mean, ...) hold C rounded up to 16 floats,
// zero beyond C.
#ifndef GSG_KERNEL_KERNEL_H
#define GSG_KERNEL_KERNEL_H

#include "core/alloc.h"
#include "tensor/shape.h"

#define GSG_VECTOR_PAD 16

typedef struct gsg_desc {
    gsg_shape shape;
    int32_t block;
    int64_t batch_stride; // floats between samples
} gsg_desc;

// What one execution carries beside buffers.
typedef struct gsg_run {
    uint64_t seed;             // of dropout
    uint64_t step;             // of dropout: another step, another mask
    int32_t update_statistics; // non-zero: batch norm moves its running statistics
    int32_t reserved;
} gsg_run;

typedef struct gsg_kernel gsg_kernel;
struct gsg_kernel {
    genseg_context *context;
    // args: sources, then destinations, in the order that the constructor
    // documents; an optional one that is absent is NULL. scratch: `scratch` bytes,
    // 64-byte aligned. Never writes to a source; a destination may be the same
    // buffer as a source only where the constructor says so.
    genseg_status (*run)(const gsg_kernel *self, const gsg_run *run, float *const *args, void *scratch,
                         gsg_error *err);
    void (*destroy)(gsg_kernel *self);
    size_t scratch;   // bytes
    double flops;     // of one run, 2 for a multiply-add; 0 where memory decides
    double bytes;     // read and written by one run
    const char *name; // operation and implementation, for profiles
};

void gsg_kernel_free(gsg_kernel *kernel); // NULL allowed; destroy (may be NULL), then the struct itself

// oneDNN's engine and stream, and the block that suits this machine's vectors
// (16 with AVX-512, else 8). One for each plan; used by one thread at a time.
typedef struct gsg_engine gsg_engine;
genseg_status gsg_engine_new(genseg_context *context, gsg_engine **engine, gsg_error *err);
void gsg_engine_free(gsg_engine *engine);
int32_t gsg_engine_block(const gsg_engine *engine);
genseg_context *gsg_engine_context(const gsg_engine *engine); // borrowed
// "oneDNN 2.6.3, avx512_core", borrowed static text.
const char *gsg_engine_info(void);

// For the makers of kernels: a zeroed struct of `size` bytes that begins with a
// gsg_kernel, with context, run and name set; NULL and *err when memory is out.
// `destroy` releases what the struct holds beside itself and may stay NULL.
void *gsg_kernel_make(gsg_engine *engine, size_t size, const char *name,
                      genseg_status (*run)(const gsg_kernel *self, const gsg_run *run, float *const *args,
                                           void *scratch, gsg_error *err),
                      gsg_error *err);

// The layout an activation gets: plain for up to 3 channels (images, one-class
// logits), else blocked; dense.
gsg_desc gsg_desc_activation(const gsg_engine *engine, gsg_shape shape);
gsg_desc gsg_desc_plain(gsg_shape shape);
int64_t gsg_desc_count(const gsg_desc *desc);  // floats from first to last, padding included
int64_t gsg_desc_dense(const gsg_desc *desc);  // floats of one sample without a gap
int64_t gsg_desc_padded(const gsg_desc *desc); // channels rounded up to the block

#endif
