"""What the tests share: a small phantom and what was trained on it, once for all."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

PACKAGE = pathlib.Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parents[1]
if "GENSEG_INSTALLED" not in os.environ:  # the installed package is tested, not the source
    sys.path.insert(0, str(PACKAGE))

import genseg  # noqa: E402

TINY = {"steps": 12, "width": 4, "size": (32, 32), "batch": 2, "validate_every": 6}
TINY_GENSEG = {**TINY, "gan_steps": 8, "generator_width": 4, "discriminator_width": 4, "levers_every": 2}


def python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs code in an interpreter of its own, with the package at hand."""
    full = {**os.environ, **environment}
    if "GENSEG_INSTALLED" not in os.environ:
        full["PYTHONPATH"] = str(PACKAGE)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=100, env=full, check=False
    )


@pytest.fixture(scope="session")
def context():
    # One thread: tiny networks on a busy machine are slow with two.
    return genseg.Context(threads=1)


@pytest.fixture
def phantom(context):
    data = genseg.Dataset.phantom(count=8, size=(32, 32), context=context)
    data.split(5, 2)
    return data


@pytest.fixture(scope="session")
def trained(context):
    """A trainer of method genseg after its run; its models are good for nothing but their shapes."""
    data = genseg.Dataset.phantom(count=8, size=(32, 32), context=context)
    data.split(5, 2)
    trainer = genseg.Trainer(data, **TINY_GENSEG)
    trainer.run()
    return trainer


@pytest.fixture(scope="session")
def segmenter(trained):
    return trained.segmenter()


@pytest.fixture(scope="session")
def image():
    return np.random.default_rng(1).normal(size=(32, 32)).astype(np.float32)
