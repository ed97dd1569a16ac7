"""Groups of greenlets, and groups of bounded size."""

from collections.abc import Callable, Iterable, Iterator
from queue import Full
from typing import Any

from grove._core import (
    Greenlet,
    GreenletExit,
    Timeout,
    getcurrent,
    joinall,
    kill,
    sleep,
)
from grove.event import Event
from grove.lock import DummySemaphore, Semaphore

__all__ = ["Group", "Pool", "PoolFull"]


class PoolFull(Full):
    """A pool has no room for another greenlet."""


class GroupMappingMixin:
    """Calling a function on the members of an iterable, concurrently.

    Wants spawn and _apply_async_use_greenlet of those it is mixed into.
    """

    def apply(
        self, func: Callable, args: tuple | None = None, kwds: dict | None = None
    ) -> Any:
        """func(*args, **kwds) in the group; its result."""
        if self._apply_immediately():
            return func(*(args or ()), **(kwds or {}))
        return self.spawn(func, *(args or ()), **(kwds or {})).get()

    def apply_cb(
        self,
        func: Callable,
        args: tuple | None = None,
        kwds: dict | None = None,
        callback: Callable | None = None,
    ) -> Any:
        """apply(), then a greenlet that calls callback with the result."""
        result = self.apply(func, args, kwds)
        if callback is not None:
            Greenlet.spawn(callback, result)
        return result

    def apply_async(
        self,
        func: Callable,
        args: tuple | None = None,
        kwds: dict | None = None,
        callback: Callable | None = None,
    ) -> Greenlet:
        """A greenlet that calls func; never waits.

        callback, if given, is called with the result.
        """
        args, kwds = args or (), kwds or {}
        if self._apply_async_use_greenlet():
            return Greenlet.spawn(self.apply_cb, func, args, kwds, callback)
        greenlet = self.spawn(func, *args, **kwds)
        if callback is not None:
            greenlet.link_value(lambda g: callback(g.value))
        return greenlet

    def map(self, func: Callable, iterable: Iterable) -> list:
        """[func(x) for x in iterable], concurrently."""
        return self.map_async(func, iterable).get()

    def map_cb(
        self, func: Callable, iterable: Iterable, callback: Callable | None = None
    ) -> list:
        """map(), then callback with the list."""
        result = self.map(func, iterable)
        if callback is not None:
            callback(result)
        return result

    def map_async(
        self, func: Callable, iterable: Iterable, callback: Callable | None = None
    ) -> Greenlet:
        """A greenlet whose value is that of map()."""
        return Greenlet.spawn(self._map, func, iterable, callback)

    def _map(self, func: Callable, iterable: Iterable, callback: Any) -> list:
        greenlets = [self.spawn(func, item) for item in iterable]
        result = [greenlet.get() for greenlet in greenlets]
        if callback is not None:
            callback(result)
        return result

    def imap(
        self, func: Callable, *iterables: Iterable, maxsize: int | None = None
    ) -> Iterator:
        """As map of several iterables, giving the results in order as they come.

        Args:
            maxsize: results that may wait to be taken; None is no limit.
        """
        return _IMap(self, func, zip(*iterables), maxsize, ordered=True)

    def imap_unordered(
        self, func: Callable, *iterables: Iterable, maxsize: int | None = None
    ) -> Iterator:
        """As imap, giving each result as soon as there is one."""
        return _IMap(self, func, zip(*iterables), maxsize, ordered=False)


class _IMap:
    """The results of calls that a greenlet of its own starts."""

    def __init__(
        self,
        spawner: Any,
        func: Callable,
        items: Iterator[tuple],
        maxsize: int | None,
        ordered: bool,
    ) -> None:
        self._spawner = spawner
        self._func = func
        self._ordered = ordered
        self._room = Semaphore(maxsize) if maxsize else DummySemaphore()
        self._arrived = Event()
        self._started: list[Greenlet] = []
        self._finished: list[Greenlet] = []
        self._taken = 0
        self._all_started = False
        self._failure: BaseException | None = None
        self._starter = Greenlet.spawn(self._start_all, items)

    def _start_all(self, items: Iterator[tuple]) -> None:
        try:
            for arguments in items:
                self._room.acquire()
                greenlet = self._spawner.spawn(self._func, *arguments)
                self._started.append(greenlet)
                greenlet.rawlink(self._on_finish)
        except Exception as error:
            self._failure = error
        self._all_started = True
        self._arrived.set()

    def _on_finish(self, greenlet: Greenlet) -> None:
        self._finished.append(greenlet)
        self._arrived.set()

    def _next_finished(self) -> Greenlet | None:
        """The greenlet whose turn it is, once it has finished."""
        if not self._ordered:
            done = self._finished
            return done[self._taken] if len(done) > self._taken else None
        if len(self._started) > self._taken and self._started[self._taken].ready():
            return self._started[self._taken]
        return None

    def __iter__(self) -> "_IMap":
        return self

    def __next__(self) -> Any:
        while (greenlet := self._next_finished()) is None:
            if self._all_started and self._taken == len(self._started):
                if self._failure is not None:
                    failure, self._failure = self._failure, None
                    raise failure
                raise StopIteration
            self._arrived.clear()
            self._arrived.wait()
        self._taken += 1
        self._room.release()
        return greenlet.get()

    next = __next__


class Group(GroupMappingMixin):
    """Greenlets that can be waited for and killed together.

    Those that finish leave the group.
    """

    #: What spawn makes.
    greenlet_class = Greenlet

    def __init__(self, *args: Iterable[Greenlet]) -> None:
        if len(args) > 1:
            raise TypeError(f"expected at most 1 argument, got {len(args)}")
        self.greenlets: set[Greenlet] = set()
        #: Those killed that have not finished.
        self.dying: set[Greenlet] = set()
        self._empty_event = Event()
        self._empty_event.set()
        for greenlet in args[0] if args else ():
            self.add(greenlet)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {self.greenlets}>"

    def __len__(self) -> int:
        return len(self.greenlets)

    def __contains__(self, item: Greenlet) -> bool:
        return item in self.greenlets

    def __iter__(self) -> Iterator[Greenlet]:
        return iter(self.greenlets)

    def add(self, greenlet: Greenlet) -> None:
        """Make greenlet a member until it finishes."""
        try:
            rawlink = greenlet.rawlink
        except AttributeError:
            pass  # a raw greenlet: nobody tells when it finishes
        else:
            rawlink(self._discard)
        self.greenlets.add(greenlet)
        self._empty_event.clear()

    def _discard(self, greenlet: Greenlet) -> None:
        self.greenlets.discard(greenlet)
        self.dying.discard(greenlet)
        if not self.greenlets:
            self._empty_event.set()

    def discard(self, greenlet: Greenlet) -> None:
        """Make greenlet no member any more."""
        self._discard(greenlet)
        unlink = getattr(greenlet, "unlink", None)
        if unlink is not None:
            unlink(self._discard)

    def start(self, greenlet: Greenlet) -> None:
        """Add greenlet, which was not started, and start it."""
        self.add(greenlet)
        greenlet.start()

    def spawn(self, *args: Any, **kwargs: Any) -> Greenlet:
        """Start a greenlet of class greenlet_class in the group."""
        greenlet = self.greenlet_class(*args, **kwargs)
        self.start(greenlet)
        return greenlet

    def join(self, timeout: float | None = None, raise_error: bool = False) -> bool:
        """Wait until the group is empty; whether it is.

        Args:
            timeout: seconds to wait; None is for ever.
            raise_error: re-raise the first exception that ended a member.
        """
        greenlets = list(self.greenlets) if raise_error else ()
        result = self._empty_event.wait(timeout)
        for greenlet in greenlets:
            if getattr(greenlet, "exception", None) is not None:
                raise greenlet.exception
        return result

    def kill(
        self,
        exception: Any = GreenletExit,
        block: bool = True,
        timeout: float | None = None,
    ) -> None:
        """Kill every member, those added meanwhile too.

        Args:
            exception: what they are killed with.
            block: wait until they have finished.
            timeout: seconds to wait at most.
        """
        timer = Timeout._start_new_or_dummy(timeout)
        try:
            while self.greenlets:
                for greenlet in list(self.greenlets):
                    if greenlet in self.dying:
                        continue
                    self.dying.add(greenlet)
                    if hasattr(greenlet, "kill"):
                        greenlet.kill(exception, block=False)
                    else:
                        kill(greenlet, exception)
                        self.discard(greenlet)
                if not block:
                    break
                joinall(list(self.greenlets))
                if self.greenlets:
                    sleep(0)  # the links that take them out are due
        except Timeout as error:
            if error is not timer:
                raise
        finally:
            timer.cancel()

    def killone(
        self,
        greenlet: Greenlet,
        exception: Any = GreenletExit,
        block: bool = True,
        timeout: float | None = None,
    ) -> None:
        """Kill greenlet if it is a member that is not being killed already."""
        if greenlet not in self.dying and greenlet in self.greenlets:
            self.dying.add(greenlet)
            greenlet.kill(exception, block=False)
        if block:
            greenlet.join(timeout)

    def full(self) -> bool:
        """False: a group has no limit."""
        return False

    def wait_available(self, timeout: float | None = None) -> bool | None:
        """Nothing: a group always has room."""

    def _apply_immediately(self) -> bool:
        """Whether the caller is a member, which must not wait for another."""
        return getcurrent() in self

    def _apply_async_use_greenlet(self) -> bool:
        """Whether spawn might wait."""
        return self.full()


class Pool(Group):
    """A group of at most `size` greenlets: adding waits for room."""

    def __init__(self, size: int | None = None, greenlet_class: Any = None) -> None:
        if size is not None and size < 0:
            raise ValueError("size must not be negative")
        super().__init__()
        self.size = size
        if greenlet_class is not None:
            self.greenlet_class = greenlet_class
        self._semaphore: Any = (
            DummySemaphore() if size is None else Semaphore(size)
        )

    def wait_available(self, timeout: float | None = None) -> int:
        """Wait until there is room, for timeout seconds at most.

        Returns how much there is, 0 for none in time; 1 without a limit.
        """
        return self._semaphore.wait(timeout=timeout)

    def full(self) -> bool:
        """Whether there is no room."""
        return self.free_count() <= 0

    def free_count(self) -> int:
        """How many could be added; 1 without a limit."""
        if self.size is None:
            return 1
        return max(0, self.size - len(self))

    def _acquire(self, blocking: bool, timeout: float | None) -> None:
        if not self._semaphore.acquire(blocking=blocking, timeout=timeout):
            raise PoolFull()

    def start(
        self, greenlet: Greenlet, blocking: bool = True, timeout: float | None = None
    ) -> None:
        """Add greenlet and start it; see add."""
        self.add(greenlet, blocking, timeout)
        greenlet.start()

    def add(
        self, greenlet: Greenlet, blocking: bool = True, timeout: float | None = None
    ) -> None:
        """Make greenlet a member, waiting for room.

        Args:
            blocking: False: PoolFull instead of waiting.
            timeout: seconds to wait; then PoolFull.
        """
        self._acquire(blocking, timeout)
        try:
            super().add(greenlet)
        except BaseException:
            self._semaphore.release()
            raise

    def _discard(self, greenlet: Greenlet) -> None:
        was_member = greenlet in self.greenlets
        super()._discard(greenlet)
        if was_member:
            self._semaphore.release()


def pass_value(callback: Callable) -> Callable:
    """A link that calls callback with the value of what has finished well."""

    def link(source: Any) -> None:
        if source.successful():
            callback(source.value)

    return link
