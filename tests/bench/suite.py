#!/usr/bin/env python3
"""The benchmark suite: libgenseg against PyTorch (eager, channels_last, torch.compile), ONNX Runtime and OpenVINO on the
same CPU. `scripts/bench` installs the peers and calls this.

    suite.py BUILD [--case NAME]... [--rounds N] [--threads N] [--json FILE] [--list]

Every side is a process of its own with the same weights, inputs and number of threads; they take turns (A B C A B C ...),
so that a busy machine hurts all alike. Times are medians over all steps but each side's first ones, memory is the
process's peak. U-Nets' outputs and the first losses of their training are compared with libgenseg's: whoever differs
is wrong, not fast (GenSeg's levels are compared in the tests). A ratio says how many times better ours is. Peers that can't be had or fail are named at the end.
"""
import argparse
import importlib.metadata
import importlib.util
import json
import math
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
WAYS = "eager", "channels_last", "compile"
# name: network, spatial dimensions, width, size, batch; or GenSeg's: width, generator's width, size, batch
UNETS = {"unet2d-64": (2, 64, 256, 2), "unet2d-32": (2, 32, 128, 8), "unet2d-16": (2, 16, 128, 8),
         "unet3d-32-48": (3, 32, 48, 2), "unet3d-32-64": (3, 32, 64, 1)}
GANS = {"gan": ("gan", 64, 64, 256, 2), "genseg-64": ("levels", 64, 64, 256, 2), "genseg-32": ("levels", 32, 32, 128, 4)}
CASES = [*UNETS, *GANS, "cold-start", "disk"]


class Worker:
    """One side of a case."""

    def __init__(self, name, command, threads):
        self.name, self.times, self.losses, self.error = name, [], [], None
        self.log = tempfile.TemporaryFile()
        env = dict(os.environ, OMP_NUM_THREADS=str(threads))
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True, env=env)

    def turn(self, steps, counted=True):
        if self.error:
            return
        try:
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()
            figures = [float(x) for x in self.process.stdout.readline().split()]
        except OSError:
            figures = []
        if len(figures) != 2 * steps:
            self.log.seek(0)
            self.error = (self.log.read().decode(errors="replace").strip().split("\n") or [""])[-1][:200]
            return
        self.losses += figures[1::2]
        self.times += figures[0::2] if counted else []
        self.last = figures[-2]

    def end(self):
        """The peak of its memory, in bytes."""
        self.process.stdin.close()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.stdout.close()
        if status and not self.error:
            self.error = f"status {status}"
        return usage.ru_maxrss * 1024


def take_turns(workers, rounds):
    for worker in workers:
        worker.turn(2, counted=False)  # fresh memory, compilers
    for _ in range(rounds):
        for worker in workers:
            if not worker.error:
                worker.turn(max(1, min(10, int(300 / worker.last))))
    return {worker.name: worker.end() for worker in workers}


class Table:
    def __init__(self):
        self.rows, self.failed = [], []

    def add(self, case, metric, unit, ours, peers):
        """Smaller is better. One row for the reader, the best peer's; an object for each peer in the file."""
        for peer, value in peers.items():
            self.rows.append({"case": case, "metric": metric, "ours": ours, "peer": peer, "peer_value": value,
                              "ratio": value / ours})
        best = min(peers, key=peers.get) if peers else None
        others = ", ".join(f"{p} {v:.4g}" for p, v in peers.items() if p != best)
        print(f"{case:<14} {metric:<16} {ours:>9.4g} {unit:<3}" +
              (f" {peers[best] / ours:>6.2f}x  {best} {peers[best]:.4g}" if best else "      -  no peer") +
              (f"  ({others})" if others else ""), flush=True)

    def fail(self, case, name, why):
        self.failed.append(f"{case}: {name}: {why}")


def differs(case, what, folder, workers):
    """Sides whose results are not ours, with the difference."""
    if what == "train":
        ours = workers[0].losses[:2]
        return {w.name: f"losses {w.losses[:2]}, ours {ours}" for w in workers[1:] if not w.error and
                any(abs(a - b) > 1e-3 * abs(b) for a, b in zip(w.losses, ours))}
    import numpy as np
    ours, out = np.fromfile(folder / "ours.raw", np.float32), {}
    for worker in workers[1:]:
        path = folder / (worker.name.replace("torch ", "torch-") + ".raw")
        if not worker.error and not path.exists():
            out[worker.name] = "no outputs to compare"
        elif not worker.error:
            theirs = np.fromfile(path, np.float32)
            off = np.abs(ours - theirs).max() / np.abs(theirs).max() if theirs.shape == ours.shape else math.inf
            if off > 1e-3:
                out[worker.name] = f"outputs differ by {off:.2g}"
    return out


def report(table, case, what, workers, peaks, wrong):
    good = [w for w in workers if not w.error and w.name not in wrong]
    for worker in workers:
        if worker.error or worker.name in wrong:
            table.fail(case, f"{worker.name}, {what}", worker.error or wrong[worker.name])
    if workers[0] not in good:
        return
    times = {w.name: statistics.median(w.times) for w in good}
    table.add(case, f"{what} time", "ms", times.pop("ours"), times)
    memory = {w.name: peaks[w.name] / 1e6 for w in good}
    table.add(case, f"{what} memory", "MB", memory.pop("ours"), memory)


def unet_case(table, case, options):
    spatial, width, size, batch = sizes = UNETS[case]
    tool = options.build / "tests/bench/bench_network"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        torch = [sys.executable, HERE / "peer_torch.py"]
        subprocess.run([*map(str, torch), "prepare", *map(str, sizes), str(folder)], check=True, capture_output=True)
        for what in "train", "infer":
            sides = [("ours", [tool, "unet", what, *sizes, options.threads, "-", folder])]
            sides += [(f"torch {way}", [*torch, "unet", way, what, *sizes, options.threads, folder]) for way in WAYS]
            if what == "infer":
                sides += [(name, [sys.executable, HERE / "peer_onnx.py", name, "infer", spatial, size, batch,
                                  options.threads, folder]) for name in ("onnxruntime", "openvino")]
            workers = [Worker(name, command, options.threads) for name, command in sides]
            peaks = take_turns(workers, options.rounds)
            report(table, case, what, workers, peaks, differs(case, what, folder, workers))


def gan_case(table, case, options):
    what, *sizes = GANS[case]
    sides = [("ours", [options.build / "tests/bench/bench_genseg", what, *sizes, options.threads, "-"])]
    sides += [(f"torch {way}", [sys.executable, HERE / "peer_torch.py", what, way, *sizes, options.threads])
              for way in WAYS]
    workers = [Worker(name, command, options.threads) for name, command in sides]
    report(table, case, "step", workers, take_turns(workers, options.rounds), {})


def cold_case(table, case, options):
    """Programs that load library, width-64 model and one 256x256 image and predict; files are in the page cache."""
    genseg = str((options.build / "src/genseg").resolve())
    os.environ["GENSEG"] = genseg
    sys.path.insert(0, str(HERE.parent / "cli"))
    from tool import png
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run([genseg, "train", "phantom:count=2,size=256x256", "--method", "plain", "--width", "64", "--size",
                        "256x256", "--steps", "1", "--out", folder / "m.safetensors", "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
        pixels = bytes(i % 251 for i in range(256 * 256))
        (folder / "image.raw").write_bytes(pixels)
        png(folder / "image.png", 256, 256, pixels)
        subprocess.run([sys.executable, HERE / "peer_torch.py", "prepare", "2", "64", "256", "1", folder],
                       check=True, capture_output=True)
        (folder / "image.raw").write_bytes(pixels)
        sides = {"ours": [genseg, "predict", folder / "m.safetensors", folder / "image.png", "--out", folder / "out",
                          "--threads", "2", "--quiet"],
                 "torch eager": [sys.executable, HERE / "peer_torch.py", "first", folder / "m.safetensors",
                                 folder / "image.raw"]}
        for name in "onnxruntime", "openvino":
            sides[name] = [sys.executable, HERE / "peer_onnx.py", name, "first", folder / "model.onnx",
                           folder / "image.raw"]
        times, memory = {}, {}
        for _ in range(max(3, options.rounds)):
            for name, command in sides.items():
                begin = time.monotonic()
                process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                _, status, usage = os.wait4(process.pid, 0)
                if status:
                    table.fail(case, name, process.stderr.read().decode(errors="replace").strip().split("\n")[-1])
                else:
                    times.setdefault(name, []).append((time.monotonic() - begin) * 1e3)
                    memory.setdefault(name, []).append(usage.ru_maxrss * 1024 / 1e6)
                process.stderr.close()
    middle = {name: statistics.median(values) for name, values in times.items()}
    table.add(case, "time", "ms", middle.pop("ours"), middle)
    middle = {name: statistics.median(values) for name, values in memory.items()}
    table.add(case, "memory", "MB", middle.pop("ours"), middle)


def installed(package, seen):
    """Bytes of a package and of what it requires."""
    if package.lower() in seen:
        return 0
    seen.add(package.lower())
    try:
        found = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return 0
    total = sum(f.locate().stat().st_size for f in found.files or [] if f.locate().is_file())
    for line in found.requires or []:
        if "extra ==" not in line:
            total += installed(re.match(r"[\w.-]+", line).group(), seen)
    return total


def disk_case(table, case, options):
    """Ours: the library, the tool and every shared library that they need beside libc and its kin."""
    genseg = (options.build / "src/genseg").resolve()
    lines = subprocess.run(["ldd", genseg], check=True, capture_output=True, text=True).stdout.split("\n")
    files = {pathlib.Path(m.group(1)).resolve() for m in (re.search(r"=> (/\S+)", line) for line in lines) if m}
    own = [f for f in files if not re.match(r"lib(c|m|dl|pthread|rt|gcc_s|stdc\+\+)\W", f.name)]
    peers = {name: installed(package, set()) / 1e6 for name, package in
             (("torch", "torch"), ("onnxruntime", "onnxruntime"), ("openvino", "openvino"))}
    size = genseg.stat().st_size + sum(f.stat().st_size for f in own)
    table.add(case, "installed", "MB", size / 1e6, {n: v for n, v in peers.items() if v})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--case", action="append", choices=CASES, help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path, help="writes all figures there")
    parser.add_argument("--list", action="store_true", help="names the cases")
    options = parser.parse_args()
    if options.list:
        return print(*CASES, sep="\n")
    table = Table()
    print(f"{options.threads} threads, {options.rounds} rounds; " +
          ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("torch", "onnxruntime", "openvino")
                    if importlib.util.find_spec(p)))
    print(f"{'case':<14} {'metric':<16} {'ours':>9}     {'ratio':>7}  best peer (others)")
    for case in options.case or CASES:
        {"cold-start": cold_case, "disk": disk_case}.get(case, unet_case if case in UNETS else gan_case)(
            table, case, options)
    for line in table.failed:
        print("left out:", line)
    if options.json:
        options.json.write_text(json.dumps(table.rows, indent=1) + "\n")
    return None


main()
