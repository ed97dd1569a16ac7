"""Client libraries that know nothing of Grove, patched: their waits overlap.

Each server is started by the test, on a socket of its own.
"""

import contextlib
import http.server
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from build_tree import BUILD, ROOT

SOURCES = ROOT / "tests" / "e2e" / "clients"
N = 50
WAIT = 0.5  # seconds, of each


# ---- servers ------------------------------------------------------------------


@contextlib.contextmanager
def folder(user: str | None) -> Iterator[Path]:
    """A short path, for sockets; the user's own if we may give it away."""
    path = Path(tempfile.mkdtemp(prefix="grove-"))
    if user and os.geteuid() == 0:
        shutil.chown(path, user)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def as_user(user: str, command: list) -> list:
    """Database servers refuse to be root's."""
    if os.geteuid() != 0:
        return command
    entry = pwd.getpwnam(user)
    ids = [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    return ["setpriv", *ids, *command]


@contextlib.contextmanager
def running(command: list, is_up: Callable[[], bool]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while not is_up():
            assert process.poll() is None and time.monotonic() < end, command
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def answers(*command: str) -> Callable[[], bool]:
    return lambda: subprocess.run(command, capture_output=True).returncode == 0


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parts[-2]))
    with folder("postgres") as path:
        data = path / "data"
        make = [programs / "initdb", "-D", data, "-A", "trust", "-U", "test", "--no-sync"]
        subprocess.run(as_user("postgres", make), check=True, capture_output=True)
        options = ["listen_addresses=", f"unix_socket_directories={path}", "max_connections=250"]
        command = [programs / "postgres", "-D", data, "-F"]
        for option in options:
            command += ["-c", option]
        ready = answers(str(programs / "pg_isready"), "-q", "-h", str(path))
        with running(as_user("postgres", command), ready):
            yield f"host={path} user=test dbname=postgres"


@contextlib.contextmanager
def mariadb() -> Iterator[str]:
    with folder("mysql") as path:
        data, socket = f"--datadir={path / 'data'}", path / "socket"
        make = ["mariadb-install-db", "--no-defaults", data, "--skip-test-db"]
        subprocess.run(as_user("mysql", make), check=True, capture_output=True)
        options = ["--no-defaults", data, f"--socket={socket}", "--skip-networking"]
        command = ["mariadbd", *options, "--skip-grant-tables", f"--pid-file={path / 'pid'}"]
        ready = answers("mariadb-admin", "--no-defaults", f"--socket={socket}", "ping")
        with running(as_user("mysql", command), ready):
            yield str(socket)


@contextlib.contextmanager
def redis() -> Iterator[str]:
    with folder(None) as path:
        socket = str(path / "socket")
        command = ["redis-server", "--port", "0", "--unixsocket", socket, "--save", ""]
        with running([*command, "--dir", path], answers("redis-cli", "-s", socket, "ping")):
            yield socket


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
def slow_site(host: str) -> Iterator[str]:
    with Site(("127.0.0.1", 0), Slow) as site:
        threading.Thread(target=site.serve_forever).start()
        try:
            yield f"http://{host}:{site.server_address[1]}/"
        finally:
            site.shutdown()


# ---- clients ------------------------------------------------------------------


@dataclass
class Client:
    source: str
    package: str  # of pkg-config
    programs: list[str]  # that the server needs
    server: Callable[[], contextlib.AbstractContextManager[str]]


CLIENTS = {
    "libpq": Client("pq.c", "libpq", [], postgres),
    "libmariadb": Client("mariadb.c", "libmariadb", ["mariadbd"], mariadb),
    "libcurl": Client("curl.c", "libcurl", [], lambda: slow_site("127.0.0.1")),
    "libcurl by name": Client("curl.c", "libcurl", [], lambda: slow_site("localhost")),
    "hiredis": Client("redis.c", "hiredis", ["redis-server"], redis),
}


def missing(client: Client) -> bool:
    there = subprocess.run(["pkg-config", "--exists", client.package]).returncode == 0
    if client.server is postgres and not list(Path("/usr/lib/postgresql").glob("*/bin")):
        return True
    return not there or not all(map(shutil.which, client.programs))


def build(client: Client, program: Path) -> Path:
    flags = subprocess.check_output(
        ["pkg-config", "--cflags", "--libs", client.package], text=True
    ).split()
    libraries = [f"-L{BUILD / 'src'}", f"-Wl,-rpath,{BUILD / 'src'}", "-lgrove-patch", "-lgrove"]
    sources = [SOURCES / "main.c", SOURCES / client.source]
    includes = [f"-I{ROOT / 'include'}"]
    subprocess.check_call(["cc", "-o", program, *includes, *sources, *libraries, *flags])
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
def test_waits_overlap(name: str, tmp_path: Path, record_property):
    client = CLIENTS[name]
    if missing(client):
        pytest.skip(f"{client.package} or its server is not there: tools/setup check")
    program = build(client, tmp_path / "client")
    with client.server() as where:
        plain = run(program, "plain", 4, where)
        patched = run(program, "patched", N, where)
    record_property("seconds", patched.seconds)
    print(f"{name}: {N} patched {patched.seconds} s, 4 plain {plain.seconds} s")
    assert (plain.well, patched.well) == (4, N)
    assert plain.seconds >= 4 * WAIT  # one after the other
    assert patched.seconds < N * WAIT / 5  # at once, on a machine that is busy, too
    assert patched.threads == 1
