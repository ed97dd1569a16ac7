"""SIGTERM ends a server on several hubs, and cuts no request off."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from conftest import C_EXAMPLES

IN_FLIGHT = 40
RESTING = 5
HUBS = 2


@pytest.fixture
def server() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [C_EXAMPLES / "drain_server", str(HUBS)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.wait()


def connect(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.settimeout(30)
    return client


def read_line(client: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        byte = client.recv(1)
        if not byte:
            break
        line += byte
    return line


def test_no_request_in_flight_is_cut(server: subprocess.Popen[str]):
    port = int(server.stdout.readline().rsplit(":", 1)[1])
    clients = [connect(port) for _ in range(IN_FLIGHT + RESTING)]
    for client in clients:  # each has been served, and asks on
        client.sendall(b"0\n")
        assert read_line(client) == b"working\n"
        assert read_line(client) == b"done\n"
    working, resting = clients[:IN_FLIGHT], clients[IN_FLIGHT:]
    for client in working:
        client.sendall(b"500\n")
    for client in working:
        assert read_line(client) == b"working\n"
    before = time.monotonic()
    server.send_signal(signal.SIGTERM)
    for client in resting:
        assert client.recv(1) == b""
    assert [read_line(client) for client in working] == [b"done\n"] * IN_FLIGHT
    for client in working:
        assert client.recv(1) == b""
    assert server.wait(30) == 128 + signal.SIGTERM
    assert server.stderr.read() == ""
    assert time.monotonic() - before < 10  # nobody's patience was needed
    with pytest.raises(ConnectionRefusedError):
        connect(port)
