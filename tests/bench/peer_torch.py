#!/usr/bin/env python3
"""PyTorch's side of the benchmark suite: a worker of suite.py, which says what the arguments are.

    peer_torch.py prepare SPATIAL WIDTH SIZE BATCH DIR       weights, image and target for all sides, and model.onnx
    peer_torch.py unet eager|channels_last|compile train|infer SPATIAL WIDTH SIZE BATCH THREADS DIR
    peer_torch.py gan|levels eager|channels_last|compile WIDTH GENERATOR SIZE BATCH THREADS
    peer_torch.py first MODEL IMAGE                          from nothing to one prediction

The networks are those of the oracles in tests/golden, the candidates of a cell convolutions of their own as in the
public code, Adam for GenSeg's networks. Level III is what Betty's `darts` does for that code: central differences, two
probes of the segmenter and two of the generator. Masks are rotated and images get contrast and brightness: less than
libgenseg's augmentation does.
"""
import os
import pathlib
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
import torch
import torch.nn.functional as F

from levels_torch import weighted_loss


def turns(step):
    """As turns.h: so many steps as a line says, each answered by milliseconds and a loss."""
    for line in sys.stdin:
        out = []
        for _ in range(int(line)):
            begin = time.perf_counter()
            loss = step()
            out += [(time.perf_counter() - begin) * 1e3, float(loss)]
        print(*out, flush=True)


def wrapper(way, spatial=2):
    formats = {2: torch.channels_last, 3: torch.channels_last_3d}
    if way == "channels_last":
        return lambda x: x.to(memory_format=formats[spatial])
    return torch.compile if way == "compile" else lambda net: net


def floats(folder, name, shape):
    return torch.frombuffer(bytearray(pathlib.Path(folder, name).read_bytes()), dtype=torch.float32).reshape(shape)


def prepare(spatial, width, size, batch, folder):
    from safetensors.torch import save_file
    from unet_torch import UNet
    torch.manual_seed(1)
    net = UNet(spatial, 4 if spatial == 2 else 3, 1, 1, width)
    save_file({n: t for n, t in net.state_dict().items() if t.is_floating_point()}, f"{folder}/weights.safetensors")
    image = torch.rand([batch, 1] + [size] * spatial) * 2 - 1
    target = (F.avg_pool2d(image[:, :, 0], 5, 1, 2)[:, :, None] if spatial == 3 else F.avg_pool2d(image, 5, 1, 2)) > 0
    for name, tensor in ("image", image), ("target", target.float().expand_as(image)):
        pathlib.Path(folder, name + ".raw").write_bytes(tensor.contiguous().numpy().tobytes())
    torch.onnx.export(net.eval(), (image,), f"{folder}/model.onnx", input_names=["image"], dynamo=False)


def unet(way, what, spatial, width, size, batch, threads, folder):
    from safetensors.torch import load_file
    from unet_torch import UNet, loss_of
    torch.set_num_threads(threads)
    net = UNet(spatial, 4 if spatial == 2 else 3, 1, 1, width)
    net.load_state_dict(load_file(f"{folder}/weights.safetensors"), strict=False)
    shape, wrap = [batch, 1] + [size] * spatial, wrapper(way, spatial)
    image, target = floats(folder, "image.raw", shape), floats(folder, "target.raw", shape)
    if way == "channels_last":
        image, target = wrap(image), wrap(target)
    net = wrap(net.train(what == "train"))
    optimizer = torch.optim.RMSprop(net.parameters(), 1e-4, momentum=0.9)
    outputs = []

    def train():
        optimizer.zero_grad()
        loss = loss_of(net(image), target)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def infer():
        with torch.inference_mode():
            out = net(image)
        if not outputs:
            outputs.append(1)
            pathlib.Path(folder, f"torch-{way}.raw").write_bytes(out.contiguous().numpy().tobytes())
        return "nan"

    turns(train if what == "train" else infer)


class Levels:
    """GenSeg's three levels. `wrap` is what a way of running does to a network."""
    def __init__(self, width, generator_width, size, batch, wrap=lambda net: net):
        from discriminator_torch import NLayerDiscriminator
        from generator_torch import Generator
        from unet_torch import UNet
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
        self.generator, self.judge, self.unet = wrap(self.generator), wrap(self.judge), wrap(self.unet)
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
        logits = self.judge(torch.cat([self.mask, fake], 1))
        return fake, (F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)) +
                      100 * F.l1_loss(fake, self.image))

    def level_one(self):
        """As pix2pix: the discriminator first, which the generator's loss then sees anew."""
        fake = self.generator(self.mask)
        self.for_judge.zero_grad()
        real, made = (self.judge(torch.cat([self.mask, x], 1)) for x in (self.image, fake.detach()))
        (0.5 * (F.binary_cross_entropy_with_logits(real, torch.ones_like(real)) +
                F.binary_cross_entropy_with_logits(made, torch.zeros_like(made)))).backward()
        self.for_judge.step()
        self.judge.requires_grad_(False)
        self.for_generator.zero_grad()
        logits = self.judge(torch.cat([self.mask, fake], 1))
        (F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)) +
         100 * F.l1_loss(fake, self.image)).backward()
        self.for_generator.step()
        self.judge.requires_grad_(True)

    def synthesise(self):
        a, zero = self.angle, torch.zeros(1)
        theta = torch.stack([torch.cat([a.cos(), -a.sin(), zero]), torch.cat([a.sin(), a.cos(), zero])])
        grid = F.affine_grid(theta.expand(len(self.mask), 2, 3), self.mask.shape, align_corners=True)
        self.target = F.grid_sample(self.mask, grid, align_corners=True)
        self.made = ((1 + self.change[0]) * self.generator(self.target) + self.change[1]).clamp(-1, 1)

    def joint(self, image, target):
        return (weighted_loss(self.unet(self.image), self.mask) +
                self.gamma[0] * weighted_loss(self.unet(image), target, self.pairs))

    def level_two(self):
        """What was generated is kept with its graph: level III goes back through it."""
        self.synthesise()
        self.for_unet.zero_grad()
        self.joint(self.made.detach(), self.target.detach()).backward()
        self.before = [p.detach().clone() for p in self.unet.parameters()]
        self.for_unet.step()

    def set(self, parameters, values, direction, factor):
        with torch.no_grad():
            for p, value, d in zip(parameters, values, direction):
                p.copy_(value + factor * d)

    def length(self, direction):
        return sum(float((d * d).sum()) for d in direction)**0.5

    def level_three(self):
        grad, unet = torch.autograd.grad, list(self.unet.parameters())
        v = grad(weighted_loss(self.unet(self.image), self.mask), unet)
        after, eps = [p.detach().clone() for p in unet], 0.01 / self.length(v)
        image, target = (x.detach().requires_grad_() for x in (self.made, self.target))
        probes = []
        for sign in 1, -1:
            self.set(unet, self.before, v, sign * eps)
            loss = self.gamma[0] * weighted_loss(self.unet(image), target, self.pairs)
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


def gan(what, way, width, generator, size, batch, threads):
    torch.set_num_threads(threads)
    side = Levels(width, generator, size, batch, wrapper(way))

    def levels():
        side.level_one()
        side.level_two()
        side.level_three()
        return "nan"

    def alone():
        side.level_one()
        return "nan"

    turns(levels if what == "levels" else alone)


def first(model, image):
    from safetensors.torch import load_file
    from unet_torch import UNet
    torch.set_num_threads(2)
    net = UNet(2, 4, 1, 1, 64)
    net.load_state_dict(load_file(model), strict=False)
    net.eval()
    pixels = torch.frombuffer(bytearray(pathlib.Path(image).read_bytes()), dtype=torch.uint8)
    with torch.inference_mode():
        net(pixels.reshape(1, 1, 256, 256).float() / 127.5 - 1)


def main():
    what, words = sys.argv[1], [int(w) if w.isdigit() else w for w in sys.argv[2:]]
    if what in ("gan", "levels"):
        return gan(what, *words)
    return {"prepare": prepare, "unet": unet, "first": first}[what](*words)


main()
