"""Datasets: annotated images opened from files, filled from memory, or generated."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from ctypes import POINTER, c_double, c_int32, c_int64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import numpy.typing as npt

from . import _arrays, _functions, _images, _options, _structs
from ._arrays import NDArray
from ._calls import callback
from ._handles import Handle
from .context import Context, or_default
from .enums import Severity, Split, member
from .errors import ShapeError, StateError

if TYPE_CHECKING:
    from .trainer import Trainer

PathLike = str | os.PathLike[str]


def encode_path(path: PathLike, name: str = "path") -> bytes:
    encoded = _functions.encode(os.fsencode(path), name)
    assert encoded is not None
    return encoded


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an inspection found."""

    severity: Severity
    subject: str
    """Case or file; empty for the whole."""
    message: str
    remedy: str

    def __str__(self) -> str:
        subject = f"{self.subject}: " if self.subject else ""
        return f"{self.severity.name.lower()}: {subject}{self.message} ({self.remedy})"


FindingCallback = Callable[[Finding], object]


def _collect(found: list[Finding], report: FindingCallback | None) -> Any:
    def body(pointer: Any, user: Any) -> object:
        it = pointer.contents
        finding = Finding(
            Severity(it.severity),
            _functions.text(it.subject),
            _functions.text(it.message),
            _functions.text(it.remedy),
        )
        found.append(finding)
        return report is not None and report(finding)

    return callback(_structs.FindingFunction, body)


class Case:
    """One image of a dataset, mostly with its label map. Voxels are read anew each time they are asked for."""

    __slots__ = ("dataset", "index")

    def __init__(self, dataset: Dataset, index: int) -> None:
        self.dataset = dataset
        self.index = index

    @property
    def name(self) -> str:
        return _functions.text(_functions.dataset_case_name(self.dataset, self.index))

    @property
    def group(self) -> str:
        """The patient; cases of one group never part in a split."""
        return _functions.text(_functions.dataset_case_group(self.dataset, self.index))

    @property
    def path(self) -> str | None:
        """The image file, None where it has none."""
        path = _functions.dataset_case_path(self.dataset, self.index)
        return None if path is None else os.fsdecode(path)

    @property
    def split(self) -> Split:
        return Split(_functions.dataset_case_split(self.dataset, self.index))

    def _info(self) -> tuple[tuple[int, ...], tuple[float, ...], NDArray, bool]:
        shape, spacing, affine, labelled = (c_int64 * 4)(), (c_double * 3)(), (c_double * 16)(), c_int32()
        _functions.dataset_case_info(self.dataset, self.index, shape, spacing, affine, ctypes.byref(labelled))
        return tuple(shape), tuple(spacing), np.array(affine[:]).reshape(4, 4), bool(labelled.value)

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (D, H, W), channels apart."""
        return self._info()[0][-self.dataset.ndim :]

    @property
    def channels(self) -> int:
        return self._info()[0][0]

    @property
    def spacing(self) -> tuple[float, ...]:
        """Millimetres, in the order of the shape."""
        return self._info()[1][-self.dataset.ndim :]

    @property
    def affine(self) -> NDArray:
        """4x4, from voxel (i, j, k) to millimetres in RAS+, i along the array's last axis: that of nibabel."""
        return self._info()[2]

    @property
    def labelled(self) -> bool:
        return self._info()[3]

    def read_image(self, out: NDArray | None = None) -> NDArray:
        """float32, as in the file: (H, W) or (D, H, W), with more than one channel (C, ...). `out` must be dense."""
        shape = self.shape if self.channels == 1 else (self.channels, *self.shape)
        image = _arrays.dense(out, shape, np.float32, "out")
        _functions.dataset_case_read(self.dataset, self.index, image.ctypes.data, None)
        return image

    def read_label(self, out: NDArray | None = None) -> NDArray:
        """Classes 0..K-1 as int32; the file's values are `dataset.label_values[classes]`. `out` must be dense."""
        label = _arrays.dense(out, self.shape, np.int32, "out")
        _functions.dataset_case_read(self.dataset, self.index, None, label.ctypes.data)
        return label

    @property
    def image(self) -> NDArray:
        """read_image()."""
        return self.read_image()

    @property
    def label(self) -> NDArray:
        """read_label()."""
        return self.read_label()

    def save_image(self, path: PathLike) -> None:
        """Writes the image: .nii and .nii.gz as float32 with its geometry, .png with 8 bits."""
        _functions.dataset_save_image(self.dataset, self.index, encode_path(path))

    def save_label(self, path: PathLike, label: Any) -> None:
        """Writes label values, such as a prediction or a correction, on the case's grid: .nii, .nii.gz, .png or .h5."""
        array = _arrays.source(_images.voxels(label) if _images.is_nibabel(label) else label, "label")
        _functions.dataset_save_label(self.dataset, self.index, ctypes.byref(array), encode_path(path))

    def save_picture(self, path: PathLike, prediction: npt.ArrayLike | None = None) -> None:
        """A PNG to look at: image, label map over it, prediction (label values) over it."""
        pointer, values = None, None
        if prediction is not None:
            values = np.ascontiguousarray(prediction, np.int32)
            if values.shape != self.shape:
                raise ShapeError(f"prediction is of shape {values.shape}, the case of {self.shape}")
            pointer = values.ctypes.data_as(POINTER(c_int32))
        _functions.dataset_save_picture(self.dataset, self.index, pointer, encode_path(path))

    def __repr__(self) -> str:
        return f"<genseg.Case {self.name!r}, {'x'.join(map(str, self.shape))}, {self.split.name.lower()}>"


class Dataset(Handle):
    """Dataset(context=None): an empty dataset for add(). Dataset.open() reads files, Dataset.phantom() needs none.

    A sequence of Case: `len(dataset)`, `dataset[0]`, `dataset["name"]`, `for case in dataset`.
    """

    __slots__ = ("_trainers",)

    _free = _functions.dataset_free
    _trainers: weakref.WeakSet[Trainer]

    def __init__(self, context: Context | None = None) -> None:
        context = or_default(context)
        self._create(context, _functions.dataset_new, context)

    def _create(self, context: Context | None, function: Any, *arguments: Any, keep: object = None) -> None:
        self._trainers = weakref.WeakSet()
        super()._create(context, function, *arguments, keep=keep)

    @classmethod
    def open(
        cls, path: PathLike, *, context: Context | None = None, **options: Unpack[_options.DatasetOptions]
    ) -> Dataset:
        """Opens nnU-Net v2 raw, MSD, `images/` beside `masks/` or `labels/`, an HDF5 file, or an image file or a folder
        of them (with allow_unlabelled).

        Options: image_name and label_name (of HDF5 datasets), group_separators (the part of a name before the first
        of these characters is the patient), affine_tolerance (voxels), allow_unlabelled (for images
        without a label map), grey.
        """
        context = or_default(context)
        filled = _options.fill(_structs.DatasetOptions, options)
        return cls._made(context, _functions.dataset_open, context, encode_path(path), ctypes.byref(filled))

    @classmethod
    def phantom(cls, *, context: Context | None = None, **options: Unpack[_options.PhantomOptions]) -> Dataset:
        """Generates organs with texture, bias field and noise.

        Options: ndim, count, classes, channels, size ((H, W) or (D, H, W)), seed.
        """
        context = or_default(context)
        filled = _options.fill(_structs.PhantomOptions, options)
        return cls._made(context, _functions.dataset_phantom, context, ctypes.byref(filled))

    @staticmethod
    def inspect_path(
        path: PathLike,
        report: FindingCallback | None = None,
        *,
        context: Context | None = None,
        **options: Unpack[_options.DatasetOptions],
    ) -> list[Finding]:
        """Findings about a path that may not even open. `report` gets each; a true result ends the inspection."""
        found: list[Finding] = []
        filled = _options.fill(_structs.DatasetOptions, options)
        _functions.dataset_inspect_path(
            or_default(context), encode_path(path), ctypes.byref(filled), _collect(found, report), None
        )
        return found

    def inspect(self, report: FindingCallback | None = None) -> list[Finding]:
        """Reads everything; all that is wrong, with its remedy. `report` gets each; a true result ends it."""
        found: list[Finding] = []
        _functions.dataset_inspect(self, _collect(found, report), None)
        return found

    def add(
        self,
        name: str,
        image: Any,
        label: Any = None,
        *,
        affine: npt.ArrayLike | None = None,
        spacing: Sequence[float] | None = None,
        group: str | None = None,
        channels: int | None = None,
    ) -> None:
        """Copies one case into the dataset.

        `image` is (H, W) or (D, H, W), with channels (C, ...), of any dtype and strides, or a nibabel image, which
        brings its affine; `label` the integer label map of the same grid. `affine` is 4x4 as nibabel has it; `spacing`
        instead is in the order of the array's axes. `channels` says that the first axis is of channels; it is found
        out by the label or by earlier cases.
        """
        if any(not trainer.closed for trainer in self._trainers):
            raise StateError(f"{name}: a Trainer uses the dataset; close it, or add the case to another dataset")
        image, affine = _images.split(image, affine, spacing)
        if _images.is_nibabel(label):
            label = _images.voxels(label)
        matrix = _arrays.geometry(affine, spacing)
        image_array = _arrays.source(image, "image")
        label_array = None if label is None else _arrays.source(label, "label")
        if channels is None:
            spatial = label_array.ndim if label_array else self.ndim or image_array.ndim
            channels = image_array.shape[0] if image_array.ndim == spatial + 1 else 0
        item = _structs.Case(
            struct_size=ctypes.sizeof(_structs.Case),
            name=_functions.encode(name, "name"),
            group=_functions.encode(group, "group"),
            image=ctypes.pointer(image_array),
            affine=_arrays.matrix_pointer(matrix),
            channels=_functions.check_range(c_int32, channels, "channels"),
        )
        if label_array is not None:
            item.label = ctypes.pointer(label_array)
        _functions.dataset_add(self, ctypes.byref(item))

    def set_label_name(self, value: int, name: str) -> None:
        """Names a label value, also for the models trained on the dataset; one that no case has yet is named later."""
        if any(not trainer.closed for trainer in self._trainers):
            raise StateError(f"{name}: a Trainer uses the dataset; close it first")
        _functions.dataset_set_label_name(self, value, _functions.encode(name, "name"))

    def split(self, train: int = -1, validation: int = 0, seed: int = 1) -> None:
        """Divides the labelled cases by group: so many for training (-1: all that remain) and validation, the rest
        for testing. Cases that the source marks as test stay so."""
        _functions.dataset_split(self, train, validation, seed)

    def cases(self, split: Split | int | str) -> list[Case]:
        """Those of one split."""
        wanted = member(Split, split, "split")
        return [case for case in self if case.split == wanted]

    def save_hdf5(self, path: PathLike) -> None:
        """Writes all cases to one HDF5 file."""
        _functions.dataset_save_hdf5(self, encode_path(path))

    @property
    def ndim(self) -> int:
        """2 or 3; 0 while empty."""
        return int(_functions.dataset_ndim(self))

    @property
    def channels(self) -> int:
        """Of every image; 0 while empty."""
        return int(_functions.dataset_channels(self))

    @property
    def classes(self) -> int:
        """Number of classes, background included."""
        return int(_functions.dataset_classes(self))

    @property
    def label_values(self) -> NDArray:
        """What stands for each class in files, as int64."""
        return np.array([_functions.dataset_label_value(self, k) for k in range(self.classes)], np.int64)

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(_functions.text(_functions.dataset_label_name(self, k)) for k in range(self.classes))

    def __len__(self) -> int:
        return int(_functions.dataset_size(self))

    def __getitem__(self, key: int | str) -> Case:
        if isinstance(key, str):
            for case in self:
                if case.name == key:
                    return case
            raise KeyError(key)
        index = range(len(self))[key]
        return Case(self, index)

    def __iter__(self) -> Iterator[Case]:
        return (Case(self, index) for index in range(len(self)))

    def _state(self) -> str:
        size = len(self)
        if size == 0:
            return "without cases"
        splits = [case.split for case in self]
        counts = ", ".join(f"{splits.count(s)} {s.name.lower()}" for s in Split if s and s in splits)
        what = f"{size} cases, {self.ndim}-D, {self.channels} channels, {self.classes} classes"
        return f"{what}: {counts}" if counts else what
