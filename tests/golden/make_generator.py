#!/usr/bin/env python3
"""Writes cell.json and generator.json: outputs and gradients of searchable cells and of the generator in PyTorch (2.13,
CPU) for tests/unit/nn/test_cell.c and tests/unit/model/test_generator.c. Inputs and weights follow from hashed.py.

In double: float convolutions go to oneDNN, whose gradients of 3-D kernels of 8 are wrong for shallow volumes."""
import json, sys
import numpy as np
import torch
import torch.nn.functional as F
from generator_torch import Cell, Generator
import hashed
from hashed import fill, gradient_of


def tensor(stream, shape):
    return hashed.tensor(stream, shape).double()


def named_of(net):
    return [(n, p) for n, p in net.state_dict().items() if not n.endswith("num_batches_tracked")]


def picked(values, count=100):
    pick = np.linspace(0, values.numel() - 1, min(count, values.numel())).astype(int)
    return pick.tolist(), [float(values.detach().flatten()[i]) for i in pick]


def rows_of(net, named):
    parameters, rows = dict(net.named_parameters()), []
    for i, (n, p) in enumerate(named):
        row = {"name": n, "shape": list(p.shape)}
        if n in parameters:
            row.update(gradient_of(i, parameters[n].grad))
        else:
            row["after"] = [float(x) for x in net.state_dict()[n][:4]]
        rows.append(row)
    return rows


def cell(name, spatial, transposed, candidates, fixed, cin, cout, batch, size, bias):
    net = nn_holder(Cell(spatial, transposed, candidates, fixed, cin, cout, bias)).double()
    named = named_of(net)
    fill(named)
    image = tensor(1001, [batch, cin] + size).requires_grad_()
    out = net.cell(image)
    (out * tensor(1002, out.shape)).sum().backward()
    case = {"name": name, "spatial": spatial, "transposed": transposed, "candidates": candidates, "fixed": fixed,
            "inputs": cin, "outputs": cout, "batch": batch, "size": size, "bias": bias, "params": rows_of(net, named)}
    case["pick"], case["out"] = picked(out)
    case["image"] = {"name": "image", **gradient_of(len(named), image.grad)}
    return case


def nn_holder(module):
    holder = torch.nn.Module()
    holder.cell = module
    return holder


def generator(name, spatial, levels, masks, noise, channels, width, candidates, batch, size, fixed=None):
    fixed = fixed or [0] * (2 * levels)
    net = Generator(spatial, levels, masks + noise, channels, width, candidates, fixed).double()
    named = named_of(net)
    fill(named)
    # Of 0 and 1, in squares, and its gradient too: level III's augmentation wants it.
    mask = (tensor(1001, [batch, masks] + [-(-n // 4) for n in size]) > 0).double()
    mask = F.interpolate(mask, size=size).requires_grad_()
    x = torch.cat([mask] + ([tensor(1003, [batch, noise] + size)] if noise else []), 1)
    net.eval()
    with torch.no_grad():
        infer = net(x)
    net.train()
    out = net(x)
    loss = F.l1_loss(out, tensor(1002, out.shape))
    loss.backward()
    case = {"name": name, "spatial": spatial, "levels": levels, "masks": masks, "noise": noise, "channels": channels,
            "width": width, "candidates": candidates, "batch": batch, "size": size, "fixed": fixed,
            "loss": float(loss.detach()), "params": rows_of(net, named)}
    case["pick"], case["infer"] = picked(infer)
    case["train"] = picked(out)[1]
    case["image"] = {"name": "mask", **gradient_of(len(named), mask.grad)}
    return case


torch.set_num_threads(1)
cells = [cell("down", 2, 0, 3, 0, 5, 20, 2, [12, 16], 1), cell("up", 2, 1, 3, 0, 20, 5, 2, [6, 5], 1),
         cell("first", 2, 0, 3, 0, 1, 16, 2, [16, 16], 0), cell("last", 2, 1, 3, 0, 32, 1, 2, [6, 6], 1),
         cell("innermost", 2, 0, 3, 0, 16, 16, 1, [2, 2], 0), cell("from one", 2, 1, 3, 0, 16, 16, 2, [1, 1], 0),
         cell("two", 2, 0, 2, 0, 16, 8, 1, [8, 8], 0), cell("one", 2, 1, 1, 0, 8, 16, 1, [4, 4], 1),
         cell("fixed", 2, 1, 3, 6, 8, 16, 1, [4, 4], 1), cell("volumes down", 3, 0, 3, 0, 4, 16, 1, [8, 6, 10], 0),
         cell("volumes up", 3, 1, 3, 0, 16, 4, 1, [2, 3, 4], 1), cell("first of volumes", 3, 0, 3, 0, 2, 8, 1, [8, 8, 8], 0),
         # Depths where oneDNN's backward weights are wrong.
         cell("depth 8", 3, 0, 3, 0, 2, 8, 2, [8, 8, 8], 0), cell("depth 6", 3, 0, 3, 0, 16, 16, 2, [6, 4, 8], 0),
         cell("up to depth 8", 3, 1, 3, 0, 16, 8, 2, [4, 4, 4], 0), cell("down to one", 3, 0, 3, 0, 16, 8, 2, [2, 2, 2], 0),
         cell("up from one", 3, 1, 3, 0, 8, 16, 2, [1, 1, 1], 0), cell("depth 12", 3, 0, 3, 0, 4, 8, 2, [12, 4, 4], 0)]
generators = [generator("2-D", 2, 3, 1, 0, 1, 4, 3, 2, [16, 16]),
              generator("noise, colours, unequal sizes", 2, 4, 2, 1, 3, 4, 3, 2, [16, 48]),
              generator("whole blocks", 2, 3, 1, 0, 1, 16, 3, 2, [16, 16]),
              generator("down to one, two candidates", 2, 4, 1, 0, 1, 4, 2, 1, [16, 16]),
              generator("3-D", 3, 3, 1, 0, 1, 4, 3, 1, [16, 8, 24]),
              generator("some fixed, many masks", 2, 3, 5, 2, 1, 4, 3, 2, [16, 16], [4, 0, 6, 0, 8, 0]),
              generator("one candidate, one level", 2, 1, 1, 0, 1, 4, 1, 2, [8, 8])]
for name, cases in ("cell", cells), ("generator", generators):
    with open(f"{sys.argv[1] if len(sys.argv) > 1 else '.'}/{name}.json", "w") as f:
        json.dump(cases, f)
