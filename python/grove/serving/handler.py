"""A connection: read by one greenlet, request after request, and answered."""

import errno
import sys
import time
from traceback import format_exception
from typing import Any

from grove._core import get_hub
from grove.serving.input import InvalidClientInput
from grove.serving.request import BadRequest, RequestReader
from grove.serving.response import ResponseWriter, error_response, status_line

__all__ = ["Handler"]

_GONE = (errno.EPIPE, errno.ECONNRESET, errno.EBADF, errno.ENOTCONN)


class Handler(RequestReader, ResponseWriter):
    """Serves one connection."""

    protocol_version = "HTTP/1.1"
    ignored_socket_errors = _GONE
    #: What the application raised.
    ApplicationError = AssertionError

    time_start = 0.0
    time_finish = 0.0

    def __init__(self, sock: Any, address: Any, server: Any, rfile: Any = None) -> None:
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
            if len(raw) > self.max_request_line:
                raise BadRequest(414, "the request line is too long")
            if not raw.endswith(b"\n"):
                raise BadRequest(400, "the request line breaks off")
            if not self.read_request(raw.decode("latin-1")):
                return self._error_response(400)
        except BadRequest as error:
            self.log_error("%s: %s", status_line(error.code), error)
            return self._error_response(error.code)
        self.environ = self.get_environ()
        self.application = self.server.application
        self.handle_one_response()
        if self.close_connection or self.connection_upgraded or self.rfile is None:
            return None
        return True

    def _error_response(self, code: int) -> tuple[bytes, bytes]:
        status, response = error_response(code)
        self.close_connection = True
        self.response_length = len(response)
        return status, response

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
        except InvalidClientInput as error:
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
