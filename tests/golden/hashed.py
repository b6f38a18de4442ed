"""Pseudo-random values that C tests repeat (tests/support/hashed.h), so that golden files hold results alone."""
import numpy as np
import torch


def hashed(stream, count):
    """Values in [-1, 1): a 32-bit integer hash of (stream, i)."""
    x = (np.arange(count, dtype=np.uint64) + np.uint64(stream * 1000003 + 12345)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    return (x.astype(np.float64) / 2147483648.0 - 1.0).astype(np.float32)


def tensor(stream, shape):
    return torch.from_numpy(hashed(stream, int(np.prod(shape)))).reshape(shape)


def fill(named):
    """First values of parameters, by their place in the list."""
    with torch.no_grad():
        for i, (n, p) in enumerate(named):
            v = tensor(i + 1, p.shape)
            vector = p.dim() == 1
            if vector and (n.endswith("running_var") or n.endswith("weight")):
                p.copy_(1 + 0.2 * v)
            elif vector:
                p.copy_(v if n.endswith("alpha") else 0.1 * v)
            else:
                p.copy_(v * (3.0 * p.shape[0] / p.numel()) ** 0.5)


def gradient_of(i, gradient):
    """Of parameter i: its norm, and its product with the formula's values."""
    g = gradient.flatten().double()
    return {"norm": float(g.norm()), "dot": float((g * tensor(i + 501, [g.numel()]).double()).sum())}
