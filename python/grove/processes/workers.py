"""multiprocessing beside greenlets.

Its connections read and write by os.read and os.write, its children are forked by
os.fork: patching these is enough, unless it was imported before. Its semaphores
are the system's, which block the thread; nothing tells that one was released by
another process, so who waits for it looks now and then.
"""

import sys
import time
from typing import Any

import _multiprocessing  # type: ignore[import]
from grove import _core
from grove._core import getcurrent
from grove.processes.waiting import has_greenlets

_StdSemLock = _multiprocessing.SemLock
_RECURSIVE = 0

#: Between two looks at a semaphore that another process may release, in seconds.
_SHORTEST_PAUSE = 0.0002
_LONGEST_PAUSE = 0.01


class SemLock(_StdSemLock):  # type: ignore[misc, valid-type]
    """The semaphore of multiprocessing; waiting for it lets other greenlets run.

    A recursive one belongs to a greenlet, not to all those of its thread.
    """

    __slots__ = ("_greenlet",)

    def _try(self) -> bool:
        if (
            self.kind == _RECURSIVE
            and self._is_mine()
            and getattr(self, "_greenlet", None) is not getcurrent()
        ):
            return False
        if not super().acquire(False):
            return False
        self._greenlet = getcurrent()
        return True

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """As the standard one's."""
        if not has_greenlets():
            return super().acquire(block, timeout)
        if self._try():
            return True
        end = None if timeout is None else time.monotonic() + max(timeout, 0.0)
        pause = _SHORTEST_PAUSE
        while block:
            left = pause if end is None else min(pause, end - time.monotonic())
            if left <= 0:
                break
            _core.sleep(left)
            if self._try():
                return True
            pause = min(pause * 2, _LONGEST_PAUSE)
        return False

    def __enter__(self) -> bool:
        return self.acquire()


def patch_imported(read: Any, write: Any, close: Any) -> None:
    """Have multiprocessing use these, and the semaphore above, imported or not."""
    _multiprocessing.SemLock = SemLock
    connection = sys.modules.get("multiprocessing.connection")
    if connection is not None:
        connection.Connection._read = read
        connection.Connection._write = write
        connection.Connection._recv.__defaults__ = (read,)
        connection.Connection._send.__defaults__ = (write,)
        connection.Connection._close.__defaults__ = (close,)
