"""python3 -m grove.serve: processes, restarts, files, logs, TLS."""

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from awaiting import HANG
from grove.serving.static import Static

APPLICATION = """
import os, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        open("inside", "w").close()
        while not os.path.exists("go on"):
            time.sleep(0.01)
    if path == "/environ":
        body = repr({k: v for k, v in environ.items() if isinstance(v, (str, bool))})
    elif path == "/gevent":
        import gevent
        body = gevent.__name__
    else:
        body = str(os.getpid())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]

def make():
    return application
"""


ENDLESS = """
def application(environ, start_response):
    start_response("200 OK", [])
    while True:
        yield b"x" * 10000
"""


class Served:
    """A server that runs, and what is asked of it."""

    def __init__(self, folder: Path, *options: str, application="app", wait=True):
        self.folder = folder
        self.path = str(folder / "socket")
        if not (folder / "app.py").exists():
            (folder / "app.py").write_text(APPLICATION)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "grove.serve", application]
            + ["--bind", f"unix:{self.path}", *options],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        if wait:
            self.said = self.process.stderr.readline()
            assert "listening on " in self.said

    def connect(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(HANG)
        sock.connect(self.path)
        return sock

    def ask(self, path, *fields, method="GET"):
        """The status, the fields and the body of the answer."""
        with self.connect() as sock:
            send(sock, path, *fields, "Connection: close", method=method)
            return read(sock)

    def get(self, path):
        status, _, body = self.ask(path)
        assert status == "HTTP/1.1 200 OK"
        return body.decode()

    def wait(self, condition):
        end = time.monotonic() + HANG
        while not condition():
            assert time.monotonic() < end and self.process.poll() is None
            time.sleep(0.01)

    def end(self, number=signal.SIGTERM, code=0):
        """Its standard output and standard error."""
        self.process.send_signal(number)
        output = self.process.communicate(timeout=HANG)
        assert self.process.returncode == code, output
        assert "Traceback" not in output[1]
        return output


def send(sock, path, *fields, method="GET"):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *fields, "", ""]
    sock.sendall("\r\n".join(lines).encode())


def read(sock):
    """One answer of a connection that ends with it."""
    answer = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), body


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(*options, **more):
        started.append(Served(tmp_path, *options, **more))
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.process.kill()
        served.process.wait(HANG)
        served.process.stdout.close()
        served.process.stderr.close()


def test_application(serve):
    served = serve()
    environ = eval(served.get("/environ?a=b"))
    assert environ["PATH_INFO"] == "/environ" and environ["QUERY_STRING"] == "a=b"
    assert environ["wsgi.multiprocess"] is False
    assert served.get("/gevent") == "grove"
    served.end()
    assert not os.path.exists(served.path)


@pytest.mark.parametrize("name", ["app:application", "app:make()"])
def test_names_of_applications(serve, name):
    served = serve(application=name)
    assert served.get("/").isdigit()
    served.end()


@pytest.mark.parametrize(
    "application, error, listens",
    [
        ("nothing_of_the_kind", "No module named 'nothing_of_the_kind'", False),
        ("app.nothing:app", "No module named 'app.nothing'; 'app' is not a package", True),
        ("app:other", "module 'app' has no attribute 'other'", True),
        ("app:__name__", "'app' is no application: it cannot be called", True),
    ],
)
def test_application_that_is_not_there(serve, application, error, listens):
    served = serve(application=application, wait=False)
    _, said = served.process.communicate(timeout=HANG)
    assert served.process.returncode == 1
    *first, told = said.splitlines()
    assert re.sub(r"\d+", "N", told) == f"grove.serve [N] cannot import {application}: {error}"
    assert len(first) == listens and all("listening on" in line for line in first)


def test_application_that_fails(serve, tmp_path):
    """Its own faults are told with where they are."""
    (tmp_path / "failing.py").write_text("import nothing_of_the_kind\n")
    served = serve(application="failing", wait=False)
    _, said = served.process.communicate(timeout=HANG)
    assert served.process.returncode == 1
    assert 'failing.py", line 1' in said and "cannot import failing\n" in said


def test_address_that_is_taken(serve, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = serve("--bind", f"127.0.0.1:{port}", wait=False)
        _, said = served.process.communicate(timeout=HANG)
    assert served.process.returncode == 1 and "cannot listen" in said
    assert not os.path.exists(served.path)


@pytest.mark.parametrize(
    "options",
    [
        ["--workers", "0"],
        ["--workers", "many"],
        ["--static", "/x"],
        ["--static", "/x=/nothing/of/the/kind"],
        ["--keyfile", "x"],
        ["--metrics", "x"],
        ["--asgi", "--metrics", "/x"],
        ["--idle-timeout", "-1"],
        ["--no-such-option"],
    ],
)
def test_options_that_make_no_sense(serve, options):
    served = serve(*options, wait=False)
    _, said = served.process.communicate(timeout=HANG)
    assert served.process.returncode == 2 and said.startswith("usage: ")


def test_help():
    text = subprocess.run(
        [sys.executable, "-m", "grove.serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for option in """--bind --workers --certfile --keyfile --access-log --static --metrics
            --connections --idle-timeout --graceful-timeout SIGHUP""".split():
        assert option in text


def test_processes_share_a_port(serve):
    """Each connection is one of them's, and all come to some."""
    served = serve("--bind", "127.0.0.1:0", "--workers", "3")
    port = int(re.search(r"127\.0\.0\.1:(\d+)", served.said)[1])
    seen = set()

    def ask():
        with socket.create_connection(("127.0.0.1", port), HANG) as sock:
            send(sock, "/", "Connection: close")
            seen.add(read(sock)[2])
        return len(seen) == 3

    served.wait(ask)
    served.end()


def test_restart(serve):
    """What is under way is answered by the old process, the next by the new one,
    and no connection is refused meanwhile."""
    served = serve()
    before = served.get("/")
    with served.connect() as slow, served.connect() as idle:
        send(idle, "/")
        assert idle.recv(1000)
        send(slow, "/slow", "Connection: close")
        served.wait((served.folder / "inside").exists)
        served.process.send_signal(signal.SIGHUP)
        served.wait(lambda: served.get("/") != before)
        assert idle.recv(100) == b""
        (served.folder / "go on").touch()
        assert read(slow)[2].decode() == before
    served.end()


def test_restart_of_what_cannot_be_imported(serve):
    """The old process goes on."""
    served = serve()
    before = served.get("/")
    (served.folder / "app.py").write_text("raise RuntimeError('broken')")
    served.process.send_signal(signal.SIGHUP)
    while "cannot import app" not in served.process.stderr.readline():
        pass
    assert served.get("/") == before
    (served.folder / "app.py").write_text(APPLICATION)
    served.process.send_signal(signal.SIGHUP)
    served.wait(lambda: served.get("/") != before)
    served.end()


def test_process_that_dies_is_replaced(serve):
    served = serve()
    before = served.get("/")
    os.kill(int(before), signal.SIGKILL)
    after = served.get("/")  # by the one that comes
    assert after != before
    assert f"process {before} has ended (-9)" in served.end()[1]


def test_end_answers_what_is_under_way(serve):
    served = serve()
    with served.connect() as slow:
        send(slow, "/slow")
        served.wait((served.folder / "inside").exists)
        served.process.send_signal(signal.SIGTERM)
        served.wait(lambda: "ending" in served.process.stderr.readline())
        (served.folder / "go on").touch()
        status, fields, _ = read(slow)
        assert status == "HTTP/1.1 200 OK" and fields["Connection"] == "close"
    assert served.process.wait(HANG) == 0


def test_end_at_once(serve):
    served = serve()
    with served.connect() as slow:
        send(slow, "/slow")
        served.wait((served.folder / "inside").exists)
        served.end(signal.SIGQUIT)


def test_end_has_a_limit(serve):
    served = serve("--graceful-timeout", "0.1")
    with served.connect() as slow:
        send(slow, "/slow")
        served.wait((served.folder / "inside").exists)
        assert "though requests are under way" in served.end()[1]


def test_nobody_looks_after_it(serve):
    """A process ends when the one that looks after it has gone."""
    served = serve()
    worker = int(served.get("/"))
    served.process.kill()
    served.process.wait(HANG)
    end = time.monotonic() + HANG
    while Path(f"/proc/{worker}/stat").exists():
        if Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2][1] == "Z":
            break
        assert time.monotonic() < end
        time.sleep(0.02)


def test_pid_file(serve, tmp_path):
    served = serve("--pid", str(tmp_path / "pid"))
    assert int((tmp_path / "pid").read_text()) == served.process.pid
    served.end()
    assert not (tmp_path / "pid").exists()


def test_socket_that_was_left_behind(serve, tmp_path):
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(tmp_path / "socket"))
    served = serve()
    assert served.get("/")
    served.end()


# ---- the log --------------------------------------------------------------------

LINE = r'- - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(.*)" (\d+) (\d+|-)\n'


def test_access_log(serve, tmp_path):
    served = serve("--access-log", "log")
    log = tmp_path / "log"
    size = len(served.get("/a?b"))
    with served.connect() as sock:
        sock.sendall(b'GET /"\x01 HTTP/1.1\r\n\r\n')
        read(sock)
    served.wait(lambda: log.read_text().count("\n") == 2)
    first, second = re.findall(LINE, log.read_text())
    assert first == ("GET /a?b HTTP/1.1", "200", str(size))
    assert second == (r"GET /\"\x01 HTTP/1.1", "400", "-")
    log.rename(tmp_path / "old")
    served.process.send_signal(signal.SIGUSR1)
    served.wait(log.exists)
    served.get("/anew")
    served.end()
    assert "/anew" in log.read_text() and "/anew" not in (tmp_path / "old").read_text()


def test_access_log_of_what_was_not_taken(serve, tmp_path):
    """The status is a number, though the client has gone."""
    (tmp_path / "app.py").write_text(ENDLESS)
    served = serve("--access-log", "log")
    with served.connect() as sock:
        send(sock, "/")
        assert sock.recv(1000)
    log = tmp_path / "log"
    served.wait(lambda: "\n" in log.read_text())
    assert re.fullmatch(LINE, log.read_text())[2] == "200"
    served.end()


def test_access_log_on_standard_output(serve):
    served = serve("--access-log", "-")
    served.get("/")
    assert re.fullmatch(LINE, served.end()[0])


# ---- files ----------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    (folder / "below").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"0123456789" * 10000)
    (folder / "below" / "index.html").write_text("<p>index")
    (folder / "\u00e9.css").write_text("p {}")
    (tmp_path / "secret").write_text("secret")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "out folder").symlink_to(tmp_path)
    os.mkfifo(folder / "fifo")
    return folder


def test_files(serve, files):
    served = serve("--static", f"/files={files}")
    content = (files / "a.txt").read_bytes()
    status, fields, body = served.ask("/files/a.txt")
    assert status == "HTTP/1.1 200 OK" and body == content
    assert fields["Content-Type"] == "text/plain; charset=utf-8"
    assert fields["Content-Length"] == str(len(content))
    assert served.ask("/files/a.txt", method="HEAD")[2] == b""
    assert served.ask("/files/below/")[2] == b"<p>index"
    assert served.ask("/files/%C3%A9.css")[1]["Content-Type"].startswith("text/css")
    assert served.ask("/filesystem")[2].isdigit()  # the application's
    assert served.ask("/files/a.txt", method="POST")[0].split()[1] == "405"
    served.end()


def test_metrics(serve):
    served = serve("--metrics", "/numbers")
    status, fields, body = served.ask("/numbers")
    assert status == "HTTP/1.1 200 OK"
    assert fields["Content-Type"].startswith("text/plain; version=0.0.4")
    text = body.decode()
    assert re.search(r'^grove_hub_switches_total{hub="\d+",thread="\d+"} [1-9]', text, re.M)
    assert re.search(r"^grove_process \d+$", text, re.M)
    assert served.ask("/numbers", method="HEAD")[2] == b""
    assert served.ask("/numbers", method="POST")[0].split()[1] == "405"
    assert served.get("/numbers/").isdigit()  # the application's
    served.end()


def test_no_metrics_unless_asked_for(serve):
    served = serve()
    assert served.get("/metrics").isdigit()
    served.end()


def test_folder_in_a_files_place(files):
    """What was opened of it does not stay so."""
    (files / "below" / "below" / "index.html").mkdir(parents=True)
    static = Static([("/files", str(files))], lambda *_: [])
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/files/below/below/"}
    statuses = []
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        static(environ, lambda status, _: statuses.append(status))
    assert statuses == ["404 Not Found"] * 3
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_files_that_are_not_there(serve, files):
    served = serve("--static", f"/files={files}")
    for path in """nothing out out%20folder/secret ../secret %2e%2e/secret
            below/../../secret //etc/passwd /etc/passwd fifo a.txt/ a%00b .
            ..%2fsecret""".split():
        status, _, body = served.ask("/files/" + path)
        assert status.split()[1] in ("404", "400"), path
        assert b"secret" not in body and b"root" not in body
    served.end()


def test_parts_of_files(serve, files):
    served = serve("--static", f"/files={files}")
    content = (files / "a.txt").read_bytes()

    def part(text, *more):
        status, fields, body = served.ask("/files/a.txt", f"Range: {text}", *more)
        return int(status.split()[1]), fields.get("Content-Range"), body

    assert part("bytes=0-4") == (206, "bytes 0-4/100000", b"01234")
    assert part("bytes=99995-") == (206, "bytes 99995-99999/100000", b"56789")
    assert part("bytes=-3") == (206, "bytes 99997-99999/100000", b"789")
    assert part("bytes=99999-200000") == (206, "bytes 99999-99999/100000", b"9")
    assert part("bytes=100000-")[:2] == (416, "bytes */100000")
    for whole in ("bytes=5-2", "bytes=-", "lines=1-2", "bytes=0-1,3-4", "bytes=a-b",
                  "bytes=0-" + "9" * 5000, "bytes=-" + "9" * 5000):  # fmt: skip
        assert part(whole) == (200, None, content)
    assert served.ask("/files/a.txt", "Range: bytes=0-4", method="HEAD")[0].endswith("OK")
    assert part("bytes=0-4", 'If-Range: "other"')[0] == 200
    served.end()


def test_files_that_the_client_has(serve, files):
    served = serve("--static", f"/files={files}")
    _, fields, _ = served.ask("/files/a.txt")
    for field, status in [
        (f"If-None-Match: {fields['ETag']}", "304"),
        (f'If-None-Match: "x", W/{fields["ETag"]}', "304"),
        ("If-None-Match: *", "304"),
        ('If-None-Match: "x"', "200"),
        (f"If-Modified-Since: {fields['Last-Modified']}", "304"),
        ("If-Modified-Since: Mon, 01 Jan 1990 00:00:00 GMT", "200"),
        ("If-Modified-Since: some day", "200"),
        ("If-Modified-Since: Feb 99999999999 99:99:99 31", "200"),
    ]:
        answer = served.ask("/files/a.txt", field)
        assert answer[0].split()[1] == status, field
        assert (answer[2] == b"") == (status == "304")
    served.end()


# ---- TLS and limits ----------------------------------------------------------------


def test_tls(serve, tmp_path):
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
        "-days 2 -subj /CN=localhost -keyout both.pem -out cert.pem".split(),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    with open(tmp_path / "both.pem", "a") as both:
        both.write((tmp_path / "cert.pem").read_text())
    served = serve("--certfile", "both.pem")
    context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    with context.wrap_socket(served.connect(), server_hostname="localhost") as sock:
        send(sock, "/environ", "Connection: close")
        answer = b""
        try:
            while data := sock.recv(65536):
                answer += data
        except OSError:
            pass  # the server says no good-bye, which OpenSSLs tell in their ways
    assert b"'wsgi.url_scheme': 'https'" in answer
    served.end()


def test_limits(serve):
    served = serve("--line", "100", "--head-timeout", "0.1", "--idle-timeout", "0")
    assert served.ask("/" + "a" * 100)[0].split()[1] == "414"
    assert served.ask("/", "A: " + "b" * 100)[0].split()[1] == "431"
    with served.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n")
        assert read(sock)[0].split()[1] == "408"
    served.end()


def test_most_connections(serve):
    """Another one waits until one of them has ended."""
    served = serve("--connections", "1")
    with served.connect() as first, served.connect() as second:
        send(first, "/")
        assert first.recv(1000)
        send(second, "/", "Connection: close")
        second.settimeout(0.1)
        with pytest.raises(TimeoutError):
            second.recv(1)
        first.close()
        second.settimeout(HANG)
        assert read(second)[0] == "HTTP/1.1 200 OK"
    served.end()
