"""The context: threads, memory limit, seed, log and profile that other objects share."""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from . import _functions, _options, _structs
from ._calls import log_callback
from ._handles import Handle
from .enums import LogLevel
from .errors import InvalidError

LogCallback = Callable[[LogLevel, str], object]

_LOGGING = {
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
}


class Memory(NamedTuple):
    """Bytes held by a context's objects."""

    current: int
    peak: int


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """What one kind of operation of one shape cost; seconds, flops and bytes are those of all runs."""

    operation: str
    shape: tuple[int, ...]
    runs: int
    seconds: float
    flops: float
    bytes: float


def _to_logging(level: LogLevel, message: str) -> None:
    logging.getLogger("genseg").log(_LOGGING.get(level, logging.DEBUG), "%s", message)


class Context(Handle):
    """Context(threads=0, memory_limit=0, seed=1, log=None, log_level="warning", no_winograd=False)

    `threads`: 0 means one for each core the process may use. `memory_limit`: bytes that the context's objects may hold
    at once, 0 for no limit. `log`: a callable that gets a LogLevel and a line; None for the logger "genseg" of
    Python's logging, False for silence. `log_level`: the most detailed level passed on. `no_winograd`: convolutions
    without Winograd's method, as a check.
    """

    __slots__ = ("_log",)

    _free = _functions.context_free

    def __init__(
        self,
        *,
        threads: int = 0,
        memory_limit: int = 0,
        seed: int = 1,
        log: LogCallback | bool | None = None,
        log_level: LogLevel | int | str = LogLevel.WARNING,
        no_winograd: bool = False,
    ) -> None:
        options = _options.fill(
            _structs.ContextOptions,
            {
                "threads": threads,
                "memory_limit": memory_limit,
                "seed": seed,
                "log_level": log_level,
                "no_winograd": no_winograd,
            },
        )
        tell = _to_logging if log is None or log is True else log
        if tell is not False:
            if not callable(tell):
                raise TypeError(f"log is {log!r}, it must be callable, False or None")
            options.log = log_callback(
                _structs.LogFunction, lambda level, message, user: tell(LogLevel(level), _functions.text(message))
            )
        # The C context calls it as long as any of its objects lives, and so keeps it.
        self._log = options.log
        self._create(None, _functions.context_new, ctypes.byref(options), keep=self._log)

    @property
    def context(self) -> Context:
        return self

    @property
    def threads(self) -> int:
        """Number of threads in use."""
        return int(_functions.context_threads(self))

    @property
    def memory(self) -> Memory:
        """Bytes held now and at most so far."""
        current, peak = ctypes.c_uint64(), ctypes.c_uint64()
        _functions.context_memory(self, ctypes.byref(current), ctypes.byref(peak))
        return Memory(current.value, peak.value)

    def peak_flops(self) -> float:
        """Single precision operations a second that the threads can do at most, measured for 50 ms; 0: unknown."""
        return float(_functions.context_peak(self))

    def set_profile(self, on: bool) -> None:
        """Begins (with nothing) or ends a profile of all that the context's objects do."""
        _functions.context_set_profile(self, 1 if on else 0)

    def profile(self) -> list[ProfileRow]:
        """What was measured, those that took longest first."""
        rows: list[ProfileRow] = []
        while True:
            row = _structs.Profile(ctypes.sizeof(_structs.Profile))
            try:
                _functions.context_profile(self, len(rows), ctypes.byref(row))
            except InvalidError:
                return rows
            shape = tuple(row.shape[: row.ndim])
            rows.append(ProfileRow(_functions.text(row.operation), shape, row.runs, row.seconds, row.flops, row.bytes))

    def _state(self) -> str:
        memory = self.memory
        return f"{self.threads} threads, {memory.current / 2**20:.1f} MiB in use, {memory.peak / 2**20:.1f} at most"


_default: list[Context] = []
_default_lock = threading.Lock()


def default_context() -> Context:
    """The one that is used where none is given: all cores, no memory limit, the logger "genseg"."""
    with _default_lock:
        if not _default or _default[0].closed:
            _default[:] = [Context()]
        return _default[0]


def or_default(context: Context | None) -> Context:
    if context is None:
        return default_context()
    if not isinstance(context, Context):
        raise TypeError(f"context is {context!r}, which is no genseg.Context")
    return context


def version() -> str:
    """Release of the loaded library."""
    return _functions.text(_functions.version())


def abi_version() -> str:
    """ABI version of the loaded library."""
    return _functions.text(_functions.abi_version())


def build_info() -> str:
    """One line for bug reports: versions of oneDNN, HDF5 and the rest, vector instructions."""
    return _functions.text(_functions.build_info())


def status_name(status: int) -> str:
    """Name of a status code, such as "FORMAT"."""
    return _functions.text(_functions.status_name(status))


def dtype_size(dtype: Any) -> int:
    """Bytes of one element of a Dtype."""
    return int(_functions.dtype_size(int(dtype)))
