"""The settings of the package: `grove.config`, from the environment by default.

Each has a name, an environment variable and a default. It is settled when it is
first read: by what was set before, else by the environment. So set it before
what it is about is first used. The names and their meaning are gevent's
(docs of gevent's configuration). `python -m grove.settings.config` lists them.
"""

import importlib
import os
import textwrap
from typing import Any

from grove import _core
from grove.settings import values
from grove.settings.setting import Setting

__all__ = ["ALL_SETTINGS", "Config", "Setting", "config"]

_POSITIVE = "a positive number of seconds"
_PORT = "a port number, 0 to 65535"


def _make_settings() -> list[Setting]:
    seconds = values.number(float, _POSITIVE, 0, beyond=True)
    some_seconds = values.required(seconds, _POSITIVE)
    count = values.number(int, "a number that is not negative", 0)
    port = values.number(int, _PORT, 0, most=65535)
    return [
        Setting(
            "resolver",
            "GEVENT_RESOLVER",
            ["thread", "dnspython", "ares", "block"],
            values.importable(
                {
                    "thread": "grove.resolver.thread.Resolver",
                    "dnspython": "grove.resolver.dnspython.Resolver",
                    "ares": "grove.resolver.ares.Resolver",
                    "block": "grove.resolver.blocking.Resolver",
                }
            ),
            """What makes Hub.resolver: an object, the name of one, or several in
            order of preference: thread, dnspython, ares, block.""",
        ),
        Setting(
            "threadpool",
            "GEVENT_THREADPOOL",
            "grove.threadpool.ThreadPool",
            values.importable({}),
            "What makes Hub.threadpool.",
        ),
        Setting(
            "threadpool_idle_task_timeout",
            "GEVENT_THREADPOOL_IDLE_TASK_TIMEOUT",
            5.0,
            values.number(float, "a number of seconds; -1 for no end", -1),
            """Seconds after which a thread of Hub.threadpool that has had nothing
            to do ends; -1 is never.""",
        ),
        Setting(
            "loop",
            "GEVENT_LOOP",
            ["libev-cext", "libev-cffi", "libuv-cffi"],
            values.importable(
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
            values.backends,
            """Names of libev's backends. They are checked and not used: the loop
            has its own way to wait.""",
        ),
        Setting(
            "fileobject",
            "GEVENT_FILE",
            ["posix", "thread"],
            values.importable(
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
            values.importable({}),
            "The function that shows, as text, what an uncaught error befell.",
        ),
        Setting(
            "disable_watch_children",
            "GEVENT_NOWAITPID",
            False,
            values.boolean,
            "Whether os.fork and os.waitpid are to leave child processes alone.",
        ),
        Setting(
            "track_greenlet_tree",
            "GEVENT_TRACK_GREENLET_TREE",
            True,
            values.boolean,
            """Whether Greenlets know who spawned them: spawning_greenlet,
            spawn_tree_locals, spawning_stack.""",
            applied=_core._track_greenlet_tree,
        ),
        Setting(
            "trace_malloc",
            "PYTHONTRACEMALLOC",
            False,
            values.trace_malloc,
            "Whether CPython traces allocations.",
        ),
        Setting(
            "monitor_thread",
            "GEVENT_MONITOR_THREAD_ENABLE",
            False,
            values.boolean,
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
            values.boolean,
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
            values.amount,
            """Bytes beyond which the monitor thread tells of it: a number, or one
            with KB, MB or GB behind it; None is no limit.""",
        ),
        Setting(
            "ares_flags",
            "GEVENTARES_FLAGS",
            None,
            count,
            "Flags of gevent's ares resolver. Not used.",
        ),
        Setting(
            "ares_timeout",
            "GEVENTARES_TIMEOUT",
            None,
            seconds,
            """Seconds that the ares resolver waits for the first answer. Not used:
            resolv.conf's option timeout is.""",
        ),
        Setting(
            "ares_tries",
            "GEVENTARES_TRIES",
            None,
            count,
            """How often the ares resolver asks each server. Not used: resolv.conf's
            option attempts is.""",
        ),
        Setting(
            "ares_ndots",
            "GEVENTARES_NDOTS",
            None,
            count,
            """Dots that a name must have for the ares resolver to try it as it is
            first. Not used: resolv.conf's option ndots is.""",
        ),
        Setting(
            "ares_udp_port",
            "GEVENTARES_UDP_PORT",
            None,
            port,
            "The port of those of ares_servers that say none.",
        ),
        Setting(
            "ares_tcp_port",
            "GEVENTARES_TCP_PORT",
            None,
            port,
            "The port that gevent's ares resolver connects to. Not used.",
        ),
        Setting(
            "ares_servers",
            "GEVENTARES_SERVERS",
            None,
            values.listed,
            "The servers of the ares resolver, instead of the system's.",
        ),
        Setting(
            "resolver_nameservers",
            "GEVENT_RESOLVER_NAMESERVERS",
            None,
            values.listed,
            "The servers of the dnspython resolver, instead of the system's.",
        ),
        Setting(
            "resolver_timeout",
            "GEVENT_RESOLVER_TIMEOUT",
            None,
            seconds,
            "Seconds that a look-up by the dnspython resolver may take.",
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
    importlib.import_module("grove.settings.config").config.print_help()
