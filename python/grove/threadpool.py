"""Native threads for what has no cooperative form, as greenlets see them.

A `ThreadPool` runs functions on threads of its own; greenlets of its hub wait
for their results, which other threads hand over without polling.
`ThreadPoolExecutor` is the same in the manner of concurrent.futures.
"""

import atexit
import concurrent.futures
import concurrent.futures._base as _base
import itertools
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures.thread import BrokenThreadPool
from typing import Any

from grove._core import ThreadResult, _get_hub, get_hub, getcurrent
from grove.event import AsyncResult, Event
from grove.exceptions import InvalidThreadUseError
from grove.lock import Semaphore
from grove.pool import GroupMappingMixin
from grove.stdlib import natives
from grove.threads.workers import Workers
from grove.timeout import Timeout

__all__ = ["ThreadPool", "ThreadPoolExecutor", "ThreadResult"]


def _end_threads(workers: Workers) -> None:
    workers.shrink(0)


def _wait_for_size(workers: Workers, size: int, hub: Any) -> None:
    """Have threads end until there are `size`, those too that start meanwhile;
    other greenlets run."""
    while workers.size > size:
        ended = AsyncResult()
        result = ThreadResult(ended, hub)
        try:
            if workers.shrink_and_tell(size, result):
                ended.wait()
        finally:
            result.close()


class ThreadPool(GroupMappingMixin):
    """At most `maxsize` native threads that run functions for one hub.

    All methods are for greenlets of that hub's thread; apply() called on
    another thread, such as one of the pool's, runs its function there.

    >>> import time
    >>> from grove.threadpool import ThreadPool
    >>> pool = ThreadPool(2)
    >>> pool.apply(time.sleep, (0.01,))
    >>> pool.map(abs, [-1, 2, -3])
    [1, 2, 3]
    """

    def __init__(
        self, maxsize: int, hub: Any = None, idle_task_timeout: float = -1
    ) -> None:
        """A pool without threads yet: they start as there is work for them.

        Args:
            maxsize: how many threads there can be.
            hub: whose greenlets use it; None is the calling thread's.
            idle_task_timeout: seconds without work after which a thread ends;
                -1 (or None) is never.

        Raises TypeError or ValueError for a maxsize that is none.
        """
        self._check_maxsize(maxsize)
        self.hub = get_hub() if hub is None else hub
        #: The process that the threads are of.
        self.pid = os.getpid()
        if idle_task_timeout is not None and idle_task_timeout < 0:
            idle_task_timeout = None
        self._workers = Workers(maxsize, idle_task_timeout)
        self._make_room(maxsize)
        self._unfinished = 0
        self._idle = Event()
        self._idle.set()
        self._finalizer = weakref.finalize(self, _end_threads, self._workers)
        self._finalizer.atexit = False
        _pools.add(self)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} at {id(self):#x} tasks={len(self)} "
            f"size={self.size} maxsize={self.maxsize} hub={self.hub!r}>"
        )

    def __len__(self) -> int:
        """How many tasks have not ended."""
        return self._unfinished

    # ---- how many threads

    @staticmethod
    def _check_maxsize(maxsize: int) -> None:
        if not isinstance(maxsize, int):
            raise TypeError(f"maxsize must be integer: {maxsize!r}")
        if maxsize < 0:
            raise ValueError(f"maxsize must not be negative: {maxsize!r}")

    @property
    def maxsize(self) -> int:
        """How many threads there can be; may be set."""
        return self._workers.maxsize

    @maxsize.setter
    def maxsize(self, maxsize: int) -> None:
        self._check_maxsize(maxsize)
        more = maxsize - self._workers.maxsize
        self._workers.maxsize = maxsize
        for _ in range(-more):
            if self._room.counter:
                self._room.counter -= 1
            else:
                self._owed += 1
        for _ in range(more):
            self._give_room()
        self.adjust()

    # A task that is queued behind those that run finds its thread at once.
    def _make_room(self, maxsize: int) -> None:
        #: Room for tasks that have not ended.
        self._room = Semaphore(maxsize + 1)
        #: Of the tasks that there are, those whose end makes no room.
        self._owed = 0

    def _give_room(self) -> None:
        if self._owed:
            self._owed -= 1
        else:
            self._room.release()

    @property
    def size(self) -> int:
        """How many threads there are.

        Set, it starts threads, or ends some once the tasks before are done and
        waits for that, but in the hub; ValueError when it is negative or above
        maxsize.
        """
        return self._workers.size

    @size.setter
    def size(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"Size of the pool cannot be negative: {size!r}")
        if size > self.maxsize:
            raise ValueError(
                "Size of the pool cannot be bigger than maxsize: "
                f"{size!r} > {self.maxsize!r}"
            )
        self._check_thread()
        self._workers.start(size)
        self._workers.shrink(size)
        if getcurrent() is not self.hub:
            _wait_for_size(self._workers, size, self.hub)

    def adjust(self) -> None:
        """Start the threads that the tasks want, end those beyond maxsize.

        >>> from grove.threadpool import ThreadPool
        >>> pool = ThreadPool(2)
        >>> pool.adjust()
        >>> pool.size
        0
        """
        workers = self._workers
        workers.start(min(workers.maxsize, workers.unfinished))
        workers.shrink(workers.maxsize)

    def kill(self) -> None:
        """End all threads, once the tasks that were given are done; wait for
        that, but in the hub. The next task starts a thread again.

        >>> from grove.threadpool import ThreadPool
        >>> pool = ThreadPool(2)
        >>> pool.apply(abs, (-1,))
        1
        >>> pool.kill()
        >>> pool.size
        0
        """
        self.size = 0

    # ---- tasks

    @property
    def task_queue(self) -> Any:
        """The queue of the tasks that no thread has begun."""
        return self._workers.tasks

    def _check_thread(self) -> None:
        if self.hub.thread_ident != natives.get_ident():
            raise InvalidThreadUseError(
                f"{self!r} is used on a thread other than its hub's"
            )

    def spawn(self, func: Callable, *args: Any, **kwargs: Any) -> AsyncResult:
        """Call func(*args, **kwargs) on a thread.

        Waits while there are more than maxsize tasks: one more than can run is
        queued. Returns an AsyncResult of what the call returns or raises; what
        it raises is also told to hub.handle_error.

        Raises InvalidThreadUseError on a thread other than the hub's, and
        RuntimeError when no thread can be started.

        >>> from grove.threadpool import ThreadPool
        >>> ThreadPool(1).spawn(sum, [1, 2, 3]).get()
        6
        """
        self._check_thread()
        self._room.acquire()
        result = AsyncResult()
        told = ThreadResult(result, self.hub, self._task_done)
        try:
            self._workers.put(func, args, kwargs, told)
        except BaseException:
            told.close()
            self._give_room()
            raise
        self._unfinished += 1
        self._idle.clear()
        return result

    def _task_done(self) -> None:
        self._unfinished -= 1
        self._give_room()
        if not self._unfinished:
            self._idle.set()

    def join(self) -> None:
        """Wait until all tasks have ended.

        >>> import time
        >>> from grove.threadpool import ThreadPool
        >>> pool = ThreadPool(2)
        >>> result = pool.spawn(time.sleep, 0.01)
        >>> pool.join()
        >>> result.ready()
        True
        """
        self._idle.wait()

    def _apply_immediately(self) -> bool:
        return self.hub.thread_ident != natives.get_ident()

    def _apply_async_use_greenlet(self) -> bool:
        return True  # spawn() gives no Greenlet

    # ---- forks

    def _on_fork(self) -> None:
        """In a forked child: none of the threads is here, nor are their tasks."""
        if self.pid == os.getpid():
            return
        self.pid = os.getpid()
        self._workers.reset()
        self._make_room(self.maxsize)
        self._unfinished = 0
        self._idle = Event()
        self._idle.set()


_pools: "weakref.WeakSet[ThreadPool]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for pool in list(_pools):
        pool._on_fork()
    for executor in list(_executors):
        executor._on_fork()


# ---- futures ---------------------------------------------------------------


class _Signal:
    """A threading.Event that greenlets of any hub can wait for, and any thread
    can set."""

    def __init__(self) -> None:
        self._lock = natives.RLock()
        self._flag = False
        self._waiting: list[ThreadResult] = []

    def is_set(self) -> bool:
        return self._flag

    def set(self) -> None:
        with self._lock:
            self._flag = True
            waiting, self._waiting = self._waiting, []
        for result in waiting:
            result.set(None)

    def clear(self) -> None:
        with self._lock:
            self._flag = False

    def wait(self, timeout: float | Timeout | None = None) -> bool:
        if self._flag:
            return True
        woken = AsyncResult()
        result = ThreadResult(woken, get_hub())
        with self._lock:
            if not self._flag:
                self._waiting.append(result)
            else:
                woken.set(None)
        try:
            woken.wait(timeout)
            return self._flag or woken.ready()
        finally:
            with self._lock:
                if result in self._waiting:
                    self._waiting.remove(result)
            result.close()


class _Waiters(list):
    """The list where concurrent.futures.wait() and as_completed() put what is
    to be told: what they wait for is made cooperative first."""

    def append(self, waiter: Any) -> None:
        if not isinstance(waiter.event, _Signal):
            waiter.event = _Signal()
        super().append(waiter)


class _FutureProxy(concurrent.futures.Future):
    """A Future of a native thread that greenlets can wait for.

    gevent.wait() takes it, too.
    """

    def __init__(self) -> None:
        super().__init__()
        # Native threads hold it, and none of them waits while it does.
        self._condition = threading.Condition(natives.RLock())
        self._waiters = _Waiters()
        self._signal = _Signal()
        self._links: list[tuple[Callable, ThreadResult]] = []

    def ready(self) -> bool:
        """Whether it is done."""
        return self.done()

    def result(self, timeout: float | Timeout | None = None) -> Any:
        """As concurrent.futures has it; other greenlets run meanwhile."""
        self._wait(timeout)
        try:
            return super().result(0)
        finally:
            self = None  # the exception's traceback refers to this frame

    def exception(self, timeout: float | Timeout | None = None) -> BaseException | None:
        """As concurrent.futures has it; other greenlets run meanwhile."""
        self._wait(timeout)
        return super().exception(0)

    def _wait(self, timeout: float | Timeout | None) -> None:
        if self.done():
            return
        if timeout is None or isinstance(timeout, Timeout) or timeout > 0:
            self._signal.wait(timeout)

    def _invoke_callbacks(self) -> None:
        self._signal.set()
        with self._condition:
            links, self._links = self._links, []
        for _, result in links:
            result.set(None)
        super()._invoke_callbacks()

    def add_done_callback(self, fn: Callable) -> None:
        """Have fn(future) called when it is done, or now if it is.

        In the hub of the calling thread, if it has one, where fn must not wait;
        else on the thread that ends it. What fn raises is logged.
        """
        if _get_hub() is None or self.done():
            super().add_done_callback(fn)
        else:
            self._link(fn, self._call_logged)

    def rawlink(self, callback: Callable) -> None:
        """Have callback(future) called in the calling thread's hub once it is
        done; it must not wait."""
        self._link(callback, lambda fn: fn(self))

    def unlink(self, callback: Callable) -> None:
        """Undo a rawlink."""
        with self._condition:
            for index, (fn, result) in enumerate(self._links):
                if fn == callback:
                    del self._links[index]
                    break
            else:
                return
        result.close()

    def _call_logged(self, fn: Callable) -> None:
        try:
            fn(self)
        except Exception:
            _base.LOGGER.exception("exception calling callback for %r", self)

    def _link(self, fn: Callable, call: Callable[[Callable], object]) -> None:
        result = ThreadResult(lambda _: call(fn), get_hub())
        with self._condition:
            if not self.done():
                self._links.append((fn, result))
                return
        result.set(None)


class _Untold:
    """The result of a task that has told of it in its own way."""

    @staticmethod
    def set(value: object) -> None:
        pass

    @staticmethod
    def handle_error(context: object, exc_info: object) -> None:
        pass


def _run_future(
    future: _FutureProxy, fn: Callable, args: tuple, kwargs: dict
) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        value = fn(*args, **kwargs)
    except BaseException as error:
        future.set_exception(error)
        future = None  # the traceback refers to this frame
    else:
        future.set_result(value)


_BROKEN = "A thread initializer failed, the thread pool is not usable anymore"


class ThreadPoolExecutor(concurrent.futures.ThreadPoolExecutor):
    """An executor of native threads, whatever is patched, whose futures
    greenlets can wait for. It may be used on any thread.

    >>> from grove.threadpool import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as executor:
    ...     executor.submit(pow, 2, 8).result()
    256
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable | None = None,
        initargs: tuple = (),
    ) -> None:
        """As concurrent.futures.ThreadPoolExecutor."""
        super().__init__(max_workers, thread_name_prefix, initializer, initargs)
        self._native_lock = natives.RLock()
        # The threads must not keep the executor: when it goes, they end.
        executor = weakref.ref(self)
        prefix, number = self._thread_name_prefix, itertools.count()

        def begin_thread() -> bool:
            threading.current_thread().name = f"{prefix}_{next(number)}"
            if initializer is None:
                return True
            try:
                initializer(*initargs)
                return True
            except BaseException:
                _base.LOGGER.critical("Exception in initializer:", exc_info=True)
            if (broken := executor()) is not None:
                broken._break()
            return False

        self._native = Workers(self._max_workers, None, begin_thread)
        self._finalizer = weakref.finalize(self, _end_threads, self._native)
        self._finalizer.atexit = False
        _executors.add(self)

    def submit(self, fn: Callable, /, *args: Any, **kwargs: Any) -> _FutureProxy:
        """Call fn(*args, **kwargs) on a thread; never waits.

        Returns the future of what it returns or raises. Raises RuntimeError
        after shutdown(), BrokenThreadPool after a thread's initializer has
        failed.

        >>> from grove.threadpool import ThreadPoolExecutor
        >>> executor = ThreadPoolExecutor(1)
        >>> executor.submit(divmod, 7, 2).result()
        (3, 1)
        >>> executor.shutdown()
        """
        with self._native_lock:
            if self._broken:
                raise BrokenThreadPool(self._broken)
            if self._shutdown:
                raise RuntimeError("cannot schedule new futures after shutdown")
            future = _FutureProxy()
            self._native.put(_run_future, (future, fn, args, kwargs), {}, _Untold)
        return future

    def _break(self) -> None:
        with self._native_lock:
            self._broken = _BROKEN
        for _, (future, *_rest), _, _ in self._native.take_back():
            future.set_exception(BrokenThreadPool(_BROKEN))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and end the threads after those there are.

        Args:
            wait: until they have ended; other greenlets run meanwhile.
            cancel_futures: cancel the calls that no thread has begun.

        >>> from grove.threadpool import ThreadPoolExecutor
        >>> executor = ThreadPoolExecutor(1)
        >>> future = executor.submit(pow, 2, 5)
        >>> executor.shutdown()
        >>> future.result()
        32
        """
        with self._native_lock:
            self._shutdown = True
        if cancel_futures:
            for _, (future, *_rest), _, _ in self._native.take_back():
                future.cancel()
                future.set_running_or_notify_cancel()
        self._native.shrink(0)
        if wait:
            _wait_for_size(self._native, 0, get_hub())

    def kill(self) -> None:
        """shutdown(wait=False)

        >>> from grove.threadpool import ThreadPoolExecutor
        >>> executor = ThreadPoolExecutor(1)
        >>> executor.kill()
        >>> executor.submit(pow, 2, 5)
        Traceback (most recent call last):
            ...
        RuntimeError: cannot schedule new futures after shutdown
        """
        self.shutdown(wait=False)

    def _on_fork(self) -> None:
        self._native_lock = natives.RLock()
        self._native.reset()


_executors: "weakref.WeakSet[ThreadPoolExecutor]" = weakref.WeakSet()


def _finish_executors() -> None:
    """At exit: calls that were submitted are made, as concurrent.futures does."""
    for executor in list(_executors):
        executor.shutdown()


atexit.register(_finish_executors)
os.register_at_fork(after_in_child=_after_fork_in_child)
