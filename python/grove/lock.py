"""Locks for greenlets of any thread."""

from typing import Any

from grove._core import BoundedSemaphore, RLock, Semaphore

__all__ = ["BoundedSemaphore", "DummySemaphore", "RLock", "Semaphore"]


class DummySemaphore:
    """A semaphore without limit: acquire() never waits."""

    def __init__(self, value: int | None = None) -> None:
        """value is not looked at."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def locked(self) -> bool:
        """False."""
        return False

    def ready(self) -> bool:
        """True."""
        return True

    def release(self) -> None:
        """Nothing."""

    def rawlink(self, callback: Any) -> None:
        """Nothing: it never becomes ready, it always is."""

    def unlink(self, callback: Any) -> None:
        """Nothing."""

    def wait(self, timeout: float | None = None) -> int:
        """1, at once."""
        return 1

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """True, at once."""
        return True

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, *exc_info: object) -> None:
        """Nothing."""
