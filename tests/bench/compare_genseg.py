#!/usr/bin/env python3
"""A step of each of GenSeg's three levels and of the segmenter alone: libgenseg against PyTorch eager, in turn, in one
run; prints medians, ratios and peak memory.

    python3 tests/bench/compare_genseg.py build/tests/bench/bench_genseg [WIDTH GENERATOR SIZE BATCH THREADS ROUNDS]

Needs PyTorch (pip install torch). Each side runs in a process of its own. PyTorch's side has the networks of the
oracles in tests/golden, the candidates of a cell as convolutions of their own as in the public code, Adam everywhere,
and level III as Betty's `darts` does it for that code: central differences, two probes of the segmenter and two of the
generator. With `--double` beside the sizes level III is automatic differentiation through the updates of segmenter and
generator (plain gradient steps) instead; its synthetic pairs are then made anew within level III. PyTorch's masks are
rotated and its images get contrast and brightness: less than libgenseg's augmentation does.
"""
import os
import statistics
import subprocess
import sys

REPEATS = 2
PARTS = "I", "II", "III", "segmenter"


class Torch:
    def __init__(self, width, generator_width, size, batch):
        sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
        import torch
        from discriminator_torch import NLayerDiscriminator
        from generator_torch import Generator
        from levels_torch import weighted_loss
        from unet_torch import UNet
        self.torch, self.f, self.loss_of = torch, torch.nn.functional, weighted_loss
        levels = next(n for n in range(1, 9) if size >> n <= 8)  # gsg_generator_depth() of powers of two
        self.generator = Generator(2, levels, 1, 1, generator_width, 3, [0] * (2 * levels))
        self.judge = NLayerDiscriminator(2, 2, 32, 3, 1)
        self.unet = UNet(2, 4, 1, 1, width)
        with torch.no_grad():
            for net in self.generator, self.judge:
                for p in net.parameters():
                    p.normal_(1 if p.dim() == 1 else 0, 0.02)
        # The logits belong to level III.
        self.logits = [p for n, p in self.generator.named_parameters() if n.endswith("alpha")]
        self.weights = [p for n, p in self.generator.named_parameters() if not n.endswith("alpha")]
        adam = torch.optim.Adam
        self.for_generator = adam(self.weights, 2e-4, (0.5, 0.999))
        self.for_judge = adam(self.judge.parameters(), 2e-4, (0.5, 0.999))
        self.for_unet = adam(self.unet.parameters(), 1e-4)
        self.gamma, self.pairs = torch.ones(1, requires_grad=True), torch.ones(batch, requires_grad=True)
        self.angle, self.change = torch.full((1,), 0.1, requires_grad=True), torch.full((2,), 0.1, requires_grad=True)
        self.for_levers = adam([self.gamma, self.pairs, self.angle, self.change, *self.logits], 1e-2)
        self.mask = (torch.arange(batch * size * size) // 16 % 2).float().reshape(batch, 1, size, size)
        self.image = torch.rand(self.mask.shape) - 0.5 + 0.5 * self.mask

    def of_generator(self):
        fake = self.generator(self.mask)
        logits = self.judge(self.torch.cat([self.mask, fake], 1))
        return fake, (self.f.binary_cross_entropy_with_logits(logits, self.torch.ones_like(logits)) +
                      100 * self.f.l1_loss(fake, self.image))

    def level_one(self):
        """As pix2pix: the discriminator first, which the generator's loss then sees anew."""
        fake = self.generator(self.mask)
        self.for_judge.zero_grad()
        real, made = (self.judge(self.torch.cat([self.mask, x], 1)) for x in (self.image, fake.detach()))
        (0.5 * (self.f.binary_cross_entropy_with_logits(real, self.torch.ones_like(real)) +
                self.f.binary_cross_entropy_with_logits(made, self.torch.zeros_like(made)))).backward()
        self.for_judge.step()
        self.judge.requires_grad_(False)
        self.for_generator.zero_grad()
        logits = self.judge(self.torch.cat([self.mask, fake], 1))
        (self.f.binary_cross_entropy_with_logits(logits, self.torch.ones_like(logits)) +
         100 * self.f.l1_loss(fake, self.image)).backward()
        self.for_generator.step()
        self.judge.requires_grad_(True)

    def synthesise(self):
        a, zero = self.angle, self.torch.zeros(1)
        theta = self.torch.stack([self.torch.cat([a.cos(), -a.sin(), zero]), self.torch.cat([a.sin(), a.cos(), zero])])
        grid = self.f.affine_grid(theta.expand(len(self.mask), 2, 3), self.mask.shape, align_corners=True)
        self.target = self.f.grid_sample(self.mask, grid, align_corners=True)
        self.made = ((1 + self.change[0]) * self.generator(self.target) + self.change[1]).clamp(-1, 1)

    def joint(self, image, target):
        return (self.loss_of(self.unet(self.image), self.mask) +
                self.gamma[0] * self.loss_of(self.unet(image), target, self.pairs))

    def level_two(self):
        """What was generated is kept with its graph: level III goes back through it."""
        self.synthesise()
        self.for_unet.zero_grad()
        self.joint(self.made.detach(), self.target.detach()).backward()
        self.before = [p.detach().clone() for p in self.unet.parameters()]
        self.for_unet.step()

    def set(self, parameters, values, direction, factor):
        with self.torch.no_grad():
            for p, value, d in zip(parameters, values, direction):
                p.copy_(value + factor * d)

    def length(self, direction):
        return sum(float((d * d).sum()) for d in direction)**0.5

    def level_three(self):
        grad, unet = self.torch.autograd.grad, list(self.unet.parameters())
        v = grad(self.loss_of(self.unet(self.image), self.mask), unet)
        after, eps = [p.detach().clone() for p in unet], 0.01 / self.length(v)
        image, target = (x.detach().requires_grad_() for x in (self.made, self.target))
        probes = []
        for sign in 1, -1:
            self.set(unet, self.before, v, sign * eps)
            loss = self.gamma[0] * self.loss_of(self.unet(image), target, self.pairs)
            probes.append(grad(loss, [image, target, self.gamma, self.pairs]))
        self.set(unet, after, v, 0)
        seeds = [-(a - b) / (2 * eps) for a, b in zip(*probes)]
        levers = [self.angle, self.change, *self.logits]
        back = grad([self.made, self.target], levers + self.weights, seeds[:2], allow_unused=True)
        u, direct = back[len(levers):], back[:len(levers)]
        kept, eps = [p.detach().clone() for p in self.weights], 0.01 / self.length(u)
        probes = []
        for sign in 1, -1:
            self.set(self.weights, kept, u, sign * eps)
            probes.append(grad(self.of_generator()[1], self.logits))
        self.set(self.weights, kept, u, 0)
        self.gamma.grad, self.pairs.grad = seeds[2:]
        self.angle.grad, self.change.grad = direct[:2]
        for p, d, a, b in zip(self.logits, direct[2:], *probes):
            p.grad = d - (a - b) / (2 * eps)
        self.for_levers.step()

    def level_three_double(self):
        """The same by automatic differentiation through one gradient step of generator and segmenter."""
        from torch.func import functional_call
        grad = self.torch.autograd.grad
        g = dict(self.generator.named_parameters())
        moved = {n: p for n, p in g.items() if not n.endswith("alpha")}
        step = grad(self.of_generator()[1], list(moved.values()), create_graph=True)
        after = {**g, **{n: p - 2e-4 * d for (n, p), d in zip(moved.items(), step)}}
        kept, self.generator = self.generator, lambda mask: functional_call(kept, after, (mask,))
        self.synthesise()
        self.generator = kept
        unet = dict(self.unet.named_parameters())
        step = grad(self.joint(self.made, self.target), list(unet.values()), create_graph=True)
        after = {n: p - 1e-4 * d for (n, p), d in zip(unet.items(), step)}
        levers = [self.gamma, self.pairs, self.angle, self.change, *self.logits]
        validation = self.loss_of(functional_call(self.unet, after, (self.image,)), self.mask)
        for p, d in zip(levers, grad(validation, levers)):
            p.grad = d
        self.for_levers.step()

    def plain(self):
        self.for_unet.zero_grad()
        self.loss_of(self.unet(self.image), self.mask).backward()
        self.for_unet.step()


def torch_side(what, double, width, generator, size, batch, threads):
    import resource
    import time
    import torch
    torch.set_num_threads(threads)
    side = Torch(width, generator, size, batch)
    third = side.level_three_double if double else side.level_three
    parts = [("I", side.level_one), ("II", side.level_two), ("III", third)]
    if what == "segmenter":
        parts = [("segmenter", side.plain)]
    times = {name: [] for name, _ in parts}
    for i in range(REPEATS + 1):
        for name, part in parts:
            begin = time.perf_counter()
            part()
            if i > 0:
                times[name].append((time.perf_counter() - begin) * 1e3)
    for name, values in times.items():
        print(name, *values)
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def run(command, threads):
    env = dict(os.environ, OMP_NUM_THREADS=threads)
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
    return {row.split()[0]: [float(x) for x in row.split()[1:]] for row in out.strip().split("\n")}


def main():
    if sys.argv[1] == "--torch":
        return torch_side(sys.argv[2], int(sys.argv[3]), *map(int, sys.argv[4:]))
    double = "--double" in sys.argv
    given = [a for a in sys.argv[2:] if a != "--double"]
    width, generator, size, batch, threads, rounds = given + ["32", "32", "128", "4", "2", "3"][len(given):]
    sizes, times, peak = [width, generator, size, batch, threads], {}, {}
    for _ in range(int(rounds)):
        for what in "levels", "segmenter":
            for side, command in (("ours", [sys.argv[1], what, *sizes, str(REPEATS)]),
                                  ("torch", [sys.executable, __file__, "--torch", what, str(int(double)), *sizes])):
                found = run(command, threads)
                peak[side, what] = found.pop("peak")[0]
                for part, values in found.items():
                    times.setdefault((side, part), []).extend(values)
    print(f"segmenter's width {width}, generator's {generator}, {size}x{size}, batch {batch}, {threads} threads, "
          f"level III by {'double backward' if double else 'differences'}")
    middle = {key: statistics.median(values) for key, values in times.items()}
    for part in PARTS:
        a, b = middle["ours", part], middle["torch", part]
        ours, theirs = times["ours", part], times["torch", part]
        print(f"{part:>9}: ours {a:.1f} ms ({min(ours):.1f}-{max(ours):.1f}), PyTorch {b:.1f} ms "
              f"({min(theirs):.1f}-{max(theirs):.1f}), {b / a:.2f}x faster")
    whole = {side: sum(middle[side, part] for part in PARTS[:3]) for side in ("ours", "torch")}
    print(f"   I-III: ours {whole['ours']:.1f} ms, PyTorch {whole['torch']:.1f} ms, "
          f"{whole['torch'] / whole['ours']:.2f}x faster; in plain segmenter steps: "
          f"{whole['ours'] / middle['ours', 'segmenter']:.1f}, "
          f"{whole['torch'] / middle['torch', 'segmenter']:.1f}")
    for what in "levels", "segmenter":
        a, b = peak["ours", what], peak["torch", what]
        print(f"peak memory, {what}: {a:.0f} MB of {b:.0f} MB ({a / b:.2f})")
    return None


main()
