"""Images of nibabel, as users hand them over and want them back.

nibabel's arrays are indexed (x, y, z), the library's (D, H, W) with x along the last axis: the transposed view is the
same memory, and the affine is the same matrix. nibabel is never imported here: who passes its images has done so.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ._arrays import NDArray


def is_nibabel(image: object) -> bool:
    nibabel = sys.modules.get("nibabel")
    return nibabel is not None and isinstance(image, nibabel.spatialimages.SpatialImage)


def voxels(image: Any) -> NDArray:
    """(H, W), (D, H, W), or with channels first; a single slice has no D."""
    array = np.asanyarray(image.dataobj)
    if array.ndim == 5 and array.shape[3] == 1:  # a vector in NIfTI's fifth dimension
        array = array[:, :, :, 0]
    if array.ndim >= 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    transposed: NDArray = array.T
    return transposed


def split(image: Any, affine: Any = None, spacing: Any = None) -> tuple[Any, Any]:
    """The voxels of an image and where they lie: what the caller says goes before what the image says."""
    if not is_nibabel(image):
        return image, affine
    return voxels(image), image.affine if affine is None and spacing is None else affine


def like(image: Any, array: NDArray) -> Any:
    """A nibabel image of the same kind, affine and header from a result; classes or channels come last there."""
    stored = array.T
    if len(image.shape) > 2 and image.shape[2] == 1:
        stored = np.expand_dims(stored, 2)
    header = image.header.copy()
    header.set_data_dtype(array.dtype)
    for field in ("cal_min", "cal_max"):  # the window of the image's intensities
        if hasattr(header, "keys") and field in header.keys():
            header[field] = 0
    return type(image)(stored, image.affine, header)
