"""Options as keyword arguments: what each struct takes, and how values get into it.

The TypedDicts are the structs' fields with Python's types; a test compares the two. None leaves the library's default.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum, IntFlag
from typing import Any, TypedDict

from . import _functions, _structs, enums
from .errors import InvalidError, ShapeError

# Fields that are no options: the library's own, and callbacks, which have arguments of their own.
HIDDEN = frozenset(
    ("struct_size", "reserved", "alloc", "free", "alloc_user", "log", "log_user", "progress", "progress_user")
)

_ENUMS: dict[str, type[IntEnum] | type[IntFlag]] = {
    "normalise": enums.Normalise,
    "convention": enums.Convention,
    "log_level": enums.LogLevel,
    "symmetric": enums.Axis,
    "levers": enums.Lever,
}


class DatasetOptions(TypedDict, total=False):
    """How a dataset is opened."""

    image_name: str | None
    label_name: str | None
    group_separators: str | None
    affine_tolerance: float
    allow_unlabelled: bool
    grey: bool


class PhantomOptions(TypedDict, total=False):
    """A generated dataset."""

    ndim: int
    count: int
    classes: int
    channels: int
    size: Sequence[int]
    seed: int


class ScoreOptions(TypedDict, total=False):
    """Definitions of scores; classes and spacing come from the data."""

    convention: int | str
    surface_tolerance: float
    percentile: float
    surfaces: bool
    background_surface: bool


class MetricsOptions(ScoreOptions, total=False):
    """All that scores of two arrays depend on."""

    classes: int
    spacing: Sequence[float]


class SynthesizeOptions(TypedDict, total=False):
    """Which of the images of a label map is made."""

    seed: int
    number: int
    warp: bool
    magnitude: float


class TrainerOptions(TypedDict, total=False):
    """A training; include/genseg/trainer.h describes each."""

    segmenter: str | None
    optimizer: str
    schedule: str
    width: int
    size: Sequence[int]
    batch: int
    steps: int
    seconds: float
    lr: float
    momentum: float
    weight_decay: float
    warmup: int
    foreground: float
    normalise: int | str
    augment: int
    symmetric: int | str | Iterable[int | str]
    class_weights: int
    validate_every: int
    patience: int
    seed: int
    method: str
    gan_loss: str
    solver: str
    gan_steps: int
    gan_every: int
    levers_every: int
    generator_width: int
    generator_levels: int
    discriminator_width: int
    candidates: int
    noise: int
    levers: int | str | Iterable[int | str]
    solver_terms: int
    gan_lr: float
    l1: float
    gamma: float
    appearance: float
    levers_lr: float
    feedback_lr: float
    recompute: int


def known(struct: type[_structs.Struct]) -> dict[str, Any]:
    """The options of a struct and their C types."""
    return {field[0]: field[1] for field in struct._fields_ if field[0] not in HIDDEN}


def _number(kind: Any, value: Any, name: str) -> Any:
    if kind is ctypes.c_double:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(f"{name} is {value!r}, which is no number") from None
    return _functions.check_range(kind, value, name)


def _sequence(kind: Any, value: Any, name: str) -> list[Any]:
    """Two or three values in the order of an image's axes; of two, the first is left to the library."""
    values = [_number(kind, one, name) for one in value]
    if len(values) not in (2, 3):
        raise ShapeError(f"{name} is {value!r}, it must have 2 or 3 values")
    return [1 if kind is ctypes.c_double else 0] * (3 - len(values)) + values


def _convert(kind: Any, value: Any, name: str) -> Any:
    enum = _ENUMS.get(name)
    if enum is not None:
        return int(enums.flags(enum, value, name) if issubclass(enum, IntFlag) else enums.member(enum, value, name))
    if kind is ctypes.c_char_p:
        return _functions.encode(value, name)
    return _number(kind, value, name)


def fill(struct: type[_structs.Struct], options: Mapping[str, Any]) -> Any:
    """The struct with the library's defaults and these options."""
    fields = known(struct)
    filled = _functions.initialise(struct)
    for name, value in options.items():
        if name not in fields:
            raise TypeError(f"unknown option {name!r}, known are {', '.join(sorted(fields))}")
        if value is None:
            continue
        kind = fields[name]
        if issubclass(kind, ctypes.Array):
            getattr(filled, name)[:] = _sequence(kind._type_, value, name)
        else:
            setattr(filled, name, _convert(kind, value, name))
    return filled


def forbid(options: Mapping[str, Any], names: Iterable[str], reason: str) -> None:
    """Refuses options that have no effect in a call."""
    for name in names:
        if name in options:
            raise InvalidError(f"{name} is {reason}")
