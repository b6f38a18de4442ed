#!/usr/bin/env python3
"""Writes unet.json: logits, loss and gradients of a U-Net in PyTorch (2.13, CPU) for tests/unit/model/test_unet.c.

Weights and inputs follow from a formula that the test repeats, so that only results are stored: sampled values and,
of each gradient, its product with the formula's values.
"""
import json, sys
import numpy as np
import torch
from torch import nn
import torch.nn.functional as F


def hashed(stream, count):
    """Values in [-1, 1): a 32-bit integer hash of (stream, i)."""
    x = (np.arange(count, dtype=np.uint64) + np.uint64(stream * 1000003 + 12345)) & np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    return (x.astype(np.float64) / 2147483648.0 - 1.0).astype(np.float32)


class DoubleConv(nn.Module):
    def __init__(self, conv, norm, cin, cout):
        super().__init__()
        self.double_conv = nn.Sequential(conv(cin, cout, 3, padding=1, bias=False), norm(cout), nn.ReLU(),
                                         conv(cout, cout, 3, padding=1, bias=False), norm(cout), nn.ReLU())

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, conv, norm, pool, cin, cout):
        super().__init__()
        self.maxpool_conv = nn.Sequential(pool(2), DoubleConv(conv, norm, cin, cout))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, conv, norm, up, cin, cout):
        super().__init__()
        self.up = up(cin, cout, 2, stride=2)
        self.conv = DoubleConv(conv, norm, cin, cout)

    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.up(x)], 1))


class OutConv(nn.Module):
    def __init__(self, conv, cin, cout):
        super().__init__()
        self.conv = conv(cin, cout, 1)

    def forward(self, x):
        return self.conv(x)


class UNet(nn.Module):
    def __init__(self, spatial, levels, channels, outputs, width):
        super().__init__()
        conv, norm, up, pool = ((nn.Conv2d, nn.BatchNorm2d, nn.ConvTranspose2d, nn.MaxPool2d) if spatial == 2 else
                                (nn.Conv3d, nn.BatchNorm3d, nn.ConvTranspose3d, nn.MaxPool3d))
        self.levels = levels
        self.inc = DoubleConv(conv, norm, channels, width)
        for i in range(levels):
            setattr(self, f"down{i + 1}", Down(conv, norm, pool, width << i, width << (i + 1)))
        for i in range(levels):
            at = levels - 1 - i
            setattr(self, f"up{i + 1}", Up(conv, norm, up, width << (at + 1), width << at))
        self.outc = OutConv(conv, width, outputs)

    def forward(self, x):
        skips = [self.inc(x)]
        for i in range(self.levels):
            skips.append(getattr(self, f"down{i + 1}")(skips[-1]))
        x = skips.pop()
        for i in range(self.levels):
            x = getattr(self, f"up{i + 1}")(x, skips.pop())
        return self.outc(x)


def loss_of(logits, target):
    k = logits.shape[1]
    p = torch.sigmoid(logits) if k == 1 else torch.softmax(logits, 1)
    if k == 1:
        ce = F.binary_cross_entropy_with_logits(logits, target)
    else:
        ce = F.cross_entropy(logits, target.argmax(1))
    axes = [0] + list(range(2, logits.dim()))
    dice = (2 * (p * target).sum(axes) + 1e-5) / (p.sum(axes) + target.sum(axes) + 1e-5)
    return ce + 1 - dice.mean()


def case(name, spatial, levels, channels, outputs, width, batch, size):
    net = UNet(spatial, levels, channels, outputs, width)
    named = [(n, p) for n, p in net.state_dict().items() if not n.endswith("num_batches_tracked")]
    with torch.no_grad():
        for i, (n, p) in enumerate(named):
            v = torch.from_numpy(hashed(i + 1, p.numel())).reshape(p.shape)
            vector = p.dim() == 1
            if vector and (n.endswith("running_var") or (n.endswith("weight"))):
                p.copy_(1 + 0.2 * v)
            elif vector:
                p.copy_(0.1 * v)
            else:
                p.copy_(v * (3.0 * p.shape[0] / p.numel()) ** 0.5)
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
            g = parameters[n].grad.flatten().double()
            row["norm"] = float(g.norm())
            row["dot"] = float((g * torch.from_numpy(hashed(i + 501, p.numel())).double()).sum())
        else:
            row["after"] = [float(x) for x in net.state_dict()[n][:4]]
        out["params"].append(row)
    return out


torch.set_num_threads(1)
cases = [case("binary", 2, 4, 1, 1, 8, 2, 32), case("rgb, three classes", 2, 2, 3, 3, 20, 2, 24),
         case("3-D, three classes", 3, 3, 1, 3, 8, 2, 16), case("3-D, five classes", 3, 2, 2, 5, 16, 1, 12)]
with open(sys.argv[1] if len(sys.argv) > 1 else "unet.json", "w") as f:
    json.dump(cases, f)
