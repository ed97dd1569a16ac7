"""kazoo with its gevent handler: nodes, watches, a lock, an election, a barrier."""

import logging
import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
from gevent.event import AsyncResult  # noqa: E402
from kazoo.client import KazooClient  # noqa: E402
from kazoo.exceptions import NodeExistsError  # noqa: E402
from kazoo.handlers.gevent import SequentialGeventHandler  # noqa: E402

logging.basicConfig(level=logging.ERROR)
hosts = f"127.0.0.1:{sys.argv[1]}"


def client() -> KazooClient:
    made = KazooClient(hosts=hosts, handler=SequentialGeventHandler(), timeout=30)
    made.start(30)
    return made


zk = client()
if zk.exists("/grove"):
    zk.delete("/grove", recursive=True)
zk.create("/grove/a", b"one", makepath=True)
try:
    zk.create("/grove/a")
except NodeExistsError as error:
    print(type(error).__name__)

changed: AsyncResult = AsyncResult()
zk.get("/grove/a", watch=lambda event: changed.set(event.type))
other = client()
other.set("/grove/a", b"two")
print(changed.get(timeout=30), zk.get("/grove/a")[0].decode())

answers = [zk.create_async(f"/grove/n{n}", b"x") for n in range(100)]
print("created", len([a.get(timeout=30) for a in answers]))
print("children", len(zk.get_children("/grove")))

inside = []


def guarded(n: int) -> None:
    with [zk, other][n % 2].Lock("/grove/lock", str(n)):
        inside.append(n)
        assert len(inside) == 1
        gevent.sleep(0.001)
        inside.remove(n)


gevent.joinall([gevent.spawn(guarded, n) for n in range(6)], raise_error=True)
print("lock", inside)

order = []
zk.Election("/grove/election", "first").run(order.append, "first")
other.Election("/grove/election", "second").run(order.append, "second")
print("elected", *order)

queue = zk.Queue("/grove/queue")
for word in (b"1", b"2", b"3"):
    queue.put(word)
print("queue", *(queue.get().decode() for _ in range(3)))

# What a session held goes with it.
other.create("/grove/brief", ephemeral=True)
gone: AsyncResult = AsyncResult()
zk.exists("/grove/brief", watch=lambda event: gone.set(event.type))
other.stop()
other.close()
print(gone.get(timeout=30))
zk.stop()
zk.close()
print(zk.connected)
