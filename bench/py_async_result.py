"""An AsyncResult handed over: one greenlet sets it, the other gets it."""

from itertools import repeat
from time import perf_counter_ns

import gevent
from gevent.event import AsyncResult

import peers

TURNS = 50_000


def turn() -> float:
    here = [AsyncResult() for _ in repeat(None, TURNS)]
    there = [AsyncResult() for _ in repeat(None, TURNS)]

    def other() -> None:
        for asked, answer in zip(here, there):
            answer.set(asked.get())

    waiting = gevent.spawn(other)
    start = perf_counter_ns()
    for asked, answer in zip(here, there):
        asked.set(1)
        answer.get()
    spent = perf_counter_ns() - start
    waiting.join()
    return spent / TURNS / 2


def measure() -> float:
    return min(turn() for _ in range(3))


if __name__ == "__main__":
    peers.compare("py_async_result", measure, "gevent", rounds=5)
