#!/usr/bin/env python3
"""Writes unet.json: logits, loss and gradients of a U-Net in PyTorch (2.13, CPU) for tests/unit/model/test_unet.c.

Weights and inputs follow from a formula that the test repeats, so that only results are stored: sampled values and,
of each gradient, its product with the formula's values.
"""
import json, sys
import numpy as np
import torch
import torch.nn.functional as F
from hashed import fill, gradient_of, hashed
from unet_torch import UNet, loss_of


def case(name, spatial, levels, channels, outputs, width, batch, size):
    net = UNet(spatial, levels, channels, outputs, width)
    named = [(n, p) for n, p in net.state_dict().items() if not n.endswith("num_batches_tracked")]
    fill(named)
    shape = [batch, channels] + [size] * spatial
    image = torch.from_numpy(hashed(1001, int(np.prod(shape)))).reshape(shape)
    label = torch.from_numpy((hashed(1002, batch * size ** spatial) + 1) * max(outputs, 2) / 2).long()
    label = label.reshape([batch] + [size] * spatial)
    target = (label > 0).float()[:, None] if outputs == 1 else F.one_hot(label, outputs).movedim(-1, 1).float()
    net.eval()
    with torch.no_grad():
        infer = net(image).flatten()
    net.train()
    logits = net(image)
    loss = loss_of(logits, target)
    loss.backward()
    parameters = dict(net.named_parameters())
    out = {"name": name, "spatial": spatial, "levels": levels, "channels": channels, "outputs": outputs,
           "width": width, "batch": batch, "size": size, "loss": float(loss.detach()), "params": []}
    pick = np.linspace(0, infer.numel() - 1, 200).astype(int)
    out["pick"] = pick.tolist()
    out["infer"] = [float(infer[i]) for i in pick]
    out["train"] = [float(logits.detach().flatten()[i]) for i in pick]
    for i, (n, p) in enumerate(named):
        row = {"name": n, "shape": list(p.shape)}
        if n in parameters:
            row.update(gradient_of(i, parameters[n].grad))
        else:
            row["after"] = [float(x) for x in net.state_dict()[n][:4]]
        out["params"].append(row)
    return out


torch.set_num_threads(1)
cases = [case("binary", 2, 4, 1, 1, 8, 2, 32), case("rgb, three classes", 2, 2, 3, 3, 20, 2, 24),
         case("3-D, three classes", 3, 3, 1, 3, 8, 2, 16), case("3-D, five classes", 3, 2, 2, 5, 16, 1, 12)]
with open(sys.argv[1] if len(sys.argv) > 1 else "unet.json", "w") as f:
    json.dump(cases, f)
