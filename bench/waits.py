"""Wall seconds of waits of half a second each, all at once in one thread, by drivers
and libraries in C that know nothing of Grove, with libc's calls patched: from the
first question to the last answer, on connections that were made before.

    waits.py psycopg2|mysqlclient|pycurl         50 in greenlets
    waits.py libpq|libmariadb|libcurl|hiredis    50 in fibers of a program in C
    waits.py libpq 200                           so many

Beside them stands the same program with nothing patched, and of those in Python
on gevent, where psycopg2 has its wait callback; the others have nothing like it.
Where the waits come one after another, four of them are measured and the time of
all is reckoned from it. The servers are started for it.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import peers

sys.path.extend(
    str(Path(__file__).parent.parent / folder) for folder in ("tests", "tests/programs")
)
import drivers  # noqa: E402
import libraries  # noqa: E402

WAIT = libraries.WAIT
FEW = 4  # waits that tell whether they come one after another
ROUNDS = 3

# Seconds of how many waits, how: "patched", "plain" or "gevent".
Run = Callable[[str, int], float]


class Absent(Exception):
    """What is not here."""


# ---- in Python: the program starts itself for each measurement -------------------


def measure(name: str, port: int, how: str, n: int) -> float:
    from gevent import joinall, monkey, spawn

    driver = drivers.DRIVERS[name]
    if how != "plain":
        monkey.patch_all(**({"libc": True} if how == "patched" else {}))
    if (how, name) == ("gevent", "psycopg2"):
        import psycopg2
        from py_psycopg2 import wait_callback

        psycopg2.extensions.set_wait_callback(wait_callback)
    connecting = [spawn(driver.connect, port) for _ in range(n)]
    connections = [greenlet.get() for greenlet in connecting]
    began = perf_counter()
    waiting = [spawn(driver.query, connection, WAIT) for connection in connections]
    joinall(waiting, raise_error=True)
    seconds = perf_counter() - began
    assert [greenlet.value for greenlet in waiting] == [7] * n
    return seconds


def run_driver(name: str, port: int) -> Run:
    def run(how: str, n: int) -> float:
        words = [name, str(port), how, str(n)]
        return peers.run_child(how != "gevent", words)[0]

    return run


# ---- in C -------------------------------------------------------------------------


def run_library(name: str, port: int, folder: Path) -> Run:
    client = libraries.CLIENTS[name]
    program = libraries.build(client, folder / name)

    def run(how: str, n: int) -> float:
        outcome = libraries.run(program, how, n, client.where.format(port))
        assert outcome.well == n
        return outcome.seconds

    return run


# ---- both -------------------------------------------------------------------------


@contextlib.contextmanager
def serving(server: str, n: int) -> Iterator[int]:
    """While the server runs, for as many clients. Raises Absent."""
    import endpoints
    import pytest
    import servers

    started = {
        "postgresql": lambda: servers.postgresql(connections=n + 10),
        "mariadb": servers.mariadb,
        "redis": servers.redis,
        "slow": lambda: endpoints.serving(endpoints.Site(endpoints.Slow)),
    }
    with contextlib.ExitStack() as stack:
        try:
            port = stack.enter_context(started[server]())
        except pytest.skip.Exception as skipped:
            raise Absent(str(skipped)) from None
        yield port


def of_all(run: Run, how: str, n: int) -> tuple[float, str]:
    """Seconds of n waits, and what is said of them. Those that come one after
    another are not waited for."""
    few = run(how, FEW)
    if few >= FEW * WAIT:
        return few * n / FEW, f"{few * n / FEW:.2f} s, of {FEW} measured"
    seconds = run(how, n)
    return seconds, f"{seconds:.2f} s"


def compare(name: str, run: Run, n: int, gevent: str | None) -> None:
    """Print a line beside the same unpatched, and one beside that version of gevent,
    if there is one."""
    ours = min(run("patched", n) for _ in range(ROUNDS))
    plain, said = of_all(run, "plain", n)
    peers.report(name, ours, "s", ours / plain, f"the same unpatched ({said})")
    if gevent is not None:
        theirs, said = of_all(run, "gevent", n)
        beside = f"gevent {gevent} ({said})"
        peers.report(f"{name}_gevent", ours, "s", ours / theirs, beside)


def require(name: str) -> None:
    """Raises Absent."""
    if find_spec("pytest") is None:
        raise Absent("no pytest: tools/setup bench installs python3-pytest")
    driver, client = drivers.DRIVERS.get(name), libraries.CLIENTS.get(name)
    if driver and find_spec(driver.module) is None:
        raise Absent(f"no {driver.module}: tools/setup bench installs {driver.package}")
    if client and not client.installed():
        raise Absent(f"no {client.package} to build with: tools/setup bench installs it")


def main(name: str, n: int) -> None:
    os.environ["GROVE_STALLS"] = "0"  # what is not patched stalls, as it should
    called = f"waits_{name}" if n == 50 else f"waits_{name}_{n}"
    try:
        require(name)
        driver = drivers.DRIVERS.get(name)
        server = (driver or libraries.CLIENTS[name]).server
        with serving(server, n) as port, tempfile.TemporaryDirectory() as folder:
            if driver:
                gevent = peers.peer_version("gevent")
                compare(called, run_driver(name, port), n, gevent)
            else:
                compare(called, run_library(name, port, Path(folder)), n, None)
    except Absent as absent:
        print(f"bench: {called}: {absent}", file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1] == "--measure":
        name, port, how, n = sys.argv[2:]
        print(measure(name, int(port), how, int(n)))
    else:
        main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50)
