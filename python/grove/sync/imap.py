"""The results of calls that are made concurrently, as they come."""

from collections.abc import Callable, Iterable
from typing import Any

from grove._core import Greenlet, Semaphore, SimpleQueue

__all__ = ["IMap", "IMapUnordered"]


class _Failure:
    """What next() is to raise."""

    __slots__ = ("exception", "traceback")

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception
        self.traceback = exception.__traceback__


def _result_of(source: Any) -> Any:
    """What next() is to give or to raise for a call that has ended."""
    return source.value if source.successful() else _Failure(source.exception)


class IMapUnordered(Greenlet):
    """A greenlet that starts calls, and the iterator over their results."""

    def __init__(
        self,
        func: Callable,
        iterable: Iterable,
        spawn: Callable,
        maxsize: int | None = None,
        _zipped: bool = False,
    ) -> None:
        """func(item) for each item of iterable, by spawn(func, item).

        Args:
            maxsize: calls that there may be whose results were not taken; None
                is no limit.
            _zipped: items are tuples of arguments.
        """
        super().__init__()
        self._func = func
        self._items = iterable
        self._spawn_one = spawn
        self._zipped = _zipped
        self._room = Semaphore(maxsize) if maxsize else None
        #: The results that have come: values and failures.
        self.queue = SimpleQueue()
        self._put = self.queue.put_nowait
        self._begun = 0
        self._arrived = 0
        self._all_begun = False
        self._ended = False
        self._failure: _Failure | None = None

    def _run(self) -> None:
        func, zipped, spawn = self._func, self._zipped, self._spawn_one
        room, link = self._room, self._link
        try:
            for item in self._items:
                if room is not None:
                    room.acquire()
                one = spawn(func, *item) if zipped else spawn(func, item)
                index = self._begun
                self._begun = index + 1
                one.rawlink(link(index))
        except Exception as error:
            self._failure = _Failure(error)
        finally:
            self._all_begun = True
            del self._func, self._items, self._spawn_one
            self._end_if_last()

    def _link(self, index: int) -> Callable[[Any], None]:
        """What is told of the end of call `index`."""
        return self._on_result

    def _on_result(self, source: Any) -> None:
        self._arrived += 1
        self._put(_result_of(source))
        if self._all_begun:
            self._end_if_last()

    def _end_if_last(self) -> None:
        if self._arrived == self._begun and not self._ended:
            self._ended = True
            self._put(self._failure or _END)

    def __iter__(self) -> "IMapUnordered":
        return self

    def __next__(self) -> Any:
        result = self.queue.get()
        if type(result) is not _Failure:
            if self._room is not None:
                self._room.release()
            return result
        if result is _END or result is self._failure:
            self._put(_END)  # for those who ask again
        elif self._room is not None:
            self._room.release()
        try:
            raise result.exception.with_traceback(result.traceback)
        finally:
            result = None

    next = __next__


class IMap(IMapUnordered):
    """The same, giving the results in the order of their calls."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Results that have come before their turn.
        self._early: dict[int, Any] = {}
        self._turn = 0

    def _link(self, index: int) -> Callable[[Any], None]:
        def on_result(source: Any) -> None:
            self._arrived += 1
            if index != self._turn:  # that one is yet to come: this isn't the last
                self._early[index] = _result_of(source)
                return
            self._put(_result_of(source))
            self._turn = index + 1
            while self._turn in self._early:
                self._put(self._early.pop(self._turn))
                self._turn += 1
            if self._all_begun:
                self._end_if_last()

        return on_result


_END = _Failure(StopIteration())
