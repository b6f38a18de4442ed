#!/usr/bin/env python3
"""How the U-Net's cost grows with threads, image size, batch and volume: scale.py BUILD [--steps N] [--threads N]
Medians of bench_network; `growth` is time over work (voxels of a batch), against the line above: 1 is proportional."""
import argparse
import os
import pathlib
import statistics
import subprocess

# dimensions, width, size, batch
IMAGES = [(2, 32, size, 2) for size in (64, 128, 256, 512)]
BATCHES = [(2, 32, 128, batch) for batch in (1, 2, 4, 8, 16)]
VOLUMES = [(3, 16, size, 1) for size in (32, 48, 64, 96)]


def milliseconds(worker, mode, case, threads, steps):
    command = [worker, "unet", mode, *map(str, case), str(threads), str(steps)]
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
    return statistics.median(map(float, output[2::2]))  # the first touches fresh memory


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="at most (default: all cores)")
    options = parser.parse_args()
    worker = options.build / "tests/bench/bench_network"
    counts = [t for t in (1, 2, 4, 8, 16) if t <= options.threads]
    print("case                          mode   " + "".join(f"{t:>3} threads " for t in counts) + " speed-up  growth")
    for title, cases in ("image", IMAGES), ("batch", BATCHES), ("volume", VOLUMES):
        for mode in "train", "infer":
            before = None
            for case in cases:
                times = [milliseconds(worker, mode, case, t, options.steps) for t in counts]
                cost = times[-1] / (case[3] * case[2] ** case[0])
                name = f"{title} {case[0]}-D width {case[1]} {case[2]}^{case[0]} x {case[3]}"
                growth = f"{cost / before:7.2f}" if before else "      -"
                print(f"{name:<30}{mode:<6}" + "".join(f"{ms:>10.1f} " for ms in times) +
                      f"{times[0] / times[-1]:>9.2f} {growth}", flush=True)
                before = cost


if __name__ == "__main__":
    main()
