"""The unbuffered file: io.FileIO whose reads and writes park greenlets.

Whether a descriptor is non-blocking is neither asked nor changed, so that a pipe
can be given to a child process as it is.
"""

import io
from typing import Any

from grove import _core

#: What is read at once while the size of the rest is unknown.
_CHUNK = 65536


class RawFile(io.FileIO):
    """As io.FileIO; closing it wakes whoever waits in it with OSError EBADF."""

    def _check(self, able: bool, verb: str) -> int:
        """The descriptor of an open file that is able to."""
        fd = self.fileno()  # raises ValueError when it is closed
        if not able:
            raise io.UnsupportedOperation(f"File not open for {verb}")
        return fd

    def readinto(self, buffer: Any) -> int:
        """Up to as many bytes as fit into buffer; how many, 0 at the end."""
        fd = self._check(self.readable(), "reading")
        return _core.file_read_into(fd, buffer)

    def read(self, size: int | None = -1) -> bytes:
        """Up to size bytes, by one call; all there are when it is negative."""
        if size is None or size < 0:
            return self.readall()
        data = bytearray(size)
        count = self.readinto(data)
        return bytes(memoryview(data)[:count])

    def readall(self) -> bytes:
        """Everything up to the end."""
        chunks = []
        while chunk := self.read(_CHUNK):
            chunks.append(chunk)
        return b"".join(chunks)

    def write(self, data: Any) -> int:
        """Write data; how many bytes were."""
        fd = self._check(self.writable(), "writing")
        return _core.file_write(fd, data)

    def close(self) -> None:
        """Close it, and the descriptor if it is the file's own."""
        if not self.closed and self.closefd:
            _core.fd_closed(self.fileno())
        super().close()
