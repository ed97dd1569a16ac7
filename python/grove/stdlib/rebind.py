"""Functions of the standard library on other globals."""

from collections.abc import Callable
from types import FunctionType
from typing import Any


def rebound(function: Callable, names: dict[str, Any]) -> Callable:
    """A copy of a Python function that looks its globals up in names.

    So a function that only combines others follows the standard library's of the
    running version, and combines the ones in names.
    """
    copy = FunctionType(
        function.__code__,
        names,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__doc__ = function.__doc__
    copy.__annotations__ = function.__annotations__
    return copy
