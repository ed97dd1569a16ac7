"""What the module threading has anew, with a greenlet for every thread.

Most of that module stays as it is: its classes look up in it what is replaced
here, so that classes derived from them before patching work, too. For patching;
programs that want greenlets spawn them.
"""

import itertools
import threading as _stdlib
import weakref
from threading import Thread, Timer
from typing import Any

from grove._core import getcurrent, local, sleep
from grove.event import Event
from grove.stdlib import handles as _handles
from grove.thread import (
    RLock,
    _make_thread_handle,
    _spawn,
    _start_joinable,
    _ThreadHandle,
    get_ident,
)
from grove.thread import LockType as Lock
from grove.thread import allocate_lock as _allocate_lock

__implements__ = [
    "Lock",
    "Thread",
    "Timer",
    "_CRLock",
    "_DummyThread",
    "_allocate_lock",
    "get_ident",
    "local",
]
if _handles.HAS_HANDLES:
    __implements__ += [
        "_ThreadHandle",
        "_make_thread_handle",
        "_start_joinable_thread",
    ]
else:
    __implements__ += ["_set_sentinel", "_start_new_thread"]
if hasattr(_stdlib, "_set_name"):
    __implements__.append("_set_name")

_CRLock = RLock
_get_ident = get_ident
_sleep = sleep
#: Greenlets have no name that the system knows.
_set_name = None


#: The standard module with its private names, of which type checkers know nothing.
_inside: Any = _stdlib


def main_native_thread() -> Thread:
    """threading.main_thread()

    >>> import threading
    >>> from grove.threading import main_native_thread
    >>> main_native_thread() is threading.main_thread()
    True
    """
    return _stdlib.main_thread()


# ---- starting a Thread, and its end ------------------------------------------


class _Running:
    """A Thread that was started and has not ended, and its greenlet."""

    __slots__ = ("greenlet", "lock", "thread")

    def __init__(self, thread: Thread, greenlet: Any) -> None:
        self.thread = thread
        self.greenlet = greenlet
        #: Released at its end, before Python 3.13; None: it has not begun.
        self.lock: Any = None


#: By the numbers of their greenlets.
_running: dict[int, _Running] = {}


def _note(bootstrap: Any, greenlet: Any) -> int:
    """A Thread's method bootstrap is what greenlet is to run; its number."""
    ident = get_ident(greenlet)
    thread = getattr(bootstrap, "__self__", None)
    if isinstance(thread, Thread):
        _running[ident] = _Running(thread, greenlet)
        greenlet.rawlink(_forget)
    return ident


def _forget(greenlet: Any) -> None:
    # A child forked meanwhile has forgotten those that had ended.
    running = _running.pop(get_ident(greenlet), None)
    if running is not None and running.lock is not None:
        _unlock(running.lock)


def _unlock(lock: Any) -> None:
    if lock.locked():
        lock.release()


def _start_new_thread(
    function: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
) -> int:
    """_thread.start_new_thread, for Threads."""
    return _note(function, _spawn(function, args, kwargs))


def _start_joinable_thread(
    function: Any, handle: _ThreadHandle | None = None, daemon: bool = True
) -> _ThreadHandle:
    """_thread.start_joinable_thread, for Threads."""
    handle, greenlet = _start_joinable(function, handle, daemon)
    _note(function, greenlet)
    return handle


def _set_sentinel() -> Any:
    """A lock, which the caller acquires, and which is released when the current
    greenlet has ended."""
    lock = _allocate_lock()
    running = _running.get(get_ident())
    if running is not None:
        running.lock = lock
    else:  # a native thread runs a Thread, or a forked child has a new main one
        _when_ended(getcurrent(), lambda greenlet: _unlock(lock))
    return lock


#: Weak references to raw greenlets, which tell of their ends.
_references: set[Any] = set()


def _when_ended(greenlet: Any, callback: Any) -> None:
    """Have callback(something) called once greenlet has ended."""
    rawlink = getattr(greenlet, "rawlink", None)
    if rawlink is not None:
        rawlink(callback)
        return

    def on_gone(reference: Any) -> None:
        _references.discard(reference)
        callback(reference)

    _references.add(weakref.ref(greenlet, on_gone))


# ---- greenlets that are no threads ------------------------------------------

_numbers = itertools.count(1)
_set_event = Event()
_set_event.set()


class _DummyThread(_stdlib._DummyThread):
    """What current_thread() returns in a greenlet that no Thread has started.

    It goes when the greenlet ends. One is made for every greenlet that logs, so
    it is made of as little as possible, and what all have alike is the class's.
    """

    _initialized = True
    _daemonic = True
    _is_stopped = False
    _started = _set_event
    _tstate_lock = None
    _target = None
    _args = ()
    _kwargs: dict[str, Any] = {}
    _stderr = None
    _native_id: int | None = None

    def __init__(self) -> None:
        self._name = f"Dummy-{next(_numbers)}"
        self._ident = ident = _stdlib.get_ident()
        if _handles.HAS_HANDLES:
            _handles.set_handle(self, _inside._make_thread_handle(ident))
        active = _inside._active
        active[ident] = self

        def forget(greenlet: object) -> None:
            if active.get(ident) is self:
                del active[ident]

        _when_ended(getcurrent(), forget)

    if hasattr(_stdlib._DummyThread, "_after_fork"):

        def _after_fork(self, new_ident: int | None = None) -> None:
            """In a forked child, where it may become a main thread, of that
            class: what was this class's it takes with it."""
            kept = {
                name: getattr(self, name)
                for name, value in vars(_DummyThread).items()
                if not callable(value) and not name.startswith("__")
            }
            vars(self).update(kept)
            super()._after_fork(new_ident)  # type: ignore[misc]
