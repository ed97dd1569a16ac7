"""python-memcache: a client of one connection a greenlet."""

import sys

from gevent import monkey

monkey.patch_all()

import gevent  # noqa: E402
import memcache  # noqa: E402

address = [f"127.0.0.1:{sys.argv[1]}"]
shared = memcache.Client(address)  # a threading.local: a connection a greenlet
shared.flush_all()


def work(n: int) -> int:
    for turn in range(50):
        assert shared.set(f"key{n}", "x" * n * turn)
        assert shared.get(f"key{n}") == "x" * n * turn
    shared.incr("sum", n)
    return id(shared.servers[0].socket)


shared.set("sum", 0)
jobs = [gevent.spawn(work, n) for n in range(20)]
gevent.joinall(jobs, raise_error=True)
print("sum", shared.get("sum"), "connections", len({job.value for job in jobs}))
print("missing", shared.get("nothing"))
big = list(range(100_000))
print("stored", shared.set_multi({"a": 1, "b": big[:1000]}))
print("many", sorted(shared.get_multi(["a", "b", "c"])))
shared.delete("a")
print("deleted", shared.get("a"))
