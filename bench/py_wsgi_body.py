"""Processor time of a server's process for bodies, by pywsgi and by nginx.

    py_wsgi_body.py SIZE    bytes of a body

Four figures: an answer that the application has as one bytes object, one that it
yields in parts of 16 KiB (which are chunks of HTTP), a posted body that it reads and
throws away, and the same sent in chunks. nginx has the answer as a file, which it
sends as it is (`sendfile`): beside an answer in parts by as many calls, each of which
goes out at once, for that is what an application that yields parts asks for. It throws
away what is posted to a page that is a `return`. It is one process, without a log.

The clients are another process: 16 connections, each of which has a request under
way; all are sent, then all answers are read.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median

import peers
from py_wsgi import Clients, spent

CONNECTIONS = 16
BYTES_OF_A_TURN = 128 << 20
PART = 16384
ROUNDS = 5
KINDS = {"": "whole", "_chunks": "chunks", "_up": "up", "_up_chunks": "up-chunks"}
NGINX = """
daemon off;
master_process off;
error_log stderr crit;
pid nginx.pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_max_body_size 0;
    client_body_temp_path {home};
    proxy_temp_path {home};
    fastcgi_temp_path {home};
    uwsgi_temp_path {home};
    scgi_temp_path {home};
    server {{
        listen 127.0.0.1:{port};
        root {home};
        location /chunks {{ sendfile_max_chunk 16k; tcp_nopush off; }}
        location /up {{ return 200 "hello"; }}
    }}
}}
"""


# ---- the clients -----------------------------------------------------------------


def request(kind: str, size: int) -> bytes:
    """What is sent: chunks and whole are the same to the client."""
    host = b"Host: 127.0.0.1\r\n"
    if kind == "up":
        return b"POST /up HTTP/1.1\r\n%bContent-Length: %d\r\n\r\n%b" % (
            host, size, bytes(size),
        )  # fmt: skip
    if kind == "up-chunks":
        chunk = b"%x\r\n%b\r\n" % (PART, bytes(PART))
        head = b"POST /up HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n" % host
        return head + chunk * (size // PART) + b"0\r\n\r\n"
    return b"GET /%b HTTP/1.1\r\n%b\r\n" % (kind.encode(), host)


def read_answer(sock: socket.socket, buffer: bytearray) -> None:
    """Read an answer to its end."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(4096)
    head, _, rest = head.partition(b"\r\n\r\n")
    if b"chunked" in head:
        end = rest[-5:]
        while end != b"0\r\n\r\n":
            got = sock.recv_into(buffer)
            end = (end + buffer[max(0, got - 5) : got])[-5:]
        return
    [length] = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    ]
    left = length - len(rest)
    while left > 0:
        left -= sock.recv_into(buffer)


def ask(port: int, kind: str, connections: int, size: int) -> None:
    """For each line that comes: a turn's requests, then a line."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    sent, buffer = request(kind, size), bytearray(1 << 18)
    for _ in sys.stdin:
        for _ in range(requests(size) // connections):
            for sock in clients:
                sock.sendall(sent)
            for sock in clients:
                read_answer(sock, buffer)
        print(flush=True)


def requests(size: int) -> int:
    """How many make a turn."""
    return max(8 * CONNECTIONS, BYTES_OF_A_TURN // size)


# ---- the servers -------------------------------------------------------------------


def application(size: int) -> Callable:
    """Answers with so many bytes, or reads what comes."""
    body, part = bytes(size), bytes(PART)
    plain = [("Content-Type", "application/octet-stream")]

    def answer(environ: dict, start_response: Callable) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            while environ["wsgi.input"].read(PART * 4):
                pass
            start_response("200 OK", [*plain, ("Content-Length", "5")])
            return [b"hello"]
        if environ["PATH_INFO"] == "/chunks":
            start_response("200 OK", plain)
            return (part for _ in range(size // PART))
        start_response("200 OK", [*plain, ("Content-Length", str(size))])
        return [body]

    return answer


def serve(size: int) -> None:
    """Tells its port, and serves until it is ended."""
    from gevent.pywsgi import WSGIServer

    server = WSGIServer(("127.0.0.1", 0), application(size), log=None)
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()


@contextlib.contextmanager
def ours(size: int) -> Iterator[tuple[int, int]]:
    """While pywsgi serves: its port, and its process."""
    server = subprocess.Popen(
        [sys.executable, sys.argv[0], "--serve", str(size)],
        stdout=subprocess.PIPE,
        env=peers.environment(True),
    )
    try:
        yield int(server.stdout.readline()), server.pid
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def nginx(size: int) -> Iterator[tuple[int, int]]:
    """The same by nginx."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        Path(home).chmod(0o755)
        for name in ("whole", "chunks"):
            Path(home, name).write_bytes(bytes(size))
        config = Path(home, "nginx.conf")
        config.write_text(NGINX.format(home=home, port=port))
        path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
        command = ["nginx", "-p", home, "-c", str(config), "-e", "stderr"]
        server = subprocess.Popen(command, env={**os.environ, "PATH": path})
        try:
            wait_for(port)
            yield port, server.pid
        finally:
            server.terminate()
            server.wait()


def wait_for(port: int) -> None:
    """Until somebody listens there. Raises OSError."""
    end = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


# ---- figures -------------------------------------------------------------------------


class Asked:
    """A server that is asked for one kind of body."""

    def __init__(self, server: tuple[int, int], kind: str, size: int) -> None:
        port, self._pid = server
        self._requests = requests(size)
        self._clients = Clients(port, kind, CONNECTIONS, size)
        self.turn()  # the first has what is made once

    def turn(self) -> float:
        """Microseconds of the server's processor time a request."""
        before = spent(self._pid)
        self._clients.start()
        self._clients.wait()
        return (spent(self._pid) - before) / 1e3 / self._requests

    def end(self) -> None:
        self._clients.end()


def name_of(size: int, suffix: str) -> str:
    """Of a figure."""
    return f"py_wsgi_body_{f'{size >> 20}m' if size >> 20 else f'{size >> 10}k'}{suffix}"


def compare(size: int) -> None:
    """Print the figures, each the least of its turns, and the median of the ratios."""
    with ours(size) as grove, nginx(size) as other:
        for suffix, kind in KINDS.items():
            mine, peer = Asked(grove, kind, size), Asked(other, kind, size)
            turns = [(mine.turn(), peer.turn()) for _ in range(ROUNDS)]
            mine.end()
            peer.end()
            least = min(figure for figure, _ in turns)
            ratio = median(figure / theirs for figure, theirs in turns)
            peers.report(name_of(size, suffix), least, "us-cpu", ratio, "nginx")


if __name__ == "__main__":
    if sys.argv[1] == "--ask":
        port, kind, connections, size = sys.argv[2:]
        ask(int(port), kind, int(connections), int(size))
    elif sys.argv[1] == "--serve":
        serve(int(sys.argv[2]))
    else:
        compare(int(sys.argv[1]))
