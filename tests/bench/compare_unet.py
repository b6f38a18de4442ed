#!/usr/bin/env python3
"""U-Net training step and inference: libgenseg against PyTorch eager, in turn, in one run; prints medians and ratios.

    python3 tests/bench/compare_unet.py build-test/tests/bench/bench_unet [WIDTH SIZE BATCH THREADS ROUNDS]

Needs PyTorch (pip install torch). Each side runs in a process of its own, which also gives its peak memory.
"""
import os
import statistics
import subprocess
import sys

REPEATS = 3


def torch_side(what, width, size, batch, threads):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
    import resource
    import time
    import torch
    from unet_torch import UNet, loss_of
    torch.set_num_threads(threads)
    net = UNet(2, 4, 1, 1, width)
    image = torch.rand(batch, 1, size, size) * 2 - 1
    target = (image > 0).float()
    optimizer = torch.optim.RMSprop(net.parameters(), 1e-4, momentum=0.9)

    def train():
        optimizer.zero_grad()
        loss_of(net(image), target).backward()
        optimizer.step()

    def infer():
        with torch.no_grad():
            net(image)

    net.train(what == "train")
    step = train if what == "train" else infer
    step()
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        step()
        times.append((time.perf_counter() - begin) * 1e3)
    print(*times)
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def run(command):
    env = dict(os.environ, OMP_NUM_THREADS=command[-2] if command[0] != sys.executable else command[-1])
    out = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.split("\n")
    return [float(x) for x in out[0].split()], float(out[1].split()[1])


def main():
    if sys.argv[1] == "--torch":
        return torch_side(sys.argv[2], *map(int, sys.argv[3:]))
    width, size, batch, threads, rounds = (sys.argv[2:] + ["64", "256", "2", "2", "3"][len(sys.argv) - 2:])
    for what in ("train", "infer"):
        ours, theirs, memory = [], [], {}
        for _ in range(int(rounds)):
            times, memory["ours"] = run([sys.argv[1], what, "2", width, size, batch, threads, str(REPEATS)])
            ours += times
            times, memory["torch"] = run([sys.executable, __file__, "--torch", what, width, size, batch, threads])
            theirs += times
        a, b = statistics.median(ours), statistics.median(theirs)
        print(f"{what}: width {width}, {size}x{size}, batch {batch}, {threads} threads: ours {a:.1f} ms "
              f"({min(ours):.1f}-{max(ours):.1f}), PyTorch {b:.1f} ms ({min(theirs):.1f}-{max(theirs):.1f}), "
              f"{b / a:.2f}x faster; peak {memory['ours']:.0f} MB of {memory['torch']:.0f} MB "
              f"({memory['ours'] / memory['torch']:.2f})")
    return None


main()
