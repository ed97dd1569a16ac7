"""The module select, with waits that let other greenlets run."""

import select as _stdlib
from collections.abc import Iterable
from typing import Any

from grove import _core
from grove.stdlib.mirror import mirror

__implements__ = ["select", "poll"]
__extensions__: list[str] = []
__imports__ = mirror(_stdlib, globals(), __implements__)
__all__ = __implements__ + __imports__

_READABLE = _stdlib.POLLIN | _stdlib.POLLHUP | _stdlib.POLLERR
_WRITABLE = _stdlib.POLLOUT | _stdlib.POLLERR


def _fileno(file: Any) -> int:
    """The descriptor of file, an int or an object with a method fileno."""
    fd = file
    if not isinstance(file, int):
        fileno = getattr(file, "fileno", None)
        fd = fileno() if fileno else None
    if not isinstance(fd, int):
        raise TypeError("argument must be an int, or have a fileno() method.")
    if fd < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({fd})")
    return fd


def select(
    rlist: Iterable[Any],
    wlist: Iterable[Any],
    xlist: Iterable[Any],
    timeout: float | None = None,
) -> tuple[list, list, list]:
    """As select.select, of any number of descriptors.

    Args:
        rlist, wlist, xlist: descriptors, or objects with a method fileno.
        timeout: seconds; None is for ever.
    """
    if timeout is not None and timeout < 0:
        raise ValueError("timeout must be non-negative")
    lists = [
        [(_fileno(file), file) for file in files] for files in (rlist, wlist, xlist)
    ]
    events: dict[int, int] = {}
    wanted = (_stdlib.POLLIN, _stdlib.POLLOUT, _stdlib.POLLPRI)
    for files, event in zip(lists, wanted):
        for fd, _ in files:
            events[fd] = events.get(fd, 0) | event
    ready = dict(_core.poll(list(events.items()), timeout))
    if any(found & _stdlib.POLLNVAL for found in ready.values()):
        raise OSError(9, "Bad file descriptor")
    return tuple(
        [file for fd, file in files if ready.get(fd, 0) & mask]
        for files, mask in zip(lists, (_READABLE, _WRITABLE, _stdlib.POLLPRI))
    )


class poll:
    """As what select.poll returns."""

    def __init__(self) -> None:
        self._events: dict[int, int] = {}

    def register(
        self,
        fd: Any,
        eventmask: int = _stdlib.POLLIN | _stdlib.POLLPRI | _stdlib.POLLOUT,
    ) -> None:
        """Look at fd, for the events of eventmask, from now on."""
        self._events[_fileno(fd)] = eventmask

    def modify(self, fd: Any, eventmask: int) -> None:
        """Change what fd is looked at for; OSError ENOENT when it is not."""
        number = _fileno(fd)
        if number not in self._events:
            raise FileNotFoundError(2, "No such file or directory")
        self._events[number] = eventmask

    def unregister(self, fd: Any) -> None:
        """Look at fd no more; KeyError when it is not looked at."""
        del self._events[_fileno(fd)]

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """The descriptors that are ready, with their events.

        Args:
            timeout: milliseconds; None or negative is for ever.
        """
        seconds = None if timeout is None or timeout < 0 else timeout / 1000
        return _core.poll(list(self._events.items()), seconds)
