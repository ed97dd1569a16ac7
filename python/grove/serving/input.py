"""The body of a request, as a WSGI application reads it."""

import re
from collections.abc import Callable
from typing import Any

#: Bytes of the longest request line and of the longest header.
MAX_REQUEST_LINE = 8192
#: What is read and dropped of a body that the application did not read, so that
#: the connection can be used again; with more to come it is closed.
MAX_DISCARD = 1 << 20

_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}\Z")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class InvalidClientInput(OSError):
    """The body of a request breaks off or makes no sense."""


class Input:
    """wsgi.input: what the request's body has left to read."""

    def __init__(
        self,
        rfile: Any,
        content_length: int | None,
        socket: Any = None,
        chunked_input: bool = False,
    ) -> None:
        """
        Args:
            rfile: the connection, for reading.
            content_length: bytes of the body; None is no body unless chunked.
            socket: where to say "100 Continue" before the first read; None: the
                client does not wait for that.
            chunked_input: the body comes in chunks, content_length is not
                looked at.
        """
        self.rfile = rfile
        self.chunked_input = chunked_input
        self.socket = socket
        #: Bytes that can be read before the next chunk, or the end.
        self._left = 0 if chunked_input else (content_length or 0)
        self._ended = not chunked_input and not self._left
        self._first_chunk = True

    def _send_100_continue(self) -> None:
        if self.socket is not None:
            sock, self.socket = self.socket, None
            sock.sendall(_CONTINUE)

    def _next_chunk(self) -> None:
        """Read the line before a chunk; the trailer after the last."""
        if not self._first_chunk and self.rfile.readline(3) != b"\r\n":
            raise InvalidClientInput("no line end after a chunk")
        self._first_chunk = False
        line = self.rfile.readline(MAX_REQUEST_LINE)
        size = line.partition(b";")[0].strip()
        if not line.endswith(b"\r\n") or not _CHUNK_SIZE.match(size):
            raise InvalidClientInput(f"not a chunk's size: {line[:32]!r}")
        self._left = int(size, 16)
        if self._left == 0:
            self._ended = True
            while (line := self.rfile.readline(MAX_REQUEST_LINE)) != b"\r\n":
                if not line.endswith(b"\r\n"):
                    raise InvalidClientInput("the trailer breaks off")

    def _some(self, read: Callable[[int], bytes], size: int) -> bytes:
        """read() of what is left, at most size bytes; b"" at the end."""
        if self._ended or size == 0:
            return b""
        self._send_100_continue()
        if not self._left:
            self._next_chunk()
            if self._ended:
                return b""
        data = read(self._left if size < 0 else min(size, self._left))
        if not data:
            raise InvalidClientInput("the body breaks off")
        self._left -= len(data)
        if not self._left and not self.chunked_input:
            self._ended = True
        return data

    def read(self, length: int | None = None) -> bytes:
        """length bytes, fewer only at the end; all when None or negative."""
        left = -1 if length is None else length
        parts = []
        while left and (data := self._some(self.rfile.read, left)):
            parts.append(data)
            if left > 0:
                left -= len(data)
        return b"".join(parts)

    def readline(self, size: int | None = None) -> bytes:
        """A line with its end, at most size bytes of it."""
        left = -1 if size is None else size
        parts = []
        while left and (data := self._some(self.rfile.readline, left)):
            parts.append(data)
            if data.endswith(b"\n"):
                break
            if left > 0:
                left -= len(data)
        return b"".join(parts)

    def readlines(self, hint: int | None = None) -> list[bytes]:
        """All lines."""
        return list(self)

    def __iter__(self) -> "Input":
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    next = __next__

    def _discard(self) -> bool:
        """Read what is left. False: too much, or the client holds it back."""
        if self._ended:
            return True
        if self.socket is not None:
            return False
        total = 0
        while total <= MAX_DISCARD:
            data = self._some(self.rfile.read, 16384)
            if not data:
                return True
            total += len(data)
        return False
