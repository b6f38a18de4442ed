"""The named constants of the headers. Wherever one is wanted, its name in lower case does as well: `split="test"`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, IntFlag
from typing import TypeVar

from .errors import InvalidError


class Dtype(IntEnum):
    """Element types of the arrays that the library reads and writes (GENSEG_DTYPE_*)."""

    UINT8 = 1
    INT8 = 2
    UINT16 = 3
    INT16 = 4
    UINT32 = 5
    INT32 = 6
    UINT64 = 7
    INT64 = 8
    FLOAT32 = 9
    FLOAT64 = 10


class Phase(IntEnum):
    """What long work is at (GENSEG_PHASE_*)."""

    LOAD = 1
    TRAIN = 2
    VALIDATE = 3
    PREDICT = 4
    EVALUATE = 5
    WRITE = 6
    PRETRAIN = 7


class LogLevel(IntEnum):
    """GENSEG_LOG_*."""

    ERROR = 1
    WARNING = 2
    INFO = 3
    DEBUG = 4


class Split(IntEnum):
    """What a case is for (GENSEG_SPLIT_*)."""

    NONE = 0
    TRAIN = 1
    VALIDATION = 2
    TEST = 3


class Severity(IntEnum):
    """Of a finding (GENSEG_SEVERITY_*)."""

    NOTE = 1
    WARNING = 2
    ERROR = 3


class Normalise(IntEnum):
    """How intensities are brought to the network's range (GENSEG_NORMALISE_*)."""

    PERCENTILE = 1
    ZSCORE = 2
    NONE = 3


class Scale(IntEnum):
    """The grid that the network sees (GENSEG_SCALE_*)."""

    NATIVE = 1
    SPACING = 2
    RESIZE = 3


class Axis(IntFlag):
    """Axes of an image (GENSEG_AXIS_*)."""

    D = 1
    H = 2
    W = 4


class Lever(IntFlag):
    """What validation feedback moves (GENSEG_LEVER_*)."""

    ARCHITECTURE = 1
    GAMMA = 2
    WARP = 4
    APPEARANCE = 8
    PAIRS = 16
    GENERATOR = 32
    ALL = 63


class Discretise(IntEnum):
    """What becomes of a generator's searchable cells (GENSEG_DISCRETISE_*)."""

    NONE = 0
    MERGED = 1
    BEST = 2


class Convention(IntEnum):
    """Definition of the surface scores (GENSEG_CONVENTION_*)."""

    MONAI = 1
    MEDPY = 2
    DEEPMIND = 3


class MetricsState(IntEnum):
    """Which of the masks are empty (GENSEG_METRICS_*)."""

    OK = 0
    BOTH_EMPTY = 1
    REFERENCE_EMPTY = 2
    PREDICTION_EMPTY = 3


E = TypeVar("E", bound=IntEnum)
F = TypeVar("F", bound=IntFlag)


def _names(kind: type[IntEnum] | type[IntFlag]) -> str:
    return ", ".join(repr(name.lower()) for name in kind.__members__)


def member(kind: type[E], value: int | str, name: str) -> E:
    """The member that a number or a name stands for."""
    try:
        return kind[value.upper()] if isinstance(value, str) else kind(value)
    except (KeyError, ValueError):
        raise InvalidError(f"{name} is {value!r}, known are {_names(kind)}") from None


def flags(kind: type[F], value: int | str | Iterable[int | str], name: str) -> F:
    """Bits from a number, from names with commas ("gamma,warp"), or from several of both."""
    if isinstance(value, int):
        parts: list[int | str] = [value]
    elif isinstance(value, str):
        parts = [part.strip() for part in value.split(",") if part.strip()]
    else:
        parts = list(value)
    bits = kind(0)
    for part in parts:
        try:
            bits |= kind[part.upper()] if isinstance(part, str) else kind(part)
        except (KeyError, ValueError):
            raise InvalidError(f"{name} is {part!r}, known are {_names(kind)}") from None
    return bits
