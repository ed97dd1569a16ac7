"""The locks that the standard library's Queue has, for programs that use them:
`with q.mutex:`, `q.not_empty.notify()`.

Ours needs none of them. They are made when one is first asked for; from then on
the compiled queue calls `wait_free` before it does anything and the `on_`
methods afterwards.
"""

from collections import deque
from typing import Any

from grove._core import RLock, Semaphore, _get_hub, getcurrent

_GETTERS, _PUTTERS, _JOINERS = range(3)


class _Mutex(RLock):
    """A lock of the greenlet that holds it; others wait to use the queue."""

    __slots__ = ()

    def wait_free(self) -> None:
        """Wait while another greenlet holds it. The Hub does not wait."""
        if self.locked() and not self._is_owned() and getcurrent() is not _get_hub():
            with self:
                pass


class _Condition:
    """threading.Condition on a queue's mutex, for greenlets and threads.

    notify() wakes those who wait here, and then those who wait in the queue's
    own methods, which look again.
    """

    def __init__(self, queue: Any, mutex: _Mutex, waiters: int) -> None:
        self._queue = queue
        self._mutex = mutex
        self._waiters_there = waiters
        self._waiting: deque[Semaphore] = deque()
        self.acquire = mutex.acquire
        self.release = mutex.release

    def __enter__(self) -> bool:
        return self._mutex.__enter__()

    def __exit__(self, *exc_info: object) -> None:
        self._mutex.__exit__(*exc_info)

    def _check_owned(self) -> None:
        if not self._mutex._is_owned():
            raise RuntimeError("cannot use a condition of a mutex that is not held")

    def wait(self, timeout: float | None = None) -> bool:
        """Let go of the mutex until notify(), and take it again.

        Returns False when timeout seconds pass first. Raises RuntimeError when
        the caller does not hold the mutex.
        """
        self._check_owned()
        turn = Semaphore(0)
        self._waiting.append(turn)
        state = self._mutex._release_save()
        woken = False
        try:
            woken = turn.acquire(timeout=timeout)
        finally:
            self._mutex._acquire_restore(state)
            if not woken:
                try:
                    self._waiting.remove(turn)
                except ValueError:
                    woken = True
        return woken

    def wait_for(self, predicate: Any, timeout: float | None = None) -> Any:
        """wait() until predicate() is true, or for timeout seconds in all."""
        from time import monotonic

        end = None if timeout is None else monotonic() + timeout
        while not (result := predicate()):
            left = None if end is None else end - monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
        return result

    def notify(self, n: int = 1) -> None:
        """Wake n of those who wait. RuntimeError without the mutex."""
        self._check_owned()
        self._queue._wake(self._waiters_there, n - self.tell(n))

    def notify_all(self) -> None:
        """Wake all who wait. RuntimeError without the mutex."""
        self._check_owned()
        self.tell(len(self._waiting))
        self._queue._wake(self._waiters_there, 1 << 30)

    notifyAll = notify_all

    def tell(self, n: int) -> int:
        """Wake n at most of those in wait(); how many."""
        told = 0
        while told < n and self._waiting:
            self._waiting.popleft().release()
            told += 1
        return told


class QueueLocks:
    """The mutex and the conditions of one queue."""

    def __init__(self, queue: Any) -> None:
        self.mutex = _Mutex()
        self.not_empty = _Condition(queue, self.mutex, _GETTERS)
        self.not_full = _Condition(queue, self.mutex, _PUTTERS)
        self.all_tasks_done = _Condition(queue, self.mutex, _JOINERS)
        self.wait_free = self.mutex.wait_free

    def on_put(self) -> None:
        """An item was put."""
        self.not_empty.tell(1)

    def on_get(self) -> None:
        """An item was taken."""
        self.not_full.tell(1)

    def on_done(self) -> None:
        """The last task is done."""
        self.all_tasks_done.tell(1 << 30)
