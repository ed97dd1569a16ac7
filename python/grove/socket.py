"""The module socket, with sockets that let other greenlets run while they wait.

The class `socket` is not a subclass of the standard one: it wraps a
`_socket.socket` (attribute `_sock`) that never blocks, and waits by itself.
Names of the standard module that have no part in waiting are that module's own.
"""

import errno
import fcntl
import os
import signal
import socket as _stdlib
import stat
import time as _time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import _socket
from grove import _core
from grove._core import cancel_wait_ex, get_hub, wait_read, wait_readwrite, wait_write
from grove.exceptions import ConcurrentObjectUseError
from grove.stdlib.mirror import mirror
from grove.stdlib.rebind import rebound
from grove.timeout import Timeout

__implements__ = [
    "create_connection",
    "socket",
    "SocketType",
    "fromfd",
    "socketpair",
]
__dns__ = [
    "getaddrinfo",
    "gethostbyname",
    "gethostbyname_ex",
    "gethostbyaddr",
    "getnameinfo",
    "getfqdn",
]
__implements__ += __dns__
__extensions__ = [
    "cancel_wait",
    "cancel_wait_ex",
    "timeout_default",
    "wait",
    "wait_read",
    "wait_readwrite",
    "wait_write",
]
__imports__ = mirror(_stdlib, globals(), __implements__)

__all__ = [
    *__implements__,
    *__extensions__,
    *(name for name in _stdlib.__all__ if name in __imports__),
]

_StdSocket = _stdlib.socket
_READ = _core.READ
_WRITE = _core.WRITE
_IN_PROGRESS = (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK)

#: Stands for a socket's own time-out where None would mean never.
timeout_default = _core.timeout_default


def wait(
    io: Any, timeout: float | None = None, timeout_exc: Any = timeout_default
) -> None:
    """Park this greenlet until io, a watcher of the loop, fires.

    ConcurrentObjectUseError while another greenlet waits for it.

    Args:
        io: a watcher that is not active.
        timeout: seconds or a Timeout; None is never.
        timeout_exc: what is raised then; socket.timeout by default.

    >>> import grove
    >>> from grove import socket
    >>> a, b = socket.socketpair()
    >>> watcher = grove.get_hub().loop.io(a.fileno(), 2)
    >>> socket.wait(watcher, timeout=60)
    >>> watcher.close(), a.close(), b.close()
    (None, None, None)
    """
    if io.callback is not None:
        raise ConcurrentObjectUseError(
            f"This socket is already used by another greenlet: {io.callback!r}"
        )
    if timeout_exc is timeout_default:
        timeout_exc = _stdlib.timeout("timed out")
    with Timeout.start_new(timeout, timeout_exc):
        get_hub().wait(io)


def cancel_wait(watcher: Any, error: BaseException | type[BaseException] = cancel_wait_ex) -> None:
    """Make whoever waits for watcher raise error; nothing if it is None.

    >>> import grove
    >>> from grove import socket
    >>> a, b = socket.socketpair()
    >>> watcher = grove.get_hub().loop.io(a.fileno(), 1)
    >>> waiting = grove.spawn(socket.wait, watcher)
    >>> grove.sleep()
    >>> socket.cancel_wait(watcher, OSError("given up"))
    >>> waiting.join()
    >>> waiting.exception
    OSError('given up')
    >>> watcher.close(), a.close(), b.close()
    (None, None, None)
    """
    get_hub().cancel_wait(watcher, error)


# ---- names -----------------------------------------------------------------

_std_getaddrinfo = _stdlib.getaddrinfo


def _is_numeric(host: Any) -> bool:
    """Whether host needs no look-up: an address, or no host at all."""
    if host is None:
        return True
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("ascii", "replace")
    if not isinstance(host, str):
        return True  # the resolver's TypeError comes at once
    if host in ("", "<broadcast>"):
        return True
    family, text = _socket.AF_INET, host
    if ":" in host:
        family, text = _socket.AF_INET6, host.partition("%")[0]
    try:
        _socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


def getaddrinfo(
    host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
) -> list:
    """As socket.getaddrinfo; a name is looked up by the hub's resolver.

    >>> from grove import socket
    >>> socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)[0][-1]
    ('127.0.0.1', 80)
    """
    if _is_numeric(host):
        return _std_getaddrinfo(host, port, family, type, proto, flags)
    return get_hub().resolver.getaddrinfo(host, port, family, type, proto, flags)


def gethostbyname(hostname: Any) -> str:
    """As socket.gethostbyname; a name is looked up by the hub's resolver.

    >>> from grove import socket
    >>> socket.gethostbyname("127.0.0.1")
    '127.0.0.1'
    """
    if _is_numeric(hostname):
        return _socket.gethostbyname(hostname)
    return get_hub().resolver.gethostbyname(hostname)


def gethostbyname_ex(hostname: Any) -> tuple:
    """As socket.gethostbyname_ex; a name is looked up by the hub's resolver.

    >>> from grove import socket
    >>> socket.gethostbyname_ex("127.0.0.1")
    ('127.0.0.1', [], ['127.0.0.1'])
    """
    if _is_numeric(hostname):
        return _socket.gethostbyname_ex(hostname)
    return get_hub().resolver.gethostbyname_ex(hostname)


def gethostbyaddr(ip_address: Any) -> tuple:
    """As socket.gethostbyaddr, by the hub's resolver.

    >>> from grove import socket
    >>> "127.0.0.1" in socket.gethostbyaddr("127.0.0.1")[2]
    True
    """
    return get_hub().resolver.gethostbyaddr(ip_address)


def getnameinfo(sockaddr: tuple, flags: int) -> tuple:
    """As socket.getnameinfo; a name is looked up by the hub's resolver.

    >>> from grove import socket
    >>> numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    >>> socket.getnameinfo(("127.0.0.1", 80), numeric)
    ('127.0.0.1', '80')
    """
    if isinstance(flags, int) and flags & _socket.NI_NUMERICHOST:
        return _socket.getnameinfo(sockaddr, flags)
    return get_hub().resolver.getnameinfo(sockaddr, flags)


def _regular_size(file: Any) -> int:
    """The size of a regular file; _GiveupOnSendfile for others."""
    try:
        status = os.fstat(file.fileno())
    except (AttributeError, OSError) as error:
        raise _GiveupOnSendfile(error) from None
    if not stat.S_ISREG(status.st_mode):
        raise _GiveupOnSendfile("not a regular file")
    return status.st_size


def _is_seekable(file: Any) -> bool:
    return hasattr(file, "seek") and getattr(file, "seekable", lambda: True)()


def _block_size(total: int, count: int | None) -> int:
    """How much to read of a file of which total bytes of count were sent."""
    return 65536 if count is None else min(count - total, 65536)


# ---- the class -------------------------------------------------------------


class _RawSocket(_socket.socket):
    """What is wrapped, and tells the loops of its descriptor's end, however it
    comes; TLS connections want weak references to theirs.

    In the warning of one that nobody has closed it is shown as what wraps it,
    which is gone by then: `shown` is that one's class and number.
    """

    __slots__ = ("__weakref__", "shown")

    shown: tuple[type, int]

    def __repr__(self) -> str:
        cls, number = self.shown
        parts = [f"<{cls.__module__}.{cls.__qualname__} at {number:#x}"]
        if self.fileno() >= 0:
            parts += self._described()
        return ", ".join(parts) + ">"

    def _described(self) -> list[str]:
        family = _stdlib._intenum_converter(self.family, _stdlib.AddressFamily)
        type = _stdlib._intenum_converter(self.type, _stdlib.SocketKind)
        parts = [
            f"fd={self.fileno()}, family={family!s}, type={type!s}, proto={self.proto}"
        ]
        for word, name in (("laddr", "getsockname"), ("raddr", "getpeername")):
            try:
                address = getattr(self, name)()
            except OSError:
                continue  # it has none
            if address:
                parts.append(f"{word}={address}")
        return parts

    def close(self) -> None:
        fd = self.fileno()
        if fd >= 0:
            _core.fd_closed(fd)
        super().close()

    def detach(self) -> int:
        fd = self.fileno()
        if fd >= 0:
            _core.fd_closed(fd)  # whoever waits is not to read for its new owner
        return super().detach()

    def __del__(
        self,
        closed: Callable[[int], None] = _core.fd_closed,
        finish: Callable[[Any], None] = _socket.socket.__del__,  # type: ignore[attr-defined]
    ) -> None:
        fd = self.fileno()
        if fd >= 0:  # nobody has closed it
            closed(fd)
        finish(self)


class socket(_core.SocketBase):
    """A socket whose waits let other greenlets run.

    The constructor's arguments, methods and errors are those of the standard
    class. Several greenlets may wait for one socket; closing it wakes them with
    OSError EBADF.

    >>> import grove
    >>> from grove import socket
    >>> left, right = socket.socketpair()
    >>> reader = grove.spawn(left.recv, 100)
    >>> right.sendall(b"hello")
    >>> reader.get()
    b'hello'
    """

    __slots__ = ("_io_refs", "_closed", "_known", "__weakref__")

    def __init__(
        self,
        family: int = -1,
        type: int = -1,
        proto: int = -1,
        fileno: int | None = None,
    ) -> None:
        if fileno is None:
            family = _socket.AF_INET if family == -1 else family
            type = _socket.SOCK_STREAM if type == -1 else type
            proto = 0 if proto == -1 else proto
        self._io_refs = 0
        self._closed = False
        self._known = False
        self.timeout = 0.0 if self._non_blocking(type) else _socket.getdefaulttimeout()
        self._sock = _RawSocket(family, type, proto, fileno)
        self._sock.shown = (self.__class__, id(self))
        tell = _core.fd_opened if fileno is None else _core.fd_adopted
        tell(self._sock.fileno())
        self._sock.setblocking(False)

    @staticmethod
    def _non_blocking(type: int) -> bool:
        return type != -1 and bool(type & getattr(_socket, "SOCK_NONBLOCK", 0))

    # What it is.

    @property
    def hub(self) -> Any:
        """The hub of the calling thread."""
        return get_hub()

    @property
    def _read_event(self) -> Any:
        """A watcher for what there is to read."""
        return get_hub().loop.io(self._sock.fileno(), _READ, self.ref)

    @property
    def _write_event(self) -> Any:
        """A watcher for room to write to."""
        return get_hub().loop.io(self._sock.fileno(), _WRITE, self.ref)

    @property
    def ref(self) -> bool:
        """Whether a wait for the socket keeps the loop running; True at first.

        A change concerns waits that begin afterwards, of whoever waits for the
        descriptor alone; select has no part in it. A time-out keeps the loop
        running by itself. OSError EBADF when it is set and the socket is closed.
        """
        return _core.fd_ref(self._sock.fileno())

    @ref.setter
    def ref(self, value: bool) -> None:
        _core.fd_set_ref(self._sock.fileno(), value)

    @property
    def family(self) -> _stdlib.AddressFamily:
        """The address family."""
        return _stdlib._intenum_converter(self._sock.family, _stdlib.AddressFamily)

    @property
    def type(self) -> _stdlib.SocketKind:
        """The type, without SOCK_NONBLOCK and SOCK_CLOEXEC."""
        return _stdlib._intenum_converter(self._sock.type, _stdlib.SocketKind)

    @property
    def proto(self) -> int:
        """The protocol number."""
        return self._sock.proto

    def __repr__(self) -> str:
        shown = repr(self._sock)
        return shown.replace(" at ", " [closed] at ", 1) if self._closed else shown

    def __enter__(self) -> "socket":
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self._closed:
            self.close()

    def __getstate__(self) -> None:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def fileno(self) -> int:
        """The descriptor; -1 once it is closed.

        Who calls os.read and os.write with it waits as with a standard socket's.

        >>> from grove import socket
        >>> sock = socket.socket()
        >>> sock.fileno() >= 0
        True
        >>> sock.close()
        >>> sock.fileno()
        -1
        """
        if not self._known:
            self._known = True
            if self.timeout is None:
                self._note_blocking()
        return self._sock.fileno()

    def _note_blocking(self) -> None:
        """Have the open file tell whether its owner wants to wait, which its being
        non-blocking does not. (Where that is read: src/net/nonblocking.c)"""
        fd = self._sock.fileno()
        if fd >= 0:
            signum = signal.SIGIO if self.timeout is None else 0
            fcntl.fcntl(fd, fcntl.F_SETSIG, signum)

    # Its time-out.

    def settimeout(self, value: float | None) -> None:
        """Seconds that an operation may take; None for ever, 0 not at all.

        >>> from grove import socket
        >>> left, right = socket.socketpair()
        >>> left.settimeout(0.01)
        >>> left.recv(1)
        Traceback (most recent call last):
            ...
        TimeoutError: timed out
        """
        if value is not None:
            if not hasattr(value, "__float__"):
                raise TypeError(f"a float is required, not {type(value).__name__}")
            value = float(value)
            if value < 0.0:
                raise ValueError("Timeout value out of range")
        changes = (self.timeout is None) is not (value is None)
        self.timeout = value
        if changes and self._known:
            self._note_blocking()

    def gettimeout(self) -> float | None:
        """What settimeout was given.

        >>> from grove import socket
        >>> with socket.socket() as sock:
        ...     sock.settimeout(1.5)
        ...     sock.gettimeout()
        1.5
        """
        return self.timeout

    def setblocking(self, flag: bool) -> None:
        """settimeout(None) if flag, else settimeout(0); OSError EBADF if it is
        closed.

        >>> from grove import socket
        >>> with socket.socket() as sock:
        ...     sock.setblocking(False)
        ...     sock.gettimeout()
        0.0
        """
        os.get_blocking(self._sock.fileno())
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        """Whether an operation may wait.

        >>> from grove import socket
        >>> with socket.socket() as sock:
        ...     sock.getblocking()
        True
        """
        return self.timeout != 0.0

    # Birth and end.

    def bind(self, address: Any) -> None:
        """As the standard class's. It does not wait: what a name of this machine's
        stands for is looked up at once.

        >>> from grove import socket
        >>> with socket.socket() as sock:
        ...     sock.bind(("127.0.0.1", 0))
        ...     sock.getsockname()[1] > 0
        True
        """
        self._sock.bind(address)

    def listen(self, *backlog: int) -> None:
        """As the standard class's.

        >>> from grove import socket
        >>> with socket.socket() as listener, socket.socket() as client:
        ...     listener.bind(("127.0.0.1", 0))
        ...     listener.listen()
        ...     client.connect(listener.getsockname())
        """
        self._sock.listen(*backlog)

    def accept(self) -> tuple["socket", Any]:
        """Wait for a connection; its socket and the peer's address.

        >>> import grove
        >>> from grove import socket
        >>> listener = socket.create_server(("127.0.0.1", 0))
        >>> accepting = grove.spawn(listener.accept)
        >>> client = socket.create_connection(listener.getsockname())
        >>> connection, address = accepting.get()
        >>> address == client.getsockname()
        True
        """
        fd, address = self._accept()
        sock = self._sock
        return socket(sock.family, sock.type, sock.proto, fd), address

    def _resolved(self, address: Any) -> Any:
        """address with its host as a number, looked up if it is a name."""
        sock = self._sock
        if sock.family not in (_socket.AF_INET, _socket.AF_INET6):
            return address
        if not isinstance(address, tuple) or not address or _is_numeric(address[0]):
            return address
        found = getaddrinfo(address[0], None, sock.family, sock.type, sock.proto)
        # The port, flow label and scope are checked by whoever uses them.
        return (found[0][4][0], *address[1:])

    def _connect(self, address: Any) -> int:
        """Connect and wait until that is done; 0 or the error's number."""
        sock = self._sock
        timeout = self.timeout
        if timeout == 0.0:
            return sock.connect_ex(address)
        address = self._resolved(address)
        error = sock.connect_ex(address)
        if error == errno.EAGAIN and sock.family == _stdlib.AF_UNIX:
            return self._connect_when_room(address)
        if error not in _IN_PROGRESS:
            return error
        wait_write(sock.fileno(), timeout)
        return sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)

    def _connect_when_room(self, address: Any) -> int:
        """The peer's backlog is full, and nothing tells when it no longer is."""
        end = None if self.timeout is None else _time.monotonic() + self.timeout
        pause = 0.001
        while (error := self._sock.connect_ex(address)) == errno.EAGAIN:
            if end is not None and _time.monotonic() >= end:
                raise _stdlib.timeout("timed out")
            _core.sleep(pause)
            pause = min(pause * 2, 0.1)
        return error

    def connect(self, address: Any) -> None:
        """Connect to address; OSError of the connection's failure.

        >>> from grove import socket
        >>> with socket.create_server(("127.0.0.1", 0)) as listener:
        ...     with socket.socket() as client:
        ...         client.connect(listener.getsockname())
        ...         client.getpeername() == listener.getsockname()
        True
        """
        error = self._connect(address)
        if error:
            raise OSError(error, os.strerror(error))

    def connect_ex(self, address: Any) -> int:
        """As connect, but returns the error's number, 0 for success.

        >>> import errno
        >>> from grove import socket
        >>> listener = socket.create_server(("127.0.0.1", 0))
        >>> with socket.socket() as client:
        ...     client.connect_ex(listener.getsockname())
        0
        >>> listener.close()
        """
        try:
            return self._connect(address)
        except _stdlib.timeout:
            return errno.EAGAIN
        except _stdlib.gaierror:
            raise
        except OSError as error:
            if error.errno is None:
                raise
            return error.errno

    def shutdown(self, how: int) -> None:
        """As the standard class's.

        >>> from grove import socket
        >>> a, b = socket.socketpair()
        >>> a.shutdown(socket.SHUT_WR)
        >>> b.recv(100)
        b''
        >>> a.close(), b.close()
        (None, None)
        """
        self._sock.shutdown(how)

    def _real_close(self) -> None:
        self._sock.close()

    def close(self) -> None:
        """Close it, when the last file made by makefile is closed too.

        >>> from grove import socket
        >>> a, b = socket.socketpair()
        >>> a.close()
        >>> b.recv(100)
        b''
        >>> b.close()
        """
        self._closed = True
        if self._io_refs <= 0:
            self._real_close()

    def _decref_socketios(self) -> None:
        """A file made by makefile was closed."""
        if self._io_refs > 0:
            self._io_refs -= 1
        if self._closed:
            self.close()

    @property
    def closed(self) -> bool:
        """Whether close or detach was called."""
        return self._closed

    def detach(self) -> int:
        """Give up the descriptor, which stays open, and return it.

        Without a time-out it blocks from then on, as a standard socket's does.

        >>> import os
        >>> from grove import socket
        >>> sock = socket.socket()
        >>> fd = sock.detach()
        >>> sock.fileno()
        -1
        >>> os.close(fd)
        """
        self._closed = True
        fd = self._sock.detach()
        if self.timeout is None and fd >= 0:
            with suppress(OSError):  # somebody else may have closed it
                os.set_blocking(fd, True)
        return fd

    def dup(self) -> "socket":
        """Another socket for the same connection.

        >>> from grove import socket
        >>> a, b = socket.socketpair()
        >>> with a.dup() as again:
        ...     again.sendall(b"hello")
        >>> b.recv(100)
        b'hello'
        >>> a.close(), b.close()
        (None, None)
        """
        sock = self._sock
        number = _socket.dup(sock.fileno())
        copy = type(self)(sock.family, sock.type, sock.proto, number)
        copy.timeout = self.timeout
        return copy

    # Sending; what else sends, and what receives, is the base's.

    def sendmsg_afalg(self, *args: Any, **kwargs: Any) -> int:
        """As the standard class's.

        >>> from grove import socket
        >>> with socket.socket() as sock:
        ...     try:
        ...         sock.sendmsg_afalg([b"text"], op=0)
        ...     except OSError:
        ...         print("it is not of AF_ALG")
        it is not of AF_ALG
        """
        return self._sock.sendmsg_afalg(*args, **kwargs)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a binary file from offset on; how many bytes.

        Args:
            file: open for reading in binary mode.
            offset: where to begin.
            count: bytes at most; None is to the end.

        >>> import tempfile
        >>> from grove import socket
        >>> left, right = socket.socketpair()
        >>> with tempfile.TemporaryFile() as file:
        ...     file.write(b"hello") and file.seek(0)
        ...     left.sendfile(file)
        0
        5
        >>> right.recv(100)
        b'hello'
        """
        try:
            sent = self._sendfile_use_sendfile(file, offset, count)
        except _GiveupOnSendfile:
            return self._sendfile_use_send(file, offset, count)
        if sent or self.timeout == 0.0:
            return sent
        # Files of /proc have no size, but something to be read.
        return self._sendfile_use_send(file, offset, count)

    _check_sendfile_params = _StdSocket._check_sendfile_params

    def _sendfile_use_send(
        self, file: Any, offset: int = 0, count: int | None = None
    ) -> int:
        """By reading it and sending what was read."""
        self._check_sendfile_params(file, offset, count)
        if self.timeout == 0.0:
            raise ValueError("non-blocking sockets are not supported")
        if offset:
            file.seek(offset)
        total = 0
        try:
            while block := file.read(_block_size(total, count)):
                with memoryview(block) as data:
                    sent = 0
                    while sent < len(data):
                        sent += (now := self.send(data[sent:]))
                        total += now
        finally:
            if total > 0 and _is_seekable(file):
                file.seek(offset + total)
        return total

    def _sendfile_use_sendfile(
        self, file: Any, offset: int = 0, count: int | None = None
    ) -> int:
        """By the system's call; _GiveupOnSendfile when that cannot send file."""
        self._check_sendfile_params(file, offset, count)
        size = _regular_size(file)
        if size and self.timeout == 0.0:
            raise ValueError("non-blocking sockets are not supported")
        at = offset
        end = None if count is None else offset + count
        try:
            while size and at != end:
                # Not more than a system's call can take.
                most = min(size if end is None else end - at, 2**30)
                sent = self._send_from(file, at, most, at > offset)
                if not sent:
                    break
                at += sent
        finally:
            if at > offset and _is_seekable(file):
                file.seek(at)
        return at - offset

    def _send_from(self, file: Any, offset: int, most: int, under_way: bool) -> int:
        """Send some of what file has from offset on; how much.

        ValueError if it has been closed: its number may be another's by then.
        """
        fd = self._sock.fileno()

        def send() -> int:
            return os.sendfile(fd, file.fileno(), offset, most)

        try:
            return _core.socket_retry(fd, _WRITE, self.timeout, send)
        except TimeoutError:
            raise
        except OSError as error:
            if under_way:
                raise
            raise _GiveupOnSendfile(error) from None  # send() will tell

    # As they are.

    makefile = _StdSocket.makefile

    def getpeername(self) -> Any:
        """As the standard class's.

        >>> from grove import socket
        >>> with socket.create_server(("127.0.0.1", 0)) as listener:
        ...     with socket.create_connection(listener.getsockname()) as client:
        ...         client.getpeername() == listener.getsockname()
        True
        """
        return self._sock.getpeername()

    def getsockname(self) -> Any:
        """As the standard class's.

        >>> from grove import socket
        >>> with socket.create_server(("127.0.0.1", 0)) as listener:
        ...     listener.getsockname()[0]
        '127.0.0.1'
        """
        return self._sock.getsockname()

    def getsockopt(self, *args: Any) -> Any:
        """As the standard class's.

        >>> from grove import socket
        >>> with socket.socket() as sock:
        ...     sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        0
        """
        return self._sock.getsockopt(*args)

    def setsockopt(self, *args: Any) -> None:
        """As the standard class's.

        >>> from grove import socket
        >>> with socket.socket() as sock:
        ...     sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ...     sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        1
        """
        self._sock.setsockopt(*args)

    def get_inheritable(self) -> bool:
        """Whether a program that is executed keeps the descriptor.

        >>> from grove import socket
        >>> with socket.socket() as sock:
        ...     sock.get_inheritable()
        False
        """
        return os.get_inheritable(self.fileno())

    def set_inheritable(self, inheritable: bool) -> None:
        """Whether a program that is executed keeps the descriptor.

        >>> from grove import socket
        >>> with socket.socket() as sock:
        ...     sock.set_inheritable(True)
        ...     sock.get_inheritable()
        True
        """
        os.set_inheritable(self.fileno(), inheritable)


SocketType = socket


# ---- functions of the standard module, on the names above ------------------

for _name in (
    "create_connection",
    "create_server",
    "fromfd",
    "getfqdn",
    "has_dualstack_ipv6",
    "recv_fds",
    "send_fds",
    "socketpair",
):
    globals()[_name] = rebound(getattr(_stdlib, _name), globals())
del _name
