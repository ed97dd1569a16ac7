"""gunicorn's management with our worker: reloads, limits, ends, logs, TLS."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import environment

GUNICORN = shutil.which("gunicorn", path="/usr/bin") or shutil.which("gunicorn")

pytestmark = pytest.mark.skipif(
    GUNICORN is None, reason="the server is missing: apt-get install gunicorn"
)

HANG = 60
APPLICATION = """
import os, time

if "IDLE" in os.environ:
    from grove.pywsgi import WSGIServer
    WSGIServer.idle_timeout = float(os.environ["IDLE"])

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        open("inside", "w").close()
        while not os.path.exists("go on"):
            time.sleep(0.01)
    if path == "/gevent":
        import gevent
        body = repr(gevent.sleep) + gevent.__name__
    elif path == "/environ":
        keys = "wsgi.url_scheme wsgi.multithread RAW_URI SCRIPT_NAME PATH_INFO".split()
        body = repr({key: environ[key] for key in keys})
    else:
        body = str(os.getpid())
    start_response("200 OK", [("X-Path", path)])
    return [body.encode()]
"""


class Gunicorn:
    """One that runs, and what is asked of it over its socket."""

    def __init__(self, start: Callable, folder: Path, *options: str, **more: str):
        self.folder = folder
        self.path = str(folder / "socket")
        (folder / "app.py").write_text(APPLICATION)
        self.process = start(
            [GUNICORN, "-c", "python:grove.gunicorn", "-b", f"unix:{self.path}"]
            + [*options, "app:application"],
            cwd=folder,
            env={**environment(), **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.wait(lambda: self.get("/"))

    def connect(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(HANG)
        sock.connect(self.path)
        return sock

    def get(self, path: str, *fields: str, close: bool = True) -> str:
        """The body of the answer; OSError without one."""
        with self.connect() as sock:
            send(sock, path, *fields, *(["Connection: close"] if close else []))
            return read(sock)

    def wait(self, condition: Callable, seconds: float = HANG) -> None:
        """Until it is true, and raises no OSError."""
        end = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass
            assert time.monotonic() < end and self.process.poll() is None
            time.sleep(0.01)

    def end(self) -> str:
        """End it in order: what it has printed."""
        self.process.send_signal(signal.SIGTERM)
        output, _ = self.process.communicate(timeout=HANG)
        assert self.process.returncode == 0 and "Traceback" not in output
        return output


def send(sock: socket.socket, path: str, *fields: str) -> None:
    lines = [f"GET {path} HTTP/1.1", "Host: x", *fields, "", ""]
    sock.sendall("\r\n".join(lines).encode())


def read(sock: socket.socket) -> str:
    """One answer's body."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = sock.recv(65536)
        if not data:
            raise ConnectionError(answer)
        answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK"), head
    [length] = [x for x in head.split(b"\r\n") if x.startswith(b"Content-Length:")]
    while len(body) < int(length.split()[1]):
        body += sock.recv(65536)
    return body.decode()


@pytest.fixture
def gunicorn(start: Callable, tmp_path: Path) -> Iterator[Callable[..., Gunicorn]]:
    yield lambda *options, **more: Gunicorn(start, tmp_path, *options, **more)


def test_gevent_is_ours(gunicorn):
    server = gunicorn()
    assert server.get("/gevent").endswith("grove")
    assert "Using worker: grove" in server.end()


def test_environ(gunicorn):
    server = gunicorn(SCRIPT_NAME="/mounted")
    told = "X-Forwarded-Proto: https"
    assert eval(server.get("/mounted/environ", told)) == {
        "wsgi.url_scheme": "https",
        "wsgi.multithread": True,
        "RAW_URI": "/mounted/environ",
        "SCRIPT_NAME": "/mounted",
        "PATH_INFO": "/environ",
    }


def test_reload(gunicorn):
    """A request under way is answered by the old worker, the next one by a new."""
    server = gunicorn()
    before = server.get("/")
    with server.connect() as slow:
        send(slow, "/slow")
        server.wait(lambda: (server.folder / "inside").exists())
        server.process.send_signal(signal.SIGHUP)
        server.wait(lambda: server.get("/") != before)
        (server.folder / "go on").touch()
        assert read(slow) == before
    server.end()


def test_end_with_idle_connections(gunicorn):
    """They do not keep it from ending, and are closed in order."""
    server = gunicorn("--keep-alive", "60", "--graceful-timeout", "50")
    with server.connect() as idle:
        send(idle, "/")
        assert read(idle)
        server.end()
        assert idle.recv(100) == b""


def test_max_requests(gunicorn):
    server = gunicorn("--max-requests", "5")
    workers = set()

    def see() -> bool:
        workers.add(server.get("/"))
        return len(workers) == 3

    server.wait(see)
    server.end()


def test_keep_alive_of_nothing(gunicorn):
    server = gunicorn("--keep-alive", "0")
    with server.connect() as sock:
        send(sock, "/")
        assert read(sock) and sock.recv(100) == b""
    server.end()


def test_connection_without_a_request_where_none_is_kept(gunicorn):
    """It does not stay for ever."""
    server = gunicorn("--keep-alive", "0", IDLE="0.5")
    with server.connect() as sock:
        assert sock.recv(100) == b""
    server.end()


def test_access_log(gunicorn):
    log = "access"
    server = gunicorn(
        "--access-logfile", log, "--access-logformat", "%(m)s %(U)s %(s)s %({x-path}o)s"
    )
    server.get("/logged")
    server.end()
    assert "GET /logged 200 /logged" in (server.folder / log).read_text()


def test_hooks(start: Callable, tmp_path: Path):
    (tmp_path / "conf.py").write_text(
        "import grove.gunicorn\n"
        "worker_class = 'grove'\n"
        "def pre_request(worker, req):\n"
        "    print('before', req.method, req.path, flush=True)\n"
        "def post_request(worker, req, environ, resp):\n"
        "    print('after', req.path, resp.status, flush=True)\n"
    )
    server = Gunicorn(start, tmp_path, "-c", "conf.py")
    server.get("/hooked")
    said = [line for line in server.end().splitlines() if "hooked" in line]
    assert said[-2:] == ["before GET /hooked", "after /hooked 200 OK"]


def test_tls(start: Callable, tmp_path: Path):
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-days 2 -subj /CN=localhost -keyout key.pem -out cert.pem".split(),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(cafile=tmp_path / "cert.pem")

    class Secure(Gunicorn):
        pause = 0.0

        def connect(self):
            plain = super().connect()
            time.sleep(self.pause)
            return context.wrap_socket(plain, server_hostname="localhost")

    server = Secure(
        start,
        tmp_path,
        *"--keyfile key.pem --certfile cert.pem --keep-alive 1".split(),
    )
    assert "'https'" in server.get("/environ")
    server.pause = 1.5  # keep-alive is not for a handshake
    assert "'https'" in server.get("/environ")
    server.end()


def test_worker_that_is_killed_is_replaced(gunicorn):
    server = gunicorn()
    before = server.get("/")
    os.kill(int(before), signal.SIGKILL)
    server.wait(lambda: server.get("/") != before)
    server.end()
