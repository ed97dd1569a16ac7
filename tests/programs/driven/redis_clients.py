"""redis-py: blocking pops, published messages, pipelines, a lock and a pool."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import redis  # noqa: E402

port = int(sys.argv[1])
client = redis.Redis(port=port, decode_responses=True)
client.flushall()

# Nothing is pushed before all 20 wait, each on a connection of its own.
waiting = [gevent.spawn(client.blpop, ["work"], 30) for _ in range(20)]
while client.info("clients")["blocked_clients"] < 20:
    gevent.sleep(0.001)
client.rpush("work", *range(20))
print("popped", sum(int(w.get(30)[1]) for w in waiting))
print("nothing came", client.blpop(["nothing"], 0.05))


def listener(subscribed: list) -> list:
    """The messages of a channel, until the one that ends it."""
    pubsub = client.pubsub()
    pubsub.subscribe("news")
    got = []
    for message in pubsub.listen():
        if message["type"] == "subscribe":
            subscribed.append(True)
        elif message["data"] == "end":
            pubsub.close()
            return got
        else:
            got.append(message["data"])


subscribed: list = []
listeners = [gevent.spawn(listener, subscribed) for _ in range(5)]
while len(subscribed) < 5:
    gevent.sleep(0.001)
for text in ["one", "two", "end"]:
    client.publish("news", text)
heard = [x.get(30) for x in listeners]
print("heard", *heard[0], all(words == ["one", "two"] for words in heard))


def add_hundred() -> None:
    for _ in range(100):
        with client.pipeline() as pipe:
            pipe.incr("sum").incr("twice", 2).execute()


gevent.joinall([gevent.spawn(add_hundred) for _ in range(10)], raise_error=True)
print("pipelines", client.get("sum"), client.get("twice"))

inside = []


def guarded(n: int) -> None:
    with client.lock("guard", timeout=30, sleep=0.001):
        inside.append(n)
        assert len(inside) == 1
        gevent.sleep(0)
        inside.remove(n)


gevent.joinall([gevent.spawn(guarded, n) for n in range(10)], raise_error=True)
print("lock", client.exists("guard"))

# More greenlets than connections: they wait for one.
pool = redis.BlockingConnectionPool(port=port, max_connections=3, timeout=30)
few = redis.Redis(connection_pool=pool)
jobs = [gevent.spawn(few.incr, "few") for _ in range(200)]
gevent.joinall(jobs, raise_error=True)
print("pool", few.get("few").decode(), len(pool._connections) <= 3)

# A transaction that another one disturbs is told so.
with client.pipeline() as pipe:
    pipe.watch("few")
    client.incr("few")
    pipe.multi()
    pipe.set("few", 0)
    try:
        pipe.execute()
    except redis.WatchError:
        print("watched", client.get("few"))
