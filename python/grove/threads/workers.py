"""Native threads that run tasks from a queue: what thread pools are made of.

Nothing here waits in a greenlet, and everything may be called on any thread.
The threads, their lock and their queue are the real ones whatever is patched.
"""

import sys
import threading
from collections.abc import Callable
from typing import Any

from grove._core import thread_background, thread_serves
from grove.stdlib import natives
from grove.stdlib.natives import Empty, SimpleQueue

#: The standard module with its private names, of which type checkers know nothing.
_threading: Any = threading

#: A call and what is told of its end: (function, args, kwargs, result), where
#: result has set() and handle_error(). None: the thread that gets it ends.
Task = tuple[Callable, tuple, dict, Any] | None


def _forget_thread() -> None:
    """The Thread object that current_thread() made for this thread goes."""
    ident = natives.get_ident()
    if isinstance(_threading._active.get(ident), threading._DummyThread):
        _threading._active.pop(ident, None)


class Workers:
    """Threads that start when there is more to do than they can, and end when
    they have had nothing to do for a time."""

    def __init__(
        self,
        maxsize: int,
        idle_seconds: float | None,
        initializer: Callable[[], bool] | None = None,
    ) -> None:
        """No thread yet.

        Args:
            maxsize: threads there can be.
            idle_seconds: without a task, after which a thread ends; None: never.
            initializer: called on each thread first; False ends it again.
        """
        self.maxsize = maxsize
        self.idle_seconds = idle_seconds
        self.initializer = initializer
        self.reset()

    def reset(self) -> None:
        """As new: a forked child has none of its parent's threads."""
        # A finaliser that ends the threads may run while it is held.
        self.lock = natives.RLock()
        self.tasks: SimpleQueue[Task] = SimpleQueue()
        #: Threads there are.
        self.size = 0
        #: Of them, those that have been told to end.
        self.ending = 0
        #: Tasks that were put and have not ended.
        self.unfinished = 0
        #: Who wants to know when a thread ends.
        self._awaited: list[Any] = []

    # ---- tasks

    def put(self, function: Callable, args: tuple, kwargs: dict, result: Any) -> None:
        """Have a thread call function(*args, **kwargs) and tell result.

        Raises RuntimeError when there is no thread and none can be started.
        """
        with self.lock:
            staying = self.size - self.ending
            if self.unfinished >= staying and staying < self.maxsize:
                try:
                    self._start_one()
                except RuntimeError:
                    if staying <= 0:
                        raise
            self.unfinished += 1
            self.tasks.put((function, args, kwargs, result))

    def take_back(self) -> list[tuple[Callable, tuple, dict, Any]]:
        """The tasks that no thread has begun; none will."""
        taken = []
        with self.lock:
            ends = 0
            try:
                while True:
                    task = self.tasks.get_nowait()
                    if task is None:
                        ends += 1
                    else:
                        taken.append(task)
            except Empty:
                pass
            for _ in range(ends):
                self.tasks.put(None)
            self.unfinished -= len(taken)
        return taken

    # ---- threads

    def start(self, size: int) -> None:
        """Start threads until there are so many; RuntimeError when one cannot."""
        with self.lock:
            while self.size - self.ending < size:
                self._start_one()

    def _start_one(self) -> None:
        self.size += 1
        try:
            natives.start_new_thread(self._work, ())
        except RuntimeError:
            self.size -= 1
            raise

    def shrink(self, size: int) -> None:
        """Have threads end, after the tasks that were put, until there are so
        many that stay."""
        with self.lock:
            for _ in range(self.size - self.ending - size):
                self.ending += 1
                self.tasks.put(None)

    def shrink_and_tell(self, size: int, result: Any) -> bool:
        """The same, and call result.set(None) when the next thread has ended;
        False when there are so few already."""
        with self.lock:
            self.shrink(size)
            if self.size <= size:
                return False
            self._awaited.append(result)
            return True

    def _ended(self, told: bool) -> None:
        """A thread ends. With the lock held."""
        self.size -= 1
        self.ending -= told
        due, self._awaited = self._awaited, []
        for result in due:
            result.set(None)

    # ---- what a thread does

    def _work(self) -> None:
        # What threading.setprofile and settrace ask of new threads.
        if _threading._profile_hook is not None:
            sys.setprofile(_threading._profile_hook)
        if _threading._trace_hook is not None:
            sys.settrace(_threading._trace_hook)
        try:
            if self.initializer is None or self.initializer():
                self._run_tasks()
            else:
                with self.lock:
                    self._ended(False)
        finally:
            _forget_thread()

    def _run_tasks(self) -> None:
        while True:
            # While it waits here it wakes no greenlet.
            thread_background(True)
            try:
                task = self.tasks.get(timeout=self.idle_seconds)
            except Empty:
                with self.lock:
                    # One may have been put since.
                    if self.tasks.empty():
                        self._ended(False)
                        return
                continue
            if task is None:
                with self.lock:
                    self._ended(True)
                return
            thread_background(False)
            thread_serves(task[-1])
            self._run_one(*task)
            thread_serves(None)
            task = None

    def _run_one(
        self, function: Callable, args: tuple, kwargs: dict, result: Any
    ) -> None:
        try:
            value = function(*args, **kwargs)
        except BaseException as error:
            self._finished_one()
            # (An error of None's would be the whole program's.)
            what = result if function is None else function
            result.handle_error(what, (type(error), error, error.__traceback__))
        else:
            self._finished_one()
            result.set(value)

    def _finished_one(self) -> None:
        with self.lock:
            self.unfinished -= 1
