"""Flask-SocketIO on gevent's pywsgi and gevent-websocket: rooms, answers to calls,
messages of a background task."""

import sys

from gevent import monkey

monkey.patch_all()

import flask  # noqa: E402
import gevent  # noqa: E402
import websocket  # noqa: E402
from flask_socketio import SocketIO, emit, join_room  # noqa: E402

port = int(sys.argv[1])
app = flask.Flask(__name__)
server = SocketIO(app, async_mode="gevent", cors_allowed_origins="*")
members: list[str] = []


@server.on("join")
def join(room: str) -> int:
    join_room(room)
    members.append(flask.request.sid)
    return len(members)


@server.on("say")
def say(room: str, text: str) -> None:
    emit("said", text, to=room)


@server.on("count")
def count(upto: int) -> None:
    sid = flask.request.sid

    def task() -> None:
        for n in range(upto):
            server.emit("counted", n, to=sid)
            server.sleep(0)

    server.start_background_task(task)


@app.route("/page")
def page() -> str:
    return "page"


class Client:
    """A client of the protocol, by hand, on a plain websocket."""

    def __init__(self) -> None:
        address = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
        self._socket = websocket.create_connection(address, timeout=30)
        assert self._socket.recv().startswith("0")  # opened
        self._socket.send("40")
        assert self._socket.recv().startswith("40")  # connected

    def send(self, text: str) -> None:
        self._socket.send(text)

    def receive(self) -> str:
        """The next message that is no ping."""
        while True:
            text = self._socket.recv()
            if text != "2":
                return text
            self._socket.send("3")

    def close(self) -> None:
        self._socket.close()


def chat(n: int) -> list[str]:
    client = Client()
    client.send(f'421["join","room{n % 2}"]')
    assert client.receive().startswith("431[")
    all_here.wait(30)
    client.send(f'42["say","room{n % 2}","{n}"]')
    heard = sorted(client.receive() for _ in range(5))
    client.close()
    return heard


all_here = gevent.event.Event()
serving = gevent.spawn(
    server.run, app, host="127.0.0.1", port=port, log_output=False
)
while serving.started and not serving.ready():
    try:
        gevent.socket.create_connection(("127.0.0.1", port), 1).close()
        break
    except OSError:
        gevent.sleep(0.01)

jobs = [gevent.spawn(chat, n) for n in range(10)]
while len(members) < 10:
    gevent.sleep(0.001)
all_here.set()
gevent.joinall(jobs, raise_error=True)
for parity in (0, 1):
    words = sorted(f'42["said","{n}"]' for n in range(parity, 10, 2))
    print("room", parity, all(job.value == words for job in jobs[parity::2]))

client = Client()
client.send('42["count",100]')
print("counted", [client.receive() for _ in range(100)][-1])
client.close()

# Over plain HTTP, too: long polling waits for what comes.
import requests  # noqa: E402

with requests.Session() as session:
    address = f"http://127.0.0.1:{port}/socket.io/?EIO=4&transport=polling"
    sid = session.get(address, timeout=30).text.split('"sid":"')[1].split('"')[0]
    address += f"&sid={sid}"
    session.post(address, data="40", timeout=30)
    print("polled", session.get(address, timeout=30).text.startswith("40"))
    waiting = gevent.spawn(session.get, address, timeout=30)
    with requests.Session() as other:
        print(other.get(f"http://127.0.0.1:{port}/page", timeout=30).text)
        other.post(address, data='42["count",1]', timeout=30)
    print(waiting.get(30).text)
serving.kill()
