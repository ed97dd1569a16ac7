"""An Event handed over: one greenlet sets it, the other waits for it."""

from itertools import repeat
from time import perf_counter_ns

import gevent
from gevent.event import Event

import peers

TURNS = 50_000


def turn() -> float:
    here, there = Event(), Event()

    def other() -> None:
        for _ in repeat(None, TURNS):
            here.wait()
            here.clear()
            there.set()

    waiting = gevent.spawn(other)
    start = perf_counter_ns()
    for _ in repeat(None, TURNS):
        here.set()
        there.wait()
        there.clear()
    spent = perf_counter_ns() - start
    waiting.join()
    return spent / TURNS / 2


def measure() -> float:
    return min(turn() for _ in range(3))


if __name__ == "__main__":
    peers.compare("py_event", measure, "gevent", rounds=5)
