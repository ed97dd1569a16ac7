"""Events, and results that come later."""

from typing import Any

from grove._core import Timeout
from grove._linkable import AbstractLinkable

__all__ = ["AsyncResult", "Event"]


class Event(AbstractLinkable):
    """A flag that greenlets can wait for."""

    __slots__ = ("_flag",)

    def __init__(self) -> None:
        super().__init__()
        self._flag = False

    def __repr__(self) -> str:
        state = "set" if self._flag else "clear"
        return f"<{type(self).__name__} {state} _links[{self.linkcount()}]>"

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._flag

    isSet = is_set
    ready = is_set

    def set(self) -> None:
        """Set it: those who wait now go on, in the order they came."""
        self._flag = True
        self._check_and_notify()

    def clear(self) -> None:
        """Clear it. Those it was set for go on nevertheless."""
        self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; False when timeout seconds pass first."""
        return self._flag or self._wait(timeout)


class AsyncResult(AbstractLinkable):
    """A value, or an exception, that comes later and then stays."""

    __slots__ = ("_value", "_exc_info")

    def __init__(self) -> None:
        super().__init__()
        self._value: Any = None
        #: None: nothing yet. (): there is a value.
        self._exc_info: tuple | None = None

    def __repr__(self) -> str:
        if not self.ready():
            state = "unset"
        elif self.successful():
            state = f"value={self._value!r}"
        else:
            state = f"exception={self.exception!r}"
        return f"<{type(self).__name__} {state} _links[{self.linkcount()}]>"

    def ready(self) -> bool:
        """Whether it has a value or an exception."""
        return self._exc_info is not None

    done = ready

    def successful(self) -> bool:
        """Whether it has a value."""
        return self._exc_info == ()

    @property
    def value(self) -> Any:
        """The value; None when there is none."""
        return self._value

    @property
    def exc_info(self) -> tuple:
        """The exception as a triple; () when there is none."""
        return self._exc_info or ()

    @property
    def exception(self) -> BaseException | None:
        """The exception; None when there is none."""
        return self._exc_info[1] if self._exc_info else None

    def set(self, value: Any = None) -> None:
        """Give it its value."""
        self._value = value
        self._exc_info = ()
        self._check_and_notify()

    set_result = set

    def set_exception(
        self, exception: BaseException, exc_info: tuple | None = None
    ) -> None:
        """Give it an exception, which get() raises."""
        self._exc_info = exc_info or (
            type(exception),
            exception,
            exception.__traceback__,
        )
        self._check_and_notify()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """The value, or raise the exception, once there is one.

        Args:
            block: False: raise Timeout at once when there is neither.
            timeout: seconds to wait; then raise Timeout.
        """
        if not self.ready() and not (block and self._wait(timeout)):
            raise Timeout(timeout)
        if self._exc_info:
            raise self._exc_info[1].with_traceback(self._exc_info[2])
        return self._value

    def get_nowait(self) -> Any:
        """get(block=False)"""
        return self.get(block=False)

    def result(self, timeout: float | None = None) -> Any:
        """get(timeout=timeout)"""
        return self.get(timeout=timeout)

    def wait(self, timeout: float | None = None) -> Any:
        """Wait until it is ready; the value, or None."""
        if not self.ready():
            self._wait(timeout)
        return self._value

    def __call__(self, source: Any) -> None:
        """Take over the result of source: link a greenlet to this."""
        if source.successful():
            self.set(source.value)
        else:
            self.set_exception(source.exception, getattr(source, "exc_info", None))

    def cancel(self) -> bool:
        """False: it cannot be cancelled."""
        return False

    def cancelled(self) -> bool:
        """False: it cannot be cancelled."""
        return False
