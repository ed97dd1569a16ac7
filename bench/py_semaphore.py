"""A Semaphore handed over: one greenlet releases it, the other acquires it."""

from itertools import repeat
from time import perf_counter_ns

import gevent
from gevent.lock import Semaphore

import peers

TURNS = 50_000


def turn() -> float:
    here, there = Semaphore(0), Semaphore(0)

    def other() -> None:
        for _ in repeat(None, TURNS):
            here.acquire()
            there.release()

    waiting = gevent.spawn(other)
    start = perf_counter_ns()
    for _ in repeat(None, TURNS):
        here.release()
        there.acquire()
    spent = perf_counter_ns() - start
    waiting.join()
    return spent / TURNS / 2


def measure() -> float:
    return min(turn() for _ in range(3))


if __name__ == "__main__":
    peers.compare("py_semaphore", measure, "gevent", rounds=5)
