"""wsgi.file_wrapper: a file that an application returns."""

from typing import Any

__all__ = ["FileWrapper"]


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
