"""The module ssl, with sockets that let other greenlets run while they wait.

SSLSocket wraps one of this package's sockets; contexts are the standard ones
but for the sockets they make.
"""

import errno
import ssl as _stdlib
import time as _time
from collections.abc import Callable
from typing import Any

import _ssl
from grove import _core
from grove.socket import (
    SO_TYPE,
    SOCK_STREAM,
    SOL_SOCKET,
    create_connection,
    socket,
    timeout_default,
)
from grove.socket import timeout as _socket_timeout
from grove.stdlib.rebind import rebound

__implements__ = ["SSLContext", "SSLSocket", "get_server_certificate"]
if hasattr(_stdlib, "wrap_socket"):
    __implements__.append("wrap_socket")
__extensions__: list[str] = []
__imports__ = [
    name
    for name in dir(_stdlib)
    if not name.startswith("__") and name not in (*__implements__, "create_connection")
]
globals().update(
    {
        name: getattr(_stdlib, name)
        for name in __imports__
        if name not in ("socket", "_ssl")
    }
)
__all__ = [
    *__implements__,
    *(n for n in __imports__ if not n.startswith("_") and n != "socket"),
]

_StdContext = _stdlib.SSLContext
_CContext = _ssl._SSLContext


def _setting(name: str) -> property:
    """A property read as the standard class reads it.

    Its own setters look themselves up by the name SSLContext in the module,
    which is this class once that is patched.
    """
    theirs = getattr(_StdContext, name)
    ours = getattr(_CContext, name)
    return property(theirs.fget, lambda self, value: ours.__set__(self, value))


class _ContextType(type):
    """Once the module ssl is patched, a standard context is as good as ours."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or (
            cls is SSLContext
            and _StdContext.sslsocket_class is SSLSocket
            and isinstance(instance, _StdContext)
        )


class SSLContext(_StdContext, metaclass=_ContextType):
    """A standard context whose wrap_socket makes cooperative sockets.

    >>> from grove import ssl
    >>> context = ssl.create_default_context()
    >>> isinstance(context, ssl.SSLContext), context.check_hostname
    (True, True)
    """

    options = _setting("options")
    verify_flags = _setting("verify_flags")
    verify_mode = _setting("verify_mode")
    maximum_version = _setting("maximum_version")
    _minimum = _setting("minimum_version")

    @property
    def minimum_version(self) -> _stdlib.TLSVersion:
        """The lowest version of TLS that is accepted."""
        return self._minimum

    @minimum_version.setter
    def minimum_version(self, value: Any) -> None:
        if value == _stdlib.TLSVersion.SSLv3:
            self.options &= ~_stdlib.Options.OP_NO_SSLv3
        self._minimum = value

    def wrap_socket(
        self,
        sock: socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | None = None,
        session: Any = None,
    ) -> "SSLSocket":
        """As the standard class's.

        >>> import grove
        >>> from grove import socket
        >>> a, b = socket.socketpair()
        >>> accepting = grove.spawn(server_context.wrap_socket, b, server_side=True)
        >>> client = client_context.wrap_socket(a, server_hostname="localhost")
        >>> server = accepting.get()
        >>> client.sendall(b"hello")
        >>> server.recv(100)
        b'hello'
        >>> client.close(), server.close()
        (None, None)
        """
        return self.sslsocket_class._create(
            sock,
            server_side,
            do_handshake_on_connect,
            suppress_ragged_eofs,
            server_hostname,
            context=self,
            session=session,
        )


#: Those of its attributes that a standard context is to have once it is patched.
_SETTINGS = [
    "_minimum",
    "maximum_version",
    "minimum_version",
    "options",
    "verify_flags",
    "verify_mode",
]

if hasattr(_StdContext, "_msg_callback"):
    _std_callback = _StdContext._msg_callback
    SSLContext._msg_callback = property(
        _std_callback.fget,
        lambda self, value: _with_module_name(_std_callback.fset, self, value),
    )
    _SETTINGS.append("_msg_callback")


def _gevent_did_monkey_patch(target: Any, items: list[str], warn: Any) -> None:
    """Other modules may have the standard class, and contexts: these make our
    sockets from now on, and their setters find themselves."""
    if "SSLContext" not in items:
        return
    for name in _SETTINGS:
        setattr(_StdContext, name, SSLContext.__dict__[name])
    _StdContext.sslsocket_class = SSLSocket


def _with_module_name(setter: Callable, context: SSLContext, value: Any) -> None:
    """Call a standard setter that looks for SSLContext in its module."""
    patched, _stdlib.SSLContext = _stdlib.SSLContext, _StdContext
    try:
        setter(context, value)
    finally:
        _stdlib.SSLContext = patched


class SSLSocket(socket):
    """A TLS connection, or a listener of them; made by SSLContext.wrap_socket.

    In the examples here server_context and client_context are contexts, the server's
    with a certificate for localhost, and server and client the ends of a connection
    that they made.

    >>> client.sendall(b"hello")
    >>> server.recv(100)
    b'hello'
    >>> client.close(), server.close()
    (None, None)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise TypeError(
            f"{type(self).__name__} does not have a public constructor. "
            "Instances are returned by SSLContext.wrap_socket()."
        )

    @classmethod
    def _create(
        cls,
        sock: Any,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | None = None,
        context: SSLContext | None = None,
        session: Any = None,
    ) -> "SSLSocket":
        if sock.getsockopt(SOL_SOCKET, SO_TYPE) != SOCK_STREAM:
            raise NotImplementedError("only stream sockets are supported")
        if server_side and server_hostname:
            raise ValueError("server_hostname can only be specified in client mode")
        if server_side and session is not None:
            raise ValueError("session can only be specified in client mode")
        if context.check_hostname and not server_hostname:
            raise ValueError("check_hostname requires server_hostname")
        connected = _is_connected(sock)
        timeout = sock.gettimeout()
        if connected and do_handshake_on_connect and timeout == 0.0:
            raise ValueError(
                "do_handshake_on_connect should not be specified for "
                "non-blocking sockets"
            )
        self = cls.__new__(cls)
        family, kind, proto = sock.family, sock.type, sock.proto
        socket.__init__(self, family, kind, proto, sock.detach())
        self.timeout = timeout
        self._context = context
        self._session = session
        self._sslobj = None
        self.server_side = server_side
        self.server_hostname = context._encode_hostname(server_hostname)
        self.do_handshake_on_connect = do_handshake_on_connect
        self.suppress_ragged_eofs = suppress_ragged_eofs
        self._connected = connected
        if connected:
            self._begin()
        else:
            self._refuse_early_data()
        return self

    def _refuse_early_data(self) -> None:
        """The peer may be gone and have left data that no handshake vouches for."""
        try:
            data = self._sock.recv(1)
        except OSError as error:
            if error.errno in (errno.ENOTCONN, errno.EINVAL, errno.EAGAIN):
                return
            raise
        if data:
            self.close()
            raise _early_data()

    def _make_tls(self) -> None:
        """TLS from now on."""
        self._sslobj = self._context._wrap_socket(
            self._sock,
            self.server_side,
            self.server_hostname,
            owner=self,
            session=self._session,
        )

    def _begin(self) -> None:
        """The connection stands: TLS on top of it, unless that is there."""
        try:
            if self._sslobj is None:
                self._make_tls()
            if self.do_handshake_on_connect:
                self.do_handshake()
        except BaseException:
            self._sslobj = None
            self.close()
            raise

    def _repeat(
        self, what: str, timeout: Any, function: Callable, *args: Any
    ) -> Any:
        """function(*args), waiting while TLS wants to read or write.

        Args:
            what: for the message when the time is up.
            timeout: seconds; timeout_default is the socket's own.
        """
        if timeout is timeout_default:
            timeout = self.timeout
        end = None
        while True:
            try:
                return function(*args)
            except _stdlib.SSLWantReadError:
                if timeout == 0.0:
                    raise
                wait = _core.wait_read
            except _stdlib.SSLWantWriteError:
                if timeout == 0.0:
                    raise
                wait = _core.wait_write
            if timeout is not None:
                end = end or _time.monotonic() + timeout
                timeout = max(end - _time.monotonic(), 1e-9)
            wait(self.fileno(), timeout, _socket_timeout(what))

    # What TLS knows.

    @property
    def context(self) -> SSLContext:
        """The context; another may be given while the handshake goes on."""
        return self._context

    @context.setter
    def context(self, context: SSLContext) -> None:
        self._context = context
        self._sslobj.context = context

    @property
    def session(self) -> Any:
        """The session, for resuming it later; None when there is none."""
        return self._sslobj.session if self._sslobj is not None else None

    @session.setter
    def session(self, session: Any) -> None:
        self._session = session
        if self._sslobj is not None:
            self._sslobj.session = session

    @property
    def session_reused(self) -> bool | None:
        """Whether the session was resumed; None before the handshake."""
        return self._sslobj.session_reused if self._sslobj is not None else None

    def _checked(self) -> Any:
        """What knows TLS, of a connection; OSError ENOTCONN of another."""
        if not self._connected and not self._closed:
            self.getpeername()
        return self._wrapper()

    def _wrapper(self) -> Any:
        if self._sslobj is None:
            raise ValueError("No SSL wrapper around " + str(self))
        return self._sslobj

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The peer's certificate, as the standard class's.

        >>> client.getpeercert()["subject"]
        ((('commonName', 'localhost'),),)
        >>> server.getpeercert() is None
        True
        >>> client.close(), server.close()
        (None, None)
        """
        return self._checked().getpeercert(binary_form)

    def get_verified_chain(self) -> list:
        """As the standard class's.

        >>> len(client.get_verified_chain())
        1
        >>> client.close(), server.close()
        (None, None)
        """
        return list(self._checked().get_verified_chain() or ())

    def get_unverified_chain(self) -> list:
        """As the standard class's.

        >>> len(client.get_unverified_chain())
        1
        >>> client.close(), server.close()
        (None, None)
        """
        return list(self._checked().get_unverified_chain() or ())

    def selected_npn_protocol(self) -> None:
        """None: NPN is no more.

        >>> client.selected_npn_protocol() is None
        True
        >>> client.close(), server.close()
        (None, None)
        """

    def selected_alpn_protocol(self) -> str | None:
        """The protocol agreed on by ALPN.

        >>> client.selected_alpn_protocol() is None
        True
        >>> client.close(), server.close()
        (None, None)
        """
        return self._sslobj.selected_alpn_protocol() if self._sslobj else None

    def cipher(self) -> tuple | None:
        """(name, protocol, bits) of the cipher.

        >>> name, protocol, bits = client.cipher()
        >>> bits >= 128
        True
        >>> client.close(), server.close()
        (None, None)
        """
        return self._sslobj.cipher() if self._sslobj else None

    def shared_ciphers(self) -> list | None:
        """What both sides can do.

        >>> server.cipher()[0] in [name for name, *_ in server.shared_ciphers()]
        True
        >>> client.close(), server.close()
        (None, None)
        """
        return self._sslobj.shared_ciphers() if self._sslobj else None

    def compression(self) -> str | None:
        """The compression.

        >>> client.compression() is None
        True
        >>> client.close(), server.close()
        (None, None)
        """
        return self._sslobj.compression() if self._sslobj else None

    def version(self) -> str | None:
        """The version of TLS.

        >>> client.version()
        'TLSv1.3'
        >>> client.close(), server.close()
        (None, None)
        """
        return self._sslobj.version() if self._sslobj else None

    def pending(self) -> int:
        """Bytes that can be read without waiting.

        >>> server.sendall(b"hello")
        >>> client.recv(1), client.pending()
        (b'h', 4)
        >>> client.close(), server.close()
        (None, None)
        """
        return self._sslobj.pending() if self._sslobj else 0

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """As the standard class's.

        >>> client.get_channel_binding() == server.get_channel_binding()
        True
        >>> client.close(), server.close()
        (None, None)
        """
        if cb_type not in _stdlib.CHANNEL_BINDING_TYPES:
            raise ValueError(f"{cb_type} channel binding type not implemented")
        return self._sslobj.get_channel_binding(cb_type) if self._sslobj else None

    def verify_client_post_handshake(self) -> Any:
        """As the standard class's.

        >>> from grove import ssl
        >>> try:
        ...     server.verify_client_post_handshake()
        ... except ssl.SSLError as error:
        ...     print(error.reason)
        EXTENSION_NOT_RECEIVED
        >>> client.close(), server.close()
        (None, None)
        """
        return self._checked().verify_client_post_handshake()

    # Birth and end.

    def do_handshake(self, block: bool = False) -> None:
        """Make the handshake.

        Args:
            block: wait even if the socket's time-out is 0.

        >>> import grove
        >>> from grove import socket
        >>> a, b = socket.socketpair()
        >>> accepting = grove.spawn(server_context.wrap_socket, b, server_side=True)
        >>> client = client_context.wrap_socket(
        ...     a, server_hostname="localhost", do_handshake_on_connect=False
        ... )
        >>> client.do_handshake()
        >>> client.close(), accepting.get().close()
        (None, None)
        """
        timeout = self.timeout
        if timeout == 0.0 and block:
            timeout = None
        self._repeat(
            "The handshake operation timed out", timeout, self._checked().do_handshake
        )

    def dup(self) -> "SSLSocket":
        """Not there: one TLS connection has one state.

        >>> try:
        ...     client.dup()
        ... except NotImplementedError:
        ...     print("one connection, one socket")
        one connection, one socket
        >>> client.close(), server.close()
        (None, None)
        """
        raise NotImplementedError(f"Can't dup() {type(self).__name__} instances")

    def _connect_tls(self, address: Any, connect: Callable) -> Any:
        if self.server_side:
            raise ValueError("can't connect in server-side mode")
        if self._connected or self._sslobj is not None:
            raise ValueError("attempt to connect already-connected SSLSocket!")
        # Before it is connected, so that who does not want to wait can make the
        # handshake once it is.
        self._make_tls()
        try:
            error = connect(address)
        except BaseException:
            self._sslobj = None
            raise
        if not error:
            self._connected = True
            self._begin()
        return error

    def connect(self, addr: Any) -> None:
        """Connect, and make the handshake.

        >>> from grove import server, socket
        >>> def greet(sock, address):
        ...     sock.sendall(b"hello")
        >>> greeter = server.StreamServer(
        ...     ("127.0.0.1", 0), greet, ssl_context=server_context
        ... )
        >>> greeter.start()
        >>> sock = socket.socket()
        >>> sock = client_context.wrap_socket(sock, server_hostname="localhost")
        >>> sock.connect(greeter.address)
        >>> sock.recv(100)
        b'hello'
        >>> sock.close(), greeter.stop()
        (None, None)
        """
        self._connect_tls(addr, super().connect)

    def connect_ex(self, addr: Any) -> int:
        """As connect, but returns the connection's error number.

        >>> import errno
        >>> from grove import socket
        >>> with socket.socket() as closed:
        ...     closed.bind(("127.0.0.1", 0))
        ...     sock = socket.socket()
        ...     sock = client_context.wrap_socket(sock, server_hostname="localhost")
        ...     errno.errorcode[sock.connect_ex(closed.getsockname())]
        'ECONNREFUSED'
        >>> sock.close()
        """
        return self._connect_tls(addr, super().connect_ex)

    def accept(self) -> tuple["SSLSocket", Any]:
        """Wait for a connection, and make the handshake.

        >>> import grove
        >>> from grove import socket
        >>> listener = socket.create_server(("127.0.0.1", 0))
        >>> listener = server_context.wrap_socket(listener, server_side=True)
        >>> accepting = grove.spawn(listener.accept)
        >>> sock = socket.create_connection(listener.getsockname())
        >>> sock = client_context.wrap_socket(sock, server_hostname="localhost")
        >>> accepted, address = accepting.get()
        >>> accepted.version() == sock.version()
        True
        >>> accepted.close(), sock.close(), listener.close()
        (None, None, None)
        """
        plain, address = super().accept()
        try:
            tls = self._context.wrap_socket(
                plain,
                do_handshake_on_connect=self.do_handshake_on_connect,
                suppress_ragged_eofs=self.suppress_ragged_eofs,
                server_side=True,
            )
        except BaseException:
            plain.close()
            raise
        return tls, address

    def unwrap(self) -> socket:
        """End TLS in order; this socket, which is plain from then on.

        >>> import grove
        >>> ending = grove.spawn(server.unwrap)
        >>> plain = client.unwrap()
        >>> ending.get().sendall(b"in clear")
        >>> plain.recv(100)
        b'in clear'
        >>> client.close(), server.close()
        (None, None)
        """
        self._repeat(
            "The read operation timed out", timeout_default, self._wrapper().shutdown
        )
        self._sslobj = None
        return self

    def shutdown(self, how: int) -> None:
        """Shut the connection down, without a word of TLS.

        >>> from grove import socket
        >>> client.shutdown(socket.SHUT_WR)
        >>> client.version() is None
        True
        >>> client.close(), server.close()
        (None, None)
        """
        self._sslobj = None
        super().shutdown(how)

    def detach(self) -> int:
        """Give up the descriptor, and TLS with it; see socket.detach.

        >>> import os
        >>> os.close(client.detach())
        >>> client.fileno(), server.close()
        (-1, None)
        """
        self._sslobj = None
        return super().detach()

    def _real_close(self) -> None:
        self._sslobj = None
        super()._real_close()

    # Receiving and sending.

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Up to len bytes: returned, or put into buffer, and then how many.

        >>> server.sendall(b"hello")
        >>> client.read(100)
        b'hello'
        >>> client.close(), server.close()
        (None, None)
        """
        tls = self._sslobj
        if tls is None:
            raise ValueError("Read on closed or unwrapped SSL socket.")
        args = (len,) if buffer is None else (len, buffer)
        try:
            return self._repeat(
                "The read operation timed out", timeout_default, tls.read, *args
            )
        except _stdlib.SSLError as error:
            if error.args[0] == _stdlib.SSL_ERROR_EOF and self.suppress_ragged_eofs:
                return b"" if buffer is None else 0
            raise

    def write(self, data: Any, timeout: Any = timeout_default) -> int:
        """Send some of data; how many bytes. For timeout see send.

        >>> client.write(b"hello")
        5
        >>> client.close(), server.close()
        (None, None)
        """
        tls = self._sslobj
        if tls is None:
            raise ValueError("Write on closed or unwrapped SSL socket.")
        return self._repeat("The write operation timed out", timeout, tls.write, data)

    def _no_flags(self, flags: int, name: str) -> None:
        if flags:
            raise ValueError(f"non-zero flags not allowed in calls to {name}()")

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Up to buflen bytes; b"" at the end of the stream.

        >>> server.sendall(b"hello")
        >>> client.recv(100)
        b'hello'
        >>> client.close(), server.close()
        (None, None)
        """
        if self._sslobj is None:
            return super().recv(buflen, flags)
        self._no_flags(flags, "recv")
        return self.read(buflen)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Up to nbytes into buffer; how many.

        >>> server.sendall(b"hello")
        >>> buffer = bytearray(8)
        >>> client.recv_into(buffer), bytes(buffer)
        (5, b'hello\\x00\\x00\\x00')
        >>> client.close(), server.close()
        (None, None)
        """
        if self._sslobj is None:
            return super().recv_into(buffer, nbytes or 0, flags)
        self._no_flags(flags, "recv_into")
        if not nbytes:
            nbytes = memoryview(buffer).nbytes or 1024
        return self.read(nbytes, buffer)

    def send(self, data: Any, flags: int = 0, timeout: Any = timeout_default) -> int:
        """Send some of data; how many bytes.

        Args:
            timeout: seconds, None or 0, instead of the socket's own.

        >>> client.send(b"hello")
        5
        >>> client.close(), server.close()
        (None, None)
        """
        if self._sslobj is None:
            return super().send(data, flags, timeout)
        self._no_flags(flags, "send")
        return self.write(data, timeout)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of data.

        >>> client.sendall(b"hello")
        >>> server.recv(100)
        b'hello'
        >>> client.close(), server.close()
        (None, None)
        """
        if self._sslobj is None:
            super().sendall(data, flags)
            return
        self._no_flags(flags, "sendall")
        with memoryview(data) as view, view.cast("B") as octets:
            sent = 0
            while sent < len(octets):
                sent += self.write(octets[sent:])

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """As the standard class's.

        >>> import tempfile
        >>> with tempfile.TemporaryFile() as file:
        ...     _ = file.write(b"hello")
        ...     _ = file.seek(0)
        ...     client.sendfile(file)
        5
        >>> server.recv(100)
        b'hello'
        >>> client.close(), server.close()
        (None, None)
        """
        if self._sslobj is None:
            return super().sendfile(file, offset, count)
        return self._sendfile_use_send(file, offset, count)

    def _only_plain(self, name: str) -> None:
        if self._sslobj is not None:
            raise ValueError(f"{name} not allowed on instances of {type(self)}")

    def recvfrom(self, *args: Any) -> Any:
        """ValueError, on a TLS connection.

        >>> client.recvfrom(100)
        Traceback (most recent call last):
            ...
        ValueError: recvfrom not allowed ...
        >>> client.close(), server.close()
        (None, None)
        """
        self._only_plain("recvfrom")
        return super().recvfrom(*args)

    def recvfrom_into(self, *args: Any) -> Any:
        """ValueError, on a TLS connection.

        >>> client.recvfrom_into(bytearray(100))
        Traceback (most recent call last):
            ...
        ValueError: recvfrom_into not allowed ...
        >>> client.close(), server.close()
        (None, None)
        """
        self._only_plain("recvfrom_into")
        return super().recvfrom_into(*args)

    def sendto(self, *args: Any) -> Any:
        """ValueError, on a TLS connection.

        >>> client.sendto(b"hello", ("127.0.0.1", 9))
        Traceback (most recent call last):
            ...
        ValueError: sendto not allowed ...
        >>> client.close(), server.close()
        (None, None)
        """
        self._only_plain("sendto")
        return super().sendto(*args)

    def recvmsg(self, *args: Any, **kwargs: Any) -> Any:
        """NotImplementedError.

        >>> client.recvmsg(100)
        Traceback (most recent call last):
            ...
        NotImplementedError: recvmsg not allowed ...
        >>> client.close(), server.close()
        (None, None)
        """
        raise NotImplementedError(f"recvmsg not allowed on {type(self)}")

    recvmsg_into = recvmsg
    sendmsg = recvmsg


SSLContext.sslsocket_class = SSLSocket


def _early_data() -> _stdlib.SSLError:
    """What came before the handshake, and with it the end; with the attributes of
    the module's own errors."""
    reason = "Closed before TLS handshake with data in recv buffer."
    error = _stdlib.SSLError(errno.ENOTCONN, reason)
    error.reason = reason
    error.library = None
    return error


def _is_connected(sock: Any) -> bool:
    try:
        sock.getpeername()
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise
        return False
    return True


def wrap_socket(
    sock: socket,
    keyfile: Any = None,
    certfile: Any = None,
    server_side: bool = False,
    cert_reqs: Any = _stdlib.CERT_NONE,
    ssl_version: Any = None,
    ca_certs: Any = None,
    do_handshake_on_connect: bool = True,
    suppress_ragged_eofs: bool = True,
    ciphers: str | None = None,
) -> SSLSocket:
    """As ssl.wrap_socket, which newer versions of Python no longer have.

    >>> from grove import socket, ssl
    >>> with ssl.wrap_socket(socket.socket()) as sock:
    ...     isinstance(sock, ssl.SSLSocket)
    True
    """
    if server_side and not certfile:
        raise ValueError("certfile must be specified for server-side operations")
    if keyfile and not certfile:
        raise ValueError("certfile must be specified")
    if ssl_version is None:
        ssl_version = (
            _stdlib.PROTOCOL_TLS_SERVER if server_side else _stdlib.PROTOCOL_TLS_CLIENT
        )
    context = SSLContext(ssl_version)
    context.check_hostname = False
    context.verify_mode = cert_reqs
    if ca_certs:
        context.load_verify_locations(ca_certs)
    if certfile:
        context.load_cert_chain(certfile, keyfile)
    if ciphers:
        context.set_ciphers(ciphers)
    return context.wrap_socket(
        sock,
        server_side=server_side,
        do_handshake_on_connect=do_handshake_on_connect,
        suppress_ragged_eofs=suppress_ragged_eofs,
    )


create_default_context = rebound(_stdlib.create_default_context, globals())
_create_unverified_context = rebound(_stdlib._create_unverified_context, globals())
_create_stdlib_context = _create_unverified_context
_create_default_https_context = create_default_context
get_server_certificate = rebound(_stdlib.get_server_certificate, globals())
