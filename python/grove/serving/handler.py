"""A connection's handler: what is rare in it, and what programs override.

What every request goes through is compiled (python/src/wsgi); it calls the methods
here, and those that a subclass has of its own.
"""

import errno
import os
import stat
import sys
import time
from contextlib import suppress
from io import BytesIO
from typing import Any

from grove import _core, socket
from grove.serving.headers import Headers
from grove.serving.input import MAX_DISCARD, MAX_REQUEST_LINE, InvalidClientInput
from grove.serving.responses import error_answer, error_response
from grove.serving.wrapper import reads_its_descriptor
from grove.timeout import Timeout

__all__ = ["Handler", "InvalidClientRequest"]

#: Seconds that a connection is read on after its last response.
LINGER = 2.0

_GONE = (errno.EPIPE, errno.ECONNRESET, errno.EBADF, errno.ENOTCONN)


#: What a file goes by that is sent piece by piece; the system's call is for those
#: that leave all of these as they are.
_SENDING = ("finalize_headers", "write", "_write", "_write_with_headers", "_sendall")

#: The attributes that are the compiled type's.
_COMPILED = {n for n, v in vars(_core.HTTPHandler).items() if hasattr(v, "__set__")}


class InvalidClientRequest(ValueError):
    """A request that cannot be parsed."""

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.formatted_message = message
        self.code = code


class Handler(_core.HTTPHandler):
    """Serves one connection."""

    protocol_version = "HTTP/1.1"
    ignored_socket_errors = _GONE
    #: What the application's mistakes are raised as.
    ApplicationError = AssertionError

    #: Bytes of the longest line of a request's head.
    max_request_line: int = MAX_REQUEST_LINE

    #: What a subclass has its attributes begin with.
    _begin_with: dict[str, Any] = {}

    def __init_subclass__(cls, **more: Any) -> None:
        """Attributes of requests and responses are compiled: a value that a subclass
        gives one is what its instances begin with, and does not hide it."""
        super().__init_subclass__(**more)
        values = {
            name: value
            for name, value in vars(cls).items()
            if name in _COMPILED and not hasattr(value, "__get__")
        }
        cls._begin_with = {**cls._begin_with, **values}
        for name in values:
            delattr(cls, name)

    def __init__(self, sock: Any, address: Any, server: Any, rfile: Any = None) -> None:
        """
        Args:
            sock: the connection.
            address: its peer's.
            server: whose application it calls.
            rfile: what requests are read from instead of sock.
        """
        # The descriptor of a socket of ours is read and written as it is.
        raw = sock._sock if type(sock) is socket.socket else None
        # Another one, of TLS, waits in its methods.
        paced = raw is None and isinstance(sock, socket.socket) and sock.timeout is None
        if rfile is None:
            rfile = _core.HTTPReader(sock, raw, paced)
        self._begin(sock, raw, address, server, rfile, paced)
        for name, value in self._begin_with.items():
            setattr(self, name, value)

    def handle(self) -> None:
        """Answer requests until the connection ends.

        >>> class Telling(WSGIHandler):
        ...     def handle(self):
        ...         super().handle()
        ...         print("the connection ends")
        >>> ask(Telling)[-1]
        the connection ends
        'hello'
        """
        try:
            answer = self._serve()
            if answer is not None:
                self._answer(*answer)
        except OSError as error:
            if error.errno not in self.ignored_socket_errors:
                raise
        finally:
            self._close()

    def _answer(self, status: Any, response: bytes) -> None:
        """Send an error that is all bytes of a response, and log it."""
        self.status = status
        with Timeout(self._write_timeout, TimeoutError("timed out")):
            self.socket.sendall(response)
        if not self.time_finish:
            self.time_finish = time.time()
        self.log_request()
        self._linger()

    @property
    def _write_timeout(self) -> float | None:
        """The server's, which may be of another kind and have none."""
        return getattr(self.server, "write_timeout", None)

    def _linger(self) -> None:
        """Read on for a while: what is closed with bytes unread is reset, and what
        was sent last may never be seen by that."""
        sock, total = self.socket, 0
        if type(sock) is not socket.socket:
            return
        with Timeout(LINGER, False):
            sock.shutdown(socket.SHUT_WR)
            while total < MAX_DISCARD and (data := sock.recv(65536)):
                total += len(data)

    def _close(self) -> None:
        # The server closes the socket.
        self.socket = self.wsgi_input = None
        rfile, self.rfile = self.rfile, None
        if rfile is not None:
            rfile.close()

    # ---- reading, where a subclass does ------------------------------------

    def read_requestline(self) -> str:
        """The request's first line; "" when there is none.

        >>> class Telling(WSGIHandler):
        ...     def read_requestline(self):
        ...         line = super().read_requestline()
        ...         print(repr(line))
        ...         return line
        >>> ask(Telling)[-1]
        'GET / HTTP/1.0\\r\\n'
        'hello'
        """
        line = self.rfile.readline(self.max_request_line + 1)
        if line == b"\r\n":  # left behind by some clients after a body
            line = self.rfile.readline(self.max_request_line + 1)
        return line.decode("latin-1")

    def read_request(self, raw_requestline: str) -> bool:
        """Read the headers behind the request line, and take both apart.

        Sets command, path, request_version, headers, content_length and
        close_connection.

        Args:
            raw_requestline: the line with its end.

        Returns:
            True.

        Raises:
            ValueError: it is no request.

        >>> class Telling(WSGIHandler):
        ...     def read_request(self, raw_requestline):
        ...         taken = super().read_request(raw_requestline)
        ...         print(self.command, self.path, self.request_version)
        ...         return taken
        >>> ask(Telling)[-1]
        GET / HTTP/1.0
        'hello'
        """
        self.requestline = raw_requestline.rstrip("\r\n")
        lines = [raw_requestline.encode("latin-1")]
        size = 0
        while lines[-1] not in (b"\r\n", b"\n", b"") and size <= 65536:
            lines.append(self.rfile.readline(self.max_request_line + 1))
            size += len(lines[-1])
        refused = self._take_head(b"".join(lines))
        if refused:
            raise self._invalid(*refused)
        if type(self).MessageClass is not Handler.MessageClass:
            self.headers = self.MessageClass(BytesIO(b"".join(lines[1:])), 0)
        return True

    def MessageClass(self, fp: Any, *args: Any) -> Headers:
        """What holds the headers that fp, a file, has.

        >>> class Telling(WSGIHandler):
        ...     def MessageClass(self, fp, *args):
        ...         print(fp.read())
        ...         fp.seek(0)
        ...         return super().MessageClass(fp, *args)
        >>> ask(Telling)[-1]
        b'\\r\\n'
        'hello'
        """
        return Headers.read(fp)

    def _headers_of(self, pairs: list[tuple[str, str]]) -> Headers:
        return Headers.of(pairs)

    def _read_by_methods(self) -> Any:
        """Read a request, a part of which is there, by the methods that a subclass
        may have.

        Returns True; None: the connection has ended; or (status, bytes): an error
        to send before it does.
        """
        limit = getattr(self.server, "head_timeout", None)
        try:
            with Timeout(limit, self._invalid(408, "the head did not come in time")):
                return self._read_head_by_methods()
        except InvalidClientRequest as error:
            return self._handle_client_error(error)

    def _read_head_by_methods(self) -> Any:
        try:
            line = self.read_requestline()
        except OSError as error:
            if isinstance(error, TimeoutError):
                return None
            if error.errno not in self.ignored_socket_errors:
                raise
            return None
        if not line:
            return None
        if isinstance(line, bytes):
            line = line.decode("latin-1")
        self.requestline = line
        if len(line) > self.max_request_line:
            return error_answer(414)
        try:
            if not self.read_request(line):
                return error_answer(400)
        except Exception as error:
            return self._handle_client_error(error)
        return True

    # ---- errors --------------------------------------------------------------

    def _invalid(self, code: int, why: str) -> InvalidClientRequest:
        # gevent's words, where it has some.
        if code == 505:
            why = f"Invalid http version: {self.requestline!r}"
        elif code == 501 or code != 408 and len(self.requestline.split()) != 3:
            why = f"Invalid HTTP method: {self.requestline!r}"
        else:
            why = f"Invalid request: {why}"
        return InvalidClientRequest(why, code)

    def _refuse(self, code: int, why: str) -> tuple[str, bytes]:
        """The request that has come is not taken."""
        if code == 414:
            return error_answer(414)
        return self._handle_client_error(self._invalid(code, why))

    def _handle_client_error(self, error: BaseException) -> tuple[str, bytes]:
        """What is answered to a request that raised error when it was read."""
        if isinstance(error, InvalidClientRequest):
            self.log_error(error.formatted_message)
        else:
            self.log_error("Invalid request: %s", str(error) or type(error).__name__)
        if not isinstance(error, ValueError):
            self._report(error)
        return error_answer(getattr(error, "code", 400))

    def _failed(self, error: BaseException) -> None:
        """error was raised while the response was made or sent."""
        if isinstance(error, InvalidClientInput):
            self._send_error_response_if_possible(error.code)
        elif isinstance(error, OSError) and self._is_the_peers(error):
            self.close_connection = True
        else:
            self.handle_error(type(error), error, error.__traceback__)

    def _is_the_peers(self, error: OSError) -> bool:
        """Whether it has gone, or takes nothing; TLS has errors of its own for that."""
        unsent = self.code is not None and self.code < 0
        return unsent or error.errno in self.ignored_socket_errors

    def _report(self, error: BaseException) -> None:
        self._log_error(type(error), error, error.__traceback__)

    def _log_error(self, kind: Any, value: Any, tb: Any) -> None:
        """Have the Hub report an error, with the environment it befell."""
        if issubclass(kind, _core.GreenletExit):
            return
        context = self.environ or {}
        if not isinstance(context, self.server.secure_environ_class):
            context = self.server.secure_environ_class(context)
        self.server.loop.handle_error(context, kind, value, tb)

    def handle_error(self, kind: Any, value: Any, tb: Any) -> None:
        """The application failed: report it, and answer 500 if that can be.

        >>> def broken(environ, start_response):
        ...     raise ValueError("no page")
        >>> class Telling(WSGIHandler):
        ...     def handle_error(self, kind, value, tb):
        ...         print("failed:", value)
        ...         super().handle_error(kind, value, tb)
        >>> ask(Telling, broken)[0]
        failed: no page
        'HTTP/1.1 500 Internal Server Error'
        """
        self._log_error(kind, value, tb)
        self._send_error_response_if_possible(500)

    def _send_error_response_if_possible(self, code: int) -> None:
        self.close_connection = True
        if self.response_length or self.headers_sent and not self.code:
            return
        self.headers_sent = False
        self.result = None
        status, headers, body = error_response(code)
        try:
            self.start_response(status, headers)
            self.write(body)
        except OSError:
            pass  # nobody is there to read it

    # ---- bodies ----------------------------------------------------------------

    def _drop_body(self) -> None:
        """Read what the application did not read of the request."""
        body = self.wsgi_input
        all_read = False
        # What comes on a connection that ends is waited for no longer than its end.
        patience = LINGER if self.close_connection else None
        with suppress(OSError), Timeout(patience, False):
            all_read = body is None or body._discard()
        if not all_read:
            self.close_connection = True
            self._linger()

    def _send_file(self, wrapper: Any) -> None:
        """Send a FileWrapper: a regular file by the system, others piece by piece."""
        left = self._file_size(wrapper.filelike)
        if left is None:
            self._write_each(wrapper)
            return
        if self.provided_content_length is not None:
            left = min(left, int(self.provided_content_length))
        self._send_head(left)
        if self.command == "HEAD" or not left:
            return
        file, sock = wrapper.filelike, self.socket
        before = sock.timeout
        sock.timeout = self._write_timeout if before is None else before
        try:
            self._count_body(sock.sendfile(file, file.tell(), left))
        except OSError as error:
            self._note_failure(error)
            raise
        finally:
            sock.timeout = before

    def _file_size(self, file: Any) -> int | None:
        """Bytes that the system can send of file; None: it is to be read, as those of
        /proc are, which have no size."""
        if self.status is None or self.headers_sent or self.code in (204, 304):
            return None
        if type(self.socket) is not socket.socket or self._overrides_sending():
            return None
        if not reads_its_descriptor(file):
            return None
        try:
            found = os.fstat(file.fileno())
            left = max(0, found.st_size - file.tell())
        except (OSError, ValueError):
            return None
        known = found.st_size and stat.S_ISREG(found.st_mode)
        return left if known else None

    def _overrides_sending(self) -> bool:
        return any(getattr(type(self), n) is not getattr(Handler, n) for n in _SENDING)

    # ---- logs --------------------------------------------------------------------

    def log_error(self, msg: str, *args: Any) -> None:
        """Write msg % args to the server's error log, with the connection.

        >>> class Telling(WSGIHandler):
        ...     def log_error(self, msg, *args):
        ...         print(msg % args)
        ...     def handle_one_response(self):
        ...         self.log_error("%s is asked for", self.path)
        ...         super().handle_one_response()
        >>> ask(Telling)[-1]
        / is asked for
        'hello'
        """
        try:
            text = msg % args if args else msg
        except Exception:
            text = f"{msg!r} {args!r}"
        try:
            self.server.error_log.write(f"{self.socket}: {text}\n")
        except Exception:
            sys.excepthook(*sys.exc_info())

    def format_request(self) -> str:
        """The line of the log.

        >>> class Brief(WSGIHandler):
        ...     def format_request(self):
        ...         return f"{self.requestline}: {self.code}"
        >>> ask(Brief, log=sys.stdout)[-1]
        GET / HTTP/1.0: 200
        'hello'
        """
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        took = f"{self.time_finish - self.time_start:.6f}" if self.time_finish else "-"
        client = self.client_address
        if isinstance(client, tuple):
            client = client[0]
        status = self._orig_status or self.status or "000"
        if isinstance(status, bytes):
            status = status.decode("latin-1")
        return (
            f'{client or "-"} - - [{now}] "{self.requestline or ""}" '
            f'{status.split()[0]} {self.response_length or "-"} {took}'
        )

    def log_request(self) -> None:
        """Write a line to the server's log.

        >>> class Quiet(WSGIHandler):
        ...     def log_request(self):
        ...         pass
        >>> ask(Quiet, log=sys.stdout)[-1]
        'hello'
        """
        self.server.log.write(self.format_request() + "\n")
