"""Packages' own tests, as Debian ships them: what passes on gevent passes on Grove."""

import pytest
from runtimes import Runtime


def outcomes(on: Runtime, patched: bool, modules: list[str], *options: str) -> list[str]:
    """What came of the tests, each once; none may fail.

    patched: whether patch_all() is called first. options: pytest's.
    """
    how = "patched" if patched else "plain"
    only = ["--", "-o", "python_classes=none", *options]  # not the mix-ins
    command = on.command("own_tests.py", how, *modules, *only)
    lines = on.run_command(command, on.environment(), quiet=False)
    told = dict(reversed(line.split(" ", 1)) for line in lines)
    assert set(told.values()) <= {"passed", "skipped"}, [
        line for line in lines if not line.startswith(("passed", "skipped"))
    ]
    return list(told.values())


def without(*names: str) -> list[str]:
    """pytest's option that leaves out what has one of the names."""
    return ["-k", f"not ({' or '.join(names)})"]


def test_zmq_green(on: Runtime) -> None:
    modules = ["device", "ioloop", "multipart", "pair", "poll", "pubsub", "reqrep"]
    names = [f"zmq.tests.test_{module}" for module in [*modules, "socket"]]
    came = outcomes(on, False, names, "-k", "Green")
    assert came.count("passed") >= 60


# On gevent these do not hold.
NOT_TORNADO = [
    # A thread that is a greenlet is taken for the loop's own, and does not wake it.
    "other_thread",
    "test_normal_concurrent_future",
    "ThreadedResolverTest",
    # Without gevent they do not hold, either.
    "test_request_timeout",
    "test_unix_socket_bad_request",
]


# Its modules, and how many tests of them pass at least.
TORNADO = {
    "streams": ("iostream tcpserver tcpclient netutil process queues locks gen", 320),
    "requests": ("http1connection httpserver simple_httpclient wsgi asyncio", 190),
    "pages": ("web websocket", 235),
}


@pytest.mark.parametrize("part", TORNADO)
def test_tornado_tests(on: Runtime, part: str) -> None:
    modules, least = TORNADO[part]
    names = [f"tornado.test.{module}_test" for module in modules.split()]
    assert outcomes(on, True, names, *without(*NOT_TORNADO)).count("passed") >= least


# Its modules, and pytest's options for them. Users that are to be there within 50 ms
# are left out, and what warns of a processor that others use. Most tests of a master
# do not hold on gevent.
BUSY = "not (spawn_rate or cpu_warning)"
LOCUST = {
    "clients": (["fasthttp", "http", "zmqrpc"], []),
    "users": (["locust_class", "users", "sequential_taskset"], []),
    "runner": (["runners"], ["-k", f"TestLocustRunner and {BUSY}"]),
    "worker": (["runners"], ["-k", f"TestWorkerRunner and {BUSY}"]),
}


@pytest.mark.parametrize("part", LOCUST)
def test_locust_tests(on: Runtime, part: str) -> None:
    modules, options = LOCUST[part]
    names = [f"locust.test.test_{module}" for module in modules]
    assert "passed" in outcomes(on, False, names, *options)
