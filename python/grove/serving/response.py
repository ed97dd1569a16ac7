"""Writing a response: status, headers, and the body as it comes."""

import re
import time
from collections.abc import Callable
from email.utils import formatdate
from http.client import responses
from typing import Any

__all__ = ["ResponseWriter", "error_response", "format_date_time", "status_line"]

_BAD_IN_HEADER = re.compile(rb"[\x00\r\n]")


def format_date_time(timestamp: float) -> str:
    """timestamp, in seconds since the epoch, as HTTP writes dates."""
    return formatdate(timestamp, usegmt=True)


def status_line(code: int) -> str:
    """code with its reason."""
    return f"{code} {responses[code]}"


def error_response(code: int) -> tuple[bytes, bytes]:
    """The status of an error, and all bytes of the response that tells of it."""
    status = status_line(code)
    body = status.partition(" ")[2].encode()
    head = (
        f"HTTP/1.1 {status}\r\nConnection: close\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return status.encode(), head.encode() + body


def _encoded(text: Any, what: str) -> bytes:
    """A status or header in bytes; it must not end the line it is on."""
    if not isinstance(text, str):
        kind = type(text).__name__
        raise TypeError(f"The {what} must be a str, not {kind}: {text!r}")
    octets = text.encode("latin-1")
    if _BAD_IN_HEADER.search(octets):
        raise ValueError(f"a line end in a {what}: {text!r}")
    return octets


class ResponseWriter:
    """The part of a handler that writes responses."""

    # What it wants of the handler that it is a part of.
    socket: Any
    command: str | None
    request_version: str | None

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
    #: What the application returned, until it is sent.
    result: Any = None

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
