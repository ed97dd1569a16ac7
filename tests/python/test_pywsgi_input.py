"""wsgi.input, from a connection and from any other file."""

import io
import random

import pytest

import grove
from grove import _core, socket
from grove.pywsgi import Input
from grove.serving.input import InvalidClientInput

BEHIND = b"GET /next HTTP/1.1\r\n"
EXTENSIONS = [b"", b"", b";a", b";a=b;c", b';a="\\"b";c=d', b" ; a = b"]


def chunked(rng: random.Random, data: bytes) -> bytes:
    """data in chunks of any size, with trailers now and then."""
    pieces = []
    while data:
        size = rng.choice([1, 2, rng.randint(1, 30), rng.randint(1, 300)])
        part, data = data[:size], data[size:]
        pieces.append(b"%x%b\r\n%b\r\n" % (len(part), rng.choice(EXTENSIONS), part))
    trailers = b"A: b\r\n" * rng.choice([0, 0, 1, 5])
    return b"".join(pieces) + b"0%b\r\n" % rng.choice(EXTENSIONS) + trailers + b"\r\n"


class Whole:
    """The body as another file has it."""

    def __init__(self, octets: bytes, behind: bytes) -> None:
        self.file = io.BytesIO(octets + behind)

    def end(self) -> bytes:
        """What was not taken out of it."""
        return self.file.read()


class Connection(Whole):
    """The body as it comes over a connection, in pieces."""

    def __init__(self, octets: bytes, behind: bytes) -> None:
        near, far = socket.socketpair()
        self.file = _core.HTTPReader(near, near._sock)
        self.sending = grove.spawn(self.send, far, octets + behind)

    def send(self, far: socket.socket, octets: bytes) -> None:
        with far:
            for at in range(0, len(octets), 70):
                far.sendall(octets[at : at + 70])
                grove.sleep(0)


@pytest.mark.parametrize("source", [Whole, Connection])
@pytest.mark.parametrize("in_chunks", [False, True])
def test_whatever_it_is_read_by_it_says_the_same(source, in_chunks):
    """And not a byte more is taken than it has."""
    for seed in range(60):
        rng = random.Random(seed)
        data = bytes(rng.choices(b"ab\r\n0;", k=rng.choice([0, 1, 40, 1000, 3000])))
        octets = chunked(rng, data) if in_chunks else data
        peer = source(octets, BEHIND)
        body = Input(peer.file, None if in_chunks else len(data), chunked_input=in_chunks)
        check_reading(rng, body, io.BytesIO(data))
        assert peer.end() == BEHIND, seed


@pytest.mark.parametrize("in_chunks", [False, True])
def test_position_and_length(in_chunks):
    data = b"ab\ncd"
    octets = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if in_chunks else data
    length = None if in_chunks else len(data)
    body = Input(io.BytesIO(octets), length, chunked_input=in_chunks)
    assert (body.content_length, body.position) == (length, 0)
    for size, position in (0, 0), (1, 1), (2, 3), (5, 5), (5, 5):
        body.read(size)
        assert (body.content_length, body.position) == (length, position)
    with pytest.raises(AttributeError):
        body.position = 0
    assert Input(io.BytesIO(), None).content_length is None
    assert Input(io.BytesIO(), 0).content_length == 0


def check_reading(rng: random.Random, body: Input, file: io.BytesIO) -> None:
    """body as file, call by call, to the end."""
    while True:
        size = rng.choice([-1, None, 1, 2, 5, 100, 5000])
        match rng.randrange(4):
            case 0:
                got = wanted = body.read1(100)
                assert got == file.read(len(got)) and len(got) <= 100
            case 1:
                got, wanted = body.readline(size), file.readline(size)
            case 2:
                got, wanted = body.readline(), file.readline()
            case _:
                got, wanted = body.read(size), file.read(size)
        assert got == wanted
        if not got:
            assert file.read() == body.read() == body.read1() == b""
            return


def test_arguments():
    def body() -> Input:
        return Input(io.BytesIO(b"a\nb"), 3)

    assert body().read(length=1) == body().read1(size=1) == body().readline(size=1) == b"a"
    assert body().readlines(None) == [b"a\n", b"b"]
    for call in (lambda: body().read("1"), lambda: body().read(1, 2), lambda: body().read(x=1)):
        with pytest.raises(TypeError):
            call()


class Returns:
    """A file whose reads return something else."""

    def __init__(self, what: object) -> None:
        self.what = what

    def read(self, size: int) -> object:
        return self.what

    readline = read1 = read


@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_file_that_is_none(in_chunks):
    def body(file: object) -> Input:
        return Input(file, 3, chunked_input=in_chunks)

    with pytest.raises(TypeError, match="str, not bytes"):
        body(Returns("abc")).read()
    with pytest.raises(ValueError, match=r"100000 of \d+ bytes"):
        body(Returns(b"a" * 100000)).read()
    with pytest.raises(AttributeError):
        body(None).read()
    for taken in (Returns(b""), io.BytesIO(b"")):
        with pytest.raises(InvalidClientInput, match="breaks off"):
            body(taken).read()
    without = body(io.BytesIO(b"abc"))
    del without.rfile
    with pytest.raises(AttributeError):
        without.read()


def test_a_file_may_be_changed_by_its_own_reading():
    class Swaps(io.BytesIO):
        def readline(self, size: int = -1) -> bytes:
            body.rfile = reader
            return super().readline(size)

    near, far = socket.socketpair()
    far.sendall(b"1\r\nb\r\n0\r\n\r\n")
    reader = _core.HTTPReader(near, near._sock)
    body = Input(Swaps(b"1\r\na"), None, chunked_input=True)
    far.close()
    with pytest.raises(InvalidClientInput, match="breaks off"):
        body.read()


def test_chunks_that_were_not_told_of():
    body = Input(io.BytesIO(b"1\r\na\r\n0\r\n\r\n"), 3)
    body.chunked_input = True
    assert body.read() == b"a"


def test_made_again_while_it_is_read():
    near, far = socket.socketpair()
    body = Input(_core.HTTPReader(near, near._sock), None, chunked_input=True)
    reading = grove.spawn(body.read)
    far.sendall(b"3\r\nab")
    grove.sleep(0)
    body.__init__(body.rfile, None, chunked_input=True)
    far.sendall(b"1\r\nd\r\n0\r\n\r\n")
    far.close()
    reading.join(10)
    assert reading.dead


def test_two_that_read_one_body_end():
    near, far = socket.socketpair()
    body = Input(_core.HTTPReader(near, near._sock), None, chunked_input=True)
    reading = [grove.spawn(body.read, 4) for _ in range(2)]
    for octet in b"3;a\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n":
        far.sendall(bytes([octet]))
        grove.sleep(0)
    far.close()
    grove.joinall(reading, timeout=10)
    assert all(one.dead for one in reading)


@pytest.mark.parametrize("octets", [b"g\r\n", b"1\r\nab", b"1\r\na\r\n0\r\nA\r\n\r\n"])
def test_what_was_refused_stays_so(octets):
    body = Input(io.BytesIO(octets + b"1\r\na\r\n0\r\n\r\n"), None, chunked_input=True)
    for _ in range(3):
        with pytest.raises(InvalidClientInput):
            while body.read1():
                pass


@pytest.mark.parametrize(
    "octets", [b"g", b"0\r\nA\r", b"0\r\nContent-Length: 1\r\n\r\n"]
)
def test_nothing_is_waited_for_behind_what_was_refused(octets):
    near, far = socket.socketpair()
    body = Input(_core.HTTPReader(near, near._sock), None, chunked_input=True)

    def send():
        for octet in octets:
            far.sendall(bytes([octet]))
            grove.sleep(0)

    grove.spawn(send)
    for _ in range(3):
        with grove.Timeout(10), pytest.raises(InvalidClientInput):
            body.read()


@pytest.mark.parametrize("method", ["read", "readline"])
@pytest.mark.parametrize("size", [200, 100_000, 2_000_000])
@pytest.mark.parametrize("in_chunks", [False, True])
def test_nothing_is_lost_where_a_read_was_cut_short(in_chunks, size, method):
    """It timed out, and somebody reads on."""
    data = bytes(range(65, 91)) * (size // 26)
    octets = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if in_chunks else data
    near, far = socket.socketpair()
    length = None if in_chunks else len(data)
    body = Input(_core.HTTPReader(near, near._sock), length, chunked_input=in_chunks)
    sending = grove.spawn(far.sendall, octets[: size // 2])
    with pytest.raises(grove.Timeout), grove.Timeout(0.05):
        getattr(body, method)(len(data))
    sending.join(10)
    sending = grove.spawn(far.sendall, octets[size // 2 :] + BEHIND)
    with grove.Timeout(10):
        assert body.read(10) + body.readline(10) + body.read() == data
        assert body.read() == b""
        assert body.rfile.read(len(BEHIND)) == BEHIND
    sending.join(10)
