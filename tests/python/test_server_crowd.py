"""A StreamServer and its clients: as many as there may be, and those that misbehave."""

import gc
import os
import resource
import struct
import sys

import grove
import pytest
from awaiting import HANG, until
from grove import socket, ssl, subprocess
from grove.server import StreamServer

#: Connections at once, if there may be so many descriptors.
MANY = 10_000
#: Descriptors for everything else.
SPARE = 200


def echo(sock, address):
    while data := sock.recv(1000):
        sock.sendall(data)


def reset(sock):
    """Close it so that the peer is told of an error."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# ---- many ----------------------------------------------------------------------


#: The other ends, in a process of their own: it connects, and once it is told that
#: all are inside it sends, twice, and ends them.
CLIENTS = """
import resource, struct, sys
from grove import socket

port, count, files = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
assert sys.stdin.readline() == "all are inside\\n"
for round in b"first", b"second":
    for client in clients:
        client.sendall(round)
    assert {client.recv(10) for client in clients} == {round}
for client in clients:
    client.shutdown(socket.SHUT_WR)
for client in clients:
    assert client.recv(10) == b""
    # So that its address does not stay in use.
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
"""


@pytest.fixture
def connections():
    """How many connections there may be, one of whose ends is here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MANY + SPARE
    raised = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(raised, soft), hard))
    yield raised - SPARE
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_many_at_once(connections, errors):
    inside = set()

    def handle(sock, address):
        inside.add(address)
        echo(sock, address)
        inside.remove(address)

    with StreamServer(("127.0.0.1", 0), handle, backlog=1000) as server:
        numbers = server.server_port, connections, connections + SPARE
        with subprocess.Popen(
            [sys.executable, "-c", CLIENTS, *map(str, numbers)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as clients:
            until(lambda: len(inside) == connections or clients.poll() is not None)
            assert len(inside) == connections
            _, told = clients.communicate("all are inside\n", timeout=HANG)
        assert (clients.returncode, told) == (0, "")
        until(lambda: not inside)
    assert not errors


# ---- of every kind ---------------------------------------------------------------


def resets(address):
    """Is gone while the handler reads."""
    with socket.create_connection(address) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        reset(sock)


def resets_at_once(address):
    """Is gone, maybe before it is accepted."""
    reset(socket.create_connection(address))


def half_closes(address):
    """Reads after it has said all."""
    with socket.create_connection(address) as sock:
        sock.sendall(b"all")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(10, socket.MSG_WAITALL) == b"all"


def sends_slowly(address):
    """A byte, a while, a byte."""
    with socket.create_connection(address) as sock:
        for _ in range(5):
            sock.sendall(b"x")
            grove.sleep(0.01)
        assert sock.recv(5, socket.MSG_WAITALL) == b"xxxxx"


def sends_garbage(address):
    """Something that only an echo understands."""
    data = os.urandom(1000)
    with socket.create_connection(address) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while more := sock.recv(1000):
                received += more
        except ConnectionResetError:
            pass  # it does not read to the end
        assert data.startswith(received) or received[0] in (0x15, 0x16)  # TLS


KINDS = [resets, resets_at_once, half_closes, sends_slowly, sends_garbage]
EACH = 5


def one_round(server, kinds):
    address = server.address
    clients = [grove.spawn(kind, address) for kind in kinds for _ in range(EACH)]
    grove.joinall(clients, timeout=HANG, raise_error=True)
    until(lambda: not len(server.pool))


def held():
    """What may not grow: objects, descriptors, pages of memory."""
    gc.collect()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return len(gc.get_objects()), len(os.listdir("/proc/self/fd")), pages


def assert_flat(before, after):
    assert after[0] - before[0] < 200
    assert after[1] == before[1]
    assert after[2] - before[2] < 500  # 2 MB: each round makes more garbage


def test_others_are_served_and_nothing_is_left(errors):
    def talks(address):
        with socket.create_connection(address) as sock:
            for _ in range(20):
                sock.sendall(b"hello")
                assert sock.recv(5, socket.MSG_WAITALL) == b"hello"

    with StreamServer(("127.0.0.1", 0), echo, spawn=100) as server:
        for round in range(13):
            one_round(server, [*KINDS, talks])
            told = [error[1:3] for error in errors]
            errors.clear()
            # Those that reset, each once; of those that did so at once, who was
            # not accepted before.
            assert {kind for kind, _ in told} == {ConnectionResetError}
            assert EACH <= len(told) <= 2 * EACH
            assert len({id(error) for _, error in told}) == len(told)
            del told
            if round == 2:
                before = held()
        assert_flat(before, held())


def test_a_tls_server_tells_of_those_who_speak_something_else(errors, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    trust = ssl.create_default_context(cafile=certificate[0])

    def talks(address):
        plain = socket.create_connection(address)
        with trust.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(b"hello")
            assert sock.recv(5) == b"hello"

    def talks_plainly(address):
        with socket.create_connection(address) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            try:
                while sock.recv(1000):
                    pass
            except ConnectionResetError:
                pass  # it does not read to the end

    kinds = [resets_at_once, sends_garbage, talks_plainly, talks]
    address = ("127.0.0.1", 0)
    with StreamServer(address, echo, spawn=100, ssl_context=context) as server:
        for round in range(13):
            one_round(server, kinds)
            # Nothing of those who reset; garbage may look like TLS that ends.
            assert {kind for _, kind, *_ in errors} == {ssl.SSLError}
            assert EACH <= len(errors) <= 2 * EACH
            errors.clear()
            if round == 2:
                before = held()
        assert_flat(before, held())
