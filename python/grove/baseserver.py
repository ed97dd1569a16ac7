"""What servers have in common: accept, hand to a greenlet, stop."""

import errno
import sys
from collections.abc import Callable
from typing import Any

from grove import socket as _socket
from grove._core import Greenlet, GreenletExit, get_hub, getcurrent, sleep
from grove.event import Event
from grove.pool import Pool

__all__ = ["BaseServer"]


class BaseServer:
    """Accepts on a listening socket and calls `handle` for what comes.

    Subclasses define do_read, which returns the arguments for handle or None,
    and do_close.

    >>> from grove.baseserver import BaseServer
    >>> from grove.queue import Queue
    >>> class Mailbox(BaseServer):
    ...     letters = Queue(items=[("a letter",)])
    ...     def do_read(self):
    ...         return self.letters.get()
    ...     def do_close(self, letter):
    ...         pass
    >>> Mailbox(("127.0.0.1", 0), print).do_read()
    ('a letter',)
    """

    #: Seconds to pause after an error of accept; doubled up to max_delay.
    min_delay = 0.01
    max_delay = 1.0
    #: What is accepted before other greenlets get a turn.
    max_accept = 100
    #: Seconds that stop() lets handlers finish in.
    stop_timeout = 1.0
    #: Errors of accept after which the server closes.
    fatal_errors = (errno.EBADF, errno.EINVAL, errno.ENOTSOCK)

    _spawn: Callable = Greenlet.spawn

    def __init__(
        self, listener: Any, handle: Callable | None = None, spawn: Any = "default"
    ) -> None:
        """Prepare a server; start() begins to listen.

        Args:
            listener: (host, port), "host:port", ":port", a port, the path of a
                Unix socket, or a bound socket.
            handle: called with what do_read returns.
            spawn: what calls handle: "default", a new greenlet each; a pool;
                a number, a pool of that size; None, the accepting greenlet
                itself; or a function like Greenlet.spawn.
        """
        self._stop_event = Event()
        self._stop_event.set()
        self._acceptor: Greenlet | None = None
        self.pool: Any = None
        self.delay = self.min_delay
        self.set_listener(listener)
        self.set_spawn(spawn)
        self.set_handle(handle)

    # What it is made of.

    def set_listener(self, listener: Any) -> None:
        """Listen on that; see __init__.

        >>> from grove.server import StreamServer
        >>> server = StreamServer("127.0.0.1:0", print)
        >>> server.set_listener(("localhost", 0))
        >>> server.address
        ('localhost', 0)
        """
        if hasattr(listener, "accept"):
            if hasattr(listener, "do_handshake"):
                raise TypeError(
                    f"Expected a regular socket, not SSLSocket: {listener!r}"
                )
            self.family = listener.family
            self.address = listener.getsockname()
            self.socket = listener
        else:
            self.family, self.address = parse_address(listener)

    def set_spawn(self, spawn: Any) -> None:
        """Have that call handle; see __init__.

        >>> from grove.server import StreamServer
        >>> server = StreamServer(("127.0.0.1", 0), print)
        >>> server.set_spawn(100)
        >>> server.pool.size
        100
        """
        if spawn == "default":
            self.pool = None
            self._spawn = type(self)._spawn
        elif hasattr(spawn, "spawn"):
            self.pool = spawn
            self._spawn = spawn.spawn
        elif isinstance(spawn, int):
            self.pool = Pool(spawn)
            self._spawn = self.pool.spawn
        else:
            self.pool = None
            self._spawn = spawn

    def set_handle(self, handle: Callable | None) -> None:
        """Call that for what comes.

        >>> from grove.server import StreamServer
        >>> server = StreamServer(("127.0.0.1", 0), print)
        >>> server.set_handle(repr)
        """
        if handle is not None:
            self.handle = handle
        if not hasattr(self, "handle"):
            raise TypeError("'handle' must be provided")
        self._handle = self.handle

    @property
    def loop(self) -> Any:
        """The loop of the calling thread's hub."""
        return get_hub().loop

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {self._shown()}>"

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self._shown()}>"

    def _shown(self) -> str:
        """What there is to say of it, if only why that is nothing."""
        try:
            return self._described()
        except Exception as error:  # of a subclass without our __init__, say
            return str(error) or type(error).__name__

    def _described(self) -> str:
        parts = []
        if hasattr(self, "socket"):
            parts.append(f"fileno={self.socket.fileno()}")
        address = self.address
        if isinstance(address, tuple):
            address = ":".join(str(part) for part in address[:2])
        parts.append(f"address={address}")
        handle = getattr(self, "handle", None)
        # A method of its own would be shown with the server, and that with it.
        if getattr(handle, "__self__", None) is not self:
            parts.append(f"handle={handle!r}")
        return " ".join(parts)

    def __enter__(self) -> "BaseServer":
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def server_host(self) -> Any:
        """The host of its address; None for a Unix socket."""
        return self.address[0] if isinstance(self.address, tuple) else None

    @property
    def server_port(self) -> Any:
        """The port of its address; None for a Unix socket."""
        return self.address[1] if isinstance(self.address, tuple) else None

    # What subclasses define.

    def init_socket(self) -> None:
        """Make self.socket when the listener was not a socket.

        >>> from grove.server import StreamServer
        >>> server = StreamServer(("127.0.0.1", 0), print)
        >>> server.init_socket()
        >>> server.socket.getsockname() == server.address
        True
        >>> server.close()
        """

    def do_read(self) -> tuple | None:
        """Wait for what comes; the arguments for handle.

        >>> from grove import socket
        >>> from grove.server import StreamServer
        >>> server = StreamServer(("127.0.0.1", 0), print)
        >>> server.init_socket()
        >>> client = socket.create_connection(server.address)
        >>> sock, address = server.do_read()
        >>> address == client.getsockname()
        True
        >>> sock.close(), client.close(), server.close()
        (None, None, None)
        """
        raise NotImplementedError

    def do_close(self, *args: Any) -> None:
        """Close what do_read returned.

        >>> from grove import socket
        >>> from grove.server import StreamServer
        >>> server = StreamServer(("127.0.0.1", 0), print)
        >>> a, b = socket.socketpair()
        >>> server.do_close(a, None)
        >>> b.recv(1)
        b''
        >>> b.close()
        """

    # Accepting.

    def start_accepting(self) -> None:
        """Accept from now on.

        >>> from grove.server import StreamServer
        >>> server = StreamServer(("127.0.0.1", 0), print)
        >>> server.start()
        >>> server.stop_accepting()
        >>> server.start_accepting()
        >>> server.stop()
        """
        if self._acceptor is None or self._acceptor.ready():
            self._acceptor = Greenlet.spawn(self._accept_all)

    def stop_accepting(self) -> None:
        """Accept no more until start_accepting.

        >>> from grove.server import StreamServer
        >>> server = StreamServer(("127.0.0.1", 0), print)
        >>> server.start()
        >>> server.stop_accepting()
        >>> server.started
        True
        >>> server.stop()
        """
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None and acceptor is not getcurrent():
            acceptor.kill(block=False)

    def _accept_all(self) -> None:
        """The accepting greenlet: until it is killed or the socket closed."""
        me = getcurrent()
        taken = 0
        while self._acceptor is me:
            if self.full():
                self.pool.wait_available()
                continue
            if not self._accept_one():
                return
            taken += 1
            if taken % max(1, self.max_accept) == 0:
                sleep(0)

    def _accept_one(self) -> bool:
        """Accept and handle; False when that is the end."""
        try:
            args = self.do_read()
        except Exception as error:
            if self.is_fatal_error(error):
                if self._acceptor is getcurrent():
                    self.close()
                    sys.stderr.write(f"ERROR: {self} failed with {error!r}\n")
                return False
            get_hub().handle_error(self, type(error), error, error.__traceback__)
            sleep(self.delay)
            self.delay = min(self.max_delay, self.delay * 2)
            return True
        self.delay = self.min_delay
        if args is not None:
            self._try_handle(args)
        return True

    def _try_handle(self, args: tuple) -> None:
        try:
            self.do_handle(*args)
        except GreenletExit:
            self.do_close(*args)
            self._accept_anew()
            raise
        except BaseException as error:  # a Timeout, for one
            self.do_close(*args)
            get_hub().handle_error(
                (args, self), type(error), error, error.__traceback__
            )

    def _accept_anew(self) -> None:
        """The accepting greenlet ends by what a handler raised in it: have another
        one take its place."""
        if self._acceptor is getcurrent():
            self._acceptor = None
            get_hub().loop.run_callback(self._go_on_accepting)

    def _go_on_accepting(self) -> None:
        if self.started:
            self.start_accepting()

    def do_handle(self, *args: Any) -> None:
        """Have handle called with args.

        >>> import grove
        >>> from grove.baseserver import BaseServer
        >>> server = BaseServer(("127.0.0.1", 0), print)
        >>> server.do_handle("a request")
        >>> grove.sleep()
        a request
        """
        if self._spawn is None:
            self._handle_and_close(*args)
        else:
            self._spawn(self._handle_and_close, *args)

    def _handle_and_close(self, *args: Any) -> None:
        try:
            if len(args) == 2:
                # Not by *args: CPython calls a function in Python from one in
                # Python on the same piece of C stack only if it sees them, and a
                # connection that waits has one page less for it.
                client, address = args
                self._handle(client, address)
            else:
                self._handle(*args)
        finally:
            self.do_close(*args)

    def full(self) -> bool:
        """Whether nothing is accepted until a handler has finished.

        >>> from grove.server import StreamServer
        >>> StreamServer(("127.0.0.1", 0), print, spawn=0).full()
        True
        >>> StreamServer(("127.0.0.1", 0), print, spawn=10).full()
        False
        """
        return self.pool is not None and self.pool.full()

    def is_fatal_error(self, ex: BaseException) -> bool:
        """Whether ex, an error of accept, means that there will be no more.

        >>> import errno
        >>> from grove.server import StreamServer
        >>> server = StreamServer(("127.0.0.1", 0), print)
        >>> server.is_fatal_error(OSError(errno.EBADF, "closed"))
        True
        >>> server.is_fatal_error(OSError(errno.EMFILE, "too many open files"))
        False
        """
        return isinstance(ex, OSError) and ex.errno in self.fatal_errors

    # Its life.

    @property
    def started(self) -> bool:
        """Whether it accepts, or stopped only to go on."""
        return not self._stop_event.is_set()

    @property
    def closed(self) -> bool:
        """Whether it has no socket."""
        return not hasattr(self, "socket")

    def start(self) -> None:
        """Listen and accept; OSError when the address cannot be bound.

        >>> from grove.server import StreamServer
        >>> server = StreamServer(("127.0.0.1", 0), print)
        >>> server.start()
        >>> server.server_port > 0
        True
        >>> server.stop()
        """
        if self.started:
            return
        self.init_socket()
        self._stop_event.clear()
        try:
            self.start_accepting()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the listening socket; handlers go on.

        >>> from grove.server import StreamServer
        >>> server = StreamServer(("127.0.0.1", 0), print)
        >>> server.start()
        >>> server.close()
        >>> server.closed
        True
        """
        self._stop_event.set()
        self.stop_accepting()
        listener = self.__dict__.pop("socket", None)
        if listener is not None:
            listener.close()

    def stop(self, timeout: float | None = None) -> None:
        """Close, let handlers of the pool finish, then kill them.

        Args:
            timeout: seconds for them to finish in; stop_timeout by default.

        >>> from grove.server import StreamServer
        >>> server = StreamServer(("127.0.0.1", 0), print)
        >>> server.start()
        >>> server.stop(timeout=1)
        >>> server.closed
        True
        """
        self.close()
        if timeout is None:
            timeout = self.stop_timeout
        if self.pool is not None:
            self.pool.join(timeout=timeout)
            self.pool.kill(block=True, timeout=1)

    def serve_forever(self, stop_timeout: float | None = None) -> None:
        """Start, unless that was done, and return when it is stopped.

        >>> import grove
        >>> from grove.server import StreamServer
        >>> server = StreamServer(("127.0.0.1", 0), print)
        >>> serving = grove.spawn(server.serve_forever)
        >>> grove.sleep()
        >>> server.started
        True
        >>> server.stop()
        >>> serving.join()
        """
        if not self.started:
            self.start()
        try:
            self._stop_event.wait()
        finally:
            Greenlet.spawn(self.stop, timeout=stop_timeout).join()


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return host, int(port)


def _family_of_any() -> int:
    """IPv6, at whose port IPv4 is heard too; IPv4 where there is no IPv6."""
    try:
        with _socket.socket(_socket.AF_INET6, _socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return _socket.AF_INET
    return _socket.AF_INET6


def parse_address(address: Any) -> tuple[int, Any]:
    """(family, address to bind) of what a server's listener may be: an address, a
    port of all, "host:port", or the path of a Unix socket.

    Raises TypeError for another type, ValueError when it makes no sense.
    """
    if isinstance(address, tuple):
        host = address[0]
        if not host:
            return _family_of_any(), address
        return _socket.AF_INET6 if ":" in host else _socket.AF_INET, address
    if isinstance(address, int) or isinstance(address, str) and address.isdecimal():
        return _family_of_any(), ("", int(address))
    if not isinstance(address, str):
        raise TypeError(f"Expected an address, a port or a text, not {address!r}")
    if "/" in address and ":" not in address.rpartition("/")[2]:
        return _socket.AF_UNIX, address
    if ":" in address:
        try:
            host, port = _host_and_port(address)
        except ValueError:
            raise ValueError(f"Invalid address: {address!r}") from None
        return _socket.AF_INET6 if ":" in host else _socket.AF_INET, (host, port)
    raise ValueError(f"Failed to parse address {address!r}: expected host:port")
