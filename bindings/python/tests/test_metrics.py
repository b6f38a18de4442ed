"""Scores of label maps."""

from __future__ import annotations

import math

import numpy as np
import pytest

import genseg
from genseg import MetricsState, metrics


def test_metrics(context):
    reference, prediction = np.zeros((20, 20), np.uint8), np.zeros((20, 20), bool)
    reference[5:15, 5:15] = 1
    prediction[5:15, 7:17] = True
    scores = metrics.evaluate(reference, prediction, spacing=(1, 2), context=context)
    assert len(scores) == 2 and scores[1].dice == pytest.approx(0.8) and scores[1].jaccard == pytest.approx(80 / 120)
    assert scores[1].hd95 == pytest.approx(4) and scores[1].state == MetricsState.OK and math.isnan(scores[0].hd95)
    assert metrics.mean_dice(scores) == pytest.approx(0.8)
    flat = metrics.evaluate(reference[::-1].T, prediction[::-1].T, surfaces=False, context=context)
    assert flat[1].dice == pytest.approx(0.8) and math.isnan(flat[1].assd)
    empty = metrics.evaluate(0 * reference, 0 * reference, context=context)
    assert empty[1].state == MetricsState.BOTH_EMPTY and math.isnan(empty[1].dice)
    assert math.isnan(metrics.mean_dice(empty))
    assert metrics.evaluate(reference, 0 * reference, context=context)[1].state == MetricsState.PREDICTION_EMPTY
    assert len(metrics.evaluate(reference, prediction, classes=4, context=context)) == 4
    values = [
        metrics.evaluate(reference, prediction, convention=name, context=context)[1].surface_dice
        for name in ("monai", "medpy", "deepmind")
    ]
    assert values[0] == values[1] != values[2]
    assert metrics.evaluate(reference, prediction, background_surface=True, context=context)[0].hd95 > 0
    assert metrics.evaluate(reference, prediction, percentile=100, surface_tolerance=5, context=context)[1][4] == 1
    for arguments, options, error in [
        ((reference, prediction[:5]), {}, genseg.ShapeError),
        ((reference, prediction), {"classes": 1}, genseg.InvalidError),
        ((reference + 0.5, prediction), {"classes": 2}, genseg.FormatError),
        ((reference, prediction), {"convention": "mine"}, genseg.InvalidError),
        ((reference, prediction), {"tolerance": 1}, TypeError),
    ]:
        with pytest.raises(error):
            metrics.evaluate(*arguments, context=context, **options)


def test_metrics_names():
    assert metrics.state_name(MetricsState.REFERENCE_EMPTY) == "reference empty"
    assert metrics.convention("medpy") == genseg.Convention.MEDPY == 2
    assert [metrics.convention_name(one) for one in genseg.Convention] == ["monai", "medpy", "deepmind"]
    with pytest.raises(ValueError, match="no convention 'mine', known are monai, medpy, deepmind"):
        metrics.convention("mine")


def test_metrics_of_nibabel(context):
    nibabel = pytest.importorskip("nibabel")
    label = np.zeros((6, 8, 10), np.int16)
    label[2:4, 2:6, 3:7] = 1
    moved = np.roll(label, 1, axis=2)
    affine = np.diag([1, 2, 3.5, 1])
    scores = metrics.evaluate(nibabel.Nifti1Image(label, affine), nibabel.Nifti1Image(moved, affine), context=context)
    assert scores[1].hd95 == pytest.approx(3.5)
