"""The body of a request, as a WSGI application reads it."""

import re
from collections.abc import Callable
from typing import Any

from grove import _core
from grove.timeout import Timeout

#: Bytes of the longest request line and of the longest header.
MAX_REQUEST_LINE = 8192
#: What is read and dropped of a body that the application did not read, so that
#: the connection can be used again; with more to come it is closed.
MAX_DISCARD = 1 << 20

# RFC 9112, 7.1: a size, and what is said of the chunk, which nobody reads. More
# digits than a size can have, and blanks before the line's end, are refused, as
# others might read them differently.
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n\Z")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n\Z")
#: Trailers of a body; a message has no more headers either.
_TRAILERS = 128
# Bytes of lines before chunks: so many, and more with the data, so that chunks of a
# byte each pass. (Those of src/http/chunked.c.)
_EXCESS = 16384
_EXCESS_A_BYTE = 8
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class InvalidClientInput(OSError):
    """The body of a request breaks off or makes no sense."""

    #: The status that says so.
    code = 400

    def __init__(self, why: str, code: int = 400) -> None:
        super().__init__(why)
        self.code = code


class Input(_core.HTTPBody):
    """wsgi.input: what the request's body has left to read.

    Input(rfile, content_length, socket=None, chunked_input=False): rfile is the
    connection, for reading; a content_length of None is no body, unless it is
    chunked; to socket "100 Continue" is sent before the first read.
    """

    #: What lines before chunks had more than the data behind them is worth.
    _excess = 0

    def _send_100_continue(self) -> None:
        if self.socket is not None and not self._answered:
            sock, self.socket = self.socket, None
            patience = getattr(self.rfile, "patience", None)
            with Timeout(patience, TimeoutError("timed out")):
                sock.sendall(_CONTINUE)

    def _next_chunk(self) -> None:
        """Read the line before a chunk; the trailer after the last."""
        if not self._first_chunk and self.rfile.readline(3) != b"\r\n":
            raise InvalidClientInput("no line end after a chunk")
        self._first_chunk = False
        line = self.rfile.readline(MAX_REQUEST_LINE)
        match = _CHUNK_LINE.match(line)
        if not match:
            raise InvalidClientInput(f"not a chunk's size: {line[:32]!r}")
        self._left = int(match[1], 16)
        self._excess = max(0, self._excess + len(line) - self._left * _EXCESS_A_BYTE)
        if self._excess > _EXCESS:
            raise InvalidClientInput("chunks of hardly any data")
        if self._left == 0:
            self._read_trailers()

    def _read_trailers(self) -> None:
        for _ in range(_TRAILERS + 1):
            line = self.rfile.readline(MAX_REQUEST_LINE)
            if line == b"\r\n":
                self._ended = True
                return
            if not _TRAILER.match(line):
                raise InvalidClientInput(f"not a trailer: {line[:32]!r}")
        raise InvalidClientInput("too many trailers")

    def _some(self, read: Callable[[int], bytes], size: int) -> bytes:
        """read() of what is left, at most size bytes; b"" at the end."""
        if self._ended or size == 0:
            return b""
        try:
            self._send_100_continue()
            if not self._left:
                self._next_chunk()
                if self._ended:
                    return b""
            data = read(self._left if size < 0 else min(size, self._left))
        except TimeoutError:
            raise InvalidClientInput("the body did not come in time", 408) from None
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

    def read1(self, size: int = -1) -> bytes:
        """What is there, at most size bytes; b"" only at the end."""
        return self._some(self.rfile.read1, size)

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
