"""A file with a process's number, for whoever is to signal it."""

import errno
import fcntl
import os
from typing import TextIO

__all__ = ["PidFile"]


class PidFile:
    """Held by a lock of the process's own, which children do not inherit: what a dead
    process has left is taken over, whoever has its number by now."""

    def __init__(self, path: str) -> None:
        """
        Args:
            path: of the file, which is made.

        Raises OSError, EEXIST if it is a living process's.
        """
        self._path = os.path.abspath(path)
        self._file: TextIO = open(path, "a+", encoding="ascii")  # noqa: SIM115
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            self._file.seek(0)
            other = self._file.read(20).strip()
            self._file.close()
            told = f"it is that of process {other}, which runs"
            raise FileExistsError(errno.EEXIST, told, path) from None
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def remove(self) -> None:
        """At the process's end."""
        if os.path.exists(self._path):
            os.unlink(self._path)
        self._file.close()
