"""The U-Net of GenSeg and its 3-D twin in PyTorch, with the same parameter names, and the loss: an oracle."""
import torch
import torch.nn.functional as F
from torch import nn


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
