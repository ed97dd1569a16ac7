"""An item handed over by a Channel: one greenlet puts, another gets."""

from itertools import repeat
from time import perf_counter_ns

import gevent
from gevent.queue import Channel

import peers

COUNT = 200_000


def turn() -> float:
    channel = Channel()

    def produce() -> None:
        put = channel.put
        for _ in repeat(None, COUNT):
            put(None)

    producer = gevent.spawn(produce)
    get = channel.get
    start = perf_counter_ns()
    for _ in repeat(None, COUNT):
        get()
    spent = perf_counter_ns() - start
    producer.join()
    return spent / COUNT


def measure() -> float:
    return min(turn() for _ in range(3))


if __name__ == "__main__":
    peers.compare("py_channel", measure, "gevent", rounds=5)
