"""Seeing what a program does: its threads, its greenlets and who made them."""

import functools
from collections.abc import Callable
from time import perf_counter as _now
from types import FrameType, TracebackType
from typing import Any

from grove import _core
from grove._core import getcurrent
from grove.monitoring.run_info import format_run_info, print_run_info
from grove.monitoring.tracer import GreenletTracer, HubSwitchTracer, MaxSwitchTracer
from grove.monitoring.tree import GreenletTree
from grove.names.publish import publish

__all__ = [
    "GreenletTree",
    "assert_switches",
    "clear_stack_frames",
    "format_run_info",
    "print_run_info",
    "wrap_errors",
]

publish(globals(), ["GreenletTree", "format_run_info", "print_run_info"])


class wrap_errors:
    """A function that returns the exceptions of func instead of raising them.

    Args:
        errors: a class of exceptions or a tuple of them.
        func: what is called; its other attributes are this object's.

    >>> from grove.util import wrap_errors
    >>> number = wrap_errors(ValueError, int)
    >>> number("12"), number("twelve")
    (12, ValueError("invalid literal for int() with base 10: 'twelve'"))
    """

    def __init__(self, errors: Any, func: Callable[..., Any]) -> None:
        self.__errors = errors
        self.__func = func
        # What func has, this seems to have.
        functools.update_wrapper(self, func, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self.__func(*args, **kwargs)
        except self.__errors as error:
            return error

    def __str__(self) -> str:
        return str(self.__func)

    def __repr__(self) -> str:
        return repr(self.__func)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__func, name)


def is_idle_threadpool_worker(frame: FrameType) -> bool:
    """Whether frame is that of a native thread that waits for work."""
    return bool(frame.f_locals.get("gevent_threadpool_worker_idle"))


def clear_stack_frames(frame: FrameType | None) -> None:
    """Forget the local variables of frame and of those that called it.

    Frames that still run are left alone.

    >>> import sys
    >>> from grove.util import clear_stack_frames
    >>> def fail():
    ...     large = bytearray(1000000)
    ...     int("no number")
    >>> try:
    ...     fail()
    ... except ValueError as error:
    ...     frame = error.__traceback__.tb_next.tb_frame
    >>> clear_stack_frames(frame)
    >>> frame.f_locals
    {}
    """
    while frame is not None:
        try:
            frame.clear()
        except RuntimeError:
            pass
        frame = frame.f_back


class _FailedToSwitch(AssertionError):
    """No greenlet switched when one should have."""


class assert_switches:
    """A context manager, or a decorator: what runs in it must let others run.

    Args:
        max_blocking_time: seconds that it may run at a stretch; None: it must
            switch at least once.
        hub_only: whether only waiting counts, and not a direct switch to another
            greenlet.

    Raises AssertionError, at the end, that tells what ran.

    >>> import grove
    >>> from grove.util import assert_switches
    >>> with assert_switches():
    ...     grove.sleep()
    >>> with assert_switches():
    ...     total = sum(range(10))
    Traceback (most recent call last):
        ...
    grove.util._FailedToSwitch: ...
    """

    hub: Any = None
    tracer: Any = None

    def __init__(
        self, max_blocking_time: float | None = None, hub_only: bool = False
    ) -> None:
        self.max_blocking_time = max_blocking_time
        self.hub_only = hub_only

    def __enter__(self) -> "assert_switches":
        self.hub = hub = _core.get_hub()
        if not self.max_blocking_time:
            self.tracer = GreenletTracer(hub)
            self._before = self._count()
        elif self.hub_only:
            self.tracer = HubSwitchTracer(hub, self.max_blocking_time)
        else:
            self.tracer = MaxSwitchTracer(hub, self.max_blocking_time)
        self._entered = _now()
        return self

    def _count(self) -> int:
        figures = _core.switch_figures(self.hub)
        return figures[1 if self.hub_only else 0] if figures else 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        tracer, hub = self.tracer, self.hub
        try:
            if kind is not None:
                return
            if self.max_blocking_time:
                failed, active = tracer.did_block_hub(hub)
            else:
                failed, active = self._count() == self._before, getcurrent()
            if not failed:
                return
            lines = tracer.did_block_hub_report(hub, active, {})
        finally:
            tracer.kill()
            self.hub = self.tracer = None
        where = "To the hub" if self.hub_only else "To any greenlet"
        message = f"{where} in {_now() - self._entered:.4f} seconds"
        if self.max_blocking_time:
            message += f" (max allowed {self.max_blocking_time:.4f} seconds)"
        raise _FailedToSwitch("\n".join([message, *lines]))

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.max_blocking_time, self.hub_only):
                return func(*args, **kwargs)

        return wrapper
