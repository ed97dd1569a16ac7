"""python3 -m grove.serve: processes that hang, fail or come too late; addresses."""

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from awaiting import HANG, until
from test_serve import APPLICATION, read, send, serve  # noqa: F401

#: An application that hangs as nothing but a signal can end, once it is told to.
HANGS = APPLICATION + """
import signal
if os.path.exists("hang while importing"):
    open("importing", "w").close()
    while os.path.exists("hang while importing"):
        pass
made = application
def application(environ, start_response):
    if environ["PATH_INFO"] == "/hang":
        open("hanging", "w").close()
        while True:
            pass
    return made(environ, start_response)
"""


def children(pid):
    """The processes that pid has, but for those that have ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def fails(served):
    """What is said by one that cannot serve."""
    output, said = served.process.communicate(timeout=HANG)
    assert served.process.returncode == 1, said
    assert output == ""
    return said


@pytest.fixture
def hanging(serve, tmp_path):  # noqa: F811
    (tmp_path / "app.py").write_text(HANGS)
    return serve


def until_said(served, text):
    while text not in (line := served.process.stderr.readline()):
        assert line, text
    return line


# ---- starts that fail ---------------------------------------------------------------


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("source", ["raise KeyError('of it')", "import sys; sys.exit(5)"])
def test_application_that_does_not_start(serve, tmp_path, source, workers):  # noqa: F811
    """There is no sense in trying it again and again."""
    (tmp_path / "bad.py").write_text(source)
    served = serve("--workers", workers, application="bad", wait=False)
    said = fails(served)
    assert "cannot import bad" in said or "has ended (5): before any has served" in said


@pytest.mark.parametrize(
    "options, said",
    [
        (["--access-log", "no/folder"], "cannot open the access log: .*'no/folder'"),
        (["--certfile", "nothing"], "cannot serve over TLS by nothing: "),
        (["--certfile", "app.py"], "cannot serve over TLS by app.py: "),
        (["--pid", "no/folder"], "cannot write its number: .*'no/folder'"),
        (["--chdir", "no folder"], "cannot run there: .*'no folder'"),
        (["--bind", "127.0.0.1:65536"], "not HOST:PORT, .*: '127.0.0.1:65536'"),
        (["--bind", "127.0.0.1:\u00b2"], "not HOST:PORT"),
        (["--bind", "unix:"], "not HOST:PORT, and not unix:PATH: 'unix:'"),
        (["--bind", "unix:no/folder"], "cannot listen: unix:no/folder: No such file"),
        (["--bind", "192.0.2.1:0"], "cannot listen: 192.0.2.1:0: Cannot assign"),
    ],
)
def test_what_cannot_be_had(serve, options, said):  # noqa: F811
    served = serve(*options, wait=False)
    text = fails(served)
    assert re.search(said, text) and "Traceback" not in text
    assert not os.path.exists(served.path)


@pytest.mark.parametrize(
    "option, value, said",
    [
        ("--workers", "x", "argument -w/--workers: not a whole number from 1 on: 'x'"),
        ("--line", "1e9", "argument --line: not a whole number from 1 on: '1e9'"),
        ("--head-timeout", "x", "--head-timeout: not a number of seconds: 'x'"),
        ("--head-timeout", "nan", "--head-timeout: not a number of seconds: 'nan'"),
        ("--idle-timeout", "inf", "--idle-timeout: not a number of seconds: 'inf'"),
    ],
)
def test_values_that_make_no_sense(option, value, said):
    done = subprocess.run(
        [sys.executable, "-m", "grove.serve", option, value, "app"],
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 2 and done.stderr.endswith(f"{said}\n")


def listens(path):
    """Whether somebody does, at a Unix socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(path) == 0


def second_server(folder, *options):
    """A server that is refused."""
    return subprocess.run(
        [sys.executable, "-m", "grove.serve", "--pid", "pid", *options, "app"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=HANG,
    )


def test_pid_file_of_another_server(serve, tmp_path):  # noqa: F811
    """It stays that server's, and one that a killed server has left is taken over."""
    first = serve("--pid", "pid")
    second = second_server(tmp_path, "--bind", "127.0.0.1:0")
    number = first.process.pid
    assert second.returncode == 1
    assert f"it is that of process {number}, which runs: 'pid'" in second.stderr
    assert (tmp_path / "pid").read_text() == f"{number}\n"
    first.process.kill()
    first.process.wait(HANG)
    until(lambda: not listens(first.path))  # those that it had forked have seen it
    third = serve("--pid", "pid")
    assert (tmp_path / "pid").read_text() == f"{third.process.pid}\n"


def test_port_of_another_server(serve, tmp_path):  # noqa: F811
    """Two that share one by SO_REUSEPORT would each get a part of the connections,
    and nobody would have asked for it."""
    first = serve("--bind", "127.0.0.1:0", "--workers", "2", "--pid", "pid")
    port = re.search(r"127\.0\.0\.1:(\d+)", first.said)[1]
    second = second_server(tmp_path, "--bind", f"127.0.0.1:{port}")
    assert second.returncode == 1
    assert f"cannot listen: 127.0.0.1:{port}: Address already in use" in second.stderr
    assert int((tmp_path / "pid").read_text()) == first.process.pid
    first.end()


def test_path_of_a_server_that_is_busy(serve, tmp_path):  # noqa: F811
    """Nobody accepts there, but somebody listens: the path stays its own."""
    path = tmp_path / "busy"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as client:
        busy.bind(str(path))
        busy.listen(0)
        client.connect(str(path))
        served = serve("--bind", f"unix:{path}", wait=False)
        assert "Address already in use" in fails(served)
        assert path.exists()


# ---- restarts -------------------------------------------------------------------------


def test_restart_that_is_asked_for_again(hanging, tmp_path):
    """Who imports what is old by then is replaced, too; nobody is there twice."""
    served = hanging()
    before = int(served.get("/"))
    (tmp_path / "hang while importing").touch()
    served.process.send_signal(signal.SIGHUP)
    served.wait((tmp_path / "importing").exists)
    assert int(served.get("/")) == before
    (tmp_path / "hang while importing").rename(tmp_path / "go on")
    (tmp_path / "app.py").write_text(APPLICATION)
    served.process.send_signal(signal.SIGHUP)
    served.process.send_signal(signal.SIGHUP)

    def replaced():
        now = children(served.process.pid)
        return len(now) == 1 and now != [before]

    served.wait(replaced)
    assert int(served.get("/")) != before
    served.end()


def test_signals_that_come_together(serve):  # noqa: F811
    """A new process has said that it serves, and who looks after it is told to
    replace it before it has heard that: what serves is not taken for what does not."""
    for _ in range(5):
        served = serve()
        served.process.send_signal(signal.SIGSTOP)
        before = served.get("/")
        with served.connect() as slow:
            send(slow, "/slow", "Connection: close")
            served.wait((served.folder / "inside").exists)
            served.process.send_signal(signal.SIGHUP)
            served.process.send_signal(signal.SIGCONT)
            served.wait(lambda: served.get("/") != before)
            (served.folder / "go on").touch()
            assert read(slow)[2].decode() == before
        served.end()
        for name in ("inside", "go on"):
            (served.folder / name).unlink()


def test_restart_has_a_limit(hanging, tmp_path):
    """An old process that hangs does not stay for ever."""
    served = hanging("--graceful-timeout", "0.1")
    hung = int(served.get("/"))
    with served.connect() as sock:
        send(sock, "/hang")
        served.wait((tmp_path / "hanging").exists)
        served.process.send_signal(signal.SIGHUP)
        assert f"process {hung} does not end: killed" in until_said(served, "killed")
    assert int(served.get("/")) != hung
    served.end()


@pytest.mark.parametrize("first", [signal.SIGTERM, None])
def test_end_of_a_process_that_hangs(hanging, tmp_path, first):
    """SIGQUIT ends it, whatever has been asked for before."""
    served = hanging("--graceful-timeout", "0")
    with served.connect() as sock:
        send(sock, "/hang")
        served.wait((tmp_path / "hanging").exists)
        if first:
            served.process.send_signal(first)
            until_said(served, "ending")
        served.end(signal.SIGQUIT)


def test_end_of_a_process_that_hangs_has_a_limit(hanging, tmp_path):
    served = hanging("--graceful-timeout", "0.1")
    with served.connect() as sock:
        send(sock, "/hang")
        served.wait((tmp_path / "hanging").exists)
        assert "does not end: killed" in served.end()[1]


def test_end_while_the_application_is_imported(hanging, tmp_path):
    (tmp_path / "hang while importing").touch()
    served = hanging()
    served.wait((tmp_path / "importing").exists)
    served.end()


def test_request_that_is_on_its_way(serve):  # noqa: F811
    """A connection was accepted, and what it asks comes when the process is to end."""
    served = serve()
    before = served.get("/")
    with served.connect() as late:
        while served.get("/") != before:
            pass  # accepted in order: late has been, too
        served.process.send_signal(signal.SIGTERM)
        until_said(served, "ending")
        send(late, "/")
        assert read(late)[2].decode() == before
    assert served.process.wait(HANG) == 0


def test_handshake_that_is_under_way(serve, certificate):  # noqa: F811
    """Likewise over TLS, where nothing has been asked yet."""
    served = serve("--certfile", certificate[0], "--keyfile", certificate[1])
    context = ssl.create_default_context(cafile=certificate[0])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(to_client, to_server, server_hostname="localhost")
    with served.connect() as sock:
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        sock.sendall(to_server.read())
        to_client.write(sock.recv(65536))  # it is in the handshake
        served.process.send_signal(signal.SIGTERM)
        until_said(served, "ending")
        tls.do_handshake()
        tls.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.sendall(to_server.read())
        while data := sock.recv(65536):
            to_client.write(data)
        assert tls.read(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    assert served.process.wait(HANG) == 0


# ---- the log ----------------------------------------------------------------------------


def test_access_log_that_cannot_be_opened_anew(serve, tmp_path):  # noqa: F811
    """The number of a file that was closed may be a connection's by then."""
    folder = tmp_path / "logs"
    folder.mkdir()
    served = serve("--access-log", "logs/log")
    served.get("/before")
    folder.rename(tmp_path / "moved")
    served.process.send_signal(signal.SIGUSR1)
    assert "stays the file that it was" in until_said(served, "the access log")
    served.get("/after")
    served.end()
    lines = (tmp_path / "moved" / "log").read_text().splitlines()
    assert [line.split()[6] for line in lines] == ["/before", "/after"]
