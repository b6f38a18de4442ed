"""NumPy arrays as the library sees them: borrowed with their strides for a call, never copied where the library knows
the dtype. Geometry that comes along is brought to the library's 4x4 matrices here too."""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import POINTER, c_double
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _structs
from .enums import Dtype
from .errors import InvalidError, ShapeError

NDArray = npt.NDArray[Any]

_DTYPES: dict[np.dtype[Any], Dtype] = {np.dtype(dtype.name.lower()): dtype for dtype in Dtype}


def _view(array: NDArray, name: str) -> NDArray:
    """The same memory in a dtype that the library knows, or a copy: of another byte order, or of float16."""
    dtype = array.dtype
    if dtype == np.bool_:
        return array.view(np.uint8)
    native = dtype.newbyteorder("=")
    if native == np.float16:
        return array.astype(np.float32)
    if native not in _DTYPES:
        known = ", ".join(str(one) for one in _DTYPES)
        raise TypeError(f"{name} is of dtype {dtype}, which the library does not read; convert it to one of {known}")
    return array if dtype.isnative else array.astype(native)


def _describe(array: NDArray, name: str) -> _structs.Array:
    if not 1 <= array.ndim <= _structs.MAX_NDIM:
        raise ShapeError(f"{name} has {array.ndim} dimensions, the library takes 1 to {_structs.MAX_NDIM}")
    described = _structs.Array(array.ctypes.data, _DTYPES[array.dtype], array.ndim)
    described.shape[: array.ndim] = array.shape
    described.strides[: array.ndim] = array.strides
    described.keep = array
    return described


def source(value: npt.ArrayLike, name: str) -> _structs.Array:
    """An array that the library reads."""
    return _describe(_view(np.asarray(value), name), name)


def target(array: NDArray, name: str) -> _structs.Array:
    """An array that the library writes: as it is, or not at all."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} is a {type(array).__name__}, results are written to NumPy arrays")
    if not array.flags.writeable:
        raise InvalidError(f"{name} is read-only")
    if array.dtype not in _DTYPES or not array.dtype.isnative:
        raise TypeError(f"{name} is of dtype {array.dtype}, which the library does not write")
    return _describe(array, name)


def dense(array: NDArray | None, shape: tuple[int, ...], dtype: type[np.generic], name: str) -> NDArray:
    """A new array, or the caller's where the library can write there without strides."""
    if array is None:
        return np.empty(shape, dtype)
    if not isinstance(array, np.ndarray) or array.dtype != np.dtype(dtype) or not array.flags.c_contiguous:
        raise TypeError(f"{name} must be a C-contiguous array of {np.dtype(dtype)}")
    if array.shape != shape:
        raise ShapeError(f"{name} is of shape {array.shape}, wanted is {shape}")
    if not array.flags.writeable:
        raise InvalidError(f"{name} is read-only")
    return array


def wanted(value: bool | NDArray, shape: tuple[int, ...], dtype: npt.DTypeLike, name: str) -> NDArray | None:
    """A result that is optional: a new array for True, or the caller's."""
    if value is True:
        return np.empty(shape, dtype)
    if value is False:
        return None
    if isinstance(value, np.ndarray):
        return value
    raise TypeError(f"{name} is {value!r}, it must be True, False or a NumPy array")


def smallest_integer(values: NDArray) -> np.dtype[Any]:
    """The smallest dtype that holds all label values."""
    least, most = int(values.min()), int(values.max())
    for kind in (np.uint8, np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max:
            return np.dtype(kind)
    return np.dtype(np.int64)


def geometry(affine: npt.ArrayLike | None, spacing: Sequence[float] | None) -> NDArray | None:
    """The 4x4 matrix of an affine or a spacing in the order of the array's axes; None: unknown."""
    if affine is not None and spacing is not None:
        raise TypeError("affine and spacing exclude each other: an affine has its spacing")
    if spacing is not None:
        sizes = [float(value) for value in spacing]
        if len(sizes) not in (2, 3) or not all(0 < size < np.inf for size in sizes):
            raise ShapeError(f"spacing is {spacing!r}, it must be 2 or 3 positive numbers")
        # Columns of the matrix run from the array's last axis.
        return np.diag([*reversed(sizes), 1.0, 1.0][:3] + [1.0])
    if affine is None:
        return None
    matrix = np.ascontiguousarray(affine, np.float64)
    if matrix.shape != (4, 4):
        raise ShapeError(f"affine is of shape {matrix.shape}, it must be (4, 4)")
    return matrix


def matrix_pointer(matrix: NDArray | None) -> Any:
    """Keeps the matrix alive as long as the pointer."""
    return None if matrix is None else matrix.ctypes.data_as(POINTER(c_double))
