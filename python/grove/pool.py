"""Groups of greenlets, and groups of bounded size.

What is on the way of a spawn is compiled (python/src/greenlet/group.c and
members.c).
"""

from collections.abc import Callable, Iterable, Iterator
from queue import Full
from typing import Any

from grove._core import (
    Greenlet,
    GreenletExit,
    GroupBase,
    PoolBase,
    Timeout,
    _set_pool_full,
    getcurrent,
    joinall,
    kill,
    sleep,
)
from grove.event import Event
from grove.lock import DummySemaphore, Semaphore
from grove.sync.imap import IMap, IMapUnordered

__all__ = ["Group", "Pool", "PoolFull"]


class PoolFull(Full):
    """A pool has no room for another greenlet.

    >>> import grove
    >>> from grove.pool import Pool, PoolFull
    >>> pool = Pool(1)
    >>> try:
    ...     pool.add(grove.spawn(int), blocking=False)
    ...     pool.add(grove.spawn(int), blocking=False)
    ... except PoolFull:
    ...     print("full")
    full
    """


_set_pool_full(PoolFull)


def _items(iterables: tuple[Iterable, ...]) -> Iterator:
    """The members of a single iterable, tuples of those of several."""
    return iter(iterables[0]) if len(iterables) == 1 else zip(*iterables)


class GroupMappingMixin:
    """Calling a function on the members of an iterable, concurrently.

    Wants spawn and _apply_async_use_greenlet of those it is mixed into.
    """

    def apply(
        self, func: Callable, args: tuple | None = None, kwds: dict | None = None
    ) -> Any:
        """func(*args, **kwds) in the group; its result.

        >>> from grove.pool import Group
        >>> Group().apply(pow, (2, 5))
        32
        """
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
        """apply(), then a greenlet that calls callback with the result.

        >>> import grove
        >>> from grove.pool import Group
        >>> Group().apply_cb(pow, (2, 5), callback=print)
        32
        >>> grove.sleep()
        32
        """
        result = self.apply(func, args, kwds)
        if callback is not None:
            self._apply_async_cb_spawn(callback, result)
        return result

    def _apply_async_cb_spawn(self, callback: Callable, result: Any) -> None:
        """Call callback(result) somewhere it may wait."""
        Greenlet.spawn(callback, result)

    def apply_async(
        self,
        func: Callable,
        args: tuple | None = None,
        kwds: dict | None = None,
        callback: Callable | None = None,
    ) -> Greenlet:
        """A greenlet that calls func; never waits.

        callback, if given, is called with the result.

        >>> from grove.pool import Group
        >>> Group().apply_async(pow, (2, 5)).get()
        32
        """
        args, kwds = args or (), kwds or {}
        if self._apply_async_use_greenlet():
            return Greenlet.spawn(self.apply_cb, func, args, kwds, callback)
        greenlet = self.spawn(func, *args, **kwds)
        if callback is not None:
            greenlet.link(pass_value(callback))
        return greenlet

    def map(self, func: Callable, iterable: Iterable) -> list:
        """[func(x) for x in iterable], concurrently.

        Raises what the first call, in that order, raised. Another greenlet
        starts the calls, so that one that fails is raised while others are yet
        to be started.

        >>> from grove.pool import Pool
        >>> Pool(2).map(str.upper, ["a", "b", "c"])
        ['A', 'B', 'C']
        """
        return list(self.imap(func, iterable))

    def map_cb(
        self, func: Callable, iterable: Iterable, callback: Callable | None = None
    ) -> list:
        """map(), then callback with the list.

        >>> from grove.pool import Pool
        >>> Pool(2).map_cb(abs, [-1, 2], callback=print)
        [1, 2]
        [1, 2]
        """
        result = self.map(func, iterable)
        if callback is not None:
            callback(result)
        return result

    def map_async(
        self, func: Callable, iterable: Iterable, callback: Callable | None = None
    ) -> Greenlet:
        """A Greenlet whose value is that of map(); never waits.

        It is not one of the group. callback, if given, is called with the list.

        >>> from grove.pool import Pool
        >>> Pool(2).map_async(abs, [-1, 2]).get()
        [1, 2]
        """
        return Greenlet.spawn(self.map_cb, func, iterable, callback)

    def imap(
        self, func: Callable, *iterables: Iterable, maxsize: int | None = None
    ) -> IMap:
        """As map of several iterables, giving the results in order as they come.

        Args:
            maxsize: results, and calls for them, that there may be before they
                are taken; None is no limit.

        Returns an iterator; next() raises what the call whose turn it is
        raised, and may be called again.

        >>> from grove.pool import Pool
        >>> list(Pool(2).imap(pow, [2, 3], [3, 2]))
        [8, 9]
        """
        return IMap.spawn(func, _items(iterables), self.spawn, maxsize, len(iterables) != 1)

    def imap_unordered(
        self, func: Callable, *iterables: Iterable, maxsize: int | None = None
    ) -> IMapUnordered:
        """As imap, giving each result as soon as there is one.

        >>> import grove
        >>> from grove.pool import Pool
        >>> def wait(seconds):
        ...     grove.sleep(seconds)
        ...     return seconds
        >>> list(Pool(2).imap_unordered(wait, [0.02, 0]))
        [0, 0.02]
        """
        return IMapUnordered.spawn(
            func, _items(iterables), self.spawn, maxsize, len(iterables) != 1
        )


class Group(GroupMappingMixin, GroupBase):
    """Greenlets that can be waited for and killed together.

    Those that finish leave the group.

    >>> import grove
    >>> from grove.pool import Group
    >>> group = Group()
    >>> tasks = [group.spawn(grove.sleep, 0.01) for _ in range(3)]
    >>> group.join(), len(group)
    (True, 0)
    """

    #: What spawn makes.
    greenlet_class = Greenlet

    def __init__(self, *args: Iterable[Greenlet]) -> None:
        """With the greenlets of an iterable, or none."""
        if len(args) > 1:
            raise TypeError(f"expected at most 1 argument, got {len(args)}")
        event = Event()
        event.set()
        self._begin(event)
        for greenlet in args[0] if args else ():
            self.add(greenlet)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {self.greenlets}>"

    def join(self, timeout: float | None = None, raise_error: bool = False) -> bool:
        """Wait until the group is empty; whether it is.

        Args:
            timeout: seconds to wait; None is for ever.
            raise_error: re-raise the first exception that ended a member.

        >>> import grove
        >>> from grove.pool import Group
        >>> group = Group()
        >>> task = group.spawn(grove.sleep, 3600)
        >>> group.join(timeout=0.01)
        False
        >>> group.kill()
        """
        greenlets = list(self.greenlets) if raise_error else ()
        result = self._empty_event.wait(timeout)
        for greenlet in greenlets:
            if getattr(greenlet, "exception", None) is not None:
                if hasattr(greenlet, "_raise_exception"):
                    greenlet._raise_exception()
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
            timeout: seconds to wait at most; that they passed is not told.

        >>> import grove
        >>> from grove.pool import Group
        >>> group = Group()
        >>> tasks = [group.spawn(grove.sleep, 3600) for _ in range(3)]
        >>> group.kill()
        >>> [task.dead for task in tasks]
        [True, True, True]
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
                if self.greenlets and self.greenlets <= self.dying:
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
        """Kill greenlet if it is a member that is not being killed already.

        Args:
            exception: what it is killed with.
            block: wait until it has finished.
            timeout: seconds to wait at most.

        >>> import grove
        >>> from grove.pool import Group
        >>> group = Group()
        >>> task = group.spawn(grove.sleep, 3600)
        >>> group.killone(task)
        >>> task.dead
        True
        """
        if greenlet in self.dying or greenlet not in self.greenlets:
            return
        self.dying.add(greenlet)
        greenlet.kill(exception, block=False)
        if block:
            greenlet.join(timeout)

    def full(self) -> bool:
        """False: a group has no limit.

        >>> from grove.pool import Group
        >>> Group().full()
        False
        """
        return False

    def wait_available(self, timeout: float | None = None) -> bool | int | None:
        """Nothing: a group always has room.

        >>> from grove.pool import Group
        >>> Group().wait_available()
        """

    def _apply_immediately(self) -> bool:
        """Whether the caller is a member, which must not wait for another."""
        return getcurrent() in self

    def _apply_async_use_greenlet(self) -> bool:
        """Whether spawn might wait."""
        return self.full()


class Pool(Group, PoolBase):
    """A group of at most `size` greenlets: adding waits for room.

    >>> from grove.pool import Pool
    >>> pool = Pool(10)
    >>> for n in range(3):
    ...     task = pool.spawn(print, n)
    >>> pool.join()
    0
    1
    2
    True
    """

    def __init__(self, size: int | None = None, greenlet_class: Any = None) -> None:
        """Without members.

        Args:
            size: how many there can be; None is no limit, 0 is none at all.
            greenlet_class: what spawn makes, instead of the class's.

        Raises ValueError when size is negative.
        """
        if size is not None and size < 0:
            raise ValueError(f"size must not be negative: {size!r}")
        event = Event()
        event.set()
        self._begin(
            event, DummySemaphore() if size is None else Semaphore(size), size is not None
        )
        #: The limit.
        self.size = size
        if greenlet_class is not None:
            self.greenlet_class = greenlet_class

    def wait_available(self, timeout: float | None = None) -> int:
        """Wait until there is room, for timeout seconds at most.

        Returns how much there is, 0 for none in time; 1 without a limit.

        >>> import grove
        >>> from grove.pool import Pool
        >>> pool = Pool(1)
        >>> task = pool.spawn(grove.sleep, 0.01)
        >>> pool.wait_available()
        1
        """
        return self._semaphore.wait(timeout=timeout)

    def full(self) -> bool:
        """Whether there is no room.

        >>> from grove.pool import Pool
        >>> pool = Pool(1)
        >>> task = pool.spawn(int)
        >>> pool.full()
        True
        >>> pool.join(), pool.full()
        (True, False)
        """
        return self.free_count() <= 0

    def free_count(self) -> int:
        """How many could be added; 1 without a limit.

        >>> import grove
        >>> from grove.pool import Pool
        >>> pool = Pool(3)
        >>> task = pool.spawn(grove.sleep)
        >>> pool.free_count()
        2
        """
        if self.size is None:
            return 1
        return max(0, self.size - len(self))


class pass_value:
    """A link that calls a function with the value of what has finished well."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable) -> None:
        self.callback = callback

    def __call__(self, source: Any) -> None:
        if source.successful():
            self.callback(source.value)

    def __hash__(self) -> int:
        return hash(self.callback)

    def __eq__(self, other: object) -> bool:
        return self.callback == getattr(other, "callback", other)

    def __str__(self) -> str:
        return str(self.callback)

    def __repr__(self) -> str:
        return repr(self.callback)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.callback, name)
