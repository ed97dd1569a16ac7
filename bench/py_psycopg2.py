"""CPU time of a query by psycopg2, which is written in C, of 20 connections at once:
ours by libc's calls patched, gevent's by psycopg2's wait callback. PostgreSQL is
started for it."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import peers

CONNECTIONS, QUERIES = 20, 1000


def wait_callback(connection: object) -> None:
    """What programs on gevent give psycopg2 to wait by."""
    from gevent.socket import wait_read, wait_write
    from psycopg2.extensions import POLL_OK, POLL_READ

    while (state := connection.poll()) != POLL_OK:
        wait = wait_read if state == POLL_READ else wait_write
        wait(connection.fileno())


def spent() -> float:
    usage = getrusage(RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(port: int) -> float:
    """Microseconds of CPU a query."""
    from gevent import joinall, monkey, spawn
    from gevent.event import Event
    from gevent.lock import Semaphore

    ours = hasattr(monkey, "patch_libc")
    monkey.patch_all(**({"libc": True} if ours else {}))
    import psycopg2

    if not ours:
        psycopg2.extensions.set_wait_callback(wait_callback)
    begin = Event()
    connected = Semaphore(0)

    def work() -> None:
        connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres")
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("select 1")
        connected.release()
        begin.wait()
        for _ in range(QUERIES):
            cursor.execute("select 1")
            cursor.fetchall()

    workers = [spawn(work) for _ in range(CONNECTIONS)]
    for _ in workers:
        connected.acquire()
    before = spent()
    begin.set()
    joinall(workers, raise_error=True)
    return (spent() - before) / CONNECTIONS / QUERIES * 1e6


@contextlib.contextmanager
def postgresql() -> Iterator[int]:
    """One of its own, as the tests of programs start it."""
    sys.path.append(str(Path(__file__).parent.parent / "tests" / "programs"))
    import servers

    with servers.postgresql() as port:
        yield port


def compare(*port: int) -> None:
    peers.compare(
        "py_psycopg2",
        measure,
        "gevent",
        *port,
        rounds=5,
        unit="us of CPU a query",
        less_is_speed=False,
    )


def missing() -> str:
    """What is not there, or ""."""
    from importlib.util import find_spec

    absent = [name for name in ("psycopg2", "pytest") if find_spec(name) is None]
    there = any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return ", ".join(absent if there else [*absent, "PostgreSQL"])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        compare()
    elif absent := missing():
        print(f"bench: py_psycopg2: no {absent} here", file=sys.stderr)
    else:
        with postgresql() as port:
            compare(port)
