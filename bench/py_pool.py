"""A greenlet spawned in a Pool of 100, until it has finished; and a call made by
Pool.map."""

from itertools import repeat
from time import perf_counter_ns

from gevent.pool import Pool

import peers

COUNT = 50_000


def nothing(_: object = None) -> None:
    pass


def turn(mapped: bool) -> float:
    pool = Pool(100)
    start = perf_counter_ns()
    if mapped:
        pool.map(nothing, range(COUNT))
    else:
        for _ in repeat(None, COUNT):
            pool.spawn(nothing)
        pool.join()
    return (perf_counter_ns() - start) / COUNT


def measure(mapped: int) -> float:
    return min(turn(bool(mapped)) for _ in range(2))


if __name__ == "__main__":
    peers.compare("py_pool_spawn", measure, "gevent", 0, rounds=3)
    peers.compare("py_pool_map", measure, "gevent", 1, rounds=3)
