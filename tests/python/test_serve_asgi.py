"""python3 -m grove.serve --asgi: coroutines and greenlets on one thread."""

import json
import socket

import pytest

from awaiting import HANG
from test_serve import read, send, serve  # noqa: F401

APPLICATION = """
import asyncio, json, os, threading

events = []

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return await live(scope, receive, send)
    path = scope["path"]
    if path == "/scope":
        known = {k: v for k, v in scope.items() if k not in ("state", "headers")}
        known["headers"] = [[n.decode(), v.decode()] for n, v in scope["headers"]]
        for key in ("raw_path", "query_string"):
            known[key] = known[key].decode()
        body = json.dumps(known).encode()
    elif path == "/body":
        pieces, more = [], True
        while more:
            message = await receive()
            pieces.append(message["body"])
            more = message["more_body"]
        assert all(pieces[:-1])
        body = b"".join(pieces)
    elif path == "/together":
        # Two requests that wait for each other.
        meeting.append(path)
        while len(meeting) < 2:
            await asyncio.sleep(0.001)
        body = b"met"
    elif path == "/pieces":
        await send({"type": "http.response.start", "status": 200})
        for i in range(3):
            await send({"type": "http.response.body", "body": b"%d" % i,
                        "more_body": True})
        return await send({"type": "http.response.body", "body": b"!"})
    elif path == "/fails":
        raise KeyError("of the application")
    elif path == "/silent":
        return
    elif path == "/half":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        raise KeyError("halfway")
    elif path == "/waits":
        open("inside", "w").close()
        assert (await receive())["type"] == "http.request"
        await send({"type": "http.response.start", "status": 200})
        while True:
            await send({"type": "http.response.body", "body": b"x" * 100000,
                        "more_body": True})
            if (await asyncio.wait([asyncio.ensure_future(receive())],
                                   timeout=0.001))[0]:
                open("disconnected", "w").close()
                return
    elif path == "/events":
        body = json.dumps([events, scope["state"], threading.active_count()]).encode()
    else:
        body = b"hello"
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})

meeting = []

async def live(scope, receive, send):
    message = await receive()
    events.append(message["type"])
    scope["state"]["known"] = "since the start"
    if os.environ.get("NO_START"):
        return await send({"type": "lifespan.startup.failed", "message": "not today"})
    await send({"type": "lifespan.startup.complete"})
    message = await receive()
    with open("ended", "w") as file:
        file.write(message["type"])
    await send({"type": "lifespan.shutdown.complete"})

async def without_life(scope, receive, send):
    assert scope["type"] == "http"
    await application(scope, receive, send)
"""


@pytest.fixture
def asgi(serve, tmp_path):  # noqa: F811
    (tmp_path / "app.py").write_text(APPLICATION)
    return lambda *options, **more: serve("--asgi", *options, **more)


def test_scope(asgi):
    served = asgi()
    scope = json.loads(served.get("/scope?a=%20b"))
    assert scope["type"] == "http" and scope["asgi"]["version"] == "3.0"
    assert (scope["method"], scope["http_version"]) == ("GET", "1.1")
    assert (scope["path"], scope["raw_path"]) == ("/scope", "/scope")
    assert (scope["query_string"], scope["scheme"]) == ("a=%20b", "http")
    assert ["host", "x"] in scope["headers"] and scope["root_path"] == ""
    served.end()


@pytest.mark.parametrize("chunked", [False, True])
def test_body(asgi, chunked):
    body = bytes(range(256)) * 1000
    served = asgi()
    field = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    with served.connect() as sock:
        send(sock, "/body", field, "Connection: close", method="POST")
        sock.sendall(framed)
        status, fields, got = read(sock)
    assert status == "HTTP/1.1 200 OK" and got == body
    assert fields["Content-Length"] == str(len(body))
    assert fields["content-type"] == "text/plain"
    served.end()


def test_pieces(asgi):
    served = asgi()
    _, fields, body = served.ask("/pieces")
    assert body == b"1\r\n0\r\n1\r\n1\r\n1\r\n2\r\n1\r\n!\r\n0\r\n\r\n"
    assert fields["Transfer-Encoding"] == "chunked"
    served.end()


def test_requests_at_once(asgi):
    served = asgi()
    with served.connect() as one, served.connect() as other:
        send(one, "/together", "Connection: close")
        send(other, "/together", "Connection: close")
        assert read(one)[2] == read(other)[2] == b"met"
    served.end()


def test_requests_of_one_connection(asgi):
    served = asgi()
    with served.connect() as sock:
        for _ in range(3):
            send(sock, "/")
        send(sock, "/", "Connection: close")
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.count(b"hello") == 4
    served.end()


@pytest.mark.parametrize("path", ["/fails", "/silent"])
def test_application_that_fails(asgi, path):
    served = asgi()
    assert served.ask(path)[0] == "HTTP/1.1 500 Internal Server Error"
    assert served.get("/") == "hello"
    served.process.terminate()
    said = served.process.communicate(timeout=60)[1]
    assert ("KeyError: 'of the application'" in said) == (path == "/fails")


def test_application_that_fails_halfway(asgi):
    served = asgi()
    _, _, body = served.ask("/half")
    assert body == b"1\r\na\r\n"  # without an end
    assert served.get("/") == "hello"
    served.process.terminate()
    served.process.communicate(timeout=60)


def test_client_that_goes_away(asgi):
    served = asgi()
    with served.connect() as sock:
        send(sock, "/waits")
        served.wait((served.folder / "inside").exists)
    served.wait((served.folder / "disconnected").exists)
    served.end()


def test_life(asgi):
    served = asgi()
    events, state, threads = json.loads(served.get("/events"))
    assert events == ["lifespan.startup"] and state == {"known": "since the start"}
    assert threads == 1
    served.end()
    assert (served.folder / "ended").read_text() == "lifespan.shutdown"


def test_application_without_life(asgi):
    served = asgi(application="app:without_life")
    assert served.get("/") == "hello"
    served.end()


def test_start_that_fails(asgi, monkeypatch):
    monkeypatch.setenv("NO_START", "1")
    served = asgi(wait=False)
    _, said = served.process.communicate(timeout=60)
    assert served.process.returncode == 1 and "not today" in said


def test_without_patching(asgi):
    """The loop waits on a selector of ours, whatever the standard module has."""
    served = asgi("--no-patch")
    with served.connect() as one, served.connect() as other:
        send(one, "/together", "Connection: close")
        send(other, "/together", "Connection: close")
        assert read(one)[2] == read(other)[2] == b"met"
    served.end()


def test_files_are_for_wsgi(asgi):
    served = asgi("--static", "/x=/tmp", wait=False)
    _, said = served.process.communicate(timeout=60)
    assert served.process.returncode == 2 and "--static" in said


# ---- applications and clients that end too early -------------------------------------

ENDS = """
import asyncio, os

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return await live(receive, send)
    path = scope["path"]
    if path == "/cancelled":
        asyncio.current_task().cancel()
        await asyncio.sleep(0)
    if path == "/base":
        raise BaseException("of the application")
    await send({"type": "http.response.start", "status": 200})
    if path == "/background":
        await send({"type": "http.response.body", "body": b"now"})
        while not os.path.exists("go on"):
            await asyncio.sleep(0.01)
        open("later", "w").close()
    if path == "/sleeps":
        await send({"type": "http.response.body", "body": b"now"})
        try:
            await asyncio.sleep(1000)
        finally:
            open("cancelled", "w").close()
    if path == "/listens":
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        assert (await receive())["type"] == "http.request"
        while True:
            message = await receive()
            assert message == {"type": "http.disconnect"}
            break
        open("told", "w").close()
        if not os.path.exists("answer"):
            return
    await send({"type": "http.response.body", "body": b"rest"})

async def live(receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    if os.path.exists("short-lived"):
        raise KeyError("of its life")
    assert (await receive())["type"] == "lifespan.shutdown"
    open("shut down", "w").close()
    await send({"type": "lifespan.shutdown.complete"})
"""


@pytest.fixture
def ends(serve, tmp_path):  # noqa: F811
    (tmp_path / "app.py").write_text(ENDS)
    return lambda *options, **more: serve("--asgi", *options, **more)


@pytest.mark.parametrize("path", ["/cancelled", "/base"])
def test_coroutine_that_ends_by_no_exception(ends, path):
    """Who has asked is answered, and so are others."""
    served = ends()
    assert served.ask(path)[0] == "HTTP/1.1 500 Internal Server Error"
    assert served.get("/") == "rest"
    served.process.terminate()
    assert served.process.wait(HANG) == 0


def test_end_waits_for_what_follows_a_response(ends, tmp_path):
    served = ends()
    assert served.ask("/background")[2] == b"now"
    served.process.terminate()
    while "ending" not in served.process.stderr.readline():
        pass
    (tmp_path / "go on").touch()
    served.end()
    assert (tmp_path / "later").exists() and (tmp_path / "shut down").exists()


def test_end_cancels_what_takes_too_long(ends, tmp_path):
    served = ends("--graceful-timeout", "0.1")
    assert served.ask("/sleeps")[2] == b"now"
    served.end()
    assert (tmp_path / "cancelled").exists() and (tmp_path / "shut down").exists()


@pytest.mark.parametrize("more", [b"", b"GET / HTTP/1.1\r\n"])
def test_client_that_goes_while_nothing_is_sent(ends, tmp_path, more):
    served = ends()
    with served.connect() as sock:
        send(sock, "/listens")
        while b"a" not in sock.recv(1000).partition(b"\r\n\r\n")[2]:
            pass
        sock.sendall(more)
    served.wait((tmp_path / "told").exists)
    assert "whole response" not in served.end()[1]


def test_client_that_ends_its_side_is_answered(ends, tmp_path):
    (tmp_path / "answer").touch()
    served = ends()
    with served.connect() as sock:
        send(sock, "/listens", "Connection: close")
        sock.shutdown(socket.SHUT_WR)
        assert read(sock)[2].endswith(b"rest\r\n0\r\n\r\n")
    served.end()


def test_lifespan_that_fails_on_the_way(ends, tmp_path):
    """It is told, and requests are answered."""
    (tmp_path / "short-lived").touch()
    served = ends()
    assert served.get("/") == "rest"
    served.process.terminate()
    assert "KeyError: 'of its life'" in served.process.communicate(timeout=HANG)[1]
