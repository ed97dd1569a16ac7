"""A WSGI server: HTTP/1.0 and 1.1 on StreamServer.

A connection is read by one greenlet, request after request. Messages that are
ambiguous (both Content-Length and Transfer-Encoding, folded headers, blanks
before a colon) are refused, as a proxy in front might read them differently.
"""

import errno
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http.client import HTTPMessage, responses
from traceback import format_exception
from typing import Any
from urllib.parse import unquote_to_bytes

from grove import socket
from grove._core import get_hub
from grove.server import StreamServer
from grove.wsgi.input import MAX_REQUEST_LINE, Input, _InvalidClientInput

__all__ = [
    "Environ",
    "LoggingLogAdapter",
    "SecureEnviron",
    "WSGIHandler",
    "WSGISecureEnviron",
    "WSGIServer",
]

MAX_HEADERS = 128

_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*\Z", re.S)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_BAD_IN_HEADER = re.compile(rb"[\x00\r\n]")

_GONE = (errno.EPIPE, errno.ECONNRESET, errno.EBADF, errno.ENOTCONN)


def format_date_time(timestamp: float) -> str:
    """timestamp, in seconds since the epoch, as HTTP writes dates."""
    return formatdate(timestamp, usegmt=True)


def _status_line(code: int, reason: str | None = None) -> str:
    return f"{code} {reason or responses[code]}"


class _BadRequest(Exception):
    """A request that is answered by an error, and is the connection's last."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


# ---- the environment -------------------------------------------------------


class Environ(dict):
    """The WSGI environment of a request."""

    __slots__ = ()


class SecureEnviron(Environ):
    """An environment that prints only what is listed as harmless."""

    default_secure_repr = True
    default_whitelist_keys: tuple[str, ...] = ()
    default_print_masked_keys = True

    def __repr__(self) -> str:
        if not self.default_secure_repr:
            return dict.__repr__(self)
        shown = {
            k: v if k in self.default_whitelist_keys else "<MASKED>"
            for k, v in self.items()
            if self.default_print_masked_keys or k in self.default_whitelist_keys
        }
        return repr(shown)

    __str__ = __repr__


class WSGISecureEnviron(SecureEnviron):
    """That of requests: what tells nothing of their senders."""

    default_whitelist_keys = (
        "wsgi.errors",
        "wsgi.multiprocess",
        "wsgi.multithread",
        "wsgi.run_once",
        "wsgi.url_scheme",
        "wsgi.version",
    )


# ---- logs ------------------------------------------------------------------


class LoggingLogAdapter:
    """A logger as a stream: what is written is logged at a level."""

    def __init__(self, logger: Any, level: int = logging.INFO) -> None:
        self._logger = logger
        self._level = level

    def write(self, message: str) -> None:
        """Log message."""
        self._logger.log(self._level, message.rstrip())

    def writelines(self, lines: Iterable[str]) -> None:
        """Log each of lines."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing: a logger sees to that."""

    def isatty(self) -> bool:
        """False."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logger, name)


class _NoopLog:
    """A stream that drops everything."""

    def write(self, *args: Any) -> None:
        """Nothing."""

    writelines = flush = write

    def isatty(self) -> bool:
        """False."""
        return False


def _log_stream(log: Any, level: int = logging.INFO) -> Any:
    if log is None:
        return _NoopLog()
    if not hasattr(log, "write") and hasattr(log, "log"):
        return LoggingLogAdapter(log, level)
    return log


# ---- a connection ----------------------------------------------------------


class WSGIHandler:
    """Serves one connection. Every method may be overridden."""

    protocol_version = "HTTP/1.1"
    MessageClass = HTTPMessage
    ignored_socket_errors = _GONE
    #: What the application raised.
    ApplicationError = AssertionError

    status: bytes | None = None
    code: int | None = None
    response_headers: list[tuple[bytes, bytes]] | None = None
    headers_sent = False
    close_connection = False
    connection_upgraded = False
    response_use_chunked = False
    provided_date: bytes | None = None
    provided_content_length: bytes | None = None
    response_length = 0
    content_length: int | None = None
    requestline: str | None = None
    command: str | None = None
    path: str = ""
    request_version: str | None = None
    time_start = 0.0
    time_finish = 0.0
    result: Any = None

    def __init__(
        self, sock: Any, address: Any, server: "WSGIServer", rfile: Any = None
    ) -> None:
        self.socket = sock
        self.client_address = address
        self.server = server
        self.rfile = sock.makefile("rb", -1) if rfile is None else rfile

    def handle(self) -> None:
        """Answer requests until the connection ends."""
        try:
            while self.socket is not None:
                self.time_start = time.time()
                self.time_finish = 0
                result = self.handle_one_request()
                if result is None:
                    break
                if result is True:
                    continue
                self.status, body = result
                self.socket.sendall(body)
                self.time_finish = time.time()
                self.log_request()
                break
        except OSError as error:
            if error.errno not in self.ignored_socket_errors:
                raise
        finally:
            self._close()

    def _close(self) -> None:
        # The server closes the socket.
        self.socket = None
        rfile, self.rfile = self.rfile, None
        if rfile is not None:
            rfile.close()

    # Reading a request.

    def read_requestline(self) -> bytes:
        """The request's first line; b"" when there is none."""
        line = self.rfile.readline(MAX_REQUEST_LINE + 1)
        if line == b"\r\n":  # left behind by some clients after a body
            line = self.rfile.readline(MAX_REQUEST_LINE + 1)
        return line

    def read_request(self, raw_requestline: str) -> bool | None:
        """Take the request line apart and read the headers.

        Returns True; raises _BadRequest.
        """
        self.requestline = raw_requestline.rstrip("\r\n")
        words = self.requestline.split(" ")
        if len(words) == 3 and all(words):
            self.command, self.path, self.request_version = words
        else:
            raise _BadRequest(400, f"not a request line: {self.requestline!r}")
        if not _TOKEN.match(self.command):
            raise _BadRequest(400, f"not a method: {self.command!r}")
        if self.request_version not in ("HTTP/1.0", "HTTP/1.1"):
            wrong = re.match(r"HTTP/\d\.\d\Z", self.request_version)
            raise _BadRequest(505 if wrong else 400, "not a version that is spoken")
        self.headers = self._read_headers()
        self._frame_body()
        self.close_connection = self._client_closes()
        return True

    def _read_headers(self) -> HTTPMessage:
        headers = self.MessageClass()
        for _ in range(MAX_HEADERS + 1):
            line = self.rfile.readline(MAX_REQUEST_LINE + 1)
            if line in (b"\r\n", b"\n"):
                return headers
            if len(line) > MAX_REQUEST_LINE:
                raise _BadRequest(431, "a header is too long")
            if not line.endswith(b"\n"):
                raise _BadRequest(400, "the headers break off")
            match = _HEADER.match(line.rstrip(b"\r\n"))
            if not match or b"\0" in line or b"\r" in match[2]:
                raise _BadRequest(400, f"not a header: {line[:64]!r}")
            headers[match[1].decode("latin-1")] = match[2].decode("latin-1")
        raise _BadRequest(431, "too many headers")

    def _frame_body(self) -> None:
        """How the body is told from the next request."""
        lengths = {v.strip() for v in self.headers.get_all("Content-Length", [])}
        codings = self.headers.get_all("Transfer-Encoding", [])
        self.content_length = None
        self._chunked_request = bool(codings)
        if codings:
            if lengths:
                raise _BadRequest(400, "both Content-Length and Transfer-Encoding")
            if [c.strip().lower() for c in codings] != ["chunked"]:
                raise _BadRequest(501, f"a coding that is not known: {codings}")
            if self.request_version == "HTTP/1.0":
                raise _BadRequest(400, "chunks in HTTP/1.0")
        elif lengths:
            length = lengths.pop()
            if lengths or not (length.isascii() and length.isdigit()):
                raise _BadRequest(400, "not a Content-Length")
            self.content_length = int(length)
        if self.request_version == "HTTP/1.1":
            if len(self.headers.get_all("Host", [])) != 1:
                raise _BadRequest(400, "HTTP/1.1 wants one Host")

    def _client_closes(self) -> bool:
        connection = ",".join(self.headers.get_all("Connection", [])).lower()
        options = {option.strip() for option in connection.split(",")}
        if self.request_version == "HTTP/1.0":
            return "keep-alive" not in options
        return "close" in options

    def handle_one_request(self) -> Any:
        """Read a request and answer it.

        Returns True: more may come; None: the connection ends; or (status,
        bytes): an error to send before it ends.
        """
        if self.rfile.closed:
            return None
        try:
            raw = self.read_requestline()
        except OSError as error:
            if error.errno not in self.ignored_socket_errors:
                raise
            return None
        if not raw:
            return None
        self.requestline = raw.decode("latin-1").rstrip("\r\n")
        self.response_length = 0
        self.headers_sent = False
        try:
            if len(raw) > MAX_REQUEST_LINE:
                raise _BadRequest(414, "the request line is too long")
            if not raw.endswith(b"\n"):
                raise _BadRequest(400, "the request line breaks off")
            if not self.read_request(raw.decode("latin-1")):
                return self._error_response(400)
        except _BadRequest as error:
            self.log_error("%s: %s", _status_line(error.code), error)
            return self._error_response(error.code)
        self.environ = self.get_environ()
        self.application = self.server.application
        self.handle_one_response()
        if self.close_connection or self.connection_upgraded or self.rfile is None:
            return None
        return True

    def _error_response(self, code: int) -> tuple[bytes, bytes]:
        status = _status_line(code)
        body = status.partition(" ")[2].encode()
        head = (
            f"HTTP/1.1 {status}\r\nConnection: close\r\n"
            f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.close_connection = True
        self.response_length = len(head) + len(body)
        return status.encode(), head.encode() + body

    # The environment.

    def get_environ(self) -> dict[str, Any]:
        """The WSGI environment of the request."""
        env = self.server.get_environ()
        path, _, query = self.path.partition("?")
        if path.startswith(("http://", "https://")):  # as to a proxy
            path = "/" + path.partition("//")[2].partition("/")[2]
        env.update(
            REQUEST_METHOD=self.command,
            SCRIPT_NAME="",
            PATH_INFO=unquote_to_bytes(path).decode("latin-1"),
            QUERY_STRING=query,
            SERVER_PROTOCOL=self.request_version,
        )
        if isinstance(self.client_address, tuple):
            env["REMOTE_ADDR"] = self.client_address[0]
            env["REMOTE_PORT"] = str(self.client_address[1])
        self._add_headers(env)
        waits = self.headers.get("Expect", "").lower() == "100-continue"
        self.wsgi_input = Input(
            self.rfile,
            self.content_length,
            socket=self.socket
            if waits and self.request_version == "HTTP/1.1"
            else None,
            chunked_input=self._chunked_request,
        )
        env["wsgi.input"] = self.wsgi_input
        if self._chunked_request:
            env["wsgi.input_terminated"] = True
        return env

    def _add_headers(self, env: dict[str, Any]) -> None:
        for name, value in self.headers.items():
            if "_" in name:
                continue  # could stand for the same name with a hyphen
            key = name.upper().replace("-", "_")
            if key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                env[key] = value
                continue
            key = "HTTP_" + key
            if key in env:
                value = env[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
            env[key] = value

    # The response.

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """The application's: the status and headers; returns write."""
        if exc_info:
            try:
                if self.headers_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status is not None:
            raise AssertionError("start_response was called before")
        encoded = [(_encoded(k, "header"), _encoded(v, "header")) for k, v in headers]
        self.status = _encoded(status, "status")
        self.code = int(status.split(" ", 1)[0])
        self.response_headers = encoded
        self.provided_date = self.provided_content_length = None
        for name, value in encoded:
            lower = name.lower()
            if lower == b"connection":
                self.close_connection |= value.lower() == b"close"
                self.connection_upgraded = value.lower() == b"upgrade"
            elif lower == b"date":
                self.provided_date = value
            elif lower == b"content-length":
                self.provided_content_length = value
        return self.write

    def _has_body(self) -> bool:
        return not (self.code in (204, 304) or 100 <= (self.code or 0) < 200)

    def finalize_headers(self) -> None:
        """Add the headers that the application left to the server."""
        add = self.response_headers.append
        if self.provided_date is None:
            add((b"Date", format_date_time(time.time()).encode()))
        self.response_use_chunked = False
        if self._has_body() and self.provided_content_length is None:
            if self._whole_length is not None:
                self.provided_content_length = str(self._whole_length).encode()
                add((b"Content-Length", self.provided_content_length))
            elif self.request_version == "HTTP/1.1" and not self.connection_upgraded:
                self.response_use_chunked = True
                add((b"Transfer-Encoding", b"chunked"))
            else:
                self.close_connection = True
        if not any(name.lower() == b"connection" for name, _ in self.response_headers):
            if self.close_connection:
                add((b"Connection", b"close"))
            elif self.request_version == "HTTP/1.0":
                add((b"Connection", b"keep-alive"))

    #: Bytes of a body that is known before the first is sent.
    _whole_length: int | None = None

    def _sendall(self, data: bytes) -> None:
        """Send bytes of the response."""
        self.socket.sendall(data)
        self.response_length += len(data)

    def _head(self) -> bytes:
        self.finalize_headers()
        lines = [b"HTTP/1.1 " + self.status]
        lines += [name + b": " + value for name, value in self.response_headers]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _write(self, data: bytes) -> None:
        head = b""
        if not self.headers_sent:
            head = self._head()
            self.headers_sent = True
        if self.command == "HEAD" or not self._has_body():
            data = b""
        elif self.response_use_chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if head or data:
            self._sendall(head + data)

    def write(self, data: bytes) -> None:
        """Send a part of the body, after the headers."""
        if self.status is None:
            raise AssertionError("The application did not call start_response()")
        self._write(data)

    def process_result(self) -> None:
        """Send what the application returned."""
        if (
            isinstance(self.result, (list, tuple))
            and len(self.result) <= 1
            and not self.headers_sent
        ):
            self._whole_length = sum(map(len, self.result))
        for data in self.result:
            if data:
                self.write(data)
        if self.status is not None and not self.headers_sent:
            self.write(b"")
        if self.status is None:
            raise AssertionError("The application did not call start_response()")
        if self.response_use_chunked and self.command != "HEAD":
            self._sendall(b"0\r\n\r\n")

    def run_application(self) -> None:
        """Call the application and send what it returns."""
        self.result = self.application(self.environ, self.start_response)
        self.process_result()

    def handle_one_response(self) -> None:
        """Answer the request that was read."""
        self.time_start = time.time()
        self.status = self.code = self.response_headers = None
        self.headers_sent = self.response_use_chunked = False
        self.connection_upgraded = False
        self._whole_length = None
        self.response_length = 0
        try:
            try:
                self.run_application()
            finally:
                self._close_result()
            if not self.connection_upgraded and not self.wsgi_input._discard():
                self.close_connection = True
        except _InvalidClientInput as error:
            self._handle_client_error(error)
        except OSError as error:
            if error.errno not in self.ignored_socket_errors:
                self.handle_error(*sys.exc_info())
            self.close_connection = True
        except Exception:
            self.handle_error(*sys.exc_info())
        finally:
            self.time_finish = time.time()
            self.log_request()

    def _close_result(self) -> None:
        result, self.result = self.result, None
        if hasattr(result, "close"):
            result.close()

    # Errors and logs.

    def _send_error_response_if_possible(self, code: int) -> None:
        self.close_connection = True
        if self.headers_sent:
            return
        self.status, data = self._error_response(code)
        self.headers_sent = True
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # nobody is there to read it

    def _handle_client_error(self, error: BaseException) -> None:
        self.log_error("%s", error)
        self._send_error_response_if_possible(400)

    def handle_error(self, kind: Any, value: Any, tb: Any) -> None:
        """The application failed: report it, and answer 500 if that can be."""
        if not issubclass(kind, get_hub().NOT_ERROR):
            self.server.error_log.write("".join(format_exception(kind, value, tb)))
            self.server.error_log.write(
                f"{self.format_request()} failed with {kind.__name__}\n"
            )
        self._send_error_response_if_possible(500)

    def log_error(self, message: str, *args: Any) -> None:
        """Write message % args to the server's error log."""
        text = message % args if args else message
        self.server.error_log.write(f"{self.client_address} {text}\n")

    def format_request(self) -> str:
        """The line of the log."""
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        took = f"{self.time_finish - self.time_start:.6f}" if self.time_finish else "-"
        client = self.client_address
        if isinstance(client, tuple):
            client = client[0]
        status = self.status.decode("latin-1") if self.status else "000"
        return (
            f'{client or "-"} - - [{now}] "{self.requestline or ""}" '
            f'{status.split(" ")[0]} {self.response_length or "-"} {took}'
        )

    def log_request(self) -> None:
        """Write a line to the server's log."""
        self.server.log.write(self.format_request() + "\n")


def _encoded(text: Any, what: str) -> bytes:
    """A status or header in bytes; it must not end the line it is on."""
    if not isinstance(text, str):
        kind = type(text).__name__
        raise TypeError(f"The {what} must be a str, not {kind}: {text!r}")
    octets = text.encode("latin-1")
    if _BAD_IN_HEADER.search(octets):
        raise ValueError(f"a line end in a {what}: {text!r}")
    return octets


# ---- the server ------------------------------------------------------------


class WSGIServer(StreamServer):
    """Serves a WSGI application over HTTP."""

    handler_class = WSGIHandler
    environ_class = Environ
    secure_environ_class = WSGISecureEnviron
    backlog = 256

    base_env = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": "grove",
        "SCRIPT_NAME": "",
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }

    def __init__(
        self,
        listener: Any,
        application: Callable | None = None,
        backlog: int | None = None,
        spawn: Any = "default",
        log: Any = "default",
        error_log: Any = "default",
        handler_class: type[WSGIHandler] | None = None,
        environ: dict[str, Any] | None = None,
        **ssl_args: Any,
    ) -> None:
        """As StreamServer.

        Args:
            application: the WSGI application.
            log: where requests are told of: a stream, a logger, or None;
                standard error by default.
            error_log: the same for errors.
            handler_class: instead of WSGIHandler.
            environ: more for each request's environment.
        """
        super().__init__(listener, backlog=backlog, spawn=spawn, **ssl_args)
        if application is not None:
            self.application = application
        if handler_class is not None:
            self.handler_class = handler_class
        self.log = _log_stream(sys.stderr if log == "default" else log)
        self.error_log = _log_stream(
            sys.stderr if error_log == "default" else error_log, logging.ERROR
        )
        self.set_environ(environ)
        self.set_max_accept()

    def set_environ(self, environ: dict[str, Any] | None = None) -> None:
        """Have every request's environment contain environ."""
        self.environ = self.environ_class(self.base_env)
        self.environ["wsgi.url_scheme"] = "https" if self.ssl_enabled else "http"
        self.environ["wsgi.errors"] = sys.stderr
        self.environ.update(environ or {})

    def set_max_accept(self) -> None:
        """Leave connections to the other processes, where there are any."""
        if self.environ.get("wsgi.multiprocess"):
            self.max_accept = 1

    def get_environ(self) -> Environ:
        """What every request's environment begins with."""
        return self.environ_class(self.environ)

    def init_socket(self) -> None:
        super().init_socket()
        self.update_environ()

    def update_environ(self) -> None:
        """The environment of the address that it is bound to."""
        address = self.address
        if isinstance(address, tuple):
            self.environ.setdefault("SERVER_NAME", _name_of(address[0]))
            self.environ.setdefault("SERVER_PORT", str(address[1]))
        else:
            self.environ.setdefault("SERVER_NAME", "")
            self.environ.setdefault("SERVER_PORT", "")

    def handle(self, sock: Any, address: Any) -> None:
        """Serve one connection."""
        self.handler_class(sock, address, self).handle()


def _name_of(host: str) -> str:
    """The name that a server bound to host goes by."""
    if host in ("", "0.0.0.0", "::"):
        return socket.gethostname()
    return host


def _main(argv: list[str] | None = None) -> None:
    """python -m grove.pywsgi module:application -b address"""
    import argparse
    from importlib import import_module

    parser = argparse.ArgumentParser(prog="python -m grove.pywsgi")
    parser.add_argument("application", help="module:name of the WSGI application")
    parser.add_argument("-b", "--bind", default="127.0.0.1:8000", help="the address")
    options = parser.parse_args(argv)
    module, _, name = options.application.partition(":")
    sys.path.insert(0, "")
    application = getattr(import_module(module), name or "application")
    server = WSGIServer(options.bind, application)
    server.start()
    print(f"Listening on {server.address}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _main()
