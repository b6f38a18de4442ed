"""Scores of a predicted label map against its reference: Dice, Jaccard, HD95, ASSD and surface Dice.

include/genseg/metrics.h has the definitions, and what is said of empty masks.
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Unpack

import numpy as np

from . import _arrays, _functions, _images, _options, _structs
from .context import Context, or_default
from .enums import Convention, MetricsState


class Scores(NamedTuple):
    """Of one class. Undefined values are NaN, `state` says why."""

    dice: float
    jaccard: float
    hd95: float
    assd: float
    surface_dice: float
    state: MetricsState


def from_struct(scores: _structs.Metrics) -> Scores:
    return Scores(
        scores.dice, scores.jaccard, scores.hd95, scores.assd, scores.surface_dice, MetricsState(scores.state)
    )


def _labels(value: Any, name: str) -> _structs.Array:
    return _arrays.source(_images.voxels(value) if _images.is_nibabel(value) else value, name)


def _spacing(image: Any) -> tuple[float, ...]:
    """(D, H, W) millimetres of a nibabel image."""
    zooms = tuple(float(zoom) for zoom in image.header.get_zooms()[:3])
    return tuple(reversed((*zooms, 1.0)[:3]))


def evaluate(
    reference: Any,
    prediction: Any,
    *,
    context: Context | None = None,
    **options: Unpack[_options.MetricsOptions],
) -> list[Scores]:
    """Scores of each class, the background's first.

    `reference` and `prediction` are label maps of classes 0..K-1, (H, W) or (D, H, W), of any dtype with whole numbers,
    or nibabel images, from which the spacing is taken then. `classes` is found from the data if not given.
    Other options: spacing, convention ("monai", "medpy" or "deepmind"), surface_tolerance, percentile, surfaces,
    background_surface.
    """
    first, second = _labels(reference, "reference"), _labels(prediction, "prediction")
    if options.get("classes") is None:
        options["classes"] = max(2, *(int(a.keep.max()) + 1 for a in (first, second) if a.keep.size))
    if options.get("spacing") is None and _images.is_nibabel(reference):
        options["spacing"] = _spacing(reference)
    filled = _options.fill(_structs.MetricsOptions, options)
    results = (_structs.Metrics * max(1, filled.classes))()
    _functions.metrics_evaluate(
        or_default(context),
        ctypes.byref(first),
        ctypes.byref(second),
        ctypes.byref(filled),
        results,
        ctypes.sizeof(_structs.Metrics),
    )
    return [from_struct(scores) for scores in results]


def mean_dice(scores: list[Scores]) -> float:
    """Mean Dice of the foreground classes that are in the reference or the prediction; NaN where none is."""
    values = [one.dice for one in scores[1:] if not np.isnan(one.dice)]
    return float(np.mean(values)) if values else float("nan")


def state_name(state: int) -> str:
    """Such as "reference empty"."""
    return _functions.text(_functions.metrics_state_name(int(state)))


def convention_name(convention: int) -> str:
    """Such as "monai"."""
    return _functions.text(_functions.metrics_convention_name(int(convention)))


def convention(name: str) -> Convention:
    """The definition of that name."""
    value = _functions.metrics_convention(_functions.encode(name, "name"))
    if value == 0:
        known = ", ".join(convention_name(one) for one in Convention)
        raise ValueError(f"no convention {name!r}, known are {known}")
    return Convention(value)
