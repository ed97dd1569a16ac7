"""Libraries of others on our servers: handlers of WebSockets, ASGI frameworks."""

import http.client
import json
import select
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import EXAMPLES, environment

HANG = 60

WEBSOCKETS = """
from gevent import pywsgi
from geventwebsocket.handler import WebSocketHandler

def application(environ, start_response):
    websocket = environ.get("wsgi.websocket")
    if websocket is None:
        start_response("200 OK", [])
        return [b"plain"]
    while (message := websocket.receive()) is not None:
        websocket.send(message[::-1])
    return []

server = pywsgi.WSGIServer(
    ("127.0.0.1", 0), application, handler_class=WebSocketHandler, log=None
)
# What a WebSocket's peer takes between two messages is no concern of theirs.
server.idle_timeout = server.head_timeout = server.body_timeout = 0.2
server.start()
print(server.server_port, flush=True)
server.serve_forever()
"""


def installed(module: str, package: str) -> None:
    """Skip where the interpreter of these tests has it not."""
    pytest.importorskip(module, reason=f"apt-get install {package}")


def test_gevent_websocket(start: Callable, tmp_path: Path):
    installed("geventwebsocket", "python3-gevent-websocket")
    websocket = pytest.importorskip(
        "websocket", reason="apt-get install python3-websocket"
    )
    (tmp_path / "program.py").write_text(WEBSOCKETS)
    server = start(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=environment("compat"),
        stdout=subprocess.PIPE,
        text=True,
    )
    port = int(server.stdout.readline())
    peer = websocket.create_connection(f"ws://127.0.0.1:{port}/", timeout=HANG)
    peer.send("abc")
    assert peer.recv() == "cba"
    plain = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG)
    plain.request("GET", "/")
    assert plain.getresponse().read() == b"plain"
    # The other connection has been idle for too long when this one is closed.
    assert plain.sock.recv(1) == b""
    peer.send("x" * 100000 + "y")
    assert peer.recv() == "y" + "x" * 100000
    peer.close()


STARLETTE = """
import asyncio, contextlib, json
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

async def echo(request):
    body = await request.body()
    return JSONResponse({"length": len(body), "query": dict(request.query_params),
                         "started": request.app.state.started})

async def stream(request):
    async def pieces():
        for i in range(3):
            await asyncio.sleep(0)
            yield f"{i};"
    return StreamingResponse(pieces(), media_type="text/plain")

async def fails(request):
    raise KeyError("of the application")

@contextlib.asynccontextmanager
async def lifespan(app):
    app.state.started = True
    yield

app = Starlette(
    routes=[
        Route("/echo", echo, methods=["POST"]),
        Route("/stream", stream),
        Route("/fails", fails),
    ],
    lifespan=lifespan,
)
"""


class UnixConnection(http.client.HTTPConnection):
    """To a socket file."""

    def __init__(self, path: str) -> None:
        super().__init__("x", timeout=HANG)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(HANG)
        self.sock.connect(self.path)


def test_starlette(start: Callable, tmp_path: Path):
    installed("starlette", "python3-starlette")
    (tmp_path / "app.py").write_text(textwrap.dedent(STARLETTE))
    server = start(
        [sys.executable, "-m", "grove.serve", "--asgi", "-b", "unix:socket", "app:app"],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "listening on" in server.stderr.readline()
    connection = UnixConnection(str(tmp_path / "socket"))
    for _ in range(3):
        connection.request("POST", "/echo?a=b", body=b"x" * 100000)
        assert json.load(connection.getresponse()) == {
            "length": 100000,
            "query": {"a": "b"},
            "started": True,
        }
    connection.request("GET", "/stream")
    assert connection.getresponse().read() == b"0;1;2;"
    connection.request("GET", "/nothing")
    response = connection.getresponse()
    assert response.status == 404 and response.read() == b"Not Found"
    connection.request("GET", "/fails")
    assert connection.getresponse().status == 500
    server.terminate()
    said = server.stderr.read()
    assert server.wait(HANG) == 0 and "KeyError: 'of the application'" in said


def test_flask_app(start: Callable, tmp_path: Path):
    """/quick answers while /slow sleeps, which ends when the server does."""
    installed("flask", "python3-flask")
    path = tmp_path / "socket"
    server = start(
        [sys.executable, "-m", "grove.serve", "-b", f"unix:{path}"]
        + ["--graceful-timeout", "0", "flask_app:app"],
        cwd=EXAMPLES,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "listening on" in server.stderr.readline()
    slow, quick = UnixConnection(str(path)), UnixConnection(str(path))
    slow.request("GET", "/slow")
    quick.request("GET", "/quick")
    assert quick.getresponse().read() == b"quick"
    assert select.select([slow.sock], [], [], 0)[0] == []
    server.terminate()
    assert server.wait(HANG) == 0
