"""Programs of threads, built as they are, whose threads `grove run` makes fibers.

Each does what it does by itself, on as many threads of the system as it was given.
"""

import os
import re
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import servers
from build_tree import BUILD
from endpoints import Page, Site, make_certificate, serving

CORES = 2
TASKS = CORES + 1  # one that tells of stalls
WATCHED = ("/usr/bin/env", "GROVE_STALLS=60000")  # which has nothing to say
RUN = (*WATCHED, BUILD / "tool" / "grove", "run", "--cores", str(CORES))

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
        assert tasks_of(server) == TASKS


class Echo(socketserver.StreamRequestHandler):
    """Each line comes back backwards."""

    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line[-2::-1] + b"\n")


class Echoes(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 256


def test_stunnel(tmp_path: Path):
    """A thread a connection; 200 are open at the same time, each answered in turn. It
    does what it does by itself, on fewer threads."""
    certificate = make_certificate(tmp_path)
    context = ssl.create_default_context(cafile=certificate)
    said, tasks = [], []
    with Echoes(("127.0.0.1", 0), Echo) as backend:
        threading.Thread(target=backend.serve_forever, args=(0.05,), daemon=True).start()
        for by in ((), RUN):
            with servers.stunnel_by(
                *by, certificate=certificate, backend=backend.server_address[1]
            ) as (port, server):
                together = threading.Barrier(200, lambda: tasks.append(tasks_of(server)))

                def client(number: int) -> list[bytes]:
                    plain = socket.create_connection(("127.0.0.1", port))
                    with context.wrap_socket(plain, server_hostname="localhost") as sock:
                        lines = sock.makefile("rb")
                        answers = []
                        for i in range(5):
                            sock.sendall(b"%d-%d-" % (number, i) + b"x" * 1000 + b"\n")
                            answers.append(lines.readline())
                            together.wait(servers.START)
                        return answers

                said.append(at_once(client, 200))
        backend.shutdown()
    assert said[0] == said[1]
    assert said[0][7][4] == b"x" * 1000 + b"-4-7\n"
    assert min(tasks[:5]) >= 200
    assert set(tasks[5:]) == {TASKS}


class Numbered(Page):
    """The path, once 200 are asked for."""

    together = threading.Barrier(200)

    def do_GET(self) -> None:
        self.together.wait(servers.START)
        self.answer(self.path.encode())


def test_curl(tmp_path: Path):
    """200 at once by name: each name is looked up by a thread."""
    curl = servers.program("curl", "curl")
    with serving(Site(Numbered)) as port:
        command = [*RUN, curl, "-s", "-S", "--parallel", "--parallel-immediate"]
        command += ["--parallel-max", "200", "-o", str(tmp_path / "#1")]
        command += [f"http://localhost:{port}/page/[0-199]"]
        assert subprocess.run(command, timeout=200).returncode == 0
    pages = [(tmp_path / str(i)).read_text() for i in range(200)]
    assert pages == [f"/page/{i}" for i in range(200)]


PACKAGES = {"xz": "xz-utils", "zstd": "zstd", "pigz": "pigz"}
FOUR_THREADS = {
    "xz": ["-T4", "-q", "--block-size=256KiB"],
    "zstd": ["-T4", "-q"],
    "pigz": ["-p", "4"],
}


@pytest.mark.parametrize("name", PACKAGES)
def test_compressors(name: str, tmp_path: Path):
    """Threads that compute, and hand blocks to each other."""
    (tmp_path / "data").write_bytes(
        b"".join(bytes([i % 251]) * (i % 97) for i in range(40_000))
    )
    program = servers.program(name, PACKAGES[name])
    command = [program, *FOUR_THREADS[name], "-c", tmp_path / "data"]
    plain = subprocess.check_output(command)
    assert subprocess.check_output([*RUN, *command], timeout=200) == plain
