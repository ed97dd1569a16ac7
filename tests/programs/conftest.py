"""The programs' tests: each on gevent first, then on Grove, beside its server."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import servers
from runtimes import Runtime

RUNTIMES = {name: Runtime(name) for name in ("gevent", "grove")}


def missing() -> str:
    """Why nothing could be compared, or ""."""
    if importlib.util.find_spec("gevent") is None:
        return "there is no gevent: tools/setup programs installs it"
    built_for = Path(os.environ.get("GROVE_PYTHON", sys.executable)).resolve()
    if built_for != Path(sys.executable).resolve():
        return f"Debian's gevent is for {sys.executable}, the package for {built_for}"
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip them all where nothing could be compared."""
    if why := missing():
        for item in items:
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(params=list(RUNTIMES))
def on(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    """What the test's program runs on."""
    runtime = RUNTIMES[request.param]
    others = [v for k, v in request.node.callspec.params.items() if k != "on"]
    runtime.test = " ".join([request.node.originalname, *map(str, others)])
    yield runtime
    runtime.test = ""


def pytest_terminal_summary(terminalreporter: object) -> None:
    """The CPU seconds of each program: on gevent, on Grove, and their ratio."""
    ours, theirs = RUNTIMES["grove"].spent, RUNTIMES["gevent"].spent
    if not theirs:
        return
    terminalreporter.section("CPU seconds")
    terminalreporter.line(f"{'':40} {'gevent':>8} {'Grove':>8} {'ratio':>6}")
    for name in theirs:
        if name in ours:
            ratio = ours[name] / theirs[name]
            terminalreporter.line(
                f"{name:40} {theirs[name]:8.2f} {ours[name]:8.2f} {ratio:6.2f}"
            )


def session_server(context: Callable) -> object:
    """A fixture that starts a server when it is first asked for."""

    @pytest.fixture(scope="session", name=context.__name__)
    def fixture() -> Iterator:
        with context() as address:
            yield address

    return fixture


for _context in (
    servers.postgresql,
    servers.mariadb,
    servers.redis,
    servers.rabbitmq,
    servers.zookeeper,
    servers.memcached,
    servers.mosquitto,
    servers.slapd,
    servers.sshd,
    servers.dnsmasq,
    servers.dovecot,
):
    globals()[f"{_context.__name__}_fixture"] = session_server(_context)
