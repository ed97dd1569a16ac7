"""Locks for greenlets of any thread."""

from typing import Any

from grove._core import BoundedSemaphore, RLock, Semaphore

__all__ = ["BoundedSemaphore", "DummySemaphore", "RLock", "Semaphore"]


class DummySemaphore:
    """A semaphore without limit: acquire() never waits.

    >>> from grove.lock import DummySemaphore
    >>> with DummySemaphore():
    ...     print("no limit")
    no limit
    """

    def __init__(self, value: int | None = None) -> None:
        """value is not looked at."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def locked(self) -> bool:
        """False.

        >>> from grove.lock import DummySemaphore
        >>> DummySemaphore().locked()
        False
        """
        return False

    def ready(self) -> bool:
        """True.

        >>> from grove.lock import DummySemaphore
        >>> DummySemaphore().ready()
        True
        """
        return True

    def release(self) -> None:
        """Nothing.

        >>> from grove.lock import DummySemaphore
        >>> DummySemaphore().release()
        """

    def rawlink(self, callback: Any) -> None:
        """Nothing: it never becomes ready, it always is.

        >>> from grove.lock import DummySemaphore
        >>> DummySemaphore().rawlink(print)
        """

    def unlink(self, callback: Any) -> None:
        """Nothing.

        >>> from grove.lock import DummySemaphore
        >>> DummySemaphore().unlink(print)
        """

    def wait(self, timeout: float | None = None) -> int:
        """1, at once.

        >>> from grove.lock import DummySemaphore
        >>> DummySemaphore().wait()
        1
        """
        return 1

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """True, at once.

        >>> from grove.lock import DummySemaphore
        >>> DummySemaphore().acquire()
        True
        """
        return True

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, *exc_info: object) -> None:
        """Nothing."""
