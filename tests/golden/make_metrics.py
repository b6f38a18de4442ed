"""Writes metrics.json: scores of MONAI, MedPy and DeepMind's surface-distance on small masks.

Usage: python make_metrics.py > metrics.json
Needs torch, monai (1.6), medpy (0.5.2) and surface-distance (0.1). The last one uses names that NumPy 2
and SciPy dropped; they are put back before it is imported.
"""
import json
import warnings

import numpy as np
import scipy.ndimage

for name, value in (("bool", bool), ("Inf", np.inf), ("NaN", np.nan)):
    if name not in np.__dict__:
        setattr(np, name, value)
for name in ("filters", "morphology"):
    try:
        getattr(scipy.ndimage, name).correlate
    except AttributeError:
        setattr(scipy.ndimage, name, scipy.ndimage)

import surface_distance.metrics as deepmind  # noqa: E402
import torch  # noqa: E402
from medpy.metric import binary as medpy  # noqa: E402
from monai.metrics import (compute_average_surface_distance, compute_hausdorff_distance,  # noqa: E402
                           compute_surface_dice)
from surface_distance import lookup_tables  # noqa: E402

warnings.filterwarnings("ignore")
rng = np.random.default_rng(7)


def blob(shape, threshold=0.0, sigma=2.0):
    field = scipy.ndimage.gaussian_filter(rng.standard_normal(shape), sigma)
    return field > threshold * field.std()


def box(shape, *ranges):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in ranges)] = True
    return mask


def cases():
    s2, s3 = (18, 22), (9, 11, 13)
    yield "full image against half", 1.0, (1, 1), np.ones(s2, bool), box(s2, (0, 18), (0, 11))
    yield "full image against full image", 0.5, (1, 1, 1), np.ones(s3, bool), np.ones(s3, bool)
    yield "single voxels 2-D", 2.0, (1.5, 0.8), box(s2, (3, 4), (4, 5)), box(s2, (9, 10), (12, 13))
    yield "single voxels 3-D", 1.0, (3, 1, 1), box(s3, (2, 3), (4, 5), (6, 7)), box(s3, (4, 5), (4, 5), (7, 8))
    yield "voxel in the corner", 1.0, (1, 1), box(s2, (0, 1), (0, 1)), box(s2, (0, 3), (0, 2))
    yield "object at the border 2-D", 1.0, (1, 1), box(s2, (0, 9), (0, 7)), box(s2, (0, 11), (0, 9))
    yield "object at the border 3-D", 1.0, (2, 0.7, 0.7), box(s3, (0, 5), (3, 11), (0, 6)), box(s3, (0, 4), (4, 11),
                                                                                               (0, 8))
    yield "plate one voxel thick", 1.0, (1, 1, 1), box(s3, (4, 5), (1, 10), (1, 12)), box(s3, (5, 6), (2, 10), (1, 11))
    yield "plate against slab, anisotropic", 2.5, (5, 0.9, 0.9), box(s3, (4, 5), (1, 10), (1, 12)), box(
        s3, (3, 6), (2, 9), (2, 11))
    two = box(s2, (2, 6), (2, 6)) | box(s2, (11, 16), (13, 20))
    yield "two components against one", 1.0, (1, 1), two, box(s2, (2, 7), (1, 6))
    three = box(s3, (1, 4), (1, 5), (1, 5)) | box(s3, (6, 8), (7, 10), (8, 12))
    yield "two components 3-D", 1.2, (1, 1.1, 0.6), three, box(s3, (1, 4), (2, 6), (1, 5)) | box(
        s3, (5, 8), (7, 10), (8, 11))
    for i, spacing in enumerate([(1, 1), (0.4, 1.3)]):
        yield f"blobs 2-D {i}", 1.0, spacing, blob((31, 37)), blob((31, 37), 0.3)
    for i, spacing in enumerate([(1, 1, 1), (2.5, 0.8, 0.6), (0.7, 1.9, 1.1)]):
        first = blob((11, 17, 15), 0.4)
        yield f"blobs 3-D {i}", 1.5, spacing, first, np.roll(first, 1, 2) ^ (blob((11, 17, 15), 2.0, 1.0))
    yield "noise 3-D", 0.9, (1.0, 0.9, 1.2), rng.random((7, 8, 9)) > 0.5, rng.random((7, 8, 9)) > 0.6
    yield "noise 2-D", 0.9, (1.0, 0.9), rng.random((14, 15)) > 0.5, rng.random((14, 15)) > 0.6


def runs(mask):
    """The first value, then the lengths of alternating runs, row-major."""
    flat = mask.astype(int).ravel()
    ends = np.append(np.nonzero(np.diff(flat))[0] + 1, flat.size)
    return [int(flat[0])] + np.diff(ends, prepend=0).tolist()


def scores(reference, prediction, spacing, tolerance):
    def one_hot(mask):
        return torch.tensor(np.stack([~mask, mask])[None].astype(np.float32))

    p, r = one_hot(prediction), one_hot(reference)
    d = deepmind.compute_surface_distances(reference, prediction, spacing)
    distances = np.concatenate([d["distances_gt_to_pred"], d["distances_pred_to_gt"]])
    areas = np.concatenate([d["surfel_areas_gt"], d["surfel_areas_pred"]])
    both = np.logical_and(reference, prediction).sum()
    return {
        "dice": medpy.dc(prediction, reference),
        "jaccard": both / np.logical_or(reference, prediction).sum(),
        "monai": [
            compute_hausdorff_distance(p, r, percentile=95, spacing=spacing).item(),
            compute_average_surface_distance(p, r, symmetric=True, spacing=spacing).item(),
            compute_surface_dice(p, r, [tolerance], spacing=spacing).item(),
        ],
        "medpy": [
            medpy.hd95(prediction, reference, spacing),
            medpy.assd(prediction, reference, spacing),
            None,  # MedPy has no surface Dice
        ],
        "deepmind": [
            deepmind.compute_robust_hausdorff(d, 95),
            (distances * areas).sum() / areas.sum(),
            deepmind.compute_surface_dice_at_tolerance(d, tolerance),
        ],
    }


def main():
    out = []
    for name, tolerance, spacing, reference, prediction in cases():
        spacing = tuple(float(s) for s in spacing)  # MONAI refuses a mix of int and float
        item = dict(name=name, tolerance=tolerance, spacing=spacing, shape=reference.shape, reference=runs(reference),
                    prediction=runs(prediction))
        item.update(scores(reference, prediction, spacing, tolerance))
        out.append(item)
    spacing3, spacing2 = (0.7, 1.1, 2.3), (0.7, 1.1)
    areas = lookup_tables.create_table_neighbour_code_to_surface_area(spacing3)
    lengths = lookup_tables.create_table_neighbour_code_to_contour_length(spacing2)
    result = dict(cases=out, area_spacing=spacing3, areas=[round(float(a), 10) for a in areas],
                  length_spacing=spacing2, lengths=[round(float(a), 10) for a in lengths])
    print(json.dumps(result, default=float, separators=(",", ":")))


main()
