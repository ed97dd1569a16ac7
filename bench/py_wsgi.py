"""Processor time of a server's process for a WSGI request.

    py_wsgi.py hello     a short request and a short answer
    py_wsgi.py browser   a request with the eight headers of a browser
    py_wsgi.py gunicorn  the short one, by gunicorn: its worker of ours beside its
                         gevent worker on gevent
    py_wsgi.py gunicorn_pywsgi   the same by gunicorn's gevent_pywsgi worker on ours
    py_wsgi.py aiohttp   the short one, by ours beside aiohttp's server on uvloop
    py_wsgi.py hello 10000   of as many connections

The clients are another process: 64 connections, each of which has a request under
way; all are sent, then all answers are read, so that the server finds as many each
time, whatever the machine does.
"""

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import peers

CONNECTIONS = 64
REQUESTS_OF_A_TURN = 3840
HELLO = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
BROWSER = (
    b"GET /page?a=1 HTTP/1.1\r\n"
    b"Host: localhost:8000\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 "
    b"Firefox/115.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\n"
    b"Connection: keep-alive\r\n"
    b"Cookie: session=abcdef0123456789; theme=dark\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n\r\n"
)
REQUESTS = {
    "hello": HELLO,
    "browser": BROWSER,
    "gunicorn": HELLO,
    "aiohttp": HELLO,
    "gunicorn_pywsgi": HELLO,
}
KINDS = list(REQUESTS)
# gunicorn's workers where the names gevent and greenlet are ours; beside each
# stands its gevent worker on gevent.
WORKERS = {"gunicorn": "grove.gunicorn.Worker", "gunicorn_pywsgi": "gevent_pywsgi"}


def application(environ: dict, start_response: Callable) -> list[bytes]:
    """Says hello."""
    headers = [("Content-Type", "text/plain"), ("Content-Length", "5")]
    start_response("200 OK", headers)
    return [b"hello"]


# ---- the clients -----------------------------------------------------------------


def rounds(connections: int) -> int:
    """How often each of so many connections asks in a turn."""
    return max(1, REQUESTS_OF_A_TURN // connections)


def ask(port: int, request: bytes, connections: int) -> None:
    """For each line that comes: so many requests on each connection, then a line."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
    for sock in clients:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in sys.stdin:
        for _ in range(rounds(connections)):
            for sock in clients:
                sock.sendall(request)
            for sock in clients:
                answer = b""
                while b"hello" not in answer:
                    answer += sock.recv(4096)
        print(flush=True)


class Clients:
    """The process that asks."""

    def __init__(self, port: int, kind: str, connections: int, *more: int) -> None:
        self.connections = connections
        words = [port, kind, connections, *more]
        self._process = subprocess.Popen(
            [sys.executable, sys.argv[0], "--ask", *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def start(self) -> None:
        """Have requests sent."""
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        """Until the answers have come."""
        assert self._process.stdout.readline() == b"\n"

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def spent(pid: int) -> int:
    """Nanoseconds of processor time that another process has taken."""
    text = Path(f"/proc/{pid}/schedstat").read_text()
    return int(text.split()[0])


def cost(clients: Clients, pid: int) -> float:
    """Microseconds of the process's time a request."""
    figures = []
    for turn in range(4):
        before = spent(pid)
        clients.start()
        clients.wait()
        took = spent(pid) - before
        if turn:  # the first has what is made once
            requests = clients.connections * rounds(clients.connections)
            figures.append(took / 1e3 / requests)
    clients.end()
    return min(figures)


# ---- the servers -------------------------------------------------------------------


def serve() -> None:
    """Tells its port, and serves until it is ended."""
    from gevent.pywsgi import WSGIServer

    server = WSGIServer(("127.0.0.1", 0), application, log=None)
    server.start()
    # gevent's sends a head and a body by two calls; without this option it would
    # wait for the client in between.
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(server.server_port, flush=True)
    server.serve_forever()


def serve_aiohttp() -> None:
    """The same by aiohttp, on uvloop."""
    import asyncio

    import uvloop
    from aiohttp import web

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/", hello)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    uvloop.install()
    asyncio.run(main())


def measure_server(kind: str, connections: int) -> float:
    """With what is called gevent; for aiohttp, where that is gevent's, by aiohttp."""
    import gevent

    is_peer = kind == "aiohttp" and "grove" not in gevent.__name__
    server = subprocess.Popen(
        [sys.executable, sys.argv[0], "--serve-aiohttp" if is_peer else "--serve"],
        stdout=subprocess.PIPE,
    )
    port = int(server.stdout.readline())
    try:
        return cost(Clients(port, kind, connections), server.pid)
    finally:
        server.kill()
        server.wait()


def measure_gunicorn(kind: str, connections: int) -> float:
    """With the worker that the names gevent and greenlet belong to."""
    import gevent

    ours = "grove" in gevent.__name__
    worker = WORKERS[kind] if ours else "gevent"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        port = listener.getsockname()[1]
        with tempfile.NamedTemporaryFile() as pid_file:
            master = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-k", worker]
                + ["-b", f"fd://{listener.fileno()}", "--keep-alive", "60"]
                + ["--chdir", str(Path(__file__).parent), "py_wsgi:application"],
                pass_fds=[listener.fileno()],
                stderr=subprocess.DEVNULL,
            )
            try:
                clients = Clients(port, kind, connections)
                clients.start()
                clients.wait()
                return cost(clients, child_of(master.pid))
            finally:
                master.terminate()
                master.wait()


def child_of(pid: int) -> int:
    """The process that gunicorn has forked."""
    [child] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def measure(kind: int, connections: int) -> float:
    name = KINDS[kind]
    by = measure_gunicorn if name in WORKERS else measure_server
    return by(name, connections)


def name_of(kind: int, connections: int) -> str:
    """Of the benchmark."""
    usual = connections == CONNECTIONS
    return f"py_wsgi_{KINDS[kind]}" + ("" if usual else f"_{connections}")


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if sys.argv[1] == "--ask":
        ask(int(sys.argv[2]), REQUESTS[sys.argv[3]], int(sys.argv[4]))
    elif sys.argv[1] == "--serve":
        serve()
    elif sys.argv[1] == "--serve-aiohttp":
        serve_aiohttp()
    else:
        kind = 0 if sys.argv[1] == "--measure" else KINDS.index(sys.argv[1])
        connections = int(sys.argv[2]) if len(sys.argv) > 2 else CONNECTIONS
        peers.compare(
            name_of(kind, connections),
            measure,
            "aiohttp" if KINDS[kind] == "aiohttp" else "gevent",
            kind,
            connections,
            rounds=5,
            unit="us-cpu",
            less_is_speed=False,
        )
