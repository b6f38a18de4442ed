// The parameters of a network: named tensors that outlive graphs and plans. Graphs
// of any image size, for training and for inference, refer to the same parameters.
// Convolution weights are kept in the layout that the kernels want (kernel/conv.h);
// import and export convert to the public row-major order.
#ifndef GSG_GRAPH_PARAMS_H
#define GSG_GRAPH_PARAMS_H

#include "core/alloc.h"
#include "kernel/conv.h"

typedef enum gsg_param_kind {
    GSG_PARAM_VECTOR = 1,      // trainable vector of channels: bias, gamma, beta, logits of a cell
    GSG_PARAM_CONV,            // trainable (OC, IC, k...)
    GSG_PARAM_CONV_TRANSPOSED, // trainable (IC, OC, k...)
    GSG_PARAM_STATISTIC        // running mean or variance: saved, never differentiated
} gsg_param_kind;

typedef struct gsg_param {
    char *name; // as PyTorch's state_dict would say: "inc.double_conv.0.weight"
    gsg_param_kind kind;
    gsg_weights layout; // of the two CONV kinds; else only shape and count are set
    float *data;        // layout.count floats, padding zero
} gsg_param;

// One list for each network. Not shared between threads while it changes.
typedef struct gsg_params {
    genseg_context *context;
    gsg_engine *engine; // for the weights' layout; owned
    gsg_param *items;
    int32_t count;
    int32_t capacity;
} gsg_params;

genseg_status gsg_params_new(genseg_context *context, gsg_params **params, gsg_error *err);
void gsg_params_free(gsg_params *params);

// Index of the parameter of that name: the existing one (INTERNAL where kind or shape differ), or a
// new one, zero.
genseg_status gsg_params_get(gsg_params *params, const char *name, gsg_param_kind kind, gsg_shape shape, int32_t *index,
                             gsg_error *err);
int32_t gsg_params_find(const gsg_params *params, const char *name);         // -1: none
int64_t gsg_params_values(const gsg_params *params, int32_t trainable_only); // number of weights, padding not counted

// Between the public row-major order and the stored one.
void gsg_param_import(gsg_param *param, const float *plain);
// Some rows (indices of the first dimension) of a parameter that was zero or had all of its rows imported.
void gsg_param_import_rows(gsg_param *param, int64_t first, int64_t rows, const float *plain);
void gsg_param_export(const gsg_param *param, float *plain);

// Copies all values of `src` into `dst`, which has the same parameters in the same order (kept states:
// the best model so far, the weights before a probe). Bit for bit.
void gsg_params_copy(gsg_params *dst, const gsg_params *src);
// The first parameter with a value that is NaN or infinite, NULL where all are finite.
const gsg_param *gsg_params_broken(const gsg_params *params);
// A list with the same names, kinds and values.
genseg_status gsg_params_clone(const gsg_params *src, gsg_params **clone, gsg_error *err);

#endif
