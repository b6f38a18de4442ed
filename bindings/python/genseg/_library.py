"""Finds and loads libgenseg: the copy bundled in a wheel, then the file that GENSEG_LIBRARY names, then what the
system's loader finds by the versioned soname. Only the first that exists is tried, so that nobody runs another copy
than the one he set up."""

from __future__ import annotations

import ctypes
import os
import pathlib

from .errors import LibraryError

ABI_VERSION = "0.1.0"
"""The library's ABI version that this package was written for."""

SONAME = "libgenseg.so.0.1"
BUNDLED = pathlib.Path(__file__).resolve().parent / "_bundled" / SONAME
VARIABLE = "GENSEG_LIBRARY"

_REMEDY = (
    "install the package as a wheel that bundles the library (scripts/wheel makes one), or the library itself "
    "(`meson setup build && meson install -C build && ldconfig`, as README.md of libgenseg says), "
    f"or set {VARIABLE} to the full path of {SONAME}"
)


def candidate() -> tuple[str, str]:
    """What to load, and why that."""
    named = os.environ.get(VARIABLE)
    if BUNDLED.exists():
        return str(BUNDLED), "the copy bundled in the package"
    if named:
        return named, f"the file that {VARIABLE} names"
    return SONAME, f"looked for by the system's loader; no copy is bundled in {BUNDLED.parent}, {VARIABLE} is not set"


def parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def soname_part(version: str) -> tuple[int, ...]:
    """The leading numbers that must be equal: two while the first is 0, then one."""
    numbers = parts(version)
    return numbers[:2] if numbers[0] == 0 else numbers[:1]


def load() -> tuple[ctypes.CDLL, str]:
    """The library, and its ABI version, which is of the same soname as ours."""
    name, why = candidate()
    try:
        library = ctypes.CDLL(name)
        abi_version = library.genseg_abi_version
    except OSError as error:
        raise LibraryError(f"libgenseg can't be loaded: {error} ({name}: {why}); {_REMEDY}") from None
    except AttributeError:
        raise LibraryError(f"{name} is no libgenseg: it has no genseg_abi_version() ({why}); {_REMEDY}") from None
    abi_version.restype = ctypes.c_char_p
    abi_version.argtypes = []
    found: str = abi_version().decode()
    if soname_part(found) != soname_part(ABI_VERSION):
        raise LibraryError(
            f"{name} has ABI version {found}, this package was written for {ABI_VERSION} ({why}); "
            "install the package that came with the library"
        )
    return library, found
