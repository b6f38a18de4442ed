#!/usr/bin/env python3
"""Writes golden_augment.h: what PyTorch (float64) makes of the differentiable augmentation and of weighted losses.

The warp is affine_grid and grid_sample with align_corners=True (voxel i of n lies at 2 i / (n - 1) - 1), the blur a
convolution, gradients are autograd's. Inputs are not stored: sample() here and in the tests gives the same numbers.
Run with PyTorch and NumPy installed:  python3 make_augment.py
"""

import math
import os

import numpy as np
import torch
import torch.nn.functional as F

from make_pointwise_loss import number, sample, tensor, words

DEFORM_RANGE = [15, 0.2, 0.1, 8, 0.1, 0.02]
APPEARANCE_RANGE = [0.25, 0.15, 0.35, 0.1, 1.0]


def vector(values):
    return torch.tensor(np.array(values, dtype=np.float32).astype(np.float64))


def spline(size):
    """Matrix (size, 7) of cubic B-splines over 4 intervals; a single voxel takes the first point."""
    m = torch.zeros(size, 7, dtype=torch.float64)
    if size == 1:
        m[0, 0] = 1
        return m
    for i in range(size):
        at = (i + 0.5) * 4 / size
        for p in range(7):
            x = abs(at - (p - 1))
            m[i, p] = (4 - 6 * x * x + 3 * x**3) / 6 if x < 1 else max(2 - x, 0) ** 3 / 6
    return m


def matrix_of(u, m, spacing, axes):
    """The map in voxels over the axes in use (indices into D, H, W), from draws u and magnitudes m."""
    eye = torch.eye(3, dtype=torch.float64)
    rotation, scale, _, shear, pad, _ = [m[i] * DEFORM_RANGE[i] for i in range(6)]
    total = torch.diag(torch.stack([(1 + pad * u[15]) / (1 + scale * u[6 + a]) if a in axes else eye[0, 0] for a in range(3)]))
    for a in range(3):
        p, q = (a + 1) % 3, (a + 2) % 3
        if p not in axes or q not in axes:
            continue
        angle = torch.deg2rad(rotation * u[3 + a])
        turn = eye - torch.outer(eye[p], eye[p]) - torch.outer(eye[q], eye[q])
        turn = turn + torch.cos(angle) * (torch.outer(eye[p], eye[p]) + torch.outer(eye[q], eye[q]))
        turn = turn + torch.sin(angle) * (torch.outer(eye[q], eye[p]) - torch.outer(eye[p], eye[q]))
        total = total @ turn
    lean = eye.clone()
    for s, (r, c) in enumerate([(1, 2), (0, 1), (0, 2)]):
        if r in axes and c in axes:
            lean = lean + torch.tan(torch.deg2rad(shear * u[9 + s])) * torch.outer(eye[r], eye[c])
    total = total @ lean
    mm = torch.tensor(spacing, dtype=torch.float64)
    total = torch.diag(1 / mm) @ total @ torch.diag(mm)
    return total @ torch.diag(torch.where(u[:3] < 0, -1.0, 1.0).double())


def deform(x, draws, m, spacing, mixes, edge, elastic):
    spatial = x.dim() - 2
    size = list(x.shape[2:])
    axes = list(range(3 - spatial, 3))
    half = torch.tensor([(s - 1) / 2 for s in size], dtype=torch.float64)
    grids = []
    for u in draws:
        full = matrix_of(u, m, spacing, mixes)
        small = full[3 - spatial:, 3 - spatial:]
        shift = m[2] * DEFORM_RANGE[2] * u[12 + 3 - spatial:15] * torch.tensor(size, dtype=torch.float64)
        if not elastic:
            # In units of half the size, axes in the order W, H, D.
            theta = torch.cat([torch.diag(1 / half) @ small @ torch.diag(half), (shift / half)[:, None]], 1)
            theta = torch.cat([theta[:, :spatial].flip(0, 1), theta[:, spatial:].flip(0)], 1)
            grids.append(F.affine_grid(theta[None], [1, 1] + size, align_corners=True))
            continue
        points = u[16:16 + spatial * 7**spatial].reshape([spatial] + [7] * spatial)
        bend = points
        for a in range(spatial):
            bend = torch.tensordot(bend, spline(size[a]), dims=([1], [1]))
        unit = torch.tensor([DEFORM_RANGE[5] * s if a in mixes else 0.0 for a, s in zip(axes, size)], dtype=torch.float64)
        place = torch.stack(torch.meshgrid(*[torch.arange(s, dtype=torch.float64) for s in size], indexing="ij"), -1)
        place = place - half + m[5] * unit * bend.movedim(0, -1)
        place = place @ small.T + shift + half
        grids.append((place / half - 1).flip(-1)[None])
    grid = torch.cat(grids)
    if edge:
        return F.grid_sample(x, grid, padding_mode="border", align_corners=True)
    fill = torch.zeros([1, x.shape[1]] + [1] * spatial, dtype=torch.float64)
    if x.shape[1] > 1:
        fill[0, 0] = 1
    return F.grid_sample(x - fill, grid, padding_mode="zeros", align_corners=True) + fill


def philox(counter, key):
    c, k = [int(v) for v in counter], [int(v) for v in key]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, p0 >> 32 ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [k[0] + 0x9E3779B9 & 0xFFFFFFFF, k[1] + 0xBB67AE85 & 0xFFFFFFFF]
    return c


def noise_of(count, key, stream):
    out = []
    for block in range((count + 3) // 4):
        w = [v >> 8 for v in philox([block, stream, 0, 1], key)]
        for a, b in ((w[0], w[1]), (w[2], w[3])):
            radius, angle = math.sqrt(-2 * math.log((a + 1) / 2**24)), 2 * math.pi * b / 2**24
            out += [radius * math.cos(angle), radius * math.sin(angle)]
    return torch.tensor(out[:count], dtype=torch.float64)


def appearance(x, draws, keys, m, mixes, stream):
    out = []
    spatial = x.dim() - 2
    for i, (u, key) in enumerate(zip(draws, keys)):
        y = x[i]
        amount = [m[j] * APPEARANCE_RANGE[j] * u[j] for j in range(5)]
        sigma = amount[4]
        if sigma >= 0.15:
            radius = math.ceil(4 * float(sigma.detach()))
            k = torch.arange(-radius, radius + 1, dtype=torch.float64)
            w = torch.exp(-k * k / (2 * sigma * sigma))
            w = w / w.sum()
            for a in range(spatial):
                if a + 3 - spatial not in mixes:
                    continue
                line = y.movedim(1 + a, -1)
                flat = F.pad(line.reshape(-1, 1, line.shape[-1]), (radius, radius), mode="replicate")
                y = F.conv1d(flat, w[None, None]).reshape(line.shape).movedim(-1, 1 + a)
        mean = y.mean(dim=tuple(range(1, y.dim())), keepdim=True)
        y = mean + (1 + amount[0]) * (y - mean) + amount[1]
        t = (0.5 * y + 0.5).clamp(0, 1)
        if u[2] != 0:
            g, o = torch.exp(amount[2]), 1 / 64
            t = ((t + o) ** g - o**g) / ((1 + o) ** g - o**g)
        n = noise_of(y.numel(), key, stream).reshape(y.shape)
        out.append((2 * t - 1 + amount[3] * n).clamp(-1, 1))
    return torch.stack(out)


def emit(out, values):
    return "{" + ", ".join(number(float(v)) for v in values) + "}"


def results(y, x, m, salt):
    """Projections of the result and of the source's gradient, and the magnitudes' gradient."""
    h = tensor(y.shape, salt)
    (y * h).sum().backward()
    return float((y * h).sum().detach()), float((x.grad * tensor(x.shape, salt + 1)).sum()), m.grad.tolist()


def deform_case(shape, magnitudes, spacing, mixes, edge, elastic, symmetric):
    spatial = len(shape) - 2
    count = 16 + spatial * 7**spatial
    draws = torch.from_numpy(sample(shape[0] * count, 21).astype(np.float32).astype(np.float64).reshape(shape[0], count))
    draws = draws.clone()
    draws[:, :3] = torch.where((draws[:, :3] < 0) & torch.tensor(symmetric, dtype=torch.bool), -1.0, 1.0).double()
    draws[:, 15] = draws[:, 15].abs()
    if not elastic:
        draws[:, 16:] = 0
    x, m = tensor(shape, 20).requires_grad_(), vector(magnitudes).requires_grad_()
    return results(deform(x, draws, m, spacing, mixes, edge, elastic), x, m, 22)


def appearance_case(shape, magnitudes, mixes, stream):
    draws = torch.from_numpy(sample(shape[0] * 5, 31).astype(np.float32).astype(np.float64).reshape(shape[0], 5)).clone()
    draws[:, 3:] = draws[:, 3:].abs()
    keys = (words(shape[0] * 2, 32) >> np.uint32(8)).reshape(shape[0], 2)
    x, m = tensor(shape, 30).requires_grad_(), vector(magnitudes).requires_grad_()
    return results(appearance(x, draws, keys, m, mixes, stream), x, m, 33)


def loss_case(shape, dice, per_sample, weighted_classes):
    k, spatial = shape[1], tuple(range(2, len(shape)))
    z = tensor(shape, 1, 2.0).requires_grad_()
    u = torch.from_numpy((sample(int(np.prod(shape)), 3) * 0.5 + 0.5).reshape(shape))
    t = (u if k == 1 else u / u.sum(1, keepdim=True)).float().double().requires_grad_()
    v = torch.from_numpy((sample(shape[0], 40) * 0.5 + 1).astype(np.float32)).double().requires_grad_()
    w = torch.from_numpy((sample(k, 5) * 0.5 + 1).astype(np.float32)).double() if weighted_classes else torch.ones(k).double()
    over = v.reshape([-1] + [1] * (len(shape) - 1))
    if dice:
        p = torch.sigmoid(z) if k == 1 else torch.softmax(z, 1)
        if per_sample:
            d = (2 * (p * t).sum(spatial) + 1e-5) / (p.sum(spatial) + t.sum(spatial) + 1e-5)
            loss = (v * (1 - d.mean(1))).mean()
        else:
            axes = (0,) + spatial
            d = (2 * (over * p * t).sum(axes) + 1e-5) / ((over * p).sum(axes) + (over * t).sum(axes) + 1e-5)
            loss = v.mean() * (1 - d.mean())
    elif k == 1:
        each = F.binary_cross_entropy_with_logits(z, t, pos_weight=w[0], reduction="none")
        loss = (over * each).mean()
    else:
        w = w.reshape([1, k] + [1] * len(spatial))
        loss = -(over * w * t * F.log_softmax(z, 1)).sum() / (w * t).sum()
    loss.backward()
    return float(loss.detach()), [float((g * tensor(shape, 41)).sum()) for g in (z.grad, t.grad)], v.grad.tolist()


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    usual, other = [1.1, 0.9, 1.2, 0.8, 1.3, 1.5], [2.0, 1.5, 0.5, 2.5, 1.0, 0.7]
    out = ["// Made by make_augment.py: change that.", "typedef struct golden_deform {", "    gsg_shape shape;",
           "    float magnitudes[6];", "    double spacing[3];", "    int32_t edge, elastic, symmetric;",
           "    double result, diff_src; // projections", "    double diff_magnitudes[6];", "} golden_deform;",
           "static const golden_deform golden_deforms[] = {"]
    for shape, m, spacing, mixes, edge, elastic, symmetric in [
        ((2, 3, 9, 8), usual, (1, 1, 1), (1, 2), 0, 0, (0, 0, 0)),
        ((3, 1, 7, 12), other, (1, 2, 1), (1, 2), 0, 0, (0, 1, 1)),
        ((2, 3, 9, 8), usual, (1, 1, 1), (1, 2), 1, 1, (0, 0, 1)),
        ((2, 20, 6, 7), other, (1, 1, 1.5), (1, 2), 0, 1, (0, 0, 0)),
        ((2, 2, 6, 7, 5), usual, (1, 0.8, 1.2), (0, 1, 2), 0, 0, (1, 0, 1)),
        ((1, 3, 6, 7, 5), other, (1, 1, 1), (0, 1, 2), 0, 1, (0, 0, 0)),
        ((1, 2, 4, 9, 8), usual, (5, 1, 1), (1, 2), 1, 1, (0, 0, 0)),
    ]:
        result, diff_src, diff = deform_case(shape, m, spacing, mixes, edge, elastic, symmetric)
        bits = sum(1 << a for a in range(3) if symmetric[a])
        out.append(f"    {{{{{len(shape)}, {{{', '.join(map(str, shape))}}}}}, {emit(out, m)}, {emit(out, spacing)}, {edge}, "
                   f"{elastic}, {bits}, {number(result)}, {number(diff_src)},\n     {emit(out, diff)}}},")
    out += ["};", "typedef struct golden_appearance {", "    gsg_shape shape;", "    float magnitudes[5];",
            "    double spacing[3];", "    double result, diff_src; // projections", "    double diff_magnitudes[5];",
            "} golden_appearance;", "static const golden_appearance golden_appearances[] = {"]
    stream = 9
    for shape, m, spacing, mixes in [
        ((4, 1, 9, 8), [1, 1, 1, 1, 1], (1, 1, 1), (1, 2)),
        ((3, 3, 7, 10), [0.7, 1.3, 1.5, 0.6, 1.8], (1, 1, 1), (1, 2)),
        ((2, 5, 6, 7), [2.0, 0.5, 2.0, 0.2, 0.5], (1, 1, 1), (1, 2)),
        ((2, 1, 5, 6, 7), [1, 1, 1, 1, 1.4], (1, 1, 1), (0, 1, 2)),
        ((2, 1, 4, 6, 7), [1, 1, 1, 1, 1.4], (4, 1, 1), (1, 2)),
    ]:
        result, diff_src, diff = appearance_case(shape, m, mixes, stream)
        out.append(f"    {{{{{len(shape)}, {{{', '.join(map(str, shape))}}}}}, {emit(out, m)}, {emit(out, spacing)}, "
                   f"{number(result)}, {number(diff_src)},\n     {emit(out, diff)}}},")
    out += ["};", "typedef struct golden_weighted {", "    gsg_shape shape;", "    int32_t dice, per_sample, classes;",
            "    double loss, diff_logits, diff_target; // the loss, projections", "    double diff_samples[3];",
            "} golden_weighted;", "static const golden_weighted golden_weights[] = {"]
    for shape, dice, per_sample, classes in [
        ((3, 1, 5, 7), 0, 0, 1), ((3, 4, 5, 7), 0, 0, 0), ((3, 4, 5, 7), 0, 0, 1), ((3, 1, 5, 7), 1, 0, 0),
        ((3, 4, 5, 7), 1, 0, 0), ((3, 4, 5, 7), 1, 1, 0),
    ]:
        loss, projections, diff = loss_case(shape, dice, per_sample, classes)
        out.append(f"    {{{{{len(shape)}, {{{', '.join(map(str, shape))}}}}}, {dice}, {per_sample}, {classes}, {number(loss)}, "
                   f"{number(projections[0])}, {number(projections[1])},\n     {emit(out, diff)}}},")
    out.append("};")
    with open(os.path.join(here, "golden_augment.h"), "w") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
