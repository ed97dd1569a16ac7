"""Waiting for what the hub passes."""

from typing import Any

from grove._core import Waiter

__all__ = ["MultipleWaiter", "Waiter"]


class MultipleWaiter(Waiter):
    """A Waiter that is passed several values and gives them in that order.

    Exceptions are for Waiter only; values are passed by switch().
    """

    def __init__(self, hub: Any = None) -> None:
        self._values: list[Any] = []

    def switch(self, value: Any = None) -> None:
        """Pass another value. From the hub."""
        self._values.append(value)
        Waiter.switch(self, True)

    def get(self) -> Any:
        """The next value, waiting for it."""
        if not self._values:
            Waiter.get(self)
            Waiter.clear(self)
        return self._values.pop(0)
