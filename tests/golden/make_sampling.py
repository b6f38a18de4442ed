"""Writes sampling.json: resampling by PyTorch, percentiles by NumPy.

Run: python make_sampling.py (torch and numpy). The inputs are a formula, repeated in
tests/unit/data/sampling_input.h.
"""
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F


def values(count):
    i = np.arange(count, dtype=np.int64)
    return (((i * i * 7 + i * 13) % 97) / 8.0 - 3.0).astype(np.float32)


def linear(planes, src, dst):
    x = torch.from_numpy(values(planes * int(np.prod(src)))).reshape(1, planes, *src)
    mode = "bilinear" if len(src) == 2 else "trilinear"
    return F.interpolate(x, size=dst, mode=mode, align_corners=False)


def filtered(planes, src, dst):
    """One axis after the other, antialiased where it shrinks by more than 1.5."""
    x = torch.from_numpy(values(planes * int(np.prod(src)))).reshape(planes, *src)
    for axis, (a, b) in enumerate(zip(src, dst), start=1):
        moved = x.movedim(axis, -2 if x.ndim > 2 else 0)
        shape = moved.shape
        flat = moved.reshape(1, -1, a, shape[-1])
        flat = F.interpolate(flat, size=(b, shape[-1]), mode="bilinear", align_corners=False, antialias=a > 1.5 * b)
        x = flat.reshape(*shape[:-2], b, shape[-1]).movedim(-2, axis)
    return x


def case(fn, planes, src, dst):
    src3, dst3 = ([1] * (3 - len(s)) + list(s) for s in (src, dst))
    out = fn(planes, src, dst).flatten().tolist()
    return {"planes": planes, "src": src3, "dst": dst3, "values": [round(v, 7) for v in out]}


cases = [
    case(linear, 2, (5, 7), (11, 9)),
    case(linear, 1, (6, 6), (4, 5)),
    case(linear, 1, (1, 1), (3, 2)),
    case(linear, 2, (3, 4, 5), (5, 6, 7)),
    case(linear, 1, (4, 3, 5), (3, 5, 4)),
]
# PyTorch's own two-dimensional antialiasing, both axes at once.
x = torch.from_numpy(values(12 * 15)).reshape(1, 1, 12, 15)
y = F.interpolate(x, size=(5, 4), mode="bilinear", align_corners=False, antialias=True)
cases.append({"planes": 1, "src": [1, 12, 15], "dst": [1, 5, 4], "values": y.flatten().tolist()})
cases += [
    case(filtered, 1, (12, 6), (5, 9)),
    case(filtered, 2, (9, 8, 7), (3, 4, 7)),
    case(filtered, 1, (7, 6, 11), (7, 5, 2)),
]

windows = []
for count in (2, 3, 50, 201, 1000):
    v = values(count).astype(np.float64)
    low, high = np.percentile(v, [0.5, 99.5])
    scaled = np.clip((v - low) / (high - low) * 2 - 1, -1, 1)
    windows.append({"count": count, "low": low, "high": high, "scaled": scaled[:20].round(7).tolist()})

path = pathlib.Path(__file__).with_name("sampling.json")
path.write_text(json.dumps({"resample": cases, "percentile": windows}, indent=None) + "\n")
