"""config: settings, their environment variables, what they can be."""

import os
import subprocess
import sys
from pathlib import Path

import grove
import pytest
from grove.settings.config import Config, config

BUILD = Path(grove.__file__).parents[2]

#: Of each setting its variable and, where it can be had, its default.
CONTRACT = {
    "resolver": "GEVENT_RESOLVER",
    "threadpool": "GEVENT_THREADPOOL",
    "threadpool_idle_task_timeout": "GEVENT_THREADPOOL_IDLE_TASK_TIMEOUT",
    "loop": "GEVENT_LOOP",
    "libev_backend": "GEVENT_BACKEND",
    "fileobject": "GEVENT_FILE",
    "format_context": "GEVENT_FORMAT_CONTEXT",
    "disable_watch_children": "GEVENT_NOWAITPID",
    "track_greenlet_tree": "GEVENT_TRACK_GREENLET_TREE",
    "trace_malloc": "PYTHONTRACEMALLOC",
    "monitor_thread": "GEVENT_MONITOR_THREAD_ENABLE",
    "max_blocking_time": "GEVENT_MAX_BLOCKING_TIME",
    "print_blocking_reports": "GEVENT_MONITOR_PRINT_BLOCKING_REPORTS",
    "memory_monitor_period": "GEVENT_MONITOR_MEMORY_PERIOD",
    "max_memory_usage": "GEVENT_MONITOR_MEMORY_MAX",
    "ares_flags": "GEVENTARES_FLAGS",
    "ares_timeout": "GEVENTARES_TIMEOUT",
    "ares_tries": "GEVENTARES_TRIES",
    "ares_ndots": "GEVENTARES_NDOTS",
    "ares_udp_port": "GEVENTARES_UDP_PORT",
    "ares_tcp_port": "GEVENTARES_TCP_PORT",
    "ares_servers": "GEVENTARES_SERVERS",
    "resolver_nameservers": "GEVENT_RESOLVER_NAMESERVERS",
    "resolver_timeout": "GEVENT_RESOLVER_TIMEOUT",
}
DEFAULTS = {
    "threadpool_idle_task_timeout": 5.0,
    "libev_backend": None,
    "disable_watch_children": False,
    "track_greenlet_tree": True,
    "trace_malloc": False,
    "monitor_thread": False,
    "max_blocking_time": 0.1,
    "print_blocking_reports": True,
    "memory_monitor_period": 5,
    "max_memory_usage": None,
    "ares_flags": None,
    "ares_servers": None,
    "resolver_nameservers": None,
    "resolver_timeout": None,
}


@pytest.fixture
def fresh(monkeypatch):
    """Settings of which none is settled, and no variable of theirs is set."""
    for variable in CONTRACT.values():
        monkeypatch.delenv(variable, raising=False)
    yield Config()
    grove._core._track_greenlet_tree(True)


def test_names_and_variables(fresh):
    assert {n: s.environment_key for n, s in fresh.settings.items()} == CONTRACT
    assert set(CONTRACT) <= set(dir(fresh))
    assert grove.config is config


def test_defaults(fresh):
    assert {name: getattr(fresh, name) for name in DEFAULTS} == DEFAULTS


def test_unknown_names(fresh):
    for use in (
        lambda: fresh.nothing,
        lambda: fresh.set("nothing", 1),
        lambda: setattr(fresh, "nothing", 1),
    ):
        with pytest.raises(AttributeError, match="'nothing'"):
            use()


def test_the_environment_is_read_once_and_at_the_first_get(fresh, monkeypatch):
    monkeypatch.setenv("GEVENT_MAX_BLOCKING_TIME", "0.5")
    assert fresh.max_blocking_time == 0.5
    monkeypatch.setenv("GEVENT_MAX_BLOCKING_TIME", "0.7")
    assert fresh.max_blocking_time == 0.5


def test_what_is_set_comes_before_the_environment(fresh, monkeypatch):
    monkeypatch.setenv("GEVENT_MAX_BLOCKING_TIME", "bad")
    fresh.max_blocking_time = "0.25"
    assert fresh.max_blocking_time == 0.25
    fresh.set("max_blocking_time", 2)
    assert fresh.max_blocking_time == 2.0


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("monitor_thread", "On", True),
        ("monitor_thread", "0", False),
        ("track_greenlet_tree", "disabled", False),
        ("max_memory_usage", "1GB", 1 << 30),
        ("max_memory_usage", "512 kb", 512 << 10),
        ("max_memory_usage", "1000", 1000),
        ("trace_malloc", "25", True),
        ("trace_malloc", "0", False),
        ("ares_servers", "127.0.0.1, ::1", ["127.0.0.1", "::1"]),
        ("resolver_nameservers", "127.0.0.1", ["127.0.0.1"]),
        ("libev_backend", "poll,epoll", ["poll", "epoll"]),
        ("ares_tries", "3", 3),
        ("threadpool_idle_task_timeout", "-1", -1.0),
        ("format_context", "pprint.pformat", __import__("pprint").pformat),
        ("format_context", "no.such.thing,builtins.repr", repr),
        ("threadpool", "gevent.greenlet.Greenlet", grove.Greenlet),
        ("max_blocking_time", "  ", 0.1),
    ],
)
def test_values_from_the_environment(fresh, monkeypatch, name, text, value):
    monkeypatch.setenv(CONTRACT[name], text)
    assert getattr(fresh, name) == value


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("monitor_thread", "maybe", "one of 1, on, yes"),
        ("max_blocking_time", "abc", "a positive number of seconds"),
        ("max_blocking_time", 0, "a positive number of seconds"),
        ("max_blocking_time", "nan", "a positive number of seconds"),
        ("max_blocking_time", None, "a positive number of seconds"),
        ("memory_monitor_period", "-1", "a positive number of seconds"),
        ("resolver_timeout", -1, "a positive number of seconds"),
        ("max_memory_usage", "1Q", "a positive number of bytes"),
        ("max_memory_usage", -5, "a positive number of bytes"),
        ("ares_tries", "x", "a number that is not negative"),
        ("ares_udp_port", "65536", "a port number, 0 to 65535"),
        ("libev_backend", "bogus", "a number, or of select, poll"),
        ("resolver_nameservers", 3, "a list"),
    ],
)
def test_values_that_are_refused(fresh, monkeypatch, name, value, expected):
    with pytest.raises(ValueError) as info:
        fresh.set(name, value)
    assert f"{name}={value!r}: expected {expected}" in str(info.value)
    if isinstance(value, str):
        monkeypatch.setenv(CONTRACT[name], value)
        with pytest.raises(ValueError) as info:
            getattr(fresh, name)
        assert f"{CONTRACT[name]}={value!r}: expected" in str(info.value)


def test_what_cannot_be_imported(fresh):
    with pytest.raises(ImportError, match="'bogus'.*or one of posix, thread, block"):
        fresh.set("fileobject", "bogus")
    with pytest.raises(ImportError, match="Cannot import 'nope' from <module 'pprint'"):
        fresh.set("format_context", "pprint.nope")


def test_objects_stand_for_themselves(fresh):
    fresh.threadpool = dict
    assert fresh.threadpool is dict
    fresh.format_context = ["no.such.thing", repr]
    assert fresh.format_context is repr


def run(code, **environment):
    return subprocess.run(
        [sys.executable, *code],
        env={**os.environ, "PYTHONPATH": str(BUILD / "python"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


TREE = """
import grove
g = grove.spawn(grove.sleep, 0)
print(g.spawning_greenlet is not None)
grove.config.track_greenlet_tree = True
print(grove.spawn(grove.sleep, 0).spawning_greenlet() is grove.getcurrent())
"""


def test_the_greenlet_tree_is_not_tracked_when_so_asked():
    result = run(["-c", TREE], GEVENT_TRACK_GREENLET_TREE="no")
    assert result.stdout == "False\nTrue\n", result.stderr
    assert run(["-c", TREE]).stdout == "True\nTrue\n"


def test_help():
    result = run(["-m", "grove.settings.config"])
    for name, variable in CONTRACT.items():
        assert name in result.stdout and variable in result.stdout
