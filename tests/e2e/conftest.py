"""Running whole programs against build/, and the sites they talk to."""

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

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("GROVE_BUILD", ROOT / "build"))
EXAMPLES = ROOT / "examples" / "python"
C_EXAMPLES = BUILD / "examples"

# How slow the pages of the local site are, in seconds.
PAGES = {"/a": 0.3, "/b": 0.5, "/c": 0.4}


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


def wait_for_port(port: int, seconds: float = 20.0) -> None:
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


#: patch_all() says what it does not patch yet: where it is called, in two lines.
PATCH_WARNING = re.compile(
    r"^.*: MonkeyPatchWarning: not patched: os, thread, subprocess, signal, queue\..*"
    r"\n  .*monkey\.patch_all\(.*\n",
    re.M,
)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., str]:
    """run(program, *arguments): its output, under python -m grove.

    Nothing comes on standard error but what patch_all() says.
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
        warnings = 1 if "monkey.patch_all(" in program.read_text() else 0
        rest, found = PATCH_WARNING.subn("", result.stderr)
        assert (rest, found) == ("", warnings)
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


class _Site(http.server.BaseHTTPRequestHandler):
    """Slow pages; / links to them."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(PAGES.get(self.path, 0))
        links = "".join(f'<a href="{path}">' for path in PAGES)
        body = (links if self.path == "/" else self.path * 500).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def site() -> Iterator[str]:
    """The address of a site with the slow PAGES."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def port(request: pytest.FixtureRequest, start: Callable) -> Iterator[int]:
    """The port that the example server named by the test listens on."""
    process = start([C_EXAMPLES / request.param], stdout=subprocess.PIPE, text=True)
    yield port_of(process)
