#!/usr/bin/env python3
"""Writes levels.json: one step of the three levels in PyTorch (2.13, CPU, double; levels_torch.py) for
tests/unit/train/test_levels_torch.c: losses, all gradients, and the hypergradient by double backward.

Weights and batches follow from hashed.py. In the smooth cases what ReLU sees is positive (see smooth() and the check
below), so that the derivative is one and the same on all of the way that a difference quotient takes.
"""
import json
import sys

import numpy as np
import torch
import torch.nn.functional as F

import hashed
from generator_torch import Generator
from hashed import fill, gradient_of
from levels_torch import Judge, Smooth, Step
from unet_torch import UNet

BLOCKS = 4  # of a mask along an axis
SEED = 14  # draws each change of appearance for one sample at least
LEVERS = {"warp": [0.9, 1.1, 0.7, 1.2, 0.8, 1.3], "appearance": [0.8, 1.2, 0.9, 0.7, 1.1], "gamma": [0.7],
          "pairs": [0.5, 1.5, 0.8]}


def batch(o, kind):
    """Images and masks in squares; levels_batch() of the test."""
    n, k, sizes = o["batch"], o["outputs"], [o["size"]] * o["spatial"]
    coarse = hashed.tensor(2001 + 10 * kind, [n, 1] + [BLOCKS] * o["spatial"]).double()
    classes = F.interpolate(((coarse + 1) / 2 * max(k, 2)).floor(), size=sizes)
    image = 0.6 * classes - 0.4 + 0.4 * hashed.tensor(2000 + 10 * kind, [n, 1] + sizes).double()
    if kind == 0:
        image = image + o["beyond"]
    mask = classes if k == 1 else torch.cat([(classes == c).double() for c in range(k)], 1)
    return image.float().double(), mask


def smooth(named, innermost):
    """Norms and biases lift what ReLU sees; convolutions without either get weights that are not negative."""
    last = max(i for i in range(30) if any(n.startswith(f"discriminator.model.{i}.") for n, _ in named))
    with torch.no_grad():
        for n, p in named:
            if p.dim() > 1:
                p.mul_(0.06 if "generator.up1.k" in n else 0.25)  # tanh and clamping shall not saturate
            if "generator.down1.k" in n or f"generator.down{innermost}.k" in n:
                p.abs_().add_(0.05)
            of_judge = n.startswith("discriminator.") and f".{last}." not in n
            if n.endswith(".norm.bias") or of_judge and n.endswith(".bias"):
                p.fill_(6)


class Watch:
    """The least that (leaky) ReLU has seen, zeros left out: of a mask's background."""

    def __init__(self):
        self.least = 0.0
        self.kept = torch.relu, F.leaky_relu

    def __enter__(self):
        torch.relu = lambda x: self.see(x, self.kept[0], ())
        F.leaky_relu = lambda x, *rest, **more: self.see(x, self.kept[1], rest[:1])
        self.least = float("inf")
        return self

    def see(self, x, function, rest):
        seen = x.detach()[x.detach() != 0]
        self.least = min(self.least, float(seen.min()) if seen.numel() else self.least)
        return function(x, *rest)

    def __exit__(self, *args):
        torch.relu, F.leaky_relu = self.kept


def rows_of(named, gradients):
    return [{"name": n, **gradient_of(i, gradients[n].detach())} for i, (n, _) in enumerate(named) if n in gradients]


def named_of(net):
    return [(n, p) for n, p in net.state_dict().items() if not n.endswith("num_batches_tracked")]


def case(name, unet=0, smooth_gan=1, spatial=2, outputs=1, loss="vanilla", l1=100, gan_lr=5e-5, lr=0.5, beyond=3,
         solver="one step", terms=0, damping=1, probe=0.01):
    o = {"name": name, "unet": unet, "smooth": smooth_gan, "spatial": spatial, "size": 16, "batch": 2,
         "outputs": outputs, "levels": 3, "width": 4, "loss": loss, "l1": l1, "gan_lr": gan_lr, "lr": lr,
         "beyond": beyond, "seed": SEED,
         "solver": solver, "terms": terms, "damping": damping, "probe": probe, "levers": LEVERS}
    generator = Generator(spatial, 3, outputs, 1, 4, 3, [0] * 6).double()
    judge = Judge(spatial, outputs + 1, 4, 1, loss != "wgan").double()
    segmenter = (UNet(spatial, 2, 1, outputs, 4) if unet else Smooth(spatial, 1, outputs)).double()
    gan, own = named_of(generator) + named_of(judge), named_of(segmenter)
    fill(gan)
    fill(own)
    if smooth_gan:
        smooth(gan, 3)
    levers = {n: torch.tensor(v, dtype=torch.float32).double().requires_grad_() for n, v in LEVERS.items()}
    batches = {kind: batch(o, i) for i, kind in enumerate(["pair", "real", "mask", "validation"])}
    batches["index"] = torch.tensor([2, 0])
    with Watch() as watch:
        step = Step(o, generator, judge, segmenter, levers, batches)
    o["gan"] = {"params": [{"name": n, "shape": list(p.shape)} for n, p in gan]}
    o["segmenter"] = {"params": [{"name": n, "shape": list(p.shape)} for n, p in own]}
    for key in "judge_loss", "generator_loss", "l1", "loss", "validation":
        o["result_" + key] = float(getattr(step, key).detach())
    o["gan_gradients"] = rows_of(gan, {**step.judge_gradient, **step.generator_gradient})
    o["segmenter_gradients"] = rows_of(own, step.segmenter_gradient)
    o["u"], o["v"] = rows_of(gan, step.u), rows_of(own, step.v)
    o["by"] = {n: g.tolist() for n, g in step.by.items()}
    total, part = (torch.cat([x[n] for n in step.logits]).norm() for x in (step.by, step.by_level_one))
    print(f"{name}: losses {o['result_judge_loss']:.4f} {o['result_generator_loss']:.4f} {o['result_loss']:.4f} "
          f"{o['result_validation']:.4f}, ReLU sees {watch.least:.3f}, logits' derivative {total:.3e}, through level I "
          f"{part:.3e}; gamma {step.by['gamma'].tolist()}, warp {step.by['warp'].norm():.3e}, "
          f"appearance {step.by['appearance'].tolist()} pairs {step.by['pairs'].tolist()}")
    assert not smooth_gan or watch.least > 0.01
    return o


def rounded(x):
    if isinstance(x, float):
        return float(f"{x:.8g}")
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    return [rounded(v) for v in x] if isinstance(x, list) else x


torch.set_num_threads(1)
usual = {"unet": 1, "smooth_gan": 0, "gan_lr": 2e-4, "lr": 0.1, "beyond": 0}
cases = [case("smooth"), case("smooth, Neumann series", lr=0.1, solver="neumann", terms=2),
         case("smooth, conjugate gradients", solver="cg", terms=3, damping=20, probe=0.003),
         case("smooth, conjugate gradients that meet negative curvature", solver="cg", terms=3, damping=1),
         case("smooth, three classes, least squares", outputs=3, loss="lsgan", probe=0.003),
         case("smooth, volumes", spatial=3),
         case("ordinary networks", probe=1e-4, **usual),
         case("ordinary networks, least squares", loss="lsgan", probe=3e-5, **usual),
         case("ordinary networks, three classes, Wasserstein", outputs=3, loss="wgan", probe=1e-4, **usual)]
with open(sys.argv[1] if len(sys.argv) > 1 else "levels.json", "w") as f:
    json.dump([rounded(c) for c in cases], f)
