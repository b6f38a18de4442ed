#!/usr/bin/env python3
"""Writes golden_pointwise.h and golden_loss.h: what PyTorch (float64) makes of pointwise operations and losses.

Inputs are not stored: sample() below and in the tests gives the same float32 numbers.
Run with PyTorch and NumPy installed:  python3 make_pointwise_loss.py
"""

import os

import numpy as np
import torch
import torch.nn.functional as F


def words(count, salt):
    """32-bit hash of index and salt (a xor-shift-multiply finaliser)."""
    x = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9) + np.uint32(salt * 0x85EBCA6B & 0xFFFFFFFF)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def sample(count, salt):
    """float32 in [-1, 1), exact in double."""
    return (words(count, salt) >> np.uint32(8)).astype(np.float64) / 8388608.0 - 1.0


def tensor(shape, salt, scale=1.0):
    values = (sample(int(np.prod(shape)), salt) * scale).astype(np.float32)
    return torch.from_numpy(values.reshape(shape)).double()


def target(shape, soft):
    n, k = shape[:2]
    s = int(np.prod(shape[2:]))
    if soft:
        u = sample(n * k * s, 3).reshape(n, k, s) * 0.5 + 0.5
        t = u if k == 1 else u / np.cumsum(u, axis=1)[:, -1:]
    else:
        label = words(n * s, 4).reshape(n, 1, s) % np.uint32(max(k, 2))
        t = label.astype(np.float64) if k == 1 else (label == np.arange(k).reshape(1, k, 1)).astype(np.float64)
    return torch.from_numpy(t.astype(np.float32).reshape(shape)).double()


def class_weights(k):
    return torch.from_numpy((sample(k, 5) * 0.5 + 1.0).astype(np.float32)).double()


def cross_entropy(z, t, weights):
    k = z.shape[1]
    if k == 1:
        return F.binary_cross_entropy_with_logits(z, t, pos_weight=None if weights is None else weights[0])
    one_hot = bool(((t == 0) | (t == 1)).all())
    if one_hot:
        return F.cross_entropy(z, t.argmax(1), weight=weights)
    if weights is None:
        return F.cross_entropy(z, t)
    w = weights.reshape((1, k) + (1,) * (z.dim() - 2))
    return -(w * t * F.log_softmax(z, 1)).sum() / (w * t).sum()


def dice(z, t, per_sample, background):
    k, smooth = z.shape[1], 1e-5
    p = torch.sigmoid(z) if k == 1 else torch.softmax(z, 1)
    axes = tuple(range(2, z.dim())) if per_sample else (0,) + tuple(range(2, z.dim()))
    d = (2 * (p * t).sum(axes) + smooth) / (p.sum(axes) + t.sum(axes) + smooth)
    if k > 1 and not background:
        d = d[..., 1:]
    return 1 - d.mean()


def number(value):
    return f"{value:.7g}"


def emit_array(out, name, values):
    flat = [number(v) for v in values.flatten().tolist()]
    out.write(f"static const double {name}[] = {{\n")
    for i in range(0, len(flat), 10):
        out.write("    " + ", ".join(flat[i:i + 10]) + ",\n")
    out.write("};\n")


DIFF = 0.7  # gradient that arrives at every loss


def losses(out):
    rows = []
    shapes = [(2, k, 3, 5) for k in (1, 2, 3, 5)] + [(2, 16, 2, 2), (2, 20, 2, 2)]
    shapes += [(2, 1, 2, 2, 3), (2, 3, 2, 2, 3), (2, 3, 71, 70), (2, 1, 71, 70)]
    for shape in shapes:
        for kind in ("cross_entropy", "dice"):
            variants = [(0, 0, 4.0), (1, 0, 4.0), (0, 1, 4.0), (0, 0, 80.0)]
            if kind == "dice":  # a: per sample, b: with background
                variants = [(0, 0, 4.0), (1, 0, 4.0), (0, 1, 4.0), (1, 1, 4.0), (0, 1, 80.0)]
            large = shape[2] > 10
            if large:
                variants = variants[:2]
            for index, (a, b, amplitude) in enumerate(variants):
                soft = a if kind == "cross_entropy" else index == 1
                z = tensor(shape, 1, amplitude).requires_grad_()
                t = target(shape, soft)
                if kind == "cross_entropy":
                    # a: soft target, b: weights; K = 1 also soft and weighted at once
                    loss = cross_entropy(z, t, class_weights(shape[1]) if b else None)
                else:
                    loss = dice(z, t, a, b)
                (loss * DIFF).backward()
                name = "NULL"
                if not large:
                    name = f"golden_diff_{len(rows)}"
                    emit_array(out, name, z.grad)
                projection = (z.grad * tensor(shape, 6)).sum()
                dims = list(shape) + [0] * (5 - len(shape))
                rows.append(
                    f"    {{{int(kind == 'dice')}, {{{len(shape)}, {{{', '.join(map(str, dims))}}}}}, {int(soft)}, {a}, {b}, "
                    f"{amplitude:g}, {number(loss.item())}, {number(projection.item())}, {name}}},\n")
    out.write("""
typedef struct golden_loss {
    int32_t dice; // else cross entropy
    gsg_shape shape;
    int32_t soft;
    int32_t a; // dice: per sample; cross entropy: soft
    int32_t b; // dice: with background; cross entropy: with class weights
    double amplitude; // of the logits
    double loss;
    double projection; // <gradient, samples of salt 6>
    const double *diff; // gradient for an incoming 0.7, or NULL
} golden_loss;

""")
    out.write("static const golden_loss golden_losses[] = {\n" + "".join(rows) + "};\n")


def differences(out):
    for name, fn in (("l1", F.l1_loss), ("mse", F.mse_loss)):
        a = tensor((2, 5, 3, 5), 1).requires_grad_()
        loss = fn(a, tensor((2, 5, 3, 5), 2))
        (loss * DIFF).backward()
        out.write(f"static const double golden_{name} = {number(loss.item())};\n")
        emit_array(out, f"golden_{name}_diff", a.grad)


def pointwise(out):
    shape = (2, 5, 3, 5)
    diff = tensor(shape, 2)
    for name, fn in (("relu", F.relu), ("leaky", lambda x: F.leaky_relu(x, 0.2)), ("tanh", torch.tanh),
                     ("sigmoid", torch.sigmoid)):
        x = tensor(shape, 1, 6.0).requires_grad_()
        y = fn(x)
        y.backward(diff)
        emit_array(out, f"golden_{name}", y.detach())
        emit_array(out, f"golden_{name}_diff", x.grad)
    for channels in (1, 2, 3, 5, 16, 20):
        shape = (2, channels, 3, 5) if channels < 16 else (2, channels, 2, 2)
        x = tensor(shape, 1, 6.0).requires_grad_()
        y = torch.softmax(x, 1)
        y.backward(tensor(shape, 2))
        emit_array(out, f"golden_softmax_{channels}", y.detach())
        emit_array(out, f"golden_softmax_diff_{channels}", x.grad)


def main():
    folder = os.path.dirname(os.path.abspath(__file__))
    for name, fn in (("pointwise", pointwise), ("loss", losses)):
        with open(os.path.join(folder, f"golden_{name}.h"), "w") as out:
            out.write("// Made by make_pointwise_loss.py: change that.\n")
            fn(out)
            if name == "loss":
                differences(out)


if __name__ == "__main__":
    main()
