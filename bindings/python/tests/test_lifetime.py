"""Objects: freed in any order, closed, shared by threads, left to the exit of the interpreter, forked."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import threading

import numpy as np
import pytest
from conftest import TINY, python

import genseg

MAKE = """
import sys, threading, time, genseg
context = genseg.Context(threads=1, log=lambda level, message: None, log_level="debug")
data = genseg.Dataset.phantom(count=6, size=(32, 32), context=context)
data.split(4, 1)
trainer = genseg.Trainer(data, method="augment", steps=STEPS, width=4, size=(32, 32), validate_every=4)
"""


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_any_order(order, image):
    context = genseg.Context(threads=1)
    data = genseg.Dataset.phantom(count=5, size=(32, 32), context=context)
    data.split(3, 1)
    trainer = genseg.Trainer(data, method="plain", **{**TINY, "steps": 1})
    trainer.run()
    objects = [context, data, trainer, trainer.segmenter()]
    del context, data, trainer
    for index in order:
        objects[index].close()
        if index != 3 and not objects[3].closed:
            assert objects[3].predict(image).shape == image.shape
    del objects
    gc.collect()


def test_trainer_keeps_what_it_needs():
    context = genseg.Context(threads=1)
    data = genseg.Dataset.phantom(count=5, size=(32, 32), context=context)
    data.split(3, 1)
    trainer = genseg.Trainer(data, method="plain", **TINY)
    data.close()
    context.close()
    trainer.run()
    assert trainer.segmenter().classes == 2


def test_memory_comes_back():
    context = genseg.Context(threads=1)
    for _ in range(2):
        data = genseg.Dataset.phantom(count=5, size=(32, 32), context=context)
        assert context.memory.current > 0 and context.memory.peak >= context.memory.current
        del data
        gc.collect()
        assert context.memory.current == 0


def test_use_after_close(phantom, trained, segmenter):
    with genseg.Context(threads=1) as context:
        assert not context.closed
    assert context.closed and repr(context) == "<genseg.Context, closed>"
    context.close()
    with pytest.raises(genseg.StateError, match="the Context is closed"):
        context.threads
    with pytest.raises(genseg.StateError, match="the Context is closed"):
        genseg.Dataset(context)
    phantom.close()
    for use in (
        lambda: len(phantom),
        lambda: phantom.split(3),
        lambda: genseg.Trainer(phantom),
        lambda: segmenter.evaluate(phantom),
    ):
        with pytest.raises(genseg.StateError, match="the Dataset is closed"):
            use()


def test_failed_constructors_leave_nothing_behind():
    for make in (
        lambda: genseg.Context(threads=-1),
        lambda: genseg.Segmenter.load("/no/model"),
        lambda: genseg.Dataset.open("/no/data"),
        lambda: genseg.Trainer(genseg.Dataset()),
    ):
        with pytest.raises(genseg.Error):
            make()
    gc.collect()
    with pytest.raises(TypeError, match="Segmenter is not made directly"):
        genseg.Segmenter()


def test_no_pickling(segmenter, phantom):
    for one in (segmenter, phantom, segmenter.context):
        for way in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="can't be pickled or copied"):
                way(one)
    error = pickle.loads(pickle.dumps(genseg.ShapeError("of shape 3")))
    assert type(error) is genseg.ShapeError and error.message == "of shape 3"


def test_threads_share_a_segmenter(segmenter):
    images = [np.random.default_rng(seed).normal(size=(96, 80)) for seed in range(4)]
    expected = [segmenter.predict(image) for image in images]
    failures = []

    def work(index):
        for _ in range(3):
            if (segmenter.predict(images[index]) != expected[index]).any():
                failures.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_close_while_another_thread_predicts(segmenter, tmp_path):
    segmenter.save(tmp_path / "model.safetensors")
    mine = genseg.Segmenter.load(tmp_path / "model.safetensors", context=segmenter.context)
    inside, go_on, results = threading.Event(), threading.Event(), []

    def watch(state):
        inside.set()
        go_on.wait(30)

    thread = threading.Thread(target=lambda: results.append(mine.predict(np.zeros((64, 64)), progress=watch)))
    thread.start()
    assert inside.wait(30)
    mine.close()
    assert mine.closed
    with pytest.raises(genseg.StateError, match="closed"):
        mine.predict(np.zeros((64, 64)))
    go_on.set()
    thread.join(30)
    assert results[0].shape == (64, 64)


def test_exclusive_calls_are_refused_meanwhile(segmenter, phantom):
    inside, go_on = threading.Event(), threading.Event()

    def watch(evaluation):
        inside.set()
        go_on.wait(30)

    thread = threading.Thread(target=segmenter.evaluate, args=(phantom, "none"), kwargs={"report": watch})
    thread.start()
    assert inside.wait(30)
    with pytest.raises(genseg.StateError, match="the Dataset is in use by another thread"):
        phantom.split(4, 2)
    with pytest.raises(genseg.StateError, match="the Context is in use by another thread"):
        segmenter.context.set_profile(True)
    assert len(phantom) == 8  # any thread may
    go_on.set()
    thread.join(30)
    phantom.split(4, 2)


def test_no_case_is_added_under_a_trainer(context):
    data = genseg.Dataset(context)
    for name in "ab":
        data.add(name, np.random.default_rng(1).normal(size=(32, 32)), np.eye(32, dtype=np.uint8))
    data.split(2)
    with genseg.Trainer(data, method="plain", **TINY):
        with pytest.raises(genseg.StateError, match="a Trainer uses the dataset"):
            data.add("c", np.zeros((32, 32)))
    data.add("c", np.zeros((32, 32)))


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise ValueError", "data.close(); del trainer"])
def test_exit_with_everything_alive(end):
    done = python(MAKE.replace("STEPS", "2") + "trainer.run(); s = trainer.segmenter(); sys.self = trainer\n" + end)
    assert done.returncode == {"sys.exit(3)": 3, "raise ValueError": 1}.get(end, 0), done
    assert "genseg" not in done.stderr.replace("import sys, threading, time, genseg", "") or end == "raise ValueError"


def test_exit_in_the_midst_of_a_training():
    """A daemon thread trains while the main thread ends: cancelled, waited for, no crash and no word."""
    code = (
        MAKE.replace("STEPS", "10**6")
        + """
started = threading.Event()
threading.Thread(target=trainer.run, args=(lambda state: started.set(),), daemon=True).start()
started.wait(30)
time.sleep(0.3)
"""
    )
    done = python(code)
    assert done.returncode == 0 and done.stderr == "", done


def test_thread_that_is_no_daemon_trains_to_its_end():
    code = (
        MAKE.replace("STEPS", "5") + "threading.Thread(target=lambda: (trainer.run(), print(trainer.steps))).start()\n"
    )
    done = python(code)
    assert done.stdout == "5\n" and done.returncode == 0, done


FORKED = (
    MAKE.replace("STEPS", "2")
    + """
import os, numpy
trainer.run()
segmenter = trainer.segmenter()
child = os.fork()
if child == 0:
    try:
        segmenter.predict(numpy.zeros((32, 32)))
        os._exit(1)
    except genseg.ForkedError as error:
        assert "forked child" in error.message and isinstance(error, RuntimeError)
    segmenter.close()
    trainer.close()
    with genseg.Context(threads=1) as own:
        scores = genseg.metrics.evaluate(numpy.eye(8), numpy.eye(8), context=own)
        assert scores[1].dice == 1
    sys.exit(5)  # through the interpreter's exit, as the parent
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
assert segmenter.predict(numpy.zeros((32, 32))).shape == (32, 32)
print("done")
"""
)


def test_fork():
    done = python(FORKED)
    assert done.stdout == "done\n" and done.stderr == "", done


SPAWNED = """
import multiprocessing, sys, numpy, genseg

def work(path):
    return int(genseg.Segmenter.load(path, context=genseg.Context(threads=1)).predict(numpy.zeros((32, 32))).size)

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(work, sys.argv[1:]))
"""


def test_spawn(segmenter, tmp_path):
    segmenter.save(tmp_path / "model.safetensors")
    (tmp_path / "spawned.py").write_text(SPAWNED)
    code = f"import subprocess, sys; subprocess.run([sys.executable, {str(tmp_path / 'spawned.py')!r}, sys.argv[1]])"
    done = python(code, str(tmp_path / "model.safetensors"))
    assert done.stdout == "[1024]\n", done
