"""pywsgi's clients that are slow, or take nothing: over TLS, and of files."""

import ssl

import grove
import pytest
from awaiting import HANG, until
from grove import socket
from grove.pywsgi import WSGIHandler, WSGIServer
from grove.ssl import create_default_context

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
LIMITS = ("idle_timeout", "head_timeout", "body_timeout", "write_timeout")


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [body]


def limited(served=application, tls=None, **limits):
    """A server whose limits are a minute, but for these."""
    args = {"certfile": tls[0], "keyfile": tls[1]} if tls else {}
    server = WSGIServer(("127.0.0.1", 0), served, log=None, error_log=None, **args)
    for name in LIMITS:
        setattr(server, name, limits.get(name, HANG))
    return server


def connect(server):
    return socket.create_connection(server.address, timeout=HANG)


def connect_tls(server, certificate):
    context = create_default_context(cafile=certificate[0])
    return context.wrap_socket(connect(server), server_hostname="localhost")


def rest(sock):
    """What comes until the end, which TLS need not say."""
    received = b""
    try:
        while data := sock.recv(65536):
            received += data
    except ssl.SSLError:
        pass
    return received


def test_handshake_that_does_not_come(certificate):
    with limited(tls=certificate, head_timeout=0.05) as server:
        with connect(server) as sock:
            assert rest(sock) == b""


@pytest.mark.parametrize(
    "limit, request_, answer",
    [
        ("idle_timeout", b"", b""),
        ("idle_timeout", GET, b"HTTP/1.1 200 OK\r\n"),
        ("head_timeout", GET[:-2], b"HTTP/1.1 408 "),
        ("body_timeout", POST + b"\r\na", b"HTTP/1.1 408 "),
    ],
)
def test_tls(certificate, limit, request_, answer):
    with limited(tls=certificate, **{limit: 0.3}) as server:
        with connect_tls(server, certificate) as sock:
            sock.sendall(request_)
            assert rest(sock).startswith(answer)


class ReadsItself(WSGIHandler):
    def read_request(self, raw_requestline):
        return super().read_request(raw_requestline)


class HasMessages(WSGIHandler):
    def MessageClass(self, fp, *args):
        return super().MessageClass(fp, *args)


@pytest.mark.parametrize("handler", [ReadsItself, HasMessages])
@pytest.mark.parametrize(
    "limit, request_, answer",
    [
        ("idle_timeout", b"", b""),
        ("idle_timeout", GET, b"HTTP/1.1 200 OK\r\n"),
        ("head_timeout", b"GET", b"HTTP/1.1 408 "),
        ("head_timeout", GET[:-2], b"HTTP/1.1 408 "),
        ("body_timeout", POST + b"\r\na", b"HTTP/1.1 408 "),
    ],
)
def test_methods_that_read(errors, handler, limit, request_, answer):
    """A handler that reads requests itself has the limits, too."""
    with limited(**{limit: 0.3}) as server, connect(server) as sock:
        server.handler_class = handler
        sock.sendall(request_)
        assert rest(sock).startswith(answer)
    assert errors == []


def test_drain_of_methods_that_read():
    with limited() as server, connect(server) as sock:
        server.handler_class = ReadsItself
        sock.sendall(GET)
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 OK")
        server.drain()
        assert sock.recv(1000) == b""


def test_tls_without_limits(certificate):
    limits = dict.fromkeys(LIMITS)
    with limited(tls=certificate, **limits) as server:
        with connect_tls(server, certificate) as sock:
            sock.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert rest(sock).startswith(b"HTTP/1.1 200 OK\r\n")


def test_tls_socket_with_a_time_out_of_its_own(certificate):
    """That stays, whatever the server's limits are."""

    class Server(WSGIServer):
        def wrap_socket(self, sock):
            sock.settimeout(0.05)
            return super().wrap_socket(sock)

    with Server(
        ("127.0.0.1", 0), application, log=None, certfile=certificate[0],
        keyfile=certificate[1],
    ) as server:  # fmt: skip
        with connect_tls(server, certificate) as sock:
            assert rest(sock) == b""


@pytest.mark.parametrize("over_tls", [False, True])
def test_connection_that_is_taken_over_has_no_limits(certificate, over_tls):
    seen = []

    def takes_over(environ, start_response):
        start_response("101 Switching Protocols", [("Connection", "upgrade")])(b"")
        handler = environ["test.handlers"]()
        seen.append(handler.socket.gettimeout())
        seen.append(environ["wsgi.input"].read(1))
        handler.socket.sendall(b"done")
        return []

    fields = b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    limits = dict.fromkeys(LIMITS, 0.5)
    with limited(takes_over, certificate if over_tls else None, **limits) as server:
        server.environ["test.handlers"] = lambda: next(iter(server._handlers))
        sock = connect_tls(server, certificate) if over_tls else connect(server)
        with sock:
            sock.sendall(GET[:-2] + fields)
            assert sock.recv(1000).startswith(b"HTTP/1.1 101 ")
            grove.sleep(0.6)  # longer than any of the limits
            sock.sendall(b"a")
            assert rest(sock).endswith(b"done")
    assert seen == [None, b"a"]


@pytest.mark.parametrize("over_tls", [False, True])
@pytest.mark.parametrize("path", ["/file", "/bytes"])
def test_response_that_is_not_taken(certificate, tmp_path, errors, path, over_tls):
    """It is given up, and that is not told as the application's failure."""
    large = tmp_path / "large"
    with open(large, "wb") as file:
        file.truncate(100 << 20)

    def served(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/file":
            return environ["wsgi.file_wrapper"](open(large, "rb"))
        return [bytes(100 << 20)]

    with limited(served, certificate if over_tls else None, write_timeout=0.05) as server:
        sock = connect_tls(server, certificate) if over_tls else connect(server)
        with sock:
            sock.sendall(GET.replace(b"/", path.encode(), 1))
            until(lambda: server.connections == 1)
            until(lambda: server.connections == 0)
    assert errors == []


def test_time_out_of_the_application_is_its_failure(errors):
    """An application's own time-out is its failure."""

    def served(environ, start_response):
        raise TimeoutError("of a database")

    with limited(served) as server, connect(server) as sock:
        sock.sendall(GET)
        assert rest(sock).startswith(b"HTTP/1.1 500 ")
    assert [error[1] for error in errors] == [TimeoutError]


@pytest.mark.parametrize("over_tls", [False, True])
def test_drain_when_a_request_has_just_come(certificate, over_tls):
    """It is answered, and as the connection is: over TLS, where it is that."""
    with limited(tls=certificate if over_tls else None) as server:
        sock = connect_tls(server, certificate) if over_tls else connect(server)
        with sock:
            sock.sendall(GET)
            assert sock.recv(1000).startswith(b"HTTP/1.1 200 OK")
            sock.sendall(GET)
            server.drain()
            answer = rest(sock)
    assert answer.startswith(b"HTTP/1.1 200 OK") and b"Connection: close" in answer
