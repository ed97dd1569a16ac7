"""The log of requests of python3 -m grove.serve, in the common format.

    HOST - - [22/Nov/2026:07:00:00 +0000] "GET / HTTP/1.1" 200 5

Lines are gathered and written when the loop has a moment, or when there are many: by
one write each time, so that lines of several processes do not mix in one file.
"""

import os
import time
from typing import Any

from grove._core import get_hub
from grove.serving.processes import say

__all__ = ["AccessLog"]

#: Lines that are written at once.
_MOST = 512


class AccessLog:
    """A file with a line for each request."""

    def __init__(self, path: str) -> None:
        """
        Args:
            path: the file, to whose end lines are added; "-": standard output.

        Raises:
            OSError: it cannot be opened.
        """
        self._path = path
        self._lines: list[str] = []
        self._second = 0
        self._time = ""
        self._fd = self._open()

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return 1 if self._path == "-" else os.open(self._path, flags, 0o644)

    def write(self, handler: Any) -> None:
        """A line about the request that handler has answered."""
        if not self._lines:
            get_hub().loop.run_callback(self.flush)
        self._lines.append(self._line(handler))
        if len(self._lines) >= _MOST:
            self.flush()

    def _line(self, handler: Any) -> str:
        client = handler.client_address
        host = client[0] if isinstance(client, tuple) else "-"
        line = (handler.requestline or "").translate(_ESCAPES)
        size = max(0, handler.response_length - handler._head_length) or "-"
        return f'{host} - - [{self._now()}] "{line}" {_status_of(handler)} {size}\n'

    def _now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._time = time.strftime("%d/%b/%Y:%H:%M:%S %z", time.localtime(second))
        return self._time

    def flush(self) -> None:
        """Write what was gathered. What cannot be written is dropped: a full disk
        must not end a server."""
        lines, self._lines = self._lines, []
        data = "".join(lines).encode("utf-8", "backslashreplace")
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            pass

    def reopen(self) -> None:
        """The file of that name from now on, which may be another one; where it
        cannot be opened, which is said, the one before."""
        try:
            fd = self._open()
        except OSError as error:
            say(f"the access log stays the file that it was: {error}")
            return
        self.close()
        self._fd = fd

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        if self._fd > 2:
            os.close(self._fd)


def _status_of(handler: Any) -> str:
    """The number that was sent, if not all of the response was; 000: none."""
    if handler.code is not None:
        return f"{abs(handler.code):03d}"
    return handler.status or "000"  # of a request that was not taken


#: What a client sends must not end the line, nor the quotes around it.
_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)]},
    ord('"'): '\\"',
    ord("\\"): "\\\\",
}
