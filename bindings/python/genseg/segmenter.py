"""Trained segmenters: image in, label map out, on the image's own grid."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

import numpy as np
import numpy.typing as npt

from . import _arrays, _functions, _images, _options, _structs, metrics
from ._arrays import NDArray
from ._calls import callback
from ._handles import Handle
from .context import Context, or_default
from .dataset import Dataset, PathLike, encode_path
from .enums import Normalise, Phase, Scale, Split, member
from .errors import InvalidError
from .progress import Progress, ProgressCallback, ProgressLike, progress_callback, reporter

if TYPE_CHECKING:
    from .generator import Generator


@dataclass(frozen=True, slots=True)
class SegmenterInfo:
    """What a model is and where it comes from."""

    architecture: str
    """"unet2d" or "unet3d"."""
    version: str
    """Of the library that trained it."""
    ndim: int
    channels: int
    classes: int
    levels: int
    """Poolings of the network."""
    width: int
    """Channels of its first level."""
    weights: int
    normalise: Normalise
    scale: Scale
    size: tuple[int, ...]
    """(D, H, W) that the network sees at once."""
    spacing: tuple[float, ...]
    """(D, H, W), millimetres, that it works at."""
    steps: int
    train_cases: int
    validation_cases: int
    validation_dice: float
    seed: int


def info_from(describe: Any, handle: Handle) -> SegmenterInfo:
    it = _structs.SegmenterInfo(ctypes.sizeof(_structs.SegmenterInfo))
    describe(handle, ctypes.byref(it))
    return SegmenterInfo(
        _functions.text(it.architecture),
        _functions.text(it.version),
        it.ndim,
        it.channels,
        it.classes,
        it.levels,
        it.width,
        it.weights,
        Normalise(it.normalise),
        Scale(it.scale),
        tuple(it.size),
        tuple(it.spacing),
        it.steps,
        it.train_cases,
        it.validation_cases,
        it.validation_dice,
        it.seed,
    )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One scored case."""

    index: int
    name: str
    scores: tuple[metrics.Scores, ...]
    """One for each class of the segmenter."""
    prediction: NDArray | None
    """Label values as int32, (D, H, W) or (H, W); None in a list without predictions."""
    done: int
    total: int
    seconds: float
    """That the prediction took."""

    @property
    def dice(self) -> float:
        """Mean of the foreground classes that occur."""
        return metrics.mean_dice(list(self.scores))


EvaluationCallback = Callable[[Evaluation], object]


def _evaluation(it: Any, shape: tuple[int, ...]) -> Evaluation:
    scores = tuple(
        metrics.from_struct(_structs.Metrics.from_address(it.scores + k * it.score_size)) for k in range(it.classes)
    )
    prediction = np.ctypeslib.as_array(it.prediction, shape).copy()
    return Evaluation(it.index, _functions.text(it.name), scores, prediction, it.done, it.total, it.seconds)


class Segmenter(Handle):
    """A trained segmenter, from Segmenter.load() or Trainer.segmenter(). It never changes; threads may share it."""

    __slots__ = ("_label_values",)

    _free = _functions.segmenter_free
    _label_values: NDArray

    @classmethod
    def load(cls, path: PathLike, *, context: Context | None = None) -> Segmenter:
        """Loads a model file."""
        context = or_default(context)
        return cls._made(context, _functions.segmenter_load, context, encode_path(path))

    def save(self, path: PathLike, generator: Generator | None = None) -> None:
        """Writes the model file (.safetensors), with the generator beside it if one is given. Atomic."""
        if generator is None:
            _functions.segmenter_save(self, encode_path(path))
        else:
            generator.save(path, self)

    def _create(self, context: Context | None, function: Any, *arguments: Any, keep: object = None) -> None:
        super()._create(context, function, *arguments, keep=keep)
        values = [_functions.segmenter_label_value(self, k) for k in range(self.classes)]
        self._label_values = np.array(values, np.int64)

    @property
    def info(self) -> SegmenterInfo:
        return info_from(_functions.segmenter_describe, self)

    @property
    def classes(self) -> int:
        """Number of classes, background included."""
        return int(_functions.segmenter_classes(self))

    @property
    def label_values(self) -> NDArray:
        """What stands for each class in label maps, as int64."""
        return self._label_values.copy()

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(_functions.text(_functions.segmenter_label_name(self, k)) for k in range(self.classes))

    @overload
    def predict(
        self,
        image: NDArray | PathLike,
        *,
        affine: npt.ArrayLike | None = ...,
        spacing: Sequence[float] | None = ...,
        overlap: float | None = ...,
        progress: ProgressLike = ...,
        out: NDArray | None = ...,
        probability: Literal[False] = ...,
    ) -> NDArray: ...

    @overload
    def predict(
        self,
        image: NDArray | PathLike,
        *,
        affine: npt.ArrayLike | None = ...,
        spacing: Sequence[float] | None = ...,
        overlap: float | None = ...,
        progress: ProgressLike = ...,
        out: NDArray | None = ...,
        probability: Literal[True] | NDArray,
    ) -> tuple[NDArray, NDArray]: ...

    @overload
    def predict(
        self,
        image: Any,
        *,
        affine: npt.ArrayLike | None = ...,
        spacing: Sequence[float] | None = ...,
        overlap: float | None = ...,
        progress: ProgressLike = ...,
        out: NDArray | None = ...,
        probability: bool | NDArray = ...,
    ) -> Any: ...

    def predict(
        self,
        image: Any,
        *,
        affine: npt.ArrayLike | None = None,
        spacing: Sequence[float] | None = None,
        overlap: float | None = None,
        progress: ProgressLike = None,
        out: NDArray | None = None,
        probability: bool | NDArray = False,
    ) -> Any:
        """Segments one image.

        `image`: (H, W), (D, H, W) or with channels first, of any dtype and strides; or a nibabel image, which brings
        its affine and gets the result back as one; or the path of an image file. `affine` is 4x4 as nibabel has it;
        `spacing` instead is in the order of the array's axes. `overlap` (0 to 0.9) is that of tiles.

        Returns the label map, in label values, of the smallest dtype that holds them all, or in `out`, an integer
        array of any strides. With `probability` (True, or a float32 array of shape (K, ...) to write to) returns the
        pair of label map and probabilities of each class.
        """
        if isinstance(image, (str, os.PathLike)):
            with Dataset.open(image, context=self.context, allow_unlabelled=True) as file:
                if len(file) != 1:
                    raise InvalidError(f"{os.fspath(image)} holds {len(file)} cases, predict() takes one image")
                case = file[0]
                known = affine is not None or spacing is not None
                affine, image = affine if known else case.affine, case.image
        voxels, affine = _images.split(image, affine, spacing)
        matrix = _arrays.geometry(affine, spacing)
        source = _arrays.source(voxels, "image")
        grid = tuple(source.shape[: source.ndim])[-self.info.ndim :]
        label = np.empty(grid, _arrays.smallest_integer(self._label_values)) if out is None else out
        targets = [_arrays.target(label, "out")]
        chances = _arrays.wanted(probability, (self.classes, *grid), np.float32, "probability")
        if chances is not None:
            targets.append(_arrays.target(chances, "probability"))
        with reporter(progress) as report:
            options = self._options(overlap, report)
            _functions.segmenter_predict(
                self,
                ctypes.byref(source),
                _arrays.matrix_pointer(matrix),
                ctypes.byref(options),
                ctypes.byref(targets[0]),
                ctypes.byref(targets[1]) if len(targets) > 1 else None,
            )
        results = (label,) if chances is None else (label, chances)
        if _images.is_nibabel(image):
            results = tuple(_images.like(image, array) for array in results)
        return results[0] if chances is None else results

    def predict_file(
        self,
        image: PathLike,
        label: PathLike | None = None,
        probability: PathLike | None = None,
        *,
        overlap: float | None = None,
        progress: ProgressLike = None,
    ) -> None:
        """Segments an image file and writes label map and probabilities (NIfTI) to files on its grid."""
        with reporter(progress) as report:
            options = self._options(overlap, report)
            _functions.segmenter_predict_file(
                self,
                encode_path(image, "image"),
                ctypes.byref(options),
                None if label is None else encode_path(label, "label"),
                None if probability is None else encode_path(probability, "probability"),
            )

    def divide(self, dataset: Dataset) -> None:
        """Divides a dataset as in the training: cases that the model has seen are found again by their names."""
        _functions.segmenter_divide(self, dataset)

    def evaluate(
        self,
        dataset: Dataset,
        split: Split | int | str = Split.TEST,
        *,
        report: EvaluationCallback | None = None,
        predictions: bool = False,
        overlap: float | None = None,
        progress: ProgressLike = None,
        **options: Unpack[_options.ScoreOptions],
    ) -> list[Evaluation]:
        """Predicts and scores the labelled cases of a split ("none": of all).

        `report` gets each Evaluation, with its prediction; a true result cancels. The list has predictions only if
        asked for. `progress`: True for a bar over cases, or a callable that hears of the current case's tiles.
        Other options are those of metrics.evaluate(): convention, surface_tolerance, percentile, surfaces,
        background_surface.
        """
        _options.forbid(options, ("classes", "spacing"), "taken from the data")
        scoring = _options.fill(_structs.MetricsOptions, options)
        results: list[Evaluation] = []
        with reporter(progress) as listener:
            tiles = None if progress is True else listener

            def body(pointer: Any, user: Any) -> object:
                it = pointer.contents
                evaluation = _evaluation(it, dataset[it.index].shape)
                results.append(evaluation if predictions else _without_prediction(evaluation))
                if progress is True and listener is not None:
                    listener(_cases(evaluation))
                return report is not None and report(evaluation)

            predicting = self._options(overlap, tiles)
            _functions.segmenter_evaluate(
                self,
                dataset,
                member(Split, split, "split"),
                ctypes.byref(scoring),
                ctypes.byref(predicting),
                callback(_structs.EvaluationFunction, body),
                None,
            )
        return results

    def extension(self, image: PathLike, probability: bool = False) -> str:
        """That suits a label map (or probabilities) for an image file: ".nii.gz", ".png" or ".h5"."""
        text = ctypes.c_char_p()
        _functions.segmenter_extension(self, encode_path(image, "image"), int(probability), ctypes.byref(text))
        return _functions.text(text.value)

    @staticmethod
    def _options(overlap: float | None, report: ProgressCallback | None) -> Any:
        options = _options.fill(_structs.PredictOptions, {"overlap": overlap})
        options.progress = progress_callback(report)
        return options

    def _state(self) -> str:
        info = self.info
        return (
            f"{info.architecture}, {info.channels} channels, {info.classes} classes, width {info.width}, "
            f"{info.steps} steps, validation Dice {info.validation_dice:.4f}"
        )


def _without_prediction(it: Evaluation) -> Evaluation:
    return Evaluation(it.index, it.name, it.scores, None, it.done, it.total, it.seconds)


def _cases(it: Evaluation) -> Progress:
    nan = float("nan")
    return Progress(Phase.EVALUATE, it.done, it.total, nan, nan, nan, it.dice, nan, nan)
