// The inside of a graph, for the files of this room: values, nodes and the table of
// operations. Adding an operation is one builder with its entry in an ops_*.c file
// and one row in operation.c.
#ifndef GSG_GRAPH_NODE_H
#define GSG_GRAPH_NODE_H

#include <stdbool.h>

#include "graph/graph.h"

#define GSG_NODE_SOURCES 6
#define GSG_NODE_RESULTS 4

typedef enum gsg_op {
    GSG_OP_INPUT,
    GSG_OP_PARAM,
    GSG_OP_CONV,
    GSG_OP_CONV_BACKWARD_DATA,
    GSG_OP_CONV_BACKWARD_WEIGHTS,
    GSG_OP_MERGE,
    GSG_OP_MERGE_BACKWARD,
    GSG_OP_NORM_STATISTICS,
    GSG_OP_NORM_RUNNING,
    GSG_OP_NORM_APPLY,
    GSG_OP_NORM_BACKWARD,
    GSG_OP_NORM_FOLD,
    GSG_OP_ACTIVATION,
    GSG_OP_ACTIVATION_BACKWARD,
    GSG_OP_SOFTMAX,
    GSG_OP_SOFTMAX_BACKWARD,
    GSG_OP_ADD,
    GSG_OP_MULTIPLY,
    GSG_OP_SCALE,
    GSG_OP_DROPOUT,
    GSG_OP_MAX_POOL,
    GSG_OP_MAX_POOL_BACKWARD,
    GSG_OP_RESIZE,
    GSG_OP_RESIZE_BACKWARD,
    GSG_OP_CONCAT,
    GSG_OP_SLICE,
    GSG_OP_SUM,
    GSG_OP_FILL,
    GSG_OP_DOT,
    GSG_OP_L1,
    GSG_OP_L1_BACKWARD,
    GSG_OP_MSE,
    GSG_OP_MSE_BACKWARD,
    GSG_OP_UNIT_PENALTY,
    GSG_OP_UNIT_PENALTY_BACKWARD,
    GSG_OP_CROSS_ENTROPY,
    GSG_OP_CROSS_ENTROPY_BACKWARD,
    GSG_OP_SOFT_DICE,
    GSG_OP_SOFT_DICE_BACKWARD,
    GSG_OP_DEFORM,
    GSG_OP_DEFORM_BACKWARD,
    GSG_OP_APPEARANCE,
    GSG_OP_APPEARANCE_BACKWARD,
    GSG_OP_GATHER,
    GSG_OP_GATHER_BACKWARD,
    GSG_OP_COUNT
} gsg_op;

typedef struct gsg_node {
    gsg_op op;
    int32_t src_count;
    int32_t dst_count;
    int32_t block; // that it belongs to, counted from 1; 0: none. Set by gsg_graph_append()
    gsg_value src[GSG_NODE_SOURCES]; // in the order of the kernel's arguments; GSG_NONE: absent
    gsg_value dst[GSG_NODE_RESULTS];
    union {
        struct {
            gsg_conv conv;
            gsg_epilogue epilogue;
        };
        struct {
            gsg_norm norm;
            int32_t fixed; // statistics are constants
        };
        struct {
            gsg_activation activation;
            float slope;
        };
        struct {
            float constant; // factor, or dropout's probability
            uint32_t id;    // dropout's
        };
        gsg_pool pool;
        gsg_dice dice;
        gsg_deform deform;
        gsg_appearance appearance;
        int32_t align_corners;
        int64_t channel; // slice: its first
    };
} gsg_node;

typedef enum gsg_role {
    GSG_ROLE_ACTIVATION, // layout by gsg_desc_activation()
    GSG_ROLE_VECTOR,     // rows of channels, each padded to GSG_VECTOR_PAD
    GSG_ROLE_WEIGHTS     // weights of a convolution or their gradient, in the stored layout
} gsg_role;

typedef struct gsg_value_info {
    gsg_shape shape;
    gsg_role role;
    int32_t param;   // index in params for a parameter, else -1
    int32_t layout;  // WEIGHTS: index in params of the parameter whose layout it has
    int32_t node;    // that makes it
    int64_t floats;  // of VECTOR and WEIGHTS
} gsg_value_info;

struct gsg_graph {
    genseg_context *context;
    gsg_params *params;
    gsg_node *nodes;
    int32_t node_count, node_capacity;
    gsg_value_info *values;
    int32_t value_count, value_capacity;
    int32_t reverse; // first node of the reverse pass; node_count while there is none
    uint32_t dropouts;
    int32_t block, blocks; // that nodes are appended to now; begun so far
    gsg_error error; // first error of a builder; status GENSEG_OK while there is none
};

// --- building (graph.c) ---
bool gsg_graph_ok(const gsg_graph *graph);
gsg_value gsg_graph_error(gsg_graph *graph, genseg_status status, const char *format, ...) GSG_PRINTF(3, 4);
gsg_value gsg_graph_activation(gsg_graph *graph, gsg_shape shape);
gsg_value gsg_graph_vector(gsg_graph *graph, int64_t rows, int64_t channels); // shape (rows, channels)
gsg_value gsg_graph_scalar(gsg_graph *graph);
gsg_value gsg_graph_like(gsg_graph *graph, gsg_value value); // role and shape of `value`: for its gradient
// Appends a copy of `node`; its dst values must have been made. Returns dst[0].
gsg_value gsg_graph_append(gsg_graph *graph, const gsg_node *node);
// True where the value exists and is an activation; else records an error naming `op`.
bool gsg_graph_check_activation(gsg_graph *graph, gsg_value value, const char *op);
bool gsg_graph_check_equal(gsg_graph *graph, gsg_value a, gsg_value b, const char *op);
bool gsg_graph_is_scalar(const gsg_graph *graph, gsg_value value);
// One source, one result of the same shape.
gsg_value gsg_graph_unary(gsg_graph *graph, gsg_node node, gsg_value x, const char *op);

// --- the table of operations (operation.c) ---
typedef struct gsg_compile {
    gsg_engine *engine;
    const gsg_graph *graph;
    const gsg_desc *descs; // layout of each value
} gsg_compile;

typedef struct gsg_operation {
    const char *name;
    // Appends nodes that yield diff_src[i] for each i with need[i]; leaves GSG_NONE otherwise. `node` is a copy.
    // NULL: no gradient.
    void (*differentiate)(gsg_graph *graph, const gsg_node *node, const gsg_value *diff_dst, const bool *need,
                          gsg_value *diff_src);
    // Makes the kernel; NULL for values without work (inputs, parameters).
    genseg_status (*compile)(const gsg_compile *compile, const gsg_node *node, gsg_kernel **kernel, gsg_error *err);
    int32_t cheap;    // may be computed again instead of being kept
    // 1 + index of the source whose buffer dst[0] may take over; 0: none; GSG_LAST_IN_PLACE: the last
    // result may take over the last source's
    int32_t in_place;
} gsg_operation;

#define GSG_LAST_IN_PLACE (-1)

const gsg_operation *gsg_operation_of(gsg_op op);

// The rows, by file.
extern const gsg_operation gsg_operation_conv, gsg_operation_conv_backward_data, gsg_operation_conv_backward_weights;
extern const gsg_operation gsg_operation_merge, gsg_operation_merge_backward;
extern const gsg_operation gsg_operation_norm_statistics, gsg_operation_norm_running, gsg_operation_norm_apply,
    gsg_operation_norm_backward, gsg_operation_norm_fold;
extern const gsg_operation gsg_operation_activation, gsg_operation_activation_backward, gsg_operation_softmax,
    gsg_operation_softmax_backward, gsg_operation_add, gsg_operation_multiply, gsg_operation_scale,
    gsg_operation_dropout;
extern const gsg_operation gsg_operation_max_pool, gsg_operation_max_pool_backward, gsg_operation_resize,
    gsg_operation_resize_backward, gsg_operation_concat, gsg_operation_slice;
extern const gsg_operation gsg_operation_sum, gsg_operation_fill, gsg_operation_dot, gsg_operation_l1,
    gsg_operation_l1_backward, gsg_operation_mse, gsg_operation_mse_backward, gsg_operation_unit_penalty,
    gsg_operation_unit_penalty_backward, gsg_operation_cross_entropy,
    gsg_operation_cross_entropy_backward, gsg_operation_soft_dice, gsg_operation_soft_dice_backward;
extern const gsg_operation gsg_operation_deform, gsg_operation_deform_backward, gsg_operation_appearance,
    gsg_operation_appearance_backward, gsg_operation_gather, gsg_operation_gather_backward;

#endif
