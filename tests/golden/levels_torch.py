"""One step of the three levels of GenSeg in PyTorch, each product with second derivatives by double backward, and the
numbers that libgenseg draws for it: an oracle."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

import make_augment
from discriminator_torch import NLayerDiscriminator

STREAM_DEFORM, STREAM_APPEARANCE, STREAM_MIX = 8, 9, 10  # lib/core/rng.h
DEVIATIONS = 2.5


class Rng:
    """lib/core/rng.h"""

    def __init__(self, seed, stream, step):
        self.key, self.counter = [seed & 0xFFFFFFFF, seed >> 32], [0, stream, step & 0xFFFFFFFF, step >> 32]
        self.words = []

    def word(self):
        if not self.words:
            self.words = make_augment.philox(self.counter, self.key)
            self.counter[0] += 1
        return self.words.pop(0)

    def uniform(self):
        high = self.word()
        return ((high << 32 | self.word()) >> 11) * 2.0**-53

    def normal(self):
        radius = (-2 * torch.log(torch.tensor(1 - self.uniform(), dtype=torch.float64))).sqrt()
        return float(radius * torch.cos(torch.tensor(2 * torch.pi * self.uniform(), dtype=torch.float64)))


def rounded(rows):
    return torch.tensor(rows, dtype=torch.float64).float().double()


def deform_draws(seed, first, batch, spatial):
    """gsg_deform_draw() with its defaults: always affine, elastic half of the time, no flips."""
    rows = []
    for n in range(batch):
        rng = Rng(seed, STREAM_DEFORM, first + n)
        rng.uniform()
        elastic = rng.uniform() < 0.5
        for _ in range(3):
            rng.uniform()
        row = [1.0] * 3 + [2 * rng.uniform() - 1 for _ in range(12)] + [rng.uniform()]
        points = spatial * 7**spatial
        row += [min(max(rng.normal(), -DEVIATIONS), DEVIATIONS) for _ in range(points)] if elastic else [0.0] * points
        rows.append(row)
    return rounded(rows)


def appearance_draws(seed, first, batch):
    """gsg_appearance_draw() with its defaults: draws, and the keys of the noise."""
    rows, keys = [], []
    for n in range(batch):
        rng = Rng(seed, STREAM_APPEARANCE, first + n)
        row = []
        for i in range(5):
            happens = rng.uniform() < 0.5
            value = rng.uniform() if i >= 3 else 2 * rng.uniform() - 1
            row.append(value if happens else 0.0)
        rows.append(row)
        keys.append([rng.word() >> 8, rng.word() >> 8])
    return rounded(rows), keys


class Judge(nn.Module):
    def __init__(self, *args):
        super().__init__()
        self.discriminator = NLayerDiscriminator(*args)

    def forward(self, x):
        return self.discriminator(x)


class Smooth(nn.Module):
    """levels_segment() of tests/unit/train/levels.h"""

    def __init__(self, spatial, channels, outputs):
        super().__init__()
        conv, norm = (nn.Conv2d, nn.BatchNorm2d) if spatial == 2 else (nn.Conv3d, nn.BatchNorm3d)
        self.first = conv(channels, 8, 3, padding=1)
        self.second = nn.Sequential(conv(8, 8, 3, padding=1, bias=False), norm(8))
        self.last = conv(8, outputs, 3, padding=1)

    def forward(self, x):
        return self.last(torch.tanh(self.second(torch.tanh(self.first(x)))))


def weighted_loss(logits, target, weights=None):
    """Cross entropy and soft Dice over the batch, with a weight for each sample (lib/kernel/loss.h)."""
    v = torch.ones(logits.shape[0], dtype=logits.dtype) if weights is None else weights
    over = v.reshape([-1] + [1] * (logits.dim() - 1))
    axes = [0] + list(range(2, logits.dim()))
    if logits.shape[1] == 1:
        p = torch.sigmoid(logits)
        ce = (over * F.binary_cross_entropy_with_logits(logits, target, reduction="none")).mean()
    else:
        p = torch.softmax(logits, 1)
        ce = -(over * target * F.log_softmax(logits, 1)).sum() / target.sum()
    dice = (2 * (over * p * target).sum(axes) + 1e-5) / ((over * p).sum(axes) + (over * target).sum(axes) + 1e-5)
    return ce + v.mean() * (1 - dice.mean())


def adversarial(kind, logits, real):
    if kind == "wgan":
        return -logits.mean() if real else logits.mean()
    goal = torch.full_like(logits, float(real))
    return F.binary_cross_entropy_with_logits(logits, goal) if kind == "vanilla" else F.mse_loss(logits, goal)


def leaves(net):
    return {n: p.detach().clone().requires_grad_() for n, p in net.named_parameters()}


def derivative(loss, inputs, **options):
    return dict(zip(inputs, torch.autograd.grad(loss, list(inputs.values()), **options)))


def dot(a, b):
    return sum((a[n] * b[n]).sum() for n in a)


class Step:
    """The step from weights, levers and batches; afterwards its fields hold losses, gradients and derivatives."""

    def __init__(self, o, generator, judge, segmenter, levers, batches):
        self.o, self.nets, self.levers, self.batches = o, (generator, judge, segmenter), levers, batches
        self.generator, self.judge, self.segmenter = leaves(generator), leaves(judge), leaves(segmenter)
        self.logits = {n: p for n, p in self.generator.items() if n.endswith("alpha")}
        self.level_one()
        self.synthesise()
        self.level_two()
        self.level_three()

    def generate(self, weights, mask):
        return functional_call(self.nets[0], weights, (mask,))

    def judgement(self, weights, mask, image):
        return functional_call(self.nets[1], weights, (torch.cat([mask, image], 1),))

    def segment(self, weights, image):
        return functional_call(self.nets[2], weights, (image,))

    def penalty(self, mask, image, fake):
        rng = Rng(self.o["seed"], STREAM_MIX, 0)
        parts = rounded([rng.uniform() for _ in range(image.shape[0])]).reshape([-1] + [1] * (image.dim() - 1))
        mixed = (parts * image + (1 - parts) * fake).requires_grad_()
        slope, = torch.autograd.grad(self.judgement(self.judge, mask, mixed).sum(), mixed, create_graph=True)
        return 10 * ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()

    def level_one(self):
        """lib/train/gan.h: the discriminator first, then the generator against the discriminator's new weights, which
        the hypergradient takes as given."""
        o, (image, mask) = self.o, self.batches["pair"]
        fake = self.generate(self.generator, mask)
        loss = (adversarial(o["loss"], self.judgement(self.judge, mask, fake.detach()), 0) +
                adversarial(o["loss"], self.judgement(self.judge, mask, image), 1))
        loss = loss + self.penalty(mask, image, fake.detach()) if o["loss"] == "wgan" else loss / 2
        self.judge_loss, self.judge_gradient = loss, derivative(loss, self.judge)
        self.judge_after = {n: p.detach() - o["gan_lr"] * self.judge_gradient[n] for n, p in self.judge.items()}
        self.l1 = F.l1_loss(fake, image)
        fooled = adversarial(o["loss"], self.judgement(self.judge_after, mask, fake), 1)
        self.generator_loss = fooled + o["l1"] * self.l1
        self.generator_gradient = derivative(self.generator_loss, self.generator, create_graph=True)
        self.generator_after = {n: p if n in self.logits else p - o["gan_lr"] * self.generator_gradient[n]
                                for n, p in self.generator.items()}

    def synthesise(self):
        o, mask = self.o, self.batches["mask"][1]
        axes = (1, 2) if o["spatial"] == 2 else (0, 1, 2)
        draws, keys = appearance_draws(o["seed"], 0, mask.shape[0])
        self.target = make_augment.deform(mask, deform_draws(o["seed"], 0, mask.shape[0], o["spatial"]),
                                          self.levers["warp"], (1, 1, 1), axes, 0, 1)
        made = self.generate(self.generator_after, self.target)
        self.image = make_augment.appearance(made, draws, keys, self.levers["appearance"], axes, STREAM_APPEARANCE)

    def level_two(self):
        image, target = self.batches["real"]
        real = weighted_loss(self.segment(self.segmenter, image), target)
        synthetic = weighted_loss(self.segment(self.segmenter, self.image), self.target,
                                  self.levers["pairs"][self.batches["index"]])
        self.loss = real + self.levers["gamma"][0] * synthetic
        self.segmenter_gradient = derivative(self.loss, self.segmenter, create_graph=True)

    def validate(self, weights):
        image, target = self.batches["validation"]
        return weighted_loss(self.segment(weights, image), target)

    def curvature(self, p):
        """H p, exactly."""
        return derivative(list(self.segmenter_gradient.values()), self.segmenter, grad_outputs=list(p.values()),
                          retain_graph=True)

    def neumann(self, v):
        term = {n: self.o["lr"] * x for n, x in v.items()}
        total = dict(term)
        for _ in range(self.o["terms"]):
            curved = self.curvature(term)
            term = {n: x - self.o["lr"] * curved[n] for n, x in term.items()}
            total = {n: x + term[n] for n, x in total.items()}
        return total

    def conjugate_gradients(self, v):
        x, r, p = {n: torch.zeros_like(t) for n, t in v.items()}, dict(v), dict(v)
        for k in range(self.o["terms"]):
            curved = self.curvature(p)
            if k == 0:
                damping = self.o["damping"] * dot(p, curved).abs() / dot(r, r)
            curved = {n: t + damping * p[n] for n, t in curved.items()}
            bend, before = dot(p, curved), dot(r, r)
            if not bend > 0:
                break
            x = {n: t + before / bend * p[n] for n, t in x.items()}
            r = {n: t - before / bend * curved[n] for n, t in r.items()}
            p = {n: r[n] + dot(r, r) / before * t for n, t in p.items()}
        return x

    def level_three(self):
        """d validation / d (levers, logits, the generator's weights after their step). One step: by automatic
        differentiation of the validation loss after both updates. Else by the solver's vector."""
        after = {n: p - self.o["lr"] * self.segmenter_gradient[n] for n, p in self.segmenter.items()}
        self.validation = self.validate(after)
        v = derivative(self.validation, after, retain_graph=True)
        self.v = {n: self.o["lr"] * x for n, x in v.items()}
        outer = self.validation
        if self.o["solver"] != "one step":
            self.v = (self.neumann if self.o["solver"] == "neumann" else self.conjugate_gradients)(v)
            outer = -dot(self.segmenter_gradient, self.v)
        moved = {n: p for n, p in self.generator_after.items() if n not in self.logits}
        self.u = derivative(outer, moved, retain_graph=True)
        self.by = derivative(outer, {**self.levers, **self.logits}, retain_graph=True)
        # Without the way through level I, to see how much goes there.
        through = -self.o["gan_lr"] * dot({n: self.generator_gradient[n] for n in moved}, self.u)
        self.by_level_one = derivative(through, self.logits)
