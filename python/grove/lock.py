"""Locks for greenlets."""

from collections import deque
from typing import Any

from grove._core import Timeout, Waiter, getcurrent
from grove._linkable import AbstractLinkable

__all__ = ["BoundedSemaphore", "DummySemaphore", "RLock", "Semaphore"]


class _Turn:
    """Somebody's place in the queue of a semaphore."""

    __slots__ = ("waiter", "granted")

    def __init__(self) -> None:
        self.waiter = Waiter()
        self.granted = False


class Semaphore(AbstractLinkable):
    """A counter that acquire() takes from, waiting while it is 0.

    Those who wait get their turns in the order they came: a release goes to the
    first of them and nobody can come between.
    """

    __slots__ = ("counter", "_queue")

    def __init__(self, value: int = 1, hub: Any = None) -> None:
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        super().__init__(hub)
        self.counter = value
        self._queue: deque[_Turn] = deque()

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} counter={self.counter} "
            f"waiting={len(self._queue)} _links[{self.linkcount()}]>"
        )

    def locked(self) -> bool:
        """Whether acquire() would wait."""
        return self.counter <= 0

    def ready(self) -> bool:
        """Whether acquire() would not wait."""
        return self.counter > 0

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Take one; False when there is none in time.

        Args:
            blocking: False: do not wait.
            timeout: seconds to wait; None is for ever.
        """
        if self.counter > 0:
            self.counter -= 1
            return True
        if not blocking:
            return False
        turn = _Turn()
        self._queue.append(turn)
        timer = Timeout._start_new_or_dummy(timeout)
        try:
            turn.waiter.get()
        except BaseException as error:
            if turn.granted:
                self._release()
            else:
                self._queue.remove(turn)
            if error is timer:
                return False
            raise
        finally:
            timer.cancel()
        return True

    def _release(self) -> None:
        if self._queue:
            turn = self._queue.popleft()
            turn.granted = True
            turn.waiter.hub.loop.run_callback(turn.waiter.switch, True)
        else:
            self.counter += 1
            self._check_and_notify()

    def release(self) -> int:
        """Give one back; the counter."""
        self._release()
        return self.counter

    def wait(self, timeout: float | None = None) -> int:
        """Wait until there is one to take, without taking it; the counter."""
        if self.counter <= 0:
            self._wait(timeout)
        return self.counter

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()


class BoundedSemaphore(Semaphore):
    """A semaphore that is never released more often than acquired."""

    __slots__ = ("_initial_value",)

    def __init__(self, value: int = 1, hub: Any = None) -> None:
        super().__init__(value, hub)
        self._initial_value = value

    def release(self) -> int:
        """Give one back; ValueError when none was taken."""
        if self.counter >= self._initial_value:
            raise ValueError("Semaphore released too many times")
        return super().release()


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


class RLock:
    """A lock that the greenlet that holds it may take again."""

    __slots__ = ("_block", "_owner", "_count", "__weakref__")

    def __init__(self, hub: Any = None) -> None:
        self._block = Semaphore(1, hub)
        self._owner: Any = None
        self._count = 0

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} at {id(self):#x} count={self._count} "
            f"owner={self._owner!r}>"
        )

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Take it; False when it does not become free in time.

        Args:
            blocking: False: do not wait.
            timeout: seconds to wait; None or -1 is for ever.
        """
        me = getcurrent()
        if self._owner is me:
            self._count += 1
            return True
        if self._block.acquire(blocking, None if timeout == -1 else timeout):
            self._owner = me
            self._count = 1
            return True
        return False

    def release(self) -> None:
        """Undo one acquire; RuntimeError when another greenlet holds it."""
        if self._owner is not getcurrent():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._block.release()

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._count > 0

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    # For threading.Condition.

    def _acquire_restore(self, state: tuple[int, Any]) -> None:
        self._block.acquire()
        self._count, self._owner = state

    def _release_save(self) -> tuple[int, Any]:
        state = self._count, self._owner
        self._count, self._owner = 0, None
        self._block.release()
        return state

    def _is_owned(self) -> bool:
        return self._owner is getcurrent()
