"""The base of all classes that own an object of the library.

A handle counts who uses it: what the headers call exclusive is refused with StateError while another thread uses the
object, and close() during a call takes effect when the call ends. So no misuse of threads can touch freed memory.
"""

from __future__ import annotations

import ctypes
import threading
import weakref
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from . import _calls
from .errors import StateError

if TYPE_CHECKING:
    from .context import Context

SHARED = "shared"  # any number of threads
EXCLUSIVE = "exclusive"  # one thread at a time
ALWAYS = "always"  # also during an exclusive call of another thread
WORK = "work"  # of a context through another object, which keeps it alive: it may be closed itself

H = TypeVar("H", bound="Handle")


def _release(free: Any, pointer: int, keep: object) -> None:
    """`keep` is what must live as long as the C object: the context with its log callback."""
    if not (_calls.process.exiting and _calls.process.running > 0):
        free(pointer)


class Handle:
    """Owns one C object; freed by close(), at the end of a `with` block, or with the last reference."""

    __slots__ = ("_pointer", "_finalizer", "_lock", "_users", "_owner", "_closing", "_context", "__weakref__")

    _free: ClassVar[Any]
    """The function that frees the C object."""

    def __init__(self) -> None:
        raise TypeError(f"{type(self).__name__} is not made directly, see help({type(self).__name__})")

    def _create(self, context: Context | None, function: Any, *arguments: Any, keep: object = None) -> None:
        """Calls a function whose last output is the new object, and owns that also where an exception follows."""
        self._pointer: int | None = None
        self._context = context
        # Re-entrant: a signal handler may use the object in the midst of _enter().
        self._lock = threading.RLock()
        self._users: dict[int, int] = {}
        self._owner: int | None = None
        self._closing = False
        pointer = ctypes.c_void_p()
        try:
            function(*arguments, ctypes.byref(pointer))
        finally:
            if pointer.value:
                self._pointer = pointer.value
                self._finalizer = weakref.finalize(self, _release, self._free.foreign(), pointer.value, keep or context)

    @classmethod
    def _made(cls: type[H], context: Context | None, function: Any, *arguments: Any) -> H:
        handle = cls.__new__(cls)
        handle._create(context, function, *arguments)
        return handle

    @property
    def context(self) -> Context:
        """What the object shares with others: threads, memory limit, log."""
        assert self._context is not None
        return self._context

    @property
    def closed(self) -> bool:
        return self._pointer is None or self._closing

    def close(self) -> None:
        """Frees the object now, or when the calls that other threads are in have returned. May be called again."""
        with self._lock:
            self._closing = True
            if self._pointer is not None and not self._users:
                self._pointer = None
                self._finalizer()

    def _enter(self, rule: str) -> tuple[int, bool]:
        """The pointer for one call, and whether this call made its thread the owner."""
        me = threading.get_ident()
        name = type(self).__name__
        with self._lock:
            if rule != WORK and (self._pointer is None or self._closing):
                raise StateError(f"the {name} is closed")
            if rule != ALWAYS and self._owner not in (None, me):
                raise StateError(f"the {name} is at work in another thread")
            if rule == EXCLUSIVE and self._users.keys() - {me}:
                raise StateError(f"the {name} is in use by another thread, this needs it alone")
            took = rule == EXCLUSIVE and self._owner is None
            if took:
                self._owner = me
            self._users[me] = self._users.get(me, 0) + 1
            return self._pointer or 0, took

    def _leave(self, took: bool) -> None:
        me = threading.get_ident()
        with self._lock:
            self._users[me] -= 1
            if not self._users[me]:
                del self._users[me]
            if took:
                self._owner = None
            if self._closing:
                self.close()

    def __enter__(self: H) -> H:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} can't be pickled or copied: save the model (or data) to a file, open that there"
        )

    def _state(self) -> str:
        """What __repr__ tells of an open object."""
        return ""

    def __repr__(self) -> str:
        if self.closed:
            return f"<genseg.{type(self).__name__}, closed>"
        try:
            return f"<genseg.{type(self).__name__} {self._state()}>"
        except StateError:
            return f"<genseg.{type(self).__name__}, at work in another thread>"
