"""The server: what its requests have in common."""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from grove import _core, socket
from grove.server import StreamServer
from grove.serving.environ import WSGISecureEnviron
from grove.serving.handler import Handler
from grove.serving.input import Input
from grove.serving.log import NoopLog, log_stream
from grove.serving.wrapper import FileWrapper

__all__ = ["SPARED", "Server"]

#: Seconds for the first request of a connection that was accepted just before its
#: process is to end: it is on its way.
SPARED = 1.0


class Server(StreamServer):
    """Serves a WSGI application over HTTP."""

    handler_class: type[Handler] = Handler
    #: Of each request's environment: a dict, and no subclass, says PEP 3333.
    environ_class: type[dict] = dict
    #: What an environment is reported as when its request fails.
    secure_environ_class = WSGISecureEnviron
    backlog = 256

    #: Seconds until a connection ends that sends no request; None: it stays.
    idle_timeout: float | None = 75.0
    #: Seconds for all of a request's head, once it has begun; then 408.
    head_timeout: float | None = 60.0
    #: Seconds that each read of a body may wait; then 408.
    body_timeout: float | None = 60.0
    #: Seconds that the peer may take nothing of a response; then it is given up.
    write_timeout: float | None = 60.0

    base_env = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": "grove",
        "SCRIPT_NAME": "",
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }

    def __init__(
        self,
        listener: Any,
        application: Callable | None = None,
        backlog: int | None = None,
        spawn: Any = "default",
        log: Any = "default",
        error_log: Any = "default",
        handler_class: type[Handler] | None = None,
        environ: dict[str, Any] | None = None,
        **ssl_args: Any,
    ) -> None:
        """As StreamServer.

        Args:
            application: the WSGI application.
            log: where requests are told of: a stream, a logger, or None;
                standard error by default.
            error_log: the same for errors.
            handler_class: instead of the class's.
            environ: more for each request's environment.
        """
        super().__init__(listener, backlog=backlog, spawn=spawn, **ssl_args)
        self._handlers: set[Handler] = set()
        if application is not None:
            self.application = application
        if handler_class is not None:
            self.handler_class = handler_class
        self.log = log_stream(sys.stderr if log == "default" else log)
        self.error_log = log_stream(
            sys.stderr if error_log == "default" else error_log, logging.ERROR
        )
        self.set_environ(environ)
        self.set_max_accept()

    def set_environ(self, environ: dict[str, Any] | None = None) -> None:
        """Have every request's environment contain environ.

        >>> from grove.pywsgi import WSGIServer
        >>> server = WSGIServer(("127.0.0.1", 0), print)
        >>> server.set_environ({"shop.name": "Ada's"})
        >>> server.get_environ()["shop.name"]
        "Ada's"
        """
        more = getattr(self, "environ", None) if environ is None else environ
        self.environ = self.environ_class(self.base_env)
        self.environ["wsgi.url_scheme"] = "https" if self.ssl_enabled else "http"
        self.environ.update(more or {})
        if self.environ.get("wsgi.errors") is None:
            self.environ["wsgi.errors"] = self.error_log

    def set_max_accept(self) -> None:
        """Leave connections to the other processes, where there are any.

        >>> from grove.pywsgi import WSGIServer
        >>> several = {"wsgi.multiprocess": True}
        >>> server = WSGIServer(("127.0.0.1", 0), print, environ=several)
        >>> server.set_max_accept()
        >>> server.max_accept
        1
        """
        if self.environ.get("wsgi.multiprocess"):
            self.max_accept = 1

    def get_environ(self) -> dict[str, Any]:
        """What every request's environment begins with.

        >>> from grove.pywsgi import WSGIServer
        >>> server = WSGIServer(("127.0.0.1", 0), print)
        >>> server.get_environ()["wsgi.url_scheme"]
        'http'
        """
        return self.environ_class(self.environ)

    def init_socket(self) -> None:
        """As StreamServer; what it accepts sends at once, and the environment has its
        address.

        >>> from grove.pywsgi import WSGIServer
        >>> server = WSGIServer(("127.0.0.1", 0), print)
        >>> server.init_socket()
        >>> server.environ["SERVER_NAME"]
        '127.0.0.1'
        >>> server.stop()
        """
        super().init_socket()
        self._send_at_once()
        self.update_environ()

    def _send_at_once(self) -> None:
        # What it accepts has the option, too: a piece of a response must not wait
        # until the peer has acknowledged the one before.
        if self.socket.family in (socket.AF_INET, socket.AF_INET6):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def update_environ(self) -> None:
        """The environment of the address that it is bound to.

        >>> from grove.pywsgi import WSGIServer
        >>> server = WSGIServer(("127.0.0.1", 0), print)
        >>> server.init_socket()
        >>> server.update_environ()
        >>> server.environ["SERVER_PORT"] == str(server.server_port)
        True
        >>> server.stop()
        """
        address = self.address
        if isinstance(address, tuple):
            self.environ.setdefault("SERVER_NAME", _name_of(address[0]))
            self.environ.setdefault("SERVER_PORT", str(address[1]))
        else:
            self.environ.setdefault("SERVER_NAME", "")
            self.environ.setdefault("SERVER_PORT", "")

    def wrap_socket(self, sock: Any) -> Any:
        """As StreamServer; a handshake is waited for as the head of a request is.

        >>> import grove
        >>> from grove import socket
        >>> from grove.pywsgi import WSGIServer
        >>> server = WSGIServer(("127.0.0.1", 0), print, ssl_context=server_context)
        >>> a, b = socket.socketpair()
        >>> wrapping = grove.spawn(server.wrap_socket, b)
        >>> client = client_context.wrap_socket(a, server_hostname="localhost")
        >>> wrapping.get().version() == client.version()
        True
        """
        if sock.gettimeout() is not None:
            return super().wrap_socket(sock)
        sock.settimeout(self.head_timeout or None)
        tls = super().wrap_socket(sock)
        tls.settimeout(None)
        return tls

    def handle(self, sock: Any, address: Any) -> None:
        """Serve one connection.

        >>> import grove
        >>> from grove.pywsgi import WSGIServer
        >>> class Counting(WSGIServer):
        ...     count = 0
        ...     def handle(self, sock, address):
        ...         self.count += 1
        ...         super().handle(sock, address)
        >>> server = Counting(("127.0.0.1", 0), print)
        >>> server.start()
        >>> grove.socket.create_connection(server.address).close()
        >>> while not server.count:
        ...     grove.sleep(0.001)
        >>> server.stop()
        """
        handler = self.handler_class(sock, address, self)
        if not isinstance(handler, Handler):
            handler.handle()
            return
        self._handlers.add(handler)
        try:
            handler.handle()
        finally:
            self._handlers.discard(handler)

    def drain(self, spare_new: bool = False) -> None:
        """Have each connection end with the request that is under way, and those at
        once that have none.

        New ones are accepted as before: stop_accepting or close is another call.

        Args:
            spare_new: leave those that have not had any request yet, until a call
                without it.

        >>> import grove
        >>> from grove.pywsgi import WSGIServer
        >>> server = WSGIServer(("127.0.0.1", 0), print)
        >>> server.start()
        >>> client = grove.socket.create_connection(server.address)
        >>> while not server.connections:
        ...     grove.sleep(0.001)
        >>> server.drain()
        >>> client.recv(1)
        b''
        >>> server.stop()
        """
        for handler in list(self._handlers):
            if handler._drain(spare_new):
                with suppress(OSError):  # the client was quicker
                    _end_reading(handler.socket)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._handlers)

    @property
    def busy(self) -> bool:
        """Whether there is any connection, accepted ones counted that are still to
        be served, or make their handshake."""
        return bool(self._handlers) or bool(self.pool)


def _end_reading(sock: Any) -> None:
    """What has come to sock can be read, and nothing more will be waited for."""
    if isinstance(sock, socket.socket):
        # Not by the method: that of a TLS socket has it go on without TLS, and a
        # request that has just come would be answered for all to read.
        socket.socket.shutdown(sock, socket.SHUT_RD)
    else:
        sock.shutdown(socket.SHUT_RD)


def _name_of(host: str) -> str:
    """The name that a server bound to host goes by."""
    if host in ("", "0.0.0.0", "::"):
        return socket.gethostname()
    return host


_core._set_wsgi_parts(Handler, Server, Input, NoopLog, FileWrapper)
