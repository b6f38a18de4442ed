"""`pip install ./bindings/python`, as users do it, into a virtual environment."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
from conftest import PACKAGE

import genseg

PROBE = """
import importlib.metadata, importlib.resources, genseg, numpy
print(genseg.version(), importlib.metadata.version("genseg"), genseg.__file__)
assert importlib.resources.files("genseg").joinpath("py.typed").is_file()
label = numpy.eye(8, dtype=int)
assert genseg.metrics.evaluate(label, label)[1].dice == 1
"""


def test_pip_install(tmp_path):
    if not (PACKAGE / "genseg").is_dir():
        pytest.skip("the source is not there: an installed package is tested")
    needed = ("venv", "ensurepip", "setuptools", "wheel")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}")
    # Building in a copy leaves nothing behind in the source. NumPy and setuptools are the system's: no network.
    source = tmp_path / "source"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("tests", "build", "*.egg-info", "__pycache__"))
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", venv], check=True)
    install = [venv / "bin" / "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", source]
    subprocess.run(install, check=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [venv / "bin" / "python", "-c", PROBE],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done
    version, distribution, path = done.stdout.split()
    assert version == distribution == genseg.__version__ and path.startswith(str(venv))
