"""Training: that it learns, how it reports, cancels, is interrupted, and goes on."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import PACKAGE, TINY, TINY_GENSEG, python

import genseg
from genseg import Phase, progress


def test_learns(context):
    """Well above what chance gives: the mean Dice of a guess is about 0.3 here."""
    data = genseg.Dataset.phantom(count=16, size=(32, 32), context=context)
    data.split(10, 2)
    trainer = genseg.Trainer(data, method="plain", steps=150, width=8, size=(32, 32), batch=4, lr=2e-3, warmup=10)
    trainer.run()
    assert trainer.steps == 150 and trainer.loss < 1.2
    segmenter = trainer.segmenter()
    results = segmenter.evaluate(data, "test")
    assert len(results) == 4 and all(one.prediction is None for one in results)
    assert np.mean([one.dice for one in results]) > 0.6
    assert segmenter.info.validation_dice == trainer.best_dice > 0.6


def test_same_seed_gives_the_same_model(phantom, image):
    def probabilities(seed):
        trainer = genseg.Trainer(phantom, method="augment", seed=seed, **TINY)
        trainer.run()
        return trainer.segmenter().predict(image, probability=True)[1]

    assert (probabilities(3) == probabilities(3)).all()
    assert (probabilities(3) != probabilities(4)).any()


def test_options_are_taken_and_checked(phantom):
    trainer = genseg.Trainer(
        phantom, method="plain", normalise="zscore", symmetric="h,w", levers=["gamma", "warp"], **TINY
    )
    assert trainer.info.normalise == genseg.Normalise.ZSCORE and trainer.info.width == 4
    assert trainer.info.size == (1, 32, 32) and trainer.memory > 0
    with pytest.raises(TypeError, match="unknown option 'stepps', known are appearance, .* width"):
        genseg.Trainer(phantom, stepps=3)
    for option, value, error in [
        ("steps", -1, genseg.InvalidError),
        ("steps", 2**70, genseg.InvalidError),
        ("steps", 1.5, TypeError),
        ("lr", "fast", TypeError),
        ("method", "best", genseg.InvalidError),
        ("method", 3, TypeError),
        ("normalise", "maximum", genseg.InvalidError),
        ("levers", "gamma,gravity", genseg.InvalidError),
        ("size", (32,), genseg.ShapeError),
        ("optimizer", "ad\0am", genseg.InvalidError),
        ("seed", -1, ValueError),
    ]:
        with pytest.raises(error, match=None if value == "best" else option):
            genseg.Trainer(phantom, **{**TINY, option: value})
    with pytest.raises(TypeError, match="dataset is a list"):
        genseg.Trainer([])
    with pytest.raises(genseg.StateError):
        genseg.Trainer(genseg.Dataset())


def test_progress_and_cancel(phantom):
    seen = []

    def watch(state):
        seen.append(state)
        return state.phase == Phase.TRAIN and state.done >= 3

    trainer = genseg.Trainer(phantom, method="augment", **TINY)
    with pytest.raises(genseg.CancelledError):
        trainer.run(watch)
    assert 3 <= trainer.steps < 12
    assert {one.phase for one in seen} >= {Phase.LOAD, Phase.TRAIN}
    assert seen[-1].total == 12 and seen[-1].seconds > 0 and not math.isnan(seen[-1].loss)
    trainer.segmenter()  # there is a model

    # Goes on where it stopped: the same model as without the pause.
    trainer.run()
    whole = genseg.Trainer(phantom, method="augment", **TINY)
    whole.run()
    image = phantom[0].image
    first, second = (one.segmenter().predict(image, probability=True)[1] for one in (trainer, whole))
    assert trainer.steps == 12 and (first == second).all()


def test_exception_in_a_callback_comes_out(phantom):
    class Surprise(Exception):
        pass

    def watch(state):
        if state.phase == Phase.TRAIN:
            raise Surprise("of the callback")

    trainer = genseg.Trainer(phantom, method="augment", **TINY)
    with pytest.raises(Surprise, match="of the callback") as caught:
        trainer.run(watch)
    assert "watch" in [entry.name for entry in caught.traceback]
    trainer.run()
    assert trainer.steps == 12


def test_callback_may_use_its_trainer(phantom):
    trainer = genseg.Trainer(phantom, method="augment", **TINY)
    refused = []

    def watch(state):
        assert trainer.steps >= 0 and trainer.info.width == 4
        try:
            trainer.run()
        except genseg.StateError as error:
            refused.append(error)
        trainer.cancel()

    with pytest.raises(genseg.CancelledError):
        trainer.run(watch)
    assert refused
    trainer.run(lambda state: trainer.close())  # takes effect when the run has ended
    assert trainer.closed


def test_cancel_from_another_thread(phantom):
    trainer = genseg.Trainer(phantom, method="augment", **{**TINY, "steps": 10**6})
    started, outcome = threading.Event(), []

    def work():
        try:
            trainer.run(lambda state: started.set())
        except genseg.CancelledError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(30)
    with pytest.raises(genseg.StateError, match="at work in another thread"):
        trainer.steps
    assert "at work" in repr(trainer)
    trainer.cancel()
    thread.join(30)
    assert not thread.is_alive() and outcome and trainer.steps >= 0


@pytest.mark.parametrize("bar", ["tqdm", "text"])
def test_bar(phantom, monkeypatch, capsys, bar):
    if bar == "tqdm":
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
        monkeypatch.setattr(progress, "INTERVAL", 0.0)
    trainer = genseg.Trainer(phantom, method="augment", **TINY)
    trainer.run(progress=True)
    written = capsys.readouterr().err
    assert "train" in written and "12/12" in written and "loss" in written
    trainer.segmenter().evaluate(phantom, progress=True)
    assert "evaluate" in capsys.readouterr().err
    with pytest.raises(TypeError, match="progress is 3"):
        trainer.run(progress=3)


INTERRUPTED = """
import os, signal, sys, threading, genseg
data = genseg.Dataset.phantom(count=8, size=(32, 32), context=genseg.Context(threads=1))
data.split(5, 2)
trainer = genseg.Trainer(data, method="augment", steps=10**6, width=4, size=(32, 32), validate_every=6)
try:
    trainer.run(lambda state: trainer.steps >= 2)  # so that there is a model in any case
except genseg.CancelledError:
    pass
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    trainer.run(PROGRESS)
    print("not interrupted")
except KeyboardInterrupt:
    print("interrupted after", trainer.steps > 0, trainer.segmenter().classes)
before = trainer.steps
try:
    trainer.run(lambda state: state.done > before + 2)
except genseg.CancelledError:
    print("went on", trainer.steps > before)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


@pytest.mark.parametrize("listener", ["None", "lambda state: None", "True"])
def test_ctrl_c(listener):
    done = python(INTERRUPTED.replace("PROGRESS", listener))
    assert done.stdout.splitlines() == ["interrupted after True 2", "went on True"], done
    assert "Exception ignored" not in done.stderr and done.returncode == 0


def test_ctrl_c_ends_a_script():
    """Nobody catches it: the exit status is that of Ctrl-C, and nothing crashes."""
    code = INTERRUPTED.split("try:")[0] + "print('begun', flush=True); trainer.run()"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)} if "GENSEG_INSTALLED" not in os.environ else None
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.5)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT and errors.rstrip().endswith("KeyboardInterrupt")
    assert time.monotonic() - begin < 10


def test_other_signal_handlers_may_raise():
    code = (
        INTERRUPTED.split("try:")[0]
        + """
def stop(number, frame):
    raise SystemExit(7)
signal.signal(signal.SIGTERM, stop)
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
trainer.run()
"""
    )
    done = python(code)
    assert done.returncode == 7 and done.stderr == "", done


def test_ctrl_c_in_prediction_and_evaluation(context):
    """Both call back too."""
    data = genseg.Dataset.phantom(count=4, size=(32, 32), context=context)
    data.split(3, 0)
    trainer = genseg.Trainer(data, method="plain", **{**TINY, "steps": 1})
    trainer.run()
    segmenter = trainer.segmenter()
    tiles = []

    def press(state):
        tiles.append(state)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        segmenter.predict(np.zeros((500, 500)), progress=press)
    assert 1 <= len(tiles) < 10
    cases = []

    def interrupt(evaluation):
        cases.append(evaluation)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        segmenter.evaluate(data, "none", report=interrupt)
    assert len(cases) == 1


def test_levers_and_audit(trained, phantom):
    levers = trained.levers()
    names = {one.name for one in levers}
    assert {"gamma", "warp", "appearance", "pairs"} <= names
    warp = next(one for one in levers if one.name == "warp")
    assert warp.group == genseg.Lever.WARP and warp.value.shape == warp.gradient.shape == (6,)
    pairs = next(one for one in levers if one.name == "pairs")
    assert pairs.value.shape == (5,)
    seen = []
    audits = trained.audit("gamma,warp", most=1, report=seen.append)
    assert audits == seen and {one.lever for one in audits} == {"gamma", "warp"}
    assert audits[-1].done == audits[-1].total == 2 and math.isfinite(audits[0].brute)
    with pytest.raises(genseg.CancelledError):
        trained.audit("gamma,warp", most=1, report=lambda audit: True)
    with pytest.raises(genseg.InvalidError):
        trained.audit("generator")
    plain = genseg.Trainer(phantom, method="plain", **TINY)
    assert plain.levers() == []
    with pytest.raises(genseg.StateError):
        plain.audit("gamma")
    with pytest.raises(genseg.StateError):
        plain.segmenter()


def test_start_from(trained, phantom, image):
    again = genseg.Trainer(phantom, **{**TINY_GENSEG, "steps": 1})
    again.start_from(trained.segmenter(), trained.generator())
    again.run()
    other = genseg.Trainer(phantom, method="plain", **{**TINY, "width": 8})
    with pytest.raises(genseg.ShapeError):
        other.start_from(trained.segmenter())
    with pytest.raises(genseg.StateError):
        again.start_from(trained.segmenter())


def test_memory_limit(phantom):
    small = genseg.Context(threads=1, memory_limit=100_000)
    with pytest.raises(MemoryError) as caught:
        genseg.Trainer(phantom, context=small, **TINY)
    assert isinstance(caught.value, genseg.NoMemoryError) and "memory_limit leaves" in caught.value.message
