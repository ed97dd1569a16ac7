"""An item handed over by a Queue: one greenlet puts, another, which waits for it,
gets."""

from itertools import repeat
from time import perf_counter_ns

import gevent
from gevent.queue import Queue

import peers

COUNT = 200_000


def turn() -> float:
    there, back = Queue(), Queue()

    def answer() -> None:
        get, put = there.get, back.put
        for _ in repeat(None, COUNT):
            put(get())

    other = gevent.spawn(answer)
    get, put = back.get, there.put
    start = perf_counter_ns()
    for _ in repeat(None, COUNT):
        put(None)
        get()
    spent = perf_counter_ns() - start
    other.join()
    return spent / COUNT / 2


def measure() -> float:
    return min(turn() for _ in range(3))


if __name__ == "__main__":
    peers.compare("py_queue", measure, "gevent", rounds=5)
