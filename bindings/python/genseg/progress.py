"""What is seen of long work: the Progress that callbacks get, and the bar behind `progress=True`."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from . import _structs
from ._calls import callback
from .enums import Phase

INTERVAL = 1.0
"""Seconds between lines where there is no tqdm."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where long work stands. Values not known in a phase are NaN or 0."""

    phase: Phase
    done: int
    """Finished units of the phase: steps, tiles or cases."""
    total: int
    """Units in all, 0 where unknown."""
    seconds: float
    """Since the call began."""
    seconds_left: float
    loss: float
    validation_dice: float
    best_dice: float
    units_per_second: float


ProgressCallback = Callable[[Progress], object]
"""Gets a Progress at least ten times a second; a true result cancels."""

ProgressLike = ProgressCallback | bool | None
"""A callback, True for a bar, None or False for nothing."""


def _phase(value: int) -> Phase:
    return Phase(value) if value in Phase._value2member_map_ else Phase.TRAIN


def from_struct(state: _structs.Progress) -> Progress:
    return Progress(
        _phase(state.phase),
        state.done,
        state.total,
        state.seconds,
        state.seconds_left,
        state.loss,
        state.validation_dice,
        state.best_dice,
        state.units_per_second,
    )


def scores(state: Progress) -> dict[str, str]:
    """What a bar tells beside its length."""
    values = {"loss": state.loss, "Dice": state.validation_dice, "best": state.best_dice}
    return {name: f"{value:.4f}" for name, value in values.items() if not math.isnan(value)}


class TqdmBar:
    """One tqdm bar for each phase; validations show in the bar of the training."""

    def __init__(self, tqdm: Any) -> None:
        self._tqdm = tqdm
        self._bar: Any = None
        self._phase: Phase | None = None

    def __call__(self, state: Progress) -> None:
        if state.phase == Phase.VALIDATE and self._bar is not None:
            self._bar.set_postfix(scores(state), refresh=False)
            return
        if state.phase != self._phase:
            self.close()
            self._phase = state.phase
            self._bar = self._tqdm(total=state.total or None, desc=state.phase.name.lower(), initial=state.done)
        self._bar.set_postfix(scores(state), refresh=False)
        self._bar.update(state.done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None


class TextBar:
    """The same without tqdm: a line on stderr now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next = 0.0
        self._last: Progress | None = None

    def __call__(self, state: Progress) -> None:
        self._last = state
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + INTERVAL
            self._write(state)

    def _write(self, state: Progress) -> None:
        words = [f"{state.phase.name.lower()} {state.done}" + (f"/{state.total}" if state.total else "")]
        words += [f"{name} {value}" for name, value in scores(state).items()]
        if not math.isnan(state.seconds_left):
            words.append(f"{state.seconds_left:.0f} s left")
        self._stream.write(", ".join(words) + "\n")
        self._stream.flush()
        self._last = None

    def close(self) -> None:
        if self._last is not None:
            self._write(self._last)


def make_bar() -> TqdmBar | TextBar:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return TextBar(sys.stderr)
    return TqdmBar(tqdm)


@contextmanager
def reporter(progress: ProgressLike) -> Iterator[ProgressCallback | None]:
    """What to tell the progress to, closed at the end."""
    if progress is True:
        bar = make_bar()
        try:
            yield bar
        finally:
            bar.close()
    elif progress is None or progress is False:
        yield None
    elif callable(progress):
        yield progress
    else:
        raise TypeError(f"progress is {progress!r}, it must be callable, True, False or None")


def progress_callback(report: ProgressCallback | None) -> Any:
    """Always a callback, also where nobody listens: Python handles Ctrl-C while it runs."""

    def body(state: Any, user: Any) -> object:
        return report is not None and report(from_struct(state.contents))

    return callback(_structs.ProgressFunction, body)
