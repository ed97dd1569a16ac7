"""Programs of threads, built as they are, whose threads `grove run` makes fibers.

Each does what it does by itself, on as many threads of the system as it was given.
"""

import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import servers
from build_tree import BUILD

CORES = 2
RUN = (BUILD / "tool" / "grove", "run", "--cores", str(CORES))

pytestmark = pytest.mark.skipif(
    os.uname().machine != "x86_64",
    reason="threads are fibers on x86-64 only; a build for it runs these",
)


def tasks_of(server: servers.Running) -> int:
    """How many threads of the system it has."""
    return len(list(Path(f"/proc/{server.process.pid}/task").iterdir()))


def at_once(fn: Callable, count: int) -> list:
    """What fn(0), fn(1), ... return, each on a thread of the test's."""
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(fn, range(count)))


def test_pgbench(postgresql: int, tmp_path: Path):
    """A thread a client; each transaction is whole, or none."""
    bench = servers.program("pgbench", "postgresql")
    server = ["-h", "127.0.0.1", "-p", str(postgresql), "-U", "postgres", "postgres"]
    subprocess.run([bench, "-i", "-q", *server], check=True, capture_output=True)
    for script in (["-S"], []):
        many = ["-j", "50", "-c", "50", "-t", "20", *script]
        said = subprocess.run(
            [*RUN, bench, *many, *server], capture_output=True, text=True, timeout=200
        )
        assert said.returncode == 0, said.stderr
        assert "transactions actually processed: 1000/1000" in said.stdout
        assert re.search(r"failed transactions: 0 ", said.stdout)


def test_mariadbd():
    """A thread a connection; 500 of them wait at the same time. (io_uring's calls are
    not libc's, and a thread that waits in one holds up the others.)"""
    import MySQLdb

    options = ("--max-connections=600", "--innodb-use-native-aio=0")
    with servers.mariadb_by(*RUN, options=options) as (port, server):
        together = threading.Barrier(500)

        def client(number: int) -> int:
            connection = MySQLdb.connect(host="127.0.0.1", port=port, user="root")
            cursor = connection.cursor()
            together.wait(servers.START)
            cursor.execute("select sleep(0.2) + %s", (number,))
            return int(cursor.fetchone()[0])

        assert at_once(client, 500) == list(range(500))
        assert tasks_of(server) < 20


def test_memcached():
    """Its four threads, each with a loop of its own, on two."""
    with servers.memcached_by(*RUN) as (port, server):

        def client(number: int) -> int:
            good = 0
            with socket.create_connection(("127.0.0.1", port)) as sock:
                lines = sock.makefile("rb")
                for i in range(50):
                    value = f"{number}-{i}"
                    sock.sendall(f"set k{number} 0 0 {len(value)}\r\n{value}\r\n".encode())
                    stored = lines.readline()
                    sock.sendall(f"get k{number}\r\n".encode())
                    got = [lines.readline() for _ in range(3)][1]
                    good += (stored, got) == (b"STORED\r\n", f"{value}\r\n".encode())
            return good

        assert at_once(client, 200) == [50] * 200
        assert tasks_of(server) == CORES


@pytest.mark.parametrize("name", ["xz", "zstd"])
def test_compressors(name: str, tmp_path: Path):
    """Threads that compute, and hand blocks to each other."""
    command = [servers.program(name, f"{name}-utils"), "-T4", "-q", "-c", tmp_path / "data"]
    if name == "xz":
        command[1:1] = ["--block-size=256KiB"]
    (tmp_path / "data").write_bytes(b"".join(bytes([i % 251]) * (i % 97) for i in range(40_000)))
    plain = subprocess.check_output(command)
    assert subprocess.check_output([*RUN, *command], timeout=200) == plain
