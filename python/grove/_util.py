"""Small tools that gevent's own modules and some of its users share."""

import functools
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

__all__ = [
    "Lazy",
    "LazyOnClass",
    "copy_globals",
    "gmctime",
    "import_c_accel",
    "readproperty",
]


def copy_globals(
    source: ModuleType,
    globs: dict[str, Any],
    only_names: Iterable[str] | None = None,
    ignore_missing_names: bool = False,
    names_to_ignore: Iterable[str] = (),
    dunder_names_to_keep: Iterable[str] = (),
    cleanup_globs: bool = True,
) -> list[str]:
    """Copy attributes of a module into globs; their names.

    Args:
        source: the module.
        globs: where they go.
        only_names: these; None is all.
        ignore_missing_names: whether a name of only_names may be missing.
        names_to_ignore: not these.
        dunder_names_to_keep: the names that begin with two underscores and are
            copied nevertheless.
        cleanup_globs: kept for compatibility.

    Raises AttributeError for a name that is missing.
    """
    if only_names is not None:
        items = [
            (name, getattr(source, name))
            for name in only_names
            if not ignore_missing_names or hasattr(source, name)
        ]
    else:
        items = list(vars(source).items())
    copied = []
    ignored, kept = set(names_to_ignore), set(dunder_names_to_keep)
    for name, value in items:
        if name in ignored or (name.startswith("__") and name not in kept):
            continue
        globs[name] = value
        copied.append(name)
    return copied


def import_c_accel(globs: dict[str, Any], cname: str) -> None:
    """Nothing: what is compiled here has no Python twin."""


def gmctime() -> str:
    """The time now, as in 2026-05-20T10:00:00Z."""
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class Lazy:
    """An attribute that is computed when it is first read, and then kept.

    The result goes to the instance's dict, so that it can be replaced there.
    """

    def __init__(self, func: Callable[[Any], Any]) -> None:
        self.data = (func, func.__name__)
        functools.update_wrapper(self, func)

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
        functools.update_wrapper(self, func)

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
