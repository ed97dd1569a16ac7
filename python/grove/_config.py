"""The settings of the package: `grove.config`, from the environment by default.

Each has a name, an environment variable and a default. It is settled when it is
first read: by what was set before, else by the environment. So set it before
what it is about is first used. The names and their meaning are gevent's
(docs of gevent's configuration). `python -m grove._config` lists them all.
"""

import importlib
import os
import textwrap
from collections.abc import Callable, Iterable
from typing import Any

from grove import _core

__all__ = ["ALL_SETTINGS", "Config", "Setting", "config"]


class _Bad(Exception):
    """A value that a setting cannot have; the message says what it can."""


# ---- kinds of values: each takes a string of the environment or any object,
# and returns the value, or raises _Bad with what was expected


def _anything(value: Any) -> Any:
    return value


_TRUE = frozenset(("1", "on", "yes", "true", "enabled"))
_FALSE = frozenset(("0", "off", "no", "false", "disabled"))


def _boolean(value: Any) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise _Bad("one of 1, on, yes, true, enabled, 0, off, no, false, disabled")
    return bool(value)


def _number(
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
            number = kind(value)
        except (TypeError, ValueError, OverflowError):
            raise _Bad(what) from None
        if not (number > least if beyond else number >= least) or number > most:
            raise _Bad(what)
        return number

    return convert


def _required(convert: Callable[[Any], Any], what: str) -> Callable[[Any], Any]:
    """The same without None."""

    def required(value: Any) -> Any:
        result = convert(value)
        if result is None:
            raise _Bad(what)
        return result

    return required


_UNITS = {"": 1, "B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3}


def _bytes(value: Any) -> int | None:
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
        raise _Bad("a positive number of bytes, such as 500000, 512KB, 100MB, 1GB")
    return number


def _names(value: Any) -> list[str] | None:
    """A list; a string's parts between commas."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Iterable):
        return list(value)
    raise _Bad("a list, or a string of values with commas between")


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
    "forkcheck",
    "signalfd",
    "nosigmask",
    "default",
)


def _backends(value: Any) -> Any:
    if isinstance(value, int):
        return value
    names = _names(value)
    for name in names or ():
        if name not in _BACKENDS:
            raise _Bad(f"a number, or of {', '.join(_BACKENDS)}")
    return names


def _trace_malloc(value: Any) -> bool:
    """PYTHONTRACEMALLOC is a number of frames."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value) > 0
    return bool(value) if not isinstance(value, str) else value != ""


# ---- importable values -----------------------------------------------------


def _import_one(path: str, shorthands: dict[str, str]) -> Any:
    path = shorthands.get(path, path)
    if path.startswith("gevent."):
        # Never another gevent that is installed beside this package.
        path = "grove." + path[len("gevent.") :]
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


def _importable(shorthands: dict[str, str]) -> Callable[[Any], Any]:
    """An object; or where it is, or several such in order of preference."""

    def convert(value: Any) -> Any:
        if isinstance(value, str):
            value = _names(value)
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


# ---- settings --------------------------------------------------------------

_UNSET = object()


class Setting:
    """One of them: its name, where it comes from, what it can be."""

    def __init__(
        self,
        name: str,
        environment_key: str,
        default: Any,
        convert: Callable[[Any], Any],
        desc: str,
        applied: Callable[[Any], object] | None = None,
    ) -> None:
        self.name = name
        #: The environment variable.
        self.environment_key = environment_key
        #: What it is without that, before it is converted.
        self.default = default
        self.desc = " ".join(desc.split())
        self.__doc__ = self.desc
        self._convert = convert
        self._applied = applied
        self._value: Any = _UNSET

    def __repr__(self) -> str:
        return f"<Setting {self.name} environment_key={self.environment_key}>"

    def validate(self, value: Any) -> Any:
        """The value that `value` stands for.

        Raises ValueError when it is none of this setting's; ImportError when it
        cannot be imported.
        """
        return self._checked(value, self.name)

    def _checked(self, value: Any, source: str) -> Any:
        try:
            return self._convert(value)
        except _Bad as bad:
            raise ValueError(f"{source}={value!r}: expected {bad}") from None

    def get(self) -> Any:
        """The value, settled now if it was not yet. Errors as validate's."""
        if self._value is _UNSET:
            given = os.environ.get(self.environment_key)
            if given is None or not given.strip():
                value = self._checked(self.default, self.name)
            else:
                value = self._checked(given, self.environment_key)
            self._settle(value)
        return self._value

    def set(self, value: Any) -> None:
        """Make it what `value` stands for. Errors as validate's."""
        self._settle(self.validate(value))

    def _settle(self, value: Any) -> None:
        self._value = value
        if self._applied is not None:
            self._applied(value)


_POSITIVE = "a positive number of seconds"
_PORT = "a port number, 0 to 65535"


def _make_settings() -> list[Setting]:
    seconds = _number(float, _POSITIVE, 0, beyond=True)
    some_seconds = _required(seconds, _POSITIVE)
    count = _number(int, "a number that is not negative", 0)
    port = _number(int, _PORT, 0, most=65535)
    return [
        Setting(
            "resolver",
            "GEVENT_RESOLVER",
            ["thread", "dnspython", "ares", "block"],
            _importable(
                {
                    "thread": "grove.resolver.thread.Resolver",
                    "dnspython": "grove.resolver.dnspython.Resolver",
                    "ares": "grove.resolver.ares.Resolver",
                    "block": "grove.resolver.blocking.Resolver",
                }
            ),
            """What makes Hub.resolver: an object, the name of one, or several in
            order of preference.""",
        ),
        Setting(
            "threadpool",
            "GEVENT_THREADPOOL",
            "grove.threadpool.ThreadPool",
            _importable({}),
            "What makes Hub.threadpool.",
        ),
        Setting(
            "threadpool_idle_task_timeout",
            "GEVENT_THREADPOOL_IDLE_TASK_TIMEOUT",
            5.0,
            _number(float, "a number of seconds; -1 for no end", -1),
            """Seconds after which a thread of Hub.threadpool that has had nothing
            to do ends; -1 is never.""",
        ),
        Setting(
            "loop",
            "GEVENT_LOOP",
            ["libev-cext", "libev-cffi", "libuv-cffi"],
            _importable(
                {
                    "libev-cext": "grove.core.loop",
                    "libev-cffi": "grove.core.loop",
                    "libuv-cffi": "grove.core.loop",
                    "libev": "grove.core.loop",
                    "libuv": "grove.core.loop",
                    "grove": "grove.core.loop",
                }
            ),
            "The class of the event loop. There is one, by all of gevent's names.",
        ),
        Setting(
            "libev_backend",
            "GEVENT_BACKEND",
            None,
            _backends,
            """Names of libev's backends. They are checked and not used: the loop
            has its own way to wait.""",
        ),
        Setting(
            "fileobject",
            "GEVENT_FILE",
            ["posix", "thread"],
            _importable(
                {
                    "posix": "grove.fileobject.FileObjectPosix",
                    "thread": "grove.fileobject.FileObjectThread",
                    "block": "grove.fileobject.FileObjectBlock",
                }
            ),
            "What fileobject.FileObject is.",
        ),
        Setting(
            "format_context",
            "GEVENT_FORMAT_CONTEXT",
            "pprint.saferepr",
            _importable({}),
            "The function that shows, as text, what an uncaught error befell.",
        ),
        Setting(
            "disable_watch_children",
            "GEVENT_NOWAITPID",
            False,
            _boolean,
            "Whether os.fork and os.waitpid are to leave child processes alone.",
        ),
        Setting(
            "track_greenlet_tree",
            "GEVENT_TRACK_GREENLET_TREE",
            True,
            _boolean,
            """Whether Greenlets know who spawned them: spawning_greenlet,
            spawn_tree_locals, spawning_stack.""",
            applied=_core._track_greenlet_tree,
        ),
        Setting(
            "trace_malloc",
            "PYTHONTRACEMALLOC",
            False,
            _trace_malloc,
            "Whether CPython traces allocations.",
        ),
        Setting(
            "monitor_thread",
            "GEVENT_MONITOR_THREAD_ENABLE",
            False,
            _boolean,
            "Whether each Hub gets a native thread that watches over it.",
        ),
        Setting(
            "max_blocking_time",
            "GEVENT_MAX_BLOCKING_TIME",
            0.1,
            some_seconds,
            """Seconds that a greenlet may run without a switch before the
            monitor thread tells of it.""",
        ),
        Setting(
            "print_blocking_reports",
            "GEVENT_MONITOR_PRINT_BLOCKING_REPORTS",
            True,
            _boolean,
            "Whether the monitor thread prints that.",
        ),
        Setting(
            "memory_monitor_period",
            "GEVENT_MONITOR_MEMORY_PERIOD",
            5,
            some_seconds,
            """Seconds between two looks of the monitor thread at the memory in
            use.""",
        ),
        Setting(
            "max_memory_usage",
            "GEVENT_MONITOR_MEMORY_MAX",
            None,
            _bytes,
            """Bytes beyond which the monitor thread tells of it: a number, or one
            with KB, MB or GB behind it; None is no limit.""",
        ),
        Setting(
            "ares_flags", "GEVENTARES_FLAGS", None, count, "Flags of the ares resolver."
        ),
        Setting(
            "ares_timeout",
            "GEVENTARES_TIMEOUT",
            None,
            seconds,
            "Seconds that the ares resolver waits for the first answer.",
        ),
        Setting(
            "ares_tries",
            "GEVENTARES_TRIES",
            None,
            count,
            "How often the ares resolver asks each server.",
        ),
        Setting(
            "ares_ndots",
            "GEVENTARES_NDOTS",
            None,
            count,
            """Dots that a name must have for the ares resolver to try it as it is
            first.""",
        ),
        Setting(
            "ares_udp_port",
            "GEVENTARES_UDP_PORT",
            None,
            port,
            "The port that the ares resolver sends to.",
        ),
        Setting(
            "ares_tcp_port",
            "GEVENTARES_TCP_PORT",
            None,
            port,
            "The port that the ares resolver connects to.",
        ),
        Setting(
            "ares_servers",
            "GEVENTARES_SERVERS",
            None,
            _names,
            "The servers of the ares resolver, instead of the system's.",
        ),
        Setting(
            "resolver_nameservers",
            "GEVENT_RESOLVER_NAMESERVERS",
            None,
            _names,
            "The servers of the dnspython resolver, instead of the system's.",
        ),
        Setting(
            "resolver_timeout",
            "GEVENT_RESOLVER_TIMEOUT",
            None,
            seconds,
            "Seconds that the resolvers dnspython and ares wait for an answer.",
        ),
    ]


class Config:
    """The settings, as attributes."""

    def __init__(self) -> None:
        settings = {setting.name: setting for setting in _make_settings()}
        object.__setattr__(self, "settings", settings)

    def __getattr__(self, name: str) -> Any:
        return self._setting(name).get()

    def __setattr__(self, name: str, value: Any) -> None:
        self.set(name, value)

    def set(self, name: str, value: Any) -> None:
        """Make setting `name` what `value` stands for.

        Raises AttributeError when there is no such setting, ValueError when it
        cannot be that, ImportError when it is to be imported and cannot.
        """
        self._setting(name).set(value)

    def _setting(self, name: str) -> Setting:
        try:
            return self.settings[name]
        except KeyError:
            raise AttributeError(f"No configuration setting for: {name!r}") from None

    def __dir__(self) -> list[str]:
        return [*self.settings, "set", "settings", "print_help"]

    def print_help(self) -> None:
        """Print every setting with its environment variable and its default."""
        for setting in self.settings.values():
            text = (
                f"{setting.desc}\nThe default is {setting.default!r}.\n"
                f"The environment variable is {setting.environment_key}."
            )
            lines = (textwrap.fill(line, 74) for line in text.splitlines())
            print(setting.name)
            print(textwrap.indent("\n".join(lines), "    "))
            print()


#: The settings of this process.
config = Config()

#: All of them.
ALL_SETTINGS = list(config.settings.values())

if "GEVENT_TRACK_GREENLET_TREE" in os.environ:
    config.track_greenlet_tree  # the compiled part must know from the start


if __name__ == "__main__":
    # Under its own name, so that the one that is used is shown.
    importlib.import_module("grove._config").config.print_help()
