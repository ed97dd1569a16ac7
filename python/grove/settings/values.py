"""What settings can be: of each kind, how a value is made of what was given.

A kind is a function that takes a string of the environment, or any object, and
returns the value, or raises BadValue with what was expected.
"""

import importlib
from collections.abc import Callable, Iterable
from typing import Any

from grove.names.aliases import real_name


class BadValue(Exception):
    """A value that a setting cannot have; the message says what it can."""


_TRUE = frozenset(("1", "on", "yes", "true", "enabled"))
_FALSE = frozenset(("0", "off", "no", "false", "disabled"))


def boolean(value: Any) -> bool:
    """A word for yes or no; of what is no string, whether it is true."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise BadValue("one of 1, on, yes, true, enabled, 0, off, no, false, disabled")
    return bool(value)


def number(
    kind: Callable[[Any], Any],
    what: str,
    least: float,
    beyond: bool = False,
    most: float = float("inf"),
) -> Callable[[Any], Any]:
    """Of that kind, at least `least` (or beyond it); None or "": no value."""

    def convert(value: Any) -> Any:
        if value is None or value == "":
            return None
        try:
            result = kind(value)
        except (TypeError, ValueError, OverflowError):
            raise BadValue(what) from None
        if not (result > least if beyond else result >= least) or result > most:
            raise BadValue(what)
        return result

    return convert


def required(convert: Callable[[Any], Any], what: str) -> Callable[[Any], Any]:
    """The same without None."""

    def required(value: Any) -> Any:
        result = convert(value)
        if result is None:
            raise BadValue(what)
        return result

    return required


_UNITS = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}


def amount(value: Any) -> int | None:
    """A number of bytes, or one with KB, MB or GB behind it."""
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str):
            digits = value.strip().rstrip("bBkKmMgG \t")
            unit = value.strip()[len(digits) :].strip().upper()
            number = int(digits) * _UNITS[unit]
        else:
            number = int(value)
    except (TypeError, ValueError, KeyError):
        number = 0
    if number <= 0:
        raise BadValue("a positive number of bytes, such as 500000, 512KB, 100MB, 1GB")
    return number


def listed(value: Any) -> list[str] | None:
    """A list; a string's parts between commas."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Iterable):
        return list(value)
    raise BadValue("a list, or a string of values with commas between")


#: What libev, gevent's loop, has; ours has its own choice.
_BACKENDS = (
    "select",
    "poll",
    "epoll",
    "kqueue",
    "devpoll",
    "port",
    "linux_aio",
    "linux_iouring",
    "all",
    "noenv",
    "noinotify",
    "forkcheck",
    "signalfd",
    "nosigmask",
    "default",
)


def backends(value: Any) -> Any:
    """A number of libev's, or a list of its names."""
    if isinstance(value, int):
        return value
    names = listed(value)
    for name in names or ():
        if name not in _BACKENDS:
            raise BadValue(f"a number, or of {', '.join(_BACKENDS)}")
    return names


def check_loop_flags(flags: Any) -> None:
    """ValueError for what is neither a number of libev's nor of its names."""
    try:
        backends(flags)
    except BadValue as expected:
        raise ValueError(
            f"Invalid backend or flag: {flags!r}; expected {expected}"
        ) from None


def trace_malloc(value: Any) -> bool:
    """PYTHONTRACEMALLOC is a number of frames."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value) > 0
    return bool(value) if not isinstance(value, str) else value != ""


def _import_one(path: str, shorthands: dict[str, str]) -> Any:
    path = shorthands.get(path, path)
    # Never another gevent that is installed beside this package.
    path = real_name(path)
    module_name, dot, name = path.rpartition(".")
    if not dot:
        raise ImportError(
            f"Cannot import {path!r}: expected [package.]module.name"
            + (f" or one of {', '.join(shorthands)}" if shorthands else "")
        )
    module = importlib.import_module(module_name)
    try:
        return getattr(module, name)
    except AttributeError:
        raise ImportError(f"Cannot import {name!r} from {module!r}") from None


def importable(shorthands: dict[str, str]) -> Callable[[Any], Any]:
    """An object; or where it is, or several such in order of preference."""

    def convert(value: Any) -> Any:
        if isinstance(value, str):
            value = listed(value)
        if not isinstance(value, (list, tuple)):
            return value
        failures = []
        for path in value:
            if not isinstance(path, str):
                return path
            try:
                return _import_one(path, shorthands)
            except ImportError as error:
                failures.append(error)
        if len(failures) == 1:
            raise failures[0]
        raise ImportError("; ".join(map(str, failures)) or "nothing to import")

    return convert
