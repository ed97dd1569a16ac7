"""wsgi.file_wrapper: a file that an application returns."""

from io import BufferedRandom, BufferedReader, FileIO
from typing import Any

__all__ = ["FilePart", "FileWrapper", "reads_its_descriptor"]


class FileWrapper:
    """What PEP 3333 calls a file wrapper: pieces of a file.

    A server that is given one may send the file without reading it.
    """

    __slots__ = ("block_size", "close", "filelike")

    def __init__(self, filelike: Any, block_size: int = 65536) -> None:
        """
        Args:
            filelike: what has read(), and maybe fileno() and close().
            block_size: bytes of a piece, where it is read.
        """
        self.filelike = filelike
        self.block_size = block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> "FileWrapper":
        return self

    def __next__(self) -> bytes:
        piece = self.filelike.read(self.block_size)
        if not piece:
            raise StopIteration
        return piece


class FilePart:
    """So many bytes of a file, from where it stands."""

    def __init__(self, file: Any, count: int) -> None:
        self._file = file
        self._left = count
        self.fileno = file.fileno
        self.tell = file.tell
        self.close = file.close

    def read(self, size: int) -> bytes:
        """The next bytes; b"" at the end."""
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


def reads_its_descriptor(file: Any) -> bool:
    """Whether what file reads is what its descriptor has: another class may have a
    descriptor and read something else, as those for compressed files do."""
    if type(file) in (BufferedReader, BufferedRandom):
        file = file.raw
    return type(file) in (FileIO, FilePart)
