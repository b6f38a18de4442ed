"""Searchable cells and the generator of GenSeg in PyTorch, with the same parameter names: an oracle. Candidates are
convolutions of their own, activations stand where pix2pix has them."""
import torch
import torch.nn.functional as F
from torch import nn


class Cell(nn.Module):
    def __init__(self, spatial, transposed, candidates, fixed, cin, cout, bias=False, norm=False):
        super().__init__()
        self.conv = {(2, 0): F.conv2d, (3, 0): F.conv3d, (2, 1): F.conv_transpose2d, (3, 1): F.conv_transpose3d}[
            (spatial, int(transposed))]
        self.kernels = [fixed] if fixed else [4, 6, 8][:candidates]
        first = [cin, cout] if transposed else [cout, cin]
        if fixed:
            self.weight = nn.Parameter(torch.zeros(first + [fixed] * spatial))
        else:
            for k in self.kernels:
                holder = nn.Module()
                holder.weight = nn.Parameter(torch.zeros(first + [k] * spatial))
                setattr(self, f"k{k}", holder)
            if candidates > 1:
                self.alpha = nn.Parameter(torch.zeros(candidates))
        self.fixed, self.candidates = fixed, candidates
        self.bias = nn.Parameter(torch.zeros(cout)) if bias else None
        self.norm = ({2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[spatial])(cout) if norm else None

    def forward(self, x):
        if self.fixed:
            y = self.conv(x, self.weight, stride=2, padding=(self.fixed - 2) // 2)
        else:
            share = torch.softmax(self.alpha, 0) if self.candidates > 1 else [1.0]
            y = sum(p * self.conv(x, getattr(self, f"k{k}").weight, stride=2, padding=(k - 2) // 2)
                    for p, k in zip(share, self.kernels))
        if self.bias is not None:
            y = y + self.bias.reshape([1, -1] + [1] * (y.dim() - 2))
        return y if self.norm is None else self.norm(y)


class Levels(nn.Module):
    def __init__(self, spatial, levels, inputs, channels, width, candidates, fixed):
        super().__init__()
        self.levels = levels
        c = [inputs] + [width * min(1 << i, 8) for i in range(levels)]
        for i in range(1, levels + 1):
            setattr(self, f"down{i}", Cell(spatial, False, candidates, fixed[i - 1], c[i - 1], c[i], norm=1 < i < levels))
            setattr(self, f"up{i}", Cell(spatial, True, candidates, fixed[2 * levels - i], c[i] * (1 if i == levels else 2),
                                         channels if i == 1 else c[i - 1], bias=i == 1, norm=i > 1))

    def level(self, i, x):
        y = getattr(self, f"down{i}")(F.leaky_relu(x, 0.2) if i > 1 else x)
        y = getattr(self, f"up{i}")(torch.relu(self.level(i + 1, y) if i < self.levels else y))
        return torch.cat([x, y], 1) if i > 1 else torch.tanh(y)


class Generator(nn.Module):
    def __init__(self, *args):
        super().__init__()
        self.generator = Levels(*args)

    def forward(self, x):
        return self.generator.level(1, x)
