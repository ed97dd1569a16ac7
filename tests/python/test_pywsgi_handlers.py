"""pywsgi's handlers: what programs override, and what they look at."""

import bz2
import gzip
import lzma
import io
import os
import re
import ssl
import subprocess
import sys
import tempfile
import weakref
from wsgiref.validate import validator

import grove
import pytest
from awaiting import HANG, until
from grove import pywsgi, socket
from grove.event import AsyncResult, Event
from grove.pywsgi import WSGIHandler, WSGIServer

BROWSER = (
    b"GET /page?a=1 HTTP/1.1\r\n"
    b"Host: example.test\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101\r\n"
    b"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\n"
    b"Connection: keep-alive\r\n"
    b"Cookie: session=0123456789\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n\r\n"
)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


class Log:
    def __init__(self):
        self.lines = []

    def write(self, text):
        self.lines.append(text)


def serve(application=hello, handler=WSGIHandler, log=None, **more):
    return WSGIServer(
        ("127.0.0.1", 0), application, log=log, handler_class=handler, **more
    )


def exchange(server, request):
    """What the server answers to these bytes, until it closes."""
    with socket.create_connection(server.address, timeout=HANG) as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: sock.recv(65536), b""))


# ---- methods that are overridden -----------------------------------------------

METHODS = [
    "handle",
    "handle_one_request",
    "read_requestline",
    "read_request",
    "get_environ",
    "handle_one_response",
    "run_application",
    "start_response",
    "process_result",
    "write",
    "_write_with_headers",
    "finalize_headers",
    "_sendall",
    "format_request",
    "log_request",
]


def overriding(names):
    """A handler that has these methods, and the names of those that are called."""
    called = []

    def method(name):
        def call(self, *args, **kwargs):
            called.append(name)
            return getattr(super(Handler, self), name)(*args, **kwargs)

        return call

    Handler = type("Handler", (WSGIHandler,), {})
    for name in names:
        setattr(Handler, name, method(name))
    return Handler, called


def answer_without_date(answer):
    return re.sub(rb"Date: [^\r]+", b"Date:", answer)


@pytest.mark.parametrize("name", METHODS)
def test_one_method_is_overridden(name):
    with serve() as server:
        usual = exchange(server, BROWSER + GET)
    Handler, called = overriding([name])
    with serve(handler=Handler, log=Log()) as server:
        answer = exchange(server, BROWSER + GET)
    assert answer_without_date(answer) == answer_without_date(usual)
    assert set(called) == {name}
    # Those of a connection, of each try to read a request, and of each request.
    expected = {"handle": {1}, "handle_one_request": {3}, "read_requestline": {3}}
    assert called.count(name) in expected.get(name, {2})


def test_all_methods_are_overridden():
    Handler, called = overriding([*METHODS, "_write"])
    with serve(handler=Handler, log=Log()) as server:
        answer = exchange(server, GET)
    assert answer.endswith(b"\r\n\r\nhello")
    # The last calls format_request().
    assert called[:14] == [name for name in METHODS if name != "format_request"]


def test_pieces_by_overridden_write():
    Handler, called = overriding(["_write", "write"])

    def application(environ, start_response):
        start_response("200 OK", [])
        return iter([b"one", b"", b"two"])

    with serve(application, Handler) as server:
        body = exchange(server, GET).partition(b"\r\n\r\n")[2]
    assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    assert called == ["write", "write", "_write"]


def test_headers_that_are_changed_before_the_environ():
    class Handler(WSGIHandler):
        def read_request(self, raw_requestline):
            assert super().read_request(raw_requestline)
            del self.headers["Cookie"]
            self.headers["X-Real-IP"] = "10.0.0.1"
            self.path = "/other?x"
            return True

    seen = {}

    def application(environ, start_response):
        seen.update(environ)
        return hello(environ, start_response)

    with serve(application, Handler) as server:
        exchange(server, BROWSER)
    assert "HTTP_COOKIE" not in seen and seen["HTTP_X_REAL_IP"] == "10.0.0.1"
    assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/other", "x")
    assert seen["HTTP_HOST"] == "example.test"


def test_message_class():
    from http.client import HTTPMessage, parse_headers

    class Message(HTTPMessage):
        pass

    class Handler(WSGIHandler):
        def MessageClass(self, fp, *args):
            return parse_headers(fp, _class=Message)

        def get_environ(self):
            assert type(self.headers) is Message
            return super().get_environ()

    seen = {}

    def application(environ, start_response):
        seen.update(environ)
        return hello(environ, start_response)

    with serve(application, Handler) as server:
        assert b"hello" in exchange(server, BROWSER)
    assert seen["HTTP_ACCEPT_LANGUAGE"] == "en-US,en;q=0.5"


def test_server_that_makes_environs():
    class Environ(dict):
        pass

    class Server(WSGIServer):
        environ_class = Environ

        def get_environ(self):
            environ = super().get_environ()
            environ["OURS"] = "yes"
            return environ

    seen = []

    def application(environ, start_response):
        seen.append(environ)
        return hello(environ, start_response)

    with Server(("127.0.0.1", 0), application, log=None) as server:
        exchange(server, GET)
    assert type(seen[0]) is Environ and seen[0]["OURS"] == "yes"


def test_request_that_a_subclass_refuses():
    class Handler(WSGIHandler):
        def read_request(self, raw_requestline):
            raise ValueError("not today")

    errors = Log()
    with serve(handler=Handler, error_log=errors) as server:
        assert exchange(server, GET).startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert "Invalid request: not today\n" in errors.lines[0]


def test_another_answer_to_errors():
    class Handler(WSGIHandler):
        def _handle_client_error(self, error):
            assert isinstance(error, ValueError)
            return "418", b"HTTP/1.1 418 I'm a teapot\r\n\r\n"

    log = Log()
    with serve(handler=Handler, log=log) as server:
        answer = exchange(server, b"nonsense\r\n\r\n")
    assert answer == b"HTTP/1.1 418 I'm a teapot\r\n\r\n"
    assert '"nonsense" 418 - ' in log.lines[0]


# ---- attributes ------------------------------------------------------------------


def test_attributes_before_a_request():
    with serve() as server:
        handler = WSGIHandler(io.BytesIO(), None, server, rfile=io.BytesIO())
    for name in """environ application requestline status code response_headers
            provided_date provided_content_length result wsgi_input command path
            request_version content_length""".split():
        assert hasattr(WSGIHandler, name) and getattr(handler, name) is None, name
    for name in """close_connection headers_sent response_use_chunked
            connection_upgraded""".split():
        assert hasattr(WSGIHandler, name) and getattr(handler, name) is False, name
    assert handler.response_length == handler.time_start == handler.time_finish == 0
    assert hasattr(WSGIHandler, "headers") and handler.headers.items() == []
    assert handler.headers.getheader("A") is handler.headers.typeheader is None


def test_attributes_that_a_subclass_begins_with():
    """They are its instances' own, and change as others do."""

    class Base(WSGIHandler):
        environ = "none yet"
        close_connection = True

    class Handler(Base):
        command = "none"

        @property
        def path(self):
            return "/" + super().path

    seen = []

    class Logged(Handler):
        def log_request(self):
            seen.append((self.environ["PATH_INFO"], self.command, self.path))

    with serve(handler=Logged) as server:
        handler = Logged(io.BytesIO(), None, server, rfile=io.BytesIO())
        assert (handler.environ, handler.command) == ("none yet", "none")
        assert handler.close_connection is True
        assert exchange(server, BROWSER + GET).count(b"hello") == 2
    assert seen == [("/page", "GET", "//page?a=1"), ("/", "GET", "//")]


def test_close_that_fails_after_the_application():
    """The later error is told, with the one before it."""
    errors = []

    class Handler(WSGIHandler):
        def handle_error(self, kind, value, tb):
            errors.append((value, value.__context__))
            super().handle_error(kind, value, tb)

        def _log_error(self, *args):
            pass

    class Result:
        def __iter__(self):
            raise KeyError("first")

        def close(self):
            raise ValueError("second")

    def application(environ, start_response):
        start_response("200 OK", [])
        return Result()

    with serve(application, Handler) as server:
        assert b" 500 " in exchange(server, GET)
    [(error, context)] = errors
    assert type(error) is ValueError and type(context) is KeyError


def test_attributes_when_a_request_is_logged():
    seen = {}

    class Handler(WSGIHandler):
        def log_request(self):
            seen.update({n: getattr(self, n) for n in names})
            seen["items"] = self.headers.items()

    names = """status _orig_status code response_headers headers requestline command
        path request_version content_length response_length headers_sent
        provided_content_length close_connection time_start time_finish""".split()

    def application(environ, start_response):
        start_response("201 Created", [("Content-Length", "2"), ("X-A", "b")])
        return [b"ok"]

    with serve(application, Handler) as server:
        answer = exchange(
            server, b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        )
    assert seen["status"] == b"201 Created" and seen["code"] == 201
    assert seen["_orig_status"] == "201 Created"
    assert [name for name, _ in seen["response_headers"]] == [b"Content-Length", b"X-A", b"Date"]
    assert all(
        type(part) is bytes for pair in seen["response_headers"] for part in pair
    )
    assert seen["items"] == [("Host", "x"), ("Content-Length", "0")]
    assert seen["requestline"] == "POST /a?b HTTP/1.1" and seen["path"] == "/a?b"
    assert seen["command"] == "POST" and seen["request_version"] == "HTTP/1.1"
    assert seen["content_length"] == 0 and seen["provided_content_length"] == "2"
    assert seen["response_length"] == len(answer) and seen["headers_sent"] is True
    assert 0 < seen["time_start"] <= seen["time_finish"]


def test_refused_request_is_logged_as_gunicorn_does():
    """It looks at attributes of a request that was never read."""
    seen = []

    class Handler(WSGIHandler):
        def log_request(self):
            headers = getattr(self, "response_headers", {})
            seen.append((self.status, headers, self.headers.items(), self.environ))

    with serve(handler=Handler) as server:
        exchange(server, b"nonsense\r\n\r\n")
    assert seen == [("400", None, [], None)]


def test_headers_of_the_response_may_be_changed():
    class Handler(WSGIHandler):
        def finalize_headers(self):
            super().finalize_headers()
            assert self.response_headers[-1] == (b"Content-Length", b"5")
            self.response_headers.append((b"Server", b"ours"))

    with serve(handler=Handler) as server:
        answer = exchange(server, GET)
    assert answer.endswith(b"Content-Length: 5\r\nServer: ours\r\n\r\nhello")


# ---- what nobody wants is not made ----------------------------------------------


def test_nothing_is_formatted_for_a_log_that_drops_it(monkeypatch):
    def never(*args):
        raise AssertionError("a line for nobody")

    monkeypatch.setattr(pywsgi._NoopLog, "write", never)
    monkeypatch.setattr(WSGIHandler.__mro__[1], "format_request", never)
    with serve() as server:
        assert b"hello" in exchange(server, GET)


def test_date_of_the_application():
    def application(environ, start_response):
        start_response("200 OK", [("Date", "then")])
        return []

    with serve(application) as server:
        answer = exchange(server, GET)
    assert answer.count(b"Date:") == 1 and b"Date: then\r\n" in answer


# ---- applications that look closely ------------------------------------------------


@pytest.mark.parametrize("path", [b"/", b"/?a=b", b"/%C3%A9", b"/\xc3\xa9"])
def test_validator(path):
    @validator
    def application(environ, start_response):
        assert environ["wsgi.input_terminated"] is True
        environ["wsgi.input"].read(10)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode("latin-1")]

    with serve(application) as server:
        for request in (
            BROWSER.replace(b"/page?a=1", path),
            b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\n"
            b"Content-Length: 3\r\n\r\nabc" % path,
        ):
            answer = exchange(server, request)
            assert answer.startswith(b"HTTP/1.1 200 OK"), answer
            end = b"/\xc3\xa9" if path in (b"/%C3%A9", b"/\xc3\xa9") else b"/"
            assert answer.endswith(b"\r\n%b\r\n0\r\n\r\n" % end)


def test_environ_is_the_application_s_own():
    """What one request writes into its environment no other one sees."""
    seen = []

    def application(environ, start_response):
        seen.append(dict(environ))
        environ["MINE"] = "yes"
        return hello(environ, start_response)

    with serve(application) as server:
        exchange(server, GET * 3)
    assert len(seen) == 3 and not any("MINE" in environ for environ in seen)
    assert type(seen[0]["wsgi.input"]) is pywsgi.Input


def test_result_is_closed():
    closed = []

    class Result:
        def __iter__(self):
            yield b"a"

        def close(self):
            closed.append(True)

    def application(environ, start_response):
        start_response("200 OK", [])
        return Result()

    with serve(application) as server:
        exchange(server, GET * 2)
    assert closed == [True, True]


def test_large_bodies():
    body = os.urandom(3 << 20)

    def application(environ, start_response):
        read = environ["wsgi.input"].read
        pieces = [read(100000)]
        while pieces[-1]:
            pieces.append(read(100000))
        start_response("200 OK", [])
        return pieces if environ["PATH_INFO"] == "/list" else iter([b"".join(pieces)])

    head = b"POST %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    chunks = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (body[i : i + 70001] for i in range(0, len(body), 70001))
    )
    with serve(application) as server:
        for path in (b"/list", b"/one"):
            for framed in (
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
                b"Transfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % chunks,
            ):
                answer = exchange(server, head % path + framed)
                _, _, got = answer.partition(b"\r\n\r\n")
                if path == b"/one":
                    assert got == b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
                else:
                    assert got == body


def test_large_pieces_may_be_taken_from_the_list_while_they_are_sent():
    pieces = [bytes([n]) * 600_000 for n in range(20)]
    expected = b"".join(pieces)

    def application(environ, start_response):
        start_response("200 OK", [])
        return pieces

    with serve(application) as server:
        with socket.create_connection(server.address, timeout=HANG) as sock:
            sock.sendall(GET)
            assert sock.recv(1, socket.MSG_PEEK)
            pieces.clear()  # the rest does not fit what the kernel keeps
            other = [bytes([255]) * 600_000 for _ in range(20)]
            sock.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.endswith(b"\r\n\r\n" + expected) and len(other) == 20


def test_a_piece_is_one_message():
    """Head and first piece together, then each piece when it is there."""
    go_on = Event()

    def application(environ, start_response):
        start_response("200 OK", [])
        yield b"one"
        go_on.wait()
        yield b"two"

    with serve(application) as server:
        with socket.create_connection(server.address, timeout=HANG) as sock:
            sock.sendall(GET)
            assert sock.recv(1000).endswith(b"\r\n\r\n3\r\none\r\n")
            go_on.set()
            received = b""
            while not received.endswith(b"0\r\n\r\n"):
                received += sock.recv(1000)
            assert received == b"3\r\ntwo\r\n0\r\n\r\n"


# ---- files ------------------------------------------------------------------------


@pytest.fixture
def file():
    with tempfile.TemporaryFile() as opened:
        opened.write(bytes(range(256)) * 4000)
        opened.flush()
        yield opened


@pytest.mark.parametrize("length", [None, "1000"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_file_wrapper_of_a_file(file, length, version, monkeypatch):
    sent = []
    sendfile = socket.socket.sendfile

    def noting(self, *args):
        sent.append(args)
        return sendfile(self, *args)

    monkeypatch.setattr(socket.socket, "sendfile", noting)

    def application(environ, start_response):
        headers = [("Content-Length", length)] if length else []
        start_response("200 OK", headers)
        file.seek(24)
        duplicate = os.fdopen(os.dup(file.fileno()), "rb")
        duplicate.seek(24)
        return environ["wsgi.file_wrapper"](duplicate, 4096)

    with serve(application) as server:
        request = f"GET / HTTP/{version}\r\nHost: x\r\n\r\n".encode()
        head, _, body = exchange(server, request).partition(b"\r\n\r\n")
    whole = (bytes(range(256)) * 4000)[24:]
    assert body == (whole[:1000] if length else whole)
    assert b"Content-Length: %d" % len(body) in head
    assert b"chunked" not in head and len(sent) == 1


def test_file_wrapper_of_what_is_no_file():
    closed = []

    class Source:
        def __init__(self, data):
            self.read = io.BytesIO(data).read

        def close(self):
            closed.append(True)

    def application(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](Source(b"0123456789"), 4)

    with serve(application) as server:
        answer = exchange(server, GET)
    assert answer.endswith(b"4\r\n0123\r\n4\r\n4567\r\n2\r\n89\r\n0\r\n\r\n")
    assert closed == [True]


class Shouting(io.FileIO):
    """A file whose descriptor has something else."""

    def read(self, size: int = -1) -> bytes:
        return super().read(size).upper()


@pytest.mark.parametrize("opened", [bz2.open, lzma.open, gzip.open, Shouting])
def test_file_wrapper_of_what_reads_something_else(opened, tmp_path):
    """The bytes are those that it reads, not those of its descriptor."""
    path = tmp_path / "file"
    with open(path, "wb") if opened is Shouting else opened(path, "wb") as file:
        file.write(b"hello" * 100)
    wanted = opened(path, "rb").read()

    def application(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](opened(path, "rb"))

    with serve(application) as server:
        answer = exchange(server, b"GET / HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == wanted


def test_file_wrapper_of_a_head_request(file):
    def application(environ, start_response):
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](os.fdopen(os.dup(file.fileno()), "rb"))

    with serve(application) as server:
        answer = exchange(server, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert b"Content-Length:" in first and rest.startswith(b"HTTP/1.1 200 OK")


# ---- connections that are taken over -------------------------------------------------


class TakesOver(WSGIHandler):
    """As a handler of WebSockets does."""

    def run_application(self):
        if self.environ.get("HTTP_UPGRADE") != "echo":
            return super().run_application()
        self.start_response(
            "101 Switching Protocols", [("Upgrade", "echo"), ("Connection", "Upgrade")]
        )
        self.write("")  # as geventwebsocket does
        while data := self.rfile.read(4):
            self.socket.sendall(data.upper())
        return None


def test_upgrade():
    with serve(handler=TakesOver) as server:
        server.body_timeout = 0.01
        with socket.create_connection(server.address, timeout=HANG) as sock:
            sock.sendall(
                b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                b"Upgrade: echo\r\n\r\nabcd"
            )
            received = b""
            while not received.endswith(b"ABCD"):
                received += sock.recv(1000)
            assert received.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
            assert b"Content-Length" not in received and b"chunked" not in received
            grove.sleep(0.05)  # longer than the body of a request may take
            sock.sendall(b"efgh")
            assert sock.recv(100) == b"EFGH"
        assert exchange(server, GET).endswith(b"hello")


def test_upgrade_in_the_application():
    """It reads what follows as it comes, by wsgi.input."""
    done = AsyncResult()

    def application(environ, start_response):
        assert environ["wsgi.input_terminated"] is False
        write = start_response(
            "101 Switching Protocols", [("Upgrade", "x"), ("Connection", "Upgrade")]
        )
        write(b"")
        done.set(environ["wsgi.input"].read(3))
        return []

    with serve(application) as server:
        exchange(
            server,
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\n\r\nabc",
        )
    assert done.get(timeout=HANG) == b"abc"


@pytest.mark.parametrize(
    "fields, body",
    [
        (b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", b""),
        (b"Connection: Upgrade\r\nUpgrade: x\r\nContent-Length: 3\r\n", b"abc"),
        (b"Connection: Upgrade\r\n", b""),
    ],
)
def test_offers_that_nobody_takes(fields, body):
    """The request is one as any: its body ends, and another one may follow."""

    def application(environ, start_response):
        assert environ["wsgi.input_terminated"] is True
        if environ["PATH_INFO"] == "/read":
            assert environ["wsgi.input"].read() == body
        return hello(environ, start_response)

    with serve(application) as server:
        for path in (b"/", b"/read"):
            request = b"POST %b HTTP/1.1\r\nHost: x\r\n%b\r\n%b"
            answer = exchange(server, request % (path, fields, body) + GET)
            assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"hello") == 2


# ---- TLS ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [*"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256".split()]
        + [*"-nodes -days 2 -subj /CN=localhost -keyout".split(), key, "-out", cert],
        check=True,
        capture_output=True,
    )
    return key, cert


def test_tls(certificate, file):
    key, cert = certificate

    def application(environ, start_response):
        assert environ["wsgi.url_scheme"] == "https"
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/file":
            return environ["wsgi.file_wrapper"](file)
        return [environ["wsgi.input"].read(), b"x" * 100000]

    def application_with_file(environ, start_response):
        file.seek(0)
        return application(environ, start_response)

    from grove.ssl import create_default_context

    context = create_default_context(cafile=cert)
    with serve(
        application_with_file, keyfile=str(key), certfile=str(cert)
    ) as server:
        plain = socket.create_connection(server.address, timeout=HANG)
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                b"GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            )
            answer = b""
            try:
                while data := sock.recv(65536):
                    answer += data
            except ssl.SSLError:
                pass  # the server says no good-bye
    assert b"abc" + b"x" * 100000 in answer
    assert answer.count(b"HTTP/1.1 200 OK") == 2


# ---- connections that end --------------------------------------------------------------


def test_drain():
    """A connection without a request ends, another one after its answer."""
    inside, go_on = Event(), Event()

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            inside.set()
            go_on.wait()
        return hello(environ, start_response)

    with serve(application) as server:
        idle = socket.create_connection(server.address, timeout=HANG)
        idle.sendall(GET)
        assert idle.recv(1000).endswith(b"hello")
        busy = socket.create_connection(server.address, timeout=HANG)
        busy.sendall(GET.replace(b"/", b"/slow", 1) + GET)
        inside.wait(timeout=HANG)
        assert server.connections == 2
        server.drain()
        assert idle.recv(1000) == b""
        go_on.set()
        answer = b"".join(iter(lambda: busy.recv(1000), b""))
        assert answer.count(b"hello") == 1 and b"Connection: close\r\n" in answer
        while server.connections:
            grove.sleep(0.001)
        assert exchange(server, GET).endswith(b"hello")


# ---- one's own files and sockets --------------------------------------------------------


def test_requests_from_a_file():
    """A handler reads what it is given instead of the connection."""

    class Sink:
        def __init__(self):
            self.sent = b""

        def sendall(self, data):
            self.sent += data

    with serve() as server:
        sink = Sink()
        WSGIHandler(sink, ("1.2.3.4", 5), server, rfile=io.BytesIO(GET * 2)).handle()
    assert sink.sent.count(b"hello") == 2


def test_reader():
    ours, theirs = socket.socketpair()
    from grove import _core

    reader = _core.HTTPReader(ours, ours._sock)
    theirs.sendall(b"one\ntwo\nthree" + b"x" * 100000)
    theirs.shutdown(socket.SHUT_WR)
    assert reader.readline() == b"one\n" and reader.readline(2) == b"tw"
    assert next(reader) == b"o\n" and reader.read(3) == b"thr"
    buffer = bytearray(2)
    assert reader.readinto(buffer) == 2 and buffer == b"ee"
    assert reader.read(70000) == b"x" * 70000
    assert len(reader.read1()) > 0 and set(reader.read()) <= {ord("x")}
    assert reader.read(1) == reader.readline() == b"" and list(reader) == []
    assert reader.fileno() == ours.fileno() and reader.readable()
    assert not reader.closed
    reader.close()
    assert reader.closed
    for method in (reader.read, reader.readline, reader.fileno):
        with pytest.raises(ValueError):
            method()
    with pytest.raises(TypeError):
        _core.HTTPReader(ours, ours._sock).read(1, 2)


def test_killed_while_it_reads():
    ours, theirs = socket.socketpair()
    from grove import _core

    reader = _core.HTTPReader(ours, ours._sock)
    waiting = grove.spawn(reader.read, 1)
    grove.sleep(0)
    waiting.kill()
    assert isinstance(waiting.value, grove.GreenletExit)
    theirs.sendall(b"x")
    assert reader.read(1) == b"x"


def test_socket_that_is_closed_meanwhile():
    with serve() as server:
        ours, theirs = socket.socketpair()
        handler = WSGIHandler(ours, "", server)
        serving = grove.spawn(handler.handle)
        grove.sleep(0)
        ours.close()
        serving.get(timeout=HANG)
        theirs.close()


def test_main_module_says_where_it_listens():
    process = subprocess.Popen(
        [sys.executable, "-m", "grove.pywsgi", "wsgiref.simple_server:demo_app"]
        + ["-b", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline().startswith("Listening on ('127.0.0.1', ")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_idle_connection_holds_nothing_of_its_request():
    class Body:
        pass

    alive = []

    def application(environ, start_response):
        environ["held"] = body = Body()
        alive.append(weakref.ref(body))
        return hello(environ, start_response)

    with serve(application) as server:
        with socket.create_connection(server.address, timeout=HANG) as sock:
            sock.sendall(GET)
            assert sock.recv(1000).endswith(b"hello")
            with grove.Timeout(HANG):
                while alive[0]():
                    grove.sleep(0)


# ---- attributes that are anything --------------------------------------------------------

ATTRIBUTES = sorted(
    name for name, value in vars(grove._core.HTTPHandler).items() if hasattr(value, "__set__")
)
STRANGE = [None, 7, "", b"x", [("a", "b")], (), object()]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attribute_that_is_anything(errors, name):
    """Programs may set and delete them where they like: that is an error at most, and
    another connection is served."""
    handlers = []

    class Handler(WSGIHandler):
        def __init__(self, *args):
            handlers.append(self)
            super().__init__(*args)

    def strange(environ, start_response):
        change = int(environ["QUERY_STRING"])
        start_response("200 OK", [])
        try:
            if change < len(STRANGE):
                setattr(handlers[-1], name, STRANGE[change])
            else:
                delattr(handlers[-1], name)
        except (TypeError, ValueError, AttributeError):
            pass  # it is no attribute for that
        return [b"hello"] if environ["REQUEST_METHOD"] == "GET" else iter([b"a", b"b"])

    body = b"Host: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"
    with serve(strange, Handler) as server:
        server.idle_timeout = server.head_timeout = server.body_timeout = 0.2
        for change in range(len(STRANGE) + 1):
            for method in (b"GET", b"POST"):
                request = b"%b /?%d HTTP/1.1\r\n" % (method, change) + body
                try:
                    exchange(server, request + GET.replace(b"/", b"/?0", 1))
                except OSError:
                    pass  # it had no socket to answer on
        server.application = hello
        assert exchange(server, GET).endswith(b"hello")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["_serve", "handle_one_request", "handle_one_response",
                                  "run_application", "get_environ", "process_result",
                                  "finalize_headers"])  # fmt: skip
def test_methods_of_a_handler_without_a_connection(name):
    handler = WSGIHandler.__new__(WSGIHandler)
    with pytest.raises((TypeError, AttributeError, AssertionError)):
        getattr(handler, name)()
        handler.write(b"")


def test_reader_that_is_closed_while_it_is_read(errors):
    done = AsyncResult()

    def application(environ, start_response):
        handler = handlers[0]
        grove.spawn(handler.rfile.close)
        try:
            environ["wsgi.input"].read()
        except (OSError, ValueError) as error:
            done.set(error)
        start_response("200 OK", [])
        return [b""]

    handlers = []

    class Handler(WSGIHandler):
        def handle(self):
            handlers.append(self)
            super().handle()

    with serve(application, Handler) as server:
        with socket.create_connection(server.address, timeout=HANG) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na")
            until(lambda: handlers and handlers[0].rfile.closed)
            sock.sendall(b"b")
            sock.shutdown(socket.SHUT_WR)
            done.get(timeout=HANG)
