"""Greenlets that hold up the others: from when on they are told of, and to whom.

No greenlet is ever interrupted: one that computes for a second, or calls C code that
waits, holds up all others of its thread. Such a stall, of more than 100 ms, is told
on standard error without being asked for, at most once a second: the greenlet, how
long, its stack in C and in Python. A thread that takes no lock of the interpreter and
runs no Python looks whether hubs turn, and sleeps while they do; it ends before a fork,
and begins again. With GROVE_STALLS=late in the environment, or after watch(False), it
is not there before there was a stall, of which a line alone is told when it is over.
GROVE_STALLS sets the limit, too: grove_stalls_set(3).
"""

from collections.abc import Callable
from typing import NamedTuple

from grove import _core

__all__ = ["Stall", "limit", "on_stall", "watch"]


class Stall(NamedTuple):
    """A greenlet that held up its hub, as it was seen while it did.

    >>> from grove.stalls import Stall
    >>> stall = Stall("worker", 0.25, 4711, False, False, ["compute"], "")
    >>> f"{stall.name} held up its hub for {stall.length} s"
    'worker held up its hub for 0.25 s'
    """

    #: Of the greenlet, as in a list of fibers; "hub" for a callback of the hub's.
    name: str
    #: Seconds that it had lasted, at least.
    length: float
    #: The system's number of the thread.
    thread: int
    #: Whether it waited in the kernel; else it computed.
    waits: bool
    #: Whether frames behind the first only look like some.
    guessed: bool
    #: The stack in C, the innermost first: function, file and offset.
    frames: list[str]
    #: The stack in Python, as faulthandler writes it; "" if there was none.
    python: str


_callback: Callable[[Stall], object] | None = None


def _tell(*stall: object) -> None:
    if _callback is not None:
        _callback(Stall(*stall))  # type: ignore[arg-type]


def _set(limit: float, watch: bool) -> None:
    _core.stalls_set(limit, watch, None if _callback is None else _tell)


def limit(seconds: float | None = None) -> float:
    """From how many seconds on a stall is one; 0: nothing is.

    Args:
        seconds: what it is from now on, 0 or at least 0.001; None: as before.

    Returns what it was before. Raises ValueError for what cannot be. From any
    thread.

    >>> from grove import stalls
    >>> before = stalls.limit(0.05)
    >>> stalls.limit(before)
    0.05
    """
    before, watches = _core.stalls_settings()
    if seconds is not None:
        _set(seconds, watches)
    return before


def watch(on: bool = True) -> None:
    """Have the thread look from now on, as it does unless GROVE_STALLS says "late".

    Args:
        on: False: it is begun by the first stall only, for which it comes too
            late; one that is there already stays, and is not begun again after a
            fork.

    >>> from grove import stalls
    >>> stalls.watch(False)
    >>> stalls.watch()
    """
    _set(_core.stalls_settings()[0], on)


def on_stall(
    callback: Callable[[Stall], object] | None,
) -> Callable[[Stall], object] | None:
    """Have callback(stall) called with each Stall that is told of, and watch.

    It is called in the hub that was held up, once that turns again, and must not
    wait; what it raises is printed.

    Args:
        callback: None: nothing is called any more.

    Returns what was called before.

    >>> from grove import stalls
    >>> before = stalls.on_stall(print)
    >>> stalls.on_stall(before) is print
    True
    """
    global _callback
    before, _callback = _callback, callback
    _set(*_core.stalls_settings())
    return before
