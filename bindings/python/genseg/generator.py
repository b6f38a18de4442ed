"""Trained generators: label map in, realistic image out."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from . import _arrays, _functions, _images, _options, _structs
from ._arrays import NDArray
from ._handles import Handle
from .context import Context, or_default
from .dataset import PathLike, encode_path
from .enums import Discretise, member
from .segmenter import Segmenter


@dataclass(frozen=True, slots=True)
class GeneratorInfo:
    """What a generator is."""

    version: str
    """Of the library that trained it."""
    ndim: int
    channels: int
    """Of an image."""
    classes: int
    """Of a label map, background included."""
    levels: int
    candidates: int
    """Kernels that a cell mixes; 1 after discretising."""
    noise: int
    width: int
    weights: int
    size: tuple[int, ...]
    """(D, H, W) that it makes at once; label maps of other sizes are resampled to it."""
    steps: int


class Generator(Handle):
    """A trained generator, from Generator.load() or Trainer.generator(). It never changes; threads may share it."""

    __slots__ = ()

    _free = _functions.generator_free

    @classmethod
    def load(cls, path: PathLike, *, context: Context | None = None) -> Generator:
        """Loads the generator of a model file."""
        context = or_default(context)
        return cls._made(context, _functions.generator_load, context, encode_path(path))

    def save(self, path: PathLike, segmenter: Segmenter) -> None:
        """Writes one model file with both: the segmenter and this generator. Atomic."""
        _functions.generator_save(self, segmenter, encode_path(path))

    def discretise(self, how: Discretise | int | str = Discretise.MERGED) -> Generator:
        """A generator without searchable cells: "merged" (the same images) or "best" (the likeliest candidates)."""
        return self._made(self._context, _functions.generator_discretise, self, member(Discretise, how, "how"))

    @property
    def info(self) -> GeneratorInfo:
        it = _structs.GeneratorInfo(ctypes.sizeof(_structs.GeneratorInfo))
        _functions.generator_describe(self, ctypes.byref(it))
        return GeneratorInfo(
            _functions.text(it.version),
            it.ndim,
            it.channels,
            it.classes,
            it.levels,
            it.candidates,
            it.noise,
            it.width,
            it.weights,
            tuple(it.size),
            it.steps,
        )

    def run(
        self,
        label: Any,
        *,
        out: NDArray | None = None,
        warped: bool | NDArray = False,
        **options: Unpack[_options.SynthesizeOptions],
    ) -> Any:
        """An image of a label map, in the network's range of -1 to 1.

        `label`: label values, (H, W) or (D, H, W), of any integer dtype and strides, or a nibabel image; the image
        comes back likewise, as float32 or in `out`. With `warped` (True, or an integer array to write to) returns the
        pair of the image and the label map that it belongs to. Options: seed, number (which image of this label map),
        warp, magnitude (of the warp).
        """
        voxels = _images.voxels(label) if _images.is_nibabel(label) else label
        source = _arrays.source(voxels, "label")
        grid = tuple(source.shape[: source.ndim])
        channels = self.info.channels
        image = np.empty(grid if channels == 1 else (channels, *grid), np.float32) if out is None else out
        moved = _arrays.wanted(warped, grid, source.keep.dtype, "warped")
        targets = [_arrays.target(image, "out")]
        if moved is not None:
            targets.append(_arrays.target(moved, "warped"))
        filled = _options.fill(_structs.SynthesizeOptions, options)
        _functions.generator_run(
            self,
            ctypes.byref(source),
            ctypes.byref(filled),
            ctypes.byref(targets[0]),
            ctypes.byref(targets[1]) if len(targets) > 1 else None,
        )
        results = (image,) if moved is None else (image, moved)
        if _images.is_nibabel(label):
            results = tuple(_images.like(label, array) for array in results)
        return results[0] if moved is None else results

    def run_file(
        self,
        label: PathLike,
        image: PathLike,
        warped: PathLike | None = None,
        **options: Unpack[_options.SynthesizeOptions],
    ) -> None:
        """Makes an image of a label map file, on its grid: NIfTI gives float32 NIfTI, PNG 8-bit PNG."""
        filled = _options.fill(_structs.SynthesizeOptions, options)
        _functions.generator_run_file(
            self,
            encode_path(label, "label"),
            ctypes.byref(filled),
            encode_path(image, "image"),
            None if warped is None else encode_path(warped, "warped"),
        )

    def _state(self) -> str:
        info = self.info
        what = f"{info.ndim}-D, {info.channels} channels, {info.classes} classes"
        return f"{what}, width {info.width}, {info.steps} steps"
