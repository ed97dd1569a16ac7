"""The body of a request, as a WSGI application reads it."""

from grove import _core
from grove.timeout import Timeout

#: Bytes of the longest request line and of the longest header.
MAX_REQUEST_LINE = 8192
#: What is read and dropped of a body that the application did not read, so that
#: the connection can be used again; with more to come it is closed.
MAX_DISCARD = 1 << 20

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

    @staticmethod
    def _invalid(why: str, code: int) -> InvalidClientInput:
        return InvalidClientInput(why, code)

    def _send_100_continue(self) -> None:
        if self.socket is not None and not self._answered:
            sock, self.socket = self.socket, None
            patience = getattr(self.rfile, "patience", None)
            with Timeout(patience, TimeoutError("timed out")):
                sock.sendall(_CONTINUE)

    def readlines(self, hint: int | None = None) -> list[bytes]:
        """All lines."""
        return list(self)

    def next(self) -> bytes:
        """The next line; StopIteration at the end."""
        return next(self)

    def _discard(self) -> bool:
        """Read what is left. False: too much, or the client holds it back."""
        if self._ended:
            return True
        if self.socket is not None:
            return False
        total = 0
        while total <= MAX_DISCARD:
            data = self.read(16384)
            if not data:
                return True
            total += len(data)
        return False
