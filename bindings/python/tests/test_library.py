"""How the library is found, and what is said where it is not."""

from __future__ import annotations

import ctypes
import pathlib
import shutil
import subprocess

import pytest
from conftest import python

import genseg
from genseg import _functions, _library


def loaded_path():
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return next(line.split()[-1] for line in maps if "libgenseg.so" in line)


def copy_of_package(folder):
    shutil.copytree(pathlib.Path(genseg.__file__).parent, folder / "genseg", ignore=shutil.ignore_patterns("_bundled"))
    return folder


IMPORT_ERROR = """
try:
    import genseg
except ImportError as error:
    print(type(error).__name__, error)
"""


def test_missing_file_is_told(tmp_path):
    copy_of_package(tmp_path)
    done = python(
        "import sys; sys.path.insert(0, sys.argv[1])" + IMPORT_ERROR, str(tmp_path), GENSEG_LIBRARY="/no/lib.so"
    )
    for words in ("LibraryError", "/no/lib.so", "GENSEG_LIBRARY", "scripts/wheel", "meson install"):
        assert words in done.stdout, done


# The copy in a wheel finds what it needs beside itself.
alone = pytest.mark.skipif(_library.BUNDLED.exists(), reason="the library can't be copied out of a wheel")


@alone
def test_system_is_asked_by_soname(tmp_path):
    copy_of_package(tmp_path)
    environment = {"GENSEG_LIBRARY": "", "LD_LIBRARY_PATH": str(tmp_path)}
    code = "import sys; sys.path.insert(0, sys.argv[1])" + IMPORT_ERROR
    shutil.copy(loaded_path(), tmp_path / _library.SONAME)
    done = python(code + "print(genseg.version())", str(tmp_path), **environment)
    assert done.stdout.strip() == genseg.version(), done
    # Something is found, but no libgenseg.
    (tmp_path / "empty.c").write_text("int nothing;\n")
    cc = shutil.which("cc")
    if cc:
        subprocess.run([cc, "-shared", "-fPIC", "-o", tmp_path / _library.SONAME, tmp_path / "empty.c"], check=True)
        done = python(code, str(tmp_path), **environment)
        assert "LibraryError" in done.stdout and "is no libgenseg" in done.stdout, done


@alone
def test_bundled_copy_goes_first(tmp_path):
    copy_of_package(tmp_path)
    bundled = tmp_path / "genseg" / "_bundled"
    bundled.mkdir()
    shutil.copy(loaded_path(), bundled / _library.SONAME)
    code = "import sys; sys.path.insert(0, sys.argv[1]); import genseg; print(genseg._library.candidate()[0])"
    done = python(code, str(tmp_path), GENSEG_LIBRARY="/no/lib.so")
    assert done.stdout.strip() == str(bundled / _library.SONAME), done


@pytest.mark.parametrize("version", ["0.2.0", "1.0.0"])
def test_other_abi_is_refused(tmp_path, version):
    cc = shutil.which("cc")
    if not cc:
        pytest.skip("no C compiler")
    (tmp_path / "other.c").write_text(f'const char *genseg_abi_version(void) {{ return "{version}"; }}\n')
    library = tmp_path / _library.SONAME
    subprocess.run([cc, "-shared", "-fPIC", "-o", library, tmp_path / "other.c"], check=True)
    copy_of_package(tmp_path)
    done = python(
        "import sys; sys.path.insert(0, sys.argv[1])" + IMPORT_ERROR, str(tmp_path), GENSEG_LIBRARY=str(library)
    )
    assert "LibraryError" in done.stdout and version in done.stdout and _library.ABI_VERSION in done.stdout, done


def test_soname_rule():
    same = [("0.1.0", "0.1.7"), ("1.0.0", "1.9.2")]
    other = [("0.1.0", "0.2.0"), ("1.0.0", "2.0.0"), ("0.1.0", "1.1.0")]
    assert all(_library.soname_part(a) == _library.soname_part(b) for a, b in same)
    assert all(_library.soname_part(a) != _library.soname_part(b) for a, b in other)


def test_missing_function_is_told_when_called():
    newer = _functions.Function("genseg_from_the_future", ctypes.c_int32, [], "0.1.9", "shared")
    assert not newer.available and "missing" in repr(newer)
    with pytest.raises(genseg.VersionError, match=r"genseg_from_the_future\(\) needs .* 0\.1\.9"):
        newer()


def test_all_public_names_exist():
    assert all(hasattr(genseg, name) for name in genseg.__all__)
