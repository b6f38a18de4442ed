#!/usr/bin/env python3
"""Writes discriminator.json: logits, losses and gradients of PatchGAN discriminators in PyTorch (2.13, CPU) for
tests/unit/model/test_discriminator.c.

Weights and images follow from make_unet.py's formula, which the test repeats, so that only results are stored: logits
and, of each gradient, its length and its product with the formula's values.
"""
import json, sys
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def hashed(stream, count):
    """Values in [-1, 1): a 32-bit integer hash of (stream, i)."""
    x = (np.arange(count, dtype=np.uint64) + np.uint64(stream * 1000003 + 12345)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    return (x.astype(np.float64) / 2147483648.0 - 1.0).astype(np.float32)


class NLayerDiscriminator(nn.Module):
    """That of pix2pix; without norm its convolutions have a bias."""

    def __init__(self, spatial, channels, width, layers, norm):
        super().__init__()
        conv = nn.Conv2d if spatial == 2 else nn.Conv3d
        batch_norm = nn.BatchNorm2d if spatial == 2 else nn.BatchNorm3d
        sequence = [conv(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        before = width
        for n in range(1, layers + 1):
            after = width * min(2 ** n, 8)
            sequence += [conv(before, after, 4, 2 if n < layers else 1, 1, bias=not norm),
                         batch_norm(after, track_running_stats=False) if norm else nn.Identity(), nn.LeakyReLU(0.2)]
            before = after
        self.model = nn.Sequential(*sequence, conv(before, 1, 4, 1, 1))

    def forward(self, x):
        return self.model(x)


def losses(kind, real, generated):
    if kind == "vanilla":
        return (F.binary_cross_entropy_with_logits(real, torch.ones_like(real)) +
                F.binary_cross_entropy_with_logits(generated, torch.zeros_like(generated)))
    if kind == "lsgan":
        return F.mse_loss(real, torch.ones_like(real)) + F.mse_loss(generated, torch.zeros_like(generated))
    return generated.mean() - real.mean()


def penalty_of(net, x):
    x = x.clone().requires_grad_(True)
    slope, = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()


def case(name, spatial, channels, width, layers, norm, batch, size):
    net = NLayerDiscriminator(spatial, channels, width, layers, norm)
    named = list(net.named_parameters())
    with torch.no_grad():
        for i, (n, p) in enumerate(named):
            v = torch.from_numpy(hashed(i + 1, p.numel())).reshape(p.shape)
            if p.dim() > 1:
                p.copy_(v * (3.0 * p.shape[0] / p.numel()) ** 0.5)
            else:
                p.copy_(1 + 0.2 * v if n.endswith("weight") else 0.1 * v)
    shape = [batch, channels] + size
    images = [torch.from_numpy(hashed(s, int(np.prod(shape)))).reshape(shape) for s in (1001, 1002, 1003)]
    real, generated = net(images[0]), net(images[1])
    out = {"name": name, "spatial": spatial, "channels": channels, "width": width, "layers": layers, "norm": norm,
           "batch": batch, "size": size, "shape": list(real.shape),
           "params": [{"name": "discriminator." + n, "shape": list(p.shape)} for n, p in named],
           "real": real.detach().flatten().tolist(), "generated": generated.detach().flatten().tolist(), "losses": []}
    for kind in ("vanilla", "lsgan", "wgan", "wgan-gp"):
        if kind == "wgan-gp" and norm:
            continue
        net.zero_grad(set_to_none=False)
        loss = losses(kind, net(images[0]), net(images[1]))
        row = {"kind": kind}
        if kind == "wgan-gp":
            penalty = penalty_of(net, images[2])
            row["penalty"] = float(penalty.detach())
            loss = loss + 10 * penalty
        row["loss"] = float(loss.detach())
        gradients = torch.autograd.grad(loss, [p for _, p in named])
        row["norm"] = [float(g.double().norm()) for g in gradients]
        row["dot"] = [float((g.flatten().double() * torch.from_numpy(hashed(i + 501, g.numel())).double()).sum())
                      for i, g in enumerate(gradients)]
        out["losses"].append(row)
    return out


torch.set_num_threads(1)
torch.set_default_dtype(torch.float32)
cases = [case("2-D", 2, 4, 4, 2, 1, 2, [32, 32]), case("2-D, no norm", 2, 4, 4, 2, 0, 2, [32, 32]),
         case("2-D, three layers, wide", 2, 2, 20, 3, 1, 2, [30, 40]),
         case("2-D, deep, no norm", 2, 3, 4, 4, 0, 3, [56, 48]),
         case("3-D", 3, 2, 4, 2, 1, 2, [16, 14, 12]), case("3-D, no norm", 3, 2, 4, 2, 0, 2, [16, 14, 12])]
with open(sys.argv[1] if len(sys.argv) > 1 else "discriminator.json", "w") as f:
    json.dump(cases, f)
