"""Requests that pywsgi takes and refuses: RFC 9112, byte for byte."""

import random

import grove
import pytest
from awaiting import HANG
from grove import socket
from grove.pywsgi import WSGIServer

HOST = b"Host: x\r\n"
GOOD = b"GET /good HTTP/1.1\r\n" + HOST + b"\r\n"


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("X-Path", environ["PATH_INFO"])])
    return [body]


class Log:
    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


@pytest.fixture(scope="module")
def server():
    with WSGIServer(
        ("127.0.0.1", 0), application, log=Log(), error_log=Log()
    ) as running:
        yield running


def connect(server):
    return socket.create_connection(server.address, timeout=HANG)


def rest(sock):
    return b"".join(iter(lambda: sock.recv(65536), b""))


def exchange(server, request):
    """What the server answers to these bytes, until it closes."""
    with connect(server) as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        return rest(sock)


def get(*fields, line=b"GET / HTTP/1.1", host=HOST, body=b""):
    return line + b"\r\n" + host + b"".join(fields) + b"\r\n" + body


def post(*fields, body=b""):
    return get(*fields, line=b"POST / HTTP/1.1", body=body)


CHUNKED = b"Transfer-Encoding: chunked\r\n"
LENGTH = b"Content-Length: %b\r\n"

#: What RFC 9112 has a server take: the request, and the body that it has.
TAKEN = {
    "plain": (get(), b""),
    "blank line before": (b"\r\n" + get(), b""),
    "host of no bytes": (get(host=b"Host:\r\n"), b""),
    "host with a port": (get(host=b"Host: x:80\r\n"), b""),
    "address": (get(host=b"Host: [::1]:80\r\n"), b""),
    "1.0 without host": (get(line=b"GET / HTTP/1.0", host=b""), b""),
    "absolute": (get(line=b"GET http://x/a HTTP/1.1"), b""),
    "asterisk": (get(line=b"OPTIONS * HTTP/1.1"), b""),
    "method of webdav": (get(line=b"PROPFIND / HTTP/1.1"), b""),
    "no blank after colon": (get(b"A:b\r\n"), b""),
    "blanks around": (get(b"A: \t b \t\r\n"), b""),
    "empty value": (get(b"A:\r\n"), b""),
    "high bytes in a value": (get(b"A: \xe9\r\n"), b""),
    "high bytes in a target": (get(line=b"GET /\xc3\xa9 HTTP/1.1"), b""),
    "case of names": (post(b"content-LENGTH: 2\r\n", body=b"ab"), b"ab"),
    "case of codings": (
        post(b"Transfer-Encoding: Chunked\r\n", body=b"1\r\na\r\n0\r\n\r\n"),
        b"a",
    ),
    "length 0": (post(LENGTH % b"0"), b""),
    "zeros before": (post(LENGTH % b"0002", body=b"ab"), b"ab"),
    "chunks": (post(CHUNKED, body=b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), b"abc"),
    "case of sizes": (post(CHUNKED, body=b"a\r\n0123456789\r\n0\r\n\r\n"), b"0123456789"),
    "zeros before a size": (post(CHUNKED, body=b"001\r\na\r\n00\r\n\r\n"), b"a"),
    "extension": (post(CHUNKED, body=b'1;a=b;c="d"\r\na\r\n0;e\r\n\r\n'), b"a"),
    "chunks of a byte": (
        post(CHUNKED, body=b"1\r\na\r\n" * 9000 + b"0\r\n\r\n"),
        b"a" * 9000,
    ),
    "trailer": (post(CHUNKED, body=b"1\r\na\r\n0\r\nA: b\r\n\r\n"), b"a"),
}

#: What it has a server refuse, or lets it refuse, and what is answered.
REFUSED = {
    "bare LF before": (b"\n" + get(), 400),
    "bare LF behind a blank line": (b"\r\n\n" + get(), 400),
    "bare CR before": (b"\r" + get(), 400),
    "two lengths": (post(LENGTH % b"1", LENGTH % b"2", body=b"ab"), 400),
    "two equal lengths": (post(LENGTH % b"1", LENGTH % b"1", body=b"a"), 400),
    "list of lengths": (post(LENGTH % b"1, 1", body=b"a"), 400),
    "length and chunks": (post(LENGTH % b"1", CHUNKED, body=b"0\r\n\r\n"), 400),
    "chunks and length": (post(CHUNKED, LENGTH % b"5", body=b"0\r\n\r\n"), 400),
    "sign": (post(LENGTH % b"+1", body=b"a"), 400),
    "minus": (post(LENGTH % b"-1", body=b"a"), 400),
    "hexadecimal": (post(LENGTH % b"0x1", body=b"a"), 400),
    "blank in a length": (post(LENGTH % b"1 1", body=b"a" * 11), 400),
    "no length": (post(LENGTH % b""), 400),
    "length beyond count": (post(LENGTH % (b"9" * 30)), 400),
    "underscore in a length": (post(LENGTH % b"1_0", body=b"a" * 10), 400),
    "coding twice": (post(CHUNKED, CHUNKED, body=b"0\r\n\r\n"), 400),
    "coding after chunked": (post(b"Transfer-Encoding: chunked, gzip\r\n"), 400),
    "coding before chunked": (post(b"Transfer-Encoding: gzip, chunked\r\n"), 501),
    "unknown coding": (post(b"Transfer-Encoding: xchunked\r\n"), 501),
    "quoted coding": (post(b'Transfer-Encoding: "chunked"\r\n'), 501),
    "no coding": (post(b"Transfer-Encoding:\r\n"), 400),
    "chunks in 1.0": (get(CHUNKED, line=b"POST / HTTP/1.0"), 400),
    "folded line": (get(b"A: b\r\n c\r\n"), 400),
    "folded line, tab": (get(b"A: b\r\n\tc\r\n"), 400),
    "folded first line": (get(host=b" a\r\n" + HOST), 400),
    "blank before colon": (get(b"A : b\r\n"), 400),
    "tab before colon": (get(b"A\t: b\r\n"), 400),
    "blank before length's colon": (post(b"Content-Length : 1\r\n", body=b"a"), 400),
    "blank in a name": (get(b"A B: c\r\n"), 400),
    "no name": (get(b": b\r\n"), 400),
    "no colon": (get(b"A\r\n"), 400),
    "bare LF in fields": (b"GET / HTTP/1.1\r\nHost: x\n\r\n", 400),
    "bare LF in line": (b"GET / HTTP/1.1\nHost: x\r\n\r\n", 400),
    "bare LF at the end": (b"GET / HTTP/1.1\r\nHost: x\r\n\n", 400),
    "bare CR in a value": (get(b"A: b\rc\r\n"), 400),
    "bare CR in a name": (get(b"A\r: b\r\n"), 400),
    "CR CR LF": (get(b"A: b\r\r\n"), 400),
    "NUL in a value": (get(b"A: b\0c\r\n"), 400),
    "NUL in a name": (get(b"A\0: b\r\n"), 400),
    "NUL in a target": (get(line=b"GET /\0 HTTP/1.1"), 400),
    "control in a value": (get(b"A: \x01\r\n"), 400),
    "no host": (get(host=b""), 400),
    "two hosts": (get(HOST), 400),
    "host with a blank": (get(host=b"Host: a b\r\n"), 400),
    "host with a slash": (get(host=b"Host: a/b\r\n"), 400),
    "two blanks in line": (get(line=b"GET  / HTTP/1.1"), 400),
    "tab in line": (get(line=b"GET\t/ HTTP/1.1"), 400),
    "blank behind version": (get(line=b"GET / HTTP/1.1 "), 400),
    "blank in target": (get(line=b"GET /a b HTTP/1.1"), 400),
    "no target": (get(line=b"GET HTTP/1.1"), 400),
    "fragment": (get(line=b"GET /#a HTTP/1.1"), 400),
    "target of no form": (get(line=b"GET a HTTP/1.1"), 400),
    "asterisk of GET": (get(line=b"GET * HTTP/1.1"), 400),
    "no method": (get(line=b" / HTTP/1.1"), 400),
    "method of lower case": (get(line=b"get / HTTP/1.1"), 501),
    "method that is no token": (get(line=b"G(T / HTTP/1.1"), 400),
    "method nobody knows": (get(line=b"SMUGGLE / HTTP/1.1"), 501),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/2": (get(line=b"GET / HTTP/2.0"), 505),
    "preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "version without a point": (get(line=b"GET / HTTP/11"), 400),
    "version in lower case": (get(line=b"GET / http/1.1"), 400),
    "version of letters": (get(line=b"GET / HTTP/1.x"), 400),
    "TLS": (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\r\n" * 2, 400),
    "expectation": (get(b"Expect: a-miracle\r\n"), 417),
    "CONNECT to a path": (get(line=b"CONNECT / HTTP/1.1"), 400),
    "long target": (get(line=b"GET /" + b"a" * 9000 + b" HTTP/1.1"), 414),
    "long line without end": (b"GET /" + b"a" * 9000, 414),
    "long field": (get(b"A: " + b"b" * 9000 + b"\r\n"), 431),
    "many fields": (get(b"A: b\r\n" * 200), 431),
    "long head": (get(b"A: " + b"b" * 8000 + b"\r\n", b"".join(
        b"A%d: %b\r\n" % (i, b"b" * 8000) for i in range(10))), 431),
    "end within the line": (b"GET /", 400),
    "end within the fields": (b"GET / HTTP/1.1\r\nHost: x", 400),
}

#: Bodies that are refused once they are read.
BAD_BODIES = {
    "no size": post(CHUNKED, body=b"\r\na\r\n0\r\n\r\n"),
    "size of other characters": post(CHUNKED, body=b"g\r\na\r\n0\r\n\r\n"),
    "size with 0x": post(CHUNKED, body=b"0x1\r\na\r\n0\r\n\r\n"),
    "size with a sign": post(CHUNKED, body=b"+1\r\na\r\n0\r\n\r\n"),
    "negative size": post(CHUNKED, body=b"-1\r\na\r\n0\r\n\r\n"),
    "blank before a size": post(CHUNKED, body=b" 1\r\na\r\n0\r\n\r\n"),
    "blank behind a size": post(CHUNKED, body=b"1 \r\na\r\n0\r\n\r\n"),
    "size beyond count": post(CHUNKED, body=b"1" * 17 + b"\r\na\r\n0\r\n\r\n"),
    "bare LF behind a size": post(CHUNKED, body=b"1\na\r\n0\r\n\r\n"),
    "bare LF in an extension": post(CHUNKED, body=b"1;a\nb\r\na\r\n0\r\n\r\n"),
    "bare CR in an extension": post(CHUNKED, body=b"1;a\rb\r\na\r\n0\r\n\r\n"),
    "bare LF behind a chunk": post(CHUNKED, body=b"1\r\na\n0\r\n\r\n"),
    "more than the size": post(CHUNKED, body=b"1\r\nab\r\n0\r\n\r\n"),
    "less than the size": post(CHUNKED, body=b"3\r\na\r\n0\r\n\r\n"),
    "long extension": post(CHUNKED, body=b"1;" + b"a" * 9000 + b"\r\na\r\n0\r\n\r\n"),
    "extensions without end": post(
        CHUNKED, body=(b"1;" + b"a" * 1000 + b"\r\na\r\n") * 40 + b"0\r\n\r\n"
    ),
    "no last chunk": post(CHUNKED, body=b"1\r\na\r\n"),
    "no end": post(CHUNKED, body=b"1\r\na\r\n0\r\n"),
    "bare LF in trailers": post(CHUNKED, body=b"0\r\nA: b\n\r\n"),
    "trailer that is none": post(CHUNKED, body=b"0\r\nA\r\n\r\n"),
    "folded trailer": post(CHUNKED, body=b"0\r\nA: b\r\n c\r\n\r\n"),
    "many trailers": post(CHUNKED, body=b"0\r\n" + b"A: b\r\n" * 200 + b"\r\n"),
    "length not reached": post(LENGTH % b"3", body=b"a"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_taken(server, name):
    request, body = TAKEN[name]
    answer = exchange(server, request)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize("name", TAKEN)
def test_taken_at_any_pace(server, name):
    """The same when each byte comes for itself."""
    request, body = TAKEN[name]
    with connect(server) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(request)):
            sock.sendall(request[i : i + 1])
            grove.sleep(0)
        sock.shutdown(socket.SHUT_WR)
        answer = rest(sock)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.partition(b"\r\n\r\n")[2] == body


@pytest.mark.parametrize("name", TAKEN)
def test_taken_with_another_behind(server, name):
    request, _ = TAKEN[name]
    answer = exchange(server, request + GOOD)
    kept = b"HTTP/1.0" not in request
    assert answer.count(b"HTTP/1.1 200 OK") == 1 + kept
    assert (b"X-Path: /good" in answer) == kept


@pytest.mark.parametrize("name", REFUSED)
def test_refused(server, name):
    request, status = REFUSED[name]
    lines = server.log.text.count("\n")
    answer = exchange(server, request + (b"" if "end within" in name else GOOD))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    # What follows is not looked at: it might be a part of the request.
    assert answer.count(b"HTTP/1.1") == 1 and b"/good" not in answer
    assert b"\r\nConnection: close\r\n" in answer
    assert server.log.text.count("\n") == lines + 1
    assert f'" {status} ' in server.log.text.splitlines()[-1]


@pytest.mark.parametrize("name", BAD_BODIES)
def test_body_refused(server, name):
    breaks_off = name in ("no last chunk", "no end", "length not reached")
    answer = exchange(server, BAD_BODIES[name] + (b"" if breaks_off else GOOD))
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.count(b"HTTP/1.1") == 1 and b"/good" not in answer


def mutated(rng, request):
    """request, with a few bytes other than they were."""
    octets = bytearray(request)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(octets))
        match rng.randrange(4):
            case 0:
                octets[at] = rng.randrange(256)
            case 1:
                octets[at:at] = rng.choice(
                    [b"\r", b"\n", b" ", b"\0", b":", b",", b"\t", b"0", b"\xff"]
                )
            case 2:
                del octets[at : at + rng.randint(1, 3)]
            case 3:
                part = octets[at : at + rng.randint(1, 20)]
                octets[at:at] = part
        octets = octets or bytearray(b"x")
    return bytes(octets)


@pytest.mark.parametrize("seed", range(8))
def test_mutated(server, seed):
    """Whatever comes is answered or closed, and never a fault of the server's."""
    rng = random.Random(seed)
    requests = [r for r, _ in TAKEN.values()] + list(BAD_BODIES.values())
    with grove.Timeout(HANG):
        for _ in range(150):
            request = mutated(rng, rng.choice(requests))
            answer = exchange(server, request)
            statuses = {part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]}
            assert statuses <= {b"200", b"400", b"413", b"414", b"417", b"431",
                                b"501", b"505", b"100"}, (request, answer)
    assert exchange(server, GOOD).startswith(b"HTTP/1.1 200 OK")


# ---- clients that are slow -----------------------------------------------------


def limited(**limits):
    server = WSGIServer(("127.0.0.1", 0), application, log=None, error_log=None)
    for name, value in limits.items():
        setattr(server, name, value)
    return server


def test_head_that_does_not_come():
    with limited(head_timeout=0.05) as server, connect(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n")
        assert rest(sock).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_head_that_comes_byte_by_byte():
    """The time is for all of it."""
    with limited(head_timeout=0.2) as server, connect(server) as sock:

        def drip():
            for i in range(10000):
                sock.sendall(b"A: b\r\n" if i else b"GET / HTTP/1.1\r\n")
                grove.sleep(0.01)

        dripping = grove.spawn(drip)
        try:
            assert sock.recv(100).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        finally:
            dripping.kill()


def test_blank_lines_are_no_request():
    """They are not kept, and nothing is answered to them."""
    with limited(head_timeout=0.05) as server:
        with connect(server) as sock:
            sock.sendall(b"\r\n" * 50000)
            assert rest(sock) == b""
    with limited() as server:
        answer = exchange(server, b"\r\n" * 50000 + GOOD + b"\r\n\r\n" + GOOD)
        assert answer.count(b"HTTP/1.1 200 OK") == 2


def test_connection_without_a_request():
    with limited(idle_timeout=0.05) as server:
        with connect(server) as sock:
            assert rest(sock) == b""
        with connect(server) as sock:
            sock.sendall(GOOD)
            assert rest(sock).count(b"HTTP/1.1") == 1


def test_body_that_does_not_come():
    with limited(body_timeout=0.05) as server, connect(server) as sock:
        sock.sendall(post(LENGTH % b"3", body=b"a"))
        assert rest(sock).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_response_that_is_not_taken():
    done = grove.event.AsyncResult()

    def application(environ, start_response):
        start_response("200 OK", [])
        try:
            for _ in range(1000):
                yield b"x" * 100000
        finally:
            done.set(True)

    server = WSGIServer(("127.0.0.1", 0), application, log=None, error_log=None)
    server.write_timeout = 0.05
    with server, connect(server) as sock:
        sock.sendall(GOOD)
        assert done.get(timeout=HANG)


def test_no_limits():
    with limited(
        head_timeout=None, idle_timeout=None, body_timeout=None, write_timeout=None
    ) as server:
        assert exchange(server, GOOD).startswith(b"HTTP/1.1 200 OK")


def test_answer_arrives_though_much_was_not_read():
    """A connection that is closed with bytes unread is reset, and what was sent
    last may be lost by that."""
    with limited() as server:
        request = b"GET /" + b"a" * 500000 + b" HTTP/1.1\r\n\r\n"
        for _ in range(20):
            assert exchange(server, request).startswith(b"HTTP/1.1 414 ")
