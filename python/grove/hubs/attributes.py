"""Attributes that are computed when they are read."""

import functools
from collections.abc import Callable
from typing import Any

__all__ = ["Lazy", "LazyOnClass", "readproperty"]


class Lazy:
    """An attribute that is computed when it is first read, and then kept.

    The result goes to the instance's dict, so that it can be replaced there.
    """

    def __init__(self, func: Callable[[Any], Any]) -> None:
        self.data = (func, func.__name__)
        functools.update_wrapper(self, func)  # type: ignore[arg-type]

    def __get__(self, inst: Any, class_: type) -> Any:
        if inst is None:
            return self
        func, name = self.data
        value = func(inst)
        inst.__dict__[name] = value
        return value


class readproperty:
    """A property that an instance may replace by an attribute of its own."""

    def __init__(self, func: Callable[[Any], Any]) -> None:
        self.func = func
        functools.update_wrapper(self, func)  # type: ignore[arg-type]

    def __get__(self, inst: Any, class_: type) -> Any:
        return self if inst is None else self.func(inst)


class LazyOnClass:
    """An attribute of a class that is computed when an instance first reads it."""

    @classmethod
    def lazy(cls, cls_dict: dict[str, Any], func: Callable[[Any], Any]) -> None:
        """Put one for func into a class's namespace."""
        cls_dict[func.__name__] = cls(func)

    def __init__(self, func: Callable[[Any], Any], name: str | None = None) -> None:
        self.name = name or func.__name__
        self.func = func

    def __get__(self, inst: Any, klass: type) -> Any:
        if inst is None:
            return self
        value = self.func(inst)
        setattr(klass, self.name, value)
        return value
