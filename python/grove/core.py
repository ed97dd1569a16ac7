"""The event loop and its watchers, by gevent's names.

There is one loop: that of the runtime, on epoll.
"""

from grove import _core
from grove._core import (
    async_,
    callback,
    check,
    child,
    fork,
    idle,
    io,
    loop,
    prepare,
    signal,
    stat,
    timer,
    watcher,
)
from grove.names.versions import grove_version
from time import time

# libev's numbers, which programs may pass about.
UNDEF = -1
NONE = 0
READ = 1
WRITE = 2
READWRITE = READ | WRITE
TIMER = 0x100
PERIODIC = 0x200
SIGNAL = 0x400
CHILD = 0x800
STAT = 0x1000
IDLE = 0x2000
PREPARE = 0x4000
CHECK = 0x8000
EMBED = 0x10000
FORK = 0x20000
CLEANUP = 0x40000
ASYNC = 0x80000
CUSTOM = 0x1000000
ERROR = -0x80000000
EVENTS = READ | WRITE

MAXPRI = loop.MAXPRI
MINPRI = loop.MINPRI

BACKEND_SELECT = 1
BACKEND_POLL = 2
BACKEND_EPOLL = 4
BACKEND_KQUEUE = 8
BACKEND_DEVPOLL = 16
BACKEND_PORT = 32
BACKEND_LINUXAIO = 64
BACKEND_IOURING = 128

FORKCHECK = 0x2000000
NOINOTIFY = 0x100000
SIGNALFD = 0x200000
NOSIGMASK = 0x400000

LIBEV_EMBED = False

__all__ = [
    "READ",
    "WRITE",
    "READWRITE",
    "callback",
    "embeddable_backends",
    "get_header_version",
    "get_version",
    "loop",
    "recommended_backends",
    "set_syserr_cb",
    "supported_backends",
    "time",
]

#: The older name.
globals()["async"] = async_


def get_version() -> str:
    """The name and version of what the loop is made of.

    >>> from grove import core
    >>> core.get_version()
    'grove-...'
    """
    return f"grove-{grove_version}"


def get_header_version() -> str:
    """The same as get_version().

    >>> from grove import core
    >>> core.get_header_version() == core.get_version()
    True
    """
    return get_version()


def supported_backends() -> list[str]:
    """What a loop can be built on.

    >>> from grove import core
    >>> core.supported_backends()
    ['epoll']
    """
    return ["epoll"]


def recommended_backends() -> list[str]:
    """What a loop should be built on.

    >>> from grove import core
    >>> core.recommended_backends()
    ['epoll']
    """
    return ["epoll"]


def embeddable_backends() -> list[str]:
    """None: loops are not embedded.

    >>> from grove import core
    >>> core.embeddable_backends()
    []
    """
    return []


def _events_to_str(events: int) -> str:
    names = [
        name
        for name in ("READ", "WRITE", "TIMER", "SIGNAL", "CHILD", "STAT", "ASYNC")
        if events & globals()[name]
    ]
    return "|".join(names)


_syserr_callback = None


def set_syserr_cb(callback: object) -> None:
    """Accepted: the loop reports errors of system calls by exceptions.

    Raises TypeError when callback is neither callable nor None.

    >>> from grove import core
    >>> core.set_syserr_cb(print)
    """
    global _syserr_callback
    if callback is not None and not callable(callback):
        raise TypeError(f"Expected callable or None, got {callback!r}")
    _syserr_callback = callback
