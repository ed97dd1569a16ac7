"""Opening files: what io.open does, on the cooperative unbuffered file."""

import io
import os
import warnings
from typing import Any

from grove.files.raw import RawFile

_KINDS = frozenset("rwax")


def open_file(
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
    raw_type: type[io.RawIOBase] = RawFile,
) -> Any:
    """As io.open, but that the raw file is a raw_type."""
    binary = "b" in mode
    _check(mode, binary, buffering, encoding, errors, newline)
    raw_mode = mode.replace("b", "").replace("t", "")
    raw = raw_type(file, raw_mode, closefd, opener)  # type: ignore[call-arg]
    try:
        line_buffering = not binary and (
            buffering == 1 or (buffering < 0 and raw.isatty())
        )
        buffered = buffer(raw, raw_mode, -1 if buffering == 1 else buffering)
        if binary:
            return buffered
        encoding = io.text_encoding(encoding)  # type: ignore[attr-defined]
        text = io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering)
    except BaseException:
        raw.close()
        raise
    text.mode = mode  # type: ignore[misc]
    return text


def _check(
    mode: str,
    binary: bool,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
) -> None:
    """ValueError for what cannot be combined, as io.open."""
    letters = set(mode)
    if letters - set("rwaxbt+") or len(mode) > len(letters):
        raise ValueError(f"invalid mode: {mode!r}")
    if binary and "t" in mode:
        raise ValueError("can't have text and binary mode at once")
    if len(letters & _KINDS) != 1:
        raise ValueError("must have exactly one of create/read/write/append mode")
    if binary:
        for name, value in (
            ("an encoding", encoding),
            ("an errors", errors),
            ("a newline", newline),
        ):
            if value is not None:
                raise ValueError(f"binary mode doesn't take {name} argument")
        if buffering == 1:
            warnings.warn(
                "line buffering (buffering=1) isn't supported in binary mode, "
                "the default buffer size will be used",
                RuntimeWarning,
                stacklevel=4,
            )
    elif buffering == 0:
        raise ValueError("can't have unbuffered text I/O")


def buffer(raw: Any, mode: str, size: int) -> Any:
    """A buffered file around raw, whose mode is mode: raw itself for size 0."""
    if size == 0:
        return raw
    if size < 0:
        size = _block_size(raw)
    if "+" in mode:
        return io.BufferedRandom(raw, size)
    if "r" in mode:
        return io.BufferedReader(raw, size)
    return io.BufferedWriter(raw, size)


def _block_size(raw: Any) -> int:
    try:
        size = os.fstat(raw.fileno()).st_blksize
    except (OSError, AttributeError):
        size = 0
    return max(size, io.DEFAULT_BUFFER_SIZE) if size > 1 else io.DEFAULT_BUFFER_SIZE
