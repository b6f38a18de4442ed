// Adversarial losses, and the penalty on the slope of a critic.
#include "nn/adversarial.h"

gsg_value gsg_nn_adversarial(gsg_graph *graph, gsg_value logits, gsg_adversarial kind, int32_t real)
{
    const gsg_shape shape = gsg_graph_shape(graph, logits);
    const float target = real ? 1.0f : 0.0f;
    if (logits >= 0 && shape.dims[1] != 1) {
        gsg_graph_fail(graph, GENSEG_ERROR_SHAPE, "adversarial loss: logits have more than one channel");
        return GSG_NONE;
    }
    switch (kind) {
    case GSG_ADVERSARIAL_VANILLA:
        return gsg_op_cross_entropy(graph, logits, gsg_op_fill(graph, shape, target), GSG_NONE, GSG_NONE);
    case GSG_ADVERSARIAL_LSGAN:
        return gsg_op_mse(graph, logits, gsg_op_fill(graph, shape, target));
    case GSG_ADVERSARIAL_WGAN:
        return gsg_op_scale(graph, gsg_op_mean(graph, logits), real ? -1.0f : 1.0f, GSG_NONE);
    }
    gsg_graph_fail(graph, GENSEG_ERROR_INVALID, "adversarial loss: its kind is not known");
    return GSG_NONE;
}

// The seed of ones makes it the gradient of the sum of all logits; samples don't mix in it, so each has its own slope.
gsg_value gsg_nn_gradient_penalty(gsg_graph *graph, gsg_value score, gsg_value x)
{
    gsg_error error = {0};
    gsg_value slope = GSG_NONE, one = gsg_op_fill(graph, gsg_graph_shape(graph, score), 1.0f);
    genseg_status status = gsg_graph_gradient(graph, &score, &one, 1, &x, 1, &slope, &error);
    if (status == GENSEG_OK && slope == GSG_NONE)
        status = gsg_error_set(&error, GENSEG_ERROR_INVALID, "gradient penalty: the score does not depend on x");
    if (status != GENSEG_OK) {
        gsg_graph_fail(graph, status, error.message);
        return GSG_NONE;
    }
    return gsg_op_unit_penalty(graph, slope);
}
