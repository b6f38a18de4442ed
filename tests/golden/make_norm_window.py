#!/usr/bin/env python3
"""Writes golden_norm.h and golden_window.h: what PyTorch (float64) makes of normalisation, pooling and resampling.

Inputs are not stored: sample() of make_pointwise_loss.py and of the tests gives the same float32 numbers.
Run with PyTorch and NumPy installed:  python3 make_norm_window.py
"""

import os

import numpy as np
import torch
import torch.nn.functional as F

from make_pointwise_loss import emit_array, sample, tensor

EPSILON, MOMENTUM = 1e-3, 0.2
BATCH, INSTANCE, FIXED = "batch", "instance", "fixed"


def vector(count, salt, scale, offset):
    return torch.from_numpy((sample(count, salt) * scale + offset).astype(np.float32)).double()


def dims(shape):
    return f"{{{len(shape)}, {{{', '.join(map(str, list(shape) + [0] * (5 - len(shape))))}}}}}"


def normalise(x, running, gamma, beta, mode):
    if mode == INSTANCE:
        return F.instance_norm(x, *running, gamma, beta, True, MOMENTUM, EPSILON)
    return F.batch_norm(x, *running, gamma, beta, mode == BATCH, MOMENTUM, EPSILON)


def norms(out):
    shapes = [(2, c, 3, 5) for c in (1, 3, 5)] + [(2, 16, 2, 3), (3, 20, 2, 2), (2, 64, 1, 2), (2, 5, 2, 3, 2)]
    rows = []
    for shape in shapes:
        for mode, slope in ((BATCH, 0.0), (INSTANCE, 0.2), (FIXED, 0.0), (BATCH, 1.0)):
            if slope == 1.0 and len(shape) != 5:
                continue
            c, name = shape[1], f"golden_norm_{len(rows)}"
            x = tensor(shape, 1, 2.0).requires_grad_()
            gamma = vector(c, 2, 0.5, 1.0).requires_grad_()
            beta = vector(c, 3, 0.5, 0.0).requires_grad_()
            running = [vector(c, 4, 0.5, 0.0), vector(c, 5, 0.5, 1.0)]
            y = F.leaky_relu(normalise(x, running, gamma, beta, mode), slope)
            y.backward(tensor(shape, 6))
            for part, values in (("y", y.detach()), ("dx", x.grad), ("dgamma", gamma.grad), ("dbeta", beta.grad),
                                 ("mean", running[0]), ("variance", running[1])):
                emit_array(out, f"{name}_{part}", values)
            parts = ", ".join(f"{name}_{p}" for p in ("y", "dx", "dgamma", "dbeta", "mean", "variance"))
            rows.append(f"    {{{dims(shape)}, {int(mode == INSTANCE)}, {int(mode == FIXED)}, {slope}f, {parts}}},\n")
    out.write("""
typedef struct golden_norm {
    gsg_shape shape;
    int32_t per_sample;
    int32_t fixed; // running statistics
    float slope;   // 1: no activation
    const double *y, *dx, *dgamma, *dbeta;
    const double *mean, *variance; // the running ones afterwards
} golden_norm;

""")
    out.write(f"#define GOLDEN_EPSILON {EPSILON}f\n#define GOLDEN_MOMENTUM {MOMENTUM}f\n\n")
    out.write("static const golden_norm golden_norms[] = {\n" + "".join(rows) + "};\n")


def triple(values):
    return "{" + ", ".join(map(str, values)) + "}"


def pools(out):
    cases = [((2, 3, 4, 6), (2, 2), (2, 2), (0, 0)), ((1, 5, 5, 7), (2, 2), (2, 2), (0, 0)),
             ((1, 20, 4, 4), (2, 2), (2, 2), (0, 0)), ((1, 5, 5, 6), (3, 3), (2, 2), (1, 1)),
             ((1, 2, 6, 7), (3, 2), (1, 2), (0, 1)), ((1, 2, 7, 7), (2, 2), (3, 3), (0, 0)),
             ((1, 2, 6, 6), (3, 3), (3, 3), (1, 1)), ((1, 3, 6, 9), (3, 3), (3, 3), (0, 0)),
             ((1, 5, 4, 5, 6), (2, 2, 2), (2, 2, 2), (0, 0, 0)), ((2, 16, 2, 2, 2), (2, 2, 2), (2, 2, 2), (0, 0, 0)),
             ((1, 2, 3, 4, 5), (3, 3, 3), (1, 1, 1), (1, 1, 1)), ((1, 3, 3, 4, 4), (1, 2, 2), (1, 2, 2), (0, 0, 0))]
    rows = []
    for shape, kernel, stride, padding in cases:
        x = tensor(shape, 1).requires_grad_()
        pool = F.max_pool2d if len(shape) == 4 else F.max_pool3d
        y = pool(x, kernel, stride, padding)
        y.backward(tensor(tuple(y.shape), 2))
        name = f"golden_pool_{len(rows)}"
        emit_array(out, f"{name}_y", y.detach())
        emit_array(out, f"{name}_dx", x.grad)
        rows.append(f"    {{{dims(shape)}, {dims(tuple(y.shape))}, {{{len(kernel)}, 0, {triple(kernel)}, {triple(stride)}, "
                    f"{triple(padding)}}}, {name}_y, {name}_dx}},\n")
    out.write("""
typedef struct golden_pool {
    gsg_shape src, dst;
    gsg_pool pool;
    const double *y, *dx;
} golden_pool;

""")
    out.write("static const golden_pool golden_pools[] = {\n" + "".join(rows) + "};\n")


def resizes(out):
    cases = [((2, 3, 3, 4), (6, 8)), ((1, 5, 3, 4), (7, 5)), ((1, 2, 7, 6), (3, 4)), ((1, 3, 1, 4), (3, 1)),
             ((1, 2, 4, 3), (4, 3)), ((1, 2, 9, 11), (2, 3)), ((1, 20, 2, 2), (3, 4)), ((1, 3, 2, 3, 2), (4, 6, 4)),
             ((1, 2, 3, 2, 4), (2, 5, 3)), ((1, 16, 1, 2, 2), (2, 3, 1))]
    rows = []
    for shape, size in cases:
        for corners in (False, True):
            x = tensor(shape, 1).requires_grad_()
            y = F.interpolate(x, size=size, mode="bilinear" if len(size) == 2 else "trilinear", align_corners=corners)
            y.backward(tensor(tuple(y.shape), 2))
            name = f"golden_resize_{len(rows)}"
            emit_array(out, f"{name}_y", y.detach())
            emit_array(out, f"{name}_dx", x.grad)
            rows.append(f"    {{{dims(shape)}, {dims(tuple(y.shape))}, {int(corners)}, {name}_y, {name}_dx}},\n")
    out.write("""
typedef struct golden_resize {
    gsg_shape src, dst;
    int32_t align_corners;
    const double *y, *dx;
} golden_resize;

""")
    out.write("static const golden_resize golden_resizes[] = {\n" + "".join(rows) + "};\n")


def windows(out):
    pools(out)
    resizes(out)


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    for name, fn in (("norm", norms), ("window", windows)):
        with open(os.path.join(folder, f"golden_{name}.h"), "w") as out:
            out.write("// Made by make_norm_window.py: change that.\n")
            fn(out)


if __name__ == "__main__":
    main()
