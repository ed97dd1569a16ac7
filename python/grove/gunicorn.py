"""A worker for gunicorn that serves by pywsgi, whose requests are compiled.

    gunicorn -k grove.gunicorn.Worker module:application
    gunicorn -c python:grove.gunicorn module:application

gunicorn knows short names of its own workers only; once this module is imported,
by a configuration file or as one, `-k grove` is another. The process is gunicorn's:
its settings, signals, restarts, logs and hooks are as with its other workers. In
the worker the standard library is patched and `gevent` means Grove.
"""

import os
import sys
import time
from datetime import timedelta
from typing import Any

from gunicorn import SERVER_SOFTWARE  # type: ignore[import]
from gunicorn.http.wsgi import base_environ  # type: ignore[import]
from gunicorn.workers import SUPPORTED_WORKERS  # type: ignore[import]
from gunicorn.workers.base import Worker as _Worker  # type: ignore[import]

from grove import monkey, socket
from grove._core import Greenlet, sleep
from grove.hub import reinit
from grove.names.aliases import install_as_gevent
from grove.names.versions import grove_version
from grove.pool import Pool
from grove.pywsgi import WSGIHandler, WSGIServer
from grove.serving.server import SPARED
from grove.serving.wrapper import FileWrapper

__all__ = ["Handler", "Server", "Worker"]

#: What gunicorn looks up of -k, and what this module is as a configuration.
worker_class = "grove.gunicorn.Worker"

SUPPORTED_WORKERS["grove"] = worker_class


class _Response:
    """A response as gunicorn's log wants it."""

    def __init__(self, handler: WSGIHandler) -> None:
        self.status = handler._orig_status or handler.status
        self.headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in handler.response_headers or []
        ]
        self.sent = handler.response_length


class Handler(WSGIHandler):
    """Serves one connection of a worker, without a log."""

    server: "Server"

    @property
    def max_request_line(self) -> int:  # type: ignore[override]
        """What limit_request_line says, or limit_request_field_size."""
        cfg = self.server.worker.cfg
        return max(cfg.limit_request_line, cfg.limit_request_field_size) or 65536

    def get_environ(self) -> dict[str, Any]:
        env = super().get_environ()
        if not self.server.worker.cfg.keepalive:
            self.close_connection = True
        env["RAW_URI"] = self.path
        env["gunicorn.socket"] = env["gunicorn.sock"] = self.socket
        if self.server.schemes and self._is_trusted():
            for name, value in self.server.schemes:
                if env.get(name) == value:
                    env["wsgi.url_scheme"] = "https"
        if self.server.prefix:
            env["SCRIPT_NAME"] = self.server.prefix
            env["PATH_INFO"] = env["PATH_INFO"].removeprefix(self.server.prefix)
        return env

    def _is_trusted(self) -> bool:
        """Whether the peer may say what it was asked by."""
        trusted = self.server.worker.cfg.forwarded_allow_ips
        peer = self.client_address
        return "*" in trusted or not isinstance(peer, tuple) or peer[0] in trusted


class _NotedHandler(Handler):
    """Likewise, where somebody counts requests or wants to know of them."""

    def handle_one_response(self) -> None:
        worker = self.server.worker
        worker.cfg.pre_request(worker, self._request())
        try:
            super().handle_one_response()
        finally:
            worker.cfg.post_request(
                worker, self._request(), self.environ, _Response(self)
            )
            worker.count_request()
            if not worker.alive:  # type: ignore[has-type]
                self.close_connection = True

    def _request(self) -> "Handler":
        # gunicorn's hooks look at method, path, uri and headers of a request.
        self.method, self.uri = self.command, self.path
        return self


class _LoggedHandler(_NotedHandler):
    """Likewise, with a line in the log for each request."""

    def log_request(self) -> None:
        took = timedelta(seconds=self.time_finish - self.time_start)
        self.server.worker.log.access(
            _Response(self), _Request(self), self.environ or {}, took
        )


class _Request:
    """A request as gunicorn's log wants it."""

    def __init__(self, handler: WSGIHandler) -> None:
        self.headers = handler.headers.items()


class Server(WSGIServer):
    """Serves one of the sockets that gunicorn listens on."""

    def __init__(self, sock: Any, worker: "Worker", **ssl_args: Any) -> None:
        cfg = worker.cfg
        self.worker = worker
        self.prefix = os.environ.get("SCRIPT_NAME", "")
        self.schemes = [
            ("HTTP_" + name.upper().replace("-", "_"), value)
            for name, value in cfg.secure_scheme_headers.items()
        ]
        super().__init__(
            sock,
            worker.wsgi,
            spawn=Pool(worker.worker_connections),
            log=None,
            error_log=worker.log.error_log,
            handler_class=worker.handler_class(),
            environ=self._base(cfg),
            **ssl_args,
        )
        if cfg.keepalive:
            self.idle_timeout = float(cfg.keepalive)

    @staticmethod
    def _base(cfg: Any) -> dict[str, Any]:
        return {
            **base_environ(cfg),
            "wsgi.multithread": True,
            "wsgi.file_wrapper": FileWrapper,
            "SERVER_SOFTWARE": f"{SERVER_SOFTWARE} grove/{grove_version}",
        }


class Worker(_Worker):
    """One process of gunicorn's, with a greenlet for each connection."""

    worker_connections = 1000
    #: Seconds between two signs of life.
    pulse = 1.0

    def init_process(self) -> None:
        """What gunicorn calls in the new process; it returns when that ends."""
        install_as_gevent()
        monkey.patch_all()
        reinit()
        self.worker_connections = self.cfg.worker_connections
        super().init_process()

    def notify(self) -> None:
        """Tell the master that this process lives, unless there is none."""
        super().notify()
        if self.ppid != os.getppid():
            self.log.info("Parent changed, shutting down: %s", self)
            sys.exit(0)

    def handler_class(self) -> type[Handler]:
        """The one that does what the settings ask for, and no more."""
        cfg = self.cfg
        if cfg.accesslog or cfg.logconfig or cfg.logconfig_dict or cfg.syslog:
            return _LoggedHandler
        if cfg.max_requests or self._has_hooks():
            return _NotedHandler
        return Handler

    def _has_hooks(self) -> bool:
        settings = self.cfg.settings
        return any(
            settings[name].get() is not type(settings[name]).default
            for name in ("pre_request", "post_request")
        )

    def count_request(self) -> None:
        """A request was answered; after max_requests of them the process ends."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:  # type: ignore[has-type]
            self.log.info("Autorestarting worker after current request.")
            self.alive = False

    # ---- the process's life --------------------------------------------------

    def run(self) -> None:
        """Serve until gunicorn says that it is enough."""
        servers = [self._start(listener) for listener in self.sockets]
        while self.alive:
            self.notify()
            sleep(self.pulse)
        self._end(servers)

    def _start(self, listener: Any) -> Server:
        ssl_args: dict[str, Any] = {}
        if self.cfg.is_ssl:
            # Each connection has a greenlet that can wait for its handshake, which
            # keepalive is too short for.
            ssl_args = {
                "server_side": True,
                **self.cfg.ssl_options,
                "do_handshake_on_connect": True,
            }
        sock = socket.socket(
            listener.FAMILY, socket.SOCK_STREAM, fileno=os.dup(listener.fileno())
        )
        server = Server(sock, self, **ssl_args)
        server.start()
        return server

    def _end(self, servers: list[Server]) -> None:
        """Let requests that are under way end, as long as graceful_timeout says."""
        for server in servers:
            server.close()
        begun = time.monotonic()
        while any(server.busy for server in servers):
            spent = time.monotonic() - begun
            for server in servers:
                server.drain(spare_new=spent < SPARED)
            if spent >= self.cfg.graceful_timeout:
                self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
                break
            self.notify()
            sleep(0.05)
        for server in servers:
            server.stop(timeout=1)

    def handle_quit(self, sig: Any, frame: Any) -> None:
        """SIGQUIT: end at once. Not in the signal's handler, which cannot wait."""
        Greenlet.spawn(super().handle_quit, sig, frame)

    def handle_usr1(self, sig: Any, frame: Any) -> None:
        """SIGUSR1: open the logs anew."""
        Greenlet.spawn(super().handle_usr1, sig, frame)
