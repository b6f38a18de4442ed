"""examples/plots.py, as users run it: without a screen, on generated images and on a folder."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
from conftest import PACKAGE, ROOT

import genseg

SCRIPT = ROOT / "examples" / "plots.py"


def run(*arguments):
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    environment["PYTHONPATH"] = str(PACKAGE)
    sizes = ["--train", "3", "--validation", "2", "--steps", "10", "--threads", "1"]
    command = [sys.executable, SCRIPT, *arguments, *sizes]
    return subprocess.run(command, capture_output=True, text=True, timeout=110, env=environment, check=False)


def check_pictures(folder):
    from matplotlib.image import imread

    for name in ("curves", "synthetic", "predictions"):
        picture = imread(folder / f"{name}.png")
        assert min(picture.shape[:2]) > 250 and picture[..., :3].std() > 0.05, name


@pytest.mark.skipif(not SCRIPT.exists(), reason="the example is not there: an installed package is tested")
@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="no matplotlib")
@pytest.mark.parametrize("source", ["phantom", "volumes"])
def test_plots(source, context, tmp_path):
    arguments = [str(tmp_path / "out")]
    if source == "volumes":
        data = genseg.Dataset.phantom(ndim=3, count=7, size=(32, 32, 32), classes=3, context=context)
        data.save_hdf5(tmp_path / "data.h5")
        arguments.append(str(tmp_path / "data.h5"))
    done = run(*arguments)
    assert done.returncode == 0 and done.stderr == "", done
    check_pictures(tmp_path / "out")
