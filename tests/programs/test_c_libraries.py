"""Client libraries in C that know nothing of Grove, patched: their waits overlap."""

import contextlib
import http.server
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT

SOURCES = ROOT / "tests" / "programs" / "c_clients"
N = 50
WAIT = 0.5  # seconds, of each


# ---- servers ------------------------------------------------------------------


class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(WAIT)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"slow")

    def log_message(self, *args: object) -> None:
        pass


class Site(http.server.ThreadingHTTPServer):
    request_queue_size = 128


@contextlib.contextmanager
def slow_site() -> Iterator[int]:
    with Site(("127.0.0.1", 0), Slow) as site:
        threading.Thread(target=site.serve_forever).start()
        try:
            yield site.server_address[1]
        finally:
            site.shutdown()


@pytest.fixture
def slow() -> Iterator[int]:
    with slow_site() as port:
        yield port


# ---- clients ------------------------------------------------------------------


@dataclass
class Client:
    source: str
    package: str  # of pkg-config
    server: str  # a fixture
    where: str  # it is, by its port


CLIENTS = {
    "libpq": Client("pq.c", "libpq", "postgresql", "host=127.0.0.1 port={} user=postgres"),
    "libmariadb": Client("mariadb.c", "libmariadb", "mariadb", "{}"),
    "libcurl": Client("curl.c", "libcurl", "slow", "http://127.0.0.1:{}/"),
    "libcurl by name": Client("curl.c", "libcurl", "slow", "http://localhost:{}/"),
    "hiredis": Client("redis.c", "hiredis", "redis", "{}"),
}


def build(client: Client, program: Path) -> Path:
    flags = subprocess.check_output(
        ["pkg-config", "--cflags", "--libs", client.package], text=True
    ).split()
    libraries = [f"-L{BUILD / 'src'}", f"-Wl,-rpath,{BUILD / 'src'}"]
    sources = [SOURCES / "main.c", SOURCES / client.source]
    command = ["cc", "-o", program, f"-I{ROOT / 'include'}", *sources, *libraries]
    subprocess.check_call([*command, "-lgrove-patch", "-lgrove", *flags])
    return program


@dataclass
class Outcome:
    well: int
    seconds: float
    threads: int


def run(program: Path, how: str, n: int, where: str) -> Outcome:
    command = [program, how, str(n), where]
    output = subprocess.check_output(command, text=True, timeout=120)
    well, seconds, threads = output.split()
    return Outcome(int(well), float(seconds), int(threads))


@pytest.mark.parametrize("name", CLIENTS)
def test_waits_overlap(name: str, tmp_path: Path, request: pytest.FixtureRequest):
    client = CLIENTS[name]
    if subprocess.call(["pkg-config", "--exists", client.package]) != 0:
        pytest.skip(f"no {client.package}: tools/setup programs installs it")
    where = client.where.format(request.getfixturevalue(client.server))
    program = build(client, tmp_path / "client")
    plain = run(program, "plain", 4, where)
    patched = run(program, "patched", N, where)
    print(f"{name}: {N} patched {patched.seconds} s, 4 plain {plain.seconds} s")
    assert (plain.well, patched.well) == (4, N)
    assert plain.seconds >= 4 * WAIT  # one after the other
    assert patched.seconds < N * WAIT / 5  # at once, on a machine that is busy, too
    assert patched.threads == 1
