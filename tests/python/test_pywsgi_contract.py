"""What gevent documents of pywsgi, and programs use, that no other file asks for."""

import errno
import io
import logging
import sys
from typing import Any

import pytest
from awaiting import HANG
from grove import pywsgi, socket
from grove.pywsgi import Input, SecureEnviron, WSGIHandler, WSGIServer

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"hello"]


def fail(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    raise KeyError("the application's")


class Log:
    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


def exchange(server: WSGIServer, request: bytes = GET) -> bytes:
    """What the server answers to these bytes, until it closes."""
    with socket.create_connection(server.address, timeout=HANG) as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(65536), b""))


def serve(application: Any = hello, cls: type[WSGIServer] = WSGIServer, **more: Any) -> WSGIServer:
    return cls(("127.0.0.1", 0), application, **{"log": None, "error_log": Log(), **more})


def environ_of(cls: type[WSGIServer] = WSGIServer, **more: Any) -> dict[str, Any]:
    """That of a request."""
    seen = []

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(environ)
        return hello(environ, start_response)

    with serve(application, cls, **more) as server:
        exchange(server)
    return seen[0]


# ---- the server ------------------------------------------------------------------


def test_arguments_have_their_order():
    log, errors = Log(), Log()
    server = WSGIServer(
        ("127.0.0.1", 0), hello, 5, 7, log, errors, WSGIHandler, {"more": "y"}
    )
    assert server.application is hello and server.backlog == 5 and server.pool.size == 7
    assert server.log is log and server.error_log is errors
    assert server.handler_class is WSGIHandler and server.environ["more"] == "y"


def test_application_may_be_the_class_s():
    class Server(WSGIServer):
        def application(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
            return hello(environ, start_response)

    with Server(("127.0.0.1", 0), log=None) as server:
        assert exchange(server).endswith(b"\r\n\r\nhello")


def test_base_env_is_in_every_environ():
    assert WSGIServer.base_env["GATEWAY_INTERFACE"] == "CGI/1.1"
    assert WSGIServer.base_env["wsgi.version"] == (1, 0)

    class Server(WSGIServer):
        base_env = {**WSGIServer.base_env, "OURS": "z"}

    environ = environ_of(Server)
    assert environ["OURS"] == "z" and environ["wsgi.url_scheme"] == "http"
    for name in "multithread", "multiprocess", "run_once":
        assert environ["wsgi." + name] is False
    assert environ is not Server.base_env and "PATH_INFO" not in Server.base_env


def test_environ_is_of_the_server_s_class():
    class Ours(dict):
        pass

    class Server(WSGIServer):
        environ_class = Ours

    assert type(environ_of(Server)) is Ours
    assert type(environ_of()) is dict


def test_environ_may_be_set_again():
    with serve(environ={"first": "1"}) as server:
        server.set_environ({"second": "2"})
        assert "first" not in server.environ and server.environ["second"] == "2"
        server.set_environ()
        assert server.environ["second"] == "2"
        assert server.get_environ() == server.environ
        assert server.get_environ() is not server.environ


def test_update_environ_is_called_with_the_address():
    class Server(WSGIServer):
        def update_environ(self) -> None:
            super().update_environ()
            self.environ["PORT"] = str(self.server_port)

    environ = environ_of(Server)
    assert environ["PORT"] == environ["SERVER_PORT"] != "0"


def test_max_accept_of_one_process_and_of_many():
    assert serve().max_accept == WSGIServer.max_accept > 1
    assert serve(environ={"wsgi.multiprocess": True}).max_accept == 1

    class Server(WSGIServer):
        def set_max_accept(self) -> None:
            self.max_accept = 3

    assert serve(cls=Server).max_accept == 3


@pytest.mark.parametrize("name", ["log", "error_log"])
def test_logs(name: str, capsys: pytest.CaptureFixture):
    log = Log()
    assert getattr(serve(**{name: log}), name) is log
    assert getattr(serve(**{name: "default"}), name) is sys.stderr
    logger = logging.getLogger("pywsgi")
    adapter = getattr(serve(**{name: logger}), name)
    assert isinstance(adapter, pywsgi.LoggingLogAdapter)
    assert adapter.name == "pywsgi"
    drops = getattr(serve(**{name: None}), name)
    drops.write("nothing")
    assert capsys.readouterr().err == ""


def test_errors_of_the_application_are_told_to_wsgi_errors():
    assert environ_of(error_log=(log := Log()))["wsgi.errors"] is log
    assert environ_of(environ={"wsgi.errors": log}, error_log=None)["wsgi.errors"] is log


def test_failures_are_reported_with_an_environ_that_hides(errors: list):
    class Hides(SecureEnviron):
        default_whitelist_keys = ("PATH_INFO",)

    class Server(WSGIServer):
        secure_environ_class = Hides

    with serve(fail, Server) as server:
        assert exchange(server).startswith(b"HTTP/1.1 500 ")
    ((context, kind, value, _),) = errors
    assert type(context) is Hides and kind is KeyError
    assert "'PATH_INFO': '/'" in repr(context) and "127.0.0.1" not in repr(context)


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/3.0", b"HTTP/0.9"])
def test_other_versions_are_refused(version: bytes):
    with serve() as server:
        answer = exchange(server, GET.replace(b"HTTP/1.1", version))
    assert answer.split()[1] in (b"400", b"505") and b"hello" not in answer


# ---- the handler -----------------------------------------------------------------


def test_errors_of_the_application_go_by_handle_error(errors: list):
    class Handler(WSGIHandler):
        def handle_error(self, kind: Any, value: Any, tb: Any) -> None:
            seen.append((kind, str(value), tb.tb_frame is not None))
            self._send_error_response_if_possible(500)

    seen: list = []
    with serve(fail, handler_class=Handler) as server:
        assert exchange(server).startswith(b"HTTP/1.1 500 ")
    assert seen == [(KeyError, '"the application\'s"', True)] and errors == []


def test_error_response_may_be_another(errors: list):
    class Handler(WSGIHandler):
        def _send_error_response_if_possible(self, code: int) -> None:
            self.start_response("503 Later", [("Content-Length", "5")])
            self.write(b"later")

    with serve(fail, handler_class=Handler) as server:
        answer = exchange(server)
    assert answer.startswith(b"HTTP/1.1 503 Later\r\n") and answer.endswith(b"\r\n\r\nlater")


def test_errors_of_the_client_go_by_their_methods():
    class Handler(WSGIHandler):
        def log_error(self, message: str, *args: Any) -> None:
            seen.append(message % args if args else message)

        def _handle_client_error(self, error: BaseException) -> Any:
            status, answer = super()._handle_client_error(error)
            return status, answer.replace(b"HTTP/1.1 400 ", b"HTTP/1.1 499 ")

    seen: list[str] = []
    with serve(handler_class=Handler) as server:
        assert exchange(server, b"GET / HTTP/1.1\r\nno field\r\n\r\n").startswith(b"HTTP/1.1 499 ")
    assert len(seen) == 1 and seen[0]


def test_what_is_logged_of_an_error_may_have_any_character():
    with serve() as server:
        handler = WSGIHandler(io.BytesIO(), None, server, rfile=io.BytesIO())
        handler.log_error("100 %s")
        handler.log_error("%s of %s", 1, 2)
        handler.log_error("%d", "no number")
    lines = server.error_log.text.splitlines()
    assert [line.partition(": ")[2] for line in lines[:2]] == ["100 %s", "1 of 2"]
    assert "no number" in lines[2]


def test_mistakes_of_the_application_are_application_errors(errors: list):
    assert WSGIHandler.ApplicationError is AssertionError

    class Mistake(Exception):
        pass

    class Handler(WSGIHandler):
        ApplicationError = Mistake

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("204 No Content", [("Content-Length", "5")])
        return [b"hello"]

    with serve(application, handler_class=Handler) as server:
        exchange(server)
    assert [kind for _, kind, *_ in errors] == [Mistake]


def test_socket_errors_that_are_ignored(errors: list):
    assert {errno.EPIPE, errno.ECONNRESET} <= set(WSGIHandler.ignored_socket_errors)

    class Handler(WSGIHandler):
        ignored_socket_errors = (errno.ENOTTY,)

        def handle_one_request(self) -> Any:
            self.read_requestline()
            raise OSError(numbers.pop(), "of the socket")

    numbers = [errno.EPIPE, errno.ENOTTY]
    with serve(handler_class=Handler) as server:
        assert exchange(server, b"\n") == exchange(server, b"\n") == b""
    assert [value.errno for _, _, value, _ in errors] == [errno.EPIPE]


@pytest.mark.parametrize(
    "method, headers, asked, sent",
    [("HEAD", [], 1, b""), ("GET", [("Content-Length", "3")], 2, b"abc")],
)
def test_no_more_is_asked_for_than_can_be_sent(method, headers, asked, sent):
    """A body that is left out, or longer than was told, may have no end."""
    pieces, closed = [], []

    def application(environ, start_response):
        start_response("200 OK", headers)
        try:
            for number in range(1000):
                pieces.append(number)
                yield b"abc"
        finally:
            closed.append(True)

    with serve(application) as server:
        head = f"{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        answer = exchange(server, head.encode())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\n" + sent)
    assert len(pieces) == asked and closed == [True]


# ---- the rest --------------------------------------------------------------------


def body(data: bytes, length: int | None = None, chunked: bool = False) -> Input:
    return Input(io.BytesIO(data), length, chunked_input=chunked)


@pytest.mark.parametrize("chunked", [False, True])
def test_input(chunked: bool):
    data = b"one\ntwo\nthree"

    def make() -> Input:
        if chunked:
            return body(b"5\r\none\nt\r\n8\r\nwo\nthree\r\n0\r\n\r\n", chunked=True)
        return body(data + b"the next request", len(data))

    lines = [b"one\n", b"two\n", b"three"]
    assert make().read() == make().read(-1) == make().read(1000) == data
    whole = make()
    assert [whole.read(3), whole.read(0), whole.read(3), whole.read()] == [
        *[b"one", b"", b"\ntw", b"o\nthree"]
    ]
    assert whole.read() == b"" and whole.readline() == b""
    assert make().readlines() == list(make()) == lines
    by_line = make()
    assert [by_line.readline(2), by_line.readline(), by_line.readline()] == [
        *[b"on", b"e\n", b"two\n"]
    ]
    assert next(by_line) == b"three"
    with pytest.raises(StopIteration):
        next(by_line)


def test_input_without_a_length_is_empty():
    assert body(b"the next request").read() == b""


@pytest.mark.parametrize(
    "head, length",
    [
        (b"", None),
        (b"Content-Length: 0\r\n", 0),
        (b"Content-Length: 3\r\n", 3),
        (b"Transfer-Encoding: chunked\r\n", None),
    ],
)
def test_the_length_that_a_request_tells(head, length):
    lengths = []

    def application(environ, start_response):
        lengths.append(environ["wsgi.input"].content_length)
        start_response("200 OK", [])
        return []

    with serve(application) as server:
        exchange(server, b"POST / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n0\r\n\r\n")
    assert lengths[0] == length


@pytest.mark.parametrize("data", [b"2\r\nab", b"x\r\n", b"2\r\nabc\r\n0\r\n\r\n", b"-1\r\n\r\n"])
def test_chunks_are_strict(data: bytes):
    with pytest.raises(OSError):
        body(data, chunked=True).read()


def test_limits_and_dates():
    assert pywsgi.MAX_REQUEST_LINE == 8192
    assert pywsgi.format_date_time(0) == b"Thu, 01 Jan 1970 00:00:00 GMT"


def test_a_line_of_the_most_bytes_is_taken_and_one_more_is_not():
    def line(size: int) -> bytes:
        return b"GET /" + b"a" * (size - len("GET / HTTP/1.1\r\n")) + b" HTTP/1.1\r\n"

    with serve() as server:
        rest = b"Host: x\r\n\r\n"
        assert exchange(server, line(8192) + rest).startswith(b"HTTP/1.1 200 ")
        assert exchange(server, line(8194) + rest).startswith(b"HTTP/1.1 414 ")


def test_a_log_that_drops_all():
    log = pywsgi._NoopLog()
    assert log.write("a") is log.writelines(["a"]) is log.flush() is None
    assert log.isatty() is False
