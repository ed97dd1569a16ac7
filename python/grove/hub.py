"""The hub: what runs greenlets when nothing else does, and waiting on it."""

import atexit
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from grove._core import (
    GreenletExit,
    TrackedRawGreenlet,
    Waiter,
    _get_hub,
    get_hub,
    getcurrent,
    iwait,
    kill,
    set_default_hub_class,
    set_hub,
    sleep,
    spawn_raw,
    stalls_set,
    thread_background,
    trace_write,
    wait,
)
from grove._core import error as GreenletError
from grove.exceptions import (
    BlockingSwitchOutError,
    ConcurrentObjectUseError,
    HubDestroyed,
    InvalidSwitchError,
    InvalidThreadUseError,
    LoopExit,
)
from grove.hubs.fork import fork
from grove.hubs.hub import Hub
from grove.hubs.signals import signal_handler as signal
from grove.stdlib.natives import MAIN_THREAD_IDENT
from grove.stdlib.natives import get_ident as get_thread_ident

__all__ = [
    "GreenletExit",
    "Hub",
    "Waiter",
    "get_hub",
    "getcurrent",
    "kill",
    "reinit",
    "signal",
    "sleep",
    "spawn_raw",
]

# While the interpreter waits for its last threads, before it ends, the main
# thread wakes no greenlets: one that waits for that gets LoopExit.
with suppress(RuntimeError):  # it is ending already
    threading._register_atexit(thread_background, True)

# While the interpreter is taken apart, which can take long, nobody is held up.
atexit.register(stalls_set, 0, False, None)

# The library writes it when the process exits, which an interrupted one does not:
# once the interpreter has ended it is killed by the signal.
atexit.register(trace_write)


_get_hub_noargs = get_hub
get_hub_noargs = get_hub
get_hub_if_exists = _get_hub


def get_loop() -> Any:
    """The event loop of the calling thread's hub, or None if it has no hub."""
    hub = _get_hub()
    return None if hub is None else hub.loop


def set_loop(loop: Any) -> None:
    """Use loop, which must be the calling thread's own, in its hub.

    Raises TypeError for anything else, InvalidThreadUseError for another
    thread's.
    """
    get_hub().loop = loop


def idle(priority: int = 0) -> None:
    """Wait until the loop has nothing else to do.

    Args:
        priority: kept for compatibility; from -2 to 2.

    >>> import grove
    >>> task = grove.spawn(print, "first")
    >>> grove.idle()
    first
    """
    hub = get_hub()
    watcher = hub.loop.idle()
    if priority:
        watcher.priority = priority
    try:
        hub.wait(watcher)
    finally:
        watcher.close()


def reinit(hub: Any = None) -> None:
    """Make the hub fit for use after a fork, in the child.

    The runtime has done so by the time os.fork returns, however it was called;
    this also tells the hub's thread pool, its resolver and its monitor.

    >>> import os
    >>> import grove
    >>> pid = os.fork()
    >>> if pid == 0:
    ...     grove.reinit()
    ...     grove.sleep(0.01)
    ...     os._exit(0)
    >>> os.waitpid(pid, 0)[1]
    0
    """
    hub = _get_hub() if hub is None else hub
    if hub is None:
        return
    if hub.loop is not None:
        hub.loop.reinit()
    for part in (hub._threadpool, hub._resolver, hub.periodic_monitoring_thread):
        forked = getattr(part, "_on_fork", None)
        if forked is not None:
            forked()


class linkproxy:
    """A link that calls callback(obj) once, whatever it is called with."""

    __slots__ = ["callback", "obj"]

    def __init__(self, callback: Callable[[Any], object], obj: Any) -> None:
        self.callback: Any = callback
        self.obj = obj

    def __call__(self, *args: Any) -> None:
        callback, obj = self.callback, self.obj
        self.callback = self.obj = None
        callback(obj)
