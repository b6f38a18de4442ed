"""The small data sets that pages of the guide work on, made with Python's standard library alone.

data/     images/ and masks/, 12 PNG slices of 6 patients (p1_a, p1_b, p2_a, ...)
volumes/  images/ and labels/, 6 NIfTI volumes, labels 0 to 2
slice.png, scan.nii.gz   one of each, unlabelled, not among them
"""

import math
import os
import pathlib
import random
import sys

os.environ.setdefault("GENSEG", "genseg")  # tool.py asks for it; its files need none
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from tool import nifti, png  # noqa: E402


class Anatomy:
    """An organ with a core, and neighbours that are as bright but not labelled; all waved ellipsoids, in voxels."""

    def __init__(self, size, seed):
        self.rng = random.Random(seed)
        self.size = size
        middle = [self.rng.uniform(0.42, 0.58) * n for n in size]
        self.organ = self.ellipsoid(middle, 0.22)
        angle = self.rng.uniform(0, 2 * math.pi)
        self.others = [self.ellipsoid([m + 0.36 * n * f for m, n, f in zip(middle, size, turn)], 0.1)
                       for turn in ((math.cos(angle + d), math.sin(angle + d), 0.2) for d in (0, 2.1, 4.2))]
        self.waves = [(k, self.rng.uniform(0.03, 0.08), self.rng.uniform(0, 6)) for k in (2, 3, 5)]

    def ellipsoid(self, middle, radius):
        return middle, [self.rng.uniform(0.85, 1.2) * radius * n for n in self.size]

    def depth(self, shape, at):
        """1 in the middle, 0 on the surface, negative outside."""
        middle, radii = shape
        offset = [(a - m) / r for a, m, r in zip(at, middle, radii)]
        angle = math.atan2(offset[1], offset[0])
        wave = 1 + sum(height * math.sin(k * angle + phase) for k, height, phase in self.waves)
        return 1 - math.sqrt(sum(o * o for o in offset)) / wave

    def draw(self, classes):
        """Voxels and labels, x fastest."""
        axes = [range(n) for n in reversed(self.size)]
        points = ([x] for x in axes[-1])
        for axis in reversed(axes[:-1]):
            points = ([*p, a] for p, a in _product(points, axis))
        image, label = [], []
        for at in points:
            depth = self.depth(self.organ, at)
            value = 60 + 40 * at[0] / self.size[0] + self.rng.gauss(0, 8)
            if depth > 0 or any(self.depth(other, at) > 0 for other in self.others):
                value += 55
            if classes > 2 and depth > 0.55:
                value += 45
            image.append(min(max(value, 0), 255))
            label.append(0 if depth <= 0 else 2 if classes > 2 and depth > 0.55 else 1)
        return image, label


def _product(points, axis):
    rows = list(points)
    return ((row, a) for a in axis for row in rows)


def write_slice(image_path, mask_path, seed, size=(96, 80)):
    image, label = Anatomy(size, seed).draw(2)
    png(image_path, *size, [round(value) for value in image])
    if mask_path:
        png(mask_path, *size, [255 * value for value in label])


def write_volume(image_path, label_path, seed, size=(48, 40, 16)):
    spacing = (0.8, 0.8, 2.5)
    image, label = Anatomy(size, seed).draw(3)
    nifti(image_path, size, [round(4 * value) - 100 for value in image], "h", spacing)
    if label_path:
        nifti(label_path, size, label, "B", spacing)


def write(folder):
    for name in "data/images", "data/masks", "volumes/images", "volumes/labels":
        (folder / name).mkdir(parents=True)
    for i in range(12):
        name = f"p{i // 2 + 1}_{'ab'[i % 2]}.png"
        write_slice(folder / "data/images" / name, folder / "data/masks" / name, i)
    for i in range(6):
        write_volume(folder / f"volumes/images/case_{i}.nii.gz", folder / f"volumes/labels/case_{i}.nii.gz", 100 + i)
    write_slice(folder / "slice.png", None, 50)
    write_volume(folder / "scan.nii.gz", None, 150)


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
