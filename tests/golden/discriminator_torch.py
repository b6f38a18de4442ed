"""The discriminator of pix2pix and its losses in PyTorch, with the same parameter names: an oracle."""
import torch
import torch.nn as nn
import torch.nn.functional as F


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
