// The table of operations, one row each.
#include "graph/node.h"

static const gsg_operation source = {.name = "source"};
#define ROW(op, name) [op] = &gsg_operation_##name

static const gsg_operation *const table[GSG_OP_COUNT] = {
    [GSG_OP_INPUT] = &source,
    [GSG_OP_PARAM] = &source,
    ROW(GSG_OP_CONV, conv),
    ROW(GSG_OP_CONV_BACKWARD_DATA, conv_backward_data),
    ROW(GSG_OP_CONV_BACKWARD_WEIGHTS, conv_backward_weights),
    ROW(GSG_OP_MERGE, merge),
    ROW(GSG_OP_MERGE_BACKWARD, merge_backward),
    ROW(GSG_OP_NORM_STATISTICS, norm_statistics),
    ROW(GSG_OP_NORM_RUNNING, norm_running),
    ROW(GSG_OP_NORM_APPLY, norm_apply),
    ROW(GSG_OP_NORM_BACKWARD, norm_backward),
    ROW(GSG_OP_NORM_FOLD, norm_fold),
    ROW(GSG_OP_ACTIVATION, activation),
    ROW(GSG_OP_ACTIVATION_BACKWARD, activation_backward),
    ROW(GSG_OP_SOFTMAX, softmax),
    ROW(GSG_OP_SOFTMAX_BACKWARD, softmax_backward),
    ROW(GSG_OP_ADD, add),
    ROW(GSG_OP_MULTIPLY, multiply),
    ROW(GSG_OP_SCALE, scale),
    ROW(GSG_OP_DROPOUT, dropout),
    ROW(GSG_OP_MAX_POOL, max_pool),
    ROW(GSG_OP_MAX_POOL_BACKWARD, max_pool_backward),
    ROW(GSG_OP_RESIZE, resize),
    ROW(GSG_OP_RESIZE_BACKWARD, resize_backward),
    ROW(GSG_OP_CONCAT, concat),
    ROW(GSG_OP_SLICE, slice),
    ROW(GSG_OP_SUM, sum),
    ROW(GSG_OP_FILL, fill),
    ROW(GSG_OP_DOT, dot),
    ROW(GSG_OP_L1, l1),
    ROW(GSG_OP_L1_BACKWARD, l1_backward),
    ROW(GSG_OP_MSE, mse),
    ROW(GSG_OP_MSE_BACKWARD, mse_backward),
    ROW(GSG_OP_UNIT_PENALTY, unit_penalty),
    ROW(GSG_OP_UNIT_PENALTY_BACKWARD, unit_penalty_backward),
    ROW(GSG_OP_CROSS_ENTROPY, cross_entropy),
    ROW(GSG_OP_CROSS_ENTROPY_BACKWARD, cross_entropy_backward),
    ROW(GSG_OP_SOFT_DICE, soft_dice),
    ROW(GSG_OP_SOFT_DICE_BACKWARD, soft_dice_backward),
    ROW(GSG_OP_DEFORM, deform),
    ROW(GSG_OP_DEFORM_BACKWARD, deform_backward),
    ROW(GSG_OP_APPEARANCE, appearance),
    ROW(GSG_OP_APPEARANCE_BACKWARD, appearance_backward),
    ROW(GSG_OP_GATHER, gather),
    ROW(GSG_OP_GATHER_BACKWARD, gather_backward),
};

const gsg_operation *gsg_operation_of(gsg_op op)
{
    return table[op];
}
