"""Trainers: a dataset in, the best segmenter and its generator out."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np

from . import _functions, _options, _structs, enums
from ._arrays import NDArray
from ._calls import callback
from ._handles import Handle
from .context import Context, or_default
from .dataset import Dataset
from .errors import InvalidError
from .generator import Generator
from .progress import ProgressLike, progress_callback, reporter
from .segmenter import Segmenter, SegmenterInfo, info_from


@dataclass(frozen=True, slots=True)
class LeverState:
    """What level III controls, as it stands."""

    name: str
    group: enums.Lever
    value: NDArray
    gradient: NDArray
    """Of the validation loss, from level III's newest update."""


@dataclass(frozen=True, slots=True)
class Audit:
    """One value of a lever, checked by brute force."""

    lever: str
    group: enums.Lever
    index: int
    gradient: float
    brute: float
    noise: float
    """How far a move half as large gives something else."""
    done: int
    total: int


AuditCallback = Callable[[Audit], object]


def _copy(pointer: Any, count: int) -> NDArray:
    return np.array(pointer[:count], np.float32) if pointer else np.full(count, np.nan, np.float32)


class Trainer(Handle):
    """Trainer(dataset, context=None, **options): trains on the training cases, watched by the validation cases.

    Options, each with the library's default: method ("genseg", "continued", "separate", "augment", "plain"), steps,
    seconds, size, width, batch, lr and more: genseg.TrainerOptions lists them, include/genseg/trainer.h describes them.

    One thread at a time uses a trainer; cancel() alone may come from any.
    """

    __slots__ = ("dataset",)

    _free = _functions.trainer_free

    def __init__(
        self, dataset: Dataset, *, context: Context | None = None, **options: Unpack[_options.TrainerOptions]
    ) -> None:
        if not isinstance(dataset, Dataset):
            raise TypeError(f"dataset is a {type(dataset).__name__}, it must be a genseg.Dataset")
        context = dataset.context if context is None else or_default(context)
        filled = _options.fill(_structs.TrainerOptions, options)
        self.dataset = dataset
        self._create(context, _functions.trainer_new, context, dataset, ctypes.byref(filled))
        dataset._trainers.add(self)

    def run(self, progress: ProgressLike = None) -> None:
        """Trains until a limit is reached.

        `progress`: True for a bar, or a callable that gets a Progress at least ten times a second; a true result
        cancels. When it was cancelled (CancelledError), interrupted (KeyboardInterrupt) or a callback raised, the best
        model so far is there, and another run() goes on where this one stopped.
        """
        with reporter(progress) as report:
            _functions.trainer_run(self, progress_callback(report), None)

    def cancel(self) -> None:
        """Asks a run to end soon, from any thread or signal handler; without one, it ends the next at its start."""
        _functions.trainer_cancel(self)

    def start_from(self, segmenter: Segmenter, generator: Generator | None = None) -> None:
        """Begins with the weights of a model instead of random ones, before the first run."""
        _functions.trainer_start_from(self, segmenter, generator)

    def segmenter(self) -> Segmenter:
        """A copy of the best model so far; of the newest where there is no validation."""
        return Segmenter._made(self._context, _functions.trainer_segmenter, self)

    def generator(self) -> Generator:
        """A copy of the generator that goes with segmenter()."""
        return Generator._made(self._context, _functions.trainer_generator, self)

    @property
    def info(self) -> SegmenterInfo:
        """What is being trained, with all that was left to the library; steps and Dice are the best model's."""
        return info_from(_functions.trainer_describe, self)

    @property
    def memory(self) -> int:
        """Bytes that the context will hold at the peak of run()."""
        return int(_functions.trainer_memory(self))

    @property
    def steps(self) -> int:
        """Steps made."""
        return int(_functions.trainer_steps(self))

    @property
    def loss(self) -> float:
        """Running mean of the training loss; NaN before the first step."""
        return float(_functions.trainer_loss(self))

    @property
    def best_dice(self) -> float:
        """Best mean foreground Dice on validation; NaN before the first."""
        return float(_functions.trainer_best_dice(self))

    def levers(self) -> list[LeverState]:
        """What level III controls; nothing for methods without a generator."""
        levers: list[LeverState] = []
        while True:
            it = _structs.Lever(ctypes.sizeof(_structs.Lever))
            try:
                _functions.trainer_lever(self, len(levers), ctypes.byref(it))
            except InvalidError:
                return levers
            levers.append(
                LeverState(
                    _functions.text(it.name),
                    enums.Lever(it.group),
                    _copy(it.value, it.count),
                    _copy(it.gradient, it.count),
                )
            )

    def audit(
        self,
        groups: enums.Lever | int | str | Iterable[int | str] = enums.Lever.ALL & ~enums.Lever.GENERATOR,
        *,
        most: int = 0,
        delta: float = 0.0,
        report: AuditCallback | None = None,
    ) -> list[Audit]:
        """Proves the gradients of level III by moving each value of a lever and making the coming step again.

        `most`: values of a lever that are checked, 0 for all; `delta`: 0 for 0.05. `report` gets each Audit; a true
        result cancels.
        """
        audits: list[Audit] = []

        def body(pointer: Any, user: Any) -> object:
            it = pointer.contents
            audits.append(
                Audit(
                    _functions.text(it.lever),
                    enums.Lever(it.group),
                    it.index,
                    it.gradient,
                    it.brute,
                    it.noise,
                    it.done,
                    it.total,
                )
            )
            return report is not None and report(audits[-1])

        bits = enums.flags(enums.Lever, groups, "groups")
        _functions.trainer_audit(self, bits, most, delta, callback(_structs.AuditFunction, body), None)
        return audits

    def _state(self) -> str:
        info = self.info
        return f"{info.architecture}, {info.train_cases} cases, {self.steps} steps, best Dice {self.best_dice:.4f}"
