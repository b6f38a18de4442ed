#!/usr/bin/env python3
"""Writes discriminator.json: logits, losses and gradients of PatchGAN discriminators in PyTorch (2.13, CPU) for
tests/unit/model/test_discriminator.c.

Weights and images follow from make_unet.py's formula, which the test repeats, so that only results are stored: logits
and, of each gradient, its length and its product with the formula's values.
"""
import json, sys
import numpy as np
import torch
from discriminator_torch import NLayerDiscriminator, losses, penalty_of
from hashed import hashed


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
