"""A process that serves, of python3 -m grove.serve."""

import math
import os
import signal
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

from grove import socket
from grove._core import sleep
from grove.event import Event
from grove.hubs.signals import signal_handler
from grove.names.aliases import install_as_gevent
from grove.pool import Pool
from grove.serving.access_log import AccessLog
from grove.serving.handler import Handler
from grove.serving.processes import BOOT_FAILED, say
from grove.serving.server import SPARED, Server
from grove.serving.metrics import Metrics
from grove.serving.static import Static

__all__ = ["Worker"]

#: Seconds between two looks whether the process that looks after this one lives.
PULSE = 1.0


class NotThere(Exception):
    """There is no application by the name that was given."""


def load(text: str) -> Callable:
    """The application that MODULE:NAME, or MODULE:NAME() of a function, stands for.

    Raises NotThere, and what the application's own code raises.
    """
    module, _, name = text.partition(":")
    found = _module(module)
    called = name.endswith("()")
    for part in (name.removesuffix("()") or "application").split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise NotThere(str(error)) from None
    application = found() if called else found
    if not callable(application):
        raise NotThere(f"{application!r} is no application: it cannot be called")
    return application


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if not f"{name}.".startswith(f"{error.name}."):
            raise  # one that the application wants
        raise NotThere(str(error)) from None


class Worker:
    """Serves on sockets until it is told to end, or nobody looks after it."""

    def __init__(
        self, options: Any, sockets: list[Any], parent: int, tell: int
    ) -> None:
        """
        Args:
            options: what parse() of options.py returns.
            sockets: the standard library's, which listen.
            parent: the process that looks after this one.
            tell: where to write that it serves.
        """
        self._tell = tell
        self.options = options
        self.sockets = sockets
        self.parent = parent
        self._ending = Event()
        self._asgi_loop: Any = None

    def run(self) -> int:
        """What the process is to exit with: 0, or BOOT_FAILED with the application's
        error on standard error."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells what to do
        try:
            log = self._open_log()
        except OSError as error:
            say(f"cannot open the access log: {error}")
            return BOOT_FAILED
        # Signals that came since the fork are taken from here on.
        signal_handler(signal.SIGTERM, self._ending.set)
        signal_handler(signal.SIGUSR1, log.reopen if log else lambda: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        try:
            application = self._load()
        except NotThere as error:
            say(f"cannot import {self.options.application}: {error}")
            return BOOT_FAILED
        except Exception:
            traceback.print_exc()
            say(f"cannot import {self.options.application}")
            return BOOT_FAILED
        try:
            tls = self._tls()
        except (OSError, ValueError) as error:  # ssl.SSLError is one
            files = [self.options.certfile, self.options.keyfile]
            say(f"cannot serve over TLS by {' and '.join(filter(None, files))}: {error}")
            return BOOT_FAILED
        servers = [self._serve(sock, application, log, tls) for sock in self.sockets]
        os.write(self._tell, b"!")
        os.close(self._tell)
        os.kill(self.parent, signal.SIGUSR2)
        while not self._ending.wait(PULSE):
            if os.getppid() != self.parent:
                break
        self._end(servers)
        if log:
            log.close()
        return 0

    def _open_log(self) -> AccessLog | None:
        path = self.options.access_log
        return AccessLog(path) if path else None

    def _load(self) -> Callable:
        install_as_gevent()
        if self.options.patch:
            # The room stands below it.
            import_module("grove.monkey").patch_all()
        application = load(self.options.application)
        if self.options.asgi:
            self._asgi_loop = import_module("grove.serving.asgi_loop").Loop(application)
            self._asgi_loop.start()
        if self.options.static:
            application = Static(self.options.static, application)
        if self.options.metrics:
            application = Metrics(self.options.metrics, application)
        return application

    def _serve(
        self, sock: Any, application: Callable, log: AccessLog | None, tls: dict
    ) -> Server:
        listener = socket.socket(
            sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno())
        )
        server = _Server(
            listener,
            application,
            spawn=Pool(self.options.connections),
            log=None,
            handler_class=self._handler_class(log),
            environ={
                "wsgi.multiprocess": self.options.workers > 1,
                "wsgi.multithread": True,
            },
            **tls,
        )
        server.access_log = log
        server.asgi_loop = self._asgi_loop
        server.line = self.options.line
        for name in ("idle", "head", "body", "write"):
            setattr(server, f"{name}_timeout", getattr(self.options, f"{name}_timeout"))
        server.start()
        return server

    def _handler_class(self, log: AccessLog | None) -> type[Handler]:
        found: type[Handler] = _LoggedHandler if log else _Handler
        if self._asgi_loop is None:
            return found
        asgi = import_module("grove.serving.asgi").AsgiHandler
        return type("AsgiHandler", (found, asgi), {})

    def _tls(self) -> dict[str, Any]:
        if not self.options.certfile:
            return {}
        ssl = import_module("grove.ssl")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.options.certfile, self.options.keyfile)
        return {"ssl_context": context}

    def _end(self, servers: list[Server]) -> None:
        """Requests that are under way are answered; no other ones are taken."""
        for server in servers:
            server.close()
        patience = self.options.graceful_timeout or math.inf
        begun = time.monotonic()
        while any(server.busy for server in servers):
            spent = time.monotonic() - begun
            for server in servers:
                server.drain(spare_new=spent < SPARED)
            if spent >= patience:
                say("ending though requests are under way")
                break
            sleep(0.02)
        if self._asgi_loop is not None:
            left = begun + patience - time.monotonic()
            self._asgi_loop.stop(max(1.0, left) if left < math.inf else None)


class _Server(Server):
    access_log: AccessLog | None = None
    asgi_loop: Any = None
    line = 8192

    def set_max_accept(self) -> None:
        """Each process has a socket of its own: it need not leave any to others."""


class _Handler(Handler):
    server: _Server

    @property
    def max_request_line(self) -> int:  # type: ignore[override]
        return self.server.line


class _LoggedHandler(_Handler):
    def log_request(self) -> None:
        self.server.access_log.write(self)  # type: ignore[union-attr]
