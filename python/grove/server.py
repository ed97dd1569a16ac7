"""Servers: a handler called for each connection or datagram."""

from collections.abc import Callable
from typing import Any

from grove import _core, socket
from grove.baseserver import BaseServer

__all__ = ["DatagramServer", "StreamServer"]


class StreamServer(BaseServer):
    """Calls handle(socket, address) in a greenlet for each connection.

    The connection is closed when handle returns.

    >>> from grove import socket
    >>> from grove.server import StreamServer
    >>> def echo(connection, address):
    ...     connection.sendall(connection.recv(100))
    >>> server = StreamServer(("127.0.0.1", 0), echo)
    >>> server.start()
    >>> client = socket.create_connection(server.address)
    >>> client.sendall(b"hello")
    >>> client.recv(100)
    b'hello'
    >>> server.stop()
    """

    #: How many connections the kernel keeps until they are accepted.
    backlog = 128
    #: SO_REUSEADDR of the sockets that it makes.
    reuse_addr = 1

    def __init__(
        self,
        listener: Any,
        handle: Callable | None = None,
        backlog: int | None = None,
        spawn: Any = "default",
        **ssl_args: Any,
    ) -> None:
        """As BaseServer; with ssl_context=, or arguments for it, over TLS.

        Args:
            backlog: instead of the class's.
            ssl_args: ssl_context, or certfile, keyfile and so on.
        """
        super().__init__(listener, handle, spawn)
        if backlog is not None:
            if hasattr(self, "socket"):
                raise TypeError("backlog must be None when a socket is given")
            self.backlog = backlog
        self.ssl_args = ssl_args
        self._wrap: Callable | None = None
        if ssl_args:
            self._wrap = self._wrapper(ssl_args)

    @staticmethod
    def _wrapper(ssl_args: dict[str, Any]) -> Callable:
        from grove import ssl

        ssl_args = dict(ssl_args)
        context = ssl_args.pop("ssl_context", None)
        ssl_args.setdefault("server_side", True)
        if context is None:
            return lambda sock: ssl.wrap_socket(sock, **ssl_args)  # type: ignore[attr-defined]
        return lambda sock: context.wrap_socket(sock, **ssl_args)

    @property
    def ssl_enabled(self) -> bool:
        """Whether connections are TLS."""
        return self._wrap is not None

    def init_socket(self) -> None:
        if not hasattr(self, "socket"):
            self.socket = self.get_listener(self.address, self.backlog, self.family)
            self.address = self.socket.getsockname()

    @classmethod
    def get_listener(
        cls, address: Any, backlog: int | None = None, family: int | None = None
    ) -> socket.socket:
        """A socket that listens on address; OSError when it cannot.

        >>> from grove.server import StreamServer
        >>> listener = StreamServer.get_listener(("127.0.0.1", 0))
        >>> server = StreamServer(listener, print)
        >>> server.start()
        >>> server.stop()
        """
        family = socket.AF_INET if family is None else family
        sock = socket.socket(family)
        try:
            if cls.reuse_addr is not None and family != socket.AF_UNIX:
                sock.setsockopt(
                    socket.SOL_SOCKET, socket.SO_REUSEADDR, cls.reuse_addr
                )
            try:
                sock.bind(address)
            except OSError as error:
                error.strerror = f"{error.strerror}: {address!r}"
                raise
            sock.listen(cls.backlog if backlog is None else backlog)
        except BaseException:
            sock.close()
            raise
        return sock

    def do_read(self) -> tuple[socket.socket, Any]:
        """Wait for a connection: its socket and the peer's address.

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
        listener = self.socket
        raw = getattr(listener, "_sock", listener)
        if raw.gettimeout() != 0:
            raw.setblocking(False)
        fd, address = _core.socket_retry(raw.fileno(), _core.READ, None, raw._accept)
        return socket.socket(raw.family, raw.type, raw.proto, fd), address

    def do_close(self, sock: socket.socket, *args: Any) -> None:  # type: ignore[override]
        sock.close()

    def do_handle(self, *args: Any) -> None:
        if self._wrap is None:
            super().do_handle(*args)
        elif self._spawn is None:
            self.wrap_socket_and_handle(*args)
        else:
            self._spawn(self.wrap_socket_and_handle, *args)

    def wrap_socket(self, sock: socket.socket) -> socket.socket:
        """The TLS socket of an accepted one, after its handshake.

        In the example server_context has a certificate for localhost, which
        client_context trusts.

        >>> import grove
        >>> from grove import socket
        >>> from grove.server import StreamServer
        >>> a, b = socket.socketpair()
        >>> server = StreamServer(("127.0.0.1", 0), print, ssl_context=server_context)
        >>> wrapping = grove.spawn(server.wrap_socket, a)
        >>> client = client_context.wrap_socket(b, server_hostname="localhost")
        >>> wrapping.get().version() == client.version()
        True
        >>> wrapping.get().close(), client.close()
        (None, None)
        """
        return self._wrap(sock)  # type: ignore[misc]

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
        """Make the handshake, then call handle.

        SSLError when the peer speaks something else, or refuses; when it has gone
        nothing is said.

        In the example server_context has a certificate for localhost, which
        client_context trusts.

        >>> import grove
        >>> from grove import socket
        >>> from grove.server import StreamServer
        >>> def greet(sock, address):
        ...     sock.sendall(b"hello")
        >>> a, b = socket.socketpair()
        >>> server = StreamServer(("127.0.0.1", 0), greet, ssl_context=server_context)
        >>> serving = grove.spawn(server.wrap_socket_and_handle, a, None)
        >>> client = client_context.wrap_socket(b, server_hostname="localhost")
        >>> client.recv(100)
        b'hello'
        >>> serving.join(), client.close()
        (None, None)
        """
        try:
            tls = self.wrap_socket(client_socket)
        except BaseException as error:
            client_socket.close()
            if not _has_gone(error):
                raise
            return
        self._handle_and_close(tls, address)


def _has_gone(error: BaseException) -> bool:
    """Whether a handshake ended by error because the peer is there no more, or says
    nothing; not because of what it has said."""
    from grove.ssl import SSLEOFError, SSLError

    return isinstance(error, SSLEOFError) or (
        isinstance(error, OSError) and not isinstance(error, SSLError)
    )


class DatagramServer(BaseServer):
    """Calls handle(data, address) in a greenlet for each datagram.

    >>> from grove import socket
    >>> from grove.server import DatagramServer
    >>> def answer(data, address):
    ...     server.sendto(data.upper(), address)
    >>> server = DatagramServer(("127.0.0.1", 0), answer)
    >>> server.start()
    >>> client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    >>> client.sendto(b"hello", server.address)
    5
    >>> client.recv(100)
    b'HELLO'
    >>> server.stop()
    """

    #: SO_REUSEADDR of the sockets that it makes.
    reuse_addr = 1
    #: Bytes of the largest datagram.
    max_size = 8192

    def init_socket(self) -> None:
        if not hasattr(self, "socket"):
            self.socket = self.get_listener(self.address, self.family)
            self.address = self.socket.getsockname()
        self._socket = self.socket

    @classmethod
    def get_listener(cls, address: Any, family: int | None = None) -> socket.socket:
        """A datagram socket bound to address; OSError when it cannot be.

        >>> from grove.server import DatagramServer
        >>> sock = DatagramServer.get_listener(("127.0.0.1", 0))
        >>> sock.getsockname()[0]
        '127.0.0.1'
        >>> sock.close()
        """
        sock = socket.socket(
            socket.AF_INET if family is None else family, socket.SOCK_DGRAM
        )
        try:
            if cls.reuse_addr is not None:
                sock.setsockopt(
                    socket.SOL_SOCKET, socket.SO_REUSEADDR, cls.reuse_addr
                )
            sock.bind(address)
        except BaseException:
            sock.close()
            raise
        return sock

    def do_read(self) -> tuple[bytes, Any]:
        """Wait for a datagram: its bytes and the sender's address.

        >>> from grove.server import DatagramServer
        >>> server = DatagramServer(("127.0.0.1", 0), print)
        >>> server.init_socket()
        >>> server.sendto(b"to itself", server.address)
        9
        >>> server.do_read()[0]
        b'to itself'
        >>> server.close()
        """
        return self.socket.recvfrom(self.max_size)

    def sendto(self, *args: Any) -> int:
        """As the socket's sendto.

        >>> from grove import socket
        >>> from grove.server import DatagramServer
        >>> def answer(data, address):
        ...     server.sendto(data.upper(), address)
        >>> server = DatagramServer(("127.0.0.1", 0), answer)
        >>> server.start()
        >>> client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        >>> client.sendto(b"hello", server.address)
        5
        >>> client.recv(100)
        b'HELLO'
        >>> client.close(), server.stop()
        (None, None)
        """
        return self._socket.sendto(*args)
