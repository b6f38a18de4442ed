#!/usr/bin/env python3
"""From a new process to the first prediction: library, width-64 model and one 256x256 image, ours and PyTorch's, in turn.

    python3 tests/bench/cold_start.py build/src/genseg [ROUNDS]

PyTorch's side is left out where it isn't installed. Both read the same model file; files are in the page cache.
"""
import importlib.util
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time


def torch_side(model, image):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'golden'))
    import torch
    from safetensors.torch import load_file
    from unet_torch import UNet
    torch.set_num_threads(2)
    net = UNet(2, 4, 1, 1, 64)
    net.load_state_dict(load_file(model), strict=False)
    net.eval()
    pixels = torch.frombuffer(bytearray(pathlib.Path(image).read_bytes()), dtype=torch.uint8)
    with torch.no_grad():
        net(pixels.reshape(1, 1, 256, 256).float() / 127.5 - 1)


def measure(command):
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f'{command}: status {status}')
    return time.monotonic() - begin, usage.ru_maxrss / 1024


def main():
    if sys.argv[1:2] == ['--torch']:
        return torch_side(*sys.argv[2:])
    tool, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    script, os.environ['GENSEG'] = os.path.abspath(__file__), tool
    sys.path.insert(0, os.path.join(os.path.dirname(script), '..', 'cli'))
    from tool import png
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        subprocess.run([tool, 'train', 'phantom:count=2,size=256x256', '--method', 'plain', '--width', '64', '--size',
                        '256x256', '--steps', '1', '--out', 'm.safetensors', '--quiet'], check=True, stdout=subprocess.DEVNULL)
        pixels = bytes(i % 251 for i in range(256 * 256))
        pathlib.Path('image.raw').write_bytes(pixels)
        png(pathlib.Path('image.png'), 256, 256, pixels)
        sides = {'libgenseg': [tool, 'predict', 'm.safetensors', 'image.png', '--out', 'out', '--threads', '2', '--quiet']}
        if importlib.util.find_spec('torch'):
            sides['PyTorch'] = [sys.executable, script, '--torch', 'm.safetensors', 'image.raw']
        figures = {name: [] for name in sides}
        for _ in range(rounds):
            for name, command in sides.items():
                figures[name].append(measure(command))
        for name, values in figures.items():
            times = [seconds for seconds, _ in values]
            print(f'{name}: {statistics.median(times):.3f} s ({min(times):.3f}-{max(times):.3f}), peak '
                  f'{statistics.median(peak for _, peak in values):.0f} MB')
    return None


main()
