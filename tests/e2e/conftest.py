"""Running whole programs against build/, and the sites they talk to."""

import contextlib
import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("GROVE_BUILD", ROOT / "build"))
EXAMPLES = ROOT / "examples" / "python"
C_EXAMPLES = BUILD / "examples"

# The pages of the local site, in the order in which they are asked for.
PAGES = ["/a", "/b", "/c"]


def environment(names: str = "python") -> dict[str, str]:
    """The environment of a program that finds the build's package.

    names: "python", the package only; "compat", gevent's and greenlet's too.
    """
    return {
        **os.environ,
        "PYTHONPATH": str(BUILD / names),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def port_of(process: subprocess.Popen) -> int:
    """The port that an example server says, in its first line, it listens on."""
    line = process.stdout.readline()
    return int(re.fullmatch(r"listening on (?:127\.0\.0\.1:|port )(\d+)\n", line)[1])


def wait_for_port(port: int, seconds: float = 60.0) -> None:
    """Return once somebody listens on port."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


@pytest.fixture
def seeds() -> Path:
    """The folder of the users' programs."""
    folder = Path(os.environ.get("GROVE_SEEDS", ROOT.parent / "shared" / "seeds"))
    if not folder.is_dir():
        pytest.skip(
            "the users' programs are not there; it runs with GROVE_SEEDS set to "
            "their folder"
        )
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """run(program, *arguments): its output, under python -m grove.

    Nothing comes on standard error.
    """

    def run_program(program: Path, *arguments: object, timeout: float = 60) -> str:
        result = subprocess.run(
            [sys.executable, "-m", "grove", str(program), *map(str, arguments)],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            timeout=timeout,
        )
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        return result.stdout

    return run_program


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen]]:
    """start(command, **kwargs): a process, ended when the test is over."""
    started = []

    def start_process(command: list[str], **kwargs: object) -> subprocess.Popen:
        process = subprocess.Popen(command, start_new_session=True, **kwargs)
        started.append(process)
        return process

    yield start_process
    for process in started:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        try:
            # Its children: a group of its own.
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


Server = TypeVar("Server", bound=http.server.HTTPServer)


class Site(http.server.ThreadingHTTPServer):
    """PAGES, and / with links to them."""

    daemon_threads = True

    def __init__(self, in_turn: bool) -> None:
        """in_turn: no page is answered before all were asked for, nor before those
        that come after it in PAGES. Else each takes 0.3 s."""
        super().__init__(("127.0.0.1", 0), _Page)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.most = 0  # that were asked for at once
        self._in_turn = in_turn
        self._changed = threading.Condition()
        self._asked = 0
        self._seen: set[str] = set()
        self._answered: set[str] = set()

    @contextlib.contextmanager
    def turn(self, path: str) -> Iterator[None]:
        """While a page is answered, once its time has come."""
        after = set(PAGES[PAGES.index(path) + 1 :])
        with self._changed:
            self._asked += 1
            self.most = max(self.most, self._asked)
            self._seen.add(path)
            self._changed.notify_all()
        if self._in_turn:
            with self._changed:
                self._changed.wait_for(lambda: self._seen >= set(PAGES), 60)
                self._changed.wait_for(lambda: self._answered >= after, 60)
        else:  # no event: what programs are to save is the time it takes
            time.sleep(0.3)
        yield
        with self._changed:
            self._asked -= 1
            self._answered.add(path)
            self._changed.notify_all()


class _Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/":
            self.answer()
        else:
            with self.server.turn(self.path):
                self.answer()

    def answer(self) -> None:
        links = "".join(f'<a href="{path}">' for path in PAGES)
        body = (links if self.path == "/" else self.path * 500).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def serving(server: Server) -> Iterator[Server]:
    """While a thread serves it."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A site that answers the PAGES in turn, the last first, if the test does
    not want otherwise."""
    with serving(Site(getattr(request, "param", True))) as server:
        yield server


@pytest.fixture
def port(request: pytest.FixtureRequest, start: Callable) -> Iterator[int]:
    """The port that the example server named by the test listens on."""
    process = start([C_EXAMPLES / request.param], stdout=subprocess.PIPE, text=True)
    yield port_of(process)
