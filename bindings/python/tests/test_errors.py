"""Each status as an exception of its own, and the log."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from conftest import TINY

import genseg
from genseg import Split, errors


@pytest.mark.parametrize("status", sorted(errors.BY_STATUS))
def test_each_status_raises_its_class(status):
    error = errors.from_status(status, "dim[1] is 0")
    assert type(error) is errors.BY_STATUS[status] and error.status == status
    assert error.message == str(error) == "dim[1] is 0" and isinstance(error, genseg.Error)


def test_built_in_bases():
    for error, base in [
        (genseg.NoMemoryError, MemoryError),
        (genseg.InvalidError, ValueError),
        (genseg.InputOutputError, OSError),
        (genseg.FormatError, ValueError),
        (genseg.ShapeError, ValueError),
        (genseg.NumericError, ArithmeticError),
        (genseg.UnsupportedError, NotImplementedError),
        (genseg.StateError, RuntimeError),
        (genseg.LibraryError, ImportError),
    ]:
        assert issubclass(error, base)
    assert isinstance(errors.from_status(-99, "new"), genseg.InternalError)
    assert not issubclass(genseg.CancelledError, (ValueError, RuntimeError, OSError))


def test_real_failures(context, tmp_path):
    (tmp_path / "no-model.safetensors").write_bytes(b"\x10" + bytes(30))
    with pytest.raises(genseg.FormatError, match="no-model.safetensors"):
        genseg.Segmenter.load(tmp_path / "no-model.safetensors", context=context)
    with pytest.raises(OSError, match="/no/model"):
        genseg.Segmenter.load("/no/model", context=context)
    with pytest.raises(genseg.InputOutputError):
        genseg.Generator.load("/no/model", context=context)
    with pytest.raises(genseg.InvalidError, match="threads is -3"):
        genseg.Context(threads=-3)
    with pytest.raises(genseg.InvalidError, match="no_winograd"):
        genseg.Context(no_winograd=5)
    with pytest.raises(TypeError, match="context is 'one'"):
        genseg.Dataset("one")
    with pytest.raises(genseg.InvalidError, match="log_level is 'loud', known are 'error'"):
        genseg.Context(log_level="loud")
    with pytest.raises(TypeError, match="log is 5"):
        genseg.Context(log=5)


def warned_training(**options):
    """The library warns of a class that no training case has."""
    data = genseg.Dataset(genseg.Context(threads=1, **options))
    rng = np.random.default_rng(8)
    for index, name in enumerate("abcd"):
        label = np.zeros((32, 32), np.uint8)
        label[8:20, 8:20] = 1 + index % 2
        data.add(name, rng.normal(size=(32, 32)), label, group=str(index % 2))
    for seed in range(20):
        data.split(2, seed=seed)
        if data["a"].split == Split.TRAIN:
            break
    genseg.Trainer(data, method="plain", class_weights=1, **{**TINY, "steps": 1}).run()


def test_log(caplog, capfd):
    """Messages go to the logger, to a callable, or nowhere; what a callable raises comes out of the call."""
    lines = []
    warned_training()
    assert [(record.name, record.levelno) for record in caplog.records] == [("genseg", logging.WARNING)]
    assert "no training case has label 2" in caplog.text
    caplog.clear()
    warned_training(log=lambda level, message: lines.append((level, message)))
    assert lines[0][0] == genseg.LogLevel.WARNING and "label 2" in lines[0][1] and not caplog.records
    warned_training(log=False)
    warned_training(log_level="error")
    assert not caplog.records

    def fail(level, message):
        raise KeyError(message)

    with pytest.raises(KeyError, match="label 2"):
        warned_training(log=fail)
    assert capfd.readouterr().err == ""
