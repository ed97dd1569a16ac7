"""Running a function that blocks on a native thread, while greenlets go on.

For what has no cooperative form, such as the C library's resolver. At most
MAX_THREADS threads are started; further calls queue. Threads that have had
nothing to do for IDLE_SECONDS end.
"""

import os
from collections.abc import Callable
from typing import Any

from grove import _core
from grove.stdlib import natives
from grove.stdlib.natives import Empty, SimpleQueue

MAX_THREADS = 10
IDLE_SECONDS = 5.0


class _Job:
    """A call, and the descriptor that wakes who asked for it."""

    __slots__ = ("function", "arguments", "result", "error", "eventfd", "lock")

    def __init__(self, function: Callable, arguments: tuple) -> None:
        self.function = function
        self.arguments = arguments
        self.result: Any = None
        self.error: BaseException | None = None
        self.eventfd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)  # type: ignore[attr-defined]
        # Held while eventfd is written to or closed: the caller may be gone
        # (killed, timed out) and the number another file's.
        self.lock = natives.RLock()

    def run(self) -> None:
        try:
            self.result = self.function(*self.arguments)
        except BaseException as error:
            self.error = error
        with self.lock:
            if self.eventfd >= 0:
                os.eventfd_write(self.eventfd, 1)  # type: ignore[attr-defined]

    def close(self) -> None:
        with self.lock:
            _core.fd_closed(self.eventfd)
            os.close(self.eventfd)
            self.eventfd = -1


class _Workers:
    """The threads and their queue."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As new: the threads of a forked child's parent are not its own."""
        self.lock = natives.RLock()
        self.jobs: SimpleQueue[_Job] = SimpleQueue()
        self.threads = 0
        self.unfinished = 0

    def submit(self, job: _Job) -> None:
        with self.lock:
            self.unfinished += 1
            needed = self.unfinished > self.threads and self.threads < MAX_THREADS
            self.threads += needed
        self.jobs.put(job)
        if needed:
            try:
                natives.start_new_thread(self._work, ())
            except RuntimeError:
                with self.lock:
                    self.threads -= 1
                    if self.threads == 0:
                        self.unfinished -= 1
                        raise

    def _work(self) -> None:
        while True:
            _core.thread_background(True)
            try:
                job = self.jobs.get(timeout=IDLE_SECONDS)
                _core.thread_background(False)
            except Empty:
                with self.lock:
                    # A job may have been put since.
                    if not self.jobs.empty():
                        continue
                    self.threads -= 1
                return
            job.run()
            del job
            with self.lock:
                self.unfinished -= 1


_workers = _Workers()
os.register_at_fork(after_in_child=_workers.reset)


def run_in_thread(function: Callable, *arguments: Any) -> Any:
    """Call function(*arguments) on a native thread; this greenlet waits.

    Returns what it returns and raises what it raises. When the waiting greenlet
    is killed or times out, the call goes on and its result is dropped.
    """
    job = _Job(function, arguments)
    try:
        _workers.submit(job)
        _core.wait_read(job.eventfd)
    finally:
        job.close()
    if job.error is not None:
        error = job.error
        job.error = None
        raise error
    return job.result
