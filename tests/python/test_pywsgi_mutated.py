"""Requests with faults that nobody has thought of: good ones, changed at random, each
to a handler at the other end of a socket pair.

Whatever comes, the server answers with statuses that it knows, whether it comes whole
or in pieces, calls the application with what WSGI promises, and tells of no error.
Whether anything is read or written that is not there, is seen where the package is
built with ASan: `tools/check python-asan`.

The seed is told of a failure. GROVE_FUZZ_SEED sets it, GROVE_FUZZ_REQUESTS how many
there are, and GROVE_FUZZ_SECONDS has it go on for so long.
"""

import os
import random
import re
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import grove
import pytest
from awaiting import HANG
from grove import socket
from grove.pywsgi import WSGIHandler, WSGIServer

REQUESTS = int(os.environ.get("GROVE_FUZZ_REQUESTS", 20_000))
SECONDS = float(os.environ.get("GROVE_FUZZ_SECONDS", 0))
SEED = int(os.environ.get("GROVE_FUZZ_SEED") or time.time_ns())

#: One in so many comes in pieces.
IN_PIECES = 16

GOOD = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /a/b?c=d HTTP/1.1\r\nHost: a.test:80\r\nAccept: */*\r\n"
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789",
    b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'4\r\nabcd\r\n10;e="f"\r\n0123456789abcdef\r\n0\r\nT: u\r\n\r\n',
    b"POST / HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: [::1]\r\nExpect: 100-continue\r\n"
    b"Content-Length: 4\r\n\r\na\nb\n",
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]\r\n\r\n",
    b'DELETE /~%41?b=|c HTTP/1.1\r\nHost: a\r\nCookie:\t a="\xe9" \t\r\n'
    b"Content-Length: 12\r\nConnection: close\r\n\r\n0123456789ab",
    b"HEAD http://a.test/ HTTP/1.1\r\nHost:a.test\r\nX:\r\nY: \t z \t\r\n\r\n",
    b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
]

#: What matters is put where it does not belong.
WORDS = [
    *[b"\r\n", b"\n", b"\r", b" ", b"\t", b"\0", b":", b",", b"\r\n ", b";", b"0", b"+"],
    *[b"-", b'"', b"#", b"%", b"%2", b"%00", b"\x7f", b"\xff", b"chunked", b"0\r\n\r\n"],
    *[b"HTTP/1.1", b"HTTP/2.0", b"ffffffffffffffff", b"99999999999999999999", b"Host"],
    *[b"GET / ", b"\r\n\r\n", b"\r\nContent-Length: 3", b"\r\nTransfer-Encoding: chunked"],
    *[b"\r\nHost: b", b"\r\nTransfer-Encoding : chunked", b"\nContent-Length: 7\r\n"],
    *[b"\r\nExpect: 100-continue", b"\r\nConnection: close", b"\r\nA_B: c", b"A" * 9000],
    *[b"\r\nX: y" * 120, b"http://", b"//", b"?", b"gzip, "],
]

#: Those that a server gives to what it does not like, and the application's.
KNOWN = {100, 200, 400, 413, 414, 417, 431, 501, 505}

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Z]")


def changed(chance: random.Random, message: bytes) -> bytes:
    """message, with a fault more."""
    at = chance.randrange(len(message) + 1)
    size = chance.randrange(min(len(message) - at, 32) + 1)
    word = chance.choice(WORDS)
    kind = chance.randrange(6)
    if kind == 0:  # another byte
        return message[:at] + chance.randbytes(1) + message[at + 1 :]
    if kind == 1:  # fewer
        return message[:at] + message[at + size :]
    if kind == 2:  # a word
        return message[:at] + word + message[at:]
    if kind == 3:  # a word instead
        return message[:at] + word + message[at + size :]
    if kind == 4:  # some of it again, elsewhere
        to = chance.randrange(len(message) + 1)
        return message[:to] + message[at : at + size] + message[to:]
    bit = 1 << chance.randrange(8)
    return message[:at] + bytes(b ^ bit for b in message[at : at + 1]) + message[at + 1 :]


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Reads the body in one of the ways there are, and says nothing of it."""
    for key, value in environ.items():
        assert type(key) is str
        if key.startswith(("HTTP_", "PATH", "QUERY", "REQUEST", "CONTENT", "SERVER")):
            assert type(value) is str and "\n" not in value, (key, value)
    body = environ["wsgi.input"]
    way = len(environ["PATH_INFO"]) % 5
    if way == 0:
        body.read()
    elif way == 1:
        for line in body:
            assert line.endswith(b"\n") or len(line) < 100000
    elif way == 2:
        while body.read(3):
            pass
    elif way == 3:
        body.readline()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"an", b"swer"]


class Log:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


@pytest.fixture
def server() -> WSGIServer:
    return WSGIServer(("127.0.0.1", 0), application, log=None, error_log=Log())


def send_in_pieces(sock: Any, chance: random.Random, message: bytes) -> None:
    with suppress(OSError):  # the server has refused it and closed
        while message:
            size = 1 + chance.randrange(len(message))
            sock.sendall(message[:size])
            message = message[size:]
            grove.sleep()
        sock.shutdown(socket.SHUT_WR)


def answered(server: WSGIServer, message: bytes, chance: random.Random | None) -> list[int]:
    """The statuses of what is answered to message, which comes in pieces by chance."""
    client, ours = socket.socketpair()
    sender = None
    try:
        client.settimeout(HANG)
        if chance is None:
            client.sendall(message)
            client.shutdown(socket.SHUT_WR)
        else:
            sender = grove.spawn(send_in_pieces, client, chance, message)
        WSGIHandler(ours, ("127.0.0.1", 1), server).handle()
        ours.close()
        if sender is not None:
            sender.join()
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    finally:
        client.close()
        ours.close()
    statuses = [int(status) for status in STATUS.findall(answer)]
    assert bool(answer) == answer.startswith(b"HTTP/1.1 "), answer
    return statuses


def accepted(statuses: list[int]) -> list[int]:
    """With the refusals alike: of several faults it is the first one seen that is told,
    and what is seen first depends on the pieces."""
    return [status if status < 400 else 400 for status in statuses]


def test_good_ones_are_answered(server: WSGIServer) -> None:
    for message in GOOD:
        assert set(answered(server, message, None)) <= {100, 200}
        assert 200 in answered(server, message, random.Random(0))


def test_changed_ones_are_answered_or_refused(server: WSGIServer) -> None:
    chance = random.Random(SEED)
    told: Counter[int] = Counter()
    count, end = 0, time.monotonic() + SECONDS
    while count < REQUESTS if not SECONDS else time.monotonic() < end:
        message = chance.choice(GOOD)
        for _ in range(1 + chance.randrange(4)):
            message = changed(chance, message)
        why = f"seed {SEED}, request {count}: {message!r}"
        statuses = answered(server, message, None)
        assert set(statuses) <= KNOWN, why
        assert "Traceback" not in server.error_log.text, why
        server.error_log.text = ""
        if count % IN_PIECES == 0:
            assert accepted(answered(server, message, chance)) == accepted(statuses), why
        told.update(statuses)
        count += 1
    print(f"{count} requests, seed {SEED}: {dict(sorted(told.items()))}")
    if count > 1000:
        assert min(told[200], told[400], told[501]) > 0
