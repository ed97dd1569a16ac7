"""`with Timeout(...)` around nothing."""

from itertools import repeat
from time import perf_counter_ns

import gevent

import peers

TURNS = 100_000


def turn() -> float:
    timeout = gevent.Timeout
    start = perf_counter_ns()
    for _ in repeat(None, TURNS):
        with timeout(10):
            pass
    return (perf_counter_ns() - start) / TURNS


def measure() -> float:
    return min(turn() for _ in range(3))


if __name__ == "__main__":
    peers.compare("py_timeout", measure, "gevent", rounds=5)
