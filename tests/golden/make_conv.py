#!/usr/bin/env python3
"""Writes golden_conv.h: what PyTorch (float64) makes of convolutions, forward and backward.

Inputs are not stored: sample() in make_pointwise_loss.py and in the tests gives the same float32 numbers. Of each result
16 values are stored, spread by the same hash, and its inner product with a pseudo-random tensor.
Run with PyTorch and NumPy installed:  python3 make_conv.py
"""

import os

import numpy as np
import torch
import torch.nn.functional as F

from make_pointwise_loss import sample, tensor, words

VALUES = 16

# name, transposed, N, IC, OC, size, kernel, stride, padding
CASES = [
    ("3x3", 0, 2, 16, 32, (13, 18), (3, 3), (1, 1), (1, 1)),
    ("3x3 odd channels", 0, 2, 17, 40, (9, 14), (3, 3), (1, 1), (1, 1)),
    ("3x3 of 1 channel", 0, 2, 1, 16, (12, 15), (3, 3), (1, 1), (1, 1)),
    ("3x3 of 3 channels", 0, 1, 3, 12, (16, 11), (3, 3), (1, 1), (1, 1)),
    ("3x3 of 4 channels", 0, 2, 4, 5, (8, 9), (3, 3), (1, 1), (1, 1)),
    ("3x3 to 3 channels", 0, 2, 20, 3, (8, 9), (3, 3), (1, 1), (1, 1)),
    ("3x3 from 3 to 2", 0, 2, 3, 2, (7, 8), (3, 3), (1, 1), (1, 1)),
    ("3x3 without padding", 0, 1, 12, 8, (10, 7), (3, 3), (1, 1), (0, 0)),
    ("3x3 stride 2", 0, 2, 8, 24, (11, 12), (3, 3), (2, 2), (1, 1)),
    ("3x3 for tiles", 0, 1, 32, 48, (24, 30), (3, 3), (1, 1), (1, 1)),
    ("2x2 stride 2 leaves a rest", 0, 1, 16, 16, (9, 11), (2, 2), (2, 2), (0, 0)),
    ("4x4 stride 2", 0, 2, 16, 32, (12, 16), (4, 4), (2, 2), (1, 1)),
    ("4x4 stride 2 of 4 channels", 0, 1, 4, 16, (16, 16), (4, 4), (2, 2), (1, 1)),
    ("6x6 stride 2", 0, 1, 16, 16, (16, 12), (6, 6), (2, 2), (2, 2)),
    ("8x8 stride 2", 0, 1, 16, 17, (16, 14), (8, 8), (2, 2), (3, 3)),
    ("1x1", 0, 2, 20, 33, (7, 9), (1, 1), (1, 1), (0, 0)),
    ("1x1 stride 2", 0, 2, 16, 16, (8, 9), (1, 1), (2, 2), (0, 0)),
    ("1x1 head", 0, 2, 40, 1, (37, 31), (1, 1), (1, 1), (0, 0)),
    ("1x1 head of 3", 0, 2, 16, 3, (9, 10), (1, 1), (1, 1), (0, 0)),
    ("1x1 from 3 to 2", 0, 2, 3, 2, (9, 10), (1, 1), (1, 1), (0, 0)),
    ("1x1 head with stride", 0, 1, 12, 2, (9, 10), (1, 1), (2, 2), (1, 1)),
    ("5x3 uneven", 0, 1, 9, 10, (9, 16), (5, 3), (1, 2), (2, 0)),
    ("3-D 3x3x3", 0, 2, 16, 16, (5, 6, 7), (3, 3, 3), (1, 1, 1), (1, 1, 1)),
    ("3-D of 1 channel", 0, 1, 1, 8, (6, 5, 8), (3, 3, 3), (1, 1, 1), (1, 1, 1)),
    ("3-D odd", 0, 2, 12, 20, (4, 5, 6), (3, 3, 3), (2, 2, 2), (1, 1, 1)),
    ("3-D head", 0, 1, 24, 2, (4, 5, 6), (1, 1, 1), (1, 1, 1), (0, 0, 0)),
    ("up 2x2", 1, 2, 32, 16, (6, 7), (2, 2), (2, 2), (0, 0)),
    ("up 2x2 odd channels", 1, 2, 20, 12, (5, 6), (2, 2), (2, 2), (0, 0)),
    ("up 4x4", 1, 2, 16, 16, (5, 6), (4, 4), (2, 2), (1, 1)),
    ("up 6x6", 1, 1, 16, 8, (6, 4), (6, 6), (2, 2), (2, 2)),
    ("up 8x8", 1, 1, 16, 16, (5, 4), (8, 8), (2, 2), (3, 3)),
    ("up 8x8 from a point", 1, 2, 32, 16, (1, 1), (8, 8), (2, 2), (3, 3)),
    ("up 4x4 to 3 channels", 1, 2, 24, 3, (6, 5), (4, 4), (2, 2), (1, 1)),
    ("up 4x4 from 2 channels", 1, 1, 2, 5, (4, 5), (4, 4), (2, 2), (1, 1)),
    ("up 3x3 stride 1", 1, 1, 16, 16, (6, 7), (3, 3), (1, 1), (1, 1)),
    ("3-D up 2x2x2", 1, 2, 16, 8, (3, 4, 5), (2, 2, 2), (2, 2, 2), (0, 0, 0)),
    ("3-D up 4x4x4", 1, 1, 16, 16, (3, 4, 3), (4, 4, 4), (2, 2, 2), (1, 1, 1)),
]


def digest(result):
    flat = result.detach().numpy().reshape(-1)
    at = words(VALUES, 99) % np.uint32(flat.size)
    return list(flat[at]) + [float(np.dot(flat, sample(flat.size, 77)))]


def run(case):
    name, transposed, n, ic, oc, size, kernel, stride, padding = case
    taps = int(np.prod(kernel))
    x = tensor((n, ic) + size, 1).requires_grad_()
    shape = (ic, oc) + kernel if transposed else (oc, ic) + kernel
    w = tensor(shape, 2, 1.0 / np.sqrt(taps * ic)).requires_grad_()
    b = tensor((oc,), 3).requires_grad_()
    three = len(size) == 3
    op = (F.conv_transpose3d if three else F.conv_transpose2d) if transposed else (F.conv3d if three else F.conv2d)
    y = op(x, w, b, stride=stride, padding=padding)
    y.backward(tensor(tuple(y.shape), 4))
    return [digest(y), digest(x.grad), digest(w.grad), digest(b.grad)]


def triple(values):
    return "{" + ", ".join(str(v) for v in values) + "}"


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden_conv.h")
    with open(path, "w", encoding="ascii") as f:
        f.write("// Made by make_conv.py: change that.\n")
        f.write("#define GOLDEN_VALUES %d\n" % VALUES)
        f.write("typedef struct golden_conv {\n    const char *name;\n    gsg_conv conv;\n"
                "    int64_t batch, inputs, outputs, size[3];\n"
                "    double dst[%d], diff_src[%d], diff_weights[%d], diff_bias[%d];\n} golden_conv;\n"
                % ((VALUES + 1,) * 4))
        f.write("static const golden_conv goldens[] = {\n")
        for case in CASES:
            name, transposed, n, ic, oc, size, kernel, stride, padding = case
            f.write('    {"%s", {%d, %d, %s, %s, %s}, %d, %d, %d, %s' % (
                name, len(size), transposed, triple(kernel), triple(stride), triple(padding), n, ic, oc, triple(size)))
            for values in run(case):
                f.write(",\n     {" + ", ".join("%.7g" % v for v in values) + "}")
            f.write("},\n")
        f.write("};\n")


if __name__ == "__main__":
    main()
