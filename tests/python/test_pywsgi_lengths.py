"""pywsgi's responses and the lengths that applications tell of them: what comes on the
connection is what the head says, whatever the application returns."""

import os

import pytest
from awaiting import HANG
from grove import socket
from grove.event import Event
from grove.pywsgi import WSGIHandler, WSGIServer

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = b"x" * 50000


def serve(application, handler=WSGIHandler):
    return WSGIServer(
        ("127.0.0.1", 0),
        application,
        log=None,
        error_log=None,
        handler_class=handler,
    )


def told(body, *headers, length=None):
    """An application that tells length and returns what body() does."""
    more = [] if length is None else [("Content-Length", str(length))]

    def application(environ, start_response):
        start_response("200 OK", [*headers, *more])
        return body()

    return application


def exchange(server, request):
    """What the server answers to these bytes, until it closes."""
    with socket.create_connection(server.address, timeout=HANG) as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(65536), b""))


class WritesItself(WSGIHandler):
    def _sendall(self, data):
        super()._sendall(data)


BODIES = {
    "list": lambda: [b"abc", b"def"],
    "iterator": lambda: iter([b"abc", b"def"]),
    "bytearrays": lambda: [bytearray(b"abc"), bytearray(b"def")],
    "many": lambda: [b"a", b"b", b"c", b"d", b"e", b"f"],
}


@pytest.mark.parametrize("handler", [WSGIHandler, WritesItself])
@pytest.mark.parametrize("body", BODIES)
def test_more_than_told_is_not_sent(errors, body, handler):
    """It would be the beginning of the next response."""
    with serve(told(BODIES[body], length=4), handler) as server:
        answer = exchange(server, GET + GET)
    assert answer.count(b"HTTP/1.1") == 1 and answer.endswith(b"\r\n\r\nabcd")
    assert [error[1] for error in errors] == [AssertionError]


def test_more_than_told_of_large_pieces(errors):
    """They are sent from where they are."""
    with serve(told(lambda: [LARGE, LARGE, LARGE], length=60000)) as server:
        head, _, body = exchange(server, GET + GET).partition(b"\r\n\r\n")
    assert body == b"x" * 60000
    assert len(errors) == 1


def test_more_than_told_by_write(errors):
    def application(environ, start_response):
        write = start_response("200 OK", [("Content-Length", "4")])
        write(b"abc")
        write(b"def")
        return [b"ghi"]

    with serve(application) as server:
        assert exchange(server, GET + GET).endswith(b"\r\n\r\nabcd")
    assert len(errors) == 1


@pytest.mark.parametrize("body", BODIES)
def test_fewer_than_told_end_the_connection(errors, body):
    """The client would take the next response for the rest of this one."""
    with serve(told(BODIES[body], length=7)) as server:
        answer = exchange(server, GET + GET)
    assert answer.count(b"HTTP/1.1") == 1 and answer.endswith(b"\r\n\r\nabcdef")
    assert [error[1] for error in errors] == [AssertionError]


@pytest.mark.parametrize("body", [lambda: [], lambda: [b"abc"], lambda: iter([b"abc"])])
def test_head_may_tell_any_length(errors, body):
    with serve(told(body, length=7)) as server:
        request = GET.replace(b"GET", b"HEAD")
        assert exchange(server, request + request).count(b"HTTP/1.1 200 OK") == 2
    assert errors == []


def test_length_that_is_right(errors):
    with serve(told(lambda: iter([b"abc", b"", b"def"]), length="006")) as server:
        assert exchange(server, GET + GET).count(b"abcdef") == 2
    assert errors == []


@pytest.mark.parametrize(
    "lengths", [["-1"], ["+3"], [""], ["3 "], ["abc"], ["9" * 30], ["3", "4"]]
)
def test_lengths_that_are_none(errors, lengths):
    headers = [("Content-Length", length) for length in lengths]
    with serve(told(lambda: [b"abc"], *headers)) as server:
        answer = exchange(server, GET)
    assert answer.startswith(b"HTTP/1.1 500 ") and answer.count(b"Length") == 1
    assert [error[1] for error in errors] == [ValueError]


def test_length_told_twice_alike(errors):
    headers = [("Content-Length", "3"), ("content-length", "3")]
    with serve(told(lambda: [b"abc"], *headers)) as server:
        assert exchange(server, GET + GET).count(b"abc") == 2
    assert errors == []


@pytest.mark.parametrize("body", [lambda: [b"abc"], lambda: iter([b"abc"])])
def test_transfer_coding_is_the_servers(body):
    """Else it would be told twice, or beside a length."""
    headers = [("A", "1"), ("transfer-encoding", "chunked"), ("B", "2")]
    with serve(told(body, *headers)) as server:
        answer = exchange(server, GET + GET)
    assert answer.count(b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n") == 2
    assert b"transfer-encoding" not in answer
    assert answer.count(b"Transfer-Encoding") + answer.count(b"Content-Length") == 2


def test_file_that_shrinks(errors, tmp_path):
    """Its length was told before."""
    path = tmp_path / "file"
    path.write_bytes(b"abcdef")

    class Handler(WSGIHandler):
        def _send_head(self, length):
            super()._send_head(length)
            os.truncate(path, 3)

    def application(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](open(path, "rb"))

    with serve(application, Handler) as server:
        answer = exchange(server, GET + GET)
    assert answer.count(b"HTTP/1.1") == 1 and answer.endswith(b"\r\n\r\nabc")
    assert [error[1] for error in errors] == [AssertionError]


def test_file_of_a_handler_that_finalizes_headers(errors, tmp_path):
    """What these say of the body is how it is sent."""
    path = tmp_path / "file"
    path.write_bytes(b"abcdef")

    class Handler(WSGIHandler):
        def finalize_headers(self):
            super().finalize_headers()

    def application(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](open(path, "rb"))

    with serve(application, Handler) as server:
        answer = exchange(server, GET + GET)
    assert answer.count(b"chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n") == 2
    assert errors == []


@pytest.mark.parametrize(
    "name, mode, at, status, body",
    [
        ("/proc/self/cmdline", "rb", 0, b"200", open("/proc/self/cmdline", "rb").read()),
        ("file", "rb", 0, b"200", b"abcdef"),
        ("file", "rb", 4, b"200", b"ef"),
        ("file", "rb", 6, b"200", b""),
        ("file", "rb", 100, b"200", b""),
        ("file", "r", 0, b"500", None),
    ],
)
def test_files_that_the_system_cannot_send(errors, tmp_path, name, mode, at, status, body):
    """Without a size, beyond their end, or as text."""
    path = tmp_path / name
    if name == "file":
        path.write_bytes(b"abcdef")

    def application(environ, start_response):
        start_response("200 OK", [])
        file = open(path, mode)
        file.seek(at)
        return environ["wsgi.file_wrapper"](file)

    with serve(application) as server:
        answer = exchange(server, GET.replace(b"/1.1", b"/1.0"))
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert len(errors) == (body is None)
    assert body is None or answer.partition(b"\r\n\r\n")[2] == body


def test_file_that_grows(errors, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abcdef")

    def application(environ, start_response):
        start_response("200 OK", [("Content-Length", "6")])
        file = open(path, "rb")
        path.write_bytes(b"abcdefghi")
        return environ["wsgi.file_wrapper"](file)

    with serve(application) as server:
        assert exchange(server, GET + GET).count(b"\r\n\r\nabcdef") == 2
    assert errors == []


# ---- "100 Continue" -------------------------------------------------------------------

EXPECT = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"


def test_continue_is_not_said_within_a_response():
    sent = Event()

    def application(environ, start_response):
        start_response("200 OK", [])
        yield b"before"
        sent.set()
        yield environ["wsgi.input"].read()

    with serve(application) as server:
        with socket.create_connection(server.address, timeout=HANG) as sock:
            sock.sendall(EXPECT)
            sent.wait(HANG)
            sock.sendall(b"abc")
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert body == b"6\r\nbefore\r\n3\r\nabc\r\n0\r\n\r\n"


def test_refusal_says_that_the_connection_ends():
    with serve(told(lambda: [b"no"])) as server:
        answer = exchange(server, EXPECT + b"abc" + GET)
    assert answer.count(b"HTTP/1.1") == 1 and b"Connection: close\r\n" in answer
