"""What surrounds a call into the library: exceptions of callbacks and signal handlers, and the interpreter's exit.

The library calls back on the thread that called it. An exception must not leave a callback, since ctypes would print
and forget it; it is kept in the thread's innermost Call, the callback asks the library to cancel, and the exception
is raised when the library has returned. Python runs signal handlers (Ctrl-C) between any two bytecodes of the main
thread, also at the entry of a callback where no `try` holds yet. While a call is in progress there, handlers are
therefore wrapped so that what they raise goes the same way.

When the interpreter exits, callbacks cancel, and calls that daemon threads are in are waited for: a thread that came
back from the library after the interpreter is gone could not go on.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

EXIT_SECONDS = 10.0

# Those whose handlers programs let raise: Ctrl-C, service managers, time limits of test runners.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2)


class Call:
    """A call in progress on one thread."""

    __slots__ = ("exception",)

    def __init__(self) -> None:
        self.exception: BaseException | None = None

    def keep(self, exception: BaseException) -> None:
        """Remembers the first exception: later ones only happened since it is not out yet."""
        if self.exception is None:
            self.exception = exception


class _Threads(threading.local):
    def __init__(self) -> None:
        self.calls: list[Call] = []


_threads = _Threads()


class _Process:
    """Calls in progress in all threads, and whether the interpreter is about to exit."""

    def __init__(self) -> None:
        self.exiting = False
        self.running = 0
        # Re-entrant: a signal handler may make a call while its thread holds it.
        self.lock = threading.RLock()

    def add(self, number: int) -> None:
        with self.lock:
            self.running += number

    def leave(self) -> None:
        self.exiting = True
        deadline = time.monotonic() + EXIT_SECONDS
        while self.running > 0 and time.monotonic() < deadline:
            time.sleep(0.01)

    def forked(self) -> None:
        """In the child only the forking thread goes on."""
        self.running = len(_threads.calls)
        self.lock = threading.RLock()


process = _Process()
os.register_at_fork(after_in_child=process.forked)
# weakref frees the handles at exit. Its own hook is installed with the first finalizer; ours comes after it and so runs
# before it.
weakref.finalize(process, int)
atexit.register(process.leave)


def _deferred(handler: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        calls = _threads.calls
        try:
            handler(number, frame)
        except BaseException as exception:
            if not calls:
                raise
            calls[-1].keep(exception)

    return handle


def _defer_signals(replaced: list[tuple[int, Any, Any]]) -> None:
    for number in _SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler):
            deferred = _deferred(handler)
            replaced.append((number, handler, deferred))
            signal.signal(number, deferred)


def _restore_signals(replaced: list[tuple[int, Any, Any]]) -> None:
    for number, handler, deferred in replaced:
        # A callback may have installed another one meanwhile.
        if signal.getsignal(number) is deferred:
            signal.signal(number, handler)


@contextmanager
def running() -> Iterator[Call]:
    """Around a call into the library that may take long, call back or fail. Raises what was kept."""
    calls = _threads.calls
    call = Call()
    replaced: list[tuple[int, Any, Any]] = []
    try:
        if not calls and threading.current_thread() is threading.main_thread():
            _defer_signals(replaced)
        # From here to pop() no signal handler raises, so the two counts agree with what is going on.
        calls.append(call)
        process.add(1)
        try:
            yield call
        finally:
            process.add(-1)
            calls.pop()
    finally:
        _restore_signals(replaced)
    if call.exception is not None:
        raise call.exception


def callback(kind: Any, body: Callable[..., object]) -> Any:
    """A C callback of type `kind` whose true results, and exceptions, cancel."""

    def call_back(*arguments: Any) -> int:
        call = _threads.calls[-1]
        try:
            if process.exiting or call.exception is not None:
                return 1
            return 1 if body(*arguments) or call.exception is not None else 0
        except BaseException as exception:
            call.keep(exception)
            return 1

    return kind(call_back)


def log_callback(kind: Any, body: Callable[..., object]) -> Any:
    """The same for a callback that returns nothing: what it raises comes out of the call."""

    def call_back(*arguments: Any) -> None:
        calls = _threads.calls
        try:
            body(*arguments)
        except BaseException as exception:
            if calls:
                calls[-1].keep(exception)

    return kind(call_back)
