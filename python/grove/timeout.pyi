from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from typing_extensions import Self

from grove.sync.timer import TimeoutTimer

__all__ = ["Timeout", "with_timeout"]

_T = TypeVar("_T")

class Timeout(BaseException):
    seconds: float | None
    exception: Any
    def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...
    def __init__(
        self,
        seconds: float | None = None,
        exception: Any = None,
        ref: bool = True,
        priority: int = -1,
    ) -> None: ...
    @property
    def pending(self) -> bool: ...
    @property
    def timer(self) -> TimeoutTimer: ...
    def start(self) -> None: ...
    @classmethod
    def start_new(
        cls,
        timeout: float | Timeout | None = None,
        exception: Any = None,
        ref: bool = True,
    ) -> Self: ...
    def cancel(self) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
        /,
    ) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __lt__(self, other: Any, /) -> bool: ...
    def __le__(self, other: Any, /) -> bool: ...
    def __gt__(self, other: Any, /) -> bool: ...
    def __ge__(self, other: Any, /) -> bool: ...
    def __hash__(self) -> int: ...

def with_timeout(
    seconds: float | Timeout | None,
    function: Callable[..., _T],
    *args: Any,
    timeout_value: Any = ...,
    **kwargs: Any,
) -> _T: ...
