"""The WSGI server, byte for byte."""

import logging
import pickle
import re

import grove
import pytest
from awaiting import HANG
from grove import pywsgi, socket
from grove.event import Event
from grove.pywsgi import (
    LoggingLogAdapter,
    SecureEnviron,
    WSGIHandler,
    WSGISecureEnviron,
    WSGIServer,
)


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise KeyError("application")
    if path == "/body":
        body = [environ["wsgi.input"].read()]
    elif path == "/lines":
        body = [b"|".join(environ["wsgi.input"])]
    elif path == "/parts":
        body = iter([b"one", b"", b"two"])
    elif path == "/environ":
        keys = sorted(k for k in environ if k.isupper())
        body = ["\n".join(f"{k}={environ[k]}" for k in keys).encode()]
    elif path == "/nothing":
        start_response("204 No Content", [])
        return []
    elif path == "/write":
        start_response("200 OK", [("Content-Length", "4")])(b"ab")
        return [b"cd"]
    elif path == "/late":
        start_response("200 OK", [("Content-Length", "9")])(b"ab")
        raise KeyError("late")
    elif path == "/split":
        start_response("200 OK", [("X", "a\r\nSet-Cookie: b")])
        return []
    elif path == "/silent":
        return [b"no start_response"]
    else:
        body = [b"hello"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return body


class Log:
    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


@pytest.fixture
def server():
    with WSGIServer(
        ("127.0.0.1", 0), application, log=Log(), error_log=Log()
    ) as running:
        yield running


def exchange(server, request):
    """What the server answers to these bytes, until it closes."""
    with socket.create_connection(server.address, timeout=60) as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def get(server, path, more="", version="1.1", method="GET", body=b""):
    head = f"{method} {path} HTTP/{version}\r\nHost: x\r\n{more}\r\n".encode()
    answer = exchange(server, head + body)
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
    return status, headers, body


def test_simple(server):
    status, headers, body = get(server, "/")
    assert status == "HTTP/1.1 200 OK" and body == b"hello"
    assert headers["content-length"] == "5"
    assert headers["date"].endswith("GMT") and "connection" not in headers
    assert re.match(
        r'127\.0\.0\.1 - - \[[^]]+\] "GET / HTTP/1.1" 200 \d+ [\d.]+\n',
        server.log.text,
    )


def test_many_requests_on_one_connection(server):
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = exchange(server, request * 3)
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"hello") == 3


@pytest.mark.parametrize(
    "version, header, kept",
    [
        ("1.1", "", True),
        ("1.1", "Connection: close\r\n", False),
        ("1.0", "", False),
        ("1.0", "Connection: keep-alive\r\n", True),
    ],
)
def test_keep_alive(server, version, header, kept):
    request = f"GET / HTTP/{version}\r\nHost: x\r\n{header}\r\n".encode()
    assert exchange(server, request * 2).count(b"hello") == 1 + kept


def test_chunks(server):
    status, headers, body = get(server, "/parts")
    assert headers["transfer-encoding"] == "chunked"
    assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    _, headers, body = get(server, "/parts", version="1.0")
    assert headers["connection"] == "close" and body == b"onetwo"


def test_no_body(server):
    status, headers, body = get(server, "/nothing")
    assert status == "HTTP/1.1 204 No Content" and body == b""
    assert "content-length" not in headers and "transfer-encoding" not in headers
    status, headers, body = get(server, "/", method="HEAD")
    assert headers["content-length"] == "5" and body == b""


def test_write(server):
    assert get(server, "/write")[2] == b"abcd"


def test_body(server):
    more = "Content-Length: 3\r\n"
    assert get(server, "/body", more, method="POST", body=b"abc")[2] == b"abc"
    more = "Transfer-Encoding: chunked\r\n"
    chunks = b"3;x=y\r\nabc\r\n5\r\nde\nfg\r\n0\r\nTrailer: x\r\n\r\n"
    assert get(server, "/body", more, method="POST", body=chunks)[2] == b"abcde\nfg"
    assert get(server, "/lines", more, method="POST", body=chunks)[2] == b"abcde\n|fg"
    assert get(server, "/body")[2] == b""


def test_body_that_is_not_read(server):
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde"
    assert exchange(server, request * 2).count(b"hello") == 2


def test_body_that_breaks_off(server):
    status, *_ = get(server, "/body", "Content-Length: 9\r\n", method="POST", body=b"a")
    assert status == "HTTP/1.1 400 Bad Request"
    more = "Transfer-Encoding: chunked\r\n"
    status, *_ = get(server, "/body", more, method="POST", body=b"zz\r\n")
    assert status == "HTTP/1.1 400 Bad Request"


def test_continue(server):
    head = (
        b"POST %b HTTP/1.1\r\nHost: x\r\n"
        b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(server.address, timeout=60) as sock:
        sock.sendall(head % b"/body")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert b"\r\n\r\nabc" in sock.recv(1000)
        # Nobody reads it: no continue, and the connection ends.
        sock.sendall(head % b"/")
        answer = b"".join(iter(lambda: sock.recv(1000), b""))
        assert b"100 Continue" not in answer and b"hello" in answer


def test_environ(server):
    more = (
        "Content-Type: a/b\r\nX-Two: 1\r\nX-Two: 2\r\nCookie: a\r\nCookie: b\r\n"
        "X_Under: no\r\nContent-Length: 0\r\n"
    )
    body = get(server, "/environ?q=%20", more)[2].decode()
    environ = dict(line.split("=", 1) for line in body.split("\n"))
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"] == "/environ" and environ["QUERY_STRING"] == "q=%20"
    assert environ["CONTENT_TYPE"] == "a/b" and environ["CONTENT_LENGTH"] == "0"
    assert environ["HTTP_X_TWO"] == "1,2" and environ["HTTP_COOKIE"] == "a; b"
    assert "HTTP_X_UNDER" not in environ
    assert environ["SERVER_NAME"] == environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["SERVER_PORT"] == str(server.server_port)
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"


def test_encoded_path(server):
    assert b"PATH_INFO=/environ" in get(server, "/%65nviron")[2]


def test_longer_lines_when_a_program_says_so(server, monkeypatch):
    path = "/" + "x" * 9000
    assert get(server, path)[0].split()[1] == "414"
    monkeypatch.setattr(pywsgi, "MAX_REQUEST_LINE", 10000)
    assert get(server, path)[0] == "HTTP/1.1 200 OK"
    long = f"X: {'x' * 9000}\r\n"
    assert get(server, "/", more=long)[0] == "HTTP/1.1 200 OK"


def test_classes_are_those_of_the_module_that_programs_know():
    for name in [*pywsgi.__all__, "Input"]:
        assert getattr(pywsgi, name).__module__ == "grove.pywsgi"


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/1.x\r\nHost: x\r\n\r\n", 400),
        (b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na", 400),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: 1\r\nContent-Length: 2\r\n\r\na",
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            501,
        ),
    ],
)
def test_refused(server, request_bytes, status):
    answer = exchange(server, request_bytes + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1") == 1 and b"Connection: close" in answer
    assert b"hello" not in answer


@pytest.fixture
def reported(monkeypatch):
    """What comes to the Hub's handle_error: (context, type) each."""
    found = []

    def handle_error(context, kind, value, tb):
        assert isinstance(value, kind)
        found.append((context, kind))

    monkeypatch.setattr(grove.get_hub(), "handle_error", handle_error)
    return found


@pytest.mark.parametrize(
    "path, error",
    [("/fail", KeyError), ("/split", ValueError), ("/silent", AssertionError)],
)
def test_application_fails(server, reported, path, error):
    status, headers, body = get(server, path)
    assert status == "HTTP/1.1 500 Internal Server Error"
    assert body == b"Internal Server Error" and headers["connection"] == "close"
    assert "Set-Cookie" not in str(headers)
    assert '" 500 ' in server.log.text
    [(context, kind)] = reported
    assert kind is error
    # What is reported of the request holds back what the client has sent.
    assert type(context) is WSGISecureEnviron and context["PATH_INFO"] == path
    assert path not in repr(context)


def test_application_fails_late(server, reported):
    status, _, body = get(server, "/late")
    assert status == "HTTP/1.1 200 OK" and body == b"ab"
    assert [kind for _, kind in reported] == [KeyError]


def test_timeout_of_the_application_is_its_error(reported):
    def application(environ, start_response):
        raise grove.Timeout(1)

    with WSGIServer(("127.0.0.1", 0), application, log=None) as server:
        assert get(server, "/")[0] == "HTTP/1.1 500 Internal Server Error"
    assert [kind for _, kind in reported] == [grove.Timeout]


def test_requests_at_once():
    inside = []
    all_inside = Event()

    def slow(environ, start_response):
        inside.append(environ)
        if len(inside) == 20:
            all_inside.set()
        all_inside.wait()
        start_response("200 OK", [])
        return [b"x"]

    with WSGIServer(("127.0.0.1", 0), slow, log=None) as server:
        with grove.Timeout(HANG):
            jobs = [grove.spawn(get, server, "/") for _ in range(20)]
            grove.joinall(jobs, raise_error=True)


def test_handler_class_and_environ():
    class Handler(WSGIHandler):
        def get_environ(self):
            environ = super().get_environ()
            environ["OURS"] = self.headers["X-Ours"]
            return environ

    with WSGIServer(
        ("127.0.0.1", 0),
        application,
        log=None,
        handler_class=Handler,
        environ={"MORE": "y", "wsgi.multiprocess": True},
    ) as server:
        body = get(server, "/environ", "X-Ours: z\r\n")[2]
        assert b"OURS=z" in body and b"MORE=y" in body
        assert server.max_accept == 1


def test_logs_to_a_logger(caplog):
    with caplog.at_level(logging.INFO):
        logger = logging.getLogger("test")
        with WSGIServer(("127.0.0.1", 0), application, log=logger) as server:
            assert isinstance(server.log, LoggingLogAdapter)
            get(server, "/")
    assert '"GET / HTTP/1.1" 200' in caplog.text


def test_secure_environ_shows_keys_that_are_listed():
    environ = SecureEnviron(key="value")
    assert re.fullmatch(
        r"<pywsgi\.SecureEnviron dict \(keys: 1\) at \d+>", repr(environ)
    )
    environ.whitelist_keys = {"key"}
    environ["other"] = "secret"
    assert str(environ) == "{'key': 'value', 'other': '<MASKED>'}"
    environ.print_masked_keys = False
    assert repr(environ) == "{'key': 'value', (hidden keys: 1)}"
    environ.secure_repr = False
    assert repr(environ) == "{'key': 'value', 'other': 'secret'}"
    # Another one has its class's.
    assert "value" not in repr(SecureEnviron(key="value"))
    with pytest.raises(AttributeError):
        environ.another


def test_secure_environ_of_requests_shows_who_asked():
    environ = WSGISecureEnviron({"REMOTE_ADDR": "::1", "HTTP_COOKIE": "secret"})
    assert repr(environ) == "{'REMOTE_ADDR': '::1', (hidden keys: 1)}"
    assert type(environ.copy()) is WSGISecureEnviron
    assert type(pickle.loads(pickle.dumps(environ))) is dict
    assert pickle.loads(pickle.dumps(environ))["HTTP_COOKIE"] == "secret"
