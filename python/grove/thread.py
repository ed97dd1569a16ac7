"""The module _thread, with a greenlet for every thread.

For patching; programs that want greenlets spawn them.
"""

import _thread as _stdlib
from collections.abc import Callable
from typing import Any
from weakref import ref

from grove._core import Greenlet, GreenletExit, LockType, get_ident
from grove._core import ThreadRLock as RLock
from grove._core import local as _local
from grove.event import Event
from grove.stdlib import natives
from grove.stdlib.handles import HAS_HANDLES
from grove.stdlib.mirror import mirror

__target__ = "_thread"
__implements__ = [
    "LockType",
    "RLock",
    "_count",
    "_local",
    "allocate",
    "allocate_lock",
    "exit",
    "exit_thread",
    "get_ident",
    "stack_size",
    "start_new",
    "start_new_thread",
]
if HAS_HANDLES:
    __implements__ += [
        "_ThreadHandle",
        "_make_thread_handle",
        "lock",
        "start_joinable_thread",
    ]
__extensions__: list[str] = []
__imports__ = [
    name
    for name in mirror(_stdlib, globals(), __implements__)
    if not name.startswith("_")
]
__all__ = [n for n in __implements__ if not n.startswith("_")] + __imports__

allocate_lock = allocate = lock = LockType


def exit() -> None:
    """End the current greenlet: raise GreenletExit.

    >>> import grove
    >>> from grove import thread
    >>> grove.spawn(thread.exit).get()
    GreenletExit()
    """
    raise GreenletExit


exit_thread = exit


def stack_size(size: int | None = None) -> int:
    """The stack size of native threads that are started from now on.

    Args:
        size: what it is to be, if that is more than it is; greenlets have
            stacks of their own, which this does not change.

    >>> from grove import thread
    >>> before = thread.stack_size()
    >>> thread.stack_size(0) == before
    True
    """
    if size is None or size <= natives.stack_size():
        return natives.stack_size()
    return natives.stack_size(size)


# ---- starting ---------------------------------------------------------------

#: The greenlets that were started here, as long as somebody has them.
_started: set[ref[Greenlet]] = set()


def _count() -> int:
    """How many of those that were started here have not ended.

    Native threads, such as those that look names up, are not the program's.
    """
    greenlets = [reference() for reference in tuple(_started)]
    return sum(g is not None and not g.ready() for g in greenlets)


def _note(greenlet: Greenlet) -> Greenlet:
    """greenlet, which counts from now on."""
    _started.add(ref(greenlet, _started.discard))
    return greenlet


def _spawn(function: Callable, args: tuple, kwargs: dict | None) -> Greenlet:
    if not callable(function):
        raise TypeError("first arg must be callable")
    if not isinstance(args, tuple):
        raise TypeError("2nd arg must be a tuple")
    if kwargs is None:
        return _note(Greenlet.spawn(function, *args))
    if not isinstance(kwargs, dict):
        raise TypeError("optional 3rd arg must be a dictionary")
    return _note(Greenlet.spawn(function, *args, **kwargs))


def start_new_thread(
    function: Callable, args: tuple = (), kwargs: dict[str, Any] | None = None
) -> int:
    """Call function(*args, **kwargs) in a new greenlet; its number.

    What it raises goes to the hub's handle_error.

    >>> import grove
    >>> from grove import thread
    >>> number = thread.start_new(print, ("hello",))
    >>> grove.sleep()
    hello
    """
    return get_ident(_spawn(function, args, kwargs))


start_new = start_new_thread


class _ThreadHandle:
    """What is known of a greenlet that stands for a thread: when it ends."""

    __slots__ = ("__weakref__", "_ended", "ident")

    def __init__(self) -> None:
        #: The number of the greenlet; None: it has not been started.
        self.ident: int | None = None
        self._ended = Event()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object: ident={self.ident}>"

    def _on_end(self, greenlet: object) -> None:
        self._set_done()

    def is_done(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    def _set_done(self) -> None:
        """It has ended: those who join it go on."""
        _non_daemons.discard(self)
        self._ended.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, or for timeout seconds; -1 is for ever, as None is.

        Raises RuntimeError in the greenlet itself, and before it is started.
        """
        if self.ident is None:
            raise RuntimeError("thread not started")
        if self.ident == get_ident() and not self.is_done():
            raise RuntimeError("Cannot join current thread")
        self._ended.wait(None if timeout is None or timeout < 0 else timeout)


#: Those started by start_joinable_thread(daemon=False) that have not ended: the
#: interpreter waits for them before it goes.
_non_daemons: set[_ThreadHandle] = set()


def start_joinable_thread(
    function: Callable[[], object],
    handle: _ThreadHandle | None = None,
    daemon: bool = True,
) -> _ThreadHandle:
    """Call function() in a new greenlet; a handle, by which it can be joined.

    Args:
        handle: this one, which must be new; None: one is made.
        daemon: the interpreter does not wait for it.

    Raises RuntimeError for a handle that was used.

    >>> from grove import thread
    >>> handle = thread.start_joinable_thread(lambda: print("it runs"))
    >>> handle.join()
    it runs
    """
    return _start_joinable(function, handle, daemon)[0]


def _start_joinable(
    function: Callable[[], object], handle: _ThreadHandle | None, daemon: bool
) -> tuple[_ThreadHandle, Greenlet]:
    if not callable(function):
        raise TypeError("thread function must be callable")
    if handle is None:
        handle = _ThreadHandle()
    elif not isinstance(handle, _ThreadHandle):
        raise TypeError("'handle' must be a _ThreadHandle")
    if handle.ident is not None:
        raise RuntimeError("thread already started")
    greenlet = _note(Greenlet.spawn(function))
    handle.ident = get_ident(greenlet)
    if not daemon:
        _non_daemons.add(handle)
    greenlet.rawlink(handle._on_end)
    return handle, greenlet


def _make_thread_handle(ident: int) -> _ThreadHandle:
    """A handle of the current greenlet; ident may be that of its native thread."""
    handle = _ThreadHandle()
    handle.ident = get_ident()
    return handle
