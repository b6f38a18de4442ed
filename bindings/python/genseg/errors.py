"""What calls raise: one class for each status code of the library, all below Error.

Each class derives from the built-in exception that fits as well, so that `except ValueError` or `except MemoryError` of
code that knows nothing of genseg catches it.
"""

from __future__ import annotations

from typing import ClassVar


class LibraryError(ImportError):
    """libgenseg can't be found, can't be loaded, or is another version than this package was written for."""


class Error(Exception):
    """Base of all errors that the library reports."""

    status: ClassVar[int] = 0
    """The GENSEG_ERROR_* value."""

    @property
    def message(self) -> str:
        """One line that names the cause with its data."""
        return str(self.args[0]) if self.args else ""


class NoMemoryError(Error, MemoryError):
    """Memory, or the context's memory limit, is exhausted."""

    status = -1


class InvalidError(Error, ValueError):
    """An argument is out of its range."""

    status = -2


class StateError(Error, RuntimeError):
    """The object is not in a state for this: closed, in use by another thread, nothing trained yet."""

    status = -3


class InputOutputError(Error, OSError):
    """The system refused to read or write."""

    status = -4


class FormatError(Error, ValueError):
    """A file's content is damaged or foreign."""

    status = -5


class UnsupportedError(Error, NotImplementedError):
    """Well formed, but not handled."""

    status = -6


class ShapeError(Error, ValueError):
    """Shapes, spacings or affines disagree."""

    status = -7


class NumericError(Error, ArithmeticError):
    """NaN or Inf, in data or in training."""

    status = -8


class CancelledError(Error):
    """A callback or Trainer.cancel() asked to stop."""

    status = -9


class CallbackError(Error, RuntimeError):
    """A callback broke its contract."""

    status = -10


class BackendError(Error, RuntimeError):
    """oneDNN, HDF5 or another library failed."""

    status = -11


class CommunicatorError(Error, RuntimeError):
    """A communicator failed."""

    status = -12


class VersionError(Error, RuntimeError):
    """Written by a newer version of the library, or a function that the loaded library is too old for."""

    status = -13


class ForkedError(Error, RuntimeError):
    """An object made before os.fork() is used in the child."""

    status = -14


class InternalError(Error, RuntimeError):
    """A defect of the library: please report."""

    status = -15


BY_STATUS: dict[int, type[Error]] = {error.status: error for error in Error.__subclasses__()}


def from_status(status: int, message: str) -> Error:
    """The exception for a status; an unknown one, of a newer library, is an InternalError that says its number."""
    if status in BY_STATUS:
        return BY_STATUS[status](message)
    return InternalError(f"status {status}: {message}")
