"""What a file object of grove.fileobject is asked for, and what that opens.

The three classes take the same arguments, with both names that gevent has for some
of them.
"""

import io
from typing import Any

from grove.files.opening import buffer, open_file


class Opening:
    """The arguments of a file object, checked, and the file they ask for."""

    def __init__(
        self,
        fobj: Any,
        mode: str = "r",
        bufsize: int | None = None,
        close: bool | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        buffering: int | None = None,
        closefd: bool | None = None,
        atomic_write: bool = False,
    ) -> None:
        """What is to be opened.

        Args:
            fobj: a descriptor, a path or an open file.
            mode, buffering, encoding, errors, newline: as of io.open.
            bufsize: another name of buffering.
            closefd: whether closing the object closes fobj, too.
            close: another name of closefd.
            atomic_write: accepted, as gevent's; the object writes all anyway.
        """
        self.fobj = fobj
        self.mode = mode.replace("U", "")
        self.buffering = _one("buffering", buffering, "bufsize", bufsize, -1)
        self.closefd = _one("closefd", closefd, "close", close, True)
        self.text = (encoding, errors, newline)
        if not isinstance(fobj, (int, str, bytes)) and not hasattr(fobj, "__fspath__"):
            self._check_file(fobj)

    def _check_file(self, fobj: Any) -> None:
        if fobj is None:
            raise TypeError("expected str, bytes or os.PathLike object, not NoneType")

    @property
    def is_file(self) -> bool:
        """Whether it is an open file, not a descriptor or path."""
        return hasattr(self.fobj, "read") or hasattr(self.fobj, "write")

    @property
    def is_path(self) -> bool:
        """Whether it is the name of a file."""
        return not self.is_file and not isinstance(self.fobj, int)

    def open(self, raw_type: type) -> Any:
        """A file of its own, on the descriptor of fobj."""
        own = self.is_path or (not self.is_file and self.closefd)
        write_through = self.buffering == 0 and "b" not in self.mode
        file = open_file(
            self.fobj.fileno() if self.is_file else self.fobj,
            self.mode,
            -1 if write_through else self.buffering,
            *self.text,
            closefd=own,
            raw_type=raw_type,
        )
        if write_through:
            file.reconfigure(line_buffering=True, write_through=True)
        if self.is_file:
            # Whose descriptor it is must not be closed before.
            raw_of(file).source = self.fobj
        return file

    def adapt(self) -> Any:
        """fobj itself, or text around it; without a file, one as io.open has it."""
        if not self.is_file:
            return self.open(io.FileIO)
        binary = "b" in self.mode
        if isinstance(self.fobj, io.TextIOBase):
            if binary:
                raise ValueError("Unable to perform binary IO on top of text IO stream")
            return self.fobj
        if binary:
            return self.fobj
        buffered = self.fobj
        if isinstance(buffered, io.RawIOBase):
            buffered = buffer(buffered, self.mode, self.buffering)
        return io.TextIOWrapper(buffered, *self.text)


def raw_of(file: Any) -> Any:
    """What is below the text and the buffer of a file."""
    file = getattr(file, "buffer", file)
    return getattr(file, "raw", file)


def _one(name: str, value: Any, other_name: str, other: Any, default: Any) -> Any:
    """The value of an argument that has two names."""
    if value is not None and other is not None:
        raise TypeError(f"Cannot specify both {name}={value!r} and {other_name}={other!r}")
    if value is not None:
        return value
    return default if other is None else other
