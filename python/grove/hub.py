"""The hub: what runs greenlets when nothing else does, and waiting on it."""

import threading
from contextlib import suppress
from _thread import get_ident as get_thread_ident

from grove._core import (
    GreenletExit,
    Hub,
    Waiter,
    get_hub,
    getcurrent,
    iwait,
    kill,
    sleep,
    spawn_raw,
    thread_background,
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

__all__ = [
    "GreenletExit",
    "Hub",
    "Waiter",
    "get_hub",
    "getcurrent",
    "kill",
    "reinit",
    "sleep",
    "spawn_raw",
]

# While the interpreter waits for its last threads, before it ends, the main
# thread wakes no greenlets: one that waits for that gets LoopExit.
with suppress(RuntimeError):  # it is ending already
    threading._register_atexit(thread_background, True)

MAIN_THREAD_IDENT = threading.main_thread().ident


def get_loop() -> object:
    """The event loop of the calling thread's hub."""
    return get_hub().loop


def reinit(hub: Hub | None = None) -> None:
    """Make the hub fit for use after a fork, in the child.

    The runtime has done so by the time os.fork returns, however it was called;
    the function is there for programs that ask for it.
    """
