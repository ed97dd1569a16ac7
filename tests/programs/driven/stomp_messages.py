"""stomp.py: its listener thread is a greenlet; messages, receipts, a transaction."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import stomp  # noqa: E402
from gevent.event import Event  # noqa: E402

port = int(sys.argv[1])
COUNT = 100


class Listener(stomp.ConnectionListener):
    def __init__(self, expected: int) -> None:
        self.got: list[int] = []
        self.all = Event()
        self.gone = Event()
        self._expected = expected

    def on_message(self, frame: object) -> None:
        self.got.append(int(frame.body))
        if len(self.got) == self._expected:
            self.all.set()

    def on_disconnected(self) -> None:
        self.gone.set()


def connect() -> stomp.Connection:
    made = stomp.Connection([("127.0.0.1", port)])
    made.connect("guest", "guest", wait=True)
    return made


receiver = connect()
listener = Listener(COUNT + 2)
receiver.set_listener("", listener)
receipt = stomp.listener.WaitingListener("subscribed")
receiver.set_listener("receipt", receipt)
receiver.subscribe("/queue/stomp", id=1, receipt="subscribed")
receipt.wait_on_receipt()
print("subscribed")


def send(first: int) -> None:
    sender = connect()
    for n in range(first, first + 20):
        sender.send("/queue/stomp", str(n))
    sender.disconnect()


gevent.joinall([gevent.spawn(send, n) for n in range(0, COUNT, 20)], raise_error=True)
sender = connect()
undone = sender.begin()
sender.send("/queue/stomp", "-1", transaction=undone)
sender.abort(undone)
done = sender.begin()
for n in (COUNT, COUNT + 1):
    sender.send("/queue/stomp", str(n), transaction=done)
sender.commit(done)
print("all", listener.all.wait(30), sorted(listener.got) == list(range(COUNT + 2)))
sender.disconnect()
receiver.disconnect()
print("gone", listener.gone.wait(30), receiver.is_connected())
