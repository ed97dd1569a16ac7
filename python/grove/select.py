"""The module select, with waits that let other greenlets run.

A call that does not want to wait gives the others a turn when nothing is ready,
so that a loop inside a greenlet may ask again and again.
"""

import select as _stdlib
import time as _time
from collections.abc import Iterable
from operator import index as _index
from typing import TYPE_CHECKING, Any

from grove import _core
from grove.stdlib.mirror import mirror

__implements__ = ["select", "poll", "epoll"]
__extensions__: list[str] = []
__imports__ = mirror(_stdlib, globals(), __implements__)
__all__ = __implements__ + __imports__

_std_epoll = _stdlib.epoll
#: What fits into the C int of poll(2).
_MOST_MILLISECONDS = 2**31 - 1
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

    >>> from grove import select, socket
    >>> left, right = socket.socketpair()
    >>> right.send(b"!")
    1
    >>> select.select([left], [], [], 1)[0] == [left]
    True
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
    return tuple(  # type: ignore[return-value]
        [file for fd, file in files if ready.get(fd, 0) & mask]
        for files, mask in zip(lists, (_READABLE, _WRITABLE, _stdlib.POLLPRI))
    )


def _event_mask(mask: int) -> int:
    """mask, if it is one of poll(2)."""
    mask = _index(mask)
    if mask < 0:
        raise ValueError("event mask must be non-negative")
    if mask > 0xFFFF:
        raise OverflowError("event mask is too large for C unsigned short")
    return mask


class poll:
    """As what select.poll returns. Several greenlets may wait in one.

    >>> from grove import select, socket
    >>> left, right = socket.socketpair()
    >>> poll = select.poll()
    >>> poll.register(right, select.POLLOUT)
    >>> poll.poll() == [(right.fileno(), select.POLLOUT)]
    True
    """

    def __init__(self) -> None:
        self._events: dict[int, int] = {}

    def register(
        self,
        fd: Any,
        eventmask: int = _stdlib.POLLIN | _stdlib.POLLPRI | _stdlib.POLLOUT,
    ) -> None:
        """Look at fd, for the events of eventmask, from now on.

        Raises ValueError or OverflowError for a mask that is not 16 bits.

        >>> from grove import select, socket
        >>> a, b = socket.socketpair()
        >>> poll = select.poll()
        >>> poll.register(a, select.POLLOUT)
        >>> poll.poll() == [(a.fileno(), select.POLLOUT)]
        True
        >>> a.close(), b.close()
        (None, None)
        """
        self._events[_fileno(fd)] = _event_mask(eventmask)

    def modify(self, fd: Any, eventmask: int) -> None:
        """Change what fd is looked at for; OSError ENOENT when it is not.

        >>> from grove import select, socket
        >>> a, b = socket.socketpair()
        >>> poll = select.poll()
        >>> poll.register(a, select.POLLOUT)
        >>> poll.modify(a, select.POLLIN)
        >>> poll.poll(timeout=0)
        []
        >>> a.close(), b.close()
        (None, None)
        """
        number = _fileno(fd)
        if number not in self._events:
            raise FileNotFoundError(2, "No such file or directory")
        self._events[number] = _event_mask(eventmask)

    def unregister(self, fd: Any) -> None:
        """Look at fd no more; KeyError when it is not looked at.

        >>> from grove import select, socket
        >>> a, b = socket.socketpair()
        >>> poll = select.poll()
        >>> poll.register(a)
        >>> poll.unregister(a)
        >>> a.close(), b.close()
        (None, None)
        """
        del self._events[_fileno(fd)]

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """The descriptors that are ready, with their events.

        Args:
            timeout: milliseconds; None or negative is for ever.

        A descriptor that is closed has POLLNVAL. OverflowError when the time-out
        is more than poll(2) can wait.

        >>> from grove import select, socket
        >>> a, b = socket.socketpair()
        >>> poll = select.poll()
        >>> poll.register(a, select.POLLIN)
        >>> poll.poll(timeout=10)
        []
        >>> a.close(), b.close()
        (None, None)
        """
        if timeout is not None and timeout > _MOST_MILLISECONDS:
            raise OverflowError("timeout is too large")
        seconds = None if timeout is None or timeout < 0 else timeout / 1000
        return _core.poll(list(self._events.items()), seconds)


class epoll:
    """As select.epoll. gevent has none: it removes the standard one.

    >>> import select as standard
    >>> from grove import select, socket
    >>> left, right = socket.socketpair()
    >>> with select.epoll() as epoll:
    ...     epoll.register(right, standard.EPOLLOUT)
    ...     epoll.poll() == [(right.fileno(), standard.EPOLLOUT)]
    True
    """

    def __init__(self, sizehint: int = -1, flags: int = 0) -> None:
        self._epoll = _std_epoll(sizehint, flags)

    @classmethod
    def fromfd(cls, fd: int) -> "epoll":
        """One for descriptor fd of an epoll instance, which it takes over.

        >>> import os
        >>> from grove import select
        >>> with select.epoll() as epoll:
        ...     with select.epoll.fromfd(os.dup(epoll.fileno())) as again:
        ...         again.closed
        False
        """
        self = cls.__new__(cls)
        self._epoll = _std_epoll.fromfd(fd)
        return self

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._epoll.closed

    def close(self) -> None:
        """Close it; whoever waits in poll gets OSError EBADF.

        >>> from grove import select
        >>> epoll = select.epoll()
        >>> epoll.close()
        >>> epoll.closed
        True
        """
        if not self._epoll.closed:
            _core.fd_closed(self._epoll.fileno())
        self._epoll.close()

    def fileno(self) -> int:
        """Its descriptor; ValueError once it is closed.

        >>> from grove import select
        >>> with select.epoll() as epoll:
        ...     epoll.fileno() >= 0
        True
        """
        return self._epoll.fileno()

    def register(
        self,
        fd: Any,
        eventmask: int = _stdlib.EPOLLIN | _stdlib.EPOLLPRI | _stdlib.EPOLLOUT,
    ) -> None:
        """Look at fd, for the events of eventmask, from now on.

        >>> from grove import select, socket
        >>> a, b = socket.socketpair()
        >>> with select.epoll() as epoll:
        ...     epoll.register(a, select.EPOLLOUT)
        ...     epoll.poll() == [(a.fileno(), select.EPOLLOUT)]
        True
        >>> a.close(), b.close()
        (None, None)
        """
        self._epoll.register(fd, eventmask)

    def modify(self, fd: Any, eventmask: int) -> None:
        """Change what fd is looked at for; OSError ENOENT when it is not.

        >>> from grove import select, socket
        >>> a, b = socket.socketpair()
        >>> with select.epoll() as epoll:
        ...     epoll.register(a, select.EPOLLOUT)
        ...     epoll.modify(a, select.EPOLLIN)
        ...     epoll.poll(timeout=0)
        []
        >>> a.close(), b.close()
        (None, None)
        """
        self._epoll.modify(fd, eventmask)

    def unregister(self, fd: Any) -> None:
        """Look at fd no more; OSError ENOENT when it is not looked at.

        >>> from grove import select, socket
        >>> a, b = socket.socketpair()
        >>> with select.epoll() as epoll:
        ...     epoll.register(a)
        ...     epoll.unregister(a)
        >>> a.close(), b.close()
        (None, None)
        """
        self._epoll.unregister(fd)

    def poll(
        self, timeout: float | None = None, maxevents: int = -1
    ) -> list[tuple[int, int]]:
        """The descriptors that are ready, with their events.

        Args:
            timeout: seconds; None or negative is for ever.
            maxevents: how many at most; -1 is FD_SETSIZE - 1.

        >>> from grove import select, socket
        >>> a, b = socket.socketpair()
        >>> with select.epoll() as epoll:
        ...     epoll.register(a, select.EPOLLIN)
        ...     epoll.poll(timeout=0.01)
        []
        >>> a.close(), b.close()
        (None, None)
        """
        if maxevents < -1 or maxevents == 0:
            raise ValueError(f"maxevents must be greater than 0, got {maxevents}")
        if timeout is not None and timeout < 0:
            timeout = None
        deadline = None if timeout is None else _time.monotonic() + timeout
        this = [(self._epoll.fileno(), _stdlib.POLLIN)]
        # The instance itself can be polled. What it tells may be gone by the time
        # it is asked, if two greenlets wait for one.
        while ready := _core.poll(this, timeout):
            if ready[0][1] & _stdlib.POLLNVAL:
                raise OSError(9, "Bad file descriptor")
            found = self._epoll.poll(0, maxevents)
            if found or timeout == 0:
                return found
            if deadline is not None:
                timeout = max(0.0, deadline - _time.monotonic())
        return []

    def __enter__(self) -> "epoll":
        if self._epoll.closed:
            raise ValueError("I/O operation on closed epoll object")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

if TYPE_CHECKING:  # what is mirrored; the names above stay ours, as it remarks
    from select import *  # type: ignore
